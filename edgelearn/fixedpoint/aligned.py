"""Arrays at boundaries of cache lines."""

from __future__ import annotations

import numpy as np


def aligned_zeros(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Return zeros that start at a 64-byte boundary, so that no vector of 64 bytes or less crosses a cache line."""
    n_bytes = max(int(np.prod(shape)), 1) * np.dtype(dtype).itemsize
    block = np.zeros(n_bytes + 64, np.uint8)
    start = -block.ctypes.data % 64
    return block[start : start + n_bytes].view(dtype)[: int(np.prod(shape))].reshape(shape)
