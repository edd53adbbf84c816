"""Labels given as time windows in a JSON file, the form in which the Numenta Anomaly Benchmark publishes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.data.clock import seconds_of
from edgelearn.data.companions import file_beside
from edgelearn.data.description import Description
from edgelearn.data.file_content import FileContent
from edgelearn.errors import UserError

ADVICE = 'give {"FILE.csv": [["2014-01-27 14:20:00", "2014-01-29 13:30:00"]]}, dates as in ISO 8601'


def is_windows(name: str) -> bool:
    """Tell whether a file of labels holds time windows: JSON, where labels per row are text tables."""
    return name.lower().endswith(".json")


def with_windows(form: Description, paths: Sequence[Path], pieces: Sequence[FileContent]) -> list[FileContent]:
    """Label rows whose time is in a window of their file, both ends included, with 1 and all others with 0.

    The JSON file maps names of files, with or without their folders, to lists of [start, end].

    Raises
    ------
    UserError
        "... cannot be read as time windows ...", "... has no windows of ...", "... has no column of times ..."
    """
    labels = file_beside(paths[0], form.labels)
    windows = _read(labels)
    return [_with_labels(labels, windows, path, piece) for path, piece in zip(paths, pieces, strict=True)]


def _with_labels(labels: Path, windows: dict[str, Any], path: Path, piece: FileContent) -> FileContent:
    if piece.t is None or piece.used.time is None:
        raise UserError(f"{path} has no column of times, which the windows of {labels} need; name it with --time")
    inside = np.zeros(len(piece.x), bool)
    for start, end in _spans(labels, _key(windows, path, labels), windows):
        inside |= (piece.t >= start) & (piece.t <= end)
    return piece._replace(labels=np.where(inside, "1", "0"), used=replace(piece.used, label=labels.name))


def _read(path: Path) -> dict[str, Any]:
    try:
        windows = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as time windows: {error}; {ADVICE}") from None
    if not isinstance(windows, dict) or not windows:
        raise UserError(f"{path} cannot be read as time windows: it maps no files; {ADVICE}")
    return windows


def _key(windows: dict[str, Any], path: Path, labels: Path) -> str:
    """Find the longest end of the path that is a key, `FOLDER/FILE.csv` before `FILE.csv`; else the only such file."""
    parts = path.absolute().parts
    for first in range(1, len(parts)):
        if "/".join(parts[first:]) in windows:
            return "/".join(parts[first:])
    alike = [key for key in windows if key.rpartition("/")[2] == path.name]
    if len(alike) != 1:
        some = ", ".join(list(windows)[:3])
        raise UserError(f"{labels} has no windows of {path.name} (known: {some}, ...); add it, [] where there are none")
    return alike[0]


def _spans(labels: Path, key: str, windows: dict[str, Any]) -> list[tuple[float, float]]:
    try:
        spans = [(seconds_of(start), seconds_of(end)) for start, end in windows[key]]
    except (TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{labels} cannot be read as time windows: '{key}' ({error}); {ADVICE}") from None
    for (start, end), given in zip(spans, windows[key], strict=True):
        if end < start:
            raise UserError(f"{labels}: window {given} of '{key}' ends before it starts; give [start, end]")
    return spans
