"""Validated settings of a float reference, and presets of the published codes."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edgelearn.errors import UserError, unknown
from edgelearn.rules import Backend, Feedback, Signal, find_rule
from experiments.float_nets.initial import kind_and_size
from experiments.float_nets.topology import check_fits, first_size

Activation = Literal["tanh", "hard-tanh", "relu", "leaky", "sigmoid", "linear"]
Output = Literal["sigmoid", "softmax", "tanh", "linear"]
Loss = Literal["mse", "bce", "ce"]
Optimiser = Literal["sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam"]


class FloatConfig(BaseModel):
    """Settings of a float network, its rule and its training; frozen and validated.

    Notes
    -----
    Initialisations (`init`, `output_init`, `feedback_init`), for a layer of n inputs: "he" is U(+-sqrt(6/n)), "torch"
    U(+-1/sqrt(n)), "zeros", "normal" N(0, 1/n); texts as of the mDFA code, "U1", "P1", "N0.1", "A0.1" or a constant
    (uniform, positive uniform, normal, its absolute value), are scaled by `text_scale`: 1/sqrt(n) ("readme") or
    n^(1/4) ("repo", what that code does). Texts that start with = are not scaled, e.g. "=U0.001" is U(+-0.001). For
    direct feedback n is the size of the taught layer, which is how the DRTP code counts its fan-in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    topology: str = Field(description="784-500-10, or CONV_32_5_1_2_FC_1000_FC_10")
    inputs: tuple[int, ...] | None = Field(None, description="shape of an input: (784,) or (1, 28, 28)")
    rule: str = "bp"
    hidden: Activation = "tanh"
    output: Output = "sigmoid"
    loss: Loss = "bce"
    train_kernels: bool = Field(True, description="convolutions learn; else they stay random")
    frozen: tuple[int, ...] = Field((), description="layers, counted from 0, that do not learn")
    biases: bool = True
    dropout: float = Field(0.0, ge=0, lt=1, description="share of hidden activations of dense layers left out")
    init: str = "he"
    output_init: str | None = Field(None, description="of the output layer, as init if left out")
    feedback_init: str = "he"
    text_scale: Literal["readme", "repo"] = "readme"
    scale: Literal["loss", "official"] = Field(
        "loss", description="hidden signals of dfa, sdfa, drtp with the loss's 1/N and 1/C, or summed over the batch"
    )
    floor: float = Field(0.0, ge=0, description="mdfa keeps weights behind the first layer at least this large")
    noise: float = Field(0.01, gt=0, description="standard deviation of node perturbation")
    optimiser: Optimiser = "sgd"
    rate: float = Field(gt=0)
    momentum: float = 0.9
    decay: float = Field(0.99, description="of rmsprop's mean square (torch: 0.99)")
    weight_decay: float = Field(0.0, ge=0)
    batch: int = Field(60, ge=1)
    epochs: int = Field(1, ge=0)
    seed: int = Field(0, ge=0, le=2**31 - 1)

    @model_validator(mode="after")
    def _fits(self) -> FloatConfig:
        rule = find_rule(self.rule, Backend.FLOAT)
        if self.inputs is None and first_size(self.topology) is None:
            raise ValueError("a topology of layers needs the shape of its inputs, e.g. inputs = (1, 28, 28)")
        shape = self.inputs or (first_size(self.topology),)
        check_fits(self.topology, self.inputs)
        if (self.loss, self.output) in (("ce", "sigmoid"), ("ce", "tanh"), ("ce", "linear")):
            raise ValueError("ce needs output softmax")
        if self.loss == "bce" and self.output != "sigmoid":
            raise ValueError("bce needs output sigmoid")
        for text in (self.init, self.output_init, self.feedback_init):
            if text is not None:
                kind_and_size(text, 1, self.text_scale)
        if rule.signal is Signal.LOSS_CHANGE and self.dropout:
            raise ValueError(f"{rule.name} compares two passes and goes without dropout")
        if rule.feedback is Feedback.PSEUDO_INVERSE and len(shape) > 1:
            raise ValueError(f"{rule.name} is for dense nets")
        return self

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.inputs if self.inputs is not None else (first_size(self.topology) or 0,)


PRESETS: dict[str, dict[str, Any]] = {
    # ChFrenkel/DirectRandomTargetProjection, commit b84e3fe: torch's own initialisation, sums in hidden layers
    "drtp-official": {
        "hidden": "tanh",
        "output": "sigmoid",
        "loss": "bce",
        "init": "torch",
        "feedback_init": "he",
        "scale": "official",
        "optimiser": "nesterov",
        "rate": 1e-4,
        "batch": 100,
        "epochs": 100,
    },
    # mlech26l/iclr_paper_mdfa, commit 1905cbe: one sigmoid output for two classes, weights clipped at 1e-6
    "mdfa-official": {
        "hidden": "tanh",
        "output": "sigmoid",
        "loss": "bce",
        "init": "U1",
        "feedback_init": "U1",
        "text_scale": "repo",
        "floor": 1e-6,
        "optimiser": "rmsprop",
        "decay": 0.9,
        "rate": 1e-4,
        "batch": 64,
        "epochs": 100,
    },
}


def float_config(preset: str | None = None, **settings: Any) -> FloatConfig:
    """Return validated settings; those of a preset hold where nothing else is given.

    Raises
    ------
    UserError
        "preset '...' is not known", "setting '...' is not known", "setting '...' = ... is not allowed"
    """
    if preset is not None and preset not in PRESETS:
        raise unknown("preset", preset, PRESETS)
    for key in settings:
        if key not in FloatConfig.model_fields:
            raise unknown("setting", key, FloatConfig.model_fields)
    try:
        return FloatConfig(**(PRESETS.get(preset or "", {}) | settings))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][:1]) or "the combination"
        reason = first["msg"].removeprefix("Value error, ")
        raise UserError(f"float reference: {name} is not allowed: {reason[0].lower()}{reason[1:]}") from None


def choices(kind: Any) -> tuple[str, ...]:
    """Return the names of a choice, e.g. `choices(Optimiser)`."""
    return tuple(get_args(kind))
