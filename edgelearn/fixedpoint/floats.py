"""Integers by way of float64, exact: limited quotients, of which processors divide several at once; powers of two."""

from __future__ import annotations

import math
import struct
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types

from edgelearn.fixedpoint.lanes import _lane, inlined


def _in_integers(a, b, limit):  # type: ignore[no-untyped-def]
    """Return a / b rounded to the nearest, halves up, within -limit to limit: int32."""
    return np.int32(min(max((2 * a + b) // (2 * b), -limit), limit))


def _in_floats(a, b, limit):  # type: ignore[no-untyped-def]
    """Return what `_in_integers` returns, for |a| below 2^51, b from 1 to 2^44 and limits below 2^8.

    Numerator and denominator of (2a + b) / (2b) are exact. A quotient below 2^8 that is no integer is at least
    1 / (2b) >= 2^-45 away from one, and is rounded by at most 2^-46: it stays on its side. Larger ones are limited.
    """
    numerator, denominator = 2.0 * np.float64(a) + np.float64(b), 2.0 * np.float64(b)
    quotient = np.floor(numerator / denominator)
    return np.int32(max(min(quotient, np.float64(limit)), np.float64(-limit)))


rounded_quotient: Any = _in_integers if numba.config.DISABLE_JIT else inlined(_in_floats)  # type: ignore[attr-defined]

_I64, _F64 = ir.IntType(64), ir.DoubleType()
# 2^k, from -1022 to 1023
power_of_two = _lane(
    types.float64,
    (types.int64,),
    lambda builder, k: builder.bitcast(builder.shl(builder.add(k, _I64(1023)), _I64(52)), _F64),
    lambda k: math.ldexp(1.0, int(k)),
)
# The bits of a float64: 52 of the mantissa, 11 of the exponent from -1023, the sign
bits_of = _lane(
    types.int64,
    (types.float64,),
    lambda builder, x: builder.bitcast(x, _I64),
    lambda x: struct.unpack("<q", struct.pack("<d", float(x)))[0],
)


@inlined
def exponent_of(x):  # type: ignore[no-untyped-def]
    """Return e of a normal float64: its magnitude is from 2^(e - 1) to below 2^e; 0 for an infinite one."""
    exponent = (bits_of(x) >> 52) & 2047
    return exponent - 1022 if exponent < 2047 else np.int64(0)
