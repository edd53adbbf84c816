"""The command `edgelearn`: says what to run. Heavy imports wait until a command needs them."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from edgelearn.cli.flags import group
from edgelearn.errors import Terminated, UserError, ended_by, one_line
from edgelearn.fixedpoint.notice import on_compile

COMMANDS = {
    "Learn": {
        "run": "edgelearn.cli.run:run",
        "stream": "edgelearn.cli.stream:stream",
        "predict": "edgelearn.cli.predict:predict",
        "branch": "edgelearn.cli.branch:branch",
        "personalise": "edgelearn.cli.personalise:personalise",
    },
    "Price": {
        "cost": "edgelearn.cli.cost:cost",
        "advise": "edgelearn.cli.advise:advise",
        "processors": "edgelearn.cli.processors:commands",
    },
    "Study": {
        "sweep": "edgelearn.cli.sweep:sweep",
        "study": "edgelearn.cli.study:commands",
        "compare": "edgelearn.cli.study:compare",
        "report": "edgelearn.cli.study:report",
    },
    "Validate": {"validate": "edgelearn.cli.validate:validate", "reproduce": "edgelearn.cli.reproduce:reproduce"},
    "Deploy": {"firmware": "edgelearn.cli.firmware:commands", "rtl": "edgelearn.cli.rtl:commands"},
    "Look up": {
        "data": "edgelearn.cli.data:commands",
        "model": "edgelearn.cli.model:commands",
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
        "Simulate on-chip learning rules in fixed point: accuracy, energy, time, memory, area.",
        COMMANDS,
        _root,
        completion=True,
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code.

    0, 1 where a claim differs, a run does not follow its twin or a cell fails, 2 for a mistake, 130 for Ctrl-C, 141 for
    a reader that has gone, 143 for termination.
    """
    if sys.stdout is None:  # closed by whoever called
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    for output in (sys.stdout, sys.stderr):
        if hasattr(output, "reconfigure"):
            output.reconfigure(errors="replace")  # a terminal without the characters of a curve shows '?'
    on_compile(_announce_compilation)
    with _termination_raises():
        try:
            code = _run(arguments)
            sys.stdout.flush()
            return code
        except BrokenPipeError:  # also where the usage of a group is not read
            return _unread()


def _announce_compilation() -> None:
    """Say on a terminal why nothing happens for seconds; anywhere if machine code does not stay with the package."""
    from edgelearn.fixedpoint.native import PACKAGE, cache_folder

    folder = cache_folder()
    if folder is None:
        text = "about 10 s in every command, for no folder can keep them; set NUMBA_CACHE_DIR to one that is writable"
    elif PACKAGE in folder.parents or "NUMBA_CACHE_DIR" in os.environ:
        if not sys.stderr.isatty():
            return
        text = "about 10 s, once"
    else:
        text = f"about 10 s, once; kept in {folder.parent} unless NUMBA_CACHE_DIR names another folder"
    print(f"edgelearn: compiling kernels, {text}", file=sys.stderr)


def _run(arguments: list[str] | None) -> int:
    try:
        result = root().main(arguments, prog_name="edgelearn", standalone_mode=False)
        sys.stdout.flush()
        return int(result or 0)
    except KeyboardInterrupt as interrupt:
        return _interrupted(interrupt)
    except UserError as error:
        return _refuse(str(error))
    except BrokenPipeError:
        raise
    except SystemExit as error:  # of typer and rich, where the reader of our output has gone
        if isinstance(error.__context__, BrokenPipeError):
            return _unread()
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.EMFILE:
            return _refuse(f"too many open files: {_open_files()} are allowed; raise it with ulimit -n 1024")
        return _refuse(f"{error.filename or 'the output'} cannot be used: {error.strerror}; choose another place")
    except MemoryError:
        return _refuse("out of memory; give a smaller file or network, --limit, or fewer --jobs")
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:  # imports and typer make other errors of an interrupt
            if isinstance(cause, KeyboardInterrupt):
                return _interrupted(cause)
            cause = cause.__context__
        return _usage_error(error)


@contextmanager
def _termination_raises() -> Iterator[None]:
    """Raise at SIGTERM as at Ctrl-C, so that a command keeps what it has and says so."""

    def terminate(number: int, frame: object) -> None:
        raise Terminated

    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _interrupted(interrupt: KeyboardInterrupt) -> int:
    what, code = ended_by(interrupt)
    print(f"edgelearn: {what}", file=sys.stderr)
    return code


def _unread() -> int:
    """End quietly where the reader of our output has gone; 1 would say that a claim differs."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141  # 128 + SIGPIPE, as shells have it


def _open_files() -> str:
    try:
        import resource
    except ImportError:
        return "no more"
    return str(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


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
