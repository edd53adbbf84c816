"""The folder that users take into their own projects."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from edgelearn.errors import UserError
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.rules import RULES
from firmware_sim.build.emit import emit
from firmware_sim.build.image import CSRC
from tests.firmware.firmware_cases import random_samples, require
from tests.tools import missing


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


@pytest.mark.parametrize("rule", RULES)
def test_no_memory_is_touched_that_is_not_the_learners(tmp_path, rule):
    require("gcc", "host")
    for i, rounding in enumerate(("residual", "stochastic")):
        folder = tmp_path / rounding
        package(folder, rule=rule, rounding=rounding, sizes=((12, 9, 5), (9, 8, 7, 4))[i])
        subprocess.run(["make", "-s", "-C", folder, f"CFLAGS={SANITIZERS}"], check=True)
        assert subprocess.run([folder / "selftest"]).returncode == 0
        (folder / "saves.c").write_text(SAVES)
        sources = ["src/el_learner.c", "src/el_checkpoint.c", "test/el_selftest.c", "saves.c", CSRC / "app/ram_flash.c"]
        command = ["gcc", *SANITIZERS.split(), "-Iinclude", "-Itest", *sources, "-o", "saves"]
        subprocess.run(command, cwd=folder, check=True)
        assert subprocess.run([folder / "saves"]).returncode == 0


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
