"""The C twin and the product have the same bits: predictions, weights, biases and saturations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgelearn.benchmark import choose_data, synthetic
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from tests.benchmarks.c_twin import RULES, CacheLimit, CTwin, gcc
from tests.tools import missing

CPU_FLAGS = Path("/proc/cpuinfo")


def require_gcc() -> None:
    if gcc() is None:
        missing("gcc not found: install gcc")
    if CPU_FLAGS.exists() and "avx2" not in CPU_FLAGS.read_text():
        pytest.skip("this processor has no AVX2, which the C twin is written in")


def assert_same(spec, data, *options):
    product, twin = Learner(spec), CTwin(spec, *options)
    np.testing.assert_array_equal(twin.learn(data.levels, data.labels), product.learn(data.levels, data.labels))
    expected = product.words()
    for name, words in twin.words().items():
        np.testing.assert_array_equal(words, expected[name], err_msg=name)
    assert twin.saturations == product.counters["saturations"].tolist()
    assert product.counters["step_saturations"].tolist() == [0, 0]
    return product, twin


@pytest.mark.parametrize("options", [(), ("-mno-avx512f",)], ids=["native", "avx2"])
@pytest.mark.parametrize(("rule", "input_bits"), [("drtp", 1), ("drtp", 4), ("dfa", 4), ("bp", 4)])
def test_twin_learns_digits_bit_for_bit(rule, input_bits, options):
    require_gcc()
    spec = design((784, 500, 10), rule=rule, input_bits=input_bits, seed=3)
    data = choose_data(spec.sizes, input_bits, 4000)
    product, _ = assert_same(spec, data, *options)
    before, after = product.save(), Learner(spec).save()
    assert (before["layer1_weights"] != after["layer1_weights"]).any()


@pytest.mark.parametrize("options", [(), ("-mno-avx512f",)], ids=["native", "avx2"])
@pytest.mark.parametrize(
    ("sizes", "input_bits", "rates"),
    [
        ((70, 33, 3), 4, (-7, -8)),
        ((300, 128, 10), 2, (-6, -8)),
        ((129, 512, 64), 3, (-4, -8)),
        ((31, 1, 2), 1, (-1, -5)),
        ((40, 700, 5), 1, (-7, -7)),
    ],
)
@pytest.mark.parametrize("rule", RULES)
def test_other_shapes_and_rates_saturate_alike(rule, sizes, input_bits, rates, options):
    require_gcc()
    hidden_rate = rates[0] if rule == "drtp" else min(rates[0], -4)  # the C twin shifts steps of errors down only
    spec = design(sizes, rule=rule, input_bits=input_bits, hidden_rate=hidden_rate, output_rate=rates[1], seed=1)
    product, _ = assert_same(spec, synthetic(sizes[0], sizes[-1], input_bits, 2500), *options)
    if rates[0] > -6 and (rule, rates[0]) != ("bp", -4):
        assert product.counters["saturations"][0] > 0


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("events", ["none", "all"])
def test_no_events_and_only_events(events, rule):
    require_gcc()
    spec = design((600, 40, 4), rule=rule, input_bits=1, seed=2)
    data = synthetic(600, 4, 1, 2000)
    data.levels[:] = 0 if events == "none" else 1
    assert_same(spec, data)


def test_limits_of_caches_read_and_change_whole_rows():
    require_gcc()
    limit = CacheLimit(4096)
    assert limit.run(0, 2048) == 0
    assert limit._words.tolist() == [1] * 1024 + [0] * 1024
    assert limit.run(4096, 4096 * 3) == 0
    assert limit._words.tolist() == [4] * 1024 + [3] * 1024
    assert limit._result[: len(limit._result) // 2].sum() == 1024  # half of the words were 1 when they were read
    limit._words[7] = 32767
    assert limit.run(0, 1024) == 1
