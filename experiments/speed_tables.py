"""Tables of docs/results.md from experiments/results/speed.json and cost_against_size.json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Content = Any
Lines = list[Sequence[object]]

TARGETS = ("", ", avx2")  # this processor, and the same without AVX-512
LEARN, ROOFLINE = "edgelearn", "memory bandwidth"


def runs_of(content: Content, benchmark: str) -> list[tuple[str, Any]]:
    """Return the widest vectors and the run for each target that was recorded."""
    found = [content[benchmark + target] for target in TARGETS if benchmark + target in content]
    return [(run["numba_target"].rpartition(", ")[2], run) for run in found]


def branches(content: Content) -> Lines:
    """Return predictors: speed, and speed over that of C, by target."""
    runs = runs_of(content, "bench_branch")
    names = [name for name in runs[0][1]["results"]["million_branches_per_s"] if not name.endswith(", C")]
    lines: Lines = [("32 KB", *names)]
    for vectors, run in runs:
        speeds = run["results"]["million_branches_per_s"]
        lines.append((f"million branches/s, {vectors}", *(f"{speeds[name]['median']:.1f}" for name in names)))
        in_c = (f"{speeds[name]['times_c']:.2f}" if "times_c" in speeds[name] else "" for name in names)
        lines.append((f"times C, {vectors}", *in_c))
    return lines


def _blocks(run: Any) -> dict[str, dict[str, Any]]:
    """Return the rows of a run of bench_speed by setting and name."""
    blocks: dict[str, dict[str, Any]] = {}
    for row in run["results"]["rows"]:
        name = (
            row["name"].partition(", ")[0] if row["name"].startswith("C loops") else row["name"]
        )  # vectors: the run's
        blocks.setdefault(row["setting"], {})[name] = row
    return blocks


def drtp(content: Content) -> Lines:
    """Return DRTP at 784-500-10: samples per second, and how many times as fast as others, by input bits and target."""
    columns = {
        f"{setting.split(', ')[1]}, {vectors}": rows
        for vectors, run in runs_of(content, "bench_speed")
        for setting, rows in _blocks(run).items()
        if setting.startswith("drtp 784-500-10")
    }
    names = dict.fromkeys(name for rows in columns.values() for name in rows if name != LEARN)
    lines: Lines = [("784-500-10, drtp", *columns)]
    lines.append(("edgelearn, samples/s", *(f"{rows[LEARN]['samples_per_second']:,.0f}" for rows in columns.values())))
    for name in names:
        label = "plain loops over the same rows" if name == ROOFLINE else name
        ratios = (rows[name]["ratio"] if name in rows else None for rows in columns.values())
        lines.append((label, *("" if ratio is None else f"{ratio:.2f} x" for ratio in ratios)))
    return lines


def other_networks(content: Content) -> Lines:
    """Return the other settings: samples per second, over the C twin with the same vectors, over plain loops."""
    lines: Lines = [("4-bit inputs", "vectors", "samples/s", "times the C twin", "times plain loops")]
    for vectors, run in runs_of(content, "bench_speed"):
        for setting, rows in _blocks(run).items():
            if not setting.startswith("drtp 784-500-10"):
                twin = rows.get(f"C twin, {vectors}")
                in_c = "" if twin is None else f"{twin['ratio']:.2f}"
                speed = f"{rows[LEARN]['samples_per_second']:,.0f}"
                lines.append((setting.split(", ")[0], vectors, speed, in_c, f"{rows[ROOFLINE]['ratio']:.2f}"))
    return lines


def streams(content: Content) -> Lines:
    """Return streams: rows per second and times river's learners, by target."""
    runs = runs_of(content, "bench_streams")
    lines: Lines = [
        ("predict, score and learn each row", "vectors", "rows/s", "times river LR", "times river scaler, LR")
    ]
    for vectors, run in runs:
        for name, speed in run["results"]["samples_per_s"].items():
            ratios = (f"{speed[key]:.1f}" for key in ("times_river_lr", "times_river_scaled_lr"))
            lines.append((name.replace(" | ", ", "), vectors, f"{speed['median']:,}", *ratios))
    return lines


def one_sample(content: Content) -> Lines:
    """Return calls with one dictionary: microseconds and times river's LogisticRegression, by target."""
    lines: Lines = [("32 features in a dictionary", "vectors", "us per call", "times river LR")]
    for vectors, run in runs_of(content, "bench_learn_one"):
        for name, one in run["results"].items():
            cells = (f"{one['us_per_call']:.2f}", f"{one['times_river_lr']:.2f}")
            lines.append((name.replace(" | ", ", "), vectors, *cells))
    return lines


def convolutions(content: Content) -> Lines:
    """Return a convolutional network: samples per second, and times the faster torch, by rule and mode of kernels."""
    lines: Lines = []
    for vectors, run in runs_of(content, "bench_convolution"):
        for row in run["results"]["rows"]:
            ways = [name for name in row if name.startswith("torch")]
            if not lines:
                lines.append(("rule", "kernels", "vectors", "edgelearn, samples/s", *ways, "times the faster torch"))
            kernels = {"learn": "learned"}.get(row["kernels"], row["kernels"])
            speeds = (f"{row[name]:,}" for name in (LEARN, *ways))
            lines.append((row["rule"], kernels, vectors, *speeds, f"{row['times_torch']:.1f}"))
    return lines


def starts(content: Content) -> Lines:
    """Return whole commands: processor time and peak memory."""
    results = content["bench_start"]["results"]
    lines: Lines = [("command", "processor time, s", "peak memory, MiB")]
    return lines + [(name, f"{one['cpu_s']:.2f}", one["peak_mib"]) for name, one in results.items()]


def readme_said(content: Content) -> list[str]:
    """Return the sentence of README.md about the speed of DRTP with one-bit inputs."""
    blocks = _blocks(content["bench_speed"])
    rows = next(rows for setting, rows in blocks.items() if setting.startswith("drtp 784-500-10, 1-bit"))
    speed, ratio = rows[LEARN]["samples_per_second"], rows["torch autograd, batch 1"]["ratio"]
    network = "784-500-10, DRTP, 1-bit inputs"
    return [f"{speed:,.0f} samples/s on one thread ({network}), {ratio:.0f} times torch autograd at batch 1"]


def streams_said(content: Content) -> list[str]:
    memory = content["bench_streams"]["results"]["memory"]
    long, short = (memory[key] for key in ("4320000", "1000000"))
    return [
        f"take {long['seconds']:.1f} s and {long['peak_mib']:.0f} MiB of memory, a million rows {short['peak_mib']:.0f}"
    ]


def machines(content: Content) -> Lines:
    """Return when and where each benchmark that the page shows was recorded."""
    lines: Lines = [("recorded", "vectors", "processor", "cores", "date", "load")]
    for benchmark in (
        "bench_speed",
        "bench_streams",
        "bench_learn_one",
        "bench_threads",
        "bench_convolution",
        "bench_start",
        "bench_branch",
    ):
        for vectors, run in runs_of(content, benchmark):
            lines.append((f"`{benchmark}`", vectors, run["processor"], run["cores"], run["date"], run["load"]))
    return lines


def cost_against_size(content: Content) -> Lines:
    """Return microseconds per sample by series, size and rule."""
    rows = content["rows"]
    lines: Lines = [("series", "sizes", "rule", "us per learned sample", "ns per synapse")]
    for series in dict.fromkeys(row["series"] for row in rows):
        for rule in dict.fromkeys(row["rule"] for row in rows):
            own = [row for row in rows if (row["series"], row["rule"]) == (series, rule)]
            sizes = " ".join(f"{row['n']:,}" for row in own)
            times = (" ".join(f"{row[key]:.3g}" for row in own) for key in ("us_per_sample", "ns_per_synapse"))
            lines.append((series, sizes, rule, *times))
    return lines
