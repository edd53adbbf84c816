"""Recorded files joined to one recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.categories import alike
from edgelearn.data.cells import (
    offset_note,
    offsets,
)
from edgelearn.data.class_names import by_value, class_numbers, selected
from edgelearn.data.description import Description
from edgelearn.data.file_arrays import SIGNALS
from edgelearn.data.file_content import FileContent, texts_of
from edgelearn.data.recordings import Recording, as_float32, run_starts
from edgelearn.data.source import UNLABELLED, Rejects
from edgelearn.errors import UserError
from edgelearn.files import place_of


def join_files(
    form: Description, paths: Sequence[Path], pieces: Sequence[FileContent], subjects: str | None, rejects: Rejects
) -> Recording:
    pieces = _with_like_categories(pieces)
    first = pieces[0]
    pieces = [_in_order_of(first, path, piece, paths[0]) for path, piece in zip(paths, pieces, strict=True)]
    for path, piece in zip(paths, pieces, strict=True):
        if not len(piece.x):
            raise UserError(f"{path} has no rows; give one sample per row")
        for what, has, had in (
            ("channels", piece.x.shape[1], first.x.shape[1]),
            ("label", piece.labels is not None, first.labels is not None),
            ("time", piece.t is not None, first.t is not None),
        ):
            if has != had:
                raise UserError(f"{path} has another '{what}' than {paths[0]} ({has}, not {had}); give like files")
    _check_signals(form, paths, pieces)
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
        names, numbering = class_numbers(form, labels, first.class_names)
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
    if form.first_class_until:
        rows = rows[~_others_first(y[rows], segment[rows], form.first_class_until)]
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
        columns=first.used.with_offsets(subtracted),
        notes=notes,
        normal_rows=form.normal_rows or form.first_class_until,
    )


def _others_first(y: NDArray[np.int64], segment: NDArray[np.int64], n_first: int) -> NDArray[np.bool_]:
    """Mark rows of other classes that precede the given number of rows of the first class in their recording."""
    marked = np.zeros(len(y), bool)
    starts = run_starts(segment)
    for start, stop in zip(starts, [*starts[1:], len(y)], strict=True):
        is_first = y[start:stop] == 0
        marked[start:stop] = ~is_first & (np.cumsum(is_first) < n_first)
    return marked


def _subject_of(piece: FileContent, path: Path, n_files: int) -> NDArray[Any] | None:
    """Give what `subjects`, order and drift mean: the subject, else the segment that was said, else the file."""
    if piece.subject is not None:
        return piece.subject
    if piece.has_own_segments:
        return piece.segment
    return np.full(len(piece.x), path.stem) if n_files > 1 else None


def _with_like_categories(pieces: Sequence[FileContent]) -> Sequence[FileContent]:
    """Give all files the categories of each."""
    nominal = tuple(dict.fromkeys(name for piece in pieces for name in piece.nominal))
    if not nominal or len({piece.channels for piece in pieces}) == 1:
        return pieces
    names, values = alike(nominal, [piece.channels for piece in pieces], [piece.x for piece in pieces])
    return [
        piece._replace(x=x, channels=names, used=replace(piece.used, inputs=names))
        for piece, x in zip(pieces, values, strict=True)
    ]


def _check_signals(form: Description, paths: Sequence[Path], pieces: Sequence[FileContent]) -> None:
    """Refuse signals of different rates, and sounds of different sample formats, whose values have other scales."""
    if form.reader not in SIGNALS:
        return
    rates = [_rate_of(piece) for piece in pieces]
    for path, piece, rate in zip(paths, pieces, rates, strict=True):
        if form.reader == "wav" and piece.x.dtype != pieces[0].x.dtype:
            raise UserError(
                f"{path} has {piece.x.dtype} samples and {paths[0]} {pieces[0].x.dtype}, which are of another scale; "
                "convert them to one format"
            )
        if rate and rates[0] and abs(rate - rates[0]) > 0.01 * rates[0]:
            raise UserError(f"{path} is sampled at {rate:.6g} Hz and {paths[0]} at {rates[0]:.6g} Hz; give one rate")


def _rate_of(piece: FileContent) -> float:
    """Return the samples per second of a recording, 0 where it has no times."""
    steps = np.diff(piece.t) if piece.t is not None else np.empty(0)
    step = float(np.median(steps)) if len(steps) else 0.0
    return 1 / step if step > 0 else 0.0


def _in_order_of(first: FileContent, path: Path, piece: FileContent, first_path: Path) -> FileContent:
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
        parts = [texts_of(part) for part in parts]
    return np.concatenate(parts)


def _order_of(subject: NDArray[Any]) -> NDArray[Any]:
    """Give ranks that sort numbers by value and text by code point."""
    texts = texts_of(subject)
    rank = {text: place for place, text in enumerate(sorted(set(texts.tolist()), key=by_value))}
    return np.array([rank[text] for text in texts.tolist()], np.int64)
