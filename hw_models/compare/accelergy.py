"""Accelergy interface: action counts, energy and area reference tables, an architecture to start from (YAML).

Formats: Accelergy-Project/accelergy, examples/hierarchy (ERT 0.3), examples/primitive_type (ERT 0.2). Nothing of
Accelergy is needed to write or read them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from edgelearn.errors import UserError, unknown
from edgelearn.files import read_text, write_text
from edgelearn.network.counters import Counters
from edgelearn.network.spec import NetworkSpec
from edgelearn.network.traffic import predicted, traffic
from edgelearn.units import UNITS
from hw_models.engine.price import memory_shapes, transposed_reads
from hw_models.engine.widths import multiplier_bits
from hw_models.processor import AnyProcessor, Engine, Memory

ROOT = "edgelearn"
UNIT_NAMES = ("fJ", "pJ", "nJ")
VERSIONS = ("0.2", "0.3", "0.4")

_PARTS = ("engine", "mac", "random_generator", "feedback_generator")
_MEMORY_NAME = re.compile(r"[A-Za-z0-9_-]+")
_INDEX = re.compile(r"\[(\d+)(?:\.\.(\d+))?\]")
_DELTAS = ("data_delta", "address_delta")

Action = tuple[str, str]
"""Component and action, for example ("edgelearn.mac", "mac_random")."""


def actions(
    spec: NetworkSpec, activity: Counters, engine: AnyProcessor, learning: bool = True
) -> dict[Action, int | float]:
    """Return how often each component of an engine acts; what never acts is left out.

    Parameters
    ----------
    activity : counts of a run, as for `Processor.price`
    learning : whether the samples are learned

    Returns
    -------
    edgelearn.<memory> read, write : accesses of a memory, named as in the processor's file. One word holds P weights;
        transposed reads of bp are reads of the memory that holds the weights
    edgelearn.mac mac_random : multiplications and additions of the forward pass, signal and update, all lanes
        together; a bias is one. A neuron's product with its gate is none: the engine's cycles hold it
    edgelearn.random_generator draw : random words for stochastic rounding
    edgelearn.feedback_generator step : steps of the generator of feedback words, where they are not stored
    edgelearn.engine cycle : cycles, whatever happens in them

    Raises
    ------
    UserError
        "processor ... is no engine", "memory ... cannot be named"
    """
    if not isinstance(engine, Engine):
        raise UserError(
            f"processor {engine.name} is no engine but a {engine.kind}: it has no memories or lanes whose actions "
            "could be counted; give an engine, for example --processor engine-28nm"
        )
    work = engine.worked(spec, activity)
    if not learning:
        work = predicted(spec, work)
    plan = engine.schedule(spec, work, learning)
    counted = traffic(spec, work)

    counts: dict[Action, float] = {}
    for name in engine.stores if spec.is_convolutional else engine.memories:
        if name in _PARTS or not _MEMORY_NAME.fullmatch(name):
            raise UserError(
                f"memory '{name}' of {engine.name} cannot be named in action counts; "
                f"use letters, digits, _ and -, and none of {', '.join(_PARTS)}"
            )
        for action, by_role in (("read", plan.reads), ("write", plan.writes)):
            roles = [role for role in by_role if role in engine.held_in(name)]
            counts[f"{ROOT}.{name}", action] = math.fsum(float(by_role[role].sum()) for role in roles)
            if action == "read":
                counts[f"{ROOT}.{name}", action] += transposed_reads(spec, engine, plan, name).sum()
    macs = sum(counted.total(name) for name in ("forward_macs", "signal_macs", "update_macs"))
    biases = counted.total("bias_read") - counted.total("bias_write")  # an update reads its bias too
    counts[f"{ROOT}.mac", "mac_random"] = macs + biases
    counts[f"{ROOT}.random_generator", "draw"] = counted.total("random_draws")
    counts[f"{ROOT}.feedback_generator", "step"] = counted.total("lfsr_steps")
    counts[f"{ROOT}.engine", "cycle"] = plan.total_cycles
    return {key: int(count) if float(count).is_integer() else count for key, count in counts.items() if count}


def write_action_counts(
    path: Path, spec: NetworkSpec, activity: Counters, engine: AnyProcessor, learning: bool = True
) -> dict[Action, int | float]:
    """Write `action_counts.yaml`, version 0.3 with full names, and return the counts.

    Raises
    ------
    UserError
        as `actions`; "cannot write ..."
    """
    counts = actions(spec, activity, engine, learning)
    local: dict[str, list[dict[str, Any]]] = {}
    for (component, action), count in counts.items():
        local.setdefault(component, []).append({"name": action, "counts": count})
    content = {
        "action_counts": {
            "version": 0.3,
            "local": [{"name": component, "action_counts": entries} for component, entries in local.items()],
        }
    }
    what = f"{spec.rule_name}, learned" if learning else "inference only"
    net = spec.net
    name = " ".join(engine.name.split())
    head = f"# edgelearn: {what}, net {net}, processor {name}, {activity.n_samples} samples; all of them together\n"
    write_text(path, head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    return counts


@dataclass(frozen=True)
class EnergyTable:
    """Energies by component and action, in pJ.

    Parameters
    ----------
    path, version : the file and its format
    unit : in which its energies were read; the file does not say
    energies_pj : by component as the file names it, then by action
    """

    path: Path
    version: str
    unit: str
    energies_pj: Mapping[str, Mapping[str, float]]

    def __str__(self) -> str:
        return f"{self.path.name} (version {self.version}, energies read in {self.unit})"


def read_ert(path: Path, unit: str = "pJ") -> EnergyTable:
    """Read an energy table, `ERT.yaml`.

    Parameters
    ----------
    unit : of the energies; one of `UNIT_NAMES`

    Notes
    -----
    An action may have an energy for each of several arguments. One energy an action is kept: that without arguments;
    else that of the largest data_delta + address_delta, for counts do not say how many bits toggle, and all toggling
    is the upper end; among equal ones the largest energy.

    Raises
    ------
    UserError
        "energy unit ... is not known", "energy table ...", naming the key
    """
    if unit not in UNIT_NAMES:
        raise unknown("energy unit", unit, UNIT_NAMES)
    content = _loaded(path, "energy table", "ERT.yaml")
    try:
        version, energies = _energies(content, UNITS["energy"][unit])
    except _Mistake as mistake:
        raise UserError(f"energy table {path}: {mistake}") from None
    return EnergyTable(path, version, unit, energies)


class _Mistake(Exception):
    """What is wrong with a file's content, without the file's name."""


def _loaded(path: Path, what: str, file: str) -> Any:
    try:
        return yaml.safe_load(read_text(path))
    except OSError as error:
        raise _unreadable(what, path, file, error.strerror or "no file") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f", line {mark.line + 1}" if mark else ""
        raise _unreadable(what, path, file, f"no YAML{place}: {error.problem}") from None
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise _unreadable(what, path, file, "no YAML") from None


def _unreadable(what: str, path: Path, file: str, reason: str) -> UserError:
    return UserError(f"{what} {path} cannot be read: {reason}; give the {file} that Accelergy writes")


def _energies(content: Any, factor: float) -> tuple[str, dict[str, dict[str, float]]]:
    top = _get(content, "ERT", "")
    version = str(_get(top, "version", "ERT"))
    if version not in VERSIONS:
        raise _Mistake(f"version {version} is not known; known: {', '.join(VERSIONS)}")
    tables = _get(top, "tables", "ERT")
    found: dict[str, dict[str, float]] = {}
    for component, key, listed in _components(tables, version):
        if component in found:
            raise _Mistake(f"key '{key}': component '{component}' stands there twice; keep one")
        by_action: dict[str, list[tuple[tuple[float, float], float]]] = {}
        for action, entry_key, entry in _entries(listed, key, version):
            energy = _number(_get(entry, "energy", entry_key), f"{entry_key}.energy") * factor
            by_action.setdefault(action, []).append((_preference(entry.get("arguments"), energy), energy))
        found[component] = {action: max(choices)[1] for action, choices in by_action.items()}
    if not found:
        raise _Mistake("key 'ERT.tables' is empty; it must name components")
    return version, found


def _components(tables: Any, version: str) -> Iterator[tuple[str, str, Any]]:
    """Yield name, key and actions of every component."""
    if version == "0.2":
        for name, listed in _mapping(tables, "ERT.tables").items():
            key = f"ERT.tables.{name}"
            yield _name(name, key), key, listed
        return
    for i, table in enumerate(_list(tables, "ERT.tables")):
        key = f"ERT.tables[{i}]"
        yield _name(_get(table, "name", key), f"{key}.name"), key, _get(table, "actions", key)


def _entries(listed: Any, key: str, version: str) -> Iterator[tuple[str, str, Mapping[Any, Any]]]:
    """Yield action, key and content of every energy of a component."""
    if version == "0.2":
        for action, given in _mapping(listed, key).items():
            several = isinstance(given, list)
            for i, entry in enumerate(given if several else [given]):
                entry_key = f"{key}.{action}[{i}]" if several else f"{key}.{action}"
                yield _name(action, entry_key), entry_key, _mapping(entry, entry_key)
        return
    for i, entry in enumerate(_list(listed, f"{key}.actions")):
        entry_key = f"{key}.actions[{i}]"
        yield _name(_get(entry, "name", entry_key), f"{entry_key}.name"), entry_key, entry


def _preference(arguments: Any, energy_pj: float) -> tuple[float, float]:
    """Rank the energies of one action, see `read_ert`."""
    if not isinstance(arguments, Mapping) or not arguments:
        return math.inf, energy_pj
    deltas = [arguments.get(name) for name in _DELTAS]
    return sum(float(delta) for delta in deltas if isinstance(delta, (int, float))), energy_pj


def _get(content: Any, name: str, key: str) -> Any:
    inside = f"{key}.{name}" if key else name
    if content is None or (isinstance(content, Mapping) and name not in content):
        raise _Mistake(f"key '{inside}' is missing")
    return _mapping(content, key or "the top of the file")[name]


def _mapping(content: Any, key: str) -> Mapping[Any, Any]:
    if not isinstance(content, Mapping):
        raise _Mistake(f"key '{key}': {_shown(content)} must be a mapping of names")
    return content


def _list(content: Any, key: str) -> list[Any]:
    if not isinstance(content, list):
        raise _Mistake(f"key '{key}': {_shown(content)} must be a list")
    return content


def _name(content: Any, key: str) -> str:
    if not isinstance(content, str) or not content:
        raise _Mistake(f"key '{key}': {_shown(content)} must be a name")
    return content


def _number(content: Any, key: str) -> float:
    """Read an energy; YAML 1.1 takes 1e-3, which other writers emit, for a text."""
    try:
        if not isinstance(content, (int, float, str)) or isinstance(content, bool):
            raise ValueError
        number = float(content)
        if not math.isfinite(number):
            raise ValueError
    except (ValueError, OverflowError):
        raise _Mistake(f"key '{key}': {_shown(content)} must be a number") from None
    if number < 0:
        raise _Mistake(f"key '{key}': {content} must be zero or more")
    return number


def _shown(content: Any) -> str:
    if content is None:
        return "nothing"
    text = "a mapping" if isinstance(content, Mapping) else "a list" if isinstance(content, list) else repr(content)
    return text if len(text) <= 40 else f"{text[:37]}..."


Names = Mapping[str, "tuple[str, str | None] | None"]
"""Component, or component.action, of `actions` without its root -> those of a table; None where it costs nothing."""

# Actions of other tools that do what ours do, the more exact one first.
_SYNONYMS = {
    "mac_random": ("mac_random", "mac", "compute", "multiply_add", "mac_reused"),
    "read": ("read", "read_random", "access"),
    "write": ("write", "update", "write_random", "access"),
    "draw": ("draw", "generate", "compute"),
    "step": ("step", "generate", "compute"),
    "cycle": ("cycle", "transfer_random"),
}
_OPTIONAL = (f"{ROOT}.engine",)


def read_names(entries: Iterable[str], engine: AnyProcessor | None = None) -> Names:
    """Read a map of names: "weights=system.weights_sram", "mac=system.mac:compute", "random_generator=none".

    Parameters
    ----------
    entries : go before those of the engine's file
    engine : has the components that may be named, and names of its own for them; None for any

    Raises
    ------
    UserError
        "name map '...' ...", "name map: component ... is not known"

    Example
    -------
    >>> read_names(["weights.read=sys.sram:read_random", "mac=sys.mac"])
    {'weights.read': ('sys.sram', 'read_random'), 'mac': ('sys.mac', None)}
    """
    names: dict[str, tuple[str, str | None] | None] = {}
    entries = list(entries)
    if isinstance(engine, Engine) and engine.accelergy:
        given = {entry.partition("=")[0].strip().removeprefix(f"{ROOT}.") for entry in entries}
        of_file = {own.strip().removeprefix(f"{ROOT}."): other for own, other in engine.accelergy.items()}
        entries += [f"{own}={other}" for own, other in of_file.items() if own not in given]
    for entry in entries:
        own, equals, other = (part.strip() for part in entry.partition("="))
        own = own.removeprefix(f"{ROOT}.")
        if not own or not equals or not other.strip(":"):
            raise UserError(
                f"name map '{entry[:60]}' cannot be read; write OURS=THEIRS, as in weights=system.weights_sram or "
                "mac=system.mac:compute"
            )
        if own in names:
            raise UserError(f"name map '{entry[:60]}': {own} stands there twice; keep one")
        if isinstance(engine, Engine) and own.partition(".")[0] not in (*engine.stores, *_PARTS):
            raise UserError(f"name map: {unknown('component', own, [*engine.memories, *_PARTS])}")
        component, _, action = other.partition(":")
        names[own] = None if other.lower() == "none" else (component, action or None)
    return names


def price_with(
    table: EnergyTable, counts: Mapping[Action, int | float], names: Names | None = None, notes: list[str] | None = None
) -> dict[Action, float]:
    """Return the energy in pJ by component and action.

    Parameters
    ----------
    counts : from `actions`. An instance is covered by a range of them (`lane[0..3]`), and a name without an index
        by a name with one: all instances of a component are alike
    names : names of the table for ours; without one, a component takes the only one whose last name is its own, and
        an action one that means the same
    notes : gets a line for each name that was replaced or left out. Cycles of the engine may be missing

    Raises
    ------
    UserError
        "energy table ...: component ... is not known" or "... action ... is not known"
    """
    names, notes = names or {}, [] if notes is None else notes
    priced = {}
    for (component, action), count in counts.items():
        named = next((names[own] for own in reversed(_own_names(component, action)) if own in names), (component, None))
        if named is None:
            notes.append(f"{component} {action}: no energy")
            continue
        listed = _find(table, named[0], component in _OPTIONAL and named[0] == component)
        if listed is None:
            notes.append(f"{component} {action}: not in the table, no energy")
            continue
        energies = table.energies_pj[listed]
        chosen = named[1] or next((name for name in _SYNONYMS.get(action, (action,)) if name in energies), action)
        if chosen not in energies:
            if component in _OPTIONAL and named[1] is None:
                notes.append(f"{component} {action}: not in the table, no energy")
                continue
            raise UserError(
                f"energy table {table.path}: {unknown(f'{component} action', chosen, energies)} "
                f"Or give --ert-map {component.removeprefix(f'{ROOT}.')}={named[0]}:ACTION"
            )
        given = any(own in names for own in _own_names(component, action))
        if not given and (_INDEX.sub("", listed) != component or chosen != action):
            notes.append(f"{component} {action}: {listed} {chosen}")
        priced[component, action] = count * energies[chosen]
    return priced


def _own_names(component: str, action: str) -> tuple[str, str]:
    name = component.removeprefix(f"{ROOT}.")
    return name, f"{name}.{action}"


@dataclass(frozen=True)
class AreaTable:
    """Areas by component, of one instance each, in um2."""

    path: Path
    version: str
    areas_um2: Mapping[str, float]


def read_art(path: Path) -> AreaTable:
    """Read an area table, `ART.yaml`; its areas are in um2.

    Raises
    ------
    UserError
        "area table ...", naming the key
    """
    content = _loaded(path, "area table", "ART.yaml")
    try:
        top = _get(content, "ART", "")
        version = str(_get(top, "version", "ART"))
        if version not in VERSIONS:
            raise _Mistake(f"version {version} is not known; known: {', '.join(VERSIONS)}")
        tables, areas = _get(top, "tables", "ART"), {}
        listed = (
            [(f"ART.tables.{name}", name, area) for name, area in _mapping(tables, "ART.tables").items()]
            if version == "0.2"
            else [
                (f"ART.tables[{i}]", _get(entry, "name", f"ART.tables[{i}]"), _get(entry, "area", f"ART.tables[{i}]"))
                for i, entry in enumerate(_list(tables, "ART.tables"))
            ]
        )
        for key, name, area in listed:
            if _name(name, key) in areas:
                raise _Mistake(f"key '{key}': component '{name}' stands there twice; keep one")
            areas[name] = _number(area, f"{key}.area")
        if not areas:
            raise _Mistake("key 'ART.tables' is empty; it must name components")
    except _Mistake as mistake:
        raise UserError(f"area table {path}: {mistake}") from None
    return AreaTable(path, version, areas)


def area_with(
    table: AreaTable, engine: AnyProcessor, names: Names | None = None, spec: NetworkSpec | None = None
) -> dict[str, float]:
    """Return the area in um2 of the memories and multipliers of an engine, all instances of a component together.

    Parameters
    ----------
    spec : network; memories that only its convolutions need are left out without it

    Raises
    ------
    UserError
        "area table ...: component ... is not known", "processor ... is no engine"
    """
    if not isinstance(engine, Engine):
        raise UserError(f"processor {engine.name} is no engine but a {engine.kind}; give one, such as engine-28nm")
    names = names or {}
    areas = {}
    more = memory_shapes(spec, engine, True) if spec is not None and spec.is_convolutional else {}
    for own in (*dict.fromkeys((*engine.memories, *more)), "mac"):
        component = f"{ROOT}.{own}"
        named = names.get(
            own, next((name for key, name in names.items() if key.startswith(f"{own}.")), (component, None))
        )
        if named is None:
            continue
        listed = _find_name(f"area table {table.path}", table.areas_um2, named[0])
        instances = math.prod(high - low + 1 for low, high in _ranges(listed))
        areas[component] = table.areas_um2[listed] * instances
    return areas


def _store(name: str, memory: Memory, width: int, bits: float) -> dict[str, Any]:
    """Return a memory as a component."""
    return {
        "name": name,
        "class": "regfile" if memory.kind == "registers" else "DRAM" if memory.kind == "dram" else "SRAM",
        "attributes": {"width": int(width), "depth": max(math.ceil(bits / width), 1)},
    }


def write_architecture(path: Path, spec: NetworkSpec, engine: AnyProcessor) -> None:
    """Write an architecture of Accelergy, version 0.3, with the components whose actions `actions` counts.

    Raises
    ------
    UserError
        "processor ... is no engine ...", "cannot write ..."
    """
    if not isinstance(engine, Engine):
        raise UserError(f"processor {engine.name} is no engine but a {engine.kind}; give one, such as engine-28nm")
    word = max((layer.word for layer in spec.layers), key=lambda one: one.residual_bits)
    all_words = sum((layer.n_in + 1) * layer.n_out for layer in spec.layers)
    frozen = 0
    if engine.frozen_apart(spec):
        frozen = sum(
            {"all": 0, "bias": layer.n_in, "none": layer.n_in + 1}[layer.learned] * layer.n_out for layer in spec.layers
        )
    multiplier = max(multiplier_bits(spec, True, engine.delta_bits))
    local: list[dict[str, Any]] = []
    convolutions = memory_shapes(spec, engine, True) if spec.is_convolutional else {}
    for name, (held, word_bits, _) in convolutions.items():
        local.append(_store(name, engine.memory(name), word_bits, engine.memory(name).capacity or held))
    for name, memory in engine.memories.items() if not convolutions else ():
        weights = {"weight": word.bits, "residual": word.residual_bits}
        per_word = sum(weights.get(role, 0) for role in memory.holds) or 8
        if any(role in weights for role in memory.holds):
            n_words = all_words if "frozen" in engine.held_in(name) else all_words - frozen
        elif "frozen" in memory.holds:
            per_word, n_words = word.bits, frozen
        elif "feedback" in memory.holds:
            n_words = sum(spec.feedback_rows(k) * layer.n_out for k, layer in enumerate(spec.layers[:-1]))
        else:
            n_words = sum(spec.sizes)
        width = per_word * engine.lanes
        bits = memory.capacity or n_words * per_word
        local.append(_store(name, memory, width, bits))
    local += [
        {"name": f"mac[0..{engine.lanes - 1}]", "class": "intmac", "attributes": {"datawidth": multiplier}},
        {"name": "random_generator", "class": "lfsr", "attributes": {"width": 32}},
        {"name": "feedback_generator", "class": "lfsr", "attributes": {"width": 16}},
        {"name": "engine", "class": "controller", "attributes": {}},
    ]
    attributes = {"technology": f"{engine.node:g}nm", "voltage": engine.voltage, "clock_hz": engine.clock}
    tree = [{"name": ROOT, "attributes": attributes, "local": local}]
    head = f"# edgelearn: components of {' '.join(engine.name.split())}; classes and depths are a start, change them\n"
    content = {"architecture": {"version": 0.3, "subtree": tree}}
    write_text(path, head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def _find(table: EnergyTable, component: str, optional: bool) -> str | None:
    """Return the name under which a table lists a component; None where it may be missing and is."""
    try:
        return _find_name(f"energy table {table.path}", table.energies_pj, component)
    except UserError:
        if optional:
            return None
        raise


def _find_name(what: str, listed: Mapping[str, Any], component: str) -> str:
    if component in listed:
        return component
    found = [name for name in listed if _covers(name, component)]
    if not found:
        last = component.rpartition(".")[2]
        found = [
            name for name in listed if component == f"{ROOT}.{last}" and _INDEX.sub("", name).rpartition(".")[2] == last
        ]
    if not found:
        own = component.removeprefix(f"{ROOT}.")
        raise UserError(f"{what}: {unknown('component', component, listed)} Or give --ert-map {own}=NAME")
    if len(found) > 1:
        raise UserError(
            f"{what}: several components stand for '{component}': {', '.join(found)}; keep one, or --ert-map"
        )
    return found[0]


def _covers(listed: str, wanted: str) -> bool:
    """Return whether instances named by `wanted` are among those named by `listed`.

    Example
    -------
    >>> [_covers("e.lane[0..3].mac", name) for name in ("e.lane.mac", "e.lane[3].mac", "e.lane[4].mac", "e.mac")]
    [True, True, False, False]
    """
    if _INDEX.sub("", listed) != _INDEX.sub("", wanted):
        return False
    if not (_INDEX.search(listed) and _INDEX.search(wanted)):
        return True
    if _INDEX.sub("[]", listed) != _INDEX.sub("[]", wanted):
        return False
    pairs = zip(_ranges(listed), _ranges(wanted), strict=True)
    return all(low <= first and last <= high for (low, high), (first, last) in pairs)


def _ranges(name: str) -> Iterable[tuple[int, int]]:
    return [(int(match[1]), int(match[2] or match[1])) for match in _INDEX.finditer(name)]
