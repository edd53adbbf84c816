"""Folders of test vectors: their checker, their example benches, edits that must show, and refusals."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from hw_models.rtl import vectors_trace
from hw_models.rtl.emit import emit
from hw_models.rtl.vectors import write_vectors
from hw_models.rtl.vectors_package import check_vectors
from tests.cli.runner import in_process as edgelearn
from tests.tools import missing
from tests.vector_cases import CASES, PARAMETERS, name_of, written

pytestmark = pytest.mark.kernel
EDITED = (
    {"rule": "bp", "sizes": (6, 5, 4, 3), "rounding": "stochastic", "bits": 8},
    {"rule": "local", "sizes": (6, 5, 3), "feedback_format": "lfsr", "output": "softmax"},
    {"rule": "drtp", "sizes": (6, 5, 1), "update_gate": "error"},
)
BENCHED = [case for case in CASES if case["rule"] in ("drtp", "bp+dfa") or case.get("learn") == "bias"]


def check(folder: Path, *flags: str) -> int:
    return check_vectors.main([str(folder), *flags])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("case", PARAMETERS)
def test_the_checker_passes_on_a_fresh_folder(tmp_path, capsys, case):
    found = written(tmp_path, case)
    assert check(tmp_path) == 0
    assert capsys.readouterr().out.startswith("check_vectors: equal, ")
    files = contents(tmp_path)
    assert (found.files, found.n_bytes) == (len(files), sum(map(len, files.values())))
    assert files["status.hex"].count(b"1") == found.learned
    for stem in ("z", "q"):  # something happens in every network
        words = files[f"layer{len(case['sizes']) - 1}/{stem}.hex"].split()
        assert len(set(words)) > 1


def test_the_checker_needs_python_alone(tmp_path):
    written(tmp_path / "golden", CASES[0])
    command = [sys.executable, "-I", "-S", str(tmp_path / "golden/check_vectors.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("check_vectors: equal")


@pytest.fixture(scope="module", params=EDITED, ids=name_of)
def fresh(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fresh")
    written(folder, request.param, n=6, words_every=2)
    return folder


def edit(path: Path, place: int) -> bytes:
    """Replace the hexadecimal digit at a place by the next one; return what was there."""
    before = path.read_bytes()
    digits = b"0123456789abcdef"
    new = digits[(digits.index(before[place]) + 1) % (10 if path.suffix != ".hex" else 16)]
    path.write_bytes(before[:place] + bytes([new]) + before[place + 1 :])
    return before


def digits_of(path: Path) -> list[int]:
    allowed = b"0123456789" if path.suffix != ".hex" else b"0123456789abcdef"
    return [i for i, byte in enumerate(path.read_bytes()) if byte in allowed]


def test_the_checker_fails_on_a_digit_edited_anywhere(fresh, capsys):
    """In each file at a random place, then at a hundred random places of all files."""
    draw = random.Random(0)
    places = {path: digits_of(path) for path in sorted(fresh.rglob("*")) if path.is_file() and digits_of(path)}
    everywhere = [(path, place) for path, found in places.items() for place in found]
    chosen = [(path, draw.choice(found)) for path, found in places.items()] + draw.sample(everywhere, 100)
    for path, place in chosen:
        before = edit(path, place)
        assert check(fresh) in (1, 2), f"{path} at {place}"
        path.write_bytes(before)
    assert check(fresh) == 0
    capsys.readouterr()


def test_values_show_an_edit_without_checksums(fresh, capsys):
    """Of each file that is computed, a random digit: found by its value, with file and line."""
    draw = random.Random(1)
    for path in sorted(fresh.rglob("*.hex")):
        name = str(path.relative_to(fresh))
        is_given = name in ("inputs.hex", "labels.hex") or "_start" in name
        if path.name == "feedback.hex" and not path.with_name("lfsr_start.hex").exists():
            is_given = True
        if is_given or not path.stat().st_size:
            continue
        for _ in range(3):
            place = draw.choice(digits_of(path))
            before = edit(path, place)
            line = before[:place].count(b"\n") + 1
            assert check(fresh, "--values-only") == 1, name
            assert f"{name}:{line}: " in capsys.readouterr().out
            path.write_bytes(before)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("layer1/z.hex", "ten lines\n"),
        ("layer1/z.hex", ""),
        ("class.hex", "G\n"),
        ("vectors.json", "{}"),
        ("vectors.json", "no json"),
        ("labels.hex", "ff\n" * 6),
    ],
)
def test_the_checker_says_what_it_cannot_read(fresh, capsys, name, text):
    before = (fresh / name).read_text()
    (fresh / name).write_text(text)
    assert check(fresh, "--values-only") in (1, 2)
    said = capsys.readouterr()
    assert name.removesuffix(".hex") in said.out + said.err or "cannot be read" in said.err
    (fresh / name).write_text(before)


def benches(folder: Path, target: str) -> subprocess.CompletedProcess[str]:
    flags = "CFLAGS=-std=c99 -O0 -Wall -Wextra -Werror"
    return subprocess.run(["make", "-s", "-C", str(folder), target, flags], capture_output=True, text=True)


def require(program: str, package: str) -> None:
    for one in (program, "make"):
        if shutil.which(one) is None:
            missing(f"{one} is not installed: apt-get install {package}")


@pytest.mark.parametrize("case", BENCHED, ids=name_of)
def test_the_bench_in_verilog_replays_every_layer(tmp_path, case):
    require("iverilog", "iverilog make")
    written(tmp_path, case)
    done = benches(tmp_path, "verilog")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split(",")[0] for line in lines] == [f"layer {k}: equal" for k in range(1, len(case["sizes"]))]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (">>> SHIFT", ">>> (SHIFT + 1)"),
        ("64'sd1 <<< (SHIFT - 1)", "64'sd0"),
        ("= x * w", "= x * $signed({1'b0, w})"),
        ("random <", "random <="),
        ("most <<< 8", "most <<< 7"),
        ("-(wide_x * wide_d)", "wide_x * wide_d"),
        (".low(wide_least)", ".low(-most)"),
    ],
)
def test_the_bench_in_verilog_finds_faults(tmp_path, old, new):
    require("iverilog", "iverilog make")
    written(tmp_path, {"rule": "drtp", "sizes": (12, 7, 5, 3), "rounding": "stochastic", "bits": 4, "hidden_rate": 0})
    text = (tmp_path / "layer.v").read_text()
    assert old in text
    (tmp_path / "layer.v").write_text(text.replace(old, new))
    done = benches(tmp_path, "verilog")
    assert done.returncode != 0
    assert "layer 1: DIFFERENT" in done.stdout


REPLAYED = (
    {"rule": "drtp", "sizes": (12, 7, 5, 3), "rounding": "stochastic", "bits": 4},
    {"rule": "bp", "sizes": (12, 7, 5, 3)},
    {"rule": "dfa", "sizes": (9, 6, 5, 4), "learn": "none+bias+all", "rounding": "residual"},
    {"rule": "sdfa", "sizes": (9, 6, 4), "output": "softmax", "update_gate": "error", "rounding": "stochastic"},
)


def engine_bench(folder: Path) -> str:
    """Compile the emitted engine with the bench of the vectors in `folder`/golden and run it; return what it prints."""
    sources = [str(folder / "golden/engine_tb.v"), *sorted(str(path) for path in folder.glob("el_*.v"))]
    build = ["iverilog", "-g2005", "-I", str(folder / "golden"), "-s", "engine_tb", "-o", "bench", *sources]
    done = subprocess.run(build, cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    run = ["vvp", "-n", "bench", "+vectors=golden"]
    return subprocess.run(run, cwd=folder, capture_output=True, text=True).stdout


@pytest.mark.parametrize("words_every", [0, 4])
@pytest.mark.parametrize("case", REPLAYED, ids=name_of)
def test_the_emitted_engine_replays_the_vectors(tmp_path, case, words_every):
    require("iverilog", "iverilog make")
    spec = design(**case)
    emit(Learner(spec), tmp_path)
    found = written(tmp_path / "golden", case, n=12, words_every=words_every)
    last = engine_bench(tmp_path).splitlines()[-1]
    assert last.startswith("engine: equal, ")
    assert last.endswith("of 12 samples")
    words = sum(layer.n_weights * (layer.learned == "all") + layer.n_biases * layer.learns for layer in spec.layers)
    states = 3 if words_every else 1
    assert last == f"engine: equal, {12 * (2 + spec.stochastic) + words * states} values of 12 samples"
    assert found.learned > 0


def test_the_bench_of_the_engine_finds_faults(tmp_path):
    require("iverilog", "iverilog make")
    case = REPLAYED[0]
    emit(Learner(design(**case)), tmp_path)
    written(tmp_path / "golden", case, n=8, words_every=4)
    path = tmp_path / "golden/layer2/weights.hex"
    before = edit(path, digits_of(path)[3])
    assert "engine: DIFFERENT, 1 of " in engine_bench(tmp_path)
    path.write_bytes(before)
    edit(tmp_path / "golden/generator.hex", digits_of(tmp_path / "golden/generator.hex")[8 * 4])
    assert "generator 0" in engine_bench(tmp_path)


def test_the_test_in_c_replays_every_layer_and_finds_faults(tmp_path):
    require("cc", "gcc make")
    for number, case in enumerate(BENCHED[1::4]):
        folder = tmp_path / str(number)
        written(folder, case)
        done = benches(folder, "c")
        assert (done.returncode, done.stderr, done.stdout.count(": equal")) == (0, "", len(case["sizes"]) - 1)
    text = (folder / "layer_test.c").read_text()
    (folder / "layer_test.c").write_text(text.replace("-(int64_t)x * d", "(int64_t)x * d"))
    assert benches(folder, "c").returncode != 0


def test_the_same_network_gives_the_same_bytes_and_replaces_others(tmp_path):
    flags = ["--rule", "dfa", "--net", "64-6-10", "--samples", "5", "--rounding", "stochastic"]
    for name in "ab":
        done = edgelearn(["rtl", "vectors", name, *flags], tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
    assert "47 files" not in done.stdout
    assert f"written: {len(contents(tmp_path / 'a'))} files" in done.stdout
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    small = ["rtl", "vectors", "a", "--net", "64-10", "--samples", "2", "--overwrite", "--words", "0"]
    assert edgelearn(small, tmp_path).returncode == 0
    assert check(tmp_path / "a") == 0
    assert {path.split("/")[0] for path in contents(tmp_path / "a")} >= {"layer1", "vectors.json"}
    assert not any(path.startswith("layer2") or path == "layer1/weights.hex" for path in contents(tmp_path / "a"))


def test_a_finished_run_gives_its_words(tmp_path):
    done = edgelearn(["run", "--net", "64-6-10", "--limit", "60", "--epochs", "1", "--out", "run", "--json"], tmp_path)
    assert done.returncode == 0
    assert edgelearn(["rtl", "vectors", "golden", "--run", "run", "--samples", "3"], tmp_path).returncode == 0
    assert check(tmp_path / "golden") == 0
    with np.load(tmp_path / "run/weights.npz") as words:
        weights = words["layer1_weights"].astype(np.int64)
    found = [int(line, 16) for line in (tmp_path / "golden/layer1/weights_start.hex").read_text().split()]
    assert found == (weights.ravel() & 0xFFFF).tolist()


def test_stress_drives_words_and_steps_to_their_limits(tmp_path):
    flags = ["--rule", "dfa", "--net", "64-6-10", "--samples", "30", "--bits", "4", "--rounding", "nearest"]
    flags += ["--hidden-rate", "0", "--output-rate", "0"]
    assert edgelearn(["rtl", "vectors", "golden", *flags, "--stress"], tmp_path).returncode == 0
    assert check(tmp_path / "golden") == 0
    for layer in ("layer1", "layer2"):
        assert {"7", "8"} <= set((tmp_path / f"golden/{layer}/weights.hex").read_text().split())
        assert {"7", "9"} <= set((tmp_path / f"golden/{layer}/step.hex").read_text().split())


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--net", "8x8x1-conv4x3x3-10"], "convolutions are not there yet"),
        (["--hidden-inference", "sign"], "leave out --hidden-inference"),
        (["--samples", "0"], "give 1 or more"),
        (["--words", "-1"], "give 0 or more"),
        (["--samples", "200000"], "fewer --samples, or --words 0"),
        (["--run", "nothing"], "holds no finished run"),
        (["--run", "nothing", "--bits", "4"], "leave out --bits"),
    ],
)
def test_what_vectors_do_not_cover_is_refused_in_one_line(tmp_path, flags, said):
    done = edgelearn(["rtl", "vectors", "golden", *flags], tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr
    assert not (tmp_path / "golden").exists()


def test_a_folder_in_use_is_left_alone(tmp_path):
    (tmp_path / "golden").mkdir()
    (tmp_path / "golden/mine.txt").write_text("mine")
    done = edgelearn(["rtl", "vectors", "golden", "--samples", "1"], tmp_path)
    assert (done.returncode, contents(tmp_path / "golden")) == (2, {"mine.txt": b"mine"})
    assert "is not empty" in done.stderr


def test_graded_targets_are_refused(tmp_path):
    learner = Learner(design((4, 3, 2), rule="dfa", task="regression", output="linear"))
    with pytest.raises(ValueError, match="graded targets"):
        write_vectors(learner, tmp_path / "golden", np.zeros((1, 4), np.int64), np.zeros(1, np.int64), "none")
    assert not (tmp_path / "golden").exists()


def test_a_trace_that_is_not_the_simulators_is_never_written(tmp_path, monkeypatch):
    monkeypatch.setattr(vectors_trace, "rn", lambda x, shift: x >> shift if shift > 0 else x << -shift)
    with pytest.raises(vectors_trace.TraceError, match="differs from the simulator"):
        written(tmp_path / "golden", CASES[0])
    assert not (tmp_path / "golden").exists()


def test_vectors_json_holds_numbers_that_follow_from_the_settings(tmp_path):
    written(tmp_path, {"rule": "dfa", "sizes": (12, 7, 3)})
    about = json.loads((tmp_path / "vectors.json").read_text())
    assert [layer["step_shift"] for layer in about["layers"]] == [8, 8]  # as the example of `design` has them
    assert about["update_order"] == [1, 2]
