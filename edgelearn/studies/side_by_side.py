"""Cells that learn side by side: seeds and rates of one narrow network on shared data."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

from edgelearn.config import RunConfig, validated
from edgelearn.errors import UserError
from edgelearn.network.kernels.arrays import LANE, REPLICAS
from edgelearn.network.spec import parse_net
from edgelearn.runs.kind import Work
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
        group.sort(key=lambda cell: int(cell.config.get("seed", 0)))  # two of one seed share a vector
        size = min(REPLICAS, -(-len(group) // jobs))
        batches += [tuple(group[first : first + size]) for first in range(0, len(group), size)]
    return batches


def _key(cell: Cell) -> str:
    """Return what cells of a batch have in common; the id of a cell that learns alone.

    A cheap look at the settings: `learn_together` decides.
    """
    config = cell.config
    if cell.kind != "run" or config.get("net") is None or config.get("start") is not None:
        return cell.id
    try:
        sizes = parse_net(config["net"])
    except UserError:
        return cell.id
    if len(sizes) != 3 or sizes[1] > LANE:
        return cell.id
    return json.dumps({key: value for key, value in config.items() if key not in APART}, sort_keys=True)


def run_batch(cells: Sequence[Cell]) -> list[Record]:
    """Run cells and return their records, side by side where they can; what goes wrong is in the records."""
    if len(cells) == 1:
        return [run_cell(cells[0])]
    started = time.perf_counter()
    works: dict[str, Any] = {}
    for cell in cells:
        try:
            works[cell.id] = _open(cell)
        except (Exception, SystemExit):
            return [run_cell(one) for one in cells]  # each says what is wrong with it
    if not learn_together(list(works.values())):
        return [run_cell(cell) for cell in cells]
    seconds = (time.perf_counter() - started) / len(cells)
    return [record_of(cell, _found(cell, works[cell.id]), seconds) for cell in cells]


def _open(cell: Cell) -> Work:
    kind, studied = studied_kind(cell.kind)
    assert studied.open is not None
    return studied.open(validated(kind.settings, dict(cell.config)), None)


def _found(cell: Cell, work: Work) -> Record:
    try:
        return {"status": DONE, "error": "", **studied_kind(cell.kind)[1].record(work.content())}
    except (Exception, SystemExit) as error:
        return failure(error)
