"""Results of runs without classes, as text."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from edgelearn.reports.console import print_table, say, sparkline
from edgelearn.units import six_digits


def print_errors(console: Console, content: dict[str, Any], speed: float | None) -> None:
    """Print errors of the test part of a run, per target, and the course of the error while learning.

    Parameters
    ----------
    content : of report.json
    speed : samples per second, None where it is not to be told
    """
    result, data, config = content["result"], content["data"], content["config"]
    learned = f"{config['epochs']} epochs of {data['train_samples']:,} samples"
    learned = learned if config["epochs"] > 1 else f"{result['samples_learned']:,} samples learned"
    learned += f", {speed:,.0f} samples/s" if speed else ""
    if not result["by_epoch"]:
        say(console, f"no test samples; {learned}")
    else:
        last = result["by_epoch"][-1]
        say(console, f"{content['task']}, {data['test_samples']:,} test samples; {learned}")
        names = data["targets"] or ["inputs"]
        rows = [
            {"target": name, "RMSE": _text(rmse), "mean absolute error": _text(mae), "R2": _text(r2)}
            for name, rmse, mae, r2 in zip(names, last["rmse"], last["mae"], last["r2"], strict=True)
        ]
        print_table(console, rows)
    curve = result["online_rmse"]
    if curve:
        say(console, f"RMSE while learning (of 1.0)  {sparkline(curve)}  {curve[0]:.3f} -> {curve[-1]:.3f}")
    console.print()


def _text(value: float | None) -> str:
    return "-" if value is None else f"{six_digits(value):.4g}"
