"""Layout of a text trace: separator, roles of its columns, base of its addresses."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from edgelearn.branch.traces import marks
from edgelearn.data.compressed import quoted
from edgelearn.errors import UserError

SEPARATORS = ",;\t|"
WHITE_SPACE = " \t"
COMMENTS = ("#", "//", "%")
AS_WRITTEN = 0  # base: 0x... is hexadecimal, anything else decimal
_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{1,16}|[0-9a-fA-F]{1,20}")
_HEADLESS = "write 0xPC and 0 or 1, as in 0x40d7f9 1, or begin with a header such as pc,taken"


@dataclass(frozen=True)
class Filter:
    """Column that selects the conditional branches: its meaning per cell, and the value of those that are kept."""

    column: int
    name: str
    meaning: Callable[[str], int | None]
    keep: int = 1
    allowed: str = "0 or 1"


@dataclass(frozen=True)
class Layout:
    """Columns of a text trace.

    Parameters
    ----------
    separator : one letter, or spaces and tabs; n_columns : cells per line; first_line : number of the first row
    pc, taken, target, instructions : columns; None where there is none
    base : of addresses without 0x: 10, 16, or `AS_WRITTEN`
    must_prefix : whether an address without 0x is refused
    rises : whether `instructions` counts from the beginning of the trace, or from the branch before
    offset : instructions before the trace where `rises`; 1 where a gap leaves the branch itself out
    filters : columns that select conditional branches; notes : assumptions, and columns that are passed over
    """

    separator: str
    n_columns: int
    first_line: int
    pc: int
    taken: int
    target: int | None = None
    instructions: int | None = None
    base: int = AS_WRITTEN
    must_prefix: bool = False
    rises: bool = False
    offset: int = 0
    filters: tuple[Filter, ...] = ()
    has_header: bool = False
    notes: tuple[str, ...] = field(default=())

    @property
    def wanted(self) -> str:
        """What a line has to be, for an error."""
        if not self.has_header:
            return _HEADLESS
        kind = "hexadecimal" if self.base == 16 else "decimal or 0x..."
        return f"give {self.n_columns} cells, with pc a whole number from 0 to 2^64-1, {kind}"


def cells_of(line: str, separator: str) -> list[str]:
    """Split a line; ValueError where its quotes make no cells."""
    if separator == WHITE_SPACE and '"' not in line:
        return line.split()
    mark = " " if separator == WHITE_SPACE else separator
    if '"' not in line:
        return [cell.strip() for cell in line.split(mark)]
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=mark, skipinitialspace=True))]
    except (csv.Error, StopIteration):
        raise ValueError(line) from None


def is_comment(line: str) -> bool:
    """Tell whether a line is a comment or blank."""
    return not line.strip() or line.lstrip().startswith(COMMENTS)


def is_address(cell: str) -> bool:
    return _ADDRESS.fullmatch(cell) is not None


def find_layout(path: Path, lines: Sequence[str], base: int | None = None) -> Layout:
    """Find the layout of a trace by its first lines.

    Parameters
    ----------
    lines : the first lines, whole; base : of addresses without 0x, where the user gives it

    Raises
    ------
    UserError : "FILE has no column ...", "FILE line N '...' is no branch ..."
    """
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    rows = [(number, line) for number, line in numbered if not is_comment(line)]
    if not rows:
        raise UserError(f"{path} has 0 conditional branches; give a trace with at least one")
    header = next(((n, line) for n, line in numbered if is_header(line)), None)
    if header is not None and header[0] <= rows[0][0]:
        layout, column = _with_header(path, header, [row for row in rows if row[0] > header[0]])
    else:
        layout, column = _without_header(path, rows)
    return _with_base(layout, column, base)


def is_header(line: str) -> bool:
    """Tell whether a line names the address or the outcome and holds no address of its own in that place."""
    separator = separator_of([line])
    try:
        titles = cells_of(line.lstrip().lstrip("#%").strip(), separator)
    except ValueError:
        return False
    names = {marks.plain(title) for title in titles}
    known = {*marks.ROLES[marks.PC], *marks.ROLES[marks.TAKEN]} - {"tn", "nt", "result", "from", "src", "dir"}
    return bool(names & known)


def separator_of(lines: Sequence[str], marks_of: str = SEPARATORS) -> str:
    """Return the letter that divides most lines, or spaces and tabs."""
    for mark in marks_of:
        if 2 * sum(mark in line.strip() for line in lines) > len(lines):
            return mark
    return WHITE_SPACE


def _with_header(path: Path, header: tuple[int, str], rows: list[tuple[int, str]]) -> tuple[Layout, list[str]]:
    number, line = header
    line = line.lstrip().lstrip("#%").strip()
    separator = separator_of([line])
    titles = cells_of(line, separator)
    while titles and not titles[-1]:  # a separator behind the last column
        titles.pop()
    try:
        roles = marks.roles_of(titles)
    except ValueError as error:
        raise UserError(f"{path} has {error} in its first line; name one of them, as in the header pc,taken") from None
    for role in (marks.PC, marks.TAKEN):
        same = [title for title in titles if marks.plain(title) == role]
        if len(same) > 1 or role not in roles:
            raise UserError(
                f"{path} has {len(same) or 'no'} column '{role}' in its first line '{quoted(line)}'; "
                "begin with the header pc,taken"
            )
    table = [cells for _, row in rows if len(cells := _cells_or_none(row, separator)) >= len(titles)]
    notes, used = [], {roles[marks.PC][0], roles[marks.TAKEN][0]}
    filters = []
    for role in (marks.BRANCH, marks.CONDITIONAL, marks.KIND, marks.UNCONDITIONAL):
        if role == marks.UNCONDITIONAL and (marks.CONDITIONAL in roles or marks.KIND in roles):
            used.update(roles.get(role, ()))  # says what the other column says
            continue
        if role == marks.KIND and marks.CONDITIONAL in roles:
            used.update(roles.get(role, ()))
            continue
        for at in roles.get(role, ()):
            if marks.plain(titles[at]) in marks.CODES and not any(marks.conditional(cells[at]) for cells in table):
                continue  # noted as passed over: opcodes that nothing here knows
            one = _filter(role, at, titles[at], table)
            used.add(at)
            filters.append(one)
            notes.append(f"column '{quoted(titles[at])}' selects the conditional branches")
    target = roles.get(marks.TARGET, [None])[0]
    layout = Layout(
        separator, len(titles), number + 1, roles[marks.PC][0], roles[marks.TAKEN][0], target, filters=tuple(filters),
        has_header=True,
    )  # fmt: skip
    if target is not None:
        used.add(target)
    layout, told = _counting(layout, roles, titles, table)
    if layout.instructions is not None:
        used.add(layout.instructions)
    over = [quoted(title) or f"number {at + 1}" for at, title in enumerate(titles) if at not in used]
    notes += told
    if over:
        notes.append(f"columns passed over: {', '.join(over)}")
    return replace(layout, notes=tuple(notes)), [cells[layout.pc] for cells in table]


def _filter(role: str, at: int, title: str, table: list[list[str]]) -> Filter:
    if role == marks.KIND:
        words = "words such as conditional and jump, or a column conditional of 0 and 1"
        is_code = marks.plain(title) in marks.CODES
        return Filter(at, title, marks.conditional_code if is_code else marks.conditional, 1, words)
    if role == marks.UNCONDITIONAL:
        return Filter(at, title, marks.flag, 0)
    if role == marks.CONDITIONAL and any(marks.flag(cells[at]) is None for cells in table):
        return Filter(at, title, marks.conditional, 1, "0 or 1")  # cond, uncond
    return Filter(at, title, marks.flag, 1)


def _cells_or_none(line: str, separator: str) -> list[str]:
    try:
        return cells_of(line, separator)
    except ValueError:
        return []


def _counting(
    layout: Layout, roles: dict[str, list[int]], titles: list[str], table: list[list[str]]
) -> tuple[Layout, list[str]]:
    """Find a column of instructions, and whether it counts from the beginning or from the branch before."""
    if marks.GAP in roles:
        at = roles[marks.GAP][0]
        told = f"column '{quoted(titles[at])}': instructions between branches, the branches not included"
        return replace(layout, instructions=at, offset=1), [told]
    if marks.INSTRUCTIONS not in roles:
        return layout, []
    at = roles[marks.INSTRUCTIONS][0]
    if table and not any(cells[at].lstrip("-").isdigit() for cells in table):
        return layout, []  # text of the instruction
    values = [int(cells[at]) for cells in table if cells[at].isascii() and cells[at].isdigit()]
    steps = [other - one for one, other in pairwise(values)]
    rises = bool(steps) and (min(steps) > 0 or (len(steps) > 8 and min(steps) == 0 and 2 * steps.count(0) < len(steps)))
    name = f"column '{quoted(titles[at])}'"
    if not rises:
        told = f"{name}: instructions per row, the branch included"
        return replace(layout, instructions=at), [told]
    step = (values[-1] - values[0]) // (len(values) - 1)
    offset = values[0] - 1 if values[0] > 1000 + 100 * step else 0
    told = f"{name}: instructions up to the row" + (f", from {values[0]:,} on" if offset else "")
    return replace(layout, instructions=at, rises=True, offset=offset), [told]


def _without_header(path: Path, rows: list[tuple[int, str]]) -> tuple[Layout, list[str]]:
    separator = separator_of([line for _, line in rows], SEPARATORS.replace("\t", ""))
    split = [(number, line, _cells_or_none(line, separator)) for number, line in rows]
    n_columns = Counter(len(cells) for *_, cells in split).most_common(1)[0][0]
    table = [cells for *_, cells in split if len(cells) == n_columns]

    def mostly(at: int, what: Callable[[str], object]) -> bool:
        return 2 * sum(bool(what(cells[at])) for cells in table) >= len(table)

    number, line, _ = split[0]
    refusal = UserError(f"{path} line {number} '{quoted(line)}' is no branch; {_HEADLESS}")
    if n_columns < 2:
        raise refusal
    if n_columns == 7:  # address, target, taken, conditional, call, return, direct
        if not all(mostly(at, lambda cell: cell in ("0", "1")) for at in (2, 4, 5, 6)) or not mostly(0, is_address):
            raise refusal
        layout = Layout(separator, 7, rows[0][0], 0, 2, 1, filters=(Filter(3, "conditional", marks.flag),))
        return layout, [cells[0] for cells in table]
    places = list(range(n_columns))
    kinds = [at for at in places if n_columns > 2 and mostly(at, lambda cell: marks.conditional(cell) is not None)]
    outcomes = [at for at in places if at not in kinds and mostly(at, lambda cell: marks.outcome(cell) is not None)]
    if len(outcomes) == 2 and n_columns - len(kinds) == 2:  # 1 0: the address comes first
        outcomes = outcomes[1:]
    addresses = [at for at in places if at not in (*kinds, *outcomes) and mostly(at, is_address)]
    rest = len(places) - len(kinds) - len(outcomes) - len(addresses)
    if rest or len(outcomes) != 1 or len(kinds) > 1 or len(addresses) not in (1, 2):
        raise refusal
    filters: tuple[Filter, ...] = ()
    notes = []
    if kinds:
        words = {cells[kinds[0]].lower() for cells in table}
        if {"b", "c"} <= words:
            raise refusal
        filters = (Filter(kinds[0], f"column {kinds[0] + 1}", marks.conditional, 1, "b for branches, j for jumps"),)
        if len(words) > 1:
            notes.append(f"column {kinds[0] + 1} selects the conditional branches")
    target = addresses[1] if len(addresses) == 2 else None
    if target is not None:
        notes.append(f"without a header: column {addresses[0] + 1} is the address, column {target + 1} the target")
    layout = Layout(
        separator, n_columns, rows[0][0], addresses[0], outcomes[0], target, filters=filters, notes=tuple(notes)
    )
    return layout, [cells[layout.pc] for cells in table]


def _with_base(layout: Layout, cells: list[str], given: int | None) -> Layout:
    """Find the base of addresses without 0x."""
    prefixed = [cell[:2].lower() == "0x" for cell in cells]
    if given is not None:
        return replace(layout, base=given)
    if all(prefixed):
        return replace(layout, must_prefix=not layout.has_header)
    if any(prefixed):
        bare = [cell for cell, is_hex in zip(cells, prefixed, strict=True) if not is_hex]
        if any(re.search("[a-fA-F]", cell) for cell in bare):
            return replace(layout, base=16)
        return replace(layout, must_prefix=not layout.has_header)
    if any(re.search("[a-fA-F]", cell) for cell in cells):
        return replace(layout, base=16)
    if len({len(cell) for cell in cells}) == 1 and any(len(cell) > 1 and cell[0] == "0" for cell in cells):
        told = "addresses are read as hexadecimal for their leading zeros; give --address-base 10 if they are decimal"
        return replace(layout, base=16, notes=(*layout.notes, told))
    told = "addresses are read as decimal numbers; give --address-base 16 if they are hexadecimal"
    return replace(layout, base=10, notes=(*layout.notes, told))
