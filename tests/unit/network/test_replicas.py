"""Replicas side by side: words, predictions and counts of single networks, whatever their seeds, rates and orders."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

from edgelearn.network.learner import Learner
from edgelearn.network.replicas import Replicas, are_replicas
from edgelearn.network.spec import NetworkSpec, design

pytestmark = pytest.mark.kernel


def draw_specs(rng: np.random.Generator, rule: str, **settings: Any) -> list[NetworkSpec]:
    sizes = int(rng.integers(40, 90)), int(rng.integers(17, 33)), int(rng.integers(2, 13))
    hidden, output = rng.integers(-9, -2, 2)
    return [
        design(
            sizes,
            rule,
            hidden_rate=int(hidden - rng.integers(0, 3)),
            output_rate=int(output - rng.integers(0, 3)),
            seed=int(rng.integers(0, 99)),
            **settings,
        )
        for _ in range(int(rng.integers(1, 9)))
    ]


def draw_samples(
    rng: np.random.Generator, spec: NetworkSpec, n: int, density: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    low, top = spec.input_range
    share = rng.choice([0.2, 0.9]) if density is None else density
    levels = rng.integers(low, top + 1, (n, spec.sizes[0])) * (rng.random((n, spec.sizes[0])) < share)
    return levels.astype(np.int8 if spec.signed_inputs else np.uint8), rng.integers(0, spec.n_classes, n)


def put_to_rails(learners: tuple[Learner, Learner], rng: np.random.Generator) -> None:
    for k, layer in enumerate(learners[0].spec.layers):
        words = rng.choice([layer.min_weight, layer.word.max_raw], (layer.n_out, layer.n_in))
        for learner in learners:
            learner.state.set_words(k, words, words[:, 0])


def assert_alike(
    specs: list[NetworkSpec],
    rng: np.random.Generator,
    n: int,
    halvings: int = 0,
    density: float | None = None,
    rails: bool = False,
) -> bool:
    """Learn and predict side by side and one by one; return whether steps are products that kernels of replicas round."""
    single, together = [Learner(spec) for spec in specs], [Learner(spec) for spec in specs]
    levels, labels = draw_samples(rng, specs[0], n, density)
    orders = rng.integers(0, 3, len(specs)).tolist()
    rows = [rng.permutation(n) for _ in range(3)]
    if rails:
        for pair in zip(single, together, strict=True):
            put_to_rails(pair, rng)
    prepared, replicas = single[0].prepare(levels), Replicas(together, orders)
    for learner in (*single, *together):
        learner.set_halvings(halvings)
    if not replicas.fits:
        return False
    taken = [rows[order] for order in orders]
    for _ in range(2):
        expected = [learner.learn(prepared, labels[own], own) for learner, own in zip(single, taken, strict=True)]
        found = replicas.learn(prepared, [labels[own] for own in taken], taken)
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(replicas.predict(prepared), [learner.predict(prepared) for learner in single])
    replicas.store()
    for one, other in zip(single, together, strict=True):
        for name, words in one.words().items():
            np.testing.assert_array_equal(other.words()[name], words, err_msg=name)
        np.testing.assert_array_equal(other.counts, one.counts)
        assert not rails or one.counters["saturations"].min() > 0
    return True


@pytest.mark.parametrize("rule", ["drtp", "signed-target", "shallow"])
def test_replicas_learn_what_single_networks_learn(rule: str) -> None:
    rng = np.random.default_rng(1)
    taken = 0
    for trial, signed, bits in ((0, False, 4), (1, False, 1), (2, True, 3), (3, False, 5), (4, False, 4), (5, True, 4)):
        zone = {"dead_zone": 12, "event_threshold": 5} if trial % 2 else {}
        specs = draw_specs(rng, rule, input_bits=bits, signed_inputs=signed, **zone)
        assert are_replicas(specs), specs[0].sizes
        n = 12 if numba.config.DISABLE_JIT else 60 + 10 * trial  # plain kernels of eight networks take seconds
        taken += assert_alike(specs, rng, n, halvings=trial % 3)
    assert taken >= 4


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_random_replicas_learn_what_single_networks_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rule = str(rng.choice(["drtp", "signed-target", "shallow"]))
    signed, bits = bool(rng.random() < 0.3), int(rng.integers(1, 6))
    settings = {"dead_zone": int(rng.choice([0, 12, 40])), "event_threshold": int(rng.choice([0, 5]))}
    specs = draw_specs(rng, rule, input_bits=max(bits, 1 + signed), signed_inputs=signed, **settings)
    assert are_replicas(specs)
    assert_alike(specs, rng, int(rng.integers(1, 1200)), halvings=int(rng.integers(0, 2)))


def test_the_first_of_equal_outputs_is_predicted() -> None:
    specs = [design((60, 20, 4), "drtp", seed=seed) for seed in range(3)]
    assert assert_alike(specs, np.random.default_rng(2), 1, density=0.0)


def test_words_at_the_rails_are_counted_as_single_networks_count_them() -> None:
    rng = np.random.default_rng(3)
    specs = [design((60, 20, 4), "drtp", hidden_rate=-2, output_rate=-2, seed=seed) for seed in range(4)]
    assert assert_alike(specs, rng, 50, rails=True)


@pytest.mark.parametrize(
    "other",
    [
        {"rule": "dfa"},
        {"sizes": (60, 33, 4)},
        {"sizes": (60, 20, 10, 4)},
        {"sizes": (60, 20, 1)},
        {"output": "softmax"},
        {"accumulator_bits": 20},
        {"rounding": "stochastic"},
        {"input_bits": 8},
        {"bits": 6, "residual_bits": 4},
        {"learn": "last"},
        {"update_gate": "error"},
    ],
)
def test_networks_of_other_forms_learn_alone(other: dict[str, Any]) -> None:
    settings: dict[str, Any] = {"sizes": (60, 20, 4), "rule": "drtp", "input_bits": 4}
    assert are_replicas([design(**settings), design(**settings, seed=4, hidden_rate=-3)])
    assert not are_replicas([design(**(settings | other))])


def test_networks_that_differ_in_more_than_seed_and_rates_are_no_replicas() -> None:
    assert not are_replicas([design((60, 20, 4), "drtp"), design((60, 20, 4), "drtp", dead_zone=2)])
    assert not are_replicas([design((60, 20, 4), "drtp"), design((60, 21, 4), "drtp")])
