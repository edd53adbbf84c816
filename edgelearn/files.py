"""Files that are whole or absent: written beside their place, then renamed; arrays and JSON, never pickle."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from edgelearn.errors import UserError


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file through a temporary one in the same folder, so that no reader ever sees half of it.

    Raises
    ------
    UserError
        "cannot write ..."
    """
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise _cannot_write(path, error) from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder and those above it.

    Raises
    ------
    UserError
        "cannot write ..."
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(path, error) from None


def _cannot_write(path: Path, error: OSError) -> UserError:
    return UserError(f"cannot write {path}: {error.strerror}; give a folder that can be written")


def write_text(path: Path, text: str) -> None:
    write_whole(path, lambda file: file.write(text.encode()))


def write_arrays(path: Path, arrays: dict[str, np.ndarray], note: dict[str, Any] | None = None) -> None:
    """Write arrays as .npz; `note` goes in as JSON text under the name `note`."""
    named: dict[str, Any] = dict(arrays)
    if note is not None:
        named["note"] = np.array(json.dumps(note, sort_keys=True))
    write_whole(path, lambda file: np.savez(file, **named))


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return arrays and note of a file written by `write_arrays`.

    Raises
    ------
    UserError
        "... cannot be read"
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        note = json.loads(str(arrays.pop("note"))) if "note" in arrays else {}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, TypeError, AttributeError):
        raise UserError(f"{path} cannot be read: it is no whole .npz file; start again with --overwrite") from None
    return arrays, note
