"""Every number that tables 1 to 3 and supplementary tables 1 and 2 of the DRTP paper print, as data.

Tables 1 and 2, S1 and S2: test error in percent, mean and standard deviation over 10 trials, each trial the mean of its
last 10 epochs. Keys: (network, option); DO is the dropout probability, DA are horizontal flips. Columns of S1 and S2
for DRTP repeat tables 1 and 2. Table 3: Adam's learning rates, by data set and network, where "FC1" stands for FC1-500
and FC1-1000.
"""

from __future__ import annotations

Table = dict[tuple[str, str], dict[str, tuple[float, float]]]

TRIALS = 10
EPOCHS = {"mnist": 100, "cifar10": 200}
BATCH = {"mnist": 60, "cifar10": 100}


def _read(text: str) -> Table:
    """Read rows of cells between bars; a cell without a number is left out."""
    head, *rows = [[cell.strip() for cell in line.split("|")] for line in text.strip("\n").split("\n")]
    found: Table = {}
    for network, option, *cells in rows:
        pairs = {rule: cell.split("±") for rule, cell in zip(head[2:], cells, strict=True) if "±" in cell}
        found[network, option] = {rule: (float(mean), float(deviation)) for rule, (mean, deviation) in pairs.items()}
    return found


# MNIST
TABLE_1 = _read(
    """
               |         | bp           | fa           | dfa          | drtp         | shallow
FC1-500        | DO 0.0  |  1.65 ± 0.06 |  1.71 ± 0.05 |  1.76 ± 0.05 |  4.61 ± 0.13 |  8.25 ± 0.09
FC1-500        | DO 0.1  |  1.59 ± 0.03 |  1.63 ± 0.05 |  1.68 ± 0.03 |  4.92 ± 0.13 |  9.17 ± 0.11
FC1-500        | DO 0.25 |  1.76 ± 0.05 |  1.74 ± 0.04 |  1.86 ± 0.03 |  5.75 ± 0.09 | 10.15 ± 0.11
FC1-1000       | DO 0.0  |  1.57 ± 0.04 |  1.62 ± 0.05 |  1.67 ± 0.03 |  4.10 ± 0.07 |  7.92 ± 0.10
FC1-1000       | DO 0.1  |  1.48 ± 0.03 |  1.55 ± 0.05 |  1.58 ± 0.05 |  4.31 ± 0.06 |  9.29 ± 0.12
FC1-1000       | DO 0.25 |  1.54 ± 0.04 |  1.56 ± 0.02 |  1.63 ± 0.03 |  4.94 ± 0.06 | 10.01 ± 0.17
FC2-500        | DO 0.0  |  1.46 ± 0.08 |  1.72 ± 0.04 |  1.69 ± 0.06 |  4.58 ± 0.09 |  8.25 ± 0.10
FC2-500        | DO 0.1  |  1.46 ± 0.04 |  1.51 ± 0.04 |  1.57 ± 0.06 |  5.00 ± 0.07 |  9.33 ± 0.09
FC2-500        | DO 0.25 |  1.38 ± 0.04 |  1.69 ± 0.02 |  1.52 ± 0.03 |  5.94 ± 0.06 | 11.01 ± 0.12
FC2-1000       | DO 0.0  |  1.50 ± 0.09 |  1.57 ± 0.06 |  1.65 ± 0.07 |  4.00 ± 0.10 |  7.85 ± 0.09
FC2-1000       | DO 0.1  |  1.46 ± 0.02 |  1.46 ± 0.03 |  1.57 ± 0.03 |  4.25 ± 0.06 |  8.73 ± 0.08
FC2-1000       | DO 0.25 |  1.38 ± 0.03 |  1.50 ± 0.05 |  1.45 ± 0.03 |  5.05 ± 0.09 |  9.84 ± 0.05
CONV (random)  | DO 0.0  |  1.21 ± 0.05 |  1.30 ± 0.06 |  1.25 ± 0.08 |  1.82 ± 0.11 |  2.83 ± 0.19
CONV (random)  | DO 0.1  |  1.25 ± 0.03 |  1.33 ± 0.06 |  1.30 ± 0.06 |  2.06 ± 0.08 |  4.74 ± 0.30
CONV (random)  | DO 0.25 |  1.29 ± 0.04 |  1.32 ± 0.06 |  1.33 ± 0.05 |  2.60 ± 0.14 |  6.49 ± 0.35
CONV (trained) | DO 0.0  |  0.93 ± 0.04 |  1.22 ± 0.06 |  1.31 ± 0.06 |  1.48 ± 0.15 |      -
CONV (trained) | DO 0.1  |  1.03 ± 0.04 |  1.27 ± 0.06 |  1.34 ± 0.06 |  1.50 ± 0.17 |      -
CONV (trained) | DO 0.25 |  1.00 ± 0.03 |  1.29 ± 0.04 |  1.40 ± 0.06 |  1.81 ± 0.20 |      -
"""
)

# CIFAR-10
TABLE_2 = _read(
    """
               |         | bp           | fa           | dfa          | drtp         | shallow
FC1-500        | DO 0.0  | 48.45 ± 0.38 | 49.38 ± 0.22 | 49.62 ± 0.29 | 53.92 ± 0.23 | 58.83 ± 0.27
FC1-500        | DO 0.1  | 47.48 ± 0.39 | 48.94 ± 0.22 | 48.85 ± 0.23 | 53.77 ± 0.17 | 59.33 ± 0.17
FC1-500        | DO 0.25 | 47.80 ± 0.21 | 48.62 ± 0.23 | 48.65 ± 0.29 | 54.26 ± 0.16 | 60.44 ± 0.14
FC1-500        | DA      | 45.87 ± 0.22 | 47.11 ± 0.34 | 47.34 ± 0.26 | 52.73 ± 0.31 | 58.60 ± 0.20
FC1-1000       | DO 0.0  | 47.52 ± 0.30 | 48.47 ± 0.18 | 48.44 ± 0.34 | 53.34 ± 0.10 | 57.91 ± 0.17
FC1-1000       | DO 0.1  | 46.42 ± 0.28 | 47.72 ± 0.19 | 47.79 ± 0.31 | 53.15 ± 0.15 | 58.35 ± 0.24
FC1-1000       | DO 0.25 | 46.21 ± 0.16 | 47.11 ± 0.18 | 47.11 ± 0.25 | 53.39 ± 0.15 | 59.20 ± 0.18
FC1-1000       | DA      | 45.01 ± 0.33 | 46.15 ± 0.36 | 46.24 ± 0.32 | 51.87 ± 0.32 | 57.40 ± 0.24
FC2-500        | DO 0.0  | 49.03 ± 0.22 | 50.66 ± 0.24 | 50.45 ± 0.36 | 53.41 ± 0.35 | 59.62 ± 0.34
FC2-500        | DO 0.1  | 48.32 ± 0.16 | 49.64 ± 0.23 | 49.58 ± 0.30 | 54.06 ± 0.46 | 60.34 ± 0.24
FC2-500        | DO 0.25 | 49.96 ± 0.18 | 50.80 ± 0.16 | 50.00 ± 0.13 | 54.57 ± 0.33 | 61.77 ± 0.18
FC2-500        | DA      | 46.62 ± 0.10 | 48.55 ± 0.25 | 48.75 ± 0.28 | 52.54 ± 0.34 | 58.99 ± 0.20
FC2-1000       | DO 0.0  | 48.81 ± 0.22 | 49.87 ± 0.18 | 50.05 ± 0.21 | 52.68 ± 0.25 | 58.59 ± 0.14
FC2-1000       | DO 0.1  | 46.58 ± 0.24 | 47.97 ± 0.18 | 48.68 ± 0.34 | 52.45 ± 0.15 | 59.12 ± 0.13
FC2-1000       | DO 0.25 | 47.65 ± 0.16 | 48.82 ± 0.15 | 48.08 ± 0.14 | 53.29 ± 0.31 | 60.52 ± 0.14
FC2-1000       | DA      | 46.05 ± 0.14 | 47.41 ± 0.27 | 47.90 ± 0.19 | 51.27 ± 0.21 | 57.90 ± 0.23
CONV (random)  | DO 0.0  | 29.83 ± 0.25 | 30.27 ± 0.45 | 29.98 ± 0.30 | 32.65 ± 0.38 | 44.89 ± 0.67
CONV (random)  | DO 0.1  | 29.49 ± 0.36 | 29.58 ± 0.33 | 29.44 ± 0.31 | 32.57 ± 0.34 | 48.38 ± 0.33
CONV (random)  | DO 0.25 | 30.39 ± 0.32 | 30.55 ± 0.28 | 30.31 ± 0.35 | 33.90 ± 0.53 | 52.27 ± 0.34
CONV (random)  | DA      | 27.87 ± 0.25 | 28.52 ± 0.40 | 28.46 ± 0.43 | 31.04 ± 0.45 | 44.23 ± 0.42
CONV (trained) | DO 0.0  | 25.31 ± 0.25 | 29.92 ± 0.26 | 31.38 ± 0.38 | 35.82 ± 0.59 |      -
CONV (trained) | DO 0.1  | 27.12 ± 0.23 | 28.98 ± 0.36 | 30.56 ± 0.41 | 35.17 ± 0.91 |      -
CONV (trained) | DO 0.25 | 25.61 ± 0.23 | 28.95 ± 0.17 | 31.23 ± 0.38 | 35.51 ± 0.61 |      -
CONV (trained) | DA      | 25.27 ± 0.26 | 28.16 ± 0.45 | 29.49 ± 0.49 | 34.39 ± 0.64 |      -
"""
)

# MNIST, sDFA beside DRTP
TABLE_S1 = _read(
    """
               |         | sdfa         | drtp
FC1-500        | DO 0.0  |  4.74 ± 0.15 |  4.61 ± 0.13
FC1-500        | DO 0.1  |  5.10 ± 0.13 |  4.92 ± 0.13
FC1-500        | DO 0.25 |  6.06 ± 0.10 |  5.75 ± 0.09
FC1-1000       | DO 0.0  |  4.22 ± 0.11 |  4.10 ± 0.07
FC1-1000       | DO 0.1  |  4.42 ± 0.12 |  4.31 ± 0.06
FC1-1000       | DO 0.25 |  5.23 ± 0.12 |  4.94 ± 0.06
FC2-500        | DO 0.0  |  4.78 ± 0.11 |  4.58 ± 0.09
FC2-500        | DO 0.1  |  5.16 ± 0.13 |  5.00 ± 0.07
FC2-500        | DO 0.25 |  6.13 ± 0.10 |  5.94 ± 0.06
FC2-1000       | DO 0.0  |  4.24 ± 0.09 |  4.00 ± 0.10
FC2-1000       | DO 0.1  |  4.51 ± 0.12 |  4.25 ± 0.06
FC2-1000       | DO 0.25 |  5.39 ± 0.05 |  5.05 ± 0.09
CONV (random)  | DO 0.0  |  1.88 ± 0.10 |  1.82 ± 0.11
CONV (random)  | DO 0.1  |  2.17 ± 0.13 |  2.06 ± 0.08
CONV (random)  | DO 0.25 |  2.80 ± 0.17 |  2.60 ± 0.14
CONV (trained) | DO 0.0  |  1.69 ± 0.10 |  1.48 ± 0.15
CONV (trained) | DO 0.1  |  1.83 ± 0.11 |  1.50 ± 0.17
CONV (trained) | DO 0.25 |  2.20 ± 0.15 |  1.81 ± 0.20
"""
)

# CIFAR-10, sDFA beside DRTP
TABLE_S2 = _read(
    """
               |         | sdfa         | drtp
FC1-500        | DO 0.0  | 54.80 ± 0.29 | 53.92 ± 0.23
FC1-500        | DO 0.1  | 54.79 ± 0.24 | 53.77 ± 0.17
FC1-500        | DO 0.25 | 55.48 ± 0.27 | 54.26 ± 0.16
FC1-500        | DA      | 53.83 ± 0.32 | 52.73 ± 0.31
FC1-1000       | DO 0.0  | 53.73 ± 0.33 | 53.34 ± 0.10
FC1-1000       | DO 0.1  | 53.92 ± 0.31 | 53.15 ± 0.15
FC1-1000       | DO 0.25 | 54.60 ± 0.38 | 53.39 ± 0.15
FC1-1000       | DA      | 52.95 ± 0.32 | 51.87 ± 0.32
FC2-500        | DO 0.0  | 54.75 ± 0.26 | 53.41 ± 0.35
FC2-500        | DO 0.1  | 55.35 ± 0.38 | 54.06 ± 0.46
FC2-500        | DO 0.25 | 55.81 ± 0.37 | 54.57 ± 0.33
FC2-500        | DA      | 53.85 ± 0.34 | 52.54 ± 0.34
FC2-1000       | DO 0.0  | 53.78 ± 0.24 | 52.68 ± 0.25
FC2-1000       | DO 0.1  | 53.87 ± 0.49 | 52.45 ± 0.15
FC2-1000       | DO 0.25 | 54.87 ± 0.43 | 53.29 ± 0.31
FC2-1000       | DA      | 52.59 ± 0.20 | 51.27 ± 0.21
CONV (random)  | DO 0.0  | 33.08 ± 0.31 | 32.65 ± 0.38
CONV (random)  | DO 0.1  | 33.04 ± 0.42 | 32.57 ± 0.34
CONV (random)  | DO 0.25 | 34.71 ± 0.37 | 33.90 ± 0.53
CONV (random)  | DA      | 31.52 ± 0.25 | 31.04 ± 0.45
CONV (trained) | DO 0.0  | 38.69 ± 0.78 | 35.82 ± 0.59
CONV (trained) | DO 0.1  | 39.23 ± 0.82 | 35.17 ± 0.91
CONV (trained) | DO 0.25 | 40.08 ± 1.03 | 35.51 ± 0.61
CONV (trained) | DA      | 38.43 ± 0.86 | 34.39 ± 0.64
"""
)

# Adam's rates, with its other constants at their defaults
TABLE_3: dict[str, dict[str, dict[str, float]]] = {
    "mnist": {
        "FC1": {"bp": 1.5e-4, "fa": 5e-4, "dfa": 1.5e-4, "sdfa": 5e-4, "drtp": 1.5e-4, "shallow": 1.5e-2},
        "FC2": {"bp": 5e-4, "fa": 1.5e-4, "dfa": 5e-4, "sdfa": 5e-4, "drtp": 1.5e-4, "shallow": 5e-3},
        "CONV (random)": {"bp": 5e-5, "fa": 1.5e-4, "dfa": 5e-5, "sdfa": 5e-4, "drtp": 5e-4, "shallow": 5e-3},
        "CONV (trained)": {"bp": 5e-4, "fa": 5e-5, "dfa": 5e-5, "sdfa": 1.5e-4, "drtp": 1.5e-4},
    },
    "cifar10": {
        "FC1": {"bp": 1.5e-5, "fa": 1.5e-5, "dfa": 1.5e-5, "sdfa": 5e-5, "drtp": 1.5e-4, "shallow": 1.5e-4},
        "FC2": {"bp": 5e-6, "fa": 5e-6, "dfa": 5e-6, "sdfa": 5e-5, "drtp": 5e-5, "shallow": 5e-4},
        "CONV (random)": {"bp": 5e-6, "fa": 5e-6, "dfa": 5e-6, "sdfa": 1.5e-4, "drtp": 1.5e-4, "shallow": 1.5e-3},
        "CONV (trained)": {"bp": 1.5e-4, "fa": 5e-6, "dfa": 5e-6, "sdfa": 1.5e-5, "drtp": 5e-5},
    },
}


def rate(data: str, network: str, rule: str) -> float:
    """Return the rate that table 3 prints for a network as tables 1 and 2 name it, e.g. "FC1-500"."""
    kind = network if network.startswith("CONV") else network.split("-")[0]
    return TABLE_3[data][kind][rule]
