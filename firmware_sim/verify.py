"""Firmware beside the simulator on the same samples: equal, or the first update that is not, down to the word."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgelearn.kernels import tables as t
from edgelearn.learner import Learner, steps_of
from edgelearn.network import NetworkSpec
from firmware_sim.numbers import checkpoint, shape
from firmware_sim.runners import Runner

CHUNK = 500  # samples between comparisons


@dataclass(frozen=True)
class Difference:
    """Where firmware and simulator part.

    Parameters
    ----------
    sample : 0-based number of the sample whose prediction or learning differs; -1 before any was learned
    what : "prediction", "weight", "bias", "generator", "live outputs", "halvings" or "samples learned"
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
        text = f"{self.what}{place}: firmware {self.firmware}, simulator {self.simulator}, first {when}"
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

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class _Simulator:
    """The simulator with the state that a checkpoint describes."""

    def __init__(self, learner: Learner, identity: int) -> None:
        self.learner, self.identity, self.learned = learner, identity, 0

    def learn(self, levels: np.ndarray, labels: np.ndarray) -> np.ndarray:
        outcome = self.learner.run_steps(levels, steps_of(labels))
        self.learned += int((outcome.statuses == t.LEARNED).sum())
        return outcome.predictions

    def checkpoint(self) -> bytes:
        return checkpoint(self.learner, self.identity, self.learned)

    def saved(self) -> tuple[dict[str, np.ndarray], int]:
        return self.learner.save(), self.learned

    def restore(self, saved: tuple[dict[str, np.ndarray], int]) -> None:
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
    simulator = _Simulator(learner, identity)
    difference = _state_difference(learner.spec, firmware.checkpoint(), simulator.checkpoint(), -1)
    done = 0
    while difference is None and done < len(levels):
        end = min(done + chunk, len(levels))
        start = simulator.saved()
        here = slice(done, end)
        theirs, ours = firmware.learn(levels[here], labels[here]), simulator.learn(levels[here], labels[here])
        states = firmware.checkpoint(), simulator.checkpoint()
        if states[0] != states[1] or (theirs != ours).any():
            difference = _locate(simulator, start, firmware, levels[here], labels[here], done, states)
        done = end
        on_progress(done)
    names = ("saturations", "step_saturations", "overflows")
    events = {name: learner.counters.total(name) for name in names}
    return Verification(done, simulator.learned, events, difference)


def _locate(
    simulator: _Simulator,
    start: tuple[dict[str, np.ndarray], int],
    firmware: Runner,
    levels: np.ndarray,
    labels: np.ndarray,
    offset: int,
    states: tuple[bytes, bytes],
) -> Difference:
    """Find the first sample of a stretch after which the two differ, by halving the stretch."""
    spec = simulator.learner.spec

    def after(n: int) -> tuple[Difference | None, tuple[bytes, bytes]]:
        """Learn n samples on both sides from the state at the start of the stretch."""
        simulator.restore(start)
        firmware.resume(simulator.checkpoint())
        theirs, ours = firmware.learn(levels[:n], labels[:n]), simulator.learn(levels[:n], labels[:n])
        found = firmware.checkpoint(), simulator.checkpoint()
        wrong = np.flatnonzero(theirs != ours)
        if len(wrong):
            first = int(wrong[0])
            values = int(theirs[first]), int(ours[first])
            return Difference(offset + first, "prediction", 0, 0, 0, *values, 0, True), found
        return _state_difference(spec, *found, offset + n - 1), found

    equal, differs = 0, len(levels)
    if after(differs)[0] is None:
        found = _state_difference(spec, *states, offset + differs - 1)
        if found is None:
            return Difference(offset + differs - 1, "prediction", 0, 0, 0, -1, -1, 0, False)
        return Difference(**(asdict(found) | {"repeats": False}))
    while differs - equal > 1:
        middle = (equal + differs) // 2
        if after(middle)[0] is None:
            equal = middle
        else:
            differs = middle
    first, _ = after(differs)
    assert first is not None
    return first


def _state_difference(spec: NetworkSpec, firmware: bytes, simulator: bytes, sample: int) -> Difference | None:
    """Return the first difference of two checkpoints, or None."""
    if firmware == simulator:
        return None
    places = ("identity", 1), ("samples learned", 3), ("generator", 4)
    heads = [np.frombuffer(state[:20], "<u4") for state in (firmware, simulator)]
    halves = [np.frombuffer(state[20:24], "<u2") for state in (firmware, simulator)]
    kind = "<i1" if shape(spec).word_bytes == 1 else "<i2"
    words = [np.frombuffer(state[24:-4], kind).astype(np.int64) for state in (firmware, simulator)]
    wrong = np.flatnonzero(words[0] != words[1])
    if len(wrong):
        first = int(wrong[0])
        layer, neuron, column = _place(spec, first)
        is_bias = column == spec.layers[layer].n_in
        values = int(words[0][first]), int(words[1][first])
        where = (layer + 1, neuron + 1, 0 if is_bias else column + 1)
        return Difference(sample, "bias" if is_bias else "weight", *where, *values, len(wrong), True)
    for name, at in places:
        if heads[0][at] != heads[1][at]:
            return Difference(sample, name, 0, 0, 0, int(heads[0][at]), int(heads[1][at]), 1, True)
    for name, at in (("live outputs", 0), ("halvings", 1)):
        if halves[0][at] != halves[1][at]:
            return Difference(sample, name, 0, 0, 0, int(halves[0][at]), int(halves[1][at]), 1, True)
    return Difference(sample, "checksum", 0, 0, 0, zlib.crc32(firmware[:-4]), zlib.crc32(simulator[:-4]), 0, True)


def _place(spec: NetworkSpec, word: int) -> tuple[int, int, int]:
    """Return layer, neuron and input (n_in is the bias) of a word among those that learn, counted from 0."""
    for k, layer in enumerate(spec.layers):
        if layer.learns:
            size = (layer.n_in + 1) * layer.n_out
            if word < size:
                return k, word // (layer.n_in + 1), word % (layer.n_in + 1)
            word -= size
    raise AssertionError("a word beyond the last layer")
