"""The folder of a study: records, the table in two formats, what is read back."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from edgelearn.errors import UserError
from edgelearn.studies.cell import Column, failure, record_of, run_cell
from edgelearn.studies.plan import Plan
from edgelearn.studies.table import PLAN, Records, Table, as_csv, need_studies, read_study

PLAN_GIVEN = {"settings": {"net": "64-4-10", "epochs": 1, "limit": 20}, "axes": {"bits": [4, 8]}}


@pytest.fixture
def study(tmp_path):
    plan = Plan.of(PLAN_GIVEN)
    cells = plan.cells()
    (tmp_path / PLAN).write_text(plan.to_toml())
    table = Table(tmp_path, plan, [cell.id for cell in cells])
    table.add(record_of(cells[1], failure("it, broke")))
    table.add(run_cell(cells[0]))
    table.write()
    return tmp_path, plan, table


def test_a_study_is_read_as_it_was_written(study):
    folder, plan, table = study
    found = read_study(folder)
    frame = found.frame
    assert found.plan == plan
    assert list(frame.columns) == [column.name for column in table.columns]
    assert list(frame.status) == ["done", "failed"]  # in grid order, not in the order of their ends
    assert list(frame.bits) == [4, 8]
    assert list(frame.error) == ["", "it, broke"]
    assert frame.accuracy_percent.isna().tolist() == [False, True]
    assert str(frame.dtypes["residual_bits"]) == "Int64"
    assert str(frame.dtypes["strict"]) == "boolean"
    assert frame["energy_pj@engine-28nm"][0] == table.rows[0]["energy_pj@engine-28nm"]


def test_csv_holds_the_same_values(study):
    folder, _, table = study
    rows = list(csv.DictReader(io.StringIO((folder / "table.csv").read_text())))
    assert len(rows) == 2
    for read, row in zip(rows, table.rows, strict=True):
        for column in table.columns:
            value, text = row[column.name], read[column.name]
            if value is None:
                assert text == ""
            elif column.type in ("int", "float"):
                assert float(text) == value
            else:
                assert text == (str(value).lower() if column.type == "bool" else value)


def test_rows_are_there_as_far_as_cells_have_ended(tmp_path):
    plan = Plan.of(PLAN_GIVEN)
    table = Table(tmp_path, plan, [cell.id for cell in plan.cells()])
    table.write()
    (tmp_path / PLAN).write_text(plan.to_toml())
    assert len(read_study(tmp_path).frame) == 0


def test_csv_quotes_and_leaves_out():
    columns = [Column("a", "text"), Column("b", "bool"), Column("c", "float")]
    assert as_csv(columns, [{"a": 'x, "y"', "b": True, "c": None}]) == 'a,b,c\n"x, ""y""",true,\n'


def test_records_that_are_no_records_are_not_read(tmp_path):
    records = Records(tmp_path / "cells")
    cells = Plan.of(PLAN_GIVEN).cells()
    first, second = (record_of(cell, failure("x")) for cell in cells)
    records.write(first)
    (tmp_path / f"cells/{second['cell']}.json").write_text('{"cell": "')  # a disk that was full
    assert records.read([first["cell"], second["cell"], "nowhere"]) == {first["cell"]: first}
    (tmp_path / f"cells/{second['cell']}.json").write_text('{"cell": "other", "status": "done"}')
    assert set(records.read([first["cell"], second["cell"]])) == {first["cell"]}
    (tmp_path / f"cells/{second['cell']}.json").write_text(f'{{"cell": "{second["cell"]}", "status": "done"}}')
    assert list(records.read([second["cell"]])) == []


def _done(cell):
    counters = {"learning": {"weight_write": [3, 4], "step_saturations": [0, 1]}, "inference": {}}
    found = {"status": "done", "error": "", "accuracy_percent": 97.5, "sizes": [64, 10], "samples_learned": 9}
    return record_of(cell, found | {"stored_bits": 5, "samples": {"learning": 9}, "counters": counters})


@pytest.mark.parametrize("has_digest", [True, False])
@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.update(accuracy_percent=9999),
        lambda record: record["config"].update(epochs=-1),
        lambda record: record["config"].update(seed=1),
        lambda record: record["config"].update(update_gate={}),
        lambda record: record["counters"]["learning"]["weight_write"].__setitem__(0, -(10**9)),
        lambda record: record["counters"]["learning"]["weight_write"].__setitem__(0, "x"),
        lambda record: record["counters"]["learning"].update(step_saturations=[]),
        lambda record: record["counters"]["learning"]["step_saturations"].__setitem__(1, 2**70),
        lambda record: record.update(counters=[]),
        lambda record: record.update(stored_bits=True),
        lambda record: record.update(kind="branch"),
    ],
)
def test_records_that_were_changed_are_not_read(tmp_path, change, has_digest):
    records = Records(tmp_path / "cells")
    record = _done(Plan.of(PLAN_GIVEN).cells()[0])
    path = tmp_path / f"cells/{record['cell']}.json"
    records.write(record)
    assert records.read([record["cell"]]) == {record["cell"]: record}
    content = json.loads(path.read_text())
    change(content)
    if not has_digest:  # as earlier versions wrote them
        del content["digest"]
    path.write_text(json.dumps(content))
    assert records.read([record["cell"]]) == {}


def test_any_changed_digit_of_a_record_is_found(tmp_path):
    records = Records(tmp_path / "cells")
    record = _done(Plan.of(PLAN_GIVEN).cells()[0])
    path = tmp_path / f"cells/{record['cell']}.json"
    records.write(record)
    path.write_text(path.read_text().replace("97.5", "97.6"))
    assert records.read([record["cell"]]) == {}
    path.write_text('{"a":' * 100_000)
    assert records.read([record["cell"]]) == {}


def test_the_table_of_another_plan_is_refused(tmp_path):
    plan = Plan.of(PLAN_GIVEN)
    table = Table(tmp_path, plan, [cell.id for cell in plan.cells()])
    table.write()
    question = replace(plan, question="a question that was worded later")
    (tmp_path / PLAN).write_text(question.to_toml())
    assert read_study(tmp_path).plan.question == question.question
    for other in ("", replace(plan, seeds=(7,)).to_toml()):
        (tmp_path / PLAN).write_text(other)
        with pytest.raises(UserError, match=r"the table in .* is of another plan than .*; give that back its text"):
            read_study(tmp_path)


def test_a_folder_without_a_study_is_refused(tmp_path, study):
    with pytest.raises(UserError, match="holds no study; give the folder that `edgelearn sweep --out` wrote"):
        read_study(tmp_path / "nowhere")
    folder = study[0]
    (folder / "table.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"table.parquet is damaged; the same sweep again writes it anew"):
        read_study(folder)


def test_a_missing_library_is_named_with_its_extra():
    with pytest.raises(UserError, match=r'no_such_library is not installed, .*: pip install "pandas>='):
        need_studies("no_such_library")
