"""The reader of a file, chosen by its suffix."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.errors import UserError, install
from edgelearn.files import check_regular, reason_of
from edgelearn.pretrained.imported import Model

READERS = {
    ".onnx": "onnx_file",
    ".tflite": "tflite_file",
    ".keras": "keras_file",
    ".h5": "keras_file",
    ".hdf5": "keras_file",
    ".safetensors": "weights_file",
    ".pt": "weights_file",
    ".pth": "weights_file",
}
_CHUNK = 1 << 20


def read_model(path: str | Path, net: Sequence[int] | None = None) -> Model:
    """Read a trained network.

    Parameters
    ----------
    path : file whose suffix says its format, or the results folder of a run
    net : layer sizes of the dense layers at the end, for files that hold weights without a graph

    Raises
    ------
    UserError
        "... cannot be read ...", "... is not installed ..."
    """
    given = Path(path)
    if given.is_dir() or given.name == "weights.npz":
        raise UserError(f"{given} holds results of a run, no model of another tool; edgelearn model show reads it")
    reader = READERS.get(given.suffix.lower())
    if reader is None:
        raise UserError(
            f"{given} cannot be read: its suffix is none of {', '.join(READERS)}; export the model as .onnx"
        )
    try:
        check_regular(given)
        digest = sha256_of(given)
    except FileNotFoundError:
        raise UserError(f"{given} does not exist; give the file of a model") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{given} cannot be read: {reason_of(error)}; give the file of a model") from None
    read: Callable[[Path, str, Sequence[int] | None], Model]
    read = import_module(f"edgelearn.pretrained.{reader}").read
    return read(given, digest, net)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def library(name: str, extra: str) -> Any:
    """Import a library of an extra.

    Raises
    ------
    UserError
        "... is not installed ..." with the command that installs it
    """
    try:
        return import_module(name)
    except ImportError as error:
        missing = error.name or name
        raise UserError(f"{name} cannot be imported ({missing} is missing or broken); {install(extra)}") from None


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a parser raises on a damaged file into one line.

    Parsers of five libraries work on bytes of any content here, and none documents all that it raises.

    Raises
    ------
    UserError
        "... cannot be read as ..."
    """
    try:
        with np.errstate(all="ignore"):
            yield
    except (UserError, KeyboardInterrupt):
        raise
    except MemoryError:
        raise UserError(f"{path} cannot be read as {what}: it asks for more memory than there is") from None
    except Exception as error:
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise UserError(
            f"{path} cannot be read as {what} ({type(error).__name__}: {reason}); "
            "it is damaged or of another format: export it again"
        ) from None
