"""Hypothesis profiles, one thread per process, Ctrl-C in background jobs, bytecode, garbage, what coverage watches.

EDGELEARN_HYPOTHESIS chooses a profile: quick (25 fixed examples), default (50), full (150), or thorough (3,000 new ones).
EDGELEARN_CASES is the most cases of each test function.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Iterator
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


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect garbage of tests alone: modules and items stay, and each full collection would walk through them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


WATCHED_CASES = 3  # of a test function, by coverage, which makes plain Python three times slower
KERNELS_ALONE = (
    "golden",
    "naive",
    "properties",
    "robustness",
    "reproduction",
)  # lines of Python, `unit` and `cli` reach
MOST_CASES = int(os.environ.get("EDGELEARN_CASES", "0"))  # of a test function, evenly spaced; 0 is all
INTERPRETED = os.environ.get("NUMBA_DISABLE_JIT", "0") != "0"


def spaced(n: int, most: int) -> set[int]:
    """Return as many indices below n as there may be, evenly spaced."""
    step = max(n / most, 1.0) if most else n + 1.0
    return {int(k * step) for k in range(most)}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out cases beyond EDGELEARN_CASES of each function, and let coverage watch some: others reach the same lines."""
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        cases[item.nodeid.partition("[")[0]].append(item)
    if MOST_CASES:
        kept = {
            id(function[k])
            for function in cases.values()
            for k in spaced(len(function), MOST_CASES)
            if k < len(function)
        }
        config.hook.pytest_deselected(items=[item for item in items if id(item) not in kept])
        items[:] = [item for item in items if id(item) in kept]
        cases = {name: [item for item in function if id(item) in kept] for name, function in cases.items()}
    if not config.pluginmanager.hasplugin("_cov"):
        return
    for function in cases.values():
        folder = function[0].path.relative_to(TESTS).parts[0]
        n = 0 if folder in KERNELS_ALONE and not INTERPRETED else WATCHED_CASES
        watched = spaced(len(function), n)
        for k, item in enumerate(function):
            if k not in watched:
                item.add_marker("no_cover")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # of a shell's background job; tests send Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
