"""Rules over a set of engines: the same counts priced under other lanes, memories, widths and tables.

The bands of constants (`bands`) say how well the figures of one engine are known; this says how much they depend on the
engine that is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

from edgelearn.errors import UserError
from edgelearn.network.counters import Counters
from edgelearn.network.spec import NetworkSpec
from edgelearn.network.traffic import predicted
from edgelearn.units import six_digits
from hw_models.cost import Item
from hw_models.engine.price import logic_items, memory_items
from hw_models.engine.schedule import Schedule
from hw_models.processor import CONVOLUTION_ROLES, ROLES, AnyProcessor, Engine

LANES = (1, 8, 32)
DELTA_WIDTHS = {"as needed": None, "8 bits": 8, "16 bits": 16}
LOGIC = ("nangate45", "horowitz-45nm", "aladdin-40nm-1ns")
CELLS = ("itrs-lstp", "itrs-hp")
APART = {
    "weights": ("weight",),
    "residuals": ("residual",),
    "feedback": ("feedback",),
    "activations": ("activation",),
    "buffers": ("gate", "delta"),
}
Change = dict[str, Any]  # fields of an engine
Ratio = Callable[["Structure"], float]
"""A percentage that a structure gives."""


@dataclass(frozen=True)
class Structure:
    """An engine of the set, with what one sample of each rule costs on it.

    Parameters
    ----------
    choices : option by choice
    inference, training : by rule, energy_pj, area_um2 and cycles; energy and cycles of one sample
    """

    choices: Mapping[str, str]
    engine: Engine
    inference: Mapping[str, Mapping[str, float]]
    training: Mapping[str, Mapping[str, float]]

    def overhead(self, name: str, figure: str) -> float:
        """Return what learning with a rule adds to a figure of inference, in percent."""
        base = self.inference[name][figure]
        return 100 * (self.training[name][figure] / base - 1) if base else 0.0

    def difference(self, name: str, other: str, figure: str) -> float:
        """Return what learning with one rule takes more than with another, in percent."""
        base = self.training[other][figure]
        return 100 * (self.training[name][figure] / base - 1) if base else 0.0


@dataclass(frozen=True)
class Range:
    """Extremes of a percentage over structures.

    Parameters
    ----------
    low_at, high_at : the structures at the extremes, with as few changes of that engine as possible
    base : the value of the engine that the set is made from
    swings : by choice, the value of each option with all other choices as in that engine; the widest first
    """

    low: float
    high: float
    base: float
    low_at: Mapping[str, str]
    high_at: Mapping[str, str]
    swings: Mapping[str, Mapping[str, float]]


def choices(base: Engine) -> dict[str, dict[str, Change]]:
    """Return the options of each choice, as changes of an engine; those of the engine itself are among them.

    Memories are put together or apart, and their cells changed, only where all of them are SRAM without a capacity.
    """
    found: dict[str, dict[str, Change]] = {
        "lanes": {str(lanes): {"lanes": lanes} for lanes in sorted({*LANES, base.lanes})},
        "clock gating": {text: {"clock_gating": on} for text, on in (("yes", True), ("no", False))},
        "d width": {text: {"delta_bits": bits} for text, bits in DELTA_WIDTHS.items()},
        "logic table": {table: {"logic": table} for table in dict.fromkeys((base.logic, *LOGIC))},
    }
    if base.delta_bits not in DELTA_WIDTHS.values():
        found["d width"][f"{base.delta_bits} bits"] = {"delta_bits": base.delta_bits}
    if all(memory.kind == "sram" and memory.capacity is None for memory in base.memories.values()):
        found["memories"] = {text: {"layout": text} for text in ("apart", "together")}
        found["SRAM cell"] = {cell: {"cell": cell} for cell in CELLS}
        if not {"apart", "together"} & set(_options_of(base, found)["memories"].split()):
            found["memories"]["as given"] = {"layout": "as given"}
        if len({memory.cell for memory in base.memories.values()}) > 1:
            found["SRAM cell"]["as given"] = {"cell": "as given"}
    return found


def _options_of(base: Engine, known: Mapping[str, Mapping[str, Change]]) -> dict[str, str]:
    """Return the option of each choice that an engine itself has."""
    holds = sorted(memory.holds for memory in base.memories.values())
    layout = "apart" if holds == sorted(APART.values()) else "together" if len(holds) == 1 else "as given"
    cells = {memory.cell for memory in base.memories.values()}
    width = next((text for text, bits in DELTA_WIDTHS.items() if bits == base.delta_bits), f"{base.delta_bits} bits")
    own = {
        "lanes": str(base.lanes),
        "clock gating": "yes" if base.clock_gating else "no",
        "d width": width,
        "logic table": base.logic,
        "memories": layout,
        "SRAM cell": str(next(iter(cells))) if len(cells) == 1 else "as given",
    }
    return {choice: own[choice] for choice in known}


def _changed(base: Engine, change: Change) -> Engine:
    """Return an engine with other fields; "layout" and "cell" change its memories."""
    memories, cell, layout = dict(base.memories), change.pop("cell", "as given"), change.pop("layout", "as given")
    if layout != "as given":
        by_role = {str(role): memory for memory in memories.values() for role in memory.holds}
        roles = APART if layout == "apart" else {"all": (*ROLES, *CONVOLUTION_ROLES)}
        memories = {name: by_role[holds[0]].model_copy(update={"holds": holds}) for name, holds in roles.items()}
    if cell != "as given":
        memories = {name: memory.model_copy(update={"cell": cell}) for name, memory in memories.items()}
    return base.model_copy(update=change | {"memories": memories})


def structures(
    specs: Mapping[str, NetworkSpec], activities: Mapping[str, Counters], base: AnyProcessor
) -> list[Structure]:
    """Price the same counts on every engine of a set; the engine that the set is made from comes first.

    Parameters
    ----------
    specs, activities : network and counts by the name of a rule or run
    base : the engine whose choices are changed

    Raises
    ------
    UserError
        "processor ... is no engine"
    """
    if not isinstance(base, Engine):
        raise UserError(
            f"processor {base.name} is no engine but a {base.kind}: it has no lanes or memories to choose; "
            "give an engine, for example --processor engine-28nm"
        )
    known = choices(base)
    own = _options_of(base, known)
    sets = [dict(zip(known, labels, strict=True)) for labels in product(*known.values())]
    sets.sort(key=lambda labels: labels != own)  # stable: only the engine's own moves to the front
    parts = _Parts(specs, activities, clocked=any(memory.kind == "registers" for memory in base.memories.values()))
    found = []
    for labels in sets:
        change: Change = {}
        for choice, label in labels.items():
            change |= known[choice][label]
        engine = base if labels == own else _changed(base, change)
        inference, training = (parts.figures(engine, labels, learning) for learning in (False, True))
        found.append(Structure(labels, engine, inference, training))
    return found


class _Parts:
    """Figures of engines from parts that each depend on some of the choices; a part is priced once.

    Parameters
    ----------
    clocked : whether memories depend on clock gating, as registers do
    """

    def __init__(self, specs: Mapping[str, NetworkSpec], activities: Mapping[str, Counters], clocked: bool) -> None:
        self._specs = specs
        self._activities = activities
        self._work: dict[str, Counters] = {}
        self._choices = {
            "memory": {"lanes", "d width", "memories", "SRAM cell"} | ({"clock gating"} if clocked else set()),
            "logic": {"lanes", "d width", "clock gating", "logic table"},
            "schedule": {"lanes", "d width"},
        }
        self._known: dict[tuple[object, ...], Any] = {}

    def figures(self, engine: Engine, labels: Mapping[str, str], learning: bool) -> dict[str, dict[str, float]]:
        """Return the figures of one sample of each rule."""
        return {name: self._of_rule(name, engine, labels, learning) for name in self._specs}

    def _of_rule(self, name: str, engine: Engine, labels: Mapping[str, str], learning: bool) -> dict[str, float]:
        spec = self._specs[name]
        work = self._work.setdefault(name, engine.worked(spec, self._activities[name]))
        if not learning:
            work = predicted(spec, work)

        def once(part: str, price: Callable[[], Any]) -> Any:
            of = self._choices[part] - (set() if learning else {"d width"})  # no inference multiplies d
            key = (part, name, learning, *(option for choice, option in labels.items() if choice in of))
            if key not in self._known:
                self._known[key] = price()
            return self._known[key]

        plan: Schedule = once("schedule", lambda: engine.schedule(spec, work, learning))
        memory = once("memory", lambda: _sums(memory_items(spec, engine, plan, learning)))
        logic = once("logic", lambda: _sums(logic_items(spec, work, engine, plan, learning)))
        samples = max(work.n_samples, 1)
        return {
            "energy_pj": (memory["energy_pj"] + logic["energy_pj"]) / samples,
            "area_um2": memory["area_um2"] + logic["area_um2"],
            "cycles": plan.total_cycles / samples,
        }


def _sums(items: Sequence[Item]) -> dict[str, float]:
    """Sum up items by figure, constants at their nominal values."""
    sums = dict.fromkeys(("energy_pj", "area_um2"), 0.0)
    for item in items:
        if item.figure in sums:
            sums[item.figure] += item.value
    return sums


def overhead_range(found: Sequence[Structure], name: str, figure: str = "energy_pj") -> Range:
    """Return the extremes of a rule's overhead over inference."""
    return _range(found, lambda structure: structure.overhead(name, figure))


def difference_range(found: Sequence[Structure], name: str, other: str, figure: str = "energy_pj") -> Range:
    """Return the extremes of what one rule takes more than another."""
    return _range(found, lambda structure: structure.difference(name, other, figure))


def _range(found: Sequence[Structure], ratio: Ratio) -> Range:
    values = [ratio(structure) for structure in found]
    own = found[0].choices
    swings: dict[str, dict[str, float]] = {choice: {} for choice in own}
    for structure, value in zip(found, values, strict=True):
        changed = [choice for choice in own if structure.choices[choice] != own[choice]]
        for choice in own if not changed else changed if len(changed) == 1 else ():
            swings[choice][structure.choices[choice]] = value
    widest = sorted(swings, key=lambda choice: min(swings[choice].values()) - max(swings[choice].values()))

    def at(end: float) -> int:
        """Index of the structure with a value that differs least from the engine itself: every change counts there."""
        reached = (index for index, value in enumerate(values) if value == end)
        return min(reached, key=lambda index: sum(found[index].choices[choice] != own[choice] for choice in own))

    low, high = at(min(values)), at(max(values))
    return Range(
        values[low],
        values[high],
        values[0],
        found[low].choices,
        found[high].choices,
        {choice: swings[choice] for choice in widest},
    )


def structures_as_dict(found: Sequence[Structure]) -> dict[str, Any]:
    """Return ranges over structures as plain data: overheads by rule, differences between rules.

    Pairs are named so that the second rule is the dearer one on the engine that the set is made from.
    """
    own = found[0]
    options = {choice: list(dict.fromkeys(s.choices[choice] for s in found)) for choice in own.choices}
    by_cost = sorted(own.training, key=lambda name: own.training[name]["energy_pj"])
    return {
        "engines": len(found),
        "base": dict(own.choices),
        "choices": options,
        "rules": [
            {
                "name": name,
                "energy_pj": [six_digits(side(s.training[name]["energy_pj"] for s in found)) for side in (min, max)],
                "energy_overhead_percent": _as_dict(overhead_range(found, name)),
                "area_overhead_percent": _as_dict(overhead_range(found, name, "area_um2")),
            }
            for name in own.training
        ],
        "pairs": [
            {"cheaper": cheap, "dearer": dear, "energy_percent": _as_dict(difference_range(found, dear, cheap))}
            for cheap, dear in combinations(by_cost, 2)
        ],
    }


def _as_dict(found: Range) -> dict[str, Any]:
    return {
        "low": six_digits(found.low),
        "base": six_digits(found.base),
        "high": six_digits(found.high),
        "low_at": dict(found.low_at),
        "high_at": dict(found.high_at),
        "swings": {
            choice: {option: six_digits(value) for option, value in of.items()} for choice, of in found.swings.items()
        },
    }
