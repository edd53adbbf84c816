"""Advice against an exhaustive sweep: 20 random budgets on the digits, watch windows and gas-drift.

    python -m experiments.advise_check     writes experiments/results/advise_check.json; about 8 minutes of one core

The sweep runs every candidate of `edgelearn.advice.space` on all data, with learning rates tuned for every rule,
feedback and width of the weights; the best that fit a budget are tuned again and chosen by the seeds that choose among
finalists of `edgelearn advise`. What both chose is then compared over 16 seeds that have chosen nothing: on held-out
samples of the digits, before learning each row of the streams. Data: `--data digits`, the first 2,000 rows of
`--data gas-drift`, and the first 20,000 samples of `--data watch` in windows of 50 with statistics (stride 25).
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from statistics import mean
from typing import Any

from edgelearn.advice.advise import PROCESSOR, advise, kind_of, named
from edgelearn.advice.limits import Limits
from edgelearn.advice.search import SEEDS, Search
from edgelearn.advice.space import Candidate, candidates, default_rules
from edgelearn.advice.trials import Data, Rates, Trial
from edgelearn.errors import UserError

RESULT = Path(__file__).parent / "results" / "advise_check.json"
WATCH = {"data": "watch", "limit": 20_000, "window": 50, "stride": 25, "window_features": "statistics"}
DATA: dict[str, tuple[dict[str, Any], int]] = {  # settings, and budgets on them
    "digits": ({"data": "digits"}, 7),
    "gas-drift": ({"data": "gas-drift", "limit": 2000}, 7),
    "watch": (WATCH, 6),
}
TUNED_WIDTH = 32  # at which the rates of the sweep are tuned
POLISHED = 8  # candidates of a budget that are tuned again
JUDGES = range(41, 57)  # seeds that compare the two choices
BAR = 0.5  # points
Swept = list[tuple[Candidate, Rates, Trial]]


def budgets(name: str, n: int) -> list[dict[str, str]]:
    """Return random budgets of a board for one data set, the same every time."""
    draw = random.Random(f"advise {name}")
    return [
        {
            "ram": f"{round(1024 * 2 ** draw.uniform(0.5, 4.6))}",
            "flash": f"{round(1024 * 2 ** draw.uniform(2.8, 5.6))}",
            "energy": f"{2 * 2 ** draw.uniform(0.5, 5):.1f} uJ",
            "rate": f"{draw.choice((1, 10, 50, 200, 1000))} Hz",
        }
        for _ in range(n)
    ]


def sweep(data: Data) -> Swept:
    """Run every candidate on all data, with rates tuned by family and width of the weights."""
    search = Search(data, Limits(), [], lambda done, total: None)
    space = candidates(default_rules(False), False)
    found: Swept = []
    for one in space:
        if one.width != TUNED_WIDTH:
            continue
        _, rates = search.climb(one, data.own_rates(one), 2)
        alike = [other for other in space if (other.family, other.stored_bits) == (one.family, one.stored_bits)]
        found += [(other, rates, data.try_out(other, rates)) for other in alike]
    return found


def best_of_sweep(data: Data, swept: Swept, limits: Limits) -> tuple[float, Candidate, Rates] | None:
    """Return the best of a sweep within limits: the first ones are tuned again and judged over seeds."""

    def fits(trial: Trial) -> bool:
        return all(ratio <= 1 for ratio in limits.ratios(trial.needs).values())

    search = Search(data, limits, [], lambda done, total: None)
    ranked = sorted((one for one in swept if fits(one[2])), key=lambda one: -one[2].accuracy)
    judged = []
    for candidate, rates, _ in ranked[:POLISHED]:
        _, own = search.climb(candidate, rates, 1)
        trials = [data.try_out(candidate, own, 1.0, seed) for seed in SEEDS]
        if all(map(fits, trials)):
            judged.append((mean(trial.accuracy for trial in trials), candidate, own))
    return max(judged, key=lambda one: one[0], default=None)


def _chosen(advice: dict[str, Any]) -> tuple[Candidate, Rates]:
    """Return the candidate and the rates of a row of advice."""
    width = int(advice["net"].split("-")[1])
    rates = tuple(advice[name] for name in ("hidden_rate", "output_rate") if name in advice)
    return Candidate(advice["rule"], advice["feedback"], advice["stored_bits"], width), rates


def _judged(data: Data, candidate: Candidate, rates: Rates) -> float:
    """Return the accuracy of a choice over seeds that have chosen nothing, in percent."""
    return round(mean(data.try_out(candidate, rates, 1.0, seed).accuracy for seed in JUDGES), 4)


def check(name: str, settings: dict[str, Any], n: int) -> list[dict[str, Any]]:
    """Compare advice with the best of the sweep on one data set."""
    rows: list[dict[str, Any]] = []
    started = time.process_time()
    kind = kind_of(settings["data"])
    given = budgets(name, n)
    advise(settings, Limits.of(**given[0]), kind=kind)  # alone, as a user runs it
    alone = time.process_time() - started
    data = Data(kind, settings, PROCESSOR)
    swept = sweep(data)
    for number, budget in enumerate(given):
        limits = Limits.of(**budget)
        best = best_of_sweep(data, swept, limits)
        row: dict[str, Any] = {"data": name} | budget
        row |= {"best": None} if best is None else {"best": named(best[1])}
        try:
            advice = advise(settings, limits, kind=kind, data=data)["best"]
        except UserError as error:
            row |= {"advice": None, "refusal": str(error)}
        else:
            row |= {name: advice[name] for name in ("rule", "net", "stored_bits", "feedback", "test_accuracy_percent")}
            chosen, rates = _chosen(advice)
            row |= {"advice_percent": _judged(data, chosen, rates)}
            if best is not None:
                row["best_percent"] = _judged(data, best[1], best[2])
                row["behind"] = round(row["best_percent"] - row["advice_percent"], 4)
        row |= {"seconds": round(alone, 1)} if number == 0 else {}
        print(json.dumps(row), flush=True)
        rows.append(row)
    return rows


def main() -> None:
    started = time.process_time()
    rows: list[dict[str, Any]] = []
    for name, (settings, n) in DATA.items():
        rows += check(name, settings, n)
        behind = [row["behind"] for row in rows if "behind" in row]
        content = {
            "budgets": len(rows),
            "within": sum(one <= BAR for one in behind),
            "judged": len(behind),
            "nothing_fits": sum("refusal" in row for row in rows),
            "most_behind": max(behind),
            "mean_behind": round(mean(behind), 4),
            "rows": rows,
        }
        RESULT.write_text(json.dumps(content, indent=1) + "\n")
    seconds = time.process_time() - started
    print(f"{content['within']} of {len(behind)} within {BAR} points; {seconds:.0f} s of one core")


def table(content: dict[str, Any]) -> list[str]:
    """Return a row per data set as Markdown."""
    lines = ["| data | budgets | nothing fits | within 0.5 points | mean, points | worst, points | CPU seconds |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name in DATA:
        rows = [row for row in content["rows"] if row["data"] == name]
        behind = [row["behind"] for row in rows if "behind" in row]
        if not behind:
            continue
        refused = sum("refusal" in row for row in rows)
        within = f"{sum(one <= BAR for one in behind)} of {len(behind)}"
        figures = f"{mean(behind):+.2f} | {max(behind):+.2f} | {rows[0]['seconds']:.0f}"
        lines.append(f"| {name} | {len(rows)} | {refused} | {within} | {figures} |")
    return lines


if __name__ == "__main__":
    main()
