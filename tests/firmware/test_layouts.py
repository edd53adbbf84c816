"""Layouts of an emitted package: each is built, or read by the tool of its build system."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from firmware_sim.build.emit import emit
from firmware_sim.build.layouts import LAYOUTS
from tests.firmware.firmware_cases import random_samples, require
from tests.tools import missing

WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wsign-conversion", "-Werror"]


def package(folder, layout, prefix="el", rule="drtp"):
    spec = design((12, 9, 5), rule, hidden_rate=-4, output_rate=-3)
    levels, labels = random_samples(spec, 60)
    labels[labels < 0] = 0
    return emit(Learner(spec), folder, levels, labels, prefix=prefix, layout=layout)


def run(*command, cwd):
    return subprocess.run([str(part) for part in command], cwd=cwd, check=True, capture_output=True, text=True).stdout


def needs(tool):
    if shutil.which(tool) is None:
        missing(f"{tool} is not installed")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_file_is_there_once_and_the_same_each_time(tmp_path, layout):
    written = package(tmp_path / "a", layout)
    found = sorted(path for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert written == found
    assert [path for path in (tmp_path / "a").rglob("*") if path.is_dir() and not any(path.iterdir())] == []
    again = package(tmp_path / "b", layout)
    assert [path.relative_to(tmp_path / "a") for path in written] == [
        path.relative_to(tmp_path / "b") for path in again
    ]
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(written, again, strict=True))
    sources = {path.name for path in written if path.suffix in (".c", ".h")}
    assert {"el_learner.c", "el_learner.h", "el_config.h", "el_selftest.c"} <= sources


def test_cmake_builds_and_tests_two_networks_in_one_project(tmp_path):
    require("gcc", "host")
    needs("cmake")
    package(tmp_path / "gait", "cmake", "gait")
    package(tmp_path / "pump", "cmake", "pump", "dfa")
    run("cmake", "-S", ".", "-B", "build", cwd=tmp_path / "gait")
    run("cmake", "--build", "build", cwd=tmp_path / "gait")
    assert "100% tests passed" in run("ctest", "--test-dir", "build", cwd=tmp_path / "gait")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.21)\nproject(both LANGUAGES C)\nadd_subdirectory(gait)\nadd_subdirectory(pump)\n"
        "add_executable(both both.c)\ntarget_link_libraries(both gait_network pump_network)\n"
    )
    (tmp_path / "both.c").write_text(
        '#include "gait_learner.h"\n#include "pump_learner.h"\nstatic gait_learner a;\nstatic pump_learner b;\n'
        "int main(void) { gait_init(&a); pump_init(&b); return 0; }\n"
    )
    run("cmake", "-S", ".", "-B", "build", cwd=tmp_path)
    run("cmake", "--build", "build", cwd=tmp_path)
    run("build/both", cwd=tmp_path)


def test_the_arduino_library_compiles_flat(tmp_path):
    """As the Arduino builder does: sources of src/ with src/ in the path, the sketch as C++ with its folder."""
    require("gcc", "host")
    package(tmp_path, "arduino")
    text = (tmp_path / "library.properties").read_text()
    properties = dict(line.split("=", 1) for line in text.splitlines())
    required = {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"}
    assert required <= properties.keys()
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_ .-]*", properties["name"])
    assert (tmp_path / "src" / properties["includes"]).is_file()
    example = tmp_path / "examples/SelfTest"
    (tmp_path / "Arduino.h").write_text(
        "#include <stdio.h>\nstruct Port { void begin(long) {} operator bool() const { return true; }\n"
        "void println(const char *text) { puts(text); } };\nstatic Port Serial;\n"
    )
    objects = []
    for source in [*tmp_path.glob("src/*.c"), *example.glob("*.c")]:
        run(
            "gcc",
            "-std=c99",
            *WARNINGS,
            "-Isrc",
            f"-I{example}",
            "-c",
            source,
            "-o",
            source.with_suffix(".o"),
            cwd=tmp_path,
        )
        objects.append(source.with_suffix(".o"))
    options = ["-x", "c++", "-include", "Arduino.h", example / "SelfTest.ino", "-x", "none"]
    (tmp_path / "start.cpp").write_text("void setup(); int main() { setup(); return 0; }\n")
    flash = tmp_path / "flash.c"  # the application's part of checkpoints
    flash.write_text(
        '#include "el_checkpoint.h"\nconst uint8_t *el_flash_slot(uint8_t slot) { (void)slot; return (const uint8_t *)0; }\n'
        "bool el_flash_erase(uint8_t slot) { (void)slot; return false; }\n"
        "bool el_flash_program(uint8_t slot, uint32_t offset, const uint8_t bytes[8])\n"
        "{ (void)slot; (void)offset; (void)bytes; return false; }\n"
    )
    run("gcc", "-std=c99", "-Isrc", "-c", flash, "-o", "flash.o", cwd=tmp_path)
    run("g++", "-Isrc", f"-I{example}", "-I.", *options, *objects, "flash.o", "start.cpp", "-o", "sketch", cwd=tmp_path)
    assert run(tmp_path / "sketch", cwd=tmp_path).strip() == "equal to the simulator"


def test_platformio_packs_the_library(tmp_path):
    package(tmp_path / "net", "platformio")
    manifest = json.loads((tmp_path / "net/library.json").read_text())
    for example in manifest["examples"]:
        assert all((tmp_path / "net" / example["base"] / name).is_file() for name in example["files"])
    needs("pio")
    run("pio", "pkg", "pack", "net", "-o", "packed.tar.gz", cwd=tmp_path)
    assert (tmp_path / "packed.tar.gz").is_file()


def test_esp_idf_packs_the_component(tmp_path):
    package(tmp_path / "net", "esp-idf")
    needs("compote")
    run("compote", "component", "pack", "--name", "el_network", "--project-dir", "net", cwd=tmp_path)
    assert list((tmp_path / "net").rglob("el_network_1.0.0.tgz"))


def test_the_zephyr_module_names_what_is_there(tmp_path):
    package(tmp_path, "zephyr", "gait")
    module = dict(
        line.strip().split(": ") for line in (tmp_path / "zephyr/module.yml").read_text().splitlines() if ": " in line
    )
    assert module == {"name": "gait_network", "cmake": ".", "kconfig": "Kconfig"}
    lists = (tmp_path / "CMakeLists.txt").read_text()
    sources = re.findall(r"zephyr_library_sources\((.*)\)", lists)
    assert sources == ["src/gait_checkpoint.c", "src/gait_learner.c"]
    assert all((tmp_path / name).is_file() for name in sources)
    option = re.search(r"config (\w+)", (tmp_path / "Kconfig").read_text())[1]
    assert f"if(CONFIG_{option})" in lists
    assert f"CONFIG_{option}=y" in (tmp_path / "samples/selftest/prj.conf").read_text()
    sample = tmp_path / "samples/selftest"
    for name in re.search(r"target_sources\(app PRIVATE (.*)\)", (sample / "CMakeLists.txt").read_text())[1].split():
        assert (sample / name).resolve().is_file()
