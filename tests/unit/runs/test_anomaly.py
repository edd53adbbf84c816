"""Streams without labels: phases, labels that only judge, the same bytes however a run is cut, live input."""

from __future__ import annotations

import io
import os
import signal

import numpy as np
import pytest

from edgelearn.config import StreamConfig, validated
from edgelearn.data.lines import LineSource
from edgelearn.data.open_source import open_source
from edgelearn.data.recordings import Recording
from edgelearn.errors import UserError
from edgelearn.network.kernels import detector_tables as d
from edgelearn.runs.anomaly import AnomalyWork, hidden_for, network_of
from edgelearn.runs.checkpoint import Interrupted
from edgelearn.runs.phases import Anomalies, phases_of
from edgelearn.runs.stream import open_work, run

N = 1500


def pump(n=N, seed=0):
    """Return three channels of a turning shaft, and whether it shakes."""
    random = np.random.default_rng(seed)
    x = np.sin(np.arange(n) / 5)[:, None] * [1.0, 2.0, 0.5] + random.normal(0, 0.2, (n, 3))
    shakes = np.zeros(n, np.int64)
    shakes[900:960] = shakes[1200:1230] = 1
    return (x + 3 * shakes[:, None] * random.normal(0, 1, (n, 3))).astype(np.float32), shakes


def recording(labels=True, n=N):
    x, shakes = pump(n)
    names = ("normal", "anomaly") if labels else ()
    return Recording(x, shakes if labels else None, class_names=names, name="pump", source="test", rate_hz=50.0)


def csv(path, header="t,ax,ay,az,anomaly", labels=True, n=N):
    x, shakes = pump(n)
    lines = [f"{k * 0.02:.2f},{','.join(f'{v:.3f}' for v in row)}" for k, row in enumerate(x)]
    lines = [f"{line},{label}" for line, label in zip(lines, shakes, strict=True)] if labels else lines
    path.write_text("\n".join([header if labels else header.removesuffix(",anomaly"), *lines]) + "\n")
    return str(path)


def config_of(**settings):
    return validated(StreamConfig, {"task": "anomaly", "data": "pump"} | settings)


def judged(config, source):
    """Return the work of a stream at its end, and what became of all rows."""
    found = []
    work = AnomalyWork(config, source, lambda work, rows: found.append(rows))
    for block in work.chunks():
        work.advance(block)
    rows = {name: np.concatenate([getattr(one, name) for one in found]) for name in ("found", "learned", "labels")}
    return work, rows


def test_phases_follow_one_another_and_rows_are_learned_where_they_should():
    settings = {"calibrate_rows": 100, "train_rows": 300, "threshold_rows": 200}
    for learn_while in ("never", "always", "normal"):
        work, rows = judged(config_of(learn_while=learn_while, **settings), recording())
        phases, learned, alarms = rows["found"][:, d.ROW_PHASE], rows["learned"], rows["found"][:, d.ROW_ALARM] == 1
        assert np.bincount(phases).tolist() == [100, 300, 200, N - 600]
        assert (rows["found"][:100, :3] == 0).all()
        detecting = phases == d.DETECT
        expected = {"never": False, "always": True, "normal": ~alarms[detecting]}[learn_while]
        assert (learned[detecting] == expected).all()
        assert learned[phases == d.TRAIN].all()
        assert not learned[(phases == d.CALIBRATE) | (phases == d.THRESHOLD)].any()
        limits = rows["found"][detecting, d.ROW_LIMIT]
        assert (limits == limits[0]).all()
        assert limits[0] / 256 == work.detector.threshold
        assert (alarms[detecting] == (rows["found"][detecting, d.ROW_SMOOTHED] > limits)).all()
        content = work.content()
        assert [row["rows"] for row in content["phases"]] == [100, 300, 200, N - 600]
        assert content["phases"][d.DETECT]["learned"] == learned[detecting].sum()
        energies = [row["energy_pj"] for row in content["phases"]]
        assert energies[d.CALIBRATE] == 0
        assert energies[d.TRAIN] > energies[d.THRESHOLD] > 0
        assert content["result"]["alarm_rows"] == alarms.sum()


def test_anomalies_are_found_on_the_defaults():
    content = run(config_of(), source=recording()).content
    labels = content["result"]["labels"]
    assert labels["f1"] > 0.7
    assert labels["false_alarm_rate"] < 0.05
    assert labels["roc_area"] > 0.95
    assert labels["windows"] == {"n": 2, "detected": 2} | {
        key: labels["windows"][key] for key in ("mean_delay_rows", "mean_delay_s")
    }
    assert labels["windows"]["mean_delay_s"] == pytest.approx(labels["windows"]["mean_delay_rows"] / 50)
    assert content["network"]["sizes"] == [3, 2, 3]
    assert content["accuracy_percent"] is None


def test_labels_never_reach_the_learner():
    x, shakes = pump()
    with_labels, without = recording(), recording(labels=False)
    turned = Recording(x, 1 - shakes, class_names=("normal", "anomaly"), name="pump", source="test", rate_hz=50.0)
    works = [judged(config_of(), source) for source in (with_labels, without, turned)]
    first = works[0][0].words()[0]
    for work, rows in works[1:]:
        assert np.array_equal(rows["found"], works[0][1]["found"])
        assert all(np.array_equal(first[name], array) for name, array in work.words()[0].items())
    assert works[1][0].content()["result"]["labels"] is None
    assert works[0][0].content()["result"]["labels"]["f1"] != works[2][0].content()["result"]["labels"]["f1"]


def test_the_front_end_adapts_up_to_the_phase_that_is_named():
    settings = {"calibrate_rows": 100, "train_rows": 200, "threshold_rows": 100}
    for adapt_while, rows in (("calibrate", 100), ("train", 300), ("threshold", 400), ("always", N)):
        work, _ = judged(config_of(adapt_while=adapt_while, **settings), recording())
        assert work.front_end.state.seen.tolist() == [rows] * 3
    # and are those of the first rows, in words of the exponents of the whole stream
    ten = {"calibrate_rows": 10, "train_rows": 10, "threshold_rows": 10}
    work, _ = judged(config_of(adapt_while="calibrate", **settings), recording())
    alone, _ = judged(config_of(adapt_while="always", **ten), recording(n=100))
    scale = 2.0 ** (work.front_end.exponents - alone.front_end.exponents)
    assert np.allclose(work.front_end.state.mean * scale, alone.front_end.state.mean, atol=scale.max())


@pytest.mark.parametrize("at", [100, 350, 550, 900])
def test_a_run_that_is_interrupted_in_any_phase_continues_to_the_same_bytes(tmp_path, at):
    settings = {"calibrate_rows": 200, "train_rows": 300, "threshold_rows": 200, "learn_while": "normal"}
    settings |= {"threshold_follow": 6, "data": csv(tmp_path / "pump.csv")}
    config = config_of(**settings)

    def source():
        found = open_source(config.data)
        found._block_size = 50
        return found

    run(config, tmp_path / "whole", source=source())

    def interrupt(work):
        if work.n_rows >= at and not (tmp_path / "cut/report.json").exists():
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        run(config, tmp_path / "cut", on_progress=interrupt, source=source())
    run(config, tmp_path / "cut", resume=True, source=source())
    for name in ("report.json", "weights.npz", "config.toml"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_blocks_do_not_matter():
    x, shakes = pump()
    lines = "".join(f"{a:.3f},{b:.3f},{c:.3f},{k}\n" for (a, b, c), k in zip(x, shakes, strict=True))
    contents = []
    for size in (1, 64, 1024):
        source = LineSource(
            lambda: io.BytesIO(b"ax,ay,az,anomaly\n" + lines.encode()), name="pump", source="test", block_size=size
        )
        work, rows = judged(config_of(window=4, threshold="deviation", threshold_factor=12.0), source)
        contents.append((work.content(), rows["found"].tolist()))
    assert contents[0] == contents[1] == contents[2]


def test_live_input_has_phases_of_its_own_and_scores_every_line():
    x, shakes = pump()
    lines = ["ax,ay,az,anomaly", *(f"{a:.3f},{b:.3f},{c:.3f},{k}" for (a, b, c), k in zip(x, shakes, strict=True))]
    config = config_of(calibrate_rows=120, train_rows=150, threshold_rows=100)
    source = LineSource(
        io.BytesIO("\n".join([*lines, ""]).encode()), name="-", source="standard input", live=True, roles=roles(config)
    )
    work, rows = judged(config, source)
    assert len(rows["found"]) == N
    assert (rows["labels"] == shakes).all()
    assert work.content()["result"]["labels"]["roc_area"] > 0.9
    notes = phases_of(config_of(), LineSource(io.BytesIO(), name="-", source="-", live=True), 1, 1).notes
    assert notes[0].startswith(
        "phases assumed: calibrate 1,000 rows, train 500 rows, threshold 500 rows (the length of"
    )


def roles(config):
    from edgelearn.data.columns import roles_of

    return roles_of(config)


@pytest.mark.parametrize("header", ["t,ax,ay,az,anomaly", "t,ax,ay,az,label", "t,ax,ay,az,Class", "t,ax,ay,az,y"])
def test_a_label_column_is_found_by_its_name(tmp_path, header):
    work = open_work(config_of(data=csv(tmp_path / "a.csv", header)))
    assert work.source.channels == ("ax", "ay", "az")
    assert work.source.columns_used.label == header.split(",")[-1]


def test_without_a_label_column_all_columns_are_inputs_and_answers_are_left_out(tmp_path):
    assert open_work(config_of(data=csv(tmp_path / "a.csv", labels=False))).source.channels == ("ax", "ay", "az")
    x, shakes = pump(300)
    rows = [f"{a:.3f};{b:.3f};{k};{k}.0" for (a, b, _), k in zip(x, shakes, strict=True)]
    (tmp_path / "b.csv").write_text("\n".join(["ax;ay;changepoint;anomaly", *rows]))
    for label, used in ((None, "anomaly"), ("changepoint", "changepoint")):
        source = open_work(config_of(data=str(tmp_path / "b.csv"), label_column=label)).source
        assert (source.channels, source.columns_used.label) == (("ax", "ay"), used)
    (tmp_path / "c.jsonl").write_text("".join(f'{{"a": {v[0]:.3f}, "b": {v[1]:.3f}, "outlier": 0}}\n' for v in x))
    assert open_work(config_of(data=str(tmp_path / "c.jsonl"))).source.columns_used.label == "outlier"
    np.savez(tmp_path / "d.npz", X=x, anomaly=shakes)
    source = open_work(config_of(data=str(tmp_path / "d.npz"))).source
    assert (len(source.channels), source.columns_used.label) == (3, "anomaly")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"net": "3-2-4"}, "net '3-2-4' does not fit pump: 3 inputs behind the encoder are reconstructed"),
        ({"hidden": "many"}, "hidden 'many' cannot be read"),
        ({"update_gate": "error"}, "setting 'update_gate' (--update-gate) has no effect with --task anomaly"),
        ({"calibrate_rows": 1400, "train_rows": 200}, "the phases before detection take 1,660"),
        ({"threshold_rows": 0}, "--threshold-rows 0 leaves no score"),
        ({"calibrate_rows": 0, "adapt_while": "calibrate"}, "leaves the front end no row to adapt to"),
        ({"threshold_factor": 1.3}, "--threshold-factor 1.3 is no multiple of 1/16; give 1.3125"),
        ({"threshold": "deviation", "threshold_quantile": 0.5}, "(--threshold-quantile) has no effect with"),
        ({"normal_class": "fine"}, "class 'fine' is not known"),
        (
            {"adapt_while": "never"},
            "adapt while 'never' is not known; known: always, calibrate, threshold, train (--ad",
        ),
        (
            {"learn_while": "sometimes"},
            "learn while 'sometimes' is not known; known: always, never, normal (--learn-wh",
        ),
        ({"score": "cubed"}, "known: absolute, squared (--score)"),
        ({"threshold": "mean"}, "known: deviation, quantile (--threshold)"),
        ({"threshold_follow": 3}, "--threshold-follow 3 is out of range; give 0 for a fixed threshold, or 4 to 12"),
        ({"window": 99_999}, "pump has 1,500 samples and a window takes 99,999; give a smaller --window"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, words):
    with pytest.raises(UserError) as raised:
        AnomalyWork(config_of(**settings), recording())
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def recordings(normal_rows=0, sizes=(500, 400, 600), unlike=False):
    """Return recordings behind one another, each with a fault near its end; one channel has a level of its own."""
    x, y, segment = [], [], []
    for number, n in enumerate(sizes):
        part, _ = pump(n, seed=number)
        fault = (np.arange(n) >= n - 80) & (np.arange(n) < n - 20)
        x.append(part + fault[:, None] * np.float32(6) + np.float32(40 * number * unlike))
        y.append(fault.astype(np.int64))
        segment.append(np.full(n, number))
    return Recording(
        np.concatenate(x),
        np.concatenate(y),
        segment=np.concatenate(segment),
        class_names=("normal", "anomaly"),
        name="pumps",
        source="test",
        rate_hz=50.0,
        normal_rows=normal_rows,
    )


PHASES = {"calibrate_rows": 100, "train_rows": 60, "threshold_rows": 60}


def test_phases_restart_with_each_recording_as_if_it_were_alone():
    config = config_of(restart="recording", **PHASES)
    work, rows = judged(config, recordings(unlike=True))
    whole = recordings(unlike=True)
    x, y, segment = (np.concatenate([getattr(b, name) for b in whole.blocks()]) for name in ("x", "y", "segment"))
    alone = []
    for number in range(3):
        part = segment == number
        source = Recording(x[part], y[part], class_names=whole.class_names, name="one", source="test", rate_hz=50.0)
        alone.append(judged(config_of(**PHASES), source))
    assert np.array_equal(rows["found"], np.concatenate([found["found"] for _, found in alone]))
    assert (work.score.confusion == sum(one.score.confusion for one, _ in alone)).all()
    last = alone[-1][0].words()[0]
    counted = {"counts", "front_end.place", "detector.state"}
    for name, array in work.words()[0].items():
        assert name in counted or np.array_equal(last[name], array), name
    content = work.content()
    assert content["restarts"] == {"recordings": 3, "not_judged": 0}
    assert content["result"]["labels"]["windows"]["n"] == content["result"]["labels"]["windows"]["detected"] == 3
    assert content["result"]["labels"]["roc_area"] > 0.95
    assert any(
        note.startswith("network, front end and phases begin anew with each of 3 rec") for note in content["notes"]
    )


def test_recordings_that_are_learned_as_one_are_told_of():
    never, _ = judged(config_of(**PHASES), recordings(unlike=True))
    notes = never.content()["notes"]
    assert any("--restart recording begins anew with each" in note for note in notes)
    assert any("of the judged rows labelled as normal raise an alarm" in note for note in notes)
    work, _ = judged(config_of(restart="recording", **PHASES | {"calibrate_rows": 330}), recordings())
    assert work.content()["restarts"] == {"recordings": 3, "not_judged": 1}
    assert any("1 of them ended before detection" in note for note in work.content()["notes"])


def test_normal_rows_of_a_publisher_give_the_phases_of_each_recording():
    work, _ = judged(config_of(), recordings(normal_rows=200))
    assert work.recordings.restart
    assert work.phases.ends == (107, 147, 200)
    assert work.content()["phases"][d.DETECT]["rows"] == N - 600
    given = judged(config_of(train_rows=80), recordings(normal_rows=200))[0]
    assert (given.phases.train, given.phases.ends[-1]) == (80, 200)
    assert not judged(config_of(restart="never"), recordings(normal_rows=200))[0].recordings.restart
    assert not judged(config_of(), recordings(normal_rows=200, sizes=(900,)))[0].recordings.restart


@pytest.mark.parametrize("at", [450, 510, 700, 950])
def test_a_run_with_restarts_continues_to_the_same_bytes(tmp_path, at):
    config = config_of(restart="recording", learn_while="normal", data="pumps", **PHASES)

    def source():
        found = recordings()
        whole = found.blocks

        def blocks(start=0):
            for block in whole(start):
                for first in range(0, len(block), 70):
                    part = slice(first, first + 70)
                    yield type(block)(block.x[part], block.y[part], block.t[part], block.segment[part])

        found.blocks = blocks
        return found

    run(config, tmp_path / "whole", source=source())

    def interrupt(work):
        if work.n_rows >= at and not (tmp_path / "cut/checkpoint.npz").exists():
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        run(config, tmp_path / "cut", on_progress=interrupt, source=source())
    run(config, tmp_path / "cut", resume=True, source=source())
    for name in ("report.json", "weights.npz"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_an_input_that_was_constant_is_watched_and_named():
    x, _ = pump()
    x[:, 1], labels = 20.0, np.zeros(N, np.int64)
    x[1000:, 1], labels[1000:] = 20.5, 1
    for more in ({}, {"window": 4, "window_features": "statistics"}, {"adapt_while": "calibrate"}):
        source = Recording(x, labels, class_names=("normal", "anomaly"), name="pump", source="test")
        work, _ = judged(config_of(**PHASES, **more), source)
        content = work.content()
        assert content["result"]["labels"]["missing_alarm_rate"] < 0.05
        assert content["result"]["labels"]["false_alarm_rate"] < 0.2
        assert any(note.startswith("channel 2: constant in the ") for note in content["notes"])
    still = Recording(np.full((N, 2), 3.0), None, class_names=(), name="still", source="test")
    work, _ = judged(config_of(**PHASES), still)
    notes = work.content()["notes"]
    assert work.of_phases[:, 2].sum() == 0
    assert any(note.startswith("all inputs were constant in the 220 rows") for note in notes)
    assert any(note.startswith("the threshold is 0") for note in notes)
    late = np.full((N, 2), np.nan)
    late[:, 0], late[700:, 1] = x[:, 0], 1.0
    work, _ = judged(config_of(**PHASES), Recording(late, None, class_names=(), name="late", source="test"))
    told = "never watched, as no row that the front end adapted to has a value: channel 2"
    assert told in work.content()["notes"]


def test_what_makes_a_result_doubtful_is_noted():
    work, _ = judged(config_of(calibrate_rows=0, train_rows=0, threshold_rows=80, adapt_while="always"), recording())
    notes = work.content()["notes"]
    assert any(note.startswith("calibrate 0 rows: ") for note in notes)
    assert any(note.startswith("train 0 rows: ") for note in notes)
    x, y = pump()
    y[:], y[20:N:100] = 0, 1
    source = Recording(x[:, :2], y, class_names=("normal", "anomaly"), name="pump", source="test")
    notes = judged(config_of(**PHASES), source)[0].content()["notes"]
    for text in (
        "2 of the 220 rows before detection are labelled as anomalies, and pass as normal",
        "labelled anomalies last 1 row on average, and scores are smoothed over about 16; --score-smoothing 0",
        "scores do not tell labelled anomalies from normal rows (area under ROC 0.",
    ):
        assert any(note.startswith(text) for note in notes), text


def test_durations_are_rows_at_the_sample_rate_and_stride():
    config = config_of(calibrate_rows="2 s", train_rows="4 s", threshold_rows="4 s", window=4, stride=2)
    phases = phases_of(config, recording(), 4, 2)
    assert (phases.ends, phases.notes) == ((50, 150, 250), ())
    unclocked = Recording(pump()[0], None, class_names=(), name="pump", source="test")
    with pytest.raises(UserError, match="'calibrate_rows' = '2 s' needs a sample rate, and pump has none"):
        phases_of(config, unclocked, 4, 2)


def test_which_class_is_normal():
    def source(*names):
        labels = np.arange(60) % max(len(names), 1) if names else None
        return Recording(np.zeros((60, 2), np.float32), labels, class_names=names, name="s", source="test")

    assert Anomalies(None, source("0", "1")).of(np.array([0, 1, -1])).tolist() == [0, 1, -1]
    assert Anomalies(None, source("fault", "Normal", "leak")).of(np.array([0, 1, 2])).tolist() == [1, 0, 1]
    assert Anomalies("idle", source("fault", "idle")).of(np.array([0, 1])).tolist() == [1, 0]
    assert Anomalies(None, source()).of(np.array([-1])).tolist() == [-1]
    with pytest.raises(UserError, match="has the classes 'a', 'b', and which of them is normal is not known; give"):
        Anomalies(None, source("a", "b"))
    with pytest.raises(UserError, match="s has no labels, so that --normal-class has no effect"):
        Anomalies("a", source())


def test_hidden_layers_are_a_bottleneck():
    for n in (2, 3, 5, 8, 24, 300):
        assert 0 < hidden_for(n) < n
    assert network_of(config_of(), 1, recording()).sizes == (1, 1, 1)
    spec = network_of(config_of(hidden="5-2-5"), 3, recording())
    assert spec.sizes == (3, 5, 2, 5, 3)
