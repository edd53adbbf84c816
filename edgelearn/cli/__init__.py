"""The command `edgelearn`: says what to run. Heavy imports wait until a command needs them."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

from edgelearn.cli.flags import group
from edgelearn.errors import UserError, one_line

COMMANDS = {
    "Learn": {
        "run": "edgelearn.cli.run:run",
        "stream": "edgelearn.cli.stream:stream",
        "branch": "edgelearn.cli.branch:branch",
    },
    "Price": {"cost": "edgelearn.cli.cost:cost", "processors": "edgelearn.cli.processors:commands"},
    "Study": {
        "sweep": "edgelearn.cli.sweep:sweep",
        "study": "edgelearn.cli.study:commands",
        "compare": "edgelearn.cli.study:compare",
        "report": "edgelearn.cli.study:report",
    },
    "Validate": {"validate": "edgelearn.cli.validate:validate", "reproduce": "edgelearn.cli.reproduce:reproduce"},
    "Deploy": {"firmware": "edgelearn.cli.firmware:commands"},
    "Look up": {
        "data": "edgelearn.cli.data:commands",
        "rules": "edgelearn.cli.rules:rules",
        "bench": "edgelearn.cli.bench:bench",
    },
}


def _version(value: bool) -> None:
    if value:
        from edgelearn import __version__

        typer.echo(f"edgelearn {__version__}")
        raise typer.Exit()


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def root() -> Any:
    """Return the command `edgelearn`."""
    return group(
        "Simulate on-chip learning rules in fixed point: accuracy, energy, time, memory, area.", COMMANDS, _root
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code.

    0, 1 where a claim differs, a run does not follow its twin or a cell fails, 2 for a mistake, 130 for Ctrl-C.
    """
    if sys.stdout is None:  # closed by whoever called
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    for output in (sys.stdout, sys.stderr):
        if hasattr(output, "reconfigure"):
            output.reconfigure(errors="replace")  # a terminal without the characters of a curve shows '?'
    try:
        result = root().main(arguments, prog_name="edgelearn", standalone_mode=False)
        sys.stdout.flush()
        return int(result or 0)
    except UserError as error:
        return _refuse(str(error))
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # 128 + SIGPIPE, as shells have it; 1 would say that a claim differs
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _refuse(f"{error.filename or 'the output'} cannot be used: {error.strerror}; choose another place")
    except Exception as error:
        return _usage_error(error)


def _refuse(message: str) -> int:
    """Print one line whatever the user's text holds."""
    print(f"edgelearn: {one_line(message)}", file=sys.stderr)
    return 2


def _usage_error(error: Exception) -> int:
    """Print what typer says of wrong flags in one line; anything else is a fault of ours and keeps its trace."""
    show = getattr(error, "format_message", None)
    if show is None:
        raise error
    message = show().strip()
    if message.startswith("Usage:"):  # a group without a command
        print(message)
    elif message:
        _refuse(f"{message.splitlines()[0].rstrip('.')}; try --help")
    return int(getattr(error, "exit_code", 2))
