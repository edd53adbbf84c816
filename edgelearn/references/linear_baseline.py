"""River's linear regression on a stream, test-then-train: what a model of one weight per input reaches."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edgelearn.errors import UserError, install

CLIPPED = 4.0  # deviations of an input: a column that was constant for long is millions of them away once it changes
SOURCE = (
    "river.linear_model.LinearRegression by stochastic gradient descent; inputs and targets standardised online, "
    f"inputs clipped at {CLIPPED:g} deviations, rate 0.01 or the largest that is stable"
)


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
        from river.optim import SGD
        from river.preprocessing import StandardScaler, TargetStandardScaler
    except ImportError:
        raise UserError(f"river is not installed; {install('streams', 'river')}") from None
    scaler = StandardScaler()
    models: list[TargetStandardScaler] = []
    found: list[list[float]] = []
    for inputs, targets in rows:
        if not models:  # a step moves the prediction of its own row by less than the error
            rate = min(0.01, 1 / (2 * CLIPPED**2 * len(inputs)))
            models = [TargetStandardScaler(LinearRegression(SGD(rate), intercept_lr=rate)) for _ in targets]
        x = {k: value for k, value in enumerate(inputs.tolist()) if value == value}
        scaled = {k: max(min(value, CLIPPED), -CLIPPED) for k, value in scaler.transform_one(x).items()}
        found.append([float(model.predict_one(scaled)) for model in models])
        scaler.learn_one(x)
        for model, target in zip(models, targets.tolist(), strict=True):
            if target == target:
                model.learn_one(scaled, target)
    return np.array(found, np.float64).reshape(len(found), n_targets)
