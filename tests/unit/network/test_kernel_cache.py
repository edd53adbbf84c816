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
SCRIPT = """
import numpy as np
import edgelearn
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
learner = Learner(design((3, 2)))
learner.learn(np.full((40, 3), 9, np.uint8), np.zeros(40, np.int64))
print(edgelearn.__file__, learner.state.weights(0).tolist())
"""


def run_copy(folder: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_CACHE")}
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=folder, env=environment | {"PYTHONPATH": str(folder)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert result.stdout.startswith(str(folder))
    return result.stdout


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled with NUMBA_DISABLE_JIT=1")
def test_changed_callee_is_compiled_again(tmp_path):
    shutil.copytree(ROOT / "edgelearn", tmp_path / "edgelearn", ignore=shutil.ignore_patterns("__pycache__"))
    before = run_copy(tmp_path)
    assert run_copy(tmp_path) == before
    path = tmp_path / "edgelearn/network/kernels/update.py"
    state = path.stat()
    path.write_text(path.read_text().replace("minus = np.int16(-factor)", "minus = np.int16(+factor)"))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))  # same size, same time
    assert run_copy(tmp_path) != before


def test_a_read_only_package_still_runs(tmp_path):
    """Without any folder for the cache the kernels are compiled for the process alone."""
    code = (
        "import numba.core.caching as c; c.CacheImpl._locator_classes = []\n"
        "from edgelearn.network.learner import Learner; from edgelearn.network.spec import design\n"
        "print(Learner(design((3, 2))).predict_one([0, 0, 0]))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() in ("0", "1")
