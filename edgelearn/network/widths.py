"""Widths of d: the word that keeps exact sums below 2^31, and the largest value that a rule can give.

The arithmetic contract, section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgelearn.network.layer import Layer
from edgelearn.rules.rule import Rule, Signal

WIDEST = 16  # bits of a modulator or a d
ERROR_BITS = 9
_FEEDBACK_MAX = {"int8": 127, "ternary": 127, "sign": 64, "lfsr": 127, "imported": 127}


def modulator_scale(rule: Rule, delta_bits: int, target_max: int = 0) -> int:
    """Return M: narrow modulators have a range of +-2, or +-1 where they are single feedback words.

    Parameters
    ----------
    target_max : largest word of a graded target; 0 where targets are classes
    """
    range_bits = 1 if rule.selects_row and not target_max else 2  # sign included
    return min(rule.modulator_scale, max(0, delta_bits - range_bits))


@dataclass(frozen=True)
class Terms:
    """Sums that d of a hidden layer and of the layer above enter.

    Parameters
    ----------
    signals : products in a modulator of the layer, d of the layer above each
    to_output : whether the layer above is the output layer
    shift : bits that a mean pooling above adds to the rounding of the modulator
    positions : products in a sum of the layer's update, 0 in a dense layer, whose updates are single products
    input_max : largest input of the layer
    """

    signals: int
    to_output: bool
    shift: int
    positions: int
    input_max: int


def hidden_words(rules: Sequence[Rule], terms: Sequence[Terms], bits: int, exponent: int, widest: int) -> list[int]:
    """Return the width of d of each hidden layer: `widest`, or one whose sums stay under 2^31.

    Sums in layers below: the narrower width holds for all layers that take a delta or give one. The constant covers the
    rounding of those sums to modulators, shifted by bits - 1 - exponent under bp. Sums of an update over the positions
    of a convolution: with 2^29 for their rounding by 30 bits at most.
    """
    largest = {True: 1 << (bits - 1), False: 127}  # of a transposed weight, of a feedback word
    sums = [
        (one.signals * largest[rule.weight_transport], 1 << max(20, bits - 1 - exponent) + one.shift)
        for rule, one in zip(rules, terms, strict=True)
        if rule.holds_deltas and not one.to_output
    ]
    width = widest
    while any(most * ((1 << (width - 1)) - 1) + constant >= 1 << 31 for most, constant in sums):
        width -= 1
    gives = [False, *(rule.holds_deltas for rule in rules)]
    found = [width if rule.holds_deltas or gives[k] else widest for k, rule in enumerate(rules)]
    for k, one in enumerate(terms):
        while one.positions * one.input_max * ((1 << (found[k] - 1)) - 1) + (1 << 29) >= 1 << 31:
            found[k] -= 1
    return found


def hidden_reach(
    rule: Rule,
    above: Layer,
    last: Layer,
    feedback_format: str,
    signal_shift: int,
    gate_max: int,
    accumulator_bits: int,
    limits: tuple[int, int],
    target_max: int = 0,
) -> int:
    """Return the largest |d| of a hidden layer, by interval arithmetic over the operators of its rule.

    Parameters
    ----------
    above, last : the next layer, and the output layer
    signal_shift : s_m of the hidden layer
    gate_max : largest gate word of its activation
    limits : largest |m| and |d| that their words hold
    target_max : largest word of a graded target; 0 where targets are classes
    """
    if not rule.learns_hidden:
        return 0
    factor = 1 << (above.word.bits - 1) if rule.weight_transport else _FEEDBACK_MAX[feedback_format]
    signals = last.n_out * target_max if rule.selects_row and target_max else _signal_sum(rule, above, last)
    selects = rule.selects_row and not target_max
    total = factor if selects else min(signals * factor, 1 << (accumulator_bits - 1))
    modulator = min(_rounded(total, signal_shift), limits[0])
    return min(_rounded(modulator * gate_max, 7), limits[1])


def _signal_sum(rule: Rule, above: Layer, last: Layer) -> int:
    """Return the largest sum of |s| over the lanes of a teaching signal."""
    if rule.holds_deltas and not above.output:
        return above.n_signals * above.delta_reach
    if rule.signal not in (Signal.ERROR, Signal.LOCAL_ERROR, Signal.DELTA):
        return last.n_out  # +-1 each
    errors = last.n_out * last.delta_reach
    if last.activation == "softmax":  # shares sum to 255, each rounded by one half at most, and once more if narrowed
        errors = min(errors, (510 + last.n_out // 2 >> last.signal_shift) + last.n_out * (last.signal_shift > 0))
    return errors


def _rounded(x: int, shift: int) -> int:
    """Return rn(x, shift) of the contract."""
    return (x + (1 << (shift - 1))) >> shift if shift > 0 else x << -shift
