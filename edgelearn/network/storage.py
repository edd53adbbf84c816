"""Storage of a network, and buffers required by update or backward locking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgelearn.network.layer import ConvLayer
from edgelearn.network.spec import NetworkSpec
from edgelearn.network.teaching import EVERYTHING
from edgelearn.rules.rule import Locking, Signal

_FEEDBACK_BITS = {"int8": 8, "ternary": 2, "sign": 1, "lfsr": 0, "imported": 8}
_GATE_BITS = 8
ACCUMULATOR_BITS = 32


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
        storage.append(MemoryBlock(k + 1, "weight", layer.n_weights, layer.weight_word.stored_bits))
        if layer.n_biases:
            storage.append(MemoryBlock(k + 1, "bias", layer.n_biases, layer.word.stored_bits))
        rows = 0 if layer.output else spec.feedback_rows(k)
        if rows and not spec.regenerates(k):
            bits = _FEEDBACK_BITS[spec.feedback_format]
            if layer.rule.non_negative:  # no sign to store
                bits = {8: 7, 2: 1, 1: 0}[bits]
            storage.append(MemoryBlock(k + 1, "feedback", rows * spec.feedback_columns(k), bits))
    return storage + _accumulators(spec)


def _accumulators(spec: NetworkSpec) -> list[MemoryBlock]:
    """Return the sums of an update of a kernel, of one map at a time, in the layer with the largest kernel."""
    learning = _learned_convolutions(spec)
    if not learning:
        return []
    widest = max(learning, key=lambda k: spec.layers[k].fan_in)
    return [MemoryBlock(widest + 1, "accumulator", spec.layers[widest].fan_in, ACCUMULATOR_BITS)]


def line_buffers(spec: NetworkSpec) -> list[MemoryBlock]:
    """Return the part of the input map that each convolution holds, positions in order and maps innermost.

    A rule without locking learns from this part alone, with the sums of all maps at once; all other rules need the
    whole map back. Not part of `buffers`: the whole input of the layer in progress is there under every rule.
    """
    found = []
    for k, layer in enumerate(spec.layers):
        if isinstance(layer, ConvLayer):
            w = layer.window
            rows = min(w.kernel_height - 1, w.height)
            words = min(rows * w.width * w.channels + w.kernel_width * w.channels, w.n_in)
            found.append(MemoryBlock(k + 1, "line", words, _input_bits(spec, k)))
    return found


def learns_from_lines(spec: NetworkSpec) -> bool:
    """Return whether convolutions that learn need no more of their input than a line buffer."""
    return not any(spec.holds_inputs(k) or spec.locking_of(k) is Locking.LAYER for k in _learned_convolutions(spec))


def _learned_convolutions(spec: NetworkSpec) -> list[int]:
    return [k for k, layer in enumerate(spec.layers) if layer.is_convolution and layer.learned == EVERYTHING]


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
    n_hidden = len(spec.layers) - 1
    waiting = [k for k in range(n_hidden) if spec.waits_for_above(k)]
    required = []
    for k in waiting:
        layer, reason = spec.layers[k], f"{spec.locking_of(k).value} locking: waits for {_waits_for(spec, k)}"
        if spec.holds_inputs(k):
            required.append(Buffer(k + 1, "activation", layer.n_in, _input_bits(spec, k), reason))
        required.append(Buffer(k + 1, "gate", layer.n_gates, _GATE_BITS, reason))
        required += _winners(spec, k, reason)
    return required + _errors(spec, waiting) + _deltas(spec) + _of_readouts(spec)


def _winners(spec: NetworkSpec, k: int, reason: str) -> list[Buffer]:
    """Return the places of winners in their pooling windows, where they wait with the gates."""
    layer = spec.layers[k]
    if not isinstance(layer, ConvLayer) or not spec.holds_winners(k):
        return []
    return [Buffer(k + 1, "winner", layer.n_gates, layer.window.winner_bits, reason)]


def _waits_for(spec: NetworkSpec, k: int) -> str:
    if spec.locking_of(k) is not spec.layers[k].rule.locking:
        return "the update gate, which needs the prediction"
    return "the output error" if spec.locking_of(k) is Locking.UPDATE else "the delta of the layer above"


def _errors(spec: NetworkSpec, waiting: Sequence[int]) -> list[Buffer]:
    """Return errors that hidden layers read after the forward pass."""
    n_hidden, width = len(spec.layers) - 1, spec.layers[-1].delta_width
    rules = [spec.layers[k].rule for k in waiting]
    takers = {
        rule.signal
        for k, rule in zip(waiting, rules, strict=True)
        if rule.signal in (Signal.ERROR, Signal.SIGN_ERROR) or (rule.holds_deltas and k == n_hidden - 1)
    }
    errors = []
    if takers:
        bits = 2 if takers == {Signal.SIGN_ERROR} else width
        errors.append(Buffer(n_hidden + 1, "error", spec.n_outputs, bits, "read by every layer that waits for it"))
    if any(rule.reads_out for rule in rules):
        errors.append(Buffer(n_hidden + 1, "error", spec.n_outputs, width, "of the layer in progress"))
    return errors


def _deltas(spec: NetworkSpec) -> list[Buffer]:
    """Return deltas that are alive together; that of the output layer is the error."""
    held = {k: layer.n_gates for k, layer in enumerate(spec.layers[:-1]) if spec.holds_deltas(k)}
    if not held:
        return []
    words = max(n + held.get(k + 1, 0) for k, n in held.items())
    width = max(spec.layers[k].delta_width for k in held)
    return [Buffer(len(spec.layers) - 1, "delta", words, width, "the layer in progress and the one above")]


def _of_readouts(spec: NetworkSpec) -> list[Buffer]:
    """Return what layers with a readout of their own hold until its error is there, one layer at a time."""
    locked = [k for k in range(len(spec.layers) - 1) if spec.locking_of(k) is Locking.LAYER]
    if not locked:
        return []
    widest = max(locked, key=lambda k: spec.layers[k].n_out)
    reason = "layer locking: waits for the layer's own readout; one layer at a time"
    return [
        Buffer(widest + 1, "gate", spec.layers[widest].n_out, _GATE_BITS, reason),
        *_winners(spec, widest, reason),
        Buffer(widest + 1, "error", spec.n_outputs, spec.layers[-1].delta_width, "of the layer in progress"),
    ]
