"""Streams in C: levels, classes, words and statistics of the simulator, row by row."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from edgelearn.config import StreamConfig
from edgelearn.runs.session import StreamSession
from edgelearn.runs.stream import open_config_source
from firmware_sim.build.emit_stream import STACK_OF_STREAMS
from firmware_sim.build.front_end import (
    constant_fields,
    stream_checkpoint,
    stream_checkpoint_bytes,
    stream_fields,
    texts_of,
)
from firmware_sim.build.image import compile_image
from firmware_sim.build.targets import find_target
from firmware_sim.build.units import numbers_of, units_of
from firmware_sim.check.stream import Rehearsal, StreamRunner, compile_stream, verify_stream
from firmware_sim.check.stream_size import size_of_stream
from firmware_sim.emulate.emulator import read_program
from tests.firmware.firmware_cases import require
from tests.firmware.power_loss import Station, in_flash, survived

CASES = {
    "signed": {"rule": "drtp"},
    "levels": {"encoder": "levels", "window": 8, "stride": 3, "label_fraction": 0.5, "update_gate": "margin"},
    "on-off": {"encoder": "on-off", "input_threshold": 1, "rule": "dfa", "update_gate": "error"},
    "threshold": {"encoder": "threshold", "thresholds": 3, "rule": "bp", "label_delay": 3},
    "delta": {"encoder": "delta", "time_constant": 3, "window": 4, "input_bits": 4},
    "statistics": {"window": 10, "stride": 5, "window_features": "statistics", "rounding": "stochastic"},
    "statistics, delta": {"window": 7, "stride": 7, "window_features": "statistics", "encoder": "delta"},
    "statistics, late": {"window": 5, "window_features": "statistics", "encoder": "on-off", "label_delay": 9},
    "budget": {"time_constant": 1, "input_bits": 8, "energy_budget": "10 nW", "sample_rate": "50 Hz"},
    "dropped": {"sample_rate": "50 kHz", "processor": "cortex-m0", "queue": 1, "label_delay": 2},
    "late skipped": {"sample_rate": "3 kHz", "processor": "cortex-m0", "queue": 4, "when_late": "skip-update"},
    "long windows": {"window": 1100, "stride": 4, "window_features": "statistics", "reach": 4},
}


def recording(folder, n=600, seed=0):
    """Write a recording of two subjects with decimals, numbers that grow, cells without a value and large numbers."""
    rng = np.random.default_rng(seed)
    label = (np.arange(n) // 12) % 3
    growing = np.rint(rng.normal(0, 1, n) * 2.0 ** (np.arange(n) * 20 / n)).astype(np.int64)
    rows = [f"{'a' if i < n // 3 else 'b'},{rng.normal(label[i], 0.4):.3f},{growing[i]},"
            f"{'' if rng.random() < 0.1 else int(rng.integers(-40, 40) * (label[i] + 1))},"
            f"{(i > 40) * int(rng.integers(0, 2**31 - 1))},c{label[i]}" for i in range(n)]  # fmt: skip
    path = folder / "recording.csv"
    path.write_text("subject,ax,grows,gaps,large,label\n" + "\n".join(rows) + "\n")
    return path


def session_of(path, **settings):
    config = StreamConfig(**({"data": str(path), "hidden": "12", "seed": 3} | settings))
    return StreamSession(config, open_config_source(config))


@pytest.mark.parametrize("name", CASES)
def test_rows_are_those_of_the_simulator(tmp_path, name):
    require("gcc", "host")
    n = 1700 if name == "long windows" else 600
    session = session_of(recording(tmp_path, n), **CASES[name])
    found = verify_stream(Rehearsal(session), tmp_path, find_target("host"), compiler="gcc", optimisation="-O1")
    assert found.difference is None
    assert found.events > 100
    assert found.accuracy == session.score.as_dict()["accuracy"]
    wanted = {"budget": "over_budget", "late skipped": "waited", "on-off": "gated"}
    if name in wanted:
        assert session.counts[wanted[name]] > 0
    if name == "dropped":
        assert session.score.n_dropped > 0


@pytest.mark.slow
@pytest.mark.parametrize(("target", "first"), [("cortex-m0", 0), ("cortex-m4", 1), ("rv32", 2)])
def test_emulated_cores_learn_the_same_rows(tmp_path, target, first):
    """Each core takes a third of the cases; the command `firmware verify --run` takes all of a stream on every core."""
    require("zig", target)
    for name, settings in list(CASES.items())[first::3]:
        session = session_of(recording(tmp_path, 1700 if name == "long windows" else 400), **settings)
        found = verify_stream(Rehearsal(session), tmp_path, find_target(target))
        assert found.difference is None, name
        assert found.accuracy == session.score.as_dict()["accuracy"]


@pytest.mark.parametrize("name", ["delta", "statistics, late", "threshold"])
def test_memory_is_the_estimate_to_the_byte(tmp_path, name):
    require("zig", "cortex-m0")
    rehearsal = Rehearsal(session_of(recording(tmp_path), **CASES[name]))
    list(rehearsal.stretches(0))  # constants of a trained front end
    front = rehearsal.front.of(rehearsal.session.front_end, rehearsal.units, rehearsal.front.label_delay)
    image = compile_stream(rehearsal.learner, front, tmp_path, find_target("cortex-m0"))
    symbols = read_program(image).symbols
    fields = stream_fields(rehearsal.learner.spec, front)
    assert symbols["stream"][1] == sum(one.bytes for one in fields)
    found = {one.name: symbols[one.name][1] for one in constant_fields(rehearsal.learner.spec, front)}
    assert found == {one.name: one.bytes for one in constant_fields(rehearsal.learner.spec, front)}


def test_size_measures_what_the_estimate_says(tmp_path):
    require("zig", "cortex-m4")
    rehearsal = Rehearsal(session_of(recording(tmp_path), window=4, stride=2))
    found = size_of_stream(rehearsal, tmp_path, find_target("cortex-m4"), rows=4)
    assert found.ram_measured == sum(found.ram.values())
    assert 100 < found.stack < STACK_OF_STREAMS
    assert found.row > found.sample > 50
    assert found.step > 500
    assert found.flash["code: front"] > 500


def test_a_trained_stream_goes_on_and_a_checkpoint_brings_it_back(tmp_path):
    require("gcc", "host")
    path = recording(tmp_path)
    whole, half = (Rehearsal(session_of(path, label_delay=0)) for _ in range(2))
    list(half.stretches(0, 300))
    front = half.front.of(half.session.front_end, half.units)
    image = compile_stream(half.learner, front, tmp_path, find_target("host"), "gcc", "-O0")
    firmware = StreamRunner(image, half.learner.spec.sizes[0], True, len(next(whole.stretches(0)).state))
    stretch = next(Rehearsal(session_of(path)).stretches(0))
    levels, predictions = firmware.replay(*(part[300:450] for part in (stretch.numbers, stretch.marks, stretch.labels)))
    assert (levels == stretch.levels[300:450]).all()
    assert (predictions == stretch.predictions[300:450]).all()
    kept = firmware.checkpoint()
    rest = [part[450:] for part in (stretch.numbers, stretch.marks, stretch.labels)]
    first = [part.copy() for part in firmware.replay(*rest)]
    firmware.start()
    assert firmware.resume(kept)
    assert firmware.checkpoint() == kept
    again = firmware.replay(*rest)
    assert all((one == other).all() for one, other in zip(first, again, strict=True))
    assert (again[1] == stretch.predictions[450:]).all()
    assert not firmware.resume(kept[:60] + bytes([kept[60] ^ 1]) + kept[61:])


MUTANTS = [
    ("el_front.c", "x + half", "x", "signed"),
    ("el_front.c", "? 1U : 0U);\n}\n\n/* A magnitude", "? 0U : 0U);\n}\n\n/* A magnitude", "signed"),
    ("el_front.c", "(by < 31) ? (uint32_t)by : 31U", "0U", "levels"),
    ("el_front.c", "(twice + unit) - (negative ? 1U : 0U)", "twice", "levels"),
    ("el_front.c", "2U * deviation_of(front, f, adapting) * EL_DELTA_STEP) + 16U", "2U * deviation_of(front, f, adapting) * EL_DELTA_STEP)", "delta"),
    ("el_front.c", "(uint64_t)-sum + n - 1U", "(uint64_t)-sum", "statistics"),
    ("el_front.c", "(word >= mean) != (before >= mean)", "(word > mean) != (before > mean)", "statistics"),
    ("el_front.c", "front->until = EL_WINDOW;", "", "statistics"),
    ("el_stream.c", "(stream->waiting_at + 1U) < EL_LATE_BY", "(stream->waiting_at + 2U) < EL_LATE_BY", "threshold"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("file", "right", "wrong", "name"), MUTANTS)
def test_faults_in_the_front_end_are_found(tmp_path, monkeypatch, file, right, wrong, name):
    require("gcc", "host")
    from firmware_sim.check import stream

    made = stream.texts_of

    def faulty(*given):
        identity, texts = made(*given)
        assert texts[f"src/{file}"].count(right) >= 1
        return identity, texts | {f"src/{file}": texts[f"src/{file}"].replace(right, wrong)}

    monkeypatch.setattr(stream, "texts_of", faulty)
    session = session_of(recording(tmp_path), **CASES[name])
    found = verify_stream(Rehearsal(session), tmp_path, find_target("host"), compiler="gcc", optimisation="-O1",
                          extra=("-Wno-error",))  # fmt: skip
    assert found.difference is not None


def test_numbers_of_a_recording():
    values = np.array([[0.1, 3, 1 / 3], [-2.25, 2**20, 1e-3], [np.nan, -5, -0.75]], np.float32)
    units = units_of(values)
    assert units.digits == (2, 0, 0)
    assert units.binary == (0, 0, 31)
    assert units.exact == (True, True, False)
    assert numbers_of(values, units)[:, :2].tolist() == [[10, 3], [-225, 2**20], [-(2**31), -5]]
    assert numbers_of(values, units)[:, 2].tolist() == [715827904, 2147483, -1610612736]  # the odd one of two


def test_no_floating_point_in_the_front_end():
    from firmware_sim.build.front_end import SOURCES
    from firmware_sim.build.image import CSRC

    for name in SOURCES:
        code = re.sub(r"/\*.*?\*/", "", (CSRC / name).read_text(), flags=re.S)
        assert not re.search(
            r"\b(float|double)\b|[^/]/[^/]", re.sub(r"(?<=[A-Za-z0-9_)\]]) / (?=wide|2U|\(uint32_t\)sizeof)", "", code)
        )


@pytest.mark.slow
@pytest.mark.parametrize("target", ["cortex-m4", "rv32"])
def test_a_station_with_a_front_end_goes_on_on_other_cores(tmp_path, target):
    survive_stream(tmp_path, target, {"encoder": "delta", "time_constant": 3}, 60)


def test_a_station_with_a_front_end_goes_on_after_power_fails_anywhere(tmp_path):
    survive_stream(tmp_path, "cortex-m0", {"window": 3, "stride": 3, "window_features": "statistics"}, 30)


UNMAPPED = ("-DEL_FLASH_MAPPED=0", "-DEL_FLASH_UNIT=16")


def test_a_station_with_a_front_end_goes_on_from_flash_that_is_not_mapped(tmp_path):
    survive_stream(tmp_path, "rv32", {"encoder": "delta", "time_constant": 3}, 20, UNMAPPED)


def survive_stream(folder, target, settings, cuts, defines=()):
    """Cut the power of a stream of 40 rows that saves every 8."""
    require("zig", target)
    every, n = 8, 40 * settings.get("window", 1)
    path = folder / "one.csv"
    lines = recording(folder).read_text().splitlines()
    path.write_text("\n".join([lines[0], *(line for line in lines[201 : 201 + n])]) + "\n")
    settings = settings | {"hidden": "6", "rounding": "stochastic", "ignore": ("subject",)}
    rehearsal = Rehearsal(session_of(path, **settings))
    learner, front = rehearsal.learner, rehearsal.front
    identity, texts = texts_of(learner, front)
    size = stream_checkpoint_bytes(learner.spec, front)
    app = ("station_stream.c", "nor_flash.c")
    image = compile_image(
        learner,
        folder / "built",
        find_target(target),
        app,
        ("station*",),
        extra=(*in_flash(size), *defines),
        more=texts,
    )
    image = replace(image, identity=identity)
    saved = rehearsal.session.front_end.save()
    states = {0: stream_checkpoint(learner, front, saved, identity, 0, 0)}
    stretches = list(rehearsal.stretches(identity, block=every * settings.get("window", 1)))
    states |= {every * (k + 1): stretch.state for k, stretch in enumerate(stretches)}
    numbers, labels = (np.concatenate([getattr(one, name) for one in stretches]) for name in ("numbers", "labels"))
    given = np.ascontiguousarray(numbers, "<i4").view(np.uint8), labels.astype(np.int64)
    station = Station(image, learner.spec, *given, every, size)
    done = survived(station, states, every, identity, cuts)
    assert done.faults == ()
    assert sum(done.cuts.values()) == cuts
    assert done.again > cuts // 4
    assert done.torn > cuts // 6
