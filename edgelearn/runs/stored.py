"""Networks of finished runs and streams, with their front ends."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.config import RunConfig, StreamConfig, validated
from edgelearn.errors import UserError
from edgelearn.files import read_arrays
from edgelearn.network.spec import NetworkSpec
from edgelearn.runs.checkpoint import WEIGHTS, refuse_interrupted
from edgelearn.runs.converted import ConvertedFrontEnd
from edgelearn.runs.front_ends import front_end_of
from edgelearn.runs.levels import LevelFrontEnd, RangeFrontEnd
from edgelearn.runs.rates import spec_of
from edgelearn.streaming.front_end import FrontEnd

SETTINGS = {settings.kind: settings for settings in (RunConfig, StreamConfig)}
AnyFrontEnd = FrontEnd | RangeFrontEnd | LevelFrontEnd | ConvertedFrontEnd


def parts_of(run: Mapping[str, Any]) -> tuple[NetworkSpec, AnyFrontEnd]:
    """Build network and front end of a run from its `kind`, `config`, `net`, number of `inputs` and `start`.

    Their words and state are those of a new network; `restore` puts in those of the run.
    """
    config = validated(SETTINGS[run["kind"]], run["config"])
    n_inputs, start = len(run["inputs"]), run.get("start") or {}
    spec = spec_of(config, run.get("topology") or run["net"], start.get("network"))
    if start.get("converted") is not None:
        return spec, ConvertedFrontEnd.stored(start["converted"], n_inputs)
    if start.get("levels") is not None:
        return spec, LevelFrontEnd.stored(start["levels"], n_inputs)
    if isinstance(config, StreamConfig) and not start.get("ranges"):
        return spec, FrontEnd(front_end_of(config, n_inputs))
    return spec, RangeFrontEnd(n_inputs, spec.input_bits)


def read_run(path: str | PathLike[str], any_task: bool = False) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and the note that a finished run left.

    Parameters
    ----------
    path : folder given as --out, or the weights.npz in it
    any_task : whether a network without classes, of --task anomaly, is wanted too

    Raises
    ------
    UserError
        "... cannot be loaded", "... has no classes ..."
    """
    given = Path(path)
    file = given / WEIGHTS if given.is_dir() else given
    if not file.is_file():
        refuse_interrupted(given, given)
        raise UserError(f"{given} cannot be loaded: there is no {WEIGHTS}; give the --out folder of a finished run")
    try:
        arrays, note = read_arrays(file)
    except UserError:
        if file.name != WEIGHTS:
            raise UserError(f"{file} is no results folder; give the --out folder of a finished run") from None
        raise UserError(f"{file} cannot be loaded: it is no whole {WEIGHTS}; run again with --overwrite") from None
    if note.get("kind") not in SETTINGS or "inputs" not in note:
        raise UserError(
            f"{file} cannot be loaded: it holds no network of edgelearn run or stream, or is of an earlier version; "
            "run again with --overwrite"
        )
    if note.get("relative"):
        raise UserError(
            f"{file} cannot be loaded: values were taken off its columns on reading, which files of its version do not "
            "hold; run again with --overwrite"
        )
    if not any_task and note["config"].get("task") == "anomaly":
        raise UserError(
            f"{given} was learned without labels and has no classes; run edgelearn stream FILE --task anomaly"
        )
    if not any_task and note["config"].get("task", "classify") != "classify":
        takes = (
            "edgelearn predict and cost alone take" if note["kind"] == RunConfig.kind else "edgelearn cost alone takes"
        )
        raise UserError(f"{given} is of a network without classes; {takes} it")
    return arrays, note


def part(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """Return the arrays of one part of a run, e.g. "front_end", by their names in it."""
    return {key.removeprefix(f"{name}."): array for key, array in arrays.items() if key.startswith(f"{name}.")}
