"""Frozen layers in front of a network that learns: words, biases, shifts and tables (contract, section 11).

Sums are products of matrices of whole floating-point numbers: exact below 2^24 in 32 bits and below 2^53 in 64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

_CHUNK = 1 << 22  # elements of windows at a time
_EXACT = 1 << 24  # below which whole numbers of float32 are exact


@dataclass(frozen=True)
class Geometry:
    """Shapes of a frozen layer; maps are flat with channels last.

    Parameters
    ----------
    kind : "sum" of products with words, or "max" of each window, by channel
    height, width, channels : of the input map; a dense layer has the map 1 x 1 x inputs
    maps : output channels
    kernel_height, kernel_width, stride_y, stride_x : windows
    top, bottom, left, right : padding with zeros, which are never the largest
    groups : 1, or `channels`: map o then reads channel o // (maps / channels) alone

    Example
    -------
    >>> Geometry("sum", 28, 28, 1, 8, 5, 5, 1, 1, 2, 2, 2, 2).n_out
    6272
    """

    kind: str
    height: int
    width: int
    channels: int
    maps: int
    kernel_height: int = 1
    kernel_width: int = 1
    stride_y: int = 1
    stride_x: int = 1
    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0
    groups: int = 1

    @property
    def n_in(self) -> int:
        return self.height * self.width * self.channels

    @property
    def out_height(self) -> int:
        return (self.height + self.top + self.bottom - self.kernel_height) // self.stride_y + 1

    @property
    def out_width(self) -> int:
        return (self.width + self.left + self.right - self.kernel_width) // self.stride_x + 1

    @property
    def n_out(self) -> int:
        return self.out_height * self.out_width * self.maps

    @property
    def fan_in(self) -> int:
        """Taps of a map, in the order (dy * kernel_width + dx) * (channels / groups) + c."""
        return self.kernel_height * self.kernel_width * (self.channels // self.groups)

    @property
    def macs(self) -> int:
        """Products of a sample if no input is zero, padding included."""
        return self.n_out * self.fan_in if self.kind == "sum" else 0

    @property
    def text(self) -> str:
        """Shapes in short form."""
        if self.kind == "sum" and (self.height, self.width, self.kernel_height, self.kernel_width) == (1, 1, 1, 1):
            return f"dense {self.channels}-{self.maps}"
        kernel = f"{self.kernel_height}x{self.kernel_width}"
        stride = "" if (self.stride_y, self.stride_x) == (1, 1) else f"s{self.stride_y}x{self.stride_x}"
        name = "max pool " if self.kind == "max" else "depthwise " if self.groups > 1 else f"conv{self.maps}x"
        return f"{self.height}x{self.width}x{self.channels}: {name}{kernel}{stride}"


@dataclass(frozen=True, eq=False)
class FrozenLayer:
    """A frozen layer: y = table[128 + sat(rn(bias + sum of words times inputs, shift), -128, 127)].

    Parameters
    ----------
    geometry : shapes
    words : int8[maps, fan_in]
    biases : int32[maps], at the scale of the sum
    shifts : int64[maps], of the sum to the index; negative is a left shift
    table : int8[256]
    order : int64[n_in], input that is read at each place; None for the order that they come in
    """

    geometry: Geometry
    words: np.ndarray
    biases: np.ndarray
    shifts: np.ndarray
    table: np.ndarray
    order: np.ndarray | None = None

    def run(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs of inputs, int8[n, n_out].

        Parameters
        ----------
        x : whole numbers [n, n_in], levels or outputs of the layer below
        """
        shape = self.geometry
        x = x if self.order is None else x[:, self.order]
        rows = max(1, _CHUNK // max(shape.out_height * shape.out_width * shape.fan_in * shape.groups, 1))
        found = [self._part(x[start : start + rows]) for start in range(0, len(x), rows)]
        return np.concatenate(found) if found else np.zeros((0, shape.n_out), np.int8)

    def _part(self, x: np.ndarray) -> np.ndarray:
        shape = self.geometry
        if shape.kind == "max":
            windows = windows_of(shape, x.astype(np.int16), outside=-(1 << 15))
            return np.asarray(windows.max(axis=(4, 5)).reshape(len(x), -1), np.int8)
        z = self._sums(x) + self.biases.astype(np.int64)
        right, left = np.maximum(self.shifts, 0), np.maximum(-self.shifts, 0)
        q = ((z << left) + (np.int64(1) << right >> 1)) >> right
        return np.asarray(self.table[np.clip(q, -128, 127) + 128].reshape(len(x), -1), np.int8)

    def _sums(self, x: np.ndarray) -> np.ndarray:
        """Return the sums of products, int64[n, out_height, out_width, maps]."""
        exact = np.float32 if shape_bound(self.words, x) < _EXACT else np.float64
        return sums_of(self.geometry, x.astype(exact), self.words.astype(exact)).astype(np.int64)

    def products(self, x: np.ndarray) -> int:
        """Return how many products have an input other than zero."""
        shape = self.geometry
        if shape.kind == "max":
            return 0
        x = x if self.order is None else x[:, self.order]
        ones = np.ones((shape.maps, shape.fan_in), np.float32)
        rows = max(1, _CHUNK // max(shape.out_height * shape.out_width * shape.fan_in * shape.groups, 1))
        parts = (x[start : start + rows] for start in range(0, len(x), rows))
        return sum(int(sums_of(shape, (part != 0).astype(np.float32), ones).sum(dtype=np.float64)) for part in parts)


def shape_bound(words: np.ndarray, x: np.ndarray) -> int:
    """Return a bound of the partial sums."""
    largest = int(np.abs(x.astype(np.int64)).max(initial=0))
    return largest * int(np.abs(words.astype(np.int64)).sum(axis=1).max(initial=0))


def windows_of(shape: Geometry, x: np.ndarray, outside: int = 0) -> np.ndarray:
    """Return a view of the windows, [n, out_height, out_width, channels, kernel_height, kernel_width]."""
    maps = x.reshape(len(x), shape.height, shape.width, shape.channels)
    if shape.top or shape.bottom or shape.left or shape.right:
        sides = ((0, 0), (shape.top, shape.bottom), (shape.left, shape.right), (0, 0))
        maps = np.pad(maps, sides, constant_values=outside)
    kernel = (shape.kernel_height, shape.kernel_width)
    windows = np.lib.stride_tricks.sliding_window_view(maps, kernel, axis=(1, 2))
    return windows[:, :: shape.stride_y, :: shape.stride_x]


def sums_of(shape: Geometry, x: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Return sums of products in the type of x, [n, out_height, out_width, maps].

    Parameters
    ----------
    x : float[n, n_in]
    words : float[maps, fan_in]
    """
    if (shape.height, shape.width, shape.kernel_height, shape.kernel_width) == (1, 1, 1, 1) and shape.groups == 1:
        return np.asarray((x @ words.T)[:, None, None])
    windows = windows_of(shape, x)
    if shape.groups == 1:
        columns = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, shape.fan_in)
        return np.asarray(columns @ words.T).reshape(len(x), shape.out_height, shape.out_width, shape.maps)
    several = shape.maps // shape.channels
    kernels = words.reshape(shape.channels, several, shape.kernel_height, shape.kernel_width)
    sums = np.einsum("nyxcij,cmij->nyxcm", windows, kernels, optimize=True)
    return np.asarray(sums.reshape(len(x), shape.out_height, shape.out_width, shape.maps))


@dataclass(frozen=True, eq=False)
class FrozenStack:
    """Frozen layers one behind the other.

    Parameters
    ----------
    layers : from the inputs on
    order : int64[n_features], output that stands at each place of the features; None for the order of the last layer
    """

    layers: tuple[FrozenLayer, ...]
    order: np.ndarray | None = None

    @property
    def signed(self) -> bool:
        """Whether outputs may be negative: those of the last table."""
        last = next((layer for layer in reversed(self.layers) if layer.geometry.kind == "sum"), None)
        return last is None or bool((last.table < 0).any())

    @property
    def n_features(self) -> int:
        return self.layers[-1].geometry.n_out if self.order is None else len(self.order)

    @property
    def macs(self) -> int:
        return sum(layer.geometry.macs for layer in self.layers)

    @property
    def stored_bits(self) -> int:
        """Bits of words, biases, shifts (8 bits each) and tables."""
        sums = [layer for layer in self.layers if layer.geometry.kind == "sum"]
        return sum(8 * one.words.size + (32 + 8) * one.biases.size + 8 * one.table.size for one in sums)

    def run(self, levels: np.ndarray) -> np.ndarray:
        """Return the levels of the features, uint8[n, n_features], or int8 where signed."""
        x = levels
        for layer in self.layers:
            x = layer.run(x)
        x = x if self.order is None else x[:, self.order]
        return x if self.signed else x.astype(np.uint8)

    def counts(self, levels: np.ndarray) -> list[dict[str, Any]]:
        """Return per layer its shapes, products of a sample at most, and per sample with inputs other than zero."""
        found, x = [], levels
        for layer in self.layers:
            if layer.geometry.kind == "sum":
                products = layer.products(x) / max(len(x), 1)
                found.append({"layer": layer.geometry.text, "macs": layer.geometry.macs, "products": products})
            x = layer.run(x)
        return found

    def as_list(self) -> list[dict[str, Any]]:
        """Return the shapes as JSON holds them; arrays are beside."""
        return [asdict(layer.geometry) for layer in self.layers]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays of all layers by name."""
        names = ("words", "biases", "shifts", "table", "order")
        found = {
            f"frozen{k}_{name}": array
            for k, layer in enumerate(self.layers, 1)
            for name in names
            if (array := getattr(layer, name)) is not None
        }
        return found if self.order is None else found | {"frozen_order": self.order}


def stack_of(shapes: Sequence[dict[str, Any]], arrays: dict[str, np.ndarray]) -> FrozenStack:
    """Return the stack of `as_list` and `arrays`."""
    layers = []
    for k, shape in enumerate(shapes, 1):
        given = {name: arrays[f"frozen{k}_{name}"] for name in ("words", "biases", "shifts", "table")}
        layers.append(FrozenLayer(Geometry(**shape), **given, order=arrays.get(f"frozen{k}_order")))
    return FrozenStack(tuple(layers), arrays.get("frozen_order"))


def blank_arrays(shapes: Sequence[dict[str, Any]], ordered: Sequence[str]) -> dict[str, np.ndarray]:
    """Return arrays of a stack whose words are all 0.

    Parameters
    ----------
    ordered : names of the orders that there are, "frozen2_order" of the second layer and "frozen_order" of the features
    """
    found: dict[str, np.ndarray] = {}
    for k, given in enumerate(shapes, 1):
        shape = Geometry(**given)
        maps, fan_in = (shape.maps, shape.fan_in) if shape.kind == "sum" else (0, 0)
        found[f"frozen{k}_words"] = np.zeros((maps, fan_in), np.int8)
        found[f"frozen{k}_biases"] = np.zeros(maps, np.int32)
        found[f"frozen{k}_shifts"] = np.zeros(maps, np.int64)
        found[f"frozen{k}_table"] = np.zeros(256, np.int8)
        if f"frozen{k}_order" in ordered:
            found[f"frozen{k}_order"] = np.arange(shape.n_in)
    if "frozen_order" in ordered:
        found["frozen_order"] = np.arange(Geometry(**shapes[-1]).n_out)
    return found
