"""The report of a stream whose numbers were learned, as text."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from edgelearn.data.source import columns_line, printable
from edgelearn.reports.console import print_table, say, sparkline
from edgelearn.reports.dataset import layers_of, notes_of, print_formats
from edgelearn.units import count, net_text, spans_line, three, with_unit

MOST_TARGETS = 6  # printed; with details all
TEN_YEARS = 3650  # days


def show(content: dict[str, Any], console: Console, speed: float | None = None, details: bool = False) -> None:
    """Print the errors of network and baselines per target, and the price of a learned row.

    Parameters
    ----------
    content : of report.json
    speed : samples per second on this machine, None where it is not known
    """
    stream, net, front = content["stream"], content["network"], content["front_end"]
    targets = content["result"]["by_target"]
    named = ", ".join(printable(one["target"]) for one in targets[:MOST_TARGETS])
    more = f" and {len(targets) - MOST_TARGETS} more" if len(targets) > MOST_TARGETS else ""
    what = "the next " if content["config"].get("predict") == "next" else ""
    say(
        console,
        f"{net['rule']} on {stream['name']}, {net_text(net)}: {net['word']}, seed {content['config']['seed']}",
        f"target: {what}{named}{more}",
        columns_line(content["columns"]),
        *layers_of(net),
    )
    rows = "" if stream["rows"] == stream["samples"] else f" in {count(stream['rows'], 'row')} of {front['window']:,}"
    on = f", {speed:,.0f} samples/s on this computer" if speed and details else ""
    say(
        console,
        f"{count(stream['samples'], 'sample')}{rows}; {front['encoder']} encoder, {front['input_bits']}-bit inputs{on}",
    )
    config, rate = content["config"], stream["rate_hz"] or content["columns"]["rate_hz"]
    spans = [(name, config[name], front[name]) for name in ("window", "stride")]
    if rate and (durations := spans_line(spans, rate)):
        say(console, durations)
    if stream["missing_values"]:
        say(console, f"missing: {count(stream['missing_values'], 'value')}, which made no events")
    for reason, n in stream["rejected"].items():
        say(console, f"rejected: {n:,} {reason} (first: {stream['first_rejected'][reason]})")
    _print_errors(console, content, targets if details else targets[:MOST_TARGETS])
    if details:
        console.print()
        print_formats(console, net["layers"])
    _print_price(console, content)
    say(console, *notes_of(content))


def _print_errors(console: Console, content: dict[str, Any], targets: list[dict[str, Any]]) -> None:
    result = content["result"]
    if not result["rows_scored"]:
        say(console, "no row was scored: two rows with a target are needed")
        return
    say(console, "", f"predicted before learning, {count(result['rows_scored'], 'row')}; errors in the target's unit:")
    rows = []
    for one in targets:
        for k, (predictor, found) in enumerate((key, value) for key, value in one.items() if key != "target"):
            r2 = "-" if found["r2"] is None else f"{found['r2']:.4f}"
            errors = {"RMSE": three(found["rmse"]), "MAE": three(found["mae"]), "R2": r2}
            rows.append({"target": printable(one["target"]) if k == 0 else "", "predictor": predictor} | errors)
    print_table(console, rows)
    curve = content["history"]["rmse"]["network"]
    if len(curve) > 1:
        name = "" if len(targets) == 1 else f" of {printable(targets[0]['target'])}"
        say(console, f"error{name} over time  {sparkline(curve)}  up to {three(max(curve))}")


def _print_price(console: Console, content: dict[str, Any]) -> None:
    """Print time, energy, power and battery life of a learned row."""
    d, price = content["device"], content["price_of_row"]
    if price["busy_s"] is None:
        return
    rate = d["rows_per_second"]
    come = "" if rate is None else f", {three(rate)} rows/s"
    energy = "" if price["energy_pj"] is None else f" and {with_unit(price['energy_pj'], 'pJ')}"
    say(
        console,
        "",
        f"on {printable(d['processor'])} at {with_unit(d['clock_hz'], 'Hz')}{come}: {with_unit(price['busy_s'], 's')}"
        f"{energy} per learned row",
    )
    if price["power_uw"] is None:
        if not d["timed"]:
            say(console, "the source has no clock: give --sample-rate to see power and battery life")
        return
    days = price["battery_days"]
    lasts = "over 10 years" if days > TEN_YEARS else with_unit(days, "days")
    say(console, f"{with_unit(price['power_uw'], 'uW')} on average; a battery of {d['battery_j']:,.5g} J lasts {lasts}")
