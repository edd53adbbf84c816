"""What a conversion would refuse of a model, operator by operator, before there are data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgelearn.conversion.front import front_of
from edgelearn.conversion.tables import FUNCTIONS
from edgelearn.errors import UserError
from edgelearn.pretrained import operators as ops
from edgelearn.pretrained.imported import Model
from edgelearn.pretrained.operators import Operator
from edgelearn.pretrained.read import reading
from edgelearn.pretrained.spatial import Convolution, Spatial


def conversion_of(model: Model, cut: str | None) -> dict[str, Any] | None:
    """Return what `--convert` makes of the operators in front of a tensor.

    Parameters
    ----------
    cut : name of the tensor; None takes the first output of the model

    Returns
    -------
    dict
        `tensor`; `layers`, shapes of the frozen layers, empty where the front end is refused; `refused`, one entry
        with `operator`, `kind` and `reason` for each operator that is; `reason` and `advice` of a refusal of operators
        together. None where nothing is in front of the tensor.
    """
    name = cut or next((one for one in model.outputs if one in model.by_name), None)
    if name is None or name in model.inputs:
        return None
    found: dict[str, Any] = {"tensor": name, "layers": [], "refused": [], "reason": None, "advice": None}
    with reading(Path(model.source), f"layers up to '{name}'"):
        for operator in _in_front(model, name):
            reason = _reason(operator)
            if reason is not None:
                found["refused"].append({"operator": operator.name, "kind": operator.kind, "reason": reason})
    if not found["refused"]:
        try:
            found["layers"] = [layer.geometry.text for layer in front_of(model, name).layers]
        except UserError as error:
            found["reason"], _, advice = str(error).split(": ", 1)[-1].partition("; ")
            found["advice"] = advice or None
    return found


def _in_front(model: Model, name: str) -> list[Operator]:
    """Return the operators that a tensor depends on, in the order of the model."""
    needed, found = {name}, []
    for operator in reversed(model.operators):
        if needed.intersection(operator.outputs):
            needed.update(operator.inputs)
            found.append(operator)
    return found[::-1]


def _reason(operator: Operator) -> str | None:
    """Return why an operator is converted in no model, None where it may be."""
    step = operator.step.read() if isinstance(operator.step, Spatial) else operator.step
    if isinstance(step, ops.Other):
        return "such operators are not converted" if step.reason == ops.BEHIND else step.reason
    if isinstance(step, (ops.Rank, ops.Aside)):
        return "such operators are not converted"
    if len(operator.inputs) > 1 and not isinstance(step, ops.Keep):
        return f"it joins '{operator.inputs[0]}' and '{operator.inputs[1]}'"
    name = step.name if isinstance(step, ops.Activation) else ""
    if isinstance(step, (Convolution, ops.Dense)):
        name = step.activation
    if name and name not in FUNCTIONS:
        return f"{name} is no function of a single value that is known here"
    if isinstance(step, ops.Dense) and step.positions != 1:
        return f"it is applied at {step.positions} positions"
    return None
