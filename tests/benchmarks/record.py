"""Results of benchmarks in experiments/results/speed.json, with processor, cores, load and date."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgelearn import __version__
from edgelearn.files import write_text

RESULTS = Path(__file__).parents[2] / "experiments" / "results" / "speed.json"


def add_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--record", action="store_true", help=f"write the results into {RESULTS.name} (quiet machine)")


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def record(benchmark: str, results: Mapping[str, Any], path: Path = RESULTS) -> None:
    """Put the results of one benchmark in the place of its earlier ones; those of others are kept."""
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    content[benchmark] = {
        "edgelearn": __version__,
        "processor": processor(),
        "cores": cores,
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "results": dict(results),
    }
    write_text(path, json.dumps(content, indent=1) + "\n")
