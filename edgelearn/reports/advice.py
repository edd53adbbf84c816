"""Advice on a configuration, as text."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from edgelearn.reports.console import print_table, say
from edgelearn.units import with_unit

SHOWN = 3  # runners-up in the default report


def show(content: dict[str, Any], console: Console, details: bool = False) -> None:
    """Print the best configuration, the runners-up and what each limit excludes.

    Parameters
    ----------
    content : of `edgelearn.advice.advise.advise`
    details : print all runners-up
    """
    best, data = content["best"], content["data"]
    searched = f"; {content['runs']:,} runs" if data else ""
    on = f"{data} on " if data else ""
    fitting = f"{content['fitting']:,} of {content['candidates']:,} configurations fit{searched}"
    say(console, f"advice for {on}{content['processor']}: {fitting}")
    feedback = f", {best['feedback']} feedback" if best["feedback"] else ""
    weights = f"{best['stored_bits']} stored bits ({best['bits']} view + {best['residual_bits']} residual)"
    say(console, f"best: {best['rule']}, {best['net']}, {weights}, {best['rounding']} rounding{feedback}")
    if data:
        test = best["test_accuracy_percent"]
        tested = "" if test is None else f"; {test:.2f} % on test samples"
        measured = f"{best['accuracy_percent']:.2f} % {content['measure']}, mean of {content['seeds']} seeds"
        say(console, f"  accuracy {measured}{tested}")
    console.print()
    others = content["runners_up"] if details else content["runners_up"][:SHOWN]
    print_table(console, [_row(one, place) for place, one in enumerate([best, *others], 1)])
    if content["excluded"]:
        console.print()
        print_table(console, [_limit(one) for one in content["excluded"]])
    say(console, *(f"note: {note}" for note in content["notes"]))
    if best["command"]:
        console.print(f"run it: {best['command']} --out RUN", soft_wrap=True)


def _row(one: dict[str, Any], place: int) -> dict[str, Any]:
    accuracy = one["accuracy_percent"]
    return {
        "": place,
        "rule": one["rule"],
        "net": one["net"],
        "stored bits": one["stored_bits"],
        "feedback": one["feedback"] or "-",
        "accuracy": None if accuracy is None else f"{accuracy:.2f} %",
        "RAM": one["ram"],
        "flash": one["flash"],
        "energy": with_unit(one["energy_pj"], "pJ"),
        "time": with_unit(one["latency_us"], "us"),
    }


def _limit(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "limit": one["limit"],
        "excludes": one["excludes"],
        "alone": one["alone"],
        "widest of the best": one["widest"],
        "without this limit": one["widest_without"],
    }
