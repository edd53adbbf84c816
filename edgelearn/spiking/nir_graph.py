"""Export to and import from NIR, the Neuromorphic Intermediate Representation.

A graph says what a network infers, not how it learns, and in real numbers. What it cannot say stands in a side file:
reset by subtraction, refractory steps, saturation and formats, gates, traces, rule and feedback. Without it an export
is lossy. Spikes are currents of 1 that last a step dt, as in the forward Euler method, and so:

    LIF      tau v' = v_leak - v + R I           tau = 2^k dt, R = 2^k; k is our leak
    IF       v' = R I                            R = 1 / dt
    CubaLIF  tau_syn u' = -u + w_in I            tau_syn = 2^k_u dt, w_in = 2^k_u
             tau_mem v' = v_leak - v + R u       tau_mem = 2^k dt, R = 2^(k - k_c)
    Delay    y(t) = x(t - delay)                 (d - 1) dt, before the synapses

A neuron of NIR spikes above its threshold, ours at it: v_threshold is half a word lower, and a threshold that comes in
is the first whole word above it. From population to population a spike takes a step here and none in NIR, which moves
the spikes of deeper populations in time and changes nothing else.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.errors import UserError
from edgelearn.files import read_json, write_text, write_whole
from edgelearn.spiking import tables as t
from edgelearn.spiking.learner import SpikingLearner
from edgelearn.spiking.network import Neuron, SpikingSpec, Synapses, design

FORMAT, VERSION = "side file of a NIR graph, by edgelearn", 1
SUFFIX = ".nir"
STEP_S = 1e-3
EXPORTED = ("lif", "if", "cuba")
THRESHOLD_MAX, SHIFT_MAX, DELAY_MAX = 32767, 15, 64
NEAR = 2e-6  # relative; numbers in files are often of 32 bits

# Numbers of the nodes that are understood, as they are named in NIR.
_SYNAPSES = {"Linear": ("weight",), "Affine": ("weight", "bias")}
_NEURONS = {
    "LIF": ("tau", "r", "v_leak", "v_threshold", "v_reset"),
    "IF": ("r", "v_threshold", "v_reset"),
    "CubaLIF": ("tau_mem", "tau_syn", "r", "v_leak", "v_threshold", "v_reset", "w_in"),
}
_NUMBERS: dict[str, tuple[str, ...]] = {"Input": (), "Output": (), "Delay": ("delay",)} | _SYNAPSES | _NEURONS

_Chain = list[tuple[str, Any]]  # names and nodes from input to output


@dataclass(frozen=True)
class Imported:
    """A network from a graph.

    Parameters
    ----------
    losses : what had to be changed, one sentence each; none where a side file gave everything
    """

    learner: SpikingLearner
    losses: tuple[str, ...]


def export_nir(learner: SpikingLearner, path: Path, step_s: float = STEP_S) -> None:
    """Write the inference graph of a network, and beside it, with the suffix .json, all that NIR cannot say.

    Parameters
    ----------
    path : ends in .nir
    step_s : seconds of a time step

    Raises
    ------
    UserError
        "... ends in", "step_s is ...", "... neurons are alif", "nir is not installed", "cannot write ..."
    """
    _check_suffix(path)
    _check_step(step_s)
    chain, side_path = _nodes_of(learner, step_s), path.with_suffix(".json")
    _check_side(path)
    names, buffer = [name for name, _ in chain], io.BytesIO()
    graph = _nir().NIRGraph(nodes=dict(chain), edges=list(itertools.pairwise(names)))
    _nir().write(buffer, graph)
    side = {
        "format": FORMAT,
        "version": VERSION,
        "sha256": _sha256(chain),
        "step_s": step_s,
        "step": int(learner.net[t.STEP]),  # draws of stochastic rounding go on from here
        "spec": learner.spec.as_dict(),
        "feedback": learner.feedback.tolist(),
    }
    write_text(side_path, json.dumps(side, default=lambda number: number.item()) + "\n")
    write_whole(path, lambda file: file.write(buffer.getvalue()))


def check_nir(path: Path, model: str, out: Path | None = None) -> None:
    """Refuse a graph that could not be written, before anything is learned.

    Parameters
    ----------
    model : of the neurons; out : folder of the run's other files

    Raises
    ------
    UserError
        "... ends in", "cannot write ...", "... exists and is no side file ...", "neurons are ...", "nir is not
        installed"
    """
    _check_suffix(path)
    if out is not None and path.with_suffix(".json") == out / "report.json":
        raise UserError(f"{path.name} would put its side file in the place of {out / 'report.json'}; give another name")
    if not path.parent.is_dir() and path.parent != out:
        raise UserError(f"cannot write {path}: there is no folder {path.parent}; give a folder that can be written")
    if model not in EXPORTED:
        raise UserError(f"neurons are {model}, which NIR does not know; export {', '.join(EXPORTED)}")
    _check_side(path)
    _nir()


def _check_side(path: Path) -> None:
    side_path = path.with_suffix(".json")
    if side_path.exists() and not _is_side(side_path):
        raise UserError(f"{side_path} exists and is no side file of a NIR graph; give {path.name} another name")


def import_nir(
    path: Path, side: bool = True, bits: int = 8, step_s: float | None = None, rule: str = "drtp", seed: int = 0
) -> Imported:
    """Read a network from a graph: with its side file word for word, else as near as words come.

    Without a side file a graph is a chain of populations: synapses (Linear, Affine without bias), neurons (LIF, IF,
    CubaLIF) that are alike, and Delay between them. Time constants become powers of two of a step; weights become words
    of what a spike adds, the largest of a population 2^(bits-1) - 1; thresholds follow. Weights that are whole get a
    whole factor, so that none is rounded. Neurons reset to zero; how they learn is what `design` gives.
    A leak rounds down, which lifts membranes by up to 2^(leak-1) words: more bits make thresholds larger beside it.

    Parameters
    ----------
    side : False ignores a side file
    bits, step_s, rule, seed : of graphs without a side file; seconds of a step, 1 ms

    Raises
    ------
    UserError
        "... ends in", "... does not exist", "... cannot be read", "... is not of this graph", "node ...", "nir is not
        installed", and what `design` refuses
    """
    _check_suffix(path)
    _check_step(STEP_S if step_s is None else step_s)
    chain, side_path = _read_chain(path), path.with_suffix(".json")
    if side and side_path.exists():
        return Imported(_from_side(chain, side_path), ())
    return _from_chain(chain, bits, STEP_S if step_s is None else step_s, rule, seed)


def _nir() -> Any:
    try:
        import nir
    except ImportError:
        raise UserError('nir is not installed; it reads and writes graphs: pip install "edgelearn[nir]"') from None
    return nir


def _check_suffix(path: Path) -> None:
    if path.suffix != SUFFIX:
        raise UserError(f"{path} ends in '{path.suffix}'; a NIR graph ends in {SUFFIX}")


def _check_step(step_s: float) -> None:
    if not (step_s > 0 and math.isfinite(step_s)):
        raise UserError(f"step_s is {step_s}; give the seconds of a step, more than 0, such as 0.001")


# From a network to a graph.


def _nodes_of(learner: SpikingLearner, step_s: float) -> _Chain:
    """Return the nodes of a network from input to output."""
    nir, spec = _nir(), learner.spec
    chain: _Chain = [("input", nir.Input(input_type={"input": np.array([spec.sizes[0]])}))]
    for p, (neuron, synapses) in enumerate(zip(spec.neurons, spec.synapses, strict=True), 1):
        if synapses.delay > 1:
            delay = np.full(spec.sizes[p - 1], (synapses.delay - 1) * step_s, np.float32)
            chain.append((f"delay_{p}", nir.Delay(delay=delay)))
        weight = learner.weights_into(p).T.astype(np.float32) * 2.0**synapses.exponent
        chain.append((f"synapses_{p}", nir.Linear(weight=weight.astype(np.float32))))
        chain.append((f"neurons_{p}", _neurons(p, neuron, spec.sizes[p], step_s)))
    return [*chain, ("output", nir.Output(output_type={"output": np.array([spec.sizes[-1]])}))]


def _neurons(p: int, neuron: Neuron, n: int, step_s: float) -> Any:
    """Return the node of a population."""
    if neuron.model not in EXPORTED:
        raise UserError(
            f"neurons of population {p} are {neuron.model}, which NIR does not know; export {', '.join(EXPORTED)}"
        )
    gain = 2.0**neuron.leak
    numbers = {"v_threshold": neuron.threshold - 0.5, "v_reset": 0.0}
    if neuron.model == "if":
        kind, numbers = "IF", numbers | {"r": 1 / step_s}
    elif neuron.model == "lif":
        kind, numbers = "LIF", numbers | {"tau": gain * step_s, "r": gain, "v_leak": 0.0}
    else:
        kind, current_gain = "CubaLIF", 2.0**neuron.current_leak
        numbers |= {"tau_syn": current_gain * step_s, "w_in": current_gain, "v_leak": 0.0}
        numbers |= {"tau_mem": gain * step_s, "r": gain / 2**neuron.current_gain}
    return getattr(_nir(), kind)(**{name: np.full(n, value, np.float32) for name, value in numbers.items()})


def _sha256(chain: _Chain) -> str:
    """Return a hash of all numbers of a graph, whatever its nodes are called."""
    seen = hashlib.sha256()
    for _, node in chain:
        seen.update(type(node).__name__.encode())
        for name in _NUMBERS[type(node).__name__]:
            numbers = np.asarray(getattr(node, name), "<f4")
            seen.update(f"{name}{numbers.shape}".encode() + numbers.tobytes())
    return seen.hexdigest()


# From files to a network.


def _read_chain(path: Path) -> _Chain:
    """Return the nodes of a graph from input to output.

    Raises
    ------
    UserError
        "... does not exist", "... cannot be read", "node ..."
    """
    nir = _nir()
    if not path.exists():
        raise UserError(f"{path} does not exist; give a file ending in {SUFFIX}")
    try:
        graph = nir.read(path)
        nodes, edges = dict(graph.nodes), [(str(a), str(b)) for a, b in graph.edges]
    except (OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path} cannot be read as a NIR graph ({reason[:200]}); write it again") from None
    for name, node in nodes.items():
        if type(node).__name__ not in _NUMBERS:
            known = ", ".join(sorted(_NUMBERS))
            raise UserError(f"node '{name}' of {path} is a {type(node).__name__}; a graph may have {known}")
    starts = [name for name, node in nodes.items() if type(node).__name__ == "Input"]
    if len(starts) != 1:
        raise UserError(f"{path} has {len(starts)} Input nodes; a graph is a chain from one Input to one Output")
    chain, at = [(starts[0], nodes[starts[0]])], starts[0]
    while type(nodes[at]).__name__ != "Output":
        after = [b for a, b in edges if a == at]
        if len(after) != 1 or sum(b == after[0] for _, b in edges) != 1:
            raise UserError(f"node '{at}' of {path} is at a branch or a loop; a graph is a chain from Input to Output")
        at = after[0]
        chain.append((at, nodes[at]))
    if len(chain) != len(nodes):
        left = sorted(set(nodes) - {name for name, _ in chain})
        raise UserError(f"node '{left[0]}' of {path} is not between Input and Output; take it out of the graph")
    return chain


def _is_side(path: Path) -> bool:
    try:
        note = read_json(path)
    except (OSError, ValueError):
        return False
    return isinstance(note, dict) and note.get("format") == FORMAT


def _from_side(chain: _Chain, path: Path) -> SpikingLearner:
    """Return the network that a graph and its side file are of."""
    alone = f"delete {path} to import the graph by itself"
    if not _is_side(path):
        raise UserError(f"{path} cannot be read as the side file of a NIR graph; {alone}")
    note = read_json(path)
    if note.get("version") != VERSION:
        raise UserError(f"{path} is of version {note.get('version')}, and {VERSION} is known; {alone}")
    if note.get("sha256") != _sha256(chain):
        raise UserError(f"{path} is not of this graph, whose numbers have changed since; {alone}")
    try:
        learner = SpikingLearner(_spec_of(note["spec"]))
        feedback = np.array([_whole(word, -127, 127) for word in note["feedback"]], np.int16)
        learner.net[t.STEP] = _whole(note["step"], 0, 2**62)
        units = iter(2.0**one.exponent for one in learner.spec.synapses)
        weights = [np.asarray(node.weight).T / next(units) for _, node in chain if type(node).__name__ in _SYNAPSES]
        if [one.shape for one in weights] != list(zip(learner.spec.sizes, learner.spec.sizes[1:], strict=False)):
            raise ValueError(f"sizes are {learner.spec.sizes}, unlike those of the graph")
        if any((np.abs(one) > learner.spec.word_max).any() or (one != np.rint(one)).any() for one in weights):
            raise ValueError(f"weights are no words of {learner.spec.bits} bits")
        if feedback.shape != learner.feedback.shape:
            raise ValueError(f"feedback has {len(feedback)} words, not {len(learner.feedback)}")
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UserError(f"{path} cannot be followed ({type(error).__name__}: {error}); {alone}") from None
    learner.weights[:] = np.concatenate([one.ravel() for one in weights])
    learner.feedback[:] = feedback
    return learner


def _spec_of(note: dict[str, Any]) -> SpikingSpec:
    """Return a network from JSON, checked."""
    fields = dict(note)
    neurons = tuple(Neuron(**(one | {"gate": tuple(one["gate"])})) for one in fields.pop("neurons"))
    synapses = [Synapses(**one) for one in fields.pop("synapses")]
    for one in neurons:
        for value in asdict(one).values():
            for number in value if isinstance(value, tuple) else () if isinstance(value, str) else (value,):
                _whole(number, -40_000, 40_000)
    sizes = tuple(fields.pop("sizes"))
    if len(neurons) != len(sizes) - 1:
        raise ValueError(f"neurons are of {len(neurons)} populations, sizes of {len(sizes) - 1}")
    for name in ("trace_leak", "trace_step", "target", "spike_cost", "feedback_spread"):
        _whole(fields[name], 0, 31 if name == "trace_leak" else 32767)
    bits = _whole(fields["bits"], -(2**31), 2**31)  # `design` says which are allowed
    _whole(fields["seed"], 0, 2**31 - 1)
    for connection in synapses:
        _whole(connection.exponent, min(-8, 8 - bits), max(0, 8 - bits))
        if not 0 <= connection.spread < math.inf:
            raise ValueError(f"spread is {connection.spread}")
    spec = design(
        sizes,
        neurons=neurons,
        spreads=[one.spread for one in synapses],
        shifts=[_whole(one.shift, 0, 30) for one in synapses],
        delays=[_whole(one.delay, 1, DELAY_MAX) for one in synapses],
        **fields,
    )
    return replace(spec, synapses=tuple(synapses))


def _whole(number: Any, lowest: int, highest: int) -> int:
    if type(number) is not int or not lowest <= number <= highest:
        raise ValueError(f"{number!r} is no whole number from {lowest} to {highest}")
    return number


# From a graph alone to a network.


def _from_chain(chain: _Chain, bits: int, step_s: float, rule: str, seed: int) -> Imported:
    """Return the network nearest to a graph, and what was changed."""
    losses: list[str] = []
    found, sizes, delays = [], [], [0.0]
    waiting: tuple[str, Any] | None = None
    for name, node in chain[1:]:
        kind = type(node).__name__
        if kind == "Delay":
            delays[-1] += _shared(name, node, "delay", lowest=0.0)
        elif kind in _SYNAPSES and waiting is None:
            waiting = (name, _weight(name, node))
        elif kind in _NEURONS and waiting is not None:
            found.append((*waiting, name, node))
            sizes.append(waiting[1].shape[0])
            delays.append(0.0)
            waiting = None
        elif kind != "Output" or waiting is not None:
            after = " or ".join(_NEURONS if waiting is not None else _SYNAPSES)
            raise UserError(f"node '{name}' is a {kind}; a graph has {after} in its place, synapses before neurons")
    if not found:
        raise UserError(f"the graph has no neurons; a population is one of {', '.join(_NEURONS)}")
    whole = [_steps(p, delay, step_s, losses) for p, delay in enumerate(delays[:-1], 1)]
    if delays[-1] > 0:
        losses.append(f"output: a delay of {delays[-1] * 1e3:.4g} ms was left out")
    usual = design((found[0][1].shape[1], *sizes), rule, bits, seed=seed, delays=whole)
    words, neurons, exponents = [], [], []
    for (synapses, weight, name, node), neuron in zip(found, usual.neurons, strict=True):
        one, fields = _words(synapses, weight, name, node, usual.word_max, step_s, losses)
        words.append(one)
        exponents.append(fields.pop("exponent"))
        neurons.append(replace(neuron, reset="zero", refractory=0, **fields))
    connections = [replace(one, exponent=own) for one, own in zip(usual.synapses, exponents, strict=True)]
    learner = SpikingLearner(replace(usual, neurons=tuple(neurons), synapses=tuple(connections)))
    learner.weights[:] = np.concatenate([one.ravel() for one in words])
    return Imported(learner, tuple(losses))


def _weight(name: str, node: Any) -> np.ndarray:
    """Return the weights of a node: float64[neurons, sources]."""
    weight = np.asarray(node.weight, np.float64)
    if weight.ndim != 2:
        raise UserError(f"node '{name}' has weights of shape {weight.shape}; give (neurons, sources)")
    if not np.isfinite(weight).all():
        raise UserError(f"node '{name}' has weights that are no numbers; give finite ones")
    if np.any(getattr(node, "bias", 0)):
        raise UserError(f"node '{name}' has a bias, and neurons here take none; train without one, or give zeros")
    return weight


def _shared(name: str, node: Any, field: str, lowest: float = -math.inf) -> float:
    """Return the one value that a field has in all neurons of a node."""
    values = np.asarray(getattr(node, field), np.float64)
    low, high = float(values.min(initial=math.inf)), float(values.max(initial=-math.inf))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise UserError(f"node '{name}' has {field} that are no numbers; give finite ones")
    if high - low > NEAR * max(abs(low), abs(high)):
        raise UserError(f"node '{name}' has {field} from {low:.6g} to {high:.6g}; give its neurons one value")
    if low < lowest:
        raise UserError(f"node '{name}' has {field} {low:.6g}; give {lowest:.6g} or more")
    return low


def _positive(name: str, node: Any, field: str) -> float:
    value = _shared(name, node, field)
    if value <= 0:
        raise UserError(f"node '{name}' has {field} {value:.6g}; give more than 0")
    return value


def _shift(name: str, node: Any, field: str, step_s: float, losses: list[str]) -> int:
    """Return the shift whose time constant, 2^shift steps, is nearest to that of a node."""
    tau = _positive(name, node, field)
    shift = min(SHIFT_MAX, max(0, round(math.log2(tau / step_s))))
    kept = 2**shift * step_s
    if abs(kept - tau) > NEAR * tau:
        losses.append(f"{name}: {field} {tau * 1e3:.4g} ms became {kept * 1e3:.4g} ms (shift {shift})")
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


def _words(
    synapses: str,
    weight: np.ndarray,
    name: str,
    node: Any,
    word_max: int,
    step_s: float,
    losses: list[str],
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the words of the synapses into a population, int16[sources, neurons], and how its neurons behave.

    A word is `scale` of what a spike adds to the membrane, or to the current, and weighs 2^exponent there; with a
    filtered current the membrane is that times ratio / 2^current_gain.
    """
    kind = type(node).__name__
    for field in ("v_leak", "v_reset"):
        if _shared(name, node, field) if field in _NEURONS[kind] else 0:
            raise UserError(f"node '{name}' has {field} {_shared(name, node, field):.6g}; neurons here have 0 only")
    r, threshold = _positive(name, node, "r"), _positive(name, node, "v_threshold")
    bits = word_max.bit_length() + 1
    ratio, gain = 1.0, 0
    fields: dict[str, Any] = {"model": "lif"}
    if kind == "IF":
        adds, fields = r * step_s, {"model": "if"}
    elif kind == "LIF":
        adds = r * step_s / _positive(name, node, "tau")
        fields["leak"] = _shift(name, node, "tau", step_s, losses)
    else:
        adds = _positive(name, node, "w_in") * step_s / _positive(name, node, "tau_syn")
        ratio = _positive(name, node, "tau_mem") / step_s / r
        gain = min(SHIFT_MAX, max(0, round(math.log2(ratio))))
        fields = {"model": "cuba", "leak": _shift(name, node, "tau_mem", step_s, losses)}
        fields["current_leak"] = _shift(name, node, "tau_syn", step_s, losses)
    added = weight.T * adds
    largest = float(np.abs(added).max()) or threshold
    is_whole = 0.5 < largest < word_max + 0.5 and np.abs(added - np.rint(added)).max() <= NEAR * largest
    scale = word_max // round(largest) if is_whole else word_max / largest
    exponent = max(0, 8 - bits)  # membranes as fine as thresholds allow
    while exponent > 8 - bits and scale * ratio / 2**gain * threshold * 2.0**exponent > THRESHOLD_MAX:
        exponent -= 1
    ratio *= 2.0**exponent
    while kind == "CubaLIF" and gain < SHIFT_MAX and scale * ratio / 2**gain * threshold > THRESHOLD_MAX:
        gain += 1
    highest = (THRESHOLD_MAX - 0.5) / (threshold * ratio / 2**gain)
    if scale > highest * (1 + NEAR):
        scale = highest if highest < 1 or not is_whole else math.floor(highest)
        reached = round(largest * scale)
        losses.append(f"{synapses}: weights reach {reached} of {word_max}, so that the threshold is {THRESHOLD_MAX}")
    words = np.clip(np.rint(added * scale), -word_max, word_max)
    error = float(np.abs(words - added * scale).max()) / (largest * scale)
    if error > NEAR:
        losses.append(f"{synapses}: weights rounded to {bits} bits, largest error {error:.2g} of the largest weight")
    exact = threshold * scale * ratio / 2**gain
    fields["threshold"] = min(THRESHOLD_MAX, math.floor(exact * (1 + NEAR)) + 1)
    if abs(fields["threshold"] - 0.5 - exact) > NEAR * exact:
        losses.append(f"{name}: threshold {threshold:.6g} became {fields['threshold']} words, from {exact:.6g}")
    fields["exponent"] = exponent
    return words.astype(np.int16), fields | ({"current_gain": gain} if kind == "CubaLIF" else {})
