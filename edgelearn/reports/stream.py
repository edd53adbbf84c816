"""Result of learning on a stream as text."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from edgelearn.reports.dataset import sparkline

if TYPE_CHECKING:
    from rich.console import Console

MOST_CLASSES, WORST, MOST_DRIFTS, MOST_ALARMS = 12, 5, 8, 5  # printed; the report has all
BARS = 50  # of the line of errors


def show(content: dict[str, Any], console: Console, samples_per_second: float | None = None) -> None:
    """Print the result of learning on a stream."""
    c = content
    stream, net, front = c["stream"], c["network"], c["front_end"]
    sizes = "-".join(str(n) for n in net["sizes"])
    console.print(f"{net['rule']} on {stream['name']}: net {sizes}, weights {net['word']}, seed {c['config']['seed']}")
    rows = f", {count(stream['rows'], 'row')} of {count(front['window'], 'sample')}"
    rows = "" if stream["rows"] == stream["samples"] else rows
    speed = f" at {samples_per_second:,.0f} samples/s on this computer" if samples_per_second else ""
    console.print(
        f"{count(stream['samples'], 'sample')} learned online{rows}{speed}; "
        f"{front['encoder']} encoder, {front['input_bits']}-bit inputs"
    )
    for reason, n in stream["rejected"].items():
        console.print(f"rejected: {n:,} {reason} (first: {stream['first_rejected'][reason]})", soft_wrap=True)
    if not stream["rows"]:
        console.print(f"no row could be made: windows of {front['window']:,} samples are longer than the stream")
        return
    _print_scores(content, console)
    _print_drift(content, console)
    _print_learning(content, console)
    _print_device(content, console)


def _print_scores(content: dict[str, Any], console: Console) -> None:
    result = content["result"]
    window = result["window"]
    if result["accuracy"] is None:
        after = " after the warm-up" if result["warm_up"] else ""
        console.print(f"nothing could be scored: no row{after} has both a prediction and a label")
        return
    others = ", ".join(
        f"{result[key]:,} {what}"
        for key, what in (("warm_up", "as warm-up"), ("unlabelled", "without a label"), ("dropped", "dropped"))
        if result[key]
    )
    if others:
        console.print(f"scored: {count(result['scored'], 'row')}; not scored: {others}")
    console.print(
        f"accuracy {_percent(result['accuracy'])}, each row predicted before it is learned; "
        f"kappa {_number(result['kappa'])}; last {count(window['scored'], 'row')} {_percent(window['accuracy'])}"
    )
    console.print(
        f"to beat: the most frequent class {_percent(result['majority_accuracy'])}; the label before "
        f"{_percent(result['no_change_accuracy'])} (kappa against it {_number(result['kappa_temporal'])})"
    )
    names = [_printable(name) for name in content["stream"]["classes"]]
    recall = {
        names[k] if k < len(names) else str(k): value for k, value in enumerate(result["recall"]) if value is not None
    }
    if len(recall) <= MOST_CLASSES:
        console.print(f"recall: {', '.join(f'{name} {_percent(value)}' for name, value in recall.items())}")
    else:
        worst = sorted(recall.items(), key=lambda item: item[1])[:WORST]
        shown = ", ".join(f"{name} {_percent(value)}" for name, value in worst)
        console.print(f"recall: lowest of {len(recall)} classes {shown}")
    errors = _errors(result["curve"])
    if len(errors) > 1:
        console.print(f"error over time  {sparkline(errors)}  {_percent(errors[0])} -> {_percent(errors[-1])}")


def _print_drift(content: dict[str, Any], console: Console) -> None:
    drift, rate = content["drift"], content["stream"]["rate_hz"]
    recovery, detector = drift["recovery"], drift["detector"]
    reached = [row for row in recovery["drifts"] if row["at"] < content["stream"]["samples"]]
    if reached:
        console.print()
        console.print(
            f"{count(len(reached), 'known drift')}; recovered is where {count(recovery['window'], 'row')} begin "
            f"with {100 * recovery['back']:g} % of the accuracy before (--accuracy-window)"
        )
    for row in reached[:MOST_DRIFTS]:
        console.print(f"drift at sample {row['at']:,}: {_after_drift(row, recovery['window'], rate)}")
    if len(reached) > MOST_DRIFTS:
        console.print(f"and {len(reached) - MOST_DRIFTS} more, see report.json")
    for row in recovery["returns"][:MOST_DRIFTS]:
        console.print(
            f"concept {row['concept']} returns at sample {row['at']:,}: accuracy {_percent(row['before'])} "
            f"when it left, {_percent(row['after'])} when it is back"
        )
    if detector["kind"] == "none":
        return
    found, n = detector["detections"], detector["n_detections"]
    shown = f", at samples {', '.join(f'{at:,}' for at in found[:MOST_ALARMS])}" if found else ""
    console.print(
        f"{detector['kind']} saw {count(n, 'change')} in the errors{shown}{', ...' if n > MOST_ALARMS else ''}"
    )
    if detector["drifts"]:
        known = len(detector["drifts"])
        console.print(
            f"  {known - detector['missed']} of {count(known, 'known drift')} found, "
            f"{count(detector['false_alarms'], 'other alarm')}; its own cost is not counted"
        )


def _print_learning(content: dict[str, Any], console: Console) -> None:
    c = content
    learning, front = c["learning"], c["front_end"]
    console.print()
    console.print(
        f"input events: {front['events_per_row']:,.1f} of {front['inputs']:,} inputs a row are not zero "
        f"({front['event_rate_percent']:.1f} %)"
    )
    rows = count(c["stream"]["rows"], "row")
    cut = max(layer["saturations"] for layer in c["layers"])
    changed = max(c["per_sample"]["words"]["weight"]["written"] * c["stream"]["rows"], 1)
    if cut > changed / 100:
        console.print(
            f"{100 * cut / changed:.0f} % of the weight changes stopped at the limit of the word: "
            "try a larger --range-exponent or smaller rates"
        )
    console.print(f"learned: {learning['learned']:,} of {rows} ({learning['learned_percent']:.1f} %)")
    for key, what in (
        ("gated", "held back by the update gate"),
        ("over_budget", "over the energy budget"),
        ("waited", "not learned because they waited for the processor"),
        ("without_label", "without a label"),
        ("label_never_came", "whose label was still to come at the end"),
    ):
        if learning[key]:
            console.print(f"  {learning[key]:,} {what}")
    saved = learning["energy_saved_percent"]
    if saved:
        console.print(f"  which saved {saved:.1f} % of the energy that learning them too would take")


def _print_device(content: dict[str, Any], console: Console) -> None:
    d = content["device"]
    rate = "" if d["most_rows_per_second"] is None else f", so at most {_three(d['most_rows_per_second'])} rows/s"
    console.print()
    console.print(
        f"on {d['processor']} at {d['clock_hz'] / 1e6:g} MHz: {_seconds(d['mean_busy_s'])} of work a row{rate}"
    )
    if d["energy_per_row_pj"] is not None:
        console.print(f"energy a row: {_joules(d['energy_per_row_pj'])}, idle time not included")
    if not d["timed"]:
        console.print("the source has no clock: give --sample-rate to see deadlines, power and battery life")
        return
    per_second = d["rows_per_second"]
    come = "" if per_second is None else f"rows come at {_three(per_second)} a second; "
    if per_second is not None and per_second < 0.1:
        come = f"one row comes each {_seconds(1 / per_second)}; "
    busy = "less than 0.01" if 0 < d["busy_percent"] < 0.01 else f"{d['busy_percent']:.3g}"
    console.print(f"{come}the processor is busy {busy} % of the time")
    deadline = "" if d["deadline_s"] is None else f" (deadline {_seconds(d['deadline_s'])})"
    console.print(
        f"{'it keeps up' if d['keeps_up'] else 'it does not keep up'}: {d['dropped']:,} rows dropped, "
        f"{d['late']:,} late{deadline}, longest answer {_seconds(d['longest_response_s'])}"
    )
    if d["average_power_uw"] is None:
        console.print(f"power is not known: no source gives the energy of a cycle of {d['processor']}")
        return
    known = d["idle_uw"] is not None
    idle = f"between rows it draws {_watts(d['idle_uw'])}" if known else "its idle power is not known and not counted"
    console.print(f"average power {_watts(d['average_power_uw'])}; {idle}")
    lasts = f"{'' if known else 'at most '}{_days(d['battery_days'])}"
    if d["battery_days"] > 10 * 365:
        lasts = "more than 10 years, longer than most cells keep their charge"
    console.print(f"a battery of {d['battery_j']:,.5g} J lasts {lasts}; sensor, front end and radio are not counted")


def _printable(text: str) -> str:
    """Return text that a terminal only shows, whatever bytes a label had."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _errors(curve: dict[str, Any]) -> list[float]:
    """Return the share of errors in at most `BARS` equal parts of a curve; a rest is left out."""
    n_whole = len(curve["samples"])
    if n_whole > 1 and curve["samples"][-1] < curve["bin_samples"]:
        n_whole -= 1
    together = max(-(-n_whole // BARS), 1)
    edges = range(0, n_whole + 1, together)
    parts = [(sum(curve["errors"][a:b]), sum(curve["scored"][a:b])) for a, b in pairwise(edges)]
    return [wrong / scored for wrong, scored in parts if scored]


def _after_drift(row: dict[str, Any], window: int, rate_hz: float | None) -> str:
    """Say what one known drift cost."""
    if not row["scored"]:
        return "no row after it was scored"
    if row["before"] is None:
        return f"no row before it was scored, {_percent(row['lowest'])} at the lowest after it"
    back = row["recovery_samples"]
    fell = f"{_percent(row['before'])} right before, {_percent(row['lowest'])} at the lowest"
    if row["scored"] < window:
        return f"{fell}; {count(row['scored'], 'row')} until the next, too few to tell of a recovery"
    if back is None:
        return f"{fell}, not recovered"
    time = "" if rate_hz is None else f" ({_seconds(back / rate_hz)})"
    return f"{fell}, recovered " + (f"after {count(back, 'sample')}{time}" if back else "at once")


def count(n: int, what: str) -> str:
    """Write a number of things: "1 row", "1,000 rows"."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else _scaled(value, ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")))


def _joules(picojoules: float) -> str:
    return _scaled(picojoules, ((1e12, "J"), (1e9, "mJ"), (1e6, "uJ"), (1e3, "nJ"), (1.0, "pJ")))


def _watts(microwatts: float) -> str:
    return _scaled(microwatts, ((1e6, "W"), (1e3, "mW"), (1.0, "uW"), (1e-3, "nW")))


def _days(days: float) -> str:
    return _scaled(days, ((365.25, "years"), (1.0, "days"), (1 / 24, "hours"), (1 / 1440, "minutes")))


def _scaled(value: float, units: tuple[tuple[float, str], ...]) -> str:
    factor, unit = next((pair for pair in units if abs(value) >= pair[0]), units[-1])
    return f"{_three(value / factor)} {unit}"


def _three(value: float) -> str:
    """Write a number with three digits, or all before the point."""
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{np.round(value, digits):,.{digits}f}"
