"""Frozen layers against the oracle in plain integers, and their conversion."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgelearn.conversion.convert import convert
from edgelearn.conversion.front import FloatFront, FrontLayer
from edgelearn.conversion.tables import FINEST, FUNCTIONS, SCALED, find_function
from edgelearn.network.frozen import FrozenLayer, FrozenStack, Geometry, stack_of
from edgelearn.pretrained.imported import Tensor
from tests.naive import frozen as naive


@st.composite
def geometries(draw, kind=None, shape=None):
    """Return shapes of a layer behind a map (height, width, channels)."""
    height, width, channels = shape or (draw(st.integers(1, 6)), draw(st.integers(1, 6)), draw(st.integers(1, 3)))
    kind = kind or draw(st.sampled_from(["sum", "sum", "max"]))
    groups = channels if kind == "max" else draw(st.sampled_from([1, channels]))
    maps = channels if kind == "max" else draw(st.integers(1, 3)) * (channels if groups > 1 else 1)
    kernel = [draw(st.integers(1, 3)) for _ in range(2)]
    padding = [draw(st.integers(0, one - 1)) for one in (kernel[0], kernel[0], kernel[1], kernel[1])]
    sizes = (height + padding[0] + padding[1], width + padding[2] + padding[3])
    kernel = [min(one, size) for one, size in zip(kernel, sizes, strict=True)]
    if kind == "max":  # every window holds an input
        padding = [min(one, kernel[k // 2] - 1) for k, one in enumerate(padding)]
        kernel = [min(one, size) for one, size in zip(kernel, (height, width), strict=True)]
        padding = [min(one, kernel[k // 2] - 1) for k, one in enumerate(padding)]
    strides = [draw(st.integers(1, 3)) for _ in range(2)]
    return Geometry(kind, height, width, channels, maps, *kernel, *strides, *padding, groups)


def plain(shape: Geometry) -> dict:
    names = ("kind", "height", "width", "channels", "maps", "groups")
    return {name: getattr(shape, name) for name in names} | {
        "kernel": (shape.kernel_height, shape.kernel_width),
        "stride": (shape.stride_y, shape.stride_x),
        "padding": (shape.top, shape.bottom, shape.left, shape.right),
    }


def layer_of(shape: Geometry, rng: np.random.Generator, ordered: bool) -> FrozenLayer:
    order = rng.permutation(shape.n_in) if ordered else None
    if shape.kind == "max":
        nothing = (np.zeros((0, 0), np.int8), np.zeros(0, np.int32), np.zeros(0, np.int64))
        return FrozenLayer(shape, *nothing, np.arange(-128, 128).astype(np.int8), order)
    words = rng.integers(-127, 128, (shape.maps, shape.fan_in)).astype(np.int8)
    biases = rng.integers(-(2**14), 2**14, shape.maps).astype(np.int32)
    return FrozenLayer(
        shape, words, biases, rng.integers(-2, 13, shape.maps), rng.integers(-127, 128, 256).astype(np.int8), order
    )


@given(geometries(), st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from(["uint8", "int8"]))
def test_layers_equal_the_oracle(shape, seed, ordered, dtype):
    rng = np.random.default_rng(seed)
    layer = layer_of(shape, rng, ordered)
    limits = (0, 256) if dtype == "uint8" and shape.kind == "sum" else (-127, 128)
    x = rng.integers(*limits, (3, shape.n_in)) * (rng.random((3, shape.n_in)) < 0.7)
    found = layer.run(x.astype(np.int16))
    taken = x if layer.order is None else x[:, layer.order]
    for row, outputs in zip(taken, found, strict=True):
        assert outputs.tolist() == naive.layer(
            plain(shape), layer.words, layer.biases, layer.shifts, layer.table, row.tolist()
        )
    if shape.kind == "sum":
        ones = [[1] * shape.fan_in] * shape.maps
        identity = list(range(-128, 128))
        counted = sum(
            sum(
                naive.layer(
                    plain(shape), ones, [0] * shape.maps, [0] * shape.maps, identity, [int(one != 0) for one in row]
                )
            )
            for row in taken
        )
        assert layer.products(x) == counted


@given(st.data())
def test_stacks_come_back_from_their_arrays(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    first = data.draw(geometries("sum"))
    shape = (first.out_height, first.out_width, first.maps)
    second = data.draw(geometries("max", shape))
    last = Geometry("sum", 1, 1, second.n_out, 4)
    layers = tuple(layer_of(one, rng, one is last) for one in (first, second, last))
    stack = FrozenStack(layers, rng.permutation(4) if data.draw(st.booleans()) else None)
    levels = rng.integers(0, 256, (2, first.n_in)).astype(np.uint8)
    found = stack.run(levels)
    assert found.dtype == (np.int8 if stack.signed else np.uint8)
    again = stack_of(stack.as_list(), {name: array.copy() for name, array in stack.arrays().items()})
    np.testing.assert_array_equal(again.run(levels), found)
    assert [row["macs"] for row in stack.counts(levels)] == [first.macs, last.macs]


@given(
    geometries("sum"), st.integers(0, 2**32 - 1), st.sampled_from(sorted(FUNCTIONS)), st.floats(-6, 6), st.floats(-9, 9)
)
def test_conversion_is_that_of_the_contract(shape, seed, name, size, bias):
    """Weights of maps differ by powers of two, and biases by more, so that some take bits from their weights."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 2.0**size, (shape.maps, shape.fan_in)) * 2.0 ** rng.integers(-3, 4, (shape.maps, 1))
    weights[rng.random(shape.maps) < 0.1] = 0
    biases = rng.normal(0, 2.0 ** (size + bias), shape.maps)
    function, slope = find_function(name, 0.1), 0.1 if name == "leaky" else 0.0
    layer = FrontLayer("one", shape, weights, biases, name, slope)
    front = FloatFront(Tensor("in", None, "float32"), (layer,), None, ())
    x, unit = rng.uniform(-1, 1, (4, shape.n_in)), 1 / 127
    made = convert(front, x, unit, 127, "m")
    sums = layer.sums(x).astype(np.float64)
    outputs = np.asarray(function(layer.sums(x)), np.float64)
    outer = naive.output_scale(outputs.ravel().tolist())
    inner = outer if name in SCALED else max(naive.output_scale(sums.ravel().tolist()), FINEST.get(name, -99))
    one = made.stack.layers[0]
    words, whole, shifts, table = naive.converted(
        (weights * unit).tolist(), biases.tolist(), lambda z: float(function(np.array(z))), 0, inner, outer, 127
    )
    assert made.scale == outer
    assert one.words.tolist() == words
    assert one.biases.tolist() == whole
    assert one.shifts.tolist() == shifts
    assert one.table.tolist() == table
