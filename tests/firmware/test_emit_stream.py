"""Packages of streams: self-test on this machine, strict warnings, names, refusals; verification from the command."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.runner import in_process
from tests.firmware.firmware_cases import require
from tests.firmware.test_stream import recording
from tests.tools import missing

STRICT = ["-Wall", "-Wextra", "-Wconversion", "-Wsign-conversion", "-Wcast-align=strict", "-Wundef", "-Wshadow"]


def typed(*words):
    return in_process(list(map(str, words)), Path.cwd())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stream")
    path = recording(folder, 400)
    text = path.read_text().replace(",c1\n", ',"el_walk ""fast"" é"\n').replace("ax,", "el_x,")
    path.write_text(text)
    done = typed(
        "stream", path, "--hidden", 8, "--window", 4, "--stride", 2, "--label-delay", 2, "--out", folder / "res"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "res"


def test_a_package_of_a_stream_passes_its_self_test(tmp_path, run):
    require("gcc", "host")
    done = typed("firmware", "emit", tmp_path / "board", "--run", run, "--prefix", "gait")
    assert done.returncode == 0, done.stdout + done.stderr
    board = tmp_path / "board"
    subprocess.run(["make", "-s", "-C", board], check=True)
    assert subprocess.run([board / "selftest"], capture_output=True, text=True).stdout == "equal to the simulator\n"
    names = (board / "src/gait_class_names.c").read_text()
    assert '"el_walk \\"fast\\" \\303\\251"' in names.replace("\\042", '\\"')
    assert '"el_x"' in (board / "src/gait_channel_names.c").read_text()
    assert '"el_x",1/1000,0,' in (board / "channels.csv").read_text()
    assert "el_walk" in (board / "README.md").read_text()
    report = json.loads((run / "report.json").read_text())
    assert f"learned | {100 * report['result']['accuracy']:.2f} % |" in (board / "README.md").read_text()


def test_other_layouts_hold_the_self_test(tmp_path, run):
    require("gcc", "host")
    for layout in ("cmake", "arduino", "zephyr", "esp-idf", "platformio"):
        done = typed("firmware", "emit", tmp_path / layout, "--run", run, "--layout", layout)
        assert done.returncode == 0, done.stdout + done.stderr
        told = (tmp_path / layout / "README.md").read_text()
        assert "make && ./selftest" not in told
        for path in re.findall(r"`((?:include|src|test|example|examples|extras)/[\w./]+)`", told):
            assert (tmp_path / layout / path).exists(), f"{layout}: {path}"
    sketch = tmp_path / "arduino"
    assert "static el_stream net;" in (sketch / "examples/SelfTest/SelfTest.ino").read_text()
    sources = [*sketch.glob("src/el_[fls]*.c"), sketch / "examples/SelfTest/el_selftest.c"]
    include = [f"-I{sketch / folder}" for folder in ("src", "examples/SelfTest")]
    main = tmp_path / "main.c"
    main.write_text('#include "el_selftest.h"\nstatic el_stream net;\nint main(void) { return !el_selftest(&net); }\n')
    subprocess.run(["gcc", "-std=c99", *include, *sources, main, "-o", tmp_path / "test"], check=True)
    subprocess.run([tmp_path / "test"], check=True)


def test_sources_are_clean_c_and_cpp(tmp_path, run):
    require("gcc", "host")
    if shutil.which("g++") is None:
        missing("g++ is not installed: apt-get install g++")
    typed("firmware", "emit", tmp_path / "board", "--run", run)
    sources = [str(path) for folder in ("src", "example", "test") for path in (tmp_path / "board" / folder).glob("*.c")]
    for compiler in (["gcc", "-std=c99", "-pedantic"], ["g++", "-x", "c++", "-std=c++17"]):
        flags = [*STRICT, "-Werror", "-Iinclude", "-Itest", "-fsyntax-only"]
        done = subprocess.run([*compiler, *flags, *sources], cwd=tmp_path / "board", capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


AVR_MAIN = """
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include "el_selftest.h"
static el_stream stream;
int main(void)
{
    UCSR0B = 1 << TXEN0;
    UDR0 = el_selftest(&stream) ? 'E' : 'N';
    while (!(UCSR0A & (1 << UDRE0))) {
    }
    UDR0 = '\\n';
    while (!(UCSR0A & (1 << UDRE0))) {
    }
    cli();
    sleep_enable();
    sleep_cpu();
    return 0;
}
"""


@pytest.mark.slow
def test_avr_passes_the_self_test(tmp_path, run):
    for tool, name in (("avr-gcc", "gcc-avr avr-libc"), ("simavr", "simavr")):
        if shutil.which(tool) is None:
            missing(f"{tool} is not installed: apt-get install {name}")
    board = tmp_path / "board"
    typed("firmware", "emit", board, "--run", run)
    (board / "main.c").write_text(AVR_MAIN)
    sources = [*(f"src/el_{name}.c" for name in ("learner", "front", "stream")), "test/el_selftest.c", "main.c"]
    flags = ["-mmcu=atmega1284p", "-std=c99", "-Os", "-Wall", "-Wextra", "-Wconversion", "-Wsign-conversion", "-Werror"]
    subprocess.run(["avr-gcc", *flags, "-Iinclude", "-Itest", *sources, "-o", "avr.elf"], cwd=board, check=True)
    simulator = ["simavr", "-m", "atmega1284p", "-f", "16000000", "avr.elf"]
    done = subprocess.run(simulator, cwd=board, capture_output=True, text=True, timeout=60)
    assert "E." in done.stdout + done.stderr


def test_a_stream_is_verified_from_its_folder(run):
    require("gcc", "host")
    done = typed("firmware", "verify", "--run", run, "--target", "host", "--compiler", "gcc", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["targets"][0]["equal"]
    assert found["targets"][0]["accuracy"] == found["accuracy"]
    assert found["targets"][0]["rows"] == json.loads((run / "report.json").read_text())["stream"]["rows"]


def test_size_counts_the_constants_that_are_emitted(tmp_path, run):
    require("zig", "cortex-m4")
    done = typed("firmware", "emit", tmp_path / "board", "--run", run)
    assert done.returncode == 0, done.stderr
    told = re.search(r"flash: front end \| ([\d,]+) \|", (tmp_path / "board/README.md").read_text())
    sizes = json.loads(typed("firmware", "size", "--run", run, "--json").stdout)
    assert sizes["flash front end"] == int(told[1].replace(",", ""))


def test_a_damaged_report_is_named(tmp_path, run):
    shutil.copytree(run, tmp_path / "cut")
    report = tmp_path / "cut/report.json"
    report.write_bytes(report.read_bytes()[:300])
    done = typed("firmware", "emit", tmp_path / "board", "--run", tmp_path / "cut")
    assert done.returncode == 2
    assert "report.json is no whole report of a stream; run it again" in done.stderr
    assert not (tmp_path / "board").exists()


def test_refusals(tmp_path, run):
    for words, text in (
        (["verify", "--run", run, "--rule", "dfa"], "--run brings its own settings; leave out --rule"),
        (["verify", "--run", tmp_path], "is no stream of classes"),
        (["emit", tmp_path / "x", "--run", run, "--selftest", "a.csv"], "of its own recording"),
        (["emit", tmp_path / "x", "--run", run, "--prefix", "9"], "begins no name in C"),
    ):
        done = typed("firmware", *words)
        assert done.returncode == 2
        assert text in done.stdout + done.stderr
    assert not (tmp_path / "x").exists()
