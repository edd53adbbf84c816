"""Rules and masks of layers as settings: texts, TOML tables, files, reports, studies, the estimator."""

from __future__ import annotations

import numpy as np
import pytest

from edgelearn.config import RunConfig, SpikingConfig, StreamConfig, as_fields, check_effect, make_config, read_toml
from edgelearn.errors import UserError
from edgelearn.estimators import EdgeClassifier
from edgelearn.reports.dataset import layers_of
from edgelearn.runs.registry import run
from edgelearn.studies.cell import Cell
from edgelearn.studies.plan import Plan, values_of
from tests.cli.runner import in_process

SMALL = {"data": "digits", "net": "64-12-8-10", "limit": 60, "epochs": 1}
TABLES = """
net = "64-12-8-10"
[[layer]]
rule = "dfa"
[[layer]]
rule = "drtp"
learn = "bias"
[[layer]]
"""


def of_file(tmp_path, text):
    path = tmp_path / "my.toml"
    path.write_text(text)
    return as_fields((RunConfig,), read_toml(path))


def test_tables_of_layers_are_the_texts_of_rule_and_learn(tmp_path):
    given = of_file(tmp_path, TABLES)
    assert given == {"net": "64-12-8-10", "rule": "dfa+drtp", "learn": "all+bias+all"}
    assert make_config(given) == make_config({"net": "64-12-8-10", "rule": "dfa, drtp", "learn": "all,bias,all"})
    assert of_file(tmp_path, 'rule = "bp"\n[[layer]]\nlearn = "none"\n[[layer]]\n') == {
        "rule": "bp",
        "learn": "none+all",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer = 3", r"setting 'layer' takes tables; write \[\[layer\]\]"),
        ('[[layer]]\nrule = "dfa"\n', "layer table 1 is the last and so that of the output layer"),
        ('[[layer]]\nrules = "dfa"\n[[layer]]\n', "setting of layer table 1 'rules' is not known"),
        ('[[layer]]\nrule = "dfa,bp"\n[[layer]]\n', "rule of layer table 1 is 'dfa,bp'; give one name"),
        ("[[layer]]\nlearn = 3\n[[layer]]\n", "learn of layer table 1 is 3; give one name"),
        ('rule = "bp"\n[[layer]]\nrule = "dfa"\n[[layer]]\n', "setting 'rule' is given twice, once in a layer table"),
        ('[[layer]]\nrule = "dfa"\n[[layer]]\n[[layer]]\n', "layer table 2 has no rule, but others have"),
    ],
)
def test_tables_that_cannot_be(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        of_file(tmp_path, text)


def test_a_mask_that_is_not_asked_for_is_in_no_file():
    plain = make_config(SMALL)
    assert "learn" not in plain.model_dump(mode="json")
    assert "learn" not in plain.to_toml()
    assert Cell.of("run", SMALL).id == Cell.of("run", SMALL | {"learn": "all"}).id
    masked = make_config(SMALL | {"learn": "last"})
    assert make_config(masked.model_dump()) == masked
    assert 'learn = "last"' in masked.to_toml()
    assert Cell.of("run", SMALL).id != Cell.of("run", SMALL | {"learn": "last"}).id


def test_settings_have_an_effect_if_any_layer_takes_them():
    check_effect(make_config({"rule": "shallow+dfa", "feedback": "lfsr"}), ["feedback"], {})
    with pytest.raises(UserError, match=r"setting 'feedback' .* has no effect with --rule bp\+shallow"):
        check_effect(make_config({"rule": "bp+shallow", "feedback": "lfsr"}), ["feedback"], {})


def test_values_of_a_grid_are_divided_by_commas_and_layers_by_plus_signs():
    assert values_of("run", "rule", "dfa+drtp,bp") == ["dfa+drtp", "bp"]
    assert values_of("stream", "learn", "all,none+all+all") == ["all", "none+all+all"]
    plan = Plan.of({"settings": SMALL, "axes": {"rule": ["dfa+drtp", "bp"], "learn": ["all", "last2"]}})
    assert len(list(plan.cells())) == 4


def test_reports_say_rule_and_locking_of_each_layer():
    content = run(make_config(SMALL | {"rule": "dfa+drtp", "learn": "bias,all,all"})).content
    network = content["network"]
    assert (network["rule"], network["locking"], network["learn"]) == ("dfa+drtp", "update", "bias+all+all")
    assert [layer.get("locking") for layer in network["layers"]] == ["update", "none", None]
    assert layers_of(network) == [
        "layer 1: dfa, biases only, locking update; layer 2: drtp, locking none; layer 3 (output): own error"
    ]
    assert [block["role"] for block in content["buffers"]] == ["gate", "error"]
    assert layers_of(run(make_config(SMALL | {"rule": "dfa"})).content["network"]) == []


def test_rules_of_frozen_layers_are_a_note():
    notes = run(make_config(SMALL | {"rule": "dfa", "learn": "last2"})).content["notes"]
    assert "rules and hidden rates have no effect in frozen layers: dfa of layer 1" in notes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--net", "64-8-10", "--rule", "dfa,drtp"], "names 2 hidden layers, but the network has 1"),
        (["run", "--net", "64-8-10", "--learn", "last3"], "asks for 3 layers, but the network has 2"),
        (["stream", "--hidden", "8", "--learn", "some"], "learn 'some' is not known; give all, last, last2"),
        (["run", "--spiking", "--rule", "dfa,drtp"], "rule 'dfa,drtp' is one per layer, and spiking networks take one"),
        (["run", "--spiking", "--learn", "last"], "--learn is for rate networks"),
    ],
)
def test_refusals_are_one_line(tmp_path, arguments, message):
    done = in_process(arguments, tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_estimator_takes_rules_and_masks(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (80, 4))
    y = (x[:, 0] > 0).astype(int)
    model = EdgeClassifier("dfa+drtp", hidden=(8, 6), learn="none+all+all").fit(x, y)
    assert [(layer.rule.name, layer.learned) for layer in model.spec_.layers[:-1]] == [
        ("shallow", "none"),
        ("drtp", "all"),
    ]
    model.save(tmp_path / "model.npz")
    loaded = EdgeClassifier.load(tmp_path / "model.npz")
    assert loaded.learn == "none+all+all"
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))


def test_streams_and_spiking_networks_have_the_settings_they_take():
    assert StreamConfig.model_fields["learn"].default == "all"
    assert "learn" not in SpikingConfig.model_fields
