"""Notice of the first function that a process compiles: kernels are silent for seconds then."""

from __future__ import annotations

from collections.abc import Callable

_on_compile: list[Callable[[], None]] = []


def on_compile(announce: Callable[[], None]) -> None:
    """Call a function once, when this process begins to compile; never where all is read from the disk."""
    _on_compile[:] = [announce]


def announce_compilation() -> None:
    """Call the function, if any, that `on_compile` was given."""
    while _on_compile:
        _on_compile.pop()()
