"""Samples as lines of text, one sample a line, from a file of any size or from a live input.

A line is CSV (comma, semicolon or tab; quoted cells; with or without a header) or JSON (an object, or an array); the
first line that can be read tells which, and what the columns are. Blank lines and lines that start with # are no
samples. A line that cannot be used is counted in `rejects` with its number, and reading goes on:

    another number of values   a line of CSV, or a JSON array, that is longer or shorter than the first; fewer than two
    a value is missing         an empty cell, null, or a key that is not there
    not a number               a feature or time that is something else
    not a finite number        NaN, or beyond float32
    not JSON, not CSV          a JSON line that is not what the first line is; quotes that make no cells
    not a label                a JSON label that is an object or an array
    time goes back             less than the time of the sample before, in the same segment
    half a line                CSV, live: the last line has no end, its last value may be cut
    not text                   bytes that are not UTF-8
    line too long              more than 1 MiB

`no room for label` is counted as well, but its sample is kept, without a label. A label that is empty, null, absent or
NaN makes a sample without label. The last line of a file needs no end, nor does JSON: what is cut cannot be read.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain, islice
from math import isfinite
from operator import ne
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.description import label_text
from edgelearn.data.source import UNLABELLED, Block, Rejects
from edgelearn.errors import UserError, unknown

if TYPE_CHECKING:
    from edgelearn.data.description import Columns

LABEL_NAMES = ("label", "class", "target")  # and y, where it is no axis
TIME_NAMES = ("t", "time", "timestamp")
SEGMENT_NAMES = ("segment", "subject", "recording")
LIVE_CLASSES = 10
MAX_CLASSES = 1000
MAX_LINE = 1 << 20
CHUNK = 1 << 18
FEW_LINES = 32  # from here down, one at a time is as fast as all at once
FLOAT32_LIMIT = (2 - 2**-24) * 2.0**127  # from here on a float64 becomes an infinite float32
ANY_LABEL = "*"

Text = Iterable[str] | Iterable[bytes]


class _Reject(Exception):
    """One line that cannot be used: reason, and what it holds."""


# --- columns -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Wanted:
    """What the user said of the columns."""

    features: tuple[str, ...] = ()
    label: str | int | None = None
    time: str | int | None = None
    segment: str | int | None = None
    scale: float = 1.0
    time_scale: float = 1.0


@dataclass(frozen=True)
class _Layout:
    """Where a line has what; places are indices of cells, or keys of a JSON object."""

    kind: str  # csv, array or object
    separator: str
    n_cells: int
    has_header: bool
    channels: tuple[str, ...]
    features: tuple[Any, ...]
    labels: tuple[Any, ...]  # the first of these that a line has
    time: Any
    segment: Any

    def title(self, place: Any) -> str:
        return self.channels[self.features.index(place)] if place in self.features else "time"


def _layout(text: str, wanted: _Wanted, source: str) -> _Layout:
    """Read from the first line what the columns are."""
    separator, has_header = "", False
    if text.lstrip()[:1] in ("{", "["):
        row = _json(text)
        kind = "object" if isinstance(row, dict) else "array"
        titles = list(row) if isinstance(row, dict) else [str(number + 1) for number in range(len(row))]
    else:
        kind = "csv"
        # Tab and semicolon win a tie: in 1,5;2,5;a the comma is a decimal mark, as the reject then says.
        separator = max("\t;,", key=lambda mark: len(_cells(text, mark)))
        titles = [cell.strip() for cell in _cells(text, separator)]
        has_header = _is_header(titles, wanted)
        if not has_header:
            titles = [str(number + 1) for number in range(len(titles))]

    def find(column: str | int) -> Any:
        if kind == "object":
            return str(column)
        if isinstance(column, str) and titles.count(column) > 1:
            raise UserError(f"{source} has {titles.count(column)} columns '{column}'; give the column's number")
        if isinstance(column, str) and column in titles:
            return titles.index(column)
        try:
            number = int(column)
        except ValueError:
            raise unknown(f"{source}: column", str(column), titles) from None
        if number == 0 or abs(number) > len(titles):
            raise UserError(
                f"{source}: column {number} is out of range; columns count from 1 to {len(titles)}, -1 is the last"
            )
        return number - 1 if number > 0 else len(titles) + number

    places = list(titles) if kind == "object" else list(range(len(titles)))
    named = kind == "object" or has_header
    features = tuple(find(column) for column in wanted.features)

    def search(names: tuple[str, ...]) -> Any:
        for title, place in zip(titles, places, strict=True):
            if named and title.lower() in names and place not in features:
                return place
        return None

    time = find(wanted.time) if wanted.time is not None else search(TIME_NAMES)
    segment = find(wanted.segment) if wanted.segment is not None else search(SEGMENT_NAMES)
    rest = [place for place in places if place not in (time, segment)]
    if wanted.label is not None:
        label = find(wanted.label)
    else:
        label = search(LABEL_NAMES)
        lower = [title.lower() for title in titles]
        if label is None and (lower[-1:] == ["y"] or "x" not in lower):
            label = search(("y",))
        if label is None and kind != "object" and rest and rest[-1] not in features:
            label = rest[-1]
    # The first object may be a sample without label, which has no such key.
    labels = LABEL_NAMES if label is None and kind == "object" else () if label is None else (label,)
    for place in (label, time, segment):
        if place is not None and place in features:
            raise UserError(
                f"{source}: column '{titles[place] if kind != 'object' else place}' is a feature and also "
                "the label, time or segment; name it once"
            )
    features = features or tuple(place for place in rest if place not in labels)
    if not features:
        raise _Reject("another number of values", _short(text))
    channels = wanted.features or tuple(title for title, place in zip(titles, places, strict=True) if place in features)
    return _Layout(kind, separator, len(titles), has_header, channels, features, labels, time, segment)


def _is_header(cells: list[str], wanted: _Wanted) -> bool:
    said = (*wanted.features, wanted.label, wanted.time, wanted.segment)
    if any(isinstance(column, str) and not _is_number(column) for column in said):
        return True
    label_at = wanted.label if isinstance(wanted.label, int) else -1
    label_at = label_at - 1 if label_at > 0 else len(cells) + label_at
    features = [cell for index, cell in enumerate(cells) if index != label_at]
    if not any(_is_number(cell.replace(",", ".")) for cell in features):
        return True
    # Titles that count, such as 0, 1, 2, label: only the label's tells that they are no data.
    counts = [[str(index + first) for index in range(len(features))] for first in (0, 1)]
    return features in counts and 0 <= label_at < len(cells) and cells[label_at].lower() in (*LABEL_NAMES, "y")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


# --- one line ----------------------------------------------------------------------------------------------


def _cells(text: str, separator: str) -> list[str]:
    if '"' not in text:
        return text.split(separator)
    try:
        return next(csv.reader([text], delimiter=separator))
    except (csv.Error, StopIteration):
        raise _Reject("not CSV", _short(text)) from None


def _json(text: str) -> Any:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        raise _Reject("not JSON", _short(text)) from None
    if not isinstance(row, dict | list):
        raise _Reject("not JSON", _short(text))
    return row


def _short(value: Any) -> str:
    text = repr(value.strip() if isinstance(value, str) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _number(layout: _Layout, row: Any, place: Any, scale: float) -> float:
    """Read one finite number of a row, slowly, and say what is wrong with it."""
    try:
        value = row[place]
    except KeyError:
        raise _Reject("a value is missing", f"no '{place}'") from None
    what = f"column {layout.title(place)} is {_short(value)}"
    if value is None or (isinstance(value, str) and not value.strip()):
        raise _Reject("a value is missing", what)
    if isinstance(value, bool | list | dict) or (isinstance(value, str) and layout.kind != "csv"):
        raise _Reject("not a number", what)
    try:
        number = float(value) * scale
    except OverflowError:
        raise _Reject("not a finite number", what) from None
    except ValueError:
        raise _Reject("not a number", what) from None
    if not abs(number) < FLOAT32_LIMIT:  # NaN compares as False
        raise _Reject("not a finite number", what)
    return number


def _seconds(layout: _Layout, row: Any, scale: float) -> float:
    """Read the time of a row: a number, or a date and time of ISO 8601 (UTC where it names no zone)."""
    try:
        return _number(layout, row, layout.time, scale)
    except _Reject as reject:
        value = row.get(layout.time) if isinstance(row, dict) else row[layout.time]
        if reject.args[0] != "not a number" or not isinstance(value, str):
            raise
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            raise reject from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _label_cell(layout: _Layout, row: Any) -> str:
    if layout.kind == "csv":
        return str(row[layout.labels[0]]) if layout.labels else ""
    if layout.kind == "object":
        value = next((row[key] for key in layout.labels if key in row), None)
    else:
        value = row[layout.labels[0]] if layout.labels else None
    if isinstance(value, list | dict):
        raise _Reject("not a label", f"label {_short(value)}")
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


# --- all lines ---------------------------------------------------------------------------------------------


class _Rows(NamedTuple):
    """Samples as they were read; labels are still cells."""

    x: NDArray[np.float32]
    labels: list[str]
    t: NDArray[np.float64]
    segment: NDArray[np.int64]
    numbers: NDArray[np.int64]


@dataclass
class _Parser:
    """Turn lines into samples, in order, keeping what one line needs to know of those before."""

    wanted: _Wanted
    source: str
    rejects: Rejects
    live: bool = False
    layout: _Layout | None = None
    first_line: str = ""  # the one that told the columns
    number: int = 0
    last_t: float = -np.inf
    segment: int = 0
    segment_cell: str | None = None

    def begin(self, text: str) -> None:
        self.layout = _layout(text, self.wanted, self.source)
        self.first_line = text

    def feed(self, lines: list[bytes], cut: bool) -> _Rows:
        """Read the next lines; `cut` says that the last one has no end."""
        first = self.number + 1
        if first == 1:
            lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
        self.number += len(lines)
        at = 0
        while at < len(lines) and (self.layout is None or first + at == 1):
            text = self._text(lines[at], first + at)
            if text is None:
                pass
            elif self.layout is not None:
                # A continued stream, whose columns are known, may send its header again, or not.
                if not self.layout.has_header or text.strip() != self.first_line.strip():
                    break
            else:
                try:
                    self.begin(text)
                except _Reject as reject:
                    self._reject(reject, first + at)
                else:
                    assert self.layout is not None
                    if not self.layout.has_header:
                        break
            at += 1
        return self._read(lines[at:], first + at, cut)

    def _reject(self, reject: _Reject, number: int) -> None:
        reason, what = reject.args
        self.rejects.add(reason, f"line {number}: {what}")

    def _text(self, line: bytes, number: int) -> str | None:
        """Give the text of a line, None where it holds no sample."""
        reason = ""
        if len(line) > MAX_LINE:
            reason = "line too long"
        try:
            text = line.decode() if not reason else line[:80].decode(errors="replace")
        except UnicodeDecodeError:
            reason, text = "not text", line.decode(errors="replace")
        if reason:
            self._reject(_Reject(reason, _short(text)), number)
            return None
        return text if text.strip() and text[0] != "#" else None

    def _read(self, lines: list[bytes], first: int, cut: bool) -> _Rows:
        rows = None if cut or not lines else self._read_at_once(lines, first)
        if rows is not None:
            return rows
        if len(lines) <= FEW_LINES:
            return self._read_one_by_one(lines, first, cut)
        half = len(lines) // 2
        a = self._read(lines[:half], first, False)
        b = self._read(lines[half:], first + half, cut)
        return _Rows(
            np.concatenate((a.x, b.x)),
            a.labels + b.labels,
            np.concatenate((a.t, b.t)),
            np.concatenate((a.segment, b.segment)),
            np.concatenate((a.numbers, b.numbers)),
        )

    def _read_at_once(self, lines: list[bytes], first: int) -> _Rows | None:
        """Read lines in bulk where every one of them is a good sample, else give None and change nothing."""
        layout, n = self.layout, len(lines)
        assert layout is not None
        try:
            columns = self._columns(layout, lines)
            places = layout.features if layout.time is None else (*layout.features, layout.time)
            cells = [columns(place) for place in places]
            if layout.kind != "csv" and not set(map(type, chain.from_iterable(cells))) <= {int, float}:
                return None
            values = np.fromiter(map(float, chain.from_iterable(cells)), np.float64, n * len(places)).reshape(-1, n)
            names = [] if layout.segment is None else [str(cell).strip() for cell in columns(layout.segment)]
            labels = [""] * n if not layout.labels else columns(None)
        except (KeyError, ValueError, OverflowError, RecursionError, csv.Error, _Reject):
            return None
        with np.errstate(over="ignore"):
            values[: len(layout.features)] *= self.wanted.scale
            values[len(layout.features) :] *= self.wanted.time_scale
        if not (np.abs(values) < FLOAT32_LIMIT).all():
            return None
        segment, changes = np.full(n, self.segment), np.zeros(n, bool)
        if names:
            before = names[0] if self.segment_cell is None else self.segment_cell
            changes = np.fromiter(map(ne, names, [before, *names[:-1]]), bool, n)
            segment += np.cumsum(changes)
        t = np.full(n, np.nan)
        if layout.time is not None:
            t = values[-1].copy()
            if ((t < np.append(self.last_t, t[:-1])) & ~changes).any():
                return None
            self.last_t = float(t[-1])
        if names:
            self.segment, self.segment_cell = int(segment[-1]), names[-1]
        x = values[: len(layout.features)].T.astype(np.float32, order="C")
        return _Rows(x, list(labels), t, segment, np.arange(first, first + n))

    def _columns(self, layout: _Layout, lines: list[bytes]) -> Callable[[Any], Sequence[Any]]:
        """Give a function from a place to the cells there, and from None to the labels."""
        text = b"\n".join(lines).decode()
        if text.startswith("#") or "\n#" in text or max(map(len, lines)) > MAX_LINE:
            raise ValueError
        texts = text.split("\n")
        table: list[Any]
        if layout.kind != "csv":
            table = list(map(_json, texts))
        elif '"' in text:
            table = list(csv.reader(texts, delimiter=layout.separator))
        else:
            table = [line.split(layout.separator) for line in texts]
        # Quotes that do not end join lines.
        if len(table) != len(lines) or set(map(type, table)) != {dict if layout.kind == "object" else list}:
            raise ValueError
        if layout.kind != "object" and set(map(len, table)) != {layout.n_cells}:
            raise ValueError
        columns: list[tuple[Any, ...]] = [] if layout.kind == "object" else list(zip(*table, strict=True))

        def column(place: Any) -> Sequence[Any]:
            if place is None and layout.kind != "csv":
                return [_label_cell(layout, row) for row in table]
            place = layout.labels[0] if place is None else place
            cells: Sequence[Any] = columns[place] if columns else [row[place] for row in table]
            return cells

        return column

    def _read_one_by_one(self, lines: list[bytes], first: int, cut: bool) -> _Rows:
        """Read lines one by one."""
        samples: list[tuple[list[float], str, float, int, int]] = []
        for number, line in enumerate(lines, first):
            text = self._text(line, number)
            if text is not None:
                try:
                    samples.append((*self._sample(text, cut and number == self.number), number))
                except _Reject as reject:
                    self._reject(reject, number)
        values, labels, t, segment, numbers = zip(*samples, strict=True) if samples else ((),) * 5
        n_channels = len(self.layout.channels) if self.layout else 0
        return _Rows(
            np.array(values, np.float64).reshape(len(samples), n_channels).astype(np.float32),
            list(labels),
            np.array(t, np.float64),
            np.array(segment, np.int64),
            np.array(numbers, np.int64),
        )

    def _sample(self, text: str, cut: bool) -> tuple[list[float], str, float, int]:
        layout = self.layout
        assert layout is not None
        row = _cells(text, layout.separator) if layout.kind == "csv" else _json(text)
        if isinstance(row, dict) != (layout.kind == "object"):
            raise _Reject("not JSON", f"not {layout.kind} {_short(text)}")
        if layout.kind != "object" and len(row) != layout.n_cells:
            raise _Reject("another number of values", f"{len(row)}, not {layout.n_cells}: {_short(text)}")
        values = self._values(row)
        t = np.nan if layout.time is None else _seconds(layout, row, self.wanted.time_scale)
        label = _label_cell(layout, row)
        segment, segment_cell = self.segment, self.segment_cell
        if layout.segment is not None:
            if layout.kind == "object" and layout.segment not in row:
                raise _Reject("a value is missing", f"no '{layout.segment}'")
            segment_cell = str(row[layout.segment]).strip()
            segment += self.segment_cell not in (None, segment_cell)
        if segment == self.segment and t < self.last_t:
            raise _Reject("time goes back", f"from {self.last_t} to {t}")
        if cut and self.live and layout.kind == "csv":
            raise _Reject("half a line", _short(text))
        self.last_t, self.segment, self.segment_cell = t, segment, segment_cell
        return values, label, t, segment

    def _values(self, row: Any) -> list[float]:
        layout, scale = self.layout, self.wanted.scale
        assert layout is not None
        try:
            cells = [row[place] for place in layout.features]
            if layout.kind == "csv" or set(map(type, cells)) <= {int, float}:
                values = [float(cell) * scale for cell in cells]
                if all(abs(value) < FLOAT32_LIMIT for value in values):
                    return values
        except (KeyError, ValueError, OverflowError):
            pass
        return [_number(layout, row, place, scale) for place in layout.features]


# --- the source --------------------------------------------------------------------------------------------


class LineSource:
    """Read samples from lines of text, as a `Source`.

    Parameters
    ----------
    lines : a file-like object of bytes or text, whole lines (their ends may be missing), or a function that opens one
        of these again for every reading. What can be read once only is for `live`.
    name, source : name of the stream, and where its values come from
    label, time, segment : column, by its title or by its number counting from 1 (-1 is the last), or key of a JSON
        object. Default: the column called label, class, target or y (y is no label beside x unless it is the last),
        else the last one that is nothing else, of CSV and arrays; t, time or timestamp; segment, subject or recording
    features : columns in the order of the channels; default all that are nothing else
    classes : names of the classes in their order, or a mapping from labels, as they stand in the lines, to names;
        "*" stands for every other label
    n_classes : places for classes; default as many as `classes`, else 10 live, else as many as the file has
    rate_hz : samples a second, where it is known
    block_size : samples of a block, at most
    live : read once, as the lines come: a block is whatever is there. A new label takes the next free place.
    unlabelled : label of samples without a label
    scale, time_scale : features are multiplied by `scale`, times by `time_scale`, which makes them seconds

    Without `live` the lines are read once before all, in constant memory, for the classes (numbers by value, text by
    code point) and the number of samples. `rejects` starts from nothing with every call of `blocks` and counts the
    lines read since, those before `start` included. `segment` counts the changes of its column. `numbers` are the
    lines, from 1, of the samples of the last block that `blocks` gave.

    Raises
    ------
    UserError : "SOURCE: the file is empty ...", "SOURCE: no line can be used ...", "SOURCE: no samples came ...",
        "SOURCE: column ... is not known ...", "SOURCE has more than 1000 classes ...".
    """

    drift_points: tuple[int, ...] = ()

    def __init__(
        self,
        lines: Text | Callable[[], Text],
        *,
        name: str,
        source: str,
        label: str | int | None = None,
        time: str | int | None = None,
        segment: str | int | None = None,
        features: tuple[str, ...] | None = None,
        classes: tuple[str, ...] | Mapping[str, str] | None = None,
        n_classes: int | None = None,
        rate_hz: float | None = None,
        block_size: int = 1024,
        live: bool = False,
        unlabelled: str | None = None,
        scale: float = 1.0,
        time_scale: float = 1.0,
    ) -> None:
        if block_size < 1:
            raise UserError(f"block_size {block_size} is out of range; give at least 1")
        renamed = (
            dict(classes) if isinstance(classes, Mapping) else {class_name: class_name for class_name in classes or ()}
        )
        self._renamed = {cell if cell == ANY_LABEL else label_text(cell): to for cell, to in renamed.items()}
        self._classes = {to: place for place, to in enumerate(dict.fromkeys(renamed.values()))}
        if n_classes is not None and n_classes < max(1, len(self._classes)):
            raise UserError(
                f"n_classes {n_classes} is too small for {len(self._classes)} classes; give at least as many"
            )
        self.name, self.source, self.rate_hz = name, source, rate_hz
        self.numbers: NDArray[np.int64] = np.empty(0, np.int64)
        self._lines, self._block_size, self._live = lines, block_size, live
        self._unlabelled = None if unlabelled is None else label_text(unlabelled)
        self._places: dict[str, int] = {}  # of label cells; what it forgets is worked out again
        self._wanted = _Wanted(features or (), label, time, segment, scale, time_scale)
        self.rejects = Rejects()
        self._parser = _Parser(self._wanted, source, self.rejects, live)
        self._n_read = 0
        self._n_samples: int | None = None
        if live:
            self._n_classes = n_classes or len(self._classes) or LIVE_CLASSES
            self._waiting: list[_Rows] = []  # read while looking for the columns
            self._feed = self._read(self._parser)
        else:
            if not callable(lines) and iter(lines) is lines:
                raise UserError(f"{source} can be read once only; use live=True, or give a function that opens it")
            self._survey(n_classes or len(self._classes) or MAX_CLASSES)
            self._n_classes = n_classes or len(self._classes)

    @cached_property
    def channels(self) -> tuple[str, ...]:
        """Name the channels; a live source waits for its first line."""
        while self._parser.layout is None:
            rows = next(self._feed, None)
            if rows is None:
                raise self._nothing()
            self._waiting.append(rows)
        return self._parser.layout.channels

    @property
    def has_clock(self) -> bool:
        """Say whether a column gives the time; a live source waits for its first line."""
        return bool(self.channels) and self._parser.layout is not None and self._parser.layout.time is not None

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(self._classes)

    @property
    def n_classes(self) -> int:
        return self._n_classes

    @property
    def n_samples(self) -> int | None:
        return self._n_samples

    def blocks(self, start: int = 0) -> Iterator[Block]:
        """Give the samples from number `start` on; of a live source, all that come after those of `restore`."""
        if self._live:
            skip = max(0, start - self._n_read)
            feed = self._feed
        else:
            skip = start
            self.rejects.counts.clear()
            self.rejects.first.clear()
            self._parser = _Parser(self._wanted, self.source, self.rejects)
            feed = self._read(self._parser)
        while True:
            rows = self._waiting.pop(0) if self._live and self._waiting else next(feed, None)
            if rows is None:
                break
            y = np.array([self._place(cell, n) for cell, n in zip(rows.labels, rows.numbers, strict=True)], np.int64)
            self._n_read += len(y)
            if skip < len(y):
                self.numbers = rows.numbers[skip:]
                yield Block(rows.x[skip:], y[skip:], rows.t[skip:], rows.segment[skip:])
            skip = max(0, skip - len(y))
        if self._live and not self._n_read:
            raise self._nothing()

    def state(self) -> dict[str, Any]:
        """Return what a live source has met; a file is read again instead, so there is nothing to keep."""
        if not self._live:
            return {}
        parser = self._parser
        return {
            "classes": list(self._classes),
            "n_read": self._n_read,
            "first_line": parser.first_line,
            "last_t": parser.last_t if isfinite(parser.last_t) else None,
            "segment": parser.segment,
            "segment_cell": parser.segment_cell,
            "rejects": {"counts": dict(self.rejects.counts), "first": dict(self.rejects.first)},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue a live source; its lines may begin with the header again, or go on without."""
        if not self._live:
            return
        parser = self._parser
        if state["first_line"]:
            parser.begin(state["first_line"])
        parser.last_t = -np.inf if state["last_t"] is None else state["last_t"]
        parser.segment, parser.segment_cell = state["segment"], state["segment_cell"]
        self.rejects.counts.update(state["rejects"]["counts"])
        self.rejects.first.update(state["rejects"]["first"])
        self._classes = {name: place for place, name in enumerate(state["classes"])}
        self._n_read = state["n_read"]

    def _place(self, cell: str, number: int) -> int:
        """Give the class of a label."""
        place = self._places.get(cell)
        if place is not None:
            return place
        label = label_text(cell)
        name = self._name(label)
        if name is None:
            place = UNLABELLED
        else:
            place = self._classes.get(name, UNLABELLED)
            if place == UNLABELLED and self._live and len(self._classes) < self._n_classes:
                place = self._classes[name] = len(self._classes)
            if place == UNLABELLED:
                self.rejects.add("no room for label", f"line {number}: label {_short(label)}")
                return UNLABELLED
        if len(self._places) < MAX_CLASSES:
            self._places[cell] = place
        return place

    def _name(self, label: str) -> str | None:
        if not label or label == self._unlabelled:
            return None
        return self._renamed.get(label, self._renamed.get(ANY_LABEL, label))

    def _survey(self, n_places: int) -> None:
        """Find the classes of a file and count its samples."""
        parser, self._n_samples = self._parser, 0
        names: set[str] = set()
        for rows in self._read(parser):
            self._n_samples += len(rows.labels)
            names.update(name for cell in set(rows.labels) if (name := self._name(label_text(cell))) is not None)
            if len(names) > MAX_CLASSES:
                raise UserError(
                    f"{self.source} has more than {MAX_CLASSES} classes, such as {_short(min(names))}; "
                    "name the column that holds the label"
                )
        if not self._n_samples:
            raise self._nothing()
        said = self._wanted.label
        if said is not None and not names and parser.layout is not None and parser.layout.kind == "object":
            keys = _json(parser.first_line)
            if str(said) not in keys:
                raise unknown(f"{self.source}: column", str(said), keys)
        self.rejects.counts.clear()
        self.rejects.first.clear()
        for name in _sorted(names - set(self._classes))[: n_places - len(self._classes)]:
            self._classes[name] = len(self._classes)

    def _nothing(self) -> UserError:
        if self.rejects.first:
            (reason, where), n = next(iter(self.rejects.first.items())), sum(self.rejects.counts.values())
            found = f"{n} {'line was' if n == 1 else 'lines were'} rejected, the first for '{reason}': {where}"
        else:
            found = "only blank lines, comments or a header" if self._parser.number else ""
        what = "no samples came" if self._live else "no line can be used" if found else "the file is empty"
        hint = "give one sample a line, CSV or JSON, features and a label"
        return UserError(f"{self.source}: {what}{f' ({found})' if found else ''}; {hint}")

    def _read(self, parser: _Parser) -> Iterator[_Rows]:
        for lines, cut in self._groups():
            yield parser.feed(lines, cut)

    def _groups(self) -> Iterator[tuple[list[bytes], bool]]:
        """Give lines as they come, a block of them at most, and whether the last one has no end."""
        rest = b""
        for chunk in self._chunks():
            *lines, rest = (rest + chunk).split(b"\n")
            for first in range(0, len(lines), self._block_size):
                yield lines[first : first + self._block_size], False
            rest = rest[: MAX_LINE + 1]  # enough to see that it is too long
        if rest:
            yield [rest], True

    def _chunks(self) -> Iterator[bytes]:
        opened = self._lines() if callable(self._lines) else self._lines
        reader: Any = getattr(opened, "buffer", opened)
        try:
            if isinstance(reader, io.RawIOBase) or hasattr(reader, "read1"):
                # Both give what is there, and wait only while there is nothing.
                read = reader.read if isinstance(reader, io.RawIOBase) else reader.read1
                while chunk := read(CHUNK):
                    yield chunk
                return
            lines = iter(reader)
            n_at_once = 1 if self._live else self._block_size
            while batch := list(islice(lines, n_at_once)):
                yield b"".join(map(_whole, batch))
        finally:
            if callable(self._lines) and hasattr(opened, "close"):
                opened.close()


def _whole(line: str | bytes) -> bytes:
    line = line.encode(errors="surrogateescape") if isinstance(line, str) else line
    return line if line.endswith(b"\n") else line + b"\n"


def _sorted(names: Iterable[str]) -> list[str]:
    """Sort numbers by value, or text by code point."""
    names = sorted(names)
    return sorted(names, key=_value) if all(map(_is_number, names)) else names


def _value(name: str) -> int | float:
    try:
        return int(name)  # exact where a float would round
    except ValueError:
        return float(name)


def open_lines(path: Path, columns: Columns | None = None, name: str | None = None) -> LineSource:
    """Read a .csv, .tsv or .jsonl file of any size, one sample a line, in constant memory.

    Parameters
    ----------
    columns : what the columns are, with names where the file has a header or keys, else numbers counting from 1;
        default as `LineSource`
    name : name of the stream; default that of the file

    Raises
    ------
    UserError : one line with the file, what is wrong and what to do.
    """
    if not path.is_file():
        raise UserError(f"{path} is not a file; check the path")
    said = {
        key: getattr(columns, key)
        for key in ("features", "label", "time", "segment", "classes", "unlabelled", "rate_hz", "scale", "time_scale")
        if getattr(columns, key, None) is not None
    }
    try:
        return LineSource(lambda: path.open("rb"), name=name or path.stem, source=str(path), **said)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check its permissions") from None
