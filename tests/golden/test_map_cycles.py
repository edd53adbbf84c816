"""schedule() of networks with convolutions == a walk that ticks a clock, on samples made up at random."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest

from edgelearn.network.counters import Counters
from edgelearn.network.layer import ConvLayer
from edgelearn.network.spec import NetworkSpec, design
from edgelearn.rules import RULES
from hw_models.engine.schedule import Latency, schedule, worked
from tests.naive.engine import MapEngine, Maps, MapWork, Work

SAMPLES = 3
LATENCY = {"start": 3, "gate": 4, "row": 2}
NETS = (
    "5x4x2-conv3x3x2p1-4-3",
    "6x6x1-conv3x3x3p1-pool2-4-2",
    "7x5x1-conv2x3x3s2p1-meanpool2-3",
    "8x6x1-conv3x3x3p0-pool2-conv4x2x2p0-5-3",
    "5x5x1-conv4x2x2p0-conv3x3x3p1-pool2-3",
)
SHORT = ("bp", "dfa", "drtp")  # the other rules are slow tests
HARD = [
    name if name in SHORT else pytest.param(name, marks=pytest.mark.slow)
    for name, row in RULES.items()
    if row.learns_hidden
]


def maps_of(spec: NetworkSpec) -> list[Maps | None]:
    found: list[Maps | None] = []
    for layer in spec.layers:
        if isinstance(layer, ConvLayer):
            w = layer.window
            kernel = (w.kernel_height, w.kernel_width)
            mean = w.pooling == "mean"
            shared = layer.feedback_kind == "map"
            shape = (w.height, w.width, w.channels, w.maps)
            found.append(Maps(*shape, kernel, w.stride, w.padding, w.pool, mean, layer.kernel_bias, shared))
        else:
            found.append(None)
    return found


@dataclass
class Sample:
    """Zeros and non-zeros of one sample, layer by layer; a place is the winner of an element."""

    inputs: list[np.ndarray]
    gates: list[np.ndarray]
    deltas: list[np.ndarray]
    winners: list[np.ndarray]
    label: int


def made_up(spec: NetworkSpec, rng: np.random.Generator, density: float) -> Sample:
    def some(n: int) -> np.ndarray:
        return (rng.random(n) < density).astype(int)

    gates, deltas, winners = [], [], []
    for layer in spec.layers:
        gate = some(layer.n_out)
        gates.append(gate)
        deltas.append(some(layer.n_out) if layer.output else gate * some(layer.n_out))
        places = layer.window.pool**2 if isinstance(layer, ConvLayer) else 1
        winners.append(rng.integers(0, places, layer.n_out))
    return Sample([some(n) for n in spec.sizes[:-1]], gates, deltas, winners, int(rng.integers(spec.n_classes)))


def signals_of(spec: NetworkSpec, sample: Sample, k: int) -> list[int]:
    rule = spec.layers[k].rule
    if rule.selects_row:
        return [sample.label if spec.n_outputs == 1 else 1]
    if rule.from_label:
        return [1] * spec.n_outputs
    if rule.holds_deltas:
        return list(sample.deltas[k + 1])
    return list(sample.deltas[-1])


def work_of(spec: NetworkSpec, sample: Sample) -> list[Work | MapWork]:
    work: list[Work | MapWork] = []
    for k, layer in enumerate(spec.layers):
        hidden = layer.rule.learns_hidden and not layer.output
        signals = signals_of(spec, sample, k) if hidden else []
        deltas = list(sample.deltas[k]) if hidden or layer.output else [0] * layer.n_out
        gates = [] if layer.output else list(sample.gates[k])
        parts = (list(sample.inputs[k]), gates, signals, deltas)
        work.append(MapWork(*parts, list(sample.winners[k])) if layer.is_convolution else Work(*parts))
    return work


def counted(spec: NetworkSpec, samples: list[Sample]) -> Counters:
    """What a run would count of these samples, from the contract's definitions."""
    counters = Counters.zeros(len(spec.layers), spec.is_convolutional)
    maps = maps_of(spec)
    for sample in samples:
        work = work_of(spec, sample)
        for k, layer in enumerate(spec.layers):
            one, convolution = work[k], maps[k]

            def add(name: str, n: int, k: int = k) -> None:
                counters[name][k] += n

            events = {i for i, x in enumerate(one.inputs) if x}
            active = [j for j, d in enumerate(one.deltas) if d]
            add("samples", 1)
            add("input_events", len(events))
            if convolution is not None:
                windows = [convolution.window(position) for position in convolution.positions()]
                add("window_pairs", sum(len(events & set(window)) for window in windows))
            hidden = layer.rule.learns_hidden and not layer.output
            if hidden or layer.output:
                add("active_neurons", len(active))
                add("updates", bool(active) * layer.learns)
                add("update_events", len(events) * bool(active))
                pairs = len(events) * len(active)
                if convolution is not None:
                    pairs = sum(len(events & set(acted)) for j in active for acted in acted_on(convolution, one, j))
                    add("active_maps", len({j % convolution.maps for j in active}))
                add("update_pairs", pairs)
            if not hidden:
                continue
            signals = [row for row, s in enumerate(one.signals) if s]
            open_gates = [j for j, g in enumerate(one.gates) if g]
            add("open_gates", len(open_gates))
            add("live_gates", len(open_gates) * bool(signals))
            add("signal_lanes", len(signals))
            words = len(signals) * len(open_gates)
            if convolution is not None and convolution.shared:
                words = len(signals) * convolution.maps
            above = maps[k + 1]
            if layer.rule.holds_deltas and above is not None:
                met = [window for j in signals for window in acted_on(above, work[k + 1], j)]
                words = sum(len(set(open_gates) & set(window)) for window in met)
                add("down_pairs", words)
            add("gated_signals", words)
    return counters


def acted_on(convolution: Maps, work: MapWork, element: int) -> list[list[int]]:
    columns = len({x for _, x in convolution.places()})
    place = divmod(element // convolution.maps, columns)
    return [convolution.window(one) for one in convolution.acting(place, work.winners[element])]


def walked(spec: NetworkSpec, samples: list[Sample], **options) -> dict[tuple[str, str, int], float]:
    event = options.pop("dataflow", "output") == "event"
    name = spec.named[0].name
    engine = MapEngine(
        name, maps_of(spec), list(spec.sizes), event, lfsr=spec.regenerates_feedback, **LATENCY, **options
    )
    engine.learned = [layer.learned for layer in spec.layers]
    for sample in samples:
        engine.learn(work_of(spec, sample))
    return {
        (kind, role, k): float(count)
        for kind, counts in (("cycles", engine.cycles), ("reads", engine.reads), ("writes", engine.writes))
        for (role, k), count in counts.items()
        if count
    }


def scheduled(spec: NetworkSpec, counters: Counters, skips_zero_inputs=True, update_skip="neuron", **options):
    activity = worked(spec, counters, skips_zero_inputs, update_skip)
    result = schedule(spec, activity, latency=Latency(**LATENCY), **options)
    return {
        (kind, role, k): float(count)
        for kind, columns in (("cycles", result.cycles), ("reads", result.reads), ("writes", result.writes))
        for role, column in columns.items()
        for k, count in enumerate(column, 1)
        if count
    }


def samples_of(spec: NetworkSpec, density: float = 0.6) -> list[Sample]:
    rng = np.random.default_rng([len(spec.net), SAMPLES])
    return [made_up(spec, rng, density) for _ in range(SAMPLES)]


@pytest.mark.parametrize("rule", HARD)
@pytest.mark.parametrize("net", NETS)
def test_one_lane_equals_the_walk(net, rule):
    for bias, feedback in ((False, "int8"), (True, "lfsr")):
        spec = design(net, rule, feedback_format=feedback, kernel_bias=bias)
        samples = samples_of(spec)
        counters = counted(spec, samples)
        for dataflow in ("output", "event"):
            options = {"dataflow": dataflow, "lanes": 1}
            assert scheduled(spec, counters, **options) == walked(spec, samples, **options), options


@pytest.mark.parametrize("rule", ["drtp", "dfa", "sdfa", "mdfa", "signed-target"])
def test_feedback_shared_by_a_map(rule):
    for net, feedback in itertools.product(NETS[:3], ("int8", "lfsr")):
        spec = design(net, rule, feedback_kind="map", feedback_format=feedback)
        samples = samples_of(spec)
        assert scheduled(spec, counted(spec, samples), lanes=1) == walked(spec, samples, lanes=1)


@pytest.mark.parametrize("rule", HARD)
def test_many_lanes_that_skip_nothing(rule):
    """Without pooling and border every window holds as much: the walk is met exactly."""
    for net in ("5x4x2-conv3x3x2p0-4-3", "5x5x1-conv4x2x2p0-conv3x2x2p0-3"):
        spec = design(net, rule)
        samples = samples_of(spec)
        counters = counted(spec, samples)
        reads = ("adder-tree", "single", "transposable") if RULES[rule].weight_transport else ("adder-tree",)
        for lanes, skip, read, dataflow in itertools.product((2, 8), ("none", "sample"), reads, ("output", "event")):
            options = {"lanes": lanes, "skips_zero_inputs": False, "update_skip": skip}
            options |= {"transposed_read": read, "dataflow": dataflow}
            assert scheduled(spec, counters, **options) == walked(spec, samples, **options), options


def test_inference_is_the_forward_pass():
    for net, dataflow, lanes in itertools.product(NETS, ("output", "event"), (1, 3)):
        spec = design(net, "dfa")
        samples = samples_of(spec)
        engine = MapEngine("dfa", maps_of(spec), list(spec.sizes), dataflow == "event", lanes=lanes, **LATENCY)
        for sample in samples:
            engine.infer(work_of(spec, sample))
        plan = schedule(
            spec, counted(spec, samples), lanes, learning=False, latency=Latency(**LATENCY), dataflow=dataflow
        )
        assert plan.total_cycles == sum(engine.cycles.values())
        for kind, walk in ((plan.reads, engine.reads), (plan.writes, engine.writes)):
            for role, column in kind.items():
                assert list(column) == [walk.get((role, k), 0) for k in range(1, len(spec.layers) + 1)], role


def test_the_published_forms_of_a_first_convolution():
    """M (t + 2 N + PH PW) + 1 cycles forward with a kernel bias; 2 u + 2 (K K C + 1) M_a for its update."""
    spec = design("6x6x1-conv3x3x3p1-pool2-4-2", "drtp", kernel_bias=True)
    samples = samples_of(spec)
    counters = counted(spec, samples)
    plan = schedule(spec, counters)
    t, u, maps = (int(counters[name][0]) for name in ("window_pairs", "update_pairs", "active_maps"))
    assert plan.cycles["forward"][0] == 3 * t + SAMPLES * (3 * (2 * 36 + 9) + 1)
    assert plan.cycles["update"][0] == 2 * u + 2 * (9 + 1) * maps
    assert plan.cycles["signal"][0] == 0
