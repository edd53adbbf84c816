"""What convolutions hold under each rule, as text, from the plain data of the cost model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgelearn.units import with_unit


def convolution_lines(rules: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each convolution: what an engine holds of its input, and the rules that learn from that alone.

    Parameters
    ----------
    rules : entries of `hw_models.compare.rules.as_dict`, of one network
    """
    lines = []
    for k, layer in enumerate(rules[0]["layers"]):
        if "convolution" not in layer:
            continue
        windows = {rule["name"]: rule["layers"][k]["convolution"] for rule in rules}
        one = windows[rules[0]["name"]]
        size, part = one["input_map_bits"], one["line_buffer_bits"]
        text = f"layer {layer['layer']}, {one['kernel_words']:,} kernel words: its input takes {_bits(size)}, "
        text += f"a line buffer of {one['line_buffer_words']:,} words {_bits(part)}"
        learning = {name: window for name, window in windows.items() if window["accumulator_bits"]}
        if not learning:
            lines.append(f"{text}; its kernels are frozen")
            continue
        from_lines = [name for name, window in learning.items() if window["learns_from_lines"]]
        sums = next(iter(learning.values()))
        if from_lines:
            text += f"; {', '.join(from_lines)} from the line buffer alone, with accumulators of all maps"
            text += f" ({_bits(sums['accumulator_bits_all_maps'])})"
        waiting: dict[str, list[str]] = {}
        for rule in rules:
            if rule["name"] in learning and rule["name"] not in from_lines:
                waiting.setdefault(_bits(rule["layers"][k]["waiting_bits"]), []).append(rule["name"])
        for bits, names in waiting.items():
            text += (
                f"; {', '.join(names)} from the whole map, {bits} wait, accumulators {_bits(sums['accumulator_bits'])}"
            )
        lines.append(text)
    return lines


def _bits(n: int) -> str:
    return with_unit(n, "bits")
