"""Specification of a spiking network: populations, neurons, synapses and rule (docs/spiking.md)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from edgelearn.errors import UserError, unknown
from edgelearn.rules.catalog import find_rule
from edgelearn.rules.rule import Backend, Rule, Signal
from edgelearn.spiking import tables as t

MODELS = ("lif", "if", "cuba", "alif")
RESETS = ("subtract", "zero")
CODES = ("rate", "latency", "delta")
GATES = ("current", "membrane")
ROUNDINGS = ("nearest", "stochastic")
MAX_NEURONS = 65_000  # of a population: so many words of 16 bits, a bias and a current stay within 32 bits
CONTRACT = 1  # version of docs/spiking.md
TRACE_BITS, FEEDBACK_BITS, COUNT_BITS = 7, 8, 16
_SIGNALS = {
    Signal.NONE: t.NO_SIGNAL,
    Signal.TARGET: t.TARGET_SIGNAL,
    Signal.ERROR: t.ERROR_SIGNAL,
    Signal.SIGN_ERROR: t.SIGN_SIGNAL,
}


@dataclass(frozen=True)
class Neuron:
    """Neuron model of a population; a leak is the exponent of a time constant of 2^leak steps.

    Parameters
    ----------
    model : "lif" (leaky, takes what arrives), "if" (no leak), "cuba" (takes the filtered current), "alif" (a threshold
        that rises with each spike)
    threshold : 1..32767
    leak, current_leak : of the membrane, and of the filtered current
    current_gain : of cuba: u >> current_gain is added to the membrane
    reset : "subtract" the threshold, or to "zero"
    refractory : steps, see section 2
    gate_on : "current" or "membrane"; gate : (low, high), strictly between which plasticity is open
    adaptation_step, adaptation_leak : of alif
    """

    model: str = "lif"
    threshold: int = 256
    leak: int = 4
    current_leak: int = 4
    current_gain: int = 4
    reset: str = "subtract"
    refractory: int = 0
    gate_on: str = "current"
    gate: tuple[int, int] = (-1024, 1024)
    adaptation_step: int = 64
    adaptation_leak: int = 5

    def __post_init__(self) -> None:
        for name, known in (("model", MODELS), ("reset", RESETS), ("gate_on", GATES)):
            if getattr(self, name) not in known:
                raise unknown(name, str(getattr(self, name)), known)
        bounds = {
            "threshold": (1, 32767),
            "leak": (0, 15),
            "current_leak": (0, 15),
            "current_gain": (0, 15),
            "refractory": (0, 1000),
            "adaptation_step": (0, 32767),
            "adaptation_leak": (0, 15),
        }
        for name, (lowest, highest) in bounds.items():
            if not lowest <= getattr(self, name) <= highest:
                raise UserError(f"{name} is {getattr(self, name)}; give {lowest} to {highest}")
        low, high = self.gate
        if not -32769 <= low < high <= 32768:
            raise UserError(f"gate is {low}, {high}; give low < high within -32769 and 32768")


@dataclass(frozen=True)
class Synapses:
    """The connection into a population.

    Parameters
    ----------
    spread : standard deviation of initial weights, words
    shift : of learning; a weight changes by x m / 2^shift
    delay : steps until a spike arrives, 1 is the next one
    exponent : a word weighs 2^exponent where it arrives, so that membranes are of one scale at all widths
    """

    spread: float = 16.0
    shift: int = 11
    delay: int = 1
    exponent: int = 0


@dataclass(frozen=True)
class SpikingSpec:
    """A spiking network.

    Parameters
    ----------
    sizes : inputs, hidden populations, outputs
    rule : one that spiking networks run
    neurons, synapses : one for each population after the inputs
    bits : of a weight, sign included
    trace_leak, trace_step : of the traces of inputs and hidden neurons
    target, spike_cost : of the output error, section 2, 3d
    feedback_spread : feedback is drawn uniformly from -feedback_spread .. feedback_spread
    """

    sizes: tuple[int, ...]
    rule: Rule
    neurons: tuple[Neuron, ...]
    synapses: tuple[Synapses, ...]
    bits: int
    rounding: str
    trace_leak: int
    trace_step: int
    target: int
    spike_cost: int
    feedback_spread: int
    seed: int

    @property
    def last(self) -> int:
        return len(self.sizes) - 1

    @property
    def word_max(self) -> int:
        return int(2 ** (self.bits - 1)) - 1

    @property
    def slots(self) -> int:
        """Steps whose spikes may still be on their way."""
        return max(synapses.delay for synapses in self.synapses)

    def learns(self, p: int) -> bool:
        """Return whether the synapses into population p change."""
        return p == self.last or self.rule.signal is not Signal.NONE

    def memory_bits(self, learning: bool = True) -> dict[str, int]:
        """Return bits of memory by role; a chip that only infers holds no traces, modulators and feedback."""
        neurons = modulators = traces = feedback = 0
        for p in range(1, len(self.sizes)):
            size, neuron = self.sizes[p], self.neurons[p - 1]
            word = 16 + 16 * (neuron.model == "alif") + neuron.refractory.bit_length()
            if neuron.model == "cuba" or (learning and self.learns(p) and neuron.gate_on == "current"):
                word += 16
            neurons += size * word
            if self.learns(p):
                modulators += size * self._modulator_bits(p)
                traces += self.sizes[p - 1] * TRACE_BITS
                feedback += size * self.sizes[-1] * FEEDBACK_BITS * (p < self.last)
        neurons += self.sizes[-1] * COUNT_BITS
        waiting = sum(n * (one.delay - 1) for n, one in zip(self.sizes, self.synapses, strict=False))
        weights = sum(n_in * n_out for n_in, n_out in pairwise(self.sizes)) * self.bits
        bits = {"forward weights": weights, "activations": neurons + waiting}  # spikes on their way are bits
        return bits | ({"buffers": modulators + traces, "feedback": feedback} if learning else {})

    def _modulator_bits(self, p: int) -> int:
        of_signal = {
            Signal.TARGET: self.feedback_spread,
            Signal.ERROR: self.sizes[-1] * ((self.feedback_spread * 127 >> 5) + 1),
            Signal.SIGN_ERROR: self.sizes[-1] * self.feedback_spread,
        }
        return 1 + (127 if p == self.last else of_signal[self.rule.signal]).bit_length()

    def offsets(self) -> list[int]:
        """Return the first neuron of each population among all, and their number."""
        return [0, *np.cumsum(self.sizes).tolist()]

    def as_dict(self) -> dict[str, Any]:
        """Return the specification as plain data."""
        return asdict(self) | {"rule": self.rule.name}

    def layers(self) -> np.ndarray:
        """Return the table that kernels read: int64[K+1, tables.COLUMNS]."""
        table = np.zeros((len(self.sizes), t.COLUMNS), np.int64)
        weights = feedback = 0
        for p, size in enumerate(self.sizes):
            row: dict[int, int] = {t.SIZE: size, t.OFFSET: self.offsets()[p]}
            row |= {t.TRACE_LEAK: self.trace_leak, t.TRACE_STEP: self.trace_step}
            if p:
                neuron, synapses = self.neurons[p - 1], self.synapses[p - 1]
                adapts = neuron.model == "alif"
                row |= {
                    t.WEIGHTS_AT: weights,
                    t.FEEDBACK_AT: feedback,
                    t.LEAK: t.NO_LEAK if neuron.model == "if" else neuron.leak,
                    t.CURRENT_LEAK: neuron.current_leak,
                    t.CURRENT_GAIN: neuron.current_gain if neuron.model == "cuba" else t.TAKES_INPUT,
                    t.THRESHOLD: neuron.threshold,
                    t.RESETS_TO_ZERO: int(neuron.reset == "zero"),
                    t.REFRACTORY: neuron.refractory,
                    t.ADAPTATION_STEP: neuron.adaptation_step if adapts else 0,
                    t.ADAPTATION_LEAK: neuron.adaptation_leak,
                    t.GATE_ON_MEMBRANE: int(neuron.gate_on == "membrane"),
                    t.GATE_LOW: neuron.gate[0],
                    t.GATE_HIGH: neuron.gate[1],
                    t.LEARNING_SHIFT: synapses.shift,
                    t.LEARNS: int(self.learns(p)),
                    t.DELAY: synapses.delay,
                    t.EXPONENT: synapses.exponent,
                }
                weights += self.sizes[p - 1] * size
                feedback += self.sizes[-1] * size if p < self.last else 0
            for column, value in row.items():
                table[p, column] = value
        return table

    def net(self) -> np.ndarray:
        """Return the numbers of the network that kernels read: int64[8]."""
        stochastic = int(self.rounding == "stochastic")
        numbers = [_SIGNALS[self.rule.signal], stochastic, self.word_max, self.target, self.spike_cost, self.seed]
        return np.array([*numbers, self.slots, 0], np.int64)


def design(
    sizes: tuple[int, ...] = (64, 64, 10),
    rule: str = "drtp",
    bits: int = 8,
    rounding: str = "stochastic",
    seed: int = 0,
    neuron: Neuron | None = None,
    code: str = "rate",
    **changes: Any,
) -> SpikingSpec:
    """Return a network with settings that learn the digits, and changes to them.

    Parameters
    ----------
    neuron : of hidden populations
    code : of the inputs: "rate", "latency", "delta" or "events", which settings follow
    changes : fields of `SpikingSpec`; or `output`, a Neuron; `spreads`, `shifts`, `delays`: one for each connection

    Raises
    ------
    UserError
        "rule '...' is not known", "... is not for spiking networks; take ...", "bits ...", "... hidden population ..."
    """
    row = find_rule(rule, Backend.SPIKING)
    of_rule = _learned(row, code)
    if rounding not in ROUNDINGS:
        raise unknown("rounding", rounding, ROUNDINGS)
    if not 2 <= bits <= 16:
        raise UserError(f"bits is {bits}; a weight has 2 to 16")
    if len(sizes) < 2 or min(sizes) < 1 or max(sizes) > MAX_NEURONS:
        raise UserError(
            f"sizes {sizes} make no network; give inputs, hidden populations and outputs, 1 to {MAX_NEURONS:,}"
        )
    n_hidden = len(sizes) - 2
    hidden = neuron or Neuron(threshold=of_rule["threshold"], refractory=1, gate=of_rule["gate"])
    output = changes.pop("output", None) or Neuron(threshold=of_rule["output_threshold"], gate=(-8192, 8192))
    unit = 2.0 ** (bits - 8)  # words in a word of 8 bits
    spreads = changes.pop("spreads", [*[of_rule["spread"] * unit] * n_hidden, 16.0 * unit])
    shifts = changes.pop("shifts", [s + 8 - bits for s in (*[of_rule["shift"]] * n_hidden, of_rule["output_shift"])])
    delays = changes.pop("delays", [1] * (n_hidden + 1))
    for name, values in (("spreads", spreads), ("shifts", shifts), ("delays", delays)):
        if len(values) != n_hidden + 1:
            raise UserError(f"{name} are {len(values)}; give one for each of {n_hidden + 1} connections")
    if min(delays) < 1 or max(delays) > 64:
        raise UserError(f"delays are {list(delays)}; a spike takes 1 to 64 steps")
    if not 0 <= changes.get("feedback_spread", 0) <= 127:
        raise UserError(f"feedback_spread is {changes['feedback_spread']}; give 0 to 127")
    if min(shifts) < 0 or max(shifts) > 30:
        raise UserError(f"shifts are {list(shifts)}; give 0 to 30")
    spec = SpikingSpec(
        tuple(sizes),
        row,
        (*[hidden] * n_hidden, output),
        tuple(Synapses(*one, 8 - bits) for one in zip(spreads, shifts, delays, strict=True)),
        bits,
        rounding,
        trace_leak=of_rule["trace_leak"],
        trace_step=16,
        target=of_rule["target"],
        spike_cost=16,
        feedback_spread=of_rule["feedback_spread"],
        seed=seed,
    )
    return replace(spec, **changes)


def label_times(rule: str, code: str, steps: int) -> tuple[int, int]:
    """Return the step of the first label event of a sample and the steps from one to the next."""
    of_rule = _learned(find_rule(rule, Backend.SPIKING), code)
    return steps * of_rule["first_label"] // 32, of_rule["label_period"]


def _learned(rule: Rule, code: str) -> dict[str, Any]:
    """Return the settings with which a rule's signal learned."""
    return _LEARNED[rule.signal] | _OF_CODE.get(code, {}).get(rule.signal, {})


# Digits, 32 steps a sample: found by 50 random configurations a rule on a validation split.
_TARGET: dict[str, Any] = {
    "threshold": 256,
    "gate": (-1024, 1024),
    "output_threshold": 512,
    "spread": 20.0,
    "shift": 11,
    "output_shift": 11,
    "trace_leak": 4,
    "target": 112,
    "feedback_spread": 32,
    "first_label": 14,
    "label_period": 8,
}
_ERROR = _TARGET | {
    "threshold": 512,
    "gate": (-1024, 2048),
    "output_threshold": 1024,
    "spread": 12.0,
    "shift": 14,
    "target": 64,
    "label_period": 4,
}
_LEARNED = {
    Signal.TARGET: _TARGET,
    Signal.ERROR: _ERROR,
    Signal.SIGN_ERROR: _ERROR,
    Signal.NONE: _TARGET | {"spread": 48.0, "output_shift": 12, "target": 64, "label_period": 4},
}
# What other codes change, found in the same way with 30 a rule: digits by latency, N-MNIST.
_OF_CODE: dict[str, dict[Signal, dict[str, Any]]] = {
    "latency": {
        Signal.TARGET: {"shift": 8, "first_label": 8, "label_period": 32},
        Signal.ERROR: {"threshold": 64, "shift": 10, "first_label": 8},
        Signal.SIGN_ERROR: {"first_label": 8},
        Signal.NONE: {"first_label": 8},
    },
    "events": {
        Signal.TARGET: {"threshold": 128, "shift": 12, "output_shift": 14, "first_label": 11, "label_period": 4},
        Signal.ERROR: {"threshold": 128, "shift": 13, "output_shift": 13, "first_label": 11, "label_period": 2},
        Signal.SIGN_ERROR: {"threshold": 256, "shift": 13, "output_shift": 14, "first_label": 11},
        Signal.NONE: {"output_shift": 11, "first_label": 15},
    },
}
