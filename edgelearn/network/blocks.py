"""Blocks of samples through the tiles of a network, where no sample has to wait for the end of the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgelearn.fixedpoint.native import kernel_of
from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.arrays import (
    BATCH,
    BLOCK_COUNTS,
    BLOCK_TOTALS,
    TILE,
    BlockAnswers,
    BlockInputs,
    BlockWork,
    Results,
    aligned_zeros,
)
from edgelearn.rules.rule import Locking

if TYPE_CHECKING:
    from edgelearn.network.spec import NetworkSpec
    from edgelearn.network.state import State

TILES = "edgelearn.network.kernels.tiles"
list_levels, list_activations = kernel_of(TILES, "list_levels"), kernel_of(TILES, "list_activations")
learn_hidden_events, learn_output_events = (
    kernel_of(TILES, "learn_hidden_events"),
    kernel_of(TILES, "learn_output_events"),
)
learn_hidden_neurons = kernel_of(TILES, "learn_hidden_neurons")
learn_output_neurons, count_block = kernel_of(TILES, "learn_output_neurons"), kernel_of(TILES, "count_block")

BLOCK = 256  # samples
ROOM = 1 << 18  # input levels of a block


def learns_by_blocks(spec: NetworkSpec) -> bool:
    """Return whether layers may take a block of samples one after the other.

    That is so for a rule without locking, unless one generator draws for all layers in the order of the samples, or a
    gate is known after the prediction only.
    """
    return spec.rule.locking is Locking.NONE and not spec.stochastic and not spec.gated


class Blocks:
    """Predicts and learns in blocks. See `edgelearn.network.kernels.tiles`.

    Parameters
    ----------
    state : of the network, changed by `run`
    """

    def __init__(self, state: State) -> None:
        self._state = state
        layers, tables = state.layers, state.arrays.tables
        self._hidden = tables[:, :256].astype(np.int16)  # 256 y + g fits
        if state.spec.event_threshold:
            y, g = self._hidden >> 8, self._hidden & 255
            self._hidden = np.where(np.abs(y) <= state.spec.event_threshold, g, self._hidden).astype(np.int16)
        self._tiles = [-(-int(n) // TILE) for n in layers[:, t.N_OUT]]
        self._most = min(max(ROOM // int(layers[:, t.N_IN].max()), 16), BLOCK)
        self._size = 0
        self._inputs: list[BlockInputs] = []
        self._work: BlockWork | None = None

    def run(self, levels: np.ndarray, steps: np.ndarray, results: Results, counters: np.ndarray) -> None:
        """Take steps that predict rows, and learn those with a label; see `sample.run_steps`.

        Parameters
        ----------
        levels : uint8[rows, n_in]; steps : int64[n, 3], of KIND PREDICT
        results : Results, written; counters : int64[2, K, len(COUNTERS)], added to
        """
        needed = min(len(steps), self._most)
        if self._size < needed:
            self._allocate(min(1 << (needed - 1).bit_length(), self._most))
        state, arrays, work = self._state, self._state.arrays, self._work
        net, layers, last = state.net, state.layers, len(state.layers) - 1
        rows, labels = np.ascontiguousarray(steps[:, t.ROW]), np.ascontiguousarray(steps[:, t.LABEL])
        results.dropped[rows] = 0
        answers = BlockAnswers(results.predictions, results.statuses, results.scores)
        inputs, n_events = self._inputs, self._n_events
        for first in range(0, len(steps), max(self._size, 1)):
            some = labels[first : first + self._size]
            list_levels(levels, rows[first : first + self._size], net, layers, inputs[0], n_events)
            for k in range(last + 1):
                if k > 0:
                    list_activations(k, len(some), layers, inputs[k], n_events)
                by_events = layers[k, t.EVENT_MAJOR]
                if k < last and by_events:
                    learn_hidden_events(
                        k, 0, self._tiles[k], some, net, layers, arrays.weights, arrays.feedback,
                        inputs[k], inputs[k + 1].words, self._hidden, work,
                    )  # fmt: skip
                elif k < last:
                    learn_hidden_neurons(
                        k, 0, layers[k, t.N_OUT], some, net, layers, arrays.weights, arrays.feedback, arrays.floors,
                        inputs[k], inputs[k + 1].words, self._hidden, work,
                    )  # fmt: skip
                elif by_events:
                    learn_output_events(
                        first, some, net, layers, arrays.weights, inputs[k], arrays.tables, work, answers
                    )
                else:
                    learn_output_neurons(
                        first, some, net, layers, arrays.weights, arrays.floors, inputs[k], arrays.tables, work, answers
                    )
            count_block(some, net, layers, n_events, work, counters)

    def _allocate(self, size: int) -> None:
        layers, n_layers = self._state.layers, len(self._state.layers)
        self._size, self._inputs = size, []
        for k in range(n_layers):
            n_in, by_events = int(layers[k, t.N_IN]), bool(layers[k, t.EVENT_MAJOR])
            room = size * (n_in + 1) if by_events else 0
            n_words = 1 if by_events and k == 0 else size
            words = aligned_zeros((n_words, _wide(n_in + 1)), np.int16)
            words[:, n_in] = self._state.arrays.inputs[k, n_in]
            self._inputs.append(
                BlockInputs(
                    words=words,
                    rows=np.zeros(room, np.int32),
                    factors=np.zeros(room, np.int16),
                    starts=np.zeros(size + 1, np.int64),
                    present=np.zeros(size, np.int64),
                )
            )
        width = _wide(int(layers[:, t.N_OUT].max()))
        self._n_events = np.zeros((n_layers, size), np.int64)
        self._work = BlockWork(
            words=aligned_zeros((BATCH + 1, TILE), np.int16),
            tile=aligned_zeros((int(layers[:, t.ROWS].max()), TILE), np.int16),
            sums=aligned_zeros((1, width), np.int32),
            deltas=aligned_zeros((1, width), np.int16),
            bounds=np.zeros((2, width), np.int64),
            scores=np.zeros(width, np.int64),
            counts=np.zeros((n_layers, BLOCK_COUNTS, size), np.int64),
            totals=np.zeros((n_layers, BLOCK_TOTALS), np.int64),
        )


def _wide(n: int) -> int:
    """Return n rounded up to whole tiles."""
    return -(-n // TILE) * TILE
