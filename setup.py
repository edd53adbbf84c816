"""Builds: in a wheel the scripts of `experiments` go below `edgelearn`, so that no module of that name is installed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel

SOURCES = ("*.py", "claims/*.py", "claims/index.toml", "float_nets/*.py")  # that `edgelearn reproduce` runs
VERDICTS = "results/reproduce/*.json"  # of full runs: what `edgelearn reproduce list` says of them
KEPT = ("verdict", "settings")


class BuildWithClaims(build_py):
    """Also copies claims and what they import; results are left out but for their verdicts."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:  # the checkout has them
            return
        source, target = Path("experiments"), Path(self.build_lib) / "edgelearn" / "bundled" / "experiments"
        for path in sorted(path for pattern in (*SOURCES, VERDICTS) for path in source.glob(pattern)):
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".json":
                result = json.loads(path.read_text(encoding="utf-8"))
                kept = {name: result[name] for name in KEPT if name in result}
                copy.write_text(json.dumps(kept, sort_keys=True) + "\n", encoding="utf-8")
            else:
                shutil.copyfile(path, copy)


class EditableWithExperiments(editable_wheel):
    """Lets the scripts of a checkout import each other, wherever they are started."""

    def run(self) -> None:
        self.distribution.packages = [*self.distribution.packages, *find_packages(include=["experiments*"])]
        super().run()


if __name__ == "__main__":
    setup(cmdclass={"build_py": BuildWithClaims, "editable_wheel": EditableWithExperiments})
