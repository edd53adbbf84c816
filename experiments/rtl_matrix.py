"""The engine in Verilog over a matrix of networks: equal words, cycles and accesses, under two simulators.

    python experiments/rtl_matrix.py                           # all, 200 digits and 100 stress samples each
    python experiments/rtl_matrix.py --simulator icarus --only 0:6
    python experiments/rtl_matrix.py lint                      # verilator --lint-only -Wall, all rules, 2 to 16 bits

Exit code 1 where anything differs.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from edgelearn.data import open_dataset
from edgelearn.network.encoding import encode_levels
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec, design
from firmware_sim.check.session import drive_to_rails, stress_stream
from hw_models.rtl.lint import lint
from hw_models.rtl.simulators import SIMULATORS
from hw_models.rtl.verify import verify

NET, DEEP = (64, 12, 10), (64, 10, 8, 10)
RULES = ("drtp", "dfa", "bp", "fa", "sdfa", "mdfa", "signed-target", "shallow", "local")

CASES: list[dict[str, Any]] = [
    *({"sizes": NET, "rule": rule} for rule in RULES),
    *({"sizes": DEEP, "rule": rule, "rounding": "stochastic"} for rule in RULES),
    *({"sizes": DEEP, "rule": rule, "bits": 4, "activation": "relu"} for rule in ("drtp", "dfa", "bp")),
    {"sizes": NET, "rule": "dfa", "bits": 16, "dead_zone": 16},
    {"sizes": NET, "rule": "bp", "bits": 12, "rounding": "nearest", "activation": "hard-tanh"},
    {"sizes": NET, "rule": "drtp", "bits": 2, "rounding": "stochastic", "input_bits": 1},
    {"sizes": DEEP, "rule": "fa", "bits": 3, "feedback_format": "ternary"},
    {"sizes": DEEP, "rule": "drtp", "feedback_format": "lfsr", "bits": 4, "rounding": "stochastic"},
    {"sizes": DEEP, "rule": "dfa", "feedback_format": "lfsr", "output": "softmax"},
    {"sizes": NET, "rule": "sdfa", "feedback_format": "sign", "output": "softmax", "rounding": "stochastic"},
    {"sizes": NET, "rule": "bp", "output": "softmax", "delta_bits": 8, "activation": "leaky"},
    {"sizes": (64, 12, 1), "rule": "drtp", "rounding": "stochastic"},
    {"sizes": (64, 12, 1), "rule": "signed-target"},
    {"sizes": (64, 12, 1), "rule": "bp", "update_gate": "margin", "margin": 12},
    {"sizes": (64, 10), "rule": "shallow", "rounding": "stochastic"},
    {"sizes": DEEP, "rule": "local", "output": "softmax", "update_gate": "error", "bits": 4},
    {"sizes": (64, 12, 1), "rule": "local", "local_dead_zone": 30, "activation": "relu", "feedback_format": "lfsr"},
    {"sizes": NET, "rule": "drtp", "update_gate": "error"},
    {"sizes": DEEP, "rule": "dfa", "update_gate": "margin", "margin": 20, "rounding": "stochastic"},
    {"sizes": NET, "rule": "signed-target", "update_gate": "error", "output": "softmax"},
    {"sizes": NET, "rule": "dfa", "accumulator_bits": 14},
    {"sizes": NET, "rule": "drtp", "delta_bits": 5, "signed_inputs": True, "input_bits": 5},
    {"sizes": NET, "rule": "bp", "delta_bits": 4, "input_bits": 8, "event_threshold": 4},
    {"sizes": DEEP, "rule": "bp", "learn": "bias+none+all", "rounding": "stochastic"},
    {"sizes": DEEP, "rule": "dfa", "learn": "none+bias+all"},
    {"sizes": NET, "rule": "drtp", "hidden_inference": "sign", "activation": "quadratic-tanh"},
    {"sizes": NET, "rule": "dfa", "bits": 6, "halvings": 2},
    {"sizes": DEEP, "rule": "fa", "rounding": "stochastic", "halvings": 3, "residual_bits": 4},
]


def digits(spec: NetworkSpec, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return levels and labels of the first digits; every seventh label is missing."""
    data = open_dataset("digits")
    bits = spec.layers[0].input_one.bit_length()
    levels = encode_levels(data.train_x[:n], data.low, data.high, bits).astype(np.int64)
    if spec.signed_inputs:
        levels = np.maximum(levels * 2 - spec.layers[0].input_one, -spec.layers[0].input_one)
    labels = np.asarray(data.train_y[:n]) % spec.n_classes
    return levels, np.where(np.arange(n) % 7 == 3, -1, labels)


def name_of(case: dict[str, Any]) -> str:
    sizes = "-".join(map(str, case["sizes"]))
    return " ".join([sizes, *(str(value) for name, value in case.items() if name != "sizes")])


def compare(case: dict[str, Any], simulator: str, samples: int, stress: int) -> bool:
    """Print a line on a case; return whether all is equal."""
    settings = dict(case)
    halvings = settings.pop("halvings", 0)
    spec = design(**settings)
    began = time.perf_counter()
    parts = [verify(Learner(spec), *digits(spec, samples), simulator, halvings)]
    if stress:
        learner = Learner(spec)
        drive_to_rails(learner)
        parts.append(verify(learner, *stress_stream(spec, stress), simulator, halvings))
    equal = all(part.equal for part in parts)
    data = parts[0]
    print(
        f"{'equal' if equal else 'DIFFERENT':9} {simulator:9} {name_of(case):60} {data.samples} samples, "
        f"{data.updates} learned, {data.cycles:.1f} cycles, scheduled {data.scheduled:.1f}; stress {stress}: "
        f"{parts[-1].events['saturations'] if stress else 0} saturations; {time.perf_counter() - began:.0f} s",
        flush=True,
    )
    for part in parts:
        for found in (part.difference, part.miscount):
            if found is not None:
                print(f"    {found}")
    return equal


def lint_all() -> bool:
    """Lint all rules at all widths and roundings, and the cases of the matrix; return whether all are clean."""
    cases: list[dict[str, Any]] = [
        {"sizes": DEEP, "rule": rule, "bits": bits, "rounding": rounding}
        for rule in RULES
        for bits in range(2, 17)
        for rounding in ("residual", "stochastic")
    ]
    clean = 0
    for case in [*cases, *({name: value for name, value in one.items() if name != "halvings"} for one in CASES)]:
        found = lint(Learner(design(**case)))
        clean += not found
        for line in found:
            print(f"{name_of(case)}: {line}", flush=True)
    print(f"{clean} of {len(cases) + len(CASES)} engines without a warning")
    return clean == len(cases) + len(CASES)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--simulator", choices=[*SIMULATORS, "both"], default="both")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--stress", type=int, default=100)
    parser.add_argument("--only", default="", help="cases from:to, counted from 0")
    parser.add_argument("what", choices=["compare", "lint"], nargs="?", default="compare")
    given = parser.parse_args()
    if given.what == "lint":
        return 0 if lint_all() else 1
    first, _, end = given.only.partition(":")
    cases = CASES[int(first or 0) : int(end) if end else None]
    simulators = SIMULATORS if given.simulator == "both" else (given.simulator,)
    equal = [compare(case, simulator, given.samples, given.stress) for case in cases for simulator in simulators]
    print(f"{sum(equal)} of {len(equal)} comparisons are equal")
    return 0 if all(equal) else 1


if __name__ == "__main__":
    raise SystemExit(main())
