"""Columns of the integer tables that the kernel reads: one row per population."""

(
    SIZE,
    OFFSET,  # first neuron among all neurons, inputs included
    WEIGHTS_AT,  # first weight of the synapses into the population
    FEEDBACK_AT,
    LEAK,  # shift; NO_LEAK for integrate-and-fire
    CURRENT_LEAK,
    CURRENT_GAIN,  # shift of the filtered current that a membrane integrates; TAKES_INPUT for none
    THRESHOLD,
    RESETS_TO_ZERO,
    REFRACTORY,
    ADAPTATION_STEP,
    ADAPTATION_LEAK,
    GATE_ON_MEMBRANE,
    GATE_LOW,
    GATE_HIGH,
    TRACE_LEAK,
    TRACE_STEP,
    LEARNING_SHIFT,
    LEARNS,
    DELAY,
    EXPONENT,  # a weight w adds w * 2^EXPONENT where it arrives
) = range(21)
COLUMNS = 21
NO_LEAK = 31
TAKES_INPUT = -1

# of the network
SIGNAL, STOCHASTIC, WORD_MAX, TARGET, SPIKE_COST, SEED, SLOTS, STEP = range(8)
NO_SIGNAL, TARGET_SIGNAL, ERROR_SIGNAL, SIGN_SIGNAL = range(4)

COUNTERS = (
    "steps",
    "spikes",
    "synaptic_operations",
    "neuron_updates",
    "trace_updates",
    "weight_read",
    "weight_write",
    "synaptic_updates",
    "saturations",
    "membrane_saturations",
    "trace_saturations",
    "label_events",
    "feedback_read",
)
(
    STEPS,
    SPIKES,
    SYNAPTIC_OPERATIONS,
    NEURON_UPDATES,
    TRACE_UPDATES,
    WEIGHT_READ,
    WEIGHT_WRITE,
    SYNAPTIC_UPDATES,
    SATURATIONS,
    MEMBRANE_SATURATIONS,
    TRACE_SATURATIONS,
    LABEL_EVENTS,
    FEEDBACK_READ,
) = range(len(COUNTERS))
