"""What is measured on a network that learns: angles, alignment, conserved quantities, activations, gradient norms.

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
and cosine are nan, and means and smoothed series leave nan out. A mean of nothing but nan is nan. Everything is
computed in float64, whatever the type of the input, and vectors are divided by their largest element first, so that
gradients as small as 1e-200 keep their angles and norms.

W_k is of shape (n_k, n_(k-1)); its feedback B_k that of W_k^T, (n_(k-1), n_k). Where the shapes below begin with ...,
axes in front count repeats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgelearn.errors import UserError

Floats = NDArray[np.float64]

MOMENTUM = 0.95  # of the smoothed angles, Frenkel et al.
SATURATED = 0.95  # an activation beyond +-0.95 counts as saturated
EDGES: Floats = np.linspace(-1, 1, 41)  # of histograms of activations


# Angles and alignment


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


class SignAgreement(NamedTuple):
    """Shares of pairs of numbers.

    Parameters
    ----------
    equal : share of equal signs among the pairs without a zero, 0 to 1; nan if there are none
    zeros : share of all pairs in which one or both are zero, 0 to 1; nan without pairs
    """

    equal: float
    zeros: float


def sign_agreement(a: ArrayLike, b: ArrayLike) -> SignAgreement:
    """Return how often numbers at the same place have the same sign; zeros are counted apart.

    Parameters
    ----------
    a, b : equal shapes, e.g. W^T and B, or two gradients; pairs with nan are left out

    Example
    -------
    >>> sign_agreement([1.0, -2.0, 3.0, 0.0], [4.0, -5.0, -6.0, 7.0])
    SignAgreement(equal=0.6666666666666666, zeros=0.25)
    """
    first, second = _same_shape(a, b)
    signs = np.sign(first) * np.sign(second)
    signs = signs[~np.isnan(signs)]
    equal, zeros = int((signs > 0).sum()), int((signs == 0).sum())
    return SignAgreement(_share(equal, signs.size - zeros), _share(zeros, signs.size))


def norm(a: ArrayLike) -> float:
    """Return the Euclidean norm of an array, flattened, in its own unit, without overflow or underflow.

    Parameters
    ----------
    a : any shape; an empty array has norm 0
    """
    flat = np.asarray(a, np.float64).ravel()
    top = float(np.abs(flat).max(initial=0.0))
    return top * float(np.linalg.norm(flat / top)) if 0 < top < math.inf else top


def gradient_norms(gradients: Sequence[ArrayLike]) -> Floats:
    """Return the norm of each layer's flattened gradient, float64 of shape (K,), in the gradients' unit.

    Parameters
    ----------
    gradients : one array per layer, e.g. dW_1 ... dW_K
    """
    return np.array([norm(gradient) for gradient in gradients], np.float64)


def mean_defined(values: ArrayLike) -> float:
    """Return the mean of the values that are not nan; nan if there are none.

    Parameters
    ----------
    values : any shape
    """
    array = np.asarray(values, np.float64)
    defined = array[~np.isnan(array)]
    return float(defined.mean()) if defined.size else math.nan


# Smoothed series


@dataclass
class Smoothed:
    """An exponentially smoothed series, a_t = m a_(t-1) + (1 - m) angle_t, kept as one number.

    Parameters
    ----------
    momentum : m, 0 <= m < 1; 0.95 in Frenkel et al.
    value : a_t so far, in the unit of what is added; nan before the first

    Notes
    -----
    Starts at the first value that is not nan (not stated; ours: a start at 0 would show small angles for the first
    60 values). A nan that is added changes nothing.

    Example
    -------
    >>> smoothed = Smoothed()
    >>> [smoothed.add(degrees) for degrees in (90.0, 70.0)]
    [90.0, 89.0]
    """

    momentum: float = MOMENTUM
    value: float = math.nan

    def __post_init__(self) -> None:
        if not 0 <= self.momentum < 1:
            raise UserError(f"a momentum of {self.momentum}; allowed: 0 <= momentum < 1, e.g. {MOMENTUM}")

    def add(self, value: float) -> float:
        """Take the next value and return a_t."""
        if math.isnan(self.value):
            self.value = float(value)
        elif not math.isnan(value):
            self.value = self.momentum * self.value + (1 - self.momentum) * float(value)
        return self.value


# Conserved quantities


def conserved_quantity(
    weights: ArrayLike, weights_above: ArrayLike, feedback_above: ArrayLike, bias: ArrayLike | None = None
) -> float:
    """Return Q_i = 1/2 |W_i|^2 + 1/2 |b_i|^2 - <W_(i+1), B_(i+1)> of feedback alignment.

    Parameters
    ----------
    weights : W_i, any shape
    weights_above, feedback_above : W_(i+1), (n_out, n_in), and B_(i+1), (n_in, n_out)
    bias : b_i, any shape, if the layer has one that learns (term not in the paper; ours)

    Notes
    -----
    Robertson and Koyejo, "Layer-wise feedback alignment is conserved", theorem 5.1: constant under the gradient flow
    of linear, ReLU and leaky ReLU networks without biases. A step of plain descent of any size and batch adds exactly
    1/2 |dW_i|^2 (and 1/2 |db_i|^2), dW_i being the change of the weights (ours). Momentum, Adam, weight decay and
    saturation break it.
    """
    half_square = (np.asarray(weights, np.float64) ** 2).sum() / 2
    if bias is not None:
        half_square += (np.asarray(bias, np.float64) ** 2).sum() / 2
    return float(half_square - trace_alignment(weights_above, feedback_above))


def linear_invariant(lower: ArrayLike, upper: ArrayLike, feedback: ArrayLike) -> Floats:
    """Return C = BW + W^T B^T - A A^T of a linear network y = W A x under feedback alignment.

    Parameters
    ----------
    lower : A, (..., n_h, n_i)
    upper : W, (..., n_o, n_h)
    feedback : B, (..., n_h, n_o)

    Returns
    -------
    float64 of shape (..., n_h, n_h), symmetric

    Notes
    -----
    Lillicrap et al., equation 10 of the supplement, printed there with the sign of C reversed: constant under the
    flow. A step of plain descent of any size and batch adds exactly -dA dA^T (ours).
    """
    w_t, b = _transposed(upper, feedback)
    a = np.asarray(lower, np.float64)
    if a.shape[:-1] != b.shape[:-1]:
        raise UserError(f"A of shape {a.shape} below W^T of shape {w_t.shape}; needed: one row of A per row of W^T")
    product = b @ w_t.swapaxes(-1, -2)
    return np.asarray(product + product.swapaxes(-1, -2) - a @ a.swapaxes(-1, -2), np.float64)


# Activations


class ActivationDistribution(NamedTuple):
    """Where the activations of a layer lie. Shares are of the activations that are not nan; nan without any.

    Parameters
    ----------
    edges : float64[bins + 1], limits of the bins
    shares : float64[bins], share of the activations in each bin; the last bin includes its upper edge
    below, above : shares outside the edges
    saturated : share with |y| > 0.95
    mean_slope : mean of f'(z), a pure number
    """

    edges: Floats
    shares: Floats
    below: float
    above: float
    saturated: float
    mean_slope: float


def activation_distribution(
    activations: ArrayLike, slopes: ArrayLike, edges: ArrayLike = EDGES
) -> ActivationDistribution:
    """Return histogram, saturated share and mean slope of a layer's activations.

    Parameters
    ----------
    activations : y_k, any shape, pure numbers
    slopes : f'(z_k) of the same units and samples, the same shape
    edges : rising limits of the bins; 40 bins from -1 to 1 if left out

    Notes
    -----
    Shares divided by the widths of the bins are the densities of Frenkel et al., figures S4 to S6, where learning by
    DRTP stops as tanh units saturate and f' vanishes.
    """
    y, f_slopes = _same_shape(activations, slopes)
    limits = np.asarray(edges, np.float64)
    if limits.ndim != 1 or len(limits) < 2 or not (np.diff(limits) > 0).all():
        raise UserError(f"edges {limits.tolist()}; needed: two or more rising numbers, e.g. [-1, 0, 1]")
    y = y[~np.isnan(y)]
    counts = np.histogram(y, limits)[0]
    return ActivationDistribution(
        limits,
        np.array([_share(int(count), y.size) for count in counts], np.float64),
        _share(int((y < limits[0]).sum()), y.size),
        _share(int((y > limits[-1]).sum()), y.size),
        _share(int((np.abs(y) > SATURATED).sum()), y.size),
        mean_defined(f_slopes),
    )


def _share(count: int, total: int) -> float:
    return count / total if total else math.nan


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
