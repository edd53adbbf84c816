"""Codes of values as spikes, and samples that are learned."""

from __future__ import annotations

import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.spiking.coding import address_events, delta_code, latency_code, rate_code, samples_raster
from edgelearn.spiking.learner import SpikingLearner
from edgelearn.spiking.network import design
from edgelearn.spiking.training import (
    EventSamples,
    Presentation,
    SeriesSamples,
    ValueSamples,
    blocks,
    predict,
    training_blocks,
)


def test_rates_follow_values():
    x = np.array([[0.0, 0.5, 1.0]])
    spikes = rate_code(np.repeat(x, 200, axis=0), 20, np.random.default_rng(0))
    assert spikes.shape == (200, 20, 3)
    assert np.allclose(spikes.mean(axis=(0, 1)), [0.0, 0.4, 0.8], atol=0.02)


def test_the_largest_value_spikes_first_and_zero_never():
    spikes = latency_code(np.array([[1.0, 0.5, 0.01, 0.0]]), 10)[0]
    assert [np.flatnonzero(spikes[:, i]).tolist() for i in range(4)] == [[0], [5], [9], []]


def test_deltas_are_sent_up_and_down():
    x = np.array([[0.0], [0.4], [1.1], [1.0], [-0.2]])
    events = delta_code(x, 0.5)
    assert events[:, 0].tolist() == [False, False, True, False, False]
    assert events[:, 1].tolist() == [False, False, False, False, True]
    with pytest.raises(UserError, match="threshold is 0"):
        delta_code(x, 0)


def test_address_events_fall_into_steps():
    spikes = address_events(np.array([0, 999, 1000, 5000, 9999]), np.array([2, 2, 1, 0, 0]), 1000.0, 5, 3)
    assert np.argwhere(spikes).tolist() == [[0, 2], [1, 1]]
    with pytest.raises(UserError, match="address 3 is not below 3"):
        address_events(np.array([0]), np.array([3]), 1000.0, 5, 3)


def test_labels_come_when_they_are_due():
    raster = samples_raster(np.zeros((2, 7, 3), bool), np.array([1, -1]), 2, 2)
    assert raster.labels.tolist() == [-1, -1, 1, -1, 1, -1, -1] + [-1] * 7  # not at the last step: nothing would learn
    assert np.flatnonzero(raster.starts).tolist() == [0, 7]


def train(learner, *settings, **more):
    for raster in training_blocks(*settings, **more):
        learner.advance(raster)


@pytest.mark.parametrize("code", ["rate", "latency"])
def test_two_patterns_are_told_apart(code):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    x = np.where(np.arange(20) // 10 == labels[:, None], 0.9, 0.1 if code == "rate" else 0.0)
    samples, shown = ValueSamples(x, labels, code), Presentation()
    some = ValueSamples(x[:50], labels[:50], code)
    spec = design((20, 16, 2), "drtp", spreads=[40, 16] if code == "rate" else [120, 60])
    learner = SpikingLearner(spec)
    train(learner, samples, shown, 2, seed=0)
    assert (predict(learner, some, shown) == labels[:50]).mean() > 0.9
    again = SpikingLearner(spec)
    train(again, samples, shown, 1, seed=0)
    predict(again.copy(), some, shown)  # a copy leaves the learner as it is
    train(again, samples, shown, 2, seed=0, done=(1, 0))
    assert (again.weights == learner.weights).all()


def test_windows_of_a_sensor_send_their_changes():
    x = np.zeros((2, 6, 2))
    x[0, 3:, 1], x[1, 2:, 0] = 1.0, -1.0
    samples = SeriesSamples(x, np.array([0, 1]), np.array([0.5, 0.5]))
    spikes = samples.spikes(np.array([1, 0]), 6, np.random.default_rng(0))
    assert samples.n_inputs == 4
    assert np.argwhere(spikes).tolist() == [[0, 2, 2], [1, 3, 1]]


def test_events_of_samples_in_any_order():
    offset, labels = np.array([0, 2, 2, 3]), np.array([0, 1, 1])
    samples = EventSamples(np.array([0, 1500, 100]), np.array([4, 1, 2]), offset, labels, 5, 1000.0)
    spikes = samples.spikes(np.array([2, 0, 1]), 3, np.random.default_rng(0))
    assert np.argwhere(spikes).tolist() == [[0, 0, 2], [1, 0, 4], [1, 1, 1]]
    raster = next(blocks(samples, np.array([2, 0]), Presentation(3, 1, 1), [0], True))
    assert raster.labels.tolist() == [-1, 1, -1, -1, 0, -1]
    assert raster.source.tolist() == [2, 4, 1]


def test_blocks_draw_the_same_spikes_wherever_they_start():
    samples = ValueSamples(np.full((600, 3), 0.5), np.zeros(600, int))
    whole = list(blocks(samples, np.arange(600), Presentation(), [7], True))
    assert [raster.steps // 32 for raster in whole] == [256, 256, 88]
    later = list(blocks(samples, np.arange(600), Presentation(), [7], True, 512))
    assert (later[0].source == whole[2].source).all()
