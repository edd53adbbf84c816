"""Memory map of an engine: bits by role, with and without learning (docs/cost_model.md, section 6)."""

from __future__ import annotations

from itertools import pairwise

from edgelearn.network.spec import NetworkSpec
from edgelearn.network.storage import buffers, footprint
from edgelearn.rules.rule import Locking

ACTIVATION_BITS = 8
GATE_BITS = 8


def activation_bits(spec: NetworkSpec, event_driven: bool) -> list[int]:
    """Bits of an input, of each layer's activations; an event carries its index."""
    widths = [spec.input_bits, *(ACTIVATION_BITS for _ in spec.layers)]
    if event_driven:
        widths = [bits + max(n - 1, 1).bit_length() for bits, n in zip(widths, spec.sizes, strict=True)]
    return widths


def contents(spec: NetworkSpec, learning: bool, event_driven: bool, lanes: int = 1) -> dict[tuple[str, str], int]:
    """Return bits by (role in memory, role of the cost).

    Parameters
    ----------
    event_driven : whether activations are events, each with its index
    lanes : words hold one value of each lane; the last group of a layer is filled up

    Notes
    -----
    Activations: two neighbouring layers at a time where layers update one after the other; all layers where they wait
    for those above, the difference being buffers.
    """

    def filled(n: int) -> int:
        return -(-n // lanes) * lanes

    activations = [n * bits for n, bits in zip(spec.sizes, activation_bits(spec, event_driven), strict=True)]
    two_layers = max(a + b for a, b in pairwise(activations))
    weights = [(layer.n_in + 1) * filled(layer.n_out) for layer in spec.layers]
    bits = {("weight", "forward weights"): sum(n * spec.layers[k].word.bits for k, n in enumerate(weights))}
    bits["activation", "activations"] = two_layers
    if not learning:
        return bits
    bits["residual", "residuals"] = sum(
        weights[k] * layer.word.residual_bits for k, layer in enumerate(spec.layers) if layer.learns
    )
    fill = [filled(layer.n_out) / layer.n_out for layer in spec.layers]
    feedback = [entry for entry in footprint(spec) if entry.role == "feedback"]
    bits["feedback", "feedback"] = round(sum(entry.bits * fill[entry.layer - 1] for entry in feedback))
    if any(spec.waits_for_above(k) for k in range(len(spec.layers) - 1)):
        bits["activation", "buffers"] = sum(activations) - two_layers
    for role in ("gate", "delta"):
        waiting = [entry for entry in buffers(spec) if entry.role == role]
        bits[role, "buffers"] = round(sum(entry.bits * fill[entry.layer - 1] for entry in waiting))
    return bits


def error_bits(spec: NetworkSpec) -> int:
    """Bits of error registers: all errors where hidden layers wait for them or their signs, else the one in progress.

    sdfa passes signs on, but its output layer updates last and needs the errors themselves. The sums of a readout
    become its errors, in the same registers.
    """
    if spec.rule.reads_out and len(spec.layers) > 1:
        return spec.n_outputs * max(readout_bits(spec), spec.layers[-1].delta_width)
    waits = spec.rule.locking is not Locking.NONE and len(spec.layers) > 1
    return spec.layers[-1].delta_width * (spec.n_outputs if waits else 1)


def readout_bits(spec: NetworkSpec) -> int:
    """Bits of the widest sum of a hidden layer's readout."""
    return max((layer.n_out * 127 * 127).bit_length() for layer in spec.layers[:-1]) + 1
