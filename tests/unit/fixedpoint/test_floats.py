"""Limited quotients: those of whole numbers, next to every integer and half."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelearn.fixedpoint.floats import rounded_quotient
from edgelearn.fixedpoint.lanes import compiled

pytestmark = pytest.mark.kernel


@compiled
def quotient(a, b, limit):
    return np.int64(rounded_quotient(a, b, limit))


@given(st.integers(-(2**51) + 1, 2**51 - 1), st.integers(1, 2**44 - 1), st.integers(1, 255))
def test_any_quotient(a, b, limit):
    assert quotient(a, b, limit) == min(max((2 * a + b) // (2 * b), -limit), limit)


@given(
    st.integers(-256, 256),
    st.one_of(st.integers(2**44 - 1000, 2**44 - 1), st.integers(1, 2**44 - 1)),
    st.integers(-2, 2),
)
def test_quotients_next_to_halves(k, b, off):
    a = (2 * k + 1) * b // 2 + off
    assert quotient(a, b, 255) == min(max((2 * a + b) // (2 * b), -255), 255)
