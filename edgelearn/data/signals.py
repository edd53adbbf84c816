"""Recordings with their own sampling rate: EDF, WAV, JSON of Edge Impulse; each becomes columns, with a column `time`.

EDF is read by pyedflib (extra `recordings`), WAV by scipy. The column `label` holds annotations (EDF), the name of the
folder (WAV) or the label of the upload (Edge Impulse).
"""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.arrays import Arrays, cannot_read, check_size, text_of
from edgelearn.errors import UserError, install

TIME, LABEL = "time", "label"


def unique_names(names: Sequence[str]) -> list[str]:
    """Number names that occur again.

    Example
    -------
    >>> unique_names(["EEG", "EEG", "EOG"])
    ['EEG', 'EEG 2', 'EOG']
    """
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return found


def spans_to_labels(
    n: int, rate_hz: float, onsets: Sequence[float], durations: Sequence[float], texts: Sequence[str]
) -> NDArray[Any]:
    """Give each sample the text of the latest annotation that covers it, empty where there is none.

    Parameters
    ----------
    onsets, durations : seconds; where no annotation has a duration, each holds until the next one

    Returns
    -------
    text [n]

    Example
    -------
    >>> spans_to_labels(4, 1.0, [0, 2], [1, 2], ["a", "b"]).tolist()
    ['a', '', 'b', 'b']
    """
    starts = np.clip(np.rint(np.asarray(onsets, np.float64) * rate_hz), 0, n).astype(np.int64)
    lengths = np.asarray(durations, np.float64)
    if (lengths > 0).any():
        ends = np.rint((np.asarray(onsets, np.float64) + np.maximum(lengths, 0)) * rate_hz).astype(np.int64)
    else:
        ends = np.append(np.sort(starts), n)[np.searchsorted(np.sort(starts), starts, side="right")]
    names = ["", *dict.fromkeys(texts)]
    place = {name: number for number, name in enumerate(names)}
    labels = np.zeros(n, np.int64)
    for k in np.argsort(starts, kind="stable"):
        labels[starts[k] : ends[k]] = place[texts[k]]
    return np.array(names, str)[labels]


# --- EDF ---------------------------------------------------------------------------------------------------


def read_edf(path: Path, features: Sequence[str], labels: Path | None, notes: list[str]) -> Arrays:
    """Read the signals of an EDF, EDF+ or BDF file that share a sampling rate, in physical units.

    Parameters
    ----------
    features : signals that are wanted; empty for all of the rate that most signals have
    labels : file whose annotations are the labels, such as a hypnogram; None for the file itself
    notes : where it is written which signals are left out

    Returns
    -------
    float64 [n] per signal; `time` in seconds; `label` text, where there are annotations

    Raises
    ------
    UserError
        ".edf files need the package pyedflib ...", "... cannot be read ...", "... has signals of different rates ..."
    """
    reader = _open_edf(path)
    try:
        names = unique_names([name.strip() for name in reader.getSignalLabels()])
        rates = [float(rate) for rate in reader.getSampleFrequencies()]
        wanted = [names.index(name) for name in features if name in names] or list(range(len(names)))
        if not wanted:
            raise UserError(f"{path} has no signals, only annotations; give the recording")
        counts = Counter(rates[k] for k in wanted)
        if features and len(counts) > 1:
            given = ", ".join(f"{names[k]} {rates[k]:g} Hz" for k in wanted)
            raise UserError(f"{path}: features have different rates ({given}); name those of one rate")
        rate = max(counts, key=lambda hz: (counts[hz], hz))
        left = [f"{names[k]} ({rates[k]:g} Hz)" for k in wanted if rates[k] != rate]
        if left:
            notes.append(f"signals not sampled at {rate:g} Hz are left out: {', '.join(left)}")
        wanted = [k for k in wanted if rates[k] == rate]
        check_size(path, "the recording", 8 * len(wanted) * int(reader.getNSamples()[wanted[0]]))
        arrays: dict[str, NDArray[Any]] = {names[k]: np.asarray(reader.readSignal(k)) for k in wanted}
        n = min(len(values) for values in arrays.values())
        arrays[TIME] = np.arange(n) / rate
        annotations = reader.readAnnotations()
    except UserError:
        raise
    except Exception as error:  # damaged headers raise nearly anything
        raise cannot_read(path, error, "give an EDF, EDF+ or BDF file") from None
    finally:
        reader.close()
    if labels is not None:
        other = _open_edf(labels)
        try:
            annotations = other.readAnnotations()
        finally:
            other.close()
    onsets, durations, texts = annotations
    if len(onsets):
        arrays[LABEL] = spans_to_labels(n, rate, list(onsets), list(durations), [str(text).strip() for text in texts])
    return arrays


def _open_edf(path: Path) -> Any:
    try:
        import pyedflib
    except ImportError:
        raise UserError(
            f"{path.suffix} files need the package pyedflib; run `{install('recordings', 'pyedflib')}`"
        ) from None
    _check_edf_size(path)
    try:
        return pyedflib.EdfReader(str(path))
    except Exception as error:  # OSError without errno, with the path in its text
        reason = str(error).replace(f"{path}: ", "")
        raise cannot_read(path, reason, "give an EDF, EDF+ or BDF file, whole and unchanged") from None


def _check_edf_size(path: Path) -> None:
    """Compare the size of a file with its header: the library prints a difference to the standard output."""
    with path.open("rb") as file:
        head = file.read(256)
        try:
            n_header, n_records, n_signals = (int(head[a:b]) for a, b in ((184, 192), (236, 244), (252, 256)))
            file.seek(256 + 216 * n_signals)
            samples = [int(file.read(8)) for _ in range(min(n_signals, 4096))]
        except (ValueError, OSError):
            raise cannot_read(path, "its header is damaged", "give an EDF, EDF+ or BDF file") from None
        size = file.seek(0, 2)
    wanted = n_header + n_records * sum(samples) * (3 if head[:1] == b"\xff" else 2)
    if size != wanted:
        reason = f"its header says {wanted:,} bytes, and it has {size:,}" if n_records >= 0 else "it was never closed"
        raise cannot_read(path, reason, "copy it again, whole")


# --- WAV ---------------------------------------------------------------------------------------------------


def read_wav(path: Path, notes: list[str]) -> Arrays:
    """Read a WAV file.

    Returns
    -------
    numbers as they are stored [n] per channel; `time` in seconds; `label`: the name of the folder

    Raises
    ------
    UserError
        "... cannot be read ..."
    """
    from scipy.io import wavfile

    advice = "give a WAV file of PCM or float samples"
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            rate, samples = wavfile.read(path)
    except Exception as error:  # damaged headers raise nearly anything
        raise cannot_read(path, error, advice) from None
    if rate <= 0:
        raise cannot_read(path, f"its rate is {rate} Hz", advice)
    if any("Reached EOF" in str(warning.message) for warning in said):
        raise cannot_read(path, "it is cut off: its header promises more samples", "copy it again")
    if len(samples) == 0:
        raise UserError(f"{path} has no samples")
    samples = samples.reshape(len(samples), -1)
    arrays: dict[str, NDArray[Any]] = {f"channel {k + 1}": samples[:, k] for k in range(samples.shape[1])}
    arrays[TIME] = np.arange(len(samples)) / rate
    arrays[LABEL] = np.full(len(samples), path.absolute().parent.name)
    return arrays


# --- JSON --------------------------------------------------------------------------------------------------


def read_json(path: Path, notes: list[str]) -> Arrays:
    """Read a JSON file: one of Edge Impulse (`payload`), a list of objects, or an object of lists of equal length.

    Returns
    -------
    one array per column: float64, or text where a value is text; of Edge Impulse also `time` in seconds and `label`:
    that of `info.labels` beside the file, or else the name of the file up to its first point

    Raises
    ------
    UserError
        "... cannot be read ...", "... has no ..."
    """
    advice = "give a list of objects, an object of lists, or a file that Edge Impulse exports"
    text = text_of(path, advice, notes)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        content = _json_lines(text) if "Extra data" in str(error) else None
        if content is None:
            more = "; one object per line is .jsonl" if "Extra data" in str(error) else ""
            raise cannot_read(path, f"no JSON: {error}", advice + more) from None
    content = _unwrapped(content)
    if isinstance(content, dict) and isinstance(content.get("payload"), dict):
        return _edge_impulse(path, content["payload"])
    if isinstance(content, dict) and content and all(isinstance(cells, dict) for cells in content.values()):
        content = {name: list(cells.values()) for name, cells in content.items()}  # as pandas writes it
    if isinstance(content, dict) and content and all(isinstance(cells, list) for cells in content.values()):
        lengths = {len(cells) for cells in content.values()}
        if len(lengths) > 1:
            raise UserError(f"{path}: its lists have {sorted(lengths)} values; give as many in each")
        return {str(name): _column(path, str(name), cells) for name, cells in content.items()}
    if isinstance(content, list) and content and all(isinstance(row, dict) for row in content):
        names = list(dict.fromkeys(name for row in content for name in row))
        return {name: _column(path, name, [row.get(name) for row in content]) for name in names}
    raise UserError(f"{path} holds no table; {advice}")


def _json_lines(text: str) -> list[Any] | None:
    """Read one object per line; None for other texts."""
    rows = []
    try:
        for line in text.splitlines():
            if line.strip():
                rows.append(json.loads(line))
    except (ValueError, RecursionError):
        return None
    return rows if all(isinstance(row, dict) for row in rows) else None


def _unwrapped(content: Any) -> Any:
    """Return the table in an object of one list of objects, or of columns and rows as pandas splits it."""
    if not isinstance(content, dict):
        return content
    names, rows = content.get("columns"), content.get("data")
    if isinstance(names, list) and isinstance(rows, list) and rows and set(content) <= {"columns", "index", "data"}:
        named = [dict(zip(map(str, names), row, strict=False)) for row in rows if isinstance(row, list)]
        if len(named) == len(rows) and all(len(row) == len(names) for row in rows):
            return named
    lists = [value for value in content.values() if isinstance(value, list)]
    if len(lists) == 1 and lists[0] and all(isinstance(row, dict) for row in lists[0]):
        return lists[0]
    return content


def _column(path: Path, name: str, cells: Sequence[Any]) -> NDArray[Any]:
    if any(isinstance(cell, list | dict) for cell in cells):
        raise UserError(f"{path}: '{name}' holds lists or objects; give one number or text per row")
    if all(cell is None or isinstance(cell, bool | int | float) for cell in cells):
        try:
            return np.array([np.nan if cell is None else float(cell) for cell in cells])
        except OverflowError:
            raise UserError(f"{path}: '{name}' has a number that is too large; correct it") from None
    return np.array(
        ["" if cell is None else json.dumps(cell) if isinstance(cell, bool) else str(cell) for cell in cells]
    )


def _edge_impulse(path: Path, payload: dict[str, Any]) -> Arrays:
    advice = "give a file of the data acquisition format of Edge Impulse"
    sensors, rows, interval = payload.get("sensors"), payload.get("values"), payload.get("interval_ms")
    if not isinstance(sensors, list) or not isinstance(rows, list) or not rows:
        raise UserError(f"{path}: its payload has no 'sensors' or no 'values'; {advice}")
    names = unique_names([str(one.get("name", "")) if isinstance(one, dict) else str(one) for one in sensors])
    rows = [row if isinstance(row, list) else [row] for row in rows]
    wrong = next((k for k, row in enumerate(rows) if len(row) != len(names)), None)
    if wrong is not None:
        raise UserError(f"{path}: row {wrong + 1} has {len(rows[wrong])} values for {len(names)} sensors; give as many")
    arrays: dict[str, NDArray[Any]] = {
        name: _column(path, name, [row[k] for row in rows]) for k, name in enumerate(names)
    }
    if isinstance(interval, int | float) and not isinstance(interval, bool) and interval > 0:
        arrays[TIME] = np.arange(len(rows)) * (float(interval) / 1000)
    arrays[LABEL] = np.full(len(rows), _label_of_upload(path))
    return arrays


def _label_of_upload(path: Path) -> str:
    """Give the label that `info.labels` says of a file, or that its name begins with, as for the uploader."""
    for folder in (path.parent, path.parent.parent):
        listed = folder / "info.labels"
        if not listed.is_file():
            continue
        try:
            files = json.loads(listed.read_text(encoding="utf-8"))["files"]
            for one in files:
                if Path(one["path"]).name == path.name:
                    label = one["label"]
                    return str(label["label"] if isinstance(label, dict) else label)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            raise UserError(f"{listed} cannot be read; give the file that Edge Impulse exports, or remove it") from None
    return path.name.partition(".")[0]
