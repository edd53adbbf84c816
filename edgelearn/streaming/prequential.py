"""Prequential (test-then-train) metrics in constant memory; results do not depend on block boundaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgelearn.errors import UserError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
State = dict[str, NDArray[Any]]

DIGITS = 6  # of every fraction in `as_dict`


class Scored(NamedTuple):
    """Scored samples of a block: indices int64[m], and errors bool[m]."""

    positions: Ints
    errors: NDArray[np.bool_]


class Curve:
    """Learning curve: sums over bins of equal size; pairs of bins merge when there are too many.

    Parameters
    ----------
    points : between `points` and twice as many bins describe a long stream

    Notes
    -----
    A bin holds `size` samples: 1 at first, doubled whenever 2 * points bins are full and a sample more comes. Fractions
    are added one sample after another, so that no sum depends on how blocks are cut.
    """

    def __init__(self, points: int = 200) -> None:
        if points < 1:
            raise UserError(f"{points} curve points are too few; give 1 or more")
        self.points = points
        self.size = 1
        self.n_samples = 0
        self._begin = np.zeros(2 * points, np.int64)
        self._time = np.zeros(2 * points)
        self._scored = np.zeros(2 * points, np.int64)
        self._errors = np.zeros(2 * points, np.int64)
        self._sums: dict[str, NDArray[Any]] = {}

    def __len__(self) -> int:
        return -(-self.n_samples // self.size)

    def add(
        self,
        positions: Ints,
        times: Floats,
        scored: NDArray[np.bool_],
        errors: NDArray[np.bool_],
        extra: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        """Add consecutive samples.

        Parameters
        ----------
        positions : int64 [n], numbers of the samples in the stream
        times : float64 [n], seconds, NaN where unknown
        scored, errors : bool [n]; an error is also scored
        extra : what to sum besides, [n] or one number for each of the samples; whole numbers are summed as int64. The
            first samples settle the names, and which of them are fractions.

        Raises
        ------
        UserError : "the curve sums ...".
        """
        n = len(positions)
        if n == 0:
            return
        columns = self._columns(n, extra or {})
        at = 0
        while at < n:
            if self.n_samples == 2 * self.points * self.size:
                self._merge()
            part = slice(at, at + min(n - at, 2 * self.points * self.size - self.n_samples))
            numbers = self.n_samples + np.arange(part.stop - at)
            bins = numbers // self.size
            first = numbers % self.size == 0
            self._begin[bins[first]] = positions[part][first]
            self._time[bins[first]] = times[part][first]
            np.add.at(self._scored, bins, scored[part])
            np.add.at(self._errors, bins, errors[part])
            for name, column in columns.items():
                np.add.at(self._sums[name], bins, column[part])  # in the order of samples
            self.n_samples += part.stop - at
            at = part.stop

    def _columns(self, n: int, extra: Mapping[str, ArrayLike]) -> dict[str, NDArray[Any]]:
        values = {name: np.asarray(extra[name]) for name in sorted(extra)}
        if self.n_samples == 0:
            kinds = {name: np.float64 if value.dtype.kind == "f" else np.int64 for name, value in values.items()}
            self._sums = {name: np.zeros(2 * self.points, kind) for name, kind in kinds.items()}
        for name, value in values.items():
            if name not in self._sums or not np.can_cast(value.dtype, self._sums[name].dtype, "same_kind"):
                raise UserError(
                    f"the curve sums {_names(self._sums)} since the first sample, not {name} of {value.dtype}; "
                    "give the same quantities with every block"
                )
        if len(values) < len(self._sums):
            raise UserError(
                f"the curve sums {_names(self._sums)}, and a block gives {_names(values)}; "
                "give the same quantities with every block"
            )
        return {name: np.broadcast_to(value.astype(self._sums[name].dtype), n) for name, value in values.items()}

    def _merge(self) -> None:
        for sums in (self._scored, self._errors, *self._sums.values()):
            sums[: self.points] = sums[::2] + sums[1::2]
            sums[self.points :] = 0
        for starts in (self._begin, self._time):
            starts[: self.points] = starts[::2].copy()
            starts[self.points :] = 0
        self.size *= 2

    def state(self) -> State:
        """Return everything as plain arrays."""
        arrays: State = {
            "counts": np.array([self.points, self.size, self.n_samples]),
            "begin": self._begin.copy(),
            "time": self._time.copy(),
            "scored": self._scored.copy(),
            "errors": self._errors.copy(),
        }
        return arrays | {f"sum.{name}": sums.copy() for name, sums in self._sums.items()}

    def restore(self, state: State) -> None:
        """Continue with what `state` returned.

        Raises
        ------
        UserError : "the state holds ..."
        """
        points, self.size, self.n_samples = (int(n) for n in state["counts"])
        check_settings("a curve", {"points": self.points}, {"points": points})
        self._begin, self._time = state["begin"].copy(), state["time"].copy()
        self._scored, self._errors = state["scored"].copy(), state["errors"].copy()
        self._sums = {name[4:]: sums.copy() for name, sums in state.items() if name.startswith("sum.")}

    def as_dict(self) -> dict[str, Any]:
        """Return lists of one value a bin: begin, time, samples, scored, errors, accuracy, and the sums by name."""
        n = len(self)
        samples = [self.size] * n
        if n:
            samples[-1] = self.n_samples - (n - 1) * self.size
        scored, errors = self._scored[:n].tolist(), self._errors[:n].tolist()
        return {
            "bin_samples": self.size,
            "begin": self._begin[:n].tolist(),
            "time": [None if np.isnan(t) else round(t, DIGITS) for t in self._time[:n].tolist()],
            "samples": samples,
            "scored": scored,
            "errors": errors,
            "accuracy": [share(all_ - wrong, all_) for all_, wrong in zip(scored, errors, strict=True)],
            "sums": {
                name: [round(value, DIGITS) if isinstance(value, float) else value for value in sums[:n].tolist()]
                for name, sums in self._sums.items()
            },
        }


class Prequential:
    """Scores of predictions made before learning.

    Parameters
    ----------
    n_classes : labels and predictions are 0 to n_classes - 1
    fading : factor of the fading accuracy, above 0, up to 1
    window : scored samples in the sliding window
    warm_up : the first so many samples that could be scored are not
    curve_points : see `Curve`

    Raises
    ------
    UserError : "N classes ...", "fading factor ...", "a window of ...", "a warm-up of ...".

    Notes
    -----
    Every sample is one of: dropped (no prediction), unlabelled (a prediction, no label), warm-up, scored.

    - fading accuracy (Gama, Sebastiao, Rodrigues 2013): S / B with S_i = l_i + fading * S_(i-1), B_i = 1 + fading *
      B_(i-1), l = 1 where the prediction is right.
    - kappa (Cohen 1960): (p - e) / (1 - e), e by chance from the margins of the confusion matrix.
    - kappa-temporal (Zliobaite, Bifet, Read, Pfahringer, Holmes 2015): the same with e of the no-change classifier,
      which gives the label of the labelled sample before, scored or not, and is wrong where there is none.
    - majority: the accuracy of always giving the class that is most frequent among the scored samples.

    A ratio without a denominator is None.
    """

    def __init__(
        self, n_classes: int, fading: float = 0.999, window: int = 1000, warm_up: int = 0, curve_points: int = 200
    ) -> None:
        if n_classes < 1:
            raise UserError(f"{n_classes} classes are too few; give 1 or more")
        check_fading(fading)
        check_window(window)
        if warm_up < 0:
            raise UserError(f"a warm-up of {warm_up} samples is not possible; give 0 or more")
        self.n_classes, self.fading, self.window, self.warm_up = n_classes, fading, window, warm_up
        self.curve = Curve(curve_points)
        self.confusion = np.zeros((n_classes, n_classes), np.int64)
        self.n_samples = self.n_dropped = self.n_unlabelled = self.n_warm_up = 0
        self._n_repeats = 0  # scored samples with the label of the one before
        self._last_label = -1
        self._faded = np.zeros(2)  # S and B
        self._recent = np.zeros((3, 0), np.int64)  # of the last scored samples: prediction, label, whether a repeat

    def update(
        self,
        predictions: Ints,
        labels: Ints,
        extra: Mapping[str, ArrayLike] | None = None,
        positions: Ints | None = None,
        times: Floats | None = None,
    ) -> Scored:
        """Score consecutive samples.

        Parameters
        ----------
        predictions : int64 [n], -1 where the sample was dropped
        labels : int64 [n], -1 where unknown
        extra : quantities for the curve, [n] or one number for each of the samples
        positions : int64 [n], numbers of the samples in the stream; None counts them
        times : float64 [n], seconds; None where unknown

        Returns
        -------
        the scored samples, for `edgelearn.streaming.drift`

        Raises
        ------
        UserError : "prediction ...", "label ...", "the curve sums ...".
        """
        predictions, labels = np.asarray(predictions, np.int64), np.asarray(labels, np.int64)
        for kind, values in (("prediction", predictions), ("label", labels)):
            wrong = np.flatnonzero((values < -1) | (values >= self.n_classes))
            if len(wrong):
                raise UserError(
                    f"{kind} {values[wrong[0]]} of sample {self.n_samples + wrong[0]} is not known; allowed: "
                    f"0 to {self.n_classes - 1}, -1 for none. Give n_classes={values.max() + 1} or correct it"
                )
        n = len(predictions)
        positions = self.n_samples + np.arange(n) if positions is None else np.asarray(positions, np.int64)
        times = np.full(n, np.nan) if times is None else np.asarray(times, np.float64)

        dropped = predictions < 0
        scored = ~dropped & (labels >= 0)
        unlabelled = n - int(dropped.sum()) - int(scored.sum())
        skipped = np.flatnonzero(scored)[: self.warm_up - self.n_warm_up]
        scored[skipped] = False
        errors = scored & (predictions != labels)
        self.curve.add(positions, times, scored, errors, extra)  # first: it refuses before anything has changed

        repeats = self._repeats(labels)[scored]
        predicted, true = predictions[scored], labels[scored]
        self.n_samples += n
        self.n_dropped += int(dropped.sum())
        self.n_unlabelled += unlabelled
        self.n_warm_up += len(skipped)
        self._n_repeats += int(repeats.sum())
        self.confusion += _confusion(predicted, true, self.n_classes)
        right = predicted == true
        if len(right):
            self._faded[0] = fade(right, self.fading, self._faded[0])[-1]
            self._faded[1] = fade(np.ones_like(right), self.fading, self._faded[1])[-1]
        fresh = np.stack([predicted, true, repeats])[:, -self.window :]
        self._recent = np.concatenate([self._recent, fresh], axis=1)[:, -self.window :]
        return Scored(positions[scored], errors[scored])

    def _repeats(self, labels: Ints) -> NDArray[np.bool_]:
        """Return where the label is that of the labelled sample before; remember the last one."""
        known = np.flatnonzero(labels >= 0)
        repeats = np.zeros(len(labels), bool)
        if len(known):
            repeats[known] = labels[known] == np.concatenate([[self._last_label], labels[known[:-1]]])
            self._last_label = int(labels[known[-1]])
        return repeats

    def state(self) -> State:
        """Return everything as plain arrays, by name."""
        arrays: State = {
            "settings": np.array([self.n_classes, self.fading, self.window, self.warm_up]),
            "counts": np.array(
                [
                    self.n_samples,
                    self.n_dropped,
                    self.n_unlabelled,
                    self.n_warm_up,
                    self._n_repeats,
                    self._last_label,
                ]
            ),
            "confusion": self.confusion.copy(),
            "faded": self._faded.copy(),
            "recent": self._recent.copy(),
        }
        return arrays | {f"curve.{name}": array for name, array in self.curve.state().items()}

    def restore(self, state: State) -> None:
        """Continue with what `state` returned, in an object of the same settings.

        Raises
        ------
        UserError : "the state holds ..."
        """
        names = ("n_classes", "fading", "window", "warm_up")
        own = {name: float(getattr(self, name)) for name in names}
        check_settings("scores", own, dict(zip(names, state["settings"].tolist(), strict=True)))
        self.curve.restore({name[6:]: array for name, array in state.items() if name.startswith("curve.")})
        counts = (int(n) for n in state["counts"])
        self.n_samples, self.n_dropped, self.n_unlabelled, self.n_warm_up, self._n_repeats, self._last_label = counts
        self.confusion, self._faded = state["confusion"].copy(), state["faded"].copy()
        self._recent = state["recent"].copy()

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values, fractions rounded to 6 digits."""
        recent = _confusion(self._recent[0], self._recent[1], self.n_classes)
        true = self.confusion.sum(axis=1).tolist()
        return {
            "samples": self.n_samples,
            "dropped": self.n_dropped,
            "unlabelled": self.n_unlabelled,
            "warm_up": self.n_warm_up,
            **_scores(self.confusion, self._n_repeats),
            "fading_accuracy": share(*self._faded.tolist()),
            "window": {"size": self.window, **_scores(recent, int(self._recent[2].sum()))},
            "recall": [share(hits, n) for hits, n in zip(self.confusion.diagonal().tolist(), true, strict=True)],
            "confusion": self.confusion.tolist(),  # rows: labels, columns: predictions
            "curve": self.curve.as_dict(),
        }


def fade(values: NDArray[Any], factor: float, last: float) -> Floats:
    """Return y_i = values_i + factor * y_(i-1), y_(-1) = last: float64 [n].

    Example
    -------
    >>> fade(np.array([1, 0, 1]), 0.5, 4.0).tolist()
    [3.0, 1.5, 1.75]
    """
    from edgelearn.streaming.fading import fade as compiled_fade  # numba is imported when a simulation starts

    faded = np.zeros(len(values))
    compiled_fade(np.asarray(values, np.float64), factor, float(last), faded)
    return faded


def share(part: float, whole: float) -> float | None:
    """Return part / whole rounded to 6 digits, None of nothing."""
    return round(part / whole, DIGITS) + 0.0 if whole else None  # + 0.0: no -0.0


def check_fading(fading: float) -> None:
    """Refuse a fading factor that is none.

    Raises
    ------
    UserError : "fading factor ...".
    """
    if not 0 < fading <= 1:
        raise UserError(f"fading factor {fading} is not possible; give a number above 0 and up to 1, such as 0.999")


def check_window(window: int) -> None:
    """Refuse a window that holds nothing.

    Raises
    ------
    UserError : "a window of ...".
    """
    if window < 1:
        raise UserError(f"a window of {window} samples holds nothing; give 1 or more")


def check_settings(what: str, own: Mapping[str, Any], saved: Mapping[str, Any]) -> None:
    """Refuse a state that was saved with other settings.

    Raises
    ------
    UserError : "the state holds ..."
    """
    for name, value in own.items():
        if saved.get(name) != value:
            raise UserError(
                f"the state holds {what} of {name} {saved.get(name)}, not {value}; "
                "continue with the settings it began with"
            )


def _confusion(predictions: Ints, labels: Ints, n_classes: int) -> Ints:
    counts = np.bincount(labels * n_classes + predictions, minlength=n_classes**2)
    return counts.astype(np.int64, copy=False).reshape(n_classes, n_classes)


def _scores(confusion: Ints, n_repeats: int) -> dict[str, Any]:
    n, right = int(confusion.sum()), int(confusion.trace())
    true, predicted = confusion.sum(axis=1).tolist(), confusion.sum(axis=0).tolist()
    # In whole numbers as far as possible: (p - e) / (1 - e) with p = right / n, e = chance / n^2.
    chance = sum(t * p for t, p in zip(true, predicted, strict=True))
    return {
        "scored": n,
        "accuracy": share(right, n),
        "kappa": share(right * n - chance, n * n - chance),
        "kappa_temporal": share(right - n_repeats, n - n_repeats),
        "majority_accuracy": share(max(true), n),
        "no_change_accuracy": share(n_repeats, n),
    }


def _names(names: Mapping[str, Any] | Sequence[str]) -> str:
    return ", ".join(names) or "nothing"
