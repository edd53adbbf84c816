"""Arrays of .npz files: the one place that opens them, but for branch traces, which are read in parts."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.errors import UserError

Arrays = Mapping[str, NDArray[Any]]


def cannot_read(path: Path, error: object, advice: str) -> UserError:
    """Return the error for a file that is not what its name says."""
    reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
    return UserError(f"{path} cannot be read ({reason}); {advice}")


class NpzArrays(Mapping[str, NDArray[Any]]):
    """Read the arrays of a .npz file one by one, on demand; never pickle.

    Raises
    ------
    UserError
        "... cannot be read ..."
    """

    ADVICE = "save numbers and text with numpy.savez, no objects"

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with np.load(path, allow_pickle=False) as archive:
                if not isinstance(archive, np.lib.npyio.NpzFile):
                    raise ValueError("it holds a single array")
                self.names = list(archive.files)
        except OSError as error:
            raise cannot_read(path, error, "check its permissions") from None
        except (ValueError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
            raise cannot_read(path, error, self.ADVICE) from None

    def __getitem__(self, key: str) -> NDArray[Any]:
        if key not in self.names:
            raise KeyError(key)
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                return np.asarray(archive[key])
        except Exception as error:  # damaged bytes raise nearly anything, zlib.error included
            raise cannot_read(self.path, f"array '{key}': {error}", self.ADVICE) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def read_npz(path: Path, wanted: Collection[str]) -> dict[str, NDArray[Any]]:
    """Read the wanted arrays of a .npz file, under their names in lower case; others are empty.

    Raises
    ------
    UserError
        "... cannot be read ...", "... holds 'NAME' in both cases ..."
    """
    archive = NpzArrays(path)
    keys: dict[str, str] = {}
    for key in archive:
        if key.lower() in keys:
            raise UserError(f"{path} holds '{key}' in both cases; keep one of them")
        keys[key.lower()] = key
    # Other arrays are not read: they may be large, or of a kind that cannot be read.
    return {name: archive[key] if name in wanted else np.empty(0) for name, key in keys.items()}
