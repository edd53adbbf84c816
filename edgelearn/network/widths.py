"""Widths of d: the word that keeps exact sums below 2^31, and the largest value that a rule can give.

The arithmetic contract, section 4.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgelearn.network.layer import DenseLayer
from edgelearn.rules.rule import Rule, Signal

WIDEST = 16  # bits of a d
ERROR_MAX = 255
MODULATOR_MAX = 32767
_FEEDBACK_MAX = {"int8": 127, "ternary": 127, "sign": 64, "lfsr": 127}


def hidden_word(rule: Rule, sizes: Sequence[int], bits: int, exponent: int) -> int:
    """Return the width of d in hidden layers: 16, or the widest whose sums in the layer below stay under 2^31.

    The constant covers the rounding of those sums to modulators, shifted by bits - 1 - exponent under bp.
    """
    senders = sizes[2:-1]  # hidden layers with a hidden layer below
    if rule.signal is not Signal.DELTA or not senders:
        return WIDEST
    word_max = 1 << (bits - 1) if rule.weight_transport else 127
    constant = 1 << max(20, bits - 1 - exponent)
    width = WIDEST
    while max(senders) * ((1 << (width - 1)) - 1) * word_max + constant >= 1 << 31:
        width -= 1
    return width


def hidden_reach(
    rule: Rule,
    above: DenseLayer,
    last: DenseLayer,
    feedback_format: str,
    signal_shift: int,
    gate_max: int,
    accumulator_bits: int,
    delta_max: int,
) -> int:
    """Return the largest |d| of a hidden layer, by interval arithmetic over the operators of its rule.

    Parameters
    ----------
    above, last : the next layer, and the output layer
    signal_shift : s_m of the hidden layer
    gate_max : largest gate word of its activation
    delta_max : largest |d| that its word holds
    """
    if not rule.learns_hidden:
        return 0
    factor = 1 << (above.word.bits - 1) if rule.weight_transport else _FEEDBACK_MAX[feedback_format]
    modulator = factor
    if not rule.selects_row:
        largest = min(_signal_sum(rule, above, last) * factor, 1 << (accumulator_bits - 1))
        modulator = min(_rounded(largest, signal_shift), MODULATOR_MAX)
    return min(_rounded(modulator * gate_max, 7), delta_max)


def _signal_sum(rule: Rule, above: DenseLayer, last: DenseLayer) -> int:
    """Return the largest sum of |s| over the lanes of a teaching signal."""
    if rule.holds_deltas and not above.output:
        return above.n_out * above.delta_reach
    if rule.signal not in (Signal.ERROR, Signal.DELTA):
        return last.n_out  # +-1 each
    errors = last.n_out * ERROR_MAX
    if last.activation == "softmax":  # shares sum to 255, each rounded by one half at most
        errors = min(errors, 2 * ERROR_MAX + last.n_out // 2)
    return errors


def _rounded(x: int, shift: int) -> int:
    """Return rn(x, shift) of the contract."""
    return (x + (1 << (shift - 1))) >> shift if shift > 0 else x << -shift
