"""The report of a stream, as text."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from rich.console import Console

from edgelearn.data.source import columns_line, printable
from edgelearn.reports.console import say, sparkline, verdict
from edgelearn.reports.dataset import layers_of, notes_of, print_formats
from edgelearn.reports.start import start_lines
from edgelearn.units import count, net_text, percent, spans_line, three, with_unit

MOST_CLASSES, WORST, MOST_DRIFTS, MOST_ALARMS = 12, 5, 8, 5  # printed with details; report.json has all
BARS = 40  # of the line of errors
TEN_YEARS = 3650  # days


def show(content: dict[str, Any], console: Console, speed: float | None = None, details: bool = False) -> None:
    """Print accuracy, drift, real time and energy of a stream; `details` adds recall, drifts one by one and the queue.

    Parameters
    ----------
    content : of report.json
    speed : samples per second on this machine, None where it is not known
    """
    if content.get("task") == "anomaly":
        from edgelearn.reports.anomaly import show as show_anomaly

        show_anomaly(content, console, speed, details)
        return
    if content.get("task") == "regression":
        from edgelearn.reports.regression import show as show_regression

        show_regression(content, console, speed, details)
        return
    stream, net, front = content["stream"], content["network"], content["front_end"]
    sizes = net_text(net)
    say(console, f"{net['rule']} on {stream['name']}, {sizes}: {net['word']}, seed {content['config']['seed']}")
    say(console, columns_line(content["columns"]), *layers_of(net))
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
    if not stream["rows"]:
        say(console, f"no row could be made: windows of {front['window']:,} samples are longer than the stream")
        return
    say(console, *start_lines(content))
    _print_scores(console, content, details)
    if details:
        _print_drifts(console, content)
    else:
        say(console, *_drift_lines(content["drift"], stream["samples"]))
    _print_learning(console, content, details)
    _print_device(console, content, details)
    say(console, *notes_of(content))


def _print_scores(console: Console, content: dict[str, Any], details: bool) -> None:
    result = content["result"]
    window = result["window"]
    if result["accuracy"] is None:
        after = " after the warm-up" if result["warm_up"] else ""
        say(console, f"nothing could be scored: no row{after} has both a prediction and a label")
        return
    others = ", ".join(
        f"{result[key]:,} {what}"
        for key, what in (("warm_up", "as warm-up"), ("unlabelled", "without a label"), ("dropped", "dropped"))
        if result[key]
    )
    if others:
        say(console, f"scored: {count(result['scored'], 'row')}; not scored: {others}")
    kappa, temporal = result["kappa"], result["kappa_temporal"]
    say(
        console,
        f"prequential accuracy {percent(result['accuracy'])}, kappa {'-' if kappa is None else f'{kappa:.3f}'}; last "
        f"{count(window['scored'], 'row')} {percent(window['accuracy'])}",
        f"baselines: majority class {percent(result['majority_accuracy'])}, no-change "
        f"{percent(result['no_change_accuracy'])}"
        + (f" (kappa against it {'-' if temporal is None else f'{temporal:.3f}'})" if details else ""),
    )
    if details:
        say(console, _recall(content))
    errors = _errors(result["curve"])
    if len(errors) > 1:
        say(console, f"error over time  {sparkline(errors)}  {percent(errors[0])} -> {percent(errors[-1])}")


def _recall(content: dict[str, Any]) -> str:
    names = [printable(name) for name in content["stream"]["classes"]]
    recall = {
        names[k] if k < len(names) else str(k): value
        for k, value in enumerate(content["result"]["recall"])
        if value is not None
    }
    if len(recall) <= MOST_CLASSES:
        return f"recall: {', '.join(f'{name} {percent(value)}' for name, value in recall.items())}"
    worst = sorted(recall.items(), key=lambda item: item[1])[:WORST]
    return f"recall: lowest of {len(recall)} classes {', '.join(f'{name} {percent(value)}' for name, value in worst)}"


def _errors(curve: dict[str, Any]) -> list[float]:
    """Return the share of errors in at most `BARS` equal parts of a curve; a rest is left out."""
    n_whole = len(curve["samples"])
    if n_whole > 1 and curve["samples"][-1] < curve["bin_samples"]:
        n_whole -= 1
    together = max(-(-n_whole // BARS), 1)
    edges = range(0, n_whole + 1, together)
    parts = [(sum(curve["errors"][a:b]), sum(curve["scored"][a:b])) for a, b in pairwise(edges)]
    return [wrong / scored for wrong, scored in parts if scored]


def _drift_lines(drift: dict[str, Any], samples: int) -> list[str]:
    """Return one line on known drifts and one on detections."""
    recovery, detector = drift["recovery"], drift["detector"]
    lines = []
    reached = [row for row in recovery["drifts"] if row["at"] < samples]
    if reached:
        after = [row["recovery_samples"] for row in reached if row["recovery_samples"] is not None]
        longest = f", after {count(max(after), 'sample')} at most" if after else ""
        lines.append(f"{count(len(reached), 'known drift')}: {len(after)} recovered{longest}")
    if detector["kind"] != "none":
        found = ""
        if detector["drifts"]:
            known = len(detector["drifts"])
            found = f", {known - detector['missed']} of {count(known, 'known drift')} found, "
            found += count(detector["false_alarms"], "false alarm")
        lines.append(f"{detector['kind']}: {count(detector['n_detections'], 'detection')}{found}")
    return lines


def _print_drifts(console: Console, content: dict[str, Any]) -> None:
    """Print known drifts, returning concepts and detections one by one."""
    drift, rate = content["drift"], content["stream"]["rate_hz"]
    recovery, detector = drift["recovery"], drift["detector"]
    reached = [row for row in recovery["drifts"] if row["at"] < content["stream"]["samples"]]
    if reached:
        say(
            console,
            "",
            f"{count(len(reached), 'known drift')}; recovered is where {count(recovery['window'], 'row')} end "
            f"with {100 * recovery['back']:g} % of the accuracy before (--accuracy-window)",
        )
    for row in reached[:MOST_DRIFTS]:
        say(console, f"drift at sample {row['at']:,}: {_after_drift(row, recovery['window'], rate)}")
    if len(reached) > MOST_DRIFTS:
        say(console, f"and {len(reached) - MOST_DRIFTS} more, see report.json")
    for row in recovery["returns"][:MOST_DRIFTS]:
        say(
            console,
            f"concept {row['concept']} returns at sample {row['at']:,}: accuracy {percent(row['before'])} "
            f"when it left, {percent(row['after'])} when it is back",
        )
    if detector["kind"] == "none":
        return
    found, n = detector["detections"], detector["n_detections"]
    at = f", at samples {', '.join(f'{sample:,}' for sample in found[:MOST_ALARMS])}" if found else ""
    say(console, f"{detector['kind']}: {count(n, 'detection')}{at}{', ...' if n > MOST_ALARMS else ''}")
    if detector["drifts"]:
        known = len(detector["drifts"])
        say(
            console,
            f"  {known - detector['missed']} of {count(known, 'known drift')} found, "
            f"{count(detector['false_alarms'], 'false alarm')}; cost of the detector not counted",
        )


def _after_drift(row: dict[str, Any], window: int, rate_hz: float | None) -> str:
    """Say what one known drift cost."""
    if not row["scored"]:
        return "no row after it was scored"
    if row["before"] is None:
        return f"no row before it was scored, {percent(row['lowest'])} at the lowest after it"
    back = row["recovery_samples"]
    fell = f"{percent(row['before'])} right before, {percent(row['lowest'])} at the lowest"
    if row["scored"] < window:
        return f"{fell}; {count(row['scored'], 'row')} until the next, too few to tell of a recovery"
    if back is None:
        return f"{fell}, not recovered"
    time = "" if rate_hz is None else f" ({with_unit(back / rate_hz, 's')})"
    return f"{fell}, recovered " + (f"after {count(back, 'sample')}{time}" if back else "at once")


def _print_learning(console: Console, content: dict[str, Any], details: bool) -> None:
    learning, front = content["learning"], content["front_end"]
    if details:
        console.print()
        print_formats(console, content["network"]["layers"])
        say(
            console,
            "",
            f"input events: {front['events_per_row']:,.1f} of {front['inputs']:,} inputs per row are not zero "
            f"({front['event_rate_percent']:.1f} %)",
        )
    reasons = [
        f"{learning[key]:,} {what}"
        for key, what in (
            ("gated", "held back by the update gate"),
            ("over_budget", "over the energy budget"),
            ("waited", "not learned because they waited for the processor"),
            ("without_label", "without a label"),
            ("label_never_came", "whose label was still to come at the end"),
        )
        if learning[key]
    ]
    saved = learning["energy_saved_percent"]
    if saved:
        reasons.append(f"which saved {saved:.1f} % of the energy that learning them too would take")
    if not (details or reasons):
        return
    learned = f"learned: {learning['learned']:,} of {count(content['stream']['rows'], 'row')}"
    say(console, f"{learned} ({learning['learned_percent']:.1f} %){': ' if reasons else ''}{'; '.join(reasons)}")


def _print_device(console: Console, content: dict[str, Any], details: bool) -> None:
    """Print work, real time, power and battery life."""
    d = content["device"]
    rate = ""
    if d["most_rows_per_second"] is not None and (details or not d["timed"]):
        rate = f", so at most {three(d['most_rows_per_second'])} rows/s"
    energy = "" if d["energy_per_row_pj"] is None else f", {with_unit(d['energy_per_row_pj'], 'pJ')} without idle time"
    clock, busy_s = with_unit(d["clock_hz"], "Hz"), with_unit(d["mean_busy_s"], "s")
    say(console, "", f"on {d['processor']} at {clock}: {busy_s} per row{energy}{rate}")
    if not d["timed"]:
        say(console, "the source has no clock: give --sample-rate to see deadlines, power and battery life")
        return
    per_second = d["rows_per_second"]
    come = "" if per_second is None else f"; {three(per_second)} rows/s"
    if per_second is not None and per_second < 0.1:
        come = f"; one row every {with_unit(1 / per_second, 's')}"
    busy = "less than 0.01" if 0 < d["busy_percent"] < 0.01 else f"{d['busy_percent']:.3g}"
    limits = "" if d["deadline_s"] is None else f"deadline {with_unit(d['deadline_s'], 's')}, "
    verdict(
        console,
        d["keeps_up"],
        f"real-time: {'yes' if d['keeps_up'] else 'no'} ({d['dropped']:,} dropped, {d['late']:,} late){come}, "
        f"processor {busy} % busy; {limits}longest response {with_unit(d['longest_response_s'], 's')}",
    )
    if d["average_power_uw"] is None:
        say(console, f"power is not known: no source gives the energy per cycle of {d['processor']}")
        return
    known = d["idle_uw"] is not None
    idle = f"{with_unit(d['idle_uw'], 'uW')} of it idle" if known else "idle power is not known and not counted"
    lasts = f"{'' if known else 'at most '}{with_unit(d['battery_days'], 'days')}"
    if d["battery_days"] > TEN_YEARS:
        lasts = "more than 10 years, longer than most cells keep their charge"
    counted = "; sensor, front end and radio are not counted" if details else ""
    say(
        console,
        f"average power {with_unit(d['average_power_uw'], 'uW')}, {idle}; a battery of {d['battery_j']:,.5g} J lasts "
        f"{lasts}{counted}",
    )
