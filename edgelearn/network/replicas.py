"""Replicas: networks of one shape that learn the same data side by side, as the cells of a study do.

Seeds and rates of a network with one narrow hidden layer fill the vectors of a processor together: the outputs of up to
eight replicas, and the hidden neurons of two that take samples in the same order. Each replica gets the words,
predictions and counts that it would get alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edgelearn.fixedpoint.aligned import aligned_zeros
from edgelearn.fixedpoint.native import kernel_of
from edgelearn.network.blocks import KERNELS, Blocks, hidden_table, learns_by_blocks
from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.arrays import (
    BLOCK_TALLY,
    CHUNK,
    LANE,
    LANES,
    PLACES,
    REPLICAS,
    SHIFTED,
    SLOT,
    Events,
    Outputs,
    Unit,
)

if TYPE_CHECKING:
    from edgelearn.network.learner import Learner
    from edgelearn.network.prepared import PreparedLevels
    from edgelearn.network.spec import NetworkSpec

learn_single = kernel_of(f"{KERNELS}.replicas", "learn_single")
learn_pair = kernel_of(f"{KERNELS}.replicas", "learn_pair")
learn_outputs = kernel_of(f"{KERNELS}.replicas", "learn_outputs")
count_replica = kernel_of(f"{KERNELS}.replicas", "count_replica")

LEARNED = BLOCK_TALLY - 1
BLOCK = 512  # samples
RAIL = 32767
BYTE = 8
PLACE = 15  # where products of two words are rounded
NOBODY = -2  # label of a place without a replica


def are_replicas(specs: Sequence[NetworkSpec]) -> bool:
    """Return whether networks may learn side by side: alike but for seeds and rates, and of a form that kernels take.

    That is one hidden layer of at most 32 neurons whose rule locks nothing, inputs of few bits, independent outputs,
    accumulators that cannot wrap and words of 16 stored bits.
    """
    first = specs[0]
    if len(first.layers) != 2 or not learns_by_blocks(first) or len({_but_seed_and_rates(spec) for spec in specs}) != 1:
        return False
    hidden, output = first.layers
    return (
        hidden.n_out <= LANE
        and hidden.event_major
        and not output.event_major
        and output.n_out > 1
        and first.output == "sigmoid"
        and first.accumulator_bits == 32
        and first.hidden_inference == "full"
        and first.learn == "all"
        and all(layer.word.stored_bits == 16 and not layer.non_negative for layer in first.layers)
        and all(layer.sum_shift >= 0 for layer in first.layers)
        and hidden.n_in < RAIL
        and 8 * hidden.input_max << (hidden.word.bits - 1) <= RAIL
    )


def _but_seed_and_rates(spec: NetworkSpec) -> NetworkSpec:
    return replace(spec, seed=0, layers=tuple(replace(layer, rate=0) for layer in spec.layers))


class Replicas:
    """Learners side by side. Words are here between `load` and `store`, which the learners get back by it.

    Parameters
    ----------
    learners : at most `REPLICAS`, whose specifications are replicas by `are_replicas`
    orders : a number each; those of one number take the same rows with the same labels
    """

    def __init__(self, learners: Sequence[Learner], orders: Sequence[int]) -> None:
        self._learners = learners
        first = learners[0]
        hidden, output = first.spec.layers
        self._layers, self._blocks = first.state.layers, Blocks(first.state)
        self._table = hidden_table(first.state)
        self._modulators = [_modulators_of(learner) for learner in learners]
        self._errors = _errors_of(first)
        self._part = (RAIL >> (15 - self._layers[0, t.VIEW_SHIFT])) // hidden.input_max
        # views and levels are bytes, and products of CHUNK of them fit 16 bits
        self._short = self._layers[0, t.VIEW_SHIFT] == BYTE and self._part >= CHUNK and not first.spec.signed_inputs
        n_pairs = -(-hidden.n_out // 2) + 1
        self._n, self._n_pairs = len(learners), n_pairs
        inputs = aligned_zeros((BLOCK, n_pairs * LANES), np.int16)
        inputs[:, (n_pairs - 1) * LANES :: 2] = output.input_one
        minus = aligned_zeros((output.n_out, LANES), np.int16)
        self._outputs = Outputs(
            words=aligned_zeros((n_pairs, output.n_out * LANES), np.int16),
            inputs=inputs,
            pairs=inputs.view(np.int32),
            shifts=np.zeros((2, LANES), np.int16),
            errors=_pairs_of(-self._errors),
            sums=aligned_zeros((output.n_out, REPLICAS), np.int32),
            minus=minus,
            minus_pairs=minus.view(np.int32),
            labels=np.full((1, REPLICAS), NOBODY, np.int32),
            best=np.zeros((1, REPLICAS), np.int32),
            active=np.zeros((1, LANES), np.int16),
            found=np.zeros((REPLICAS, BLOCK), np.int64),
            tallies=np.zeros((REPLICAS, BLOCK_TALLY), np.int64),
            lost=np.zeros((1, LANES), np.int32),
        )
        self._events: dict[int, tuple[PreparedLevels, tuple[Events, Events]]] = {}
        self._members = self._paired(orders)
        self._units = [self._unit(members) for members in self._members]
        self.load()

    @property
    def fits(self) -> bool:
        """Return whether the steps of all replicas are products that the kernels round at present rates."""
        hidden, outputs = map(self._common, self._members), (self._places(1, r) for r in range(self._n))
        largest = max(np.abs(m.astype(np.int64)).max() for m in self._modulators)
        return bool(2 * largest <= RAIL) and all(hidden) and all(outputs)

    def _shift(self, k: int, r: int) -> int:
        """Return by how many places a step of a layer is shifted to the right."""
        state = self._learners[r].state
        return min(int(state.layers[k, t.STEP_SHIFT] + state.net[t.HALVINGS]), 30)

    def _largest(self, k: int, r: int) -> tuple[int, int]:
        """Return the largest input and the largest d, or error, of a layer."""
        if k == 1:
            return 127, int(np.abs(self._errors).max())
        reach = (int(np.abs(self._modulators[r]).max()) * int((self._table[0] & 255).max()) + 64) >> 7
        return self._learners[0].spec.layers[0].input_max, min(reach, int(self._layers[0, t.DELTA_MAX]))

    def _places(self, k: int, r: int) -> range:
        """Return by how many places inputs of a layer may be shifted to the left; d is shifted by the rest to PLACE."""
        shift, (highest, reach) = self._shift(k, r), self._largest(k, r)
        product = highest * reach
        if _rounded(product, shift) > self._layers[k, t.STEP_MAX]:
            return range(0)  # cut
        total, most, most_up = PLACE - shift, _room(highest), _room(reach)
        return range(max(total - most_up, 0), min(most, total) + 1)

    def _common(self, members: Sequence[int]) -> range:
        """Return by how many places the inputs of the hidden layers of a unit may be shifted."""
        ranges = [self._places(0, r) for r in members]
        return range(max(one.start for one in ranges), min(one.stop for one in ranges))

    def _paired(self, orders: Sequence[int]) -> list[tuple[int, ...]]:
        """Return the replicas of each unit."""
        members: list[tuple[int, ...]] = []
        waiting: dict[int, int] = {}
        for r, order in enumerate(orders):
            other = waiting.pop(order, None)
            if other is not None and self._common((other, r)):
                members.append((other, r))
                continue
            if other is not None:
                members.append((other,))
            waiting[order] = r
        return members + [(r,) for r in waiting.values()]

    def _unit(self, members: tuple[int, ...]) -> Unit:
        """Return arrays for the hidden neurons of some replicas."""
        width, hidden = LANE * len(members), self._learners[0].spec.layers[0]
        above = aligned_zeros((BLOCK, width), np.int16)
        modulators = aligned_zeros((len(self._modulators[0]), width), np.int16)
        lanes = aligned_zeros((3, width), np.int16)
        for place, r in enumerate(members):
            own = slice(place * LANE, place * LANE + hidden.n_out)
            modulators[:, own], lanes[1, own] = self._modulators[r] << 1, -1
        first = sum(len(other) for other in self._members[: self._members.index(members)])
        return Unit(
            words=aligned_zeros((hidden.n_in + 1, width), np.int16),
            modulators=modulators,
            lanes=lanes,
            steps=np.array([0, first, 0]),
            above=above,
            pairs=above.view(np.int32),
            found=self._outputs.found[first : first + len(members)],
            tallies=np.zeros((len(members), BLOCK_TALLY), np.int64),
            saturations=np.zeros(len(members), np.int64),
        )

    @property
    def _slots(self) -> list[int]:
        """Return the replicas in the order of their lanes."""
        return [r for members in self._members for r in members]

    def load(self) -> None:
        """Take the words of the learners."""
        for members, unit in zip(self._members, self._units, strict=True):
            for place, r in enumerate(members):
                words = self._learners[r].state.left_aligned(0).T
                unit.words[:, place * LANE : place * LANE + words.shape[1]] = words
        for slot, r in enumerate(self._slots):
            words = self._learners[r].state.left_aligned(1)  # [n_outputs, n_in + 1]
            pairs = self._pairs_at(slot)
            pairs[:, -1, 0] = words[:, -1]
            for side in (0, 1):
                inputs = words[:, side:-1:2]
                pairs[:, : inputs.shape[1], side] = inputs

    def store(self) -> None:
        """Give the learners their words."""
        for members, unit in zip(self._members, self._units, strict=True):
            for place, r in enumerate(members):
                words = self._learners[r].state.left_aligned(0)
                words[:] = unit.words[:, place * LANE : place * LANE + len(words)].T
        for slot, r in enumerate(self._slots):
            words, pairs = self._learners[r].state.left_aligned(1), self._pairs_at(slot)
            words[:, -1] = pairs[:, -1, 0]
            for side in (0, 1):
                inputs = words[:, side:-1:2]
                inputs[:] = pairs[:, : inputs.shape[1], side]

    def _pairs_at(self, slot: int) -> np.ndarray:
        """Return the words of the outputs of a replica as a view [n_outputs, pairs, 2]."""
        words = self._outputs.words.reshape(self._n_pairs, -1, REPLICAS, 2)
        return words[:, :, slot].transpose(1, 0, 2)

    def learn(
        self, levels: PreparedLevels, labels: Sequence[np.ndarray], rows: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """Learn samples one after another; return the classes that each replica predicted before learning.

        Parameters
        ----------
        labels, rows : int64[n] of each replica, as for `Learner.learn`
        """
        self._set_places()
        return self._run(levels, labels, rows)

    def predict(self, levels: PreparedLevels) -> list[np.ndarray]:
        """Return the classes of samples by each replica, without learning."""
        labels, rows = np.full(len(levels), t.NO_LABEL), np.arange(len(levels))
        return self._run(levels, [labels] * self._n, [rows] * self._n)

    def _set_places(self) -> None:
        """Set by how many places operands are shifted at present rates."""
        for members, unit in zip(self._members, self._units, strict=True):
            common = self._common(members)
            unit.steps[SHIFTED] = self._short and BYTE in common
            unit.steps[PLACES] = places = BYTE if BYTE in common else common[-1]
            for place, r in enumerate(members):
                unit.lanes[0, place * LANE : (place + 1) * LANE] = 1 << (PLACE - self._shift(0, r) - places)
        for slot, r in enumerate(self._slots):
            places, own = self._places(1, r)[-1], slice(2 * slot, 2 * slot + 2)
            self._outputs.shifts[:, own] = [[1 << (PLACE - self._shift(1, r) - places)], [1 << places]]

    def _run(
        self, levels: PreparedLevels, labels: Sequence[np.ndarray], rows: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        events_of = self._events_of(levels)
        if events_of is None:
            raise ValueError("no room for lists of events; see have_room")
        n, layers, outputs = len(rows[0]), self._layers, self._outputs
        slots = self._slots
        given = [np.ascontiguousarray(labels[r], np.int64) for r in slots]
        orders = [np.ascontiguousarray(rows[members[0]], np.int64) for members in self._members]
        by_slot, predictions = np.stack(given), np.zeros((self._n, n), np.int64)
        for first in range(0, n, BLOCK):
            size = min(BLOCK, n - first)
            for members, unit, order in zip(self._members, self._units, orders, strict=True):
                kernel, own = (learn_pair if len(members) > 1 else learn_single), given[unit.steps[SLOT]]
                events = events_of[unit.steps[SHIFTED]]
                kernel(first, size, own, order, layers, events, self._table, self._part, unit, outputs.pairs)
            learn_outputs(first, size, by_slot, layers, outputs, predictions)
        self._count(learned=n > 0 and by_slot[0, 0] >= 0)
        return [predictions[slots.index(r)] for r in range(self._n)]

    def have_room(self, levels: PreparedLevels) -> bool:
        """Return whether events of levels may be listed in memory, which `learn` and `predict` need."""
        return self._events_of(levels) is not None

    def _events_of(self, levels: PreparedLevels) -> tuple[Events, Events] | None:
        """Return the events of levels, and with shifted factors, listed once; None without room."""
        if id(levels) not in self._events:
            lists = self._blocks.lists_of(levels)
            if lists is None:
                return None
            plain = Events(lists.rows.astype(np.uint16), lists.factors, lists.starts)
            self._events[id(levels)] = levels, (plain, plain._replace(factors=lists.factors << BYTE))
        return self._events[id(levels)][1]

    def _count(self, learned: bool) -> None:
        """Add what samples touched to the counters of the learners."""
        tallies = np.concatenate([unit.tallies for unit in self._units])
        saturations = np.concatenate([unit.saturations for unit in self._units])
        lost = -self._outputs.lost.reshape(REPLICAS, 2).sum(axis=1)
        for slot, r in enumerate(self._slots):
            hidden, output, learner = tallies[slot], self._outputs.tallies[slot], self._learners[r]
            hidden[LEARNED] = output[LEARNED] = learned
            count_replica(learner.state.layers, hidden, output, learner.counts)
            learner.counts[0, :, t.SATURATIONS] += saturations[slot], lost[slot]
        for unit in self._units:
            unit.tallies[:], unit.saturations[:] = 0, 0
        self._outputs.lost[:] = 0


def _rounded(product: int, shift: int) -> int:
    """Return rn(product, shift) of the contract."""
    return product << -shift if shift <= 0 else (product + (1 << shift >> 1)) >> shift


def _room(largest: int) -> int:
    """Return by how many places numbers up to `largest` may be shifted to the left within a word."""
    return 14 if largest == 0 else (RAIL // largest).bit_length() - 1


def _modulators_of(learner: Learner) -> np.ndarray:
    """Return m of each hidden neuron by label, int16[n_classes, n_out]: no result of the network takes part in it."""
    spec, row = learner.spec, learner.state.layers[0]
    n_classes, n_out = spec.n_classes, spec.layers[0].n_out
    if row[t.SIGNAL] not in (t.SIGNAL_TARGET, t.SIGNAL_SIGNED_TARGET):
        return np.zeros((n_classes, n_out), np.int16)
    feedback = learner.state.feedback(0).astype(np.int64)
    m = feedback if row[t.SIGNAL] == t.SIGNAL_TARGET else feedback.sum(axis=0) - 2 * feedback
    shift, largest = int(row[t.SIGNAL_SHIFT]), int(row[t.MODULATOR_MAX])
    if shift > 0 or row[t.SIGNAL] == t.SIGNAL_SIGNED_TARGET:
        m = m << -shift if shift <= 0 else (m + (1 << shift >> 1)) >> shift
        m = np.clip(m, -largest, largest)
    return m.astype(np.int16)


def _errors_of(learner: Learner) -> np.ndarray:
    """Return the error of an output, int64[512]: by position of its sum in the table, then where it is the label."""
    p = learner.state.arrays.tables[1, :256].astype(np.int64)
    row, dead_zone = learner.state.layers[1], int(learner.state.net[t.DEAD_ZONE])
    e = np.concatenate([p, p - 255])
    e[np.abs(e) <= dead_zone] = 0
    shift = int(row[t.SIGNAL_SHIFT])
    if shift > 0:
        e = np.clip((e + (1 << shift >> 1)) >> shift, -row[t.DELTA_MAX], row[t.DELTA_MAX])
    return e


def _pairs_of(errors: np.ndarray) -> np.ndarray:
    """Return words twice in 32 bits."""
    return np.repeat(errors.astype(np.int16), 2).view(np.int32)
