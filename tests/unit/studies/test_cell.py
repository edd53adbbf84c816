"""Cells of studies: the record of each kind, its row, and its prices beside those of the run's own report."""

from __future__ import annotations

import json

import pytest

from edgelearn.config import RunConfig, SpikingConfig, StreamConfig, later_defaults, make_config, validated
from edgelearn.runs.dataset import KIND, DatasetWork, encode_data, load_data
from edgelearn.runs.kind import drive
from edgelearn.runs.registry import run
from edgelearn.runs.spiking import run as run_spiking
from edgelearn.runs.stream import run as stream
from edgelearn.studies.cell import PER_SAMPLE, PRICES, Cell, columns_of, failure, row_of, run_cell, settings_of
from hw_models.processor import names

SMALL = {
    "run": {"net": "64-8-10", "epochs": 1, "limit": 60, "rule": "dfa", "bits": 4},
    "stream": {"data": "drift", "limit": 300, "hidden": "8", "label_delay": 3},
    "spiking": {"net": "64-8-10", "epochs": 1, "limit": 10, "bits": 6},
}
PROCESSORS = {"run": ("engine-28nm", "cortex-m0"), "stream": ("engine-45nm",), "spiking": ("odin-like", "loihi-like")}


def report_of(kind):
    settings = SMALL[kind] | {"processor": PROCESSORS[kind][0]}
    if kind == "run":
        return run(make_config(settings)).content
    if kind == "stream":
        return stream(validated(StreamConfig, settings)).content
    return run_spiking(validated(SpikingConfig, settings)).result.content


@pytest.mark.parametrize("kind", SMALL)
def test_a_row_has_what_the_report_of_the_run_has(kind):
    settings = SMALL[kind] | ({"processor": PROCESSORS[kind][0]} if kind == "stream" else {})
    record = run_cell(Cell.of(kind, settings))
    assert (record["status"], record["error"]) == ("done", "")
    assert json.loads(json.dumps(record)) == record
    row, report = row_of(record, PROCESSORS[kind]), report_of(kind)
    columns = columns_of(kind, PROCESSORS[kind], later_defaults(settings_of(kind)))
    assert set(row) <= {column.name for column in columns}
    name = PROCESSORS[kind][0]
    if kind == "spiking":
        figures, inference = report["cost"]["training"], report["cost"]["inference"]["energy_pj"]["nominal"]
        energy, accuracy = figures["energy_pj"], 100 * report["result"]["accuracy"]
        assert row["stored_bits"] == sum(figures["memory_bits"].values()) == row[f"memory_bits@{name}"]
    else:
        costs = report["cost"]["rules"][0]
        figures, inference = costs["training"], costs["inference"]["energy_pj"]["nominal"]
        energy = figures["energy_pj"]
        assert row[f"area_um2@{name}"] == figures["area_um2"]["nominal"]
        assert row["stored_bits"] == sum(held["bits"] for held in report["held"])
        assert row["buffered_bits"] == sum(held["bits"] for held in report["buffers"])
        assert row["weight_reads"] == report["per_sample"]["words"]["weight"]["read"]
        assert row["update_macs"] == report["per_sample"]["operations"]["update_macs"]
        accuracy = 100 * (report["result"].get("accuracy") or 0) or 100 - report["result"]["test_error_percent"]
    assert row["accuracy_percent"] == pytest.approx(accuracy)
    found = [row[f"{key}@{name}"] for key in ("energy_low_pj", "energy_pj", "energy_high_pj", "inference_energy_pj")]
    assert found == [energy["low"], energy["nominal"], energy["high"], inference]
    assert row[f"latency_us@{name}"] == figures["latency_us"]


def test_the_columns_are_as_documented():
    names_of = [column.name for column in columns_of("run", ("cortex-m4",))]
    assert names_of[:5] == ["cell", "status", "error", "kind", "data"]
    start = names_of.index("accuracy_percent")
    later = later_defaults(RunConfig)
    assert names_of[4:start] == [name for name in RunConfig.model_fields if name != "processor" and name not in later]
    with_mask = [column.name for column in columns_of("run", ("cortex-m4",), ["learn"])]
    assert set(with_mask) - set(names_of) == {"learn"}
    counts = ["samples_learned", "saturations", "step_saturations", "overflows", *PER_SAMPLE]
    prices = [f"{price}@cortex-m4" for price in PRICES]
    assert names_of[start:] == ["accuracy_percent", *counts, "stored_bits", "buffered_bits", *prices]
    assert "processor" not in names_of
    assert "processor" in [column.name for column in columns_of("stream", ())]
    types = {column.name: column.type for column in columns_of("run", ("cortex-m4",))}
    assert (types["bits"], types["residual_bits"], types["classes"], types["strict"]) == ("int", "int", "text", "bool")


def test_a_processor_without_a_price_leaves_it_empty(tmp_path):
    record = run_cell(Cell.of("run", SMALL["run"]))
    row = row_of(record, ("cortex-m0",))
    assert "area_um2@cortex-m0" not in row
    assert row["cycles@cortex-m0"] > 0
    for name in names():
        assert row_of(record, (name,))[f"latency_us@{name}"] > 0
    record["sizes"] = [64, 600_000, 10]  # more than can be built
    assert not any(key.endswith("@loihi-like") for key in row_of(record, ("loihi-like",)))


def test_a_cell_that_fails_says_how_in_its_record():
    record = run_cell(Cell.of("run", SMALL["run"] | {"net": "63-8-10"}))
    assert record["status"] == "failed"
    assert record["error"].startswith("UserError: net '63-8-10' does not fit digits")
    row = row_of(record, ("engine-28nm",))
    assert (row["status"], row["net"], "accuracy_percent" in row) == ("failed", "63-8-10", False)
    assert failure(ValueError("two\nlines"))["error"] == "ValueError: two lines"


def test_an_untrained_spiking_network_has_no_price_of_learning():
    record = run_cell(Cell.of("spiking", SMALL["spiking"] | {"epochs": 0}))
    row = row_of(record, ("loihi-like",))
    assert row["samples_learned"] == 0
    assert row["weight_reads"] is None
    assert "energy_pj@loihi-like" not in row
    assert row["inference_energy_pj@loihi-like"] > 0


def test_levels_that_are_there_already_change_nothing():
    config = make_config(SMALL["run"])
    encoded = encode_data(config)
    shared = drive(KIND, config, open=lambda config, checkpoint: DatasetWork(config, encoded))
    assert shared == run(config)


def test_validation_samples_are_training_samples_that_are_not_learned():
    whole, held = (load_data(make_config({"validation_fraction": share})) for share in (None, 0.25))
    assert len(held.test_y) == round(0.25 * len(whole.train_y))
    assert len(held.train_y) + len(held.test_y) == len(whole.train_y)
    everything = {tuple(x) for x in whole.train_x}
    learned, tested = ({tuple(x) for x in part} for part in (held.train_x, held.test_x))
    assert learned | tested == everything
    assert len(learned & tested) <= len(whole.train_y) - len(everything)  # equal samples aside
    limited = load_data(make_config({"validation_fraction": 0.25, "limit": 10}))
    assert len(limited.train_y) == 10
    assert (limited.test_y == held.test_y).all()


def test_windows_of_a_stream_are_held_out_without_overlap():
    from edgelearn.runs.spiking_data import open_spiking_data

    settings = {"data": "drift", "window": 16, "stride": 8, "net": None}
    whole, held = (
        open_spiking_data(validated(SpikingConfig, settings | {"validation_fraction": share})) for share in (None, 0.25)
    )
    n_learned, n_tested = len(held.train.labels), len(held.test.labels)
    assert 0 < n_tested < n_learned < len(whole.train.labels)
    assert n_learned + n_tested <= len(whole.train.labels)
