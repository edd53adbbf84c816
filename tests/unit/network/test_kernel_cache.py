"""A change in a kernel that another one calls must not meet old machine code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).parents[3]
ONE_KERNEL = """
import numpy as np
import edgelearn
from edgelearn.fixedpoint.lanes import compiled
from edgelearn.network.kernels.forward import index_sums

@compiled
def index(sums, indices):
    index_sums(sums, 0, 2, 1, indices)

indices = np.zeros((1, 2), np.int16)
index(np.array([[5, 11]], np.int32), indices)
print(edgelearn.__file__, indices.tolist())
"""
A_LEARNER = """
import numpy as np
import edgelearn
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
learner = Learner(design((3, 2)))
learner.learn(np.full((40, 3), 9, np.uint8), np.zeros(40, np.int64))
print(edgelearn.__file__, learner.state.weights(0).tolist())
"""
ONE_FAULT = ("edgelearn/fixedpoint/lanes.py", "lambda b, x, y: b.add(x, y)", "lambda b, x, y: b.sub(x, y)")
A_FAULT = (
    "edgelearn/network/kernels/tiles.py",
    "subtract_words(zero_words(), deltas)",
    "subtract_words(deltas, zero_words())",
)
WITHOUT_A_FOLDER = "import numba.core.caching as c; c.CacheImpl._locator_classes = []\n"


def run_copy(folder: Path, script: str, tmp_path: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_CACHE")}
    environment |= {
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # Python's own cache goes by time and size
    path = tmp_path / "script.py"  # the cache takes functions of files only
    path.write_text(script)
    result = subprocess.run(
        [sys.executable, path], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith(str(folder))
    return result.stdout


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled with NUMBA_DISABLE_JIT=1")
@pytest.mark.parametrize(
    ("script", "fault"),
    [(ONE_KERNEL, ONE_FAULT), pytest.param(A_LEARNER, A_FAULT, marks=pytest.mark.slow)],
    ids=["one-kernel", "learner"],
)
def test_changed_callee_is_compiled_again(tmp_path, script, fault):
    shutil.copytree(ROOT / "edgelearn", tmp_path / "edgelearn", ignore=shutil.ignore_patterns("__pycache__"))
    before = run_copy(tmp_path, script, tmp_path)
    assert run_copy(tmp_path, script, tmp_path) == before
    path = tmp_path / fault[0]
    state, text = path.stat(), path.read_text()
    assert fault[1] in text
    path.write_text(text.replace(fault[1], fault[2]))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))  # same size, same time
    assert run_copy(tmp_path, script, tmp_path) != before


@pytest.mark.parametrize(
    "script", [ONE_KERNEL, pytest.param(A_LEARNER, marks=pytest.mark.slow)], ids=["one-kernel", "learner"]
)
def test_a_read_only_package_still_runs(tmp_path, script):
    """Without any folder for the cache the kernels are compiled for the process alone."""
    assert run_copy(ROOT, WITHOUT_A_FOLDER + script, tmp_path) == run_copy(ROOT, script, tmp_path)
