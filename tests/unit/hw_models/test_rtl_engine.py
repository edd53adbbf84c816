"""The engine in Verilog: deterministic files, refusals, and equality with the simulator in every word."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from hw_models.rtl.emit import contents, emit, notes_of, write
from hw_models.rtl.lint import lint
from hw_models.rtl.parameters import Parameters
from hw_models.rtl.simulators import build, read_answers, run, write_samples
from hw_models.rtl.vectors import write_vectors
from hw_models.rtl.verify import verify
from tests.cli.runner import in_process
from tests.tools import missing

NET = [12, 7, 5, 4]


def require_verilog(*programs: str) -> None:
    """Skip where a simulator of Verilog is missing, or fail where everything must be there."""
    for program in programs:
        if shutil.which(program) is None:
            missing(f"{program} is not installed: apt-get install verilator iverilog g++")


def samples(n: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Return levels with many zeros, and labels of which every seventh is missing."""
    generator = np.random.default_rng(1)
    levels = generator.integers(0, 16, (n, NET[0])) * generator.integers(0, 2, (n, NET[0]))
    labels = generator.integers(0, NET[-1], n)
    return levels, np.where(np.arange(n) % 7 == 3, -1, labels)


def test_files_are_the_same_bytes_twice() -> None:
    spec = design(NET, rule="dfa", rounding="stochastic")
    first, again = contents(Learner(spec)), contents(Learner(spec))
    assert first == again
    assert list(first) == list(again)
    assert {"el_top.v", "el_config.vh", "view.hex", "key.hex", "feedback.hex", "el_bench.cpp"} <= set(first)


def test_words_lie_neuron_by_neuron_with_the_bias_last() -> None:
    learner = Learner(design([3, 2], rule="shallow", bits=6, residual_bits=2))
    weights = np.array([[1, -1, 5], [-32, 127, 0]], np.int16)
    learner.put_words({"layer1_weights": weights, "layer1_biases": np.array([-2, 3], np.int16)})
    files = contents(learner)
    assert files["view.hex"].split() == ["00", "3f", "01", "3f", "38", "1f", "00", "00"]
    assert files["residual.hex"].split() == ["1", "3", "1", "2", "0", "3", "0", "3"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"sizes": NET, "rule": "dfa+drtp"}, "one rule"),
        ({"sizes": "8x8x1-conv4x3x3-10", "rule": "dfa"}, "no convolutions"),
        ({"sizes": NET, "rule": "dfa", "task": "regression"}, "no graded targets"),
    ],
)
def test_what_the_engine_lacks_is_refused(settings: dict, words: str, tmp_path) -> None:
    with pytest.raises(UserError, match=f"the engine in Verilog has {words}"):
        write(Learner(design(**settings)), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rule", ["drtp", "bp", "local"])
def test_words_cycles_and_accesses_are_those_of_the_simulator(rule: str) -> None:
    require_verilog("iverilog")
    result = verify(Learner(design(NET, rule=rule, rounding="stochastic")), *samples(), simulator="icarus")
    assert result.difference is None
    assert result.miscount is None
    assert result.counted["cycles"][0] == result.counted["cycles"][1] > 30 * 100
    assert result.counted["weight_write"][0] > 0


def test_a_fault_is_named_by_layer_neuron_and_input(tmp_path) -> None:
    require_verilog("iverilog")
    learner = Learner(design(NET, rule="dfa"))
    for name, text in contents(learner).items():
        if name == "el_update.v":
            assert "sum = old_wide + v_long" in text
            text = text.replace("sum = old_wide + v_long", "sum = old_wide - v_long")
        (tmp_path / name).write_text(text)
    result = verify(learner, *samples(5), simulator="icarus", folder=tmp_path)
    assert result.difference is not None
    assert (result.difference.what, result.difference.sample) == ("weight", 0)
    assert "of layer 1, neuron 1, input" in str(result.difference)


def test_verilator_agrees_and_finds_nothing_to_warn_of() -> None:
    require_verilog("verilator", "g++")
    learner = Learner(design(NET, rule="dfa", output="softmax"))
    assert lint(learner) == []
    assert verify(learner, *samples(), simulator="verilator", optimise="-O0").equal


def test_every_block_of_the_engine_is_in_its_figure():
    from experiments.rtl_diagram import FIGURE, diagram

    assert FIGURE.read_text(encoding="utf-8") == diagram()


def test_a_register_gives_the_feedback_of_drtp_and_others_store_it():
    drtp, dfa = (design(NET, rule=rule, feedback_format="lfsr") for rule in ("drtp", "dfa"))
    assert "feedback.hex" not in contents(Learner(drtp))
    assert contents(Learner(drtp))["lfsr.hex"].split()[:2] == [f"{1 + (40503 * n + 10007) % 65535:04x}" for n in (1, 2)]
    assert notes_of(drtp) == []
    assert notes_of(dfa) == ["the engine stores the feedback of the shift registers: 48 words of 8 bits"]


def test_the_engine_replays_test_vectors(tmp_path: Path) -> None:
    require_verilog("iverilog")
    levels, labels = samples(12)
    labels = np.abs(labels)
    learner, engine = (Learner(design(NET, rule="fa", rounding="stochastic")) for _ in range(2))
    write_vectors(learner, tmp_path / "vectors", levels, labels, "samples", words_every=0)
    (tmp_path / "engine").mkdir()
    emit(engine, tmp_path / "engine")
    build(tmp_path / "engine", "icarus")

    def words_of(name: str) -> np.ndarray:
        return np.array([int(line, 16) for line in (tmp_path / "vectors" / name).read_text().split()])

    inputs, parameters = words_of("inputs.hex").reshape(-1, NET[0]), Parameters(engine.spec)
    write_samples(tmp_path / "engine" / "samples.hex", parameters, inputs, words_of("labels.hex"), every=12)
    answers = read_answers(run(tmp_path / "engine", "icarus"), parameters)
    parts = []
    for k, n_out in enumerate(NET[1:], 1):
        weights = words_of(f"layer{k}/weights_end.hex").reshape(n_out, -1)
        parts.append(np.column_stack([weights, words_of(f"layer{k}/biases_end.hex")]).ravel())
    stored = np.concatenate(parts)
    assert np.array_equal(answers.words[12] % (1 << parameters.stored_bits), stored)
    assert np.array_equal(answers.predictions, words_of("class.hex"))
    assert np.array_equal(answers.generators, words_of("generator.hex")[1:])


def test_halvings_of_a_learner_stay_in_its_engine() -> None:
    learner = Learner(design(NET, rule="dfa"))
    before = contents(learner)["el_config.vh"]
    shifts = [layer.step_shift for layer in learner.spec.layers]
    learner.set_halvings(2)
    after = contents(learner)["el_config.vh"]

    def line(moved: int) -> str:
        return "STEP_SHIFTS = {" + ", ".join(f"8'd{shift + moved}" for shift in reversed(shifts)) + "};"

    assert line(0) in before
    assert line(2) in after


def test_an_emitted_engine_plays_the_samples_that_come_with_it(tmp_path):
    if shutil.which("iverilog") is None:
        missing("iverilog is not installed")
    done = in_process(["rtl", "emit", str(tmp_path / "engine"), "--rule", "drtp", "--net", "64-4-10"], tmp_path)
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("try: "))
    command = " ".join(done.stdout[done.stdout.index(line) + 5 :].split())
    assert subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True).returncode == 0
    classes = tmp_path / "engine/classes.txt"
    classes.write_text(classes.read_text().replace("\n", "0\n", 1))
    assert subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True).returncode == 1
