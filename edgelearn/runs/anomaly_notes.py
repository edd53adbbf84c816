"""Notes of a stream that was learned without labels: what was assumed, and what makes its result doubtful."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgelearn.data.source import few_names, no_value_of
from edgelearn.network.kernels import detector_tables as d
from edgelearn.network.kernels import tables as t
from edgelearn.runs import rates
from edgelearn.streaming.anomaly_scores import MOST_ALARMS
from edgelearn.units import count, percent, three

if TYPE_CHECKING:
    from edgelearn.runs.anomaly import AnomalyWork

MANY_ALARMS = 0.2  # of the judged rows
POOR_AREA = 0.6  # under ROC; scores drawn by lot have 0.5


def notes_of(work: AnomalyWork) -> list[str]:
    """Return the notes of a report, one line each."""
    notes = [*work.phases.notes, *_on_recordings(work), *work.anomalies.notes(), *work.source.notes]
    notes += [*_on_missing(work), *_on_constant(work), *_on_rows_before(work)]
    if work.detector.threshold is None and not work.recordings.restart:
        left = work.phases.ends[-1] - work.n_phase_rows
        notes.append(f"the stream ended {count(left, 'row')} before detection: no row was judged")
    if work.front_end.spec.n_inputs == 1:
        notes.append("a row has a single input, which nothing can be compared with; --window 16 gives it a past")
    notes += [*_on_threshold(work), *_on_labels(work)]
    if work.alarms.n > MOST_ALARMS:
        notes.append(f"the list of alarms has the first {MOST_ALARMS:,} of {work.alarms.n:,}")
    if work.detector.state[d.SATURATED]:
        notes.append(f"scores limited to 2^32 - 1: {int(work.detector.state[d.SATURATED]):,}")
    return [*notes, *rates.width_notes(work.config, work.spec), *rates.notes_on_masks(work.spec)]


def _on_recordings(work: AnomalyWork) -> list[str]:
    """State whether phases restart with recordings, where there are several."""
    if not work.recordings.restart:
        if work.n_recordings < 2:
            return []
        return [
            f"{work.n_recordings:,} recordings share one network, front end and threshold, and the phases come once; "
            "--restart recording begins anew with each"
        ]
    short = work.n_short + (work.detector.threshold is None)
    told = f"network, front end and phases begin anew with each of {count(work.n_recordings, 'recording')}"
    judged = f"; {short:,} of them ended before detection and were not judged" if short else ""
    return [
        f"{told}{judged}; areas are of scores over their threshold, the threshold and the words are those of the last; "
        "--restart never learns them as one"
    ]


def _on_missing(work: AnomalyWork) -> list[str]:
    """State which channels have no value in the whole stream, where it can be read again, or in the first phases."""
    absent = np.zeros(len(work.source.channels), bool)
    if work.counts["missing"] and not work.live:
        absent = ~absent
        for block in work.source.blocks(0):
            absent &= np.isnan(block.x).all(axis=0)
            if not absent.any():
                break
    notes = [no_value_of(_names(work, absent))] if absent.any() else []
    late = _whole_channels(work, work.front_end.state.seen == 0) & ~absent
    if late.any() and work.detector.threshold is not None:
        names = few_names(_names(work, late))
        notes.append(f"never watched, as no row that the front end adapted to has a value: {names}")
    return notes


def _on_constant(work: AnomalyWork) -> list[str]:
    """State which inputs the front end knows as constant."""
    adapted = work.phases.adapt_rows
    if adapted is None or work.n_phase_rows < adapted:
        return []
    state = work.front_end.state
    still = _whole_channels(work, (state.deviation == 0) & (state.seen > 0))
    if not still.any():
        return []
    names = few_names(_names(work, still))
    what, remedy = f"{names}:", f"; --ignore {','.join(_names(work, still)[:3])} leaves out what should not be watched"
    if still.all():
        what, remedy = "all inputs were", ""
    return [
        f"{what} constant in the {count(adapted, 'row')} that the front end adapted to (or nearly so beside later "
        f"values): the least change raises the score{remedy}"
    ]


def _on_rows_before(work: AnomalyWork) -> list[str]:
    rows, _, _, anomalies = work.of_phases[: d.DETECT].sum(axis=0).tolist()
    if not anomalies:
        return []
    cut = "" if work.recordings.restart or work.n_recordings < 2 else ", or give --restart recording"
    return [
        f"{anomalies:,} of the {rows:,} rows before detection are labelled as anomalies, and pass as normal; begin "
        f"with normal rows, give shorter phases{cut}"
    ]


def _on_threshold(work: AnomalyWork) -> list[str]:
    """Doubt a threshold of zero, and one that a large share of the rows exceeds."""
    rows, _, alarms, _ = work.of_phases[d.DETECT].tolist()
    what, (quiet, false) = "judged rows", work.score.confusion[0].tolist()
    if quiet + false:
        what, rows, alarms = "judged rows labelled as normal", quiet + false, false
    notes = []
    if work.detector.threshold == 0:
        notes.append("the threshold is 0, as no row that it was taken from had an error: any error raises an alarm")
    if alarms > MANY_ALARMS * rows:
        notes.append(
            f"{percent(alarms / rows)} of the {what} raise an alarm: rows before detection may be unlike those behind, "
            "or too few; give longer phases, a higher --threshold-factor, or --learn-while normal"
        )
    return notes


def _on_labels(work: AnomalyWork) -> list[str]:
    """State why labelled anomalies may have been missed."""
    found = work.score.as_dict()
    windows, area = found["windows"], found["roc_area"]
    notes = []
    mean_rows = sum(found["confusion"]["anomalous"]) / windows["n"] if windows["n"] else 0.0
    if windows["detected"] < windows["n"] / 2 and mean_rows < 2**work.config.score_smoothing:
        notes.append(
            f"labelled anomalies last {count(round(mean_rows), 'row')} on average, and scores are smoothed over about "
            f"{2**work.config.score_smoothing:,}; --score-smoothing 0 judges single rows"
        )
    if area is not None and area < POOR_AREA:
        notes.append(
            f"scores do not tell labelled anomalies from normal rows (area under ROC {three(area)}, by chance 0.5): "
            "their inputs hardly differ; give other inputs, a --window, or more --train-rows"
        )
    return notes


def _whole_channels(work: AnomalyWork, features: np.ndarray) -> np.ndarray:
    """Return which channels have all of their features among the given ones, bool[n_channels]."""
    spec = work.front_end.spec
    if spec.features == "statistics":
        return np.asarray(features.reshape(spec.n_channels, t.N_STATISTICS).all(axis=1))
    return np.asarray(features.reshape(spec.window, spec.n_channels).all(axis=0))


def _names(work: AnomalyWork, chosen: np.ndarray) -> list[str]:
    return [work.source.channels[k] for k in np.flatnonzero(chosen)]
