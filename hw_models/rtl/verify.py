"""Verification of the engine in Verilog against the simulator: equality, or the first word that differs."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgelearn.files import write_text
from edgelearn.network.learner import Learner, steps_of
from hw_models.engine.emitted import emitted_counts
from hw_models.rtl.emit import emit, in_memory
from hw_models.rtl.parameters import Parameters
from hw_models.rtl.simulators import Answers, build, read_answers, run, write_samples

EVERY = 20  # samples between comparisons of all words


@dataclass(frozen=True)
class Difference:
    """First difference of engine and simulator.

    Parameters
    ----------
    sample : counted from 0
    what : "prediction", "learned", "generator", "weight", "bias", "cycles", or a role of the counters of el_top
    layer, neuron, input : of a word, counted from 1; 0 for anything else
    engine, simulator : the two values
    words : how many words differ after that sample
    """

    sample: int
    what: str
    layer: int
    neuron: int
    input: int
    engine: int
    simulator: int
    words: int = 0

    def __str__(self) -> str:
        place = f" of layer {self.layer}, neuron {self.neuron}" if self.layer else ""
        place += f", input {self.input}" if self.input else ""
        text = f"{self.what}{place}: engine {self.engine}, simulator {self.simulator}, first after sample "
        return text + f"{self.sample + 1}" + (f" ({self.words} words differ)" if self.words > 1 else "")


@dataclass(frozen=True)
class Verification:
    """The result of a comparison.

    Parameters
    ----------
    samples : compared; updates : samples that were learned
    cycles : of a sample, mean; scheduled : the same by the schedule
    counted : words and cycles by role, engine and simulator, of all samples
    events : saturations, step saturations and overflows, so that equality is known to cover them
    difference : of predictions, words or generator states; None if all are equal
    miscount : of cycles or accesses; None if all are equal
    """

    samples: int
    updates: int
    cycles: float
    scheduled: float
    counted: dict[str, tuple[int, int]]
    events: dict[str, int]
    difference: Difference | None
    miscount: Difference | None

    @property
    def equal(self) -> bool:
        return self.difference is None and self.miscount is None


@dataclass(frozen=True)
class _Expected:
    """What the simulator answered, one entry per sample; words by the number of samples done."""

    predictions: np.ndarray
    generators: np.ndarray
    learned: np.ndarray
    words: dict[int, np.ndarray]


def verify(
    learner: Learner,
    levels: np.ndarray,
    labels: np.ndarray,
    simulator: str = "verilator",
    halvings: int = 0,
    folder: Path | None = None,
    optimise: str = "-O1",
) -> Verification:
    """Build the engine of a learner and compare samples with the simulator.

    Parameters
    ----------
    learner : with the words that both start from; it learns
    levels : int[n, n_in]; labels : int[n], negative for samples that are only predicted
    simulator : of `hw_models.rtl.simulators.SIMULATORS`
    halvings : of the rate, for all samples
    folder : for what is built, a temporary one if left out; Verilog that lies there is taken as it is
    optimise : of the C++ compiler

    Raises
    ------
    UserError
        "the engine in Verilog has no ...", "... is not installed ..."
    """
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="edgelearn-rtl-") as name:
            return verify(learner, levels, labels, simulator, halvings, Path(name), optimise)
    parameters = Parameters(learner.spec, halvings > 0)
    present = {path.name: path.read_text(encoding="ascii") for path in folder.glob("el_*.v")}
    emit(learner, folder, halvings > 0)
    for name, text in present.items():
        (folder / name).write_text(text, encoding="ascii")
    build(folder, simulator, optimise)
    if halvings:
        learner.set_halvings(halvings)
    start, before = learner.save(), learner.counters + learner.inference_counters
    assert not before.n_samples, "counters of the learner are those of the comparison"
    answers = _play(folder, simulator, parameters, levels, labels, EVERY, halvings)
    expected = _learn(learner, parameters, levels, labels, EVERY)
    difference = _first_difference(answers, expected, parameters)
    counts = emitted_counts(learner.spec, learner.counters, learner.inference_counters)
    names = ("saturations", "step_saturations", "overflows")
    events = {name: learner.counters.total(name) for name in names}
    updates = int(expected.learned.sum())
    if difference is not None:  # once more up to there, all words after each sample
        n = min(len(levels), (difference.sample // EVERY + 1) * EVERY)
        learner.restore(start)
        answers_n = _play(folder, simulator, parameters, levels[:n], labels[:n], 1, halvings)
        again = _first_difference(answers_n, _learn(learner, parameters, levels[:n], labels[:n], 1), parameters)
        difference = again or difference
    totals = {"cycles": counts.cycles} | counts.accesses
    counted = {name: (answers.counts.get(name, 0), expected_n) for name, expected_n in totals.items()}
    counted["cycles"] = (int(answers.cycles.sum()), counts.cycles)
    wrong = next((name for name, (found, wanted) in counted.items() if found != wanted), None)
    miscount = None if wrong is None else Difference(len(levels) - 1, wrong, 0, 0, 0, *counted[wrong])
    n = max(1, len(levels))
    return Verification(
        len(levels), updates, counted["cycles"][0] / n, counts.cycles / n, counted, events, difference, miscount
    )


def write_selftest(learner: Learner, folder: Path, levels: np.ndarray, labels: np.ndarray) -> list[Path]:
    """Write samples for the benches of an emitted engine, and the class of each in hex; the learner learns them.

    Parameters
    ----------
    learner : that was emitted; folder : of its engine
    levels : int[n, n_in]; labels : int[n]
    """
    parameters = Parameters(learner.spec)
    samples, classes = folder / "samples.hex", folder / "classes.txt"
    write_samples(samples, parameters, levels, labels, len(levels))
    predictions = learner.learn(levels, labels)
    write_text(classes, "".join(f"{int(one):x}\n" for one in predictions))
    return [samples, classes]


def _play(
    folder: Path,
    simulator: str,
    parameters: Parameters,
    levels: np.ndarray,
    labels: np.ndarray,
    every: int,
    halvings: int,
) -> Answers:
    write_samples(folder / "samples.hex", parameters, levels, labels, every, halvings)
    return read_answers(run(folder, simulator), parameters)


def _learn(learner: Learner, parameters: Parameters, levels: np.ndarray, labels: np.ndarray, every: int) -> _Expected:
    from edgelearn.network.kernels import tables as t

    predictions, generators, learned, words = [], [], [], {}
    for i in range(len(levels)):
        outcome = learner.run_steps(levels[i : i + 1], steps_of(labels[i : i + 1]))
        predictions.append(outcome.predictions[0])
        learned.append(bool(outcome.statuses[0] & t.LEARNED))
        generators.append(learner.state.arrays.generator[0])
        if (i + 1) % every == 0 or i + 1 == len(levels):
            words[i + 1] = in_memory(learner.words(), parameters)
    return _Expected(np.array(predictions), np.array(generators, np.uint32), np.array(learned), words)


def _first_difference(answers: Answers, expected: _Expected, parameters: Parameters) -> Difference | None:
    """Return the first difference, of words where the sample has both."""
    found = [_word_difference(n, answers.words.get(n), words, parameters) for n, words in expected.words.items()]
    for name, theirs, ours in (
        ("generator", answers.generators, expected.generators),
        ("learned", answers.learned, expected.learned),
        ("prediction", answers.predictions, expected.predictions),
    ):
        wrong = np.flatnonzero(theirs != ours)
        if len(wrong):
            i = int(wrong[0])
            found.append(Difference(i, name, 0, 0, 0, int(theirs[i]), int(ours[i])))
    return min((one for one in found if one is not None), key=lambda one: one.sample, default=None)


def _word_difference(n: int, theirs: np.ndarray | None, ours: np.ndarray, parameters: Parameters) -> Difference | None:
    if theirs is None:
        return Difference(n - 1, "words", 0, 0, 0, 0, len(ours))
    wrong = np.flatnonzero(theirs != ours)
    if not len(wrong):
        return None
    first = int(wrong[0])
    k = max(k for k, base in enumerate(parameters.bases) if base <= first)
    neuron, column = divmod(first - parameters.bases[k], parameters.strides[k])
    is_bias = column == parameters.spec.layers[k].n_in
    place = (k + 1, neuron + 1, 0 if is_bias else column + 1)
    return Difference(n - 1, "bias" if is_bias else "weight", *place, int(theirs[first]), int(ours[first]), len(wrong))
