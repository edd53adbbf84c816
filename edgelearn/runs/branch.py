"""Runs of branch predictors over a trace, side by side: mispredictions, storage and cost of each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from edgelearn import __version__
from edgelearn.branch.base import DoesNotFit, Predictor
from edgelearn.branch.catalog import make_predictor, settings_of, takes_delay
from edgelearn.branch.synthetic import synthetic_stream
from edgelearn.branch.traces.source import open_trace
from edgelearn.config import BranchSettings
from edgelearn.errors import UserError
from edgelearn.reports.branch import show
from edgelearn.runs.kind import Kind, Progress, Result, drive
from edgelearn.units import six_digits, size_bytes
from hw_models.branch_cost import NOTES, branch_cost

CONTRACT = 1  # version of docs/branch.md
BLOCK = 1 << 18  # branches that all predictors take in turn
SWEEP = tuple(1 << k for k in range(11, 18))  # bytes: 2 KB to 128 KB


Block = tuple[np.ndarray, np.ndarray, np.ndarray | None]
"""pc uint32[n] (shifted), taken uint8[n], scored bool[n] or None where all branches count."""


class End(NamedTuple):
    """Facts of a stream that are known at its end.

    Parameters
    ----------
    source : one line; instructions : up to the last branch that was read, None if not known
    note : for the report, or empty
    """

    source: str
    instructions: float | None
    note: str = ""


@dataclass(frozen=True)
class Branches:
    """A stream of branches.

    Parameters
    ----------
    n : number of branches, None if only known at the end
    blocks : gives the branches in blocks of `BLOCK`, from the first one
    end : after the last block, from the number of branches
    """

    name: str
    n: int | None
    pc_shift: int
    blocks: Callable[[], Iterator[Block]]
    end: Callable[[int], End]


def open_branches(settings: BranchSettings) -> Branches:
    """Open the trace of settings, or the built-in stream."""
    if settings.trace is None:
        return _built_in(settings)
    trace = open_trace(settings.trace, settings.pc_shift)

    def blocks() -> Iterator[Block]:
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

    def blocks() -> Iterator[Block]:
        for start in range(0, len(stream.pc), BLOCK):
            part = slice(start, start + BLOCK)
            yield stream.pc[part], stream.taken[part], stream.scored[part]

    name = f"deep {settings.function}, {settings.noise} random branches in between"
    source = f"built-in stream, {settings.iterations:,} iterations, seed {settings.seed}"
    note = "scored: the answers of the second half; all other branches are fair coins"
    return Branches(name, len(stream.pc), 0, blocks, lambda n: End(source, None, note))


class BranchWork:
    """Predictors that learn the branches of one trace side by side; the `Work` of this kind.

    Parameters
    ----------
    predictors : by the names that were given; those of the settings where they are left out
    left_out : why predictors are left out, by name

    Raises
    ------
    UserError : what traces and predictors say
    """

    live = False
    identity: Mapping[str, Any] = {"contract": CONTRACT}

    def __init__(
        self,
        config: BranchSettings,
        predictors: Mapping[str, Predictor] | None = None,
        left_out: Mapping[str, str] | None = None,
    ) -> None:
        names, self._notes = predictor_names(config)
        self.budget = size_bytes(config.budget)
        if predictors is None:
            predictors = {name: make_predictor(name, self.budget, config.delay) for name in names}
        self.config, self.predictors, self.left_out = config, predictors, dict(left_out or {})
        self.branches = open_branches(config)
        self.done = self.scored = 0
        self.misses = [0] * len(predictors)
        self._blocks = self.branches.blocks()
        self._read_so_far = hashlib.sha256()
        self._pool = ThreadPoolExecutor()  # kernels hold no lock

    def chunks(self) -> Iterator[Block]:
        return self._blocks

    def advance(self, chunk: Block) -> None:
        pc, taken, scored = np.ascontiguousarray(chunk[0]), np.ascontiguousarray(chunk[1]), chunk[2]

        def learn(predictor: Predictor) -> int:
            predicted = np.empty(0 if scored is None else len(pc), np.uint8)
            wrong = predictor.run(pc, taken, predicted)
            return wrong if scored is None else int(((predicted != taken) & scored).sum())

        for k, wrong in enumerate(self._pool.map(learn, self.predictors.values())):
            self.misses[k] += wrong
        self._count(chunk)

    def _count(self, block: Block) -> None:
        """Count the branches of a block and add them to the digest of the trace."""
        pc, taken, scored = block
        self.done += len(pc)
        self.scored += len(pc) if scored is None else int(scored.sum())
        for array in (pc, taken):
            self._read_so_far.update(np.ascontiguousarray(array).data)

    def progress(self) -> Progress:
        return Progress(self.done, self.branches.n)

    def state(self) -> dict[str, np.ndarray]:
        return {
            f"{given}.{name}": array
            for given, predictor in self.predictors.items()
            for name, array in predictor.state().items()
        }

    def note(self) -> dict[str, Any]:
        return {"branches": self.done, "trace": self._read_so_far.hexdigest(), "misses": self.misses}

    def restore(self, arrays: dict[str, np.ndarray], note: dict[str, Any]) -> None:
        """Continue from `state` and `note`; the branches before are read again and compared.

        Raises
        ------
        UserError : "... is not the trace ..."
        """
        while self.done < note["branches"] and (block := next(self._blocks, None)) is not None:
            self._count(block)
        if self.note()["trace"] != note["trace"]:
            raise UserError(
                f"{self.branches.name} is not the trace that the checkpoint was made with; start again with --overwrite"
            )
        self.misses = list(note["misses"])
        for given, predictor in self.predictors.items():
            own = {name.removeprefix(f"{given}."): a for name, a in arrays.items() if name.startswith(f"{given}.")}
            predictor.restore(own)

    def words(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        return self.state(), {"predictors": {given: one.name for given, one in self.predictors.items()}}

    def content(self) -> dict[str, Any]:
        """Return what report.json holds; `accuracy_percent` is that of the best predictor."""
        end = self.branches.end(self.done)
        rows = [
            self._row(given, predictor, misses, end.instructions)
            for (given, predictor), misses in zip(self.predictors.items(), self.misses, strict=True)
        ]
        return {
            "edgelearn": __version__,
            "settings": self.config.model_dump(mode="json"),
            "trace": self.branches.name,
            "source": end.source,
            "branches": self.done,
            "scored_branches": self.scored,
            "instructions": end.instructions or None,
            "pc_shift": self.branches.pc_shift,
            "budget_bytes": self.budget,
            "notes": [*([end.note] if end.note else []), *self._notes],
            "cost_notes": list(NOTES),
            "left_out": self.left_out,
            "accuracy_percent": max(row["accuracy_percent"] for row in rows),
            "predictors": rows,
        }

    def _row(self, given: str, predictor: Predictor, misses: int, instructions: float | None) -> dict[str, Any]:
        counts, rate = predictor.counters, round(100 * misses / max(self.scored, 1), 4)
        return {
            "name": predictor.name,
            "given": given,
            "storage_bits": predictor.storage_bits,
            "misses": misses,
            "rate_percent": rate,
            "accuracy_percent": round(100 - rate, 4),
            "mpki": None if not instructions else round(1000 * misses / instructions, 4),
            "trained_percent": round(100 * counts["trained"] / self.done, 4),
            "cost": _cost(predictor),
            "words_read_per_branch": round(counts["words_read"] / self.done, 4),
            "words_written_per_branch": round(counts["words_written"] / self.done, 4),
            "settings": settings_of(predictor),
        }


def _cost(predictor: Predictor) -> dict[str, Any]:
    """Return the cost of a prediction and an update in both cost models."""
    cost = branch_cost(predictor.datapath)
    wide, words = cost.wide_row, cost.words
    return {
        "wide_row": {
            "latency_ps": six_digits(wide.latency_ps),
            "cycles": wide.cycles,
            "prediction_pj": six_digits(wide.energy_pj),
        },
        "words_45nm": {"prediction_pj": six_digits(words.energy_pj), "updates_pj": six_digits(words.updates_pj)},
    }


def predictor_names(config: BranchSettings) -> tuple[list[str], list[str]]:
    """Return the names of the predictors, each once, and a note if default ones without delay are left out."""
    names = list(dict.fromkeys(name.strip() for name in config.predictors.split(",") if name.strip()))
    if not names:
        raise UserError("no predictor is named; give --predictor mdfa,perceptron, for example")
    left_out = [name for name in names if not takes_delay(name)]
    usual = config.predictors == BranchSettings.model_fields["predictors"].default
    if not config.delay or not left_out or not usual:
        return names, []
    kept = [name for name in names if name not in left_out]
    return kept, [f"left out, for they have no delay: {', '.join(left_out)}"]


def sweep(config: BranchSettings, on_progress: Callable[[BranchWork], None] = lambda work: None) -> list[Result]:
    """Run all predictors at budgets from 2 to 128 KB; those that do not fit a budget are left out of it.

    Raises
    ------
    UserError : what traces and predictors say, "no predictor fits ..."
    """
    names, _ = predictor_names(config)
    results = []
    for n_bytes in SWEEP:
        predictors: dict[str, Predictor] = {}
        left_out = {}
        for name in names:
            try:
                predictors[name] = make_predictor(name, n_bytes, config.delay)
            except DoesNotFit as error:
                left_out[name] = str(error)
        if predictors:
            work = BranchWork(config.model_copy(update={"budget": f"{n_bytes}B"}), predictors, left_out)
            results.append(drive(KIND, work.config, on_progress=on_progress, open=lambda *_, work=work: work))
    if not results:
        raise UserError("no predictor fits any budget from 2 to 128 KB; leave their parameters out")
    return results


KIND = Kind(BranchSettings, "branch predictors", CONTRACT, lambda config, checkpoint: BranchWork(config), show)
