"""Kernels run from machine code on the disk, without numba, and are compiled anew where it does not fit."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer

import numba
import numpy as np
import pytest

from edgelearn.cli import _announce_compilation
from edgelearn.fixedpoint import native
from edgelearn.fixedpoint.notice import on_compile
from edgelearn.network import learner as learner_module
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled with NUMBA_DISABLE_JIT=1"),
]
ROOT = Path(__file__).parents[3]
COMMAND = """
import sys
from edgelearn.cli import main
main(["run", "--rule", "drtp", "--bits", "8", "--epochs", "1"])
heavy = [name for name in ("numba", "scipy.linalg", "sklearn", "coverage", "torch", "pandas") if name in sys.modules]
print("loaded:", *heavy)
"""


@pytest.fixture(scope="module")
def learned():
    learner = Learner(design((3, 4, 2), "dfa"))
    learner.learn(np.full((40, 3), 9, np.uint8), np.zeros(40, np.int64))
    return learner


def test_a_second_command_loads_no_compiler(learned):
    levels = np.full((4, 64), 3, np.uint8)
    Learner(design((64, 100, 10), "drtp")).learn(levels, np.zeros(4, np.int64))  # on the disk from here on
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", COMMAND], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded:"
    assert done.stderr == ""


def test_each_kernel_is_compiled_for_one_set_of_types(learned):
    """More sets would each take seconds: types of arguments must not depend on who calls."""
    levels = np.full((2, 3), 1, np.uint8)
    for learner in (learned, Learner(design((3, 4, 2), "drtp"))):
        learner.learn(levels, np.zeros(2, np.int64))
        learner.predict(levels)
        learner.scores(levels.astype(np.int8))
    assert {kernel.name for kernel in native._kernels.values() if kernel._calls} >= {"run_steps", "list_levels"}
    assert all(len(kernel._calls) <= 1 for kernel in native._kernels.values())


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Return a function that loads the kernel of a learner anew from a file."""
    source = next(native.cache_folder().glob("run_steps-*.kernel"))
    kernel = native.Kernel("edgelearn.network.kernels.sample", "run_steps")

    def read(content):
        path = tmp_path / "a.kernel"
        path.write_bytes(content)
        return kernel._read(path)

    return source.read_bytes(), read


@pytest.mark.parametrize("damage", [lambda x: x[:-9], lambda x: x[:99], lambda x: b"", lambda x: x[:-1] + b"?"])
def test_damaged_machine_code_is_not_loaded(learned, stored, damage):
    content, read = stored
    assert read(content)
    assert read(damage(content)) is None


def test_machine_code_belongs_to_sources_processor_and_settings(learned, monkeypatch):
    key = next(iter(learner_module.run_steps._calls))
    kernel = learner_module.run_steps
    paths = {kernel._path(key), kernel._path(key[:-1])}
    native._environment.cache_clear()
    with monkeypatch.context() as patch:
        patch.setenv("NUMBA_CPU_NAME", "znver1")
        paths.add(kernel._path(key))
        native._environment.cache_clear()
        patch.delenv("NUMBA_CPU_NAME")
        patch.setattr(native, "sources", lambda: "others")
        paths.add(kernel._path(key))
    native._environment.cache_clear()
    assert len(paths) == 4


HOLDS = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


class Slow(native.Kernel):
    """A kernel that compiles for a moment, and whose machine code is a file that exists."""

    compiled = 0

    def _read(self, path):
        return 1 if path is not None and path.exists() else None

    def _compile(self, path, arguments):
        Slow.compiled += 1
        time.sleep(0.2)
        path.touch()
        return 2


@pytest.fixture
def slow(tmp_path, monkeypatch):
    monkeypatch.setattr(Slow, "compiled", 0)
    monkeypatch.setattr(native, "cache_folder", lambda: tmp_path)
    return Slow


def test_one_of_many_compiles_and_the_others_load(slow, tmp_path):
    """Locks of open files separate threads as they do processes."""
    with ThreadPoolExecutor(4) as threads:
        loaded = [threads.submit(slow("a", "k")._load, ("i8",), 1, ()) for _ in range(4)]
        addresses = sorted(int.from_bytes(each.result()[1], "little") for each in loaded)
    assert (slow.compiled, addresses) == (1, [1, 1, 1, 2])
    assert [file.suffix for file in tmp_path.iterdir()] == [".kernel"]


@pytest.mark.parametrize("killed", [True, False])
def test_a_process_that_is_killed_or_stopped_holds_nobody_up(slow, monkeypatch, killed):
    monkeypatch.setattr(native, "PATIENCE", 60.0 if killed else 0.1)
    path = slow("a", "k")._path(("i8",))
    with subprocess.Popen([sys.executable, "-c", HOLDS, path.with_suffix(".lock")], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        timer = Timer(0.2, holder.kill if killed else lambda: None)
        timer.start()
        began = time.monotonic()
        slow("a", "k")._load(("i8",), 1, ())
        assert time.monotonic() - began < 10
        holder.kill()
        timer.cancel()
    assert slow.compiled == 1


def test_kernels_are_compiled_where_no_lock_can_be_made(slow, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(slow, "_compile", lambda self, path, arguments: 3)
    for folder in (tmp_path / "file", None):
        monkeypatch.setattr(native, "cache_folder", lambda folder=folder: folder)
        assert int.from_bytes(slow("a", "k")._load(("i8",), 1, ())[1], "little") == 3


def test_arrays_in_another_order_are_refused(learned):
    state = learned.state
    with pytest.raises(TypeError, match="C-contiguous"):
        learner_module.run_steps(state.net, state.layers[:, ::2], state.arrays)


def test_machine_code_of_earlier_sources_is_removed(tmp_path):
    names = ["a-1-x.kernel", "a-1-y.kernel", "a-2-x.kernel", "a-x.kernel", "ab-2-x.kernel", "a-2-x.other"]
    for name in names:
        (tmp_path / name).touch()
    native._remove_others(tmp_path / "a-1-x.kernel")
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted({*names} - {"a-2-x.kernel", "a-x.kernel"})


def test_code_that_needs_numba_is_not_kept():
    import llvmlite.binding as llvm

    def bitcode(text):
        return llvm.parse_assembly(text).as_bitcode()

    assert native._is_complete(bitcode("declare void @memset(i64)"))
    assert not native._is_complete(bitcode("declare void @numba_unpickle(i64)"))


def test_compiling_is_announced_once():
    said = []
    on_compile(lambda: said.append("compiling"))
    for _ in range(2):
        numba.njit(lambda x: x)(1)
    assert said == ["compiling"]


@pytest.mark.parametrize(
    ("folder", "chosen", "terminal", "said"),
    [
        (native.PACKAGE / "__pycache__", None, False, None),
        (native.PACKAGE / "__pycache__", None, True, "about 10 s, once"),
        (Path("/home/a/.cache/numba/edgelearn"), None, False, "kept in /home/a/.cache/numba unless NUMBA_CACHE_DIR"),
        (Path("/tmp/numba/edgelearn"), "/tmp/numba", False, None),
        (None, None, False, "set NUMBA_CACHE_DIR to one that is writable"),
    ],
)
def test_announcement_names_the_folder_where_it_is_not_the_package(monkeypatch, capsys, folder, chosen, terminal, said):
    monkeypatch.setattr(native, "cache_folder", lambda: folder)
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    if chosen:
        monkeypatch.setenv("NUMBA_CACHE_DIR", chosen)
    _announce_compilation()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == (said is not None)
    assert (said or "") in err


def test_kernels_are_kept_where_the_user_may_write(tmp_path, monkeypatch):
    """In containers the package is read-only, or there is no home."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(native, "PACKAGE", tmp_path / "file")
    (tmp_path / "file").touch()  # no folder can be made in a file, not even by root
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert native.cache_folder.__wrapped__() == tmp_path / "caches" / "numba" / "edgelearn"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert native.cache_folder.__wrapped__() is None
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "own"))
    assert native.cache_folder.__wrapped__() == tmp_path / "own" / "edgelearn"


@pytest.mark.parametrize(("text", "expected"), [("1", True), ("0", False), ("false", False)])
def test_kernels_are_interpreted_where_numba_does_not_compile(monkeypatch, tmp_path, text, expected):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NUMBA_DISABLE_JIT", text)
    assert native.interpreted.__wrapped__() is expected
