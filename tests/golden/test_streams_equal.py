"""naive == numba on streams, raw word for raw word: update gates, late labels, the device in time, whole runs."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelearn.config import StreamConfig
from edgelearn.data.source import Block, Rejects
from edgelearn.network.kernels import tables as t
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.network.storage import buffers
from edgelearn.rules import RULES
from edgelearn.runs.session import StreamSession
from hw_models.engine.schedule import assume
from tests.oracle_pairs import NaiveRun, assert_in_time, assert_twins, naive_front_end
from tests.tools import in_turn

pytestmark = pytest.mark.kernel

# --- update gates --------------------------------------------------------------------------------------------

NETS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "one layer": ((6, 3), {}),
    "deep": ((6, 5, 4, 3), {}),
    "one output": ((6, 5, 1), {}),
    "softmax": ((6, 5, 3), {"output": "softmax"}),
    "stochastic": ((6, 5, 4, 3), {"rounding": "stochastic"}),
    "lfsr": ((6, 5, 4, 3), {"feedback_format": "lfsr"}),
    "relu": ((6, 5, 4, 3), {"activation": "relu"}),  # closes gates
    "signed": ((6, 5, 3), {"signed_inputs": True, "input_bits": 5}),
    "sparse": ((6, 5, 3), {"event_threshold": 30, "dead_zone": 40}),
}
GATES = {"always": ("always", 0), "error": ("error", 0), "0": ("margin", 0), "9": ("margin", 9), "60": ("margin", 60)}


def learnable(n_classes: int, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noisy samples of a few classes, so that predictions are soon right now and then."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n)
    levels = np.eye(3, 6, dtype=np.int64)[labels] * 12 + rng.integers(0, 4, (n, 6)) * (rng.random((n, 6)) < 0.5)
    return levels.astype(np.uint8), labels


@pytest.mark.parametrize(("rule", "net", "gate"), in_turn(RULES, NETS, GATES))
def test_gated_samples_are_predicted_and_counted_as_the_oracle_does(rule, net, gate):
    sizes, changes = NETS[net]
    update_gate, margin = GATES[gate]
    rates = {"hidden_rate": -5, "output_rate": -3}
    spec = design(sizes, rule, **rates, **changes, update_gate=update_gate, margin=margin, seed=margin)
    levels, labels = learnable(spec.n_classes, 24)
    signs = np.where(np.arange(6) % 2, -1, 1) if spec.signed_inputs else 1
    naive = assert_twins(spec, levels.astype(int) * signs, labels)
    gated = naive.events[1, "gated_samples"]
    assert gated == 0 if gate == "always" else gated < 24
    assert gated > 0 or gate in ("always", "9", "60")  # every net is right now and then, if not always by much


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
def test_classes_are_predicted_once_they_are_met(gate, output):
    update_gate, margin = GATES[gate]
    spec = design((6, 5, 4), "dfa", output=output, update_gate=update_gate, margin=margin, output_rate=-3)
    for start in (1, 2, 4):
        levels, labels = learnable(3, 24, seed=start)
        labels[:8] = np.minimum(labels[:8], 1)
        assert_twins(spec, levels, labels, prepare=lambda learner, n=start: learner.set_live_outputs(n))


def test_until_a_class_is_met_only_the_first_is_predicted():
    learner = Learner(design((6, 5, 3), "dfa"))
    levels = np.random.default_rng(0).integers(0, 16, (40, 6)).astype(np.uint8)
    assert len(set(learner.predict(levels).tolist())) > 1
    learner.set_live_outputs(9)
    assert int(learner.state.net[t.LIVE_OUTPUTS]) == 3
    learner.set_live_outputs(0)
    assert set(learner.predict(levels).tolist()) == {0}
    learner.learn(levels[:1], np.array([1]))
    assert int(learner.state.net[t.LIVE_OUTPUTS]) == 2
    assert set(learner.predict(levels).tolist()) <= {0, 1}


def test_a_gate_makes_drtp_hold_what_update_locking_holds():
    free, gated = design((20, 12, 8, 4), "drtp"), design((20, 12, 8, 4), "drtp", update_gate="margin", margin=3)
    assert buffers(free) == []
    held = buffers(gated)
    assert [(b.layer, b.role, b.words, b.word_bits) for b in held] == [
        (1, "activation", 20, 4), (1, "gate", 12, 8), (2, "activation", 12, 8), (2, "gate", 8, 8),
    ]  # fmt: skip
    assert {b.reason for b in held} == {"update locking: waits for the update gate, which needs the prediction"}
    assert buffers(design((20, 12, 8, 4), "shallow", update_gate="error")) == []
    dfa = {gate: buffers(design((20, 12, 8, 4), "dfa", update_gate=gate)) for gate in ("always", "error")}
    assert dfa["always"] == dfa["error"]


# --- the device in time ----------------------------------------------------------------------------------------


@st.composite
def cases(draw) -> dict[str, Any]:
    gate = draw(st.sampled_from(["always", "error", "margin"]))
    sizes = draw(st.sampled_from([(4, 3), (4, 5, 3), (4, 3, 3, 1), "3x4x1-conv2x2x3p1-pool2-2"]))
    seed = draw(st.integers(0, 2**32 - 1))
    return {
        "spec": design(
            sizes,
            draw(st.sampled_from(sorted(RULES))),
            rounding=draw(st.sampled_from(["residual", "stochastic"])),
            update_gate=gate,
            margin=draw(st.sampled_from([0, 20])),
            output_rate=-2,
            signed_inputs=draw(st.booleans()),
            seed=seed % 1000,
        ),
        "rng": np.random.default_rng(seed),
        "n": draw(st.integers(1, 16)),
        "queue": draw(st.sampled_from([None, 0, 0, 1, 2, 5])),
        "load": draw(st.sampled_from([0.3, 1.0, 3.0])),
        "deadline": draw(st.sampled_from([None, 0.5, 1.0, 1.5, 4.0])),
        "skip_waiting": draw(st.booleans()),
        "cap": draw(st.sampled_from([None, 0.0, 0.7, 5.0])),
        "delay": draw(st.integers(0, 4)),
        "labelled": draw(st.sampled_from([0.0, 0.6, 1.0])),
        "cuts": draw(st.sets(st.integers(1, 15))),
        "even": draw(st.booleans()),
    }


@given(case=cases())
def test_the_device_in_time_does_what_the_oracle_does(case):
    assert_in_time(**case)


def test_without_prices_and_time_every_sample_is_taken():
    spec = design((6, 5, 3), "dfa", update_gate="error")
    learner, levels, labels = Learner(spec), *learnable(3, 12)
    steps = np.array([(i, label, t.PREDICT) for i, label in enumerate(labels)])
    outcome = learner.run_steps(levels, steps)
    assert outcome.energies.size == outcome.scores.size == 0
    assert set(outcome.statuses.tolist()) <= {t.LEARNED, t.GATED}


# --- whole runs --------------------------------------------------------------------------------------------------


class Stub:
    """Samples in memory, in blocks that end where `cuts` say."""

    name, source, rate_hz = "stub", "drawn at random", None
    drift_points = (40,)

    def __init__(self, n: int = 90, channels: int = 2, live: bool = False, cuts: tuple[int, ...] = (), seed: int = 1):
        rng = np.random.default_rng(seed)
        self.channels = tuple(f"c{i}" for i in range(channels))
        self.rejects, self.has_clock, self.live, self.cuts = Rejects(), True, live, cuts
        y = np.cumsum(rng.random(n) < 0.25) % 3
        x = rng.normal(0, 1, (n, channels)) + 3 * np.array([[-1], [0], [1]])[y]
        x *= 2.0 ** (np.arange(n)[:, None] // 30)  # exponents grow
        self.x, self.y = x.astype(np.float32), np.where(rng.random(n) < 0.8, y, -1).astype(np.int64)
        self.t = np.cumsum(rng.random(n)) * 1e-5
        self.segment = np.sort(rng.integers(0, 4, n))

    class_names = ("a", "b", "c")
    n_classes = 3

    @property
    def n_samples(self):
        return None if self.live else len(self.y)

    def blocks(self, start=0):
        edges = [start, *(cut for cut in self.cuts if start < cut < len(self.y)), len(self.y)]
        for a, b in itertools.pairwise(edges):
            yield Block(self.x[a:b], self.y[a:b], self.t[a:b], self.segment[a:b])

    def state(self):
        return {}

    def restore(self, state):
        assert state == {}


CUTS = {
    "whole": (),
    "halves": (45,),
    "single samples": tuple(range(1, 90)),
    "some": (1, 2, 9, 10, 33, 60, 61, 88),
}
RUNS: dict[str, dict[str, Any]] = {
    "plain": {},
    "gate": {"update_gate": "error"},
    "margin of drtp": {"rule": "drtp", "update_gate": "margin", "margin": 4, "hidden": "5-4", "label_delay": 2},
    "two rails": {"encoder": "on-off", "input_bits": 4, "input_threshold": 2},
    "windows": {"window": 4, "stride": 2, "window_features": "statistics", "encoder": "threshold"},
    "late": {"label_delay": 1, "label_fraction": 0.7},
    "later": {"label_delay": 7, "window": 3, "encoder": "delta"},
    "too late": {"label_delay": 200},
    "busy": {"queue": 0, "sample_rate": "LOAD 2"},
    "busy and late": {"queue": 1, "sample_rate": "LOAD 1.5", "label_delay": 2, "when_late": "skip-update"},
    "skips": {"queue": 2, "sample_rate": "LOAD 3", "when_late": "skip-update", "update_gate": "error"},
    "poor": {"energy_budget": "LEARN 2", "sample_rate": "10 Hz"},
    "poor and dense": {"energy_budget": "LEARN 2", "sample_rate": "10 Hz", "processor": "engine-45nm-dense"},
    "poor and late": {"energy_budget": "LEARN 0.3", "sample_rate": "10 Hz", "label_delay": 2, "update_gate": "error"},
    "poor, busy and late": {"energy_budget": "LEARN 5", "sample_rate": "LOAD 1.5", "label_delay": 3, "queue": 0},
    "poor by the clock": {"energy_budget": "LEARN 5", "deadline": "2 us", "queue": 1, "rounding": "stochastic"},
    "microcontroller": {"processor": "cortex-m4", "sample_rate": "LOAD 2", "update_gate": "error"},
    "overwhelmed": {"sample_rate": "LOAD 9", "label_delay": 5, "queue": 3, "deadline": "1 us"},
}


def config_of(name: str) -> StreamConfig:
    """Settings of a run; LOAD is a share of the time and LEARN samples a second of the energy of a dense sample."""
    given = {"hidden": "5", "rule": "dfa", "time_constant": 4, "output_rate": -3, "accuracy_window": 20, "warm_up": 3}
    given |= RUNS[name]
    run = StreamSession(StreamConfig(**{key: value for key, value in given.items() if not _in_time(value)}), Stub())
    dense = assume(run.spec)
    seconds = float((run.rates.cycles[0] * dense.table).sum()) / dense.n_samples / run.rates.clock_hz
    for key, value in given.items():
        if _in_time(value):
            number = float(value.split()[1])
            given[key] = f"{number / seconds!r} Hz"
            if value.startswith("LEARN"):
                energy_pj = float((run.rates.energy_pj[0] * dense.table).sum()) / dense.n_samples
                given[key] = f"{number * energy_pj * 1e-6!r} uW"
    return StreamConfig(**given)


def _in_time(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("LOAD", "LEARN"))


def taken(run: StreamSession, blocks) -> dict[str, list[Any]]:
    """What became of all rows."""
    found: dict[str, list[Any]] = {
        name: [] for name in ("samples", "times", "labels", "predictions", "statuses", "scores")
    }
    for block in blocks:
        rows = run.take(block)
        for name, kept in found.items():
            kept += getattr(rows, name).tolist()
    return found


def everything(run: StreamSession) -> dict[str, Any]:
    """All that a run would save, as bytes and plain values; the last block is how it was cut."""
    note = run.note() | {"last": None}
    saved = {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in run.state().items()}
    return saved | {"note": note}


def naive_stream(config: StreamConfig, source: Stub) -> tuple[NaiveRun, StreamSession, list[tuple[int, int]]]:
    """Learn a whole stream in the oracle; return it, an untouched run of the product, and each row's sample and label."""
    run = StreamSession(config, source)
    naive, front_end = NaiveRun(run.learner, run.device, config.label_delay), naive_front_end(run.front_end.spec)
    assert naive.network.live == (1 if source.live else 3)  # classes of a live source are met on the way
    second = run.rates.clock_hz * 256
    told = np.random.default_rng([config.seed, 3, 0]).random(4096) < config.label_fraction
    rows: list[tuple[int, int]] = []
    given = 0
    for i, (x, y, at, segment) in enumerate(zip(source.x, source.y, source.t, source.segment, strict=True)):
        levels = front_end.row(x.tolist(), int(y), int(segment))
        if levels is None:
            continue
        seconds = i / run.timing.rate_hz if run.timing.rate_hz else float(at - source.t[0])
        pot = int((run.timing.budget_uw or 0) * 1e6 / run.energy_unit_pj * seconds)
        label = int(y) if told[len(rows)] else t.NO_LABEL
        naive.row(np.array(levels), label, int(seconds * second), pot - given)
        given = pot
        rows.append((i, int(y)))
    return naive, run, rows


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("name", RUNS)
def test_a_stream_is_learned_as_the_oracle_learns_it(name, live):
    config, source = config_of(name), Stub(live=live, cuts=CUTS["some"])
    naive, run, rows = naive_stream(config, source)
    found = taken(run, source.blocks())
    assert list(zip(found["samples"], found["labels"], strict=True)) == rows
    prompt = [i for i, late in enumerate(naive.is_late) if not late]
    assert found["statuses"] == [naive.statuses[i] for i in prompt]
    assert found["predictions"] == [naive.predictions[i] for i in prompt]
    naive.assert_equal(run.learner, run.device)
    for counted, bit in (("learned", t.LEARNED), ("gated", t.GATED), ("late", t.LATE), ("waited", t.WAITED)):
        assert run.counts[counted] == sum(status & bit != 0 for status in naive.statuses), counted
    assert run.counts["over_budget"] == sum(status & t.OVER_BUDGET != 0 for status in naive.statuses)
    assert run.score.n_dropped == sum(naive.statuses[i] & t.DROPPED for i in prompt)
    assert sum(run.score.curve.as_dict()["sums"]["energy"]) == sum(naive.energies)


@pytest.mark.no_cover
def test_the_runs_above_meet_all_that_can_happen():
    """Late labels too: learned, gated, skipped, dropped."""
    seen: dict[bool, set[int]] = {False: set(), True: set()}
    for name in RUNS:
        naive, _, _ = naive_stream(config_of(name), Stub())
        for status, late in zip(naive.statuses, naive.is_late, strict=True):
            seen[late] |= {bit for bit in (1, 2, 4, 8, 16, 32) if status & bit}
    assert seen == {False: {1, 2, 4, 8, 16, 32}, True: {1, 4, 8, 16, 32}}


@pytest.mark.parametrize("name", [name for name in RUNS if name.startswith("poor")])
def test_learning_stays_within_its_budget(name):
    """By at most one sample: who finds a bucket that is not empty learns. Gated samples take nothing."""
    run = StreamSession(config_of(name), Stub())
    taken(run, Stub().blocks())
    seconds = run.clock.last_time
    assert 0 < run.counts["learned"] < run.labelled
    assert run.counts["over_budget"] > 0
    assert run.timing.budget_uw is not None
    given_pj = run.timing.budget_uw * 1e6 * (1 + seconds)  # the bucket was full
    all_gated = run.learner.counters.only(("samples", "input_events", "open_gates"))
    all_gated["gated_samples"][:], all_gated["gated_events"][:] = all_gated["samples"], all_gated["input_events"]
    assert run.rates.energy_pj is not None
    spent_pj = float((run.rates.energy_pj[0] * (run.learner.counters.table - all_gated.table)).sum())
    dense = assume(run.spec)
    assert 0 < spent_pj < given_pj + float((run.rates.energy_pj[0] * dense.table).sum()) / dense.n_samples


@pytest.mark.parametrize("name", RUNS)
def test_bytes_do_not_depend_on_how_blocks_are_cut(name):
    config = config_of(name)
    found = {}
    for kind, cuts in CUTS.items():
        source = Stub(cuts=cuts, live=len(name) % 2 == 0)
        run = StreamSession(config, source, scores=True)
        found[kind] = taken(run, source.blocks()), everything(run)
    for kind in CUTS:
        assert found[kind] == found["whole"], kind


@pytest.mark.parametrize(("name", "turn"), in_turn(RUNS, range(4)))
def test_a_run_continues_from_any_block(name, turn):
    config, source = config_of(name), Stub(cuts=CUTS["some"], live=len(name) % 2 == 0)
    whole = StreamSession(config, source)
    rows = taken(whole, source.blocks())
    for stop in CUTS["some"][turn::4]:
        first, second = StreamSession(config, source), StreamSession(config, source)
        before = taken(first, itertools.islice(source.blocks(), CUTS["some"].index(stop) + 1))
        second.restore({key: array.copy() for key, array in first.state().items()}, first.note())
        after = taken(second, source.blocks(stop))
        assert {key: before[key] + after[key] for key in rows} == rows
        assert everything(second) == everything(whole)
