"""Validation of a run without classes against its float twin: errors of both, and how alike their outputs are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn import __version__
from edgelearn.config import RunConfig
from edgelearn.files import only_writer, write_text
from edgelearn.network.kernels import tables as t
from edgelearn.network.spec import CONTRACT
from edgelearn.references.closed_form import output_one, stored_weights
from edgelearn.references.graded_twin import numbers_of_targets
from edgelearn.references.online_twin import OnlineTwin
from edgelearn.references.torch_online import one_thread
from edgelearn.runs.epochs import Epochs
from edgelearn.runs.kind import Result
from edgelearn.runs.numbers import NumbersWork
from edgelearn.runs.rates import network_as_dict
from edgelearn.units import six_digits

VALIDATION = "validation.json"
GAP_PERCENT, CORRELATION = 10.0, 0.95  # what a run that follows its twin stays within; and one step of an output, 1/256


class _Beside(NumbersWork):
    """A run with a float twin that learns the same samples in the same order."""

    def __init__(self, config: RunConfig) -> None:
        super().__init__(config)
        self.twin = OnlineTwin(self.spec, stored_weights(self.learner))
        tested = self._test if len(self._test) else self.train_levels
        given = self.scale.words(self.data.test_t if len(self._test) else self.data.train_t) if self.scale else None
        self._compared = tested, numbers_of_targets(self.spec, tested, given)
        self.points = [self._compare()]

    def advance(self, part: np.ndarray) -> None:
        levels = self.train_levels[part]
        targets = numbers_of_targets(
            self.spec, levels, None if self.train_targets is None else self.train_targets[part]
        )
        self.twin.halvings = int(self.learner.state.net[t.HALVINGS])
        self.twin.learn_targets(levels, targets)
        super().advance(part)
        if self.place.position == 0:
            self.points.append(self._compare())

    def _compare(self) -> dict[str, Any]:
        levels, targets = self._compared
        fixed = self.learner.outputs(levels) / output_one(self.spec)
        in_float = self.twin.outputs(levels)
        errors = [float(np.sqrt(np.mean((outputs - targets) ** 2))) for outputs in (fixed, in_float)]
        a, b = (outputs - outputs.mean() for outputs in (fixed, in_float))
        size = float(np.sqrt((a * a).sum() * (b * b).sum()))
        return {
            "epoch": self.place.epoch,
            "fixed_rmse": six_digits(errors[0]),
            "float_rmse": six_digits(errors[1]),
            "output_correlation": six_digits(float((a * b).sum()) / size) if size > 0 else None,
            "output_rms_difference": six_digits(float(np.sqrt(np.mean((fixed - in_float) ** 2)))),
        }


def validate_numbers(
    config: RunConfig,
    out: Path | None = None,
    on_progress: Callable[[Epochs], None] = lambda epochs: None,
) -> Result:
    """Learn numbers in fixed point and in float, and compare the two before the first epoch and after each.

    Parameters
    ----------
    out : folder for validation.json
    on_progress : called after every chunk

    Raises
    ------
    UserError
        For anything the user can mend; "torch is not installed ...".

    Notes
    -----
    Errors are in units of 1.0 of an output, of the test part (of the training part where there is no test part).
    """
    with one_thread(), only_writer(out) if out is not None else nullcontext():
        work = _Beside(config)
        for part in work.chunks():
            work.advance(part)
            on_progress(work)
    end = work.points[-1]
    allowed = GAP_PERCENT / 100 * end["float_rmse"] + 1 / 256
    gap, alike = end["fixed_rmse"] - end["float_rmse"], end["output_correlation"]
    verdict = {
        "follows": bool(abs(gap) <= allowed and (alike is None or alike >= CORRELATION)),
        "gap_rmse": six_digits(gap),
        "gap_rmse_allowed": six_digits(allowed),
        "output_correlation": alike,
        "output_correlation_allowed": CORRELATION,
    }
    content = {
        "edgelearn": __version__,
        "contract": CONTRACT,
        "task": config.task,
        "config": config.model_dump(mode="json"),
        "data": {
            "name": work.data.name,
            "source": work.data.source,
            "train_samples": len(work.data.train_x),
            "test_samples": len(work.data.test_x),
        },
        "network": network_as_dict(work.spec),
        "notes": list(work.data.notes),
        "verdict": verdict,
        "points": work.points,
    }
    validation = Result(content)
    if out is not None:
        write_text(out / VALIDATION, validation.to_json())
    return validation
