"""`edgelearn firmware ...`: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from edgelearn.runs.start import start_from
from tests.cli.runner import edgelearn
from tests.firmware.firmware_cases import require

SMALL = ("--net", "64-12-10")


def test_verify_says_equal_for_people_and_programs(tmp_path):
    require("gcc", "host")
    host = ("--target", "host", "--compiler", "gcc", "--samples", "300")
    result = edgelearn("firmware", "verify", *SMALL, *host, "--rule", "dfa", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "dfa on digits, 64-12-10, 8-bit view and 8 residual bits, residual rounding"
    assert lines[2].startswith("host")
    assert lines[2].count("equal") == 2
    result = edgelearn("firmware", "verify", *SMALL, *host, "--rule", "dfa", "--json", cwd=tmp_path)
    (found,) = json.loads(result.stdout)
    assert (found["equal"], found["data"]["samples"], found["data"]["difference"]) == (True, 300, None)
    assert found["stress"]["events"]["saturations"] > 0
    assert list(tmp_path.iterdir()) == []


def test_verify_on_an_emulated_core(tmp_path):
    require("zig", "cortex-m0")
    settings = ("--target", "cortex-m0,rv32", "--samples", "100", "--rounding", "stochastic")
    result = edgelearn("firmware", "verify", *SMALL, *settings, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert [line.split()[0] for line in result.stdout.splitlines()[2:4]] == ["cortex-m0", "rv32"]
    assert result.stdout.count("equal") == 4


def test_profile_sets_counted_weights_beside_simulated_ones(tmp_path):
    require("zig", "cortex-m4")
    result = edgelearn("firmware", "profile", *SMALL, "--rule", "drtp", "--windows", "2", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    (row,) = json.loads(result.stdout)
    assert row["weight_loads"] == row["weight_loads_simulated"]
    assert row["weight_stores"] == row["weight_stores_simulated"]
    assert row["modelled"] == pytest.approx(row["learn"], rel=0.1)
    assert row["predict"] < row["learn"]
    assert row["accesses"]["load weights"] > row["accesses"]["store weights"] > 0


def test_size_shows_a_column_a_rule(tmp_path):
    require("zig", "rv32")
    result = edgelearn("firmware", "size", *SMALL, "--rule", "drtp,bp", "--target", "rv32", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "bytes on rv32, -Os"
    assert lines[1].split() == ["drtp", "bp"]
    rows = {" ".join(line.split()[:-2]): line.split()[-2:] for line in lines[2:-1]}
    assert lines[-1] == "next: edgelearn firmware emit DIR --net 64-12-10 --rule drtp"
    assert rows["RAM weights"] == ["1,820", "1,820"]
    assert int(rows["RAM buffers"][0]) < int(rows["RAM buffers"][1])


def test_budget_goes_on_with_the_same_settings(tmp_path):
    (tmp_path / "my.toml").write_text("bits = 4\n")
    flags = ["--net", "8x8x1-conv2x3x3-8-10", "--kernels", "frozen", "--config", "my.toml", "--rule", "dfa,bp"]
    result = edgelearn("firmware", "budget", "--ram", "16K", "--flash", "64K", *flags, cwd=tmp_path)
    kept = "--net NET --kernels frozen --config my.toml --rule"
    shown = " ".join(result.stdout.split())
    assert shown.endswith(f"next: edgelearn firmware size {kept} dfa,bp | edgelearn firmware emit DIR {kept} dfa")


def test_budget_names_what_fits_and_what_stops_it(tmp_path):
    result = edgelearn("firmware", "budget", "--ram", "16K", "--flash", "64K", "--json", cwd=tmp_path)
    rows = {row["rule"]: row for row in json.loads(result.stdout)}
    assert rows["drtp"]["limited by"] == "RAM"
    assert rows["shallow"]["limited by"] == "flash"
    assert rows["drtp"]["RAM"] <= 16384
    result = edgelearn("firmware", "budget", "--ram", "512", "--flash", "64K", "--rule", "bp", cwd=tmp_path)
    assert "nothing" in result.stdout
    assert result.returncode == 0


def test_bare_shapes_need_no_data(tmp_path):
    result = edgelearn(
        "firmware", "budget", "--net", "18-64-3", "--ram", "2K", "--flash", "64K", "--json", cwd=tmp_path
    )
    rows = {row["rule"]: row for row in json.loads(result.stdout)}
    assert rows["shallow"]["given"] == "fits"
    assert rows["drtp"]["given"] == "too large"
    assert rows["drtp"]["given RAM"] > 2048 >= rows["drtp"]["RAM"]
    shown = edgelearn("firmware", "budget", "--net", "18-64-3", "--ram", "2K", "--flash", "64K", cwd=tmp_path).stdout
    assert "without --data: levels and labels are drawn at random" in " ".join(shown.split())
    refused = edgelearn("firmware", "emit", "board", "--net", "18-64-3", cwd=tmp_path)
    assert refused.returncode == 2  # a board needs the ranges of its inputs


def test_a_rule_per_layer_is_one_network_among_several(tmp_path):
    arguments = ("--net", "64-12-8-10", "--rule", "dfa+DRTP,bp", "--ram", "16K", "--flash", "64K", "--json")
    result = edgelearn("firmware", "budget", *arguments, cwd=tmp_path)
    assert [row["rule"] for row in json.loads(result.stdout)] == ["dfa+drtp", "bp"]


def test_operate_tells_what_became_of_samples(tmp_path):
    require("zig", "cortex-m0")
    board = (
        "--target",
        "cortex-m0",
        "--clock",
        "1 MHz",
        "--sample-rate",
        "20 Hz",
        "--samples",
        "400",
        "--save-every",
        "50",
    )
    loss = ("--power-loss", "5 s:1 s", "--deadline", "45 ms")
    result = edgelearn("firmware", "operate", *SMALL, *board, *loss, "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["instructions"]["predict"] < found["instructions"]["learn"]
    assert found["learned"] + found["dropped"] + found["missed"] == found["arrived"] == 400
    assert found["missed"] >= 20  # a second without power
    assert found["saves"] >= 5
    assert 0 < found["forgotten"] < 50
    assert 0.5 < found["utilisation"] < 1
    result = edgelearn("firmware", "operate", *SMALL, *board, *loss, cwd=tmp_path)
    assert f"{found['instructions']['learn']:,} instructions to learn" in result.stdout


def arrays_of(header):
    """Return the arrays of a generated header by name."""
    found = re.findall(r"(\w+)\[\d+\][^=]*= \{([^}]*)\}", header)
    return {name: np.array(text.split(","), int) for name, text in found}


def test_emit_writes_a_package_from_settings_or_from_a_run(tmp_path):
    require("gcc", "host")
    result = edgelearn("firmware", "emit", "board", *SMALL, "--rule", "bp", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    edgelearn("run", *SMALL, "--rule", "bp", "--epochs", "2", "--out", "done", cwd=tmp_path)
    result = edgelearn("firmware", "emit", "learned", "--run", "done", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    numbers = [(tmp_path / name / "include/el_numbers.h").read_text() for name in ("board", "learned")]
    assert numbers[0] != numbers[1]
    for name in ("board", "learned"):
        subprocess.run(["make", "-s"], cwd=tmp_path / name, check=True)
        assert subprocess.run(["./selftest"], cwd=tmp_path / name).returncode == 0


def test_the_self_test_takes_samples_of_the_users_file(tmp_path):
    """As the run reads them: by its ranges and classes, in an order of their own."""
    require("gcc", "host")
    rng = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{'yes' if a > b else 'no'}" for a, b in rng.normal(0, 1, (80, 2))]
    (tmp_path / "all.csv").write_text("\n".join(["a,b,label", *rows]))
    (tmp_path / "mine.csv").write_text("\n".join(["a,b,label", "0.5,-0.5,yes", "-9,0.25,no", "0.1,0.2,no"] * 5))
    (tmp_path / "other.csv").write_text("a,b,label\n0.5,0.1,yes\n0.2,0.7,perhaps\n" * 5)
    edgelearn("run", "--data", "all.csv", "--net", "2-4-1", "--epochs", "2", "--out", "done", cwd=tmp_path)
    result = edgelearn("firmware", "emit", "el", "--run", "done", "--selftest", "mine.csv", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    numbers = (tmp_path / "el/test/el_selftest_numbers.h").read_text()
    arrays = arrays_of(numbers)
    low, high = np.loadtxt(tmp_path / "el/ranges.csv", delimiter=",", skiprows=1).T
    expected = {tuple(np.clip(np.floor((np.array(row) - low) / (high - low) * 16), 0, 15).astype(int)): label
                for row, label in (((0.5, -0.5), 1), ((-9, 0.25), 0), ((0.1, 0.2), 0))}  # fmt: skip
    order = json.loads((tmp_path / "done/report.json").read_text())["data"]["classes"]
    pairs = zip(arrays["EL_SELFTEST_LEVELS"].reshape(-1, 2).tolist(), arrays["EL_SELFTEST_LABELS"], strict=True)
    assert {tuple(levels): order[label] for levels, label in pairs} == {
        levels: ("no", "yes")[label] for levels, label in expected.items()
    }
    subprocess.run(["make", "-s"], cwd=tmp_path / "el", check=True)
    assert subprocess.run(["./selftest"], cwd=tmp_path / "el").returncode == 0
    for arguments, message in (
        (("--run", "done", "--selftest", "other.csv"), "class 'perhaps' of other.csv is none of done: "),
        (
            ("--run", "done", "--selftest", "digits"),
            "digits has 64 features per sample, and the network of done takes 2",
        ),
        (("--selftest", "mine.csv"), "--selftest takes the place of the data of a run"),
    ):
        result = edgelearn("firmware", "emit", "new", *arguments, cwd=tmp_path)
        assert (result.returncode, message in result.stderr, len(result.stderr.splitlines())) == (2, True, 1)
        assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("learn", ["last", "all"])
def test_emit_of_a_quantised_model_converts_its_tensor(tmp_path, learn):
    """The self-test holds integers of the user's file, as the model's runtime gives them."""
    require("gcc", "host")
    for package in ("tflite", "flatbuffers"):
        pytest.importorskip(package)
    from tests.unit.pretrained.tflite_models import integer_model

    integer_model(tmp_path / "m.tflite", per_channel=True)
    rng = np.random.default_rng(4)
    for name, n in (("x", 90), ("mine", 60)):
        np.savez(tmp_path / f"{name}.npz", x=rng.integers(-128, 128, (n, 8)).astype(np.int8), y=np.arange(n) % 3)
    start = ("--start", "m.tflite", "--cut", "in", "--learn", learn, "--rule", "dfa")
    result = edgelearn("run", *start, "--data", "x.npz", "--epochs", "1", "--out", "done", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    (tmp_path / "c.toml").write_text(
        f'start = "m.tflite"\ncut = "in"\nlearn = "{learn}"\nrule = "dfa"\ndata = "x.npz"\nepochs = 1\n'
    )
    host = ("--target", "host", "--compiler", "gcc", "--samples", "100")
    result = edgelearn("firmware", "verify", "--config", "c.toml", *host, cwd=tmp_path)
    assert (result.returncode, result.stderr, result.stdout.count(" equal ")) == (0, "", 2)
    assert edgelearn("firmware", "emit", "new", "--config", "c.toml", cwd=tmp_path).returncode == 0
    initial = arrays_of((tmp_path / "new/include/el_numbers.h").read_text())["EL_INITIAL"]
    source = start_from(tmp_path / "m.tflite", cut="in", rule="dfa", learn=learn)
    last = len(source.sizes) - 1
    expected = np.hstack([source.words[f"layer{last}_weights"], source.words[f"layer{last}_biases"][:, None]]).ravel()
    assert np.corrcoef(initial[-len(expected) :], expected)[0, 1] > 0.99  # scales of hidden layers are calibrated
    subprocess.run(["make", "-s"], cwd=tmp_path / "new", check=True)
    assert subprocess.run(["./selftest"], cwd=tmp_path / "new").returncode == 0
    shutil.rmtree(tmp_path / "new")
    result = edgelearn("firmware", "budget", "--config", "c.toml", "--ram", "9K", "--flash", "9K", cwd=tmp_path)
    assert (result.returncode, "and those of m.tflite are given" in result.stderr) == (2, True)
    (tmp_path / "m.tflite").unlink()  # the folder has all that is needed
    result = edgelearn("firmware", "emit", "el", "--run", "done", "--selftest", "mine.npz", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert "levels: from the tensor 'in', by el_levels of include/el_levels.h" in result.stdout
    assert "#define EL_ZERO_POINT (-128)" in (tmp_path / "el/include/el_levels.h").read_text()
    values = arrays_of((tmp_path / "el/test/el_selftest_numbers.h").read_text())["EL_SELFTEST_VALUES"].reshape(-1, 8)
    mine = {tuple(row) for row in np.load(tmp_path / "mine.npz")["x"].tolist()}
    assert len(values) == 40
    assert {tuple(row) for row in values.tolist()} <= mine
    assert (tmp_path / "el/example/tflm_example.cpp").exists()
    assert "tensor `in` of your model" in (tmp_path / "el/README.md").read_text()
    subprocess.run(["make", "-s"], cwd=tmp_path / "el", check=True)
    assert subprocess.run(["./selftest"], cwd=tmp_path / "el").returncode == 0
    np.savez(tmp_path / "wide.npz", x=np.full((9, 8), 200), y=np.arange(9) % 3)
    result = edgelearn("firmware", "emit", "new", "--run", "done", "--selftest", "wide.npz", cwd=tmp_path)
    assert (result.returncode, len(result.stderr.splitlines())) == (2, 1)
    assert "values of tensor 'in' are outside -128 to 127" in result.stderr
    assert not (tmp_path / "new").exists()


def test_emit_takes_finished_runs_of_this_program_alone(tmp_path):
    edgelearn("run", *SMALL, "--epochs", "4", "--halve-every", "1", "--out", "done", cwd=tmp_path)
    assert edgelearn("firmware", "emit", "el", "--run", "done", cwd=tmp_path).returncode == 0
    assert "#define EL_HALVINGS 3\n" in (tmp_path / "el/include/el_config.h").read_text()
    assert (tmp_path / "el/ranges.csv").read_text().splitlines()[:2] == ["low,high", "0,16"]
    readme = " ".join((tmp_path / "el/README.md").read_text().split())
    assert "floor((value - 0) / (16 - 0) * 16), cut to 0 and 15" in readme
    (tmp_path / "done/config.toml").rename(tmp_path / "kept.toml")
    result = edgelearn("firmware", "emit", "new", "--run", "done", cwd=tmp_path)
    assert (result.returncode, "holds no finished run" in result.stderr) == (2, True)
    (tmp_path / "kept.toml").rename(tmp_path / "done/config.toml")
    np.savez(tmp_path / "done/weights.npz", other=np.zeros(3))
    result = edgelearn("firmware", "emit", "new", "--run", "done", cwd=tmp_path)
    assert (result.returncode, len(result.stderr.splitlines())) == (2, 1)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("verify", "--target", "avr"), "target 'avr' is not known"),
        (("verify", "--compiler", "icc"), "compiler 'icc' is not known"),
        (("verify", "--target", "host", "--compiler", "gcc", "--optimise", "O9"), "optimisation '-O9' is not known"),
        (("verify", "--samples", "0"), "--samples 0 learns nothing"),
        (("size", "--rule", "dfa,dfa"), "--rule dfa,dfa cannot be read; give each rule once"),
        (("verify", "--rule", "hebb"), "rule 'hebb' is not known"),
        (("profile", "--target", "host"), "instructions are counted on an emulated core"),
        (("profile", "--windows", "0"), "--windows 0 counts nothing"),
        (("size", "--net", "64-x"), "net '64-x' cannot be read"),
        (("operate", "--cycles-per-instruction", "inf"), "--cycles-per-instruction inf is not allowed; give a number"),
        (("operate", "--queue", "-1"), "queue is -1; give 0 or more"),
        (
            ("budget", "--ram", "²", "--flash", "64K"),
            "--ram: '²' is not a size; write whole bytes, for example 4096, 16K",
        ),
        (("operate", "--samples", "0"), "--samples 0 gives the board nothing to do"),
        (("operate", "--power-loss", "5 s"), "--power-loss 5 s cannot be read"),
        (("operate", "--sample-rate", "50 V"), "--sample-rate: '50 V' is not a rate"),
        (("operate", "--clock", "80"), "--clock: '80' is not a frequency"),
        (("operate", "--target", "host"), "instructions are counted on an emulated core"),
        (("budget", "--ram", "16Q", "--flash", "64K"), "--ram: '16Q' is not a size"),
        (("budget", "--ram", "16K", "--flash", "64K", "--net", "64-10"), "this network has none"),
        (("emit", "there"), "folder there is not empty"),
        (("emit", "new", "--run", "nowhere"), "folder nowhere holds no finished run"),
        (("emit", "new", "--run", "nowhere", "--rule", "bp"), "--run brings its own settings; leave out --rule"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(tmp_path, arguments, message):
    (tmp_path / "there").mkdir()
    (tmp_path / "there/mine.c").write_text("int x;")
    result = edgelearn("firmware", *arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["mine.c", "there"]


def test_verify_and_size_cover_frozen_layers(tmp_path):
    require("gcc", "cortex-m0")
    from tests.unit.runs.test_converted import write_cnn

    write_cnn(tmp_path / "cnn.onnx")
    (tmp_path / "c.toml").write_text('start = "cnn.onnx"\nconvert = true\nrule = "shallow"\ndata = "digits"\n')
    core = ("--config", "c.toml", "--compiler", "gcc", "--target", "cortex-m0", "--json")
    result = edgelearn("firmware", "verify", *core, "--samples", "9", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    (found,) = json.loads(result.stdout)
    assert (found["equal"], found["front"]) == (True, {"samples": 9, "difference": None})
    (row,) = json.loads(edgelearn("firmware", "size", *core, "--rule", "shallow", cwd=tmp_path).stdout)
    assert row["front end ram"] == 2 * 6 * 64
    constants = 6 * 9 + 6 * 4 + 6 + 256 + 2 * 72  # a convolution, a pooling and the orders of its maps
    assert row["front end constants"] == constants + 4 * 96
    assert row["front end code"] > 100
