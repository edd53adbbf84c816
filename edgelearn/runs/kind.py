"""The result of a run, whatever its kind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Result:
    """The result of a run. Deterministic: no timestamps, no host information.

    Parameters
    ----------
    content : plain data, as report.json holds it
    """

    content: dict[str, Any]

    def to_json(self) -> str:
        """Return the text of report.json."""
        return json.dumps(self.content, indent=1, sort_keys=True) + "\n"


def accuracy_percent(result: Mapping[str, Any]) -> float | None:
    """Return the accuracy of the part `result` of a report, None where nothing was tested or scored."""
    if "accuracy" in result:
        return None if result["accuracy"] is None else round(100 * result["accuracy"], 4)
    error = result["test_error_percent"]
    return None if error is None else round(100 - error, 4)
