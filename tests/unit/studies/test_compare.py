"""Runs side by side: what differs in settings and results, of one kind and of several; folders that hold none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edgelearn.config import RunConfig, SpikingConfig, StreamConfig
from edgelearn.errors import UserError
from edgelearn.runs.finished import costs_of_runs
from edgelearn.runs.registry import run
from edgelearn.runs.spiking import run as run_spiking
from edgelearn.runs.stream import run as stream
from edgelearn.studies.compare import compare_runs
from tests import study_factory


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Return a folder of finished runs: two of a rate network, a stream, a spiking run."""
    folder = tmp_path_factory.mktemp("runs")
    common = {"net": "64-8-10", "epochs": 1, "limit": 60}
    run(RunConfig(rule="drtp", **common), folder / "drtp")
    run(RunConfig(rule="dfa", bits=4, processor="cortex-m4", **common), folder / "dfa")
    stream(StreamConfig(limit=80, hidden="8"), folder / "stream")
    run_spiking(SpikingConfig(net="64-8-10", epochs=1, limit=20, steps=8), folder / "spikes")
    return folder


def report(folder: Path):
    return json.loads((folder / "report.json").read_text())


def test_what_differs_in_settings_and_results(runs):
    found = compare_runs([runs / "drtp", runs / "dfa"])
    assert found.differing("settings") == {
        "bits": (8, 4),
        "processor": ("engine-28nm", "cortex-m4"),
        "rule": ("drtp", "dfa"),
    }
    results = found.differing("results")
    first, second = report(runs / "drtp"), report(runs / "dfa")
    assert found.results["accuracy_percent"] == tuple(
        round(100 - c["result"]["test_error_percent"], 4) for c in (first, second)
    )
    assert found.results["samples_learned"] == (60, 60)
    assert results["weight_read"] == tuple(c["per_sample"]["words"]["weight"]["read"] for c in (first, second))
    assert results["stored_bits"] == tuple(sum(held["bits"] for held in c["held"]) for c in (first, second))
    assert results["training_energy_pj"] == tuple(
        c["cost"]["rules"][0]["training"]["energy_pj"]["nominal"] for c in (first, second)
    )
    assert results["training_area_um2"][1] is None  # a microcontroller has none, which differs from some
    assert "samples_learned" not in results
    assert found.notes == ("costs are of different processors",)
    assert found.apart("settings") == []


def test_settings_that_reports_leave_out_at_their_default_are_shown(runs, tmp_path):
    run(RunConfig(rule="drtp", net="64-8-10", epochs=1, limit=60, learn="last"), tmp_path / "last")
    assert "learn" not in report(runs / "drtp")["config"]
    found = compare_runs([tmp_path / "last", runs / "drtp"])
    assert found.differing("settings") == {"learn": ("last", "all")}
    assert "start" not in found.settings  # which no run gives
    assert compare_runs([tmp_path / "last", runs / "stream"]).settings["learn"] == ("last", "all")


def test_runs_of_different_kinds_are_compared_in_what_all_have(runs):
    found = compare_runs([runs / "drtp", runs / "stream", runs / "spikes"])
    assert found.mixed
    assert [run.kind for run in found.runs] == ["run", "stream", "spiking"]
    assert found.notes[0].startswith(
        "runs of different kinds, compared in what all of them have; the accuracy is, of a rate"
    )
    assert set(found.differing("settings")) == {"data", "limit", "net", "processor", "rounding"}
    assert found.results["accuracy_percent"][1] == pytest.approx(100 * report(runs / "stream")["result"]["accuracy"])
    assert found.results["accuracy_percent"][2] == pytest.approx(100 * report(runs / "spikes")["result"]["accuracy"])
    assert "kappa" in found.apart("results")
    assert "epochs" in found.apart("settings")
    assert "training_energy_pj" in found.differing("results")
    assert "weight_read" in found.differing("results")
    assert json.loads(json.dumps(found.as_dict()))["only_some_have"]["results"] == found.apart("results")


def test_spiking_runs_and_streams_among_themselves(runs, tmp_path):
    shutil.copytree(runs / "spikes", tmp_path / "other")
    shutil.copytree(runs / "stream", tmp_path / "stream")
    for kind, other in (("spikes", "other"), ("stream", "stream")):
        found = compare_runs([runs / kind, tmp_path / other])
        assert (found.differing("settings"), found.differing("results"), found.notes) == ({}, {}, ())
        assert len(found.results) > 15


def test_any_number_of_runs_and_files_of_reports(runs, tmp_path):
    folders = []
    for k in range(12):
        shutil.copytree(runs / "drtp", tmp_path / f"run{k}")
        folders.append(tmp_path / f"run{k}" / "report.json")
    found = compare_runs(folders)
    assert [run.name for run in found.runs] == [f"run{k}" for k in range(12)]
    assert len(found.results["accuracy_percent"]) == 12


def test_runs_of_one_name_are_told_apart_by_their_paths(runs, tmp_path):
    shutil.copytree(runs / "drtp", tmp_path / "drtp")
    found = compare_runs([runs / "drtp", tmp_path / "drtp"])
    assert [run.name for run in found.runs] == [str(runs / "drtp"), str(tmp_path / "drtp")]


def test_another_contract_is_noted(runs, tmp_path):
    shutil.copytree(runs / "drtp", tmp_path / "new")
    content = report(tmp_path / "new") | {"contract": 99}
    (tmp_path / "new/report.json").write_text(json.dumps(content))
    (tmp_path / "new/weights.npz").unlink()  # which tells that the report was changed
    assert "different contracts" in compare_runs([runs / "drtp", tmp_path / "new"]).notes[0]


def write(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "report.json").write_text(text)
    return folder


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '"x"', "{}", '{"config": 3}', '{"config": {}, "stream": {}}', '{"config": {"spiking": true}}'],
)  # fmt: skip
def test_folders_without_a_report_are_refused(runs, tmp_path, text):
    with pytest.raises(UserError, match=r"holds no report of a finished run; give the folder|is of no run") as caught:
        compare_runs([runs / "drtp", write(tmp_path / "bad", text)])
    assert "\n" not in str(caught.value)


def test_an_interrupted_run_is_to_be_resumed(runs, tmp_path):
    (tmp_path / "checkpoint.npz").write_bytes(b"words so far")
    for refused in (lambda: compare_runs([runs / "drtp", tmp_path]), lambda: costs_of_runs([tmp_path], "cortex-m4")):
        with pytest.raises(UserError, match="is of a run that was interrupted; finish it with --resume"):
            refused()


def test_every_truncation_of_a_report_is_refused(runs, tmp_path):
    whole = (runs / "drtp/report.json").read_text()
    folder = write(tmp_path / "cut", whole)
    for length in range(0, len(whole) - 2, len(whole) // 40):
        (folder / "report.json").write_text(whole[:length])
        with pytest.raises(UserError, match="holds no report"):
            compare_runs([runs / "drtp", folder])


def test_what_cannot_be_compared_is_said(runs, tmp_path):
    with pytest.raises(UserError, match="one run has nothing to be compared with; give two runs or more"):
        compare_runs([runs / "drtp"])
    with pytest.raises(UserError, match="is given twice; give each run once"):
        compare_runs([runs / "drtp", runs / "dfa" / ".." / "drtp"])
    with pytest.raises(UserError, match="holds no report"):
        compare_runs([runs / "drtp", tmp_path / "nowhere"])
    branches = write(tmp_path / "branches", json.dumps({"config": {"predictors": "tage"}, "rows": []}))
    with pytest.raises(UserError, match="is of no run, stream or spiking run; only those can be compared"):
        compare_runs([runs / "drtp", branches])
    pytest.importorskip("pandas")
    study = study_factory.write_study(tmp_path / "study")
    with pytest.raises(UserError, match="is a study of many runs; look at it with `edgelearn study show"):
        compare_runs([runs / "drtp", study])
