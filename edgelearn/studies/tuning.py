"""Tuning of learning rates by successive halving on a validation split.

A group is all cells that differ in nothing but the seed. Its candidates learn with a seed that no cell has: all of them
on a small share of the training samples, the best on a larger share, and the last ones on all of it. Small shares
favour large rates and the ends of a list, so that a winner at an end is followed further out, at the full share.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import count, product
from pathlib import Path
from typing import Any

from edgelearn.config import validated
from edgelearn.errors import UserError
from edgelearn.files import write_text
from edgelearn.rules.catalog import find_rules
from edgelearn.runs.registry import studied_kind
from edgelearn.studies.cell import DONE, Cell, Record, settings_of
from edgelearn.studies.plan import MOST_SEEDS, Plan, Tuning, check_design
from edgelearn.studies.table import TUNING

OFFSETS = (0, -2, 2, -4, 4)  # exponents around the rule's own rate, the nearest first
BEYOND = 2  # exponents further, where the best is the lowest or the highest tried
MOST_BEYOND = 5  # times
RunTrials = Callable[[str, list[Cell]], dict[str, Record]]
Rates = dict[str, int]


@dataclass
class _Group:
    """Cells that differ in the seed alone, while their rates are tuned.

    Parameters
    ----------
    settings : of all of them
    tried : every candidate
    left : candidates still in the race, the best first
    best : accuracy of the first of them, at the last rung
    rungs : budgets and scores, as tuning.json has them
    """

    settings: dict[str, Any]
    tried: list[Rates]
    left: list[Rates]
    best: float | None = None
    rungs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def winner(self) -> Rates:
        return self.left[0] if self.left else {}


def tune(plan: Plan, folder: Path, run_trials: RunTrials) -> list[Cell]:
    """Choose the rates of every group, write how, and return the cells with them.

    Parameters
    ----------
    folder : gets tuning.json
    run_trials : runs cells, named by a stage, and returns their records by id

    Raises
    ------
    UserError
        What the data of a group says that cannot be opened
    """
    tuning = plan.tuning or Tuning()
    groups: dict[str, _Group] = {}
    for settings in plan.settings_of_cells():
        if _key(settings) not in groups:
            rates = candidates(plan.kind, settings, tuning.rates)
            groups[_key(settings)] = _Group(_without_seed(settings), list(rates), rates)
    for rung in range(tuning.rungs):
        share = tuning.fraction ** (tuning.rungs - 1 - rung)
        racing = [(group, group.left) for group in groups.values()]
        scores = _raced(plan, racing, share, f"tuning, rung {rung + 1} of {tuning.rungs}", run_trials)
        for group, found in zip(groups.values(), scores, strict=True):
            n_kept = max(1, round(tuning.fraction * len(found))) if rung + 1 < tuning.rungs else 1
            group.left = [rates for rates, _ in found[:n_kept]]
            group.best = found[0][1] if found else None
    for number in range(MOST_BEYOND):
        racing = [(group, beyond(plan.kind, group, tuning)) for group in groups.values() if group.left]
        racing = [(group, rates) for group, rates in racing if rates]
        if not racing:
            break
        for (group, rates), found in zip(
            racing, _raced(plan, racing, 1.0, f"tuning, beyond the edge {number + 1}", run_trials), strict=True
        ):
            group.tried += rates
            if found and (group.best is None or (found[0][1] or 0.0) > group.best):
                group.left, group.best = [found[0][0]], found[0][1]
    content = {
        "validation": tuning.validation,
        "fraction": tuning.fraction,
        "seed": tuning_seed(plan),
        "groups": [
            {
                "settings": {name: group.settings.get(name) for name in plan.varied},
                "candidates": group.tried,
                "rungs": group.rungs,
                "winner": group.winner,
                "at_edge": at_edge(group.winner, group.tried),
            }
            for group in groups.values()
        ],
    }
    write_text(folder / TUNING, json.dumps(content, indent=1) + "\n")
    cells = [Cell.of(plan.kind, one | groups[_key(one)].winner) for one in plan.settings_of_cells()]
    return list({cell.id: cell for cell in cells}.values())


def tuning_seed(plan: Plan) -> int:
    """Return the seed that candidates learn with: none of those that cells are reported with."""
    reported = {settings["seed"] for settings in plan.settings_of_cells()}
    return next(seed for seed in count(MOST_SEEDS) if seed not in reported)


def _raced(
    plan: Plan, racing: list[tuple[_Group, list[Rates]]], share: float, stage: str, run_trials: RunTrials
) -> list[list[tuple[Rates, float | None]]]:
    """Run candidates of groups on a share of the samples; return them with their accuracies, the best first.

    Of equal candidates the one given first stays first; one that failed is left out.
    """
    tuning, seed = plan.tuning or Tuning(), {"seed": tuning_seed(plan)}
    budgets = [budget(plan.kind, group.settings, tuning, share) for group, _ in racing]
    trials = [
        [Cell.of(plan.kind, group.settings | rates | spent | seed) for rates in candidates]
        for (group, candidates), spent in zip(racing, budgets, strict=True)
    ]
    records = run_trials(stage, [trial for each in trials for trial in each])
    results = []
    for (group, candidates), spent, each in zip(racing, budgets, trials, strict=True):
        scores = [_score(records[trial.id]) for trial in each]
        scored = list(zip(candidates, scores, strict=True))
        group.rungs.append(spent | {"scores": [rates | {"accuracy_percent": score} for rates, score in scored]})
        results.append(sorted((one for one in scored if one[1] is not None), key=lambda one: -float(one[1] or 0.0)))
    return results


def beyond(kind: str, group: _Group, tuning: Tuning) -> list[Rates]:
    """Return untried candidates further out than the best one, where it is at an edge that nobody set."""
    found = []
    for name in at_edge(group.winner, group.tried):
        value = group.winner[name]
        lowest = value == min(rates[name] for rates in group.tried)
        rates = group.winner | {name: value - BEYOND if lowest else value + BEYOND}
        if name not in tuning.rates and rates not in group.tried and _can_be(kind, group.settings, rates):
            found.append(rates)
    return found


def candidates(kind: str, settings: Mapping[str, Any], given: Mapping[str, tuple[int, ...]]) -> list[Rates]:
    """Return the rates to try, those nearest to the rule's own first; only those that a network can have.

    A hidden rate is tried only where hidden layers learn, and none where no network can be: its cells fail as they are.

    Raises
    ------
    UserError
        "no network can have ..." where lists are given and nothing of them can be
    """
    one, studied = studied_kind(kind)
    config = validated(one.settings, dict(settings))
    try:
        own = own_rates(config)
    except UserError:
        return [{}]
    lists = {
        name: given.get(name, tuple(own[name] + offset for offset in OFFSETS)) for name in studied.rates if name in own
    }

    def distance(rates: Rates) -> tuple[int, tuple[int, ...]]:
        away = tuple(abs(value - own[name]) for name, value in rates.items())
        return sum(away), away

    found = []
    for values in product(*lists.values()):
        rates = dict(zip(lists, values, strict=True))
        if _can_be(kind, settings, rates):
            found.append(rates)
    if not found and any(name in given for name in lists):
        tried = ", ".join(f"{name} = {list(values)}" for name, values in lists.items() if name in given)
        raise UserError(f"no network can have {tried} of tuning; give others, or none for those around the rule's own")
    return sorted(found, key=distance) or [{}]


def _can_be(kind: str, settings: Mapping[str, Any], rates: Rates) -> bool:
    """Return whether a network can have these rates."""
    try:
        check_design(kind, dict(settings) | rates)
    except UserError:
        return False
    return True


def own_rates(config: Any) -> Rates:
    """Return the rates that a configuration has where none are given; no hidden rate where no hidden layer learns."""
    studied = studied_kind(config.kind)[1]
    rates, learns_hidden = studied.layer_rates(config), any(rule.learns_hidden for rule in find_rules(config.rule))
    has_hidden = len(rates) > 1 and learns_hidden and getattr(config, "hidden", "") != "0"
    own = dict(zip(studied.rates, (rates[0], rates[-1]), strict=True))
    return own if has_hidden else {studied.rates[1]: rates[-1]}


def budget(kind: str, settings: Mapping[str, Any], tuning: Tuning, share: float) -> dict[str, Any]:
    """Return the settings that let a trial learn a share of what a cell learns, away from the samples of the test.

    Without a test, as on a stream, the first samples tune, and are learned anew by the cells.
    """
    fields = settings_of(kind).model_fields
    validation = {"validation_fraction": tuning.validation} if "validation_fraction" in fields else {}
    n = _samples_of(kind, json.dumps(dict(settings) | validation, sort_keys=True))
    if not validation:
        return {"limit": max(1, math.ceil(share * tuning.validation * n))}
    whole = share * settings.get("epochs", fields["epochs"].default)
    if whole >= 1 or share == 1:
        return validation | {"epochs": round(whole)}
    return validation | {"epochs": 1, "limit": max(1, math.ceil(whole * n))}


@cache
def _samples_of(kind: str, settings: str) -> int:
    """Count the samples that a configuration trains on."""
    one, studied = studied_kind(kind)
    return studied.count_samples(validated(one.settings, json.loads(settings)))


def at_edge(winner: Rates, tried: list[Rates]) -> list[str]:
    """Name the rates of a winner that are the lowest or the highest tried: better ones may lie beyond."""
    edges = []
    for name, value in winner.items():
        values = {rates[name] for rates in tried}
        if len(values) > 1 and value in (min(values), max(values)):
            edges.append(name)
    return edges


def _score(record: Record) -> float | None:
    return record["accuracy_percent"] if record["status"] == DONE else None


def _without_seed(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != "seed"}


def _key(settings: Mapping[str, Any]) -> str:
    return json.dumps(_without_seed(settings), sort_keys=True)
