"""Costs as text and as rows of a CSV file, from the plain data of `as_dict` of the cost model."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from rich.console import Console

from edgelearn.reports.console import print_table, say
from edgelearn.reports.structures import over_structures, range_text, ranges_of, turned_pairs
from edgelearn.reports.windows import convolution_lines
from edgelearn.units import in_one_unit, net_text, scale_for, three, with_unit

# figure -> (title, unit of the program)
FIGURES = {
    "energy_pj": ("energy", "pJ"),
    "latency_us": ("time", "us"),
    "power_uw": ("power at the fixed clock", "uW"),
    "area_um2": ("area", "um2"),
    "memory_bits": ("memory", "bits"),
    "cycles": ("cycles", "cycles"),
}
OVERHEAD_OF = {"latency_us": "cycles"}  # figure -> overhead, where it is not the title's first word
DENSITIES = ("inputs", "hidden", "hidden_updates", "errors")
MOST_ROLES = 4  # by default
# columns of rules side by side; the last ones are left out where there is no room
_FIRST = ("per sample", "energy", "cycles", "overhead", "over structures", "time", "area", "memory", "power")
ALIKE = 0.02  # share by which inferences may differ that a table has in one row, as their mean


def print_costs(console: Console, content: dict[str, Any], details: bool = False) -> None:
    """Print the costs of one or more rules on one processor; `details` adds sources, overheads and roles."""
    rules = content["rules"]
    description = content["description"] if details else content["description"].split(";")[0]
    say(console, f"cost on {content['processor']}: {description}")
    assumed = content.get("activity", {})
    lines = [*(content["tables"] if details else ()), *_networks(rules, details), *filter(None, [assumed.get("text")])]
    lines += _runs(content.get("runs", ()))
    notes = (f"note: {note}" for note in (*content["notes"], *assumed.get("notes", ())))
    say(console, *(f"  {line}" for line in (*lines, *notes)), "")
    if len(rules) == 1:
        print_sample_cost(console, content, details)
        if "structures" in content:
            say(console, over_structures(content["structures"]))
        say(console, *convolution_lines(rules))
        return
    rows = _side_by_side(rules)
    if "structures" in content:
        ranges = ranges_of(content["structures"])
        rows = [row | {"over structures": ranges.get(row["per sample"], "-")} for row in rows]
    order = [title for start in _FIRST for title in rows[0] if title.startswith(start)]
    rows = [{title: row[title] for title in order} for row in rows]
    print_table(console, rows, leave_out=not details)
    for figure in ("energy_pj", "cycles"):
        if figure in rules[0]["training"]:
            say(console, _order(figure, rules))
            break
    if content.get("verdict") and "ranking" not in content:
        say(console, verdict_text(content["verdict"], content.get("structures")))
    if "against" in content:
        print_relative(console, content["against"])
    say(console, *convolution_lines(rules))
    if not details:
        return
    console.print()
    print_table(console, _overhead_rows(rules))
    say(
        console,
        "update: energy beyond an inference; overheads: over inference only, power while running at the fixed clock; "
        "layer 1 may update: after the start of a sample; buffers: held by locking, inputs of the layer included",
    )
    for figure in ("energy_pj", "cycles", "area_um2" if "area_um2" in rules[0]["training"] else "memory_bits"):
        if figure in rules[0]["training"]:
            console.print()
            _print_roles(console, figure, rules)


def print_sample_cost(console: Console, content: dict[str, Any], details: bool = False) -> None:
    """Print what a sample costs with one rule: inference, learning, overhead, band; `details` adds roles and layers."""
    (rule,) = content["rules"]
    training, inference, overhead = rule["training"], rule["inference"], rule["overhead_percent"]
    rows = []
    for figure, (title, unit) in FIGURES.items():
        if figure in training and (figure != "cycles" or details or "energy_pj" not in training):
            of = overhead[OVERHEAD_OF.get(figure, title.split()[0])]
            over = _overhead(of, with_range=details)
            rows.append(
                _sample_row(content["processor"], title, unit, inference.get(figure), training[figure])
                | {"overhead": over}
            )
    print_table(console, _with_bands(rows))
    if not details:
        return
    for figure in ("energy_pj", "cycles", "area_um2"):
        if figure in training:
            title, unit = FIGURES[figure]
            say(console, f"{title} by role: {_by_role(training[figure]['by_role'], unit)}")
    starts = in_one_unit([layer["may_update_after_cycles"] for layer in rule["layers"]], "cycles")
    for layer, start in zip(rule["layers"], starts, strict=True):
        if layer["may_update_after_cycles"] is not None:
            depth = layer["pipeline_depth"]
            say(
                console,
                f"layer {layer['layer']} may update after {start}, "
                f"{layer['waiting_bits']:,} bits buffered; in a pipeline {depth} sample{'s' if depth > 1 else ''} "
                f"({layer['pipeline_bits']:,} bits)",
            )


def _by_role(roles: Mapping[str, float], unit: str) -> str:
    """Write a figure by role in one unit, the largest first."""
    ordered = sorted(roles.items(), key=lambda part: -part[1])
    texts = in_one_unit([value for _, value in ordered], unit)
    return ", ".join(f"{role} {text}" for (role, _), text in zip(ordered, texts, strict=True))


def energy_by_role(content: dict[str, Any]) -> str:
    """Say which roles take the energy of learning, or its cycles where no energy is known."""
    training = content["rules"][0]["training"]
    figure = "energy_pj" if "energy_pj" in training else "cycles"
    roles = sorted(training[figure]["by_role"].items(), key=lambda part: -part[1])[:MOST_ROLES]
    total = training[figure]["nominal"] or 1
    shares = ", ".join(f"{role} {100 * value / total:.0f} %" for role, value in roles)
    return f"{FIGURES[figure][0]} of learning: {shares}"


def print_spiking_cost(console: Console, content: dict[str, Any], details: bool = False) -> None:
    """Print what a sample of a spiking network costs: energy with its band, time, memory, synaptic operations."""
    tested, learned = content["inference"], content["training"]
    if details:
        say(console, f"cost on {content['processor']}: {content['description']}")
        say(console, *(f"  {line}" for line in content["tables"]))
        for title, priced in (("learned", learned), ("tested", tested)):
            if priced is not None:
                say(console, f"  energy per {title} sample: {_by_role(priced['energy_pj_by_role'], 'pJ')}")
        console.print()
    rows = []
    for figure, title, unit in (
        ("energy_pj", "energy", "pJ"),
        ("energy_pj_per_synaptic_operation", "energy per synaptic operation", "pJ"),
        ("latency_us", "time on one core", "us"),
        ("memory_bits", "memory", "bits"),
        ("synaptic_operations", "synaptic operations", ""),
    ):
        values = [None if part is None else part[figure] for part in (tested, learned)]
        values = [sum(value.values()) if figure == "memory_bits" and value else value for value in values]
        rows.append(_sample_row(content["processor"], title, unit, *values))
    if learned is None:
        rows = [{title: cell for title, cell in row.items() if title != "learning"} for row in rows]
    print_table(console, _with_bands(rows))


def _nominal(value: Any) -> float | None:
    nominal: float | None = value["nominal"] if isinstance(value, dict) else value
    return nominal


def _sample_row(processor: str, title: str, unit: str, inference: Any, training: Any) -> dict[str, Any]:
    """Return a figure of inference and learning in one unit, and the band of learning, or of inference alone."""
    size, name = scale_for(unit, [_nominal(training) or _nominal(inference)])
    row: dict[str, Any] = {f"per sample on {processor}": title}
    for column, value in (("inference", inference), ("learning", training)):
        nominal = _nominal(value)
        if nominal is None:
            row[column] = "-"
        else:
            row[column] = f"{three(nominal / size)} {name}" if unit else f"{nominal:,.0f}"
    return row | {"band": _band(inference if training is None else training, size, name)}


def _with_bands(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put the band last; leave it out where no figure has one."""
    bands = [row.pop("band") for row in rows]
    title = "band of learning" if "learning" in rows[0] else "band"
    return [row | {title: band} for row, band in zip(rows, bands, strict=True)] if any(bands) else rows


def _band(value: Any, size: float, unit: str) -> str:
    if not isinstance(value, dict) or value["low"] == value["high"]:
        return ""
    return f"{three(value['low'] / size)} - {three(value['high'] / size)} {unit}"


def _overhead(band: dict[str, float] | None, with_range: bool = False) -> str:
    if band is None:
        return "-"
    text = f"{band['nominal']:+.3g} %"
    with_range = with_range and band["low"] != band["high"]
    return f"{text} ({band['low']:+.3g} to {band['high']:+.3g})" if with_range else text


def _side_by_side(rules: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Return a row per rule, after those of inference alone: runs differ in network and activity, rules do not."""
    parts: dict[str, list[dict[str, Any]]] = {}
    for rule in rules:
        like = next((name for name, figures in parts.items() if _close(figures[0], rule["inference"])), None)
        parts.setdefault(rule["name"] if like is None else like, []).append(rule["inference"])
    alone = ["inference"] if len(parts) == 1 else [f"inference, {name}" for name in parts]
    learned = ((rule["name"], [rule["training"]]) for rule in rules)
    named = [*zip(alone, parts.values(), strict=True), *learned]
    overheads = [None] * len(alone) + [rule["overhead_percent"] for rule in rules]
    rows: list[dict[str, str]] = [{"per sample": name} for name, _ in named]
    for figure in ("energy_pj", "cycles", "latency_us", "power_uw", "area_um2", "memory_bits"):
        if figure not in rules[0]["training"] or (figure == "cycles" and "energy_pj" in rules[0]["training"]):
            continue
        title, unit = FIGURES[figure]
        values = [[_nominal(one[figure]) or 0.0 for one in figures] for _, figures in named]
        size, shown = scale_for(unit, [value for together in values for value in together])
        for row, together, over in zip(rows, values, overheads, strict=True):
            row[f"{title.split()[0]}, {shown}"] = three(sum(together) / len(together) / size)
            if figure in ("energy_pj", "cycles"):
                row["overhead"] = _overhead(over and over[title])
    return rows


def _close(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether inferences differ by little: of one network, whose activity a rule changes by a few percent."""
    sizes = [figures.get("area_um2", figures["memory_bits"])["nominal"] for figures in (one, other)]
    cycles = [figures["cycles"]["nominal"] for figures in (one, other)]
    return bool(sizes[0] == sizes[1] and abs(cycles[0] - cycles[1]) <= ALIKE * cycles[0])


def _order(figure: str, rules: Sequence[dict[str, Any]]) -> str:
    """Say the order of the rules."""
    ranked = sorted(rules, key=lambda rule: rule["training"][figure]["nominal"])
    text = ranked[0]["name"]
    for before, rule in pairwise(ranked):
        values = [one["training"][figure]["nominal"] for one in (before, rule)]
        text += f" {'=' if values[0] == values[1] else '<'} {rule['name']}"
    return f"{FIGURES[figure][0]}: {text}"


def _overhead_rows(rules: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Return overheads, update energy and locking by rule, one unit per column."""
    rows = [
        {"overhead": rule["name"]} | {name: _overhead(band) for name, band in rule["overhead_percent"].items()}
        for rule in rules
    ]
    columns = {
        "update": ("pJ", [rule["update_energy_pj"] for rule in rules]),
        "layer 1 may update": ("cycles", [rule["layers"][0]["may_update_after_cycles"] for rule in rules]),
        "buffers": ("bits", [sum(layer["waiting_bits"] for layer in rule["layers"]) for rule in rules]),
    }
    for title, (unit, values) in columns.items():
        if title == "update" and None in values:
            continue
        for row, text, value in zip(rows, in_one_unit(values, unit), values, strict=True):
            row[title] = "none" if title == "buffers" and not value else text
    return rows


def _networks(rules: Sequence[dict[str, Any]], details: bool) -> list[str]:
    """Say which networks and how much activity were priced; rules of different runs differ in both."""
    lines: dict[str, list[dict[str, Any]]] = {}
    for rule in rules:
        net = rule["network"]
        sizes = net_text(net)
        what = f"{sizes}, {net['word']}"
        what += f", rounding {net['rounding']}, {net['input_bits']}-bit inputs" if details else ""
        lines.setdefault(what, []).append(rule)
    texts = []
    for what, priced in lines.items():
        names = "" if len(lines) == 1 else f"{', '.join(rule['name'] for rule in priced)}: "
        learning = [rule for rule in priced if rule["learns_hidden"]]
        parts = []
        for density in DENSITIES:
            of = learning if density == "hidden_updates" else priced
            of = [rule for rule in of if "hidden" not in density or len(rule["network"]["sizes"]) > 2]
            if of:
                parts.append(
                    f"{density.replace('_', ' ')} {_range([rule['activity'][density] for rule in of], details)}"
                )
        texts.append(f"{names}{what}; active: {', '.join(parts)}")
    return texts


def _runs(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Say by which rule each run learned, which of its words, and what stands in front of its network."""
    fronts: dict[str, list[str]] = {}
    for run in runs:
        *hidden, last = run["learns"]
        by = f"rule {run['rule']}, " if set(hidden) - {"none"} else ""
        learned = "all layers learn" if by else "the output layer learns"
        if {*hidden, last} != {"all"} and (by or last != "all"):
            learned = f"layers learn {', '.join(run['learns'])}"
        yield f"{run['name'] + ': ' if len(runs) > 1 else ''}{by}{learned}"
        if run["front_end"] is not None:
            fronts.setdefault(_front_end(run["front_end"]), []).append(run["name"])
    for text, names in fronts.items():
        yield text if len(names) == len(runs) else f"{', '.join(names)}: {text}"


def _front_end(front: Mapping[str, Any]) -> str:
    uncounted = f" ({', '.join(front['uncounted'])} not counted)" if front["uncounted"] else ""
    energy = "" if front["energy_pj"] is None else f"{with_unit(front['energy_pj'], 'pJ')}, "
    return (
        f"in front of the cut, per inference, not in these figures: {front['macs']:,} MACs{uncounted}, "
        f"{front['weight_words']:,} weights, {energy}{with_unit(front['latency_us'] / 1e6, 's')} at the price of a "
        "MAC here"
    )


def _range(shares: Sequence[float], details: bool) -> str:
    """Write shares in percent from the smallest to the largest, whole percent by default."""
    ends = (f"{100 * share:{'.3g' if details or share < 0.1 else '.0f'}}" for share in (min(shares), max(shares)))
    return f"{' to '.join(dict.fromkeys(ends))} %"


def _print_roles(console: Console, figure: str, rules: Sequence[dict[str, Any]]) -> None:
    """Print a figure by role, rules side by side."""
    title, unit = FIGURES[figure]
    title = f"{title} per sample" if figure in ("energy_pj", "cycles") else title
    priced = {rule["name"]: rule["training"][figure] for rule in rules}
    size, name = scale_for(unit, [one["nominal"] for one in priced.values()])
    banded = any(one["low"] != one["high"] for one in priced.values())
    roles = dict.fromkeys(role for one in priced.values() for role in one["by_role"])
    lines = [(role, [one["by_role"].get(role) for one in priced.values()]) for role in roles]
    lines += [(side, [one[side] for one in priced.values()]) for side in (("low", "high") if banded else ())]
    rows = [
        {f"{title}, {name}": what}
        | {rule: "" if value is None else three(value / size) for rule, value in zip(priced, values, strict=True)}
        for what, values in lines
    ]
    print_table(console, rows, dim=2 * banded)


def verdict_text(verdict: Mapping[str, Any], structures: Mapping[str, Any] | None = None) -> str:
    """Say in one sentence which rule is the cheapest, how certain that is, and which constant decides most.

    Parameters
    ----------
    structures : ranges over engines, of `structures_as_dict`, to say whether the order is the same on all of them
    """
    return f"{_by_constants(verdict)}{_by_structures(verdict, structures) if structures else ''}"


def _by_structures(verdict: Mapping[str, Any], structures: Mapping[str, Any]) -> str:
    turned = turned_pairs(structures, verdict["left_out"])
    if not turned:
        return f", and it is the same on all {structures['engines']} engines (--structures)"
    first, more = " and ".join(turned[0]), len(turned) - 1
    rest = f", and {more} other pair{'s' if more > 1 else ''}" if more else ""
    return f"; on some of {structures['engines']} engines (--structures) {first} change places{rest}"


def _by_constants(verdict: Mapping[str, Any]) -> str:
    noun, gap = FIGURES[verdict["figure"]][0], verdict["next_over_cheapest_percent"]
    among = " of the rules that learn hidden layers" if verdict["left_out"] else ""
    if gap["low"] == gap["high"] == 0:
        names = [verdict["cheapest"], *verdict["as_cheap"]]
        same = "both" if len(names) == 2 else "all"
        lead = f"{', '.join(names[:-1])} and {names[-1]} have the least {noun}{among}, {same} the same"
    else:
        low, nominal, high = (f"{gap[side]:.3g}" for side in ("low", "nominal", "high"))
        band = f" ({low} to {high} within the bands)" if low != high else ""
        decided = f", decided most by {verdict['decided_by']}" if verdict["decided_by"] else ""
        lead = (
            f"{verdict['cheapest']} has the least {noun}{among}; "
            f"{verdict['next']}, the next, takes {nominal} % more{band}{decided}"
        )
    flips = verdict["flips"]
    if not flips:
        return f"{lead}; no constant within its band changes the order"
    pairs = dict.fromkeys((flip["cheaper"], flip["dearer"]) for flip in flips)
    first, more = flips[0], len(pairs) - 1
    where = "several constants move together"
    if first["constant"] is not None:
        where = f"{first['constant']} is {first['at']:.2f} of nominal"
    rest = f", and {more} other pair{'s' if more > 1 else ''} within the bands" if more else ""
    return f"{lead}; {first['cheaper']} and {first['dearer']} change places where {where}{rest}"


def print_relative(console: Console, content: Mapping[str, Any]) -> None:
    """Print rules relative to one of them, each difference with its own band."""
    base, over = content["base"], content.get("energy_over_structures")
    rows = [
        {f"against {base}": name}
        | ({"energy": _difference(figures["energy"])} if figures["energy"] else {})
        | ({"over structures": range_text(over[name])} if over else {})
        | {figure: _difference(band) for figure, band in figures.items() if band and figure != "energy"}
        for name, figures in content["rules"].items()
    ]
    console.print()
    print_table(console, rows)
    engines = "; over structures: difference in energy over all engines" if over else ""
    say(console, f"in brackets: difference over the bands of the constants, which both rules share{engines}")


def _difference(band: Mapping[str, float]) -> str:
    """Write a difference with its band: "-25 % (-31 to -20)"."""
    low, nominal, high = (
        f"{band[side]:+.{0 if abs(band[side]) >= 9.95 else 1}f}" for side in ("low", "nominal", "high")
    )
    return f"{nominal} %" if low == high else f"{nominal} % ({low} to {high})"


def print_ranking(console: Console, ranked: Mapping[str, Any]) -> None:
    """Print the order of the rules in each figure, what turns it, and which constants matter most."""
    for figure, of in ranked.items():
        title, unit = FIGURES[figure]
        say(console, "", f"{title}, cheapest first: {of['order']}")
        if of["verdict"]:
            say(console, f"  {verdict_text(of['verdict'])}")
        for flip in of["flips"]:
            pair = f"  {flip['cheaper']} and {flip['dearer']} change places"
            if flip["constant"] is None:
                say(console, f"{pair} when several constants move together")
            else:
                say(console, f"{pair} where {flip['constant']} is {flip['at']:.2f}")
        for gap in of["gaps"]:
            if gap["decided_by"]:
                say(
                    console,
                    f"  {gap['dearer']} over {gap['cheaper']}: {gap['percent']:+.3g} %, decided by {gap['decided_by']} "
                    f"({gap['at_low']:+.3g} to {gap['at_high']:+.3g} %)",
                )
        ends = [swing[side] for swings in of["swings"].values() for swing in swings for side in ("at_low", "at_high")]
        size, shown = scale_for(unit, ends)
        for name, swings in of["swings"].items():
            text = "; ".join(
                f"{swing['constant']} {three(swing['at_low'] / size)} to {three(swing['at_high'] / size)}"
                for swing in swings
            )
            if text:
                say(console, f"  {name}, {shown}: {text}")


def print_ert(console: Console, priced: Mapping[str, Any]) -> None:
    """Print the energy of a trained sample by component and action, as a foreign energy table has it."""
    if "table" in priced:
        say(console, "", f"energy of a trained sample with {priced['table']}")
        _print_sum(console, priced["energy_pj"], "pJ")
        for note in priced.get("notes", ()):
            say(console, f"note: {note}")
    if "area_table" in priced:
        say(console, "", f"area with {priced['area_table']}")
        _print_sum(console, priced["area_um2"], "um2")


def _print_sum(console: Console, parts: Mapping[str, float], unit: str) -> None:
    texts = in_one_unit([*parts.values(), sum(parts.values())], unit)
    say(console, *(f"  {name}: {text}" for name, text in zip((*parts, "together"), texts, strict=True)))


def as_csv(content: dict[str, Any]) -> str:
    """Return one row for each rule and figure: nominal, low, high, and each role beside it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("processor", "name", "rule", "net", "bits", "of", "figure", "role", "nominal", "low", "high"))
    for rule in content["rules"]:
        net = net_text(rule["network"])
        head = (content["processor"], rule["name"], rule["rule"], net, rule["network"]["bits"])
        for part in ("inference", "training"):
            for figure, band in rule[part].items():
                if not isinstance(band, dict):
                    writer.writerow((*head, part, figure, "all", band, "", ""))
                    continue
                writer.writerow((*head, part, figure, "all", band["nominal"], band["low"], band["high"]))
                for role, value in band["by_role"].items():
                    writer.writerow((*head, part, figure, role, value, "", ""))
        if rule["update_energy_pj"] is not None:
            writer.writerow((*head, "update", "energy_pj", "all", rule["update_energy_pj"], "", ""))
        for density, share in rule["activity"].items():
            writer.writerow((*head, "activity", density, "all", share, "", ""))
        against = content.get("against", {"base": "", "rules": {}})
        for name, band in against["rules"].get(rule["name"], {}).items():
            if band is not None:
                of = f"against {against['base']}"
                writer.writerow((*head, of, f"{name}_percent", "all", band["nominal"], band["low"], band["high"]))
        for name, band in rule["overhead_percent"].items():
            if band is not None:
                figures = (band["nominal"], band["low"], band["high"])
                writer.writerow((*head, "overhead", f"{name}_percent", "all", *figures))
        for layer in rule["layers"]:
            for figure in ("may_update_after_cycles", "waiting_bits", "pipeline_depth", "pipeline_bits"):
                if layer[figure] is not None:
                    writer.writerow((*head, "locking", figure, f"layer {layer['layer']}", layer[figure], "", ""))
    return text.getvalue()
