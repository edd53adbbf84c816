"""Export to and import from NIR, the Neuromorphic Intermediate Representation.

Source: docs/spiking.md, section 9.

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
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.errors import UserError, install
from edgelearn.files import read_json, write_text, write_whole
from edgelearn.spiking import tables as t
from edgelearn.spiking.learner import SpikingLearner
from edgelearn.spiking.network import Neuron, SpikingSpec, Synapses, design
from edgelearn.spiking.nir_words import BIAS_MAX, DELAY_MAX, NUMBERS, STEP_S, SYNAPSES, Chain, Imported, words_of

FORMAT, VERSION = "side file of a NIR graph, by edgelearn", 1
SUFFIX = ".nir"
EXPORTED = ("lif", "if", "cuba")


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
    path: Path,
    side: bool = True,
    bits: int = 8,
    step_s: float | None = None,
    rule: str = "drtp",
    seed: int = 0,
    assumed_s: float = STEP_S,
) -> Imported:
    """Read a network from a graph: with its side file word for word, else as near as words come.

    Without a side file a graph is a chain of populations: synapses (Linear, Affine), neurons (LIF, IF, CubaLIF; of the
    last population also LI, or none), with Delay and Flatten between them. Time constants become powers of two of a
    step; weights become words of what a spike adds, the largest of a population 2^(bits-1) - 1; thresholds follow.
    Weights that are whole get a whole factor, so that none is rounded. Neurons reset to zero; how they learn is what
    `design` gives. A leak rounds down, which lifts membranes by up to 2^(leak-1) words: more bits make thresholds
    larger beside it.

    Parameters
    ----------
    side : False ignores a side file
    bits, rule, seed : of graphs without a side file
    step_s : seconds of a step of the graph; default what its neurons say (tau / r, where a spike adds its weight)
    assumed_s : seconds of a step where neither says it

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
        return Imported(_from_side(chain, side_path), (), _step_of_side(side_path), True)
    return words_of(chain, bits, step_s, assumed_s, rule, seed)


def _step_of_side(path: Path) -> float | None:
    step_s = json.loads(path.read_text()).get("step_s")
    return float(step_s) if isinstance(step_s, int | float) and 0 < step_s < math.inf else None


def _nir() -> Any:
    try:
        import nir
    except ImportError:
        raise UserError(f"nir is not installed; it reads and writes graphs: {install('nir')}") from None
    return nir


def _check_suffix(path: Path) -> None:
    if path.suffix != SUFFIX:
        raise UserError(f"{path} ends in '{path.suffix}'; a NIR graph ends in {SUFFIX}")


def _check_step(step_s: float) -> None:
    if not (step_s > 0 and math.isfinite(step_s)):
        raise UserError(f"step_s is {step_s}; give the seconds of a step, more than 0, such as 0.001")


# From a network to a graph.


def _nodes_of(learner: SpikingLearner, step_s: float) -> Chain:
    """Return the nodes of a network from input to output."""
    nir, spec = _nir(), learner.spec
    chain: Chain = [("input", nir.Input(input_type={"input": np.array([spec.sizes[0]])}))]
    for p, (neuron, synapses) in enumerate(zip(spec.neurons, spec.synapses, strict=True), 1):
        if synapses.delay > 1:
            delay = np.full(spec.sizes[p - 1], (synapses.delay - 1) * step_s, np.float32)
            chain.append((f"delay_{p}", nir.Delay(delay=delay)))
        unit = 2.0**synapses.exponent
        weight = (learner.weights_into(p).T * unit).astype(np.float32)
        bias = (learner.of("bias", p) * unit).astype(np.float32) if len(learner.bias) else np.zeros(0)
        node = nir.Affine(weight=weight, bias=bias) if bias.any() else nir.Linear(weight=weight)
        chain.append((f"synapses_{p}", node))
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


def _sha256(chain: Chain) -> str:
    """Return a hash of all numbers of a graph, whatever its nodes are called."""
    seen = hashlib.sha256()
    for _, node in chain:
        seen.update(type(node).__name__.encode())
        for name in NUMBERS[type(node).__name__]:
            numbers = np.asarray(getattr(node, name), "<f4")
            seen.update(f"{name}{numbers.shape}".encode() + numbers.tobytes())
    return seen.hexdigest()


# From files to a network.


def _read_chain(path: Path) -> Chain:
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
        graph = nir.read(path, type_check=False)  # shapes are checked against one another where they are used
        nodes, edges = dict(graph.nodes), [(str(a), str(b)) for a, b in graph.edges]
    except (OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path} cannot be read as a NIR graph ({reason[:200]}); write it again") from None
    for name, node in nodes.items():
        if type(node).__name__ not in NUMBERS:
            known = ", ".join(sorted(NUMBERS))
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
        if at not in nodes:
            raise UserError(f"{path} has an edge to '{at}', which is none of its nodes; write it again")
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


def _from_side(chain: Chain, path: Path) -> SpikingLearner:
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
        nodes = [node for _, node in chain if type(node).__name__ in SYNAPSES]
        weights = [np.asarray(node.weight).T / next(units) for node in nodes]
        if [one.shape for one in weights] != list(zip(learner.spec.sizes, learner.spec.sizes[1:], strict=False)):
            raise ValueError(f"sizes are {learner.spec.sizes}, unlike those of the graph")
        if any((np.abs(one) > learner.spec.word_max).any() or (one != np.rint(one)).any() for one in weights):
            raise ValueError(f"weights are no words of {learner.spec.bits} bits")
        if feedback.shape != learner.feedback.shape:
            raise ValueError(f"feedback has {len(feedback)} words, not {len(learner.feedback)}")
        biases = [np.zeros(learner.spec.sizes[0])]
        for p, (node, one) in enumerate(zip(nodes, learner.spec.synapses, strict=True), 1):
            biases.append(np.asarray(getattr(node, "bias", np.zeros(learner.spec.sizes[p]))) / 2.0**one.exponent)
        bias = np.concatenate(biases)
        if (np.abs(bias) > BIAS_MAX).any() or (bias != np.rint(bias)).any():
            raise ValueError("biases are no words")
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UserError(f"{path} cannot be followed ({type(error).__name__}: {error}); {alone}") from None
    learner.weights[:] = np.concatenate([one.ravel() for one in weights])
    learner.feedback[:] = feedback
    if bias.any():
        learner.bias = bias.astype(np.int32)
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
