"""Networks with graded targets and anomaly detectors compute the simulator's bits in C."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.network.kernels import detector_tables as d
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.streaming.detector import AnomalyDetector, DetectorSpec
from firmware_sim.build.detector import check_detector, checkpoint
from firmware_sim.build.estimate import ram_bytes
from firmware_sim.build.image import CSRC
from firmware_sim.build.targets import find_target
from firmware_sim.check.graded import GradedSimulator, compile_graded, verify_graded
from firmware_sim.emulate.emulator import read_program
from firmware_sim.emulate.runners import graded_runner
from tests.firmware.firmware_cases import require
from tests.target_cases import Case, case


def compare(one: Case, folder, target="host", compiler="gcc", optimisation="-O1"):
    """Compile a case and take its rows on both sides; return the comparison."""
    require(compiler, target)
    learner, fresh = Learner(one.spec), Learner(one.spec)
    one.prepare(learner)
    for k in range(len(one.spec.layers) - 1):
        if one.spec.regenerates(k):  # by the C core, from the seed alone
            learner.state.set_feedback(k, fresh.state.feedback(k))
    learner.set_halvings(one.halvings)
    image = compile_graded(
        learner, folder, find_target(target), one.detector, compiler=compiler, optimisation=optimisation
    )
    return verify_graded(learner, image, one.levels, one.targets, one.learned, one.detector, chunk=7)


@pytest.mark.parametrize("seed", range(12))
def test_random_networks(tmp_path, seed):
    one = case(seed)
    found = compare(one, tmp_path)
    assert found.difference is None, f"{one.spec.task}, {one.spec.rule_name}, {one.detector}: {found.difference}"


CORES = ("cortex-m0", "cortex-m4", "rv32")


@pytest.mark.parametrize("target", CORES)
def test_cores_compute_the_same_and_memory_is_as_estimated(tmp_path, target):
    for seed in (101, 102, 106):  # quantile and deviation, 32-bit and 64-bit scores
        one = case(seed)
        assert one.detector is not None
        found = compare(one, tmp_path / str(seed), target, "zig", "-Os")
        assert found.difference is None, f"{seed}: {found.difference}"
        learner = Learner(one.spec)
        image = compile_graded(
            learner, tmp_path / str(seed), find_target(target), one.detector, optimisation="-Os", compiler="zig"
        )
        assert read_program(image).symbols["net"][1] == ram_bytes(one.spec, one.detector)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_many_random_networks(tmp_path, part):
    for seed in range(1000 + 30 * part, 1030 + 30 * part):
        one = case(seed, n=20 if seed % 3 else 200)
        found = compare(one, tmp_path / str(seed))
        assert found.difference is None, f"{seed}: {one.spec.task}, {one.spec.rule_name}: {found.difference}"


@pytest.mark.slow
@pytest.mark.parametrize("target", CORES)
def test_random_networks_on_cores(tmp_path, target):
    for seed in range(2000, 2012):
        found = compare(case(seed), tmp_path / str(seed), target, "zig", "-Os")
        assert found.difference is None, f"{seed}: {found.difference}"


def test_a_detector_goes_on_from_a_checkpoint(tmp_path):
    """Every row is a new start: the firmware loses its memory and takes over the checkpoint before it."""
    require("gcc", "host")
    for seed in (100, 103, 106):
        one = case(seed)
        learner = Learner(one.spec)
        image = compile_graded(learner, tmp_path / str(seed), find_target("host"), one.detector, compiler="gcc")
        simulator = GradedSimulator(learner, image.identity, one.detector)
        firmware = graded_runner(image, one.spec, one.detector)
        n = one.spec.n_outputs
        targets = np.zeros((len(one.levels), n), np.int16) if one.targets is None else one.targets
        given = np.concatenate([targets, np.ones((len(targets), 1), np.int16)], axis=1)
        saved = firmware.checkpoint()
        for row in range(len(one.levels)):
            firmware.start()
            assert firmware.resume(saved)
            here = one.levels[row : row + 1], given[row : row + 1]
            assert firmware.learn(*here).tolist() == simulator.learn(*here).tolist()
            saved = firmware.checkpoint()
            assert saved == simulator.checkpoint()
        broken = bytearray(saved)
        broken[-8] ^= 1
        assert not firmware.resume(bytes(broken))


def test_a_row_count_stops_at_its_end():
    detector = AnomalyDetector(DetectorSpec(1, 2))
    detector.state[d.ROWS] = 2**40
    assert np.frombuffer(checkpoint(case(100).spec, detector)[:4], "<u4")[0] == 2**32 - 1


def test_phases_that_no_count_holds_are_refused():
    with pytest.raises(UserError, match=r"4,294,967,295 rows .* at most 2\^32 - 2"):
        check_detector(DetectorSpec(2**32 - 2, 1))
    check_detector(DetectorSpec(2**32 - 3, 1))


# A fault in one line each of el_detector.h and el_graded.h: comparisons over these seeds see it.
MUTANTS = {
    "keeps the phase train for a row more": ("el_detector.h", "rows < EL_TRAIN_ROWS) ? ", "rows <= EL_TRAIN_ROWS) ? "),
    "sums errors before targets are subtracted": ("el_detector.h", "- net->target[c];", ";"),
    "rounds the decaying mean down": ("el_detector.h", "(int64_t)(((uint64_t)1 << s) >> 1U)", "0"),
    "starts the mean at zero": ("el_detector.h", "if (detector->rows == 0U)", "if (detector->rows == 0xFFFFU)"),
    "raises an alarm at the limit": ("el_detector.h", "smoothed > detector->level[EL_LIMIT]", "smoothed >= detector->level[EL_LIMIT]"),
    "keeps the smallest scores": ("el_detector.h", "kept[place - 1U] < smoothed", "kept[place - 1U] > smoothed"),
    "takes the largest score for the quantile": ("el_detector.h", "kept[detector->n_kept - 1U] * 256", "kept[0] * 256"),
    "shifts the base too little": ("el_detector.h", "* EL_FACTOR, 12U)", "* EL_FACTOR, 11U)"),
    "learns what raised an alarm": ("el_detector.h", "!(alarm && (EL_LEARN_WHILE == EL_LEARN_NORMAL))", "true"),
    "learns the phase threshold": ("el_detector.h", "(net->phase == EL_TRAIN) ||", "(net->phase != EL_DETECT) ||"),
    "moves the deviation by the new mean": ("el_detector.h", "distance(smoothed, mean) - deviation", "distance(smoothed, detector->level[EL_MEAN] + 1) - deviation"),
    "follows rows above the threshold the other way": ("el_detector.h", "level[EL_BASE] += (int64_t)divided", "level[EL_BASE] -= (int64_t)divided"),
    "clips errors one too early": ("el_graded.h", "- net->target[c], -255, 255)", "- net->target[c], -254, 254)"),
    "limits linear outputs as targets": ("el_graded.h", "-512, 511", "-256, 256"),
    "reconstructs levels without a limit": ("el_graded.h", "((level > 255) ? 255 : level)", "level"),
    "forgets the dead zone of readouts": ("el_graded.h", "(words == net->output) ? EL_DEAD_ZONE : EL_LOCAL_DEAD_ZONE", "EL_DEAD_ZONE"),
}  # fmt: skip


def at_the_limit() -> Case:
    """Return rows that are all the same under a limit that is their score."""
    spec = design((4, 3, 4), task="reconstruct", output="linear")
    detector = DetectorSpec(0, 3, smoothing=0, quantile=10_000, factor=16)
    return Case(spec, np.full((9, 4), 5, np.uint8), None, np.ones(9, bool), 0, "start", detector, (), 0)


def test_a_score_at_the_limit_is_no_alarm(tmp_path):
    one = at_the_limit()
    assert compare(one, tmp_path).difference is None
    firmware = graded_runner(
        compile_graded(Learner(one.spec), tmp_path, find_target("host"), one.detector, compiler="gcc"),
        one.spec,
        one.detector,
    )
    found = firmware.learn(one.levels, np.ones((9, 5), np.int16))
    assert found[-1, d.ROW_SMOOTHED] == found[-1, d.ROW_LIMIT] > 0
    assert not found[:, d.ROW_ALARM].any()


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_faults_are_seen(tmp_path, monkeypatch, name):
    file, line, other = MUTANTS[name]
    shutil.copytree(CSRC, tmp_path / "csrc")
    path = tmp_path / "csrc/include" / file
    text = path.read_text()
    assert text.count(line) == 1, name
    path.write_text(text.replace(line, other))
    monkeypatch.setattr("firmware_sim.build.image.CSRC", tmp_path / "csrc")
    for seed, one in enumerate([at_the_limit(), *map(case, range(3000, 3060))]):
        try:
            if compare(one, tmp_path / str(seed)).difference is not None:
                return
        except UserError as error:  # a compiler that sees an unused argument sees the fault too
            assert "could not compile" in str(error)
            return
    pytest.fail("no comparison saw it")
