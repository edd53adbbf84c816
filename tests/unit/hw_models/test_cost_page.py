"""The page of the cost model can be built from: energies of the runs on the digits, by its numbers alone.

Nothing of the product computes here; it is only compared with.
"""

from __future__ import annotations

import csv
import json
import math
import re
from itertools import pairwise
from pathlib import Path

import pytest

from edgelearn.config import make_config
from edgelearn.network.counters import Counters
from edgelearn.network.spec import design
from edgelearn.reports.structures import range_text
from edgelearn.rules import RULES
from edgelearn.runs.activity import assumed_activity, profile_table
from experiments import cost_worked_example
from hw_models.compare.structures import structures, structures_as_dict
from hw_models.constants import technology
from hw_models.constants.memory import sram
from hw_models.engine.schedule import ASSUMED_SAMPLES
from hw_models.processor import find_processor

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "hw_models/docs/cost_model.md").read_text()
SRAM_ROWS = (ROOT / "hw_models/tables/sram_cacti.csv").read_text().splitlines()
DIRECT = ("dfa", "sdfa", "mdfa", "signed-target")
WIDTHS = {
    "drtp": 8,
    "sdfa": 12,
    "signed-target": 12,
    "dfa": 16,
    "local": 16,
    "mdfa": 16,
    "fa": 16,
    "bp": 16,
    "shallow": 0,
}


def table(first: str, last: str = "") -> list[dict[str, str]]:
    """Return the rows of the table of the page whose first column is so titled (and its last)."""
    lines = PAGE.splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith(f"| {first} |") and line.rstrip(" |").endswith(last)]
    assert len(starts) == 1, first
    titles = [cell.strip() for cell in lines[starts[0]].strip("|").split("|")]
    rows = []
    for line in lines[starts[0] + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(dict(zip(titles, (cell.strip() for cell in line.strip("|").split("|")), strict=True)))
    return rows


COEFFICIENT = {row["coefficient"]: float(row["value"]) for row in table("coefficient")}
TERM = {row["term"]: float(row["um2 in sg13g2"]) / COEFFICIENT["library factor"] for row in table("term")}
COUNTS = {row.pop("rule"): {name: float(cell) for name, cell in row.items()} for row in table("rule", "n_s n_g")}
ENERGIES = {row.pop("rule"): row for row in table("rule", "area, um2")}
MEMORIES = table("bits", "memories")


def multiplier(n: int, m: int) -> float:
    points = [(math.log(k * k), math.log(COEFFICIENT[f"multiplier {k} x {k}"])) for k in (4, 8, 16, 32)]
    at = math.log(n * m)
    (x0, y0), (x1, y1) = next((p for p in pairwise(points) if at <= p[1][0]), points[-2:])
    return math.exp(y0 + (y1 - y0) * (at - x0) / (x1 - x0))


def mac_and_control(n: int, m: int) -> tuple[float, float]:
    bit = COEFFICIENT["adder bit"] + COEFFICIENT["register bit"]
    mac = multiplier(n, m) + (n + m + 8) * bit + (n + m) * COEFFICIENT["operand bit"]
    return mac, COEFFICIENT["control"] + COEFFICIENT["control per bit"] * (n + m) / 2


def learning_um2(rule: str, stored_bits: int) -> float:
    line = "bp" if rule in ("bp", "fa", "shallow") else "drtp"
    wide = math.log2(stored_bits)
    drtp = COEFFICIENT["learning drtp"] + COEFFICIENT["learning drtp per log2"] * wide
    area = COEFFICIENT[f"learning {line}"] + COEFFICIENT[f"learning {line} per log2"] * wide
    area -= COEFFICIENT["random share"] * drtp
    return area - (line == "drtp") * COEFFICIENT["feedback generator bits"] * COEFFICIENT["register bit"]


def memories_of(rule: str) -> dict[str, dict[str, str]]:
    found = {}
    for row in MEMORIES:
        for of in row["memories"].split("; "):
            name, users = of.split(" of ")
            if users == "all" or rule in users.split(", "):
                found[name] = row
    return found


def by_hand(rule: str) -> dict[str, float]:
    """Energies in nJ, cycles and area of a learned sample, and the energy of one that is only inferred."""
    n = COUNTS[rule]
    changed = n["x1 n_d1"] + n["n_d1"] + n["x2 n_d2"] + n["n_d2"]
    forward = 100 * (n["x1"] + 3) + 3 + 10 * (n["x2"] + 3) + 3
    modulator = n["n_s n_g"] + 5 * n["n_g"] if rule in DIRECT else 0.0
    if rule in ("bp", "fa"):
        modulator = n["n_s n_g"] + 6 * n["n_g"]
    elif rule == "drtp":
        modulator = 200 * n["n_s"]
    elif rule == "local":
        modulator = n["n_s n_g"] + 5 * n["n_g"] + 100 * 10 + 1 + 10
    update = 2 * changed + 2 * n["n_d2"] + (2 * n["n_d1"] if rule in ("bp", "fa") else 0.0)
    learning, cycles = modulator + update, forward + modulator + update

    read, write, leak, area = ({} for _ in range(4))
    built = memories_of(rule)
    for name, row in built.items():
        read[name], write[name], leak[name], area[name] = (
            float(row[column]) for column in ("read, pJ", "write, pJ", "leakage, uW", "area, um2")
        )
    inferred_memories = memories_of("inference") | {"weights": built["weights"]}
    weights = (n["x1"] + 1) * 100 + (n["x2"] + 1) * 10
    events = n["x1"] + n["x2"]
    act = 100 * n["x1"] + 10 * n["x2"]
    pj = (weights + changed) * read["weights"] + changed * write["weights"]
    pj += changed * (read["residuals"] + write["residuals"])
    pj += events * write["activations"] + (act + n["x1 n_d1"] + n["x2 n_d2"]) * read["activations"]
    if rule == "bp":
        pj += n["n_s n_g"] * read["weights"]
    elif rule != "shallow":
        pj += n["n_s n_g"] * read["feedback"]
    if rule == "local":
        pj += 100 * 10 * read["feedback"]
    if rule in ("dfa", "local", "sdfa", "mdfa", "bp", "fa"):
        pj += n["n_o"] * write["buffers"] + n["n_g"] * read["buffers"]
    if rule in ("bp", "fa"):
        pj += n["n_g"] * write["buffers"] + n["n_d1"] * read["buffers"]
    pj += sum(leak.values()) * cycles / 200

    scale = COEFFICIENT["energy to 28 nm, 0.9 V"] * 1e-3
    fixed = sum(TERM[name] for name in ("layer control", "event lists", "argmax", "output table"))
    base, wide = sum(mac_and_control(8, 8)), sum(mac_and_control(max(8, 9, WIDTHS[rule]), 8))
    always = base * COEFFICIENT["inference energy"] + fixed * COEFFICIENT["learning energy"]
    learns = learning_um2(rule, 16) + TERM["learning control"]
    added = (wide - base) * COEFFICIENT["inference energy"] + learns * COEFFICIENT["learning energy"]
    written = n["n_d2"] * 9
    error_bits = 90 if rule in ("dfa", "sdfa", "mdfa", "bp", "fa") else 9
    if rule == "local":
        sum_bits = (100 * 127 * 127).bit_length() + 1
        written, error_bits = written + n["n_s"] * 9 + 100 * 10 * sum_bits, 10 * sum_bits
    errors = written * COEFFICIENT["register clock"]
    logic = wide + fixed + learns + error_bits * COEFFICIENT["register bit"]

    only = inferred_memories["activations"]
    inference = weights * read["weights"] + events * float(only["write, pJ"]) + act * float(only["read, pJ"])
    inference += (leak["weights"] + float(only["leakage, uW"])) * forward / 200
    return {
        "cycles": cycles,
        "learning": (pj + scale * (cycles * always + learning * added + errors)) / 1e3,
        "inference": (inference + scale * forward * always) / 1e3,
        "area": sum(area.values()) + logic * COEFFICIENT["area to 28 nm"],
    }


def counters(rule: str) -> Counters:
    found = Counters.zeros(2)
    for name, (column, k) in cost_worked_example.COUNTS.items():
        found[column][k] = round(ASSUMED_SAMPLES * COUNTS[rule][name])
    found["samples"][:] = ASSUMED_SAMPLES
    found["updates"][:] = ASSUMED_SAMPLES
    return found


@pytest.mark.parametrize("rule", RULES)
def test_energies_of_the_page_are_those_of_the_program(rule):
    """Bar: 0.1 %."""
    hand, engine, spec = by_hand(rule), find_processor("engine-28nm"), design((64, 100, 10), rule)
    learned, inferred = (engine.price(spec, counters(rule), learning) for learning in (True, False))
    assert hand["cycles"] == pytest.approx(learned.cycles_per_sample, rel=1e-3)
    assert hand["learning"] == pytest.approx(learned.energy_per_sample_pj / 1e3, rel=1e-3)
    assert hand["inference"] == pytest.approx(inferred.energy_per_sample_pj / 1e3, rel=1e-3)
    assert hand["area"] == pytest.approx(learned.total("area_um2"), rel=1e-3)
    printed = ENERGIES[rule]
    assert float(printed["learning, nJ"]) == pytest.approx(hand["learning"], rel=1e-3)
    assert float(printed["inference, nJ"]) == pytest.approx(hand["inference"], rel=1e-3)
    assert float(printed["cycles"]) == pytest.approx(hand["cycles"], rel=1e-3)
    assert float(printed["area, um2"]) == pytest.approx(hand["area"], rel=1e-3)
    assert printed["multiplier"] == f"{max(9, WIDTHS[rule])} x 8"


@pytest.mark.parametrize("rule", RULES)
def test_counts_of_the_page_are_those_of_the_bundled_runs(rule):
    (profile,) = [row for row in profile_table() if (row.data, row.rule) == ("digits", rule)]
    n = COUNTS[rule]
    assert n["x1"] / 64 == pytest.approx(profile.inputs, abs=1e-4)
    assert n["x2"] / 100 == pytest.approx(profile.hidden, abs=1e-4)
    assert n["n_d1"] / 100 == pytest.approx(profile.hidden_updates, abs=1e-4)
    assert n["n_d2"] / 10 == pytest.approx(profile.errors, abs=1e-4)


@pytest.mark.slow
def test_the_page_holds_what_the_runs_give():
    found = cost_worked_example.report()
    stored = json.loads(cost_worked_example.RESULTS.read_text())
    assert found == stored
    assert {row["rule"]: {k: v for k, v in row.items() if k != "rule"} for row in found["counts"]} == COUNTS


def test_coefficients_terms_and_bands_are_those_in_use():
    assert pytest.approx(cost_worked_example.coefficients(), rel=1e-5) == COEFFICIENT
    rows = {row["name"]: float(row["value"]) for row in technology.rows("engine_terms") if row["unit"] == "um2"}
    factor = COEFFICIENT["library factor"]
    assert {name: value * factor for name, value in TERM.items()} == pytest.approx(rows)
    printed = [(row["constant"], row["low"], row["high"]) for row in table("constant")]
    assert printed == [(row["name"], row["low"], row["high"]) for row in technology.rows("bands")]


class Macros:
    """SRAM of one cell and node from the rows of the table, as the page says."""

    def __init__(self, cell: str, node: str) -> None:
        self.rows: dict[int, list[dict[str, float]]] = {}
        for row in csv.DictReader(SRAM_ROWS):
            if (row["cell"], row["node_nm"], row["use"]) == (cell, node, "fit"):
                width = int(row["word_bits"])
                of = {name: math.log(float(row[name])) for name in ("read_pj", "write_pj", "area_um2")}
                of["leakage_uw"] = math.log(float(row["leakage_uw"]) + float(row["gate_leakage_uw"]))
                of["words"] = math.log(8 * int(row["capacity_bytes"]) / width)
                self.rows.setdefault(width, []).append(of)
        for rows in self.rows.values():
            rows.sort(key=lambda row: row["words"])
            areas = [row["area_um2"] for row in rows]
            for i, row in enumerate(rows):
                row["area_um2"] = (max(areas[: i + 1]) + min(areas[i:])) / 2

    def at_width(self, width: int, words: float) -> dict[str, float]:
        rows = self.rows[width]
        above = next((i for i, row in enumerate(rows) if row["words"] > words), len(rows))
        if above in (0, len(rows)):
            return rows[min(above, len(rows) - 1)]
        low, high = rows[above - 1], rows[above]
        share = (words - low["words"]) / (high["words"] - low["words"])
        return {name: low[name] + share * (high[name] - low[name]) for name in low}

    def macro(self, bits: int, word: int) -> dict[str, float]:
        width = max(word, 8)
        words = math.log(math.ceil(bits / width))
        low = max(known for known in self.rows if known <= width)
        high = min(known for known in self.rows if known >= width)
        at = [self.at_width(known, words) for known in (low, high)]
        share = 0.0 if low == high else math.log(width / low) / math.log(high / low)
        return {name: math.exp(at[0][name] + share * (at[1][name] - at[0][name])) for name in at[0] if name != "words"}

    def memory(self, bits: int, word: int, writes: float) -> dict[str, float]:
        best, beside = self.macro(bits, word), 1

        def merit(cost: dict[str, float]) -> float:
            return (cost["read_pj"] + writes * cost["write_pj"]) * cost["area_um2"]

        while 2 * beside * 8 <= word:
            beside *= 2
            part = self.macro(math.ceil(bits / beside), math.ceil(word / beside))
            whole = {name: beside * value for name, value in part.items()}
            if merit(whole) < merit(best):
                best = whole
        return best


def test_memories_follow_from_the_table_as_the_page_says():
    macros = Macros("itrs-lstp", "28")
    for row in MEMORIES:
        hand = macros.memory(int(row["bits"]), int(row["word"]), float(row["writes per read"]))
        assert hand["read_pj"] == pytest.approx(float(row["read, pJ"]), rel=1e-4)
        assert hand["write_pj"] == pytest.approx(float(row["write, pJ"]), rel=1e-4)
        assert hand["leakage_uw"] == pytest.approx(float(row["leakage, uW"]), rel=1e-3)
        assert hand["area_um2"] == pytest.approx(float(row["area, um2"]), rel=1e-3)
    for bits, word, writes in ((3_140_000, 8, 0.5), (3_141_120, 256, 0.5), (500_000, 48, 1.0), (90_000, 11, 0.0)):
        hand, product = macros.memory(bits, word, writes), sram("itrs-lstp", 28, bits, word, writes)
        assert [hand[name] for name in ("read_pj", "write_pj", "area_um2", "leakage_uw")] == pytest.approx(
            [product.read_pj, product.write_pj, product.area_um2, product.leakage_uw]
        )


def test_examples_of_the_text_are_true():
    by_envelope, as_they_are = (
        float(text.replace(",", "")) for text in re.findall(r"take ([\d,]+) um2 so, and ([\d,]+) by", PAGE)[0]
    )
    macros = Macros("itrs-lstp", "28")
    assert round(macros.macro(60080, 8)["area_um2"]) == by_envelope
    assert as_they_are > by_envelope


def test_ranges_over_structures_in_the_text_are_those_of_the_measured_activity():
    activity = assumed_activity(make_config({}), {})
    specs = {rule: design((64, 100, 10), rule) for rule in ("signed-target", "sdfa", "drtp", "dfa")}
    found = structures(
        specs, {rule: activity.counters(spec) for rule, spec in specs.items()}, find_processor("engine-28nm")
    )
    shown = structures_as_dict(found)
    pairs = {(pair["cheaper"], pair["dearer"]): pair["energy_percent"] for pair in shown["pairs"]}
    text = " ".join(PAGE.split())
    drtp = next(rule for rule in shown["rules"] if rule["name"] == "drtp")["energy_overhead_percent"]
    assert f"drtp takes {range_text(drtp)} over inference" in text
    assert f"dfa {range_text(pairs['drtp', 'dfa'])} more than drtp" in text
    assert f"sdfa {range_text(pairs['signed-target', 'sdfa'])} more than signed-target" in text
    assert f"{shown['engines']} engines" in text
