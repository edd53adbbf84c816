"""Validation of networks with convolutions: what is compared are the words of the kernels and the twin's own numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgelearn.config import make_config
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.references.closed_form import binary_units, pass_samples, viewed_weights
from edgelearn.rules import RULES
from edgelearn.runs.registry import run
from edgelearn.validation.dataset import kernel_words, validate
from tests.oracle_pairs import naive_twin
from tests.tools import require_torch

QUICK = {"net": "8x8x1-conv4x3x3-pool2-fc12-10", "epochs": 1, "limit": 200}
PROBED = [
    *(("6x5x1-conv3x3x3-pool2-fc5-4", {"rule": rule}) for rule in RULES),
    *(("6x6x1-conv3x3x3-conv4x3x3s2-meanpool2-4", {"rule": rule}) for rule in ("bp", "fa")),
    ("6x5x1-conv3x3x3-pool2-4", {"rule": "dfa", "feedback_kind": "map", "kernel_bias": True}),
    ("6x5x1-conv3x3x3-pool2-4", {"rule": "dfa", "teach": "positions"}),
    ("6x5x1-conv3x3x3-pool2-4", {"rule": "drtp", "teach": "positions", "feedback_kind": "map"}),
]


@pytest.mark.parametrize(("net", "settings"), PROBED)
def test_probing_gives_the_words_of_the_oracle_and_changes_nothing(net, settings):
    spec = design(net, kernel_rate=-6, hidden_rate=-6, update_gate="error", seed=5, **settings)
    learner = Learner(spec)
    rng = np.random.default_rng(1)
    levels, labels = rng.integers(0, 16, (12, spec.sizes[0])), rng.integers(0, 4, 12)
    learner.learn(levels, labels)
    before = learner.save()
    words = kernel_words(learner, levels, labels)
    for name, array in learner.save().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
    for s in range(len(levels)):
        naive = naive_twin(learner)
        naive.update_gate = "always"
        naive.learn_one(levels[s].tolist(), int(labels[s]))
        assert words.scores[s].tolist() == naive.probabilities
        for k in range(len(spec.layers)):
            assert words.indices[k][s].tolist() == naive.q[k]
            assert words.deltas[k][s].tolist() == naive.deltas[k]
        for k in range(len(spec.layers) - 1):
            assert words.activations[k][s].tolist() == naive.activations[k + 1]
            assert words.gates[k][s].tolist() == naive.gates[k]
    closed = pass_samples(spec, viewed_weights(learner), levels / 15, labels, binary_units(spec))
    for k, layer in enumerate(spec.layers[:-1]):
        if spec.rule.name in ("sdfa", "bp", "fa"):  # lost signs, and winners of sums that differ by a rounding
            continue
        apart = np.abs(words.modulators[k] / 2.0**layer.delta_scale - closed.modulators[k]).max()
        passes = 2 if layer.rule.reads_out else 1  # a rounding of y goes through a readout forth and back
        assert apart < 0.05 * passes * max(1, np.abs(closed.modulators[k]).max())
        assert words.modulators[k].any() == layer.rule.learns_hidden


@pytest.mark.parametrize(
    "more",
    [{"rule": "bp"}, {"rule": "fa"}, {"rule": "drtp", "teach": "positions"}, {"rule": "dfa", "feedback_kind": "map"}],
)
def test_a_run_beside_its_twin(more):
    require_torch()
    config = make_config(QUICK | more)
    content = validate(config).content
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    errors = [100 - point["fixed_accuracy_percent"] for point in content["points"][1:]]
    np.testing.assert_allclose(errors, run(config).content["result"]["test_error_percent_by_epoch"], atol=1e-3)
    first, last = content["points"][0]["layers"], content["points"][-1]["layers"]
    assert first[0]["shape"] == "9 x 4"
    assert all(row["weights"]["rms_difference"] < 1e-6 for row in first)
    assert last[0]["weights"]["rms_difference"] > 1e-5
    for row in first:
        found = row["one_sample"]["weights"]
        assert row["one_sample"]["reference"] == ("torch autograd" if more["rule"] == "bp" else "closed form")
        assert found["rounding_rms_lsb"] < 0.1 * found["float_rms_lsb"] + 0.5
        assert found["float_largest_lsb"] > 5
    assert first[0]["one_sample"]["biases"]["float_largest_lsb"] == 0  # without kernel biases


def test_frozen_kernels_stay_and_are_not_compared():
    require_torch()
    content = validate(make_config(QUICK | {"rule": "dfa", "kernels": "frozen"})).content
    for point in content["points"]:
        row = point["layers"][0]
        assert not row["learns"]
        assert row["one_sample"] is None
        assert row["weights"]["largest_difference"] < 1e-6
