"""The anomaly detector of section 12, one row at a time: scores, decaying mean, threshold and phases in plain integers."""

from typing import NamedTuple

from .words import sat, shr

LARGEST_SCORE = 2**32 - 1


def rounded(x: int, s: int) -> int:
    """rn for integers of any length and shifts of the detector, which are never negative."""
    return x if s == 0 else shr(x + (1 << (s - 1)), s)


class Judged(NamedTuple):
    """What a row came to: threshold and alarm exist in the phase detect alone."""

    score: int
    smoothed: int  # m, 8 fraction bits
    phase: str
    threshold: int  # L, 0 in other phases
    alarm: bool


class NaiveDetector:
    """Settings by the letters of the contract; all scores of the phase threshold are kept, not just the largest.

    Parameters
    ----------
    train, threshold : T and H, in rows
    smoothing, quantile, factor, follow : S, Q, F and R
    squared, deviations : score of squares; threshold from the mean deviation
    learn_while : "normal", "always" or "never"
    """

    def __init__(
        self,
        *,
        train: int,
        threshold: int,
        smoothing: int,
        quantile: int,
        factor: int,
        follow: int,
        squared: bool,
        deviations: bool,
        learn_while: str,
    ) -> None:
        if not (train >= 0 and 1 <= threshold < 2**22 and 0 <= smoothing <= 12 and 0 <= quantile <= 10_000):
            raise ValueError("T, H, S or Q is outside its range")
        if not 1 <= factor <= 4095 or (follow and not 4 <= follow <= 12):
            raise ValueError("F or R is outside its range")
        self.train, self.threshold, self.smoothing = train, threshold, smoothing
        self.quantile, self.factor, self.follow = quantile, factor, follow
        self.squared, self.deviations, self.learn_while = squared, deviations, learn_while
        self.rows = 0  # r: rows that have reached the network
        self.smoothed = 0
        self.stretch: list[int] = []  # m of the rows of the phase threshold
        self.sum = self.spread = 0  # U and V
        self.mean = self.deviation = self.base = self.limit = 0  # M, D, B and L

    @property
    def phase(self) -> str:
        """The phase of the row at hand."""
        if self.rows < self.train:
            return "train"
        return "threshold" if self.rows < self.train + self.threshold else "detect"

    @property
    def may_learn(self) -> bool:
        """A row that may not is one without a label in every respect."""
        return self.phase == "train" or (self.phase == "detect" and self.learn_while != "never")

    def score(self, outputs: list[int], targets: list[int]) -> int:
        total = 0
        for y, t in zip(outputs, targets, strict=True):
            total += (y - t) ** 2 if self.squared else abs(y - t)
        return sat(total, 0, LARGEST_SCORE)

    def judge(self, score: int) -> Judged:
        """Take the score of the row at hand, which is over then."""
        phase = self.phase
        if self.rows == 0:
            self.smoothed = 256 * score
        else:
            self.smoothed += rounded(256 * score - self.smoothed, self.smoothing)
        judged = Judged(score, self.smoothed, phase, 0, False)
        if phase == "threshold":
            self._collect()
        if phase == "detect":
            judged = judged._replace(threshold=self.limit, alarm=self.smoothed > self.limit)
            if self.follow and not judged.alarm:
                self._follow()
        self.rows += 1
        return judged

    def gates(self, judged: Judged) -> bool:
        """Is a row that may be learned held back by its alarm."""
        return self.learn_while == "normal" and judged.alarm

    def _collect(self) -> None:
        self.stretch.append(self.smoothed)
        n = len(self.stretch) - 1
        self.sum += self.smoothed
        self.spread += abs(self.smoothed - self.sum // (n + 1))
        h = self.threshold
        if n < h - 1:
            return
        kth = min(h, 1 + h * (10_000 - self.quantile) // 10_000)
        self.base = 256 * sorted(self.stretch, reverse=True)[kth - 1]
        self.mean, self.deviation = self.sum // h, self.spread // h
        self._set_limit()

    def _follow(self) -> None:
        if self.deviations:
            apart = self.smoothed - self.mean
            self.deviation += rounded(abs(apart) - self.deviation, self.follow)
            self.mean += rounded(apart, self.follow)
        else:
            step = shr(self.base, self.follow)
            if 256 * self.smoothed > self.base:
                self.base += step * self.quantile // 10_000
            else:
                self.base -= step * (10_000 - self.quantile) // 10_000
        self._set_limit()

    def _set_limit(self) -> None:
        if self.deviations:
            self.limit = self.mean + rounded(self.deviation * self.factor, 4)
        else:
            self.limit = rounded(self.base * self.factor, 12)
