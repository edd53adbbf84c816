"""Facts of a model as plain dictionaries, for `edgelearn model show`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgelearn.pretrained import operators as ops
from edgelearn.pretrained.imported import Imported, Model
from edgelearn.pretrained.operators import Operator


def facts_of(model: Model, refusal: Callable[[Imported], str | None] = lambda found: None) -> dict[str, Any]:
    """Return what is known of a model.

    Parameters
    ----------
    refusal : reason why learning cannot start from a cut that can be read, None where it can

    `tensors` says of each tensor whether it can be cut at, which layers are behind it, and what stays in front of it;
    `operators` says of each operator what it costs, and what it is behind a cut.
    """
    numbers = {name: alias for alias, name in model.aliases.items()}
    tensors, first = [], None
    for tensor, found in model.cuts():
        row: dict[str, Any] = {
            "name": tensor.name,
            "index": numbers.get(tensor.name),
            "shape": None if tensor.shape is None else list(tensor.shape),
            "dtype": tensor.dtype,
            "scale": tensor.scale,
            "zero_point": tensor.zero_point,
            "features": tensor.n_features,
            "can_be_cut": isinstance(found, Imported),
        }
        if isinstance(found, Imported):
            reason = refusal(found)
            row |= _behind(found) if reason is None else {"can_be_cut": False, "reason": reason}
            first = first or (tensor.name if reason is None else None)
        else:
            row["reason"] = str(found).split(": ", 1)[-1].split("; ")[0]
        tensors.append(row)
    return {
        "source": model.source,
        "sha256": model.sha256,
        "format": model.format,
        "macs": model.macs,
        "weight_words": model.weight_words,
        "activation_words": sum(operator.activation_words for operator in model.operators),
        "uncounted": [f"{one.name} ({one.kind})" for one in model.operators if one.macs is None],
        "inputs": list(model.inputs),
        "outputs": list(model.outputs),
        "classes": None if model.classes is None else list(model.classes),
        "cut": first,
        "tensors": tensors,
        "operators": [_operator(model, one) for one in model.operators],
        "how_to_expose": how_to_expose(model, first),
        "notes": list(model.notes),
    }


def _behind(found: Imported) -> dict[str, Any]:
    return {
        "net": list(found.sizes),
        "layers": [
            {
                "name": layer.name,
                "activation": layer.activation,
                "weights": [layer.n_out, layer.n_in],
                "integer": layer.words is not None,
                "output": layer.output.name,
                "output_scale": layer.output.scale,
                "output_zero_point": layer.output.zero_point,
            }
            for layer in found.layers
        ],
        "front_end": {
            "macs": found.front_end.macs,
            "weight_words": found.front_end.weight_words,
            "activation_words": found.front_end.activation_words,
            "uncounted": list(found.front_end.uncounted),
        },
        "notes": [note for note in found.notes if note],
    }


def _operator(model: Model, operator: Operator) -> dict[str, Any]:
    output = model.by_name.get(operator.outputs[0]) if operator.outputs else None
    return {
        "name": operator.name,
        "kind": operator.kind,
        "inputs": list(operator.inputs),
        "outputs": list(operator.outputs),
        "shape": None if output is None or output.shape is None else list(output.shape),
        "macs": operator.macs,
        "weight_words": operator.weight_words,
        "activation_words": operator.activation_words,
        "behind_a_cut": role_of(operator.step),
    }


def role_of(step: ops.Step) -> str:
    """Say what an operator is behind a cut.

    Example
    -------
    >>> role_of(ops.Activation("relu"))
    'activation relu'
    """
    if isinstance(step, ops.Dense):
        if step.positions != 1:
            return f"not read: applied at {step.positions} positions"
        fused = "" if step.activation in ("linear", "") else f", {step.activation}"
        return f"layer {step.weights.shape[1]}-{step.weights.shape[0]}{fused}"
    if isinstance(step, ops.Activation):
        known = step.name in ops.ACTIVATIONS
        return f"activation {step.name}" if known else f"not read: {step.name} is no activation of learning layers"
    if isinstance(step, ops.Affine):
        return "folded into a layer"
    if isinstance(step, ops.Permute):
        return "folded as an order of columns"
    if isinstance(step, ops.Rank):
        return "left out at the end: the order of scores stays"
    if isinstance(step, ops.Other):
        return "not read" if step.reason == ops.BEHIND else f"not read: {step.reason}"
    return "left out: no numbers change" if isinstance(step, ops.Keep) else "left out: no score depends on it"


def how_to_expose(model: Model, cut: str | None) -> str | None:
    """Say how an inner tensor becomes an output of the model, so that the user's own runtime gives it out."""
    if cut is None or cut in model.inputs or cut in model.outputs:
        return None
    inputs = ", ".join(f'"{name}"' for name in model.inputs)
    if model.format.startswith("ONNX"):
        return f'onnx.utils.extract_model("{model.source}", "front.onnx", [{inputs}], ["{cut}"])'
    if model.format.startswith("TFLite"):
        return (
            "TFLite-Micro keeps outputs only: convert keras.Model(model.inputs, [layer.output, *model.outputs]) of the "
            "layer in front of the cut; on a PC, edgelearn model features reads any tensor"
        )
    if model.format.startswith("Keras"):
        return f'keras.Model(model.inputs, [model.get_layer("{cut}").output, *model.outputs])'
    return None
