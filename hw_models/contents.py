"""What a chip holds: bits by role, with and without learning (docs/cost_model.md, section 6)."""

from __future__ import annotations

from itertools import pairwise

from edgelearn.accounting import buffers, footprint
from edgelearn.network import NetworkSpec
from edgelearn.rules.rule import Locking

ERROR_BITS = 9
ACTIVATION_BITS = 8


def activation_bits(spec: NetworkSpec, event_driven: bool) -> list[int]:
    """Bits of an input, of each layer's activations; an event carries its index."""
    widths = [spec.input_bits, *(ACTIVATION_BITS for _ in spec.layers)]
    if event_driven:
        widths = [bits + max(n - 1, 1).bit_length() for bits, n in zip(widths, spec.sizes, strict=True)]
    return widths


def contents(spec: NetworkSpec, learning: bool, event_driven: bool) -> dict[tuple[str, str], int]:
    """Return the bits held, by (role in memory, role of the cost).

    Notes
    -----
    Activations: two neighbouring layers at a time without locking; all layers where a rule must wait, the difference
    being buffers. Where inputs are events each carries its index.
    """
    rule = spec.rule
    held = [n * bits for n, bits in zip(spec.sizes, activation_bits(spec, event_driven), strict=True)]
    two_layers = max(a + b for a, b in pairwise(held))
    bits = {
        ("weight", "forward weights"): sum((layer.n_in + 1) * layer.n_out * layer.word.bits for layer in spec.layers)
    }
    bits["activation", "activations"] = two_layers
    if not learning:
        return bits
    bits["residual", "residuals"] = sum(
        (layer.n_in + 1) * layer.n_out * layer.word.residual_bits for layer in spec.layers if layer.learns
    )
    bits["feedback", "feedback"] = sum(held.bits for held in footprint(spec) if held.role == "feedback")
    if rule.locking is not Locking.NONE and len(spec.layers) > 1:
        bits["activation", "buffers"] = sum(held) - two_layers
    for role in ("gate", "delta"):
        bits[role, "buffers"] = sum(buffer.bits for buffer in buffers(spec) if buffer.role == role)
    return bits


def error_bits(spec: NetworkSpec) -> int:
    """Bits of error registers: all errors (or their signs) where layers wait for them, else the one in progress."""
    if spec.rule.locking is Locking.NONE:
        return ERROR_BITS
    return sum(buffer.bits for buffer in buffers(spec) if buffer.role == "error") or ERROR_BITS
