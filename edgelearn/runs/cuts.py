"""Cuts of trained models that learning can start from."""

from __future__ import annotations

from edgelearn.errors import UserError
from edgelearn.network.activations import ACTIVATIONS
from edgelearn.pretrained import Imported, Model
from edgelearn.runs.levels import check_tensor


def default_cut(model: Model) -> Imported:
    """Return a model cut at the earliest tensor behind which all layers are dense and can be words.

    Raises
    ------
    UserError
        The reason of the earliest cut that can be read, where none can be words; what `Model.cut` says
    """
    accepted = (found for _, found in model.cuts() if isinstance(found, Imported) and refusal(found) is None)
    return next(accepted, None) or model.cut()


def refusal(given: Imported) -> str | None:
    """Return the reason why learning cannot start from a cut, None where it can."""
    try:
        activations_of(given)
        check_tensor(given.input)
    except UserError as error:
        return str(error).split("; cut at ")[0]
    return None


def activations_of(given: Imported, activation: str | None = None, output: str | None = None) -> tuple[str, str]:
    """Return hidden activation and output of imported layers, in the names of the contract.

    Parameters
    ----------
    activation, output : of layers whose file does not say

    Raises
    ------
    UserError
        "layer ... of ... has ..." for an activation that the contract lacks
    """
    hidden, last = given.layers[:-1], given.layers[-1]
    names = []
    for number, layer in enumerate(hidden, 1):
        name = layer.activation or activation or "tanh"
        name = "tanh" if name == "sigmoid" else name  # (1 + tanh(z / 2)) / 2
        if name not in ACTIVATIONS or (name == "leaky" and layer.activation and abs(layer.slope - 0.05) > 1e-6):
            of = f"leaky with slope {layer.slope:g} (0.05 is there)" if name == "leaky" else f"activation '{name}'"
            raise _unsupported(given, number, of, f"hidden layers have {', '.join(ACTIVATIONS)} or sigmoid")
        names.append(name)
    if len(set(names)) > 1:
        raise _unsupported(
            given, len(hidden), f"'{names[-1]}' behind '{names[0]}'", "hidden layers have one activation"
        )
    name = last.activation or output or "linear"
    if name == "linear":  # logits
        name = output or ("softmax" if last.n_out > 1 else "sigmoid")
    if name not in ("softmax", "sigmoid") or (name == "softmax" and last.n_out == 1):
        raise _unsupported(given, len(given.layers), f"activation '{name}'", "outputs have softmax, sigmoid or none")
    return names[0] if names else activation or "tanh", name


def _unsupported(given: Imported, number: int, what: str, allowed: str) -> UserError:
    behind = given.layers[number - 1].output.name
    remedy = f"cut at '{behind}'" if number < len(given.layers) else "export it without, or with logits"
    return UserError(
        f"layer {number} of {given.source} ({given.layers[number - 1].name}) has {what}, which words cannot have: "
        f"{allowed}; {remedy}"
    )
