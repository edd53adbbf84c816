"""Commands of a page, run one after the other in one folder, and their output against the page.

Comments that GitHub and the site do not show say what happens:

`<!-- run -->`, `<!-- run slow -->`  below the title: blocks of the page run in order. Parts behind semicolons:
    `files: PATH ...` of the repository, copied into the folder first; `needs: gcc matplotlib ziglang==0.17 ...`, tools and packages;
    `indented: REASON`, why commands in indented blocks do not run
`<!-- not run: REASON -->`  below the title: no block of the page runs; above a block: this one does not
`<!-- file: NAME -->`  above a block: its text is written to a file

`python -m tests.page_commands PAGE` writes anew what the blocks of a page print, except where dots in it fit already.

Blocks of `sh` have one command per line, blocks of `python` share their names. A block of `text` behind either is what it
prints; a line `...` stands for any lines, `...` inside a line for any text.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from tests.cli.runner import edgelearn
from tests.tools import missing

ROOT = Path(__file__).parents[1]
PROGRAMS = ("edgelearn", "python", "pip", "make", "producer", "dask", "gcc", "board/selftest")
COMMENT = re.compile(r"<!-- (run|not run|file)\b:?\s*((?:(?!-->)[\s\S])*?)\s*-->")
BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<body>.*?)^```$", re.M | re.S)
SHELL = re.compile(r"[|<>&;*$]")


@dataclass
class Step:
    """A block of a page."""

    language: str
    text: str
    reason: str = ""  # why it is not run
    file: str = ""
    printed: str | None = None


@dataclass
class Page:
    """Blocks of a page and what they need."""

    path: Path
    run: bool | None = None  # None: the page does not say
    slow: bool = False
    reason: str = ""  # why none is run
    files: list[str] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)
    indented: str = ""  # why these are not run
    steps: list[Step] = field(default_factory=list)

    def fenced_commands(self) -> list[str]:
        """Return the commands in blocks."""
        return [line for step in self.steps for line in step.text.splitlines() if is_command(line)]

    def indented_commands(self) -> list[str]:
        """Return the commands in indented blocks."""
        text = BLOCK.sub("", self.path.read_text(encoding="utf-8"))
        return [line for line in re.findall(r"^ {4}(\S.*)$", text, re.M) if is_command(line)]


def is_command(line: str) -> bool:
    return line.split(" ")[0] in PROGRAMS and " " in line.strip()


def read(path: Path) -> Page:
    """Return the blocks of a page."""
    text, end = path.read_text(encoding="utf-8"), 0
    page = _head(Page(path), re.match(r"# .*\n+" + COMMENT.pattern, text))
    for found in BLOCK.finditer(text):
        between, end = text[end : found.start()], found.end()
        step = Step(found["language"], found["body"])
        if step.language == "text" and page.steps and not between.strip():
            page.steps[-1].printed = step.text
            continue
        mark = re.search(COMMENT.pattern + r"\s*$", between)
        if mark and mark[1] == "file":
            step.file = mark[2]
        elif mark and mark[1] == "not run":
            step.reason = mark[2]
        page.steps.append(step)
    return page


def _head(page: Page, mark: re.Match[str] | None) -> Page:
    if mark and mark[1] == "not run":
        page.run, page.reason = False, mark[2]
    elif mark and mark[1] == "run":
        first, *rest = re.split(r";\s+", mark[2])
        options = dict(part.split(": ", 1) for part in rest)
        page.run, page.slow, page.indented = True, "slow" in first.split(), options.get("indented", "")
        page.files, page.needs = options.get("files", "").split(), options.get("needs", "").split()
    return page


def perform(page: Page, folder: Path, check: Callable[[Step, str], None] | None = None) -> list[str]:
    """Run a page in a folder; return what each command printed.

    Parameters
    ----------
    check : takes each step and what it printed; compares them by default
    """
    check = check or _compare
    for need in page.needs:
        _require(need)
    for name in page.files:
        shutil.copy(ROOT / name, folder)
    printed: list[str] = []
    names: dict[str, Any] = {"__name__": "__main__"}
    for step in page.steps:
        if step.file:
            (folder / step.file).write_text(step.text, encoding="utf-8")
        elif step.reason:
            continue
        elif step.language == "sh":
            outputs = [_command(line, folder) for line in step.text.splitlines() if line.strip()]
            printed += outputs
            check(step, "".join(outputs))
        elif step.language == "python":
            printed.append(_python(step.text, names, folder))
            check(step, printed[-1])
    return printed


def _require(need: str) -> None:
    if need in ("gcc", "make"):
        if shutil.which(need) is None:
            missing(f"{need} is not installed: apt-get install {need}")
        return
    package, _, version = need.partition("==")
    if package == "brian2" and np.lib.NumpyVersion(np.__version__) >= "2.4.0":
        pytest.skip("brian2 fails with numpy 2.4; the extra brian2 brings an older one")
    try:
        __import__(package)
    except ImportError:
        missing(f"{package} is not installed: pip install {package}")
    if version and not (found := metadata.version(package)).startswith(version):
        pytest.skip(f"the page has figures of {package} {version}, installed is {found}")


def _command(line: str, folder: Path) -> str:
    words = shlex.split(line)
    width = {"COLUMNS": "100"}
    if words[0] == "edgelearn" and not SHELL.search(re.sub(r"'[^']*'|\"[^\"]*\"", "", line)):
        done = edgelearn(*words[1:], cwd=folder, **width)
    else:
        paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        variables = {"PATH": paths, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg", **width}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            cwd=folder,
            capture_output=True,
            text=True,
            env=os.environ | variables,
        )
    assert done.returncode == 0, (line, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr, (line, done.stderr)
    return done.stdout


def _python(text: str, names: dict[str, Any], folder: Path) -> str:
    out = io.StringIO()
    before = Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(out), mock.patch.dict(os.environ, {"MPLBACKEND": "agg", "COLUMNS": "100"}):
            exec(compile(text, "page", "exec"), names)
    finally:
        os.chdir(before)
    return out.getvalue()


def _compare(step: Step, printed: str) -> None:
    if step.printed is not None:
        assert matches(step.printed, printed), f"{step.text}\nprints\n{printed}\nand not\n{step.printed}"


def matches(expected: str, printed: str) -> bool:
    """Return whether a text is the expected one, in which `...` stands for any text."""
    parts = [re.escape(part) for part in re.split(r"^\.\.\.\n|\.\.\.", expected.strip("\n") + "\n", flags=re.M)]
    return re.fullmatch("(?s:.*?)".join(parts), printed.strip("\n") + "\n") is not None


def pages() -> Iterator[Page]:
    """Yield the pages of the documentation."""
    for path in sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("*/docs/*.md")]):
        yield read(path)


def write_anew(path: Path) -> None:
    """Replace in a page what its blocks print."""
    page, text = read(path), path.read_text(encoding="utf-8")

    def note(step: Step, printed: str) -> None:
        nonlocal text
        if step.printed is not None and not matches(step.printed, printed):
            text = text.replace(f"```text\n{step.printed}```", f"```text\n{printed.strip(chr(10))}\n```", 1)

    with tempfile.TemporaryDirectory() as folder:
        perform(page, Path(folder), note)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        write_anew(Path(name))
