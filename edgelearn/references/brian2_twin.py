"""Integer twin of the spiking network in Brian2, and its first difference from the kernel (docs/spiking.md).

Brian2 runs its slots in the order start, groups, thresholds, synapses, resets: the phases of the contract. A word is an
integer parameter changed by `run_regularly`, a pathway or a reset; there are no differential equations. The same texts
with real numbers and no floors are the float twin, which `float_spiking.py` lays beside the kernel.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgelearn.errors import UserError, install
from edgelearn.rules.rule import Signal
from edgelearn.spiking.learner import Raster, SpikingLearner
from edgelearn.spiking.network import SpikingSpec

MISSING = f"brian2 is not installed; run: {install('brian2')}"
_WORDS, _COUNTS = ("v", "u", "I", "a", "m", "x"), ("r", "g", "c")  # counts are whole in the float twin too
_STATE = {  # variables of the kernel and of Brian2
    "membrane": "v",
    "current": "u",
    "adaptation": "a",
    "refractory": "r",
    "gate": "g",
    "modulator": "m",
    "trace": "x",
    "count": "c",
}
TOTALS = ("spikes", "synaptic_updates", "saturations", "membrane_saturations", "trace_saturations")
_CPP_HASH = """
int64_t edgelearn_rho(int64_t step, int64_t source, int64_t neuron, int64_t word, int64_t mask)
{
    uint32_t h = (uint32_t)word ^ ((uint32_t)step * 0x9E3779B1u) ^ ((uint32_t)source * 0x85EBCA77u)
        ^ ((uint32_t)neuron * 0xC2B2AE3Du);
    h ^= h >> 15;
    h *= 0x2C1B3C6Du;
    h ^= h >> 12;
    h *= 0x297A2D39u;
    h ^= h >> 15;
    return (int64_t)(h & (uint32_t)mask);
}
"""


@dataclass(frozen=True)
class Difference:
    """First word or spike that differs; steps, populations and neurons are counted from 0."""

    step: int
    population: int
    what: str
    neuron: int
    kernel: int
    brian2: int

    def __str__(self) -> str:
        return (
            f"{self.what} of population {self.population}, neuron {self.neuron}: kernel {self.kernel}, "
            f"Brian2 {self.brian2}, seen after step {self.step}"
        )


@dataclass(frozen=True)
class Comparison:
    """What was compared, and the first difference.

    Parameters
    ----------
    steps, checkpoints : compared; totals : what the kernel counted in them
    """

    steps: int
    checkpoints: int
    totals: dict[str, int]
    difference: Difference | None


def _rho(step: Any, source: Any, neuron: Any, word: Any, mask: Any) -> Any:
    """Return the bits that stochastic rounding adds (section 3), in numpy."""
    u = np.uint32
    with np.errstate(over="ignore"):
        h = u(word) ^ (np.asarray(step).astype(u) * u(0x9E3779B1)) ^ (np.asarray(source).astype(u) * u(0x85EBCA77))
        h = h ^ (np.asarray(neuron).astype(u) * u(0xC2B2AE3D))
        h ^= h >> u(15)
        h = h * u(0x2C1B3C6D)
        h ^= h >> u(12)
        h = h * u(0x297A2D39)
        h ^= h >> u(15)
    return (h & u(mask)).astype(np.int64)


def _brian2() -> Any:
    try:
        return importlib.import_module("brian2")
    except ImportError:
        raise UserError(MISSING) from None


def numpy_target() -> None:
    """Have Brian2 run as numpy code, which needs no compiler, and warn of nothing.

    Raises
    ------
    UserError
        "brian2 is not installed ..."
    """
    b = _brian2()
    b.prefs.codegen.target = "numpy"
    b.BrianLogger.log_level_error()


class BrianTwin:
    """Brian2 network with the specification, weights and feedback of a learner.

    Parameters
    ----------
    learner : not yet advanced; its weights and feedback are taken
    raster : of the whole run
    change : called with the texts of the equations before they are built, to put faults into them
    exact : False is the float twin: real v, u, I, a, m, x and w, x / 2^s for x >> s, no rounding; the same rails
    monitors : False keeps no spikes

    Raises
    ------
    UserError
        "brian2 is not installed ...", "spikes on their way ..."
    """

    def __init__(
        self,
        learner: SpikingLearner,
        raster: Raster,
        change: Callable[[dict[str, str]], None] = lambda texts: None,
        exact: bool = True,
        monitors: bool = True,
    ) -> None:
        self.b = _brian2()
        spec = self.spec = learner.spec
        if spec.slots > 1 and raster.starts[1:].any():
            raise UserError("spikes on their way cannot be taken out of Brian2: give delays of 1, or no starts")
        b = self.b
        self.exact = exact
        self.step_time = 1 * b.ms
        b.defaultclock.dt = self.step_time
        spikes = np.zeros((raster.steps, spec.sizes[0]), np.int32)
        spikes[np.repeat(np.arange(raster.steps), np.diff(raster.first)), raster.source] = 1
        self._names: dict[str, Any] = {
            "stim": b.TimedArray(spikes, dt=self.step_time),
            "begins": b.TimedArray(raster.starts.astype(np.int32), dt=self.step_time),
            "edgelearn_rho": self._hash(),
        }
        self.texts = self._texts()
        change(self.texts)
        self.groups = [self._group(p) for p in range(len(spec.sizes))]
        self.synapses = [None] + [self._synapses(p, learner) for p in range(1, len(spec.sizes))]
        self.back: dict[int, Any] = {}
        self.monitors = [b.SpikeMonitor(group) for group in self.groups] if monitors else []
        parts = [*self.groups, *self.synapses[1:], *self.monitors, *self._teacher(learner, raster), *self.back.values()]
        self.network = b.Network(*parts)

    def run(self, steps: int, every: int = 0, look: Callable[[int], bool] = lambda done: True) -> None:
        """Take time steps; call `look` with the steps done after each `every` and the last, and stop if it says so."""
        b, done = self.b, 0

        def look_now() -> None:
            nonlocal done
            done += 1
            if (done % every == 0 or done == steps) and not look(done):
                b.stop()

        if every:
            watcher = b.NetworkOperation(look_now, dt=self.step_time, when="end", order=1)
            self.network.add(watcher)
        self.network.run(steps * self.step_time, namespace=self._names)

    def of(self, variable: str, p: int) -> np.ndarray:
        """Return a variable of population p by its name in the kernel."""
        return np.asarray(getattr(self.groups[p], _STATE[variable])[:])

    def weights_into(self, p: int) -> np.ndarray:
        """Return the words of the synapses into population p, or the numbers of the float twin: [sources, neurons]."""
        return np.asarray(self.synapses[p].w[:]).reshape(self.spec.sizes[p - 1], self.spec.sizes[p])

    def feedback_into(self, p: int) -> np.ndarray:
        """Return the feedback words to hidden population p: int[outputs, neurons]."""
        return np.asarray(self.back[p].f[:]).reshape(self.spec.sizes[-1], self.spec.sizes[p])

    def winner(self) -> int:
        """Return the class that the outputs say now, as `SpikingLearner.winner` does."""
        counts, membranes = (self.of(name, self.spec.last).astype(np.float64) for name in ("count", "membrane"))
        return int(np.argmax(counts * 100_000 + np.clip(membranes, -40_000, 40_000)))

    def raster(self, steps: int) -> np.ndarray:
        """Return who spiked: uint8[steps, neurons]."""
        seen = np.zeros((steps, sum(self.spec.sizes)), np.uint8)
        for offset, monitor in zip(self.spec.offsets(), self.monitors, strict=False):
            at = np.rint(np.asarray(monitor.t / self.step_time)).astype(int)
            seen[at, offset + np.asarray(monitor.i)] = 1
        return seen

    def _hash(self) -> Any:
        b = self.b
        function = b.Function(_rho, arg_units=[1] * 5, return_unit=1, arg_types=["integer"] * 5, return_type="integer")
        function.implementations.add_implementation("numpy", _rho)
        function.implementations.add_implementation("cpp", _CPP_HASH)
        return function

    def _texts(self) -> dict[str, str]:
        """Return the code of all phases, by population."""
        spec, over, word = self.spec, "//" if self.exact else "/", "integer" if self.exact else "1"
        state = [*(f"{name} : {word}" for name in _WORDS), *(f"{name} : integer" for name in _COUNTS)]
        texts = {"state": "\n".join(state), "weight": f"w : {word}"}
        for p in range(len(spec.sizes)):
            lines = [f"x = x - x{over}{2**spec.trace_leak}"]
            reset = [f"x = clip(x + {spec.trace_step}, 0, 127)"]
            if p:
                neuron, synapses = spec.neurons[p - 1], spec.synapses[p - 1]
                adapts = neuron.model == "alif"
                leaked = "v" if neuron.model == "if" else f"v - v{over}{2**neuron.leak}"
                arrived = f"I*{2**synapses.exponent}" if synapses.exponent >= 0 else f"I{over}{2**-synapses.exponent}"
                taken = f"u{over}{2**neuron.current_gain}" if neuron.model == "cuba" else arrived
                q = "v" if neuron.gate_on == "membrane" else "u"
                lines += [
                    f"u = clip(u - u{over}{2**neuron.current_leak} + {arrived}, -32768, 32767)",
                    f"a = a - a{over}{2**neuron.adaptation_leak}",
                    f"v = int(r > 0)*v + int(r == 0)*clip({leaked} + {taken}, -32768, 32767)",
                    "r = r - int(r > 0)",
                    "I = 0",
                    f"g = int({q} > {neuron.gate[0]})*int({q} < {neuron.gate[1]})",
                ]
                after = f"clip(v - {neuron.threshold}, -32768, 32767)"
                reset += [
                    "v = 0" if neuron.reset == "zero" else f"v = {after}",
                    f"r = {neuron.refractory}",
                    f"a = clip(a + {neuron.adaptation_step if adapts else 0}, 0, 32767)",
                ]
                texts[f"threshold {p}"] = f"r == 0 and v >= {neuron.threshold} + a"
                shift, top = synapses.shift, spec.word_max
                mixed = (p + spec.seed * 0x9E3779B9) & 0xFFFFFFFF
                rho = f"{2**shift // 2}" if self.exact else "0"
                if spec.rounding == "stochastic" and self.exact:
                    rho = f"edgelearn_rho(t_in_timesteps, i, j, {mixed}, {2**shift - 1})"
                step = f"clip(w + (x_pre*m_post + {rho}){over}{2**shift}, {-top}, {top})"
                texts[f"learn {p}"] = f"w = int(x_pre == 0)*w + int(x_pre != 0)*{step}"
                texts[f"forward {p}"] = "I_post += w"
            if p == spec.last:
                lines, reset = lines[1:], [*reset[1:], "c = c + 1"]
            texts[f"neurons {p}"], texts[f"reset {p}"] = "\n".join(lines), "\n".join(reset)
        texts["error"] = f"m_post = clip({spec.target}*int(i == j) - {spec.spike_cost}*c_post, -127, 127)"
        texts["feedback"] = {
            Signal.TARGET: "m_post += f",
            Signal.ERROR: f"m_post += (f*m_pre){over}32",
            Signal.SIGN_ERROR: "m_post += f*int(m_pre > 0) - f*int(m_pre < 0)",
            Signal.NONE: "",
        }[spec.rule.signal]
        return texts

    def _group(self, p: int) -> Any:
        spec, texts = self.spec, self.texts
        events = {"learn": "m != 0 and g != 0"} if p and spec.learns(p) else {}
        if p == spec.last:
            events["err"] = "m != 0"
        group = self.b.NeuronGroup(
            spec.sizes[p],
            texts["state"],
            threshold=texts[f"threshold {p}"] if p else "stim(t, i) > 0",
            reset=texts[f"reset {p}"],
            events=events,
            method="euler",
        )
        if p == spec.last:
            group.thresholder["err"].when = "after_synapses"
        cleared = "\n".join(f"{name} = int(begins(t) == 0)*{name}" for name in ("v", "u", "I", "a", "r", "m", "x", "c"))
        group.run_regularly(cleared, dt=self.step_time, when="start")
        group.run_regularly(texts[f"neurons {p}"], dt=self.step_time, when="groups")
        if p:
            group.run_regularly("m = 0", dt=self.step_time, when="synapses", order=2)
        return group

    def _synapses(self, p: int, learner: SpikingLearner) -> Any:
        learns = self.spec.learns(p)
        synapses = self.b.Synapses(
            self.groups[p - 1],
            self.groups[p],
            self.texts["weight"],
            on_pre={"pre": self.texts[f"forward {p}"]},
            on_post={"upd": self.texts[f"learn {p}"]} if learns else None,
            on_event={"pre": "spike", "upd": "learn"} if learns else "spike",
        )
        synapses.connect()
        synapses.w = learner.weights_into(p).ravel()
        synapses.pre.order = 0
        synapses.pre.delay = (self.spec.synapses[p - 1].delay - 1) * self.step_time
        if learns:
            synapses.upd.order = 1
        return synapses

    def _teacher(self, learner: SpikingLearner, raster: Raster) -> list[Any]:
        spec, b = self.spec, self.b
        at = np.flatnonzero(raster.labels >= 0)
        teacher = b.SpikeGeneratorGroup(spec.sizes[-1], raster.labels[at], at * self.step_time)
        outputs = self.groups[-1]
        to_outputs = b.Synapses(teacher, outputs, on_pre={"set": self.texts["error"], "clear": "c_post = 0"})
        to_outputs.connect()
        to_outputs.set.order, to_outputs.clear.order = 3, 4
        for p in range(1, spec.last):
            if spec.rule.signal is Signal.NONE:
                continue
            if spec.rule.signal is Signal.TARGET:
                back = b.Synapses(teacher, self.groups[p], "f : integer", on_pre=self.texts["feedback"])
                back.connect()
                back.pre.order = 3
            else:
                on_event = {"pre": "err"}
                back = b.Synapses(
                    outputs, self.groups[p], "f : integer", on_pre={"pre": self.texts["feedback"]}, on_event=on_event
                )
                back.connect()
                back.pre.when = "before_resets"
            back.f = learner.feedback_into(p).ravel()
            self.back[p] = back
        return [teacher, to_outputs]


def compare(
    spec: SpikingSpec,
    raster: Raster,
    every: int = 10,
    prepare: Callable[[SpikingLearner], None] = lambda learner: None,
    change: Callable[[dict[str, str]], None] = lambda texts: None,
    alter: Callable[[BrianTwin], None] = lambda twin: None,
    on_progress: Callable[[int], None] = lambda steps: None,
) -> Comparison:
    """Run the kernel and Brian2 on the same input and labels, and compare all words every few steps, then all spikes.

    Parameters
    ----------
    prepare : called with the learner before Brian2 takes its words
    change : see `BrianTwin`; alter : called with the network that was built, to put faults into it
    on_progress : called with the steps done at each checkpoint
    """
    learner = SpikingLearner(spec)
    prepare(learner)
    twin = BrianTwin(learner, raster, change)
    alter(twin)
    seen: list[np.ndarray] = []
    difference: Difference | None = None
    done = 0

    def look(end: int) -> bool:
        nonlocal difference, done
        seen.append(learner.advance(raster.part(done, end), record=True))
        done = end
        difference = first_difference(learner, twin, end - 1)
        on_progress(end)
        return difference is None

    twin.run(raster.steps, every, look)
    if difference is None:
        difference = first_spike_difference(spec, np.concatenate(seen), twin.raster(done))
    return Comparison(done, len(seen), {name: learner.counted(name) for name in TOTALS}, difference)


def first_spike_difference(spec: SpikingSpec, ours: np.ndarray, theirs: np.ndarray) -> Difference | None:
    """Return the first spike that only one has, from uint8[steps, neurons] of the kernel and of Brian2."""
    wrong = np.argwhere(ours != theirs)
    if not len(wrong):
        return None
    step, neuron = (int(at) for at in wrong[0])
    p = int(np.searchsorted(spec.offsets(), neuron, side="right")) - 1
    values = int(ours[step, neuron]), int(theirs[step, neuron])
    return Difference(step, p, "spike", neuron - spec.offsets()[p], *values)


def first_difference(learner: SpikingLearner, twin: BrianTwin, step: int) -> Difference | None:
    """Return the first word of state, weights or feedback that differs now, after a step."""
    spec = learner.spec
    for p in range(len(spec.sizes)):
        for variable in _STATE:
            if (p == 0 and variable != "trace") or (p == spec.last and variable == "trace"):
                continue
            if variable == "count" and p != spec.last:
                continue
            ours, theirs = learner.of(variable, p), twin.of(variable, p)
            wrong = np.flatnonzero(ours != theirs)
            if len(wrong):
                at = int(wrong[0])
                return Difference(step, p, variable, at, int(ours[at]), int(theirs[at]))
        words = {"weight": (learner.weights_into(p), twin.weights_into(p))} if p else {}
        if p in twin.back:
            words["feedback"] = learner.feedback_into(p), twin.feedback_into(p)
        for what, (ours, theirs) in words.items():
            wrong = np.flatnonzero(ours != theirs)
            if len(wrong):
                at = int(wrong[0])
                return Difference(step, p, what, at, int(ours.flat[at]), int(theirs.flat[at]))
    return None
