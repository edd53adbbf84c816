"""Conversion of a model's tensor to input levels, as a C header; an example for TensorFlow Lite Micro."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from edgelearn.errors import UserError
from edgelearn.runs.levels import Levels
from firmware_sim.build.headers import array
from firmware_sim.build.image import CSRC

HEADER = "include/el_levels.h"
EXAMPLE = "example/tflm_example.cpp"
_CONVERTING_TEST = CSRC / "package" / "el_selftest_values.c"


@dataclass(frozen=True, eq=False)
class Tensor:
    """Tensor of a user's model whose values are the inputs.

    Parameters
    ----------
    name : in the model
    levels : its conversion; of whole numbers where it has a zero point
    values : int[n, n_in] of the samples of the self-test, as the model gives them; unused without a zero point
    """

    name: str
    levels: Levels
    values: np.ndarray

    @property
    def is_integer(self) -> bool:
        return self.levels.zero_point is not None

    @property
    def c_type(self) -> str:
        """Type of a value on the board."""
        if not self.is_integer:
            return "float"
        return "int8_t" if self.levels.lowest < 0 else "uint8_t"


def texts_of(tensor: Tensor) -> dict[str, str]:
    """Return the files that a package has because of its tensor, by name.

    Raises
    ------
    UserError
        "values of tensor ... are outside ..."
    """
    texts = {HEADER: _header(tensor)}
    if tensor.is_integer:
        lowest = tensor.levels.lowest
        if tensor.values.size and (tensor.values.min() < lowest or tensor.values.max() > lowest + 255):
            raise UserError(
                f"values of tensor '{tensor.name}' are outside {lowest} to {lowest + 255}; give the integers of the "
                "tensor, for example from edgelearn model features"
            )
        texts[EXAMPLE] = (CSRC / "package" / "tflm_example.cpp").read_text()
        texts["test/el_selftest.c"] = _CONVERTING_TEST.read_text()
    return texts


def selftest_inputs(tensor: Tensor | None, levels: np.ndarray) -> str:
    """Return the inputs of the self-test as a C array: integers of a tensor, which the board converts, or levels."""
    if tensor is None or not tensor.is_integer:
        return array("el_level", "EL_SELFTEST_LEVELS", levels.ravel(), place="")
    return array("el_value", "EL_SELFTEST_VALUES", tensor.values[: len(levels)].ravel(), place="")


def section(tensor: Tensor, n_in: int) -> str:
    """Return what README.md says of the inputs."""
    levels = tensor.levels
    lines = [
        "",
        f"**Inputs.** The {n_in} levels come from the tensor `{_plain(tensor.name)}` of your model: "
        "`el_levels(levels, values)` of `include/el_levels.h`.",
    ]
    if tensor.is_integer:
        lines += [
            f"A level is the tensor's integer less its zero point {levels.zero_point}; nothing is rounded"
            + (", and values outside the range of levels are cut." if levels.signed else "."),
            "`example/tflm_example.cpp` takes them from TensorFlow Lite Micro, whose model must have the tensor as an "
            "output: inner tensors are overwritten. The self-test converts values of your data and learns them.",
        ]
    else:
        lines.append("A level is the tensor's value, less an offset, over a step, both in the header, rounded.")
    return "\n".join(lines) + "\n"


def _plain(name: str) -> str:
    """Return a name as text that ends neither a comment nor a line of a file."""
    return re.sub(r"[^A-Za-z0-9_./:;,() +-]", "_", name).replace("*/", "_/").replace("/*", "/_")


def _header(tensor: Tensor) -> str:
    levels = tensor.levels
    lines = [
        f"/* Input levels from the values of the tensor {_plain(tensor.name)}. */",
        "#ifndef EL_LEVELS_H",
        "#define EL_LEVELS_H",
        "",
        '#include "el_learner.h"',
        "",
        f"typedef {tensor.c_type} el_value; /* as the model gives it */",
        "",
    ]
    low, high = (-levels.top if levels.signed else 0), levels.top
    if tensor.is_integer:
        lines += _of_integers(levels, low, high)
    else:
        lines += _of_floats(levels, low, high)
    lines += [
        "/* Convert a sample: EL_INPUTS values. */",
        "static inline void el_levels(el_level *levels, const el_value *values)",
        "{",
        "    uint32_t i;",
        "    for (i = 0U; i < EL_INPUTS; i++) {",
        f"        levels[i] = el_level_of(values[i]{'' if tensor.is_integer else ', i'});",
        "    }",
        "}",
        "",
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def _of_integers(levels: Levels, low: int, high: int) -> list[str]:
    return [
        f"#define EL_ZERO_POINT ({levels.zero_point})",
        "",
        f"/* level = q - zero point, cut to {low} and {high}; nothing is rounded. */",
        "static inline el_level el_level_of(el_value q)",
        "{",
        "    const int16_t level = (int16_t)((int16_t)q - EL_ZERO_POINT);",
        f"    return (el_level)((level < {low}) ? {low} : ((level > {high}) ? {high} : level));",
        "}",
        "",
    ]


def _of_floats(levels: Levels, low: int, high: int) -> list[str]:
    def table(name: str, values: np.ndarray) -> str:
        written = ", ".join(repr(float(value)) for value in values)
        return f"static const double {name}[{len(values)}] = {{{written}}};"

    def at(values: np.ndarray) -> str:
        return "i" if len(values) > 1 else "0U"

    used = ["    (void)i;"] if len(levels.scale) == len(levels.offset) == 1 else []
    return [
        table("EL_LEVEL_STEP", levels.scale),
        table("EL_LEVEL_OFFSET", levels.offset),
        "",
        f"/* level = (value - offset) / step, rounded to even, cut to {low} and {high}; of no number 0. */",
        "static inline el_level el_level_of(el_value value, uint32_t i)",
        "{",
        f"    const double exact = ((double)value - EL_LEVEL_OFFSET[{at(levels.offset)}])"
        f" / EL_LEVEL_STEP[{at(levels.scale)}];",
        *used,
        f"    if (exact >= {high}.0) {{",
        f"        return (el_level)({high});",
        "    }",
        f"    if (exact <= {low}.0) {{",
        f"        return (el_level)({low});",
        "    }",
        "    if (exact > -1000.0) {",
        "        int16_t whole = (int16_t)exact;",
        "        const double rest = exact - (double)whole;",
        "        const bool odd = (whole % 2) != 0;",
        "        if ((rest > 0.5) || ((rest == 0.5) && odd)) {",
        "            whole++;",
        "        } else if ((rest < -0.5) || ((rest == -0.5) && odd)) {",
        "            whole--;",
        "        } else {",
        "            /* whole is the nearest */",
        "        }",
        "        return (el_level)whole;",
        "    }",
        "    return (el_level)0;",
        "}",
        "",
    ]
