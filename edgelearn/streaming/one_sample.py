"""One sample in a dictionary through front end and network in one compiled call.

A sample is refused, and nothing has changed, unless it is plain: a dictionary of exactly the known features, with
finite values of type float, int or np.float64; to be learned, they must lie within the exponents of the front end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from edgelearn.data.cells import FLOAT32_LIMIT
from edgelearn.fixedpoint.frozen import (
    address_of,
    caller_of,
    double_at,
    entry_of,
    float_of,
    int_of,
    item_of,
    put_double,
    put_word,
    quick,
    size_of,
    type_of,
    word_at,
)
from edgelearn.fixedpoint.lanes import compiled, inlined
from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.arrays import Results
from edgelearn.network.kernels.sample import run_steps
from edgelearn.network.learner import Learner
from edgelearn.streaming.front_end import FrontEnd
from edgelearn.streaming.kernel import encode_only, run_front_end
from edgelearn.streaming.words import within, word_of, word_of_any

REFUSED = -1
# Table of addresses: types of Python, arrays, and the entries of front end and network.
N_CHANNELS, DICT, FLOAT, FLOAT64, INT, KEYS, VALUES, OFFSETS, EXPONENTS, WORDS, STEP, PREDICTION = range(12)
FRONT_END, NETWORK = 12, 13

_run_front_end = caller_of(run_front_end)
_encode_only = caller_of(encode_only)
_run_steps = caller_of(run_steps)


@inlined
def read_sample(table, x):  # type: ignore[no-untyped-def]
    """Read the values of a dictionary at address x; return whether it is plain but for their size."""
    n = word_at(table, N_CHANNELS)
    if type_of(x) != word_at(table, DICT) or size_of(x) != n:
        return False
    keys, values = word_at(table, KEYS), word_at(table, VALUES)
    plain, plain64, whole = word_at(table, FLOAT), word_at(table, FLOAT64), word_at(table, INT)
    for c in range(n):
        item = item_of(x, word_at(keys, c))
        if item == 0:
            return False
        kind = type_of(item)  # read before the next key is looked up, which may run code of that key
        if kind == whole:
            put_double(values, c, int_of(item))
        elif kind != plain and kind != plain64:
            return False
        else:
            put_double(values, c, float_of(item))
    return True


@inlined
def write_words(table, learned):  # type: ignore[no-untyped-def]
    """Write the words of values; return whether all are finite and, to be learned, within the exponents."""
    values, offsets, exponents = word_at(table, VALUES), word_at(table, OFFSETS), word_at(table, EXPONENTS)
    words = word_at(table, WORDS)
    fits = True
    for c in range(word_at(table, N_CHANNELS)):
        value, offset, exponent = double_at(values, c), double_at(offsets, c), word_at(exponents, c)
        if not learned:
            offset = offset if offset == offset else 0.0  # no value came yet
        x = np.float64(np.float32(value - offset))
        fits &= abs(value) < FLOAT32_LIMIT
        if learned:
            fits &= (x == x) & within(x, exponent)
            put_word(words, c, word_of(x, exponent))
        else:
            put_word(words, c, word_of_any(x, exponent))
    return fits


@partial(compiled, nogil=False)
def learn_at(table, x, label):  # type: ignore[no-untyped-def]
    """Learn the dictionary at address x; return the class predicted before, or REFUSED."""
    if not read_sample(table, x) or not write_words(table, True):
        return REFUSED
    put_word(word_at(table, STEP), t.LABEL, label)
    _run_front_end(word_at(table, FRONT_END))
    _run_steps(word_at(table, NETWORK))
    return word_at(word_at(table, PREDICTION), 0)


@partial(compiled, nogil=False)
def predict_at(table, x):  # type: ignore[no-untyped-def]
    """Return the class of the dictionary at address x, or REFUSED."""
    if not read_sample(table, x) or not write_words(table, False):
        return REFUSED
    _encode_only(word_at(table, FRONT_END))
    _run_steps(word_at(table, NETWORK))
    return word_at(word_at(table, PREDICTION), 0)


class SampleCall:
    """Call of `learn_at` or `predict_at` for one front end and network: `call(address, id(sample), ...)`.

    Parameters
    ----------
    front_end : takes windows of one sample
    offsets : float64[n_channels], subtracted from values; NaN where unknown
    names : features in the order of the channels
    learns : whether samples are learned
    outputs : output of each label, for the caller
    """

    __slots__ = ("_kept", "address", "call", "outputs", "scores")

    def __init__(
        self,
        front_end: FrontEnd,
        learner: Learner,
        offsets: np.ndarray,
        names: tuple[Any, ...],
        learns: bool,
        outputs: Mapping[Any, int],
    ) -> None:
        self.outputs = outputs
        spec, state = front_end.spec, front_end.state
        n = spec.n_channels
        words, levels = np.zeros((1, n), np.int64), np.zeros((1, spec.n_inputs), np.uint8)
        step = np.array([[0, 0 if learns else t.NO_LABEL, t.PREDICT]], np.int64)
        self.scores = np.zeros((0, 0) if learns else (1, learner.spec.n_outputs), np.uint8)
        results = Results(
            predictions=np.zeros(1, np.int64),
            statuses=np.zeros(1, np.uint8),
            scores=self.scores,
            energies=np.zeros(0, np.int64),
            dropped=np.zeros(1, np.uint8),
        )
        if learns:
            shifts, segment, ends = np.zeros((1, n), np.uint8), np.zeros(1, np.int64), np.zeros(1, np.int64)
            given: tuple[Any, ...] = (words, shifts, segment, front_end.settings, state, levels, ends)
            first = entry_of(run_front_end, *given)
        else:
            own = {name: getattr(state, name).copy() for name in ("ring", "features", "place")}
            given = (words.reshape(1, 1, n), front_end.settings, state._replace(**own), levels)
            first = entry_of(encode_only, *given)
        network = learner.arguments(levels, step, results)
        second = entry_of(run_steps, *network)
        keys, values = np.array([id(name) for name in names], np.int64), np.zeros(n)
        arrays = (keys, values, offsets, front_end.exponents, words, step, results.predictions, first, second)
        table = np.array([n, *map(id, (dict, float, np.float64, int)), *map(address_of, arrays)], np.int64)
        self._kept = (names, arrays, given, network, table)
        self.address = address_of(table)
        self.call: Callable[..., int] = quick(learn_at, 3) if learns else quick(predict_at, 2)
