"""Numbers that a finished run without classes gives for other data; nothing is learned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.config import RunConfig, validated
from edgelearn.data import datasets
from edgelearn.data.columns import roles_of
from edgelearn.data.source import missing_notes
from edgelearn.data.targets import read_inputs
from edgelearn.errors import UserError
from edgelearn.network.graded import CLASSIFY
from edgelearn.network.learner import Learner
from edgelearn.runs.numbers import TargetScale
from edgelearn.runs.prediction import CHUNK, Predictions
from edgelearn.runs.prediction import predict as predict_classes
from edgelearn.runs.stored import part, parts_of, read_run
from edgelearn.units import six_digits


def predict(results: str | Path, data: str) -> Predictions:
    """Predict the rows of a file or data set with a finished run of any task; see `edgelearn.runs.prediction.predict`.

    Raises
    ------
    UserError
        "... cannot be loaded", and whatever cannot be read
    """
    arrays, note = read_run(results, any_task=True)
    if note["kind"] == RunConfig.kind and note["config"].get("task", CLASSIFY) != CLASSIFY:
        return predict_numbers(results, arrays, note, data)
    return predict_classes(results, data)


@dataclass(frozen=True, eq=False)
class Numbers(Predictions):
    """Numbers of n rows: `classes` names the outputs, `scores` holds float64[n, n_outputs]."""

    def rows(self) -> Iterator[dict[str, Any]]:
        """Give row (from 1) and the number of each output."""
        for row, values in enumerate(self.scores.tolist()):
            yield {"row": row + 1} | {name: six_digits(value) for name, value in zip(self.classes, values, strict=True)}


def predict_numbers(results: str | Path, arrays: dict[str, np.ndarray], note: dict[str, Any], data: str) -> Numbers:
    """Predict the targets of rows in their units, or reconstruct inputs in theirs.

    Parameters
    ----------
    arrays, note : of weights.npz
    data : file that holds the inputs by name, or a data set by name, whose test samples are taken

    Raises
    ------
    UserError
        "... cannot be loaded", and whatever cannot be read
    """
    try:
        spec, front_end = parts_of(note)
        front_end.restore(part(arrays, "front_end"))
        learner = Learner(spec)
        learner.restore({name: array for name, array in arrays.items() if "." not in name})
        limits: Any = part(arrays, "targets") if "targets" in note else part(arrays, "front_end")
        low, high = (np.asarray(limits[name], np.float64) for name in ("low", "high"))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        said = str(error) if isinstance(error, UserError) else "it is damaged, or of another version"
        raise UserError(f"{results} cannot be loaded: {said}; run again with --overwrite") from None
    config, inputs = validated(RunConfig, note["config"]), tuple(note["inputs"])
    shift = np.zeros(len(inputs))
    if data in datasets.names():
        found = datasets.open_dataset(data)
        x, notes = found.test_x, [f"predicted: the test samples of {data}"]
        if x.shape[1] != len(inputs):
            raise UserError(f"{data} has {x.shape[1]} features, and {len(inputs)} were learned; give other data")
    else:
        x, columns, source = read_inputs(data, roles_of(config), inputs)
        notes = [*source.notes, *source.rejects.notes()]
        shift = np.array(columns.offsets or 0.0) - np.array(note.get("offsets") or 0.0)
        if np.any(shift):
            x = x.astype(np.float64) + shift
    notes = list(dict.fromkeys([*notes, *missing_notes(x, inputs)]))
    outputs = np.concatenate(
        [learner.outputs(front_end.encode(x[first : first + CHUNK])) for first in range(0, len(x), CHUNK)]
    )
    if "targets" in note:
        names, values = tuple(note["targets"]), TargetScale(low, high, spec.output).values(outputs)
    else:
        middle = 0.5 / 2**config.input_bits  # of a level, which is the target's word
        values = low + (outputs / 256 + middle) * (high - low) + np.array(note.get("offsets") or 0.0)
        names = inputs
    none = np.full(len(x), -1)
    return Numbers(names, none, values, none, data, tuple(notes))
