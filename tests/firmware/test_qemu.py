"""Debian's compilers and QEMU: the simulator's bits from reset to the last checkpoint, and unicorn's counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgelearn.data import open_dataset
from edgelearn.errors import UserError
from edgelearn.network.encoding import encode_levels
from edgelearn.network.kernels import tables as t
from edgelearn.network.learner import Learner, steps_of
from edgelearn.network.spec import design
from firmware_sim.build.headers import checkpoint
from firmware_sim.build.targets import find_target
from firmware_sim.build.toolchain import missing, missing_emulator
from firmware_sim.emulate.emulator import Machine
from firmware_sim.emulate.runners import as_words
from tests.firmware import qemu
from tests.tools import missing as skip

N, COUNTED = 1000, 210


def target_with_tools(name, emulators=(qemu.missing_qemu,)):
    target = find_target(name)
    for lacks in (missing("gcc", target), *(emulator() for emulator in emulators)):
        if lacks:
            skip(lacks)
    return target


def digits(n):
    data = open_dataset("digits")
    labels = data.train_y[:n].astype(np.int64)
    labels[7::40] = -1  # these are only predicted
    return encode_levels(data.train_x[:n], 0, 16, 4), labels


def counted_by_unicorn(image, spec, levels, labels):
    """Return instructions of replay_predict and replay_learn for each sample, in the order in which QEMU ran them."""
    machine, taken = Machine(image), []
    machine.call("replay_init")
    inputs, targets = as_words(spec, levels, labels)
    (at,) = machine.place(inputs)
    with machine.counting() as counts:
        for i, label in enumerate(np.frombuffer(targets, "<u2").tolist()):
            sample = at + i * spec.sizes[0]
            start = counts.instructions
            machine.call("replay_predict", sample)
            middle = counts.instructions
            machine.call("replay_learn", sample, label)
            taken.append((middle - start, counts.instructions - middle))
    return np.array(taken)


@pytest.mark.parametrize(
    ("name", "optimisation", "settings"),
    [
        ("cortex-m0", "-O2", {"sizes": (64, 32, 10), "rule": "bp", "rounding": "stochastic"}),
        ("cortex-m4", "-O2", {"sizes": (64, 32, 10), "rule": "drtp", "rounding": "stochastic"}),
        ("rv32", "-O2", {"sizes": (64, 32, 10), "rule": "bp", "bits": 16, "rounding": "stochastic"}),
        ("cortex-m4", "-Os", {"sizes": (64, 24, 16, 10), "rule": "fa", "bits": 4, "rounding": "residual"}),
        pytest.param(
            *("rv32", "-O0", {"sizes": (64, 16, 12, 10), "rule": "mdfa", "bits": 8, "rounding": "nearest"}),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_board_learns_the_simulators_bits_in_as_many_instructions_as_unicorn(name, optimisation, settings, tmp_path):
    target = target_with_tools(name, (qemu.missing_qemu, missing_emulator))
    spec, (levels, labels) = design(**settings), digits(N)
    learner = Learner(spec)
    image = qemu.compile_program(learner, tmp_path, target, optimisation=optimisation)
    first = checkpoint(learner, image.identity, 0)
    board = qemu.replay(image, spec, levels, labels)

    simulated = learner.run_steps(levels, steps_of(labels))
    learned = int((simulated.statuses == t.LEARNED).sum())
    assert learned == (labels >= 0).sum() > 900
    assert np.array_equal(board.predictions, simulated.predictions)
    assert np.array_equal(board.classes, simulated.predictions)
    assert board.checkpoint == checkpoint(learner, image.identity, learned)
    assert (board.checkpoint[16:20] != first[16:20]) == spec.stochastic  # the generator
    words = np.frombuffer(board.checkpoint[24:-4], np.uint8) != np.frombuffer(first[24:-4], np.uint8)
    assert words.mean() > 0.2
    assert len(set(board.predictions.tolist())) > 2

    again = qemu.replay(image, spec, levels[:COUNTED], labels[:COUNTED])
    assert (labels[:COUNTED] >= 0).sum() >= 200
    qemus = np.stack([board.predict_instructions, board.learn_instructions], axis=1)[:COUNTED]
    assert np.array_equal(qemus, np.stack([again.predict_instructions, again.learn_instructions], axis=1))
    assert np.array_equal(qemus, counted_by_unicorn(image, spec, levels[:COUNTED], labels[:COUNTED]))
    assert len(set(qemus[:, 1].tolist())) > 50  # counts follow what is learned


@pytest.mark.parametrize(("name", "undefined"), [("cortex-m0", "00de"), ("rv32", "0000")])
def test_a_program_that_cannot_go_on_is_ended(name, undefined, tmp_path):
    target = target_with_tools(name)
    spec, (levels, labels) = design((64, 8, 10)), digits(60)
    image = qemu.compile_program(Learner(spec), tmp_path, target)
    with pytest.raises(UserError, match=r"QEMU did not end 60 samples within 0\.001 seconds; replay fewer samples or"):
        qemu.replay(image, spec, levels, labels, seconds=0.001)
    with pytest.raises(UserError, match="not a program of this network that replays samples; compile it again"):
        qemu.replay(replace(image, identity=image.identity ^ 1), spec, levels, labels)

    from elftools.elf.elffile import ELFFile

    with image.path.open("rb") as file:
        elf = ELFFile(file)
        at = elf.get_section_by_name(".symtab").get_symbol_by_name("replay_learn")[0]["st_value"] & ~1
        offset = next(elf.address_offsets(at))
    code = bytearray(image.path.read_bytes())
    code[offset : offset + 2] = bytes.fromhex(undefined)
    image.path.write_bytes(code)
    with pytest.raises(UserError, match=f"the program on {name} ended with code 100: the core met a fault"):
        qemu.replay(image, spec, levels, labels)


def test_a_sample_that_is_too_long_for_systick_is_no_wrong_count(tmp_path, monkeypatch):
    target = target_with_tools("cortex-m4")
    spec, (levels, labels) = design((64, 128, 10), "bp"), digits(2)
    image = qemu.compile_program(Learner(spec), tmp_path, target, optimisation="-O0")
    taken = qemu.replay(image, spec, levels, labels).learn_instructions
    assert 2**24 * 40 / 1024 < taken.max() < 2**24 * 40 / 128
    monkeypatch.setitem(qemu.BOARDS, "cortex-m4", replace(qemu.BOARDS["cortex-m4"], icount_shift=10))
    with pytest.raises(UserError, match="ended with code 101: one sample took more instructions than SysTick counts"):
        qemu.replay(image, spec, levels, labels)


def test_the_host_is_no_board(tmp_path):
    with pytest.raises(UserError, match="QEMU does not emulate target host; use cortex-m0, cortex-m4, rv32"):
        qemu.compile_program(Learner(design((4, 3))), tmp_path, find_target("host"))
