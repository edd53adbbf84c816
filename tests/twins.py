"""The product and the oracle, built from one specification and fed the same samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgelearn.accounting import traffic
from edgelearn.accounting.counters import EVENTS, MEMORIES, OPERATIONS
from edgelearn.accounting.traffic import TRAFFIC
from edgelearn.learner import Learner
from edgelearn.network import NetworkSpec
from tests.naive.oracle import NaiveNetwork


def naive_twin(learner: Learner) -> NaiveNetwork:
    """Build the oracle with the words the learner starts from."""
    spec: NetworkSpec = learner.spec
    state = learner.state
    hidden = range(len(spec.layers) - 1)
    stores = spec.rule.stores_feedback
    return NaiveNetwork(
        rule=spec.rule.name,
        sizes=list(spec.sizes),
        bits=spec.layers[0].word.bits,
        residual_bits=spec.layers[0].word.residual_bits,
        rounding="stochastic" if spec.stochastic else "nearest",
        input_bits=spec.input_bits,
        activation=spec.layers[0].activation if len(spec.layers) > 1 else "tanh",
        output=spec.output,
        range_exponents=[layer.word.range_exponent for layer in spec.layers],
        rates=[layer.rate for layer in spec.layers],
        weights=[state.weights(k).tolist() for k in range(len(spec.layers))],
        biases=[state.biases(k).tolist() for k in range(len(spec.layers))],
        feedback=[state.feedback(k).tolist() if stores else None for k in hidden],
        feedback_exponents=[spec.layers[k].feedback_exponent for k in hidden],
        lfsr=spec.regenerates_feedback,
        rng_state=int(state.arrays.generator[0]),
        event_threshold=spec.event_threshold,
        dead_zone=spec.dead_zone,
        accumulator_bits=spec.accumulator_bits,
        delta_bits=spec.layers[0].delta_bits if hidden else 16,
    )


def assert_twins(
    spec: NetworkSpec,
    levels: np.ndarray,
    labels: np.ndarray,
    halvings: int = 0,
    prepare: Callable[[Learner], None] = lambda learner: None,
) -> NaiveNetwork:
    """Learn the samples on both sides; every word, prediction and count must be equal. Return the oracle.

    `prepare` may change the learner's words before the oracle copies them.
    """
    learner = Learner(spec)
    prepare(learner)
    naive = naive_twin(learner)
    learner.set_halvings(halvings)
    naive.halvings = halvings
    for sample, label in zip(levels, labels, strict=True):
        predicted = learner.learn_one(sample, int(label))
        expected = naive.learn_one([int(x) for x in sample], int(label))
        assert predicted == expected
        assert_words(learner, naive)
    probe = levels[0]
    assert learner.predict_one(probe) == naive.predict_one([int(x) for x in probe])
    assert_counts(learner, naive)
    return naive


def assert_words(learner: Learner, naive: NaiveNetwork) -> None:
    for k in range(len(learner.spec.layers)):
        np.testing.assert_array_equal(learner.state.weights(k), naive.weights[k], err_msg=f"weights of layer {k + 1}")
        np.testing.assert_array_equal(learner.state.biases(k), naive.biases[k], err_msg=f"biases of layer {k + 1}")
    assert int(learner.state.arrays.generator[0]) == naive.rng_state


def assert_counts(learner: Learner, naive: NaiveNetwork) -> None:
    """Counted by the kernels == counted by the oracle's memories == predicted by traffic()."""
    counted: dict[Any, int] = {}
    counters = learner.counters
    for memory in MEMORIES:
        for direction in ("read", "write"):
            name = f"{memory}_{direction}"
            if name in ("label_write", "feedback_write"):
                continue
            for k, words in enumerate(counters[name], 1):
                counted[k, memory, direction] = int(words)
    expected = {key: count for key, count in naive.counts.items() if key in counted}
    assert counted == expected
    assert not any(count for key, count in naive.counts.items() if key not in counted)
    for names, kept in ((OPERATIONS, naive.operations), (EVENTS, naive.events)):
        for name in names:
            got = {(k, name): int(n) for k, n in enumerate(counters[name], 1)}
            assert got == {key: kept[key] for key in got}
    assert traffic(learner.spec, counters) == counters.only(TRAFFIC)
    inferred = learner.inference_counters
    for name in ("activation", "weight", "bias"):
        for k, words in enumerate(inferred[f"{name}_read"], 1):
            assert int(words) == naive.inference_counts[k, name, "read"]
