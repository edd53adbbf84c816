"""A cell of a study: one configuration, its run, and its row of the table."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any, get_args

from edgelearn import __version__
from edgelearn.config import Settings, later_defaults, validated
from edgelearn.errors import UserError
from edgelearn.runs.kind import drive
from edgelearn.runs.registry import find_kind, studied_kind
from edgelearn.units import six_digits
from hw_models.compare.bands import at_sample, band_as_dict
from hw_models.processor import find_processor

DONE, FAILED = "done", "failed"
EVENTS = ("saturations", "step_saturations", "overflows")
ID_DIGITS = 12
PER_SAMPLE = (  # columns of a study; a kind says which counter each is of, or has none
    "weight_reads",
    "weight_writes",
    "feedback_reads",
    "activation_reads",
    "activation_writes",
    "error_reads",
    "forward_macs",
    "update_macs",
    "events",
)
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
    kind : a kind of run that has cells: "run", "stream", "spiking"
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
        return cls(kind, validated(settings_of(kind), dict(settings)).model_dump(mode="json"))

    @property
    def settings(self) -> dict[str, Any]:
        """Return the settings that tell cells apart: runs and spikes are priced afterwards, on any processor."""
        return {key: self.config[key] for key in setting_names(self.kind) if key in self.config}

    @cached_property
    def id(self) -> str:
        text = json.dumps([self.kind, self.settings, find_kind(self.kind).contract], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS]


def settings_of(kind: str) -> type[Settings]:
    """Return the settings of a kind of cell.

    Raises
    ------
    UserError
        "kind '...' is not known ..."
    """
    return studied_kind(kind)[0].settings


@cache
def setting_names(kind: str) -> tuple[str, ...]:
    """Return the settings that are columns, and tell cells apart."""
    apart = studied_kind(kind)[1].not_columns
    declared = settings_of(kind).declared()
    return tuple(name for name in settings_of(kind).model_fields if name not in apart and not declared[name].switch)


def run_cell(cell: Cell) -> Record:
    """Run a cell and return its record; what goes wrong is in the record, never raised."""
    return recorded(cell, _run)


def recorded(cell: Cell, run: Callable[[Cell], Record]) -> Record:
    """Return the record of a cell: what a function finds, or how it failed."""
    started = time.perf_counter()
    try:
        found: Record = {"status": DONE, "error": "", **run(cell)}
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


def _run(cell: Cell) -> Record:
    kind, studied = studied_kind(cell.kind)
    result = drive(kind, validated(kind.settings, dict(cell.config)), open=studied.open)
    return studied.record(result.content)


@dataclass(frozen=True)
class Column:
    """A column of the table; `type` is "text", "int", "float", "bool", or "span", which is samples or a duration."""

    name: str
    type: str


def columns_of(kind: str, processors: tuple[str, ...], named: Collection[str] = ()) -> list[Column]:
    """Return the columns of the table of a study, in their order.

    Parameters
    ----------
    named : settings of the plan; those declared later are columns only if they are among these
    """
    columns = [Column(name, "text") for name in ("cell", "status", "error", "kind")]
    fields = settings_of(kind).model_fields
    later = later_defaults(settings_of(kind))
    names = [name for name in setting_names(kind) if name in named or name not in later]
    columns += [Column(name, type_of(fields[name].annotation)) for name in names]
    columns.append(Column("accuracy_percent", "float"))
    columns += [Column(name, "int") for name in ("samples_learned", *EVENTS)]
    columns += [Column(name, "float") for name in PER_SAMPLE]
    columns += [Column(name, "int") for name in ("stored_bits", "buffered_bits")]
    return columns + [Column(f"{price}@{name}", "float") for name in processors for price in PRICES]


def type_of(annotation: Any) -> str:
    """Return the type of a column for the annotation of a setting; several values of a setting are one text."""
    types = set(_types(annotation))
    if {int, str} <= types:
        return "span"
    for one, name in ((bool, "bool"), (int, "int"), (float, "float")):
        if one in types:
            return name
    return "text"


def _types(annotation: Any) -> Iterator[Any]:
    yield annotation
    for one in get_args(annotation):
        yield from _types(one)


def row_of(record: Record, processors: tuple[str, ...]) -> dict[str, Any]:
    """Return the row of a record, priced on processors; what is not there is None.

    Parameters
    ----------
    processors : names or .toml files
    """
    kind, config = record["kind"], record["config"]
    row: dict[str, Any] = {name: record[name] for name in ("cell", "status", "error", "kind")}
    later = later_defaults(settings_of(kind))
    for name in setting_names(kind):
        value = config.get(name, later[name]) if name in later else config[name]
        row[name] = ",".join(str(item) for item in value) if isinstance(value, list) else value
    if record["status"] != DONE:
        return row
    row |= {name: record[name] for name in ("accuracy_percent", "samples_learned", "stored_bits", "buffered_bits")}
    learned, n = record["counters"].get("learning", {}), record["samples"].get("learning", 0)
    row |= {name: sum(learned[name]) for name in EVENTS if name in learned}
    counters = studied_kind(kind)[1].counters
    row |= {name: round(sum(learned[counters[name]]) / n, 4) if name in counters and n else None for name in PER_SAMPLE}
    for given in processors:
        name = find_processor(given).name
        row |= {f"{key}@{name}": value for key, value in prices_of(record, given).items()}
    return row


def prices_of(record: Record, processor: str) -> dict[str, float | None]:
    """Price the counters of a record; empty where its network does not fit the processor."""
    kind, studied = studied_kind(record["kind"])
    try:
        training, inference = studied.price(validated(kind.settings, record["config"]), record, processor)
    except UserError:
        return {}
    prices: dict[str, float | None] = {}
    if inference is not None and "energy_pj" in inference.prices:
        prices["inference_energy_pj"] = six_digits(inference.energy_per_sample_pj)
    if training is not None:
        if "energy_pj" in training.prices:
            band = band_as_dict(training, partial(at_sample, training, "energy_pj"))
            prices |= {"energy_pj": band["nominal"], "energy_low_pj": band["low"], "energy_high_pj": band["high"]}
        prices["latency_us"] = six_digits(training.latency_s * 1e6)
        prices |= {
            figure: six_digits(training.per_sample(figure))
            for figure in ("cycles", "area_um2", "memory_bits")
            if figure in training.prices
        }
    return prices
