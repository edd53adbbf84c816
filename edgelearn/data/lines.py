"""Samples as lines of text, one sample per line, from a file of any size or from a live input.

What a line may be, and which lines are counted in `rejects` with their number, is said by `edgelearn.data.reader`.
`no room for label` is counted as well, but its sample is kept, without a label. A label that is missing (empty, `?`,
NA, null, NaN, or absent) makes a sample without label.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.categories import Categories
from edgelearn.data.cells import (
    Span,
    check_classes,
    first_keys,
    is_fraction,
    is_missing,
    label_text,
    offset_note,
    shortened,
    sorted_classes,
)
from edgelearn.data.clock import Clock
from edgelearn.data.columns import NO_ROLES, RISING_ROWS, Roles
from edgelearn.data.line_groups import CHUNK, HEAD, grouped, line_chunks
from edgelearn.data.live_rows import LiveRows
from edgelearn.data.reader import TableReader
from edgelearn.data.restarts import TIME_BACK, restarts, restarts_note
from edgelearn.data.source import UNLABELLED, Block, ColumnsUsed, Rejects
from edgelearn.data.stamps import Stamps
from edgelearn.data.table_rows import Rows
from edgelearn.data.text_files import LiveEncoding, encoding_note, open_text
from edgelearn.errors import UserError, unknown
from edgelearn.units import count

LIVE_CLASSES = 10
MAX_CLASSES = 1000
ANY_LABEL = "*"
LARGEST = np.float32(np.finfo(np.float32).max)
SURVEYED = 8192  # lines of a file read at once, before its samples are given in blocks

Text = Iterable[str] | Iterable[bytes]


class LineSource:
    """Read samples from lines of text, as a `Source`.

    Parameters
    ----------
    lines : a file-like object of bytes or text, whole lines (their ends may be missing), or a function that opens one
        of these again for every reading. What can be read once only is for `live`.
    name, source : name of the stream, and where its values come from
    roles : what the columns are
    classes : names of the classes in their order, or a mapping from labels, as they stand in the lines, to names;
        "*" stands for every other label
    n_classes : places for classes; default as many as `classes`, else 10 live, else as many as the file has
    rate_hz : samples per second, where it is known
    block_size : samples of a block, at most
    live : read once, as the lines come: a block is whatever is there. A new label takes the next free place.
    unlabelled : label of samples without a label

    Without `live` the lines are read once before all, in constant memory, for the classes (numbers by value, text by
    code point) and the number of samples; `rejects` are those of the whole file then. It starts from nothing with
    every call of `blocks` and counts the lines read since, those before `start` included. `segment` counts the changes
    of its column. `numbers` are the lines, from 1, of the samples of the last block that `blocks` gave.

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
        roles: Roles = NO_ROLES,
        classes: tuple[str, ...] | Mapping[str, str] | None = None,
        n_classes: int | None = None,
        rate_hz: float | None = None,
        block_size: int = 1024,
        live: bool = False,
        unlabelled: str | None = None,
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
        self._roles = roles
        self.rejects = Rejects()
        self.notes: list[str] = []
        self._stamps = Stamps()
        self._categories: Categories | None = None
        self._restarts: NDArray[np.int64] | None = None  # lines at which the clock starts again, once they are found
        self._offsets = np.zeros(1)  # float64 [n_channels]
        self._n_read = 0
        self._n_samples: int | None = None
        if live:
            self._n_classes = n_classes or len(self._classes) or LIVE_CLASSES
            self._waiting: list[Rows] = []  # read while looking for the columns
            self._encoding = LiveEncoding(roles.encoding, source, self.notes)
            self._reader = TableReader(roles, source, self.rejects, live=True, dtype=np.float64, notes=self.notes)
            self._live_rows = LiveRows(self._reader)
            self._feed = self._read(self._reader)
        else:
            if not callable(lines) and iter(lines) is lines:
                raise UserError(f"{source} can be read once only; use live=True, or give a function that opens it")
            self._reader = self._new_reader()
            self._survey(n_classes or len(self._classes) or MAX_CLASSES)
            self._n_classes = n_classes or len(self._classes)

    @cached_property
    def channels(self) -> tuple[str, ...]:
        """Name the channels; a live source waits for its first line."""
        while self._reader.columns is None:
            rows = next(self._feed, None)
            if rows is None:
                raise self._nothing()
            self._waiting.append(rows)
        return self._reader.channels

    @property
    def columns_used(self) -> ColumnsUsed:
        """State what the columns were taken for; a live source waits for its first line."""
        channels = self.channels
        assert self._reader.columns is not None
        used = replace(self._reader.columns.used, inputs=channels, rate_hz=self.rate_hz or self._stamps.rate_hz)
        return used.with_offsets(self._live_rows.offsets if self._live else self._offsets)

    @property
    def has_clock(self) -> bool:
        """Say whether a column gives the time; a live source waits for its first line."""
        if self._stamps.is_constant:
            return False
        return bool(self.channels) and self._reader.columns is not None and self._reader.columns.time is not None

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
            self._categories = self._reader.categories
            self._reader = self._new_reader(np.float64 if self._offsets.any() else np.float32)
            feed = self._read(self._reader)
        n_before = 0
        for rows in self._checked(feed) if self._live else feed:
            t = self._stamps.spread(n_before, len(rows.t)) if self._stamps.is_coarse else rows.t
            n_before += len(rows.t)
            places = list(map(self._places.get, rows.labels))
            if None in places:
                places = [self._place(cell, n) for cell, n in zip(rows.labels, rows.numbers, strict=True)]
            y = np.array(places, np.int64)
            self._n_read += len(y)
            if skip < len(y):
                self.numbers = rows.numbers[skip:]
                x = self._reader.expand(rows.x[skip:])
                if self._live:
                    x = self._live_rows.near_zero(x, self.channels)
                elif self._offsets.any():
                    x = x - self._offsets
                # Two values of float32 may be further apart than float32 can say.
                x = np.clip(x, -LARGEST, LARGEST).astype(np.float32, copy=False)
                yield Block(x, y[skip:], t[skip:], rows.segment[skip:])
            skip = max(0, skip - len(y))
        if self._live and not self._n_read:
            raise self._nothing()

    def _checked(self, feed: Iterator[Rows]) -> Iterator[Rows]:
        """Give the rows of live input, those first that were read while looking for the columns."""
        while self._waiting:
            yield from self._live_rows.checked(self._waiting.pop(0))
        for rows in feed:
            yield from self._live_rows.checked(rows)

    def state(self) -> dict[str, Any]:
        """Return what a live source has met; a file is read again instead, so there is nothing to keep."""
        if not self._live:
            return {}
        reader, taken = self._reader, self._live_rows.offsets
        return {
            "classes": list(self._classes),
            "n_read": self._n_read,
            "encoding": self._encoding.name,
            "first_line": reader.first_line,
            "categories": None if reader.categories is None else reader.categories.state(),
            "clock": None if reader.clock is None else reader.clock.state(),
            "last_t": reader.last_t if isfinite(reader.last_t) else None,
            "segment": reader.segment,
            "segment_cell": reader.segment_cell,
            "in_doubt": [reader.in_doubt[0], reader.in_doubt[1] if isfinite(reader.in_doubt[1]) else None],
            "offsets": None if taken is None else [None if np.isnan(one) else one for one in taken.tolist()],
            "rejects": {"counts": dict(self.rejects.counts), "first": dict(self.rejects.first)},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue a live source; its lines may begin with the header again, or go on without."""
        if not self._live:
            return
        reader = self._reader
        if state["first_line"]:
            reader.begin(state["first_line"])
        if state.get("categories") is not None:
            reader.restore_categories(state["categories"])
        reader.clock = None if state.get("clock") is None else Clock.of_state(state["clock"])
        reader.last_t = -np.inf if state["last_t"] is None else state["last_t"]
        reader.segment, reader.segment_cell = state["segment"], state["segment_cell"]
        n_in_doubt, latest = state.get("in_doubt", (0, None))
        reader.in_doubt = (n_in_doubt, -np.inf if latest is None else latest)
        self.rejects.counts.update(state["rejects"]["counts"])
        self.rejects.first.update(state["rejects"]["first"])
        self._classes = {name: place for place, name in enumerate(state["classes"])}
        self._n_read = state["n_read"]
        self._live_rows.is_checked = self._n_read >= RISING_ROWS
        if state.get("offsets") is not None:
            self._live_rows.offsets = np.array(state["offsets"], np.float64)
        self._encoding.name = state.get("encoding", self._encoding.name)

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
            if place == UNLABELLED and self._live and not self._renamed and is_fraction(name):
                if not self._classes:
                    check_classes([name], f"{self.source} line {number}")
                self.rejects.add("not a class", f"line {number}: label {shortened(label)}")
                return UNLABELLED
            if place == UNLABELLED and self._live and len(self._classes) < self._n_classes:
                place = self._classes[name] = len(self._classes)
            if place == UNLABELLED:
                self.rejects.add("no room for label", f"line {number}: label {shortened(label)}")
                return UNLABELLED
        if len(self._places) < MAX_CLASSES:
            self._places[cell] = place
        return place

    def _name(self, label: str) -> str | None:
        if label == self._unlabelled or (label not in self._renamed and is_missing(label)):
            return None
        return self._renamed.get(label, self._renamed.get(ANY_LABEL, label))

    def _survey(self, n_places: int) -> None:
        """Find the classes of a file and count its samples."""
        reader, self._n_samples = self._reader, 0
        names: Counter[str] = Counter()
        span = Span()
        for rows in self._read(reader, SURVEYED):
            if TIME_BACK in self.rejects.counts and self._restarts is None:
                self._find_restarts()
                self._survey(n_places)
                return
            self._n_samples += len(rows.labels)
            if reader.columns is not None and reader.columns.time is not None:
                self._stamps.add(rows.t, rows.segment)
            span.add(rows.x)
            for cell, n in Counter(rows.labels).items():
                if (name := self._name(label_text(cell))) is not None:
                    names[name] += n
            if len(names) > MAX_CLASSES:
                check_classes(names, self.source)
        if not self._n_samples:
            raise self._nothing()
        if (self._stamps.is_coarse or self._stamps.is_constant) and reader.columns is not None:
            self.notes.append(self._stamps.note(str(reader.columns.used.time)))
        said = self._roles.label
        if said is not None and not names and reader.columns is not None and reader.columns.kind == "object":
            keys = first_keys(reader.first_line)
            if str(said) not in keys:
                raise unknown(f"{self.source}: column", str(said), keys)
        if not self._renamed:
            check_classes(names, self.source)
        self._offsets = span.offsets()
        if reader.categories is not None:
            reader.categories.is_fixed = True
            self._offsets = reader.categories.expand(self._offsets[None], is_offset=True)[0]
        if self._offsets.any():
            self.notes.append(offset_note(self.channels, self._offsets))
        for name in sorted_classes(set(names) - set(self._classes))[: n_places - len(self._classes)]:
            self._classes[name] = len(self._classes)

    def _find_restarts(self) -> None:
        """Find the lines at which the clock starts again, from the times of all rows, and begin anew."""
        loose = self._new_reader()
        loose.restarts = None
        rows = [(one.t, one.segment, one.numbers) for one in self._read(loose, SURVEYED)]
        t, segment, numbers = map(np.concatenate, zip(*rows, strict=True))
        self._restarts = numbers[restarts(t, segment)]
        if len(self._restarts) and loose.columns is not None:
            self.notes.append(restarts_note(str(loose.columns.used.time), len(self._restarts)))
        self.rejects.counts.clear()
        self.rejects.first.clear()
        self._stamps, self._reader = Stamps(), self._new_reader()

    def _nothing(self) -> UserError:
        if self.rejects.first:
            found = self.rejects.summary
        else:
            found = "only blank lines, comments or a header" if self._reader.number else ""
        what = "no samples came" if self._live else "no line can be used" if found else "the file is empty"
        hint = "give one sample per line, CSV or JSON"
        if not self._roles.is_label_optional:
            hint += ", features and a label"
        return UserError(f"{self.source}: {what}{f' ({found})' if found else ''}; {hint}")

    def _read(self, reader: TableReader, n_lines: int | None = None) -> Iterator[Rows]:
        is_settled = not self._live or reader.columns is not None
        held: list[bytes] = []  # lines of live input before its layout and categories are known
        cut = False
        for lines, cut in self._groups(n_lines):
            while not is_settled and lines and not cut:
                held.append(lines.pop(0))
                is_settled = reader.columns is not None or reader.settle(held)
                is_settled &= reader.columns is None or not reader.columns.nominal or len(held) >= HEAD
            if not is_settled:
                held += lines
                continue
            if held and reader.categories is not None:
                yield self._first_rows(held, False)
                held = []
            if held or lines:
                yield reader.feed(held + lines, cut)
            held = []
        if held:  # too few lines to confirm one another, or to tell the categories
            yield self._first_rows(held, cut)

    def _first_rows(self, lines: list[bytes], cut: bool) -> Rows:
        """Give the first rows of live input, whose categories are those of all rows."""
        rows, categories = self._reader.feed(lines, cut), self._reader.categories
        if categories is not None:
            categories.is_fixed = True
            for place, title in categories.titles.items():
                self.notes.append(
                    f"values of {title} are those of the first {count(len(lines), 'line')}: "
                    f"{', '.join(categories.values(place))}"
                )
        return rows

    def _groups(self, n_lines: int | None = None) -> Generator[tuple[list[bytes], bool], None, None]:
        for lines, cut in grouped(self._chunks(), n_lines or self._block_size):
            yield (list(map(self._encoding.utf8, lines)) if self._live else lines), cut

    def _new_reader(self, dtype: Any = np.float64) -> TableReader:
        """Give a reader for the first line, and let it look at the lines below it."""
        head: list[bytes] = []
        for lines, _ in (groups := self._groups()):
            head += lines
            if len(head) >= HEAD:
                break
        groups.close()
        begins = () if self._restarts is None else self._restarts
        return TableReader(
            self._roles,
            self.source,
            self.rejects,
            head=head[:HEAD],
            dtype=dtype,
            notes=self.notes,
            restarts=begins,
            categories=self._categories,
        )

    def _chunks(self) -> Iterator[bytes]:
        opened = self._lines() if callable(self._lines) else self._lines
        reader: Any = getattr(opened, "buffer", opened)
        try:
            if isinstance(reader, io.RawIOBase) or hasattr(reader, "read1"):
                # Both return the bytes available, and wait only while there are none.
                read = reader.read if isinstance(reader, io.RawIOBase) else reader.read1
                if self._live:
                    while chunk := read(CHUNK):
                        yield chunk
                else:
                    yield from line_chunks(read)
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


def open_lines(path: Path, name: str | None = None, roles: Roles = NO_ROLES, **options: Any) -> LineSource:
    """Read a .csv, .tsv or .jsonl file of any size, one sample per line, in constant memory.

    Parameters
    ----------
    name : name of the stream; default that of the file
    roles, options : as `LineSource`

    Raises
    ------
    UserError : one line with the file, its fault and the next step.
    """
    if not path.is_file():
        raise UserError(f"{path} is not a file; check the path")
    try:
        source = LineSource(
            lambda: open_text(path, roles.encoding), name=name or path.stem, source=str(path), roles=roles, **options
        )
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check its permissions") from None
    if note := encoding_note(path, roles.encoding):
        source.notes.insert(0, note)
    return source
