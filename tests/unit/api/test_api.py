"""The Python interface: the numbers and bytes of the commands, their errors, and what notebooks show."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import types

import pytest

import edgelearn as el
from tests.cli.runner import edgelearn
from tests.tools import missing

RUN = ["--net", "64-8-10", "--epochs", "2", "--limit", "200", "--rule", "dfa", "--seed", "3"]
SETTINGS = {"net": "64-8-10", "epochs": 2, "limit": 200, "rule": "dfa", "seed": 3}


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def needs(*names):
    for name in names:
        try:
            __import__(name)
        except ImportError:
            missing(f"{name} is not installed")


@pytest.fixture(scope="module")
def small():
    return el.run(**SETTINGS)


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    folder = tmp_path_factory.mktemp("command")
    done = edgelearn("run", *RUN, "--out", "out", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "out", done.stdout


def test_import_is_light_and_names_are_all_there():
    code = (
        "import sys, edgelearn; print(*sorted({'numpy', 'pydantic', 'typing', 'numba', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
    assert {"run", "stream", "cost", "sweep", "processors", "EdgeClassifier"} <= set(dir(el))
    for name in el.__all__:
        assert not isinstance(getattr(el, name), types.ModuleType)
    with pytest.raises(AttributeError, match="Did you mean 'EdgeClassifier'"):
        el.EdgeClasifier  # noqa: B018


def test_a_run_has_the_bytes_of_the_command(small, command, tmp_path):
    folder, printed = command
    assert small.to_json() == printed
    assert files(small.save(tmp_path / "out")) == files(folder)
    again = el.run(**SETTINGS, out=tmp_path / "direct")
    assert files(again.out) == files(folder)
    assert (again.accuracy, again.energy) == (small.accuracy, small.energy)
    with pytest.raises(el.UserError, match="holds a run of another configuration"):
        el.run(**SETTINGS | {"seed": 4}, out=tmp_path / "direct")
    resumed = el.run(**SETTINGS, out=tmp_path / "direct", resume=True)
    assert resumed.content == json.loads(printed)
    with pytest.raises(el.UserError, match="was not run again"):
        resumed.save(tmp_path / "other")


def test_headline_numbers_are_those_of_the_report(small, command):
    content = json.loads(command[1])
    rule = content["cost"]["rules"][0]
    assert small.accuracy == content["accuracy_percent"]
    assert small.energy == pytest.approx(rule["training"]["energy_pj"]["nominal"] * 1e-12)
    assert small.inference_energy == pytest.approx(rule["inference"]["energy_pj"]["nominal"] * 1e-12)
    assert f"{small.accuracy:.2f} %" in repr(small)
    assert f"{small.accuracy:.2f} %" in small._repr_html_()


def test_sources_are_those_of_firmware_emit(small, command, tmp_path):
    done = edgelearn("firmware", "emit", "board", "--run", str(command[0]), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert files(small.to_c(tmp_path / "c")) == files(tmp_path / "board")
    with pytest.raises(el.UserError, match="is not empty"):
        small.to_c(tmp_path / "c")


def test_a_model_becomes_sources_of_its_words(small, command, tmp_path):
    loaded = el.EdgeClassifier.load(command[0])
    folder = loaded.to_c(tmp_path / "run")
    of_run = files(small.to_c(tmp_path / "of_run"))
    assert {name for name, text in files(folder).items() if text != of_run[name]} == {"test/el_selftest_numbers.h"}
    model = el.EdgeClassifier(hidden=(4,), rule="dfa", epochs=1).fit([[0.0, 1.0], [1.0, 0.0]] * 20, [3, 7] * 20)
    made = model.to_c(tmp_path / "fitted", [[0.0, 1.0], [1.0, 0.0]], [3, 7])
    assert "SELFTEST_SAMPLES 2U" in (made / "test" / "el_selftest_numbers.h").read_text()
    with pytest.raises(el.UserError, match="give both or neither"):
        model.to_c(tmp_path / "other", X=[[0.0, 1.0]])


def test_a_stream_has_the_report_of_the_command(tmp_path):
    done = edgelearn("stream", "drift", "--limit", "500", "--json", cwd=tmp_path)
    result = el.stream("drift", limit=500)
    assert result.to_json() == done.stdout
    assert "before learning" in repr(result)
    scored = el.stream("drift", limit=500, task="anomaly", normal_class="class 1")
    assert scored.accuracy is None
    assert len(repr(scored)) < 400


def test_prices_are_those_of_the_command(small, command, tmp_path):
    done = edgelearn("cost", "--rule", "bp,drtp", "--net", "64-20-10", "--bits", "6", "--json", cwd=tmp_path)
    prices = el.cost(["bp", "drtp"], net="64-20-10", bits=6)
    assert prices.content == json.loads(done.stdout)
    assert list(prices.energy) == ["bp", "drtp"]
    done = edgelearn("cost", "--run", str(command[0]), "--json", cwd=tmp_path)
    of_run = el.cost(runs=small)
    assert of_run.content == json.loads(done.stdout)
    assert of_run.accuracy == {"dfa": small.accuracy}
    assert of_run.energy["dfa"] == pytest.approx(small.energy)
    assert el.cost(runs=str(command[0])).content == of_run.content
    assert el.cost(["bp", "drtp"], processor="cortex-m4").energy["bp"] > 0


def test_processors_are_those_of_the_command(tmp_path):
    done = edgelearn("processors", "list", "--json", cwd=tmp_path)
    assert list(el.processors()) == json.loads(done.stdout)


def test_a_sweep_writes_the_table_of_the_command(tmp_path, monkeypatch):
    needs("pandas", "pyarrow", "bokeh", "jinja2")
    words = ["--epochs", "1", "--limit", "200", "--net", "64-4-10", "--rule", "drtp,dfa", "--seeds", "2", "--jobs", "1"]
    done = edgelearn("sweep", *words, "--out", "cli", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    monkeypatch.chdir(tmp_path)
    study = el.sweep(epochs=1, limit=200, net="64-4-10", rule=["drtp", "dfa"], seeds=2, jobs=1, out="api")
    assert (tmp_path / "api/table.csv").read_bytes() == (tmp_path / "cli/table.csv").read_bytes()
    frame = study.to_frame()
    means = frame.groupby("rule")["accuracy_percent"].mean()
    assert study.best == {"rule": means.idxmax()}
    assert study.accuracy == pytest.approx(means.max())
    assert set(study.energy) == {"engine-28nm"}
    assert "4 of 4" in repr(el.StudyResult("api"))
    assert study.report().read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rule": "drpt"}, ["--rule", "drpt"]),
        ({"bits": 1}, ["--bits", "1"]),
        ({"data": "digitz"}, ["--data", "digitz"]),
        ({"net": "28-10"}, ["--net", "28-10"]),
        ({"margin": 3}, ["--margin", "3"]),
        ({"processor": "engine-28"}, ["--processor", "engine-28"]),
        ({"weight_bits": 9, "bits": 4, "residual_bits": 1}, ["--stored-bits", "9", "--bits", "4", "--residual-bits", "1"]),
    ],
)  # fmt: skip
def test_errors_are_those_of_the_command(settings, words, tmp_path):
    with pytest.raises(el.UserError) as refused:
        el.run(**settings)
    said = edgelearn("run", *words, cwd=tmp_path)
    assert said.returncode == 2
    if settings != {"bits": 1}:  # the command line refuses the text of a number before the settings do
        assert said.stderr == f"edgelearn: {refused.value}\n"
    else:
        assert "give a whole number, 2 to 16" in str(refused.value)
        assert "give a whole number, 2 to 16" in said.stderr


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: el.run(rul="dfa"), "setting 'rul' is not known.* Did you mean 'rule'"),
        (lambda: el.run(neuron="lif"), "give spiking=True too"),
        (lambda: el.run(spiking=True, activation="relu"), "leave it out with spiking=True"),
        (lambda: el.run(el.RunConfig(), bits=4), "given twice"),
        (lambda: el.run(resume=True), "give out="),
        (lambda: el.stream("-"), "standard input"),
        (lambda: el.stream("drfit"), "Did you mean 'drift'"),
        (lambda: el.cost("drpt"), "Did you mean 'drtp'"),
        (lambda: el.cost(epochs=3), "setting 'epochs' is not known"),
        (lambda: el.cost(runs="nowhere"), "holds no report"),
        (lambda: el.sweep(rules=["dfa"]), "Did you mean 'rule'"),
    ],
)
def test_mistakes_are_told_with_the_next_step(call, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(el.UserError, match=message):
        call()
    assert list(tmp_path.iterdir()) == []


def test_representations_are_short(small):
    model = el.EdgeClassifier(hidden=(4,), epochs=1).fit([[0.0, 1.0], [1.0, 0.0]] * 20, [0, 1] * 20)
    prices, table = el.cost(), el.processors()
    for shown in (small, prices, table):
        assert repr(shown).count("\n") == 1
        assert shown._repr_html_().startswith("<table>")
    for shown in (small, prices, table, model, model.cost_, model.counters_):
        assert len(repr(shown)) < 400, repr(shown)


def test_settings_are_in_signature_and_docstring():
    import inspect

    names = set(inspect.signature(el.run).parameters)
    assert set(el.RunConfig.model_fields) | set(el.SpikingConfig.model_fields) <= names
    for function in (el.run, el.stream, el.cost):
        for name in set(inspect.signature(function).parameters) - {"config"}:
            assert name in function.__doc__, (function, name)
    assert inspect.signature(el.stream).parameters["window"].default == 1


def test_numbers_of_numpy_and_paths_are_taken(tmp_path):
    import numpy as np

    rows = ["a,b,label"] + [f"{i % 7},{i % 3},{'xy'[i % 2]}" for i in range(60)]
    (tmp_path / "own.csv").write_text("\n".join(rows) + "\n")
    result = el.run(data=tmp_path / "own.csv", epochs=np.int64(1), features=["a", "b"])
    assert result.content["data"]["features"] == 2


def test_frames_and_figures(small, command, tmp_path):
    needs("pandas", "matplotlib")
    import pandas as pd

    row = small.to_frame()
    assert len(row) == 1
    assert row["rule"][0] == "dfa"
    assert row["training_energy_pj"][0] * 1e-12 == pytest.approx(small.energy)
    prices = el.cost(["bp", "drtp"])
    done = edgelearn("cost", "--rule", "bp,drtp", "--csv", cwd=tmp_path)
    assert prices.to_frame()["nominal"].tolist() == pd.read_csv(io.StringIO(done.stdout))["nominal"].tolist()
    done = edgelearn("run", *RUN, "--plot", "cli.svg", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    picture = small.plot(tmp_path / "api.svg")
    assert picture._repr_svg_().encode() == (tmp_path / "cli.svg").read_bytes() == (tmp_path / "api.svg").read_bytes()
    assert picture.save(tmp_path / "api.png").read_bytes().startswith(b"\x89PNG")
    assert prices.plot()._repr_svg_().startswith("<?xml")
    with pytest.raises(el.UserError, match="must end in"):
        small.plot(tmp_path / "api.gif")


def test_a_spiking_run_has_accuracy_energy_and_a_figure():
    result = el.run(spiking=True, net="64-8-10", epochs=1, limit=20, steps=8)
    assert result.accuracy == result.content["accuracy_percent"]
    assert result.energy > result.inference_energy > 0
    assert repr(result).count("\n") == 1
    needs("matplotlib")
    assert result.plot().svg.startswith("<?xml")


def test_settings_of_any_kind_are_run_as_before():
    branch = el.run(el.BranchSettings(iterations=2000, predictors="bimodal"))
    assert branch.energy is None
    assert len(repr(branch)) < 400
    with pytest.raises(el.UserError, match="has no figure"):
        branch.plot()


def test_streams_and_detectors_become_c_sources(tmp_path):
    rows = "\n".join(f"{i % 7},{i % 3},{'ab'[i // 40 % 2]}" for i in range(400))
    (tmp_path / "own.csv").write_text(f"x,y,label\n{rows}\n")
    of_classes = el.stream(str(tmp_path / "own.csv"), hidden="4")
    assert (of_classes.to_c(tmp_path / "classes", layout="cmake") / "CMakeLists.txt").is_file()
    detector = el.stream(str(tmp_path / "own.csv"), task="anomaly", normal_class="a", hidden="2")
    assert (detector.to_c(tmp_path / "detector") / "include/el_detector.h").is_file()
