"""Cost of a study beside learning: `python -m tests.benchmarks.bench_sweep [--cells 1000] [--settings 10000]`.

A sweep of small cells (64-25-10 on the digits, five rules and many seeds, one epoch): CPU time per cell, that of
learning in it, and the rest. Then a sweep of many different settings: seconds to its end, and CPU time and size of its
page. CPU times are those of this process and of its workers.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

from edgelearn.config import RunConfig, validated
from edgelearn.network.learner import Learner
from edgelearn.runs.dataset import encoded_for, spec_of
from edgelearn.studies.cell import run_cell
from edgelearn.studies.page import to_html
from edgelearn.studies.page_data import contents_of, open_study
from edgelearn.studies.plan import Plan
from edgelearn.studies.sweep import sweep
from tests.benchmarks.record import add_option, record

RULES = ["drtp", "dfa", "bp", "fa", "shallow"]
SMALL = {"data": "digits", "net": "64-25-10", "epochs": 1}
RATES = list(range(-12, -2))


def cpu_seconds() -> float:
    """Return the CPU time of this process and of the processes it has ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def learning_ms(plan: Plan) -> float:
    """Return the CPU milliseconds of learning and testing in a cell, mean over the first cell of each rule."""
    cells = list({cell.config["rule"]: cell for cell in plan.cells()}.values())
    total = 0.0
    for cell in cells:
        run_cell(cell)  # compiles
        config = validated(RunConfig, dict(cell.config))
        encoded = encoded_for(config)
        learner = Learner(spec_of(config, (64, 25, 10)))
        start = time.process_time()
        learner.learn(encoded.levels, encoded.data.train_y)
        learner.predict(encoded.test_levels)
        total += time.process_time() - start
    return 1000 * total / len(cells)


def small_cells(n: int) -> dict[str, float]:
    """Print and return the CPU time per cell: the difference of a sweep of n cells and one of a tenth, without their start."""
    plans = [Plan.of({"settings": SMALL, "axes": {"rule": RULES}, "seeds": seeds}) for seeds in (n // 50, n // 5)]
    learning = learning_ms(plans[0])
    spent = []
    for plan in plans:
        with tempfile.TemporaryDirectory() as folder:
            start = cpu_seconds()
            sweep(plan, Path(folder) / "study")
            spent.append((plan.n_cells, cpu_seconds() - start))
    (few, first), (many, second) = spent
    per_cell = 1000 * (second - first) / (many - few)
    print(f"{many} cells of 64-25-10, one job: {second:.1f} s of CPU; {per_cell:.2f} ms per further cell")
    print(f"of these {learning:.2f} ms learning and {per_cell - learning:.2f} ms beside it")
    return {"cells": many, "cpu_ms_per_cell": round(per_cell, 2), "learning_ms": round(learning, 2)}


def many_settings(n: int, jobs: int) -> dict[str, float]:
    """Print and return how long a sweep of n different settings takes, and the CPU time and size of its page."""
    axes = {"rule": RULES, "bits": [4, 6, 8, 10], "hidden_rate": RATES, "output_rate": RATES}
    zones = list(range(max(1, n // 2000)))
    plan = Plan.of({"settings": SMALL, "axes": {"dead_zone": zones, **axes}})
    with tempfile.TemporaryDirectory() as folder:
        start, used = time.monotonic(), cpu_seconds()
        sweep(plan, Path(folder) / "study", jobs=jobs)
        seconds, spent = time.monotonic() - start, cpu_seconds() - used
        print(f"{plan.n_cells} settings, {jobs} jobs: {seconds:.0f} s to the end, {spent:.0f} s of CPU")
        used = time.process_time()
        page = to_html(contents_of(open_study(Path(folder) / "study")))
        megabytes = len(page.encode()) / 1e6
        print(f"page: {time.process_time() - used:.1f} s of CPU, {megabytes:.2f} MB")
    return {
        "settings": plan.n_cells,
        "jobs": jobs,
        "s": round(seconds),
        "cpu_s": round(spent),
        "page_mb": round(megabytes, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--settings", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=2)
    add_option(parser)
    given = parser.parse_args()
    results = {"small cells": small_cells(given.cells), "many settings": many_settings(given.settings, given.jobs)}
    if given.record:
        record("bench_sweep", results)


if __name__ == "__main__":
    main()
