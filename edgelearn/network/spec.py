"""Network specification: derives formats and shifts from layer sizes and a rule.

`design` also proves that no exact sum can overflow. `edgelearn.network.state` turns a specification into arrays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgelearn.errors import UserError, unknown
from edgelearn.fixedpoint.qformat import WeightFormat
from edgelearn.network.activations import OUTPUTS, find_activation
from edgelearn.network.kernels.arrays import padded
from edgelearn.network.layer import DenseLayer
from edgelearn.network.widths import ERROR_BITS, WIDEST, hidden_reach, hidden_word, modulator_scale
from edgelearn.rules.catalog import find_rule
from edgelearn.rules.rule import Feedback, Locking, Rule, Signal

CONTRACT = 1  # version of docs/arithmetic.md
ROUNDINGS = ("residual", "stochastic", "nearest")
FEEDBACK_FORMATS = ("int8", "ternary", "sign", "lfsr")  # drawn, or regenerated from a seed
FEEDBACKS = (*FEEDBACK_FORMATS, "imported")
UPDATE_GATES = ("always", "error", "margin")
MAX_NEURONS = 500_000  # kernels count pairs of rows in 16-bit lanes, which must not wrap; memory ends earlier

_CHOICES = {
    "rounding": ROUNDINGS,
    "output": OUTPUTS,
    "feedback_format": FEEDBACKS,
    "update_gate": UPDATE_GATES,
}
_RANGES = {
    "input_bits": (1, 8),
    "accumulator_bits": (8, 32),
    "delta_bits": (2, WIDEST),
    "range_exponent": (-8, 8),
    "feedback_exponent": (-15, 15),
    "event_threshold": (0, 126),
    "dead_zone": (0, 254),
    "seed": (0, 2**31 - 1),
    "margin": (0, 255),
}
# Weights of few bits cover a smaller range: (hidden, output) range exponents, measured on MNIST.
_RANGE_EXPONENTS = {2: (-2, -1), 3: (-1, -1), 4: (-1, 0)}


@dataclass(frozen=True)
class NetworkSpec:
    """Specification of a network, without arrays.

    Raises (in `design`)
    --------------------
    UserError
        For shapes, widths and rates that cannot be built, with what to change.
    """

    rule: Rule
    layers: tuple[DenseLayer, ...]
    output: str
    rounding: str
    input_bits: int
    feedback_format: str
    event_threshold: int
    dead_zone: int
    accumulator_bits: int
    seed: int
    update_gate: str = "always"
    margin: int = 0
    signed_inputs: bool = False
    delta_bits: int = WIDEST

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.layers[0].n_in, *(layer.n_out for layer in self.layers))

    @property
    def input_range(self) -> tuple[int, int]:
        """Lowest and highest level of an input."""
        top = self.layers[0].input_one
        return (-top if self.signed_inputs else 0, top)

    @property
    def delta_width(self) -> int:
        """Bits of the widest d of the layers that learn: what a multiplier of the updates takes."""
        return max(layer.delta_width for layer in self.layers if layer.learns)

    @property
    def n_outputs(self) -> int:
        return self.layers[-1].n_out

    @property
    def n_classes(self) -> int:
        return max(2, self.n_outputs)

    @property
    def stochastic(self) -> bool:
        return self.rounding == "stochastic"

    @property
    def gated(self) -> bool:
        """Whether samples may be predicted and not learned."""
        return self.update_gate != "always"

    @property
    def locking(self) -> Locking:
        """What hidden layers wait for: a gate is known after the prediction, so all layers wait at least for that."""
        if self.gated and self.rule.learns_hidden and self.rule.locking in (Locking.NONE, Locking.LAYER):
            return Locking.UPDATE
        return self.rule.locking

    @property
    def waits_for_above(self) -> bool:
        """Whether inputs and gates of all hidden layers wait, for the output or for the layer above."""
        return self.locking in (Locking.UPDATE, Locking.BACKWARD)

    @property
    def holds_gates(self) -> bool:
        """Whether gates g wait in memory: exactly where hidden layers wait for their teaching signal."""
        return self.locking is not Locking.NONE

    @property
    def regenerates_feedback(self) -> bool:
        return self.rule.stores_feedback and self.feedback_format == "lfsr"

    @property
    def holds_feedback(self) -> bool:
        """Whether any layer has fixed feedback, stored or regenerated."""
        return self.rule.stores_feedback and len(self.layers) > 1

    def feedback_rows(self, k: int) -> int:
        """Return the signal lanes of hidden layer k (counted from 0)."""
        return self.rule.feedback_rows(self.layers[k + 1].n_out, self.n_outputs)


def parse_net(text: str) -> tuple[int, ...]:
    """Return the layer sizes of a text like '784-500-10'.

    Raises
    ------
    UserError
        "net '...' cannot be read"
    """
    try:
        sizes = tuple(int(part) for part in text.split("-"))
    except ValueError:
        sizes = ()
    if len(sizes) < 2 or min(sizes) < 1:
        raise UserError(f"net '{text}' cannot be read; write layer sizes from input to output, for example 784-500-10")
    return sizes


def default_residual_bits(bits: int, rounding: str) -> int:
    """Return the residual bits of a rounding: as many as fit, up to 8, or none where steps are rounded away."""
    return min(8, 16 - bits) if rounding == "residual" else 0


def design(
    sizes: Sequence[int],
    rule: str = "drtp",
    bits: int = 8,
    rounding: str = "residual",
    residual_bits: int | None = None,
    input_bits: int = 4,
    activation: str = "tanh",
    output: str = "sigmoid",
    feedback_format: str = "int8",
    hidden_rate: int | None = None,
    output_rate: int | None = None,
    range_exponent: int | None = None,
    event_threshold: int = 0,
    dead_zone: int = 0,
    accumulator_bits: int = 32,
    seed: int = 0,
    update_gate: str = "always",
    margin: int = 0,
    signed_inputs: bool = False,
    delta_bits: int = WIDEST,
    range_exponents: Sequence[int] | None = None,
    feedback_exponents: Sequence[int] | None = None,
) -> NetworkSpec:
    """Derive the specification of a network of dense layers.

    Parameters
    ----------
    sizes : layer sizes from inputs to outputs
    bits, residual_bits : weight word; residual bits follow the rounding when left out
    hidden_rate, output_rate : exponents of two; the rule's own starting points when left out
    range_exponent : weights cover +-2^range_exponent; chosen by `bits` when left out
    update_gate : which samples are learned: "always", "error" (those predicted wrong), or "margin" (those whose label
        does not lead by more than `margin` index steps of 1/16)
    signed_inputs : input levels run from -(2^(input_bits - 1) - 1) to the same above zero
    delta_bits : widest factor of learning: modulator and d of hidden layers, and the error where it has fewer than 9
    range_exponents : of each layer, where they are not all by `range_exponent`
    feedback_exponents : f of each hidden layer, for the feedback format "imported"; see `edgelearn.network.imported`

    Example
    -------
    >>> spec = design((64, 32, 10), rule="dfa", bits=8)
    >>> [layer.step_shift for layer in spec.layers]
    [8, 8]
    """
    row = find_rule(rule)
    settings: dict[str, Any] = {
        "output": output,
        "rounding": rounding,
        "input_bits": input_bits,
        "feedback_format": feedback_format,
        "event_threshold": event_threshold,
        "dead_zone": dead_zone,
        "accumulator_bits": accumulator_bits,
        "seed": seed,
        "update_gate": update_gate,
        "margin": margin,
        "signed_inputs": signed_inputs,
        "delta_bits": delta_bits,
    }
    _check_settings(settings | {"range_exponent": range_exponent or 0})
    _check_sizes(sizes, output)
    if residual_bits is None:
        residual_bits = default_residual_bits(bits, rounding)
    _check_residual_bits(residual_bits, bits, rounding)
    hidden = find_activation(activation)
    rates = (
        row.hidden_rate if hidden_rate is None else hidden_rate,
        row.output_rate if output_rate is None else output_rate,
    )
    exponents = _RANGE_EXPONENTS.get(bits, (0, 0)) if range_exponent is None else (range_exponent, range_exponent)
    ranges = _range_exponents(len(sizes) - 1, exponents, range_exponents)
    imported = _feedback_exponents(row, len(sizes) - 2, feedback_format, feedback_exponents)
    hidden_bits = hidden_word(row, sizes, bits, min(ranges[:-1] or ranges), delta_bits)
    error_bits = min(ERROR_BITS, delta_bits)
    hidden_scale = modulator_scale(row, delta_bits)
    gate_max = int(hidden.table()[1].max())
    level_bits = input_bits - 1 if signed_inputs else input_bits  # a sign takes one
    top = (1 << level_bits) - 1
    layers: list[DenseLayer] = []
    for k in reversed(range(len(sizes) - 1)):  # from the last, whose d the layer below needs
        first, last, n_in, n_out = k == 0, not layers, sizes[k], sizes[k + 1]
        feedback_exponent, signal_shift, reach = 0, ERROR_BITS - error_bits, (1 << (error_bits - 1)) - 1
        if not last:
            feedback_exponent, signal_shift = _signal_shift(row, layers[0], layers[-1], hidden_scale, imported[k])
            reach = hidden_reach(
                row,
                layers[0],
                layers[-1],
                feedback_format,
                signal_shift,
                gate_max,
                accumulator_bits,
                ((1 << (delta_bits - 1)) - 1, (1 << (hidden_bits - 1)) - 1),
            )
        by_event = _rows_are_inputs(n_in, n_out) if first else not hidden.dense and n_out >= 64
        layer = DenseLayer(
            n_in=n_in,
            n_out=n_out,
            word=WeightFormat(bits, residual_bits, ranges[k]),
            activation=output if last else activation,
            output=last,
            input_one=top if first else hidden.one,
            input_scale=(0 if level_bits == 1 else level_bits) if first else hidden.scale,
            input_max=top if first else 127,
            output_scale=hidden.scale,
            rate=rates[last],
            learns=last or row.learns_hidden,
            delta_scale=error_bits - 1 if last else hidden_scale,
            delta_bits=error_bits if last else hidden_bits,
            modulator_bits=delta_bits,
            delta_reach=reach,
            feedback_exponent=feedback_exponent,
            signal_shift=signal_shift,
            non_negative=row.non_negative and not first,
            signed_levels=first and signed_inputs,
            event_major=by_event and (first or not row.non_negative),
        )
        layers.insert(0, layer)
    spec = NetworkSpec(row, tuple(layers), **settings)
    _check_sums(spec)
    _check_readouts(spec)
    _check_rates(spec)
    return spec


def _check_settings(settings: dict[str, Any]) -> None:
    for name, known in _CHOICES.items():
        if name in settings and settings[name] not in known:
            raise unknown(name.replace("_", " "), settings[name], known)
    for name, (lowest, highest) in _RANGES.items():
        if name in settings and not lowest <= settings[name] <= highest:
            flag = name.replace("_", "-")
            raise UserError(f"{name} {settings[name]} cannot be built; --{flag} takes {lowest} to {highest}")
    if settings.get("signed_inputs") and settings["input_bits"] < 2:
        raise UserError("signed inputs of 1 bit cannot be built; give --input-bits 2 or more")


def _check_sizes(sizes: Sequence[int], output: str) -> None:
    if len(sizes) < 2 or min(sizes) < 1:
        raise UserError(f"layer sizes {tuple(sizes)} cannot be built; give at least inputs and outputs, each 1 or more")
    if max(sizes) > MAX_NEURONS:
        raise UserError(
            f"a layer of {max(sizes):,} is too wide; inputs and neurons of a layer are {MAX_NEURONS:,} at most"
        )
    if sizes[-1] == 1 and output == "softmax":
        raise UserError("one output cannot be a softmax; use --output sigmoid, or one output a class")


def _check_residual_bits(residual_bits: int, bits: int, rounding: str) -> None:
    if rounding == "nearest" and residual_bits:
        raise UserError(
            f"rounding 'nearest' keeps no residual bits, but {residual_bits} were given; use --rounding residual"
        )
    if rounding == "residual" and residual_bits == 0 and bits < 16:
        raise UserError(
            "rounding 'residual' needs residual bits; use --rounding stochastic, or leave out --residual-bits"
        )


def _rows_are_inputs(n_in: int, n_out: int) -> bool:
    """Lay out a first layer for events, which touch a quarter of the rows or so, unless most lanes would be padding."""
    return n_out * padded(n_in + 1) > (n_in + 1) * padded(n_out) // 4


def _range_exponents(n_layers: int, exponents: tuple[int, int], given: Sequence[int] | None) -> list[int]:
    """Return the range exponent of each layer: those given, or the one of hidden layers and that of the output."""
    if given is None:
        return [exponents[0]] * (n_layers - 1) + [exponents[1]]
    if len(given) != n_layers:
        raise UserError(f"range exponents {list(given)} do not fit; give one for each of {n_layers} layers")
    for exponent in given:
        _check_settings({"range_exponent": exponent})
    return list(given)


def _feedback_exponents(
    rule: Rule, n_hidden: int, feedback_format: str, given: Sequence[int] | None
) -> list[int] | list[None]:
    """Return f of each hidden layer where feedback is imported, None for others."""
    if feedback_format != "imported" or not rule.stores_feedback:
        return [None] * n_hidden
    if given is None and n_hidden:
        raise UserError(
            "feedback 'imported' is taken from the words that learning starts from; give --start, or --feedback int8"
        )
    if rule.non_negative and n_hidden:
        raise UserError(
            f"rule '{rule.name}' keeps feedback at zero or above, which imported weights are not; give --feedback "
            "int8, or --rule dfa"
        )
    exponents = list(given or [])
    if len(exponents) != n_hidden:
        raise UserError(f"feedback exponents {exponents} do not fit; give one for each of {n_hidden} hidden layers")
    for exponent in exponents:
        _check_settings({"feedback_exponent": exponent})
    return exponents


def _signal_shift(
    rule: Rule, above: DenseLayer, last: DenseLayer, scale: int, imported: int | None = None
) -> tuple[int, int]:
    """Return f and s_m of the hidden layer below `above`, whose modulators have `scale` (contract, section 4).

    Parameters
    ----------
    imported : f of a feedback matrix that was taken from weights
    """
    if not rule.learns_hidden:
        return 0, 0
    of_errors = dict.fromkeys((Signal.ERROR, Signal.LOCAL_ERROR), last.delta_scale)
    signal_scale = (of_errors | {Signal.DELTA: above.delta_scale}).get(rule.signal, 0)
    if rule.weight_transport:
        return 0, signal_scale + above.word.bits - 1 - above.word.range_exponent - scale
    exponent = 0
    if rule.feedback is Feedback.LAYERWISE and not above.output:
        exponent = round(math.log2(math.sqrt(6 / above.n_out)))
    if rule.reads_out:  # sums of a readout spread by about 2, whatever the width
        exponent = round(math.log2(math.sqrt(45 / above.n_in)))
    exponent = exponent if imported is None else imported
    return exponent, signal_scale + 7 - exponent - scale


def _check_sums(spec: NetworkSpec) -> None:
    """Refuse a network whose exact sums could leave 32 bits."""
    for k, layer in enumerate(spec.layers, 1):
        word = 1 << (layer.word.bits - 1)
        largest = (layer.n_in * layer.input_max + layer.input_one) * word + (1 << max(layer.sum_shift - 1, 0))
        if largest >= 1 << 31:
            raise UserError(
                f"the accumulator of layer {k} could overflow: {layer.n_in} inputs of up to {layer.input_max} times "
                f"weights of up to {word} reach 2^{largest.bit_length() - 1}, more than 31 bits hold; "
                "use fewer --bits, fewer --input-bits or fewer inputs"
            )
    last = spec.layers[-1]
    word = 1 << (last.word.bits - 1) if spec.rule.weight_transport else 127
    constant = 1 << max(20, *(layer.signal_shift for layer in spec.layers))
    if spec.rule.learns_hidden and last.n_out * last.delta_reach * word + constant >= 1 << 31:
        raise UserError(
            f"the accumulator of the error signal could overflow: {last.n_out} errors of up to {last.delta_reach} "
            f"times weights of up to {word} reach more than 31 bits; use fewer --bits or fewer outputs"
        )


def _check_readouts(spec: NetworkSpec) -> None:
    """Refuse hidden layers whose readouts could leave 32 bits."""
    for k, layer in enumerate(spec.layers[:-1], 1):
        if spec.rule.reads_out and layer.n_out * 127 * 127 + (1 << layer.readout_shift - 1) >= 1 << 31:
            raise UserError(
                f"the accumulator of the readout of layer {k} could overflow: {layer.n_out} activations of up to 127 "
                "times weights of up to 127 reach more than 31 bits; use fewer neurons, at most 133,142, or another "
                "--rule"
            )


def _check_rates(spec: NetworkSpec) -> None:
    for k, layer in enumerate(spec.layers, 1):
        shift = layer.step_shift - (8 if spec.stochastic else 0)
        if layer.learns and layer.input_max * layer.delta_reach << max(-shift, 0) >= 1 << 31:
            raise UserError(
                f"the rate 2^{layer.rate} of layer {k} is too large for its word: a step could leave 32 bits; "
                "use a smaller --hidden-rate or --output-rate"
            )
        if not -20 <= layer.rate <= 0:
            raise UserError(
                f"the rate 2^{layer.rate} of layer {k} cannot be built; exponents from -20 to 0 are allowed"
            )
