"""Cost of learning against the size of a network: width, depth, inputs and classes, drtp and dfa.

    python experiments/cost_against_size.py        a minute on one core; needs the extra `plot`
    python experiments/cost_against_size.py --figure    draws the committed results again

Writes experiments/results/cost_against_size.json and edgelearn/docs/figures/cost_against_size.svg, and prints every
step between neighbouring sizes: how many times as long a sample takes, how many times as many bytes of weights it reads
and changes, and how many times as long a byte takes by plain loops over rows in random order (`edgelearn.benchmark`) in
a matrix as large as all weights or, for rules that learn by blocks of samples, as the weights of a tile of neurons. A
step is explained where the first is at most `ALLOWED` times the product of the others.
Processor time, one thread, medians of 15 turns that all sizes of a series take one after another.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgelearn import __version__
from edgelearn.benchmark import (
    Contestant,
    caches_kib,
    contestants_of,
    processor,
    seconds_of,
    stream_change,
    stream_read,
    synthetic,
)
from edgelearn.files import write_text
from edgelearn.network.blocks import learns_by_blocks
from edgelearn.network.kernels.arrays import TILE
from edgelearn.network.spec import design
from edgelearn.reports.plots.figure import GREY, MARKS, drawn, line_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RESULTS = Path(__file__).parent / "results" / "cost_against_size.json"
FIGURE = Path(__file__).parents[1] / "edgelearn" / "docs" / "figures" / "cost_against_size.svg"
RULES = ("drtp", "dfa")
INPUT_BITS, TURNS, ALLOWED = 4, 15, 1.25
WORDS = 512  # in a row of the plain loops
SERIES: dict[str, tuple[tuple[int, ...], str]] = {
    "width": ((10, 30, 100, 300, 1000, 3000, 10_000), "neurons N of 784-N-10"),
    "depth": ((1, 2, 4, 8, 16), "hidden layers of 300"),
    "inputs": ((100, 300, 1000, 3000, 10_000), "inputs N of N-500-10"),
    "classes": ((3, 10, 30, 100, 300, 1000), "classes N of 784-500-N"),
}

Row = dict[str, Any]


def sizes_of(series: str, n: int) -> tuple[int, ...]:
    """Return layer sizes."""
    return {
        "width": (784, n, 10),
        "depth": (784, *[300] * n, 10),
        "inputs": (n, 500, 10),
        "classes": (784, 500, n),
    }[series]


def plain_loops(name: str, n_bytes: int) -> list[Contestant]:
    """Return plain loops over rows at random of a matrix of so many bytes: reads, changes; a "sample" is a byte."""
    n = max(n_bytes // (2 * WORDS), 2)
    matrix, row, sums = np.zeros((n, WORDS), np.int16), np.ones(WORDS, np.int16), np.zeros(WORDS, np.int16)
    rows = np.random.default_rng(0).integers(0, n, 10_000)
    ends = np.arange(0, len(rows) + 1, 100)
    moved = 2 * WORDS * len(rows)
    return [
        Contestant(f"{name} read", moved, lambda: stream_read(matrix, rows, ends, sums)),
        Contestant(f"{name} changed", moved, lambda: stream_change(matrix, rows, ends, row)),
    ]


def measure(rule: str, series: str) -> list[Row]:
    """Learn the networks of a series in turns, beside plain loops; return a row each."""
    rows, contestants = [], []
    for n in SERIES[series][0]:
        sizes = sizes_of(series, n)
        spec = design(sizes, rule=rule, bits=8, residual_bits=8, input_bits=INPUT_BITS)
        synapses = sum(a * b for a, b in itertools.pairwise(sizes))
        few = min(max(20_000_000 // synapses, 256), 2000)
        setting, (learn, *_) = contestants_of(spec, synthetic(sizes[0], sizes[-1], INPUT_BITS, few))
        row: Row = {"rule": rule, "series": series, "n": n, "synapses": synapses}
        row |= {"read_bytes": round(setting.read_bytes), "changed_bytes": round(setting.changed_bytes)}
        row["weight_bytes"] = 2 * synapses
        if learns_by_blocks(spec):  # neurons of a tile take many samples before the next tile starts
            row["tile_bytes"] = 2 * TILE * max(sizes[:-1])
        contestants.append(Contestant(f"{n} learn", learn.n_samples, learn.run, learn.prepare))
        for part in ("weight", "tile"):
            if f"{part}_bytes" in row:
                contestants += plain_loops(f"{n} {part}", row[f"{part}_bytes"])
        rows.append(row)
    seconds = seconds_of(contestants, TURNS, f"{rule} {series}", lambda line: None)
    for row in rows:
        us = 1e6 * float(np.median(seconds[f"{row['n']} learn"]))
        row |= {"us_per_sample": round(us, 2), "ns_per_synapse": round(1e3 * us / row["synapses"], 4)}
        for part in ("weight", "tile"):
            if f"{part}_bytes" in row:
                both = (seconds[f"{row['n']} {part} {way}"] for way in ("read", "changed"))
                row[f"{part}_ps_per_byte"] = [round(1e12 * float(np.median(one)), 1) for one in both]
    return rows


def steps(rows: Sequence[Row]) -> list[Row]:
    """Return the steps between neighbours of each series: ratios of time, of bytes, and of the time per byte."""

    def floor(row: Row, rates: Row, part: str) -> float:
        read, changed = rates[f"{part}_ps_per_byte"]
        return float(row["read_bytes"] * read + row["changed_bytes"] * changed)

    found = []
    for a, b in itertools.pairwise(rows):
        if (a["rule"], a["series"]) == (b["rule"], b["series"]):
            parts = [part for part in ("weight", "tile") if f"{part}_bytes" in b]
            time = b["us_per_sample"] / a["us_per_sample"]
            moved = floor(b, a, "weight") / floor(a, a, "weight")
            slower = max(1.0, *(floor(b, b, part) / floor(b, a, part) for part in parts))
            found.append(
                {key: b[key] for key in ("rule", "series")}
                | {"from": a["n"], "to": b["n"], "time": time, "bytes": moved, "time_per_byte": slower}
                | {"explained": time <= ALLOWED * moved * slower}
            )
    return found


def table(found: Sequence[Row]) -> str:
    lines = [f"{'step':28} {'time':>6} {'bytes':>6} {'time per byte':>14}"]
    for step in found:
        name = f"{step['rule']}, {step['series']} {step['from']:,} to {step['to']:,}"
        mark = "" if step["explained"] else "  NOT EXPLAINED"
        lines.append(f"{name:28} {step['time']:6.2f} {step['bytes']:6.2f} {step['time_per_byte']:14.2f}{mark}")
    return "\n".join(lines)


def plot(content: Row, path: Path) -> None:
    """Draw time per sample above, and time per synapse below, a column per series, with the sizes of the caches."""
    with drawn(path, (10.5, 5.4)) as figure:
        axes = figure.subplots(2, len(SERIES), sharex="col", sharey="row")
        for column, series in enumerate(SERIES):
            for row, key in enumerate(("us_per_sample", "ns_per_synapse")):
                _lines(axes[row, column], content["rows"], series, key)
            _caches(axes[:, column], content, series)
            axes[0, column].set_title(series)
            axes[1, column].set_xlabel(SERIES[series][1])
        axes[0, 0].set_ylabel("us per learned sample")
        axes[1, 0].set_ylabel("ns per synapse")
        axes[0, 0].legend(loc="upper left")
        figure.suptitle(
            f"Cost of online learning on one core of {content['processor']}; lines: the weights fill a cache",
            x=0.01,
            ha="left",
            fontsize=10,
        )


def _lines(ax: Axes, rows: Sequence[Row], series: str, key: str) -> None:
    for index, rule in enumerate(RULES):
        own = [row for row in rows if (row["rule"], row["series"]) == (rule, series)]
        look = line_style(index)
        ax.plot(
            [row["n"] for row in own], [row[key] for row in own], marker=MARKS[index], markersize=4, label=rule, **look
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.xaxis.set_major_formatter("{x:,g}")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set_xticks(SERIES[series][0] if series == "depth" else [10**e for e in range(1 if series != "inputs" else 2, 5)])
    ax.set_yticks([3, 10, 30, 100, 300] if key == "us_per_sample" else [0.02, 0.05, 0.1, 0.2, 0.5])
    ax.minorticks_off()
    ax.set_xlim(0.8 * SERIES[series][0][0], 1.25 * SERIES[series][0][-1])
    ax.grid()


def _caches(axes: Sequence[Axes], content: Row, series: str) -> None:
    """Mark where the weights are as large as a cache, between the sizes that were measured."""
    own = [row for row in content["rows"] if (row["rule"], row["series"]) == (RULES[0], series)]
    sizes, numbers = [row["weight_bytes"] for row in own], [row["n"] for row in own]
    for name, kib in content["caches_kib"].items():
        if sizes[0] < kib << 10 < sizes[-1]:
            at = np.exp(np.interp(np.log(kib << 10), np.log(sizes), np.log(numbers)))
            for ax in axes:
                ax.axvline(at, color=GREY, linewidth=0.8, linestyle=":")
            axes[1].annotate(
                name,
                (at, 1),
                (2, -8),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                color=GREY,
                fontsize=8,
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--figure", action="store_true", help="draw the committed results again")
    if parser.parse_args().figure:
        content = json.loads(RESULTS.read_text(encoding="utf-8"))
    else:
        rows = [row for rule in RULES for series in SERIES for row in measure(rule, series)]
        content = {"edgelearn": __version__, "processor": processor(), "caches_kib": caches_kib(), "rows": rows}
        write_text(RESULTS, json.dumps(content, indent=1) + "\n")
    found = steps(content["rows"])
    print(table(found))
    plot(content, FIGURE)
    return 0 if all(step["explained"] for step in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
