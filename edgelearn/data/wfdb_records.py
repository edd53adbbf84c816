"""WFDB records: heart beats (also of arrays of a .npz file), or signals with annotations as labels."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.arrays import Arrays, NpzArrays, cannot_read
from edgelearn.data.signals import LABEL, TIME, spans_to_labels, unique_names
from edgelearn.data.source import Rejects
from edgelearn.errors import UserError, install

BEATS = frozenset("NLRBAaJSVrFejnE/fQ?")  # PhysioNet's codes of beats; the others mark rhythm, noise and artefacts
BEFORE_S, AFTER_S = 64 / 360, 128 / 360  # at the 360 samples/s of the MIT-BIH records: 64 and 128 samples
N_VALUES = 48
OUTSIDE = "window leaves the record"
OTHER_FILES = frozenset(("hea", "dat", "npz", "mat", "edf", "csv", "txt", "html", "xws", "toml", "json", "md5", "pdf",
                         "tsv", "jsonl", "parquet", "arff", "npy", "h5", "hdf5", "wav", "gz", "zst"))  # fmt: skip
# Of the MIT-BIH Arrhythmia Database, where a .npz file does not say otherwise.
RATE_HZ, GAIN, ZERO = 360.0, 200.0, 1024.0


def is_record(path: Path) -> bool:
    """Tell whether a path names a WFDB record: with .hea, or without suffix beside its .hea."""
    extension = path.suffix[1:].lower()
    has_header = extension != "" and path.is_file() and path.with_suffix(".hea").is_file()
    return header(path).is_file() or (has_header and (extension in ("hea", "dat") or extension not in OTHER_FILES))


def header(path: Path) -> Path:
    """Give the header file of a record named without suffix."""
    return path.parent / (path.name + ".hea")  # a path such as "." has no name


def cut_beats(
    signal: NDArray[Any], sample: NDArray[Any], symbol: NDArray[Any], rate_hz: float, rejects: Rejects, where: str
) -> Arrays:
    """Cut one window per beat, from 178 ms before its annotation to 356 ms after it, averaged to 48 values.

    Parameters
    ----------
    signal : float64 [n], one lead
    sample, symbol : place and code of each annotation; those that are no beats are left out
    rate_hz : samples per second, at least 90
    rejects : where beats are counted whose window leaves the record
    where : name of the record, for `rejects`

    Returns
    -------
    X float32 [n_beats, 48], y text [n_beats], t float64 [n_beats] seconds of the annotations
    """
    if rate_hz * (BEFORE_S + AFTER_S) < N_VALUES:
        raise UserError(
            f"{where} has {rate_hz:g} samples per second; give at least {N_VALUES / (BEFORE_S + AFTER_S):g}"
        )
    edges = np.rint(np.linspace(-BEFORE_S, AFTER_S, N_VALUES + 1) * rate_hz).astype(np.int64)
    beat = np.array([code in BEATS for code in symbol], bool)
    sample, symbol = np.asarray(sample, np.int64)[beat], np.asarray(symbol)[beat]
    inside = (sample + edges[0] >= 0) & (sample + edges[-1] <= len(signal))
    for number in np.flatnonzero(~inside):
        rejects.add(OUTSIDE, f"{where} beat {int(number) + 1}")
    sample, symbol = sample[inside], symbol[inside]
    windows = signal[sample[:, None] + np.arange(edges[0], edges[-1])]
    sums = np.add.reduceat(windows, edges[:-1] - edges[0], axis=1)
    return {"X": (sums / np.diff(edges)).astype(np.float32), "y": symbol, "t": sample / rate_hz}


def read_beats(
    path: Path, rejects: Rejects, lead: int = 0, annotator: str = "", notes: list[str] | None = None
) -> Arrays:
    """Read the beats of one record.

    Parameters
    ----------
    path : the record (with any suffix of its files, or none), or a .npz file with the arrays `signal` [n, n_leads]
        (converter units), `sample` and `symbol`, and where they differ from MIT-BIH `rate_hz`, `gain` and `zero`
    rejects : where beats are counted whose window leaves the record
    lead : which lead, counting from 0
    annotator : extension of the annotations; default atr, or the only one that is there
    notes : where it is written which annotations were taken

    Returns
    -------
    as `cut_beats`, in millivolts

    Raises
    ------
    UserError
        "... cannot be read ...", "... has no lead ...", "WFDB records need the package wfdb ..."
    """
    if path.suffix == ".npz":
        signal, sample, symbol, rate_hz = _read_npz(path)
    else:
        record, marks = _read_record(path, annotator, [] if notes is None else notes)
        if marks is None:
            advice = 'put the annotations of its beats beside it, or give reader = "wfdb" for its signals alone'
            raise cannot_read(_name_of(path), f"no {_name_of(path).name}.atr", advice)
        signal, rate_hz = np.asarray(record.p_signal), float(record.fs)
        sample, symbol = np.asarray(marks.sample), np.asarray(marks.symbol)
    if not 0 <= lead < signal.shape[1]:
        raise UserError(f"{path} has no lead {lead}; leads count from 0 to {signal.shape[1] - 1}")
    return cut_beats(signal[:, lead].astype(np.float64), sample, symbol, rate_hz, rejects, path.stem)


def read_signals(path: Path, annotator: str, notes: list[str]) -> Arrays:
    """Read the signals of one record, with its annotations as labels.

    Parameters
    ----------
    path, annotator, notes : as `read_beats`

    Returns
    -------
    float64 [n] per signal, in its units, NaN where a sample is marked as invalid; `time` in seconds; `label` text,
    where there are annotations: the latest one so far, by its note (a rhythm such as AFIB), or else by its code

    Raises
    ------
    UserError
        as `read_beats`
    """
    record, marks = _read_record(path, annotator, notes)
    signal, rate_hz = np.asarray(record.p_signal), float(record.fs)
    arrays = {
        name: signal[:, k]
        for k, name in enumerate(unique_names([name or f"signal {k + 1}" for k, name in enumerate(record.sig_name)]))
    }
    arrays[TIME] = np.arange(len(signal)) / rate_hz
    if marks is not None:
        texts = [note.strip("\0 ").removeprefix("(") for note in (marks.aux_note or [""] * len(marks.sample))]
        # Notes of rhythm hold until the next one; without them the codes do.
        kept = [k for k, text in enumerate(texts) if text] or list(range(len(texts)))
        names = [texts[k] or marks.symbol[k] for k in kept]
        onsets = [float(marks.sample[k]) / rate_hz for k in kept]
        arrays[LABEL] = spans_to_labels(len(signal), rate_hz, onsets, [0.0] * len(kept), names)
    return arrays


def _name_of(path: Path) -> Path:
    return path if header(path).is_file() else path.with_suffix("")


def _annotator_of(name: Path, wanted: str, notes: list[str]) -> str:
    """Choose the annotations of a record by their extension; empty where there are none."""
    there = sorted(
        path.suffix[1:]
        for path in name.parent.glob(f"{name.name}.*")
        if path.stem == name.name and path.suffix[1:].isalnum() and path.suffix[1:].lower() not in OTHER_FILES
    )
    wanted = wanted.removeprefix(".")
    if wanted and wanted not in there:
        raise UserError(f"{name} has no annotations '.{wanted}'; there are: {', '.join(there) or 'none'}")
    if wanted or "atr" in there or not there:
        return wanted or ("atr" if there else "")
    if len(there) > 1:
        raise UserError(
            f"{name} has annotations {', '.join(there)}; say which with the key 'annotator' of a description"
        )
    notes.append(f"annotations of {name.name} are those of .{there[0]}")
    return there[0]


def _read_record(path: Path, annotator: str, notes: list[str]) -> tuple[Any, Any]:
    """Give a record with signals in physical units, and its annotations, None where there are none."""
    try:
        with warnings.catch_warnings():  # of pandas, about wfdb's own code
            warnings.simplefilter("ignore")
            import wfdb  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        raise UserError(f"WFDB records need the package wfdb; run `{install('streams', 'wfdb')}`") from None
    name = _name_of(path)
    extension = _annotator_of(name, annotator, notes)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            record = wfdb.rdrecord(str(name))
            return record, wfdb.rdann(str(name), extension) if extension else None
    except Exception as error:  # damaged headers and signals raise nearly anything
        missing = getattr(error, "filename", None)
        reason = f"no {Path(missing).name}" if missing else error
        raise cannot_read(name, reason, "keep .hea, .dat and .atr of a record side by side, unchanged") from None


def _read_npz(path: Path) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], float]:
    arrays = NpzArrays(path)
    missing = [key for key in ("signal", "sample", "symbol") if key not in arrays]
    if missing:
        raise UserError(f"{path} has no array '{missing[0]}'; known: {', '.join(sorted(arrays))}")
    signal = arrays["signal"]
    if signal.ndim != 2 or signal.dtype.kind not in "uif":
        raise UserError(f"{path}: signal is {signal.dtype} {list(signal.shape)}; give numbers [n_samples, n_leads]")
    gain, zero, rate_hz = (
        float(arrays[key]) if key in arrays else default
        for key, default in (("gain", GAIN), ("zero", ZERO), ("rate_hz", RATE_HZ))
    )
    return (signal - zero) / gain, arrays["sample"], arrays["symbol"], rate_hz
