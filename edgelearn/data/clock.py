"""Times of samples: one reader of numbers and texts for all formats.

Numbers are seconds, milliseconds, microseconds or nanoseconds, by `unit`, by the name of the column (`t_ms`,
`time_us`, `timestamp (s)`, `millis`) or by their size. Texts are dates and times of ISO 8601, dates with the year
first, day/month/year or month/day/year, times of day with or without AM and PM, each with or without a zone; or of the
given strptime format.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.cells import MISSING, is_number
from edgelearn.errors import UserError

UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
DATES, TIME_OF_DAY = "dates", "time of day"
DAY_S = 86_400.0
FEWEST_STEPS = 8  # of which a unit is guessed
LONG_STEP = 60.0  # seconds from which a step of whole numbers is in doubt
MOST_SECONDS = 1e30  # beyond any time in any unit
ADVICE = 'give its format, for example --time-format "%d/%m/%Y %H:%M:%S"'

# --- names -------------------------------------------------------------------------------------------------

_CLOCKS = {"t", "ts", "time", "times", "timestamp", "timestamps", "datetime", "date", "epoch", "elapsed", "uptime"}
_BESIDE = {"unix", "utc", "gmt", "local", "system", "since", "start", "stamp", "sample", "sensor", "in", "of", "day"}
_UNIT_WORDS = {
    "s": ("s", "sec", "secs", "second", "seconds"),
    "ms": ("ms", "msec", "msecs", "millis", "milli", "millisecond", "milliseconds"),
    "us": ("us", "usec", "usecs", "micros", "micro", "microsecond", "microseconds", "\u00b5s", "\u03bcs"),
    "ns": ("ns", "nsec", "nsecs", "nanos", "nano", "nanosecond", "nanoseconds"),
}
_ALONE = {word for words in _UNIT_WORDS.values() for word in words if len(word) > 4} | {"msec", "usec", "nsec"}
_UNIT_OF = {word: unit for unit, words in _UNIT_WORDS.items() for word in words}


def _words(title: str) -> list[str]:
    return re.findall(r"[^\W\d_]+|\d+", re.sub(r"([a-z])([A-Z])", r"\1 \2", title))


def is_clock_name(title: str) -> bool:
    """Tell whether a title is that of a clock.

    Example
    -------
    >>> [is_clock_name(title) for title in ("t_ms", "timestamp (s)", "millis", "Time", "temperature", "t1", "s")]
    [True, True, True, True, False, False, False]
    """
    words = [word.lower() for word in _words(title)]
    if len(words) == 1 and words[0] in _ALONE:
        return True
    return any(word in _CLOCKS for word in words) and all(word in _CLOCKS | _BESIDE | _UNIT_OF.keys() for word in words)


def unit_in_name(title: str) -> str | None:
    """Return the unit that a title names.

    Example
    -------
    >>> unit_in_name("t_ms"), unit_in_name("timestamp (s)"), unit_in_name("time")
    ('ms', 's', None)
    """
    words = [word.lower() for word in _words(title)]
    return next((_UNIT_OF[word] for word in reversed(words) if word in _UNIT_OF), None)


# --- texts -------------------------------------------------------------------------------------------------

_ZONES: dict[str, float] = {
    **dict.fromkeys(("z", "utc", "gmt", "wet"), 0), **dict.fromkeys(("bst", "cet", "west"), 1),
    **dict.fromkeys(("cest", "eet"), 2), **dict.fromkeys(("eest", "msk"), 3), "ist": 5.5, "jst": 9,
    "edt": -4, "est": -5, "cdt": -5, "cst": -6, "mdt": -6, "mst": -7, "pdt": -7, "pst": -8,
}  # fmt: skip
_MONTHS = {month_name[:3].lower(): number for number, month_name in enumerate(calendar.month_name) if number}
_TEXT = re.compile(
    r"""\s*(?:(?P<a>\d{1,4}|[A-Za-z]{3,9})(?P<mark>[/.\- ])\s?(?P<b>\d{1,2}|[A-Za-z]{3,9})[/.\- ,]\s?(?P<c>\d{2,4}))?
    [T,\s]*
    (?:(?P<h>\d{1,3}):(?P<m>\d{2})(?::(?P<s>\d{2}))?(?:[.,:](?P<f>\d{1,9}))?\s*(?P<half>[AaPp])?(?:\.?[Mm]\.?)?)?
    \s*(?P<zone>[A-Za-z]{1,4}|[+-]\d{2}:?\d{2})?\s*""",
    re.VERBOSE,
)


def seconds_of(text: str) -> float:
    """Read a date and time of ISO 8601 as seconds since 1970; UTC where it names no zone.

    Raises
    ------
    ValueError : another text

    Example
    -------
    >>> seconds_of("1970-01-01T00:01:00+00:00")
    60.0
    """
    moment = datetime.fromisoformat(text.strip())
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _parts(text: str) -> dict[str, str | None]:
    match = _TEXT.fullmatch(text)
    if match is None or (match["a"] is None and match["h"] is None):
        raise ValueError(text)
    return match.groupdict()


def _seconds_of_day(parts: dict[str, str | None]) -> float:
    if parts["h"] is None:
        return 0.0
    hour, minute, second = int(parts["h"]), int(parts["m"] or 0), int(parts["s"] or 0)
    fraction = float(f"0.{parts['f']}") if parts["f"] else 0.0
    if parts["f"] and parts["s"] is None:  # minutes and seconds
        return 60.0 * hour + minute + fraction
    if parts["half"]:
        if not 1 <= hour <= 12:
            raise ValueError(hour)
        hour = hour % 12 + (12 if parts["half"] in "pP" else 0)
    if minute > 59 or second > 60 or (parts["a"] is not None and hour > 23):
        raise ValueError(minute)
    return 3600.0 * hour + 60.0 * minute + second + fraction


def _month(text: str) -> int:
    return int(text) if text.isdecimal() else _MONTHS[text[:3].lower()]


def _day_number(a: str, b: str, c: str, day_first: bool) -> float:
    """Return days since 1970 of the three parts of a date."""
    if len(a) == 4 and a.isdecimal():
        year, month, day = int(a), _month(b), int(c)
    elif not a.isdecimal() or (b.isdecimal() and not day_first):
        year, month, day = int(c), _month(a), int(b)
    else:
        year, month, day = int(c), _month(b), int(a)
    if year < 100:
        year += 2000 if year < 70 else 1900
    return float((datetime(year, month, day) - datetime(1970, 1, 1)).days)


def _zone_s(zone: str | None) -> float:
    if not zone:
        return 0.0
    if zone[0] in "+-":
        return (1 if zone[0] == "+" else -1) * (3600.0 * int(zone[1:3]) + 60.0 * int(zone[-2:]))
    return 3600.0 * _ZONES[zone.lower()]


# --- a clock -----------------------------------------------------------------------------------------------


@dataclass
class Clock:
    """Read the times of a column, all in the same way.

    Parameters
    ----------
    title : of the column
    unit : s, ms, us, ns, "dates" or "time of day"
    format : of strptime; None for ISO 8601 and the other texts
    day_first : order of day and month; None where all dates so far are one day, so that it makes no difference
    """

    title: str
    unit: str
    format: str | None = None
    day_first: bool | None = True
    date: tuple[str, ...] = ()  # the one day
    turns: float = 0.0  # seconds of the days that a time of day has passed
    last: float = -np.inf

    @property
    def scale(self) -> float:
        """Seconds per unit of a number."""
        return UNITS.get(self.unit, 1.0)

    def seconds(self, cells: Sequence[Any]) -> NDArray[np.float64]:
        """Read cells in their order, numbers or texts: float64 [n], NaN where one is missing.

        Raises
        ------
        ValueError : a text that is no time
        UserError : "... may be day/month or month/day ..."
        """
        return np.array([self._read(cell) for cell in cells], np.float64)

    def _read(self, cell: Any) -> float:
        if not isinstance(cell, str):
            return float("nan") if cell is None else float(cell) * self.scale
        text = cell.strip()
        if text in MISSING or text.lower() == "nan":
            return float("nan")
        if self.unit in UNITS:
            return float(text) * self.scale
        if self.format is not None:
            found = datetime.strptime(text, self.format)
            if self.unit == TIME_OF_DAY:
                return self._turned(timedelta(hours=found.hour, minutes=found.minute, seconds=found.second,
                                              microseconds=found.microsecond).total_seconds())  # fmt: skip
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
        try:
            return seconds_of(text)
        except ValueError:
            return self._of_parts(text)

    def _of_parts(self, text: str) -> float:
        parts = _parts(text)
        try:
            of_day = _seconds_of_day(parts) - _zone_s(parts["zone"])
            if parts["a"] is None:
                if self.unit != TIME_OF_DAY:
                    raise ValueError(text)
                return self._turned(of_day)
            date = (str(parts["a"]), str(parts["b"]), str(parts["c"]))
            if self.day_first is None and len(date[0]) < 3 and date != self.date:
                raise ambiguous(self.title, text)
            return DAY_S * _day_number(*date, self.day_first is not False or parts["mark"] == ".") + of_day
        except KeyError:  # a month or zone
            raise ValueError(text) from None

    def _turned(self, of_day: float) -> float:
        """Return seconds since the first midnight."""
        if of_day + self.turns < self.last - DAY_S / 2:
            self.turns += DAY_S
        self.last = of_day + self.turns
        return self.last

    def state(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        return vars(self) | {"last": self.last if np.isfinite(self.last) else None, "date": list(self.date)}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Clock:
        last = -np.inf if state["last"] is None else state["last"]
        return cls(**(state | {"last": last, "date": tuple(state["date"])}))


class Ambiguous(UserError):
    """Dates that can be read in two ways."""


def ambiguous(title: str, text: str) -> Ambiguous:
    return Ambiguous(
        f"column '{title}': '{text[:60]}' may be day/month or month/day; give --time-format "
        '"%d/%m/%Y %H:%M:%S" or "%m/%d/%Y %H:%M:%S"'
    )


def find_clock(
    cells: Sequence[Any],
    title: str = "time",
    format: str | None = None,
    unit: str | None = None,
    notes: list[str] | None = None,
) -> Clock:
    """Find out how the times of a column are written.

    Parameters
    ----------
    cells : the first times of the column, numbers or texts
    format, unit : where they are known
    notes : where assumptions are noted

    Raises
    ------
    ValueError : cells of which most are no times
    UserError : "... may be day/month or month/day ...", "... give --time-unit ...", "time_unit is ..., and column ..."

    Example
    -------
    >>> find_clock([1700000000000, 1700000000020]).unit, find_clock(["31/01/2024 12:00", "31/01/2024 12:01"]).unit
    ('ms', 'dates')
    """
    notes = [] if notes is None else notes
    given = [cell.strip() if isinstance(cell, str) else cell for cell in cells]
    known = [cell for cell in given if cell is not None and cell not in MISSING and cell == cell and cell != "nan"]
    if format is not None:
        date = any(f"%{letter}" in format for letter in "dDjcxFUW")
        return _checked(Clock(title, DATES if date else TIME_OF_DAY, format), known, unit)
    numbers = [_as_float(cell) for cell in known if not isinstance(cell, str) or is_number(cell)]
    if len(numbers) * 2 > len(known) or not known:
        return Clock(title, unit or unit_in_name(title) or unit_by_size(np.array(numbers), title, notes))
    dates = []
    for cell in known:
        try:
            seconds_of(cell)
            dates.append(("", "", ""))
        except ValueError:
            try:
                parts = _parts(cell)
            except ValueError:
                continue
            dates.append((str(parts["a"] or ""), str(parts["b"] or ""), str(parts["mark"] or "")))
    slashed = [
        (int(a), int(b)) for a, b, mark in dates if a.isdecimal() and b.isdecimal() and len(a) < 3 and mark != "."
    ]
    is_time = all(not a for a, _, _ in dates) and not any("-" in str(cell)[1:] for cell in known)
    clock = Clock(title, TIME_OF_DAY if is_time else DATES)
    if slashed:
        text = next(cell for cell, (a, _, _) in zip(known, dates, strict=False) if a)
        day, month = any(a > 12 for a, _ in slashed), any(b > 12 for _, b in slashed)
        if day == month:
            parts = _parts(text)
            if day or len(set(slashed)) > 1:
                raise ambiguous(title, text)
            clock.day_first, clock.date = None, (str(parts["a"]), str(parts["b"]), str(parts["c"]))
        else:
            clock.day_first = day
            order = "day/month" if day else "month/day"
            notes.append(f"dates of {title} were read as {order}/year, since one value is above 12")
    return _checked(clock, known, unit)


def _checked(clock: Clock, cells: Sequence[Any], unit: str | None) -> Clock:
    """Return a clock of texts that can read most of its cells, as it was before; refuse a unit beside it."""
    n_wrong = 0
    for cell in cells:
        try:
            clock.seconds([cell])
        except ValueError as error:
            if isinstance(error, UserError):
                raise
            n_wrong += 1
    if 2 * n_wrong >= max(len(cells), 1):
        raise ValueError(next(iter(cells), ""))
    if unit is not None and cells:
        raise UserError(
            f"time_unit is {unit}, and column '{clock.title}' holds dates or times of day, such as "
            f"'{str(cells[0])[:40]}'; leave time_unit out"
        )
    clock.turns, clock.last = 0.0, -np.inf
    return clock


def _as_float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:  # of hundreds of digits
        return np.inf


def unit_by_size(times: NDArray[np.float64], title: str, notes: list[str]) -> str:
    """Guess the unit of numbers: seconds since 1970 have 9 or 10 digits, milliseconds 12 or 13, and so on."""
    times = times[np.abs(times) < MOST_SECONDS]  # NaN is not
    if not len(times):
        return "s"
    size = float(np.median(np.abs(times)))
    for unit, low in (("ns", 1e17), ("us", 1e14), ("ms", 1e11)):
        if size >= low:
            notes.append(f"times of {title}, about {size:.2g}, were read as {unit} since 1970; else give --time-unit")
            return unit
    steps = np.diff(times)
    steps = steps[steps > 0]
    step = float(np.median(steps)) if len(steps) else 0.0
    is_whole = bool((times == np.floor(times)).all())
    is_even = len(steps) >= FEWEST_STEPS and np.mean(np.abs(steps - step) <= step / 2) >= 0.9
    if not is_whole or not is_even or step < 2 or size > 1e8:
        return "s"
    if step < 1000 and "timestamp" in title.lower():
        notes.append(f"times of {title}, {step:g} from row to row, were read as ms; else give --time-unit s")
        return "ms"
    if step >= LONG_STEP:
        raise UserError(
            f"column '{title}' rises by {step:g} from row to row, which would be {step / 60:.3g} minutes; "
            "give its unit, for example --time-unit ms, or --time-unit s"
        )
    notes.append(f"times of {title}, {step:g} from row to row, were read as seconds; else give --time-unit ms")
    return "s"


def seconds(
    cells: Sequence[Any],
    format: str | None = None,
    unit: str | None = None,
    title: str = "time",
    notes: list[str] | None = None,
) -> NDArray[np.float64]:
    """Read all times of a column: float64 [n], NaN where one is missing.

    Parameters
    ----------
    as of `find_clock`

    Raises
    ------
    ValueError : a text that is no time
    UserError : those of `find_clock`

    Example
    -------
    >>> seconds(["11:59:59 PM", "12:00:01 AM"]).tolist()
    [86399.0, 86401.0]
    """
    return find_clock(cells, title, format, unit, notes).seconds(cells)


def cannot_read(source: str, title: str, cell: object) -> UserError:
    """Return the error for a time column that no clock can read."""
    return UserError(
        f"{source}: column '{title}' holds no times that can be read, such as '{str(cell)[:40]}'; {ADVICE}, or leave "
        f"it out with --ignore {title}"
    )
