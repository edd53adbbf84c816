"""Memory map of an engine: bits by role, with and without learning (docs/cost_model.md, section 6)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from edgelearn.network.layer import ConvLayer, Layer
from edgelearn.network.spec import NetworkSpec
from edgelearn.network.storage import ACCUMULATOR_BITS, buffers, footprint
from edgelearn.network.teaching import EVERYTHING
from edgelearn.rules.rule import Locking
from hw_models.engine.shapes import Dataflow, shapes

ACTIVATION_BITS = 8
GATE_BITS = 8


def takes_signs(spec: NetworkSpec, learning: bool) -> bool:
    """Whether hidden activations are signs: of a chip that cannot learn, where the network infers with them."""
    return not learning and spec.hidden_inference == "sign"


def activation_bits(spec: NetworkSpec, event_driven: bool, learning: bool = True) -> list[int]:
    """Bits of an input, of each layer's activations; an event carries its index, a sign is never zero and has none."""
    widths = [spec.input_bits, *(ACTIVATION_BITS for _ in spec.layers)]
    if event_driven:
        widths = [bits + max(n - 1, 1).bit_length() for bits, n in zip(widths, spec.sizes, strict=True)]
    return [widths[0], *(1 for _ in widths[1:-1]), widths[-1]] if takes_signs(spec, learning) else widths


def frozen_apart(spec: NetworkSpec, has_memory: bool = False) -> bool:
    """Return whether words that never learn are told from those that do: where a mask or a memory of theirs says so."""
    return (spec.learn != EVERYTHING or has_memory) and any(layer.learned != "all" for layer in spec.layers)


def contents(
    spec: NetworkSpec,
    learning: bool,
    event_driven: bool,
    lanes: int = 1,
    apart: bool | None = None,
    dataflow: Dataflow = "output",
) -> dict[tuple[str, str], int]:
    """Return bits by (role in memory, role of the cost).

    Parameters
    ----------
    event_driven : whether activations are events, each with its index
    lanes : words hold one value of each lane; the last group of a layer is filled up
    apart : whether words that never learn have a role of their own, see `frozen_apart`
    dataflow : of convolutions: with "event" the sums of all positions wait in memory

    Notes
    -----
    Activations: two neighbouring layers at a time where layers update one after the other, and beside them those that
    wait in memory for an update after the forward pass, which are buffers. Accumulators: of a group of maps.
    """

    def filled(n: int) -> int:
        return -(-n // lanes) * lanes

    activations = [n * bits for n, bits in zip(spec.sizes, activation_bits(spec, event_driven, learning), strict=True)]
    two_layers = max(a + b for a, b in pairwise(activations))
    if apart is None:
        apart = frozen_apart(spec)
    bits = {("weight", "forward weights"): 0}
    if apart:
        bits["frozen", "frozen weights"] = 0
    for layer in spec.layers:
        columns = filled(layer.n_columns)
        biases, weights = columns * (layer.n_biases > 0), layer.fan_in * columns
        frozen = {"all": 0, "bias": weights, "none": weights + biases}[layer.learned] * apart
        bits["weight", "forward weights"] += (weights + biases - frozen) * layer.word.bits
        if apart:
            bits["frozen", "frozen weights"] += frozen * layer.word.bits
    bits["activation", "activations"] = two_layers
    shape = shapes(spec, lanes)
    if dataflow == "event" and spec.is_convolutional:
        bits["partial", "partial sums"] = max(
            layer.window.positions * filled(layer.n_columns) * partial_bits(layer)
            for layer in spec.layers
            if isinstance(layer, ConvLayer)
        )
    if not learning:
        return bits
    learned_words = shape.learned_words.tolist()
    bits["residual", "residuals"] = sum(
        words * filled(layer.n_columns) * layer.word.residual_bits
        for words, layer in zip(learned_words, spec.layers, strict=True)
    )
    if spec.is_convolutional:
        bits["accumulator", "accumulators"] = accumulator_bits(spec, lanes)
    fill = [filled(layer.n_columns) / layer.n_columns for layer in spec.layers]
    feedback = [entry for entry in footprint(spec) if entry.role == "feedback"]
    bits["feedback", "feedback"] = round(sum(entry.bits * fill[entry.layer - 1] for entry in feedback))
    if more := _most_alive(spec, activations) - two_layers:
        bits["activation", "buffers"] = more
    for role in ("gate", "delta", *(("winner",) if spec.is_convolutional else ())):
        waiting = [entry for entry in buffers(spec) if entry.role == role]
        bits[role, "buffers"] = round(sum(entry.bits * fill[entry.layer - 1] for entry in waiting))
    return bits


def accumulator_bits(spec: NetworkSpec, lanes: int = 1, all_maps: bool = False) -> int:
    """Return the bits of the sums that become steps of kernel words, most of all layers.

    Parameters
    ----------
    all_maps : of all maps, for an engine whose positions are the outer loop; else of a group of P
    """
    shape = shapes(spec, lanes)
    maps = shape.groups * lanes if all_maps else lanes
    return int(np.max(shape.summed_words * maps)) * ACCUMULATOR_BITS


def partial_bits(layer: Layer) -> int:
    """Return the bits of the largest sum of a window, its sign included."""
    biases = layer.input_one * (layer.n_biases > 0)
    return ((layer.fan_in * layer.input_max + biases) << (layer.word.bits - 1)).bit_length() + 1


def _most_alive(spec: NetworkSpec, activations: list[int]) -> int:
    """Return the most bits of activations that are alive together: of two layers, and those below that wait.

    Parameters
    ----------
    activations : bits of the inputs, and of each layer's activations
    """
    n_hidden = len(spec.layers) - 1
    waits = [
        (k < n_hidden and spec.holds_inputs(k))  # for the layer above, or for the readout of the layer itself
        or (k > 0 and spec.layers[k - 1].rule.reads_out and spec.waits_for_above(k - 1))
        for k in range(len(activations) - 1)
    ]
    return max(
        activations[k]
        + activations[k + 1]
        + sum(bits for bits, held in zip(activations[:k], waits[:k], strict=True) if held)
        for k in range(len(spec.layers))
    )


def error_bits(spec: NetworkSpec) -> int:
    """Bits of error registers: all errors where hidden layers wait for them or their signs, else the one in progress.

    sdfa passes signs on, but its output layer updates last and needs the errors themselves. The sums of a readout
    become its errors, in the same registers.
    """
    width = spec.layers[-1].delta_width
    if any(layer.rule.reads_out for layer in spec.layers):
        return spec.n_outputs * max(readout_bits(spec), width)
    waits = any(layer.rule.locking is not Locking.NONE for layer in spec.layers)
    return width * (spec.n_outputs if waits else 1)


def readout_bits(spec: NetworkSpec) -> int:
    """Bits of the widest sum of a hidden layer's readout."""
    return max((layer.n_out * 127 * 127).bit_length() for layer in spec.layers if layer.rule.reads_out) + 1
