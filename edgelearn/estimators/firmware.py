"""C sources of a fitted model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgelearn.errors import UserError
from edgelearn.network.learner import Learner
from edgelearn.runs.converted import ConvertedFrontEnd
from edgelearn.runs.levels import RangeFrontEnd

if TYPE_CHECKING:
    from edgelearn.estimators.classifier import EdgeClassifier


def emit_model(model: EdgeClassifier, folder: Path, X: Any, y: Any, overwrite: bool, prefix: str) -> Path:
    """Write the sources of a fitted model; see `EdgeClassifier.to_c`."""
    from firmware_sim.build.emit import SELFTEST_SAMPLES, emit
    from firmware_sim.check.session import stress_stream

    if (X is None) != (y is None):
        raise UserError("X and y are the samples of the self-test; give both or neither")
    front_end = model._front_end
    if isinstance(front_end, ConvertedFrontEnd):
        raise UserError(
            "layers in front of the cut are emitted from a results folder; give it to `edgelearn firmware emit --run`"
        )
    if X is None:
        levels, labels = stress_stream(model.spec_, SELFTEST_SAMPLES)
    else:
        x, given = model._checked(X, y)
        levels = front_end.encode(model._relative(x[:SELFTEST_SAMPLES]))
        labels = model._labels.outputs(given[:SELFTEST_SAMPLES])
    ranges = None
    if isinstance(front_end, RangeFrontEnd):
        offsets = np.nan_to_num(model._offsets)
        order = slice(None) if front_end.order is None else front_end.order
        ranges = (front_end.low + offsets)[order], (front_end.high + offsets)[order]
    learner = Learner(model.spec_)
    learner.put_words(model._learner.words())
    learner.set_halvings(int(model._learner.save()["halvings"][0]))
    emit(learner, folder, levels, labels, ranges, overwrite, prefix)
    return folder
