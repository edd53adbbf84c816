"""Words of `edgelearn run` with convolutions == words of networks that are built from docs/arithmetic.md alone."""

from __future__ import annotations

import pytest

from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.rules import RULES
from tests.naive import from_page
from tests.naive.from_page_maps import Maps, MapsFromPage
from tests.naive.test_from_page import assert_words, learn, words_of_run
from tests.tools import in_turn

pytestmark = pytest.mark.kernel
pytest.importorskip("sklearn", reason="the digits need scikit-learn")

NETS = {
    "8x8x1-conv4x3x3-pool2-fc9-10": ((8, 8, 1), [Maps(4, 3, 3, p=1, P=2)], [9, 10]),
    "8x8x1-conv3x3x2s2p1-conv5x2x2p0-10": ((8, 8, 1), [Maps(3, 3, 2, 2, 1), Maps(5, 2, 2)], [10]),
    "8x8x1-conv3x4x4p1-meanpool2-conv4x3x3p1-pool3-10": (
        (8, 8, 1), [Maps(3, 4, 4, p=1, P=2, mean=True), Maps(4, 3, 3, p=1, P=3)], [10],
    ),
    "8x8x1-conv3x3x3-conv4x3x3s2-meanpool2-fc7-10": (
        (8, 8, 1), [Maps(3, 3, 3, p=1), Maps(4, 3, 3, 2, 1, 2, mean=True)], [7, 10],
    ),
}  # fmt: skip
POOLED = "8x8x1-conv4x3x3-pool2-fc9-10"


@pytest.fixture(scope="module")
def digits():
    return from_page.digits(int(from_page.defaults()["input bits b_x"]))


def compare(folder, digits, net, rule, n, flags=(), **given):
    """Learn n digits on both sides."""
    levels, labels = (part[:n] for part in digits)
    network = MapsFromPage(rule, *NETS[net], **given)
    started = [words.copy() for words in network.W]
    learn(network, levels, labels)
    rules = ("--rule", rule.replace("+", ","), "--rounding", network.rounding, "--seed", str(network.seed))
    words = words_of_run(folder, "--net", net, *rules, "--epochs", "1", "--limit", str(n), *flags)
    assert_words(network, words)
    moved = [bool((a != b).any()) for a, b in zip(started, network.W, strict=True)]
    assert moved == [mask == "all" for mask in network.masks]


@pytest.mark.slow
@pytest.mark.parametrize("rounding", ["residual", "stochastic"])
def test_an_epoch_of_the_digits(tmp_path, capsys, digits, rounding):
    compare(tmp_path, digits, POOLED, "drtp", len(digits[0]), rounding=rounding)


@pytest.mark.parametrize(("rule", "net"), in_turn(RULES, NETS))
def test_every_rule_through_kernels(tmp_path, capsys, digits, rule, net):
    rounding, seed = [("residual", 3), ("stochastic", 4)][len(rule) % 2]
    compare(tmp_path, digits, net, rule, 40, rounding=rounding, seed=seed)


CHANGES = {
    "map": (["--feedback-kind", "map"], {"kind": "map"}),
    "positions": (["--teach", "positions"], {"teach": "positions"}),
    "a map's feedback at positions": (["--teach", "positions", "--feedback-kind", "map"], {"teach": "positions", "kind": "map"}),
    "biases": (["--kernel-bias"], {"kernel_bias": True}),
    "biases alone": (["--kernel-bias", "--learn", "bias"], {"kernel_bias": True, "learn": "bias"}),
    "lfsr": (["--feedback", "lfsr"], {"feedback format": "lfsr"}),
    "4 bits": (["--bits", "4"], {"view bits b": 4}),
    "narrow factors": (["--delta-bits", "7"], {"`delta_bits` n": 7}),
    "relu": (["--activation", "relu", "--event-threshold", "6"], {"activation": "relu", "event_threshold": 6}),
    "frozen kernels": (["--kernels", "frozen"], {"learn": "none+all+all"}),
}  # fmt: skip


@pytest.mark.parametrize(("change", "rule"), in_turn(CHANGES, ["drtp", "dfa", "dfa"]))
def test_settings(tmp_path, capsys, digits, rule, change):
    flags, given = CHANGES[change]
    rounding = "stochastic" if rule == "dfa" else "residual"
    compare(tmp_path, digits, POOLED, rule, 40, flags, rounding=rounding, **given)


@pytest.mark.no_cover
def test_rules_of_layers_below_each_other(tmp_path, capsys, digits):
    net = "8x8x1-conv3x3x3-conv4x3x3s2-meanpool2-fc7-10"
    for rule in ("bp+drtp+dfa", "fa+local+bp", "mdfa+bp+sdfa"):
        compare(tmp_path / rule, digits, net, rule, 30)


def test_d_of_large_maps_is_narrower():
    """So that sums over 28 x 28 positions of 8-bit levels stay below 2^31."""
    given = {"input bits b_x": 8}
    network = MapsFromPage("dfa", (28, 28, 1), [Maps(2, 5, 5, p=2, P=2)], [10], **given)
    spec = design("28x28x1-conv2x5x5-pool2-10", "dfa", input_bits=8)
    assert network.n_d(1) == spec.layers[0].delta_bits < 16
    wide = MapsFromPage("bp", (12, 12, 1), [Maps(3, 3, 3, p=1), Maps(20, 5, 5, p=2)], [10], **{"view bits b": 12})
    spec = design("12x12x1-conv3x3x3-conv20x5x5-10", "bp", bits=12)
    assert list(map(wide.n_d, (1, 2))) == [layer.delta_bits for layer in spec.layers[:2]]


@pytest.mark.parametrize("rule", RULES)
def test_initial_words(rule):
    for seed, feedback in ((0, "int8"), (5, "sign"), (2**31 - 1, "lfsr")):
        net = "8x8x1-conv3x3x2s2p1-conv5x2x2p0-10"
        network = MapsFromPage(rule, *NETS[net], seed=seed, **{"feedback format": feedback})
        spec = design(net, rule, seed=seed, feedback_format=feedback)
        assert_words(network, Learner(spec).words())
        assert network.rates == [layer.rate if layer.learns else 0 for layer in spec.layers]
