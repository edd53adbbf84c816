"""Recordings of event cameras in the format AEDAT."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.errors import UserError


def read_aedat(path: Path) -> dict[str, NDArray[Any]]:
    """Read the events of an AEDAT 4 file by the library aedat.

    Raises
    ------
    UserError
        "... is AEDAT 2 or 3 ...", "aedat is not installed ...", "... cannot be read ..."; OSError passes
    """
    with path.open("rb") as file:
        if not file.read(14).startswith(b"#!AER-DAT4"):
            raise UserError(f"{path} is no AEDAT 4; convert AEDAT 2 and 3 to .aedat4 or .csv")
    try:
        aedat = importlib.import_module("aedat")
    except ImportError:
        raise UserError("aedat is not installed, which reads .aedat4; pip install aedat") from None
    try:
        packets = [packet["events"] for packet in aedat.Decoder(str(path)) if "events" in packet]
        events = np.concatenate(packets)
    except Exception as error:  # whatever the decoder or an empty file raises
        raise UserError(f"{path} cannot be read ({' '.join(str(error).split())}); record it again") from None
    return {
        "t": events["t"].astype(np.int64),
        "x": events["x"].astype(np.int64),
        "y": events["y"].astype(np.int64),
        "value": events["on"].astype(np.int64),
    }
