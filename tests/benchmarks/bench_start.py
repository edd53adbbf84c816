"""Processor time and memory of whole commands: help, a first run with an empty cache of kernels, and later runs.

    python -m tests.benchmarks.bench_start                    half a minute
    python -m tests.benchmarks.bench_start --target avx2      as if the processor had no AVX-512

Each command is a process of its own; its processor time is user and system time, its memory the peak resident set.
Median and quickest of 9 turns that the commands take one after another; the first run is timed once.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np

from tests.benchmarks import target
from tests.benchmarks.record import add_option, machine, record

TURNS = 9
RUN = ("run", "--bits", "8", "--rule", "drtp")
COMMANDS = {"edgelearn --help": ("--help",), "edgelearn run, kernels cached": RUN}
FIRST = "edgelearn run, first"
# a small process starts the command: the peak of a child counts from the memory of the process that started it
LAUNCHER = """
import os, sys
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
_, status, used = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet), 0)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def cost(arguments: tuple[str, ...], environment: dict[str, str]) -> tuple[float, float]:
    """Return processor seconds and peak memory in MiB of a command.

    Raises
    ------
    RuntimeError : the command failed
    """
    command = [sys.executable, "-m", "edgelearn", *arguments]
    launched = subprocess.run(
        [sys.executable, "-S", "-E", "-c", LAUNCHER, *command], capture_output=True, text=True, env=environment
    )
    if launched.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {launched.returncode}: {launched.stderr}")
    seconds, kib = launched.stdout.split()
    return float(seconds), int(kib) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_option(parser)
    target.add_option(parser)
    given = parser.parse_args()
    target.enter(given.target)
    with tempfile.TemporaryDirectory(prefix="bench_start_") as folder:
        environment = os.environ | {"NUMBA_CACHE_DIR": folder}
        first = cost(RUN, environment)
        turns = [[cost(arguments, environment) for arguments in COMMANDS.values()] for _ in range(TURNS)]
    seconds, peaks = np.moveaxis(np.array(turns), 2, 0)
    results = {FIRST: {"cpu_s": round(first[0], 2), "best_cpu_s": round(first[0], 2), "peak_mib": round(first[1])}}
    for k, name in enumerate(COMMANDS):
        results[name] = {
            "cpu_s": round(float(np.median(seconds[:, k])), 2),
            "best_cpu_s": round(float(seconds[:, k].min()), 2),
            "peak_mib": round(float(np.median(peaks[:, k]))),
        }
    print(machine().line)
    print(f"{'command':32} {'CPU s':>6} {'best':>6} {'MiB':>5}")
    for name, one in results.items():
        print(f"{name:32} {one['cpu_s']:6.2f} {one['best_cpu_s']:6.2f} {one['peak_mib']:5.0f}")
    if given.record:
        record("bench_start", results)


if __name__ == "__main__":
    main()
