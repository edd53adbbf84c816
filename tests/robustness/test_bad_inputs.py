"""Every command over damaged inputs of every kind: one clear line and exit code 2, or a whole result.

Examples are drawn from seeds; EDGELEARN_ROBUST_SEED moves them, for examples that nobody has seen.
"""

from __future__ import annotations

import os

import pytest

from tests.robustness.harness import example, undamaged
from tests.robustness.scenarios import SCENARIOS

FIRST = int(os.environ.get("EDGELEARN_ROBUST_SEED", "0"))
EXAMPLES, MANY = 8, 120  # per scenario: more than 500, and more than 7,000


def _check(name: str, seeds: range, tmp_path) -> None:
    assert not undamaged(SCENARIOS[name], tmp_path / "undamaged")
    wrong = [found for seed in seeds if (found := example(SCENARIOS[name], seed, tmp_path / str(seed)))]
    assert not wrong, f"{len(wrong)} of {len(seeds)} examples of '{name}':\n" + "\n\n".join(wrong[:8])


@pytest.mark.parametrize("name", SCENARIOS)
def test_bad_inputs(tmp_path, name):
    _check(name, range(FIRST, FIRST + EXAMPLES), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_many_bad_inputs(tmp_path, name):
    _check(name, range(FIRST + 10_000, FIRST + 10_000 + MANY), tmp_path)
