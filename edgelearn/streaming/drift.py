"""Accuracy loss and recovery time at known drifts; drift detectors."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from math import ceil
from random import Random
from types import MethodType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.errors import UserError, install, unknown
from edgelearn.streaming.prequential import Ints, State, check_fading, check_settings, check_window, fade, share

MOST_DETECTIONS = 10_000  # positions kept; more are only counted

_DETECTORS = {
    "adwin": ("river.drift", "ADWIN"),
    "ddm": ("river.drift.binary", "DDM"),
    "eddm": ("river.drift.binary", "EDDM"),
    "fhddm": ("river.drift.binary", "FHDDM"),
    "hddm-a": ("river.drift.binary", "HDDMA"),
    "hddm-w": ("river.drift.binary", "HDDMW"),
    "kswin": ("river.drift", "KSWIN"),
    "page-hinkley": ("river.drift", "PageHinkley"),
}
DETECTORS = ("none", *_DETECTORS)


class Recovery:
    """Accuracy around known drift points, and at the return of concepts.

    Parameters
    ----------
    drift_points : numbers of the samples from which on the stream is different, rising
    window : scored samples W in each accuracy
    back : share of the accuracy before a drift that counts as recovered
    fading : factor of the fading accuracy
    concepts : concept of each segment, one more than drift points; None where unknown

    Raises
    ------
    UserError : "drift points ...", "concepts ...", "a window of ...", "fading factor ...", "share ...".

    Notes
    -----
    A segment lasts from one drift point to the next. All windows lie within one segment.

    - before: accuracy of the last W scored samples of the segment before (of all, if it has fewer).
    - lowest: the lowest accuracy of W consecutive scored samples after the drift (of all, if there are fewer);
      lowest_fading: of the fading accuracy, which does not begin anew at a drift. drop = before - lowest.
    - recovery: how long after the drift the first W scored samples end whose accuracy is at least back * before; 0 if
      these are the first of all, and the drift cost nothing; None if there are none before the next drift point or
      the end. In scored samples, and in samples of the stream.
    - forgetting of a concept that returns: accuracy of the last W scored samples of its last segment before, minus that
      of the first W after its return.
    """

    def __init__(
        self,
        drift_points: Sequence[int],
        window: int = 1000,
        back: float = 0.95,
        fading: float = 0.999,
        concepts: Sequence[int] | None = None,
    ) -> None:
        check_window(window)
        check_fading(fading)
        if not 0 < back <= 1:
            raise UserError(f"share {back} of the accuracy before is not possible; give above 0 and up to 1")
        self.drift_points = _drift_points(drift_points)
        n_segments = len(self.drift_points) + 1
        if concepts is not None and len(concepts) != n_segments:
            raise UserError(
                f"concepts are given for {len(concepts)} segments, and {n_segments - 1} drift points make "
                f"{n_segments}; give one concept for each segment"
            )
        self.window, self.back, self.fading, self.concepts = window, back, fading, concepts
        self._segment = 0
        self._scored = np.zeros(n_segments, np.int64)
        self._first_errors = np.zeros(n_segments, np.int64)  # among the first W
        self._last_errors = np.zeros(n_segments, np.int64)  # among the last W
        self._most_errors = np.full(n_segments, -1, np.int64)  # of a full window
        self._lowest_fading = np.ones(n_segments)
        self._recovered = np.full((n_segments, 2), -1, np.int64)  # after so many scored samples, at this position
        self._faded = np.zeros(2)
        self._recent = np.zeros((2, 0), np.int64)  # of the segment's last W: position, whether an error

    def update(self, positions: Ints, errors: NDArray[np.bool_]) -> None:
        """Add consecutive scored samples.

        Parameters
        ----------
        positions : int64 [n], numbers of the samples in the stream, never falling
        errors : bool [n]
        """
        segments = np.searchsorted(self.drift_points, positions, side="right")
        edges = [0, *(np.flatnonzero(np.diff(segments)) + 1).tolist(), len(positions)]
        for start, stop in pairwise(edges):
            if stop > start:
                self._add(int(segments[start]), positions[start:stop], errors[start:stop].astype(np.int64))

    def _add(self, k: int, positions: Ints, errors: Ints) -> None:
        """Add samples of segment k."""
        if k != self._segment:
            self._segment, self._recent = k, self._recent[:, :0]
        size, seen = self.window, int(self._scored[k])
        self._first_errors[k] += errors[: max(0, size - seen)].sum()
        self._scored[k] += len(errors)

        right = fade(1 - errors, self.fading, self._faded[0])
        total = fade(np.ones_like(errors), self.fading, self._faded[1])
        self._faded[:] = right[-1], total[-1]
        self._lowest_fading[k] = min(self._lowest_fading[k], (right / total).min())

        n_recent = self._recent.shape[1]
        recent = np.concatenate([self._recent, np.stack([positions, errors])], axis=1)
        begins = np.arange(max(0, n_recent + 1 - size), recent.shape[1] + 1 - size)  # windows that end in this block
        if len(begins):
            sums = np.concatenate([[0], recent[1].cumsum()])
            wrong = sums[begins + size] - sums[begins]
            self._most_errors[k] = max(self._most_errors[k], wrong.max())
            if self._recovered[k, 0] < 0 and (allowed := self._allowed_errors(k)) is not None:
                enough = np.flatnonzero(wrong <= allowed)
                if len(enough):
                    first, end = seen - n_recent + begins[enough[0]], begins[enough[0]] + size
                    # Only at its end is the accuracy of a window known; the first one says that nothing was lost.
                    here = (0, self.drift_points[k - 1]) if first == 0 else (first + size, recent[0, end - 1] + 1)
                    self._recovered[k] = here
        self._recent = recent[:, -size:]
        self._last_errors[k] = self._recent[1].sum()

    def _allowed_errors(self, k: int) -> int | None:
        """Return the most errors in a window of segment k at which the learner is back."""
        if k == 0 or not self._scored[k - 1]:
            return None
        n = min(int(self._scored[k - 1]), self.window)
        right = n - int(self._last_errors[k - 1])
        return self.window - ceil(round(self.back * self.window * right / n, 9))  # 0.95 is a little less or more

    def state(self) -> State:
        """Return everything as plain arrays, by name."""
        return {
            "settings": np.array([self.window, self.back, self.fading]),
            "drift_points": self.drift_points.copy(),
            "segment": np.array(self._segment),
            "segments": np.stack([self._scored, self._first_errors, self._last_errors, self._most_errors]),
            "lowest_fading": self._lowest_fading.copy(),
            "recovered": self._recovered.copy(),
            "faded": self._faded.copy(),
            "recent": self._recent.copy(),
        }

    def restore(self, state: State) -> None:
        """Continue with what `state` returned, in an object of the same settings.

        Raises
        ------
        UserError : "the state holds ..."
        """
        names = ("window", "back", "fading")
        own = {name: float(getattr(self, name)) for name in names} | {"drift_points": self.drift_points.tolist()}
        saved = dict(zip(names, state["settings"].tolist(), strict=True))
        check_settings("drifts", own, saved | {"drift_points": state["drift_points"].tolist()})
        self._segment = int(state["segment"])
        self._scored, self._first_errors, self._last_errors, self._most_errors = state["segments"].copy()
        self._lowest_fading, self._recovered = state["lowest_fading"].copy(), state["recovered"].copy()
        self._faded, self._recent = state["faded"].copy(), state["recent"].copy()

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values, fractions rounded to 6 digits; None where no sample was scored."""
        return {
            "window": self.window,
            "back": self.back,
            "drifts": [self._drift(k) for k in range(1, len(self._scored))],
            "returns": self._returns(),
        }

    def _last(self, k: int) -> float | None:
        n = min(int(self._scored[k]), self.window)
        return share(n - int(self._last_errors[k]), n)

    def _drift(self, k: int) -> dict[str, Any]:
        point, scored = int(self.drift_points[k - 1]), int(self._scored[k])
        before, lowest = self._last(k - 1), self._last(k)
        if scored >= self.window:
            lowest = share(self.window - int(self._most_errors[k]), self.window)
        after, position = self._recovered[k].tolist()
        return {
            "at": point,
            "scored": scored,
            "before": before,
            "lowest": lowest,
            "drop": _difference(before, lowest),
            "lowest_fading": share(float(self._lowest_fading[k]), 1) if scored else None,
            "recovery_scored": after if after >= 0 else None,
            "recovery_samples": position - point if after >= 0 else None,
        }

    def _returns(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        last: dict[int, int] = {}
        for k, concept in enumerate(self.concepts or ()):
            j = last.get(concept, k)
            last[concept] = k
            if j < k - 1 and self._scored[k]:  # left in between, and back
                n = min(int(self._scored[k]), self.window)
                left, back = self._last(j), share(n - int(self._first_errors[k]), n)
                at = int(self.drift_points[k - 1])
                rows.append({"at": at, "concept": concept, "before": left, "after": back})
                rows[-1]["forgetting"] = _difference(left, back)
        return rows


class Detector:
    """Drift detector of river on the errors of a learner.

    Parameters
    ----------
    kind : one of DETECTORS, with river's default settings; "none" finds nothing
    drift_points : known changes to judge the detector by: numbers of samples, rising
    seed : of the random draws of "kswin"

    Raises
    ------
    UserError : "drift detector ...", "drift points ...".

    Notes
    -----
    A drift is found by the first detection from its point on, before the next point; the delay is counted in samples of
    the stream. All other detections are false alarms. A drift is missed if the stream went past its point and nothing
    found it.
    """

    def __init__(self, kind: str = "none", drift_points: Sequence[int] = (), seed: int = 0) -> None:
        self.kind, self.seed = kind, seed
        self.drift_points = _drift_points(drift_points)
        self._detector = _make(kind, seed)
        self.n_detections = 0
        self._detections: list[int] = []
        self._found = np.full(len(self.drift_points), -1, np.int64)
        self._last = -1  # position of the last sample seen

    def update(self, positions: Ints, errors: NDArray[np.bool_]) -> None:
        """Add consecutive scored samples.

        Parameters
        ----------
        positions : int64 [n], numbers of the samples in the stream, never falling
        errors : bool [n]
        """
        if len(positions):
            self._last = int(positions[-1])
        if self._detector is None:
            return
        for at, error in enumerate(errors.astype(int).tolist()):
            self._detector.update(error)
            if self._detector.drift_detected:
                self._detected(int(positions[at]))

    def _detected(self, position: int) -> None:
        self.n_detections += 1
        if len(self._detections) < MOST_DETECTIONS:
            self._detections.append(position)
        k = int(np.searchsorted(self.drift_points, position, side="right")) - 1
        if k >= 0 and self._found[k] < 0:
            self._found[k] = position

    def state(self) -> State:
        """Return everything as plain arrays, by name; the detector itself as JSON in uint8."""
        packed = {"kind": self.kind, "seed": self.seed, "state": _pack(self._detector)}
        return {
            "drift_points": self.drift_points.copy(),
            "counts": np.array([self.n_detections, self._last]),
            "detections": np.array(self._detections, np.int64),
            "found": self._found.copy(),
            "detector": np.frombuffer(json.dumps(packed, sort_keys=True).encode(), np.uint8),
        }

    def restore(self, state: State) -> None:
        """Continue with what `state` returned, in an object of the same settings.

        Raises
        ------
        UserError : "the state holds ...", "the state of drift detector ...".

        Notes
        -----
        The state holds plain numbers only, which fill a new detector: it can name no class and no function.
        """
        try:
            packed = json.loads(state["detector"].tobytes())
            kind, seed, values = packed["kind"], packed["seed"], packed["state"]
        except (ValueError, KeyError, TypeError):
            raise _unfit(self.kind, "it is damaged") from None
        own = {"kind": self.kind, "seed": self.seed, "drift_points": self.drift_points.tolist()}
        check_settings(
            "a drift detector", own, {"kind": kind, "seed": seed, "drift_points": state["drift_points"].tolist()}
        )
        try:
            self._detector = _fill(_make(kind, seed), values)
        except (ValueError, TypeError) as error:
            raise _unfit(self.kind, str(error)) from None
        self.n_detections, self._last = (int(n) for n in state["counts"])
        self._detections, self._found = state["detections"].tolist(), state["found"].copy()

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        points = self.drift_points[self.drift_points <= self._last].tolist()
        found = self._found[: len(points)].tolist()
        n_found = sum(at >= 0 for at in found)
        return {
            "kind": self.kind,
            "n_detections": self.n_detections,
            "detections": list(self._detections),
            "drifts": [
                {"at": point, "detected": at, "delay": at - point}
                if at >= 0
                else {"at": point, "detected": None, "delay": None}
                for point, at in zip(points, found, strict=True)
            ],
            "missed": len(points) - n_found,
            "false_alarms": self.n_detections - n_found,
        }


def _drift_points(points: Sequence[int]) -> Ints:
    array = np.array(points, np.int64)
    if np.any(np.diff(array) <= 0) or np.any(array < 0):
        raise UserError(
            f"drift points {list(points)} do not rise from 0 on; give each once, in the order of the stream"
        )
    return array


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else share(before - after, 1)


def _make(kind: str, seed: int) -> Any:
    if kind not in DETECTORS:
        raise unknown("drift detector", kind, DETECTORS)
    if kind == "none":
        return None
    module, name = _DETECTORS[kind]
    try:
        made = getattr(import_module(module), name)
    except ImportError:
        raise UserError(f"drift detector '{kind}' needs river; run `{install('streams', 'river')}`") from None
    return made(seed=seed) if kind == "kswin" else made()


def _pack(value: Any) -> Any:
    """Turn a detector into values for JSON: attributes by name, parts written in Rust as their own bytes."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value)
    if isinstance(value, deque):
        return [_pack(item) for item in value]
    if isinstance(value, Random):
        return value.getstate()
    if hasattr(value, "__dict__"):
        return {name: _pack(part) for name, part in vars(value).items() if not isinstance(part, MethodType)}
    return value.__getstate__().hex()


def _fill(blank: Any, packed: Any) -> Any:
    """Return `blank`, a new detector or a part of one, with what `_pack` made of another."""
    if blank is None or isinstance(blank, (bool, int, float, str)):
        if not (packed is None or isinstance(packed, (bool, int, float, str))):
            raise ValueError(f"{type(packed).__name__} in the place of one value")
        return packed
    if isinstance(blank, deque):
        return deque((_fill(0, item) for item in packed), blank.maxlen)
    if isinstance(blank, Random):
        version, words, gauss = packed
        blank.setstate((version, tuple(words), gauss))
    elif hasattr(blank, "__dict__"):
        names = {name for name, part in vars(blank).items() if not isinstance(part, MethodType)}
        if not isinstance(packed, dict) or set(packed) != names:
            raise ValueError(f"other attributes than those of {type(blank).__name__}")
        for name in names:
            vars(blank)[name] = _fill(vars(blank)[name], packed[name])
    else:
        _set_bytes(blank, bytes.fromhex(packed))
    return blank


def _set_bytes(part: Any, content: bytes) -> None:
    try:
        part.__setstate__(content)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # a panic of Rust is no Exception
        raise ValueError(f"{len(content)} bytes that are no {type(part).__name__}") from None


def _unfit(kind: str, reason: str) -> UserError:
    return UserError(
        f"the state of drift detector '{kind}' does not fit ({reason}); "
        "continue with the version of river it began with"
    )
