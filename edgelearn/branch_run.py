"""run_branches(settings) -> BranchReport: a trace past many predictors at once, what each missed and what it costs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgelearn import __version__
from edgelearn.branch.catalog import make_predictor
from edgelearn.branch.predictor import Predictor
from edgelearn.branch.synthetic import synthetic_stream
from edgelearn.branch.traces.source import open_trace
from edgelearn.branch_datapath import datapath_of
from edgelearn.config import BranchSettings
from edgelearn.errors import UserError
from hw_models.branch_cost import NOTES, branch_cost

if TYPE_CHECKING:
    from rich.console import Console

BLOCK = 1 << 18  # branches that all predictors take in turn
SWEEP = tuple(1 << k for k in range(11, 18))  # bytes: 2 KB to 128 KB


@dataclass(frozen=True)
class Branches:
    """A stream of branches.

    Parameters
    ----------
    n : branches, None where nobody knows before the end
    blocks : gives pc uint32[n] (shifted), taken uint8[n], scored bool[n] or None where all branches count
    instructions : after the end, None where nobody knows
    """

    name: str
    source: str
    n: int | None
    pc_shift: int
    blocks: Callable[[], Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]]
    instructions: Callable[[int], float | None]
    note: str = ""


def open_branches(settings: BranchSettings) -> Branches:
    """Open the trace of settings, or the built-in stream."""
    if settings.trace is None:
        return _built_in(settings)
    trace = open_trace(settings.trace, settings.pc_shift)

    def blocks() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
        left = settings.limit
        for pc, taken in trace.blocks(BLOCK):
            part = slice(0, left)
            yield pc[part] >> np.uint32(trace.pc_shift), taken[part], None
            if left is not None:
                left -= len(taken[part])
                if left <= 0:
                    return

    def instructions(n: int) -> float | None:
        if trace.instructions is None or not trace.n:
            return None
        return trace.instructions * n / trace.n

    n = trace.n if settings.limit is None or trace.n is None else min(trace.n, settings.limit)
    scaled = trace.instructions_are_scaled or settings.limit is not None
    note = "instructions of the whole trace are scaled by the number of branches" if scaled else ""
    return Branches(trace.name, trace.source, n, trace.pc_shift, blocks, instructions, note)


def _built_in(settings: BranchSettings) -> Branches:
    if settings.limit is not None or settings.pc_shift is not None:
        raise UserError("limit and pc_shift are for traces; the built-in stream takes --iterations")
    stream = synthetic_stream(settings.function, settings.noise, settings.iterations, settings.seed)

    def blocks() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
        for start in range(0, len(stream.pc), BLOCK):
            part = slice(start, start + BLOCK)
            yield stream.pc[part], stream.taken[part], stream.scored[part]

    name = f"deep {settings.function}, {settings.noise} random branches in between"
    source = f"built-in stream, {settings.iterations:,} iterations, seed {settings.seed}"
    note = "scored: the answers of the second half; all other branches are fair coins"
    return Branches(name, source, len(stream.pc), 0, blocks, lambda n: None, note)


def budget_bytes(text: str) -> int:
    """Return the bytes of a budget such as 32KB.

    Raises
    ------
    UserError : "budget ..."
    """
    for unit, factor in (("KIB", 1024), ("KB", 1024), ("MB", 1 << 20), ("B", 1), ("", 1)):
        number = text.strip().upper().removesuffix(unit) if unit else text.strip()
        if (not unit or text.strip().upper().endswith(unit)) and number.strip().isdigit():
            n_bytes = int(number) * factor
            if 1 <= n_bytes <= 1 << 30:
                return n_bytes
    raise UserError(f"budget '{text}' is not possible; give bytes, such as 32KB, at most 1024MB")


@dataclass(frozen=True)
class BranchReport:
    """What a trace gave. `content` is what --json prints."""

    content: dict[str, Any]

    def to_json(self) -> str:
        return json.dumps(self.content, indent=1) + "\n"

    def print(self, console: Console, branches_per_second: float | None = None) -> None:
        """Print for people."""
        from rich.table import Table

        c = self.content
        told = "" if c["instructions"] is None else f", {c['instructions']:,.0f} instructions"
        speed = f", {branches_per_second / 1e6:,.1f} M predictions/s" if branches_per_second else ""
        console.print(
            f"{c['trace']} ({c['source']}): {c['branches']:,} branches{told}, address >> {c['pc_shift']}{speed}"
        )
        for note in c["notes"][: -len(NOTES)]:
            console.print(f"note: {note}", soft_wrap=True)
        titles = ("storage", "mispredicted", "rate", "MPKI", "trained", "ps", "cycles", "pJ", "pJ, 45 nm", "+ update")
        table = Table("predictor", *titles, box=None, pad_edge=False)
        for column in table.columns[1:]:
            column.justify = "right"
        for row in c["predictors"]:
            table.add_row(
                row["name"],
                f"{row['storage_bits'] / 8192:,.2f} KiB",
                f"{row['misses']:,}",
                f"{row['rate_percent']:.2f} %",
                "-" if row["mpki"] is None else f"{row['mpki']:.3f}",
                f"{row['trained_percent']:.1f} %",
                f"{row['cost']['wide_row']['latency_ps']:.0f}",
                f"{row['cost']['wide_row']['cycles']}",
                f"{row['cost']['wide_row']['prediction_pj']:.3g}",
                f"{row['cost']['words_45nm']['prediction_pj']:.3g}",
                f"{row['cost']['words_45nm']['updates_pj']:.3g}",
            )
        console.print()
        console.print(table)
        console.print(
            "ps, cycles of 300 ps, pJ: a prediction in the wide-row model of a 5 nm technology; pJ, 45 nm: a "
            "prediction, and its share of updates, by 64-bit words. Compare within a model; MPKI: directions only.",
            soft_wrap=True,
        )


def run_branches(
    settings: BranchSettings, on_progress: Callable[[int, int | None], None] = lambda done, n: None
) -> BranchReport:
    """Run all predictors over one trace, side by side.

    Parameters
    ----------
    on_progress : called with the branches done, and all of them where that is known

    Raises
    ------
    UserError : what traces and predictors say
    """
    budget = budget_bytes(settings.budget)
    predictors = [make_predictor(name, budget, settings.delay) for name in _names(settings.predictors)]
    branches = open_branches(settings)
    done, scored_branches, scored_misses = _run(branches, predictors, on_progress)
    instructions = branches.instructions(done)
    rows = []
    for predictor, misses in zip(predictors, scored_misses, strict=True):
        counts = predictor.counters
        rows.append(
            {
                "name": predictor.name,
                "storage_bits": predictor.storage_bits,
                "misses": misses,
                "rate_percent": round(100 * misses / max(scored_branches, 1), 4),
                "mpki": None if instructions is None else round(1000 * misses / instructions, 4),
                "trained_percent": round(100 * counts["trained"] / done, 4),
                "cost": _cost(predictor),
                "words_read_per_branch": round(counts["words_read"] / done, 4),
                "words_written_per_branch": round(counts["words_written"] / done, 4),
            }
        )
    content = {
        "edgelearn": __version__,
        "settings": settings.model_dump(mode="json"),
        "trace": branches.name,
        "source": branches.source,
        "branches": done,
        "scored_branches": scored_branches,
        "instructions": instructions,
        "pc_shift": branches.pc_shift,
        "notes": [*([branches.note] if branches.note else []), *NOTES],
        "predictors": rows,
    }
    return BranchReport(content)


def _cost(predictor: Predictor) -> dict[str, Any]:
    """Return both models of what a prediction and an update take."""
    cost = branch_cost(datapath_of(predictor))
    wide, words = cost.wide_row, cost.words
    return {
        "wide_row": {
            "latency_ps": _digits(wide.latency_ps),
            "cycles": wide.cycles,
            "prediction_pj": _digits(wide.energy_pj),
        },
        "words_45nm": {"prediction_pj": _digits(words.energy_pj), "updates_pj": _digits(words.updates_pj)},
    }


def _digits(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UserError("no predictor is named; give --predictor mdfa,perceptron, for example")
    return names


def _run(
    branches: Branches, predictors: list[Predictor], on_progress: Callable[[int, int | None], None]
) -> tuple[int, int, list[int]]:
    """Return branches, those that are scored, and the mispredictions of each predictor among them."""
    done = scored_branches = 0
    misses = [0] * len(predictors)
    with ThreadPoolExecutor() as pool:  # kernels hold no lock
        for pc, taken, scored in branches.blocks():
            pc, taken = np.ascontiguousarray(pc), np.ascontiguousarray(taken)

            def one(predictor: Predictor, pc: np.ndarray = pc, taken: np.ndarray = taken, scored: Any = scored) -> int:
                predicted = np.empty(0 if scored is None else len(pc), np.uint8)
                wrong = predictor.run(pc, taken, predicted)
                return wrong if scored is None else int(((predicted != taken) & scored).sum())

            for k, wrong in enumerate(pool.map(one, predictors)):
                misses[k] += wrong
            done += len(pc)
            scored_branches += len(pc) if scored is None else int(scored.sum())
            on_progress(done, branches.n)
    return done, scored_branches, misses


def sweep_branches(
    settings: BranchSettings, on_progress: Callable[[int, int | None], None] = lambda done, n: None
) -> list[BranchReport]:
    """Run all predictors at budgets from 2 to 128 KB; those that do not fit a budget are left out of it."""
    reports = []
    for n_bytes in SWEEP:
        fitting = []
        for name in _names(settings.predictors):
            try:
                make_predictor(name, n_bytes, settings.delay)
            except UserError:
                continue
            fitting.append(name)
        if fitting:
            changed = settings.model_copy(update={"predictors": ",".join(fitting), "budget": f"{n_bytes}B"})
            reports.append(run_branches(changed, on_progress))
    if not reports:
        raise UserError("no predictor fits any budget from 2 to 128 KB; leave their parameters out")
    return reports
