"""Documents agree with the product: links resolve, commands parse, flags exist, the README stays short and its example runs."""

from __future__ import annotations

import json
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from edgelearn.cli import root
from experiments import accuracy_against_energy
from tests.architecture.test_directions import FLOORS
from tests.cli.runner import edgelearn

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "edgelearn/docs").glob("*.md"),
        *(ROOT / "hw_models/docs").glob("*.md"),
        *(ROOT / "experiments/studies").rglob("*.md"),
    ]
)
GUIDES = [path for path in PAGES if "experiments" not in path.parts and path.name != "CHANGELOG.md"]
README = ROOT / "README.md"
MOST_LINES = 160
MOST_WORDS = 900  # of prose: no code, no tables
OTHER_FLAGS = {  # of other programs that the documents name
    *("--check", "--cov", "--pdb"),  # ruff, pytest
    *("--nthreads", "--nworkers"),  # dask
    "--values-only",  # check_vectors.py of a folder of test vectors
    *(
        "--cpp",
        "--figure",
        "--quick",
        "--record",
        "--rules",
        "--tables",
        "--target",
    ),  # scripts of experiments/ and tests/benchmarks/
}


def by_path(path: Path) -> str:
    return str(path.relative_to(ROOT))


def fenced(text: str, language: str = "") -> list[str]:
    """Return the contents of fenced blocks: of one language, or of all."""
    return [body for kind, body in re.findall(r"^```(\w*)\n(.*?)^```", text, re.M | re.S) if language in ("", kind)]


def prose(text: str) -> str:
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return "\n".join(line for line in text.splitlines() if not line.startswith(("|", "    ", "![")))


def command_lines(text: str) -> list[str]:
    """Return each call of edgelearn: lines of code blocks without their explanation, and inline code."""
    blocks = [line for block in fenced(text) for line in block.splitlines()]
    indented = [line for line in text.splitlines() if line.startswith("    ")]
    inline = re.findall(r"`(edgelearn [^`]+)`", " ".join(prose(text).split()))
    calls = []
    for line in [*blocks, *indented, *inline]:
        for part in re.split(r"&&| [|>] ", re.split(r" {2,}#?|\t", line.strip().removeprefix("$ "))[0]):
            if part.strip().startswith("edgelearn "):
                calls.append(part.strip())
    return calls


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@cache
def edgelearn_command() -> Any:
    return root()


@cache  # each builds all commands of a group
def subcommands(command: Any) -> dict[str, Any]:
    """Return the commands of a group by name; none of a command."""
    return {name: command.get_command(None, name) for name in getattr(command, "list_commands", lambda _: [])(None)}


def resolve(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that words name and what is left of them."""
    command, rest = edgelearn_command(), words[1:]
    while known := subcommands(command):
        assert rest, f"{' '.join(words)}: names no command"
        assert rest[0] in known, f"{' '.join(words)}: there is no command '{rest[0]}'"
        command, rest = known[rest[0]], rest[1:]
    return command, rest


@cache
def flags_of(command: Any) -> set[str]:
    inner = {flag for sub in subcommands(command).values() for flag in flags_of(sub)}
    return (
        inner | {"--help"} | {f for parameter in command.params for f in (*parameter.opts, *parameter.secondary_opts)}
    )


@pytest.mark.parametrize("path", PAGES, ids=by_path)
def test_relative_links_resolve(path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(text) + "\n".join(re.findall(r"^\|.*|^!\[.*", text, re.M))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name) if name else path
        assert file.exists(), f"{by_path(path)} links to {target}, which does not exist"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.M)
            assert anchor in {slug(heading) for heading in headings}, f"{by_path(path)}: no heading for {target}"


@pytest.mark.parametrize("path", GUIDES, ids=by_path)
def test_paths_in_the_text_exist(path):
    places = re.findall(r"`((?:edgelearn|hw_models|firmware_sim|tests|experiments)/[\w/.-]+)`", path.read_text())
    for place in (place for place in places if not re.search(r"/(ID|NAME)\b", place)):
        assert (ROOT / place).exists(), f"{by_path(path)} names {place}"


def test_the_table_of_floors_is_that_of_the_tests():
    page = (ROOT / "edgelearn/docs/architecture.md").read_text()
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", page, re.M)
    told = {name: int(floor) for floor, names in rows for name in re.findall(r"`(\w+)`", names)}
    assert told == {name.removeprefix("edgelearn."): floor for name, floor in FLOORS.items() if "__" not in name}


@pytest.mark.parametrize("path", GUIDES, ids=by_path)
def test_commands_parse(path):
    for line in command_lines(path.read_text(encoding="utf-8")):
        words = [word for word in shlex.split(line) if word not in ("...", "edgelearn...")]
        if len(words) == 2 and words[1] in flags_of(edgelearn_command()):
            continue
        command, rest = resolve(words)
        for word in rest:
            flag = word.split("=")[0]
            assert not word.startswith("--") or flag in flags_of(command), f"{by_path(path)}: `{line}`: {flag}"
        if {"--help", "--help-all"} & set(rest) or not rest:
            continue
        with command.make_context("edgelearn", rest):
            pass


@pytest.mark.parametrize("path", GUIDES, ids=by_path)
def test_flags_in_the_text_exist(path):
    known = flags_of(edgelearn_command()) | OTHER_FLAGS
    text = prose(path.read_text(encoding="utf-8"))
    for code in re.findall(r"`([^`]+)`", text):
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]*", code):
            assert flag in known, f"{by_path(path)} names {flag}, which no command has"


def test_the_table_of_accuracy_and_energy_is_that_of_the_script():
    rows = json.loads(accuracy_against_energy.RESULTS.read_text())["rows"]
    assert accuracy_against_energy.table(rows) in (ROOT / "edgelearn/docs/results.md").read_text()
    first, second = (
        next(row for row in rows if (row["rule"], row["hidden"]) == key) for key in (("bp", 20), ("drtp", 100))
    )
    told = (
        f"({first['accuracy_percent']:.2f} against {second['accuracy_percent']:.2f} %) at "
        f"{first['energy_nj']['nominal']:.1f} against {second['energy_nj']['nominal']:.1f} nJ"
    )
    assert told in " ".join(README.read_text().split())


def test_the_readme_is_short():
    text = prose(README.read_text(encoding="utf-8"))
    words = [word for word in text.split() if re.search(r"\w", word)]
    assert len(words) < MOST_WORDS
    assert len(README.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_the_readme_keeps_its_two_commands():
    lines = README.read_text(encoding="utf-8").splitlines()
    assert "pip install -e . && edgelearn run --bits 8 --rule drtp" in lines
    assert 'pip install -e ".[test]" && pytest' in lines


def test_the_example_of_the_readme_runs(capsys):
    (block,) = fenced(README.read_text(encoding="utf-8"), "python")
    exec(compile(block, "README.md", "exec"), {})
    printed = capsys.readouterr().out.split("\n")
    assert printed[:-1] == re.findall(r"# prints (.*)$", block, re.M)


def test_the_readme_shows_the_output_of_its_first_command(tmp_path):
    done = edgelearn("run", "--bits", "8", "--rule", "drtp", cwd=tmp_path, COLUMNS="100")
    assert done.returncode == 0, done.stderr
    assert done.stdout in fenced(README.read_text(encoding="utf-8"))
