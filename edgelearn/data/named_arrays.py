"""Named arrays of other programs: .mat of MATLAB (scipy, and h5py for version 7.3), HDF5 (h5py), .npy of NumPy."""

from __future__ import annotations

import math
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.arrays import Arrays, cannot_read, check_size, mapped_array
from edgelearn.errors import UserError, install

HDF5_BEGINS = b"\x89HDF\r\n\x1a\n"


def read_mat(path: Path, notes: list[str]) -> Arrays:
    """Read the variables of a .mat file; fields of structures are named `variable.field`.

    A cell array of recordings is joined, and its limits are the array `offset`; a cell array of texts is text.

    Raises
    ------
    UserError
        "... cannot be read ..."; those of `read_hdf5`
    """
    with path.open("rb") as file:
        head = file.read(1024)
    if head[512:520] == HDF5_BEGINS or head[:8] == HDF5_BEGINS:
        return read_hdf5(path, notes)
    from scipy.io import loadmat

    try:
        _check_elements(path)
        content = loadmat(path, simplify_cells=True)
    except MemoryError:
        raise cannot_read(path, "it does not fit into memory", "give a part of it") from None
    except Exception as error:  # damaged bytes raise nearly anything
        raise cannot_read(path, error, "save it again, for example with save('file.mat', 'X', 'y')") from None
    arrays: dict[str, NDArray[Any]] = {}
    for name, value in content.items():
        if not name.startswith("__"):
            _put(arrays, name, value, notes, path)
    if not arrays:
        raise UserError(f"{path} holds no arrays; save numbers and text")
    return arrays


_SIZES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8, 16: 1, 17: 2, 18: 4}  # bytes per number
_MATRIX, _COMPRESSED = 14, 15
_NUMERIC = range(6, 16)  # classes of arrays of numbers


def _check_elements(path: Path) -> None:
    """Compare types and sizes of the elements of a .mat file of version 5 to 7: scipy trusts them, and may crash.

    Source: MAT-File Format, The MathWorks. ValueError where they do not fit; other versions pass.
    """
    content = path.read_bytes()
    if len(content) < 128 or 0 in content[:4] or content[126:128] not in (b"IM", b"MI"):
        return
    order: Literal["little", "big"] = "little" if content[126:128] == b"IM" else "big"
    stack: list[tuple[bytes, bool]] = [(content[128:], False)]
    while stack:
        part, is_matrix = stack.pop()
        kinds: list[tuple[int, bytes]] = []
        at = 0
        while at < len(part):
            tag = int.from_bytes(part[at : at + 4], order)
            small = tag >> 16
            kind, n = (tag & 0xFFFF, small) if small else (tag, int.from_bytes(part[at + 4 : at + 8], order))
            begin = at + (4 if small else 8)
            if begin + n > len(part) or (small and n > 4) or kind not in (*_SIZES, _MATRIX, _COMPRESSED):
                raise ValueError(f"an element of type {kind} and {n:,} bytes does not fit: it is damaged or cut off")
            body = part[begin : begin + n]
            kinds.append((kind, body))
            if kind == _COMPRESSED:
                stack.append((zlib.decompress(body), False))
            elif kind == _MATRIX:
                stack.append((body, True))
            at = begin + n if kind == _COMPRESSED else at + 8 if small else begin + -(-n // 8) * 8
        if is_matrix and kinds:
            _check_matrix(kinds, order)


def _check_matrix(kinds: list[tuple[int, bytes]], order: Literal["little", "big"]) -> None:
    """Compare flags, dimensions and data of an array of numbers."""
    flags = int.from_bytes(kinds[0][1][:4], order)
    if kinds[0][0] != 6 or len(kinds[0][1]) != 8 or not 1 <= flags & 0xFF <= 17:
        raise ValueError("an array has no flags: it is damaged")
    if flags & 0xFF in _NUMERIC and len(kinds) >= 4:
        dimensions = kinds[1][1]
        n = 1
        for at in range(0, len(dimensions), 4):
            n *= int.from_bytes(dimensions[at : at + 4], order)
        for kind, body in kinds[3 : 5 if flags & 0x800 else 4]:
            if kind not in _SIZES or len(body) != n * _SIZES[kind] or kinds[1][0] != 5 or len(dimensions) % 4:
                raise ValueError("an array has another size than its dimensions say: it is damaged")


def _put(arrays: dict[str, NDArray[Any]], name: str, value: Any, notes: list[str], path: Path) -> None:
    """Store one variable under its name, or its fields under theirs."""
    if isinstance(value, dict):
        for field, inner in value.items():
            _put(arrays, f"{name}.{field}", inner, notes, path)
        return
    if hasattr(value, "toarray"):  # a sparse matrix
        check_size(path, f"variable '{name}'", math.prod(value.shape) * value.dtype.itemsize)
        value = value.toarray()
    is_list = isinstance(value, list) or (isinstance(value, np.ndarray) and value.dtype == object)
    if is_list and len(value) and all(isinstance(part, dict) and part.keys() == value[0].keys() for part in value):
        for field in value[0]:  # an array of structures, one per recording
            _put(arrays, f"{name}.{field}", [part[field] for part in value], notes, path)
        return
    if isinstance(value, list) or (isinstance(value, np.ndarray) and value.dtype == object):
        parts = list(np.asarray(value, object).ravel()) if isinstance(value, np.ndarray) else value
        if parts and all(isinstance(part, str) for part in parts):
            arrays[name] = np.array([part.strip() for part in parts])
            return
        joined = _joined(parts)
        if joined is None:
            notes.append(f"variable {name} is left out: it holds neither numbers nor text")
            return
        arrays[name], limits = joined
        arrays.setdefault("offset", limits)
        return
    array = np.asarray(value)
    if array.dtype.kind == "U" and array.ndim == 1:
        array = np.char.strip(array)
    if array.dtype.kind in "buifUM":
        arrays[name] = array
    else:
        notes.append(f"variable {name} is left out: it is {array.dtype}")


def _joined(parts: list[Any]) -> tuple[NDArray[Any], NDArray[np.int64]] | None:
    """Join recordings [n, n_channels], which may be arrays or numbers; None where they do not fit together."""
    arrays = [np.asarray(part) for part in parts]
    if not arrays or any(part.dtype.kind not in "buif" for part in arrays):
        return None
    arrays = [part if part.ndim else part[None] for part in arrays]
    if len({part.shape[1:] for part in arrays}) > 1:
        return None
    return np.concatenate(arrays), np.concatenate(([0], np.cumsum([len(part) for part in arrays])))


def read_hdf5(path: Path, notes: list[str]) -> Arrays:
    """Read the data sets of an HDF5 file, and the columns of its tables, by their last names.

    Where two have the same one, all are named with their groups: `group/name`, `table/column`.

    Raises
    ------
    UserError
        "... files need the package h5py ...", "... cannot be read ..."
    """
    try:
        import h5py
    except ImportError:
        version = " of version 7.3" if path.suffix.lower() == ".mat" else ""
        raise UserError(
            f"{path.suffix} files{version} need the package h5py; run `{install('recordings', 'h5py')}`"
        ) from None
    arrays: dict[str, NDArray[Any]] = {}
    is_mat = path.suffix.lower() == ".mat"
    try:
        with h5py.File(path, "r") as file:
            found: list[tuple[str, Any]] = []

            def visit(name: str, item: Any) -> None:
                if isinstance(item, h5py.Dataset) and not name.startswith("#"):
                    found.append((name, item))

            file.visititems(visit)
            for name, item in found:
                check_size(path, f"array '{name}'", int(item.size or 0) * item.dtype.itemsize)
                if (parts := _hdf5_parts(item)) is not None:
                    arrays[name], limits = parts
                    arrays.setdefault("offset", limits)
                    continue
                value = _hdf5_values(item, is_mat)
                if value is None:
                    notes.append(f"array {name} is left out: it is {item.dtype}")
                elif value.dtype.names:
                    arrays |= {f"{name}/{field}": np.asarray(value[field]) for field in value.dtype.names}
                else:
                    arrays[name] = value
    except (UserError, MemoryError):
        raise
    except Exception as error:  # damaged bytes raise nearly anything
        reason = "it is cut off" if "truncated" in str(error) else error
        raise cannot_read(path, reason, "write it again, for example with h5py or pandas") from None
    if not arrays:
        raise UserError(f"{path} holds no arrays; save numbers and text")
    last = [name.rpartition("/")[2] for name in arrays]
    return dict(zip(last, arrays.values(), strict=True)) if len(set(last)) == len(last) else arrays


def _hdf5_parts(item: Any) -> tuple[NDArray[Any], NDArray[np.int64]] | None:
    """Join recordings of any length, as spikes of SHD are stored; None for other data sets."""
    import h5py

    kind = h5py.check_vlen_dtype(item.dtype)
    if item.shape is None or item.ndim != 1 or kind is None or np.dtype(kind).kind not in "buif":
        return None
    return _joined(list(item[()]))


def _hdf5_values(item: Any, is_mat: bool) -> NDArray[Any] | None:
    import h5py

    if item.shape is None:
        return None
    if h5py.check_string_dtype(item.dtype) is not None:
        return np.asarray(np.asarray(item.asstr()[()]), str)
    if is_mat and item.attrs.get("MATLAB_class") == b"char":
        # One column per text, as MATLAB stores it.
        return np.array(["".join(map(chr, row)).strip() for row in np.atleast_2d(np.asarray(item[()]).T)])
    if item.dtype.kind not in "buif" and not item.dtype.names:
        return None
    value = np.asarray(item[()])
    if is_mat and value.ndim > 1:  # MATLAB counts dimensions from the last
        value = value.T
    return value.squeeze() if is_mat else value


def read_npy(path: Path) -> Arrays:
    """Read a .npy file of one array: its fields, its columns (the last is the label), or `X` of more dimensions.

    Raises
    ------
    UserError
        "... cannot be read ..."
    """
    try:
        array = np.array(mapped_array(path))
    except OSError as error:
        raise cannot_read(path, error, "check its permissions") from None
    if array.dtype.names:
        return {name: np.asarray(array[name]) for name in array.dtype.names}
    if array.ndim == 2:
        return {str(k + 1): array[:, k] for k in range(array.shape[1])}
    return {"X": array}
