"""Find the files of a published data set on this machine, or download them; reading them is not its task."""

from __future__ import annotations

import gzip
import os
import shutil
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgelearn.data.published import Parts
from edgelearn.errors import UserError

DATA_VARIABLE = "EDGELEARN_DATA"
CACHE_VARIABLE = "EDGELEARN_CACHE"
TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """Name a file as published: its checksum and where to get it.

    Parameters
    ----------
    name : file name.
    checksum : "sha256:..." or, where only that is published, "md5:...".
    urls : addresses, tried in order; empty for a file that comes inside an archive.
    """

    name: str
    checksum: str
    urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PublishedLayout:
    """Describe one form in which a data set is published.

    Parameters
    ----------
    files : the files, in the order in which `load` takes them.
    folders : names of the subfolders in which users keep them.
    load : reader of the files.
    archive : the .tar.gz that holds the files, None where they are published singly.
    """

    files: tuple[PublishedFile, ...]
    folders: tuple[str, ...]
    load: Callable[[Sequence[Path]], Parts]
    archive: PublishedFile | None = None

    @property
    def file_names(self) -> tuple[str, ...]:
        """Name the files in the order of `load`."""
        return tuple(file.name for file in self.files)


@dataclass(frozen=True, slots=True)
class Found:
    """Hold the files of a data set that are present: all of one layout, in its order."""

    layout: PublishedLayout
    paths: tuple[Path, ...]


def data_folders() -> list[Path]:
    """Give the folders named in EDGELEARN_DATA, those that do not exist included."""
    return [Path(part).expanduser() for part in os.environ.get(DATA_VARIABLE, "").split(os.pathsep) if part]


def cache_folder(name: str) -> Path:
    """Give the folder for downloads of a data set: below EDGELEARN_CACHE, or the user's cache folder."""
    root = os.environ.get(CACHE_VARIABLE)
    if not root:
        import pooch  # type: ignore[import-untyped,unused-ignore]

        root = str(pooch.os_cache("edgelearn"))
    return Path(root).expanduser() / name


def find_file(folder: Path, name: str) -> Path | None:
    """Find a file in a folder: as published, unpacked (no .gz), or with the dot that some copies have.

    Example
    -------
    >>> find_file(Path("no-such-folder"), "train-images-idx3-ubyte.gz") is None
    True
    """
    plain = name.removesuffix(".gz")
    dotted = plain.replace("-idx", ".idx")
    for spelling in (name, plain) if dotted == plain else (name, plain, f"{dotted}.gz", dotted):
        path = folder / spelling
        if path.is_file():
            return path
    return None


def find(
    name: str,
    layouts: Sequence[PublishedLayout],
    system_folders: Sequence[Path],
    is_same: Callable[[Found], bool],
) -> Found | None:
    """Find all files of one layout: in EDGELEARN_DATA, in the system's folders, in the download cache.

    Files of one folder belong together and are never mixed with another's. An archive that was found is
    unpacked into the cache, once.

    Parameters
    ----------
    name : name of the data set.
    layouts : forms in which it is published, the preferred one first.
    system_folders : where packages of the operating system put it.
    is_same : asked about files that lie in a folder which does not bear the data set's name: two data sets
        can have the same file names.

    Raises
    ------
    UserError : "ARCHIVE is damaged ...", "FOLDER cannot be written ...".
    """
    for folder, layout, is_named in _places(name, layouts, system_folders):
        paths = [find_file(folder, file) for file in layout.file_names]
        present = tuple(path for path in paths if path is not None)
        if len(present) == len(paths):
            found = Found(layout, present)
            if is_named or is_same(found):
                return found
        elif layout.archive and (archive := find_file(folder, layout.archive.name)):
            cache = cache_folder(name)
            unpacked = tuple(cache / file for file in layout.file_names)
            if all(path.is_file() for path in unpacked):
                return Found(layout, unpacked)
            return unpack(archive, layout, cache)
    return None


def _places(
    name: str, layouts: Sequence[PublishedLayout], system_folders: Sequence[Path]
) -> Iterator[tuple[Path, PublishedLayout, bool]]:
    for root in data_folders():
        for layout in layouts:
            for sub in layout.folders:
                yield root / sub, layout, True
            # A folder inside the data set's folder is what unpacking its archive there leaves.
            for sub in layout.folders[1:]:
                yield root / layout.folders[0] / sub, layout, True
            yield root, layout, root.name in layout.folders
    for folder in system_folders:
        for layout in layouts:
            yield folder, layout, True
    cache = cache_folder(name)
    for layout in layouts:
        yield cache, layout, True


def nearest_gap(name: str, layouts: Sequence[PublishedLayout], system_folders: Sequence[Path]) -> str:
    """Say which file is missing in the folder that holds the most of them, else name the first file."""
    best, gap = 0, layouts[0].file_names[0]
    for folder, layout, _ in _places(name, layouts, system_folders):
        missing = [file for file in layout.file_names if find_file(folder, file) is None]
        n_present = len(layout.files) - len(missing)
        if missing and n_present > best:
            best, gap = n_present, f"{missing[0]} in {folder}"
    return gap


def unpack(archive: Path, layout: PublishedLayout, folder: Path) -> Found:
    """Copy the files of a layout out of its archive; nothing else in the archive is written.

    Raises
    ------
    UserError : "ARCHIVE is damaged ...", "ARCHIVE lacks FILE ...", "FOLDER cannot be written ...".
    """
    partial = {name: folder / f"{name}.{os.getpid()}.part" for name in layout.file_names}
    done: set[str] = set()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with gzip.open(archive) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            for member in tar:
                name = Path(member.name).name
                source = tar.extractfile(member) if member.isfile() and name in partial else None
                if source is not None:
                    with source, partial[name].open("wb") as target:
                        shutil.copyfileobj(source, target)
                    done.add(name)
            # gzip checks its content when it is read to the end, which tar does not do.
            while stream.read(1 << 20):
                pass
        missing = [name for name in layout.file_names if name not in done]
        if missing:
            raise UserError(f"{archive} lacks {missing[0]}; download it again")
        # Renamed only when all is whole: an interrupted run must not leave a short file under a real name.
        for name, path in partial.items():
            path.replace(folder / name)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{archive} is damaged ({' '.join(str(error).split())}); download it again") from None
    except OSError as error:
        raise _not_writable(folder, error) from None
    finally:
        for path in partial.values():
            if path.exists():
                path.unlink()
    return Found(layout, tuple(folder / name for name in layout.file_names))


def download(name: str, layouts: Sequence[PublishedLayout], progress: bool) -> Found:
    """Download the files of the first layout that can be had, checked against their checksums.

    Raises
    ------
    UserError : "data set 'NAME': FILE could not be downloaded ..." with the reason and the ways out.
    """
    folder = cache_folder(name)
    fault: UserError | None = None
    for layout in layouts:
        try:
            if layout.archive is None:
                return Found(layout, tuple(_retrieve(name, file, folder, progress) for file in layout.files))
            found = unpack(_retrieve(name, layout.archive, folder, progress), layout, folder)
            (folder / layout.archive.name).unlink()  # the files are out: do not keep their bytes twice
            return found
        except UserError as error:
            fault = fault or error
    assert fault is not None
    raise fault


def _retrieve(name: str, file: PublishedFile, folder: Path, progress: bool) -> Path:
    import pooch
    import requests

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(folder, error) from None
    pooch.get_logger().setLevel("WARNING")
    reasons = []
    for url in file.urls:
        bar: Any = _Progress(file.name) if progress else False
        try:
            path = pooch.retrieve(
                url,
                known_hash=file.checksum,
                fname=file.name,
                path=folder,
                downloader=pooch.HTTPDownloader(progressbar=bar, timeout=TIMEOUT_S),
            )
            return Path(path)
        except PermissionError as error:
            raise _not_writable(folder, error) from None
        except requests.HTTPError as error:
            status = error.response.status_code if error.response is not None else "unknown"
            reasons.append(f"{url}: status {status}")
        except requests.RequestException as error:
            reasons.append(f"{url}: {_cause(error)}")
        except ValueError:  # pooch: the checksum differs
            reasons.append(f"{url}: its checksum is not {file.checksum}")
        except OSError as error:
            reasons.append(f"{url}: {error.strerror or error}")
    raise UserError(f"data set '{name}': {file.name} could not be downloaded ({'; '.join(reasons)})")


def _not_writable(folder: Path, error: OSError) -> UserError:
    return UserError(
        f"{folder} cannot be written ({error.strerror}); "
        f"name a folder with space and write permission in {CACHE_VARIABLE}"
    )


def _cause(error: BaseException) -> str:
    """Say in a few words why a request failed: the innermost reason, without object addresses."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return getattr(error, "strerror", None) or type(error).__name__


class _Progress:
    """Show the bytes of a download on one line of the error output, as pooch calls it."""

    def __init__(self, name: str) -> None:
        self.name, self.total, self.done = name, 0, 0

    def update(self, n_bytes: int) -> None:
        self.done += n_bytes
        sys.stderr.write(f"\r{self.name}: {self.done / 1e6:.1f} of {self.total / 1e6:.1f} MB")

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        sys.stderr.write("\n")
