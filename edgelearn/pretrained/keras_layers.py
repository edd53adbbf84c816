"""Keras layers as steps, with the shapes of their outputs, their MACs and words."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgelearn.pretrained import keras_spatial
from edgelearn.pretrained import operators as ops
from edgelearn.pretrained.operators import Operator, Step

Shape = tuple[int | None, ...] | None
_KEEPS = {"Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "AlphaDropout",
          "ActivityRegularization", "Identity"}  # fmt: skip
_MERGES = {"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"}
_RECURRENT = {"LSTM", "GRU", "SimpleRNN"}


@dataclass(frozen=True)
class KerasLayer:
    """A layer of a configuration.

    Parameters
    ----------
    place : groups that hold its arrays in model.weights.h5
    outer : layer of the outermost model that it is inside of, None of a layer of that model
    """

    name: str
    kind: str
    config: dict[str, Any]
    place: tuple[str, ...]
    outer: str | None

    def input_shape(self) -> Shape:
        for key in ("batch_shape", "batch_input_shape"):
            if isinstance(self.config.get(key), list):
                return tuple(None if size is None else int(size) for size in self.config[key])
        return None

    @property
    def channels_first(self) -> bool:
        return bool(self.config.get("data_format") == "channels_first")


def translate(
    layer: KerasLayer, arrays: list[np.ndarray], shapes: Sequence[Shape], inputs: tuple[str, ...], output: str
) -> tuple[Shape, Operator]:
    """Return the output shape of a call of a layer, and the call as an operator."""
    shape = _output_shape(layer, shapes, arrays)
    step = _step(layer, arrays, shapes[0] if shapes else None)
    words = sum(int(array.size) for array in arrays)
    macs = _macs(layer, arrays, shapes[0] if shapes else None, shape)
    if macs == 0 and words and isinstance(step, ops.Other) and layer.kind not in ("Embedding", "LayerNormalization"):
        macs = None
    written = 0 if isinstance(step, ops.Keep) else _size(shape) or 0
    return shape, Operator(layer.name, layer.kind, inputs, (output,), step, macs, words, written)


def _size(shape: Shape) -> int | None:
    """Return the elements per sample, None where a size but the batch is open."""
    return None if shape is None or None in shape[1:] else math.prod(one or 1 for one in shape[1:])


def _macs(layer: KerasLayer, arrays: list[np.ndarray], before: Shape, after: Shape) -> int | None:
    kind, size = layer.kind, _size(after)
    if not arrays:
        return 0
    kernel = arrays[0].shape
    if kind == "Dense":
        return None if size is None else size * int(kernel[0])
    if kind in ("Conv1D", "Conv2D", "Conv3D"):  # kernel [..., n_in / groups, n_out]
        return None if size is None else size * math.prod(kernel[:-1])
    if kind in ("DepthwiseConv1D", "DepthwiseConv2D"):  # kernel [..., n_in, multiplier]
        return None if size is None else size * math.prod(kernel[:-2])
    if kind in ("SeparableConv1D", "SeparableConv2D") and len(arrays) > 1:
        positions = None if size is None else size // max(arrays[1].shape[-1], 1)
        return None if positions is None else positions * (arrays[0].size + arrays[1].size)
    if kind in ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"):  # kernel [..., n_out, n_in]
        entering = _size(before)
        return None if entering is None else entering * math.prod(kernel[:-1])
    if kind in _RECURRENT and len(arrays) > 1:
        steps = None if before is None or len(before) < 2 else before[1]
        return None if steps is None else steps * (arrays[0].size + arrays[1].size)
    if kind == "BatchNormalization":
        return size
    return 0


def _output_shape(layer: KerasLayer, shapes: Sequence[Shape], arrays: list[np.ndarray]) -> Shape:
    """Return the shape of an output, None where it is not known."""
    before = shapes[0] if shapes else None
    if layer.kind in _MERGES:
        return before
    if layer.kind == "Concatenate":
        return _concatenated(shapes, int(layer.config.get("axis", -1)))
    if before is None:
        return None
    make = _SHAPES.get(layer.kind)
    if make is not None:
        return make(layer, before)
    if layer.kind in _KEEPS or layer.kind in _STEPS or layer.kind.endswith("Normalization") or layer.kind in _POINTWISE:
        return before
    return None


_POINTWISE = {"Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "ThresholdedReLU", "Softmax"}


def _concatenated(shapes: Sequence[Shape], axis: int) -> Shape:
    known = [shape for shape in shapes if shape is not None]
    if len(known) != len(shapes) or not known or not -len(known[0]) <= axis < len(known[0]):
        return None
    made = list(known[0])
    along = [shape[axis] for shape in known]
    made[axis] = None if None in along else sum(one for one in along if one is not None)
    return tuple(made)


def _window(size: int | None, kernel: int, stride: int, dilation: int, padding: str) -> int | None:
    if size is None:
        return None
    if padding in ("same", "causal"):
        return -(-size // stride)
    return max(0, (size - dilation * (kernel - 1) - 1) // stride + 1)


def _ints(value: Any, n: int) -> list[int]:
    return [int(one) for one in value] if isinstance(value, (list, tuple)) else [int(value)] * n


def _slid(layer: KerasLayer, before: tuple[int | None, ...], channels: int | None) -> Shape:
    """Return the shape behind a window that slides over the middle axes."""
    config, n = layer.config, len(before) - 2
    kernel = _ints(config.get("kernel_size", config.get("pool_size", 1)), n)
    strides = config.get("strides")
    strides = kernel if strides is None else _ints(strides, n)
    dilation = _ints(config.get("dilation_rate", 1), n)
    first = 2 if layer.channels_first else 1
    sizes = [
        _window(before[first + k], kernel[k], strides[k], dilation[k], config.get("padding", "valid")) for k in range(n)
    ]
    return (before[0], channels, *sizes) if layer.channels_first else (before[0], *sizes, channels)


def _channels(layer: KerasLayer, before: tuple[int | None, ...]) -> int | None:
    return before[1 if layer.channels_first else -1]


def _convolved(layer: KerasLayer, before: tuple[int | None, ...]) -> Shape:
    if layer.kind.startswith("Depthwise"):
        channels = _channels(layer, before)
        multiplied = None if channels is None else channels * int(layer.config.get("depth_multiplier", 1))
        return _slid(layer, before, multiplied)
    return _slid(layer, before, int(layer.config["filters"]))


def _reshaped(layer: KerasLayer, before: tuple[int | None, ...]) -> Shape:
    target, size = _ints(layer.config["target_shape"], 1), _size(before)
    if -1 in target:
        rest = math.prod(one for one in target if one != -1)
        filled = None if size is None or not rest else size // rest
        return (before[0], *(filled if one == -1 else one for one in target))
    return (before[0], *target)


def _padded(layer: KerasLayer, before: tuple[int | None, ...]) -> Shape:
    sign = -1 if layer.kind.startswith("Cropping") else 1
    given = layer.config["cropping" if sign < 0 else "padding"]
    pairs = [given] if layer.kind.endswith("1D") else given
    added = [sum(_ints(one, 2)) for one in pairs]
    first, made = 2 if layer.channels_first else 1, list(before)
    for k, more in enumerate(added):
        size = made[first + k]
        made[first + k] = None if size is None else size + sign * more
    return tuple(made)


def _recurrent(layer: KerasLayer, before: tuple[int | None, ...]) -> Shape:
    units = int(layer.config["units"])
    return (before[0], before[1], units) if layer.config.get("return_sequences") else (before[0], units)


def _flat(layer: KerasLayer, before: tuple[int | None, ...]) -> Shape:
    return (before[0], _size(before))


def _pooled_globally(layer: KerasLayer, before: tuple[int | None, ...]) -> Shape:
    return (before[0], _channels(layer, before))


_SHAPES: dict[str, Callable[[KerasLayer, tuple[int | None, ...]], Shape]] = {
    "Dense": lambda layer, before: (*before[:-1], int(layer.config["units"])),
    "Flatten": _flat,
    "Reshape": _reshaped,
    "Permute": lambda layer, before: (before[0], *(before[axis] for axis in _ints(layer.config["dims"], 1))),
    "Embedding": lambda layer, before: (*before, int(layer.config["output_dim"])),
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D",
                     "SeparableConv2D"), _convolved),
    **{f"{kind}Pooling{n}D": lambda layer, before: _slid(layer, before, _channels(layer, before))
       for kind in ("Max", "Average") for n in (1, 2, 3)},
    **{f"Global{kind}Pooling{n}D": _pooled_globally for kind in ("Max", "Average") for n in (1, 2, 3)},
    **{f"{kind}{n}D": _padded for kind in ("ZeroPadding", "Cropping") for n in (1, 2, 3)},
    **dict.fromkeys(_RECURRENT, _recurrent),
}  # fmt: skip


def _step(layer: KerasLayer, arrays: list[np.ndarray], before: Shape) -> Step:
    if layer.kind in _KEEPS:
        return ops.Keep()
    if layer.kind in keras_spatial.KINDS:
        return keras_spatial.spatial(layer, arrays, before)
    make = _STEPS.get(layer.kind)
    return ops.Other(ops.BEHIND) if make is None else make(layer, arrays, before)


def function_of(given: Any) -> ops.Activation:
    """Return the activation that a configuration names."""
    if isinstance(given, dict):
        inner = given.get("config")
        given = inner if isinstance(inner, str) else given.get("class_name", "?")
    name = "linear" if given is None else str(given)
    if name == "leaky_relu":
        return ops.Activation("leaky", 0.2)
    return ops.Activation(name)


def _dense(layer: KerasLayer, arrays: list[np.ndarray], before: Shape) -> Step:
    n_arrays = 2 if layer.config.get("use_bias", True) else 1
    if len(arrays) != n_arrays or any(array.dtype.kind != "f" for array in arrays) or arrays[0].ndim != 2:
        kinds = ", ".join(f"{array.dtype}{list(array.shape)}" for array in arrays) or "none"
        return ops.Other(f"its weights are {kinds}, not a kernel of floats{' and a bias' * (n_arrays - 1)}")
    n_in, n_out = arrays[0].shape
    if n_out != layer.config["units"] or (n_arrays == 2 and arrays[1].shape != (n_out,)):
        return ops.Other(f"shapes do not fit: a kernel of {n_in}x{n_out} for {layer.config['units']} units")
    biases = arrays[1].astype(np.float64) if n_arrays == 2 else np.zeros(n_out)
    positions = 1 if before is None else math.prod(one or 1 for one in before[1:-1])
    made = function_of(layer.config.get("activation"))
    return ops.Dense(
        arrays[0].T.astype(np.float64), biases, positions=positions, activation=made.name, slope=made.slope
    )


def _relu(layer: KerasLayer, arrays: list[np.ndarray], before: Shape) -> Step:
    config = layer.config
    slope = float(config.get("negative_slope") or 0)
    if config.get("threshold"):
        return ops.Activation("relu with a threshold")
    if config.get("max_value") is not None:
        return ops.Activation("relu6" if config["max_value"] == 6 and not slope else "relu with a limit")
    return ops.Activation("leaky", slope) if slope else ops.Activation("relu")


def _leaky(layer: KerasLayer, arrays: list[np.ndarray], before: Shape) -> Step:
    slope = layer.config.get("negative_slope", layer.config.get("alpha", 0.3))
    return ops.Activation("leaky", float(slope))


def _softmax(layer: KerasLayer, arrays: list[np.ndarray], before: Shape) -> Step:
    axis = layer.config.get("axis", -1)
    if axis != -1 and (before is None or axis != len(before) - 1):
        return ops.Other(f"its axis is {axis}, not the last one")
    return ops.Activation("softmax")


def _by_element(values: np.ndarray, layer: KerasLayer, before: Shape) -> np.ndarray | None:
    """Return values of the channels, which are the last axis, by flat element."""
    axis = layer.config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    last = axis == -1 or (before is not None and axis == len(before) - 1)
    size = _size(before)
    if not last or (size is None and before is not None and len(before) > 2):
        return None
    return np.tile(values, (size or values.size) // max(values.size, 1))


def _batch_normalization(layer: KerasLayer, arrays: list[np.ndarray], before: Shape) -> Step:
    config, rest = layer.config, list(arrays)
    n = 2 + bool(config.get("scale", True)) + bool(config.get("center", True))
    if len(arrays) != n or any(array.ndim != 1 or array.dtype.kind != "f" for array in arrays):
        return ops.Other(f"it has {len(arrays)} arrays, not {n}")
    gamma = rest.pop(0).astype(np.float64) if config.get("scale", True) else np.ones(arrays[-1].size)
    beta = rest.pop(0).astype(np.float64) if config.get("center", True) else np.zeros(arrays[-1].size)
    mean, variance = (one.astype(np.float64) for one in rest)
    scale = gamma / np.sqrt(variance + float(config.get("epsilon", 1e-3)))
    factors, shifts = (_by_element(one, layer, before) for one in (scale, beta - mean * scale))
    if factors is None or shifts is None:
        return ops.Other("its axis is not the last one, or the shape in front of it is not known")
    return ops.Affine(factors, shifts)


def _normalization(layer: KerasLayer, arrays: list[np.ndarray], before: Shape) -> Step:
    if len(arrays) < 2 or layer.config.get("invert"):
        return ops.Other("its mean and variance are not in the file, or it is inverted")
    mean, variance = (np.asarray(one, np.float64).reshape(-1) for one in arrays[:2])
    scale = 1 / np.maximum(np.sqrt(variance), 1e-7)
    factors, shifts = (_by_element(one, layer, before) for one in (scale, -mean * scale))
    if factors is None or shifts is None:
        return ops.Other("its axis is not the last one, or the shape in front of it is not known")
    return ops.Affine(factors, shifts)


def _rescaling(layer: KerasLayer, arrays: list[np.ndarray], before: Shape) -> Step:
    made = []
    for key, default in (("scale", 1.0), ("offset", 0.0)):
        values = np.asarray(layer.config.get(key, default), np.float64).reshape(-1)
        laid = values if values.size == 1 else _by_element(values, layer, before)
        if laid is None:
            return ops.Other("the shape in front of it is not known")
        made.append(laid)
    return ops.Affine(*made)


def _flatten(layer: KerasLayer, arrays: list[np.ndarray], before: Shape) -> Step:
    if not layer.channels_first or before is None or len(before) <= 2:
        return ops.Keep()
    if None in before[1:]:
        return ops.Other("the shape in front of it is not known")
    axes = range(len(before))
    return ops.permutation([one or 1 for one in before], [0, *axes[2:], 1])


def _permute(layer: KerasLayer, arrays: list[np.ndarray], before: Shape) -> Step:
    if before is None or None in before[1:]:
        return ops.Other("the shape in front of it is not known")
    return ops.permutation([one or 1 for one in before], [0, *_ints(layer.config["dims"], 1)])


_STEPS: dict[str, Callable[[KerasLayer, list[np.ndarray], Shape], Step]] = {
    "Dense": _dense,
    "Activation": lambda layer, arrays, before: function_of(layer.config.get("activation")),
    "ReLU": _relu,
    "LeakyReLU": _leaky,
    "ELU": lambda layer, arrays, before: ops.Activation("elu"),
    "Softmax": _softmax,
    "BatchNormalization": _batch_normalization,
    "Normalization": _normalization,
    "Rescaling": _rescaling,
    "Flatten": _flatten,
    "Reshape": lambda layer, arrays, before: ops.Keep(),
    "Permute": _permute,
}
