"""The float twin of a network that learns online: every rule in torch, one sample at a time, in place.

It is the arithmetic contract without words: no rounding, no saturation, no tables. `autograd_update` is independent of
both: what a user of torch.nn gets for backpropagation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from edgelearn.errors import UserError
from edgelearn.network.layer import ConvLayer, Layer
from edgelearn.network.spec import NetworkSpec
from edgelearn.references.closed_form import (
    LARGEST_ERROR,
    FloatWeights,
    hidden_activation,
    output_one,
    targets_of,
)
from edgelearn.references.online_layers import DenseTensors, MapTensors
from edgelearn.references.torch_online import _torch
from edgelearn.rules.rule import Feedback, Signal


class OnlineTwin:
    """A float network that learns as `edgelearn.network.learner.Learner` does.

    Parameters
    ----------
    spec : of the network in fixed point; words and shifts in it are not looked at
    start : weights and feedback to begin with
    dtype : "float32" or "float64"
    """

    def __init__(self, spec: NetworkSpec, start: FloatWeights, dtype: str = "float32") -> None:
        torch = _torch()
        self.spec = spec
        self._dtype = getattr(torch, dtype)
        self._target = torch.zeros(spec.n_outputs, dtype=self._dtype)
        self._sign = torch.zeros(spec.n_outputs, dtype=self._dtype)
        self._signed_target = torch.zeros(spec.n_outputs, dtype=self._dtype)
        self._activate, self._gate = (partial(f, torch) for f in _FUNCTIONS[hidden_activation(spec).name])
        self._layers = [
            MapTensors(layer, w, b, self._dtype, self._activate)
            if isinstance(layer, ConvLayer)
            else DenseTensors(layer, w, b, self._dtype)
            for layer, w, b in zip(spec.layers, start.weights, start.biases, strict=True)
        ]
        self._event_threshold = spec.event_threshold / hidden_activation(spec).one
        one = output_one(spec)
        self._dead_zone, self._local_dead_zone = spec.dead_zone / one, spec.readout_dead_zone / one
        self._output, self._is_linear = _OUTPUTS[spec.output](torch), spec.output == "linear"
        self.halvings = 0
        for k, hidden in enumerate(self._layers[:-1]):
            above = self._layers[k + 1]
            if not self._event_threshold:
                hidden.values = above.inputs[:-1]
            if hidden.rule.feedback is Feedback.TRANSPOSE:
                hidden.feedback = above.without_bias.T
            elif hidden.rule.stores_feedback:
                hidden.feedback = torch.from_numpy(start.feedback[k].T.copy()).to(self._dtype)
            if hidden.rule.holds_deltas and isinstance(above, MapTensors):
                hidden.above, hidden.feedback = above, hidden.feedback.T
            signals = {
                Signal.TARGET: self._target,
                Signal.ERROR: self._layers[-1].delta,
                Signal.SIGN_ERROR: self._sign,
                Signal.SIGNED_TARGET: self._signed_target,
            }
            hidden.signal = signals.get(hidden.rule.signal, above.delta)
            if hidden.rule.reads_out:
                hidden.sent, hidden.signal = above.inputs, torch.zeros_like(self._target)
        self._taught = [hidden for hidden in self._layers[:-1] if hidden.rule.learns_hidden]

    def learn(self, levels: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Learn rows of input levels one after another; return the classes predicted before each was learned."""
        gates = None
        if self.spec.gated:

            def gates(row: int, z: Any) -> bool:
                return self._gates(z, int(labels[row]))

        return self._classes(self._learn(levels, targets_of(self.spec, labels), gates))

    def learn_targets(
        self, levels: np.ndarray, targets: np.ndarray, holds_back: Callable[[int, Any], bool] | None = None
    ) -> np.ndarray:
        """Learn rows towards targets one after another; return the outputs before each was learned.

        Parameters
        ----------
        targets : float[n, n_outputs], numbers in the unit of the outputs
        holds_back : called with each row's number and its outputs, float[n_outputs]; true for a row that is not learned

        Returns
        -------
        float64[n, n_outputs]
        """
        held = None
        if holds_back is not None:

            def held(row: int, z: Any) -> bool:
                return holds_back(row, self._output(z).double().numpy())

        sums = self._learn(levels, np.asarray(targets, np.float64), held)
        return np.asarray(self._output(sums).double().numpy())

    def outputs(self, levels: np.ndarray) -> np.ndarray:
        """Return the outputs of rows of input levels, float64[n, n_outputs], without learning."""
        return np.asarray(self._output(self._sums(levels)).double().numpy())

    def _learn(self, levels: np.ndarray, targets: np.ndarray, holds_back: Callable[[int, Any], bool] | None) -> Any:
        """Learn rows one after another; return the sums of the outputs before each was learned."""
        torch = _torch()
        sums = torch.empty((len(targets), self.spec.n_outputs), dtype=self._dtype)
        rows = self._inputs(levels).unbind()
        wanted = torch.from_numpy(targets).to(self._dtype).unbind()
        mv, activate, error = torch.mv, self._activate, self._layers[-1].delta
        hidden, last, output = self._layers[:-1], self._layers[-1], self._output
        learning = [(layer, -layer.rate / 2**self.halvings) for layer in self._layers if layer.learned != "none"]
        with torch.no_grad():
            for s, (row, z, target) in enumerate(zip(rows, sums.unbind(), wanted, strict=True)):
                self._layers[0].inputs = row
                for k, layer in enumerate(hidden):
                    layer.add_inputs()
                    activate(layer.sums, layer.values)
                    if self._event_threshold:
                        self._send(layer.values, self._layers[k + 1].inputs)
                mv(last.weights, last.inputs, out=z)
                if holds_back is not None and holds_back(s, z):
                    continue
                output(z, out=error).sub_(target)
                if self._is_linear:
                    error.clamp_(-LARGEST_ERROR, LARGEST_ERROR)
                if self._dead_zone:
                    error.copy_(torch.nn.functional.hardshrink(error, self._dead_zone))
                if self._taught:
                    self._modulate(target)
                for layer, minus_rate in learning:
                    layer.update(minus_rate)
        return sums

    def _modulate(self, target: Any) -> None:
        """Compute the deltas of hidden layers from the last to the first, before any weight changes."""
        torch = _torch()
        self._target.copy_(target)
        signals = {layer.rule.signal for layer in self._taught}
        if Signal.SIGNED_TARGET in signals:
            torch.sub(1, self._target, alpha=2, out=self._signed_target)
        if Signal.SIGN_ERROR in signals:
            torch.sign(self._layers[-1].delta, out=self._sign)
        for layer in reversed(self._taught):
            if layer.rule.reads_out:
                self._read_out(layer)
            layer.take_signal()
            layer.gate(self._gate)

    def _read_out(self, layer: DenseTensors) -> None:
        """Write the local error of a hidden layer: the outputs of its readout, minus the target."""
        torch = _torch()
        z = torch.mv(layer.feedback.T, layer.sent[:-1])
        self._output(z, out=layer.signal).sub_(self._target)
        if self._is_linear:
            layer.signal.clamp_(-LARGEST_ERROR, LARGEST_ERROR)
        if self._local_dead_zone:
            layer.signal.copy_(torch.nn.functional.hardshrink(layer.signal, self._local_dead_zone))

    def _send(self, values: Any, inputs: Any) -> None:
        """Pass activations on without those within the event threshold."""
        inputs[:-1].copy_(_torch().nn.functional.hardshrink(values, self._event_threshold))

    def _gates(self, z: Any, label: int) -> bool:
        """Return whether the update gate holds the sample back (contract, section 9)."""
        values = z.tolist()
        if len(values) == 1:
            right, lead = (values[0] > 0) == bool(label), values[0] if label else -values[0]
        else:
            right = values.index(max(values)) == label
            lead = values[label] - max(value for c, value in enumerate(values) if c != label)
        return right and (self.spec.update_gate == "error" or 16 * lead > self.spec.margin)

    def predict(self, levels: np.ndarray) -> np.ndarray:
        """Return the classes of rows of input levels, int64[n]."""
        return self._classes(self._sums(levels))

    def _sums(self, levels: np.ndarray) -> Any:
        """Return the sums of the outputs of rows of input levels, [n, n_outputs]."""
        torch = _torch()
        x = self._inputs(levels)
        with torch.no_grad():
            for layer in self._layers[:-1]:
                values = torch.empty((len(x), len(layer.sums)), dtype=self._dtype)
                self._activate(layer.sums_of(x), values)
                x = torch.ones((len(x), len(layer.sums) + 1), dtype=self._dtype)
                x[:, :-1] = values
                if self._event_threshold:
                    x[:, :-1] = torch.nn.functional.hardshrink(values, self._event_threshold)
            return self._layers[-1].sums_of(x)

    def numbers(self) -> FloatWeights:
        """Return a copy of weights, biases and feedback."""
        feedback = []
        for k, layer in enumerate(self._layers[:-1]):
            matrix = np.zeros((0, self.spec.layers[k].n_out))
            if layer.rule.stores_feedback:
                by_lane = layer.feedback if layer.above is not None else layer.feedback.T
                matrix = by_lane.double().numpy().copy()
            feedback.append(matrix)
        weights = [layer.without_bias.double().numpy().copy() for layer in self._layers]
        return FloatWeights(weights, [layer.biases.double().numpy().copy() for layer in self._layers], feedback)

    def _inputs(self, levels: np.ndarray) -> Any:
        """Return rows of inputs, 1.0 the highest level, and of a last one that is always on."""
        torch = _torch()
        rows = torch.ones((len(levels), levels.shape[1] + 1), dtype=self._dtype)
        rows[:, :-1] = torch.from_numpy(np.asarray(levels)).to(self._dtype) / self.spec.layers[0].input_one
        return rows

    def _classes(self, sums: Any) -> np.ndarray:
        if self.spec.n_outputs == 1:
            return np.asarray((sums[:, 0] > 0).long().numpy())
        return np.asarray(sums.argmax(1).numpy())


def autograd_update(
    spec: NetworkSpec, start: FloatWeights, x: np.ndarray, label: int | np.ndarray, halvings: int = 0
) -> FloatWeights:
    """Return the change that one step of gradient descent on one sample makes, by torch.nn and autograd in float64.

    Parameters
    ----------
    x : float[n_in], 1.0 is the highest level
    label : of a network with graded targets these, float[n_outputs]

    Notes
    -----
    The loss is that of the outputs, and a layer under bp has that of the layer above. A layer with local errors has the
    loss of its readout instead, one with direct feedback a linear loss m y of the modulator it is sent; nothing from
    above reaches it. Feedback matrices layer by layer (fa) are no gradient of any loss.

    Raises
    ------
    UserError
        "rule 'fa' follows no gradient ..."
    """
    torch = _torch()
    if any(row.feedback is Feedback.LAYERWISE for row in spec.rules):
        raise UserError("rule 'fa' follows no gradient, so that autograd has none; compare with the closed form")
    layers: list[Any] = []
    target = torch.from_numpy(targets_of(spec, np.array([label]))[0])
    losses: list[Any] = []
    activations: list[Any] = []
    y = torch.from_numpy(np.asarray(x, np.float64))
    for k, layer in enumerate(spec.layers):
        module = _affine(layer, start.weights[k], start.biases[k])
        layers.append(module)
        y = module(y)
        if layer.output:
            losses.append(_loss(spec, y, target))
            continue
        taught = y = _module(layer.activation)(y)
        if isinstance(layer, ConvLayer) and layer.teach == "positions":
            taught = _module(layer.activation)(module.before)
        activations.append(taught)
        if layer.rule.reads_out:
            losses.append(_loss(spec, torch.from_numpy(start.feedback[k]) @ y, target))
        if not layer.rule.weight_transport:
            y = y.detach()
    signals = _direct_signals(spec, y.detach(), target)
    for k, hidden in enumerate(activations):
        if (signal := signals.get(spec.layers[k].rule.signal)) is not None:
            modulator = signal @ torch.from_numpy(start.feedback[k])
            losses.append(modulator.repeat(len(hidden) // len(modulator)) @ hidden)
    sum(losses).backward()

    weights, biases = [], []
    for layer, module in zip(spec.layers, layers, strict=True):
        weights.append(_change(layer, module.weight, layer.learned == "all", halvings).reshape(layer.n_columns, -1))
        biases.append(_change(layer, module.bias, layer.learns and layer.n_biases > 0, halvings))
    return FloatWeights(weights, biases, [])


def _affine(layer: Layer, weights: np.ndarray, biases: np.ndarray) -> Any:
    """Return the sums of a layer as a module: torch's own linear layer, or its convolution and pooling."""
    torch = _torch()
    if not isinstance(layer, ConvLayer):
        module = torch.nn.Linear(layer.n_in, layer.n_out, dtype=torch.float64)
        with torch.no_grad():
            module.weight.copy_(torch.from_numpy(weights))
            module.bias.copy_(torch.from_numpy(biases))
        return module
    window = layer.window
    functional = torch.nn.functional

    class PooledConvolution(torch.nn.Module):  # type: ignore[misc, name-defined]
        """Channels come first in torch; weights [maps, kernel_height, kernel_width, channels]."""

        def __init__(self) -> None:
            super().__init__()
            shape = (window.maps, window.kernel_height, window.kernel_width, window.channels)
            self.weight = torch.nn.Parameter(torch.from_numpy(weights.reshape(shape).copy()))
            self.bias = torch.nn.Parameter(torch.from_numpy(biases.copy()))
            self.before: Any = None

        def forward(self, x: Any) -> Any:
            image = x.view(window.height, window.width, window.channels).permute(2, 0, 1)[None]
            kernel = self.weight.permute(0, 3, 1, 2)
            sums = functional.conv2d(image, kernel, self.bias, window.stride, window.padding)
            self.before = sums[0].permute(1, 2, 0).flatten()
            if window.pool > 1:
                pool = functional.avg_pool2d if window.pooling == "mean" else functional.max_pool2d
                sums = pool(sums, window.pool)
            return sums[0].permute(1, 2, 0).flatten()

    return PooledConvolution()


def _change(layer: Layer, parameter: Any, learns: bool, halvings: int) -> np.ndarray:
    """Return the step of a parameter against its gradient, zero where it does not learn."""
    if not learns:
        return np.zeros(tuple(parameter.shape))
    return np.asarray(-(2.0 ** (layer.rate - halvings)) * parameter.grad.numpy())


def _direct_signals(spec: NetworkSpec, z: Any, target: Any) -> dict[Signal, Any]:
    """Return what outputs or the label send to hidden layers, from sums z of the output layer."""
    torch = _torch()
    error = _OUTPUTS[spec.output](torch)(z) - target
    if spec.output == "linear":
        error = error.clamp(-LARGEST_ERROR, LARGEST_ERROR)
    return {
        Signal.TARGET: target,
        Signal.SIGNED_TARGET: 1 - 2 * target,
        Signal.ERROR: error,
        Signal.SIGN_ERROR: torch.sign(error),
    }


def _loss(spec: NetworkSpec, z: Any, target: Any) -> Any:
    functional = _torch().nn.functional
    if spec.output == "linear":
        return functional.huber_loss(z, target, reduction="sum", delta=LARGEST_ERROR)
    if spec.output == "softmax":
        return functional.cross_entropy(z, target.argmax())
    return functional.binary_cross_entropy_with_logits(z, target, reduction="sum")


def _module(name: str) -> Any:
    nn = _torch().nn

    class QuadraticTanh(nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, z: Any) -> Any:
            t = (z / 2).clamp(-1, 1)
            return t * (2 - t.abs())

    modules = {
        "tanh": nn.Tanh,
        "hard-tanh": nn.Hardtanh,
        "quadratic-tanh": QuadraticTanh,
        "relu": nn.ReLU,
        "leaky": lambda: nn.LeakyReLU(1 / 20),
    }
    return modules[name]()


def _linear(z: Any, out: Any = None) -> Any:
    return z.clone() if out is None else out.copy_(z)


def _quadratic(torch: Any, z: Any, y: Any) -> None:
    t = (z / 2).clamp_(-1, 1)
    torch.mul(t, 2 - t.abs(), out=y)


# value from z into y; gate from z and y times the modulator into d
_FUNCTIONS: dict[str, tuple[Callable[..., object], Callable[..., object]]] = {
    "tanh": (
        lambda torch, z, y: torch.tanh(z, out=y),
        lambda torch, z, y, m, d: torch.addcmul(m, m, torch.mul(y, y, out=d), value=-1, out=d),
    ),
    "hard-tanh": (
        lambda torch, z, y: torch.clamp(z, -1, 1, out=y),
        lambda torch, z, y, m, d: torch.mul(m, z.abs() < 1, out=d),
    ),
    "quadratic-tanh": (
        _quadratic,
        lambda torch, z, y, m, d: torch.mul(m, 1 - (z / 2).clamp_(-1, 1).abs_(), out=d),
    ),
    "relu": (
        lambda torch, z, y: torch.clamp(z, min=0, out=y),
        lambda torch, z, y, m, d: torch.mul(m, z > 0, out=d),
    ),
    "leaky": (
        lambda torch, z, y: torch.maximum(z, z / 20, out=y),
        lambda torch, z, y, m, d: torch.where(z > 0, m, m / 20, out=d),
    ),
}

_OUTPUTS: dict[str, Callable[[Any], Callable[..., Any]]] = {
    "sigmoid": lambda torch: torch.sigmoid,
    "softmax": lambda torch: partial(torch.softmax, dim=-1),
    "linear": lambda torch: _linear,
}
