"""The result of learning on a stream: one plain dictionary, printed as JSON or for people; no times of this machine."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgelearn.accounting import buffers, footprint
from edgelearn.config import StreamConfig
from edgelearn.kernels import tables as t
from edgelearn.report import by_layer, network_as_dict, per_sample_as_dict, sparkline

if TYPE_CHECKING:
    from rich.console import Console

    from edgelearn.stream_run import StreamRun

TICKS_PER_CYCLE = 256
SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True)
class StreamReport:
    """What a stream gave. `content` is what report.json holds."""

    content: dict[str, Any]

    @classmethod
    def of(cls, config: StreamConfig, run: StreamRun, cost: dict[str, Any], version: str) -> StreamReport:
        """Collect the result; `cost` is what the cost model makes of the counters of labelled rows."""
        learner, spec, source = run.learner, run.spec, run.source
        labelled, predicted = learner.counters, learner.inference_counters
        n_rows = max(run.n_rows, 1)
        content = {
            "edgelearn": version,
            "contract": 1,
            "config": config.model_dump(mode="json"),
            "stream": {
                "name": source.name,
                "source": source.source,
                "channels": list(source.channels),
                "classes": list(source.class_names),
                "samples": run.n_samples,
                "rows": run.n_rows,
                "rate_hz": run.timing.rate_hz,
                "drift_points": list(source.drift_points),
                "rejected": dict(source.rejects.counts),
                "first_rejected": dict(source.rejects.first),
            },
            "front_end": asdict(run.front_end.spec)
            | {
                "inputs": run.front_end.spec.n_inputs,
                "events_per_row": _six(run.counts["events"] / n_rows),
                "event_rate_percent": _six(100 * run.counts["events"] / n_rows / run.front_end.spec.n_inputs),
            },
            "network": network_as_dict(spec),
            "result": run.score.as_dict(),
            "drift": {"recovery": run.recovery.as_dict(), "detector": run.detector.as_dict()},
            "learning": _learning(run),
            "device": _device(run),
            "per_sample": per_sample_as_dict(labelled),
            "layers": by_layer(spec, labelled),
            "held": [asdict(held) | {"bits": held.bits} for held in footprint(spec)],
            "buffers": [asdict(held) | {"bits": held.bits} for held in buffers(spec)] + _label_buffers(run),
            "cost": cost,
            "counters": {"learning": labelled.as_dict(), "inference": predicted.as_dict()},
        }
        return cls(content)

    def to_json(self) -> str:
        return json.dumps(self.content, indent=1, sort_keys=True) + "\n"

    def print(self, console: Console, samples_per_second: float | None = None) -> None:
        """Print for people."""
        c = self.content
        stream, net, front, result = c["stream"], c["network"], c["front_end"], c["result"]
        sizes = "-".join(str(n) for n in net["sizes"])
        console.print(
            f"{net['rule']} on {stream['name']}: {sizes}, {net['word']}, {front['encoder']} encoder, "
            f"{front['input_bits']}-bit inputs, seed {c['config']['seed']}"
        )
        speed = f" at {samples_per_second:,.0f} samples/s" if samples_per_second else ""
        rows = "" if stream["rows"] == stream["samples"] else f", {stream['rows']:,} rows"
        console.print(f"{stream['samples']:,} samples{rows} learned online{speed}")
        for reason, count in stream["rejected"].items():
            console.print(f"rejected: {count:,} {reason} (first: {stream['first_rejected'][reason]})", soft_wrap=True)
        self._print_scores(console)
        curve = result["curve"]
        errors = [1 - a for a in curve["accuracy"] if a is not None]
        if errors:
            console.print(f"error over time  {sparkline(errors)}  {errors[0]:.1%} -> {errors[-1]:.1%}")
        self._print_drift(console)
        self._print_learning(console)
        self._print_device(console)

    def _print_scores(self, console: Console) -> None:
        result = self.content["result"]
        if result["accuracy"] is None:
            console.print("nothing could be scored: no row had both a prediction and a label")
            return
        shown = [
            f"accuracy {_percent(result['accuracy'])} before learning each row",
            f"last {result['window']['size']:,} rows {_percent(result['window']['accuracy'])}",
            f"kappa {_number(result['kappa'])}",
        ]
        console.print(", ".join(shown))
        console.print(
            f"always the most frequent class {_percent(result['majority_accuracy'])}, "
            f"the label before {_percent(result['no_change_accuracy'])}, kappa against that {_number(result['kappa_temporal'])}"
        )
        names = self.content["stream"]["classes"]
        recall = [
            f"{names[k] if k < len(names) else k} {_percent(value)}"
            for k, value in enumerate(result["recall"])
            if value is not None
        ]
        if len(recall) <= 24:
            console.print(f"recall: {', '.join(recall)}", soft_wrap=True)

    def _print_drift(self, console: Console) -> None:
        drift = self.content["drift"]
        for row in drift["recovery"]["drifts"][:8]:
            back = row["recovery_samples"]
            console.print(
                f"drift at sample {row['at']:,}: accuracy {_percent(row['before'])}, then down to "
                f"{_percent(row['lowest'])}, "
                + ("not recovered" if back is None else "no loss" if back == 0 else f"back after {back:,} samples")
            )
        more = len(drift["recovery"]["drifts"]) - 8
        if more > 0:
            console.print(f"and {more} more drift points, in the report")
        detector = drift["detector"]
        if detector["kind"] != "none":
            found = detector["detections"]
            shown = ", ".join(f"{at:,}" for at in found[:8]) + (" ..." if len(found) > 8 else "")
            console.print(f"{detector['kind']} found {detector['n_detections']} changes{': ' + shown if found else ''}")

    def _print_learning(self, console: Console) -> None:
        c = self.content
        learning, front = c["learning"], c["front_end"]
        console.print()
        console.print(
            f"events: {front['events_per_row']:,.1f} of {front['inputs']:,} inputs a row "
            f"({front['event_rate_percent']:.1f} %)"
        )
        held_back = [
            f"{learning[key]:,} {what}"
            for key, what in (
                ("gated", "held back by the update gate"),
                ("over_budget", "over the energy budget"),
                ("waited", "not learned because they waited"),
                ("without_label", "without a label"),
                ("label_never_came", "whose label came after the end"),
            )
            if learning[key]
        ]
        console.print(
            f"learned: {learning['learned']:,} rows ({learning['learned_percent']:.1f} %)"
            + (f"; {', '.join(held_back)}" if held_back else "")
        )
        if learning["energy_saved_percent"]:
            console.print(
                f"energy saved by not learning those: {learning['energy_saved_percent']:.1f} % of what all would take"
            )

    def _print_device(self, console: Console) -> None:
        d = self.content["device"]
        console.print()
        console.print(
            f"on {d['processor']}: {_seconds(d['mean_busy_s'])} a row, at most {d['most_rows_per_second']:,.1f} rows/s"
        )
        if d["energy_per_row_pj"] is not None:
            console.print(f"energy a row: {_joules(d['energy_per_row_pj'])}")
        if not d["timed"]:
            console.print("the source has no clock: give --sample-rate to see deadlines, power and battery life")
            return
        if d["rows_per_second"] is not None:
            console.print(
                f"rows come at {d['rows_per_second']:,.4g} a second; the processor is busy {d['busy_percent']:.3g} % of the time"
            )
        verdict = "it keeps up" if d["keeps_up"] else "it does not keep up"
        console.print(
            f"{verdict}: {d['dropped']:,} rows dropped, {d['late']:,} late"
            + (f" (deadline {_seconds(d['deadline_s'])})" if d["deadline_s"] is not None else "")
            + f", longest answer {_seconds(d['longest_response_s'])}"
        )
        if d["average_power_uw"] is not None:
            idle = "idle power not known, none counted" if d["idle_uw"] is None else f"{d['idle_uw']:.3g} uW of it idle"
            console.print(f"average power {d['average_power_uw']:,.4g} uW ({idle})")
            console.print(
                f"battery of {d['battery_j']:,.0f} J lasts {_days(d['battery_days'])}; sensor and radio are not counted"
            )
        else:
            console.print(
                f"{d['processor']} has no sourced energy of a cycle: give energy_per_cycle in its file to see power"
            )


def _learning(run: StreamRun) -> dict[str, Any]:
    """Say how many rows were learned, and what the others would have taken."""
    counts, labelled = run.counts, run.learner.counters
    learned = counts["learned"]
    held_back = counts["gated"] + counts["over_budget"] + counts["waited"]
    saved = None
    if run.rates.energy_pj is not None and learned:
        forward = labelled.only(("samples", "input_events", "gated_samples", "gated_events"))
        update_pj = float((run.rates.energy_pj[0] * (labelled.table - forward.table)).sum()) / learned
        spent = run.rates.total(run.rates.energy_pj, labelled, run.learner.inference_counters)
        saved = 100 * held_back * update_pj / (spent + held_back * update_pj)
    never = int((run.waiting_labels >= 0).sum())
    return {
        "labels_told": run.told,
        "learned": learned,
        "learned_percent": _six(100 * learned / max(run.n_rows, 1)),
        "gated": counts["gated"],
        "over_budget": counts["over_budget"],
        "waited": counts["waited"],
        "without_label": run.n_rows - run.told,
        "label_never_came": never,
        "energy_saved_percent": None if saved is None else _six(saved),
    }


def _device(run: StreamRun) -> dict[str, Any]:
    """Say whether the processor keeps up, and what it draws."""
    clock, hz = run.device.clock, run.rates.clock_hz
    counters = (run.learner.counters, run.learner.inference_counters)
    done = max(run.n_rows - run.score.n_dropped, 1)
    busy_s = run.rates.total(run.rates.cycles, *counters) / hz
    energy_pj = None if run.rates.energy_pj is None else run.rates.total(run.rates.energy_pj, *counters)
    timed = run.timing.timed
    elapsed_s = max(run.elapsed_s, busy_s) if timed else None
    power = None
    if elapsed_s and energy_pj is not None:
        power = energy_pj * 1e-6 / elapsed_s + (run.rates.idle_uw or 0.0) * (1 - busy_s / elapsed_s)
    in_time = clock[t.ADMITTED] if timed else 0
    return {
        "processor": run.processor.name,
        "clock_hz": hz,
        "timed": timed,
        "rows_per_second": None if run.period_s is None else _six(1 / run.period_s),
        "deadline_s": run.timing.deadline_s if timed else None,
        "queue": run.config.queue if timed else None,
        "mean_busy_s": _six(busy_s / done),
        "most_rows_per_second": _six(done / busy_s) if busy_s else None,
        "busy_percent": _six(100 * busy_s / elapsed_s) if elapsed_s else None,
        "dropped": run.score.n_dropped,
        "late": run.counts["late"],
        "keeps_up": timed and run.score.n_dropped == 0 and run.counts["late"] == 0,
        "mean_response_s": _six(clock[t.RESPONSES] / in_time / hz / TICKS_PER_CYCLE) if in_time else None,
        "longest_response_s": _six(clock[t.LONGEST] / hz / TICKS_PER_CYCLE) if in_time else None,
        "energy_per_row_pj": None if energy_pj is None else _six(energy_pj / done),
        "energy_unit_pj": run.energy_unit_pj,
        "idle_uw": None if run.rates.idle_uw is None else _six(run.rates.idle_uw),
        "average_power_uw": None if power is None else _six(power),
        "battery_j": run.timing.joules,
        "battery_days": _six(run.timing.joules / (power * 1e-6) / SECONDS_PER_DAY) if power else None,
    }


def _label_buffers(run: StreamRun) -> list[dict[str, Any]]:
    """Name the inputs that wait for late labels."""
    delay, front = run.config.label_delay, run.front_end.spec
    if delay == 0:
        return []
    words = delay * front.n_inputs
    return [
        {
            "layer": 1,
            "role": "input",
            "words": words,
            "word_bits": front.input_bits,
            "reason": f"labels come {delay} rows late",
            "bits": words * front.input_bits,
        }
    ]


def _six(value: float) -> float:
    """Six digits: enough to read, and the same on every machine."""
    return float(f"{float(value):.6g}")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else _scaled(value, ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")))


def _joules(picojoules: float) -> str:
    return _scaled(picojoules, ((1e12, "J"), (1e9, "mJ"), (1e6, "uJ"), (1e3, "nJ"), (1.0, "pJ")))


def _days(days: float) -> str:
    return f"{days / 365.25:,.3g} years" if days > 730 else _scaled(days, ((1.0, "days"), (1 / 24, "hours")))


def _scaled(value: float, units: tuple[tuple[float, str], ...]) -> str:
    factor, unit = next((pair for pair in units if abs(value) >= pair[0]), units[-1])
    shown = value / factor
    digits = max(0, 2 - int(math.floor(math.log10(abs(shown))))) if shown else 0
    return f"{np.round(shown, digits):,.{digits}f} {unit}"
