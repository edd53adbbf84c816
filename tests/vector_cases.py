"""Networks whose test vectors are written in tests, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from firmware_sim.check.session import drive_to_rails, stress_stream
from hw_models.rtl.vectors import Written, write_vectors

RULES = ("drtp", "dfa", "sdfa", "mdfa", "fa", "bp", "local", "signed-target", "shallow")
N_SAMPLES = 16


def _cases() -> list[dict[str, Any]]:
    """Return settings: each rule with each of the widths and roundings, outputs, gates; then masks and mixed rules."""
    found: list[dict[str, Any]] = []
    for rule in RULES:
        found += [
            {"rule": rule, "sizes": (12, 7, 5, 3)} | more
            for more in (
                {},
                {"rounding": "stochastic", "bits": 4},
                {"bits": 16},
                {"bits": 2, "rounding": "stochastic", "input_bits": 1},
                {"rounding": "nearest", "delta_bits": 6},
                {"output": "softmax", "dead_zone": 9, "activation": "relu", "signed_inputs": True},
                {
                    "update_gate": "margin",
                    "margin": 6,
                    "activation": "leaky",
                    "event_threshold": 3,
                    "accumulator_bits": 12,
                },
            )
        ]
        found.append({"rule": rule, "sizes": (12, 7, 1), "update_gate": "error", "rounding": "stochastic"})
        if rule in ("drtp", "dfa", "mdfa", "fa", "local"):
            found += [
                {"rule": rule, "sizes": (9, 6, 5, 4), "feedback_format": "lfsr", "activation": "hard-tanh"},
                {"rule": rule, "sizes": (9, 6, 5, 4), "feedback_format": "ternary", "activation": "quadratic-tanh"},
            ]
    for rule, learn, rounding in (
        ("dfa+drtp", "all", "residual"),
        ("bp+dfa", "all+bias+all", "stochastic"),
        ("dfa", "bias", "residual"),
        ("bp", "all+none+all", "residual"),
        ("drtp", "last", "nearest"),
    ):
        found.append({"rule": rule, "sizes": (9, 6, 5, 4), "learn": learn, "rounding": rounding})
    return [*found, {"rule": "bp", "sizes": (12, 4)}]


def name_of(case: dict[str, Any]) -> str:
    return "-".join(str(value).replace(" ", "") for value in case.values())


CASES = _cases()
PARAMETERS = [  # every third, so that all rules, outputs and gates are among them; the others are slow
    pytest.param(case, id=name_of(case), marks=pytest.mark.slow if number % 3 else ())
    for number, case in enumerate(CASES)
]


def written(folder: Path, case: dict[str, Any], n: int = N_SAMPLES, words_every: int = 3) -> Written:
    """Write vectors of a network whose words start at their limits: half the samples extreme, half at random."""
    spec = design(**case)
    learner = Learner(spec)
    drive_to_rails(learner)
    levels, labels = stress_stream(spec, n)
    lowest, highest = spec.input_range
    levels[n // 2 :] = np.random.default_rng(1).integers(lowest, highest + 1, levels[n // 2 :].shape)
    return write_vectors(learner, folder, levels, labels, "stress", words_every)
