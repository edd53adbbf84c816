"""Finished runs of any kind as C sources."""

from __future__ import annotations

from pathlib import Path

from edgelearn.errors import UserError
from firmware_sim.build.image import PREFIX
from firmware_sim.check.session import emit_network, restore_run
from firmware_sim.check.stream_run import emit_run, is_stream
from firmware_sim.check.watch_run import emit_watch_run, is_watch


def emit_finished(
    run: Path,
    folder: Path,
    overwrite: bool = False,
    prefix: str = PREFIX,
    layout: str = "make",
    selftest: str | None = None,
) -> list[Path]:
    """Write the C sources of a finished run, stream or anomaly detector; return the files.

    Raises
    ------
    UserError
        "the self-test of a stream ...", and why the C core cannot have this network
    """
    if not (is_stream(run) or is_watch(run)):
        return emit_network(*restore_run(run, selftest), folder, overwrite, prefix, layout)[0]
    if selftest is not None:
        raise UserError("the self-test of a stream is of its own recording; leave selftest out")
    write = emit_run if is_stream(run) else emit_watch_run
    return write(run, folder, overwrite, prefix, layout)[0]
