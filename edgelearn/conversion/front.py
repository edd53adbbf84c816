"""Layers in front of a cut, in floating point: a walk from the input of a model to a tensor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote

import numpy as np

from edgelearn.conversion.tables import FUNCTIONS, find_function, is_rising
from edgelearn.errors import UserError
from edgelearn.network.frozen import Geometry, sums_of, windows_of
from edgelearn.pretrained import operators as ops
from edgelearn.pretrained.imported import Model, Tensor
from edgelearn.pretrained.operators import Operator
from edgelearn.pretrained.read import reading
from edgelearn.pretrained.spatial import Convolution, Pad, Pool, Sides, Spatial

NO_PADDING: Sides = ((0, 0), (0, 0))


@dataclass(frozen=True, eq=False)
class FrontLayer:
    """A layer of the front end; maps are flat with channels last.

    Parameters
    ----------
    name : of the operator
    geometry : shapes
    weights, biases : float64[maps, fan_in], float64[maps]; empty for "max"
    activation, slope : behind it, "linear" for none
    order : int64[n_in], input that is read at each place; None for the order that they come in
    """

    name: str
    geometry: Geometry
    weights: np.ndarray
    biases: np.ndarray
    activation: str | None = None
    slope: float = 0.0
    order: np.ndarray | None = None

    def sums(self, x: np.ndarray) -> np.ndarray:
        """Return what the layer gives to its activation, float32[n, n_out]; the largest of each window of "max"."""
        x = x if self.order is None else x[:, self.order]
        x = np.asarray(x, np.float32)
        if self.geometry.kind == "max":
            lowest = int(np.iinfo(np.int32).min)
            return np.asarray(windows_of(self.geometry, x, outside=lowest).max(axis=(4, 5)).reshape(len(x), -1))
        sums = sums_of(self.geometry, x, self.weights.astype(np.float32)) + self.biases.astype(np.float32)
        return np.asarray(sums.reshape(len(x), -1))

    def activated(self, sums: np.ndarray) -> np.ndarray:
        return np.asarray(find_function(self.activation or "linear", self.slope)(sums))


@dataclass(frozen=True, eq=False)
class FloatFront:
    """Layers from the input of a model to a tensor.

    Parameters
    ----------
    input : tensor of the model's input
    layers : in the order of computation
    order : int64[n_features], output of the last layer at each place of the tensor; None for its own order
    notes : what was folded or assumed
    """

    input: Tensor
    layers: tuple[FrontLayer, ...]
    order: np.ndarray | None
    notes: tuple[str, ...]

    def run(self, x: np.ndarray) -> np.ndarray:
        """Return the tensor for inputs in the units of the model, float32[n, n_features]."""
        found = []
        for start in range(0, max(len(x), 1), 256):
            y = x[start : start + 256]
            for layer in self.layers:
                y = layer.activated(layer.sums(y))
            found.append(y if self.order is None else y[:, self.order])
        return np.concatenate(found)


def front_of(model: Model, name: str) -> FloatFront:
    """Return the layers from the input of a model to a tensor.

    Raises
    ------
    UserError
        "... cannot be converted: ..." with the operator and its reason
    """
    walk = _Walk(model, name)
    with reading(Path(model.source), f"layers up to '{name}'"):  # which are arrays of any content in a damaged file
        for operator in walk.path():
            walk.take(operator)
        return walk.finish()


class _Walk:
    """State of the walk; `order` says which output of the last layer stands at each place of the present tensor."""

    def __init__(self, model: Model, name: str) -> None:
        self.model, self.name = model, name
        if len(model.inputs) != 1:
            raise self.refuse(f"it has {len(model.inputs)} inputs ({', '.join(model.inputs)})")
        self.here = model.by_name[model.inputs[0]]
        self.input = self.here
        self.layers: list[FrontLayer] = []
        self.notes: list[str] = []
        self.order: np.ndarray | None = None
        self.scale: np.ndarray | None = None  # affine step in front of the next layer, in the order of the last one
        self.shift: np.ndarray | None = None
        self.pad: Sides = NO_PADDING
        self.unpadded: Tensor | None = None

    def refuse(self, reason: str, advice: str = "") -> UserError:
        advice = advice or (
            "leave --convert out, and compute the features in the model's own runtime with edgelearn model features"
        )
        return UserError(f"{self.model.source} cannot be converted up to '{self.name}': {reason}; {advice}")

    def path(self) -> list[Operator]:
        """Return the operators from the input to the tensor."""
        readers: dict[str, list[Operator]] = {}
        for operator in self.model.operators:
            for one in operator.inputs:
                readers.setdefault(one, []).append(operator)
        found: list[Operator] = []
        name, seen = self.here.name, set[str]()
        while name != self.name:
            behind = [one for one in readers.get(name, ()) if not isinstance(one.step, ops.Aside)]
            if len(behind) > 1:
                raise self.refuse(f"'{name}' is read by {', '.join(f'{one.name} ({one.kind})' for one in behind[:3])}")
            if not behind or name in seen:
                raise self.refuse(f"no chain of operators leads from the input '{self.input.name}' to it")
            seen.add(name)
            found.append(behind[0])
            name = behind[0].outputs[0]
        return found

    def take(self, operator: Operator) -> None:
        step, what = operator.step, f"{operator.name} ({operator.kind})"
        spatial = step.read() if isinstance(step, Spatial) else None
        if isinstance(spatial, ops.Other) or (spatial is None and isinstance(step, ops.Other)):
            reason = spatial.reason if isinstance(spatial, ops.Other) else "such operators are not converted"
            raise self.refuse(f"{what}: {reason}")
        if len(operator.inputs) > 1 and not isinstance(step, ops.Keep):
            raise self.refuse(f"{what} also reads '{operator.inputs[1]}'")
        if self.unpadded is not None and not isinstance(spatial, Convolution) and not isinstance(step, ops.Keep):
            raise self.refuse(f"{what} follows a padding, which convolutions alone take up")
        if isinstance(spatial, Convolution):
            self._convolution(spatial, operator, what)
        elif isinstance(spatial, Pool):
            self._pool(spatial, operator, what)
        elif isinstance(spatial, Pad):
            self.pad, self.unpadded = spatial.padding, self.here
        elif isinstance(step, ops.Dense):
            self._dense(step, operator, what)
        elif isinstance(step, ops.Activation):
            self._activation(step.name, step.slope, what)
        elif isinstance(step, ops.Affine):
            self._affine(step, what)
        elif isinstance(step, ops.Permute):
            self.order = step.order if self.order is None else self.order[step.order]
        elif not isinstance(step, ops.Keep):
            raise self.refuse(f"{what} is not converted")
        self.here = self.model.by_name.get(operator.outputs[0], replace(self.here, name=operator.outputs[0]))
        self._floor(what)

    def _map(self, what: str, channels_first: bool) -> tuple[int, int, int]:
        """Return height, width and channels of the present map."""
        shape = (self.unpadded or self.here).shape
        if shape is None or len(shape) != 4 or None in shape[1:]:
            known = "unknown" if shape is None else "x".join("?" if one is None else str(one) for one in shape)
            reason = f"{what} reads a map of the shape {known}, and rows, columns and channels are needed"
            raise self.refuse(reason, self._fixing())
        sizes = [size or 1 for size in shape[1:]]
        if self.layers and sizes[0] * sizes[1] * sizes[2] != self.layers[-1].geometry.n_out:
            raise self.refuse(f"{what} reads {' x '.join(map(str, sizes))} values and gets others", "export it again")
        return (sizes[1], sizes[2], sizes[0]) if channels_first else (sizes[0], sizes[1], sizes[2])

    def _fixing(self) -> str:
        """Return what fixes sizes that the input of the model leaves open."""
        shape = self.input.shape
        if not self.model.format.startswith("ONNX") or not shape or None not in shape[1:]:
            return "export it again with fixed sizes of its input"
        sizes = ",".join(["1", *("SIZE" if one is None else str(one) for one in shape[1:])])
        return (
            "fix them with python -m onnxruntime.tools.make_dynamic_shape_fixed "
            f"--input_name {quote(self.input.name)} --input_shape {sizes} {quote(self.model.source)} fixed.onnx, and "
            "give fixed.onnx"
        )

    def _gathered(self, height: int, width: int, channels: int, channels_first: bool) -> np.ndarray | None:
        """Return which output of the last layer each element of a map, channels last, is."""
        places = np.arange(height * width * channels)
        if channels_first:
            places = places.reshape(channels, height, width).transpose(1, 2, 0).reshape(-1)
        return _unless_ascending(places if self.order is None else self.order[places])

    def _behind(self, geometry: Geometry, channels_first: bool) -> None:
        """Set the order of the tensor behind a layer on maps."""
        places = np.arange(geometry.n_out)
        if channels_first:
            shape = (geometry.out_height, geometry.out_width, geometry.maps)
            places = places.reshape(shape).transpose(2, 0, 1).reshape(-1)
        self.order = _unless_ascending(places)

    def _convolution(self, step: Convolution, operator: Operator, what: str) -> None:
        height, width, channels = self._map(what, step.channels_first)
        maps, kernel_height, kernel_width, depth = step.weights.shape
        if step.groups not in (1, channels) or maps % step.groups or depth * step.groups != channels:
            raise self.refuse(f"{what} has {step.groups} groups of {depth} channels of {channels}")
        (top, bottom), (left, right) = (
            (given[0] + own[0], given[1] + own[1]) for given, own in zip(self.pad, step.padding, strict=True)
        )
        geometry = Geometry(
            "sum", height, width, channels, maps, kernel_height, kernel_width, *step.strides, top, bottom, left, right,
            step.groups,
        )  # fmt: skip
        order = self._gathered(height, width, channels, step.channels_first)
        weights, biases = self._scaled(step.weights, step.biases, geometry, order, what)
        self._add(operator.name, geometry, weights.reshape(maps, -1), biases, order, what)
        self.pad, self.unpadded = NO_PADDING, None
        self._behind(geometry, step.channels_first)
        self._activation(step.activation, step.slope, what)

    def _scaled(
        self, weights: np.ndarray, biases: np.ndarray, geometry: Geometry, order: np.ndarray | None, what: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return kernels with the affine step in front of them folded in."""
        if self.scale is None or self.shift is None:
            return weights, biases
        both = []
        for values in (self.scale, self.shift):
            laid = np.broadcast_to(values, geometry.n_in)
            laid = (laid if order is None else laid[order]).reshape(-1, geometry.channels)
            if np.ptp(laid, axis=0).any():
                raise self.refuse(f"in front of {what}, an affine operator differs by position")
            both.append(laid[0] if geometry.groups == 1 else np.repeat(laid[0], geometry.maps // geometry.groups))
        scale, shift = both
        self.scale = self.shift = None
        if shift.any() and (geometry.top or geometry.bottom or geometry.left or geometry.right):
            raise self.refuse(f"in front of {what}, an affine operator adds to a map that is padded with zeros")
        if geometry.groups == 1:
            return weights * scale, biases + (weights * shift).sum(axis=(1, 2, 3))
        by_map = (slice(None), None, None, None)
        return weights * scale[by_map], biases + (weights * shift[by_map]).sum(axis=(1, 2, 3))

    def _add(
        self,
        name: str,
        geometry: Geometry,
        weights: np.ndarray,
        biases: np.ndarray,
        order: np.ndarray | None,
        what: str,
    ) -> None:
        if geometry.out_height < 1 or geometry.out_width < 1 or biases.shape != (geometry.maps,) or not geometry.maps:
            raise self.refuse(f"{what} does not fit a map of {geometry.height}x{geometry.width}x{geometry.channels}")
        if not (np.isfinite(weights).all() and np.isfinite(biases).all()):
            raise self.refuse(f"weights of {what} are not finite", "export the model again")
        self.layers.append(FrontLayer(name, geometry, weights, biases, order=order))

    def _pool(self, step: Pool, operator: Operator, what: str) -> None:
        height, width, channels = self._map(what, step.channels_first)
        size = step.size or (height, width)
        (top, bottom), (left, right) = step.padding
        if self.scale is not None:
            raise self.refuse(f"in front of {what}, an affine operator follows an activation")
        if step.kind == "max" and not self.layers:
            raise self.refuse(f"{what} is in front of the first layer with weights")
        if step.kind == "mean" and (top or bottom or left or right):
            raise self.refuse(f"{what} takes the mean of windows that reach beyond the map")
        order = self._gathered(height, width, channels, step.channels_first)
        geometry = Geometry(
            "max" if step.kind == "max" else "sum", height, width, channels, channels, *size, *step.strides,
            top, bottom, left, right, channels,
        )  # fmt: skip
        if geometry.out_height < 1 or geometry.out_width < 1:
            raise self.refuse(f"{what} does not fit a map of {height}x{width}")
        if step.kind == "max":
            nothing = np.zeros((0, 0)), np.zeros(0)
            self.layers.append(FrontLayer(operator.name, geometry, *nothing, order=order))
        else:
            taps = size[0] * size[1]
            self._add(operator.name, geometry, np.full((channels, taps), 1 / taps), np.zeros(channels), order, what)
        self._behind(geometry, step.channels_first)

    def _dense(self, step: ops.Dense, operator: Operator, what: str) -> None:
        n_out, n_in = step.weights.shape
        present = self.layers[-1].geometry.n_out if self.layers else self.here.n_features
        if step.positions != 1 or (present is not None and present != n_in):
            raise self.refuse(f"{what} takes {n_in} inputs at {step.positions} positions, and gets {present}")
        weights, biases = step.weights, step.biases
        if self.order is not None:
            weights = np.empty_like(step.weights)
            weights[:, self.order] = step.weights
        if self.scale is not None and self.shift is not None:
            scale, shift = (np.broadcast_to(one, n_in) for one in (self.scale, self.shift))
            weights, biases = weights * scale, biases + weights @ shift
            self.scale = self.shift = None
        self.order = None
        self._add(operator.name, Geometry("sum", 1, 1, n_in, n_out), weights, biases, None, what)
        self._activation(step.activation, step.slope, what)

    def _activation(self, name: str, slope: float, what: str) -> None:
        if name == "linear":
            return
        if name not in FUNCTIONS:
            raise self.refuse(f"{what}: {name} is no function of a single value that is known here")
        at = len(self.layers) - 1
        while at >= 0 and self.layers[at].geometry.kind == "max" and is_rising(name, slope):
            at -= 1  # of the sums: the largest value of a window is the function of the largest sum
        if at >= 0 and self.layers[at].geometry.kind == "max":
            falls = f"{name} with slope {slope:g}" if name == "leaky" else name
            raise self.refuse(f"{what}: {falls} falls somewhere, and the largest value of a window is taken before it")
        if at < 0 or self.layers[at].activation or self.scale is not None:
            raise self.refuse(f"{what} does not follow a layer with weights")
        self.layers[at] = replace(self.layers[at], activation=name, slope=slope)

    def _affine(self, step: ops.Affine, what: str) -> None:
        last = self.layers[-1] if self.layers else None
        n = last.geometry.n_out if last is not None else self.here.n_features
        if n is None:
            raise self.refuse(f"{what} reads a tensor of an open size")
        scale, shift = (_laid(values, self.order, n) for values in (step.scale, step.shift))
        if last is None or last.geometry.kind == "max" or last.activation or self.scale is not None:
            self.shift = shift if self.shift is None else self.shift * scale + shift
            self.scale = scale if self.scale is None else self.scale * scale
            self.notes.append(f"{what} is folded into the next layer")
            return
        by_map = [one.reshape(-1, last.geometry.maps) for one in (scale, shift)]
        if any(np.ptp(one, axis=0).any() for one in by_map):
            raise self.refuse(f"{what} differs by position")
        factor, added = (one[0] for one in by_map)
        self.layers[-1] = replace(last, weights=last.weights * factor[:, None], biases=last.biases * factor + added)
        self.notes.append(f"{what} is folded into {last.name}")

    def _floor(self, what: str) -> None:
        """Take integers that start at zero for a relu, as quantisers leave out one that their limits replace."""
        here = self.here
        if here.zero_point is None or here.dtype not in ("int8", "uint8") or not self.layers:
            return
        last = next((one for one in reversed(self.layers) if one.geometry.kind == "sum"), None)
        if here.zero_point == np.iinfo(here.dtype).min and last is not None and last.activation is None:
            self._activation("relu", 0.0, what)
            self.notes.append(f"{last.name}: integers of {what} start at zero, which is a relu")

    def finish(self) -> FloatFront:
        if not self.layers:
            raise self.refuse("no layer with weights is in front of it", "leave --convert out: nothing is to convert")
        if self.scale is not None or self.unpadded is not None:
            raise self.refuse("the last operator in front of it is not part of a layer", "cut one operator earlier")
        return FloatFront(self.input, tuple(self.layers), self.order, tuple(self.notes))


def _unless_ascending(places: np.ndarray) -> np.ndarray | None:
    return None if np.array_equal(places, np.arange(len(places))) else places


def _laid(values: np.ndarray, order: np.ndarray | None, n: int) -> np.ndarray:
    """Return factors of a tensor in the order of the last layer."""
    values = np.broadcast_to(values, n)
    if order is None:
        return values
    laid = np.empty(n)
    laid[order] = values
    return laid
