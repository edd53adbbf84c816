"""Readers of recorded files: each gives arrays by name, and says which file is at fault."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.arrays import Arrays, cannot_read, text_of
from edgelearn.data.named_arrays import read_npy as read_array
from edgelearn.data.published import ArrayUnpickler
from edgelearn.errors import UserError


def natural(path: Path) -> list[tuple[int, str]]:
    """Sort batch2 before batch10.

    Example
    -------
    >>> sorted([Path("b10.dat"), Path("b2.dat")], key=natural)[0].name
    'b2.dat'
    """
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)]


def read_pickled_arrays(path: Path) -> Arrays:
    """Read a .npy file that holds a dict of arrays and lists, without running anything the file names.

    A list of arrays is recordings one behind the other; the array `offset` has their limits.

    Raises
    ------
    UserError
        "... cannot be read ..."
    """
    advice = "give the file that its package ships, or save arrays with numpy.savez"
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            shape, _, dtype = read_header[version](file)
            if dtype != np.dtype(object) or shape != ():
                raise ValueError(f"it holds one array of {dtype}, no named arrays")
            content = ArrayUnpickler(file, encoding="latin1").load()
        if isinstance(content, np.ndarray) and content.shape == ():
            content = content.item()
        if not isinstance(content, dict):
            raise ValueError("it holds no named arrays")
        arrays: dict[str, NDArray[Any]] = {}
        for key, value in content.items():
            if isinstance(value, list) and value and all(isinstance(part, np.ndarray) for part in value):
                arrays["offset"] = np.concatenate(([0], np.cumsum([len(part) for part in value])))
                arrays[str(key)] = np.concatenate(value)
            else:
                arrays[str(key)] = np.asarray(value)
    except Exception as error:  # damaged bytes raise nearly anything, MemoryError included
        raise cannot_read(path, error, advice) from None
    return arrays


def read_npy(path: Path) -> Arrays:
    """Read a .npy file: named arrays in a dict (`read_pickled_arrays`), or one array (`named_arrays.read_npy`)."""
    try:
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            file.seek(8)
            head = file.read(400)
    except ValueError as error:
        raise cannot_read(path, error, "save it again with numpy.save") from None
    return read_pickled_arrays(path) if b"'|O'" in head.partition(b"\n")[0] else read_array(path)


def is_svmlight(path: Path) -> bool:
    """Tell whether the first line with content is one of `read_svmlight`: OSError passes."""
    with path.open("rb") as file:
        for _ in range(100):
            cells = file.readline(1 << 16).split(b"#")[0].split()
            if cells:
                return all(b":" in cell for cell in cells[1:])
    return True


def read_svmlight(path: Path) -> Arrays:
    """Read lines of `class;value 1:number 2:number ...`, with or without `;value`; what is left out is 0.

    Returns
    -------
    X float64 [n, n_features], y (numbers or text) [n], value float64 [n] (NaN where there is none)

    Raises
    ------
    UserError
        "... line 3 ...", "... has no samples ..."
    """
    text = text_of(path, "give text lines of `class 1:number 2:number ...`", [])
    labels: list[str] = []
    values: list[float] = []
    rows: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        cells = line.split("#")[0].split()
        if not cells:
            continue
        try:
            label, _, value = cells[0].partition(";")
            pairs = [cell.split(":") for cell in cells[1:]]
            places = np.array([int(place) for place, _ in pairs], np.int64) - 1
            features = np.array([float(feature) for _, feature in pairs])
            values.append(float(value) if value else np.nan)
        except (ValueError, OverflowError):
            shown = line if len(line) <= 60 else line[:57] + "..."
            raise UserError(f"{path} line {number} is '{shown}'; give `class 1:number 2:number ...`") from None
        if not label or len(places) == 0 or places.min() < 0:
            raise UserError(f"{path} line {number} has no label or no feature; features count from 1")
        labels.append(label)
        rows.append((places, features))
    if not rows:
        raise UserError(f"{path} has no samples; give one per line")
    x = np.zeros((len(rows), 1 + max(int(places.max()) for places, _ in rows)))
    for row, (places, features) in enumerate(rows):
        x[row, places] = features
    return {"X": x, "y": _numbers_or_text(labels), "value": np.array(values)}


def _numbers_or_text(cells: list[str]) -> NDArray[Any]:
    try:
        numbers = np.array([float(cell) for cell in cells])
    except ValueError:
        return np.array(cells)
    return numbers


def read_numbers(path: Path) -> Arrays:
    """Read a table of numbers below a line of titles, the columns parted by any of `, ; #` and tab.

    Raises
    ------
    UserError
        "... cannot be read ..."
    """
    advice = "give a line of titles and lines of as many numbers"
    text = re.sub(r"[;#\t]", ",", text_of(path, advice, []))
    titles, _, body = text.partition("\n")
    names = [title.strip() for title in titles.split(",")]
    try:
        table = np.loadtxt(io.StringIO(body), delimiter=",", ndmin=2)
        if table.shape[1] != len(names):
            raise ValueError(f"{len(names)} titles and {table.shape[1]} columns")
    except ValueError as error:
        raise cannot_read(path, error, advice) from None
    return {name: table[:, index] for index, name in enumerate(names)}
