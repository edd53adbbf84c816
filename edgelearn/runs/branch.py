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
from edgelearn.branch.fixed import Fixed
from edgelearn.branch.synthetic import ANSWERS, synthetic_stream
from edgelearn.branch.top import TopBranches
from edgelearn.branch.traces.source import TraceSource, open_trace, part_of
from edgelearn.config import BranchSettings
from edgelearn.errors import UserError
from edgelearn.reports.branch import show
from edgelearn.runs.kind import Kind, Progress, Result, drive
from edgelearn.units import six_digits, size_bytes
from hw_models.branch_cost import NOTES, branch_cost

CONTRACT = 1  # version of docs/branch.md
BLOCK = 1 << 18  # branches that all predictors take in turn
SWEEP = tuple(1 << k for k in range(11, 18))  # bytes: 2 KB to 128 KB


class Block(NamedTuple):
    """Consecutive branches.

    Parameters
    ----------
    pc : uint32[n], shifted; taken : uint8[n]
    scored : bool[n], None where all branches count
    address : uint64[n], as in the trace; None for the built-in stream, where it is pc
    backward : uint8[n], whether the target is not above the address; None where that is not known
    """

    pc: np.ndarray
    taken: np.ndarray
    scored: np.ndarray | None = None
    address: np.ndarray | None = None
    backward: np.ndarray | None = None


class End(NamedTuple):
    """Facts of a stream that are known at its end.

    Parameters
    ----------
    source : one line; instructions : of the scored part, up to the last branch that was read; None if not known
    notes : for the report
    warmup : branches before the scored ones
    """

    source: str
    instructions: float | None
    notes: tuple[str, ...] = ()
    warmup: int = 0


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
    has_targets: bool
    blocks: Callable[[], Iterator[Block]]
    end: Callable[[int], End]


def open_branches(settings: BranchSettings) -> Branches:
    """Open the trace of settings, or the built-in stream."""
    if settings.trace is None:
        return _built_in(settings)
    trace = open_trace(settings.trace, settings.pc_shift, settings.address_base and int(settings.address_base))
    window = Window(trace, settings)
    n = trace.n if settings.limit is None or trace.n is None else min(trace.n, settings.limit)
    if settings.simulation_instructions is not None:
        n = None
    return Branches(trace.name, n, trace.pc_shift, trace.has_targets, window.blocks, window.end)


class Window:
    """The scored part of a trace, behind a warm-up of branches or instructions.

    Raises
    ------
    UserError : "--warmup and --warmup-instructions ..."
    """

    def __init__(self, trace: TraceSource, settings: BranchSettings) -> None:
        self._trace, self._limit, self._warmup = trace, settings.limit, settings.warmup
        self._first, self._length = settings.warmup_instructions, settings.simulation_instructions
        if self._warmup and (self._first is not None or self._length is not None):
            raise UserError(
                "--warmup counts branches and --warmup-instructions and --simulation-instructions instructions; "
                "give one of both"
            )
        self._by_instructions = self._first is not None or self._length is not None
        self._before = 0.0  # instructions of the warm-up
        self._ended = False  # whether the window ends before the trace

    def blocks(self) -> Iterator[Block]:
        first, n = self._first or 0, 0
        last = None if self._length is None else first + self._length
        if self._by_instructions:
            self._warmup, self._before = 0, float(first)
        for chunk in self._trace.full_blocks(BLOCK, self._limit):
            if self._by_instructions:
                if chunk.counts is None:
                    raise UserError(
                        f"{self._trace.path} has no instructions per branch; give --warmup N in branches, and --limit"
                    )
                self._warmup += int((chunk.counts <= first).sum())
                if last is not None and chunk.counts[-1] > last:
                    chunk = part_of(chunk, 0, int(np.searchsorted(chunk.counts, last, "right")))
                    self._ended = True
                scored = None if chunk.counts is None or not first else chunk.counts > first
            else:
                scored = np.arange(n, n + len(chunk.pc)) >= self._warmup if n < self._warmup else None
                if n < self._warmup <= n + len(chunk.pc) and chunk.counts is not None:
                    self._before = float(chunk.counts[self._warmup - n - 1])
            n += len(chunk.pc)
            if len(chunk.pc):
                pc = chunk.pc.astype(np.uint32) >> np.uint32(self._trace.pc_shift)
                yield Block(pc, chunk.taken, scored, chunk.pc, chunk.backward)
            if self._ended:
                return

    def end(self, n: int) -> End:
        """Return the facts of the window after n branches.

        Raises
        ------
        UserError : "... leaves no branch to score ..."
        """
        trace = self._trace
        if n <= self._warmup:
            unit = "instructions" if self._by_instructions else "branches"
            raise UserError(
                f"the warm-up of {(self._first or 0) if self._by_instructions else self._warmup:,} {unit} leaves no "
                f"branch of {trace.name} to score ({n:,} were read); give a smaller one"
            )
        total, scaled = (None, False) if self._ended else trace.instructions_of(n)
        if self._ended:
            assert self._length is not None
            instructions: float | None = float(self._length)
        elif total is None:
            instructions = None
        elif self._warmup and not self._before:
            instructions, scaled = total * (n - self._warmup) / n, True
        else:
            instructions = total - self._before if self._before else total
        notes = ["instructions of the whole trace are scaled by the number of branches"] if scaled else []
        if self._warmup:
            more = f" ({self._before:,.0f} instructions)" if self._before else ""
            notes.append(f"warm-up, learned and not scored: {self._warmup:,} branches{more}")
        if self._length is not None and not self._ended:
            notes.append("the trace ends before the instructions to score do")
        return End(trace.source, instructions, (*notes, *trace.notes), self._warmup)


def _built_in(settings: BranchSettings) -> Branches:
    if settings.limit is not None or settings.pc_shift is not None:
        raise UserError(
            "--limit and --pc-shift are for traces; give --trace FILE too, or --iterations for the built-in stream"
        )
    for name in ("address_base", "warmup", "warmup_instructions", "simulation_instructions"):
        if getattr(settings, name):
            raise UserError(f"--{name.replace('_', '-')} is for traces; give --trace FILE too, or leave it out")
    stream = synthetic_stream(settings.function, settings.noise, settings.iterations, settings.seed)

    def blocks() -> Iterator[Block]:
        for start in range(0, len(stream.pc), BLOCK):
            part = slice(start, start + BLOCK)
            yield Block(stream.pc[part], stream.taken[part], stream.scored[part])

    name = f"{ANSWERS[settings.function]} after {settings.noise} random branches"
    source = f"built-in stream, {settings.iterations:,} iterations, seed {settings.seed}"
    notes = ["scored: the answers of the second half; all other branches are fair coins"]
    if "N" in ANSWERS[settings.function]:
        notes.append("N is the first of the random branches")
    return Branches(name, len(stream.pc), 0, False, blocks, lambda n: End(source, None, tuple(notes)))


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
        fixed = [name for name, one in predictors.items() if isinstance(one, Fixed) and one.needs_targets]
        if fixed and not self.branches.has_targets:
            raise UserError(
                f"{fixed[0]} predicts by the target of a branch, and {self.branches.name} has none; "
                "give always-taken, or a trace with targets"
            )
        self._top = TopBranches(len(predictors)) if config.top else None
        self.done = self.scored = 0
        self.misses = [0] * len(predictors)
        self._blocks = self.branches.blocks()
        self._read_so_far = hashlib.sha256()
        self._pool = ThreadPoolExecutor()  # kernels hold no lock

    def chunks(self) -> Iterator[Block]:
        return self._blocks

    def advance(self, chunk: Block) -> None:
        pc, taken, scored = np.ascontiguousarray(chunk.pc), np.ascontiguousarray(chunk.taken), chunk.scored
        every = scored is None and self._top is None

        def learn(predictor: Predictor) -> tuple[int, np.ndarray | None]:
            predicted = np.empty(0 if every else len(pc), np.uint8)
            if isinstance(predictor, Fixed):
                predictor.backward = chunk.backward
            count = predictor.run(pc, taken, predicted)
            if every:
                return count, None
            wrong = predicted != taken if scored is None else (predicted != taken) & scored
            return int(wrong.sum()), wrong

        wrongs = []
        for k, (count, wrong) in enumerate(self._pool.map(learn, self.predictors.values())):
            self.misses[k] += count
            wrongs.append(wrong)
        if self._top is not None:
            self._top.add(pc if chunk.address is None else chunk.address, taken, scored, wrongs)
        self._count(chunk)

    def _count(self, block: Block) -> None:
        """Count the branches of a block and add them to the digest of the trace."""
        pc, taken, scored = block.pc, block.taken, block.scored
        self.done += len(pc)
        self.scored += len(pc) if scored is None else int(scored.sum())
        for array in (pc, taken):
            self._read_so_far.update(np.ascontiguousarray(array).data)

    def progress(self) -> Progress:
        return Progress(self.done, self.branches.n)

    def state(self) -> dict[str, np.ndarray]:
        return self._words() | ({} if self._top is None else self._top.state())

    def _words(self) -> dict[str, np.ndarray]:
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
        if self._top is not None:
            self._top.restore(arrays)

    def words(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        return self._words(), {"predictors": {given: one.name for given, one in self.predictors.items()}}

    def content(self) -> dict[str, Any]:
        """Return what report.json holds; `accuracy_percent` is that of the best predictor."""
        end = self.branches.end(self.done)
        rows = [
            self._row(given, predictor, misses, end.instructions)
            | ({} if self._top is None else {"branches": self._top.rows(k, self.config.top)})
            for k, ((given, predictor), misses) in enumerate(zip(self.predictors.items(), self.misses, strict=True))
        ]
        return {
            "edgelearn": __version__,
            "settings": self.config.model_dump(mode="json"),
            "trace": self.branches.name,
            "source": end.source,
            "branches": self.done,
            "scored_branches": self.scored,
            **({"warmup_branches": end.warmup} if end.warmup else {}),
            "instructions": end.instructions or None,
            "pc_shift": self.branches.pc_shift,
            "budget_bytes": self.budget,
            "notes": [*end.notes, *self._notes],
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
