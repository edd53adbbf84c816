"""Forward passes in NumPy against the learner's, sample by sample."""

from __future__ import annotations

import numpy as np
import pytest

from edgelearn.network.forward import layers_of
from edgelearn.network.learner import Learner, steps_of
from edgelearn.network.spec import design

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize(
    ("net", "settings"),
    [
        ("36-9-4", {}),
        ("6x6x1-conv3x3x3-pool2-5-4", {"kernel_bias": True}),
        ("5x7x2-conv3x3x2s2p1-4", {"activation": "relu", "event_threshold": 2}),
        ("8x6x1-conv3x3x3-meanpool2-conv2x3x3-4", {"signed_inputs": True}),
    ],
)
def test_indices_and_inputs_are_those_of_the_learner(net, settings):
    spec = (
        design(net, "dfa", input_bits=4, kernel_rate=-3, hidden_rate=-3, output_rate=-3, **settings)
        if ("conv" in net)
        else design((36, 9, 4), "dfa", hidden_rate=-3, output_rate=-3)
    )
    learner, generator = Learner(spec), np.random.default_rng(1)
    low, top = spec.input_range
    levels = generator.integers(low, top + 1, (30, spec.sizes[0])).astype(np.int8 if low else np.uint8)
    learner.learn(levels, generator.integers(0, 4, 30))
    passes = list(layers_of(learner.state, levels))
    for row in range(0, 30, 7):
        learner.run_steps(levels[row : row + 1], steps_of(np.array([-1])), in_order=True)
        arrays = learner.state.arrays
        for k, (layer, (inputs, q)) in enumerate(zip(spec.layers, passes, strict=True)):
            assert np.array_equal(arrays.inputs[k, : layer.n_in], inputs[row])
            assert np.array_equal(arrays.indices[k, : layer.n_out], q[row])
