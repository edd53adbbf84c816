"""The generator of 32 bits that a predictor has in hardware."""

from __future__ import annotations

import numpy as np

from edgelearn.fixedpoint.lanes import inlined, shl32, shr_unsigned32, xor32

_WORD = 0xFFFFFFFF


@inlined
def drawn(r):  # type: ignore[no-untyped-def]
    """Return the state of xorshift32 after r, an int64 from 1 to 2^32 - 1; the state is also what is drawn."""
    r = r ^ ((r << 13) & _WORD)
    r = r ^ (r >> 17)
    return r ^ ((r << 5) & _WORD)


@inlined
def drawn32(r):  # type: ignore[no-untyped-def]
    """Return the same of an int32, for kernels that work in lanes of 32 bits."""
    r = xor32(r, shl32(r, np.int32(13)))
    r = xor32(r, shr_unsigned32(r, np.int32(17)))
    return xor32(r, shl32(r, np.int32(5)))
