"""Digests of the files of one run, one stream and one branch trace; the same in every environment.

`diff <(A/bin/python -m tests.same_bytes) <(B/bin/python -m tests.same_bytes)` compares two of them.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from edgelearn.config import BranchSettings, RunConfig, StreamConfig
from edgelearn.runs.registry import run


def main() -> None:
    """Print a line per file: its digest and its name."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # settings hold no path of this machine
        lines = (f"{65536 + 28580 * (n % 7)},{n * n % 3 % 2}" for n in range(3000))
        Path("trace.csv").write_text("\n".join(["pc,taken", *lines]) + "\n")
        run(RunConfig(epochs=1, limit=400), Path("run"))
        run(StreamConfig(data="drift", limit=3000), Path("stream"))
        run(BranchSettings(trace="trace.csv", predictors="bimodal:10,gshare:12,tage"), Path("branch"))
        for path in sorted(Path().rglob("*.*")):
            print(hashlib.sha256(path.read_bytes()).hexdigest(), path.as_posix())


if __name__ == "__main__":
    main()
