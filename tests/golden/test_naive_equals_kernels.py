"""naive == numba, raw word for raw word, and counted == predicted, for every rule, width, rounding and depth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edgelearn.network.spec import design
from edgelearn.rules import RULES
from tests.oracle_pairs import assert_twins
from tests.tools import in_turn

pytestmark = pytest.mark.kernel

SIZES = {1: (9, 4), 2: (9, 7, 4), 3: (9, 7, 6, 4)}


def samples(seed: int, n: int, n_in: int, input_bits: int, density: float, n_classes: int):
    rng = np.random.default_rng(seed)
    levels = rng.integers(1, 1 << input_bits, (n, n_in))
    levels[rng.random((n, n_in)) >= density] = 0
    return levels.astype(np.uint8), rng.integers(0, n_classes, n)


@pytest.mark.parametrize(
    ("rule", "bits", "rounding", "depth"),
    in_turn(RULES, [2, 4, 8, 12, 16], ["residual", "stochastic", "nearest"], [1, 2, 3]),
)
def test_every_rule_width_rounding_and_depth(rule, bits, rounding, depth):
    for density, rate in itertools.product((0.2, 1.0), (-2, -7)):
        spec = design(
            SIZES[depth], rule, bits, rounding, input_bits=4, hidden_rate=rate, output_rate=rate, seed=depth + bits
        )
        assert_twins(spec, *samples(bits, 12, 9, 4, density, 4))
