"""Tables of edgelearn/docs/branch_predictors.md: constants, state, lengths and sizes, by section."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from types import CodeType

PATH = Path(__file__).parents[2] / "edgelearn/docs/branch_predictors.md"


def value_of(formula: str, **parameters: int) -> int:
    """Return what a formula of the page is for parameters: `2^b`, `T * 2^t`, `7 + bitlength(T)`."""
    known = {"bitlength": int.bit_length, "max": max, "__builtins__": {}}
    return int(eval(_compiled(formula), known, parameters))


@cache
def _compiled(formula: str) -> CodeType:
    return compile(formula.strip("`").replace("^", "**"), "page", "eval")


def ends_of(bits: str, **parameters: int) -> tuple[int, int]:
    """Return the lowest and highest value of a width: "8" is unsigned, "s8" signed."""
    if bits.startswith("s"):
        half = 1 << (int(bits[1:]) - 1)
        return -half, half - 1
    return 0, (1 << value_of(bits, **parameters)) - 1


class Page:
    """The page's tables.

    Parameters
    ----------
    text : of the page
    """

    def __init__(self, text: str) -> None:
        self._tables: dict[int, list[list[list[str]]]] = {}
        parts = re.split(r"^## (\d+)\. .*\n", text, flags=re.M)
        for number, body in zip(parts[1::2], parts[2::2], strict=True):
            blocks = re.findall(r"(?:^\|.*\n)+", body, flags=re.M)
            self._tables[int(number)] = [
                [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
                for block in blocks
            ]

    def table(self, section: int, first: str) -> list[list[str]]:
        """Return the lines of the table whose first column has a title; of all tables if there are several."""
        found = [table[2:] for table in self._tables[section] if table[0][0] == first]
        if not found:
            raise KeyError(f"section {section} has no table of '{first}'")
        return [line for table in found for line in table]

    def constants(self, section: int) -> dict[str, int]:
        return {name.strip("`"): int(value, 0) for name, value, _ in self.table(section, "constant")}

    def starts(self, section: int) -> dict[str, int]:
        """Return the initial values that are numbers."""
        lines = self.table(section, "state")
        return {line[0].strip("`"): int(line[4]) for line in lines if re.fullmatch(r"-?\d+", line[4])}

    def ends(self, section: int, name: str, **parameters: int) -> tuple[int, int]:
        bits = next(line[3] for line in self.table(section, "state") if line[0].strip("`") == name)
        return ends_of(bits, **self._known(section), **parameters)

    def _known(self, section: int) -> dict[str, int]:
        """Return the constants of a section that has any, which its formulas may name."""
        has = any(table[0][0] == "constant" for table in self._tables[section])
        return self.constants(section) if has else {}

    def lengths(self, section: int) -> dict[str, tuple[int, ...]]:
        return {name.strip("`"): tuple(map(int, text.split(","))) for name, text in self.table(section, "lengths")}

    def storage(self, section: int, **parameters: int) -> tuple[int, int]:
        """Return bits of tables, and bits of tables and registers."""
        bits, parameters = {"table": 0, "register": 0}, self._known(section) | parameters
        for _, kind, entries, width, _ in self.table(section, "state"):
            bits[kind] += value_of(entries, **parameters) * value_of(width.removeprefix("s"), **parameters)
        return bits["table"], sum(bits.values())


page = Page(PATH.read_text())


# ---- section 12

SECTIONS = {"bimodal": 3, "gshare": 3, "tournament": 4, "hashed": 6, "layered": 7, "tage": 8}


def numbers(parameters: dict) -> dict[str, int]:
    """Return parameters for formulas."""
    return {name: value for name, value in parameters.items() if name != "lengths"}


def assigned(text: str, known: dict, page: Page, section: int) -> dict:
    """Return parameters after assignments such as "h = b; q = g - 2; lengths 130"; T and longest follow from lengths."""
    known = dict(known)
    for part in filter(None, map(str.strip, text.split(";"))):
        if part.startswith("lengths "):
            known["lengths"] = page.lengths(section)[part.removeprefix("lengths ")]
            known |= {"T": len(known["lengths"]), "longest": max(known["lengths"])}
            continue
        name, formula = map(str.strip, part.split("="))
        known[name] = value_of(formula, **numbers(known))
        if name == "N":
            known[name] = min(known[name], page.constants(12)["most_rows"])
    return known


def sized(page: Page, predictor: str, budget: int) -> dict | None:
    """Return the parameters of a table predictor of so many bytes, None if none fits."""
    section, last, found, after = SECTIONS[predictor], None, None, ""
    for name, index, fits, parameters in page.table(12, "predictor"):
        if name != predictor:
            continue
        letter, low, high = index.replace("..", " ").replace("=", " ").split()
        assert last is None or int(low) == last + 1, "the ranges of an index follow each other"
        for last in range(int(low), int(high) + 1):
            known = assigned(fits, {letter: last, "B": budget}, page, section)
            if page.storage(section, **numbers(known))[0] > 8 * budget:
                break
            found, after = known, parameters
        last = int(high)
    return found and assigned(after, found, page, section)


def size_of(page: Page, budget: int) -> int:
    """Return 0, 1 or 2: small, medium, large."""
    limits = page.constants(12)
    return (budget >= limits["medium_from"]) + (budget >= limits["large_from"])


def sized_rows(page: Page, name: str, budget: int) -> dict[str, int]:
    """Return h, U, N, theta, spread and v_0 of two-layer rows of so many bytes, alone or beside a main predictor.

    Side rows beside TAGE need `sized_main` for what it leaves.
    """
    size = size_of(page, budget)
    shapes = {line[0]: line[1:] for line in page.table(12, "shape")}
    h, u = map(int, shapes[name][size].split(":"))
    settings = {line[0]: [int(cell) for cell in line[1:]] for line in page.table(12, "settings")}
    column = f"mdfa {('small', 'medium', 'large')[size]}" if name == "mdfa" else name
    known = {"h": h, "U": u, "B": budget} | dict(zip(("theta", "spread", "v_0"), settings[column], strict=True))
    if name == "mdfa":
        formula = {line[0]: line[1] for line in page.table(12, "rows")}[name]
    else:
        side = {line[0].strip("`"): line[3].removeprefix("s") for line in page.table(10, "state")}
        more = sum(int(side[field]) for field in ("tag", "useful", "chooser"))
        known["row_bits"] = 8 * (u * (h + 1) + u + 1) + more
        known |= page.constants(11)
        if name.startswith("tage"):
            known["table_bits"] = page.storage(8, **numbers(sized_main(page, name, budget)))[0]
        formula = {line[0]: line[3] for line in page.table(12, "main+rows")}[name]
    return assigned(formula, known, page, 9)


def sized_main(page: Page, name: str, budget: int) -> dict:
    """Return the parameters of the main predictor of side rows."""
    formula = {line[0]: line[2] for line in page.table(12, "main+rows")}[name]
    main = name.split("+")[0]
    known: dict = {"B": budget}
    if main == "tage":
        known = sized(page, main, budget) or {}
    elif main == "perceptron":
        shapes = {line[0]: line[1:] for line in page.table(12, "shape")}
        known |= {"h": int(shapes["main perceptron"][size_of(page, budget)]), "g": 0}
    return assigned(formula, known, page, SECTIONS.get(main, 5))


def sized_perceptron(page: Page, name: str, budget: int) -> dict:
    """Return h, g and N of perceptron or piecewise."""
    formula = {line[0]: line[1] for line in page.table(12, "rows")}[name]
    return assigned(formula, {"B": budget}, page, 5)
