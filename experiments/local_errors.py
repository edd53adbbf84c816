"""Local errors on MNIST: range of the readout, and test error against energy beside rules that wait for the output.

    python -m experiments.local_errors             fifteen minutes on one core; needs MNIST
    python -m experiments.local_errors ROW [ROW]   some rows of the second table
    python -m experiments.local_errors --figure    draws the committed results again

Prints two Markdown tables, writes experiments/results/local_errors.json and edgelearn/docs/figures/local_errors.svg.

Range: 3 epochs at the default rates, with range exponents f of the readout around the one that the contract derives
from the width of the layer (docs/arithmetic.md, section 4). Front: 10 epochs of 784-500-10 and 784-500-500-10 at the
default rates, words, energy (engine-28nm) and cycles of the same runs. Means of three seeds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgelearn import __version__
from edgelearn.config import RunConfig, make_config
from edgelearn.errors import UserError, unknown
from edgelearn.files import write_text
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec
from edgelearn.reports.plots.figure import GREY, MARKS, drawn, line_style
from edgelearn.runs.dataset import Encoded, design_for, encode_data
from edgelearn.runs.epochs import Epochs
from edgelearn.runs.registry import run

RESULTS = Path(__file__).parent / "results" / "local_errors.json"
FIGURE = Path(__file__).parents[1] / "edgelearn" / "docs" / "figures" / "local_errors.svg"
SEEDS = (0, 1, 2)
TOP_ERROR = 2.0  # percent, of the figure
WIDTHS, STEPS, RANGE_EPOCHS = (100, 500), (-2, -1, 0, 1, 2), 3
ROWS: dict[str, dict[str, Any]] = {
    "drtp": {"rule": "drtp"},
    "local": {"rule": "local"},
    "local, shift register": {"rule": "local", "feedback": "lfsr"},
    "local, shift register, dead zone 4": {"rule": "local", "feedback": "lfsr", "dead_zone": 4},
    "local, shift register, dead zone 8": {"rule": "local", "feedback": "lfsr", "dead_zone": 8},
    "local, readout zone 8": {"rule": "local", "local_dead_zone": 8},
    "local, readout zone 32": {"rule": "local", "local_dead_zone": 32},
    "local, shift register, readout zone 8": {"rule": "local", "feedback": "lfsr", "local_dead_zone": 8},
    "local, dead zone 8, readout zone 48": {"rule": "local", "dead_zone": 8, "local_dead_zone": 48},
    "local, shift register, dead zone 8, readout zone 48": {
        "rule": "local",
        "feedback": "lfsr",
        "dead_zone": 8,
        "local_dead_zone": 48,
    },
    "dfa": {"rule": "dfa"},
    "dfa, shift register": {"rule": "dfa", "feedback": "lfsr"},
    "dfa, dead zone 4": {"rule": "dfa", "dead_zone": 4},
    "dfa, dead zone 8": {"rule": "dfa", "dead_zone": 8},
    "dfa, shift register, dead zone 8": {"rule": "dfa", "feedback": "lfsr", "dead_zone": 8},
    "bp": {"rule": "bp"},
    "local, two hidden layers": {"rule": "local", "net": "784-500-500-10"},
    "local, readout zone 8, two hidden layers": {"rule": "local", "local_dead_zone": 8, "net": "784-500-500-10"},
    "local, shift register, two hidden layers": {"rule": "local", "feedback": "lfsr", "net": "784-500-500-10"},
    "dfa, two hidden layers": {"rule": "dfa", "net": "784-500-500-10"},
}

LABELS = {  # of the figure: text, place in points and its side; rows without one are points alone
    "local": ("local", (0, 7), "center"),
    "local, shift register": ("local, lfsr", (0, -14), "center"),
    "local, readout zone 8": ("local, readout 8", (6, -10), "left"),
    "local, readout zone 32": ("local, readout 32", (8, -13), "left"),
    "local, dead zone 8, readout zone 48": ("local, 8, readout 48", (-6, -2), "right"),
    "local, shift register, dead zone 8, readout zone 48": ("local, lfsr, 8, readout 48", (-12, 17), "left"),
    "dfa": ("dfa", (0, 7), "center"),
    "dfa, shift register": ("dfa, lfsr", (0, 7), "center"),
    "dfa, dead zone 8": ("dfa, 8", (0, 7), "center"),
    "dfa, shift register, dead zone 8": ("dfa, lfsr, 8", (0, -14), "center"),
    "bp": ("bp", (0, 7), "center"),
}


def with_range(spec: NetworkSpec, step: int) -> NetworkSpec:
    """Return a network whose hidden layers have f `step` above the derived one.

    d is taken to reach its limit: only an engine would build less.
    """
    hidden = [
        replace(
            layer,
            feedback_exponent=layer.feedback_exponent + step,
            signal_shift=layer.signal_shift - step,
            delta_reach=layer.delta_max,
        )
        for layer in spec.layers[:-1]
    ]
    return replace(spec, layers=(*hidden, spec.layers[-1]))


def config_of(**settings: Any) -> RunConfig:
    return make_config({"data": "mnist", "net": "784-500-10"} | settings)


def error_at(encoded: Encoded, width: int, step: int, seed: int) -> float:
    """Return the test error in percent."""
    config = config_of(net=f"784-{width}-10", rule="local", seed=seed, epochs=RANGE_EPOCHS)
    learner = Learner(with_range(design_for(config, encoded.data), step))
    train, test = (encoded.levels, encoded.data.train_y), (encoded.test_levels, encoded.data.test_y)
    epochs = Epochs(learner, train, test, RANGE_EPOCHS, None, seed)
    for part in epochs.chunks():
        epochs.advance(part)
    return 100 * epochs.place.test_errors[-1] / len(encoded.data.test_y)


def measure_range() -> list[dict[str, Any]]:
    encoded, rows = encode_data(config_of()), []
    for width in WIDTHS:
        derived = design_for(config_of(net=f"784-{width}-10", rule="local"), encoded.data).layers[0].feedback_exponent
        for step in STEPS:
            errors = [round(error_at(encoded, width, step, seed), 4) for seed in SEEDS]
            row = {"width": width, "f": derived + step, "derived": derived, "errors": errors}
            print(row, flush=True)
            rows.append(row)
    return rows


def measure_rule(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Run all seeds; return test errors, and means of words, energy and cycles per learned sample."""
    contents = [run(config_of(**settings, seed=seed, epochs=10)).content for seed in SEEDS]
    costs = [content["cost"]["rules"][0] for content in contents]
    energies = [cost["training"]["energy_pj"] for cost in costs]
    words = [
        sum(side for sides in content["per_sample"]["words"].values() for side in sides.values())
        for content in contents
    ]
    row = {
        "name": name,
        "locking": contents[0]["network"]["locking"],
        "errors": [content["result"]["test_error_percent"] for content in contents],
        "words": round(statistics.mean(words), 1),
        "energy_nj": {
            key: round(statistics.mean(energy[key] for energy in energies) * 1e-3, 2)
            for key in ("low", "nominal", "high")
        },
        "cycles": round(statistics.mean(cost["training"]["cycles"]["nominal"] for cost in costs), 1),
        "area_um2": round(costs[0]["training"]["area_um2"]["nominal"]),
        "start_cycles": round(statistics.mean(cost["layers"][0]["may_update_after_cycles"] for cost in costs), 1),
        "buffer_bits": sum(buffer["bits"] for buffer in contents[0]["buffers"]),
        "feedback_bits": sum(held["bits"] for held in contents[0]["held"] if held["role"] == "feedback"),
    }
    print(row, flush=True)
    return row


def range_table(rows: list[dict[str, Any]]) -> list[str]:
    lines = ["| hidden neurons | f | test error after 3 epochs | |", "|---|---|---|---|"]
    for row in rows:
        mark = "derived" if row["f"] == row["derived"] else ""
        lines.append(
            f"| {row['width']} | {row['f']} | {statistics.mean(row['errors']):.2f} % | {mark} |".replace("  ", " ")
        )
    return lines


def front_table(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| 10 epochs | locking | test error | words per sample | energy | cycles | layer 1 may update after | buffers "
        "| feedback stored | area |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        energy = row["energy_nj"]
        lines.append(
            f"| {row['name']} | {row['locking']} | {statistics.mean(row['errors']):.2f} % | {row['words']:,.0f} | "
            f"{energy['nominal']:,.0f} nJ ({energy['low']:,.0f} to {energy['high']:,.0f}) | {row['cycles']:,.0f} | "
            f"{row['start_cycles']:,.0f} cycles | {row['buffer_bits']:,} bits | {row['feedback_bits']:,} bits | "
            f"{row['area_um2'] * 1e-6:.3f} mm2 |"
        )
    return lines


def plot(content: dict[str, Any], path: Path) -> None:
    """Draw test error over f, and test error over energy with the locking of each rule."""
    with drawn(path, (8.6, 3.8)) as figure:
        left, right = figure.subplots(1, 2)
        for index, width in enumerate(WIDTHS):
            rows = [row for row in content["range"] if row["width"] == width]
            f = [row["f"] for row in rows]
            means = [statistics.mean(row["errors"]) for row in rows]
            look = line_style(index)
            left.plot(f, means, marker=MARKS[index], markersize=4, label=f"{width} hidden neurons", **look)
            (at,) = (i for i, row in enumerate(rows) if row["f"] == row["derived"])
            left.plot([f[at]], [means[at]], marker="o", markersize=11, fillstyle="none", color=look["color"])
        left.set_xlabel("range exponent f of the readout; circles: derived from the width")
        left.set_ylabel("test error after 3 epochs (%)")
        left.grid()
        left.legend()
        for index, locking in enumerate(("layer", "update", "backward")):
            rows = [row for row in content["front"] if row["locking"] == locking and "two" not in row["name"]]
            x = [row["energy_nj"]["nominal"] for row in rows]
            y = [statistics.mean(row["errors"]) for row in rows]
            right.plot(x, y, MARKS[index], color=line_style(index)["color"], label=locking)
            for row, at_x, at_y in zip(rows, x, y, strict=True):
                if row["name"] in LABELS:
                    text, place, side = LABELS[row["name"]]
                    right.annotate(
                        text, (at_x, at_y), place, textcoords="offset points", fontsize=7, color=GREY, ha=side
                    )
        (drtp,) = (row for row in content["front"] if row["name"] == "drtp")
        error, energy = statistics.mean(drtp["errors"]), drtp["energy_nj"]["nominal"]
        right.annotate(
            f"drtp (locking none): {error:.2f} %",
            (energy, TOP_ERROR),
            (0, -20),
            textcoords="offset points",
            fontsize=7,
            color=GREY,
            ha="center",
            arrowprops={"arrowstyle": "->", "color": GREY},
        )
        right.set_ylim(1.57, TOP_ERROR)
        right.margins(x=0.25)
        right.set_xlabel("energy per learned sample on engine-28nm (nJ)")
        right.set_ylabel("test error after 10 epochs (%)")
        right.grid()
        right.legend(title="locking")
        figure.suptitle(
            "MNIST, 8-bit view, means of three seeds; right: 784-500-10, numbers are dead zones (1/255)",
            x=0.01,
            ha="left",
            fontsize=10,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help="; ".join(ROWS))
    parser.add_argument("--figure", action="store_true", help="draw the committed results again")
    given = parser.parse_args()
    content = json.loads(RESULTS.read_text()) if given.figure or given.rows else {}
    if not given.figure:
        try:
            chosen = {name: _known(name) for name in given.rows or ROWS}
        except UserError as error:
            print(error, file=sys.stderr)
            return 2
        found = {row["name"]: row for row in content.get("front", ())}
        found |= {name: measure_rule(name, settings) for name, settings in chosen.items()}
        front = [found[name] for name in ROWS if name in found]
        ranges = content.get("range") or measure_range()
        content = {"edgelearn": __version__, "seeds": len(SEEDS), "range": ranges, "front": front}
        write_text(RESULTS, json.dumps(content, indent=1) + "\n")
    print("\n".join((*range_table(content["range"]), "", *front_table(content["front"]))))
    plot(content, FIGURE)
    return 0


def _known(name: str) -> dict[str, Any]:
    if name not in ROWS:
        raise unknown("row", name, ROWS)
    return ROWS[name]


if __name__ == "__main__":
    raise SystemExit(main())
