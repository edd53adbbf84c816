"""Readers of a user's own table: .csv and .npz, with errors that name the row and the column.

Rows and columns count from 1 here, as in a spreadsheet.
"""

from __future__ import annotations

import csv
import zipfile
import zlib
from collections.abc import Collection, Sequence
from itertools import islice
from math import isnan, prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.dataset import Dataset, Labels, Values
from edgelearn.data.published import Parts
from edgelearn.errors import UserError

SUFFIXES = (".csv", ".npz")
SNIFFED_ROWS = 5
WANTED = ("x", "y", "x_train", "y_train", "x_test", "y_test")


def open_user_file(
    path: Path, *, label_column: str | int | None = None, test_fraction: float = 0.2, limit: int | None = None
) -> Dataset:
    """Read a .csv or .npz file as a data set of float32 values.

    Parameters
    ----------
    path : .csv: one sample a row, separated by comma, semicolon or tab, with or without a header line.
        A first row is a header where no feature in it is a number, or where its label is text above labels
        that are all numbers.
        .npz: arrays x and y, or x_train, y_train, x_test and y_test, in either case; x of more than two
        dimensions is flattened, the first counts samples.
    label_column : .csv only: header name, or number counting from 1 (-1 is the last); default the last.
    test_fraction : share of the samples that become the test part, 0 <= test_fraction < 1; which ones does
        not depend on the run's seed. Not for a .npz that has its own test part.
    limit : keep the first `limit` samples of each part.

    Returns
    -------
    Dataset; classes are the labels in sorted order, numbers by value and text by code point.

    Raises
    ------
    UserError : one line with the file, the row and the column, what is allowed and what to do.
    """
    check_fraction(test_fraction)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"{path} has the extension '{path.suffix}'; data files end in {' or '.join(SUFFIXES)}")
    if not path.is_file():
        raise UserError(f"{path} is not a file; check the path")
    image_shape: tuple[int, ...] | None = None
    try:
        if suffix == ".csv":
            x, labels = read_csv(path, label_column)
            parts, names = _split(path, x, labels, test_fraction)
        else:
            if label_column is not None:
                raise UserError(f"{path}: label_column is for .csv files; a .npz file has its labels in array y")
            parts, names, image_shape = _load_npz(path, test_fraction)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check its permissions") from None
    train_x, train_y, test_x, test_y = parts if limit is None else Parts(*(array[:limit].copy() for array in parts))
    return Dataset(
        name=path.stem,
        train_x=train_x,
        train_y=train_y,
        test_x=test_x,
        test_y=test_y,
        # The training part alone sets the range: the test part is not known when a device is built.
        low=train_x.min(axis=0),
        high=train_x.max(axis=0),
        class_names=names,
        source=str(path),
        value_bits=32,
        image_shape=image_shape,
    )


def check_fraction(test_fraction: float) -> None:
    """Refuse a share of test samples that is not 0 <= test_fraction < 1."""
    if not 0 <= test_fraction < 1:
        raise UserError(f"test_fraction {test_fraction} is out of range; give 0 <= test_fraction < 1")


def _split(path: Path, x: Values, labels: Sequence[Any], test_fraction: float) -> tuple[Parts, tuple[str, ...]]:
    y, names = class_indices(path, labels)
    train, test = draw_parts(len(y), test_fraction)
    return Parts(x[train], y[train], x[test], y[test]), names


def draw_parts(n_samples: int, test_fraction: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw which samples are the training part and which the test part; not from the run's seed."""
    n_test = round(test_fraction * n_samples)
    if test_fraction > 0:
        n_test = min(max(n_test, 1), n_samples - 1)
    order = np.random.default_rng(0).permutation(n_samples)
    return order[: n_samples - n_test], order[n_samples - n_test :]


def class_indices(path: Path | str, labels: Sequence[Any]) -> tuple[Labels, tuple[str, ...]]:
    """Map labels, all whole numbers or all text, to 0 .. n_classes - 1 in sorted order."""
    values = sorted(set(labels))
    if len(values) < 2:
        raise UserError(
            f"{path} has {len(values)} class (every label is '{values[0]}'); a classifier needs at least 2: "
            "check which column or array holds the labels"
        )
    place = {value: index for index, value in enumerate(values)}
    return np.array([place[label] for label in labels], np.int64), tuple(str(value) for value in values)


# --- csv ---------------------------------------------------------------------------------------------------


def read_csv(path: Path, label_column: str | int | None = None) -> tuple[Values, list[Any]]:
    """Read a table of numbers and labels.

    Returns
    -------
    float32 [n_samples, n_features] and the labels as they stand in the file: all int, or all str.

    Raises
    ------
    UserError : "FILE row R column C ...", "FILE row R has N columns ...", "FILE has no rows ...",
        "label column 'NAME' is not known ...".
    """
    rows, lines = _read_rows(path)
    n_columns = len(rows[0])
    for row, line in zip(rows, lines, strict=True):
        if len(row) != n_columns:
            raise UserError(
                f"{path} row {line} has {len(row)} columns and row {lines[0]} has {n_columns}; give every row as many"
            )
    if n_columns < 2:
        raise UserError(f"{path} has one column; give features and a label, separated by comma, semicolon or tab")
    label_at, has_header = _label_and_header(path, rows, label_column)
    titles = rows[0] if has_header else None
    if has_header:
        rows, lines = rows[1:], lines[1:]
    if not rows:
        raise UserError(f"{path} has no rows below its header; give one sample a row")

    values = np.empty((len(rows), n_columns - 1), np.float64)
    for index, row in enumerate(rows):
        features = row[:label_at] + row[label_at + 1 :]
        try:
            values[index] = [float(cell) for cell in features]
        except ValueError:
            column = next(c for c, cell in enumerate(row) if c != label_at and not is_number(cell))
            raise _cell_error(path, lines[index], column, titles, row[column]) from None
    with np.errstate(over="ignore"):
        x = values.astype(np.float32)
    if not np.isfinite(x).all():
        index, feature = np.argwhere(~np.isfinite(x))[0]
        column = int(feature) + (feature >= label_at)
        raise _cell_error(path, lines[index], column, titles, rows[index][column])
    return x, csv_labels(path, [row[label_at].strip() for row in rows], lines, label_at, titles)


def _read_rows(path: Path) -> tuple[list[list[str]], list[int]]:
    """Give the rows that are not blank and the line of the file that each ends on."""
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            separator = _sniff(file)
            file.seek(0)
            reader = csv.reader(file, delimiter=separator)
            for row in reader:
                if row and any(cell.strip() for cell in row):
                    rows.append(row)
                    lines.append(reader.line_num)
                elif len(row) > 1:
                    # Only separators: a row of empty cells, not a blank line.
                    raise _cell_error(path, reader.line_num, 0, None, "")
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not a text table ({error}); save it as UTF-8 .csv") from None
    if not rows:
        raise UserError(f"{path} has no rows; give one sample a row")
    return rows, lines


def _sniff(file: Any) -> str:
    """Choose the separator under which the first rows have most columns of numbers and at most one of text.

    A cell such as 1,5 counts as a number here, and semicolon and tab win a tie: a decimal comma then meets
    the error that explains it, instead of being cut in two.
    """
    sample = list(islice((line for line in file if line.strip()), SNIFFED_ROWS))
    rows = {mark: list(csv.reader(sample, delimiter=mark)) for mark in "\t;,"}
    best, n_best = "", 0
    for mark, table in rows.items():
        if len({len(row) for row in table}) != 1:
            continue
        columns = list(zip(*(table[1:] or table), strict=True))
        n_numbers = sum(all(_looks_numeric(cell) for cell in column) for column in columns)
        if len(columns) > 1 and n_numbers >= len(columns) - 1 and n_numbers > n_best:
            best, n_best = mark, n_numbers
    return best or max(",;\t", key=lambda mark: len(rows[mark][0]) if rows[mark] else 0)


def is_number(cell: str) -> bool:
    """Tell whether a cell is a number, NaN and infinities included."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _looks_numeric(cell: str) -> bool:
    return is_number(cell.replace(",", "."))


def _label_and_header(path: Path, rows: list[list[str]], label_column: str | int | None) -> tuple[int, bool]:
    """Give the index of the label column, counting from 0, and whether the first row is a header."""
    first = [cell.strip() for cell in rows[0]]
    if isinstance(label_column, str) and label_column.strip() in first:
        name = label_column.strip()
        # A name that is also a number is a column's name only where the first row is a header otherwise.
        if not is_number(name):
            if first.count(name) > 1:
                raise UserError(f"{path} has {first.count(name)} columns '{name}'; give the label column's number")
            return first.index(name), True
    number = -1 if label_column is None else label_column
    if isinstance(number, str):
        try:
            number = int(number)
        except ValueError:
            raise UserError(
                f"label column '{label_column}' is not in the first row of {path}; "
                f"known: {', '.join(first)}; or give its number from 1 to {len(first)}"
            ) from None
    if number == 0 or abs(number) > len(first):
        raise UserError(
            f"label column {number} is out of range for {path}; columns count from 1 to {len(first)}, -1 is the last"
        )
    label_at = number - 1 if number > 0 else len(first) + number
    no_number_above = not any(_looks_numeric(cell) for column, cell in enumerate(first) if column != label_at)
    # Titles such as 0, 1, 2, label look like data; only the label column tells them apart.
    text_above_numbers = (
        len(rows) > 1 and not is_number(first[label_at]) and all(is_number(row[label_at]) for row in rows[1:])
    )
    return label_at, no_number_above or text_above_numbers


def _cell_error(path: Path, line: int, column: int, titles: list[str] | None, cell: str) -> UserError:
    title = f" ('{titles[column].strip()}')" if titles else ""
    given = f"is '{cell.strip()}'" if cell.strip() else "is empty"
    hint = "use a point as decimal mark" if "," in cell else "correct the cell or remove the row"
    return UserError(f"{path} row {line} column {column + 1}{title} {given}; give a finite number: {hint}")


def csv_labels(
    path: Path,
    cells: list[str],
    lines: list[int],
    label_at: int,
    titles: list[str] | None,
    way_out: str = "name the column that holds them with label_column",
) -> list[int] | list[str]:
    """Give labels as they stand in their cells: all int, or all str."""
    where = f"column {label_at + 1}" + (f" ('{titles[label_at].strip()}')" if titles else "")
    for cell, line in zip(cells, lines, strict=True):
        if not cell or (is_number(cell) and isnan(float(cell))):
            given = f"is '{cell}'" if cell else "is empty"
            raise UserError(f"{path} row {line} {where} {given}; give a label: correct the cell or remove the row")
    if not all(is_number(cell) for cell in cells):
        return cells
    labels = []
    for cell, line in zip(cells, lines, strict=True):
        try:
            labels.append(int(cell))  # exact where a float would round
        except ValueError:
            if not float(cell).is_integer():
                raise UserError(
                    f"{path} row {line} {where} is {cell}; labels are whole numbers or text: {way_out}"
                ) from None
            labels.append(int(float(cell)))
    return labels


# --- npz ---------------------------------------------------------------------------------------------------


def _load_npz(path: Path, test_fraction: float) -> tuple[Parts, tuple[str, ...], tuple[int, ...] | None]:
    arrays = read_npz(path, WANTED)
    own_parts = ("x_train", "y_train", "x_test", "y_test")
    if all(key in arrays for key in own_parts):
        if test_fraction != 0.2:
            raise UserError(f"{path} has its own test part; leave test_fraction out")
        train_x, train_labels, shape = _npz_part(path, arrays, "x_train", "y_train")
        test_x, test_labels, test_shape = _npz_part(path, arrays, "x_test", "y_test")
        if shape != test_shape:
            raise UserError(
                f"{path}: a sample is {list(shape)} in x_train and {list(test_shape)} in x_test; give one shape"
            )
        if isinstance(train_labels[0], str) != isinstance(test_labels[0], str):
            raise UserError(f"{path}: y_train and y_test mix text and numbers; give labels of one kind")
        y, names = class_indices(path, [*train_labels, *test_labels])
        n_train = len(train_labels)
        return Parts(train_x, y[:n_train], test_x, y[n_train:]), names, _image_shape(shape)
    if "x" in arrays and "y" in arrays:
        x, labels, shape = _npz_part(path, arrays, "x", "y")
        parts, names = _split(path, x, labels, test_fraction)
        return parts, names, _image_shape(shape)
    raise UserError(
        f"{path} holds the arrays {', '.join(sorted(arrays)) or '(none)'}; "
        "give x and y, or x_train, y_train, x_test and y_test"
    )


def _image_shape(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    return shape if len(shape) > 1 else None


def read_npz(path: Path, wanted: Collection[str]) -> dict[str, NDArray[Any]]:
    """Read the wanted arrays of a .npz file, under their names in lower case; others are empty.

    Raises
    ------
    UserError : "FILE cannot be read ...", "FILE holds 'NAME' in both cases ..."; OSError passes.
    """
    arrays: dict[str, NDArray[Any]] = {}
    try:
        with np.load(path, allow_pickle=False) as archive:
            for key in archive.files:
                if key.lower() in arrays:
                    raise UserError(f"{path} holds '{key}' in both cases; keep one of them")
                # Other arrays are not read: they may be large, or of a kind that cannot be read.
                arrays[key.lower()] = archive[key] if key.lower() in wanted else np.empty(0)
    except UserError:
        raise
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} cannot be read ({reason}); save numbers with numpy.savez, no objects") from None
    return arrays


def _npz_part(
    path: Path, arrays: dict[str, NDArray[Any]], x_key: str, y_key: str
) -> tuple[Values, list[Any], tuple[int, ...]]:
    """Give float32 [n_samples, n_features], one label a sample, and the shape of one sample."""
    x, y = arrays[x_key], arrays[y_key]
    if x.ndim < 2 or x.dtype.kind not in "buif":
        raise UserError(f"{path}: {x_key} is {x.dtype} {list(x.shape)}; give numbers [n_samples, n_features]")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or y.dtype.kind not in "buifU":
        raise UserError(f"{path}: {y_key} is {y.dtype} {list(y.shape)}; give one label a sample [n_samples]")
    if len(x) != len(y):
        raise UserError(f"{path}: {x_key} has {len(x)} samples and {y_key} {len(y)} labels; give as many")
    shape = tuple(int(n) for n in x.shape[1:])
    if x.size == 0:
        raise UserError(f"{path}: {x_key} has no rows or no columns; give [n_samples, n_features]")
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(x.reshape(len(x), prod(shape)), np.float32)
    finite = np.isfinite(values)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise UserError(
            f"{path}: {x_key} row {row + 1} column {column + 1} is {x.reshape(len(x), -1)[row, column]}; "
            "give a finite number: correct it or remove the row"
        )
    return values, npz_labels(path, y_key, y), shape


def npz_labels(path: Path, key: str, y: NDArray[Any]) -> list[Any]:
    """Give labels of an array [n_samples] of numbers or text: all int, or all str."""
    if y.dtype.kind == "U":
        return [str(label) for label in y]
    wrong = ~np.isfinite(y) | (y < 0) | (y != np.floor(y)) if y.dtype.kind == "f" else y < 0
    if wrong.any():
        row = int(np.argmax(wrong))
        raise UserError(
            f"{path}: labels out of range: {key} row {row + 1} is {y[row]}; give whole numbers from 0, or text"
        )
    return [int(label) for label in y.tolist()]
