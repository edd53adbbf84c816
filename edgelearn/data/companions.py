"""Files beside a recorded file: by name, or by the part of it that a pattern leaves open."""

from __future__ import annotations

import re
from pathlib import Path

from edgelearn.data.description import Description
from edgelearn.errors import UserError


def file_beside(path: Path, name: str) -> Path:
    """Find a second file, as it is named or in the folder of the first."""
    found = Path(name).expanduser()
    found = found if found.is_file() else path.parent / name
    if not found.is_file():
        raise UserError(f"{name} is not a file; give --labels the file that has the label of each row")
    return found


def companion(form: Description, path: Path, name: str) -> Path:
    """Find the file beside another one whose name has the same part in place of `*`."""
    pattern = Path(form.pattern).name
    match = re.fullmatch(re.escape(pattern).replace(r"\*", "(.*)", 1).replace(r"\*", ".*"), path.name)
    if match is None or "*" not in pattern:
        raise UserError(f"'{name}' has a *, which stands for the * of the key 'pattern'; '{pattern}' has none")
    found = path.parent / name.replace("*", match[1])
    if not found.is_file():
        raise UserError(f"{path} has no {found.name} beside it; correct '{name}'")
    return found
