"""naive == numba where layers have rules and masks of their own, raw word for raw word; counted == predicted."""

from __future__ import annotations

import numpy as np
import pytest

from edgelearn.network.blocks import learns_by_blocks
from edgelearn.network.spec import design
from tests.mixed_cases import masks_of_rules, pairs_of_rules
from tests.oracle_pairs import assert_blocks, assert_twins

pytestmark = pytest.mark.kernel
CASES = dict(pairs_of_rules()) | dict(masks_of_rules())


def samples(n: int, sizes: tuple[int, ...], seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 16, (n, sizes[0])) * (rng.random((n, sizes[0])) < 0.7)
    return levels.astype(np.uint8), rng.integers(0, sizes[-1], n)


@pytest.mark.parametrize("name", CASES)
def test_every_pair_of_rules_and_every_mask(name):
    spec = CASES[name]
    naive = assert_twins(spec, *samples(8, spec.sizes))
    for k, layer in enumerate(spec.layers):  # whatever learns has moved, whatever is frozen has not
        moved = bool(naive.counts[k + 1, "weight", "write"]), bool(naive.counts[k + 1, "bias", "write"])
        assert moved <= (layer.learned == "all", layer.learns)
    if learns_by_blocks(spec):
        assert_blocks(spec, *samples(40, spec.sizes))


def test_cases_have_every_kind_of_layer_in_blocks_and_out_of_them():
    in_blocks = {layer.learned for spec in CASES.values() if learns_by_blocks(spec) for layer in spec.layers[:-1]}
    assert in_blocks == {"all", "bias", "none"}
    sent = [spec for spec in CASES.values() if spec.sends_delta(1)]
    assert {(spec.layers[1].rule.signal.name, spec.layers[1].learned) for spec in sent} >= {
        ("TARGET", "all"), ("ERROR", "bias"), ("LOCAL_ERROR", "bias"), ("DELTA", "none"),
    }  # fmt: skip
    assert any("mdfa" in spec.rule_name and spec.rounding == "stochastic" for spec in CASES.values())


@pytest.mark.parametrize("learn", ["last", "last2", "none+bias+all", "bias"])
def test_wide_layers_in_blocks_equal_the_oracle(learn):
    for spec in (
        design((20, 66, 70, 3), "drtp+signed-target", learn=learn, hidden_rate=-3, output_rate=-4),
        design((20, 8, 6, 3), "signed-target+drtp", 3, "nearest", learn=learn, hidden_rate=0, range_exponent=-1),
        design((9, 66, 5, 1), "drtp", 8, learn=learn, input_bits=1, hidden_rate=-2),
        design((9, 66, 5, 1), "drtp", 12, learn=learn, input_bits=8, hidden_rate=-6, activation="relu"),
    ):
        assert learns_by_blocks(spec)
        levels, labels = samples(40, spec.sizes)
        assert_blocks(spec, levels & ((1 << spec.input_bits) - 1), labels % spec.n_classes)


def test_frozen_hidden_layers_under_any_rule_are_those_of_the_frozen_rule():
    masked, frozen = (
        design((7, 6, 5, 3), rule, residual_bits=0, rounding="stochastic", learn=learn)
        for rule, learn in (("dfa", "last"), ("shallow", "all"))
    )
    assert masked.layers == frozen.layers
