"""DRTP, Table 3: the learning rates. An input of tables 1 and 2, S1 and S2, not a result: nothing is measured here.

Checked is that the table as kept fits what the paper says of it: a grid search for every rule, data set and network
type. All rates lie on {1.5, 5} times a power of ten (our inference of the grid), and there is one wherever the tables
print an error. FA and DFA are the same rule in a network of one hidden layer. In FC1 on MNIST they got rates one grid
step apart, and errors up to 0.12 points and 8 standard errors apart; on CIFAR-10 the same rate, and errors up to 0.24
points and 2 standard errors apart. So a grid step is worth about 0.1 points on MNIST, of the size of the 0.15 that a
comparison with table 1 has to allow. The rates are Adam's; they do not carry over to plain SGD or to batch 1.
"""

from __future__ import annotations

import math
from typing import Any

from edgelearn.reproduction import Check, Claim, at_most, holds
from edgelearn.reproduction.study import Study
from experiments.claims._drtp_tables import TABLE_1, TABLE_2, TABLE_3, TABLE_S1, TABLE_S2, TRIALS, rate

PRINTED = {"mnist": (TABLE_1, TABLE_S1), "cifar10": (TABLE_2, TABLE_S2)}
PRINTED_NUMBERS = (46, 287)  # counted in the paper


def grid_place(value: float) -> float:
    """Return the place of a rate on the grid ..., 1.5e-4, 5e-4, 1.5e-3, ...; whole numbers where it is on it."""
    exponent = math.floor(math.log10(value) + 1e-9)
    mantissa = round(value / 10**exponent, 6)
    return 2 * exponent + {1.5: 0, 5.0: 1}.get(mantissa, math.nan)


def measure(study: Study) -> dict[str, Any]:
    rates = [value for networks in TABLE_3.values() for rules in networks.values() for value in rules.values()]
    missing = []
    for data, tables in PRINTED.items():
        for table in tables:
            for (network, _), cells in table.items():
                for rule in cells:
                    try:
                        rate(data, network, rule)
                    except KeyError:
                        missing.append(f"{data} {network} {rule}")
    repeated = [big[cell]["drtp"] == small[cell]["drtp"] for big, small in PRINTED.values() for cell in small]
    same_rule = {}
    for data, (table, _) in PRINTED.items():
        fa, dfa = (TABLE_3[data]["FC1"][rule] for rule in ("fa", "dfa"))
        apart, points = [], []
        for (network, _), cells in table.items():
            if network.startswith("FC1"):
                error = math.hypot(cells["fa"][1], cells["dfa"][1]) / math.sqrt(TRIALS)
                points.append(abs(cells["fa"][0] - cells["dfa"][0]))
                apart.append(points[-1] / error)
        same_rule[data] = {
            "grid_steps": abs(grid_place(fa) - grid_place(dfa)),
            "points_apart": points,
            "standard_errors_apart": apart,
        }
    return {
        "rates": len(rates),
        "off_the_grid": sum(math.isnan(grid_place(value)) for value in rates),
        "missing": missing,
        "columns_that_differ": repeated.count(False),
        "cells": sum(len(cells) for tables in PRINTED.values() for table in tables for cells in table.values()),
        "fa_and_dfa_in_fc1": same_rule,
    }


def judge(measured: dict[str, Any]) -> list[Check]:
    same = measured["fa_and_dfa_in_fc1"]
    steps = max(found["grid_steps"] for found in same.values())
    points, kept = max(same["mnist"]["points_apart"]), (measured["rates"], measured["cells"])
    return [
        holds("an input: as many rates and errors are kept as the paper prints", kept == PRINTED_NUMBERS, str(kept)),
        at_most("rates that are not 1.5 or 5 times a power of ten", measured["off_the_grid"], 0),
        at_most("printed errors without a rate", len(measured["missing"]), 0),
        at_most("cells of DRTP in which S1, S2 differ from tables 1, 2", measured["columns_that_differ"], 0),
        at_most("grid steps between FA and DFA in FC1, where they are the same rule", steps, 1),
        at_most("points between their errors on MNIST, within what a comparison with table 1 allows", points, 0.15),
    ]


def draw(measured: dict[str, Any], figure: Any) -> None:
    for axes, (data, networks) in zip(figure.subplots(1, len(TABLE_3), sharey=True), TABLE_3.items(), strict=True):
        for network, rules in networks.items():
            axes.plot(list(rules), list(rules.values()), "o--", label=network)
        axes.set(yscale="log", title=data)
        axes.grid(axis="y", alpha=0.3)
    figure.axes[0].set_ylabel("Adam's learning rate")
    figure.axes[1].legend(fontsize="small")


CLAIM = Claim(
    id="drtp-table3",
    source="DRTP, Table 3",
    statement="The learning rates of tables 1, 2, S1 and S2 come from a grid: an input, not a result.",
    kind=("count",),
    cost="seconds",
    settings={},
    measure=measure,
    judge=judge,
    draw=draw,
)
