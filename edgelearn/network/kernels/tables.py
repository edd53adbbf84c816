"""Columns of the integer tables that kernels read: one row per layer, one list per network; and of the counters."""

from __future__ import annotations

# Per layer. Offsets (`_AT`) point into the flat arrays of `Arrays`.
N_IN = 0
N_OUT = 1
EVENT_MAJOR = 2  # 1: a row of weights is an input (events skip rows); 0: a row is a neuron
ROWS = 3  # rows of the weight matrix; the bias is the last row, or the last column in use
STRIDE = 4  # words from row to row
WEIGHT_AT = 5
FEEDBACK_AT = 6
FEEDBACK_STRIDE = 7
SUM_SHIFT = 8  # s_z, may be negative
VIEW_SHIFT = 9  # 16 - bits: from the left-aligned word to the view
ALIGN = 10  # 16 - stored bits: bits below the left-aligned word
STEP_SHIFT = 11  # k before halvings, may be negative
STEP_MAX = 12  # S
SIGNAL_SHIFT = 13  # s_m, may be negative; of the output layer, the bits that an error loses
DELTA_MAX = 14
LEARNS = 15  # NOTHING, EVERYTHING or BIASES
KEEPS_LEVELS = 16  # input levels are few enough to round the steps of each once a sample
NARROW_SUMS = 17  # eight products of an input and a view fit 16 bits
NARROW_STEPS = 18  # largest shift at which steps are rounded in 16 bits and none is longer than S
HAS_FLOOR = 19  # some words may not fall below zero
MODULATOR_MAX = 20
READOUT_SHIFT = 21  # s_l, never negative
SIGNAL = 22  # teaching signal; none in the output layer, and in hidden layers that form no d
FEEDBACK = 23
REGENERATED = 24  # feedback comes from a shift register, not from memory
HOLDS_GATES = 25
HOLDS_DELTAS = 26
# Of convolutions only; zero in dense layers.
LAYER_KIND = 27  # DENSE or CONVOLUTION
HEIGHT = 28  # input map
WIDTH = 29
CHANNELS = 30
MAPS = 31
KERNEL_H = 32
KERNEL_W = 33
CONV_STRIDE = 34
PADDING = 35
POOL = 36
POOLING = 37  # POOL_MAX or POOL_MEAN
OUT_HEIGHT = 38  # positions, in front of the pooling
OUT_WIDTH = 39
POOLED_HEIGHT = 40
POOLED_WIDTH = 41
FEEDBACK_KIND = 42  # KIND_ELEMENT or KIND_MAP
TEACH = 43  # TEACH_ELEMENTS or TEACH_POSITIONS
KERNEL_BIAS = 44
HOLDS_WINNERS = 45
POOL_SHIFT = 46  # log2 of the sums in a mean; sum, step and signal shifts include it
LAYER_COLUMNS = 47

# Per network.
OUTPUT = 0
DEAD_ZONE = 1
EVENT_THRESHOLD = 2
ACCUMULATOR_BITS = 3
STOCHASTIC = 4
LAST_TO_FIRST = 5
HALVINGS = 6
LIVE_OUTPUTS = 7  # outputs that stand for a class met so far; predictions are among these
UPDATE_GATE = 8
MARGIN = 9
SIGNED_INPUTS = 10  # input levels are two's complement in their bytes
LOCAL_DEAD_ZONE = 11
TARGET_SHIFT = 12  # from an input level to the target of its reconstruction
NET_COLUMNS = 13

NOTHING, EVERYTHING, BIASES = range(3)
DENSE, CONVOLUTION = range(2)
POOL_MAX, POOL_MEAN = range(2)
KIND_ELEMENT, KIND_MAP = range(2)
TEACH_ELEMENTS, TEACH_POSITIONS = range(2)

SIGNAL_NONE, SIGNAL_TARGET, SIGNAL_ERROR, SIGNAL_SIGN, SIGNAL_DELTA, SIGNAL_SIGNED_TARGET, SIGNAL_LOCAL = range(7)
FEEDBACK_NONE, FEEDBACK_DIRECT, FEEDBACK_LAYERWISE, FEEDBACK_TRANSPOSE = range(4)
OUTPUT_SIGMOID, OUTPUT_SOFTMAX, OUTPUT_LINEAR = range(3)
GATE_ALWAYS, GATE_ERROR, GATE_MARGIN, GATE_NORMAL = range(4)

# A step of `run_steps`: a row of levels, its label, and what to do with it.
ROW, LABEL, KIND = range(3)
NO_LABEL = -1
PREDICT, LEARN_LATE = range(2)  # predict, and learn where a label is given; or learn what was predicted before

# What became of a step.
DROPPED = 1  # the queue was full: neither predicted nor learned
LATE = 2  # done after its deadline
LEARNED = 4
GATED = 8  # the update gate found nothing to learn
OVER_BUDGET = 16  # the energy budget was spent
WAITED = 32  # it had waited, and only samples that did not are learned

# Settings of the device, then its state (`Device.settings`, `Device.clock`).
PRICED, TIMED, QUEUE, DEADLINE, SKIP_WAITING, BUDGETED, BUDGET_CAP, DEVICE_SETTINGS = range(8)
BUSY_UNTIL, ADMITTED, BUSY_TICKS, BUDGET, RESPONSES, LONGEST, DEVICE_CLOCK = range(7)

# Settings of the front end, then its place in the stream (`FrontEndState.place`).
STATISTICS, STRIDE_ROWS, TIME_CONSTANT, REACH, ENCODER, TOP, INPUT_THRESHOLD, THRESHOLDS, DELTA = range(9)
ADAPT_ROWS = 9  # rows whose values move mean and deviation, from the first one on; 0 for all
LEAST_DEVIATION = 10  # in place of a deviation of 0 in rows that move no statistics; 0 for none
FRONT_END_SETTINGS = 11
ROWS_SEEN, SEGMENT, IN_SEGMENT, RING_AT, FRONT_END_PLACE = range(5)
ENCODER_LEVELS, ENCODER_ON_OFF, ENCODER_THRESHOLD, ENCODER_DELTA, ENCODER_SIGNED = range(5)
N_STATISTICS = 6  # mean, mean distance from it, least, largest, mean step, crossings of the mean
CROSSINGS = 5
MISSING_WORD = -(1 << 62)  # in place of a word: no value

# Counters, one row per layer: words by memory and direction, then operations, events and activity.
COUNTERS = (
    "activation_read",
    "activation_write",
    "weight_read",
    "weight_write",
    "bias_read",
    "bias_write",
    "gate_read",
    "gate_write",
    "label_read",
    "error_read",
    "error_write",
    "feedback_read",
    "delta_read",
    "delta_write",
    "forward_macs",
    "signal_macs",
    "gate_products",
    "update_macs",
    "random_draws",
    "lfsr_steps",
    "saturations",
    "step_saturations",
    "overflows",
    "skipped_inputs",
    "skipped_neurons",
    "samples",
    "input_events",
    "open_gates",
    "live_gates",
    "active_neurons",
    "signal_lanes",
    "gated_signals",
    "updates",
    "update_events",
    "update_pairs",
    "gated_samples",
    "gated_events",
)
(
    ACTIVATION_READ,
    ACTIVATION_WRITE,
    WEIGHT_READ,
    WEIGHT_WRITE,
    BIAS_READ,
    BIAS_WRITE,
    GATE_READ,
    GATE_WRITE,
    LABEL_READ,
    ERROR_READ,
    ERROR_WRITE,
    FEEDBACK_READ,
    DELTA_READ,
    DELTA_WRITE,
    FORWARD_MACS,
    SIGNAL_MACS,
    GATE_PRODUCTS,
    UPDATE_MACS,
    RANDOM_DRAWS,
    LFSR_STEPS,
    SATURATIONS,
    STEP_SATURATIONS,
    OVERFLOWS,
    SKIPPED_INPUTS,
    SKIPPED_NEURONS,
    SAMPLES,
    INPUT_EVENTS,
    OPEN_GATES,
    LIVE_GATES,
    ACTIVE_NEURONS,
    SIGNAL_LANES,
    GATED_SIGNALS,
    UPDATES,
    UPDATE_EVENTS,
    UPDATE_PAIRS,
    GATED_SAMPLES,
    GATED_EVENTS,
) = range(len(COUNTERS))

# Counters that networks with convolutions have behind the others.
CONVOLUTION_COUNTERS = (
    "accumulator_read",
    "accumulator_write",
    "winner_read",
    "winner_write",
    "window_pairs",
    "active_maps",
    "down_pairs",
)
(
    ACCUMULATOR_READ,
    ACCUMULATOR_WRITE,
    WINNER_READ,
    WINNER_WRITE,
    WINDOW_PAIRS,
    ACTIVE_MAPS,
    DOWN_PAIRS,
) = range(len(COUNTERS), len(COUNTERS) + len(CONVOLUTION_COUNTERS))


def counters_of(is_convolutional: bool) -> tuple[str, ...]:
    """Return the names of the counters of a network."""
    return COUNTERS + CONVOLUTION_COUNTERS if is_convolutional else COUNTERS
