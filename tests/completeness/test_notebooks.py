"""Notebooks of the documentation: each code cell runs, in one namespace and an empty folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tools import missing

NOTEBOOKS = sorted((Path(__file__).parents[2] / "edgelearn/docs").rglob("*.ipynb"))


def test_there_is_a_notebook():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path, monkeypatch, capsys):
    for name in ("pandas", "matplotlib", "bokeh", "pyarrow"):
        try:
            __import__(name)
        except ImportError:
            missing(f'{name} is not installed: pip install -e ".[studies,plot]"')
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) >= 10
    assert all(not cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code")  # they would age
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for cell in cells:
        assert "edgelearn." not in cell, "a cell imports no submodule"
        exec(compile(cell, str(path), "exec"), names)
    assert names["result"].accuracy > 90  # type: ignore[attr-defined]
    assert (tmp_path / "board" / "Makefile").is_file()
    assert "Did you mean 'drtp'" in capsys.readouterr().out
