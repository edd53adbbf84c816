"""One sample at a time, one word at a time: the arithmetic contract as loops, with every access counted.

Layers are numbered 1..K as in the contract; lists that hold one entry per layer are indexed by layer - 1.
An event list holds the addresses of the words that are not zero. Knowing an address is free, as it is in a
queue of events; only words are counted.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from .memory import CountingMemory
from .words import (
    activate,
    is_tie,
    lfsr_row,
    nearest_step,
    one_of_activation,
    random_byte,
    rn,
    sat,
    scale_of_activation,
    shr,
    sigmoid,
    sign,
    softmax,
    stochastic_step,
    wrap,
    xorshift32,
)


class PaperRule(NamedTuple):
    """A rule as its paper states it: dz_k = dy_k (.) f'(z_k), where dy_k is `signal` sent through `feedback`.

    Parameters
    ----------
    equation : the modulator dy_k of hidden layer k; y* - y of the papers is -e here, so that weights move against dz_k
    signal : "target" y*, "signed target" 1 - 2 y* (the sign of e where 0 < y < 1), "error" e, "sign" of e, "local error" of B_k y_k, "delta" dz_(k+1) of the layer above, or "none"
    feedback : "direct" B_k from the outputs, "layerwise" B_(k+1) in the shape of W_(k+1), "transpose" of W_(k+1), "none"
    non_negative : feedback and the weights of layers 2..K stay at or above zero; biases are free
    """

    equation: str
    signal: str
    feedback: str
    non_negative: bool = False

    @property
    def waits(self) -> bool:
        """A target is known with the sample; errors and deltas come later, and the gate waits in memory."""
        return self.signal in ("error", "sign", "local error", "delta")

    @property
    def fixed_feedback(self) -> bool:
        return self.feedback in ("direct", "layerwise")

    @property
    def modulator_scale(self) -> int:
        """M, the fraction bits of m: targets and signs are 0 or 1 and need no more than the feedback word has."""
        return 12 if self.signal in ("error", "local error", "delta") else 7

    def narrowed_scale(self, factor_bits: int) -> int:
        """M where modulators have fewer bits: a range of +-2, or that of one feedback word."""
        range_bits = 1 if self.signal == "target" else 2
        return min(self.modulator_scale, max(factor_bits - range_bits, 0))


RULES = {
    "bp": PaperRule("dy_k = W_(k+1)^T dz_(k+1): Rumelhart, Hinton, Williams 1986", "delta", "transpose"),
    "fa": PaperRule("dy_k = B_(k+1) dz_(k+1): Lillicrap et al. 2016, feedback alignment", "delta", "layerwise"),
    "dfa": PaperRule("dy_k = B_k e: Nokland 2016, one e for all layers", "error", "direct"),
    "sdfa": PaperRule("dy_k = B_k^T sign(e): Frenkel et al. 2021, section 2", "sign", "direct"),
    # Fixed readout weights B_k, targets as those of the output; its errors are of the layer's own outputs y_k alone.
    "local": PaperRule(
        "dy_k = B_k^T (f(B_k y_k) - y*): Mostafa, Ramesh, Cauwenberghs 2018, section 2", "local error", "direct"
    ),
    # Algorithm 1 prints W_k + eta (B_k^T y* (.) f_k'(z_k)) y_(k-1)^T. The authors' code takes +B_k^T y* for a gradient,
    # which moves the weights the other way; the contract follows the code.
    "signed-target": PaperRule("dy_k = B_k^T (1 - 2 y*): Frenkel et al. 2021, section 2.2", "signed target", "direct"),
    "drtp": PaperRule("dy_k = B_k^T y*: Frenkel et al. 2021, Algorithm 1", "target", "direct"),
    # g = dLoss/dh_L is e here. With W_l >= 0 for l >= 2 and one output, the sign is that of the gradient.
    "mdfa": PaperRule("sum_c g_c B_(c,i), all B >= 0: Lechner 2020, section 3", "error", "direct", non_negative=True),
    "shallow": PaperRule("dy_k = 0: Frenkel et al. 2021, section 2", "none", "none"),
}
UPDATE_GATES = ("always", "error", "margin")

MEMORIES = ("activation", "weight", "bias", "gate", "label", "error", "delta", "feedback")
OPERATIONS = ("forward_macs", "signal_macs", "gate_products", "update_macs", "random_draws", "lfsr_steps")
EVENTS = ("saturations", "step_saturations", "overflows", "ties", "skipped_inputs", "skipped_neurons")
EVENTS += ("gated_samples", "gated_events")

Lane = tuple[int, int]  # (row of the feedback, signal word that is not zero)
Counts = dict[tuple[int, str, str], int]
Tally = dict[tuple[int, str], int]


def lfsr_feedback(rows: int, columns: int, layer: int, seed: int, non_negative: bool) -> list[list[int]]:
    """The feedback matrix of one layer (from 1), row by row from the Galois register."""
    return [lfsr_row(row, columns, layer, seed, non_negative) for row in range(rows)]


class NaiveNetwork:
    """A network of dense layers that learns online under one rule, or one for each hidden layer.

    `rule` names one, or as many as there are hidden layers; `learned` says of each layer which words learn: "all",
    "bias" or "none". `delta_bits` is one width, or that of d in each hidden layer.
    """

    memory_names: tuple[str, ...] = MEMORIES
    output_names: tuple[str, ...] = ("sigmoid", "softmax")
    gate_names: tuple[str, ...] = UPDATE_GATES

    def __init__(
        self,
        *,
        rule: str | list[str],
        sizes: list[int],
        bits: int,
        residual_bits: int,
        rounding: str,
        input_bits: int,
        activation: str,
        output: str,
        range_exponents: list[int],
        rates: list[int],
        weights: list[list[list[int]]],
        biases: list[list[int]],
        feedback: list[list[list[int]] | None],
        feedback_exponents: list[int],
        lfsr: bool = False,
        rng_state: int = 1,
        event_threshold: int = 0,
        dead_zone: int = 0,
        accumulator_bits: int = 32,
        factor_bits: int = 16,
        delta_bits: int | list[int] | None = None,
        learned: list[str] | None = None,
        halvings: int = 0,
        update_gate: str = "always",
        margin: int = 0,
        live: int | None = None,
        signed: bool = False,
        hidden_inference: str = "full",
        local_dead_zone: int | None = None,
    ) -> None:
        self.sizes = list(sizes)
        self.layers = len(sizes) - 1
        names = [rule] * max(self.layers - 1, 1) if isinstance(rule, str) else list(rule)
        for name in names:
            _one_of("rule", name, RULES)
        self.rule = RULES[names[0]]
        self.named = [RULES[name] for name in names]
        self.learned = ["all"] * self.layers if learned is None else list(learned)
        self.bits = bits
        self.residual_bits = residual_bits
        self.rounding = rounding
        self.input_bits = input_bits
        self.signed = signed
        self.activation = activation
        self.output = output
        self.range_exponents = list(range_exponents)
        self.rates = list(rates)
        self.feedback = [None if matrix is None else [list(row) for row in matrix] for matrix in feedback]
        self.feedback_exponents = list(feedback_exponents)
        self.lfsr = lfsr
        self.rng_state = int(rng_state)
        self.event_threshold = event_threshold
        self.hidden_inference = hidden_inference  # "sign": without a label y is +-one
        self.dead_zone = dead_zone
        self.local_dead_zone = dead_zone if local_dead_zone is None else local_dead_zone
        self.accumulator_bits = accumulator_bits
        self.factor_bits = factor_bits  # of modulators, and of errors below 9
        widths = factor_bits if delta_bits is None else delta_bits  # of d; fewer where sums would be too long
        self.delta_bits = [widths] * (self.layers - 1) if isinstance(widths, int) else list(widths)
        self.halvings = halvings
        self.update_gate = update_gate
        self.margin = margin
        self.live = self.sizes[-1] if live is None else live  # outputs that may be predicted; grows with the classes

        self._weight = [CountingMemory([list(row) for row in layer]) for layer in weights]
        self._bias = [CountingMemory(list(layer)) for layer in biases]
        self._feedback = [CountingMemory(matrix or []) for matrix in self.feedback]
        self._activation = [CountingMemory([]) for _ in range(self.layers)]
        self._gate = [CountingMemory([]) for _ in range(self.layers)]
        self._label = [CountingMemory([]) for _ in range(self.layers)]
        self._error = [CountingMemory([]) for _ in range(self.layers)]
        self._delta = [CountingMemory([]) for _ in range(self.layers)]
        self._check()

        keys = range(1, self.layers + 1)
        empty = {(k, memory, way): 0 for k in keys for memory in self.memory_names for way in ("read", "write")}
        self.counts: Counts = dict(empty)
        self.inference_counts: Counts = dict(empty)
        self.operations: Tally = {(k, name): 0 for k in keys for name in OPERATIONS}
        self.events: Tally = {(k, name): 0 for k in keys for name in EVENTS}
        self._learning = False  # operations and events are tallied only while it is True
        self.gated = False  # was the sample that came last to be learned held back
        self._blank_sample()

    # --- what may be read from outside ----------------------------------------------------------------------

    @property
    def weights(self) -> list[list[list[int]]]:
        """Stored words, live: layer, neuron, input."""
        return [memory.words for memory in self._weight]

    @property
    def biases(self) -> list[list[int]]:
        """Stored words, live: layer, neuron."""
        return [memory.words for memory in self._bias]

    def predict_one(self, levels: list[int]) -> int:
        """The class of one sample; no counter but inference_counts moves."""
        self._learning = False
        self._blank_sample()
        self._forward(levels)
        self._collect(self.inference_counts)
        return self._prediction()

    def infer_one(self, levels: list[int]) -> int:
        """The class of a sample whose label is not known yet: a prediction like any other without a label."""
        return self.predict_one(levels)

    def learn_late(self, levels: list[int], label: int, gated: bool = False) -> None:
        """Learn a sample that was predicted long ago: a forward pass of its own, whose class is no prediction."""
        self.learn_one(levels, label, gated)

    def learn_one(self, levels: list[int], label: int, gated: bool = False) -> int:
        """Learn one sample and return the class predicted before that.

        `gated`: something outside (a queue, a budget) holds the sample back, whatever its prediction is.
        """
        outputs = self.sizes[-1]
        if not 0 <= label < max(outputs, 2):
            raise ValueError(f"label {label} is outside 0..{max(outputs, 2) - 1}")
        self._learning = True
        self._blank_sample()
        self._forward(levels)
        for k in range(1, self.layers + 1):
            self._label[k - 1].blank([int(label)])
        label = self._label[-1].read(0)
        self.gated = gated or self._gates(label)
        if self.gated:
            for k in range(1, self.layers + 1):
                self._happen(k, "gated_samples")
                for _i in self._input_events[k - 1]:
                    self._happen(k, "gated_events")
        else:
            self._compute_errors(label)
            self._compute_modulated_gates()
            for k in self._update_order():
                self._update(k)
        self._collect(self.counts)
        self._learning = False
        return self._prediction()

    # --- section 3: forward ---------------------------------------------------------------------------------

    def _forward(self, levels: list[int]) -> None:
        top = self._input_one(1)
        levels = [int(level) for level in levels]  # a fixed-width integer must not get into the sums
        if len(levels) != self.sizes[0] or any(not (-top if self.signed else 0) <= level <= top for level in levels):
            raise ValueError(f"a sample is {self.sizes[0]} levels in {-top if self.signed else 0}..{top}")
        self._send(1, levels)
        for k in range(1, self.layers + 1):
            self.z[k - 1] = self._pre_activations(k)
            if k == self.layers:
                self._form_outputs()
                continue
            shift = self._sum_scale(k) + self._pooled_bits(k) - 5
            self.q[k - 1] = [sat(self._rn(k, z, shift), -128, 127) for z in self.z[k - 1]]
            self._fire(k)

    def _sum_scale(self, k: int) -> int:
        """The binary scale of a product of input and view."""
        return self._input_scale(k) + (self.bits - 1) - self.range_exponents[k - 1]

    def _form_outputs(self) -> None:
        shift = self._sum_scale(self.layers) - 4
        self.q[-1] = [sat(self._rn(self.layers, z, shift), -128, 127) for z in self.z[-1]]
        single = self.sizes[-1] == 1  # one output is always a sigmoid
        if self.output == "sigmoid" or single:
            self.probabilities = [sigmoid(q) for q in self.q[-1]]
        else:
            self.probabilities = softmax(self.q[-1])

    def _pre_activations(self, k: int) -> list[int]:
        """z_j = sum_i x_i w_ji + one * view(bias_j), the exact sum, then the accumulator's width."""
        sums = [0] * self.sizes[k]
        for i in self._input_events[k - 1]:
            x = self._activation[k - 1].read(i)
            for j in range(self.sizes[k]):
                sums[j] += x * shr(self._weight[k - 1].read(j, i), self._weight_residual(k))
                self._operate(k, "forward_macs")
        for j in range(self.sizes[k]):
            sums[j] += self._input_one(k) * shr(self._bias[k - 1].read(j), self._residual(k))
        return [self._accumulated(k, total) for total in sums]

    def _fire(self, k: int) -> None:
        """Activations go to the layer above as events; gates wait in memory only where something is waited for."""
        outputs, gates = [], []
        for q in self.q[k - 1]:
            y, g = activate(self.activation, q)
            if self.hidden_inference == "sign" and not self._learning:
                outputs.append(self._input_one(k + 1) if q >= 0 else -self._input_one(k + 1))
            else:
                outputs.append(0 if abs(y) <= self.event_threshold else y)
            gates.append(g)
        self._send(k + 1, outputs)
        self.gates[k - 1] = gates
        self._gate[k - 1].blank([0] * len(gates))
        if self._learning and self._holds_gates(k):
            for j, g in enumerate(gates):
                if g != 0:
                    self._gate[k - 1].write(g, j)

    def _send(self, k: int, values: list[int]) -> None:
        """Write the input of layer k; a zero is no event and is not written."""
        self.activations[k - 1] = values
        self._activation[k - 1].blank([0] * len(values))
        self._input_events[k - 1] = [i for i, x in enumerate(values) if x != 0]
        for i in self._input_events[k - 1]:
            self._activation[k - 1].write(values[i], i)

    def _prediction(self) -> int:
        z = self.z[-1]
        if len(z) == 1:
            return 1 if z[0] > 0 else 0
        best = 0
        for c in range(1, self.live):
            if z[c] > z[best]:  # strictly, so that the first maximum stays
                best = c
        return best

    # --- section 9: gating ----------------------------------------------------------------------------------

    def _gates(self, label: int) -> bool:
        """Is a sample that came out like this predicted and not learned."""
        if self.update_gate == "always" or self._prediction() != label:
            return False
        return self.update_gate == "error" or self._margin(label) > self.margin

    def _margin(self, label: int) -> int:
        """How far the index of the label is ahead of the largest other one, whether that output is live or not."""
        q = self.q[-1]
        if len(q) == 1:
            return q[0] if label == 1 else -q[0]
        return q[label] - max(q[c] for c in range(len(q)) if c != label)

    def _holds_gates(self, k: int) -> bool:
        """A rule that locks waits for its signal; under an update gate one with targets waits for the prediction."""
        rule = self.acting(k)
        return rule.waits or ("target" in rule.signal and self.update_gate != "always")

    # --- which rule a layer acts by -------------------------------------------------------------------------

    def acting(self, k: int) -> PaperRule:
        """The rule of hidden layer k where it forms d: it learns, or the layer below takes its d; else nothing is taught."""
        return self.named[k - 1] if self._forms(k) else RULES["shallow"]

    def _forms(self, k: int) -> bool:
        if self.named[k - 1].signal == "none":
            return False
        return self.learned[k - 1] != "none" or self._is_asked(k)

    def _is_asked(self, k: int) -> bool:
        """Does the hidden layer below hidden layer k take its d."""
        return k > 1 and self._forms(k - 1) and self.named[k - 2].signal == "delta"

    def _stores_delta(self, k: int) -> bool:
        """d waits in memory in every layer that takes a delta, and in every layer that gives one."""
        return self.acting(k).signal == "delta" or self._is_asked(k)

    def learns(self, k: int) -> bool:
        return self.learned[k - 1] != "none" and (k == self.layers or self.named[k - 1].signal != "none")

    def _is_plain(self) -> bool:
        """One rule for all hidden layers, no mask: the words of a rule that teaches nothing have residual bits too."""
        return len(set(self.named)) == 1 and set(self.learned) == {"all"}

    # --- section 4: the three factors -----------------------------------------------------------------------

    def _compute_errors(self, label: int) -> None:
        """e_c = p_c - 255 target_c, zero inside the dead zone, kept with the output layer."""
        self.errors = []
        self._error[-1].blank([0] * self.sizes[-1])
        for c, (p, target) in enumerate(zip(self.probabilities, self._targets(label), strict=True)):
            e = self._error_of(p, target)
            if abs(e) <= self.dead_zone:
                e = 0
            e = self._narrowed_error(e)
            self.errors.append(e)
            if e != 0:
                self._error[-1].write(e, c)
        self.deltas[-1] = list(self.errors)

    def _targets(self, label: int) -> list[int]:
        """One target per output: one-hot, or the label where there is one output."""
        return [label] if self.sizes[-1] == 1 else [int(c == label) for c in range(self.sizes[-1])]

    def _read_targets(self, k: int) -> list[int]:
        """The targets as hidden layer k reads them: a label is one word."""
        return self._targets(self._label[k - 1].read(0))

    def _error_of(self, p: int, target: int) -> int:
        return p - 255 * target

    def _narrowed_error(self, e: int) -> int:
        """e has 9 bits, or those of a factor if that has fewer; the lowest are rounded away."""
        bits = min(9, self.factor_bits)
        return sat(rn(e, 9 - bits), -((1 << (bits - 1)) - 1), (1 << (bits - 1)) - 1)

    def _compute_modulated_gates(self) -> None:
        """d_j of all hidden layers, from the weights before any update."""
        for k in range(1, self.layers):
            self.deltas[k - 1] = [0] * len(self.gates[k - 1])
        for k in range(self.layers - 1, 0, -1):  # d of the layer above is there where it is taken
            if self._forms(k):
                self._modulate(k)

    def _modulate(self, k: int) -> None:
        """d_j of one hidden layer."""
        lanes = self._signal(k)
        if self.lfsr and self.acting(k).fixed_feedback:
            self._regenerate(k, lanes)  # once more where they have been read out
        stores = self._stores_delta(k)
        if stores:
            self._delta[k - 1].blank([0] * len(self.gates[k - 1]))
        if not lanes:  # no signal: gates stay unread and every d_j is zero
            return
        modulators = self._modulators(k, lanes)
        for j, gate in enumerate(self.gates[k - 1]):
            if gate == 0:
                continue
            d = self._modulated_gate(k, j, lanes, modulators)
            self.deltas[k - 1][j] = d
            if d != 0 and stores:
                self._delta[k - 1].write(d, j)

    def _modulators(self, k: int, lanes: list[Lane]) -> list[int]:
        """Modulators that are formed whatever the gates are; none in a dense layer."""
        return []

    def _signal(self, k: int) -> list[Lane]:
        """The lanes of the teaching signal of hidden layer k that are not zero, each read once."""
        signal = self.acting(k).signal
        if signal == "target":
            return [(c, y) for c, y in enumerate(self._read_targets(k)) if y != 0]
        if signal == "signed target":  # every output has a sign: -1 where its target is 1
            return [(c, 1 - 2 * y) for c, y in enumerate(self._read_targets(k))]
        if signal == "local error":
            source, words = self._error[k - 1], self._read_out(k)
        elif signal == "delta" and k + 1 < self.layers:
            source, words = self._delta[k], self.deltas[k]
        else:
            source, words = self._error[-1], self.errors
        return [(row, source.read(row)) for row, word in enumerate(words) if word != 0]

    def _read_out(self, k: int) -> list[int]:
        """The local error of hidden layer k: its activations through all rows of feedback, a table, minus the target.

        Activations are taken as they come out of the layer; under an update gate they wait and are read again.
        """
        targets, outputs = self._read_targets(k), self.sizes[-1]
        if self.lfsr:
            self._regenerate(k, [(c, 1) for c in range(outputs)])
        sums = [0] * outputs
        for j in self._input_events[k]:
            y = self._activation[k].read(j) if self.update_gate != "always" else self.activations[k][j]
            for c in range(outputs):
                sums[c] += y * self._feedback_word(k, c, j)
                self._operate(k, "signal_macs")
        p = self._readout_outputs(k, [self._accumulated(k, total) for total in sums])
        errors = []
        self._error[k - 1].blank([0] * outputs)
        for c in range(outputs):
            e = self._error_of(p[c], targets[c])
            errors.append(self._narrowed_error(0 if abs(e) <= self.local_dead_zone else e))
            if errors[c] != 0:
                self._error[k - 1].write(errors[c], c)
        self.local_errors[k - 1] = errors
        return errors

    def _readout_scale(self, k: int) -> int:
        """The binary scale of a product of activation and readout weight."""
        return scale_of_activation(self.activation) + 7 - self.feedback_exponents[k - 1]

    def _readout_outputs(self, k: int, sums: list[int]) -> list[int]:
        q = [sat(self._rn(k, total, self._readout_scale(k) - 4), -128, 127) for total in sums]
        return softmax(q) if self.output == "softmax" and len(q) > 1 else [sigmoid(one) for one in q]

    def _regenerate(self, k: int, lanes: list[Lane]) -> None:
        """A register runs through the whole row of every lane, two steps an entry, whatever the gates are."""
        for _lane in lanes:
            for _column in range(self._feedback_shape(k)[1]):
                self._operate(k, "lfsr_steps")
                self._operate(k, "lfsr_steps")

    def _modulated_gate(self, k: int, j: int, lanes: list[Lane], modulators: list[int]) -> int:
        m = modulators[j % len(modulators)] if modulators else self._modulator(k, j, lanes)
        g = self._gate[k - 1].read(j) if self._holds_gates(k) else self.gates[k - 1][j]
        self._operate(k, "gate_products")
        largest = (1 << (self.delta_bits[k - 1] - 1)) - 1
        return sat(self._rn(k, m * g, 7), -largest, largest)

    def _modulator(self, k: int, j: int, lanes: list[Lane]) -> int:
        """m_j = sum over the lanes of signal times feedback, exact, then scaled to 1.0 = 2^M."""
        rule = self.acting(k)
        scale_of_m = self._scale_of_m(k)
        largest = (1 << (self.factor_bits - 1)) - 1
        if rule.signal == "target":  # y* is one-hot: B_k^T y* is one row of B_k, looked up
            return sat(self._rn(k, self._feedback_word(k, lanes[0][0], j), 7 - scale_of_m), -largest, largest)
        total = self._signal_sum(k, j, lanes)
        return sat(self._rn(k, self._accumulated(k, total), self._signal_scale(k) - scale_of_m), -largest, largest)

    def _signal_sum(self, k: int, j: int, lanes: list[Lane]) -> int:
        rule, total = self.acting(k), 0
        for row, s in lanes:
            word = self._next_view(k, row, j) if rule.feedback == "transpose" else self._feedback_word(k, row, j)
            total += (sign(s) if rule.signal == "sign" else s) * word
            self._operate(k, "signal_macs")
        return total

    def _signal_scale(self, k: int) -> int:
        """The binary scale of a product of signal and feedback."""
        rule = self.acting(k)
        scale = {
            "error": self._delta_scale(self.layers),
            "local error": self._delta_scale(self.layers),
            "sign": 0,
            "signed target": 0,
            "delta": self._delta_scale(k + 1),
        }[rule.signal]
        if rule.feedback == "transpose":
            return scale + (self.bits - 1) - self.range_exponents[k]
        return scale + 7 - self.feedback_exponents[k - 1]

    def _feedback_word(self, k: int, row: int, j: int) -> int:
        """B[row, j] of layer k: from memory, or from the register that has just regenerated the row."""
        if self.lfsr:
            return self._feedback[k - 1].words[row][j]
        return self._feedback[k - 1].read(row, j)

    def _next_view(self, k: int, row: int, j: int) -> int:
        """w_(k+1)[row, j], the view: the memory access belongs to layer k+1."""
        return shr(self._weight[k].read(row, j), self._weight_residual(k + 1))

    def _delta_scale(self, k: int) -> int:
        """D: 8 for the error of the output layer, or what narrow errors have left; M for a hidden layer."""
        if k == self.layers:
            return min(9, self.factor_bits) - 1
        return self._scale_of_m(k)

    def _scale_of_m(self, k: int) -> int:
        return self.acting(k).narrowed_scale(self.factor_bits)

    # --- section 5: the update ------------------------------------------------------------------------------

    def _update_order(self) -> list[int]:
        forward = [k for k in range(1, self.layers + 1) if self.learns(k)]
        backward = any(self.acting(k).signal == "delta" for k in range(1, self.layers))
        return forward[::-1] if backward else forward

    def _update(self, k: int) -> None:
        deltas = self.deltas[k - 1]
        for d in deltas:
            if d == 0:
                self._happen(k, "skipped_neurons")
        if all(d == 0 for d in deltas):
            return
        inputs: list[int] = []
        if self.learned[k - 1] == "all":  # biases alone: as if no input were there
            inputs = self._input_events[k - 1]
            for x in self.activations[k - 1]:
                if x == 0:
                    self._happen(k, "skipped_inputs")
        draws, bias_draw = self._draw(k, len(inputs))
        for j in range(self.sizes[k]):
            if deltas[j] == 0:
                continue
            d = self._read_delta(k, j)
            for i, draw in zip(inputs, draws, strict=True):
                x = self._activation[k - 1].read(i)
                step = self._step(k, j, x, d, draw)
                old = self._weight[k - 1].read(j, i)
                self._weight[k - 1].write(self._moved(k, old, step, self._lowest_weight(k)), j, i)
            step = self._step(k, j, self._input_one(k), d, bias_draw)
            old = self._bias[k - 1].read(j)
            self._bias[k - 1].write(self._moved(k, old, step, -(1 << (self._stored_bits(k) - 1))), j)

    def _read_delta(self, k: int, j: int) -> int:
        """The output layer reads its error, layers with deltas their buffer; elsewhere d_j is used as it is made."""
        if k == self.layers:
            return self._error[-1].read(j)
        if self._stores_delta(k):
            return self._delta[k - 1].read(j)
        return self.deltas[k - 1][j]

    def _draw(self, k: int, events: int) -> tuple[list[int], int]:
        """One draw for each input event in ascending order, then one for the bias (section 6)."""
        draws = [self._next_draw(k) for _ in range(events + 1)]
        return draws[:-1], draws[-1]

    def _next_draw(self, k: int) -> int:
        if self.rounding != "stochastic":
            return 0
        self.rng_state = xorshift32(self.rng_state)
        self._operate(k, "random_draws")
        return self.rng_state

    def _step(self, k: int, j: int, x: int, d: int, draw: int) -> int:
        """The step in LSB of the stored word for one weight."""
        self._operate(k, "update_macs")
        return self._rounded(k, j, -x * d, draw)

    def _rounded(self, k: int, j: int, product: int, draw: int) -> int:
        shift = self._step_shift(k)
        largest = (1 << (self._stored_bits(k) - 1)) - 1
        if self.rounding == "stochastic":
            self._note_tie(k, product, min(shift - 8, 30))
            step, cut = stochastic_step(product, shift, largest, random_byte(draw, j))
        else:
            self._note_tie(k, product, shift)
            step, cut = nearest_step(product, shift, largest)
        if cut:
            self._happen(k, "step_saturations")
        return step

    def _step_shift(self, k: int) -> int:
        """k of the contract: -x d 2^-k is the step in LSB of the stored word."""
        shift = self._input_scale(k) + self._delta_scale(k) - self.rates[k - 1]
        shift += self._shared_bits(k)
        shift += self.range_exponents[k - 1] - (self.bits - 1) - self.residual_bits + self.halvings
        return min(shift, 30)

    def _moved(self, k: int, old: int, step: int, lo: int) -> int:
        hi = (1 << (self._stored_bits(k) - 1)) - 1
        total = old + step
        if not lo <= total <= hi:
            self._happen(k, "saturations")
        return sat(total, lo, hi)

    def _lowest_weight(self, k: int) -> int:
        """Above a layer whose modulators shall have the gradient's sign, weights stay at or above zero."""
        if any(self.acting(below).non_negative for below in range(1, k)):
            return 0
        return -(1 << (self.bits + self._weight_residual(k) - 1))

    # --- shapes, which differ in layers that are not dense ---------------------------------------------------

    def _weight_shape(self, k: int) -> tuple[int, int]:
        """Rows of weights with a bias each, and inputs of each."""
        return self.sizes[k], self.sizes[k - 1]

    def _feedback_shape(self, k: int) -> tuple[int, int]:
        rows = self.sizes[k + 1] if self.acting(k).feedback == "layerwise" else self.sizes[-1]
        return rows, self.sizes[k]

    def _pooled_bits(self, k: int) -> int:
        """log2 of the sums that a pre-activation is the mean of; one in a dense layer."""
        return 0

    def _shared_bits(self, k: int) -> int:
        """log2 of the places that share one d; one in a dense layer."""
        return 0

    # --- words ----------------------------------------------------------------------------------------------

    def _stored_bits(self, k: int) -> int:
        """Of a bias, and of a weight that learns."""
        return self.bits + self._residual(k)

    def _residual(self, k: int) -> int:
        """Residual bits collect steps: where none come, there are none."""
        return self.residual_bits if self.learns(k) or self._is_plain() else 0

    def _weight_residual(self, k: int) -> int:
        return 0 if self.learned[k - 1] == "bias" else self._residual(k)

    def _level_bits(self) -> int:
        return self.input_bits - 1 if self.signed else self.input_bits

    def _input_one(self, k: int) -> int:
        """The raw word of 1.0 at the input of layer k."""
        return (1 << self._level_bits()) - 1 if k == 1 else one_of_activation(self.activation)

    def _input_scale(self, k: int) -> int:
        """A of the input of layer k."""
        if k == 1:
            return 0 if self._level_bits() == 1 else self._level_bits()
        return scale_of_activation(self.activation)

    def _accumulated(self, k: int, total: int) -> int:
        """The exact sum in the accumulator. At 32 bits a sum that does not fit should have been refused."""
        if not -(1 << 31) <= total < 1 << 31:
            raise OverflowError(f"a sum of layer {k} is {total}: such a network must be refused")
        if self.accumulator_bits >= 32:
            return total
        wrapped = wrap(total, self.accumulator_bits)
        if wrapped != total:
            self._happen(k, "overflows")
        return wrapped

    def _rn(self, k: int, x: int, s: int) -> int:
        self._note_tie(k, x, s)
        return rn(x, s)

    def _note_tie(self, k: int, x: int, s: int) -> None:
        if is_tie(x, s):
            self._happen(k, "ties")

    # --- counters -------------------------------------------------------------------------------------------

    def _operate(self, k: int, name: str) -> None:
        if self._learning:
            self.operations[k, name] += 1

    def _happen(self, k: int, name: str) -> None:
        if self._learning:
            self.events[k, name] += 1

    def _memories(self) -> dict[str, list[CountingMemory]]:
        return {
            "activation": self._activation,
            "weight": self._weight,
            "bias": self._bias,
            "gate": self._gate,
            "label": self._label,
            "error": self._error,
            "delta": self._delta,
            "feedback": self._feedback,
        }

    def _collect(self, counts: Counts) -> None:
        """Move what the memories counted during the sample into one of the two dictionaries."""
        for name, memories in self._memories().items():
            for k, memory in enumerate(memories, start=1):
                counts[k, name, "read"] += memory.reads
                counts[k, name, "write"] += memory.writes
                memory.reads = memory.writes = 0

    # --- set-up ---------------------------------------------------------------------------------------------

    def _blank_sample(self) -> None:
        """activations[k-1] is the input of layer k; gates has hidden layers; deltas ends with the output."""
        self.z: list[list[int]] = [[] for _ in range(self.layers)]
        self.q: list[list[int]] = [[] for _ in range(self.layers)]
        self.activations: list[list[int]] = [[] for _ in range(self.layers)]
        self.gates: list[list[int]] = [[] for _ in range(self.layers - 1)]
        self.deltas: list[list[int]] = [[] for _ in range(self.layers)]
        self.errors: list[int] = []
        self.local_errors: list[list[int]] = [[] for _ in range(self.layers - 1)]
        self.probabilities: list[int] = []
        self._input_events: list[list[int]] = [[] for _ in range(self.layers)]

    def _check(self) -> None:
        """Refuse what the contract has no words for; an oracle must not guess."""
        _one_of("rounding", self.rounding, ("nearest", "stochastic"))
        _one_of("output", self.output, self.output_names)
        _one_of("update_gate", self.update_gate, self.gate_names)
        if not 1 <= self.live <= self.sizes[-1]:
            raise ValueError(f"live is {self.live}, allowed 1..{self.sizes[-1]}")
        one_of_activation(self.activation)
        if not (2 <= self.bits <= 16 and 0 <= self.residual_bits <= 8 and self.bits + self.residual_bits <= 16):
            raise ValueError(f"no word has {self.bits} view and {self.residual_bits} residual bits")
        if not 1 <= self.input_bits <= 8:
            raise ValueError(f"input_bits is {self.input_bits}, allowed 1..8")
        if self.rounding == "stochastic" and not 0 < self.rng_state < 1 << 32:
            raise ValueError(f"rng_state is {self.rng_state}, allowed 1..2^32 - 1")
        if len(self.named) != max(self.layers - 1, 1):
            raise ValueError(f"{len(self.named)} rules for {self.layers - 1} hidden layers")
        for words in self.learned:
            _one_of("learned", words, ("all", "bias", "none"))
        _length("learned", self.learned, self.layers)
        for name, given in (("range_exponents", self.range_exponents), ("rates", self.rates)):
            _length(name, given, self.layers)
        _length("weights", self._weight, self.layers)
        _length("biases", self._bias, self.layers)
        _length("feedback", self.feedback, self.layers - 1)
        _length("feedback_exponents", self.feedback_exponents, self.layers - 1)
        for k in range(1, self.layers + 1):
            hi = (1 << (self._stored_bits(k) - 1)) - 1
            highest = (1 << (self.bits + self._weight_residual(k) - 1)) - 1
            columns, fan_in = self._weight_shape(k)
            _matrix(f"weights of layer {k}", self.weights[k - 1], columns, fan_in)
            _length(f"biases of layer {k}", self.biases[k - 1], columns)
            for row in self.weights[k - 1]:
                _inside(f"weights of layer {k}", row, self._lowest_weight(k), highest)
            _inside(f"biases of layer {k}", self.biases[k - 1], -hi - 1, hi)
        for k in range(1, self.layers):
            rule = self.acting(k)
            if rule.signal == "none" and self._is_asked(k):
                raise ValueError(f"layer {k - 1} takes d of layer {k}, which forms none")
            if not rule.fixed_feedback:
                continue
            _matrix(f"feedback of layer {k}", self.feedback[k - 1], *self._feedback_shape(k))
            for row in self.feedback[k - 1] or []:
                _inside(f"feedback of layer {k}", row, 0 if rule.non_negative else -127, 127)


# --- checks ------------------------------------------------------------------------------------------------


def _one_of(name: str, given: str, allowed: Iterable[str]) -> None:
    if given not in allowed:
        raise ValueError(f"{name} '{given}' is not known; known: {', '.join(allowed)}")


def _length(name: str, given: Any, wanted: int) -> None:
    if given is None or len(given) != wanted:
        raise ValueError(f"{name} has {'no' if given is None else len(given)} entries, wanted {wanted}")


def _matrix(name: str, given: Any, rows: int, columns: int) -> None:
    _length(name, given, rows)
    for row in given:
        _length(f"a row of the {name}", row, columns)


def _inside(name: str, given: list[int], lo: int, hi: int) -> None:
    for word in given:
        if not (isinstance(word, int) and lo <= word <= hi):
            raise ValueError(f"{name}: {word!r} is not an integer in {lo}..{hi}")
