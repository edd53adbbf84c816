"""Networks with graded targets and anomaly detectors compute the simulator's bits in C."""

from __future__ import annotations

import pytest

from edgelearn.network.learner import Learner
from firmware_sim.build.targets import find_target
from firmware_sim.check.graded import compile_graded, verify_graded
from tests.firmware.firmware_cases import require
from tests.target_cases import Case, case


def compare(one: Case, folder, target="host", compiler="gcc", optimisation="-O1"):
    """Compile a case and take its rows on both sides; return the comparison."""
    require(compiler, target)
    learner = Learner(one.spec)
    one.prepare(learner)
    learner.set_halvings(one.halvings)
    image = compile_graded(
        learner, folder, find_target(target), one.detector, compiler=compiler, optimisation=optimisation
    )
    return verify_graded(learner, image, one.levels, one.targets, one.learned, one.detector, chunk=7)


@pytest.mark.parametrize("seed", range(24))
def test_random_networks(tmp_path, seed):
    one = case(seed)
    found = compare(one, tmp_path)
    assert found.difference is None, f"{one.spec.task}, {one.spec.rule_name}, {one.detector}: {found.difference}"
