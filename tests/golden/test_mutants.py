"""One-line faults in the kernels: each must be caught by the comparison with the oracle."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MUTANTS = {
    "rounds down instead of half up": (
        "update.py", "    half = np.int32((1 << max(shift, 0)) >> 1)\n    cut", "    half = np.int32(0)\n    cut"),
    "rounds half down": (
        "update.py", "half = np.int32((1 << max(shift, 0)) >> 1)\n    cut", "half = np.int32(max(((1 << max(shift, 0)) >> 1) - 1, 0))\n    cut"),
    "moves weights along the gradient": ("update.py", "minus = np.int32(-factor)", "minus = np.int32(factor)"),
    "carries at equality": ("lanes.py", "int(value) if int(r) < int(f) else 0", "int(value) if int(r) <= int(f) else 0"),
    "clips a symmetric range": ("lanes.py", "min(max(int(x) + int(y), -32768), 32767)", "min(max(int(x) + int(y), -32767), 32767)"),
    "wraps instead of saturating": ("lanes.py", "lambda x, y: min(max(int(x) + int(y), -32768), 32767)", "lambda x, y: _wrap(16, int(x) + int(y))"),
    "forgets the floor of non-negative weights": (
        "update.py", "max16(add_saturating16(word, step), floors[k, j])", "add_saturating16(word, step)"),
    "counts cut steps of a level once": ("sample.py", "        cuts = count_cuts(slots, n_rows)", "        cuts = cuts + 0"),
    "rounds 16-bit steps down": ("update.py", "half = np.int16((1 << max(shift, 0)) >> 1)", "half = np.int16(0)"),
    "shifts activations out of their table entry": ("forward.py", "narrow16(shr32(entry, np.int32(8)))", "narrow16(shr32(entry, np.int32(9)))"),
    "draws once more a layer": ("sample.py", "draw(arrays.generator, n_events + 1, arrays.draws)", "draw(arrays.generator, n_events + 2, arrays.draws)"),
    "swaps a shift of the generator": ("update.py", "np.uint32(s >> np.uint32(17))", "np.uint32(s >> np.uint32(16))"),
    "forgets the keys of columns": ("update.py", "np.uint32(word ^ key_words[q])", "np.uint32(word)"),
    "forgets the key of a neuron": ("update.py", "np.uint32(255)) ^ key", "np.uint32(255))"),
    "updates first to last under backward locking": ("sample.py", "k = last - place if net[t.LAST_TO_FIRST] else place", "k = place"),
    "reads new weights on the way back": (
        "sample.py", "            for k in range(last - 1, -1, -1):\n                modulate_layer",
        "            for k in range(last - 1, -1, -1):\n                update_layer(k + 1, net, layers, arrays, counters)\n                modulate_layer"),
    "predicts the last maximum": ("forward.py", "sums[k, c] > sums[k, best]", "sums[k, c] >= sums[k, best]"),
    "predicts from one output at zero": ("forward.py", "sums[k, 0] > 0", "sums[k, 0] >= 0"),
    "opens the dead zone at its edge": ("forward.py", "0 if -dead_zone <= e <= dead_zone else e", "0 if -dead_zone < e < dead_zone else e"),
    "keeps events at the threshold": ("forward.py", "if -threshold <= inputs[k, j] <= threshold:", "if -threshold < inputs[k, j] < threshold:"),
    "gates with the wrong shift": ("feedback.py", "half, seven = np.int32(64), np.int32(7)", "half, seven = np.int32(64), np.int32(8)"),
    "saturates modulators one too low": ("feedback.py", "np.int32(-32767), np.int32(32767)", "np.int32(-32767), np.int32(32766)"),
    "counts a word twice": ("sample.py", "        counters[k, t.WEIGHT_WRITE] += pairs", "        counters[k, t.WEIGHT_WRITE] += pairs + 1"),
    "forgets to halve": ("sample.py", "min(layers[k, t.STEP_SHIFT] + net[t.HALVINGS], 30)", "min(layers[k, t.STEP_SHIFT], 30)"),
}  # fmt: skip

CHECK = """
import sys
sys.path[:0] = [{copy!r}, {root!r}]
import numpy as np
import edgelearn
assert edgelearn.__file__.startswith({copy!r})
from edgelearn.network import design
from tests.twins import assert_twins

rng = np.random.default_rng(1)
levels = (rng.integers(0, 16, (24, 7)) * (rng.random((24, 7)) < 0.7)).astype(np.uint8)
labels = rng.integers(0, 3, 24)
common = dict(hidden_rate=-1, output_rate=-2, range_exponent=-1)
for rule in ("bp", "fa", "dfa", "sdfa", "drtp", "mdfa"):
    for rounding in ("residual", "stochastic"):
        for bits in (4, 8):
            assert_twins(design((7, 6, 6, 3), rule, bits, rounding, **common), levels, labels, halvings=1)
cut = design((7, 6, 3), "drtp", 3, "nearest", hidden_rate=0, range_exponent=-1)  # steps longer than the word
assert_twins(cut, (levels > 0) * np.uint8(15), labels)
assert_twins(design((7, 6, 3), "mdfa", 4, "nearest", activation="relu", **common), levels, labels)
assert_twins(design((7, 6, 3), "dfa", 8, dead_zone=12, event_threshold=6, **common), levels, labels)
for dead_zone in (30, 60, 90, 127):
    assert_twins(design((2, 3), "drtp", 2, "nearest", dead_zone=dead_zone, output_rate=-1), levels[:, :2] * 0, labels)
assert_twins(design((7, 6, 3), "dfa", 8, event_threshold=8, **common), levels, labels)
# forty errors of one sign through positive feedback: the modulators reach their rail
assert_twins(design((7, 6, 40), "mdfa", 8, hidden_rate=-1, feedback_format="sign"), levels & 1, labels)
assert_twins(design((2, 1), "drtp", 8), levels[:2, :2] * 0, labels[:2] % 2)  # z is exactly zero
assert_twins(design((7, 6, 1), "bp", 2, "nearest", input_bits=1, **common), levels & 1, labels % 2)
"""


def check(copy: Path) -> subprocess.CompletedProcess[str]:
    script = CHECK.format(copy=str(copy), root=str(ROOT))
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, env=environment, cwd=copy
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "edgelearn", tmp_path / "edgelearn", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_the_unchanged_kernels_pass(copy):
    result = check(copy)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_caught(copy, name):
    file, line, fault = MUTANTS[name]
    path = copy / "edgelearn" / "kernels" / file
    source = path.read_text()
    assert line in source, f"the line to change is gone from {file}: update the mutant"
    path.write_text(source.replace(line, fault))
    result = check(copy)
    assert result.returncode != 0, f"not caught: {name}"
    assert "AssertionError" in result.stderr or "Not equal" in result.stderr, result.stderr[-2000:]
