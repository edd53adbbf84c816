"""What is seen while a stream is learned: a view of the terminal, and predictions line by line."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from edgelearn.kernels import tables as t
from edgelearn.report import sparkline

if TYPE_CHECKING:
    from edgelearn.config import StreamConfig
    from edgelearn.stream_run import RowsDone, StreamRun

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
    live : whether predictions go to the standard output, one JSON object a row
    """

    def __init__(self, config: StreamConfig, live: bool) -> None:
        self.config, self.live = config, live
        console = Console(stderr=True, highlight=False, markup=False)
        self._screen = Live(console=console, transient=True, refresh_per_second=4) if console.is_terminal else None
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

    def show(self, run: StreamRun) -> None:
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

    def _grow(self, run: StreamRun) -> None:
        confusion = run.score.confusion
        seen = (run.n_rows, run.counts["events"], int(confusion.sum()), int(confusion.sum() - confusion.trace()))
        rows, events, scored, errors = (after - before for after, before in zip(seen, self._seen, strict=True))
        self._seen = seen
        if rows and scored:
            self._errors.append(errors / scored)
            self._events.append(events / rows)

    def _picture(self, run: StreamRun) -> Group:
        total = self.config.limit or run.source.n_samples
        done = f"{run.n_samples:,}" + (f" of {total:,} samples" if total else " samples")
        speed = f"  {self.samples_per_second:,.0f} samples/s" if self.samples_per_second else ""
        table = Table.grid(padding=(0, 2))
        score = run.score.as_dict()
        window = score["window"]["accuracy"]
        table.add_row("error", sparkline(list(self._errors)), "" if window is None else f"accuracy now {window:.1%}")
        table.add_row(
            "events a row", sparkline(list(self._events)), f"{run.counts['events'] / max(run.n_rows, 1):,.1f}"
        )
        learned = f"{100 * run.counts['learned'] / max(run.n_rows, 1):.1f} % of the rows"
        table.add_row("learned", learned, f"dropped {run.score.n_dropped:,}" if run.timing.timed else "")
        if run.source.rejects.counts:
            table.add_row("rejected", f"{sum(run.source.rejects.counts.values()):,} samples", "")
        return Group(Text(f"{run.spec.rule.name} on {run.source.name}: {done}{speed}"), table)

    def write_rows(self, run: StreamRun, rows: RowsDone) -> None:
        """Write what became of rows to the standard output, one JSON object a line, at once."""
        names = run.source.class_names

        def name(index: int) -> str | None:
            return names[index] if 0 <= index < len(names) else None

        lines = []
        for i in range(len(rows.samples)):
            prediction = int(rows.predictions[i])
            status = [word for bit, word in STATUS_NAMES.items() if rows.statuses[i] & bit]
            line: dict[str, Any] = {"sample": int(rows.samples[i]), "prediction": name(prediction)}
            if prediction >= 0:
                line["probability"] = _probability(rows.scores[i], prediction)
            line |= {"label": name(int(rows.labels[i])), "status": status}
            if rows.times[i] == rows.times[i]:
                line["time"] = round(float(rows.times[i]), 6)
            lines.append(json.dumps(line, ensure_ascii=False))
        if lines:
            sys.stdout.write("\n".join(lines) + "\n")
            sys.stdout.flush()


def _probability(scores: Any, prediction: int) -> float:
    """Return the share of a class in all outputs; one output has the share of class 1."""
    if len(scores) == 1:
        p = int(scores[0]) / 255
        return round(p if prediction == 1 else 1 - p, 4)
    total = int(scores.sum())
    return round(int(scores[prediction]) / total, 4) if total else round(1 / len(scores), 4)
