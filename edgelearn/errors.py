"""Errors a user can cause, and the one way to word them: given, allowed, next step."""

from __future__ import annotations

import difflib
import re
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class UserError(ValueError):
    """A mistake in what the user gave; the command line prints it in one line and exits with 2."""


MOST_LETTERS = 60  # of a text that the user gave
MOST_OF_A_LINE = 1200
_QUOTED = re.compile(rf"(?<!\w)'([^']{{{MOST_LETTERS}}})[^']+'(?!\w)")
_WORD = re.compile(rf"([^\s/\\]{{{MOST_LETTERS}}})[^\s/\\]+")


def one_line(message: str) -> str:
    """Return a message in one line: control characters escaped, long texts that the user gave cut.

    A quoted text, a number and a name of a file may be given; they keep 60 letters.

    Example
    -------
    >>> one_line("rule 'drtp\\n' is not known")
    "rule 'drtp\\\\n' is not known"
    >>> one_line(f"setting 'seed' = {'9' * 100}").count("9")
    60
    """
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)
    line = _WORD.sub(r"\1...", _QUOTED.sub(r"'\1...'", line))
    return line if len(line) <= MOST_OF_A_LINE else f"{line[:MOST_OF_A_LINE]}..."


class Terminated(KeyboardInterrupt):
    """Termination (SIGTERM), handled like Ctrl-C."""

    terminated = True


def ended_by(interrupt: KeyboardInterrupt) -> tuple[str, int]:
    """Return what ended a command in a word, and its exit code: 128 and the number of the signal, as shells have it."""
    return ("terminated", 143) if getattr(interrupt, "terminated", False) else ("interrupted", 130)


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Keep Ctrl-C from processes that are started inside: this one ends them, and they print no trace.

    Outside the main thread, and without POSIX signals, nothing is done.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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


def install(extra: str, *names: str) -> str:
    """Return the command that installs what an extra needs, by the names of the packages that this version asks for.

    The packages are named and not the extra: an index may hold another project under the name of this one.

    Parameters
    ----------
    names : of its packages, those that are needed; all by default

    Example
    -------
    >>> install("studies", "pyarrow")
    'pip install "pyarrow>=16"'
    """
    wanted = [one for one in requirements(extra) if not names or re.split(r"[<>=!~\[ ]", one)[0] in names]
    return " ".join(["pip install", *(f'"{one}"' for one in wanted)])


def requirements(extra: str) -> list[str]:
    """Return the requirements of an extra, from the checkout that runs or from the installed distribution.

    Raises
    ------
    KeyError
        Where there is no such extra.
    """
    from importlib.metadata import PackageNotFoundError, requires
    from pathlib import Path

    project = Path(__file__).parents[1] / "pyproject.toml"
    if project.is_file():
        import tomllib

        extras = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
        return list(extras[extra])
    try:
        lines = [line.partition(";") for line in requires("edgelearn") or ()]
    except PackageNotFoundError:
        lines = []
    found = [name.strip() for name, _, marker in lines if f'"{extra}"' in marker.replace("'", '"')]
    if not found:
        raise KeyError(extra)
    return found
