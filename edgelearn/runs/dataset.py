"""run(config) -> Report: data, encoder, network, learner, curve, counters, report."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn import __version__
from edgelearn.config import DataSettings, RateSettings, RunConfig, StreamConfig, make_config, validated
from edgelearn.data.dataset import Dataset
from edgelearn.data.datasets import open_dataset
from edgelearn.errors import UserError
from edgelearn.network.counters import ACTIVITY, Counters
from edgelearn.network.encoding import encode_levels
from edgelearn.network.kernels.tables import COUNTERS
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec, design, parse_net
from edgelearn.reports.dataset import Report
from edgelearn.runs.checkpoint import (
    CHECKPOINT_SECONDS,
    CONTRACT,
    REPORT,
    Interrupted,
    digest,
    finished,
    leave,
    noted_interrupts,
    prepare,
    save_checkpoint,
    write_results,
)
from edgelearn.runs.epochs import Progress, train
from hw_models.compare.rules import RuleCost as RuleCost
from hw_models.compare.rules import as_dict, cost_of_rule
from hw_models.cost_model import price
from hw_models.engine.schedule import assume
from hw_models.processor import find_processor

DEFAULT_HIDDEN = 100


def load_data(config: DataSettings) -> Dataset:
    """Open the data set of a configuration, reduced to its `classes`; validation samples take the place of tests."""
    data = open_dataset(config.data, label_column=config.label_column, test_fraction=config.test_fraction, limit=None)
    if config.classes is not None:
        data = _keep_classes(data, config.classes)
    if config.validation_fraction is not None:
        data = _hold_out(data, config.validation_fraction)
    if config.limit is not None:
        data = replace(data, train_x=data.train_x[: config.limit], train_y=data.train_y[: config.limit])
    return data


def _keep_classes(data: Dataset, classes: tuple[str, ...]) -> Dataset:
    """Keep some classes, named as in the data, and relabel them in the order given."""
    for name in classes:
        if name not in data.class_names:
            raise UserError(f"class '{name}' is not in {data.name}; it has {', '.join(data.class_names)}")
    table = np.full(data.n_classes, -1)
    table[[data.class_names.index(name) for name in classes]] = np.arange(len(classes))
    parts: dict[str, Any] = {"class_names": classes}
    for part in ("train", "test"):
        y = table[getattr(data, f"{part}_y")]
        parts[f"{part}_x"], parts[f"{part}_y"] = getattr(data, f"{part}_x")[y >= 0], y[y >= 0].astype(np.int64)
    return replace(data, **parts)


def _hold_out(data: Dataset, fraction: float) -> Dataset:
    """Test on a share of the training samples, the same ones for every seed, and never on the test samples."""
    n = len(data.train_y)
    n_held = round(fraction * n)
    if not 0 < n_held < n:
        raise UserError(
            f"setting 'validation_fraction' = {fraction} leaves {n - n_held} of {n} training samples; "
            "give more data or another fraction"
        )
    order = np.random.default_rng([0, 4]).permutation(n)
    kept, held = np.sort(order[:-n_held]), np.sort(order[-n_held:])
    x, y = data.train_x, data.train_y
    return replace(data, train_x=x[kept], train_y=y[kept], test_x=x[held], test_y=y[held])


@dataclass(frozen=True, eq=False)
class Encoded:
    """A data set and its levels, which many runs may share.

    Parameters
    ----------
    levels, test_levels : uint8[n, n_features]
    """

    data: Dataset
    levels: np.ndarray
    test_levels: np.ndarray

    @cached_property
    def digest(self) -> str:
        return digest(self.levels, self.data.train_y, self.test_levels, self.data.test_y)


def encode_data(config: RunConfig) -> Encoded:
    """Open the data set of a configuration as input levels."""
    data = load_data(config)
    levels, test_levels = (
        encode_levels(x, data.low, data.high, config.input_bits) for x in (data.train_x, data.test_x)
    )
    return Encoded(data, levels, test_levels)


def design_for(config: RunConfig, data: Dataset) -> NetworkSpec:
    """Derive the network of a configuration; its shape must fit the data.

    Raises
    ------
    UserError
        "net ... does not fit ..."
    """
    if config.net is None:
        sizes: tuple[int, ...] = (data.n_features, DEFAULT_HIDDEN, data.n_classes)
    else:
        sizes = parse_net(config.net)
    outputs = (1, 2) if data.n_classes == 2 else (data.n_classes,)
    if sizes[0] != data.n_features or sizes[-1] not in outputs:
        example = "-".join(str(n) for n in (data.n_features, *(sizes[1:-1] or ()), data.n_classes))
        raise UserError(
            f"net '{'-'.join(str(n) for n in sizes)}' does not fit {data.name}: {data.n_features} features and "
            f"{data.n_classes} classes; try --net {example}"
        )
    return spec_of(config, sizes)


def spec_of(config: RateSettings, sizes: Sequence[int], signed_inputs: bool = False) -> NetworkSpec:
    """Derive the network of a configuration for layer sizes, whatever the data."""
    return design(
        sizes,
        config.rule,
        config.bits,
        config.rounding,
        config.residual_bits,
        config.input_bits,
        config.activation,
        config.output,
        config.feedback,
        config.hidden_rate,
        config.output_rate,
        config.range_exponent,
        config.event_threshold,
        config.dead_zone,
        config.accumulator_bits,
        config.seed,
        config.update_gate,
        config.margin,
        signed_inputs,
    )


def run(
    config: RunConfig,
    out: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: Callable[[Progress, int], None] = lambda progress, n_train: None,
    encoded: Encoded | None = None,
) -> Report:
    """Learn a data set online and report what it cost.

    Parameters
    ----------
    out : folder for report.json, config.toml, weights.npz, and the checkpoint of an interrupted run
    resume : continue from the checkpoint in `out`; the result is the same as that of an uninterrupted run
    overwrite : replace the results of another configuration in `out`
    on_progress : called after every chunk with the progress and the number of training samples
    encoded : what `encode_data(config)` gives, where it is there already

    Raises
    ------
    UserError
        For anything the user can mend.
    Interrupted
        After Ctrl-C, when the checkpoint is written.
    """
    content = finished(out, config) if out is not None and resume else None
    if content is not None:
        return Report(content)
    processor = find_processor(config.processor)
    if encoded is None:
        encoded = encode_data(config)
    data, levels, test_levels = encoded.data, encoded.levels, encoded.test_levels
    spec = design_for(config, data)
    price(spec, assume(spec), processor)  # a network that does not fit is refused before it learns
    learner = Learner(spec, config.strict)
    identity = {"contract": CONTRACT, "samples": encoded.digest}
    progress = Progress()
    checkpoint = prepare(out, config, identity, resume, overwrite) if out is not None else None
    if checkpoint is not None:
        learner.restore(checkpoint[0])
        progress = _progress(checkpoint[1]["progress"])
    started_at = saved_at = time.monotonic()

    with noted_interrupts() as interrupts:

        def after_chunk(progress: Progress) -> None:
            nonlocal saved_at
            now = time.monotonic()
            note = identity | {"progress": asdict(progress)}
            if interrupts:
                raise Interrupted(leave(out, config, learner.save, note, now - started_at))
            if out is not None and now - saved_at > CHECKPOINT_SECONDS:
                save_checkpoint(out, config, learner.save(), note)
                saved_at = now
            on_progress(progress, len(levels))

        train(
            learner,
            (levels, data.train_y),
            (test_levels, data.test_y),
            config.epochs,
            config.halve_every,
            config.seed,
            progress,
            after_chunk,
        )
        cost = as_dict([cost_of_rule(spec, learner.counters, processor)])
        report = Report.of(config, spec, data, learner, progress, cost, __version__)
        if out is not None:
            note = {"net": list(spec.sizes), "bits": config.bits}
            write_results(out, learner.words(), note, report.to_json())
    return report


def _progress(saved: dict[str, Any]) -> Progress:
    return Progress(**saved | {"curve": [(errors, samples) for errors, samples in saved["curve"]]})


def cost_of(spec: NetworkSpec, counters: Counters, processor: str) -> RuleCost:
    """Price learned samples on a processor, by name or .toml file."""
    return cost_of_rule(spec, counters, find_processor(processor))


def assumed_costs(config: RunConfig, rules: Sequence[str], densities: dict[str, float]) -> list[RuleCost]:
    """Price rules on a network that nobody ran, from the fractions that are not zero (see `schedule.assume`)."""
    processor = find_processor(config.processor)
    sizes = parse_net(config.net or "64-100-10")
    costs = []
    for rule in rules:
        spec = spec_of(config.model_copy(update={"rule": rule}), sizes)
        costs.append(cost_of_rule(spec, assume(spec, **densities), processor))
    return costs


@dataclass(frozen=True)
class PricedRun:
    """The cost of a finished run and the accuracy it reached, in percent."""

    cost: RuleCost
    accuracy: float | None


def costs_of_runs(folders: Sequence[Path], processor: str) -> list[PricedRun]:
    """Price the counters of finished runs, on any processor; runs of one rule are told apart by their folders.

    Raises
    ------
    UserError
        "... holds no report ...", "... cannot be priced ...", "two runs are called ..."
    """
    read = [_read_report(folder) for folder in folders]
    found = find_processor(processor)
    rules = [spec.rule.name for spec, _, _ in read]
    names = [
        rule if rules.count(rule) == 1 else f"{rule} {(folder if folder.is_dir() else folder.parent).resolve().name}"
        for rule, folder in zip(rules, folders, strict=True)
    ]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"two runs are called '{name}'; give each run once, in a folder with a name of its own")
    return [
        PricedRun(cost_of_rule(spec, counters, found, name), accuracy)
        for (spec, counters, accuracy), name in zip(read, names, strict=True)
    ]


class _PricedElsewhere(Exception):
    """A report of a spiking network."""


def _read_report(folder: Path) -> tuple[NetworkSpec, Counters, float | None]:
    """Return network, learning counters and accuracy of a finished run."""
    path = folder / REPORT if folder.is_dir() else folder
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["config"].get("spiking"):
            raise _PricedElsewhere
        contract, settings, sizes = content["contract"], content["config"], content["network"]["sizes"]
        if "stream" in content:
            spec = spec_of(validated(StreamConfig, settings), sizes, settings["encoder"] == "signed")
        else:
            spec = spec_of(make_config(settings), sizes)
        table = content["counters"]["learning"]
        counters = Counters(np.array([table[name] for name in COUNTERS]).T)
        accuracy = _accuracy_percent(content["result"])
    except _PricedElsewhere:
        raise UserError(
            f"{path} is of a spiking network, which is priced in its report; "
            "for another core run it again with --processor NAME"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{path} holds no report of a finished run; give the folder that `edgelearn run --out` wrote"
        ) from None
    if contract != CONTRACT:
        raise UserError(
            f"{path} cannot be priced: it is of contract {contract}, this program of {CONTRACT}; run it again"
        )
    _check_activity(path, spec, counters)
    return spec, counters, accuracy


def _accuracy_percent(result: dict[str, Any]) -> float | None:
    """Return the accuracy on test samples, or before learning on a stream."""
    if "accuracy" in result:
        return None if result["accuracy"] is None else 100 * float(result["accuracy"])
    error = result["test_error_percent"]
    return None if error is None else 100 - float(error)


def _check_activity(path: Path, spec: NetworkSpec, counters: Counters) -> None:
    """Refuse counts that no run of the network can give."""
    if counters.table.dtype.kind != "i" or counters.table.shape != (len(spec.layers), len(COUNTERS)):
        raise UserError(f"{path} cannot be priced: its counters are no whole numbers, one a layer; run it again")
    samples = counters["samples"]
    n_in = np.array([layer.n_in for layer in spec.layers])
    n_out = np.array([layer.n_out for layer in spec.layers])
    most = {
        "samples": np.full_like(samples, samples[0]),
        "updates": samples,
        "input_events": n_in * samples,
        "active_neurons": n_out * samples,
        "update_pairs": n_in * n_out * samples,
    }
    for name in ACTIVITY:
        counts = counters[name]
        if (counts < 0).any() or (counts > most.get(name, counts)).any() or samples.min() < 1:
            given = ", ".join(str(count) for count in counts)
            raise UserError(f"{path} cannot be priced: its counter '{name}' cannot be {given}; run it again")
