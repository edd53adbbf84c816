"""The command `edgelearn`: says what to run. Heavy imports wait until a command needs them."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from edgelearn.cli.bench import bench
from edgelearn.cli.branch import branch
from edgelearn.cli.cost import cost
from edgelearn.cli.data import app as data_app
from edgelearn.cli.firmware import app as firmware_app
from edgelearn.cli.processors import app as processors_app
from edgelearn.cli.reproduce import reproduce
from edgelearn.cli.rules import rules
from edgelearn.cli.run import run
from edgelearn.cli.stream import stream
from edgelearn.cli.study import app as study_app
from edgelearn.cli.study import compare, report
from edgelearn.cli.sweep import sweep
from edgelearn.cli.validate import validate
from edgelearn.errors import UserError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Simulate on-chip learning rules in fixed point: what each costs, and what it buys.",
)
for command in (run, validate, stream, branch, cost, rules, bench, reproduce, sweep, report, compare):
    app.command()(command)
for name, commands in {
    "firmware": firmware_app,
    "data": data_app,
    "processors": processors_app,
    "study": study_app,
}.items():
    app.add_typer(commands, name=name)


def _version(value: bool) -> None:
    if value:
        from edgelearn import __version__

        typer.echo(f"edgelearn {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it and exit.")
    ] = False,
) -> None:
    pass


_PANELS = {  # of the help of commands with many flags, by the first flag of each
    "validate": {"spiking": "Spiking networks", "against": "The reference and results"},
    "run": {
        "config": "What is learned",
        "rule": "What learns",
        "residual_bits": "Rate networks",
        "spiking": "Spiking networks",
        "processor": "Runs and results",
    },
    "sweep": {
        "config": "The study",
        "data": "What cells are, one value or several",
        "seeds": "Seeds, prices and rates",
        "jobs": "Where and how it runs",
    },
    "stream": {
        "source": "What comes in",
        "rule": "What learns",
        "window": "From values to input levels",
        "update_gate": "What is learned, and when",
        "warm_up": "How it is scored",
        "processor": "The device in time",
        "seed": "Runs and results",
    },
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code.

    0, 1 where a claim differs, a run does not follow its twin or a cell fails, 2 for a mistake, 130 for Ctrl-C.
    """
    command = typer.main.get_command(app)
    for name, panels in _PANELS.items():
        panel = None
        for parameter in command.commands[name].params:  # type: ignore[attr-defined]
            panel = panels.get(parameter.name, panel)
            parameter.rich_help_panel = panel
    if sys.stdout is None:  # closed by whoever called
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    for output in (sys.stdout, sys.stderr):
        if hasattr(output, "reconfigure"):
            output.reconfigure(errors="replace")  # a terminal without the characters of a curve shows '?'
    try:
        result = command.main(arguments, prog_name="edgelearn", standalone_mode=False)
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
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)
    print(f"edgelearn: {line}", file=sys.stderr)
    return 2


def _usage_error(error: Exception) -> int:
    """Print what typer says of wrong flags in one line; anything else is a fault of ours and keeps its trace."""
    show = getattr(error, "format_message", None)
    if show is None:
        raise error
    message = show().strip()
    if message:  # empty where the help was asked for by giving nothing
        _refuse(f"{message.splitlines()[0].rstrip('.')}; try --help")
    return int(getattr(error, "exit_code", 2))
