"""Buffers and footprints by hand, counters as values."""

from __future__ import annotations

import numpy as np
import pytest

from edgelearn.network.counters import Counters
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.network.storage import buffers, footprint

pytestmark = pytest.mark.kernel

# Words that wait, per layer, for 20-12-8-4 with 4-bit inputs; from the locking of each rule, by hand.
LOCKED = [
    (1, "activation", 20, 4), (1, "gate", 12, 8),
    (2, "activation", 12, 8), (2, "gate", 8, 8),
]  # fmt: skip
EXPECTED = {
    "drtp": [],
    "signed-target": [],
    "shallow": [],
    "local": [(1, "gate", 12, 8), (1, "error", 4, 9)],  # one layer at a time
    "dfa": [*LOCKED, (3, "error", 4, 9)],
    "mdfa": [*LOCKED, (3, "error", 4, 9)],
    "sdfa": [*LOCKED, (3, "error", 4, 2)],
    "fa": [*LOCKED, (3, "error", 4, 9), (2, "delta", 20, 16)],
    "bp": [*LOCKED, (3, "error", 4, 9), (2, "delta", 20, 16)],
}


@pytest.mark.parametrize("rule", EXPECTED)
def test_buffers_follow_from_locking(rule):
    held = buffers(design((20, 12, 8, 4), rule))
    assert [(b.layer, b.role, b.words, b.word_bits) for b in held] == EXPECTED[rule]
    assert all("lock" in b.reason or b.role in ("error", "delta") for b in held)


def test_one_hidden_layer_holds_its_own_deltas_only():
    held = [b for b in buffers(design((20, 12, 4), "bp")) if b.role == "delta"]
    assert [b.words for b in held] == [12]


def test_one_layer_needs_no_buffer():
    assert buffers(design((20, 4), "bp")) == []


def test_footprint_by_hand():
    held = {(h.layer, h.role): h.bits for h in footprint(design((20, 12, 4), "dfa", 8))}
    assert held == {
        (1, "weight"): 20 * 12 * 16, (1, "bias"): 12 * 16, (1, "feedback"): 4 * 12 * 8,
        (2, "weight"): 12 * 4 * 16, (2, "bias"): 4 * 16,
    }  # fmt: skip
    assert all(h.role != "feedback" for h in footprint(design((20, 12, 4), "dfa", feedback_format="lfsr")))
    positive = [h for h in footprint(design((20, 12, 4), "mdfa")) if h.role == "feedback"]
    assert [h.word_bits for h in positive] == [7]


def test_counters_add_and_compare():
    learner = Learner(design((5, 4, 3)))
    levels, labels = np.full((4, 5), 3, np.uint8), np.array([0, 1, 2, 0])
    learner.learn(levels, labels)
    once = learner.counters
    learner.learn(levels, labels)
    assert once != learner.counters
    assert once + Counters.zeros(2) == once
    assert once.n_samples == 4
    assert once.per_sample("forward_macs") == 5 * 4 + once["input_events"][1] * 3 / 4
    assert learner.inference_counters == Counters.zeros(2)
    assert set(once.as_dict()) >= {"weight_read", "saturations", "samples"}
