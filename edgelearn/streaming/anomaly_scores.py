"""Measures of an anomaly detector over a stream without end, in constant memory, and its score over time.

Every measure is of the rows of the phase "detect" whose label is known; none depends on how rows are cut into calls.
"""

from __future__ import annotations

from math import exp
from typing import Any

import numpy as np

from edgelearn.units import six_digits

DIGITS = 11  # significant bits of scores in the areas under curves
_OCTAVES = 48  # scores are below 2^48
N_BINS = (_OCTAVES - DIGITS) * 2 ** (DIGITS - 1) + 2**DIGITS  # of scores with so many digits
NAB_FALSE, NAB_MISSED = 0.11, 1.0  # weights of the standard profile; a detection weighs 1
FAR_BEHIND = 3.0  # widths of a window behind it, where an alarm is a false one in full


def bin_of(scores: np.ndarray) -> np.ndarray:
    """Return the places of whole scores among all numbers of `DIGITS` significant bits, int64[n]; cut, not rounded.

    Example
    -------
    >>> bin_of(np.array([0, 5, 2047, 2048, 2049, 2050])).tolist()
    [0, 5, 2047, 2048, 2048, 2049]
    """
    scores = np.asarray(scores, np.int64)
    lengths = np.frexp(scores.astype(np.float64))[1].astype(np.int64)  # exact: scores are below 2^53
    shift = np.maximum(lengths - DIGITS, 0)
    places: np.ndarray = (scores >> shift) + shift * 2 ** (DIGITS - 1)
    return places


def roc_area(normal: np.ndarray, anomalous: np.ndarray) -> float | None:
    """Return the area under the ROC curve of two histograms over ascending scores; ties count half."""
    n, a = int(normal.sum()), int(anomalous.sum())
    if not n or not a:
        return None
    below = np.cumsum(normal) - normal  # int64: exact
    pairs = float(np.dot(anomalous.astype(np.float64), 2.0 * below + normal))
    return pairs / (2.0 * n * a)


def pr_area(normal: np.ndarray, anomalous: np.ndarray) -> float | None:
    """Return the average precision of two histograms over ascending scores: sum of (recall step) times precision."""
    a = int(anomalous.sum())
    if not a:
        return None
    hits, alarms = np.cumsum(anomalous[::-1]), np.cumsum((normal + anomalous)[::-1])
    found = anomalous[::-1] > 0
    return float(np.dot(anomalous[::-1][found] / a, hits[found] / alarms[found]))


def scaled_sigmoid(place: float) -> float:
    """Return the value of an alarm at a place in a window, -1 at its left edge and 0 behind its right one.

    Source: Lavin and Ahmad 2015, "Evaluating Real-time Anomaly Detection Algorithms", equation 1, and its code.
    """
    return -1.0 if place >= FAR_BEHIND else 2.0 / (1.0 + exp(5.0 * place)) - 1.0


class AnomalyScores:
    """Counts of alarms and labels: F1, false and missing alarms, areas, delays, NAB score.

    A window is a stretch of neighbouring rows labelled as anomalies.

    Example
    -------
    >>> scores = AnomalyScores()
    >>> labels = np.array([0, 0, 1, 1, 1, 0])
    >>> scores.update(labels, np.array([1, 2, 3, 9, 9, 1]), labels * [0, 0, 0, 1, 1, 0], np.arange(6) / 2)
    >>> result = scores.as_dict()
    >>> result["f1"], result["windows"]["mean_delay_rows"], result["windows"]["mean_delay_s"]
    (0.8, 1.0, 0.5)
    """

    def __init__(self) -> None:
        self.confusion = np.zeros((2, 2), np.int64)  # by label and alarm
        self._bins = np.zeros((2, N_BINS), np.int64)  # by label
        self._unlabelled = np.zeros(2, np.int64)  # rows, alarms
        # windows so far, detected ones, rows and seconds of their delays, NAB's sums of detections and false alarms
        self._sums = np.zeros(6)
        # rows so far; first row and time of the open window (-1: none); first alarm in it and its time; end and width
        # of the window before
        self._place = np.array([0, -1, np.nan, -1, np.nan, -1, 0], np.float64)

    def update(self, labels: np.ndarray, scores: np.ndarray, alarms: np.ndarray, times: np.ndarray) -> None:
        """Take rows: labels int64[n], 1 for an anomaly and -1 for unknown; smoothed scores, alarms, seconds."""
        known = labels >= 0
        np.add.at(self.confusion, (labels[known], alarms[known]), 1)
        np.add.at(self._bins, (labels[known], bin_of(scores[known])), 1)
        self._unlabelled += [int((~known).sum()), int(alarms[~known].sum())]
        self._walk(labels, alarms, times)

    def _walk(self, labels: np.ndarray, alarms: np.ndarray, times: np.ndarray) -> None:
        """Follow windows and alarms; only rows where something happens are looked at one by one."""
        first = int(self._place[0])
        inside = (labels == 1).astype(np.int8)
        edges = np.diff(inside, prepend=int(self._place[1] >= 0)) != 0
        for i in np.flatnonzero(edges | ((alarms != 0) & (labels >= 0))).tolist():
            if edges[i] and inside[i]:
                self._place[1:5] = first + i, times[i], -1, np.nan
            elif edges[i]:
                self._sums, self._place = self._closed(first + i)
            if not alarms[i] or labels[i] < 0:
                continue
            if inside[i]:
                if self._place[3] < 0:
                    self._place[3:5] = first + i, times[i]
            else:
                end, width = self._place[5:7]
                place = FAR_BEHIND
                if end >= 0:  # as NAB's code does; a window of a single row has no width there
                    place = (first + i - end) / (width - 1) if width > 1 else FAR_BEHIND
                self._sums[5] += scaled_sigmoid(place)
        self._place[0] += len(labels)

    def _closed(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Return sums and place where the open window ends before a row."""
        sums, place = self._sums.copy(), self._place.copy()
        start, time, alarm, alarm_time = place[1:5]
        if start < 0:
            return sums, place
        width = row - start
        sums[0] += 1
        if alarm >= 0:
            sums[1] += 1
            sums[2] += alarm - start
            sums[3] += alarm_time - time
            sums[4] += scaled_sigmoid(-(row - alarm) / width) / scaled_sigmoid(-1.0)
        place[1:7] = -1, np.nan, -1, np.nan, row - 1, width
        return sums, place

    def end_recording(self) -> None:
        """Close an open window: the next row is of another recording, and behind none of the windows so far."""
        self._sums, self._place = self._closed(int(self._place[0]))
        self._place[5:7] = -1, 0

    def as_dict(self) -> dict[str, Any]:
        """Return all measures; None where rows of one kind are missing."""
        (quiet, false), (missed, found) = self.confusion.tolist()
        windows, detected, delay_rows, delay_s, hits, behind = self._closed(int(self._place[0]))[0].tolist()
        f1 = 2 * found / (2 * found + false + missed) if found + missed else None
        nab = None
        if windows:
            # the score of a detector without alarms is 0, that of one at the left edges of all windows 100
            raw = hits - NAB_MISSED * (windows - detected) + NAB_FALSE * behind
            nab = 100 * (raw + NAB_MISSED * windows) / (windows + NAB_MISSED * windows)
        return {
            "labelled": int(self.confusion.sum()),
            "unlabelled": int(self._unlabelled[0]),
            "confusion": {"normal": [quiet, false], "anomalous": [missed, found]},
            "f1": six_digits(f1),
            "precision": six_digits(found / (found + false) if found + false else None),
            "false_alarm_rate": six_digits(false / (quiet + false) if quiet + false else None),
            "missing_alarm_rate": six_digits(missed / (missed + found) if missed + found else None),
            "roc_area": six_digits(roc_area(*self._bins)),
            "pr_area": six_digits(pr_area(*self._bins)),
            "nab_score": six_digits(nab),
            "windows": {
                "n": int(windows),
                "detected": int(detected),
                "mean_delay_rows": six_digits(delay_rows / detected if detected else None),
                "mean_delay_s": six_digits(delay_s / detected if detected and delay_s == delay_s else None),
            },
        }

    def state(self) -> dict[str, np.ndarray]:
        """Return everything that changes, as plain arrays; of the histograms the bins that are not empty."""
        labels, bins = np.nonzero(self._bins)
        return {
            "confusion": self.confusion.copy(),
            "bins": np.stack([labels, bins, self._bins[labels, bins]]).astype(np.int64),
            "unlabelled": self._unlabelled.copy(),
            "sums": self._sums.copy(),
            "place": self._place.copy(),
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continue from what `state` returned."""
        self.confusion[:], self._unlabelled[:] = state["confusion"], state["unlabelled"]
        labels, bins, counts = state["bins"]
        self._bins[:] = 0
        self._bins[labels, bins] = counts
        self._sums[:], self._place[:] = state["sums"], state["place"]


POINTS = 1024  # of the score over time, at most
_ROW, _PEAK, _SUM, _COUNT, _LIMIT, _ALARMS, _ANOMALIES, _PHASE, _TIME = range(9)


class ScoreHistory:
    """The score over the rows so far, in at most `POINTS` points: neighbours are merged as rows come."""

    def __init__(self) -> None:
        self.rows_per_point = 1
        self._n_rows = 0
        self._table = np.zeros((POINTS, 9))

    def update(self, found: dict[str, np.ndarray]) -> None:
        """Take rows: arrays phase, smoothed, limit, alarm, anomaly and time, one entry per row."""
        n = len(found["phase"])
        if n == 0:
            return
        while (self._n_rows + n - 1) // self.rows_per_point >= POINTS:
            self._merge()
        rows = self._n_rows + np.arange(n)
        points = rows // self.rows_per_point
        table = self._table
        fresh = np.unique(points[points >= -(-self._n_rows // self.rows_per_point)])
        first = np.searchsorted(points, fresh)
        table[fresh, _ROW], table[fresh, _TIME] = rows[first], found["time"][first]
        np.maximum.at(table[:, _PEAK], points, found["smoothed"])
        np.add.at(table[:, _SUM], points, found["smoothed"])
        np.add.at(table[:, _COUNT], points, 1)
        np.maximum.at(table[:, _LIMIT], points, found["limit"])
        np.add.at(table[:, _ALARMS], points, found["alarm"])
        np.add.at(table[:, _ANOMALIES], points, found["anomaly"] == 1)
        np.maximum.at(table[:, _PHASE], points, found["phase"])
        self._n_rows += n

    def _merge(self) -> None:
        """Merge neighbouring points."""
        pairs = self._table.reshape(POINTS // 2, 2, 9)
        merged = np.zeros_like(self._table)
        half = merged[: POINTS // 2]
        half[:] = pairs[:, 0]
        for column in (_PEAK, _LIMIT, _PHASE):
            half[:, column] = pairs[:, :, column].max(axis=1)
        for column in (_SUM, _COUNT, _ALARMS, _ANOMALIES):
            half[:, column] = pairs[:, :, column].sum(axis=1)
        self._table, self.rows_per_point = merged, 2 * self.rows_per_point

    def as_dict(self) -> dict[str, Any]:
        """Return the points as lists; scores are in units of the score, times null where unknown."""
        used = self._table[: -(-self._n_rows // self.rows_per_point)]
        times = [None if time != time else six_digits(float(time)) for time in used[:, _TIME]]
        return {
            "rows_per_point": self.rows_per_point,
            "row": used[:, _ROW].astype(int).tolist(),
            "time": times,
            "phase": used[:, _PHASE].astype(int).tolist(),
            "mean": [six_digits(float(x)) for x in used[:, _SUM] / np.maximum(used[:, _COUNT], 1) / 256],
            "peak": [six_digits(float(x)) for x in used[:, _PEAK] / 256],
            "threshold": [six_digits(float(x)) if x else None for x in used[:, _LIMIT] / 256],
            "alarms": used[:, _ALARMS].astype(int).tolist(),
            "anomalies": used[:, _ANOMALIES].astype(int).tolist(),
        }

    def state(self) -> dict[str, np.ndarray]:
        """Return everything that changes, as plain arrays."""
        place = np.array([self._n_rows, self.rows_per_point], np.int64)
        return {"place": place, "table": self._table.copy()}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continue from what `state` returned."""
        self._n_rows, self.rows_per_point = map(int, state["place"])
        self._table = state["table"].copy()


MOST_ALARMS = 1000  # stretches of alarms that a report lists


class AlarmList:
    """Stretches of neighbouring rows with an alarm, the first `MOST_ALARMS` of them."""

    def __init__(self) -> None:
        self.n = 0
        self._table = np.zeros((0, 5))  # first and last row, their times, highest smoothed score; the last may be open
        self._last_row = -2  # with an alarm

    def update(self, rows: np.ndarray, smoothed: np.ndarray, times: np.ndarray) -> None:
        """Take the rows with an alarm, in order: their numbers, smoothed scores and times."""
        if not len(rows):
            return
        begins = np.diff(rows, prepend=self._last_row) > 1
        if not begins[0] and self.n <= MOST_ALARMS:
            end = int(np.argmax(begins)) if begins.any() else len(rows)
            last = self._table[-1]
            last[1], last[3], last[4] = rows[end - 1], times[end - 1], max(last[4], smoothed[:end].max())
        first = np.flatnonzero(begins)
        room = max(MOST_ALARMS - len(self._table), 0)
        if len(first) and room:
            ends = np.append(first[1:], len(rows)) - 1
            peaks = np.maximum.reduceat(smoothed, first).astype(np.float64)
            columns = (rows[first], rows[ends], times[first], times[ends], peaks)
            self._table = np.concatenate([self._table, np.stack(columns, axis=1)[:room]])
        self.n += len(first)
        self._last_row = int(rows[-1])

    def as_list(self) -> list[dict[str, Any]]:
        """Return first and last row (from 1), times in seconds and the highest smoothed score of each stretch."""
        return [
            {
                "first_row": int(first) + 1,
                "last_row": int(last) + 1,
                "begin_s": None if begin != begin else six_digits(float(begin)),
                "end_s": None if end != end else six_digits(float(end)),
                "peak": six_digits(float(peak) / 256),
            }
            for first, last, begin, end, peak in self._table
        ]

    def state(self) -> dict[str, np.ndarray]:
        """Return everything that changes, as plain arrays."""
        return {"table": self._table.copy(), "place": np.array([self.n, self._last_row], np.int64)}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continue from what `state` returned."""
        self._table = state["table"].copy()
        self.n, self._last_row = map(int, state["place"])
