"""A kind of run is one file and one row: a toy kind, driven to its end, interrupted, resumed, finished, refused."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import edgelearn
from edgelearn.config import Settings, make_config
from edgelearn.errors import UserError
from edgelearn.runs import registry
from edgelearn.runs.checkpoint import Interrupted
from edgelearn.runs.kind import Kind, Progress, drive
from edgelearn.runs.registry import find_kind, kind_of_report, run, studied_kind

CONTRACT = 7


class CoinSettings(Settings):
    """Settings of counting heads."""

    kind = "coins"
    throws: int = 100
    coin_seed: int = 0


class CoinWork:
    """Throws coins, ten at a time."""

    live = False
    identity = {"contract": CONTRACT}  # noqa: RUF012

    def __init__(self, config):
        self.config, self.heads, self.done = config, np.zeros(1, np.int64), 0
        self.generator = np.random.default_rng(config.coin_seed)

    def chunks(self):
        while self.done < self.config.throws:
            yield min(10, self.config.throws - self.done)

    def advance(self, chunk):
        self.heads += self.generator.integers(0, 2, chunk).sum()
        self.done += chunk

    def progress(self):
        return Progress(self.done, self.config.throws)

    def state(self):
        return {"heads": self.heads}

    def note(self):
        return {"done": self.done, "generator": self.generator.bit_generator.state}

    def restore(self, arrays, note):
        self.heads[:], self.done = arrays["heads"], note["done"]
        self.generator.bit_generator.state = note["generator"]

    def words(self):
        return self.state(), {}

    def content(self):
        accuracy = 100 * int(self.heads[0]) / self.config.throws
        return {"config": self.config.model_dump(mode="json"), "contract": CONTRACT, "accuracy_percent": accuracy}


def show(content, console):
    console.print(f"{content['accuracy_percent']} % heads")


KIND = Kind(CoinSettings, "coins", CONTRACT, lambda config, checkpoint: CoinWork(config), show)
CONFIG = CoinSettings()


@pytest.fixture(autouse=True)
def row(monkeypatch):
    monkeypatch.setitem(registry.KINDS, "coins", __name__)
    monkeypatch.setitem(sys.modules, __name__, sys.modules[KIND.open.__module__])


def strike_at(n):
    def strike(work):
        if work.done == n:
            os.kill(os.getpid(), signal.SIGINT)

    return strike


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_toy_kind_is_found_by_its_settings_and_its_report(tmp_path):
    result = run(CONFIG, tmp_path / "a")
    assert result.content["accuracy_percent"] == 100 * np.random.default_rng(0).integers(0, 2, 100).sum() / 100
    assert json.loads((tmp_path / "a/report.json").read_text()) == result.content
    assert set(files(tmp_path / "a")) == {"config.toml", "report.json", "weights.npz"}
    assert kind_of_report(result.content) is find_kind("coins") is KIND


@pytest.mark.parametrize("n", [10, 50, 100])
def test_an_interrupted_run_ends_with_the_same_bytes(tmp_path, n):
    run(CONFIG, tmp_path / "whole")
    with pytest.raises(Interrupted) as interrupt:
        run(CONFIG, tmp_path / "cut", on_progress=strike_at(n))
    assert interrupt.value.folder == tmp_path / "cut"
    assert set(files(tmp_path / "cut")) == {"config.toml", "checkpoint.npz"}
    seen = []
    run(CONFIG, tmp_path / "cut", resume=True, on_progress=lambda work: seen.append(work.done))
    assert seen == list(range(n + 10, 101, 10))
    assert files(tmp_path / "cut") == files(tmp_path / "whole")


def test_a_finished_run_is_not_run_again(tmp_path):
    first = run(CONFIG, tmp_path)
    again = run(CONFIG, tmp_path, resume=True, on_progress=lambda work: pytest.fail("run again"))
    assert again == first
    (tmp_path / "report.json").write_text("{")
    with pytest.raises(UserError, match=r"report\.json was changed after the run, .*; start again with --overwrite"):
        run(CONFIG, tmp_path, resume=True)


def test_what_a_folder_holds_is_not_replaced_unasked(tmp_path):
    other = CoinSettings(coin_seed=5)
    run(CONFIG, tmp_path)
    before = files(tmp_path)
    for resume in (False, True):
        with pytest.raises(UserError, match=r"holds a run of another configuration \(coin_seed was 0, is 5\)"):
            run(other, tmp_path, resume=resume)
    with pytest.raises(UserError, match="holds a run of another kind; give another --out, or --overwrite"):
        run(make_config({"net": "64-4-10", "epochs": 1, "limit": 20}), tmp_path)
    assert files(tmp_path) == before
    run(other, tmp_path, overwrite=True)
    assert files(tmp_path) != before
    with pytest.raises(Interrupted):
        run(CONFIG, tmp_path, overwrite=True, on_progress=strike_at(50))
    assert set(files(tmp_path)) == {"config.toml", "checkpoint.npz"}  # no results of other settings
    with pytest.raises(UserError, match="holds an interrupted run; continue it with --resume"):
        run(CONFIG, tmp_path)
    with pytest.raises(UserError, match="holds no checkpoint to resume"):
        run(CONFIG, tmp_path / "empty", resume=True)


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(tmp_path):
    run(CONFIG, tmp_path / "whole")
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut/config.toml").write_bytes((tmp_path / "whole/config.toml").read_bytes())
    (tmp_path / "cut/weights.npz").write_bytes(b"half of")
    with pytest.raises(UserError, match="of another configuration"):
        run(CoinSettings(throws=CONFIG.throws + 1), tmp_path / "cut", resume=True)
    run(CONFIG, tmp_path / "cut", resume=True)
    assert files(tmp_path / "cut") == files(tmp_path / "whole")


def test_a_checkpoint_of_another_contract_or_with_other_bytes_is_refused(tmp_path):
    with pytest.raises(Interrupted):
        run(CONFIG, tmp_path, on_progress=strike_at(50))

    class Newer(CoinWork):
        identity = {"contract": CONTRACT + 1}  # noqa: RUF012

    with pytest.raises(UserError, match="was made with other contract"):
        drive(KIND, CONFIG, tmp_path, resume=True, open=lambda config, checkpoint: Newer(config))
    whole = (tmp_path / "checkpoint.npz").read_bytes()
    (tmp_path / "checkpoint.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="cannot be read"):
        run(CONFIG, tmp_path, resume=True)


def test_checkpoints_are_written_between_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr("edgelearn.runs.checkpoint.CHECKPOINT_SECONDS", 0.0)
    seen = []

    def look(work):
        seen.append((tmp_path / "checkpoint.npz").exists())

    run(CONFIG, tmp_path, on_progress=look)
    assert seen == [False] + 9 * [True]
    assert not (tmp_path / "checkpoint.npz").exists()


SLOW = """
import sys, time
from pathlib import Path
sys.path.insert(0, {folder!r})
import test_kind as toy
class Slow(toy.CoinWork):
    def advance(self, chunk):
        time.sleep(0.01)
        super().advance(chunk)
from edgelearn.runs import checkpoint
checkpoint.CHECKPOINT_SECONDS = 0.02
toy.drive(toy.KIND, toy.CoinSettings(throws=20_000), Path("a"), open=lambda config, _: Slow(config))
"""


def test_a_kill_at_any_time_leaves_a_checkpoint_that_continues(tmp_path):
    config = CoinSettings(throws=20_000)
    whole = run(config, tmp_path / "whole")
    code = SLOW.format(folder=os.path.dirname(__file__))
    for delay in (0.0, 0.013, 0.051):
        process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
        while not (tmp_path / "a/checkpoint.npz").exists() and process.poll() is None:
            time.sleep(0.005)
        time.sleep(delay)
        process.kill()
        process.wait()
        assert run(config, tmp_path / "a", resume=True) == whole
        assert {name for name in files(tmp_path / "a") if not name.startswith(".")} == set(files(tmp_path / "whole"))
        (tmp_path / "a/report.json").unlink()
        (tmp_path / "a/weights.npz").unlink()


def test_kinds_that_are_none():
    with pytest.raises(UserError, match="kind 'coin' is not known; known: branch, coins, run, spiking, stream"):
        find_kind("coin")
    with pytest.raises(UserError, match="kind 'branch' is not known; known: run, spiking, stream"):
        studied_kind("branch")


def test_runs_in_python():
    result = edgelearn.run(edgelearn.RunConfig(net="64-4-10", epochs=1, limit=40))
    assert result.content["accuracy_percent"] == pytest.approx(100 - result.content["result"]["test_error_percent"])
    assert "run" in dir(edgelearn)


def test_an_interrupt_comes_back_from_a_worker():
    sent = pickle.loads(pickle.dumps(Interrupted(Path("a"), True)))
    assert (type(sent), sent.folder, sent.terminated) == (Interrupted, Path("a"), True)
