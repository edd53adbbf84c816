"""What is seen while a stream is learned: a view of the terminal, and predictions line by line."""

from __future__ import annotations

import csv
import json
import shutil
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from edgelearn.errors import UserError
from edgelearn.files import write_whole
from edgelearn.network.kernels import tables as t
from edgelearn.reports.console import make_console, sparkline
from edgelearn.units import count

if TYPE_CHECKING:
    from edgelearn.config import StreamConfig
    from edgelearn.runs.session import RowsDone, StreamSession

HISTORY = 50  # points of the curves on the screen
SECONDS = 0.25  # between two looks at the run
STATUS_NAMES = {
    t.DROPPED: "dropped",
    t.LATE: "late",
    t.LEARNED: "learned",
    t.GATED: "gated",
    t.OVER_BUDGET: "over budget",
    t.WAITED: "waited",
}


class View:
    """Show a run on a terminal, and write the predictions of a live stream; silent where there is no terminal.

    Parameters
    ----------
    config : settings of the run
    live : whether predictions go to the standard output, one JSON object a row; on a terminal they are the view
    console : where to show the run, the standard error if left out
    """

    def __init__(self, config: StreamConfig, live: bool, console: Console | None = None) -> None:
        self.config = config
        console = console or make_console(stderr=True)
        shown = console.is_terminal and not (live and sys.stdout.isatty())
        # the predictions of a live stream stay on the standard output: rich would take them to the screen
        screen = Live(console=console, transient=True, refresh_per_second=4, redirect_stdout=not live)
        self._screen = screen if shown else None
        self._errors: deque[float] = deque(maxlen=HISTORY)
        self._events: deque[float] = deque(maxlen=HISTORY)
        self._seen = (0, 0, 0, 0)  # rows, events, scored, errors when the curves last grew
        self._looked_at = self._started = 0.0
        self._samples_at_start = -1
        self.samples_per_second: float | None = None

    def __enter__(self) -> View:
        if self._screen is not None:
            self._screen.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._screen is not None:
            self._screen.__exit__(*exception)

    def show(self, run: StreamSession) -> None:
        """Look at a run after a block."""
        now = time.perf_counter()
        if self._samples_at_start < 0:  # the first block also compiles
            self._started, self._samples_at_start = now, run.n_samples
        elif now > self._started:
            self.samples_per_second = (run.n_samples - self._samples_at_start) / (now - self._started)
        if self._screen is None or now - self._looked_at < SECONDS:
            return
        self._looked_at = now
        self._grow(run)
        self._screen.update(self._picture(run))

    def _grow(self, run: StreamSession) -> None:
        """Add a point to the curves: what came since the last look."""
        confusion = run.score.confusion
        seen = (run.n_rows, run.counts["events"], int(confusion.sum()), int(confusion.sum() - confusion.trace()))
        rows, events, scored, errors = (after - before for after, before in zip(seen, self._seen, strict=True))
        self._seen = seen
        if rows:
            self._events.append(events / rows)
        if scored:
            self._errors.append(errors / scored)

    def _picture(self, run: StreamSession) -> Group:
        known = [n for n in (self.config.limit, run.source.n_samples) if n is not None]
        done = f"{run.n_samples:,}" + (f" of {min(known):,} samples" if known else " samples")
        speed = f"  {self.samples_per_second:,.0f} samples/s" if self.samples_per_second else ""
        accuracy = run.score.as_dict()["window"]["accuracy"]
        n_rows, n_rejected = max(run.n_rows, 1), sum(run.source.rejects.counts.values())
        dropped = f", dropped {100 * run.score.n_dropped / n_rows:.1f} %" if run.timing.timed else ""
        now = "nothing scored yet" if accuracy is None else f"accuracy {100 * accuracy:.1f} %"
        rows = [
            ("error", now, sparkline(list(self._errors))),
            ("events", f"{run.counts['events'] / n_rows:,.1f} a row", sparkline(list(self._events))),
            ("rows", f"learned {100 * run.counts['learned'] / n_rows:.1f} %{dropped}", ""),
        ]
        if n_rejected:
            rows.append(("rejected", count(n_rejected, "sample"), ""))
        lines = [f"{run.spec.rule_name} on {run.source.name}: {done}{speed}"]
        lines += [f"{what:<8}  {number:<18}  {curve}".rstrip() for what, number, curve in rows]
        return Group(*(Text(line, no_wrap=True, overflow="ellipsis") for line in lines))

    def write_rows(self, run: StreamSession, rows: RowsDone) -> None:
        """Write what became of rows to the standard output, one JSON object a line, at once."""
        names = run.source.class_names

        def name(index: int) -> str | None:
            return names[index] if 0 <= index < len(names) else None

        lines = []
        for i in range(len(rows.samples)):
            prediction = int(rows.predictions[i])
            if prediction >= rows.known[i]:  # a place for a class that has not come yet
                prediction = -1
            status, late = (
                [word for bit, word in STATUS_NAMES.items() if bits & bit] for bits in (rows.statuses[i], rows.late[i])
            )
            line: dict[str, Any] = {"line": int(rows.lines[i])} if len(rows.lines) else {}
            line |= {"sample": int(rows.samples[i]), "prediction": name(prediction)}
            if 0 <= prediction < len(names):
                line["probability"] = _probability(rows.scores[i], prediction)
            line |= {"label": name(int(rows.labels[i])), "status": status}
            if self.config.label_delay:
                line["status_of_late"] = late
            if rows.times[i] == rows.times[i]:
                line["time"] = round(float(rows.times[i]), 6)
            lines.append(json.dumps(line, ensure_ascii=False))
        if lines:
            sys.stdout.write("\n".join(lines) + "\n")
            sys.stdout.flush()


class PredictionsFile:
    """Write what became of every row to a file, .csv or .jsonl, that is whole or absent.

    Columns are row (from 1), line of the input (where there is one), time (s), prediction, probability, label, correct
    and learned. Empty (null): no such value; a row that was dropped has no prediction.

    Raises
    ------
    UserError
        "predictions ..." for other extensions, "cannot write ..."; where a resumed run lacks its first rows.
    """

    COLUMNS: tuple[str, ...] = ("row", "line", "time", "prediction", "probability", "label", "correct", "learned")

    def __init__(self, path: Path, delay: int = 0) -> None:
        if path.suffix.lower() not in (".csv", ".jsonl"):
            raise UserError(f"predictions '{path}' have the extension '{path.suffix}'; give .csv or .jsonl")
        if path.is_dir() or not path.parent.is_dir():
            raise UserError(f"cannot write {path}: no such folder, or a folder itself; give a file in a folder")
        self.path, self._delay, self._n_rows = path, delay, 0
        self._as_json = path.suffix.lower() == ".jsonl"
        self._waiting: deque[dict[str, Any]] = deque()  # rows whose label may come
        self._lines: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", newline="")  # noqa: SIM115
        self._table = csv.writer(self._lines, lineterminator="\n")
        if not self._as_json:
            self._table.writerow(self.COLUMNS)

    def add(self, run: StreamSession, rows: RowsDone) -> None:
        """Take the next rows."""
        n = len(rows.samples)
        self.check(run.n_rows - n)
        names = run.source.class_names
        for i in range(n):
            self._n_rows += 1
            prediction, label = int(rows.predictions[i]), int(rows.labels[i])
            told = 0 <= prediction < min(int(rows.known[i]), len(names))
            if self._delay and len(self._waiting) == self._delay:
                self._write(self._waiting.popleft() | {"learned": bool(rows.late[i] & t.LEARNED)})
            values = (
                self._n_rows,
                int(rows.lines[i]) if len(rows.lines) else None,
                round(float(rows.times[i]), 6) if rows.times[i] == rows.times[i] else None,
                names[prediction] if told else None,
                _probability(rows.scores[i], prediction) if told else None,
                names[label] if 0 <= label < len(names) else None,
                prediction == label if told and label >= 0 else None,
                bool(rows.statuses[i] & t.LEARNED),
            )
            row = dict(zip(self.COLUMNS, values, strict=True))
            if self._delay:
                self._waiting.append(row)
            else:
                self._write(row)

    def check(self, n_rows: int) -> None:
        """Refuse to continue, or to end, with other rows than those written."""
        if n_rows != self._n_rows:
            raise UserError(
                f"predictions {self.path} would lack rows of before the run was resumed; leave --predictions out, or "
                "start again with --overwrite in place of --resume"
            )

    def close(self, n_rows: int) -> None:
        """Write the file."""
        self.check(n_rows)
        for row in self._waiting:
            self._write(row)
        self._lines.seek(0)
        write_whole(self.path, lambda file: shutil.copyfileobj(self._lines.buffer, file))  # type: ignore[attr-defined]

    def _write(self, row: dict[str, Any]) -> None:
        if self._as_json:
            self._lines.write(json.dumps(row, ensure_ascii=False) + "\n")
        else:
            self._table.writerow([int(value) if isinstance(value, bool) else value for value in row.values()])


def _probability(scores: Any, prediction: int) -> float:
    """Return the share of a class in all outputs; one output has the share of class 1."""
    if len(scores) == 1:
        p = int(scores[0]) / 255
        return round(p if prediction == 1 else 1 - p, 4)
    total = int(scores.sum())
    return round(int(scores[prediction]) / total, 4) if total else round(1 / len(scores), 4)
