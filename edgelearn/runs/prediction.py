"""Predictions of a finished run or stream for other data; nothing is learned."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.config import DataSettings, RateSettings, validated
from edgelearn.data import datasets
from edgelearn.data.columns import NO_ROLES, roles_of
from edgelearn.data.feature_files import described_by
from edgelearn.data.open_source import open_source
from edgelearn.data.source import UNLABELLED, Block, Source, missing_notes
from edgelearn.data.tables import read_test_part
from edgelearn.errors import UserError
from edgelearn.files import write_text
from edgelearn.network.learner import Learner, steps_of
from edgelearn.runs.feature_checks import check_features
from edgelearn.runs.scale import notes_on_scale
from edgelearn.runs.stored import SETTINGS, AnyFrontEnd, part, parts_of, read_run
from edgelearn.streaming.front_end import FrontEnd

SUFFIXES = (".csv", ".jsonl")
CHUNK = 4096  # rows whose levels are held at a time
DIGITS = 4  # of a score
MOST_NAMES = 6  # of classes in a note


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of n rows.

    Parameters
    ----------
    classes : names of the classes, in the order of the outputs
    predictions : int64[n]
    scores : uint8[n, n_outputs], p of each output, 255 is 1.0
    labels : int64[n], -1 where the label is not known, or not one of the classes
    data : name of the data
    notes : what was left out or assumed
    """

    classes: tuple[str, ...]
    predictions: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    data: str
    notes: tuple[str, ...] = ()

    @property
    def accuracy_percent(self) -> float | None:
        """Return the accuracy of the rows with a label, None without any."""
        known = self.labels >= 0
        return round(100 * float((self.predictions == self.labels)[known].mean()), 4) if known.any() else None

    def rows(self) -> Iterator[dict[str, Any]]:
        """Give row (from 1), prediction, label (empty where unknown) and the score of each class, 0 to 1."""
        names = self.classes if self.scores.shape[1] > 1 else self.classes[1:2]
        shares = np.round(self.scores / 255, DIGITS).tolist()
        for row, (predicted, label) in enumerate(zip(self.predictions.tolist(), self.labels.tolist(), strict=True)):
            found: dict[str, Any] = {"row": row + 1, "prediction": self.classes[predicted]}
            found["label"] = self.classes[label] if label >= 0 else None
            yield found | {f"score {name}": share for name, share in zip(names, shares[row], strict=False)}

    def text(self, suffix: str = ".csv") -> str:
        """Return all rows as CSV, or as JSON lines for .jsonl."""
        if suffix == ".jsonl":
            return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self.rows())
        lines = io.StringIO()
        table = csv.writer(lines, lineterminator="\n")
        for number, row in enumerate(self.rows()):
            if number == 0:
                table.writerow(row)
            table.writerow("" if value is None else value for value in row.values())
        return lines.getvalue()

    def write(self, path: Path) -> None:
        """Write all rows, .csv or .jsonl; the file is whole or absent."""
        write_text(path, self.text(path.suffix.lower()))


def check_out(path: Path) -> None:
    """Refuse a file that cannot hold predictions.

    Raises
    ------
    UserError
        "predictions ...", "cannot write ..."
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"predictions '{path}' have the extension '{path.suffix}'; give {' or '.join(SUFFIXES)}")
    if path.is_dir() or not path.parent.is_dir():
        raise UserError(f"cannot write {path}: no such folder, or a folder itself; give a file in a folder")


def restored(path: str | Path) -> tuple[Learner, AnyFrontEnd, dict[str, Any]]:
    """Return learner, front end and note of a finished run, as they were at the end.

    Raises
    ------
    UserError
        "... cannot be loaded"
    """
    arrays, note = read_run(path)
    try:
        spec, front_end = parts_of(note)
        front_end.restore(part(arrays, "front_end"))
        learner = Learner(spec)
        learner.restore({name: array for name, array in arrays.items() if "." not in name})
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        said = str(error) if isinstance(error, UserError) else "it is damaged, or of another version"
        raise UserError(f"{path} cannot be loaded: {said}; run again with --overwrite") from None
    return learner, front_end, note


def predict(results: str | Path, data: str) -> Predictions:
    """Predict the rows of a file or data set with the network of a finished run.

    Parameters
    ----------
    results : folder of the run, or the weights.npz in it
    data : file with or without labels, or a data set by name; where there is a test part, its samples are taken

    Raises
    ------
    UserError
        "... cannot be loaded", "... has N features ...", and whatever cannot be read
    """
    learner, front_end, note = restored(results)
    check_features(note, front_end, described_by(data), str(results))
    config: Any = validated(SETTINGS[note["kind"]], note["config"])
    classes = tuple(note["classes"])
    rows = _named_rows(data) if isinstance(config, DataSettings) and data in datasets.names() else None
    rows = rows or _test_rows(data) or _source_rows(config, data, len(note["inputs"]))
    if rows.x.shape[1] != len(note["inputs"]):
        raise UserError(
            f"{data} has {rows.x.shape[1]} features, and {results} was learned from {len(note['inputs'])}; give data "
            "with the same columns"
        )
    notes = [*rows.notes, *missing_notes(rows.x, note["inputs"])]
    notes = list(dict.fromkeys(notes))  # tables say it already
    # networks that started from a model or a run take values as they are
    is_absolute = bool(note.get("start")) and not isinstance(front_end, FrontEnd)
    shift = np.array(rows.offsets or 0.0) - np.array(0.0 if is_absolute else note.get("offsets") or 0.0)
    x = rows.x
    if np.any(shift):
        x = x.astype(np.float64) + shift
        x = x if is_absolute else x.astype(np.float32)
    x, ends = windows_of(front_end, x, rows.segment)
    outputs = np.array([*(classes.index(name) if name in classes else -1 for name in rows.names), -1], np.int64)
    labels = outputs[rows.y[ends]]
    n_unknown = int(((labels < 0) & (rows.y[ends] >= 0)).sum())
    if n_unknown:
        notes.insert(0, _unknown_labels(n_unknown, len(ends), rows.names, classes, str(results)))
    notes[:0] = notes_on_scale(front_end, x)
    predictions, scores = run_rows(learner, front_end, x)
    return Predictions(classes, predictions, scores, labels, data, tuple(notes))


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows to predict: labels y of the classes `names`, -1 for none; `offsets` were subtracted on reading."""

    x: np.ndarray
    y: np.ndarray
    names: tuple[str, ...]
    segment: np.ndarray
    offsets: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()


def _named_rows(data: str) -> _Rows:
    found = datasets.open_dataset(data)
    note = f"predicted: the test samples of {data}"
    return _Rows(found.test_x, found.test_y, found.class_names, np.zeros(len(found.test_x), np.int64), (), (note,))


def _test_rows(data: str) -> _Rows | None:
    """Return the test part of a file of named arrays, None where it has none."""
    notes: list[str] = []
    found = read_test_part(Path(data).expanduser(), notes)
    if found is None:
        return None
    x, labels = found
    names = tuple(sorted({label for label in labels if label is not None}))
    y = np.array([UNLABELLED if label is None else names.index(label) for label in labels], np.int64)
    notes.append(f"predicted: the test part of {data}, array x_test")
    return _Rows(
        x if x.dtype.kind == "f" else x.astype(np.float64), y, names, np.zeros(len(x), np.int64), (), tuple(notes)
    )


def _source_rows(config: RateSettings, data: str, n_inputs: int) -> _Rows:
    source, block = read_rows(config, data, n_inputs)
    offsets = source.columns_used.offsets
    return _Rows(
        block.x, block.y, tuple(source.class_names), block.segment, offsets, (*source.notes, *source.rejects.notes())
    )


def _unknown_labels(n: int, n_rows: int, names: tuple[str, ...], classes: tuple[str, ...], results: str) -> str:
    """State how many rows have labels that a run lacks; `run --start` refuses them unless told to add classes."""
    unknown = [name for name in names if name not in classes]
    shown, known = ([*one[:MOST_NAMES], *(["..."] if len(one) > MOST_NAMES else [])] for one in (unknown, classes))
    return (
        f"{n:,} of {n_rows:,} rows have labels that are not classes of {results} ({', '.join(shown)}), which knows "
        f"{', '.join(known)}: the accuracy leaves them out"
    )


def run_rows(learner: Learner, front_end: AnyFrontEnd, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the predictions and scores of rows, without learning."""
    found = []
    for first in range(0, len(x), CHUNK):
        levels = front_end.encode(x[first : first + CHUNK])
        outcome = learner.run_steps(levels, steps_of(np.full(len(levels), -1)), scores=True)
        found.append((outcome.predictions, outcome.scores))
    predictions, scores = zip(*found, strict=True)
    return np.concatenate(predictions), np.concatenate(scores)


def windows_of(front_end: AnyFrontEnd, x: np.ndarray, segment: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the windows of samples, float[n, window * n_channels], and the sample that ends each, int64[n].

    Raises
    ------
    UserError
        "... no window ..."
    """
    if not isinstance(front_end, FrontEnd) or (front_end.spec.window, front_end.spec.stride) == (1, 1):
        return x, np.arange(len(x))
    window, stride = front_end.spec.window, front_end.spec.stride
    begins = np.flatnonzero(np.diff(segment, prepend=segment[:1] - 1))
    place = np.arange(len(x)) - begins[np.searchsorted(begins, np.arange(len(x)), side="right") - 1]
    ends = np.flatnonzero((place + 1 >= window) & ((place + 1 - window) % stride == 0))
    if not len(ends):
        raise UserError(f"no recording is as long as the window of {window} samples; give longer ones")
    return x[ends[:, None] + np.arange(1 - window, 1)].reshape(len(ends), -1), ends


def read_rows(config: RateSettings, data: str, n_inputs: int) -> tuple[Source, Block]:
    """Read a file as the data of a configuration were read; one without labels has none.

    Raises
    ------
    UserError
        What the reader says; "... has no rows ..."
    """
    given: dict[str, Any] = {name: getattr(config, name) for name in ("label_from", "labels")}
    refused: UserError | None = None
    # without labels the whole table is features; a label that all rows have takes their place
    for roles, more in ((roles_of(config), given), (NO_ROLES, {"label_from": "(.)"})):  # type: ignore[arg-type]
        try:
            source: Source = open_source(data, roles=roles, **more)
            blocks = list(source.blocks(0))
        except UserError as error:
            refused = refused or error
            continue
        if not blocks:
            raise UserError(f"{data} has no rows that can be used")
        if len(source.channels) == n_inputs:
            names = ("x", "y", "t", "segment")
            block = Block(*(np.concatenate([getattr(one, name) for one in blocks]) for name in names))
            return source, block if more is given else replace(block, y=np.full(len(block), UNLABELLED))
        refused = refused or UserError(
            f"{data} has {len(source.channels)} features, and {n_inputs} were learned; give data with the same columns"
        )
    raise refused or UserError(f"{data} cannot be read")
