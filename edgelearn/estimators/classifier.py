"""EdgeClassifier: integer online network, implementing the scikit-learn and river interfaces."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping
from numbers import Real
from operator import index
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, _clone_parametrized
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from edgelearn.config import StreamConfig, shown, validated
from edgelearn.data.cells import FAR, FLOAT32_LIMIT
from edgelearn.errors import UserError
from edgelearn.estimators.features import in_order, values_of
from edgelearn.estimators.labels import Labels
from edgelearn.estimators.saved_models import (
    Pretrained,
    load_model,
    model_of_run,
    plain,
    plain_params,
    pretrained_model,
    restart,
    save_model,
)
from edgelearn.estimators.weights import class_weights, presentations
from edgelearn.network.counters import Counters
from edgelearn.network.kernels import tables as t
from edgelearn.network.learner import Learner, steps_of
from edgelearn.network.spec import NetworkSpec
from edgelearn.network.topology import Topology, parse_topology
from edgelearn.runs.rates import n_outputs_for, spec_of
from edgelearn.runs.shapes import example_of, idle_of_maps
from edgelearn.runs.start import is_results
from edgelearn.runs.stored import AnyFrontEnd, parts_of
from edgelearn.streaming.front_end import FrontEnd, FrontEndSpec
from edgelearn.units import count
from hw_models.compare.rules import RuleCost, cost_of_rule
from hw_models.processor import find_processor

if TYPE_CHECKING:
    from edgelearn.streaming.one_sample import SampleCall

_ONCE = 1  # a weight, compared by identity: small integers are the same objects
CHUNK = 4096  # rows whose input levels are held at a time
_NOT_SETTINGS = ("epochs", "shuffle", "random_state", "classes", "max_classes", "one_output", "hidden", "input_bits",
                 "class_weight")  # fmt: skip
_DEFAULT_HIDDEN = (64,)


class EdgeClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classifier of sensor data: an integer network that learns sample by sample.

    A front end follows mean and deviation of each feature and turns values into input levels; a network of integer
    weights learns them online. `fit(epochs=1, shuffle=False)`, `partial_fit` in pieces of any length, and `learn_one`
    sample by sample give the same words and the same counts.

    Parameters
    ----------
    rule : str, default="drtp"
        Learning rule, see `edgelearn rules`, or one per hidden layer, e.g. "dfa+drtp".
    bits : int, default=8
        Bits of a weight, 2 to 16.
    hidden : tuple of int, or int for one layer, default=(64,)
        Hidden neurons of each layer; () for none.
    net : str, default=None
        All layers in place of `hidden`, as of `edgelearn run --net`, e.g. "28x28x1-conv16x5x5-pool2-fc128-10":
        convolutions read features in the order of a map with channels last.
    kernels : str, default="learn"
        "learn" or "frozen".
    kernel_rate : int or None, default=None
        Exponent of two of the learning rate of kernels; by `hidden_rate` if None.
    kernel_bias : bool, default=False
        Whether kernels have biases.
    feedback_kind : str, default="element"
        Direct feedback into convolutions per "element" or per "map".
    teach : str, default="elements"
        "elements" behind the pooling take direct feedback, or "positions" in front of it.
    learn : str, default="all"
        Words that learn: "all"; "last" (output layer), "last2" (and the layer below), ...; "bias" (biases of hidden
        layers, the whole output layer); or one of "all", "bias" and "none" per layer, e.g. "none+all+all".
    rounding : str, default="residual"
        "residual", "stochastic" or "nearest".
    activation : str, default="tanh"
        "tanh", "hard-tanh", "quadratic-tanh", "relu" or "leaky".
    output : str, default="sigmoid"
        "sigmoid" or "softmax".
    one_output : bool or None, default=None
        One output instead of two, where there are exactly two classes, named or fitted; None for one under "mdfa" (with
        a sigmoid), as in its paper, and two under other rules.
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
    class_weight : dict, "balanced" or None, default=None
        Weights by label, multiplied with those of samples. A sample of weight k is presented k times in a row (`fit`
        shuffles presentations), one of weight 0 is left out: results are those of data in which it stands k times.
        Fractions are rounded with a warning. "balanced", for `fit` only: samples of the most frequent class over
        samples of the class, rounded.

    Notes
    -----
    A feature that is NaN, None or not there makes no event and leaves its statistics as they are. Differences far from
    zero are kept: a feature whose first value is beyond +-2^24 is learned relative to that value.

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
        Values that learned samples lacked, and values of features without a place.

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
        learn: str = "all",
        rounding: str = "residual",
        activation: str = "tanh",
        output: str = "sigmoid",
        one_output: bool | None = None,
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
        class_weight: Any = None,
        net: str | None = None,
        kernels: str = "learn",
        kernel_rate: int | None = None,
        kernel_bias: bool = False,
        feedback_kind: str = "element",
        teach: str = "elements",
    ) -> None:
        self.rule = rule
        self.bits = bits
        self.hidden = hidden
        self.learn = learn
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
        self.class_weight = class_weight
        self.net = net
        self.kernels = kernels
        self.kernel_rate = kernel_rate
        self.kernel_bias = kernel_bias
        self.feedback_kind = feedback_kind
        self.teach = teach

    _names: tuple[Any, ...] | None  # features of dictionaries, where one was learned
    _run: dict[str, Any] | None  # what `from_run` read
    _pretrained: Pretrained | None = None  # what `fit` starts from
    _front_end: AnyFrontEnd
    spec_: NetworkSpec
    _learning: SampleCall | None = None  # compiled calls for plain samples, made when a first one comes
    _predicting: SampleCall | None = None

    # scikit-learn

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Start anew and learn samples, `epochs` times.

        A model of `from_pretrained`, and a clone of one, starts from the imported words and levels each time.

        Parameters
        ----------
        X : array-like [n, n_features], NaN where a value is missing
        y : array-like [n], labels
        sample_weight : array-like [n] of whole numbers, presentations of each sample; see `class_weight`

        Raises
        ------
        UserError
            "label ...", "setting ...", and whatever cannot be built; ValueError for arrays that scikit-learn refuses.
        """
        _check_whole("epochs", self.epochs, 1)
        if self._pretrained is None and (getattr(self, "_run", None) or {}).get("start"):
            warnings.warn(
                "fit starts from random weights and drops the words of the file; partial_fit learns on from them",
                stacklevel=2,
            )
        x, y = self._checked(X, y, reset=True)
        known = (np.unique(y) if self.classes is None else np.unique(self.classes)).tolist()
        known = known if self._pretrained is None else self._pretrained.labels
        shown = self._shown(x, y, sample_weight, known, balance=True)
        self._begin(x.shape[1], known)
        x, outputs = self._taken(x, shown), self._labels.outputs(y)
        for epoch in range(self.epochs):
            if self.shuffle:
                order = np.random.default_rng([self.spec_.seed, 2, epoch]).permutation(len(shown))
                self._learn(x, outputs, shown[order])
            else:
                self._learn(x, outputs, shown)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Learn samples once, in their order.

        Parameters
        ----------
        X : array-like [n, n_features], NaN where a value is missing
        y : array-like [n], labels
        classes : all labels there will be, at the first call where `EdgeClassifier(classes=...)` does not name them
        sample_weight : array-like [n] of whole numbers, presentations of each sample; see `class_weight`

        Raises
        ------
        UserError
            "classes ...", "label ...", as `fit`
        """
        first = not self.__sklearn_is_fitted__()
        if first and classes is None and self.classes is None and self._pretrained is None:
            raise UserError(
                "classes are not known at the first partial_fit; give partial_fit(X, y, classes=[...]), or "
                "EdgeClassifier(classes=[...])"
            )
        x, y = self._checked(X, y, reset=first)
        if first:
            known = np.unique(self.classes if classes is None else classes).tolist()
            known = known if self._pretrained is None else self._pretrained.labels
            shown = self._shown(x, y, sample_weight, known)
            self._begin(x.shape[1], known)
        elif classes is not None and not np.array_equal(np.unique(classes), np.sort(self.classes_)):
            raise UserError(
                f"classes {np.unique(classes).tolist()} are not those of the start, {self.classes_.tolist()}; leave "
                "classes out after the first call, or fit anew"
            )
        else:
            shown = self._shown(x, y, sample_weight, self._labels.known)
        try:
            outputs = self._labels.outputs(y)
        except UserError:
            if first:
                del self._learner  # nothing was learned: not fitted
            raise
        self._note_classes()
        self._learn(self._taken(x, shown), outputs, shown)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the labels of samples, [n], without learning."""
        self._check_fitted()
        x = self._relative(self._checked(X, reset=False))
        labels: np.ndarray = self.classes_[self._predict(x, scores=False)[0]]
        return labels

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the share of each class in the outputs of samples, float64[n, n_classes]; rows sum to 1.

        Outputs have 8 bits. The prediction gets a quarter of a step more, so that it is the largest of equal ones.
        """
        self._check_fitted()
        return self._shares(*self._predict(self._relative(self._checked(X, reset=False)), scores=True))

    # river

    def learn_one(self, x: Mapping[Hashable, Any], y: Hashable, w: float = 1) -> None:
        """Learn one sample.

        The first sample fixes the features, in an order that does not hang on the order of the dictionary (x2 before
        x10), unless `fit` did. A feature that is missing, None or NaN makes no event, and one without a place is
        ignored; `n_missing_` and `n_ignored_` count them.

        Parameters
        ----------
        x : features by name
        y : label
        w : weight: how often the sample is presented, see `class_weight`; 0 leaves it out

        Raises
        ------
        UserError
            "feature ...", "features ...", "label ..."
        """
        learning = self._learning
        if learning is not None and w is _ONCE and self.class_weight is None:
            try:
                output = learning.outputs[y]
            except (KeyError, TypeError):
                output = -1  # new, or none
            if output >= 0 and learning.call(learning.address, id(x), output) >= 0:
                return
        first = not self.__sklearn_is_fitted__()
        names = in_order(x) if first else self._names_for(x)
        values = values_of(x, names)
        n_shown = self._times_shown(y, w)
        if n_shown == 0:
            return
        if first:
            self._begin(len(names), None if self.classes is None else np.unique(self.classes))
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
        self.n_ignored_ += len(x) - sum(name in x for name in names)
        shown = np.zeros(n_shown, np.int64)
        self._learn(self._taken(values[None], shown), np.array([label]), shown)
        if learning is None:
            self._learning = self._sample_call(names, True)

    def predict_one(self, x: Mapping[Hashable, Any]) -> Any:
        """Return the label of one sample, None before anything was learned."""
        output = self._predicted(x)
        if output >= 0:
            return self._labels.known[output]
        if not self.__sklearn_is_fitted__():
            return None
        return self._labels.known[int(self._predict(self._sample(x), scores=False)[0][0])]

    def predict_proba_one(self, x: Mapping[Hashable, Any]) -> dict[Any, float]:
        """Return the share of each label met or named so far, see `predict_proba`; {} before anything was learned."""
        output = self._predicted(x)
        if not self.__sklearn_is_fitted__():
            return {}
        if output >= 0 and self._predicting is not None:
            found = np.array([output]), self._predicting.scores
        else:
            found = self._predict(self._sample(x), scores=True)
        shares = self._shares(*found)[0]
        return dict(zip(self._labels.known, shares.tolist(), strict=True))

    # what it did and what that costs

    @property
    def counters_(self) -> Counters:
        """Accesses and operations of all samples so far, learned and predicted."""
        self._check_fitted()
        return self._learner.counters

    @property
    def cost_(self) -> RuleCost:
        """Prices per sample on `processor` with the counted activity: energy in pJ, latency in us, area in um2."""
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
        save_model(self, Path(path))

    def to_c(
        self,
        folder: str | PathLike[str],
        X: Any = None,
        y: Any = None,
        *,
        overwrite: bool = False,
        prefix: str = "el",
    ) -> Path:
        """Write the network with its present words as C99 sources with a self-test, as `edgelearn firmware emit` does.

        The C core takes input levels. A model of `from_run` or `from_pretrained` brings the ranges or the tensor that
        they are made from; the encoder of a model that was fitted here follows mean and deviation of its features, and
        its levels are made by the caller.

        Parameters
        ----------
        folder : new folder for sources, headers, README and Makefile
        X, y : array-like [n, n_features] and [n], samples of the self-test; default levels at random
        overwrite : replace the files in `folder`
        prefix : beginning of names and files, for several networks in one firmware

        Returns
        -------
        the folder

        Raises
        ------
        UserError
            "folder ... is not empty ...", "prefix ...", "X and y ...", and why firmware cannot have this network
        """
        self._check_fitted()
        from edgelearn.estimators.firmware import emit_model

        return emit_model(self, Path(folder), X, y, overwrite, prefix)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read what `save` wrote, or a finished run; the result predicts and learns on as the saved one would have.

        Parameters
        ----------
        path : file of `save`, or the results folder of a run or stream, see `from_run`

        Raises
        ------
        UserError
            "... cannot be loaded"
        """
        if is_results(path):
            return model_of_run(cls, path, _NOT_SETTINGS)
        return load_model(cls, Path(path))

    @classmethod
    def from_pretrained(
        cls, model: str | PathLike[str], cut: str | None = None, learn: str = "last", *, X: Any = None,
        classes: Any = None, **settings: Any
    ) -> Self:  # fmt: skip
        """Return a trained model cut at a tensor: its last dense layers as integers, ready to predict and to learn on.

        Features are the values of the tensor at the cut. `partial_fit` and `learn_one` go on from the words of the
        model; `fit` starts from the same words again, also that of a clone, as in cross-validation. Hidden rates
        and output rates are -8 and -5 unless given.

        Parameters
        ----------
        model : file of the model, or results folder of a run
        cut : name of the tensor; default the first with dense layers alone behind it
        learn : "last" for the output layer, "last2", "all", "bias"; see `edgelearn run --learn`
        X : features [n, n_features] that scales are taken from, needed where the tensor is of floats; or a .npz of
            `edgelearn model features`, which also names the tensor
        classes : labels of the outputs; default those of the model, else 0, 1, ...
        settings : parameters of this class, and settings of `edgelearn run`

        Raises
        ------
        UserError
            "... cannot be read", "tensor ...", "... classes do not fit ..." and what `edgelearn run --start` says
        """
        own = settings | {"learn": learn} | ({} if cut is None else {"cut": cut})
        return pretrained_model(cls, model, X, classes, own)

    @classmethod
    def from_run(cls, path: str | PathLike[str]) -> Self:
        """Return the network of a finished run or stream with its front end, as it was at the end.

        It predicts the samples of the run as the run did, and learns on from there. A row of X is a sample with the
        columns of the run; of a stream with a window the samples of a window one after another, oldest first.

        Parameters
        ----------
        path : folder given as --out to `edgelearn run` or `edgelearn stream`, or the weights.npz in it

        Raises
        ------
        UserError
            "... cannot be loaded"
        """
        return model_of_run(cls, path, _NOT_SETTINGS)

    # inside

    def _arrays(self) -> dict[str, np.ndarray]:
        """Return copies of everything learned, by name."""
        parts = {"learner": self._learner.save(), "front_end": self._front_end.save()}
        named = {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}
        return named | {"offsets": self._offsets.copy()}

    def _begin(self, n_features: int, known: Any) -> None:
        """Start from what was imported, else anew."""
        if self._pretrained is None:
            self._start(n_features, known)
        else:
            restart(self, self._pretrained, n_features)

    def __sklearn_clone__(self) -> Self:
        """Return an estimator that was not fitted, with the same parameters and the same imported words."""
        made = _clone_parametrized(self)
        made._pretrained = self._pretrained
        return cast(Self, made)

    def _start(self, n_features: int, known: Any, room: int | None = None, run: dict[str, Any] | None = None) -> None:
        """Make front end, network and labels; `known` labels, or None where they are met on the way."""
        if known is None:
            _check_whole("max_classes", self.max_classes, 2)
            known, room = [], int(self.max_classes)
        known = known.tolist() if isinstance(known, np.ndarray) else known
        if run is not None:
            self.spec_, self._front_end = parts_of(run)
            spec = self._front_end.spec if isinstance(self._front_end, FrontEnd) else None
            n_features = len(run["inputs"]) * (1 if spec is None else spec.window)
        else:
            self._design(n_features, known, room)
        self._run, self._fitted = run, plain_params(self) | {"random_state": self.spec_.seed}
        self._offsets = np.full(n_features, np.nan)  # unknown until a value comes
        self._learner = Learner(self.spec_)
        self._learning = self._predicting = None
        self._labels = Labels(known, room)
        self._names = None
        self.n_missing_ = self.n_ignored_ = 0
        if self.spec_.n_outputs > 1:
            self._learner.set_live_outputs(len(known))
        self._note_classes()

    def _design(self, n_features: int, known: list[Any], room: int | None) -> None:
        config = self._config()
        if not isinstance(self.one_output, bool | np.bool_ | None):
            raise UserError(f"one_output {shown(self.one_output)} is not allowed; give True, False or None")
        n_outputs = max(2, len(known) if room is None else room)
        if self.one_output is None and room is None and len(known) == 2 and config.output != "softmax":
            n_outputs = n_outputs_for(config, n_outputs)
        elif self.one_output:
            if room is not None or len(known) != 2:
                raise UserError(
                    f"one_output stands for two classes, not for {len(known) or 'those met on the way'}; name two in "
                    "EdgeClassifier(classes=[...]), or leave one_output out"
                )
            if config.output == "softmax":
                raise UserError("one output cannot be a softmax; give output='sigmoid', or leave one_output out")
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
        self.spec_ = spec_of(config, self._layers(front_end.n_inputs, n_outputs))
        for text in idle_of_maps(config, self.spec_.layers):
            raise UserError(f"{text}; leave it out")
        self._front_end = FrontEnd(front_end)

    def _layers(self, n_inputs: int, n_outputs: int) -> tuple[int, ...] | Topology:
        """Return the layer sizes, or the topology of `net`."""
        if self.net is None:
            return (n_inputs, *self._hidden(), n_outputs)
        if self._hidden() != _DEFAULT_HIDDEN:
            raise UserError(f"net '{self.net}' names all layers; leave hidden out")
        net = parse_topology(self.net)
        if net.is_convolutional and not isinstance(net.inputs, tuple):
            raise UserError(
                f"net '{net}' needs the shape of its inputs; put height x width x channels in front, e.g. "
                f"net='28x28x1-{self.net}'"
            )
        if (net.sizes[0], net.sizes[-1]) != (n_inputs, n_outputs):
            example = example_of(net, n_inputs, n_outputs, None)
            raise UserError(
                f"net '{net}' does not fit: {n_inputs} inputs behind the encoder and {n_outputs} outputs; give "
                f"net='{example}'"
            )
        return net if net.is_convolutional else net.sizes

    def _hidden(self) -> tuple[int, ...]:
        try:
            return tuple(index(n) for n in _as_tuple(self.hidden))
        except TypeError:
            raise UserError(
                f"hidden {shown(self.hidden)} cannot be read; give the neurons of each hidden layer, for example (64,) "
                "or (64, 32), or () for none"
            ) from None

    def _config(self) -> StreamConfig:
        params = {name: value for name, value in self.get_params(deep=False).items() if name not in _NOT_SETTINGS}
        if self.input_bits is not None:
            params["input_bits"] = self.input_bits
        params["seed"] = _seed(self.random_state)
        return validated(StreamConfig, {name: plain(value) for name, value in params.items()})

    def _note_classes(self) -> None:
        """Write down the labels so far as an array of their kind."""
        known = self._labels.known
        kinds = {type(label) for label in known}
        self.classes_ = np.array(known) if len(kinds) == 1 else np.array([*known, None], object)[:-1]

    def _checked(self, X: Any, y: Any = None, reset: bool = False) -> Any:
        """Return X as float64[n, n_features], and y where given, as scikit-learn validates them."""
        given = {"X": X} if y is None and not reset else {"X": X, "y": y}
        try:
            from sklearn.utils.validation import validate_data
        except ImportError:  # before scikit-learn 1.6
            checked = self._validate_data(**given, reset=reset, dtype=np.float64, force_all_finite="allow-nan")
        else:
            checked = validate_data(self, **given, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan")
        x = checked[0] if isinstance(checked, tuple) else checked
        if (np.abs(x) >= FLOAT32_LIMIT).any():
            raise ValueError("Input X contains infinity or a value too large for dtype('float32').")
        if isinstance(checked, tuple):
            check_classification_targets(checked[1])
        return checked

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _more_tags(self) -> dict[str, Any]:  # before scikit-learn 1.6
        return {"allow_nan": True}

    def _shown(
        self, x: np.ndarray, y: np.ndarray, sample_weight: Any, classes: list[Any], balance: bool = False
    ) -> np.ndarray:
        """Return the indices of samples as they are presented, int64[sum of weights]."""
        if sample_weight is None and self.class_weight is None:
            return np.arange(len(x))
        weights = class_weights(self.class_weight, np.asarray(y).tolist(), classes, balance)
        if sample_weight is not None:
            weights = weights * _check_sample_weight(sample_weight, x, dtype=np.float64)
        return np.repeat(np.arange(len(x)), presentations(weights))

    def _times_shown(self, y: Any, w: Any) -> int:
        """Return how often one sample is presented."""
        if self.class_weight is None and type(w) is int and w in (0, 1):
            return w
        if not isinstance(w, Real) or isinstance(w, bool):
            raise UserError(f"weight {w!r:.60} is no number; give 0, 1, 2, ...")
        known = self._labels.known if self.__sklearn_is_fitted__() else []
        labels = [*known, y, *(self.class_weight if isinstance(self.class_weight, Mapping) else ())]
        return int(presentations(float(w) * class_weights(self.class_weight, [y], labels))[0])

    def _taken(self, x: np.ndarray, shown: np.ndarray) -> np.ndarray:
        """Return samples that are learned as float32, see `_relative`; the first values settle the offsets."""
        presented = np.zeros(len(x), bool)
        presented[shown] = True
        self.n_missing_ += int(np.count_nonzero(np.isnan(x[presented])))
        for f in np.flatnonzero(np.isnan(self._offsets)):
            present = x[presented, f][~np.isnan(x[presented, f])]
            if len(present):
                self._offsets[f] = present[0] if abs(present[0]) > FAR else 0.0
        return self._relative(x)

    def _relative(self, x: np.ndarray) -> np.ndarray:
        """Return samples, float64[n, n_features], less what lies far from zero: float32."""
        relative: np.ndarray = (x - np.nan_to_num(self._offsets)).astype(np.float32)
        return relative

    def _learn(self, x: np.ndarray, outputs: np.ndarray, shown: np.ndarray) -> None:
        for first in range(0, len(shown), CHUNK):
            part = shown[first : first + CHUNK]
            levels = self._rows(x[part])
            self._learner.run_steps(levels, steps_of(outputs[part]))

    def _rows(self, x: np.ndarray) -> np.ndarray:
        """Return the levels of rows, and let the front end follow them."""
        front_end = self._front_end
        if isinstance(front_end, FrontEnd) and front_end.spec.window > 1:  # each row is a recording of one window
            window = front_end.spec.window
            begin = int(front_end.state.place[t.SEGMENT]) + 1
            segment = np.repeat(np.arange(begin, begin + len(x)), window)
            return front_end.rows(x.reshape(len(x) * window, -1), segment).levels
        return front_end.rows(x, np.zeros(len(x), np.int64)).levels

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
                f"{count(len(names), 'feature')} given ({', '.join(map(str, names[:8]))}), and {self.n_features_in_} "
                f"were fitted without names; give {self.n_features_in_}, or fit a DataFrame"
            )
        return names

    def _sample(self, x: Mapping[Hashable, Any]) -> np.ndarray:
        return self._relative(values_of(x, self._names_for(x))[None])

    def _sample_call(self, names: tuple[Any, ...], learns: bool) -> SampleCall | None:
        """Return a compiled call for plain samples; None where there can be none."""
        from edgelearn.fixedpoint.frozen import available  # numba is imported when a simulation starts

        front_end = self._front_end
        if not available() or not isinstance(front_end, FrontEnd) or front_end.spec.window > 1:
            return None
        if self._learner.spec.is_convolutional:
            return None
        if any(label is None or label != label for label in self._labels.known):  # refused where it is looked up
            return None
        from edgelearn.streaming.one_sample import SampleCall

        return SampleCall(front_end, self._learner, self._offsets, names, learns, self._labels.found)

    def _predicted(self, x: Mapping[Hashable, Any]) -> int:
        """Return the output of a plain sample in one compiled call, -1 where it is none, or the features are open."""
        if self._predicting is None:
            if not self.__sklearn_is_fitted__():
                return -1
            names = getattr(self, "feature_names_in_", None) if self._names is None else self._names
            if names is None:
                return -1
            self._predicting = self._sample_call(tuple(names), False)
            if self._predicting is None:
                return -1
        return self._predicting.call(self._predicting.address, id(x))

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without compiled calls, which hold addresses of this process and these arrays."""
        state: dict[str, Any] = super().__getstate__()
        return state | {"_learning": None, "_predicting": None}

    def _check_fitted(self) -> None:
        check_is_fitted(self)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_learner")


def _check_whole(name: str, value: Any, least: int) -> None:
    if not isinstance(value, int | np.integer) or value < least:
        raise UserError(f"{name} {shown(value)} cannot be used; give a whole number, {least} or more")


def _seed(random_state: Any) -> int:
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def _as_tuple(hidden: Any) -> tuple[Any, ...]:
    return (hidden,) if isinstance(hidden, int | np.integer) else tuple(hidden)
