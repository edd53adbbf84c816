"""Runs over data sets without classes: regression, and reconstruction of the inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgelearn import __version__
from edgelearn.data import datasets
from edgelearn.data.columns import roles_of
from edgelearn.data.dataset import hold_out, range_of
from edgelearn.data.source import ColumnsUsed
from edgelearn.data.targets import NumberData, parts_of_table, read_numbers
from edgelearn.errors import UserError
from edgelearn.network.graded import CLASSIFY, REGRESSION, target_max
from edgelearn.network.learner import Learner
from edgelearn.network.spec import CONTRACT, NetworkSpec
from edgelearn.runs import rates
from edgelearn.runs.checkpoint import digest
from edgelearn.runs.epochs import Epochs
from edgelearn.runs.kind import Progress
from edgelearn.runs.levels import RangeFrontEnd
from edgelearn.runs.rates import activity_as_dict, network_as_dict, spec_of
from edgelearn.runs.shapes import check_no_shape, topology_of
from edgelearn.units import six_digits
from hw_models.compare.rules import as_dict, cost_of_rule
from hw_models.engine.schedule import assume
from hw_models.processor import find_processor

if TYPE_CHECKING:
    from edgelearn.config import DataSettings, RunConfig

DEFAULT_HIDDEN = 100
OF_CLASSES = (
    "classes", "label_column", "label_from", "labels", "start", "cut", "convert", "calibrate", "classes_from", "old",
)  # fmt: skip


def refuse_graded(config: DataSettings) -> None:
    """Refuse a task without classes where only classes are learned.

    Raises
    ------
    UserError
        "task ..."
    """
    task = getattr(config, "task", CLASSIFY)
    if task != CLASSIFY:
        raise UserError(f"task {task} is not for this command; edgelearn run, predict, cost and validate take it")


@dataclass(frozen=True, eq=False)
class TargetScale:
    """Range of targets in the training part, and the words that stand for it.

    Parameters
    ----------
    low, high : float64[n_targets]
    output : linear (-256 to 256) or sigmoid (0 to 255)
    """

    low: np.ndarray
    high: np.ndarray
    output: str

    @property
    def _lowest(self) -> int:
        return -target_max(REGRESSION, self.output) if self.output == "linear" else 0

    @property
    def unit(self) -> np.ndarray:
        """Return what one step of a word is in units of the targets."""
        span = target_max(REGRESSION, self.output) - self._lowest
        return np.where(self.high > self.low, self.high - self.low, 0.0) / span

    def words(self, targets: np.ndarray) -> np.ndarray:
        """Return the words of targets, int16[n, n_targets], limited to the range."""
        safe = np.where(self.unit > 0, self.unit, 1.0)
        highest = target_max(REGRESSION, self.output)
        steps = np.rint((targets - self.low) / safe) + self._lowest
        return np.asarray(np.clip(steps, self._lowest, highest), np.int16)

    def note(self, names: Sequence[str]) -> str:
        """Return the ranges of the targets in one sentence."""
        ranges = zip(names, self.low.tolist(), self.high.tolist(), strict=True)
        told = ", ".join(f"{name} {low:g} to {high:g}" for name, low, high in ranges)
        return f"targets scaled by their range in the training part: {told}"

    def values(self, outputs: np.ndarray) -> np.ndarray:
        """Return the numbers that outputs stand for, float64[n, n_targets]."""
        return np.asarray(self.low + (outputs - self._lowest) * self.unit, np.float64)


def load_numbers(config: RunConfig) -> NumberData:
    """Open the data of a configuration.

    Raises
    ------
    UserError
        Settings that need classes; "target columns ..."; whatever cannot be read
    """
    defaults = type(config).declared()
    for name in OF_CLASSES:
        if getattr(config, name, None) != defaults[name].default:
            raise UserError(
                f"setting '{name}' ({defaults[name].flag}) has no effect with --task {config.task}; leave it out"
            )
    is_regression, targets = config.task == REGRESSION, config.target_columns or ()
    if is_regression and not targets:
        raise UserError("task regression needs columns to learn; give --target-columns, by name")
    if config.data in datasets.names():
        if is_regression:
            raise UserError(
                f"data set '{config.data}' has classes and no target columns; give a file, or leave --task out"
            )
        return _named(config)
    x, t, columns, source = read_numbers(config.data, roles_of(config), targets)
    notes = list(source.notes) + list(source.rejects.notes())
    known = np.isfinite(t).all(axis=1)
    if not known.all():
        notes.append(f"{int((~known).sum()):,} of {len(t):,} rows lack a target and were left out")
        x, t = x[known], t[known]
    if len(x) < 2:
        raise UserError(f"{config.data} has {len(x)} rows with targets; give 2 or more")
    parts = parts_of_table(x, t, config.test_fraction, config.validation_fraction)
    notes.append(
        f"test part: {len(parts[2]):,} rows drawn at random, the same for every seed"
        + ("" if config.validation_fraction is None else " (validation)")
    )
    if columns.time is not None:
        notes.append(f"rows in the order of {columns.time} were shuffled: neighbours are in both parts")
    if config.limit is not None:
        parts[:2] = parts[0][: config.limit], parts[1][: config.limit]
    low, high = (np.asarray(limit, np.float64) for limit in range_of(parts[0]))
    train_x, train_t, test_x, test_t = parts
    return NumberData(
        source.name, source.source, train_x, train_t, test_x, test_t, low, high, columns, targets, tuple(notes)
    )


def _named(config: RunConfig) -> NumberData:
    data = datasets.open_dataset(config.data)
    if config.validation_fraction is not None:
        data = hold_out(data, config.validation_fraction)
    x, tests = data.train_x[: config.limit], data.test_x
    low, high = (np.array(np.broadcast_to(np.asarray(v, np.float64), data.n_features)) for v in (data.low, data.high))
    columns = data.columns or ColumnsUsed(tuple(f"feature {number + 1}" for number in range(data.n_features)))
    none = [np.zeros((len(part), 0)) for part in (x, tests)]
    columns = replace(columns, label=None)
    return NumberData(data.name, data.source, x, none[0], tests, none[1], low, high, columns, (), tuple(data.notes))


def network_for(config: RunConfig, n_inputs: int, n_targets: int) -> NetworkSpec:
    """Derive the network of a configuration; without --net it has one hidden layer.

    Raises
    ------
    UserError
        "net ... does not fit ..."
    """
    is_regression = config.task == REGRESSION
    n_outputs = n_targets if is_regression else n_inputs
    hidden = DEFAULT_HIDDEN if is_regression else max(n_inputs // 4, 2)
    if config.net is None:
        check_no_shape(config)
        return spec_of(config, (n_inputs, hidden, n_outputs))
    net = topology_of(config, config.data)
    sizes = net.sizes
    if not net.is_convolutional and (sizes[0], sizes[-1]) != (n_inputs, n_outputs):
        middle = "-".join(map(str, sizes[1:-1])) or str(hidden)
        raise UserError(
            f"net '{config.net}' does not fit {n_inputs} inputs and outputs for {n_outputs} numbers; "
            f"try --net {n_inputs}-{middle}-{n_outputs}"
        )
    return spec_of(config, net if net.is_convolutional else sizes)


class NumbersWork(Epochs):
    """A network that learns numbers in epochs; the `Work` of tasks without classes.

    Attributes
    ----------
    train_levels : uint8[n, n_in] of the training part
    train_targets : int16[n, n_targets], their words; None where the inputs are the targets

    Raises
    ------
    UserError
        What data and network say; a network that does not fit the processor is refused before it learns.
    """

    live = False

    def __init__(self, config: RunConfig) -> None:
        self.config, self.processor = config, find_processor(config.processor)
        self.data = data = load_numbers(config)
        self.spec = network_for(config, data.train_x.shape[1], len(data.targets))
        self.processor.price(self.spec, assume(self.spec))
        self.front_end = RangeFrontEnd(data.train_x.shape[1], config.input_bits)
        self.front_end.low, self.front_end.high = data.low, data.high
        self.scale: TargetScale | None = None
        self.train_targets: np.ndarray | None = None
        if data.targets:
            self.scale = TargetScale(data.train_t.min(axis=0), data.train_t.max(axis=0), config.output)
            self.train_targets = self.scale.words(data.train_t)
        self.train_levels, self._test = (self.front_end.encode(x) for x in (data.train_x, data.test_x))
        self.measures: list[dict[str, Any]] = []
        none = [np.zeros(len(x), np.int64) for x in (self.train_levels, self._test)]
        learner = Learner(self.spec, config.strict)
        super().__init__(
            learner, (self.train_levels, none[0]), (self._test, none[1]), config.epochs, config.halve_every, config.seed
        )

    def advance(self, part: np.ndarray) -> None:
        """Learn some samples; test after the last of an epoch."""
        levels = self.train_levels[part]
        words = None if self.train_targets is None else self.train_targets[part]
        outputs = self.learner.learn_targets(levels, words)
        errors = outputs.astype(np.int64) - (self._inputs(levels) if words is None else words)
        place = self.place
        place.position += len(part)
        at_end = place.position == len(self.train_levels)
        self._count((errors**2).sum(axis=1), at_end)
        if at_end:
            if len(self._test):
                self.measures.append(self._tested())
            place.epoch, place.position = place.epoch + 1, 0

    def _inputs(self, levels: np.ndarray) -> np.ndarray:
        """Return the targets that levels are to a network that reconstructs them (contract, section 3b)."""
        bits = self.config.input_bits
        return np.asarray(np.minimum(levels.astype(np.int64) << (8 - (bits if bits > 1 else 0)), 255))

    def _tested(self) -> dict[str, Any]:
        """Return errors of the test part, in units of the targets, or of 1.0 of an input."""
        outputs = self.learner.outputs(self._test)
        if self.scale is not None:
            given, targets = self.scale.values(outputs), self.data.test_t
        else:
            given, targets = outputs / 256, self._inputs(self._test) / 256
        errors = given - targets
        squares, spread = (errors**2).sum(axis=0), ((targets - targets.mean(axis=0)) ** 2).sum(axis=0)
        if self.scale is None:  # all inputs together
            errors, squares, spread = errors.reshape(-1, 1), squares.sum(keepdims=True), spread.sum(keepdims=True)
        r2 = [1 - float(a) / float(b) if b > 0 else None for a, b in zip(squares, spread, strict=True)]
        return {
            "rmse": [six_digits(float(value)) for value in np.sqrt(squares / len(errors))],
            "mae": [six_digits(float(value)) for value in np.abs(errors).mean(axis=0)],
            "r2": [None if value is None else round(value, 6) for value in r2],
        }

    @property
    def _online_rmse(self) -> list[float]:
        return [round(float(np.sqrt(total / (n * self.spec.n_outputs))) / 256, 6) for total, n in self.place.curve]

    def progress(self) -> Progress:
        epoch = min(self.place.epoch + 1, self.epochs)
        found = self._online_rmse
        text = f"epoch {epoch}  RMSE {found[-1]:.4f}" if found else f"epoch {epoch}"
        return Progress(self.learned, self.epochs * len(self.train_levels), text)

    def note(self) -> dict[str, Any]:
        return super().note() | {"measures": self.measures}

    def restore(self, arrays: dict[str, np.ndarray], note: dict[str, Any]) -> None:
        super().restore(arrays, note)
        self.measures = note["measures"]

    @property
    def identity(self) -> Mapping[str, Any]:
        data = self.data
        return {"contract": CONTRACT, "samples": digest(self.train_levels, data.train_t, self._test, data.test_t)}

    def words(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {f"front_end.{name}": value for name, value in self.front_end.save().items()}
        note = rates.note_of(self.config, self.spec, self.data.columns, ())
        if self.scale is not None:
            arrays |= {"targets.low": self.scale.low, "targets.high": self.scale.high}
            note["targets"] = list(self.data.targets)
        return self.learner.save() | arrays, note

    def content(self) -> dict[str, Any]:
        """Return what report.json holds."""
        spec, data, learner, scale = self.spec, self.data, self.learner, self.scale
        last = self.measures[-1] if self.measures else {}
        single = len(last.get("r2", ())) == 1  # mean over targets only where there are several
        known = [value for value in last.get("r2", ()) if value is not None]
        result = {
            "r2": round(sum(known) / len(known), 6) if known else None,
            **{name: last[name][0] if single else None for name in ("rmse", "mae") if last},
            "by_epoch": self.measures,
            "online_rmse": self._online_rmse,
            "samples_learned": learner.counters.n_samples,
        }
        notes = list(data.notes)
        if scale is not None:
            notes.append(scale.note(data.targets))
        else:
            notes.append("errors are of input levels; 1.0 is the range of an input in the training part")
        content = {
            "edgelearn": __version__,
            "contract": CONTRACT,
            "task": self.config.task,
            "config": self.config.model_dump(mode="json"),
            "data": {
                "name": data.name,
                "source": data.source,
                "features": len(data.columns.inputs),
                "targets": list(data.targets),
                "train_samples": len(self.train_levels),
                "test_samples": len(self._test),
            },
            "network": network_as_dict(spec),
            "result": result,
            "accuracy_percent": None,
            "columns": data.columns.as_dict(),
            "notes": [*notes, *rates.width_notes(self.config, spec), *rates.notes_on_masks(spec)],
        }
        cost = {"cost": as_dict([cost_of_rule(spec, learner.counters, self.processor)])}
        return content | activity_as_dict(spec, learner.counters, learner.inference_counters) | cost
