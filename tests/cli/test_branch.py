"""`edgelearn branch`: what it prints, and traces that are none."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma

import numpy as np
import pytest

from tests.cli.runner import edgelearn

TEXT = "".join(f"0x{64 + 16 * (k % 7):x} {int(k % 3 == 0)}\n" for k in range(4000))


def test_the_built_in_stream(tmp_path):
    result = edgelearn("branch", "--predictor", "perceptron,mdfa", "--iterations", "20000", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for text in ("A xor B after 12 random branches", "perceptron:885:36", "mdfa:156:24:8", "mispredicted"):
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
        "branch",
        "--trace",
        "t.txt.bz2",
        "--predictor",
        "gshare,tage",
        "--sweep",
        "--plot",
        "s.png",
        "--details",
        cwd=tmp_path,
    )
    assert swept.returncode == 0, swept.stderr
    assert (tmp_path / "s.png").stat().st_size > 10_000
    lines = [line.split() for line in swept.stdout.splitlines() if line.startswith("gshare")]
    assert [len(line) for line in lines] == [8, 8]  # what is missed, what is stored, at seven budgets
    assert lines[1][1:] == ["2.00", "4.00", "8.00", "16.00", "32.00", "64.00", "128.00"]


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
    "cut.txt.gz": (gzip.compress(TEXT.encode() * 50)[:-20], "cut.txt.gz"),
    "cut.txt.xz": (lzma.compress(TEXT.encode() * 50)[:-20], "cut.txt.xz"),
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
        (("--budget", "lots"), "setting 'budget': 'lots' is not a size; write whole bytes"),
        (("--predictor", "gshar"), "Did you mean 'gshare'"),
        (("--plot", "a.png"), "--plot draws a sweep; give --sweep too"),
        (("--noise", "99"), "setting 'noise' = 99 is not allowed"),
        (("--limit", "5"), "--limit and --pc-shift are for traces; give --trace FILE too"),
        (("--predictor", "gshare,tgae", "--sweep"), "Did you mean 'tage'"),
        (("--predictor", "foo", "--sweep"), "predictor 'foo' is not known"),
        (("--predictor", "gshare,tage", "--delay", "16"), "tage has no delay here; give --delay 0"),
        (("--predictor", "perceptron:100:40:3:4"), "has 4 parameters; perceptron takes history, or rows:history"),
        (("--predictor", "gshare:²"), "'²' is no whole number"),
        (("--budget", "²KB"), "setting 'budget': '²KB' is not a size"),
        (("--sweep", "--budget", "8KB"), "--sweep has budgets of its own"),
        (("--trace", "t.txt", "--seed", "0"), "(--seed) has no effect with --trace t.txt; leave out one of the two"),
        (("--trace", "t.txt", "--noise", "4", "--function", "and"), "(--function) has no effect with --trace t.txt"),
        (("--list", "--json"), "--list reads no other flag; leave --json out"),
        (("--list", "--plot", "a.png"), "--list reads no other flag; leave --plot out"),
        (("--noise", "60", "--iterations", "10000000"), "give 4,260,880 iterations or fewer"),
    ],
)
def test_mistakes(tmp_path, arguments, text):
    result = edgelearn("branch", *arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert text in result.stderr
    assert result.stdout == ""


def written(folder, instructions):
    (folder / "t.txt").write_text(TEXT)
    pc, taken = np.arange(3000, dtype=np.uint32) % 40, np.arange(3000) % 3 == 0
    with io.BytesIO() as file:
        np.savez(file, pc=pc, taken=taken, instructions=np.int64(instructions))
        (folder / "t.npz").write_bytes(file.getvalue())


def test_no_instructions_are_unknown_instructions(tmp_path):
    written(tmp_path, 0)
    result = edgelearn("branch", "--trace", "t.npz", "--predictor", "bimodal", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    content = json.loads(result.stdout)
    assert (content["instructions"], content["predictors"][0]["mpki"]) == (None, None)


def test_a_name_is_printed_as_it_is(tmp_path):
    """Not with a picture of a hundred in it."""
    written(tmp_path, 0)
    arguments = ("branch", "--trace", "t.txt", "--predictor", "perceptron:100:40,tage+mdfa")
    names = [row["name"] for row in json.loads(edgelearn(*arguments, "--json", cwd=tmp_path).stdout)["predictors"]]
    printed = edgelearn(*arguments, "--details", cwd=tmp_path).stdout
    assert names == ["perceptron:100:40", "tage:13:11:10:300+mdfa:19:45:4"]
    assert all(f"\n{name} " in printed for name in names)
    assert "is a lower bound" in " ".join(
        printed.split()
    )  # without tag comparison and choice, figures of TAGE are no latencies


def test_the_usual_predictors_with_a_delay(tmp_path):
    written(tmp_path, 0)
    result = edgelearn("branch", "--trace", "t.txt", "--delay", "16", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "note: left out, for they have no delay: tage, perceptron+mdfa" in result.stdout
    assert "gshare:17:delay=16" in result.stdout


def test_a_run_is_kept_and_repeated_from_its_configuration(tmp_path):
    written(tmp_path, 9000)
    flags = ("--trace", "t.npz", "--predictor", "gshare:9,mdfa", "--budget", "8KB", "--limit", "2500")
    assert edgelearn("branch", *flags, "--out", "a", cwd=tmp_path).returncode == 0
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"config.toml", "report.json", "weights.npz"}
    again = edgelearn("branch", "--config", "a/config.toml", "--out", "b", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    for name in ("config.toml", "report.json", "weights.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    resumed = edgelearn("branch", "--resume", "--out", "a", "--json", cwd=tmp_path)
    assert json.loads(resumed.stdout) == json.loads((tmp_path / "a/report.json").read_text())
    other = edgelearn("branch", *flags, "--pc-shift", "3", "--out", "a", cwd=tmp_path)
    assert other.returncode == 2
    assert "another configuration (pc_shift was None, is 3); give another --out, or --overwrite" in other.stderr
    swept = edgelearn("branch", "--sweep", "--out", "c", cwd=tmp_path)
    assert (swept.returncode, swept.stdout) == (2, "")
    assert "--sweep writes no folder; leave --out out" in swept.stderr


def test_an_interrupt_before_anything_is_kept_is_one_line(monkeypatch, tmp_path):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("edgelearn.runs.branch.synthetic_stream", interrupted)
    result = edgelearn("branch", "--out", "kept", cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "edgelearn: interrupted\n")
    assert not (tmp_path / "kept").exists()
