"""Advice within limits: what fits, what is excluded, the nearest where nothing fits, the same answer each time."""

from __future__ import annotations

import json
import shlex
import tomllib

import pytest

import edgelearn as el
from edgelearn.advice import search as search_module
from edgelearn.advice import space
from edgelearn.advice.advise import advise
from edgelearn.advice.limits import Limits, memory_of, needs_of
from edgelearn.advice.search import Search
from edgelearn.advice.space import Candidate, candidates, default_rules
from edgelearn.advice.trials import Data
from edgelearn.errors import UserError
from tests.cli.runner import edgelearn

SMALL = {"data": "digits", "limit": 150, "epochs": 2}


@pytest.fixture
def few(monkeypatch):
    """A space of a few candidates, and a short search."""
    monkeypatch.setattr(space, "WIDTHS", (4, 8, 16))
    monkeypatch.setattr(space, "STORED_BITS", (16, 8))
    monkeypatch.setattr(space, "FEEDBACK", ("int8", "lfsr"))
    monkeypatch.setattr(search_module, "MOST_STEPS", 1)
    monkeypatch.setattr(search_module, "SEEDS", (1, 2))
    monkeypatch.setattr(search_module, "LAST_SEEDS", (1, 2, 3))


def best_of(content):
    return {name: content["best"][name] for name in ("rule", "net", "stored_bits", "feedback")}


def test_the_best_fits_and_is_the_same_each_time(few, tmp_path):
    limits = Limits.of("3K", "9K", "6 uJ", "100 Hz")
    progress = []
    content = advise(SMALL, limits, rules=("dfa", "bp"), on_progress=lambda done, total: progress.append((done, total)))
    assert content == advise(SMALL, limits, rules=("dfa", "bp"))
    assert [done for done, _ in progress] == sorted(done for done, _ in progress)
    assert progress[-1][0] == content["runs"]
    rows = [content["best"], *content["runners_up"]]
    assert [row["accuracy_percent"] for row in rows] == sorted((row["accuracy_percent"] for row in rows), reverse=True)
    for row in rows:
        assert row["ram"] <= 3072
        assert row["flash"] <= 9216
        assert row["energy_pj"] <= 6e6
        assert row["latency_us"] <= 1e4
    words = shlex.split(content["best"]["command"])[1:]
    done = edgelearn(*words, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["accuracy_percent"] == content["best"]["test_accuracy_percent"]
    assert report["network"]["sizes"] == [int(part) for part in content["best"]["net"].split("-")]


def test_exclusions_are_counted_one_by_one(few):
    limits = Limits.of("2K", "8K", None, None)
    content = advise(SMALL, limits, rules=("dfa",))
    data = Data("run", SMALL, "cortex-m4")
    memory = [memory_of(data.spec(one)) for one in candidates(("dfa",), False)]
    over = [(ram > 2048, flash > 8192) for ram, flash in memory]
    assert content["candidates"] == len(memory)
    assert content["fitting"] == over.count((False, False))
    ram, flash = content["excluded"]
    assert (ram["excludes"], ram["alone"]) == (sum(a for a, _ in over), over.count((True, False)))
    assert (flash["excludes"], flash["alone"]) == (sum(b for _, b in over), over.count((False, True)))
    assert ram["widest"] <= ram["widest_without"]


def test_where_nothing_fits_the_nearest_is_told_and_fits_with_the_limit_that_is_told(few):
    with pytest.raises(UserError, match="nothing fits; nearest by estimates is dfa with 4 hidden neurons") as refused:
        advise(SMALL, Limits.of("600", None, None, None), rules=("dfa",))
    needs = str(refused.value).partition("RAM ")[2].partition(" bytes")[0].replace(",", "")
    assert str(refused.value).endswith("give a larger --ram")
    found = advise(SMALL, Limits.of(needs, None, None, None), rules=("dfa",))
    assert found["best"]["ram"] == int(needs)
    with pytest.raises(UserError, match=r"energy per learned sample .* uJ of 10.0 nJ; give a larger --energy"):
        advise(SMALL, Limits.of(None, None, "10 nJ", None), rules=("dfa",))
    with pytest.raises(UserError, match=r"time per sample .* of 1.00 us; give a lower --rate"):
        advise(SMALL, Limits.of(None, None, None, "1 MHz"), rules=("dfa",))


def test_measured_counts_decide_where_an_estimate_was_too_low(few):
    data = Data("run", SMALL, "cortex-m4")
    one = Candidate("dfa", "int8", 16, 16)
    measured = data.try_out(one, data.own_rates(one)).needs
    limits = Limits(energy_pj=measured.energy_pj * 0.999)
    search = Search(data, limits, [one], lambda done, total: None)
    assert search.run() == []
    assert search.exceeding[one].energy_pj == measured.energy_pj
    assert data.estimate(one)[1].energy_pj != measured.energy_pj


def test_tighter_limits_never_widen(few):
    widths = []
    for ram in ("1200", "2K", "4K"):
        content = advise(SMALL, Limits.of(ram, None, None, None), rules=("bp",))
        widths.append(content["excluded"][0]["widest"])
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]


def test_a_stream_is_searched_before_learning_each_row(few):
    content = advise({"data": "drift", "limit": 200}, Limits.of("4K", None, None, "10 Hz"), rules=("dfa",))
    assert content["kind"] == "stream"
    assert content["best"]["test_accuracy_percent"] is None
    assert "edgelearn stream --limit 200 --rule dfa" in content["best"]["command"]
    assert any("RAM and flash" in note for note in content["notes"])


def test_layers_alone_are_priced(tmp_path):
    done = edgelearn("advise", "--net", "64-20-10", "--ram", "4K", "--json", cwd=tmp_path)
    content = json.loads(done.stdout)
    rows = [content["best"], *content["runners_up"]]
    assert {row["rule"] for row in rows} <= set(default_rules(True))
    assert {row["net"] for row in rows} == {"64-20-10"}
    assert content["best"]["rule"] != "shallow"  # which does not learn the layers given
    assert rows[-1]["rule"] == "shallow"
    assert all(row["ram"] <= 4096 for row in rows)
    advice = el.advise(net="64-20-10", ram="4K")
    assert advice.content == content
    assert len(repr(advice)) < 400
    assert "RAM" in advice._repr_html_()
    priced = el.cost(content["best"]["rule"], net="64-20-10", weight_bits=content["best"]["stored_bits"])
    assert list(priced.energy) == [content["best"]["rule"]]
    assert edgelearn("advise", "--net", "64-20-10", "--ram", "4K", cwd=tmp_path).stdout.startswith(
        "advice for cortex-m4"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give --data, which is searched on, or the layers --net"),
        (("--net", "64-8-10", "--ram", "much"), "--ram: 'much' is not a size"),
        (("--net", "64-8-10", "--energy", "5"), "--energy: '5' is not an energy"),
        (("--net", "64-8-10", "--rule", "drpt"), "Did you mean 'drtp'"),
        (("--net", "64-8-10", "--kind", "steam"), "Did you mean 'stream'"),
        (("--data", "digits", "--window", "3"), "setting 'window' is not of kind run"),
        (("--net", "64-8-10", "--energy", "5 uJ", "--processor", "cortex-m0"), "no sourced one"),
        (("--data", "digits", "--net", "65-8-10"), "does not fit digits"),
        (("--data", "digits", "--ram", "100"), "nothing fits"),
    ],
)
def test_mistakes_are_told(words, message, tmp_path):
    done = edgelearn("advise", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_shares_of_the_data_follow_from_work():
    data = Data("run", {"data": "digits"}, "cortex-m4")
    assert data.share(1.0) == {"validation_fraction": 0.2, "epochs": 10}
    assert data.share(0.3) == {"validation_fraction": 0.2, "epochs": 3}
    assert data.share(0.05) == {"validation_fraction": 0.2, "epochs": 1, "limit": round(0.5 * data.n_rows)}
    one = Candidate("bp", None, 16, 8)
    assert data.work(one) == 10 * data.n_rows * (64 * 8 + 8 * 10)
    assert data.spec(one).sizes == (64, 8, 10)
    stream = Data("stream", {"data": "drift", "limit": 1000}, "cortex-m4")
    assert stream.share(0.25) == {"limit": 250}
    assert stream.share(1.0) == {}


def test_needs_are_those_of_firmware_and_cost(tmp_path):
    data = Data("run", {"data": "digits"}, "cortex-m4")
    one = Candidate("dfa", "int8", 16, 32)
    spec, needs = data.estimate(one)
    done = edgelearn("cost", "--rule", "dfa", "--net", "64-32-10", "--processor", "cortex-m4", "--json", cwd=tmp_path)
    training = json.loads(done.stdout)["rules"][0]["training"]
    assert needs.energy_pj == pytest.approx(training["energy_pj"]["nominal"], rel=1e-5)
    assert needs.latency_us == pytest.approx(training["latency_us"], rel=1e-5)
    words = ("--ram", str(needs.ram), "--flash", str(needs.flash), "--net", "64-32-10", "--rule", "dfa", "--json")
    budget = json.loads(edgelearn("firmware", "budget", *words, cwd=tmp_path).stdout)[0]
    assert (budget["fits"], budget["RAM"], budget["flash"]) == ("64-32-10", needs.ram, needs.flash)
    assert needs == needs_of(spec, spec_activity(data, one, spec), data.processor)


def spec_activity(data, one, spec):
    from edgelearn.advice.trials import activity_of

    return activity_of(spec, data.config(one))


def test_settings_of_advice_are_settings_of_a_run(few):
    advice = el.advise("digits", limit=150, epochs=2, ram="3K", rules=["dfa"])
    result = el.run(**advice.settings, data="digits", limit=150, epochs=2, processor="cortex-m4")
    assert result.accuracy == advice.content["best"]["test_accuracy_percent"]
    assert tomllib.loads(result.config.to_toml())["weight_bits"] == advice.content["best"]["stored_bits"]
    assert advice.energy == pytest.approx(advice.content["best"]["energy_pj"] * 1e-12)
