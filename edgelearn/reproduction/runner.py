"""Runner of a claim: measures, judges, draws and writes the result."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import platform
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn import __version__
from edgelearn.errors import Terminated, UserError, install
from edgelearn.files import make_folder, write_text, write_whole
from edgelearn.reproduction.catalog import CLAIMS, RESULTS
from edgelearn.reproduction.claim import Check, Claim
from edgelearn.reproduction.study import Study, as_strict_json, one_thread, plain

ELSEWHERE = Path("edgelearn-reproduced")
MODULES = {"torch": "torch", "plot": "matplotlib", "streams": "river"}  # of an extra: what shows that it is installed

_STYLE: dict[str, Any] = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a claim.

    Parameters
    ----------
    result : the content of its file
    holds : whether every check that was judged holds
    written : files
    kept_runs : runs that had been done before
    undrawn : there is a figure to draw, and no matplotlib
    """

    result: dict[str, Any]
    holds: bool
    written: list[Path]
    kept_runs: int
    undrawn: bool


def default_folder() -> Path:
    """Return where results go: beside the code when its checkout is the current folder, else a folder of its own."""
    here = Path.cwd()
    return RESULTS.relative_to(here) if CLAIMS.parents[1] == here else ELSEWHERE


def check_ready(claim: Claim) -> None:
    """Refuse a claim whose extras or data are not here.

    Raises
    ------
    UserError
        "ID needs ..."
    """
    from edgelearn.data.open_source import stream_info

    for extra in claim.needs:
        if importlib.util.find_spec(MODULES[extra]) is None:
            raise UserError(f"{claim.id} needs {MODULES[extra]}; {install(extra)}")
    for name in claim.data:
        how = stream_info(name)["how_to_get"]
        if how:
            raise UserError(f"{claim.id} needs the data set {name}: {how}")


def perform(
    claim: Claim,
    out: Path,
    quick: bool = False,
    seed: int = 0,
    jobs: int = 1,
    show: Callable[[float, int, str], None] | None = None,
) -> Outcome:
    """Measure, judge and draw a claim; write ID.json and ID.png.

    A reduced run writes ID.quick.json, one of another seed than 0 ID.seedN.json; neither replaces the result of a full
    run from seed 0. Runs that are done stay in the folder `runs` inside: the same call continues after an interrupt.

    Raises
    ------
    UserError
        "ID needs ...", "cannot write ...", "a process of ID was killed ..."
    KeyboardInterrupt
        on Ctrl-C and termination
    """
    check_ready(claim)
    make_folder(out / "runs")
    reduced = quick and bool(claim.quick)
    study = Study(claim.settings | (claim.quick if reduced else {}), seed, out / "runs", jobs, show)
    started = time.perf_counter()
    with _termination_interrupts(), one_thread():
        try:
            measured = plain(claim.measure(study))
        except BrokenProcessPool:
            raise UserError(
                f"a process of {claim.id} was killed, perhaps for want of memory; "
                "the same command continues, with fewer --jobs if need be"
            ) from None
    seconds = time.perf_counter() - started
    checks = claim.judge(measured)
    verdict, holds = _verdict(checks, reduced)
    result = {
        "id": claim.id,
        "source": claim.source,
        "statement": claim.statement,
        "kind": claim.kind,
        "verdict": verdict,
        "settings": study.settings,
        "seed": seed,
        "checks": [_as_dict(check, reduced) for check in checks],
        "measured": measured,
        "versions": _versions(claim),
        "seconds": round(seconds, 2),
        "run_seconds": round(study.run_seconds, 2),
    }
    result = as_strict_json(plain(result)) | {"settings": study.settings}  # to the last digit
    stem = claim.id + (f".seed{seed}" if seed else "") + (".quick" if reduced else "")
    written = [out / f"{stem}.json"]
    write_text(written[0], _as_text(result))
    drawn = claim.draw is not None and _draw(claim, measured, reduced, out / f"{stem}.png")
    if drawn:
        written.append(out / f"{stem}.png")
    return Outcome(result, holds, written, study.kept_runs, claim.draw is not None and not drawn)


def _as_text(result: dict[str, Any]) -> str:
    """Return JSON with a line for each entry, but lists of numbers on one line."""
    text = json.dumps(result, indent=1)
    return re.sub(r"\[[-+.\deE,\s]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text) + "\n"


def _verdict(checks: list[Check], reduced: bool) -> tuple[str, bool]:
    judged = [check.passed for check in checks if not (reduced and check.needs_full)]
    if not judged:
        assert reduced, "a claim without checks"
        return "reduced run: nothing to judge", True
    if reduced:
        return ("reduced run: order holds" if all(judged) else "reduced run: differs"), all(judged)
    return ("reproduced" if all(judged) else "differs"), all(judged)


def _as_dict(check: Check, reduced: bool) -> dict[str, Any]:
    passed = None if reduced and check.needs_full else check.passed
    return {
        "what": check.what,
        "ours": check.ours,
        "paper": check.paper,
        "tolerance": check.tolerance,
        "passed": passed,
    }


def _versions(claim: Claim) -> dict[str, str]:
    versions = {"edgelearn": __version__, "python": platform.python_version(), "numpy": np.__version__}
    return versions | {MODULES[extra]: importlib.metadata.version(MODULES[extra]) for extra in claim.needs}


def _draw(claim: Claim, measured: dict[str, Any], reduced: bool, path: Path) -> bool:
    """Write the figure, the same bytes for the same numbers; return False without matplotlib."""
    try:
        from matplotlib import style
        from matplotlib.figure import Figure
    except ImportError:
        return False
    assert claim.draw is not None
    with style.context(["default", _STYLE]):
        figure = Figure(figsize=(9, 4.5), dpi=110, layout="constrained")
        claim.draw(measured, figure)
        figure.suptitle(f"{claim.id} ({claim.source})" + (", reduced run" if reduced else ""))
        write_whole(path, lambda file: figure.savefig(file, format="png", metadata={"Software": None}))
    return True


@contextmanager
def _termination_interrupts() -> Iterator[None]:
    """Take termination for Ctrl-C, so that processes are ended and the message is the same."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(number: int, frame: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
