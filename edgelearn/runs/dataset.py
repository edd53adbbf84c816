"""Runs of a rate network on a data set, in epochs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn import __version__
from edgelearn.config import DataSettings, RunConfig
from edgelearn.data.dataset import Dataset
from edgelearn.data.datasets import open_dataset
from edgelearn.errors import UserError
from edgelearn.network.encoding import encode_levels
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec, parse_net
from edgelearn.runs.checkpoint import (
    CHECKPOINT_SECONDS,
    CONTRACT,
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
from edgelearn.runs.kind import Result, accuracy_percent
from edgelearn.runs.rates import activity_as_dict, network_as_dict, spec_of
from hw_models.compare.rules import RuleCost as RuleCost
from hw_models.compare.rules import as_dict, cost_of_rule
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


def run(
    config: RunConfig,
    out: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: Callable[[Progress, int], None] = lambda progress, n_train: None,
    encoded: Encoded | None = None,
) -> Result:
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
        return Result(content)
    processor = find_processor(config.processor)
    if encoded is None:
        encoded = encode_data(config)
    data, levels, test_levels = encoded.data, encoded.levels, encoded.test_levels
    spec = design_for(config, data)
    processor.price(spec, assume(spec))  # a network that does not fit is refused before it learns
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
        report = Result(_content(config, spec, data, learner, progress, cost))
        if out is not None:
            note = {"net": list(spec.sizes), "bits": config.bits}
            write_results(out, learner.words(), note, report.to_json())
    return report


def _progress(saved: dict[str, Any]) -> Progress:
    return Progress(**saved | {"curve": [(errors, samples) for errors, samples in saved["curve"]]})


def _content(
    config: RunConfig,
    spec: NetworkSpec,
    data: Dataset,
    learner: Learner,
    progress: Progress,
    cost: dict[str, Any],
) -> dict[str, Any]:
    """Return the report of a finished run; `cost` is what the cost model makes of its counters."""
    n_test = len(data.test_y)
    errors = [round(100 * wrong / n_test, 4) for wrong in progress.test_errors] if n_test else []
    result = {
        "test_error_percent": errors[-1] if errors else None,
        "test_error_percent_by_epoch": errors,
        "online_error_percent": [round(100 * wrong / n, 4) for wrong, n in progress.curve],
        "samples_learned": learner.counters.n_samples,
    }
    return {
        "edgelearn": __version__,
        "contract": CONTRACT,
        "config": config.model_dump(mode="json"),
        "data": {
            "name": data.name,
            "source": data.source,
            "features": data.n_features,
            "classes": list(data.class_names),
            "train_samples": len(data.train_y),
            "test_samples": n_test,
        },
        "network": network_as_dict(spec),
        "result": result,
        "accuracy_percent": accuracy_percent(result),
        "notes": _notes(spec, data, errors),
        "cost": cost,
    } | activity_as_dict(spec, learner.counters, learner.inference_counters)


def _notes(spec: NetworkSpec, data: Dataset, errors: list[float]) -> list[str]:
    """Say what a user would otherwise have to find out."""
    notes = []
    if errors:
        guess = 100 - 100 * float(np.bincount(data.test_y).max()) / len(data.test_y)
        if errors[-1] >= guess:
            notes.append(f"no better than always giving the most frequent class, an error of {guess:.2f} %")
    if spec.rule.selects_row and spec.n_outputs == 1 and len(spec.layers) > 1:
        notes.append(
            f"with one output {spec.rule.name} teaches hidden layers on label 1 only; two outputs teach on both"
        )
    return notes
