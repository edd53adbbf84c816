"""Runs of a spiking network, in epochs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn import __version__
from edgelearn.config import SpikingConfig
from edgelearn.data.events import EVENT_SETS
from edgelearn.data.open_source import stream_names
from edgelearn.errors import UserError
from edgelearn.files import read_arrays
from edgelearn.network.spec import parse_net
from edgelearn.reports.spiking import show
from edgelearn.rules.catalog import find_rule
from edgelearn.runs.checkpoint import WEIGHTS, digest
from edgelearn.runs.kind import Kind, Progress, Result, Studied, accuracy_percent, drive
from edgelearn.runs.rates import DRY_NET, prices
from edgelearn.runs.spiking_data import SpikingData, check_code, open_spiking_data
from edgelearn.spiking.learner import Raster, SpikingLearner
from edgelearn.spiking.network import CONTRACT, SpikingSpec, design
from edgelearn.spiking.tables import STEP
from edgelearn.spiking.training import BLOCK_BYTES, Samples, predict, training_blocks
from hw_models.cost import Cost
from hw_models.spiking_cost import find_core, price_spikes, spiking_as_dict

DEFAULT_HIDDEN = 64
DIGITS_ACTIVITY = 16.0  # input spikes of a step for which `design` draws its weights
OF_THE_GRAPH = ("net", "neuron", "threshold", "leak", "delay")  # settings that a NIR graph defines
COUNTED = (  # of a population, per sample
    "spikes",
    "synaptic_operations",
    "neuron_updates",
    "trace_updates",
    "weight_read",
    "weight_write",
    "feedback_read",
)
BIAS_BITS, HIGHEST_THRESHOLD = 16, 32767
CUT = ("saturations", "membrane_saturations", "trace_saturations")
COLUMNS = {  # of a study, and the counter of each
    "weight_reads": "weight_read",
    "weight_writes": "weight_write",
    "feedback_reads": "feedback_read",
    "events": "spikes",
}


def network_of(config: SpikingConfig, data: SpikingData) -> SpikingSpec:
    """Derive the network of a configuration; initial weights are scaled to the activity of the inputs.

    Raises
    ------
    UserError
        "net ... does not fit ..." and those of `design`
    """
    n_in, n_out = data.train.n_inputs, len(data.class_names)
    sizes = parse_net(config.net, "a spiking network") if config.net is not None else (n_in, DEFAULT_HIDDEN, n_out)
    if sizes[0] != n_in or sizes[-1] != n_out:
        example = "-".join(str(n) for n in (n_in, *sizes[1:-1], n_out))
        raise UserError(
            f"net '{config.net}' does not fit {data.name}: {n_in} inputs and {n_out} classes; try --net {example}"
        )
    if len(sizes) == 2:
        for name in ("threshold", "refractory", "hidden_shift"):
            if getattr(config, name) is not None:
                raise UserError(f"{name} is of hidden neurons, and net '{config.net}' has none; leave it out")
    spec = design(sizes, config.rule, config.bits, config.rounding or "stochastic", config.seed, code=data.code)
    scale = min((DIGITS_ACTIVITY / max(_activity(data), 0.01)) ** 0.5, 4.0)
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
    return design(sizes, config.rule, config.bits, spec.rounding, config.seed, code=data.code, **changes)


def _changed(one: Any, given: dict[str, Any]) -> Any:
    return replace(one, **{name: value for name, value in given.items() if value is not None})


def _shifts(config: SpikingConfig, spec: SpikingSpec) -> list[int]:
    """Return the learning shifts, by default those of the rule."""
    *hidden, output = (one.shift for one in spec.synapses)
    shifts = hidden if config.hidden_shift is None else [config.hidden_shift] * len(hidden)
    return [*shifts, output if config.output_shift is None else config.output_shift]


def _activity(data: SpikingData) -> float:
    """Return the mean number of input spikes per step, over the first samples."""
    steps = data.presentation.steps
    few = max(1, min(50, BLOCK_BYTES // (steps * data.train.n_inputs)))
    first = np.arange(min(few, len(data.train.labels)))
    return float(data.train.spikes(first, steps, np.random.default_rng(0)).sum(2).mean())


def start_learner(config: SpikingConfig, data: SpikingData) -> tuple[SpikingLearner, tuple[str, ...]]:
    """Return the initial learner, random or from the NIR graph `start`, and notes on what the import lost.

    How a graph learns (rounding, gates, refractory steps, shifts) is as in its side file or as settings say.
    """
    if config.start is None:
        return SpikingLearner(network_of(config, data)), ()
    from edgelearn.spiking.nir_graph import import_nir

    for name in OF_THE_GRAPH:
        if getattr(config, name) is not None:
            raise UserError(f"{name} is in the graph {config.start}; leave it out")
    stated = None if config.step_time is None else data.step_s
    found = import_nir(Path(config.start), True, config.bits, stated, config.rule, config.seed, data.step_s)
    learner, spec = found.learner, found.learner.spec
    if found.is_exact and config.reset is not None:
        raise UserError(f"reset is in the side file of {config.start}; leave it out")
    ends = (data.train.n_inputs, len(data.class_names))
    if (spec.sizes[0], spec.sizes[-1]) != ends:
        raise UserError(
            f"{config.start} has {spec.sizes[0]} inputs and {spec.sizes[-1]} outputs; "
            f"{data.name} has {ends[0]} inputs and {ends[1]} classes"
        )
    for name, given, own in (
        ("rule", find_rule(config.rule).name, spec.rule.name),
        ("bits", config.bits, spec.bits),
    ):
        if given != own:
            raise UserError(f"{config.start} is of {name} {own}; give --{name} {own}")
    *hidden, output = (_changed(one, {"gate_on": config.gate_on}) for one in spec.neurons)
    hidden = [_changed(one, {"refractory": config.refractory, "reset": config.reset}) for one in hidden]
    output = _changed(output, {"reset": config.reset})
    synapses = tuple(replace(one, shift=s) for one, s in zip(spec.synapses, _shifts(config, spec), strict=True))
    rounding = config.rounding or spec.rounding
    changed = SpikingLearner(replace(spec, neurons=(*hidden, output), synapses=synapses, rounding=rounding))
    changed.weights[:], changed.feedback[:] = learner.weights, learner.feedback
    changed.net[STEP] = learner.net[STEP]
    changed.bias = learner.bias
    return changed, (*found.losses, *_unlike_steps(data, found.step_s))


def _unlike_steps(data: SpikingData, step_s: float | None) -> tuple[str, ...]:
    """Return a note where address events come in other steps than those of a graph."""
    if data.code != "events" or step_s is None or abs(step_s - data.step_s) <= 1e-3 * step_s:
        return ()
    graph, events = f"{1e3 * step_s:.4g} ms", f"{1e3 * data.step_s:.4g} ms"
    return (
        f"a step of the graph is {graph} and one of the events {events}: decays are kept per step; "
        f'--step-time "{graph}" gives events the steps of the graph',
    )


@dataclass
class Place:
    """Position in a run: epochs, samples of the current epoch, and test accuracy after each epoch in percent."""

    epoch: int = 0
    position: int = 0
    accuracies: list[float] = field(default_factory=list)


class SpikingWork:
    """A spiking network that learns in epochs, tested after each; the `Work` of this kind.

    Attributes
    ----------
    first, learner : before and after learning
    inferred : the learner that is tested, with counters of its own
    """

    live = False

    def __init__(self, config: SpikingConfig) -> None:
        self.config, self.core = config, find_core(config.processor)
        self.data = open_spiking_data(config)
        self.first, self._losses = start_learner(config, self.data)
        self.learner, self.inferred = self.first.copy(), self.first.copy()
        self.place = Place()
        self._n_train = len(self.data.train.labels)

    @property
    def identity(self) -> Mapping[str, Any]:
        first = self.first
        return {
            "contract": CONTRACT,
            "samples": _digest(self.data.train, self.data.test),
            "network": digest(first.table, first.net, first.weights, first.feedback, *([first.bias] * first.has_bias)),
        }

    def chunks(self) -> Iterator[Raster | None]:
        """Yield the remaining samples in blocks; None stands for the test of a run without epochs."""
        if self.config.epochs == 0 and not self.place.accuracies:
            yield None
        done = (self.place.epoch, self.place.position)
        presentation, config = self.data.presentation, self.config
        yield from training_blocks(self.data.train, presentation, config.epochs, config.seed, done)

    def advance(self, chunk: Raster | None) -> None:
        if chunk is None:
            self._test()
            return
        self.learner.advance(chunk)
        self.place.position += chunk.steps // self.data.presentation.steps
        if self.place.position == self._n_train:
            self._test()
            self.place.epoch, self.place.position = self.place.epoch + 1, 0

    def _test(self) -> None:
        counters = self.inferred.counters.copy()
        self.inferred.restore(self.learner.state())
        self.inferred.counters[:] = counters
        right = predict(self.inferred, self.data.test, self.data.presentation) == self.data.test.labels
        self.place.accuracies.append(round(100 * float(right.mean()), 4))

    def progress(self) -> Progress:
        place, epochs = self.place, self.config.epochs
        text = f"epoch {min(place.epoch + 1, epochs)}"
        if place.accuracies:
            text += f"  test accuracy {place.accuracies[-1]:.1f} %"
        return Progress(place.epoch * self._n_train + place.position, epochs * self._n_train, text)

    def state(self) -> dict[str, np.ndarray]:
        return self.learner.state() | {"inference_counters": self.inferred.counters}

    def note(self) -> dict[str, Any]:
        return {"progress": asdict(self.place)}

    def restore(self, arrays: dict[str, np.ndarray], note: dict[str, Any]) -> None:
        self.learner.restore(arrays)
        self.inferred.counters[:] = arrays["inference_counters"]
        self.place = Place(**note["progress"])

    def words(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        learner, spec = self.learner, self.learner.spec
        words: dict[str, np.ndarray] = {"weights": learner.weights, "feedback": learner.feedback}
        if learner.has_bias:
            words["bias"] = learner.bias
        return words, {"net": list(spec.sizes), "bits": spec.bits, "step": int(learner.net[STEP])}

    def content(self) -> dict[str, Any]:
        """Return what report.json holds."""
        data, learner, inferred, accuracies = self.data, self.learner, self.inferred, self.place.accuracies
        spec, steps = learner.spec, data.presentation.steps
        learned, tested = (one.counted("steps") // steps for one in (learner, inferred))
        result = {
            "accuracy": accuracies[-1] / 100 if accuracies else None,
            "test_accuracy_percent_by_epoch": accuracies,
            "samples_learned": learned,
        }
        return {
            "edgelearn": __version__,
            "contract": CONTRACT,
            "config": self.config.model_dump(mode="json"),
            "data": {
                "name": data.name,
                "source": data.source,
                "code": data.code,
                "inputs": data.train.n_inputs,
                "classes": list(data.class_names),
                "train_samples": self._n_train,
                "test_samples": len(data.test.labels),
            },
            "network": spec.as_dict(),
            "presentation": asdict(data.presentation),
            "result": result,
            "accuracy_percent": accuracy_percent(result),
            "columns": None if data.columns is None else data.columns.as_dict(),
            "notes": [*_silent(learner, inferred), *data.notes, *self._losses],
            "populations": by_population(learner if learned else inferred, steps),
            "cost": spiking_as_dict(
                (learner.counts(), learned) if learned else None,
                (inferred.counts(), tested) if tested else None,
                {"training": _memory(learner, True), "inference": _memory(learner, False)},
                self.core,
            ),
            "counters": {"learning": learner.counters_by_name(), "inference": inferred.counters_by_name()},
        }


def _silent(*learners: SpikingLearner) -> list[str]:
    """Return a note for the first population that never spiked, where one did not."""
    spec = learners[0].spec
    if not any(one.counted("steps") for one in learners):
        return []
    for p in range(len(spec.sizes)):
        if not any(one.counted("spikes", p) for one in learners):
            if p == 0:
                return ["NO SPIKE: no input spiked in any sample; check the data, and its step or delta"]
            if p == spec.last and spec.neurons[p - 1].threshold == HIGHEST_THRESHOLD:
                return []  # outputs that are read out
            what = "output" if p == spec.last else f"neuron of hidden population {p}"
            return [
                f"NO SPIKE: no {what} spiked in any sample (threshold {spec.neurons[p - 1].threshold}); check the "
                "scale of weights, inputs and threshold"
            ]
    return []


def _memory(learner: SpikingLearner, learning: bool) -> dict[str, int]:
    """Return bits of memory by role, those of biases with the weights."""
    bits = learner.spec.memory_bits(learning)
    bits["forward weights"] += BIAS_BITS * int(np.count_nonzero(learner.bias))
    return bits


def _digest(*parts: Samples) -> str:
    """Return a digest of samples."""
    arrays = [value for part in parts for value in vars(part).values() if isinstance(value, np.ndarray)]
    return digest(*arrays)


def by_population(learner: SpikingLearner, steps: int) -> list[dict[str, Any]]:
    """Return the activity per sample in each population, from the counters of the learner."""
    samples = max(learner.counted("steps") // steps, 1)
    rows = []
    for p, size in enumerate(learner.spec.sizes):
        row: dict[str, Any] = {"population": p, "neurons": size}
        for name in COUNTED:
            row[name] = round(learner.counted(name, p) / samples, 4)
        row["spikes_of_a_neuron_percent"] = round(100 * row["spikes"] / size / steps, 4)
        for name in CUT:
            row[name] = learner.counted(name, p)
        rows.append(row)
    return rows


@dataclass(frozen=True)
class SpikingOutcome:
    """Result of a run, its data, and the learner before (`first`) and after learning."""

    result: Result
    data: SpikingData
    first: SpikingLearner
    learner: SpikingLearner

    def plot(self, path: Path) -> None:
        """Draw the first test sample and the weights before and after learning; see `plot_spiking`."""
        from edgelearn.reports.plots.spiking import plot_spiking

        data, learners = self.data, (self.first, self.learner)
        plot_spiking(data.name, data.class_names, data.test, data.presentation, learners, path)


def run(
    config: SpikingConfig,
    out: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: Callable[[SpikingWork], None] = lambda work: None,
) -> SpikingOutcome:
    """Learn a data set as spikes and report what it cost; see `drive`."""
    work = SpikingWork(config)
    result = drive(KIND, config, out, resume, overwrite, on_progress, lambda config, checkpoint: work)
    learner = work.learner
    if out is not None:  # a finished run was not run again
        words, note = read_arrays(out / WEIGHTS)
        try:
            learner.weights[:], learner.feedback[:] = words["weights"], words["feedback"]
            learner.net[STEP] = note["step"]
        except (KeyError, ValueError, TypeError, OverflowError):
            raise UserError(f"{out / WEIGHTS} is not of these settings; start again with --overwrite") from None
    return SpikingOutcome(result, work.data, work.first, learner)


def layer_rates(config: SpikingConfig) -> list[int]:
    """Return the learning shift of each layer, of some network where the settings name none."""
    check_code(config)
    sizes = DRY_NET if config.net is None else parse_net(config.net, "a spiking network")
    rounding = config.rounding or "stochastic"
    spec = design(sizes, config.rule, config.bits, rounding, config.seed, code=config.code or "rate")
    shifts = _shifts(config, spec)
    design(sizes, config.rule, config.bits, rounding, config.seed, shifts=shifts)
    return shifts


def record_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of a report in a study."""
    parts = {name: content["cost"][part] for name, part in (("learning", "training"), ("inference", "inference"))}
    parts = {name: part for name, part in parts.items() if part is not None}
    held = {name: part["memory_bits"] for name, part in parts.items()}
    return {
        "accuracy_percent": content["accuracy_percent"],
        "samples_learned": content["result"]["samples_learned"],
        "sizes": list(content["network"]["sizes"]),
        "stored_bits": sum(held.get("learning", held.get("inference", {})).values()),
        "buffered_bits": None,
        "held": held,
        "samples": {name: part["samples"] for name, part in parts.items()},
        "counters": {name: content["counters"][name] for name in parts},
    }


def price_record(config: SpikingConfig, record: Mapping[str, Any], processor: str) -> tuple[Cost | None, Cost | None]:
    """Return the cost of a learned sample and of an inference, from the record of a study."""
    core = find_core(processor)

    def priced(part: str) -> Cost | None:
        if part not in record["counters"]:
            return None
        counts = {name: np.array(counts[1:]) for name, counts in record["counters"][part].items()}
        return price_spikes(counts, record["samples"][part], record["held"][part], core)

    return priced("learning"), priced("inference")


def compared(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results of a report for a comparison of runs."""
    rows = content["populations"]
    found = {"samples_learned": content["result"]["samples_learned"]}
    names = ("spikes", "synaptic_operations", "neuron_updates", "weight_read", "weight_write", "feedback_read")
    found |= {name: round(sum(row[name] for row in rows), 4) for name in names}
    found |= {name: sum(row[name] for row in rows) for name in CUT}
    for part in ("training", "inference"):
        found |= prices(part, content["cost"][part] or {})
    return found


KIND = Kind(
    settings=SpikingConfig,
    title="a spiking network",
    contract=CONTRACT,
    open=lambda config, checkpoint: SpikingWork(config),
    show=show,
    studied=Studied(
        rates=("hidden_shift", "output_shift"),
        layer_rates=layer_rates,
        count_samples=lambda config: len(open_spiking_data(config).train.labels),
        data_names=lambda: [*stream_names(), *EVENT_SETS],
        find_processor=find_core,
        record=record_of,
        price=price_record,
        compared=compared,
        counters=COLUMNS,
    ),
)
