"""One example: a command over damaged files in a folder of its own, in this process, and its verdict."""

from __future__ import annotations

import contextlib
import io
import json
import random
import re
import resource
import shutil
import signal
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from tests.cli.runner import in_process
from tests.robustness.documents import Document
from tests.robustness.mutations import LONG, damaged

SECONDS = (
    60  # of processor time: an example that takes longer hangs; five times as many on the clock, for one that waits
)
MEMORY = 3 << 30  # bytes beyond what the process holds
CELLS = 200  # of a study: a grid of thousands is no fault, and takes minutes
OUT = "out"
RUNG = (signal.SIGPROF, signal.SIGALRM)


@dataclass(frozen=True)
class Scenario:
    """A command and its files.

    Parameters
    ----------
    command : arguments; a file's name stands for it, "-" reads `stdin`
    files : by name; one of them, drawn, is damaged
    prepare : fills the folder first, for commands that continue or read results
    codes : exit codes that a command may end with, beside 2
    suffixes : other endings a damaged file is written under, now and then
    """

    command: tuple[str, ...]
    files: dict[str, Document] = field(default_factory=dict)
    stdin: str = ""
    prepare: Callable[[Path], object] | None = None
    damages: Callable[[Path, random.Random], list[str]] | None = None
    flags: Callable[[random.Random], list[str]] | None = None
    codes: tuple[int, ...] = (0,)
    suffixes: tuple[str, ...] = ()


class Hangs(BaseException):
    """An example that did not end in time."""


@contextlib.contextmanager
def _limits() -> Iterator[None]:
    def ring(number: int, frame: object) -> None:
        raise Hangs

    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    before, old = resource.getrlimit(resource.RLIMIT_AS), [signal.signal(number, ring) for number in RUNG]
    if pages:
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, before[1]))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, 5 * SECONDS)
    try:
        yield
    except Hangs as where:
        raise TimeoutError(f"no end after {SECONDS} s") from where
    finally:
        for timer, number, handler in zip((signal.ITIMER_PROF, signal.ITIMER_REAL), RUNG, old, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)


@dataclass
class Ended:
    code: int
    out: str
    err: str
    warned: list[str]


def run(arguments: list[str], folder: Path, stdin: bytes = b"", limited: bool = True) -> Ended:
    """Run a command in a folder; an exception leaves its trace in `err`."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("default")
        done = in_process(
            arguments,
            folder,
            None,
            mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8")),
            mock.patch("edgelearn.studies.plan.MOST_CELLS", CELLS),
            _limits() if limited else contextlib.nullcontext(),
        )
    messages = [
        f"{one.category.__name__}: {one.message}"
        for one in warned
        if issubclass(one.category, RuntimeWarning | UserWarning)
    ]
    return Ended(done.returncode, done.stdout, done.stderr, messages)


def files_of(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def undamaged(scenario: Scenario, folder: Path) -> str:
    """Run a scenario over its files as they are, without limits, since kernels may have to be compiled first."""
    folder.mkdir()
    if scenario.prepare is not None:
        scenario.prepare(folder)
    for name, document in scenario.files.items():
        (folder / name).write_bytes(document.write(document.make()))
    before = files_of(folder)
    stdin = (folder / scenario.stdin).read_bytes() if scenario.stdin else b""
    ended = run(list(scenario.command), folder, stdin, limited=False)
    wrong = _verdict(scenario, ended, folder, before, live="-" in scenario.command)
    return wrong or (ended.err if ended.code == 2 else "")


def example(scenario: Scenario, seed: int, folder: Path) -> str:
    """Run one example; return what is wrong with its end, empty where nothing is."""
    rng = random.Random(seed)
    folder.mkdir()
    if scenario.prepare is not None:
        scenario.prepare(folder)
    command, faults = list(scenario.command), []
    chosen = rng.choice(sorted(scenario.files)) if scenario.files else None
    for name, document in scenario.files.items():
        data = document.write(document.make())
        if name == chosen and scenario.flags is None:
            data, faults = damaged(document, rng)
            if scenario.suffixes and rng.random() < 0.08:
                other = f"{name.partition('.')[0]}{rng.choice(scenario.suffixes)}"
                command = [other if argument == name else argument for argument in command]
                faults.append(f"as {other}")
                name = other
        (folder / name).write_bytes(data)
    if scenario.damages is not None:
        faults += scenario.damages(folder, rng)
    if scenario.flags is not None:
        faults = scenario.flags(rng)
        command += faults
    before = files_of(folder)
    stdin = (folder / scenario.stdin).read_bytes() if scenario.stdin else b""
    ended = run(command, folder, stdin)
    wrong = _verdict(scenario, ended, folder, before, live="-" in command)
    shutil.rmtree(folder, ignore_errors=True)
    if not wrong:
        return ""
    tail = "\n".join(ended.err.strip().splitlines()[-12:])[-1500:]
    return f"seed {seed}: {wrong}\n  edgelearn {' '.join(command)}\n  {chosen}: {', '.join(faults)}\n{tail}"


def _verdict(scenario: Scenario, ended: Ended, folder: Path, before: dict[str, bytes], live: bool) -> str:
    if "Traceback" in ended.err:
        return "a traceback"
    if ended.code not in (*scenario.codes, 2):
        return f"exit code {ended.code}"
    if ended.warned:
        return f"a warning: {ended.warned[0][:200]}"
    after = files_of(folder)
    if ended.code == 2:
        lines = ended.err.strip().split("\n")
        if live:
            lines = lines[-1:]  # rejected lines are told before
        if len(lines) != 1 or not lines[0].startswith("edgelearn: ") or len(lines[0]) > 1500:
            return f"{len(lines)} lines on stderr, {len(ended.err)} letters"
        if LONG[:61] in ended.err or re.search(r"\d{61}", ended.err):
            return "more than 60 letters of what was given"
        if ended.out and not live:
            return "a result on stdout beside the refusal"
        if after != before:
            return f"files written or changed: {sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))}"
        return ""
    left = [name for name in after if Path(name).name.startswith(".")]
    if left:
        return f"temporary files stay: {left}"
    writes = scenario.command[0] in ("run", "stream", "branch") and OUT in scenario.command
    return _whole(folder / OUT) if ended.code == 0 and writes else ""


def _whole(out: Path) -> str:
    """Say what is missing from a finished folder of a run."""
    if not (out / "config.toml").exists():
        return (
            ""
            if not out.exists() or (out / "study.toml").exists()
            else f"no config.toml in {sorted(p.name for p in out.iterdir())}"
        )
    if (out / "checkpoint.npz").exists():
        return "a checkpoint stays"
    try:
        report = json.loads((out / "report.json").read_text(encoding="utf-8"), parse_constant=_refuse_constant)
        with np.load(out / "weights.npz", allow_pickle=False) as arrays:
            for name in arrays.files:
                if arrays[name].dtype.kind == "f" and not np.isfinite(arrays[name]).all():
                    return f"weights.npz: {name} is not finite"
    except (OSError, ValueError, ArithmeticError, MemoryError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        return f"the result is not whole: {error}"
    return _possible(report, "")


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} in report.json")


def _possible(node: Any, path: str) -> str:
    """Refuse numbers that no result can be: negative counts, energies and times, and shares beyond their range."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key not in (
                "config",
                "settings",
                "weights",
                "rates",
                "hidden_rate",
                "output_rate",
                "kappa",
                "mean",
            ) and (found := _possible(value, f"{path}.{key}")):
                return found
    elif isinstance(node, list):
        return next(filter(None, (_possible(value, path) for value in node)), "")
    elif isinstance(node, int | float) and not isinstance(node, bool):
        counted = re.search(
            r"(samples|count|energy|_j$|_pj|_us$|_s$|accuracy|percent|events|cycles|bits|area)", path.rpartition(".")[2]
        )
        if counted and node < 0:
            return f"{path} = {node}"
        if re.search(r"accuracy", path.rpartition(".")[2]) and node > 100:
            return f"{path} = {node}"
    return ""
