"""From a NIR graph alone to the nearest network in words, and what is lost on the way.

The equations are those of `nir_graph`. What a spike adds depends on the length of a step dt, which a graph does not
hold. Three conventions are met:

    r = tau / dt    a spike adds its weight (snnTorch, exports of this package): dt is tau / r; of an IF 1 / r
    r = 1           a spike adds dt / tau of its weight (Norse, Sinabs); tau is in seconds where it is less than 1,
                    else in steps (Sinabs)
    r = 1 of an IF  a spike adds its weight (Sinabs)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgelearn.errors import UserError
from edgelearn.spiking.learner import SpikingLearner
from edgelearn.spiking.network import design

STEP_S = 1e-3
THRESHOLD_MAX, SHIFT_MAX, DELAY_MAX, BIAS_MAX = 32767, 15, 64, 2**24
NEAR = 2e-6  # relative; numbers in files are often of 32 bits
SAME_STEP = 1e-3  # relative; taus are often computed from decays of 32 bits
LEAST_STEP_S, LARGEST_STEP_S = 1e-6, 1.0

# Numbers of the nodes that are understood, as they are named in NIR.
SYNAPSES = {"Linear": ("weight",), "Affine": ("weight", "bias")}
NEURONS = {
    "LIF": ("tau", "r", "v_leak", "v_threshold", "v_reset"),
    "IF": ("r", "v_threshold", "v_reset"),
    "CubaLIF": ("tau_mem", "tau_syn", "r", "v_leak", "v_threshold", "v_reset", "w_in"),
}
READOUT = {"LI": ("tau", "r", "v_leak")}
NUMBERS: dict[str, tuple[str, ...]] = {"Input": (), "Output": (), "Flatten": (), "Delay": ("delay",)}
NUMBERS |= SYNAPSES | NEURONS | READOUT

Chain = list[tuple[str, Any]]  # names and nodes from input to output


@dataclass(frozen=True)
class Imported:
    """A network from a graph.

    Parameters
    ----------
    losses : what had to be changed or assumed, one sentence each; none where a side file gave everything
    step_s : seconds of a step of the graph, None where it counts in steps or a side file does not say
    is_exact : a side file gave everything
    """

    learner: SpikingLearner
    losses: tuple[str, ...]
    step_s: float | None = None
    is_exact: bool = False


@dataclass(frozen=True)
class Population:
    """Synapses and neurons of a population; `node` is None where the graph ends with synapses."""

    synapses: str
    weight: np.ndarray  # float64[neurons, sources]
    bias: np.ndarray  # float64[neurons]
    name: str
    node: Any

    @property
    def kind(self) -> str:
        return "" if self.node is None else type(self.node).__name__

    @property
    def is_readout(self) -> bool:
        return self.kind in ("", *READOUT)


def words_of(chain: Chain, bits: int, step_s: float | None, assumed_s: float, rule: str, seed: int) -> Imported:
    """Return the network nearest to a graph, and what was changed.

    Parameters
    ----------
    step_s : seconds of a step, None where they follow from the graph or, at last, are `assumed_s`
    """
    losses: list[str] = []
    found, delays = _populations(chain)
    step_s, kept_s = _step(found, delays, step_s, assumed_s, losses)
    whole = [_steps(p, delay, step_s, losses) for p, delay in enumerate(delays[:-1], 1)]
    if delays[-1] > 0:
        losses.append(f"output: a delay of {delays[-1] * 1e3:.4g} ms was left out")
    sizes = (found[0].weight.shape[1], *(len(one.weight) for one in found))
    usual = design(sizes, rule, bits, seed=seed, delays=whole)
    words, biases, neurons, exponents = [], [np.zeros(sizes[0], np.int32)], [], []
    for one, neuron in zip(found, usual.neurons, strict=True):
        weight_words, bias_words, fields = _words(one, usual.word_max, step_s, losses)
        words.append(weight_words)
        biases.append(bias_words)
        exponents.append(fields.pop("exponent"))
        reset = "subtract" if one.is_readout else "zero"
        neurons.append(replace(neuron, reset=reset, refractory=0, **fields))
    connections = [replace(one, exponent=own) for one, own in zip(usual.synapses, exponents, strict=True)]
    learner = SpikingLearner(replace(usual, neurons=tuple(neurons), synapses=tuple(connections)))
    learner.weights[:] = np.concatenate([one.ravel() for one in words])
    bias = np.concatenate(biases)
    if bias.any():
        learner.bias = bias
    return Imported(learner, tuple(losses), kept_s)


def _populations(chain: Chain) -> tuple[list[Population], list[float]]:
    """Return the populations of a chain, and the delays before each and before the output, in seconds."""
    found: list[Population] = []
    delays = [0.0]
    waiting: tuple[str, np.ndarray, np.ndarray] | None = None
    for name, node in chain[1:]:
        kind = type(node).__name__
        if kind == "Flatten":  # moves no value: inputs count row by row in both
            continue
        if kind == "Delay":
            delays[-1] += _shared(name, node, "delay", lowest=0.0)
        elif kind in SYNAPSES and waiting is None:
            before = len(found[-1].weight) if found else _count_inputs(chain[0][1])
            if found and found[-1].is_readout:
                raise UserError(f"node '{found[-1].name}' is a LI before '{name}'; only the last neurons may be LI")
            waiting = (name, *_weight(name, node, before))
        elif kind in NEURONS | READOUT and waiting is not None:
            found.append(Population(*waiting, name, node))
            delays.append(0.0)
            waiting = None
        elif kind == "Output" and waiting is not None:
            found.append(Population(*waiting, waiting[0], None))
            delays.append(0.0)
        elif kind != "Output":
            after = " or ".join((*NEURONS, *READOUT) if waiting is not None else SYNAPSES)
            raise UserError(f"node '{name}' is a {kind}; a graph has {after} in its place, synapses before neurons")
    if not any(one.kind in NEURONS for one in found):
        raise UserError(f"the graph has no neurons that spike; a population is one of {', '.join(NEURONS)}")
    return found, delays


def _count_inputs(node: Any) -> int | None:
    """Return the inputs that an Input node states, None where it states none."""
    shape = next(iter((getattr(node, "input_type", None) or {}).values()), None)
    return int(np.prod(shape)) or None if shape is not None else None


def _weight(name: str, node: Any, n_sources: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights and biases of a node: float64[neurons, sources], float64[neurons]."""
    weight = np.asarray(node.weight, np.float64)
    if weight.ndim != 2:
        raise UserError(f"node '{name}' has weights of shape {weight.shape}; give (neurons, sources)")
    bias = np.asarray(getattr(node, "bias", 0.0), np.float64).ravel()
    if bias.size == 1:
        bias = np.full(len(weight), bias.item())
    if len(bias) != len(weight):
        raise UserError(f"node '{name}' has {len(bias)} biases for {len(weight)} neurons; give as many")
    for what, values in (("weights", weight), ("biases", bias)):
        if not np.isfinite(values).all():
            raise UserError(f"node '{name}' has {what} that are no numbers; give finite ones")
    if n_sources is not None and weight.shape[1] != n_sources:
        raise UserError(f"node '{name}' takes {weight.shape[1]} sources, and {n_sources} come before it; give as many")
    return weight, bias


# The numbers of a node.


def _values(name: str, node: Any, field: str, n: int) -> np.ndarray:
    """Return a field of a node for each of its n neurons: float64[n], whatever shape the graph gives it."""
    values = np.asarray(getattr(node, field), np.float64).ravel()
    if values.size not in (1, n):
        raise UserError(f"node '{name}' has {values.size} values of {field} for {n} neurons; give 1 or {n}")
    if not np.isfinite(values).all():
        raise UserError(f"node '{name}' has {field} that are no numbers; give finite ones")
    return np.broadcast_to(values, n)


def _is_shared(values: np.ndarray) -> bool:
    low, high = float(values.min()), float(values.max())
    return high - low <= NEAR * max(abs(low), abs(high))


def _shared(name: str, node: Any, field: str, lowest: float = -math.inf) -> float:
    """Return the one value that a field has in all neurons of a node."""
    values = _values(name, node, field, np.size(getattr(node, field)))
    low, high = float(values.min(initial=math.inf)), float(values.max(initial=-math.inf))
    if not _is_shared(values):
        raise UserError(f"node '{name}' has {field} from {low:.6g} to {high:.6g}; give its neurons one value")
    if low < lowest:
        raise UserError(f"node '{name}' has {field} {low:.6g}; give {lowest:.6g} or more")
    return low


def _positive(name: str, node: Any, field: str, n: int) -> np.ndarray:
    values = _values(name, node, field, n)
    if values.min() <= 0:
        raise UserError(f"node '{name}' has {field} {values.min():.6g}; give more than 0")
    return values


# The step.


def _step(
    found: list[Population], delays: list[float], stated_s: float | None, assumed_s: float, losses: list[str]
) -> tuple[float, float | None]:
    """Return the length of a step in the units of the graph, and in seconds, None where the graph counts steps."""
    said = _said_step(found)
    if stated_s is not None:
        if said is not None and abs(said - stated_s) > SAME_STEP * said:
            losses.append(
                f"a step of {_time(stated_s)} was given; tau / r of the graph is {_time(said)}, at which a spike adds "
                "its weight"
            )
        return stated_s, stated_s
    if said is not None:
        if abs(said - assumed_s) > SAME_STEP * said:
            losses.append(f"a step is {_time(said)}, tau / r of the graph; --step-time gives another")
        return said, said
    leaky = [one for one in found if one.kind not in ("IF", "")]
    taus = [
        np.ravel(getattr(one.node, name)) for one in leaky for name in ("tau", "tau_mem") if hasattr(one.node, name)
    ]
    if taus and min(float(np.min(tau)) for tau in taus) >= 1 and max(delays) == 0:
        losses.append("tau is 1 or more and r is 1: tau counts steps, as Sinabs writes it; --step-time gives seconds")
        return 1.0, None
    if leaky or max(delays) > 0:
        losses.append(f"a step of {_time(assumed_s)} is assumed, the graph tells none; --step-time gives another")
    return assumed_s, assumed_s


def _said_step(found: list[Population]) -> float | None:
    """Return the step at which a spike adds its weight in all neurons whose r is not 1, None where there is none."""
    ratios = []
    for one in found:
        with np.errstate(all="ignore"):
            if one.kind in ("LIF", "LI"):
                pairs = [(one.node.tau, one.node.r)]
            elif one.kind == "CubaLIF":  # the current's gain may be any power of two, see `nir_graph`
                step, membrane = np.ravel(one.node.tau_syn / one.node.w_in), np.ravel(one.node.tau_mem / one.node.r)
                octaves = np.log2(membrane / step)
                if np.any(np.abs(octaves - np.rint(octaves)) > SAME_STEP) or np.all(one.node.w_in == 1):
                    return None
                pairs = [(one.node.tau_syn, one.node.w_in)]
            else:
                pairs = [(1.0, one.node.r)] if one.kind == "IF" else []
            for tau, r in pairs:
                if np.any(np.abs(np.asarray(r, float) - 1) > NEAR):
                    ratios.append(np.ravel(np.asarray(tau, float) / np.asarray(r, float)))
    if not ratios:
        return None
    values = np.concatenate(ratios)
    values = values[~np.isnan(values)]  # infinite tau and r, of neurons without a leak
    if not len(values) or not LEAST_STEP_S <= values.min() <= values.max() <= LARGEST_STEP_S:
        return None
    return _round(float(np.median(values))) if np.ptp(values) <= SAME_STEP * values.min() else None


def _round(step_s: float) -> float:
    """Return the step without the last digits of 32 bits, where it is near a number of three digits."""
    near = float(f"{step_s:.3g}")
    return near if abs(near - step_s) <= SAME_STEP * step_s else step_s


def _time(step_s: float) -> str:
    unit, factor = ("s", 1.0) if step_s >= 1 else ("ms", 1e3) if step_s >= 1e-4 else ("us", 1e6)
    return f"{step_s * factor:.4g} {unit}"


def _shift(name: str, node: Any, field: str, step_s: float, n: int, losses: list[str]) -> int:
    """Return the shift whose time constant, 2^shift steps, is nearest to that of a node."""
    tau = _positive(name, node, field, n)
    shifts = np.clip(np.rint(np.log2(tau / step_s)), 0, SHIFT_MAX).astype(int)
    low, high, shift = float(tau.min()), float(tau.max()), int(shifts[0])
    if shifts.min() < shifts.max():
        raise UserError(
            f"node '{name}' has {field} from {low:.6g} to {high:.6g}; give its neurons one value, or values that are "
            "near one power of two of a step"
        )
    of = f"{low / step_s:.4g} steps" if step_s == 1 else f"{_time(low)}"
    if not _is_shared(tau):
        of += f" to {high / step_s:.4g} steps" if step_s == 1 else f" to {_time(high)}"
    kept = 2**shift * step_s
    if shift == 0:
        losses.append(f"{name}: {field} {of} is about one step of {_time(step_s)}: no memory from step to step")
    elif max(kept - low, high - kept) > NEAR * low:
        new = f"{2**shift} steps" if step_s == 1 else _time(kept)
        losses.append(f"{name}: {field} {of} became {new} (shift {shift})")
    return shift


def _steps(p: int, delay: float, step_s: float, losses: list[str]) -> int:
    """Return the axonal delay into population p, in steps: one is no Delay node."""
    steps = round(delay / step_s)
    if steps >= DELAY_MAX:
        raise UserError(
            f"the delay into population {p} is {delay * 1e3:.4g} ms; give less than {DELAY_MAX} steps of "
            f"{step_s * 1e3:.4g} ms"
        )
    if abs(steps * step_s - delay) > NEAR * delay:
        losses.append(f"delay into population {p}: {delay * 1e3:.4g} ms became {steps * step_s * 1e3:.4g} ms")
    return steps + 1


# The words.


@dataclass(frozen=True)
class Membrane:
    """What a population's spikes and constants do to its membranes, in the units of the graph.

    Parameters
    ----------
    adds : of its weight, per spike and step, to the membrane or the filtered current: float64[neurons] or one
    threshold : float64[neurons] or one; None where neurons are read out and never spike
    pull : constant current that v_leak stands for: float64[neurons]
    ratio : of a filtered current; the membrane is the current's words times ratio / 2^gain
    fields : of the neurons
    """

    adds: np.ndarray
    threshold: np.ndarray | None
    pull: np.ndarray
    ratio: float
    gain: int
    fields: dict[str, Any]


def _membrane(one: Population, step_s: float, losses: list[str]) -> Membrane:
    """Return how the neurons of a population integrate."""
    n, name, node, kind = len(one.weight), one.name, one.node, one.kind
    nothing = np.zeros(n)
    if kind == "":
        return Membrane(np.ones(1), None, nothing, 1.0, 0, {"model": "if"})
    if kind == "LIF" and np.isinf(node.tau).all() and np.isinf(node.r).all():  # a decay of 1
        limit, _ = _threshold(one, losses, leaks=False)
        losses.append(f"{name}: tau and r are infinite, read as IF: a spike adds its weight")
        return Membrane(np.ones(1), limit, nothing, 1.0, 0, {"model": "if"})
    r = _positive(name, node, "r", n)
    if kind == "IF":
        limit, _ = _threshold(one, losses, leaks=False)
        is_unit = bool((np.abs(r - 1) <= NEAR).all())
        if is_unit:
            losses.append(f"{name}: r is 1: a spike adds its weight, as Sinabs writes IF")
        return Membrane(np.ones(1) if is_unit else _one(r * step_s), limit, nothing, 1.0, 0, {"model": "if"})
    threshold: np.ndarray | None = None
    leak = _values(name, node, "v_leak", n)
    if kind != "LI":
        threshold, leak = _threshold(one, losses)
    fields: dict[str, Any] = {"model": "lif"}
    if kind in ("LIF", "LI"):
        fields["leak"] = _shift(name, node, "tau", step_s, n, losses)
        return Membrane(_one(r * step_s / _values(name, node, "tau", n)), threshold, leak / r, 1.0, 0, fields)
    w_in = _positive(name, node, "w_in", n)
    adds = _one(w_in * step_s / _positive(name, node, "tau_syn", n))
    ratios = _positive(name, node, "tau_mem", n) / step_s / r
    if not _is_shared(ratios):
        raise UserError(f"node '{name}' has tau_mem / r from {ratios.min():.6g} to {ratios.max():.6g}; give one value")
    gain = min(SHIFT_MAX, max(0, round(math.log2(ratios[0]))))
    fields = {"model": "cuba", "leak": _shift(name, node, "tau_mem", step_s, n, losses)}
    fields["current_leak"] = _shift(name, node, "tau_syn", step_s, n, losses)
    return Membrane(adds, threshold, leak / (r * w_in), float(ratios[0]), gain, fields)


def _one(values: np.ndarray) -> np.ndarray:
    """Return a value that all neurons share as one."""
    return values[:1] if _is_shared(values) else values


def _threshold(one: Population, losses: list[str], leaks: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Return thresholds and resting potentials, counted from the reset: float64[neurons] each, the former maybe one."""
    n, name = len(one.weight), one.name
    threshold, reset = _values(name, one.node, "v_threshold", n), _values(name, one.node, "v_reset", n)
    leak = _values(name, one.node, "v_leak", n) if leaks else np.zeros(n)
    if reset.any():
        losses.append(f"{name}: potentials are counted from v_reset, {_range(reset)}, and start there")
        threshold = threshold - reset
        leak = leak - reset if leaks else leak
    if threshold.min() <= 0:
        what = "v_threshold above v_reset" if reset.any() else "v_threshold"
        raise UserError(f"node '{name}' has {what} {threshold.min():.6g}; give more than 0")
    if leak.any():
        losses.append(f"{name}: the pull to v_leak became a constant current")
    return _one(threshold), leak


def _range(values: np.ndarray) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:.4g}" if _is_shared(values) else f"{low:.4g} to {high:.4g}"


def _words(
    one: Population, word_max: int, step_s: float, losses: list[str]
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Return the words of synapses, int16[sources, neurons], and biases, int32[neurons], and how neurons behave.

    A word is `scale` of what a spike adds to the membrane, or to the current, and weighs 2^exponent there; with a
    filtered current the membrane is that times ratio / 2^current_gain.
    """
    by = _membrane(one, step_s, losses)
    adds, ratio, gain, fields = by.adds, by.ratio, by.gain, dict(by.fields)
    threshold = None if by.threshold is None else float(by.threshold[0])
    if len(adds) > 1:
        losses.append(f"{one.name}: what a spike adds differs from neuron to neuron, and is in the weights")
    if by.threshold is not None and len(by.threshold) > 1:
        losses.append(f"{one.name}: thresholds, {_range(by.threshold)}, became one; the weights have their ratios")
        threshold = float(by.threshold.max())
        adds = adds * threshold / by.threshold
    bits = word_max.bit_length() + 1
    added = one.weight.T * adds
    largest = float(np.abs(added).max()) or threshold or 1.0
    is_whole = 0.5 < largest < word_max + 0.5 and np.abs(added - np.rint(added)).max() <= NEAR * largest
    scale = word_max // round(largest) if is_whole else word_max / largest
    exponent = max(0, 8 - bits)  # membranes as fine as thresholds allow
    if threshold is not None:
        while exponent > 8 - bits and scale * ratio / 2**gain * threshold * 2.0**exponent > THRESHOLD_MAX:
            exponent -= 1
    ratio *= 2.0**exponent
    if threshold is not None:
        while one.kind == "CubaLIF" and gain < SHIFT_MAX and scale * ratio / 2**gain * threshold > THRESHOLD_MAX:
            gain += 1
        highest = (THRESHOLD_MAX - 0.5) / (threshold * ratio / 2**gain)
        if scale > highest * (1 + NEAR):
            scale = highest if highest < 1 or not is_whole else math.floor(highest)
            losses.append(
                f"{one.synapses}: weights reach {round(largest * scale)} of {word_max}, so that the threshold is "
                f"{THRESHOLD_MAX}"
            )
    words = np.clip(np.rint(added * scale), -word_max, word_max)
    error = float(np.abs(words - added * scale).max()) / (largest * scale)
    if error > NEAR:
        losses.append(
            f"{one.synapses}: weights rounded to {bits} bits, largest error {error:.2g} of the largest weight"
        )
    fields["threshold"] = THRESHOLD_MAX
    if threshold is None:
        what = "LI readout" if one.kind else "output without neurons"
        losses.append(f"{one.name}: {what}; the class is that of the highest membrane after the last step")
    else:
        exact = threshold * scale * ratio / 2**gain
        fields["threshold"] = min(THRESHOLD_MAX, math.floor(exact * (1 + NEAR)) + 1)
        if abs(fields["threshold"] - 0.5 - exact) > NEAR * exact:
            losses.append(f"{one.name}: threshold {threshold:.6g} became {fields['threshold']} words, from {exact:.6g}")
    fields["exponent"] = exponent
    if one.kind == "CubaLIF":
        fields["current_gain"] = gain
    return words.astype(np.int16), _bias_words(one, by.pull, adds * scale, losses), fields


def _bias_words(one: Population, pull: np.ndarray, unit: np.ndarray, losses: list[str]) -> np.ndarray:
    """Return the constant current of a population in words that arrive in every step: int32[neurons]."""
    exact = (one.bias + pull) * unit
    words: np.ndarray = np.clip(np.rint(exact), -BIAS_MAX, BIAS_MAX).astype(np.int32)
    if one.bias.any():
        error = float(np.abs(words - exact).max())
        losses.append(
            f"{one.synapses}: the bias became a constant current of {words.min()} to {words.max()} words per step, "
            f"largest error {error:.2g} words; it does not learn"
        )
    return words
