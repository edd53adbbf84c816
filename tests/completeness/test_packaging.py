"""What is installed: packages, metadata, claims in a wheel, and install lines in messages."""

from __future__ import annotations

import json
import os
import re
import runpy
import tomllib
from pathlib import Path

import pytest
import yaml

from edgelearn import __version__
from edgelearn.errors import install, requirements
from tests.tools import missing

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SOURCES = [path for name in ("edgelearn", "hw_models", "firmware_sim") for path in (ROOT / name).rglob("*.py")]
EXTRAS = PROJECT["project"]["optional-dependencies"]


def test_no_message_names_an_extra_of_the_project():
    """An index may hold another project under the name of this one."""
    named = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in SOURCES
        for line in path.read_text().splitlines()
        if re.search(r"pip install[^#]*\bedgelearn", line)
    ]
    assert not named


def test_install_lines_name_packages_of_extras():
    calls = {
        match[1]
        for path in SOURCES
        for match in re.finditer(
            r"\binstall\(((?:'[\w-]+'|\"[\w-]+\")(?:, (?:'[\w-]+'|\"[\w-]+\"))*)\)", path.read_text()
        )
    }
    assert len(calls) > 10
    for call in calls:
        extra, *names = re.findall(r"[\w-]+", call)
        assert extra in EXTRAS
        line = install(extra, *names)
        assert line.startswith('pip install "')
        assert "edgelearn" not in line
        assert line.count('"') == 2 * (len(names) or len(EXTRAS[extra]))
    with pytest.raises(KeyError):
        requirements("plots")


def test_requirements_of_an_installed_distribution_are_those_of_the_checkout(monkeypatch):
    import importlib.metadata

    metadata = [f'{one}; extra == "{extra}"' for extra, several in EXTRAS.items() for one in several]
    expected = {extra: requirements(extra) for extra in ("plot", "studies", "streams", "brian2")}
    monkeypatch.setattr(Path, "is_file", lambda self: False)
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ["numpy>=2.0", *metadata])
    assert {extra: requirements(extra) for extra in expected} == expected


def test_a_wheel_has_three_packages_and_the_claims_without_results(tmp_path):
    try:
        from setuptools import Distribution, find_packages
    except ImportError:
        missing("setuptools is not installed")
    settings = PROJECT["tool"]["setuptools"]
    packages = find_packages(str(ROOT), include=settings["packages"]["find"]["include"])
    assert {name.partition(".")[0] for name in packages} == {"edgelearn", "hw_models", "firmware_sim"}
    assert settings["include-package-data"] is False
    build = runpy.run_path(str(ROOT / "setup.py"), run_name="setup")["BuildWithClaims"](Distribution({"packages": []}))
    build.build_lib, build.editable_mode = str(tmp_path), False
    build.finalize_options()
    here = Path.cwd()
    try:
        os.chdir(ROOT)
        build.run()
    finally:
        os.chdir(here)
    bundled = tmp_path / "edgelearn" / "bundled" / "experiments"
    copied = {path.relative_to(bundled) for path in bundled.rglob("*") if path.is_file()}
    assert {path.relative_to(ROOT / "experiments") for path in (ROOT / "experiments/claims").glob("*.py")} <= copied
    assert Path("claims/index.toml") in copied
    for path in bundled.rglob("*.json"):
        kept = json.loads(path.read_text())
        whole = json.loads((ROOT / "experiments" / path.relative_to(bundled)).read_text())
        assert kept == {name: whole[name] for name in ("verdict", "settings")}
    assert not [path for path in bundled.rglob("*") if path.suffix in (".png", ".parquet", ".npz", ".html")]


def test_a_claim_is_found_where_a_wheel_puts_it(tmp_path, monkeypatch):
    from edgelearn.reproduction import catalog

    folder = tmp_path / "edgelearn" / "bundled" / "experiments" / "claims"
    folder.mkdir(parents=True)
    module = tmp_path / "edgelearn" / "reproduction" / "catalog.py"
    module.parent.mkdir()
    module.write_text(Path(catalog.__file__).read_text())
    assert runpy.run_path(str(module))["CLAIMS"] == folder
    folder.rmdir()
    assert runpy.run_path(str(module))["CLAIMS"] == tmp_path / "experiments" / "claims"


def test_metadata_agree():
    project = PROJECT["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert str(citation["version"]) == __version__
    assert citation["license"] == project["license"]
    assert [one["name"] for one in citation["authors"]] == [one["name"] for one in project["authors"]]
    minors = [
        line.rpartition(".")[2]
        for line in project["classifiers"]
        if line.startswith("Programming Language :: Python :: 3.")
    ]
    assert minors == ["11", "12", "13"]
    assert project["requires-python"] == f">=3.{minors[0]}"
    manifest = (ROOT / "MANIFEST.in").read_text()
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff", "graft tests"):
        assert name in manifest
