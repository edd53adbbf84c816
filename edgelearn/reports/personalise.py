"""Results of personalisation as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console

from edgelearn.reports.console import print_table, say
from edgelearn.units import count, net_text, three, with_unit


def print_personalise(console: Console, content: Mapping[str, Any]) -> None:
    """Print accuracy by number of samples and by user, what a learned sample writes and costs, and the front end."""
    c, net = content, content["network"]
    sizes = net_text(net)
    rates = [user["rates"] for user in c["users"].values()]
    behind = f", cut at '{c['cut']}'" if c["cut"] else ""
    say(
        console,
        f"{count(c['n_users'], 'user')}, {c['source']}{behind}: {sizes}, {_learning(net, rates)}",
        *_losses(c["before_percent"]),
        *(f"note: {note}" for note in c["notes"]),
        "",
    )
    print_table(console, list(_by_samples(c)))
    console.print()
    print_table(console, list(_by_user(c)))
    console.print()
    say(console, *_said(c))


def _learning(net: Mapping[str, Any], rates_of_users: Sequence[Sequence[int | None]]) -> str:
    """Say which layers learn, by which rule and at which rates."""
    *hidden, last = net["layers"]
    if set(hidden) <= {"none"}:
        learns = "the output layer learns"
    else:
        parts = "all layers learn" if {*hidden, last} == {"all"} else f"layers learn {', '.join(net['layers'])}"
        learns = f"{parts}, rule {net['rule']}, feedback {net['feedback']}"
    rates = [sorted({one for one in layer if one is not None}) for layer in zip(*rates_of_users, strict=True)]
    shown = ", ".join(f"2^{one[0]}" + (f" to 2^{one[-1]}" if len(one) > 1 else "") for one in rates if one)
    own = ", ".join(
        " to ".join(three(2.0**rate * unit) for rate in sorted({one[0], one[-1]}))
        for one, unit in zip(rates, net["rate_units"], strict=False)
        if one
    )
    gate = {"always": "", "margin": f", update gate margin {net['margin']}"}
    return (
        f"{learns}, rates {shown}"
        f"{f' ({own} in units of the model)' if own else ''}"
        f"{gate.get(net['update_gate'], ', update gate ' + net['update_gate'])}"
    )


def _losses(before: Mapping[str, Any]) -> Iterator[str]:
    names = {"float": "in float", "levels": "with levels", "words": "with levels and words"}
    yield "before learning: " + ", ".join(f"{before[key]['mean']:.2f} % {names[key]}" for key in before)


def _pm(one: Mapping[str, Any]) -> str:
    return f"{one['mean']:.2f}" + ("" if one["low"] is None else f" ± {one['high'] - one['mean']:.2f}")


def _by_samples(c: Mapping[str, Any]) -> Iterator[dict[str, object]]:
    for k, n in enumerate((0, *c["samples"])):
        row: dict[str, object] = {"samples": n, "accuracy, %": _pm(c["accuracy_percent"][k])}
        if c["float"]["rates"]:
            edge = "*" if c["float"]["at_edge"][k] and n else ""
            row["float SGD, %"] = _pm(c["float"]["accuracy_percent"][k])
            row["its rate"] = f"2^{c['float']['best_rates'][k]}{edge}" if n else "-"
            row["difference"] = _pm(c["float"]["difference_points"][k])
        if c["old_accuracy_percent"]:
            row["old data, %"] = _pm(c["old_accuracy_percent"][k])
            if c["float"]["old_accuracy_percent"]:
                row["old, float, %"] = _pm(c["float"]["old_accuracy_percent"][k])
        yield row


def _by_user(c: Mapping[str, Any]) -> Iterator[dict[str, object]]:
    last = c["samples"][-1]
    for name, user in c["users"].items():
        row: dict[str, object] = {"user": name, "rows": user["rows"]}
        accuracies = user["accuracy_percent"]
        row |= {
            "before, %" if n == 0 else f"after {n}, %": f"{one:.1f}"
            for n, one in zip((0, *c["samples"]), accuracies, strict=True)
        }
        if user["float_accuracy_percent"]:
            row[f"float after {last}, %"] = f"{user['float_accuracy_percent'][-1]:.1f}"
        if user["old_accuracy_percent"]:
            row[f"old data after {last}, %"] = f"{user['old_accuracy_percent'][-1]:.1f}"
        yield row


def _said(c: Mapping[str, Any]) -> Iterator[str]:
    per_sample, cost = c["per_sample"], c["cost"]
    share = (
        "" if per_sample["learned_percent"] > 99.995 else f"; {per_sample['learned_percent']:.0f} % of samples learned"
    )
    yield (
        f"words written per sample: {per_sample['words_written']:,.0f} of {c['network']['words_that_learn']:,} "
        f"that learn{share}"
    )
    priced = f"{_priced(cost['learning'])}; inference {_priced(cost['inference'])}"
    yield f"per learned sample on {cost['processor']}: {priced}"
    if c["memory_bytes"] is not None:
        ram, flash = (c["memory_bytes"][place] for place in ("ram", "flash"))
        yield f"firmware of these layers: {ram:,} bytes of RAM, {flash:,} of constants in flash"
    front = c["front_end"]
    if front is not None and front["macs"]:
        more = f"; without {', '.join(front['uncounted'])}" if front["uncounted"] else ""
        yield (
            f"front end, per inference: {front['macs']:,} MACs, {front['weight_words']:,} weights, {_priced(front)} at "
            f"this processor's price of a MAC{more}"
        )
        if front["energy_pj"] and cost["learning"]["energy_pj"]:
            added = cost["learning"]["energy_pj"] - cost["inference"]["energy_pj"]
            whole = front["energy_pj"] + cost["inference"]["energy_pj"]
            yield f"learning a sample adds {100 * added / whole:.2g} % to the inference of the whole model"
    if c["float"]["rates"]:
        rates = ", ".join(f"2^{rate}" for rate in c["float"]["rates"])
        edge = "; * at an edge of them" if any(c["float"]["at_edge"][1:]) else ""
        yield f"float SGD: the best of {rates} at each number of samples{edge}"
    draws = "rows in the order of the file" if c["order"] == "file" else f"means of {count(c['draws'], 'draw')}"
    spread = "± is half a 95 % interval over users; " if c["n_users"] > 1 else ""
    yield f"{spread}{draws}; tested on the rows that were not learned"


def _priced(cost: Mapping[str, Any]) -> str:
    energy, latency = cost["energy_pj"], cost["latency_us"]
    parts = [] if energy is None else [with_unit(energy, "pJ")]
    return ", ".join([*parts, with_unit(None if latency is None else latency / 1e6, "s")])
