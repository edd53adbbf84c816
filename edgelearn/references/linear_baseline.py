"""River's linear regression on a stream, test-then-train: what a model of one weight per input reaches."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edgelearn.errors import UserError, install

SOURCE = "river.linear_model.LinearRegression, stochastic gradient descent, inputs and targets standardised online"


def linear_predictions(rows: Iterable[tuple[np.ndarray, np.ndarray]], n_targets: int) -> np.ndarray:
    """Return a prediction of each row before it is learned: float64[n, n_targets].

    Parameters
    ----------
    rows : inputs, float64[n_inputs], and targets, float64[n_targets]; NaN where a value is missing

    Raises
    ------
    UserError
        "river is not installed ..."
    """
    try:
        from river.linear_model import LinearRegression
        from river.preprocessing import StandardScaler, TargetStandardScaler
    except ImportError:
        raise UserError(f"river is not installed; {install('streams', 'river')}") from None
    models = [StandardScaler() | TargetStandardScaler(LinearRegression()) for _ in range(n_targets)]
    found: list[list[float]] = []
    for inputs, targets in rows:
        x = {k: value for k, value in enumerate(inputs.tolist()) if value == value}
        found.append([float(model.predict_one(x)) for model in models])
        for model, target in zip(models, targets.tolist(), strict=True):
            if target == target:
                model.learn_one(x, target)
    return np.array(found).reshape(len(found), n_targets)
