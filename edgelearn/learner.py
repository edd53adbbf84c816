"""The one object with behaviour: predicts and learns sample by sample, or a whole stream at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.accounting.counters import Counters
from edgelearn.errors import UserError
from edgelearn.kernels import tables as t
from edgelearn.network import NetworkSpec
from edgelearn.state import State, quantize

_NO_LABELS = np.zeros(0, np.int64)


class StrictError(UserError):
    """A sum overflowed or a weight saturated while strict mode was on."""


class Learner:
    """A network that learns online in integers.

    Parameters
    ----------
    spec : from `edgelearn.network.design`
    strict : raise after a call in which an accumulator overflowed or a weight saturated, instead of only counting

    Example
    -------
    >>> from edgelearn.network import design
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
        self._trained = Counters.zeros(len(spec.layers))
        self._inferred = Counters.zeros(len(spec.layers))

    @property
    def counters(self) -> Counters:
        """Counts of all learned samples so far."""
        return Counters(self._trained.table.copy())

    @property
    def inference_counters(self) -> Counters:
        """Counts of all samples that were only predicted."""
        return Counters(self._inferred.table.copy())

    def set_halvings(self, halvings: int) -> None:
        """Halve the learning rates `halvings` times from their start."""
        self.state.net[t.HALVINGS] = halvings

    def predict_one(self, levels: Any) -> int:
        """Return the class of one sample of input levels, uint8[n_in]."""
        return int(self.predict(np.asarray(levels)[None, :])[0])

    def learn_one(self, levels: Any, label: int) -> int:
        """Learn one labelled sample; return the class predicted before learning."""
        return int(self.learn(np.asarray(levels)[None, :], np.array([label]))[0])

    def predict(self, levels: np.ndarray) -> np.ndarray:
        """Return the classes of samples, int64[n], without learning."""
        return self._run(self._checked(levels), _NO_LABELS, self._inferred)

    def learn(self, levels: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Learn samples one after another; return the classes predicted before each was learned.

        Parameters
        ----------
        levels : uint8[n, n_in], input levels below 2^input_bits
        labels : int64[n]

        Raises
        ------
        UserError
            "labels ...", "levels ..."; StrictError in strict mode.
        """
        levels = self._checked(levels)
        labels = np.asarray(labels)
        if labels.shape != (len(levels),) or labels.dtype.kind not in "iu":
            raise UserError(
                f"labels {labels.dtype}{list(labels.shape)} do not fit {len(levels)} samples; "
                f"give whole numbers, one label a sample"
            )
        labels = labels.astype(np.int64)
        if len(labels) and (labels.min() < 0 or labels.max() >= self.spec.n_classes):
            raise UserError(
                f"labels {labels.min()}..{labels.max()} are out of range; a network with {self.spec.n_outputs} "
                f"outputs takes 0..{self.spec.n_classes - 1}"
            )
        return self._run(levels, labels, self._trained)

    def _run(self, levels: np.ndarray, labels: np.ndarray, counters: Counters) -> np.ndarray:
        from edgelearn.kernels.sample import run_samples  # numba is imported when a simulation starts

        predictions = np.zeros(len(levels), np.int64)
        state = self.state
        run_samples(state.net, state.layers, state.arrays, levels, labels, predictions, counters.table)
        if self.strict:
            _raise_if_inexact(counters)
        return predictions

    def _checked(self, levels: np.ndarray) -> np.ndarray:
        n_in, top = self.spec.sizes[0], (1 << self.spec.input_bits) - 1
        levels = np.asarray(levels)
        if levels.ndim != 2 or levels.shape[1] != n_in or levels.dtype.kind not in "iu":
            raise UserError(
                f"levels {levels.dtype}{list(levels.shape)} do not fit; the network takes whole numbers [n, {n_in}]"
            )
        if levels.size and (levels.min() < 0 or levels.max() > top):
            raise UserError(f"levels {levels.min()}..{levels.max()} are out of range; {top} is the highest level")
        return np.ascontiguousarray(levels, np.uint8)

    def save(self) -> dict[str, np.ndarray]:
        """Return everything that changes, as plain arrays."""
        words: dict[str, np.ndarray] = self.words()
        words["generator"] = self.state.arrays.generator.copy()
        words["halvings"] = self.state.net[t.HALVINGS : t.HALVINGS + 1].copy()
        words["trained"] = self._trained.table.copy()
        words["inferred"] = self._inferred.table.copy()
        return words

    def restore(self, saved: dict[str, np.ndarray]) -> None:
        """Continue from what `save` returned."""
        for k in range(len(self.spec.layers)):
            self.state.set_words(k, saved[f"layer{k + 1}_weights"], saved[f"layer{k + 1}_biases"])
            if f"layer{k + 1}_feedback" in saved:
                self.state.set_feedback(k, saved[f"layer{k + 1}_feedback"])
        self.state.arrays.generator[:] = saved["generator"]
        self.state.net[t.HALVINGS] = saved["halvings"][0]
        self._trained.table[...] = saved["trained"]
        self._inferred.table[...] = saved["inferred"]

    def words(self) -> dict[str, np.ndarray]:
        """Return the raw stored words: weights int16[n_out, n_in], biases int16[n_out], feedback int16[rows, n_out]."""
        words = {}
        for k, layer in enumerate(self.spec.layers):
            words[f"layer{k + 1}_weights"] = self.state.weights(k)
            words[f"layer{k + 1}_biases"] = self.state.biases(k)
            if not layer.output and self.spec.feedback_rows(k):
                words[f"layer{k + 1}_feedback"] = self.state.feedback(k)
        return words


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
