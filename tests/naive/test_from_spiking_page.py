"""Words of `edgelearn run --spiking` == those of the oracle, started and shown as docs/spiking.md says.

Every setting, generator and draw is read from section 10 of the page; samples and methods from the rate contract.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from edgelearn.cli import main
from edgelearn.rules.catalog import rules_for
from edgelearn.rules.rule import Backend
from edgelearn.spiking.network import design, label_times
from tests.naive import from_page
from tests.naive.page import Page
from tests.naive.spiking import NaiveSpiking

pytestmark = pytest.mark.kernel

PAGE = Page(Path(__file__).parents[2] / "edgelearn" / "docs" / "spiking.md")
SETTINGS = {row["setting"]: row["default"] for row in PAGE.table(10, "setting", "default")}
COLUMNS = (
    "code", "rule", "threshold", "low, high", "threshold of outputs", "spread", "s", "s of outputs", "target",
    "first label", "label period",
)  # fmt: skip
RULES = rules_for(Backend.SPIKING)


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(", ")]


def row_of(rule: str, code: str) -> dict[str, str]:
    (row,) = (row for row in PAGE.table(10, *COLUMNS) if row["rule"] == rule and code in row["code"].split(", "))
    return row


def generator(draws: str, **names: int) -> np.random.Generator:
    """Return the generator of a purpose, by how its row begins."""
    rows = PAGE.table(10, "draws", "entropy", "draw")
    (entropy,) = (row["entropy"] for row in rows if row["draws"].startswith(draws))
    return np.random.default_rng([int(names.get(word, word)) for word in entropy.strip("[]").split(", ")])


def plain(rule: str, code: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return hidden and output neurons with the page's settings."""
    row = row_of(rule, code)
    leak, current_leak = numbers(SETTINGS["leaks k_v, k_u"])
    hidden_wait, output_wait = numbers(SETTINGS["refractory R of hidden neurons, of outputs"])
    step, adaptation_leak = numbers(SETTINGS["a_step, k_a (alif)"])
    shared = {
        "model": SETTINGS["neuron model"],
        "leak": leak,
        "current_leak": current_leak,
        "current_gain": int(SETTINGS["current gain k_c (cuba)"]),
        "reset": SETTINGS["reset"],
        "gate_on": SETTINGS["variable of the gate"],
        "adaptation_step": step,
        "adaptation_leak": adaptation_leak,
    }
    hidden = {"threshold": int(row["threshold"]), "refractory": hidden_wait, "gate": tuple(numbers(row["low, high"]))}
    gate = tuple(numbers(SETTINGS["low, high of outputs"]))
    output = {"threshold": int(row["threshold of outputs"]), "refractory": output_wait, "gate": gate}
    return shared | hidden, shared | output


def labels_at(rule: str, code: str, steps: int) -> list[int]:
    (of,) = PAGE.numbers(10, r"floor\(steps \* first label / (\d+)\)")
    (before,) = PAGE.numbers(10, r"up to step steps - (\d+)")
    row = row_of(rule, code)
    return list(range(steps * int(row["first label"]) // of, steps - before + 1, int(row["label period"])))


def block_of(steps: int, n_in: int) -> int:
    budget, least, most = PAGE.numbers(
        10, r"A block has floor\((\d+) / \(steps \* inputs\)\) samples, (\d+) to (\d+)\."
    )
    return min(max(budget // (steps * n_in), least), most)


def spikes_of(x: np.ndarray, code: str, steps: int, drawn: np.random.Generator) -> np.ndarray:
    if code == "latency":
        at = np.minimum(np.floor((1 - x) * steps), steps - 1)
        return (np.arange(steps)[None, :, None] == at[:, None, :]) & (x > 0)[:, None, :]
    (share,) = PAGE.find(10, r"a spike where uniform\(0, 1\) < (\d\.\d) x")
    return drawn.random((len(x), steps, x.shape[1])) < (float(share) * x)[:, None, :]


def from_the_page(rule: str, code: str, x: np.ndarray, labels: np.ndarray, seed: int) -> NaiveSpiking:
    """Return the oracle after an epoch."""
    steps, bits, row = int(SETTINGS["steps per sample"]), int(SETTINGS["bits"]), row_of(rule, code)
    sizes = [x.shape[1], int(SETTINGS["hidden neurons"]), 10]
    word = 2 ** (bits - 1) - 1
    activity, few, most = PAGE.find(10, r"min\(sqrt\((\d+) / max\(a, (0\.\d+)\)\), (\d+)\)")
    (first,) = PAGE.numbers(10, r"n the smaller of (\d+) and a block")
    n = min(first, block_of(steps, sizes[0]), len(x))
    a = spikes_of(x[:n], code, steps, generator("spikes of the first n samples")).sum(2).mean()
    scale = min((float(activity) / max(a, float(few))) ** 0.5, float(most))
    spreads = [float(row["spread"]) * scale, float(SETTINGS["spread of weights into outputs"])]
    words = generator("initial words", seed=seed)
    weights = [
        np.clip(np.rint(words.normal(0, spread, (n_in, n_out))), -word, word).astype(int)
        for n_in, n_out, spread in zip(sizes, sizes[1:], spreads, strict=False)
    ]
    low, high = PAGE.numbers(10, r"B = integers\((-\d+), (\d+)\)")
    assert -low == high - 1 == int(SETTINGS["feedback spread"])
    feedback = words.integers(low, high, (sizes[-1], sizes[1]))
    hidden, output = plain(rule, code)
    delay = int(SETTINGS["axonal delay d"])
    naive = NaiveSpiking(
        sizes, rule, [hidden, output],
        [{"shift": int(row[name]), "delay": delay, "exponent": 8 - bits} for name in ("s", "s of outputs")],
        [matrix.tolist() for matrix in weights], [feedback.tolist()],
        bits=bits, rounding=SETTINGS["rounding"], seed=seed, trace_leak=int(SETTINGS["trace leak k_x"]),
        trace_step=int(SETTINGS["x_step"]), spike_cost=int(SETTINGS["cost"]), target=int(row["target"]),
    )  # fmt: skip
    order = generator("order of the samples in epoch E", seed=seed, E=0).permutation(len(x))
    assert len(order) <= block_of(steps, sizes[0])  # one block
    spikes = spikes_of(x[order], code, steps, generator("spikes of the block", seed=seed, E=0, i=0))
    taught = labels_at(rule, code, steps)
    for label, sample in zip(labels[order], spikes, strict=True):
        for step, events in enumerate(sample):
            naive.step(np.flatnonzero(events).tolist(), int(label) if step in taught else None, step == 0)
    return naive


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="plain kernels take minutes for steps of 64 pixels")
@pytest.mark.parametrize(("rule", "code"), [*((rule, "rate") for rule in RULES), ("dfa", "latency")])
def test_samples_of_the_digits(tmp_path, capsys, rule, code):
    pytest.importorskip("sklearn", reason="the digits need scikit-learn")
    n, seed = 3, 2
    x, labels = from_page.digits(8)
    (high,) = from_page.PAGE.numbers(7, r"with low = 0 and high = (\d+) for the digits")
    x = (x + 1) // (256 // high) / high  # levels of 8 bits are the pixels times 16, 255 for the highest
    naive = from_the_page(rule, code, x[:n], labels[:n], seed)
    flags = ("--rule", rule, "--code", code, "--limit", str(n), "--epochs", "1", "--seed", str(seed))
    assert main(["run", "--spiking", *flags, "--out", str(tmp_path / "a"), "--json"]) == 0
    with np.load(tmp_path / "a" / "weights.npz") as words:
        ours = np.concatenate([np.ravel(naive.weights[p]) for p in (1, 2)])
        assert (words["weights"] == ours).all()
        assert (words["feedback"] == np.ravel(naive.feedback[0])).all()
    assert naive.counts["weight_write"] > 500


@pytest.mark.parametrize("code", ["rate", "delta", "latency", "events"])
@pytest.mark.parametrize("rule", RULES)
def test_defaults_are_those_of_a_network(rule, code):
    row, spec = row_of(rule, code), design((5, 4, 3), rule, code=code)
    for neuron, expected in zip(spec.neurons, plain(rule, code), strict=True):
        assert {name: getattr(neuron, name) for name in expected} == expected
    assert [one.spread for one in spec.synapses] == [
        float(row["spread"]),
        float(SETTINGS["spread of weights into outputs"]),
    ]
    assert [one.shift for one in spec.synapses] == [int(row["s"]), int(row["s of outputs"])]
    assert (spec.target, spec.spike_cost, spec.trace_step, spec.trace_leak, spec.feedback_spread) == (
        int(row["target"]), *(int(SETTINGS[name]) for name in ("cost", "x_step", "trace leak k_x", "feedback spread")),
    )  # fmt: skip
    for steps in (32, 30, 7):
        first, period = label_times(rule, code, steps)
        assert labels_at(rule, code, steps) == list(range(first, steps - 1, period))
    four = design((5, 4, 3), rule, bits=4, code=code)
    assert [one.shift for one in four.synapses] == [one.shift + 4 for one in spec.synapses]
    assert [one.spread for one in four.synapses] == [one.spread / 16 for one in spec.synapses]


def test_defaults_of_a_run():
    from edgelearn.config import SpikingConfig
    from edgelearn.runs import spiking_data
    from edgelearn.runs.spiking import DEFAULT_HIDDEN
    from edgelearn.spiking.training import TEST_SEED

    config = SpikingConfig()
    assert (config.epochs, config.seed, config.bits) == tuple(
        int(SETTINGS[name]) for name in ("epochs", "seed", "bits")
    )
    assert int(SETTINGS["hidden neurons"]) == DEFAULT_HIDDEN
    steps = (spiking_data.STEPS, spiking_data.EVENT_STEPS)
    assert steps == (int(SETTINGS["steps per sample"]), int(SETTINGS["steps per sample of events"]))
    assert SETTINGS["step time of events, ms"] + " ms" == spiking_data.STEP_TIME
    assert int(SETTINGS["delta threshold, 1/16 of the mean absolute deviation"]) == spiking_data.DELTA
    rows = {row["draws"]: row["entropy"] for row in PAGE.table(10, "draws", "entropy", "draw")}
    assert f"[{TEST_SEED}, i]" == rows["spikes of the test block from position i on"]
