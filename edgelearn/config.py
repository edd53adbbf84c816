"""One validated, frozen set of settings: TOML files and flags both end here."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from edgelearn.errors import UserError, unknown


class Settings(BaseModel):
    """Settings of any run. Frozen, and checked when made."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @field_validator("label_column", "hidden", mode="before", check_fields=False)
    @classmethod
    def _index_as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    def to_toml(self) -> str:
        """Return the settings as TOML; what is left to its default by None is left out."""
        lines = []
        for key, value in self.model_dump().items():
            if value is None:
                continue
            if isinstance(value, bool):
                text = str(value).lower()
            elif isinstance(value, str):
                text = _toml_text(value)
            elif isinstance(value, tuple):
                text = "[" + ", ".join(_toml_text(item) for item in value) + "]"
            else:
                text = repr(value)
            lines.append(f"{key} = {text}")
        return "\n".join(lines) + "\n"


class DataSettings(Settings):
    """Settings of a data set that is learned in epochs."""

    data: str = Field("digits", description="name of a data set, or a .csv or .npz file")
    label_column: str | None = Field(None, description="label column of a .csv file: name or index, last by default")
    classes: tuple[str, ...] | None = Field(None, description="keep these classes only, relabelled in this order")
    limit: int | None = Field(None, ge=1, description="train on the first N samples only")
    test_fraction: float = Field(0.2, gt=0, lt=1, description="test part of a user's file without one")
    validation_fraction: float | None = Field(
        None, gt=0, lt=1, description="share of the training samples that is held out and tested on, to choose settings"
    )
    epochs: int = Field(10, ge=1, description="passes over the training samples")

    @field_validator("classes", mode="before")
    @classmethod
    def _as_names(cls, value: Any) -> Any:
        """Take "3,8" as from the command line, and lists of names or numbers as from TOML and JSON."""
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",")]
        if isinstance(value, list | tuple):
            return tuple(str(item) if type(item) is int else item for item in value)
        return value

    @field_validator("classes")
    @classmethod
    def _two_classes(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and (len(value) < 2 or len(set(value)) != len(value)):
            raise ValueError("at least two different classes are needed")
        return value


class RateSettings(Settings):
    """Settings of a rate network, its learning rule and its processor."""

    rule: str = Field("drtp", description="learning rule, see `edgelearn rules`")
    net: str | None = Field(None, description="layer sizes, e.g. 784-500-10")
    bits: int = Field(8, description="view bits of a weight, 2 to 16")
    residual_bits: int | None = Field(None, description="bits below the view, 0 to 8; by the rounding if left out")
    rounding: str = Field("residual", description="residual, stochastic or nearest")
    input_bits: int = Field(4, description="bits of an input level, 1 to 8")
    activation: str = Field("tanh", description="tanh, hard-tanh, quadratic-tanh, relu or leaky")
    output: str = Field("sigmoid", description="sigmoid or softmax")
    feedback: str = Field("int8", description="feedback weights: int8, ternary, sign or lfsr")
    hidden_rate: int | None = Field(None, description="exponent of two of the hidden layers' learning rate")
    output_rate: int | None = Field(None, description="exponent of two of the output layer's learning rate")
    range_exponent: int | None = Field(None, ge=-8, le=8, description="weights cover +-2^E; by bits if left out")
    event_threshold: int = Field(0, ge=0, le=126, description="activations of at most this size are no events")
    dead_zone: int = Field(0, ge=0, le=254, description="output errors of at most this size (of 255) are zero")
    accumulator_bits: int = Field(32, description="width of accumulators, 8 to 32, wrapping")
    strict: bool = Field(False, description="stop at the first overflow or saturation")
    processor: str = Field("engine-28nm", description="what the cost is priced on: a name or a .toml file")
    update_gate: str = Field("always", description="learn always, on error, or within a margin")
    margin: int = Field(32, ge=0, le=255, description="lead of the right output that needs no learning, in 1/16")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="seed of weights, feedback, order and rounding")


class RunConfig(RateSettings, DataSettings):
    """Settings of a run. A report carries all of them, so that it can be rerun."""

    halve_every: int | None = Field(None, ge=1, description="halve the rates after every N epochs")


class SpikingConfig(DataSettings):
    """Settings of a run of a spiking network; what is left out fits the rule and the data."""

    spiking: Literal[True] = Field(True, description="what tells it from a rate network")
    epochs: int = Field(10, ge=0, description="passes over the training samples; 0 only tests")
    rule: str = Field("drtp", description="drtp, dfa, sdfa or shallow")
    net: str | None = Field(None, description="layer sizes, e.g. 64-64-10")
    bits: int = Field(8, description="bits of a weight, 2 to 16")
    rounding: str | None = Field(
        None, description="stochastic or nearest; stochastic, or that of the graph, if left out"
    )
    neuron: str | None = Field(None, description="lif, if, cuba or alif; lif if left out")
    reset: str | None = Field(None, description="subtract the threshold, or to zero; subtract if left out")
    threshold: int | None = Field(None, description="of hidden neurons, 1 to 32767; by rule if left out")
    leak: int | None = Field(None, description="of membranes: 2^N steps, 0 to 15; 4 if left out")
    refractory: int | None = Field(None, description="steps of hidden neurons, 0 to 1000; 1 if left out")
    gate_on: str | None = Field(None, description="where plasticity is gated: current (if left out) or membrane")
    delay: int | None = Field(None, description="steps of a spike to the next population, 1 to 64; 1 if left out")
    hidden_shift: int | None = Field(None, description="hidden weights learn x m / 2^N; by rule if left out")
    output_shift: int | None = Field(None, description="output weights learn x m / 2^N; by rule if left out")
    code: str | None = Field(None, description="rate, latency or delta; events of an event set come as they are")
    steps: int | None = Field(None, ge=1, le=100_000, description="time steps of a sample")
    step_time: str | None = Field(None, description="time of a step of address events; 10 ms if left out")
    first_label: int | None = Field(None, ge=0, description="step of the first label event of a sample")
    label_period: int | None = Field(None, ge=1, description="steps from label event to label event")
    window: int | None = Field(None, ge=1, description="samples of a window of a sensor stream")
    stride: int | None = Field(None, ge=1, description="samples from window to window; a window if left out")
    delta: int | None = Field(
        None, ge=1, description="change that is sent, in 1/16 of a channel's mean absolute deviation; 8 if left out"
    )
    start: str | None = Field(None, description="NIR graph to start from, with its side file if it has one")
    processor: str = Field("loihi-like", description="neuromorphic core that spikes are priced on")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="seed of weights, feedback, spikes and rounding")


class StreamConfig(RateSettings):
    """Settings of learning on a stream."""

    data: str = Field("drift", description="name of a stream, a file, a folder of recordings, or - for standard input")
    columns: str | None = Field(None, description="TOML file that says what the columns or arrays of `data` are")
    label_column: str | None = Field(None, description="label column of a text table: name or number, counted from 1")
    subjects: str | None = Field(None, description="keep these subjects or recordings only, e.g. 1600-1624,1630")
    limit: int | None = Field(None, ge=1, description="stop after N samples")
    classes: int | None = Field(None, ge=2, description="outputs for classes that are met on the way (live input)")
    hidden: str = Field("64", description="hidden neurons, e.g. 64 or 64-32; 0 for none; not beside net")
    output: str = Field("softmax", description="softmax or sigmoid")
    hidden_rate: int | None = Field(-4, description="exponent of two of the hidden layers' learning rate")
    output_rate: int | None = Field(-3, description="exponent of two of the output layer's learning rate")
    input_bits: int = Field(5, description="bits of an input level, its sign included, 1 to 8")
    window: int = Field(1, ge=1, description="samples of a row")
    stride: int = Field(1, ge=1, description="samples from row to row")
    features: str = Field("samples", description="samples of the window, or statistics of each channel")
    time_constant: int = Field(8, description="normalisation follows the last 2^N rows")
    reach: int = Field(3, description="mean absolute deviations that the highest level stands for")
    encoder: str = Field("signed", description="signed, levels, on-off, threshold or delta")
    input_threshold: int = Field(0, description="levels of at most this size are no events (signed, on-off)")
    thresholds: int = Field(2, description="thresholds on each side of the mean (threshold)")
    delta: int = Field(8, description="change that is sent, in 1/16 of the mean absolute deviation (delta)")
    energy_budget: str | None = Field(None, description='power that learning may take, e.g. "10 uW"')
    label_delay: int = Field(0, ge=0, description="rows from an input to its label")
    label_fraction: float = Field(1.0, ge=0, le=1, description="share of the rows whose label is told")
    warm_up: int = Field(0, ge=0, description="first rows that are not scored")
    fading: float = Field(0.999, gt=0, lt=1, description="weight of the past in the fading accuracy, a row")
    accuracy_window: int = Field(1000, ge=1, description="rows of the sliding accuracy")
    detector: str = Field("none", description="drift detector on the errors: adwin, ddm, page-hinkley, ...")
    sample_rate: str | None = Field(None, description='samples per second, e.g. "50 Hz"; the source\'s own if left out')
    queue: int = Field(1, ge=0, le=100_000, description="rows that may wait while the processor is busy")
    deadline: str | None = Field(None, description='time from a row to its end, e.g. "20 ms"; one period if left out')
    when_late: str = Field("drop", description="drop what finds the queue full, or skip-update of what waits")
    battery: str = Field("225 mAh at 3 V", description='charge of the battery, or its energy: "2430 J"')

    @model_validator(mode="before")
    @classmethod
    def _single_bits(cls, given: Any) -> Any:
        """Thresholds send single bits; nobody has to say so."""
        if isinstance(given, dict) and given.get("encoder") == "threshold":
            given = {"input_bits": 1} | given
        return given


class BranchSettings(Settings):
    """Settings of predictors on a trace of branches."""

    trace: str | None = Field(None, description="file or named trace; a stream of deep xor if left out")
    predictors: str = Field(
        "bimodal,gshare,perceptron,piecewise,hashed,tage,mdfa,perceptron+mdfa", description="names, divided by commas"
    )
    budget: str = Field("32KB", description="bytes of tables of each predictor")
    pc_shift: int | None = Field(None, ge=0, le=31, description="bits that addresses are shifted by")
    limit: int | None = Field(None, ge=1, description="first N branches only")
    delay: int = Field(0, ge=0, le=4096, description="branches that follow before a branch is trained")
    function: str = Field("xor", description="of the built-in stream: xor, and, mux or xor3")
    noise: int = Field(12, ge=0, le=60, description="random branches between cause and answer of the built-in stream")
    iterations: int = Field(60_000, ge=1, le=10_000_000, description="of the built-in stream")
    seed: int = Field(3, ge=0, description="of the built-in stream")


def _toml_text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


Kind = TypeVar("Kind", bound=Settings)


def make_config(settings: dict[str, Any]) -> RunConfig:
    """Validate the settings of a run; see `validated`."""
    return validated(RunConfig, settings)


def validated(kind: type[Kind], settings: dict[str, Any]) -> Kind:
    """Validate settings.

    Raises
    ------
    UserError
        "setting '...' is not known; known: ..." or "setting '...' = ... is not allowed: ..."
    """
    for key in settings:
        if key not in kind.model_fields:
            raise unknown("setting", key, kind.model_fields)
    try:
        return kind(**settings)
    except ValidationError as error:
        first = error.errors()[0]
        key, given = ".".join(str(part) for part in first["loc"][:1]), first["input"]
        reason = first["msg"].removeprefix("Value error, ")
        raise UserError(f"setting '{key}' = {given!r} is not allowed: {reason[0].lower()}{reason[1:]}") from None


def read_toml(path: Path) -> dict[str, Any]:
    """Read settings from a TOML file.

    Raises
    ------
    UserError
        "config file ... cannot be read"
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"config file {path} cannot be read: {reason}; give a TOML file of settings") from None
