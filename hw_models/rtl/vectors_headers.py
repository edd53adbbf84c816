"""Headers of the example benches: the constants of one layer for Verilog and for C, and those of the network."""

from __future__ import annotations

from typing import Any

Constants = dict[str, int]


def headers(description: dict[str, Any]) -> dict[str, str]:
    """Return the texts of network.vh, layerK/layer.vh and layerK/layer.h from the content of vectors.json."""
    found = {"network.vh": _network(description)}
    for k in range(len(description["layers"])):
        constants, paths = _constants(description, k), _paths(description, k)
        lines = [f"localparam {name} = {value};" for name, value in constants.items()]
        lines += [f'`define {name} "{path}"' for name, path in paths.items()]
        found[f"layer{k + 1}/layer.vh"] = "\n".join(lines) + "\n"
        defined = constants.items() | {(name, f'"{path}"') for name, path in paths.items()}
        order = [*constants, *paths]
        lines = [f"#define {name} {value}" for name, value in sorted(defined, key=lambda one: order.index(one[0]))]
        found[f"layer{k + 1}/layer.h"] = "\n".join(lines) + "\n"
    return found


def _constants(description: dict[str, Any], k: int) -> Constants:
    layer, network, files = description["layers"][k], description["network"], description["files"]
    is_output = k == len(description["layers"]) - 1
    x, d = _paths(description, k)["X_FILE"], _paths(description, k)["D_FILE"]
    return {
        "LAYER": k + 1,
        "N_SAMPLES": description["samples"],
        "N_IN": layer["inputs"],
        "N_OUT": layer["outputs"],
        "X_BITS": files[x]["bits"],
        "X_SIGNED": int(files[x]["signed"]),
        "VIEW_BITS": layer["view_bits"],
        "WEIGHT_BITS": layer["weight_bits"],
        "BIAS_BITS": layer["bias_bits"],
        "WEIGHT_MIN": layer["weight_min"],
        "BIAS_LEVEL": layer["bias_level"],
        "ACCUMULATOR_BITS": network["accumulator_bits"],
        "SUM_SHIFT": layer["sum_shift"],
        "HIDDEN": int(not is_output),
        "EVENT_THRESHOLD": network["event_threshold"],
        "LEARNS_WEIGHTS": int(layer["learned"] == "all"),
        "LEARNS_BIASES": int(layer["learned"] != "none"),
        "STEP_SHIFT": layer["step_shift"],
        "STOCHASTIC": int(network["rounding"] == "stochastic"),
        "D_BITS": files[d]["bits"] if d in files else 1,
        "N_KEYS": files.get("tables/key.hex", {"lines": 1})["lines"],
        "N_STEPS": files.get(f"layer{k + 1}/step.hex", {"lines": 0})["lines"],
    }


def _paths(description: dict[str, Any], k: int) -> dict[str, str]:
    is_output = k == len(description["layers"]) - 1
    return {
        "X_FILE": "inputs.hex" if k == 0 else f"layer{k}/y.hex",
        "D_FILE": f"layer{k + 1}/{'e' if is_output else 'd'}.hex",
        "FOLDER": f"layer{k + 1}",
    }


def _network(description: dict[str, Any]) -> str:
    """Return the sizes of the network, widths of words, and which words learn, for engine_tb.v."""
    layers = description["layers"]
    constants = {
        "N_SAMPLES": description["samples"],
        "N_LAYERS": len(layers),
        "WORDS_EVERY": description["words_every"],
        "STOCHASTIC_ROUNDING": int(description["network"]["rounding"] == "stochastic"),
    }
    vectors = {  # entry 0 is of the inputs
        "SIZES": (32, [layers[0]["inputs"], *(layer["outputs"] for layer in layers)]),
        "WEIGHT_WIDTHS": (32, [0, *(layer["weight_bits"] for layer in layers)]),
        "BIAS_WIDTHS": (32, [0, *(layer["bias_bits"] for layer in layers)]),
        "LEARNS_WEIGHTS": (1, [0, *(int(layer["learned"] == "all") for layer in layers)]),
        "LEARNS_BIASES": (1, [0, *(int(layer["learned"] != "none") for layer in layers)]),
    }
    lines = [f"localparam {name} = {value};" for name, value in constants.items()]
    for name, (bits, entries) in vectors.items():
        packed = ", ".join(f"{bits}'d{entry}" for entry in reversed(entries))
        lines.append(f"localparam [{bits * len(entries) - 1}:0] {name} = {{{packed}}};")
    return "\n".join(lines) + "\n"
