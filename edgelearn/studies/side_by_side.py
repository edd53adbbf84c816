"""Cells that learn side by side: seeds and rates of one narrow network on shared data."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from edgelearn.config import RunConfig, validated
from edgelearn.errors import UserError
from edgelearn.network.kernels.arrays import REPLICAS
from edgelearn.network.replicas import are_replicas
from edgelearn.runs.kind import Work
from edgelearn.runs.rates import spec_of
from edgelearn.runs.registry import studied_kind
from edgelearn.runs.side_by_side import learn_together
from edgelearn.studies.cell import DONE, Cell, Record, failure, record_of, run_cell

APART = {"seed", *RunConfig.model_fields.keys() & {"hidden_rate", "output_rate"}}


def batches_of(cells: Iterable[Cell], jobs: int) -> list[tuple[Cell, ...]]:
    """Return cells in batches that may learn side by side, at most `REPLICAS` each and one at least for each job."""
    alike: dict[str, list[Cell]] = {}
    for cell in cells:
        alike.setdefault(_key(cell), []).append(cell)
    batches: list[tuple[Cell, ...]] = []
    for group in alike.values():
        size = min(REPLICAS, -(-len(group) // jobs)) if len(group) > 1 and _may_learn_together(group[0]) else 1
        group.sort(key=lambda cell: int(cell.config.get("seed", 0)))  # two of one seed share a vector
        batches += [tuple(group[first : first + size]) for first in range(0, len(group), size)]
    return batches


def _key(cell: Cell) -> str:
    """Return what cells of a batch have in common; the id of a cell that learns alone whatever its network."""
    config = cell.config
    if cell.kind != "run" or config.get("net") is None or config.get("start") is not None or config.get("strict"):
        return cell.id
    return json.dumps({key: value for key, value in config.items() if key not in APART}, sort_keys=True)


def _may_learn_together(cell: Cell) -> bool:
    """Return whether cells that differ by seed and rates from one may be a batch: `learn_together` sees their data."""
    try:
        config = validated(RunConfig, dict(cell.config))
        return config.net is not None and are_replicas([spec_of(config, config.net)])
    except UserError:
        return False


def run_batch(cells: Sequence[Cell]) -> Iterator[Record]:
    """Run cells, side by side where they can; give each record as it is there, with what goes wrong."""
    started = time.perf_counter()
    works = _learned_together(cells)
    if works is None:
        yield from map(run_cell, cells)  # each says what is wrong with it
        return
    seconds = (time.perf_counter() - started) / len(cells)
    for cell, work in zip(cells, works, strict=True):
        yield record_of(cell, _found(cell, work), seconds)


def _learned_together(cells: Sequence[Cell]) -> list[Any] | None:
    """Return the runs of cells that have learned side by side; None where they cannot, or where that fails."""
    if len(cells) == 1:
        return None
    try:
        works: list[Any] = [_open(cell) for cell in cells]
        return works if learn_together(works) else None
    except (Exception, SystemExit):  # too little memory for all of them may be enough for one
        return None


def _open(cell: Cell) -> Work:
    kind, studied = studied_kind(cell.kind)
    assert studied.open is not None
    return studied.open(validated(kind.settings, dict(cell.config)), None)


def _found(cell: Cell, work: Work) -> Record:
    try:
        return {"status": DONE, "error": "", **studied_kind(cell.kind)[1].record(work.content())}
    except (Exception, SystemExit) as error:
        return failure(error)
