"""The learner of a branch predictor on a sensor stream of two classes, beside river, with its state in bits.

    python experiments/branch_elec2.py            elec2, labels at once and one day late (minutes)
    python experiments/branch_elec2.py --quick    its first 4,000 samples; nothing is written

Every contestant is tested on a sample, then learns it, over the whole stream. Settings of every contestant are chosen
by prequential accuracy on the first quarter; the last column leaves it out. edgelearn has some hundred settings to
choose from, river up to 21. kappa-temporal compares with the label before, also where labels are late.

Bits of river: each number it keeps is a float64 of 64 bits: weights, intercept, and a count, a mean and a variance a
channel (StandardScaler), or three exponentially weighted means (AdaptiveStandardScaler). A leaf of a Hoeffding tree
keeps 2 class weights, 3 numbers for its naive Bayes and, for each channel, 5 numbers a class (weight, mean, sum of
squares, least, largest); a split keeps channel, threshold and 2 class weights. What river takes in memory as objects of
Python is several times that, and is not counted. Bits of edgelearn: `BinarySpec.storage`. Samples that wait for a late
label are left out on both sides. A scaler learns a sample before it is predicted, as edgelearn's normalisers do.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn import __version__
from edgelearn.errors import UserError
from edgelearn.files import write_text
from edgelearn.streaming.prequential import Prequential
from experiments.binary_streams import BinaryLearner, BinarySpec, open_binary

RESULTS = Path(__file__).parent / "results" / "branch_elec2.json"
TUNED_ON = 0.25
DAY = 48  # samples
FLOAT = 64
RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
TIME_CONSTANTS = (4, 5, 6, 8)
FADING = (0.01, 0.03, 0.1)
LAGS = 8
SEEDS = (7, 9, 11, 13, 15)
KINDS = ("perceptron", "mdfa", "dfa")
Candidates = list[tuple[str, Callable[[], tuple[Any, Any]]]]  # how it is set; a scaler or None, a model


def scores(predicted: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Return accuracy and kappas of predictions, and the accuracy after the part that settings are chosen on."""
    meter = Prequential(2)
    meter.update(predicted, y)
    result, n = meter.as_dict(), int(TUNED_ON * len(y))
    rest = {"rest_accuracy": round(float((predicted[n:] == y[n:]).mean()), 6)}
    return {key: result[key] for key in ("accuracy", "kappa", "kappa_temporal")} | rest


def grid(n_channels: int, kind: str, delay: int, history: tuple[int, ...]) -> Iterator[BinarySpec]:
    """Yield what is tried of a kind."""
    rows = ((0, None), (1, None), (3, None), (0, 0))
    one = kind == "perceptron"
    widths, hidden, thetas = ((0, 1, 2, 4), (1,), (None,)) if one else ((0, 1, 2), (2, 4), (120, 320))
    for thresholds, reach, tau, k, (path, row), units, theta in itertools.product(
        widths, (1, 2, 3), TIME_CONSTANTS, history, rows, hidden, thetas
    ):
        if path <= k:
            yield BinarySpec(n_channels, kind, units, thresholds, reach, tau, k, path, row, theta, delay)


def run_edgelearn(
    x: np.ndarray, y: np.ndarray, kind: str, budget: int, delay: int, history: tuple[int, ...] = (0, 1, 3, LAGS)
) -> dict[str, Any]:
    """Choose settings that fit a budget on the first quarter; run the whole stream, two layers with five seeds."""
    n = int(TUNED_ON * len(y))
    best: tuple[float, BinarySpec] | None = None
    for spec in grid(x.shape[1], kind, delay, history):
        if spec.storage_bits - spec.storage["in_flight"] > budget:
            continue
        accuracy = float((BinaryLearner(spec).run(x[:n], y[:n]) == y[:n]).mean())
        if best is None or accuracy > best[0]:
            best = (accuracy, spec)
    if best is None:
        raise UserError(f"no {kind} fits {budget} bits")
    spec = best[1]
    seeds = SEEDS if spec.has_hidden else SEEDS[:1]
    all_scores = []
    for seed in seeds:
        learner = BinaryLearner(BinarySpec(**{**vars(spec), "seed": seed}))
        all_scores.append(scores(learner.run(x, y), y))
    mean = {key: round(float(np.mean([s[key] for s in all_scores])), 6) for key in all_scores[0]}
    accuracies = [s["accuracy"] for s in all_scores]
    return {
        "name": f"edgelearn {spec.name}" + (f", {spec.rows} rows" if spec.rows > 1 else ""),
        "bits": spec.storage_bits - spec.storage["in_flight"],
        "storage": spec.storage,
        "settings": vars(spec),
        "seeds": len(seeds),
        "spread": round(max(accuracies) - min(accuracies), 6),
    } | mean


class HalfScaler:
    """Exponentially weighted mean and variance a channel, kept in float16."""

    def __init__(self, fading: float) -> None:
        self.fading = fading
        self.means: dict[Any, float] = {}
        self.vars: dict[Any, float] = {}
        self.counts: dict[Any, int] = {}

    def learn_one(self, row: dict[Any, float]) -> None:
        for key, value in row.items():
            distance = value - self.means.setdefault(key, value)
            self.means[key] += self.fading * distance
            variance = self.vars.get(key, 0.0)
            self.vars[key] = (1 - self.fading) * (variance + self.fading * distance**2)

    def transform_one(self, row: dict[Any, float]) -> dict[Any, float]:
        return {
            key: (value - self.means[key]) / self.vars[key] ** 0.5 if self.vars[key] > 0 else 0.0
            for key, value in row.items()
        }


def halved(scaler: Any, linear: Any) -> None:
    """Round every number that a scaler and a logistic regression keep to 16 bits; counts stop at 2^11."""
    for numbers in (scaler.means, scaler.vars, linear._weights):
        for key, value in list(numbers.items()):
            numbers[key] = float(np.float16(value))
    for key in scaler.counts:
        scaler.counts[key] = min(scaler.counts[key], 1 << 11)
    linear.intercept = float(np.float16(linear.intercept))


def run_river(
    rows: list[dict[str, float]],
    y: np.ndarray,
    candidates: Candidates,
    delay: int,
    lags: int = 0,
    after: Callable[[Any, Any], None] | None = None,
) -> tuple[dict[str, float], str, Any]:
    """Choose among candidates on the first quarter; return scores on the whole stream, its note, the model."""
    labels = y.tolist()

    def run(make: Callable[[], tuple[Any, Any]], n: int) -> tuple[np.ndarray, Any]:
        (scaler, model), predicted = make(), np.zeros(n, np.int64)
        seen: list[dict[str, float]] = []
        for i in range(n):
            row = rows[i]
            if scaler is not None:  # learns at once, as a scaler needs no label
                scaler.learn_one(row)
                row = scaler.transform_one(row)
            if lags:
                row = row | {
                    f"label {j}": float(2 * labels[i - delay - j] - 1) if i - delay >= j else -1.0
                    for j in range(1, lags + 1)
                }
            seen.append(row)
            predicted[i] = int(model.predict_one(row) or 0)
            if i >= delay:
                model.learn_one(seen[i - delay], labels[i - delay])
                if after:
                    after(scaler, model)
        return predicted, model

    n = int(TUNED_ON * len(y))
    chosen = candidates[0]
    if len(candidates) > 1:
        chosen = max(candidates, key=lambda c: (run(c[1], n)[0] == y[:n]).mean())
    predicted, model = run(chosen[1], len(y))
    return scores(predicted, y), chosen[0], model


def tree_bits(model: Any, n_channels: int) -> int:
    """Count what a Hoeffding tree keeps."""
    leaves, splits = max(model.n_leaves or 1, 1), model.n_branches or 0
    return int(FLOAT * (leaves * (2 + 3 + n_channels * 2 * 5) + splits * 4))


def river_rows(x: np.ndarray, y: np.ndarray, delay: int) -> list[dict[str, Any]]:
    """Run river's contestants."""
    from river import linear_model, optim, preprocessing, tree

    rows = [dict(enumerate(row)) for row in x.astype(np.float64).tolist()]
    c = x.shape[1]
    linear = FLOAT * (c + 1)

    def logistic(rate: float) -> Any:
        return linear_model.LogisticRegression(optim.SGD(rate))

    scaled: Candidates = [(f"rate {r}", lambda r=r: (preprocessing.StandardScaler(), logistic(r))) for r in RATES]
    plain: Candidates = [(f"rate {r}", lambda r=r: (None, logistic(r))) for r in RATES]
    adaptive: Candidates = [
        (f"rate {r}, fading {f}", lambda r=r, f=f: (preprocessing.AdaptiveStandardScaler(f), logistic(r)))
        for r in RATES
        for f in FADING
    ]
    half: Candidates = [
        (f"rate {r}, fading {f}", lambda r=r, f=f: (HalfScaler(f), logistic(r))) for r in RATES for f in FADING
    ]
    perceptrons: Candidates = [
        ("", lambda: (preprocessing.StandardScaler(), linear_model.Perceptron())),
    ]
    adaptive_perceptrons: Candidates = [
        (f"fading {f}", lambda f=f: (preprocessing.AdaptiveStandardScaler(f), linear_model.Perceptron()))
        for f in FADING
    ]
    trees: Candidates = [("", lambda: (None, tree.HoeffdingTreeClassifier()))]
    adaptive_trees: Candidates = [
        (f"fading {f}", lambda f=f: (preprocessing.AdaptiveStandardScaler(f), tree.HoeffdingTreeClassifier()))
        for f in FADING
    ]
    both = linear + 3 * FLOAT * c
    contestants: list[tuple[str, Candidates, int, int, Any]] = [
        ("LogisticRegression, StandardScaler", scaled, both, 0, None),
        ("the same in float16", scaled, both // 4, 0, halved),
        ("LogisticRegression, no scaler", plain, linear, 0, None),
        ("LogisticRegression, AdaptiveStandardScaler", adaptive, both, 0, None),
        (
            f"LogisticRegression, AdaptiveStandardScaler, last {LAGS} labels",
            adaptive,
            both + LAGS * (FLOAT + 1),
            LAGS,
            None,
        ),
        ("LogisticRegression, weighted scaler of our own, float16", half, 16 * (c + 1) + 2 * 16 * c, 0, halved),
        ("Perceptron, StandardScaler", perceptrons, both, 0, None),
        ("Perceptron, AdaptiveStandardScaler", adaptive_perceptrons, both, 0, None),
        ("HoeffdingTreeClassifier", trees, 0, 0, None),
        ("HoeffdingTreeClassifier, AdaptiveStandardScaler", adaptive_trees, 3 * FLOAT * c, 0, None),
        (f"HoeffdingTreeClassifier, last {LAGS} labels", trees, 0, LAGS, None),
    ]
    found = []
    for name, candidates, bits, lags, after in contestants:
        result, note, model = run_river(rows, y, candidates, delay, lags, after)
        more = {}
        if hasattr(model, "n_leaves"):
            bits += tree_bits(model, c + lags) + lags
            more = {"leaves": model.n_leaves, "splits": model.n_branches, "raw_memory_bytes": model._raw_memory_usage}
        found.append({"name": f"river {name}", "note": note, "bits": bits} | more | result)
        print(row_text(found[-1]), flush=True)
    return found


def baselines(y: np.ndarray, delay: int) -> list[dict[str, Any]]:
    """Return the class that was most frequent so far, and the last label that is known."""
    known = np.concatenate([np.zeros(delay + 1, np.int64), y])[: len(y)]
    ones = np.concatenate([np.zeros(delay + 1, np.int64), np.cumsum(y)])[: len(y)]
    seen = np.maximum(np.arange(len(y)) - delay, 0)
    found = [("majority so far", 2 * ones > seen, 2 * 16), ("no change", known, 1)]
    return [{"name": name, "bits": bits} | scores(np.asarray(p, np.int64), y) for name, p, bits in found]


def one_bit(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Return the scores of one bit of one channel as it is, nothing learned; chosen as everything else."""
    n, best = int(TUNED_ON * len(y)), (0.0, 0, 0, np.zeros(0, bool))
    for tau in TIME_CONSTANTS:
        bits, _ = BinaryLearner(BinarySpec(x.shape[1], thresholds=0, time_constant=tau, history=0)).bits(x)
        for c in range(x.shape[1]):
            accuracy = float(((bits[:n, c] > 0) == y[:n]).mean())
            best = max(best, (accuracy, tau, c, bits[:, c] > 0), key=lambda b: b[0])
    _, tau, c, bit = best
    spec = BinarySpec(1, thresholds=0, time_constant=tau, history=0)
    found = {"name": "one bit, nothing learned", "note": f"channel {c} above its mean of 2^{tau} samples"}
    return found | {"bits": spec.storage["normalisers"]} | scores(bit.astype(np.int64), y)


def row_text(row: dict[str, Any]) -> str:
    note = ", ".join(str(part) for part in (row.get("note"), row.get("leaves") and f"{row['leaves']} leaves") if part)
    return (
        f"| {row['name']}{f' ({note})' if note else ''} | {row['bits']:,} | {100 * row['accuracy']:.2f} % | "
        f"{row['kappa']:.3f} | {row['kappa_temporal']:.3f} | {100 * row['rest_accuracy']:.2f} % |"
    )


def table(x: np.ndarray, y: np.ndarray, delay: int) -> list[dict[str, Any]]:
    """Run all contestants with labels so late, and print their rows."""
    when = f"labels {delay} samples late" if delay else "labels at once"
    print(f"\n**elec2**, {len(y):,} samples, {when}; prequential\n")
    print("| | bits | accuracy | kappa | kappa-temporal | last 3/4 |\n|---|---|---|---|---|---|")
    rows = [*baselines(y, delay), one_bit(x, y)]
    for row in rows:
        print(row_text(row), flush=True)
    budget = 4 * FLOAT * x.shape[1] + FLOAT
    for kind, bits, history in (
        *((kind, budget, (0, 1, 3, LAGS)) for kind in KINDS),
        ("perceptron", budget, (0,)),
        ("perceptron", budget // 2, (0, 1, 3, LAGS)),
    ):
        row = run_edgelearn(x, y, kind, bits, delay, history) | {"budget": bits}
        row["note"] = f"at most {bits:,} bits" + (", no labels as inputs" if history == (0,) else "")
        rows.append(row)
        print(row_text(row), flush=True)
    return rows + river_rows(x, y, delay)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="elec2", help="a stream of two classes")
    parser.add_argument("--quick", action="store_true", help="the first 4,000 samples; nothing is written")
    given = parser.parse_args(arguments)
    try:
        source = open_binary(given.data, limit=4000 if given.quick else None)
        x, y = (np.concatenate([getattr(block, key) for block in source.blocks()]) for key in ("x", "y"))
        results = {f"delay {delay}": table(x, y, delay) for delay in (0, DAY)}
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    if not given.quick and given.data == "elec2":
        write_text(
            RESULTS, json.dumps({"edgelearn": __version__, "samples": len(y), "delays": results}, indent=1) + "\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
