"""Spiking runs inside one process: data in every code, files, resuming, cost, figure."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgelearn.config import SpikingConfig, read_toml, validated
from edgelearn.errors import UserError
from edgelearn.rules import Backend, rules_for
from edgelearn.runs.checkpoint import Interrupted
from edgelearn.runs.finished import costs_of_runs
from edgelearn.runs.spiking import network_of
from edgelearn.runs.spiking import run as run_spiking
from edgelearn.runs.spiking_data import open_spiking_data
from edgelearn.spiking.learner import SpikingLearner
from edgelearn.spiking.network import design
from tests.tools import missing

SMALL = {"net": "64-8-10", "epochs": 2, "limit": 60}


def config(**changes):
    return validated(SpikingConfig, SMALL | changes)


def write_series(path, n=400):
    """A sensor of two channels that goes up in class a and down in class b, in turns of 10 samples."""
    rows, value = ["x,y,label"], 0.0
    for k in range(n):
        up = k // 10 % 2 == 0
        value += 1.0 if up else -1.0
        rows.append(f"{value},{-value},{'a' if up else 'b'}")
    path.write_text("\n".join(rows) + "\n")


def write_events(path, n=40):
    """Class 0 has events of the first addresses, class 1 of the last."""
    rng = np.random.default_rng(0)
    rows = ["sample,t,address,value,label"]
    for sample in range(n):
        label = sample % 2
        for t in np.sort(rng.integers(0, 20_000, 30)):
            rows.append(f"{sample},{t},{rng.integers(0, 4) + 4 * label},{rng.integers(0, 2)},{label}")
    path.write_text("\n".join(rows) + "\n")


def test_a_report_holds_what_was_counted(tmp_path):
    found = run_spiking(config(), tmp_path / "out")
    content = json.loads((tmp_path / "out/report.json").read_text())
    assert content == json.loads(found.result.to_json())
    assert content["result"]["samples_learned"] == 120
    assert len(content["result"]["test_accuracy_percent_by_epoch"]) == 2
    rows = content["populations"]
    assert rows[0]["spikes"] * 8 == pytest.approx(rows[1]["synaptic_operations"], abs=8)
    assert rows[1]["weight_write"] > 0
    words = np.load(tmp_path / "out/weights.npz")
    assert (words["weights"] == found.learner.weights).all()
    assert (found.learner.weights != found.first.weights).any()


def test_settings_survive_toml(tmp_path):
    one = config(step_time="5 ms", neuron="alif", threshold=100)
    (tmp_path / "c.toml").write_text(one.to_toml())
    assert validated(SpikingConfig, read_toml(tmp_path / "c.toml")) == one


@pytest.mark.parametrize("after", [1, 2, 3])
def test_an_interrupted_run_ends_with_the_same_bytes(tmp_path, monkeypatch, after):
    monkeypatch.setattr("edgelearn.spiking.training.BLOCK", 25)
    whole = run_spiking(config(rule="dfa"), tmp_path / "whole")
    import os
    import signal

    seen = 0

    def stop(work):
        nonlocal seen
        seen += 1
        if seen == after:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        run_spiking(config(rule="dfa"), tmp_path / "cut", on_progress=stop)
    assert (tmp_path / "cut/checkpoint.npz").exists()
    run_spiking(config(rule="dfa"), tmp_path / "cut", resume=True)
    for name in ("report.json", "weights.npz", "config.toml"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    again = run_spiking(config(rule="dfa"), tmp_path / "cut", resume=True)  # of a run that has ended
    assert (again.learner.weights == whole.learner.weights).all()
    with pytest.raises(UserError, match="another configuration"):
        run_spiking(config(rule="drtp"), tmp_path / "cut")


@pytest.mark.parametrize("rule", rules_for(Backend.SPIKING))
def test_what_a_core_prices(rule):
    found = run_spiking(config(rule=rule, processor="odin-like"))
    cost = found.result.content["cost"]
    training, inference = cost["training"], cost["inference"]
    learner = found.learner
    operations = learner.counted("synaptic_operations") / 120
    assert training["synaptic_operations"] == pytest.approx(operations, rel=1e-5)
    forward = operations * 12.7 + learner.counted("neuron_updates") / 120 * 12.7
    learning = (learner.counted("synaptic_updates") + learner.counted("feedback_read")) / 120 * 12.7
    assert training["energy_pj"]["nominal"] == pytest.approx(forward + learning, rel=1e-5)
    assert training["energy_pj"]["low"] < training["energy_pj"]["nominal"] < training["energy_pj"]["high"]
    assert training["energy_pj_per_synaptic_operation"]["low"] > 12.7
    assert inference["energy_pj_by_role"].keys() == {"forward pass"}
    feedback = {"drtp": 8 * 10 * 8, "dfa": 8 * 10 * 8, "sdfa": 8 * 10 * 8, "shallow": 0}[rule]
    assert training["memory_bits"].get("feedback", 0) == feedback
    assert training["memory_bits"]["forward weights"] == (64 * 8 + 8 * 10) * 8
    assert "feedback" not in inference["memory_bits"]


def test_a_processor_without_synaptic_operations_is_refused():
    with pytest.raises(UserError, match="take loihi-like, odin-like, reckon-like"):
        run_spiking(config(processor="cortex-m4"))


def test_a_spiking_run_is_priced_in_its_report(tmp_path):
    run_spiking(config(), tmp_path / "out")
    with pytest.raises(UserError, match="is of a spiking network"):
        costs_of_runs([tmp_path / "out"], "loihi-like")


def test_no_epochs_only_test():
    found = run_spiking(config(epochs=0))
    assert found.result.content["result"]["samples_learned"] == 0
    assert found.result.content["cost"]["training"] is None
    assert (found.learner.weights == found.first.weights).all()


@pytest.mark.parametrize("code", ["rate", "latency"])
def test_codes_of_values(code):
    shown = open_spiking_data(config(code=code))
    spikes = shown.train.spikes(np.arange(5), 32, np.random.default_rng(0))
    assert spikes.shape == (5, 32, 64)
    assert (spikes.sum(1).max() == 1) == (code == "latency")


def test_windows_of_a_sensor(tmp_path):
    write_series(tmp_path / "s.csv")
    delta = config(data=str(tmp_path / "s.csv"), net=None, code="delta", window=10, limit=None, epochs=30)
    shown = open_spiking_data(delta)
    assert (shown.code, shown.train.n_inputs, shown.presentation.steps) == ("delta", 4, 10)
    assert len(shown.train.labels) + len(shown.test.labels) == 40
    assert run_spiking(delta).result.content["result"]["accuracy"] == 1.0
    overlapping = open_spiking_data(delta.model_copy(update={"stride": 5}))
    n = len(overlapping.train.labels) + len(overlapping.test.labels)
    assert n < 79  # windows that share samples with a tested one are not learned
    rate = open_spiking_data(delta.model_copy(update={"code": None, "stride": 5}))
    assert rate.train.n_inputs == 20
    assert rate.train.x.min() == 0
    assert rate.train.x.max() == 1


def test_whole_recordings_are_held_out(tmp_path):
    folder = tmp_path / "recordings"
    folder.mkdir()
    for k in range(6):
        write_series(folder / f"{k}.csv", 100)
    shown = open_spiking_data(
        config(data=str(folder), net=None, code="delta", window=10, limit=None, test_fraction=0.3)
    )
    assert len(shown.test.labels) == 20  # two of six
    assert len(shown.train.labels) == 40


def test_own_events(tmp_path):
    write_events(tmp_path / "e.csv")
    own = config(data=str(tmp_path / "e.csv"), net=None, steps=20, step_time="1 ms", limit=None, epochs=10, rule="dfa")
    found = run_spiking(own)
    assert found.result.content["data"]["code"] == "events"
    assert found.result.content["data"]["inputs"] == 16
    assert found.result.content["result"]["accuracy"] > 0.9


def test_event_camera_digits():
    try:
        shown = open_spiking_data(SpikingConfig(data="nmnist-small"))
    except UserError as error:
        assert "was not found" in str(error)
        missing("nmnist_small.npz is missing; name its folder in the variable EDGELEARN_DATA")
    assert (shown.train.n_inputs, len(shown.train.labels), len(shown.test.labels)) == (2312, 1000, 100)
    spikes = shown.train.spikes(np.arange(20), 30, np.random.default_rng(0))
    assert 60 < spikes.sum(2).mean() < 120  # inputs with events in 10 ms
    spec = network_of(SpikingConfig(data="nmnist-small"), shown)
    assert 5 < spec.synapses[0].spread < 12  # less than the 20 of digits, since more arrives


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"code": "phase"}, "code 'phase' is not known"),
        ({"code": "events"}, "data 'digits' are no events"),
        ({"code": "delta"}, "'digits' is no sensor stream"),
        ({"data": "drift"}, "'drift' is cut into windows of a sensor stream; give --window 32"),
        ({"first_label": 31}, "first_label is 31; of 32 steps it may be 0 to 30: a label acts a step later"),
        ({"steps": 1}, "steps is 1; a label acts in the step after it"),
        ({"delay": 32}, "delay is 32; a sample has 32 steps"),
        ({"stride": 4}, "give --window too"),
        ({"delta": 4}, "give --code delta"),
        ({"step_time": "5 ms"}, "step_time is for address events"),
        ({"net": "64-10", "threshold": 9}, "threshold is of hidden neurons, and net '64-10' has none"),
        ({"net": "32-8-10"}, "net '32-8-10' does not fit digits: 64 inputs and 10 classes; try --net 64-8-10"),
        ({"rule": "bp"}, "rule 'bp' is not for spiking networks; take dfa, sdfa, drtp, shallow"),
        ({"rounding": "residual"}, "rounding 'residual' is not known"),
        ({"neuron": "hh"}, "model 'hh' is not known"),
        ({"bits": 20}, "setting 'bits' = 20 is not allowed; give a whole number, 2 to 16"),
        ({"delay": 65, "steps": 90}, "setting 'delay' = 65 is not allowed; give a whole number, 1 to 64"),
        ({"data": "no-such"}, "data set 'no-such' is not known"),
        ({"start": "net.nir", "net": None, "neuron": "if"}, "neuron is in the graph net.nir; leave it out"),
    ],
)
def test_what_cannot_be_is_refused(changes, text):
    with pytest.raises(UserError, match=text):
        run_spiking(config(**changes))


def test_events_take_no_settings_of_values(tmp_path):
    write_events(tmp_path / "e.csv")
    for changes, text in (
        ({"code": "rate"}, "are events already"),
        ({"window": 4}, "window is not for address events"),
        ({"label_from": r"(\w+)\.csv"}, "label_from is not for address events"),
        ({"labels": "y.csv"}, "labels is not for address events"),
        ({"step_time": "5"}, "setting 'step_time': '5' is not a time"),
    ):
        with pytest.raises(UserError, match=text):
            open_spiking_data(config(data=str(tmp_path / "e.csv"), net=None, **changes))


def test_a_graph_goes_out_and_comes_in(tmp_path):
    try:
        from edgelearn.spiking.nir_graph import export_nir

        found = run_spiking(config())
        export_nir(found.learner, tmp_path / "net.nir")
    except UserError as error:
        missing(str(error))
    start = str(tmp_path / "net.nir")
    again = run_spiking(config(net=None, start=start, epochs=0))
    assert again.result.content["result"]["accuracy"] == found.result.content["result"]["accuracy"]
    for changes, text in (({"rule": "dfa"}, "is of rule drtp; give --rule drtp"), ({"bits": 4}, "is of bits 8")):
        with pytest.raises(UserError, match=text):
            run_spiking(config(net=None, start=start, **changes))
    assert run_spiking(config(net=None, start=start, epochs=0, rule="DRTP")).learner.spec == found.learner.spec
    learns = run_spiking(config(net=None, start=start, rounding="nearest", hidden_shift=9, refractory=3, epochs=1))
    spec = learns.learner.spec
    assert (spec.rounding, spec.synapses[0].shift, spec.neurons[0].refractory) == ("nearest", 9, 3)
    assert spec.synapses[1] == found.learner.spec.synapses[1]
    (tmp_path / "net.json").unlink()
    alone = run_spiking(config(net=None, start=start, epochs=0, bits=3)).result.content
    assert "weights rounded to 3 bits" in alone["notes"][0]  # what has been lost
    assert alone["network"]["bits"] == 3


def test_time_constants_of_a_graph_are_those_of_the_steps(tmp_path):
    try:
        import nir

        from edgelearn.spiking.nir_graph import export_nir
    except ImportError:
        missing('nir is not installed: pip install "edgelearn[nir]"')
    write_events(tmp_path / "e.csv")
    own = config(data=str(tmp_path / "e.csv"), net=None, steps=20, step_time="5 ms", limit=None, epochs=0)
    found = run_spiking(own)
    assert found.data.step_s == 0.005
    export_nir(found.learner, tmp_path / "net.nir", found.data.step_s)
    (tmp_path / "net.json").unlink()
    assert nir.read(tmp_path / "net.nir").nodes["neurons_1"].tau[0] == pytest.approx(16 * 0.005)
    again = run_spiking(own.model_copy(update={"start": str(tmp_path / "net.nir")}))
    assert again.learner.spec.neurons[0].leak == 4


def test_a_run_goes_on_only_with_the_network_it_began_with(tmp_path, monkeypatch):
    try:
        from edgelearn.spiking.nir_graph import export_nir

        export_nir(SpikingLearner(design((64, 8, 10))), tmp_path / "net.nir")
    except UserError as error:
        missing(str(error))
    monkeypatch.setattr("edgelearn.spiking.training.BLOCK", 25)
    started = config(net=None, start=str(tmp_path / "net.nir"))
    import os
    import signal

    with pytest.raises(Interrupted):
        run_spiking(started, tmp_path / "out", on_progress=lambda *_: os.kill(os.getpid(), signal.SIGINT))
    export_nir(SpikingLearner(design((64, 8, 10), seed=5)), tmp_path / "net.nir")
    with pytest.raises(UserError, match="was made with other network"):
        run_spiking(started, tmp_path / "out", resume=True)


def test_a_finished_run_gives_its_learner_back(tmp_path):
    found = run_spiking(config(), tmp_path / "out")
    again = run_spiking(config(), tmp_path / "out", resume=True)
    for name in ("weights", "feedback", "net"):
        assert (getattr(again.learner, name) == getattr(found.learner, name)).all(), name


def test_a_folder_of_the_other_kind_of_network(tmp_path):
    from edgelearn.config import make_config
    from edgelearn.runs.registry import run

    rate = make_config({"net": "64-4-10", "epochs": 1, "limit": 40})
    run(rate, tmp_path)
    with pytest.raises(UserError, match="another kind; give another --out, or --overwrite"):
        run_spiking(config(), tmp_path)
    run_spiking(config(), tmp_path, overwrite=True)
    with pytest.raises(UserError, match="a run of another kind"):
        run(rate, tmp_path)
    run(rate, tmp_path, overwrite=True)
    assert "spiking" not in json.loads((tmp_path / "report.json").read_text())["config"]


def test_windows_of_one_class_are_refused(tmp_path):
    (tmp_path / "one.csv").write_text("x,label\n" + "1.0,a\n2.0,a\n" * 200)
    with pytest.raises(UserError, match="of 1 classes"):
        open_spiking_data(config(data=str(tmp_path / "one.csv"), net=None, window=10))
    write_series(tmp_path / "s.csv")
    with pytest.raises(UserError, match="leaves 0 windows"):
        open_spiking_data(config(data=str(tmp_path / "s.csv"), net=None, window=100, stride=1, test_fraction=0.9))


def test_events_after_the_last_step_are_told(tmp_path):
    write_events(tmp_path / "e.csv")
    shown = open_spiking_data(config(data=str(tmp_path / "e.csv"), net=None, steps=10, step_time="1 ms", limit=None))
    assert "of the events come after the 10 steps" in shown.notes[0]


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_figure(tmp_path, suffix):
    pytest.importorskip("matplotlib")
    found = run_spiking(config(net="64-8-6-10"))
    for name in "ab":
        found.plot(tmp_path / f"{name}{suffix}")
    drawn = (tmp_path / f"a{suffix}").read_bytes()
    assert drawn == (tmp_path / f"b{suffix}").read_bytes()
    if suffix == ".svg":
        for text in ("inputs", "hidden 2", "first test sample", "before"):
            assert text in drawn.decode()


def test_fewer_bits_are_coarser_words_of_one_scale():
    """The sum of weights that arrives is alike at all widths, so thresholds fit."""
    spreads = []
    for bits in (4, 8, 12):
        learner = SpikingLearner(design((64, 64, 10), bits=bits))
        spreads.append(learner.weights_into(1).std() * 2.0 ** learner.spec.synapses[0].exponent)
    assert spreads == pytest.approx([20, 20, 20], rel=0.15)


def test_a_population_that_never_spikes_is_named():
    content = run_spiking(config(threshold=32767, epochs=0)).result.content
    assert content["notes"][0].startswith("NO SPIKE: no neuron of hidden population 1 spiked in any sample")
    assert not any("NO SPIKE" in note for note in run_spiking(config()).result.content["notes"])


def test_the_step_of_a_graph_may_be_given(tmp_path):
    try:
        import nir
    except ImportError:
        missing('nir is not installed: pip install "edgelearn[nir]"')
    weight = np.random.default_rng(0).normal(0, 0.3, (10, 64)).astype(np.float32)
    for name, r in (("said", 8.0), ("unsaid", 1.0)):
        neurons = nir.LIF(np.full(10, 4e-3), np.full(10, r), np.zeros(10), np.full(10, 0.5))
        ends = nir.Input(input_type={"input": np.array([64])}), nir.Output(output_type={"output": np.array([10])})
        nodes = {"in": ends[0], "w": nir.Affine(weight, np.full(10, 0.05)), "n": neurons, "out": ends[1]}
        nir.write(tmp_path / f"{name}.nir", nir.NIRGraph(nodes, [("in", "w"), ("w", "n"), ("n", "out")]))
    said = run_spiking(config(net=None, start=str(tmp_path / "said.nir"), epochs=0))
    assert said.learner.spec.neurons[0].leak == 3
    assert any("a step is 0.5 ms, tau / r" in note for note in said.result.content["notes"])
    stated = run_spiking(config(net=None, start=str(tmp_path / "unsaid.nir"), step_time="1 ms", epochs=0))
    assert stated.learner.spec.neurons[0].leak == 2
    assert not any("assumed" in note for note in stated.result.content["notes"])
    subtracts = run_spiking(config(net=None, start=str(tmp_path / "said.nir"), reset="subtract", epochs=0))
    assert subtracts.learner.spec.neurons[0].reset == "subtract"
    memory = [found.result.content["cost"]["inference"]["memory_bits"] for found in (said, subtracts)]
    assert memory[0]["forward weights"] == 640 * 8 + 10 * 16
    write_events(tmp_path / "e.csv")
    with pytest.raises(UserError, match="are not, and graphs"):
        open_spiking_data(config(step_time="1 ms"))


@pytest.mark.parametrize(
    ("scale", "message"), [(1e-3, "last 45 us or less, which is within one step of 10,000 us"), (1e-6, "samples")]
)
def test_times_in_other_units_are_no_step(tmp_path, scale, message):
    rows = [f"{k // 10},{round(5000 * scale * (k % 10))},{k % 3},{k % 2},{k // 10 % 2}" for k in range(200)]
    (tmp_path / "e.csv").write_text("sample,t,x,y,label\n" + "\n".join(rows))
    with pytest.raises(UserError, match=message):
        open_spiking_data(config(data=str(tmp_path / "e.csv"), net=None, limit=None))
    if scale == 1e-3:
        data = open_spiking_data(config(data=str(tmp_path / "e.csv"), net=None, limit=None, time_unit="ms"))
        assert data.train.t.max() == 45_000
        assert data.columns.time_unit == "ms"
