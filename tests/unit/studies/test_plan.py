"""Plans of studies: grids, lists, seeds, TOML there and back, what is refused."""

from __future__ import annotations

import pickle
import tomllib

import pytest

from edgelearn.errors import UserError
from edgelearn.studies.cell import Cell
from edgelearn.studies.plan import Plan, read_plan, values_of

GRID = {
    "question": 'Which "rule"?',
    "settings": {"epochs": 2, "net": "64-8-10"},
    "axes": {"bits": [2, 4], "rule": ["drtp", "bp"]},
    "seeds": 2,
    "processors": ["engine-28nm", "cortex-m4"],
}


def test_cells_are_in_grid_order_seeds_fastest():
    cells = Plan.of(GRID).cells()
    found = [(cell.config["bits"], cell.config["rule"], cell.config["seed"]) for cell in cells]
    assert found == [(b, r, s) for b in (2, 4) for r in ("drtp", "bp") for s in (0, 1)]
    assert all(cell.config["epochs"] == 2 for cell in cells)


def test_cells_beside_the_grid_come_last_and_none_twice():
    listed = [{"bits": 8, "rule": "drtp"}, {"bits": 2, "rule": "bp"}, {"bits": 16, "rule": "bp", "seed": 9}]
    plan = Plan.of(GRID | {"cells": listed})
    found = [(cell.config["bits"], cell.config["seed"]) for cell in plan.cells()]
    assert found[8:] == [(8, 0), (8, 1), (16, 9)]
    assert plan.varied == ("bits", "rule")
    alone = Plan.of({"cells": listed, "seeds": [5]})
    assert [(cell.config["bits"], cell.config["seed"]) for cell in alone.cells()] == [(8, 5), (2, 5), (16, 9)]


def test_a_plan_of_nothing_is_one_cell_of_defaults():
    plan = Plan.of({})
    assert [cell.config["seed"] for cell in plan.cells()] == [0]
    assert plan.processors == ("engine-28nm",)
    assert Plan.of({"kind": "spiking"}).processors == ("loihi-like",)


@pytest.mark.parametrize(
    "given",
    [
        GRID,
        {"kind": "stream", "settings": {"fading": 0.5, "strict": True, "sample_rate": "50 Hz"}, "seeds": [3, 7]},
        {"kind": "spiking", "axes": {"rule": ["drtp", "dfa"]}, "tuning": {"hidden_shift": [8, 10], "rungs": 2}},
        {"axes": {"residual_bits": ["none", 2, 4]}, "cells": [{"classes": ["3", "8"]}, {}], "tuning": True},
    ],
)
def test_a_plan_survives_toml(given, tmp_path):
    plan = Plan.of(given)
    assert Plan.of(tomllib.loads(plan.to_toml())) == plan
    (tmp_path / "study.toml").write_text(plan.to_toml())
    assert read_plan(tmp_path / "study.toml") == plan


def test_none_leaves_out_what_may_be_left_out():
    plan = Plan.of({"axes": {"residual_bits": ["none", 4]}})
    assert [cell.config["residual_bits"] for cell in plan.cells()] == [None, 4]
    assert Plan.of({"kind": "stream", "settings": {"detector": "none"}}).settings == {"detector": "none"}


@pytest.mark.parametrize(("kind", "id_of_a_cell"), [("run", "830b2fce8512"), ("stream", "ae720e426ede")])
def test_cells_of_earlier_studies_are_recognised(kind, id_of_a_cell):
    """A new setting at its default, declared `later`, is no part of a cell."""
    assert Cell.of(kind, {"data": "digits"}).id == id_of_a_cell


def test_an_id_is_of_kind_and_settings_but_not_of_the_processor():
    one = Cell.of("run", {"bits": 4})
    assert len(one.id) == 12
    assert one.id == Cell.of("run", {"bits": 4, "processor": "cortex-m4"}).id == pickle.loads(pickle.dumps(one)).id
    assert len({one.id, Cell.of("run", {"bits": 5}).id, Cell.of("stream", {"bits": 4}).id}) == 3
    late = Cell.of("stream", {"processor": "cortex-m0"})  # what comes late is not learned
    assert late.id != Cell.of("stream", {}).id


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"bits": [2]}, r"key 'bits' is not known; .*; write 'bits' under \[settings\], or under \[axes\]"),
        ({"seed": 3}, "key 'seed' is not known"),
        ({"kind": "runs"}, "kind 'runs' is not known; known: run, spiking, stream. Did you mean 'run'"),
        ({"settings": {"bitz": 3}}, "setting 'bitz' is not known"),
        ({"settings": [3]}, "key 'settings' of a plan is .*; give a table"),
        ({"question": 3}, "key 'question' of a plan is 3; give a text"),
        ({"cells": [3]}, "a cell of a plan is 3; write its settings as a table"),
        ({"settings": {"bits": "8"}}, "setting 'bits' = '8' is not allowed"),
        ({"axes": {"bits": 8}}, "axis 'bits' is 8; give a list of values"),
        ({"axes": {"bits": []}}, "axis 'bits' is .*; give a list of values"),
        ({"axes": {"bits": [2, 2]}}, "axis 'bits' holds a value twice: 2, 2; give each once"),
        ({"axes": {"rule": ["drtp", "drpt"]}}, "rule 'drpt' is not known"),
        ({"axes": {"bits": [8, 99]}}, "setting 'bits' = 99 is not allowed; give a whole number, 2 to 16"),
        ({"settings": {"rule": "drpt"}}, "rule 'drpt' is not known"),
        ({"settings": {"net": "8"}}, "net '8'"),
        ({"settings": {"bits": 4}, "axes": {"bits": [2, 8]}}, "setting 'bits' is fixed and an axis; give it once"),
        ({"settings": {"seed": 4}}, "the seed of cells is given by seeds"),
        ({"settings": {"processor": "cortex-m4"}}, "setting 'processor' makes no cells"),
        ({"settings": {"data": "-"}}, "a study cannot read the standard input"),
        ({"seeds": 0}, "seeds 0 cannot be used; give how many"),
        ({"seeds": [1, 1]}, "seeds .* hold one twice"),
        ({"seeds": True}, "seeds True cannot be used"),
        ({"processors": "cortex-m4"}, "processors 'cortex-m4' cannot be used; give a list"),
        ({"processors": ["cortex-m9"]}, "processor 'cortex-m9' is not known"),
        ({"processors": ["cortex-m4", "cortex-m4"]}, "two processors are called 'cortex-m4'; give each once"),
        ({"kind": "spiking", "processors": ["cortex-m4"]}, "processor 'cortex-m4' has no synaptic operations"),
        ({"tuning": 3}, "tuning 3 cannot be used"),
        ({"tuning": {"rate": [3]}}, "setting of tuning 'rate' is not known"),
        ({"tuning": {"hidden_rate": -3}}, "setting 'hidden_rate' of tuning = -3 is not allowed; give a list"),
        ({"tuning": {"validation": 1.5}}, "setting 'validation' of tuning = 1.5 is not allowed"),
        ({"tuning": {"rungs": 1.5}}, "setting 'rungs' of tuning = 1.5 is not allowed"),
        ({"tuning": True, "axes": {"hidden_rate": [-3, -4]}}, "setting 'hidden_rate' is given and tuned"),
        ({"tuning": True, "settings": {"validation_fraction": 0.1}}, "'validation_fraction' is of tuning"),
    ],
)
def test_what_cannot_be_is_refused(given, text):
    with pytest.raises(UserError, match=text):
        Plan.of(given)


def test_a_combination_that_cannot_be_is_left_to_its_cell():
    plan = Plan.of({"axes": {"bits": [4, 16], "residual_bits": ["none", 4]}})
    assert len(plan.cells()) == 4


@pytest.mark.parametrize(
    ("key", "text", "values"),
    [
        ("bits", "2, 4,8", [2, 4, 8]),
        ("rule", "drtp,bp", ["drtp", "bp"]),
        ("test_fraction", "0.1,0.5", [0.1, 0.5]),
        ("strict", "true,False", [True, False]),
        ("residual_bits", "none,4", ["none", 4]),
        ("classes", "3,8", ["3,8"]),
        ("classes", "3,8;1,7", ["3,8", "1,7"]),
    ],
)
def test_values_are_read_by_the_type_of_their_setting(key, text, values):
    assert values_of("run", key, text) == values
    assert len(values_of("run", "rule", text, single=True)) == 1


def test_windows_in_samples_and_in_seconds_make_an_axis():
    assert values_of("stream", "window", "10, 2 s,1.5 s") == [10, "2 s", "1.5 s"]
    plan = Plan.of({"kind": "stream", "settings": {"stride": "500 ms"}, "axes": {"window": [10, "2 s"]}})
    assert [cell.config["window"] for cell in plan.cells()] == [10, "2 s"]
    with pytest.raises(UserError, match="value '2 q' of 'window' cannot be read; give a number of samples, or a dura"):
        values_of("stream", "window", "2 q")


@pytest.mark.parametrize(
    ("key", "text", "error"),
    [
        ("bits", "2,x", "value 'x' of 'bits' cannot be read; give a whole number"),
        ("strict", "yes", "value 'yes' of 'strict' cannot be read; give true or false"),
        ("rule", "bp,", "value '' of 'rule' cannot be read; give a text"),
        ("bitz", "2", "setting 'bitz' is not known"),
    ],
)
def test_values_that_cannot_be_read(key, text, error):
    with pytest.raises(UserError, match=error):
        values_of("run", key, text)
