"""A stream being learned: front end, learner on a device in real time, prequential scores, drift."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from edgelearn.config import StreamConfig
from edgelearn.data.source import UNLABELLED, Block, Source
from edgelearn.errors import UserError
from edgelearn.network.device import FARTHEST_TICK, TICKS_PER_CYCLE, Device, device
from edgelearn.network.kernels import tables as t
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec
from edgelearn.runs.checkpoint import digest
from edgelearn.runs.front_ends import front_end_of
from edgelearn.runs.rates import check_sizes, n_outputs_for, spec_of
from edgelearn.runs.shapes import check_no_shape, topology_of
from edgelearn.runs.stored import AnyFrontEnd
from edgelearn.runs.stream_clock import StreamClock
from edgelearn.runs.stream_start import Relabelled, absolute, is_fixed, open_stream_start
from edgelearn.streaming.drift import Detector, Recovery
from edgelearn.streaming.front_end import FrontEnd, FrontEndSpec
from edgelearn.streaming.prequential import Prequential
from edgelearn.units import battery_joules, quantity, samples_in
from hw_models.engine.schedule import assume
from hw_models.processor import AnyProcessor, find_processor
from hw_models.unit_costs import UnitCosts, unit_costs

DENSE_SAMPLE = 2**30  # units of energy in a sample of full activity: fine enough, and years of samples fit 64 bits
LABEL_DRAWS = 4096  # rows whose labels are kept or hidden by one seed


@dataclass(frozen=True, slots=True, eq=False)
class RowsDone:
    """Predictions and statuses of consecutive rows, one entry per row.

    Parameters
    ----------
    samples : int64[n], number of the last sample of each row
    times : float64[n], seconds, NaN where unknown
    labels, predictions : int64[n], -1 for none
    statuses : uint8[n], see `edgelearn.network.kernels.tables`
    scores : uint8[n, n_outputs], 255 is 1.0; uint8[0, 0] where not asked for
    lines : int64[n], input line of the last sample of each row; int64[0] where the source has no lines
    late : uint8[n], status of the earlier row whose label arrived with each row, 0 for none
    known : int64[n], number of classes that had come before each row; all from the start where they are known
    """

    samples: np.ndarray
    times: np.ndarray
    labels: np.ndarray
    predictions: np.ndarray
    statuses: np.ndarray
    scores: np.ndarray
    lines: np.ndarray
    late: np.ndarray
    known: np.ndarray


@dataclass(frozen=True)
class Timing:
    """Real-time settings of the device, in numbers.

    Parameters
    ----------
    rate_hz : samples per second, None where only time stamps say when samples arrive, or nothing does
    timed : whether arrivals are known
    deadline_s : None for no deadline
    budget_uw : power available for learning, None for no limit
    joules : energy of the battery
    """

    rate_hz: float | None
    timed: bool
    deadline_s: float | None
    budget_uw: float | None
    joules: float


class StreamSession:
    """State of a stream being learned: source, front end, device, learner, scores.

    Parameters
    ----------
    config : settings
    source : where samples come from
    scores : whether `RowsDone` has the outputs of each row
    """

    def __init__(self, config: StreamConfig, source: Source, scores: bool = False) -> None:
        self.start = start = open_stream_start(config, source)
        if start is not None:
            relabelled: Any = Relabelled(source, start.classes, max(2, start.sizes[-1]), start.origin["name"])
            source = relabelled
        self.config, self.source, self._scores = config, source, scores
        self.front_end: AnyFrontEnd
        if start is None:
            self.front_end = FrontEnd(front_end_of(in_samples(config, source), len(source.channels)))
            self.spec = network_of(config, self.front_end.spec, source)
        else:
            self.front_end, self.spec = start.front_end, spec_of(config, start.net or start.sizes, start.network)
        self.processor: AnyProcessor = find_processor(config.processor)
        self.processor.price(self.spec, assume(self.spec))  # a network that does not fit is refused before it learns
        self.rates: UnitCosts = unit_costs(self.spec, self.processor)
        self.timing = timing_of(config, source, self.front_end.spec.stride)
        if config.energy_budget is not None and self.rates.energy_pj is None:
            raise UserError(
                f"setting 'energy_budget' needs the energy of a cycle, and {self.processor.name} has no sourced one; "
                "give energy_per_cycle in a processor file of your own"
            )
        self.energy_unit_pj = _energy_unit_pj(self.spec, self.rates)
        self.device = self._device()
        self.learner = Learner(self.spec, config.strict)
        if start is not None:
            self.learner.put_words(start.words)
        elif source.n_samples is None:  # classes appear as they arrive
            self.learner.set_live_outputs(1)
        n_classes = self.spec.n_classes
        self.score = Prequential(n_classes, config.fading, config.accuracy_window, config.warm_up)
        points = source.drift_points
        concepts = getattr(source, "concepts", None)
        self.recovery = Recovery(points, config.accuracy_window, fading=config.fading, concepts=concepts)
        self.detector = Detector(config.detector, points, config.seed)
        self.n_samples = self.n_rows = 0
        self.clock = StreamClock(self.timing.rate_hz, self.timing.timed, source.name)
        self.counts = dict.fromkeys(("events", "learned", "late", "missing", *_GATES), 0)
        self.labelled = 0
        self._energy_given = 0.0  # units of the energy budget credited so far
        self._delay, n_inputs = config.label_delay, self.front_end.spec.n_inputs
        self._waiting: dict[str, np.ndarray] = {  # rows whose label has not arrived, oldest first
            "levels": np.zeros((0, n_inputs), np.int8 if self.spec.signed_inputs else np.uint8),
            "labels": np.zeros(0, np.int64),
            "dropped": np.zeros(0, np.uint8),
        }
        self._last: Block | None = None
        self._n_known = len(source.class_names)

    def _device(self) -> Device:
        timing = self.timing
        prices = np.zeros((2, *self.rates.cycles.shape), np.int64)
        prices[0] = np.rint(self.rates.cycles * TICKS_PER_CYCLE)
        if self.rates.energy_pj is not None:
            prices[1] = np.rint(self.rates.energy_pj / self.energy_unit_pj)
        deadline = None
        if timing.deadline_s is not None:
            deadline = int(min(timing.deadline_s * self._ticks_per_second, FARTHEST_TICK))
        cap = None if timing.budget_uw is None else int(min(self._budget_until(1.0), FARTHEST_TICK // 2))
        queue = self.config.queue if timing.timed else None
        return device(prices, queue, deadline, self.config.when_late == "skip-update", cap)

    @property
    def _ticks_per_second(self) -> float:
        return self.rates.clock_hz * TICKS_PER_CYCLE

    def _budget_until(self, seconds: Any) -> Any:
        """Return the energy budget for learning, in units, after some seconds; 1 uW is 1e6 pJ/s."""
        return np.floor((self.timing.budget_uw or 0.0) * 1e6 / self.energy_unit_pj * seconds)

    def take(self, block: Block) -> RowsDone:
        """Learn the samples of a block; the result does not depend on block boundaries."""
        x = absolute(self.source, block.x) if is_fixed(self.start) else block.x
        rows = self.front_end.rows(x, block.segment)
        ends, n = rows.ends, len(rows.ends)
        samples, labels, times = self.n_samples + ends, block.y[ends], self.clock.times(block, self.n_samples)[ends]
        labelled = np.where(self._label_available(n), labels, UNLABELLED)
        n_waiting = len(self._waiting["labels"])
        levels = np.concatenate([self._waiting["levels"], rows.levels])
        all_labels = np.concatenate([self._waiting["labels"], labelled])
        dropped = np.concatenate([self._waiting["dropped"], np.zeros(n, np.uint8)])
        steps, row_of_step = self._steps(n, n_waiting, all_labels)
        late = steps[:, t.KIND] == t.LEARN_LATE
        outcome = self.learner.run_steps(
            levels, steps, self._at(times, row_of_step, late), dropped, scores=self._scores
        )
        predictions, statuses = outcome.predictions[~late], outcome.statuses[~late]
        if self._delay:
            keep = slice(max(len(levels) - self._delay, 0), None)
            self._waiting = {"levels": levels[keep], "labels": all_labels[keep], "dropped": dropped[keep]}

        events = np.count_nonzero(rows.levels, axis=1)
        learned = np.bincount(row_of_step, outcome.statuses & t.LEARNED != 0, n).astype(np.int64)
        energies = np.zeros(n, np.int64)
        np.add.at(energies, row_of_step, outcome.energies)
        lost = (statuses & t.DROPPED != 0).astype(np.int64)
        extra = {"events": events, "updates": learned, "energy": energies, "dropped": lost}
        scored = self.score.update(predictions, labels, extra, samples, times)
        self.recovery.update(scored.positions, scored.errors)
        self.detector.update(scored.positions, scored.errors)
        self.counts["events"] += int(events.sum())
        self.counts["learned"] += int(learned.sum())
        for name, bit in {"late": t.LATE, **_GATES}.items():
            self.counts[name] += int(np.count_nonzero(outcome.statuses & bit))
        self.counts["missing"] += int(np.count_nonzero(np.isnan(block.x)))
        self.labelled += int(np.count_nonzero(labelled >= 0))
        self.n_samples += len(block)
        self.n_rows += n
        self._last = block
        scores = outcome.scores[~late] if self._scores else outcome.scores
        numbers = getattr(self.source, "numbers", np.zeros(0, np.int64))
        lines = numbers[ends] if len(numbers) == len(block) else numbers[:0]
        with_label = np.zeros(n, np.uint8)
        with_label[row_of_step[late]] = outcome.statuses[late]
        known = np.maximum.accumulate(np.concatenate([[self._n_known], block.y + 1]))
        self._n_known = int(known[-1])
        return RowsDone(samples, times, labels, predictions, statuses, scores, lines, with_label, known[ends])

    def _label_available(self, n: int) -> np.ndarray:
        """Return whether the labels of the next n rows are available: bool[n], a function of the seed and the row."""
        if self.config.label_fraction == 1:
            return np.ones(n, bool)
        first, last = self.n_rows // LABEL_DRAWS, (self.n_rows + n) // LABEL_DRAWS
        draws = [np.random.default_rng([self.config.seed, 3, k]).random(LABEL_DRAWS) for k in range(first, last + 1)]
        start = self.n_rows - first * LABEL_DRAWS
        kept: np.ndarray = np.concatenate(draws)[start : start + n] < self.config.label_fraction
        return kept

    def _steps(self, n: int, n_waiting: int, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the steps of n new rows after the waiting ones, and the new row of each step."""
        new = n_waiting + np.arange(n)
        predict = np.zeros((n, 3), np.int64)
        predict[:, t.ROW] = new
        predict[:, t.LABEL] = labels[new] if self._delay == 0 else t.NO_LABEL
        if self._delay == 0:
            return predict, np.arange(n)
        late = np.zeros((n, 3), np.int64)
        late[:, t.ROW], late[:, t.KIND] = new - self._delay, t.LEARN_LATE
        late[:, t.LABEL] = np.where(new >= self._delay, labels[np.maximum(new - self._delay, 0)], t.NO_LABEL)
        both = np.stack([predict, late], axis=1).reshape(-1, 3)
        comes = (both[:, t.KIND] != t.LEARN_LATE) | (both[:, t.LABEL] >= 0)
        return both[comes], np.repeat(np.arange(n), 2)[comes]

    def _at(self, times: np.ndarray, row_of_step: np.ndarray, late: np.ndarray) -> Device:
        """Return the device with arrival time and budget credit of each step."""
        if not self.timing.timed:
            return self.device
        if len(times) and float(times[-1]) * self._ticks_per_second >= FARTHEST_TICK:
            years = FARTHEST_TICK / self._ticks_per_second / 86_400 / 365.25
            raise UserError(
                f"{self.source.name} lasts longer than the {years:.2g} years that can be timed at "
                f"{self.rates.clock_hz / 1e6:g} MHz; give a higher --sample-rate, or --limit"
            )
        arrivals = np.floor(times * self._ticks_per_second).astype(np.int64)[row_of_step]
        credits = np.zeros(len(arrivals), np.int64)
        if self.timing.budget_uw is not None:
            given = self._budget_until(times)
            cap = float(self.device.settings[t.BUDGET_CAP])
            credits[~late] = np.minimum(np.diff(given, prepend=self._energy_given), cap).astype(np.int64)
            self._energy_given = float(given[-1]) if len(given) else self._energy_given
        return self.device._replace(arrivals=arrivals, credits=credits)

    def state(self) -> dict[str, np.ndarray]:
        """Return all state as plain arrays."""
        parts: dict[str, dict[str, np.ndarray]] = {
            "learner": self.learner.save(),
            "front_end": self.front_end.save(),
            "score": self.score.state(),
            "recovery": self.recovery.state(),
            "detector": self.detector.state(),
            "waiting": self._waiting,
            "device": {"clock": self.device.clock, "finishes": self.device.finishes},
        }
        return {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}

    def note(self) -> dict[str, Any]:
        """Return the plain values of a checkpoint."""
        last = self._last
        return {
            "place": {
                "n_samples": self.n_samples,
                "n_rows": self.n_rows,
                "told": self.labelled,
                "clock": self.clock.place,
                "last_time": self.clock.last_time if np.isfinite(self.clock.last_time) else None,
                "energy_given": self._energy_given,
            },
            "counts": self.counts,
            "source": self.source.state(),
            "channels": list(self.source.channels),
            "last": {"samples": len(last), "digest": digest(last.x, last.y)} if last is not None else None,
        }

    def restore(self, arrays: dict[str, np.ndarray], note: dict[str, Any]) -> None:
        """Continue from `state` and `note`; the source was restored before.

        Raises
        ------
        UserError
            "... is not the stream ..." where the samples before the place differ
        """
        place = note["place"]
        if note["channels"] != list(self.source.channels):
            raise other_stream(self.source)
        check_last(self.source, place["n_samples"], note["last"])

        def part(name: str) -> dict[str, np.ndarray]:
            return {key.removeprefix(f"{name}."): a for key, a in arrays.items() if key.startswith(f"{name}.")}

        self.learner.restore(part("learner"))
        self.front_end.restore(part("front_end"))
        self.score.restore(part("score"))
        self.recovery.restore(part("recovery"))
        self.detector.restore(part("detector"))
        self._waiting = part("waiting")
        self.device.clock[:], self.device.finishes[:] = part("device")["clock"], part("device")["finishes"]
        self.counts |= note["counts"]
        self.n_samples, self.n_rows, self.labelled = place["n_samples"], place["n_rows"], place["told"]
        self.clock.place = place["clock"]
        self.clock.last_time = np.nan if place["last_time"] is None else place["last_time"]
        self._energy_given = place["energy_given"]

    @property
    def waiting_labels(self) -> np.ndarray:
        """Labels that have not arrived: int64[at most label_delay], -1 for none."""
        labels: np.ndarray = self._waiting["labels"]
        return labels

    @property
    def elapsed_s(self) -> float:
        """Duration of the stream so far in seconds, a period per sample: the clock tells one less than the samples."""
        return self.clock.elapsed_s(self.n_samples)

    @cached_property
    def period_s(self) -> float | None:
        """Seconds per row, None where no sample rate is known."""
        rate = self.timing.rate_hz
        return None if rate is None else self.front_end.spec.stride / rate


_GATES = {"gated": t.GATED, "over_budget": t.OVER_BUDGET, "waited": t.WAITED}


def check_last(source: Source, n_samples: int, last: dict[str, Any] | None) -> None:
    """Refuse a source whose samples before a place are not those of a checkpoint.

    Raises
    ------
    UserError
        "... is not the stream ..."
    """
    if last is None or source.n_samples is None:  # live input cannot be read again
        return
    wanted, x, y = last["samples"], [], []
    for block in source.blocks(n_samples - wanted):
        x.append(block.x[:wanted])
        y.append(block.y[:wanted])
        wanted -= len(x[-1])
        if wanted == 0:
            break
    if wanted or digest(np.concatenate(x), np.concatenate(y)) != last["digest"]:
        raise other_stream(source)


def other_stream(source: Source) -> UserError:
    """Return the error for a source that does not continue a checkpoint."""
    return UserError(f"{source.name} is not the stream that the checkpoint was made with; start again with --overwrite")


def in_samples(config: StreamConfig, source: Source) -> StreamConfig:
    """Return a configuration whose window and stride are samples, by the sample rate of the settings or the source.

    Raises
    ------
    UserError
        "setting 'window' = '2 s' needs a sample rate ...", "setting 'window': '1 us' is less than half a sample ..."
    """
    found: dict[str, int] = {}
    for name in ("window", "stride"):
        given = getattr(config, name)
        if isinstance(given, int):
            continue
        rate = source.rate_hz or source.columns_used.rate_hz
        if config.sample_rate is not None:
            rate = quantity(config.sample_rate, "rate")
        if rate is None:
            raise UserError(
                f"setting '{name}' = '{given}' needs a sample rate, and {source.name} has none; give --sample-rate "
                f'"50 Hz", or samples, for example --{name} 100'
            )
        try:
            found[name] = samples_in(given, rate)
        except ValueError as error:
            raise UserError(f"setting '{name}': {error}") from None
    return config.model_copy(update=found)


def network_of(config: StreamConfig, front_end: FrontEndSpec, source: Source) -> NetworkSpec:
    """Derive the network behind a front end.

    Raises
    ------
    UserError
        "net ... does not fit ...", "hidden '...' cannot be read"
    """
    n_classes = source.n_classes
    if n_classes < 2:
        rejected = f" ({source.rejects.summary})" if source.rejects.first else ""
        raise UserError(
            f"{source.name} has labels of {n_classes} class(es) and a classifier needs 2{rejected}; "
            "name the labels with --label-column, or with the key 'label' of a description; without labels: "
            "--task anomaly"
        )
    if config.net is not None:
        net = topology_of(config, config.data, windows=True)
        behind, hint = "inputs behind the encoder", ", or give --hidden alone"
        check_sizes(net.sizes, front_end.n_inputs, n_classes, source.name, behind, hint, net)
        return spec_of(config, net if net.is_convolutional else net.sizes)
    check_no_shape(config)
    try:
        hidden = tuple(int(part) for part in config.hidden.split("-"))
    except ValueError:
        hidden = (-1,)
    if min(hidden) < 0 or (len(hidden) > 1 and min(hidden) < 1):
        raise UserError(f"hidden '{config.hidden}' cannot be read; write 64, or 64-32, or 0 for no hidden layer")
    return spec_of(config, (front_end.n_inputs, *(n for n in hidden if n), n_outputs_for(config, n_classes)))


def timing_of(config: StreamConfig, source: Source, stride: int) -> Timing:
    """Convert the settings with units to numbers."""

    def read(key: str, dimension: str) -> float | None:
        text = getattr(config, key)
        return None if text is None else quantity(text, dimension)

    own_rate, deadline_ns = read("sample_rate", "rate"), read("deadline", "time")
    rate, budget = own_rate or source.rate_hz, read("energy_budget", "power")
    clock = rate is not None or source.has_clock
    deadline = None if deadline_ns is None else deadline_ns * 1e-9
    if deadline is None and rate is not None:
        deadline = stride / rate
    for key in ("energy_budget", "deadline", "queue", "when_late", "battery"):
        if getattr(config, key) != StreamConfig.model_fields[key].default and not clock:
            raise UserError(f"setting '{key}' needs time, and {source.name} has none; give --sample-rate")
    return Timing(rate, clock, deadline, budget, battery_joules(config.battery))


def _energy_unit_pj(spec: NetworkSpec, found: UnitCosts) -> float:
    """Return a unit of energy, in pJ, in which prices are integers of enough digits."""
    if found.energy_pj is None:
        return 1.0
    dense = assume(spec)
    return float((found.energy_pj[0] * dense.table).sum()) / dense.n_samples / DENSE_SAMPLE
