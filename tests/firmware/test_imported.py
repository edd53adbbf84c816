"""Firmware of networks that start from a trained model: levels of its tensor, an example, words, bytes."""

from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise

import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.pretrained import FrontEnd, Imported, Layer, Tensor
from edgelearn.runs.levels import Levels
from edgelearn.runs.start import start_from
from firmware_sim.build.emit import emit
from firmware_sim.build.estimate import constant_fields, ram_bytes
from firmware_sim.build.image import compile_image
from firmware_sim.build.levels import EXAMPLE, texts_of
from firmware_sim.build.levels import Tensor as LevelTensor
from firmware_sim.build.targets import find_target
from firmware_sim.check.verify import verify
from firmware_sim.emulate.emulator import read_program
from firmware_sim.emulate.runners import runner
from tests.firmware.firmware_cases import require
from tests.tools import missing

SIZES = (12, 9, 5)


def model(tensor, sizes=SIZES, activation="tanh"):
    """Return a network with random weights behind a tensor."""
    rng = np.random.default_rng(3)
    layers = []
    for k, (n_in, n_out) in enumerate(pairwise(sizes)):
        last = k == len(sizes) - 2
        behind = Tensor(f"t{k + 1}", (1, n_out), "float32")
        weights = rng.normal(0, 1 / np.sqrt(n_in), (n_out, n_in))
        layers.append(
            Layer(f"dense{k}", weights, rng.normal(0, 0.1, n_out), "linear" if last else activation, tensor, behind)
        )
    return Imported("model.tflite", "abc", "tflite", tensor, tuple(layers), FrontEnd(1000, 500, 200))


def int8(zero_point):
    return Tensor("features/Relu", (1, SIZES[0]), "int8", 0.02, zero_point)


def quantised(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(-128, 128, (n, SIZES[0])), rng.integers(0, SIZES[-1], n)


def package(folder, tensor, x, labels, **settings):
    """Write the package of a head behind a tensor; return its learner, which has learned the samples."""
    start = start_from(model(tensor), x=x, **settings)
    learner = start.learner(start.design(hidden_rate=-4, output_rate=-3))
    levels = start.front_end.levels
    emit(learner, folder, levels.encode(x), labels, tensor=LevelTensor(tensor.name, levels, x))
    return learner


def run(folder, *command):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


PRINTS = """
#include <stdio.h>
#include "el_levels.h"
int main(void)
{
    static el_value values[EL_INPUTS];
    static el_level levels[EL_INPUTS];
    while (fread(values, sizeof(el_value), EL_INPUTS, stdin) == EL_INPUTS) {
        el_levels(levels, values);
        for (uint32_t i = 0U; i < EL_INPUTS; i++) {
            printf("%d ", (int)levels[i]);
        }
    }
    return 0;
}
"""


def converted(folder, values):
    """Return the levels that the header of a package makes of values."""
    (folder / "prints.c").write_text(PRINTS)
    strict = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-pedantic"]
    run(folder, "gcc", *strict, "-Iinclude", "prints.c", "src/el_learner.c", "-o", "prints")
    done = subprocess.run([folder / "prints"], input=values.tobytes(), capture_output=True, check=True)
    return np.array(done.stdout.split(), int).reshape(values.shape)


@pytest.mark.parametrize("zero_point", [-128, -3, 127])
def test_every_integer_of_a_tensor_is_the_simulators_level(tmp_path, zero_point):
    require("gcc", "host")
    x, labels = quantised(50)
    package(tmp_path, int8(zero_point), x, labels)
    values = np.resize(np.arange(-128, 128), (22, SIZES[0])).astype(np.int8)
    levels = start_from(model(int8(zero_point)), x=x).front_end.levels
    assert converted(tmp_path, values).tolist() == levels.encode(values).tolist()
    assert f"#define EL_ZERO_POINT ({zero_point})\n" in (tmp_path / "include/el_levels.h").read_text()
    run(tmp_path, "make", "-s")
    assert run(tmp_path, "./selftest") == "equal to the simulator\n"


def test_floats_are_rounded_as_in_the_simulator(tmp_path):
    """Ties, values beyond the ends, and what is no number."""
    require("gcc", "host")
    tensor = Tensor("features", (1, SIZES[0]), "float32")
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1, (50, SIZES[0])).astype(np.float32)
    package(tmp_path, tensor, x, rng.integers(0, SIZES[-1], 50))
    levels = start_from(model(tensor), x=x).front_end.levels
    step = float(levels.scale[0])
    values = rng.normal(0, 1.5, (200, SIZES[0])).astype(np.float32)
    values[:100] = np.float32(step) * (rng.integers(-300, 300, (100, SIZES[0])) / 2)
    values[0, :4] = np.nan, np.inf, -np.inf, 0
    assert converted(tmp_path, values).tolist() == levels.encode(values).tolist()
    run(tmp_path, "make", "-s")
    assert run(tmp_path, "./selftest") == "equal to the simulator\n"
    assert not (tmp_path / EXAMPLE).exists()


@pytest.mark.parametrize("signed", [True, False])
def test_inputs_with_steps_and_offsets_of_their_own(tmp_path, signed):
    require("gcc", "host")
    x, labels = quantised(50)
    package(tmp_path, int8(-128), x, labels)
    rng = np.random.default_rng(5)
    levels = Levels(8, signed, 2.0 ** rng.integers(-4, 4, SIZES[0]), rng.normal(0, 9, SIZES[0]))
    text = texts_of(LevelTensor("*/ x \n \\ t", levels, x))["include/el_levels.h"]
    if signed:
        text = text.replace('#include "el_learner.h"', '#include "el_learner.h"\n#define el_level int8_t')
    (tmp_path / "include/el_levels.h").write_text(text)
    values = (levels.offset + levels.scale * rng.integers(-600, 600, (99, SIZES[0])) / 2).astype(np.float32)
    assert converted(tmp_path, values).tolist() == levels.encode(values).tolist()


def test_a_self_test_with_another_zero_point_fails(tmp_path):
    require("gcc", "host")
    x, labels = quantised(50)
    package(tmp_path, int8(-128), x, labels)
    header = tmp_path / "include/el_levels.h"
    header.write_text(header.read_text().replace("EL_ZERO_POINT (-128)", "EL_ZERO_POINT (-127)"))
    run(tmp_path, "make", "-s")
    assert subprocess.run([tmp_path / "selftest"], capture_output=True).returncode == 1


def test_values_that_the_tensor_cannot_have_are_refused():
    levels = Levels(8, False, np.ones(1), np.zeros(1), -128, -128)
    with pytest.raises(UserError, match="values of tensor 't' are outside -128 to 127"):
        texts_of(LevelTensor("t", levels, np.array([[128]])))


STAND_IN = {
    "tensorflow/lite/c/common.h": """
#pragma once
#include <cstddef>
#include <cstdint>
enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };
enum TfLiteType { kTfLiteNoType = 0, kTfLiteFloat32 = 1, kTfLiteUInt8 = 3, kTfLiteInt8 = 9 };
struct TfLiteQuantizationParams { float scale; int32_t zero_point; };
union TfLitePtrUnion { int8_t *int8; uint8_t *uint8; float *f; char *raw; void *data; };
struct TfLiteTensor { TfLiteType type; TfLitePtrUnion data; TfLiteQuantizationParams params; size_t bytes; };
""",
    "tensorflow/lite/micro/micro_interpreter.h": """
#pragma once
#include "tensorflow/lite/c/common.h"
namespace tflite {
class MicroInterpreter {
public:
    explicit MicroInterpreter(TfLiteTensor *output) : output_(output) {}
    TfLiteStatus Invoke() { return fails ? kTfLiteError : kTfLiteOk; }
    TfLiteTensor *output(size_t) { return output_; }
    bool fails = false;
private:
    TfLiteTensor *output_;
};
}
""",
}
USES_IT = """
#include <cstdio>
#include "tflm_example.cpp"
#include "values.h"
int main()
{
    TfLiteTensor tensor = {};
    tensor.type = kTfLiteInt8;
    tensor.params = {0.02f, ZERO_POINT};
    tensor.bytes = EL_INPUTS;
    tflite::MicroInterpreter model(&tensor);
    el_start();
    for (int i = 0; i < N; i++) {
        tensor.data.int8 = VALUES[i];
        if (el_sample(model, LABELS[i]) < 0) { return 1; }
    }
    for (uint32_t i = 0; i < EL_WORDS; i++) { std::printf("%d ", net.words[i]); }
    const uint32_t learned = net.learned;
    model.fails = true;
    if (el_sample(model, 0) != -1) { return 2; }
    model.fails = false;
    tensor.params.zero_point++;
    if (el_sample(model, 0) != -1) { return 3; }
    tensor.params.zero_point--;
    tensor.type = kTfLiteUInt8;
    if (el_sample(model, 0) != -1) { return 4; }
    tensor.type = kTfLiteInt8;
    tensor.bytes--;
    return (el_sample(model, 0) == -1 && net.learned == learned) ? 0 : 5;
}
"""


@pytest.mark.parametrize("zero_point", [-128, -3])
def test_the_example_learns_from_an_output_of_tensorflow_lite_micro(tmp_path, zero_point):
    """Compiled against a stand-in of the part of its interface that the example uses."""
    require("gcc", "host")
    if shutil.which("g++") is None:
        missing("g++ is not installed: apt-get install g++")
    x, labels = quantised(30)
    learner = package(tmp_path, int8(zero_point), x, labels)
    for name, text in STAND_IN.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    rows = ", ".join("{" + ", ".join(map(str, row)) + "}" for row in x.tolist())
    (tmp_path / "values.h").write_text(
        f"#define N {len(x)}\n#define ZERO_POINT ({zero_point})\nstatic int8_t VALUES[N][EL_INPUTS] = {{{rows}}};\n"
        f"static const uint16_t LABELS[N] = {{{', '.join(map(str, labels))}}};\n"
    )
    (tmp_path / "uses.cpp").write_text(USES_IT)
    options = ["-std=c++14", "-Wall", "-Wextra", "-Werror", "-I.", "-Iinclude", "-Iexample"]
    run(tmp_path, "g++", *options, "-c", "uses.cpp")
    run(tmp_path, "gcc", "-std=c99", "-Iinclude", "-c", "src/el_learner.c")
    run(tmp_path, "g++", "uses.o", "el_learner.o", "-o", "uses")
    words = [int(word) for word in run(tmp_path, "./uses").split()]
    state = learner.state
    of_layers = [np.concatenate([state.weights(k), state.biases(k)[:, None]], axis=1).ravel() for k in range(2)]
    assert words == np.concatenate(of_layers).tolist()


CASES = [("dfa", "all", "cortex-m4"), ("drtp", "all", "rv32"), ("dfa", "last", "cortex-m4"), ("drtp", "bias", "rv32")]


@pytest.mark.parametrize(("rule", "learn", "target"), CASES)
@pytest.mark.parametrize("tensor", [int8(-128), int8(-3), Tensor("f", (1, SIZES[0]), "float32")], ids=["u8", "i8", "f"])
def test_cores_learn_the_simulators_words_in_the_bytes_of_the_estimate(tmp_path, rule, learn, target, tensor):
    require("zig", target)
    x, labels = quantised(300)
    if not tensor.is_integer:
        x = (x / 50).astype(np.float32)
    start = start_from(model(tensor), x=x, rule=rule, learn=learn)
    spec, levels = start.design(hidden_rate=-4, output_rate=-3), start.front_end.encode(x)
    learner = start.learner(spec)
    image = compile_image(learner, tmp_path, find_target(target), optimisation="-Os")
    symbols = read_program(image).symbols
    assert symbols["net"][1] == ram_bytes(spec)
    estimated = {field.name: field.bytes for field in constant_fields(spec)}
    held = {name: size for name, (_, size) in symbols.items() if name.startswith("EL_")}
    assert {**estimated, **held} == estimated
    assert set(estimated) - set(held) <= {"EL_LAYER"}  # a compiler may put two rows into the code
    found = verify(learner, image.identity, runner(image, spec), levels, labels)
    assert (found.difference, found.samples) == (None, len(x))
