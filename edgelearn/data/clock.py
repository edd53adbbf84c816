"""Times of samples: texts of dates and times as seconds."""

from __future__ import annotations

from datetime import UTC, datetime


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
