"""Studies that are part of the project: every cell ran, every finding holds, and the documents say what the tables say."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

pytest.importorskip("pandas", reason='studies need pip install "edgelearn[studies]"')
pytest.importorskip("pyarrow", reason='studies need pip install "edgelearn[studies]"')

from edgelearn.studies.page import to_markdown
from edgelearn.studies.page_data import contents_of, open_study

ROOT = Path(__file__).parents[2]
STUDIES = sorted(path.parent for path in (ROOT / "experiments" / "studies").glob("*/study.toml"))


@pytest.fixture(scope="module", params=STUDIES, ids=lambda path: path.name)
def study(request):
    return request.param, contents_of(open_study(request.param))


def test_there_are_studies():
    assert len(STUDIES) >= 3


def test_every_cell_of_the_plan_is_done(study):
    _, contents = study
    frame = contents.source.frame
    assert len(frame) == contents.source.planned
    assert set(frame.status) == {"done"}
    assert all(len(group.rows) >= 5 for group in contents.groups)


def test_both_tables_hold_the_same(study):
    folder, contents = study
    frame = contents.source.frame
    with (folder / "table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["cell"] for row in rows] == list(frame.cell)
    for name in ("accuracy_percent", "seed", "weight_writes"):
        assert [float(row[name]) for row in rows] == [float(value) for value in frame[name]]


def test_findings_name_the_rows_they_rest_on_and_are_told_as_they_are(study):
    folder, contents = study
    assert len(contents.findings) == 5
    told = " ".join((ROOT / "edgelearn" / "docs" / "studies.md").read_text(encoding="utf-8").split())
    for finding in contents.findings:
        assert finding.rests_on
        assert finding.text in told, f"docs/studies.md does not say: {finding.text}"
    committed = (folder / "report.md").read_text(encoding="utf-8")
    assert committed == to_markdown(contents), f"write it again: edgelearn report {folder} --markdown"
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert len(page.encode()) < 3_000_000
    for finding in contents.findings:
        for name, accuracy in finding.rows:
            assert f"<li>{name}: {accuracy}</li>" in page


def test_rates_at_the_edge_are_told(study):
    folder, contents = study
    groups = contents.source.tuning["groups"]
    at_edge = sum(bool(group["at_edge"]) for group in groups)
    told = " ".join((ROOT / "edgelearn" / "docs" / "studies.md").read_text(encoding="utf-8").split())
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert ("at the edge of those tried" in report) == bool(at_edge)
    assert not at_edge or re.search(rf"{at_edge} of {len(groups)} (settings )?of `{folder.name}`", told)
