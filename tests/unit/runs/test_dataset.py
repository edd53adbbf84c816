"""Runs and commands inside one process: configuration, files, reports, progress."""

from __future__ import annotations

import json

import pytest

from edgelearn.cli import main
from edgelearn.config import RunConfig, make_config, read_toml
from edgelearn.errors import UserError
from edgelearn.network.spec import parse_net
from edgelearn.runs.checkpoint import Interrupted, defer_signals
from edgelearn.runs.rates import notes_on_rule, spec_of, width_notes
from edgelearn.runs.registry import run

pytestmark = pytest.mark.kernel

SMALL = {"net": "64-4-10", "epochs": 1, "limit": 40}
FLAGS = ["--net", "64-4-10", "--epochs", "1", "--limit", "40"]


def test_settings_survive_toml(tmp_path):
    config = make_config(SMALL | {"classes": ("3", "8"), "data": 'a "b" \\ c\x7f\n.csv', "strict": True, "seed": 7})
    path = tmp_path / "config.toml"
    path.write_text(config.to_toml())
    assert make_config(read_toml(path)) == config


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"bitz": 3}, "setting 'bitz' is not known; known: accumulator_bits, .*Did you mean 'bits'"),
        ({"epochs": 0}, "setting 'epochs' = 0 is not allowed; give a whole number, 1 or more"),
        ({"bits": "eight"}, "setting 'bits' = 'eight' is not allowed"),
        ({"bits": True}, "setting 'bits' = True is not allowed; give a whole number, 2 to 16"),
        ({"epochs": 3.0}, "setting 'epochs' = 3.0 is not allowed"),
        ({"classes": [3]}, "at least two different classes are needed"),
    ],
)
def test_bad_settings(settings, text):
    with pytest.raises(UserError, match=text):
        make_config(settings)


def test_a_broken_config_file(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text("a = = b")
    with pytest.raises(UserError, match=r"config file .*c\.toml cannot be read"):
        read_toml(path)
    with pytest.raises(UserError, match="No such file"):
        read_toml(tmp_path / "none.toml")


def test_every_setting_is_a_flag(capsys):
    """A setting without a flag cannot be reached from the command line."""
    assert main(["run", "--help"]) == 0
    printed = capsys.readouterr().out
    assert [one.flag for one in RunConfig.declared().values() if one.flag not in printed] == []


@pytest.mark.parametrize("rule", ["drtp", "bp"])
def test_the_report_says_what_the_counters_say(rule):
    seen = []
    report = run(make_config(SMALL | {"rule": rule}), on_progress=lambda work: seen.append(work.progress()[:2]))
    c = report.content
    assert seen == [(40, 40)]
    learning = c["counters"]["learning"]
    assert learning["samples"] == [40, 40]
    assert c["counters"]["inference"]["samples"] == [360, 360]
    assert c["per_sample"]["words"]["weight"]["written"] == pytest.approx(sum(learning["weight_write"]) / 40, abs=1e-4)
    assert sum(row["saturations"] for row in c["layers"]) == sum(learning["saturations"])
    assert (c["buffers"] == []) == (rule == "drtp")
    assert json.loads(report.to_json()) == json.loads(json.dumps(c))


def test_narrow_factors_are_run_and_priced():
    wide, narrow = (run(make_config(SMALL | {"rule": "dfa", "delta_bits": bits})).content for bits in (16, 8))
    assert narrow["layers"] != wide["layers"]
    area = [c["cost"]["rules"][0]["training"]["area_um2"]["nominal"] for c in (wide, narrow)]
    assert area[1] < area[0]
    assert [layer["delta_bits"] for layer in narrow["network"]["layers"]] == [8, 8]


@pytest.mark.parametrize(
    ("rule", "delta_bits", "needed"),
    [("drtp", 9, 9), ("drtp", 8, None), ("shallow", 12, 9), ("sdfa", 12, 12), ("sdfa", 11, None), ("dfa", 15, None)],
)
def test_widths_that_narrow_nothing_are_noted(rule, delta_bits, needed):
    notes = run(make_config(SMALL | {"rule": rule, "delta_bits": delta_bits})).content["notes"]
    found = [note for note in notes if "narrows nothing" in note]
    if needed is None:
        assert not found
    else:
        assert found == [f"--delta-bits {delta_bits} narrows nothing: {rule} needs {needed} bits here"]


@pytest.mark.parametrize("rule", ["bp", "fa"])
def test_modulators_wider_than_their_d_are_narrowed(rule):
    """Layers so wide that d has fewer bits than delta_bits: both have the same reach of d, and other modulators."""
    config = make_config({"rule": rule, "delta_bits": 15})
    spec, wide = (spec_of(config.model_copy(update={"delta_bits": n}), (64, 2000, 2000, 10)) for n in (15, 16))
    assert [layer.delta_reach for layer in spec.layers] == [layer.delta_reach for layer in wide.layers]
    assert spec.layers[0].modulator_max < wide.layers[0].modulator_max
    assert width_notes(config, spec) == []


def test_commands_in_process(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["run", *FLAGS, "--rule", "bp", "--out", "a"]) == 0
    printed = capsys.readouterr().out
    for text in ("bp on digits, 64-4-10", "test accuracy", "next: --details", "written: a/report.json"):
        assert text in printed
    assert main(["run", "--resume", "--out", "a", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "a/report.json").read_text())
    assert main(["run", *FLAGS, "--accumulator-bits", "9"]) == 0
    assert "note: accumulator overflows: " in capsys.readouterr().out
    assert main(["rules"]) == 0
    assert "drtp" in capsys.readouterr().out
    assert main(["data", "info", "digits"]) == 0
    assert "1437 train" in capsys.readouterr().out
    assert main(["data", "fetch", "digits"]) == 0
    assert main(["run", "--bits", "1"]) == 2
    assert (
        capsys.readouterr().err
        == "edgelearn: setting 'bits' = 1 is not allowed; give a whole number, 2 to 16 (--bits)\n"
    )
    assert main(["run", "--nonsense"]) == 2
    assert main(["run", *FLAGS, "--out", "a"]) == 2
    assert "another configuration" in capsys.readouterr().err


def test_an_interrupt_leaves_a_checkpoint_of_one_moment(tmp_path, monkeypatch, capsys):
    import os
    import signal

    monkeypatch.setattr("edgelearn.runs.epochs.CHUNK", 15)
    monkeypatch.setattr("edgelearn.runs.checkpoint.CHECKPOINT_SECONDS", 0.0)
    config = make_config(SMALL | {"rounding": "stochastic"})

    def strike(work):
        if work.place.position == 30:
            os.kill(os.getpid(), signal.SIGINT)

    out = tmp_path / "a"
    with pytest.raises(Interrupted) as interrupt:
        run(config, out, on_progress=strike)
    assert interrupt.value.folder == out
    assert (out / "checkpoint.npz").exists()
    assert not (out / "report.json").exists()
    resumed = run(config, out, resume=True)
    assert resumed == run(config)
    assert not (out / "checkpoint.npz").exists()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("edgelearn.runs.checkpoint.CHECKPOINT_SECONDS", -1.0)
    with pytest.raises(Interrupted) as interrupt:
        run(config, on_progress=strike)
    assert str(interrupt.value.folder) == "edgelearn-interrupted"
    with pytest.raises(Interrupted) as second:
        run(config, on_progress=strike)
    assert str(second.value.folder) == "edgelearn-interrupted-2"  # the first is kept
    assert run(config, interrupt.value.folder, resume=True) == resumed


def test_a_run_is_not_continued_on_changed_data(tmp_path, monkeypatch):
    import os
    import signal

    monkeypatch.setattr("edgelearn.runs.epochs.CHUNK", 5)
    data = tmp_path / "mine.csv"
    rows = [f"{i % 7},{i % 3},{i % 2}" for i in range(60)]
    data.write_text("\n".join(rows) + "\n")
    config = make_config({"data": str(data), "net": "2-4-2", "epochs": 2})
    with pytest.raises(Interrupted):
        run(config, tmp_path / "a", on_progress=lambda work: os.kill(os.getpid(), signal.SIGINT))
    data.write_text("\n".join(reversed(rows)) + "\n")
    with pytest.raises(UserError, match="was made with other samples"):
        run(config, tmp_path / "a", resume=True)


def test_classes_are_named_as_in_the_data(tmp_path):
    data = tmp_path / "mine.csv"
    data.write_text("".join(f"{i % 7},{i % 5},{i % 3 + 1}\n" for i in range(60)))
    settings = {"data": str(data), "net": "2-4-2", "epochs": 1}
    assert run(make_config(settings | {"classes": "1,2"})).content["data"]["classes"] == ["1", "2"]
    with pytest.raises(UserError, match=r"class '0' is not in .*; it has 1, 2, 3"):
        run(make_config(settings | {"classes": "0,1"}))


def test_notes_warn_of_learning_that_cannot_work():
    content = run(make_config({"classes": "3,8", "net": "64-4-1", "epochs": 1, "limit": 30})).content
    assert any("teaches hidden layers on label 1 only" in note for note in content["notes"])
    stuck = run(make_config(SMALL | {"hidden_rate": -20, "output_rate": -20, "rounding": "nearest"})).content
    assert any("no better than always giving the most frequent class" in note for note in stuck["notes"])


def test_a_finished_run_is_not_learned_again(tmp_path):
    config = make_config(SMALL)
    first = run(config, tmp_path / "a")
    again = run(config, tmp_path / "a", resume=True, on_progress=lambda work: pytest.fail("learned again"))
    assert again.to_json() == first.to_json()


def test_a_changed_checkpoint_is_damaged(tmp_path):
    import numpy as np

    from edgelearn.files import read_arrays, write_arrays
    from edgelearn.runs.checkpoint import save_checkpoint
    from edgelearn.runs.dataset import DatasetWork

    config, out = make_config(SMALL), tmp_path / "a"
    out.mkdir()
    (out / "config.toml").write_text(config.to_toml())
    save_checkpoint(DatasetWork(config), config, out)
    arrays, note = read_arrays(out / "checkpoint.npz")
    for change in ({"layer1_feedback": np.full((10, 4), 3000, np.int16)}, {"generator": np.zeros(1, np.uint32)}):
        write_arrays(out / "checkpoint.npz", arrays | change, note)
        with pytest.raises(UserError, match=r"checkpoint\.npz is damaged; start again with --overwrite"):
            run(config, out, resume=True)
    for change in ({"progress": {"position": -1}}, {"config": 5}):
        write_arrays(out / "checkpoint.npz", arrays, note | change)
        with pytest.raises(UserError, match="is damaged"):
            run(config, out, resume=True)


def test_a_second_signal_is_obeyed_at_once():
    import signal

    def strike_twice():
        with defer_signals() as noted:
            signal.raise_signal(signal.SIGINT)
            assert noted == [signal.SIGINT]
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        strike_twice()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_classes_are_kept_and_relabelled():
    content = run(make_config({"classes": [8, 3], "net": "64-4-1", "epochs": 1, "limit": 30})).content
    assert content["data"]["classes"] == ["8", "3"]
    with pytest.raises(UserError, match="class '12' is not in digits; it has 0, 1, 2"):
        run(make_config({"classes": "3,12"}))
    with pytest.raises(
        UserError, match="net '64-4-10' does not fit digits: 64 features and 2 classes; try --net 64-4-2"
    ):
        run(make_config({"classes": "3,8", "net": "64-4-10"}))


@pytest.mark.parametrize(
    ("settings", "rows", "advised"),
    [
        ({"data": "own.csv"}, 4_000, True),
        ({"data": "own.csv"}, 4_001, False),
        ({"data": "own.csv", "rule": "dfa"}, 100, False),
        ({"data": "own.csv", "net": "4-3"}, 100, False),
        ({"data": "digits"}, 100, False),
    ],
)
def test_few_rows_of_own_data_under_the_default_rule_are_noted(settings, rows, advised):
    spec = spec_of(config := make_config(settings), parse_net(settings.get("net", "4-5-3")))
    told = [f"from few rows ({rows:,}) --rule dfa or local often learns more than drtp, the default"]
    assert notes_on_rule(config, spec, rows) == (told if advised else [])
