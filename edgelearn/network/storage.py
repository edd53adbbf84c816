"""Storage of a network, and buffers required by update or backward locking."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from edgelearn.network.spec import NetworkSpec
from edgelearn.rules.rule import Locking, Signal

_FEEDBACK_BITS = {"int8": 8, "ternary": 2, "sign": 1, "lfsr": 0, "imported": 8}
_GATE_BITS = 8


@dataclass(frozen=True)
class MemoryBlock:
    """Memory of one role in one layer (counted from 1): number of words and their width."""

    layer: int
    role: str
    words: int
    word_bits: int

    @property
    def bits(self) -> int:
        return self.words * self.word_bits


@dataclass(frozen=True)
class Buffer(MemoryBlock):
    """Memory kept until an update, and the reason."""

    reason: str


def _input_bits(spec: NetworkSpec, k: int) -> int:
    return spec.input_bits if k == 0 else 8


def footprint(spec: NetworkSpec) -> list[MemoryBlock]:
    """Return weights, biases and feedback, stored whether or not a sample is in flight."""
    storage = []
    for k, layer in enumerate(spec.layers):
        storage.append(MemoryBlock(k + 1, "weight", layer.n_weights, layer.word.stored_bits))
        storage.append(MemoryBlock(k + 1, "bias", layer.n_out, layer.word.stored_bits))
        rows = 0 if layer.output else spec.feedback_rows(k)
        if rows and not spec.regenerates_feedback:
            bits = _FEEDBACK_BITS[spec.feedback_format]
            if spec.rule.non_negative:  # no sign to store
                bits = {8: 7, 2: 1, 1: 0}[bits]
            storage.append(MemoryBlock(k + 1, "feedback", rows * layer.n_out, bits))
    return storage


def buffers(spec: NetworkSpec) -> list[Buffer]:
    """Return the buffers between a layer's forward pass and its update, with one sample in flight.

    A rule without locking holds nothing: a layer updates while its input is still there. So does one that waits for
    its own outputs alone, whose gates wait for the last of them, in one layer at a time. The input of the output layer
    waits for its own error under every rule and is no cost of the rule.

    Notes
    -----
    Update and backward locking: Frenkel et al. 2021, section 1. Two delta vectors are alive at a time
    (contract, section 5).
    """
    rule, n_hidden = spec.rule, len(spec.layers) - 1
    if spec.locking is Locking.NONE or n_hidden == 0:
        return []
    if spec.locking is Locking.LAYER:
        widest = max(range(n_hidden), key=lambda k: spec.layers[k].n_out)
        reason = "layer locking: waits for the layer's own readout; one layer at a time"
        error_bits = spec.layers[-1].delta_width
        return [
            Buffer(widest + 1, "gate", spec.layers[widest].n_out, _GATE_BITS, reason),
            Buffer(widest + 1, "error", spec.n_outputs, error_bits, "of the layer in progress"),
        ]
    waits_for = "the output error" if spec.locking is Locking.UPDATE else "the delta of the layer above"
    if spec.locking is not rule.locking:
        waits_for = "the update gate, which needs the prediction"
    required = []
    for k, layer in enumerate(spec.layers[:-1]):
        reason = f"{spec.locking.value} locking: waits for {waits_for}"
        required.append(Buffer(k + 1, "activation", layer.n_in, _input_bits(spec, k), reason))
        required.append(Buffer(k + 1, "gate", layer.n_out, _GATE_BITS, reason))
    error_bits = 2 if rule.signal is Signal.SIGN_ERROR else spec.layers[-1].delta_width
    if rule.locking is not Locking.NONE:
        reason = "of the layer in progress" if rule.reads_out else "read by every layer that waits for it"
        required.append(Buffer(n_hidden + 1, "error", spec.n_outputs, error_bits, reason))
    if rule.holds_deltas:
        sizes = [layer.n_out for layer in spec.layers[:-1]]
        # the layer in progress and the one above it are alive; the output layer's d is the error
        words = max((a + b for a, b in pairwise(sizes)), default=sizes[0])
        width = max(layer.delta_width for layer in spec.layers[:-1])
        required.append(Buffer(n_hidden, "delta", words, width, "the layer in progress and the one above"))
    return required
