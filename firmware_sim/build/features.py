"""Frozen layers in front of a network as C sources: `el_features`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgelearn.network.frozen import FrozenStack
from edgelearn.runs.levels import Levels
from firmware_sim.build.headers import array
from firmware_sim.build.image import CSRC

MAPS = ("el_map_a", "el_map_b")
_ROW_BYTES = 72  # of el_front on a core of 32 bits: 13 numbers and 5 addresses
HEADER, SOURCE, NUMBERS = "include/el_features.h", "src/el_features.c", "include/el_features_numbers.h"


@dataclass(frozen=True, eq=False)
class Features:
    """Front end of a converted model.

    Parameters
    ----------
    name : tensor that the features are
    stack : frozen layers
    inputs : levels of the model's input
    values : int[n, n_in], levels of the model's input in the samples of the self-test
    """

    name: str
    stack: FrozenStack
    inputs: Levels
    values: np.ndarray
    is_integer: bool = True

    @property
    def n_in(self) -> int:
        return self.stack.layers[0].geometry.n_in

    @property
    def n_features(self) -> int:
        return self.stack.layers[-1].geometry.n_out if self.stack.order is None else len(self.stack.order)

    @property
    def ram_bytes(self) -> int:
        return memory_of(self.stack)["ram"]

    @property
    def flash_bytes(self) -> int:
        """Bytes of words, biases, shifts, tables and orders, and of the list of layers on a core of 32 bits."""
        return memory_of(self.stack)["flash"]

    @property
    def constants(self) -> dict[str, int]:
        """Bytes of each constant array on a core of 32 bits."""
        return _constants_of(self.stack)


def memory_of(stack: FrozenStack | None) -> dict[str, int]:
    """Return bytes of RAM and of constants in flash that frozen layers take on a core of 32 bits, 0 without any."""
    if stack is None:
        return {"ram": 0, "flash": 0}
    return {"ram": 2 * _widest(stack), "flash": sum(_constants_of(stack).values())}


def _constants_of(stack: FrozenStack) -> dict[str, int]:
    found: dict[str, int] = {}
    for k, layer in enumerate(stack.layers, 1):
        if layer.geometry.kind == "sum":
            words, maps = layer.words.size, layer.geometry.maps
            found |= {f"EL_FRONT_{k}_{name}": n for name, n in (
                ("WORDS", words), ("BIASES", 4 * maps), ("SHIFTS", maps), ("TABLE", len(layer.table)),
            )}  # fmt: skip
        if layer.order is not None:
            found[f"EL_FRONT_{k}_ORDER"] = 4 * len(layer.order)
    if stack.order is not None:
        found["EL_FEATURE_ORDER"] = 4 * len(stack.order)
    return found | {"EL_FRONT": _ROW_BYTES * len(stack.layers)}


def _widest(stack: FrozenStack) -> int:
    return max(layer.geometry.n_out for layer in stack.layers)


def texts_of(features: Features) -> dict[str, str]:
    """Return the sources of frozen layers by name."""
    kind = "int8_t" if features.inputs.signed else "uint8_t"
    header = [
        f"/* Features of a model of {len(features.stack.layers)} frozen layers, from levels of its input. */",
        "#ifndef EL_FEATURES_H",
        "#define EL_FEATURES_H",
        "",
        '#include "el_learner.h"',
        "",
        f"#define EL_PIXELS {features.n_in}U",
        f"typedef {kind} el_pixel; /* a level of the model's input */",
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "/* Compute the EL_INPUTS levels of the learner from EL_PIXELS levels of the model's input. */",
        "void el_features(el_level *features, const el_pixel *pixels);",
        "#ifdef __cplusplus",
        "}",
        "#endif",
        "",
        "#endif",
    ]
    return {
        HEADER: "\n".join(header) + "\n",
        SOURCE: (CSRC / "package" / "el_features.c").read_text(),
        NUMBERS: _numbers(features.stack),
    }


def selftest_of() -> dict[str, str]:
    """Return the self-test that starts from inputs of the model, by name."""
    return {"test/el_selftest.c": (CSRC / "package" / "el_selftest_features.c").read_text()}


_TYPE = """/* Included by el_features.c alone. */
#include <stddef.h>

typedef struct {
    int32_t height, width;
    uint32_t channels, maps;
    uint32_t per_channel; /* maps of a channel, which read it alone; 0: all channels */
    uint32_t kernel_height, kernel_width, stride_y, stride_x;
    int32_t top, left;
    uint32_t out_height, out_width;
    const int8_t *words; /* NULL: the largest input of each window */
    const int32_t *biases;
    const int8_t *shifts;
    const int8_t *table;
    const uint32_t *order; /* input that is read at each place; NULL: as they come */
} el_front;
"""


def _numbers(stack: FrozenStack) -> str:
    parts, rows = [_TYPE], []
    for k, layer in enumerate(stack.layers, 1):
        shape, names = layer.geometry, ["NULL"] * 5
        if shape.kind == "sum":
            for at, (kind, name, values) in enumerate((
                ("int8_t", "WORDS", layer.words), ("int32_t", "BIASES", layer.biases),
                ("int8_t", "SHIFTS", layer.shifts), ("int8_t", "TABLE", layer.table),
            )):  # fmt: skip
                names[at] = f"EL_FRONT_{k}_{name}"
                parts.append(array(kind, names[at], values.ravel(), place=""))
        if layer.order is not None:
            names[4] = f"EL_FRONT_{k}_ORDER"
            parts.append(array("uint32_t", names[4], layer.order, place=""))
        per_channel = 0 if shape.groups == 1 and shape.kind == "sum" else shape.maps // shape.channels
        numbers = (
            shape.height, shape.width, shape.channels, shape.maps, per_channel, shape.kernel_height, shape.kernel_width,
            shape.stride_y, shape.stride_x, shape.top, shape.left, shape.out_height, shape.out_width,
        )  # fmt: skip
        rows.append(f"    {{ {', '.join((*map(str, numbers), *names))} }},")
    place = "(i)"
    if stack.order is not None:
        parts.append(array("uint32_t", "EL_FEATURE_ORDER", stack.order, place=""))
        place = "EL_FEATURE_ORDER[(i)]"
    parts += [
        f"#define EL_FRONT_LAYERS {len(rows)}U",
        f"#define EL_MAP_BYTES {_widest(stack)}U",
        f"#define EL_FEATURE_AT(i) ({place})",
        "",
        f"static const el_front EL_FRONT[{len(rows)}] = {{",
        *rows,
        "};",
    ]
    return "\n".join(parts) + "\n"


def section(features: Features) -> str:
    """Return what README.md says of the front end."""
    levels, highest = features.inputs, features.inputs.top
    lowest = -highest if levels.signed else 0
    step = f"{float(levels.scale.flat[0]):.6g}"
    made = (
        f"the integer of the model's input less its zero point {levels.zero_point}"
        if levels.zero_point is not None
        else f"the value of the model's input over {step}, rounded"
    )
    return (
        f"\n**Front end.** `el_features(levels, pixels)` of `include/el_features.h` computes the levels from "
        f"{features.n_in} inputs of the model: {made}, {lowest} to {highest}, in the order of the model. It takes "
        f"{features.flash_bytes:,} bytes of constants and {features.ram_bytes:,} bytes of RAM, and "
        f"{features.stack.macs:,} products at most. The self-test starts from inputs of the model.\n"
    )
