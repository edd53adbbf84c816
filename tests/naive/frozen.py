"""Frozen layers in plain integers, from section 11 of the contract; each output gathers its window."""

from __future__ import annotations

import math
from typing import Any

from .words import half_up


def layer(shape: dict[str, Any], words: Any, biases: Any, shifts: Any, table: Any, x: list[int]) -> list[int]:
    """Outputs of one sample.

    `shape` has kind, height, width, channels, maps, kernel (rows, columns), stride (rows, columns), padding (top,
    bottom, left, right) and groups.
    """
    height, width, channels, maps = (shape[name] for name in ("height", "width", "channels", "maps"))
    (kernel_height, kernel_width), (down, right), groups = shape["kernel"], shape["stride"], shape["groups"]
    top, bottom, left, beside = shape["padding"]
    found = []
    for y in range((height + top + bottom - kernel_height) // down + 1):
        for place in range((width + left + beside - kernel_width) // right + 1):
            for o in range(maps):
                inside = []
                first, depth = (o // (maps // channels), 1) if groups > 1 else (0, channels)
                total = 0 if shape["kind"] == "max" else int(biases[o])
                for dy in range(kernel_height):
                    for dx in range(kernel_width):
                        row, column = y * down + dy - top, place * right + dx - left
                        if not (0 <= row < height and 0 <= column < width):
                            continue
                        for c in range(depth):
                            value = int(x[(row * width + column) * channels + first + c])
                            inside.append(value)
                            if shape["kind"] != "max":
                                total += value * int(words[o][(dy * kernel_width + dx) * depth + c])
                if shape["kind"] == "max":
                    found.append(max(inside))
                    continue
                shift = int(shifts[o])
                q = half_up(total, shift) if shift > 0 else total * 2**-shift
                found.append(int(table[128 + min(max(q, -128), 127)]))
    return found


def converted(
    weights: list[list[float]], biases: list[float], function: Any, scale: int, inner: int, outer: int, largest: int
) -> tuple[list[list[int]], list[int], list[int], list[int]]:
    """Words, biases, shifts and table of a layer for given binary scales."""
    words, whole, shifts = [], [], []
    for row, bias in zip(weights, biases, strict=True):
        top = max(abs(one) for one in row)
        exponent = math.floor(math.log2(127 / top)) if top else 0
        while True:
            taken, added = [round(one * 2.0**exponent) for one in row], round(bias * 2.0 ** (exponent + scale))
            if largest * sum(map(abs, taken)) + abs(added) < 2**31:
                break
            exponent -= 1
        words.append(taken)
        whole.append(added)
        shifts.append(min(exponent + scale - inner, 40))
    table = [round(function(q * 2.0**-inner) * 2.0**outer) for q in range(-128, 128)]
    return words, whole, shifts, [min(max(one, -127), 127) for one in table]


def output_scale(values: list[float]) -> int:
    """Binary scale of outputs, from their quantile with linear interpolation."""
    sizes = sorted(abs(one) for one in values)
    place = (1 - 1e-4) * (len(sizes) - 1)
    below, part = int(place), place - int(place)
    reach = sizes[below] + part * (sizes[min(below + 1, len(sizes) - 1)] - sizes[below])
    reach = reach or sizes[-1]
    return math.floor(math.log2(127 / reach)) if reach else 0
