"""A study made up from formulas, in the layout that `edgelearn sweep` leaves: its plan and its table."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from pathlib import Path
from typing import Any

SETTINGS = ("data", "rule", "net", "bits", "residual_bits", "rounding", "hidden_rate", "output_rate", "strict", "seed")
PROCESSORS = ("engine-28nm", "cortex-m4")
REACHED = {"bp": 97.5, "dfa": 96.8, "drtp": 95.1, "shallow": 88.0}
HIDDEN = {"bp": 1.9, "dfa": 1.6, "drtp": 1.35, "shallow": 1.0}
FAILURE = "ValueError: a weight saturated <script>alert('x')</script> & more"


def rows(
    rules: tuple[str, ...] = tuple(REACHED),
    bits: tuple[int, ...] = (2, 4, 6, 8),
    roundings: tuple[str, ...] = ("residual", "stochastic"),
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4),
    processors: tuple[str, ...] = PROCESSORS,
    failing: tuple[tuple[str, int, str, int], ...] = (("bp", 2, "residual", 3),),
) -> list[dict[str, Any]]:
    """Return the rows of a grid; `failing` are the cells (rule, bits, rounding, seed) that fail."""
    made = []
    for rule, width, rounding, seed in itertools.product(rules, bits, roundings, seeds):
        noise = random.Random(f"{rule}-{width}-{rounding}-{seed}")
        setting = {"data": "digits", "rule": rule, "net": "64-100-10", "bits": width, "residual_bits": None}
        setting |= {"rounding": rounding, "hidden_rate": -4 - (width < 4), "output_rate": -3, "strict": False}
        setting["seed"] = seed
        identity = hashlib.sha256(json.dumps(setting, sort_keys=True).encode()).hexdigest()[:12]
        failed = (rule, width, rounding, seed) in failing
        row = {"cell": identity, "status": "failed" if failed else "done", "error": FAILURE if failed else ""}
        row |= {"kind": "run"} | setting
        measures: dict[str, Any] = {}
        worse = 60 * 2.0 ** -(width + (2 if rounding == "residual" else 0)) * (1.3 if rule == "bp" else 1.0)
        measures["accuracy_percent"] = round(REACHED[rule] - worse + noise.gauss(0, 0.3), 4)
        measures |= {"samples_learned": 3000, "saturations": int(4000 / width**2 + noise.randrange(30))}
        measures |= {"step_saturations": noise.randrange(3), "overflows": 0}
        work = HIDDEN[rule] * (1 + noise.uniform(-0.01, 0.01))
        for name, words in (
            ("weight_reads", 9000.0),
            ("weight_writes", 6000.0),
            ("feedback_reads", 0.0 if rule in ("shallow", "bp") else 400.0),
            ("activation_reads", 4000.0),
            ("activation_writes", 110.0),
            ("error_reads", 10.0),
            ("forward_macs", 7000.0),
            ("update_macs", 6000.0),
            ("events", 130.5),
        ):
            measures[name] = round(words * work, 4)
        measures |= {"stored_bits": 7510 * (width + 8), "buffered_bits": 0 if rule in ("drtp", "shallow") else 1024}
        for k, processor in enumerate(processors):
            energy = 10_000 * work * (width + 8) / 16 * 70**k
            measures |= {
                f"energy_pj@{processor}": round(energy, 3),
                f"energy_low_pj@{processor}": round(energy * 0.6, 3),
            }
            measures |= {f"energy_high_pj@{processor}": round(energy * 1.8, 3)}
            measures |= {
                f"inference_energy_pj@{processor}": round(energy / 3, 3),
                f"latency_us@{processor}": round(20 * work * 9**k, 4),
            }
            measures |= {
                f"cycles@{processor}": round(4000 * work),
                f"area_um2@{processor}": None if k else 700.0 * (width + 8),
            }
            measures |= {f"memory_bits@{processor}": 7510 * (width + 8)}
        made.append(row | (dict.fromkeys(measures) if failed else measures))
    return made


def plan(question: str = "How few bits are enough for each rule?", **axes: list[Any]) -> dict[str, Any]:
    """Return the plan of the grid above."""
    axes = axes or {"rule": list(REACHED), "bits": [2, 4, 6, 8], "rounding": ["residual", "stochastic"]}
    return {
        "question": question,
        "kind": "run",
        "seeds": [0, 1, 2, 3, 4],
        "processors": list(PROCESSORS),
        "settings": {"data": "digits", "net": "64-100-10"},
        "axes": axes,
        "cells": [],
    }


def write_study(folder: Path, made: list[dict[str, Any]] | None = None, about: dict[str, Any] | None = None) -> Path:
    """Write study.toml, table.parquet and table.csv; return the folder."""
    import pandas

    about, made = about or plan(), rows() if made is None else made
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        f"{key} = {json.dumps(about[key], ensure_ascii=False)}" for key in ("question", "kind", "seeds", "processors")
    ]
    for part in ("settings", "axes"):
        lines += ["", f"[{part}]"] + [f"{key} = {json.dumps(value)}" for key, value in about[part].items()]
    (folder / "study.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    columns = list(rows()[0])
    frame = pandas.DataFrame(made, columns=list(made[0]) if made else columns)
    frame.to_parquet(folder / "table.parquet", index=False)
    frame.to_csv(folder / "table.csv", index=False)
    return folder


def tuning() -> dict[str, Any]:
    """Return what tuning.json holds of two settings."""

    def scores(*values: float | None) -> list[dict[str, Any]]:
        return [{"hidden_rate": -4 - k, "output_rate": -3, "accuracy_percent": value} for k, value in enumerate(values)]

    rungs = [
        {"validation_fraction": 0.2, "epochs": 1, "limit": 300, "scores": scores(80.5, 81.25, None)},
        {"validation_fraction": 0.2, "epochs": 3, "scores": scores(90.125, 91.75)},
    ]
    candidates = [{"hidden_rate": -4 - k, "output_rate": -3} for k in range(3)]
    won = {"candidates": candidates, "rungs": rungs, "winner": candidates[1], "at_edge": []}
    none = {"candidates": candidates, "rungs": rungs[:1], "winner": {}, "at_edge": ["hidden_rate"]}
    groups = [{"settings": {"rule": "bp", "bits": 4}, **won}, {"settings": {"rule": "bp", "bits": 8}, **none}]
    return {"validation": 0.2, "fraction": 0.34, "seed": 0, "groups": groups}
