"""EdgeClassifier: integer online network, implementing the scikit-learn and river interfaces."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from operator import index
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from edgelearn import __version__
from edgelearn.config import StreamConfig, validated
from edgelearn.errors import UserError
from edgelearn.estimators.features import in_order, values_of
from edgelearn.estimators.labels import Labels
from edgelearn.files import read_arrays, write_arrays
from edgelearn.network.counters import Counters
from edgelearn.network.learner import Learner, steps_of
from edgelearn.network.spec import NetworkSpec
from edgelearn.runs.rates import spec_of
from edgelearn.streaming.front_end import FrontEnd, FrontEndSpec
from hw_models.compare.rules import RuleCost, cost_of_rule
from hw_models.processor import find_processor

KIND = "EdgeClassifier"  # what a saved file says it holds
CHUNK = 4096  # rows whose input levels are held at a time
_NOT_SETTINGS = ("epochs", "shuffle", "random_state", "classes", "max_classes", "one_output", "hidden", "input_bits")


class EdgeClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classifier of sensor data: an integer network that learns sample by sample.

    A front end follows mean and deviation of each feature and turns values into input levels; a network of integer
    weights learns them online. `fit(epochs=1, shuffle=False)`, `partial_fit` in pieces of any length, and `learn_one`
    sample by sample give the same words and the same counts.

    Parameters
    ----------
    rule : str, default="drtp"
        Learning rule, see `edgelearn rules`.
    bits : int, default=8
        Bits of a weight, 2 to 16.
    hidden : tuple of int, or int for one layer, default=(64,)
        Hidden neurons of each layer; () for none.
    rounding : str, default="residual"
        "residual", "stochastic" or "nearest".
    activation : str, default="tanh"
        "tanh", "hard-tanh", "quadratic-tanh", "relu" or "leaky".
    output : str, default="sigmoid"
        "sigmoid" or "softmax".
    one_output : bool, default=False
        One output instead of two, where there are exactly two classes, named or fitted.
    feedback : str, default="int8"
        Feedback weights: "int8", "ternary", "sign" or "lfsr".
    hidden_rate, output_rate : int or None, default=-6, -5
        Exponents of two of the learning rates, for a few hundred samples; None for those of the rule, for many.
    dead_zone : int, default=0
        Output errors of at most this size (of 255) are zero.
    update_gate : str, default="always"
        Learn "always", on "error", or within a "margin".
    margin : int, default=32
        Lead of the right output that needs no learning, in 1/16.
    encoder : str, default="signed"
        "signed", "levels", "on-off", "threshold" or "delta".
    input_bits : int, default=None
        Bits of an input level, its sign included, 1 to 8; 5 if None, 1 under "threshold".
    input_threshold : int, default=0
        Levels of at most this size are no events (signed, on-off).
    thresholds : int, default=2
        Thresholds on each side of the mean (threshold).
    delta : int, default=8
        Change that is sent, in 1/16 of the mean absolute deviation (delta).
    time_constant : int, default=8
        Mean and deviation follow the last 2^time_constant samples.
    reach : int, default=3
        Mean absolute deviations that the highest level stands for.
    processor : str, default="engine-28nm"
        What `cost_` is priced on: a name, or a .toml file.
    epochs : int, default=10
        Passes of `fit` over its samples.
    shuffle : bool, default=True
        Whether `fit` learns its samples in an order of its own in each epoch.
    random_state : int, RandomState instance or None, default=0
        Seed of weights, feedback, order and rounding.
    classes : sequence, default=None
        All labels there will be. Without it `fit` takes those of y, `partial_fit` those of its `classes`, and
        `learn_one` gives each new label the next output.
    max_classes : int, default=16
        Outputs for labels that `learn_one` meets on the way.

    Attributes
    ----------
    classes_ : ndarray
        Labels of the outputs: sorted, or in order of appearance where they are met on the way.
    n_features_in_ : int
        Features of a sample.
    feature_names_in_ : ndarray of str
        Names of the features, where all of them are text.
    spec_ : NetworkSpec
        The network.
    counters_ : Counters
        What all labelled samples so far read, wrote and computed.
    cost_ : RuleCost
        Energy, cycles, memory and area of learning these samples on `processor`.
    n_missing_, n_ignored_ : int
        Values that samples learned by `learn_one` lacked, and values of features without a place.

    Example
    -------
    >>> model = EdgeClassifier(hidden=(8,), rule="dfa", hidden_rate=-4, output_rate=-4)
    >>> model.fit([[0.0, 1.0], [1.0, 0.0]] * 20, ["left", "right"] * 20).predict([[0.1, 0.9]]).tolist()
    ['left']
    """

    def __init__(
        self,
        rule: str = "drtp",
        bits: int = 8,
        hidden: tuple[int, ...] | int = (64,),
        *,
        rounding: str = "residual",
        activation: str = "tanh",
        output: str = "sigmoid",
        one_output: bool = False,
        feedback: str = "int8",
        hidden_rate: int | None = -6,
        output_rate: int | None = -5,
        dead_zone: int = 0,
        update_gate: str = "always",
        margin: int = 32,
        encoder: str = "signed",
        input_bits: int | None = None,
        input_threshold: int = 0,
        thresholds: int = 2,
        delta: int = 8,
        time_constant: int = 8,
        reach: int = 3,
        processor: str = "engine-28nm",
        epochs: int = 10,
        shuffle: bool = True,
        random_state: Any = 0,
        classes: Any = None,
        max_classes: int = 16,
    ) -> None:
        self.rule = rule
        self.bits = bits
        self.hidden = hidden
        self.rounding = rounding
        self.activation = activation
        self.output = output
        self.one_output = one_output
        self.feedback = feedback
        self.hidden_rate = hidden_rate
        self.output_rate = output_rate
        self.dead_zone = dead_zone
        self.update_gate = update_gate
        self.margin = margin
        self.encoder = encoder
        self.input_bits = input_bits
        self.input_threshold = input_threshold
        self.thresholds = thresholds
        self.delta = delta
        self.time_constant = time_constant
        self.reach = reach
        self.processor = processor
        self.epochs = epochs
        self.shuffle = shuffle
        self.random_state = random_state
        self.classes = classes
        self.max_classes = max_classes

    _names: tuple[Any, ...] | None  # features of dictionaries, where one was learned

    # scikit-learn

    def fit(self, X: Any, y: Any) -> Self:
        """Start anew and learn samples, `epochs` times.

        Parameters
        ----------
        X : array-like [n, n_features], finite
        y : array-like [n], labels

        Raises
        ------
        UserError
            "label ...", "setting ...", and whatever cannot be built; ValueError for arrays that scikit-learn refuses.
        """
        _check_whole("epochs", self.epochs, 1)
        x, y = self._checked(X, y, reset=True)
        self._start(x.shape[1], np.unique(y) if self.classes is None else np.unique(self.classes))
        outputs = self._labels.outputs(y)
        for epoch in range(self.epochs):
            if self.shuffle:
                order = np.random.default_rng([self.spec_.seed, 2, epoch]).permutation(len(x))
                self._learn(x[order], outputs[order])
            else:
                self._learn(x, outputs)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Learn samples once, in their order.

        Parameters
        ----------
        X : array-like [n, n_features], finite
        y : array-like [n], labels
        classes : all labels there will be, at the first call where `EdgeClassifier(classes=...)` does not name them

        Raises
        ------
        UserError
            "classes ...", "label ...", as `fit`
        """
        first = not self.__sklearn_is_fitted__()
        if first and classes is None and self.classes is None:
            raise UserError(
                "classes are not known at the first partial_fit; give partial_fit(X, y, classes=[...]), or "
                "EdgeClassifier(classes=[...])"
            )
        x, y = self._checked(X, y, reset=first)
        if first:
            self._start(x.shape[1], np.unique(self.classes if classes is None else classes))
        elif classes is not None and not np.array_equal(np.unique(classes), np.sort(self.classes_)):
            raise UserError(
                f"classes {np.unique(classes).tolist()} are not those of the start, {self.classes_.tolist()}; leave "
                "classes out after the first call, or fit anew"
            )
        try:
            outputs = self._labels.outputs(y)
        except UserError:
            if first:
                del self._learner  # nothing was learned: not fitted
            raise
        self._note_classes()
        self._learn(x, outputs)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the labels of samples, [n], without learning."""
        self._check_fitted()
        labels: np.ndarray = self.classes_[self._predict(self._checked(X, reset=False), scores=False)[0]]
        return labels

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the share of each class in the outputs of samples, float64[n, n_classes]; rows sum to 1.

        Outputs have 8 bits. The prediction gets a quarter of a step more, so that it is the largest of equal ones.
        """
        self._check_fitted()
        return self._shares(*self._predict(self._checked(X, reset=False), scores=True))

    # river

    def learn_one(self, x: Mapping[Hashable, Any], y: Hashable) -> None:
        """Learn one sample.

        The first sample fixes the features, in an order that does not hang on the order of the dictionary (x2 before
        x10), unless `fit` did. Later a feature that is missing or None makes no event, and one without a place is
        ignored; `n_missing_` and `n_ignored_` count them.

        Parameters
        ----------
        x : features by name
        y : label

        Raises
        ------
        UserError
            "feature ...", "features ...", "label ..."
        """
        first = not self.__sklearn_is_fitted__()
        names = in_order(x) if first else self._names_for(x)
        values, missing = values_of(x, names)
        if first:
            self._start(len(names), None if self.classes is None else np.unique(self.classes))
            self.n_features_in_ = len(names)
            if all(isinstance(name, str) for name in names):
                self.feature_names_in_ = np.array(names, object)
        n_known = len(self._labels.known)
        try:
            label = self._labels.output(y)
        except UserError:
            if first:
                del self._learner  # nothing was learned: not fitted
            raise
        if label >= n_known:
            self._note_classes()
        self._names = names
        n_placed = len(names)
        if missing is not None:
            n_placed = sum(name in x for name in names)
            self.n_missing_ += int(np.count_nonzero(missing))
            values = np.where(missing, self._front_end.quiet(), values)
        self.n_ignored_ += len(x) - n_placed
        self._learn(values[None], np.array([label]))

    def predict_one(self, x: Mapping[Hashable, Any]) -> Any:
        """Return the label of one sample, None before anything was learned."""
        if not self.__sklearn_is_fitted__():
            return None
        return self._labels.known[int(self._predict(self._sample(x), scores=False)[0][0])]

    def predict_proba_one(self, x: Mapping[Hashable, Any]) -> dict[Any, float]:
        """Return the share of each label met or named so far, see `predict_proba`; {} before anything was learned."""
        if not self.__sklearn_is_fitted__():
            return {}
        shares = self._shares(*self._predict(self._sample(x), scores=True))[0]
        return dict(zip(self._labels.known, shares.tolist(), strict=True))

    # what it did and what that costs

    @property
    def counters_(self) -> Counters:
        self._check_fitted()
        return self._learner.counters

    @property
    def cost_(self) -> RuleCost:
        self._check_fitted()
        return cost_of_rule(self.spec_, self.counters_, find_processor(self.processor))

    # files

    def save(self, path: str | PathLike[str]) -> None:
        """Write settings and everything learned as .npz; the file is whole or absent, and holds no code.

        Raises
        ------
        UserError
            "cannot write ...", "label ... cannot be saved", "feature name ... cannot be saved"
        """
        self._check_fitted()
        for kind, names in (("label", self._labels.known), ("feature name", self._names or ())):
            for name in names:
                if not isinstance(name, str | int | float):
                    raise UserError(f"{kind} {name!r} cannot be saved; use text or numbers")
        params = self.get_params(deep=False) | {"classes": None, "random_state": self.spec_.seed}
        note = {
            "kind": KIND,
            "version": __version__,
            "params": {name: _plain(value) for name, value in params.items()},
            "classes": None if self.classes is None else np.unique(self.classes).tolist(),
            "labels": self._labels.known,
            "label_type": self.classes_.dtype.str,
            "room": self._labels.room,
            "features": self.n_features_in_,
            "names": self._names,
            "named": hasattr(self, "feature_names_in_"),
            "missing": self.n_missing_,
            "ignored": self.n_ignored_,
        }
        write_arrays(Path(path), self._arrays(), note)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read what `save` wrote; the result predicts and learns on as the saved one would have.

        Raises
        ------
        UserError
            "... cannot be loaded"
        """
        if not Path(path).is_file():
            raise UserError(f"{path} cannot be loaded: there is no such file; give one that save() wrote")
        try:
            arrays, note = read_arrays(Path(path))
            if note["kind"] != KIND:
                raise ValueError
            params = note["params"] | {"classes": note["classes"], "hidden": _as_tuple(note["params"]["hidden"])}
            model = cls(**params)
            model._restore(arrays, note)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, MemoryError):
            raise UserError(
                f"{path} cannot be loaded: it is no whole file of {KIND}.save(), or of another version; save it again"
            ) from None
        return model

    def _restore(self, arrays: dict[str, np.ndarray], note: dict[str, Any]) -> None:
        """Put what was learned into a model with its settings."""
        self._start(note["features"], note["labels"], note["room"])
        self.n_features_in_, self.n_missing_, self.n_ignored_ = note["features"], note["missing"], note["ignored"]
        self.classes_ = np.array(note["labels"], np.dtype(note["label_type"]))
        if note["names"] is not None:
            self._names = tuple(note["names"])
        if note["named"]:
            self.feature_names_in_ = np.array(note["names"], object)
        if _shapes(arrays) != _shapes(self._arrays()):
            raise ValueError
        for prefix, part in (("learner.", self._learner), ("front_end.", self._front_end)):
            part.restore({name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)})

    def _arrays(self) -> dict[str, np.ndarray]:
        parts = {"learner": self._learner.save(), "front_end": self._front_end.save()}
        return {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}

    # inside

    def _start(self, n_features: int, known: Any, room: int | None = None) -> None:
        """Make front end, network and labels; `known` labels, or None where they are met on the way."""
        if known is None:
            _check_whole("max_classes", self.max_classes, 2)
            known, room = [], int(self.max_classes)
        known = known.tolist() if isinstance(known, np.ndarray) else known
        config = self._config()
        n_outputs = max(2, len(known) if room is None else room)
        if self.one_output:
            if room is not None or len(known) != 2:
                raise UserError(
                    f"one_output stands for two classes, not for {len(known) or 'those met on the way'}; name two in "
                    "EdgeClassifier(classes=[...]), or leave one_output out"
                )
            n_outputs = 1
        front_end = FrontEndSpec(
            n_features,
            time_constant=config.time_constant,
            reach=config.reach,
            encoder=config.encoder,
            input_bits=config.input_bits,
            input_threshold=config.input_threshold,
            thresholds=config.thresholds,
            delta=config.delta,
        )
        sizes = (front_end.n_inputs, *self._hidden(), n_outputs)
        self.spec_: NetworkSpec = spec_of(config, sizes)
        self._front_end, self._learner = FrontEnd(front_end), Learner(self.spec_)
        self._labels = Labels(known, room)
        self._names = None
        self.n_missing_ = self.n_ignored_ = 0
        if n_outputs > 1:
            self._learner.set_live_outputs(len(known))
        self._note_classes()

    def _hidden(self) -> tuple[int, ...]:
        try:
            return tuple(index(n) for n in _as_tuple(self.hidden))
        except TypeError:
            raise UserError(
                f"hidden {self.hidden!r} cannot be read; give the neurons of each hidden layer, for example (64,) or "
                "(64, 32), or () for none"
            ) from None

    def _config(self) -> StreamConfig:
        params = {name: value for name, value in self.get_params(deep=False).items() if name not in _NOT_SETTINGS}
        if self.input_bits is not None:
            params["input_bits"] = self.input_bits
        params["seed"] = _seed(self.random_state)
        return validated(StreamConfig, {name: _plain(value) for name, value in params.items()})

    def _note_classes(self) -> None:
        """Write down the labels so far as an array of their kind."""
        known = self._labels.known
        kinds = {type(label) for label in known}
        self.classes_ = np.array(known) if len(kinds) == 1 else np.array([*known, None], object)[:-1]

    def _checked(self, X: Any, y: Any = None, reset: bool = False) -> Any:
        """Return X as float32[n, n_features], and y where given, as scikit-learn validates them."""
        given = {"X": X} if y is None and not reset else {"X": X, "y": y}
        try:
            from sklearn.utils.validation import validate_data
        except ImportError:  # before scikit-learn 1.6
            return self._after(self._validate_data(**given, reset=reset, dtype=np.float32))
        return self._after(validate_data(self, **given, reset=reset, dtype=np.float32))

    @staticmethod
    def _after(checked: Any) -> Any:
        if isinstance(checked, tuple):
            check_classification_targets(checked[1])
        return checked

    def _learn(self, x: np.ndarray, outputs: np.ndarray) -> None:
        for first in range(0, len(x), CHUNK):
            part = slice(first, first + CHUNK)
            levels = self._front_end.rows(x[part], np.zeros(len(x[part]), np.int64)).levels
            self._learner.run_steps(levels, steps_of(outputs[part]))

    def _predict(self, x: np.ndarray, scores: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return the outputs that lead, int64[n], and p of all, uint8[n, n_outputs] or uint8[0, 0]."""
        predictions, found = [], []
        for first in range(0, len(x), CHUNK):
            levels = self._front_end.encode(x[first : first + CHUNK])
            outcome = self._learner.run_steps(levels, steps_of(np.full(len(levels), -1)), scores=scores)
            predictions.append(outcome.predictions)
            found.append(outcome.scores)
        return np.concatenate(predictions), np.concatenate(found)

    def _shares(self, predictions: np.ndarray, scores: np.ndarray) -> np.ndarray:
        p = scores[:, : len(self._labels.known)].astype(np.float64)
        if self.spec_.n_outputs == 1:
            p = np.where(predictions[:, None] == 1, np.maximum(p, 127.5), np.minimum(p, 127.5))
            p = np.hstack([255 - p, p])
        p += 0.5  # p of 0 is anything below half a step
        p[np.arange(len(p)), predictions] += 0.25
        shares: np.ndarray = p / p.sum(axis=1, keepdims=True)
        return shares

    def _names_for(self, x: Mapping[Hashable, Any]) -> tuple[Any, ...]:
        """Return the features in the order of the channels; after a fit without names the sample gives them."""
        if self._names is not None and isinstance(x, Mapping):
            return self._names
        names = in_order(x)
        if hasattr(self, "feature_names_in_"):
            return tuple(self.feature_names_in_)
        if len(names) != self.n_features_in_:
            raise UserError(
                f"features {', '.join(map(str, names[:8]))} are {len(names)}, and {self.n_features_in_} were fitted "
                "without names; give all of them, or fit a DataFrame"
            )
        return names

    def _sample(self, x: Mapping[Hashable, Any]) -> np.ndarray:
        values, missing = values_of(x, self._names_for(x))
        return (values if missing is None else np.where(missing, self._front_end.quiet(), values))[None]

    def _check_fitted(self) -> None:
        check_is_fitted(self)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_learner")


def _check_whole(name: str, value: Any, least: int) -> None:
    if not isinstance(value, int | np.integer) or value < least:
        raise UserError(f"{name} {value!r} cannot be used; give a whole number, {least} or more")


def _seed(random_state: Any) -> int:
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def _shapes(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    return {name: (array.shape, array.dtype) for name, array in arrays.items()}


def _plain(value: Any) -> Any:
    """Return a setting without numpy in it."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def _as_tuple(hidden: Any) -> tuple[Any, ...]:
    return (hidden,) if isinstance(hidden, int | np.integer) else tuple(hidden)
