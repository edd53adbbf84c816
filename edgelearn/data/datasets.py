"""The data sets that can be named, as a table, and the functions that open any data set."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.data import downloads
from edgelearn.data.columns import NO_ROLES, Roles, refuse_roles
from edgelearn.data.compressed import suffix_of
from edgelearn.data.dataset import Dataset
from edgelearn.data.downloads import Found, PublishedFile, PublishedLayout
from edgelearn.data.event_refusals import refuse_events
from edgelearn.data.published import (
    Parts,
    digits_file,
    load_cifar10_binary,
    load_cifar10_python,
    load_digits,
    load_idx,
    read_idx,
)
from edgelearn.data.source import ColumnsUsed, missing_notes, without_label
from edgelearn.data.tables import (
    NAME_LABELS,
    OWN_FILES,
    SUFFIXES,
    check_fraction,
    dataset_of,
    draw_parts,
    has_parts,
    has_usual_names,
    open_user_file,
)
from edgelearn.errors import UserError, unknown
from edgelearn.files import place_of


@dataclass(frozen=True, slots=True)
class Row:
    """Describe a named data set.

    Parameters
    ----------
    name, description : what users type, and one line about it.
    n_train, n_test : samples of each part; files with other counts are refused.
    image_shape : (height, width) or (channels, height, width).
    high : one above the largest level that values are mapped to; they start at 0.
    value_bits : bits that hold every raw value.
    class_names : one per class.
    licence : what the source states.
    layouts : forms in which it is published, the preferred one first; empty for digits.
    system_folders : where packages of the operating system put it.
    test_labels_sha256 : of the test labels, one byte each; tells apart data sets with equal file names.
    hint : a further way to get it, ends the message about missing files.
    """

    name: str
    description: str
    n_train: int
    n_test: int
    image_shape: tuple[int, ...]
    high: int
    value_bits: int
    class_names: tuple[str, ...]
    licence: str
    layouts: tuple[PublishedLayout, ...] = ()
    system_folders: tuple[Path, ...] = ()
    test_labels_sha256: str | None = None
    hint: str = ""


_DIGIT_NAMES = tuple("0123456789")
_CIFAR10_BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")


def _idx_files(urls: Sequence[str], checksums: Sequence[str]) -> tuple[PublishedFile, ...]:
    names = (
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    )
    return tuple(
        PublishedFile(f"{name}.gz", checksum, tuple(f"{url}{name}.gz" for url in urls))
        for name, checksum in zip(names, checksums, strict=True)
    )


def _cifar10_files(suffix: str, checksums: Sequence[str]) -> tuple[PublishedFile, ...]:
    return tuple(
        PublishedFile(name + suffix, f"md5:{md5}") for name, md5 in zip(_CIFAR10_BATCHES, checksums, strict=True)
    )


_ROWS = (
    Row(
        name="digits",
        description="handwritten digits, 8 x 8 pixels of 0 to 16, inside scikit-learn: no download",
        n_train=1437,
        n_test=360,
        image_shape=(8, 8),
        high=16,
        value_bits=5,
        class_names=_DIGIT_NAMES,
        licence="CC BY 4.0 (UCI Optical Recognition of Handwritten Digits), in scikit-learn (BSD-3-Clause)",
    ),
    Row(
        name="mnist",
        description="handwritten digits, 28 x 28 grey pixels",
        n_train=60_000,
        n_test=10_000,
        image_shape=(28, 28),
        high=256,
        value_bits=8,
        class_names=_DIGIT_NAMES,
        licence="copyright Yann LeCun and Corinna Cortes; commonly redistributed as CC BY-SA 3.0",
        layouts=(
            PublishedLayout(
                files=_idx_files(
                    ("https://ossci-datasets.s3.amazonaws.com/mnist/",),
                    (
                        "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                        "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                        "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                        "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                    ),
                ),
                folders=("mnist", "MNIST"),
                load=load_idx,
            ),
        ),
        test_labels_sha256="ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
    ),
    Row(
        name="fashion-mnist",
        description="pictures of clothes, 28 x 28 grey pixels",
        n_train=60_000,
        n_test=10_000,
        image_shape=(28, 28),
        high=256,
        value_bits=8,
        class_names=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        licence="MIT (Zalando SE)",
        layouts=(
            PublishedLayout(
                files=_idx_files(
                    ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
                    # The source publishes md5 only; these are the sha256 of files with those md5.
                    (
                        "sha256:3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                        "sha256:a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                        "sha256:346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                        "sha256:67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                    ),
                ),
                folders=("fashion-mnist", "fashion_mnist", "FashionMNIST"),
                load=load_idx,
            ),
        ),
        system_folders=(Path("/usr/share/datasets/fashion-mnist"),),
        test_labels_sha256="3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
        hint=", or install Debian's package dataset-fashion-mnist",
    ),
    Row(
        name="cifar10",
        description="photographs of ten kinds of things, 32 x 32 pixels in red, green and blue planes",
        n_train=50_000,
        n_test=10_000,
        image_shape=(3, 32, 32),
        high=256,
        value_bits=8,
        class_names=(
            "airplane",
            "automobile",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "horse",
            "ship",
            "truck",
        ),
        licence="none stated; cite Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
        layouts=(
            PublishedLayout(
                files=_cifar10_files(
                    ".bin",
                    (
                        "5dd7e06a14cb22eb9f671a540d1b7c25",
                        "5ea93a67294ea407fff1d09f752e9692",
                        "942cd6a4bcdd0dd3c604fbe906cb4421",
                        "ae636b3ba5c66a11e91e8cb52e771fcb",
                        "53f37980c15c3d472c316c40844f3f0d",
                        "803d5f7f4d78ea53de84dbe85f74fb6d",
                    ),
                ),
                folders=("cifar10", "cifar-10-batches-bin"),
                load=load_cifar10_binary,
                archive=PublishedFile(
                    "cifar-10-binary.tar.gz",
                    "md5:c32a1d4ab5d03f1284b67883e8d87530",
                    ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
                ),
            ),
            PublishedLayout(
                # No checksum: only the archive's is published with certainty, and it covers these files.
                files=tuple(PublishedFile(name, "") for name in _CIFAR10_BATCHES),
                folders=("cifar10", "cifar-10-batches-py"),
                load=load_cifar10_python,
                archive=PublishedFile(
                    "cifar-10-python.tar.gz",
                    "md5:c58f30108f718f92721af3b95e74349a",
                    ("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
                ),
            ),
        ),
        test_labels_sha256="cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5",
    ),
)
ROWS: dict[str, Row] = {row.name: row for row in _ROWS}


def names() -> list[str]:
    """List the named data sets, the default first."""
    return list(ROWS)


def open_dataset(
    name_or_path: str | os.PathLike[str],
    *,
    label_column: str | int | None = None,
    test_fraction: float = 0.2,
    limit: int | None = None,
    roles: Roles = NO_ROLES,
    label_from: str | None = None,
    labels: str | None = None,
    allow_download: bool = True,
) -> Dataset:
    """Open a named data set, a user's file, or a folder of files.

    Parameters
    ----------
    name_or_path : one of `names()`, or a path.
    label_column : user files only: title, or number counting from 1 (-1 is the last).
    roles, label_from, labels : user files only: as of `open_source`.
    test_fraction : user files only: share of the samples that become the test part.
    limit : keep the first `limit` training samples and the first `limit` test samples; None keeps all.
    allow_download : whether missing files of a named data set may be downloaded.

    Returns
    -------
    Dataset; the same arrays for the same arguments, whatever the run's seed.

    Raises
    ------
    UserError : "data set 'NAME' is not known ...", "data set 'NAME' was not found ...", "limit 0 is out of
        range ..."; faults of a file name it, and in user files the row and the column.

    Example
    -------
    >>> data = open_dataset("digits", limit=100)
    >>> data.train_x.shape, data.n_classes, data.low, data.high
    ((100, 64), 10, 0, 16)
    """
    if limit is not None and limit < 1:
        raise UserError(f"limit {limit} is out of range; give 1 sample or more")
    given = os.fspath(name_or_path)
    row = ROWS.get(given)
    if row is None:
        _check_is_path(given)
        path = Path(given).expanduser()
        if label_column is not None:
            roles = replace(roles, label=label_column)
        if not roles.features:
            refuse_events(path)
        roles = replace(roles, has_label=label_from is None and labels is None)
        if not path.is_dir() and roles == NO_ROLES and suffix_of(path) not in SUFFIXES and has_parts(path):
            return open_user_file(path, test_fraction=test_fraction, limit=limit)
        if suffix_of(path) in SUFFIXES and not path.is_dir() and roles.has_label and has_usual_names(path):
            return open_user_file(path, roles=roles, test_fraction=test_fraction, limit=limit)
        return _from_source(given, roles, label_from, labels, test_fraction, limit)
    roles = roles if label_column is None else replace(roles, label=label_column)
    refuse_roles(f"data set '{row.name}'", roles, label_from=label_from, labels=labels)
    if test_fraction != 0.2:
        raise UserError(f"data set '{row.name}' has its own test part; leave test_fraction out")
    return _open_named(row, limit, allow_download)


def _check_is_path(given: str) -> None:
    if given.startswith("nmnist"):
        raise UserError(f"'{given}' is a set of address events, which spiking networks learn; give --spiking")
    from edgelearn.data.open_source import stream_names

    if given in stream_names():
        raise UserError(f"'{given}' is a stream, which is learned row by row; run `edgelearn stream {given}`")
    if suffix_of(Path(given)) not in SUFFIXES and not Path(given).expanduser().exists():
        raise UserError(f"{unknown('data set', given, names())} Own files end in {OWN_FILES}.")


def _from_source(
    given: str, roles: Roles, label_from: str | None, labels: str | None, test_fraction: float, limit: int | None
) -> Dataset:
    """Read a file or folder of any format of streams as a data set; samples without a label are left out."""
    from edgelearn.data.open_source import open_source

    check_fraction(test_fraction)
    source = open_source(given, roles=roles, label_from=label_from, labels=labels, allow_download=False)
    blocks = list(source.blocks())
    x, y = np.concatenate([block.x for block in blocks]), np.concatenate([block.y for block in blocks])
    notes = [*source.notes, *source.rejects.notes()]
    if not (y >= 0).any():
        raise UserError(f"{given} has no labels; {NAME_LABELS}")
    if (y < 0).any():
        notes.append(without_label(int((y < 0).sum()), len(y)))
        x, y = x[y >= 0], y[y >= 0]
    if source.n_classes < 2:
        raise UserError(f"{given} has 1 class (every label is '{source.class_names[0]}'); {NAME_LABELS}")
    notes += missing_notes(x, source.columns_used.inputs or source.channels)
    train, test = draw_parts(len(y), test_fraction)
    parts = Parts(x[train], y[train], x[test], y[test])
    about: dict[str, Any] = {
        "name": source.name,
        "source": source.source,
        "columns": source.columns_used,
        "notes": notes,
    }
    return dataset_of(parts, tuple(source.class_names), limit, **about)


def _row(name: str) -> Row:
    if name not in ROWS:
        raise unknown("data set", name, names())
    return ROWS[name]


def _open_named(row: Row, limit: int | None, allow_download: bool) -> Dataset:
    if not row.layouts:
        path = digits_file()
        parts = load_digits([path] if path else [])
        source = place_of(path) if path else "scikit-learn"
    else:
        found = _find_files(row) or _download_files(row, allow_download, progress=False)
        parts = found.layout.load(found.paths)
        source = place_of(found.paths[0].parent)
    _check_identity(row, parts, source)
    inputs = tuple(f"feature {number + 1}" for number in range(parts.train_x.shape[1]))
    about: dict[str, Any] = {"name": row.name, "source": source, "columns": ColumnsUsed(inputs, label="class")}
    return dataset_of(parts, row.class_names, limit, (0, row.high), **about)


def _check_identity(row: Row, parts: Parts, source: str) -> None:
    """Refuse files of another data set, which would be measured under the wrong name."""
    given = (len(parts.train_y), len(parts.test_y), parts.train_x.shape[1])
    expected = (row.n_train, row.n_test, int(np.prod(row.image_shape)))
    if given != expected:
        raise UserError(
            f"data set '{row.name}': the files in {source} hold {given[0]} training and {given[1]} test "
            f"samples of {given[2]} values, not {expected[0]}, {expected[1]} and {expected[2]}; replace them"
        )
    if row.test_labels_sha256 and _sha256_of_labels(parts.test_y) != row.test_labels_sha256:
        raise UserError(
            f"data set '{row.name}': the files in {source} are another data set's (their test labels "
            "differ); replace them"
        )


def _sha256_of_labels(labels: np.ndarray[Any, Any]) -> str:
    return hashlib.sha256(labels.astype(np.uint8).tobytes()).hexdigest()


def _find_files(row: Row) -> Found | None:
    return downloads.find(row.name, row.layouts, row.system_folders, _is_same(row))


def _is_same(row: Row) -> Callable[[Found], bool]:
    def is_same(found: Found) -> bool:
        if found.layout.load is not load_idx or row.test_labels_sha256 is None:
            return True
        try:
            return _sha256_of_labels(read_idx(found.paths[3], 1)) == row.test_labels_sha256
        except UserError:
            return True  # a damaged file: the reader will say so better than "not found"

    return is_same


def _download_files(row: Row, allow_download: bool, progress: bool) -> Found:
    # An archive stands for its files: their list would hide the rest of the message.
    wanted = " or ".join(
        layout.archive.name if layout.archive else ", ".join(layout.file_names) for layout in row.layouts
    )
    way_out = f"put {wanted} into a folder named in {downloads.DATA_VARIABLE}"
    if not allow_download:
        absent = [str(folder) for folder in downloads.data_folders() if not folder.is_dir()]
        note = f" ({downloads.DATA_VARIABLE} names {absent[0]}, which is no folder)" if absent else ""
        gap = downloads.nearest_gap(row.name, row.layouts, row.system_folders)
        raise UserError(
            f"data set '{row.name}' was not found: no {gap}{note}; {way_out}, "
            f"or run `edgelearn data fetch {row.name}`{row.hint}"
        )
    try:
        return downloads.download(row.name, row.layouts, progress)
    except UserError as error:
        raise UserError(
            f"{error}; {way_out}, or run `edgelearn data fetch {row.name}` with a network{row.hint}"
        ) from None


def fetch(name: str, progress: bool = False) -> list[Path]:
    """Make sure that the files of a named data set are on this machine; download those that are not.

    Parameters
    ----------
    name : one of `names()`.
    progress : show the bytes of a download on the error output.

    Returns
    -------
    list of the files, wherever they were found.

    Raises
    ------
    UserError : "data set 'NAME' is not known ...", "data set 'NAME': FILE could not be downloaded ...".
    """
    row = _row(name)
    if not row.layouts:
        path = digits_file()
        return [path] if path else []
    return list((_find_files(row) or _download_files(row, True, progress)).paths)


def image_shape_of(name: str) -> tuple[int, ...] | None:
    """Return the shape of the images of a named data set, (height, width) or (channels, height, width), else None."""
    return ROWS[name].image_shape if name in ROWS else None


def info(name: str) -> dict[str, Any]:
    """Describe a named data set without loading it, or a user's file by reading it.

    Returns
    -------
    dict with name, description, samples {train, test}, features, classes, class_names, and files: a list of
    {name, checksum, urls, found} (found: path or None); of a named set also image_shape, value_bits, licence and
    how_to_get (empty where all files are there).

    Raises
    ------
    UserError : "data set 'NAME' is not known ..."; those of `open_dataset` for a path.
    """
    if name not in ROWS:
        _check_is_path(name)
        return _info_of_file(name)
    row = _row(name)
    found: Found | None = None
    listed: list[dict[str, Any]] = []
    if row.layouts:
        found = _find_files(row)
        layout = found.layout if found else row.layouts[0]
        for index, file in enumerate(layout.files):
            listed.append(
                {
                    "name": file.name,
                    "checksum": file.checksum,
                    "urls": list(file.urls or (layout.archive.urls if layout.archive else ())),
                    "found": str(found.paths[index]) if found else None,
                }
            )
        is_here = found is not None
    else:
        path = digits_file()
        listed.append({"name": "digits.csv.gz", "checksum": "", "urls": [], "found": str(path) if path else None})
        is_here = path is not None
    folder = f"a folder named in {downloads.DATA_VARIABLE}"
    ways = f"run `edgelearn data fetch {name}`, or put the files into {folder}{row.hint}"
    return {
        "name": row.name,
        "description": row.description,
        "samples": {"train": row.n_train, "test": row.n_test},
        "features": int(np.prod(row.image_shape)),
        "classes": len(row.class_names),
        "class_names": list(row.class_names),
        "image_shape": list(row.image_shape),
        "value_bits": row.value_bits,
        "licence": row.licence,
        "files": listed,
        "how_to_get": "" if is_here else (ways if row.layouts else "pip install scikit-learn"),
    }


def _info_of_file(path: str) -> dict[str, Any]:
    data = open_dataset(path)
    return {
        "name": data.name,
        "description": "user's file",
        "samples": {"train": len(data.train_y), "test": len(data.test_y)},
        "features": data.n_features,
        "classes": data.n_classes,
        "class_names": list(data.class_names),
        "files": [{"name": Path(path).name, "checksum": "", "urls": [], "found": path}],
    }
