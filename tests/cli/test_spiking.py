"""`edgelearn run --spiking` and `validate --against brian2`: what a user types, prints, files, exit codes."""

from __future__ import annotations

import json

import pytest

from tests.cli.runner import edgelearn

QUICK = ("run", "--spiking", "--net", "64-8-10", "--epochs", "1", "--limit", "100")


def test_digits_are_learned_as_spikes(tmp_path):
    result = edgelearn("run", "--spiking", "--rule", "drtp", "--bits", "8", "--data", "digits", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    content = json.loads(result.stdout)
    assert content["result"]["accuracy"] > 0.91
    assert content["cost"]["processor"] == "loihi-like"
    assert list(tmp_path.iterdir()) == []


def test_what_is_printed_and_written(tmp_path):
    files = ("--out", "out", "--plot", "a.svg", "--nir", "net.nir")
    pytest.importorskip("nir")
    result = edgelearn(*QUICK, *files, "--details", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for text in (
        "test accuracy",
        "synaptic operations",
        "weights written",
        "cost on loihi-like",
        "energy per synaptic operation",
    ):
        assert text in result.stdout
    names = {"report.json", "config.toml", "weights.npz"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    for name in ("a.svg", "net.nir", "net.json"):
        assert (tmp_path / name).stat().st_size > 1000
    again = edgelearn("run", "--config", "out/config.toml", "--out", "again", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    for name in names:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    resumed = edgelearn("run", "--resume", "--out", "out", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    started = edgelearn(
        "run", "--spiking", "--start", "net.nir", "--epochs", "0", "--limit", "100", "--json", cwd=tmp_path
    )
    assert started.returncode == 0, started.stderr
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert json.loads(started.stdout)["result"]["accuracy"] == report["result"]["accuracy"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ("run", "--spiking", "--activation", "relu"),
            "--activation is for rate networks; leave it out with --spiking",
        ),
        (("run", "--neuron", "if"), "--neuron is for spiking networks; give --spiking too"),
        (("run", "--refractory", "0"), "--refractory is for spiking networks"),
        (("run", "--spiking", "--dead-zone", "0"), "--dead-zone is for rate networks"),
        (("run", "--data", "nmnist"), "is a set of address events, which spiking networks learn; give --spiking"),
        (("validate", "--against", "brian2", "--epochs", "2"), "--epochs is not for --against brian2"),
        (("run", "--plot", "a.gif"), "plot file a.gif must end in .png, .svg or .pdf"),
        (("run", "--spiking", "--plot", "a.gif"), "must end in .png, .svg or .pdf"),
        (("run", "--spiking", "--nir", "a.h5"), "a NIR graph ends in .nir"),
        (("run", "--spiking", "--nir", "none/a.nir"), "there is no folder none"),
        (("run", "--spiking", "--nir", "a.nir", "--neuron", "alif"), "neurons are alif, which NIR does not know"),
        (("run", "--spiking", "--data", "nmnist"), "was not found"),
        (("run", "--spiking", "--start", "none.nir"), "none.nir does not exist"),
        (("run", "--spiking", "--processor", "engine-28nm"), "has no synaptic operations"),
        (("run", "--spiking", "--epochs", "-1"), "setting 'epochs' = -1 is not allowed"),
        (("validate", "--against", "torch", "--spiking"), "give --against brian2"),
        (("validate", "--against", "nest"), "reference 'nest' is not known"),
    ],
)
def test_mistakes(tmp_path, arguments, text):
    if "--nir" in arguments or "--start" in arguments:
        pytest.importorskip("nir")
    result = edgelearn(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert text in result.stderr
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "sample,t,address,label\n", "sample,t,address,label\n0,5"])
def test_files_of_events_that_are_empty_or_cut(tmp_path, content):
    (tmp_path / "e.csv").write_text(content)
    result = edgelearn("run", "--spiking", "--data", "e.csv", cwd=tmp_path)
    assert result.returncode == 2
    assert "e.csv" in result.stderr
    assert "Traceback" not in result.stderr


def test_beside_brian2(tmp_path):
    try:
        import brian2  # noqa: F401
    except ImportError:
        result = edgelearn("validate", "--against", "brian2", cwd=tmp_path)
        assert result.returncode == 2
        assert 'pip install "brian2>=' in result.stderr
        return
    arguments = ("validate", "--against", "brian2", "--net", "64-12-10", "--limit", "6")
    result = edgelearn(*arguments, "--rule", "dfa", "--out", "out", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "equal: every spike" in result.stdout
    content = json.loads((tmp_path / "out/validation.json").read_text())
    assert content["difference"] is None
    assert (content["steps"], content["checkpoints"]) == (192, 20)
    assert content["totals"]["synaptic_updates"] > 0
    delayed = edgelearn(*arguments, "--delay", "2", "--neuron", "cuba", "--json", cwd=tmp_path)
    assert delayed.returncode == 0, delayed.stderr
    assert "without a fresh start" in json.loads(delayed.stdout)["notes"][0]
