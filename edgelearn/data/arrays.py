"""Arrays of .npz files: the one place that opens them, but for branch traces, which are read in parts.

Also what all readers of arrays share: texts that are numbers, and the check of sizes before memory is taken.
"""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.cells import BOOLEANS, MISSING
from edgelearn.data.text_files import encoding_note, open_text
from edgelearn.errors import UserError
from edgelearn.files import physical_memory

Arrays = Mapping[str, NDArray[Any]]


def cannot_read(path: Path, error: object, advice: str) -> UserError:
    """Return the error for a file that is not what its name says."""
    reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
    return UserError(f"{path} cannot be read ({reason}); {advice}")


def text_of(path: Path, advice: str, notes: list[str]) -> str:
    """Read a whole text of any encoding, compressed or not; an encoding that was found is a note.

    Raises
    ------
    UserError
        "... cannot be read ...", and those of `open_text`
    """
    try:
        with open_text(path) as file:
            content = file.read()
    except OSError as error:
        raise cannot_read(path, error, advice) from None
    if note := encoding_note(path, None):
        notes.append(note)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise cannot_read(path, error, advice) from None


def check_size(path: Path, what: str, n_bytes: int) -> None:
    """Refuse what does not fit into the memory of this machine, before it is allocated.

    Raises
    ------
    UserError
        "... needs ... of memory ..."
    """
    available = physical_memory()
    if n_bytes > available:
        raise UserError(
            f"{path}: {what} needs {n_bytes / 2**30:,.1f} GiB of memory, and this machine has "
            f"{available / 2**30:,.1f}; give a part of it, or .parquet or .csv, which are streamed"
        )


def mapped_array(path: Path) -> NDArray[Any]:
    """Return the array of a .npy file, whose values are read when they are used.

    Raises
    ------
    UserError
        "... cannot be read ..."; OSError passes
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("it is an archive of arrays, .npz")
    except OSError:
        raise
    except Exception as error:  # damaged bytes raise nearly anything
        reason = "it is cut off" if "mmap length is greater" in str(error) else error
        raise cannot_read(path, reason, "save it again with numpy.save") from None
    check_size(path, "the array", array.nbytes)
    return array


def texts_as_numbers(values: NDArray[Any]) -> NDArray[np.float64] | None:
    """Give numbers kept as text, NaN where one is missing; None where a text is no number, or all are missing.

    Example
    -------
    >>> texts_as_numbers(np.array(["0.5", "?", "true"])), texts_as_numbers(np.array(["0.5", "walk"]))
    (array([0.5, nan, 1. ]), None)
    """
    found, place = np.unique(values, return_inverse=True)
    cells = [str(cell).strip() for cell in found.tolist()]
    if all(cell in MISSING for cell in cells):
        return None
    try:
        numbers = [np.nan if cell in MISSING else float(BOOLEANS.get(cell, cell)) for cell in cells]
    except ValueError:
        return None
    return np.array(numbers, np.float64)[place.reshape(values.shape)]


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
        except zipfile.BadZipFile as error:
            reason: object = error
            if str(error) == "File is not a zip file" and zip_begins(path):
                reason = "it is cut off: the directory at its end is missing"
            raise cannot_read(path, reason, "copy or write it again") from None
        except (ValueError, EOFError, AttributeError, TypeError, NotImplementedError) as error:
            reason = "it is no .npz archive" if "pickle" in str(error) else error
            raise cannot_read(path, reason, self.ADVICE) from None

    def header(self, key: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Return shape and type of an array without reading it."""
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                return self._check_header(archive, key)
        except UserError:
            raise
        except Exception as error:  # damaged bytes raise nearly anything
            raise cannot_read(self.path, f"array '{key}': {error}", self.ADVICE) from None

    def _check_header(self, archive: Any, key: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Compare the shape in the header of an array with its bytes, before memory is taken for it."""
        member = key if key in archive.zip.namelist() else key + ".npy"
        with archive.zip.open(member) as file:
            if file.read(6) != b"\x93NUMPY":
                raise ValueError("it is no array")
            version = tuple(file.read(2))
            # 3.0 differs from 2.0 in the encoding of the names of fields alone
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
            if dtype.hasobject:
                raise ValueError("it holds Python objects; save text with .astype(str), numbers with .astype(float)")
            n_bytes = dtype.itemsize
            for length in shape:
                n_bytes *= int(length)
            size = archive.zip.getinfo(member).file_size - file.tell()
        if n_bytes != size:
            raise ValueError(f"its header says {list(shape)}, {n_bytes:,} bytes, and {size:,} follow")
        check_size(self.path, f"array '{key}'", n_bytes)
        return shape, dtype

    def __getitem__(self, key: str) -> NDArray[Any]:
        if key not in self.names:
            raise KeyError(key)
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                self._check_header(archive, key)
                return np.asarray(archive[key])
        except UserError:
            raise
        except MemoryError:
            raise cannot_read(self.path, f"array '{key}' does not fit into memory", "give a part of it") from None
        except Exception as error:  # damaged bytes raise nearly anything, zlib.error included
            raise cannot_read(self.path, f"array '{key}': {error}", self.ADVICE) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def zip_begins(path: Path) -> bool:
    """Tell whether a file begins as a zip archive does."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


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
