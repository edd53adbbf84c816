"""Data of spiking networks: a data set in a code, windows of a sensor stream, or address events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgelearn.config import SpikingConfig
from edgelearn.data import datasets
from edgelearn.data.columns import roles_of
from edgelearn.data.event_set import EventSet
from edgelearn.data.events import is_event_data, open_events
from edgelearn.data.open_source import open_source, stream_names
from edgelearn.data.source import ColumnsUsed, Source
from edgelearn.errors import UserError, unknown
from edgelearn.runs.dataset import columns_of, load_data
from edgelearn.spiking.network import CODES, label_times
from edgelearn.spiking.training import EventSamples, Presentation, Samples, SeriesSamples, ValueSamples
from edgelearn.units import quantity, samples_in, spans_line

STEPS, EVENT_STEPS = 32, 30
STEP_TIME, DELTA = "10 ms", 8
FEWEST_RECORDINGS, STRETCHES = 5, 20  # recordings that are held out whole, or parts of a stream


@dataclass(frozen=True)
class SpikingData:
    """Training and test samples, and their presentation.

    Parameters
    ----------
    code : "rate", "latency", "delta" or "events"
    step_s : seconds per step
    notes : warnings for the report
    columns : what the columns of the data were taken for, None for address events
    """

    name: str
    source: str
    code: str
    class_names: tuple[str, ...]
    train: Samples
    test: Samples
    presentation: Presentation
    step_s: float = 1e-3
    notes: tuple[str, ...] = ()
    columns: ColumnsUsed | None = None


def open_spiking_data(config: SpikingConfig) -> SpikingData:
    """Open the data of a configuration: an event set, windows of a sensor stream, or a data set of values.

    Raises
    ------
    UserError
        "code ...", "window ...", "steps ..." and what the readers of files say
    """
    check_code(config)
    shown = _opened(config)
    if config.step_time is not None:
        shown = replace(shown, step_s=quantity(config.step_time, "time") / 1e9)
    for part, samples in (("training", shown.train), ("test", shown.test)):
        if not len(samples.labels):
            raise UserError(f"'{config.data}' has no {part} samples; give data with some of each part")
    return shown


def check_code(config: SpikingConfig) -> None:
    """Check that a code is known, if one is given.

    Raises
    ------
    UserError
        "code ..."
    """
    if config.code is not None and config.code not in (*CODES, "events"):
        raise unknown("code", config.code, (*CODES, "events"))


def _opened(config: SpikingConfig) -> SpikingData:
    if config.features is None and is_event_data(config.data):
        return _events(config)
    if config.code == "events":
        raise UserError(f"data '{config.data}' are no events; take the code rate, latency or delta")
    if config.step_time is not None and config.start is None:
        raise UserError(f"step_time is for address events, which '{config.data}' are not, and graphs; leave it out")
    if config.delta is not None and config.code != "delta":
        raise UserError("delta is for the code delta; give --code delta, or leave it out")
    is_stream = config.data in stream_names() and config.data not in datasets.names()
    if config.window is not None or config.code == "delta" or is_stream:
        return _windows(config)
    if config.stride is not None:
        raise UserError("stride is from window to window; give --window too, or leave it out")
    data = load_data(config)
    low, span = np.asarray(data.low, float), np.asarray(data.high, float) - np.asarray(data.low, float)
    scale = np.where(span > 0, span, 1.0)
    train, test = (np.nan_to_num(np.clip((x - low) / scale, 0.0, 1.0)) for x in (data.train_x, data.test_x))
    code = config.code or "rate"
    samples = ValueSamples(train, data.train_y, code), ValueSamples(test, data.test_y, code)
    shown = _presentation(config, code, STEPS)
    said: dict[str, Any] = {"notes": tuple(data.notes), "columns": columns_of(data)}
    return SpikingData(data.name, data.source, code, data.class_names, *samples, shown, **said)


def _presentation(config: SpikingConfig, code: str, steps: int) -> Presentation:
    steps = config.steps if config.steps is not None else steps
    first, period = label_times(config.rule, code, steps)
    if config.first_label is not None:
        first = config.first_label
    if steps < 2:
        raise UserError(f"steps is {steps}; a label acts in the step after it: give 2 or more")
    if first > steps - 2:
        raise UserError(
            f"first_label is {first}; of {steps} steps it may be 0 to {steps - 2}: a label acts a step later"
        )
    if (config.delay or 1) >= steps:
        raise UserError(f"delay is {config.delay}; a sample has {steps} steps: give less, or more steps")
    return Presentation(steps, first, config.label_period or period)


def _events(config: SpikingConfig) -> SpikingData:
    of_values = ("ignore", "label_column", "label_from", "labels", "time_column", "time_format", "subject_column")
    of_cells = ("missing", "encoding", "decimal")
    for name in ("window", "stride", "delta", "classes", "validation_fraction", *of_values, *of_cells):
        if getattr(config, name) is not None:
            raise UserError(f"{name} is not for address events; leave it out")
    if config.code not in (None, "events"):
        raise UserError(f"code is {config.code}, but '{config.data}' are events already; leave code out")
    events = open_events(
        config.data, test_fraction=config.test_fraction, limit=config.limit, time_unit=config.time_unit
    )
    step_us = quantity(config.step_time or STEP_TIME, "time") / 1e3
    shown = _presentation(config, "events", EVENT_STEPS)
    n, late = len(events.labels), float((events.t >= shown.steps * step_us).mean()) if len(events.t) else 0.0
    notes = [*events.notes, *_step_notes(config, events, step_us, shown.steps)]
    if late:
        notes.append(f"{100 * late:.2g} % of the events come after the {shown.steps} steps that are shown")
    train, test = (_event_samples(events, step_us, *ends) for ends in ((0, events.n_train), (events.n_train, n)))
    said: dict[str, Any] = {"notes": tuple(notes), "columns": events.columns}
    return SpikingData(
        events.name, events.source, "events", events.class_names, train, test, shown, step_us / 1e6, **said
    )


def _step_notes(config: SpikingConfig, events: EventSet, step_us: float, steps: int) -> list[str]:
    """Check the step against the time that samples last: neither all events in one step nor most of them too late.

    Raises
    ------
    UserError
        "... samples last ..., less than a step ..."
    """
    counts = np.diff(events.offset)
    if not counts.any():
        raise UserError(f"'{config.data}' has no events; give data with some")
    last = events.t[events.offset[1:][counts > 1] - 1]
    if not len(last):
        return ["no sample has more than one event"]
    lasts, unit = float(np.median(last)), "" if config.time_unit else ", or the unit of its times with --time-unit"
    if lasts < step_us:
        said = f"half of the samples last {lasts:,.6g} us or less, which is within one step of {step_us:,.6g} us"
        if config.step_time is None:
            raise UserError(f"'{config.data}': {said}; give a shorter --step-time{unit}")
        return [f"{said}: their events have no order"]
    if lasts > 10 * steps * step_us:
        return [
            f"half of the samples last {lasts / 1e6:,.4g} s or more, and {steps * step_us / 1e6:,.4g} s are shown; "
            f"give --steps or --step-time{unit}"
        ]
    return []


def _event_samples(events: EventSet, step_us: float, start: int, end: int) -> EventSamples:
    offset, labels = events.offset[start : end + 1], events.labels[start:end]
    return EventSamples(events.t, events.inputs, offset, labels, events.n_inputs, step_us)


def _windows(config: SpikingConfig) -> SpikingData:
    """Cut a stream into windows; whole recordings, or parts of one, are held out for the test."""
    if config.classes is not None:
        raise UserError("classes is not for windows of a stream; leave it out")
    if config.data in datasets.names():
        raise UserError(f"'{config.data}' is no sensor stream to cut into windows; take the code rate or latency")
    if config.window is None or config.window == 1 == (config.code == "delta"):
        raise UserError(f"'{config.data}' is cut into windows of a sensor stream; give --window 32, for example")
    source = open_source(config.data, roles=roles_of(config), label_from=config.label_from, labels=config.labels)
    window, stride, durations = _in_samples(config, source)
    train, test = _cut_windows(config, source, window, stride)
    said: dict[str, Any] = {"notes": (*source.notes, *durations), "columns": source.columns_used}
    if config.code == "delta":
        deviation = np.abs(train[0] - train[0].mean((0, 1))).mean((0, 1))
        threshold = np.where(deviation > 0, deviation, 1.0) * (config.delta or DELTA) / 16
        series = SeriesSamples(*train, threshold), SeriesSamples(*test, threshold)
        if config.steps is not None and config.steps > window:
            raise UserError(f"steps is {config.steps}; a window has {window} samples, each of them a step")
        shown = _presentation(config, "delta", window)
        return SpikingData(config.data, source.source, "delta", tuple(source.class_names), *series, shown, **said)
    low, high = train[0].min((0, 1)), train[0].max((0, 1))
    scale = np.where(high > low, high - low, 1.0)
    code = config.code or "rate"
    values = [ValueSamples(np.clip((x - low) / scale, 0.0, 1.0).reshape(len(x), -1), y, code) for x, y in (train, test)]
    shown, names = _presentation(config, code, STEPS), tuple(source.class_names)
    return SpikingData(config.data, source.source, code, names, values[0], values[1], shown, **said)


Windows = tuple[np.ndarray, np.ndarray]
"""Values float[n, window, channels] and classes int64[n]."""


def _in_samples(config: SpikingConfig, source: Source) -> tuple[int, int, list[str]]:
    """Return window and stride in samples, by the rate of the source, and a note where one of them is a duration.

    Raises
    ------
    UserError
        "setting 'window' = '2 s' needs a sample rate ...", "setting 'window': '2 s' is ..."
    """
    rate, found = source.rate_hz or source.columns_used.rate_hz, {}
    given = {"window": config.window or 1, "stride": config.stride or config.window or 1}
    for name, one in given.items():
        if isinstance(one, str) and rate is None:
            raise UserError(
                f"setting '{name}' = '{one}' needs a sample rate, and '{config.data}' has none; give samples, for "
                f"example --{name} 100, or the column of its times with --time-column"
            )
        try:
            found[name] = samples_in(one, rate or 1.0)
        except ValueError as error:
            raise UserError(f"setting '{name}': {error}") from None
    if found["window"] < 1 + (config.code == "delta"):
        raise UserError(f"setting 'window' = '{config.window}' is one sample; the code delta needs 2 or more")
    said = [(name, one, found[name]) for name, one in given.items() if getattr(config, name) is not None]
    line = spans_line(said, rate) if rate else ""
    return found["window"], found["stride"], [line] if line else []


def _cut_windows(config: SpikingConfig, source: Source, window: int, stride: int) -> tuple[Windows, Windows]:
    """Return training and test windows, labelled by their last sample; none spans two recordings."""
    read = list(source.blocks())
    x, y, segment = (np.concatenate([getattr(block, name) for block in read]) for name in ("x", "y", "segment"))
    starts = np.arange(0, len(y) - window + 1, stride)
    ends = starts + window - 1
    starts = starts[(segment[starts] == segment[ends]) & (y[ends] >= 0)]
    if len(starts) < STRETCHES:
        raise UserError(
            f"'{config.data}' has {len(starts)} labelled windows of {window} samples; give {STRETCHES} or more: "
            "a shorter window, or more data"
        )
    learned, tests = _split_windows(starts, segment, window, config.test_fraction)
    if config.validation_fraction is not None and len(learned):
        learned, tests = _split_windows(learned, segment, window, config.validation_fraction)
    n_classes = len(np.unique(y[starts + window - 1]))
    if not len(learned) or n_classes < 2:
        raise UserError(
            f"'{config.data}' leaves {len(learned)} windows of {window} samples to learn, of {n_classes} classes; "
            "give shorter windows, a smaller test_fraction or more data"
        )
    learned = learned[: config.limit]
    view = np.lib.stride_tricks.sliding_window_view(x, window, axis=0)
    parts = []
    for chosen in (learned, tests):
        values = np.ascontiguousarray(view[chosen].transpose(0, 2, 1), float)
        parts.append((values, y[chosen + window - 1].astype(np.int64)))
    return parts[0], parts[1]


def _split_windows(
    starts: np.ndarray, segment: np.ndarray, window: int, fraction: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return starts of training and test windows; no sample is in both."""
    is_test = _held_out(segment[starts], fraction)
    tested = np.zeros(len(segment), bool)
    for start in starts[is_test]:
        tested[start : start + window] = True
    return starts[~tested[starts] & ~tested[starts + window - 1]], starts[is_test]


def _held_out(segment: np.ndarray, test_fraction: float) -> np.ndarray:
    """Choose recordings, or parts where there are few, that hold a fraction of the windows: bool[windows]."""
    groups = segment
    if len(np.unique(segment)) < FEWEST_RECORDINGS:
        groups = np.arange(len(segment)) * STRETCHES // len(segment)
    is_test = np.zeros(len(groups), bool)
    for group in np.random.default_rng(0).permutation(np.unique(groups)):
        if is_test.sum() >= test_fraction * len(groups):
            break
        is_test |= groups == group
    return is_test
