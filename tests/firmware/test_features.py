"""Frozen layers in C: the features of the simulator, for layers of every kind, on the host."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

from edgelearn.network.frozen import FrozenStack, Geometry
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.runs.levels import Levels
from firmware_sim.build.emit import emit
from firmware_sim.build.estimate import ram_bytes
from firmware_sim.build.features import Features
from firmware_sim.build.targets import find_target
from firmware_sim.check.front import FrontVerification, compile_front, size_of_front, verify_front
from firmware_sim.check.verify import verify
from firmware_sim.emulate.emulator import read_program
from firmware_sim.emulate.runners import runner
from tests.firmware.firmware_cases import require
from tests.properties.test_frozen import layer_of

STRICT = "-std=c99 -Wall -Wextra -Werror -Wconversion -pedantic -fsanitize=undefined -fno-sanitize-recover=all"
PRINTS = """
#include <stdio.h>
#include "el_features.h"
int main(void)
{
    static el_pixel pixels[EL_PIXELS];
    static el_level levels[EL_INPUTS];
    while (fread(pixels, sizeof(el_pixel), EL_PIXELS, stdin) == EL_PIXELS) {
        el_features(levels, pixels);
        for (uint32_t i = 0U; i < EL_INPUTS; i++) {
            printf("%d ", (int)levels[i]);
        }
    }
    return 0;
}
"""


def stack_of(seed):
    """Return layers of every kind, with strides, padding on one side, orders and shifts to both sides."""
    rng = np.random.default_rng(seed)
    first = Geometry("sum", 7, 6, 2, 4, 3, 2, 2, 1, 1, 1, 0, 1)
    pool = Geometry("max", first.out_height, first.out_width, 4, 4, 2, 2, 1, 2, 1, 0, 0, 1, 4)
    deep = Geometry("sum", pool.out_height, pool.out_width, 4, 8, 2, 2, groups=4)
    last = Geometry("sum", 1, 1, deep.n_out, 9)
    layers = [layer_of(one, rng, one is not deep) for one in (first, pool, deep, last)]
    if seed % 2:
        layers[-1].table[:] = np.abs(layers[-1].table)
    return FrozenStack(tuple(layers), rng.permutation(9) if seed % 3 else None), rng


@pytest.mark.parametrize("seed", range(4))
def test_features_are_those_of_the_simulator(tmp_path, seed):
    require("gcc", "host")
    stack, rng = stack_of(seed)
    signed = seed < 2
    values = rng.integers(-127 if signed else 0, 128 if signed else 256, (60, 84)) * (rng.random((60, 84)) < 0.7)
    levels = stack.run(values.astype(np.int16))
    spec = design((9, 5, 3), "dfa", input_bits=7 + stack.signed, signed_inputs=stack.signed, hidden_rate=-3)
    front = Features("features", stack, Levels(8, signed, np.ones(1), np.zeros(1)), values)
    emit(Learner(spec), tmp_path, levels, rng.integers(0, 3, 60), tensor=front)
    (tmp_path / "prints.c").write_text(PRINTS)
    sources = ["prints.c", "src/el_learner.c", "src/el_features.c"]
    command = ["gcc", *STRICT.split(), "-Iinclude", *sources, "-o", "prints"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    content = values.astype(np.int8 if signed else np.uint8).tobytes()
    printed = subprocess.run([tmp_path / "prints"], input=content, capture_output=True, check=True).stdout
    assert np.array(printed.split(), int).reshape(levels.shape).tolist() == levels.tolist()
    subprocess.run(["make", "-s"], cwd=tmp_path, check=True, capture_output=True)
    tested = subprocess.run([tmp_path / "selftest"], capture_output=True, text=True)
    assert tested.stdout == "equal to the simulator\n"
    readme = (tmp_path / "README.md").read_text()
    assert f"{front.flash_bytes:,} bytes of constants and {front.ram_bytes:,} bytes of RAM" in readme


def test_bytes_are_those_that_the_compiler_places(tmp_path):
    """Data and constants of el_features.c but for the table of layers, whose addresses depend on the core."""
    require("gcc", "host")
    stack, rng = stack_of(1)
    values = np.zeros((2, 84), int)
    front = Features("features", stack, Levels(8, True, np.ones(1), np.zeros(1)), values)
    spec = design((9, 3), "dfa", input_bits=7 + stack.signed, signed_inputs=stack.signed)
    emit(Learner(spec), tmp_path, stack.run(values), rng.integers(0, 3, 2), tensor=front)
    command = ["gcc", "-std=c99", "-O0", "-c", "-Iinclude", "src/el_features.c", "-o", "features.o"]
    subprocess.run(command, cwd=tmp_path, check=True)
    listed = subprocess.run(["nm", "-S", "features.o"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    sizes = {row[3]: int(row[1], 16) for row in map(str.split, listed.splitlines()) if len(row) == 4}
    constants = {name: n for name, n in sizes.items() if name.startswith(("EL_FRONT_", "EL_FEATURE_"))}
    assert constants == {name: n for name, n in front.constants.items() if name != "EL_FRONT"}
    assert sum(n for name, n in sizes.items() if name.startswith("el_map_")) == front.ram_bytes


def front_of(seed, n=40):
    """Return a learner behind frozen layers of every kind, and samples."""
    stack, rng = stack_of(seed)
    signed = seed < 2
    values = rng.integers(-127 if signed else 0, 128 if signed else 256, (n, 84)) * (rng.random((n, 84)) < 0.7)
    spec = design((9, 5, 3), "dfa", input_bits=7 + stack.signed, signed_inputs=stack.signed, hidden_rate=-3)
    front = Features("features", stack, Levels(8, signed, np.ones(1), np.zeros(1)), values)
    return Learner(spec), front, stack.run(values.astype(np.int16)), rng.integers(0, 3, n)


@pytest.mark.parametrize(
    ("target", "compiler"),
    [
        ("host", "gcc"),
        ("cortex-m0", "gcc"),
        pytest.param("rv32", "gcc", marks=pytest.mark.slow),
        pytest.param("cortex-m4", "gcc", marks=pytest.mark.slow),
        *(pytest.param(core, "zig", marks=pytest.mark.slow) for core in ("cortex-m0", "cortex-m4", "rv32")),
    ],
)
@pytest.mark.parametrize("seed", [0, 3])
def test_cores_compute_the_levels_of_the_simulator(tmp_path, target, compiler, seed):
    """The levels, what is learned from them, and the memory of both: RAM and constants to the byte."""
    require(compiler, target)
    learner, front, levels, labels = front_of(seed)
    image = compile_front(learner, front, tmp_path, find_target(target), compiler, "-Os")
    assert verify_front(image, front, levels) == FrontVerification(40, None)
    wrong = levels.copy()
    wrong[7, 2] += 1
    assert verify_front(image, front, wrong).difference.startswith("level 3 of sample 8: firmware ")
    found = verify(learner, image.identity, runner(image, learner.spec), levels, labels)
    assert (found.difference, found.samples) == (None, 40)
    if target == "host":
        return
    measured = size_of_front(image, front)
    assert (measured.ram, measured.constants) == (front.ram_bytes, front.flash_bytes)
    program = read_program(image)
    slots = program.symbols.get("slots", (0, 0))[1]
    in_ram = sum(program.sections.get(name, 0) for name in (".data", ".bss")) - slots
    assert in_ram - ram_bytes(learner.spec) - front.ram_bytes in range(8)  # ends of arrays of bytes, aligned
    assert measured.code > 0
    assert 0 < measured.stack < 400
