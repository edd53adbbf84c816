"""Phases of an anomaly detector on a stream, in rows, and which labels mean an anomaly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgelearn.config import StreamConfig
from edgelearn.data.source import Source
from edgelearn.errors import UserError, unknown
from edgelearn.streaming.detector import ADAPT_WHILE, DetectorSpec
from edgelearn.units import count, quantity, samples_in

PHASE_SETTINGS = ("calibrate_rows", "train_rows", "threshold_rows")
SHARES = (8, 3, 4)  # of 100 rows; together those that NAB does not score at the start of a series
FEWEST, MOST = (40, 20, 20), (4_000, 20_000, 4_000)  # rows, where the settings leave a phase open
LIVE = (1_000, 500, 500)  # rows, where nobody knows how long the stream is
NORMAL_NAMES = ("0", "false", "no", "normal", "ok")


@dataclass(frozen=True)
class Phases:
    """Rows of the phases before "detect".

    Parameters
    ----------
    calibrate, train, threshold : rows of each, one after another
    adapt_rows : rows that the front end adapts to, from the first one on; None for all
    notes : what was derived and assumed, one line each
    """

    calibrate: int
    train: int
    threshold: int
    adapt_rows: int | None
    notes: tuple[str, ...]

    @property
    def ends(self) -> tuple[int, int, int]:
        """Row behind each phase."""
        return self.calibrate, self.calibrate + self.train, self.calibrate + self.train + self.threshold

    def of_rows(self, first: int, n: int) -> np.ndarray:
        """Return the phases of rows, places in `edgelearn.streaming.detector.PHASES`: int64[n]."""
        return np.searchsorted(np.array(self.ends), first + np.arange(n), side="right")


def phases_of(config: StreamConfig, source: Source, window: int, stride: int) -> Phases:
    """Derive the phases from the settings and, where they say nothing, from the length of the stream.

    Raises
    ------
    UserError
        "setting '...' needs a sample rate ...", "adapt while ...", "... has about N rows and the phases take M ..."
    """
    if config.adapt_while not in ADAPT_WHILE:
        raise unknown("adapt while", config.adapt_while, ADAPT_WHILE)
    known = [n for n in (config.limit, source.n_samples) if n is not None]
    n_rows = max((min(known) - window) // stride + 1, 0) if known else None
    found, derived = [], []
    for place, name in enumerate(PHASE_SETTINGS):
        given = getattr(config, name)
        if given is None:
            if n_rows is None:
                given = LIVE[place]
            else:
                given = min(max(n_rows * SHARES[place] // 100, FEWEST[place]), MOST[place])
            derived.append(name)
        elif isinstance(given, str):
            given = max(_samples(name, given, config, source) // stride, 1)
        found.append(given)
    notes = []
    if derived:
        rows = ", ".join(
            f"{name.removesuffix('_rows')} {count(found[PHASE_SETTINGS.index(name)], 'row')}" for name in derived
        )
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in derived)
        why = "the length of live input is not known" if n_rows is None else f"of about {count(n_rows, 'row')}"
        notes.append(f"phases assumed: {rows} ({why}); all of them must be normal, else give {flags}")
    calibrate, train, threshold = found
    if threshold < 1:
        raise UserError("--threshold-rows 0 leaves no score to set a threshold from; give 1 row or more")
    ends = np.cumsum(found).tolist()
    adapt_rows = None if config.adapt_while == "always" else ends[ADAPT_WHILE.index(config.adapt_while)]
    if adapt_rows == 0:
        raise UserError(
            f"--adapt-while {config.adapt_while} leaves the front end no row to adapt to; give --calibrate-rows 1 or "
            "more, or --adapt-while always"
        )
    if n_rows is not None and sum(found) >= n_rows:
        raise UserError(
            f"{source.name} has about {count(n_rows, 'row')} and the phases before detection take {sum(found):,}; give "
            "fewer --calibrate-rows, --train-rows or --threshold-rows"
        )
    return Phases(calibrate, train, threshold, adapt_rows, tuple(notes))


def _samples(name: str, given: str, config: StreamConfig, source: Source) -> int:
    rate = source.rate_hz or source.columns_used.rate_hz
    if config.sample_rate is not None:
        rate = quantity(config.sample_rate, "rate")
    if rate is None:
        raise UserError(
            f"setting '{name}' = '{given}' needs a sample rate, and {source.name} has none; give --sample-rate "
            f'"50 Hz", or rows, for example --{name.replace("_", "-")} 500'
        )
    try:
        return samples_in(given, rate)
    except ValueError as error:
        raise UserError(f"setting '{name}': {error}") from None


def detector_of(config: StreamConfig, phases: Phases) -> DetectorSpec:
    """Derive the detector of a configuration.

    Raises
    ------
    UserError
        those of `DetectorSpec`; "... is no multiple of 1/16"
    """
    factor = round(16 * config.threshold_factor)
    if factor != 16 * config.threshold_factor:
        raise UserError(f"--threshold-factor {config.threshold_factor:g} is no multiple of 1/16; give {factor / 16:g}")
    if config.threshold == "deviation" and config.threshold_quantile != config.declared()["threshold_quantile"].default:
        raise UserError(
            "setting 'threshold_quantile' (--threshold-quantile) has no effect with --threshold deviation; leave it "
            "out, or give --threshold quantile"
        )
    return DetectorSpec(
        phases.train,
        phases.threshold,
        score=config.score,
        smoothing=config.score_smoothing,
        threshold=config.threshold,
        quantile=round(10_000 * config.threshold_quantile),
        factor=factor,
        follow=config.threshold_follow,
        learn_while=config.learn_while,
    )


class Anomalies:
    """Which classes of a stream are anomalies.

    Parameters
    ----------
    normal : the class of normal rows, None to find it among `NORMAL_NAMES`
    source : whose classes; those of live input are met on the way

    Raises
    ------
    UserError
        "class '...' is not known ...", "... which of them is normal is not known ..."
    """

    def __init__(self, normal: str | None, source: Source) -> None:
        names = source.class_names
        self._source, self.is_given = source, normal is not None
        self.normal = normal
        if source.n_samples is None:
            return
        if normal is None and names:
            usual = [name for name in names if name.lower() in NORMAL_NAMES]
            if len(usual) != 1:
                raise UserError(
                    f"{source.name} has the classes {_few(names)}, and which of them is normal is not known; give "
                    f"--normal-class {names[0]}, for example"
                )
            self.normal = usual[0]
        elif normal is not None and normal not in names:
            if not names:
                raise UserError(f"{source.name} has no labels, so that --normal-class has no effect; leave it out")
            raise unknown("class", normal, names)

    def of(self, labels: np.ndarray) -> np.ndarray:
        """Return 1 for an anomaly, 0 for a normal row, -1 for an unknown label: int64[n]."""
        names = self._source.class_names
        found = np.array([int(not self._is_normal(name)) for name in names] + [-1], np.int64)
        anomalous: np.ndarray = found[labels]
        return anomalous

    def _is_normal(self, name: str) -> bool:
        return name.lower() in NORMAL_NAMES if self.normal is None else name == self.normal

    def notes(self) -> list[str]:
        """State which classes are anomalies, where there are labels and the settings do not say."""
        names = self._source.class_names
        if not names or self.is_given:
            return []
        others = [name for name in names if not self._is_normal(name)]
        normal = [name for name in names if self._is_normal(name)]
        return [
            f"labels only judge the result: normal {_few(normal) or '(none)'}; anomalies {_few(others) or '(none)'}"
        ]


def _few(names: Sequence[str]) -> str:
    shown = [f"'{name}'" for name in names[:6]]
    return ", ".join([*shown, "..."] if len(names) > len(shown) else shown)
