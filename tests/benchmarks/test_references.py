"""The contestants really learn, and a missing torch is explained."""

from __future__ import annotations

import builtins
import sys
from functools import partial

import numpy as np
import pytest

from edgelearn import benchmark
from edgelearn.errors import UserError
from edgelearn.references import torch_online
from tests.tools import require_torch

SIZES = (64, 48, 32, 10)


def rivals():
    from tests.benchmarks import rivals  # imports torch

    return rivals


@pytest.mark.parametrize("gathering", [False, True])
def test_numpy_learns(gathering):
    require_torch()
    data = benchmark.synthetic(64, 10, 4, 4000)
    net = rivals().GatheringNet if gathering else benchmark.NumpyNet
    predictions = net(SIZES, 15).learn(data.levels, data.labels)
    wrong = predictions != data.labels
    assert wrong[:200].mean() > 0.3
    assert wrong[-1000:].mean() < 0.1


@pytest.mark.parametrize("name", ["in place", "autograd", "published loop", "published loop, batches"])
def test_torch_learns(name):
    require_torch()
    nets = {
        "in place": torch_online.InPlaceNet,
        "autograd": rivals().AutogradNet,
        "published loop": rivals().PublishedLoopNet,
        "published loop, batches": partial(rivals().PublishedLoopNet, batch=20, rate=0.1),
    }
    net = nets[name]
    data = benchmark.synthetic(64, 10, 4, 4000)
    x, targets, labels = torch_online.as_tensors(data.levels, data.labels, 10)
    learner = net(SIZES)
    with torch_online.one_thread():
        before = np.mean(learner.predict(x[3000:]).numpy() != data.labels[3000:])
        learner.learn(x[:3000], targets[:3000], labels[:3000])
        after = np.mean(learner.predict(x[3000:]).numpy() != data.labels[3000:])
    assert before > 0.6
    assert after < 0.1


def test_both_ways_of_torch_compute_the_same():
    torch = require_torch()
    data = benchmark.synthetic(64, 10, 1, 200)
    tensors = torch_online.as_tensors(data.levels, data.labels, 10)
    autograd, in_place = rivals().AutogradNet(SIZES), torch_online.InPlaceNet(SIZES)
    autograd.learn(*tensors)
    in_place.learn(*tensors)
    for layer, weights, biases in zip(autograd._layers, in_place._weights, in_place._biases, strict=True):
        torch.testing.assert_close(layer.weight.detach(), weights, rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(layer.bias.detach(), biases, rtol=1e-3, atol=1e-5)


def test_threads_are_restored():
    torch = require_torch()
    before = torch.get_num_threads()
    with torch_online.one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_bench_has_every_row_and_says_what_is_in_the_ratio(monkeypatch):
    monkeypatch.delenv("EDGELEARN_DATA", raising=False)
    lines = []
    rows = benchmark.measure((40, 20, 20, 5), 4, 50, 1, on_progress=lines.append)
    assert [row.name for row in rows] == [
        benchmark.LEARN, benchmark.NUMPY, benchmark.TORCH, benchmark.ROOFLINE,
    ]  # fmt: skip
    text = "\n".join(benchmark.as_table(rows))
    assert "of the bandwidth roofline" in text
    assert "Sparsity and narrow weights are part of the ratio" in text
    assert "synthetic samples" in text
    assert lines


def test_without_torch_bench_goes_on_and_says_why(monkeypatch):
    found = builtins.__import__

    def missing(name, *args, **kwargs):
        if name == "torch":
            raise ImportError(name)
        return found(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    monkeypatch.delitem(sys.modules, "edgelearn.references.pytorch", raising=False)
    data = benchmark.synthetic(20, 3, 1, 10)
    with pytest.raises(UserError, match=r'pip install "torch>='):
        torch_online.InPlaceNet((20, 8, 3))
    rows = {row.name: row for row in benchmark.measure((20, 8, 3), 1, 10, 1, data)}
    assert rows[benchmark.TORCH].samples_per_second is None
    assert 'skipped: torch is not installed; pip install "torch>=' in "\n".join(benchmark.as_table(list(rows.values())))


def test_synthetic_samples_are_as_sparse_as_digits():
    for input_bits, share in ((1, 0.131), (4, 0.18)):
        data = benchmark.synthetic(784, 10, input_bits, 500)
        assert abs(data.mean_events / 784 - share) < 0.02
        assert data.levels.max() == (1 << input_bits) - 1


def test_nothing_to_measure_is_an_error():
    with pytest.raises(UserError, match="at least 1 sample and 1 repeat"):
        benchmark.measure((20, 8, 3), 1, 10, 0)
