"""Every rule on real streams at 8 and 4 bits, beside its float twin in torch and river's learners.

    python experiments/stream_table.py                  all streams (40 minutes on two cores; river's forests are slow)
    python experiments/stream_table.py watch elec2      some of them
    python experiments/stream_table.py --quick          the synthetic sensor alone, without river's forest

Each contestant is tested on a row, then learns it. Rates are exponents of two; hidden and output rate of every
contestant, twin included, are chosen by the same search on the first quarter of the stream, and so is river's rate.
Prints Markdown tables and writes experiments/results/stream_table.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from edgelearn import __version__
from edgelearn.config import StreamConfig, validated
from edgelearn.data.recordings import Recording
from edgelearn.data.source import Source
from edgelearn.errors import UserError
from edgelearn.files import write_text
from edgelearn.references.pytorch import torch
from edgelearn.references.torch_online import one_thread
from edgelearn.rules import RULES
from edgelearn.runs.stream import StreamWork, open_config_source
from edgelearn.runs.stream import run as stream
from hw_models.processor import find_processor
from hw_models.unit_costs import unit_costs

RESULTS = Path(__file__).parent / "results" / "stream_table.json"
TUNED_ON = 0.25  # share of the stream, or of its warm-up, that rates are chosen on
HIDDEN_RATES, OUTPUT_RATES = (-10, -8, -6, -4, -2), (-8, -6, -4, -2, 0)
RIVER_RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
BITS = (8, 4)
PROCESSOR = "cortex-m4"
TIME_CONSTANT, REACH = (StreamConfig.model_fields[key].default for key in ("time_constant", "reach"))
Rates = tuple[int, int]


class FloatTwin:
    """Float twin of a stream's learner: tanh layers and a softmax, trained by stochastic gradient descent in torch.

    Parameters
    ----------
    sizes : layer sizes
    hidden_rate, output_rate : exponents of two, of the weights (biases too)
    seed : of the initial weights, uniform in +-sqrt(6 / n_in) as in the arithmetic contract, section 7

    Notes
    -----
    The loss is the cross entropy, whose gradient p - target is the error of the contract.
    """

    def __init__(self, sizes: Sequence[int], hidden_rate: float, output_rate: float, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.weights, self.biases = [], []
        for n_in, n_out in itertools.pairwise(sizes):
            limit = math.sqrt(6 / n_in)
            weights = (torch.rand(n_in, n_out, generator=generator) * 2 - 1) * limit
            self.weights.append(weights.requires_grad_())
            self.biases.append(torch.zeros(n_out, requires_grad=True))
        hidden = [*self.weights[:-1], *self.biases[:-1]]
        groups = [{"params": [self.weights[-1], self.biases[-1]], "lr": 2.0**output_rate}]
        groups += [{"params": hidden, "lr": 2.0**hidden_rate}] if hidden else []
        self._descent: Any = torch.optim.SGD(groups, lr=0.1, foreach=True)

    def learn(self, features: np.ndarray, labels: np.ndarray, delay: int = 0) -> np.ndarray:
        """Predict, then learn, samples one after another; return the predictions, int64[n].

        Parameters
        ----------
        features : float32[n, n_in]; labels : int64[n]
        delay : sample i - delay is learned after the prediction of sample i
        """
        x = torch.from_numpy(np.ascontiguousarray(features, np.float32))
        targets = torch.from_numpy(np.asarray(labels, np.int64))
        loss_of = torch.nn.functional.cross_entropy
        predictions = np.zeros(len(labels), np.int64)
        for i in range(len(labels)):
            z = self._outputs(x[i])
            predictions[i] = int(z.argmax())
            if i < delay:
                continue
            if delay:
                z = self._outputs(x[i - delay])
            self._descent.zero_grad()
            loss_of(z, targets[i - delay]).backward()
            self._descent.step()
        return predictions

    def _outputs(self, y: Any) -> Any:
        for weights, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            y = torch.tanh(y @ weights + bias)
        return y @ self.weights[-1] + self.biases[-1]


@dataclass(frozen=True)
class Task:
    """A stream, how it is seen, and which of its rows are scored."""

    settings: dict[str, Any]
    data: str
    warm_up_subjects: str | None = None  # these come first and are not scored
    rate: str | None = None
    note: str = ""


WATCH = {"window": 100, "stride": 50, "window_features": "statistics"}
TASKS = {
    "gas-drift": Task({}, "gas-drift", rate="1 Hz", note="chronological; one row per second taken for the clock"),
    "wisdm": Task({}, "wisdm", "1600-1624", note="learned on subjects 1600-1624, scored on the others"),
    "elec2": Task({}, "elec2", note="chronological"),
    "watch": Task(
        WATCH,
        "watch",
        note="recordings as stored; windows of 2 s, one per second",
    ),
    "watch-late": Task(
        WATCH | {"label_delay": 40},
        "watch",
        note="the same, labels 40 rows late: a recording, 33 rows in the mean, is over before its label comes",
    ),
    "drift": Task({}, "drift", note="synthetic, two jumps"),
}


def open_task(task: Task) -> tuple[Source, int]:
    """Return the stream of a task, and how many of its first rows are not scored."""
    if task.warm_up_subjects is None:
        return open_config_source(validated(StreamConfig, {"data": task.data})), 0
    parts = [
        open_config_source(validated(StreamConfig, {"data": task.data, "subjects": subjects}))
        for subjects in (task.warm_up_subjects, f"not {task.warm_up_subjects}")
    ]
    x, y, segment = (
        np.concatenate([getattr(block, key) for part in parts for block in part.blocks()])
        for key in ("x", "y", "segment")
    )
    joined = Recording(
        x, y, rate_hz=parts[0].rate_hz, segment=segment, class_names=parts[0].class_names, name=task.data
    )
    return joined, int(parts[0].n_samples or 0)


def shortened(source: Source, n: int) -> Recording:
    """Return the first n samples of a stream, in memory."""
    x, y, segment = (
        np.concatenate([getattr(block, key) for block in source.blocks()])[:n] for key in ("x", "y", "segment")
    )
    return Recording(x, y, segment=segment, class_names=source.class_names, name=source.name, rate_hz=source.rate_hz)


def best_rates(score: Callable[[Rates], float], has_hidden: bool = True) -> Rates:
    """Search a coarse grid of powers of two, then climb from its best point."""
    seen: dict[Rates, float] = {}

    def visit(at: Rates) -> None:
        if at not in seen and -14 <= at[0] <= 0 and -14 <= at[1] <= 0:
            try:
                seen[at] = score(at)
            except UserError:  # a rate that the word cannot hold
                seen[at] = -1.0

    for hidden in HIDDEN_RATES if has_hidden else HIDDEN_RATES[:1]:
        for output in OUTPUT_RATES:
            visit((hidden, output))
    while True:
        best, known = max(seen, key=lambda at: seen[at]), len(seen)
        for step in (-1, 0, 1):
            for way in (-1, 0, 1):
                visit((best[0] + step * has_hidden, best[1] + way))
        if len(seen) == known:
            return best


def config_of(task: Task, rule: str, bits: int, at: Rates, **more: Any) -> StreamConfig:
    settings = task.settings | {
        "rule": rule, "bits": bits, "hidden_rate": at[0], "output_rate": at[1], "processor": PROCESSOR,
    }  # fmt: skip
    if task.rate is not None:
        settings["sample_rate"] = task.rate
    return validated(StreamConfig, settings | more)


def run_rule(task: Task, rule: str, bits: int) -> dict[str, Any]:
    """Choose rates on the first quarter, run the whole stream, return a row of the table."""
    source, warm_up = open_task(task)
    first = shortened(source, int(TUNED_ON * (warm_up or source.n_samples or 0)))

    def score(at: Rates) -> float:
        return float(stream(config_of(task, rule, bits, at), source=first).content["result"]["accuracy"])

    at = best_rates(score, has_hidden=RULES[rule].learns_hidden)
    config = config_of(task, rule, bits, at, warm_up=_rows_of(task, warm_up))
    run = StreamWork(config, source)
    for block in source.blocks():
        run.take(block)
    c = run.content()
    n_rows = c["stream"]["rows"]
    return {
        "name": rule,
        "bits": bits,
        "rates": at,
        "accuracy": c["result"]["accuracy"],
        "kappa": c["result"]["kappa"],
        "learned_percent": c["learning"]["learned_percent"],
        "weights_changed": round(c["per_sample"]["words"]["weight"]["written"], 1),
        "events_per_row": c["front_end"]["events_per_row"],
        "energy_m4_uj": c["device"]["energy_per_row_pj"] * 1e-6,
        "energy_engine_nj": _energy_pj(run, "engine-28nm") / n_rows * 1e-3,
        "most_rows_per_second": c["device"]["most_rows_per_second"],
        "dropped": c["device"]["dropped"],
        "majority": c["result"]["majority_accuracy"],
        "no_change": c["result"]["no_change_accuracy"],
        "rows": n_rows,
        "scored": c["result"]["scored"],
    }


def _rows_of(task: Task, samples: int) -> int:
    if samples and task.settings.get("window", 1) > 1:
        raise UserError("a warm-up in samples of a windowed stream is not a number of rows")
    return samples


def _energy_pj(run: StreamWork, processor: str) -> float:
    found = unit_costs(run.spec, find_processor(processor))
    assert found.energy_pj is not None
    return found.total(found.energy_pj, run.learner.counters, run.learner.inference_counters)


def float_rows(source: Source, settings: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return the features of rows as real numbers, float64[n, n_features], and their labels."""
    x, y, segment = (
        np.concatenate([getattr(block, key) for block in source.blocks()]) for key in ("x", "y", "segment")
    )
    window, stride = settings.get("window", 1), settings.get("stride", 1)
    if window == 1:
        return x.astype(np.float64), y
    features, labels = [], []
    for part in np.split(np.arange(len(y)), np.flatnonzero(np.diff(segment)) + 1):
        if len(part) < window:
            continue
        views = np.lib.stride_tricks.sliding_window_view(x[part].astype(np.float64), window, axis=0)[::stride]
        mean = views.mean(-1, keepdims=True)
        above = views >= mean
        six = (
            mean[..., 0],
            np.abs(views - mean).mean(-1),
            views.min(-1),
            views.max(-1),
            np.abs(np.diff(views)).mean(-1),
            (above[..., 1:] != above[..., :-1]).sum(-1),
        )
        features.append(np.stack(six, -1).reshape(len(views), -1))
        labels.append(y[part][window - 1 :: stride])
    return np.concatenate(features), np.concatenate(labels)


def normalised(features: np.ndarray, time_constant: int, reach: float = REACH) -> np.ndarray:
    """Return what the front end's normaliser would give with real numbers, float32 in -1..1."""
    mean, deviation = features[0].copy(), np.zeros(features.shape[1])
    result = np.zeros(features.shape, np.float32)
    for n, row in enumerate(features):
        gain = 2.0 ** -min(time_constant, n.bit_length())
        if n:
            deviation += gain * (np.abs(row - mean) - deviation)
        mean += gain * (row - mean)
        safe = np.where(deviation > 0, deviation, 1.0)
        result[n] = np.where(deviation > 0, np.clip((row - mean) / (reach * safe), -1, 1), 0)
    return result


def run_twin(task: Task, hidden: int = 64) -> dict[str, Any]:
    """Measure the float twin: the same network, backpropagation, rates by the same search."""
    source, warm_up = open_task(task)
    raw, y = float_rows(source, task.settings)
    x = normalised(raw, TIME_CONSTANT)
    sizes = (x.shape[1], *((hidden,) if hidden else ()), source.n_classes)
    n_tuned, delay = int(TUNED_ON * (warm_up or len(y))), task.settings.get("label_delay", 0)

    def score(at: Rates) -> float:
        return float((FloatTwin(sizes, *at).learn(x[:n_tuned], y[:n_tuned], delay) == y[:n_tuned]).mean())

    with one_thread():
        at = best_rates(score, has_hidden=hidden > 0)
        right = FloatTwin(sizes, *at).learn(x, y, delay) == y
    return {
        "name": f"float twin, bp{'' if hidden else ' without hidden layer'}",
        "rates": at,
        "accuracy": float(right[warm_up:].mean()),
    }


def run_river(task: Task, kind: str) -> dict[str, Any]:
    """Measure a learner of river on the same features, unnormalised, behind its own scaler where it needs one."""
    from river import forest, linear_model, multiclass, optim, preprocessing, tree

    source, warm_up = open_task(task)
    raw, y = float_rows(source, task.settings)
    rows = [dict(enumerate(row)) for row in raw.tolist()]
    labels, delay = y.tolist(), task.settings.get("label_delay", 0)

    def linear(rate: float) -> Any:
        model = linear_model.LogisticRegression(optim.SGD(rate))
        return preprocessing.StandardScaler() | (
            model if source.n_classes == 2 else multiclass.OneVsRestClassifier(model)
        )

    def right(model: Any, n: int) -> np.ndarray:
        hits = np.zeros(n, bool)
        for i, (row, label) in enumerate(zip(rows[:n], labels[:n], strict=True)):
            hits[i] = model.predict_one(row) == label
            if i >= delay:
                model.learn_one(rows[i - delay], labels[i - delay])
        return hits

    if kind == "logistic regression":
        n_tuned = int(TUNED_ON * (warm_up or len(y)))
        rate = max(RIVER_RATES, key=lambda r: right(linear(r), n_tuned).mean())
        model, note = linear(rate), f"rate {rate}"
    elif kind == "Hoeffding tree":
        model, note = tree.HoeffdingTreeClassifier(), ""
    else:
        model, note = forest.ARFClassifier(n_models=10, seed=0), "10 trees"
    return {"name": f"river {kind}", "note": note, "accuracy": float(right(model, len(y))[warm_up:].mean())}


def jobs_of(name: str, quick: bool, rules_only: bool = False) -> list[tuple[str, Callable[[], dict[str, Any]]]]:
    task = TASKS[name]
    rules: list[tuple[str, Callable[[], dict[str, Any]]]] = [
        (f"{rule} {bits}", lambda rule=rule, bits=bits: run_rule(task, rule, bits)) for bits in BITS for rule in RULES
    ]
    if rules_only:
        return rules
    forests = () if quick else ("Hoeffding tree", "adaptive random forest")
    jobs: list[tuple[str, Callable[[], dict[str, Any]]]] = [
        (kind, lambda kind=kind: run_river(task, kind)) for kind in (*forests[::-1], "logistic regression")
    ]
    jobs += [("twin", lambda: run_twin(task)), ("linear twin", lambda: run_twin(task, 0))]
    return jobs + rules


def timed(job: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    start = time.perf_counter()
    return job() | {"seconds": round(time.perf_counter() - start, 1)}


def table(name: str, rows: list[dict[str, Any]]) -> list[str]:
    rules = [row for row in rows if "bits" in row]
    first = rules[0]
    lines = [
        f"**{name}**: {TASKS[name].note}; {first['scored']:,} of {first['rows']:,} rows scored; majority class "
        f"{100 * first['majority']:.1f} %, no-change {100 * first['no_change']:.1f} %",
        "",
        "| | accuracy | rows learned | weights changed per row | events per row | energy per row, 28 nm engine "
        "| Cortex-M4 | maximum rows/s | dropped |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rules:
        lines.append(
            f"| {row['name']}, {row['bits']} bits | {100 * row['accuracy']:.2f} % | {row['learned_percent']:.1f} % | "
            f"{row['weights_changed']:,.0f} | {row['events_per_row']:.1f} | {row['energy_engine_nj']:.1f} nJ | "
            f"{row['energy_m4_uj']:.1f} uJ | {row['most_rows_per_second']:,.0f} | {row['dropped']} |"
        )
    for row in rows:
        if "bits" not in row:
            note = f", {row['note']}" if row.get("note") else ""
            lines.append(f"| {row['name']}{note} | {100 * row['accuracy']:.2f} % | | | | | | | |")
    return [*lines, ""]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("streams", nargs="*", choices=[*TASKS, []], help="streams; all real ones by default")
    parser.add_argument("--quick", action="store_true", help="the synthetic sensor, without trees; nothing is written")
    parser.add_argument("--rules", action="store_true", help="the rules alone; rows of river and float are kept")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    given = parser.parse_args(arguments)
    names = ["drift"] if given.quick else given.streams or [name for name in TASKS if name != "drift"]
    results = json.loads(RESULTS.read_text())["streams"] if RESULTS.exists() and not given.quick else {}
    for name in names:
        jobs = jobs_of(name, given.quick, given.rules)
        kept = [row for row in results.get(name, ()) if "bits" not in row] if given.rules else []
        try:
            rows = Parallel(n_jobs=given.jobs)(delayed(timed)(job) for _, job in jobs)
        except UserError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 2
        results[name] = rows = kept + rows
        print("\n".join(table(name, rows)), flush=True)
        if not given.quick:
            content = {"edgelearn": __version__, "streams": results}
            write_text(RESULTS, json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
