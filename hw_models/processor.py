"""Processors, described by TOML files."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from edgelearn import files
from edgelearn.errors import UserError, unknown
from edgelearn.network.counters import Counters
from edgelearn.network.spec import NetworkSpec
from edgelearn.network.traffic import predicted
from edgelearn.units import count, quantity, scale_for, with_unit
from hw_models.constants import logic, technology
from hw_models.constants.logic import Control
from hw_models.constants.memory import sram
from hw_models.engine.memory_map import frozen_apart
from hw_models.engine.schedule import (
    Schedule,
    TransposedRead,
    UpdateSkip,
    latency,
    schedule,
    worked,
)
from hw_models.engine.shapes import Dataflow
from hw_models.engine.widths import gate_passes

if TYPE_CHECKING:
    from hw_models.cost import Cost

FOLDER = Path(__file__).parent / "processors"
ROLES = ("weight", "residual", "feedback", "activation", "gate", "delta")
# Of networks with convolutions: in memories of a file, or in one of their own each. Name of that memory by role.
CONVOLUTION_ROLES = {"accumulator": "accumulators", "winner": "winners", "partial": "partial_sums"}
FROZEN = "frozen"  # words that never learn: in a memory of their own, such as a ROM, or with those that do
LOGIC_TABLES = ("nangate45", *(name for name in technology.ARITHMETIC_TABLES if name != "nangate45-yosys"))


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Band(_Frozen):
    """A figure with its band; a single value is a band without width."""

    low: float
    nominal: float
    high: float

    @property
    def ratios(self) -> tuple[float, float]:
        """Low and high as multiples of nominal."""
        return (self.low / self.nominal, self.high / self.nominal) if self.nominal else (1.0, 1.0)


def _band(dimension: str | None) -> BeforeValidator:
    """Read a value, or a table of nominal and low, high or both; numbers without unit where there is no dimension."""

    def one(value: object) -> float:
        if dimension is not None:
            return quantity(value, dimension, positive=False)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
            raise ValueError(f"{value!r} must be a number, zero or more, without unit")
        return float(value)

    def read(value: object) -> Band:
        if isinstance(value, Band):
            return value
        if not isinstance(value, dict):
            return Band(low=one(value), nominal=one(value), high=one(value))
        if "nominal" not in value or not set(value) <= {"low", "nominal", "high"}:
            raise ValueError("a band has nominal, and low or high or both")
        nominal = one(value["nominal"])
        low, high = (one(value[side]) if side in value else nominal for side in ("low", "high"))
        if not low <= nominal <= high:
            raise ValueError(f"low, nominal and high must not fall: {low:g}, {nominal:g}, {high:g}")
        if high > 0 == nominal:
            raise ValueError("a band around a nominal of zero has no width; give a nominal above zero")
        return Band(low=low, nominal=nominal, high=high)

    return BeforeValidator(read)


def _quantity(dimension: str) -> BeforeValidator:
    return BeforeValidator(lambda value: value if isinstance(value, float) else quantity(value, dimension))


def _dotted(value: object) -> object:
    """Read `weights.read = "sram"` of TOML, a table in a table, as the name "weights.read"."""
    if not isinstance(value, dict):
        return value
    flat: dict[str, object] = {}
    for name, given in value.items():
        flat |= {f"{name}.{action}": one for action, one in given.items()} if isinstance(given, dict) else {name: given}
    return flat


Energy = Annotated[Band, _band("energy")]
Duration = Annotated[Band, _band("time")]
Power = Annotated[Band, _band("power")]
Number = Annotated[Band, _band(None)]


class Memory(_Frozen):
    """A physical memory and the roles it holds; without a capacity it is as large as the network needs.

    Parameters
    ----------
    kind : "sram" and "dram" have figures by table, "registers" those of the logic, "custom" the four of the file
    holds : roles of the words in it; each role is in one memory
    capacity : of its words, e.g. "32 KiB"; a network that does not fit is refused
    cell : of an sram, the transistors of its cells
    table : of a dram, its name in hw_models/tables
    read, write, area, leakage : of a custom memory, per bit
    """

    kind: Literal["sram", "registers", "dram", "custom"]
    holds: tuple[
        Literal[
            "weight",
            "residual",
            "feedback",
            "activation",
            "gate",
            "delta",
            "accumulator",
            "winner",
            "partial",
            "frozen",
        ],
        ...,
    ] = Field(min_length=1)
    capacity: Annotated[float, _quantity("capacity")] | None = None
    cell: Literal["itrs-hp", "itrs-lstp"] | None = None
    table: str | None = None
    read: Annotated[Band, _band("energy per bit")] | None = None
    write: Annotated[Band, _band("energy per bit")] | None = None
    area: Annotated[Band, _band("area per bit")] | None = None
    leakage: Annotated[Band, _band("power per bit")] | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("holds"), list):
            value = value | {"holds": tuple(value["holds"])}
        return value

    @property
    def own_figures(self) -> dict[str, Band]:
        """Figures that the file itself gives, of a custom memory."""
        figures = {"read": self.read, "write": self.write, "area": self.area, "leakage": self.leakage}
        return {name: band for name, band in figures.items() if band is not None}

    @model_validator(mode="after")
    def _complete(self) -> Memory:
        figures = ("read", "write", "area", "leakage")
        allowed = {"sram": ("cell",), "dram": ("table",), "custom": figures, "registers": ()}[self.kind]
        for key in ("cell", "table", *figures):
            if key in allowed and getattr(self, key) is None:
                raise ValueError(f"{self.kind} needs the key '{key}'")
            if key not in allowed and getattr(self, key) is not None:
                raise ValueError(f"{self.kind} takes no key '{key}'")
        if self.kind == "dram":
            names = [row["name"] for row in technology.rows("storage") if row["kind"] == "dram"]
            if self.table not in names:
                raise ValueError(f"table: {unknown('DRAM', str(self.table), names)}")
        return self


class Processor(_Frozen):
    """Fields and methods of every processor; prices are derived in docs/cost_model.md.

    Parameters
    ----------
    kind : of the three below
    name : as reports call it
    description : what the other fields do not say
    source : origin of the figures
    clock : frequency, e.g. "200 MHz"
    idle_power : between samples, state kept; None where no source gives it (an engine idles at its leakage)
    """

    name: str = Field(min_length=1)
    description: str = ""
    source: str = Field(min_length=1)
    clock: Annotated[float, _quantity("frequency")]
    idle_power: Power | None = None

    @property
    def clock_hz(self) -> float:
        """Clock in Hz."""
        return self.clock

    @property
    def summary(self) -> str:
        """What the fields of the file say in one line, then the file's own description."""
        return "; ".join((*self._summary(), *([self.description] if self.description else ())))

    def _summary(self) -> list[str]:
        raise NotImplementedError

    def price(self, spec: NetworkSpec, activity: Counters, learning: bool = True) -> Cost:
        """Price samples.

        Parameters
        ----------
        spec : network and rule
        activity : counts of a run (other names than `ACTIVITY` are ignored), or `schedule.assume`
        learning : whether the samples are learned; False prices inference on a chip that cannot learn

        Raises
        ------
        UserError
            "... does not fit ..." where a memory has a capacity and it is too small
        """
        work = self.worked(spec, activity)
        return self._price(spec, work if learning else predicted(spec, work), learning)

    def worked(self, spec: NetworkSpec, activity: Counters) -> Counters:
        """Return the activity with all that this processor cannot skip; see `schedule.worked`."""
        return activity

    def _price(self, spec: NetworkSpec, work: Counters, learning: bool) -> Cost:
        raise NotImplementedError

    def tables(self) -> list[str]:
        """Return the tables and choices behind the figures, one line each."""
        raise NotImplementedError


class Engine(Processor):
    """A time-multiplexed engine: P lanes, memories, one network layer after another.

    Parameters
    ----------
    node, voltage : process and supply of the logic; memories keep the supply of their tables
    lanes : multipliers side by side
    memories : a table each, see the keys of a memory
    logic : table of logic energy: "nangate45" counts all gates cycle by cycle, the others arithmetic alone
    skips_zero_inputs : whether an input of zero takes no product and no access
    update_skip : updates left out: "none"; "sample", of layers without any d; "neuron", of every d that is zero
    transposed_read : how bp reads weights across neurons: "adder-tree" over the lanes, "single" words, or a
        "transposable" memory
    delta_bits : bits of errors, modulators and d that the multiplier takes; where left out what the words of the rule
        need, see `widths.multiplier_bits`
    clock_gating : whether learning logic, and the bits by which learning widens the multiplier, rest during the forward
        pass, and registers but for the one that is written
    shared_random_generator : one for all lanes, or one per lane; comparator and key are in each lane
    dataflow : of convolutions, see `schedule.schedule`: "output" keeps the sum of a position in its lane, "event" adds
        each input to the sums of its positions, which are a memory
    control : "complete": several layers, event lists, argmax and output table; "one-layer": the synthesised engine
        that the logic model is fitted to, with a 16-bit random generator
    accelergy : names of energy and area tables for components, as `--ert-map` takes them
    """

    kind: Literal["engine"]
    node: Annotated[float, _quantity("length")]
    voltage: Annotated[float, _quantity("voltage")]
    lanes: int = Field(ge=1, le=4096)
    logic: str
    skips_zero_inputs: bool
    update_skip: UpdateSkip
    transposed_read: TransposedRead
    delta_bits: int | None = Field(None, ge=2, le=32)
    clock_gating: bool = True
    shared_random_generator: bool = True
    control: Control = "complete"
    dataflow: Dataflow = "output"
    memories: dict[str, Memory]
    accelergy: Annotated[dict[str, str], BeforeValidator(_dotted)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _roles_once(self) -> Engine:
        if self.logic not in LOGIC_TABLES:
            raise ValueError(f"key 'logic': {unknown('logic table', self.logic, LOGIC_TABLES)}")
        holders: list[str] = [role for memory in self.memories.values() for role in memory.holds]
        for role in ROLES:
            if holders.count(role) != 1:
                problem = "no memory" if role not in holders else "more than one memory"
                raise ValueError(
                    f"key 'memories': {problem} holds '{role}'; each of {', '.join(ROLES)} needs exactly one"
                )
        for role in (FROZEN, *CONVOLUTION_ROLES):
            if holders.count(role) > 1:
                raise ValueError(f"key 'memories': more than one memory holds '{role}'; at most one may")
        try:
            technology.energy_scale(45, 1.1, self.node, self.voltage)
            technology.area_scale(45, self.node)
            for memory in self.memories.values():
                if memory.cell is not None:
                    sram(memory.cell, self.node, 8192, 8)
        except UserError as error:
            key = "voltage" if str(error).startswith("voltage") else "node"
            raise ValueError(f"key '{key}': {error}") from None
        return self

    def worked(self, spec: NetworkSpec, activity: Counters) -> Counters:
        return worked(spec, activity, self.skips_zero_inputs, self.update_skip)

    def schedule(
        self, spec: NetworkSpec, work: Counters, learning: bool = True, lanes_left_empty: bool = False
    ) -> Schedule:
        """Return cycles and accesses of work, see `schedule.schedule`."""
        waits = latency(self.control)
        waits = replace(waits, gate=waits.gate + gate_passes(spec, self.delta_bits) - 1)
        apart = self.frozen_apart(spec)
        return schedule(
            spec, work, self.lanes, self.transposed_read, learning, lanes_left_empty, waits, apart, self.dataflow
        )

    def frozen_apart(self, spec: NetworkSpec) -> bool:
        """Return whether words that never learn are told from others, see `memory_map.frozen_apart`."""
        return frozen_apart(spec, any(FROZEN in memory.holds for memory in self.memories.values()))

    @property
    def stores(self) -> dict[str, Memory]:
        """Memories of the file, and one for each role of convolutions that none of them holds, like that of gates."""
        held = {role for memory in self.memories.values() for role in memory.holds}
        gates = next(memory for memory in self.memories.values() if "gate" in memory.holds)
        found = dict(self.memories)
        for role, name in CONVOLUTION_ROLES.items():
            if role not in held:
                name = name if name not in found else f"{name}_of_convolutions"
                found[name] = gates.model_copy(update={"holds": (role,), "capacity": None})
        return found

    def memory(self, name: str) -> Memory:
        """Return a memory of the file, or one of those that `stores` adds."""
        return self.memories[name] if name in self.memories else self.stores[name]

    def held_in(self, name: str) -> tuple[str, ...]:
        """Return the roles in a memory: words that never learn are with the others where no memory is theirs."""
        holds: tuple[str, ...] = self.memory(name).holds
        has_own = any(FROZEN in memory.holds for memory in self.memories.values())
        return holds if has_own or "weight" not in holds else (*holds, FROZEN)

    def _price(self, spec: NetworkSpec, work: Counters, learning: bool) -> Cost:
        from hw_models.engine.price import price_engine

        return price_engine(spec, work, self, learning)

    def _summary(self) -> list[str]:
        kinds = dict.fromkeys(f"{m.kind} {m.cell or m.table or ''}".strip() for m in self.memories.values())
        parts = [
            f"{count(self.lanes, 'lane')} at {self.node:g} nm, {self.voltage:g} V, {_clock(self.clock)}",
            _skipped(self.skips_zero_inputs, self.update_skip),
            f"{len(self.memories)} memor{'y' if len(self.memories) == 1 else 'ies'} ({', '.join(kinds)})",
        ]
        chosen = {
            "clock gating": self.clock_gating,
            f"{self.delta_bits}-bit d": self.delta_bits is not None,
            f"{self.control} control": self.control != "complete",
            "convolutions event by event": self.dataflow == "event",
        }
        return [*parts, *(text for text, holds in chosen.items() if holds)]

    def tables(self) -> list[str]:
        scaled = "45 nm, 1.1 V"
        if (self.node, self.voltage) != (logic.NODE_NM, logic.VOLTAGE_V):
            scaled = f"scaled from 45 nm, 1.1 V to {self.node:g} nm, {self.voltage:g} V (Stillmaker & Baas)"
        energy = f"{self.logic}, arithmetic alone, scaled to {self.node:g} nm"
        if self.logic == "nangate45":
            energy = f"Nangate45 gate-level toggles, {scaled}"
        kinds: dict[str, list[str]] = {}
        for name, memory in self.memories.items():
            kind: str = memory.kind
            if kind == "sram":
                kind = f"CACTI 7 {memory.cell} at {self.node:g} nm and its own supply"
            elif kind == "dram":
                kind = f"DRAM {memory.table}"
            kinds.setdefault(kind, []).append(name)
        delta = "as wide as the rule needs" if self.delta_bits is None else f"{self.delta_bits} bits"
        return [
            f"logic area: Nangate45 synthesis, {scaled}",
            f"logic energy: {energy}",
            *(f"memory: {kind} ({', '.join(names)})" for kind, names in kinds.items()),
            f"{self.lanes} lane{'s' if self.lanes > 1 else ''} at {self.clock_hz / 1e6:g} MHz; "
            f"{_skips(self.skips_zero_inputs)}; updates skipped: {self.update_skip}; d at the multiplier: {delta}; "
            f"transposed read: {self.transposed_read}; clock gating: {'yes' if self.clock_gating else 'no'}; "
            f"one random generator {'for all lanes' if self.shared_random_generator else 'per lane'}; "
            f"control: {self.control}{'; dataflow of convolutions: event' if self.dataflow == 'event' else ''}",
        ]


class Microcontroller(Processor):
    """A processor that runs instructions: a figure for each action, cycles for each instruction.

    Parameters
    ----------
    cycles_per_instruction : mean over instructions
    instructions : by action: forward_mac, signal_mac, update_mac (a weight read, changed and written), neuron (the
        rest of a neuron's work), random_draw (a weight written with stochastic rounding); where a source tells them
        apart also input (looked at for being zero), gate (one that is open under a signal) and update_row (an input
        or bias whose weights are changed) and floor (a weight changed by a rule that keeps weights from falling below
        zero); of convolutions window (one that is opened), window_input (an input of it looked at for being zero),
        window_mac (a product, of the forward pass or for the sum of a kernel word), position (of a map, its sum
        compared), look (at a place above a gate for a d), place (of a map looked at for a d) and kernel_step (a kernel
        word rounded and stored, its sum cleared); source beside them
    energy_per_cycle : None where no source gives it; energy is then not priced
    skips_zero_inputs, update_skip : what the firmware's loops skip
    """

    kind: Literal["microcontroller"]
    cycles_per_instruction: Number
    energy_per_cycle: Energy | None = None
    instructions: dict[
        Literal[
            "forward_mac",
            "signal_mac",
            "update_mac",
            "neuron",
            "random_draw",
            "input",
            "gate",
            "update_row",
            "floor",
            "window",
            "window_input",
            "window_mac",
            "position",
            "look",
            "place",
            "kernel_step",
        ],
        Number,
    ]
    skips_zero_inputs: bool
    update_skip: UpdateSkip

    @model_validator(mode="after")
    def _actions(self) -> Microcontroller:
        _need("instructions", self.instructions, ("forward_mac", "signal_mac", "update_mac", "neuron", "random_draw"))
        if not (self.cycles_per_instruction.low and self.instructions["forward_mac"].low):
            raise ValueError("key 'cycles_per_instruction' and 'instructions.forward_mac' must be above zero")
        return self

    def worked(self, spec: NetworkSpec, activity: Counters) -> Counters:
        return worked(spec, activity, self.skips_zero_inputs, self.update_skip)

    def _price(self, spec: NetworkSpec, work: Counters, learning: bool) -> Cost:
        from hw_models.microcontroller import price_instructions

        return price_instructions(spec, work, self, learning)

    def _summary(self) -> list[str]:
        energy = "no energy (energy_per_cycle is not given)"
        if self.energy_per_cycle is not None:
            energy = f"{with_unit(self.energy_per_cycle.nominal, 'pJ')} per cycle"
        return [
            f"microcontroller at {_clock(self.clock)}, {self.cycles_per_instruction.nominal:g} cycles per instruction, "
            f"{energy}",
            _skipped(self.skips_zero_inputs, self.update_skip),
        ]

    def tables(self) -> list[str]:
        energy = "energy of a cycle as given" if self.energy_per_cycle else "no energy of a cycle given"
        return [self.source, f"{energy}; {_skips(self.skips_zero_inputs)}, updates skipped by {self.update_skip}"]


class Core(Processor):
    """A neuromorphic core priced by its published energy and time of a synaptic operation, neuron and synaptic update.

    Parameters
    ----------
    energy, time : by operation; time is that of one core, operations one after another
    time_steps : steps for which a sample is shown; every step costs its synaptic operations and neuron updates
    """

    kind: Literal["core"]
    energy: dict[Literal["synaptic_operation", "neuron_update", "synaptic_update"], Energy]
    time: dict[Literal["synaptic_operation", "neuron_update", "synaptic_update"], Duration]
    time_steps: int = Field(ge=1)

    @model_validator(mode="after")
    def _operations(self) -> Core:
        for key in ("energy", "time"):
            _need(key, getattr(self, key), ("synaptic_operation", "neuron_update", "synaptic_update"))
            if not getattr(self, key)["neuron_update"].low:
                raise ValueError(f"key '{key}.neuron_update' must be above zero")
        return self

    def _price(self, spec: NetworkSpec, work: Counters, learning: bool) -> Cost:
        from hw_models.microcontroller import price_operations

        return price_operations(spec, work, self, learning)

    def _summary(self) -> list[str]:
        energy, nanoseconds = (one["synaptic_operation"].nominal for one in (self.energy, self.time))
        steps = [f"{self.time_steps} time steps per sample"] if self.time_steps > 1 else []
        return [
            f"core at {_clock(self.clock)}, {with_unit(energy, 'pJ')} and {with_unit(nanoseconds / 1e3, 'us')} per "
            "synaptic operation",
            *steps,
        ]

    def tables(self) -> list[str]:
        return [self.source, f"time steps per sample: {self.time_steps}"]


def _skips(zero_inputs: bool) -> str:
    return f"zero inputs {'skipped' if zero_inputs else 'worked through'}"


def _skipped(zero_inputs: bool, update_skip: UpdateSkip) -> str:
    updates = {"none": "", "sample": "layers without error", "neuron": "neurons without error"}[update_skip]
    skipped = [part for part in ("zero inputs" if zero_inputs else "", updates) if part]
    return f"skips {' and '.join(skipped) or 'nothing'}"


def _clock(hertz: float) -> str:
    size, name = scale_for("Hz", [hertz])
    return f"{hertz / size:g} {name}"


def _need(key: str, given: dict[Any, Band], names: tuple[str, ...]) -> None:
    for name in names:
        if name not in given:
            raise ValueError(f"missing key '{key}.{name}'")


AnyProcessor = Engine | Microcontroller | Core
_ADAPTER: TypeAdapter[AnyProcessor] = TypeAdapter(
    Annotated[AnyProcessor, Field(discriminator="kind")], config=ConfigDict(strict=True)
)


def names() -> list[str]:
    """Return the names of the processors that come with the program."""
    return list(_names())


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def path_of(name: str) -> Path:
    """Return the file of a processor: a name from `names`, or the path of a TOML file.

    Raises
    ------
    UserError
        "processor '...' is not known"
    """
    if name in names():
        return FOLDER / f"{name}.toml"
    if name.endswith(".toml") or "/" in name or "\\" in name:
        return Path(name)
    raise UserError(f"{unknown('processor', name, names())} A path of your own ends in .toml")


@cache
def _packaged(name: str) -> AnyProcessor:
    return read(FOLDER / f"{name}.toml")


def find_processor(name: str) -> AnyProcessor:
    """Return a processor by name, or read it from a TOML file."""
    return _packaged(name) if name in _names() else read(path_of(name))


def read(path: Path) -> AnyProcessor:
    """Read a processor from a TOML file.

    Raises
    ------
    UserError
        "processor file ...", naming the key
    """
    try:
        settings = files.read_toml(path)
    except (OSError, ValueError) as error:
        reason = files.reason_of(error)
        raise UserError(
            f"processor file {path} cannot be read: {reason}; "
            "start from one that `edgelearn processors show NAME --toml` prints"
        ) from None
    try:
        return _ADAPTER.validate_python(settings)
    except ValidationError as error:
        raise UserError(f"processor file {path}: {_first(error)}") from None


def _first(error: ValidationError) -> str:
    """Word the first mistake of a file: key, what was given, what is allowed."""
    errors = error.errors()
    # a misspelt key is told rather than the missing one it stands for
    first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    kinds = {"engine": "engine-28nm", "microcontroller": "cortex-m4", "core": "loihi-like"}
    parts = [str(part) for part in first["loc"] if str(part) not in kinds and not str(part).startswith("function-")]
    key = ".".join(part for part in parts if part != "[key]")
    kind, message = first["type"], first["msg"].removeprefix("Value error, ")
    if kind == "union_tag_not_found":
        return "key 'kind' is missing; give engine, microcontroller or core"
    if kind == "union_tag_invalid":
        return f"key 'kind': '{first['input'].get('kind')}' is not known; known: core, engine, microcontroller"
    if kind == "missing":
        return f"key '{key}' is missing"
    if kind == "extra_forbidden":
        example = kinds.get(str(first["loc"][0]), "engine-28nm")
        return f"key '{key}' is not known; look at `edgelearn processors show {example} --toml`"
    if kind == "too_short":
        message = "must not be empty"
    elif kind == "tuple_type":
        message = f'{first["input"]!r} is no list; write one, for example ["weight"]'
    elif kind != "value_error":  # our own messages say what was given
        message = f"{first['input']!r}: {message[0].lower()}{message[1:]}"
    return f"key '{key}': {message}" if key else message
