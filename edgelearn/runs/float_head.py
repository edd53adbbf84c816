"""Dense layers of a trained model in floating point, and in the units of the contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgelearn.network.activations import find_activation
from edgelearn.runs.levels import Levels

REACH = 0.999  # quantile of hidden activations that the highest word stands for
_HIGHEST_RELU = 127 / 32  # value of the highest activation word
_SCALABLE = ("relu", "leaky")  # f(a z) = a f(z)


@dataclass(frozen=True, eq=False)
class HeadLayer:
    """weights float64[n_out, n_in], biases float64[n_out], name of the activation."""

    weights: np.ndarray
    biases: np.ndarray
    activation: str


@dataclass(frozen=True, eq=False)
class FloatHead:
    """Dense layers as the model has them."""

    layers: tuple[HeadLayer, ...]

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Return what the last layer computes before its activation, float64[n, n_out].

        Parameters
        ----------
        x : float64[n, n_in], features in the units of the model
        """
        for layer in self.layers[:-1]:
            x = activate(layer.activation, x @ layer.weights.T + layer.biases)
        return np.asarray(x @ self.layers[-1].weights.T + self.layers[-1].biases)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the class of each row, int64[n]; one output tells two classes apart."""
        scores = self.scores(x)
        return scores.argmax(axis=1) if scores.shape[1] > 1 else (scores[:, 0] > 0).astype(np.int64)

    def reaches(self, x: np.ndarray) -> list[float | None]:
        """Return the value that 99.9 % of each hidden layer's activations stay below."""
        found: list[float | None] = []
        for layer in self.layers[:-1]:
            x = activate(layer.activation, x @ layer.weights.T + layer.biases)
            found.append(float(np.quantile(np.abs(x), REACH)))
        return found

    def in_units(
        self, levels: Levels, activation: str, limits: Sequence[float | None]
    ) -> tuple[list[tuple[np.ndarray, np.ndarray]], tuple[float, ...], list[str]]:
        """Return weights and biases for inputs in units of their 1.0, the unit of each layer's rate, and notes.

        The scale and offset of the features go into the first layer; a hidden layer of a homogeneous activation is
        scaled so that its highest word stands for its limit, and the layer above by the inverse.

        Parameters
        ----------
        activation : hidden activation of the network
        limits : largest value of each hidden layer that has to be kept, None where it is not known
        """
        scaled, rate_units = [], []
        unit, offset, notes = np.asarray(levels.unit, np.float64), levels.offset, list[str]()
        below = float(unit.mean())
        for k, layer in enumerate(self.layers):
            weights, biases = layer.weights * unit, layer.biases + (layer.weights * offset).sum(axis=1)
            ratio, own, offset = 1.0, 1.0, np.zeros(1)
            if k < len(self.layers) - 1:
                if layer.activation == "sigmoid":
                    ratio, own, offset = 0.5, 0.5, np.full(1, 0.5)
                elif activation in _SCALABLE and limits[k]:
                    own = float(limits[k] or 0.0) / _HIGHEST_RELU
                    ratio = 1 / own
                elif activation in _SCALABLE:
                    notes.append(f"activations of layer {k + 1} beyond {_HIGHEST_RELU:.4g} are cut: no data say more")
            scaled.append((weights * ratio, biases * ratio))
            rate_units.append(1 / (ratio * below) ** 2)
            unit, below = np.full(1, own), own
        return scaled, tuple(rate_units), notes


def activate(name: str, z: np.ndarray) -> np.ndarray:
    """Return a hidden activation in floating point."""
    if name == "sigmoid":
        return np.asarray(1 / (1 + np.exp(-np.clip(z, -500, 500))))
    return np.asarray(find_activation(name).value(z), np.float64)
