"""Arrays and geometry of convolutions in the C core."""

from __future__ import annotations

from dataclasses import dataclass

from edgelearn.errors import UserError
from edgelearn.network.layer import ConvLayer, Layer
from edgelearn.network.spec import NetworkSpec
from hw_models.microcontroller import WORDS_BESIDE_SUMS, kernels_at_once

WIDEST_POOL = 16  # a winner is a byte at most
STACK_OF_MAPS = 640  # bytes that learning was measured to use at most, and a little more


@dataclass(frozen=True)
class Maps:
    """Sizes of the arrays that convolutions need.

    Parameters
    ----------
    sums : 32-bit sums, of x times d of one kernel in an update, of a few that learn on the way, or one per map of a
        pooling in the forward pass
    taps : bytes of the inputs of a window
    deltas, delta_buffers, widest : elements of d, in one or two buffers of `widest`
    winner_at : first byte of the winners of each layer; winners : bytes of all
    """

    sums: int
    taps: int
    deltas: int
    delta_buffers: int
    widest: int
    winner_at: tuple[int, ...]
    winners: int

    def numbers(self) -> dict[str, int | str]:
        """Return the lines of el_config.h."""
        return {
            "CONV": 1,
            "SUMS": self.sums,
            "TAPS": self.taps,
            "MAP_DELTAS": self.deltas,
            "MAP_DELTA_BUFFERS": self.delta_buffers,
            "WIDEST_MAP": f"{self.widest}U",
            "WINNERS": self.winners,
        }


def convolutions(spec: NetworkSpec) -> list[ConvLayer]:
    """Return the convolutional layers, which come first."""
    return [layer for layer in spec.layers if isinstance(layer, ConvLayer)]


def is_on_the_way(layer: Layer) -> bool:
    """Return whether a layer could learn kernel after kernel of its forward pass."""
    return not (isinstance(layer, ConvLayer) and layer.teach == "positions")


def maps_of(spec: NetworkSpec, taught: list[int], waiting: list[int]) -> Maps:
    """Return the arrays of a network with convolutions, of which `taught` form a d and `waiting` do so at the end."""
    layers = convolutions(spec)
    # layers whose d are all there before an update; those of others are summed up as they come
    whole = [k for k in taught if k < len(layers) and (k in waiting or not layers[k].rule.from_label)]
    late, early = [k for k in whole if k in waiting], set(taught) - set(whole)
    widest = max((layers[k].n_gates for k in whole), default=0)
    buffers = min(len(late), 2) if spec.last_to_first and late else min(len(whole), 1)
    sizes = [_winner_bytes(layer) if k in whole else 0 for k, layer in enumerate(layers)]
    return Maps(
        sums=max(
            max(layer.fan_in + layer.n_biases // layer.n_columns, layer.n_columns, _held_sums(spec, k, k in early))
            for k, layer in enumerate(layers)
        ),
        taps=max(layer.fan_in for layer in layers),
        deltas=buffers * widest,
        delta_buffers=buffers,
        widest=widest,
        winner_at=tuple(sum(sizes[:k]) for k in range(len(layers))),
        winners=sum(sizes),
    )


def check_maps(spec: NetworkSpec) -> None:
    """Refuse convolutions whose geometry does not fit the fields of the C core.

    Raises
    ------
    UserError
        "... of layer ... are too many for the C core", "kernel, stride ... of layer ... is too large ...",
        "pooling of ... of layer ... is too wide ..."
    """
    for k, layer in enumerate(convolutions(spec), 1):
        window = layer.window
        if max(layer.n_gates, layer.n_in) > 65534:
            raise UserError(
                f"{max(layer.n_gates, layer.n_in):,} elements of layer {k} are too many for the C core; at most 65,534 "
                "in a map: use fewer maps, a larger stride or a pooling"
            )
        if max(window.kernel_height, window.kernel_width, window.stride, window.padding, window.pool) > 255:
            raise UserError(f"kernel, stride, padding or pooling of layer {k} is too large for the C core; at most 255")
        if max(layer.fan_in, window.out_height, window.out_width) > 65535:
            raise UserError(
                f"kernels of {layer.fan_in:,} weights of layer {k}, or their positions, are too many for the C core; "
                "at most 65,535"
            )
        if window.takes_winners and window.pool > WIDEST_POOL:
            raise UserError(
                f"a pooling of {window.pool} of layer {k} is too wide for the C core; at most {WIDEST_POOL}"
            )


def map_fields(spec: NetworkSpec, k: int, maps: Maps) -> list[str]:
    """Return the fields of el_layer that networks with convolutions have, in their order."""
    layer = spec.layers[k]
    row = 0 if layer.output else spec.feedback_columns(k)
    fields = [layer.fan_in, layer.n_columns, layer.n_gates, row]
    if isinstance(layer, ConvLayer):
        window = layer.window
        fields += [window.height, window.width, window.channels, window.out_height, window.out_width]
        fields += [window.pooled_height, window.pooled_width, maps.winner_at[k]]
        fields += [window.kernel_height, window.kernel_width, window.stride, window.padding, window.pool]
        fields += [window.pool_shift, int(layer.kernel_bias), _winner_log(layer), kernels_at_once(layer)]
    else:
        fields += [0] * 14 + [1, 0, 0]
    return [str(field) for field in fields]


def map_flags(layer: Layer, holds_gates: bool) -> dict[str, bool]:
    """Return the flags of a layer in a network with convolutions."""
    if not isinstance(layer, ConvLayer):
        return {}
    return {
        "CONVOLUTION": True,
        "MAP_FEEDBACK": layer.shares_feedback,
        "POSITIONS": layer.teach == "positions",
        "WINNERS": holds_gates and _takes_winners(layer),
    }


def _held_sums(spec: NetworkSpec, k: int, on_the_way: bool) -> int:
    """Return the sums of the kernels of a layer that learn at once, with three words more each."""
    layer = spec.layers[k]
    if not (on_the_way and isinstance(layer, ConvLayer)):
        return 0
    return kernels_at_once(layer) * (layer.fan_in + int(layer.kernel_bias) + WORDS_BESIDE_SUMS)


def _takes_winners(layer: ConvLayer) -> bool:
    return layer.window.takes_winners and layer.teach == "elements"


def _winner_log(layer: ConvLayer) -> int:
    """Return log2 of the bits that a winner takes: 2, 4 or 8, so that none lies in two bytes."""
    return max(1, (layer.window.winner_bits - 1).bit_length()) if layer.window.takes_winners else 0


def _winner_bytes(layer: ConvLayer) -> int:
    return -(-(layer.n_out << _winner_log(layer)) // 8) if _takes_winners(layer) else 0
