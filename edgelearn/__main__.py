"""Entry of the command line: light, so that Ctrl-C says nothing before a command has begun, nor after its end."""

from __future__ import annotations

import os
import signal


def main() -> int:
    """Run `edgelearn`; return its exit code."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # a shell that ignores it for a job in the background keeps doing so
        signal.signal(signal.SIGINT, _leave)
    from edgelearn.cli import main as run

    signal.signal(signal.SIGINT, before)
    code = run()
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
    return code


def _leave(number: int, frame: object) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    raise SystemExit(main())
