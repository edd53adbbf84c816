"""What is seen while numbers of a stream are learned: a view of the terminal, and predictions line by line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group
from rich.text import Text

from edgelearn.cli.live import PredictionsFile, View
from edgelearn.reports.console import sparkline
from edgelearn.units import six_digits, three


class NumbersView(View):
    """Show a run on a terminal, and write the predictions of each row of a live stream."""

    def _grow(self, run: Any) -> None:
        """Keep the curve of errors."""
        curve = run.curve.as_dict(("network", "persistence"))["rmse"]["network"]
        self._errors.clear()
        self._errors.extend(curve[-self._errors.maxlen :] if self._errors.maxlen else curve)

    def _picture(self, run: Any) -> Group:
        known = [n for n in (self.config.limit, run.source.n_samples) if n is not None]
        done = f"{run.n_samples:,}" + (f" of {min(known):,} samples" if known else " samples")
        speed = f"  {self.samples_per_second:,.0f} samples/s" if self.samples_per_second else ""
        lines = [f"{run.spec.rule_name} on {run.source.name}: {done}{speed}"]
        for k, name in enumerate(run.targets[:3]):
            found = run.errors["network"].of_target(k)
            now = "nothing scored yet" if found["rmse"] is None else f"RMSE {three(found['rmse'])}"
            lines.append(f"{name:<12.12}  {now:<18}  {sparkline([*self._errors]) if k == 0 else ''}".rstrip())
        return Group(*(Text(line, no_wrap=True, overflow="ellipsis") for line in lines))

    def write_rows(self, run: Any, rows: Any) -> None:
        """Write targets and predictions of rows to the standard output, one JSON object a line, at once."""
        lines = []
        for i in range(len(rows.samples)):
            line: dict[str, Any] = {"line": int(rows.lines[i])} if len(rows.lines) else {}
            line |= {
                "sample": int(rows.samples[i]),
                "prediction": _named(run.targets, rows.predictions[i]),
                "target": _named(run.targets, rows.targets[i]),
                "learned": bool(rows.learned[i]),
            }
            if len(rows.ahead):
                line["next"] = _named(run.targets, rows.ahead[i])
            if rows.times[i] == rows.times[i]:
                line["time"] = round(float(rows.times[i]), 6)
            lines.append(json.dumps(line, ensure_ascii=False))
        if lines:
            sys.stdout.write("\n".join(lines) + "\n")
            sys.stdout.flush()


class NumbersFile(PredictionsFile):
    """Write target and prediction of every row to a file, .csv or .jsonl, that is whole or absent.

    Columns are row (from 1), line of the input (where there is one), time (s), learned, and per target its name and its
    name with "predicted". Empty (null): no such value.
    """

    COLUMNS = ()  # known with the first rows

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._lines.seek(0)
        self._lines.truncate()

    def add(self, run: Any, rows: Any) -> None:
        """Take the next rows."""
        self.check(rows.first)
        for i in range(len(rows.samples)):
            self._n_rows += 1
            row = {
                "row": self._n_rows,
                "line": int(rows.lines[i]) if len(rows.lines) else None,
                "time": round(float(rows.times[i]), 6) if rows.times[i] == rows.times[i] else None,
                "learned": bool(rows.learned[i]),
            }
            for k, name in enumerate(run.targets):
                row |= {name: _number(rows.targets[i, k]), f"{name} predicted": _number(rows.predictions[i, k])}
            if self._n_rows == 1 and not self._as_json:
                self._table.writerow(row)
            self._write(row)


def _named(names: tuple[str, ...], values: np.ndarray) -> dict[str, float | None]:
    return {name: _number(value) for name, value in zip(names, values, strict=True)}


def _number(value: float) -> float | None:
    return six_digits(float(value)) if value == value else None
