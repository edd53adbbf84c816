"""Words of `edgelearn run` == words of a network that is built from docs/arithmetic.md alone."""

from __future__ import annotations

import re
from pathlib import Path

import numba
import numpy as np
import pytest

from edgelearn.cli import main
from edgelearn.network.activations import ACTIVATIONS
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.network.storage import footprint
from edgelearn.rules import RULES
from tests.naive import from_page
from tests.naive.from_page import PAGE, FromPage

pytestmark = pytest.mark.kernel
pytest.importorskip("sklearn", reason="the digits need scikit-learn")


@pytest.fixture(scope="module")
def digits():
    return from_page.digits(int(from_page.defaults()["input bits b_x"]))


def words_of_run(folder: Path, *flags: str) -> dict[str, np.ndarray]:
    assert main(["run", *flags, "--out", str(folder / "run"), "--json"]) == 0
    with np.load(folder / "run" / "weights.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def assert_words(network: FromPage, words: dict[str, np.ndarray]) -> None:
    for k in range(1, network.K + 1):
        np.testing.assert_array_equal(words[f"layer{k}_weights"], network.W[k - 1], err_msg=f"weights of layer {k}")
        np.testing.assert_array_equal(words[f"layer{k}_biases"], network.bias[k - 1], err_msg=f"biases of layer {k}")
        if f"layer{k}_feedback" in words:
            np.testing.assert_array_equal(
                words[f"layer{k}_feedback"], network.B[k - 1], err_msg=f"feedback of layer {k}"
            )


def learn(network: FromPage, levels: np.ndarray, labels: np.ndarray, epoch: int = 0) -> None:
    for i in from_page.order_of(network.seed, epoch, len(levels)):
        network.learn(levels[i], int(labels[i]))


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="plain kernels learn 1,437 digits of 64 pixels for minutes")
@pytest.mark.parametrize("rounding", ["residual", "stochastic"])
@pytest.mark.parametrize("rule", ["drtp", "dfa"])
def test_an_epoch_of_the_digits(tmp_path, capsys, digits, rule, rounding):
    """With every default of the page."""
    levels, labels = digits
    inputs, hidden, _ = from_page.defaults()["layer sizes"].split(";")[0].split("-")
    assert inputs == "inputs"
    network = FromPage(rule, [levels.shape[1], int(hidden), 10], rounding=rounding)
    started = [matrix.copy() for matrix in network.W]
    learn(network, levels, labels)
    words = words_of_run(tmp_path, "--rule", rule, "--rounding", rounding, "--epochs", "1")
    assert_words(network, words)
    assert all((before != after).mean() > 0.5 for before, after in zip(started, network.W, strict=True))


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_through_two_hidden_layers(tmp_path, capsys, digits, rule):
    levels, labels = (part[:80] for part in digits)
    for rounding, seed in (("residual", 3), ("stochastic", 4)):
        network = FromPage(rule, [64, 12, 9, 10], seed, rounding=rounding)
        learn(network, levels, labels)
        flags = ("--rule", rule, "--rounding", rounding, "--seed", str(seed), "--epochs", "1", "--limit", "80")
        assert_words(network, words_of_run(tmp_path / rounding, *flags, "--net", "64-12-9-10"))


MIXTURES = {
    "a rule per layer": ("local+drtp", "all"),
    "errors above deltas": ("bp+fa", "all"),
    "deltas of a layer by another rule": ("fa+drtp", "all"),
    "labels below deltas": ("signed-target+bp", "all"),
    "non-negative above the first": ("dfa+mdfa", "all"),
    "non-negative from the first": ("mdfa+sdfa", "all"),
    "frozen by its rule": ("shallow+local", "all"),
    "last": ("dfa", "last"),
    "last two": ("local", "last2"),
    "biases": ("bp", "bias"),
    "biases by rules that differ": ("drtp+local", "bias"),
    "a layer that only hands d down": ("bp+dfa", "all+none+all"),
    "a frozen output layer": ("dfa+local", "bias+all+none"),
}


@pytest.mark.parametrize("mixture", MIXTURES)
def test_rules_and_masks_of_layers(tmp_path, capsys, digits, mixture):
    levels, labels = (part[:60] for part in digits)
    rule, learn_text = MIXTURES[mixture]
    for rounding, seed in (("residual", 6), ("stochastic", 7)):
        network = FromPage(rule, [64, 12, 9, 10], seed, learn_text, rounding=rounding)
        started = [words.copy() for words in (*network.W, *network.bias)]
        learn(network, levels, labels)
        flags = ("--rule", rule.replace("+", ","), "--learn", learn_text, "--rounding", rounding, "--seed", str(seed))
        shape = ("--net", "64-12-9-10", "--epochs", "1", "--limit", "60")
        assert_words(network, words_of_run(tmp_path / rounding, *shape, *flags))
        moved = [bool((a != b).any()) for a, b in zip(started, (*network.W, *network.bias), strict=True)]
        assert moved == [mask == "all" for mask in network.masks] + [mask != "none" for mask in network.masks]


@pytest.mark.parametrize("rule", RULES)
def test_narrow_factors_of_learning(tmp_path, capsys, digits, rule):
    levels, labels = (part[:60] for part in digits)
    for n in (8, 5):
        network = FromPage(rule, [64, 12, 9, 10], **{"`delta_bits` n": n})
        learn(network, levels, labels)
        flags = ("--rule", rule, "--epochs", "1", "--limit", "60", "--delta-bits", str(n))
        assert_words(network, words_of_run(tmp_path / str(n), *flags, "--net", "64-12-9-10"))


def test_deltas_of_wide_words_are_narrower(tmp_path, capsys, digits):
    levels, labels = (part[:40] for part in digits)
    network = FromPage("bp", [64, 12, 40, 10], **{"view bits b": 16})
    assert network.n_d(1) < 16
    learn(network, levels, labels)
    flags = ("--rule", "bp", "--bits", "16", "--epochs", "1", "--limit", "40", "--net", "64-12-40-10")
    assert_words(network, words_of_run(tmp_path, *flags))


CHANGES = {
    "2 bits": (["--bits", "2"], {"view bits b": 2}),
    "3 bits": (["--bits", "3"], {"view bits b": 3}),
    "4 bits": (["--bits", "4"], {"view bits b": 4}),
    "12 bits": (["--bits", "12"], {"view bits b": 12}),
    "nearest": (["--rounding", "nearest"], {"rounding": "nearest"}),
    "softmax": (["--output", "softmax"], {"output": "softmax"}),
    "ternary": (["--feedback", "ternary"], {"feedback format": "ternary"}),
    "sign": (["--feedback", "sign"], {"feedback format": "sign"}),
    "lfsr": (["--feedback", "lfsr"], {"feedback format": "lfsr"}),
    "thresholds": (["--dead-zone", "20", "--event-threshold", "9"], {"dead_zone": 20, "event_threshold": 9}),
    "dead zone of readouts": (["--local-dead-zone", "60"], {"local_dead_zone": 60}),
} | {name: (["--activation", name], {"activation": name}) for name in ACTIVATIONS}


@pytest.mark.parametrize("change", CHANGES)
def test_formats_and_functions(tmp_path, capsys, digits, change):
    levels, labels = (part[:60] for part in digits)
    flags, given = CHANGES[change]
    rules = ("dfa", "mdfa") if "--feedback" in flags else ("local",) if "--local-dead-zone" in flags else ("dfa",)
    for rule in rules:
        network = FromPage(rule, [64, 14, 10], **given)
        learn(network, levels, labels)
        shape = ("--rule", rule, "--net", "64-14-10", "--epochs", "1", "--limit", "60")
        assert_words(network, words_of_run(tmp_path / rule, *shape, *flags))


@pytest.mark.parametrize("rule", RULES)
def test_initial_words(rule):
    for seed, feedback in ((0, "int8"), (5, "ternary"), (2**31 - 1, "lfsr")):
        spec = design((20, 9, 7, 3), rule, seed=seed, feedback_format=feedback)
        network = FromPage(rule, (20, 9, 7, 3), seed, **{"feedback format": feedback})
        learner = Learner(spec)
        assert_words(network, learner.words())
        assert int(learner.state.arrays.generator[0]) == network.state
        assert network.rates == [layer.rate if layer.learns else 0 for layer in spec.layers]


def test_halved_rates_and_held_out_samples(tmp_path, capsys, digits):
    levels, labels = digits
    stays, held = from_page.held_out(len(levels), 0.9)
    assert len(held) == round(0.9 * len(levels))
    network = FromPage("dfa", [64, 8, 10], 1)
    for epoch in range(2):
        network.halvings = epoch  # floor(epoch / 1)
        learn(network, levels[stays], labels[stays], epoch)
    flags = ("--validation-fraction", "0.9", "--epochs", "2", "--halve-every", "1")
    assert_words(network, words_of_run(tmp_path, "--rule", "dfa", "--net", "64-8-10", "--seed", "1", *flags))


def test_formats_say_what_the_formulas_give():
    """Section 2 against the tables and formulas of sections 3 to 7, and against the product."""
    words = {row["role"]: row["raw word"] for row in from_page.formats()}
    values = {row["role"]: row["value of the raw word"] for row in from_page.formats()}
    spec = design((7, 6, 5, 3), "bp", bits=6, residual_bits=3, range_exponent=-1)
    names = {"e": -1, "b": 6, "r": 3}
    (lsb,) = PAGE.find(7, r"LSB = (.*)\n")
    for text in (values["stored weight W, stored bias"].removeprefix("W * "), lsb):
        assert from_page.formula(text)(**{name: float(n) for name, n in names.items()}) == spec.layers[0].word.lsb
    view = from_page.formula(values["view w = shr(W, r)"].removeprefix("w * "))(e=-1.0, b=6.0)
    assert view == spec.layers[0].word.lsb * 2**3
    signed = from_page.formula(re.search(r"\+-\((.*)\), which", words["signed input level"])[1])(bits=5)
    assert signed == design((7, 3), signed_inputs=True, input_bits=5).input_range[1]
    for name, activation in ACTIVATIONS.items():
        y, g = FromPage("drtp", (4, 3, 2), activation=name).Y, FromPage("drtp", (4, 3, 2), activation=name).G
        low, high = map(int, re.match(r"signed, \[(-\d+), (\d+)\]", words["activation y"]).groups())
        assert low <= y.min() <= y.max() <= high
        others, exception = map(
            int, re.search(r"\((\d+), or (\d+) for relu and leaky\)", words["activation y"]).groups()
        )
        assert activation.one == (exception if name in ("relu", "leaky") else others)
        (top, one) = map(int, re.fullmatch(r"0\.\.(\d+); 1\.0 = (\d+)", words["gate g"]).groups())
        assert top == one == g.max()
    hidden, output = map(int, re.search(r"q/(\d+) in hidden layers, q/(\d+) in", values["index q"]).groups())
    assert [int(np.log2(n)) for n in (hidden, output)] == PAGE.numbers(3, r"\((\d+) hidden \| \d+ output\)") + (
        PAGE.numbers(3, r"\(\d+ hidden \| (\d+) output\)")
    )
    bits = int(re.fullmatch(r"signed (\d+) bits", words["index q"])[1])
    assert PAGE.numbers(3, r"q_j = sat\(rn\(z_j, s_z\), (-\d+), \d+\)") == [-(2 ** (bits - 1))]
    top, one = map(int, re.fullmatch(r"0\.\.(\d+); 1\.0 = (\d+)", words["probability p"]).groups())
    assert top == one == int(PAGE.find(4, r"error: e_c = p_c - (\d+) \* target_c")[0])
    feedback, one = map(int, re.fullmatch(r"signed (\d+) bits; 1\.0 = (\d+)", words["feedback weight B"]).groups())
    assert one == 2 ** (feedback - 1) - 1 == PAGE.numbers(4, r"with F = (\d+) for B")[0]
    assert PAGE.find(2, r"B \* (2\^\(f-\d\))")[0] == f"2^(f-{feedback - 1})"


def test_keys_of_many_neurons():
    """In small layers a wrong multiplier of the keys could go unseen."""
    keys, arrays = FromPage("drtp", (4, 300, 2)).keys, Learner(design((4, 300, 2))).state.arrays
    np.testing.assert_array_equal(keys, arrays.keys[:300])


def test_the_split_of_the_digits_is_named_to_its_ends():
    samples, n_train = PAGE.numbers(7, r"(\d+) samples of 64 pixels") + PAGE.numbers(7, r"p_(\d+)\.\.p_\d+ the test")
    assert PAGE.numbers(7, r"of p = permutation\((\d+)\)") == [samples]
    assert PAGE.numbers(7, r"samples p_0\.\.p_(\d+) are") == [n_train - 1]
    assert PAGE.numbers(7, r"p_\d+\.\.p_(\d+) the test") == [samples - 1]
    assert PAGE.numbers(7, r"the digits, 0 and (\d+) for images of bytes") == [256]


def test_defaults_are_those_of_a_run():
    from edgelearn.config import RunConfig

    config, page = RunConfig(), from_page.defaults()
    assert [page[name] for name in ("rounding", "activation", "output", "feedback format", "update gate")] == [
        config.rounding, config.activation, config.output, config.feedback, config.update_gate,
    ]  # fmt: skip
    names = ("view bits b", "input bits b_x", "dead_zone", "event_threshold", "accumulator_bits", "epochs", "seed")
    assert int(page["`delta_bits` n"]) == config.delta_bits
    assert [int(page[name]) for name in names] == [
        config.bits, config.input_bits, config.dead_zone, config.event_threshold, config.accumulator_bits, config.epochs,
        config.seed,
    ]  # fmt: skip
    assert config.halve_every is None
    assert config.local_dead_zone is None
    assert page["local_dead_zone"] == "dead_zone"
    assert {row["rule"] for row in PAGE.table(7, "rule", "hidden rate", "output rate")} == set(RULES)


def test_stored_bits_of_feedback():
    for row in PAGE.table(7, "feedback format", "draw", "raw B", "stored"):
        bits = int(row["stored"].split()[0])
        for rule, less in (("dfa", 0), ("mdfa", 1)):
            held = footprint(design((9, 8, 3), rule, feedback_format=row["feedback format"]))
            assert sum(block.bits for block in held if block.role == "feedback") == 24 * max(bits - less, 0)


def test_kept_labels_of_a_stream():
    from edgelearn.runs.session import LABEL_DRAWS

    first, last = PAGE.numbers(7, r"rows (\d+) k to \d+ k \+ \d+") + PAGE.numbers(7, r"rows \d+ k to \d+ k \+ (\d+)")
    assert first == last + 1 == LABEL_DRAWS
    ours = from_page.Draws("kept labels of a stream", seed=6, k=2).uniform(0.0, 1.0, (first,))
    np.testing.assert_array_equal(ours, np.random.default_rng([6, 3, 2]).random(LABEL_DRAWS))
