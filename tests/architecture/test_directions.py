"""Import directions: every package against the table of floors in docs/architecture.md."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# A package imports from packages on lower floors and from itself. Two packages of one floor do not know each other.
FLOORS = {
    "edgelearn.errors": 0,
    "edgelearn.files": 1,
    "edgelearn.units": 1,
    "edgelearn.config": 2,
    "edgelearn.fixedpoint": 2,
    "edgelearn.rules": 1,
    "edgelearn.data": 3,
    "edgelearn.network": 3,
    "edgelearn.pretrained": 3,
    "edgelearn.conversion": 4,
    "edgelearn.spiking": 4,
    "edgelearn.streaming": 4,
    "edgelearn.branch": 5,
    "edgelearn.references": 5,
    "edgelearn.reproduction": 5,
    "hw_models": 6,
    "edgelearn.reports": 7,
    "edgelearn.runs": 8,
    "edgelearn.studies": 9,
    "edgelearn.validation": 9,
    "edgelearn.benchmark": 9,
    "firmware_sim": 9,
    "edgelearn.advice": 10,
    "edgelearn.estimators": 10,
    "edgelearn.api": 11,
    "edgelearn.cli": 12,
    "edgelearn.__main__": 13,
}
# Libraries that are imported in the function that needs them, but for the packages named beside them.
HEAVY = {
    "torch": {"edgelearn.references"},
    "onnx": set(),
    "onnxruntime": set(),
    "tflite": set(),
    "ai_edge_litert": set(),
    "safetensors": set(),
    "brian2": set(),
    "numba": {"edgelearn.fixedpoint", "edgelearn.network", "edgelearn.benchmark"},
    "llvmlite": {"edgelearn.fixedpoint"},
    "sklearn": {"edgelearn.estimators"},
    "pydantic": {"edgelearn.config", "edgelearn.references", "hw_models"},
    "pooch": set(),
    "matplotlib": set(),
    "rich": {"edgelearn.cli", "edgelearn.reports"},
    "river": {"edgelearn.estimators"},
    "wfdb": set(),
    "pyarrow": set(),
    "tonic": set(),
    "nir": set(),
    "h5py": set(),
    "joblib": set(),
    "pandas": set(),
    "jinja2": set(),
    "bokeh": set(),
    "dask": set(),
    "distributed": set(),
    "unicorn": set(),
    "elftools": set(),
    "ziglang": set(),
}
PRODUCT = ("edgelearn", "hw_models", "firmware_sim")
FILES = sorted(  # the build of the site is no part of the package
    path for name in PRODUCT for path in (ROOT / name).rglob("*.py") if "docs" not in path.relative_to(ROOT).parts
)
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in FILES}


def package(module: str) -> str:
    """Return the entry of FLOORS that a module belongs to: "edgelearn.X", "hw_models" or "firmware_sim"."""
    return ".".join(module.split(".")[: 2 if module.startswith("edgelearn.") else 1])


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def imports(path: Path) -> list[tuple[int, str, bool]]:
    """Return (line, module, whether it is imported at the top of the file) of every import."""
    tree = ast.parse(path.read_text())
    top = set(tree.body)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name, node in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write the whole name of an import"
            names = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES
            found += [(node.lineno, name, node in top) for name in names or {str(node.module)}]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downward(path):
    own = package(module_of(path))
    if own == "edgelearn":  # the lazy face of the package
        return
    assert own in FLOORS, f"{own} has no floor: add it to FLOORS and to docs/architecture.md"
    for line, module, _ in imports(path):
        assert module.split(".")[0] not in ("tests", "experiments"), f"{path}:{line} imports {module}"
        other = package(module)
        if module.split(".")[0] in PRODUCT and other not in (own, "edgelearn"):
            assert FLOORS[other] < FLOORS[own], (
                f"{path}:{line}: {own} ({FLOORS[own]}) imports {other} ({FLOORS[other]})"
            )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_heavy_libraries_are_imported_where_they_are_needed(path):
    own = package(module_of(path))
    for line, module, at_top in imports(path):
        name = module.split(".")[0]
        if name in HEAVY and at_top and own not in HEAVY[name]:
            pytest.fail(f"{path}:{line} imports {name} with the file; import it in the function that needs it")
        if name in ("torch", "brian2"):
            assert own == "edgelearn.references", f"{path}:{line}: only references import {name}"


def test_no_module_imports_itself_through_others():
    """Imports at the top of files form no circle."""
    graph = {module_of(path): {m for _, m, top in imports(path) if top and m in MODULES} for path in FILES}
    state: dict[str, int] = {}

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert state.get(module) != 1, f"circle of imports: {' -> '.join((*trail, module))}"
        if state.get(module) == 2:
            return
        state[module] = 1
        for other in sorted(graph[module] - {module}):
            visit(other, (*trail, module))
        state[module] = 2

    for module in sorted(graph):
        visit(module, ())


def test_root_of_the_package_is_small():
    files = [path.name for path in (ROOT / "edgelearn").glob("*.py")]
    assert len(files) <= 8, f"edgelearn/ has {len(files)} modules at its root: {sorted(files)}"


def test_kernels_allocate_nothing_and_take_no_floats():
    """Kernels run without reference counts: an allocation would leak."""
    edgelearn = ROOT / "edgelearn"
    folders = (edgelearn / "network/kernels").glob("*.py"), (edgelearn / "branch/kernels").glob("*.py")
    single = edgelearn / "spiking/kernels.py", edgelearn / "streaming/kernel.py", ROOT / "experiments/binary_kernel.py"
    for path in (*folders[0], *folders[1], *single):
        if path.name in ("arrays.py", "tables.py"):
            continue
        tree = ast.parse(path.read_text())
        if path.name == "history.py":  # the constructor of the array is no kernel
            tree.body = [node for node in tree.body if getattr(node, "name", "") != "new_history"]
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "np":
                allowed = {"int16", "int32", "int64", "uint8", "uint32", "uint64"}
                assert node.attr in allowed, f"{path}:{node.lineno}: np.{node.attr} in a kernel"
            assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), f"{path}:{node.lineno}"
            assert not isinstance(node, ast.Div), f"{path}: true division in a kernel"
            assert not isinstance(node, ast.List | ast.ListComp | ast.Dict), f"{path}:{node.lineno} allocates"
