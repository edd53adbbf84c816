"""Runs of a spiking network, in epochs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn import __version__
from edgelearn.config import SpikingConfig
from edgelearn.errors import UserError
from edgelearn.files import read_arrays
from edgelearn.network.spec import parse_net
from edgelearn.rules.catalog import find_rule
from edgelearn.runs.checkpoint import (
    CHECKPOINT_SECONDS,
    WEIGHTS,
    Interrupted,
    digest,
    finished,
    leave,
    noted_interrupts,
    prepare,
    save_checkpoint,
    write_results,
)
from edgelearn.runs.kind import Result, accuracy_percent
from edgelearn.runs.spiking_data import Shown, open_shown
from edgelearn.spiking.learner import SpikingLearner
from edgelearn.spiking.network import CONTRACT as SPIKING_CONTRACT
from edgelearn.spiking.network import SpikingSpec, design
from edgelearn.spiking.tables import STEP
from edgelearn.spiking.training import BLOCK_BYTES, Samples, predict, train
from hw_models.processor import Core
from hw_models.spiking_cost import find_core, spiking_as_dict

DEFAULT_HIDDEN = 64
DIGITS_ACTIVITY = 16.0  # input spikes of a step for which `design` draws its weights
COUNTED = (  # of a population, per sample
    "spikes",
    "synaptic_operations",
    "neuron_updates",
    "trace_updates",
    "weight_read",
    "weight_write",
    "feedback_read",
)
OF_THE_GRAPH = ("net", "neuron", "reset", "threshold", "leak", "delay")  # settings that a NIR graph brings


@dataclass
class SpikingProgress:
    """Where a run stands: epochs done, samples of the next one, and the test accuracy after each epoch, percent."""

    epoch: int = 0
    position: int = 0
    accuracies: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class SpikingRun:
    """What a run gave.

    Parameters
    ----------
    first, learner : before and after learning
    """

    report: Result
    shown: Shown
    first: SpikingLearner
    learner: SpikingLearner

    def plot(self, path: Path) -> None:
        """Draw the first test sample and the weights before and after learning; see `plot_spiking`."""
        from edgelearn.reports.plots.spiking import plot_spiking

        data = self.shown
        samples = data.test if len(data.test.labels) else data.train
        learners = (self.first, self.learner)
        plot_spiking(data.name, data.class_names, samples, data.presentation, learners, path)


def network_of(config: SpikingConfig, shown: Shown) -> SpikingSpec:
    """Derive the network of a configuration; initial weights are scaled so that what arrives fits the thresholds.

    Raises
    ------
    UserError
        "net ... does not fit ..." and those of `design`
    """
    n_in, n_out = shown.train.n_inputs, len(shown.class_names)
    sizes = parse_net(config.net) if config.net is not None else (n_in, DEFAULT_HIDDEN, n_out)
    if sizes[0] != n_in or sizes[-1] != n_out:
        example = "-".join(str(n) for n in (n_in, *sizes[1:-1], n_out))
        raise UserError(
            f"net '{config.net}' does not fit {shown.name}: {n_in} inputs and {n_out} classes; try --net {example}"
        )
    if len(sizes) == 2:
        for name in ("threshold", "refractory", "hidden_shift"):
            if getattr(config, name) is not None:
                raise UserError(f"{name} is of hidden neurons, and net '{config.net}' has none; leave it out")
    spec = design(sizes, config.rule, config.bits, config.rounding or "stochastic", config.seed, code=shown.code)
    scale = min((DIGITS_ACTIVITY / max(_activity(shown), 0.01)) ** 0.5, 4.0)
    last = len(spec.synapses) - 1
    given = {"model": config.neuron, "reset": config.reset, "leak": config.leak, "gate_on": config.gate_on}
    of_hidden = {"threshold": config.threshold, "refractory": config.refractory}
    neurons = tuple(_changed(one, given | (of_hidden if p < last else {})) for p, one in enumerate(spec.neurons))
    changes: dict[str, Any] = {
        "spreads": [one.spread * (1.0 if p else scale) for p, one in enumerate(spec.synapses)],
        "shifts": _shifts(config, spec),
        "delays": [config.delay or 1] * (last + 1),
        "neurons": neurons,
    }
    return design(sizes, config.rule, config.bits, spec.rounding, config.seed, code=shown.code, **changes)


def _changed(one: Any, given: dict[str, Any]) -> Any:
    return replace(one, **{name: value for name, value in given.items() if value is not None})


def _shifts(config: SpikingConfig, spec: SpikingSpec) -> list[int]:
    """Return the learning shifts, those of the rule where none are given."""
    *hidden, output = (one.shift for one in spec.synapses)
    shifts = hidden if config.hidden_shift is None else [config.hidden_shift] * len(hidden)
    return [*shifts, output if config.output_shift is None else config.output_shift]


def _activity(shown: Shown) -> float:
    """Return input spikes of a step, of the first samples."""
    steps = shown.presentation.steps
    few = max(1, min(50, BLOCK_BYTES // (steps * shown.train.n_inputs)))
    first = np.arange(min(few, len(shown.train.labels)))
    return float(shown.train.spikes(first, steps, np.random.default_rng(0)).sum(2).mean())


def start_learner(config: SpikingConfig, shown: Shown) -> tuple[SpikingLearner, tuple[str, ...]]:
    """Return the learner that a run starts with, drawn anew or from the NIR graph of `start`, and what that has lost.

    How a graph learns (rounding, gates, refractory steps, shifts) is as in its side file or as settings say.
    """
    if config.start is None:
        return SpikingLearner(network_of(config, shown)), ()
    from edgelearn.spiking.nir_graph import import_nir

    for name in OF_THE_GRAPH:
        if getattr(config, name) is not None:
            raise UserError(f"{name} is in the graph {config.start}; leave it out")
    found = import_nir(Path(config.start), True, config.bits, shown.step_s, config.rule, config.seed)
    learner, spec = found.learner, found.learner.spec
    ends = (shown.train.n_inputs, len(shown.class_names))
    if (spec.sizes[0], spec.sizes[-1]) != ends:
        raise UserError(
            f"{config.start} has {spec.sizes[0]} inputs and {spec.sizes[-1]} outputs; "
            f"{shown.name} has {ends[0]} inputs and {ends[1]} classes"
        )
    for name, given, own in (
        ("rule", find_rule(config.rule).name, spec.rule.name),
        ("bits", config.bits, spec.bits),
    ):
        if given != own:
            raise UserError(f"{config.start} is of {name} {own}; give --{name} {own}")
    *hidden, output = (_changed(one, {"gate_on": config.gate_on}) for one in spec.neurons)
    hidden = [_changed(one, {"refractory": config.refractory}) for one in hidden]
    synapses = tuple(replace(one, shift=s) for one, s in zip(spec.synapses, _shifts(config, spec), strict=True))
    rounding = config.rounding or spec.rounding
    changed = SpikingLearner(replace(spec, neurons=(*hidden, output), synapses=synapses, rounding=rounding))
    changed.weights[:], changed.feedback[:] = learner.weights, learner.feedback
    changed.net[STEP] = learner.net[STEP]
    return changed, found.losses


def run_spiking(
    config: SpikingConfig,
    out: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: Callable[[SpikingProgress, int], None] = lambda progress, n_train: None,
) -> SpikingRun:
    """Learn a data set as spikes and report what it cost.

    Parameters
    ----------
    out : folder for report.json, config.toml, weights.npz, and the checkpoint of an interrupted run
    resume : continue from the checkpoint in `out`; the result is the same as that of an uninterrupted run
    overwrite : replace the results of another configuration in `out`
    on_progress : called after every block with the progress and the number of training samples

    Raises
    ------
    UserError
        For anything the user can mend.
    Interrupted
        After Ctrl-C, when the checkpoint is written.
    """
    core = find_core(config.processor)
    content = finished(out, config) if out is not None and resume else None
    shown = open_shown(config)
    first, losses = start_learner(config, shown)
    learner = first.copy()
    if content is not None and out is not None:
        words, note = read_arrays(out / WEIGHTS)
        learner.weights[:], learner.feedback[:] = words["weights"], words["feedback"]
        learner.net[STEP] = note["step"]
        return SpikingRun(Result(content), shown, first, learner)
    identity = {
        "contract": SPIKING_CONTRACT,
        "samples": _digest(shown.train, shown.test),
        "network": digest(first.table, first.net, first.weights, first.feedback),
    }
    progress = SpikingProgress()
    inferred = learner.copy()
    checkpoint = prepare(out, config, identity, resume, overwrite) if out is not None else None
    if checkpoint is not None:
        learner.restore(checkpoint[0])
        inferred.counters[:] = checkpoint[0]["inference_counters"]
        progress = SpikingProgress(**checkpoint[1]["progress"])
    n_train, started_at = len(shown.train.labels), time.monotonic()
    saved_at = started_at

    def test() -> None:
        counters = inferred.counters.copy()
        inferred.restore(learner.state())
        inferred.counters[:] = counters
        if len(shown.test.labels):
            right = predict(inferred, shown.test, shown.presentation) == shown.test.labels
            progress.accuracies.append(round(100 * float(right.mean()), 4))

    def state() -> dict[str, np.ndarray]:
        return learner.state() | {"inference_counters": inferred.counters}

    with noted_interrupts() as interrupts:

        def after_block(epoch: int, position: int) -> None:
            nonlocal saved_at
            progress.epoch, progress.position = epoch, position
            if position == n_train:
                test()
                progress.epoch, progress.position = epoch + 1, 0
            on_progress(progress, n_train)
            note = identity | {"progress": asdict(progress)}
            now = time.monotonic()
            if interrupts:
                raise Interrupted(leave(out, config, state, note, now - started_at))
            if out is not None and now - saved_at > CHECKPOINT_SECONDS:
                save_checkpoint(out, config, state(), note)
                saved_at = now

        if config.epochs == 0:
            test()
            if interrupts:
                raise Interrupted(None)
        done = (progress.epoch, progress.position)
        train(learner, shown.train, shown.presentation, config.epochs, config.seed, done, after_block)
    report = _report(config, shown, learner, inferred, progress, core, (*shown.notes, *losses))
    if out is not None:
        words = {"weights": learner.weights, "feedback": learner.feedback}
        note = {"net": list(learner.spec.sizes), "bits": learner.spec.bits, "step": int(learner.net[STEP])}
        write_results(out, words, note, report.to_json())
    return SpikingRun(report, shown, first, learner)


def _digest(*parts: Samples) -> str:
    """Return what tells samples from others."""
    arrays = [value for part in parts for value in vars(part).values() if isinstance(value, np.ndarray)]
    return digest(*arrays)


def _report(
    config: SpikingConfig,
    shown: Shown,
    learner: SpikingLearner,
    inferred: SpikingLearner,
    progress: SpikingProgress,
    core: Core,
    notes: tuple[str, ...],
) -> Result:
    spec, steps = learner.spec, shown.presentation.steps
    learned, tested = (one.counted("steps") // steps for one in (learner, inferred))
    cost = spiking_as_dict(
        (learner.counts(), learned) if learned else None,
        (inferred.counts(), tested) if tested else None,
        {"training": spec.held_bits(), "inference": spec.held_bits(learning=False)},
        core,
    )
    result = {
        "accuracy": progress.accuracies[-1] / 100 if progress.accuracies else None,
        "test_accuracy_percent_by_epoch": progress.accuracies,
        "samples_learned": learned,
    }
    content = {
        "edgelearn": __version__,
        "contract": SPIKING_CONTRACT,
        "config": config.model_dump(mode="json"),
        "data": {
            "name": shown.name,
            "source": shown.source,
            "code": shown.code,
            "inputs": shown.train.n_inputs,
            "classes": list(shown.class_names),
            "train_samples": len(shown.train.labels),
            "test_samples": len(shown.test.labels),
        },
        "network": spec.as_dict(),
        "presentation": asdict(shown.presentation),
        "result": result,
        "accuracy_percent": accuracy_percent(result),
        "notes": list(notes),
        "populations": by_population(learner if learned else inferred, steps),
        "cost": cost,
        "counters": {"learning": learner.counters_by_name(), "inference": inferred.counters_by_name()},
    }
    return Result(content)


def by_population(learner: SpikingLearner, steps: int) -> list[dict[str, Any]]:
    """Return what a sample does in each population, from the counters of the learner."""
    samples = max(learner.counted("steps") // steps, 1)
    rows = []
    for p, size in enumerate(learner.spec.sizes):
        row: dict[str, Any] = {"population": p, "neurons": size}
        for name in COUNTED:
            row[name] = round(learner.counted(name, p) / samples, 4)
        row["spikes_of_a_neuron_percent"] = round(100 * row["spikes"] / size / steps, 4)
        for name in ("saturations", "membrane_saturations", "trace_saturations"):
            row[name] = learner.counted(name, p)
        rows.append(row)
    return rows
