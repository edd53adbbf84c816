"""A cell of a study: one configuration, run anywhere, and the row that it becomes."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any, get_args

import numpy as np

from edgelearn import __version__
from edgelearn.config import DataSettings, RunConfig, Settings, SpikingConfig, StreamConfig, validated
from edgelearn.errors import UserError, unknown
from edgelearn.network.counters import Counters
from edgelearn.network.kernels.tables import COUNTERS
from edgelearn.runs.checkpoint import CONTRACT
from edgelearn.spiking.network import CONTRACT as SPIKING_CONTRACT
from hw_models.compare.bands import at_sample, band_as_dict, rounded
from hw_models.compare.rules import cost_of_rule
from hw_models.cost import Cost
from hw_models.processor import find_processor
from hw_models.spiking_cost import find_core, price_spikes

KINDS: dict[str, type[Settings]] = {"run": RunConfig, "stream": StreamConfig, "spiking": SpikingConfig}
DONE, FAILED = "done", "failed"
EVENTS = ("saturations", "step_saturations", "overflows")
ID_DIGITS = 12
PER_SAMPLE = {  # column: counter of a rate network, and of a spiking one
    "weight_reads": ("weight_read", "weight_read"),
    "weight_writes": ("weight_write", "weight_write"),
    "feedback_reads": ("feedback_read", "feedback_read"),
    "activation_reads": ("activation_read", None),
    "activation_writes": ("activation_write", None),
    "error_reads": ("error_read", None),
    "forward_macs": ("forward_macs", None),
    "update_macs": ("update_macs", None),
    "events": ("input_events", "spikes"),
}
PRICES = (
    "energy_pj",
    "energy_low_pj",
    "energy_high_pj",
    "inference_energy_pj",
    "latency_us",
    "cycles",
    "area_um2",
    "memory_bits",
)
Record = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One configuration to run.

    Parameters
    ----------
    kind : "run", "stream" or "spiking"
    config : all settings, as JSON has them
    """

    kind: str
    config: Mapping[str, Any]

    @classmethod
    def of(cls, kind: str, settings: Mapping[str, Any]) -> Cell:
        """Return the cell of some settings, the others at their defaults.

        Raises
        ------
        UserError
            "setting ..."
        """
        return cls(kind, validated(kind_of(kind), dict(settings)).model_dump(mode="json"))

    @property
    def settings(self) -> dict[str, Any]:
        """Return the settings that tell cells apart: runs and spikes are priced afterwards, on any processor."""
        return {key: self.config[key] for key in setting_names(self.kind)}

    @cached_property
    def id(self) -> str:
        contract = SPIKING_CONTRACT if self.kind == "spiking" else CONTRACT
        text = json.dumps([self.kind, self.settings, contract], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS]


def kind_of(name: str) -> type[Settings]:
    """Return the settings of a kind of cell.

    Raises
    ------
    UserError
        "kind '...' is not known ..."
    """
    if name not in KINDS:
        raise unknown("kind", name, KINDS)
    return KINDS[name]


def setting_names(kind: str) -> list[str]:
    """Return the settings that are columns; the processor of a stream is one, since what comes late is not learned."""
    apart = ("spiking",) if kind == "stream" else ("spiking", "processor")
    return [name for name in kind_of(kind).model_fields if name not in apart]


def run_cell(cell: Cell) -> Record:
    """Run a cell and return its record; what goes wrong is in the record, never raised."""
    started = time.perf_counter()
    try:
        found: Record = {"status": DONE, "error": "", **_RUNNERS[cell.kind](cell)}
    except (Exception, SystemExit) as error:
        found = failure(error)
    return record_of(cell, found, time.perf_counter() - started)


def failure(error: BaseException | str) -> Record:
    """Return what a record holds of a cell that failed: type and message in one line."""
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    return {"status": FAILED, "error": " ".join(text.split())}


def record_of(cell: Cell, found: Record, seconds: float = 0.0) -> Record:
    head = {"cell": cell.id, "kind": cell.kind, "edgelearn": __version__, "config": dict(cell.config)}
    return head | found | {"seconds": round(seconds, 3)}


@lru_cache(maxsize=2)
def _encoded(key: str) -> Any:
    from edgelearn.runs.dataset import encode_data

    return encode_data(validated(RunConfig, json.loads(key)))


def _run(cell: Cell) -> Record:
    from edgelearn.runs.dataset import run

    config = validated(RunConfig, dict(cell.config))
    names = {"input_bits", *DataSettings.model_fields} - {"epochs"}
    key = json.dumps({name: cell.config[name] for name in sorted(names)})
    content = run(config, encoded=_encoded(key)).content
    error = content["result"]["test_error_percent"]
    return _of_rates(content) | {"accuracy_percent": None if error is None else round(100 - error, 4)}


def _stream(cell: Cell) -> Record:
    from edgelearn.runs.stream import stream

    content = stream(validated(StreamConfig, dict(cell.config))).content
    accuracy = content["result"]["accuracy"]
    learned = {"samples_learned": content["learning"]["learned"]}
    return _of_rates(content) | learned | {"accuracy_percent": None if accuracy is None else round(100 * accuracy, 4)}


def _of_rates(content: dict[str, Any]) -> Record:
    counters = {"learning": content["counters"]["learning"]}
    return {
        "samples_learned": content["result"].get("samples_learned"),
        "sizes": list(content["network"]["sizes"]),
        "stored_bits": sum(held["bits"] for held in content["held"]),
        "buffered_bits": sum(held["bits"] for held in content["buffers"]),
        "samples": {"learning": counters["learning"]["samples"][0]},
        "counters": counters,
    }


def _spiking(cell: Cell) -> Record:
    from edgelearn.runs.spiking import run_spiking

    content = run_spiking(validated(SpikingConfig, dict(cell.config))).report.content
    parts = {name: content["cost"][part] for name, part in (("learning", "training"), ("inference", "inference"))}
    parts = {name: part for name, part in parts.items() if part is not None}
    accuracy = content["result"]["accuracy"]
    held = {name: part["memory_bits"] for name, part in parts.items()}
    return {
        "accuracy_percent": None if accuracy is None else round(100 * accuracy, 4),
        "samples_learned": content["result"]["samples_learned"],
        "sizes": list(content["network"]["sizes"]),
        "stored_bits": sum(held.get("learning", held.get("inference", {})).values()),
        "buffered_bits": None,
        "held": held,
        "samples": {name: part["samples"] for name, part in parts.items()},
        "counters": {name: content["counters"][name] for name in parts},
    }


_RUNNERS: dict[str, Callable[[Cell], Record]] = {"run": _run, "stream": _stream, "spiking": _spiking}


@dataclass(frozen=True)
class Column:
    """A column of the table; `type` is "text", "int", "float" or "bool"."""

    name: str
    type: str


def columns_of(kind: str, processors: tuple[str, ...]) -> list[Column]:
    """Return the columns of the table of a study, in their order."""
    columns = [Column(name, "text") for name in ("cell", "status", "error", "kind")]
    fields = kind_of(kind).model_fields
    columns += [Column(name, type_of(fields[name].annotation)) for name in setting_names(kind)]
    columns.append(Column("accuracy_percent", "float"))
    columns += [Column(name, "int") for name in ("samples_learned", *EVENTS)]
    columns += [Column(name, "float") for name in PER_SAMPLE]
    columns += [Column(name, "int") for name in ("stored_bits", "buffered_bits")]
    return columns + [Column(f"{price}@{name}", "float") for name in processors for price in PRICES]


def type_of(annotation: Any) -> str:
    """Return the type of a column for the annotation of a setting; several values of a setting are one text."""
    types = {annotation, *get_args(annotation)}
    for one, name in ((bool, "bool"), (int, "int"), (float, "float")):
        if one in types:
            return name
    return "text"


def row_of(record: Record, processors: tuple[str, ...]) -> dict[str, Any]:
    """Return the row of a record, priced on processors; what is not there is None.

    Parameters
    ----------
    processors : names or .toml files
    """
    kind, config = record["kind"], record["config"]
    row: dict[str, Any] = {name: record[name] for name in ("cell", "status", "error", "kind")}
    for name in setting_names(kind):
        value = config[name]
        row[name] = ",".join(str(item) for item in value) if isinstance(value, list) else value
    if record["status"] != DONE:
        return row
    row |= {name: record[name] for name in ("accuracy_percent", "samples_learned", "stored_bits", "buffered_bits")}
    learned, n = record["counters"].get("learning", {}), record["samples"].get("learning", 0)
    row |= {name: sum(learned[name]) for name in EVENTS if name in learned}
    for name, counters in PER_SAMPLE.items():
        counter = counters[kind == "spiking"]
        row[name] = round(sum(learned[counter]) / n, 4) if counter is not None and n else None
    for given in processors:
        name = find_processor(given).name
        row |= {f"{key}@{name}": value for key, value in prices_of(record, given).items()}
    return row


def prices_of(record: Record, processor: str) -> dict[str, float | None]:
    """Price the counters of a record; empty where its network does not fit the processor."""
    try:
        training, inference = _costs(record, processor)
    except UserError:
        return {}
    prices: dict[str, float | None] = {}
    if inference is not None and "energy_pj" in inference.prices:
        prices["inference_energy_pj"] = rounded(inference.energy_per_sample_pj)
    if training is not None:
        if "energy_pj" in training.prices:
            band = band_as_dict(training, partial(at_sample, training, "energy_pj"))
            prices |= {"energy_pj": band["nominal"], "energy_low_pj": band["low"], "energy_high_pj": band["high"]}
        prices["latency_us"] = rounded(training.latency_s * 1e6)
        prices |= {
            figure: rounded(training.per_sample(figure))
            for figure in ("cycles", "area_um2", "memory_bits")
            if figure in training.prices
        }
    return prices


def _costs(record: Record, processor: str) -> tuple[Cost | None, Cost | None]:
    """Return what a learned sample and an inference cost."""
    if record["kind"] != "spiking":
        from edgelearn.runs.rates import spec_of

        config = validated(kind_of(record["kind"]), record["config"])
        assert isinstance(config, RunConfig | StreamConfig)
        table = record["counters"]["learning"]
        counters = Counters(np.array([table[name] for name in COUNTERS]).T)
        cost = cost_of_rule(spec_of(config, record["sizes"]), counters, find_processor(processor))
        return cost.training, cost.inference
    core = find_core(processor)

    def priced(part: str) -> Cost | None:
        if part not in record["counters"]:
            return None
        counts = {name: np.array(counts[1:]) for name, counts in record["counters"][part].items()}
        return price_spikes(counts, record["samples"][part], record["held"][part], core)

    return priced("learning"), priced("inference")
