"""Learner: predicts and learns, one sample or a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from edgelearn.errors import UserError
from edgelearn.fixedpoint.native import kernel_of
from edgelearn.network.blocks import Blocks, learns_by_blocks
from edgelearn.network.counters import Counters
from edgelearn.network.device import Device, untimed
from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.arrays import AllArrays, DetectorArrays, Results
from edgelearn.network.prepared import PreparedLevels
from edgelearn.network.spec import NetworkSpec
from edgelearn.network.state import State, predicting, quantize
from edgelearn.network.targets import GradedTargets

if TYPE_CHECKING:
    from edgelearn.network.levels_call import LevelsCall

MANY_PREDICTIONS = 4096
run_steps = kernel_of("edgelearn.network.kernels.sample", "run_steps")
run_steps_of_maps = kernel_of("edgelearn.network.kernels.maps", "run_steps_of_maps")
run_steps_of_targets = kernel_of("edgelearn.network.kernels.targets", "run_steps_of_targets")


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Results of steps, one entry per step.

    Parameters
    ----------
    predictions : int64[n], the class predicted before learning; -1 where the sample was dropped
    statuses : uint8[n], bits DROPPED, LATE, LEARNED, GATED, OVER_BUDGET, WAITED of `edgelearn.network.kernels.tables`
    scores : uint8[n, n_outputs], p of each live output, 255 is 1.0; uint8[0, 0] where not asked for
    energies : int64[n], in units of the device's prices; int64[0] without prices
    outputs : int16[n, n_outputs], y before learning, 256 is 1.0 of a linear output, 255 of a sigmoid; int16[0, 0] where
        targets are classes or nobody asked
    """

    predictions: np.ndarray
    statuses: np.ndarray
    scores: np.ndarray
    energies: np.ndarray
    outputs: np.ndarray


class StrictError(UserError):
    """A sum overflowed or a weight saturated while strict mode was on."""


class Learner:
    """A network that learns online in integers.

    Parameters
    ----------
    spec : from `edgelearn.network.spec.design`
    strict : raise after a call in which an accumulator overflowed or a weight saturated, instead of only counting

    Example
    -------
    >>> from edgelearn.network.spec import design
    >>> learner = Learner(design((4, 8, 2), rule="dfa", hidden_rate=-4, output_rate=-4))
    >>> for _ in range(50):
    ...     _ = learner.learn_one([15, 0, 0, 0], 0), learner.learn_one([0, 0, 0, 15], 1)
    >>> learner.predict_one([15, 0, 0, 0]), learner.predict_one([0, 0, 0, 15])
    (0, 1)
    """

    def __init__(self, spec: NetworkSpec, strict: bool = False) -> None:
        self.spec = spec
        self.strict = strict
        self.state: State = quantize(spec)
        self._counts = np.zeros((2, len(spec.layers), len(t.counters_of(spec.is_convolutional))), np.int64)
        self._untimed = untimed(len(spec.layers))
        self._one_step: LevelsCall | None = None
        self._learns_by_blocks = learns_by_blocks(spec)
        self._predicting = predicting(self.state)
        self._blocks: dict[bool, Blocks] = {}  # that learn, and that predict
        self._all_arrays: dict[bool, tuple[Any, ...]] = {}  # of a network with convolutions, alike
        self._targets: GradedTargets | None = GradedTargets(self.state) if spec.is_graded else None

    @property
    def counters(self) -> Counters:
        """Counts of all samples with a label so far, gated ones included."""
        return Counters(self._counts[0].copy())

    @property
    def counts(self) -> np.ndarray:
        """Counts of samples with a label, then of those without, int64[2, K, len(COUNTERS)]; kernels add to them."""
        return self._counts

    @property
    def inference_counters(self) -> Counters:
        """Counts of all samples that were only predicted."""
        return Counters(self._counts[1].copy())

    def set_halvings(self, halvings: int) -> None:
        """Halve the learning rates `halvings` times from their start."""
        self.state.net[t.HALVINGS] = halvings

    def set_live_outputs(self, n: int) -> None:
        """Predict among the first n outputs only, where the others stand for classes not met yet."""
        self.state.net[t.LIVE_OUTPUTS] = min(max(n, 1), self.spec.n_outputs)

    def predict_one(self, levels: Any) -> int:
        """Return the class of one sample of input levels, uint8[n_in]."""
        predicted = self._step(levels, t.NO_LABEL)
        return predicted if predicted >= 0 else int(self.predict(np.asarray(levels)[None, :])[0])

    def learn_one(self, levels: Any, label: int) -> int:
        """Learn one labelled sample; return the class predicted before learning."""
        if (type(label) is int or isinstance(label, np.integer)) and 0 <= label < self.spec.n_classes:
            predicted = self._step(levels, int(label))
            if predicted >= 0:
                return predicted
        return int(self.learn(np.asarray(levels)[None, :], np.array([label]))[0])

    def _step(self, levels: Any, label: int) -> int:
        """Take a sample in one compiled call; -1 where it is anything but an array in the bytes of the network."""
        if (
            self.strict
            or self.spec.is_convolutional
            or self.spec.is_graded
            or (label < 0 and self._predicting is not self.state)
        ):
            return -1
        step = self._one_step
        if step is None:
            from edgelearn.fixedpoint.frozen import available  # numba is imported when a simulation starts

            if not available():
                return -1
            from edgelearn.network.levels_call import LevelsCall

            step = self._one_step = LevelsCall(self)
        own = step.levels
        if type(levels) is not np.ndarray or levels.dtype != own.dtype or levels.shape != own.shape:
            return -1
        own[:] = levels
        return step.call(step.address, label)

    def prepare(self, levels: np.ndarray, repeated: bool = True) -> PreparedLevels:
        """Return levels that need no check in `learn` and `predict`; they must not change afterwards.

        Parameters
        ----------
        levels : uint8 or int8[n, n_in], input levels within `spec.input_range`
        repeated : whether rows are taken more than once, so that lists of their events are kept

        Raises
        ------
        UserError
            "levels ..."
        """
        return PreparedLevels(self._checked(levels), repeated)

    def predict(self, levels: np.ndarray | PreparedLevels) -> np.ndarray:
        """Return the classes of samples, int64[n], without learning."""
        self._refuse_graded("outputs")
        return self.run_steps(levels, steps_of(np.full(len(levels), t.NO_LABEL))).predictions

    def scores(self, levels: np.ndarray) -> np.ndarray:
        """Return p of each output, uint8[n, n_outputs] with 255 for 1.0, without learning."""
        self._refuse_graded("outputs")
        return self.run_steps(levels, steps_of(np.full(len(levels), t.NO_LABEL)), scores=True).scores

    def learn(
        self, levels: np.ndarray | PreparedLevels, labels: np.ndarray, rows: np.ndarray | None = None
    ) -> np.ndarray:
        """Learn samples one after another; return the classes predicted before each was learned.

        Parameters
        ----------
        levels : uint8 or int8[n, n_in], input levels within `spec.input_range`, or what `prepare` returned
        labels : int64[n]
        rows : int64[n], rows of the levels in the order in which they are learned; all from the first by default

        Raises
        ------
        UserError
            "labels ...", "levels ..."; StrictError in strict mode.

        Notes
        -----
        After an interrupt inside a call (Ctrl-C) layers may have learned different numbers of samples: go on from what
        `save` returned before.
        """
        self._refuse_graded("learn_targets")
        labels = np.asarray(labels)
        if labels.shape != (len(levels) if rows is None else len(rows),) or labels.dtype.kind not in "iu":
            raise UserError(
                f"labels {labels.dtype}{list(labels.shape)} do not fit {len(levels)} samples; "
                f"give whole numbers, one label a sample"
            )
        if len(labels) and (labels.min() < 0 or labels.max() >= self.spec.n_classes):
            raise UserError(
                f"labels {labels.min()}..{labels.max()} are out of range; a network with {self.spec.n_outputs} "
                f"outputs takes 0..{self.spec.n_classes - 1}"
            )
        steps = steps_of(labels)
        if rows is not None:
            steps[:, t.ROW] = rows
        return self.run_steps(levels, steps).predictions

    def outputs(self, levels: np.ndarray | PreparedLevels) -> np.ndarray:
        """Return the outputs with graded targets, int16[n, n_outputs] as in `Outcome`, without learning."""
        self._refuse_classes("outputs")
        return self.run_steps(levels, steps_of(np.full(len(levels), t.NO_LABEL)), outputs=True).outputs

    def learn_targets(self, levels: np.ndarray | PreparedLevels, targets: np.ndarray | None = None) -> np.ndarray:
        """Learn samples with graded targets one after another; return the outputs before each was learned.

        Parameters
        ----------
        levels : uint8 or int8[n, n_in], input levels within `spec.input_range`, or what `prepare` returned
        targets : int16[n, n_outputs], words with 256 for 1.0 of a linear output and 255 of a sigmoid; none where the
            task is to reconstruct the input

        Returns
        -------
        int16[n, n_outputs] as in `Outcome`

        Raises
        ------
        UserError
            "targets ...", "levels ..."; StrictError in strict mode.
        """
        self._refuse_classes("learn_targets")
        steps = steps_of(np.zeros(len(levels), np.int64))
        return self.run_steps(levels, steps, targets=targets, outputs=True).outputs

    def _refuse_graded(self, instead: str) -> None:
        if self.spec.is_graded:
            raise UserError(f"task {self.spec.task} has no classes; call Learner.{instead}")

    def _refuse_classes(self, name: str) -> None:
        if not self.spec.is_graded:
            raise UserError(
                f"Learner.{name} takes numbers, and this network has classes; design(task='regression', ...)"
            )

    def run_steps(
        self,
        levels: np.ndarray | PreparedLevels,
        steps: np.ndarray,
        device: Device | None = None,
        dropped: np.ndarray | None = None,
        scores: bool = False,
        in_order: bool = False,
        targets: np.ndarray | None = None,
        outputs: bool = False,
        detector: DetectorArrays | None = None,
    ) -> Outcome:
        """Take steps one after another: predict a row and learn it if its label is known, or learn an earlier row.

        Parameters
        ----------
        levels : uint8 or int8[n_rows, n_in], input levels within `spec.input_range`, or what `prepare` returned
        steps : int64[n, 3], columns ROW, LABEL and KIND of `edgelearn.network.kernels.tables`; see `steps_of`
        device : real-time model of the processor; without one every sample is taken
        dropped : uint8[n_rows], changed: 1 where a row was dropped, so that it is not learned later either
        scores : whether the outputs are wanted too
        in_order : finish each sample before the next begins, so that `state.arrays` hold the last one, even where
            blocks of samples give the same words, predictions and counters sooner
        targets : int16[n_rows, n_outputs], graded targets of the rows; none where the input is the target
        outputs : whether y of a network with graded targets is wanted
        detector : judges each row, changed; with room for a row per step; see `edgelearn.streaming.detector`

        Notes
        -----
        With graded targets LABEL is 0 where the target is known, and predictions are 0.
        """
        prepared = levels if isinstance(levels, PreparedLevels) else PreparedLevels(self._checked(levels))
        device = device or self._untimed
        results = Results(
            predictions=np.zeros(len(steps), np.int64),
            statuses=np.zeros(len(steps), np.uint8),
            scores=np.zeros((len(steps), self.spec.n_outputs) if scores else (0, 0), np.uint8),
            energies=np.zeros(len(steps) if device.settings[t.PRICED] else 0, np.int64),
            dropped=np.zeros(len(prepared), np.uint8) if dropped is None else dropped,
        )
        found = np.zeros((0, 0), np.int16)
        if self._targets is not None:
            found = self._targets.begin(steps, len(prepared), targets, outputs, detector)
        for part in self._parts(steps, device):
            own = _part_of(results, part)
            if self._targets is not None:
                run_steps_of_targets(*self.arguments(prepared.levels, steps, results, device))
            elif not in_order and self._takes_blocks(steps[part], device):
                self._blocks_of(steps[part]).run(prepared, steps[part], own, self._counts)
            else:
                kernel = run_steps_of_maps if self.spec.is_convolutional else run_steps
                kernel(*self.arguments(prepared.levels, steps[part], own, device))
        if self.strict:
            _raise_if_inexact(Counters(self._counts.sum(axis=0)))
        if self.spec.is_graded:  # -1 of a row that was dropped stays
            np.minimum(results.predictions, 0, out=results.predictions)
        return Outcome(results.predictions, results.statuses, results.scores, results.energies, found)

    def arguments(self, levels: np.ndarray, steps: np.ndarray, results: Any, device: Device | None = None) -> Any:
        """Return the arguments of the kernel `run_steps`; the arrays of the learner stay the same for its life.

        With convolutions `run_steps_of_maps` takes them, with graded targets `run_steps_of_targets`.

        Parameters
        ----------
        levels : integers[n, n_in]; steps : int64[n, columns of `steps_of`]
        """
        state = self._state_of(steps)
        arrays: tuple[Any, ...] = state.arrays
        if self._targets is not None:
            arrays = self._targets.arrays
        elif state.convolution is not None:
            learns = state is self.state
            if learns not in self._all_arrays:
                self._all_arrays[learns] = AllArrays._make((*state.arrays, *state.convolution))
            arrays = self._all_arrays[learns]
        return (
            state.net, state.layers, arrays, levels, steps, device or self._untimed, results, self._counts,
        )  # fmt: skip

    def _parts(self, steps: np.ndarray, device: Device) -> list[slice]:
        """Return the steps that share their hidden activations, in order: all of them, unless predictions have others.

        Raises
        ------
        UserError
            "... has no real-time model": steps of a part would need arrivals of their own.
        """
        if self._predicting is self.state or not len(steps):
            return [slice(0, len(steps))]
        if device is not self._untimed:
            raise UserError("--hidden-inference sign has no real-time model; leave it out")
        changes = np.flatnonzero(np.diff(steps[:, t.LABEL] < 0)) + 1
        return [slice(int(a), int(b)) for a, b in pairwise((0, *changes, len(steps)))]

    def _state_of(self, steps: np.ndarray) -> State:
        """Return the state for the steps of a part."""
        return self._predicting if len(steps) and steps[0, t.LABEL] < 0 else self.state

    def _blocks_of(self, steps: np.ndarray) -> Blocks:
        state = self._state_of(steps)
        learns = state is self.state
        if learns not in self._blocks:
            self._blocks[learns] = Blocks(state)
        return self._blocks[learns]

    def _takes_blocks(self, steps: np.ndarray, device: Device) -> bool:
        """Return whether no step needs the end of the step before it, in a network of dense layers."""
        if self.spec.is_convolutional:
            return False
        if device is not self._untimed and device.settings[[t.PRICED, t.TIMED, t.BUDGETED]].any():
            return False
        if len(steps) == 1 and run_steps.is_loaded:  # one sample is done sooner by the other kernel
            return False
        if steps[:, t.KIND].any():
            return False
        if self._learns_by_blocks:
            return True
        # kernels of blocks, compiled for the predictions of another rule alone, are repaid by many rows
        return len(steps) >= MANY_PREDICTIONS and bool((steps[:, t.LABEL] == t.NO_LABEL).all())

    def _checked(self, levels: np.ndarray) -> np.ndarray:
        n_in, (lowest, top) = self.spec.sizes[0], self.spec.input_range
        levels = np.asarray(levels)
        if levels.ndim != 2 or levels.shape[1] != n_in or levels.dtype.kind not in "iu":
            raise UserError(
                f"levels {levels.dtype}{list(levels.shape)} do not fit; the network takes whole numbers [n, {n_in}]"
            )
        if levels.size and (levels.min() < lowest or levels.max() > top):
            raise UserError(
                f"levels {levels.min()}..{levels.max()} are out of range; the network takes {lowest} to {top}"
            )
        return np.ascontiguousarray(levels.astype(np.uint8, copy=False))  # two's complement where there is a sign

    def put_words(self, words: Mapping[str, np.ndarray]) -> None:
        """Put raw words into the network, named and shaped as in `words`, int[n_out, n_in]; others stay as they are.

        Raises
        ------
        UserError
            "words of layer ... do not fit", "feedback of layer ... does not fit"
        """
        for k in range(len(self.spec.layers)):
            names = f"layer{k + 1}_weights", f"layer{k + 1}_biases"
            if not words.keys().isdisjoint(names):
                present = self.state.weights(k), self.state.biases(k)
                self.state.set_words(k, *(words.get(name, own) for name, own in zip(names, present, strict=True)))
            if f"layer{k + 1}_feedback" in words:
                self.state.set_feedback(k, words[f"layer{k + 1}_feedback"])

    def save(self) -> dict[str, np.ndarray]:
        """Return the mutable state as plain arrays: `words`, generator uint32[1], counts and halvings as int64."""
        words: dict[str, np.ndarray] = self.words()
        words["generator"] = self.state.arrays.generator.copy()
        words["halvings"] = self.state.net[t.HALVINGS : t.HALVINGS + 1].copy()
        words["live_outputs"] = self.state.net[t.LIVE_OUTPUTS : t.LIVE_OUTPUTS + 1].copy()
        words["counts"] = self._counts.copy()
        return words

    def restore(self, saved: dict[str, np.ndarray]) -> None:
        """Continue from the arrays that `save` returned, of the same shape: int[n_out, n_in] of weights, and so on."""
        self.put_words(saved)
        self.state.arrays.generator[:] = saved["generator"]
        self.state.net[t.HALVINGS] = saved["halvings"][0]
        self.state.net[t.LIVE_OUTPUTS] = saved["live_outputs"][0]
        self._counts[...] = saved["counts"]

    def __getstate__(self) -> dict[str, Any]:
        """Return what `save` returns: some arrays are views of others, which copies and pickles would separate."""
        return {"spec": self.spec, "strict": self.strict, "saved": self.save()}

    def __setstate__(self, stored: dict[str, Any]) -> None:
        Learner.__init__(self, stored["spec"], stored["strict"])
        self.restore(stored["saved"])

    def words(self) -> dict[str, np.ndarray]:
        """Return raw stored words: weights int16[n_out, n_in], biases int16[n_out], feedback int16[rows, n_out]."""
        words = {}
        for k, layer in enumerate(self.spec.layers):
            words[f"layer{k + 1}_weights"] = self.state.weights(k)
            words[f"layer{k + 1}_biases"] = self.state.biases(k)
            if not layer.output and self.spec.feedback_rows(k):
                words[f"layer{k + 1}_feedback"] = self.state.feedback(k)
        return words


def _part_of(results: Results, part: slice) -> Results:
    """Return the results of some steps, as views."""
    if part.start == 0 and part.stop == len(results.predictions):
        return results
    scores, energies = results.scores, results.energies
    return results._replace(
        predictions=results.predictions[part],
        statuses=results.statuses[part],
        scores=scores[part] if len(scores) else scores,
        energies=energies[part] if len(energies) else energies,
    )


def steps_of(labels: np.ndarray) -> np.ndarray:
    """Return the steps that take rows in their order, with the label of each or NO_LABEL."""
    steps = np.zeros((len(labels), 3), np.int64)
    steps[:, t.ROW], steps[:, t.LABEL] = np.arange(len(labels)), labels
    return steps


def _raise_if_inexact(counters: Counters) -> None:
    for name, remedy in (
        ("overflows", "a wider --accumulator-bits or fewer --bits"),
        ("saturations", "a larger --range-exponent or a smaller rate"),
        ("step_saturations", "more --bits or a smaller rate"),
    ):
        layers = np.flatnonzero(counters[name])
        if len(layers):
            k = int(layers[0])
            raise StrictError(
                f"strict mode: {int(counters[name][k])} {name.replace('_', ' ')} in layer {k + 1}; "
                f"use {remedy}, or leave out --strict"
            )
