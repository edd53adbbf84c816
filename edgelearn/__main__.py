"""Entry of the command line: light, so that Ctrl-C says nothing before a command has begun, nor after its end."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # built in; `signal` itself imports enum, which takes milliseconds
import os


def main() -> int:
    """Run `edgelearn`; return its exit code."""
    before = _signal.getsignal(_signal.SIGINT)
    if before is _signal.default_int_handler:  # a shell that ignores it for a job in the background keeps doing so
        _signal.signal(_signal.SIGINT, _leave)
    from edgelearn.cli import main as run

    _signal.signal(_signal.SIGINT, before)
    code = run()
    if before is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _leave)
    return code


def _leave(number: int, frame: object) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    raise SystemExit(main())
