"""Figure of a spiking run: a tested sample spike by spike, its membranes, and the weights before and after learning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgelearn.reports.plots.figure import COLOURS, GREY, drawn
from edgelearn.spiking.learner import Raster, SpikingLearner
from edgelearn.spiking.training import TEST_SEED, Presentation, Samples, blocks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINES = 4  # membranes drawn of each population
BINS = 41


def plot_spiking(
    name: str,
    class_names: Sequence[str],
    samples: Samples,
    presentation: Presentation,
    learners: tuple[SpikingLearner, SpikingLearner],
    path: Path,
) -> None:
    """Draw raster and membranes of the first test sample, and histograms of all weights.

    Parameters
    ----------
    name : of the data; samples : those that are tested
    learners : before and after learning
    path : ends in .png, .svg or .pdf; the same run gives the same bytes with the same matplotlib

    Raises
    ------
    UserError
        "plot file ...", "matplotlib is not installed"
    """
    raster = next(blocks(samples, np.arange(1), presentation, [TEST_SEED], False))
    first, learner = learners[0], learners[1].copy()
    seen, membranes = _watch(learner, raster)
    says = f"{name}, first test sample: {class_names[samples.labels[0]]}, taken for {class_names[learner.winner()]}"
    spec = learner.spec
    with drawn(path, (8, 9)) as figure:
        watched = sorted({1, spec.last})
        heights = (2.2, *[1.0] * len(watched), 1.1)
        grid = figure.add_gridspec(len(heights), spec.last, height_ratios=heights)
        top = figure.add_subplot(grid[0, :])
        _raster(top, seen, spec.sizes)
        top.set_title(says)
        for row, p in enumerate(watched, 1):
            axes = figure.add_subplot(grid[row, :], sharex=top)
            threshold = spec.neurons[p - 1].threshold
            what = _name(p, spec.last)
            own = slice(spec.offsets()[p], spec.offsets()[p + 1])
            _membranes(axes, membranes[:, own], seen[:, own], threshold, what)
        axes.set_xlabel("time step")
        for p in range(1, spec.last + 1):
            axes = figure.add_subplot(grid[-1, p - 1])
            _histogram(axes, first.weights_into(p), learner.weights_into(p), spec.word_max)
            axes.set_title(f"{_name(p - 1, spec.last)} to {_name(p, spec.last)}", fontsize=9)
            if p == 1:
                axes.set_ylabel("share of weights (%)")
                axes.legend(fontsize=7, loc="upper left", handlelength=1)


def _watch(learner: SpikingLearner, raster: Raster) -> tuple[np.ndarray, np.ndarray]:
    """Return who spiked and all membranes after each step: [steps, neurons]."""
    seen, membranes = [], []
    for step in range(raster.steps):
        seen.append(learner.advance(raster.part(step, step + 1), record=True)[0])
        membranes.append(learner.membrane.copy())
    return np.array(seen), np.array(membranes)


def _name(p: int, last: int) -> str:
    return "inputs" if p == 0 else "outputs" if p == last else "hidden" if last == 2 else f"hidden {p}"


def _raster(axes: Axes, seen: np.ndarray, sizes: tuple[int, ...]) -> None:
    """Draw populations above each other, each of one height whatever its size."""
    last = len(sizes) - 1
    start = 0
    for p, size in enumerate(sizes):
        at, who = np.nonzero(seen[:, start : start + size])
        height = last - p + 0.04 + 0.92 * (size - 1 - who + 0.5) / size
        mark = {"marker": "|", "markersize": float(np.clip(150 / size, 1.5, 7)), "linestyle": "none"}
        axes.plot(at, height, color=COLOURS[p % len(COLOURS)], markeredgewidth=1.0, **mark)  # type: ignore[arg-type]
        start += size
    axes.set_yticks([last - p + 0.5 for p in range(len(sizes))])
    axes.set_yticklabels([f"{_name(p, last)}\n{size:,}" for p, size in enumerate(sizes)])
    for p in range(1, len(sizes)):
        axes.axhline(p, color=GREY, linewidth=0.5)
    axes.set_ylim(0, len(sizes))
    axes.set_ylabel("spikes")


def _membranes(axes: Axes, membranes: np.ndarray, seen: np.ndarray, threshold: int, what: str) -> None:
    """Draw the membranes of the neurons that spike most."""
    shown = np.sort(np.argsort(-seen.sum(0, dtype=int), kind="stable")[:LINES])
    for line, i in enumerate(shown):
        axes.plot(membranes[:, i], color=COLOURS[line], linewidth=1, label=f"{i}")
    axes.axhline(threshold, color=GREY, linestyle="--", linewidth=0.8)
    axes.set_ylabel(f"membranes,\n{what}")
    title = "neuron\n(dashed:\nthreshold)"
    axes.legend(
        fontsize=7, title=title, title_fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.05),
        handlelength=1,
    )  # fmt: skip


def _histogram(axes: Axes, before: np.ndarray, after: np.ndarray, word_max: int) -> None:
    edges = np.linspace(-word_max - 0.5, word_max + 0.5, min(BINS, 2 * word_max + 1) + 1)
    for weights, name, colour in ((before, "before", GREY), (after, "after", COLOURS[0])):
        share = 100 * np.histogram(weights, edges)[0] / weights.size
        axes.stairs(share, edges, color=colour, linewidth=1.2, label=name)
    axes.set_xlabel("weight (integer)")
