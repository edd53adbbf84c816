"""Rules and masks of layers: texts, the row each layer acts by, and what follows for words, locking and buffers."""

from __future__ import annotations

import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.network.storage import buffers, footprint
from edgelearn.network.teaching import learned_of, rules_of
from edgelearn.rules.rule import Locking

NET = (9, 8, 6, 4)


def rows_of(spec):
    return [(layer.rule.name, layer.learned) for layer in spec.layers[:-1]]


def test_one_rule_is_that_of_all_hidden_layers():
    assert design(NET, "dfa+dfa") == design(NET, "dfa")
    assert design(NET, "DFA, drtp") == design(NET, "dfa+drtp")
    assert not design(NET, "dfa").is_mixed
    assert design(NET, "dfa+drtp").rule_name == "dfa+drtp"


@pytest.mark.parametrize(
    ("text", "n_layers", "learned"),
    [
        ("all", 3, "all+all+all"),
        ("last", 3, "none+none+all"),
        ("last2", 3, "none+all+all"),
        ("last3", 3, "all+all+all"),
        ("bias", 3, "bias+bias+all"),
        ("bias,all, none", 3, "bias+all+none"),
        ("last", 1, "all"),
        ("bias", 1, "all"),
    ],
)
def test_masks(text, n_layers, learned):
    assert learned_of(text, n_layers) == tuple(learned.split("+"))


@pytest.mark.parametrize("text", ["last4", "last0", "first", "none", "all+all", "none+none+none", "last+all+all", "+"])
def test_masks_that_cannot_be(text):
    with pytest.raises(UserError, match=r"learn '.*' (asks|is|names|freezes)"):
        learned_of(text, 3)


@pytest.mark.parametrize(
    ("sizes", "rule", "learn"), [(NET, "shallow", "all+all+none"), ((9, 8, 4), "shallow", "bias+none")]
)
def test_a_network_that_learns_nothing_is_refused(sizes, rule, learn):
    with pytest.raises(UserError, match=rf"learn '{learn.replace('+', '.')}' freezes the output layer, and .*'{rule}'"):
        design(sizes, rule, learn=learn)
    assert design(sizes, "dfa", learn=learn).layers[0].learns


def test_a_wrong_number_of_rules_is_one_line():
    with pytest.raises(UserError, match="rule 'dfa\\+drtp\\+bp' names 3 hidden layers, but the network has 2") as error:
        rules_of("dfa+drtp+bp", 2)
    assert "\n" not in str(error.value)


def test_frozen_layers_act_by_the_frozen_rule():
    assert rows_of(design(NET, "dfa", learn="last")) == [("shallow", "none"), ("shallow", "none")]
    assert rows_of(design(NET, "bp", learn="last2")) == [("shallow", "none"), ("bp", "all")]
    assert rows_of(design(NET, "shallow+dfa")) == [("shallow", "none"), ("dfa", "all")]
    assert design(NET, "dfa", learn="last").rule.name == "shallow"


def test_frozen_layers_whose_d_is_taken_keep_their_rule():
    spec = design(NET, "bp+drtp", learn="all+none+all")
    assert rows_of(spec) == [("bp", "all"), ("drtp", "none")]
    assert (spec.sends_delta(1), spec.holds_deltas(1), spec.holds_inputs(1)) == (True, True, False)
    assert spec.layers[0].signal_shift == 7 + 7 - 12  # the scale of drtp's d, weights of 8 bits, the scale of bp's m
    with pytest.raises(UserError, match="rule 'bp' of layer 1 takes d of layer 2, whose rule 'shallow' forms none"):
        design(NET, "bp+shallow")


def test_every_layer_waits_by_its_own_rule():
    spec = design((9, 8, 7, 6, 4), "local+dfa+drtp")
    assert [spec.locking_of(k) for k in range(3)] == [Locking.LAYER, Locking.UPDATE, Locking.NONE]
    assert spec.locking is Locking.UPDATE
    assert [spec.holds_gates(k) for k in range(3)] == [True, True, False]
    with pytest.raises(UserError, match="hidden layers by different rules"):
        _ = spec.rule
    gated = design((9, 8, 7, 6, 4), "local+shallow+drtp", update_gate="error")
    assert [gated.locking_of(k) for k in range(3)] == [Locking.UPDATE, Locking.NONE, Locking.UPDATE]


def found(blocks):
    return [(block.layer, block.role, block.words, block.word_bits) for block in blocks]


def test_buffers_are_those_of_the_layers_that_wait():
    assert found(buffers(design(NET, "dfa+drtp"))) == [(1, "activation", 9, 4), (1, "gate", 8, 8), (3, "error", 4, 9)]
    assert found(buffers(design(NET, "drtp+dfa"))) == [(2, "activation", 8, 8), (2, "gate", 6, 8), (3, "error", 4, 9)]
    assert found(buffers(design(NET, "drtp+local"))) == [(2, "gate", 6, 8), (2, "error", 4, 9)]
    assert found(buffers(design(NET, "dfa", learn="bias"))) == [
        (1, "gate", 8, 8),
        (2, "gate", 6, 8),
        (3, "error", 4, 9),
    ]
    assert buffers(design(NET, "dfa", learn="last")) == []
    deltas = design(NET, "bp+drtp")  # no error of the outputs: layer 1 takes d of layer 2 alone
    assert found(buffers(deltas)) == [
        (1, "activation", 9, 4),
        (1, "gate", 8, 8),
        (2, "delta", 14, deltas.layers[0].delta_width),
    ]


def test_frozen_words_have_view_bits_only():
    blocks = footprint(design(NET, "dfa", learn="none+bias+all"))
    assert found(blocks) == [
        (1, "weight", 72, 8), (1, "bias", 8, 8),
        (2, "weight", 48, 8), (2, "bias", 6, 16), (2, "feedback", 24, 8),
        (3, "weight", 24, 16), (3, "bias", 4, 16),
    ]  # fmt: skip
    frozen_rule = footprint(design(NET, "shallow"))  # as ever
    assert {block.word_bits for block in frozen_rule} == {16}


def test_initial_words_of_frozen_layers_are_views_of_the_same_draws():
    learned, masked = (Learner(design(NET, "shallow", learn=learn)).state for learn in ("all", "last"))
    np.testing.assert_array_equal(learned.weights(0) >> 8, masked.weights(0))
    assert masked.weights(0).min() < -64  # of 8 bits
    biases = Learner(design(NET, "dfa", learn="bias")).state
    assert biases.biases(0).tolist() == [128] * 8  # half a view step above zero, of 16 bits
    assert np.abs(biases.weights(0)).max() <= 128


def test_weights_above_a_non_negative_rule_do_not_fall_below_zero():
    above = [layer.non_negative for layer in design((9, 8, 7, 6, 4), "dfa+mdfa+dfa").layers]
    assert above == [False, False, True, True]
    assert not any(layer.non_negative for layer in design(NET, "mdfa", learn="last").layers)


def test_d_is_narrow_only_where_deltas_of_wide_layers_are_summed():
    widths = [layer.delta_bits for layer in design((9, 8, 700, 30, 4), "bp+dfa+dfa", 12).layers[:-1]]
    assert widths[0] == widths[1] < widths[2] == 16
    assert {layer.delta_bits for layer in design((9, 8, 700, 30, 4), "dfa+bp+dfa", 12).layers[:-2]} == {16}


def test_rates_are_those_of_each_rule():
    assert [layer.rate for layer in design(NET, "bp+signed-target").layers] == [-6, -6, -7]
    assert [layer.rate for layer in design(NET, "dfa", learn="last").layers] == [-7, -7, -7]
    assert [layer.rate for layer in design(NET, "bp+sdfa", hidden_rate=-3).layers] == [-3, -3, -8]


def test_a_checkpoint_of_masked_layers_goes_on():
    rng = np.random.default_rng(0)
    levels, labels = rng.integers(0, 16, (60, 9)), rng.integers(0, 4, 60)
    spec = design(NET, "dfa+drtp", learn="bias+none+all", hidden_rate=-3, output_rate=-4)
    whole, first, second = Learner(spec), Learner(spec), Learner(spec)
    whole.learn(levels, labels)
    first.learn(levels[:30], labels[:30])
    second.restore(first.save())
    second.learn(levels[30:], labels[30:])
    for name, words in whole.save().items():
        np.testing.assert_array_equal(second.save()[name], words, err_msg=name)
    with pytest.raises(UserError, match="words of layer 1 do not fit"):
        second.state.set_words(0, np.full((8, 9), 200), np.zeros(8, int))
