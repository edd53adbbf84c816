"""Anomaly detectors on streams in C: levels, scores, limits, alarms and state of the simulator, row by row."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

from edgelearn.config import StreamConfig
from edgelearn.errors import UserError
from edgelearn.runs.anomaly import AnomalyWork
from edgelearn.runs.registry import run
from edgelearn.runs.stream import open_config_source
from firmware_sim.build.front_end import stream_fields
from firmware_sim.build.targets import find_target
from firmware_sim.check.anomaly_stream import WatchedRehearsal, verify_watch
from firmware_sim.check.stream import compile_stream
from firmware_sim.check.watch_run import emit_watch_run, verify_watch_run
from firmware_sim.emulate.emulator import read_program
from tests.firmware.firmware_cases import require

PHASES = {"calibrate_rows": 40, "train_rows": 50, "threshold_rows": 60}
CASES = {
    "defaults": {},
    "phases of the stream": {"calibrate_rows": None, "train_rows": None, "threshold_rows": None},
    "nothing to calibrate": {"calibrate_rows": 0, "adapt_while": "train"},
    "squared, deviation": {"score": "squared", "threshold": "deviation", "threshold_factor": 4, "rule": "drtp"},
    "follows a quantile": {"threshold_follow": 5, "threshold_quantile": 0.9, "learn_while": "normal", "rule": "bp"},
    "follows a deviation": {"threshold": "deviation", "threshold_follow": 4, "learn_while": "always", "rounding": "stochastic"},
    "statistics": {"window": 10, "stride": 5, "window_features": "statistics", "calibrate_rows": 20, "train_rows": 20,
                   "threshold_rows": 20, "threshold_factor": 1, "threshold_quantile": 0.5},
    "windows, 4 bits": {"window": 3, "bits": 4, "input_bits": 4, "adapt_while": "always", "score_smoothing": 0},
    "sigmoid of levels": {"encoder": "levels", "output": "sigmoid", "rule": "local", "feedback": "lfsr"},
    "delta": {"encoder": "delta", "rule": "sdfa", "adapt_while": "calibrate"},
    "recordings": {"restart": "recording", "calibrate_rows": 20, "train_rows": 30, "threshold_rows": 40},
    "recordings, normal": {"restart": "recording", "calibrate_rows": 20, "train_rows": 30, "threshold_rows": 40,
                           "learn_while": "normal", "rule": "drtp", "window": 2},
}  # fmt: skip


def recording(folder, n=600, seed=0):
    """Write three recordings: a channel that stands still at first, one of decimals, gaps, and a fault in each."""
    rng = np.random.default_rng(seed)
    part = n // 3
    fault = np.arange(n) % part > part - 30
    values = np.sin(np.arange(n) / 7)[:, None] * [1, 3] + rng.normal(0, 0.1, (n, 2)) + 4 * fault[:, None]
    rows = [f"{'abc'[min(i // part, 2)]},{values[i, 0]:.3f},{'' if rng.random() < 0.05 else f'{100 * values[i, 1]:.0f}'},"
            f"{5 + (i % part > part - 10)},{int(fault[i])}" for i in range(n)]  # fmt: skip
    path = folder / "pump.csv"
    path.write_text("subject,ax,ay,stuck,anomaly\n" + "\n".join(rows) + "\n")
    return path


def work_of(path, **settings):
    config = StreamConfig(**({"data": str(path), "task": "anomaly", "hidden": "3", "seed": 2} | PHASES | settings))
    return AnomalyWork(config, open_config_source(config))


QUICK = ("defaults", "squared, deviation", "follows a quantile", "statistics", "recordings, normal")


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in CASES])
def test_rows_are_those_of_the_simulator(tmp_path, name):
    require("gcc", "host")
    work = work_of(recording(tmp_path), **CASES[name])
    found = verify_watch(WatchedRehearsal(work), tmp_path, find_target("host"), compiler="gcc", optimisation="-O1")
    assert found.difference is None
    assert found.rows == work.n_rows
    assert found.learned > 10
    assert found.alarms > 0
    if not work.recordings.restart:
        assert found.f1 == pytest.approx(work.score.as_dict()["f1"], abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["cortex-m0", "cortex-m4", "rv32"])
def test_emulated_cores_raise_the_same_alarms(tmp_path, target):
    require("zig", target)
    for number, (name, settings) in enumerate(CASES.items()):
        work = work_of(recording(tmp_path, 450), **settings)
        found = verify_watch(WatchedRehearsal(work), tmp_path / str(number), find_target(target))
        assert found.difference is None, name


@pytest.mark.parametrize("name", ["defaults", "squared, deviation", "statistics"])
def test_memory_is_as_estimated(tmp_path, name):
    require("zig", "cortex-m4")
    work = work_of(recording(tmp_path), **CASES[name])
    watched = WatchedRehearsal(work)
    image = compile_stream(
        watched.learner, watched.front, tmp_path, find_target("cortex-m4"), detector=watched.detector
    )
    fields = stream_fields(work.spec, watched.front, watched.detector)
    assert read_program(image).symbols["stream"][1] == sum(field.bytes for field in fields)


def test_a_fault_is_named(tmp_path, monkeypatch):
    """A simulator with another detector than the firmware: the first score or limit that differs."""
    require("gcc", "host")
    work = work_of(recording(tmp_path))
    watched = WatchedRehearsal(work)
    work.detector.settings[2] += 1  # the smoothing
    found = verify_watch(watched, tmp_path, find_target("host"), compiler="gcc", optimisation="-O1")
    assert not found.equal
    assert "smoothed score of row 42: firmware" in found.difference


def test_a_finished_detector_is_emitted_and_verified(tmp_path):
    """The self-test passes from a new start, sees a fault, and the state of the end is taken over by a program."""
    require("gcc", "host")
    run_at, board = tmp_path / "run", tmp_path / "board"
    config = StreamConfig(data=str(recording(tmp_path)), task="anomaly", hidden="3", restart="recording", **PHASES)
    assert run(config, run_at).content["result"]["alarm_rows"] > 0
    emit_watch_run(run_at, board, prefix="pump")
    make = ["make", "-s", "-C", str(board)]
    subprocess.run(make, check=True)
    assert subprocess.run([board / "selftest"]).returncode == 0
    (tmp_path / "end.c").write_text(
        '#include "pump_checkpoint.h"\n#include "pump_state.h"\n#include "pump_stream.h"\nstatic pump_stream s;\n'
        "const uint8_t *pump_flash_slot(uint8_t n) { (void)n; return PUMP_STATE; }\n"
        "bool pump_flash_erase(uint8_t n) { (void)n; return false; }\n"
        "bool pump_flash_program(uint8_t n, uint32_t at, const uint8_t bytes[8])\n"
        "{ (void)n; (void)at; (void)bytes; return false; }\n"
        "int main(void) { return (pump_checkpoint_in(&s, PUMP_STATE) && (s.net.detector.rows > 0U)) ? 0 : 1; }\n"
    )
    sources = sorted((board / "src").glob("*.c"))
    subprocess.run(
        ["gcc", "-std=c99", f"-I{board}/include", *sources, tmp_path / "end.c", "-o", tmp_path / "end"], check=True
    )
    assert subprocess.run([tmp_path / "end"]).returncode == 0
    numbers = board / "test/pump_selftest_numbers.h"
    numbers.write_text(numbers.read_text().replace("SCORES 0x", "SCORES 0x1"))
    subprocess.run(make, check=True, capture_output=True)
    assert subprocess.run([board / "selftest"], capture_output=True).returncode == 1
    found, f1 = verify_watch_run(run_at, [find_target("host")], 100, "gcc", "-O1")
    assert found[0].equal
    assert found[0].f1 == pytest.approx(f1, abs=1e-6)
    recording(tmp_path, seed=1)  # another stream of the same name and length
    with pytest.raises(UserError, match=r"is not the stream of .*: it teaches other words"):
        verify_watch_run(run_at, [find_target("host")], 100, "gcc", "-O1")
