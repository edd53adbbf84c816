"""Numbers of README.md and edgelearn/docs against the committed result files they are copied from."""

from __future__ import annotations

import json

import pytest

from experiments.pages import ELSEWHERE, PAGES, RESULTS, ROOT, place_of, table_of


def name_of(shown):
    return f"{shown.page.rpartition('/')[2]}-{shown.result}{shown.after}"


@pytest.mark.parametrize("shown", PAGES, ids=name_of)
def test_the_page_shows_the_result_file(shown):
    text = (ROOT / shown.page).read_text(encoding="utf-8")
    if shown.table is not None:
        lines = shown.table(shown.content)
        begin, end = place_of(text, lines, shown.after)
        assert text[begin:end].splitlines() == lines, "run python -m experiments.pages"
    words = " ".join(text.split())
    for said in shown.said(shown.content) if shown.said is not None else ():
        assert said in words, f"{shown.page} does not say: {said}"


def test_a_changed_number_is_seen():
    lines = table_of([("a", "b"), ("x", "1.0"), ("y", "2.0")])
    text = (
        "# One\n\n| a | b |\n|---|---|\n| z | 0 |\n\n# Two\n\ntext\n\n| a | b |\n|---|---|\n| x | 1.0 |\n| y | 3.0 |\n"
    )
    begin, end = place_of(text, lines, "# Two")
    assert text[begin:end].splitlines() != lines
    assert text[begin:end].splitlines()[-1] == "| y | 3.0 |"
    with pytest.raises(LookupError, match="no table"):
        place_of(text, lines, "# Three")


def test_every_result_file_has_its_page():
    files = {path.name for path in RESULTS.glob("*.json")}
    assert files == {shown.result for shown in PAGES if "/" not in shown.result} | set(ELSEWHERE)


def test_the_table_of_elec2_is_that_of_its_results():
    rows = [
        row for delay in json.loads((RESULTS / "branch_elec2.json").read_text())["delays"].values() for row in delay
    ]
    known = {f"{100 * row['accuracy']:.2f} %" for row in rows}
    page = (ROOT / "edgelearn/docs/branch.md").read_text()
    head = "| accuracy before learning | bits | label at once | bits | and in flight | label a day late |"
    begin, end = place_of(page, [head], "")
    shown = {cell.strip(" *") for line in page[begin:end].splitlines()[2:] for cell in line.split("|") if "%" in cell}
    assert len(shown) > 8
    assert shown <= known
