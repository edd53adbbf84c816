"""Range exponents of imported weights, and feedback taken from words (contract, section 7)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgelearn.errors import UserError
from edgelearn.rules.rule import Feedback, Rule

EXPONENTS = (-8, 8)  # of the range of a weight
_FINEST = -15  # f of a feedback matrix


def range_exponent(weights: np.ndarray, biases: np.ndarray, layer: int = 1, bits: int = 8) -> int:
    """Return the range exponent of imported words.

        E = ceil(log2(max(|W|, |b|))), at least -8;   E - 1 where view words then have the smaller squared error

    One step less cuts the largest weights and halves the rounding error of all others.

    Parameters
    ----------
    weights, biases : float64[n_out, n_in] and float64[n_out], with inputs in units of their 1.0
    layer : number of the layer, for the message
    bits : b, of a view word

    Raises
    ------
    UserError
        "weights of layer ... reach ..."

    Example
    -------
    >>> range_exponent(np.array([[0.3, -0.7]]), np.array([0.1])), range_exponent(np.array([[4.0]]), np.zeros(1))
    (0, 2)
    >>> range_exponent(np.array([[0.501, 0.254, -0.098, 0.113]]), np.zeros(1))
    -1
    """
    largest = max(float(np.abs(weights).max(initial=0)), float(np.abs(biases).max(initial=0)))
    exponent = int(np.ceil(np.log2(largest))) if largest > 0 else EXPONENTS[0]
    if exponent > EXPONENTS[1]:
        raise UserError(
            f"weights of layer {layer} reach {largest:.4g} for inputs of 1.0, and words hold up to "
            f"{2 ** EXPONENTS[1]}; scale its inputs or its outputs down, or cut the model at another tensor"
        )
    exponent = max(exponent, EXPONENTS[0])
    both = np.concatenate([np.ravel(weights), np.ravel(biases)])
    candidates = (exponent, exponent - 1) if exponent > EXPONENTS[0] else (exponent,)
    return min(candidates, key=lambda one: _squared_error(both, one, bits))  # the first one where equal


def _squared_error(values: np.ndarray, exponent: int, bits: int) -> float:
    """Return the squared error of view words, summed."""
    half = 1 << (bits - 1)
    lsb = 2.0**exponent / half
    return float((((np.clip(np.floor(values / lsb + 0.5), -half, half - 1) * lsb) - values) ** 2).sum())


def imported_feedback(
    rules: Sequence[Rule], views: Sequence[np.ndarray], exponents: Sequence[int], bits: int
) -> list[tuple[np.ndarray | None, int]]:
    """Return the feedback matrix of each hidden layer, int16[rows, n_out], and its exponent f, from weights.

        direct:   P_k = w_K w_(K-1) ... w_(k+1)       layer by layer:   P_k = w_(k+1)
        E = sum of e - (b - 1) over these matrices;   L = bit length of max |P_k| - 1;   f = L + E
        B = rn(127 P_k, L), the signal target: rn(-127 P_k, L)

    Sums are exact integers. L is raised to -15 - E where f would be less than -15. The signal target, which looks up
    words of B and does not shift them, has f = 0: L is raised to -E where f would be negative; a matrix that reaches
    beyond 1.0 keeps its L and is that much smaller.

    Parameters
    ----------
    rules : the rule of each hidden layer; one without fixed feedback has None and 0
    views : view words of all layers, int[n_out, n_in]
    exponents : range exponent of each layer
    bits : b, of a view word

    Raises
    ------
    UserError
        "feedback of layer ... cannot be taken from the weights ..."

    Example
    -------
    >>> from edgelearn.rules import find_rule
    >>> views = [np.zeros((2, 3), int), np.array([[64, -16], [32, 8]])]
    >>> matrix, f = imported_feedback([find_rule("dfa")], views, [0, 1], 8)[0]
    >>> matrix.tolist(), f
    ([[127, -32], [64, 16]], 0)
    """
    found: list[tuple[np.ndarray | None, int]] = []
    path, scale = _exact(views[-1], views), exponents[-1] - (bits - 1)
    for k in reversed(range(len(views) - 1)):
        above, exponent = _exact(views[k + 1], views), exponents[k + 1] - (bits - 1)
        if k < len(views) - 2:
            path, scale = path @ above, scale + exponent
        direct = rules[k].feedback is Feedback.DIRECT
        taken = (path, scale) if direct else (above, exponent)
        found.insert(0, _feedback(rules[k], *taken, k) if rules[k].stores_feedback else (None, 0))
    return found


def _feedback(rule: Rule, product: np.ndarray, scale: int, k: int) -> tuple[np.ndarray, int]:
    """Return B and f of hidden layer k from P_k, whose words are worth 2^scale."""
    largest = int(np.abs(product).max(initial=0))
    shift = max(largest - 1, 0).bit_length()
    shift = max(shift, -scale if rule.selects_row else _FINEST - scale)
    f = 0 if rule.selects_row or largest == 0 else shift + scale
    if f > -_FINEST:
        raise UserError(
            f"feedback of layer {k + 1} cannot be taken from the weights: their product reaches 2^{f}; give "
            "--feedback int8, or --learn last"
        )
    scaled = product.astype(object) * (-127 if rule.selects_row else 127)
    return ((scaled + (1 << shift >> 1)) >> shift).astype(np.int16), f


def _exact(view: np.ndarray, views: Sequence[np.ndarray]) -> np.ndarray:
    """Return a matrix whose products have no limit, where those of all layers could leave 62 bits."""
    longest = sum(np.abs(one).max(initial=1).item().bit_length() + one.shape[1].bit_length() for one in views)
    return view.astype(np.int64 if longest <= 62 else object)
