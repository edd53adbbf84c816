"""What docstrings of public functions lack: counts that may only fall.

A docstring of a public function gives the shapes of arrays, the units of physical quantities, the errors it raises
itself, and, where it computes a formula, the source. `pytest -s` prints where each is missing.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from edgelearn.cli import reference_pages

ROOT = Path(__file__).parents[2]
PACKAGES = ("edgelearn", "hw_models", "firmware_sim")
FORMULAS = ("hw_models/engine", "hw_models/constants", "edgelearn/references", "edgelearn/branch", "edgelearn/spiking")
PHYSICAL = r"(?:^|_)(energy|power|time|latency|area|clock|voltage|delay|duration|leakage|frequency)(?:$|_)"
UNIT = r"_(?:[pnum]?[jsw]|hz|um2|mm2|pj|uw|ns|ms|us|days|percent|cycles|bits|bytes|rows|samples|steps)(?:$|_)"
UNIT_IN_WORDS = (
    r"\b(?:[pnumµ]?[JsWV]|[kMG]?Hz|[um]m2|nm|picojoules?|joules?|seconds?|watts?|hertz|milliseconds?|cycles?|rows?|"
    r"samples?|steps?|per cent|%|times?|share|ratio|factor|branch(?:es)?|unit|quantity|text)\b"
)
SOURCE = r"section|contract|docs/|\d{4}|equation|algorithm|table|source|paper|figure|theorem"
# none may rise; a lower count replaces them
LIMITS = {"docstring": 262, "shapes": 172, "units": 1, "errors": 71, "source": 4}


def functions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield the public functions and methods of a module, with the names of their classes."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from functions(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield prefix + node.name, node


def lacks(node: ast.FunctionDef, docstring: str, about: str, formulas: bool) -> Iterator[str]:
    """Yield what a docstring does not have.

    Parameters
    ----------
    about : docstrings of its class and module
    formulas : whether the module computes formulas of a page or a paper
    """
    if not docstring:
        yield "docstring"
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    types = [ast.unparse(one.annotation) for one in arguments if one.annotation is not None]
    types += [ast.unparse(node.returns)] if node.returns else []
    if any("ndarray" in one for one in types) and not re.search(
        r"\[.*\]|same shape|one (per|of each|for each)", docstring
    ):
        yield "shapes"
    numbers = [one.arg for one in arguments if one.annotation is not None and ast.unparse(one.annotation) == "float"]
    numbers += [node.name] if node.returns and ast.unparse(node.returns) == "float" else []
    quantities = [name for name in numbers if re.search(PHYSICAL, name) and not re.search(UNIT, name)]
    if quantities and not re.search(UNIT_IN_WORDS, docstring):
        yield "units"
    own = [one for one in ast.walk(node) if isinstance(one, ast.Raise) and one.exc is not None]
    if (
        any(re.match(r"UserError|StrictError|unknown\(", ast.unparse(one.exc)) for one in own)
        and "Raises" not in docstring
    ):
        yield "errors"
    if formulas and types and "float" in " ".join(types) + "ndarray" and not re.search(SOURCE, docstring + about, re.I):
        yield "source"


@cache
def modules() -> dict[str, ast.Module]:
    """Return the modules of the product by place; docstrings of commands are their help, and have their own tests."""
    paths = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    places = {path.relative_to(ROOT).as_posix(): path for path in paths}
    return {
        place: ast.parse(path.read_text(encoding="utf-8"))
        for place, path in places.items()
        if "docs/" not in place and not place.startswith("edgelearn/cli/")
    }


@cache
def classes() -> dict[str, ast.ClassDef]:
    return {node.name: node for tree in modules().values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def inherited(name: str) -> str:
    """Return the docstring that a method has from a base class."""
    owner, _, method = name.rpartition(".")
    for base in classes()[owner].bases if owner in classes() else ():
        words = re.findall(r"\w+", ast.unparse(base))
        for one in (classes()[word] for word in words if word in classes() and word != owner):
            for node in one.body:
                if isinstance(node, ast.FunctionDef) and node.name == method and ast.get_docstring(node):
                    return str(ast.get_docstring(node))
            if text := inherited(f"{one.name}.{method}"):
                return text
    return ""


@cache
def found() -> dict[str, list[str]]:
    """Return the functions that lack something, by what it is."""
    missing: dict[str, list[str]] = {what: [] for what in LIMITS}
    for place, tree in modules().items():
        for name, node in functions(tree.body):
            about = ast.get_docstring(tree) or ""
            if "." in name and name.partition(".")[0] in classes():
                about += ast.get_docstring(classes()[name.partition(".")[0]]) or ""
            text = ast.get_docstring(node) or inherited(name)
            for what in lacks(node, text, about, place.startswith(FORMULAS)):
                missing[what].append(f"{place}:{node.lineno} {name}")
    return missing


def offered() -> set[str]:
    """Return the places of what the page of the Python interface has."""
    import edgelearn

    named = [getattr(edgelearn, name) for name in edgelearn.__all__]
    for group in reference_pages.MODULES.values():
        named += [getattr(importlib.import_module(module), name) for module, names in group.items() for name in names]
    return {f"{one.__module__.replace('.', '/')}.py {one.__qualname__}" for one in named}


def test_what_the_python_interface_offers_lacks_nothing():
    wanted = offered()
    lacking = {
        f"{what}: {place}"
        for what, places in found().items()
        for place in places
        if re.sub(r":\d+ ([\w]+)(\.\w+)*$", r" \1", place) in wanted
    }
    assert not lacking, "\n".join(sorted(lacking))


@pytest.mark.parametrize("what", LIMITS)
def test_no_more_functions_lack(what):
    places = found()[what]
    print("\n".join(places))
    assert len(places) <= LIMITS[what], f"{len(places)} public functions lack {what}: {places[-5:]}"


def test_a_function_without_anything_is_seen():
    source = "def power(energy: float, x: np.ndarray) -> float:\n    raise UserError('no')\n"
    (node,) = ast.parse(source).body
    assert set(lacks(node, "", "", True)) == set(LIMITS)
    whole = 'Return the power in W of x, float64[n].\n\nRaises\n------\nUserError\n    "no"\n\nSource: section 7'
    assert Counter(lacks(node, whole, "", True)) == Counter()
