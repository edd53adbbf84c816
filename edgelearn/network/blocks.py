"""Blocks of samples through the tiles of a network, where no sample has to wait for the end of the one before."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgelearn.errors import UserError
from edgelearn.files import physical_memory
from edgelearn.fixedpoint.aligned import aligned_zeros
from edgelearn.fixedpoint.native import kernel_of
from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.arrays import (
    BATCH,
    BLOCK_COUNTS,
    BLOCK_TALLY,
    BLOCK_TOTALS,
    TILE,
    BlockAnswers,
    BlockInputs,
    BlockWork,
    Results,
)
from edgelearn.network.pipeline import Pipeline, Unit
from edgelearn.rules.rule import Locking

if TYPE_CHECKING:
    from edgelearn.network.prepared import PreparedLevels
    from edgelearn.network.spec import NetworkSpec
    from edgelearn.network.state import State

KERNELS = "edgelearn.network.kernels"
list_levels = kernel_of(f"{KERNELS}.blocks", "list_levels")
list_activations = kernel_of(f"{KERNELS}.blocks", "list_activations")
count_block = kernel_of(f"{KERNELS}.blocks", "count_block")
learn_hidden_events = kernel_of(f"{KERNELS}.tiles", "learn_hidden_events")
learn_output_events = kernel_of(f"{KERNELS}.tiles", "learn_output_events")
learn_hidden_neurons = kernel_of(f"{KERNELS}.rows", "learn_hidden_neurons")
learn_output_neurons = kernel_of(f"{KERNELS}.rows", "learn_output_neurons")

BLOCK = 512  # samples
ROOM = 1 << 19  # input levels of a block
LEAST = 64  # samples of a call that threads share
TASKS = 2  # units per thread and layer: what a thread that is ahead takes over from another
NEURONS = 50  # neurons of a task are a multiple, where rows are neurons
BUFFERS = 3  # blocks in flight: two are learned while a third is read out
MAX_THREADS = 256
EVENT_BYTES, MOST_LISTED = 6, 1 << 28  # of the events of levels that come again
CACHE_LINE = 64  # bytes
_threads = 1


def set_threads(n: int) -> None:
    """Let n threads share the tiles of each block. No result depends on it.

    Raises
    ------
    UserError
        "... threads are not possible"
    """
    global _threads
    if not 1 <= n <= MAX_THREADS:
        raise UserError(f"{n} threads are not possible; give 1 to {MAX_THREADS}, at best the cores that are free")
    _threads = n


@cache
def _pool(n: int, process: int) -> ThreadPoolExecutor:
    """Return threads that stay; those of a process are not there in its copies."""
    return ThreadPoolExecutor(n, thread_name_prefix="tiles")


def learns_by_blocks(spec: NetworkSpec) -> bool:
    """Return whether layers may take a block of samples one after the other.

    That is so where no hidden layer waits, which those of a rule without locking and frozen ones do not, unless one
    generator draws for all layers in the order of the samples, or a gate is known after the prediction only, or a
    layer is a convolution or has graded targets, which have no kernel of blocks.
    """
    if spec.is_convolutional or spec.is_graded:
        return False
    return spec.locking is Locking.NONE and not spec.stochastic and not spec.gated


@dataclass
class _List:
    """Inputs of the first layer, of one thread: those that another one writes would be far from its cache."""

    room: BlockInputs
    inputs: BlockInputs | None = None  # those in `room`, or of all rows
    first: int = -1  # step that the block begins with


class _Buffer(NamedTuple):
    """Arrays of a block in flight: inputs of each layer but the first, int64[K, size] events, work of each thread."""

    inputs: list[BlockInputs]
    n_events: np.ndarray
    works: list[BlockWork]


class _Call(NamedTuple):
    """Arguments of a call of `Blocks.run`."""

    levels: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    answers: BlockAnswers
    counters: np.ndarray
    lists: BlockInputs | None = None  # of all rows


class Blocks:
    """Predicts and learns in blocks. See `edgelearn.network.kernels.blocks`.

    Parameters
    ----------
    state : of the network, changed by `run`
    """

    def __init__(self, state: State) -> None:
        self._state = state
        layers = state.layers
        self._last = len(layers) - 1
        self._hidden = hidden_table(state)
        self._by_events = [bool(row[t.EVENT_MAJOR]) for row in layers]
        self._most = min(max(ROOM // int(layers[:, t.N_IN].max()), 16), BLOCK)
        self._size = 0
        self._one: _Call | None = None
        self._lists: list[_List] = []
        self._buffers: list[_Buffer] = []
        # the last tile of a row must not reach into the next one, which another thread may change
        wide = [not by_events or row[t.STRIDE] >= TILE for row, by_events in zip(layers, self._by_events, strict=True)]
        self._can_share = self._last > 0 and all(wide[:-1])

    def run(self, prepared: PreparedLevels, steps: np.ndarray, results: Results, counters: np.ndarray) -> None:
        """Take steps that predict rows, and learn those with a label; see `sample.run_steps`.

        Parameters
        ----------
        prepared : levels; steps : int64[n, 3], of KIND PREDICT
        results : Results, written; counters : int64[2, K, len(COUNTERS)], added to
        """
        n, levels = len(steps), prepared.levels
        if n == 0:
            return
        if n == 1 and not len(results.scores):
            self._run_one(levels, steps, results, counters)
            return
        rows, labels = np.ascontiguousarray(steps[:, t.ROW]), np.ascontiguousarray(steps[:, t.LABEL])
        results.dropped[rows] = 0
        answers = BlockAnswers(results.predictions, results.statuses, results.scores)
        call = _Call(levels, rows, labels, answers, counters, self.lists_of(prepared))
        threads = _threads if self._can_share and n >= LEAST else 1
        self._allocate(min(1 << (n - 1).bit_length(), self._most), threads)
        try:
            if threads > 1:
                self._run_shared(call, threads)
            else:
                self._run_alone(call)
        except BaseException:  # Ctrl-C inside a block, whose counts must not be added to those of the next call
            self._size, self._buffers, self._one = 0, [], None
            raise

    def _run_one(self, levels: np.ndarray, steps: np.ndarray, results: Results, counters: np.ndarray) -> None:
        """Take a step through arrays that stay, whose addresses kernels know from the call before."""
        self._allocate(1, 1)
        call = self._one
        if call is None or call.counters is not counters:
            answers = BlockAnswers(np.zeros(1, np.int64), np.zeros(1, np.uint8), results.scores)
            first, label = np.zeros(1, np.int64), np.zeros(1, np.int64)
            call = self._one = _Call(np.zeros((1, levels.shape[1]), np.uint8), first, label, answers, counters)
        row = int(steps[0, t.ROW])
        call.levels[0], call.labels[0], results.dropped[row] = levels[row], steps[0, t.LABEL], 0
        self._run_alone(call)
        results.predictions[0], results.statuses[0] = call.answers.predictions[0], call.answers.statuses[0]

    def _run_alone(self, call: _Call) -> None:
        """Take the steps in one thread."""
        self._lists[0].first = -1
        for first in range(0, len(call.rows), self._size):
            buffer = self._buffers[0]
            for k in range(self._last):
                if k > 0:
                    self._begin(k, call, first, buffer, 0)
                self._learn(k, 0, self._end(k), call, first, buffer, 0)
            self._read_out(call, first, buffer, 0)

    def _run_shared(self, call: _Call, threads: int) -> None:
        """Take the steps in threads, which own groups of tiles; see `edgelearn.network.pipeline`."""
        stages: list[list[Unit]] = []
        for k in range(self._last):
            if k > 0:
                stages.append([self._unit(partial(self._begin, k), call)])
            n, whole = self._end(k), 1 if self._by_events[k] else NEURONS
            size = -(-n // (TASKS * threads * whole)) * whole
            parts = [(part, min(part + size, n)) for part in range(0, n, size)]
            stages.append([self._unit(partial(self._learn, k, part, end), call) for part, end in parts])
        stages.append([self._unit(self._read_out, call)])
        for own in self._lists:
            own.first = -1
        n_blocks = -(-len(call.rows) // self._size)
        Pipeline(stages, n_blocks, BUFFERS, threads).run(_pool(threads - 1, os.getpid()))

    def _unit(self, work: Callable[[_Call, int, _Buffer, int], None], call: _Call) -> Unit:
        """Return what does `work` with block after block in the buffer of each."""

        def unit(block: int, thread: int) -> None:
            work(call, block * self._size, self._buffers[block % BUFFERS], thread)

        return unit

    def _part(self, array: np.ndarray, first: int) -> np.ndarray:
        """Return the entries of a block; the array itself where there is one block, since kernels know its address."""
        return array if len(array) <= self._size else array[first : first + self._size]

    def _end(self, k: int) -> int:
        """Return the tiles, or the neurons, of a hidden layer."""
        n = int(self._state.layers[k, t.N_OUT])
        return -(-n // TILE) if self._by_events[k] else n

    def _inputs(self, k: int, call: _Call, first: int, buffer: _Buffer, thread: int) -> BlockInputs:
        """Return the inputs of a layer; those of the first are listed for this thread."""
        if k > 0:
            return buffer.inputs[k - 1]
        own = self._lists[thread]
        if own.inputs is None or own.first != first:
            state, rows = self._state, self._part(call.rows, first)
            if call.lists is not None:
                own.inputs, starts = call.lists._replace(order=rows), call.lists.starts
                buffer.n_events[0, : len(rows)] = starts[rows + 1] - starts[rows] - 1  # without the bias
            else:
                own.inputs = own.room
                list_levels(call.levels, rows, state.net, state.layers, own.inputs, buffer.n_events)
            own.first = first
        return own.inputs

    def lists_of(self, prepared: PreparedLevels) -> BlockInputs | None:
        """Return the inputs of the first layer for all rows, listed now if they are not yet; None without room, and
        where the layer takes no events.
        """
        n, state = len(prepared), self._state
        if not self._by_events[0]:
            return None
        if prepared.lists is None and prepared.repeated:
            room = n + int(np.count_nonzero(prepared.levels))
            if room * EVENT_BYTES <= min(MOST_LISTED, physical_memory() // 32):  # many processes may do so
                lists, n_events = self._room_for_inputs(0, n, room), np.zeros((1, n), np.int64)
                list_levels(prepared.levels, np.arange(n), state.net, state.layers, lists, n_events)
                prepared.lists = lists  # complete, where several learners in threads share them
        return prepared.lists

    def _begin(self, k: int, call: _Call, first: int, buffer: _Buffer, thread: int) -> None:
        """Count, and perhaps list, the activations that a layer behind others takes."""
        n = min(len(call.rows) - first, self._size)
        list_activations(k, n, self._state.layers, buffer.inputs[k - 1], buffer.n_events)

    def _learn(self, k: int, part: int, end: int, call: _Call, first: int, buffer: _Buffer, thread: int) -> None:
        """Take some tiles, or neurons, of hidden layer k through the block."""
        state, arrays, labels = self._state, self._state.arrays, self._part(call.labels, first)
        inputs, above = self._inputs(k, call, first, buffer, thread), buffer.inputs[k].words
        work = buffer.works[thread]
        if self._by_events[k]:
            learn_hidden_events(
                k, part, end, labels, state.net, state.layers, arrays.weights, arrays.feedback,
                inputs, above, self._hidden, work,
            )  # fmt: skip
        else:
            learn_hidden_neurons(
                k, part, end, labels, state.net, state.layers, arrays.weights, arrays.feedback, arrays.floors,
                inputs, above, self._hidden, work,
            )  # fmt: skip

    def _read_out(self, call: _Call, first: int, buffer: _Buffer, thread: int) -> None:
        """Take the output layer through the block, whose hidden layers are done, and count what the block touched."""
        state, arrays, labels = self._state, self._state.arrays, self._part(call.labels, first)
        inputs, work = self._inputs(self._last, call, first, buffer, thread), buffer.works[0]
        if self._last > 0:
            self._begin(self._last, call, first, buffer, thread)
        if self._by_events[-1]:
            learn_output_events(
                first, labels, state.net, state.layers, arrays.weights, inputs, arrays.tables, work, call.answers
            )
        else:
            learn_output_neurons(
                first, labels, state.net, state.layers, arrays.weights, arrays.floors, inputs, arrays.tables, work,
                call.answers,
            )  # fmt: skip
        for other in buffer.works[1:]:
            for kept, more in ((work.counts, other.counts), (work.totals, other.totals)):
                kept += more
                more[...] = 0
        count_block(labels, state.layers, buffer.n_events, work, call.counters)

    def _allocate(self, size: int, threads: int) -> None:
        """Make room for blocks of `size` samples and for threads, unless there is."""
        n_buffers = BUFFERS if threads > 1 else 1
        if self._size >= size and len(self._buffers) >= n_buffers and len(self._buffers[0].works) >= threads:
            return
        self._size = max(size, self._size)
        n_rows = int(self._state.layers[:, t.ROWS].max())
        tiles = [aligned_zeros((n_rows, TILE), np.int16) for _ in range(threads)]
        self._lists = [_List(self._room_for_inputs(0, self._size)) for _ in range(threads)]
        self._buffers = [self._buffer(tiles) for _ in range(n_buffers)]

    def _buffer(self, tiles: Sequence[np.ndarray]) -> _Buffer:
        layers = self._state.layers
        inputs = [self._room_for_inputs(k, self._size) for k in range(1, self._last + 1)]
        works = [_work(layers, self._size, tile) for tile in tiles]
        return _Buffer(inputs, np.zeros((len(layers), self._size), np.int64), works)

    def _room_for_inputs(self, k: int, size: int, room: int | None = None) -> BlockInputs:
        """Return arrays for the inputs of a layer: of `size` samples and, where it takes events, for `room` of them."""
        n_in, by_events = int(self._state.layers[k, t.N_IN]), self._by_events[k]
        if room is None:
            room = size * (n_in + 1) if by_events else 0
        words = aligned_zeros((1 if by_events and k == 0 else size, _wide(n_in + 1)), np.int16)
        words[:, n_in] = self._state.arrays.inputs[k, n_in]
        return BlockInputs(
            words=words,
            rows=np.zeros(room, np.int32),
            factors=np.zeros(room, np.int16),
            starts=np.zeros(size + 1, np.int64),
            order=np.arange(size),
            present=np.zeros(size, np.int64),
        )


def hidden_table(state: State) -> np.ndarray:
    """Return 256 y + g by q + 128 for each layer, int16[K, 256], the event threshold applied."""
    table = state.arrays.tables[:, :256].astype(np.int16)  # 256 y + g fits
    if state.spec.event_threshold:
        y, g = table >> 8, table & 255
        table = np.where(np.abs(y) <= state.spec.event_threshold, g, table).astype(np.int16)
    return table


def _work(layers: np.ndarray, size: int, tile: np.ndarray) -> BlockWork:
    width = _wide(int(layers[:, t.N_OUT].max()))
    return BlockWork(
        words=_apart((BATCH + 3, TILE), np.int16),
        tile=tile,
        sums=_apart((2, width), np.int32),
        deltas=_apart((1, width), np.int16),
        bounds=_apart((2, width), np.int64),
        scores=_apart((width,), np.int64),
        counts=_apart((len(layers), BLOCK_COUNTS, size), np.int64),
        totals=_apart((len(layers), BLOCK_TOTALS), np.int64),
        tally=np.zeros(BLOCK_TALLY, np.int64),
    )


def _apart(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Return zeros with no other array in their cache lines, nor in the neighbours that processors fetch with them."""
    n, room = math.prod(shape), 2 * CACHE_LINE // np.dtype(dtype).itemsize
    return aligned_zeros((n + 2 * room,), dtype)[room : room + n].reshape(shape)


def _wide(n: int) -> int:
    """Return n rounded up to whole tiles."""
    return -(-n // TILE) * TILE
