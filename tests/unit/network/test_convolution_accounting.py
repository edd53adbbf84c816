"""Storage and traffic of networks with convolutions, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edgelearn.network.counters import ACTIVITY, CONVOLUTION_ACTIVITY, Counters
from edgelearn.network.spec import design
from edgelearn.network.storage import buffers, footprint, line_buffers
from edgelearn.network.traffic import predicted, traffic


@pytest.mark.parametrize(
    ("net", "input_bits", "kernels", "feedback", "waits", "line"),
    [
        ("28x28x1-conv16x5x5-pool2-fc128-10", 4, [400], [31_360, 160], 7.4, [117]),
        ("28x28x1-conv10x5x5s2p0-fc128-10", 4, [250], [14_400, 100], 3.3, [117]),
        ("28x28x1-conv32x5x5-pool2-fc1000-10", 4, [800], [62_720, 320], 15.2, [117]),
        ("32x32x3-conv64x3x3-pool2-conv256x3x3-pool2-fc1000-fc1000-10", 8, [1_728, 147_456], [327_680, 3_200], 77.9,
         [201, 2_240]),
    ],
)  # fmt: skip
def test_words_and_buffers_of_known_networks(net, input_bits, kernels, feedback, waits, line):
    for kind, words in zip(("element", "map"), feedback, strict=True):
        spec = design(net, "dfa", input_bits=input_bits, feedback_kind=kind)
        blocks = [block for block in footprint(spec) if spec.layers[block.layer - 1].is_convolution]
        assert [block.words for block in blocks if block.role == "weight"] == kernels
        assert sum(block.words for block in blocks if block.role == "feedback") == words
        assert not any(block.role == "bias" for block in blocks)
        assert [block.words for block in blocks if block.role == "accumulator"] == [
            max(25, 9 * (len(kernels) - 1) * 64)
        ]
        assert round(sum(block.bits for block in buffers(spec)) / 8 / 1024, 1) == waits
    assert buffers(design(net, "drtp", input_bits=input_bits)) == []
    assert [block.words for block in line_buffers(spec)] == line


def test_winners_wait_with_the_gates_of_a_maximum():
    def waiting(net, rule="dfa", **settings):
        return {block.role: block.words for block in buffers(design(net, rule, **settings)) if block.layer == 1}

    net = "12x12x1-conv4x3x3-pool2-5"
    assert waiting(net) == {"activation": 144, "gate": 144, "winner": 144}
    assert waiting(net, "local") == {"gate": 144, "winner": 144, "error": 5}
    assert waiting(net, "drtp", update_gate="error") == {"activation": 144, "gate": 144, "winner": 144}
    assert waiting(net, teach="positions") == {"activation": 144, "gate": 576}
    assert waiting("12x12x1-conv4x3x3-meanpool2-5") == {"activation": 144, "gate": 144}
    assert waiting("12x12x1-conv4x3x3-5") == {"activation": 144, "gate": 576}
    assert waiting(net, kernels="frozen") == {}


def an_activity(n_layers, **counts):
    activity = Counters.zeros(n_layers, is_convolutional=True)
    for name, values in counts.items():
        assert name in ACTIVITY + CONVOLUTION_ACTIVITY
        activity[name][:] = values
    return activity


def test_traffic_of_a_convolution_by_hand():
    net = "6x6x2-conv4x3x3-pool2-conv3x3x3-5"
    spec = design(net, "bp", rounding="stochastic", kernel_bias=True)
    activity = an_activity(
        3, samples=10, input_events=[100, 80, 60], window_pairs=[700, 500, 0], open_gates=[90, 70, 0],
        live_gates=[81, 63, 0], active_neurons=[40, 30, 20], update_pairs=[300, 200, 150], active_maps=[25, 21, 0],
        signal_lanes=[30, 20, 0], gated_signals=[111, 77, 0], down_pairs=[111, 0, 0], updates=[9, 9, 9],
        update_events=[90, 72, 54],
    )  # fmt: skip
    found = traffic(spec, activity)
    expected = {
        "activation_read": [1000, 700, 60 + 150],
        "activation_write": [100, 80, 60],
        "weight_read": [4 * 700 + 18 * 25, 3 * 500 + 36 * 21 + 111, 5 * 60 + 150 + 77],
        "weight_write": [18 * 25, 36 * 21, 150],
        "bias_read": [10 * 36 * 4 + 25, 10 * 9 * 3 + 21, 10 * 5 + 20],
        "bias_write": [25, 21, 20],
        "forward_macs": [2800, 1500, 300],
        "update_macs": [340, 230, 170],
        "accumulator_read": [300, 200, 0],
        "accumulator_write": [300, 200, 0],
        "winner_write": [90, 0, 0],
        "winner_read": [40, 0, 0],
        "gate_write": [90, 70, 0],
        "gate_read": [81, 63, 0],
        "delta_write": [40, 30, 0],
        "delta_read": [40, 30 + 111, 0],
        "error_read": [0, 0, 20 + 20],
        "signal_macs": [111, 77, 0],
        "random_draws": [9 * 19, 9 * 37, 54 + 9],
        "feedback_read": [0, 0, 0],
    }
    assert {name: found[name].tolist() for name in expected} == expected


def test_map_feedback_and_generators_by_hand():
    net = "6x6x2-conv4x3x3-meanpool2-5"
    activity = an_activity(2, samples=10, signal_lanes=[30, 0], gated_signals=[120, 0], active_neurons=[8, 3])
    stored = traffic(design(net, "dfa", feedback_kind="map"), activity)
    assert (stored["feedback_read"][0], stored["signal_macs"][0], stored["winner_read"][0]) == (120, 120, 0)
    steps = {
        kind: traffic(design(net, "dfa", feedback_format="lfsr", feedback_kind=kind), activity)["lfsr_steps"][0]
        for kind in ("map", "element")
    }
    assert steps == {"map": 2 * 4 * 30, "element": 2 * 36 * 30}


def test_predictions_keep_their_pairs():
    spec = design("6x6x2-conv4x3x3-pool2-conv3x3x3-5", "dfa", hidden_inference="sign")
    found = predicted(spec, an_activity(3, samples=10, input_events=[100, 80, 60], window_pairs=[700, 500, 0]))
    assert found["input_events"].tolist() == [100, 360, 270]
    assert found["window_pairs"].tolist() == [700, 10 * spec.layers[1].window.full_pairs, 0]
    assert spec.layers[1].window.full_pairs == 4 * (2 + 3 + 2) ** 2


def test_networks_without_convolutions_have_no_new_counters():
    counters = Counters.zeros(2)
    assert counters.table.shape == (2, 37)
    assert "window_pairs" not in counters.as_dict()
    assert np.array_equal(counters["window_pairs"], [0, 0])
    assert traffic(design((4, 3, 2)), counters).table.shape == (2, 37)
    assert (counters + counters) == counters
