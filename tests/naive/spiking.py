"""The spiking contract (edgelearn/docs/spiking.md) in plain whole numbers, one word at a time, sharing nothing with kernels."""

from .oracle import RULES

WORD = 0xFFFFFFFF


def sat16(value: int) -> int:
    return max(-32768, min(32767, value))


def hashed(t: int, j: int, i: int, p: int, seed: int) -> int:
    """Section 3."""
    h = (p + seed * 0x9E3779B9) & WORD
    h ^= (t * 0x9E3779B1) & WORD
    h ^= (j * 0x85EBCA77) & WORD
    h ^= (i * 0xC2B2AE3D) & WORD
    h ^= h >> 15
    h = (h * 0x2C1B3C6D) & WORD
    h ^= h >> 12
    h = (h * 0x297A2D39) & WORD
    return h ^ (h >> 15)


class Population:
    def __init__(self, n: int) -> None:
        self.membrane, self.current, self.adaptation = [0] * n, [0] * n, [0] * n
        self.refractory, self.gate, self.modulator = [0] * n, [0] * n, [0] * n
        self.trace, self.count = [0] * n, [0] * n
        self.arriving = [0] * n
        self.sent: dict[int, list[int]] = {}  # spikes by step
        self.n = n


class NaiveSpiking:
    """A network of section 1.

    Parameters
    ----------
    neurons, connections : dicts of plain settings for each population after the inputs
    weights : by population 1..K, [source][neuron]; feedback : by hidden population, [output][neuron]

    Attributes
    ----------
    bias : by population, what arrives in every step
    """

    def __init__(self, sizes, rule, neurons, connections, weights, feedback, **settings) -> None:
        self.sizes, self.signal, self.neurons, self.connections = sizes, RULES[rule].signal, neurons, connections
        self.weights = [None, *([list(row) for row in matrix] for matrix in weights)]
        self.feedback = feedback
        self.bias = [[0] * n for n in sizes]
        self.s = settings
        self.t = 0
        self.populations = [Population(n) for n in sizes]
        names = (
            "steps spikes synaptic_operations neuron_updates trace_updates weight_read weight_write synaptic_updates"
        )
        names += " saturations membrane_saturations trace_saturations label_events feedback_read"
        self.counts = dict.fromkeys(names.split(), 0)

    def step(self, inputs: list[int], label: int | None, start: bool) -> list[list[int]]:
        """Take one step; return the neurons that spiked, by population."""
        if start:
            self.populations = [Population(n) for n in self.sizes]
        last = len(self.sizes) - 1
        for p, population in enumerate(self.populations):
            if p < last:
                population.trace = [x - (x >> self.s["trace_leak"]) for x in population.trace]
            if p > 0:
                self._neurons(population, self.neurons[p - 1], self.connections[p - 1]["exponent"])
        spiked = [sorted(inputs)]
        for p in range(1, last + 1):
            population, neuron = self.populations[p], self.neurons[p - 1]
            spiked.append(
                [
                    i
                    for i in range(population.n)
                    if population.refractory[i] == 0
                    and population.membrane[i] >= neuron["threshold"] + population.adaptation[i]
                ]
            )
        for p in range(1, last + 1):
            self.populations[p - 1].sent[self.t] = spiked[p - 1]
            self._forward(p, self.populations[p - 1].sent.get(self.t + 1 - self.connections[p - 1]["delay"], []))
        for p in range(1, last + 1):
            if p == last or self.signal != "none":
                self._learn(p)
        for population in self.populations:
            population.modulator = [0] * population.n
        if label is not None:
            self._label(label)
        for p in range(last + 1):
            for i in spiked[p]:
                self._reset(p, i, last)
        self.counts["spikes"] += sum(len(one) for one in spiked)
        self.counts["steps"] += 1
        self.t += 1
        return spiked

    def _neurons(self, population, neuron, exponent) -> None:
        arriving = [total * 2**exponent if exponent > 0 else total // 2**-exponent for total in population.arriving]
        population.arriving = [0] * population.n
        for i in range(population.n):
            self.counts["neuron_updates"] += 1
            u = population.current[i]
            population.current[i] = sat16(u - (u >> neuron["current_leak"]) + arriving[i])
            population.adaptation[i] -= population.adaptation[i] >> neuron["adaptation_leak"]
            if population.refractory[i] > 0:
                population.refractory[i] -= 1
            else:
                v = population.membrane[i]
                if neuron["model"] != "if":
                    v -= v >> neuron["leak"]
                taken = population.current[i] >> neuron["current_gain"] if neuron["model"] == "cuba" else arriving[i]
                population.membrane[i] = sat16(v + taken)
                self.counts["membrane_saturations"] += population.membrane[i] != v + taken
            q = population.membrane[i] if neuron["gate_on"] == "membrane" else population.current[i]
            population.gate[i] = int(neuron["gate"][0] < q < neuron["gate"][1])

    def _forward(self, p, sources) -> None:
        population = self.populations[p]
        population.arriving = [total + b for total, b in zip(population.arriving, self.bias[p], strict=True)]
        for j in sources:
            for i in range(population.n):
                population.arriving[i] += self.weights[p][j][i]
                self.counts["synaptic_operations"] += 1
                self.counts["weight_read"] += 1

    def _learn(self, p) -> None:
        before, population, shift = self.populations[p - 1], self.populations[p], self.connections[p - 1]["shift"]
        top = 2 ** (self.s["bits"] - 1) - 1
        for i in range(population.n):
            if population.modulator[i] == 0 or population.gate[i] == 0:
                continue
            for j in range(before.n):
                if before.trace[j] == 0:
                    continue
                rho = 2**shift // 2
                if self.s["rounding"] == "stochastic":
                    rho = hashed(self.t, j, i, p, self.s["seed"]) % 2**shift
                w = self.weights[p][j][i] + (before.trace[j] * population.modulator[i] + rho) // 2**shift
                self.weights[p][j][i] = max(-top, min(top, w))
                self.counts["synaptic_updates"] += 1
                self.counts["weight_read"] += 1
                self.counts["weight_write"] += 1
                self.counts["saturations"] += abs(w) > top

    def _label(self, label) -> None:
        outputs = self.populations[-1]
        self.counts["label_events"] += 1
        errors = [
            max(-127, min(127, self.s["target"] * (o == label) - self.s["spike_cost"] * outputs.count[o]))
            for o in range(outputs.n)
        ]
        outputs.modulator, outputs.count = errors, [0] * outputs.n
        for p in range(1, len(self.sizes) - 1):
            rows = self.feedback[p - 1]
            looked_at = {"target": 1, "none": 0}.get(self.signal, sum(e != 0 for e in errors))
            self.counts["feedback_read"] += looked_at * self.sizes[p]
            for i in range(self.sizes[p]):
                if self.signal == "target":
                    m = rows[label][i]
                elif self.signal == "error":
                    m = sum((rows[o][i] * errors[o]) // 32 for o in range(outputs.n))
                elif self.signal == "sign":
                    m = sum(rows[o][i] * ((errors[o] > 0) - (errors[o] < 0)) for o in range(outputs.n))
                else:
                    m = 0
                self.populations[p].modulator[i] = m

    def _reset(self, p, i, last) -> None:
        population = self.populations[p]
        if p < last:
            self.counts["trace_updates"] += 1
            self.counts["trace_saturations"] += population.trace[i] + self.s["trace_step"] > 127
            population.trace[i] = min(population.trace[i] + self.s["trace_step"], 127)
        if p > 0:
            neuron = self.neurons[p - 1]
            v = population.membrane[i]
            population.membrane[i] = 0 if neuron["reset"] == "zero" else sat16(v - neuron["threshold"])
            population.refractory[i] = neuron["refractory"]
            step = neuron["adaptation_step"] if neuron["model"] == "alif" else 0
            population.adaptation[i] = min(32767, population.adaptation[i] + step)
        if p == last:
            population.count[i] += 1
