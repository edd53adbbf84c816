"""Commands and the files they take: every command, every kind of file."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from tests.robustness import documents as d
from tests.robustness.documents import Document
from tests.robustness.harness import OUT, Scenario, run
from tests.robustness.mutations import BYTES, LONG, damaged

TEXTS = (".csv", ".tsv", ".jsonl", ".arff", ".npz", ".parquet", ".txt", ".dat", ".toml", "")
RUN = ("--epochs", "1", "--limit", "30", "--out", OUT)
STREAM = ("--hidden", "4", "--out", OUT)
SPIKING = ("--epochs", "1", "--limit", "12", "--steps", "6", "--out", OUT)
BRANCH = ("--predictor", "bimodal:6,mdfa:12:6:4", "--budget", "1KB", "--out", OUT)
COST = ("cost", "--net", "8-4-2", "--rule", "drtp")

CSV, TSV = Document(d.labelled, d.separated()), Document(d.labelled, d.separated("\t"))
STREAM_CSV = Document(lambda: d.labelled(60, time=True), d.separated())
STREAM_LINES = Document(lambda: d.labelled(60, time=True), d.json_lines)


@cache
def _finished(arguments: tuple[str, ...], files: tuple[tuple[str, Document], ...] = ()) -> Path:
    """Return a folder in which a command has ended; made once."""
    folder = Path(tempfile.mkdtemp(prefix="edgelearn-robust-"))
    for name, document in files:
        (folder / name).write_bytes(document.write(document.make()))
    ended = run(list(arguments), folder, limited=False)
    assert ended.code == 0, ended.err
    return folder


def _copy_of(*runs: tuple[str, ...], files: tuple[tuple[str, Document], ...] = ()) -> Callable[[Path], None]:
    def prepare(folder: Path) -> None:
        for arguments in runs:
            shutil.copytree(_finished(arguments, files), folder, dirs_exist_ok=True)

    return prepare


def _damage_in(*patterns: str) -> Callable[[Path, random.Random], list[str]]:
    """Damage one file of a prepared folder: its bytes, or its nodes where it is TOML or JSON."""

    def damage(folder: Path, rng: random.Random) -> list[str]:
        path = rng.choice(sorted(path for pattern in patterns for path in folder.glob(pattern)))
        if rng.random() < 0.1:
            path.unlink()
            return [f"without {path.name}"]
        if path.suffix in (".toml", ".json"):
            data, faults = damaged(
                Document(lambda: _tree_of(path), d.as_toml if path.suffix == ".toml" else d.as_json), rng
            )
        else:
            mutation = rng.choice(BYTES)
            data, faults = mutation(path.read_bytes(), rng), [mutation.__name__]
        path.write_bytes(data)
        return [f"{path.name}: {', '.join(faults)}"]

    return damage


def _tree_of(path: Path) -> Any:
    import json
    import tomllib

    text = path.read_text(encoding="utf-8")
    return tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)


DRTP = ("run", "--net", "64-4-10", "--epochs", "1", "--limit", "20", "--out", OUT)
DFA = ("run", "--net", "64-4-10", "--rule", "dfa", "--epochs", "1", "--limit", "20", "--out", "other")
STUDY = (
    "sweep", "--bits", "4,6", "--net", "64-4-10", "--epochs", "1", "--limit", "20", "--jobs", "1", "--backend", "threads",
    "--out", "study",
)  # fmt: skip
SHORT_STREAM = ("stream", "data.csv", "--hidden", "4", "--out", OUT)
SHORT_BRANCH = ("branch", "--iterations", "30", "--predictor", "bimodal:6", "--out", OUT)
SHORT_SPIKING = ("run", "--spiking", "--net", "64-4-10", "--epochs", "1", "--limit", "5", "--steps", "4", "--out", OUT)

FLAG_VALUES = (
    "", " ", "0", "-1", "1", "2", "7", "2.5", "1e3", "nan", "inf", "-inf", "1e308", "1e999", "2147483648", "9223372036854775808",
    "-9223372036854775809", "9" * 400, "x", "1,2", "1,,2", ",", "a=b", "=", "64-5-10", "64--10", "64-0-10", "50 Hz", "20 ms", "1e308 s",
    "-1 V", "0 W", "1 parsec", "é", "\u202e", "a\nb", "\x1b[31m", "\uff11\uff12", "1_0", "0x10", "true", "none", LONG, "no/such/file.csv",
    ".", "..", "/", "/dev/null", "digits", "drtp", "bp", "all", "tonic:", "mnist", "'", '"', "%s", "{x}", "[a]",
)  # fmt: skip
SLOW_FLAGS = {
    "--epochs",
    "--iterations",
    "--jobs",
    "--repeats",
    "--windows",
    "--out",
    "--scheduler",
    "--nir",
    "--help",
    "--samples",
}


@cache
def _options(path: tuple[str, ...]) -> list[tuple[str, bool]]:
    """Return the flags of a command and whether they take no value."""
    from edgelearn.cli import root

    command: Any = root()
    for name in path:
        command = command.get_command(None, name)
    return [
        (option, bool(parameter.is_flag))
        for parameter in command.params
        if parameter.param_type_name == "option"
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option not in SLOW_FLAGS
    ]


def _flags(*path: str) -> Callable[[random.Random], list[str]]:
    def draw(rng: random.Random) -> list[str]:
        typed = []
        for _ in range(rng.choice((1, 1, 2, 3))):
            name, is_switch = rng.choice(_options(path))
            typed += [name] if is_switch else [name, rng.choice(FLAG_VALUES)]
        return typed

    return draw


SCENARIOS: dict[str, Scenario] = {
    "run csv": Scenario(("run", "--data", "data.csv", *RUN), {"data.csv": CSV}, suffixes=TEXTS),
    "run tsv": Scenario(("run", "--data", "data.tsv", *RUN), {"data.tsv": TSV}, suffixes=TEXTS),
    "run npz": Scenario(
        ("run", "--data", "data.npz", *RUN), {"data.npz": Document(d.digits_of, d.npz)}, suffixes=TEXTS
    ),
    "run jsonl": Scenario(
        ("run", "--data", "data.jsonl", *RUN), {"data.jsonl": Document(d.labelled, d.json_lines)}, suffixes=TEXTS
    ),
    "run config": Scenario(
        ("run", "--config", "a.toml", "--limit", "20", "--out", OUT),
        {"a.toml": Document(lambda: d.RUN_TOML, d.as_toml)},
    ),
    "run flags": Scenario(DRTP, flags=_flags("run")),
    "run resume": Scenario(
        ("run", "--resume", "--out", OUT),
        prepare=_copy_of(DRTP),
        damages=_damage_in("out/*.toml", "out/*.json", "out/*.npz"),
    ),
    "run checkpoint": Scenario(
        ("run", "--resume", "--out", OUT), damages=_damage_in("out/*"), prepare=lambda folder: _checkpoint(folder)
    ),
    "run over": Scenario(DRTP, prepare=_copy_of(DRTP), damages=_damage_in("out/config.toml")),
    "spiking events": Scenario(
        ("run", "--spiking", "--data", "e.csv", *SPIKING), {"e.csv": Document(d.events, d.separated())}, suffixes=TEXTS
    ),
    "spiking arrays": Scenario(
        ("run", "--spiking", "--data", "e.npz", *SPIKING), {"e.npz": Document(d.event_arrays, d.npz)}, suffixes=TEXTS
    ),
    "spiking parquet": Scenario(
        ("run", "--spiking", "--data", "e.parquet", *SPIKING),
        {"e.parquet": Document(d.event_rows, d.parquet)},
        suffixes=TEXTS,
    ),
    "spiking pixels": Scenario(
        ("run", "--spiking", "--data", "e.txt", *SPIKING), {"e.txt": Document(d.event_rows, d.separated("\t"))}
    ),
    "spiking mat": Scenario(
        ("run", "--spiking", "--data", "e.mat", *SPIKING), {"e.mat": Document(d.event_columns, d.mat)}, suffixes=TEXTS
    ),
    "spiking hdf5": Scenario(
        ("run", "--spiking", "--data", "e.h5", *SPIKING), {"e.h5": Document(d.event_columns, d.hdf5)}, suffixes=TEXTS
    ),
    "spiking npy": Scenario(
        ("run", "--spiking", "--data", "e.npy", *SPIKING),
        {"e.npy": Document(d.event_columns, d.structured)},
        suffixes=TEXTS,
    ),
    "spiking aedat": Scenario(
        ("run", "--spiking", "--data", "set", "--step-time", "1 ms", *SPIKING),
        {
            f"set/{label}/{k}.aedat": Document(made, d.as_bytes)
            for label in ("a", "b")
            for k, made in enumerate((d.aedat_2, d.aedat_3))
        },
        prepare=lambda folder: [(folder / f"set/{label}").mkdir(parents=True) for label in ("a", "b")],
    ),
    "spiking nir": Scenario(("run", "--spiking", "--start", "g.nir", *SPIKING), {"g.nir": Document(d.graph, d.hdf5)}),
    "spiking config": Scenario(
        ("run", "--config", "a.toml", "--data", "data.npz", "--out", OUT),
        {"a.toml": Document(lambda: d.SPIKING_TOML, d.as_toml), "data.npz": Document(d.digits_of, d.npz)},
    ),
    "spiking flags": Scenario(SHORT_SPIKING, flags=_flags("run")),
    "spiking resume": Scenario(
        ("run", "--spiking", "--resume", "--out", OUT), prepare=_copy_of(SHORT_SPIKING), damages=_damage_in("out/*")
    ),
    "stream csv": Scenario(("stream", "data.csv", *STREAM), {"data.csv": STREAM_CSV}, suffixes=TEXTS),
    "stream jsonl": Scenario(("stream", "data.jsonl", *STREAM), {"data.jsonl": STREAM_LINES}, suffixes=TEXTS),
    "stream parquet": Scenario(
        ("stream", "data.parquet", *STREAM),
        {"data.parquet": Document(lambda: d.labelled(60, True), d.parquet)},
        suffixes=TEXTS,
    ),
    "stream arff": Scenario(
        ("stream", "data.arff", *STREAM), {"data.arff": Document(d.labelled, d.arff)}, suffixes=TEXTS
    ),
    "stream npz": Scenario(
        ("stream", "data.npz", *STREAM), {"data.npz": Document(d.stream_arrays, d.npz)}, suffixes=TEXTS
    ),
    "stream mat": Scenario(
        ("stream", "data.mat", *STREAM), {"data.mat": Document(d.stream_arrays, d.mat)}, suffixes=TEXTS
    ),
    "stream hdf5": Scenario(
        ("stream", "data.h5", *STREAM), {"data.h5": Document(d.stream_arrays, d.hdf5)}, suffixes=TEXTS
    ),
    "stream wav": Scenario(
        ("stream", "set", *STREAM),
        {f"set/{label}/0.wav": Document(d.wav, d.as_bytes) for label in ("a", "b")},
        prepare=lambda folder: [(folder / f"set/{label}").mkdir(parents=True) for label in ("a", "b")],
    ),
    "stream edge impulse": Scenario(
        ("stream", "set", *STREAM),
        {f"set/{label}.1.json": Document(d.edge_impulse, d.as_json) for label in ("idle", "walk")},
        prepare=lambda folder: (folder / "set").mkdir(),
    ),
    "run events": Scenario(
        ("run", "--data", "e.csv", "--features", "x,y", *RUN),
        {"e.csv": Document(d.event_rows, d.separated())},
        suffixes=TEXTS,
    ),
    "stream description": Scenario(
        ("stream", "d.toml", *STREAM),
        {"d.toml": Document(lambda: d.RECORDINGS_TOML, d.as_toml), "data.npz": Document(d.recordings, d.npz)},
    ),
    "stream live": Scenario(("stream", "-", *STREAM), {"data.csv": STREAM_CSV}, stdin="data.csv"),
    "stream live json": Scenario(("stream", "-", *STREAM), {"data.jsonl": STREAM_LINES}, stdin="data.jsonl"),
    "stream config": Scenario(
        ("stream", "data.csv", "--config", "a.toml", "--out", OUT),
        {"a.toml": Document(lambda: d.STREAM_TOML, d.as_toml), "data.csv": STREAM_CSV},
    ),
    "stream flags": Scenario(("stream", "data.csv", *STREAM), {"data.csv": STREAM_CSV}, flags=_flags("stream")),
    "stream resume": Scenario(
        ("stream", "data.csv", "--resume", "--out", OUT),
        prepare=_copy_of(SHORT_STREAM, files=(("data.csv", STREAM_CSV),)),
        damages=_damage_in("out/*"),
    ),
    "branch csv": Scenario(
        ("branch", "--trace", "t.csv", *BRANCH), {"t.csv": Document(d.branches, d.separated())}, suffixes=TEXTS
    ),
    "branch text": Scenario(
        ("branch", "--trace", "t.txt", *BRANCH), {"t.txt": Document(d.course, d.separated(" "))}, suffixes=TEXTS
    ),
    "branch bt9": Scenario(
        ("branch", "--trace", "t.bt9", *BRANCH), {"t.bt9": Document(d.bt9, d.separated(" "))}, suffixes=TEXTS
    ),
    "branch cbp1": Scenario(
        ("branch", "--trace", "t.trace", *BRANCH), {"t.trace": Document(d.cbp1, d.as_bytes)}, suffixes=TEXTS
    ),
    "branch npz": Scenario(
        ("branch", "--trace", "t.npz", *BRANCH), {"t.npz": Document(d.branch_arrays, d.npz)}, suffixes=TEXTS
    ),
    "branch index": Scenario(
        ("branch", "--trace", "t.npz", *BRANCH), {"t.npz": Document(d.branch_index, d.npz)}, suffixes=TEXTS
    ),
    "branch config": Scenario(
        ("branch", "--config", "a.toml", "--out", OUT), {"a.toml": Document(lambda: d.BRANCH_TOML, d.as_toml)}
    ),
    "branch flags": Scenario(SHORT_BRANCH, flags=_flags("branch")),
    "branch resume": Scenario(
        ("branch", "--resume", "--out", OUT), prepare=_copy_of(SHORT_BRANCH), damages=_damage_in("out/*")
    ),
    "cost processor": Scenario(
        (*COST, "--processor", "p.toml"), {"p.toml": Document(lambda: d.PROCESSOR_TOML, d.as_toml)}
    ),
    "cost core": Scenario(
        (*COST, "--processor", "p.toml"), {"p.toml": Document(lambda: d.MICROCONTROLLER_TOML, d.as_toml)}
    ),
    "cost ert": Scenario((*COST, "--ert", "ert.yaml"), {"ert.yaml": Document(d.ert, d.as_json)}),
    "cost flags": Scenario(("cost",), flags=_flags("cost")),
    "cost run": Scenario(
        ("cost", "--run", OUT, "--json"), prepare=_copy_of(DRTP), damages=_damage_in("out/report.json")
    ),
    "processors": Scenario(("processors", "show", "p.toml"), {"p.toml": Document(lambda: d.PROCESSOR_TOML, d.as_toml)}),
    "sweep plan": Scenario(
        ("sweep", "--config", "plan.toml", "--jobs", "1", "--backend", "threads", "--out", "study"),
        {"plan.toml": Document(lambda: d.PLAN_TOML, d.as_toml)},
        codes=(0, 1),
    ),
    "sweep again": Scenario(
        STUDY,
        prepare=_copy_of(STUDY),
        damages=_damage_in("study/cells/*.json", "study/*.toml", "study/table.*"),
        codes=(0, 1),
    ),
    "study show": Scenario(
        ("study", "show", "study"), prepare=_copy_of(STUDY), damages=_damage_in("study/*.toml", "study/table.*")
    ),
    "study report": Scenario(
        ("report", "study", "--markdown"), prepare=_copy_of(STUDY), damages=_damage_in("study/*.toml", "study/table.*")
    ),
    "study pareto": Scenario(("study", "pareto", "study"), prepare=_copy_of(STUDY), flags=_flags("study", "pareto")),
    "compare": Scenario(
        ("compare", OUT, "other"), prepare=_copy_of(DRTP, DFA), damages=_damage_in("out/report.json", "out/*")
    ),
    "validate": Scenario(
        ("validate", "--config", "a.toml", "--limit", "5", "--out", OUT),
        {"a.toml": Document(lambda: d.RUN_TOML, d.as_toml)},
        codes=(0, 1),
    ),
    "firmware emit": Scenario(
        ("firmware", "emit", "board", "--run", OUT), prepare=_copy_of(DRTP), damages=_damage_in("out/*")
    ),
    "firmware emit config": Scenario(
        ("firmware", "emit", "board", "--config", "a.toml"), {"a.toml": Document(lambda: d.RUN_TOML, d.as_toml)}
    ),
    "firmware budget": Scenario(
        ("firmware", "budget", "--ram", "16K", "--flash", "64K"), flags=_flags("firmware", "budget")
    ),
    "data info": Scenario(("data", "info", "data.csv"), {"data.csv": CSV}, suffixes=TEXTS),
}


def _checkpoint(folder: Path) -> None:
    """A folder of an interrupted run."""
    from edgelearn.config import make_config
    from edgelearn.runs.checkpoint import save_checkpoint
    from edgelearn.runs.dataset import DatasetWork

    out = folder / OUT
    out.mkdir()
    config = make_config({"net": "64-4-10", "epochs": 1, "limit": 20})
    (out / "config.toml").write_text(config.to_toml())
    save_checkpoint(DatasetWork(config), config, out)
