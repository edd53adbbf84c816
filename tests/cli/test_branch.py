"""`edgelearn branch`: what it prints, and traces that are none."""

from __future__ import annotations

import bz2
import json

import pytest

from tests.cli.runner import edgelearn

TEXT = "".join(f"0x{64 + 16 * (k % 7):x} {int(k % 3 == 0)}\n" for k in range(4000))


def test_the_built_in_stream(tmp_path):
    result = edgelearn("branch", "--predictor", "perceptron,mdfa", "--iterations", "20000", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for text in ("deep xor, 12 random branches", "perceptron:885:36", "mdfa:156:24:8", "MPKI"):
        assert text in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_trace_as_json_and_as_a_sweep(tmp_path):
    (tmp_path / "t.txt.bz2").write_bytes(bz2.compress(TEXT.encode()))
    result = edgelearn("branch", "--trace", "t.txt.bz2", "--predictor", "gshare:13", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    content = json.loads(result.stdout)
    assert content["branches"] == 4000
    assert content["predictors"][0]["name"] == "gshare:13"
    swept = edgelearn(
        "branch", "--trace", "t.txt.bz2", "--predictor", "gshare,tage", "--sweep", "--plot", "s.png", cwd=tmp_path
    )
    assert swept.returncode == 0, swept.stderr
    assert (tmp_path / "s.png").stat().st_size > 10_000
    assert swept.stdout.count("gshare:") == 7


def test_the_list(tmp_path):
    result = edgelearn("branch", "--list", cwd=tmp_path)
    assert result.returncode == 0
    assert "no traces are here" in result.stdout
    assert "tournament" in result.stdout


BAD = {
    "cut.txt.bz2": (bz2.compress(TEXT.encode() * 50)[:-20], "cut.txt.bz2"),
    "odd.bin": ((5).to_bytes(4, "big") * 20 + b"\x00", "odd.bin"),
    "empty.txt": (b"", "empty.txt is empty"),
    "none.csv": (b"pc,taken\n", "none.csv"),
    "words.txt": (b"0x40 1\nhello there\n0x44 0\n", "words.txt"),
    "two.csv": (b"pc,taken\n64,2\n", "two.csv"),
}


@pytest.mark.parametrize("name", BAD)
def test_traces_that_are_none_are_told_in_one_line(tmp_path, name):
    content, text = BAD[name]
    (tmp_path / name).write_bytes(content)
    result = edgelearn("branch", "--trace", name, "--predictor", "gshare", cwd=tmp_path)
    assert result.returncode == 2
    assert text in result.stderr
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--trace", "no-such.bz2"), "is not a file"),
        (("--trace", "SM1"), "trace 'SM1' was not found"),
        (("--budget", "10B"), "budget 10 bytes is too small"),
        (("--budget", "lots"), "budget 'lots' is not possible"),
        (("--predictor", "gshar"), "Did you mean 'gshare'"),
        (("--plot", "a.png"), "--plot draws a sweep; give --sweep too"),
        (("--noise", "99"), "setting 'noise' = 99 is not allowed"),
        (("--limit", "5"), "limit and pc_shift are for traces"),
    ],
)
def test_mistakes(tmp_path, arguments, text):
    result = edgelearn("branch", *arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert text in result.stderr
    assert result.stdout == ""
