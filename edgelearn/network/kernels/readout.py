"""Local errors: a hidden layer's activations through its fixed readout, then the output non-linearity."""

from __future__ import annotations

import numpy as np

from edgelearn.fixedpoint.lanes import leaf


@leaf
def readout_errors(values, k, n, tables, last, softmax, label, dead_zone):  # type: ignore[no-untyped-def]
    """Turn indices of a readout into its errors, in place: e_c = p_c - 255 * target_c, zero inside the dead zone.

    Parameters
    ----------
    values : int16[layers, width], row k is changed
    n : outputs; with one output its target is the label
    tables : int32[layers, 512], row `last` holds the output table
    """
    top, total = np.int64(-128), np.int64(0)
    if softmax:
        for c in range(n):
            top = max(top, np.int64(values[k, c]))
        for c in range(n):
            total += np.int64(tables[last, 256 + top - values[k, c]])
    for c in range(n):
        q = np.int64(values[k, c])
        if softmax:
            p = (255 * np.int64(tables[last, 256 + top - q]) + total // 2) // total
        else:
            p = np.int64(tables[last, q + 128])
        target = np.int64(label) if n == 1 else np.int64(c == label)
        e = p - 255 * target
        values[k, c] = 0 if -dead_zone <= e <= dead_zone else e
