"""Float twin of a network with graded targets on a stream: outputs and scores of rows, learned one after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from edgelearn.errors import UserError
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec
from edgelearn.references.closed_form import output_one, stored_weights
from edgelearn.references.online_twin import OnlineTwin
from edgelearn.references.torch_online import one_thread


@dataclass(frozen=True, eq=False)
class FloatStream:
    """Outputs and scores of rows before each was learned, in the unit of the integers: 256 is 1.0 of a linear output.

    Parameters
    ----------
    outputs : float64[n, n_outputs]
    scores : sums of absolute or squared errors, float64[n]
    """

    outputs: np.ndarray
    scores: np.ndarray


def float_twin(
    spec: NetworkSpec,
    levels: np.ndarray,
    targets: np.ndarray | None = None,
    learned: np.ndarray | Callable[[int, float], bool] | None = None,
    squared: bool = False,
    words: Mapping[str, np.ndarray] | None = None,
    dtype: str = "float32",
) -> FloatStream:
    """Learn rows in floating point as a learner does in integers: same words at the start, same rows, same order.

    Parameters
    ----------
    levels : [n, n_in], input levels of the integers; numbers between them where the twin shall not have their rounding
    targets : [n, n_outputs], words; none where the task is to reconstruct the input
    learned : bool[n], rows that are learned, or a function of the number of a row and its score that says so; all rows
        by default
    squared : score of squares in place of sizes
    words : named as in `Learner.words`, put in place of the first ones

    Raises
    ------
    UserError
        "targets are missing ...", "torch is not installed ..."

    Example
    -------
    >>> from edgelearn.network.spec import design
    >>> spec = design((2, 4, 2), "bp", task="reconstruct", output="linear", hidden_rate=-4, output_rate=-4)
    >>> found = float_twin(spec, np.tile([[15, 3], [2, 9]], (200, 1)))
    >>> bool(found.scores[-2:].sum() < found.scores[:2].sum() / 10)
    True
    """
    learner = Learner(spec)
    learner.put_words(words or {})
    one = output_one(spec)
    wanted = numbers_of_targets(spec, levels, targets)

    def score(row: int, outputs: np.ndarray) -> float:
        error = one * (outputs - wanted[row])
        return float(np.sum(error * error if squared else np.abs(error)))

    holds_back = None
    if callable(learned):
        choose = learned

        def holds_back(row: int, outputs: np.ndarray) -> bool:
            return not choose(row, score(row, outputs))

    elif learned is not None:
        mask = np.asarray(learned, bool)

        def holds_back(row: int, outputs: np.ndarray) -> bool:
            return not mask[row]

    with one_thread():
        twin = OnlineTwin(spec, stored_weights(learner), dtype)
        outputs = twin.learn_targets(levels, wanted, holds_back)
    errors = one * (outputs - wanted)
    return FloatStream(one * outputs, (errors**2 if squared else np.abs(errors)).sum(axis=1))


def numbers_of_targets(spec: NetworkSpec, levels: np.ndarray, targets: np.ndarray | None) -> np.ndarray:
    """Return targets in units of 1.0, float64[n, n_outputs], from their words; without any, from the levels.

    Raises
    ------
    UserError
        "targets are missing ..."
    """
    if targets is None:
        if spec.task != "reconstruct":
            raise UserError("targets are missing; a regression takes a word per output, int16[n, n_outputs]")
        targets = np.minimum(np.asarray(levels, np.float64) * 2.0 ** (8 - spec.layers[0].input_scale), 255)
    return np.asarray(targets, np.float64) / output_one(spec)
