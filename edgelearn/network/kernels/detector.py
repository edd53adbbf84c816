"""Anomaly detector behind graded targets: score, decaying mean, threshold, phases (contract, section 12).

All state is in one array of integers, so that it can be resumed, and does not depend on how rows are cut into calls.
"""

from __future__ import annotations

import numpy as np

from edgelearn.fixedpoint.lanes import inlined, leaf

(
    ACTIVE, SQUARED, SMOOTHING, TRAIN_ROWS, THRESHOLD_ROWS, DEVIATIONS, QUANTILE, FACTOR, FOLLOW, LEARN_WHILE,
) = range(10)  # of DetectorArrays.settings  # fmt: skip
DETECTOR_SETTINGS = 10
LEARN_NORMAL, LEARN_ALWAYS, LEARN_NEVER = range(3)  # settings[LEARN_WHILE]
(
    ROWS, SMOOTHED, N_KEPT, SUM, SPREAD, BASE, MEAN, DEVIATION, LIMIT, ALARMS, SATURATED,
) = range(11)  # of DetectorArrays.state  # fmt: skip
DETECTOR_STATE = 11
ROW_SCORE, ROW_SMOOTHED, ROW_LIMIT, ROW_PHASE, ROW_ALARM = range(5)  # of DetectorArrays.rows
ROW_COLUMNS = 5
CALIBRATE, TRAIN, THRESHOLD, DETECT = range(4)  # phases; rows of the first do not reach the network
MOST_SCORE = 2**32 - 1
QUANTILE_ONE = 10_000  # parts of settings[QUANTILE]


@inlined
def rounded_shift(x, s):  # type: ignore[no-untyped-def]
    """Return rn(x, s), s >= 0."""
    return (x + ((np.int64(1) << s) >> 1)) >> s


@inlined
def phase_of(detector):  # type: ignore[no-untyped-def]
    """Return the phase of the row at hand."""
    settings, row = detector.settings, detector.state[ROWS]
    phase = np.int64(DETECT)
    if row < settings[TRAIN_ROWS]:
        phase = np.int64(TRAIN)
    elif row < settings[TRAIN_ROWS] + settings[THRESHOLD_ROWS]:
        phase = np.int64(THRESHOLD)
    return phase


@leaf
def may_learn(detector):  # type: ignore[no-untyped-def]
    """Return whether the row at hand may be learned; before its score is known."""
    phase = phase_of(detector)
    return phase == TRAIN or (phase == DETECT and detector.settings[LEARN_WHILE] != LEARN_NEVER)


@inlined
def score_term(error, squared):  # type: ignore[no-untyped-def]
    """Return what the error of one output adds to the score: int64."""
    e = np.int64(error)
    return e * e if squared else abs(e)


@leaf
def keep_largest(smoothed, detector):  # type: ignore[no-untyped-def]
    """Insert a smoothed score into the descending list of the largest ones."""
    state, kept = detector.state, detector.kept
    n, room = state[N_KEPT], kept.shape[0]
    if n == room and smoothed <= kept[n - 1]:
        return
    place = min(n, np.int64(room - 1))
    while place > 0 and kept[place - 1] < smoothed:
        kept[place] = kept[place - 1]
        place -= 1
    kept[place] = smoothed
    state[N_KEPT] = min(n + 1, np.int64(room))


@leaf
def set_limit(detector):  # type: ignore[no-untyped-def]
    """Compute the threshold from its base, or from mean and deviation."""
    settings, state = detector.settings, detector.state
    if settings[DEVIATIONS]:
        state[LIMIT] = state[MEAN] + rounded_shift(state[DEVIATION] * settings[FACTOR], 4)
    else:
        state[LIMIT] = rounded_shift(state[BASE] * settings[FACTOR], 12)


@leaf
def collect(detector):  # type: ignore[no-untyped-def]
    """Take a smoothed score of the threshold phase; its last row sets the threshold."""
    settings, state = detector.settings, detector.state
    smoothed, n, n_rows = state[SMOOTHED], state[ROWS] - settings[TRAIN_ROWS] + 1, settings[THRESHOLD_ROWS]
    if settings[DEVIATIONS]:
        state[SUM] += smoothed
        state[SPREAD] += abs(smoothed - state[SUM] // n)
    else:
        keep_largest(smoothed, detector)
    if n == n_rows:
        if settings[DEVIATIONS]:
            state[MEAN], state[DEVIATION] = state[SUM] // n, state[SPREAD] // n
        else:
            state[BASE] = detector.kept[state[N_KEPT] - 1] << 8
        set_limit(detector)


@leaf
def follow(detector):  # type: ignore[no-untyped-def]
    """Move the threshold with the score of a row without alarm."""
    settings, state = detector.settings, detector.state
    smoothed, shift = state[SMOOTHED], settings[FOLLOW]
    if settings[DEVIATIONS]:
        distance = smoothed - state[MEAN]
        state[DEVIATION] += rounded_shift(abs(distance) - state[DEVIATION], shift)
        state[MEAN] += rounded_shift(distance, shift)
    else:
        step = state[BASE] >> shift
        if smoothed << 8 > state[BASE]:
            state[BASE] += step * settings[QUANTILE] // QUANTILE_ONE
        else:
            state[BASE] -= step * (QUANTILE_ONE - settings[QUANTILE]) // QUANTILE_ONE
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
    if score > MOST_SCORE:
        score = np.int64(MOST_SCORE)
        state[SATURATED] += 1
    if state[ROWS] == 0:
        state[SMOOTHED] = score << 8
    else:
        state[SMOOTHED] += rounded_shift((score << 8) - state[SMOOTHED], settings[SMOOTHING])
    alarm = np.int64(0)
    rows[s, ROW_LIMIT] = 0
    if phase == DETECT:
        rows[s, ROW_LIMIT] = state[LIMIT]
        alarm = np.int64(state[SMOOTHED] > state[LIMIT])
        state[ALARMS] += alarm
        if settings[FOLLOW] > 0 and alarm == 0:
            follow(detector)
    elif phase == THRESHOLD:
        collect(detector)
    rows[s, ROW_SCORE], rows[s, ROW_SMOOTHED] = score, state[SMOOTHED]
    rows[s, ROW_PHASE], rows[s, ROW_ALARM] = phase, alarm
    state[ROWS] += 1
    return alarm == 1 and settings[LEARN_WHILE] == LEARN_NORMAL
