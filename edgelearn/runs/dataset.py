"""Runs of a rate network on a data set, in epochs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from edgelearn import __version__
from edgelearn.config import DataSettings, RunConfig, validated
from edgelearn.data import datasets
from edgelearn.data.columns import roles_of
from edgelearn.data.dataset import Dataset, hold_out, keep_classes
from edgelearn.data.feature_files import described_by
from edgelearn.data.source import ColumnsUsed
from edgelearn.files import version_of
from edgelearn.network.graded import CLASSIFY
from edgelearn.network.learner import Learner
from edgelearn.network.prepared import PreparedLevels
from edgelearn.network.spec import CONTRACT, NetworkSpec
from edgelearn.reports.dataset import show
from edgelearn.runs import rates
from edgelearn.runs.checkpoint import Checkpoint, digest
from edgelearn.runs.converted import ConvertedFrontEnd
from edgelearn.runs.epochs import Epochs
from edgelearn.runs.kind import Kind, Studied, Work, accuracy_percent
from edgelearn.runs.levels import RangeFrontEnd
from edgelearn.runs.numbers import NumbersWork, refuse_graded
from edgelearn.runs.old_data import OldData, open_old_data
from edgelearn.runs.rates import activity_as_dict, network_as_dict, spec_of
from edgelearn.runs.scale import notes_on_scale
from edgelearn.runs.shapes import check_no_shape, check_samples, notes_on_maps, order_of, shape_of_data, topology_of
from edgelearn.runs.start import Start
from edgelearn.runs.start_facts import facts_of, notes_on_rates
from edgelearn.runs.start_facts import notes_of as notes_of_start
from edgelearn.runs.start_settings import start_of
from hw_models.compare.rules import as_dict, cost_of_rule
from hw_models.engine.schedule import assume
from hw_models.processor import find_processor

DEFAULT_HIDDEN = 100


def load_data(config: DataSettings) -> Dataset:
    """Open the data set of a configuration, reduced to its `classes`; validation samples replace the test samples."""
    refuse_graded(config)
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
    data : with the classes of the network
    levels, test_levels : uint8[n, n_features], int8 where signed
    start : network of the configuration that they were made for, None for random weights
    class_names : classes of the data as they were read
    """

    data: Dataset
    levels: np.ndarray
    test_levels: np.ndarray
    start: Start | None = None
    class_names: tuple[str, ...] = ()
    _prepared: dict[tuple[int, int], tuple[PreparedLevels, PreparedLevels]] = field(default_factory=dict, repr=False)

    def prepared(self, learner: Learner) -> tuple[PreparedLevels, PreparedLevels]:
        """Return the levels as learners of one range share them: checked once, and their events listed once."""
        key = learner.spec.input_range
        if key not in self._prepared:
            self._prepared[key] = learner.prepare(self.levels), learner.prepare(self.test_levels)
        return self._prepared[key]

    @cached_property
    def digest(self) -> str:
        return digest(self.levels, self.data.train_y, self.test_levels, self.data.test_y)


def encode_data(config: RunConfig) -> Encoded:
    """Open the data set of a configuration as input levels."""
    data = load_data(config)
    start, names = open_start(config, data), data.class_names
    if start is None:
        front_end = ranges_of(data, config.input_bits, order_of(config))
        return Encoded(data, front_end.encode(data.train_x), front_end.encode(data.test_x), None, names)
    levels, tests = (start.front_end.encode(features_of(data, x)) for x in (data.train_x, data.test_x))
    if start.classes is not None:
        outputs = start.classes.outputs
        parts = {name: outputs[getattr(data, name)] for name in ("train_y", "test_y")}
        data = replace(data, class_names=start.classes.names, **parts)
    return Encoded(data, levels, tests, start, names)


def ranges_of(data: Dataset, bits: int, order: np.ndarray | None = None) -> RangeFrontEnd:
    """Return the front end of a data set: levels over the range of its features, in the order of inputs."""
    front_end = RangeFrontEnd(data.n_features, bits, order)
    front_end.low, front_end.high = (
        np.array(np.broadcast_to(np.asarray(limit, np.float64), data.n_features)) for limit in (data.low, data.high)
    )
    return front_end


def features_of(data: Dataset, x: np.ndarray) -> np.ndarray:
    """Return features as a model takes them: with the offsets that were subtracted on reading."""
    offsets = () if data.columns is None else data.columns.offsets
    return x.astype(np.float64) + np.array(offsets) if offsets else x


def open_start(config: RunConfig, data: Dataset, class_names: tuple[str, ...] | None = None) -> Start | None:
    """Return the network that a configuration starts from, None for random weights.

    Parameters
    ----------
    class_names : of the data as they were read, where `data` has those of a network
    """
    x = features_of(data, data.train_x) if config.start is not None else None
    described = described_by(config.data) if config.start is not None else None
    start = start_of(config, x, class_names or data.class_names, described)
    if start is not None and config.convert and isinstance(start.front_end, ConvertedFrontEnd):
        first = start.front_end.stack.layers[0].geometry
        check_samples(config.data, (first.height, first.width, first.channels), str(config.start))
    return start


def design_for(config: RunConfig, data: Dataset, start: Start | None = None) -> NetworkSpec:
    """Derive the network of a configuration; its shape must fit the data.

    Raises
    ------
    UserError
        "net ... does not fit ..."
    """
    if start is not None:
        return spec_of(config, start.net or start.sizes, start.network)
    if config.net is None:
        check_no_shape(config)
        return spec_of(config, (data.n_features, DEFAULT_HIDDEN, rates.n_outputs_for(config, data.n_classes)))
    net = topology_of(config, config.data)
    shape = shape_of_data(config.data)
    rates.check_sizes(net.sizes, data.n_features, data.n_classes, data.name, topology=net, shape=shape)
    return spec_of(config, net if net.is_convolutional else net.sizes)


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
        self.start = self.encoded.start
        if encoded is not None and config.start is not None:  # words are of a configuration, levels are shared
            self.start = open_start(config, self.data, encoded.class_names)
        self.spec = design_for(config, self.data, self.start)
        self.old: OldData | None = None
        if self.start is not None and config.old is not None:
            self.old = open_old_data(config.old, self.start, config.label_column)
        self._check_fit()
        learner = Learner(self.spec, config.strict)
        levels, tests = (
            (self.encoded.levels, self.encoded.test_levels) if encoded is None else encoded.prepared(learner)
        )
        train, test = (levels, self.data.train_y), (tests, self.data.test_y)
        if self.start is not None:
            learner.put_words(self.start.words)
        super().__init__(learner, train, test, config.epochs, config.halve_every, config.seed)

    def _check_fit(self) -> None:
        """Refuse a network that does not fit the processor."""
        self.processor.price(self.spec, assume(self.spec))

    @property
    def identity(self) -> Mapping[str, Any]:
        found = {"contract": CONTRACT, "samples": self.encoded.digest}
        return found if self.start is None else found | {"start": self.start.digest}

    def words(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        front_end: Any = None if self.start is None else self.start.front_end
        front_end = front_end or ranges_of(self.data, self.config.input_bits, order_of(self.config))
        inputs = {f"front_end.{name}": value for name, value in front_end.save().items()}
        note = rates.note_of(self.config, self.spec, columns_of(self.data), self.data.class_names)
        if self.start is not None:
            note["start"] = self.start.note()
        return self.learner.save() | inputs, note

    def content(self) -> dict[str, Any]:
        """Return what report.json holds."""
        return self.facts() | {"cost": as_dict([cost_of_rule(self.spec, self.learner.counters, self.processor)])}

    def facts(self) -> dict[str, Any]:
        """Return what report.json holds but for prices, which follow from it."""
        spec, data, place, learner = self.spec, self.data, self.place, self.learner
        start: dict[str, Any] = {}
        if self.start is not None:
            x, tests = (features_of(data, part) for part in (data.train_x, data.test_x))
            test = (tests, self.encoded.test_levels, data.test_y)
            start["start"] = facts_of(self.start, spec, self.processor, x, self.encoded.levels, test)
            if self.old is not None:
                start["start"]["old_data"] = self.old.facts(self.start, spec, learner)
        n_test = len(data.test_y)
        errors = [round(100 * wrong / n_test, 4) for wrong in place.test_errors]
        result = {
            "test_error_percent": errors[-1] if errors else None,
            "test_error_percent_by_epoch": errors,
            "online_error_percent": [round(100 * wrong / n, 4) for wrong, n in place.curve],
            "samples_learned": learner.counters.n_samples,
        }
        content = {
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
                *([] if self.start is None else notes_on_scale(self.start.front_end, features_of(data, data.train_x))),
                *data.notes,
                *([] if self.old is None else self.old.notes),
                *_notes_of_data(data, baseline_percent(data.test_y)),
                *rates.notes_on_outputs(self.config, spec),
                *_notes(spec, data, errors),
                *rates.width_notes(self.config, spec, None if self.start is None else self.start.network),
                *rates.notes_on_masks(spec),
                *notes_on_maps(self.config, spec),
                *rates.notes_on_inference(spec),
                *([] if self.start else rates.notes_on_rule(self.config, spec, len(data.train_y))),
                *(notes_of_start(self.start, start["start"]) if self.start else []),
                *(self._notes_on_rates(self.start, errors, start["start"]) if self.start else []),
            ],
        }
        return content | start | activity_as_dict(spec, learner.counters, learner.inference_counters)

    def _notes_on_rates(self, start: Start, errors: list[float], facts: dict[str, Any]) -> list[str]:
        before = facts["accuracy_percent"]["words"]
        gained = before is None or not errors or 100 - errors[-1] >= before - 1e-3
        return notes_on_rates(start, self.config, self.spec, self.encoded.levels, gained)


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
    selecting = next((rule for rule in spec.rules if rule.selects_row), None)
    if selecting is not None and spec.n_outputs == 1:
        notes.append(
            f"with one output {selecting.name} teaches hidden layers on label 1 only; two outputs teach on both"
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
    of_a_start = {"start", "cut", "classes_from", "convert", "calibrate"}
    names = {"input_bits", "net", *of_a_start, *DataSettings.model_fields} - {"epochs"}
    names -= {"net"} if config.start is None and order_of(config) is None else set()
    versions = tuple(version_of(getattr(config, name)) for name in ("data", "labels", "start"))
    return _encoded(json.dumps(config.model_dump(mode="json", include=names), sort_keys=True), versions)


@lru_cache(maxsize=2)
def _encoded(settings: str, versions: tuple[Any, ...]) -> Encoded:
    return encode_data(validated(RunConfig, json.loads(settings)))


def open_work(config: RunConfig, checkpoint: Checkpoint | None = None) -> Work:
    """Open a run of any task."""
    return DatasetWork(config) if config.task == CLASSIFY else NumbersWork(config)


def compared(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results of a report for a comparison of runs."""
    result = content["result"]
    found = {name: result[name] for name in ("samples_learned", "r2", "rmse", "mae") if name in result}
    return found | rates.compared(content)


KIND = Kind(
    settings=RunConfig,
    title="a rate network",
    contract=CONTRACT,
    open=open_work,
    show=show,
    studied=Studied(
        rates=rates.RATES,
        layer_rates=rates.layer_rates,
        count_samples=lambda config: len(load_data(config).train_y),
        data_names=datasets.names,
        find_processor=find_processor,
        record=rates.record_of,
        price=rates.price_record,
        compared=compared,
        counters=rates.COLUMNS,
        open=open_cell,
    ),
)
