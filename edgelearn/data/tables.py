"""A user's own table as a data set: .csv, .tsv and .npz.

Lines, rows and columns count from 1 in messages, as in a spreadsheet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data import line_groups, reader
from edgelearn.data.array_parts import TEST, WHOLE, check_features, left_out_note, names_in, read_parts, training_names
from edgelearn.data.arrays import NpzArrays
from edgelearn.data.cells import (
    LEARN_WITHOUT,
    Span,
    by_value,
    check_classes,
    is_missing,
    is_number,
    label_text,
    offset_note,
    offsets,
)
from edgelearn.data.columns import NO_ROLES, Roles
from edgelearn.data.compressed import suffix_of
from edgelearn.data.dataset import Dataset, Labels, Values, range_of
from edgelearn.data.published import Parts
from edgelearn.data.source import LEFT_OUT, ColumnsUsed, Rejects, missing_notes, without_label
from edgelearn.data.table_rows import Rows, joined
from edgelearn.errors import UserError

SUFFIXES = (*line_groups.SUFFIXES, ".npz")
OWN_FILES = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
NAME_LABELS = (
    "a classifier needs labels of 2 classes or more: name their column with --label-column, take them from file or "
    r"folder names with --label-from '(\w+)\.csv', or from a second file with --labels; "
    "without labels: edgelearn stream FILE --task anomaly"
)


def open_user_file(
    path: Path, *, roles: Roles = NO_ROLES, test_fraction: float = 0.2, limit: int | None = None
) -> Dataset:
    """Read a text table or a file of named arrays as a data set of float32 values.

    Parameters
    ----------
    path : .csv, .tsv: one sample per line, as `edgelearn.data.reader` reads it; columns of time and of segments
        (or subjects) are no features. A line that cannot be used, or that has no label, refuses the file.
        .npz, and HDF5 or .mat with a test part: arrays x and y, or x_train, y_train, x_test and y_test, or x, y,
        x_test and y_test, in either case; x of more than two dimensions is flattened, the first counts samples.
    roles : .csv and .tsv: what the columns are.
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
    suffix = suffix_of(path)
    if suffix not in SUFFIXES and not has_parts(path):
        raise UserError(f"{path} has the extension '{path.suffix}'; data files end in {OWN_FILES}")
    if not path.is_file():
        raise UserError(f"{path} is not a file; check the path")
    try:
        notes: list[str] = []
        if suffix in line_groups.SUFFIXES:
            rejects = Rejects()
            x, labels, columns, notes = read_table(path, roles, rejects)
            unlabelled = next((note for note in notes if note.startswith(LEFT_OUT)), "")
            parts, names = _split(path, x, labels, test_fraction, rejects.summary or unlabelled)
        else:
            if roles.label is not None:
                raise UserError(f"{path}: label_column is for text tables; a {suffix} file has its labels in array y")
            parts, names, subtracted = _load_arrays(path, test_fraction, notes)
            n_features = parts.train_x.shape[1]
            columns = ColumnsUsed(tuple(f"feature {number + 1}" for number in range(n_features)), label="y")
            columns = columns.with_offsets(subtracted)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check its permissions") from None
    return dataset_of(parts, names, limit, name=path.stem, source=str(path), columns=columns, notes=notes)


def dataset_of(
    parts: Parts, class_names: tuple[str, ...], limit: int | None, ends: tuple[Any, Any] | None = None, **rest: Any
) -> Dataset:
    """Make a data set of its parts.

    Parameters
    ----------
    limit : samples of each part at most
    ends : low and high; by default those of the training part, since a device is built without the test part
    rest : other fields of `Dataset`
    """
    if limit is not None:
        # Copies, so that the full arrays can go; where nothing is cut off there is nothing to free.
        parts = Parts(*(array if len(array) <= limit else array[:limit].copy() for array in parts))
    low, high = range_of(parts.train_x) if ends is None else ends
    return Dataset(**parts._asdict(), low=low, high=high, class_names=class_names, **rest)


def check_fraction(test_fraction: float) -> None:
    """Refuse a share of test samples that is not 0 <= test_fraction < 1."""
    if not 0 <= test_fraction < 1:
        raise UserError(f"test_fraction {test_fraction} is out of range; give 0 <= test_fraction < 1")


def _split(
    path: Path, x: Values, labels: Sequence[Any], test_fraction: float, left_out: str = ""
) -> tuple[Parts, tuple[str, ...]]:
    y, names = class_indices(path, labels, left_out)
    train, test = draw_parts(len(y), test_fraction)
    return Parts(x[train], y[train], x[test], y[test]), names


def draw_parts(n_samples: int, test_fraction: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw which samples are the training part and which the test part; not from the run's seed."""
    n_test = round(test_fraction * n_samples)
    if test_fraction > 0:
        n_test = min(max(n_test, 1), n_samples - 1)
    order = np.random.default_rng(0).permutation(n_samples)
    return order[: n_samples - n_test], order[n_samples - n_test :]


def class_indices(path: Path | str, labels: Sequence[Any], left_out: str = "") -> tuple[Labels, tuple[str, ...]]:
    """Map labels, all whole numbers or all text, to 0 .. n_classes - 1 in sorted order.

    Parameters
    ----------
    left_out : what the table had besides them
    """
    values = sorted(set(labels))
    if len(values) < 2:
        besides = f"; {left_out}" if left_out else ""
        raise UserError(
            f"{path} has {len(values)} class (every label is '{values[0]}'{besides}); a classifier needs at least 2: "
            "check which column or array holds the labels"
        )
    place = {value: index for index, value in enumerate(values)}
    return np.array([place[label] for label in labels], np.int64), tuple(str(value) for value in values)


# --- text --------------------------------------------------------------------------------------------------


def read_table(
    path: Path, roles: Roles = NO_ROLES, rejects: Rejects | None = None
) -> tuple[Values, list[Any], ColumnsUsed, list[str]]:
    """Read a text table of numbers and labels; `rejects` counts the lines that cannot be used.

    Returns
    -------
    float32 [n_samples, n_features]; the labels: all int, or all str; what the columns are; notes

    Raises
    ------
    UserError
        those of `reader.TableReader` and `class_labels`; OSError passes.
    """
    rejects = rejects or Rejects()
    table = reader.TableReader(replace(roles, is_ordered=False), str(path), rejects, dtype=np.float64)
    rows = joined(_as_float32(table.read_file(path)))
    assert table.columns is not None
    used = replace(table.columns.used, inputs=table.channels)
    x, notes = table.expand(rows.x), [*table.notes, *rejects.notes()]
    cells, numbers = rows.labels, rows.numbers
    missing = {cell for cell in set(cells) if is_missing(label_text(cell))}
    if missing:
        kept = np.array([cell not in missing for cell in cells])
        if not kept.any():
            raise UserError(f"{path} has no labels; {NAME_LABELS}")
        notes.append(without_label(int((~kept).sum()), len(kept)))
        x, cells, numbers = x[kept], [cell for cell in cells if cell not in missing], numbers[kept]
    notes += missing_notes(x, used.inputs)
    subtracted = offsets(x)
    if subtracted.any():
        x, used = x - subtracted, used.with_offsets(subtracted)
        notes.append(offset_note(table.channels, subtracted))
    return x.astype(np.float32, copy=False), class_labels(path, cells, numbers), used, notes


def _as_float32(parts: Iterable[Rows]) -> list[Rows]:
    """Cast features to float32 as they come, once it is sure that the cast merges none; float64 where it is not."""
    found: list[Rows] = []
    span = Span()
    for rows in parts:
        was_settled = span.is_settled
        span.add(rows.x)
        if span.is_settled and not was_settled:
            found = [one._replace(x=one.x.astype(np.float32)) for one in found]
        found.append(rows._replace(x=rows.x.astype(np.float32)) if span.is_settled else rows)
    return found


def class_labels(path: Path, cells: Sequence[str], numbers: Sequence[int] | NDArray[np.int64]) -> list[Any]:
    """Give labels from their cells: all int, or all str.

    Raises
    ------
    UserError
        "FILE line N: the label is missing ...", "FILE line N: label ... is no class ..."
    """
    names = {cell: label_text(cell) for cell in set(cells)}
    missing = {cell for cell, name in names.items() if is_missing(name)}
    if missing:
        line, cell = next((n, cell) for n, cell in zip(numbers, cells, strict=True) if cell in missing)
        raise UserError(f"{path} line {line}: the label is missing ('{cell.strip()}'); fill it in or remove the line")
    counts: Counter[str] = Counter()
    for cell, n in Counter(cells).items():
        counts[names[cell]] += n
    if all(map(is_number, counts)):
        fractions = {cell for cell, name in names.items() if not isinstance(by_value(name), int)}
        if fractions:
            line, cell = next((n, cell) for n, cell in zip(numbers, cells, strict=True) if cell in fractions)
            raise UserError(
                f"{path} line {line}: label {cell.strip()} is no class; labels are whole numbers or text: "
                f"check which column holds them, and name it with --label-column, {LEARN_WITHOUT}"
            )
    check_classes(counts, str(path))
    if not all(map(is_number, counts)):
        return [names[cell] for cell in cells]
    whole = {cell: int(name) for cell, name in names.items()}
    return [whole[cell] for cell in cells]


# --- npz ---------------------------------------------------------------------------------------------------


def has_usual_names(path: Path) -> bool:
    """Tell whether a file is a text table, or a .npz file with arrays x and y, or with training and test parts."""
    if path.suffix.lower() != ".npz" or not path.is_file():
        return True
    names = {name.lower() for name in NpzArrays(path)}
    return set(WHOLE) <= names or training_names(names) is not None


def has_parts(path: Path) -> bool:
    """Tell whether a file of named arrays has a training and a test part."""
    return training_names(names_in(path)) is not None


def read_test_part(path: Path, notes: list[str]) -> tuple[NDArray[Any], list[str | None]] | None:
    """Return the test part of a file of named arrays: float or int [n, n_features], and the label of each row.

    None where there is no array x_test; a label is None where it is missing, or all of them are.

    Raises
    ------
    UserError
        "... give numbers ...", "... give as many", and those of the readers of arrays
    """
    if TEST[0] not in names_in(path):
        return None
    arrays = read_parts(path, notes)
    x, y = arrays[TEST[0]], arrays.get(TEST[1])
    check_features(path, TEST[0], x)
    flat = x.reshape(len(x), -1)
    labels: list[str | None] = [None] * len(x)
    if y is not None:
        y = _one_each(y)
        if y.shape != (len(x),) or y.dtype.kind not in "buifU":
            raise UserError(f"{path}: x_test has {len(x)} samples and y_test is {list(y.shape)}; give as many labels")
        missing = _without_label(y)
        known = iter(map(str, npz_labels(path, TEST[1], y[~missing])))
        labels = [None if one else next(known) for one in missing.tolist()]
    return flat, labels


def _load_arrays(
    path: Path, test_fraction: float, notes: list[str]
) -> tuple[Parts, tuple[str, ...], NDArray[np.float64]]:
    arrays = read_parts(path, notes)
    training = training_names(set(arrays))
    if note := left_out_note(set(arrays), WHOLE if training is None else (*training, *TEST)):
        notes.append(note)
    if training is not None:
        x_train, y_train = training
        if test_fraction != 0.2:
            raise UserError(f"{path} has its own test part; leave test_fraction out")
        subtracted = _offsets_of(arrays[x_train], notes)
        train_x, train_labels, shape = _npz_part(path, arrays, x_train, y_train, subtracted)
        test_x, test_labels, test_shape = _npz_part(path, arrays, "x_test", "y_test", subtracted)
        if shape != test_shape:
            raise UserError(
                f"{path}: a sample is {list(shape)} in {x_train} and {list(test_shape)} in x_test; give one shape"
            )
        if isinstance(train_labels[0], str) != isinstance(test_labels[0], str):
            raise UserError(f"{path}: {y_train} and y_test mix text and numbers; give labels of one kind")
        y, names = class_indices(path, [*train_labels, *test_labels])
        n_train = len(train_labels)
        notes += missing_notes(np.concatenate([train_x, test_x]), _numbered(train_x))
        return Parts(train_x, y[:n_train], test_x, y[n_train:]), names, subtracted
    if "x" in arrays and "y" in arrays:
        arrays["x"], arrays["y"] = _labelled(arrays["x"], _one_each(arrays["y"]), notes)
        subtracted = _offsets_of(arrays["x"], notes)
        x, labels, _ = _npz_part(path, arrays, "x", "y", subtracted)
        notes += missing_notes(x, _numbered(x))
        return *_split(path, x, labels, test_fraction), subtracted
    raise UserError(
        f"{path} holds the arrays {', '.join(sorted(arrays)) or '(none)'}; "
        "give x and y, or x_train, y_train, x_test and y_test"
    )


def _numbered(x: NDArray[Any]) -> list[str]:
    return [f"feature {number + 1}" for number in range(x.shape[1])]


def _offsets_of(x: NDArray[Any], notes: list[str]) -> NDArray[np.float64]:
    """Return the offsets per feature, 0 for none, and note them."""
    if x.ndim < 2 or x.dtype.kind not in "uif" or x.size == 0:
        return np.zeros(1)
    subtracted = offsets(x.reshape(len(x), -1))
    if subtracted.any():
        notes.append(offset_note([f"feature {k + 1}" for k in range(len(subtracted))], subtracted))
    return subtracted


def _npz_part(
    path: Path, arrays: dict[str, NDArray[Any]], x_key: str, y_key: str, subtracted: NDArray[np.float64]
) -> tuple[Values, list[Any], tuple[int, ...]]:
    """Give float32 [n_samples, n_features], one label per sample, and the shape of one sample."""
    x, y = arrays[x_key], arrays[y_key]
    if x.ndim < 2 or x.dtype.kind not in "buif":
        raise UserError(f"{path}: {x_key} is {x.dtype} {list(x.shape)}; give numbers [n_samples, n_features]")
    y = _one_each(y)
    if y.ndim != 1 or y.dtype.kind not in "buifU":
        raise UserError(f"{path}: {y_key} is {y.dtype} {list(y.shape)}; give one label per sample [n_samples]")
    if len(x) != len(y):
        raise UserError(f"{path}: {x_key} has {len(x)} samples and {y_key} {len(y)} labels; give as many")
    shape = tuple(int(n) for n in x.shape[1:])
    if x.size == 0:
        raise UserError(f"{path}: {x_key} has no rows or no columns; give [n_samples, n_features]")
    with np.errstate(over="ignore"):
        flat = x.reshape(len(x), prod(shape))
        if subtracted.any() and len(subtracted) == flat.shape[1]:
            flat = flat - subtracted
        values = np.ascontiguousarray(flat, np.float32)
    infinite = np.isinf(values)  # NaN is a missing value
    if infinite.any():
        row, column = np.argwhere(infinite)[0]
        raise UserError(
            f"{path}: {x_key} row {row + 1} column {column + 1} is {x.reshape(len(x), -1)[row, column]}; "
            "give a finite number, or NaN where it is missing"
        )
    return values, npz_labels(path, y_key, y), shape


def _one_each(y: NDArray[Any]) -> NDArray[Any]:
    """Give labels of [n_samples, 1] as [n_samples], and bytes as text."""
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    return np.char.decode(y, "utf-8", "replace") if y.dtype.kind == "S" else y


def _labelled(x: NDArray[Any], y: NDArray[Any], notes: list[str]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Leave out the samples without a label: NaN, or a text that marks a missing value."""
    if y.ndim != 1 or not x.ndim or len(x) != len(y) or y.dtype.kind not in "fU":
        return x, y
    missing = _without_label(y)
    if not missing.any() or missing.all():
        return x, y
    notes.append(without_label(int(missing.sum()), len(y)))
    return x[~missing], y[~missing]


def _without_label(y: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which labels are NaN, or a text that marks a missing value."""
    if y.dtype.kind == "U":
        found, place = np.unique(y, return_inverse=True)
        return np.array([is_missing(text) for text in found.tolist()], bool)[place]
    return np.isnan(y) if y.dtype.kind == "f" else np.zeros(len(y), bool)


def npz_labels(path: Path, key: str, y: NDArray[Any]) -> list[Any]:
    """Give labels of an array [n_samples] of numbers or text: all int, or all str."""
    if y.dtype.kind == "U":
        return [str(label) for label in y]
    wrong = ~np.isfinite(y) | (y != np.floor(y)) if y.dtype.kind == "f" else np.zeros(len(y), bool)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise UserError(f"{path}: labels are no classes: {key} row {row + 1} is {y[row]}; give whole numbers, or text")
    return [int(label) for label in y.tolist()]
