"""One output on streams of two classes: against plain integers, cut anywhere, labels late or missing, bits counted."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgelearn.branch.two_layer import RULES
from edgelearn.data.recordings import Recording
from edgelearn.errors import UserError
from edgelearn.streaming.prequential import Prequential
from experiments.binary_streams import BinaryLearner, BinarySpec, open_binary, predicted_blocks

pytestmark = pytest.mark.kernel


def made_up(seed, n=400, n_channels=3, missing=0.0):
    """Return samples whose class depends on two channels and the label before."""
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(n, n_channels)) * 10.0 ** rng.integers(-2, 3, n_channels)).astype(np.float32)
    y = np.zeros(n, np.int64)
    for i in range(1, n):
        y[i] = (x[i, 0] > 0) ^ (y[i - 1] if rng.random() < 0.8 else 0)
    y[rng.random(n) < missing] = -1
    return x, y


def saturated(value, lowest=-128):
    return min(max(value, lowest), 127)


class Drawn:
    """xorshift32 in plain integers."""

    def __init__(self, seed):
        self.r = seed | 1

    def __call__(self):
        self.r ^= self.r << 13 & 0xFFFFFFFF
        self.r ^= self.r >> 17
        self.r ^= self.r << 5 & 0xFFFFFFFF
        return self.r

    @property
    def signed(self):
        return self.r - (self.r >> 31 << 32)


def thermometer(x, spec):
    """Return the bits of samples, by the formulas of the contract; the first sample has the largest exponents."""
    tops = [math.ldexp(1.0, math.frexp(value)[1]) for value in x[0].tolist()]
    mean, deviation = [0] * spec.n_channels, [0] * spec.n_channels
    result = []
    for n, values in enumerate(x.astype(np.float64).tolist()):
        bits = []
        for c, value in enumerate(values):
            word = round(value / tops[c] * 2**22)
            k = min(spec.time_constant, n.bit_length())
            distance = 256 * word - mean[c]
            half = (1 << k) >> 1
            if n:
                deviation[c] += (abs(distance) - deviation[c] + half) >> k
            mean[c] += (distance + half) >> k
            u = 0
            if deviation[c]:
                divisor = spec.reach * deviation[c]
                u = min(max((2 * 127 * (256 * word - mean[c]) + divisor) // (2 * divisor), -127), 127)
            for j in range(-spec.thresholds, spec.thresholds + 1):
                parts = spec.thresholds + 1
                bits.append(1 if u >= (2 * 127 * j + parts) // (2 * parts) else -1)
        result.append(bits)
    return result


def oracle(x, y, spec):
    """Return predictions and words, in plain integers."""
    draw = Drawn(spec.seed)
    width, hidden = spec.n_inputs + 1, spec.hidden if spec.kind != "perceptron" else 0
    mdfa = spec.kind == "mdfa"
    rows = []
    for _ in range(hidden):
        draw()
    for _ in range(spec.rows):
        units, v = [], []
        for k in range(hidden):
            v.append(-64 if k % 2 and not mdfa else 64)
            units.append([(draw() >> 8) % 41 - 20 for _ in range(width)])
        rows.append([units or [[0] * width], v, 0])
    history = [-1] * spec.history
    waiting, predictions = [], []

    def sums(row, inputs):
        z = [sum(w * i for w, i in zip(unit, [*inputs, 1], strict=True)) for unit in row[0]]
        if not hidden:
            return z, z[0]
        return z, row[2] + (sum(v * saturated(s, -127) for v, s in zip(row[1], z, strict=True)) >> 5)

    per_channel = 2 * spec.thresholds + 1
    for bits, label in zip(thermometer(x, spec), y.tolist(), strict=True):
        inputs = bits + history
        n = 0
        if spec.row_channel is not None:
            n = bits[spec.row_channel * per_channel : (spec.row_channel + 1) * per_channel].count(1)
        for j in range(spec.path):
            n = 2 * n + (history[j] == 1)
        _, total = sums(rows[n], inputs)
        predictions.append(int(total >= 0))
        asked = predictions[-1] != label or abs(total) <= spec.margin
        waiting.append((n, inputs, label, asked))
        if len(waiting) <= spec.delay:
            continue
        n, inputs, label, asked = waiting.pop(0)
        if label < 0:
            continue
        t, row = 2 * label - 1, rows[n]
        if asked:
            z, _ = sums(row, inputs)
            if hidden:
                row[2] = saturated(row[2] + t)
            for k, unit in enumerate(row[0]):
                if hidden:
                    r, a = draw(), saturated(z[k], -127)
                    row[1][k] = saturated(row[1][k] + ((t * a + (r >> 4) % 128) >> 7), 1 if mdfa else -127)
                    if abs(a) == 127:
                        continue
                s = -t if hidden and k % 2 and not mdfa else t
                unit[:] = [saturated(w + s * i) for w, i in zip(unit, [*inputs, 1], strict=True)]
        history = [t, *history][: spec.history]
    flat = [[w for unit in units for w in unit] + ([*v, bias] if hidden else []) for units, v, bias in rows]
    return predictions, flat


def bounded(seed, n=300, missing=0.0):
    """Return samples whose first one has the largest exponent of each channel."""
    x, y = made_up(seed, n, missing=missing)
    x[0] = np.abs(x).max(axis=0)
    return x, y


CASES = [
    BinarySpec(3),
    BinarySpec(3, thresholds=0, history=0),
    BinarySpec(3, thresholds=3, reach=3, time_constant=5, history=5, path=2, row_channel=1),
    BinarySpec(3, history=4, delay=7, theta=40),
    BinarySpec(3, "mdfa", 3),
    BinarySpec(3, "dfa", 2, path=1, theta=300, seed=11),
    BinarySpec(3, "mdfa", 4, row_channel=0, history=2, delay=3),
]


@pytest.mark.parametrize("spec", CASES, ids=lambda spec: f"{spec.name},{spec.rows},{spec.delay}")
def test_kernel_equals_plain_integers(spec):
    x, y = bounded(5, missing=0.1)
    learner = BinaryLearner(spec)
    predicted = learner.run(x, y)
    expected, words = oracle(x, y, spec)
    assert predicted.tolist() == expected
    assert learner.words.tolist() == words
    known = y >= 0
    assert learner.counters["samples"] == len(y)
    assert learner.counters["misses"] == int((predicted != y)[known].sum())
    assert 0 < learner.counters["trained"] <= known.sum()


@pytest.mark.parametrize("kind", ["perceptron", *RULES])
@pytest.mark.parametrize("delay", [0, 3])
def test_blocks_may_be_cut_anywhere(kind, delay):
    x, y = made_up(3, missing=0.1)
    spec = BinarySpec(3, kind, 3, history=4, path=2, row_channel=2, delay=delay)
    whole, parts = BinaryLearner(spec), BinaryLearner(spec)
    predicted = whole.run(x, y)
    cut = [parts.run(x[a:b], y[a:b]) for a, b in ((0, 1), (1, 1), (1, 150), (150, 400))]
    assert predicted.tolist() == np.concatenate(cut).tolist()
    assert whole.words.tobytes() == parts.words.tobytes()
    assert whole.counters == parts.counters


def test_a_label_is_not_seen_before_it_is_there():
    x, y = made_up(1)
    for delay in (0, 5):
        spec = BinarySpec(3, history=3, path=1, delay=delay)
        predicted = BinaryLearner(spec).run(x, y)
        turned = y.copy()
        turned[200:] = 1 - turned[200:]
        assert (BinaryLearner(spec).run(x, turned)[: 201 + delay] == predicted[: 201 + delay]).all()
        assert (BinaryLearner(spec).run(x, turned) != predicted).any()


def test_a_sample_without_a_label_is_predicted_and_not_learned():
    x, y = made_up(2)
    learner = BinaryLearner(BinarySpec(3))
    assert (learner.run(x, np.full(len(y), -1)) == 1).all()
    assert not learner.words.any()
    assert learner.counters == {"samples": len(y), "misses": 0, "trained": 0}


def test_two_layers_and_history_learn_what_a_row_cannot():
    x, y = made_up(4, 6000)
    rows = {
        "alone": BinarySpec(3, thresholds=0, history=0),
        "one": BinarySpec(3, thresholds=0, history=1),
        "path": BinarySpec(3, thresholds=0, history=1, path=1),
        "two layers": BinarySpec(3, "mdfa", 8, thresholds=0, history=1, theta=1200),
    }
    right = {name: (BinaryLearner(spec).run(x, y) == y)[2000:].mean() for name, spec in rows.items()}
    assert right["path"] > 0.87
    assert right["two layers"] > 0.8
    assert max(right["alone"], right["one"]) < 0.7


def test_scores_of_a_stream_are_those_of_its_predictions():
    x, y = made_up(6)
    source = Recording(x, y, class_names=("low", "high"), name="made-up")
    learner, scores = BinaryLearner(BinarySpec(3, history=1, path=1)), Prequential(2)
    for block, predicted in predicted_blocks(learner, source):
        scores.update(predicted, block.y)
    assert round(scores.as_dict()["accuracy"] * len(y)) == len(y) - learner.counters["misses"]


def test_storage_is_counted_from_the_settings():
    spec = BinarySpec(6, "mdfa", 4, thresholds=2, history=8, path=1, row_channel=0, time_constant=6, delay=3)
    inputs = 6 * 5 + 8
    assert (spec.n_inputs, spec.rows, spec.row_words) == (inputs, 6 * 2, 4 * (inputs + 1) + 5)
    assert spec.storage == {
        "weights": 12 * (4 * 39 + 5) * 8,
        "normalisers": 6 * 73 + 7,
        "thresholds": 40,
        "history": 8,
        "in_flight": 3 * (38 + 4 + 2),
        "generator": 32,
    }
    learner = BinaryLearner(spec)
    assert learner.storage_bits == spec.storage_bits == sum(spec.storage.values())
    assert 8 * learner.words.nbytes == spec.storage["weights"]
    assert learner.name == "mdfa:4x38"
    assert BinarySpec(6, thresholds=0, history=1).storage_bits == 8 * 8 + 6 * 73 + 9 + 8 + 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "perceptro"}, "kind 'perceptro' is not known"),
        ({"n_channels": 0}, "channels 0 is not possible"),
        ({"hidden": 0}, "hidden units 0 is not possible"),
        ({"thresholds": 64}, "thresholds 64 is not possible"),
        ({"history": 4, "path": 5}, "path 5 is not possible; give a whole number from 0 to 4"),
        ({"row_channel": 3}, "row channel 3 is not possible; give a whole number from 0 to 2"),
        ({"theta": -1}, "theta -1 is not possible"),
        ({"delay": -1}, "delay -1 is not possible"),
        ({"kind": "dfa", "history": 1000, "thresholds": 10}, "number of inputs of two layers 1063 is not possible"),
    ],
)
def test_settings_outside_their_range_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        BinarySpec(**({"n_channels": 3} | settings))


def test_streams_of_other_numbers_of_classes_are_refused():
    with pytest.raises(UserError, match="stream 'drift' has 4 classes; one output tells two apart"):
        open_binary("drift", limit=100)
    x, y = made_up(0)
    learner = BinaryLearner(BinarySpec(2))
    with pytest.raises(UserError, match="stream 'made-up' has 3 channels, not 2; give n_channels=3"):
        next(predicted_blocks(learner, Recording(x, y, class_names=("a", "b"), name="made-up")))
    with pytest.raises(UserError, match="stream 'made-up' has 3 classes"):
        next(predicted_blocks(learner, Recording(x, y, class_names=("a", "b", "c"), name="made-up")))


def test_blocks_that_do_not_match_are_refused():
    x, y = made_up(0)
    learner = BinaryLearner(BinarySpec(3))
    with pytest.raises(UserError, match=r"samples have shape \[400, 2\]; give \[n, 3\]"):
        learner.run(x[:, :2], y)
    with pytest.raises(UserError, match=r"labels have shape \[399\]"):
        learner.run(x, y[1:])
    with pytest.raises(UserError, match="label 2 is not one of two classes"):
        learner.run(x, y + 1)
    assert learner.counters["samples"] == 0


def test_a_two_class_file_is_opened(tmp_path):
    x, y = made_up(7, 50)
    np.savez(tmp_path / "own.npz", X=x, y=y)
    source = open_binary(str(tmp_path / "own.npz"))
    learner = BinaryLearner(BinarySpec(len(source.channels)))
    assert sum(len(predicted) for _, predicted in predicted_blocks(learner, source)) == 50
