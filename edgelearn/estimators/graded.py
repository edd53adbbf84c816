"""What estimators with graded targets share: settings, front end, network, named features."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from operator import index
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from edgelearn.config import StreamConfig, shown, validated
from edgelearn.data.cells import FAR, FLOAT32_LIMIT
from edgelearn.errors import UserError
from edgelearn.estimators.features import in_order, values_of
from edgelearn.estimators.saved_models import plain
from edgelearn.network.counters import Counters
from edgelearn.network.graded import RECONSTRUCT
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec
from edgelearn.runs.rates import spec_of
from edgelearn.streaming.front_end import ONE_WORD, FrontEnd, FrontEndSpec
from edgelearn.units import count
from hw_models.compare.rules import RuleCost, cost_of_rule
from hw_models.processor import find_processor

CHUNK = 4096  # rows whose input levels are held at a time
_NOT_SETTINGS = {"epochs", "shuffle", "random_state", "hidden", "input_bits", "contamination"}


class GradedModel(BaseEstimator):  # type: ignore[misc]
    """An integer network with graded targets behind a front end that follows mean and deviation of each feature."""

    spec_: NetworkSpec
    epochs: int
    shuffle: bool
    random_state: Any
    hidden: Any
    input_bits: int | None
    processor: str
    _names: tuple[Any, ...] | None
    _front_end: FrontEnd
    _learner: Learner

    @property
    def counters_(self) -> Counters:
        """What all learned samples so far read, wrote and computed."""
        check_is_fitted(self)
        return self._learner.counters

    @property
    def cost_(self) -> RuleCost:
        """Energy, cycles, memory and area of learning these samples on `processor`."""
        check_is_fitted(self)
        return cost_of_rule(self.spec_, self.counters_, find_processor(self.processor))

    def _start(self, n_features: int, task: str, n_outputs: int | None = None) -> None:
        """Make front end and network; a reconstruction has as many outputs as the front end has levels."""
        config = self._config()
        self._front_end = FrontEnd(
            FrontEndSpec(
                n_features,
                time_constant=config.time_constant,
                reach=config.reach,
                encoder=config.encoder,
                input_bits=config.input_bits,
            ),
            least_deviation=ONE_WORD if task == RECONSTRUCT else 0,
        )
        n_inputs = self._front_end.spec.n_inputs
        sizes = (n_inputs, *self._hidden(n_inputs), n_outputs or n_inputs)
        self.spec_ = spec_of(config, sizes, {"task": task, "output": "linear"})
        self._learner = Learner(self.spec_)
        self._offsets = np.full(n_features, np.nan)  # unknown until a value comes
        self._names = None

    def _hidden(self, n_inputs: int) -> tuple[int, ...]:
        """Return the hidden neurons of each layer."""
        try:
            given = (self.hidden,) if isinstance(self.hidden, int | np.integer) else tuple(self.hidden)
            return tuple(index(n) for n in given)
        except TypeError:
            raise UserError(
                f"hidden {shown(self.hidden)} cannot be read; give the neurons of each hidden layer, for example (16,) "
                "or (16, 8), or () for none"
            ) from None

    def _config(self) -> StreamConfig:
        params = {name: value for name, value in self.get_params(deep=False).items() if name not in _NOT_SETTINGS}
        if self.input_bits is not None:
            params["input_bits"] = self.input_bits
        state = self.random_state
        seed = state if isinstance(state, int | np.integer) else check_random_state(state).randint(2**31 - 1)
        params["seed"] = int(seed)
        return validated(StreamConfig, {name: plain(value) for name, value in params.items()})

    def _epochs(self) -> int:
        if not isinstance(self.epochs, int | np.integer) or self.epochs < 1:
            raise UserError(f"epochs {shown(self.epochs)} cannot be used; give a whole number, 1 or more")
        return int(self.epochs)

    def _order(self, n: int, epoch: int) -> np.ndarray:
        """Return the rows of an epoch, int64[n]."""
        if not self.shuffle:
            return np.arange(n)
        return np.random.default_rng([self.spec_.seed, 2, epoch]).permutation(n)

    def _checked(self, X: Any, reset: bool = False, **options: Any) -> Any:
        """Return X as float64[n, n_features], and y where it is among the options, as scikit-learn validates them."""
        given = {"X": X} | ({"y": options.pop("y")} if "y" in options else {})
        try:
            from sklearn.utils.validation import validate_data
        except ImportError:  # before scikit-learn 1.6
            options |= {"reset": reset, "dtype": np.float64, "force_all_finite": "allow-nan"}
            checked = self._validate_data(**given, **options)
        else:
            options |= {"reset": reset, "dtype": np.float64, "ensure_all_finite": "allow-nan"}
            checked = validate_data(self, **given, **options)
        x = checked[0] if isinstance(checked, tuple) else checked
        if (np.abs(x) >= FLOAT32_LIMIT).any():
            raise ValueError("Input X contains infinity or a value too large for dtype('float32').")
        return checked

    def _settle(self, x: np.ndarray) -> None:
        """Let the first values of features settle their offsets."""
        for f in np.flatnonzero(np.isnan(self._offsets)):
            present = x[~np.isnan(x[:, f]), f]
            if len(present):
                self._offsets[f] = present[0] if abs(present[0]) > FAR else 0.0

    def _relative(self, x: np.ndarray) -> np.ndarray:
        """Return samples less what lies far from zero, float32[n, n_features]."""
        relative: np.ndarray = (x - np.nan_to_num(self._offsets)).astype(np.float32)
        return relative

    def _outputs(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs for samples, int16[n, n_outputs], and their input levels; nothing is learned."""
        found = [np.zeros((0, self.spec_.n_outputs), np.int16)]
        for first in range(0, len(x), CHUNK):
            found.append(self._learner.outputs(self._front_end.encode(x[first : first + CHUNK])))
        return np.concatenate(found)

    def _named(self, x: Mapping[Hashable, Any], first: bool) -> np.ndarray:
        """Return the values of named features, float64[1, n_features]; the first sample fixes their order."""
        names = in_order(x) if first or self._names is None else self._names
        if not first and self._names is None:
            if hasattr(self, "feature_names_in_"):
                names = tuple(self.feature_names_in_)
            elif len(names) != self.n_features_in_:
                raise UserError(
                    f"{count(len(names), 'feature')} given ({', '.join(map(str, names[:8]))}), and "
                    f"{self.n_features_in_} were fitted without names; give {self.n_features_in_}, or fit a DataFrame"
                )
        return values_of(x, names)[None]

    def _begin_named(self, x: Mapping[Hashable, Any]) -> None:
        """Write down the features of the first sample."""
        names = in_order(x)
        self._names, self.n_features_in_ = names, len(names)
        if all(isinstance(name, str) for name in names):
            self.feature_names_in_ = np.array(names, object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _more_tags(self) -> dict[str, Any]:  # before scikit-learn 1.6
        return {"allow_nan": True}

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_learner")
