"""Recordings of event cameras: files of the published formats, one of them written by the library dv-processing."""

from __future__ import annotations

import base64
import importlib.util
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from edgelearn.cli import main
from edgelearn.data.aedat import read_aedat
from edgelearn.data.events import is_event_data, open_events
from edgelearn.errors import UserError
from tests.tools import missing

# Of dv_processing 2.0.4: MonoCameraWriter, 8 x 6 pixels, without compression, the 40 events of `written_by_dv`.
BY_DV = zlib.decompress(base64.b64decode(
    "eNqNVM+L00AUnrbZKmUVDwX3sEiMy9KDtkWWItgWu23qtvbHupv9IeohNLPr4DYTkklhPSkoghfxrAdPXvTuWbx7FLwJHkT/AtGDzmTyTNuN2F"
    "cmzJf33vfNe/PSc2dr+saFRs1YyRdPZBZTCC0ghFr9NR0FlkFZpKB5dJzvpM3z9XFO7r8lESpbI3WEXY9Qu6JdzBe1akblVraphVXbHOKKRn3W"
    "sveopjomu1PRCiEuhKHT4cUjgcXx0CDcZMxV7+LDijagQ8fFntDXVHbocAKPucTe16q9fk8vF0ToP7OpS/aJbR50qeUf4B7XnybpUpvW+XvX3H"
    "EJw+6MhH2fOT6LI8QjbDPvPzQipYG9gUscFlNZ3fcYHaqWyczAo9JALj8Da8vi8mSPYHeaVN82NmMJxu6GxN1jsUCmrjNG2yP38C5IEptp1Utx"
    "YjFZNyaySrNkUd8dHGm8EVtcQVQ3NohjGPblgjWqwvy/5DP/gq9TfC86hlCafx0KfyL+RCjH1+8rZxaWMmk0h1JBzs2axGBPQ5zm/gTHy6sSKz"
    "xD4C9/sfSX6hCvBPlv6lG+sGcN0JMf5usG+FGQ/z7ESf4TdlmfPE9Fj84r4p/ooC/1sk2Jj3Es/I+akZ7AD64ClvGP1yROhHwPW8An9ZNtiVMh"
    "3+k28Mt6PrchPhHgt9eifgh73oH8RBDxvQN6MuNHB+pLBtjpQj8k3+0e6Elb7kN/JH9uHfhlfb/WI35hr65HfmHvNkBP1vthE/hk/idj8nxfjU"
    "m9+1tR/4T/5xbwy/OvbAOW1t+J+in8yu5kPbeQnM+mUVudnk8Rnw2iTqLz/N9c4WgRLXEUzXcpFMqF72CeQecPLE0dbg=="
))  # fmt: skip


def written_by_dv() -> np.ndarray:
    """Return t, x, y and polarity of the events in BY_DV."""
    rng, t, rows = np.random.default_rng(0), 1_700_000_000_000_000, []
    for _ in range(40):
        t += int(rng.integers(0, 300))
        rows.append((t, int(rng.integers(8)), int(rng.integers(6)), int(rng.integers(2))))
    return np.array(rows).T


def some_events(n: int, seed: int = 0) -> np.ndarray:
    """Return t, x, y and polarity of n events."""
    rng = np.random.default_rng(seed)
    return np.stack([np.cumsum(rng.integers(1, 500, n)), *rng.integers(0, 100, (2, n)), rng.integers(0, 2, n)])


def version_3(*packets: np.ndarray, overflow: int = 0, invalid: int = 0, form: str = "RAW") -> bytes:
    content = f"#!AER-DAT3.1\r\n#Format: {form}\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n".encode()
    for number, (t, x, y, p) in enumerate(packets):
        n = len(t)
        content += struct.pack("<hhiiiiii", 0, 1, 8, 4, 0, 2, 2, 2) + bytes(range(16))  # special events, left out
        content += struct.pack("<hhiiiiii", 1, 1, 8, 4, overflow * number, n, n, n - invalid)
        data = x << 17 | y << 2 | p << 1 | (np.arange(n) >= invalid)
        content += np.stack([data, t], axis=1).astype("<u4").tobytes()
    return content


def version_2(events: np.ndarray, camera: str) -> bytes:
    t, x, y, p = events
    davis = camera.startswith("DAVIS")
    address = y << 22 | x << 12 | p << 11 if davis else y << 8 | x << 1 | 1 - p
    other = [1 << 31 | 5, 1 << 10] if davis else [1 << 15]  # samples of frames and motion, a trigger
    rows = [*zip(address.tolist(), t.tolist(), strict=True), *((one, 7) for one in other if camera)]
    header = "#!AER-DAT2.0\r\n# This is a raw AE data file - do not edit\r\n"
    header += f"# AEChip: eu.seebetter.ini.chips.{camera}\r\n" if camera else ""
    return header.encode() + b"".join(struct.pack(">II", *row) for row in rows)


def stacked(events: dict) -> np.ndarray:
    return np.stack([events[name] for name in ("t", "x", "y", "value")])


def one(path: Path, content: bytes) -> np.ndarray:
    path.write_bytes(content)
    return stacked(read_aedat([path], [])[0])


def require_aedat() -> None:
    if importlib.util.find_spec("aedat") is None:
        missing('aedat is not installed: pip install "edgelearn[aedat]"')


def test_version_4_is_read_by_its_library(tmp_path):
    require_aedat()
    assert np.array_equal(one(tmp_path / "a.aedat4", BY_DV), written_by_dv())
    (tmp_path / "b.aedat").write_bytes(BY_DV)
    assert [stacked(found).tolist() for found in read_aedat([tmp_path / "b.aedat", tmp_path / "a.aedat4"], [])] == [
        written_by_dv().tolist()
    ] * 2


def test_damaged_files_of_version_4_end_in_one_line(tmp_path):
    """The decoder ends its process on some of them."""
    require_aedat()
    for seed in range(4):
        rng, content = random.Random(seed), bytearray(BY_DV)
        for _ in range(20):
            content[rng.randrange(40, len(content))] = rng.randrange(256)
        whole, path = tmp_path / "whole.aedat4", tmp_path / "damaged.aedat4"
        whole.write_bytes(BY_DV)
        path.write_bytes(content[: rng.choice((None, 300, 20))])
        with pytest.raises(UserError, match=r"damaged\.aedat4 cannot be read \(.{1,60}\); record or export it again"):
            read_aedat([whole, path], [])


def test_version_3_packets(tmp_path):
    first, second = some_events(50), some_events(30, seed=1)
    found = one(tmp_path / "a.aedat", version_3(first, second))
    assert np.array_equal(found, np.concatenate([first, second], axis=1))
    later = second + np.array([[1 << 31], [0], [0], [0]])  # the clock of 31 bits has overflowed
    assert np.array_equal(one(tmp_path / "a.aedat", version_3(first, second, overflow=1))[:, 50:], later)
    assert np.array_equal(one(tmp_path / "a.aedat", version_3(first, invalid=3)), first[:, 3:])


@pytest.mark.parametrize("camera", ["DVS128", "DAVIS346B", ""])
def test_version_2_addresses_are_those_of_a_camera(tmp_path, camera):
    events, notes = some_events(60), []
    (tmp_path / "a.aedat").write_bytes(version_2(events, camera))
    assert np.array_equal(stacked(read_aedat([tmp_path / "a.aedat"], notes)[0]), events)
    unknown = ["the header of an AEDAT 2 recording names no camera; its addresses are read as those of a DVS128"]
    assert notes == ([] if camera else unknown)
    over = events.copy()
    over[0] += 2**32 - 9000
    over[0, 40:] = over[0, 39] + np.arange(1, 21) * 1000
    assert np.array_equal(
        one(tmp_path / "a.aedat", version_2(over % [[2**32], [512], [512], [2]], camera or "DVS128")), over
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (version_3(some_events(9), form="Serial-TS"), "its packets are compressed, format Serial-TS"),
        (version_3(some_events(9))[:-3], "a packet of 9 events of 8 bytes is cut off or damaged"),
        (version_3(some_events(9)) + b"12", "its last packet is cut off"),
        (version_3(), "it holds no events of polarity"),
        (version_2(some_events(9), "DVS128")[:-3], "no whole number of 8-byte events"),
        (version_2(some_events(9), "DAVIS").replace(b"DAVIS", b"other"), "its header names no camera, DVS128 or DAVIS"),
        (version_2(some_events(0), "DVS128"), "it holds no events of polarity"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, content, reason):
    with pytest.raises(UserError, match=rf"a\.aedat cannot be read \(.*{reason}\); record or export it again"):
        one(tmp_path / "a.aedat", content)


@pytest.mark.parametrize("content", [b"", b"#!AER-DAT1.0\r\n", b"x,y,t,p\n", b"#!AER-DAT\xff\r\n"])
def test_files_of_no_version(tmp_path, content):
    with pytest.raises(UserError, match=r"a\.aedat is no AEDAT recording of version 2, 3 or 4"):
        one(tmp_path / "a.aedat", content)


def test_versions_are_learned_side_by_side(tmp_path, monkeypatch, capsys):
    for k in range(12):
        events = some_events(80, seed=k) % [[10**9], [8], [6], [2]]
        if k % 2:
            events[1] = 7 - events[1] // 4
        folder = tmp_path / "set" / ("left" if k % 2 else "right")
        folder.mkdir(parents=True, exist_ok=True)
        content = version_3(events) if k % 3 else version_2(events, "DVS128")
        (folder / f"{k}.aedat").write_bytes(content)
    assert is_event_data(str(tmp_path / "set"))
    data = open_events(str(tmp_path / "set"))
    assert (data.n_inputs, data.class_names, len(data.labels)) == (2 * 8 * 6, ("left", "right"), 12)
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--spiking", "--rule", "dfa", "--data", "set", "--epochs", "1"]) == 0
    capsys.readouterr()


def test_a_missing_library_is_named_with_its_extra(tmp_path, monkeypatch):
    (tmp_path / "up").mkdir()
    path = tmp_path / "up" / "a.aedat4"
    path.write_bytes(BY_DV)
    with pytest.raises(
        UserError, match="is one recording without a label; put recordings into a folder for each class"
    ):
        open_events(str(path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError) as refused:
        open_events(str(tmp_path))
    assert str(refused.value).startswith('aedat is not installed, which reads a.aedat4; pip install "aedat>=')
