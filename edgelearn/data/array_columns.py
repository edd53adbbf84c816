"""Features, labels, times and recordings out of named arrays."""

from __future__ import annotations

import math
import re
from collections import ChainMap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.array_parts import WANTED as PART_NAMES
from edgelearn.data.arrays import Arrays, texts_as_numbers
from edgelearn.data.categories import MOST_CATEGORIES
from edgelearn.data.cells import (
    is_missing,
    is_number,
)
from edgelearn.data.clock import DATES, Clock, find_clock, is_clock_name
from edgelearn.data.clock import cannot_read as unreadable
from edgelearn.data.columns import ANOMALY_NAMES, counters_note, counts_rows, left_out_note
from edgelearn.data.description import Description, as_text, as_tuple
from edgelearn.data.file_arrays import DEFAULTS, LAST_IS_LABEL, NAMED, SIGNALS, TABLES, is_edf
from edgelearn.data.file_content import FileContent, ids_of, subject_in_name, texts_of
from edgelearn.data.line_groups import HEAD
from edgelearn.data.source import ColumnsUsed
from edgelearn.errors import UserError, unknown


def fill_in_names(form: Description, path: Path, known: Sequence[str]) -> Description:
    """Fill in the names that are not said, by what there is, and check those that are said."""
    said: dict[str, Any] = {}
    for key in (*DEFAULTS, "class_names_from", "channels_from", "ignore"):
        given = getattr(form, key)
        found = [_name_in(form, path, key, name, known) for name in as_tuple(given) if name]
        said[key] = found[0] if isinstance(given, str) and found else given if isinstance(given, str) else tuple(found)
    form = replace(form, **said)
    lower = {name.lower(): name for name in reversed(known)}
    is_table = form.reader in TABLES
    if is_table:
        lower.pop("offset", None)
        if "x" in lower and known[-1].lower() != "y":
            lower.pop("y", None)
        lower.pop("x", None)
    defaults = DEFAULTS
    if form.is_label_optional:
        defaults = DEFAULTS | {"label": (*ANOMALY_NAMES, *DEFAULTS["label"])}
        answers = tuple(lower[name] for name in defaults["label"] if name in lower)
        label = form.label or next(iter(answers), "")
        form = replace(form, ignore=(*form.ignore, *(name for name in answers if name != label)))
    for key, names in defaults.items():
        free = [lower[name] for name in names if name in lower and lower[name] not in form.ignore]
        said[key] = getattr(form, key) or next(iter(free), "")
    if not said["time"]:
        taken = {*as_tuple(said["features"]), said["label"], said["segment"], said["subject"], *form.ignore}
        said["time"] = next((name for name in known if is_clock_name(name) and name not in taken), "")
    taken = {*as_tuple(said["features"]), said["time"], said["segment"], said["subject"]}
    elsewhere = bool(form.label_from or (form.labels and not is_edf(form.labels)))
    if elsewhere:
        said["label"] = ""
    if not form.label and said["label"] in taken:
        said["label"] = ""
    last_is_label = form.reader in LAST_IS_LABEL and not (elsewhere or form.is_label_optional)
    if not said["label"] and last_is_label and known and known[-1] not in taken:
        said["label"] = known[-1]
    return replace(form, **said)


def _name_in(form: Description, path: Path, key: str, name: str, known: Sequence[str]) -> str:
    """Give the array that a name means: as it stands, in another case, or, of a table, by its number from 1."""
    if name in known:
        return name
    alike = [one for one in known if one.lower() == name.lower()]
    if form.reader in TABLES and len(alike) == 1:
        return alike[0]
    if form.reader in TABLES and re.fullmatch(r"-?\d+", name) and 0 < abs(int(name)) <= len(known):
        return known[int(name) - (int(name) > 0)]
    raise UserError(f"{path} has no {unknown('array', name, known)} Check the key '{key}'.")


def from_arrays(
    form: Description, path: Path, arrays: Arrays, notes: list[str], categories: Arrays | None = None
) -> FileContent:
    form = fill_in_names(form, path, list(arrays))
    others = [
        name for name in arrays if name.lower() in PART_NAMES and name not in (*as_tuple(form.features), form.label)
    ]
    if form.reader in NAMED and others:
        notes.append(f"arrays left out: {', '.join(others)}")
    arrays = _upright(form, arrays, notes)
    x, channels = _features(form, path, arrays, notes, categories or {})
    n = len(x)
    lengths = np.array([n], np.int64)
    if form.offsets:
        lengths = _lengths(path, arrays[form.offsets], n)

    def each(key: str, name: str) -> NDArray[Any]:
        """Give one value per sample of an array with one per sample, or one per recording."""
        values = arrays[name]
        values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else np.atleast_1d(values)
        if values.shape == (n,):
            return values
        if values.shape == lengths.shape:
            return np.repeat(values, lengths)
        also = f" or [{len(lengths)}], one per recording" if len(lengths) > 1 or n > 1 else ""
        raise UserError(
            f"{path}: '{name}' (key '{key}') is {values.dtype} {list(values.shape)}; give [{n}], one per sample{also}"
        )

    subject = subject_in_name(form, path, n)
    if subject is None and form.subject:
        subject = each("subject", form.subject)
    own = True
    if form.segment:
        segment = ids_of(each("segment", form.segment))
    elif form.offsets:
        segment, own = np.repeat(np.arange(len(lengths)), lengths), False
    elif form.subject:
        assert subject is not None
        segment = ids_of(subject)
    else:
        segment, own = np.zeros(n, np.int64), False
    t, unit = seconds_of(form, path, each("time", form.time), notes) if form.time else (None, None)
    keep = np.ones(n, bool)
    for name, values in form.drop.items():
        given = subject if name == "subject" and subject is not None else None
        if given is None and name not in arrays:
            raise UserError(f"{path} has no {unknown('array', name, arrays)} Check the key 'drop'.")
        keep &= ~np.isin(texts_of(each("drop", name) if given is None else given), [as_text(value) for value in values])
    return FileContent(
        x=x,
        labels=_without_codes(form, each("label", form.label)) if form.label else None,
        t=t,
        subject=subject,
        segment=segment,
        has_own_segments=own,
        keep=keep,
        channels=channels,
        class_names=tuple(texts_of(arrays[form.class_names_from]).tolist()) if form.class_names_from else (),
        used=replace(
            columns_used(form, list(arrays), channels or tuple(f"channel {k + 1}" for k in range(x.shape[1]))),
            time_unit=unit,
        ),
        n_rows=n,
        nominal=tuple(
            name
            for name in as_tuple(form.features)
            if name in arrays and arrays[name].dtype.kind == "U" and any(one.startswith(f"{name}=") for one in channels)
        ),
    )


def _upright(form: Description, arrays: Arrays, notes: list[str]) -> Arrays:
    """Turn features of [n_channels, n_samples], as the number of labels tells."""
    name, label = form.features, form.label
    if form.reader not in NAMED or not (isinstance(name, str) and name and label) or form.offsets:
        return arrays
    x, n_labels = arrays[name], arrays[label].size
    arrays = ChainMap({name: x}, cast(dict[str, NDArray[Any]], arrays))
    if x.ndim == 2 and n_labels > 1 and x.shape[0] != n_labels == x.shape[1]:
        notes.append(f"array {name} is [channels, samples]; turned")
        arrays[name] = x.T
    return arrays


def _without_codes(form: Description, labels: NDArray[Any]) -> NDArray[Any]:
    """Replace labels that are codes of missing values by empty texts."""
    if not form.missing:
        return labels
    texts = texts_of(labels)
    return np.where(np.isin(texts, [as_text(code) for code in form.missing]), "", texts)


def _features(
    form: Description, path: Path, arrays: Arrays, notes: list[str], categories: Arrays
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Give the features, and the names of the inputs; `categories` are the texts of columns that may occur."""
    names = form.features
    if not names and form.reader not in TABLES:
        raise UserError(
            f"{path} holds the arrays {', '.join(arrays) or '(none)'}; say which are the features: call them X, "
            "or name them with the key 'features' of a description"
        )
    if not names:
        names, found = _default_features(form, path, arrays, notes)
    else:
        found = {name: _as_numbers(path, name, arrays[name], categories) for name in as_tuple(names)}
    given = list(found.values())
    if len({len(values) for values in given}) > 1:
        raise UserError(f"{path}: features have {sorted({len(values) for values in given})} samples; give as many")
    flat = [values.reshape(len(values), math.prod(values.shape[1:])) for values in given]
    values = flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1)
    codes = [float(as_text(code)) for code in form.missing if is_number(as_text(code))]
    if codes and (is_code := np.isin(values, codes)).any():
        values = np.where(is_code, np.nan, values.astype(np.float64))
    if form.scale != 1.0:
        values = values.astype(np.float64) * form.scale
    channels = form.channels
    if form.channels_from:
        channels = tuple(texts_of(arrays[form.channels_from]).tolist())
    elif not channels and not isinstance(names, str):
        channels = tuple(
            title for name in names for title in _titles(name, categories.get(name, arrays[name]), found[name])
        )
    if channels and len(channels) != values.shape[1]:
        raise UserError(f"{path} has {values.shape[1]} channels and {len(channels)} names; give one name per channel")
    return values, channels


def _default_features(
    form: Description, path: Path, arrays: Arrays, notes: list[str]
) -> tuple[tuple[str, ...], dict[str, NDArray[Any]]]:
    """Give the columns of numbers that are nothing else, and say which columns are left out."""
    taken = {form.label, form.time, form.segment, form.subject, form.offsets, *form.drop, *form.ignore}
    found: dict[str, NDArray[Any]] = {}
    left_out: dict[str, str] = {}
    counters: list[str] = []
    for name in arrays:
        if name in taken:
            continue
        values = arrays[name]
        numbers = texts_as_numbers(values) if values.dtype.kind == "U" else values
        if numbers is not None and numbers.ndim == 1 and numbers.dtype.kind in "buif":
            if form.reader not in SIGNALS and counts_rows(str(path), name, numbers[:HEAD].tolist()):
                counters.append(name)
            else:
                found[name] = numbers
        else:
            left_out[name] = {"U": "text", "M": "dates"}.get(values.dtype.kind, f"{values.dtype} {list(values.shape)}")
    if left_out:
        notes.append(left_out_note(left_out))
    if counters:
        notes.append(counters_note(counters))
    if not found:
        raise UserError(f"{path} has no column of numbers for features; name them with the key 'features'")
    return tuple(found), found


def _as_numbers(path: Path, name: str, values: NDArray[Any], known: Arrays) -> NDArray[Any]:
    """Give a named feature as numbers: texts that are none become one column for each of them."""
    if values.dtype.kind == "U" and values.ndim == 1:
        numbers = None if name in known else texts_as_numbers(values)
        if numbers is not None:
            return numbers
        texts = texts_of(values)
        categories = categories_of(texts_of(known.get(name, values)))
        if 0 < len(categories) <= MOST_CATEGORIES:
            found = (texts[:, None] == np.array(categories)).astype(np.float64)
            found[[is_missing(text) for text in texts.tolist()]] = np.nan
            return np.asarray(found)
        raise UserError(
            f"{path}: '{name}' (key 'features') holds {len(categories):,} different texts; give numbers, or at most "
            f"{MOST_CATEGORIES} categories"
        )
    if values.dtype.kind not in "buif" or values.ndim == 0:
        raise UserError(f"{path}: '{name}' (key 'features') is {values.dtype} {list(values.shape)}; give numbers")
    return values


def categories_of(texts: NDArray[Any]) -> list[str]:
    return [text for text in np.unique(texts).tolist() if not is_missing(text)]


def _category_titles(name: str, texts: NDArray[Any] | None) -> list[str]:
    """Name one input per category of a feature, or the feature itself where it has none."""
    return [name] if texts is None else [f"{name}={text}" for text in categories_of(texts_of(texts))]


def _titles(name: str, given: NDArray[Any], numbers: NDArray[Any]) -> list[str]:
    """Name the inputs of a feature: its name, with the category or the number of the column where it has several."""
    if numbers.ndim == 1:
        return [name]
    if given.dtype.kind == "U":
        return _category_titles(name, given)
    width = int(np.prod(numbers.shape[1:]))
    return [name] if width == 1 else [f"{name} {k + 1}" for k in range(width)]


def columns_used(form: Description, names: Sequence[str], channels: tuple[str, ...]) -> ColumnsUsed:
    """State what the arrays or columns of a file were taken for."""
    taken = {*as_tuple(form.features), *channels, form.label, form.time, form.segment, form.subject, form.offsets}
    others = {form.class_names_from, form.channels_from}
    left_out = tuple(name for name in names if name not in taken | others) if form.reader in TABLES else ()
    who = form.subject or form.segment or None
    return ColumnsUsed(channels, form.label or None, form.time or None, who, left_out=left_out)


def _lengths(path: Path, offset: NDArray[Any], n: int) -> NDArray[np.int64]:
    whole = offset.ndim == 1 and offset.dtype.kind in "ui" and len(offset) >= 2
    limits = offset.astype(np.int64) if whole else np.empty(0, np.int64)
    if not whole or limits[0] != 0 or limits[-1] != n or (np.diff(limits) < 0).any():
        raise UserError(
            f"{path}: offsets are not 0, ..., {n} in rising order; give where recordings begin, and the end"
        )
    return np.diff(limits)


def seconds_of(
    form: Description, path: Path, values: NDArray[Any], notes: list[str]
) -> tuple[NDArray[np.float64], str]:
    """Give times in seconds, and their unit."""
    if values.dtype.kind == "M":
        return np.where(np.isnat(values), np.nan, values.astype("datetime64[ns]").astype(np.int64) / 1e9), DATES
    if values.dtype.kind == "m":
        return np.where(np.isnat(values), np.nan, values.astype("timedelta64[ns]").astype(np.int64) / 1e9), "s"
    if values.dtype.kind not in "uifU":
        raise UserError(f"{path}: '{form.time}' (key 'time') is {values.dtype}; give seconds or dates")
    if values.dtype.kind == "U" and not form.time_format:
        numbers = texts_as_numbers(values)
        values = values if numbers is None else numbers
    if values.dtype.kind != "U" and form.time_format:
        values = texts_of(values)
    found: list[str] = []
    try:
        clock = _clock_of(form, values, found)
        if values.dtype.kind != "U":
            t = np.asarray(values.astype(np.float64) * (clock.scale * form.time_scale))
        else:
            t = clock.seconds(values.tolist())
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except ValueError as error:
        raise unreadable(str(path), form.time, error) from None
    notes += [note for note in found if note not in notes]
    return t, clock.unit


def _clock_of(form: Description, values: NDArray[Any], notes: list[str]) -> Clock:
    """Find out how times are written, from the first ones."""
    if form.time_scale != 1:
        return Clock(form.time, "s")
    head = values[:HEAD].tolist() if values.dtype.kind != "U" else values.tolist()
    return find_clock(head, form.time, form.time_format or None, form.time_unit or None, notes)
