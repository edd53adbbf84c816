"""Hypothesis profiles, one thread per process, Ctrl-C in background jobs, bytecode, garbage, what coverage watches.

EDGELEARN_HYPOTHESIS chooses a profile: quick (25 fixed examples), default (50), full (150), or thorough (3,000 new ones).
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent

for library in ("OMP", "OPENBLAS", "MKL"):  # tests run beside each other: threads of one would wait for the other's
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

PROFILES = {"quick": 25, "default": 50, "full": 150, "thorough": 3000}
for name, examples in PROFILES.items():
    settings.register_profile(
        name,
        max_examples=examples,
        deadline=None,
        derandomize=name != "thorough",
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(os.environ.get("EDGELEARN_HYPOTHESIS", "default"))

# tests start hundreds of commands: each would compile the sources of all it imports
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

gc.disable()  # until the tests are collected: modules and items stay, and each full collection would walk through them


def pytest_collection_finish(session: pytest.Session) -> None:
    """Collect garbage of tests alone: what was imported and collected before them is kept out of it."""
    gc.freeze()
    gc.enable()


WATCHED_CASES = 6  # of a test function, by coverage, which makes plain Python three times slower
KERNELS_ALONE = (
    "golden",
    "naive",
    "properties",
    "robustness",
    "reproduction",
)  # lines of Python, `unit` and `cli` reach
INTERPRETED = os.environ.get("NUMBA_DISABLE_JIT", "0") != "0"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let coverage watch some cases of each function, evenly spaced: others reach the same lines."""
    if not config.pluginmanager.hasplugin("_cov"):
        return
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        cases[item.nodeid.partition("[")[0]].append(item)
    for function in cases.values():
        folder = function[0].path.relative_to(TESTS).parts[0]
        n = 0 if folder in KERNELS_ALONE and not INTERPRETED else WATCHED_CASES
        step = max(len(function) / n, 1.0) if n else len(function) + 1.0
        watched = {int(k * step) for k in range(n)}
        for k, item in enumerate(function):
            if k not in watched:
                item.add_marker("no_cover")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # of a shell's background job; tests send Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
