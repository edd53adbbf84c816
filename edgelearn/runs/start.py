"""Networks that learning starts from: a trained model cut at a tensor, or the results folder of another run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.conversion.front import front_of
from edgelearn.data.feature_files import Described
from edgelearn.errors import UserError
from edgelearn.files import version_of
from edgelearn.fixedpoint.qformat import WeightFormat
from edgelearn.network.imported import imported_feedback, range_exponent
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec, design, parse_net
from edgelearn.network.topology import parse_topology
from edgelearn.pretrained import FrontEnd as FrontEndWork
from edgelearn.pretrained import Imported, Model, Tensor, read_model
from edgelearn.rules.rule import Signal
from edgelearn.runs.checkpoint import WEIGHTS
from edgelearn.runs.classes import Classes, match_classes
from edgelearn.runs.converted import ConvertedFrontEnd, converted_front
from edgelearn.runs.cuts import activations_of, default_cut
from edgelearn.runs.feature_checks import check_features, check_model, model_of, tensor_of
from edgelearn.runs.float_head import FloatHead, HeadLayer
from edgelearn.runs.levels import LevelFrontEnd, levels_for
from edgelearn.runs.stored import AnyFrontEnd, part, parts_of, read_run
from edgelearn.streaming.front_end import FrontEnd

CALIBRATION = 10_000  # rows that scales are taken from, at most


@dataclass(frozen=True, eq=False)
class Start:
    """Network and words that learning starts from.

    Parameters
    ----------
    sizes : layer sizes from the features to the outputs
    network : settings of `design` that the source decides, as JSON holds them
    words : raw words by the names of weights.npz, feedback where it is not drawn
    front_end : conversion of features to levels, with its state
    classes : outputs, and which of them each class of the data is; None where no data were named
    origin : what the source is, as JSON holds it: name, sha256, cut, front end
    head : the same layers in float and in the units of the model; None for a results folder
    settings : settings of `design` that the words were made for
    rate_units : rate in the units of the model of each layer, for a rate of 1 in those of the contract
    notes : what was converted, left out or assumed
    net : topology of a network with convolutions; None where the sizes say all
    """

    sizes: tuple[int, ...]
    network: dict[str, Any]
    words: dict[str, np.ndarray]
    front_end: AnyFrontEnd
    classes: Classes | None
    origin: dict[str, Any]
    head: FloatHead | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    rate_units: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    net: str | None = None

    def design(self, **settings: Any) -> NetworkSpec:
        """Return the specification for further settings of `edgelearn.network.spec.design`, such as rates.

        Raises
        ------
        UserError
            "... were made for ..." for another rule or width than those of `start_from`
        """
        for name, value in settings.items():
            if name in self.settings and value != self.settings[name]:
                raise UserError(
                    f"words of {self.origin['name']} were made for {name} {self.settings[name]}, not {value}; give "
                    f"{name} to start_from"
                )
        return design(self.net or self.sizes, **{**self.settings, **settings, **self.network})

    def learner(self, spec: NetworkSpec, strict: bool = False) -> Learner:
        """Return a learner with the words of the source."""
        learner = Learner(spec, strict)
        learner.put_words(self.words)
        return learner

    def note(self) -> dict[str, Any]:
        """Return what weights.npz and report.json hold of it: front end and network can be built again from it."""
        levels = self.front_end.levels.as_dict() if isinstance(self.front_end, LevelFrontEnd) else None
        ranges = levels is None and hasattr(self.front_end, "low")
        found = {"origin": self.origin, "network": self.network, "levels": levels, "ranges": ranges}
        return found if self._converted is None else found | {"converted": self._converted}

    @property
    def _converted(self) -> dict[str, Any] | None:
        return self.front_end.note() if isinstance(self.front_end, ConvertedFrontEnd) else None

    @property
    def digest(self) -> str:
        """Return a digest of all that learning depends on, so that a run is not continued on another source."""
        note = self.note()
        names = [name for name in ("network", "levels", "ranges", "converted") if name in note]
        facts = {name: note[name] for name in names} | {"sizes": list(self.sizes)}
        facts |= {} if self.net is None else {"topology": self.net}
        arrays = {f"words.{name}": array for name, array in self.words.items()}
        if isinstance(self.front_end, FrontEnd):  # its state moves on with the stream; the file of its start does not
            facts["source"] = self.origin["sha256"]
        else:
            arrays |= {f"front_end.{name}": array for name, array in self.front_end.save().items()}
        if self.classes is not None:
            facts["classes"] = [list(self.classes.names), self.classes.outputs.tolist()]
        found = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        for name in sorted(arrays):
            found.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
        return found.hexdigest()

    @property
    def work_in_front(self) -> FrontEndWork | None:
        """Work per sample of the model in front of the cut; None for nothing."""
        stored = self.origin.get("front_end")
        return None if stored is None else FrontEndWork(**(stored | {"uncounted": tuple(stored["uncounted"])}))


@dataclass(frozen=True)
class Words:
    """Settings of words and learning that a start depends on."""

    rule: str = "drtp"
    bits: int = 8
    residual_bits: int | None = None
    rounding: str = "residual"
    feedback: str = "imported"
    seed: int = 0
    delta_bits: int = 16
    more: Mapping[str, Any] = field(default_factory=dict)  # e.g. learn

    @property
    def settings(self) -> dict[str, Any]:
        names = ("rule", "bits", "residual_bits", "rounding", "seed", "delta_bits")
        return {name: getattr(self, name) for name in names} | dict(self.more)

    @property
    def made(self) -> dict[str, Any]:
        """Return the settings that fix the words."""
        return self.settings | {"feedback_format": self.feedback}

    def spec(self, sizes: Sequence[int] | str, network: Mapping[str, Any], feedback: str = "int8") -> NetworkSpec:
        return design(sizes, **self.settings, feedback_format=feedback, **network)


def start_from(
    source: str | Path | Imported,
    *,
    cut: str | None = None,
    net: str | None = None,
    rule: str = "drtp",
    bits: int = 8,
    residual_bits: int | None = None,
    rounding: str = "residual",
    feedback: str = "imported",
    input_bits: int = 8,
    activation: str | None = None,
    output: str | None = None,
    x: np.ndarray | None = None,
    described: Described | None = None,
    classes: Sequence[str] | None = None,
    grow: bool = False,
    seed: int = 0,
    delta_bits: int = 16,
    calibrate: int | None = None,
    **more: Any,
) -> Start:
    """Return the network of a source: its layers as words, and the conversion of features to levels.

    Parameters
    ----------
    source : file of a trained model, the model cut already, or the results folder of a run or stream
    cut : tensor whose values are the features; default the one that `described` names, else the earliest behind
        which all layers are dense and can be words
    net : layer sizes, for files of weights without a graph
    rule, bits, residual_bits, rounding, feedback, seed, delta_bits, more : settings of `design`
    input_bits : bits of the levels of a float tensor
    activation, output : where the file does not say
    x : features [n, n_in], to calibrate float tensors and the range of hidden activations
    described : what the file of the features says of them: tensor, model, scale and zero point of integers
    classes : names of the classes of the data
    grow : whether classes that the source lacks get new outputs, whose words are the mean of the old
    calibrate : rows of x that scales of the layers in front of the cut are taken from, which become frozen layers; x
        then holds inputs of the model. None leaves the model in its own runtime, and x holds the tensor at the cut

    Raises
    ------
    UserError
        What the reader says; "... has N features ..." and "... are of ..." where the data do not fit; what cannot be
        words or levels.
    """
    words = Words(rule, bits, residual_bits, rounding, feedback, seed, delta_bits, more)
    if not isinstance(source, Imported) and is_results(source):
        if cut is not None:
            raise UserError(f"{source} is a results folder, which is not cut; leave --cut out")
        if calibrate is not None:
            raise UserError(
                f"{source} is a results folder, whose front end is taken as it is; leave --convert out, or start from "
                "a model"
            )
        return _of_results(Path(source), words, x, classes, grow, described)
    is_input = calibrate is not None
    given = source if isinstance(source, Imported) else imported_of(str(source), cut, net, described, is_input)
    if calibrate is not None:
        front = front_of(_model_of(str(source), net, version_of(str(source))), given.input.name)
        taken = front.input
        if described is not None:
            taken = tensor_of(taken, given.source, given.sha256, described, x)
        front_end, notes = converted_front(front, taken, x, calibrate, given.source)
        given = replace(given, notes=(*given.notes, *notes))
        return _of_model(given, given.input, words, input_bits, (activation, output), x, classes, grow, front_end)
    if x is not None:
        _check_width(given.source, given.input.name, given.sizes[0], x.shape[1])
    tensor = given.input if described is None else tensor_of(given.input, given.source, given.sha256, described, x)
    if given.input.is_integer and (tensor.scale, tensor.zero_point) != (given.input.scale, given.input.zero_point):
        given = replace(given, notes=(*given.notes, _other_scale(tensor, given.input)))
    return _of_model(given, tensor, words, input_bits, (activation, output), x, classes, grow)


def _other_scale(given: Tensor, tensor: Tensor) -> str:
    return (
        f"the integers have scale {given.scale:.6g} and zero point {given.zero_point}, and '{tensor.name}' has "
        f"{tensor.scale:.6g} and {tensor.zero_point}: they are taken in their own scale"
    )


def is_results(source: str | PathLike[str]) -> bool:
    """Return whether a source is the results folder of a run, or the weights.npz in one."""
    path = Path(source)
    return path.is_dir() or path.name == WEIGHTS


def imported_of(
    source: str,
    cut: str | None = None,
    net: str | None = None,
    described: Described | None = None,
    is_input: bool = False,
) -> Imported:
    """Return a model cut at a tensor, default that of the features; files that were read a moment ago are kept.

    `is_input` says that what is described are inputs of the model, whose name is no cut.
    """
    if Path(source).suffix.lower() == ".nir":
        raise UserError(f"{source} is a graph of spiking neurons; give --spiking too, or a model of dense layers")
    model = _model_of(source, net, version_of(source))
    if described is not None:
        check_model(described, source, model.sha256)
        cut = cut or (None if is_input else described.tensor)
    return model.cut(cut) if cut is not None else default_cut(model)


@lru_cache(maxsize=4)
def _model_of(source: str, net: str | None, version: object) -> Model:
    return read_model(source, None if net is None else parse_net(net))


def _check_width(source: str, tensor: str, n_in: int, given: int) -> None:
    if given != n_in:
        raise UserError(
            f"the data have {given} features, and '{tensor}' of {source} has {n_in}; give the features of this tensor, "
            "which `edgelearn model features` computes, or another --cut"
        )


def _of_model(
    given: Imported,
    tensor: Tensor,
    words: Words,
    input_bits: int,
    said: tuple[str | None, str | None],
    x: np.ndarray | None,
    classes: Sequence[str] | None,
    grow: bool,
    converted: ConvertedFrontEnd | None = None,
) -> Start:
    x = None if x is None else x[:CALIBRATION]
    is_input = given.front_end.macs == 0 and given.front_end.activation_words == 0
    if converted is not None:
        levels, notes = converted.features, list[str]()
        x = None if x is None else levels.values(converted.encode(x))
    else:
        levels, notes = levels_for(tensor, given.sizes[0], x, input_bits, is_input)
    activation, output = activations_of(given, *said)
    notes = [*given.notes, *notes, *_notes_on_activations(given, activation, output)]
    if any(layer.words is not None for layer in given.layers):
        notes.append(
            f"accuracy of the model is computed from the dequantised weights of {given.source}, without the quantisers "
            "between its layers: its runtime may differ by some tenths of a percent"
        )
    head = FloatHead(tuple(HeadLayer(one.weights, one.biases, one.activation or activation) for one in given.layers))
    limits = None if x is None else head.reaches(levels.real(x))
    scaled, units, more = head.in_units(levels, activation, limits or _limits_of_tensors(given))
    exponents = [range_exponent(*layer, number, words.bits) for number, layer in enumerate(scaled, 1)]
    network = {
        "activation": activation,
        "output": output,
        "input_bits": levels.bits,
        "signed_inputs": levels.signed,
        "range_exponents": exponents,
    }
    spec = words.spec(given.sizes, network)
    raw: dict[str, np.ndarray] = {}
    for number, (layer, (weights, biases)) in enumerate(zip(spec.layers, scaled, strict=True), 1):
        raw[f"layer{number}_weights"] = layer.weight_word.from_float(weights)
        raw[f"layer{number}_biases"] = layer.word.from_float(biases)
    _check_signs(spec, raw, given.source)
    work = given.front_end
    origin = {
        "name": given.source,
        "sha256": given.sha256,
        "format": given.format,
        "cut": given.input.name,
        "front_end": {
            "macs": work.macs,
            "weight_words": work.weight_words,
            "activation_words": work.activation_words,
            "uncounted": list(work.uncounted),
        },
    }
    start = Start(
        given.sizes,
        network,
        raw,
        converted or LevelFrontEnd(levels, given.sizes[0]),
        None,
        origin,
        head,
        words.made,
        units,
        (*notes, *more),
    )
    matched = _matched(given.classes, start, classes, grow)
    return _with_feedback(_grown(start, spec, matched, words), words)


def _notes_on_activations(given: Imported, activation: str, output: str) -> list[str]:
    notes = []
    if any(layer.activation == "sigmoid" for layer in given.layers[:-1]):
        notes.append("hidden sigmoids are taken as tanh of half their input, which is the same function")
    if any(layer.activation is None for layer in given.layers[:-1]):
        notes.append(f"{given.source} does not say the hidden activation: taken as {activation}")
    if given.layers[-1].activation in (None, "linear"):
        notes.append(f"outputs of {given.source} are logits: learned on as {output}")
    return notes


def _limits_of_tensors(given: Imported) -> list[float | None]:
    """Return the largest value of each hidden layer's tensor where it is quantised."""
    found: list[float | None] = []
    for layer in given.layers[:-1]:
        tensor = layer.output
        known = tensor.is_integer and tensor.scale is not None and tensor.zero_point is not None
        highest = 255 if tensor.dtype == "uint8" else 127
        found.append((highest - tensor.zero_point) * tensor.scale if known else None)  # type: ignore[operator]
    return found


def _with_feedback(start: Start, words: Words) -> Start:
    """Return a start with feedback taken from its words, where that is asked for."""
    if words.feedback != "imported" or len(start.sizes) < 3:
        return start
    spec = words.spec(start.net or start.sizes, start.network)
    views = [
        start.words[f"layer{k}_weights"].astype(np.int64) >> layer.weight_word.residual_bits
        for k, layer in enumerate(spec.layers, 1)
    ]
    exponents = [layer.word.range_exponent for layer in spec.layers]
    taken = imported_feedback(spec.rules, views, exponents, spec.layers[0].word.bits)
    raw = {f"layer{k}_feedback": matrix for k, (matrix, _) in enumerate(taken, 1) if matrix is not None}
    network = start.network | ({"feedback_exponents": [f for _, f in taken]} if raw else {})
    return replace(start, network=network, words=start.words | raw)


def _matched(known: Sequence[str] | None, start: Start, classes: Sequence[str] | None, grow: bool) -> Classes | None:
    n_known = max(2, start.sizes[-1])
    if not classes:
        return None if known is None else Classes(tuple(known), np.arange(len(known)), n_known)
    return match_classes(known, n_known, classes, grow, start.origin["name"])


def _grown(start: Start, spec: NetworkSpec, matched: Classes | None, words: Words) -> Start:
    """Return a start with outputs for new classes: words are the mean of the old, feedback rows are drawn."""
    if matched is None or len(matched.names) <= max(2, start.sizes[-1]):
        return replace(start, classes=matched)
    if start.sizes[-1] == 1:
        raise UserError(
            f"{start.origin['name']} has one output for two classes, to which none can be added; start from a network "
            "with an output per class"
        )
    n_old, n_new = start.sizes[-1], len(matched.names) - start.sizes[-1]
    number, raw = len(spec.layers), dict(start.words)
    for name in (f"layer{number}_weights", f"layer{number}_biases"):
        mean = np.rint(raw[name].mean(axis=0)).astype(np.int16)
        raw[name] = np.concatenate([raw[name], np.repeat(mean[None], n_new, axis=0)])
    sizes = (*start.sizes[:-1], n_old + n_new)
    net = None if start.net is None else str(parse_topology(start.net).with_outputs(n_old + n_new))
    network = {name: value for name, value in start.network.items() if name != "feedback_exponents"}
    stored = [name for name in raw if name.endswith("_feedback")]
    if stored and words.feedback == "imported":
        raw = {name: array for name, array in raw.items() if name not in stored}
    elif stored:
        drawn = Learner(words.spec(net or sizes, network, words.feedback)).words()
        for name in stored:
            if raw[name].shape[1:] == drawn[name].shape[1:] and len(raw[name]) == n_old:
                raw[name] = np.concatenate([raw[name], drawn[name][n_old:]])
    names = ", ".join(matched.names[n_old:])
    return replace(
        start,
        sizes=sizes,
        network=network,
        words=raw,
        classes=matched,
        net=net,
        notes=(*start.notes, f"new outputs for {names}: their words are the mean of the other {n_old} rows"),
    )


def _of_results(
    source: Path,
    words: Words,
    x: np.ndarray | None,
    classes: Sequence[str] | None,
    grow: bool,
    described: Described | None = None,
) -> Start:
    arrays, note = read_run(source)
    spec, front_end = parts_of(note)
    front_end.restore(part(arrays, "front_end"))
    check_features(note, front_end, described, str(source))
    if x is not None:
        n_inputs = len(note["inputs"])
        if x.shape[1] != n_inputs:
            raise UserError(
                f"the data have {x.shape[1]} features, and {source} was learned from {n_inputs}; give data with the "
                "same columns"
            )
    if note.get("offsets") and not isinstance(front_end, FrontEnd):
        raise UserError(
            f"{source} has columns far from zero, which were read relative to their first values; subtract a constant "
            "from them and run it again"
        )
    earlier = note.get("start") or {}
    network: dict[str, Any] = {
        "activation": spec.layers[0].activation if len(spec.layers) > 1 else note["config"]["activation"],
        "output": spec.output,
        "input_bits": spec.input_bits,
        "signed_inputs": spec.signed_inputs,
        "range_exponents": [layer.word.range_exponent for layer in spec.layers],
    }
    net = spec.net if spec.is_convolutional else None
    target = words.spec(net or spec.sizes, network)
    if target.layers[0].word.bits != spec.layers[0].word.bits:
        bits = spec.layers[0].word.bits
        raise UserError(f"{source} has weights of {bits} bits; leave --bits out, or give --bits {bits}")
    raw: dict[str, np.ndarray] = {}
    for k, (old, new) in enumerate(zip(spec.layers, target.layers, strict=True), 1):
        raw[f"layer{k}_weights"] = _converted(arrays[f"layer{k}_weights"], old.weight_word, new.weight_word)
        raw[f"layer{k}_biases"] = _converted(arrays[f"layer{k}_biases"], old.word, new.word)
    _check_signs(target, raw, str(source))
    kept = _kept_feedback(arrays, spec, target, note["config"]["feedback"], words)
    raw |= kept
    if kept and words.feedback == "imported":
        network["feedback_exponents"] = [layer.feedback_exponent for layer in spec.layers[:-1]]
    origin = {
        "name": str(source),
        "sha256": _digest(source),
        "format": "results",
        "cut": (earlier.get("origin") or {}).get("cut"),
        "front_end": (earlier.get("origin") or {}).get("front_end"),
        "model": model_of(earlier.get("origin") or {}),
    }
    notes = _notes_on_settings(source, note["config"], words)
    start = Start(tuple(spec.sizes), network, raw, front_end, None, origin, settings=words.made, notes=notes, net=net)
    start = _grown(start, target, _matched(note["classes"], start, classes, grow), words)
    if any(name.endswith("_feedback") for name in start.words):
        return start
    return _with_feedback(start, words)


def _notes_on_settings(source: Path, config: Mapping[str, Any], words: Words) -> tuple[str, ...]:
    """Say which settings of learning are those of a results folder, and which are others."""
    pairs = {
        "rule": (config["rule"], words.rule),
        "learn": (config.get("learn", "all"), words.more.get("learn", "all")),
    }
    same = [f"{name} {was}" for name, (was, now) in pairs.items() if was == now]
    others = [f"{name} is {now}, and was {was} in {source}" for name, (was, now) in pairs.items() if was != now]
    return (*([f"{' and '.join(same)}, as in {source}"] if same else []), *others)


def _check_signs(spec: NetworkSpec, raw: Mapping[str, np.ndarray], source: str) -> None:
    """Refuse a rule that keeps weights at zero or above where those of a source are not."""
    for k, layer in enumerate(spec.layers, 1):
        if layer.non_negative and (raw[f"layer{k}_weights"] < 0).any():
            rule = next(rule.name for rule in spec.rules if rule.non_negative)
            raise UserError(
                f"rule '{rule}' keeps weights of layer {k} at zero or above, which those of {source} are not; give "
                "--rule dfa"
            )


def _kept_feedback(
    arrays: Mapping[str, np.ndarray], old: NetworkSpec, new: NetworkSpec, feedback: str, words: Words
) -> dict[str, np.ndarray]:
    """Return the feedback of a run where it goes on: same format, and same rows in every hidden layer."""
    if words.feedback != feedback or feedback == "lfsr":
        return {}
    hidden = range(len(new.layers) - 1)
    shapes = [[(one.feedback_rows(k), one.feedback_columns(k)) for k in hidden] for one in (old, new)]
    if shapes[0] != shapes[1] or _signals(old) != _signals(new):
        return {}
    return {name: arrays[name] for k in hidden if (name := f"layer{k + 1}_feedback") in arrays}


def _signals(spec: NetworkSpec) -> list[tuple[Signal, bool]]:
    return [(rule.signal, rule.non_negative) for rule in spec.rules]


def _converted(raw: np.ndarray, old: WeightFormat, new: WeightFormat) -> np.ndarray:
    """Return stored words with the residual bits of another format; the view stays."""
    more = new.residual_bits - old.residual_bits
    if more > 0 and old.residual_bits == 0:  # from the middle of the view's step
        return ((raw.astype(np.int32) << more) + (1 << more >> 1)).astype(np.int16)
    return (raw.astype(np.int32) << more if more > 0 else raw >> -more).astype(np.int16)


def _digest(source: Path) -> str:
    path = source / WEIGHTS if source.is_dir() else source
    return hashlib.sha256(path.read_bytes()).hexdigest()
