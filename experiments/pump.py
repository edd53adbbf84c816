"""A simulated accelerometer on a pump: a CSV for the tutorial of edgelearn/docs/anomaly.md.

    python -m experiments.pump pump.csv               ten minutes at 100 Hz, with a column `fault`
    python -m experiments.pump field.csv --unlabelled --seed 1

The shaft turns at 23.5 to 24.5 Hz under a load that wanders. A bearing rings at every turn from minute 6 to 7, the pump
cavitates from minute 8:00 to 8:40, and a mount comes loose for the last 40 seconds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

RATE, MINUTES = 100, 10
FAULTS = {"bearing": (360, 420), "cavitation": (480, 520), "loose mount": (560, 600)}  # seconds


def signals(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return accelerations in g, float64[n, 3], and whether there is a fault, bool[n]."""
    random = np.random.default_rng(seed)
    n = 60 * MINUTES * RATE
    t = np.arange(n) / RATE
    load = np.convolve(random.normal(0, 1, n + 2000), np.ones(2001) / 2001, "valid") * 15
    phase = 2 * np.pi * np.cumsum(24 + 0.5 * np.clip(load, -1, 1)) / RATE
    shake = 1 + 0.1 * load
    axes = (np.sin(phase) * 0.30, np.cos(phase) * 0.24, np.sin(2 * phase + 0.4) * 0.10)
    x = np.stack([shake * axis for axis in axes], axis=1) + random.normal(0, 0.03, (n, 3))
    x[:, 2] += 1.0  # gravity

    def during(name: str) -> np.ndarray:
        first, last = FAULTS[name]
        return (t >= first) & (t < last)

    ring = np.exp(-6 * (phase / (2 * np.pi) % 1)) * np.sin(17 * phase)
    x += (during("bearing") * ring)[:, None] * [0.30, 0.35, 0.20]
    x += during("cavitation")[:, None] * random.normal(0, 0.10, (n, 3))
    x += (during("loose mount") * np.sin(phase / 2))[:, None] * [0.15, 0.05, 0.20]
    return x, during("bearing") | during("cavitation") | during("loose mount")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--unlabelled", action="store_true", help="without the column fault")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    x, faulty = signals(given.seed)
    columns = ["time", "ax", "ay", "az"] + ([] if given.unlabelled else ["fault"])
    lines = [",".join(columns)]
    for k, (row, fault) in enumerate(zip(x, faulty, strict=True)):
        cells = [f"{k / RATE:.2f}", *(f"{value:.4f}" for value in row)]
        lines.append(",".join(cells if given.unlabelled else [*cells, str(int(fault))]))
    given.file.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
