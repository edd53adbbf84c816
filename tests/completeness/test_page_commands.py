"""Every command of a page runs and prints what the page shows, or the page says why it does not run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgelearn.rules import CATALOG, RULES
from tests import page_commands
from tests.page_commands import Page, Step

PAGES = list(page_commands.pages())
RUN = [pytest.param(page, id=page.path.stem, marks=pytest.mark.slow if page.slow else ()) for page in PAGES if page.run]


def recordings(folder: Path) -> None:
    """Make the recordings of the reader's own of the tutorial on pretrained networks."""
    rng = np.random.default_rng(0)
    np.savez(folder / "recordings.npz", x=rng.normal(0, 1, (20, 48 * 32)).astype(np.float32), y=np.arange(20) % 10)


def pretrained(folder: Path, printed: list[str]) -> None:
    assert np.load(folder / "mine.npz")["x"].shape == (20, 64)
    before, after = (json.loads((folder / name / "report.json").read_text()) for name in ("last", "later"))
    assert before["start"]["network"]["activation"] == "tanh"
    assert after["accuracy_percent"] >= 88
    assert "features" in (folder / "board/include/el_levels.h").read_text()


def anomaly(folder: Path, printed: list[str]) -> None:
    import csv

    from experiments import pump

    assert (folder / "pump.png").stat().st_size > 10_000
    assert sum(row["phase"] == "detect" for row in csv.DictReader((folder / "scores.csv").open())) == 2042
    report = json.loads((folder / "field/report.json").read_text())
    assert report["result"]["labels"] is None
    for first, last in pump.FAULTS.values():  # each is found in the recording without labels, too
        assert any(alarm["begin_s"] < last and alarm["end_s"] > first for alarm in report["result"]["alarm_list"])
    train, detect = report["phases"][1], report["phases"][3]
    assert 1.5 < train["energy_pj"] / detect["energy_pj"] < 2.5
    assert 0.4 < report["device"]["idle_uw"] / detect["power_uw"] < 0.6


BEFORE = {"tutorial_pretrained": recordings}
AFTER = {"tutorial_pretrained": pretrained, "anomaly": anomaly}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path.stem)
def test_every_command_runs_or_the_page_says_why_not(page):
    if page.fenced_commands() or page.indented_commands():
        assert page.run is not None, (
            "put <!-- run --> or <!-- not run: REASON --> below the title, see tests/page_commands.py"
        )
    if page.run is False:
        assert len(page.reason.split()) >= 4, "give a reason in words"
    if page.run:
        assert page.indented or not page.indented_commands(), "add `; indented: REASON` to <!-- run -->"
    for step in page.steps if page.run else ():
        commands = any(page_commands.is_command(line.removeprefix("$ ")) for line in step.text.splitlines())
        runs = step.language in ("sh", "python") or step.file
        assert runs or step.reason or not commands, (
            f"call it sh, or say <!-- not run: REASON --> above it:\n{step.text}"
        )
        assert not step.reason or len(step.reason.split()) >= 3, "give a reason in words"


@pytest.fixture
def rules_as_before():
    """Rules that a page registers end with it."""
    catalog, rules = [*CATALOG], dict(RULES)
    yield
    CATALOG[:] = catalog
    for name in RULES.keys() - rules.keys():
        del RULES[name]


@pytest.mark.usefixtures("rules_as_before")
@pytest.mark.parametrize("page", RUN)
def test_commands(page, tmp_path):
    BEFORE.get(page.path.stem, lambda folder: None)(tmp_path)
    printed = page_commands.perform(page, tmp_path)
    AFTER.get(page.path.stem, lambda folder, printed: None)(tmp_path, printed)


def test_a_page_that_says_something_else_is_seen(tmp_path):
    page = Page(Path("none.md"), run=True, steps=[Step("sh", "edgelearn --version\n", printed="edgelearn 0.0\n")])
    with pytest.raises(AssertionError, match="and not"):
        page_commands.perform(page, tmp_path)
    page.steps = [Step("sh", "edgelearn run --bits 99\n")]
    with pytest.raises(AssertionError, match="bits"):
        page_commands.perform(page, tmp_path)
    page.steps = [Step("python", "x = 1\n"), Step("python", "print(x)\n", printed="2\n")]
    with pytest.raises(AssertionError, match="and not"):
        page_commands.perform(page, tmp_path)


def test_dots_stand_for_any_text():
    assert page_commands.matches("a\n...\nd\n", "a\nb\nc\nd\n")
    assert page_commands.matches("a ... c\n", "a b c\n")
    assert not page_commands.matches("a\nd\n", "a\nb\nd\n")
    assert not page_commands.matches("a ... d\n", "a b c\n")
