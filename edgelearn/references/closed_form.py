"""The arithmetic contract without rounding: every rule as a formula on real numbers, many samples at once.

What a word stands for is its role's 1.0 (contract, section 2): level 15 of four bits is 1.0. The kernels divide by
powers of two instead, so that level 15 counts as 15/16; `binary_units` has these factors, to tell them from rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgelearn.fixedpoint.qformat import WeightFormat
from edgelearn.network.activations import Activation, find_activation
from edgelearn.network.layer import ConvLayer
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec
from edgelearn.references import convolution
from edgelearn.rules.rule import Feedback, Signal

LARGEST_ERROR = 1.0  # that of a linear output is limited: the gradient of the Huber loss


@dataclass(frozen=True, eq=False)
class FloatWeights:
    """A network's numbers, float64, one array per layer.

    Parameters
    ----------
    weights : [n_out, n_in], of a convolution [maps, fan_in]; biases : [n_out] or [maps], zero without kernel bias
    feedback : [lanes, n_out] of each hidden layer, of a convolution [lanes, columns]; empty where the rule has no fixed
        feedback
    """

    weights: list[np.ndarray]
    biases: list[np.ndarray]
    feedback: list[np.ndarray]


@dataclass(frozen=True)
class Units:
    """Value of 1.0 of each role in an implementation."""

    level: float = 1.0
    activation: float = 1.0
    gate: float = 1.0
    error: float = 1.0
    feedback: float = 1.0


@dataclass(frozen=True, eq=False)
class Passed:
    """Forward and backward pass of n samples, one array per layer.

    Parameters
    ----------
    inputs : [n, n_in]; sums : pre-activations z, of a convolution behind the pooling, [n, n_out]
    gates, modulators : of hidden layers, [n, n_gates]
    scores : outputs, p or those of a linear network, [n, n_outputs]
    deltas : estimates of dLoss/dz, [n, n_gates]; the error in the output layer
    winners : position that the sum of each element is of, int64[n, n_out], of convolutions by their layer
    """

    inputs: list[np.ndarray]
    sums: list[np.ndarray]
    gates: list[np.ndarray]
    scores: np.ndarray
    modulators: list[np.ndarray]
    deltas: list[np.ndarray]
    winners: dict[int, np.ndarray]


def stored_weights(learner: Learner) -> FloatWeights:
    """Return what the stored words stand for: the inverse of the contract's section 7.

    A word carries half a step of its view, so that the view is rounded; that half is no part of the value.
    """
    return _weights_of(learner, lambda word, raw: (raw - _half_view(word)) * word.lsb)


def viewed_weights(learner: Learner) -> FloatWeights:
    """Return the values of the views, which the forward pass and backpropagation read."""
    return _weights_of(learner, lambda word, raw: word.view(raw) * word.lsb * 2**word.residual_bits)


def _half_view(word: WeightFormat) -> float:
    return float(1 << word.residual_bits >> 1)


def _weights_of(learner: Learner, value_of: Callable[[WeightFormat, np.ndarray], np.ndarray]) -> FloatWeights:
    spec, state = learner.spec, learner.state
    weights, biases, feedback = [], [], []
    for k, layer in enumerate(spec.layers):
        weights.append(np.asarray(value_of(layer.weight_word, state.weights(k)), np.float64))
        bias = np.asarray(value_of(layer.word, state.biases(k)), np.float64)
        biases.append(bias if layer.n_biases else np.zeros_like(bias))
        if not layer.output:
            matrix = state.feedback(k) if layer.rule.stores_feedback else np.zeros((0, layer.n_out))
            feedback.append(matrix / 127 * 2.0**layer.feedback_exponent)
    return FloatWeights(weights, biases, feedback)


def binary_units(spec: NetworkSpec) -> Units:
    """Return what the kernels make of 1.0: its word, divided by a power of two."""
    first, hidden = spec.layers[0], hidden_activation(spec)
    return Units(
        level=first.input_one / 2.0**first.input_scale,
        activation=hidden.one / 2.0**hidden.scale,
        gate=127 / 128,
        error=output_one(spec) / 256,
        feedback=127 / 128,
    )


def hidden_activation(spec: NetworkSpec) -> Activation:
    """Return the activation of hidden layers; any where there are none."""
    return find_activation(spec.layers[0].activation if len(spec.layers) > 1 else "tanh")


def output_one(spec: NetworkSpec) -> float:
    """Return the word of 1.0 of outputs and targets."""
    return 256.0 if spec.output == "linear" else 255.0


def targets_of(spec: NetworkSpec, labels: np.ndarray) -> np.ndarray:
    """Return one-hot targets float64[n, n_outputs]; with one output the labels themselves.

    Of a network with graded targets `labels` are these already, float[n, n_outputs] in units of 1.0.
    """
    if np.ndim(labels) == 2:
        return np.asarray(labels, np.float64)
    if spec.n_outputs == 1:
        return np.array(labels, np.float64)[:, None]
    return np.asarray(np.eye(spec.n_outputs)[labels])


def pass_samples(
    spec: NetworkSpec, numbers: FloatWeights, x: np.ndarray, labels: np.ndarray, units: Units | None = None
) -> Passed:
    """Take samples forward and back with the same weights.

    Parameters
    ----------
    x : float[n, n_in], 1.0 is the highest level
    """
    units = units or Units()
    activation, last = hidden_activation(spec), len(spec.layers) - 1
    inputs, sums, gates = [units.level * np.asarray(x, np.float64)], [], []
    winners: dict[int, np.ndarray] = {}
    for k, layer in enumerate(spec.layers):
        on = units.activation if k else units.level
        if isinstance(layer, ConvLayer):
            before = convolution.sums_of(layer, inputs[k], numbers.weights[k], on * numbers.biases[k])
            z, winners[k] = convolution.pool(layer.window, before)
            gated = before.reshape(len(z), -1) if layer.teach == "positions" else z
        else:
            gated = z = inputs[k] @ numbers.weights[k].T + on * numbers.biases[k]
        sums.append(z)
        if k < last:
            y = np.asarray(activation.value(z), np.float64)
            y[np.abs(y) <= spec.event_threshold / activation.one] = 0
            inputs.append(units.activation * y)
            gates.append(units.gate * np.asarray(activation.gate(gated), np.float64))
    scores = _scores(spec, sums[last])
    targets = targets_of(spec, labels)
    error = _errors(units, scores, targets, spec.dead_zone / output_one(spec))
    signals = {
        Signal.TARGET: targets,
        Signal.SIGNED_TARGET: 1 - 2 * targets,
        Signal.ERROR: error,
        Signal.SIGN_ERROR: np.sign(error),
    }
    modulators: list[np.ndarray] = []
    deltas = [error]
    for k in range(last - 1, -1, -1):
        rule, matrix = spec.layers[k].rule, units.feedback * numbers.feedback[k]
        signal = signals.get(rule.signal, deltas[0])
        if rule.reads_out:
            signal = _local_error(spec, units, matrix, inputs[k + 1], targets)
        layer, above = spec.layers[k], spec.layers[k + 1]
        if not rule.learns_hidden:
            modulator = np.zeros_like(gates[k])
        else:
            sent = numbers.weights[k + 1] if rule.feedback is Feedback.TRANSPOSE else matrix
            if rule.holds_deltas and isinstance(above, ConvLayer):
                modulator = convolution.sent_down(above, convolution.spread(above, signal, winners[k + 1]), sent)
            else:
                modulator = signal @ sent
            if isinstance(layer, ConvLayer) and rule.broadcasts:
                modulator = convolution.of_elements(layer, modulator)
        modulators.insert(0, modulator)
        deltas.insert(0, modulator * gates[k])
    return Passed(inputs, sums, gates, scores, modulators, deltas, winners)


def _errors(units: Units, scores: np.ndarray, targets: np.ndarray, dead_zone: float) -> np.ndarray:
    error = np.clip(scores - targets, -LARGEST_ERROR, LARGEST_ERROR)
    error[np.abs(error) <= dead_zone] = 0
    return error * units.error


def _local_error(
    spec: NetworkSpec, units: Units, readout: np.ndarray, y: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    """Return the errors of a readout float[n_outputs, n_out] of activations y."""
    return _errors(units, _scores(spec, y @ readout.T), targets, spec.readout_dead_zone / output_one(spec))


def backpropagated(spec: NetworkSpec, numbers: FloatWeights, passed: Passed) -> list[np.ndarray]:
    """Return the gradients dLoss/dz of hidden layers, [n, n_gates] each, at the weights the samples passed.

    Notes
    -----
    Of a convolution that is taught at positions they are those of its elements, at their winners.
    """
    activation, above = hidden_activation(spec), spec.layers[-1]
    delta = passed.deltas[-1]
    found: list[np.ndarray] = []
    for k in range(len(spec.layers) - 2, -1, -1):
        layer = spec.layers[k]
        if isinstance(above, ConvLayer):
            acting = convolution.spread_elements(above.window, delta, passed.winners[k + 1])
            delta = convolution.sent_down(above, acting, numbers.weights[k + 1])
        else:
            delta = delta @ numbers.weights[k + 1]
        delta = delta * np.asarray(activation.gate(passed.sums[k]), np.float64)
        above = layer
        if isinstance(layer, ConvLayer) and layer.teach == "positions":
            acting = convolution.spread_elements(layer.window, delta, passed.winners[k])
            found.insert(0, acting.reshape(len(delta), -1))
        else:
            found.insert(0, delta)
    return found


def update_of(spec: NetworkSpec, passed: Passed, units: Units | None = None, halvings: int = 0) -> FloatWeights:
    """Return the change of weights and biases that the first sample makes; words that do not learn stay."""
    units = units or Units()
    weights, biases = [], []
    for k, layer in enumerate(spec.layers):
        rate = 2.0 ** (layer.rate - halvings) if layer.learns else 0.0
        of_weights = rate if layer.learned == "all" else 0.0
        of_biases = rate if layer.n_biases else 0.0
        if isinstance(layer, ConvLayer):
            acting = convolution.spread(layer, passed.deltas[k][:1], passed.winners[k][:1])[0]
            gradient, delta = convolution.kernel_gradient(layer, acting, passed.inputs[k][0]), acting.sum(axis=0)
        else:
            delta = passed.deltas[k][0]
            gradient = np.outer(delta, passed.inputs[k][0])
        weights.append(-of_weights * gradient)
        biases.append(-of_biases * delta * (units.activation if k else units.level))
    return FloatWeights(weights, biases, [])


def _scores(spec: NetworkSpec, z: np.ndarray) -> np.ndarray:
    if spec.output == "linear":
        return z.copy()
    if spec.output == "softmax":
        shares = np.exp(z - z.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))
    return np.asarray((1 + np.tanh(z / 2)) / 2)
