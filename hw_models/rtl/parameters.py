"""Widths, places and constants of the engine in Verilog: the only place where they are derived from a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edgelearn.errors import UserError
from edgelearn.network.spec import NetworkSpec
from edgelearn.network.widths import ERROR_BITS
from edgelearn.rules.rule import Feedback, Rule, Signal

SIGNALS = {
    Signal.NONE: 0,
    Signal.TARGET: 1,
    Signal.ERROR: 2,
    Signal.SIGN_ERROR: 3,
    Signal.DELTA: 4,
    Signal.SIGNED_TARGET: 5,
    Signal.LOCAL_ERROR: 6,
}
FEEDBACKS = {Feedback.NONE: 0, Feedback.DIRECT: 1, Feedback.LAYERWISE: 1, Feedback.TRANSPOSE: 2}
UPDATE_GATES = {"always": 0, "error": 1, "margin": 2}


def refuse(spec: NetworkSpec) -> None:
    """Refuse a network that the engine does not compute.

    Raises
    ------
    UserError
        "the engine in Verilog has no ...", with what to give instead
    """
    if spec.is_convolutional:
        raise UserError("the engine in Verilog has no convolutions; give layer sizes, for example --net 64-32-10")
    if spec.is_graded:
        raise UserError(f"the engine in Verilog has no graded targets (task {spec.task}); give data with classes")
    if len(set(spec.named)) > 1:
        raise UserError(f"the engine in Verilog has one rule for all hidden layers, not {spec.rule_name}; give one")


def bits_for(n: int) -> int:
    """Return the bits of an unsigned word that counts to n - 1, at least 1."""
    return max(1, (n - 1).bit_length())


@dataclass(frozen=True)
class Parameters:
    """Constants of the engine of one network.

    Parameters
    ----------
    spec : of dense layers and classes, one rule
    halves : whether the rate may be halved while it runs
    halvings : of the rate, where it stays as it is
    """

    spec: NetworkSpec
    halves: bool = False
    halvings: int = 0

    def __post_init__(self) -> None:
        refuse(self.spec)

    @property
    def rule(self) -> Rule:
        """The row of the hidden layers that form a d; of none, one without a signal."""
        return next((row for row in self.spec.rules if row.learns_hidden), self.spec.layers[-1].rule)

    @cached_property
    def forms(self) -> list[bool]:
        """Whether each layer is a hidden one that forms a d."""
        return [layer.rule.learns_hidden and not layer.output for layer in self.spec.layers]

    @property
    def signal(self) -> Signal:
        return self.rule.signal if any(self.forms) else Signal.NONE

    @property
    def fused(self) -> bool:
        """Whether hidden layers are updated neuron by neuron in the forward pass: their signal is the label's."""
        return any(self.forms) and self.rule.from_label and not self.spec.gated

    @property
    def regenerates(self) -> bool:
        """Whether a shift register makes the feedback: one row, neuron after neuron, is all that the rule takes."""
        return self.fused and self.rule.selects_row and self.spec.feedback_format == "lfsr"

    @property
    def stored_bits(self) -> int:
        return self.view_bits + self.residual_bits

    @property
    def view_bits(self) -> int:
        return self.spec.layers[0].word.bits

    @property
    def residual_bits(self) -> int:
        """Residual bits in memory: those of the layer that has most."""
        return max(layer.word.residual_bits for layer in self.spec.layers)

    @property
    def strides(self) -> list[int]:
        return [layer.n_in + 1 for layer in self.spec.layers]

    @property
    def bases(self) -> list[int]:
        """Address of the first word of each layer."""
        return _starts([layer.n_out * (layer.n_in + 1) for layer in self.spec.layers])

    @property
    def n_words(self) -> int:
        return sum(layer.n_out * (layer.n_in + 1) for layer in self.spec.layers)

    @property
    def feedback_strides(self) -> list[int]:
        """Feedback words of a neuron of each layer; of a lane, where the layer has a readout."""
        n_layers = len(self.spec.layers)
        stored = [k < n_layers - 1 and self.forms[k] and not self.regenerates for k in range(n_layers)]
        if self.rule.reads_out:
            return [self.spec.layers[k].n_out if stored[k] else 0 for k in range(n_layers)]
        return [self.spec.feedback_rows(k) if stored[k] else 0 for k in range(n_layers)]

    @property
    def feedback_bases(self) -> list[int]:
        return _starts(self._feedback_sizes)

    @property
    def n_feedback(self) -> int:
        return sum(self._feedback_sizes)

    @property
    def _feedback_sizes(self) -> list[int]:
        per = [self.spec.n_outputs if self.rule.reads_out else layer.n_out for layer in self.spec.layers]
        return [stride * n for stride, n in zip(self.feedback_strides, per, strict=True)]

    @property
    def holds_gates(self) -> list[bool]:
        spec = self.spec
        return [self.forms[k] and spec.holds_gates(k) for k in range(len(spec.layers))]

    @property
    def event_bases(self) -> list[int]:
        """Address of the first event of each layer, in the memory of its parity."""
        sizes = [layer.n_in for layer in self.spec.layers]
        return [sum(sizes[k % 2 : k : 2]) for k in range(len(sizes))]

    def event_words(self, parity: int) -> int:
        return max(1, sum(layer.n_in for layer in self.spec.layers[parity::2]))

    @property
    def gate_sizes(self) -> list[int]:
        return [layer.n_out if held else 0 for layer, held in zip(self.spec.layers, self.holds_gates, strict=True)]

    @property
    def delta_sizes(self) -> list[int]:
        """Places for errors, and for deltas of hidden layers that wait."""
        places = {Signal.DELTA: [layer.n_out for layer in self.spec.layers]}
        places[Signal.LOCAL_ERROR] = [self.spec.n_outputs] * len(self.spec.layers)
        hidden = places.get(self.signal, [0] * len(self.spec.layers))
        layers = zip(self.spec.layers, self.forms, hidden, strict=True)
        return [layer.n_out if layer.output else own * forms for layer, forms, own in layers]

    @property
    def error_bits(self) -> int:
        return min(ERROR_BITS, self.spec.delta_bits)

    @property
    def delta_bits(self) -> int:
        """Width of d and of errors beside it."""
        return max(self.error_bits, *(layer.delta_width for layer in self.spec.layers))

    @property
    def modulator_bits(self) -> int:
        """Width of m: that of a word of feedback where it is one."""
        widest = max(layer.modulator_bits for layer in self.spec.layers)
        return min(widest, 8) if self.rule.selects_row else widest

    @property
    def level_bits(self) -> int:
        """Width of an input level, as the port takes it."""
        first = self.spec.layers[0]
        return first.input_one.bit_length() + self.spec.signed_inputs

    @property
    def input_bits(self) -> int:
        """Width of a signed word that holds inputs of any layer."""
        return max(max(layer.input_max, layer.input_one).bit_length() + 1 for layer in self.spec.layers)

    @property
    def index_bits(self) -> int:
        """Width of the number of an input or neuron, and of the length of a list."""
        return max(bits_for(max(self.spec.sizes) + 2), self.label_bits + 1, bits_for(self.n_keys + 1), 2)

    @property
    def label_bits(self) -> int:
        return max(2, bits_for(self.spec.n_classes))

    @property
    def n_keys(self) -> int:
        return max(layer.n_out for layer in self.spec.layers)

    def scalars(self) -> dict[str, int]:
        """Return single constants by name."""
        spec = self.spec
        left = max([0, *(-layer.sum_shift for layer in spec.layers), *(-layer.signal_shift for layer in spec.layers)])
        assert min(self._readout_shifts) >= 0, "never negative"
        step_left = max([0, *(-shift for shift in self.step_shifts)])
        first = self.bases
        assert first[0] == 0
        return {
            "LAYERS": len(spec.layers),
            "KW": bits_for(len(spec.layers)),
            "NW": self.index_bits,
            "CW": self.label_bits,
            "LW": self.level_bits,
            "XW": self.input_bits,
            "VB": self.view_bits,
            "RB": self.residual_bits,
            "RB1": max(1, self.residual_bits),
            "DW": self.delta_bits,
            "EW": self.error_bits,
            "MW": self.modulator_bits,
            "MA": max(self.input_bits, self.delta_bits, self.modulator_bits),
            "MB": max(self.view_bits, self.input_bits, 8),
            "ACC": spec.accumulator_bits,
            "WAW": bits_for(max(self.n_words, self.n_feedback if self.rule.reads_out else 0)),
            "FAW": bits_for(max(self.n_feedback, 2)),
            "EAW": bits_for(max(self.event_words(0), self.event_words(1))),
            "GAW": bits_for(max(sum(self.gate_sizes), 2)),
            "DAW": bits_for(max(sum(self.delta_sizes), 2)),
            "WORDS": self.n_words,
            "FEEDBACK_WORDS": self.n_feedback,
            "E_DEPTH0": self.event_words(0),
            "E_DEPTH1": self.event_words(1),
            "G_DEPTH": max(1, sum(self.gate_sizes)),
            "D_DEPTH": max(1, sum(self.delta_sizes)),
            "KEYS": self.n_keys,
            "N_OUTPUTS": spec.n_outputs,
            "SIGNAL": SIGNALS[self.signal],
            "FEEDBACK": FEEDBACKS[self.rule.feedback] if any(self.forms) else 0,
            "FUSED": int(self.fused),
            "SOFTMAX": int(spec.output == "softmax"),
            "SHARE_BITS": 16 + bits_for(spec.n_outputs + 1),
            "LFSR": int(self.regenerates),
            "LFSR_DEPTH": len(spec.layers) << self.label_bits,
            "STOCHASTIC": int(spec.stochastic),
            "HALVES": int(self.halves),
            "SIGNED_INPUTS": int(spec.signed_inputs),
            "SIGN_INFERENCE": int(spec.hidden_inference == "sign"),
            "UPDATE_GATE": UPDATE_GATES[spec.update_gate],
            "MARGIN": spec.margin,
            "DEAD_ZONE": spec.dead_zone,
            "LOCAL_DEAD_ZONE": spec.readout_dead_zone,
            "SUM_LEFT": left,
            "STEP_LEFT": step_left,
        }

    @property
    def step_shifts(self) -> list[int]:
        """Return k of each layer, or with 8 fraction bits less; 0 in layers that never learn."""
        fraction = 8 if self.spec.stochastic else 0
        shifts = [layer.step_shift + self.halvings for layer in self.spec.layers]
        learns = [layer.learns for layer in self.spec.layers]
        return [(min(s, 30) - fraction) if learned else 0 for s, learned in zip(shifts, learns, strict=True)]

    def vectors(self) -> dict[str, tuple[int, list[int]]]:
        """Return constants of layers by name: (bits of an entry, entries, those of layer 1 first)."""
        spec, sized = self.spec, self.scalars()
        layers = spec.layers
        nw, waw, faw, xw = (sized[name] for name in ("NW", "WAW", "FAW", "XW"))
        return {
            "N_INS": (nw, [layer.n_in for layer in layers]),
            "N_OUTS": (nw, [layer.n_out for layer in layers]),
            "W_BASES": (waw, self.bases),
            "W_STRIDES": (waw, self.strides),
            "F_BASES": (faw, self.feedback_bases),
            "F_STRIDES": (faw, self.feedback_strides),
            "E_BASES": (sized["EAW"], self.event_bases),
            "G_BASES": (sized["GAW"], _starts(self.gate_sizes)),
            "D_BASES": (sized["DAW"], _starts(self.delta_sizes)),
            "ONES": (xw, [layer.input_one for layer in layers]),
            "SUM_SHIFTS": (8, [layer.sum_shift for layer in layers]),
            "SIGNAL_SHIFTS": (8, self._signal_shifts),
            "READOUT_SHIFTS": (8, self._readout_shifts),
            "STEP_SHIFTS": (8, self.step_shifts),
            "M_MAX": (16, [layer.modulator_max for layer in layers]),
            "D_MAX": (16, [layer.delta_max for layer in layers]),
            "FORMS": (1, [int(forms) for forms in self.forms]),
            "LEARNS": (1, [int(layer.learns) for layer in layers]),
            "WEIGHTS_LEARN": (1, [int(layer.learned == "all") for layer in layers]),
            "HOLDS_GATES": (1, [int(held) for held in self.holds_gates]),
            "NON_NEGATIVE": (1, [int(layer.non_negative) for layer in layers]),
        }

    @property
    def _readout_shifts(self) -> list[int]:
        """Return s_l of hidden layers with a readout, 0 of others."""
        reads_out = self.rule.reads_out
        return [
            layer.readout_shift(self.spec.output) if reads_out and not layer.output else 0 for layer in self.spec.layers
        ]

    @property
    def _signal_shifts(self) -> list[int]:
        """Return s_m of hidden layers; a selected word of feedback is never shifted to the left."""
        lowest = 0 if self.rule.selects_row else -128
        return [0 if layer.output else max(layer.signal_shift, lowest) for layer in self.spec.layers]


def _starts(sizes: Sequence[int]) -> list[int]:
    """Return where parts of these sizes begin; of an empty one at the end, the start."""
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return [int(start) if size else 0 for start, size in zip(starts, sizes, strict=True)]
