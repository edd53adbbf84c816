"""Prequential errors of numbers over a stream without end, in constant memory; none depends on how rows are cut."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.units import six_digits

POINTS = 512  # of the curve of errors, at most; neighbours are merged as rows come


def _added(total: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """Return a total plus terms, added one after another."""
    found: np.ndarray = np.cumsum(np.concatenate([total[None], terms]), axis=0)[-1]
    return found


class NumberErrors:
    """Sums of squared and absolute errors of one predictor, per target.

    Example
    -------
    >>> errors = NumberErrors(1)
    >>> errors.update(np.array([[1.0], [2.0], [3.0]]), np.array([[1.0], [2.0], [4.0]]))
    >>> errors.of_target(0)
    {'rmse': 0.57735, 'mae': 0.333333, 'r2': 0.5}
    """

    def __init__(self, n_targets: int) -> None:
        self.n = 0
        self._sums = np.zeros((4, n_targets))  # squared and absolute errors; targets less the first one, and squares
        self._first = np.full(n_targets, np.nan)

    def update(self, targets: np.ndarray, predictions: np.ndarray) -> None:
        """Take rows, float64[n, n_targets] each; all values are finite."""
        if not len(targets):
            return
        if self.n == 0:
            self._first = targets[0].copy()
        errors, centred = predictions - targets, targets - self._first
        self._sums = _added(self._sums, np.stack([errors**2, np.abs(errors), centred, centred**2], axis=1))
        self.n += len(targets)

    def of_target(self, place: int) -> dict[str, float | None]:
        """Return root mean square error and mean absolute error in the unit of the target, and R2."""
        if not self.n:
            return {"rmse": None, "mae": None, "r2": None}
        squares, absolute, total, spread = self._sums[:, place].tolist()
        spread -= total**2 / self.n
        r2 = round(1 - squares / spread, 6) if spread > 0 else None
        return {"rmse": six_digits((squares / self.n) ** 0.5), "mae": six_digits(absolute / self.n), "r2": r2}

    def state(self) -> dict[str, np.ndarray]:
        """Return everything that changes, as plain arrays."""
        return {"n": np.array([self.n]), "sums": self._sums.copy(), "first": self._first.copy()}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continue from what `state` returned."""
        self.n, self._sums, self._first = int(state["n"][0]), state["sums"].copy(), state["first"].copy()


class ErrorCurve:
    """Squared errors over the rows so far, in at most `POINTS` points, of several predictors."""

    def __init__(self, n_predictors: int) -> None:
        self.rows_per_point, self._n_rows = 1, 0
        self._table = np.zeros((POINTS, 1 + n_predictors))  # scored rows, sums

    def update(self, squares: np.ndarray) -> None:
        """Take squared errors, float64[n, n_predictors], NaN in rows that are not scored."""
        n = len(squares)
        while self._n_rows + n > POINTS * self.rows_per_point:
            pairs = self._table.reshape(POINTS // 2, 2, -1)
            self._table = np.concatenate([pairs.sum(axis=1), np.zeros_like(pairs[:, 0])])
            self.rows_per_point *= 2
        scored = np.isfinite(squares).all(axis=1)
        places = ((self._n_rows + np.arange(n)) // self.rows_per_point)[scored]
        np.add.at(self._table, places, np.column_stack([np.ones(len(places)), squares[scored]]))
        self._n_rows += n

    def as_dict(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Return the first row of each point, and the root mean square error of each predictor there."""
        used = self._table[: -(-self._n_rows // self.rows_per_point)]
        used, rows = used[used[:, 0] > 0], np.flatnonzero(used[:, 0] > 0) * self.rows_per_point
        found = np.sqrt(used[:, 1:] / used[:, :1])
        curves = {name: [six_digits(value) for value in found[:, k].tolist()] for k, name in enumerate(names)}
        return {"rows_per_point": self.rows_per_point, "row": rows.tolist(), "rmse": curves}

    def state(self) -> dict[str, np.ndarray]:
        """Return everything that changes, as plain arrays."""
        return {"place": np.array([self._n_rows, self.rows_per_point]), "table": self._table.copy()}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continue from what `state` returned."""
        self._n_rows, self.rows_per_point = map(int, state["place"])
        self._table = state["table"].copy()
