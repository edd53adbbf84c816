"""Contract pages as data: sections, tables, numbers and formulas, read from the Markdown and evaluated as written."""

import ast
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np

_TOKEN = re.compile(r"\s*(0x[0-9A-Fa-f]+|\d+(?:\.\d+)?|\w+\(?|<=|>=|\S)")
_WORDS = {"if", "else", "mod"}


class Page:
    """A page by the numbers of its sections; whatever is asked for must be there exactly once."""

    def __init__(self, path: Path) -> None:
        parts = re.split(r"^## (\d+[a-z]?)\. ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        self._sections = dict(zip(parts[1::2], parts[2::2], strict=True))

    def find(self, section: int | str, pattern: str) -> tuple[str, ...]:
        """Return the groups of a pattern; blanks stand for any white space, a literal text is escaped by \\Q...\\E."""
        pattern = re.sub(r"\\Q(.*?)\\E", lambda match: re.escape(match[1]), pattern)
        pattern = re.sub(r"(\\ | )+", r"\\s+", pattern)
        found = list(re.finditer(pattern, self._sections[str(section)]))
        if len(found) != 1:
            raise LookupError(f"section {section} has {len(found)} places like {pattern!r}")
        return found[0].groups()

    def numbers(self, section: int | str, pattern: str) -> list[int]:
        """Return the groups of a pattern as integers, decimal or hexadecimal."""
        return [int(text, 0) for text in self.find(section, pattern)]

    def table(self, section: int | str, *columns: str) -> list[dict[str, str]]:
        """Return the rows of the table with these columns, by column."""
        lines = self._sections[str(section)].splitlines()
        head = "| " + " | ".join(columns) + " |"
        (start,) = (number for number, line in enumerate(lines) if line == head)
        rows = []
        for line in lines[start + 2 :]:
            if not line.startswith("|"):
                break
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            rows.append(dict(zip(columns, cells, strict=True)))
        return rows


class _Branches(ast.NodeTransformer):
    """`a if c else b` holds for each element of an array."""

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        return ast.Call(ast.Name("where", ast.Load()), [node.test, node.body, node.orelse], [])


def shr(x: Any, s: int) -> Any:
    """Section 1: floor(x / 2^s)."""
    x = np.asarray(x)
    return (x if x.dtype == np.uint64 else x.astype(np.int64)) >> s


def rn(x: Any, s: int) -> Any:
    """Section 1: x / 2^s rounded half up; an exact left shift where s < 0."""
    return shr(np.asarray(x, np.int64) + (1 << (s - 1)), s) if s > 0 else np.asarray(x, np.int64) << -s


def sat(x: Any, lo: int, hi: int) -> Any:
    """Section 1: min(max(x, lo), hi)."""
    return np.minimum(np.maximum(x, lo), hi)


_NAMES: dict[str, Any] = {
    "shr": shr, "rn": rn, "sat": sat, "clip": sat, "rint": np.rint, "floor": np.floor, "exp": np.exp, "tanh": np.tanh,
    "sqrt": np.sqrt, "log2": np.log2, "abs": np.abs, "where": np.where, "sign": np.sign,
    "min": lambda *values: np.minimum(*values) if len(values) > 1 else np.min(values[0]),
    "max": lambda *values: np.maximum(*values) if len(values) > 1 else np.max(values[0]),
}  # fmt: skip


def _compiled(text: str) -> CodeType:
    """Compile a formula; a product may have no sign: "127 tanh(u)", "2 (x + y)", "-256 S"."""
    tokens: list[str] = []
    for token in _TOKEN.findall(text.replace(", else", " else")):
        is_factor = re.match(r"[\w(]", token) and token not in _WORDS
        if tokens and is_factor and re.fullmatch(r"\w+|\)", tokens[-1]) and tokens[-1] not in _WORDS:
            tokens.append("*")
        tokens.append({"^": "**", "mod": "%"}.get(token, token))
    tree = _Branches().visit(ast.parse(" ".join(tokens), mode="eval"))
    return compile(ast.fix_missing_locations(tree), text, "eval")


@cache
def formula(text: str) -> Callable[..., Any]:
    """Return a formula of a page as a function of its names; ` = ` after a blank starts a remark on its value.

    "127 t (2 - abs(t)), t = clip(u/2, -1, 1)" gives a name its value behind a comma.
    """
    text, *given = re.split(r", (?=[a-z] = )", text)
    value = _compiled(text.split(" = ")[0])
    names = {name: _compiled(part) for name, part in (one.split(" = ", 1) for one in given)}

    def evaluate(**values: Any) -> Any:
        known: dict[str, Any] = _NAMES | values
        known |= {name: eval(part, {}, known) for name, part in names.items()}
        return eval(value, {}, known)

    return evaluate
