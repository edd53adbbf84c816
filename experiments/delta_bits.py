"""Accuracy, energy and area by the width of the learning factors: error, modulator and modulated gate d.

    python experiments/delta_bits.py                both data sets, about 25 minutes on one core
    python experiments/delta_bits.py --data digits  one of them, half a minute
    python experiments/delta_bits.py --price        prices of the stored activity anew

Prints Markdown tables and writes experiments/results/delta_bits.json. MNIST: put it in a folder named in EDGELEARN_DATA
or run `edgelearn data fetch mnist`. Each width is run and priced: the multiplier of the engine takes the words of the
run. Narrow d are zero more often, and neurons with d = 0 are not updated; the energy at the activity of the 16-bit run
has the narrow multiplier alone. Rates are the starting rates of the rules, at all widths.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

from edgelearn import __version__
from edgelearn.config import make_config
from edgelearn.errors import UserError
from edgelearn.files import write_text
from edgelearn.runs.rates import learning_counters, spec_of
from edgelearn.runs.registry import run
from hw_models.compare.rules import as_dict, cost_of_rule
from hw_models.processor import find_processor

RESULTS = Path(__file__).parent / "results" / "delta_bits.json"
SEEDS = (0, 1, 2)
RULES, WIDTHS = ("dfa", "fa", "bp"), (16, 12, 10, 8)
PROCESSOR = "engine-28nm"
DATA: dict[str, dict[str, Any]] = {
    "digits": {"data": "digits", "net": "64-100-10", "epochs": 20},
    "mnist": {"data": "mnist", "net": "784-500-10", "epochs": 10},
}


def measure(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """Run one seed; return its test error, and the counters of learning from which it is priced."""
    content = run(make_config(settings | {"seed": seed})).content
    return {
        "test_error_percent": content["result"]["test_error_percent"],
        "learning": content["counters"]["learning"],
    }


def price(settings: dict[str, Any], counters: dict[str, Any], wide: dict[str, Any]) -> dict[str, Any]:
    """Return what a learned sample takes on the engine, with its own counters and with those of the 16-bit run."""
    spec = spec_of(make_config(settings), tuple(int(n) for n in settings["net"].split("-")))
    cost, of_width = (
        as_dict([cost_of_rule(spec, learning_counters(table), find_processor(PROCESSOR))])["rules"][0]["training"]
        for table in (counters, wide)
    )
    return {
        "factor_bits": spec.delta_width,
        "energy_nj": round(cost["energy_pj"]["nominal"] / 1000, 3),
        "energy_at_16_bit_activity_nj": round(of_width["energy_pj"]["nominal"] / 1000, 3),
        "area_um2": round(cost["area_um2"]["nominal"]),
        "hidden_updates": round(counters["active_neurons"][0] / counters["samples"][0], 2),
    }


def measured(name: str) -> list[dict[str, Any]]:
    """Run all rules, widths and seeds of a data set."""
    rows: list[dict[str, Any]] = []
    for rule in RULES:
        wide: dict[str, Any] = {}
        for bits in WIDTHS:
            settings = DATA[name] | {"rule": rule, "delta_bits": bits}
            found = [measure(settings, seed) for seed in SEEDS]
            errors = [one["test_error_percent"] for one in found]
            row = {"rule": rule, "delta_bits": bits, "mean": round(statistics.mean(errors), 4), "each": errors}
            counters = found[0]["learning"]
            wide = wide or counters
            rows.append(row | {"counters": counters} | price(settings, counters, wide))
            print(f"{name} {rule} {bits}: {row['mean']:.2f} %", file=sys.stderr)
    return rows


def wide_of(rows: list[dict[str, Any]], row: dict[str, Any]) -> dict[str, Any]:
    """Return the 16-bit row of the same rule."""
    return next(one for one in rows if (one["rule"], one["delta_bits"]) == (row["rule"], WIDTHS[0]))


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return a Markdown table of a data set."""
    head = (
        "rule", "`--delta-bits`", "test error, mean of 3 seeds", "each", "hidden neurons updated",
        "energy per learned sample", "at 16-bit activity", "area",
    )  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in rows:
        wide = wide_of(rows, row)

        def against(name: str, value: float, row: dict[str, Any] = row, wide: dict[str, Any] = wide) -> str:
            return "" if row is wide else f" ({100 * (value / wide[name] - 1):+.1f} %)"

        energy, of_width, area = row["energy_nj"], row["energy_at_16_bit_activity_nj"], row["area_um2"]
        unit, size = ("nJ", 1) if wide["energy_nj"] < 1000 else ("uJ", 1000)
        cells = (
            row["rule"],
            row["delta_bits"],
            f"{row['mean']:.2f} %",
            ", ".join(f"{error:.2f}" for error in row["each"]),
            f"{row['hidden_updates']:.0f}",
            f"{energy / size:.4g} {unit}{against('energy_nj', energy)}",
            f"{of_width / size:.4g} {unit}{against('energy_nj', of_width)}",
            f"{area:,} um2{against('area_um2', area)}",
        )
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=DATA, help="data set (default: all)")
    parser.add_argument("--price", action="store_true", help="price the stored activity anew, without runs")
    given = parser.parse_args()
    saved = json.loads(RESULTS.read_text())["data"] if RESULTS.exists() else {}
    for name in [given.data] if given.data else DATA:
        try:
            if given.price:
                for row in saved[name]["rows"]:
                    settings = DATA[name] | {"rule": row["rule"], "delta_bits": row["delta_bits"]}
                    row.update(price(settings, row["counters"], wide_of(saved[name]["rows"], row)["counters"]))
            else:
                saved[name] = {"settings": DATA[name], "rows": measured(name)}
        except UserError as error:
            print(error, file=sys.stderr)
            return 2
        found = {name: saved[name] for name in DATA if name in saved}
        kept = {"edgelearn": __version__, "seeds": SEEDS, "processor": PROCESSOR, "data": found}
        write_text(RESULTS, json.dumps(kept, indent=1) + "\n")
        print(
            "\n".join(
                [f"{name}, {DATA[name]['net']}, {DATA[name]['epochs']} epochs", "", *table(saved[name]["rows"]), ""]
            )
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
