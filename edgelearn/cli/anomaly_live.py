"""What is seen while a stream is learned without labels: a view of the terminal, and scores line by line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from edgelearn.cli.live import PredictionsFile, View
from edgelearn.network.kernels import detector_tables as d
from edgelearn.reports.console import sparkline
from edgelearn.streaming.detector import PHASES
from edgelearn.units import count

if TYPE_CHECKING:
    from edgelearn.runs.anomaly import RowsJudged

_LABELS = {1: "anomaly", 0: "normal"}


class AnomalyView(View):
    """Show a run on a terminal, and write a score and an alarm per row of a live stream."""

    def _grow(self, run: Any) -> None:
        """Add a point to the curve: the highest score since the last look."""
        peaks = run.history.as_dict()["peak"]
        self._errors.clear()
        self._errors.extend(peaks[-self._errors.maxlen :] if self._errors.maxlen else peaks)

    def _picture(self, run: Any) -> Group:
        known = [n for n in (self.config.limit, run.source.n_samples) if n is not None]
        done = f"{run.n_samples:,}" + (f" of {min(known):,} samples" if known else " samples")
        speed = f"  {self.samples_per_second:,.0f} samples/s" if self.samples_per_second else ""
        phase = int(run.phases.of_rows(run.n_phase_rows, 1)[0])
        now = PHASES[phase]
        if phase < d.DETECT:
            now += f", {count(run.phases.ends[-1] - run.n_phase_rows, 'row')} before detection"
        score = f"{run.detector.state[d.SMOOTHED] / 256:,.1f}"
        rows = [("phase", now, ""), ("score", score, sparkline([*self._errors]))]
        if phase == d.DETECT:
            rows.append(("alarms", f"{run.of_phases[d.DETECT, 2]:,} of {count(run.of_phases[d.DETECT, 0], 'row')}", ""))
        lines = [f"{run.spec.rule_name} without labels on {run.source.name}: {done}{speed}"]
        lines += [f"{what:<8}  {number:<18}  {curve}".rstrip() for what, number, curve in rows]
        return Group(*(Text(line, no_wrap=True, overflow="ellipsis") for line in lines))

    def write_rows(self, run: Any, rows: Any) -> None:
        """Write score, threshold and alarm of rows to the standard output, one JSON object a line, at once.

        Before the phase "detect" there is no alarm, and in "calibrate" no score.
        """
        lines = []
        for i in range(len(rows.samples)):
            line: dict[str, Any] = {"line": int(rows.lines[i])} if len(rows.lines) else {}
            line |= {"sample": int(rows.samples[i])} | _told(rows, i)
            if rows.labels[i] >= 0:
                line["label"] = _LABELS[int(rows.labels[i])]
            if rows.times[i] == rows.times[i]:
                line["time"] = round(float(rows.times[i]), 6)
            lines.append(json.dumps(line, ensure_ascii=False))
        if lines:
            sys.stdout.write("\n".join(lines) + "\n")
            sys.stdout.flush()


class ScoresFile(PredictionsFile):
    """Write score, threshold and alarm of every row to a file, .csv or .jsonl, that is whole or absent.

    Columns are row (from 1), line of the input (where there is one), time (s), phase, score, smoothed, threshold,
    alarm, label and learned. Empty (null): no such value.
    """

    COLUMNS = ("row", "line", "time", "phase", "score", "smoothed", "threshold", "alarm", "label", "learned")

    def __init__(self, path: Path) -> None:
        super().__init__(path)

    def add(self, run: Any, rows: Any) -> None:
        """Take the next rows."""
        self.check(rows.first)
        for i in range(len(rows.samples)):
            self._n_rows += 1
            told = _told(rows, i)
            row = {
                "row": self._n_rows,
                "line": int(rows.lines[i]) if len(rows.lines) else None,
                "time": round(float(rows.times[i]), 6) if rows.times[i] == rows.times[i] else None,
                **{name: told.get(name) for name in ("phase", "score", "smoothed", "threshold", "alarm")},
                "label": _LABELS.get(int(rows.labels[i])),
                "learned": told["learned"],
            }
            self._write(row)


def _told(rows: RowsJudged, i: int) -> dict[str, Any]:
    """Return phase, score, threshold and alarm of a row, as far as it has them."""
    found = rows.found[i]
    phase = int(found[d.ROW_PHASE])
    told: dict[str, Any] = {"phase": PHASES[phase]}
    if phase != d.CALIBRATE:
        told |= {"score": int(found[d.ROW_SCORE]), "smoothed": round(int(found[d.ROW_SMOOTHED]) / 256, 3)}
    if phase == d.DETECT:
        told |= {"threshold": round(int(found[d.ROW_LIMIT]) / 256, 3), "alarm": bool(found[d.ROW_ALARM])}
    return told | {"learned": bool(rows.learned[i])}
