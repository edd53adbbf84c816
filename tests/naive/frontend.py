"""Section 10 of the contract in plain integers: one sample of a sensor in, one row of input levels out, now and then."""

import math

from .words import rdiv, rn, sat, shr

FRACTION = 256  # mean, deviation and the value last sent keep 8 fraction bits
CROSSINGS = 5  # the one statistic that is no word of the sensor


def statistics(window: list[int | None]) -> list[int | None]:
    """The six features of one channel's window, oldest word first; None is a value that is missing."""
    words = [word for word in window if word is not None]
    n = len(words)
    if n == 0:
        return [None] * 6
    mean = sum(words) // n
    return [
        mean,
        sum(abs(v - mean) for v in words) // n,
        min(words),
        max(words),
        sum(abs(words[i] - words[i - 1]) for i in range(1, n)) // max(n - 1, 1),
        4096 * sum((words[i] >= mean) != (words[i - 1] >= mean) for i in range(1, n)),
    ]


class NaiveFrontEnd:
    """Words, window, features, normaliser and encoder of a recording with several channels.

    Lists over features: a feature is a word of the window (oldest first, channels together), or one of six a channel.
    """

    def __init__(
        self,
        n_channels: int,
        window: int,
        stride: int,
        features: str,
        tau: int,
        reach: int,
        encoder: str,
        input_bits: int,
        thresholds: int = 1,
        input_threshold: int = 0,
        delta: int = 16,
        least_deviation: int = 0,
    ) -> None:
        if features not in ("samples", "statistics"):
            raise ValueError(f"features '{features}' are not known")
        if encoder not in ("signed", "levels", "on-off", "threshold", "delta"):
            raise ValueError(f"encoder '{encoder}' is not known")
        if features == "statistics" and window < 2:
            raise ValueError("statistics of one sample have no steps")
        self.n_channels = n_channels
        self.window_length = window
        self.stride = stride
        self.features = features
        self.tau = tau
        self.reach = reach
        self.encoder = encoder
        self.thresholds = thresholds
        self.input_threshold = input_threshold
        self.delta = delta
        self.least_deviation = least_deviation  # in place of A = 0 in rows that adapt nothing (section 12)
        self.top = 127 if encoder == "threshold" else (1 << (input_bits - 1 if encoder == "signed" else input_bits)) - 1
        self.n_features = (window if features == "samples" else 6) * n_channels

        self.exponents: list[int | None] = [None] * n_channels  # E; None until a value is not zero
        self.window: list[list[int | None]] = [[] for _ in range(n_channels)]
        self.segment: int | None = None
        self.samples = 0  # of this segment
        self.rows = [0] * self.n_features  # that were learned and had a value
        self.means = [0] * self.n_features  # M
        self.deviations = [0] * self.n_features  # A
        self.sent = [0] * self.n_features  # R; that of a feature counts from the first row with a value
        self.label: int | None = None  # of the last row

    def row(
        self, x: list[float], label: int, segment: int, learn: bool = True, sends: bool | None = None
    ) -> list[int] | None:
        """The levels of the row that ends with this sample, None where none ends; its label is `self.label`.

        R of the delta encoder moves with rows that adapt the statistics, and with others where `sends` says so.
        """
        if segment != self.segment:
            self.segment = segment
            self.samples = 0
            self.window = [[] for _ in range(self.n_channels)]
        for channel, value in enumerate(x):
            self._grow(channel, float(value))
            words = [*self.window[channel], self._word(channel, float(value))]
            self.window[channel] = words[-self.window_length :]
        self.samples += 1
        beyond = self.samples - self.window_length
        if beyond < 0 or beyond % self.stride != 0:
            return None
        self.label = label
        values = self._values()
        if learn:
            self._normalise(values)
        self._least = 0 if learn else self.least_deviation
        if self.encoder == "delta":
            return self._delta_levels(values, learn, learn if sends is None else sends)
        return self._levels(values)

    # --- words ----------------------------------------------------------------------------------------------

    def _grow(self, channel: int, x: float) -> None:
        """A larger exponent makes the unit larger: what is kept in the old unit is shifted, rounded once."""
        if x == 0 or math.isnan(x):
            return
        exponent = math.frexp(x)[1]  # |x| < 2^exponent, and not below half of it
        old = self.exponents[channel]
        if old is None:
            self.exponents[channel] = exponent  # all that is kept is zero
        elif exponent > old:
            self.exponents[channel] = exponent
            self._shift(channel, min(exponent - old, 31))

    def _shift(self, channel: int, s: int) -> None:
        self.window[channel] = [None if v is None else rn(v, s) for v in self.window[channel]]
        for kept in (self.means, self.deviations, self.sent):
            for f in self._features_of(channel):
                kept[f] = rn(kept[f], s)

    def _features_of(self, channel: int) -> list[int]:
        """The features of a channel that are in units of its words."""
        if self.features == "samples":
            return list(range(channel, self.n_features, self.n_channels))
        return [6 * channel + i for i in range(6) if i != CROSSINGS]

    def _word(self, channel: int, x: float) -> int | None:
        """None where the value is missing (NaN). Times a power of two is exact, and round() takes ties to even."""
        if math.isnan(x):
            return None
        exponent = self.exponents[channel]
        return 0 if exponent is None else round(math.ldexp(x, 22 - exponent))

    def _values(self) -> list[int | None]:
        if self.features == "statistics":
            return [value for words in self.window for value in statistics(words)]
        return [words[position] for position in range(self.window_length) for words in self.window]

    # --- normaliser -----------------------------------------------------------------------------------------

    def _normalise(self, values: list[int | None]) -> None:
        for f, v in enumerate(values):
            if v is None:
                continue
            k = min(self.tau, self.rows[f].bit_length())
            distance = FRACTION * v - self.means[f]
            if self.rows[f] > 0:
                self.deviations[f] += rn(abs(distance) - self.deviations[f], k)
            self.means[f] += rn(distance, k)
            self.rows[f] += 1

    def _deviation(self, f: int) -> int:
        return self._least if self.deviations[f] == 0 and self.rows[f] > 0 else self.deviations[f]

    def _normalised(self, f: int, v: int) -> int:
        """u: `reach` deviations from the mean are the top."""
        deviation = self._deviation(f)
        if deviation == 0:
            return 0
        u = rdiv((FRACTION * v - self.means[f]) * self.top, self.reach * deviation)
        return sat(u, -self.top, self.top)

    # --- encoders -------------------------------------------------------------------------------------------

    def _levels(self, values: list[int | None]) -> list[int]:
        row = []
        for f, v in enumerate(values):
            if v is None:
                row += [0] * {"levels": 1, "signed": 1, "on-off": 2}.get(self.encoder, 2 * self.thresholds)
                continue
            u = self._normalised(f, v)
            if self.encoder == "levels":
                row += [shr(u + self.top + 1, 1)]
            elif self.encoder == "signed":
                row += [0 if abs(u) <= self.input_threshold else u]
            elif self.encoder == "on-off":
                row += [0, 0] if abs(u) <= self.input_threshold else [max(u, 0), max(-u, 0)]
            else:
                marks = [rdiv((j + 1) * 127, self.thresholds + 1) for j in range(self.thresholds)]
                row += [int(u >= mark) for mark in marks] + [int(u <= -mark) for mark in marks]
        return row

    def _delta_levels(self, values: list[int | None], learn: bool, sends: bool) -> list[int]:
        """How many steps the value went up or down since it was last sent."""
        sent = list(self.sent)
        row = []
        for f, v in enumerate(values):
            if v is None:
                row += [0, 0]
                continue
            if self.rows[f] == (1 if learn else 0):  # this is the first one
                sent[f] = FRACTION * v
            way = FRACTION * v - sent[f]
            step = rdiv(self._deviation(f) * self.delta, 16)
            c = min(abs(way) // step, self.top) if step > 0 else 0
            row += [c, 0] if way > 0 else [0, c]
            sent[f] += c * step if way > 0 else -c * step
        if sends:
            self.sent = sent
        return row
