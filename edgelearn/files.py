"""Files: written whole or not at all, read with a limit and without surprises; folders with one writer at a time."""

from __future__ import annotations

import io
import json
import os
import secrets
import stat
import tokenize
import tomllib
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from edgelearn.errors import UserError

if TYPE_CHECKING:
    import numpy as np

MOST_BYTES = 256 * 2**20  # of a text that is read at once: reports and tables of settings are far below
TEMPORARY_LETTERS = 8


def physical_memory() -> int:
    """Return the bytes of memory of this machine, or 2^36 where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        return 1 << 36


def write_whole(path: Path, write: Callable[[IO[bytes]], object], durable: bool = True) -> None:
    """Write a file through a temporary one in the same folder, so that no reader ever sees half of it.

    A link is followed, an existing file keeps its permissions, a new one gets those of the umask. A pipe or a
    character device, for example /dev/stdout or /dev/null, is written to; nothing else is ever replaced.

    Parameters
    ----------
    durable : wait until the storage device has the content; without it a loss of power may leave an empty file

    Raises
    ------
    UserError
        "cannot write ..."
    """
    temporary = None
    try:
        before = _status(path)
        if before is not None and not stat.S_ISREG(before.st_mode):
            _write_through(path, before.st_mode, write)
            return
        target = Path(os.path.realpath(path))
        place = target.parent / f".{target.name[:200]}.{secrets.token_hex(TEMPORARY_LETTERS // 2)}"
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        temporary = place
        with os.fdopen(handle, "wb") as file:
            write(file)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if before is not None:
            os.chmod(temporary, stat.S_IMODE(before.st_mode))
        os.replace(temporary, target)
        temporary = None
    except OSError as error:
        raise _cannot_write(path, error) from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _status(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
    except ValueError:
        raise OSError(0, "its name holds a zero byte") from None


def _write_through(path: Path, mode: int, write: Callable[[IO[bytes]], object]) -> None:
    """Write to a pipe or a character device, which cannot be replaced and need not be seekable."""
    if stat.S_ISDIR(mode):
        raise OSError(0, "it is a folder")
    if not stat.S_ISFIFO(mode) and not stat.S_ISCHR(mode):
        raise OSError(0, "it is no regular file")
    content = io.BytesIO()
    write(content)
    try:
        handle = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        if stat.S_ISFIFO(mode):
            raise OSError(0, "it is a pipe that nobody reads") from None
        raise
    os.set_blocking(handle, True)
    with os.fdopen(handle, "wb") as file:
        file.write(content.getvalue())


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


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Keep other commands from writing a folder; it is made, and if this fails without a file in it, removed again.

    The system lets go of the folder however the command ends. File systems without locks are used without.

    Raises
    ------
    UserError
        "... is in use by another command ...", "cannot write ..."
    """
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    make_folder(folder)
    handle = _locked(folder)
    try:
        yield
    except BaseException:
        with suppress(OSError):  # from the first that holds a file
            for one in made:
                one.rmdir()
        raise
    finally:
        if handle is not None:
            os.close(handle)


def remove_temporaries(folder: Path, names: Iterable[str]) -> None:
    """Remove temporary files that a killed command left in a folder; for its `only_writer`.

    Parameters
    ----------
    names : of the files that were to be written, with * for any part
    """
    for name in names:
        for path in folder.glob(f".{name}.{'[a-z0-9_]' * TEMPORARY_LETTERS}"):
            with suppress(OSError):
                path.unlink()


def _locked(folder: Path) -> int | None:
    """Return the handle that holds the lock of a folder, None where there are no locks."""
    try:
        import fcntl
    except ImportError:
        return None
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise _cannot_write(folder, error) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise UserError(f"{folder} is in use by another command; wait for its end, or give another --out") from None
    except OSError:  # a file system without locks
        return handle
    if not folder.exists() or not os.path.samestat(os.fstat(handle), os.stat(folder)):
        os.close(handle)  # removed by the command that had it until now
        raise UserError(f"{folder} was in use by another command; start again")
    return handle


def write_text(path: Path, text: str, durable: bool = True) -> None:
    """Write a text file; see `write_whole`."""
    write_whole(path, lambda file: file.write(text.encode()), durable)


def write_arrays(path: Path, arrays: dict[str, np.ndarray], note: dict[str, Any] | None = None) -> None:
    """Write arrays as .npz; `note` goes in as JSON text under the name `note`."""
    import numpy as np

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
    import numpy as np

    try:
        check_regular(path)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        note = parse_json(str(arrays.pop("note"))) if "note" in arrays else {}
        if not isinstance(note, dict):
            raise ValueError
    except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError, *UNREADABLE):
        raise UserError(f"{path} cannot be read: it is no whole .npz file; start again with --overwrite") from None
    return arrays, note


UNREADABLE = (
    zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, MemoryError, OverflowError, SyntaxError,
    tokenize.TokenError,
)  # fmt: skip
"""What damaged archives of arrays raise, beside OSError and ValueError."""


def place_of(path: Path) -> str:
    """Return a path for a report: the same for every user and environment, where that can be.

    Example
    -------
    >>> place_of(Path("/opt/venv/lib/python3.12/site-packages/sklearn/datasets/data/digits.csv.gz"))
    'sklearn/datasets/data/digits.csv.gz'
    """
    parts = path.parts
    for folder in ("site-packages", "dist-packages"):
        if folder in parts:
            return "/".join(parts[parts.index(folder) + 1 :])
    with suppress(RuntimeError, ValueError):  # no home, or not in it
        return f"~/{path.relative_to(Path.home()).as_posix()}"
    return str(path)


def version_of(path: str | Path | None) -> tuple[Any, ...]:
    """Return what changes when a file, or any file in a folder, is written anew; empty for none."""
    if path is None:
        return ()
    given, found = Path(path).expanduser(), []
    with suppress(OSError, ValueError):
        for one in sorted(given.rglob("*")) if given.is_dir() else [given]:
            state = one.stat()
            found.append((str(one), state.st_mtime_ns, state.st_size, state.st_ino))
    return tuple(found)


def check_regular(path: Path) -> None:
    """Refuse what is no regular file: a pipe would be waited for, a device has no end.

    Raises
    ------
    OSError
        "it is not a file", and those of `stat`
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        raise OSError(0, "it is a folder" if stat.S_ISDIR(mode) else "it is not a file")


def read_text(path: Path) -> str:
    """Return the text of a regular UTF-8 file.

    Raises
    ------
    OSError, ValueError
        `reason_of` words them
    """
    check_regular(path)
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES >> 20} MiB")
    return content.decode("utf-8-sig")


def parse_json(text: str) -> Any:
    """Return what a JSON text says.

    Raises
    ------
    ValueError
        also for one that is nested too deep
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def read_json(path: Path) -> Any:
    """Return the content of a JSON file; raises OSError and ValueError, which `reason_of` words."""
    return parse_json(read_text(path))


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file; raises OSError and ValueError, which `reason_of` words."""
    try:
        return tomllib.loads(read_text(path))
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def reason_of(error: Exception) -> str:
    """Return in one line why a file cannot be read."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    text = " ".join(str(error).split())
    if "integer string conversion" in text:
        return "it holds a number of thousands of digits"
    return text if len(text) <= 100 else f"{text[:100]}..."
