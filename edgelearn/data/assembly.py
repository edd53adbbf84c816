"""Open what a description says: read the arrays, name the classes, choose the subjects, join the files."""

from __future__ import annotations

import importlib.util
import math
import re
import zlib
from collections import ChainMap
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from edgelearn.data import downloads, named_arrays, signals
from edgelearn.data.arff import read_arff
from edgelearn.data.arrays import Arrays, NpzArrays, cannot_read, text_of, texts_as_numbers
from edgelearn.data.cells import (
    check_classes,
    is_missing,
    is_number,
    label_text,
    offset_note,
    offsets,
    rows_of,
    separator_of,
)
from edgelearn.data.clock import DATES, UNITS, Clock, find_clock, is_clock_name
from edgelearn.data.clock import cannot_read as unreadable
from edgelearn.data.columns import is_rising, left_out_note, rising
from edgelearn.data.compressed import suffix_of
from edgelearn.data.description import (
    READERS,
    Description,
    Reader,
    as_text,
    as_tuple,
    fetch,
    find,
    read_description,
)
from edgelearn.data.formats import is_svmlight, read_npy, read_numbers, read_svmlight
from edgelearn.data.line_groups import HEAD
from edgelearn.data.reader import TableReader, joined
from edgelearn.data.recordings import Recording, as_float32, run_starts
from edgelearn.data.source import UNLABELLED, ColumnsUsed, Rejects, Source
from edgelearn.errors import UserError, unknown
from edgelearn.files import place_of

OTHERS = "*"


def open_description(path: Path, *, subjects: str | None = None, allow_download: bool = True) -> Source:
    """Open the stream that a TOML file describes.

    Parameters
    ----------
    path : the TOML file
    subjects : which subjects to keep, such as "1600-1624,1630" or "not 1600-1624"; None keeps all
    allow_download : whether files with known addresses may be downloaded

    Raises
    ------
    UserError
        those of `read_description` and `open_files`; "stream '...' was not found ..."
    """
    forms = read_description(path)
    fault: UserError | None = None
    here = [(form, found) for form in forms if (found := find(form, path.parent))]
    if here:  # a form whose package is missing only where there is no other: opening it says what to install
        form, found = next((one for one in here if _can_read(*one)), here[0])
        return open_files(form, found, subjects)
    for form in forms:
        if form.download and allow_download:
            try:
                return open_files(form, fetch(form), subjects)
            except UserError as error:
                fault = error
    first = forms[0]
    if not first.file:
        raise UserError(f"description {path}: key 'file' is missing; name the data, or give it with the description")
    reason = f" ({fault})" if fault else ""
    way_out = first.get or f"put it beside {path.name} or into a folder named in {downloads.DATA_VARIABLE}"
    raise UserError(f"stream '{first.name}' was not found: no {first.file}{reason}; {way_out}")


def _can_read(form: Description, found: Sequence[Path]) -> bool:
    """Tell whether the package is there that a form needs, where another form may do without it."""
    needs_wfdb = (form.reader or reader_of(found[0])) == "beats" and found[0].suffix != ".npz"
    return not needs_wfdb or importlib.util.find_spec("wfdb") is not None


def reader_of(path: Path) -> Reader:
    """Give the reader for a file by its suffix.

    Raises
    ------
    UserError
        "... has the extension ..."
    """
    suffix = suffix_of(path)
    if suffix == ".dat":
        return "beats" if path.with_suffix(".hea").is_file() else "svmlight" if is_svmlight(path) else "text"
    if suffix not in READERS:
        raise UserError(f"{path} has the extension '{path.suffix}'; data files end in {', '.join(READERS)}")
    return READERS[suffix]


def open_files(form: Description, paths: Sequence[Path], subjects: str | None = None) -> Source:
    """Open files as one stream, each file a recording.

    Raises
    ------
    UserError
        "... cannot be read ...", "... has no array ...", "stream '...': ..."; those of the readers
    """
    form = form if form.name else replace(form, name=paths[0].stem if len(paths) == 1 else paths[0].parent.name)
    reader = form.reader or reader_of(paths[0])
    form = replace(form, reader=reader)
    is_plain = len(paths) == 1 and not (
        subjects or form.drop or form.subject_from or form.subject_file or form.label_from or form.labels
    )
    is_plain = is_plain and form.order == "stored"
    if reader == "text" and is_plain and form.drift == "none":
        from edgelearn.data import lines

        unlabelled = None if form.unlabelled is None else as_text(form.unlabelled)
        options = {"classes": form.by_label(), "unlabelled": unlabelled, "rate_hz": form.rate_hz}
        return cast(Source, lines.open_lines(paths[0], form.name, form.roles(), **options))
    is_alone = len(paths) == 1 and form.order == "stored" and not (form.label_from or form.labels)
    if reader == "parquet" and is_alone and form.drift != "subject":
        return _open_parquet(form, paths[0], subjects)
    rejects = Rejects()
    plain = replace(form, label="") if form.labels else form  # whose label is a column of the second file
    pieces = [_read(plain, reader, path, rejects) for path in paths]
    if form.label_from:
        pieces = [_with_label_in_name(form, path, piece) for path, piece in zip(paths, pieces, strict=True)]
    if form.subject_file:
        pieces = [_with_subjects_in_file(form, path, piece) for path, piece in zip(paths, pieces, strict=True)]
    if form.labels and not _is_edf(form.labels):
        pieces = _with_labels_in_file(form, paths, pieces)
    return _join_files(form, paths, pieces, subjects, rejects)


class _FileContent(NamedTuple):
    """What a file holds, before the files are joined."""

    x: NDArray[Any]  # before the cast to float32
    labels: NDArray[Any] | None
    t: NDArray[np.float64] | None
    subject: NDArray[Any] | None
    segment: NDArray[np.int64]
    has_own_segments: bool  # its numbers mean something outside the file
    keep: NDArray[np.bool_]
    channels: tuple[str, ...]
    class_names: tuple[str, ...]
    used: ColumnsUsed
    n_rows: int  # of the file, those that cannot be used too
    notes: tuple[str, ...] = ()


def _read(form: Description, reader: Reader, path: Path, rejects: Rejects) -> _FileContent:
    notes: list[str] = []
    try:
        if reader == "text":
            return _from_table(form, path, rejects)
        if reader == "beats":
            from edgelearn.data.wfdb_records import read_beats

            arrays = read_beats(path, rejects, annotator=form.annotator, notes=notes)
            form = replace(form, features="X", label="y", time="t")
        else:
            arrays = _arrays(form, reader, path, notes)
    except MemoryError:
        raise UserError(f"{path} does not fit into memory; give a part of it, or .parquet, which is streamed") from None
    except OSError as error:
        raise cannot_read(path, error, "check its permissions") from None
    form, arrays = _as_columns(form, arrays, notes)
    piece = _from_arrays(form, path, arrays, notes)
    return piece._replace(notes=tuple(notes))


def _arrays(form: Description, reader: Reader, path: Path, notes: list[str]) -> Arrays:
    """Read the arrays of a file, one per column or by their names."""
    if reader in SIGNALS:
        return _signals(form, reader, path, notes)
    if reader == "parquet":
        from edgelearn.data import parquet

        kinds = parquet.column_kinds(path)
        # The index of a pandas table stands behind its columns: the last column, which may be the label, is none.
        readable = [name for name, kind in kinds.items() if kind.content != "other"]
        names = sorted(readable, key=lambda name: not kinds[name].is_index)
        notes += parquet.notes_of_left_out(kinds, names)
        file = parquet.open_file(path)
        groups = [parquet.read_group(path, file, group, names) for group in range(file.metadata.num_row_groups)]
        return {name: np.concatenate([group[name] for group in groups]) for name in names}
    readers: dict[str, Callable[[Path], Arrays]] = {
        "npz": NpzArrays,
        "npy": read_npy,
        "mat": partial(named_arrays.read_mat, notes=notes),
        "hdf5": partial(named_arrays.read_hdf5, notes=notes),
        "arff": partial(read_arff, notes=notes),
        "svmlight": read_svmlight,
        "numbers": read_numbers,
    }
    return readers[reader](path)


def _signals(form: Description, reader: Reader, path: Path, notes: list[str]) -> Arrays:
    """Read signals with their labels, unless these come from elsewhere."""
    elsewhere = bool(form.label_from or (form.labels and not _is_edf(form.labels)))
    if reader == "edf":
        beside = None
        if _is_edf(form.labels):
            beside = _companion(form, path, form.labels) if "*" in form.labels else _file_beside(path, form.labels)
        arrays = signals.read_edf(path, as_tuple(form.features), beside, notes)
    elif reader == "wfdb":
        from edgelearn.data.wfdb_records import read_signals

        arrays = read_signals(path, form.annotator, notes)
    else:
        arrays = signals.read_wav(path, notes) if reader == "wav" else signals.read_json(path, notes)
    return {name: values for name, values in arrays.items() if name != signals.LABEL} if elsewhere else arrays


def _is_edf(name: str) -> bool:
    """Tell whether labels are the annotations of an EDF file."""
    return name.lower().endswith((".edf", ".bdf"))


def is_numeric(values: NDArray[Any]) -> bool:
    """Tell whether an array holds numbers or booleans."""
    return values.dtype.kind in "buif"


def _as_columns(form: Description, arrays: Arrays, notes: list[str]) -> tuple[Description, Arrays]:
    """Find the features among named arrays without a matrix X: the only matrix, or else one array per column."""
    if form.reader == "npy" and list(arrays) == [str(k + 1) for k in range(len(arrays))]:
        return replace(form, reader="numbers"), arrays
    known = {*(name for key in DEFAULTS for name in DEFAULTS[key]), form.label, form.time, form.subject, form.segment}
    others = [name for name in arrays if name not in known and name.lower() not in known]
    if form.reader not in NAMED or form.features:
        return form, arrays
    matrix = next((name for name in arrays if name.lower() in DEFAULTS["features"]), None)
    if matrix is not None and others:
        arrays = ChainMap({matrix: arrays[matrix]}, cast(dict[str, NDArray[Any]], arrays))
    if matrix is not None and not (others and arrays[matrix].ndim == 1):
        return form, arrays
    loaded = {name: arrays[name] for name in arrays}
    matrices = [name for name in others if loaded[name].ndim >= 2 and min(loaded[name].shape) > 1]
    matrices = [name for name in matrices if is_numeric(loaded[name])]
    if matrix is None and len(matrices) == 1:
        notes.append(f"features are the array {matrices[0]}, the only one of several columns")
        return replace(form, features=matrices[0]), loaded
    # x and y are axes where they are columns among others
    axes = [name for name in loaded if matrix is not None and name.lower() in ("x", "y")]
    columns = {name: one.reshape(-1) for name, one in loaded.items() if one.size == max(one.shape, default=0) > 1}
    sizes = [columns[name].size for name in (*others, *axes) if name in columns]
    if matrices or not sizes:
        return form, arrays
    n = max(sizes, key=lambda size: (sizes.count(size), size))
    if matrix is not None and (columns[matrix].size != n or sizes.count(n) < 2):
        return form, arrays
    kept = {name: one for name, one in columns.items() if one.size == n}
    other = [name for name in others if name not in kept]
    if other:
        notes.append(f"arrays left out, as they are no columns of {n:,} values: {', '.join(other)}")
    return replace(form, reader=cast(Reader, "columns")), {
        name: kept.get(name, one) for name, one in loaded.items() if name not in other
    }


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


# --- arrays to pieces --------------------------------------------------------------------------------------

# Names, in lower case, that are taken for what they say where nothing is said.
DEFAULTS = {
    "features": ("x",),
    "label": ("y", "label", "class", "target", "labels", "targets"),
    "time": ("t", "time", "timestamp"),
    "segment": ("segment", "recording"),
    "subject": ("subject",),
    "offsets": ("offset",),
}
SIGNALS = ("edf", "wav", "wfdb", "json")  # one array per column, with the names `time` and `label`
NAMED = ("npz", "npy", "mat", "hdf5")
TABLES = ("parquet", "arff", "numbers", "columns", *SIGNALS)  # one array per column, where x and y may be axes
LAST_IS_LABEL = ("parquet", "arff", "numbers", "json")


def _fill_in_names(form: Description, path: Path, known: Sequence[str]) -> Description:
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
    for key, names in DEFAULTS.items():
        free = [lower[name] for name in names if name in lower and lower[name] not in form.ignore]
        said[key] = getattr(form, key) or next(iter(free), "")
    if not said["time"]:
        taken = {*as_tuple(said["features"]), said["label"], said["segment"], said["subject"], *form.ignore}
        said["time"] = next((name for name in known if is_clock_name(name) and name not in taken), "")
    taken = {*as_tuple(said["features"]), said["time"], said["segment"], said["subject"]}
    elsewhere = bool(form.label_from or (form.labels and not _is_edf(form.labels)))
    if elsewhere:
        said["label"] = ""
    if not form.label and said["label"] in taken:
        said["label"] = ""
    if not said["label"] and form.reader in LAST_IS_LABEL and known and known[-1] not in taken and not elsewhere:
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


def _from_arrays(
    form: Description, path: Path, arrays: Arrays, notes: list[str], categories: Arrays | None = None
) -> _FileContent:
    form = _fill_in_names(form, path, list(arrays))
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

    subject = _subject_in_name(form, path, n)
    if subject is None and form.subject:
        subject = each("subject", form.subject)
    own = True
    if form.segment:
        segment = _ids(each("segment", form.segment))
    elif form.offsets:
        segment, own = np.repeat(np.arange(len(lengths)), lengths), False
    elif form.subject:
        assert subject is not None
        segment = _ids(subject)
    else:
        segment, own = np.zeros(n, np.int64), False
    t, unit = _seconds(form, path, each("time", form.time), notes) if form.time else (None, None)
    keep = np.ones(n, bool)
    for name, values in form.drop.items():
        given = subject if name == "subject" and subject is not None else None
        if given is None and name not in arrays:
            raise UserError(f"{path} has no {unknown('array', name, arrays)} Check the key 'drop'.")
        keep &= ~np.isin(_texts(each("drop", name) if given is None else given), [as_text(value) for value in values])
    return _FileContent(
        x=x,
        labels=_without_codes(form, each("label", form.label)) if form.label else None,
        t=t,
        subject=subject,
        segment=segment,
        has_own_segments=own,
        keep=keep,
        channels=channels,
        class_names=tuple(_texts(arrays[form.class_names_from]).tolist()) if form.class_names_from else (),
        used=replace(
            _used(form, list(arrays), channels or tuple(f"channel {k + 1}" for k in range(x.shape[1]))), time_unit=unit
        ),
        n_rows=n,
    )


def _without_codes(form: Description, labels: NDArray[Any]) -> NDArray[Any]:
    """Replace labels that are codes of missing values by empty texts."""
    if not form.missing:
        return labels
    texts = _texts(labels)
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
        channels = tuple(_texts(arrays[form.channels_from]).tolist())
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
    for name in arrays:
        if name in taken:
            continue
        values = arrays[name]
        numbers = texts_as_numbers(values) if values.dtype.kind == "U" else values
        if numbers is not None and numbers.ndim == 1 and numbers.dtype.kind in "buif":
            if form.reader not in SIGNALS and is_rising(head := numbers[:HEAD].tolist()):
                raise rising(str(path), name, head)
            found[name] = numbers
        else:
            left_out[name] = {"U": "text", "M": "dates"}.get(values.dtype.kind, f"{values.dtype} {list(values.shape)}")
    if left_out:
        notes.append(left_out_note(left_out))
    if not found:
        raise UserError(f"{path} has no column of numbers for features; name them with the key 'features'")
    return tuple(found), found


def _as_numbers(path: Path, name: str, values: NDArray[Any], known: Arrays) -> NDArray[Any]:
    """Give a named feature as numbers: texts that are none become one column for each of them."""
    if values.dtype.kind == "U" and values.ndim == 1:
        numbers = None if name in known else texts_as_numbers(values)
        if numbers is not None:
            return numbers
        texts = _texts(values)
        categories = _categories(_texts(known.get(name, values)))
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


MOST_CATEGORIES = 64  # of a nominal feature, each an input


def _categories(texts: NDArray[Any]) -> list[str]:
    return [text for text in np.unique(texts).tolist() if not is_missing(text)]


def _category_titles(name: str, texts: NDArray[Any] | None) -> list[str]:
    """Name one input per category of a feature, or the feature itself where it has none."""
    return [name] if texts is None else [f"{name}={text}" for text in _categories(_texts(texts))]


def _titles(name: str, given: NDArray[Any], numbers: NDArray[Any]) -> list[str]:
    """Name the inputs of a feature: its name, with the category or the number of the column where it has several."""
    if numbers.ndim == 1:
        return [name]
    if given.dtype.kind == "U":
        return _category_titles(name, given)
    width = int(np.prod(numbers.shape[1:]))
    return [name] if width == 1 else [f"{name} {k + 1}" for k in range(width)]


def _used(form: Description, names: Sequence[str], channels: tuple[str, ...]) -> ColumnsUsed:
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


def _seconds(form: Description, path: Path, values: NDArray[Any], notes: list[str]) -> tuple[NDArray[np.float64], str]:
    """Give times in seconds, and their unit."""
    if values.dtype.kind == "M":
        return np.where(np.isnat(values), np.nan, values.astype("datetime64[ns]").astype(np.int64) / 1e9), DATES
    if values.dtype.kind not in "uifU":
        raise UserError(f"{path}: '{form.time}' (key 'time') is {values.dtype}; give seconds or dates")
    if values.dtype.kind == "U" and not form.time_format:
        numbers = texts_as_numbers(values)
        values = values if numbers is None else numbers
    if values.dtype.kind != "U" and form.time_format:
        values = _texts(values)
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


def _ids(values: NDArray[Any]) -> NDArray[np.int64]:
    """Number recordings or subjects: whole numbers as they are, text by its checksum."""
    if values.dtype.kind in "bui":
        return values.astype(np.int64)
    names, place = np.unique(_texts(values), return_inverse=True)
    return np.array([zlib.crc32(name.encode()) for name in names.tolist()], np.int64)[place]


def _texts(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind == "O":
        return np.array([as_text(value) for value in values.tolist()], dtype=str)
    found, place = np.unique(values, return_inverse=True)
    return np.array([as_text(value) for value in found.tolist()], dtype=str)[place.reshape(values.shape)]


def _from_table(form: Description, path: Path, rejects: Rejects) -> _FileContent:
    """Read a text table as a whole, with its subjects and the columns by which rows are dropped."""
    has_subject = bool(form.subject or form.subject_from)
    dropping = [name for name in form.drop if not (name == "subject" and has_subject)]
    names = tuple(dict.fromkeys([*as_tuple(form.subject or ()), *dropping]))
    found = Rejects()
    table = TableReader(replace(form.roles(), texts=names), str(path), found, dtype=np.float64)
    rows = joined(list(table.read_file(path)))
    assert table.columns is not None
    n = len(rows.labels)
    texts = {name: np.array([label_text(cell) for cell in rows.texts[k]]) for k, name in enumerate(names)}
    subject = texts[form.subject] if form.subject else _subject_in_name(form, path, n)
    keep = np.ones(n, bool)
    for name, values in form.drop.items():
        given = subject if subject is not None and name == "subject" else texts[name]
        keep &= ~np.isin(_texts(given), [as_text(value) for value in values])
    labels, known = np.array([label_text(cell) for cell in rows.labels]), {*form.by_label()}
    if known and OTHERS not in known:
        is_other = np.array([label not in known and not is_missing(label) for label in labels])
        for row in np.flatnonzero(is_other):
            found.add("no room for label", f"line {rows.numbers[row]}: label '{labels[row]}'")
            labels[row] = ""
    for reason, count in found.counts.items():
        for _ in range(count):
            rejects.add(reason, f"{path.name} {found.first[reason]}")
    return _FileContent(
        x=rows.x,
        labels=labels,
        t=rows.t if table.columns.time is not None else None,
        subject=subject,
        segment=rows.segment,
        has_own_segments=False,
        keep=keep,
        channels=form.channels or table.columns.channels,
        class_names=(),
        used=replace(table.columns.used, inputs=form.channels or table.columns.channels),
        n_rows=n + sum(found.counts.values()),
        notes=tuple(table.notes),
    )


def _with_label_in_name(form: Description, path: Path, piece: _FileContent) -> _FileContent:
    """Give each sample the label that the name of its file, or else of a folder that holds it, has."""
    parts = path.absolute().parts
    for n_parts in range(1, len(parts)):
        match = re.search(form.label_from, "/".join(parts[-n_parts:]))
        if match is not None:
            labels = np.full(len(piece.x), match[1])
            return piece._replace(labels=labels, used=replace(piece.used, label=f"name ({form.label_from})"))
    raise UserError(f"{path} has no label: its name does not match '{form.label_from}'; correct --label-from")


def _with_labels_in_file(
    form: Description, paths: Sequence[Path], pieces: Sequence[_FileContent]
) -> list[_FileContent]:
    """Give the samples the labels of a second file, row by row: one file for all, or one beside each."""
    if "*" in form.labels:
        return [
            found
            for path, piece in zip(paths, pieces, strict=True)
            for found in _with_labels_of(form, _companion(form, path, form.labels), [path], [piece])
        ]
    return _with_labels_of(form, _file_beside(paths[0], form.labels), paths, pieces)


def _file_beside(path: Path, name: str) -> Path:
    """Find a second file, as it is named or in the folder of the first."""
    found = Path(name).expanduser()
    found = found if found.is_file() else path.parent / name
    if not found.is_file():
        raise UserError(f"{name} is not a file; give --labels the file that has the label of each row")
    return found


def _companion(form: Description, path: Path, name: str) -> Path:
    """Find the file beside another one whose name has the same part in place of `*`."""
    pattern = Path(form.pattern).name
    match = re.fullmatch(re.escape(pattern).replace(r"\*", "(.*)", 1).replace(r"\*", ".*"), path.name)
    if match is None or "*" not in pattern:
        raise UserError(f"'{name}' has a *, which stands for the * of the key 'pattern'; '{pattern}' has none")
    found = path.parent / name.replace("*", match[1])
    if not found.is_file():
        raise UserError(f"{path} has no {found.name} beside it; correct '{name}'")
    return found


def _with_labels_of(
    form: Description, path: Path, paths: Sequence[Path], pieces: Sequence[_FileContent]
) -> list[_FileContent]:
    column, cells = label_cells(path, form.label or None)
    _check_rows(path, "label", len(cells), paths, pieces)
    ends = np.cumsum([0, *(len(piece.x) for piece in pieces)])
    used = f"{path.name}{f', {column}' if column else ''}"
    return [
        piece._replace(labels=np.array(cells[a:b]), used=replace(piece.used, label=used))
        for piece, a, b in zip(pieces, ends, ends[1:], strict=False)
    ]


def _check_rows(path: Path, what: str, n: int, paths: Sequence[Path], pieces: Sequence[_FileContent]) -> None:
    """Refuse a second file that has another number of rows than the first, or the first where a row is unusable."""
    n_rows = sum(piece.n_rows for piece in pieces)
    n_samples = sum(len(piece.x) for piece in pieces)
    if n != n_rows:
        raise UserError(
            f"{path} has {n:,} {what}s and {paths[0] if len(paths) == 1 else paths[0].parent} "
            f"{n_rows:,} rows; give one {what} per row"
        )
    if n_samples != n_rows:
        raise UserError(
            f"{paths[0]} has {n_rows - n_samples:,} rows that cannot be used, so that {what}s of {path} cannot be told "
            "apart; correct the rows"
        )


def _with_subjects_in_file(form: Description, path: Path, piece: _FileContent) -> _FileContent:
    """Give the samples of a file the subjects of the file beside it; each is a recording."""
    beside = _companion(form, path, form.subject_file) if "*" in form.subject_file else path.parent / form.subject_file
    _, cells = label_cells(beside, None)
    _check_rows(beside, "subject", len(cells), [path], [piece])
    subject = np.array(cells)
    used = replace(piece.used, subject=beside.name)
    return piece._replace(subject=subject, segment=_ids(subject), has_own_segments=True, used=used)


def label_cells(path: Path, column: str | None) -> tuple[str, list[str]]:
    """Read the labels of a second file: a line each, or a column of a table, by default its last one.

    Returns
    -------
    title of the column, empty without titles, and the labels as they stand
    """
    text = text_of(path, "give a text file with one label per line", [])
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise UserError(f"{path} has no labels; give one per line")
    separator = separator_of(lines[:64])
    rows = list(rows_of(lines, separator))
    width = len(rows[0])
    wrong = next((k for k, row in enumerate(rows) if len(row) != width), None)
    if wrong is not None:
        raise UserError(f"{path} row {wrong + 1} has {len(rows[wrong])} values, not {width}; give as many per line")
    titles = [cell.strip() for cell in rows[0]]
    known = (*DEFAULTS["label"], "labels", "activity")
    place = next((k for k in reversed(range(width)) if titles[k].lower() in known), width - 1)
    has_titles = titles[place].lower() in known
    if column is not None:
        if column in titles:
            place, has_titles = titles.index(column), True
        elif column.lstrip("-").isdecimal() and 0 < abs(int(column)) <= width:
            place = int(column) - 1 if int(column) > 0 else width + int(column)
            has_titles = titles[place].lower() in known
        else:
            raise unknown(f"{path}: column", column, titles)
    numbers = [is_number(row[place]) for row in rows]
    has_titles = has_titles or (not numbers[0] and len(rows) > 1 and all(numbers[1:]))
    cells = [label_text(row[place]) for row in (rows[1:] if has_titles else rows)]
    return titles[place] if has_titles else "", cells


def _subject_in_name(form: Description, path: Path, n: int) -> NDArray[Any] | None:
    """Give the subject that the name of a file holds, once per sample."""
    if not form.subject_from:
        return None
    match = re.search(form.subject_from, path.name)
    if match is None:
        raise UserError(f"{path} does not match subject_from '{form.subject_from}'; correct the key or the pattern")
    return np.full(n, int(match[1]) if match[1].isdecimal() else match[1])


# --- pieces to a stream ------------------------------------------------------------------------------------

Numbering = Callable[[NDArray[Any]], NDArray[np.int64]]


def _class_numbers(
    form: Description, labels: NDArray[Any], names_in_file: tuple[str, ...]
) -> tuple[tuple[str, ...], Numbering]:
    """Give the names of the classes, and a function from labels to their numbers, for all labels that occur."""
    said = None if form.unlabelled is None else as_text(form.unlabelled)
    known = {*form.by_label(), *names_in_file}

    def is_unlabelled(text: str) -> bool:
        if form.reader == "beats":  # whose codes have been chosen before; ? is one of them
            return text in ("", said)
        return text == said or (text not in known and is_missing(text))

    found, n_of_each = np.unique(labels, return_counts=True)
    texts = [text for text in dict.fromkeys(_texts(found).tolist()) if not is_unlabelled(text)]
    by_text: dict[str, int] = {}
    names: tuple[str, ...]
    if isinstance(form.classes, dict):
        names = tuple(form.classes)
        by_text = {as_text(v): k for k, values in enumerate(form.classes.values()) for v in as_tuple(values)}
    elif form.classes or names_in_file:
        names = form.classes or names_in_file
        by_text = {name: k for k, name in enumerate(names)}
        if not any(text in by_text for text in texts):
            by_text = {str(k): k for k in range(len(names))}
    else:
        counts = dict(zip(_texts(found).tolist(), n_of_each.tolist(), strict=True))
        check_classes((text for text in texts for _ in range(counts[text])), f"stream '{form.name}'")
        names = tuple(sorted(texts, key=_by_value))
        by_text = {name: k for k, name in enumerate(names)}
    rest = by_text.pop(OTHERS, None)
    for text in texts:
        if text not in by_text:
            if rest is None:
                raise UserError(f"stream '{form.name}': {unknown('label', text, by_text)} Check the key 'classes'.")
            by_text[text] = rest

    def numbering(given: NDArray[Any]) -> NDArray[np.int64]:
        values, place = np.unique(given, return_inverse=True)
        numbers = [UNLABELLED if is_unlabelled(text) else by_text[text] for text in _texts(values).tolist()]
        return np.array(numbers, np.int64)[place]

    return names, numbering


def _by_value(text: str) -> tuple[bool, float, str]:
    return (False, float(text), text) if is_number(text) else (True, 0.0, text)


def selected(spec: str, subject: NDArray[Any], name: str) -> NDArray[np.bool_]:
    """Tell which samples are of the subjects that a text such as "1600-1624,1630" or "not 1600-1624" names.

    Raises
    ------
    UserError
        "subject '...' is not known ...", "stream '...': subjects ... keep no sample ..."

    Example
    -------
    >>> selected("not 2-3", np.array([1, 2, 3, 4]), "x").tolist()
    [True, False, False, True]
    """
    text = spec.strip()
    inverted = text.startswith("not ")
    texts = _texts(subject)
    known = sorted(set(texts.tolist()), key=_by_value)
    chosen: set[str] = set()
    for part in text.removeprefix("not ").split(","):
        one = part.strip()
        ends = re.fullmatch(r"(\d+)\s*-\s*(\d+)", one)
        if one in known:
            chosen.add(one)
        elif ends:
            low, high = int(ends[1]), int(ends[2])
            chosen |= {who for who in known if who.isdecimal() and low <= int(who) <= high}
        else:
            raise UserError(f"stream '{name}': {unknown('subject', one, known)}")
    keep: NDArray[np.bool_] = np.isin(texts, sorted(chosen)) ^ inverted
    if not keep.any():
        raise UserError(
            f"stream '{name}': subjects '{spec}' keep no sample; known: {', '.join(known)}; "
            "give numbers, ranges such as 3-7, or 'not 3-7'"
        )
    return keep


def _subject_of(piece: _FileContent, path: Path, n_files: int) -> NDArray[Any] | None:
    """Give what `subjects`, order and drift mean: the subject, else the segment that was said, else the file."""
    if piece.subject is not None:
        return piece.subject
    if piece.has_own_segments:
        return piece.segment
    return np.full(len(piece.x), path.stem) if n_files > 1 else None


def _join_files(
    form: Description, paths: Sequence[Path], pieces: Sequence[_FileContent], subjects: str | None, rejects: Rejects
) -> Recording:
    first = pieces[0]
    pieces = [_in_order_of(first, path, piece, paths[0]) for path, piece in zip(paths, pieces, strict=True)]
    for path, piece in zip(paths, pieces, strict=True):
        for what, has, had in (
            ("channels", piece.x.shape[1], first.x.shape[1]),
            ("label", piece.labels is not None, first.labels is not None),
            ("time", piece.t is not None, first.t is not None),
        ):
            if has != had:
                raise UserError(f"{path} has another '{what}' than {paths[0]} ({has}, not {had}); give like files")
    x = np.concatenate([piece.x for piece in pieces])
    notes = list(dict.fromkeys(note for piece in pieces for note in piece.notes))
    subtracted = offsets(x)
    if subtracted.any():
        notes.append(offset_note(first.used.inputs, subtracted))
        x = x - subtracted
    x = as_float32(x)
    y = np.full(len(x), UNLABELLED)
    names: tuple[str, ...] = tuple(form.classes)
    if first.labels is not None:
        labels = _concat_texts([piece.labels for piece in pieces if piece.labels is not None])
        names, numbering = _class_numbers(form, labels, first.class_names)
        y = numbering(labels)
    t = None if first.t is None else np.concatenate([piece.t for piece in pieces if piece.t is not None])
    segment = first.segment
    if len(pieces) > 1:  # running numbers: two files never share a recording
        runs = [np.cumsum(np.concatenate(([0], piece.segment[1:] != piece.segment[:-1]))) for piece in pieces]
        bases = np.cumsum([0, *(int(run[-1]) + 1 for run in runs)])
        segment = np.concatenate([run + base for run, base in zip(runs, bases, strict=False)])
    given = [_subject_of(piece, path, len(pieces)) for piece, path in zip(pieces, paths, strict=True)]
    who = [one for one in given if one is not None]
    subject = _concat_texts(who) if len(who) == len(pieces) else None
    if subject is None and (subjects or form.order == "subject" or form.drift == "subject"):
        raise UserError(f"stream '{form.name}' has no subjects; name their array or column with the key 'subject'")

    keep = np.concatenate([piece.keep for piece in pieces])
    if subjects and subject is not None:
        if not keep.any():
            raise UserError(f"stream '{form.name}': drop leaves no sample; drop less")
        keep[keep] = selected(subjects, subject[keep], form.name)
    rows = np.flatnonzero(keep)
    if len(rows) == 0:
        raise UserError(f"stream '{form.name}': drop leaves no sample; drop less")
    if form.order == "subject" and subject is not None:
        if isinstance(form.drift, tuple):
            raise UserError(f"stream '{form.name}': sample numbers in drift are of the stored order; leave order out")
        rows = rows[np.argsort(_order_of(subject[rows]), kind="stable")]
    if len(rows) < len(x) or form.order != "stored":
        x, y, segment = x[rows], y[rows], segment[rows]
        t = None if t is None else t[rows]
    drift: Sequence[int] | Literal["segment"]
    if form.drift == "segment":
        drift = "segment"
    elif form.drift == "subject" and subject is not None:
        drift = run_starts(subject[rows])[1:]
    else:
        wanted = form.drift if isinstance(form.drift, tuple) else ()
        if any(not 0 <= point < len(keep) for point in wanted):
            raise UserError(f"stream '{form.name}': drift {list(wanted)} is out of range; give 0 to {len(keep) - 1}")
        drift = sorted({int(point) for point in np.searchsorted(rows, wanted)} - {len(rows)})
    return Recording(
        x,
        y,
        t=t,
        rate_hz=form.rate_hz,
        segment=segment,
        class_names=names,
        channels=first.channels,
        drift_points=drift,
        name=form.name,
        source=place_of(paths[0] if len(paths) == 1 else paths[0].parent),
        rejects=rejects,
        columns=first.used,
        notes=notes,
    )


def _in_order_of(first: _FileContent, path: Path, piece: _FileContent, first_path: Path) -> _FileContent:
    """Put the channels of a file into the order of those of the first file, by their names."""
    if piece.channels == first.channels or not (piece.channels and first.channels):
        return piece
    if len(piece.channels) == len(first.channels) and sorted(piece.channels) == sorted(first.channels):
        order = [piece.channels.index(name) for name in first.channels]
        note = f"columns of {path.name} are in another order than those of {first_path.name}; taken by their names"
        return piece._replace(x=piece.x[:, order], channels=first.channels, notes=(*piece.notes, note))
    if len(piece.channels) == len(first.channels):
        strange = next(name for name in piece.channels if name not in first.channels)
        raise UserError(f"{path} has a column '{strange}', which {first_path} has not; give like files, or --features")
    return piece


def _concat_texts(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Join labels or subjects of files; text where one of them is text."""
    if len({part.dtype.kind in "UO" for part in parts}) > 1 or parts[0].dtype.kind == "O":
        parts = [_texts(part) for part in parts]
    return np.concatenate(parts)


def _order_of(subject: NDArray[Any]) -> NDArray[Any]:
    """Give ranks that sort numbers by value and text by code point."""
    texts = _texts(subject)
    rank = {text: place for place, text in enumerate(sorted(set(texts.tolist()), key=_by_value))}
    return np.array([rank[text] for text in texts.tolist()], np.int64)


# --- parquet -----------------------------------------------------------------------------------------------


def _open_parquet(form: Description, path: Path, subjects: str | None) -> Source:
    from edgelearn.data import parquet

    said = {*as_tuple(form.features), form.label, form.time, form.segment, form.subject, *form.drop, *form.ignore}
    kinds = parquet.column_kinds(path, undecided=lambda name: not form.features and name not in said)
    notes: list[str] = []
    # The index of a pandas table stands behind its columns: the last column, which may be the label, is none.
    names = sorted(
        (name for name, kind in kinds.items() if kind.content != "other" or name in said),
        key=lambda name: not kinds[name].is_index,
    )
    if not form.time:
        times = [name for name in names if kinds[name].type.startswith("timestamp") and name not in said]
        in_index = [name for name in times if kinds[name].is_index]
        if len(in_index or times) == 1 and not any(name.lower() in DEFAULTS["time"] for name in names):
            form = replace(form, time=(in_index or times)[0])
    form = _fill_in_names(form, path, names)
    if not form.features:
        taken = {form.label, form.time, form.segment, form.subject, *form.drop, *form.ignore}
        numeric = tuple(
            name
            for name in names
            if kinds[name].content == "numbers" and name not in taken and not parquet.is_row_number(name, kinds[name])
        )
        if not numeric:
            raise UserError(f"{path} has no column of numbers for features; name them with the key 'features'")
        notes += parquet.notes_of_left_out(kinds, [*numeric, *taken])
        form = replace(form, features=numeric)
    columns = list(
        dict.fromkeys(
            name
            for name in (*as_tuple(form.features), form.label, form.time, form.segment, form.subject, *form.drop)
            if name in kinds
        )
    )
    if subjects and not (form.subject or form.segment):
        raise UserError(f"stream '{form.name}' has no subjects; name their column with the key 'subject'")
    file = parquet.open_file(path)
    groups = range(file.metadata.num_row_groups)

    def values_in(column: str) -> NDArray[Any]:
        """Give the different texts of a column, of all row groups."""
        found = [np.unique(_texts(parquet.read_group(path, file, group, [column])[column])) for group in groups]
        return np.unique(np.concatenate(found))

    # Texts that are features are categories, the same ones in every row group.
    categories = {}
    for name in as_tuple(form.features):
        if kinds[name].content == "texts" and texts_as_numbers(found := values_in(name)) is None:
            categories[name] = found

    def rows_of(arrays: Arrays) -> parquet.Rows:
        piece = _from_arrays(form, path, arrays, notes, categories)
        keep = piece.keep
        if subjects:
            who = piece.subject if piece.subject is not None else arrays[form.segment]
            keep = keep & np.isin(_texts(who), chosen)
        labels = piece.labels if piece.labels is not None else np.full(len(piece.x), "")
        return parquet.Rows(piece.x, labels, piece.t, piece.segment, keep)

    unit = None
    if form.time and len(groups):
        _, unit = _seconds(form, path, parquet.read_group(path, file, 0, [form.time])[form.time], notes)
        if form.time_scale == 1 and unit in UNITS:  # of all groups
            form = replace(form, time_unit=cast(Any, unit))
    chosen: list[str] = []
    if subjects:
        known = values_in(form.subject or form.segment)
        chosen = known[selected(subjects, known, form.name)].tolist()
    channels = form.channels
    if not channels:
        channels = tuple(
            title
            for name in as_tuple(form.features)
            for title in (
                [f"{name}={text}" for text in _categories(categories[name])] if name in categories else [name]
            )
        )
    return parquet.ParquetSource(
        path,
        columns,
        rows_of,
        lambda labels: _class_numbers(form, labels, ()),
        name=form.name,
        source=place_of(path),
        channels=channels,
        rate_hz=form.rate_hz,
        drift=form.drift if isinstance(form.drift, tuple) else "segment" if form.drift == "segment" else (),
        notes=notes,
        columns_used=replace(_used(form, list(kinds), channels), time_unit=unit),
    )
