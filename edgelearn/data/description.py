"""Descriptions: a few lines of TOML that say which arrays or columns of a file are features, label, time, subject.

    name = "wrist"                     # what reports call it; default the file's name
    description = "gym exercises"      # one line each: what it is, where it is from, its terms, how to get it
    source = "own measurement"
    licence = "own"
    get = "ask the lab for wrist.npz"

    file = "wrist.npz"                 # beside this TOML file, or in a folder named in EDGELEARN_DATA
    pattern = "*.csv"                  # file is a folder: these files in it, each a recording, batch2 before batch10
    package = "seglearn"               # file is inside this installed package
    reader = "npz"                     # npz, npy, mat, hdf5, parquet, text, json, arff, svmlight, numbers, edf, wav,
                                       # wfdb (signals), beats (windows of them); default by suffix
    annotator = "qrs"                  # extension of the annotations of a WFDB record; default atr, or the only one

    features = "X"                     # array [n, channels], or a list of columns; default X, or all columns left
    label = "y"                        # one per sample or recording; default y, label, class, or the last column
    time = "t"                         # seconds, or dates; times time_scale
    time_scale = 1e-3
    rate = "50 Hz"                     # where no time is stored: Hz, kHz, /s, /min, /h or /day
    scale = 1e-6                       # features are multiplied by this
    ignore = ["class"]                 # columns that are no features, where no features are named
    label_from = '(\\w+)\\.csv'         # label in the name of a file or folder, in place of a column
    labels = "labels.csv"              # label of each row, in a second file beside the first; with *, one file beside;
                                       # or .json with time windows per file, whose rows have label 1, all others 0
    subject_file = "subject_*.txt"     # each, * as in pattern: X_*.txt, y_*.txt; subjects likewise
    missing = ["-200"]                 # codes of missing values besides empty cells, NA and ?
    time_format = "%d/%m/%Y %H:%M:%S"  # of times as text; time_unit = "ms" of times as numbers
    encoding = "cp1252"                # of text, and its decimal mark: decimal = ","
    channels = ["ax", "ay"]            # or channels_from = "x_label", an array of names

    offsets = "offset"                 # array of the limits of recordings that are stored one behind the other
    segment = "run"                    # recording of each sample: windows never cross it
    subject = "who"                    # person or device, one per sample or recording; is the segment, too, where
    subject_from = 'data_(\\d+)_'       # nothing else is said; or a part of the name of the file or its folder

    classes = ["walk", "run"]          # labels are these names, or their numbers from 0
    classes = { walk = 65, run = [66, 67], other = "*" }    # or these values, "*" all others
    class_names_from = "y_label"       # array of names; labels are its places from 0
    unlabelled = -1                    # label of samples without one (an empty one and NaN always are)

    drop = { subject = [1611, 1612] }  # samples that are left out: subject, or an array or column, and its values
    first_class_until = 500            # rows of other classes are left out before the 500th row of the first class of
                                       # each recording, so that a detector of anomalies trains on normal rows alone
    normal_rows = 400                  # rows at the start of each recording that are normal by the protocol of a
                                       # benchmark: a detector of anomalies begins anew with each recording, and takes
                                       # its phases from them; default first_class_until
    order = "subject"                  # default "stored"
    drift = "segment"                  # where the source is known to change: "segment", "subject" or sample numbers

Tables called `[[form]]` give several forms of one stream, of which the first that is there is read; a form can have
`download = [{ name = "a.dat", url = "https://...", sha256 = "..." }]`, and `file` then is the folder, or the only file.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgelearn import files
from edgelearn.data import downloads
from edgelearn.data.cells import label_text
from edgelearn.data.columns import Roles
from edgelearn.data.formats import natural
from edgelearn.errors import UserError, unknown
from edgelearn.units import quantity

Reader = Literal[
    "npz", "npy", "mat", "hdf5", "parquet", "text", "json", "arff", "svmlight", "numbers", "edf", "wav", "wfdb", "beats"
]  # fmt: skip
READERS: dict[str, Reader] = {
    ".npz": "npz",
    ".npy": "npy",
    ".parquet": "parquet",
    ".csv": "text",
    ".tsv": "text",
    ".jsonl": "text",
    ".arff": "arff",
    ".dat": "svmlight",  # or text: the first line tells
    ".hea": "beats",
    ".mat": "mat",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".edf": "edf",
    ".bdf": "edf",
    ".wav": "wav",
    ".json": "json",
    ".txt": "text",
    ".log": "text",
    ".data": "text",
}


@dataclass(frozen=True, slots=True)
class Download:
    """Name a published file: where it is and what its bytes must be."""

    name: str
    url: str
    sha256: str


Label = int | float | str
_LAX = {"extra": "forbid", "coerce_numbers_to_str": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """Hold one form of a description; the text at the head of this file says what each key is."""

    __pydantic_config__ = _LAX

    name: str = ""
    description: str = ""
    source: str = ""
    licence: str = ""
    get: str = ""
    file: str = ""
    pattern: str = ""
    package: str = ""
    reader: Reader | None = None
    annotator: str = ""
    features: str | tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    label: str = ""
    label_from: str = ""
    labels: str = ""
    is_label_optional: bool = False
    subject_file: str = ""
    missing: tuple[Label, ...] = ()
    time_format: str = ""
    time_unit: Literal["", "s", "ms", "us", "ns"] = ""
    encoding: str = ""
    decimal: Literal["", ".", ","] = ""
    time: str = ""
    time_scale: float = 1.0
    rate: float | str | None = None
    scale: float = 1.0
    channels: tuple[str, ...] = ()
    channels_from: str = ""
    offsets: str = ""
    segment: str = ""
    subject: str = ""
    subject_from: str = ""
    classes: tuple[str, ...] | dict[str, Label | tuple[Label, ...]] = ()
    class_names_from: str = ""
    unlabelled: Label | None = None
    drop: dict[str, tuple[Label, ...]] = field(default_factory=dict)
    first_class_until: int = 0
    normal_rows: int = 0
    order: Literal["stored", "subject"] = "stored"
    drift: Literal["none", "segment", "subject"] | tuple[int, ...] = "none"
    download: tuple[Download, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.rate, str):
            rate_of(self.rate)
        for key in ("scale", "time_scale", "rate"):
            value = getattr(self, key)
            if isinstance(value, float) and not (np.isfinite(value) and value > 0):
                raise ValueError(f"key '{key}': {value:g} is out of range; give a number above 0")
        for key in ("first_class_until", "normal_rows"):
            if getattr(self, key) < 0:
                raise ValueError(f"key '{key}': {getattr(self, key)} is out of range; give 0 or more rows")
        if isinstance(self.classes, tuple) and len(set(self.classes)) != len(self.classes):
            raise ValueError("key 'classes': a name occurs twice; give different names")
        for key, example in (("subject_from", "data_(\\d+)_"), ("label_from", "(\\w+)\\.csv")):
            pattern = getattr(self, key)
            try:
                n_groups = re.compile(pattern).groups
            except re.error as error:
                raise ValueError(f"key '{key}': '{pattern}' is no pattern ({error})") from None
            if pattern and n_groups != 1:
                raise ValueError(f"key '{key}': '{pattern}' needs one group, such as '{example}'")

    @property
    def rate_hz(self) -> float | None:
        """Give samples per second, None where no rate is said."""
        return rate_of(self.rate) if isinstance(self.rate, str) else self.rate

    def by_label(self) -> dict[str, str]:
        """Map labels, as they stand in a text table, to class names; "*" stands for every other label."""
        if isinstance(self.classes, tuple):
            return {name: name for name in self.classes}
        return {as_text(value): name for name, values in self.classes.items() for value in as_tuple(values)}

    def roles(self) -> Roles:
        """Say what the columns of a text table are."""
        return Roles(
            features=(self.features,) if isinstance(self.features, str) else self.features,
            label=self.label or None,
            time=self.time or None,
            segment=self.segment or self.subject or None,
            ignored=self.ignore,
            scale=self.scale,
            time_scale=self.time_scale,
            missing=tuple(as_text(code) for code in self.missing),
            time_format=self.time_format or None,
            time_unit=self.time_unit or None,
            encoding=self.encoding or None,
            decimal=self.decimal or None,
            has_label=not (self.label_from or self.labels),
            is_label_optional=self.is_label_optional,
        )

    def with_roles(self, roles: Roles, label_from: str | None = None, labels: str | None = None) -> Description:
        """Return the description with the roles that settings name in place of its own."""
        given: dict[str, Any] = {
            "features": tuple(map(str, roles.features)),
            "label": "" if roles.label is None else str(roles.label),
            "time": "" if roles.time is None else str(roles.time),
            "subject": "" if roles.segment is None else str(roles.segment),
            "ignore": tuple(map(str, roles.ignored)),
            "label_from": label_from,
            "labels": labels,
            "is_label_optional": roles.is_label_optional,
        }
        given |= {key: getattr(roles, key) for key in ("missing", "time_format", "time_unit", "encoding", "decimal")}
        return replace(self, **{key: value for key, value in given.items() if value})


def as_tuple(value: Any) -> tuple[Any, ...]:
    """Return a tuple as it is, and anything else as the only member of one."""
    return value if isinstance(value, tuple) else (value,)


def as_text(value: Any) -> str:
    """Write a label or subject as text, the same for 1, 1.0 and "1"; empty for none at all.

    Example
    -------
    >>> as_text(1.0), as_text("1"), as_text(float("nan")), as_text(0.5)
    ('1', '1', '', '0.5')
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return label_text(value)
    if isinstance(value, bool | np.bool_):
        value = int(value)
    if value is None or value != value:
        return ""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    return str(value).strip()


def rate_of(text: str) -> float:
    """Read a rate as users write it, in samples per second.

    Raises
    ------
    ValueError
        "key 'rate': ..."

    Example
    -------
    >>> rate_of("50 Hz"), rate_of("30 /min")
    (50.0, 0.5)
    """
    try:
        return quantity(text, "rate")
    except ValueError as error:
        raise ValueError(f"key 'rate': {error}") from None


# --- reading a description ---------------------------------------------------------------------------------


@cache
def _validator() -> Callable[[Any], Description]:
    from pydantic import TypeAdapter  # heavy: only where a description is read

    adapter = TypeAdapter(Description)
    return adapter.validate_python


def read_description(path: Path) -> list[Description]:
    """Read a description, one `Description` for each form in which the stream can be there.

    Raises
    ------
    UserError
        "description ... cannot be read ...", "description ...: key '...' ..."
    """
    try:
        settings = files.read_toml(path)
    except (OSError, ValueError) as error:
        reason = files.reason_of(error)
        raise UserError(f"description {path} cannot be read: {reason}; give a TOML file") from None
    forms = settings.pop("form", [{}])
    if not isinstance(forms, list) or not forms or not all(isinstance(form, dict) for form in forms):
        raise UserError(f"description {path}: key 'form' is no list of tables; write [[form]] above each form")
    settings.setdefault("name", path.stem)
    return [_describe(path, settings | form) for form in forms]


def _describe(path: Path, settings: dict[str, Any]) -> Description:
    from pydantic import ValidationError

    known = [one.name for one in fields(Description)]
    for key in settings:
        if key not in known:
            raise UserError(f"description {path}: {unknown('key', key, known)}")
    try:
        return _validator()(settings)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "value_error":  # our own say which key, what was given and what is allowed
            raise UserError(f"description {path}: {message}") from None
        wrong, given = first["loc"][0] if first["loc"] else "", first["input"]
        raise UserError(
            f"description {path}: key '{wrong}' = {given!r} is not allowed: {message[0].lower()}{message[1:]}"
        ) from None


# --- finding files -----------------------------------------------------------------------------------------


def find(form: Description, folder: Path) -> list[Path]:
    """Find the files of a form on this machine; empty where they are not all there."""
    for place in _places(form, folder):
        if place.is_dir():
            found = files_in(place, form.pattern) if form.pattern else []
            if found and (not form.download or all((place / one.name).is_file() for one in form.download)):
                return found
        elif place.is_file():
            return [place]
    return []


def _places(form: Description, folder: Path) -> Iterator[Path]:
    if not form.file:
        return
    if form.package:
        spec = importlib.util.find_spec(form.package)
        for package in (spec.submodule_search_locations or []) if spec else []:
            yield Path(package, form.file)
        return
    yield folder / Path(form.file).expanduser()
    for root in downloads.data_folders():
        yield root / form.file
    if form.download:
        cached = downloads.cache_folder(form.name)
        yield cached if form.pattern else cached / Path(form.file).name


def files_in(folder: Path, pattern: str) -> list[Path]:
    """List the files of a folder that match, in natural order: batch2 before batch10."""
    found = [path for path in folder.glob(pattern) if path.is_file() and not path.name.startswith(".")]
    return sorted(found, key=lambda path: [natural(Path(part)) for part in path.relative_to(folder).parts])


def fetch(form: Description) -> list[Path]:
    """Download the files of a form into the cache, checked against their checksums.

    Raises
    ------
    UserError
        "data set '...': ... could not be downloaded ..."
    """
    published = tuple(downloads.PublishedFile(one.name, f"sha256:{one.sha256}", (one.url,)) for one in form.download)
    found = downloads.download(
        form.name, (downloads.PublishedLayout(published, (form.name,), _no_parts),), progress=False
    )
    return files_in(downloads.cache_folder(form.name), form.pattern) if form.pattern else list(found.paths)


def _no_parts(paths: Sequence[Path]) -> Any:
    raise AssertionError(paths)
