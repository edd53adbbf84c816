"""The commands of docs/tutorial_pretrained.md, one after the other in one folder."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.cli.runner import edgelearn
from tests.firmware.firmware_cases import require
from tests.tools import missing

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "edgelearn/docs/tutorial_pretrained.md").read_text(encoding="utf-8")
FILES = ROOT / "experiments/results/spoken_digits"


def commands() -> list[list[str]]:
    return [shlex.split(line) for block in re.findall(r"```\n(.*?)```", PAGE, re.S) for line in block.splitlines()]


def test_there_are_ten_steps():
    assert [int(n) for n in re.findall(r"^(\d+)\. ", PAGE, re.M)] == list(range(1, 11))
    assert len(commands()) == 11  # make and the self-test are one


@pytest.mark.slow
def test_every_command_runs(tmp_path):
    require("gcc", "host")
    for package in ("onnx", "onnxruntime"):
        try:
            __import__(package)
        except ImportError:
            missing(f"{package} is not installed: pip install {package}")
    for name in ("theo.onnx", "theo.npz", "theo-old.npz"):
        shutil.copy(FILES / name, tmp_path)
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "recordings.npz", x=rng.normal(0, 1, (20, 48 * 32)).astype(np.float32), y=np.arange(20) % 10)
    for words in commands():
        if words[0] == "edgelearn":
            done = edgelearn(*words[1:], cwd=tmp_path)
        else:
            program = str(tmp_path / words[0]) if "/" in words[0] else words[0]
            done = subprocess.run([program, *words[1:]], cwd=tmp_path, capture_output=True, text=True)
            if "selftest" in words[0]:
                assert done.stdout == "equal to the simulator\n"
        assert done.returncode == 0, (words, done.stderr)
        assert "Traceback" not in done.stderr
    assert np.load(tmp_path / "mine.npz")["x"].shape == (20, 64)
    before, after = (json.loads((tmp_path / name / "report.json").read_text()) for name in ("last", "later"))
    assert before["start"]["network"]["activation"] == "tanh"
    assert after["accuracy_percent"] >= 88
    assert "features" in (tmp_path / "board/include/el_levels.h").read_text()
