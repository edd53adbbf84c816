"""One classifier with the scikit-learn and river interfaces: cross-validation, a stream, cost, a file.

    pip install "edgelearn[streams]"
    python experiments/estimators.py

Prints accuracies and costs; takes seconds.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from river import datasets, evaluate, linear_model, metrics, preprocessing
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from edgelearn import EdgeClassifier
from edgelearn.estimators import RiverEdgeClassifier


def batches() -> None:
    """Cross-validate rules on the digits of scikit-learn, and price what they learned."""
    x, y = load_digits(return_X_y=True)
    print("digits, 5 folds               accuracy   energy of a sample, learned and only inferred (engine-28nm)")
    for rule in ("drtp", "dfa", "bp"):
        pipeline = make_pipeline(MinMaxScaler(), EdgeClassifier(rule))
        accuracy = cross_val_score(pipeline, x, y, cv=5).mean()
        cost = pipeline.fit(x, y)[-1].cost_
        learned, inferred = (part.per_sample("energy_pj") / 1000 for part in (cost.training, cost.inference))
        print(f"  EdgeClassifier({rule!r})".ljust(30), f"{accuracy:.3f}      {learned:.1f} nJ, {inferred:.1f} nJ")


def stream() -> EdgeClassifier:
    """Test and then learn each sample of a stream, beside a linear model in floating point."""
    print("image segments, test then train")
    model = RiverEdgeClassifier("dfa")
    others = (linear_model.SoftmaxRegression(), model)
    for other in others:
        pipeline = preprocessing.StandardScaler() | other
        accuracy = evaluate.progressive_val_score(datasets.ImageSegments(), pipeline, metrics.Accuracy()).get()
        print(f"  {type(other).__name__}".ljust(30), f"{accuracy:.3f}")
    print(f"  classes met: {', '.join(model.classes_)}; words written: {model.counters_.total('weight_write'):,}")
    return model


def file(model: EdgeClassifier) -> None:
    """Save a classifier, and go on with what was loaded."""
    x, y = next(iter(datasets.ImageSegments()))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "segments.npz"
        model.save(path)
        loaded = EdgeClassifier.load(path)
        print(f"saved {path.stat().st_size:,} bytes; ", end="")
    for one in (model, loaded):
        one.learn_one(x, y)
    print("learning on gives the same counts:", loaded.counters_ == model.counters_)


if __name__ == "__main__":
    batches()
    file(stream())
