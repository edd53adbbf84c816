"""Sweeps: resumed, extended, with cells that raise, die or are killed, on processes, threads and a cluster."""

from __future__ import annotations

import json
from concurrent.futures import BrokenExecutor

import pytest

from edgelearn.errors import UserError
from edgelearn.runs.side_by_side import learn_together
from edgelearn.studies import cluster, side_by_side
from edgelearn.studies.cell import failure, record_of, run_cell
from edgelearn.studies.executor import Engine
from edgelearn.studies.plan import Plan
from edgelearn.studies.sweep import sweep
from edgelearn.studies.table import CSV, PARQUET, Records, read_study
from tests import faulty_cells
from tests.faulty_cells import DIES, DIES_ONCE, EXITS, LOG, RAISES, failing_cell, noted, odd_cell

AXES = {"axes": {"bits": [2, 3, 4]}}


@pytest.fixture
def log(tmp_path, monkeypatch):
    path = tmp_path / "log"
    path.write_text("")
    monkeypatch.setenv(LOG, str(path))
    return path


def table(folder):
    return (folder / PARQUET).read_bytes(), (folder / CSV).read_bytes()


def threads(plan, folder, **given):
    return sweep(plan, folder, **({"backend": "threads", "run": odd_cell} | given))


@pytest.mark.parametrize(("backend", "jobs"), [("processes", 1), ("processes", 2), ("threads", 1), ("threads", 2)])
def test_every_cell_runs_once(tmp_path, log, backend, jobs):
    plan = Plan.of(AXES | {"seeds": 3})
    outcome = sweep(plan, tmp_path / "study", jobs, backend, run=odd_cell)
    assert (outcome.cells, outcome.kept, outcome.failed) == (9, 0, 0)
    assert sorted(noted("end")) == sorted(cell.id for cell in plan.cells())
    assert list(read_study(tmp_path / "study").frame.cell) == [cell.id for cell in plan.cells()]
    again = sweep(plan, tmp_path / "study", jobs, backend, run=odd_cell)
    assert (again.cells, again.kept) == (9, 9)
    assert len(noted("begin")) == 9


def test_the_table_is_the_same_wherever_cells_run(tmp_path):
    plan = Plan.of(
        {"settings": {"net": "64-8-10", "epochs": 1, "limit": 100}, "axes": {"rule": ["drtp", "bp"]}, "seeds": 2}
    )
    for backend, jobs in (("processes", 2), ("threads", 1)):
        assert sweep(plan, tmp_path / backend, jobs, backend).failed == 0
    assert table(tmp_path / "processes") == table(tmp_path / "threads")


@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_cell_whose_process_dies_takes_no_other_with_it(tmp_path, log, jobs):
    plan = Plan.of(AXES | {"seeds": [1, DIES, 2, 3]})
    outcome = sweep(plan, tmp_path / "study", jobs, run=odd_cell)
    assert (outcome.cells, outcome.failed) == (12, 3)
    frame = read_study(tmp_path / "study").frame
    died = frame[frame.status == "failed"]
    assert set(died.seed) == {DIES}
    assert set(died.error) == {
        "the process that ran it died twice, the second time alone; it may have been killed for want of memory"
    }
    assert list(frame.cell) == [cell.id for cell in plan.cells()]
    assert len(set(noted("end"))) == 9
    # what was recorded did not run again; each of three deaths may take along results of the other processes on their way
    assert len(noted("end")) <= 9 + 3 * (jobs - 1)


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_cell_whose_process_dies_once_is_run_again(tmp_path, log, jobs):
    plan = Plan.of({"axes": {"bits": [2, 3]}, "seeds": [1, 2], "cells": [{"seed": DIES_ONCE}, {"seed": 5}]})
    outcome = sweep(plan, tmp_path / "study", jobs, run=odd_cell)
    assert (outcome.cells, outcome.failed) == (6, 0)
    assert len(set(noted("end"))) == 6
    assert len(noted("end")) <= 6 + jobs - 1  # the result of the other process may have been on its way


def test_a_failure_that_is_tried_again_is_not_taken_for_its_result(tmp_path, log):
    plan, folder = Plan.of({"seeds": [DIES_ONCE, 1, 2, 3]}), tmp_path / "study"
    records = Records(folder / "cells")
    for cell in plan.cells():
        records.write(record_of(cell, failure("a disk that was full")))
    (folder / "study.toml").write_text(plan.to_toml())
    assert sweep(plan, folder, 2, run=odd_cell).failed == 4
    outcome = sweep(plan, folder, 2, run=odd_cell, retry=True)
    assert (outcome.kept, outcome.failed) == (0, 0)


def test_a_cell_that_raises_is_told_and_can_be_run_again(tmp_path, log):
    plan = Plan.of(AXES | {"seeds": [1, RAISES, EXITS]})
    outcome = threads(plan, tmp_path, run=failing_cell, overwrite=True)
    assert outcome.errors == {"MemoryError: Unable to allocate 1 TiB": 3, "SystemExit: 3": 3}
    assert threads(plan, tmp_path).kept == 9  # failed cells are not run again unasked
    again = threads(plan, tmp_path, retry=True)
    assert (again.kept, again.failed) == (3, 0)
    assert len(noted("begin")) == 6


def test_an_interrupted_sweep_goes_on_with_what_is_left(tmp_path, log):
    plan = Plan.of(AXES | {"seeds": 4})

    def interrupt(progress):
        if progress.done == 5:
            raise KeyboardInterrupt

    folder = tmp_path / "study"
    with pytest.raises(KeyboardInterrupt):
        threads(plan, folder, on_progress=interrupt)
    assert len(read_study(folder).frame) == 5  # the table is whole whenever a sweep ends
    outcome = threads(plan, folder)
    assert (outcome.kept, outcome.failed) == (5, 0)
    assert sorted(noted("begin")) == sorted(cell.id for cell in plan.cells())
    assert threads(plan, tmp_path / "whole").kept == 0
    assert table(folder) == table(tmp_path / "whole")


def test_progress_counts_what_is_kept_and_what_failed(tmp_path, log):
    plan = Plan.of({"seeds": [1, RAISES]})
    seen = []
    threads(
        plan,
        tmp_path / "study",
        run=failing_cell,
        on_progress=lambda p: seen.append((p.done, p.total, p.failed, p.kept)),
    )
    assert seen == [(0, 2, 0, 0), (1, 2, 0, 0), (2, 2, 1, 0)]
    seen.clear()
    threads(
        plan,
        tmp_path / "study",
        run=failing_cell,
        on_progress=lambda p: seen.append((p.done, p.total, p.failed, p.kept)),
    )
    assert seen == [(2, 2, 1, 2)]


def test_another_plan_is_refused_replaced_or_extended(tmp_path, log):
    folder = tmp_path / "study"
    small, large = Plan.of(AXES | {"seeds": 1}), Plan.of(AXES | {"seeds": 2})
    threads(small, folder)
    with pytest.raises(UserError, match="holds another study; give another --out, --extend to keep the cells"):
        threads(large, folder)
    assert threads(large, folder, extend=True).kept == 3
    assert threads(small, folder, overwrite=True).kept == 0
    assert len(list((folder / "cells").iterdir())) == 3
    assert threads(small, folder, overwrite=True).kept == 0  # asked to start anew


def test_a_folder_of_other_things_is_left_alone(tmp_path, log):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match="holds other files and no study; give another --out, or --overwrite to use it"):
        threads(Plan.of({}), tmp_path)
    threads(Plan.of({}), tmp_path, overwrite=True)
    assert (tmp_path / "thesis.tex").exists()


def test_two_sweeps_do_not_share_a_folder(tmp_path, log):
    plan = Plan.of({"seeds": 2})

    def second(progress):
        with pytest.raises(UserError, match="is in use by another command; wait for its end, or give another --out"):
            threads(plan, tmp_path / "study")

    assert threads(plan, tmp_path / "study", on_progress=second).cells == 2


def test_new_processors_are_priced_without_running_anything(tmp_path, log):
    settings = {"settings": {"net": "64-8-10", "epochs": 1, "limit": 50}}
    threads(Plan.of(settings), tmp_path / "study", run=faulty_cells.run_cell)
    both = Plan.of(settings | {"processors": ["engine-28nm", "cortex-m4"]})
    outcome = threads(both, tmp_path / "study", extend=True)
    assert outcome.kept == 1
    assert read_study(tmp_path / "study").frame["energy_pj@cortex-m4"][0] > 0
    spikes = Plan.of({"kind": "spiking"})
    assert spikes.processor_names == ("loihi-like",)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"backend": "slurm"}, "backend 'slurm' is not known; known: dask, processes, ray, threads"),
        ({"scheduler": "tcp://x:1"}, "the backend threads has no scheduler; give --backend dask"),
    ],
)
def test_where_cells_cannot_run(tmp_path, given, text):
    with pytest.raises(UserError, match=text):
        threads(Plan.of({}), tmp_path / "study", **given)


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        ({"settings": {"data": "mnits"}}, "data 'mnits' is not known; .*Did you mean 'mnist'"),
        ({"settings": {"data": "gone.csv"}}, "data 'gone.csv' is not known"),
        ({"kind": "stream", "settings": {"data": "drifft"}}, "data 'drifft' is not known; .*Did you mean 'drift'"),
        ({"kind": "spiking", "settings": {"data": "nmnits"}}, "data 'nmnits' is not known"),
    ],
)
def test_data_that_is_nowhere_is_refused_before_anything_runs(tmp_path, plan, text):
    with pytest.raises(UserError, match=text):
        threads(Plan.of(plan), tmp_path / "study")
    assert not (tmp_path / "study").exists()


@pytest.mark.slow
def test_a_local_dask_cluster_gives_the_same_table(tmp_path):
    plan = Plan.of(
        {"settings": {"net": "64-8-10", "epochs": 1, "limit": 100}, "axes": {"rule": ["drtp", "bp"]}, "seeds": 2}
    )
    assert sweep(plan, tmp_path / "dask", 2, "dask").failed == 0
    assert sweep(plan, tmp_path / "threads", 1, "threads").failed == 0
    assert table(tmp_path / "dask") == table(tmp_path / "threads")


def test_a_worker_that_dies_on_a_cluster_takes_its_own_cell_only(tmp_path, log):
    plan = Plan.of({"seeds": [1, 2, DIES]})
    outcome = sweep(plan, tmp_path / "study", 2, "dask", run=odd_cell)
    assert outcome.failed == 1
    frame = read_study(tmp_path / "study").frame
    assert dict(zip(frame.seed, frame.status, strict=True)) == {1: "done", 2: "done", DIES: "failed"}


@pytest.mark.parametrize(
    ("n_workers", "changed", "text"),
    [
        (
            0,
            ("WORKER_SECONDS", 0.2),
            "no worker has joined the dask scheduler at .*; start some with `dask worker tcp:",
        ),
        (1, ("__version__", "99"), r"the dask worker tcp.* has no edgelearn 99: \d.*; install the same version"),
    ],
)
def test_workers_that_could_run_nothing_are_refused(tmp_path, monkeypatch, n_workers, changed, text):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, *changed)
    local = distributed.LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=None)
    with local, pytest.raises(UserError, match=text):
        sweep(Plan.of({}), tmp_path / "study", 1, "dask", local.scheduler_address)


def test_a_record_is_json(tmp_path, log):
    threads(Plan.of({}), tmp_path / "study")
    (path,) = (tmp_path / "study/cells").iterdir()
    record = json.loads(path.read_text())
    assert record["cell"] == path.stem
    assert record["seconds"] >= 0


ALIKE = {
    "settings": {"net": "64-20-10", "epochs": 2, "halve_every": 1, "limit": 300},
    "axes": {"hidden_rate": [-8, -7]},
    "seeds": 3,
}


def test_cells_side_by_side_have_the_records_of_single_cells(tmp_path, monkeypatch):
    plan = Plan.of(ALIKE)
    together = []

    def watched(works):
        together.append(learn_together(works) and len(works))
        return together[-1]

    monkeypatch.setattr(side_by_side, "learn_together", watched)
    sweep(plan, tmp_path / "together", backend="threads")
    assert together == [6]
    sweep(plan, tmp_path / "single", backend="threads", run=lambda cell: run_cell(cell))
    assert table(tmp_path / "together") == table(tmp_path / "single")
    ids = [cell.id for cell in plan.cells()]
    found, expected = (Records(tmp_path / name / "cells").read(ids) for name in ("together", "single"))
    assert [record | {"seconds": 0} for record in found.values()] == [
        record | {"seconds": 0} for record in expected.values()
    ]


def test_cells_that_differ_in_more_than_seed_and_rates_are_in_batches_of_their_own():
    def sizes(axes, jobs=1, seeds=10, **settings):
        plan = Plan.of({"settings": ALIKE["settings"] | settings, "axes": axes, "seeds": seeds})
        return sorted(len(batch) for batch in side_by_side.batches_of(plan.cells(), jobs))

    assert sizes({"output_rate": [-8, -7]}) == [4, 8, 8]
    assert sizes({"output_rate": [-8, -7]}, jobs=4) == [5, 5, 5, 5]
    assert sizes({"dead_zone": [0, 4]}, seeds=2) == [2, 2]
    assert sizes({"hidden_rate": [-8, -7]}, seeds=1, net="64-100-10") == [1, 1]


@pytest.mark.parametrize(
    "given",
    [
        {"rule": "dfa"}, {"rule": "local"}, {"rule": "bp"}, {"rounding": "stochastic"}, {"strict": True},
        {"update_gate": "error"}, {"learn": "last"}, {"net": "64-20-20-10"}, {"net": "8x8x1-conv4x3x3-10"},
    ],
)  # fmt: skip
def test_cells_that_never_learn_side_by_side_are_no_batch(given):
    plan = Plan.of({"settings": ALIKE["settings"] | given, "seeds": 3})
    assert [len(batch) for batch in side_by_side.batches_of(plan.cells(), 1)] == [1, 1, 1]


@pytest.mark.parametrize("error", [None, MemoryError])
def test_cells_of_a_batch_that_cannot_learn_side_by_side_are_kept_one_by_one(tmp_path, monkeypatch, error):
    """Also where learning side by side fails, as it does for want of memory."""
    kept = []

    def refused(works):
        if error is not None:
            raise error
        return False

    def watched(cell):
        kept.append(len(list((tmp_path / "study" / "cells").glob("*.json"))))
        return run_cell(cell)

    monkeypatch.setattr(side_by_side, "learn_together", refused)
    monkeypatch.setattr(side_by_side, "run_cell", watched)
    assert sweep(Plan.of(ALIKE), tmp_path / "study", backend="threads").failed == 0
    assert kept == [0, 1, 2, 3, 4, 5]


def test_cells_of_a_batch_that_had_ended_when_its_process_died_do_not_run_again(tmp_path, monkeypatch):
    again = []

    def dying(self, cells, kept):
        for cell in cells[:2]:
            kept.write(run_cell(cell))
        raise BrokenExecutor

    def alone(self, cell, kept, deaths):
        again.append(deaths)
        kept.write(record := run_cell(cell))
        return record

    monkeypatch.setattr(Engine, "_submitted", dying)
    monkeypatch.setattr(Engine, "_alone", alone)
    outcome = sweep(Plan.of(ALIKE), tmp_path / "study")
    assert (outcome.cells, outcome.failed, again) == (6, 0, [1, 1, 1, 1])


def test_each_cell_of_a_batch_says_why_it_cannot_run(tmp_path):
    plan = Plan.of(ALIKE | {"settings": ALIKE["settings"] | {"net": "64-20-5"}})
    outcome = sweep(plan, tmp_path / "study", backend="threads")
    assert (outcome.cells, outcome.failed) == (6, 6)
    assert "does not fit" in next(iter(outcome.errors))


def test_cells_of_a_batch_whose_process_dies_run_once_more_alone(tmp_path, monkeypatch):
    submitted = Engine._submitted

    def dying(self, cells, kept):
        if len(cells) > 1:
            raise BrokenExecutor
        return submitted(self, cells, kept)

    monkeypatch.setattr(Engine, "_submitted", dying)
    assert sweep(Plan.of(ALIKE), tmp_path / "study", backend="threads").failed == 0
