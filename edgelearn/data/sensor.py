"""A synthetic sensor of many channels that changes at known samples: a stream without files, of any length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.recordings import BLOCK, check_same, check_start, state_of
from edgelearn.data.source import Block, ColumnsUsed, Rejects
from edgelearn.errors import UserError, unknown

Kind = Literal["none", "abrupt", "gradual", "recurring"]
N_SAMPLES = 20_000
STREAMS: dict[str, Kind] = {
    "drift": "abrupt",
    "drift-gradual": "gradual",
    "drift-recurring": "recurring",
}

SPREAD = 3.5  # distance of a cluster from the centre of its class, in standard deviations of the noise
CENTRE = 1.5  # distance of a class's centre from the origin
N_TRIES = 64
_SHAPES = 1 << 63  # key of the draws that make the clusters; blocks have the keys below


class DriftingSensor:
    """Give samples of classes whose clusters move at known points.

    A class is two clusters on opposite sides of its centre, near the origin: a linear readout separates little of it,
    a hidden layer most. Every block is drawn from (seed, number of the block) alone, in whole numbers and exactly
    rounded operations: the bytes are the same on every machine and from whatever block one starts.

    Parameters
    ----------
    kind : "none" never changes; "abrupt" has new clusters at 1/3 and at 2/3 of the stream; "gradual" moves in
        straight lines from 1/3 to 2/3; "recurring" goes to new clusters and back at every quarter (A B A B)
    n_samples, n_channels, n_classes : the size
    rate_hz : samples per second
    mean_run : 1 draws every label by itself; more: labels stay for so many samples on average
    seed : another seed is another sensor
    name : what reports call it

    Raises
    ------
    UserError
        "kind '...' is not known ...", "n_samples 0 is out of range ..."

    Example
    -------
    >>> sensor = DriftingSensor("abrupt", n_samples=9000)
    >>> sensor.drift_points, [len(block) for block in sensor.blocks(8000)]
    ((3000, 6000), [192, 808])
    """

    def __init__(
        self,
        kind: Kind = "abrupt",
        n_samples: int = N_SAMPLES,
        n_channels: int = 8,
        n_classes: int = 4,
        rate_hz: float = 50.0,
        mean_run: int = 1,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        if kind not in get_args(Kind):
            raise unknown("kind", kind, get_args(Kind))
        limits = {"n_samples": (n_samples, 1), "n_channels": (n_channels, 1), "n_classes": (n_classes, 2)}
        for label, (value, least) in (limits | {"mean_run": (mean_run, 1), "seed": (seed, 0)}).items():
            if value < least:
                raise UserError(f"{label} {value} is out of range; give {least} or more")
        if not 0 < rate_hz < float("inf"):
            raise UserError(f"rate_hz {rate_hz} is out of range; give samples per second, above 0")
        self.kind, self.n_samples, self.seed = kind, n_samples, seed
        self._rate_hz = float(rate_hz)
        self.rate_hz: float | None = self._rate_hz
        self.name = name or f"sensor-{kind}"
        self.source = f"synthetic sensor, drift {kind}, seed {seed}"
        self.channels = tuple(f"channel {number + 1}" for number in range(n_channels))
        self.class_names = tuple(f"class {number + 1}" for number in range(n_classes))
        self.rejects = Rejects()
        self.notes: list[str] = []
        self.columns_used = ColumnsUsed(self.channels, label="class", rate_hz=self._rate_hz)
        self.has_clock = True
        self._mean_run = mean_run
        parts = {"none": 1, "abrupt": 3, "gradual": 3, "recurring": 4}[kind]
        limits_of_parts = [part * n_samples // parts for part in range(1, parts)]
        self._changes = np.array(limits_of_parts, np.int64)
        known = limits_of_parts[:1] if kind == "gradual" else limits_of_parts
        self.drift_points = tuple(sorted({point for point in known if point > 0}))
        n_stretches = len(self.drift_points) + 1
        self.concepts = tuple(k % 2 if kind == "recurring" else k for k in range(n_stretches))
        # [concept, class, side, channel]
        self._clusters = np.stack([self._draw_clusters(concept) for concept in range(3)])

    @property
    def n_classes(self) -> int:
        """Count the classes."""
        return len(self.class_names)

    def _words(self, key: int, n: int) -> NDArray[np.uint64]:
        return np.random.Philox(key=np.array([self.seed, key], np.uint64)).random_raw(n)

    def _draw_clusters(self, concept: int) -> NDArray[np.float64]:
        """Return float64 [n_classes, 2, n_channels], the set of several draws whose clusters lie farthest apart."""
        n_classes, n_channels = self.n_classes, len(self.channels)
        words = self._words(_SHAPES + concept, N_TRIES * 2 * n_classes * n_channels)
        best, widest = np.empty(0), -1.0
        for draw in words.reshape(N_TRIES, 2, n_classes, n_channels):
            directions = (draw >> np.uint64(11)).astype(np.float64) / 2.0**52 - 1.0
            directions /= np.sqrt(_squares(directions))[..., None]
            centre, arm = CENTRE * directions[0], SPREAD * directions[1]
            clusters = np.stack([centre + arm, centre - arm], axis=1)
            flat = clusters.reshape(-1, n_channels)
            least = min(
                float(_squares(flat[i] - flat[j])) for i in range(len(flat)) for j in range(i) if i // 2 != j // 2
            )
            if least > widest:
                best, widest = clusters, least
        return best

    def blocks(self, start: int = 0) -> Iterator[Block]:
        """Give the samples from number `start` on; nothing before them is drawn but the rest of their block."""
        check_start(start)
        start = min(start, self.n_samples)
        for number in range(start // BLOCK, -(-self.n_samples // BLOCK)):
            first = number * BLOCK
            part = slice(max(start - first, 0), min(self.n_samples - first, BLOCK))
            if part.start == part.stop:
                return
            x, y = self._draw(number)
            n = np.arange(first, first + BLOCK)
            yield Block(x[part], y[part], (n / self._rate_hz)[part], np.zeros(BLOCK, np.int64)[part])

    def _draw(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Draw a whole block, whatever the length of the stream."""
        n_channels = len(self.channels)
        words = self._words(number, BLOCK * (n_channels + 1))
        choice, noise = words[:BLOCK], words[BLOCK:]
        y = ((choice >> np.uint64(32)) % np.uint64(self.n_classes)).astype(np.int64)
        side = (choice & np.uint64(1)).astype(np.int64)
        if self._mean_run > 1:
            starts = ((choice >> np.uint64(1)) & np.uint64(0x7FFFFFFF)) % np.uint64(self._mean_run) == 0
            starts[0] = True
            y = y[np.maximum.accumulate(np.where(starts, np.arange(BLOCK), 0))]
        # The sum of four uniform numbers is nearly normal, and exact where logarithms differ between machines.
        quarters = noise.view(np.uint16).reshape(BLOCK, n_channels, 4)
        total = quarters[..., 0].astype(np.int32)
        for k in range(1, 4):
            total += quarters[..., k]
        x = self._centres(number * BLOCK, y, side)
        x += (total - 2 * 65535) * (np.sqrt(3.0) / 65536)
        return x.astype(np.float32), y

    def _centres(self, first: int, y: NDArray[np.int64], side: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return float64 [BLOCK, n_channels], the cluster of each sample at its time."""
        n = np.arange(first, first + BLOCK)
        if self.kind == "gradual":
            begin, end = self._changes
            way = np.clip((n - begin) / max(end - begin, 1), 0.0, 1.0)[:, None]
            return np.asarray(self._clusters[0][y, side] * (1.0 - way) + self._clusters[1][y, side] * way)
        concept = np.searchsorted(self._changes, n, side="right")
        if self.kind == "recurring":
            concept = concept % 2
        return np.asarray(self._clusters[concept, y, side])

    def state(self) -> dict[str, Any]:
        """Return channels, classes and what else the samples follow from."""
        return state_of(self) | {"kind": self.kind, "n_samples": self.n_samples, "seed": self.seed}

    def restore(self, state: dict[str, Any]) -> None:
        """Check that the state is of the same sensor.

        Raises
        ------
        UserError
            "stream '...' has other ..." or "stream '...' was saved with ..."
        """
        check_same(self, state)
        for key in ("kind", "n_samples", "seed"):
            if key in state and state[key] != getattr(self, key):
                raise UserError(
                    f"stream '{self.name}' was saved with {key} {state[key]} and has {getattr(self, key)}; "
                    "give the same, or start again"
                )


def _squares(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum squares over the channels one after another: numpy's own order of sums differs between machines."""
    total = np.zeros(vectors.shape[:-1])
    for channel in range(vectors.shape[-1]):
        total = total + vectors[..., channel] * vectors[..., channel]
    return total
