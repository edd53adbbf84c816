"""Flags without effect, flags given twice, and numbers that are none: one line that names the flag."""

from __future__ import annotations

import json

import pytest

from edgelearn import config
from edgelearn.config import RunConfig, StreamConfig, check_effect, validated
from edgelearn.errors import UserError
from tests.cli.runner import QUICK, edgelearn
from tests.cli.test_errors import assert_refused

STORING = " or ".join((", ".join(config.STORE_FEEDBACK[:-1]), config.STORE_FEEDBACK[-1]))
KINDS = (config.RunConfig, config.StreamConfig, config.SpikingConfig, config.BranchSettings)
CONDITIONAL = [(kind, one) for kind in KINDS for one in kind.declared().values() if one.needs]


@pytest.mark.parametrize(("kind", "one"), CONDITIONAL, ids=lambda x: getattr(x, "name", None) or x.__name__)
def test_a_setting_has_an_effect_beside_the_values_that_it_needs_only(kind, one):
    name, *values = one.needs
    other = kind.declared()[name]
    assert None in values or all(value not in (None, "") for value in values)
    for value in values:
        check_effect(validated(kind, {} if value is None else {name: value}), [one.name], {})
    without = {
        "rule": "shallow",
        "net": "4-3-2",
        "trace": "a.csv",
        "encoder": "levels",
        "data": "a.csv",
        "update_gate": "always",
        "kernels": "frozen",
        "task": "anomaly" if "classify" in values else "classify",
    }
    without |= {"encoder": "delta"} if one.name == "reach" else {}
    without |= {"rule": "bp"} if one.name == "feedback" else {}
    resolved = validated(kind, {name: without[name]})
    with pytest.raises(UserError, match=f"\\({one.flag}\\) has no effect with {other.flag} {without[name]}; leave"):
        check_effect(resolved, [one.name], {})
    check_effect(resolved, [], {one.name: one.default})  # as files of finished runs have it
    check_effect(resolved, [name], {one.name: "another"})  # flags take precedence over a file
    with pytest.raises(UserError, match="has no effect"):
        check_effect(resolved, [], {one.name: "another"})


def test_the_file_of_a_finished_run_is_taken(tmp_path):
    for name, kind in (("run", RunConfig), ("stream", StreamConfig)):
        (tmp_path / f"{name}.toml").write_text(kind().to_toml())
    short = edgelearn("run", "--config", "run.toml", *QUICK, "--json", cwd=tmp_path)
    assert short.returncode == 0, short.stderr
    stream = edgelearn("stream", "--config", "stream.toml", "--limit", "50", "--json", cwd=tmp_path)
    assert stream.returncode == 0, stream.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["run", "--config", "a.toml", "--config", "b.toml"], "--config is given 2 times; give it once"),
        (["run", "--bits", "4", "--rule", "bp", "--bits", "5"], "--bits is given 2 times; give it once"),
        (["run", "--strict", "--no-strict"], "--strict/--no-strict is given 2 times; give it once"),
        (["run", "--bits", "2.5"], "--bits 2.5 is not allowed; give a whole number, 2 to 16"),
        (["run", "--epochs", "1e3"], "--epochs 1e3 is not allowed; give a whole number, 1 or more"),
        (["run", "--seed", "1_0"], "--seed 1_0 is not allowed; give a whole number, 0 to 2147483647"),
        (["run", "--test-fraction", "half"], "--test-fraction half is not allowed; give a number, between 0 and 1"),
        (["run", "--details", "--json"], "--details is of the printed report; leave it out with --json"),
        (["cost", "--csv", "--details"], "--details is of the printed report; leave it out with --csv"),
        (["run", "--margin", "5"], "setting 'margin' (--margin) has no effect with --update-gate always; leave it out"),
        (["validate", "--rule", "shallow", "--hidden-rate", "-3"], "(--hidden-rate) has no effect with --rule shallow"),
        (["stream", "--hidden", "3", "--net", "4-5-2"], "(--hidden) has no effect with --net 4-5-2; leave out one of"),
        (["stream", "--deadline", "20"], "setting 'deadline': '20' is not a time; write a number and one of ns, us, ms, s, for example '20 ms' (--deadline)"),
        (["firmware", "verify", "--rule", "bp", "--feedback", "sign"], f"leave it out, or give --rule {STORING}"),
        *[
            ([*command, "--kernels", "learn"], "--kernels learn has no effect in a network without convolutions")
            for command in (["run"], ["stream"], ["validate"], ["firmware", "verify"], ["cost", "--rule", "dfa"])
        ],
        (["run", "--spiking", "--net", "8x8x1-conv4x3-10"], "has convolutions, and a spiking network has none"),
        (["cost", "--rule", "dfa", "--input-shape", "8x8x1"], "--input-shape is of convolutions"),
        (["cost", "--net", "8x8x1-conv4x3-10", "--input-shape", "4x4x1"], "takes 8x8x1, and --input-shape is 4x4x1"),
        (["run", "--overwrite"], "--overwrite replaces the run in a folder; give --out DIR"),
        (["run", "--overwrite", "--resume", "--out", "a"], "give one of the two"),
    ],
)  # fmt: skip
def test_flags_without_effect(tmp_path, arguments, text):
    assert_refused(edgelearn(*arguments, cwd=tmp_path), text)
    assert list(tmp_path.iterdir()) == []


def test_a_file_may_have_the_names_of_flags(tmp_path):
    (tmp_path / "a.toml").write_text('predictor = "bimodal:6"\niterations = 30\n')
    taken = edgelearn("branch", "--config", "a.toml", "--json", cwd=tmp_path)
    assert '"predictors": "bimodal:6"' in taken.stdout, taken.stderr
    (tmp_path / "a.toml").write_text('predictor = "bimodal:6"\npredictors = "gshare:6"\n')
    assert_refused(edgelearn("branch", "--config", "a.toml", cwd=tmp_path), "setting 'predictors' is given twice")
    (tmp_path / "b.toml").write_text("hidden-rate = -3\nbits = 99\n")
    assert_refused(
        edgelearn("run", "--config", "b.toml", cwd=tmp_path),
        "setting 'bits' = 99 is not allowed; give a whole number, 2 to 16 (--bits)",
    )


def test_long_texts_are_cut(tmp_path):
    for arguments in (["--rule", "Q" * 500], ["--config", "Q" * 200], ["--seed", "9" * 300], ["--net", "Q " * 200]):
        refused = edgelearn("run", *arguments, cwd=tmp_path)
        assert_refused(refused, "...")
        assert "Q" * 61 not in refused.stderr
        assert "9" * 61 not in refused.stderr
        assert len(refused.stderr) < 400


def test_lists_for_programs(tmp_path):
    for arguments, name in ((("data", "list"), "digits"), (("processors", "list"), "cortex-m0")):
        listed = edgelearn(*arguments, "--json", cwd=tmp_path)
        assert name in {row["name"] for row in json.loads(listed.stdout)}, listed.stderr
    shown = edgelearn("processors", "show", "cortex-m0", cwd=tmp_path)
    assert shown.stdout.count("firmware_instructions.json") == 1
