"""Runs on a stream: prequential scores, cost and real-time behaviour of the device."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn import __version__
from edgelearn.config import StreamConfig
from edgelearn.data.columns import roles_of
from edgelearn.data.lines import LineSource
from edgelearn.data.open_source import open_source, stream_names
from edgelearn.data.recordings import Limited
from edgelearn.data.source import Block, ColumnsUsed, Source, no_value_of
from edgelearn.errors import UserError
from edgelearn.network.device import TICKS_PER_CYCLE
from edgelearn.network.kernels import tables as t
from edgelearn.network.spec import CONTRACT
from edgelearn.reports.stream import show
from edgelearn.runs import rates
from edgelearn.runs.checkpoint import Checkpoint
from edgelearn.runs.front_ends import front_end_of
from edgelearn.runs.kind import Kind, Progress, Result, Studied, accuracy_percent, drive, percent
from edgelearn.runs.rates import activity_as_dict, network_as_dict
from edgelearn.runs.scale import notes_on_scale
from edgelearn.runs.session import RowsDone, StreamSession
from edgelearn.runs.shapes import notes_on_maps
from edgelearn.runs.start import Start
from edgelearn.runs.start_facts import facts_of
from edgelearn.runs.start_facts import notes_of as notes_of_start
from edgelearn.runs.stream_start import first_rows
from edgelearn.streaming.front_end import FrontEnd
from edgelearn.units import SECONDS_PER_DAY, six_digits
from hw_models.compare.rules import as_dict, cost_of_rule
from hw_models.processor import find_processor

OnRows = Callable[["StreamWork", RowsDone], None]
WORKS = {  # the `Work` of each task; imported where the task is run
    "classify": (__name__, "StreamWork"),
    "anomaly": ("edgelearn.runs.anomaly", "AnomalyWork"),
    "regression": ("edgelearn.runs.regression", "RegressionWork"),
}


class StreamWork(StreamSession):
    """A stream that is learned block by block; the `Work` of this kind.

    Parameters
    ----------
    on_rows : called with the rows of every block
    """

    def __init__(self, config: StreamConfig, source: Source, on_rows: OnRows | None = None) -> None:
        super().__init__(config, source, scores=on_rows is not None)
        self._on_rows = on_rows

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"contract": CONTRACT} | ({} if self.start is None else {"start": self.start.digest})

    @property
    def live(self) -> bool:
        return self.source.n_samples is None

    def chunks(self) -> Iterator[Block]:
        """Yield blocks of samples; raise UserError at the end if no row could be made of them."""
        yield from self.source.blocks(0 if self.live else self.n_samples)
        if self.n_samples == 0:
            reasons = [f": {reason}, {where}" for reason, where in self.source.rejects.first.items()]
            raise UserError(f"{self.source.name} has no samples that can be used{''.join(reasons[:1])}")
        if self.n_rows == 0:
            raise UserError(
                f"no recording of {self.source.name} is as long as a window of {self.front_end.spec.window} samples "
                f"({self.n_samples:,} samples in all); give a smaller --window"
            )

    def advance(self, chunk: Block) -> None:
        rows = self.take(chunk)
        if self._on_rows is not None:
            self._on_rows(self, rows)

    def progress(self) -> Progress:
        known = [n for n in (self.config.limit, self.source.n_samples) if n is not None]
        return Progress(self.n_samples, min(known, default=None))

    def words(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        front_end = {f"front_end.{name}": array for name, array in self.front_end.save().items()}
        front = self.front_end.spec
        config = self.config.model_copy(update={"window": front.window, "stride": front.stride})
        note = rates.note_of(
            config, self.spec, replace(self.source.columns_used, inputs=self.source.channels), self.source.class_names
        )
        if self.start is not None:
            note["start"] = self.start.note()
        return self.learner.save() | front_end, note

    def content(self) -> dict[str, Any]:
        """Return what report.json holds, of the samples so far."""
        spec, source, front_end = self.spec, self.source, self.front_end.spec
        n_rows = max(self.n_rows, 1)
        activity = activity_as_dict(spec, self.learner.counters, self.learner.inference_counters)
        activity["buffers"] += _label_buffers(self)
        start = {} if self.start is None else {"start": self._start_facts(self.start)}
        result = self.score.as_dict()
        content = {
            "edgelearn": __version__,
            "contract": CONTRACT,
            "config": self.config.model_dump(mode="json"),
            "stream": {
                "name": source.name,
                "source": source.source,
                "channels": list(source.channels),
                "classes": list(source.class_names),
                "samples": self.n_samples,
                "rows": self.n_rows,
                "rate_hz": self.timing.rate_hz,
                "missing_values": self.counts["missing"],
                "drift_points": list(source.drift_points),
                "rejected": dict(source.rejects.counts),
                "first_rejected": dict(source.rejects.first),
            },
            "columns": source.columns_used.as_dict(),
            "notes": [
                *self._notes_on_scale(),
                *source.notes,
                *self._notes_on_missing(),
                *rates.notes_on_outputs(self.config, spec),
                *rates.width_notes(self.config, spec, None if self.start is None else self.start.network),
                *rates.notes_on_masks(spec),
                *notes_on_maps(self.config, spec),
                *([] if self.start else rates.notes_on_rule(self.config, spec, self.n_rows)),
                *(notes_of_start(self.start, start["start"]) if self.start else []),
                *(_notes_on_accuracy(start["start"]) if self.start else []),
            ],
            "front_end": asdict(front_end)
            | {
                "inputs": front_end.n_inputs,
                "events_per_row": six_digits(self.counts["events"] / n_rows),
                "event_rate_percent": six_digits(100 * self.counts["events"] / n_rows / front_end.n_inputs),
            },
            "network": network_as_dict(spec),
            "result": result,
            "accuracy_percent": accuracy_percent(result),
            "drift": {"recovery": self.recovery.as_dict(), "detector": self.detector.as_dict()},
            "learning": _learning(self),
            "device": _device(self),
            "cost": as_dict([cost_of_rule(spec, self.learner.counters, self.processor)]),
        }
        return content | start | activity

    def _notes_on_scale(self) -> list[str]:
        """Ask for the scale of a stream whose first rows do not fit the levels that it starts from."""
        if self.live or self.start is None or isinstance(self.start.front_end, FrontEnd):
            return []
        return notes_on_scale(self.start.front_end, first_rows(self.source)[0])

    def _notes_on_missing(self) -> list[str]:
        """State which channels have no value in the whole stream, where it can be read again."""
        if self.live or not self.counts["missing"]:
            return []
        absent = np.ones(len(self.source.channels), bool)
        for block in self.source.blocks(0):
            absent &= np.isnan(block.x).all(axis=0)
            if not absent.any():
                return []
        return [no_value_of([self.source.channels[k] for k in np.flatnonzero(absent)])]

    def _start_facts(self, start: Start) -> dict[str, Any]:
        """Return the part "start" of a report, of the first rows where they can be read again."""
        if self.live or isinstance(start.front_end, FrontEnd):
            return facts_of(start, self.spec, self.processor)
        x, labels = first_rows(self.source)
        levels, known = start.front_end.encode(x), labels >= 0
        return facts_of(start, self.spec, self.processor, x, levels, (x[known], levels[known], labels[known]))


def _notes_on_accuracy(start: dict[str, Any]) -> list[str]:
    """Say which rows the accuracy before learning is of, or that there is none."""
    rows = start.get("rows_before_learning")
    if rows is None:
        reasons = "rows are live, without labels, or pass a front end that adapts to them"
        return [f"accuracy before learning is not known: {reasons}"]
    return [f"accuracy before learning is of the first {rows:,} labelled rows, which are learned too"]


def _learning(run: StreamSession) -> dict[str, Any]:
    """Return counts of learned and other rows, and the energy saved by not learning."""
    counts, labelled = run.counts, run.learner.counters
    learned = counts["learned"]
    held_back = counts["gated"] + counts["over_budget"] + counts["waited"]
    saved = None
    if run.rates.energy_pj is not None and learned:
        learning_pj, predicting_pj = run.rates.energy_pj
        # gates are written whether a row is learned or not: they are no part of what holding back saves
        update_pj = (learning_pj - predicting_pj) * labelled.table
        learned_pj = float(update_pj.sum() - update_pj[:, t.OPEN_GATES].sum()) / learned
        spent = run.rates.total(run.rates.energy_pj, labelled, run.learner.inference_counters)
        saved = 100 * held_back * learned_pj / (spent + held_back * learned_pj)
    never = int((run.waiting_labels >= 0).sum())
    return {
        "labels_told": run.labelled,
        "learned": learned,
        "learned_percent": six_digits(100 * learned / max(run.n_rows, 1)),
        "gated": counts["gated"],
        "over_budget": counts["over_budget"],
        "waited": counts["waited"],
        "without_label": run.n_rows - run.labelled,
        "label_never_came": never,
        "energy_saved_percent": None if saved is None else six_digits(saved),
    }


def _device(run: StreamSession) -> dict[str, Any]:
    """Return real-time behaviour, power and battery life of the device."""
    clock, hz = run.device.clock, run.rates.clock_hz
    counters = (run.learner.counters, run.learner.inference_counters)
    done = max(run.n_rows - run.score.n_dropped, 1)
    busy_s = run.rates.total(run.rates.cycles, *counters) / hz
    energy_pj = None if run.rates.energy_pj is None else run.rates.total(run.rates.energy_pj, *counters)
    timed = run.timing.timed
    elapsed_s = max(run.elapsed_s, busy_s) if timed else None
    power = None
    if elapsed_s and energy_pj is not None:
        power = energy_pj * 1e-6 / elapsed_s + (run.rates.idle_uw or 0.0) * (1 - busy_s / elapsed_s)
    in_time = clock[t.ADMITTED] if timed else 0
    return {
        "processor": run.processor.name,
        "clock_hz": hz,
        "timed": timed,
        "rows_per_second": six_digits(run.n_rows / run.elapsed_s) if timed and run.elapsed_s else None,
        "deadline_s": run.timing.deadline_s if timed else None,
        "queue": run.config.queue if timed else None,
        "mean_busy_s": six_digits(busy_s / done),
        "most_rows_per_second": six_digits(done / busy_s) if busy_s else None,
        "busy_percent": six_digits(100 * busy_s / elapsed_s) if elapsed_s else None,
        "dropped": run.score.n_dropped,
        "late": run.counts["late"],
        "keeps_up": run.score.n_dropped == 0 and run.counts["late"] == 0 if timed else None,
        "mean_response_s": six_digits(clock[t.RESPONSES] / in_time / hz / TICKS_PER_CYCLE) if in_time else None,
        "longest_response_s": six_digits(clock[t.LONGEST] / hz / TICKS_PER_CYCLE) if in_time else None,
        "energy_per_row_pj": None if energy_pj is None else six_digits(energy_pj / done),
        "energy_unit_pj": run.energy_unit_pj,
        "idle_uw": None if run.rates.idle_uw is None else six_digits(run.rates.idle_uw),
        "average_power_uw": None if power is None else six_digits(power),
        "battery_j": run.timing.joules,
        "battery_days": six_digits(run.timing.joules / (power * 1e-6) / SECONDS_PER_DAY) if power else None,
    }


def _label_buffers(run: StreamSession) -> list[dict[str, Any]]:
    """Return the buffer of inputs that wait for delayed labels."""
    delay, front = run.config.label_delay, run.front_end.spec
    if delay == 0:
        return []
    words = delay * front.n_inputs
    return [
        {
            "layer": 1,
            "role": "input",
            "words": words,
            "word_bits": front.input_bits,
            "reason": f"labels come {delay} rows late",
            "bits": words * front.input_bits,
        }
    ]


def open_config_source(config: StreamConfig) -> Source:
    """Open the source of a configuration; "-" is live input from the standard input."""
    if config.task == "regression":
        for name in ("label_column", "label_from", "labels", "classes", "update_gate"):
            declared = config.declared()[name]
            if getattr(config, name) != declared.default:
                raise UserError(
                    f"setting '{name}' ({declared.flag}) has no effect with --task regression; leave it out"
                )
    if config.data == "-":
        if sys.stdin is None:
            raise UserError("the standard input is closed; pipe lines into it: producer | edgelearn stream -")
        for flag in ("columns", "label_from", "labels"):
            if getattr(config, flag) is not None:
                raise UserError(f"live input has no {flag}; leave --{flag.replace('_', '-')} out")
        lines = LineSource(
            sys.stdin.buffer,
            name="-",
            source="standard input",
            roles=replace(roles_of(config), has_label=config.task != "regression"),
            n_classes=config.classes,
            live=True,
        )
        return lines if config.limit is None else Limited(lines, config.limit)
    is_path = config.data not in stream_names() and Path(config.data).suffix.lower() != ".toml"
    open_with = partial(
        open_source,
        config.data,
        columns=None if config.columns is None else Path(config.columns),
        subjects=config.subjects,
        limit=config.limit,
        label_from="(.)" if config.task == "regression" and is_path else config.label_from,  # no column is the label
        labels=config.labels,
    )
    roles = roles_of(config)
    source = open_with(roles=roles)
    set_aside = [name for name in config.target_columns or () if name in _set_aside(source.columns_used)]
    if set_aside and not roles.features:  # targets that are named like a label or a time
        features = (*(name.removeprefix("column ") for name in source.channels), *set_aside)
        source = open_with(roles=replace(roles, label=None, features=features))
    return source


def _set_aside(used: ColumnsUsed) -> tuple[str | None, ...]:
    """Return the columns that were taken for something else than inputs."""
    return used.label, used.time, used.subject, *used.left_out


def open_work(
    config: StreamConfig,
    checkpoint: Checkpoint | None = None,
    source: Source | None = None,
    on_rows: Callable[[Any, Any], None] | None = None,
) -> Any:
    """Open the source of a configuration, unless one is given, and design the network of its task."""
    source = source or open_config_source(config)
    if checkpoint is not None:  # before anything reads the source: its state holds the columns of live input
        source.restore(checkpoint.note["source"])
    module, name = WORKS[config.task]
    return getattr(import_module(module), name)(config, source, on_rows)


def run(
    config: StreamConfig,
    out: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: Callable[[Any], None] = lambda work: None,
    on_rows: Callable[[Any, Any], None] | None = None,
    source: Source | None = None,
) -> Result:
    """Learn a stream online; see `drive`.

    Parameters
    ----------
    on_rows : called with the work and the rows of every block, `RowsDone` or those of the task
    source : stream to learn in place of the one that the settings name
    """

    def open(config: StreamConfig, checkpoint: Checkpoint | None) -> Any:
        return open_work(config, checkpoint, source, on_rows)

    return drive(KIND, config, out, resume, overwrite, on_progress, open)


def layer_rates(config: StreamConfig) -> list[int]:
    """Return the rate exponent of each layer, and check the front end.

    Raises
    ------
    UserError
        "studies ..." for a task without accuracy
    """
    if config.task != "classify":
        raise UserError(f"studies compare accuracies, and --task {config.task} has none; run edgelearn stream instead")
    durations = {name: 2 for name in ("window", "stride") if isinstance(getattr(config, name), str)}
    front_end_of(config.model_copy(update=durations), 1)
    return rates.layer_rates(config)


def count_samples(config: StreamConfig) -> int:
    """Return the length of a stream in samples; raise UserError if it is not known."""
    n = open_config_source(config).n_samples
    if n is None:
        raise UserError(f"'{config.data}' does not say how long it is, so that rates cannot be tuned on its start")
    return int(n)


def record_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of a report in a study."""
    return rates.record_of(content) | {"samples_learned": content["learning"]["learned"]}


def compared(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results of a report for a comparison of runs."""
    if content.get("task") == "anomaly":
        return compared_anomalies(content)
    if content.get("task") == "regression":
        result, price = content["result"], content["price_of_row"]
        found = {name: result[name] for name in ("samples_learned", "rows_scored", "r2", "rmse", "mae")}
        found |= {f"row_{name}": price[name] for name in ("busy_s", "energy_pj", "power_uw", "battery_days")}
        return {"rows": content["stream"]["rows"]} | found | rates.compared(content)
    result, device = content["result"], content["device"]
    return {
        "samples_learned": content["learning"]["learned"],
        "kappa": result["kappa"],
        "fading_accuracy_percent": percent(result["fading_accuracy"]),
        "rows": content["stream"]["rows"],
        "drifts_detected": content["drift"]["detector"]["n_detections"],
        **{name: device[name] for name in ("dropped", "late", "keeps_up", "average_power_uw", "battery_days")},
        **rates.compared(content),
    }


def compared_anomalies(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results of a report of learning without labels for a comparison of runs."""
    result, labels = content["result"], content["result"]["labels"] or {}
    measures = ("f1", "false_alarm_rate", "missing_alarm_rate", "roc_area", "pr_area", "nab_score")
    detecting = content["phases"][-1]
    return {
        "rows": content["stream"]["rows"],
        "samples_learned": sum(row["learned"] for row in content["phases"]),
        "rows_judged": result["rows_judged"],
        "alarm_rate": result["alarm_rate"],
        "threshold": content["detector"]["threshold_value"],
        **{name: labels.get(name) for name in measures},
        **{f"detect_{name}": detecting[name] for name in ("busy_s", "energy_pj", "power_uw", "battery_days")},
        **rates.compared(content),
    }


KIND = Kind(
    settings=StreamConfig,
    title="a stream",
    contract=CONTRACT,
    open=open_work,
    show=show,
    accuracy="before learning",
    studied=Studied(
        rates=rates.RATES,
        layer_rates=layer_rates,
        count_samples=count_samples,
        data_names=stream_names,
        find_processor=find_processor,
        record=record_of,
        price=rates.price_record,
        compared=compared,
        counters=rates.COLUMNS,
        not_columns=(),  # the processor decides which rows come too late to be learned
    ),
)
