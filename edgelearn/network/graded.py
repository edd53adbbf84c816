"""Graded targets: numbers of each output in place of a class (contract, sections 3b and 4b)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgelearn.errors import UserError
from edgelearn.network.window import Window
from edgelearn.rules.catalog import find_rules
from edgelearn.rules.rule import Rule, Signal

TASKS = ("classify", "regression", "reconstruct")
CLASSIFY, REGRESSION, RECONSTRUCT = TASKS
LINEAR_MAX, SIGMOID_MAX = 256, 255  # largest words of targets; 1.0
GRADED_OUTPUTS = ("linear", "sigmoid")


def target_max(task: str, output: str) -> int:
    """Return the largest word of a target; 0 where targets are classes."""
    if task == CLASSIFY:
        return 0
    return LINEAR_MAX if output == "linear" else SIGMOID_MAX


# Exponents of two of hidden and output rates, where none are given; of `python -m experiments.regression_rates`.
RATES: dict[str, dict[str, tuple[int, int]]] = {
    REGRESSION: {
        "bp": (-5, -9), "fa": (-6, -9), "dfa": (-6, -9), "sdfa": (-4, -10), "local": (-4, -7), "drtp": (-9, -8),
        "mdfa": (-7, -10), "shallow": (-7, -8),
    },
    RECONSTRUCT: {
        "bp": (-7, -5), "fa": (-10, -6), "dfa": (-10, -6), "sdfa": (-10, -4), "local": (-10, -4), "drtp": (-9, -8),
        "mdfa": (-10, -7), "shallow": (-7, -6),
    },
}  # fmt: skip


def rates_of(rule: Rule, task: str) -> tuple[int, int]:
    """Return the rates from which a rule starts, of hidden layers and of the output layer; those of classes if no
    others are known for the task.
    """
    return RATES.get(task, {}).get(rule.name, (rule.hidden_rate, rule.output_rate))


def check(settings: Mapping[str, Any], sizes: Sequence[int], windows: Sequence[Window | None], rule: str) -> None:
    """Refuse settings of `design` that do not go with its task.

    Raises
    ------
    UserError
        What does not fit, and what to change
    """
    task, output, gate = settings["task"], settings["output"], settings["update_gate"]
    if task == CLASSIFY:
        if output == "linear":
            raise UserError("linear outputs are numbers, not classes; give --task regression, or --output sigmoid")
        if gate == "normal":
            raise UserError("update gate 'normal' belongs to an anomaly detector; give --update-gate error or margin")
        return
    if output not in GRADED_OUTPUTS:
        raise UserError(f"output '{output}' gives shares of classes; task {task} takes {' or '.join(GRADED_OUTPUTS)}")
    if gate not in ("always", "normal"):
        raise UserError(f"update gate '{gate}' compares classes, and task {task} has none; leave it out")
    if any(window is not None for window in windows):
        raise UserError(f"task {task} takes dense layers; give a --net of sizes, e.g. {sizes[0]}-16-{sizes[-1]}")
    if settings["hidden_inference"] != "full":
        raise UserError(f"--hidden-inference {settings['hidden_inference']} does not go with task {task}; leave it out")
    for row in find_rules(rule):
        if row.signal is Signal.SIGNED_TARGET:
            raise UserError(f"rule '{row.name}' teaches the sign of a class, and task {task} has none; give sdfa")
    if task == RECONSTRUCT:
        if sizes[-1] != sizes[0]:
            raise UserError(
                f"a network that reconstructs its {sizes[0]} inputs has as many outputs, not {sizes[-1]}; give e.g. "
                f"--net {sizes[0]}-{max(sizes[0] // 4, 2)}-{sizes[0]}"
            )
        if settings["signed_inputs"] and output == "sigmoid":
            raise UserError("a sigmoid cannot reconstruct inputs below zero; give --output linear")
