"""Anomaly detector on a stream without labels: settings, phases and state (contract, section 12)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgelearn.errors import UserError, unknown
from edgelearn.network.kernels import detector_tables as d
from edgelearn.network.kernels.arrays import DetectorArrays

SCORES = ("absolute", "squared")
THRESHOLDS = ("quantile", "deviation")
LEARN_WHILE = ("normal", "always", "never")
ADAPT_WHILE = ("calibrate", "train", "threshold", "always")
PHASES = ("calibrate", "train", "threshold", "detect")
MOST_KEPT = 4096  # smoothed scores that the quantile of the threshold phase is taken from
MOST_THRESHOLD_ROWS = 2**22 - 1


@dataclass(frozen=True)
class DetectorSpec:
    """Settings of a detector.

    Parameters
    ----------
    train_rows, threshold_rows : rows of these phases; all later ones are in the phase "detect"
    score : "absolute" or "squared", per output
    smoothing : exponent S of the decaying mean of scores, which has the weight 2^-S for a new score; 0 for none
    threshold : "quantile" (of the smoothed scores of the threshold phase, times `factor`) or "deviation" (their mean
        plus `factor` mean absolute deviations)
    quantile : in ten-thousandths
    factor : in sixteenths
    follow : exponent R with which the threshold follows the scores of rows without alarm; 0 for a fixed threshold
    learn_while : rows of the phase "detect" that are learned: "normal" (without alarm), "always" or "never"

    Raises
    ------
    UserError
        "score ...", "threshold ..." and so on, with what is allowed.

    Example
    -------
    >>> DetectorSpec(train_rows=100, threshold_rows=1000, quantile=9900).n_kept
    11
    """

    train_rows: int
    threshold_rows: int
    score: str = "absolute"
    smoothing: int = 4
    threshold: str = "quantile"
    quantile: int = 9900
    factor: int = 24
    follow: int = 0
    learn_while: str = "never"

    def __post_init__(self) -> None:
        for name, allowed in (("score", SCORES), ("threshold", THRESHOLDS), ("learn_while", LEARN_WHILE)):
            if getattr(self, name) not in allowed:
                raise unknown(name.replace("_", " "), getattr(self, name), allowed)
        for name, lowest, highest in (
            ("train_rows", 0, 10**12),
            ("threshold_rows", 1, MOST_THRESHOLD_ROWS),
            ("smoothing", 0, 12),
            ("quantile", 0, d.QUANTILE_ONE),
            ("factor", 1, 4095),
        ):
            value = getattr(self, name)
            if not lowest <= value <= highest:
                raise UserError(f"{name} {value} is out of range; give {lowest:,} to {highest:,}")
        if self.follow and not 4 <= self.follow <= 12:
            raise UserError(f"follow {self.follow} is out of range; give 0 for a fixed threshold, or 4 to 12")
        if self.n_kept > MOST_KEPT:
            raise UserError(
                f"the quantile {self.quantile / d.QUANTILE_ONE:g} of {self.threshold_rows:,} rows takes their "
                f"{self.n_kept:,} largest scores, and {MOST_KEPT:,} are kept at most; give a higher "
                "--threshold-quantile, or fewer --threshold-rows"
            )

    @property
    def n_kept(self) -> int:
        """Count the smoothed scores that are kept during the threshold phase: its largest ones."""
        if self.threshold == "deviation":
            return 1
        above = self.threshold_rows * (d.QUANTILE_ONE - self.quantile) // d.QUANTILE_ONE
        return min(self.threshold_rows, 1 + above)

    @property
    def update_gate(self) -> str:
        """Return the update gate of the network that the detector judges."""
        return "normal" if self.learn_while == "normal" else "always"

    @property
    def settings(self) -> np.ndarray:
        """Return the settings as the kernels take them: int64[DETECTOR_SETTINGS]."""
        settings = np.zeros(d.DETECTOR_SETTINGS, np.int64)
        settings[d.ACTIVE], settings[d.SQUARED] = 1, self.score == "squared"
        settings[d.SMOOTHING], settings[d.DEVIATIONS] = self.smoothing, self.threshold == "deviation"
        settings[d.TRAIN_ROWS], settings[d.THRESHOLD_ROWS] = self.train_rows, self.threshold_rows
        settings[d.QUANTILE], settings[d.FACTOR], settings[d.FOLLOW] = self.quantile, self.factor, self.follow
        settings[d.LEARN_WHILE] = LEARN_WHILE.index(self.learn_while)
        return settings


class AnomalyDetector:
    """A detector with its state.

    Example
    -------
    >>> detector = AnomalyDetector(DetectorSpec(0, 3, smoothing=0, quantile=10_000, factor=32))
    >>> detector.take([3, 1, 2, 6, 7])[:, d.ROW_ALARM].tolist()
    [0, 0, 0, 0, 1]
    """

    def __init__(self, spec: DetectorSpec) -> None:
        self.spec = spec
        self.settings = spec.settings
        self.state = np.zeros(d.DETECTOR_STATE, np.int64)
        self.kept = np.zeros(spec.n_kept, np.int64)

    def arrays(self, n: int) -> DetectorArrays:
        """Return settings and state for the kernels, with room for what they find in n rows."""
        return DetectorArrays(self.settings, self.state, self.kept, np.zeros((n, d.ROW_COLUMNS), np.int64))

    def take(self, scores: list[int] | np.ndarray) -> np.ndarray:
        """Take scores from elsewhere, whole numbers; return what became of them, int64[n, ROW_COLUMNS]."""
        from edgelearn.network.kernels.detector import judge_row  # numba is imported when a detector starts

        arrays = self.arrays(len(scores))
        for s, score in enumerate(scores):
            judge_row(int(score), s, arrays)
        return arrays.rows

    @property
    def threshold(self) -> float | None:
        """Threshold of smoothed scores, None before it is set."""
        if self.state[d.ROWS] < self.spec.train_rows + self.spec.threshold_rows:
            return None
        return float(self.state[d.LIMIT]) / 256

    @property
    def phase(self) -> str:
        """Phase of the next row that reaches the network."""
        rows = self.state[d.ROWS]
        if rows < self.spec.train_rows:
            return "train"
        return "threshold" if rows < self.spec.train_rows + self.spec.threshold_rows else "detect"

    def begin(self) -> None:
        """Begin anew with the first phase; alarms and saturated scores are counted on."""
        counts = self.state[[d.ALARMS, d.SATURATED]]
        self.state[:], self.kept[:] = 0, 0
        self.state[[d.ALARMS, d.SATURATED]] = counts

    def save(self) -> dict[str, np.ndarray]:
        """Return everything that changes, as plain arrays."""
        return {"state": self.state.copy(), "kept": self.kept.copy()}

    def restore(self, saved: dict[str, np.ndarray]) -> None:
        """Continue from what `save` returned."""
        self.state[:], self.kept[:] = saved["state"], saved["kept"]
