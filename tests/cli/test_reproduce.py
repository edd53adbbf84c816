"""`edgelearn reproduce` as a user types it: lists, runs, refusals, interrupts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgelearn.cli import main
from edgelearn.errors import UserError
from edgelearn.reproduction import catalog, runner
from tests.cli.runner import edgelearn
from tests.cli.test_errors import assert_refused


def test_list(tmp_path):
    result = edgelearn("reproduce", "list", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "drtp-theorem" in result.stdout
    assert "ImageNet is not available" in " ".join(result.stdout.split())
    rows = json.loads(edgelearn("reproduce", "list", "--json", cwd=tmp_path).stdout)
    assert len(rows) == 86
    assert set(rows[0]) == {"id", "source", "check", "cost", "data", "status", "why"}
    assert edgelearn("reproduce", "list", "--markdown", cwd=tmp_path).stdout == catalog.as_markdown()
    assert list(tmp_path.iterdir()) == []


def test_a_claim_is_run_judged_and_written(tmp_path):
    result = edgelearn("reproduce", "DRTP-errorsign", "--jobs", "1", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for text in ("DRTP, section 2.2", "verdict: reproduced", "written: edgelearn-reproduced/drtp-errorsign.json"):
        assert text in result.stdout
    assert json.loads((tmp_path / "edgelearn-reproduced" / "drtp-errorsign.json").read_text())["seed"] == 0
    assert result.stderr == ""


def test_results_as_json(tmp_path):
    command = ("reproduce", "drtp-errorsign", "drtp-lemma", "--json", "--seed", "3", "--out", "a")
    first, second = (json.loads(line) for line in edgelearn(*command, cwd=tmp_path).stdout.splitlines())
    assert first == json.loads((tmp_path / "a" / "drtp-errorsign.seed3.json").read_text())
    assert (first["seed"], second["id"]) == (3, "drtp-lemma")


def test_help_says_how(tmp_path):
    text = " ".join(edgelearn("reproduce", "--help", cwd=tmp_path).stdout.split())
    for part in ("reproduce list", "--cost", "--quick", "Exit code: 0 reproduced, 1 differs"):
        assert part in text


CASES = {
    "misspelt": (["drtp-theoren"], "`edgelearn reproduce list` shows all 86. Did you mean 'drtp-theorem'?"),
    "no data anywhere": (["mdfa-table2"], "mdfa-table2 cannot be run (it is not possible offline): ImageNet"),
    "nothing": ([], "give the ids of claims, or --cost seconds"),
    "two ways": (["drtp-theorem", "--cost", "seconds"], "give the ids of claims or --cost, not both"),
    "cost": (["--cost", "second"], "cost class 'second' is not known; known: hours, minutes, seconds. Did you mean 'seconds'?"),
    "markdown": (["drtp-theorem", "--markdown"], "--markdown is for the list"),
    "jobs": (["drtp-theorem", "--jobs", "0"], "--jobs 0 cannot be used; give 1 to 1024"),
    "seed": (["drtp-theorem", "--seed", "-1"], "--seed -1 cannot be used; give 0 or more"),
    "list, quick": (["list", "--quick"], "the list runs nothing"),
    "list, seed": (["list", "--seed", "0"], "the list runs nothing"),
    "list, jobs": (["list", "--jobs", "1", "--json"], "the list runs nothing"),
    "list, out": (["list", "--out", "a", "--markdown"], "the list runs nothing"),
    "list, cost": (["list", "--cost", "seconds"], "the list runs nothing"),
    "one of two": (["drtp-theorem", "drtp"], "claim 'drtp' is not known"),
    "folder": (["drtp-errorsign", "--out", "/proc/none"], "cannot write /proc/none"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_refusals(tmp_path, name):
    arguments, text = CASES[name]
    assert_refused(edgelearn("reproduce", *arguments, cwd=tmp_path), text)
    assert list(tmp_path.iterdir()) == []


# ---- a claims folder of our own, in this process

CLAIM = """
import time
from pathlib import Path
from edgelearn.reproduction import Claim, at_most

def one(settings, work):
    Path(settings["log"]).open("a").write("run\\n")
    return {"x": settings["x"]}

def measure(study):
    runs = [{"x": x, "log": study["log"]} for x in range(study["n"])]
    return {"xs": [run["x"] for run in study.map(one, runs)]}

CLAIM = Claim(
    id="fa-made-up", source="Paper", statement="Small.", kind=("order",), cost="minutes",
    settings={"n": 5, "log": LOG}, quick={"n": 2}, measure=measure, data=DATA,
    judge=lambda m: [at_most("last", m["xs"][-1], 3), at_most("how many", len(m["xs"]), 1, needs_full=True)],
)
"""
INDEX = '[fa-made-up]\nsource = "Paper"\ncheck = ["order"]\ncost = "minutes"\ndata = ""\nnote = "too many"\n'


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """Put one claim into the index; return the way to write its file."""
    (tmp_path / "experiments" / "claims").mkdir(parents=True)
    (tmp_path / "experiments" / "claims" / "index.toml").write_text(INDEX)
    for folder in ("experiments", "experiments/claims"):
        (tmp_path / folder / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(catalog, "CLAIMS", tmp_path / "experiments" / "claims")
    monkeypatch.setattr(catalog, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "experiments"}
    catalog.rows.cache_clear()

    def write(data=(), text=CLAIM):
        text = text.replace("LOG", repr(str(tmp_path / "log"))).replace("DATA", repr(data))
        (tmp_path / "experiments" / "claims" / "fa_made_up.py").write_text(text)

    yield write
    catalog.rows.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "experiments"]:
        del sys.modules[name]
    sys.modules.update(kept)


def test_a_claim_that_differs_gives_1_and_its_note(made_up, capsys):
    made_up()
    assert main(["reproduce", "fa-made-up", "--out", "a", "--jobs", "1"]) == 1
    printed = capsys.readouterr().out
    assert "verdict: differs (too many)" in printed
    assert Path("a/fa-made-up.json").exists()


def test_a_reduced_run_says_so(made_up, capsys):
    made_up()
    assert main(["reproduce", "--cost", "minutes", "--quick", "--out", "a", "--jobs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "verdict: reduced run: order holds" in printed
    assert "full run only" in printed
    assert sorted(path.name for path in Path("a").iterdir()) == ["fa-made-up.quick.json", "runs"]
    assert main(["reproduce", "fa-made-up", "--out", "a", "--jobs", "1"]) == 1
    assert "2 runs were kept from before" in capsys.readouterr().out
    assert Path("log").read_text().count("run") == 5


def test_several_claims_are_summed_up(made_up, capsys):
    made_up()
    assert main(["reproduce", "fa-made-up", "FA-made-up", "--out", "a", "--jobs", "1"]) == 1
    assert "0 of 2 hold; these differ: fa-made-up, fa-made-up" in capsys.readouterr().out


def test_a_cost_that_no_claim_has_is_refused(made_up, capsys):
    made_up()
    assert main(["reproduce", "--cost", "hours", "--out", "a"]) == 2
    told = "edgelearn: no claim of cost hours can be run; costs that have claims: minutes\n"
    assert capsys.readouterr() == ("", told)
    assert not Path("a").exists()


def test_what_is_finished_is_printed_before_a_later_claim_fails(made_up, capsys, monkeypatch):
    made_up()
    calls = []

    def fail_at_the_second(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise UserError("a process was killed")
        return real(*arguments)

    real = runner.perform
    monkeypatch.setattr(runner, "perform", fail_at_the_second)
    assert main(["reproduce", "fa-made-up", "fa-made-up", "--json", "--out", "a", "--jobs", "1"]) == 2
    printed, told = capsys.readouterr()
    assert json.loads(printed)["id"] == "fa-made-up"
    assert told == "edgelearn: a process was killed\n"


def test_without_jobs_every_processor_that_may_be_used_is(made_up, monkeypatch):
    made_up()
    given = []

    def note(claim, out, quick, seed, jobs, show):
        given.append(jobs)
        raise UserError("enough")

    monkeypatch.setattr(runner, "perform", note)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5, 7}, raising=False)
    assert main(["reproduce", "fa-made-up"]) == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert main(["reproduce", "fa-made-up"]) == 2
    assert given == [3, 6]


def test_the_list_stands_whatever_is_kept(made_up, capsys):
    made_up()
    Path("results").mkdir()
    kept = Path("results/fa-made-up.json")
    settings = {"n": 5, "log": str(Path("log").absolute())}
    for text, status in (
        ("{", "not yet run in full: the result that is kept is damaged"),
        (json.dumps({"verdict": "differs", "settings": settings}), "differs: too many"),
        (json.dumps({"verdict": "differs", "settings": {}}), "not yet run in full: the settings have changed"),
    ):
        kept.write_text(text)
        assert main(["reproduce", "list", "--markdown"]) == 0
        assert f"| {status}" in capsys.readouterr().out


def test_missing_data_is_named_and_nothing_is_written(made_up, capsys, monkeypatch):
    monkeypatch.delenv("EDGELEARN_DATA", raising=False)
    monkeypatch.setenv("EDGELEARN_CACHE", str(Path.cwd() / "none"))
    made_up(data=("cifar10",))
    assert main(["reproduce", "fa-made-up", "--out", "a"]) == 2
    told = capsys.readouterr().err
    assert "fa-made-up needs the data set cifar10: run `edgelearn data fetch cifar10`" in told
    assert told.count("\n") == 1
    assert not Path("a").exists()


def test_ctrl_c_and_the_same_command_again(tmp_path):
    """The real command; it is stopped while its processes run, and goes on where they ended."""
    claims = tmp_path / "experiments" / "claims"
    claims.mkdir(parents=True)
    for folder in (claims.parent, claims):
        (folder / "__init__.py").touch()
    text = CLAIM.replace("LOG", repr(str(tmp_path / "log"))).replace("DATA", "()")
    (claims / "fa_made_up.py").write_text(text.replace('{"x": settings', 'time.sleep(0.4) or {"x": settings'))
    (claims / "index.toml").write_text(INDEX)
    start = (
        "import sys; from pathlib import Path; from edgelearn.cli import main; from edgelearn.reproduction import catalog\n"
        "if __name__ == '__main__':\n"
        "    catalog.CLAIMS = Path('experiments/claims').resolve()\n"
        "    sys.exit(main(['reproduce', 'fa-made-up', '--out', 'a', '--jobs', '2']))\n"
    )
    (tmp_path / "start.py").write_text(start)

    def begin():
        return subprocess.Popen(
            [sys.executable, "start.py"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def kept():
        return list((tmp_path / "a" / "runs").glob("*.json"))

    first, end = begin(), time.monotonic() + 60
    while not kept() and time.monotonic() < end:
        time.sleep(0.02)
    os.killpg(first.pid, signal.SIGINT)
    printed, told = first.communicate(timeout=60)
    assert (first.returncode, printed) == (130, "")
    assert told == "edgelearn: interrupted; finished claims are kept, the same command continues\n"
    before = len(kept())
    assert 1 <= before < 5
    again = begin()
    printed, told = again.communicate(timeout=60)
    assert again.returncode == 1, told
    assert f"{before} runs were kept from before" in printed
    assert "verdict: differs (too many)" in printed
