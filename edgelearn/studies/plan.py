"""Plan of a study: settings, axes of the grid, further cells, seeds, processors, tuning."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from edgelearn.config import as_fields, read_toml, validated
from edgelearn.errors import UserError, unknown
from edgelearn.runs.registry import STUDIED, studied_kind
from edgelearn.studies.cell import Cell, setting_names, settings_of, type_of
from edgelearn.units import span
from hw_models.processor import find_processor

COMMAS_INSIDE = ("classes", "features", "ignore", "missing", "subjects")  # settings whose values may hold commas
MOST_SEEDS = 10_000
MOST_CELLS = 100_000


@dataclass(frozen=True)
class Tuning:
    """Tuning of learning rates before the cells run, by successive halving.

    Parameters
    ----------
    rates : candidates by setting; around the rule's own where a rate of the kind is missing
    validation : share of the training samples that candidates are tested on, and not trained on
    fraction : share of the candidates that goes on to the next rung, on 1 / fraction times as many samples
    rungs : of which the last one takes all samples
    """

    rates: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    validation: float = 0.2
    fraction: float = 0.34
    rungs: int = 3

    @classmethod
    def of(cls, kind: str, given: Mapping[str, Any]) -> Tuning:
        """Check the table [tuning] of a plan.

        Raises
        ------
        UserError
            "setting '...' of tuning ..."
        """
        names = studied_kind(kind)[1].rates
        known = (*names, "validation", "fraction", "rungs")
        rates, plain = {}, {}
        for key, value in given.items():
            if key not in known:
                raise unknown("setting of tuning", key, known)
            if key not in names:
                plain[key] = value
            elif isinstance(value, list | tuple) and value and all(type(one) is int for one in value):
                rates[key] = tuple(value)
            else:
                raise UserError(f"setting '{key}' of tuning = {value!r} is not allowed; give a list of whole numbers")
        n_candidates = math.prod(len(values) for values in rates.values())
        if n_candidates > MOST_CELLS:
            raise UserError(
                f"tuning has {n_candidates:,} candidates, and may have {MOST_CELLS:,} at most; give fewer rates"
            )
        tuning = cls(rates, **plain)
        for key, low, high in (("validation", 0.0, 1.0), ("fraction", 0.0, 1.0), ("rungs", 0, 11)):
            value = getattr(tuning, key)
            if isinstance(value, bool) or not isinstance(value, int | float) or not low < value < high:
                raise UserError(
                    f"setting '{key}' of tuning = {value!r} is not allowed; give a number between {low} and {high}"
                )
        if not isinstance(tuning.rungs, int):
            raise UserError(f"setting 'rungs' of tuning = {tuning.rungs!r} is not allowed; give 1 to 10")
        return tuning

    def as_dict(self) -> dict[str, Any]:
        rates = {key: list(values) for key, values in self.rates.items()}
        return rates | {"validation": self.validation, "fraction": self.fraction, "rungs": self.rungs}


@dataclass(frozen=True)
class Plan:
    """A study before it runs.

    Parameters
    ----------
    question : what the study is to answer, in words
    kind : a kind of run that has cells: "run", "stream", "spiking"
    settings : that every cell has
    axes : values by setting; their product is the grid, the last axis the fastest
    listed : settings of cells beside the grid
    seeds : each cell runs with each of them, unless it names its own
    processors : names or .toml files that every cell is priced on
    """

    question: str = ""
    kind: str = "run"
    settings: Mapping[str, Any] = field(default_factory=dict)
    axes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    listed: tuple[Mapping[str, Any], ...] = ()
    seeds: tuple[int, ...] = (0,)
    processors: tuple[str, ...] = ()
    tuning: Tuning | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Plan:
        """Check a plan as its TOML file holds it.

        Raises
        ------
        UserError
            "key '...' ...", "setting '...' ...", and why no cell can run
        """
        known = ("question", "kind", "seeds", "processors", "settings", "axes", "cells", "tuning")
        for key in given:
            if key not in known:
                hint = f"; write '{key}' under [settings], or under [axes] with a list"
                is_setting = any(key in settings_of(name).model_fields for name in STUDIED)
                error = str(unknown("key", key, known))
                raise UserError(f"{error.rstrip('.')}{hint}" if is_setting else error)
        kind = str(given.get("kind", "run"))
        studied_kind(kind)
        for key, wanted, what in (
            ("question", str, "a text"),
            ("settings", Mapping, "a table"),
            ("axes", Mapping, "a table of lists"),
            ("cells", list | tuple, "tables [[cells]]"),
        ):
            if not isinstance(given.get(key, wanted() if wanted is str else {} if wanted is Mapping else []), wanted):
                raise UserError(f"key '{key}' of a plan is {given[key]!r}; give {what}")
        plan = cls(
            given.get("question", ""),
            kind,
            _settings(kind, given.get("settings", {})),
            {key: _axis(kind, key, values) for key, values in _by_field(kind, given.get("axes", {})).items()},
            tuple(_settings(kind, cell, seed_too=True) for cell in given.get("cells", ())),
            _seeds(given.get("seeds", 1)),
            _processors(kind, given.get("processors", ())),
            _tuning(kind, given.get("tuning")),
        )
        if plan.n_cells > MOST_CELLS:
            raise UserError(
                f"the grid has {plan.n_cells:,} cells, and a study at most {MOST_CELLS:,}; give fewer values or seeds"
            )
        plan.check()
        return plan

    @property
    def n_cells(self) -> int:
        """Number of cells, those counted again that are there twice: known without making any."""
        listed = sum(1 if "seed" in one else len(self.seeds) for one in self.listed)
        grid = math.prod(len(values) for values in self.axes.values()) * len(self.seeds)
        return listed + (grid if self.axes or not self.listed else 0)

    @property
    def digest(self) -> str:
        """Digest of all that makes cells and prices, without the question."""
        return hashlib.sha256(replace(self, question="").to_toml().encode()).hexdigest()

    def cells(self) -> list[Cell]:
        """Return the cells in grid order, seeds fastest, then those beside the grid; none is there twice.

        Where rates are tuned, `tuning.tune` returns the cells that run.
        """
        found = [Cell.of(self.kind, settings) for settings in self.settings_of_cells()]
        return list({cell.id: cell for cell in found}.values())

    def settings_of_cells(self) -> Iterator[dict[str, Any]]:
        """Give the settings of every cell, without the rates that are tuned."""
        if self.axes or not self.listed:
            for values in product(*self.axes.values()):
                for seed in self.seeds:
                    yield {**self.settings, **dict(zip(self.axes, values, strict=True)), "seed": seed}
        for one in self.listed:
            for seed in [one["seed"]] if "seed" in one else self.seeds:
                yield {**self.settings, **one, "seed": seed}

    @cached_property
    def varied(self) -> tuple[str, ...]:
        """Name the settings, without the seed, in which cells may differ: axes, then those of listed cells."""
        return tuple(dict.fromkeys((*self.axes, *(key for one in self.listed for key in one if key != "seed"))))

    @property
    def processor_names(self) -> tuple[str, ...]:
        """Name the processors as the columns of the table do."""
        return tuple(find_processor(given).name for given in self.processors)

    def check(self) -> None:
        """Refuse what cannot run: a value that no cell can have, and rates that are given and tuned.

        A combination that cannot be, of values that can, is left to fail as a cell.
        """
        both = [*self.settings, *self.axes, *(key for one in self.listed for key in one)]
        overlap = both.index("seed") if "seed" in self.settings or "seed" in self.axes else None
        if overlap is not None:
            raise UserError("the seed of cells is given by seeds; write seeds = 5, or seeds = [3, 7]")
        for key in self.axes:
            if key in self.settings:
                raise UserError(f"setting '{key}' is fixed and an axis; give it once")
        if self.tuning is not None:
            for key in studied_kind(self.kind)[1].rates:
                if key in both:
                    raise UserError(f"setting '{key}' is given and tuned; leave out one of the two")
            if "validation_fraction" in both:
                raise UserError("setting 'validation_fraction' is of tuning; write validation under [tuning]")
        refused: dict[str, str] = {}
        trials = list(self.settings_of_cells())
        for number, settings in enumerate(trials):
            try:
                check_design(self.kind, settings)
            except UserError as error:
                refused[str(number)] = str(error)
        if len(refused) == len(trials):
            raise UserError(next(iter(refused.values())))
        for key, values in self.axes.items():
            for value in values:
                having = [str(n) for n, settings in enumerate(trials) if settings.get(key) == value]
                if having and all(n in refused for n in having):
                    raise UserError(refused[having[0]])

    def to_toml(self) -> str:
        """Return the plan as the TOML file that repeats the study."""
        lines = [f"question = {_toml(self.question)}"] if self.question else []
        lines += [f"{key} = {_toml(getattr(self, key))}" for key in ("kind", "seeds", "processors")]
        tables = [("[settings]", self.settings), ("[axes]", self.axes)]
        tables += [("[[cells]]", one) for one in self.listed]
        if self.tuning is not None:
            tables.append(("[tuning]", self.tuning.as_dict()))
        for head, table in tables:
            if table or head == "[[cells]]":
                lines += ["", head, *(f"{key} = {_toml(value)}" for key, value in table.items())]
        return "\n".join(lines) + "\n"


def read_plan(path: Path) -> Plan:
    """Read a plan from a TOML file.

    Raises
    ------
    UserError
        "config file ... cannot be read" and those of `Plan.of`
    """
    return Plan.of(read_toml(path))


def values_of(kind: str, key: str, text: str, single: bool = False) -> list[Any]:
    """Read the values of a setting as they are typed: "2,4,8"; several of a setting that has commas as "3,8;1,7".

    Parameters
    ----------
    single : take the text for one value, whatever commas it has

    Raises
    ------
    UserError
        "setting '...' is not known", "... cannot be read"
    """
    fields = settings_of(kind).model_fields
    if key not in fields:
        raise unknown("setting", key, fields)
    type = type_of(fields[key].annotation)
    between = ";" if ";" in text or key in COMMAS_INSIDE else ","
    parts = [text.strip()] if single else [part.strip() for part in text.split(between)]
    return [_value(key, part, type) for part in parts]


def _value(key: str, part: str, type: str) -> Any:
    wanted = {
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "span": "a number of samples, or a duration with its unit",
    }
    try:
        if part == "none" or type == "text":
            if not part:
                raise ValueError
            return part
        if type == "span":
            return span(part)
        if type == "bool":
            return {"true": True, "false": False}[part.lower()]
        return int(part) if type == "int" else float(part)
    except (ValueError, KeyError):
        raise UserError(
            f"value '{part}' of '{key}' cannot be read; give {wanted.get(type, 'a text')}, several divided by commas"
        ) from None


def _settings(kind: str, given: Mapping[str, Any], seed_too: bool = False) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise UserError(f"a cell of a plan is {given!r}; write its settings as a table under [[cells]]")
    return {key: _plain(kind, key, value) for key, value in _by_field(kind, given).items()}


def _by_field(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by the names of fields; a plan may have the names of flags, e.g. stored_bits."""
    return as_fields((settings_of(kind),), given)


def _axis(kind: str, key: str, values: Any) -> tuple[Any, ...]:
    if not isinstance(values, list | tuple) or not values:
        raise UserError(f"axis '{key}' is {values!r}; give a list of values")
    found = tuple(_plain(kind, key, value) for value in values)
    if len({json.dumps(value, default=str) for value in found}) < len(found):
        raise UserError(f"axis '{key}' holds a value twice: {', '.join(str(value) for value in found)}; give each once")
    return found


def _plain(kind: str, key: str, value: Any) -> Any:
    """Return a value of a setting; "none" leaves out what may be left out."""
    fields = settings_of(kind).model_fields
    if key == "processor" and key not in setting_names(kind):
        raise UserError("setting 'processor' makes no cells; name what cells are priced on in processors")
    if key not in setting_names(kind):
        raise unknown("setting", key, {*setting_names(kind), "processor"})
    if key == "data" and value == "-":
        raise UserError("a study cannot read the standard input; write its lines to a file and give that as data")
    return None if value == "none" and NoneType in get_args(fields[key].annotation) else value


def _seeds(given: Any) -> tuple[int, ...]:
    if type(given) is int and 1 <= given <= MOST_SEEDS:
        return tuple(range(given))
    if isinstance(given, list | tuple) and given and all(type(one) is int for one in given):
        if len(set(given)) < len(given):
            raise UserError(f"seeds {list(given)} hold one twice; give each once")
        return tuple(given)
    raise UserError(f"seeds {given!r} cannot be used; give how many, 1 to {MOST_SEEDS}, or a list such as [3, 7]")


def _processors(kind: str, given: Any) -> tuple[str, ...]:
    if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
        raise UserError(f"processors {given!r} cannot be used; give a list of names or .toml files")
    chosen = tuple(given) or (settings_of(kind).model_fields["processor"].default,)
    names = [studied_kind(kind)[1].find_processor(one).name for one in chosen]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"two processors are called '{name}'; give each once")
    return chosen


def _tuning(kind: str, given: Any) -> Tuning | None:
    if given is None or given is False:
        return None
    if given is not True and not isinstance(given, Mapping):
        raise UserError(f"tuning {given!r} cannot be used; write a table [tuning], which may be empty")
    return Tuning.of(kind, {} if given is True else given)


def check_design(kind: str, settings: Mapping[str, Any]) -> None:
    """Design some network of settings, so that names and widths are checked without data.

    Raises
    ------
    UserError
        Those of settings and of `design`
    """
    one, studied = studied_kind(kind)
    studied.layer_rates(validated(one.settings, dict(settings)))


def _toml(value: Any) -> str:
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return repr(value)
