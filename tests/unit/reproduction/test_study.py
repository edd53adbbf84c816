"""The harness of claims: runs are kept and found again, checks are judged, results are whole files."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl

from edgelearn.errors import UserError
from edgelearn.reproduction import Claim, at_least, at_most, between, catalog, holds, less, less_paired, near, runner
from edgelearn.reproduction.study import THREADS, Study, Work, as_strict_json, one_thread, plain, run_versions
from tests.tools import missing

# ---- runs: at the top of a module, so that other processes find them


def square(settings, work):
    """Note in a file that the run was really done."""
    with Path(settings["log"]).open("a") as log:
        log.write(f"{settings['x']}\n")
    work.progress(0.5)
    return {"square": np.float64(settings["x"]) ** 2, "many": np.arange(2)}


def die_once(settings, work):
    """Take the process along the first time."""
    lives = Path(settings["log"] + str(settings["x"]))
    if settings["x"] == 2 and not lives.exists():
        lives.touch()
        time.sleep(0.5)  # the other run ends meanwhile
        os.kill(os.getpid(), signal.SIGKILL)
    return square(settings, work)


def stop_at_two(settings, work):
    lives = Path(settings["log"] + str(settings["x"]))
    if settings["x"] == 2 and not lives.exists():
        lives.touch()
        raise KeyboardInterrupt
    return square(settings, work)


def diverge(settings, work):
    square(settings, work)
    return {"loss": np.inf, "angles": [math.nan, 1.0], "x": settings["x"]}


def threads(settings, work):
    """Return how many threads linear algebra has, and what libraries that are loaded later will read."""
    libraries = threadpoolctl.threadpool_info()
    return {"now": sorted({library["num_threads"] for library in libraries}), "later": [os.environ[n] for n in THREADS]}


def slow(settings, work):
    Path(settings["log"]).write_text(str(os.getpid()))
    for step in range(200):
        work.progress(step / 200)
        time.sleep(0.1)
    return {}


def runs(tmp_path, *xs):
    return [{"x": x, "log": str(tmp_path / "log")} for x in xs]


def done(tmp_path):
    return sorted(int(line) for line in (tmp_path / "log").read_text().split())


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_is_done_once_and_found_again(tmp_path, jobs):
    shown = []
    study = Study({}, 0, tmp_path / "work", jobs, lambda *state: shown.append(state))
    first = study.map(square, runs(tmp_path, 3, 4))
    assert first == [{"square": 9.0, "many": [0, 1]}, {"square": 16.0, "many": [0, 1]}]
    assert (shown[0], shown[-1]) == ((0, 2, "square"), (2, 2, "square"))
    assert study.kept_runs == 0
    again = Study({}, 0, tmp_path / "work", jobs)
    assert again.map(square, runs(tmp_path, 4, 3, 5)) == [first[1], first[0], {"square": 25.0, "many": [0, 1]}]
    assert again.run(square, runs(tmp_path, 5)[0]) == {"square": 25.0, "many": [0, 1]}
    assert again.kept_runs == 3
    assert done(tmp_path) == [3, 4, 5]
    assert not list((tmp_path / "work").glob("*.progress"))


def test_without_a_folder_nothing_is_kept(tmp_path):
    study = Study({"n": 7})
    assert study["n"] == 7
    assert study.run(square, runs(tmp_path, 3)[0]) == study.run(square, runs(tmp_path, 3)[0])
    assert done(tmp_path) == [3, 3]
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    assert study.run_seconds == 0


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"seconds": 1}', '{"seconds": 1, "result": 3}', '{"result": {}}'])
def test_a_damaged_file_is_run_again(tmp_path, damage):
    result = Study({}, 0, tmp_path / "work").run(square, runs(tmp_path, 3)[0])
    next((tmp_path / "work").glob("*.json")).write_text(damage)
    assert Study({}, 0, tmp_path / "work").run(square, runs(tmp_path, 3)[0]) == result
    assert done(tmp_path) == [3, 3]


def test_runs_of_other_versions_are_run_again(tmp_path):
    Study({}, 0, tmp_path / "work").run(square, runs(tmp_path, 3)[0])
    kept = next((tmp_path / "work").glob("*.json"))
    content = json.loads(kept.read_text())
    assert content["versions"] == run_versions()
    assert content["versions"]["numpy"] == np.__version__
    assert {"edgelearn", "python", "numpy"} <= set(content["versions"]) <= {"edgelearn", "python", "numpy", "torch"}
    for name in content["versions"]:
        kept.write_text(json.dumps(content | {"versions": content["versions"] | {name: "0.1"}}))
        Study({}, 0, tmp_path / "work").run(square, runs(tmp_path, 3)[0])
        assert json.loads(kept.read_text())["versions"] == run_versions()
    assert done(tmp_path) == [3] * (1 + len(content["versions"]))


@pytest.mark.parametrize("jobs", [1, 2])
def test_equal_settings_are_run_once(tmp_path, jobs):
    shown = []
    study = Study({}, 0, tmp_path / "work", jobs, lambda *state: shown.append(state))
    results = study.map(square, [*runs(tmp_path, 3, 4, 3), dict(reversed(runs(tmp_path, 4)[0].items()))])
    assert [result["square"] for result in results] == [9, 16, 9, 16]
    assert done(tmp_path) == [3, 4]
    assert shown[-1] == (2, 2, "square")
    results[0]["many"].append("changed")
    assert results[2]["many"] == [0, 1]


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_no_number_stays_a_float(tmp_path, jobs):
    """Also in what is found again: a claim takes means of it, and compares it."""
    for _ in range(2):
        for result in Study({}, 0, tmp_path / "work", jobs).map(diverge, runs(tmp_path, 3, 4)):
            assert result["loss"] == math.inf
            assert math.isnan(result["angles"][0])
    assert done(tmp_path) == [3, 4]


def test_every_run_has_one_thread_wherever_it_is_done(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with threadpoolctl.threadpool_limits(2):
        own = Study({}).map(threads, [{"x": 0}])
        others = Study({}, jobs=2).map(threads, [{"x": 1}, {"x": 2}])
        after = {library["num_threads"] for library in threadpoolctl.threadpool_info()}
    assert [*own, *others] == [{"now": [1], "later": ["1", "1", "1"]}] * 3
    assert 2 in after
    assert os.environ["OMP_NUM_THREADS"] == "2"
    assert "MKL_NUM_THREADS" not in os.environ
    with pytest.raises(ZeroDivisionError), one_thread():
        raise ZeroDivisionError
    assert os.environ["OMP_NUM_THREADS"] == "2"


def test_a_killed_process_costs_only_its_own_run(tmp_path):
    from concurrent.futures.process import BrokenProcessPool

    with pytest.raises(BrokenProcessPool):
        Study({}, 0, tmp_path / "work", 2).map(die_once, runs(tmp_path, 1, 2))
    assert done(tmp_path) == [1]
    Study({}, 0, tmp_path / "work", 2).map(die_once, runs(tmp_path, 1, 2))
    assert done(tmp_path) == [1, 2]


def test_an_interrupt_keeps_what_was_done(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        Study({}, 0, tmp_path / "work").map(stop_at_two, runs(tmp_path, 1, 2, 3))
    assert done(tmp_path) == [1]
    Study({}, 0, tmp_path / "work").map(stop_at_two, runs(tmp_path, 1, 2, 3))
    assert done(tmp_path) == [1, 2, 3]


def is_running(process):
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_one_that_started_it(tmp_path, number):
    code = (
        "from pathlib import Path; from edgelearn.reproduction.study import Study; from test_study import slow\n"
        "if __name__ == '__main__':\n"
        "    Study({}, 0, Path('work'), 2).map(slow, [{'log': 'a'}, {'log': 'b'}])\n"
    )
    (tmp_path / "main.py").write_text(code)
    folders = os.pathsep.join((str(Path(__file__).parent), str(Path(__file__).parents[3])))
    parent = subprocess.Popen(
        [sys.executable, "main.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": folders},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )

    def workers():
        return [int(path.read_text() or 0) for path in (tmp_path / "a", tmp_path / "b") if path.exists()]

    end = time.monotonic() + 60
    while (len(workers()) < 2 or 0 in workers()) and time.monotonic() < end:
        time.sleep(0.05)
    os.killpg(parent.pid, number) if number == signal.SIGINT else parent.kill()  # Ctrl-C reaches the whole group
    _, errors = parent.communicate(timeout=30)
    assert len(workers()) == 2
    while any(is_running(process) for process in workers()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(is_running(process) for process in workers())
    assert errors.count("Traceback") == (number == signal.SIGINT)  # that of the parent alone


def test_progress_is_told_now_and_then(tmp_path, monkeypatch):
    work = Work(tmp_path / "run")
    assert work.done_share() == 0
    work.progress(0.25)
    work.progress(0.5)  # too soon
    assert work.done_share() == 0.25
    (tmp_path / "run.progress").write_text("x")
    assert work.done_share() == 0
    assert Work().file(".pt") is None
    assert Work().done_share() == 0
    Work().progress(0.5)
    told = []
    Work(tmp_path / "other", tell=told.append).progress(0.5)
    assert told == [0.5]
    assert not (tmp_path / "other.progress").exists()


def test_random_numbers_follow_from_the_seed_and_the_names():
    a, b = Study({}, 1).rng("x", 2).random(3), Study({}, 1).rng("x", 2).random(3)
    assert (a == b).all()
    assert not (a == Study({}, 2).rng("x", 2).random(3)).any()
    assert not (a == Study({}, 1).rng("y", 2).random(3)).any()


def test_plain_values():
    given = {1: (np.int16(2), np.float32(0.1), np.bool_(True)), "x": np.array([[1.0, np.inf]]), "n": None, "t": "s"}
    result = plain(given)
    assert result == {"1": [2, 0.100000001, True], "x": [[1.0, math.inf]], "n": None, "t": "s"}
    assert [type(value) for value in result["1"]] == [int, float, bool]
    assert math.isnan(plain(np.float32("nan")))
    assert plain(result) == result
    as_text = as_strict_json(result | {"y": [-math.inf, {"z": math.nan}]})
    assert as_text == result | {"x": [[1.0, "inf"]], "y": ["-inf", {"z": "nan"}]}
    assert [type(value) for value in as_text["1"]] == [int, float, bool]
    json.dumps(as_text, allow_nan=False)


# ---- checks


def test_limits():
    assert at_most("a", 1, 1).passed
    assert not at_most("a", 1.01, 1).passed
    assert at_least("a", 1, 1).passed
    assert not at_least("a", 0.99, 1).passed
    assert [between("a", x, 1, 2).passed for x in (0.99, 1, 2, 2.01)] == [False, True, True, False]
    assert [less("a", 1, 2, by).passed for by in (0, 0.99, 1)] == [True, True, False]
    assert less("a", 1, 2).ours == "1 < 2"
    assert holds("a", np.bool_(True)).passed is True


def test_paired_runs_differ_by_more_than_their_standard_error():
    """Differences 1 and 3: their mean is 2, its standard error 1."""
    check = less_paired("a", [10, 20], [11, 23], paper="below")
    assert (check.ours, check.paper, check.passed) == ("15 < 17 by 2 ± 1", "below", True)
    assert check.tolerance == "first < second by more than the standard error of 2 paired differences"
    assert not less_paired("a", [11, 23], [10, 20]).passed
    assert not less_paired("a", [0, 0], [0, 2]).passed  # the mean equals its standard error
    assert less_paired("a", [0, 0], [0.01, 2]).passed
    assert not less_paired("a", [1, 2, 3], [1, 2, 3]).passed
    assert less_paired("a", [1, 2, 3], [1.5, 2.5, 3.5]).passed
    assert less_paired("a", [0, 1], [1, 2], needs_full=True).needs_full
    assert less_paired("a", np.zeros(2), np.ones(2)).passed is True


def test_one_pair_is_judged_by_its_order():
    check = less_paired("a", [1], [1.01])
    assert (check.ours, check.tolerance, check.passed) == ("1 < 1.01", "first < second (one pair)", True)
    assert not less_paired("a", [1], [1]).passed


@pytest.mark.parametrize("bad", ["nan", "inf", math.nan, math.inf, 1e300])
def test_pairs_with_a_run_that_diverged_do_not_pass(bad):
    assert not less_paired("a", [1, bad], [2, 3]).passed
    assert not less_paired("a", [1, 2, 3], [2, 3, bad]).passed
    assert not less_paired("a", [bad], [3]).passed
    with pytest.raises(ValueError, match="zip"):
        less_paired("a", [1, 2], [bad])


@pytest.mark.parametrize("bad", ["nan", "inf", math.nan, math.inf])
def test_what_is_no_number_passes_no_limit(bad):
    """Infinities are text in a result; a run that diverged must not be taken for a small number."""
    assert not at_most("a", bad, 1).passed
    assert not between("a", bad, 0, 1).passed
    assert not less("a", bad, 1).passed
    assert not near("a", [1.0, bad], (1.0, 0.1, 10), 0.5).passed


def test_near_allows_three_standard_errors_of_both_means_and_an_allowance():
    ours, sd = [4.0, 5.0, 6.0], 1.0
    limit = 3 * math.sqrt(0.3**2 / 10 + sd**2 / 3) + 0.15
    for shift, passed in ((limit - 1e-9, True), (limit + 1e-9, False)):
        check = near("error", ours, (5 + shift, 0.3, 10), 0.15)
        assert check.passed is passed
        assert check.ours == 5
        assert check.needs_full
    assert near("error", [1.0], (1.1, 0.0, 1), 0.2).passed  # one seed, and no deviation printed
    assert near("error", [1.0], (1.1, 0.0, 1), 0.2).paper == 1.1
    assert near("error", ours, (5, 0.3, 10), 0.15).paper == "5 ± 0.3"


# ---- one claim from settings to files


def measure(study):
    runs = [{"x": x + study.seed, "log": study["log"]} for x in range(study["n"])]
    return {"squares": [run["square"] for run in study.map(square, runs)], "noise": study.rng("noise").random(2)}


def judge(measured):
    return [
        at_most("the last", measured["squares"][-1], 100),
        at_least("how many", len(measured["squares"]), 3, paper=3, needs_full=True),
    ]


def draw(measured, figure):
    figure.subplots().plot(measured["squares"])


def claim(tmp_path, **changes):
    given = Claim(
        id="a-Claim",
        source="Paper, Fig. 1",
        statement="Squares are small.",
        kind=("order",),
        cost="minutes",
        settings={"n": 3, "log": str(tmp_path / "log")},
        measure=measure,
        judge=judge,
        quick={"n": 2},
        draw=draw,
    )
    return replace(given, **changes)


def read(path):
    return json.loads(path.read_text())


@pytest.fixture
def matplotlib():
    try:
        import matplotlib
    except ImportError:
        missing('matplotlib is not installed: pip install "edgelearn[plot]"')
    return matplotlib


def test_a_full_run(tmp_path, matplotlib):
    out = tmp_path / "deep" / "out"
    given = claim(tmp_path)
    given.settings["rate"] = 2**-0.5  # is not rounded
    outcome = runner.perform(given, out)
    assert [path.name for path in outcome.written] == ["a-Claim.json", "a-Claim.png"]
    result = read(out / "a-Claim.json")
    assert result == outcome.result
    assert (result["verdict"], outcome.holds, outcome.undrawn) == ("reproduced", True, False)
    assert [check["passed"] for check in result["checks"]] == [True, True]
    assert result["measured"]["squares"] == [0, 1, 4]
    assert result["settings"] == given.settings
    assert set(result["versions"]) == {"edgelearn", "python", "numpy"}
    assert sorted(path.name for path in out.iterdir()) == ["a-Claim.json", "a-Claim.png", "runs"]


def test_the_same_command_gives_the_same_bytes(tmp_path, matplotlib):
    contents = []
    for folder in ("a", "b", "a"):
        runner.perform(claim(tmp_path), tmp_path / folder)
        result = read(tmp_path / folder / "a-Claim.json")
        assert isinstance(result.pop("seconds") + result.pop("run_seconds"), float)
        contents.append((result, (tmp_path / folder / "a-Claim.png").read_bytes()))
    assert contents[0] == contents[1] == contents[2]


def test_another_seed_writes_files_of_its_own(tmp_path, matplotlib):
    first = runner.perform(claim(tmp_path), tmp_path)
    other = runner.perform(claim(tmp_path), tmp_path, seed=7)
    assert [path.name for path in other.written] == ["a-Claim.seed7.json", "a-Claim.seed7.png"]
    assert other.result["seed"] == 7
    assert other.result["measured"]["noise"] != first.result["measured"]["noise"]
    assert read(tmp_path / "a-Claim.json") == first.result
    reduced = runner.perform(claim(tmp_path), tmp_path, quick=True, seed=7)
    assert [path.name for path in reduced.written] == ["a-Claim.seed7.quick.json", "a-Claim.seed7.quick.png"]


def diverged(study):
    runs = study.map(diverge, [{"x": x, "log": study["log"]} for x in (1, 2)])
    return {"mean": np.mean([run["loss"] for run in runs]), "angle": np.mean([run["angles"] for run in runs])}


def test_what_is_no_number_is_text_in_the_result_alone(tmp_path):
    def told(measured):
        assert measured["mean"] == math.inf
        assert math.isnan(measured["angle"])
        return [at_most("mean", measured["mean"], 1)]

    for _ in range(2):
        outcome = runner.perform(claim(tmp_path, measure=diverged, judge=told, draw=None), tmp_path / "out")
        result = json.loads((tmp_path / "out/a-Claim.json").read_text(), parse_constant=pytest.fail)
        assert result == outcome.result
        assert result["measured"] == {"mean": "inf", "angle": "nan"}
        assert (result["checks"][0]["ours"], result["checks"][0]["passed"]) == ("inf", False)


def test_what_a_claim_measures_by_itself_has_one_thread_too(tmp_path):
    measured = runner.perform(
        claim(tmp_path, measure=lambda study: threads({}, Work()), judge=lambda m: [holds("a", True)], draw=None),
        tmp_path,
    ).result["measured"]
    assert measured == {"now": [1], "later": ["1", "1", "1"]}


def test_a_reduced_run_is_marked_and_judged_by_its_orders_alone(tmp_path, matplotlib):
    outcome = runner.perform(claim(tmp_path), tmp_path, quick=True)
    assert [path.name for path in outcome.written] == ["a-Claim.quick.json", "a-Claim.quick.png"]
    assert (outcome.result["verdict"], outcome.holds) == ("reduced run: order holds", True)
    assert [check["passed"] for check in outcome.result["checks"]] == [True, None]
    assert outcome.result["settings"]["n"] == 2
    worse = runner.perform(claim(tmp_path, quick={"n": 12}), tmp_path, quick=True)
    assert (worse.result["verdict"], worse.holds) == ("reduced run: differs", False)
    numbers_only = claim(tmp_path, judge=lambda measured: judge(measured)[1:])
    assert runner.perform(numbers_only, tmp_path, quick=True).result["verdict"] == "reduced run: nothing to judge"


def test_a_claim_of_seconds_has_nothing_to_reduce(tmp_path):
    outcome = runner.perform(claim(tmp_path, quick={}, draw=None), tmp_path, quick=True)
    assert outcome.result["verdict"] == "reproduced"
    assert [path.name for path in outcome.written] == ["a-Claim.json"]
    assert not outcome.undrawn


def test_a_check_that_fails_makes_it_differ(tmp_path):
    outcome = runner.perform(claim(tmp_path, settings={"n": 12, "log": str(tmp_path / "log")}, draw=None), tmp_path)
    assert (outcome.result["verdict"], outcome.holds) == ("differs", False)
    with pytest.raises(AssertionError, match="without checks"):
        runner.perform(claim(tmp_path, judge=lambda measured: [], draw=None), tmp_path)


def test_runs_are_kept_beside_the_result(tmp_path):
    assert runner.perform(claim(tmp_path, draw=None), tmp_path, quick=True).kept_runs == 0
    assert runner.perform(claim(tmp_path, draw=None), tmp_path).kept_runs == 2
    assert done(tmp_path) == [0, 1, 2]


def test_without_matplotlib_there_is_no_figure(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    outcome = runner.perform(claim(tmp_path), tmp_path)
    assert [path.name for path in outcome.written] == ["a-Claim.json"]
    assert outcome.undrawn


def test_what_is_missing_is_said_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGELEARN_DATA", "")
    monkeypatch.setenv("EDGELEARN_CACHE", str(tmp_path / "none"))
    monkeypatch.setitem(runner.MODULES, "torch", "no_such_module")
    with pytest.raises(UserError, match=r'a-Claim needs no_such_module; pip install "torch>='):
        runner.perform(claim(tmp_path, needs=("torch",)), tmp_path / "out")
    with pytest.raises(UserError, match=r"a-Claim needs the data set cifar10: run `edgelearn data fetch cifar10`"):
        runner.perform(claim(tmp_path, data=("digits", "cifar10")), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_versions_of_extras_are_noted(tmp_path, matplotlib):
    assert "matplotlib" in runner.perform(claim(tmp_path, needs=("plot",)), tmp_path).result["versions"]


def killed(study):
    return {"all": study.map(die_once, [{"x": x, "log": study["log"]} for x in (1, 2)])}


def test_a_process_that_is_killed_is_told(tmp_path):
    fragile = claim(tmp_path, measure=killed, judge=lambda measured: [holds("all", True)], draw=None)
    with pytest.raises(UserError, match="the same command continues, with fewer --jobs"):
        runner.perform(fragile, tmp_path / "out", jobs=2)
    assert runner.perform(fragile, tmp_path / "out", jobs=2).kept_runs == 1


def terminated(study):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)


def test_termination_is_an_interrupt(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        runner.perform(claim(tmp_path, measure=terminated), tmp_path / "out")
    assert signal.getsignal(signal.SIGTERM) is before
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["runs"]


def test_results_go_beside_the_code_in_a_checkout_only(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert runner.default_folder() == Path("edgelearn-reproduced")
    monkeypatch.chdir(catalog.CLAIMS.parents[1])
    assert runner.default_folder() == Path("experiments/results/reproduce")


# ---- the index

INDEX = """
[drtp-figS1]
source = "DRTP, Suppl. Fig. 1"
check = ["order", "number"]
cost = "seconds"
data = "a | b"
note = "our note"

[fa-none]
source = "FA"
check = []
cost = ""
data = ""
status = "not possible offline"
reason = "no data"

[fa-later]
source = "FA, Note 1"
check = ["exact"]
cost = "seconds"
data = "synthetic"
status = "not yet"
reason = "hours"
"""


@pytest.fixture
def index(tmp_path, monkeypatch):
    claims = tmp_path / "experiments" / "claims"
    claims.mkdir(parents=True)
    (claims / "index.toml").write_text(INDEX)
    (claims / "drtp_figs1.py").write_text("")
    monkeypatch.setattr(catalog, "CLAIMS", claims)
    monkeypatch.setattr(catalog, "RESULTS", tmp_path)
    load = catalog.load
    monkeypatch.setattr(catalog, "load", lambda row: claim(Path()) if row.has_file else load(row))
    catalog.rows.cache_clear()
    yield tmp_path
    catalog.rows.cache_clear()


def test_claims_are_found_in_any_case(index):
    assert catalog.row_of(" DRTP-FIGs1 ").id == "drtp-figS1"
    with pytest.raises(UserError, match=r"claim 'drtp-figS2' is not known; .*all 3. Did you mean 'drtp-figS1'"):
        catalog.row_of("drtp-figS2")
    with pytest.raises(UserError, match=r"all 3\.$"):
        catalog.row_of("x")


def test_the_status_comes_from_the_kept_result(index):
    assert [row.verdict() for row in catalog.rows()] == [
        ("not yet run in full", "our note"),
        ("not possible offline", "no data"),
        ("not yet", "hours"),
    ]
    (index / "drtp-figS1.json").write_text('{"verdict": "differs", "settings": {"n": 3, "log": "log"}}')
    assert catalog.as_rows()[0] == {
        "id": "drtp-figS1",
        "source": "DRTP, Suppl. Fig. 1",
        "check": "order, number",
        "cost": "seconds",
        "data": "a | b",
        "status": "differs",
        "why": "our note",
    }
    lines = catalog.as_markdown().splitlines()
    assert lines[2] == (
        "| `drtp-figS1` | DRTP, Suppl. Fig. 1 | order, number | seconds | a \\| b | differs: our note |"
    )
    assert lines[3] == "| `fa-none` | FA | - | - | - | not possible offline: no data |"


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"settings": {}}', '{"verdict": "differs"}', "\xff"])
def test_a_kept_result_that_is_damaged_is_none(index, damage):
    (index / "drtp-figS1.json").write_bytes(damage.encode("latin-1"))
    assert catalog.row_of("drtp-figS1").verdict() == ("not yet run in full", "the result that is kept is damaged")
    assert "damaged" in catalog.as_markdown()


def test_a_kept_result_of_other_settings_is_none(index):
    (index / "drtp-figS1.json").write_text('{"verdict": "reproduced", "settings": {"n": 4, "log": "log"}}')
    expected = ("not yet run in full", "the settings have changed since the result that is kept")
    assert catalog.row_of("drtp-figS1").verdict() == expected


def test_a_result_of_another_seed_is_not_the_kept_one(index):
    (index / "drtp-figS1.seed3.json").write_text('{"verdict": "reproduced", "settings": {"n": 3, "log": "log"}}')
    assert catalog.row_of("drtp-figS1").verdict() == ("not yet run in full", "our note")


def test_claims_without_a_file_say_why(index):
    with pytest.raises(UserError, match=r"fa-none cannot be run \(it is not possible offline\): no data; see"):
        catalog.load(catalog.row_of("fa-none"))
    with pytest.raises(UserError, match=r"fa-later cannot be run \(not yet\): hours; see"):
        catalog.load(catalog.row_of("fa-later"))


def test_a_cost_class_is_those_with_a_file(index):
    assert [row.id for row in catalog.select("seconds")] == ["drtp-figS1"]
    with pytest.raises(UserError, match=r"no claim of cost hours can be run; costs that have claims: seconds$"):
        catalog.select("hours")
    with pytest.raises(UserError, match="cost class 'second' is not known; known: hours, minutes, seconds"):
        catalog.select("second")


def test_without_its_files_it_says_so(index):
    (catalog.CLAIMS / "index.toml").unlink()
    with pytest.raises(UserError, match="the claims are not here"):
        catalog.rows()


def test_claims_are_found_before_another_folder_of_that_name(monkeypatch):
    """As with `python -m edgelearn` in a folder that holds its own experiments."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(catalog.importlib.util, "find_spec", lambda name: None)
    assert catalog.load(catalog.row_of("drtp-errorsign")).id == "drtp-errorsign"
    assert sys.path[0] == str(catalog.CLAIMS.parents[1])
