"""Samples in order, and the data sets they come from: values and labels only, no files and no encoding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edgelearn.errors import UserError

Values = NDArray[Any]  # uint8 or float32, [n_samples, n_features]
Labels = NDArray[np.int64]  # [n_samples]
Part = Literal["train", "test"]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Hold one labelled input of a stream.

    Parameters
    ----------
    x : uint8 or float32 [n_features], raw values, not encoded yet.
    y : class, 0 .. n_classes - 1.
    t : time step of the input, counting from 0.
    label_at : time step at which `y` becomes known, never before `t`.
    """

    x: Values
    y: int
    t: int
    label_at: int


class Stream(Protocol):
    """Describe what can be learned from sample by sample: iterates `Sample` in the order of `t`."""

    @property
    def n_features(self) -> int:
        """Count the values of one sample."""
        ...

    @property
    def n_classes(self) -> int:
        """Count the classes, those that never occur included."""
        ...

    @property
    def drift_points(self) -> tuple[int, ...]:
        """Give the time steps at which the source changes, ascending; empty where it does not."""
        ...

    def __iter__(self) -> Iterator[Sample]: ...


@dataclass(frozen=True, slots=True, eq=False)
class ArrayStream:
    """Walk through arrays in their order, one sample a time step.

    Parameters
    ----------
    x : uint8 or float32 [n_samples, n_features].
    y : int64 [n_samples], 0 .. n_classes - 1.
    n_classes : count of classes.
    label_delay : time steps from an input to its label; 0 gives the label with the input.
    drift_points : time steps at which the source changes, ascending.

    Raises
    ------
    UserError : "label_delay -1 is out of range ...", "drift_points ...".
    """

    x: Values
    y: Labels
    n_classes: int
    label_delay: int = 0
    drift_points: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.label_delay < 0:
            raise UserError(f"label_delay {self.label_delay} is out of range; give 0 time steps or more")
        ordered = all(a < b for a, b in zip(self.drift_points, self.drift_points[1:], strict=False))
        if not ordered or any(not 0 <= point < len(self.y) for point in self.drift_points):
            raise UserError(
                f"drift_points {self.drift_points} are not allowed; "
                f"give ascending time steps from 0 to {len(self.y) - 1}"
            )

    @property
    def n_features(self) -> int:
        """Count the values of one sample."""
        return int(self.x.shape[1])

    def __len__(self) -> int:
        return len(self.y)

    def __iter__(self) -> Iterator[Sample]:
        for t, (x, y) in enumerate(zip(self.x, self.y.tolist(), strict=True)):
            yield Sample(x, y, t, t + self.label_delay)


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Hold a data set: a training part and a test part, checked on creation.

    Parameters
    ----------
    name : what reports call it.
    train_x, test_x : [n_samples, n_features], uint8 for images, float32 otherwise; test may be empty.
    train_y, test_y : int64 [n_samples], 0 .. n_classes - 1.
    low, high : range that is mapped to input levels, a scalar or float32 [n_features]. `high` of images is
        one above the largest value (256), so that every value has its own level. User data: least and
        largest value of each feature in the training part; equal for a constant feature, and a test value
        may lie outside.
    class_names : one name a class, in the order of the labels.
    source : where the values came from, one line.
    value_bits : bits that hold every raw value without loss (8 for images, 32 for float32).
    image_shape : (height, width) or (channels, height, width) of a sample, None where it is no image.

    Raises
    ------
    UserError : "data set 'NAME': ..." with the array, its fault and what is allowed.

    Example
    -------
    >>> x, y = np.zeros((3, 2), np.uint8), np.array([0, 1, 0])
    >>> data = Dataset("tiny", x, y, x[:1], y[:1], 0, 256, ("a", "b"), "made here", 8)
    >>> data.n_features, data.n_classes, [sample.y for sample in data.stream("train")]
    (2, 2, [0, 1, 0])
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
    value_bits: int
    image_shape: tuple[int, ...] | None = None

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
        if not 1 <= self.value_bits <= 64:
            raise self._error(f"value_bits is {self.value_bits}", "give 1 to 64")
        if self.image_shape is not None and prod(self.image_shape) != self.n_features:
            raise self._error(
                f"image_shape {self.image_shape} has {prod(self.image_shape)} values",
                f"a sample has {self.n_features}",
            )

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
        if x.dtype == np.float32 and not np.isfinite(x).all():
            row, column = np.argwhere(~np.isfinite(x))[0]
            raise self._error(f"{part}_x[{row}, {column}] is {x[row, column]}", "give finite values only")

    @property
    def n_features(self) -> int:
        """Count the values of one sample."""
        return int(self.train_x.shape[1])

    @property
    def n_classes(self) -> int:
        """Count the classes, those that never occur included."""
        return len(self.class_names)

    def stream(self, part: Part, *, label_delay: int = 0) -> ArrayStream:
        """Give the samples of one part in their stored order.

        Parameters
        ----------
        part : "train" or "test".
        label_delay : time steps from an input to its label.

        Raises
        ------
        UserError : "part 'PART' is not known ..."; "label_delay -1 is out of range ...".
        """
        if part == "train":
            return ArrayStream(self.train_x, self.train_y, self.n_classes, label_delay)
        if part == "test":
            return ArrayStream(self.test_x, self.test_y, self.n_classes, label_delay)
        raise UserError(f"part '{part}' is not known; known: test, train")
