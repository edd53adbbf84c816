"""Streams that start from a model or from the results of another run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from edgelearn.config import StreamConfig
from edgelearn.data.feature_files import described_by
from edgelearn.data.source import UNLABELLED, Block, Source
from edgelearn.errors import UserError
from edgelearn.network.kernels import tables as t
from edgelearn.runs.classes import Classes, match_classes
from edgelearn.runs.start import Start, is_results
from edgelearn.runs.start_settings import start_of
from edgelearn.runs.stored import read_run
from edgelearn.streaming.front_end import FrontEnd

FIRST_ROWS = 1_000  # of a stream, that float levels are calibrated on


class Relabelled:
    """Source whose labels are the outputs of the network that learning starts from.

    Parameters
    ----------
    whole : the source
    classes : outputs of the network; None where it has no names, and its outputs are numbers
    n_outputs : classes that the network tells apart
    start : name of what it starts from, for messages
    """

    def __init__(self, whole: Source, classes: Classes | None, n_outputs: int, start: str) -> None:
        self.whole, self.n_classes, self._start = whole, n_outputs, start
        names = tuple(map(str, range(n_outputs))) if classes is None else classes.names
        self.class_names, self._known = names, None if classes is None else names

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)

    def blocks(self, start: int = 0) -> Iterator[Block]:
        """Give the samples from number `start` on."""
        outputs, seen = np.zeros(0, np.int64), -1
        for block in self.whole.blocks(start):
            if len(self.whole.class_names) != seen:  # live input meets classes on the way
                seen = len(self.whole.class_names)
                outputs = match_classes(self._known, self.n_classes, self.whole.class_names, False, self._start).outputs
            labels = np.append(outputs, UNLABELLED)
            yield replace(block, y=labels[block.y])


def open_stream_start(config: StreamConfig, source: Source) -> Start | None:
    """Return the network that a stream starts from, None for random weights.

    Raises
    ------
    UserError
        "... does not fit ..." and what `start_from` says
    """
    if config.start is None:
        return start_of(config, None, ())
    live = source.n_samples is None
    if live and config.classes_from == "data":
        raise UserError(
            "live input does not say which classes will come; leave --classes-from out, or start from a network that "
            "knows all of them"
        )
    if live and config.classes is not None:
        raise UserError(f"the classes of live input are those of {config.start}; leave --classes out")
    windowed = config.window != 1 and is_results(config.start)
    x = None if live or windowed else first_rows(source)[0]
    start = start_of(config, x, () if live else source.class_names, described_by(config.data))
    assert start is not None
    if live:
        start = replace(start, classes=_known_classes(config.start, start))
    front_end = start.front_end
    if isinstance(front_end, FrontEnd):
        if front_end.spec.n_channels != len(source.channels):
            raise UserError(
                f"{source.name} has {len(source.channels)} channels, and {config.start} was learned from "
                f"{front_end.spec.n_channels}; give a stream of the same sensors"
            )
        if tuple(read_run(config.start)[1].get("offsets", ())) != tuple(source.columns_used.offsets):
            raise UserError(
                f"values of {source.name} lie far from zero and are read relative to its first ones, which are not "
                f"those of {config.start}; subtract a constant from the columns of both"
            )
        front_end.state.place[t.SEGMENT] = -1  # a window never holds rows of both
    return start


def _known_classes(source: str, start: Start) -> Classes | None:
    """Return the classes of a results folder, which has their names."""
    if not is_results(source):
        return None
    names = tuple(read_run(source)[1]["classes"])
    return Classes(names, np.arange(len(names)), len(names))


def first_rows(source: Source, n: int = FIRST_ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Return the first samples of a stream as a model takes them, float64[n, n_channels], and classes, int64[n]."""
    parts: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    for block in source.blocks(0):
        left = n - sum(map(len, parts))
        parts.append(absolute(source, block.x[:left]))
        labels.append(block.y[:left])
        if left <= len(block):
            break
    if not parts:
        return np.zeros((0, len(source.channels))), np.zeros(0, np.int64)
    return np.concatenate(parts), np.concatenate(labels)


def absolute(source: Source, x: np.ndarray) -> np.ndarray:
    """Return values with the offsets that were subtracted on reading."""
    offsets = source.columns_used.offsets
    return x.astype(np.float64) + np.array(offsets) if offsets else x


def is_fixed(start: Start | None) -> bool:
    """Return whether levels do not follow the data: those of a model's tensor, or of a run."""
    return start is not None and not isinstance(start.front_end, FrontEnd)
