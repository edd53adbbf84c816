"""Runs on a stream whose targets are numbers: columns of the same row, or those of the next one, test-then-train."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from edgelearn.config import StreamConfig
from edgelearn.data.open_source import stream_names
from edgelearn.data.source import Block, Source, no_value_of
from edgelearn.errors import UserError, unknown
from edgelearn.network.graded import GRADED_OUTPUTS
from edgelearn.network.kernels import tables as t
from edgelearn.network.learner import steps_of
from edgelearn.network.spec import NetworkSpec
from edgelearn.references.linear_baseline import SOURCE, linear_predictions
from edgelearn.runs import rates
from edgelearn.runs.front_ends import front_end_of
from edgelearn.runs.number_stream import NumberStream
from edgelearn.runs.rates import activity_as_dict, network_as_dict, spec_of
from edgelearn.runs.session import in_samples
from edgelearn.runs.shapes import check_no_shape, topology_of
from edgelearn.streaming.front_end import FrontEnd
from edgelearn.streaming.regression_scores import ErrorCurve, NumberErrors
from edgelearn.streaming.target_scale import TargetScale
from edgelearn.units import count, six_digits
from hw_models.compare.rules import as_dict, cost_of_rule

MOST_VALUES = 2_000_000  # inputs that the linear regression, which is Python, is run on
PREDICTORS = ("network", "persistence")


@dataclass(frozen=True, slots=True, eq=False)
class RowsPredicted:
    """What became of consecutive rows, one entry per row.

    Parameters
    ----------
    first : number of the first row, from 0
    samples, lines : int64[n] and int64[n] or int64[0], as of `edgelearn.runs.session.RowsDone`
    times : float64[n], seconds, NaN where unknown
    targets, predictions : float64[n, n_targets], NaN where there is none; predictions are those before learning
    learned : bool[n]
    ahead : float64[n, n_targets], prediction of the next row; [0, n_targets] where it is not asked for
    """

    first: int
    samples: np.ndarray
    lines: np.ndarray
    times: np.ndarray
    targets: np.ndarray
    predictions: np.ndarray
    learned: np.ndarray
    ahead: np.ndarray


OnRows = Callable[["RegressionWork", RowsPredicted], None]


class RegressionWork(NumberStream):
    """A stream of numbers that is learned block by block; the `Work` of this task.

    Parameters
    ----------
    config : settings
    source : where samples come from
    on_rows : called with the rows of every block

    Raises
    ------
    UserError
        "target column ...", "... has no column beside ...", and what the network says
    """

    def __init__(self, config: StreamConfig, source: Source, on_rows: OnRows | None = None) -> None:
        self.targets = targets_of(config, source)
        places = [source.channels.index(name) for name in self.targets]
        self.is_next = config.predict == "next"
        inputs = [k for k in range(len(source.channels)) if self.is_next or k not in places]
        if not inputs:
            raise UserError(
                f"{source.name} has no column beside --target-columns {','.join(self.targets)}; name fewer, or give "
                "--predict next, which takes the row before"
            )
        self._places, self._inputs = np.array(places), np.array(inputs)
        front_end = front_end_of(in_samples(config, source), len(inputs))
        spec = network_of(config, front_end.n_inputs, len(self.targets), source)
        super().__init__(config, source, FrontEnd(front_end), spec, on_rows)
        offsets = source.columns_used.offsets
        self._offsets = np.array(offsets)[self._places] if offsets else np.zeros(len(places))
        self.scale = TargetScale(len(places), config.time_constant)
        self.errors = {name: NumberErrors(len(places)) for name in PREDICTORS}
        self.curve = ErrorCurve(len(PREDICTORS))
        self.n_lacking = self.n_learned = 0  # rows without a target, learned rows
        # the row before: levels where they wait for their target, targets, segment
        self._before: dict[str, np.ndarray] = {
            "levels": np.zeros((0, front_end.n_inputs), np.int8 if spec.signed_inputs else np.uint8),
            "targets": np.zeros((0, len(places))),
            "segment": np.zeros(0, np.int64),
        }

    def advance(self, block: Block) -> None:
        numbers = getattr(self.source, "numbers", np.zeros(0, np.int64))
        for part, place in self._parts(block):
            rows = self.take(part, numbers[place] if len(numbers) == len(block) else numbers[:0])
            if self._on_rows is not None:
                self._on_rows(self, rows)

    def _parts(self, block: Block) -> Iterator[tuple[Block, slice]]:
        """Cut a block into single samples where the next row is asked for as soon as one has come."""
        if not (self.live and self.is_next):
            yield block, slice(None)
            return
        for k in range(len(block)):
            place = slice(k, k + 1)
            yield Block(*(getattr(block, name)[place] for name in ("x", "y", "t", "segment"))), place

    def take(self, block: Block, numbers: np.ndarray) -> RowsPredicted:
        """Predict and learn the samples of a block; the result does not depend on block boundaries.

        Parameters
        ----------
        numbers : int64[n], lines of the samples; int64[0] where there are none
        """
        rows = self.front_end.rows(block.x[:, self._inputs], block.segment)
        ends, n, first = rows.ends, len(rows.ends), self.n_rows
        targets = block.x[np.ix_(ends, self._places)].astype(np.float64)
        segments = block.segment[ends]
        samples, times = self.n_samples + ends, self.clock.times(block, self.n_samples)[ends]
        before, n_before = self._before, len(self._before["segment"])
        all_targets = np.concatenate([before["targets"], targets])
        all_segments = np.concatenate([before["segment"], segments])
        last = all_targets[n_before - 1 : n_before - 1 + n] if n_before else np.concatenate(
            [np.full((min(n, 1), targets.shape[1]), np.nan), all_targets[: max(n - 1, 0)]]
        )  # fmt: skip
        follows = np.ones(n, bool)
        follows[0 if not n_before else n :][:1] = False
        follows[1 - n_before :] &= all_segments[1:] == all_segments[:-1]
        levels, has, base = rows.levels, np.ones(n, bool), np.zeros_like(targets)
        if self.is_next:  # as a change, so that an output of 0 is about persistence
            base = np.where(follows[:, None], last, np.nan)
            stored = np.concatenate([before["levels"], rows.levels])
            levels, has = stored[: len(stored) - 1] if len(stored) else stored, follows
            if not n_before and n:
                levels = np.concatenate([np.zeros_like(rows.levels[:1]), levels])
        scaled = self.scale.take(targets - base)
        known = np.isfinite(targets - base).all(axis=1)
        chosen = np.flatnonzero(has)
        labels = np.where(known[chosen], 0, t.NO_LABEL).astype(np.int64)
        outcome = self.learner.run_steps(levels[chosen], steps_of(labels), targets=scaled.words[chosen], outputs=True)
        predictions, learned = np.full(targets.shape, np.nan), np.zeros(n, bool)
        predictions[chosen] = base[chosen] + scaled.values(outcome.outputs, chosen)
        learned[chosen] = outcome.statuses & t.LEARNED != 0
        scored = follows & known & has & np.isfinite(last).all(axis=1)
        self._score(targets, {"network": predictions, "persistence": last}, scored)
        self.n_lacking += int((~np.isfinite(targets).all(axis=1)).sum())
        self.n_learned += int(learned.sum())
        if n:
            self._before = {"levels": rows.levels[-1:], "targets": targets[-1:], "segment": segments[-1:]}
        ahead = np.zeros((0, targets.shape[1]))
        if self.live and self.is_next and n:
            mean, unit = self.scale.now
            ahead = targets[-1] + mean + self.learner.outputs(rows.levels[-1:]) * unit + self._offsets
        lines = numbers[ends] if len(numbers) == len(block) else numbers[:0]
        self.passed(block, n, int(np.count_nonzero(rows.levels)))
        return RowsPredicted(
            first, samples, lines, times, targets + self._offsets, predictions + self._offsets, learned, ahead
        )

    def _score(self, targets: np.ndarray, predictions: dict[str, np.ndarray], scored: np.ndarray) -> None:
        squares = np.full((len(targets), len(PREDICTORS)), np.nan)
        for k, name in enumerate(PREDICTORS):
            self.errors[name].update(targets[scored], predictions[name][scored])
            # of several targets, their errors in deviations of each would differ in time: those of the first
            squares[scored, k] = (predictions[name] - targets)[scored, 0] ** 2
        self.curve.update(squares)

    def state(self) -> dict[str, np.ndarray]:
        """Return all state as plain arrays."""
        parts: dict[str, dict[str, np.ndarray]] = {
            "learner": self.learner.save(),
            "front_end": self.front_end.save(),
            "scale": self.scale.front_end.save(),
            "before": self._before,
            "curve": self.curve.state(),
            **{f"errors_{name}": errors.state() for name, errors in self.errors.items()},
        }
        return {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}

    def note(self) -> dict[str, Any]:
        """Return the plain values of a checkpoint."""
        return super().note() | {"rows": [self.n_lacking, self.n_learned]}

    def restore(self, arrays: dict[str, np.ndarray], note: dict[str, Any]) -> None:
        """Continue from `state` and `note`; see `NumberStream.restore_place`."""
        self.restore_place(note)

        def part(name: str) -> dict[str, np.ndarray]:
            return {key.removeprefix(f"{name}."): a for key, a in arrays.items() if key.startswith(f"{name}.")}

        self.learner.restore(part("learner"))
        self.front_end.restore(part("front_end"))
        self.scale.front_end.restore(part("scale"))
        self._before = part("before")
        self.curve.restore(part("curve"))
        for name, errors in self.errors.items():
            errors.restore(part(f"errors_{name}"))
        self.n_lacking, self.n_learned = note["rows"]

    def words(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return network and front ends as they are, and what they are built from."""
        parts = {"front_end": self.front_end.save(), "scale": self.scale.front_end.save()}
        arrays = {f"{part}.{name}": array for part, saved in parts.items() for name, array in saved.items()}
        front = self.front_end.spec
        config = self.config.model_copy(update={"window": front.window, "stride": front.stride})
        used = replace(self.source.columns_used, inputs=self._names, label=self._label)
        note = rates.note_of(config, self.spec, used, ())
        return self.learner.save() | arrays, note | {"targets": list(self.targets)}

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(self.source.channels[k] for k in self._inputs)

    @property
    def _label(self) -> str | None:
        """The label of a stream that has one of its own; of files, no column is the label."""
        return self.source.columns_used.label if self.config.data in stream_names() else None

    def content(self) -> dict[str, Any]:
        """Return what report.json holds, of the samples so far."""
        spec, front_end, n_rows = self.spec, self.front_end.spec, max(self.n_rows, 1)
        linear, notes = self._linear()
        content = self.stream_facts() | {
            "notes": [*self._notes(), *notes],
            "front_end": asdict(front_end)
            | {
                "inputs": front_end.n_inputs,
                "events_per_row": six_digits(self.counts["events"] / n_rows),
                "event_rate_percent": six_digits(100 * self.counts["events"] / n_rows / front_end.n_inputs),
            },
            "network": network_as_dict(spec),
            "result": self._result(linear),
            "accuracy_percent": None,
            "history": self.curve.as_dict(PREDICTORS),
            "price_of_row": self.price_of_rows(self.n_learned, self.learner.counts),
            "device": self.device_facts(),
            "cost": as_dict([cost_of_rule(spec, self.learner.counters, self.processor)]),
        }
        content["columns"] |= {"inputs": list(self._names), "label": self._label}
        return content | activity_as_dict(spec, self.learner.counters, self.learner.inference_counters)

    def _result(self, linear: NumberErrors | None) -> dict[str, Any]:
        """Return the errors of network and baselines per target, and those of the network where there is one target."""
        predictors = self.errors | ({} if linear is None else {"linear regression": linear})
        by_target: list[dict[str, Any]] = [
            {"target": name} | {title: errors.of_target(k) for title, errors in predictors.items()}
            for k, name in enumerate(self.targets)
        ]
        r2 = [one["network"]["r2"] for one in by_target if one["network"]["r2"] is not None]
        single = by_target[0]["network"] if len(by_target) == 1 else {"rmse": None, "mae": None}
        return {
            "r2": round(sum(r2) / len(r2), 6) if r2 else None,
            "rmse": single["rmse"],
            "mae": single["mae"],
            "rows_scored": self.errors["network"].n,
            "samples_learned": self.n_learned,
            "by_target": by_target,
        }

    def _linear(self) -> tuple[NumberErrors | None, list[str]]:
        """Return the errors of river's linear regression on the scored rows, and a note."""
        left_out = "without river's linear regression"
        if self.live:
            return None, [f"{left_out}: live input cannot be read again"]
        n_values = self.n_rows * self.front_end.spec.window * len(self._inputs)
        if n_values > MOST_VALUES:
            return None, [f"{left_out}: {n_values:,} inputs are more than {MOST_VALUES:,}; --limit takes a part"]
        inputs, targets, base, scored = self._raw_rows()
        try:
            found = base + linear_predictions(zip(inputs, targets - base, strict=True), targets.shape[1])
        except UserError as error:
            return None, [f"{left_out}: {error}"]
        errors = NumberErrors(targets.shape[1])
        errors.update(targets[scored], found[scored])
        return errors, [f"linear regression: {SOURCE}"]

    def _raw_rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return inputs of rows as they came, targets, what these are learned as the change of, and which are scored.

        Returns
        -------
        float64[n, window * n_inputs], float64[n, n_targets] twice, bool[n]
        """
        blocks = list(self.source.blocks(0))
        x, segment = (np.concatenate([getattr(b, k) for b in blocks])[: self.n_samples] for k in ("x", "segment"))
        spec = self.front_end.spec
        begins = np.concatenate([[True], segment[1:] != segment[:-1]])
        place = np.arange(len(x)) - np.maximum.accumulate(np.where(begins, np.arange(len(x)), 0))
        ends = np.flatnonzero((place >= spec.window - 1) & ((place + 1 - spec.window) % spec.stride == 0))
        steps = np.arange(1 - spec.window, 1)
        inputs = x[:, self._inputs][ends[:, None] + steps].reshape(len(ends), -1).astype(np.float64)
        targets = x[np.ix_(ends, self._places)].astype(np.float64)
        follows = np.concatenate([[False], segment[ends][1:] == segment[ends][:-1]])
        known = np.isfinite(targets).all(axis=1)
        scored = follows & known & np.concatenate([[False], known[:-1]])
        if self.is_next:
            follows = follows[1:]
            return inputs[:-1][follows], targets[1:][follows], targets[:-1][follows], scored[1:][follows]
        return inputs, targets, np.zeros_like(targets), scored

    def _notes(self) -> list[str]:
        notes = [*self.source.notes, *self._notes_on_missing()]
        if self.n_lacking:
            notes.append(f"{self.n_lacking:,} of {count(self.n_rows, 'row')} lack a target: not learned, not scored")
        if self._label is not None:
            notes.append(f"the label, {self._label}, is no input")
        if self.config.target_columns is None:
            notes.append(f"targets: all columns ({len(self.targets)}); --target-columns names some")
        return [*notes, *rates.width_notes(self.config, self.spec), *rates.notes_on_masks(self.spec)]

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


def targets_of(config: StreamConfig, source: Source) -> tuple[str, ...]:
    """Return the names of the targets.

    Raises
    ------
    UserError
        "target column '...' is not known ...", "... needs columns to learn ..."
    """
    given, known = config.target_columns, source.channels
    if given is None:
        if config.predict == "same":
            raise UserError(
                "task regression needs columns to learn; give --target-columns, by name, or --predict next for the "
                "next values of all columns"
            )
        return tuple(known)
    titles = {name.removeprefix("column "): name for name in known}
    found = []
    for name in given:
        if name not in known and name not in titles:
            used = source.columns_used
            if name in (used.label, used.time, used.subject, *used.left_out):
                raise UserError(
                    f"column '{name}' is no input by its name; name all inputs with --features, the target among them"
                )
            raise unknown(f"target column of {source.name}", name, list(titles))
        found.append(name if name in known else titles[name])
    return tuple(found)


def network_of(config: StreamConfig, n_inputs: int, n_targets: int, source: Source) -> NetworkSpec:
    """Derive the network behind a front end.

    Raises
    ------
    UserError
        "net ... does not fit ...", "hidden '...' cannot be read"
    """
    if config.output not in GRADED_OUTPUTS:
        raise UserError(
            f"output '{config.output}' gives shares of classes; --task regression takes {' or '.join(GRADED_OUTPUTS)}"
        )
    if config.net is not None:
        net = topology_of(config, config.data, windows=True)
        if (net.sizes[0], net.sizes[-1]) != (n_inputs, n_targets):
            raise UserError(
                f"net '{config.net}' does not fit {source.name}: {n_inputs} inputs behind the encoder and outputs for "
                f"{n_targets} targets; try --net {n_inputs}-64-{n_targets}, or give --hidden alone"
            )
        return spec_of(config, net if net.is_convolutional else net.sizes)
    check_no_shape(config)
    try:
        hidden = tuple(int(part) for part in config.hidden.split("-"))
    except ValueError:
        hidden = (-1,)
    if min(hidden) < 0 or (len(hidden) > 1 and min(hidden) < 1):
        raise UserError(f"hidden '{config.hidden}' cannot be read; write 64, or 64-32, or 0 for no hidden layer")
    return spec_of(config, (n_inputs, *(n for n in hidden if n), n_targets))
