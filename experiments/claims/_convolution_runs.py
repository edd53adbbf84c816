"""Runs of networks with convolutions on MNIST, at the settings of `experiments/convolution_mnist.py`."""

from __future__ import annotations

from typing import Any

from edgelearn.config import make_config
from edgelearn.reproduction.study import Study, Work
from edgelearn.runs.registry import run
from experiments.convolution_mnist import ROWS


def of_rows(names: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Return the settings of rows of that table, by our names for them; seeds are left out."""
    return {
        name: {key: value for key, value in ROWS[row].config(0).items() if key != "seed"} for name, row in names.items()
    }


def run_mnist(settings: dict[str, Any], work: Work) -> dict[str, Any]:
    """Learn with the settings of `edgelearn run`; return the test errors after each epoch, in percent."""
    content = run(make_config(settings)).content
    return {"test_errors": content["result"]["test_error_percent_by_epoch"]}


def mnist_errors(study: Study) -> dict[str, list[float]]:
    """Return the last test error of each seed, by the names of the study's `runs`, of its first `limit` images."""
    limit = {} if study["limit"] is None else {"limit": study["limit"]}
    cells = [(name, study.seed + k) for k in range(study["seeds"]) for name in study["runs"]]
    results = study.map(run_mnist, [study["runs"][name] | limit | {"seed": seed} for name, seed in cells])
    errors: dict[str, list[float]] = {name: [] for name in study["runs"]}
    for (name, _), result in zip(cells, results, strict=True):
        errors[name].append(result["test_errors"][-1])
    return errors
