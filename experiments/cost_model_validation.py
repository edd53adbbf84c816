"""Error of the cost models on held-out rows: SRAM, logic area, logic energy; and on complete engines.

    python experiments/cost_model_validation.py

Prints Markdown tables and writes experiments/results/cost_model_validation.json. Fits read the rows marked `fit` of
hw_models/tables/, this reads the rows marked `test`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from edgelearn.files import write_text
from edgelearn.rules import find_rule
from hw_models.constants import technology
from hw_models.constants.logic import LIBRARY, N_ERRORS, Datapath, library_factor
from hw_models.constants.memory import macro, sram_rows

RESULTS = Path(__file__).parent / "results" / "cost_model_validation.json"
SRAM_FIGURES = ("read_pj", "write_pj", "area_um2", "leakage_uw", "access_ns")


def sram_errors() -> list[dict[str, Any]]:
    """Return worst and 90th percentile of the error of each figure in percent, by cell and node.

    Only widths of the table: between them a figure is an estimate (see `hw_models.constants.memory`).
    """
    widths = {row["word_bits"] for row in sram_rows("fit")}
    errors: dict[tuple[str, str], dict[str, list[float]]] = {}
    for row in sram_rows("test"):
        if row["word_bits"] not in widths:
            continue
        predicted = macro(row["cell"], float(row["node_nm"]), 8 * int(row["capacity_bytes"]), int(row["word_bits"]))
        for figure in SRAM_FIGURES:
            expected = float(row[figure]) + (float(row["gate_leakage_uw"]) if figure == "leakage_uw" else 0.0)
            place = errors.setdefault((row["cell"], row["node_nm"]), {})
            place.setdefault(figure, []).append(100 * abs(getattr(predicted, figure) / expected - 1))
    return [
        {
            "cell": cell,
            "node_nm": int(node),
            "points": len(found["read_pj"]),
            "within_10_percent": sum(
                all(found[f][i] <= 10 for f in SRAM_FIGURES) for i in range(len(found["read_pj"]))
            ),
            **{f: {"worst": round(max(v), 1), "p90": round(sorted(v)[int(0.9 * len(v))], 1)} for f, v in found.items()},
        }
        for (cell, node), found in errors.items()
    ]


def _datapath(row: dict[str, str]) -> Datapath:
    bits = int(row["bits"])
    if row["engine"] == "inference":
        return Datapath(bits, bits)
    errors = N_ERRORS * int(row["error_bits"])
    return Datapath(bits, bits, find_rule(row["engine"]), bits, row["stochastic"] == "yes", True, errors)


def area_errors() -> list[dict[str, Any]]:
    """Return each synthesised engine not fitted: error of its area, and of its overhead over inference in points."""
    rows = technology.rows("synthesis")

    def inference(library: str, bits: str) -> float:
        wanted = ("inference", library, bits)
        return next(float(r["area_um2"]) for r in rows if (r["engine"], r["library"], r["bits"]) == wanted)

    found = []
    for row in rows:
        if row["use"] != "test":
            continue
        predicted, base = (
            sum(path.area_um2().values()) for path in (_datapath(row), Datapath(*[int(row["bits"])] * 2))
        )
        scale = 1.0  # one factor for each other library, from its 8-bit inference engine
        if row["library"] != LIBRARY:
            scale = inference(row["library"], "8") / sum(Datapath(8, 8).area_um2().values())
        measured = 100 * (float(row["area_um2"]) / inference(row["library"], row["bits"]) - 1)
        found.append(
            {
                "library": row["library"],
                "engine": row["engine"],
                "bits": int(row["bits"]),
                "stochastic": row["stochastic"] == "yes",
                "area_error_percent": round(100 * (predicted * scale / float(row["area_um2"]) - 1), 1),
                "overhead_percent": round(100 * (predicted / base - 1), 1),
                "measured_overhead_percent": round(measured, 1),
            }
        )
    return found


def complete_engine_errors() -> list[dict[str, Any]]:
    """Return each complete engine: error of its area, and of its overhead over the inference engine of 8 bits."""

    def predicted_um2(row: dict[str, str]) -> float:
        operands = (int(width) for width in row["multiplier"].split("x"))
        path = Datapath(*operands, control="complete")
        if row["engine"] != "inference":
            stored = int(row["bits"]) + int(row["residual_bits"])
            rule, lfsr = find_rule(row["engine"]), row["feedback"] == "lfsr"
            path = Datapath(
                path.weight_bits, path.input_bits, rule, stored, row["stochastic"] == "yes", lfsr, 0, "complete"
            )
        return library_factor() * sum(path.area_um2().values())

    rows = technology.rows("complete_engines")
    base = next(row for row in rows if (row["engine"], row["bits"]) == ("inference", "8"))
    return [
        {
            "engine": row["engine"],
            "bits": f"{row['bits']} + {row['residual_bits']}",
            "stochastic": row["stochastic"] == "yes",
            "feedback": row["feedback"],
            "use": row["use"],
            "area_um2": int(row["area_um2"]),
            "area_error_percent": round(100 * (predicted_um2(row) / float(row["area_um2"]) - 1), 1),
            "overhead_percent": round(100 * (predicted_um2(row) / predicted_um2(base) - 1), 1),
            "measured_overhead_percent": round(100 * (float(row["area_um2"]) / float(base["area_um2"]) - 1), 1),
        }
        for row in rows
    ]


def energy_errors() -> list[dict[str, Any]]:
    """Return energy a cycle of the toggled engines, and its ratio to inference, predicted and measured."""
    rows = {row["engine"]: row for row in technology.rows("toggles")}
    base = sum(Datapath(8, 8).energy_pj().values())
    found = []
    for engine, row in rows.items():
        path = Datapath(8, 8)
        if engine != "inference":
            path = Datapath(8, 8, find_rule(engine), 8, True, True, N_ERRORS * 8 if engine == "dfa" else 0)
        predicted, measured = sum(path.energy_pj().values()), float(row["pj_per_cycle"])
        found.append(
            {
                "engine": engine,
                "use": row["use"],
                "pj_per_cycle": round(predicted, 3),
                "measured_pj_per_cycle": measured,
                "overhead_percent": round(100 * (predicted / base - 1), 1),
                "measured_overhead_percent": round(100 * (measured / float(rows["inference"]["pj_per_cycle"]) - 1), 1),
            }
        )
    return found


def _print_table(rows: list[dict[str, Any]]) -> None:
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + "---|" * len(rows[0]))
    for row in rows:
        cells = (f"{v['worst']} / {v['p90']}" if isinstance(v, dict) else str(v) for v in row.values())
        print("| " + " | ".join(cells) + " |")
    print()


def main() -> int:
    result = {
        "sram": sram_errors(),
        "area": area_errors(),
        "complete engines": complete_engine_errors(),
        "energy": energy_errors(),
    }
    for name, rows in result.items():
        print(f"{name}\n")
        _print_table(rows)
    write_text(RESULTS, json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
