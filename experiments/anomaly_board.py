"""The anomaly detector on microcontrollers: bytes, instructions, time, energy and battery life per row.

    python -m experiments.anomaly_board

The network and detector of experiments/anomaly_skab.py (8 channels, windows of two samples) take the first file of
SKAB on emulated cores; instructions are counted row by row. Cycles are instructions times the cycles of an instruction
in hw_models/processors; energy of a cycle is that of a Cortex-M4 there, and of a Cortex-M0+ from
hw_models/tables/microcontrollers.csv (MSPM0L1106 at 3.3 V), as are the currents in which both sleep between rows. The
front end and the sensor are not in the figures.
Writes experiments/results/anomaly_board.json.
"""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path
from typing import Any

from edgelearn import __version__
from edgelearn.files import write_text
from edgelearn.network.learner import Learner
from edgelearn.units import SECONDS_PER_DAY, battery_joules
from experiments.anomaly_skab import FEEDBACKS, SETTING, File, levels_of, network, phases, read
from firmware_sim.build.targets import find_target
from firmware_sim.check.graded import count_rows
from hw_models.processor import Microcontroller, find_processor

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "experiments" / "results" / "anomaly_board.json"
TABLE = ROOT / "hw_models" / "tables" / "microcontrollers.csv"
CORES = ("cortex-m0", "cortex-m4")
RULES = ("drtp", "dfa", "bp")
BATTERY = "225 mAh at 3 V"
ROW_RATE_HZ = 1.0  # of SKAB
M0_PLUS, M4 = "MSPM0L1106 (Cortex-M0+)", "STM32L4R5 (Cortex-M4)"
ASLEEP = {"cortex-m0": (M0_PLUS, "standby_current"), "cortex-m4": (M4, "stop2_current")}
CELL_VOLTAGE = 3.0


def figure(name: str, what: str, voltage: str = "") -> float:
    """Return a figure of the table of microcontrollers."""
    with TABLE.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if (row["name"], row["figure"]) == (name, what)]
    (row,) = (row for row in rows if voltage in ("", row["voltage_v"]))
    return float(row["value"])


def energy_per_cycle(core: str) -> float:
    """Return picojoules of a cycle."""
    if core == "cortex-m0":
        return figure(M0_PLUS, "energy_per_cycle", "3.3")
    processor = find_processor(core)
    assert isinstance(processor, Microcontroller)
    assert processor.energy_per_cycle is not None
    return processor.energy_per_cycle.nominal


def measure(file: File, rule: str, core: str) -> dict[str, Any]:
    """Return what a rule takes on a core."""
    levels, ends = levels_of(file, SETTING)
    detector, _ = phases(SETTING, ends)
    processor = find_processor(core)
    assert isinstance(processor, Microcontroller)
    learner = Learner(network(levels.shape[1], SETTING, rule, 8, FEEDBACKS[0], 1))
    with tempfile.TemporaryDirectory() as folder:
        found = count_rows(learner, Path(folder), find_target(core), levels[SETTING.calibrate :], detector)
    row: dict[str, Any] = {
        "net": learner.spec.net,
        "ram_bytes": found.ram,
        "stack_bytes": found.stack,
        "flash_bytes": found.code + found.constants,
    }
    for phase in ("train", "detect"):
        cycles = found.instructions[phase] * processor.cycles_per_instruction.nominal
        joules = cycles * energy_per_cycle(core) * 1e-12
        watts = joules * ROW_RATE_HZ + 1e-6 * figure(*ASLEEP[core]) * CELL_VOLTAGE
        row[phase] = {
            "instructions": round(found.instructions[phase]),
            "ms": round(1e3 * cycles / processor.clock_hz, 3),
            "microjoules": round(1e6 * joules, 2),
            "battery_years": round(battery_joules(BATTERY) / watts / SECONDS_PER_DAY / 365.25, 1),
        }
    return row


def main() -> None:
    (file,) = read("skab", ["valve1/0"])
    rows = {f"{core}, {rule}": measure(file, rule, core) for core in CORES for rule in RULES}
    content = {"edgelearn": __version__, "battery": BATTERY, "rows_per_second": ROW_RATE_HZ, "rows": rows}
    write_text(RESULTS, json.dumps(content, indent=1) + "\n")
    print("\n".join(table(content)))


def table(content: dict[str, Any]) -> list[str]:
    """Return the Markdown table."""
    lines = [
        "| core, rule | RAM, bytes | stack | flash | trained row: ms, uJ | judged row: ms, uJ | years of a coin cell |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in content["rows"].items():
        train, detect = row["train"], row["detect"]
        lines.append(
            f"| {name} | {row['ram_bytes']:,} | {row['stack_bytes']:,} | {row['flash_bytes']:,} | {train['ms']:.2f}, "
            f"{train['microjoules']:.1f} | {detect['ms']:.2f}, {detect['microjoules']:.1f} | "
            f"{detect['battery_years']:,.0f} |"
        )
    return lines


if __name__ == "__main__":
    main()
