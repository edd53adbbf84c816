"""Machine of a benchmark, and its results in experiments/results/speed.json."""

from __future__ import annotations

import argparse
import datetime
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgelearn import __version__
from edgelearn.benchmark import caches_kib, processor
from edgelearn.files import write_text
from tests.benchmarks import target

RESULTS = Path(__file__).parents[2] / "experiments" / "results" / "speed.json"


@dataclass(frozen=True)
class Machine:
    """Where a benchmark ran.

    Parameters
    ----------
    processor : model name; cores : available to this process; caches_kib : data caches of a core by level
    numba_target : processor that numba compiled for and its widest vectors
    load : mean number of running processes in the last minute
    """

    processor: str
    cores: int | None
    caches_kib: dict[str, int]
    numba_target: str
    load: float | None

    @property
    def line(self) -> str:
        caches = ", ".join(f"{name} {size:,} KiB" for name, size in self.caches_kib.items())
        return f"{self.processor}; {self.cores} cores; {caches}; numba for {self.numba_target}; load {self.load}"


def add_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--record", action="store_true", help=f"write the results into {RESULTS.name} (quiet machine)")


def machine() -> Machine:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    return Machine(processor(), cores, caches_kib(), target.numba_target(), load)


def record(benchmark: str, results: Mapping[str, Any], path: Path = RESULTS) -> None:
    """Replace the results of one benchmark on this target; those of others are kept.

    Results of a processor without AVX-512 that this one emulates stand under "<benchmark>, avx2".
    """
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    name = f"{benchmark}, {target.AVX2}" if target.emulated() else benchmark
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    content[name] = {"edgelearn": __version__, **asdict(machine()), "date": date, "results": dict(results)}
    write_text(path, json.dumps(content, indent=1) + "\n")
