"""Block diagram of the engine in Verilog: edgelearn/docs/figures/rtl_engine.svg.

    python experiments/rtl_diagram.py

Blocks are the instances of el_top.v and el_engine.v; one that has no place here is an error.
"""

from __future__ import annotations

import re
from pathlib import Path

from edgelearn.files import write_text
from hw_models.rtl.emit import VERILOG

FIGURE = Path(__file__).parents[1] / "edgelearn" / "docs" / "figures" / "rtl_engine.svg"

# module, instances, column, row, what it does
BLOCKS = [
    ("el_control", ("control",), 1, 0, "sequence of a sample"),
    ("el_list", ("events", "gates", "deltas"), 1, 1, "pointers of events, gates, deltas"),
    ("el_datapath", ("datapath",), 1, 2, "multiplier, sum, q, m, d"),
    ("el_update", ("update",), 1, 3, "step, saturation, new word"),
    ("el_rom", ("activations", "outputs", "keys"), 2, 1, "tables: y and g, p, keys"),
    ("el_output", ("output_layer",), 2, 2, "prediction, gate, error"),
    ("el_softmax", ("shares",), 2, 3, "p of a softmax"),
    ("el_random", ("bits",), 2, 0, "random bits of rounding"),
    ("el_ram", ("events0", "events1"), 0, 0, "events of the layers, in turn"),
    ("el_ram", ("views", "residuals"), 0, 1, "stored words"),
    ("el_ram", ("matrix",), 0, 2, "fixed feedback"),
    ("el_lfsr", ("shift_register",), 2, 4, "feedback of drtp, regenerated"),
    ("el_ram", ("gates", "deltas"), 0, 3, "open gates; errors and deltas"),
]
ARROWS = [
    ((0, 0), (1, 1)), ((0, 1), (1, 2)), ((0, 2), (1, 2)), ((0, 3), (1, 1)), ((1, 0), (1, 1)), ((1, 1), (1, 2)),
    ((1, 2), (1, 3)), ((1, 2), (2, 1)), ((2, 1), (2, 2)), ((2, 3), (2, 2)), ((2, 0), (1, 3)), ((1, 3), (0, 1)),
    ((2, 2), (1, 1)), ((2, 4), (1, 2)),
]  # fmt: skip
WIDTH, HEIGHT, GAP_X, GAP_Y, LEFT, TOP = 220, 64, 70, 36, 20, 50


def instances() -> set[tuple[str, str]]:
    """Return (module, instance) of the blocks of the engine and its memories, helpers of arithmetic left out."""
    found = set()
    for name in ("el_top.v", "el_engine.v"):
        text = re.sub(r"//.*", "", (VERILOG / name).read_text(encoding="ascii"))
        for module, rest in re.findall(r"\b(el_\w+)\s*(#?\([^;]*?\)?)\s*;", text):
            instance = re.search(r"(\w+)\s*\(\s*\.(?:clk|minus|value)", rest)
            if instance and module not in ("el_extend", "el_engine"):
                found.add((module, instance.group(1)))
    return found


def diagram() -> str:
    """Return the diagram as SVG."""
    drawn = {(module, name) for module, names, *_ in BLOCKS for name in names}
    missing = instances() - drawn
    assert not missing, f"blocks without a place: {sorted(missing)}"
    wide, high = LEFT * 2 + 3 * WIDTH + 2 * GAP_X, TOP + 5 * HEIGHT + 4 * GAP_Y + 20
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" font-family="sans-serif" font-size="13">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#555"/></marker></defs>',
        f'<rect width="{wide}" height="{high}" fill="#fff"/>',
    ]
    for column, title in enumerate(("memories (el_top)", "engine: control and data", "engine: tables and outputs")):
        lines.append(f'<text x="{_x(column)}" y="30" font-weight="bold">{title}</text>')
    for start, end in ARROWS:
        (x1, y1), (x2, y2) = _ends(start, end)
        lines.append(f'<path d="M{x1} {y1} L{x2} {y2}" stroke="#555" fill="none" marker-end="url(#tip)"/>')
    for module, names, column, row, what in BLOCKS:
        x, y = _x(column), _y(row)
        fill = "#eaf2fb" if column == 0 else "#f4f4f4"
        lines += [
            f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="4" fill="{fill}" stroke="#333"/>',
            f'<text x="{x + 10}" y="{y + 20}" font-weight="bold">{module}</text>',
            f'<text x="{x + 10}" y="{y + 38}">{", ".join(names)}</text>',
            f'<text x="{x + 10}" y="{y + 55}" fill="#555">{what}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def _x(column: int) -> int:
    return LEFT + column * (WIDTH + GAP_X)


def _y(row: int) -> int:
    return TOP + row * (HEIGHT + GAP_Y)


def _ends(start: tuple[int, int], end: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return where an arrow between two blocks, given as (column, row), begins and ends."""
    (c1, r1), (c2, r2) = start, end
    if c1 == c2:
        x, down = _x(c1) + WIDTH // 2, r2 > r1
        return (x, _y(r1) + (HEIGHT if down else 0)), (x, _y(r2) + (0 if down else HEIGHT))
    right = c2 > c1
    middle = HEIGHT // 2
    return (_x(c1) + (WIDTH if right else 0), _y(r1) + middle), (_x(c2) + (0 if right else WIDTH), _y(r2) + middle)


if __name__ == "__main__":
    write_text(FIGURE, diagram())
    print(f"written: {FIGURE}")
