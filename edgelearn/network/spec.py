"""Network specification: derives formats and shifts from a topology and a rule.

`design` also proves that no exact sum can overflow. `edgelearn.network.state` turns a specification into arrays.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgelearn.errors import UserError, unknown
from edgelearn.fixedpoint.qformat import WeightFormat
from edgelearn.network import graded
from edgelearn.network.activations import OUTPUTS, find_activation
from edgelearn.network.convolutions import (
    FEEDBACK_KINDS,
    KERNELS,
    TEACHES,
    ConvolutionSettings,
    check_convolutions,
    kernel_masks,
)
from edgelearn.network.graded import CLASSIFY, TASKS
from edgelearn.network.kernels.arrays import padded
from edgelearn.network.layer import LINEAR_SCALE, ConvLayer, DenseLayer, Layer
from edgelearn.network.limits import check_spec
from edgelearn.network.teaching import EVERYTHING, FROZEN, effective_rules, rules_of
from edgelearn.network.topology import Convolution, Dense, Topology, parse_topology
from edgelearn.network.widths import ERROR_BITS, WIDEST, Terms, hidden_reach, hidden_words, modulator_scale
from edgelearn.network.window import Window
from edgelearn.rules.catalog import find_rule
from edgelearn.rules.rule import Feedback, Locking, Rule, Signal

CONTRACT = 1  # version of docs/arithmetic.md
ROUNDINGS = ("residual", "stochastic", "nearest")
FEEDBACK_FORMATS = ("int8", "ternary", "sign", "lfsr")  # drawn, or regenerated from a seed
FEEDBACKS = (*FEEDBACK_FORMATS, "imported")
UPDATE_GATES = ("always", "error", "margin", "normal")
HIDDEN_INFERENCE = ("full", "sign")
MAX_NEURONS = 500_000  # kernels count pairs of rows in 16-bit lanes, which must not wrap; memory ends earlier

_CHOICES = {
    "rounding": ROUNDINGS,
    "output": OUTPUTS,
    "feedback_format": FEEDBACKS,
    "update_gate": UPDATE_GATES,
    "hidden_inference": HIDDEN_INFERENCE,
    "kernels": KERNELS,
    "feedback_kind": FEEDBACK_KINDS,
    "teach": TEACHES,
    "task": TASKS,
}
_RANGES = {
    "input_bits": (1, 8),
    "accumulator_bits": (8, 32),
    "delta_bits": (2, WIDEST),
    "range_exponent": (-8, 8),
    "feedback_exponent": (-15, 15),
    "event_threshold": (0, 126),
    "dead_zone": (0, 254),
    "local_dead_zone": (0, 254),
    "seed": (0, 2**31 - 1),
    "margin": (0, 255),
}
# Weights of few bits cover a smaller range: (hidden, output) range exponents, measured on MNIST.
_RANGE_EXPONENTS = {2: (-2, -1), 3: (-1, -1), 4: (-1, 0)}


@dataclass(frozen=True)
class NetworkSpec:
    """Specification of a network, without arrays.

    Parameters
    ----------
    named : rule of each hidden layer as named; of a network without hidden layers, the one that was named for it
    layers : each with the row that it acts by, and which of its words learn
    learn : "all", or "all", "bias" or "none" per layer, e.g. "none+all"

    Raises (in `design`)
    --------------------
    UserError
        For shapes, widths and rates that cannot be built, with what to change.
    """

    named: tuple[Rule, ...]
    layers: tuple[Layer, ...]
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
    learn: str = EVERYTHING
    hidden_inference: str = "full"
    local_dead_zone: int | None = None
    task: str = CLASSIFY

    @property
    def is_graded(self) -> bool:
        """Whether targets are numbers, of each output one, in place of a class."""
        return self.task != CLASSIFY

    @property
    def target_max(self) -> int:
        """Largest word of a graded target; 0 where targets are classes."""
        return graded.target_max(self.task, self.output)

    @property
    def target_range(self) -> tuple[int, int]:
        """Lowest and highest word of a graded target."""
        return (-self.target_max if self.output == "linear" else 0, self.target_max)

    @property
    def target_shift(self) -> int:
        """Shift from an input level to the target of its reconstruction."""
        return LINEAR_SCALE - self.layers[0].input_scale

    def projects_targets(self, row: Rule) -> bool:
        """Return whether a rule takes the sum of all words of a target through its feedback."""
        return self.is_graded and row.selects_row

    @property
    def sizes(self) -> tuple[int, ...]:
        """Neurons from inputs to outputs; of a convolution the elements of its maps behind the pooling."""
        return (self.layers[0].n_in, *(layer.n_out for layer in self.layers))

    @property
    def is_convolutional(self) -> bool:
        """Whether the first layer is a convolution."""
        return self.layers[0].is_convolution

    @property
    def topology(self) -> Topology:
        """Shapes and kinds of the layers."""
        first = self.layers[0]
        inputs: tuple[int, int, int] | int = first.n_in
        if isinstance(first, ConvLayer):
            inputs = first.window.height, first.window.width, first.window.channels
        layers: list[Convolution | Dense] = []
        for layer in self.layers:
            if isinstance(layer, ConvLayer):
                w = layer.window
                layers.append(
                    Convolution(w.maps, w.kernel_height, w.kernel_width, w.stride, w.padding, w.pool, w.pooling)
                )
            else:
                layers.append(Dense(layer.n_out))
        return Topology(inputs, tuple(layers))

    @property
    def net(self) -> str:
        """The topology as text, e.g. 784-500-10 or 28x28x1-conv16x5x5-pool2-fc128-10."""
        return str(self.topology)

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
        """Output neurons: one for two classes with a single output."""
        return self.layers[-1].n_out

    @property
    def n_classes(self) -> int:
        """Classes that the outputs tell apart."""
        return max(2, self.n_outputs)

    @property
    def stochastic(self) -> bool:
        """Whether updates are rounded at random."""
        return self.rounding == "stochastic"

    @property
    def readout_dead_zone(self) -> int:
        """Largest local error treated as zero; the dead zone of the outputs where none is given."""
        return self.dead_zone if self.local_dead_zone is None else self.local_dead_zone

    @property
    def gated(self) -> bool:
        """Whether samples may be predicted and not learned."""
        return self.update_gate != "always"

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Rows that hidden layers act by."""
        return tuple(layer.rule for layer in self.layers[:-1])

    @property
    def rule(self) -> Rule:
        """The row that all hidden layers act by.

        Raises
        ------
        UserError
            "a network with ... takes a rule per layer", where they differ
        """
        rows = self._rows
        if any(row != rows[0] for row in rows):
            names = ", ".join(row.name for row in rows)
            raise UserError(f"hidden layers by different rules ({names}) are not possible here; give a single --rule")
        return rows[0]

    @property
    def is_mixed(self) -> bool:
        """Whether hidden layers have different rules, or some words are frozen by a mask."""
        return self.learn != EVERYTHING or len(set(self.named)) > 1

    @property
    def rule_name(self) -> str:
        """The rule as named: one for all hidden layers, or one per layer, e.g. dfa+drtp."""
        names = [row.name for row in self.named]
        return names[0] if len(set(names)) == 1 else "+".join(names)

    @property
    def _rows(self) -> tuple[Rule, ...]:
        """Rows of hidden layers; of a network without, the rule that was named for it."""
        return self.rules or self.named

    @property
    def locking(self) -> Locking:
        """What hidden layers wait for at most."""
        return max((self._locking(row) for row in self._rows), key=list(Locking).index)

    def locking_of(self, k: int) -> Locking:
        """Return what hidden layer k (counted from 0) waits for."""
        return self._locking(self.layers[k].rule)

    def _locking(self, row: Rule) -> Locking:
        """Return what a row waits for: a gate is known after the prediction, so all layers wait at least for that."""
        if self.gated and row.learns_hidden and row.locking in (Locking.NONE, Locking.LAYER):
            return Locking.UPDATE
        return row.locking

    @property
    def last_to_first(self) -> bool:
        """Whether layers update from the last to the first: where any takes the delta of the layer above."""
        return any(row.last_to_first for row in self._rows)

    def waits_for_above(self, k: int) -> bool:
        """Return whether d of hidden layer k waits for the output or for the layer above."""
        return self.locking_of(k) in (Locking.UPDATE, Locking.BACKWARD)

    def holds_inputs(self, k: int) -> bool:
        """Return whether inputs of hidden layer k wait in memory for its update; biases alone need none."""
        return self.waits_for_above(k) and self.layers[k].learned == EVERYTHING

    def holds_gates(self, k: int) -> bool:
        """Return whether gates g wait in memory: exactly where hidden layer k waits for its teaching signal."""
        return self.locking_of(k) is not Locking.NONE

    def holds_winners(self, k: int) -> bool:
        """Return whether winners of a pooling wait in memory: with the gates, where d acts at the winner alone."""
        layer = self.layers[k]
        return (
            isinstance(layer, ConvLayer)
            and layer.window.takes_winners
            and layer.teach == "elements"
            and self.holds_gates(k)
        )

    def sends_delta(self, k: int) -> bool:
        """Return whether the hidden layer below takes d of hidden layer k as its teaching signal."""
        return 0 < k < len(self.layers) - 1 and self.layers[k - 1].rule.holds_deltas

    def holds_deltas(self, k: int) -> bool:
        """Return whether d of hidden layer k is stored: it takes a delta or gives one."""
        return self.layers[k].rule.holds_deltas or self.sends_delta(k)

    def regenerates(self, k: int) -> bool:
        """Return whether a shift register regenerates the feedback of hidden layer k."""
        return self.layers[k].rule.stores_feedback and self.feedback_format == "lfsr"

    @property
    def regenerates_feedback(self) -> bool:
        """Whether a shift register regenerates feedback of any layer."""
        return self.feedback_format == "lfsr" and any(row.stores_feedback for row in self._rows)

    @property
    def holds_feedback(self) -> bool:
        """Whether any layer has fixed feedback, stored or regenerated."""
        return any(row.stores_feedback for row in self.rules)

    def feedback_rows(self, k: int) -> int:
        """Return the signal lanes of hidden layer k (counted from 0), maps of a convolution above: rows of B."""
        return self.layers[k].rule.feedback_rows(self.layers[k + 1].n_columns, self.n_outputs)

    def feedback_columns(self, k: int) -> int:
        """Return the words of a row of B of hidden layer k: one per gate, per map, or of the kernel of a map above."""
        layer, above = self.layers[k], self.layers[k + 1]
        if layer.rule.feedback is Feedback.LAYERWISE:
            return above.fan_in
        return layer.n_columns if isinstance(layer, ConvLayer) and layer.shares_feedback else layer.n_gates


def parse_net(text: str, what: str = "such a network") -> tuple[int, ...]:
    """Return the layer sizes of a text like '784-500-10'; `what` has them, for the message.

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
        if re.search(r"conv\d|pool\d|CONV_", text):
            raise UserError(f"net '{text}' has convolutions, and {what} has none; write sizes such as 784-500-10")
        raise UserError(f"net '{text}' cannot be read; write layer sizes from input to output, for example 784-500-10")
    return sizes


def default_residual_bits(bits: int, rounding: str) -> int:
    """Return the residual bits of a rounding: as many as fit, up to 8, or none where steps are rounded away."""
    return min(8, 16 - bits) if rounding == "residual" else 0


def design(
    sizes: Sequence[int] | str | Topology,
    rule: str = "drtp",
    bits: int = 8,
    rounding: str = "residual",
    residual_bits: int | None = None,
    input_bits: int = 4,
    activation: str = "tanh",
    output: str | None = None,
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
    learn: str = EVERYTHING,
    hidden_inference: str = "full",
    local_dead_zone: int | None = None,
    kernels: str = "learn",
    kernel_rate: int | None = None,
    kernel_bias: bool = False,
    feedback_kind: str = "element",
    teach: str = "elements",
    task: str = CLASSIFY,
) -> NetworkSpec:
    """Derive the specification of a network.

    Parameters
    ----------
    sizes : layer sizes from inputs to outputs, or a topology, e.g. "28x28x1-conv16x5x5-pool2-fc128-10"
    rule : of all hidden layers, or one per hidden layer from the first, e.g. "dfa+drtp"
    bits, residual_bits : weight word; residual bits follow the rounding when left out
    output : when left out, sigmoid, and linear with graded targets
    hidden_rate, output_rate : exponents of two; when left out, starting points of a layer's own rule, and for the
        output layer of the rule below it
    range_exponent : weights cover +-2^range_exponent; chosen by `bits` when left out
    update_gate : which samples are learned: "always", "error" (those predicted wrong), or "margin" (those whose label
        does not lead by more than `margin` index steps of 1/16), or with graded targets "normal" (those without alarm)
    signed_inputs : input levels run from -(2^(input_bits - 1) - 1) to the same above zero
    delta_bits : widest factor of learning: modulator and d of hidden layers, and the error where it has fewer than 9
    range_exponents : of each layer, where they are not all by `range_exponent`
    feedback_exponents : f of each hidden layer, for the feedback format "imported"; see `edgelearn.network.imported`
    learn : words that learn, see `edgelearn.network.teaching.learned_of`; frozen weights have view bits only
    hidden_inference : hidden activations of samples without a label: "full", or "sign", +-1.0
    local_dead_zone : largest local error treated as zero (1/255); that of the outputs when left out
    kernels, kernel_rate, kernel_bias, feedback_kind, teach : of convolutions, see
        `edgelearn.network.convolutions.ConvolutionSettings`
    task : "classify"; or with graded targets "regression", or "reconstruct", whose target is the input

    Example
    -------
    >>> spec = design((64, 32, 10), rule="dfa", bits=8)
    >>> [layer.step_shift for layer in spec.layers]
    [8, 8]
    >>> design("28x28x1-conv16x5x5-pool2-fc128-10", rule="bp").sizes
    (784, 3136, 128, 10)
    """
    output = output or ("sigmoid" if task == CLASSIFY else "linear")
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
        "hidden_inference": hidden_inference,
        "local_dead_zone": local_dead_zone,
        "task": task,
    }
    own = ConvolutionSettings(kernels, kernel_rate, kernel_bias, feedback_kind, teach)
    others = {"range_exponent": range_exponent or 0, "local_dead_zone": local_dead_zone or 0}
    _check_settings(settings | vars(own) | others)
    sizes, windows = _shapes_of(sizes, output)
    graded.check(settings, sizes, windows, rule)
    target_max = graded.target_max(task, output)
    if residual_bits is None:
        residual_bits = default_residual_bits(bits, rounding)
    _check_residual_bits(residual_bits, bits, rounding)
    n_hidden = len(sizes) - 2
    named, masks = rules_of(rule, n_hidden), kernel_masks(learn, windows, own)
    settings["learn"] = EVERYTHING if set(masks) == {EVERYTHING} else "+".join(masks)
    rows = effective_rules(named[:n_hidden], masks)
    check_convolutions(own, rows, masks, windows)
    hidden = find_activation(activation)
    exponents = _RANGE_EXPONENTS.get(bits, (0, 0)) if range_exponent is None else (range_exponent, range_exponent)
    ranges = _range_exponents(len(sizes) - 1, exponents, range_exponents)
    imported = _feedback_exponents(rows, windows, feedback_format, feedback_exponents)
    level_bits = input_bits - 1 if signed_inputs else input_bits  # a sign takes one
    top = (1 << level_bits) - 1
    terms = _terms(sizes, windows, top)
    hidden_bits = hidden_words(rows, terms, bits, min(ranges[:-1] or ranges), delta_bits)
    error_bits = min(ERROR_BITS, delta_bits)
    # words under a frozen rule alone have residual bits, which take no part
    keeps_residuals = settings["learn"] == EVERYTHING and len(set(named)) == 1
    gate_max = int(hidden.table()[1].max())
    layers: list[Layer] = []
    for k in reversed(range(len(sizes) - 1)):  # from the last, whose d the layer below needs
        first, last, n_in, n_out, window = k == 0, not layers, sizes[k], sizes[k + 1], windows[k]
        row = find_rule(FROZEN) if last else rows[k]
        learned = masks[k] if last or named[k].learns_hidden else "none"
        rate = graded.rates_of((rows or named)[-1] if last else row, task)[last]
        given = output_rate if last else hidden_rate
        rate = rate if given is None else given
        scale = modulator_scale(row, delta_bits, target_max)
        feedback_exponent, signal_shift, reach = 0, ERROR_BITS - error_bits, (1 << (error_bits - 1)) - 1
        if not last:
            feedback_exponent, signal_shift = _signal_shift(row, layers[0], layers[-1], scale, imported[k], target_max)
            reach = hidden_reach(
                row,
                layers[0],
                layers[-1],
                feedback_format,
                signal_shift,
                gate_max,
                accumulator_bits,
                ((1 << (delta_bits - 1)) - 1, (1 << (hidden_bits[k] - 1)) - 1),
                target_max,
            )
        non_negative = any(below.non_negative for below in rows[:k])
        sparse = not hidden.dense or (windows[k - 1] is not None and not kernel_bias)  # the empty background stays zero
        by_event = _rows_are_inputs(n_in, n_out) if first else sparse and n_out >= 64
        shared: dict[str, Any] = {
            "n_in": n_in,
            "n_out": n_out,
            "rule": row,
            "learned": learned,
            "word": WeightFormat(bits, residual_bits if learned != "none" or keeps_residuals else 0, ranges[k]),
            "activation": output if last else activation,
            "output": last,
            "input_one": top if first else hidden.one,
            "input_scale": (0 if level_bits == 1 else level_bits) if first else hidden.scale,
            "input_max": top if first else 127,
            "output_scale": hidden.scale,
            "rate": rate if window is None else own.rate(row, rate),
            "delta_scale": error_bits - 1 if last else scale,
            "delta_bits": error_bits if last else hidden_bits[k],
            "modulator_bits": delta_bits,
            "delta_reach": reach,
            "feedback_exponent": feedback_exponent,
            "signal_shift": signal_shift,
            "non_negative": non_negative,
            "signed_levels": first and signed_inputs,
        }
        if window is None:
            layers.insert(0, DenseLayer(event_major=by_event and not non_negative, **shared))
        else:
            layers.insert(0, ConvLayer(event_major=True, **shared, **own.of_layer(row, window)))
    spec = NetworkSpec(named, tuple(layers), **settings)
    check_spec(spec, hidden)
    return spec


def _shapes_of(net: Sequence[int] | str | Topology, output: str) -> tuple[tuple[int, ...], tuple[Window | None, ...]]:
    """Return the flat sizes of a network, and the window of each layer, None of a dense one."""
    if isinstance(net, str):
        net = parse_topology(net)
    sizes = net.sizes if isinstance(net, Topology) else tuple(net)
    windows = net.windows if isinstance(net, Topology) else (None,) * (len(sizes) - 1)
    for k, window in enumerate(windows):
        if isinstance(net, Topology) and window is not None and window.positions * window.maps > MAX_NEURONS:
            raise _too_many_sums(net, k)
    _check_sizes(sizes, output)
    return sizes, windows


def _too_many_sums(net: Topology, k: int) -> UserError:
    """Return the error of a convolution of too many sums, with the nearest net: padding that sees zeros alone goes."""
    fits = net.trimmed
    advice = "use fewer maps, or a stride" if fits == net else "use less padding"
    own, window, layers = fits.layers[k], fits.windows[k], list(fits.layers)
    assert isinstance(own, Convolution)
    assert window is not None
    maps = min(own.maps, MAX_NEURONS // window.positions)
    layers[k] = replace(own, maps=max(maps, 1))
    hint = f"; try --net {replace(net, layers=tuple(layers))}" if maps else ", or smaller inputs"
    was = net.windows[k]
    assert was is not None
    return UserError(
        f"convolution {k + 1} has {was.positions * was.maps:,} sums; positions times maps are {MAX_NEURONS:,} at most: "
        f"{advice}{hint}"
    )


def _terms(sizes: Sequence[int], windows: Sequence[Window | None], top: int) -> list[Terms]:
    """Return what bounds d of each hidden layer: the sums that it enters."""
    found = []
    for k, window in enumerate(windows[:-1]):
        above = windows[k + 1]
        found.append(
            Terms(
                signals=sizes[k + 2] if above is None else above.kernel_height * above.kernel_width * above.maps,
                to_output=k == len(windows) - 2,
                shift=0 if above is None else above.pool_shift,
                positions=0 if window is None else window.full_height * window.full_width,
                input_max=top if k == 0 else 127,
            )
        )
    return found


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
    rules: Sequence[Rule], windows: Sequence[Window | None], feedback_format: str, given: Sequence[int] | None
) -> list[int | None]:
    """Return f of each hidden layer whose feedback is imported, None for others."""
    if feedback_format != "imported" or not any(rule.stores_feedback for rule in rules):
        return [None] * len(rules)
    if given is None:
        raise UserError(
            "feedback 'imported' is taken from the words that learning starts from; give --start, or --feedback int8"
        )
    for rule, window in zip(rules, windows, strict=False):
        if rule.non_negative:
            raise UserError(
                f"rule '{rule.name}' keeps feedback at zero or above, which imported weights are not; give --rule dfa"
            )
        if window is not None and rule.stores_feedback:
            raise UserError(
                "feedback 'imported' of a convolution is not possible; give --feedback lfsr or int8, or "
                "--kernels frozen"
            )
    exponents = list(given)
    if len(exponents) != len(rules):
        raise UserError(f"feedback exponents {exponents} do not fit; give one for each of {len(rules)} hidden layers")
    for exponent in exponents:
        _check_settings({"feedback_exponent": exponent})
    return [exponent if rule.stores_feedback else None for exponent, rule in zip(exponents, rules, strict=True)]


def _signal_shift(
    rule: Rule, above: Layer, last: Layer, scale: int, imported: int | None = None, target_max: int = 0
) -> tuple[int, int]:
    """Return f and s_m of the hidden layer below `above`, whose modulators have `scale` (contract, section 4).

    Parameters
    ----------
    imported : f of a feedback matrix that was taken from weights
    target_max : largest word of a graded target, which has 8 fraction bits; 0 where targets are classes
    """
    if not rule.learns_hidden:
        return 0, 0
    of_errors = dict.fromkeys((Signal.ERROR, Signal.LOCAL_ERROR), last.delta_scale)
    if target_max:
        of_errors[Signal.TARGET] = LINEAR_SCALE
    signal_scale = (of_errors | {Signal.DELTA: above.delta_scale + above.shared_shift}).get(rule.signal, 0)
    if rule.weight_transport:
        return 0, signal_scale + above.word.bits - 1 - above.word.range_exponent - scale
    exponent = 0
    if rule.feedback is Feedback.LAYERWISE and not above.output:
        exponent = round(math.log2(math.sqrt(6 / above.n_signals)))
    if rule.reads_out:  # sums of a readout spread by about 2, whatever the width
        exponent = round(math.log2(math.sqrt(45 / above.n_in)))
    exponent = exponent if imported is None else imported
    return exponent, signal_scale + 7 - exponent - scale
