"""Columns of the settings, the state and the rows of an anomaly detector (contract, section 12)."""

from __future__ import annotations

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
