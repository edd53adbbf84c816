"""Topology of a float reference from a text: 784-500-10, FC_500_FC_10 or CONV_32_5_1_2_FC_1000_FC_10."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgelearn.errors import UserError


@dataclass(frozen=True)
class Dense:
    """A fully connected layer of n neurons."""

    n: int


@dataclass(frozen=True)
class Conv:
    """Square kernels, the activation, then a max-pooling of `pool` x `pool` with that stride (1 for none)."""

    maps: int
    kernel: int
    stride: int
    padding: int
    pool: int = 2


@dataclass(frozen=True)
class Local:
    """A locally connected layer: patches as of a convolution with stride 1, but weights of their own everywhere."""

    maps: int
    kernel: int


Layer = Dense | Conv | Local
_FORMS = (
    "sizes such as 784-500-10, or layers such as CONV_32_5_1_2_FC_1000_FC_10 "
    "(CONV_maps_kernel_stride_padding with an optional fifth number for the pooling, LOCAL_maps_kernel, FC_n)"
)


def parse_topology(text: str) -> tuple[Layer, ...]:
    """Return the layers behind the input; the last is dense.

    Raises
    ------
    UserError
        "topology '...' cannot be read"
    """
    wrong = UserError(f"topology '{text}' cannot be read; give {_FORMS}")
    try:
        if "_" in text:
            layers = _named(text.upper().split("_"))
        else:
            sizes = [int(size) for size in text.split("-")]
            layers = tuple(Dense(size) for size in sizes[1:])
    except (ValueError, TypeError, KeyError):
        raise wrong from None
    flat = [isinstance(layer, Dense) for layer in layers]
    numbers = [number for layer in layers for name, number in vars(layer).items() if name != "padding"]
    if not layers or not flat[-1] or flat != sorted(flat) or min(numbers) < 1:
        raise wrong
    return layers


def _named(words: list[str]) -> tuple[Layer, ...]:
    starts = [i for i, word in enumerate(words) if word.isalpha()]
    layers: list[Layer] = []
    for start, end in zip(starts, [*starts[1:], len(words)], strict=True):
        kind = {"FC": Dense, "CONV": Conv, "LOCAL": Local}[words[start]]
        layers.append(kind(*(int(word) for word in words[start + 1 : end])))
    if not starts or starts[0] != 0:
        raise ValueError(words[0])
    return tuple(layers)


def first_size(text: str) -> int | None:
    """Return the inputs that a text of sizes names, or None for a text of layers."""
    return None if "_" in text else int(text.split("-")[0])


def check_fits(text: str, inputs: tuple[int, ...] | None) -> None:
    """Refuse a topology that inputs of this shape cannot go through.

    Raises
    ------
    UserError
        "topology '...' cannot be read", "topology '...' does not fit ..."
    """
    layers, named = parse_topology(text), first_size(text)
    shape = inputs if inputs is not None else (named or 0,)
    wrong = UserError(f"topology '{text}' does not fit inputs of shape {shape}; kernels need (channels, height, width)")
    if min(shape) < 1 or (named is not None and named != math.prod(shape)):
        raise wrong
    for layer in layers:
        if isinstance(layer, Dense):
            return
        if len(shape) != 3:
            raise wrong
        stride, padding, pool = (layer.stride, layer.padding, layer.pool) if isinstance(layer, Conv) else (1, 0, 1)
        sides = [((side + 2 * padding - layer.kernel) // stride + 1) // pool for side in shape[1:]]
        if min(sides) < 1:
            raise wrong
        shape = (layer.maps, *sides)
