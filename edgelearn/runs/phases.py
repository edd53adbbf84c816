"""Phases of an anomaly detector on a stream, in rows, and which labels mean an anomaly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgelearn.config import StreamConfig
from edgelearn.data.recordings import run_starts
from edgelearn.data.source import Source
from edgelearn.errors import UserError, unknown
from edgelearn.streaming.detector import ADAPT_WHILE, LEARN_WHILE, SCORES, THRESHOLDS, DetectorSpec
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


@dataclass(frozen=True)
class Recordings:
    """How a stream is cut for a detector.

    Parameters
    ----------
    restart : whether network, front end, detector and phases begin anew with each recording
    normal_rows : samples at the start of each recording that are normal as its publisher says; 0 for nothing said
    n_samples : of the stream, or of a recording on average where they restart; None where nobody knows
    """

    restart: bool
    normal_rows: int
    n_samples: int | None


def recordings_of(config: StreamConfig, source: Source) -> Recordings:
    """Find out whether phases restart with each recording, and how long these are."""
    normal = int(getattr(source, "normal_rows", 0))
    restart = config.restart == "recording" or (config.restart is None and normal > 0)
    known = [n for n in (config.limit, source.n_samples) if n is not None]
    n_samples = min(known) if known else None
    if restart and source.n_samples is not None:
        n_recordings, last = 0, None  # of the whole stream
        for block in source.blocks(0):
            n_recordings += len(run_starts(block.segment)) - int(last == block.segment[0])
            last = block.segment[-1]
        restart = config.restart == "recording" or n_recordings > 1
        n_samples = min(n_samples or 0, source.n_samples // max(n_recordings, 1))
    return Recordings(restart, normal, n_samples)


def phases_of(
    config: StreamConfig, source: Source, window: int, stride: int, recordings: Recordings | None = None
) -> Phases:
    """Derive the phases from the settings and, where they say nothing, from the length of the stream.

    Raises
    ------
    UserError
        "setting '...' needs a sample rate ...", "adapt while ...", "... has about N rows and the phases take M ..."
    """
    if config.adapt_while not in ADAPT_WHILE:
        raise unknown_setting("adapt_while", config.adapt_while, ADAPT_WHILE)
    cut = recordings or recordings_of(config, source)

    def rows_in(n_samples: int) -> int:
        return max((n_samples - window) // stride + 1, 0)

    n_rows = None if cut.n_samples is None else rows_in(cut.n_samples)
    whole = "a recording" if cut.restart else source.name
    if n_rows == 0:
        raise UserError(
            f"{whole} has {count(cut.n_samples or 0, 'sample')} and a window takes {window:,}; give a smaller --window"
        )
    rows: dict[str, int] = {}
    for name in PHASE_SETTINGS:
        given = getattr(config, name)
        if isinstance(given, str):
            given = max(_samples(name, given, config, source) // stride, 1)
        if given is not None:
            rows[name] = given
    derived = [name for name in PHASE_SETTINGS if name not in rows]
    n_normal = rows_in(cut.normal_rows) if cut.normal_rows else 0
    shares = dict(zip(PHASE_SETTINGS, SHARES, strict=True))
    left, of_all = max(n_normal - sum(rows.values()), 0), sum(shares[name] for name in derived)
    for place, name in enumerate(PHASE_SETTINGS):
        if name in rows:
            continue
        if n_normal:
            rows[name] = max(left * shares[name] // of_all, 1)
        elif n_rows is None:
            rows[name] = LIVE[place]
        else:
            rows[name] = min(max(n_rows * shares[name] // 100, FEWEST[place]), MOST[place])
    if n_normal and len(derived) == len(PHASE_SETTINGS):
        rows[PHASE_SETTINGS[0]] += n_normal - sum(rows.values())
    notes = []
    if derived:
        told = ", ".join(f"{name.removesuffix('_rows')} {count(rows[name], 'row')}" for name in derived)
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in derived)
        about = "the length of live input is not known" if n_rows is None else f"of about {count(n_rows, 'row')}"
        if n_normal:
            each = "each recording" if cut.restart else "the stream"
            why = f"by its protocol the first {count(n_normal, 'row')} of {each} are normal; {flags} say otherwise"
            notes.append(f"phases: {told}; {why}")
        else:
            notes.append(f"phases assumed: {told} ({about}); all of them must be normal, else give {flags}")
    calibrate, train, threshold = (rows[name] for name in PHASE_SETTINGS)
    if threshold < 1:
        raise UserError("--threshold-rows 0 leaves no score to set a threshold from; give 1 row or more")
    ends = np.cumsum([calibrate, train, threshold]).tolist()
    adapt_rows = None if config.adapt_while == "always" else ends[ADAPT_WHILE.index(config.adapt_while)]
    if adapt_rows == 0:
        raise UserError(
            f"--adapt-while {config.adapt_while} leaves the front end no row to adapt to; give --calibrate-rows 1 or "
            "more, or --adapt-while always"
        )
    if calibrate == 0:
        notes.append(
            "calibrate 0 rows: the first rows are learned while mean and deviation are still unknown; --calibrate-rows "
            "40 or more lets them settle"
        )
    if train == 0:
        notes.append("train 0 rows: nothing is learned before the threshold is set, which is that of random weights")
    if n_rows is not None and ends[-1] >= n_rows:
        raise UserError(
            f"{whole} has about {count(n_rows, 'row')} and the phases before detection take {ends[-1]:,}; give "
            "fewer --calibrate-rows, --train-rows or --threshold-rows"
            + (f", or a smaller --window than {window:,}" if window > 1 else "")
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


def unknown_setting(name: str, given: str, allowed: Sequence[str]) -> UserError:
    """Return the error for a value of a setting that is none of the names it takes; it names the flag."""
    return UserError(f"{str(unknown(name.replace('_', ' '), given, allowed)).rstrip('.')} (--{name.replace('_', '-')})")


def detector_of(config: StreamConfig, phases: Phases) -> DetectorSpec:
    """Derive the detector of a configuration.

    Raises
    ------
    UserError
        those of `DetectorSpec`; "... is no multiple of 1/16"
    """
    for name, allowed in (("score", SCORES), ("threshold", THRESHOLDS), ("learn_while", LEARN_WHILE)):
        if getattr(config, name) not in allowed:
            raise unknown_setting(name, getattr(config, name), allowed)
    if config.threshold_follow and not 4 <= config.threshold_follow <= 12:
        raise UserError(
            f"--threshold-follow {config.threshold_follow} is out of range; give 0 for a fixed threshold, or 4 to 12"
        )
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
