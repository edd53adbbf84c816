"""A device that takes time: one server, a queue in front of it, a deadline and a bucket of energy, in plain Python."""

from collections.abc import Callable
from typing import NamedTuple

# what became of a sample, added up
DROPPED = 1
LATE = 2  # past the deadline
LEARNED = 4
GATED = 8  # by the update gate
BUDGET = 16  # held back because the bucket was empty
SKIPPED = 32  # held back because it had to wait


class Done(NamedTuple):
    """What a piece of work came to. `energy` is what learning took more than the forward pass of the sample."""

    prediction: int
    ticks: int
    energy: int = 0
    gated: bool = False  # the update gate said no


Work = Callable[[bool], Done]  # does the work; the argument says whether it may learn


class Step(NamedTuple):
    """What became of a sample, and of the sample whose label arrived with it."""

    status: int
    prediction: int | None = None
    response: int | None = None
    label_status: int = 0


class NaiveDevice:
    """Serves samples in the order in which they arrive.

    `capacity` samples may wait beside the one in service, None for any number. The bucket starts with `bucket` units;
    without a `cap` there is no budget.
    """

    def __init__(
        self,
        capacity: int | None = None,
        deadline: int | None = None,
        policy: str = "drop",
        credit: int = 0,
        cap: int | None = None,
        bucket: int = 0,
    ) -> None:
        if policy not in ("drop", "skip-update"):
            raise ValueError(f"policy '{policy}' is not known")
        self.capacity = capacity
        self.deadline = deadline
        self.policy = policy
        self.credit = credit
        self.cap = cap
        self.bucket = bucket
        self.busy = 0  # the tick at which all work so far is done
        self.busy_time = 0
        self._arrival = 0
        self._finishes: list[int] = []  # of admitted samples that are not predicted yet

    def step(self, arrival: int, work: Work, labelled: bool, late_work: Work | None = None) -> Step:
        """Serve one sample; `late_work` learns an earlier one whose label arrives now."""
        if arrival < self._arrival:
            raise ValueError(f"a sample arrives at {arrival}, before the last one at {self._arrival}")
        self._arrival = arrival
        if self.cap is not None:
            self.bucket = min(self.bucket + self.credit, self.cap)
        self._finishes = [finish for finish in self._finishes if finish > arrival]
        if self.capacity is not None and len(self._finishes) >= self.capacity + 1:
            label_status = self._late_label(late_work, waits=True)
            return Step(DROPPED, label_status=label_status)

        start = max(arrival, self.busy)
        waits = start > arrival
        if labelled:
            status, done = self._perform(work, waits)
        else:
            status, done = 0, work(False)
        finish = start + done.ticks
        self._finishes.append(finish)
        self.busy = finish
        self.busy_time += done.ticks
        response = finish - arrival
        if self.deadline is not None and response > self.deadline:
            status += LATE
        return Step(status, done.prediction, response, self._late_label(late_work, waits))

    def _perform(self, work: Work, waits: bool) -> tuple[int, Done]:
        """Work on a sample with a label: what holds it back is looked at in this order."""
        if waits and self.policy == "skip-update":
            return SKIPPED, work(False)
        if self.cap is not None and self.bucket <= 0:
            return BUDGET, work(False)
        done = work(True)
        if done.gated:
            return GATED, done
        if self.cap is not None:
            self.bucket -= done.energy
        return LEARNED, done

    def _late_label(self, work: Work | None, waits: bool) -> int:
        """Learning that follows at once: it holds up whoever comes next, and answers nobody.

        It has to wait if the sample it came with had to.
        """
        if work is None:
            return 0
        status, done = self._perform(work, waits)
        self.busy += done.ticks
        self.busy_time += done.ticks
        return status
