"""Emitted sources of every kind compile as C99 and as C++17 without a warning, with what strict projects switch on."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.streaming.detector import DetectorSpec
from firmware_sim.build.front_end import texts_of
from firmware_sim.build.image import write_sources
from firmware_sim.check.anomaly_stream import WatchedRehearsal
from tests.firmware.firmware_cases import require
from tests.firmware.test_anomaly_stream import recording, work_of
from tests.tools import missing

FLAGS = ["-Wall", "-Wextra", "-Wconversion", "-Wsign-conversion", "-Wundef", "-Werror", "-fsyntax-only"]
COMPILERS = {
    "C99, gcc": ("gcc", "-std=c99", "-Wcast-align=strict"),
    "C++17, g++": ("g++", "-x", "c++", "-std=c++17", "-Wcast-align=strict"),
    "GNU C, gcc": ("gcc", "-Wcast-align=strict"),  # as Arduino, ESP-IDF and Zephyr compile
    "C99, clang": ("clang", "-std=c99", "-Wcast-align"),  # where there is one
}
NETWORKS = {
    "dense": {"sizes": (12, 9, 5), "rule": "bp", "rounding": "stochastic"},
    "rules that differ": {"sizes": (12, 9, 8, 5), "rule": "local+drtp", "learn": "bias+all+all"},
    "convolution": {"sizes": "8x8x1-conv4x3x3-pool2-12-4", "rule": "dfa"},
    "regression": {"sizes": (9, 6, 2), "rule": "drtp", "task": "regression", "output": "linear", "delta_bits": 8},
    "detector": {"sizes": (8, 3, 8), "rule": "dfa", "task": "reconstruct", "output": "linear"},
}


def sources(name, folder):
    """Write the core of a kind of network."""
    if name == "stream with a detector":
        watched = WatchedRehearsal(work_of(recording(folder, 300)))
        write_sources(watched.learner, folder, detector=watched.detector)
        for file, text in texts_of(watched.learner, watched.front, watched.detector)[1].items():
            (folder / file).write_text(text)
        return
    detector = DetectorSpec(10, 20, threshold="deviation", follow=5, score="squared") if name == "detector" else None
    write_sources(Learner(design(**NETWORKS[name])), folder, detector=detector)


@pytest.mark.parametrize("name", [*NETWORKS, "stream with a detector"])
def test_sources_are_clean(tmp_path, name):
    require("gcc", "host")
    if shutil.which("g++") is None:
        missing("g++ is not installed")
    sources(name, tmp_path)
    for compiler in (one for one in COMPILERS.values() if shutil.which(one[0])):
        for flash in ((), ("-DEL_FLASH_MAPPED=0", "-DEL_FLASH_UNIT=32")):
            for source in sorted(tmp_path.glob("src/*.c")):
                command = [*compiler, *FLAGS, *flash, "-Iinclude", str(source)]
                done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
                assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
