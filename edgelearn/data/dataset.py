"""A data set of labelled values: no files and no encoding."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.source import ColumnsUsed
from edgelearn.errors import UserError

Values = NDArray[Any]  # uint8 or float32, [n_samples, n_features]
Labels = NDArray[np.int64]  # [n_samples]


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Hold a data set: a training part and a test part, checked on creation.

    Parameters
    ----------
    name : what reports call it.
    train_x, test_x : [n_samples, n_features], uint8 for images, float32 otherwise, NaN where a value is missing; test
        may be empty.
    train_y, test_y : int64 [n_samples], 0 .. n_classes - 1.
    low, high : range that is mapped to input levels, a scalar or float32 [n_features]. `high` of images is
        one above the largest value (256), so that every value has its own level. User data: least and
        largest value of each feature in the training part; equal for a constant feature, and a test value
        may lie outside.
    class_names : one name per class, in the order of the labels.
    source : where the values came from, one line.
    notes : losses, conversions and assumptions made on reading, one line each.
    columns : what the columns were taken for; default features by their number.

    Raises
    ------
    UserError : "data set 'NAME': ..." with the array, its fault and what is allowed.

    Example
    -------
    >>> x, y = np.zeros((3, 2), np.uint8), np.array([0, 1, 0])
    >>> data = Dataset("tiny", x, y, x[:1], y[:1], 0, 256, ("a", "b"), "made here")
    >>> data.n_features, data.n_classes
    (2, 2)
    """

    name: str
    train_x: Values
    train_y: Labels
    test_x: Values
    test_y: Labels
    low: float | NDArray[np.float32]
    high: float | NDArray[np.float32]
    class_names: tuple[str, ...]
    source: str
    notes: list[str] = field(default_factory=list)
    columns: ColumnsUsed | None = None

    def __post_init__(self) -> None:
        if self.n_classes < 2:
            raise self._error(f"has {self.n_classes} class(es)", "a classifier needs at least 2")
        for part in ("train", "test"):
            self._check_part(part)
        if len(self.train_y) == 0:
            raise self._error("has no training samples", "give at least 1")
        if self.test_x.shape[1] != self.n_features:
            raise self._error(
                f"test_x has {self.test_x.shape[1]} features", f"train_x has {self.n_features}; give as many"
            )
        if self.test_x.dtype != self.train_x.dtype:
            raise self._error(f"test_x is {self.test_x.dtype}", f"train_x is {self.train_x.dtype}; give the same")
        low, high = np.asarray(self.low), np.asarray(self.high)
        for label, limit in (("low", low), ("high", high)):
            if limit.shape not in ((), (self.n_features,)) or not np.isfinite(limit).all():
                raise self._error(
                    f"{label} has shape {list(limit.shape)} or is not finite",
                    f"give one finite number or [{self.n_features}] of them",
                )
        if (low > high).any():
            raise self._error("low is above high", "give a range with low <= high")

    def _error(self, fault: str, allowed: str) -> UserError:
        return UserError(f"data set '{self.name}': {fault}; {allowed}")

    def _check_part(self, part: str) -> None:
        x, y = (self.train_x, self.train_y) if part == "train" else (self.test_x, self.test_y)
        if x.ndim != 2 or x.shape[1] == 0:
            raise self._error(f"{part}_x has shape {list(x.shape)}", "give [n_samples, n_features]")
        if x.dtype not in (np.dtype(np.uint8), np.dtype(np.float32)):
            raise self._error(f"{part}_x is {x.dtype}", "give uint8 or float32")
        if y.ndim != 1 or y.dtype != np.int64:
            raise self._error(f"{part}_y is {y.dtype} {list(y.shape)}", "give int64 [n_samples]")
        if len(x) != len(y):
            raise self._error(f"{part}_x has {len(x)} samples and {part}_y {len(y)} labels", "give as many labels")
        if len(y) and not 0 <= y.min() <= y.max() < self.n_classes:
            raise self._error(
                f"{part}_y has labels out of range ({y.min()} to {y.max()})",
                f"give 0 to {self.n_classes - 1}",
            )
        if x.dtype == np.float32 and np.isinf(x).any():
            row, column = np.argwhere(np.isinf(x))[0]
            raise self._error(f"{part}_x[{row}, {column}] is {x[row, column]}", "give finite values, or NaN for none")

    @property
    def n_features(self) -> int:
        """Count the values of one sample."""
        return int(self.train_x.shape[1])

    @property
    def n_classes(self) -> int:
        """Count the classes, those that never occur included."""
        return len(self.class_names)


def range_of(x: Values) -> tuple[Values, Values]:
    """Return the least and the largest value of each feature, [n_features]; 0 and 0 where all values are missing.

    Example
    -------
    >>> range_of(np.array([[1.0, np.nan], [3.0, np.nan]], np.float32))
    (array([1., 0.], dtype=float32), array([3., 0.], dtype=float32))
    """
    missing = np.isnan(x)
    if not missing.any():
        return x.min(axis=0), x.max(axis=0)
    low, high = np.where(missing, np.inf, x).min(axis=0), np.where(missing, -np.inf, x).max(axis=0)
    known = ~missing.all(axis=0)
    return np.where(known, low, 0).astype(x.dtype), np.where(known, high, 0).astype(x.dtype)


def keep_classes(data: Dataset, classes: tuple[str, ...]) -> Dataset:
    """Keep some classes, by name, and relabel them in the order given."""
    for name in classes:
        if name not in data.class_names:
            raise UserError(f"class '{name}' is not in {data.name}; it has {', '.join(data.class_names)}")
    table = np.full(data.n_classes, -1)
    table[[data.class_names.index(name) for name in classes]] = np.arange(len(classes))
    parts: dict[str, Any] = {"class_names": classes}
    for part in ("train", "test"):
        y = table[getattr(data, f"{part}_y")]
        parts[f"{part}_x"], parts[f"{part}_y"] = getattr(data, f"{part}_x")[y >= 0], y[y >= 0].astype(np.int64)
    return replace(data, **parts)


def hold_out(data: Dataset, fraction: float) -> Dataset:
    """Replace the test samples by a fraction of the training samples, the same ones for every seed."""
    n = len(data.train_y)
    n_held = round(fraction * n)
    if not 0 < n_held < n:
        raise UserError(
            f"setting 'validation_fraction' = {fraction} leaves {n - n_held} of {n} training samples; "
            "give more data or another fraction"
        )
    order = np.random.default_rng([0, 4]).permutation(n)
    kept, held = np.sort(order[:-n_held]), np.sort(order[-n_held:])
    x, y = data.train_x, data.train_y
    return replace(data, train_x=x[kept], train_y=y[kept], test_x=x[held], test_y=y[held])
