"""Tables of text, read the same way by every command: dialect, header, roles of columns, missing values, numbers.

One row per line: CSV (comma, semicolon, tab, | or white space; quoted cells; with or without a header) or JSON (an
object, or an array). The first lines decide which, and what the columns are. Blank lines and lines that start with #
are no rows. `TableReader` counts a line that cannot be used in its `rejects`, or refuses the table:

    another number of values   a line of CSV, or a JSON array, that is longer or shorter than the first; fewer than two
    a value is missing         one of `MISSING`, NaN or a code of the roles (JSON: null, or a key that is not there) as
                               a time, or as every feature of a row; a feature missing beside others is NaN
    not a number               a feature or time that is something else; true and false are 1 and 0
    not a text                 a nominal feature that is a JSON object or array
    not a finite number        an infinity, or beyond float32
    not a time                 a time that is not written like the first ones, see `edgelearn.data.clock`
    not JSON, not CSV          a JSON line that is not what the first line is; quotes that make no cells
    not a label                a JSON label that is an object or an array
    time goes back             less than the time of the row before, in the same segment, and no new recording
                               (`edgelearn.data.restarts`)
    half a line                CSV, live: the last line has no end, its last value may be cut
    not text                   bytes that are not UTF-8
    line too long              more than 1 MiB

The last line of a file needs no end, nor does JSON: a cut line cannot be read.
"""

from __future__ import annotations

import contextlib
import copy
import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from operator import ne
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.categories import Categories
from edgelearn.data.cells import (
    MAX_LINE,
    Reject,
    is_missing,
    is_number,
    label_text,
    shortened,
    with_point,
)
from edgelearn.data.clock import UNITS, Ambiguous, Clock, cannot_read, find_clock
from edgelearn.data.columns import Columns, Roles, find_columns
from edgelearn.data.line_groups import HEAD, grouped, line_chunks, whole_rows
from edgelearn.data.restarts import FEWEST_ROWS, TIME_BACK
from edgelearn.data.row_cells import (
    ENCODING,
    check_text,
    features_in,
    finite_numbers,
    label_cell,
    number_in,
    split_lines,
    text_cell,
)
from edgelearn.data.source import Rejects
from edgelearn.data.table_rows import Rows, joined
from edgelearn.data.text_files import encoding_note, open_text
from edgelearn.errors import UserError

BLOCK = 1 << 13  # lines of a file read at once


@dataclass
class TableReader:
    """Turn lines into rows, in order, keeping what one line needs to know of those before.

    Parameters
    ----------
    roles : what the columns are
    source : name of the table in messages
    rejects : where lines are counted that cannot be used; None refuses the table at the first of them
    live : lines come as they are made
    head : first lines of the table, which help the first one to say what the columns are
    dtype : of the features
    notes : receives assumptions and omissions, each once
    may_lack : a feature may be missing, and is NaN then
    categories : values of nominal features, where they are known; found otherwise, see `expand`
    restarts : lines, in order, at which the clock starts again; None for rows in any order of time

    Raises
    ------
    UserError
        "SOURCE: column ... is not known ..."; without `rejects`, "SOURCE line N: REASON (...) ..."
    """

    roles: Roles
    source: str
    rejects: Rejects | None = None
    live: bool = False
    head: Sequence[bytes] = ()
    dtype: Any = np.float32
    columns: Columns | None = None
    first_line: str = ""  # the one that told the columns
    number: int = 0
    last_t: float = -np.inf
    segment: int = 0
    segment_cell: str | None = None
    has_begun: bool = False
    notes: list[str] = field(default_factory=list)
    clock: Clock | None = None
    may_lack: bool = True  # a feature that is missing is NaN, unless the row has none
    categories: Categories | None = None
    restarts: Sequence[int] | NDArray[np.int64] | None = ()
    in_doubt: tuple[int, float] = (
        0,
        -np.inf,
    )  # of live input: rows in order that are earlier than the last, their time
    _n_before: int = 0  # lines that are still to come before the table

    def begin(self, text: str, below: Iterable[str] = ()) -> None:
        """Find out what the columns are."""
        lines = [text, *below]
        self.columns = columns = find_columns(lines, self.roles, self.source)
        self.first_line = lines[columns.n_before]
        self.notes += [note for note in columns.notes if note not in self.notes]
        if columns.nominal and self.categories is None:
            self.categories = self._new_categories(columns)
        if not self.live:
            self._find_clock(lines[columns.n_before + columns.has_header :])

    def settle(self, lines: list[bytes]) -> bool:
        """Find the columns of live input from the earliest line that the last one fits; return whether one was found.

        A header is emptied. What is cut, as the first line of a port that was opened in the middle, fits no other line.

        Raises
        ------
        UserError : where the columns named by the roles are in none of three lines.
        """
        if len(lines) == 1:
            lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
        first = max(0, len(lines) - HEAD)
        recent = lines[first:]
        texts = [line[:MAX_LINE].decode(ENCODING, errors="replace") for line in recent]
        rows = [k for k, text in enumerate(texts) if text.strip() and text[0] != "#" and len(recent[k]) <= MAX_LINE]
        if not rows or rows[-1] != len(texts) - 1:
            return False
        refusals: list[UserError] = []
        for k in rows[:-1]:
            below = [texts[other] for other in rows if other > k]
            try:
                columns = find_columns([texts[k], *below], self.roles, self.source)
            except (Reject, UserError) as refusal:
                refusals += [refusal] if isinstance(refusal, UserError) else []
                continue
            if columns.is_undecided and len(lines) < HEAD:
                return False
            if columns.n_before == 0 and self._fits(columns, texts[-1]):
                self.begin(texts[k], below)
                self.has_begun = True
                if columns.has_header:
                    lines[first + k] = b""
                return True
        if len(refusals) == len(rows) - 1 >= 2:
            raise refusals[0]
        return False

    def _fits(self, columns: Columns, text: str) -> bool:
        try:
            row = columns.cells(text)
            if isinstance(row, dict) != (columns.kind == "object"):
                return False
            if columns.kind != "object" and len(row) != columns.n_cells:
                return False
            for place in columns.numeric:
                if columns.kind == "object" or not is_missing(str(row[place])):
                    number_in(columns, row, place, self.roles.scale)
        except Reject:
            return False
        return True

    def _find_clock(self, lines: Iterable[str]) -> None:
        """Find out how times are written, from the first lines, or from the first one of a live input."""
        columns = self.columns
        if columns is None or columns.time is None or self.clock is not None:
            return
        cells = []
        for text in lines:
            with contextlib.suppress(Reject, KeyError, IndexError):
                row = columns.cells(text)
                if isinstance(row, dict) != (columns.kind == "object"):
                    continue
                if columns.kind != "object" and len(row) != columns.n_cells:
                    continue
                cell = row[columns.time]
                has_comma = columns.decimal == "," and is_number(with_point(cell))
                cells.append(with_point(cell) if has_comma else cell)
        title = columns.used.time or "time"
        notes: list[str] = []
        try:
            if self.roles.time_scale != 1:
                self.clock = Clock(title, "s")
            elif cells or not self.live:
                self.clock = find_clock(cells, title, self.roles.time_format, self.roles.time_unit, notes)
        except ValueError as error:
            may_go = self.roles.time is None and bool(self.roles.features)
            if isinstance(error, UserError) and not (may_go and isinstance(error, Ambiguous)):
                raise UserError(f"{self.source}: {error}") from None
            if may_go:
                error = ValueError(cells[0]) if isinstance(error, UserError) else error
                notes = [f"column {title} was set aside: its cells, such as {shortened(str(error))}, are no times"]
                used = replace(columns.used, time=None, left_out=(*columns.used.left_out, title))
                self.columns = replace(columns, time=None, used=used)
            elif not self.live:
                raise cannot_read(self.source, title, error) from None
        if self.clock is not None and self.columns is not None:
            self.columns = replace(self.columns, used=replace(columns.used, time_unit=self.clock.unit))
        self.notes += [note for note in notes if note not in self.notes]

    def feed(self, lines: list[bytes], cut: bool = False) -> Rows:
        """Read the next lines; `cut` says that the last one has no end."""
        first = self.number + 1
        if first == 1:
            lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
        self.number += len(lines)
        at = 0
        while at < len(lines) and not self.has_begun:
            text = self._text(lines[at], first + at)
            if text is not None and self.columns is None:
                try:
                    self.begin(text, self._below(first + at))
                except Reject as reject:
                    self._reject(reject, first + at)
                else:
                    assert self.columns is not None
                    self._n_before = self.columns.n_before
            if text is not None and self.columns is not None:
                if self._n_before:
                    if self.columns.is_cut:
                        n_values = len(self.columns.cells(text)) if self.columns.kind == "csv" else "no"
                        what = f"{n_values}, not {self.columns.n_cells}: {shortened(text)}"
                        self._reject(Reject("another number of values", what), first + at)
                    self._n_before -= 1
                    at += 1
                    continue
                # A continued stream, whose columns are known, may send its header again, or not.
                self.has_begun = True
                if not self.columns.has_header or text.strip() != self.first_line.strip():
                    break
            at += 1
        cut = cut and self.live and self.columns is not None and self.columns.kind == "csv"
        parts = self._read(lines[at:], np.arange(first + at, first + len(lines)), cut)
        return parts[0] if len(parts) == 1 else joined([self._no_rows(), *parts])

    def _no_rows(self) -> Rows:
        n_features, n_texts = (len(self.columns.features), len(self.columns.texts)) if self.columns else (0, 0)
        whole = np.empty(0, np.int64)
        return Rows(np.empty((0, n_features), self.dtype), [], np.empty(0), whole, whole, [[] for _ in range(n_texts)])

    def read_file(self, path: Path, has_long_cells: bool = True) -> Iterator[Rows]:
        """Read a whole file, whose quoted cells may hold the ends of lines where `has_long_cells`.

        Raises
        ------
        UserError
            "FILE has no rows ..."; those of `feed`; OSError passes.
        """
        n = 0
        with open_text(path, self.roles.encoding) as file:
            groups = grouped(line_chunks(file.read), BLOCK)
            for lines in whole_rows(groups) if has_long_cells else (lines for lines, _ in groups):
                self.head = self.head or lines[:HEAD]
                rows = self.feed(lines)
                n += len(rows.labels)
                yield rows
        if note := encoding_note(path, self.roles.encoding):
            self.notes.append(note)
        if not n and self.rejects is not None and self.rejects.first:
            advice = ADVICE.get(next(iter(self.rejects.first)), ANY_ADVICE)
            raise UserError(f"{path}: no line can be used ({self.rejects.summary}); {advice}")
        if not n:
            below = " below its header" if self.columns else ""
            raise UserError(f"{path} has no rows{below}; give one row per line")

    def _below(self, number: int) -> list[str]:
        """Give the lines of the head that follow a line."""
        found = []
        for line in self.head[number:]:
            if len(line) <= MAX_LINE and line.strip() and not line.startswith(b"#"):
                found.append(line.decode(ENCODING, errors="replace"))
        return found

    def _reject(self, reject: Reject, number: int) -> None:
        reason, what = reject.args
        if self.rejects is None:
            raise UserError(f"{self.source} line {number}: {reason} ({what}); {ADVICE.get(reason, ANY_ADVICE)}")
        self.rejects.add(reason, f"line {number}: {what}")

    def _text(self, line: bytes, number: int) -> str | None:
        """Give the text of a line, None where it holds no row."""
        reason = ""
        if len(line) > MAX_LINE:
            reason = "line too long"
        try:
            text = line.decode(ENCODING) if not reason else line[:80].decode(ENCODING, errors="replace")
        except UnicodeDecodeError:
            reason, text = "not text", line.decode(ENCODING, errors="replace")
        if reason:
            self._reject(Reject(reason, shortened(text)), number)
            return None
        return text if text.strip() and text[0] != "#" else None

    def _read(self, lines: list[bytes], numbers: NDArray[np.int64], cut: bool) -> list[Rows]:
        """Read lines at once, or find those that cannot be used by halves."""
        if not lines:
            return []
        rows = None if cut else self._read_at_once(lines, numbers)
        if rows is not None:
            return [rows]
        full = [k for k, line in enumerate(lines) if line.strip() and not (line.startswith(b"#") and line.isascii())]
        if len(full) < len(lines) and max(map(len, lines)) <= MAX_LINE:
            ends = cut and full[-1:] == [len(lines) - 1]
            return self._read([lines[k] for k in full], numbers[full], ends)
        if len(lines) > 1:
            half = len(lines) // 2
            first = self._read(lines[:half], numbers[:half], False)
            return first + self._read(lines[half:], numbers[half:], cut)
        text = self._text(lines[0], int(numbers[0]))
        if text is not None:
            try:
                self._explain(text)
            except Reject as reject:
                self._reject(reject, int(numbers[0]))
            else:
                return self._read(lines, numbers, cut)
        return []

    def _read_at_once(self, lines: list[bytes], numbers: NDArray[np.int64]) -> Rows | None:
        """Read lines in bulk where every one of them is a good row, else give None and change nothing."""
        if self.clock is None and self.live:
            self._find_clock([lines[0].decode(ENCODING, errors="replace")])
        columns, n = self.columns, len(lines)
        assert columns is not None
        clock = copy.copy(self.clock)
        try:
            table = split_lines(columns, lines)
            if self.categories is not None:
                self.categories.forget()
            values = features_in(columns, table, self.roles.scale, self.roles.missing, self.may_lack, self.categories)
            t = np.full(n, np.nan) if columns.time is None else self._times(columns, table.column(columns.time))
            names = [] if columns.segment is None else table.texts(columns.segment)
            labels = table.labels(columns)
            if self.roles.missing:
                codes = set(map(label_text, self.roles.missing))
                labels = ["" if label_text(cell) in codes else cell for cell in labels]
            texts = list(map(table.texts, columns.texts))
        except UserError:  # of a clock that cannot be told
            raise
        except (KeyError, ValueError, OverflowError, RecursionError, csv.Error):
            self.clock = clock
            return None
        segment, changes = np.full(n, self.segment), np.zeros(n, bool)
        if names:
            before = names[0] if self.segment_cell is None else self.segment_cell
            changes = np.fromiter(map(ne, names, [before, *names[:-1]]), bool, n)
            segment += np.cumsum(changes)
        if self.restarts is not None:
            if len(self.restarts) and (begins := np.isin(numbers, self.restarts) & ~changes).any():
                changes |= begins
                segment += np.cumsum(begins)
            if ((t < np.append(self.last_t, t[:-1])) & ~changes).any():
                self.clock = clock
                return None
        if columns.time is not None:
            self.last_t, self.in_doubt = float(t[-1]), (0, -np.inf)
        self.segment, self.segment_cell = int(segment[-1]), names[-1] if names else None
        if self.categories is not None:
            self.categories.accept()
        return Rows(values.astype(self.dtype), labels, t, segment, numbers, texts)

    def _new_categories(self, columns: Columns) -> Categories:
        titles = {place: columns.title(place) for place in columns.nominal}
        return Categories(columns.features, titles, self.source, self.roles.missing, self.notes)

    def restore_categories(self, state: Sequence[tuple[Any, Sequence[str]]]) -> None:
        """Continue with the values of nominal features, which no further line changes."""
        assert self.columns is not None
        self.columns = replace(self.columns, nominal=tuple(place for place, _ in state))
        self.categories = self._new_categories(self.columns)
        self.categories.restore(values for _, values in state)

    @property
    def channels(self) -> tuple[str, ...]:
        """Name the inputs: features, or values of nominal ones."""
        assert self.columns is not None
        names = self.columns.channels
        return names if self.categories is None else self.categories.channels(names)

    def expand(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return one column per input, given one per feature."""
        return x if self.categories is None else self.categories.expand(x)

    def _times(self, columns: Columns, cells: list[Any]) -> NDArray[np.float64]:
        """Give the times of rows in seconds; ValueError where one is none."""
        clock = self.clock
        if clock is None or clock.unit in UNITS:
            scale = self.roles.time_scale * (clock.scale if clock else 1.0)
            return finite_numbers(columns, cells, scale, self.roles.missing)
        if not all(isinstance(cell, str) for cell in cells):
            raise ValueError
        times = clock.seconds(cells)
        if not np.isfinite(times).all():
            raise ValueError
        return times

    def _time_of(self, columns: Columns, row: Any) -> float:
        """Read the time of a row, or reject it with the reason."""
        clock = copy.copy(self.clock)
        try:
            return float(self._times(columns, [row[columns.time]])[0])
        except (KeyError, ValueError, OverflowError) as error:
            if isinstance(error, UserError):
                raise
            number_in(columns, row, columns.time, self.roles.time_scale)
            raise Reject(
                "not a time", f"column {columns.title(columns.time)} is {shortened(row[columns.time])}"
            ) from None
        finally:
            self.clock = clock

    def _explain(self, text: str) -> None:
        """Reject an unusable line with the reason, unless it shows that the clock of live input has started again."""
        columns = self.columns
        assert columns is not None
        row = columns.cells(text)
        if isinstance(row, dict) != (columns.kind == "object"):
            raise Reject("not JSON", f"not {columns.kind} {shortened(text)}")
        if columns.kind != "object" and len(row) != columns.n_cells:
            raise Reject("another number of values", f"{len(row)}, not {columns.n_cells}: {shortened(text)}")
        n_missing = 0
        for place in columns.features:
            try:
                if place in columns.nominal:
                    check_text(columns, row, place)
                else:
                    number_in(columns, row, place, self.roles.scale)
            except Reject as reject:
                n_missing += 1
                is_missing = reject.args[0] == "a value is missing"
                if not (self.may_lack and is_missing) or n_missing == len(columns.features):
                    raise
        t = np.nan if columns.time is None else self._time_of(columns, row)
        label_cell(columns, row)
        cells = [text_cell(row, place) for place in (columns.segment, *columns.texts) if place is not None]
        is_new = columns.segment is not None and self.segment_cell not in (None, cells[0])
        if t < self.last_t and not is_new:
            n, latest = self.in_doubt
            self.in_doubt = (n + 1 if t >= latest else 1, t)
            if not self.live or self.in_doubt[0] < FEWEST_ROWS:
                raise Reject(TIME_BACK, f"from {self.last_t} to {t}")
            note = (
                f"times of {columns.used.time} start again: each time begins a recording, after {FEWEST_ROWS - 1} rows"
            )
            self.notes += [note] if note not in self.notes else []
            self.last_t, self.segment = -np.inf, self.segment + 1
            return
        raise Reject("half a line", shortened(text))


ANY_ADVICE = "correct the line or remove it"
ADVICE = {
    "another number of values": "give every line as many, two or more",
    "not a number": "give a number, with a point as decimal mark, or remove the line",
    "not text": "save the table as UTF-8",
}
