"""Readers of the published files: idx (MNIST, Fashion-MNIST), CIFAR-10 in both versions, digits.

Every reader takes paths and gives `Parts`; it checks magic numbers, counts and lengths, and names the file at
fault. Values land in their final array at once: no second copy of a data set is held.
"""

from __future__ import annotations

import gzip
import importlib.util
import pickle
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from math import prod
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.dataset import Labels, Values
from edgelearn.errors import UserError

CHUNK_BYTES = 1 << 20
# Deflate cannot expand a byte to more than this; a header that promises more is damaged, not large.
MAX_EXPANSION = 1032

CIFAR10_FEATURES = 3 * 32 * 32
CIFAR10_BATCH = 10_000
CIFAR10_RECORD_BYTES = 1 + CIFAR10_FEATURES

DIGITS_TRAIN = 1437
DIGITS_SAMPLES = 1797


class Parts(NamedTuple):
    """Group the arrays of a data set: values [n_samples, n_features] and labels int64 [n_samples]."""

    train_x: Values
    train_y: Labels
    test_x: Values
    test_y: Labels


def _damaged(path: Path, fault: str) -> UserError:
    return UserError(f"{path} {fault}; download it again")


def _open_file(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check the path and its permissions") from None


def _chunks(path: Path) -> Iterator[bytes]:
    """Yield the content of a plain or gzip file in order.

    The first bytes decide, not the suffix: some browsers unpack a download and keep its name. A gzip file
    that ends early yields what it holds and then an empty chunk, so that the caller can say how much that is.
    """
    with _open_file(path) as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        content: Any = gzip.GzipFile(fileobj=file) if packed else file
        try:
            while chunk := content.read1(CHUNK_BYTES):
                yield chunk
        except EOFError:
            yield b""
        except (zlib.error, gzip.BadGzipFile) as error:
            raise _damaged(path, f"is damaged (gzip: {error})") from None


def read_idx(path: Path, n_dims: int) -> NDArray[np.uint8]:
    """Read an idx file of unsigned bytes, plain or gzip.

    Parameters
    ----------
    path : the file.
    n_dims : dimensions it must have: 3 for images, 1 for labels.

    Returns
    -------
    uint8 array of the shape in the header.

    Raises
    ------
    UserError : "FILE is empty ...", "FILE is not an idx file ...", "FILE holds N of M bytes ...",
        "FILE is damaged ...".

    Notes
    -----
    Header, big-endian: two zero bytes, type 8 (unsigned byte), number of dimensions, then 32 bits each.
    """
    magic = bytes((0, 0, 8, n_dims))
    n_header = 4 + 4 * n_dims
    chunks = _chunks(path)
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= n_header:
            break
    if not head:
        raise _damaged(path, "is empty (0 bytes)")
    if head[:4] != magic[: len(head)]:
        raise _damaged(
            path,
            f"is not an idx file of {n_dims} dimension(s) (starts with {head[:4].hex()}, not {magic.hex()})",
        )
    if len(head) < n_header:
        raise _damaged(path, f"holds {len(head)} of {n_header} bytes of its header")
    shape = tuple(int(n) for n in np.frombuffer(head, ">u4", n_dims, 4))
    n_values = prod(shape)
    if n_values > MAX_EXPANSION * path.stat().st_size:
        raise _damaged(path, f"promises {n_header + n_values} bytes, more than it can hold")

    values = np.empty(n_values, np.uint8)
    filled, ends_early = 0, False
    for chunk in chain([head[n_header:]], chunks):
        if filled + len(chunk) > n_values:
            raise _damaged(path, f"holds more than the {n_header + n_values} bytes that its header promises")
        values[filled : filled + len(chunk)] = np.frombuffer(chunk, np.uint8)
        filled += len(chunk)
        ends_early = not chunk
    if filled < n_values:
        raise _damaged(path, f"holds {n_header + filled} of {n_header + n_values} bytes")
    if ends_early and n_values:
        raise _damaged(path, "lacks the checksum at its end")
    return values.reshape(shape)


def load_idx(paths: Sequence[Path]) -> Parts:
    """Read MNIST-like files: training images and labels, test images and labels, in this order.

    Raises
    ------
    UserError : those of `read_idx`; "FILE holds N images and FILE M labels ...", "FILE has images of ...".
    """
    train_x, train_y = _idx_pair(paths[0], paths[1])
    test_x, test_y = _idx_pair(paths[2], paths[3])
    if train_x.shape[1] != test_x.shape[1]:
        raise UserError(
            f"{paths[2]} has images of {test_x.shape[1]} pixels and {paths[0]} of {train_x.shape[1]}; "
            "take all four files from one data set"
        )
    return Parts(train_x, train_y, test_x, test_y)


def _idx_pair(images: Path, labels: Path) -> tuple[Values, Labels]:
    # Labels first: they are small, and a wrong folder then fails before the images are unpacked.
    y = read_idx(labels, 1)
    x = read_idx(images, 3)
    if len(x) != len(y):
        raise UserError(
            f"{images} holds {len(x)} images and {labels} {len(y)} labels; take both files from one data set"
        )
    return x.reshape(len(x), x.shape[1] * x.shape[2]), y.astype(np.int64)


def load_cifar10_binary(paths: Sequence[Path]) -> Parts:
    """Read the binary version: data_batch_1.bin to data_batch_5.bin, then test_batch.bin.

    A record is 1 label byte and 3072 values: the red plane, the green plane, the blue plane, 32 rows each.

    Raises
    ------
    UserError : "FILE is empty ...", "FILE holds N of M bytes ...", "FILE record R has label L ...".
    """
    return _cifar10(paths, _binary_batch)


def load_cifar10_python(paths: Sequence[Path]) -> Parts:
    """Read the python version: data_batch_1 to data_batch_5, then test_batch; same values as binary.

    Raises
    ------
    UserError : "FILE is empty ...", "FILE is not a CIFAR-10 python batch ...", "FILE record R has label ...".
    """
    return _cifar10(paths, _python_batch)


def _cifar10(paths: Sequence[Path], read: Callable[[Path], tuple[Values, Values]]) -> Parts:
    n_train = CIFAR10_BATCH * (len(paths) - 1)
    train_x = np.empty((n_train, CIFAR10_FEATURES), np.uint8)
    train_y = np.empty(n_train, np.int64)
    test_x = np.empty((CIFAR10_BATCH, CIFAR10_FEATURES), np.uint8)
    test_y = np.empty(CIFAR10_BATCH, np.int64)
    for batch, path in enumerate(paths):
        x, y = (test_x, test_y) if path is paths[-1] else (train_x, train_y)
        start = 0 if path is paths[-1] else batch * CIFAR10_BATCH
        values, labels = read(path)
        wrong = np.flatnonzero((labels < 0) | (labels > 9))
        if len(wrong):
            raise _damaged(path, f"record {wrong[0] + 1} has label {labels[wrong[0]]}, not 0 to 9")
        x[start : start + CIFAR10_BATCH] = values
        y[start : start + CIFAR10_BATCH] = labels
    return Parts(train_x, train_y, test_x, test_y)


def _binary_batch(path: Path) -> tuple[Values, Values]:
    with _open_file(path) as file:
        raw = file.read()
    n_expected = CIFAR10_BATCH * CIFAR10_RECORD_BYTES
    if not raw:
        raise _damaged(path, "is empty (0 bytes)")
    if len(raw) != n_expected:
        raise _damaged(path, f"holds {len(raw)} of {n_expected} bytes")
    records = np.frombuffer(raw, np.uint8).reshape(CIFAR10_BATCH, CIFAR10_RECORD_BYTES)
    return records[:, 1:], records[:, 0]


def _dtype(code: bytes | str, align: Any = False, copy: Any = False) -> np.dtype[Any]:
    # The published batches say align=0, copy=1, which newer numpy wants as booleans.
    return np.dtype(code.decode("ascii") if isinstance(code, bytes) else code, align=bool(align), copy=bool(copy))


def _latin1(text: str, encoding: str | bytes) -> bytes:
    # How Python 3 writes bytes into a pickle of protocol 2.
    if encoding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError(f"encoding {encoding!r} does not occur in a batch")
    return text.encode("latin-1")


class ArrayUnpickler(pickle.Unpickler):
    """Rebuild arrays and plain containers, refuse all else: a pickle can name any function to call."""

    def find_class(self, module: str, name: str) -> Any:
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            # numpy's own function wherever this version keeps it: the module in old files has moved since.
            return np.empty(0).__reduce__()[0]
        allowed: dict[tuple[str, str], Any] = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): _dtype,
            ("_codecs", "encode"): _latin1,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not allowed")
        return allowed[module, name]


def _python_batch(path: Path) -> tuple[Values, Values]:
    with _open_file(path) as file:
        if path.stat().st_size == 0:
            raise _damaged(path, "is empty (0 bytes)")
        try:
            batch = ArrayUnpickler(file, encoding="bytes").load()
        except Exception as error:  # damaged bytes raise nearly anything, MemoryError included
            reason = " ".join(str(error).split()) or type(error).__name__
            raise _damaged(
                path, f"is not a CIFAR-10 python batch or ends early ({path.stat().st_size} bytes: {reason})"
            ) from None
    values = batch.get(b"data") if isinstance(batch, dict) else None
    labels = batch.get(b"labels") if isinstance(batch, dict) else None
    if not isinstance(values, np.ndarray) or not isinstance(labels, list):
        raise _damaged(path, "is not a CIFAR-10 python batch (no 'data' array with a 'labels' list)")
    if values.shape != (CIFAR10_BATCH, CIFAR10_FEATURES) or values.dtype != np.uint8:
        raise _damaged(
            path,
            f"holds data of {values.dtype} {list(values.shape)}, not uint8 [{CIFAR10_BATCH}, {CIFAR10_FEATURES}]",
        )
    if len(labels) != CIFAR10_BATCH or not all(isinstance(label, int) for label in labels):
        raise _damaged(path, f"holds {len(labels)} labels, not {CIFAR10_BATCH} whole numbers")
    return values, np.array(labels, np.int64)


def digits_file() -> Path | None:
    """Find scikit-learn's digits table without importing scikit-learn, whose import takes about a second."""
    spec = importlib.util.find_spec("sklearn")
    for root in (spec.submodule_search_locations or []) if spec else []:
        path = Path(root, "datasets", "data", "digits.csv.gz")
        if path.is_file():
            return path
    return None


def read_digits(path: Path | None) -> tuple[NDArray[np.uint8], Labels]:
    """Read the 1797 digits of 8 x 8 pixels, 0 to 16, in scikit-learn's order.

    Parameters
    ----------
    path : the table, 64 pixels and the label per line; None, or a table of another shape, asks scikit-learn.

    Raises
    ------
    UserError : "data set 'digits' needs scikit-learn ...".
    """
    if path is not None:
        try:
            text = b"".join(_chunks(path)).decode("ascii")
            table = np.array(text.replace("\n", ",").rstrip(",").split(","), np.uint8)
            if table.size == DIGITS_SAMPLES * 65:
                table = table.reshape(DIGITS_SAMPLES, 65)
                return np.ascontiguousarray(table[:, :64]), table[:, 64].astype(np.int64)
        except ValueError:
            pass  # not the table known here: scikit-learn knows its own file
    try:
        import sklearn.datasets as published  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        raise UserError("data set 'digits' needs scikit-learn; run `pip install scikit-learn`") from None
    x, y = published.load_digits(return_X_y=True)
    return x.astype(np.uint8), y.astype(np.int64)


def load_digits(paths: Sequence[Path]) -> Parts:
    """Split the digits into 1437 training and 360 test samples, the same for every run's seed."""
    x, y = read_digits(paths[0] if paths else None)
    order = np.random.default_rng(0).permutation(len(y))
    train, test = order[:DIGITS_TRAIN], order[DIGITS_TRAIN:]
    return Parts(x[train], y[train], x[test], y[test])
