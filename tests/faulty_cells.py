"""Cells that misbehave, for sweeps under test: what each does is told by its seed, and every begin is noted.

Workers import this file, so that it stands in a module of its own.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from edgelearn.network.kernels.tables import COUNTERS
from edgelearn.studies.cell import Cell, Record, record_of, run_cell

RAISES, DIES, DIES_ONCE, EXITS = 101, 102, 103, 104
LOG = "EDGELEARN_TEST_LOG"  # a file to which a line is added when a cell begins, and one when it ends


def note(what: str, cell: Cell) -> None:
    with Path(os.environ[LOG]).open("a") as file:
        file.write(f"{what} {cell.id} {os.getpid()}\n")


def noted(what: str) -> list[str]:
    """Return the cells that began or ended, in order."""
    lines = Path(os.environ[LOG]).read_text().splitlines()
    return [line.split()[1] for line in lines if line.startswith(what)]


def odd_cell(cell: Cell) -> Record:
    """Do what the seed says in place of learning."""
    note("begin", cell)
    seed = cell.config["seed"]
    if seed == DIES or (seed == DIES_ONCE and noted("begin").count(cell.id) == 1):
        time.sleep(0.2)  # others are under way by then
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    record = empty(cell)
    note("end", cell)
    return record


def empty(cell: Cell) -> Record:
    """Return the record of a cell that learned nothing."""
    found = {"accuracy_percent": float(cell.config["bits"]), "samples_learned": 0, "stored_bits": 0, "buffered_bits": 0}
    counters = {name: [0, 0] for name in COUNTERS}
    nothing = {"sizes": [8, 4, 2], "samples": {"learning": 0}, "counters": {"learning": counters}}
    return record_of(cell, {"status": "done", "error": "", **found, **nothing})


def failing_cell(cell: Cell) -> Record:
    """Run a cell as it is, but for seeds that raise inside."""
    import edgelearn.studies.cell as cells

    def runner(cell: Cell) -> Record:
        if cell.config["seed"] == RAISES:
            raise MemoryError("Unable to allocate\n 1 TiB")
        if cell.config["seed"] == EXITS:
            sys.exit(3)
        return {**empty(cell)}

    before, cells._run = cells._run, runner
    try:
        return run_cell(cell)
    finally:
        cells._run = before
