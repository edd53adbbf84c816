"""Trials: one configuration on a share of the data, with its accuracy and its measured needs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from edgelearn.advice.limits import Needs, needs_of
from edgelearn.advice.space import Candidate
from edgelearn.config import RunConfig, StreamConfig, validated
from edgelearn.errors import UserError
from edgelearn.network.spec import NetworkSpec
from edgelearn.runs.activity import assumed_activity
from edgelearn.runs.dataset import KIND as RUN
from edgelearn.runs.dataset import encoded_for, load_data
from edgelearn.runs.kind import drive
from edgelearn.runs.rates import learning_counters, n_outputs_for, spec_of, spec_of_report
from edgelearn.runs.session import in_samples
from edgelearn.runs.shapes import topology_of
from edgelearn.runs.stream import open_config_source
from edgelearn.runs.stream import run as run_stream
from edgelearn.studies.tuning import own_rates
from hw_models.processor import find_processor

VALIDATION = 0.2  # of the training samples, which choose; the test samples judge the choice
Rates = tuple[int, ...]  # exponents, of hidden layers and of the output layer


@dataclass(frozen=True)
class Trial:
    """What one run of a configuration gave.

    Parameters
    ----------
    accuracy : percent, on held-out samples, of a stream before learning each row
    needs : by counts of the run
    """

    accuracy: float
    needs: Needs


class Data:
    """Data that candidates learn, with the settings that all of them have; runs of equal settings are run once.

    Parameters
    ----------
    kind : "run" or "stream"
    settings : without layers, rule, widths and rates

    Raises
    ------
    UserError
        What the data and the settings say
    """

    def __init__(self, kind: str, settings: Mapping[str, Any], processor: str) -> None:
        self.kind, self.settings, self.processor = kind, dict(settings), find_processor(processor)
        self._net = self.settings.pop("net", None)
        self.test_notes: list[str] = []  # of the run that `test` made
        self._known: dict[tuple[Any, ...], Trial] = {}
        self._sources: dict[int | None, Any] = {}
        self.n_runs = 0
        if kind == "run":
            config = validated(RunConfig, self.settings)
            data = load_data(config)
            self.name, self.n_inputs, self.n_classes = data.name, data.n_features, data.n_classes
            held_out = len(load_data(self._config(RunConfig, {"validation_fraction": VALIDATION})).train_y)
            self.n_rows, self.epochs = held_out, config.epochs
        else:
            stream = validated(StreamConfig, self.settings)
            source = self._source(stream)
            if source.n_samples is None:
                raise UserError("live input has no rows to search on; give a recording of it")
            sized = in_samples(stream, source)
            assert isinstance(sized.stride, int)
            self.name, self.n_classes = source.name, source.n_classes
            self.n_inputs = self._inputs_of_stream(stream)
            self.n_rows, self.epochs = max(source.n_samples // sized.stride, 1), 1

    def _inputs_of_stream(self, config: StreamConfig) -> int:
        from edgelearn.runs.front_ends import front_end_of

        source = self._source(config)
        return int(front_end_of(in_samples(config, source), len(source.channels)).n_inputs)

    def _source(self, config: StreamConfig) -> Any:
        if config.limit not in self._sources:
            self._sources[config.limit] = open_config_source(config)
        return self._sources[config.limit]

    def _config(self, kind: Any, more: Mapping[str, Any]) -> Any:
        return validated(kind, self.settings | dict(more))

    @cached_property
    def measure(self) -> str:
        """What accuracies of trials are measured on."""
        return "on held-out training samples" if self.kind == "run" else "before learning each row"

    def layers(self, candidate: Candidate) -> dict[str, Any]:
        """Return the setting that gives the layers of a candidate."""
        if self._net is not None:
            return {"net": self._net}
        if self.kind == "stream":
            return {"hidden": str(candidate.width)}
        config = self._config(RunConfig, candidate.settings())
        return {"net": f"{self.n_inputs}-{candidate.width}-{n_outputs_for(config, self.n_classes)}"}

    def config(self, candidate: Candidate, **more: Any) -> Any:
        """Return the configuration of a candidate."""
        kind = RunConfig if self.kind == "run" else StreamConfig
        return self._config(kind, candidate.settings() | self.layers(candidate) | more)

    def spec(self, candidate: Candidate) -> NetworkSpec:
        """Return the network of a candidate.

        Raises
        ------
        UserError
            Why it cannot be built
        """
        config = self.config(candidate)
        if config.net is not None:
            net = topology_of(config, config.data, windows=self.kind == "stream")
            return spec_of(config, net if net.is_convolutional else net.sizes)
        return spec_of(config, (self.n_inputs, int(config.hidden), n_outputs_for(config, self.n_classes)))

    def estimate(self, candidate: Candidate) -> tuple[NetworkSpec, Needs]:
        """Return network and needs of a candidate without a run, by measured profiles of activity."""
        spec = self.spec(candidate)
        return spec, needs_of(spec, activity_of(spec, self.config(candidate)), self.processor)

    def own_rates(self, candidate: Candidate) -> Rates:
        """Return the rates that a candidate has where none are given; of a rule that learns the output alone, one."""
        return tuple(own_rates(self.config(candidate) if self.kind == "run" else self.by_rule(candidate)).values())

    def by_rule(self, candidate: Candidate) -> Any:
        """Return the configuration of a stream with the rates of the rule, as a stream has fixed ones."""
        return self.config(candidate, hidden_rate=None, output_rate=None)

    def rates(self, rates: Rates) -> dict[str, int]:
        """Return rates as settings."""
        return dict(zip(("hidden_rate", "output_rate")[-len(rates) :], rates, strict=True))

    def work(self, candidate: Candidate) -> int:
        """Return the weights that one run of all data visits."""
        spec = self.spec(candidate)
        n_weights = sum(layer.n_weights * getattr(layer, "n_positions", 1) for layer in spec.layers)
        return self.n_rows * self.epochs * max(n_weights, 1)

    def share(self, share: float) -> dict[str, Any]:
        """Return the settings that let a run learn a share of the data: fewer epochs, then fewer samples."""
        if self.kind == "stream":
            given = self.settings.get("limit") or self._source(validated(StreamConfig, self.settings)).n_samples
            return {} if share >= 1 else {"limit": max(1, math.ceil(share * given))}
        whole = share * self.epochs
        found: dict[str, Any] = {"validation_fraction": VALIDATION}
        if whole >= 1:
            return found | {"epochs": min(round(whole), self.epochs)}
        return found | {"epochs": 1, "limit": max(1, math.ceil(whole * self.n_rows))}

    def try_out(self, candidate: Candidate, rates: Rates, share: float = 1.0, seed: int = 0) -> Trial:
        """Run a candidate on a share of the data."""
        key = (candidate, rates, round(share, 6), seed)
        if key not in self._known:
            self.n_runs += 1
            config = self.config(candidate, **self.rates(rates), **self.share(share), seed=seed)
            self._known[key] = self._trial(config)
        return self._known[key]

    def test(self, candidate: Candidate, rates: Rates, seed: int = 0) -> float | None:
        """Return the accuracy on test samples of a run on all training samples, in percent; None of a stream."""
        if self.kind == "stream":
            return None
        config = self.config(candidate, **self.rates(rates), seed=seed)
        content = drive(RUN, config, open=lambda config, _: _open(config)).content
        self.test_notes = [f"the best on the test samples: {note}" for note in content["notes"] if "no better" in note]
        accuracy = content["accuracy_percent"]
        return None if accuracy is None else float(accuracy)

    def _trial(self, config: Any) -> Trial:
        if self.kind == "run":
            content = drive(RUN, config, open=lambda config, _: _open(config)).content
        else:
            content = run_stream(config, source=self._source(config)).content
        spec = spec_of_report(config, content)
        accuracy = content["accuracy_percent"]
        needs = needs_of(spec, learning_counters(content["counters"]["learning"]), self.processor)
        return Trial(-1.0 if accuracy is None else accuracy, needs)


def _open(config: RunConfig) -> Any:
    from edgelearn.runs.dataset import CellWork

    return CellWork(config, encoded_for(config))


def activity_of(spec: NetworkSpec, config: Any) -> Any:
    """Return the activity of the nearest measured profile for a network."""
    given = {"rule": config.rule, "net": spec.net, "weight_bits": config.weight_bits, "feedback": config.feedback}
    return assumed_activity(validated(RunConfig, given), {}).counters(spec)
