"""Changes of the order of the rules in energy and area, one design choice at a time.

    python experiments/ranking_flips.py

Prints a Markdown table and writes experiments/results/ranking_flips.json. 784-500-10 on engine-28nm, 8 bits, stochastic
rounding, and what changes one thing in it. The bands of constants are looked at too: `flips` names the pairs that turn
within them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from edgelearn.config import make_config
from edgelearn.files import write_text
from edgelearn.rules import RULES
from edgelearn.runs.rates import spec_of
from hw_models.compare.ranking import ranking_as_dict
from hw_models.compare.rules import RuleCost, cost_of_rule
from hw_models.engine.schedule import assume
from hw_models.processor import find_processor

RESULTS = Path(__file__).parent / "results" / "ranking_flips.json"
SIZES = (784, 500, 10)
SPARSE = {"input_density": 0.2, "hidden_density": 0.5, "update_density": 0.3, "error_density": 0.3}

# What is changed: settings of the network, of the processor, densities.
CHOICES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, float]]] = {
    "as it is": ({}, {}, {}),
    "8 lanes": ({}, {"lanes": 8}, {}),
    "32 lanes": ({}, {"lanes": 32}, {}),
    "128 lanes": ({}, {"lanes": 128}, {}),
    "32 lanes, single transposed reads": ({}, {"lanes": 32, "transposed_read": "single"}, {}),
    "32 lanes, transposable array": ({}, {"lanes": 32, "transposed_read": "transposable"}, {}),
    "no clock gating": ({}, {"clock_gating": False}, {}),
    "control of a one-layer engine": ({}, {"control": "one-layer"}, {}),
    "feedback from a shift register": ({"feedback": "lfsr"}, {}, {}),
    "ternary feedback": ({"feedback": "ternary"}, {}, {}),
    "8 residual bits instead": ({"rounding": "residual"}, {}, {}),
    "2 bits": ({"bits": 2}, {}, {}),
    "16 bits": ({"bits": 16}, {}, {}),
    "8-bit d at the multiplier": ({}, {"delta_bits": 8}, {}),
    "16-bit d at the multiplier": ({}, {"delta_bits": 16}, {}),
    "sparse": ({}, {}, SPARSE),
    "sparse, 32 lanes": ({}, {"lanes": 32}, SPARSE),
    "arithmetic of Horowitz's table": ({}, {"logic": "horowitz-45nm"}, {}),
    "arithmetic of Aladdin's table": ({}, {"logic": "aladdin-40nm-1ns"}, {}),
}
ROWS = (*CHOICES, "cortex-m4", "loihi-like")


def costs_of(choice: str) -> list[RuleCost]:
    """Price every rule under a choice."""
    settings, of_processor, densities = CHOICES.get(choice, ({}, {}, {}))
    processor = find_processor("engine-28nm" if choice in CHOICES else choice)
    processor = processor.model_copy(update=of_processor)
    costs = []
    for rule in RULES:
        spec = spec_of(make_config({"rule": rule, "rounding": "stochastic"} | settings), SIZES)
        costs.append(cost_of_rule(spec, assume(spec, **densities), processor))
    return costs


def main() -> int:
    found = {choice: ranking_as_dict(costs_of(choice)) for choice in ROWS}
    print("| choice | energy, cheapest first | area, cheapest first | pairs that turn within the bands |")
    print("|---|---|---|---|")
    for choice, ranked in found.items():
        turned = sorted({f"{f['cheaper']}/{f['dearer']}" for of in ranked.values() for f in of["flips"]})
        orders = [ranked[figure]["order"] if figure in ranked else "-" for figure in ("energy_pj", "area_um2")]
        print(f"| {choice} | {orders[0]} | {orders[1]} | {', '.join(turned) or 'none'} |")
    plain = {
        choice: {figure: {k: of[k] for k in ("order", "gaps", "flips")} for figure, of in ranked.items()}
        for choice, ranked in found.items()
    }
    write_text(RESULTS, json.dumps(plain, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
