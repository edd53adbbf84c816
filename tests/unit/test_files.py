"""Written files: links, permissions, devices and pipes; locks on folders; reading with limits."""

import contextlib
import os
import subprocess
import sys
import threading
import zipfile

import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.files import (
    only_writer,
    read_arrays,
    read_json,
    read_toml,
    reason_of,
    remove_temporaries,
    write_arrays,
    write_text,
    write_whole,
)


@pytest.fixture
def umask():
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o027, 0o640)])
def test_a_new_file_honours_the_umask(tmp_path, umask, mask, mode):
    umask(mask)
    write_text(tmp_path / "a", "x")
    write_arrays(tmp_path / "b.npz", {"x": np.zeros(2)})
    assert {os.stat(tmp_path / name).st_mode & 0o777 for name in ("a", "b.npz")} == {mode}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b.npz"]


def test_a_replaced_file_keeps_its_permissions(tmp_path):
    (tmp_path / "a").write_text("old")
    os.chmod(tmp_path / "a", 0o604)
    write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new"
    assert os.stat(tmp_path / "a").st_mode & 0o777 == 0o604


@pytest.mark.parametrize("there", [True, False])
def test_links_are_followed(tmp_path, there):
    (tmp_path / "far").mkdir()
    if there:
        (tmp_path / "far/real").write_text("old")
    (tmp_path / "link").symlink_to("far/real")
    (tmp_path / "second").symlink_to("link")
    write_text(tmp_path / "second", "new")
    assert (tmp_path / "far/real").read_text() == "new"
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "second").is_symlink()
    assert [path.name for path in (tmp_path / "far").iterdir()] == ["real"]


def test_a_pipe_is_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    got = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    while not got:
        try:
            write_whole(tmp_path / "pipe", lambda file: np.savez(file, x=np.arange(40_000)))
            break
        except UserError:  # the reader has not come yet
            pass
    reader.join()
    assert len(got[0]) > 65_536  # more than a pipe holds at once
    assert (tmp_path / "pipe").is_fifo()


def test_a_pipe_that_nobody_reads_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=r"cannot write .*pipe: it is a pipe that nobody reads; give a folder"):
        write_text(tmp_path / "pipe", "x")
    assert (tmp_path / "pipe").is_fifo()


def test_devices_are_never_replaced(tmp_path):
    write_text(tmp_path / "/dev/null", "x")
    with pytest.raises(UserError, match="cannot write /dev/full: No space left on device"):
        write_text(tmp_path / "/dev/full", "x" * 9000)
    for name in ("null", "full"):
        assert not os.path.isfile(f"/dev/{name}")
    try:
        os.mknod(tmp_path / "device", 0o020666, os.makedev(1, 3))
    except OSError:
        return  # devices are made by root alone
    with contextlib.suppress(UserError):  # a file system that lets nobody open devices
        write_text(tmp_path / "device", "x")
    assert (tmp_path / "device").is_char_device()


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(UserError, match=r"cannot write .*a: it is a folder"):
        write_text(tmp_path / "a", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


HOLD = """
import sys, time, pathlib
from edgelearn.files import only_writer
with only_writer(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_has_one_writer_even_after_a_kill(tmp_path):
    folder = tmp_path / "a/b"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdin=-1, stdout=-1, text=True)
    assert holder.stdout.readline() == "held\n"
    message = "is in use by another command; wait for its end, or give another --out"
    with pytest.raises(UserError, match=message), only_writer(folder):
        pass
    holder.kill()
    holder.communicate()
    with only_writer(folder):
        pass


def test_a_refused_command_leaves_no_folder(tmp_path):
    (tmp_path / "kept").mkdir()
    with pytest.raises(UserError), only_writer(tmp_path / "kept/a/b"):
        raise UserError("no")
    assert not (tmp_path / "kept/a").exists()
    with contextlib.suppress(UserError), only_writer(tmp_path / "kept/c/d"):
        write_text(tmp_path / "kept/c/e", "x")
        raise UserError("no")
    assert [path.name for path in (tmp_path / "kept/c").iterdir()] == ["e"]
    with pytest.raises(UserError), only_writer(tmp_path / "kept"):
        raise UserError("no")
    assert (tmp_path / "kept").is_dir()


def test_temporaries_of_a_killed_command_are_removed(tmp_path):
    kept = [".report.json", ".report.json.backup-2", "report.json", ".notes.12345678"]
    for name in (".report.json.0a1b2c3d", ".7f.json.k_x9aaaa", *kept):
        (tmp_path / name).write_text("x")
    remove_temporaries(tmp_path, ("report.json", "*.json"))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


@pytest.mark.parametrize(
    ("read", "content", "reason"),
    [
        (read_toml, b"a = " + b"[" * 100_000, "it is nested too deep"),
        (read_toml, b"a = " + b"9" * 5000, "it holds a number of thousands of digits"),
        (read_toml, b"a = \xff", "it is not UTF-8 text"),
        (read_json, b'{"a":' * 100_000, "it is nested too deep"),
        (read_json, b"9" * 5000, "it holds a number of thousands of digits"),
        (read_json, b"\x00" * 20, "Expecting value: line 1 column 1 (char 0)"),
    ],
)
def test_what_cannot_be_read_has_a_reason(tmp_path, read, content, reason):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the words are those of reason_of
        read(tmp_path / "a")
    assert reason_of(error.value) == reason


@pytest.mark.parametrize("read", [read_toml, read_json])
def test_pipes_and_folders_are_not_read(tmp_path, read):
    os.mkfifo(tmp_path / "a")
    with pytest.raises(OSError, match="it is not a file"):
        read(tmp_path / "a")
    with pytest.raises(OSError, match="it is a folder"):
        read(tmp_path)


def test_arrays_that_cannot_be_held_are_refused(tmp_path):
    header = b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 100000000), }"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", header.ljust(127) + b"\n" + b"\0" * 80)
    with pytest.raises(UserError, match=r"a\.npz cannot be read: it is no whole \.npz file"):
        read_arrays(tmp_path / "a.npz")


def test_notes_of_arrays_are_tables(tmp_path):
    import numpy as np

    np.savez(tmp_path / "a.npz", x=np.zeros(3), note=np.array("0.5"))
    with pytest.raises(UserError, match=r"a\.npz cannot be read: it is no whole \.npz file"):
        read_arrays(tmp_path / "a.npz")
