"""The folder that users take into their own projects."""

from __future__ import annotations

import subprocess

import pytest

from edgelearn.errors import UserError
from edgelearn.learner import Learner
from edgelearn.network import design
from firmware_sim.emit import emit
from tests.firmware.firmware_cases import RULES, random_samples, require


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
