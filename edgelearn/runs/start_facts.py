"""What a report says of the network that learning started from."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.config import RunConfig
from edgelearn.network.forward import layers_of
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec
from edgelearn.runs.converted import ConvertedFrontEnd
from edgelearn.runs.levels import LevelFrontEnd
from edgelearn.runs.scale import MOST_BEYOND, share_beyond
from edgelearn.runs.start import Start
from edgelearn.units import six_digits
from hw_models.front_end import front_end_cost
from hw_models.processor import AnyProcessor

MOST_ROWS = 10_000  # that figures of levels and logits are taken from
COUNTED_ROWS = 200  # that products of converted layers are counted on
MANY_SATURATED = 0.5  # share of saturated indices of the outputs from which a note says so


def facts_of(
    start: Start,
    spec: NetworkSpec,
    processor: AnyProcessor,
    train_x: np.ndarray | None = None,
    levels: np.ndarray | None = None,
    test: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Return the part "start" of a report.

    Parameters
    ----------
    train_x, levels : features [n, n_in] and levels of the data that are learned; None where they cannot be read again
    test : features, levels and labels of rows that accuracies are measured on; None, or empty, for none
    """
    facts: dict[str, Any] = dict(start.note())
    accuracy: dict[str, float | None] = dict.fromkeys(("model", "levels", "words"))
    if test is not None and len(test[1]):
        x, tests, labels = test
        before = start.learner(spec).predict(tests)
        accuracy["words"] = _percent(before == labels)
        if start.head is not None and isinstance(start.front_end, LevelFrontEnd):
            scale = start.front_end.levels
            accuracy["model"] = _percent(start.head.predict(scale.real(x)) == labels)
            accuracy["levels"] = _percent(start.head.predict(scale.values(tests)) == labels)
        elif start.head is not None and isinstance(start.front_end, ConvertedFrontEnd):
            accuracy["model"] = _percent(start.head.predict(start.front_end.real(x)) == labels)
            accuracy["levels"] = _percent(start.head.predict(start.front_end.features.values(tests)) == labels)
        facts["baseline_percent"], facts["rows_before_learning"] = (
            _percent(labels == _most_frequent(labels)),
            len(labels),
        )
    facts["accuracy_percent"] = accuracy
    if train_x is not None and (share := share_beyond(start.front_end, train_x[:MOST_ROWS])) is not None:
        facts["cut_percent"] = six_digits(100 * share)
    if levels is not None and len(levels):
        facts["events_percent"] = six_digits(100 * float(np.mean(levels[:MOST_ROWS] != 0)))
        indices = output_indices(spec, start.learner(spec), levels[:MOST_ROWS])
        facts["saturated_outputs_percent"] = six_digits(100 * float(np.mean((indices == -128) | (indices == 127))))
    if isinstance(start.front_end, ConvertedFrontEnd) and train_x is not None:
        facts["frozen_layers"] = _frozen_layers(start.front_end, train_x[:COUNTED_ROWS])
        facts["frozen_bits"] = start.front_end.stack.stored_bits
    facts["rates"] = [
        {
            "layer": k + 1,
            "rate": 2.0**layer.rate,
            "rate_of_model": six_digits(2.0**layer.rate * start.rate_units[k]) if start.rate_units else None,
        }
        for k, layer in enumerate(spec.layers)
        if layer.learns
    ]
    facts["front_end_cost"] = _front_end_cost(start, processor)
    return facts


def _frozen_layers(front_end: ConvertedFrontEnd, x: np.ndarray) -> list[dict[str, Any]]:
    """Return shapes of converted layers, with products per sample at most and with inputs other than zero."""
    counted = front_end.stack.counts(front_end.inputs.encode(x))
    return [row | {"products": six_digits(row["products"])} for row in counted]


def _most_frequent(labels: np.ndarray) -> int:
    return int(np.bincount(labels).argmax())


def _at_chance(start: Start, facts: dict[str, Any]) -> list[str]:
    """Return a note where the source predicts no better than a constant; outputs that are new cannot do better."""
    accuracy, baseline = facts["accuracy_percent"], facts.get("baseline_percent", 100.0)
    found = accuracy["words"] if accuracy["model"] is None else accuracy["model"]
    is_grown = start.classes is not None and len(start.classes.names) > start.classes.n_known
    if found is None or baseline == 100 or is_grown:
        return []
    error = (baseline * (100 - baseline) / facts["rows_before_learning"]) ** 0.5
    if found > baseline + error:
        return []
    return [
        f"accuracy before learning, {found:.2f} %, is no better than chance (the most frequent class has "
        f"{baseline:.2f} % of the rows): check that classes and outputs are those of the same names, "
        "and that the features are those of the cut"
    ]


def _percent(right: np.ndarray) -> float:
    return round(100 * float(right.mean()), 4)


def _front_end_cost(start: Start, processor: AnyProcessor) -> dict[str, Any] | None:
    """Return work per sample of the model in front of the cut, and its price; see `hw_models.front_end`."""
    work = start.work_in_front
    if work is None or not work.macs:
        return None
    cost = front_end_cost(work.macs, work.weight_words, processor)
    return {
        "macs": work.macs,
        "weight_words": work.weight_words,
        "activation_words": work.activation_words,
        "uncounted": list(work.uncounted),
        "energy_pj": None if cost.energy_pj is None else six_digits(cost.energy_pj),
        "cycles": six_digits(cost.cycles),
    }


def output_indices(spec: NetworkSpec, learner: Learner, levels: np.ndarray) -> np.ndarray:
    """Return the table indices q of the outputs, int64[n, n_outputs] (contract, section 3)."""
    return _forward(spec, learner, levels)[0]


def rates_to_try(spec: NetworkSpec, learner: Learner, levels: np.ndarray) -> tuple[int, ...]:
    """Return a rate per layer to begin a search with, exponents of two: 2 / (1 + mean squared length of its inputs).

    The error of a softmax falls for any smaller step on the sample itself (its curvature is at most half the squared
    length of the inputs, bias included, so that the limit is twice as large).
    """
    lengths = _forward(spec, learner, levels)[1]
    return tuple(int(np.clip(np.rint(np.log2(2 / (1 + length))), -20, 0)) for length in lengths)


def _forward(spec: NetworkSpec, learner: Learner, levels: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """Return the table indices of the outputs, and the mean squared length of the inputs of each layer."""
    passes = list(layers_of(learner.state, levels))
    lengths = [
        float(((inputs / layer.input_one) ** 2).sum(axis=1).mean())
        for layer, (inputs, _) in zip(spec.layers, passes, strict=True)
    ]
    return passes[-1][1], lengths


def notes_of(start: Start, facts: dict[str, Any]) -> list[str]:
    """Return the notes of a report on its start."""
    notes = list(start.notes)
    if start.classes is not None and start.classes.note:
        notes.append(start.classes.note)
    notes += _at_chance(start, facts)
    cut = facts.get("cut_percent")
    if cut and cut <= 100 * MOST_BEYOND:  # more is the first note of a report
        notes.append(f"{cut:.2g} % of the features lie beyond the levels and are cut")
    saturated = facts.get("saturated_outputs_percent", 0.0)
    if saturated >= 100 * MANY_SATURATED:
        notes.append(
            f"{saturated:.0f} % of the outputs lie beyond the +-8 of the output table: they predict as they are, and "
            "samples that are right teach little"
        )
    for row in facts["rates"]:
        if row["rate_of_model"] is not None:
            notes.append(
                f"rate {row['rate']:.4g} of layer {row['layer']} is {row['rate_of_model']:.3g} in the model's units"
            )
    return notes


def notes_on_rates(
    start: Start, config: RunConfig, spec: NetworkSpec, levels: np.ndarray, gained: bool = True
) -> list[str]:
    """Suggest rates where none were given: those of a rule are for random words, and hardly move trained ones.

    Parameters
    ----------
    gained : whether accuracy did not fall, as steps are not too large then
    """
    if start.head is None or not len(levels) or not gained:
        return []
    tried, flags = rates_to_try(spec, start.learner(spec), levels[:MOST_ROWS]), []
    hidden = [rate for rate, layer in zip(tried[:-1], spec.layers[:-1], strict=True) if layer.learned == "all"]
    if config.output_rate is None and spec.layers[-1].learns and tried[-1] > spec.layers[-1].rate:
        flags.append(f"--output-rate {tried[-1]}")
    if config.hidden_rate is None and hidden and min(hidden) > spec.layers[0].rate:
        flags.append(f"--hidden-rate {min(hidden)}")
    if not flags:
        return []
    return [
        f"default rates are small for a trained model: to learn from few samples try {' '.join(flags)}, 2 over the "
        "mean squared inputs of a layer, and less where accuracy falls"
    ]
