"""Graded targets (contract, sections 3b and 4b): outputs that are numbers, learned towards numbers, in plain integers."""

from typing import Any

from .detector import Judged, NaiveDetector
from .oracle import Lane, NaiveNetwork
from .words import sat, sigmoid

LOWEST_OUTPUT, HIGHEST_OUTPUT = -512, 511
TASKS = ("regression", "reconstruct")


class NaiveTargetNetwork(NaiveNetwork):
    """A network of dense layers that learns online towards graded targets.

    `detector` scores every row that comes; an alarm holds a row back.
    """

    output_names = ("sigmoid", "linear")
    gate_names = ("always", "normal")

    def __init__(self, *, task: str, detector: NaiveDetector | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.task = task
        self.detector = detector
        self.judged: Judged | None = None
        self.labelled = False  # was the row that came last one with a label
        self.outputs: list[int] = []
        self.targets: list[int] = []
        if task not in TASKS or any(rule.signal == "signed target" for rule in self.named):
            raise ValueError("the contract has no words for this task or rule")
        if task == "reconstruct" and (self.sizes[0] != self.sizes[-1] or (self.signed and self.output == "sigmoid")):
            raise ValueError("outputs cannot be what the inputs are")

    def take(self, levels: list[int], targets: list[int] | None, learn: bool, held_back: bool = False) -> list[int]:
        """Take a row, learn it if it may be learned, and return its outputs of before.

        Parameters
        ----------
        targets : words; None where the input is the target
        learn : whether somebody wants the row learned; without, it is one without a label
        held_back : by something outside (a queue, a budget)
        """
        learn = learn and (self.detector is None or self.detector.may_learn)
        self._learning = self.labelled = learn
        self._blank_sample()
        self._forward(levels)
        self.outputs, self.judged, self.gated = list(self.probabilities), None, False
        if learn or self.detector is not None:
            self._take_targets([int(x) for x in levels], targets)
        if self.detector is not None:
            self.judged = self.detector.judge(self.detector.score(self.outputs, self.targets))
        if learn:
            self._learn(held_back)
        self._collect(self.counts if learn else self.inference_counts)
        self._learning = False
        return self.outputs

    def learn_one(self, levels: list[int], label: int, gated: bool = False) -> int:
        """Take a row to be learned; outputs are numbers, so that the class is 0 whatever they are."""
        self.take(levels, None, True, gated)
        return 0

    def predict_one(self, levels: list[int]) -> int:
        self.take(levels, None, False)
        return 0

    def _learn(self, held_back: bool) -> None:
        judged = self.judged
        self.gated = held_back or (judged is not None and self.detector is not None and self.detector.gates(judged))
        if self.gated:
            for k in range(1, self.layers + 1):
                self._happen(k, "gated_samples")
                for _i in self._input_events[k - 1]:
                    self._happen(k, "gated_events")
            return
        self._compute_errors(0)
        self._compute_modulated_gates()
        for k in self._update_order():
            self._update(k)

    # --- section 3b: outputs and targets --------------------------------------------------------------------

    def _form_outputs(self) -> None:
        if self.output == "linear":
            self.probabilities = [self._linear(self.layers, z, self._sum_scale(self.layers)) for z in self.z[-1]]
        else:
            super()._form_outputs()

    def _linear(self, k: int, total: int, scale: int) -> int:
        """A sum with 8 fraction bits."""
        return sat(self._rn(k, total, scale - 8), LOWEST_OUTPUT, HIGHEST_OUTPUT)

    def _take_targets(self, levels: list[int], targets: list[int] | None) -> None:
        """Read the target of each output once, for its error and for the score."""
        if self.task == "reconstruct":
            words = [min(x * (1 << (8 - self._input_scale(1))), 255) for x in levels]
        else:
            assert targets is not None, "a row to be learned or scored has targets"
            words = [int(t) for t in targets]
        lowest, highest = (-256, 256) if self.output == "linear" else (0, 255)
        if len(words) != self.sizes[-1] or any(not lowest <= t <= highest for t in words):
            raise ValueError(f"targets are {self.sizes[-1]} words in {lowest}..{highest}")
        for k in range(1, self.layers + 1):
            self._label[k - 1].blank(list(words))
        self.targets = [self._label[-1].read(c) for c in range(self.sizes[-1])]

    # --- section 4b: errors and teaching signals ------------------------------------------------------------

    def _targets(self, label: int) -> list[int]:
        return self.targets

    def _read_targets(self, k: int) -> list[int]:
        return [self._label[k - 1].read(c) for c in range(self.sizes[-1])]

    def _error_of(self, p: int, target: int) -> int:
        """An error beyond 1.0 is cut to it."""
        return sat(p - target, -255, 255)

    def _readout_outputs(self, k: int, sums: list[int]) -> list[int]:
        if self.output == "linear":
            return [self._linear(k, total, self._readout_scale(k)) for total in sums]
        return [sigmoid(sat(self._rn(k, total, self._readout_scale(k) - 4), -128, 127)) for total in sums]

    def _scale_of_m(self, k: int) -> int:
        """A sum of targets and feedback may exceed one word of feedback: a range of +-2."""
        if self.acting(k).signal == "target":
            return min(self.acting(k).modulator_scale, max(self.factor_bits - 2, 0))
        return super()._scale_of_m(k)

    def _modulator(self, k: int, j: int, lanes: list[Lane]) -> int:
        """m_j of the target vector is a sum as that of errors is."""
        if self.acting(k).signal != "target":
            return super()._modulator(k, j, lanes)
        total = self._accumulated(k, self._signal_sum(k, j, lanes))
        largest = (1 << (self.factor_bits - 1)) - 1
        scale = 8 + 7 - self.feedback_exponents[k - 1] - self._scale_of_m(k)
        return sat(self._rn(k, total, scale), -largest, largest)
