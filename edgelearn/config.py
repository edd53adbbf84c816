"""Settings of every kind of run, each declared once.

A field says default, limits, unit, help text and panel. Flags, TOML keys, error texts and docs/settings.md are made
from it.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo

from edgelearn.errors import UserError, unknown

# Panels of the help, in order; spiking networks and the results come last.
PANELS = (
    "Data", "Trace", "Predictors", "Built-in stream", "Network", "Learning", "Number formats", "Sparsity",
    "Input features", "Labels and evaluation", "Processor and real time", "Spiking neurons", "Spiking input",
    "Spiking plasticity", "Run and output",
)  # fmt: skip
DATA, TRACE, PREDICTORS, BUILT_IN, NETWORK, LEARNING, FORMATS, SPARSITY = PANELS[:8]
FEATURES, EVALUATION, DEVICE, SPIKING, CODING, PLASTICITY, RUN = PANELS[8:]


def setting(
    default: Any, help: str, panel: str, *, unset: str = "", choices: str = "", unit: str = "", flag: str = "",
    **limits: float,
) -> Any:  # fmt: skip
    """Declare a setting.

    Parameters
    ----------
    help : noun phrase without its limits, choices and default, which are added
    panel : heading of the help under which the flag stands
    unset : what None means, e.g. "by rule"
    choices : table of the allowed names as "module:NAME"; whoever uses the setting checks against the same table
    unit : of a number, e.g. "rows"
    flag : name of the flag where it is not that of the field
    limits : ge, gt, le, lt
    """
    extra = {"panel": panel, "unset": unset, "choices": choices, "unit": unit, "flag": flag}
    field: Any = Field(default, description=help, json_schema_extra=extra, **limits)  # type: ignore[call-overload]
    return field


def names_in(table: str) -> tuple[str, ...]:
    """Return the names in a table that is given as "module:NAME"."""
    module, _, name = table.partition(":")
    names: Iterable[str] = getattr(import_module(module), name)
    return tuple(names)


class Declared:
    """What a field says of a setting, as texts."""

    def __init__(self, name: str, field: FieldInfo) -> None:
        extra: dict[str, Any] = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        self.name, self.help, self.default = name, field.description or "", field.default
        self.panel: str = extra.get("panel", RUN)
        self.flag: str = extra.get("flag") or "--" + name.replace("_", "-")
        self._unset, self._table, self._unit = (extra.get(key, "") for key in ("unset", "choices", "unit"))
        kinds = get_args(field.annotation) if get_origin(field.annotation) in (Union, UnionType) else [field.annotation]
        kind = next(one for one in kinds if one is not NoneType)
        self._names = get_args(kind) if get_origin(kind) is Literal else ()
        self.type: Any = type(self._names[0]) if self._names else kind
        self.switch = self._names == (True,)  # given or not, without a value
        self._limits = {
            name: getattr(limit, name)
            for limit in field.metadata
            for name in ("ge", "gt", "le", "lt")
            if hasattr(limit, name)
        }

    @property
    def choices(self) -> tuple[str, ...]:
        """Return the names that are allowed; none where any value of the type may be given."""
        return names_in(self._table) if self._table else () if self.switch else self._names

    @property
    def range(self) -> str:
        """Return the limits of a number: "2 to 16", "1 or more", "between 0 and 1"."""
        if "gt" in self._limits:
            return f"between {self._limits['gt']} and {self._limits['lt']}"
        low, high = self._limits.get("ge"), self._limits.get("le")
        return "" if low is None else f"{low} or more" if high is None else f"{low} to {high}"

    @property
    def allowed(self) -> str:
        """Return what may be given, in the words of an error: "a whole number, 2 to 16"."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        kinds = {int: "a whole number", float: "a number", bool: "true" if self.switch else "true or false"}
        kind = kinds.get(self.type, "a text" if self.type is str else "a list of names")
        return f"{kind}, {self.range}" if self.range else kind

    @property
    def default_text(self) -> str:
        """Return the default, or what happens without a value."""
        if self.default is None or isinstance(self.default, bool):
            return str(self._unset)
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)

    @property
    def text(self) -> str:
        """Return meaning, choices, limits and unit, as the help has them; a table of choices as {module:NAME}."""
        names = f"{{{self._table}}}" if self._table else ", ".join(self.choices)
        return (
            self.help
            + (f" ({self._unit})" if self._unit else "")
            + (f": {names}" if names else "")
            + (f", {self.range}" if self.range else "")
        )


class Settings(BaseModel):
    """Settings of any run. Frozen, and checked when made."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: ClassVar[str] = ""

    @classmethod
    def declared(cls) -> dict[str, Declared]:
        """Return the settings in the order of their panels."""
        declared = [Declared(name, field) for name, field in cls.model_fields.items()]
        return {one.name: one for one in sorted(declared, key=lambda one: PANELS.index(one.panel))}

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

    data: str = setting("digits", "Data set (see `edgelearn data list`), or a .csv or .npz file", DATA)
    label_column: str | None = setting(
        None, "Label column of a .csv file, by name or by number from 1", DATA, unset="last"
    )
    classes: tuple[str, ...] | None = setting(
        None, "Names of the classes to keep, e.g. 3,8; relabelled in this order", DATA, unset="all"
    )
    limit: int | None = setting(None, "Use the first N training samples only", DATA, ge=1, unset="all")
    test_fraction: float = setting(0.2, "Test fraction of a file without a test part", DATA, gt=0, lt=1)
    validation_fraction: float | None = setting(
        None, "Fraction of the training samples held out and tested on, to choose settings", DATA, gt=0, lt=1,
        unset="none",
    )  # fmt: skip
    epochs: int = setting(10, "Passes over the training samples", LEARNING, ge=1)

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

    rule: str = setting("drtp", "Learning rule (see `edgelearn rules`)", LEARNING)
    net: str | None = setting(None, "Layer sizes, e.g. 784-500-10", NETWORK, unset="one hidden layer of 100")
    bits: int = setting(8, "View bits per weight", FORMATS, ge=2, le=16)
    residual_bits: int | None = setting(
        None, "Residual bits per weight, below the view", FORMATS, ge=0, le=8, unset="by rounding"
    )
    rounding: str = setting(
        "residual", "Rounding of weight updates", FORMATS, choices="edgelearn.network.spec:ROUNDINGS"
    )
    input_bits: int = setting(4, "Bits per input level", FORMATS, ge=1, le=8)
    activation: str = setting("tanh", "Hidden activation", NETWORK, choices="edgelearn.network.activations:ACTIVATIONS")
    output: str = setting("sigmoid", "Output activation", NETWORK, choices="edgelearn.network.activations:OUTPUTS")
    feedback: str = setting("int8", "Feedback weights", NETWORK, choices="edgelearn.network.spec:FEEDBACK_FORMATS")
    hidden_rate: int | None = setting(
        None, "Learning rate of the hidden layers, exponent of two", LEARNING, ge=-20, le=0, unset="by rule"
    )
    output_rate: int | None = setting(
        None, "Learning rate of the output layer, exponent of two", LEARNING, ge=-20, le=0, unset="by rule"
    )
    range_exponent: int | None = setting(
        None, "Exponent E of the weight range +-2^E", FORMATS, ge=-8, le=8, unset="by bits"
    )
    event_threshold: int = setting(0, "Largest activation treated as zero", SPARSITY, ge=0, le=126, unit="1/127")
    dead_zone: int = setting(0, "Largest output error treated as zero", SPARSITY, ge=0, le=254, unit="1/255")
    accumulator_bits: int = setting(32, "Width of the wrapping accumulators", FORMATS, ge=8, le=32, unit="bits")
    strict: bool = setting(False, "Stop at the first accumulator overflow or weight saturation", FORMATS)
    processor: str = setting("engine-28nm", "Processor to price on, by name or .toml file", DEVICE)
    update_gate: str = setting(
        "always", "Samples that are learned", SPARSITY, choices="edgelearn.network.spec:UPDATE_GATES"
    )
    margin: int = setting(
        32, "Lead of the true output that --update-gate margin skips", SPARSITY, ge=0, le=255, unit="1/16"
    )
    seed: int = setting(0, "Seed of weights, feedback, order and rounding", RUN, ge=0, le=2**31 - 1)


class RunConfig(RateSettings, DataSettings):
    """Settings of a run. A report carries all of them, so that it can be rerun."""

    kind: ClassVar[str] = "run"
    halve_every: int | None = setting(
        None, "Epochs between halvings of the learning rates", LEARNING, ge=1, unset="never"
    )


class SpikingConfig(DataSettings):
    """Settings of a run of a spiking network; what is left out fits the rule and the data."""

    kind: ClassVar[str] = "spiking"
    spiking: Literal[True] = setting(True, "Use a spiking network", SPIKING)
    epochs: int = setting(10, "Passes over the training samples; 0 only tests", LEARNING, ge=0)
    rule: str = setting("drtp", "Learning rule: drtp, dfa, sdfa or shallow", LEARNING)
    net: str | None = setting(None, "Layer sizes, e.g. 64-64-10", NETWORK, unset="one hidden layer of 64")
    bits: int = setting(8, "Bits per weight", FORMATS, ge=2, le=16)
    rounding: str | None = setting(
        None, "Rounding of weight updates", FORMATS, choices="edgelearn.spiking.network:ROUNDINGS", unset="stochastic"
    )
    neuron: str | None = setting(None, "Neuron model", SPIKING, choices="edgelearn.spiking.network:MODELS", unset="lif")
    reset: str | None = setting(
        None, "Reset of a membrane that spikes", SPIKING, choices="edgelearn.spiking.network:RESETS", unset="subtract"
    )
    threshold: int | None = setting(
        None, "Firing threshold of hidden neurons", SPIKING, ge=1, le=32767, unset="by rule"
    )
    leak: int | None = setting(None, "Membrane time constant: exponent N of 2^N steps", SPIKING, ge=0, le=15, unset="4")
    refractory: int | None = setting(
        None, "Refractory period of hidden neurons", SPIKING, ge=0, le=1000, unit="steps", unset="1"
    )
    gate_on: str | None = setting(
        None, "Variable that gates plasticity", PLASTICITY, choices="edgelearn.spiking.network:GATES", unset="current"
    )
    delay: int | None = setting(None, "Axonal delay", SPIKING, ge=1, le=64, unit="steps", unset="1")
    hidden_shift: int | None = setting(
        None, "Learning rate of hidden weights, 2^-N", PLASTICITY, ge=0, le=30, unset="by rule and bits"
    )
    output_shift: int | None = setting(
        None, "Learning rate of output weights, 2^-N", PLASTICITY, ge=0, le=30, unset="by rule and bits"
    )
    code: str | None = setting(
        None, "Spike code", CODING, choices="edgelearn.spiking.coding:CODES", unset="rate; address events as they are"
    )
    steps: int | None = setting(
        None, "Time steps per sample", CODING, ge=1, le=100_000, unset="32; events: 30; delta code: a window"
    )
    step_time: str | None = setting(None, 'Duration of a step of address events, e.g. "10 ms"', CODING, unset="10 ms")
    first_label: int | None = setting(
        None, "Step of the first label event of a sample", PLASTICITY, ge=0, unset="by rule and code"
    )
    label_period: int | None = setting(
        None, "Period of label events", PLASTICITY, ge=1, unit="steps", unset="by rule and code"
    )
    window: int | None = setting(None, "Window of a sensor stream", CODING, ge=1, unit="samples", unset="none")
    stride: int | None = setting(None, "Stride of windows", CODING, ge=1, unit="samples", unset="a window")
    delta: int | None = setting(
        None, "Threshold of the delta code", CODING, unit="1/16 of the mean absolute deviation", ge=1, unset="8"
    )
    start: str | None = setting(None, "NIR graph to start from, a .nir file", CODING, unset="none")
    processor: str = setting("loihi-like", "Neuromorphic core to price on", DEVICE)
    seed: int = setting(0, "Seed of weights, feedback, spikes and rounding", RUN, ge=0, le=2**31 - 1)


class StreamConfig(RateSettings):
    """Settings of learning on a stream."""

    kind: ClassVar[str] = "stream"
    data: str = setting(
        "drift", "Stream (see `edgelearn data list`), file, folder of recordings, or - for standard input", DATA
    )
    columns: str | None = setting(
        None, "TOML file that names feature, label, time and subject columns", DATA, unset="none"
    )
    label_column: str | None = setting(
        None, "Label column of a text table, by name or by number from 1", DATA, unset="last"
    )
    subjects: str | None = setting(None, "Subjects or recordings to keep, e.g. 1600-1624,1630", DATA, unset="all")
    limit: int | None = setting(None, "Stop after N samples", DATA, ge=1, unset="none")
    classes: int | None = setting(None, "Maximum number of classes for live input", DATA, ge=2, unset="10")
    hidden: str = setting("64", "Hidden layer sizes, e.g. 64 or 64-32; 0 for none", NETWORK)
    net: str | None = setting(None, "All layer sizes, in place of --hidden", NETWORK, unset="by --hidden")
    output: str = setting("softmax", "Output activation", NETWORK, choices="edgelearn.network.activations:OUTPUTS")
    hidden_rate: int | None = setting(-4, "Learning rate of the hidden layers, exponent of two", LEARNING, ge=-20, le=0)
    output_rate: int | None = setting(-3, "Learning rate of the output layer, exponent of two", LEARNING, ge=-20, le=0)
    input_bits: int = setting(5, "Bits per input level, sign included", FORMATS, ge=1, le=8)
    window: int = setting(1, "Window length", FEATURES, ge=1, le=100_000, unit="samples")
    stride: int = setting(1, "Stride of windows", FEATURES, ge=1, le=1_000_000, unit="samples")
    features: str = setting(
        "samples", "Features of a window", FEATURES, choices="edgelearn.streaming.front_end:FEATURES"
    )
    time_constant: int = setting(8, "Time constant of the normalisation: exponent N of 2^N rows", FEATURES, ge=0, le=24)
    reach: int = setting(3, "Value of the highest level", FEATURES, ge=1, le=64, unit="mean absolute deviations")
    encoder: str = setting("signed", "Input encoder", FEATURES, choices="edgelearn.streaming.front_end:ENCODERS")
    input_threshold: int = setting(0, "Largest level treated as zero, of signed and on-off", FEATURES, ge=0, le=254)
    thresholds: int = setting(2, "Thresholds on each side of the mean, of threshold", FEATURES, ge=1, le=63)
    delta: int = setting(
        8, "Threshold of the delta encoder", FEATURES, unit="1/16 of the mean absolute deviation", ge=1, le=1024
    )
    energy_budget: str | None = setting(None, 'Maximum power of learning, e.g. "10 uW"', DEVICE, unset="unlimited")
    label_delay: int = setting(0, "Delay of labels", EVALUATION, ge=0, unit="rows")
    label_fraction: float = setting(1.0, "Fraction of rows that are labelled", EVALUATION, ge=0, le=1)
    warm_up: int = setting(0, "Rows at the start that are not scored", EVALUATION, ge=0)
    fading: float = setting(0.999, "Fading factor of the prequential accuracy, per row", EVALUATION, gt=0, lt=1)
    accuracy_window: int = setting(1000, "Sliding window of the accuracy", EVALUATION, ge=1, unit="rows")
    detector: str = setting(
        "none", "Drift detector on the errors", EVALUATION, choices="edgelearn.streaming.drift:DETECTORS"
    )
    sample_rate: str | None = setting(None, 'Sample rate, e.g. "50 Hz"', DEVICE, unset="that of the source")
    queue: int = setting(1, "Queue length", DEVICE, ge=0, le=100_000, unit="rows")
    deadline: str | None = setting(None, 'Deadline per row, e.g. "20 ms"', DEVICE, unset="one sampling period")
    when_late: Literal["drop", "skip-update"] = setting("drop", "Overload policy", DEVICE)
    battery: str = setting("225 mAh at 3 V", 'Battery, by charge and voltage or by energy, e.g. "2430 J"', DEVICE)

    @model_validator(mode="before")
    @classmethod
    def _single_bits(cls, given: Any) -> Any:
        """Thresholds send single bits; nobody has to say so."""
        if isinstance(given, dict) and given.get("encoder") == "threshold":
            given = {"input_bits": 1} | given
        return given


class BranchSettings(Settings):
    """Settings of predictors on a trace of branches."""

    kind: ClassVar[str] = "branch"
    trace: str | None = setting(
        None, "Trace file or named trace (see `edgelearn branch --list`)", TRACE, unset="built-in delayed-xor stream"
    )
    predictors: str = setting(
        "bimodal,gshare,perceptron,piecewise,hashed,tage,mdfa,perceptron+mdfa",
        "Predictors, separated by commas, with parameters after colons, e.g. mdfa,gshare:13",
        PREDICTORS,
        flag="--predictor",
    )
    budget: str = setting("32KB", "Table size per predictor, e.g. 32KB", PREDICTORS)
    pc_shift: int | None = setting(None, "Address shift", TRACE, ge=0, le=31, unit="bits", unset="by format")
    limit: int | None = setting(None, "Use the first N branches only", TRACE, ge=1, unset="all")
    delay: int = setting(0, "Training delay", PREDICTORS, ge=0, le=4096, unit="branches")
    function: str = setting("xor", "Function to predict", BUILT_IN, choices="edgelearn.branch.synthetic:FUNCTIONS")
    noise: int = setting(12, "Random branches between cause and effect", BUILT_IN, ge=0, le=60)
    iterations: int = setting(60_000, "Iterations", BUILT_IN, ge=1, le=10_000_000)
    seed: int = setting(3, "Seed", BUILT_IN, ge=0)


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
        "setting '...' is not known; known: ..." or "setting '...' = ... is not allowed; give ..."
    """
    for key in settings:
        if key not in kind.model_fields:
            raise unknown("setting", key, kind.model_fields)
    try:
        return kind(**settings)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        own = first["type"] == "value_error"  # a validator of the class says it
        reason = f": {first['ctx']['error']}" if own else f"; give {kind.declared()[key].allowed}"
        raise UserError(f"setting '{key}' = {settings[key]!r} is not allowed{reason}") from None


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
