"""run_spiking(config) -> SpikingRun: samples as spikes, a network, epochs, tests, a price, a report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn import __version__
from edgelearn.checkpoint import (
    CHECKPOINT_SECONDS,
    CONTRACT,
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
from edgelearn.config import SpikingConfig
from edgelearn.errors import UserError
from edgelearn.files import read_arrays
from edgelearn.network import parse_net
from edgelearn.spiking.learner import SpikingLearner
from edgelearn.spiking.network import Neuron, SpikingSpec, design
from edgelearn.spiking.training import Samples, predict, train
from edgelearn.spiking_data import Shown, open_shown
from edgelearn.spiking_report import SpikingReport, by_population
from hw_models.spiking_cost import find_core, spiking_as_dict

DEFAULT_HIDDEN = 64
DIGITS_ACTIVITY = 16.0  # input spikes of a step for which `design` draws its weights
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

    report: SpikingReport
    shown: Shown
    first: SpikingLearner
    learner: SpikingLearner


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
    spec = design(sizes, config.rule, config.bits, config.rounding, config.seed, code=shown.code)
    scale = min((DIGITS_ACTIVITY / max(_activity(shown), 0.01)) ** 0.5, 4.0)
    synapses = list(spec.synapses)
    for p, one in enumerate(synapses):
        hidden = p < len(synapses) - 1
        shift = config.hidden_shift if hidden else config.output_shift
        synapses[p] = replace(
            one,
            spread=one.spread * (scale if p == 0 else 1.0),
            shift=one.shift if shift is None else shift,
            delay=config.delay,
        )
    common = {"model": config.neuron, "reset": config.reset, "leak": config.leak, "gate_on": config.gate_on}
    own = {"refractory": config.refractory}
    if config.threshold is not None:
        own["threshold"] = config.threshold
    neurons = [_changed(one, common | (own if p < len(synapses) - 1 else {})) for p, one in enumerate(spec.neurons)]
    delays = [one.delay for one in synapses]
    shifts, spreads = [one.shift for one in synapses], [one.spread for one in synapses]
    changes: dict[str, Any] = {"delays": delays, "shifts": shifts, "spreads": spreads, "code": shown.code}
    checked = design(sizes, config.rule, config.bits, config.rounding, config.seed, **changes)
    return replace(checked, neurons=tuple(neurons))


def _changed(neuron: Neuron, changes: dict[str, Any]) -> Neuron:
    return replace(neuron, **changes)


def _activity(shown: Shown) -> float:
    """Return input spikes of a step, of the first samples."""
    steps = shown.presentation.steps
    first = np.arange(min(50, len(shown.train.labels)))
    return float(shown.train.spikes(first, steps, np.random.default_rng(0)).sum(2).mean())


def start_learner(config: SpikingConfig, shown: Shown) -> SpikingLearner:
    """Return the learner that a run starts with: drawn anew, or the NIR graph of `start`."""
    if config.start is None:
        return SpikingLearner(network_of(config, shown))
    from edgelearn.spiking.nir_graph import import_nir

    for name in OF_THE_GRAPH:
        if getattr(config, name) != SpikingConfig.model_fields[name].default:
            raise UserError(f"{name} is in the graph {config.start}; leave it out")
    found = import_nir(Path(config.start), bits=config.bits, rule=config.rule, seed=config.seed)
    spec = found.learner.spec
    ends = (shown.train.n_inputs, len(shown.class_names))
    if (spec.sizes[0], spec.sizes[-1]) != ends:
        raise UserError(
            f"{config.start} has {spec.sizes[0]} inputs and {spec.sizes[-1]} outputs; "
            f"{shown.name} has {ends[0]} inputs and {ends[1]} classes"
        )
    for name, given in (("rule", spec.rule.name), ("bits", spec.bits)):
        if given != getattr(config, name):
            raise UserError(f"{config.start} is of {name} {given}; give --{name} {given}")
    return found.learner


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
    first = start_learner(config, shown)
    learner = first.copy()
    if content is not None and out is not None:
        words, _ = read_arrays(out / WEIGHTS)
        learner.weights[:] = words["weights"]
        return SpikingRun(SpikingReport(content), shown, first, learner)
    identity = {"contract": CONTRACT, "samples": _digest(shown.train, shown.test)}
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

        if config.epochs == 0 and not progress.accuracies:
            test()
        done = (progress.epoch, progress.position)
        train(learner, shown.train, shown.presentation, config.epochs, config.seed, done, after_block)
    report = _report(config, shown, learner, inferred, progress, core)
    if out is not None:
        words = {"weights": learner.weights, "feedback": learner.feedback}
        write_results(out, words, {"net": list(learner.spec.sizes), "bits": learner.spec.bits}, report.to_json())
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
    core: Any,
) -> SpikingReport:
    spec, steps = learner.spec, shown.presentation.steps
    learned, tested = (one.counted("steps") // steps for one in (learner, inferred))
    cost = spiking_as_dict(
        (learner.counts(), learned) if learned else None,
        (inferred.counts(), tested) if tested else None,
        {"training": spec.held_bits(), "inference": spec.held_bits(learning=False)},
        core,
    )
    content = {
        "edgelearn": __version__,
        "contract": CONTRACT,
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
        "result": {
            "accuracy": progress.accuracies[-1] / 100 if progress.accuracies else None,
            "test_accuracy_percent_by_epoch": progress.accuracies,
            "samples_learned": learned,
        },
        "populations": by_population(learner if learned else inferred, steps),
        "cost": cost,
        "counters": {"learning": learner.counters_by_name(), "inference": inferred.counters_by_name()},
    }
    return SpikingReport(content)
