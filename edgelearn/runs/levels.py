"""Conversion of features to input levels that does not change while learning: fixed ranges, scales and zero points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgelearn.errors import UserError
from edgelearn.network.encoding import encode_levels
from edgelearn.pretrained import Tensor
from edgelearn.streaming.front_end import Rows

SPREAD = 0.995  # quantile of an input's values that its centre is taken from
FAR_FROM_ZERO = 2.0  # centre of an input's values over half their spread, from which it gets an offset
UNEQUAL = 8.0  # largest over smallest highest value of the inputs of a model, from which each has a scale of its own
LOWEST = {"int8": -128, "uint8": 0}


@dataclass(frozen=True, eq=False)
class Levels:
    """Input levels of a tensor: value = offset + scale * level.

    Parameters
    ----------
    bits : of a level, sign included
    signed : whether levels may be negative
    scale, offset : float64[1], or float64[n_in] where each input has its own
    zero_point : of whole numbers q: level = q - zero_point, nothing is rounded; None for real values
    lowest : least q of the tensor; unused without a zero point

    Example
    -------
    >>> levels = Levels(8, False, np.array([0.5]), np.zeros(1), -128, -128)
    >>> levels.encode(np.array([[-128, -127, 127]], np.int8)).tolist(), levels.values(np.array([[0, 1, 255]])).tolist()
    ([[0, 1, 255]], [[0.0, 0.5, 127.5]])
    """

    bits: int
    signed: bool
    scale: np.ndarray
    offset: np.ndarray
    zero_point: int | None = None
    lowest: int = 0

    @property
    def top(self) -> int:
        """Highest level, which is 1.0 of the contract."""
        return (1 << (self.bits - self.signed)) - 1

    @property
    def unit(self) -> np.ndarray:
        """Value of 1.0, the highest level, above the offset: float64[1 or n_in]."""
        return self.scale * self.top

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Return the levels of features, uint8[n, n_in] or int8 where signed.

        Parameters
        ----------
        x : float or int[n, n_in]; NaN is a missing value: level 0, no event

        Raises
        ------
        UserError
            "features ... are not whole numbers ..." where levels have a zero point
        """
        levels = np.clip(self._unlimited(x), -self.top if self.signed else 0, self.top)
        return np.asarray(levels, np.int8 if self.signed else np.uint8)

    def share_cut(self, x: np.ndarray) -> float:
        """Return the share of values beyond the highest or lowest level, 0 to 1."""
        exact = self._unlimited(x)
        return float(np.mean((exact > self.top) | (exact < (-self.top if self.signed else 0)))) if exact.size else 0.0

    def values(self, levels: np.ndarray) -> np.ndarray:
        """Return the values that levels stand for, float64[n, n_in]."""
        decoded: np.ndarray = self.offset + self.scale * levels.astype(np.float64)
        return decoded

    def real(self, x: np.ndarray) -> np.ndarray:
        """Return features in the units of the model, float64[n, n_in]: of whole numbers scale * (q - zero_point)."""
        exact = np.nan_to_num(np.asarray(x, np.float64))
        return exact if self.zero_point is None else np.asarray(self.scale * (exact - self.zero_point))

    def _unlimited(self, x: np.ndarray) -> np.ndarray:
        missing, exact = np.isnan(x) if x.dtype.kind == "f" else None, np.asarray(x, np.float64)
        if self.zero_point is None:
            found = np.rint((exact - self.offset) / self.scale)
        else:
            found = exact - self.zero_point
            whole = exact == np.rint(exact)
            if not (whole if missing is None else whole | missing).all():
                value = exact[~whole & ~np.isnan(exact)][0]
                raise UserError(
                    f"features such as {value:g} are not whole numbers, as those of a quantised tensor are; give the "
                    "tensor's integers, for example from edgelearn model features"
                )
        return found if missing is None else np.where(missing, 0, found)

    def as_dict(self) -> dict[str, Any]:
        """Return the plain part of a note; `scale` and `offset` are arrays beside it."""
        return {"bits": self.bits, "signed": self.signed, "zero_point": self.zero_point, "lowest": self.lowest}


@dataclass(frozen=True)
class FixedSpec:
    """What streams ask of a front end without state: every sample is a row.

    Parameters
    ----------
    n_channels : values of a sample
    encoder : how levels are made: "tensor" of a model, "converted" layers in front of it, or "range" of a run
    input_bits : of a level
    n_levels : levels of a row, where they are not those of its values
    """

    n_channels: int
    encoder: str
    input_bits: int
    window: int = 1
    stride: int = 1
    n_levels: int | None = None

    @property
    def n_inputs(self) -> int:
        return self.n_channels if self.n_levels is None else self.n_levels


class LevelFrontEnd:
    """Front end of a model's tensor; no state.

    Parameters
    ----------
    levels : the conversion
    n_features : of the tensor
    """

    def __init__(self, levels: Levels, n_features: int) -> None:
        self.levels, self.n_features = levels, n_features

    @classmethod
    def stored(cls, note: Mapping[str, Any], n_features: int) -> LevelFrontEnd:
        """Return the front end of a note, whose arrays `restore` puts in."""
        return cls(Levels(**note, scale=np.ones(n_features), offset=np.zeros(n_features)), n_features)

    @property
    def spec(self) -> FixedSpec:
        return FixedSpec(self.n_features, "tensor", self.levels.bits)

    def encode(self, x: np.ndarray) -> np.ndarray:
        return self.levels.encode(x)

    def rows(self, x: np.ndarray, segment: np.ndarray) -> Rows:
        return Rows(self.encode(x), np.arange(len(x)))

    def save(self) -> dict[str, np.ndarray]:
        parts = {"scale": self.levels.scale, "offset": self.levels.offset}
        return {name: np.array(np.broadcast_to(array, self.n_features)) for name, array in parts.items()}

    def restore(self, saved: dict[str, np.ndarray]) -> None:
        self.levels = Levels(**self.levels.as_dict(), scale=saved["scale"].copy(), offset=saved["offset"].copy())


class RangeFrontEnd:
    """Front end of `edgelearn run`: fixed ranges of the features, no state.

    Parameters
    ----------
    low, high : float64[n_features], see `encode_levels`
    bits : of a level
    order : int64[n_features], the feature of each level where levels are in another order: maps with channels last
    """

    def __init__(self, n_features: int, bits: int, order: np.ndarray | None = None) -> None:
        self.low, self.high, self.bits = np.zeros(n_features), np.zeros(n_features), bits
        self.order = order

    @property
    def spec(self) -> FixedSpec:
        return FixedSpec(len(self.low), "range", self.bits)

    def encode(self, x: np.ndarray) -> np.ndarray:
        levels = encode_levels(x, self.low, self.high, self.bits)
        return levels if self.order is None else np.ascontiguousarray(levels[:, self.order])

    def rows(self, x: np.ndarray, segment: np.ndarray) -> Rows:
        return Rows(self.encode(x), np.arange(len(x)))

    def save(self) -> dict[str, np.ndarray]:
        order = {} if self.order is None else {"order": self.order.copy()}
        return {"low": self.low.copy(), "high": self.high.copy()} | order

    def restore(self, saved: dict[str, np.ndarray]) -> None:
        self.low, self.high = saved["low"].copy(), saved["high"].copy()
        self.order = saved["order"].copy() if "order" in saved else None


class NoFeaturesError(UserError):
    """Levels of a float tensor without the features that calibrate them."""


def check_tensor(tensor: Tensor) -> None:
    """Refuse a tensor whose values cannot be levels.

    Raises
    ------
    UserError
        "tensor ... is ..."
    """
    if not tensor.is_integer:
        return
    if tensor.dtype not in LOWEST:
        raise UserError(
            f"tensor '{tensor.name}' is {tensor.dtype}, and levels are int8 or uint8; cut at another tensor"
        )
    if tensor.scale is None or tensor.zero_point is None:
        raise UserError(f"tensor '{tensor.name}' is {tensor.dtype} without a scale; cut at another tensor")


def levels_for(
    tensor: Tensor, n_in: int, x: np.ndarray | None = None, bits: int = 8, is_input: bool = False
) -> tuple[Levels, list[str]]:
    """Return the levels of a tensor and what was assumed, as notes.

    An integer tensor keeps its integers, level = q - zero_point: unsigned where the zero point is the least integer,
    else signed. A float tensor gets the scale at which a share of 2^-(bits + 2) of the values |x| > 0 lies beyond the
    highest level, 0.1 % for 8 bits.

    Parameters
    ----------
    n_in : features of the tensor
    x : calibration features [n, n_in]; whole numbers are taken for those of an integer tensor, as is None
    bits : of a level of a float tensor
    is_input : whether nothing stands in front of the tensor: inputs of unequal ranges then have scales of their own,
        and an offset where their values lie far from zero

    Raises
    ------
    UserError
        "tensor ..." of a type or without a scale that levels cannot have; "... needs features ..."
    """
    if tensor.is_integer:
        check_tensor(tensor)
        assert tensor.scale is not None  # as `check_tensor` has seen
        assert tensor.zero_point is not None
        scale, lowest = np.full(1, float(tensor.scale)), LOWEST[tensor.dtype]
        if x is None or are_integers(x, lowest):
            signed = tensor.zero_point != lowest
            return Levels(8, signed, scale, np.zeros(1), tensor.zero_point, lowest), []
        signed = bool((x < 0).any())
        what = "features are real numbers"
        if np.array_equal(x, np.rint(x), equal_nan=True):
            what = f"features lie beyond {lowest} to {lowest + 255}, so that they are taken for real numbers"
        note = f"{what}: rounded to the levels of '{tensor.name}', whose step is {scale[0]:.4g}"
        return Levels(8, signed, scale, np.zeros(1)), [note]
    if x is None or not len(x):
        raise NoFeaturesError(
            f"tensor '{tensor.name}' is of floats, which need features to calibrate their "
            "levels; give data that can be read beforehand, or start from the results folder of a run"
        )
    exact = np.nan_to_num(np.asarray(x, np.float64))
    offset = _offsets(exact) if is_input else np.zeros(1)
    centred = exact - offset
    signed = bool((centred < 0).any())
    scale = np.full(1, _highest(np.abs(centred), bits))
    own = np.array([_highest(np.abs(centred[:, i]), bits) for i in range(n_in)]) if is_input else scale
    if own.max() > UNEQUAL * own.min():
        scale = own
    return Levels(bits, signed, scale / ((1 << (bits - signed)) - 1), offset), []


def are_integers(x: np.ndarray, lowest: int) -> bool:
    """Return whether all values are integers of eight bits."""
    present = x[~np.isnan(x)] if x.dtype.kind == "f" else x
    return bool((present == np.rint(present)).all() and (present >= lowest).all() and (present <= lowest + 255).all())


def _highest(values: np.ndarray, bits: int) -> float:
    """Return what the highest level stands for, from values >= 0; 1 where all are 0.

    Where it stands for h, a share p of the values lies beyond. If h grows by dh, each of these is cut by dh less, and
    the others are rounded by dh / (4 top) more, in the mean: for unsigned levels, the mean absolute error is least at
    p = 1 / (4 top). Signed levels keep this share rather than twice as much, since values of one sample are mostly cut
    together.
    """
    present = values[values > 0]
    return float(np.quantile(present, 1 - 2.0 ** -(bits + 2))) if present.size else 1.0


def _offsets(x: np.ndarray) -> np.ndarray:
    """Return the centre of each input whose values lie far from zero beside their spread, else 0; [1] where all are."""
    low, high = np.quantile(x, [1 - SPREAD, SPREAD], axis=0)
    centre, half = (low + high) / 2, (high - low) / 2
    found = np.where((np.abs(centre) > FAR_FROM_ZERO * half) & (half > 0), centre, 0.0)
    return found if found.any() else np.zeros(1)
