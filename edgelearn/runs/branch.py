"""run_branches(settings) -> Result: a trace past many predictors at once, what each missed and what it costs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from edgelearn import __version__
from edgelearn.branch.base import DoesNotFit, Predictor
from edgelearn.branch.catalog import make_predictor, settings_of, takes_delay
from edgelearn.branch.synthetic import synthetic_stream
from edgelearn.branch.traces.source import open_trace
from edgelearn.config import BranchSettings
from edgelearn.errors import UserError
from edgelearn.runs.kind import Result
from edgelearn.units import six_digits
from hw_models.branch_cost import NOTES, branch_cost

BLOCK = 1 << 18  # branches that all predictors take in turn
MOST_BYTES = 1 << 30
SWEEP = tuple(1 << k for k in range(11, 18))  # bytes: 2 KB to 128 KB


class End(NamedTuple):
    """What is known of a stream once it was read.

    Parameters
    ----------
    source : one line; instructions : up to the last branch that was read, None where nobody knows
    note : what a reader has to know, or nothing
    """

    source: str
    instructions: float | None
    note: str = ""


@dataclass(frozen=True)
class Branches:
    """A stream of branches.

    Parameters
    ----------
    n : branches, None where nobody knows before the end
    blocks : gives pc uint32[n] (shifted), taken uint8[n], scored bool[n] or None where all branches count
    end : after the last block, from the number of branches
    """

    name: str
    n: int | None
    pc_shift: int
    blocks: Callable[[], Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]]
    end: Callable[[int], End]


def open_branches(settings: BranchSettings) -> Branches:
    """Open the trace of settings, or the built-in stream."""
    if settings.trace is None:
        return _built_in(settings)
    trace = open_trace(settings.trace, settings.pc_shift)

    def blocks() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
        for pc, taken in trace.blocks(BLOCK, settings.limit):
            yield pc >> np.uint32(trace.pc_shift), taken, None

    def end(n: int) -> End:
        instructions, scaled = trace.instructions_of(n)
        note = "instructions of the whole trace are scaled by the number of branches" if scaled else ""
        return End(trace.source, instructions, note)

    n = trace.n if settings.limit is None or trace.n is None else min(trace.n, settings.limit)
    return Branches(trace.name, n, trace.pc_shift, blocks, end)


def _built_in(settings: BranchSettings) -> Branches:
    if settings.limit is not None or settings.pc_shift is not None:
        raise UserError(
            "--limit and --pc-shift are for traces; give --trace FILE too, or --iterations for the built-in stream"
        )
    stream = synthetic_stream(settings.function, settings.noise, settings.iterations, settings.seed)

    def blocks() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
        for start in range(0, len(stream.pc), BLOCK):
            part = slice(start, start + BLOCK)
            yield stream.pc[part], stream.taken[part], stream.scored[part]

    name = f"deep {settings.function}, {settings.noise} random branches in between"
    source = f"built-in stream, {settings.iterations:,} iterations, seed {settings.seed}"
    note = "scored: the answers of the second half; all other branches are fair coins"
    return Branches(name, len(stream.pc), 0, blocks, lambda n: End(source, None, note))


def budget_bytes(text: str) -> int:
    """Return the bytes of a budget such as 32KB.

    Raises
    ------
    UserError : "budget ..."
    """
    found = re.fullmatch(r"([0-9]{1,12})(\.[0-9]{1,12})?\s*(?:([KMG]?)I?B)?", text.strip().upper())
    if found:
        number, fraction, unit = found.groups()
        n_bytes = Fraction(number + (fraction or "")) * 1024 ** " KMG".index(unit or " ")
        if n_bytes.denominator == 1 and 1 <= n_bytes <= MOST_BYTES:
            return int(n_bytes)
    raise UserError(f"budget '{text}' is not possible; give whole bytes, such as 32KB or 3.5KB, at most 1GB")


def run_branches(
    settings: BranchSettings, on_progress: Callable[[int, int | None], None] = lambda done, n: None
) -> Result:
    """Run all predictors over one trace, side by side.

    Parameters
    ----------
    on_progress : called with the branches done, and all of them where that is known

    Raises
    ------
    UserError : what traces and predictors say
    """
    names, notes = _names(settings)
    budget = budget_bytes(settings.budget)
    predictors = {name: make_predictor(name, budget, settings.delay) for name in names}
    return _report(settings, budget, predictors, notes, {}, on_progress)


def _report(
    settings: BranchSettings,
    budget: int,
    predictors: dict[str, Predictor],
    notes: list[str],
    left_out: dict[str, str],
    on_progress: Callable[[int, int | None], None],
) -> Result:
    """Run predictors, by the names that were given."""
    branches = open_branches(settings)
    done, scored_branches, scored_misses = _run(branches, list(predictors.values()), on_progress)
    end = branches.end(done)
    rows = []
    for (given, predictor), misses in zip(predictors.items(), scored_misses, strict=True):
        counts = predictor.counters
        rows.append(
            {
                "name": predictor.name,
                "given": given,
                "storage_bits": predictor.storage_bits,
                "misses": misses,
                "rate_percent": round(100 * misses / max(scored_branches, 1), 4),
                "mpki": None if not end.instructions else round(1000 * misses / end.instructions, 4),
                "trained_percent": round(100 * counts["trained"] / done, 4),
                "cost": _cost(predictor),
                "words_read_per_branch": round(counts["words_read"] / done, 4),
                "words_written_per_branch": round(counts["words_written"] / done, 4),
                "settings": settings_of(predictor),
            }
        )
    content = {
        "edgelearn": __version__,
        "settings": settings.model_dump(mode="json"),
        "trace": branches.name,
        "source": end.source,
        "branches": done,
        "scored_branches": scored_branches,
        "instructions": end.instructions or None,
        "pc_shift": branches.pc_shift,
        "budget_bytes": budget,
        "notes": [*([end.note] if end.note else []), *notes],
        "cost_notes": list(NOTES),
        "left_out": left_out,
        "predictors": rows,
    }
    return Result(content)


def _cost(predictor: Predictor) -> dict[str, Any]:
    """Return both models of what a prediction and an update take."""
    cost = branch_cost(predictor.datapath)
    wide, words = cost.wide_row, cost.words
    assert wide.latency_ps is not None
    assert words.updates_pj is not None
    return {
        "wide_row": {
            "latency_ps": six_digits(wide.latency_ps),
            "cycles": wide.cycles,
            "prediction_pj": six_digits(wide.energy_pj),
        },
        "words_45nm": {"prediction_pj": six_digits(words.energy_pj), "updates_pj": six_digits(words.updates_pj)},
    }


def _names(settings: BranchSettings) -> tuple[list[str], list[str]]:
    """Return the predictors to run, each once, and a note where some of the usual ones have no delay."""
    names = list(dict.fromkeys(name.strip() for name in settings.predictors.split(",") if name.strip()))
    if not names:
        raise UserError("no predictor is named; give --predictor mdfa,perceptron, for example")
    left_out = [name for name in names if not takes_delay(name)]
    if not settings.delay or not left_out or "predictors" in settings.model_fields_set:
        return names, []
    kept = [name for name in names if name not in left_out]
    return kept, [f"left out, for they have no delay: {', '.join(left_out)}"]


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
) -> list[Result]:
    """Run all predictors at budgets from 2 to 128 KB; those that a budget has no room for are left out of it.

    Raises
    ------
    UserError : what traces and predictors say, "no predictor fits ..."
    """
    names, notes = _names(settings)
    reports = []
    for n_bytes in SWEEP:
        predictors: dict[str, Predictor] = {}
        left_out = {}
        for name in names:
            try:
                predictors[name] = make_predictor(name, n_bytes, settings.delay)
            except DoesNotFit as error:
                left_out[name] = str(error)
        if predictors:
            changed = settings.model_copy(update={"budget": f"{n_bytes}B"})
            reports.append(_report(changed, n_bytes, predictors, notes, left_out, on_progress))
    if not reports:
        raise UserError("no predictor fits any budget from 2 to 128 KB; leave their parameters out")
    return reports
