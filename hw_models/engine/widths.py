"""Operand widths of an engine's multiplier (docs/cost_model.md, section 5)."""

from __future__ import annotations

from edgelearn.network.layer import Layer
from edgelearn.network.spec import NetworkSpec
from hw_models.engine.memory_map import ACTIVATION_BITS, takes_signs

LEAST_BITS = 8  # of both operands of an engine that learns: activations, gates and feedback words


def input_width(spec: NetworkSpec, learning: bool = True) -> int:
    """Width of the widest value that is multiplied: input levels, and activations of hidden layers but for signs."""
    only_inputs = len(spec.layers) == 1 or takes_signs(spec, learning)
    return spec.input_bits if only_inputs else max(spec.input_bits, ACTIVATION_BITS)


def delta_bits(layer: Layer, given: int | None = None) -> int:
    """Return the width of d in a layer, errors in the output layer: that of its words, or the `given` one."""
    return (given or layer.delta_width) if layer.learns or layer.rule.learns_hidden else 0


def modulator_bits(layer: Layer, given: int | None = None) -> int:
    """Return the width of the modulators of a hidden layer: that of d, more where a narrower word of d cuts it."""
    if not layer.rule.learns_hidden:
        return 0
    cut = given is None and layer.delta_reach == layer.delta_max
    return max(layer.delta_width, layer.modulator_bits) if cut else delta_bits(layer, given)


def multiplier_bits(spec: NetworkSpec, learning: bool, given: int | None = None) -> tuple[int, int]:
    """Return the widths of the two operands of a lane's multiplier.

    Parameters
    ----------
    given : bits of errors, modulators and d that the engine takes; what the words of the rule need if left out

    Notes
    -----
    One multiplier takes all products: weight x input, signal x feedback word (or weight of the layer above),
    modulator x gate, d x input. The first factor of each is the first operand. A modulator more than one bit wider
    than d takes more than one pass, see `gate_passes`.
    """
    bits = spec.layers[-1].word.bits
    if not learning:
        return bits, input_width(spec, learning)
    first = max(LEAST_BITS, bits, *(delta_bits(layer, given) for layer in spec.layers))
    if any(modulator_bits(layer, given) == first + 1 for layer in spec.layers):
        first += 1
    transported = bits if any(layer.rule.weight_transport for layer in spec.layers) else 0
    return first, max(LEAST_BITS, input_width(spec), transported)


def gate_passes(spec: NetworkSpec, given: int | None = None) -> int:
    """Return how often a modulator passes through the multiplier to be gated: once, or in parts if it is wider."""
    width, _ = multiplier_bits(spec, True, given)
    widest = max((modulator_bits(layer, given) for layer in spec.layers), default=0)
    return max(1, -(-widest // width))
