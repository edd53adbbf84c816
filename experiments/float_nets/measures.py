"""Angles and alignment of gradients, signals and weight matrices of networks that learn.

Three angles go by the same name in the literature; a result says which one it reports:

`angle_signal`
    between the modulatory signals dz_k that a rule and backpropagation prescribe for the same weights and the same
    sample, averaged over samples (Frenkel et al., "Learning without feedback", figures 2 and 3; their figures S1 to
    S3 use the signals dy_k before the slope f', for which the same function serves)
`cosine` of gradients
    between the flattened gradients of a layer's weights (Demirbilek, "The dynamics of learning beyond stochastic
    gradient descent")
`angle_weight`
    between the flattened matrices W^T and B (Lillicrap et al., "Random synaptic feedback weights support error
    backpropagation", supplementary notes; tr(BW) is the inner product of the same two)

Angles are in degrees, 0 to 180. A vector of zeros, or with an element that is not finite, has no direction: its angle
and cosine are nan, and means leave nan out. A mean of nothing but nan is nan. Everything is computed in float64,
whatever the type of the input, and vectors are divided by their largest element first, so that gradients as small as
1e-200 keep their angles.

W_k is of shape (n_k, n_(k-1)); its feedback B_k that of W_k^T, (n_(k-1), n_k). Where the shapes below begin with ...,
axes in front count repeats.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgelearn.errors import UserError

Floats = NDArray[np.float64]


def angle(a: ArrayLike, b: ArrayLike) -> Floats:
    """Return the angles in degrees between vectors along the last axis.

    Parameters
    ----------
    a, b : shape (..., n), any one unit

    Returns
    -------
    float64 of shape (...); nan where a vector has no direction

    Notes
    -----
    2 atan2(|u - v|, |u + v|) of the unit vectors u and v (Kahan): exact to rounding at 0, 90 and 180 degrees, where
    the arc cosine loses half of the digits at both ends.

    Example
    -------
    >>> angle([[1.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]])
    array([45., nan])
    """
    u, v = _directions(a, b)
    halves = np.arctan2(np.linalg.norm(u - v, axis=-1), np.linalg.norm(u + v, axis=-1))
    return np.asarray(np.degrees(2 * halves), np.float64)


def cosine(a: ArrayLike, b: ArrayLike) -> Floats:
    """Return the cosines, -1 to 1, of the angles between vectors along the last axis; nan without direction.

    Parameters
    ----------
    a, b : shape (..., n)

    Returns
    -------
    float64 of shape (...)
    """
    u, v = _directions(a, b)
    return np.asarray(np.clip((u * v).sum(axis=-1), -1, 1), np.float64)


def angle_signal(signals: ArrayLike, true_signals: ArrayLike) -> float:
    """Return the mean over samples of the angle between a layer's signals and those of backpropagation, in degrees.

    Parameters
    ----------
    signals, true_signals : (N, ...), dz_k (or dy_k) of each sample under the rule and under backpropagation, at the
        same weights; what follows the first axis, e.g. channels, height and width of a map, is one vector

    Returns
    -------
    degrees; samples without direction are left out, nan if none has one

    Notes
    -----
    Factors of the batch, 1/N or 1/C, cancel.
    """
    a, b = _same_shape(signals, true_signals)
    if a.ndim < 2:
        raise UserError(f"signals of shape {a.shape}; needed: one row per sample, (N, n). For one sample give [signal]")
    flat = (len(a), math.prod(a.shape[1:]))
    return mean_defined(angle(a.reshape(flat), b.reshape(flat)))


def angle_weight(weights: ArrayLike, feedback: ArrayLike) -> Floats:
    """Return the angle between flattened W^T and B, in degrees; nan if one is zero.

    Parameters
    ----------
    weights : W, (..., n_out, n_in)
    feedback : B, (..., n_in, n_out), the matrix used in place of W^T

    Returns
    -------
    float64 of shape (...)

    Notes
    -----
    A direct feedback matrix B_k of shape (C, n_k) stands for the product P = W_K ... W_(k+1), which has its shape:
    give P and B_k^T.
    """
    w_t, b = _transposed(weights, feedback)
    flat = (*b.shape[:-2], math.prod(b.shape[-2:]))
    return angle(w_t.reshape(flat), b.reshape(flat))


def trace_alignment(weights: ArrayLike, feedback: ArrayLike) -> Floats:
    """Return tr(BW), the inner product of flattened W^T and B; above 0 their angle is below 90 degrees.

    Parameters
    ----------
    weights, feedback : W, (..., n_out, n_in), and B, (..., n_in, n_out), as in `angle_weight`

    Returns
    -------
    float64 of shape (...)

    Notes
    -----
    In the unit of W times that of B; Lillicrap et al., supplementary figures 11 and 12.
    """
    w_t, b = _transposed(weights, feedback)
    return np.asarray((w_t * b).sum(axis=(-2, -1)), np.float64)


def mean_defined(values: ArrayLike) -> float:
    """Return the mean of the values that are not nan; nan if there are none.

    Parameters
    ----------
    values : any shape
    """
    array = np.asarray(values, np.float64)
    defined = array[~np.isnan(array)]
    return float(defined.mean()) if defined.size else math.nan


def _same_shape(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.shape != second.shape:
        raise UserError(f"arrays of shapes {first.shape} and {second.shape}; needed: equal shapes. Transpose one?")
    return first, second


def _transposed(weights: ArrayLike, feedback: ArrayLike) -> tuple[Floats, Floats]:
    """Return W^T and B."""
    w, b = np.asarray(weights, np.float64), np.asarray(feedback, np.float64)
    if w.ndim < 2 or w.swapaxes(-1, -2).shape != b.shape:
        raise UserError(f"W of shape {w.shape} with B of shape {b.shape}; needed: B of the shape of W^T. Transpose B?")
    return w.swapaxes(-1, -2), b


def _directions(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    """Return unit vectors along the last axis; nan where there is no direction."""
    first, second = _same_shape(a, b)
    if first.ndim == 0 or first.shape[-1] == 0:
        raise UserError(f"arrays of shape {first.shape}; needed: vectors of one element or more along the last axis")
    return _direction(first), _direction(second)


def _direction(vectors: Floats) -> Floats:
    top = np.abs(vectors).max(axis=-1, keepdims=True)
    top = np.where((top > 0) & np.isfinite(top), top, np.nan)
    scaled = vectors / top
    return np.asarray(scaled / np.linalg.norm(scaled, axis=-1, keepdims=True), np.float64)
