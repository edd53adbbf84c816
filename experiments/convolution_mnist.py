"""Networks with convolutions on MNIST, learned online in fixed point: rules, kernels, feedback, events and energy.

    python -m experiments.convolution_mnist               all rows, about eight minutes on one core; needs MNIST
    python -m experiments.convolution_mnist ROW [ROW]     some rows
    python -m experiments.convolution_mnist --figure      draws the committed results again

Prints Markdown tables and writes experiments/results/convolution_mnist.json and
edgelearn/docs/figures/convolution_mnist.svg. Three seeds, 8-bit view on 8 residual bits, 4-bit pixels, one sample at a
time. Rates are exponents of two that were chosen on 50,000 of the training images, tested on the other 10,000, with
another seed; the tables are of all 60,000 and of the test images. Words, energy (engine-28nm) and cycles are means over
all learned samples.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgelearn import __version__
from edgelearn.config import make_config
from edgelearn.errors import UserError, unknown
from edgelearn.files import write_text
from edgelearn.reports.plots.figure import GREY, MARKS, drawn, line_style
from edgelearn.runs.registry import run

RESULTS = Path(__file__).parent / "results" / "convolution_mnist.json"
FIGURE = Path(__file__).parents[1] / "edgelearn" / "docs" / "figures" / "convolution_mnist.svg"
SEEDS = (0, 1, 2)
POOLED = "28x28x1-conv16x5x5-pool2-fc128-10"
STRIDED = "28x28x1-conv10x5x5s2p0-fc128-10"  # as large as SPOON's memory; its own topology is not published
EPOCHS = {POOLED: 1, STRIDED: 3}
SPOON_ON_CHIP = 4.7  # % error, arXiv 2005.06318


PLACES = {  # of labels of the figure that would lie on others, in points, and their side
    "drtp": (2, 5, "left"),
    "drtp, shift register": (-8, -12, "left"),
    "drtp, signals at positions": (-30, 6, "left"),
    "dfa, map feedback": (5, 0, "left"),
    "dfa": (7, 0, "left"),
    "dfa, frozen kernels": (-4, 5, "right"),
    "local": (6, -3, "left"),
    "local, frozen kernels": (0, -12, "center"),
    "bp, frozen kernels": (7, -3, "left"),
    "local behind kernels by bp": (-4, 5, "center"),
    "bp": (7, 2, "left"),
    "bp, kernel bias": (0, 6, "center"),
    "strided dfa, frozen kernels": (-4, -11, "right"),
}


@dataclass(frozen=True)
class Row:
    """One setting and the test error, in percent, that it must not exceed."""

    net: str
    rates: tuple[int, int, int | None]  # hidden, output, kernels
    settings: dict[str, Any] = field(default_factory=dict)
    at_most: float | None = None

    def config(self, seed: int) -> dict[str, Any]:
        hidden, output, kernels = self.rates
        kind = {"kernels": "frozen"} if kernels is None else {"kernel_rate": kernels}
        rates = {"hidden_rate": hidden} if self.settings["rule"] != "shallow" else {}
        return (
            {"data": "mnist", "net": self.net, "epochs": EPOCHS[self.net], "seed": seed, "output_rate": output}
            | rates
            | kind
            | self.settings
        )


def _row(net: str, rule: str, *rates: int, at_most: float | None = None, **settings: Any) -> Row:
    hidden, output, *kernels = rates
    return Row(net, (hidden, output, kernels[0] if kernels else None), {"rule": rule} | settings, at_most)


# Limits were set before measuring.
ROWS = {
    "bp": _row(POOLED, "bp", -7, -7, -6, at_most=2.5),
    "bp, frozen kernels": _row(POOLED, "bp", -8, -6),
    "dfa": _row(POOLED, "dfa", -8, -7, -14),
    "dfa, map feedback": _row(POOLED, "dfa", -8, -6, -13, feedback_kind="map"),
    "dfa, frozen kernels": _row(POOLED, "dfa", -8, -6, at_most=4.0),
    "drtp": _row(POOLED, "drtp", -7, -7, -11, at_most=5.3),
    "drtp, shift register": _row(POOLED, "drtp", -7, -7, -11, feedback="lfsr"),
    "drtp, signals at positions": _row(POOLED, "drtp", -7, -7, -11, teach="positions"),
    "drtp, map feedback": _row(POOLED, "drtp", -7, -7, -17, feedback_kind="map"),
    "drtp, frozen kernels": _row(POOLED, "drtp", -7, -7),
    "local": _row(POOLED, "local", -7, -7, -6, local_dead_zone=8),
    "local, frozen kernels": _row(POOLED, "local", -8, -7, local_dead_zone=8),
    "local behind kernels by bp": _row(POOLED, "bp+local", -6, -7, -5),
    "shallow": _row(POOLED, "shallow", -7, -7),
    "bp, kernel bias": _row(POOLED, "bp", -7, -7, -6, kernel_bias=True),
    "drtp, kernel bias": _row(POOLED, "drtp", -7, -7, -11, kernel_bias=True),
    "strided bp": _row(STRIDED, "bp", -7, -7, -6),
    "strided dfa, frozen kernels": _row(STRIDED, "dfa", -8, -7),
    "strided drtp": _row(STRIDED, "drtp", -7, -8, -11, at_most=SPOON_ON_CHIP),
    "strided drtp, shift register": _row(STRIDED, "drtp", -7, -8, -11, feedback="lfsr", at_most=SPOON_ON_CHIP),
    "strided drtp, frozen kernels": _row(STRIDED, "drtp", -8, -7),
    "strided local": _row(STRIDED, "local", -7, -7, -6, local_dead_zone=8),
    "strided local, frozen kernels": _row(STRIDED, "local", -8, -7, local_dead_zone=8),
}


def measure(row: Row) -> dict[str, Any]:
    """Run all seeds; return test errors, and means of what a learned sample takes."""
    contents = [run(make_config(row.config(seed))).content for seed in SEEDS]
    first, costs = contents[0], [content["cost"]["rules"][0]["training"] for content in contents]
    energies = [cost["energy_pj"] for cost in costs]

    def per_sample(name: str, k: int) -> float:
        return statistics.mean(
            content["counters"]["learning"][name][k] / content["result"]["samples_learned"] for content in contents
        )

    return {
        "net": row.net,
        "settings": row.config(0),
        "locking": first["network"]["locking"],
        "errors": [content["result"]["test_error_percent_by_epoch"] for content in contents],
        "words": round(
            statistics.mean(
                sum(side for sides in content["per_sample"]["words"].values() for side in sides.values())
                for content in contents
            ),
            1,
        ),
        "kernel_products": round(per_sample("update_pairs", 0), 1),
        "kernel_words_written": round(per_sample("weight_write", 0), 1),
        "dense_events": round(per_sample("input_events", 1), 1),
        "window_macs": round(per_sample("forward_macs", 0), 1),
        "energy_nj": {
            key: round(statistics.mean(energy[key] for energy in energies) * 1e-3, 2)
            for key in ("low", "nominal", "high")
        },
        "cycles": round(statistics.mean(cost["cycles"]["nominal"] for cost in costs), 1),
        "feedback_bits": sum(held["bits"] for held in first["held"] if held["role"] == "feedback"),
        "buffer_bits": sum(buffer["bits"] for buffer in first["buffers"]),
        "learns_from_lines": bool(first.get("learns_from_lines")),
    }


def table(rows: dict[str, Any], net: str) -> list[str]:
    """Return the Markdown table of the rows of a network."""
    epochs = "one epoch" if EPOCHS[net] == 1 else f"{EPOCHS[net]} epochs"
    lines = [
        f"| {epochs} | kernels | locking | rates: hidden, output, kernels | test error, mean | each | kernel products "
        "| kernel words written | events into the dense layer | words | energy | waits in buffers | feedback stored |",
        "|---" * 13 + "|",
    ]
    for name, found in rows.items():
        if found["net"] != net:
            continue
        row, energy = ROWS[name], found["energy_nj"]
        last = [errors[-1] for errors in found["errors"]]
        rates = ", ".join("-" if rate is None else f"2^{rate}" for rate in row.rates)
        lines.append(
            f"| {_label(name)} | {'frozen' if row.rates[2] is None else 'learned'} | {found['locking']} | {rates} | "
            f"{statistics.mean(last):.2f} % | {', '.join(f'{error:.2f}' for error in last)} | "
            f"{found['kernel_products']:,.0f} | {found['kernel_words_written']:,.0f} | {found['dense_events']:,.0f} | "
            f"{found['words']:,.0f} | {energy['nominal']:,.0f} nJ ({energy['low']:,.0f} to {energy['high']:,.0f}) | "
            f"{found['buffer_bits']:,} bits | {found['feedback_bits']:,} bits |"
        )
    return lines


def _label(name: str) -> str:
    return name.removeprefix("strided ").removesuffix(", frozen kernels")


def plot(rows: dict[str, Any], path: Path) -> None:
    """Draw test error over energy per learned sample, for learned and frozen kernels."""
    with drawn(path, (8.6, 3.8)) as figure:
        panels = figure.subplots(1, 2)
        for axes, (net, epochs) in zip(panels, EPOCHS.items(), strict=True):
            for index, kernels in enumerate(("learned", "frozen")):
                chosen = {
                    name: found
                    for name, found in rows.items()
                    if found["net"] == net and (ROWS[name].rates[2] is None) == (kernels == "frozen")
                }
                x = [found["energy_nj"]["nominal"] * 1e-3 for found in chosen.values()]
                y = [statistics.mean(errors[-1] for errors in found["errors"]) for found in chosen.values()]
                axes.plot(x, y, MARKS[index], color=line_style(index)["color"], label=f"{kernels} kernels")
                for name, at_x, at_y in zip(chosen, x, y, strict=True):
                    dx, dy, side = PLACES.get(name, (4, 4, "left"))
                    axes.annotate(
                        _label(name),
                        (at_x, at_y),
                        (dx, dy),
                        textcoords="offset points",
                        fontsize=7,
                        color=GREY,
                        ha=side,
                    )
            axes.set_title(f"{net}, {'one epoch' if epochs == 1 else f'{epochs} epochs'}", fontsize=8)
            axes.set_xlabel("energy per learned sample on engine-28nm (uJ)")
            axes.set_ylabel("test error (%)")
            axes.set_yscale("log")
            axes.margins(x=0.2, y=0.1)
            axes.minorticks_off()
            ticks = [2, 3, 4, 6, 8, 12, 20]
            axes.set_yticks(ticks, [str(tick) for tick in ticks])
            axes.grid()
            axes.legend()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help="; ".join(ROWS))
    parser.add_argument("--figure", action="store_true", help="draw the committed results again")
    given = parser.parse_args()
    found = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else {}
    if not given.figure:
        try:
            chosen = {name: _known(name) for name in given.rows or ROWS}
            for name, row in chosen.items():
                found[name] = measure(row)
                print(name, [errors[-1] for errors in found[name]["errors"]], file=sys.stderr, flush=True)
                _write(found)
        except UserError as error:
            print(error, file=sys.stderr)
            return 2
    found = {name: found[name] for name in ROWS if name in found}
    for net in EPOCHS:
        print("\n".join((net, "", *table(found, net), "")))
    plot(found, FIGURE)
    missed = [
        f"{name}: {_mean(found[name]):.2f} %, expected at most {row.at_most} %"
        for name, row in ROWS.items()
        if name in found and row.at_most is not None and _mean(found[name]) > row.at_most
    ]
    print("\n".join(missed) or "all limits are met")
    return 1 if missed else 0


def _write(found: dict[str, Any]) -> None:
    rows = {name: found[name] for name in ROWS if name in found}
    write_text(RESULTS, json.dumps({"edgelearn": __version__, "seeds": SEEDS, "rows": rows}, indent=1) + "\n")


def _mean(found: dict[str, Any]) -> float:
    return statistics.mean(errors[-1] for errors in found["errors"])


def _known(name: str) -> Row:
    if name not in ROWS:
        raise unknown("row", name, ROWS)
    return ROWS[name]


if __name__ == "__main__":
    raise SystemExit(main())
