"""Personalisation of a speech network, new classes, and drift of gas sensors: learning behind a pretrained network.

    python experiments/spoken_digits.py --all nets     networks of the six held-out speakers, two minutes
    python experiments/personalisation.py nets         tables and figure, ten minutes on one core

Prints Markdown tables; writes experiments/results/personalisation.json and edgelearn/docs/figures/personalisation.svg.

Speakers: every speaker in turn is the user of a network that the other five trained. Rates are chosen for each user by
the mean accuracy after 60 words of the *other five* users (three draws that are not reported), each behind a network
that had not heard them: no word of a user decides the rates that this user is reported with. Float SGD has the best of
its rates in the reported accuracies themselves, at each number of words, which favours it.

New classes: a network trained on the digits 0 to 7 of all speakers learns 8 and 9, from recordings 10 and above; rates
are chosen on recordings 30 to 49 after learning from 10 to 29; tested on recordings 0 to 9.

Drift: a table of gas sensors (128 features, 6 gases, batches 1 to 6, 8 and 9 of 36 months); a network of torch trained
on batch 1 and exported with its scaling; 60 labelled rows per later batch, tested on the rest of the batch; rates are
chosen on batch 2, the rest is reported.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn import __version__
from edgelearn.data.user_rows import UserRows, read_user_rows
from edgelearn.files import write_text
from edgelearn.network.counters import Counters
from edgelearn.network.spec import NetworkSpec
from edgelearn.reports.plots.figure import COLOURS, GREY, drawn
from edgelearn.runs.start import start_from
from edgelearn.studies.analysis import interval
from edgelearn.studies.float_sgd import FloatSGD
from edgelearn.studies.personalise import (
    Learned,
    Protocol,
    Rates,
    User,
    float_form,
    learn_in_float,
    learn_in_integers,
    make_user,
    tuned,
)
from experiments import spoken_digits
from experiments.spoken_digits import CUT, SPEAKERS
from firmware_sim.build.estimate import constant_fields, ram_bytes
from hw_models.front_end import front_end_cost
from hw_models.processor import find_processor

RESULTS = Path(__file__).parent / "results" / "personalisation.json"
FIGURE = Path(__file__).parents[1] / "edgelearn" / "docs" / "figures" / "personalisation.svg"
DIGITS = tuple(str(digit) for digit in range(10))
SAMPLES, AT, DRAWS = (12, 24, 60, 120), 60, 5
PROCESSOR = "cortex-m4"
OUTPUT_RATES, HIDDEN_RATES, FLOAT_RATES = (
    (-6, -5, -4, -3, -2),
    (-7, -6, -5, -4, -3, -2, -1, 0),
    (-6, -5, -4, -3, -2, -1),
)
# how a head learns -> settings of its start, and of its network; float SGD beside where it has the same mask
WAYS: dict[str, dict[str, Any]] = {
    "last layer": {"learn": "last"},
    "biases only": {"learn": "bias+bias", "rule": "dfa"},
    "biases and last layer": {"learn": "bias", "rule": "dfa"},
    "bp": {"rule": "bp"},
    "dfa, imported feedback": {"rule": "dfa"},
    "dfa, random feedback": {"rule": "dfa", "feedback": "int8"},
    "drtp, imported feedback": {"rule": "drtp"},
    "drtp, random feedback": {"rule": "drtp", "feedback": "int8"},
}
SAME = [(rate, rate) for rate in FLOAT_RATES]
FLOAT_WAYS: dict[str, tuple[str, list[tuple[int, int]]]] = {
    "last layer": ("last layer", SAME),
    "biases only": ("biases only", SAME),
    "biases and last layer": ("biases and last layer", SAME),
    "both layers": ("bp", SAME),
    "both layers, a rate each": ("bp", [(hidden, rate) for hidden in (-4, -3, -2, -1, 0) for rate in (-5, -4, -3)]),
}
GATES: dict[str, dict[str, Any]] = {
    "always": {},
    "margin 32": {"update_gate": "margin", "margin": 32},
    "margin 16": {"update_gate": "margin", "margin": 16},
    "margin 4": {"update_gate": "margin", "margin": 4},
    "error": {"update_gate": "error"},
    "always, dead zone 16": {"dead_zone": 16},
    "margin 16, dead zone 16": {"update_gate": "margin", "margin": 16, "dead_zone": 16},
    "margin 32, dead zone 16": {"update_gate": "margin", "margin": 32, "dead_zone": 16},
}


class Folder:
    """Networks and features that `experiments/spoken_digits.py --all` wrote."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cache  # noqa: B019
    def rows(self, name: str) -> UserRows:
        return read_user_rows(self.path / f"{name}.npz", None)

    @cache  # noqa: B019
    def user(self, name: str, way: str) -> User:
        old = self.rows(f"{name}-old")
        start = start_from(self.path / f"{name}.onnx", cut=CUT, x=old.x, classes=DIGITS, **WAYS[way])
        return make_user(name, start, self.rows(name), old)


def design_of(rates: Rates, **more: Any) -> Callable[[User], NetworkSpec]:
    return lambda user: user.start.design(hidden_rate=rates[0], output_rate=rates[1], **more)


def learned_with(users: Sequence[User], rates: dict[str, Rates], protocol: Protocol, **more: Any) -> Learned:
    """Learn users, each at rates of its own."""
    found = Learned({user.name: [] for user in users})
    for user in users:
        for _, _, tested, counters in learn_in_integers([user], design_of(rates[user.name], **more), protocol):
            found.tested[user.name].append(tested)
            found.counters = counters if found.counters is None else found.counters + counters
    return found


def chosen_rates(folder: Folder, way: str) -> dict[str, Rates]:
    """Return for each speaker the rates that are best for the other five."""
    users = [folder.user(name, way) for name in SPEAKERS]
    return tuned(users, lambda start, rates: start.design(hidden_rate=rates[0], output_rate=rates[1]), AT, seed=0)


def summary(learned: Learned) -> dict[str, Any]:
    found: dict[str, Any] = {
        "accuracy_percent": learned.intervals(),
        "old_accuracy_percent": learned.intervals("old"),
        "users": {name: [round(value, 3) for value in values] for name, values in learned.means().items()},
    }
    if learned.counters is not None:
        counters = learned.counters
        found["words_written"] = counters.per_sample("weight_write") + counters.per_sample("bias_write")
        found["learned_percent"] = 100 * (1 - counters.total("gated_samples") / counters.total("samples"))
    return found


def priced(counters: Counters, spec: NetworkSpec) -> dict[str, float]:
    """Return energy and time per learned sample, and bytes of firmware."""
    cost = find_processor(PROCESSOR).price(spec, counters)
    return {
        "energy_pj": cost.energy_per_sample_pj,
        "latency_us": 1e6 * cost.latency_s,
        "ram_bytes": ram_bytes(spec),
        "flash_bytes": sum(field.bytes for field in constant_fields(spec)),
    }


def speakers(folder: Folder) -> dict[str, Any]:
    """Return how heads learn new speakers, with gates too."""
    protocol = Protocol(SAMPLES, DRAWS)
    rows: dict[str, Any] = {}
    rates = {}
    for way in WAYS:
        rates[way] = chosen_rates(folder, way)
        users = [folder.user(name, way) for name in SPEAKERS]
        learned = learned_with(users, rates[way], protocol)
        spec = design_of(rates[way][SPEAKERS[0]])(users[0])
        assert learned.counters is not None
        rows[way] = summary(learned) | {"rates": rates[way], "learning": priced(learned.counters, spec)}
        print(way, [round(one["mean"], 2) for one in rows[way]["accuracy_percent"]], flush=True)
    for rule in ("dfa", "drtp"):  # random feedback at the rates that imported feedback takes
        way = f"{rule}, random feedback"
        users = [folder.user(name, way) for name in SPEAKERS]
        learned = learned_with(users, rates[f"{rule}, imported feedback"], protocol)
        rows[f"{way}, rates of imported"] = summary(learned) | {"rates": rates[f"{rule}, imported feedback"]}
    for name, (way, pairs) in FLOAT_WAYS.items():
        rows[f"float SGD, {name}"] = float_row(folder, way, protocol, pairs)
        print(name, [round(one["mean"], 2) for one in rows[f"float SGD, {name}"]["accuracy_percent"]], flush=True)
    gates = {}
    for gate, settings in GATES.items():
        users = [folder.user(name, "last layer") for name in SPEAKERS]
        gates[gate] = summary(learned_with(users, rates["last layer"], protocol, **settings))
        print(gate, gates[gate]["words_written"], flush=True)
    first = folder.user(SPEAKERS[0], "last layer")
    spec = design_of(rates["last layer"][SPEAKERS[0]])(first)
    work, processor = first.start.work_in_front, find_processor(PROCESSOR)
    assert work is not None
    counters = learned_with([first], rates["last layer"], protocol).counters
    assert counters is not None
    return {
        "samples": list(SAMPLES), "draws": DRAWS, "rows": rows, "gates": gates,
        "front_end": front_end_cost(work.macs, work.weight_words, processor).as_dict(),
        "inference_energy_pj": processor.price(spec, counters, learning=False).energy_per_sample_pj,
    }  # fmt: skip


def float_row(folder: Folder, way: str, protocol: Protocol, rates: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Return float SGD with the best of its rates at each number of words."""
    users = [folder.user(name, way) for name in SPEAKERS]
    found = {}
    for pair in rates:
        learned = Learned({name: [] for name in SPEAKERS})
        for user, _, tested in learn_in_float(users, design_of((None, -4)), protocol, pair):
            learned.tested[user.name].append(tested)
        found[pair] = summary(learned)
    places = range(len(SAMPLES) + 1)
    best = [max(found, key=lambda pair, k=k: found[pair]["accuracy_percent"][k]["mean"]) for k in places]
    return {
        "best_rates": [(None, output) if way == "last layer" else (hidden, output) for hidden, output in best],
        "accuracy_percent": [found[pair]["accuracy_percent"][k] for k, pair in enumerate(best)],
        "old_accuracy_percent": [found[pair]["old_accuracy_percent"][k] for k, pair in enumerate(best)],
        "users": {name: [found[pair]["users"][name][k] for k, pair in enumerate(best)] for name in SPEAKERS},
    }


# --- new classes -------------------------------------------------------------------------------------------

KNOWN, NEW_SAMPLES = 8, (10, 50, 100)
NEW_WAYS = {"new words only": 0, "with two old words per new one": 2}


def curve(
    learner: Any, x: np.ndarray, y: np.ndarray, samples: Sequence[int], tests: Sequence[Any]
) -> list[list[float]]:
    """Return accuracies in percent of tests (x, y) after each number of samples; learners in integers and in float."""
    found, done = [], 0
    for n in (0, *samples):
        if n > done:
            learner.learn(x[done:n], y[done:n])
            done = n
        found.append([100 * float((learner.predict(one) == labels).mean()) for one, labels in tests])
    return found


def new_classes_order(y: np.ndarray, old_per_new: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return places of words to learn, and how many are learned after each new one."""
    new = [generator.permutation(np.flatnonzero(y == digit)) for digit in (KNOWN, KNOWN + 1)]
    old = iter(generator.permutation(np.flatnonzero(y < KNOWN)))
    places, ends = [], []
    for k in range(NEW_SAMPLES[-1]):
        places += [next(old) for _ in range(old_per_new)] + [new[k % 2][k // 2]]
        ends.append(len(places))
    return np.array(places), np.array(ends)


def new_classes() -> dict[str, Any]:
    """Return how a network of the digits 0 to 7 learns 8 and 9."""
    words = spoken_digits.Words()
    net = spoken_digits.train(words, (), KNOWN)
    path = Path(tempfile.gettempdir()) / f"digits-{os.getpid()}.onnx"
    spoken_digits.export(net, path)
    x, y, number = spoken_digits.features_of(net, words.spectrograms()), words.digit, words.number
    rows: dict[str, Any] = {}
    try:
        for way, old_per_new in NEW_WAYS.items():
            for kind in ("integers", "float SGD"):
                rows[f"{kind}, {way}"] = _new_classes(path, x, y, number, old_per_new, kind == "float SGD")
                print(kind, way, rows[f"{kind}, {way}"], flush=True)
    finally:
        path.unlink()
    return {"samples": list(NEW_SAMPLES), "draws": DRAWS, "rows": rows}


def _new_classes(
    path: Path, x: np.ndarray, y: np.ndarray, number: np.ndarray, old_per_new: int, in_float: bool
) -> dict[str, Any]:
    start = start_from(
        path, cut=CUT, x=x[(y < KNOWN) & (number >= spoken_digits.OLD)], classes=DIGITS, grow=True, learn="last"
    )

    def curves(learned: np.ndarray, tested: np.ndarray, rate: int, seeds: Sequence[int]) -> np.ndarray:
        spec = start.design(output_rate=rate)
        user = make_user("all", start, UserRows(x, tuple(map(str, y)), np.empty(0, np.str_)), None)
        features = inputs_of(user, spec, in_float)
        tests = [np.flatnonzero(tested & part) for part in (y >= 0, y < KNOWN, y >= KNOWN)]
        found = []
        for seed in seeds:
            own = np.flatnonzero(learned)
            places, ends = new_classes_order(y[own], old_per_new, np.random.default_rng([seed, 3]))
            order = own[places]
            steps = [int(ends[n - 1]) for n in NEW_SAMPLES]
            learner = learner_of(user, spec, rate, in_float)
            found.append(curve(learner, features[order], y[order], steps, [(features[k], y[k]) for k in tests]))
        return np.array(found)

    first, second = (number >= spoken_digits.OLD) & (number < 30), number >= 30
    rates = range(-12, 1)
    balanced = {rate: curves(first, second, rate, range(100, 102))[:, -1].mean(axis=0) for rate in rates}
    best = max(rates, key=lambda rate: balanced[rate][0])
    found = curves(number >= spoken_digits.OLD, number < spoken_digits.OLD, best, range(DRAWS))
    names = ("all", "old", "new")
    return {"rate": best} | {
        name: [interval(found[:, n, k]).as_dict() for n in range(len(NEW_SAMPLES) + 1)] for k, name in enumerate(names)
    }


def inputs_of(user: User, spec: NetworkSpec, in_float: bool) -> np.ndarray:
    """Return what a learner takes: levels, or features in the units of the contract."""
    return float_form(user, spec)[1] if in_float else user.start.front_end.encode(user.x)


def learner_of(user: User, spec: NetworkSpec, rate: int, in_float: bool) -> Any:
    if not in_float:
        return user.start.learner(spec)
    learned = [layer.learned for layer in spec.layers]
    return FloatSGD(
        float_form(user, spec)[0], spec.layers[0].activation, spec.output, learned, [2.0**rate] * len(learned)
    )


# --- drift -------------------------------------------------------------------------------------------------

SENSOR_HIDDEN, ROWS, SENSOR_EPOCHS = 32, 60, 60
SENSOR_RATES = range(-10, 0)
SENSOR_WAYS: dict[str, dict[str, Any]] = {
    "last layer": {"learn": "last"},
    "all layers, dfa": {"rule": "dfa"},
    "all layers, drtp": {"rule": "drtp"},
}


@cache
def sensors() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features [n, 128], classes and batches."""
    places = [Path(folder) for folder in os.environ.get("EDGELEARN_DATA", "").split(os.pathsep) if folder]
    path = next((one / "gas_drift" / "gas_drift.npz" for one in places if (one / "gas_drift").is_dir()), None)
    if path is None:
        raise SystemExit("personalisation: no gas_drift/gas_drift.npz in a folder of EDGELEARN_DATA")
    stored = np.load(path)
    return stored["X"], stored["y"].astype(np.int64) - 1, stored["batch"].astype(np.int64)


def sensor_network(path: Path) -> None:
    """Train a network on batch 1, its scaling included in the first layer, and write it as ONNX."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(1)
    x, y, batch = sensors()
    x, y = x[batch == 1], y[batch == 1]
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    scaled = torch.tensor((x - mean) / deviation, dtype=torch.float32)
    net = torch.nn.Sequential(
        torch.nn.Linear(x.shape[1], SENSOR_HIDDEN), torch.nn.Tanh(), torch.nn.Linear(SENSOR_HIDDEN, 6)
    )
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=0.01)
    for _ in range(SENSOR_EPOCHS):
        for rows in torch.randperm(len(y)).split(32):
            loss = torch.nn.functional.cross_entropy(net(scaled[rows]), torch.tensor(y)[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():  # the first layer takes the raw features
        first = net[0].double()
        first.weight /= torch.tensor(deviation)
        first.bias -= first.weight @ torch.tensor(mean)
    net = net.float().eval()
    torch.onnx.export(net, torch.zeros(1, x.shape[1]), path, dynamo=False, input_names=["x"], output_names=["logits"])


def drift() -> dict[str, Any]:
    """Return accuracies by batch of a network that learns 60 rows of each batch, and of one that does not."""
    path = Path(tempfile.gettempdir()) / f"sensors-{os.getpid()}.onnx"
    sensor_network(path)
    try:
        rows = {}
        for way, settings in SENSOR_WAYS.items():
            for kind in ("integers", "float SGD"):
                if kind == "float SGD" and "drtp" in way:
                    continue
                in_float = kind == "float SGD"
                name = f"{kind}, {'all layers' if in_float and 'dfa' in way else way}"
                rows[name] = _drift(path, settings, in_float)
                print(name, rows[name], flush=True)
    finally:
        path.unlink()
    return {"rows_learned_per_batch": ROWS, "draws": DRAWS, "rows": rows}


def _drift(path: Path, settings: dict[str, Any], in_float: bool) -> dict[str, Any]:
    x, y, batch = sensors()
    names = [str(k) for k in range(6)]
    start = start_from(path, x=x[batch == 1], classes=names, **settings)
    user = make_user("all", start, UserRows(x, tuple(map(str, y)), np.empty(0, np.str_)), None)
    numbers = [int(one) for one in np.unique(batch) if one > 1]

    def course(rate: int, batches: Sequence[int], seed: int) -> np.ndarray:
        """Return accuracies before and after the rows of each batch, [batches, 2]."""
        spec = start.design(hidden_rate=rate if settings.get("learn") != "last" else None, output_rate=rate)
        learner, inputs = learner_of(user, spec, rate, in_float), inputs_of(user, spec, in_float)
        found = []
        for one in batches:
            own = np.random.default_rng([seed, one]).permutation(np.flatnonzero(batch == one))
            learned, left = own[:ROWS], own[ROWS:]
            found.append(
                [
                    accuracies[0]
                    for accuracies in curve(learner, inputs[learned], y[learned], [ROWS], [(inputs[left], y[left])])
                ]
            )
        return np.array(found)

    tuned = {
        rate: np.mean([course(rate, numbers[:1], seed)[0, 1] for seed in (100, 101, 102)]) for rate in SENSOR_RATES
    }
    best = max(tuned, key=lambda rate: tuned[rate])
    courses = np.array([course(best, numbers, seed) for seed in range(DRAWS)])
    spec = start.design(output_rate=-4)
    frozen = learner_of(user, spec, best, in_float)
    inputs = inputs_of(user, spec, in_float)
    return {
        "rate": best,
        "batches": numbers,
        "frozen": [100 * float((frozen.predict(inputs[batch == one]) == y[batch == one]).mean()) for one in numbers],
        "before": [interval(courses[:, k, 0]).as_dict() for k in range(len(numbers))],
        "after": [interval(courses[:, k, 1]).as_dict() for k in range(len(numbers))],
    }


# --- tables ------------------------------------------------------------------------------------------------


def _pm(one: dict[str, Any]) -> str:
    return f"{one['mean']:.1f} ± {one['high'] - one['mean']:.1f}"


def _mean(one: dict[str, Any]) -> str:
    return f"{one['mean']:.1f}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    head, *body = rows
    lines = ["| " + " | ".join(row) + " |" for row in (head, *body)]
    return [lines[0], "|---|" + "--:|" * (len(head) - 1), *lines[1:]]


def _exponents(rates: dict[str, Any]) -> str:
    """Return the range of the exponents that the users have, hidden and output."""
    columns = zip(*rates.values(), strict=True)
    parts = []
    for column in columns:
        known = sorted({one for one in column if one is not None})
        parts += [f"2^{known[0]}" + (f" to 2^{known[-1]}" if len(known) > 1 else "")] if known else []
    return ", ".join(parts)


def speakers_table(content: dict[str, Any]) -> list[str]:
    """Lay out how heads learn new speakers."""
    samples = content["samples"]
    head = ["head", "rates", "before", *(f"after {n}" for n in samples), f"old, after {samples[-1]}", "words written"]
    body = []
    for name, row in content["rows"].items():
        rates = _exponents(row["rates"] if "rates" in row else dict(enumerate(row["best_rates"][1:])))
        written = f"{row['words_written']:,.0f}" if "words_written" in row else ""
        accuracies = [_pm(one) for one in row["accuracy_percent"]]
        body.append([name, rates, *accuracies, _mean(row["old_accuracy_percent"][-1]), written])
    return _table([head, *body])


def costs_table(content: dict[str, Any]) -> list[str]:
    """Lay out what a learned sample and its firmware take."""
    head = ["head", "words written", f"uJ per sample, {PROCESSOR}", "ms", "RAM, bytes", "constants in flash, bytes"]
    body = [
        [
            name,
            f"{row['words_written']:,.0f}",
            f"{row['learning']['energy_pj'] / 1e6:.2f}",
            f"{row['learning']['latency_us'] / 1e3:.2f}",
            f"{row['learning']['ram_bytes']:,}",
            f"{row['learning']['flash_bytes']:,}",
        ]
        for name, row in content["rows"].items()
        if "learning" in row
    ]
    return _table([head, *body])


def users_table(content: dict[str, Any], ways: Sequence[str] = ("last layer", "drtp, imported feedback")) -> list[str]:
    """Lay out accuracies of each speaker."""
    samples = content["samples"]
    head = ["speaker", *(f"{way}: {', '.join(map(str, (0, *samples)))} words" for way in ways)]
    body = [
        [name, *(" / ".join(f"{one:.1f}" for one in content["rows"][way]["users"][name]) for way in ways)]
        for name in SPEAKERS
    ]
    return _table([head, *body])


def gates_table(content: dict[str, Any]) -> list[str]:
    """Lay out what gates save and lose."""
    samples, full = content["samples"], content["gates"]["always"]["words_written"]
    at = samples.index(AT) + 1
    head = ["update gate", "samples learned", "words written", "fewer by", f"after {AT}", f"after {samples[-1]}",
            f"old, after {samples[-1]}"]  # fmt: skip
    body = [
        [
            gate,
            f"{row['learned_percent']:.0f} %",
            f"{row['words_written']:.1f}",
            f"{full / row['words_written']:.1f} x",
            _mean(row["accuracy_percent"][at]),
            _mean(row["accuracy_percent"][-1]),
            _mean(row["old_accuracy_percent"][-1]),
        ]
        for gate, row in content["gates"].items()
    ]
    return _table([head, *body])


def new_classes_table(content: dict[str, Any]) -> list[str]:
    """Lay out accuracy on all, old and new classes by number of new samples."""
    samples = content["samples"]
    head = ["last layer", "rate", *(f"{n} new words: all / old / new" for n in (0, *samples))]
    body = [
        [
            name,
            f"2^{row['rate']}",
            *(" / ".join(_mean(row[part][k]) for part in ("all", "old", "new")) for k in range(len(samples) + 1)),
        ]
        for name, row in content["rows"].items()
    ]
    return _table([head, *body])


def drift_table(content: dict[str, Any]) -> list[str]:
    """Lay out accuracy by batch: frozen, and after the labelled rows of the batch."""
    rows = content["rows"]
    first = next(iter(rows.values()))
    numbers = first["batches"][1:]
    head = ["network", "rate", *(f"batch {n}" for n in numbers), "mean"]
    body = [
        ["integers, frozen", "", *(f"{one:.1f}" for one in first["frozen"][1:]), f"{np.mean(first['frozen'][1:]):.1f}"]
    ]
    for name, row in rows.items():
        for part in ("before", "after"):
            means = [one["mean"] for one in row[part][1:]]
            title = f"{name}, {part} the batch's {content['rows_learned_per_batch']} rows"
            body.append([title, f"2^{row['rate']}", *(f"{one:.1f}" for one in means), f"{np.mean(means):.1f}"])
    return _table([head, *body])


def said(content: dict[str, Any]) -> list[str]:
    """Return the sentences of the page on speakers."""
    found = content["speakers"]
    at = found["samples"].index(AT) + 1
    rows = found["rows"]
    last = rows["last layer"]["accuracy_percent"]
    after = {name: row["accuracy_percent"][at]["mean"] for name, row in rows.items()}
    front, learning = found["front_end"], rows["last layer"]["learning"]
    added = learning["energy_pj"] - found["inference_energy_pj"]
    share = 100 * added / (front["energy_pj"] + found["inference_energy_pj"])
    return [
        f"from {last[0]['mean']:.1f} to {last[at]['mean']:.1f} % on a new voice, writing "
        f"{rows['last layer']['words_written']:.0f} words per sample; float SGD gets "
        f"{after['float SGD, last layer']:.1f} %",
        f"to {after['drtp, imported feedback']:.1f} % (float SGD with a rate for each layer: "
        f"{after['float SGD, both layers, a rate each']:.1f} %)",
        f"With random feedback drtp gets {after['drtp, random feedback, rates of imported']:.1f} % at the same rates "
        f"and {after['drtp, random feedback']:.1f} % at the best ones for random feedback",
        f"{front['macs']:,} MACs and {front['energy_pj'] / 1e9:.2f} mJ per word on {PROCESSOR}",
        f"learning the last layer adds {added / 1e6:.2f} uJ, {share:.2f} % of the inference of the whole model",
    ]


def gates_said(content: dict[str, Any]) -> list[str]:
    """Return the sentences of the page on gates."""
    found = content["speakers"]
    at, gates = found["samples"].index(AT) + 1, found["gates"]
    full = gates["always"]

    def one(name: str) -> str:
        lost = full["accuracy_percent"][at]["mean"] - gates[name]["accuracy_percent"][at]["mean"]
        return f"{full['words_written'] / gates[name]['words_written']:.1f} x fewer words at {lost:.1f} points"

    return [
        f"margin 32 alone writes {one('margin 32')}, margin 4 {one('margin 4')}",
        f"with a dead zone of 16 margin 32 writes {one('margin 32, dead zone 16')} and margin 16 "
        f"{one('margin 16, dead zone 16')}",
        f"a dead zone alone {one('always, dead zone 16')}",
    ]


def drift_said(content: dict[str, Any]) -> list[str]:
    """Return the sentences of the page on drift."""
    rows = content["drift"]["rows"]

    def mean(name: str, part: str = "after") -> float:
        return float(np.mean([one["mean"] if isinstance(one, dict) else one for one in rows[name][part][1:]]))

    return [
        f"Frozen, the network falls to {mean('integers, last layer', 'frozen'):.1f} % in the mean of the later batches",
        f"60 rows per batch bring its last layer to {mean('integers, last layer'):.1f} % (float SGD "
        f"{mean('float SGD, last layer'):.1f} %) and all layers to {mean('integers, all layers, dfa'):.1f} % by dfa "
        f"and {mean('integers, all layers, drtp'):.1f} % by drtp (float SGD {mean('float SGD, all layers'):.1f} %)",
    ]


def plot(content: dict[str, Any], path: Path = FIGURE) -> None:
    """Draw accuracy against labelled words: heads in integers, float SGD, and old data."""
    found = content["speakers"]
    samples = [0, *found["samples"]]
    lines = {
        "drtp, imported feedback": (COLOURS[2], "D", "-"), "last layer": (COLOURS[0], "o", "-"),
        "drtp, random feedback": (COLOURS[1], "s", "-"), "float SGD, both layers, a rate each": (GREY, None, "--"),
    }  # fmt: skip
    with drawn(path, (8.4, 3.6)) as figure:
        for panel, (part, title) in enumerate(
            (("accuracy_percent", "new speakers"), ("old_accuracy_percent", "the five known speakers"))
        ):
            ax = figure.add_subplot(1, 2, panel + 1)
            for name, (colour, mark, dash) in lines.items():
                means = [one["mean"] for one in found["rows"][name][part]]
                ax.plot(
                    samples, means, color=colour, marker=mark, markersize=4, linestyle=dash, linewidth=1.3, label=name
                )
            ax.set_title(title)
            ax.set_xticks(samples)
            ax.grid()
            ax.set_xlabel("labelled words learned")
            ax.set_ylabel("accuracy (%)")
            if not panel:
                ax.legend(loc="lower right")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="networks of experiments/spoken_digits.py --all")
    parser.add_argument("--figure", action="store_true", help="draw the committed results again")
    arguments = parser.parse_args()
    if arguments.figure:
        plot(json.loads(RESULTS.read_text()))
        return 0
    if arguments.folder is None or not (arguments.folder / f"{SPEAKERS[0]}.onnx").is_file():
        parser.error("give the folder that python experiments/spoken_digits.py --all wrote")
    content = {
        "version": __version__,
        "speakers": speakers(Folder(arguments.folder)),
        "new_classes": new_classes(),
        "drift": drift(),
    }
    write_text(RESULTS, json.dumps(content, indent=1) + "\n")
    plot(content)
    for table in (speakers_table, costs_table, users_table, gates_table):
        print("\n".join(table(content["speakers"])), end="\n\n")
    print("\n".join(new_classes_table(content["new_classes"])), end="\n\n")
    print("\n".join(drift_table(content["drift"])))
    print("\n".join([*said(content), *gates_said(content), *drift_said(content)]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
