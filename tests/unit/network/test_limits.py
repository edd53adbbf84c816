"""Wide layers: counters beyond 16 bits, the widest row, and networks that no memory holds."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.network import state
from edgelearn.network.kernels.arrays import padded
from edgelearn.network.kernels.update import add_rows
from edgelearn.network.learner import Learner
from edgelearn.network.spec import MAX_NEURONS, design
from tests.oracle_pairs import assert_twins

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize(("sizes", "rule"), [((33_000, 2), "drtp"), ((1, 33_000, 1), "dfa")])
def test_more_than_32767_events_gates_and_updates(sizes, rule):
    spec = design(sizes, rule, input_bits=1, hidden_rate=0, range_exponent=2)
    assert_twins(spec, np.ones((1, sizes[0]), np.uint8), np.array([1]))


@pytest.mark.parametrize(("word", "step", "saturations"), [(0, 1, 0), (-32768, -1, 2)])
def test_saturations_of_the_widest_row_are_counted(word, step, saturations):
    columns = padded(MAX_NEURONS + 1)
    matrix, steps = np.full((2, columns), word, np.int16), np.full((1, columns), step, np.int16)
    rows, slots = np.array([[0, 1]]), np.zeros((2, 2), np.int64)
    compiled = numba.njit(boundscheck=False, error_model="numpy")(add_rows)
    assert compiled(matrix, columns, rows, 0, 0, 2, slots, steps) == saturations * columns
    assert matrix.min() == matrix.max() == min(max(word + step, -32768), 32767)


def test_what_no_memory_holds_is_refused_before_it_is_allocated(monkeypatch):
    monkeypatch.setattr(state, "physical_memory", lambda: 2**30)
    with pytest.raises(
        UserError, match=r"net 300000-5000-10 needs 5\.\d GiB of memory, and this machine has 1\.0; use"
    ):
        Learner(design((300_000, 5_000, 10)))
