"""Front end of a converted model: input levels, and frozen layers that compute the levels of the features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgelearn.conversion.convert import convert
from edgelearn.conversion.front import FloatFront
from edgelearn.errors import UserError
from edgelearn.network.frozen import FrozenStack, blank_arrays, stack_of
from edgelearn.pretrained import Tensor
from edgelearn.runs.levels import FixedSpec, LevelFrontEnd, Levels, levels_for
from edgelearn.streaming.front_end import Rows


class ConvertedFrontEnd:
    """Front end without state.

    Parameters
    ----------
    inputs : levels of the model's input
    stack : the frozen layers
    scale : binary scale A of the features: value = level * 2^-A
    floats : the same layers in floating point, of a model that is there
    """

    def __init__(self, inputs: LevelFrontEnd, stack: FrozenStack, scale: int, floats: FloatFront | None = None) -> None:
        self.inputs, self.stack, self.scale, self.floats = inputs, stack, scale, floats

    @classmethod
    def stored(cls, note: Mapping[str, Any], n_inputs: int) -> ConvertedFrontEnd:
        """Return the front end of a note, whose arrays `restore` puts in."""
        stack = stack_of(note["layers"], blank_arrays(note["layers"], note["ordered"]))
        return cls(LevelFrontEnd.stored(note["inputs"], n_inputs), stack, note["scale"])

    def note(self) -> dict[str, Any]:
        """Return what JSON holds; arrays are in `save`."""
        layers, ordered = self.stack.as_list(), sorted(name for name in self.stack.arrays() if name.endswith("_order"))
        return {"inputs": self.inputs.levels.as_dict(), "layers": layers, "ordered": ordered, "scale": self.scale}

    @property
    def features(self) -> Levels:
        """Levels of the features."""
        return Levels(7 + self.stack.signed, self.stack.signed, np.full(1, 2.0**-self.scale), np.zeros(1))

    @property
    def spec(self) -> FixedSpec:
        bits, n_levels = 7 + self.stack.signed, self.stack.n_features
        return FixedSpec(self.inputs.n_features, "converted", bits, n_levels=n_levels)

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Return the levels of the features, uint8[n, n_features], or int8 where signed."""
        return self.stack.run(self.inputs.encode(x))

    def rows(self, x: np.ndarray, segment: np.ndarray) -> Rows:
        return Rows(self.encode(x), np.arange(len(x)))

    def save(self) -> dict[str, np.ndarray]:
        return self.inputs.save() | self.stack.arrays()

    def restore(self, saved: dict[str, np.ndarray]) -> None:
        self.inputs.restore(saved)
        self.stack = stack_of(self.stack.as_list(), saved)

    def real(self, x: np.ndarray) -> np.ndarray:
        """Return the features of the model in floating point, float32[n, n_features]."""
        assert self.floats is not None
        return self.floats.run(self.inputs.levels.real(x))


MANY_CUT = 1.0  # percent of a layer's outputs beyond its words, from which a note says so


def converted_front(
    front: FloatFront, tensor: Tensor, x: np.ndarray | None, calibrate: int, source: str
) -> tuple[ConvertedFrontEnd, list[str]]:
    """Return the layers in front of a cut as frozen layers, and notes.

    Parameters
    ----------
    front : the layers in floating point
    tensor : input of the model, with the scale of its integers where the data have them
    x : inputs of the model [n, n_in]
    calibrate : rows of x, spread over all of them, that scales are taken from
    source : name of the model, for messages

    Raises
    ------
    UserError
        "... cannot be converted ...", "... need data ...", "the data have ... values per row ..."
    """
    n_in = front.layers[0].geometry.n_in
    if x is None or not len(x):
        raise UserError(
            f"layers of {source} need data to be converted, inputs of the model that can be read beforehand; give a "
            "file, or start from the results folder of a run with --convert"
        )
    if x.shape[1] != n_in:
        raise UserError(
            f"the data have {x.shape[1]} values per row, and the input '{tensor.name}' of {source} takes {n_in}; give "
            "inputs of the model, or leave --convert out for features at the cut"
        )
    rows = x[np.unique(np.linspace(0, len(x) - 1, min(calibrate, len(x))).astype(np.int64))]
    levels, notes = levels_for(tensor, n_in, rows)
    made = convert(front, levels.real(rows), float(levels.scale[0]), levels.top, source)
    n_sums = sum(one.geometry.kind == "sum" for one in front.layers)
    notes += [
        *front.notes,
        f"{n_sums} layers in front of the cut are computed in whole numbers, with scales from {len(rows):,} samples",
    ]
    cut_off = max(made.cut_percent)
    if cut_off >= MANY_CUT:
        notes.append(f"{cut_off:.2g} % of the outputs of a converted layer are cut: give more samples to --calibrate")
    return ConvertedFrontEnd(LevelFrontEnd(levels, n_in), made.stack, made.scale, front), notes
