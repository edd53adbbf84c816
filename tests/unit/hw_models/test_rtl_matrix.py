"""Networks of experiments/rtl_matrix.py under Verilator: words, predictions, generators, cycles and accesses are equal."""

from __future__ import annotations

import pytest

from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from experiments.rtl_matrix import CASES, digits, name_of
from firmware_sim.check.session import drive_to_rails, stress_stream
from hw_models.rtl.verify import verify
from tests.unit.hw_models.test_rtl_engine import require_verilog


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_digits_are_learned_word_for_word(case):
    require_verilog("verilator", "g++")
    settings = dict(case)
    halvings = settings.pop("halvings", 0)
    spec = design(**settings)
    result = verify(Learner(spec), *digits(spec, 40), halvings=halvings, optimise="-O0")
    assert (result.difference, result.miscount) == (None, None)
    assert 0 < result.updates < 40


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["drtp", "bp", "mdfa"])
def test_words_stop_at_their_limits(rule):
    require_verilog("verilator", "g++")
    learner = Learner(design([20, 8, 6, 5], rule=rule, bits=4))
    drive_to_rails(learner)
    result = verify(learner, *stress_stream(learner.spec, 60), optimise="-O0")
    assert (result.difference, result.miscount) == (None, None)
    assert result.events["saturations"] > 100
