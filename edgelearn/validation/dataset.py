"""Validation of a fixed-point run against its float twin: where precision is lost."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn import __version__
from edgelearn.config import RunConfig
from edgelearn.errors import UserError
from edgelearn.files import only_writer, write_text
from edgelearn.network.kernels import tables as t
from edgelearn.network.learner import Learner, steps_of
from edgelearn.network.prepared import PreparedLevels
from edgelearn.network.spec import CONTRACT, NetworkSpec
from edgelearn.network.teaching import EVERYTHING
from edgelearn.references.closed_form import (
    FloatWeights,
    Passed,
    backpropagated,
    binary_units,
    pass_samples,
    stored_weights,
    update_of,
    viewed_weights,
)
from edgelearn.references.online_twin import OnlineTwin, autograd_update
from edgelearn.references.torch_online import one_thread
from edgelearn.rules.rule import Feedback
from edgelearn.runs.dataset import design_for, encode_data
from edgelearn.runs.epochs import Epochs
from edgelearn.runs.kind import Result
from edgelearn.runs.rates import network_as_dict, notes_on_outputs

VALIDATION = "validation.json"
INEXACT = ("overflows", "saturations", "step_saturations")  # counters of what did not fit
PROBE_SAMPLES = 256  # training samples whose signals are compared before the first epoch and after each
STEP_SAMPLES = 16  # of these, samples whose whole update is compared
GAP_POINTS, ANGLE_DEGREES = 0.3, 5.0  # what a run that follows its twin stays within


class _Beside(Learner):
    """Learner with a float twin that learns the same samples."""

    def __init__(self, spec: NetworkSpec, strict: bool, words: Mapping[str, np.ndarray] | None = None) -> None:
        super().__init__(spec, strict)
        self.put_words(words or {})
        self.twin = OnlineTwin(spec, stored_weights(self))

    def learn(
        self, levels: np.ndarray | PreparedLevels, labels: np.ndarray, rows: np.ndarray | None = None
    ) -> np.ndarray:
        plain = levels.levels if isinstance(levels, PreparedLevels) else levels
        plain = plain.view(np.int8) if self.spec.signed_inputs else plain
        self.twin.learn(plain if rows is None else plain[rows], labels)
        return super().learn(levels, labels, rows)

    def set_halvings(self, halvings: int) -> None:
        self.twin.halvings = halvings
        super().set_halvings(halvings)


@dataclass(frozen=True, eq=False)
class Words:
    """Raw integers of the kernels for n samples without learning, int64[n, n_out], one array per layer.

    Parameters
    ----------
    indices : q; activations : of hidden layers
    gates, modulators : of hidden layers, int64[n, n_gates]
    scores : p, [n, n_outputs]
    deltas : d, int64[n, n_gates]; the error in the output layer
    """

    indices: list[np.ndarray]
    activations: list[np.ndarray]
    gates: list[np.ndarray]
    scores: np.ndarray
    modulators: list[np.ndarray]
    deltas: list[np.ndarray]


def validate(
    config: RunConfig,
    out: Path | None = None,
    on_progress: Callable[[Epochs], None] = lambda epochs: None,
) -> Result:
    """Learn a data set in fixed point and in float, and compare the two from start to end.

    Parameters
    ----------
    out : folder for validation.json
    on_progress : called after every chunk

    Raises
    ------
    UserError
        For anything the user can mend; "torch is not installed ...".
    """
    if config.old is not None:
        raise UserError("old data are of runs; leave 'old' out, which validation does not test")
    if config.hidden_inference != "full":
        raise UserError(
            f"hidden_inference '{config.hidden_inference}' has no float twin, which predicts with the activations that "
            "it learns with; leave it out"
        )
    encoded = encode_data(config)
    data, levels, tests, start = encoded.data, encoded.levels, encoded.test_levels, encoded.start
    spec = design_for(config, data, start)
    chosen = np.random.default_rng([config.seed, 3]).permutation(len(levels))[:PROBE_SAMPLES]
    points: list[dict[str, Any]] = []

    def note(learner: _Beside, epoch: int) -> None:
        point: dict[str, Any] = {"epoch": epoch}
        if len(tests):
            point |= _accuracies(learner.predict(tests), learner.twin.predict(tests), data.test_y)
        points.append(point | _compare(learner, levels[chosen], data.train_y[chosen]))

    with one_thread(), only_writer(out) if out is not None else nullcontext():
        learner = _Beside(spec, config.strict, None if start is None else start.words)
        note(learner, 0)

        tested = (tests[:0], data.test_y[:0])  # tested in `note`
        epochs = Epochs(learner, (levels, data.train_y), tested, config.epochs, config.halve_every, config.seed)
        for part in epochs.chunks():
            epochs.advance(part)
            if epochs.place.position == 0:
                note(learner, epochs.place.epoch)
            on_progress(epochs)
    content = {
        "edgelearn": __version__,
        "contract": CONTRACT,
        "config": config.model_dump(mode="json"),
        "data": {
            "name": data.name,
            "source": data.source,
            "train_samples": len(levels),
            "test_samples": len(tests),
            "probe_samples": len(chosen),
            "step_samples": min(STEP_SAMPLES, len(chosen)),
        },
        "network": network_as_dict(spec),
        "notes": [*notes_on_outputs(config, spec), *(start.notes if start is not None else ())],
        "verdict": _verdict(points, one_sided=any(row.from_label for row in spec.rules)),
        "points": points,
    }
    validation = Result(_plain(content))
    if out is not None:
        write_text(out / VALIDATION, validation.to_json())
    return validation


def _accuracies(fixed: np.ndarray, in_float: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return accuracies, their gap, and its standard error: only samples that just one of the two gets right count."""
    fixed_right, float_right = fixed == labels, in_float == labels
    return {
        "fixed_accuracy_percent": 100 * float(fixed_right.mean()),
        "float_accuracy_percent": 100 * float(float_right.mean()),
        "gap_points": 100 * (float(float_right.mean()) - float(fixed_right.mean())),
        "gap_standard_error": 100 * math.sqrt(np.count_nonzero(fixed_right != float_right)) / len(labels),
        "same_class_percent": 100 * float((fixed == in_float).mean()),
    }


def _verdict(points: list[dict[str, Any]], one_sided: bool) -> dict[str, Any]:
    """Say whether the run follows its twin: accuracy at the end, at every point signals and angles to backpropagation.

    On few test samples chance alone may open a gap; two standard errors are allowed. `one_sided` is for rules that
    teach hidden layers from labels alone: their signal never fades, so that float weights grow on where gates of
    integers close, and integers may be better by any amount.
    """
    gap, allowed = points[-1].get("gap_points"), max(GAP_POINTS, 2 * points[-1].get("gap_standard_error", 0.0))
    worst, worst_pooled = (_largest_difference(points, kind) for kind in ("angle_signal", "angle_signal_pooled"))
    finite = all(math.isfinite(layer["weights"]["rms_difference"]) for layer in points[-1]["layers"])
    silent = sorted({layer["layer"] for point in points for layer in point["layers"] if layer["silent"]})
    better = one_sided and gap is not None and gap < -allowed
    accuracy_follows = finite and (gap is None or better or abs(gap) <= allowed)
    angles_follow = finite and (worst is None or worst < ANGLE_DEGREES)
    verdict = {
        "follows": accuracy_follows and angles_follow and not silent,
        "accuracy_follows": accuracy_follows,
        "angles_follow": angles_follow,
        "signals_follow": not silent,
        "silent_layers": silent,
        "gap_points": gap,
        "gap_points_allowed": allowed,
        "largest_angle_difference": worst,
        "largest_angle_difference_pooled": worst_pooled,
        "angle_difference_allowed": ANGLE_DEGREES,
    }
    return verdict | {"better_than_twin": True} if better else verdict


def _largest_difference(points: list[dict[str, Any]], kind: str) -> float | None:
    angles = [layer[kind]["difference"] for point in points for layer in point["layers"]]
    return max((abs(angle) for angle in angles if angle is not None), default=None)


def _compare(learner: _Beside, levels: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Compare the run and its twin as they are now, on training samples; looking teaches neither."""
    spec = learner.spec
    x = levels / spec.layers[0].input_one
    own, views = learner.twin.numbers(), viewed_weights(learner)
    twin = pass_samples(spec, own, x, labels)
    equal = pass_samples(spec, views, x, labels)
    words = kernel_words(learner, levels, labels)
    prescribed = backpropagated(spec, views, equal), backpropagated(spec, own, twin)
    steps, lost = _steps(learner, views, levels[:STEP_SAMPLES], labels[:STEP_SAMPLES])
    stored, counters = stored_weights(learner), learner.counters
    layers = []
    for k, layer in enumerate(spec.layers):
        row: dict[str, Any] = {"layer": k + 1, "shape": f"{layer.fan_in} x {layer.n_columns}", "learns": layer.learns}
        if spec.learn != EVERYTHING:
            row["learned"] = layer.learned
        row["silent"] = layer.learns and _is_silent(words.deltas[k], twin.deltas[k], twin.deltas[-1])
        row["weights"] = _deviation(stored.weights[k], own.weights[k])
        signals = [words.deltas[k], equal.deltas[k], twin.deltas[k]]
        backprop = [] if layer.output else [part[k] for part in prescribed]
        row["angle_signal"] = _angles(signals, backprop, pooled=False)
        row["angle_signal_pooled"] = _angles(signals, backprop, pooled=True)
        row["at_rails_percent"] = _at_rails(words, k)
        row["vanished"] = _vanished(words, equal, k, layer.output) | {"steps": lost[k]}
        row["one_sample"] = steps[k]
        row |= {name: int(counters[name][k]) for name in INEXACT}
        layers.append(row)
    return {"score_difference": float(np.abs(words.scores / 255 - equal.scores).mean()), "layers": layers}


def kernel_words(learner: Learner, levels: np.ndarray, labels: np.ndarray) -> Words:
    """Take samples through the kernels with the learner's words, each forward and back; the learner stays as it is."""
    spec, probe = learner.spec, _copy_of(learner)
    probe.state.layers[:, t.LEARNS] = 0
    arrays, last = probe.state.arrays, len(spec.layers) - 1
    n_out, n_gates = spec.sizes[1:], [layer.n_gates for layer in spec.layers]
    scores = np.zeros((len(levels), spec.n_outputs), np.int64)
    indices, activations = ([np.zeros((len(levels), n), np.int64) for n in n_out] for _ in range(2))
    deltas, gates, modulators = ([np.zeros((len(levels), n), np.int64) for n in n_gates] for _ in range(3))
    for s in range(len(levels)):
        probe.run_steps(levels[s : s + 1], steps_of(labels[s : s + 1]), in_order=True)
        scores[s] = arrays.scores[0, : n_out[last]]
        for k, n in enumerate(n_out):
            formed = n_gates[k]
            indices[k][s], deltas[k][s] = arrays.indices[k, :n], arrays.deltas[k, :formed]
            if k < last:
                activations[k][s], gates[k][s] = arrays.inputs[k + 1, :n], arrays.gates[k, :formed]
                if _has_signal(probe, k, int(labels[s])):
                    modulators[k][s] = arrays.sums[k, :formed]
    for k, row in enumerate(spec.rules):
        if not row.learns_hidden:
            deltas[k] = np.zeros_like(deltas[k])
    return Words(indices, activations[:-1], gates[:-1], scores, modulators[:-1], deltas)


def _copy_of(learner: Learner) -> Learner:
    """Return a learner with the same words that learns whatever it predicts."""
    copied = Learner(learner.spec)
    copied.restore(learner.save())
    copied.state.net[t.UPDATE_GATE] = t.GATE_ALWAYS
    return copied


def _has_signal(learner: Learner, k: int, label: int) -> bool:
    """Return whether kernels formed modulators of hidden layer k: some lane of the teaching signal was not zero."""
    spec, n_active = learner.spec, learner.state.arrays.n_active
    rule = spec.layers[k].rule
    if not rule.learns_hidden:
        return False
    if rule.from_label:
        return not rule.selects_row or spec.n_outputs > 1 or label > 0
    if rule.reads_out:
        return bool(learner.state.arrays.signals[k, : spec.n_outputs].any())
    return bool(n_active[-1 if rule.broadcasts else k + 1])


def _deviation(fixed: np.ndarray, in_float: np.ndarray) -> dict[str, float]:
    """Compare weights; relative to the root mean square of the twin's."""
    difference, size = fixed - in_float, _rms(in_float)
    return {
        "rms_difference": _rms(difference),
        "largest_difference": float(np.abs(difference).max()),
        "float_rms": size,
        "relative_rms": _rms(difference) / size if size else math.nan,
        "relative_largest": float(np.abs(difference).max()) / size if size else math.nan,
    }


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def _angles(signals: list[np.ndarray], backprop: list[np.ndarray], pooled: bool) -> dict[str, float | None]:
    """Return angles in degrees between signals: mean over samples, or `pooled`, of all samples as one vector.

    Parameters
    ----------
    signals : fixed point; float at the same weights; float twin; each [n, n_out]
    backprop : gradients of backpropagation at the weights in fixed point, and at the twin's; or nothing

    Notes
    -----
    Samples count where no vector is zero, and all angles are of the same samples.
    """
    vectors = [np.asarray(v, np.float64) for v in (*signals, *backprop)]
    with np.errstate(all="ignore"):
        present = np.all([np.isfinite(v).all(axis=1) & (np.abs(v).max(axis=1) > 0) for v in vectors], axis=0)
        vectors = [v[present].reshape(1, -1) if pooled else v[present] for v in vectors]
        found: dict[str, float | None] = dict.fromkeys(
            ("equal_weights", "own_weights", "to_backprop_fixed", "to_backprop_float", "difference")
        )
        if present.any():
            fixed, equal, twin = vectors[:3]
            found["equal_weights"], found["own_weights"] = _degrees(fixed, equal), _degrees(fixed, twin)
            if backprop:
                a, b = _degrees(fixed, vectors[3]), _degrees(twin, vectors[4])
                found |= {"to_backprop_fixed": a, "to_backprop_float": b, "difference": a - b}
    return found | {"samples_percent": 100 * float(present.mean())}


def _degrees(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean angle between rows, by the chord: exact for small angles too."""
    a = a / np.linalg.norm(a, axis=1, keepdims=True)
    b = b / np.linalg.norm(b, axis=1, keepdims=True)
    apart, together = np.linalg.norm(a - b, axis=1), np.linalg.norm(a + b, axis=1)
    return float(np.degrees(2 * np.arctan2(apart, together)).mean())


def _is_silent(fixed: np.ndarray, twin: np.ndarray, twin_errors: np.ndarray) -> bool:
    """Return whether no sample has a signal in fixed point while the float twin's has.

    Where every error of the twin is too small for a word, nothing is left to learn, and silence is right.
    """
    return bool(not fixed.any() and twin.any() and np.abs(twin_errors).max() >= 0.5 / 255)


def _at_rails(words: Words, k: int) -> dict[str, float]:
    """Return which share of pre-activations the index cut, and of activations (or p) are as large as words can be."""
    q = words.indices[k]
    if k < len(words.gates):
        largest = np.abs(words.activations[k]) == 127
    else:
        largest = (words.scores == 0) | (words.scores == 255)
    return {
        "sums": 100 * float(np.mean((q == -128) | (q == 127))),
        "activations": 100 * float(np.mean(largest)),
    }


def _vanished(words: Words, equal: Passed, k: int, output: bool) -> dict[str, dict[str, float | None] | None]:
    """Return what is zero in fixed point and not in float, at the same weights.

    Signals are modulators, in the output layer errors; deltas are gated modulators.
    """
    if output:
        return {"signals": _zeros(words.deltas[k], equal.deltas[k]), "gates": None, "deltas": None}
    return {
        "signals": _zeros(words.modulators[k], equal.modulators[k]),
        "gates": _zeros(words.gates[k], equal.gates[k]),
        "deltas": _zeros(words.deltas[k], equal.deltas[k]),
    }


def _zeros(fixed: np.ndarray, in_float: np.ndarray) -> dict[str, float | None]:
    """Return how many of the numbers that are not zero in float are zero words: of their count, of their size."""
    size = np.abs(in_float)
    return _shares(np.array([_zero_tally(fixed, size)]))


def _zero_tally(fixed: np.ndarray, size: np.ndarray) -> tuple[float, float, float, float]:
    """Count numbers that are not zero in float, those among them that are zero words, and add up the sizes of both."""
    gone = (fixed == 0) & (size > 0)
    return float(np.count_nonzero(gone)), float(np.count_nonzero(size)), float(size[gone].sum()), float(size.sum())


def _shares(tallies: np.ndarray) -> dict[str, float | None]:
    gone, present, lost, size = tallies.sum(axis=0)
    return {
        "percent": 100 * gone / present if present else None,
        "size_percent": 100 * lost / size if size else None,
    }


def _steps(
    learner: Learner, views: FloatWeights, levels: np.ndarray, labels: np.ndarray
) -> tuple[list[dict[str, Any] | None], list[dict[str, float | None] | None]]:
    """Compare the update that kernels make of single samples with that of the reference, at the same weights.

    Returns
    -------
    for each layer, None where it does not learn: differences by tensor; share of steps that vanished
    """
    spec, units = learner.spec, binary_units(learner.spec)
    probe, halvings = _copy_of(learner), int(learner.state.net[t.HALVINGS])
    n_layers = len(spec.layers)
    before = [
        (probe.state.weights(k).astype(np.int64), probe.state.biases(k).astype(np.int64)) for k in range(n_layers)
    ]
    kept = probe.state.arrays.weights.copy()
    autograd = _follows_gradients(spec) and not (spec.event_threshold or spec.dead_zone or spec.readout_dead_zone)
    differences: list[dict[str, list[np.ndarray]]] = [{"weights": [], "biases": []} for _ in spec.layers]
    tallies: list[list[tuple[float, float, float, float]]] = [[] for _ in spec.layers]
    for s in range(len(levels)):
        probe.state.arrays.weights[:] = kept
        probe.learn(levels[s : s + 1], labels[s : s + 1])
        x, label = levels[s : s + 1] / spec.layers[0].input_one, labels[s : s + 1]
        if autograd:
            ideal = autograd_update(spec, views, x[0], int(label[0]), halvings)
        else:
            ideal = update_of(spec, pass_samples(spec, views, x, label), halvings=halvings)
        binary = update_of(spec, pass_samples(spec, views, x, label, units), units, halvings)
        for k, layer in enumerate(spec.layers):
            after = probe.state.weights(k), probe.state.biases(k)
            fixed = [now.astype(np.int64) - was for now, was in zip(after, before[k], strict=True)]
            for name, made, a, b in (
                ("weights", fixed[0], ideal.weights[k], binary.weights[k]),
                ("biases", fixed[1], ideal.biases[k], binary.biases[k]),
            ):
                in_lsb = a / layer.word.lsb
                differences[k][name].append(_step_tally(made, in_lsb, b / layer.word.lsb))
            if layer.learned == "bias":
                tallies[k].append(_zero_tally(fixed[1], np.abs(ideal.biases[k])))
            else:
                tallies[k].append(_zero_tally(fixed[0], np.abs(ideal.weights[k])))
    steps: list[dict[str, Any] | None] = []
    lost: list[dict[str, float | None] | None] = []
    for k, layer in enumerate(spec.layers):
        if not layer.learns:
            steps.append(None)
            lost.append(None)
            continue
        reference = "torch autograd" if autograd else "closed form"
        steps.append(
            {"reference": reference, "lsb": layer.word.lsb}
            | {name: _step_figures(np.array(found)) for name, found in differences[k].items()}
        )
        lost.append(_shares(np.array(tallies[k])))
    return steps, lost


def _follows_gradients(spec: NetworkSpec) -> bool:
    """Return whether autograd gives the updates: some layer follows a loss, and none takes feedback layer by layer."""
    rows = spec.rules or spec.named
    follows = any(row.weight_transport or row.reads_out for row in rows)
    return follows and not any(row.feedback is Feedback.LAYERWISE for row in rows)


def _step_tally(fixed: np.ndarray, ideal: np.ndarray, binary: np.ndarray) -> np.ndarray:
    """Return in LSB: largest and mean square difference to the ideal step, to that in binary units, and its sizes."""
    to_ideal, to_binary = fixed - ideal, fixed - binary
    return np.array(
        [
            np.abs(to_ideal).max(),
            np.mean(to_ideal**2),
            np.abs(to_binary).max(),
            np.mean(to_binary**2),
            np.abs(ideal).max(),
            np.mean(ideal**2),
        ]
    )


def _step_figures(found: np.ndarray) -> dict[str, float | None]:
    largest, square, largest_binary, square_binary, size, square_size = (
        found[:, column].max() if column % 2 == 0 else found[:, column].mean() for column in range(6)
    )
    return {
        "largest_lsb": largest,
        "rms_lsb": math.sqrt(square),
        "relative_rms": math.sqrt(square / square_size) if square_size else None,
        "rounding_largest_lsb": largest_binary,
        "rounding_rms_lsb": math.sqrt(square_binary),
        "float_largest_lsb": size,
        "float_rms_lsb": math.sqrt(square_size),
    }


def _plain(value: Any) -> Any:
    """Return what JSON holds: numbers to six digits, None for what is not finite."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
