"""Reach and width of d: by hand, and never exceeded."""

import numpy as np
import pytest

from edgelearn.network.learner import Learner, steps_of
from edgelearn.network.spec import design
from edgelearn.network.storage import buffers
from edgelearn.rules import RULES


@pytest.mark.parametrize(
    ("rule", "settings", "reach", "width"),
    [
        ("shallow", {}, 0, 0),
        ("drtp", {}, 126, 8),  # rn(127 * 127, 7)
        ("drtp", {"feedback_format": "sign"}, 64, 8),  # rn(64 * 127, 7)
        ("sdfa", {}, 1260, 12),  # rn(10 * 127 * 127, 7)
        ("sdfa", {"accumulator_bits": 8}, 127, 8),  # a sum of 128 at most
        ("dfa", {}, 32511, 16),  # m = 32767: ten errors reach 10 * 255 * 127 / 8 = 40481
        ("dfa", {"output": "softmax"}, 8112, 14),  # rn(515 * 127, 3) = 8176
        ("fa", {"output": "softmax"}, 8112, 14),
        ("bp", {"output": "softmax"}, 8176, 14),  # rn(515 * 128, 3) = 8240
        ("bp", {"bits": 2}, 20241, 16),  # views of -2, range exponent -1: m = rn(10 * 255 * 2, -2) = 20400
    ],
)
def test_reach_and_width_by_hand(rule, settings, reach, width):
    spec = design((64, 100, 10), rule, **settings)
    hidden, output = spec.layers
    assert (hidden.delta_reach, hidden.delta_width) == (reach, width)
    assert (output.delta_reach, output.delta_width) == (255, 9)
    assert spec.delta_width == max(width, 9)


def test_one_output_sends_one_error():
    assert design((64, 100, 1), "dfa").layers[0].delta_reach == 4016  # rn(255 * 127, 3) = 4048
    assert design((64, 100, 1), "sdfa").layers[0].delta_reach == 126


@pytest.mark.parametrize(
    ("rule", "delta_bits", "scales", "shifts", "widths"),
    [  # D, s_m (of the output layer: bits the error loses) and bits of d, of a hidden and of the output layer
        ("dfa", 16, (12, 8), (3, 0), (16, 9)),
        ("dfa", 14, (12, 8), (3, 0), (14, 9)),
        ("dfa", 12, (10, 8), (5, 0), (12, 9)),
        ("dfa", 8, (6, 7), (8, 1), (8, 8)),
        ("bp", 8, (6, 7), (8, 1), (8, 8)),
        ("fa", 10, (8, 8), (7, 0), (10, 9)),
        ("sdfa", 12, (7, 8), (0, 0), (12, 9)),
        ("sdfa", 8, (6, 7), (1, 1), (8, 8)),
        ("drtp", 8, (7, 7), (0, 1), (8, 8)),
        ("drtp", 5, (4, 4), (3, 4), (5, 5)),
        ("bp", 2, (0, 1), (8, 7), (2, 2)),
    ],
)
def test_narrow_factors_by_hand(rule, delta_bits, scales, shifts, widths):
    spec = design((64, 100, 10), rule, delta_bits=delta_bits)
    assert tuple(layer.delta_scale for layer in spec.layers) == scales
    assert tuple(layer.signal_shift for layer in spec.layers) == shifts
    assert tuple(layer.delta_width for layer in spec.layers) == widths


@pytest.mark.parametrize("rule", RULES)
def test_sixteen_bits_change_nothing(rule):
    assert design((64, 100, 40, 10), rule, delta_bits=16) == design((64, 100, 40, 10), rule)


def test_deltas_are_buffered_in_the_width_they_need():
    wide, narrow = (design((64, 100, 10), "bp", output=output) for output in ("sigmoid", "softmax"))
    assert [buffers(spec)[-1].word_bits for spec in (wide, narrow)] == [16, 14]


@pytest.mark.kernel
@pytest.mark.parametrize(("output", "delta_bits"), [("sigmoid", 16), ("softmax", 16), ("sigmoid", 8), ("softmax", 6)])
@pytest.mark.parametrize("rule", RULES)
def test_no_d_exceeds_its_reach(rule, output, delta_bits):
    """Outputs far on the wrong side, feedback of one sign: errors as large as they can be."""
    generator = np.random.default_rng(3)
    spec = design((12, 20, 16, 5), rule, output=output, rounding="nearest", delta_bits=delta_bits)
    learner = Learner(spec)
    for k, layer in enumerate(spec.layers):
        words = generator.choice([-128, 127], (layer.n_out, layer.n_in))
        learner.state.set_words(k, np.abs(words) - (words == -128) if layer.non_negative else words, words[:, 0])
    for level in generator.integers(0, 16, (40, 12)):
        learner.run_steps(level[None], steps_of(generator.integers(5, size=1)), in_order=True)
        largest = np.abs(learner.state.arrays.deltas.astype(int)).max(axis=1)
        assert all(found <= layer.delta_reach for found, layer in zip(largest, spec.layers, strict=True))
