"""Cost of a branch predictor in two models, which disagree by far; neither is authoritative.

`wide-row` prices one wide SRAM row, trees of carry-save adders and 8 x 8 multipliers in a 5 nm technology; its
constants are fitted to five datapaths (tables/harcom.csv). `45-nm-words` charges every 64-bit word of a row at the
price of a cache access (Horowitz, ISSCC 2014). Derivation and residuals: docs/cost_model.md, section 11.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np

from edgelearn.branch.datapath import Datapath, Memory, Sums
from edgelearn.errors import UserError
from hw_models.constants.technology import operation, rows

CLOCK_PS = 300.0
WORD_BITS = 64  # of a cache access
BANK_ROWS = 256  # more words than these stand in several banks
FOLDED_BITS = 256  # narrow words stand side by side up to this width
LATENCY_CONSTANTS = (
    "access", "row of a bank", "bit across", "doubling of banks",
    "sign flip", "carry-save level", "carry-propagate add", "saturation", "product",
)  # fmt: skip
ENERGY_CONSTANTS = ("bit across", "cell on a bitline", "bit and way", "adder bit", "product")
NOTES = (
    "two models of different technologies: compare predictors within one of them, never a figure of one with the other",
    "wide-row prices no update; neither model prices indices, tag comparison and the choice between tables and parts, "
    "so that the latency of a predictor with tags, tables or parts to choose from is a lower bound",
)


@dataclass(frozen=True)
class ModelCost:
    """The figures of one model; None where it has none.

    Parameters
    ----------
    energy_pj, memory_pj : of a prediction, and the share of the memories in it
    latency_ps, cycles : from the address to the sign of the last sum
    update_pj : one update of every part
    updates_pj : updates of one prediction, each part at its frequency
    """

    model: str
    node_nm: float
    energy_pj: float
    memory_pj: float
    latency_ps: float | None
    cycles: int | None
    update_pj: float | None
    updates_pj: float | None


@dataclass(frozen=True)
class BranchCost:
    """Cost of a predictor in both models.

    Parameters
    ----------
    notes : what a report has to print with the figures
    """

    name: str
    clock_ps: float
    wide_row: ModelCost
    words: ModelCost
    notes: tuple[str, ...] = NOTES


@dataclass(frozen=True)
class Calibration:
    """A datapath whose figures are known.

    Parameters
    ----------
    stages_ps : time at which a stage is ready, by `sram`, `hidden`, `saturated`, `product` and `ready`
    use : `fit` (the constants follow from it) or `test` (they never see it)
    """

    datapath: Datapath
    stages_ps: dict[str, float]
    cycles: int
    energy_pj: float
    sram_pj: float
    use: str


def branch_cost(datapath: Datapath, clock_ps: float = CLOCK_PS) -> BranchCost:
    """Price a predictor.

    Parameters
    ----------
    clock_ps : a cycle, for the latency of the wide-row model

    Raises
    ------
    UserError
        "a clock of ..."

    Example
    -------
    >>> cost = branch_cost(Datapath("perceptron", (Memory(885, 296, written=1),), (Sums(37, signed=True),), 0.12, 37))
    >>> cost.wide_row.cycles, round(cost.words.energy_pj), round(cost.words.update_pj)
    (2, 102, 101)
    """
    if not 0 < clock_ps < math.inf:
        raise UserError(f"a clock of {clock_ps:g} ps is no clock; give the picoseconds of a cycle, for example 300")
    return BranchCost(datapath.name, clock_ps, _wide_row(datapath, clock_ps), _words(datapath))


def carry_save_levels(terms: int) -> int:
    """Return the levels of 3:2 compressors that leave two of so many terms.

    Example
    -------
    >>> [carry_save_levels(terms) for terms in (2, 3, 25, 37, 49, 63)]
    [0, 1, 7, 8, 9, 9]
    """
    levels = 0
    while terms > 2:
        terms -= terms // 3
        levels += 1
    return levels


def stages_ps(datapath: Datapath) -> dict[str, float]:
    """Return when each stage is ready in the wide-row model, in ps; parts beside it are left out.

    Stages are `sram`, then `hidden` (`hidden 2`, ...) for the sums of all layers but the last, each with `saturated`,
    then `product` and `ready`.
    """
    constants = latency_constants()
    memories = {memory.stage: 0.0 for memory in datapath.memories}
    for memory in datapath.memories:
        time = _dot(_memory_times(memory), constants)
        memories[memory.stage] = max(memories[memory.stage], time)
    found = {"sram": sum(memories.values())}
    now = found["sram"]
    for name, step in _steps(datapath.sums):
        now += _dot(step, constants)
        found[name] = now
    return found


@cache
def latency_constants() -> dict[str, float]:
    """Return the constants of the wide-row model in ps, by `LATENCY_CONSTANTS`."""
    lines, figures = [], []
    for known in calibrations("fit"):
        line = _memory_times(known.datapath.memories[0])
        for name, step in (("sram", {}), *_steps(known.datapath.sums)):
            line = _plus(line, step)
            if name in known.stages_ps:
                lines.append(line)
                figures.append(known.stages_ps[name])
    return _fit(LATENCY_CONSTANTS, lines, figures)


@cache
def energy_constants() -> dict[str, float]:
    """Return the constants of the wide-row model in pJ, by `ENERGY_CONSTANTS`."""
    lines, figures = [], []
    for known in calibrations("fit"):
        lines += [_memory_energy(known.datapath.memories[0]), _sums_energy(known.datapath.sums)]
        figures += [known.sram_pj, known.energy_pj - known.sram_pj]
    return _fit(ENERGY_CONSTANTS, lines, figures)


def calibrations(use: str | None = None) -> list[Calibration]:
    """Return the datapaths of tables/harcom.csv, those of one use or all."""
    found = []
    for row in rows("harcom"):
        if use not in (None, row["use"]):
            continue
        units, terms = int(row["units"]), int(row["terms"])
        first = Sums(terms, trees=max(units, 1), signed=True, saturated=units > 0)
        second = (Sums(units, 16, products=units),) if units else ()
        path = Datapath(row["name"], (Memory(int(row["rows"]), int(row["row_bits"])),), (first, *second))
        stages = {
            name: float(row[f"{name}_ps"])
            for name in ("sram", "hidden", "saturated", "product", "ready")
            if row[f"{name}_ps"]
        }
        energy, sram = float(row["energy_pj"]), float(row["sram_pj"])
        found.append(Calibration(path, stages, int(row["cycles"]), energy, sram, row["use"]))
    return found


def _wide_row(datapath: Datapath, clock_ps: float) -> ModelCost:
    latency = first = max(stages_ps(datapath).values())
    for part in datapath.parts[1:]:
        stages = stages_ps(part)
        late = max(first - stages["sram"], 0.0) if part.waits else 0.0
        latency = max(latency, max(stages.values()) + late)
    constants = energy_constants()
    memory = sum(_dot(_memory_energy(memory), constants) for part in datapath.parts for memory in part.memories)
    logic = sum(_dot(_sums_energy(part.sums), constants) for part in datapath.parts)
    node_nm = float(rows("harcom")[0]["node_nm"])
    cycles = math.ceil(latency / clock_ps)
    return ModelCost("wide-row", node_nm, memory + logic, memory, latency, cycles, None, None)


def _words(datapath: Datapath) -> ModelCost:
    memory = logic = update = updates = 0.0
    for part in datapath.parts:
        memory += sum(memory.copies * _row_pj(memory) for memory in part.memories)
        for sums in part.sums:
            logic += sums.trees * (sums.terms - 1) * _operation_pj("add", sums.sum_bits)
            logic += sums.products * _operation_pj("multiply", 8)
        one = sum(memory.written * _row_pj(memory) for memory in part.memories)
        one += part.adds * _operation_pj("add", part.add_bits)
        update += one
        updates += part.updates * one
    return ModelCost("45-nm-words", 45.0, memory + logic, memory, None, None, update, updates)


def _operation_pj(name: str, bits: int) -> float:
    energy = operation("horowitz-45nm", name, bits).energy_pj
    assert energy is not None
    return energy


def _row_pj(memory: Memory) -> float:
    """Return the price of reading or of writing a row: 64-bit words, each an access."""
    return math.ceil(memory.row_bits / WORD_BITS) * cache_word_pj(memory.bits)


def cache_word_pj(capacity_bits: int) -> float:
    """Return the energy of an access of 64 bits at 45 nm, on straight lines in log-log between the known capacities.

    A smaller memory than the smallest known takes its price, an upper bound; above the largest the last line goes on.
    """
    known = _caches()
    capacity = max(capacity_bits, known[0][0])
    right = next((k for k in range(1, len(known)) if capacity <= known[k][0]), len(known) - 1)
    (low, low_pj), (high, high_pj) = known[right - 1], known[right]
    return float(low_pj * (high_pj / low_pj) ** (math.log(capacity / low) / math.log(high / low)))


@cache
def _caches() -> tuple[tuple[int, float], ...]:
    found = [row for table in ("storage", "caches") for row in rows(table) if row["name"].startswith("horowitz-cache-")]
    return tuple(sorted((int(row["capacity_bits"]), float(row["read_pj"])) for row in found))


def _banks(memory: Memory) -> tuple[int, int, int]:
    """Return words of a bank, bits across it, banks: a power of two of them, narrow words side by side."""
    side_by_side = 1
    while memory.rows > BANK_ROWS * side_by_side and 2 * side_by_side * memory.row_bits <= FOLDED_BITS:
        side_by_side *= 2
    lines = math.ceil(memory.rows / side_by_side)
    banks = 1 << (math.ceil(lines / BANK_ROWS) - 1).bit_length()
    return min(lines, BANK_ROWS), side_by_side * memory.row_bits, banks


def _memory_times(memory: Memory) -> dict[str, float]:
    lines, across, banks = _banks(memory)
    return {"access": 1, "row of a bank": lines, "bit across": across, "doubling of banks": math.log2(banks)}


def _memory_energy(memory: Memory) -> dict[str, float]:
    lines, across, banks = _banks(memory)
    way = math.sqrt(banks * lines * across) if banks > 1 else 0.0  # side of the square that the banks fill
    energy = {"bit across": across, "cell on a bitline": across * lines, "bit and way": memory.row_bits * way}
    return {name: memory.copies * count for name, count in energy.items()}


def _sums_energy(layers: Iterable[Sums]) -> dict[str, float]:
    adders = products = 0.0
    for sums in layers:
        adders += sums.trees * sums.terms * sums.term_bits
        products += sums.products
    return {"adder bit": adders, "product": products}


def _steps(layers: tuple[Sums, ...]) -> list[tuple[str, dict[str, float]]]:
    """Return the stages after the memories, each with what it adds to the path."""
    steps: list[tuple[str, dict[str, float]]] = []
    for k, sums in enumerate(layers, 1):
        number = f" {k}" if k > 1 else ""
        last = k == len(layers)
        if sums.products:
            steps.append(("product" if last else f"product{number}", {"product": 1}))
        tree = {"sign flip": float(sums.signed), "carry-save level": float(carry_save_levels(sums.terms))}
        if sums.terms > 1:
            tree["carry-propagate add"] = 1.0
        saturated = {"saturation": 1.0} if sums.saturated else {}
        if last:
            steps.append(("ready", _plus(tree, saturated)))
        else:
            steps.append((f"hidden{number}", tree))
            if saturated:
                steps.append((f"saturated{number}", saturated))
    return steps


def _plus(first: dict[str, float], second: dict[str, float]) -> dict[str, float]:
    return {name: first.get(name, 0.0) + second.get(name, 0.0) for name in (*first, *second)}


def _dot(counts: dict[str, float], constants: dict[str, float]) -> float:
    return sum(count * constants[name] for name, count in counts.items())


def _fit(names: tuple[str, ...], lines: list[dict[str, float]], figures: list[float]) -> dict[str, float]:
    """Return the constants of least squares of the relative errors."""
    matrix = np.array(
        [[line.get(name, 0.0) / figure for name in names] for line, figure in zip(lines, figures, strict=True)]
    )
    scale = np.abs(matrix).max(axis=0)
    found = np.linalg.lstsq(matrix / scale, np.ones(len(figures)), rcond=None)[0] / scale
    return {name: float(value) for name, value in zip(names, found, strict=True)}
