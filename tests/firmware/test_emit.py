"""The folder that users take into their own projects."""

from __future__ import annotations

import re
import shutil
import subprocess

import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.rules import RULES
from firmware_sim.build.emit import emit
from firmware_sim.build.estimate import ram_bytes
from firmware_sim.build.image import CSRC
from tests.firmware.firmware_cases import random_samples, require
from tests.tools import in_turn, missing


def package(folder, **settings):
    spec = design(**({"sizes": (12, 9, 5), "hidden_rate": -4, "output_rate": -3} | settings))
    levels, labels = random_samples(spec, 60)
    labels[labels < 0] = 0
    return emit(Learner(spec), folder, levels, labels)


def selftest(folder):
    subprocess.run(["make", "-s", "-C", folder], check=True)
    done = subprocess.run([folder / "selftest"], capture_output=True, text=True)
    return done.returncode, done.stdout.strip()


@pytest.mark.parametrize("rule", RULES)
def test_the_self_test_of_a_package_passes(tmp_path, rule):
    require("gcc", "host")
    package(
        tmp_path / "el", rule=rule, bits=4 if rule == "fa" else 8, rounding="nearest" if rule == "fa" else "stochastic"
    )
    assert selftest(tmp_path / "el") == (0, "equal to the simulator")


SANITIZERS = "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all"
SAVES = """
#include "el_checkpoint.h"
#include "el_selftest.h"
static el_learner net, other;
int main(void)
{
    bool right = !el_restore(&other) && el_selftest(&net) && el_save(&net) && el_save(&net) && el_restore(&other);
    for (uint32_t i = 0U; i < EL_WORDS; i++) {
        right = right && (net.words[i] == other.words[i]);
    }
    return (right && (net.learned == other.learned)) ? 0 : 1;
}
"""


@pytest.mark.parametrize(("rule", "rounding"), in_turn(RULES, ("residual", "stochastic")))
def test_no_memory_is_touched_that_is_not_the_learners(tmp_path, rule, rounding):
    require("gcc", "host")
    package(tmp_path, rule=rule, rounding=rounding, sizes=(12, 9, 5) if rounding == "residual" else (9, 8, 7, 4))
    subprocess.run(["make", "-s", "-C", tmp_path, f"CFLAGS={SANITIZERS}"], check=True)
    assert subprocess.run([tmp_path / "selftest"]).returncode == 0
    (tmp_path / "saves.c").write_text(SAVES)
    sources = ["src/el_learner.c", "src/el_checkpoint.c", "test/el_selftest.c", "saves.c", CSRC / "app/ram_flash.c"]
    command = ["gcc", *SANITIZERS.split(), "-Iinclude", "-Itest", *sources, "-o", "saves"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert subprocess.run([tmp_path / "saves"]).returncode == 0


def test_the_package_is_called_from_cpp(tmp_path):
    require("gcc", "host")
    if shutil.which("g++") is None:
        missing("g++ is not installed: apt-get install g++")
    package(tmp_path, rule="dfa")
    (tmp_path / "main.cpp").write_text(
        '#include "el_selftest.h"\nint main() { static el_learner net; return !el_selftest(&net); }'
    )
    includes = ("-Iinclude", "-Itest")
    subprocess.run(["g++", "-c", "-Wall", "-Wextra", "-Werror", *includes, "main.cpp"], cwd=tmp_path, check=True)
    objects = ["src/el_learner.c", "test/el_selftest.c", "main.o"]
    subprocess.run(["gcc", *includes, *objects, "-o", "main"], cwd=tmp_path, check=True)
    assert subprocess.run([tmp_path / "main"]).returncode == 0


def test_the_self_test_fails_for_another_word(tmp_path):
    require("gcc", "host")
    package(tmp_path / "el", rule="dfa")
    numbers = tmp_path / "el/include/el_numbers.h"
    head, tail = numbers.read_text().split("EL_INITIAL[", 1)
    start = tail.index("{") + 6
    end = tail.index(",", start)
    numbers.write_text(head + "EL_INITIAL[" + tail[:start] + str(int(tail[start:end]) + 1) + tail[end:])
    assert selftest(tmp_path / "el") == (1, "NOT equal to the simulator")


def test_files_and_readme(tmp_path):
    files = package(tmp_path / "el", rule="drtp")
    names = {str(path.relative_to(tmp_path / "el")) for path in files}
    assert {"README.md", "Makefile", "include/el_config.h", "src/el_checkpoint.c", "test/el_selftest.c"} <= names
    readme = (tmp_path / "el/README.md").read_text()
    assert "12-9-5, rule drtp" in readme
    assert "{" not in readme.replace("if (!el_restore(&net)) {", "")
    assert str(tmp_path) not in "".join(path.read_text() for path in files)
    again = package(tmp_path / "again", rule="drtp")
    assert [path.read_bytes() for path in files] == [path.read_bytes() for path in again]


def test_a_folder_with_files_is_left_alone(tmp_path):
    (tmp_path / "mine.c").write_text("int x;")
    with pytest.raises(UserError, match="is not empty"):
        package(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.c"]


def test_the_example_of_the_readme_compiles_as_c_and_as_cpp(tmp_path):
    """Names of the example are no keywords of C++."""
    require("gcc", "host")
    if shutil.which("g++") is None:
        missing("g++ is not installed: apt-get install g++")
    package(tmp_path, rule="drtp")
    example = (tmp_path / "README.md").read_text().split("```c\n")[1].split("```")[0]
    head, calls = example.split("el_init", 1)
    source = f"{head}static el_level levels[EL_INPUTS];\nint main(void) {{ const uint16_t label = 1; el_init{calls} return predicted; }}\n"
    header = (tmp_path / "include/el_learner.h").read_text()
    assert "predicted = el_learn(&net, levels, label);" in header
    for name, compiler, standard in (("main.cpp", "g++", "c++17"), ("main.c", "gcc", "c99")):
        (tmp_path / name).write_text(source)
        subprocess.run([compiler, f"-std={standard}", "-Iinclude", "-c", name], cwd=tmp_path, check=True)


def test_two_networks_share_one_firmware(tmp_path):
    require("gcc", "host")
    for prefix, rule in (("gait", "drtp"), ("key_word", "shallow")):
        spec = design((12, 9, 5), rule, hidden_rate=-4, output_rate=-3)
        levels, labels = random_samples(spec, 60)
        labels[labels < 0] = 0
        files = emit(Learner(spec), tmp_path / prefix, levels, labels, prefix=prefix)
        assert f"{prefix}_learner.c" in {path.name for path in files}
        text = "".join(path.read_text() for path in files)
        assert " el_" not in text
        assert "EL_" not in text.replace(f"{prefix.upper()}_", "")
        assert selftest(tmp_path / prefix) == (0, "equal to the simulator")
    (tmp_path / "main.c").write_text(
        '#include "gait_selftest.h"\n#include "key_word_selftest.h"\n'
        "static gait_learner a;\nstatic key_word_learner b;\n"
        "int main(void) { return (gait_selftest(&a) && key_word_selftest(&b)) ? 0 : 1; }\n"
    )
    sources = [
        f"{p}/{part}/{p}_{name}.c"
        for p in ("gait", "key_word")
        for part, name in (("src", "learner"), ("test", "selftest"))
    ]
    includes = [f"-I{p}/{part}" for p in ("gait", "key_word") for part in ("include", "test")]
    subprocess.run(["gcc", "-std=c99", *includes, *sources, "main.c", "-o", "two"], cwd=tmp_path, check=True)
    assert subprocess.run([tmp_path / "two"]).returncode == 0
    with pytest.raises(UserError, match="prefix '2nd' begins no name in C"):
        emit(Learner(spec), tmp_path / "x", levels, labels, prefix="2nd")
    assert not (tmp_path / "x").exists()


MAIN_OF_AVR = """
#include "el_learner.h"
static el_learner net;
volatile uint16_t result;
static el_level levels[EL_INPUTS];
int main(void) { el_init(&net); for (;;) { result = el_learn(&net, levels, 1U); } }
"""


@pytest.mark.parametrize("rule", ["drtp", "dfa", "shallow"])
def test_constants_stay_in_flash_on_avr(tmp_path, rule):
    """RAM is that of the budget, the layers' sizes excepted."""
    if shutil.which("avr-gcc") is None:
        missing("avr-gcc is not installed: apt-get install gcc-avr avr-libc")
    spec = design((64, 9, 10), rule, output="softmax" if rule == "dfa" else "sigmoid")
    levels, labels = random_samples(spec, 60)
    labels[labels < 0] = 0
    emit(Learner(spec), tmp_path, levels, labels)
    (tmp_path / "main.c").write_text(MAIN_OF_AVR)
    options = ["-mmcu=atmega328p", "-std=c99", "-Wall", "-Werror", "-Os", "-Iinclude"]
    subprocess.run(["avr-gcc", *options, "src/el_learner.c", "main.c", "-o", "avr.elf"], cwd=tmp_path, check=True)
    sizes = subprocess.run(
        ["avr-size", "-A", "avr.elf"], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout
    found = {line.split()[0]: int(line.split()[1]) for line in sizes.splitlines() if line.startswith(".")}
    assert found[".data"] <= 24 * len(spec.layers)
    assert found[".bss"] <= ram_bytes(spec) + 64 + 2


def test_a_compiler_that_cannot_return_structures_says_so(tmp_path):
    require("gcc", "host")
    package(tmp_path, rule="drtp")
    done = subprocess.run(
        ["gcc", "-std=c99", "-D__SDCC", "-Iinclude", "-c", "src/el_learner.c"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "which SDCC cannot" in done.stderr


@pytest.mark.parametrize(
    "settings",
    [
        {"rule": "drtp", "task": "reconstruct", "output": "linear", "sizes": (8, 4, 8), "signed_inputs": True},
        {"rule": "bp", "task": "regression", "output": "sigmoid", "sizes": (9, 6, 2)},
    ],
    ids=["reconstruct", "regression"],
)
def test_the_self_test_of_graded_targets_passes(tmp_path, settings):
    require("gcc", "host")
    spec = design(**{"hidden_rate": -4, "output_rate": -3} | settings)
    levels, _ = random_samples(spec, 60)
    targets = np.random.default_rng(0).integers(*spec.target_range, (60, spec.n_outputs)).astype(np.int16)
    emit(Learner(spec), tmp_path / "el", levels.astype(np.int8), targets)
    assert selftest(tmp_path / "el") == (0, "equal to the simulator")
    flat = (tmp_path / "el/test/el_selftest_numbers.h").read_text()
    changed = re.sub(r"OUTPUTS\[(\d+)\] = \{\s*(-?\d+)", lambda m: m[0][: -len(m[2])] + str(int(m[2]) + 1), flat)
    (tmp_path / "el/test/el_selftest_numbers.h").write_text(changed)
    assert selftest(tmp_path / "el") == (1, "NOT equal to the simulator")
