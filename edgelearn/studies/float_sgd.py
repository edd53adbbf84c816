"""Plain SGD of dense layers in floating point, one sample at a time: what a learner in integers is compared with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgelearn.network.activations import find_activation
from edgelearn.runs.float_head import activate

Layers = list[tuple[np.ndarray, np.ndarray]]


class FloatSGD:
    """Dense layers that learn by gradient descent on the cross entropy, batch 1, without momentum.

    Parameters
    ----------
    layers : weights [n_out, n_in] and biases [n_out] of each layer; copied
    activation : of hidden layers, by the names of the contract
    learned : "all", "bias" or "none" per layer
    rates : of each layer
    """

    def __init__(
        self, layers: Layers, activation: str, output: str, learned: Sequence[str], rates: Sequence[float]
    ) -> None:
        self.layers = [(weights.astype(np.float64), biases.astype(np.float64)) for weights, biases in layers]
        self.activation, self.output, self.learned, self.rates = activation, output, tuple(learned), tuple(rates)
        self._gate = find_activation(activation).gate
        self._lowest = next((k for k, one in enumerate(learned) if one != "none"), len(layers))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the classes of rows [n, n_in]; one output tells two classes apart."""
        for weights, biases in self.layers[:-1]:
            x = activate(self.activation, x @ weights.T + biases)
        z = x @ self.layers[-1][0].T + self.layers[-1][1]
        return z.argmax(axis=1) if z.shape[1] > 1 else (z[:, 0] > 0).astype(np.int64)

    def learn(self, x: np.ndarray, y: np.ndarray) -> None:
        """Learn rows [n, n_in] with their classes, in order."""
        for row, label in zip(x, y, strict=True):
            self._step(row, int(label))

    def _step(self, x: np.ndarray, label: int) -> None:
        inputs, sums = [x], []
        for weights, biases in self.layers:
            sums.append(weights @ inputs[-1] + biases)
            inputs.append(activate(self.activation, sums[-1]) if len(sums) < len(self.layers) else sums[-1])
        z = sums[-1]
        target = np.zeros(len(z))
        if len(z) > 1:
            target[label] = 1.0
        else:
            target[0] = label
        if self.output == "softmax":
            shares = np.exp(z - z.max())
            delta = shares / shares.sum() - target
        else:
            delta = 1 / (1 + np.exp(-np.clip(z, -500, 500))) - target
        for k in range(len(self.layers) - 1, self._lowest - 1, -1):
            weights, biases = self.layers[k]
            below = (weights.T @ delta) * self._gate(sums[k - 1]) if k > self._lowest else None
            if self.learned[k] != "none":
                biases -= self.rates[k] * delta
            if self.learned[k] == "all":
                weights -= self.rates[k] * np.outer(delta, inputs[k])
            if below is not None:
                delta = below
