"""Run the command as a user does: in a folder, with an environment; exit code and what it prints."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest import mock

from edgelearn.cli import main


def _variables(cwd: Path, environment: dict[str, str]) -> dict[str, str]:
    """Return the environment of a command: data sets are looked for nowhere unless it says so."""
    variables = {key: value for key, value in os.environ.items() if key != "EDGELEARN_DATA"}
    return variables | {"EDGELEARN_CACHE": str(cwd / "no-cache"), "COLUMNS": "200"} | environment


def in_process(
    arguments: Sequence[str], cwd: Path, environment: dict[str, str] | None = None, *around: AbstractContextManager[Any]
) -> subprocess.CompletedProcess[str]:
    """Run `edgelearn` in this process, which spares its imports; an exception leaves its trace, as in a process.

    Parameters
    ----------
    around : contexts that the command runs in
    """
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        out, err = (stack.enter_context(open(Path(folder, name), "w", encoding="utf-8")) for name in ("out", "err"))
        stack.enter_context(mock.patch.dict(os.environ, _variables(cwd, environment or {}), clear=True))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        os.chdir(cwd)
        try:
            with contextlib.ExitStack() as inside:
                for one in around:
                    inside.enter_context(one)
                code = main(list(arguments))
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        except Exception:
            traceback.print_exc()
            code = 1
        finally:
            os.chdir(before)
        out.flush()
        err.flush()
        texts = [Path(folder, name).read_bytes().decode("utf-8", "replace") for name in ("out", "err")]
    return subprocess.CompletedProcess(list(arguments), code, *texts)


def edgelearn(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `edgelearn` in this process."""
    return in_process(arguments, cwd, environment)


def edgelearn_process(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m edgelearn` as a process of its own, where imports, signals or file descriptors matter."""
    command = [sys.executable, "-m", "edgelearn", *arguments]
    return subprocess.run(
        command, cwd=cwd, env=_variables(cwd, environment), capture_output=True, text=True, timeout=300
    )


OFTEN = """
from edgelearn.runs import checkpoint
from edgelearn.cli import main
checkpoint.CHECKPOINT_SECONDS = 0.1
raise SystemExit(main())
"""


def start_and_signal(number: int, *arguments: str, cwd: Path) -> tuple[int, str]:
    """Start `edgelearn ... --out a` with ten checkpoints a second, send a signal behind the first one.

    Return the exit code and what stands on standard error.
    """
    command = [sys.executable, "-c", OFTEN, *arguments, "--out", "a"]
    process = subprocess.Popen(command, cwd=cwd, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (cwd / "a/checkpoint.npz").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    _, message = process.communicate(timeout=60)
    assert process.returncode != 0, "the run ended before it could be interrupted: make it longer"
    return process.returncode, message


QUICK = ("--net", "64-16-10", "--epochs", "1", "--limit", "200")
