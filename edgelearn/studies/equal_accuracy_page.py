"""Comparison at equal accuracy as a table and as sentences, from the content of equal_accuracy.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edgelearn.studies.analysis import ACCURACY, Interval
from edgelearn.studies.formatting import Number, scale_for, shown
from edgelearn.studies.page_tables import Column, Row, Table, of_interval

_ENERGY = "energy_pj"


def equal_accuracy_table(content: Mapping[str, Any]) -> Table:
    """Lay out rates, final accuracy, energy per sample, and samples and energy until the accuracy, by rule."""
    rules = content["rules"]

    def scaled(key: str, column: str, title: str) -> Column:
        scale, unit = scale_for(column, [one[key]["mean"] for one in rules if one[key] is not None])
        return Column(key, title, unit, scale)

    per_sample = scaled("energy_per_sample_pj", _ENERGY, "energy per sample")
    until = scaled("energy_pj", _ENERGY, "energy until then")
    against = any(one["energy_over_baseline"] is not None for one in rules)  # bp is among the rules, and compared
    columns = (
        Column("rule", "rule", numeric=False),
        Column("rates", "rates", numeric=False),
        Column("final_accuracy_percent", "final accuracy", "%"),
        per_sample,
        Column("seeds_that_reach", f"reach {content['accuracy_percent']:.2f} %", numeric=False),
        Column("samples", "samples until then"),
        until,
        Column("energy_band_pj", "band", until.unit, until.scale, numeric=False),
        *([Column("energy_over_baseline", "over bp")] if against else []),
    )
    rows = [Row(tuple(_cells(one, per_sample, until))[: len(columns)]) for one in rules]
    return Table("equal", columns, tuple(rows))


def _cells(one: Mapping[str, Any], per_sample: Column, until: Column) -> Iterable[Number | str | None]:
    yield one["rule"]
    yield ", ".join(f"2^{rate}{'*' if name in one['at_edge'] else ''}" for name, rate in one["rates"].items()) or None
    yield of_interval(ACCURACY, _interval(one["final_accuracy_percent"]), 1.0)
    yield of_interval(_ENERGY, _interval(one["energy_per_sample_pj"]), per_sample.scale)
    yield f"{one['seeds_that_reach']} of {one['seeds']} seeds"
    samples = _interval(one["samples"])
    yield (
        None if samples is None else Number(samples.mean, f"{samples.mean:,.0f}", samples.low, samples.high, samples.n)
    )
    yield of_interval(_ENERGY, _interval(one["energy_pj"]), until.scale)
    band = one["energy_band_pj"]
    yield None if band is None else " - ".join(shown(_ENERGY, band[end], until.scale) for end in ("low", "high"))
    ratio = _interval(one["energy_over_baseline"])
    yield None if ratio is None else Number(ratio.mean, f"{ratio.mean:.2f}", ratio.low, ratio.high, ratio.n)


def _interval(given: Mapping[str, Any] | None) -> Interval | None:
    return None if given is None else Interval(given["mean"], given["low"], given["high"], given["n"])


def equal_accuracy_said(content: Mapping[str, Any]) -> Iterable[tuple[Number | str, ...]]:
    """Say the accuracy that rules are compared at, the cheapest rule, and the rules that never reach it."""
    rules, target = content["rules"], content["accuracy_percent"]
    at = Number(target, shown(ACCURACY, target), about="accuracy compared at")
    apart = content["samples_between_tests"]
    whole = [one for one in rules if one["seeds_that_reach"] == one["seeds"]]
    yield (
        "Compared at ", at, f" % on the test samples ({content['accuracy_is']}), tested every ",
        Number(apart, f"{apart:,}", about="samples between tests"),
        " samples; ± is half a 95 % interval over seeds.",
    )  # fmt: skip
    if whole:
        least = min(whole, key=lambda one: one["energy_pj"]["mean"])
        scale, unit = scale_for(_ENERGY, [least["energy_pj"]["mean"]])
        energy = of_interval(_ENERGY, _interval(least["energy_pj"]), scale, "least energy")
        assert energy is not None, "every seed reaches the accuracy"
        yield (f"Least energy until then: {least['rule']}, ", energy, f" {unit}.")
    never = [one for one in rules if not one["seeds_that_reach"]]
    if never:
        said: list[Number | str] = ["Never reached by "]
        for k, one in enumerate(never):
            best = one["best_accuracy_percent"]["mean"]
            said += [", " * (k > 0), f"{one['rule']} (best ", Number(best, shown(ACCURACY, best)), " %)"]
        yield (*said, ".")
    some = [one for one in rules if 0 < one["seeds_that_reach"] < one["seeds"]]
    if some:
        names = ", ".join(f"{one['rule']} ({one['seeds_that_reach']} of {one['seeds']})" for one in some)
        yield (f"Reached by some seeds only, so that their means are of the faster ones: {names}.",)
    edges = [f"{one['rule']} ({', '.join(one['at_edge']).replace('_', ' ')})" for one in rules if one["at_edge"]]
    if edges:
        yield (f"* at the edge of the rates that were tried, a better one may lie beyond: {', '.join(edges)}.",)
