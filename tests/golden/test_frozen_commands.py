"""Machine-readable outputs of commands == the digests in frozen_commands.json.

A difference is a changed word, count, price or format. If it is meant, `python -m tests.golden.test_frozen_commands`
writes the file anew, and CHANGELOG.md says what changed, a changed word under **Bits**. A new setting is no difference:
outputs carry all settings, and those that are not in the list of the file are left out.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import shlex
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelearn import config
from edgelearn.cli import main

FROZEN = Path(__file__).with_name("frozen_commands.json")
SMALL = "--epochs 1 --limit 200 --net 64-16-10"
RULES = "bp,fa,dfa,sdfa,drtp,mdfa,shallow"  # those of the frozen outputs; a new rule changes none of them
SPIKING = "--spiking --epochs 1 --limit 40 --net 64-12-10"

CASES = {
    "run-drtp": f"run {SMALL} --out a",
    "run-bp-stochastic": "run --rule bp --bits 4 --rounding stochastic --epochs 1 --limit 200 --net 64-16-12-10 --out a",
    "run-fa-nearest": f"run --rule fa --rounding nearest --residual-bits 0 {SMALL} --out a",
    "run-dfa-gated": f"run --rule dfa --feedback ternary --update-gate margin --margin 16 {SMALL} --out a",
    "run-sdfa-softmax": f"run --rule sdfa --activation relu --output softmax --dead-zone 8 {SMALL} --out a",
    "run-mdfa": f"run --rule mdfa --activation hard-tanh --processor cortex-m4 {SMALL} --out a",
    "run-shallow": f"run --rule shallow --bits 2 --activation leaky --input-bits 2 {SMALL} --out a",
    "run-lfsr": f"run --rounding stochastic --residual-bits 0 --feedback lfsr --dead-zone 8 {SMALL} --out a",
    "run-csv": "run --data own.csv --rule dfa --epochs 2 --net 2-8-3 --out a",
    "run-json": "run --data own.csv --label-column kind --classes a,c --validation-fraction 0.25 --epochs 1 --json",
    "spiking-drtp": f"run {SPIKING} --rule drtp --out a",
    "spiking-dfa": f"run {SPIKING} --rule dfa --neuron alif --code latency --steps 20 --bits 4 --json",
    "stream-device": "stream --limit 3000 --hidden 8 --rule dfa --processor cortex-m4 --energy-budget '0.1 mW' --out a",
    "stream-late": "stream drift-gradual --limit 3000 --hidden 8 --label-delay 5 --label-fraction 0.5 --detector adwin --out a",
    "stream-csv": "stream own.csv --hidden 4 --window 10 --window-features statistics --json",
    "branch": "branch --iterations 2000 --predictor gshare,perceptron,tage,mdfa --budget 8KB --json",
    "cost-rules": f"cost --rule {RULES} --net 784-500-10 --json",
    "cost-csv": f"cost --rule {RULES} --net 64-100-10 --processor cortex-m4 --csv",
    "rules": "rules --json",
    "processor": "processors show engine-28nm --toml",
    "sweep": "sweep --bits 2,8 --rule drtp,bp --seeds 2 --processors engine-28nm,cortex-m4 --backend threads --jobs 1 "
    "--net 64-8-10 --epochs 1 --limit 100 --out a",
    "sweep-stream": "sweep --kind stream --limit 300 --axis encoder=signed,threshold --backend threads --jobs 1 --out a",
    "firmware": "firmware emit a --rule bp --bits 4 --net 64-8-10 --rounding stochastic",
}  # fmt: skip

# Parts of reports that follow from counts that are here, or that came after the outputs were frozen.
ADDED = {"accuracy_percent", "baseline_accuracy_percent", "columns", "notes"}


def settings() -> list[str]:
    """Return the names of the settings of all kinds of runs."""
    kinds = [kind for kind in vars(config).values() if isinstance(kind, type) and issubclass(kind, config.Settings)]
    return sorted({name for kind in kinds for name in kind.model_fields})


def new_settings() -> set[str]:
    """Return the settings that there were none of when the outputs were frozen."""
    known = json.loads(FROZEN.read_text())["settings"] if FROZEN.exists() else settings()
    return set(settings()) - set(known)


def canonical(value: Any) -> Any:
    """Return a value with floats of nine digits, which do not depend on a machine's order of summation."""
    if isinstance(value, dict):
        return {key: canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [canonical(item) for item in value]
    return f"{value:.9g}" if isinstance(value, float) else value


REST = {"generator", "halvings", "live_outputs", "counts"}
NEW_NOTES = {"report", "kind", "config", "inputs", "classes", "relative"}


def cell(text: str) -> str:
    try:
        return f"{float(text):.9g}"
    except ValueError:
        return text


def digest(name: str, data: bytes) -> str:
    """Return the digest of a file or of what was printed, by what it holds."""
    new = new_settings()
    dropped = new | {"cell"}  # cells are named after a digest of all settings
    if name.endswith(".npz"):
        with np.load(io.BytesIO(data)) as arrays:
            kept = dict(arrays)
        if "note" in kept:
            note = json.loads(str(kept["note"]))
            if "inputs" in note:  # what a network is continued from was added to its words
                kept = {key: a for key, a in kept.items() if key not in REST and not key.startswith("front_end.")}
            note = {key: value for key, value in note.items() if key not in NEW_NOTES}
            kept["note"] = np.array(json.dumps(note, sort_keys=True))
        text = repr([(key, str(a.dtype), a.shape, a.tolist()) for key, a in sorted(kept.items())])
    elif name.endswith(".json"):
        content = json.loads(data)
        if isinstance(content, dict):
            for part in (content, *content.get("predictors", ())):
                for key in ADDED if "stream" in part else ADDED - {"notes"}:
                    part.pop(key, None)
                priced = part.get("cost", part)
                if isinstance(priced, dict) and "processor" in priced:
                    priced.pop("description", None)  # a sentence made from the processor's fields
            content.get("stream", {}).pop("missing_values", None)
            data = content.get("data", {})
            if "source" in data:
                data["source"] = Path(data["source"]).name  # its folder is that of the environment
            for part in (content.get("config", {}), content.get("settings", {})):
                for setting in new & set(part):
                    del part[setting]
        text = json.dumps(canonical(content), sort_keys=True)
    elif name.endswith(".csv"):
        rows = list(csv.reader(data.decode().splitlines()))
        kept = [k for k, title in enumerate(rows[0]) if title not in dropped]
        written = io.StringIO()
        csv.writer(written, lineterminator="\n").writerows([row[k] for k in kept] for row in rows)
        text = "\n".join(",".join(map(cell, line.split(","))) for line in written.getvalue().splitlines())
    else:
        lines = data.decode().splitlines(keepends=True)
        text = "".join(line for line in lines if line.split(" = ")[0] not in new)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def outputs(command: str) -> dict[str, str]:
    """Run a command in the current folder; return the digest of each file that it wrote, and of what it printed."""
    rows = [
        f"{k * 2 + (i * 7 % 11) / 7:.3f},{k * k + (i * 5 % 13) / 5:.3f},{'abc'[k]}" for i in range(240) for k in [i % 3]
    ]
    Path("own.csv").write_text("\n".join(["width,height,kind", *rows]) + "\n")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main(shlex.split(command)) == 0
    if command == CASES["rules"]:
        return {row["rule"]: digest(".json", json.dumps(row).encode()) for row in json.loads(printed.getvalue())}
    found = {}
    for path in sorted(Path("a").rglob("*")) if Path("a").exists() else ():
        if (
            path.is_file()
            and path.suffix in (".npz", ".json", ".csv", ".toml", ".c", ".h")
            and "cells" not in path.parts
        ):
            found[path.relative_to("a").as_posix()] = digest(path.name, path.read_bytes())
    if "--out" not in command and "emit" not in command:
        form = ".json" if "--json" in command else ".csv" if "--csv" in command else ".toml"
        found["printed"] = digest(form, printed.getvalue().encode())
    return found


def outputs_of(name: str) -> dict[str, Any]:
    found = outputs(CASES[name])
    return {rule: found[rule] for rule in RULES.split(",")} if name == "rules" else found


@pytest.mark.parametrize("name", CASES)
def test_outputs_are_what_they_were(name, tmp_path, monkeypatch):
    if name.startswith("sweep"):
        pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    assert outputs_of(name) == json.loads(FROZEN.read_text())[name]


def freeze() -> None:
    FROZEN.unlink(missing_ok=True)
    frozen: dict[str, Any] = {"settings": settings()}
    for name in CASES:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            frozen[name] = outputs_of(name)
    FROZEN.write_text(json.dumps(frozen, indent=1) + "\n")


if __name__ == "__main__":
    freeze()
