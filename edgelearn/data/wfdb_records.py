"""Heart beats of WFDB records: signal, header and reference annotations, or the same as arrays of a .npz file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.arrays import Arrays, NpzArrays, cannot_read
from edgelearn.data.source import Rejects
from edgelearn.errors import UserError

BEATS = frozenset("NLRBAaJSVrFejnE/fQ?")  # PhysioNet's codes of beats; the others mark rhythm, noise and artefacts
BEFORE_S, AFTER_S = 64 / 360, 128 / 360  # at the 360 samples/s of the MIT-BIH records: 64 and 128 samples
N_VALUES = 48
OUTSIDE = "window leaves the record"
# Of the MIT-BIH Arrhythmia Database, where a .npz file does not say otherwise.
RATE_HZ, GAIN, ZERO = 360.0, 200.0, 1024.0


def is_record(path: Path) -> bool:
    """Tell whether a path names a WFDB record: with .hea, or without suffix beside its .hea."""
    return path.with_suffix(".hea").is_file() if path.suffix in (".hea", ".dat", ".atr") else header(path).is_file()


def header(path: Path) -> Path:
    """Give the header file of a record named without suffix."""
    return path.with_name(path.name + ".hea")


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


def read_beats(path: Path, rejects: Rejects, lead: int = 0) -> Arrays:
    """Read the beats of one record.

    Parameters
    ----------
    path : the record (with .hea, .dat, .atr or no suffix), or a .npz file with the arrays `signal` [n, n_leads]
        (converter units), `sample` and `symbol`, and where they differ from MIT-BIH `rate_hz`, `gain` and `zero`
    rejects : where beats are counted whose window leaves the record
    lead : which lead, counting from 0

    Returns
    -------
    as `cut_beats`, in millivolts

    Raises
    ------
    UserError
        "... cannot be read ...", "... has no lead ...", "WFDB records need the package wfdb ..."
    """
    signal, sample, symbol, rate_hz = _read_npz(path) if path.suffix == ".npz" else _read_record(path)
    if not 0 <= lead < signal.shape[1]:
        raise UserError(f"{path} has no lead {lead}; leads count from 0 to {signal.shape[1] - 1}")
    return cut_beats(signal[:, lead].astype(np.float64), sample, symbol, rate_hz, rejects, path.stem)


def _read_record(path: Path) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], float]:
    try:
        with warnings.catch_warnings():  # of pandas, about wfdb's own code
            warnings.simplefilter("ignore")
            import wfdb  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        raise UserError('WFDB records need the package wfdb; run `pip install "edgelearn[streams]"`') from None
    name = str(path.with_suffix("") if path.suffix in (".hea", ".dat", ".atr") else path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            record = wfdb.rdrecord(name)
            notes = wfdb.rdann(name, "atr")
    except Exception as error:  # damaged headers and signals raise nearly anything
        missing = getattr(error, "filename", None)
        reason = f"no {Path(missing).name}" if missing else error
        raise cannot_read(Path(name), reason, "keep .hea, .dat and .atr of a record side by side, unchanged") from None
    return np.asarray(record.p_signal), np.asarray(notes.sample), np.asarray(notes.symbol), float(record.fs)


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
