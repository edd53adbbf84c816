"""The oracle of convolutions against what is known without it: dense layers, and sums written as matrices."""

from __future__ import annotations

import numpy as np
import pytest

from tests.naive.convolution import Convolution, NaiveConvolutionalNetwork
from tests.naive.oracle import RULES, NaiveNetwork
from tests.naive.words import rn, sat

DIRECT = [name for name, rule in RULES.items() if rule.feedback in ("direct", "none")]


def settings(rng, sizes, shapes, rule, **changes):
    """Settings of a network with random words."""
    low = 0 if RULES[rule].non_negative else -900
    layers = range(len(shapes))
    return {
        "rule": rule,
        "sizes": sizes,
        "bits": 8,
        "residual_bits": 4,
        "rounding": "nearest",
        "input_bits": 4,
        "activation": "tanh",
        "output": "sigmoid",
        "range_exponents": [0] * len(shapes),
        "rates": [-3] * len(shapes),
        "weights": [rng.integers(low if k else -900, 900, shapes[k]).tolist() for k in layers],
        "biases": [rng.integers(-900, 900, shapes[k][0]).tolist() for k in layers],
        "feedback_exponents": [0] * (len(shapes) - 1),
    } | changes


def taps_of(window: Convolution) -> np.ndarray:
    """The input under each tap of each position, -1 in the padding: [OH, OW, K_h, K_w, C], by slices of an index map."""
    p, s = window.padding, window.stride
    index = np.arange(window.height * window.width * window.channels)
    image = np.full((window.height + 2 * p, window.width + 2 * p, window.channels), -1)
    image[p : p + window.height, p : p + window.width] = index.reshape(window.height, window.width, window.channels)
    rows = [
        [
            image[s * y : s * y + window.kernel_height, s * x : s * x + window.kernel_width]
            for x in range(window.out_width)
        ]
        for y in range(window.out_height)
    ]
    return np.array(rows)


WINDOWS = [
    Convolution(5, 4, 2, 3, 3, 3, padding=1),
    Convolution(5, 7, 1, 3, 3, 2, padding=0, pool=2),
    Convolution(7, 6, 2, 2, 5, 3, stride=2, padding=2),
    Convolution(6, 6, 1, 4, 2, 2, padding=1, stride=3),
    Convolution(8, 6, 1, 3, 3, 3, padding=1, pool=2, pooling="mean"),
]


@pytest.mark.parametrize("window", WINDOWS)
def test_taps_are_those_of_slices_of_a_padded_map(window):
    expected = taps_of(window).reshape(window.positions, -1)
    for position in range(window.positions):
        row = np.full(window.fan_in, -1)
        for r, source in window.taps(position):
            row[r] = source
        np.testing.assert_array_equal(row, expected[position])
    for source in range(window.height * window.width * window.channels):
        found = sorted(window.positions_of(source))
        assert found == sorted((int(p), int(r)) for p, r in zip(*np.where(expected == source), strict=True))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("window", WINDOWS)
def test_sums_and_steps_are_those_of_unfolded_matrices(window, bias):
    """One sample: z by a matrix product of unfolded inputs, and each word's step by the transposed product with d."""
    rng = np.random.default_rng(5)
    window = window._replace(kernel_bias=bias)
    shapes = [(window.maps, window.fan_in), (3, window.elements)]
    sizes = [window.height * window.width * window.channels, window.elements, 3]
    feedback = [rng.integers(-127, 128, (3, window.elements)).tolist()]
    network = NaiveConvolutionalNetwork(
        windows=[window, None], **settings(rng, sizes, shapes, "dfa", feedback=feedback)
    )
    before = [np.array(network.weights[0]), np.array(network.biases[0])]
    levels = rng.integers(0, 16, sizes[0])
    network.learn_one(levels.tolist(), 1)
    unfolded = np.append(levels, 0)[taps_of(window).reshape(window.positions, -1)]
    z = unfolded @ (before[0] >> 4).T + (15 * (before[1] >> 4) if bias else 0)
    np.testing.assert_array_equal(np.ravel(z), network.position_sums[0])
    height, width = window.out_height // window.pool, window.out_width // window.pool
    windows = z.reshape(window.out_height, window.out_width, -1)[: height * window.pool, : width * window.pool]
    windows = windows.reshape(height, window.pool, width, window.pool, -1).transpose(0, 2, 4, 1, 3)
    flat = windows.reshape(height, width, window.maps, -1)
    pooled = flat.sum(-1) if window.is_mean else flat.max(-1)
    np.testing.assert_array_equal(np.ravel(pooled), network.z[0])
    d = np.zeros_like(flat)
    deltas = np.array(network.deltas[0]).reshape(height, width, window.maps)
    assert np.count_nonzero(deltas) > len(np.ravel(deltas)) // 2
    if window.is_mean:
        d += deltas[..., None]
    else:
        np.put_along_axis(d, flat.argmax(-1)[..., None], deltas[..., None], -1)  # the first of equals
    spread = np.zeros((window.out_height, window.out_width, window.maps), np.int64)
    spread[: height * window.pool, : width * window.pool] = (
        d.reshape(height, width, window.maps, window.pool, window.pool).transpose(0, 3, 1, 4, 2)
    ).reshape(height * window.pool, width * window.pool, window.maps)
    spread = spread.reshape(-1, window.maps)
    shift = 4 + 12 + 3 - 7 - 4 + (2 if window.is_mean else 0)
    for words, sums, start in (
        (network.weights[0], spread.T @ unfolded, before[0]),
        (network.biases[0], 15 * spread.sum(0) if bias else np.zeros(window.maps, int), before[1]),
    ):
        step = np.vectorize(lambda total: sat(rn(-int(total), shift), -2047, 2047))(sums)
        np.testing.assert_array_equal(words, np.clip(start + step, -2048, 2047))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_one_position_is_a_dense_layer(rule, rounding):
    """A kernel as large as its map: words, predictions and all counts but those of weights, which are written whole."""
    rng = np.random.default_rng(7)
    sizes, shapes = [12, 5, 4], [(5, 12), (4, 5)]
    rows = 4 if RULES[rule].fixed_feedback else 0
    low = 0 if RULES[rule].non_negative else -127
    feedback = [rng.integers(low, 128, (rows, 5)).tolist() if rows else None]
    given = settings(rng, sizes, shapes, rule, rounding=rounding, feedback=feedback, rng_state=9)
    dense = NaiveNetwork(**given)
    window = Convolution(2, 3, 2, 5, 2, 3, kernel_bias=True)
    network = NaiveConvolutionalNetwork(windows=[window, None], **given)
    for _ in range(12):
        levels = (rng.integers(1, 16, 12) * (rng.random(12) < (0.6 if rounding == "nearest" else 1))).tolist()
        label = int(rng.integers(0, 4))
        assert network.learn_one(levels, label) == dense.learn_one(levels, label)
        assert (network.weights, network.biases) == (dense.weights, dense.biases)
    assert network.operations == dense.operations
    assert {key: n for key, n in network.events.items() if key[1] != "ties"} == {
        key: n for key, n in dense.events.items() if key[1] != "ties"
    }
    for key, n in dense.counts.items():
        if key[:2] != (1, "weight"):
            assert network.counts[key] == n, key
    active = dense.counts[1, "bias", "write"]
    assert network.counts[1, "weight", "write"] == 12 * active
    assert network.counts[1, "accumulator", "write"] == network.counts[1, "accumulator", "read"]
    assert network.counts[1, "accumulator", "read"] == dense.counts[1, "weight", "write"]


def test_two_convolutions_send_the_error_as_matrices_do():
    """d of the lower layer under bp and fa: the transposed kernel over the d of the layer above."""
    rng = np.random.default_rng(11)
    lower = Convolution(6, 5, 1, 2, 3, 3, padding=1)
    upper = Convolution(6, 5, 2, 3, 3, 3, stride=2, padding=1)
    sizes = [30, lower.elements, upper.elements, 3]
    shapes = [(2, 9), (3, 18), (3, upper.elements)]
    kernel, direct = rng.integers(-127, 128, (3, 18)), rng.integers(-127, 128, (3, upper.elements))
    for rule in ("bp", "fa"):
        feedback = [None, None] if rule == "bp" else [kernel.tolist(), direct.tolist()]
        network = NaiveConvolutionalNetwork(
            windows=[lower, upper, None], **settings(rng, sizes, shapes, rule, feedback=feedback)
        )
        words = np.array(network.weights[1]) >> 4 if rule == "bp" else kernel
        network.learn_one(rng.integers(0, 16, 30).tolist(), 2)
        d = np.zeros((upper.positions, 3), int)
        for index, value in enumerate(network.deltas[1]):
            d[index // 3, index % 3] = value
        columns = d @ words  # [positions, taps]
        m = np.zeros(lower.elements + 1, int)
        np.add.at(m, taps_of(upper).reshape(upper.positions, -1), columns)
        found = [sat(rn(int(total), 7), -32767, 32767) for total in m[:-1]]
        gated = [sat(rn(one * g, 7), -32767, 32767) for one, g in zip(found, network.gates[0], strict=True)]
        assert gated == network.deltas[0]
        assert any(gated)
