"""What no network can be: sums that leave 32 bits, rates and activations that do not fit."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from edgelearn.errors import UserError
from edgelearn.network.activations import ACTIVATIONS, Activation
from edgelearn.network.layer import Layer
from edgelearn.network.topology import Convolution

if TYPE_CHECKING:
    from edgelearn.network.spec import NetworkSpec


def check_spec(spec: NetworkSpec, hidden: Activation) -> None:
    """Refuse a specification that cannot be built.

    Parameters
    ----------
    hidden : activation of hidden layers

    Raises
    ------
    UserError
        What does not fit, and what to change
    """
    _check_learns(spec)
    _check_sums(spec)
    _check_readouts(spec)
    _check_rates(spec)
    _check_inference(spec, hidden)


def _check_learns(spec: NetworkSpec) -> None:
    if not any(layer.learns for layer in spec.layers):
        raise UserError(
            f"learn '{spec.learn}' freezes the output layer, and under rule '{spec.rule_name}' no hidden layer learns; "
            "give a rule by which hidden layers learn, or --learn last"
        )


def _check_inference(spec: NetworkSpec, hidden: Activation) -> None:
    """Refuse signs of activations that have none to speak of, or that a threshold silences."""
    if spec.hidden_inference == "full":
        return
    if len(spec.layers) == 1:
        raise UserError("--hidden-inference sign needs a hidden layer; leave it out, or give a --net with one")
    if not hidden.has_sign:
        known = ", ".join(name for name, row in ACTIVATIONS.items() if row.has_sign)
        raise UserError(f"--hidden-inference sign does not fit --activation {hidden.name}; use one of {known}")
    if spec.event_threshold:
        raise UserError("--hidden-inference sign leaves no activation to silence; leave --event-threshold out")


def _check_sums(spec: NetworkSpec) -> None:
    """Refuse a network whose exact sums could leave 32 bits."""
    for k, layer in enumerate(spec.layers, 1):
        word, largest = 1 << (layer.word.bits - 1), _largest_sum(layer)
        if largest >= 1 << 31:
            means = f" and means of {1 << layer.pool_shift}" if layer.pool_shift else ""
            raise UserError(
                f"the accumulator of layer {k} could overflow: {layer.fan_in} inputs of up to {layer.input_max} times "
                f"weights of up to {word}{means} reach 2^{largest.bit_length() - 1}, more than 31 bits hold; "
                f"use fewer --bits, fewer --input-bits or fewer inputs{_nearest(spec, k - 1)}"
            )
    constant = 1 << max(20, *(layer.signal_shift for layer in spec.layers))
    for k, (row, layer) in enumerate(zip(spec.rules or spec.named, spec.layers, strict=False)):
        above = spec.layers[k + 1] if row.holds_deltas and spec.rules else spec.layers[-1]
        word = 1 << (layer.word.bits - 1) if row.weight_transport else 127
        most = spec.target_max if spec.projects_targets(row) else above.delta_reach
        if row.learns_hidden and above.n_signals * most * word + constant >= 1 << 31:
            raise UserError(
                f"the accumulator of the error signal could overflow: {above.n_signals} errors of up to "
                f"{most} times weights of up to {word} reach more than 31 bits; use fewer --bits or fewer "
                "outputs"
            )


def _largest_sum(layer: Layer) -> int:
    """Return a bound of the sum of an element, with the constant of its rounding."""
    word = 1 << (layer.word.bits - 1)
    products = (layer.fan_in * layer.input_max + layer.input_one) * word << layer.pool_shift
    return products + (1 << max(layer.sum_shift - 1, 0))


def _nearest(spec: NetworkSpec, k: int) -> str:
    """Return advice on the nearest network whose layer k fits: with fewer maps in front of it, or smaller means."""
    if not spec.is_convolutional:
        return ""
    layer, net = spec.layers[k], spec.topology.trimmed
    share = (1 << 30) / _largest_sum(layer)  # the half leaves room for the constant
    if net != spec.topology and not layer.is_convolution:
        share *= layer.fan_in / net.sizes[k]
        if 2 * share >= 1:
            return f"; try --net {net}"
    layers = list(net.layers)
    own, below = layers[k], layers[k - 1]
    if isinstance(own, Convolution) and own.pooling == "mean" and own.pool > 1:
        layers[k] = replace(own, pool=1)
    elif k and isinstance(below, Convolution):
        layers[k - 1] = replace(below, maps=max(1, math.floor(below.maps * min(1.0, 2 * share))))
    elif isinstance(own, Convolution):
        side = max(1, math.isqrt(math.floor(own.kernel_height * own.kernel_width * min(1.0, 2 * share))))
        layers[k] = replace(own, kernel_height=side, kernel_width=side, padding=None)
    else:
        return ""
    return f"; try --net {replace(net, layers=tuple(layers))}"


def _check_readouts(spec: NetworkSpec) -> None:
    """Refuse hidden layers whose readouts could leave 32 bits."""
    for k, layer in enumerate(spec.layers[:-1], 1):
        if (
            layer.rule.reads_out
            and layer.n_out * 127 * 127 + (1 << max(layer.readout_shift(spec.output) - 1, 0)) >= 1 << 31
        ):
            raise UserError(
                f"the accumulator of the readout of layer {k} could overflow: {layer.n_out} activations of up to 127 "
                "times weights of up to 127 reach more than 31 bits; use fewer neurons, at most 133,142, or another "
                "--rule"
            )


def _check_rates(spec: NetworkSpec) -> None:
    for k, layer in enumerate(spec.layers, 1):
        shift = layer.step_shift - (8 if spec.stochastic else 0)
        if layer.learns and layer.positions * layer.input_max * layer.delta_reach << max(-shift, 0) >= 1 << 31:
            flags = "--kernel-rate" if layer.is_convolution else "--hidden-rate or --output-rate"
            raise UserError(
                f"the rate 2^{layer.rate} of layer {k} is too large for its word: a step could leave 32 bits; "
                f"use a smaller {flags}"
            )
        if not -20 <= layer.rate <= 0:
            raise UserError(
                f"the rate 2^{layer.rate} of layer {k} cannot be built; exponents from -20 to 0 are allowed"
            )
