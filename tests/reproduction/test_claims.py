"""Claims of the papers, run again: those of seconds in full, the others reduced."""

from __future__ import annotations

import pytest

from edgelearn.errors import UserError
from edgelearn.reproduction import catalog
from edgelearn.reproduction.runner import check_ready, perform
from tests.tools import missing

ROWS = [row for row in catalog.rows() if row.has_file]
LONG = {  # more than two CPU seconds each
    "drtp-silicon", "drtp-theorem", "fa-xor", "drtp-alignment", "mdfa-theorem2", "fa-conservation", "fa-alignment-trBW",
    "fa-zero-init", "fa-momentum", "dfa-optimizer-equations",
}  # fmt: skip


def case(row):
    return pytest.param(row, marks=pytest.mark.slow if row.id in LONG else ())


def ready(row):
    claim = catalog.load(row)
    try:
        check_ready(claim)
    except UserError as error:
        missing(str(error))
    return claim


def failed(result):
    return [check for check in result["checks"] if check["passed"] is False]


@pytest.mark.parametrize("row", [case(row) for row in ROWS if row.cost == "seconds"], ids=lambda row: row.id)
def test_a_claim_of_seconds_is_what_we_say_it_is(row, tmp_path):
    """Reproduced, unless the result that is kept with the code says that it differs."""
    result = perform(ready(row), tmp_path).result
    expected = "differs" if row.verdict()[0] == "differs" else "reproduced"
    assert result["verdict"] == expected, failed(result)


@pytest.mark.slow
@pytest.mark.parametrize("row", [row for row in ROWS if row.cost != "seconds"], ids=lambda row: row.id)
def test_a_reduced_run_keeps_the_order(row, tmp_path):
    result = perform(ready(row), tmp_path, quick=True).result
    assert result["verdict"].startswith("reduced run: ")
    if row.verdict()[0] != "differs":
        assert result["verdict"] != "reduced run: differs", failed(result)
