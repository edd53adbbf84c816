"""Event simulation of a microcontroller: sample interrupts, ring buffer, work, saves to flash, power losses.

Event by event in whole clock cycles, so the same run gives the same result everywhere. Queue and deadline are those of
`edgelearn.network.device`; saves and losses are added here.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from edgelearn.errors import UserError


@dataclass(frozen=True, slots=True)
class Microcontroller:
    """Settings of a station; times are rounded to whole clock cycles.

    Parameters
    ----------
    clock_hz : of the core
    cycles_per_instruction : on average
    period_s : from sample to sample
    predict, learn, save : instructions of el_predict, el_learn and el_save
    jitter_s : a sample comes up to this much after its time, evenly spread; less than a period
    queue : samples that may wait in the ring buffer beside the one being worked on. While flash is written, or samples
        are learned again, none of those that come is worked on and only the buffer takes them.
    deadline_s : a sample that takes longer from its arrival on is late; None never is
    save_every : samples learned from save to save; 0 never saves
    erase_s, program_s : of a save, beside its instructions; the core waits
    relearns : whether what was learned since the last save lies in flash as well and is learned again after a restart
    """

    clock_hz: float
    cycles_per_instruction: float
    period_s: float
    predict: int
    learn: int
    save: int = 0
    jitter_s: float = 0.0
    queue: int = 1
    deadline_s: float | None = None
    save_every: int = 0
    erase_s: float = 0.0
    program_s: float = 0.0
    relearns: bool = False

    def __post_init__(self) -> None:
        for name in ("clock_hz", "cycles_per_instruction", "period_s"):
            if not 0 < getattr(self, name) < float("inf"):
                raise UserError(f"{name} is {getattr(self, name)}; a microcontroller needs more than 0 and an end")
        for name in ("predict", "learn", "save", "jitter_s", "queue", "save_every", "erase_s", "program_s"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise UserError(f"{name} is {getattr(self, name)}; give 0 or more")
        if self.deadline_s is not None and not self.deadline_s > 0:
            raise UserError(f"deadline_s is {self.deadline_s}; give more than 0, or None for no deadline")
        if not self.cycles(self.jitter_s) < self.cycles(self.period_s):
            raise UserError(
                f"period_s {self.period_s} and jitter_s {self.jitter_s} let samples overtake; "
                f"give a period of one clock cycle at least and less jitter than that"
            )

    def cycles(self, seconds: float) -> int:
        return round(seconds * self.clock_hz)

    def arrivals(self, n: int, seed: int = 0) -> list[int]:
        """Return the cycles at which n samples interrupt."""
        draw, period, spread = random.Random(seed), self.cycles(self.period_s), self.cycles(self.jitter_s) + 1
        return [i * period + int(draw.random() * spread) for i in range(n)]


@dataclass(frozen=True, slots=True)
class Operation:
    """Statistics of a stream of samples: each is predicted, learned, dropped or missed.

    Parameters
    ----------
    arrived : samples
    predicted : samples without a label, done
    learned : samples with a label, done; learning one again is not counted
    dropped : the ring buffer was full
    missed : there was no power, on arrival or later while they waited or were worked on
    late : of those done, after their deadline
    saves : completed
    forgotten : learned, but not saved when power failed; one that is learned again may be forgotten again
    busy_cycles : of work, saves included; powered_cycles : of all time with power, up to the end of the last work
    accepted : numbers of the samples in the order in which they were learned, forgotten ones and again
    kept : the same without what was forgotten: learning these one by one gives the final state
    """

    arrived: int
    predicted: int
    learned: int
    dropped: int
    missed: int
    late: int
    saves: int
    forgotten: int
    busy_cycles: int
    powered_cycles: int
    accepted: tuple[int, ...]
    kept: tuple[int, ...]

    @property
    def utilisation(self) -> float:
        """Share of the time with power in which the core works."""
        return self.busy_cycles / self.powered_cycles if self.powered_cycles else 0.0


@dataclass(slots=True)
class _Job:
    """Current work of the core: a sample, or a save if None."""

    sample: int | None
    start: int
    end: int
    again: bool = False  # learned before, forgotten since


class _Core:
    """State of a simulation, one method per event."""

    def __init__(
        self, board: Microcontroller, labelled: Sequence[bool], work: Sequence[int], arrivals: list[int]
    ) -> None:
        self.board, self.labelled, self.work, self.arrivals = board, labelled, work, arrivals
        self.save_cycles = round(board.save * board.cycles_per_instruction) + board.cycles(board.erase_s)
        self.save_cycles += board.cycles(board.program_s)
        self.deadline = None if board.deadline_s is None else board.cycles(board.deadline_s)
        self.job: _Job | None = None
        self.waiting: deque[int] = deque()
        self.backlog: deque[int] = deque()  # to be learned again
        self.off_until = self.off_cycles = 0
        self.predicted = self.learned = self.dropped = self.missed = 0
        self.late = self.saves = self.forgotten = self.busy = 0
        self.accepted: list[int] = []
        self.saved: list[int] = []
        self.unsaved: list[int] = []

    def start(self, at: int) -> None:
        """Take the next sample, if there is one."""
        self.job = None
        queue = self.backlog or self.waiting
        if queue:
            again, sample = queue is self.backlog, queue.popleft()
            cycles = round(self.work[sample] * self.board.cycles_per_instruction)
            self.job = _Job(sample, at, at + cycles, again)

    def arrive(self, sample: int, at: int) -> None:
        if at < self.off_until:
            self.missed += 1
        elif self.job is not None and len(self.waiting) >= self.board.queue:
            self.dropped += 1
        else:
            self.waiting.append(sample)
            if self.job is None:
                self.start(at)

    def finish(self, job: _Job) -> None:
        self.busy += job.end - job.start
        if job.sample is None:
            self.saves += 1
            self.saved += self.unsaved
            self.unsaved = []
        elif not job.again:
            self.late += self.deadline is not None and job.end - self.arrivals[job.sample] > self.deadline
            self.learned += self.labelled[job.sample]
            self.predicted += not self.labelled[job.sample]
        if job.sample is not None and self.labelled[job.sample]:
            self.accepted.append(job.sample)
            self.unsaved.append(job.sample)
            if len(self.unsaved) == self.board.save_every:
                self.job = _Job(None, job.end, job.end + self.save_cycles)
                return
        self.start(job.end)

    def lose_power(self, at: int, until: int) -> None:
        """Lose what is in RAM; go on with what is in flash."""
        again = list(self.unsaved)
        if self.job is not None:
            self.busy += at - self.job.start
            if self.job.again and self.job.sample is not None:
                again.append(self.job.sample)
            elif self.job.sample is not None:
                self.missed += 1
        self.forgotten += len(self.unsaved)
        self.missed += len(self.waiting)
        self.waiting.clear()
        self.unsaved = []
        if self.board.relearns:
            self.backlog.extendleft(reversed(again))
        self.off_until, self.off_cycles = until, self.off_cycles + until - at
        self.start(until)


def operate(
    board: Microcontroller,
    labelled: Sequence[bool],
    work: Sequence[int] | None = None,
    losses: Sequence[tuple[float, float]] = (),
    seed: int = 0,
) -> Operation:
    """Let samples arrive until all of them are done, dropped or missed.

    Parameters
    ----------
    labelled : bool[n], whether a sample is learned or only predicted
    work : int[n], instructions of each sample as they were measured; None takes `board.learn` and `board.predict`
    losses : (time, how long there is no power) in seconds, in their order. What happens in the same cycle: work ends,
        then power fails, then a sample arrives. A loss behind the end of all work changes nothing.
    seed : of the jitter

    Raises
    ------
    UserError
        "work of ... samples", "power ..."

    Example
    -------
    >>> board = Microcontroller(clock_hz=1e6, cycles_per_instruction=1, period_s=1e-3, predict=100, learn=900)
    >>> done = operate(board, [True] * 10)
    >>> done.learned, done.dropped, done.utilisation
    (10, 0, 0.909...)
    """
    if work is None:
        work = [board.learn if known else board.predict for known in labelled]
    if len(work) != len(labelled):
        raise UserError(f"work of {len(work)} samples does not fit {len(labelled)} samples; give one number a sample")
    outages = [(board.cycles(at), board.cycles(at) + board.cycles(downtime)) for at, downtime in losses]
    before = 0
    for (at, until), given in zip(outages, losses, strict=True):
        if at < before or until < at:
            raise UserError(
                f"power cannot fail at {given[0]:g} s for {given[1]:g} s; give losses in order, none in another"
            )
        before = until
    arrivals = board.arrivals(len(labelled), seed)
    core = _Core(board, labelled, work, arrivals)
    end = sample = 0
    failing = deque(outages)
    while sample < len(arrivals) or core.job is not None:
        ends = [] if core.job is None else [(core.job.end, 0)]
        fails = [(failing[0][0], 1)] if failing else []
        comes = [(arrivals[sample], 2)] if sample < len(arrivals) else []
        end, event = min(ends + fails + comes)
        if event == 0 and core.job is not None:
            core.finish(core.job)
        elif event == 1:
            core.lose_power(*failing.popleft())
        else:
            core.arrive(sample, end)
            sample += 1
    powered = max(end, core.off_until) - core.off_cycles
    return Operation(
        arrived=len(arrivals),
        predicted=core.predicted,
        learned=core.learned,
        dropped=core.dropped,
        missed=core.missed,
        late=core.late,
        saves=core.saves,
        forgotten=core.forgotten,
        busy_cycles=core.busy,
        powered_cycles=powered,
        accepted=tuple(core.accepted),
        kept=tuple(core.saved + core.unsaved),
    )
