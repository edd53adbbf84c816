"""The product and the oracle, built from one specification and fed the same samples."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import numpy as np

from edgelearn.network.counters import (
    ACTIVITY,
    CONVOLUTION_ACTIVITY,
    CONVOLUTION_MEMORIES,
    CONVOLUTION_WORDS,
    EVENTS,
    MEMORIES,
    OPERATIONS,
    Counters,
)
from edgelearn.network.device import Device
from edgelearn.network.device import device as device_of
from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.tables import COUNTERS, counters_of
from edgelearn.network.layer import ConvLayer
from edgelearn.network.learner import Learner, steps_of
from edgelearn.network.spec import NetworkSpec
from edgelearn.network.traffic import TRAFFIC, traffic
from edgelearn.streaming.front_end import FrontEnd, FrontEndSpec
from hw_models.engine.schedule import assume
from tests.naive.convolution import Convolution, NaiveConvolutionalNetwork
from tests.naive.device import Done, NaiveDevice, Work
from tests.naive.frontend import NaiveFrontEnd
from tests.naive.oracle import NaiveNetwork
from tests.naive.targets import NaiveTargetNetwork

FORWARD = ("samples", "input_events", "open_gates", "window_pairs")


def naive_twin(learner: Learner) -> NaiveNetwork:
    """Build the oracle with the words the learner starts from."""
    spec: NetworkSpec = learner.spec
    state = learner.state
    hidden = range(len(spec.layers) - 1)
    masks = ["all"] * len(spec.layers) if spec.learn == "all" else spec.learn.split("+")
    residual = max(layer.word.residual_bits for layer in spec.layers)
    windows = [window_of(layer) if isinstance(layer, ConvLayer) else None for layer in spec.layers]
    network: Callable[..., NaiveNetwork] = NaiveNetwork
    if spec.is_convolutional:
        network = partial(NaiveConvolutionalNetwork, windows=windows)
    elif spec.is_graded:
        network = partial(NaiveTargetNetwork, task=spec.task)
    return network(
        rule=[rule.name for rule in spec.named],
        learned=masks,
        sizes=list(spec.sizes),
        bits=spec.layers[0].word.bits,
        residual_bits=residual,
        rounding="stochastic" if spec.stochastic else "nearest",
        input_bits=spec.input_bits,
        signed=spec.signed_inputs,
        activation=spec.layers[0].activation if len(spec.layers) > 1 else "tanh",
        output=spec.output,
        range_exponents=[layer.word.range_exponent for layer in spec.layers],
        rates=[layer.rate for layer in spec.layers],
        weights=[state.weights(k).tolist() for k in range(len(spec.layers))],
        biases=[state.biases(k).tolist() for k in range(len(spec.layers))],
        feedback=[state.feedback(k).tolist() if spec.layers[k].rule.stores_feedback else None for k in hidden],
        feedback_exponents=[spec.layers[k].feedback_exponent for k in hidden],
        lfsr=spec.regenerates_feedback,
        rng_state=int(state.arrays.generator[0]),
        event_threshold=spec.event_threshold,
        dead_zone=spec.dead_zone,
        local_dead_zone=spec.local_dead_zone,
        accumulator_bits=spec.accumulator_bits,
        factor_bits=spec.delta_bits,
        delta_bits=[spec.layers[k].delta_bits for k in hidden],
        update_gate=spec.update_gate,
        margin=spec.margin,
        hidden_inference=spec.hidden_inference,
        live=int(state.net[t.LIVE_OUTPUTS]),
    )


def window_of(layer: ConvLayer) -> Convolution:
    window = layer.window
    return Convolution(
        window.height,
        window.width,
        window.channels,
        window.maps,
        window.kernel_height,
        window.kernel_width,
        window.stride,
        window.padding,
        window.pool,
        window.pooling,
        layer.feedback_kind,
        layer.teach,
        layer.kernel_bias,
    )


def assert_twins(
    spec: NetworkSpec,
    levels: np.ndarray,
    labels: np.ndarray,
    halvings: int = 0,
    prepare: Callable[[Learner], None] = lambda learner: None,
) -> NaiveNetwork:
    """Learn the samples on both sides; every word, prediction and count must be equal. Return the oracle.

    `prepare` may change the learner's words and live outputs before the oracle copies them.
    """
    learner = Learner(spec)
    prepare(learner)
    naive = naive_twin(learner)
    learner.set_halvings(halvings)
    naive.halvings = halvings
    activity = Counters.zeros(len(spec.layers), spec.is_convolutional)
    for sample, label in zip(levels, labels, strict=True):
        outcome = learner.run_steps(sample[None], steps_of(np.array([label])), scores=True)
        expected = naive.learn_one([int(x) for x in sample], int(label))
        assert outcome.predictions.tolist() == [expected]
        live = [p * (c < naive.live) for c, p in enumerate(naive.probabilities)]  # nobody asks for classes not met
        assert outcome.scores.tolist() == [live]
        assert outcome.statuses.tolist() == [t.GATED if naive.gated else t.LEARNED]
        activity += sample_activity(naive, int(label))
        meet(naive, int(label))
        assert_words(learner, naive)
    probe = levels[0]
    assert learner.predict_one(probe) == naive.predict_one([int(x) for x in probe])
    assert_counts(learner, naive)
    names = (*ACTIVITY, *CONVOLUTION_ACTIVITY)
    assert learner.counters.only(names) == activity
    assert learner.inference_counters.only(names) == sample_activity(naive, t.NO_LABEL)
    return naive


def assert_blocks(
    spec: NetworkSpec,
    levels: np.ndarray,
    labels: np.ndarray,
    halvings: int = 0,
    prepare: Callable[[Learner], None] = lambda learner: None,
) -> None:
    """Learn the samples in one call, and one after the other in the oracle; words, predictions and counts are equal.

    Parameters are those of `assert_twins`.
    """
    learner = Learner(spec)
    prepare(learner)
    naive = naive_twin(learner)
    learner.set_halvings(halvings)
    naive.halvings = halvings
    expected = []
    for sample, label in zip(levels, labels, strict=True):
        expected.append(naive.learn_one([int(x) for x in sample], int(label)))
        meet(naive, int(label))
    assert learner.learn(levels, labels).tolist() == expected
    assert_words(learner, naive)
    assert_counts(learner, naive)


def assert_words(learner: Learner, naive: NaiveNetwork) -> None:
    for k in range(len(learner.spec.layers)):
        np.testing.assert_array_equal(learner.state.weights(k), naive.weights[k], err_msg=f"weights of layer {k + 1}")
        np.testing.assert_array_equal(learner.state.biases(k), naive.biases[k], err_msg=f"biases of layer {k + 1}")
    assert int(learner.state.arrays.generator[0]) == naive.rng_state
    assert int(learner.state.net[t.LIVE_OUTPUTS]) == naive.live


def assert_counts(learner: Learner, naive: NaiveNetwork) -> None:
    """Counted by the kernels == counted by the oracle's memories == predicted by traffic()."""
    counters, inferred = learner.counters, learner.inference_counters
    for table, kept in ((counters, naive.counts), (inferred, naive.inference_counts)):
        counted: dict[Any, int] = {}
        for memory in (*MEMORIES, *(CONVOLUTION_MEMORIES if learner.spec.is_convolutional else ())):
            for direction in ("read", "write"):
                name = f"{memory}_{direction}"
                if name in ("label_write", "feedback_write"):
                    continue
                for k, words in enumerate(table[name], 1):
                    counted[k, memory, direction] = int(words)
        assert counted == {key: count for key, count in kept.items() if key in counted}
        assert not any(count for key, count in kept.items() if key not in counted)
    for names, kept_of in ((OPERATIONS, naive.operations), ((*EVENTS, "gated_samples", "gated_events"), naive.events)):
        for name in names:
            got = {(k, name): int(n) for k, n in enumerate(counters[name], 1)}
            assert got == {key: kept_of[key] for key in got}
    assert traffic(learner.spec, counters) == counters.only((*TRAFFIC, *CONVOLUTION_WORDS))
    np.testing.assert_array_equal(inferred["forward_macs"], inferred["weight_read"])
    assert not any(inferred[name].any() for name in (*OPERATIONS, *EVENTS) if name not in ("forward_macs", "overflows"))


def sample_activity(naive: NaiveNetwork, label: int) -> Counters:
    """Count what `ACTIVITY` names in the sample that came last, from the words the oracle is left with."""

    def n(words: list[int]) -> int:
        return sum(word != 0 for word in words)

    convolution = naive if isinstance(naive, NaiveConvolutionalNetwork) else None
    counts, last = Counters.zeros(naive.layers, convolution is not None), naive.layers - 1
    for k in range(naive.layers):
        found = {"samples": 1, "input_events": n(naive.activations[k])}
        if k < last:
            found["open_gates"] = n(naive.gates[k])
        if convolution and convolution.windows[k]:
            found["window_pairs"] = convolution.pairs[k + 1, "window_pairs"]
        if label != t.NO_LABEL and naive.gated:
            found |= {"gated_samples": 1, "gated_events": found["input_events"]}
        elif label != t.NO_LABEL:
            active = n(naive.deltas[k])
            found["active_neurons"] = active
            if active and naive.learns(k + 1):
                events = found["input_events"] if naive.learned[k] == "all" else 0
                found |= {"updates": 1, "update_events": events, "update_pairs": events * active}
                if convolution and convolution.windows[k]:
                    found["update_pairs"] = convolution.pairs[k + 1, "update_pairs"]
                    found["active_maps"] = convolution.active_maps(k + 1)
            signal = naive.acting(k + 1).signal if k < last else "none"
            if signal != "none":
                lanes = n(naive.deltas[k + 1]) if signal == "delta" else n(naive.errors)
                if signal == "target" and isinstance(naive, NaiveTargetNetwork):
                    lanes = n(naive.targets)
                elif signal == "target":
                    lanes = label if naive.sizes[-1] == 1 else 1
                elif signal == "signed target":
                    lanes = naive.sizes[-1]
                elif signal == "local error":
                    lanes = n(naive.local_errors[k])
                found["signal_lanes"] = lanes
                found["live_gates"] = found["open_gates"] * (lanes > 0)
                found["gated_signals"] = found["open_gates"] * lanes
                if convolution:
                    found |= convolution.signal_pairs(k + 1, lanes)
        for name, count in found.items():
            counts[name][k] = count
    return counts


def meet(naive: NaiveNetwork, label: int) -> None:
    """Let the class of a label be predicted from now on, and those before it."""
    naive.live = min(max(naive.live, label + 1), naive.sizes[-1])


def naive_front_end(spec: FrontEndSpec, least_deviation: int = 0) -> NaiveFrontEnd:
    return NaiveFrontEnd(
        n_channels=spec.n_channels,
        window=spec.window,
        stride=spec.stride,
        features=spec.features,
        tau=spec.time_constant,
        reach=spec.reach,
        encoder=spec.encoder,
        input_bits=spec.input_bits,
        thresholds=spec.thresholds,
        input_threshold=spec.input_threshold,
        delta=spec.delta,
        least_deviation=least_deviation,
    )


def assert_front_end(spec: FrontEndSpec, x: np.ndarray, segment: np.ndarray) -> list[list[int]]:
    """Take a recording on both sides; rows, and all that decides what comes next, must be equal. Return the rows."""
    front_end, naive = FrontEnd(spec), naive_front_end(spec)
    rows = front_end.rows(x, segment)
    levels, ends = [], []
    for i, (sample, part) in enumerate(zip(x.tolist(), segment.tolist(), strict=True)):
        row = naive.row(sample, 0, part)
        if row is not None:
            levels.append(row)
            ends.append(i)
    assert rows.ends.tolist() == ends
    assert rows.levels.tolist() == levels
    assert rows.levels.shape == (len(ends), spec.n_inputs)
    assert np.abs(rows.levels.astype(int)).max(initial=0) < 1 << spec.input_bits
    assert (rows.levels.dtype == np.int8) == (spec.encoder == "signed")
    state = front_end.state
    assert state.mean.tolist() == naive.means
    assert state.deviation.tolist() == naive.deviations
    assert state.seen.tolist() == naive.rows
    if spec.encoder == "delta":
        assert state.sent.tolist() == naive.sent
    assert [None if e < -1000 else e for e in front_end.exponents.tolist()] == naive.exponents
    kept = min(int(state.place[t.IN_SEGMENT]), spec.window)
    oldest_first = (int(state.place[t.RING_AT]) - kept + 1 + np.arange(kept)) % spec.window
    words = [[None if word == t.MISSING_WORD else word for word in row] for row in state.ring[oldest_first].T.tolist()]
    assert words == naive.window
    return levels


class NaiveRun:
    """The oracle's network on the oracle's device: what a learner does with rows whose labels come `delay` rows later.

    Parameters
    ----------
    learner, device : their words, settings and prices are taken over, both before their first row
    """

    def __init__(self, learner: Learner, device: Device, delay: int = 0) -> None:
        self.network = naive_twin(learner)
        settings, prices = device.settings, device.prices
        self._timed = bool(settings[t.TIMED])
        cap = int(settings[t.BUDGET_CAP]) if settings[t.BUDGETED] else None
        self.device = NaiveDevice(
            capacity=int(settings[t.QUEUE]) if self._timed else None,
            deadline=int(settings[t.DEADLINE]) if self._timed else None,
            policy="skip-update" if settings[t.SKIP_WAITING] else "drop",
            cap=cap,
            bucket=cap or 0,
        )
        self._prices, self._delay = prices, delay
        self._waiting: list[tuple[list[int], int, bool]] = []  # rows, oldest first: levels, label, whether dropped
        self.responses: list[int] = []
        self.counters = [Counters.zeros(len(learner.spec.layers), learner.spec.is_convolutional) for _ in range(2)]
        self.predictions: list[int] = []  # of each step, a late one behind the row with which its label comes
        self.statuses: list[int] = []
        self.energies: list[int] = []
        self.is_late: list[bool] = []

    def row(self, levels: np.ndarray, label: int, arrival: int = 0, credit: int = 0) -> None:
        """Take the next row, and the label that comes with it."""
        words = [int(x) for x in levels]
        now = label if self._delay == 0 else t.NO_LABEL
        comes = len(self._waiting) == self._delay > 0
        then, known, dropped = self._waiting.pop(0) if comes else ([], t.NO_LABEL, False)
        late_work = self._work(then, known, True) if known != t.NO_LABEL and not dropped else None
        self.device.credit = credit
        at = len(self.statuses)
        self._note(-1, 0, 0, False)
        arrival = arrival if self._timed else self.device.busy  # nobody waits
        step = self.device.step(arrival, self._work(words, now), now != t.NO_LABEL, late_work)
        self.statuses[at] = step.status
        if self._timed and step.response is not None:
            self.responses.append(step.response)
        if dropped and known != t.NO_LABEL:
            self._note(-1, t.DROPPED, 0, True)
        elif late_work is not None:
            self.statuses[-1] = step.label_status
        if self._delay:
            self._waiting.append((words, label, step.response is None))

    def _note(self, prediction: int, status: int, energy: int, late: bool) -> None:
        self.predictions.append(prediction)
        self.statuses.append(status)
        self.energies.append(energy)
        self.is_late.append(late)

    def _work(self, levels: list[int], label: int, late: bool = False) -> Work:
        def work(may_learn: bool) -> Done:
            which = 1 if label == t.NO_LABEL else 0
            if which:
                prediction = self.network.infer_one(levels)
            else:
                prediction = self.network.learn_one(levels, label, gated=not may_learn)
                meet(self.network, label)
            activity = sample_activity(self.network, label)
            self.counters[which] += activity
            ticks, energy = (self._price(figure, which, activity) for figure in range(2))
            if_gated = activity.only(FORWARD)
            if_gated["gated_samples"][:], if_gated["gated_events"][:] = if_gated["samples"], if_gated["input_events"]
            without = self._price(1, which, if_gated)
            if late:
                self._note(prediction, 0, energy, True)
            else:
                self.predictions[-1], self.energies[-1] = prediction, energy
            return Done(prediction, ticks, energy - without, not which and self.network.gated)

        return work

    def _price(self, figure: int, which: int, activity: Counters) -> int:
        return int((self._prices[figure, which] * activity.table).sum())

    def assert_equal(self, learner: Learner, device: Device) -> None:
        """Compare words, counters, and where the device stands."""
        assert_words(learner, self.network)
        assert_counts(learner, self.network)
        names = (*ACTIVITY, *CONVOLUTION_ACTIVITY)
        assert learner.counters.only(names) == self.counters[0]
        assert learner.inference_counters.only(names) == self.counters[1]
        clock = device.clock
        if device.settings[t.BUDGETED]:
            assert int(clock[t.BUDGET]) == self.device.bucket
        if self._timed:
            assert int(clock[t.BUSY_TICKS]) == self.device.busy_time
            assert int(clock[t.ADMITTED]) == len(self.responses)
            assert int(clock[t.BUSY_UNTIL]) == self.device.busy
            assert int(clock[t.RESPONSES]) == sum(self.responses)
            assert int(clock[t.LONGEST]) == max(self.responses, default=0)


def assert_in_time(
    spec: NetworkSpec,
    rng: np.random.Generator,
    n: int,
    queue: int | None = None,
    load: float = 1.0,
    deadline: float | None = None,
    skip_waiting: bool = False,
    cap: float | None = None,
    delay: int = 0,
    labelled: float = 1.0,
    cuts: Collection[int] = (),
    even: bool = False,
) -> NaiveRun:
    """Take n rows on both sides, at prices drawn at random; every step must come to the same. Return the oracle.

    Parameters
    ----------
    load, deadline, cap : in dense samples: work that arrives in the time of one, and ticks and energy of one
    delay, labelled : rows to a label, and the share of rows that get one
    cuts : rows behind which a new call begins
    even : whether every row takes the same few ticks, so that one often ends just as another arrives
    """
    n_layers = len(spec.layers)
    n_counters = len(counters_of(spec.is_convolutional))
    prices = _even_prices(n_layers, n_counters) if even else _random_prices(rng, n_layers, n_counters)
    learner, dense = Learner(spec), assume(spec)
    ticks, energy = ((prices[figure, 0] * dense.table).sum() / dense.n_samples for figure in range(2))
    device = device_of(
        prices,
        queue,
        None if deadline is None else int(deadline * ticks),
        skip_waiting,
        None if cap is None else int(cap * energy),
    )
    naive = NaiveRun(learner, device, delay)
    lowest, top = spec.input_range
    levels = rng.integers(lowest, top + 1, (n, spec.sizes[0]))
    n_labels = 1 if spec.is_graded else spec.n_classes
    labels = np.where(rng.random(n) < labelled, rng.integers(0, n_labels, n), t.NO_LABEL)
    arrivals = np.cumsum(rng.integers(0, int(2 * ticks / load) + 2, n))
    credits = rng.integers(0, int(energy) + 2, n)
    dropped = np.zeros(n, np.uint8)
    found: list[list[Any]] = []
    steps: list[tuple[int, int, int, int]] = []  # row, label, kind, and the row with which it comes
    for row in range(n):
        naive.row(levels[row], int(labels[row]), int(arrivals[row]), int(credits[row]))
        steps.append((row, int(labels[row]) if delay == 0 else t.NO_LABEL, t.PREDICT, row))
        if row >= delay > 0 and labels[row - delay] != t.NO_LABEL:
            steps.append((row - delay, int(labels[row - delay]), t.LEARN_LATE, row))
        if row + 1 in cuts or row == n - 1:
            table = np.array(steps)
            comes, late = table[:, 3], table[:, t.KIND] == t.LEARN_LATE
            now = device._replace(arrivals=arrivals[comes], credits=np.where(late, 0, credits[comes]))
            outcome = learner.run_steps(levels, table[:, :3].copy(), now, dropped)
            found += np.stack([outcome.predictions, outcome.statuses, outcome.energies], axis=1).tolist()
            steps = []
    assert found == [list(step) for step in zip(naive.predictions, naive.statuses, naive.energies, strict=True)]
    naive.assert_equal(learner, device)
    return naive


def _random_prices(rng: np.random.Generator, n_layers: int, n_counters: int) -> np.ndarray:
    """Draw whole prices of all counts; what a gated sample saves is no more than what it took."""
    prices = rng.integers(0, 9, (2, 2, n_layers, n_counters))
    prices[..., : t.SAMPLES] = 0  # words and operations follow from activity
    prices[..., len(COUNTERS) : t.WINDOW_PAIRS] = 0
    prices[0, 0, 0, t.SAMPLES] = 5
    for saved, taken in ((t.GATED_SAMPLES, t.SAMPLES), (t.GATED_EVENTS, t.INPUT_EVENTS)):
        prices[..., saved] = -rng.integers(0, prices[..., taken] + 1)
    return prices


def _even_prices(n_layers: int, n_counters: int) -> np.ndarray:
    prices = np.zeros((2, 2, n_layers, n_counters), np.int64)
    prices[0, :, 0, t.SAMPLES] = 4
    prices[1, :, 0, t.SAMPLES], prices[1, 0, -1, t.UPDATES] = 1, 3
    return prices
