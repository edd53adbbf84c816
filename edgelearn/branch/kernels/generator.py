"""The generator of 32 bits that a predictor has in hardware."""

from __future__ import annotations

from edgelearn.kernels.lanes import inlined

_WORD = 0xFFFFFFFF


@inlined
def drawn(r):  # type: ignore[no-untyped-def]
    """Return the state of xorshift32 after r, an int64 from 1 to 2^32 - 1; the state is also what is drawn."""
    r = r ^ ((r << 13) & _WORD)
    r = r ^ (r >> 17)
    return r ^ ((r << 5) & _WORD)
