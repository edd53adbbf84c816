"""Networks of finished runs and streams, with their front ends, for `EdgeClassifier.from_run`."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.config import RunConfig, StreamConfig, validated
from edgelearn.errors import UserError
from edgelearn.files import read_arrays
from edgelearn.network.encoding import encode_levels
from edgelearn.network.spec import NetworkSpec
from edgelearn.runs.checkpoint import WEIGHTS
from edgelearn.runs.rates import spec_of
from edgelearn.runs.session import front_end_of
from edgelearn.streaming.front_end import FrontEnd, Rows

SETTINGS = {settings.kind: settings for settings in (RunConfig, StreamConfig)}


class RangeFrontEnd:
    """Front end of `edgelearn run`: fixed ranges of the features, no state.

    Parameters
    ----------
    low, high : float64[n_features], see `encode_levels`
    bits : of a level
    """

    def __init__(self, n_features: int, bits: int) -> None:
        self.low, self.high, self.bits = np.zeros(n_features), np.zeros(n_features), bits

    def encode(self, x: np.ndarray) -> np.ndarray:
        return encode_levels(x, self.low, self.high, self.bits)

    def rows(self, x: np.ndarray, segment: np.ndarray) -> Rows:
        return Rows(self.encode(x), np.arange(len(x)))

    def save(self) -> dict[str, np.ndarray]:
        return {"low": self.low.copy(), "high": self.high.copy()}

    def restore(self, saved: dict[str, np.ndarray]) -> None:
        self.low, self.high = saved["low"].copy(), saved["high"].copy()


def parts_of(run: dict[str, Any]) -> tuple[NetworkSpec, FrontEnd | RangeFrontEnd]:
    """Build network and front end of a run from its `kind`, `config`, `net` and number of `inputs`."""
    config = validated(SETTINGS[run["kind"]], run["config"])
    n_inputs = len(run["inputs"])
    spec = spec_of(config, run["net"])
    if isinstance(config, StreamConfig):
        return spec, FrontEnd(front_end_of(config, n_inputs))
    return spec, RangeFrontEnd(n_inputs, config.input_bits)


def read_run(path: str | PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and the note that a finished run left.

    Parameters
    ----------
    path : folder given as --out, or the weights.npz in it

    Raises
    ------
    UserError
        "... cannot be loaded"
    """
    given = Path(path)
    file = given / WEIGHTS if given.is_dir() else given
    if not file.is_file():
        raise UserError(f"{given} cannot be loaded: there is no {WEIGHTS}; give the --out folder of a finished run")
    try:
        arrays, note = read_arrays(file)
    except UserError:
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
    return arrays, note
