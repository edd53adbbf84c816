"""Every claim of the papers has a file that measures it or a reason why not, and the page about them is in step."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgelearn.data.open_source import stream_names
from edgelearn.reproduction import catalog
from edgelearn.reproduction.claim import KINDS
from edgelearn.reproduction.study import plain

ROWS = catalog.rows()
WITH_FILE = [row for row in ROWS if row.has_file]
PAGE = Path(catalog.__file__).parents[1] / "docs" / "reproductions.md"
BEGIN, END = "<!-- begin: edgelearn reproduce list --markdown -->\n", "<!-- end -->"


def test_the_index_names_every_claim_of_the_papers():
    assert len(ROWS) == len({row.id.lower() for row in ROWS}) == 86
    prefixes = ("drtp-", "mdfa-", "fa-", "dfa-", "lazy-")
    counts = [sum(row.id.startswith(prefix) for row in ROWS) for prefix in prefixes]
    assert counts == [26, 14, 34, 10, 2]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_claim_has_a_file_or_a_reason(row):
    assert set(row.check) <= set(KINDS)
    assert row.cost in (*catalog.COSTS, "")
    if row.has_file:
        assert not row.status + row.reason, f"{row.module}.py is there: take status and reason from the index"
        assert row.check
        assert row.cost
    else:
        assert row.status in catalog.WITHOUT_FILE
        assert row.reason
        assert not row.note
    if row.verdict()[0] == "differs":
        assert row.note, f"{row.id} differs: say why in the index, as a note"


def test_every_file_is_in_the_index():
    files = {path.stem for path in catalog.CLAIMS.glob("*.py") if not path.name.startswith("_")}
    assert files == {row.module for row in WITH_FILE}
    ids = {row.id for row in WITH_FILE}
    kept = {path.name.removesuffix(".json") for path in catalog.RESULTS.glob("*.json")}
    assert {name for name in kept if not name.endswith(".quick")} <= ids


@pytest.mark.parametrize("row", WITH_FILE, ids=lambda row: row.id)
def test_a_file_and_the_index_agree(row):
    claim = catalog.load(row)
    assert claim.id == row.id
    assert set(claim.kind) == set(row.check)
    assert claim.cost == row.cost
    assert set(claim.needs) <= {"torch", "plot", "streams"}
    assert set(claim.data) <= set(stream_names())
    assert all(name in row.data.lower().replace("-", "") for name in claim.data)
    assert bool(claim.quick) == (claim.cost != "seconds"), "a reduced run is for what takes longer than seconds"
    assert set(claim.quick) <= set(claim.settings)
    for settings in (claim.settings, claim.quick):
        assert json.loads(json.dumps(settings)) == settings, "settings are plain: numbers, texts, lists"
    assert claim.statement.endswith(".")
    assert "\n" not in claim.statement


@pytest.mark.parametrize("row", WITH_FILE, ids=lambda row: row.id)
def test_a_kept_result_is_of_a_full_run_and_judged_as_the_file_judges(row):
    kept = catalog.RESULTS / f"{row.id}.json"
    if not kept.exists():
        return
    claim, result = catalog.load(row), json.loads(kept.read_text())
    assert result["settings"] == claim.settings, f"run it again: edgelearn reproduce {row.id}"
    checks = claim.judge(result["measured"])
    told = [(check.what, plain(check.ours), check.passed) for check in checks]
    assert told == [(check["what"], check["ours"], check["passed"]) for check in result["checks"]]
    assert result["verdict"] == ("reproduced" if all(check.passed for check in checks) else "differs")


def test_claims_import_no_optional_library():
    """So that the list, and claims of seconds, need no extra."""
    code = (
        "import sys; from edgelearn.reproduction import catalog\n"
        "[catalog.load(row) for row in catalog.rows() if row.has_file]\n"
        "print([name for name in ('torch', 'matplotlib', 'river') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=catalog.CLAIMS.parents[1])
    assert result.stdout.strip() == "[]", result.stderr


def test_the_page_is_in_step():
    text = PAGE.read_text(encoding="utf-8")
    table = text.partition(BEGIN)[2].partition(END)[0]
    assert table == catalog.as_markdown(), "copy what `edgelearn reproduce list --markdown` prints into the page"
