"""Accelergy interface: action counts and energy reference tables (YAML).

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
from edgelearn.files import write_text
from edgelearn.network.counters import Counters
from edgelearn.network.spec import NetworkSpec
from edgelearn.network.traffic import traffic
from edgelearn.units import UNITS
from hw_models.engine.schedule import FORWARD_ACTIVITY, schedule
from hw_models.processor import AnyProcessor, Engine

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
        work = work.only(FORWARD_ACTIVITY)
    plan = schedule(spec, work, engine.lanes, engine.transposed_read, learning)
    counted = traffic(spec, work)

    counts: dict[Action, float] = {}
    for name, memory in engine.memories.items():
        if name in _PARTS or not _MEMORY_NAME.fullmatch(name):
            raise UserError(
                f"memory '{name}' of {engine.name} cannot be named in action counts; "
                f"use letters, digits, _ and -, and none of {', '.join(_PARTS)}"
            )
        for action, by_role in (("read", plan.reads), ("write", plan.writes)):
            roles = [role for role in by_role if _holder(role, spec) in memory.holds]
            counts[f"{ROOT}.{name}", action] = math.fsum(float(by_role[role].sum()) for role in roles)
    macs = sum(counted.total(name) for name in ("forward_macs", "signal_macs", "update_macs"))
    biases = counted.total("bias_read") - counted.total("bias_write")  # an update reads its bias too
    counts[f"{ROOT}.mac", "mac_random"] = macs + biases
    counts[f"{ROOT}.random_generator", "draw"] = counted.total("random_draws")
    counts[f"{ROOT}.feedback_generator", "step"] = counted.total("lfsr_steps")
    counts[f"{ROOT}.engine", "cycle"] = plan.total_cycles
    return {key: int(count) if float(count).is_integer() else count for key, count in counts.items() if count}


def _holder(role: str, spec: NetworkSpec) -> str:
    """Role of the memory in which a role's words lie: bp's feedback is the weights, read along the other side."""
    return "weight" if role == "feedback" and spec.rule.weight_transport else role


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
    what = f"{spec.rule.name}, learned" if learning else "inference only"
    net = "-".join(str(size) for size in spec.sizes)
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
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise _unreadable(path, error.strerror or "no file") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f", line {mark.line + 1}" if mark else ""
        raise _unreadable(path, f"no YAML{place}: {error.problem}") from None
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise _unreadable(path, "no YAML") from None
    try:
        version, energies = _energies(content, UNITS["energy"][unit])
    except _Mistake as mistake:
        raise UserError(f"energy table {path}: {mistake}") from None
    return EnergyTable(path, version, unit, energies)


class _Mistake(Exception):
    """What is wrong with a file's content, without the file's name."""


def _unreadable(path: Path, reason: str) -> UserError:
    return UserError(f"energy table {path} cannot be read: {reason}; give the ERT.yaml that Accelergy writes")


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


def price_with(table: EnergyTable, counts: Mapping[Action, int | float]) -> dict[Action, float]:
    """Return the energy in pJ by component and action.

    Parameters
    ----------
    counts : from `actions`. An instance is covered by a range of them (`lane[0..3]`), and a name without an index
        by a name with one: all instances of a component are alike

    Raises
    ------
    UserError
        "energy table ...: component ... is not known" or "... action ... is not known"
    """
    priced = {}
    for (component, action), count in counts.items():
        energies = table.energies_pj[_find(table, component)]
        if action not in energies:
            raise UserError(f"energy table {table.path}: {unknown(f'{component} action', action, energies)}")
        priced[component, action] = count * energies[action]
    return priced


def _find(table: EnergyTable, component: str) -> str:
    """Return the name under which a table lists a component."""
    if component in table.energies_pj:
        return component
    found = [name for name in table.energies_pj if _covers(name, component)]
    if not found:
        raise UserError(f"energy table {table.path}: {unknown('component', component, table.energies_pj)}")
    if len(found) > 1:
        raise UserError(
            f"energy table {table.path}: several components stand for '{component}': {', '.join(found)}; keep one"
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
