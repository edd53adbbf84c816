"""Runs on a stream without labels: a network learns to reconstruct its rows, and a detector judges how well it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgelearn.config import StreamConfig
from edgelearn.data.recordings import run_starts
from edgelearn.data.source import Block, Source
from edgelearn.errors import UserError
from edgelearn.network.kernels import detector_tables as d
from edgelearn.network.kernels import tables as t
from edgelearn.network.learner import steps_of
from edgelearn.network.spec import NetworkSpec
from edgelearn.runs import rates
from edgelearn.runs.anomaly_notes import notes_of
from edgelearn.runs.front_ends import front_end_of
from edgelearn.runs.number_stream import NumberStream
from edgelearn.runs.phases import Anomalies, Phases, detector_of, phases_of, recordings_of
from edgelearn.runs.rates import activity_as_dict, network_as_dict, spec_of
from edgelearn.runs.session import in_samples
from edgelearn.runs.shapes import check_no_shape, topology_of
from edgelearn.streaming.anomaly_scores import AlarmList, AnomalyScores, ScoreHistory
from edgelearn.streaming.detector import PHASES, AnomalyDetector
from edgelearn.streaming.front_end import ONE_WORD, FrontEnd
from edgelearn.units import six_digits
from hw_models.compare.rules import as_dict, cost_of_rule


@dataclass(frozen=True, slots=True, eq=False)
class RowsJudged:
    """What became of consecutive rows, one entry per row.

    Parameters
    ----------
    first : number of the first row, from 0
    samples : int64[n], number of the last sample of each row
    times : float64[n], seconds, NaN where unknown
    labels : int64[n], 1 for an anomaly, 0 for a normal row, -1 for unknown
    lines : int64[n], input line of the last sample of each row; int64[0] where the source has no lines
    found : int64[n, ROW_COLUMNS] of `edgelearn.network.kernels.detector_tables`
    learned : bool[n]
    """

    first: int
    samples: np.ndarray
    times: np.ndarray
    labels: np.ndarray
    lines: np.ndarray
    found: np.ndarray
    learned: np.ndarray


MOST_RELATIVE = 2**48 - 1  # of a score over its threshold, in 1/4096
OnRows = Callable[["AnomalyWork", RowsJudged], None]


class AnomalyWork(NumberStream):
    """A stream that is learned without labels, block by block; the `Work` of this task.

    Parameters
    ----------
    config : settings
    source : where samples come from
    on_rows : called with the rows of every block
    """

    def __init__(self, config: StreamConfig, source: Source, on_rows: OnRows | None = None) -> None:
        _check(config)
        front_end = front_end_of(in_samples(config, source), len(source.channels))
        self.recordings = recordings_of(config, source)
        self.phases: Phases = phases_of(config, source, front_end.window, front_end.stride, self.recordings)
        self.anomalies = Anomalies(config.normal_class, source)
        watching = FrontEnd(front_end, self.phases.adapt_rows, ONE_WORD)
        super().__init__(config, source, watching, network_of(config, front_end.n_inputs, source), on_rows)
        self.detector = AnomalyDetector(detector_of(config, self.phases))
        self.score, self.history, self.alarms = AnomalyScores(), ScoreHistory(), AlarmList()
        # per phase: rows, learned rows, alarms, labelled anomalies
        self.of_phases = np.zeros((len(PHASES), 4), np.int64)
        self._work = np.zeros((len(PHASES), *self.learner.counts.shape), np.int64)  # counters of each phase
        # recordings so far, those of them that ended before detection, and the first row of the one at hand
        self.n_recordings = self.n_short = self._first_row = 0
        self._segment: int | None = None
        self._fresh = {"learner": self.learner.save(), "front_end": self.front_end.save()}

    @property
    def n_phase_rows(self) -> int:
        """Rows that the phases count: of the recording at hand where they restart, else of the stream."""
        return self.n_rows - self._first_row

    def advance(self, block: Block) -> None:
        numbers = getattr(self.source, "numbers", np.zeros(0, np.int64))
        starts = run_starts(block.segment)
        for first, end in zip(starts, [*starts[1:], len(block)], strict=True):
            part = slice(first, end)
            if block.segment[first] != self._segment:
                self._begin_recording(int(block.segment[first]))
            lines = numbers[part] if len(numbers) == len(block) else numbers[:0]
            rows = self.take(Block(block.x[part], block.y[part], block.t[part], block.segment[part]), lines)
            if self._on_rows is not None:
                self._on_rows(self, rows)

    def _begin_recording(self, segment: int) -> None:
        """Begin a recording: a new network, front end and detector where phases restart; counts and measures go on."""
        restart = self.recordings.restart and self._segment is not None
        self._segment = segment
        self.n_recordings += 1
        if not restart:
            return
        self.n_short += self.detector.threshold is None
        self._first_row = self.n_rows
        self.score.end_recording()
        self.learner.restore(self._fresh["learner"] | {"counts": self.learner.save()["counts"]})
        self.front_end.restore(self._fresh["front_end"])
        self.detector.begin()

    def take(self, block: Block, numbers: np.ndarray) -> RowsJudged:
        """Learn and judge samples of one recording; the result does not depend on block boundaries.

        Parameters
        ----------
        numbers : int64[n], lines of the samples; int64[0] where there are none
        """
        rows = self.front_end.rows(block.x, block.segment)
        ends, n, first = rows.ends, len(rows.ends), self.n_rows
        samples, times = self.n_samples + ends, self.clock.times(block, self.n_samples)[ends]
        labels = self.anomalies.of(block.y[ends])
        phases = self.phases.of_rows(self.n_phase_rows, n)
        found = np.zeros((n, d.ROW_COLUMNS), np.int64)
        found[:, d.ROW_PHASE] = phases
        learned = np.zeros(n, bool)
        for phase in np.unique(phases).tolist():
            part = slice(*np.searchsorted(phases, [phase, phase + 1]))
            if phase != d.CALIBRATE:
                self._judge(rows.levels[part], phase, found[part], learned[part])
        for column, values in enumerate((np.ones(n, bool), learned, found[:, d.ROW_ALARM], labels == 1)):
            self.of_phases[:, column] += np.bincount(phases, values, len(PHASES)).astype(np.int64)
        self._measure(first, phases, found, labels, times)
        self.passed(block, n, int(np.count_nonzero(rows.levels)))
        lines = numbers[ends] if len(numbers) == len(block) else numbers[:0]
        return RowsJudged(first, samples, times, labels, lines, found, learned)

    def _judge(self, levels: np.ndarray, phase: int, found: np.ndarray, learned: np.ndarray) -> None:
        """Take rows of one phase through network and detector."""
        arrays = self.detector.arrays(len(levels))
        before = self.learner.counts.copy()
        outcome = self.learner.run_steps(levels, steps_of(np.zeros(len(levels), np.int64)), detector=arrays)
        self._work[phase] += self.learner.counts - before
        found[:], learned[:] = arrays.rows, outcome.statuses & t.LEARNED != 0

    def _measure(
        self, first: int, phases: np.ndarray, found: np.ndarray, labels: np.ndarray, times: np.ndarray
    ) -> None:
        smoothed, alarms = found[:, d.ROW_SMOOTHED], found[:, d.ROW_ALARM]
        detecting = phases == d.DETECT
        scores = smoothed[detecting]
        if self.recordings.restart:  # those of other recordings have thresholds of their own
            scores = np.minimum((scores << 12) // np.maximum(found[detecting, d.ROW_LIMIT], 1), MOST_RELATIVE)
        self.score.update(labels[detecting], scores, alarms[detecting], times[detecting])
        self.history.update(
            {
                "phase": phases,
                "smoothed": smoothed,
                "limit": found[:, d.ROW_LIMIT],
                "alarm": alarms,
                "anomaly": labels,
                "time": times,
            }
        )
        at = np.flatnonzero(alarms)
        self.alarms.update(first + at, smoothed[at], times[at])

    def state(self) -> dict[str, np.ndarray]:
        """Return all state as plain arrays."""
        parts: dict[str, dict[str, np.ndarray]] = {
            "learner": self.learner.save(),
            "front_end": self.front_end.save(),
            "detector": self.detector.save(),
            "score": self.score.state(),
            "history": self.history.state(),
            "alarms": self.alarms.state(),
            "phases": {"rows": self.of_phases, "work": self._work},
        }
        return {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}

    def note(self) -> dict[str, Any]:
        """Return the plain values of a checkpoint."""
        recordings = [self.n_recordings, self.n_short, self._first_row, self._segment]
        return super().note() | {"recordings": recordings}

    def restore(self, arrays: dict[str, np.ndarray], note: dict[str, Any]) -> None:
        """Continue from `state` and `note`; the source was restored before.

        Raises
        ------
        UserError
            "... is not the stream ..." where the samples before the place differ
        """
        self.restore_place(note)

        def part(name: str) -> dict[str, np.ndarray]:
            return {key.removeprefix(f"{name}."): a for key, a in arrays.items() if key.startswith(f"{name}.")}

        self.learner.restore(part("learner"))
        self.front_end.restore(part("front_end"))
        self.detector.restore(part("detector"))
        self.score.restore(part("score"))
        self.history.restore(part("history"))
        self.alarms.restore(part("alarms"))
        self.of_phases[:], self._work[:] = part("phases")["rows"], part("phases")["work"]
        self.n_recordings, self.n_short, self._first_row, self._segment = note["recordings"]

    def words(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return network, front end and detector as they are, and what they are built from."""
        parts = {"front_end": self.front_end.save(), "detector": self.detector.save()}
        arrays = {f"{part}.{name}": array for part, saved in parts.items() for name, array in saved.items()}
        front = self.front_end.spec
        config = self.config.model_copy(update={"window": front.window, "stride": front.stride})
        note = rates.note_of(config, self.spec, self.source.columns_used, self.source.class_names)
        note["detector"] = asdict(self.detector.spec)
        note["phases"] = {"calibrate_rows": self.phases.calibrate, "adapt_rows": self.phases.adapt_rows}
        return self.learner.save() | arrays, note

    def content(self) -> dict[str, Any]:
        """Return what report.json holds, of the samples so far."""
        spec, front_end = self.spec, self.front_end.spec
        n_rows = max(self.n_rows, 1)
        content = self.stream_facts() | {
            "notes": notes_of(self),
            "front_end": asdict(front_end)
            | {
                "inputs": front_end.n_inputs,
                "adapt_rows": self.phases.adapt_rows,
                "events_per_row": six_digits(self.counts["events"] / n_rows),
                "event_rate_percent": six_digits(100 * self.counts["events"] / n_rows / front_end.n_inputs),
            },
            "network": network_as_dict(spec),
            "detector": self._detector(),
            "phases": self._phases(),
            "result": self._result(),
            "accuracy_percent": None,
            **self._restarts(),
            "history": self.history.as_dict(),
            "device": self.device_facts(),
            "cost": as_dict([cost_of_rule(spec, self.learner.counters, self.processor)]),
        }
        return content | activity_as_dict(spec, self.learner.counters, self.learner.inference_counters)

    def _restarts(self) -> dict[str, Any]:
        """Return how often phases restarted, where they do."""
        if not self.recordings.restart:
            return {}
        not_judged = self.n_short + (self.detector.threshold is None)
        return {"restarts": {"recordings": self.n_recordings, "not_judged": int(not_judged)}}

    def _detector(self) -> dict[str, Any]:
        found = asdict(self.detector.spec)
        return found | {
            "quantile": self.detector.spec.quantile / d.QUANTILE_ONE,
            "factor": self.detector.spec.factor / 16,
            "threshold_value": six_digits(self.detector.threshold),
            "kept_scores": self.detector.spec.n_kept,
            "score_saturations": int(self.detector.state[d.SATURATED]),
        }

    def _result(self) -> dict[str, Any]:
        rows, _, alarms, _ = self.of_phases[d.DETECT].tolist()
        judged = self.score.as_dict()
        labelled = judged["labelled"] > 0
        return {
            "rows_judged": rows,
            "alarm_rows": alarms,
            "alarm_rate": six_digits(alarms / rows if rows else None),
            "alarms": self.alarms.n,
            "alarm_list": self.alarms.as_list(),
            "labels": judged if labelled else None,
        }

    def _phases(self) -> list[dict[str, Any]]:
        """Return rows, learned rows, alarms, and the price of a row in each phase."""
        planned = (self.phases.calibrate, self.phases.train, self.phases.threshold, None)
        found = []
        for phase, name in enumerate(PHASES):
            rows, learned, alarms, anomalies = self.of_phases[phase].tolist()
            found.append(
                {"phase": name, "planned_rows": planned[phase], "rows": rows, "learned": learned, "alarm_rows": alarms}
                | {"labelled_anomalies": anomalies}
                | self.price_of_rows(rows, self._work[phase])
            )
        return found


def _check(config: StreamConfig) -> None:
    """Refuse settings that learning without labels does not know.

    Raises
    ------
    UserError
        "setting '...' has no effect with --task anomaly ..."
    """
    for name in ("update_gate", "classes"):
        if getattr(config, name) != type(config).model_fields[name].default:
            more = "; --learn-while says which rows are learned" if name == "update_gate" else ""
            raise UserError(
                f"setting '{name}' (--{name.replace('_', '-')}) has no effect with --task anomaly{more}; leave it out"
            )


def hidden_for(n_inputs: int) -> int:
    """Return the hidden neurons of an autoencoder whose shape follows from its inputs: a bottleneck.

    Example
    -------
    >>> [hidden_for(n) for n in (1, 3, 8, 80, 1000)]
    [1, 2, 4, 20, 64]
    """
    return max(min(n_inputs // 4, 64), min((n_inputs + 1) // 2, 4))


def network_of(config: StreamConfig, n_inputs: int, source: Source) -> NetworkSpec:
    """Derive the network that reconstructs its inputs.

    Raises
    ------
    UserError
        "net ... does not fit ...", "hidden '...' cannot be read"
    """
    if config.net is not None:
        net = topology_of(config, config.data, windows=True)
        if (net.sizes[0], net.sizes[-1]) != (n_inputs, n_inputs):
            raise UserError(
                f"net '{config.net}' does not fit {source.name}: {n_inputs} inputs behind the encoder are "
                f"reconstructed by as many outputs; try --net {n_inputs}-{hidden_for(n_inputs)}-{n_inputs}, or give "
                "--hidden alone"
            )
        return spec_of(config, net if net.is_convolutional else net.sizes)
    check_no_shape(config)
    if config.hidden == "auto":
        return spec_of(config, (n_inputs, hidden_for(n_inputs), n_inputs))
    try:
        hidden = tuple(int(part) for part in config.hidden.split("-"))
    except ValueError:
        hidden = (-1,)
    if min(hidden) < 0 or (len(hidden) > 1 and min(hidden) < 1):
        raise UserError(f"hidden '{config.hidden}' cannot be read; write 8, or 16-8-16, or auto")
    return spec_of(config, (n_inputs, *(n for n in hidden if n), n_inputs))
