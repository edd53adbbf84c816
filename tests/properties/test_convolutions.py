"""Networks with convolutions drawn at random: kernels, oracle and closed forms agree in every word and count."""

from __future__ import annotations

import numpy as np
import pytest

from tests.convolution_cases import case, traits
from tests.oracle_pairs import assert_twins

pytestmark = pytest.mark.kernel
FAST, SLOW = range(24), range(24, 424)
EVERYTHING = {
    "1 convolutions", "2 convolutions", "3 convolutions", "residual", "stochastic", "nearest",
    "int8, element", "int8, map", "ternary, element", "ternary, map", "sign, element", "lfsr, element", "lfsr, map",
    "element, elements", "map, elements", "element, positions", "map, positions",
    "gate always", "gate error", "gate margin", "learned all", "learned bias", "learned none",
    "rule bp", "rule fa", "rule dfa", "rule sdfa", "rule mdfa", "rule local", "rule signed-target", "rule drtp",
    "bp between convolutions", "fa between convolutions", "stride", "padding", "max pooling", "mean pooling",
    "positions outside of windows", "kernel bias", "one position", "non-negative kernels", "more maps than lanes",
    "several channels",
}  # fmt: skip


def check(seed: int, n: int) -> None:
    drawn = case(seed, n)
    try:
        assert_twins(drawn.spec, drawn.levels, drawn.labels, drawn.halvings, drawn.prepare)
    except AssertionError as error:
        raise AssertionError(f"case({seed}): {drawn.spec.net}, rule {drawn.spec.rule_name}: {error}") from error


@pytest.mark.parametrize("seed", FAST)
def test_kernels_equal_the_oracle(seed):
    check(seed, 4)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_kernels_equal_the_oracle_on_hundreds_of_networks(part):
    for seed in SLOW[part::8]:
        check(seed, 20)


def test_the_networks_have_everything():
    found = set().union(*(traits(case(seed, 1).spec) for seed in SLOW))
    assert found >= EVERYTHING


def test_samples_without_events_touch_no_kernel():
    for seed in range(8):
        drawn = case(seed, 2)

        naive = assert_twins(drawn.spec, np.zeros_like(drawn.levels), drawn.labels, drawn.halvings, drawn.prepare)
        assert naive.counts[1, "weight", "read"] == naive.counts[1, "weight", "write"]
        assert naive.counts[1, "accumulator", "write"] == 0
