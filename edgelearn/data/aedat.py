"""Recordings of event cameras in the format AEDAT: 2.0 of jAER, 3.x of cAER, 4.0 of DV.

Version 4 is read by the library aedat; 2 and 3 have fixed records and are read here. All three are defined in
"AEDAT file formats" (iniVation). Pixels count as they stand in the file; jAER counts rows from below.
"""

from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.errors import UserError, install

Events = dict[str, NDArray[Any]]

SUFFIXES = (".aedat4", ".aedat", ".aedat2", ".aedat3")
MAGIC = b"#!AER-DAT"
# A process of its own: on a damaged file the decoder may end the process it runs in.
DECODER = """
import sys
import aedat
import numpy as np
for path in sys.stdin.buffer.read().decode("utf-8", "surrogateescape").split("\\0"):
    packets = [packet["events"] for packet in aedat.Decoder(path) if "events" in packet]
    if not packets:
        raise ValueError("it holds no events")
    events = np.concatenate(packets)
    columns = [events[name].astype(np.int64) for name in events.dtype.names[:4]]  # t, x, y, polarity
    np.save(sys.stdout.buffer, np.stack(columns))
    sys.stdout.buffer.flush()
"""
ADVICE = "record or export it again"


def version_of(path: Path) -> str:
    """Return the version in the first line of a file, such as 3.1; OSError passes.

    Raises
    ------
    UserError
        "... is no AEDAT recording ..."
    """
    with path.open("rb") as file:
        line = file.readline(64)
    version = line.removeprefix(MAGIC).split(b"\r")[0].strip().decode("ascii", "replace")
    if not line.startswith(MAGIC) or version.partition(".")[0] not in ("2", "3", "4"):
        raise UserError(f"{path} is no AEDAT recording of version 2, 3 or 4; its first line names none of them")
    return version


def read_aedat(paths: Sequence[Path], notes: list[str]) -> list[Events]:
    """Read recordings, each with t (microseconds), x, y and value (1 for ON), int64 [events].

    Raises
    ------
    UserError
        "aedat is not installed ...", "... is no AEDAT recording ...", "... cannot be read ..."; OSError passes
    """
    versions = [version_of(path) for path in paths]
    decoded = iter(_decoded([path for path, version in zip(paths, versions, strict=True) if version[0] == "4"]))
    readers = {"2": _read_version_2, "3": _read_version_3}
    return [
        next(decoded) if version[0] == "4" else readers[version[0]](path, path.read_bytes(), notes)
        for path, version in zip(paths, versions, strict=True)
    ]


def _decoded(paths: Sequence[Path]) -> list[Events]:
    """Read files of version 4."""
    if not paths:
        return []
    if importlib.util.find_spec("aedat") is None:
        raise UserError(f"aedat is not installed, which reads {paths[0].name}; {install('aedat')}")
    names = "\0".join(map(str, paths)).encode("utf-8", "surrogateescape")
    done = subprocess.run([sys.executable, "-P", "-c", DECODER], input=names, capture_output=True)
    found: list[Events] = []
    stream = io.BytesIO(done.stdout)
    while len(found) < len(paths) and stream.tell() < len(done.stdout):
        found.append(_as_events(*np.load(stream, allow_pickle=False)))
    if len(found) < len(paths):
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        reason = last.partition(": ")[2] if done.returncode == 1 and "Error: " in last else "it is damaged"
        raise _cannot_read(paths[len(found)], reason)
    return found


def _as_events(t: NDArray[Any], x: NDArray[Any], y: NDArray[Any], value: NDArray[Any]) -> Events:
    return {"t": t, "x": x, "y": y, "value": value}


def _cannot_read(path: Path, reason: str) -> UserError:
    reason = " ".join(reason.split())
    return UserError(f"{path} cannot be read ({reason if len(reason) <= 60 else reason[:57] + '...'}); {ADVICE}")


def _header(content: bytes) -> tuple[list[str], int]:
    """Return the lines of a header, and where the records begin."""
    lines, at = [], 0
    while content[at : at + 1] == b"#":
        end = content.find(b"\n", at) + 1 or len(content)
        lines.append(content[at:end].decode("utf-8", "replace").strip())
        at = end
        if lines[-1] == "#!END-HEADER":
            break
    return lines, at


def _read_version_3(path: Path, content: bytes, notes: list[str]) -> Events:
    """Read packets: a header of 28 bytes, the time that has overflowed in it, and 8 bytes per polarity event."""
    lines, at = _header(content)
    form = next((line.partition(":")[2].strip() for line in lines if line.startswith("#Format:")), "RAW")
    if form != "RAW":
        raise _cannot_read(path, f"its packets are compressed, format {form}")
    parts: list[NDArray[np.int64]] = []
    while at < len(content):
        if len(content) - at < 28:
            raise _cannot_read(path, "its last packet is cut off")
        kind, _ = np.frombuffer(content, "<i2", 2, at).tolist()
        size, _, overflow, _, n, _ = np.frombuffer(content, "<i4", 6, at + 4).tolist()
        at += 28
        if size < 8 or n < 0 or n * size > len(content) - at:
            raise _cannot_read(path, f"a packet of {n} events of {size} bytes is cut off or damaged")
        if kind == 1:
            if size != 8:
                raise _cannot_read(path, f"its polarity events have {size} bytes and not 8")
            data, t = np.frombuffer(content, "<u4", 2 * n, at).reshape(-1, 2).T.astype(np.int64)
            packet = np.stack([t + (overflow << 31), data >> 17, data >> 2 & 0x7FFF, data >> 1 & 1])
            parts.append(packet[:, (data & 1) == 1])
        at += n * size
    if not parts:
        raise _cannot_read(path, "it holds no events of polarity")
    return _as_events(*np.concatenate(parts, axis=1))


def _read_version_2(path: Path, content: bytes, notes: list[str]) -> Events:
    """Read pairs of address and time, 4 bytes each, big end first; the camera says what the bits of an address are."""
    lines, at = _header(content)
    text = " ".join(lines).upper()
    body = content[at:]
    if not body or len(body) % 8:
        raise _cannot_read(path, f"{len(body)} bytes follow its header, no whole number of 8-byte events")
    address, t = np.frombuffer(body, ">u4").reshape(-1, 2).T.astype(np.int64)
    is_davis = "DAVIS" in text
    if not is_davis and "DVS128" not in text:
        if address.max() >> 15:
            raise _cannot_read(path, "its header names no camera, DVS128 or DAVIS")
        note = "the header of an AEDAT 2 recording names no camera; its addresses are read as those of a DVS128"
        notes += [] if note in notes else [note]
    if is_davis:
        is_event = (address >> 31 == 0) & (address >> 10 & 1 == 0)  # neither a sample of a frame nor of motion
        x, y, value = address >> 12 & 0x3FF, address >> 22 & 0x1FF, address >> 11 & 1
    else:
        is_event = address >> 15 == 0  # neither a trigger nor another special event
        x, y, value = address >> 1 & 0x7F, address >> 8 & 0x7F, 1 - (address & 1)
    # The clock of 32 bits starts again after 71 minutes.
    t = t + np.concatenate(([0], np.cumsum(np.diff(t) < -(1 << 31)))) * (1 << 32)
    if not is_event.any():
        raise _cannot_read(path, "it holds no events of polarity")
    return _as_events(*(column[is_event] for column in (t, x, y, value)))
