"""Trace of single samples: every value that the arithmetic contract names, checked against the simulator.

The kernels keep what they need; pre-activations, modulator sums and steps are recomputed here from the words before
each sample, and everything the kernels do keep must be equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgelearn.network.activations import find_activation, output_table
from edgelearn.network.kernels import tables as t
from edgelearn.network.layer import Layer
from edgelearn.network.learner import Learner, steps_of
from edgelearn.rules.rule import Feedback, Signal

Values = dict[str, np.ndarray]


class TraceError(RuntimeError):
    """A value of the trace is not the simulator's: a fault of this module, never of a user."""


@dataclass(frozen=True)
class Words:
    """Stored words of one layer: weights int64[n_out, n_in], biases int64[n_out]."""

    weights: np.ndarray
    biases: np.ndarray


def rn(x: np.ndarray, shift: int) -> np.ndarray:
    """Return x * 2^-shift, halves rounded up."""
    return x + (1 << (shift - 1)) >> shift if shift > 0 else x << -shift


def key_bytes(n: int) -> np.ndarray:
    """Return key_j of stochastic rounding, int64[n]."""
    return ((np.arange(1, n + 1, dtype=np.uint64) * 0x9E3779B1 % 2**32) >> 24).astype(np.int64)


class Tracer:
    """A learner whose samples are learned one by one, with all values of each.

    Parameters
    ----------
    learner : with the words, halvings and generator that the trace starts from; it learns
    """

    def __init__(self, learner: Learner) -> None:
        self.learner, self.spec = learner, learner.spec
        self.layers = self.spec.layers
        self.halvings = int(learner.state.net[t.HALVINGS])
        self.words = [self._words(k) for k in range(len(self.layers))]
        self.generator = int(learner.state.arrays.generator[0])
        self._activation = find_activation(self.layers[0].activation).table() if len(self.layers) > 1 else None
        self._shares = output_table()[256:].astype(np.int64)
        self._sigmoid = output_table()[:256].astype(np.int64)
        self._keys = key_bytes(max(self.spec.sizes[1:]))

    @property
    def order(self) -> list[int]:
        """Layers whose words learn, in the order of their updates, counted from 0."""
        order = [k for k, layer in enumerate(self.layers) if layer.learns]
        return order[::-1] if self.spec.last_to_first else order

    def step_shift(self, k: int) -> int:
        """Return k of the contract, section 5, with the halvings of now."""
        return min(self.layers[k].step_shift + self.halvings, 30)

    def feedback(self, k: int) -> np.ndarray:
        """Return B of hidden layer k as it takes part, int64[rows, n_out]."""
        return self.learner.state.feedback(k).astype(np.int64)

    def learn(self, levels: np.ndarray, label: int) -> Values:
        """Learn one sample; return its values by the stem of their file.

        Raises
        ------
        TraceError
            "... differs from the simulator"
        """
        found: Values = {}
        self._forward(levels.astype(np.int64), found)
        before = self.generator
        outcome = self.learner.run_steps(levels[None, :], steps_of(np.array([label])), in_order=True)
        learned = bool(outcome.statuses[0] & t.LEARNED)
        if learned:
            self._signals(label, found)
        else:
            self._no_signals(found)
        self._compare(found, learned)
        self._update(found, learned)
        found["class"], found["status"] = outcome.predictions, np.array([int(learned)])
        found["generator"] = np.array([before])
        return found

    def _words(self, k: int) -> Words:
        state = self.learner.state
        return Words(state.weights(k).astype(np.int64), state.biases(k).astype(np.int64))

    def _views(self, k: int) -> Words:
        layer, words = self.layers[k], self.words[k]
        return Words(words.weights >> layer.weight_word.residual_bits, words.biases >> layer.word.residual_bits)

    def _accumulated(self, sums: np.ndarray) -> np.ndarray:
        half = 1 << (self.spec.accumulator_bits - 1)
        wrapped: np.ndarray = (sums + half) % (2 * half) - half
        return wrapped

    def _forward(self, x: np.ndarray, found: Values) -> None:
        last = len(self.layers) - 1
        found["inputs"] = x
        for k, layer in enumerate(self.layers):
            views, name = self._views(k), f"layer{k + 1}"
            z = self._accumulated(views.weights @ x + layer.input_one * views.biases)
            q = np.clip(rn(z, layer.sum_shift), -128, 127)
            found[f"{name}/z"], found[f"{name}/q"] = z, q
            if k < last:
                assert self._activation is not None
                y, g = (table[q + 128].astype(np.int64) for table in self._activation)
                x = np.where(np.abs(y) <= self.spec.event_threshold, 0, y)
                found[f"{name}/y"], found[f"{name}/g"] = x, g
            else:
                found[f"{name}/p"] = self._scores(q)

    def _scores(self, q: np.ndarray) -> np.ndarray:
        if self.spec.output == "sigmoid":
            return np.take(self._sigmoid, q + 128)
        shares = self._shares[q.max() - q]
        total = int(shares.sum())
        p: np.ndarray = (255 * shares + total // 2) // total
        return p

    def _errors(self, p: np.ndarray, label: int, dead_zone: int) -> np.ndarray:
        target = np.array([label]) if len(p) == 1 else (np.arange(len(p)) == label).astype(np.int64)
        e = p - 255 * target
        e[np.abs(e) <= dead_zone] = 0
        last = self.layers[-1]
        narrowed: np.ndarray = np.clip(rn(e, last.signal_shift), -last.delta_max, last.delta_max)
        return narrowed

    def _signals(self, label: int, found: Values) -> None:
        last = len(self.layers) - 1
        found[f"layer{last + 1}/e"] = self._errors(found[f"layer{last + 1}/p"], label, self.spec.dead_zone)
        for k in reversed(range(last)):
            layer, name = self.layers[k], f"layer{k + 1}"
            if not layer.rule.learns_hidden:
                continue
            if layer.rule.reads_out:
                self._read_out(k, label, found)
            total = self._modulator_sum(k, label, found)
            m = np.clip(rn(total, layer.signal_shift), -layer.modulator_max, layer.modulator_max)
            d = np.clip(rn(m * found[f"{name}/g"], 7), -layer.delta_max, layer.delta_max)
            found |= {f"{name}/sum": total, f"{name}/m": m, f"{name}/d": d}

    def _read_out(self, k: int, label: int, found: Values) -> None:
        name = f"layer{k + 1}/local"
        z = self._accumulated(self.feedback(k) @ found[f"layer{k + 1}/y"])
        q = np.clip(rn(z, self.layers[k].readout_shift(self.spec.output)), -128, 127)
        p = self._scores(q)
        e = self._errors(p, label, self.spec.readout_dead_zone)
        found |= {f"{name}_z": z, f"{name}_q": q, f"{name}_p": p, f"{name}_e": e}

    def _modulator_sum(self, k: int, label: int, found: Values) -> np.ndarray:
        rule, last = self.layers[k].rule, len(self.layers) - 1
        errors = found[f"layer{last + 1}/e"]
        target = np.array([label]) if len(errors) == 1 else (np.arange(len(errors)) == label).astype(np.int64)
        above = errors if k + 1 == last else found.get(f"layer{k + 2}/d", errors)
        signal = {
            Signal.TARGET: target,
            Signal.SIGNED_TARGET: 1 - 2 * target,
            Signal.ERROR: errors,
            Signal.SIGN_ERROR: np.sign(errors),
            Signal.LOCAL_ERROR: found.get(f"layer{k + 1}/local_e", errors),
            Signal.DELTA: above,
        }[rule.signal]
        matrix = self._views(k + 1).weights if rule.feedback is Feedback.TRANSPOSE else self.feedback(k)
        return self._accumulated(signal @ matrix)

    def _no_signals(self, found: Values) -> None:
        """Fill the values of a gated sample, which forms none, with zeros."""
        last = len(self.layers) - 1
        found[f"layer{last + 1}/e"] = np.zeros(self.spec.n_outputs, np.int64)
        for k, layer in enumerate(self.layers[:-1]):
            if layer.rule.learns_hidden:
                found |= {f"layer{k + 1}/{stem}": np.zeros(layer.n_out, np.int64) for stem in ("sum", "m", "d")}
            if layer.rule.reads_out:
                names = (f"layer{k + 1}/local_{stem}" for stem in "zqpe")
                found |= {name: np.zeros(self.spec.n_outputs, np.int64) for name in names}

    def _update(self, found: Values, learned: bool) -> None:
        last = len(self.layers) - 1
        for k in self.order:
            layer, name = self.layers[k], f"layer{k + 1}"
            found[f"{name}/generator"] = np.array([self.generator])
            d = found[f"{name}/e" if k == last else f"{name}/d"]
            active = np.flatnonzero(d)
            x = found["inputs"] if k == 0 else found[f"layer{k}/y"]
            events = np.flatnonzero(x) if layer.learned == "all" else np.zeros(0, np.int64)
            steps = np.zeros((0, len(events) + 1), np.int64)
            if learned and len(active):
                steps = self._steps(k, np.append(x[events], layer.input_one), d[active], active)
                weights, biases = self.words[k].weights.copy(), self.words[k].biases.copy()
                hi, lo = layer.word.max_raw, layer.word.min_raw
                moved = weights[np.ix_(active, events)] + steps[:, :-1]
                weights[np.ix_(active, events)] = np.clip(moved, layer.min_weight, hi)
                biases[active] = np.clip(biases[active] + steps[:, -1], lo, hi)
                self.words[k] = Words(weights, biases)
            found[f"{name}/step"], found[f"{name}/step_count"] = steps.ravel(), np.array([steps.size])
        self._equal("generator", np.array([self.generator]), self.learner.state.arrays.generator)
        for k in range(len(self.layers)):
            present = self._words(k)
            self._equal(f"weights of layer {k + 1}", self.words[k].weights, present.weights)
            self._equal(f"biases of layer {k + 1}", self.words[k].biases, present.biases)

    def _steps(self, k: int, x: np.ndarray, d: np.ndarray, neurons: np.ndarray) -> np.ndarray:
        """Return the steps of a layer, int64[neurons, inputs]; x ends with the level of the bias."""
        products, shift, most = -d[:, None] * x[None, :], self.step_shift(k), self.layers[k].word.max_raw
        if not self.spec.stochastic:
            steps: np.ndarray = np.clip(rn(products, shift), -most, most)
            return steps
        draws = np.array([self._draw() for _ in x], np.int64)
        bytes_of = (draws[None, :] >> (8 * (neurons % 4))[:, None] & 255) ^ self._keys[neurons][:, None]
        fine = np.clip(rn(products, shift - 8), -256 * most, 256 * most)
        v: np.ndarray = (fine >> 8) + (bytes_of < (fine & 255))
        return v

    def _draw(self) -> int:
        s = self.generator
        s ^= s << 13 & 0xFFFFFFFF
        s ^= s >> 17
        s ^= s << 5 & 0xFFFFFFFF
        self.generator = s
        return s

    def _compare(self, found: Values, learned: bool) -> None:
        """Compare with what the kernels keep of the sample."""
        arrays, last = self.learner.state.arrays, len(self.layers) - 1
        for k, layer in enumerate(self.layers):
            n, name = layer.n_out, f"layer{k + 1}"
            kept: dict[str, Any] = {"q": arrays.indices[k]}
            if k < last:
                kept |= {"y": arrays.inputs[k + 1], "g": arrays.gates[k]}
                kept |= {"d": arrays.deltas[k]} if learned and layer.rule.learns_hidden else {}
            elif learned:
                kept |= {"p": arrays.scores[0], "e": arrays.deltas[k]}
            for stem, values in kept.items():
                self._equal(f"{name}/{stem}", found[f"{name}/{stem}"], values[:n])
            if learned and layer.rule.reads_out and k < last:
                self._equal(f"{name}/local_e", found[f"{name}/local_e"], arrays.signals[k, : self.spec.n_outputs])

    @staticmethod
    def _equal(name: str, own: np.ndarray, simulated: np.ndarray) -> None:
        if not np.array_equal(own, simulated.astype(np.int64)):
            raise TraceError(f"{name} differs from the simulator")


def forms_delta(layer: Layer) -> bool:
    """Return whether a hidden layer forms a modulated gate d."""
    return not layer.output and layer.rule.learns_hidden
