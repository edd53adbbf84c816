"""Worked example of the cost model: counts, memories and energies of the runs on the digits on engine-28nm.

    python experiments/cost_worked_example.py

Prints the tables of hw_models/docs/cost_model.md, section 13, and the coefficients of section 5, and writes
experiments/results/cost_worked_example.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from edgelearn.config import make_config
from edgelearn.files import write_text
from edgelearn.network.counters import Counters
from edgelearn.network.spec import NetworkSpec
from edgelearn.rules import RULES
from edgelearn.runs.rates import learning_counters, spec_of
from edgelearn.runs.registry import run
from hw_models.constants import logic, technology
from hw_models.constants.memory import sram
from hw_models.engine.price import memory_shapes
from hw_models.engine.widths import multiplier_bits
from hw_models.processor import Engine, find_processor

RESULTS = Path(__file__).parent / "results" / "cost_worked_example.json"
PROCESSOR = "engine-28nm"
COUNTS = {  # column of the page: counter and layer, counted from 0
    "x1": ("input_events", 0),
    "x2": ("input_events", 1),
    "n_d1": ("active_neurons", 0),
    "x1 n_d1": ("update_pairs", 0),
    "n_d2": ("active_neurons", 1),
    "x2 n_d2": ("update_pairs", 1),
    "n_o": ("open_gates", 0),
    "n_g": ("live_gates", 0),
    "n_s": ("signal_lanes", 0),
    "n_s n_g": ("gated_signals", 0),
}


def learned(rule: str) -> tuple[NetworkSpec, Counters]:
    """Return network and counts of `edgelearn run --rule RULE`."""
    config = make_config({"rule": rule})
    content = run(config).content
    return spec_of(config, content["network"]["sizes"]), learning_counters(content["counters"]["learning"])


def coefficients() -> dict[str, float]:
    """Return the fitted coefficients of the logic model, areas in um2 of Nangate45, energies in fJ."""
    a, b = logic.control_line()
    found: dict[str, float] = {f"multiplier {n} x {n}": logic.multiplier_um2(n) for n in (4, 8, 16, 32)}
    found |= {
        "adder bit": logic.adder_bit_um2(),
        "register bit": logic.register_um2(),
        "operand bit": logic.operand_bit_um2(),
        "control": a,
        "control per bit": b,
    }
    for engine in ("drtp", "bp"):
        found |= dict(
            zip((f"learning {engine}", f"learning {engine} per log2"), logic.learning_lines()[engine], strict=True)
        )
    inference, learning = logic.energy_per_um2()
    return found | {
        "random share": logic.random_share(),
        "feedback generator bits": logic.FEEDBACK_REGISTER_BITS,
        "inference energy": 1e3 * inference,
        "learning energy": 1e3 * learning,
        "register clock": 1e3 * logic.register_pj(),
        "library factor": logic.library_factor(),
        "energy to 28 nm, 0.9 V": technology.energy_scale(45, 1.1, 28, 0.9),
        "area to 28 nm": technology.area_scale(45, 28),
    }


def report() -> dict[str, Any]:
    """Return coefficients, counts, memories and energies as plain data."""
    engine = find_processor(PROCESSOR)
    assert isinstance(engine, Engine)
    counts, energies = [], []
    shapes: dict[tuple[int, int, float], set[str]] = {}
    for rule in RULES:
        spec, counters = learned(rule)
        per_sample = {name: int(counters[c][k]) / counters.n_samples for name, (c, k) in COUNTS.items()}
        counts.append({"rule": rule} | {name: round(value, 4) for name, value in per_sample.items()})
        trained, inferred = (engine.price(spec, counters, learning) for learning in (True, False))
        width, other = multiplier_bits(spec, True)
        energies.append(
            {
                "rule": rule,
                "multiplier": f"{width} x {other}",
                "cycles": round(trained.cycles_per_sample, 1),
                "inference, nJ": round(inferred.energy_per_sample_pj / 1e3, 3),
                "learning, nJ": round(trained.energy_per_sample_pj / 1e3, 3),
                "area, um2": round(trained.total("area_um2")),
            }
        )
        for learning in (False, True):
            for name, shape in memory_shapes(spec, engine, learning).items():
                shapes.setdefault(shape, set()).add(f"{name} of {rule if learning else 'inference'}")
    memories = []
    for (bits, word_bits, writes), users in sorted(shapes.items()):
        cost = sram("itrs-lstp", 28, bits, word_bits, writes)
        memories.append(
            {
                "bits": bits,
                "word": word_bits,
                "writes per read": writes,
                "macros": cost.banks,
                "read, pJ": round(cost.read_pj, 5),
                "write, pJ": round(cost.write_pj, 5),
                "area, um2": round(cost.area_um2, 1),
                "leakage, uW": round(cost.leakage_uw, 5),
                "memories": _users(users),
            }
        )
    return {
        "coefficients": {name: float(f"{value:.6g}") for name, value in coefficients().items()},
        "counts": counts,
        "memories": memories,
        "energies": energies,
    }


def _users(users: set[str]) -> str:
    """Join the users of a shape by the name of their memory."""
    by_name: dict[str, list[str]] = {}
    for name, of in sorted(user.split(" of ") for user in users):
        by_name.setdefault(name, []).append(of)
    return "; ".join(f"{name} of {'all' if set(RULES) <= set(of) else ', '.join(of)}" for name, of in by_name.items())


def _print_table(rows: list[dict[str, Any]]) -> None:
    print(f"| {' | '.join(rows[0])} |")
    print("|" + "---|" * len(rows[0]))
    for row in rows:
        print(f"| {' | '.join(str(cell) for cell in row.values())} |")
    print()


def main() -> int:
    content = report()
    _print_table([{"coefficient": name, "value": value} for name, value in content["coefficients"].items()])
    for name in ("counts", "memories", "energies"):
        _print_table(content[name])
    write_text(RESULTS, json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
