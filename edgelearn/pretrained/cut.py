"""Dense layers behind a tensor: a walk along the operators, with affine steps and permutations folded into layers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edgelearn.errors import UserError
from edgelearn.pretrained import operators as ops
from edgelearn.pretrained.imported import FrontEnd, Imported, Layer, Tensor

if TYPE_CHECKING:
    from edgelearn.pretrained.imported import Model
    from edgelearn.pretrained.operators import Operator

FREE = (ops.Keep, ops.Aside)  # steps that only rename: their outputs are no further activation words


_INTEGERS = ("int8", "uint8", "int16", "uint16")
_NOT_NEGATIVE = ("relu", "relu6", "sigmoid", "softmax")


def _starts_at_zero(tensor: Tensor) -> bool:
    """Tell whether the least integer of a tensor means zero."""
    if tensor.zero_point is None or tensor.dtype not in _INTEGERS:
        return False
    return tensor.zero_point == np.iinfo(tensor.dtype).min


def cut(model: Model, tensor: Tensor) -> Imported:
    """Return a model cut at a tensor; see `Model.cut`."""
    walk = _Walk(model, tensor)
    walk.check_input()
    with np.errstate(all="ignore"):  # what is not finite is refused
        for operator in walk.path():
            walk.take(operator)
    layers = walk.finish()
    return Imported(
        model.source, model.sha256, model.format, tensor, layers, front_end(model, tensor.name),
        _classes(model, layers), (*model.notes, *walk.notes),
    )  # fmt: skip


def front_end(model: Model, tensor: str) -> FrontEnd:
    """Return the price of all operators that a tensor depends on."""
    makers = {name: operator for operator in model.operators for name in operator.outputs}
    open_, found = [tensor], set()
    while open_:
        operator = makers.get(open_.pop())
        if operator is not None and id(operator) not in found:
            found.add(id(operator))
            open_ += operator.inputs
    front = [operator for operator in model.operators if id(operator) in found]
    return FrontEnd(
        sum(operator.macs or 0 for operator in front),
        sum(operator.weight_words for operator in front),
        sum(operator.activation_words for operator in front),
        tuple(f"{operator.name} ({operator.kind})" for operator in front if operator.macs is None),
    )


def _classes(model: Model, layers: tuple[Layer, ...]) -> tuple[str, ...] | None:
    names, n = model.classes, layers[-1].n_out
    return names if names is not None and len(names) == (2 if n == 1 else n) else None


@dataclass
class _Open:
    """A layer whose activation may still come."""

    name: str
    weights: np.ndarray
    biases: np.ndarray
    input: Tensor
    output: Tensor
    words: np.ndarray | None
    word_scales: np.ndarray | None
    activation: str | None = None
    slope: float = 0.0

    def _activation(self) -> str | None:
        """Return the name of the activation: linear where none came, None where the file does not say ("")."""
        return "linear" if self.activation is None else self.activation or None

    def closed(self) -> Layer:
        return Layer(
            self.name, self.weights, self.biases, self._activation(), self.input, self.output,
            self.words, self.word_scales, self.slope,
        )  # fmt: skip


class _Walk:
    """State of the walk from a tensor to the end of a model."""

    def __init__(self, model: Model, tensor: Tensor) -> None:
        self.model, self.tensor, self.here = model, tensor, tensor
        self.layers: list[_Open] = []
        self.notes: list[str] = []
        self.order: np.ndarray | None = None  # flat elements of the tensor in front, by present position
        self.scale: np.ndarray | None = None  # affine step in front of the next layer
        self.shift: np.ndarray | None = None
        self.floored = ""  # operator whose integers start at zero, behind a layer without an activation so far
        self.kept = ""  # operator behind which only further steps of the kind may follow

    def refuse(self, reason: str, advice: str = "") -> UserError:
        cut_at = f"{self.model.source} cannot be cut at '{self.tensor.name}': {reason}"
        return UserError(f"{cut_at}; {advice}" if advice else cut_at)

    def check_input(self) -> None:
        tensor = self.tensor
        if tensor.is_integer and tensor.scale is None:
            raise self.refuse(
                f"the tensor is {tensor.dtype} without one scale and zero point",
                "cut at a float tensor, or quantise the model with one scale per tensor",
            )

    def path(self) -> list[Operator]:
        """Return the operators from the tensor to an output.

        Raises
        ------
        UserError
            where they branch or join
        """
        readers: dict[str, list[Operator]] = {}
        for operator in self.model.operators:
            for name in operator.inputs:
                readers.setdefault(name, []).append(operator)
        found: list[Operator] = []
        seen, name = set(), self.tensor.name
        while True:
            if name in seen:
                raise self.refuse(f"the operators behind it form a loop at '{name}'")
            seen.add(name)
            behind = [operator for operator in readers.get(name, ()) if not isinstance(operator.step, ops.Aside)]
            if not behind:
                return found
            if len(behind) > 1:
                several = ", ".join(f"{one.name} ({one.kind})" for one in behind[:3])
                raise self.refuse(f"'{name}' is read by several operators: {several}")
            found += behind
            name = behind[0].outputs[0] if behind[0].outputs else ""

    def take(self, operator: Operator) -> None:
        """Follow one operator."""
        step, what = operator.step, f"{operator.name} ({operator.kind})"
        if isinstance(step, ops.Other):
            raise self.refuse(f"behind it, {what}: {step.reason}")
        others = [name for name in operator.inputs if name != self.here.name]
        if others and not isinstance(step, ops.Keep):
            raise self.refuse(f"behind it, {what} also reads '{others[0]}'")
        if self.kept and not isinstance(step, (ops.Keep, ops.Rank)):
            raise self.refuse(f"behind it, {self.kept} is not at the end of the model")
        before = self.here
        self.here = self.model.by_name.get(operator.outputs[0], replace(before, name=operator.outputs[0]))
        if isinstance(step, ops.Dense):
            self._dense(step, operator, what)
        elif isinstance(step, ops.Activation):
            self._activation(step, what)
        elif isinstance(step, ops.Affine):
            self._affine(step, what)
        elif isinstance(step, ops.Permute):
            self._permute(step, what)
        elif isinstance(step, ops.Rank):
            self.kept = what
            self.notes.append(f"{what} behind the last layer is left out: {step.what}")
        self._floor(what)
        if self.layers and not self.kept and self.order is None and self.scale is None:
            # behind quantisation and its inverse, the integers say more than the floats
            floats_again = isinstance(step, ops.Keep) and self.layers[-1].output.is_integer
            if not floats_again or self.here.is_integer:
                self.layers[-1].output = self.here

    def _floor(self, what: str) -> None:
        """Take integers that start at zero for a relu: quantisers leave out one that their limits replace.

        Behind the last layer they change no order of scores, and nothing is noted.
        """
        if not _starts_at_zero(self.here) or self.kept:
            return
        if self.layers and self.scale is None:
            if self.layers[-1].activation is None:
                self.floored = what
            elif self.layers[-1].activation not in _NOT_NEGATIVE:
                raise self.refuse(f"behind it, {what} limits a {self.layers[-1].activation} to zero and above")
            return
        rises = self.scale is None or self.shift is None or (np.all(self.scale >= 0) and np.all(self.shift >= 0))
        source = "" if self.layers else self.tensor.name
        if not rises or not (self.layers or self._is_not_negative(source)):
            raise self.refuse(f"the first operator that counts behind it is {what}, which limits to zero and above")

    def _is_not_negative(self, name: str) -> bool:
        """Tell whether a tensor is known to hold nothing below zero."""
        makers = {one: operator for operator in self.model.operators for one in operator.outputs}
        while True:
            tensor, maker = self.model.by_name.get(name), makers.get(name)
            if tensor is not None and _starts_at_zero(tensor):
                return True
            if maker is None:
                return False
            if isinstance(maker.step, ops.Activation):
                return maker.step.name in _NOT_NEGATIVE
            if isinstance(maker.step, ops.Dense):
                return maker.step.activation in _NOT_NEGATIVE
            pools = maker.kind.replace("_", "").lower()
            if not (isinstance(maker.step, (ops.Keep, ops.Permute)) or "pool" in pools) or not maker.inputs:
                return False
            name = maker.inputs[0]

    def _dense(self, step: ops.Dense, operator: Operator, what: str) -> None:
        self._check_activation(step.activation, what)
        if step.positions != 1:
            raise self.refuse(f"behind it, {what} is applied at {step.positions} positions of a sample")
        weights, biases, words = step.weights, step.biases, step.words
        n_in, n_before = weights.shape[1], self.layers[-1].weights.shape[0] if self.layers else self.tensor.n_features
        if n_before is not None and n_before != n_in:
            raise self.refuse(f"shapes do not fit: {what} takes {n_in} inputs and gets {n_before}")
        if self.shift is not None:
            biases = biases + weights @ np.broadcast_to(self.shift, n_in)
        if self.scale is not None:
            factor = np.broadcast_to(self.scale, n_in)
            weights = weights * factor
            words = words if np.all(factor == 1) else None
        if self.order is not None:
            back = np.argsort(self.order)
            weights, words = weights[:, back], None if words is None else words[:, back]
        self.order = self.scale = self.shift = None
        if self.floored and self.layers[-1].activation is None:
            self.layers[-1].activation = "relu"
            self.notes.append(f"{self.layers[-1].name}: integers of {self.floored} start at zero, which is a relu")
        self.floored = ""
        self.layers.append(
            _Open(
                operator.name, weights, biases, self.layers[-1].output if self.layers else self.tensor, self.here,
                words, None if words is None else step.word_scales,
                None if step.activation == "linear" else step.activation, step.slope,
            )
        )  # fmt: skip

    def _check_activation(self, name: str, what: str) -> None:
        if name and name not in ops.ACTIVATIONS:
            raise self.refuse(f"behind it, {what}: {name} is no activation of learning layers")

    def _activation(self, step: ops.Activation, what: str) -> None:
        if step.name == "linear":
            return
        self._check_activation(step.name, what)
        if not self.layers:
            raise self.refuse(f"the first operator that counts behind it is {what}")
        moved = self.order is not None and step.name == "softmax"
        if self.scale is not None or moved or self.layers[-1].activation is not None:
            raise self.refuse(f"behind it, {what} follows an activation")
        if self.floored and step.name not in _NOT_NEGATIVE:
            raise self.refuse(f"behind it, {what} follows an activation")
        self.floored = ""
        self.layers[-1].activation, self.layers[-1].slope = step.name, step.slope

    def _affine(self, step: ops.Affine, what: str) -> None:
        n = self.layers[-1].weights.shape[0] if self.layers else self.tensor.n_features
        sizes = {step.scale.size, step.shift.size} - {1, n}
        if sizes and n is not None:
            raise self.refuse(f"shapes do not fit: {what} has {max(sizes)} factors for {n} elements")
        if self.layers and self.layers[-1].activation is None and self.scale is None and self.order is None:
            last = self.layers[-1]
            factor = np.broadcast_to(step.scale, last.biases.shape)
            if not np.all(factor == 1):
                last.weights = last.weights * factor[:, None]
                if last.words is not None and last.word_scales is not None and np.all(factor > 0):
                    last.word_scales = last.word_scales * factor
                else:
                    last.words = last.word_scales = None
                self.notes.append(f"{what} is folded into {last.name}")
            last.biases = last.biases * factor + step.shift
            return
        self.notes.append(f"{what} is folded into the next layer")
        self.shift = step.shift if self.shift is None else self.shift * step.scale + step.shift
        self.scale = step.scale if self.scale is None else self.scale * step.scale

    def _permute(self, step: ops.Permute, what: str) -> None:
        if self.scale is not None and self.shift is not None:
            n = step.order.size
            self.scale, self.shift = (np.broadcast_to(one, n)[step.order] for one in (self.scale, self.shift))
        self.order = step.order if self.order is None else self.order[step.order]

    def finish(self) -> tuple[Layer, ...]:
        """Return the layers.

        Raises
        ------
        UserError
            where nothing is left to learn, or the end is no layer
        """
        if not self.layers:
            raise self.refuse("no dense layer is behind it", "cut further in front")
        if self.scale is not None or self.order is not None:
            raise self.refuse("an affine operator or a transposition is behind the last layer")
        layers = tuple(layer.closed() for layer in self.layers)
        for layer in layers:
            if not (np.isfinite(layer.weights).all() and np.isfinite(layer.biases).all()):
                raise self.refuse(f"weights of {layer.name} are not finite", "export the model again")
        early = [layer.name for layer in layers[:-1] if layer.activation == "softmax"]
        if early:
            raise self.refuse(f"behind it, softmax follows {early[0]}, which is not the last layer")
        return layers
