"""Figure of a sweep: mispredictions of each predictor against its storage. Needs matplotlib, the extra `plot`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgelearn.reports.plots.figure import MARKS, drawn, line_style


def plot_sweep(contents: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw MPKI, or the rate where instructions are not known, against KiB of storage.

    A predictor without storage is a horizontal line.

    Parameters
    ----------
    contents : reports of one trace, one a budget
    path : ends in .png, .svg or .pdf; the same reports give the same bytes with the same matplotlib

    Raises
    ------
    UserError : "plot file ...", "matplotlib is not installed ..."
    """
    first = contents[0]
    known = first["instructions"] is not None
    lines: dict[str, list[tuple[float, float]]] = {}
    for content in contents:
        for row in content["predictors"]:
            value = row["mpki"] if known else row["rate_percent"]
            lines.setdefault(row["given"], []).append((row["storage_bits"] / 8192, value))
    with drawn(path, (7, 4.5)) as figure:
        axes = figure.add_subplot()
        for k, (name, points) in enumerate(lines.items()):
            x, y = zip(*points, strict=True)
            if not any(x):
                axes.axhline(y[0], label=name, **line_style(k))
                continue
            axes.plot(x, y, marker=MARKS[k % len(MARKS)], markersize=4, label=name, **line_style(k))
        axes.set_xscale("log", base=2)
        ticks = [x for points in lines.values() for x, _ in points if x] or [1.0]
        axes.set_xticks([2.0**k for k in range(1, 8) if min(ticks) / 2 <= 2.0**k <= 2 * max(ticks)])
        axes.xaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        axes.set_ylim(0, 1.06 * max(y for points in lines.values() for _, y in points) or 1.0)
        axes.set_xlabel("storage (KiB)")
        axes.set_ylabel("mispredictions per 1000 instructions" if known else "mispredicted (%)")
        axes.set_title(f"{first['trace']}, {first['branches']:,} branches")
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
