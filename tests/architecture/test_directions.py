"""No arrow points upward: the imports of every file against the floors of docs/architecture.md."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "edgelearn"

# Floors from the bottom; a file imports from its own floor or below.
FLOORS = {
    "errors": 0,
    "files": 0,
    "fixedpoint": 1,
    "streams": 1,
    "kernels": 2,
    "rules": 2,
    "layers": 2,
    "encoders": 2,
    "network": 3,
    "state": 3,
    "accounting": 3,
    "frontend": 3,
    "device": 3,
    "config": 4,
    "learner": 4,
    "spiking": 4,
    "branch": 4,
    "branch_datapath": 6,
    "branch_run": 6,
    "branch_plot": 6,
    "checkpoint": 5,
    "prequential": 5,
    "drift": 5,
    "evaluate": 5,
    "report": 5,
    "references": 5,
    "bench": 6,
    "reproduction": 6,
    "validate": 6,
    "validate_spiking": 6,
    "run": 6,
    "spiking_data": 6,
    "spiking_run": 6,
    "spiking_report": 6,
    "spiking_plot": 6,
    "stream_run": 6,
    "stream_report": 6,
    "stream_view": 6,
    "stream_plot": 6,
    "estimators": 6,
    "options": 6,
    "studies": 6,
    "cli": 7,
    "__main__": 8,
}
# The wing of cost models stands on floor 5; these are its own storeys.
COST_FLOORS = {
    "units": 0,
    "technology": 1,
    "memory": 2,
    "logic": 2,
    "schedule": 2,
    "processor": 3,
    "contents": 2,
    "cost": 2,
    "branch_cost": 2,
    "engine_cost": 4,
    "operation_cost": 4,
    "spiking_cost": 7,
    "cost_model": 4,
    "uncertainty": 5,
    "in_time": 5,
    "comparison": 6,
    "ranking": 7,
    "show": 7,
    "plots": 7,
    "accelergy": 7,
}
SEE_COSTS = {"run", "branch_run", "branch_datapath", "spiking_data", "spiking_run", "stream_run", "studies", "cli"}
# The wing of firmware sees whatever runs a network; only the command line sees it.
FIRMWARE_FLOORS = {
    "targets": 0,
    "numbers": 0,
    "toolchain": 1,
    "estimate": 1,
    "build": 2,
    "emulator": 3,
    "qemu": 5,
    "runners": 4,
    "verify": 5,
    "measure": 5,
    "emit": 5,
    "power": 5,
    "mcu": 0,
    "session": 6,
    "cli": 7,
}
APART = {"kernels", "rules", "layers", "encoders"}  # rooms of one floor that do not know each other
HEAVY = {
    "torch",
    "brian2",
    "numba",
    "llvmlite",
    "sklearn",
    "pydantic",
    "pooch",
    "matplotlib",
    "rich",
    "river",
    "wfdb",
    "pyarrow",
    "tonic",
    "nir",
    "h5py",
    "joblib",
    "pandas",
    "jinja2",
    "bokeh",
    "dask",
    "distributed",
}


def room(module: str, package: str = "edgelearn") -> str:
    return module.split(".")[1] if module.startswith(f"{package}.") else ""


def imports(path: Path) -> list[tuple[int, str, bool]]:
    """Return (line, module, whether it is imported with the file) of every import."""
    tree = ast.parse(path.read_text())
    top = set(tree.body)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name, node in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write the whole name of an import"
            names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "edgelearn" else []
            found += [(node.lineno, name, node in top) for name in names or [str(node.module)]]
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_import_points_upward(path):
    own = room("edgelearn." + ".".join(path.relative_to(PACKAGE).with_suffix("").parts))
    if own in ("", "__init__"):
        return
    assert own in FLOORS, f"{own} has no floor: add it to FLOORS and to docs/architecture.md"
    for line, module, _ in imports(path):
        assert module.split(".")[0] not in ("tests", "experiments"), f"{path}:{line} imports {module}"
        if module.split(".")[0] == "hw_models":
            assert own in SEE_COSTS, f"{path}:{line}: only {', '.join(sorted(SEE_COSTS))} see {module}"
        assert own == "cli" or module.split(".")[0] != "firmware_sim", f"{path}:{line}: only cli sees {module}"
        other = room(module)
        if other and other != "__version__":
            assert FLOORS[other] <= FLOORS[own], f"{path}:{line}: {own} (floor {FLOORS[own]}) imports {other} above it"
            assert own == other or not {own, other} <= APART, f"{path}:{line}: {own} must not know {other}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_heavy_libraries_wait_until_they_are_needed(path):
    own = room("edgelearn." + ".".join(path.relative_to(PACKAGE).with_suffix("").parts))
    allowed = {
        "kernels": {"numba", "llvmlite"},
        "config": {"pydantic"},
        "bench": {"numba"},
        "stream_view": {"rich"},
        "estimators": {"sklearn", "river"},
        "references": {"torch", "pydantic"},  # a room that is entered only when it is needed
    }.get(own, set())
    for line, module, at_top in imports(path):
        name = module.split(".")[0]
        if at_top and name in HEAVY - allowed:
            pytest.fail(f"{path}:{line} imports {name} with the file; import it in the function that needs it")
        if name in ("torch", "brian2"):
            assert own == "references", f"{path}:{line}: only references may import {name}"


@pytest.mark.parametrize("path", sorted((ROOT / "hw_models").rglob("*.py")), ids=lambda path: path.stem)
def test_cost_models_see_what_exists_and_what_was_touched(path):
    own = path.stem
    assert own == "__init__" or own in COST_FLOORS, f"{own} has no floor: add it to COST_FLOORS"
    for line, module, at_top in imports(path):
        top, other, below = module.split(".")[0], room(module), room(module, "hw_models")
        assert top not in ("tests", "experiments", "firmware_sim"), f"{path}:{line} imports {module}"
        assert not other or FLOORS[other] <= FLOORS["accounting"], f"{path}:{line} imports {module}"
        if below:
            assert COST_FLOORS[below] <= COST_FLOORS[own], f"{path}:{line}: {own} imports {below} above it"
        if at_top and top in HEAVY - {"pydantic"}:
            pytest.fail(f"{path}:{line} imports {top} with the file; import it in the function that needs it")


@pytest.mark.parametrize("path", sorted((ROOT / "firmware_sim").glob("*.py")), ids=lambda path: path.stem)
def test_firmware_stands_on_what_runs_a_network(path):
    own = path.stem
    assert own == "__init__" or own in FIRMWARE_FLOORS, f"{own} has no floor: add it to FIRMWARE_FLOORS"
    for line, module, at_top in imports(path):
        top, other, below = module.split(".")[0], room(module), room(module, "firmware_sim")
        assert top not in ("tests", "experiments"), f"{path}:{line} imports {module}"
        assert not other or other == "__version__" or FLOORS[other] <= FLOORS["run"], f"{path}:{line} imports {module}"
        if below:
            assert FIRMWARE_FLOORS[below] <= FIRMWARE_FLOORS[own], f"{path}:{line}: {own} imports {below} above it"
        if at_top and top in HEAVY | {"unicorn", "elftools", "ziglang"}:
            pytest.fail(f"{path}:{line} imports {top} with the file; import it in the function that needs it")


def test_kernels_allocate_nothing_and_take_no_floats():
    """Kernels run without reference counts: an allocation would leak."""
    files = (PACKAGE / "kernels").glob("*.py"), (PACKAGE / "branch/kernels").glob("*.py")
    for path in (*files[0], *files[1], PACKAGE / "spiking/kernels.py"):
        if path.name in ("arrays.py", "lanes.py", "tables.py"):
            continue
        tree = ast.parse(path.read_text())
        if path.name == "history.py":  # what makes the array is no kernel
            tree.body = [node for node in tree.body if getattr(node, "name", "") != "new_history"]
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "np":
                allowed = {"int16", "int32", "int64", "uint8", "uint32"}
                assert node.attr in allowed, f"{path}:{node.lineno}: np.{node.attr} in a kernel"
            assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), f"{path}:{node.lineno}"
            assert not isinstance(node, ast.Div), f"{path}: true division in a kernel"
            assert not isinstance(node, ast.List | ast.ListComp | ast.Dict), f"{path}:{node.lineno} allocates"
