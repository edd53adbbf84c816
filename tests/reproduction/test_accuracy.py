"""Accuracies that must hold: digits in seconds, MNIST where its files are (slow ones marked)."""

from __future__ import annotations

import pytest

from edgelearn.config import make_config
from edgelearn.runs.registry import run
from experiments.mnist_accuracy import ROWS, SEEDS, measure
from tests.tools import require_data


def error(**settings) -> float:
    return run(make_config(settings)).content["result"]["test_error_percent"]


# Upper bounds of the test error on 360 digits, 10 epochs; one sample is 0.28 points.
DIGITS = {
    "bp": 4.0,
    "fa": 4.5,
    "dfa": 4.5,
    "sdfa": 9.0,
    "signed-target": 9.0,
    "drtp": 6.0,
    "mdfa": 5.0,
    "shallow": 11.0,
}


@pytest.mark.parametrize("rule", DIGITS)
def test_every_rule_learns_digits(rule):
    assert error(rule=rule) <= DIGITS[rule]


def test_hidden_learning_beats_frozen_hidden_layers():
    frozen = error(rule="shallow", net="64-20-10")
    assert error(rule="drtp", net="64-20-10") < frozen
    assert error(rule="dfa", net="64-20-10") < frozen


@pytest.mark.parametrize("setting", [{"bits": 4}, {"bits": 2}, {"rounding": "stochastic"}, {"feedback": "lfsr"}])
def test_narrow_words_still_learn(setting):
    assert error(**setting) <= 10


def test_nearest_rounding_stops_learning_at_small_rates():
    """Steps below half an LSB vanish: the reason residual and stochastic rounding exist (contract, section 5)."""
    assert error(rounding="nearest", hidden_rate=-8, output_rate=-9) > 2 * error(hidden_rate=-8, output_rate=-9)


@pytest.mark.parametrize("activation", ["tanh", "hard-tanh", "quadratic-tanh", "relu", "leaky"])
@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
def test_activations_and_outputs_learn(activation, output):
    assert error(rule="dfa", activation=activation, output=output) <= 10


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_mnist(name):
    require_data("mnist")
    row = ROWS[name]
    errors = [measure(row.settings, seed)["test_error_percent"] for seed in SEEDS]
    assert row.at_least <= sum(errors) / len(errors) <= row.at_most, errors
