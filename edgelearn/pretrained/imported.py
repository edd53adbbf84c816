"""Plain values that every reader ends in: tensors, layers, front end, model, and a model cut at a tensor."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from edgelearn.errors import UserError
from edgelearn.pretrained.operators import Operator


@dataclass(frozen=True)
class Tensor:
    """A computed tensor of a model.

    Parameters
    ----------
    shape : as in the file, batch first; None where the file leaves a size open
    dtype : numpy's name of it
    scale, zero_point : of an integer tensor: value = scale * (q - zero_point)
    """

    name: str
    shape: tuple[int | None, ...] | None
    dtype: str
    scale: float | None = None
    zero_point: int | None = None

    @property
    def n_features(self) -> int | None:
        """Elements per sample: the product of all sizes but the first one; None where the file leaves one open."""
        if self.shape is None:
            return None
        sizes = self.shape[1:]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)

    @property
    def is_integer(self) -> bool:
        return self.dtype.startswith(("int", "uint"))


@dataclass(frozen=True, eq=False)
class Layer:
    """A dense layer: y = activation(weights @ x + biases).

    Parameters
    ----------
    weights : float64[n_out, n_in]; columns are in the flat order of the tensor in front
    biases : float64[n_out]
    activation : linear, relu, leaky, tanh, hard-tanh, sigmoid or softmax; None where the file does not say
    words, word_scales : int16[n_out, n_in] and float64[n_out] of quantised weights: weights = word_scales * words,
        zero points taken off; None where the file holds floats
    input, output : tensors in front of the layer and behind its activation
    slope : of the negative side of leaky
    """

    name: str
    weights: np.ndarray
    biases: np.ndarray
    activation: str | None
    input: Tensor
    output: Tensor
    words: np.ndarray | None = None
    word_scales: np.ndarray | None = None
    slope: float = 0.0

    @property
    def n_in(self) -> int:
        return int(self.weights.shape[1])

    @property
    def n_out(self) -> int:
        return int(self.weights.shape[0])


@dataclass(frozen=True)
class FrontEnd:
    """Work and memory of what stays in front of a cut, per sample.

    Parameters
    ----------
    macs : multiply-accumulate operations
    weight_words : weights and biases
    activation_words : elements of computed tensors, each written once
    uncounted : operators whose MACs the file does not tell
    """

    macs: int = 0
    weight_words: int = 0
    activation_words: int = 0
    uncounted: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Imported:
    """A model cut at a tensor: the tensor that becomes levels, the dense layers behind it, the price in front of it."""

    source: str
    sha256: str
    format: str
    input: Tensor
    layers: tuple[Layer, ...]
    front_end: FrontEnd
    classes: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """Layer sizes from the features to the outputs."""
        return (self.layers[0].n_in, *(layer.n_out for layer in self.layers))


@dataclass(frozen=True, eq=False)
class Model:
    """A trained network as its file describes it.

    Parameters
    ----------
    source, sha256 : path as given, and digest of the file
    format : name of the format
    tensors : all computed tensors, model inputs first
    operators : in the order of computation
    inputs, outputs : names of tensors
    classes : names of the classes where the file has them
    notes : what was converted, left out or assumed
    aliases : other names of tensors, for example their indices in the file
    """

    source: str
    sha256: str
    format: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    classes: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    aliases: dict[str, str] = field(default_factory=dict)
    _made: dict[str, Imported | UserError] = field(default_factory=dict, repr=False)

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations of one inference, where they can be counted."""
        return sum(operator.macs or 0 for operator in self.operators)

    @property
    def weight_words(self) -> int:
        return sum(operator.weight_words for operator in self.operators)

    @cached_property
    def by_name(self) -> dict[str, Tensor]:
        return {tensor.name: tensor for tensor in self.tensors}

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Dense layers behind the default cut; none where no cut can be read."""
        try:
            return self.cut().layers
        except UserError:
            return ()

    def tensor(self, name: str) -> Tensor:
        """Return a tensor by name.

        Raises
        ------
        UserError
            "tensor ... is not in ..." with the closest name
        """
        name = name if name in self.by_name else self.aliases.get(name, name)
        if name in self.by_name:
            return self.by_name[name]
        plain = {known.lower(): known for known in reversed(self.by_name)}
        near = difflib.get_close_matches(name.lower(), plain, n=1, cutoff=0.3)
        hint = f" Did you mean '{plain[near[0]]}'?" if near else ""
        raise UserError(
            f"tensor '{name}' is not in {self.source}; edgelearn model show {self.source} lists its tensors.{hint}"
        )

    def cut(self, tensor: str | None = None) -> Imported:
        """Return the layers behind a tensor and the price of what stays in front of it.

        Parameters
        ----------
        tensor : name; default the earliest tensor behind which all operators are read

        Raises
        ------
        UserError
            "tensor ... is not in ...", "... cannot be cut at ...", with the operator and the next step
        """
        if tensor is None:
            return self._cut_at(self._earliest())
        name = self.tensor(tensor).name
        try:
            return self._cut_at(name)
        except UserError as error:
            if "; " in str(error):  # with the next step in it
                raise
            raise UserError(f"{error}; {self._advice(name)}") from None

    def _cut_at(self, name: str) -> Imported:
        from edgelearn.pretrained.cut import cut

        if name not in self._made:
            try:
                self._made[name] = cut(self, self.by_name[name])
            except UserError as error:
                self._made[name] = error
        found = self._made[name]
        if isinstance(found, UserError):
            raise found
        return found

    def cuts(self) -> Iterator[tuple[Tensor, Imported | UserError]]:
        """Give every tensor with the model cut at it, or with the reason why it cannot be cut there."""
        for tensor in self.tensors:
            try:
                yield tensor, self._cut_at(tensor.name)
            except UserError as error:
                yield tensor, error

    def _earliest(self) -> str:
        for tensor, found in self.cuts():
            if isinstance(found, Imported):
                return tensor.name
        raise UserError(
            f"{self.source} has no tensor with only dense layers behind it; "
            f"edgelearn model show {self.source} lists the reasons, and model features takes any tensor"
        )

    def _advice(self, name: str) -> str:
        """Return the next step after a cut that is refused: the first tensor behind it that can be cut at."""
        names = [tensor.name for tensor in self.tensors]
        good = [tensor.name for tensor, found in self.cuts() if isinstance(found, Imported)]
        behind = [one for one in good if names.index(one) > names.index(name)] or good[-1:]
        if behind:
            return f"cut at '{behind[0]}'"
        return f"no tensor has only dense layers behind it, see edgelearn model show {self.source}"
