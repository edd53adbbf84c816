"""Anomaly detector behind graded targets: score, decaying mean, threshold, phases (contract, section 12).

All state is in one array of integers, so that it can be resumed, and does not depend on how rows are cut into calls.
"""

from __future__ import annotations

import numpy as np

from edgelearn.fixedpoint.lanes import inlined, leaf
from edgelearn.network.kernels import detector_tables as d


@inlined
def rounded_shift(x, s):  # type: ignore[no-untyped-def]
    """Return rn(x, s), s >= 0."""
    return (x + ((np.int64(1) << s) >> 1)) >> s


@inlined
def phase_of(detector):  # type: ignore[no-untyped-def]
    """Return the phase of the row at hand."""
    settings, row = detector.settings, detector.state[d.ROWS]
    phase = np.int64(d.DETECT)
    if row < settings[d.TRAIN_ROWS]:
        phase = np.int64(d.TRAIN)
    elif row < settings[d.TRAIN_ROWS] + settings[d.THRESHOLD_ROWS]:
        phase = np.int64(d.THRESHOLD)
    return phase


@leaf
def may_learn(detector):  # type: ignore[no-untyped-def]
    """Return whether the row at hand may be learned; before its score is known."""
    phase = phase_of(detector)
    return phase == d.TRAIN or (phase == d.DETECT and detector.settings[d.LEARN_WHILE] != d.LEARN_NEVER)


@inlined
def score_term(error, squared):  # type: ignore[no-untyped-def]
    """Return what the error of one output adds to the score: int64."""
    e = np.int64(error)
    return e * e if squared else abs(e)


@leaf
def keep_largest(smoothed, detector):  # type: ignore[no-untyped-def]
    """Insert a smoothed score into the descending list of the largest ones."""
    state, kept = detector.state, detector.kept
    n, room = state[d.N_KEPT], kept.shape[0]
    if n == room and smoothed <= kept[n - 1]:
        return
    place = min(n, np.int64(room - 1))
    while place > 0 and kept[place - 1] < smoothed:
        kept[place] = kept[place - 1]
        place -= 1
    kept[place] = smoothed
    state[d.N_KEPT] = min(n + 1, np.int64(room))


@leaf
def set_limit(detector):  # type: ignore[no-untyped-def]
    """Compute the threshold from its base, or from mean and deviation."""
    settings, state = detector.settings, detector.state
    if settings[d.DEVIATIONS]:
        state[d.LIMIT] = state[d.MEAN] + rounded_shift(state[d.DEVIATION] * settings[d.FACTOR], 4)
    else:
        state[d.LIMIT] = rounded_shift(state[d.BASE] * settings[d.FACTOR], 12)


@leaf
def collect(detector):  # type: ignore[no-untyped-def]
    """Take a smoothed score of the threshold phase; its last row sets the threshold."""
    settings, state = detector.settings, detector.state
    smoothed, n, n_rows = state[d.SMOOTHED], state[d.ROWS] - settings[d.TRAIN_ROWS] + 1, settings[d.THRESHOLD_ROWS]
    if settings[d.DEVIATIONS]:
        state[d.SUM] += smoothed
        state[d.SPREAD] += abs(smoothed - state[d.SUM] // n)
    else:
        keep_largest(smoothed, detector)
    if n == n_rows:
        if settings[d.DEVIATIONS]:
            state[d.MEAN], state[d.DEVIATION] = state[d.SUM] // n, state[d.SPREAD] // n
        else:
            state[d.BASE] = detector.kept[state[d.N_KEPT] - 1] << 8
        set_limit(detector)


@leaf
def follow(detector):  # type: ignore[no-untyped-def]
    """Move the threshold with the score of a row without alarm."""
    settings, state = detector.settings, detector.state
    smoothed, shift = state[d.SMOOTHED], settings[d.FOLLOW]
    if settings[d.DEVIATIONS]:
        distance = smoothed - state[d.MEAN]
        state[d.DEVIATION] += rounded_shift(abs(distance) - state[d.DEVIATION], shift)
        state[d.MEAN] += rounded_shift(distance, shift)
    else:
        step = state[d.BASE] >> shift
        if smoothed << 8 > state[d.BASE]:
            state[d.BASE] += step * settings[d.QUANTILE] // d.QUANTILE_ONE
        else:
            state[d.BASE] -= step * (d.QUANTILE_ONE - settings[d.QUANTILE]) // d.QUANTILE_ONE
    set_limit(detector)


@leaf
def judge_row(score, s, detector):  # type: ignore[no-untyped-def]
    """Take the score of a row, write what became of it, and return whether an alarm keeps it from being learned.

    Parameters
    ----------
    score : int64, the sum of `score_term` over the outputs, not limited yet
    s : row of `detector.rows`
    """
    settings, state, rows = detector.settings, detector.state, detector.rows
    phase = phase_of(detector)
    if score > d.MOST_SCORE:
        score = np.int64(d.MOST_SCORE)
        state[d.SATURATED] += 1
    if state[d.ROWS] == 0:
        state[d.SMOOTHED] = score << 8
    else:
        state[d.SMOOTHED] += rounded_shift((score << 8) - state[d.SMOOTHED], settings[d.SMOOTHING])
    alarm = np.int64(0)
    rows[s, d.ROW_LIMIT] = 0
    if phase == d.DETECT:
        rows[s, d.ROW_LIMIT] = state[d.LIMIT]
        alarm = np.int64(state[d.SMOOTHED] > state[d.LIMIT])
        state[d.ALARMS] += alarm
        if settings[d.FOLLOW] > 0 and alarm == 0:
            follow(detector)
    elif phase == d.THRESHOLD:
        collect(detector)
    rows[s, d.ROW_SCORE], rows[s, d.ROW_SMOOTHED] = score, state[d.SMOOTHED]
    rows[s, d.ROW_PHASE], rows[s, d.ROW_ALARM] = phase, alarm
    state[d.ROWS] += 1
    return alarm == 1 and settings[d.LEARN_WHILE] == d.LEARN_NORMAL
