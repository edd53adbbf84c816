"""Address events in arrays of NumPy: .npz with one array per role, or structured arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.arrays import NpzArrays, read_npz
from edgelearn.data.event_columns import MICROSECONDS, event_columns, is_structured
from edgelearn.data.event_set import (
    MAX_WHOLE,
    WHOLE_TIMES,
    EventSet,
    pixel_addresses,
    unit_of_times,
    user_set,
    whole_numbers,
)
from edgelearn.data.tables import draw_parts, npz_labels
from edgelearn.errors import UserError

ARRAYS = ("t", "address", "x", "y", "value", "p", "offset", "label", "test", "n_addresses", "width", "height")


def read_event_arrays(path: Path, test_fraction: float, limit: int | None, time_unit: str | None = None) -> EventSet:
    notes: list[str] = []
    arrays, clock = named_event_arrays(path)
    if "t" in arrays and (unit := unit_of_times(clock, time_unit, notes)) != "us":
        arrays["t"] = np.rint(arrays["t"] * MICROSECONDS[unit])
    missing = [name for name in ("t", "offset", "label") if name not in arrays]
    if "address" not in arrays and not {"x", "y"} <= set(arrays):
        missing.insert(0, "address (or x and y)")
    if missing:
        raise UserError(
            f"{path} lacks {', '.join(missing)} and holds the arrays {', '.join(sorted(arrays)) or '(none)'}; "
            "give t, address (or x and y), offset and label"
        )
    t = whole_numbers(path, "t", arrays["t"], -MAX_WHOLE, f"give {WHOLE_TIMES}")
    if "address" in arrays:
        address = whole_numbers(path, "address", arrays["address"], 0, "give whole numbers from 0")
        n_addresses = _count(path, arrays, "n_addresses", "address", address)
    else:
        x, y = (whole_numbers(path, name, arrays[name], 0, "give whole numbers from 0") for name in ("x", "y"))
        width, height = _count(path, arrays, "width", "x", x), _count(path, arrays, "height", "y", y)
        address, n_addresses = pixel_addresses(path, x, y, width, height)
    value_key = "value" if "value" in arrays else "p"
    value = arrays.get(value_key)
    if value is not None and (value.ndim != 1 or value.dtype.kind not in "buif"):
        raise UserError(f"{path}: {value_key} is {value.dtype} {list(value.shape)}; give numbers [events]")
    for name, array in (("address", address), (value_key, value)):
        if array is not None and len(array) != len(t):
            raise UserError(f"{path}: t has {len(t)} events and {name} {len(array)}; give as many")
    if value is not None and not np.isfinite(value).all():
        row = int(np.argmin(np.isfinite(value)))
        raise UserError(f"{path}: {value_key} row {row + 1} is {value[row]}; give finite numbers")
    offset = _offset(path, arrays["offset"], len(t))
    labels, parts = _labels_and_parts(path, arrays, len(offset) - 1, test_fraction)
    return user_set(path, t, address, value, offset, labels, n_addresses, parts, limit, notes)


def named_event_arrays(path: Path) -> tuple[dict[str, NDArray[Any]], str]:
    """Return the arrays of events by their names here, and the name of the clock in the file."""
    if path.suffix.lower() == ".npy":
        return _of_fields(path, [load_npy(path)], {})
    archive = NpzArrays(path)
    columns = event_columns(archive)
    if "t" not in columns and not {"x", "y", "address"} & columns.keys():
        structured = [array for array in (archive[name] for name in archive) if is_structured(array)]
        if structured:
            named = {role: archive[columns[role]] for role in ("offset", "label") if role in columns}
            return _of_fields(path, structured, named | {name: archive[name] for name in archive if name == "test"})
    arrays = read_npz(path, (*ARRAYS, *(title.lower() for title in columns.values())))
    for role, title in columns.items():
        if role not in arrays and not (role == "value" and "p" in arrays):
            arrays[role] = arrays.pop(title.lower())
    return arrays, columns.get("t", "t")


def _of_fields(
    path: Path, structured: list[NDArray[Any]], named: dict[str, NDArray[Any]]
) -> tuple[dict[str, NDArray[Any]], str]:
    """Return arrays of events from structured ones: one with all events, or one for each sample."""
    columns = event_columns(structured[0].dtype.names or ())
    if any(one.dtype.names != structured[0].dtype.names or one.ndim != 1 for one in structured):
        raise UserError(f"{path} holds structured arrays of different fields or shapes; give all samples the same")
    events = np.concatenate(structured)
    arrays = {role: np.asarray(events[title]) for role, title in columns.items()} | named
    if "x" in arrays and "y" not in arrays and "address" not in arrays:
        arrays["address"] = arrays.pop("x")
    if len(structured) > 1:
        arrays["offset"] = np.concatenate(([0], np.cumsum([len(one) for one in structured])))
    elif "sample" in columns and "label" in columns and "offset" not in arrays:
        sample = arrays["sample"]
        first = np.flatnonzero(np.concatenate(([True], sample[1:] != sample[:-1])))
        if len(first) != len(np.unique(sample)):
            raise UserError(f"{path}: events of a sample lie apart; sort them by sample")
        arrays["offset"], arrays["label"] = np.append(first, len(sample)), arrays["label"][first]
    return arrays, columns["t"]


def load_npy(path: Path) -> NDArray[Any]:
    """Read a .npy file that holds one structured array of events."""
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise UserError(f"{path} cannot be read ({' '.join(str(error).split())}); save it with numpy.save") from None
    if not isinstance(array, np.ndarray) or not is_structured(array):
        raise UserError(f"{path} has no fields of events; give a structured array with t, x, y and p")
    return array


def _count(path: Path, arrays: dict[str, NDArray[Any]], key: str, name: str, array: NDArray[np.int64]) -> int:
    """Give how many values of `name` there can be: what the file says, or one above the largest."""
    needed = int(array.max()) + 1
    if key not in arrays:
        return needed
    given = arrays[key]
    if given.size != 1 or given.dtype.kind not in "ui":
        raise UserError(f"{path}: {key} is {given.dtype} {list(given.shape)}; give one whole number")
    count = int(given.item())
    if count < needed:
        row = int(np.argmax(array >= count))
        raise UserError(f"{path}: {name} row {row + 1} is {array[row]} and {key} is {count}; give at least {needed}")
    return count


def _offset(path: Path, array: NDArray[Any], n_events: int) -> NDArray[np.int64]:
    if array.ndim != 1 or array.dtype.kind not in "ui" or len(array) < 2:
        raise UserError(f"{path}: offset is {array.dtype} {list(array.shape)}; give whole numbers [samples + 1]")
    offset = array.astype(np.int64)
    if (offset[1:] < offset[:-1]).any():
        row = int(np.argmax(offset[1:] < offset[:-1])) + 1
        raise UserError(
            f"{path}: offset row {row + 1} is {array[row]} after {array[row - 1]}; give numbers that never fall"
        )
    if offset[0] != 0 or offset[-1] != n_events:
        raise UserError(
            f"{path}: offset goes from {array[0]} to {array[-1]} and t has {n_events} events; give 0 to {n_events}"
        )
    return offset


def _labels_and_parts(
    path: Path, arrays: dict[str, NDArray[Any]], n_samples: int, test_fraction: float
) -> tuple[list[Any], tuple[NDArray[np.int64], NDArray[np.int64]]]:
    label = arrays["label"]
    if label.ndim != 1 or label.dtype.kind not in "buifU":
        raise UserError(f"{path}: label is {label.dtype} {list(label.shape)}; give one label per sample [samples]")
    if len(label) != n_samples:
        raise UserError(
            f"{path}: label has {len(label)} rows and offset {n_samples + 1}, which is {n_samples} samples; "
            "give one label per sample"
        )
    labels = npz_labels(path, "label", label)
    if "test" not in arrays:
        return labels, draw_parts(n_samples, test_fraction)
    test = arrays["test"]
    if test.shape != (n_samples,) or test.dtype.kind != "b":
        raise UserError(f"{path}: test is {test.dtype} {list(test.shape)}; give bool [{n_samples}], one per sample")
    if test.all():
        raise UserError(f"{path}: test is true for every sample; leave at least 1 for training")
    if test_fraction != 0.2:
        raise UserError(f"{path} has its own test part; leave test_fraction out")
    return labels, (np.flatnonzero(~test), np.flatnonzero(test))
