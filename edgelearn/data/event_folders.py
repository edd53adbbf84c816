"""Folders of event recordings, one folder for each class."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data import aedat, line_groups, reader
from edgelearn.data.arrays import mapped_array
from edgelearn.data.cells import shortened
from edgelearn.data.columns import Roles
from edgelearn.data.event_arrays import arrays_have_events, named_event_arrays
from edgelearn.data.event_columns import (
    MICROSECONDS,
    POLARITY_ADVICE,
    event_columns,
    headless_columns,
    npy_has_events,
    npz_has_events,
    parquet_has_events,
    polarities,
    table_has_events,
    unnamed_in,
)
from edgelearn.data.event_set import (
    MAX_WHOLE,
    WHOLE_TIMES,
    EventSet,
    pixel_addresses,
    unit_of_times,
    user_set,
    whole_numbers,
)
from edgelearn.data.event_tables import TEXTS
from edgelearn.data.nmnist import BYTES_PER_EVENT, NMNIST_SIDE, read_nmnist_file
from edgelearn.data.source import ColumnsUsed
from edgelearn.data.table_rows import joined
from edgelearn.data.tables import draw_parts
from edgelearn.errors import UserError

HAVE_EVENTS: dict[str, Callable[[Path], bool]] = {
    ".csv": table_has_events,
    ".tsv": table_has_events,
    ".txt": table_has_events,
    ".parquet": parquet_has_events,
    ".npy": npy_has_events,
    ".npz": npz_has_events,
    ".mat": arrays_have_events,
    ".h5": arrays_have_events,
    ".hdf5": arrays_have_events,
}
"""What tells events from values, by the suffix of a file; OSError and UserError pass."""

RECORDINGS = (".bin", *HAVE_EVENTS, *aedat.SUFFIXES)


def _recordings(folder: Path) -> list[tuple[str, Path]]:
    """Return class and file of the recordings of a folder, in order."""
    found = []
    for inside in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        found += [(inside.name, path) for path in sorted(inside.iterdir()) if path.suffix.lower() in RECORDINGS]
    return found


def _parts_of(folder: Path) -> list[Path]:
    """Return the folders of training and test part where there are such, else the folder itself."""
    inside = {path.name.lower(): path for path in folder.iterdir() if path.is_dir()}
    return [inside["train"], inside["test"]] if {"train", "test"} <= inside.keys() else [folder]


def is_recording_folder(folder: Path) -> bool:
    """Tell whether a folder holds a folder of event recordings for each class; OSError passes."""
    found = _recordings(_parts_of(folder)[0])
    if not found:
        return False
    path, suffix = found[0][1], found[0][1].suffix.lower()
    if suffix == ".bin":
        size = path.stat().st_size
        return size > 0 and size % BYTES_PER_EVENT == 0
    return suffix not in HAVE_EVENTS or HAVE_EVENTS[suffix](path) or _unnamed(path) is not None


def read_recording_folder(folder: Path, test_fraction: float, limit: int | None, time_unit: str | None) -> EventSet:
    """Read a folder of recordings for each class, named by the folder."""
    try:
        parts = [_recordings(part) for part in _parts_of(folder)]
        if not all(parts):
            raise UserError(
                f"{folder} has no folder of recordings for each class; name CLASS/NAME.bin, .npy, .csv or .aedat4"
            )
        notes: list[str] = []
        named = [one for part in parts for one in part]
        from_cameras = [path for _, path in named if path.suffix.lower() in aedat.SUFFIXES]
        cameras = dict(zip(from_cameras, aedat.read_aedat(from_cameras, notes), strict=True))
        read = [(label, cameras.get(path) or _read_recording(path, time_unit, notes)) for label, path in named]
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read ({error.strerror}); check its permissions") from None
    names = [name for _, columns in read for name in columns]
    fields = [name for name in ("t", "address", "x", "y", "value") if name in names]
    if any(set(fields) != set(columns) for _, columns in read):
        raise UserError(f"{folder}: recordings have different columns ({', '.join(fields)}); give all the same")
    arrays = {name: np.concatenate([columns[name] for _, columns in read]) for name in fields}
    for name in fields[:-1] if "value" in fields else fields:
        arrays[name] = whole_numbers(
            folder, name, arrays[name], -MAX_WHOLE if name == "t" else 0, f"give {WHOLE_TIMES}"
        )
    if "address" in arrays:
        address, n_addresses = arrays["address"], int(arrays["address"].max()) + 1
    else:
        sizes = [int(arrays[name].max()) + 1 for name in ("x", "y")]
        if all(path.suffix.lower() == ".bin" for part in parts for _, path in part):
            sizes = [NMNIST_SIDE, NMNIST_SIDE]
        address, n_addresses = pixel_addresses(folder, arrays["x"], arrays["y"], *sizes)
    offset = np.concatenate(([0], np.cumsum([len(columns["t"]) for _, columns in read])))
    if len(parts) == 2:
        if test_fraction != 0.2:
            raise UserError(f"{folder} has its own test part; leave test_fraction out")
        n = len(parts[0])
        drawn = (draw_parts(n, 0.0)[0], np.arange(n, len(read)))
    else:
        drawn = draw_parts(len(read), test_fraction)
    labels = [label for label, _ in read]
    whole = [int(label) for label in labels] if all(label.isdecimal() for label in labels) else labels
    value, unique = arrays.get("value"), list(dict.fromkeys(notes))
    used = ColumnsUsed(tuple(fields[1:]), "name of the folder", "t", "file", "us")
    return user_set(folder, arrays["t"], address, value, offset, whole, n_addresses, drawn, limit, unique, used)


def _read_recording(path: Path, time_unit: str | None, notes: list[str]) -> dict[str, NDArray[Any]]:
    """Read the events of one file: t in microseconds, address or x and y, and value where there is one."""
    suffix = path.suffix.lower()
    if suffix == ".bin":
        t, inputs = read_nmnist_file(path)
        pixel = inputs.astype(np.int64) % NMNIST_SIDE**2
        return {"t": t, "x": pixel % NMNIST_SIDE, "y": pixel // NMNIST_SIDE, "value": inputs // NMNIST_SIDE**2}
    if (unnamed := _unnamed(path)) is not None:
        arrays, titles = _from_unnamed(path, unnamed, notes)
    elif suffix in TEXTS:
        arrays, titles = _from_text(path)
    elif suffix == ".parquet":
        arrays, titles = _from_parquet(path)
    else:
        arrays, titles = named_event_arrays(path)
        if "p" in arrays:
            arrays["value"] = arrays.pop("p")
    if "t" not in arrays or ("address" not in arrays and not {"x", "y"} <= arrays.keys()):
        raise UserError(f"{path} has {', '.join(arrays) or 'no columns'}; a recording has t, and x and y or address")
    if (unit := unit_of_times(titles.get("t", "t"), time_unit, notes)) != "us":
        arrays["t"] = np.rint(arrays["t"].astype(np.float64) * MICROSECONDS[unit])
    if "value" in arrays:
        signs = polarities(arrays["value"])
        if not np.isfinite(signs).all():
            cell = arrays["value"][int(np.argmin(np.isfinite(signs)))]
            raise UserError(f"{path}: no polarity ({shortened(str(cell))}); {POLARITY_ADVICE}")
        arrays["value"] = signs
    places = ("address",) if "address" in arrays else ("x", "y")
    return {name: arrays[name] for name in ("t", *places, "value") if name in arrays}


def _unnamed(path: Path) -> dict[str, int] | None:
    """Return which of four columns without names is which, None for other files."""
    if path.suffix.lower() in TEXTS:
        return headless_columns(path)
    return unnamed_in(mapped_array(path)) if path.suffix.lower() == ".npy" else None


def _from_unnamed(
    path: Path, places: dict[str, int], notes: list[str]
) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Read four columns without names."""
    if path.suffix.lower() == ".npy":
        table = np.array(mapped_array(path))
    else:
        roles = Roles(tuple(str(k + 1) for k in range(4)), is_ordered=False)
        reading = reader.TableReader(roles, str(path), dtype=np.float64, may_lack=False)
        table = joined(list(reading.read_file(path))).x
    order = ", ".join("p" if role == "value" else role for role in sorted(places, key=places.__getitem__))
    notes.append(f"columns without names are read as {order}")
    return {role: table[:, k] for role, k in places.items()}, {}


def _from_text(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Read a text table with a header."""
    columns = event_columns(line_groups.titles_of(path))
    numbers = [role for role in ("t", "address", "x", "y") if role in columns]
    texts = (columns["value"],) if "value" in columns else ()
    roles = Roles(tuple(columns[role] for role in numbers), texts=texts, is_ordered=False, has_categories=False)
    table = reader.TableReader(roles, str(path), dtype=np.float64, may_lack=False)
    rows = joined(list(table.read_file(path)))
    arrays: dict[str, NDArray[Any]] = dict(zip(numbers, rows.x.T, strict=True))
    if texts:
        arrays["value"] = np.array(rows.texts[0], str)
    return arrays, columns


def _from_parquet(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Read a Parquet file."""
    from edgelearn.data import parquet

    file = parquet.open_file(path)
    columns = event_columns(parquet.names_of(path, file))
    titles = {role: title for role, title in columns.items() if role in ("t", "address", "x", "y", "value")}
    groups = [
        parquet.read_group(path, file, group, list(titles.values())) for group in range(file.metadata.num_row_groups)
    ]
    if not groups:
        raise UserError(f"{path} has no rows; give one event per row")
    return {role: np.concatenate([group[title] for group in groups]) for role, title in titles.items()}, columns
