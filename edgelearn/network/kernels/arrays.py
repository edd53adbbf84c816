"""Arrays of the kernels, of fixed dtypes and dimensions so that all networks share one compilation."""

from __future__ import annotations

from collections import namedtuple
from typing import Any, NamedTuple

import numpy as np

from edgelearn.fixedpoint.aligned import aligned_zeros
from edgelearn.network.kernels import tables as t

LANE = 32  # rows are padded to whole 64-byte lines of int16; padding stays zero
MAP_LANE = 16  # rows of kernels and of positions are padded to whole 32-byte lanes of int16; padding stays zero
TILE = 64  # neurons that go through a block of samples together
BLOCK_COUNTS, BLOCK_TOTALS, BLOCK_TALLY = 3, 2, 10  # of a layer: counts of each sample of a block, of all of them
BATCH = 16  # rows whose steps are rounded before they are added; also the most input levels kept

REPLICAS = 8  # side by side
LANES = 2 * REPLICAS  # a pair of inputs of each replica
PLACES, SLOT, SHIFTED = range(3)  # of `Unit.steps`
CHUNK = 16  # events whose products fit 16 bits together where views and levels are short
KEYS = 4  # row of `Arrays.random`


class Arrays(NamedTuple):
    """Inputs and outputs of the kernels. K layers; `width` is the widest padded vector.

    Stored words are left-aligned in int16, so that a word of any width saturates at the limits of the type. The
    bits below a word are zero, or ones once it has saturated upwards; steps never reach them, so they never matter.
    The bias is the weight of one more input that is always on: index n_in, level `one`.
    """

    weights: np.ndarray  # int16, flat; matrices of layer k start at WEIGHT_AT
    feedback: np.ndarray  # int16, flat; raw B of hidden layer k starts at FEEDBACK_AT
    floors: np.ndarray  # int16[K, width], lowest left-aligned word by column
    inputs: np.ndarray  # int16[K, width], presynaptic words, then `one` at n_in
    events: np.ndarray  # int64[K, width], indices of non-zero inputs, ascending, then n_in
    n_events: np.ndarray  # int64[K], bias not counted
    sums: np.ndarray  # int32[K, width], pre-activations, then modulators
    indices: np.ndarray  # int16[K, width], table indices q
    gates: np.ndarray  # int16[K, width]
    deltas: np.ndarray  # int16[K, width], modulated gates d; the error in the output layer
    scores: np.ndarray  # uint8[1, width], p of the output layer
    signals: np.ndarray  # int16[K, width], last row: signs of errors; else local errors
    active: np.ndarray  # int64[K, width], neurons with d != 0, ascending
    n_active: np.ndarray  # int64[K]
    tables: np.ndarray  # int32[K, 512]: 256 y + g by q + 128; output: p by q + 128, then 2^15 exp(-t/16) by t
    steps: np.ndarray  # int16[BATCH, width]: rounded steps, left-aligned
    fractions: np.ndarray  # uint8[BATCH, width]: what is left for the random byte
    random: np.ndarray  # uint8[KEYS + 1, width]: byte 0, 1, 2, 3 of the draw of each input; then the keys of neurons
    slots: np.ndarray  # int64[2, width]: the steps each row adds; how many of a slot's steps were cut
    draws: np.ndarray  # uint32[width]: one draw an updating input, then the bias
    keys: np.ndarray  # uint8[width]
    generator: np.ndarray  # uint32[1]


class ConvArrays(NamedTuple):
    """Arrays that a network with convolutions has beside `Arrays`; sizes are those of the largest convolution.

    A row of lanes is a position or a row of a kernel, of a word or sum per map, padded to whole `MAP_LANE`.
    """

    position_sums: np.ndarray  # int32, flat: z of one layer in front of the pooling, [positions, lanes]
    position_deltas: np.ndarray  # int16, flat: d at the positions where it acts, [positions, lanes]
    n_placed: np.ndarray  # int32[positions], maps whose d is not zero there
    placed_before: np.ndarray  # int32[positions + 1], sums of n_placed in front of a position
    bordered: np.ndarray  # int16, flat: d inside a border of zeros, in turns with d in front; one channel and stride 1
    event_places: np.ndarray  # int32[width], where the window of an event, or of two, ends in `bordered`
    event_levels: np.ndarray  # uint32[width], levels of the event in front and of the event there
    winners: np.ndarray  # int16[K, width], place of the maximum in the window of an element, dy P + dx
    accumulators: np.ndarray  # int32, flat: sums over positions, [fan_in + 1, lanes]
    views: np.ndarray  # int16, flat: views of one kernel, [fan_in + 1, lanes], or with a row per map, [maps, fan_in]
    paired: np.ndarray  # int16, flat: views of neighbours in turns, of one channel, [kernel_h (kernel_w + 1), 2 lanes]
    gates_before: np.ndarray  # int32[width + 1], open gates in front of an element


# what the kernel of networks with convolutions takes
AllArrays: Any = namedtuple("AllArrays", (*Arrays._fields, *ConvArrays._fields))  # type: ignore[misc]


class BlockInputs(NamedTuple):
    """Inputs of one layer for a block of B samples: words where rows are neurons, events where rows are inputs."""

    words: np.ndarray  # int16[B, width], `one` at n_in, then zeros
    rows: np.ndarray  # int32[room], inputs that are not zero, ascending, then n_in; sample after sample
    factors: np.ndarray  # int16[room], their levels
    starts: np.ndarray  # int64[B + 1], events of sample i are starts[i] to starts[i + 1]
    order: np.ndarray  # int64[B], which sample of `starts` and `present` is sample i of the block
    present: np.ndarray  # int64[B], bit l is set where level l occurs; of few levels without sign only


class BlockWork(NamedTuple):
    """Arrays of one thread. Counts are added to, and set to zero by `count_block`."""

    words: np.ndarray  # int16[BATCH + 3, TILE]: rounded steps; indices; two masks of lanes
    tile: np.ndarray  # int16[rows, TILE], words of the tile at hand
    sums: np.ndarray  # int32[2, width], pre-activations of the output layer; of one tile
    deltas: np.ndarray  # int16[1, width], errors of the output layer
    bounds: (
        np.ndarray
    )  # int64[2, width]: bound of the absolute words of a neuron; sample at which they may be read again
    scores: np.ndarray  # int64[width], p of the outputs
    counts: np.ndarray  # int64[K, BLOCK_COUNTS, B]: open gates, neurons with d != 0, wrapped sums
    totals: np.ndarray  # int64[K, BLOCK_TOTALS]: saturations, cut steps
    tally: np.ndarray  # int64[BLOCK_TALLY], sums of counts of one layer


class BlockAnswers(NamedTuple):
    """Result of each step, as in `Results`."""

    predictions: np.ndarray  # int64[steps]
    statuses: np.ndarray  # uint8[steps]
    scores: np.ndarray  # uint8[steps, n_outputs] or uint8[0, 0]


class Events(NamedTuple):
    """Inputs of all rows of a data set that are not zero, as in `BlockInputs`."""

    rows: np.ndarray  # uint16[room]
    factors: np.ndarray  # int16[room], shifted by 8 places where `Unit.steps` says so
    starts: np.ndarray  # int64[n + 1]


class Unit(NamedTuple):
    """Hidden neurons of replicas that take samples in one order, LANE lanes each; `width` lanes in all."""

    words: np.ndarray  # int16[n_in + 1, width]
    modulators: np.ndarray  # int16[n_classes, width], twice m by label
    lanes: np.ndarray  # int16[3, width]: 2 to the power of the places d is shifted by; -1 for neurons; of the kernel
    steps: np.ndarray  # int64[3]: places that levels are shifted by; place of the first replica; whether levels come so
    above: np.ndarray  # int16[B, width], written: activations
    pairs: np.ndarray  # int32[B, width / 2], a view of them
    found: np.ndarray  # int64[n_replicas, B], written: activations that are not 0
    tallies: np.ndarray  # int64[n_replicas, BLOCK_TALLY], added to
    saturations: np.ndarray  # int64[n_replicas], added to


class Outputs(NamedTuple):
    """Output layers of all replicas. A pair p of inputs of replica r is in lanes 2r and 2r + 1."""

    words: np.ndarray  # int16[pairs, n_outputs * LANES]
    inputs: np.ndarray  # int16[B, pairs * LANES], the last pair is the input that is always on
    pairs: np.ndarray  # int32[B, pairs * REPLICAS], a view of them
    shifts: np.ndarray  # int16[2, LANES], 2 to the power of the places errors and inputs are shifted by
    errors: np.ndarray  # int32[512], pairs of negated errors: by table position, then of the output of the label
    sums: np.ndarray  # int32[n_outputs, REPLICAS]
    minus: np.ndarray  # int16[n_outputs, LANES], negated errors
    minus_pairs: np.ndarray  # int32[n_outputs, REPLICAS], a view of them
    labels: np.ndarray  # int32[1, REPLICAS]
    best: np.ndarray  # int32[1, REPLICAS], predictions
    active: np.ndarray  # int16[1, LANES], negated number of errors that are not zero
    found: np.ndarray  # int64[REPLICAS, B], inputs that are not 0
    tallies: np.ndarray  # int64[REPLICAS, BLOCK_TALLY], added to
    lost: np.ndarray  # int32[1, LANES], added to: negated saturations


class FrontEndState(NamedTuple):
    """State of a front end: the window, and the statistics of each feature with 8 fraction bits."""

    ring: np.ndarray  # int64[window, n_channels], words; MISSING_WORD where there was no value
    features: np.ndarray  # int64[n_features], of the row at hand
    mean: np.ndarray  # int64[n_features]
    deviation: np.ndarray  # int64[n_features], mean absolute deviation
    sent: np.ndarray  # int64[n_features], what the delta encoder has sent so far
    seen: np.ndarray  # int64[n_features], rows that had a value
    place: np.ndarray  # int64[FRONT_END_PLACE]


class Device(NamedTuple):
    """Real-time model of a processor: one server with a queue and an energy budget. See `edgelearn.network.device`."""

    settings: np.ndarray  # int64[DEVICE_SETTINGS]; without PRICED nothing else is looked at
    prices: np.ndarray  # int64[2, 2, K, len(COUNTERS)]: of one count: ticks, energy units; labelled, only predicted
    arrivals: np.ndarray  # int64[steps]: tick at which the sample of a step arrives
    credits: np.ndarray  # int64[steps]: energy units added to the bucket before a step
    clock: np.ndarray  # int64[DEVICE_CLOCK], changed
    spent: np.ndarray  # int64[2, 2], ticks and energy of labelled and predicted samples, worked out anew in every call
    finishes: np.ndarray  # int64[QUEUE + 1], a ring: when the last admitted samples were done, changed


class DetectorArrays(NamedTuple):
    """Settings and state of an anomaly detector, and what it found; columns are in `kernels.detector_tables`."""

    settings: np.ndarray  # int64[DETECTOR_SETTINGS]; without ACTIVE nothing else is looked at
    state: np.ndarray  # int64[DETECTOR_STATE], changed; SMOOTHED, MEAN, DEVIATION, LIMIT have 8 fraction bits, BASE 16
    kept: np.ndarray  # int64[K], changed: the largest smoothed scores of the threshold phase, descending
    rows: np.ndarray  # int64[steps, ROW_COLUMNS], written


class TargetArrays(NamedTuple):
    """Arrays that a network with graded targets has beside `Arrays`."""

    targets: np.ndarray  # int16[rows, n_out], of each row of levels; int16[0, 0] where the input is the target
    target: np.ndarray  # int16[1, width], that of the row at hand
    target_lanes: np.ndarray  # int64[1, width], outputs whose target is not zero, ascending
    at: np.ndarray  # int64[4]: see `kernels.targets`
    outputs: np.ndarray  # int16[steps, n_out], written; int16[0, 0] where nobody asks


# what the kernel of networks with graded targets takes, those of a detector among them
GradedArrays: Any = namedtuple(  # type: ignore[misc]
    "GradedArrays", (*Arrays._fields, *TargetArrays._fields, *DetectorArrays._fields)
)


class Results(NamedTuple):
    """Result of each step."""

    predictions: np.ndarray  # int64[steps]: class, -1 where dropped; that of a late step is from before it learned
    statuses: np.ndarray  # uint8[steps]: bits of `tables`, DROPPED to WAITED
    scores: np.ndarray  # uint8[steps, n_outputs]: p of each live output; or uint8[0, 0] where nobody asks
    energies: np.ndarray  # int64[steps], energy units of each step; or int64[0]
    dropped: np.ndarray  # uint8[rows], 1 where the queue had no room; late steps read it


def convolution_arrays(layers: np.ndarray, width: int) -> ConvArrays:
    """Return zeroed arrays for the convolutions among layers, int64[K, LAYER_COLUMNS], whose vectors have `width`."""
    rows = layers[layers[:, t.LAYER_KIND] == t.CONVOLUTION]
    positions, lanes = rows[:, t.OUT_HEIGHT] * rows[:, t.OUT_WIDTH], rows[:, t.STRIDE]
    n_positions, n_kernel = int((positions * lanes).max()), int((rows[:, t.ROWS] * lanes).max())
    height, columns = (  # see `correlate.border_of`
        rows[:, t.HEIGHT] + 2 * rows[:, t.PADDING] + rows[:, t.KERNEL_H],
        rows[:, t.WIDTH] + 2 * rows[:, t.PADDING],
    )
    n_bordered = height * columns * lanes * (rows[:, t.CHANNELS] == 1) * (rows[:, t.CONV_STRIDE] == 1)
    return ConvArrays(
        position_sums=aligned_zeros((n_positions,), np.int32),
        position_deltas=aligned_zeros((n_positions,), np.int16),
        n_placed=np.zeros(int(positions.max()), np.int32),
        placed_before=np.zeros(int(positions.max()) + 1, np.int32),
        bordered=aligned_zeros((2 * int(n_bordered.max()),), np.int16),
        event_places=np.zeros(width, np.int32),
        event_levels=np.zeros(width, np.uint32),
        winners=aligned_zeros((len(layers), width), np.int16),
        accumulators=aligned_zeros((n_kernel,), np.int32),
        views=aligned_zeros((n_kernel,), np.int16),
        paired=aligned_zeros((2 * int((rows[:, t.KERNEL_H] * (rows[:, t.KERNEL_W] + 1) * lanes).max()),), np.int16),
        gates_before=np.zeros(width + 1, np.int32),
    )


def padded(n: int) -> int:
    """Return n rounded up to whole lanes."""
    return -(-n // LANE) * LANE


def spread(n: int) -> int:
    """Return n rounded up to an odd number of 64-byte lines that holds whole tiles, or one line.

    Equal columns of rows that follow each other then lie in different sets of a cache.
    """
    return LANE if n <= LANE else -(-n // TILE) * TILE + LANE
