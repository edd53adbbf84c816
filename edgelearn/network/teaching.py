"""Rule and mask of each layer: what the texts of `--rule` and `--learn` give a network of some depth.

The arithmetic contract, section 4.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgelearn.errors import UserError
from edgelearn.rules.catalog import find_rule, find_rules, split_names
from edgelearn.rules.rule import Rule

LEARNED = ("all", "bias", "none")  # words of a layer that learn
EVERYTHING = "all"
FROZEN = "shallow"  # row of layers that form no d


def rules_of(text: str, n_hidden: int) -> tuple[Rule, ...]:
    """Return the rule of each hidden layer as named: one for all, or one per layer from the first.

    Raises
    ------
    UserError
        "rule '...' names ... hidden layers ..."
    """
    rows = find_rules(text)
    if len(rows) == 1:
        return rows * max(n_hidden, 1)
    if len(rows) != n_hidden:
        raise UserError(
            f"rule '{text}' names {len(rows)} hidden layers, but the network has {n_hidden}; give one rule per hidden "
            "layer, from the first, or a single one for all of them"
        )
    return rows


def learned_of(text: str, n_layers: int) -> tuple[str, ...]:
    """Return which words of each layer learn, of `LEARNED`.

    Parameters
    ----------
    text : "all"; "last" or "last2", "last3", ... for the last layers, the output layer among them; "bias" for biases of
        hidden layers and the whole output layer; or an entry of `LEARNED` per layer, e.g. "none+bias+all"

    Raises
    ------
    UserError
        "learn '...' ..."
    """
    names = split_names(text)
    counted = re.fullmatch(r"last([1-9][0-9]{0,5})?", names[0]) if len(names) == 1 else None
    if counted:
        n = int(counted[1] or 1)
        if n > n_layers:
            raise UserError(f"learn '{text}' asks for {n} layers, but the network has {n_layers}; give --learn all")
        return ("none",) * (n_layers - n) + (EVERYTHING,) * n
    if names == ["all"]:
        return (EVERYTHING,) * n_layers
    if names == ["bias"]:
        return ("bias",) * (n_layers - 1) + (EVERYTHING,)
    if not set(names) <= set(LEARNED) or names == ["none"]:
        raise UserError(
            f"learn '{text}' is not known; give all, last, last2, last3, ..., bias, or one of {', '.join(LEARNED)} per "
            "layer, e.g. none+all+all"
        )
    if len(names) != n_layers:
        raise UserError(
            f"learn '{text}' names {len(names)} layers, but the network has {n_layers}; give one of "
            f"{', '.join(LEARNED)} per layer, the output layer included"
        )
    if set(names) == {"none"}:
        raise UserError(f"learn '{text}' freezes every layer; let one learn, e.g. --learn last")
    return tuple(names)


def effective_rules(rows: Sequence[Rule], learned: Sequence[str]) -> tuple[Rule, ...]:
    """Return the row that each hidden layer acts by: its own where it forms d, that of frozen layers elsewhere.

    A layer forms d where it learns by its rule, and where the layer below takes d as its teaching signal.

    Raises
    ------
    UserError
        "rule '...' of layer ... takes d of layer ..., which forms none ..."
    """
    found: list[Rule] = []
    for k, (row, words) in enumerate(zip(rows, learned, strict=False)):
        is_read = bool(found) and found[-1].holds_deltas
        if is_read and not row.learns_hidden:
            raise UserError(
                f"rule '{found[-1].name}' of layer {k} takes d of layer {k + 1}, whose rule '{row.name}' forms none; "
                f"give layer {k + 1} a rule that learns (--learn none freezes its words), or layer {k} another rule"
            )
        found.append(row if is_read or (words != "none" and row.learns_hidden) else find_rule(FROZEN))
    return tuple(found)
