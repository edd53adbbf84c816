"""Errors a user can cause, and the one way to word them: given, allowed, next step."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """A mistake in what the user gave; the command line prints it in one line and exits with 2."""


def unknown(kind: str, given: str, known: Iterable[str]) -> UserError:
    """Return the error for a name that is not in a table, with the nearest known name.

    Example
    -------
    >>> str(unknown("rule", "drpt", ["dfa", "drtp"]))
    "rule 'drpt' is not known; known: dfa, drtp. Did you mean 'drtp'?"
    """
    names = sorted(known)
    plain = {name.lower(): name for name in names}
    near = difflib.get_close_matches(given.lower(), plain, n=1)
    hint = f" Did you mean '{plain[near[0]]}'?" if near else ""
    return UserError(f"{kind} '{given}' is not known; known: {', '.join(names)}.{hint}")
