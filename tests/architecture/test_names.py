"""Names of modules: each function, class and constant is read somewhere."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("edgelearn", "hw_models", "firmware_sim")


def _names(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module binds; those of decorated functions are read by their decorators."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            if all(ast.unparse(one) in ("inlined", "leaf", "dataclass", "cache") for one in node.decorator_list):
                yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                yield from (one.id for one in ast.walk(target) if isinstance(one, ast.Name))


def test_every_name_is_read():
    texts = {
        path: path.read_text(encoding="utf-8")
        for top in (*PACKAGES, "tests", "experiments")
        for path in (ROOT / top).rglob("*.py")
    }
    read = Counter(word for text in texts.values() for word in re.findall(r"[A-Za-z_]\w*", text))
    unread = [
        f"{path.relative_to(ROOT)}: {name}"
        for path, text in texts.items()
        if path.relative_to(ROOT).parts[0] in PACKAGES and path.name != "conf.py"  # which Sphinx reads
        for name in _names(ast.parse(text))
        if read[name] == 1 and not name.startswith("__")
    ]
    assert not unread, unread
