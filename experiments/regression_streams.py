"""Numbers on public streams under four rules, beside persistence and river's linear regression.

    python -m experiments.regression_streams

Prints the table of edgelearn/docs/anomaly.md, "Numbers on a stream". Needs the streams elec2, skab and
nab-machine-temperature, and the extra `streams`.
"""

from __future__ import annotations

from edgelearn.config import StreamConfig, validated
from edgelearn.runs.stream import run

STREAMS = (
    ("elec2", "nswdemand", "same"),
    ("elec2", "nswdemand", "next"),
    ("skab", "Current", "same"),
    ("skab", "Current", "next"),
    ("nab-machine-temperature", "value", "next"),
)
RULES = ("bp", "dfa", "drtp", "shallow")


def main() -> None:
    """Measure and print."""
    print("| stream, target | predictor | RMSE | MAE | R2 |\n|---|---|---|---|---|")
    for data, target, predict in STREAMS:
        title = f"{data}, {'next ' * (predict == 'next')}{target}"
        for rule in RULES:
            settings = {"task": "regression", "data": data, "target_columns": target, "predict": predict, "rule": rule}
            found = run(validated(StreamConfig, settings)).content["result"]["by_target"][0]
            if rule == RULES[0]:
                baselines = {name: found[name] for name in ("persistence", "linear regression")}
            show(title, rule, found["network"])
        for name, errors in baselines.items():
            show(title, name, errors)


def show(title: str, predictor: str, errors: dict[str, float]) -> None:
    print(f"| {title} | {predictor} | {errors['rmse']:.3g} | {errors['mae']:.3g} | {errors['r2']:.3f} |", flush=True)


if __name__ == "__main__":
    main()
