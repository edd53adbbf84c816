"""Lint of the engine in Verilog: `verilator --lint-only -Wall` without a warning."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from edgelearn.network.learner import Learner
from hw_models.rtl.emit import emit
from hw_models.rtl.simulators import find_verilator


def lint(learner: Learner, folder: Path | None = None) -> list[str]:
    """Emit the engine of a learner and return the warnings of verilator, none if it is clean.

    Parameters
    ----------
    folder : of an engine that was emitted before; a temporary one if left out

    Raises
    ------
    UserError
        "verilator is not installed ...", "the engine in Verilog has no ..."
    """
    program, environment = find_verilator()
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="edgelearn-rtl-") as name:
            emit(learner, Path(name))
            return lint(learner, Path(name))
    found: list[str] = []
    for defines in ([], ["-DEL_COUNT"]):
        command = [program, "--lint-only", "-Wall", *defines, "--top-module", "el_top", "el_top.v"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
        found += [line for line in done.stderr.splitlines() if line.startswith("%") and "Exiting due" not in line]
    return list(dict.fromkeys(found))
