"""Personalisation: how a network learns each of several users from a few labelled samples, beside float SGD.

Per user and draw of samples the network starts anew from the imported words, learns the first N of them, one at a time,
and is tested on the user's rows that are in no draw's samples, and on old data that it must not forget.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from edgelearn.data.user_rows import UserRows
from edgelearn.errors import UserError
from edgelearn.network.counters import Counters
from edgelearn.network.layer import Layer
from edgelearn.network.spec import NetworkSpec
from edgelearn.runs.converted import ConvertedFrontEnd
from edgelearn.runs.feature_checks import check_features
from edgelearn.runs.levels import LevelFrontEnd, Levels
from edgelearn.runs.start import Start, start_from
from edgelearn.studies.analysis import interval
from edgelearn.studies.float_sgd import FloatSGD, Layers
from hw_models.front_end import FrontEndCost, front_end_cost
from hw_models.processor import AnyProcessor

ORDERS = ("rounds", "random", "file")
FLOAT_STEP = 2  # exponents between the three rates of float SGD
LOWEST_RATE = -20  # of float SGD
OUTPUT_RATES, HIDDEN_RATES, TUNING_DRAWS = (-6, -5, -4, -3, -2), (-7, -6, -5, -4, -3, -2, -1, 0), 3
Rates = tuple[int | None, int | None]  # exponents of hidden and output rates, None for those of the rule


@dataclass(frozen=True)
class Protocol:
    """Which samples are learned, and which tested.

    Parameters
    ----------
    samples : numbers of labelled samples after which users are tested, ascending
    draws : repetitions with other samples; one where the order is that of the file
    order : "rounds" (each class once per round, in random order), "random", "file" (the first rows)
    seed : of the draws
    """

    samples: tuple[int, ...] = (12, 24, 60, 120)
    draws: int = 5
    order: str = "rounds"
    seed: int = 0

    def drawn(self, classes: np.ndarray, draw: int) -> np.ndarray:
        """Return the places of the samples to learn, in order.

        Parameters
        ----------
        classes : int64[n], class of each of a user's rows
        """
        most = self.samples[-1]
        if self.order == "file":
            return np.arange(most)
        generator = np.random.default_rng([self.seed, draw])
        if self.order == "random":
            return generator.permutation(len(classes))[:most]
        order = generator.permutation(len(classes))
        turn = np.zeros(len(order), np.int64)  # how often the class came before
        for one in np.unique(classes):
            mine = classes[order] == one
            turn[mine] = np.arange(int(mine.sum()))
        chosen = order[np.argsort(turn, kind="stable")]
        starts = np.flatnonzero(np.diff(np.sort(turn), prepend=-1))
        rounds = np.split(chosen, starts[1:])
        return np.concatenate([generator.permutation(one) for one in rounds])[:most]


@dataclass(frozen=True, eq=False)
class User:
    """A user: name, start, rows in levels and in the units of the float layers, and old data in the same form."""

    name: str
    start: Start
    x: np.ndarray
    y: np.ndarray
    old_x: np.ndarray
    old_y: np.ndarray


@dataclass
class Tested:
    """Accuracies in percent of one user in one draw: before and after each number of samples."""

    user: list[float] = field(default_factory=list)
    old: list[float] = field(default_factory=list)


@dataclass(eq=False)
class Learned:
    """Results of one way of learning, by user: draws in order.

    Parameters
    ----------
    counters : of all samples that were learned or gated, of learners in integers
    """

    tested: dict[str, list[Tested]]
    counters: Counters | None = None

    def means(self, part: str = "user") -> dict[str, list[float]]:
        """Return the mean over draws of each user: before and after each number of samples."""
        return {
            user: [float(value) for value in np.mean([getattr(one, part) for one in draws], axis=0)]
            for user, draws in self.tested.items()
        }

    def intervals(self, part: str = "user") -> list[dict[str, Any]]:
        """Return the mean over users and its 95 % interval: before and after each number of samples."""
        return [interval(column).as_dict() for column in zip(*self.means(part).values(), strict=True)]


def make_user(name: str, start: Start, rows: UserRows, old: UserRows | None) -> User:
    """Return a user whose labels are outputs of the network.

    Raises
    ------
    UserError
        "class ... of ... is not one of ...", and as `check_features` for features of another tensor
    """
    assert start.classes is not None
    for given in (rows, old):
        if given is not None:
            check_features({"start": start.note()}, start.front_end, given.described, start.origin["name"])
    outputs = {one: k for k, one in enumerate(start.classes.names)}

    def encoded(given: UserRows) -> np.ndarray:
        return np.array([outputs[label] for label in given.labels], np.int64)

    none = np.empty((0, rows.x.shape[1]), rows.x.dtype)
    old_x, old_y = (none, np.empty(0, np.int64)) if old is None else (old.x, encoded(old))
    return User(name, start, rows.x, encoded(rows), old_x, old_y)


def check(protocol: Protocol, users: Mapping[str, int]) -> None:
    """Refuse users who have too few rows.

    Parameters
    ----------
    users : rows of each
    """
    name, least = min(users.items(), key=lambda item: item[1])
    if least <= protocol.samples[-1]:
        raise UserError(
            f"user '{name}' has {least:,} rows, which leave none to test after {protocol.samples[-1]:,} samples; give "
            f"fewer --samples, or leave the user out"
        )


def learn_in_integers(
    users: Sequence[User], spec_of: Callable[[User], NetworkSpec], protocol: Protocol, strict: bool = False
) -> Iterator[tuple[User, int, Tested, Counters]]:
    """Learn every draw of every user in the arithmetic of the device.

    Parameters
    ----------
    spec_of : network of a user; the same for all but for rates and for exponents that follow from the words
    """
    for user in users:
        spec, encode = spec_of(user), user.start.front_end.encode
        levels, old_levels = encode(user.x), encode(user.old_x) if len(user.old_x) else None
        for draw in range(protocol.draws):
            chosen, left = _parts(protocol, user.y, draw)
            learner, found, done = user.start.learner(spec, strict), Tested(), 0
            for n in (0, *protocol.samples):
                if n > done:
                    learner.learn(levels[chosen[done:n]], user.y[chosen[done:n]])
                    done = n
                found.user.append(_percent(learner.predict(levels[left]), user.y[left]))
                if old_levels is not None:
                    found.old.append(_percent(learner.predict(old_levels), user.old_y))
            yield user, draw, found, learner.counters


def learn_in_float(
    users: Sequence[User], spec_of: Callable[[User], NetworkSpec], protocol: Protocol, exponents: Sequence[int]
) -> Iterator[tuple[User, int, Tested]]:
    """Learn the same samples in the same order by float SGD; features are neither rounded nor limited.

    Parameters
    ----------
    exponents : of two, the rates of the hidden layers and of the output layer in the contract's units
    """
    for user in users:
        spec = spec_of(user)
        layers, x, old_x = float_form(user, spec)
        learned = [layer.learned for layer in spec.layers]
        rates = [2.0 ** exponents[layer.output] for layer in spec.layers]
        hidden = spec.layers[0].activation if len(spec.layers) > 1 else "tanh"  # of no layer
        for draw in range(protocol.draws):
            chosen, left = _parts(protocol, user.y, draw)
            net = FloatSGD(layers, hidden, spec.output, learned, rates)
            found, done = Tested(), 0
            for n in (0, *protocol.samples):
                net.learn(x[chosen[done:n]], user.y[chosen[done:n]])
                done = n
                found.user.append(_percent(net.predict(x[left]), user.y[left]))
                if len(old_x):
                    found.old.append(_percent(net.predict(old_x), user.old_y))
            yield user, draw, found


def _parts(protocol: Protocol, y: np.ndarray, draw: int) -> tuple[np.ndarray, np.ndarray]:
    chosen = protocol.drawn(y, draw)
    return chosen, np.setdiff1d(np.arange(len(y)), chosen)


def _percent(predictions: np.ndarray, y: np.ndarray) -> float:
    return 100 * float((predictions == y).mean())


def float_form(user: User, spec: NetworkSpec) -> tuple[Layers, np.ndarray, np.ndarray]:
    """Return layers in the contract's units and the features that they take, where 1.0 is the highest level."""
    start, front = user.start, user.start.front_end
    form = _form(start)
    if start.head is None or form is None:
        layers = [_values(layer, start.words, k) for k, layer in enumerate(spec.layers, 1)]
        top = spec.layers[0].input_one
        return layers, front.encode(user.x) / top, front.encode(user.old_x) / top
    levels, real_of = form
    real = [real_of(x) for x in (user.x, user.old_x)]
    known = real[1] if len(real[1]) else real[0]
    layers, _, _ = start.head.in_units(levels, start.network["activation"], start.head.reaches(known))
    x, old_x = ((one - levels.offset) / levels.unit for one in real)
    return [*_grown(layers, spec)], x, old_x


def _form(start: Start) -> tuple[Levels, Callable[[np.ndarray], np.ndarray]] | None:
    """Return the levels of the features, and what gives the features of rows in floating point; None without them."""
    front = start.front_end
    if isinstance(front, LevelFrontEnd):
        return front.levels, front.levels.real
    if isinstance(front, ConvertedFrontEnd) and front.floats is not None:
        return front.features, lambda x: front.real(x) if len(x) else np.empty((0, front.stack.n_features))
    return None


def _grown(
    layers: Sequence[tuple[np.ndarray, np.ndarray]], spec: NetworkSpec
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give layers with mean rows for outputs that the model lacks, as the words have."""
    yield from layers[:-1]
    weights, biases = layers[-1]
    n_new = spec.n_outputs - len(biases)
    if n_new:
        weights = np.concatenate([weights, np.repeat(weights.mean(axis=0)[None], n_new, axis=0)])
        biases = np.concatenate([biases, np.full(n_new, biases.mean())])
    yield weights, biases


def _values(layer: Layer, words: Mapping[str, np.ndarray], number: int) -> tuple[np.ndarray, np.ndarray]:
    weights, biases = words[f"layer{number}_weights"], words[f"layer{number}_biases"]
    return weights * layer.weight_word.lsb, biases * layer.word.lsb


@dataclass(frozen=True, eq=False)
class Personalised:
    """Results of a command.

    Parameters
    ----------
    floats : what learned by float SGD, by exponent of its rate
    rates : exponents of each user's layers in integers, None where nothing learns
    losses : accuracy of the imported network in percent by user: float, with levels, with words
    """

    spec: NetworkSpec
    start: Start
    protocol: Protocol
    processor: AnyProcessor
    integers: Learned
    floats: dict[int, Learned]
    losses: dict[str, dict[str, float]]
    n_rows: dict[str, int]
    n_old: dict[str, int]
    rates: dict[str, list[int | None]]
    notes: tuple[str, ...]

    def best_rates(self) -> list[int]:
        """Return the rate of float SGD whose mean over users is best, before and after each number of samples."""
        n = len(self.protocol.samples) + 1
        means = {rate: [one["mean"] for one in learned.intervals()] for rate, learned in self.floats.items()}
        return [max(means, key=lambda rate: means[rate][k]) for k in range(n)]

    def float_edges(self) -> list[int]:
        """Return the rates that lie beyond those of float SGD where its best after learning is the last or first."""
        best, tried = set(self.best_rates()[1:]) if self.floats else set(), sorted(self.floats)
        low = [tried[0] - FLOAT_STEP] if tried and tried[0] in best else []
        high = [tried[-1] + FLOAT_STEP] if tried and tried[-1] in best else []
        return [rate for rate in (*low, *high) if LOWEST_RATE <= rate <= 0]


def personalise(
    users: Sequence[User],
    spec_of: Callable[[User], NetworkSpec],
    protocol: Protocol,
    processor: AnyProcessor,
    float_rates: Sequence[int] | None = None,
    strict: bool = False,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> Personalised:
    """Learn all users in integers and by float SGD.

    Parameters
    ----------
    float_rates : exponents in the contract's units; three around the output rate where left out, none for no float SGD
    on_progress : takes learners done, of how many, and the user
    """
    check(protocol, {user.name: len(user.y) for user in users})
    spec = spec_of(users[0])
    rates = tuple(float_rates) if float_rates is not None else around(spec.layers[-1].rate)
    total, done = len(users) * protocol.draws * (1 + len(rates)), 0

    def tick(user: str) -> None:
        nonlocal done
        done += 1
        if on_progress is not None:
            on_progress(done, total, user)

    integers = Learned({user.name: [] for user in users}, Counters.zeros(len(spec.layers)))
    assert integers.counters is not None
    for user, _, found, counters in learn_in_integers(users, spec_of, protocol, strict):
        integers.tested[user.name].append(found)
        integers.counters += counters
        tick(user.name)
    floats = {rate: Learned({user.name: [] for user in users}) for rate in rates}
    for rate, learned in floats.items():
        for user, _, found in learn_in_float(users, spec_of, protocol, (rate, rate)):
            learned.tested[user.name].append(found)
            tick(user.name)
    notes = list(dict.fromkeys(_note(note, user) for user in users for note in _notes_of(user.start)))
    return Personalised(
        spec, users[0].start, protocol, processor, integers, floats,
        {user.name: _losses(user, spec_of(user)) for user in users},
        {user.name: len(user.y) for user in users}, {user.name: len(user.old_y) for user in users},
        {user.name: rates_of(spec_of(user)) for user in users}, tuple(notes),
    )  # fmt: skip


def rates_of(spec: NetworkSpec) -> list[int | None]:
    """Return the exponent of each layer's rate, None where nothing learns."""
    return [layer.rate if layer.learns else None for layer in spec.layers]


def grid(spec: NetworkSpec) -> list[Rates]:
    """Return the rates that tuning tries: output rates, with each hidden rate where hidden layers learn."""
    if not any(layer.learns for layer in spec.layers[:-1]):
        return [(None, rate) for rate in OUTPUT_RATES]
    return [(hidden, rate) for hidden in HIDDEN_RATES for rate in OUTPUT_RATES]


def tuned(
    users: Sequence[User],
    design: Callable[[Start, Rates], NetworkSpec],
    samples: int,
    seed: int,
    order: str = "rounds",
    on_progress: Callable[[int, int, str], None] | None = None,
) -> dict[str, Rates]:
    """Return the rates of each user that are best for the other users, so that no user chooses rates of its own.

    Parameters
    ----------
    users : two or more
    samples : number of labelled samples whose mean accuracy decides; the lower rate of equals
    seed : of draws that are not those of the results

    Raises
    ------
    UserError
        "rates are tuned on ..." for one user
    """
    if len(users) < 2:
        raise UserError("rates are tuned on the other users, and there is one; give --output-rate")
    protocol = Protocol((samples,), TUNING_DRAWS if order != "file" else 1, order, seed + 1)
    check(protocol, {user.name: len(user.y) for user in users})
    alone = [replace(user, old_x=user.old_x[:0], old_y=user.old_y[:0]) for user in users]
    tried = grid(design(users[0].start, (None, None)))
    accuracy: dict[Rates, dict[str, float]] = {}
    for rates in tried:
        found = Learned({user.name: [] for user in users})
        for user, _, tested, _ in learn_in_integers(alone, lambda one: design(one.start, rates), protocol):  # noqa: B023
            found.tested[user.name].append(tested)
        accuracy[rates] = {name: values[-1] for name, values in found.means().items()}
        if on_progress is not None:
            on_progress(len(accuracy), len(tried), "rates")
    names = [user.name for user in users]

    def best_for(name: str) -> Rates:
        others = [one for one in names if one != name]
        return max(tried, key=lambda rates: math.fsum(accuracy[rates][one] for one in others))

    return {name: best_for(name) for name in names}


def _note(note: str, user: User) -> str:
    """Return a note of a user's network without its name, as networks of several users mostly say the same."""
    return note.replace(str(user.start.origin["name"]), "the network")


def around(rate: int) -> tuple[int, ...]:
    """Return three exponents, the middle one that of the learner in integers where 2^0 leaves room."""
    middle = min(rate, -FLOAT_STEP)
    return middle - FLOAT_STEP, middle, middle + FLOAT_STEP


def _losses(user: User, spec: NetworkSpec) -> dict[str, float]:
    """Return the accuracy before learning in float, with levels, and with words as well, in percent."""
    levels = user.start.front_end.encode(user.x)
    found = {}
    form = _form(user.start)
    if user.start.head is not None and form is not None:
        n_known = user.start.head.layers[-1].weights.shape[0]
        if n_known == spec.n_outputs:
            found["float"] = _percent(user.start.head.predict(form[1](user.x)), user.y)
            found["levels"] = _percent(user.start.head.predict(form[0].values(levels)), user.y)
    return found | {"words": _percent(user.start.learner(spec).predict(levels), user.y)}


def as_dict(result: Personalised, source: str, memory: Mapping[str, int] | None = None) -> dict[str, Any]:
    """Return the content of the results file.

    Parameters
    ----------
    source : networks, as given
    memory : bytes of firmware by place, "ram" and "flash", where the processor runs it
    """
    spec, integers = result.spec, result.integers
    counters = integers.counters
    assert counters is not None
    training = result.processor.price(spec, counters)
    inference = result.processor.price(spec, counters, learning=False)
    work = result.start.work_in_front
    front = None if work is None else front_end_cost(work.macs, work.weight_words, result.processor)
    best = result.best_rates() if result.floats else []
    content: dict[str, Any] = {
        "source": source,
        "cut": result.start.origin.get("cut"),
        "network": _network(spec, result.start),
        "samples": list(result.protocol.samples),
        "draws": result.protocol.draws,
        "order": result.protocol.order,
        "seed": result.protocol.seed,
        "n_users": len(integers.tested),
        "before_percent": {
            name: interval(one[name] for one in result.losses.values() if name in one).as_dict()
            for name in ("float", "levels", "words")
            if any(name in one for one in result.losses.values())
        },
        "users": {
            name: {
                "rows": result.n_rows[name],
                "old_rows": result.n_old[name],
                "rates": result.rates[name],
                "accuracy_percent": _rounded(integers.means()[name]),
                "old_accuracy_percent": _rounded(integers.means("old")[name]),
                "float_accuracy_percent": _rounded(result.floats[rate].means()[name][k] for k, rate in enumerate(best)),
            }
            for name in integers.tested
        },
        "accuracy_percent": integers.intervals(),
        "old_accuracy_percent": integers.intervals("old"),
        "float": {
            "rates": list(result.floats),
            "best_rates": best,
            "at_edge": [rate in (min(result.floats), max(result.floats)) for rate in best],
            "accuracy_percent": [result.floats[rate].intervals()[k] for k, rate in enumerate(best)],
            "old_accuracy_percent": [
                one[k] for k, rate in enumerate(best) if (one := result.floats[rate].intervals("old"))
            ],
            "difference_points": _differences(result, best),
        },
        "per_sample": {
            "words_written": counters.per_sample("weight_write") + counters.per_sample("bias_write"),
            "learned_percent": 100 * (1 - counters.total("gated_samples") / max(counters.total("samples"), 1)),
            "saturations": counters.per_sample("saturations"),
        },
        "cost": {"processor": result.processor.name}
        | {name: _cost(cost) for name, cost in (("learning", training), ("inference", inference))},
        "memory_bytes": None if memory is None else dict(memory),
        "front_end": None if front is None else _front(front, work.uncounted if work else ()),
        "notes": list(result.notes),
    }
    return content


def _network(spec: NetworkSpec, start: Start) -> dict[str, Any]:
    return {
        "sizes": list(spec.sizes),
        "rule": spec.rule_name,
        "learn": spec.learn,
        "layers": [layer.learned for layer in spec.layers],
        "feedback": spec.feedback_format if spec.holds_feedback else "none",
        "rate_units": [float(unit) for unit in start.rate_units],
        "update_gate": spec.update_gate,
        "margin": spec.margin if spec.update_gate == "margin" else None,
        "words_that_learn": sum(_words_that_learn(layer) for layer in spec.layers),
    }


def _words_that_learn(layer: Layer) -> int:
    return {"all": layer.n_weights + layer.n_out, "bias": layer.n_out, "none": 0}[layer.learned]


def _rounded(values: Any) -> list[float]:
    return [round(value, 4) for value in values]


def _differences(result: Personalised, best: Sequence[int]) -> list[dict[str, Any]]:
    """Return the accuracy in integers less that of float SGD, over users."""
    mine = result.integers.means()
    return [
        interval(mine[name][k] - result.floats[rate].means()[name][k] for name in mine).as_dict()
        for k, rate in enumerate(best)
    ]


def _cost(cost: Any) -> dict[str, Any]:
    return {
        "energy_pj": cost.energy_per_sample_pj if "energy_pj" in cost.prices else None,
        "latency_us": 1e6 * cost.latency_s if math.isfinite(cost.latency_s) else None,
        "memory_bits": cost.total("memory_bits"),
    }


def _front(front: FrontEndCost, uncounted: Sequence[str]) -> dict[str, Any]:
    return front.as_dict() | {"uncounted": list(uncounted)}


def _notes_of(start: Start) -> tuple[str, ...]:
    matched = "" if start.classes is None else start.classes.note
    return (*start.notes, matched) if matched else start.notes


def starts_of(
    users: Sequence[str], source: Callable[[str], str], calibration: Callable[[str], UserRows], **settings: Any
) -> dict[str, Start]:
    """Return the start of each user; users with one source and one calibration share it.

    Parameters
    ----------
    source, calibration : of a user
    settings : of `start_from`
    """
    found: dict[tuple[str, int], Start] = {}
    starts = {}
    for user in users:
        path, rows = source(user), calibration(user)
        key = (path, id(rows))
        if key not in found:
            found[key] = start_from(path, x=rows.x, described=rows.described, **settings)
        starts[user] = found[key]
    return starts


def by_user(rows: UserRows) -> dict[str, UserRows]:
    """Return the rows of each user, users in the order of their first row."""
    names, first = np.unique(rows.users, return_index=True)
    found = {}
    for name in names[np.argsort(first)]:
        mine = np.flatnonzero(rows.users == name)
        labels = tuple(rows.labels[k] for k in mine)
        found[str(name)] = replace(rows, x=rows.x[mine], labels=labels, users=rows.users[mine])
    return found


def of_classes(rows: UserRows, classes: Sequence[str]) -> UserRows:
    """Return the rows of some classes."""
    kept = np.flatnonzero(np.isin(rows.labels, classes))
    labels = tuple(rows.labels[k] for k in kept)
    return replace(rows, x=rows.x[kept], labels=labels, users=rows.users[kept])
