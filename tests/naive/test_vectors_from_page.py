"""Test vectors == a replay that was written from docs/rtl_vectors.md alone; the page names every file and every key."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.naive.page import Page
from tests.naive.vectors_replay import Replay, read
from tests.vector_cases import N_SAMPLES, PARAMETERS, written

pytestmark = pytest.mark.kernel
PAGE = Page(Path(__file__).parents[2] / "edgelearn/docs/rtl_vectors.md")
GIVEN = re.compile(r"inputs|labels|tables/|feedback|lfsr_start|_start")


@pytest.fixture(scope="module", params=PARAMETERS)
def folder(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("vectors")
    written(path, request.param)
    return path


def test_a_replay_from_the_page_alone_gives_every_file(folder):
    replayed = Replay(folder).run()
    files = json.loads((folder / "vectors.json").read_text())["files"]
    computed = {name for name in files if not GIVEN.search(name) and files[name]["lines"]}
    assert computed == {name for name, words in replayed.items() if words}
    for name in computed:
        assert read(folder, name).tolist() == replayed[name], name


def test_the_page_names_every_file_and_its_lines(folder):
    about = json.loads((folder / "vectors.json").read_text())
    rows = {name: row["lines"] for row in PAGE.table(1, "file", "lines", "content") for name in names_in(row["file"])}
    layers = about["layers"]
    sizes = {"n": N_SAMPLES, "N": about["words_every"], "C": layers[-1]["outputs"]}
    for path, file in about["files"].items():
        folder_name, _, stem = path.rpartition("/")
        key = f"layerK/{stem}" if folder_name.startswith("layer") else path
        lines = rows[key]
        if folder_name.startswith("layer"):
            layer = layers[int(folder_name.removeprefix("layer")) - 1]
            sizes |= {"O": layer["outputs"], "I": layer["inputs"], "rows": layer.get("feedback_rows", 0)}
        assert file["lines"] == lines_of(lines, sizes, folder, path), path


def test_the_page_explains_every_key_of_the_description(folder):
    about = json.loads((folder / "vectors.json").read_text())
    of_network = [key for row in PAGE.table(2, "key", "meaning") for key in names_in(row["key"])]
    of_layers = [key for row in PAGE.table(2, "key of a layer", "meaning") for key in names_in(row["key of a layer"])]
    assert set(about["network"]) == set(of_network)
    assert all(set(layer) <= set(of_layers) for layer in about["layers"])
    (text,) = PAGE.find(2, r"([\s\S]+?)\| key \| meaning")
    assert set(about) - {"files"} <= set(re.findall(r"`(\w+)`", text)) | {"layers"}


def names_in(cell: str) -> list[str]:
    """Return the names in a cell; those behind the first are in its folder."""
    names = re.findall(r"`([^`]+)`", cell)
    prefix = names[0].rpartition("/")[0]
    return [names[0], *(f"{prefix}/{name}" if prefix else name for name in names[1:])]


def lines_of(text: str, sizes: dict[str, int], folder: Path, path: str) -> int:
    """Evaluate a number of lines as the page writes it."""
    if text == "their sum":
        return int(read(folder, path.replace("step", "step_count")).sum())
    if text == "largest O":
        return max(layer["outputs"] for layer in json.loads((folder / "vectors.json").read_text())["layers"])
    if text == "n I of layer 1":
        return sizes["n"] * json.loads((folder / "vectors.json").read_text())["layers"][0]["inputs"]
    text = text.replace("floor(n / N)", "(n//N)")
    return int(eval(re.sub(r"(?<=[\w)]) (?=[A-Za-z])", " * ", text), {}, sizes))
