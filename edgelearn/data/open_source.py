"""Open any stream: a name, a file, a folder, a description, a record or a data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from edgelearn.data import datasets, sensor, wfdb_records
from edgelearn.data.columns import NO_ROLES, Roles, refuse_roles
from edgelearn.data.compressed import suffix_of
from edgelearn.data.event_refusals import refuse_events
from edgelearn.data.recordings import Limited, Recording
from edgelearn.data.source import ColumnsUsed, Source
from edgelearn.errors import UserError, unknown

DESCRIBED = Path(__file__).parent / "described"
SYNTHETIC = {
    "drift": "synthetic sensor whose classes jump to new places at 1/3 and 2/3 of the stream",
    "drift-gradual": "synthetic sensor whose classes move from 1/3 to 2/3 of the stream",
    "drift-recurring": "synthetic sensor whose classes go to new places and back at every quarter",
}
SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".json", ".npz", ".npy", ".mat", ".h5", ".hdf5", ".parquet", ".arff",
            ".dat", ".edf", ".bdf", ".wav", ".hea", ".toml")  # fmt: skip


def stream_names() -> list[str]:
    """List the streams that have a name: synthetic, described, and the training parts of the data sets."""
    described = sorted(path.stem for path in DESCRIBED.glob("*.toml"))
    return [*SYNTHETIC, *described, *datasets.names()]


def open_source(
    data: str,
    *,
    columns: Path | None = None,
    subjects: str | None = None,
    limit: int | None = None,
    label_column: str | int | None = None,
    roles: Roles = NO_ROLES,
    label_from: str | None = None,
    labels: str | None = None,
    allow_download: bool = True,
) -> Source:
    """Open a stream.

    Parameters
    ----------
    data : one of `stream_names()`; a file, by its suffix (see `SUFFIXES`); a folder of files of one kind, each a
        recording; a WFDB record, such as `mitdb/100`
    columns : TOML file with the layout of a file or folder (see `edgelearn/data/description.py`)
    subjects : which subjects to keep, such as "1600-1624,1630" or "not 1600-1624"
    limit : samples at most; a synthetic sensor has as many as this, and is stretched to them
    label_column : name of the label's column or array, in files that are not described; a number counts from 1
    roles : what the columns of files are that are not described
    label_from : pattern with one group that finds the label in the names of files or folders
    labels : second file, with the label of each row
    allow_download : whether files of a named stream may be downloaded

    Raises
    ------
    UserError
        "stream '...' is not known ...", "stream '...' was not found ...", "limit 0 is out of range ..."; faults of
        a file name it, and the key or array

    Example
    -------
    >>> source = open_source("drift", limit=3000)
    >>> source.n_samples, source.n_classes, len(source.channels), source.drift_points
    (3000, 4, 8, (1000, 2000))
    """
    if limit is not None and limit < 1:
        raise UserError(f"limit {limit} is out of range; give 1 sample or more")
    described = DESCRIBED / f"{data}.toml"
    is_named = data in stream_names()
    if label_column is not None:
        roles = replace(roles, label=label_column)
    roles = replace(roles, has_label=label_from is None and labels is None)
    if is_named or Path(data).suffix.lower() == ".toml":
        refuse_roles(f"stream '{data}'", roles, label_from=label_from, labels=labels, columns=columns)
    if is_named and data not in SYNTHETIC and not described.is_file():
        return _open_dataset(data, subjects, limit, allow_download)
    if data in SYNTHETIC:
        _no_subjects(data, subjects)
        n_samples = sensor.N_SAMPLES if limit is None else limit
        return sensor.DriftingSensor(sensor.STREAMS[data], n_samples, name=data)
    if is_named or Path(data).suffix.lower() == ".toml":
        from edgelearn.data.assembly import open_description

        path = described if is_named else Path(data).expanduser()
        source = open_description(path, subjects=subjects, allow_download=allow_download)
    else:
        source = _open_path(data, columns, subjects, roles, label_from, labels)
    return source if limit is None else Limited(source, limit)


def _no_subjects(name: str, subjects: str | None) -> None:
    if subjects:
        raise UserError(f"stream '{name}' has no subjects; leave subjects out")


def _open_dataset(name: str, subjects: str | None, limit: int | None, allow_download: bool) -> Source:
    _no_subjects(name, subjects)
    data = datasets.open_dataset(name, limit=limit, allow_download=allow_download)
    return Recording(
        data.train_x,
        data.train_y,
        class_names=data.class_names,
        name=name,
        source=data.source,
        columns=ColumnsUsed(tuple(f"feature {number + 1}" for number in range(data.n_features)), label="class"),
    )


def _open_path(
    data: str, columns: Path | None, subjects: str | None, roles: Roles, label_from: str | None, labels: str | None
) -> Source:
    from edgelearn.data import assembly, description

    path = Path(data).expanduser()
    is_record = wfdb_records.is_record(path)
    if not (path.is_dir() or path.is_file() or is_record):
        if suffix_of(path) in SUFFIXES or len(path.parts) > 1:
            raise UserError(f"{path} is not a file, a folder or a WFDB record; check the path")
        raise UserError(f"{unknown('stream', data, stream_names())} Own files end in {', '.join(SUFFIXES)}.")
    form = description.Description()
    if columns is None and not roles.features:
        refuse_events(path)
    if columns is not None:
        forms = description.read_description(columns)
        # The file that a description names gives way to the one that is given with it.
        form = replace(forms[0], name=path.stem if forms[0].name == columns.stem else forms[0].name)
    form = form.with_roles(roles, label_from, labels)
    paths = [path]
    if path.is_dir():
        paths = description.files_in(path, form.pattern or _pattern_for(path))
        if labels is not None:  # which may lie beside the files
            paths = [one for one in paths if not Path(labels).exists() or not one.samefile(labels)]
        if not paths:
            raise UserError(f"{path} has no file that matches '{form.pattern}'; correct the key 'pattern'")
    if form.reader is None and (is_record or paths[0].suffix == ".hea"):
        form = replace(form, reader="beats")
    if form.reader == "beats" and not form.classes:
        form = replace(form, classes={"normal": "N", "other": "*"})
    return assembly.open_files(form, paths, subjects)


def _pattern_for(folder: Path) -> str:
    """Find out which files of a folder are the recordings."""
    from edgelearn.data.description import READERS

    notes_on_data = {".txt", ".log", ".json"}  # where there are other files
    for inside in ("", "**/"):  # files of the folder itself, else those of the folders in it
        found = {suffix_of(path) for path in folder.glob(f"{inside}*") if suffix_of(path) in READERS}
        found = found - notes_on_data or found
        if ".hea" in found:  # .dat and .npz beside it are the same records
            return f"{inside}*.hea"
        if len(found) == 1:
            return f"{inside}*{found.pop()}"
        if found:
            break
    fault = f"has files of several kinds ({', '.join(sorted(found))})" if found else "has no recordings"
    raise UserError(f"{folder} {fault}; say which with the key 'pattern' of a description, for example \"*.csv\"")


def stream_info(name: str) -> dict[str, Any]:
    """Describe a named stream; where its files are there, by opening it. Nothing is downloaded.

    Returns
    -------
    dict with name, description, source, licence, samples, channels, rate_hz, classes, class_names, drift_points
    (None or empty where the files are not there), found (where the data is, None where it is not), how_to_get

    Raises
    ------
    UserError
        "stream '...' is not known ..."
    """
    if name not in stream_names():
        raise unknown("stream", name, stream_names())
    if name in datasets.names():
        row = datasets.info(name)
        places = [file["found"] for file in row["files"]]
        return {
            "name": name,
            "description": f"{row['description']} (training part)",
            "source": "",
            "licence": row["licence"],
            "samples": row["samples"]["train"],
            "channels": [f"channel {number + 1}" for number in range(row["features"])],
            "rate_hz": None,
            "classes": row["classes"],
            "class_names": row["class_names"],
            "drift_points": [],
            "found": None if None in places else str(Path(places[0]).parent),
            "how_to_get": row["how_to_get"],
        }
    about = {"description": SYNTHETIC.get(name, ""), "source": "synthetic", "licence": "", "get": ""}
    if name not in SYNTHETIC:
        from edgelearn.data.description import read_description

        forms = read_description(DESCRIBED / f"{name}.toml")
        about = {key: getattr(forms[0], key) for key in about}
        if any(form.download for form in forms):
            about["get"] += ", or let it be downloaded when it is opened"
    result: dict[str, Any] = {"name": name} | {key: about[key] for key in ("description", "source", "licence")}
    try:
        found = open_source(name, allow_download=False)
    except UserError as error:
        if "was not found" not in str(error):
            raise
        missing: dict[str, Any] = {"samples": None, "channels": [], "rate_hz": None, "classes": None, "class_names": []}
        return result | missing | {"drift_points": [], "found": None, "how_to_get": about["get"]}
    return result | {
        "samples": found.n_samples,
        "channels": list(found.channels),
        "rate_hz": found.rate_hz,
        "classes": found.n_classes,
        "class_names": list(found.class_names),
        "drift_points": list(found.drift_points),
        "found": found.source,
        "how_to_get": "",
    }
