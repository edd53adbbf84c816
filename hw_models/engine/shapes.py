"""Layers as an engine sees them: windows of a convolution, groups of lanes (docs/cost_model.md, section 14)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from edgelearn.network.layer import ConvLayer, Layer
from edgelearn.network.spec import NetworkSpec

Dataflow = Literal["output", "event"]


@dataclass(frozen=True, eq=False)
class Shapes:
    """Sizes of all layers, int64[K]; a dense layer is a window of a single position that spans its inputs.

    Parameters
    ----------
    convolution : bool[K]
    columns : neurons, or maps
    groups : of P columns each
    positions : of a window
    pooled : elements of a map, behind the pooling
    taught : places of a map that may have a d: elements, or positions
    fan_in : inputs of a window
    biases : of a column: 0 without kernel bias, else 1
    learned_words : of a column
    summed_words : of these the ones whose steps are sums over positions, held in accumulators; a bias has a register
    full_pairs : inputs in all windows
    winner_bits : of the place that a pooling chose; 0 where no one asks for it
    spread : positions at which a d acts: all of a mean, else one
    shared_feedback : bool[K], whether all places of a map have the same feedback
    """

    convolution: np.ndarray
    columns: np.ndarray
    groups: np.ndarray
    positions: np.ndarray
    pooled: np.ndarray
    taught: np.ndarray
    fan_in: np.ndarray
    biases: np.ndarray
    learned_words: np.ndarray
    summed_words: np.ndarray
    full_pairs: np.ndarray
    winner_bits: np.ndarray
    spread: np.ndarray
    shared_feedback: np.ndarray

    @property
    def outputs(self) -> np.ndarray:
        """Places of a layer that may have a d."""
        return np.asarray(self.columns * self.taught)

    @property
    def output_groups(self) -> np.ndarray:
        return np.asarray(self.groups * self.taught)

    def filled(self, values: np.ndarray) -> np.ndarray:
        """Return steps of P lanes for counts of columns, or of their places, with lanes as full as without zeros."""
        return np.asarray(values * self.groups / self.columns)


def shapes(spec: NetworkSpec, lanes: int = 1) -> Shapes:
    """Return the sizes of the layers of a network on P lanes along neurons or maps."""
    rows = [_row(layer, lanes) for layer in spec.layers]
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return Shapes(**columns)


def _row(layer: Layer, lanes: int) -> dict[str, Any]:
    biases = layer.n_biases // layer.n_columns
    row = {
        "convolution": False,
        "columns": layer.n_columns,
        "groups": -(-layer.n_columns // lanes),
        "positions": 1,
        "pooled": 1,
        "taught": 1,
        "fan_in": layer.fan_in,
        "biases": biases,
        "learned_words": {"all": layer.fan_in + biases, "bias": biases, "none": 0}[layer.learned],
        "summed_words": 0,
        "full_pairs": layer.fan_in,
        "winner_bits": 0,
        "spread": 1,
        "shared_feedback": False,
    }
    if isinstance(layer, ConvLayer):
        window = layer.window
        at_positions = layer.teach == "positions"
        pooled = window.pooled_height * window.pooled_width
        row |= {
            "convolution": True,
            "summed_words": layer.fan_in * (layer.learned == "all"),
            "positions": window.positions,
            "pooled": pooled,
            "taught": window.positions if at_positions else pooled,
            "full_pairs": window.full_pairs,
            "winner_bits": window.winner_bits if window.takes_winners and not at_positions else 0,
            "spread": 1 if at_positions or window.takes_winners else window.pool**2,
            "shared_feedback": layer.shares_feedback,
        }
    return row
