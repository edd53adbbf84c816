"""A simulated accelerometer on a wrist: a CSV for the tutorial of edgelearn/docs/tutorial_battery.md.

    python -m experiments.wrist wrist.csv             twenty minutes at 50 Hz: t_ms, ax, ay, az, activity

Four activities alternate in bouts of 20 to 60 seconds: sitting, walking, running, stairs. After twelve minutes the
device is worn on the other wrist, upside down.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

RATE, MINUTES, MOVED_MINUTE = 50, 20, 12
ACTIVITIES = {"sit": (0.0, 0.0), "walk": (1.9, 0.35), "run": (2.7, 0.95), "stairs": (1.5, 0.45)}  # steps/s, g
AXES = np.array([[0.3, 0.9, 0.4], [0.8, 0.2, 0.6], [0.5, 0.4, 0.9], [0.4, 0.8, 0.2]])  # share of a step per axis
TURNED = np.array([-1.0, -1.0, 1.0])


def recording(seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Return accelerations in g, float64[n, 3], and the activity of each row."""
    random = np.random.default_rng(seed)
    n, names = 60 * MINUTES * RATE, list(ACTIVITIES)
    x, labels = np.empty((n, 3)), list[str]()
    now, phase = 0, 0.0
    while len(labels) < n:
        now = int(random.choice([one for one in range(len(names)) if one != now]))
        m = min(int(random.uniform(20, 60) * RATE), n - len(labels))
        steps, size = ACTIVITIES[names[now]]
        pace = steps * random.uniform(0.9, 1.1) * (1 + 0.05 * np.sin(np.arange(m) / RATE))
        turn = 2 * np.pi * (phase + np.cumsum(pace) / RATE)
        swing = np.stack([np.sin(turn), np.sin(2 * turn + 0.7), np.cos(turn)], axis=1) + 0.3 * np.sin(3 * turn)[:, None]
        tilt = np.array([0.2, -0.3, 0.9]) + random.normal(0, 0.08, 3)
        rows = slice(len(labels), len(labels) + m)
        x[rows] = tilt + size * random.uniform(0.85, 1.15) * swing * AXES[now] + random.normal(0, 0.05, (m, 3))
        phase = turn[-1] / (2 * np.pi)
        labels += [names[now]] * m
    x[60 * MOVED_MINUTE * RATE :] *= TURNED
    return x, labels


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    x, labels = recording(given.seed)
    lines = ["t_ms,ax,ay,az,activity"]
    for k, (row, label) in enumerate(zip(x, labels, strict=True)):
        lines.append(",".join([str(1000 * k // RATE), *(f"{value:.3f}" for value in row), label]))
    given.file.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
