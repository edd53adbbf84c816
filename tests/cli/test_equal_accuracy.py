"""`edgelearn study equal-accuracy`: table, JSON, page, continuation and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgelearn.cli.equal_accuracy import _typed
from tests.cli.runner import edgelearn

pytest.importorskip("pyarrow", reason='studies need pip install "edgelearn[studies]"')
QUICK = ("study", "equal-accuracy", "--rule", "shallow", "--seeds", "1", "--epochs", "1", "--limit", "100")
QUICK = (*QUICK, "--net", "64-8-10", "--jobs", "1")


def test_the_study_is_printed_kept_and_continued(tmp_path):
    first = edgelearn(*QUICK, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "Compared at" in first.stdout
    content = json.loads((tmp_path / "equal-accuracy" / "equal_accuracy.json").read_text())
    assert [one["rule"] for one in content["rules"]] == ["shallow"]
    again = edgelearn(*QUICK, "--accuracy", "99.5", "--json", cwd=tmp_path)
    content = json.loads(again.stdout)
    assert (content["accuracy_percent"], content["accuracy_is"]) == (99.5, "given")
    assert [one["seeds_that_reach"] for one in content["rules"]] == [0]
    page = edgelearn("report", "equal-accuracy", "--markdown", cwd=tmp_path)
    assert page.returncode == 0, page.stderr
    assert "## At equal accuracy" in (tmp_path / "equal-accuracy" / "report.md").read_text()


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (("--accuracy", "0"), "--accuracy 0 is not allowed; give a percentage above 0, up to 100"),
        (("--rule", "bp,bp"), "give each once"),
        (("--seeds", "0"), "seeds 0 cannot be used"),
        (("--plot", "a.gif"), "must end in .png, .svg or .pdf"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(tmp_path, flags, text):
    result = edgelearn("study", "equal-accuracy", *flags, cwd=tmp_path)
    assert result.returncode == 2
    assert text in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_switches_are_in_the_command_that_continues():
    given = {"net": "8x8x1-conv2x3x3-10", "kernel_bias": True}
    assert _typed(given, "all", 2, Path("a"))[:3] == ["--net", "8x8x1-conv2x3x3-10", "--kernel-bias"]
    assert _typed({"kernel_bias": False}, "all", 2, Path("a"))[:2] == ["--no-kernel-bias", "--rule"]
