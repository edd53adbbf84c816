"""Run the command as a user does: a process, its exit code and what it prints."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def edgelearn(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `edgelearn` in a folder; data sets are looked for nowhere unless the environment says so."""
    variables = {key: value for key, value in os.environ.items() if key != "EDGELEARN_DATA"}
    variables |= {"EDGELEARN_CACHE": str(cwd / "no-cache"), "COLUMNS": "200"} | environment
    command = [sys.executable, "-m", "edgelearn", *arguments]
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, timeout=300)


QUICK = ("--net", "64-16-10", "--epochs", "1", "--limit", "200")
