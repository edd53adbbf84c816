"""The synthetic sensor: the same bytes from every start, drift where it says, classes that need a hidden layer."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
import pytest

from edgelearn.data.open_source import open_source
from edgelearn.data.recordings import BLOCK
from edgelearn.data.sensor import N_SAMPLES, STREAMS, DriftingSensor
from edgelearn.data.source import Block
from edgelearn.errors import UserError

pytestmark = pytest.mark.kernel

KINDS = ("none", "abrupt", "gradual", "recurring")


def read(sensor: DriftingSensor, start: int = 0) -> Block:
    blocks = list(sensor.blocks(start))
    return Block(*(np.concatenate([getattr(block, key) for block in blocks]) for key in ("x", "y", "t", "segment")))


def centres(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Second moments of each class: they tell where its two clusters are."""
    return np.stack([x[y == k].T @ x[y == k] / (y == k).sum() for k in range(4)])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("start", [1, BLOCK - 1, BLOCK, BLOCK + 1, 9999])
def test_any_start_is_a_slice_of_the_whole(kind, start):
    sensor = DriftingSensor(kind, n_samples=10_000)
    whole, part = read(sensor), read(DriftingSensor(kind, n_samples=10_000), start)
    for key in ("x", "y", "t", "segment"):
        assert np.array_equal(getattr(part, key), getattr(whole, key)[start:])
    assert list(sensor.blocks(10_000)) == []


def test_blocks_are_typed_and_whole():
    block = read(DriftingSensor("abrupt", n_samples=5000, n_channels=3, n_classes=5, rate_hz=100))
    assert (block.x.dtype, block.x.shape) == (np.float32, (5000, 3))
    assert (block.y.dtype, set(block.y)) == (np.int64, {0, 1, 2, 3, 4})
    assert np.array_equal(block.t, np.arange(5000) / 100)
    assert np.isfinite(block.x).all()
    assert not block.segment.any()


def test_bytes_are_the_same_on_every_machine():
    """Only whole numbers and exactly rounded operations make the samples; the first values are kept here."""
    block = read(DriftingSensor("gradual", n_samples=BLOCK + 10))
    digest = hashlib.sha256(block.x.tobytes() + block.y.tobytes()).hexdigest()
    assert digest == "b8e167f085b2f756cb68d1e0037f4ef7c2d982e0031ca74fa1c4d0050a580fe0"


def test_seeds_and_kinds_are_other_streams():
    first = {seed: read(DriftingSensor("none", n_samples=100, seed=seed)).x.tobytes() for seed in range(4)}
    assert len(set(first.values())) == 4
    assert read(DriftingSensor("abrupt", n_samples=100)).x.tobytes() != first[0]  # the second third differs


def test_noise_has_mean_zero_and_variance_one():
    sensor = DriftingSensor("none", n_samples=40_000)
    block = read(sensor)
    flat = sensor._clusters[0].reshape(8, 8)
    nearest = np.min([((block.x - cluster) ** 2).mean(axis=1) for cluster in flat], axis=0)
    assert nearest.mean() == pytest.approx(1.0, abs=0.05)
    counts = np.bincount(block.y, minlength=4) / len(block)
    assert np.allclose(counts, 0.25, atol=0.02)


@pytest.mark.parametrize(
    ("kind", "points"),
    [("none", ()), ("abrupt", (4000, 8000)), ("gradual", (4000,)), ("recurring", (3000, 6000, 9000))],
)
def test_clusters_move_at_the_drift_points_and_nowhere_else(kind, points):
    sensor = DriftingSensor(kind, n_samples=12_000)
    assert sensor.drift_points == points
    block = read(sensor)
    parts = [0, *points, 12_000]
    within, across = [], []
    for begin, end in pairwise(parts):
        middle = (begin + end) // 2
        halves = [centres(block.x[a:b], block.y[a:b]) for a, b in ((begin, middle), (middle, end))]
        if kind != "gradual" or begin == 0:
            within.append(np.abs(halves[0] - halves[1]).max())
    for point in points:
        if kind != "gradual":
            before, after = ((point - 1500, point), (point, point + 1500))
            moments = [centres(block.x[a:b], block.y[a:b]) for a, b in (before, after)]
            across.append(np.abs(moments[0] - moments[1]).max())
    assert max(within) < 2.0
    assert all(jump > 4.0 for jump in across)


def test_recurring_comes_back_and_gradual_arrives():
    recurring = DriftingSensor("recurring", n_samples=12_000)
    block = read(recurring)
    quarters = [centres(block.x[a : a + 3000], block.y[a : a + 3000]) for a in range(0, 12_000, 3000)]
    assert np.abs(quarters[0] - quarters[2]).max() < 2.0 < np.abs(quarters[0] - quarters[1]).max()
    gradual, abrupt = (read(DriftingSensor(kind, n_samples=12_000)) for kind in ("gradual", "abrupt"))
    assert np.array_equal(gradual.x[:4000], abrupt.x[:4000])  # not yet moving
    last = centres(gradual.x[8000:], gradual.y[8000:])
    assert np.abs(last - quarters[1]).max() < 2.0


def test_classes_need_more_than_a_plane():
    """Nearest centre of a class against nearest cluster: what a hidden layer has to win."""
    sensor = DriftingSensor("none", n_samples=4000)
    block = read(sensor)
    clusters = sensor._clusters[0]
    of_class = ((block.x[:, None] - clusters.mean(axis=1)) ** 2).sum(axis=2).argmin(axis=1)
    of_cluster = ((block.x[:, None] - clusters.reshape(8, 8)) ** 2).sum(axis=2).argmin(axis=1) // 2
    assert (of_class == block.y).mean() < 0.75
    assert (of_cluster == block.y).mean() > 0.93


def test_runs_last_as_long_as_said():
    y = read(DriftingSensor("none", n_samples=40_000, mean_run=50)).y
    n_changes = int((y[1:] != y[:-1]).sum())
    assert n_changes == pytest.approx(40_000 / 50 * 3 / 4, rel=0.2)  # one draw in four is the same class again


def test_named_streams_stretch_to_the_limit():
    for name, kind in STREAMS.items():
        source = open_source(name)
        assert (source.name, source.n_samples) == (name, N_SAMPLES)
        short = open_source(name, limit=1200)
        expected = DriftingSensor(kind, 1200)
        assert short.drift_points == expected.drift_points
        assert np.array_equal(next(iter(short.blocks())).x, read(expected).x)


def test_state_is_of_one_sensor():
    state = DriftingSensor("abrupt", n_samples=5000).state()
    DriftingSensor("abrupt", n_samples=5000).restore(state)
    with pytest.raises(UserError, match="was saved with seed 0 and has 1"):
        DriftingSensor("abrupt", n_samples=5000, seed=1).restore(state)
    with pytest.raises(UserError, match="other classes"):
        DriftingSensor("abrupt", n_samples=5000, n_classes=2).restore(state)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "abrubt"}, "kind 'abrubt' is not known.*Did you mean 'abrupt'"),
        ({"n_samples": 0}, "n_samples 0 is out of range; give 1 or more"),
        ({"n_classes": 1}, "n_classes 1 is out of range; give 2 or more"),
        ({"n_channels": 0}, "n_channels 0 is out of range"),
        ({"mean_run": 0}, "mean_run 0 is out of range"),
        ({"seed": -1}, "seed -1 is out of range"),
        ({"rate_hz": float("nan")}, "rate_hz nan is out of range"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(UserError, match=message):
        DriftingSensor(**settings)


def test_negative_start():
    with pytest.raises(UserError, match="sample -1 is out of range"):
        next(DriftingSensor().blocks(-1))
