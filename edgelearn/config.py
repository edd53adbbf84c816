"""Settings of every kind of run, each declared once.

A field says default, limits, unit, help text and panel. Flags, TOML keys, error texts and docs/settings.md are made
from it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, core_schema

from edgelearn import files
from edgelearn.errors import MOST_LETTERS, UserError, unknown
from edgelearn.rules import RULES, Backend, rules_for, split_names
from edgelearn.units import battery_joules, quantity, size_bytes, span

# Panels of the help, in order; spiking networks and the results come last.
PANELS = (
    "Data", "Trace", "Predictors", "Built-in stream", "Network", "Learning", "Number formats", "Sparsity",
    "Input features", "Anomaly detection", "Labels and evaluation", "Processor and real time", "Spiking neurons",
    "Spiking input", "Spiking plasticity", "Run and output",
)  # fmt: skip
DATA, TRACE, PREDICTORS, BUILT_IN, NETWORK, LEARNING, FORMATS, SPARSITY = PANELS[:8]
FEATURES, DETECTION, EVALUATION, DEVICE, SPIKING, CODING, PLASTICITY, RUN = PANELS[8:]


def setting(
    default: Any,
    help: str,
    panel: str,
    flag: str = "",
    needs: tuple[str | None, ...] = (),
    later: bool = False,
    **limits: float,
) -> Any:
    """Declare a setting.

    Parameters
    ----------
    help : noun phrase with the unit in parentheses; limits and default are added. A table of the allowed names is
        given as {module:NAME}; whoever uses the setting checks against the same table. What None means stands in
        brackets at the end, e.g. [by rule]
    panel : heading of the help under which the flag stands
    flag : name of the flag where it is not that of the field
    needs : another setting and its values with which this one has an effect, e.g. ("encoder", "delta")
    later : whether results were written before it was declared: at its default it is in no report, digest or checkpoint
    limits : ge, gt, le, lt
    """
    extra: Any = {"panel": panel, "flag": flag, "needs": list(needs), "later": later}
    field: Any = Field(default, description=help, json_schema_extra=extra, **limits)  # type: ignore[call-overload]
    return field


def _read_by(read: Callable[[str], float]) -> AfterValidator:
    """Return a check that a text with a unit can be read; the text itself is kept, as the user wrote it."""

    def check(text: str) -> str:
        read(text)
        return text

    return AfterValidator(check)


Time = Annotated[str, _read_by(partial(quantity, dimension="time"))]
Rate = Annotated[str, _read_by(partial(quantity, dimension="rate"))]
Power = Annotated[str, _read_by(partial(quantity, dimension="power"))]
Battery = Annotated[str, _read_by(battery_joules)]
Size = Annotated[str, _read_by(size_bytes)]


@dataclass(frozen=True)
class SpanLimits:
    """Read a number of samples between limits, or a duration, whose samples are counted once the rate is known."""

    ge: int
    le: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self._read, handler(source))

    def _read(self, value: Any) -> int | str:
        found = span(value)
        if isinstance(found, int) and not self.ge <= found <= self.le:
            raise PydanticCustomError("span", "out of range")
        return found


Window = Annotated[int | str, SpanLimits(1, 100_000)]
Stride = Annotated[int | str, SpanLimits(1, 1_000_000)]
Phase = Annotated[int | str, SpanLimits(0, 10**9)]


def expand(text: str) -> str:
    """Put the names of a table where a text says {module:NAME}; the module is imported only then."""

    def names(match: re.Match[str]) -> str:
        return ", ".join(getattr(import_module(match[1]), match[2]))

    return re.sub(r"{([\w.]+):(\w+)}", names, text)


class Declared:
    """What a field says of a setting, as texts."""

    def __init__(self, name: str, field: FieldInfo) -> None:
        extra: dict[str, Any] = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        self.name, self.default, self.panel = name, field.default, str(extra.get("panel", RUN))
        self.help, _, unset = (field.description or "").removesuffix("]").partition(" [")
        self.flag = str(extra.get("flag") or "--" + name.replace("_", "-"))
        self.needs: tuple[Any, ...] = tuple(extra.get("needs") or ())
        self.later = bool(extra.get("later"))
        kinds = get_args(field.annotation) if get_origin(field.annotation) in (Union, UnionType) else [field.annotation]
        kind, limited = next(one for one in kinds if one is not NoneType), list(field.metadata)
        if get_origin(kind) is Annotated:
            kind, *more = get_args(kind)
            limited += more
        self.is_span = {int, str} <= {kind, *kinds, *get_args(kind)}
        kind = str if self.is_span else kind
        names = get_args(kind) if get_origin(kind) is Literal else ()
        self.type: Any = type(names[0]) if names else kind
        self.switch = names == (True,)  # given or not, without a value
        if names and not self.switch:
            self.help += f": {', '.join(names)}"
        default = f"{field.default:g}" if isinstance(field.default, float) else str(field.default)
        self.default_text = unset if field.default is None or self.type is bool else default
        limits = {key: getattr(one, key) for one in limited for key in ("ge", "gt", "le", "lt") if hasattr(one, key)}
        self.range = ""
        if "gt" in limits:
            self.range = f"between {limits['gt']} and {limits['lt']}"
        elif "ge" in limits:
            self.range = f"{limits['ge']} to {limits['le']}" if "le" in limits else f"{limits['ge']} or more"
        if self.is_span:
            self.range += ' samples, or a duration, e.g. "2 s"'

    @property
    def text(self) -> str:
        """Return meaning and limits, as the help has them."""
        return f"{self.help}, {self.range}" if self.range else self.help

    @property
    def allowed(self) -> str:
        """Return what may be given, in the words of an error: "a whole number, 2 to 16"."""
        if ": " in self.help and self.type is str:
            return f"one of {expand(self.help).partition(': ')[2]}"
        kinds = {int: "a whole number", float: "a number", bool: "true" if self.switch else "true or false"}
        kind = kinds.get(self.type, "a text" if self.type is str else "a list of names")
        kind = "a whole number" if self.is_span else kind
        return f"{kind}, {self.range}" if self.range else kind


MOST_VIEW_BITS = 8  # of a weight whose stored bits alone are given
FEWEST_TO_NEAREST = 12  # stored bits from which rounding to nearest on residual bits learns as well as stochastic
LEARN_HIDDEN = tuple(rule.name for rule in RULES.values() if rule.learns_hidden)
STORE_FEEDBACK = tuple(rule.name for rule in RULES.values() if rule.stores_feedback)
READ_OUT = tuple(rule.name for rule in RULES.values() if rule.reads_out)


class Settings(BaseModel):
    """Settings of any run. Frozen, and checked when made."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: ClassVar[str] = ""

    @classmethod
    def declared(cls) -> dict[str, Declared]:
        """Return the settings in the order of the class, which is that of files and tables."""
        return {name: Declared(name, field) for name, field in cls.model_fields.items()}

    @field_validator("label_column", "time_column", "subject_column", "hidden", mode="before", check_fields=False)
    @classmethod
    def _index_as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out settings declared later that are at their default: files are those of earlier versions.

        `learn` stays beside a start, from whose results it would be taken otherwise.
        """
        values: dict[str, Any] = dump(self)
        kept = {"learn"} if values.get("start") is not None else set()
        return {
            key: value for key, value in values.items() if key in kept or not _is_later_default(type(self), key, value)
        }

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


@cache
def later_defaults(kind: type[Settings]) -> dict[str, Any]:
    """Return names and defaults of the settings that files omit at their default."""
    return {name: one.default for name, one in kind.declared().items() if one.later}


def _is_later_default(kind: type[Settings], key: str, value: Any) -> bool:
    later = later_defaults(kind)
    return key in later and value == later[key]


class ColumnSettings(Settings):
    """Settings that say which column of the data is what, and how it is written."""

    data: str = setting("", "Data", DATA)
    features: tuple[str, ...] | None = setting(
        None, "Feature columns, by name or number, e.g. ax,ay,az [all columns of numbers that are nothing else]", DATA
    )
    ignore: tuple[str, ...] | None = setting(None, "Columns to leave out, e.g. id,date [none]", DATA)
    label_column: str | None = setting(None, "Label column, by name or by number from 1 [by name, else the last]", DATA)
    label_from: str | None = setting(
        None, r'Label in names of files or folders: pattern with one group, e.g. "(\w+)\.csv" [none]', DATA
    )
    labels: str | None = setting(None, "Second file, with the label of each row [none]", DATA)
    time_column: str | None = setting(None, "Time column, by name or number [by name]", DATA)
    time_format: str | None = setting(None, 'Format of times, e.g. "%d/%m/%Y %H:%M:%S" [by the cells]', DATA)
    time_unit: Literal["s", "ms", "us", "ns"] | None = setting(
        None, "Unit of times that are numbers [by name and size]", DATA
    )
    subject_column: str | None = setting(None, "Subject or recording column, by name or number [by name]", DATA)
    missing: tuple[str, ...] | None = setting(
        None, "Codes of missing values besides empty cells, NA and ?, e.g. -200 [none]", DATA
    )
    encoding: str | None = setting(None, "Encoding of text, e.g. cp1252 [UTF-8, else cp1252]", DATA)
    decimal: Literal[".", ","] | None = setting(None, "Decimal mark [by the cells]", DATA)

    @field_validator("features", "ignore", "missing", "classes", "target_columns", mode="before", check_fields=False)
    @classmethod
    def _as_names(cls, value: Any, info: ValidationInfo) -> Any:
        """Take "3,8" as from the command line, and lists of names or numbers as from TOML and JSON."""
        if info.field_name == "classes" and isinstance(value, int):  # how many, of a stream
            return value
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",")]
        if isinstance(value, list | tuple):
            return tuple(str(item) if type(item) in (int, float) else item for item in value)
        return str(value) if type(value) in (int, float) else value

    @field_validator("features", "ignore", "missing", "target_columns", check_fields=False)
    @classmethod
    def _no_empty_names(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and (not value or not all(value) or len(set(value)) != len(value)):
            raise ValueError(f"'{','.join(value)}' has an empty or a repeated name; give names divided by commas")
        return value

    @field_validator("label_from")
    @classmethod
    def _one_group(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                n_groups = re.compile(value).groups
            except re.error as error:
                raise ValueError(f"'{value}' is no pattern ({error})") from None
            if n_groups != 1:
                raise ValueError(rf"'{value}' needs one group in parentheses, such as '(\w+)\.csv'")
        return value


class DataSettings(ColumnSettings):
    """Settings of a data set that is learned in epochs."""

    data: str = setting("digits", "Data set (see `edgelearn data list`), or a .csv, .tsv or .npz file", DATA)
    classes: tuple[str, ...] | None = setting(
        None, "Names of the classes to keep, e.g. 3,8; relabelled in this order [all]", DATA
    )
    limit: int | None = setting(None, "Use the first N training samples only [all]", DATA, ge=1)
    test_fraction: float = setting(0.2, "Test fraction of a file without a test part", DATA, gt=0, lt=1)
    validation_fraction: float | None = setting(
        None, "Fraction of the training samples held out and tested on, to choose settings [none]", DATA, gt=0, lt=1
    )
    epochs: int = setting(10, "Passes over the training samples", LEARNING, ge=1)

    @field_validator("classes")
    @classmethod
    def _two_classes(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and (len(value) < 2 or len(set(value)) != len(value)):
            raise ValueError(f"{', '.join(value)} cannot be learned; at least two different classes are needed")
        return value


class RateSettings(Settings):
    """Settings of a rate network, its learning rule and its processor."""

    rule: str = setting(
        "drtp", "Learning rule (see `edgelearn rules`), or one per hidden layer, e.g. dfa,drtp", LEARNING
    )
    learn: str = setting(
        "all",
        "Words that learn: all, last (output layer), last2 (and the layer below), ..., bias (and the output layer), "
        "or all, bias or none per layer, e.g. none+all+all",
        LEARNING,
        later=True,
    )
    net: str | None = setting(
        None,
        "Layer sizes, e.g. 784-500-10, or layers, e.g. 28x28x1-conv16x5x5-pool2-fc128-10 [one hidden layer of 100]",
        NETWORK,
    )
    input_shape: str | None = setting(
        None,
        "Height x width x channels of the inputs of convolutions, e.g. 28x28x1; values in this order, channels last "
        "[by --net or the data set]",
        NETWORK,
        later=True,
    )
    kernels: str = setting(
        "learn", "Kernels of convolutions: {edgelearn.network.convolutions:KERNELS}", LEARNING, later=True
    )
    kernel_rate: int | None = setting(
        None,
        "Learning rate of kernels, exponent of two [by rule and hidden rate]",
        LEARNING,
        needs=("kernels", "learn"),
        later=True,
        ge=-20,
        le=0,
    )
    kernel_bias: bool = setting(False, "Biases of kernels, which make empty background active", NETWORK, later=True)
    feedback_kind: str = setting(
        "element",
        "Direct feedback into convolutions, per element or per map: {edgelearn.network.convolutions:FEEDBACK_KINDS}",
        NETWORK,
        later=True,
    )
    teach: str = setting(
        "elements",
        "Where direct feedback enters, behind or before the pooling: {edgelearn.network.convolutions:TEACHES}",
        NETWORK,
        later=True,
    )
    start: str | None = setting(
        None,
        "Trained model or results folder to start from; layer sizes, activation, output, feedback (of a model: "
        "imported) and input bits (of a model: 8) are then its own [random]",
        NETWORK,
        later=True,
    )
    cut: str | None = setting(
        None,
        "Tensor of the model of --start whose values are the data [first with dense layers alone behind it]",
        NETWORK,
        later=True,
    )
    classes_from: Literal["start", "data"] = setting(
        "start", "Classes of a network of --start; those that only the data have get new outputs", NETWORK, later=True
    )
    convert: bool = setting(
        False,
        "Compute the layers in front of the cut in whole numbers, too; the data are inputs of the model then",
        NETWORK,
        later=True,
    )
    calibrate: int = setting(200, "Samples that --convert takes scales from", NETWORK, later=True, ge=1, le=10_000)
    bits: int = setting(8, "View bits per weight", FORMATS, ge=2, le=16)
    residual_bits: int | None = setting(None, "Residual bits per weight [by rounding]", FORMATS, ge=0, le=8)
    weight_bits: int | None = setting(
        None,
        "Stored bits per weight (view + residual; rounding is stochastic below 12) [by view and residual bits]",
        FORMATS,
        flag="--stored-bits",
        ge=2,
        le=16,
    )
    rounding: str = setting("residual", "Rounding of weight updates: {edgelearn.network.spec:ROUNDINGS}", FORMATS)
    input_bits: int = setting(4, "Bits per input level", FORMATS, ge=1, le=8)
    activation: str = setting("tanh", "Hidden activation: {edgelearn.network.activations:ACTIVATIONS}", NETWORK)
    output: str = setting("sigmoid", "Output activation: {edgelearn.network.activations:OUTPUTS}", NETWORK)
    feedback: str = setting(
        "int8",
        "Feedback weights: {edgelearn.network.spec:FEEDBACKS}",
        NETWORK,
        needs=("rule", *STORE_FEEDBACK),
    )
    hidden_rate: int | None = setting(
        None, "Hidden learning rate, exponent of two [by rule]", LEARNING, needs=("rule", *LEARN_HIDDEN), ge=-20, le=0
    )
    output_rate: int | None = setting(None, "Output learning rate, exponent of two [by rule]", LEARNING, ge=-20, le=0)
    range_exponent: int | None = setting(None, "Exponent E of the weight range +-2^E [by bits]", FORMATS, ge=-8, le=8)
    event_threshold: int = setting(0, "Largest activation treated as zero (1/127)", SPARSITY, ge=0, le=126)
    dead_zone: int = setting(0, "Largest output error treated as zero (1/255)", SPARSITY, ge=0, le=254)
    local_dead_zone: int | None = setting(
        None,
        "Largest error of a readout treated as zero (1/255) [that of the outputs]",
        SPARSITY,
        needs=("rule", *READ_OUT),
        later=True,
        ge=0,
        le=254,
    )
    accumulator_bits: int = setting(32, "Width of the wrapping accumulators (bits)", FORMATS, ge=8, le=32)
    delta_bits: int = setting(
        16, "Widest factor of learning: error, modulator, modulated gate d (bits)", FORMATS, ge=2, le=16
    )
    strict: bool = setting(False, "Stop at the first accumulator overflow or weight saturation", FORMATS)
    processor: str = setting("engine-28nm", "Processor to price on, by name or .toml file", DEVICE)
    update_gate: str = setting("always", "Samples that are learned: {edgelearn.network.spec:UPDATE_GATES}", SPARSITY)
    margin: int = setting(
        32,
        "Lead of the true output that --update-gate margin skips (1/16)",
        SPARSITY,
        needs=("update_gate", "margin"),
        ge=0,
        le=255,
    )
    seed: int = setting(0, "Seed of weights, feedback, order and rounding", RUN, ge=0, le=2**31 - 1)

    @field_validator("rule", "learn")
    @classmethod
    def _per_layer(cls, value: str) -> str:
        """Join values per layer by "+": commas separate lists of rules and grids."""
        return "+".join(split_names(value)) if "," in value or "+" in value else value

    @model_validator(mode="before")
    @classmethod
    def _from_start(cls, given: Any) -> Any:
        """Fill in settings that the source of --start decides."""
        if not isinstance(given, dict) or type(given.get("start")) is not str:
            return given
        return import_module("edgelearn.runs.start_settings").completed(cls.kind, given)

    @model_validator(mode="before")
    @classmethod
    def _split_stored_bits(cls, given: Any) -> Any:
        """Derive view bits, residual bits and rounding from the stored bits; all given, they must add up."""
        stored = given.get("weight_bits") if isinstance(given, dict) else None
        if type(stored) is not int or not 2 <= stored <= 16:  # refused by its field, if it is there
            return given
        bits, residual = given.get("bits"), given.get("residual_bits")
        if type(bits) is not int:
            whole = given.get("rounding") == "nearest"
            bits = stored - residual if type(residual) is int else stored if whole else min(stored, MOST_VIEW_BITS)
        if type(residual) is not int:
            residual = stored - bits
        if bits + residual != stored or not 2 <= bits <= 16 or not 0 <= residual <= 8:
            raise UserError(
                f"a weight of {stored} stored bits (--stored-bits) cannot be {bits} view bits + {residual} residual "
                f"bits; give 2 to 16 view bits (--bits) and 0 to 8 residual bits (--residual-bits) that make {stored}, "
                "or one of them"
            )
        rounding = "residual" if residual and stored >= FEWEST_TO_NEAREST else "stochastic"
        return {"rounding": rounding} | given | {"bits": bits, "residual_bits": residual}


class RunConfig(RateSettings, DataSettings):
    """Settings of a run. A report carries all of them, so that it can be rerun."""

    kind: ClassVar[str] = "run"
    task: Literal["classify", "regression", "reconstruct"] = setting(
        "classify",
        "Task; regression learns the numbers of --target-columns, reconstruct those of the inputs, without labels",
        LEARNING,
        later=True,
    )
    target_columns: tuple[str, ...] | None = setting(
        None, "Columns of numbers to learn, by name [none]", DATA, needs=("task", "regression"), later=True
    )
    halve_every: int | None = setting(None, "Epochs between halvings of the learning rates [never]", LEARNING, ge=1)
    hidden_inference: str = setting(
        "full", "Hidden activations without a label: {edgelearn.network.spec:HIDDEN_INFERENCE}", NETWORK, later=True
    )
    old: str | None = setting(
        None, "Data that the network of --start knew, tested before and after learning [none]", NETWORK, later=True
    )

    @model_validator(mode="before")
    @classmethod
    def _linear_outputs(cls, given: Any) -> Any:
        """Outputs of networks without classes are linear unless another kind is asked for."""
        if isinstance(given, dict) and given.get("task") in ("regression", "reconstruct"):
            given = {"output": "linear"} | given
        return given


class SpikingConfig(DataSettings):
    """Settings of a run of a spiking network; what is left out fits the rule and the data."""

    kind: ClassVar[str] = "spiking"
    spiking: Literal[True] = setting(True, "Use a spiking network", SPIKING)
    epochs: int = setting(10, "Passes over the training samples; 0 only tests", LEARNING, ge=0)
    rule: str = setting("drtp", f"Learning rule: {', '.join(rules_for(Backend.SPIKING))}", LEARNING)
    net: str | None = setting(None, "Layer sizes, e.g. 64-64-10 [one hidden layer of 64]", NETWORK)
    bits: int = setting(8, "Bits per weight", FORMATS, ge=2, le=16)
    rounding: str | None = setting(
        None, "Rounding of weight updates: {edgelearn.spiking.network:ROUNDINGS} [stochastic]", FORMATS
    )
    neuron: str | None = setting(None, "Neuron model: {edgelearn.spiking.network:MODELS} [lif]", SPIKING)
    reset: str | None = setting(None, "Membrane reset: {edgelearn.spiking.network:RESETS} [subtract]", SPIKING)
    threshold: int | None = setting(None, "Firing threshold of hidden neurons [by rule]", SPIKING, ge=1, le=32767)
    leak: int | None = setting(None, "Membrane time constant: exponent N of 2^N steps [4]", SPIKING, ge=0, le=15)
    refractory: int | None = setting(None, "Refractory period of hidden neurons (steps) [1]", SPIKING, ge=0, le=1000)
    gate_on: str | None = setting(None, "Gating variable: {edgelearn.spiking.network:GATES} [current]", PLASTICITY)
    delay: int | None = setting(None, "Axonal delay (steps) [1]", SPIKING, ge=1, le=64)
    hidden_shift: int | None = setting(
        None,
        "Hidden learning rate, 2^-N [by rule and bits]",
        PLASTICITY,
        needs=("rule", *(name for name in rules_for(Backend.SPIKING) if RULES[name].learns_hidden)),
        ge=0,
        le=30,
    )
    output_shift: int | None = setting(None, "Output learning rate, 2^-N [by rule and bits]", PLASTICITY, ge=0, le=30)
    code: str | None = setting(
        None, "Spike code: {edgelearn.spiking.network:CODES} [rate; address events as they are]", CODING
    )
    steps: int | None = setting(
        None, "Time steps per sample [32; events: 30; delta code: a window]", CODING, ge=1, le=100_000
    )
    step_time: Time | None = setting(
        None,
        'Duration of a step of address events or of the graph of --start, e.g. "10 ms" [10 ms; by the graph]',
        CODING,
    )
    first_label: int | None = setting(
        None, "Step of the first label event [by rule and code]", PLASTICITY, ge=0, le=100_000
    )
    label_period: int | None = setting(
        None, "Period of label events (steps) [by rule and code]", PLASTICITY, ge=1, le=100_000
    )
    window: Window | None = setting(None, "Window of a sensor stream [none]", CODING)
    stride: Stride | None = setting(None, "Stride of windows [a window]", CODING)
    delta: int | None = setting(
        None, "Delta threshold (1/16 of the mean absolute deviation) [8]", CODING, ge=1, le=1024
    )
    start: str | None = setting(None, "NIR graph to start from, a .nir file [none]", CODING)
    processor: str = setting("loihi-like", "Neuromorphic core to price on", DEVICE)
    seed: int = setting(0, "Seed of weights, feedback, spikes and rounding", RUN, ge=0, le=2**31 - 1)


CLASSES, ANOMALY, NUMBERS = ("task", "classify"), ("task", "anomaly"), ("task", "regression")
# settings of a stream whose defaults are others where its rows are learned without labels; docs/anomaly.md
ANOMALY_DEFAULTS: dict[str, Any] = {
    "rule": "dfa",
    "hidden": "auto",
    "output": "linear",
    "hidden_rate": -2,
    "output_rate": -2,
    "input_bits": 8,
    "time_constant": 10,
    "reach": 32,
}


REGRESSION_DEFAULTS: dict[str, Any] = {
    "rule": "dfa",
    "output": "linear",
    "hidden_rate": -6,
    "output_rate": -6,
    "input_bits": 8,
}


class StreamConfig(RateSettings, ColumnSettings):
    """Settings of learning on a stream."""

    kind: ClassVar[str] = "stream"
    task: Literal["classify", "anomaly", "regression"] = setting(
        "classify",
        "Task; anomaly learns rows without labels, and scores how far each is from normal; regression learns numbers",
        LEARNING,
        later=True,
    )
    target_columns: tuple[str, ...] | None = setting(
        None, "Columns of numbers to learn, by name [all, of --predict next]", DATA, needs=NUMBERS, later=True
    )
    predict: Literal["same", "next"] = setting(
        "same",
        "Row whose targets are predicted; the next one is from all columns of this one, the targets among them",
        LEARNING,
        needs=NUMBERS,
        later=True,
    )
    score: str = setting(
        "absolute",
        "Error of an output in the score of a row: {edgelearn.streaming.detector:SCORES}",
        DETECTION,
        needs=ANOMALY,
        later=True,
    )
    score_smoothing: int = setting(
        4,
        "Decaying mean of scores: exponent S of the weight 2^-S of a new one",
        DETECTION,
        needs=ANOMALY,
        later=True,
        ge=0,
        le=12,
    )
    calibrate_rows: Phase | None = setting(
        None, "Rows that the front end adapts to first [8 % of the stream]", DETECTION, needs=ANOMALY, later=True
    )
    train_rows: Phase | None = setting(
        None, "Rows that are learned then [3 % of the stream]", DETECTION, needs=ANOMALY, later=True
    )
    threshold_rows: Phase | None = setting(
        None, "Rows that the threshold is taken from then [4 % of the stream]", DETECTION, needs=ANOMALY, later=True
    )
    threshold: str = setting(
        "quantile",
        "Threshold of the score: {edgelearn.streaming.detector:THRESHOLDS}",
        DETECTION,
        needs=ANOMALY,
        later=True,
    )
    threshold_quantile: float = setting(
        0.99, "Quantile of the scores, of threshold quantile", DETECTION, needs=ANOMALY, later=True, ge=0, le=1
    )
    threshold_factor: float = setting(
        1.5,
        "Factor of the quantile, or mean absolute deviations above the mean; in sixteenths",
        DETECTION,
        needs=ANOMALY,
        later=True,
        ge=1 / 16,
        le=4095 / 16,
    )
    threshold_follow: int = setting(
        0,
        "Threshold that follows rows without alarm: exponent R of the weight 2^-R of a row, 4 to 12; 0 for a fixed one",
        DETECTION,
        needs=ANOMALY,
        later=True,
        ge=0,
        le=12,
    )
    learn_while: str = setting(
        "never",
        "Rows that are learned while detecting: {edgelearn.streaming.detector:LEARN_WHILE}",
        DETECTION,
        needs=ANOMALY,
        later=True,
    )
    adapt_while: str = setting(
        "threshold",
        "Rows that the front end adapts to, up to the end of a phase: {edgelearn.streaming.detector:ADAPT_WHILE}",
        DETECTION,
        needs=ANOMALY,
        later=True,
    )
    restart: Literal["recording", "never"] | None = setting(
        None,
        "Where network, front end and phases begin anew [each recording, of streams that say how many of its first "
        "rows are normal; else never]",
        DETECTION,
        needs=ANOMALY,
        later=True,
    )
    normal_class: str | None = setting(
        None,
        "Class of normal rows; all others are anomalies [0, false, no, normal or ok]",
        DETECTION,
        needs=ANOMALY,
        later=True,
    )
    data: str = setting(
        "drift", "Stream (see `edgelearn data list`), file, folder of recordings, or - for standard input", DATA
    )
    columns: str | None = setting(None, "TOML file that names feature, label, time and subject columns [none]", DATA)
    subjects: str | None = setting(None, "Subjects or recordings to keep, e.g. 1600-1624,1630 [all]", DATA)
    limit: int | None = setting(None, "Stop after N samples [none]", DATA, ge=1)
    classes: int | None = setting(
        None, "Maximum number of classes for live input [10]", DATA, needs=("data", "-"), ge=2
    )
    hidden: str = setting(
        "64", "Hidden layer sizes, e.g. 64 or 64-32; 0 for none; auto for anomalies", NETWORK, needs=("net", None)
    )
    net: str | None = setting(None, "All layer sizes, in place of --hidden [by --hidden]", NETWORK)
    output: str = setting("softmax", "Output activation: {edgelearn.network.activations:OUTPUTS}", NETWORK)
    hidden_rate: int | None = setting(
        -4, "Hidden learning rate, exponent of two", LEARNING, needs=("rule", *LEARN_HIDDEN), ge=-20, le=0
    )
    output_rate: int | None = setting(-3, "Output learning rate, exponent of two", LEARNING, ge=-20, le=0)
    input_bits: int = setting(5, "Bits per input level, sign included", FORMATS, ge=1, le=8)
    window: Window = setting(1, "Window length", FEATURES)
    stride: Stride = setting(1, "Stride of windows", FEATURES)
    window_features: str = setting(
        "samples", "Features of a window: {edgelearn.streaming.front_end:FEATURES}", FEATURES
    )
    time_constant: int = setting(8, "Time constant of the normalisation: exponent N of 2^N rows", FEATURES, ge=0, le=24)
    reach: int = setting(
        3,
        "Value of the highest level (mean absolute deviations), not of delta",
        FEATURES,
        needs=("encoder", "signed", "levels", "on-off", "threshold"),
        ge=1,
        le=64,
    )
    encoder: str = setting("signed", "Input encoder: {edgelearn.streaming.front_end:ENCODERS}", FEATURES)
    input_threshold: int = setting(
        0,
        "Largest level treated as zero, of signed and on-off",
        FEATURES,
        needs=("encoder", "signed", "on-off"),
        ge=0,
        le=254,
    )
    thresholds: int = setting(
        2, "Thresholds on each side of the mean, of threshold", FEATURES, needs=("encoder", "threshold"), ge=1, le=63
    )
    delta: int = setting(
        8,
        "Delta threshold (1/16 of the mean absolute deviation), of delta",
        FEATURES,
        needs=("encoder", "delta"),
        ge=1,
        le=1024,
    )
    energy_budget: Power | None = setting(
        None, 'Maximum power of learning, e.g. "10 uW" [unlimited]', DEVICE, needs=CLASSES
    )
    label_delay: int = setting(0, "Delay of labels (rows)", EVALUATION, needs=CLASSES, ge=0, le=1_000_000)
    label_fraction: float = setting(1.0, "Fraction of rows that are labelled", EVALUATION, needs=CLASSES, ge=0, le=1)
    warm_up: int = setting(0, "Rows at the start that are not scored", EVALUATION, needs=CLASSES, ge=0)
    fading: float = setting(
        0.999, "Fading factor of the prequential accuracy, per row", EVALUATION, needs=CLASSES, gt=0, lt=1
    )
    accuracy_window: int = setting(
        1000, "Sliding window of the accuracy (rows)", EVALUATION, needs=CLASSES, ge=1, le=1_000_000
    )
    detector: str = setting(
        "none", "Drift detector on the errors: {edgelearn.streaming.drift:DETECTORS}", EVALUATION, needs=CLASSES
    )
    sample_rate: Rate | None = setting(None, 'Sample rate, e.g. "50 Hz" [that of the source]', DEVICE)
    queue: int = setting(1, "Queue length (rows)", DEVICE, needs=CLASSES, ge=0, le=100_000)
    deadline: Time | None = setting(None, 'Deadline per row, e.g. "20 ms" [one sampling period]', DEVICE, needs=CLASSES)
    when_late: Literal["drop", "skip-update"] = setting("drop", "Overload policy", DEVICE, needs=CLASSES)
    battery: Battery = setting("225 mAh at 3 V", 'Battery, by charge and voltage or by energy, e.g. "2430 J"', DEVICE)

    @field_validator("features")
    @classmethod
    def _no_kind_of_features(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value in (("samples",), ("statistics",)):
            raise ValueError(f"'{value[0]}' is no column: features of a window are --window-features {value[0]}")
        return value

    @model_validator(mode="before")
    @classmethod
    def _single_bits(cls, given: Any) -> Any:
        """Thresholds send single bits; nobody has to say so."""
        if isinstance(given, dict) and given.get("encoder") == "threshold":
            given = {"input_bits": 1} | given
        return given

    @model_validator(mode="before")
    @classmethod
    def _without_labels(cls, given: Any) -> Any:
        """Fill in the defaults of learning without classes."""
        if isinstance(given, dict) and given.get("task") in ("anomaly", "regression"):
            if given.get("start") is not None:
                raise UserError(f"setting 'start' (--start) has no effect with --task {given['task']}; leave it out")
            of_task = ANOMALY_DEFAULTS if given["task"] == "anomaly" else REGRESSION_DEFAULTS
            defaults = {key: value for key, value in of_task.items() if key != "hidden" or "net" not in given}
            given = defaults | given
        return given


class BranchSettings(Settings):
    """Settings of predictors on a trace of branches."""

    kind: ClassVar[str] = "branch"
    trace: str | None = setting(
        None, "Trace file or named trace (see `edgelearn branch --list`) [built-in stream]", TRACE
    )
    predictors: str = setting(
        "bimodal,gshare,perceptron,piecewise,hashed,tage,mdfa,perceptron+mdfa",
        "Predictors, separated by commas, with parameters after colons, e.g. mdfa,gshare:13",
        PREDICTORS,
        flag="--predictor",
    )
    budget: Size = setting("32KB", "Table size per predictor, e.g. 32KB", PREDICTORS)
    pc_shift: int | None = setting(None, "Address shift (bits) [by format]", TRACE, ge=0, le=31)
    address_base: Literal["10", "16"] | None = setting(
        None, "Base of addresses in text without 0x [by their digits]", TRACE
    )
    limit: int | None = setting(None, "Use the first N branches only [all]", TRACE, ge=1)
    warmup: int = setting(0, "Branches that are learned and not scored at first", TRACE, ge=0, le=10**12)
    warmup_instructions: int | None = setting(
        None, "Instructions that are learned and not scored at first [none]", TRACE, ge=1, le=10**15
    )
    simulation_instructions: int | None = setting(
        None, "Instructions to score, after those of --warmup-instructions [all]", TRACE, ge=1, le=10**15
    )
    top: int = setting(0, "Branches with the most mispredictions to list", TRACE, ge=0, le=10_000)
    delay: int = setting(0, "Training delay (branches)", PREDICTORS, ge=0, le=4096)
    function: str = setting(
        "xor", "Function to predict: {edgelearn.branch.synthetic:FUNCTIONS}", BUILT_IN, needs=("trace", None)
    )
    noise: int = setting(12, "Random branches between cause and effect", BUILT_IN, needs=("trace", None), ge=0, le=60)
    iterations: int = setting(60_000, "Iterations", BUILT_IN, needs=("trace", None), ge=1, le=10_000_000)
    seed: int = setting(3, "Seed", BUILT_IN, needs=("trace", None), ge=0)


def _toml_text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


Kind = TypeVar("Kind", bound=Settings)


def make_config(settings: dict[str, Any]) -> RunConfig:
    """Validate the settings of a run; see `validated`."""
    return validated(RunConfig, settings)


MOST = 10**12  # of any whole number: more rows, epochs or samples than a life can learn


def shown(value: Any) -> str:
    """Return a given value for a message; of an array and a list the first letters."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        return "a number of thousands of digits"
    if isinstance(value, str) or len(text) <= MOST_LETTERS:
        return text
    return f"{' '.join(text[: 2 * MOST_LETTERS].split())[:MOST_LETTERS]}..."


def validated(kind: type[Kind], settings: dict[str, Any]) -> Kind:
    """Validate settings.

    Raises
    ------
    UserError
        "setting '...' is not known; known: ...", "setting '...': ..." or "setting '...' = ... is not allowed; give ..."
    """
    for key, value in settings.items():
        if key not in kind.model_fields:
            raise unknown("setting", key, kind.model_fields)
        _check_plain(key, value)
    try:
        result = kind(**settings)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:  # the message of a validator of all fields
            raise UserError(str(first["ctx"]["error"])) from None
        key = str(first["loc"][0])
        declared = kind.declared()[key]
        if first["type"] == "value_error":  # the message of a validator of the field
            raise UserError(f"setting '{key}': {first['ctx']['error']} ({declared.flag})") from None
        value = span(settings[key]) if first["type"] == "span" else settings[key]
        raise UserError(
            f"setting '{key}' = {shown(value)} is not allowed; give {declared.allowed} ({declared.flag})"
        ) from None
    for key, value in settings.items():
        if isinstance(value, int) and value > MOST:
            raise UserError(f"setting '{key}' = {shown(value)} is too large; give {MOST:,} at most")
    return result


def _check_plain(key: str, value: Any) -> None:
    """Refuse what no setting can be: an empty text, and one that no file can hold."""
    if isinstance(value, str):
        if not value.strip():
            raise UserError(f"setting '{key}' is empty; leave it out, or give a value")
        if "\0" in value:
            raise UserError(f"setting '{key}' = {shown(value)} holds a zero byte; remove it")
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise UserError(f"setting '{key}' = {shown(value)} is not UTF-8; rename what it names")
    elif isinstance(value, list | tuple):
        for item in value:
            _check_plain(key, item)


def as_fields(kinds: Iterable[type[Settings]], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of a file by the names of their fields; it may have the names of flags, e.g. hidden-rate.

    Raises
    ------
    UserError
        "setting '...' is given twice ..."
    """
    kinds = tuple(kinds)
    names = {name: one.flag[2:] for kind in kinds for name, one in kind.declared().items()}
    if "layer" in settings and "learn" in names:
        settings = _without_layer_tables(settings)
    flags = {flag: name for name, flag in names.items()} | {
        flag.replace("-", "_"): name for name, flag in names.items() if flag.replace("-", "_") not in names
    }
    found: dict[str, Any] = {}
    for key, value in settings.items():
        name = flags.get(key, key)
        if name in found:
            raise UserError(f"setting '{name}' is given twice, once by the name of its flag; give it once")
        found[name] = value
    return found


def _without_layer_tables(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with the rules and masks of tables [[layer]], one per layer, as the texts of `rule` and `learn`.

    Raises
    ------
    UserError
        "layer table ...", "setting '...' is given twice ..."
    """
    tables, found = settings["layer"], {key: value for key, value in settings.items() if key != "layer"}
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise UserError("setting 'layer' takes tables; write [[layer]] once per layer, with rule and learn")
    for number, table in enumerate(tables, 1):
        for key, value in table.items():
            if key not in ("rule", "learn"):
                raise unknown(f"setting of layer table {number}", key, ("rule", "learn"))
            if not isinstance(value, str) or not value.strip() or set(value) & set("+,"):
                raise UserError(f"{key} of layer table {number} is {shown(value)}; give one name")
            if key in found:
                raise UserError(f"setting '{key}' is given twice, once in a layer table; give it once")
    if "rule" in tables[-1]:
        raise UserError(
            f"layer table {len(tables)} is the last and so that of the output layer, which takes no rule; write one "
            "[[layer]] per layer, the output layer included"
        )
    rules = [table.get("rule") for table in tables[:-1]]
    if any(rules):
        if None in rules:
            raise UserError(
                f"layer table {rules.index(None) + 1} has no rule, but others have; give each hidden layer one"
            )
        found["rule"] = "+".join(str(rule) for rule in rules)
    if any("learn" in table for table in tables):
        found["learn"] = "+".join(table.get("learn", "all") for table in tables)
    return found


def check_effect(config: Settings, typed: Iterable[str], written: Mapping[str, Any]) -> None:
    """Refuse settings that have no effect beside others, e.g. a margin without its gate.

    Parameters
    ----------
    typed : settings of the command line
    written : settings of a file with their values; the default is no mistake, as files of finished runs have all, and
        flags take precedence over the file

    Raises
    ------
    UserError
        "setting '...' has no effect with ..."
    """
    declared, typed = config.declared(), list(typed)
    for key in [*typed, *written]:
        name, *values = declared[key].needs if key in declared and declared[key].needs else ("", None)
        if not name or not {getattr(config, name), *_parts(getattr(config, name))}.isdisjoint(values):
            continue
        if key not in typed and (name in typed or written[key] == declared[key].default):
            continue
        other, given = declared[name].flag, getattr(config, name)
        if values == [None]:
            remedy = "leave out one of the two"
        else:
            names = " or ".join(filter(None, (", ".join(values[:-1]), values[-1])))
            remedy = f"leave it out, or give {other} {names}"
        raise UserError(f"setting '{key}' ({declared[key].flag}) has no effect with {other} {given}; {remedy}")


def _parts(value: Any) -> list[str]:
    """Return the rules of a setting that names one per layer."""
    return value.split("+") if isinstance(value, str) else []


def read_toml(path: Path) -> dict[str, Any]:
    """Read settings from a TOML file.

    Raises
    ------
    UserError
        "config file ... cannot be read"
    """
    try:
        return files.read_toml(path)
    except (OSError, ValueError) as error:
        reason = files.reason_of(error)
        raise UserError(f"config file {path} cannot be read: {reason}; give a TOML file of settings") from None
