"""Data that a network knew before it learns on: accuracy before and after."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.data.user_rows import read_user_rows
from edgelearn.errors import UserError
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec
from edgelearn.runs.feature_checks import check_features
from edgelearn.runs.start import Start


@dataclass(frozen=True, eq=False)
class OldData:
    """Old data of a run.

    Parameters
    ----------
    name : path as given
    levels : uint8[n, n_in], int8 where signed
    y : int64[n], output of each row
    notes : what the reader left out
    """

    name: str
    levels: np.ndarray
    y: np.ndarray
    notes: tuple[str, ...]

    def facts(self, start: Start, spec: NetworkSpec, learner: Learner) -> dict[str, Any]:
        """Return what report.json holds; the counters of the learner stay as they are."""
        after = Learner(spec)
        after.put_words(learner.words())
        return {
            "name": self.name,
            "rows": len(self.y),
            "before_percent": self._percent(start.learner(spec)),
            "after_percent": self._percent(after),
        }

    def _percent(self, learner: Learner) -> float:
        return round(100 * float((learner.predict(self.levels) == self.y).mean()), 4)


def open_old_data(path: str, start: Start, label_column: str | None = None) -> OldData:
    """Read old data of the network of a start.

    Parameters
    ----------
    path : .npz file with x and y, or a text table
    label_column : of a text table

    Raises
    ------
    UserError
        What the reader says; "... has N features ...", "class ... is not one of ...", as `check_features`
    """
    name = start.origin["name"]
    rows = read_user_rows(Path(path), None, None if path.lower().endswith(".npz") else label_column)
    check_features({"start": start.note()}, start.front_end, rows.described, name)
    n_in = start.front_end.spec.n_channels
    if rows.x.shape[1] != n_in:
        raise UserError(
            f"{path} has {rows.x.shape[1]} features, and {name} takes {n_in}; give --old of the same tensor"
        )
    names = [str(k) for k in range(max(2, start.sizes[-1]))] if start.classes is None else list(start.classes.names)
    outputs = {one: k for k, one in enumerate(names)}
    unknown = next((label for label in rows.labels if label not in outputs), None)
    if unknown is not None:
        raise UserError(
            f"class '{unknown}' of {path} is not one of the {len(names)} of {name} ({', '.join(names[:8])}"
            f"{', ...' if len(names) > 8 else ''}); leave its rows out of --old"
        )
    y = np.array([outputs[label] for label in rows.labels], np.int64)
    return OldData(path, start.front_end.encode(rows.x), y, rows.notes)
