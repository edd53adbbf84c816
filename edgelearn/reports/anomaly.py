"""The report of a stream that was learned without labels, as text."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from edgelearn.data.source import columns_line, printable
from edgelearn.reports.console import print_table, say, sparkline
from edgelearn.reports.dataset import layers_of, notes_of, print_formats
from edgelearn.units import count, net_text, percent, spans_line, three, with_unit

FIRST_ALARMS, MORE_ALARMS = 3, 20  # printed, and printed with details; report.json has more
TEN_YEARS = 3650  # days


def show(content: dict[str, Any], console: Console, speed: float | None = None, details: bool = False) -> None:
    """Print alarms, threshold, measures by labels, and the price of a row in each phase.

    Parameters
    ----------
    content : of report.json
    speed : samples per second on this machine, None where it is not known
    """
    stream, net, front = content["stream"], content["network"], content["front_end"]
    say(
        console,
        f"{net['rule']} without labels on {stream['name']}, {net_text(net)}: {net['word']}, "
        f"seed {content['config']['seed']}",
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
    if not stream["rows"]:
        say(console, f"no row could be made: windows of {front['window']:,} samples are longer than the stream")
        return
    say(console, _phases_line(content["phases"]), *_threshold_lines(content))
    _print_alarms(console, content, details)
    if content["result"]["labels"] is not None:
        say(console, "", *_label_lines(content["result"]["labels"]))
    if details:
        console.print()
        print_formats(console, net["layers"])
    _print_device(console, content)
    say(console, *notes_of(content))


def _phases_line(phases: list[dict[str, Any]]) -> str:
    found = [f"{row['phase']} {row['rows']:,}" for row in phases if row["rows"]]
    return f"rows by phase: {', '.join(found)}"


def _threshold_lines(content: dict[str, Any]) -> list[str]:
    detector, history = content["detector"], content["history"]
    if detector["threshold_value"] is None:
        return []
    factor = f"{detector['factor']:g}"
    how = f"{factor} x the quantile {detector['quantile']:g} of {count(detector['threshold_rows'], 'row')}"
    if detector["threshold"] == "deviation":
        rows = count(detector["threshold_rows"], "row")
        how = f"mean + {factor} mean absolute deviations of {rows}"
    mean = "" if detector["smoothing"] == 0 else f", decaying mean over about {2 ** detector['smoothing']:,} rows"
    at = " at the end, as it follows" if detector["follow"] else ""
    lines = [f"threshold {three(detector['threshold_value'])}{at}: {how}; {detector['score']} error{mean}"]
    peaks = history["peak"]
    if len(peaks) > 1:
        lines.append(f"score over time  {sparkline(peaks)}  up to {three(max(peaks))}")
    return lines


def _print_alarms(console: Console, content: dict[str, Any], details: bool) -> None:
    result = content["result"]
    if not result["rows_judged"]:
        return
    say(
        console,
        f"{count(result['alarms'], 'alarm')}: {result['alarm_rows']:,} of {count(result['rows_judged'], 'judged row')} "
        f"({percent(result['alarm_rate'])})",
    )
    most = MORE_ALARMS if details else FIRST_ALARMS
    for alarm in result["alarm_list"][:most]:
        when = "" if alarm["begin_s"] is None else f", {_time(alarm['begin_s'])} to {_time(alarm['end_s'])}"
        say(
            console,
            f"  rows {alarm['first_row']:,} to {alarm['last_row']:,}{when}: score up to {three(alarm['peak'])}",
        )
    if result["alarms"] > most:
        say(console, f"  and {result['alarms'] - most:,} more, see report.json")


def _time(seconds: float) -> str:
    return with_unit(seconds, "s")


def _label_lines(labels: dict[str, Any]) -> list[str]:
    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    windows = labels["windows"]
    delay = "-"
    if windows["mean_delay_rows"] is not None:
        delay = f"{three(windows['mean_delay_rows'])} rows"
        if windows["mean_delay_s"] is not None:
            delay += f" ({with_unit(windows['mean_delay_s'], 's')})"
    nab = "-" if labels["nab_score"] is None else f"{labels['nab_score']:.1f}"
    skipped = f"; {labels['unlabelled']:,} rows without a label" if labels["unlabelled"] else ""
    return [
        f"by {count(labels['labelled'], 'label')}: F1 {number(labels['f1'])}, false alarm rate "
        f"{percent(labels['false_alarm_rate'])}, missing alarm rate {percent(labels['missing_alarm_rate'])}{skipped}",
        f"area under ROC {number(labels['roc_area'])}, under precision and recall {number(labels['pr_area'])}; "
        f"NAB score (standard profile) {nab}",
        f"{windows['detected']:,} of {count(windows['n'], 'labelled anomalous window')} found, mean delay {delay}",
    ]


def _print_device(console: Console, content: dict[str, Any]) -> None:
    """Print time, energy, power and battery life of a row in each phase."""
    d = content["device"]
    rate = d["rows_per_second"]
    come = "" if rate is None else f", {three(rate)} rows/s"
    if rate is not None and rate < 0.1:
        come = f", one row every {with_unit(1 / rate, 's')}"
    say(console, "", f"on {printable(d['processor'])} at {with_unit(d['clock_hz'], 'Hz')}{come}:")
    rows = [
        {
            "phase": row["phase"],
            "rows": f"{row['rows']:,}",
            "learned": f"{row['learned']:,}",
            "time per row": with_unit(row["busy_s"], "s"),
            "energy per row": with_unit(row["energy_pj"], "pJ"),
            "average power": with_unit(row["power_uw"], "uW"),
            "battery": _lasts(row["battery_days"]),
        }
        for row in content["phases"]
        if row["rows"]
    ]
    print_table(console, rows)
    if not d["timed"]:
        say(console, "the source has no clock: give --sample-rate to see power and battery life")
        return
    idle = (
        "idle power is not known and not counted" if d["idle_uw"] is None else f"{with_unit(d['idle_uw'], 'uW')} idle"
    )
    say(
        console,
        f"a battery of {d['battery_j']:,.5g} J; {idle}; sensor, front end, detector and radio are not counted",
    )


def _lasts(days: float | None) -> str:
    if days is None:
        return "-"
    return "over 10 years" if days > TEN_YEARS else with_unit(days, "days")
