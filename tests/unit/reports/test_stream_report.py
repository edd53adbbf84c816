"""The report of a stream: every line it can print, and numbers that agree with each other and with the counters."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from edgelearn.config import StreamConfig
from edgelearn.data.sensor import DriftingSensor
from edgelearn.network.kernels import tables as t
from edgelearn.reports.console import make_console
from edgelearn.reports.stream import show
from edgelearn.runs.kind import Result
from edgelearn.runs.stream import StreamWork


def learn(n=500, source=None, kind="none", **settings):
    """Return a run that has learned a sensor, and its report."""
    source = source or DriftingSensor(kind, n, n_channels=3, n_classes=3)
    fixed = {"rule": "dfa", "hidden": "6", "processor": "cortex-m4", "encoder": "on-off", "input_bits": 4}
    settings = fixed | settings
    run = StreamWork(StreamConfig(**settings), source)
    for block in source.blocks():
        run.take(block)
    return run, Result(run.content())


def printed(report, width=110, speed=None, details=True):
    console = make_console(file=io.StringIO(), width=width)
    show(report.content, console, speed, details)
    return console.file.getvalue()


def changed(report, *path, **values):
    """Return the report with other values in one of its parts."""
    content = json.loads(report.to_json())
    part = content
    for key in path:
        part = part[key]
    part.update(values)
    return Result(content)


@pytest.fixture(scope="module")
def plain():
    return learn()


def test_a_plain_run_says_what_it_learned_and_whether_the_processor_keeps_up(plain):
    report = plain[1]
    text = printed(report, speed=1234.5)
    for part in (
        "dfa on sensor-none, 6-6-3: 8-bit view",
        "inputs: channel 1, channel 2, channel 3 (3); time: 50 Hz; label: class",
        "500 samples; on-off encoder, 4-bit inputs",
        "prequential accuracy ",
        "last 500 rows",
        "baselines: majority class ",
        "recall: class 1 ",
        "error over time  ",
        "inputs per row are not zero",
        "learned: 500 of 500 rows (100.0 %)",
        "on cortex-m4 at 80.0 MHz: ",
        "real-time: yes (0 dropped, 0 late); 50.0 rows/s, processor ",
        "deadline 20.0 ms, longest response",
        "3.60 uW of it idle",
        "a battery of 2,430 J lasts ",
    ):
        assert part in text
    for part in ("drift", "rejected", "held back", "scored:", "saved", "adwin"):
        assert part not in text
    assert json.loads(report.to_json()) == report.content


def test_lines_fit_the_screen(plain):
    for report in (plain[1], learn(kind="abrupt", detector="ddm", update_gate="error", accuracy_window=50)[1]):
        for width in (60, 80, 120):
            assert max(map(len, printed(report, width=width).splitlines())) <= width
            assert len(printed(report, width=width, details=False).splitlines()) <= 18 + 6 * (width < 80)


@pytest.mark.parametrize("processor", ["cortex-m4", "cortex-m0", "engine-28nm", "engine-45nm-dense"])
@pytest.mark.parametrize(
    "settings", [{}, {"update_gate": "margin"}, {"label_delay": 7}, {"label_fraction": 0.5}], ids=str
)
def test_energy_and_time_agree_with_the_counters(processor, settings):
    run, report = learn(300, processor=processor, **settings)
    c, d, rates = report.content, report.content["device"], run.rates
    counters = (run.learner.counters, run.learner.inference_counters)
    busy_s = rates.total(rates.cycles, *counters) / rates.clock_hz
    assert d["mean_busy_s"] * 300 == pytest.approx(busy_s, rel=1e-5)
    assert d["most_rows_per_second"] * d["mean_busy_s"] == pytest.approx(1, rel=1e-5)
    assert d["busy_percent"] == pytest.approx(100 * busy_s / 6.0, rel=1e-5)  # 300 samples at 50 Hz
    ticks = int(run.device.clock[t.BUSY_TICKS])
    assert ticks / 256 / rates.clock_hz == pytest.approx(busy_s, rel=1e-3)
    if processor == "cortex-m0":
        assert d["energy_per_row_pj"] is d["average_power_uw"] is d["battery_days"] is None
        assert c["learning"]["energy_saved_percent"] is None
        return
    total_pj = rates.total(rates.energy_pj, *counters)
    assert d["energy_per_row_pj"] * 300 == pytest.approx(total_pj, rel=1e-5)
    curve = c["result"]["curve"]
    assert sum(curve["sums"]["energy"]) * d["energy_unit_pj"] == pytest.approx(total_pj, rel=1e-6)
    active_uw = d["energy_per_row_pj"] / d["mean_busy_s"] * 1e-6
    idle_uw = d["idle_uw"] or 0.0
    assert idle_uw < d["average_power_uw"] < active_uw
    share = d["busy_percent"] / 100
    assert d["average_power_uw"] == pytest.approx(share * active_uw + (1 - share) * idle_uw, rel=1e-4)
    assert d["battery_days"] * 86_400 * d["average_power_uw"] * 1e-6 == pytest.approx(d["battery_j"], rel=1e-5)


@pytest.mark.parametrize(
    "settings", [{}, {"update_gate": "error"}, {"label_delay": 7}, {"label_fraction": 0.5}, {"warm_up": 40}], ids=str
)
def test_rows_add_up(settings):
    _, report = learn(300, **settings)
    c = report.content
    learning, result = c["learning"], c["result"]
    assert learning["labels_told"] + learning["without_label"] == c["stream"]["rows"] == 300
    held_back = sum(learning[key] for key in ("gated", "over_budget", "waited", "label_never_came"))
    assert learning["learned"] + held_back == learning["labels_told"]
    assert result["scored"] + result["warm_up"] + result["unlabelled"] + result["dropped"] == 300
    assert sum(result["curve"]["sums"]["updates"]) == learning["learned"]
    assert learning["learned_percent"] == pytest.approx(learning["learned"] / 3)


@pytest.mark.parametrize("processor", ["cortex-m4", "engine-28nm", "engine-45nm-dense", "loihi-like"])
def test_energy_saved_is_that_of_the_mean_update(processor):
    """Also where a processor works through every update, and pays for it with the sample."""
    run, report = learn(400, update_gate="margin", margin=8, processor=processor)
    learning, device = report.content["learning"], report.content["device"]
    assert learning["gated"] > 0
    labelled = run.learner.counters
    forward = labelled.only(("samples", "input_events", "open_gates"))  # gates are written in any case
    forward["gated_samples"][:], forward["gated_events"][:] = forward["samples"], forward["input_events"]
    spent = device["energy_per_row_pj"] * 400
    update = (spent - float((run.rates.energy_pj[0] * forward.table).sum())) / learning["learned"]
    assert update > 0
    saved = 100 * learning["gated"] * update / (spent + learning["gated"] * update)
    assert learning["energy_saved_percent"] == pytest.approx(saved, rel=1e-4)
    text = printed(report)
    assert f"{learning['gated']:,} held back by the update gate" in text
    assert f"which saved {saved:.1f} % of the energy" in text


def test_nothing_scored():
    assert "nothing could be scored: no row has both a prediction and a label" in printed(_unlabelled(learn(60)[1]))
    _, report = learn(60, warm_up=1000)
    text = printed(report)
    assert "nothing could be scored: no row after the warm-up has both" in text
    assert "accuracy" not in text
    assert "error over time" not in text
    assert "learned: 60 of 60 rows" in text


def _unlabelled(report):
    result = report.content["result"]
    nothing = {"accuracy": None, "warm_up": 0, "scored": 0}
    return changed(report, "result", **(result | nothing))


def test_no_labels_at_all():
    source = DriftingSensor("none", 120, n_channels=3, n_classes=3)
    blocks = list(source.blocks())
    for block in blocks:
        block.y[:] = -1
    source.blocks = lambda start=0: iter(blocks)
    _, report = learn(source=source)
    text = printed(report)
    assert "nothing could be scored" in text
    assert "learned: 0 of 120 rows (0.0 %)" in text
    assert "120 without a label" in text
    assert report.content["learning"]["energy_saved_percent"] is None


def test_no_row_at_all():
    _, report = learn(60, window=100)
    assert printed(report).splitlines()[1:] == [
        "inputs: channel 1, channel 2, channel 3 (3); time: 50 Hz; label: class",
        "60 samples in 0 rows of 100; on-off encoder, 4-bit inputs",
        "no row could be made: windows of 100 samples are longer than the stream",
    ]


def test_windows_warm_up_and_missing_labels_are_told():
    _, report = learn(400, window=4, stride=2, warm_up=20, label_delay=3)
    text = printed(report)
    assert "400 samples in 199 rows of 4; " in text
    assert "scored: 179 rows; not scored: 20 as warm-up" in text
    assert "3 whose label was still to come at the end" in text
    _, report = learn(300, label_fraction=0.5)
    assert f"{report.content['learning']['without_label']} without a label" in printed(report)


def test_rejects_are_told_whole():
    source = DriftingSensor("none", 100, n_channels=3, n_classes=3)
    source.rejects.add("not a number", "line 7: '[bold]1,x,a'" + "." * 200)
    source.rejects.add("not a number", "line 9")
    text = printed(learn(source=source)[1])
    assert "rejected: 2 not a number (first: line 7:\n  '[bold]1,x,a'" + "." * 200 + ")\n" in text


def test_many_classes_name_the_worst():
    _, report = learn(source=DriftingSensor("none", 300, n_channels=2, n_classes=50))
    (line,) = [line for line in printed(report).splitlines() if line.startswith("recall")]
    recall = [value for value in report.content["result"]["recall"] if value is not None]
    assert line.startswith(f"recall: lowest of {len(recall)} classes class ")
    assert line.count("%") == 5
    assert line.split(", ")[0].endswith(f"{100 * min(recall):.2f} %")


def test_drifts_and_detections():
    _, report = learn(900, kind="abrupt", accuracy_window=50, detector="none")
    text = printed(report)
    assert "2 known drifts; recovered is where 50 rows end with 95 % of the accuracy before (--accuracy-window)" in text
    assert "drift at sample 300: " in text
    assert "drift at sample 600: " in text
    drift = report.content["drift"]["recovery"]["drifts"][0]
    with_drift = {
        "after 40 samples (800 ms)": drift | {"recovery_samples": 40},
        "recovered at once": drift | {"recovery_samples": 0},
        "not recovered": drift | {"recovery_samples": None},
        "no row after it was scored": drift | {"scored": 0},
        "no row before it was scored, 25.00 % at the lowest after it": drift | {"before": None, "lowest": 0.25},
    }
    for part, row in with_drift.items():
        assert part in printed(changed(report, "drift", "recovery", drifts=[row]))
    later = changed(report, "drift", "recovery", drifts=[drift | {"at": 900}])
    assert "drift" not in printed(later)  # the stream was stopped before
    many = changed(report, "drift", "recovery", drifts=[drift | {"at": at} for at in range(50)])
    assert "drift at sample 7: " in printed(many)
    assert "drift at sample 8: " not in printed(many)
    assert "and 42 more, see report.json" in printed(many)
    back = [{"at": 600, "concept": 1, "before": 0.9, "after": None, "forgetting": None}]
    text = printed(changed(report, "drift", "recovery", returns=back))
    assert "concept 1 returns at sample 600: accuracy 90.00 % when it left, - when it is back" in text

    found = {"kind": "adwin", "n_detections": 9, "detections": list(range(10, 100, 10)), "missed": 1, "false_alarms": 8}
    found["drifts"] = [{"at": 300, "detected": 310, "delay": 10}, {"at": 600, "detected": None, "delay": None}]
    text = printed(changed(report, "drift", detector=found))
    assert "adwin: 9 detections, at samples 10, 20, 30, 40, 50, ...\n" in text
    assert "1 of 2 known drifts found, 8 false alarms" in text
    text = printed(changed(report, "drift", detector=found | {"n_detections": 0, "detections": [], "drifts": []}))
    assert "adwin: 0 detections\n" in text
    assert "known drifts found" not in text


class NoClock(DriftingSensor):
    """A sensor whose samples carry no time."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.rate_hz, self.has_clock = None, False

    def blocks(self, start=0):
        for block in super().blocks(start):
            block.t[:] = np.nan
            yield block


def test_no_clock():
    _, report = learn(source=NoClock("none", 100, n_channels=3, n_classes=3))
    text = printed(report)
    assert "so at most " in text
    assert " without idle time, so at most " in text
    assert "the source has no clock: give --sample-rate to see deadlines, power and battery life\n" in text
    for part in ("real-time", "deadline ", "battery of", "average power"):
        assert part not in text


def test_time_stamps_without_a_rate(plain):
    report = changed(plain[1], "device", rows_per_second=None, deadline_s=None)
    text = printed(report)
    assert "(0 dropped, 0 late), processor " in text
    assert "deadline" not in text


def test_a_processor_that_does_not_keep_up():
    _, report = learn(400, sample_rate="100 kHz", queue=2)
    d = report.content["device"]
    assert d["dropped"] > 0
    text = printed(report)
    assert f"real-time: no ({d['dropped']:,} dropped, {d['late']:,} late)" in text
    assert "deadline 10.0 us" in text
    assert f"{d['dropped']:,} dropped" in text
    assert d["busy_percent"] <= 100
    done = 400 - d["dropped"]
    assert report.content["result"]["scored"] == done
    assert report.content["learning"]["learned"] == done


def test_a_processor_without_energy_says_so(plain):
    _, report = learn(100, processor="cortex-m0")
    text = printed(report)
    assert "power is not known: no source gives the energy per cycle of cortex-m0" in text
    assert "idle time" not in text
    assert "battery" not in text
    assert "idle power is not known and not counted" in printed(changed(plain[1], "device", idle_uw=None))


def test_budget_and_battery():
    _, report = learn(400, energy_budget="1 uW", battery="100 mAh at 2 V")
    learning = report.content["learning"]
    assert learning["over_budget"] > 0
    text = printed(report)
    assert f"{learning['over_budget']:,} over the energy budget" in text
    assert "a battery of 720 J lasts " in text


def test_rows_that_waited_are_told():
    _, report = learn(400, sample_rate="100 kHz", queue=50, when_late="skip-update")
    waited = report.content["learning"]["waited"]
    assert waited > 0
    assert f"{waited:,} not learned because they waited for the processor" in printed(report)


def test_a_short_last_bin_does_not_end_the_curve_of_errors(plain):
    curve = plain[1].content["result"]["curve"]
    curve = curve | {"bin_samples": 10, "samples": [10] * 3 + [1], "scored": [10, 0, 10, 1], "errors": [5, 0, 1, 1]}
    assert "error over time  █▂  50.00 % -> 10.00 %" in printed(changed(plain[1], "result", curve=curve))
    curve |= {"samples": [10], "scored": [10], "errors": [5]}
    assert "error over time" not in printed(changed(plain[1], "result", curve=curve))
