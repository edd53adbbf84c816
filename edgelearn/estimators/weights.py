"""Weights of samples and classes as whole numbers of presentations."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgelearn.errors import UserError

MOST = 10_000  # presentations of one sample


def presentations(weights: np.ndarray) -> np.ndarray:
    """Return how often each sample is presented, int64[n]: its weight, 0 for a sample that is left out.

    Fractions are rounded, halves up, with a warning.

    Raises
    ------
    UserError
        "weight ... is out of range ..."

    Example
    -------
    >>> presentations(np.array([1.0, 0.0, 3.0])).tolist()
    [1, 0, 3]
    """
    wrong = ~((weights >= 0) & (weights <= MOST))  # NaN compares as False
    if wrong.any():
        raise UserError(
            f"weight {weights[np.argmax(wrong)]:g} is out of range; a sample is presented as often as its weight says: "
            f"give whole numbers from 0 to {MOST:,}"
        )
    whole = np.floor(weights + 0.5)
    fraction = whole != weights
    if fraction.any():
        at = int(np.argmax(fraction))
        warnings.warn(
            f"weight {weights[at]:g} is taken as {whole[at]:g}: a sample is presented a whole number of times; "
            "scale the weights to whole numbers",
            UserWarning,
            stacklevel=3,
        )
    return whole.astype(np.int64)


def class_weights(class_weight: Any, y: Sequence[Any], classes: Sequence[Any], balance: bool = False) -> np.ndarray:
    """Return the weight of the class of each sample, float64[n].

    Parameters
    ----------
    class_weight : weights by label, 1 for others; "balanced": samples of the most frequent class over those of the
        class, rounded to a whole number; None for 1
    classes : labels of the outputs
    balance : whether `y` is all that is learned, so that it can be balanced

    Raises
    ------
    UserError
        "class_weight ..."
    """
    if class_weight is None:
        return np.ones(len(y))
    if isinstance(class_weight, str) and class_weight == "balanced":
        if not balance:
            raise UserError(
                "class_weight 'balanced' counts all samples, which only fit has; give the weights of the labels, "
                "{'walk': 1, 'fall': 5}, to learn in pieces"
            )
        labels, counts = np.unique(np.asarray(y), return_counts=True)
        most = int(counts.max(initial=0))
        weight = {label: (2 * most + n) // (2 * n) for label, n in zip(labels.tolist(), counts.tolist(), strict=True)}
        return np.array([weight[label] for label in y], np.float64)
    if not isinstance(class_weight, Mapping):
        raise UserError(
            f"class_weight {class_weight!r:.60} cannot be read; give 'balanced', or weights by label: "
            "{'walk': 1, 'fall': 5}"
        )
    unknown = [label for label in class_weight if label not in classes]
    if unknown and any(label not in class_weight for label in classes):
        raise UserError(
            f"class_weight names {unknown[0]!r}, which is none of the classes {', '.join(map(repr, classes[:8]))}"
        )
    try:
        return np.array([class_weight.get(label, 1) for label in y], np.float64)
    except (TypeError, ValueError):
        raise UserError(
            f"class_weight {class_weight!r:.60} has weights that are no numbers; give 0, 1, 2, ..."
        ) from None
