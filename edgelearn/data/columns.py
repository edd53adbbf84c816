"""Roles of the columns of a table: label, time, segment, features, ignored, texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, Any

from edgelearn.data.cells import (
    Reject,
    is_number,
    json_row,
    looks_numeric,
    shortened,
    split_cells,
)
from edgelearn.data.clock import is_clock_name
from edgelearn.data.layout import Layout, find_layout, holds_texts, never_numbers, without_values
from edgelearn.data.source import ColumnsUsed, printable
from edgelearn.errors import UserError, unknown

if TYPE_CHECKING:
    from edgelearn.config import ColumnSettings

LABEL_NAMES = ("label", "class", "target")  # and y, where it is no axis
# of labels that only say whether a row is normal, in the order in which they are taken; more of them are left out
ANOMALY_NAMES = (
    "anomaly", "is_anomaly", "anomalous", "anomalies", "outlier", "is_outlier", "outliers", "changepoint",
)  # fmt: skip
TIME_NAMES = ("t", "time", "timestamp")  # the first that there is, else another name of a clock
MAX_NEURONS = 500_000  # of a layer, as `edgelearn.network.spec` limits them
SEGMENT_NAMES = ("segment", "subject", "recording")


@dataclass(frozen=True)
class Roles:
    """Roles of the columns of a table; by default the names of columns tell.

    Parameters
    ----------
    label, time, segment : column, by its title or by its number counting from 1 (-1 is the last), or key of a JSON
        object. Default: the column called label, class, target or y (y is no label beside x unless it is the last),
        else the last one that is nothing else, of CSV and arrays; t, time or timestamp; segment, subject or recording
    features : columns in the order of the channels; default all that are nothing else
    ignored : columns without a role
    texts : columns that are handed over as they stand
    is_ordered : the rows come in the order of time; else their times and segments are set aside
    scale, time_scale : features are multiplied by `scale`, times by `time_scale`, which makes them seconds
    missing : codes of missing values besides `edgelearn.data.cells.MISSING`
    time_format, time_unit : of `edgelearn.data.clock`; None finds out
    encoding, decimal : of the text; None finds out
    is_label_optional : a label is a column whose name says so, `ANOMALY_NAMES` first, or there is none
    has_categories : features that are named and hold texts are nominal
    has_label : a column is the label; else labels come from elsewhere, and only a column that is named is one
    """

    features: tuple[str | int, ...] = ()
    label: str | int | None = None
    time: str | int | None = None
    segment: str | int | None = None
    ignored: tuple[str | int, ...] = ()
    texts: tuple[str | int, ...] = ()
    is_ordered: bool = True
    scale: float = 1.0
    time_scale: float = 1.0
    missing: tuple[str, ...] = ()
    time_format: str | None = None
    time_unit: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    has_label: bool = True
    is_label_optional: bool = False
    has_categories: bool = True


NO_ROLES = Roles()


def roles_of(settings: ColumnSettings) -> Roles:
    """Return the roles that settings name."""
    return Roles(
        features=settings.features or (),
        label=settings.label_column,
        time=settings.time_column,
        segment=settings.subject_column,
        ignored=settings.ignore or (),
        missing=settings.missing or (),
        time_format=settings.time_format,
        time_unit=settings.time_unit,
        encoding=settings.encoding,
        decimal=settings.decimal,
        has_label=settings.label_from is None and settings.labels is None,
        is_label_optional=settings.kind == "stream" and getattr(settings, "task", "classify") != "classify",
    )


_FLAGS = {"label": "label_column", "time": "time_column", "segment": "subject_column", "ignored": "ignore"}


def refuse_roles(what: str, roles: Roles, **others: object) -> None:
    """Refuse roles, and other settings that are not None, for data whose columns are known.

    Raises
    ------
    UserError
        "WHAT has its own labels ..." or "... its own columns ..."
    """
    given = [
        key
        for key, value in vars(roles).items()
        if key not in ("has_label", "is_label_optional") and value != getattr(NO_ROLES, key)
    ]
    given += [key for key, value in others.items() if value is not None]
    if given:
        name = _FLAGS.get(given[0], given[0])
        raise UserError(f"{what} has its own {'labels' if 'label' in name else 'columns'}; leave {name} out")


@dataclass(frozen=True)
class Columns:
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
    texts: tuple[Any, ...]
    used: ColumnsUsed
    end: str = ""  # of every line, besides its end
    decimal: str = "."
    n_before: int = 0  # lines before the table
    is_cut: bool = False  # they are parts of rows
    notes: tuple[str, ...] = ()
    nominal: tuple[Any, ...] = ()  # features that hold texts
    is_undecided: bool = False  # no value of a named feature has come, which would tell

    @property
    def numeric(self) -> tuple[Any, ...]:
        """Places of the features that hold numbers."""
        return tuple(place for place in self.features if place not in self.nominal) if self.nominal else self.features

    def cells(self, text: str) -> Any:
        """Give the cells of a line, or its JSON object or array."""
        if self.kind != "csv":
            return json_row(text)
        return split_cells(text.rstrip().removesuffix(self.end) if self.end else text, self.separator)

    def title(self, place: Any) -> str:
        """Name a column in a message."""
        return self.channels[self.features.index(place)] if place in self.features else "time"


def find_columns(lines: Sequence[str], roles: Roles, source: str) -> Columns:
    """Find out what the columns are from the first line, and from those below it where there are any."""
    layout = find_layout(lines, roles.decimal)
    kind, titles, has_header = layout.kind, list(layout.titles), False
    if kind == "csv":
        has_header = layout.has_row_names or _is_header(titles, layout.body, roles)
        if not has_header:
            titles = [str(number + 1) for number in range(len(titles))]
    find = partial(_place, [] if kind == "object" else titles, source)
    has_names = kind == "object" or has_header
    places = list(titles) if kind == "object" else list(range(len(titles)))
    title_of = dict(zip(places, titles, strict=True))
    features, texts, ignored = (tuple(map(find, said)) for said in (roles.features, roles.texts, roles.ignored))
    if layout.has_row_names and 0 not in (*features, *texts):
        ignored = (*ignored, 0)

    def search(names: tuple[str, ...]) -> Any:
        for title, place in zip(titles, places, strict=True):
            if has_names and title.lower() in names and place not in (*features, *ignored):
                return place
        return None

    time = find(roles.time) if roles.time is not None else search(TIME_NAMES)
    if time is None and roles.time is None and has_names:
        said = {*features, *ignored, *texts}
        free = [place for place in places if place not in said]
        time = next((place for place in free if is_clock_name(title_of[place])), None)
    segment = find(roles.segment) if roles.segment is not None else search(SEGMENT_NAMES)
    rest = [place for place in places if place not in (time, segment, *ignored)]
    if roles.is_label_optional:
        label, answers = None if roles.label is None else find(roles.label), []
        is_axis = "x" in map(str.lower, titles)
        for name in (*ANOMALY_NAMES, *LABEL_NAMES, *(() if is_axis else ("y",))):
            place = search((name,))
            answers += [] if place is None else [place]
        if label is None and roles.has_label:
            label = next(iter(answers), None)
        ignored = (*ignored, *(place for place in answers if place != label))
        rest = [place for place in rest if place not in ignored]
    elif roles.label is not None:
        label = find(roles.label)
    elif not roles.has_label:  # a column of that name would tell the answer
        label = None
        ignored = (*ignored, *(place for names in (*LABEL_NAMES, "y") if (place := search((names,))) is not None))
        rest = [place for place in rest if place not in ignored]
    else:
        label = search(LABEL_NAMES)
        lower = [title.lower() for title in titles]
        if label is None and (lower[-1:] == ["y"] or "x" not in lower):
            label = search(("y",))
        if label is None and kind != "object" and rest and rest[-1] not in features:
            label = rest[-1]
    # The first object may be a row without label, which has no such key.
    found = () if label is None else (label,)
    labels: tuple[Any, ...] = found
    if label is None and kind == "object" and roles.has_label:
        labels = (*ANOMALY_NAMES, *LABEL_NAMES) if roles.is_label_optional else LABEL_NAMES
    for place in (label, time, segment):
        if place is not None and place in features:
            raise UserError(
                f"{source}: column '{title_of.get(place, place)}' is a feature and also the label, time or segment; "
                "name it once"
            )
    notes = list(layout.notes)
    nominal: tuple[Any, ...] = ()
    is_undecided = False
    if features and roles.has_categories:
        told = [holds_texts(layout, place) for place in features]
        nominal = tuple(place for place, texts in zip(features, told, strict=True) if texts)
        is_undecided = None in told
    if not features:
        features = tuple(place for place in rest if place not in {*labels, *texts})
        features, note = _without_texts(features, layout, title_of, has_names)
        notes += [note] if note else []
        features, note = _without_counters(features, layout, title_of, has_names, source)
        notes += [note] if note else []
    if not features:
        raise Reject("another number of values", shortened(lines[0]))
    if len(features) > MAX_NEURONS:
        raise UserError(
            f"{source} has {len(features):,} columns for features; a network takes {MAX_NEURONS:,} inputs at most: "
            "name fewer with --features"
        )
    channels = tuple(map(str, roles.features)) or tuple(title_of[place] for place in features)

    def named(place: Any) -> str | None:
        if place is None:
            return None
        return title_of.get(place, str(place)) if has_names else f"column {title_of[place]}"

    taken = {*features, *labels, time, segment}
    left_out = tuple(
        named(place) or (f"column {place + 1}" if isinstance(place, int) else repr(place))
        for place in places
        if place not in taken
    )
    used = ColumnsUsed(channels, named(next(iter(labels), None)), named(time), named(segment), left_out=left_out)
    if not roles.is_ordered:
        time = segment = None
    return Columns(
        kind,
        layout.separator,
        layout.n_cells,
        has_header,
        channels,
        features,
        labels,
        time,
        segment,
        texts,
        used,
        layout.end,
        layout.decimal,
        layout.n_before,
        layout.is_cut,
        tuple(notes),
        nominal,
        is_undecided,
    )


def _without_texts(
    features: tuple[Any, ...], layout: Layout, title_of: dict[Any, str], has_names: bool
) -> tuple[tuple[Any, ...], str]:
    """Leave out columns that are never numbers, or have neither title nor value; and the note that names them."""
    texts = {
        place
        for place in features
        if never_numbers(layout, place) or (not title_of[place] and without_values(layout, place))
    }
    if not texts or len(texts) == len(features):
        return features, ""
    names = [
        title_of[place] if has_names and title_of[place] else f"column {title_of[place] or place + 1}"
        for place in features
        if place in texts
    ]
    shown = [printable(name) for name in names]
    few = ", ".join(shown if len(shown) <= 12 else [*shown[:11], "...", shown[-1]])
    note = f"columns left out, as they hold no numbers: {few}"
    return tuple(place for place in features if place not in texts), note


RISING_ROWS = 20  # in which a column rises that is a clock or an index
INDEX_NAMES = ("", "index", "idx", "id", "row", "no", "nr", "num", "number", "counter", "count", "seq", "sequence", "#")


def _without_counters(
    features: tuple[Any, ...], layout: Layout, title_of: dict[Any, str], has_names: bool, source: str
) -> tuple[tuple[Any, ...], str]:
    """Leave out row numbers, and the note that names them; refuse another column that rises steadily.

    Raises
    ------
    UserError
        "SOURCE: column ... rises in every row ..."
    """
    counters = []
    for place in features:
        cells = [row.get(place) if isinstance(row, dict) else row[place] for row in layout.body]
        if layout.decimal == ",":
            cells = [cell.replace(",", ".") if isinstance(cell, str) else cell for cell in cells]
        if counts_rows(source, title_of[place], cells, has_names):
            counters.append(place)
    if not counters or len(counters) == len(features):
        return features, ""
    note = counters_note([title_of[place] for place in counters])
    return tuple(place for place in features if place not in counters), note


def counters_note(names: Iterable[str]) -> str:
    """State which columns are left out as row numbers."""
    return f"columns left out, as they count the rows: {', '.join(map(printable, names))}"


def counts_rows(source: str, title: str, cells: Sequence[Any], has_names: bool = True) -> bool:
    """Tell whether a column numbers the rows, by its name and the first cells; refuse another that rises steadily.

    Raises
    ------
    UserError
        "SOURCE: column ... rises in every row ..."
    """
    if not is_rising(cells):
        return False
    words = re.split(r"[\W_]+", title.lower())
    if not has_names or {"unnamed", *INDEX_NAMES}.isdisjoint(words):
        raise rising(source, title, cells)
    return True


def is_rising(cells: Sequence[Any]) -> bool:
    """Tell whether values rise in every row, by nearly equal steps.

    Example
    -------
    >>> is_rising([0.02 * k for k in range(30)]), is_rising([k % 25 for k in range(30)]), is_rising(range(5))
    (True, False, False)
    """
    if len(cells) < RISING_ROWS:
        return False
    try:
        values = [float(cell) for cell in cells]
    except (TypeError, ValueError, OverflowError):
        return False
    steps = [after - before for before, after in pairwise(values)]
    return min(steps) > 0 and max(steps) - min(steps) <= 0.25 * sum(steps) / len(steps)


def rising(source: str, title: str, cells: Sequence[Any]) -> UserError:
    """Return the error for a column that rises steadily and is no named clock."""
    step = (float(cells[-1]) - float(cells[0])) / (len(cells) - 1)
    return UserError(
        f"{source}: column '{title}' rises in every row, by {step:.4g}, as a clock or a counter does; give "
        f"--time-column {title} or --ignore {title}, or name the columns to learn from with --features"
    )


def left_out_note(left_out: Mapping[str, str]) -> str:
    """State which columns are no features, and why.

    Example
    -------
    >>> left_out_note({"who": "text"})
    'columns left out, as they hold no numbers: who (text)'
    """
    columns = ", ".join(f"{name} ({kind})" for name, kind in left_out.items())
    return f"columns left out, as they hold no numbers: {columns}"


def _place(titles: Sequence[str], source: str, column: str | int) -> Any:
    """Find a column by its title or number; without titles it is a key."""
    if not titles:
        return str(column)
    name = column.strip() if isinstance(column, str) else ""
    if name not in titles:
        name = next((title for title in titles if title.lower() == name.lower()), name)
    if titles.count(name) > 1:
        raise UserError(f"{source} has {titles.count(name)} columns '{name}'; rename one, or give the column's number")
    if name in titles:
        return titles.index(name)
    try:
        number = int(column)
    except ValueError:
        raise unknown(f"{source}: column", str(column), titles) from None
    if number == 0 or abs(number) > len(titles):
        raise UserError(
            f"{source}: column {number} is out of range; columns count from 1 to {len(titles)}, -1 is the last"
        )
    return number - 1 if number > 0 else len(titles) + number


def _is_header(cells: list[str], below: Iterable[list[str]], roles: Roles) -> bool:
    """Tell whether the first row has titles: it is asked for by name, no feature is a number, or the label tells."""
    said = (*roles.features, *roles.texts, *roles.ignored, roles.label, roles.time, roles.segment)
    if any(isinstance(column, str) and not is_number(column) for column in said):
        return True
    number = int(roles.label) if re.fullmatch(r"\s*-?\d+\s*", str(roles.label)) else -1  # type: ignore[arg-type]
    label_at = number - 1 if number > 0 else len(cells) + number
    features = [cell for index, cell in enumerate(cells) if index != label_at]
    if not any(map(looks_numeric, features)):
        return True
    # Titles such as 0, 1, 2, label look like data; only the label's column tells that they are none.
    for at in (at for at, cell in enumerate(cells) if cell.lower() in (*LABEL_NAMES, "y")):
        rest = cells[:at] + cells[at + 1 :]
        if rest in [[str(k + first) for k in range(len(rest))] for first in (0, 1)]:
            return True
    if not 0 <= label_at < len(cells) or is_number(cells[label_at]):
        return False
    labels = [row[label_at] for row in below if len(row) == len(cells)]
    return bool(labels) and all(is_number(label) and isfinite(float(label)) for label in labels)
