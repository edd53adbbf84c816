"""Runs of a rate network on a data set, in epochs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from edgelearn import __version__
from edgelearn.config import DataSettings, RunConfig, validated
from edgelearn.data import datasets
from edgelearn.data.columns import roles_of
from edgelearn.data.dataset import Dataset, hold_out, keep_classes
from edgelearn.data.source import ColumnsUsed
from edgelearn.network.encoding import encode_levels
from edgelearn.network.learner import Learner
from edgelearn.network.spec import CONTRACT, NetworkSpec, parse_net
from edgelearn.reports.dataset import show
from edgelearn.runs import rates
from edgelearn.runs.checkpoint import Checkpoint, digest
from edgelearn.runs.epochs import Epochs
from edgelearn.runs.kind import Kind, Studied, accuracy_percent
from edgelearn.runs.rates import activity_as_dict, network_as_dict, spec_of
from hw_models.compare.rules import as_dict, cost_of_rule
from hw_models.engine.schedule import assume
from hw_models.processor import find_processor

DEFAULT_HIDDEN = 100


def load_data(config: DataSettings) -> Dataset:
    """Open the data set of a configuration, reduced to its `classes`; validation samples replace the test samples."""
    data = datasets.open_dataset(
        config.data,
        roles=roles_of(config),
        label_from=config.label_from,
        labels=config.labels,
        test_fraction=config.test_fraction,
    )
    if config.classes is not None:
        data = keep_classes(data, config.classes)
    if config.validation_fraction is not None:
        data = hold_out(data, config.validation_fraction)
    if config.limit is not None:
        data = replace(data, train_x=data.train_x[: config.limit], train_y=data.train_y[: config.limit])
    return data


@dataclass(frozen=True, eq=False)
class Encoded:
    """A data set with its input levels, which runs may share.

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
    derived = (data.n_features, DEFAULT_HIDDEN, rates.n_outputs_for(config, data.n_classes))
    sizes = derived if config.net is None else parse_net(config.net)
    rates.check_sizes(sizes, data.n_features, data.n_classes, data.name)
    return spec_of(config, sizes)


class DatasetWork(Epochs):
    """A rate network that learns a data set in epochs; the `Work` of this kind.

    Parameters
    ----------
    encoded : what `encode_data(config)` gives, where it is there already

    Raises
    ------
    UserError
        What data and network say; a network that does not fit the processor is refused before it learns.
    """

    live = False

    def __init__(self, config: RunConfig, encoded: Encoded | None = None) -> None:
        self.config, self.processor = config, find_processor(config.processor)
        self.encoded = encoded or encode_data(config)
        self.data = self.encoded.data
        self.spec = design_for(config, self.data)
        self._check_fit()
        train, test = (self.encoded.levels, self.data.train_y), (self.encoded.test_levels, self.data.test_y)
        learner = Learner(self.spec, config.strict)
        super().__init__(learner, train, test, config.epochs, config.halve_every, config.seed)

    def _check_fit(self) -> None:
        """Refuse a network that does not fit the processor."""
        self.processor.price(self.spec, assume(self.spec))

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"contract": CONTRACT, "samples": self.encoded.digest}

    def words(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        n = self.data.n_features
        ranges = {
            name: np.broadcast_to(np.asarray(getattr(self.data, name), np.float64), n) for name in ("low", "high")
        }
        inputs = {f"front_end.{name}": value for name, value in ranges.items()}
        note = rates.note_of(self.config, self.spec, columns_of(self.data), self.data.class_names)
        return self.learner.save() | inputs, note

    def content(self) -> dict[str, Any]:
        """Return what report.json holds."""
        return self.facts() | {"cost": as_dict([cost_of_rule(self.spec, self.learner.counters, self.processor)])}

    def facts(self) -> dict[str, Any]:
        """Return what report.json holds but for prices, which follow from it."""
        spec, data, place, learner = self.spec, self.data, self.place, self.learner
        n_test = len(data.test_y)
        errors = [round(100 * wrong / n_test, 4) for wrong in place.test_errors]
        result = {
            "test_error_percent": errors[-1] if errors else None,
            "test_error_percent_by_epoch": errors,
            "online_error_percent": [round(100 * wrong / n, 4) for wrong, n in place.curve],
            "samples_learned": learner.counters.n_samples,
        }
        return {
            "edgelearn": __version__,
            "contract": CONTRACT,
            "config": self.config.model_dump(mode="json"),
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
            "columns": columns_of(data).as_dict(),
            "baseline_accuracy_percent": baseline_percent(data.test_y),
            "notes": [
                *data.notes,
                *_notes_of_data(data, baseline_percent(data.test_y)),
                *rates.notes_on_outputs(self.config, spec),
                *_notes(spec, data, errors),
                *rates.width_notes(self.config, spec),
                *rates.notes_on_rule(self.config, spec, len(data.train_y)),
            ],
        } | activity_as_dict(spec, learner.counters, learner.inference_counters)


def columns_of(data: Dataset) -> ColumnsUsed:
    """State what the columns of a data set were taken for."""
    names = tuple(f"feature {number + 1}" for number in range(data.n_features))
    return data.columns or ColumnsUsed(names, label="class")


def baseline_percent(labels: np.ndarray) -> float | None:
    """Return the accuracy of always giving the most frequent class; None without samples."""
    return round(100 * float(np.bincount(labels).max()) / len(labels), 4) if len(labels) else None


WIDE = 20.0  # times the range of all but the 0.1 % at each end, from which few values set the range of an input


def _notes_of_data(data: Dataset, baseline: float | None) -> list[str]:
    """Return warnings on order and range of the samples."""
    notes = []
    if data.columns is not None and data.columns.time is not None and baseline is not None:
        notes.append(
            f"rows in the order of {data.columns.time} were shuffled before they were learned and tested, so that "
            "neighbours are in both parts; edgelearn stream learns them in order"
        )
    n = len(data.train_x)
    if data.train_x.dtype == np.float32 and n >= FEWEST_FOR_RANGE:
        few = max(n // 1000, 1)
        ordered = np.partition(data.train_x, (few, n - 1 - few), axis=0)
        low, high = ordered[few].astype(float), ordered[n - 1 - few].astype(float)
        wide = np.flatnonzero((np.ptp(data.train_x, axis=0) > WIDE * (high - low)) & (high > low))
        if len(wide):
            name, column = columns_of(data).inputs[wide[0]], data.train_x[:, wide[0]]
            more = f" and {len(wide) - 1} more" if len(wide) > 1 else ""
            notes.append(
                f"few values set the input range of {name}{more}: all others lie between {low[wide[0]]:.4g} and "
                f"{high[wide[0]]:.4g}, these reach from {column.min():.4g} to {column.max():.4g}; "
                "correct them or remove the rows"
            )
    return notes


FEWEST_FOR_RANGE = 50  # rows


def _notes(spec: NetworkSpec, data: Dataset, errors: list[float]) -> list[str]:
    """Return warnings for the report."""
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


class CellWork(DatasetWork):
    """A cell of a study: its record takes no prices from a report, as cells are priced on the processors of a plan."""

    def _check_fit(self) -> None:
        _check_fit_once(self.config.processor, replace(self.spec, seed=0))

    def content(self) -> dict[str, Any]:
        """Return what a record is made from."""
        return self.facts()


@lru_cache(maxsize=1024)
def _check_fit_once(processor: str, spec: NetworkSpec) -> None:
    """Refuse a network that does not fit a processor; whatever their seeds, cells of one network are checked once."""
    find_processor(processor).price(spec, assume(spec))


def open_cell(config: RunConfig, checkpoint: Checkpoint | None = None) -> CellWork:
    """Open a cell of a study; consecutive cells share encoded data."""
    return CellWork(config, encoded_for(config))


def encoded_for(config: RunConfig) -> Encoded:
    """Return the encoded data of a configuration; those of the last two are kept."""
    names = {"input_bits", *DataSettings.model_fields} - {"epochs"}
    return _encoded(json.dumps(config.model_dump(mode="json", include=names), sort_keys=True))


@lru_cache(maxsize=2)
def _encoded(settings: str) -> Encoded:
    return encode_data(validated(RunConfig, json.loads(settings)))


KIND = Kind(
    settings=RunConfig,
    title="a rate network",
    contract=CONTRACT,
    open=lambda config, checkpoint: DatasetWork(config),
    show=show,
    studied=Studied(
        rates=rates.RATES,
        layer_rates=rates.layer_rates,
        count_samples=lambda config: len(load_data(config).train_y),
        data_names=datasets.names,
        find_processor=find_processor,
        record=rates.record_of,
        price=rates.price_record,
        compared=lambda content: {"samples_learned": content["result"]["samples_learned"]} | rates.compared(content),
        counters=rates.COLUMNS,
        open=open_cell,
    ),
)
