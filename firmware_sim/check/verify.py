"""Verification of firmware against the simulator: equality, or the first differing update and word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgelearn.errors import UserError
from edgelearn.network.kernels import tables as t
from edgelearn.network.learner import Learner, steps_of
from edgelearn.network.spec import NetworkSpec
from firmware_sim.build.headers import checkpoint, shape, word_counts
from firmware_sim.emulate.runners import Runner

CHUNK = 500  # samples between comparisons


@dataclass(frozen=True)
class Difference:
    """First difference of firmware and simulator.

    Parameters
    ----------
    sample : 0-based number of the sample whose prediction or learning differs; -1 before any was learned. Of a
        difference that does not repeat, the last sample before it was seen.
    what : "prediction", "output", what a detector finds, "weight", "bias", "detector", "generator", "live outputs",
        "halvings", "samples learned", "identity" or "checksum"
    layer, neuron, input : of a word, counted from 1; 0 for anything else
    firmware, simulator : the two values
    words : how many words of the state differ after that sample
    repeats : whether the same samples from the same state differ again; if not, something outside the arithmetic did it
    """

    sample: int
    what: str
    layer: int
    neuron: int
    input: int
    firmware: int
    simulator: int
    words: int
    repeats: bool

    def __str__(self) -> str:
        place = f" of layer {self.layer}, neuron {self.neuron}" if self.layer else ""
        place += f", input {self.input}" if self.input else ""
        when = f"after sample {self.sample + 1}" if self.sample >= 0 else "before any sample was learned"
        found = "first" if self.repeats else "seen"
        text = f"{self.what}{place}: firmware {self.firmware}, simulator {self.simulator}, {found} {when}"
        if self.words > 1:
            text += f" ({self.words} words differ)"
        return text if self.repeats else text + "; it does not happen again from the same state: look at the memory"


@dataclass(frozen=True)
class Verification:
    """The result of a comparison.

    Parameters
    ----------
    samples : compared; updates : samples that were learned (not gated)
    events : saturations, step saturations and overflows that the simulator counted, so that equality is known to
        cover them
    difference : None if all predictions, words and generator states are equal
    """

    samples: int
    updates: int
    events: dict[str, int]
    difference: Difference | None


class Simulator:
    """The simulator with the state that a checkpoint describes.

    Parameters
    ----------
    learner : with the words that the firmware started from; it learns
    identity : of the network, as `build` returns it
    """

    results: tuple[str, ...] = ("prediction",)  # what `learn` returns of a sample

    def __init__(self, learner: Learner, identity: int) -> None:
        self.learner, self.identity, self.learned = learner, identity, 0

    def learn(self, levels: np.ndarray, labels: np.ndarray) -> np.ndarray:
        outcome = self.learner.run_steps(levels, steps_of(labels))
        self.learned += int((outcome.statuses == t.LEARNED).sum())
        return outcome.predictions

    def checkpoint(self) -> bytes:
        return checkpoint(self.learner, self.identity, self.learned)

    def saved(self) -> Any:
        return self.learner.save(), self.learned

    def restore(self, saved: Any) -> None:
        self.learner.restore(saved[0])
        self.learned = saved[1]


def verify(
    learner: Learner,
    identity: int,
    firmware: Runner,
    levels: np.ndarray,
    labels: np.ndarray,
    on_progress: Callable[[int], None] = lambda samples: None,
    chunk: int = CHUNK,
) -> Verification:
    """Compare predictions, words and generator of a started firmware with the simulator's.

    Parameters
    ----------
    learner : with the words that the firmware started from; it learns
    identity : of the network, as `build` returns it
    levels : int[n, n_in]; labels : int[n], negative for samples that are only predicted
    """
    return compare(Simulator(learner, identity), firmware, levels, labels, on_progress, chunk)


def compare(
    simulator: Simulator,
    firmware: Runner,
    levels: np.ndarray,
    labels: np.ndarray,
    on_progress: Callable[[int], None] = lambda samples: None,
    chunk: int = CHUNK,
) -> Verification:
    """Compare what both sides return of each sample, and their checkpoints; parameters are those of `verify`.

    Parameters
    ----------
    labels : what both take beside the levels, a row per sample
    """
    learner = simulator.learner
    difference = _state_difference(learner.spec, firmware.checkpoint(), simulator.checkpoint(), -1)
    done = 0
    while difference is None and done < len(levels):
        end = min(done + chunk, len(levels))
        start = simulator.saved()
        here = slice(done, end)
        theirs, ours = firmware.learn(levels[here], labels[here]), simulator.learn(levels[here], labels[here])
        states = firmware.checkpoint(), simulator.checkpoint()
        if states[0] != states[1] or (theirs != ours).any():
            stretch = levels[here], labels[here]
            difference = _locate(simulator, start, firmware, stretch, done, (theirs, ours), states)
        done = end
        on_progress(done)
    names = ("saturations", "step_saturations", "overflows")
    events = {name: learner.counters.total(name) for name in names}
    return Verification(done, simulator.learned, events, difference)


def _locate(
    simulator: Simulator,
    start: Any,
    firmware: Runner,
    stretch: tuple[np.ndarray, np.ndarray],
    offset: int,
    predictions: tuple[np.ndarray, np.ndarray],
    states: tuple[bytes, bytes],
) -> Difference:
    """Find the first sample of a stretch after which the two differ, by halving the stretch.

    `predictions` and `states` are those of firmware and simulator that differed.
    """
    spec, (levels, labels) = simulator.learner.spec, stretch

    def after(n: int) -> tuple[Difference | None, tuple[bytes, bytes]]:
        """Learn n samples on both sides from the state at the start of the stretch."""
        simulator.restore(start)
        if not firmware.resume(simulator.checkpoint()):
            raise UserError("the firmware refuses a checkpoint of its own network: el_checkpoint_in is wrong")
        theirs, ours = firmware.learn(levels[:n], labels[:n]), simulator.learn(levels[:n], labels[:n])
        found = firmware.checkpoint(), simulator.checkpoint()
        if (wrong := _result_difference(simulator.results, theirs, ours, offset)) is not None:
            return wrong, found
        return _state_difference(spec, *found, offset + n - 1), found

    equal, differs = 0, len(levels)
    if after(differs)[0] is None:
        once = _result_difference(simulator.results, *predictions, offset)
        once = once or _state_difference(spec, *states, offset + differs - 1)
        assert once is not None
        return replace(once, repeats=False)
    while differs - equal > 1:
        middle = (equal + differs) // 2
        if after(middle)[0] is None:
            equal = middle
        else:
            differs = middle
    first, _ = after(differs)
    assert first is not None
    return first


def _result_difference(
    names: tuple[str, ...], firmware: np.ndarray, simulator: np.ndarray, offset: int
) -> Difference | None:
    """Return the first result that differs, or None; `names` are those of a sample's results."""
    wrong = np.flatnonzero(firmware.ravel() != simulator.ravel())
    if not len(wrong):
        return None
    first = int(wrong[0])
    sample, name = offset + first // len(names), names[first % len(names)]
    return Difference(sample, name, 0, 0, 0, int(firmware.ravel()[first]), int(simulator.ravel()[first]), 0, True)


def _state_difference(spec: NetworkSpec, firmware: bytes, simulator: bytes, sample: int) -> Difference | None:
    """Return the first difference of two checkpoints, or None."""
    if firmware == simulator:
        return None
    places = ("identity", 1), ("samples learned", 3), ("generator", 4)
    heads = [np.frombuffer(state[:20], "<u4") for state in (firmware, simulator)]
    halves = [np.frombuffer(state[20:24], "<u2") for state in (firmware, simulator)]
    has = shape(spec)
    kind, end = "<i1" if has.word_bytes == 1 else "<i2", 24 + has.learned * has.word_bytes
    words = [np.frombuffer(state[24:end], kind).astype(np.int64) for state in (firmware, simulator)]
    wrong = np.flatnonzero(words[0] != words[1])
    if len(wrong):
        first = int(wrong[0])
        layer, neuron, column = _place(spec, first)
        is_bias = column == spec.layers[layer].fan_in
        values = int(words[0][first]), int(words[1][first])
        where = (layer + 1, neuron + 1, 0 if is_bias else column + 1)
        return Difference(sample, "bias" if is_bias else "weight", *where, *values, len(wrong), True)
    for name, at in places:
        if heads[0][at] != heads[1][at]:
            return Difference(sample, name, 0, 0, 0, int(heads[0][at]), int(heads[1][at]), 1, True)
    for name, at in (("live outputs", 0), ("halvings", 1)):
        if halves[0][at] != halves[1][at]:
            return Difference(sample, name, 0, 0, 0, int(halves[0][at]), int(halves[1][at]), 1, True)
    judged = [np.frombuffer(state[end:-4], "<u4").astype(np.int64) for state in (firmware, simulator)]
    if len(wrong := np.flatnonzero(judged[0] != judged[1])):
        first = int(wrong[0])
        return Difference(sample, "detector", 0, 0, 0, int(judged[0][first]), int(judged[1][first]), len(wrong), True)
    sums = [int.from_bytes(state[-4:], "little") for state in (firmware, simulator)]
    return Difference(sample, "checksum", 0, 0, 0, sums[0], sums[1], 0, True)


def _place(spec: NetworkSpec, word: int) -> tuple[int, int, int]:
    """Return layer, neuron or map, and input or tap (fan_in is the bias) of a word that learns, counted from 0."""
    for k, layer in enumerate(spec.layers):
        size, _ = word_counts(layer)
        if word < size:
            stride = size // layer.n_columns
            first = layer.fan_in if layer.learned == "bias" else 0
            return k, word // stride, first + word % stride
        word -= size
    raise AssertionError("a word beyond the last layer")
