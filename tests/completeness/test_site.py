"""The documentation site: every page is in its navigation, links between folders follow, pages made from the code."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from pathlib import Path

import pytest

from edgelearn.cli import reference_pages
from edgelearn.config import BranchSettings, RunConfig, SpikingConfig, StreamConfig

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("site_build", ROOT / "edgelearn/docs/site/build.py")
build = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(build)


def test_every_page_is_in_the_navigation_once():
    listed = Counter(page for pages in build.navigation().values() for page in pages)
    assert max(listed.values()) == 1
    pages = {place.removesuffix(".md") for place in [*build.sources(), *build.made()] if place.endswith(".md")}
    assert pages - set(listed) == {"index"}, "add the page to edgelearn/docs/site/pages.toml"
    assert set(listed) <= pages, "edgelearn/docs/site/pages.toml has a page that does not exist"


@pytest.mark.parametrize(
    ("link", "path", "expected"),
    [
        ("[a](anomaly.md#phases)", "edgelearn/docs/runs.md", "[a](anomaly.md#phases)"),
        ("[a](../../hw_models/docs/cost_model.md)", "edgelearn/docs/runs.md", "[a](cost_model.md)"),
        ("[a](../../edgelearn/docs/runs.md#cost)", "hw_models/docs/cost_model.md", "[a](runs.md#cost)"),
        ("![a](edgelearn/docs/figures/x.svg)", "README.md", "![a](figures/x.svg)"),
        ("[`a`](CONTRIBUTING.md)", "README.md", "[`a`](contributing.md)"),
        ("[the licence](../../LICENSE)", "edgelearn/docs/runs.md", "the licence"),
        ("[a](none.md)", "README.md", "[a](none.md)"),
        ("[a](https://x.org/y)", "README.md", "[a](https://x.org/y)"),
        ("```\n[a](CONTRIBUTING.md)\n```", "README.md", "```\n[a](CONTRIBUTING.md)\n```"),
    ],
)
def test_links_follow_their_files(link, path, expected):
    assert build.relinked(link, path) == expected


def test_the_page_of_commands_has_every_setting():
    page = reference_pages.commands()
    missing = {
        one.flag
        for kind in (RunConfig, SpikingConfig, StreamConfig, BranchSettings)
        for one in kind.declared().values()
        if f"`{one.flag}`" not in page and f"`{one.flag}/" not in page
    }
    assert not missing


def test_the_page_of_the_python_interface_has_what_the_package_offers():
    import edgelearn

    page = reference_pages.api()
    names = edgelearn.__all__
    assert {name for name in names if callable(getattr(edgelearn, name)) and f"### {name}\n" not in page} == set()


def test_every_key_of_processor_files_has_a_meaning():
    page = reference_pages.processor_files()
    rows = re.findall(r"^\| `(\w+)` \| (.*) \| (.*) \|$", page, re.M)
    assert len(rows) > 40
    assert not [key for key, value, meaning in rows if not (value.strip() and meaning.strip())]


def test_the_gallery_has_every_figure_and_study():
    page = reference_pages.gallery(ROOT)
    figures = [path.stem for path in (ROOT / "experiments/results/reproduce").glob("*.png")]
    assert all(f"![Figure of {name}](reproductions/{name}.png)" in page for name in figures)
    assert page.count("report.html") == len([*(ROOT / "experiments/studies").glob("*/report.html")])
