"""Specification of a layer, dense or convolutional: shapes, formats and shifts, no arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgelearn.fixedpoint.qformat import WeightFormat
from edgelearn.network.window import Window
from edgelearn.rules.rule import Rule

INDEX_SCALE_HIDDEN = 5  # one step of q is 2^-5 of z in a hidden layer
INDEX_SCALE_OUTPUT = 4  # and 2^-4 in the output layer, whose sums are wider
LINEAR_SCALE = 8  # one step of a linear output is 2^-8


def output_index_scale(output: str) -> int:
    """Return the fraction bits of what an output is made from: an index of its table, or its linear word."""
    return LINEAR_SCALE if output == "linear" else INDEX_SCALE_OUTPUT


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer of the network: what dense and convolutional layers share.

    Parameters
    ----------
    n_in, n_out : inputs, and neurons or elements: what the next layer reads
    rule : row that a hidden layer acts by; that of frozen layers where it forms no d, and in the output layer
    learned : words that learn: "all", "bias" or "none"
    word : format of biases, and of weights where they learn
    activation : name; "sigmoid", "softmax" or "linear" in the output layer
    input_one : raw 1.0 of an input, the level of the bias
    input_scale : A, binary scale of an input
    input_max : largest raw input, for the proof that sums fit
    output_scale : binary scale of an activation of the layer, A of the next one; unused in the output layer
    rate : the learning rate is 2^rate
    delta_scale : D, binary scale of d
    modulator_bits : width of the word that m saturates at
    delta_bits : width of the word that d saturates at
    delta_reach : largest |d| the rule can give, at most what delta_bits hold; 0 in a layer that never learns
    feedback_exponent : f of the layer's feedback matrix
    signal_shift : s_m; 0 where the rule does not shift; of the output layer, the bits that an error loses
    non_negative : whether weights stop at zero
    signed_levels : whether inputs are levels that may be negative; activations always may
    event_major : whether a row of words in memory is an input; else a neuron
    """

    n_in: int
    n_out: int
    rule: Rule
    learned: str
    word: WeightFormat
    activation: str
    output: bool
    input_one: int
    input_scale: int
    input_max: int
    output_scale: int
    rate: int
    delta_scale: int
    modulator_bits: int
    delta_bits: int
    delta_reach: int
    feedback_exponent: int
    signal_shift: int
    non_negative: bool
    event_major: bool
    signed_levels: bool = False

    @property
    def learns(self) -> bool:
        """Whether any word of the layer learns."""
        return self.learned != "none"

    @property
    def weight_word(self) -> WeightFormat:
        """Format of weights: view bits alone where biases learn and weights do not."""
        return replace(self.word, residual_bits=0) if self.learned == "bias" else self.word

    @property
    def sum_shift(self) -> int:
        """s_z of the contract: from the sum to the table index, or to a linear output; negative is a left shift."""
        index = output_index_scale(self.activation) if self.output else INDEX_SCALE_HIDDEN
        return self.input_scale + (self.word.bits - 1) - self.word.range_exponent - index + self.pool_shift

    def readout_shift(self, output: str) -> int:
        """Return s_l of the contract: from the sum of a hidden layer's readout to what an output is made from."""
        return self.output_scale + 7 - self.feedback_exponent - output_index_scale(output)

    @property
    def step_shift(self) -> int:
        """k of the contract before halvings; negative is a left shift."""
        return (
            self.input_scale
            + self.delta_scale
            - self.rate
            + self.word.range_exponent
            - (self.word.bits - 1)
            - self.word.residual_bits
            + self.shared_shift
        )

    @property
    def shared_shift(self) -> int:
        """log2 of the positions that share d of an element under mean pooling."""
        return self.pool_shift

    @property
    def delta_max(self) -> int:
        return (1 << (self.delta_bits - 1)) - 1

    @property
    def modulator_max(self) -> int:
        return (1 << (self.modulator_bits - 1)) - 1

    @property
    def delta_width(self) -> int:
        """Bits of a signed word that holds every d the rule can give; 0 in a layer that never learns."""
        return self.delta_reach.bit_length() + 1 if self.delta_reach else 0

    @property
    def min_weight(self) -> int:
        return 0 if self.non_negative else self.weight_word.min_raw

    @property
    def is_convolution(self) -> bool:
        return False

    @property
    def fan_in(self) -> int:
        """Weights of a column: of a neuron, or of a map."""
        return self.n_in

    @property
    def n_columns(self) -> int:
        """Neurons or maps: columns of the weights."""
        return self.n_out

    @property
    def n_gates(self) -> int:
        """Gates g, and the d that they modulate."""
        return self.n_out

    @property
    def positions(self) -> int:
        """Products of a weight and an input per sample, at most."""
        return 1

    @property
    def pool_shift(self) -> int:
        """log2 of the sums in a mean that an element takes; 0 without mean pooling."""
        return 0

    @property
    def n_signals(self) -> int:
        """Products in a modulator of the layer below, at most."""
        return self.n_out

    @property
    def n_weights(self) -> int:
        return self.fan_in * self.n_columns

    @property
    def n_biases(self) -> int:
        return self.n_columns


@dataclass(frozen=True, kw_only=True)
class DenseLayer(Layer):
    """A layer whose neurons read all inputs."""


@dataclass(frozen=True, kw_only=True)
class ConvLayer(Layer):
    """A layer whose maps share a kernel over all positions, with a pooling behind it.

    Parameters
    ----------
    window : geometry; n_in and n_out are its inputs and elements
    feedback_kind : "element", a row of direct feedback has a word per element (or gate), or "map", one per map
    teach : "elements" of the pooled map have m, g and d, or "positions" in front of the pooling
    kernel_bias : whether maps have a bias
    """

    window: Window
    feedback_kind: str
    teach: str
    kernel_bias: bool

    @property
    def is_convolution(self) -> bool:
        return True

    @property
    def fan_in(self) -> int:
        return self.window.fan_in

    @property
    def n_columns(self) -> int:
        return self.window.maps

    @property
    def n_gates(self) -> int:
        return self.positions * self.window.maps if self.teach == "positions" else self.n_out

    @property
    def positions(self) -> int:
        return self.window.positions

    @property
    def n_signals(self) -> int:
        return self.window.kernel_height * self.window.kernel_width * self.window.maps

    @property
    def pool_shift(self) -> int:
        return self.window.pool_shift

    @property
    def n_biases(self) -> int:
        return self.window.maps if self.kernel_bias else 0

    @property
    def shared_shift(self) -> int:
        return self.pool_shift if self.teach == "elements" else 0

    @property
    def shares_feedback(self) -> bool:
        """Whether the elements of a map share words of direct feedback."""
        return self.feedback_kind == "map"
