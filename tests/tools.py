"""Skip where a tool or a data set is missing, naming it; fail instead where everything must be there."""

from __future__ import annotations

import os
import shutil
from typing import Any

import numba
import pytest

from edgelearn.errors import UserError
from edgelearn.streams import Dataset, open_dataset

needs_compiled = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="millions of branches need compiled kernels")


def missing(message: str) -> None:
    """Skip the test, or the file at whose top it is called, with a message that says what to install, or fail it with EDGELEARN_REQUIRE_TOOLS=1."""
    if os.environ.get("EDGELEARN_REQUIRE_TOOLS") == "1":
        pytest.fail(message)
    pytest.skip(message, allow_module_level=True)


def require_torch() -> Any:
    """Return torch."""
    try:
        import torch
    except ImportError:
        missing('torch is not installed: pip install "edgelearn[torch]"')
    return torch


def require_data(name: str) -> Dataset:
    """Open a published data set that is on this machine."""
    try:
        return open_dataset(name, allow_download=False)
    except UserError as error:
        if "was not found" not in str(error):
            raise
    missing(f"the files of {name} are missing; name their folder in the variable EDGELEARN_DATA")
    raise AssertionError


def require_chromium() -> str:
    """Return the path of a Chromium that playwright can drive."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        missing("playwright is not installed: pip install playwright")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        missing("chromium is not installed: apt-get install chromium")
    assert path is not None
    return path
