"""A predictor of branches on any stream of two classes: one output over bits of its channels and the last labels.

A channel's value v becomes 2 T + 1 bits of -1 and 1 against its own running mean M and mean absolute deviation A, in
integers (the front end of the contract, section 10: u = 127 (v - M) / (reach A), rounded, cut to -127 and 127):

    bit j is 1 where u >= rdiv(127 j, T + 1), j = -T to T

The last labels are inputs as they are, -1 and 1. A row of words of 8 bits predicts class 1 where its sum is 0 or above;
it is a perceptron or a row of two layers (`two_layer`). The row may be chosen by the highest bits of a channel, such as
the hour of the day, and by the last labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgelearn.branch.base import MOST_DELAY, check
from edgelearn.branch.kernels import two_layer as kernel
from edgelearn.branch.two_layer import FROZEN, GENERATOR_BITS, RULES, TwoLayerSpec
from edgelearn.data.open_source import open_source
from edgelearn.data.source import UNLABELLED, Block, Source
from edgelearn.errors import UserError, unknown
from edgelearn.streaming.front_end import FrontEnd, FrontEndSpec
from experiments.binary_kernel import run_binary

PERCEPTRON = "perceptron"
KINDS = (PERCEPTRON, *RULES)
TOP = 127  # largest normalised value
STATISTIC_BITS = 32  # of a mean or a deviation: a word of 22 bits, 8 fraction bits, sign
SPREAD, V0 = 20, 64  # first words of two layers
EXPONENT_BITS = 9  # of a channel's largest exponent so far, float32 and "unseen"


@dataclass(frozen=True)
class BinarySpec:
    """Settings of a learner with one output on a stream of two classes.

    Parameters
    ----------
    n_channels : values of a sample
    kind : "perceptron", or a rule of `two_layer.RULES`
    hidden : units of a row of two layers
    thresholds : T, on each side of the mean; 0 gives the sign alone
    reach : mean absolute deviations that u = 127 stands for
    time_constant : mean and deviation follow the last 2^time_constant samples
    history : k, last labels that are inputs
    path : how many of them choose the row
    row_channel : channel, 0 the first, whose bits choose the row; None for one group of rows
    theta : margin within which right predictions are learned; None gives floor(1.93 * inputs + 14) to perceptrons and
        120 to two layers
    delay : samples that are predicted before the label of a sample is there
    seed : of the generator of two layers

    Raises
    ------
    UserError : "kind ...", "channels ...", "hidden units ..." and so on

    Example
    -------
    >>> spec = BinarySpec(8, thresholds=1, history=4)
    >>> spec.n_inputs, spec.rows, spec.row_words, spec.storage
    (28, 1, 29, {'weights': 232, 'normalisers': 593, 'thresholds': 24, 'history': 4, 'in_flight': 0, 'generator': 0})
    """

    n_channels: int
    kind: str = PERCEPTRON
    hidden: int = 4
    thresholds: int = 2
    reach: int = 2
    time_constant: int = 8
    history: int = 8
    path: int = 0
    row_channel: int | None = None
    theta: int | None = None
    delay: int = 0
    seed: int = 7

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown("kind", self.kind, KINDS)
        check("channels", self.n_channels, 1, 16_000)
        check("hidden units", self.hidden, 1, 256)
        check("thresholds", self.thresholds, 0, 63)
        check("reach", self.reach, 1, 64)
        check("time constant", self.time_constant, 0, 24)
        check("history", self.history, 0, 1000)
        if self.has_hidden:
            check("number of inputs of two layers", self.n_inputs, 1, 1024)
        check("path", self.path, 0, min(self.history, 16))
        if self.row_channel is not None:
            check("row channel", self.row_channel, 0, self.n_channels - 1)
        check("theta", self.margin, 0, 1 << 20)
        check("delay", self.delay, 0, MOST_DELAY)
        check("seed", self.seed, 0, (1 << 32) - 1)

    @property
    def name(self) -> str:
        """Return kind, hidden units and inputs: mdfa:4x28, perceptron:28."""
        return f"{self.kind}:{f'{self.hidden}x' if self.has_hidden else ''}{self.n_inputs}"

    @property
    def has_hidden(self) -> bool:
        return self.kind != PERCEPTRON

    @property
    def levels(self) -> tuple[int, ...]:
        """Return the values of u that bits compare with, rising."""
        parts = self.thresholds + 1
        return tuple((2 * TOP * j + parts) // (2 * parts) for j in range(-self.thresholds, self.thresholds + 1))

    @property
    def n_bits(self) -> int:
        """Count the bits of a sample."""
        return self.n_channels * len(self.levels)

    @property
    def n_inputs(self) -> int:
        """Count bits and labels that a row sees."""
        return self.n_bits + self.history

    @property
    def rows(self) -> int:
        groups = 1 if self.row_channel is None else len(self.levels) + 1
        return groups << self.path

    @property
    def row_words(self) -> int:
        """Count the words of 8 bits of a row."""
        return self.hidden * (self.n_inputs + 2) + 1 if self.has_hidden else self.n_inputs + 1

    @property
    def margin(self) -> int:
        if self.theta is not None:
            return self.theta
        return 120 if self.has_hidden else (193 * self.n_inputs + 1400) // 100

    @property
    def storage(self) -> dict[str, int]:
        """Return bits by what they hold.

        Normalisers are a mean, a deviation and an exponent a channel, and one count of samples. In flight are the
        inputs of samples without a label yet, their rows, whether they were wrong, and whether within the margin.
        """
        row_bits = (self.rows - 1).bit_length()
        return {
            "weights": 8 * self.rows * self.row_words,
            "normalisers": self.n_channels * (2 * STATISTIC_BITS + EXPONENT_BITS) + self.time_constant + 1,
            "thresholds": 8 * len(self.levels),
            "history": self.history,
            "in_flight": self.delay * (self.n_inputs + row_bits + 2),
            "generator": GENERATOR_BITS if self.has_hidden else 0,
        }

    @property
    def storage_bits(self) -> int:
        """Return all bits of state."""
        return sum(self.storage.values())

    def kernel_settings(self) -> np.ndarray:
        """Return the settings as kernels read them, int64; hidden 0 for a perceptron."""
        settings = TwoLayerSpec(
            rule=self.kind if self.has_hidden else FROZEN, rows=self.rows, theta=self.margin, delay=self.delay
        ).settings()
        settings[kernel.HIDDEN], settings[kernel.LENGTH] = self.hidden if self.has_hidden else 0, self.n_inputs
        settings[kernel.SPREAD], settings[kernel.V0] = SPREAD, V0
        return settings


class BinaryLearner:
    """Words and state of a learner with one output; however a stream is cut into blocks, the bits are the same.

    Parameters
    ----------
    spec : settings

    Example
    -------
    >>> learner = BinaryLearner(BinarySpec(1, thresholds=0, reach=1, history=0))
    >>> x = np.array([[0.0], [1.0], [-1.0], [1.0], [-1.0], [1.0]], np.float32)
    >>> learner.run(x, np.array([1, 1, 0, 1, 0, 1])).tolist()
    [1, 1, 1, 1, 0, 1]
    """

    def __init__(self, spec: BinarySpec) -> None:
        self.spec = spec
        self.front_end = FrontEnd(
            FrontEndSpec(
                spec.n_channels, time_constant=spec.time_constant, reach=spec.reach, encoder="signed", input_bits=8
            )
        )
        self.words = np.zeros((spec.rows, spec.row_words), np.int8)
        self._settings = spec.kernel_settings()
        self._generator = np.array([spec.seed | 1], np.uint32).view(np.int32)
        if spec.has_hidden:
            self._generator[0] = kernel.fill_all(self.words, self._settings, self._generator[0])
        self._levels = np.array(spec.levels, np.int8)
        self._history = np.full(spec.history, -1, np.int8)
        self._state = np.zeros(2, np.int64)
        self._z = np.zeros(spec.hidden, np.int32)
        self._flight_row = np.zeros(spec.delay + 1, np.int64)
        self._flight_x = np.zeros((spec.delay + 1, spec.n_inputs), np.int8)
        self._flight = np.zeros((spec.delay + 1, 3), np.int8)
        self._counts = np.zeros(5, np.int64)

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def storage_bits(self) -> int:
        return self.spec.storage_bits

    @property
    def counters(self) -> dict[str, int]:
        """Return samples, misses among those with a label, and trained samples so far."""
        samples, misses, trained = self._counts[:3].tolist()
        return {"samples": samples, "misses": misses, "trained": trained}

    def bits(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Move the normalisers over samples; return their bits and groups of rows.

        Parameters
        ----------
        x : float32[n, n_channels]

        Returns
        -------
        int8[n, n_bits] of -1 and 1, a channel's bits side by side; int64[n]

        Raises
        ------
        UserError : "samples have ..."
        """
        if x.ndim != 2 or x.shape[1] != self.spec.n_channels:
            raise UserError(f"samples have shape {list(x.shape)}; give [n, {self.spec.n_channels}]")
        levels = self.front_end.rows(x, np.zeros(len(x), np.int64)).levels
        above = levels[:, :, None] >= self._levels
        channel = self.spec.row_channel
        group = np.zeros(len(x), np.int64) if channel is None else above[:, channel].sum(axis=1, dtype=np.int64)
        return np.where(above, np.int8(1), np.int8(-1)).reshape(len(x), self.spec.n_bits), group

    def run(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Predict consecutive samples, each before its label is learned.

        Parameters
        ----------
        x : float32[n, n_channels]; y : int64[n], 0, 1, or -1 where no label ever comes

        Returns
        -------
        int64[n], 0 or 1

        Raises
        ------
        UserError : "samples have ...", "labels ..."
        """
        if y.shape != x.shape[:1]:
            raise UserError(f"labels have shape {list(y.shape)}; give one for each of {len(x)} samples")
        if len(y) and not (y.min() >= UNLABELLED and y.max() <= 1):
            wrong = y[(y < UNLABELLED) | (y > 1)][0]
            raise UserError(f"label {wrong} is not one of two classes; give 0, 1, or -1 where none is known")
        bits, group = self.bits(x)
        predicted = np.zeros(len(x), np.uint8)
        run_binary(
            bits, group, y.astype(np.int8), predicted, self.words, self._history, self.spec.path, self._state,
            self._generator, self._settings, self._z, self._flight_row, self._flight_x, self._flight, self._counts,
        )  # fmt: skip
        return predicted.astype(np.int64)


def require_two_classes(source: Source) -> Source:
    """Return the source.

    Raises
    ------
    UserError : "stream '...' has N classes ..."
    """
    if source.n_classes != 2:
        raise UserError(
            f"stream '{source.name}' has {source.n_classes} classes; one output tells two apart: "
            "give a stream of two classes, such as elec2"
        )
    return source


def open_binary(data: str, **options: Any) -> Source:
    """Open a stream of two classes; `data` and options as in `open_source`.

    Raises
    ------
    UserError : "stream '...' has N classes ...", and those of `open_source`
    """
    return require_two_classes(open_source(data, **options))


def predicted_blocks(learner: BinaryLearner, source: Source) -> Iterator[tuple[Block, np.ndarray]]:
    """Give each block of a stream and what was predicted before its labels were learned, int64[n].

    Raises
    ------
    UserError : "stream '...' has N classes ...", "stream '...' has N channels ..."
    """
    require_two_classes(source)
    if len(source.channels) != learner.spec.n_channels:
        raise UserError(
            f"stream '{source.name}' has {len(source.channels)} channels, not {learner.spec.n_channels}; "
            f"give n_channels={len(source.channels)}"
        )
    for block in source.blocks():
        yield block, learner.run(block.x, block.y)
