"""Networks with graded targets drawn at random, with rows and detectors: everything that a specification can ask for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgelearn.errors import UserError
from edgelearn.network.activations import ACTIVATIONS
from edgelearn.network.learner import Learner
from edgelearn.network.spec import FEEDBACK_FORMATS, ROUNDINGS, NetworkSpec, design
from edgelearn.rules import RULES
from edgelearn.streaming.detector import LEARN_WHILE, SCORES, THRESHOLDS, DetectorSpec
from tests.target_pairs import assert_target_twins

GRADED_RULES = sorted(set(RULES) - {"signed-target"})


@dataclass(frozen=True, eq=False)
class Case:
    """A network, rows, a detector or none, what is done to words before the first row, and where calls end."""

    spec: NetworkSpec
    levels: np.ndarray
    targets: np.ndarray | None
    learned: np.ndarray
    halvings: int
    words: str
    detector: DetectorSpec | None
    cuts: tuple[int, ...]
    seed: int

    def prepare(self, learner: Learner) -> None:
        """Put words and feedback where sums are longest and saturation is next, or leave those of the start."""
        rng = np.random.default_rng([self.seed, 1])
        if self.words == "start":
            return
        for k, layer in enumerate(self.spec.layers):
            shape, lowest, highest = (layer.n_out, layer.n_in), layer.min_weight, layer.weight_word.max_raw
            choice = {"lowest": [lowest], "highest": [highest], "both rails": [lowest, highest]}[self.words]
            learner.state.set_words(
                k, rng.choice(choice, shape), rng.choice([layer.word.min_raw, layer.word.max_raw], layer.n_out)
            )
            feedback = learner.state.feedback(k) if not layer.output else np.zeros((0, 0))
            if feedback.size:
                largest = 64 if self.spec.feedback_format == "sign" else 127
                learner.state.set_feedback(k, np.full(feedback.shape, largest))

    def check(self) -> None:
        try:
            assert_target_twins(
                self.spec,
                self.levels,
                self.targets,
                self.halvings,
                self.prepare,
                self.learned,
                self.detector,
                self.cuts,
            )
        except AssertionError as error:
            named = f"{self.spec.task}, {self.spec.output}, {self.spec.sizes}, rule {self.spec.rule_name}"
            raise AssertionError(f"case({self.seed}): {named}: {error}") from error


def case(seed: int, n: int = 20) -> Case:
    """Return the case of a seed; what cannot be built is drawn again."""
    rng = np.random.default_rng(seed)

    def one(*choices: Any) -> Any:
        return choices[rng.integers(len(choices))]

    while True:
        try:
            spec = _laid_out(design(**_settings(rng, one)), seed)
            break
        except UserError:
            continue
    low, high = spec.input_range
    levels = rng.integers(low, high + 1, (n, spec.sizes[0]))
    levels[rng.random(levels.shape) >= one(0.15, 0.5, 1.0)] = 0
    levels[rng.integers(0, n)] = 0  # a row without events
    detector = None
    if spec.update_gate == "normal" or one(False, True):
        detector = _detector(rng, one, n, spec.update_gate == "normal")
    return Case(
        spec,
        levels.astype(np.int8 if spec.signed_inputs else np.uint8),
        None if spec.task == "reconstruct" else _targets(spec, rng, one, n),
        np.ones(n, bool) if detector is not None else rng.random(n) < one(1.0, 0.7),
        one(0, 0, 0, 1, 5, 25),
        one("start", "start", "start", "lowest", "highest", "both rails"),
        detector,
        one(tuple(range(n)), (), tuple(int(cut) for cut in rng.integers(0, n + 1, 2))),
        seed,
    )


def _targets(spec: NetworkSpec, rng: np.random.Generator, one: Any, n: int) -> np.ndarray:
    """Draw targets within their range: any, those at its ends, zeros, and one-hot ones."""
    lowest, highest = (-256, 256) if spec.output == "linear" else (0, 255)
    targets = rng.integers(lowest, highest + 1, (n, spec.n_outputs))
    kind = one("any", "any", "ends", "sparse", "one-hot")
    if kind == "ends":
        targets = rng.choice([lowest, highest], targets.shape)
    elif kind == "sparse":
        targets[rng.random(targets.shape) < 0.7] = 0
    elif kind == "one-hot":
        targets = 255 * np.eye(spec.n_outputs, dtype=int)[rng.integers(0, spec.n_outputs, n)]
    return targets.astype(np.int16)


def _detector(rng: np.random.Generator, one: Any, n: int, normal: bool) -> DetectorSpec:
    return DetectorSpec(
        train_rows=int(rng.integers(0, n // 2 + 1)),
        threshold_rows=int(rng.integers(1, n // 3 + 2)),
        score=one(*SCORES),
        smoothing=one(0, 1, 3, 12),
        threshold=one(*THRESHOLDS),
        quantile=one(0, 5000, 9000, 10_000),
        factor=one(8, 12, 16, 20),
        follow=one(0, 4, 5),
        learn_while="normal" if normal else one(*(name for name in LEARN_WHILE if name != "normal")),
    )


def _laid_out(spec: NetworkSpec, seed: int) -> NetworkSpec:
    """Let any layer keep a row an input or a row a neuron: the layout of memory is free."""
    rng = np.random.default_rng([seed, 2])
    layers = [
        layer if layer.non_negative else replace(layer, event_major=bool(rng.integers(2))) for layer in spec.layers
    ]
    return replace(spec, layers=tuple(layers))


def _settings(rng: np.random.Generator, one: Any) -> dict[str, Any]:
    n_hidden, task = one(0, 1, 1, 2, 2, 3), one("regression", "reconstruct")
    sizes = [int(rng.integers(1, 11)) for _ in range(n_hidden + 2)]
    sizes[1 + n_hidden // 2] = one(sizes[1 + n_hidden // 2], 17, 33)  # more than a vector has lanes
    if task == "reconstruct":
        sizes[-1] = sizes[0]
    bits, rounding = one(2, 3, 4, 6, 8, 8, 11, 12, 16), one(*ROUNDINGS)
    lowest = 1 if rounding == "residual" and bits < 16 else 0
    some = int(rng.integers(lowest, min(8, 16 - bits) + 1))
    signed = one(False, True)
    each = "+".join(one(*GRADED_RULES) for _ in range(max(n_hidden, 1)))
    masks = "+".join(one("all", "all", "all", "bias", "none") for _ in range(n_hidden + 1))
    return {
        "sizes": sizes,
        "task": task,
        "output": one("linear", "linear", "sigmoid"),
        "rule": one(one(*GRADED_RULES), one("drtp", "local"), each),
        "learn": one("all", "all", "all", masks),
        "bits": bits,
        "rounding": rounding,
        "residual_bits": one(None, None if rounding == "nearest" else some),
        "input_bits": int(rng.integers(2 if signed else 1, 9)),
        "signed_inputs": signed,
        "activation": one(*sorted(ACTIVATIONS)),
        "feedback_format": one("int8", "int8", *FEEDBACK_FORMATS),
        "hidden_rate": int(rng.integers(-14, 1)),
        "output_rate": int(rng.integers(-14, 1)),
        "range_exponent": one(None, None, None, int(rng.integers(-8, 9))),
        "event_threshold": one(0, 0, 3, 40),
        "dead_zone": one(0, 0, 8, 120),
        "local_dead_zone": one(None, None, 20),
        "accumulator_bits": one(32, 32, 32, 16, 10),
        "update_gate": one("always", "always", "normal"),
        "delta_bits": one(16, 16, 12, 9, 8, 6, 2),
        "seed": int(rng.integers(0, 2**31)),
    }


def traits(case: Case) -> set[str]:
    """Name what a case has, to see that cases drawn at random have everything."""
    spec, detector = case.spec, case.detector
    signals = {layer.rule.signal.name for layer in spec.layers[:-1]}
    found = {spec.task, spec.output, spec.rounding, f"gate {spec.update_gate}", f"{len(spec.layers)} layers"}
    found |= {f"{spec.output} {signal}" for signal in signals}
    found |= {f"{layer.rule.name} {spec.feedback_format}" for layer in spec.layers[:-1] if layer.rule.stores_feedback}
    found |= {f"{spec.feedback_format} {signal}" for signal in signals}
    found |= {f"learned {layer.learned}" for layer in spec.layers}
    if spec.signed_inputs and spec.task == "reconstruct":
        found.add("signed reconstruct")
    if spec.delta_bits < 9:
        found |= {f"narrow {signal}" for signal in signals}
    if spec.accumulator_bits < 32:
        found |= {f"wrapped {signal}" for signal in signals}
    if spec.sizes[-1] == 1:
        found.add("one output")
    if detector is not None:
        found |= {f"score {detector.score}", f"threshold {detector.threshold}", f"learn {detector.learn_while}"}
        found |= {f"follow {bool(detector.follow)}"}
    return found
