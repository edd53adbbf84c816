"""Commands that are killed at any moment go on to the same bytes, and two commands never share a folder."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

OFTEN = """
import sys
import edgelearn.runs.checkpoint as checkpoint
checkpoint.CHECKPOINT_SECONDS = 0.02
from edgelearn.cli import main
sys.exit(main(sys.argv[1:]))
"""
TRACE = "pc,taken\n" + "\n".join(f"{65536 + 28580 * (n % 7)},{n * n % 3 % 2}" for n in range(1_500_000))
COMMANDS = {
    "run": ("run", "--epochs", "12"),
    "stream": ("stream", "drift", "--limit", "20000"),
    "spiking": ("run", "--spiking", "--epochs", "2", "--limit", "400"),
    "branch": ("branch", "--trace", "trace.csv", "--predictor", "bimodal,gshare,tage"),
    "sweep": ("sweep", "--bits", "4,8", "--rule", "drtp,dfa", "--epochs", "2", "--limit", "500", "--jobs", "1"),
}
KEPT = {"sweep": ("study.toml", "table.csv", "table.parquet")}


def start(command: tuple[str, ...], folder: Path, *more: str) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", OFTEN, *command, "--out", "a", *more]
    return subprocess.Popen(arguments, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(command: tuple[str, ...], folder: Path) -> None:
    more = ["--resume"] if (folder / "a/checkpoint.npz").exists() else []
    done = start(command, folder, *more)
    _, message = done.communicate(timeout=300)
    assert done.returncode == 0, message


def content(folder: Path, name: str) -> dict[str, bytes]:
    files = {path.name: path.read_bytes() for path in (folder / "a").iterdir() if path.is_file()}
    return {key: files[key] for key in KEPT[name]} if name in KEPT else files


def prepared(folder: Path, name: str) -> Path:
    folder.mkdir()
    if name == "branch":
        (folder / "trace.csv").write_text(TRACE)
    return folder


def killed_at_random(tmp_path: Path, name: str, times: int) -> int:
    """Kill a command at random moments, each time from the state that the last kill left; return how many hit."""
    command, moments = COMMANDS[name], random.Random(name)
    whole = prepared(tmp_path / "whole", name)
    begun = time.monotonic()
    finish(command, whole)
    seconds = time.monotonic() - begun
    expected, hits, number = content(whole, name), 0, 0
    while hits < times:
        folder = prepared(tmp_path / str(number), name)
        number += 1
        for _ in range(min(4, times - hits)):
            more = ["--resume"] if (folder / "a/checkpoint.npz").exists() else []
            process = start(command, folder, *more)
            time.sleep(moments.uniform(0.1, 0.9) * seconds)
            process.kill()
            _, message = process.communicate(timeout=60)
            if process.returncode == 0:  # the first run also compiled, or another one had more of the machine
                seconds *= 0.7
                break
            assert process.returncode == -9, message
            hits += 1
        finish(command, folder)
        assert content(folder, name) == expected
        assert not [path for path in (folder / "a").rglob(".*") if path.is_file()]
    return hits


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_command_goes_on_to_the_same_bytes(tmp_path, name):
    n_kills = int(os.environ.get("EDGELEARN_KILLS", "20"))
    assert killed_at_random(tmp_path, name, n_kills) >= n_kills


@pytest.mark.parametrize("flags", [(), ("--overwrite",), ("--resume",), ("--rule", "dfa", "--overwrite")])
def test_a_folder_in_use_is_refused(tmp_path, flags, monkeypatch, capsys):
    from edgelearn.cli import main
    from edgelearn.files import only_writer

    monkeypatch.chdir(tmp_path)
    with only_writer(Path("a")):
        Path("a/config.toml").write_text("")
        for command in (("run", "--epochs", "1", *flags), ("stream", "drift", "--limit", "50", *flags)):
            assert main([*command, "--out", "a"]) == 2
            told = "edgelearn: a is in use by another command; wait for its end, or give another --out\n"
            assert capsys.readouterr().err == told
        if "--rule" not in flags and "--resume" not in flags:
            for command in (("branch", "--iterations", "5"), ("sweep", "--bits", "4"), ("run", "--spiking")):
                assert main([*command, *flags, "--out", "a"]) == 2
                assert capsys.readouterr().err == told


def test_a_run_does_not_go_into_a_study(tmp_path, monkeypatch, capsys):
    from edgelearn.cli import main

    monkeypatch.chdir(tmp_path)
    for name, what in (("study/study.toml", "a study"), ("mcu/include/el_learner.h", "emitted firmware")):
        folder = Path(name).parts[0]
        Path(name).parent.mkdir(parents=True)
        Path(name).write_text("")
        assert main(["run", "--epochs", "1", "--out", folder, "--overwrite"]) == 2
        assert f"{folder} holds {what}" in capsys.readouterr().err
        assert [path for path in Path(folder).rglob("*") if path.is_file()] == [Path(name)]


def test_a_changed_report_is_told(tmp_path, monkeypatch, capsys):
    from edgelearn.cli import main

    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        assert main(["run", "--epochs", "1", "--limit", "50", "--out", folder]) == 0
    report = Path("a/report.json")
    report.write_text(report.read_text().replace('"accuracy_percent": ', '"accuracy_percent": 1'))
    capsys.readouterr()
    for command in (["run", "--resume", "--out", "a"], ["compare", "a", "b"], ["cost", "--run", "a"]):
        assert main(command) == 2
        assert (
            "report.json was changed after the run, or is not of the weights.npz beside it" in capsys.readouterr().err
        )


def test_a_reader_that_has_gone_is_no_difference():
    for arguments in (("cost", "--net", "8-4-2"), ("processors",), ("rules",), ("--help",)):
        command = f"{sys.executable} -m edgelearn {' '.join(arguments)}"
        process = subprocess.Popen(command.split(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.close()
        message = process.stderr.read()
        process.stderr.close()
        assert (process.wait(timeout=60), message) == (141, b""), arguments


SIGNALLED = """
import os, sys
module, number = sys.argv[1:]
class Signal:
    def find_spec(self, name, *_):
        if name == module:
            os.kill(os.getpid(), int(number))
sys.meta_path.insert(0, Signal())
from edgelearn.__main__ import main
sys.argv[1:] = ["run", "--epochs", "1", "--out", "a"]
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("module", "number", "code", "message"),
    [
        ("edgelearn.cli", 2, 130, ""),
        ("typer", 2, 130, ""),
        ("numpy", 2, 130, "edgelearn: interrupted\n"),
        ("edgelearn.runs.dataset", 15, 143, "edgelearn: terminated\n"),
    ],
)
def test_a_signal_during_imports_shows_no_trace(tmp_path, module, number, code, message):
    command = [sys.executable, "-c", SIGNALLED, module, str(number)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (code, message)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_imported_before_interrupts_are_handled():
    script = (
        "import sys; before = set(sys.modules); import edgelearn.__main__; print(*sorted(set(sys.modules) - before))"
    )
    command = [sys.executable, "-c", script]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert set(done.stdout.split()) <= {"edgelearn", "edgelearn.__main__", "_signal"}
