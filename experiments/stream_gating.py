"""Savings of update gates on real streams: updates skipped, accuracy, energy, for every rule.

    python experiments/stream_gating.py                 elec2, gas-drift and watch, a minute on two cores
    python experiments/stream_gating.py drift           the synthetic sensor (no data needed)

All settings are the defaults of `edgelearn stream`, the same with and without a gate. Prints a Markdown table and
writes experiments/results/stream_gating.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed

from edgelearn import __version__
from edgelearn.config import StreamConfig, validated
from edgelearn.errors import UserError
from edgelearn.files import write_text
from edgelearn.rules import RULES
from edgelearn.runs.stream import run as stream

RESULTS = Path(__file__).parent / "results" / "stream_gating.json"
STREAMS: dict[str, dict[str, Any]] = {
    "elec2": {},
    "gas-drift": {},
    "watch": {"window": 100, "stride": 50, "window_features": "statistics"},
    "drift": {},
}
GATES: dict[str, dict[str, Any]] = {
    "always": {},
    "on error": {"update_gate": "error"},
    "margin 16": {"update_gate": "margin", "margin": 16},
    "margin 32": {"update_gate": "margin", "margin": 32},
    "margin 48": {"update_gate": "margin", "margin": 48},
}


def measure(name: str, rule: str, gate: str) -> dict[str, Any]:
    """Run one rule with one gate on both processors."""
    settings = {"data": name, "rule": rule} | STREAMS[name] | GATES[gate]
    rows = {
        processor: stream(validated(StreamConfig, settings | {"processor": processor})).content
        for processor in ("engine-28nm", "cortex-m4")
    }
    content = rows["engine-28nm"]
    return {
        "stream": name,
        "rule": rule,
        "gate": gate,
        "accuracy": content["result"]["accuracy"],
        "skipped_percent": round(100 - content["learning"]["learned_percent"], 2),
        "energy_nj": {p: round(c["device"]["energy_per_row_pj"] * 1e-3, 3) for p, c in rows.items()},
        "buffered_bits": sum(held["bits"] for held in content["buffers"]),
    }


def table(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| stream | rule | gate | updates skipped | accuracy | change | energy, 28 nm engine | energy, Cortex-M4 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    always = {(row["stream"], row["rule"]): row for row in rows if row["gate"] == "always"}
    for row in rows:
        base = always[row["stream"], row["rule"]]
        saved = {p: 100 * (row["energy_nj"][p] / base["energy_nj"][p] - 1) for p in row["energy_nj"]}
        change = 100 * (row["accuracy"] - base["accuracy"])
        gated = row is not base
        engine, m4 = row["energy_nj"]["engine-28nm"], row["energy_nj"]["cortex-m4"] * 1e-3
        lines.append(
            f"| {row['stream']} | {row['rule']} | {row['gate']} | {row['skipped_percent']:.1f} % | "
            f"{100 * row['accuracy']:.2f} % | {f'{change:+.2f}' if gated else ''} | "
            f"{engine:.2f} nJ{_change(saved['engine-28nm']) if gated else ''} | "
            f"{m4:.2f} uJ{_change(saved['cortex-m4']) if gated else ''} |"
        )
    return lines


def _change(percent: float) -> str:
    return f" ({percent:+.0f} %)"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("streams", nargs="*", help="streams; elec2, gas-drift and watch by default")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    given = parser.parse_args(arguments)
    names = given.streams or [name for name in STREAMS if name != "drift"]
    try:
        for name in names:
            if name not in STREAMS:
                raise UserError(f"stream '{name}' is not measured here; known: {', '.join(STREAMS)}")
        jobs = [(name, rule, gate) for name in names for rule in RULES for gate in GATES]
        rows = Parallel(n_jobs=given.jobs)(delayed(measure)(*job) for job in jobs)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(table(rows)))
    if not given.streams:
        write_text(RESULTS, json.dumps({"edgelearn": __version__, "rows": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
