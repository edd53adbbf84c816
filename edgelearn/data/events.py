"""Labelled samples of address events: N-MNIST, a user's .npz or .csv, data sets of the library tonic.

Three rules hold for every source:

    time      whole microseconds on any clock; the first event of a sample is its time 0
    order     events of a sample are sorted by time, those of equal time stay as given: sensors that are read in bursts,
              or merged, write what they saw in no strict order, and no time step depends on it
    polarity  an event of value > 0 is input n_addresses + address, any other is input address; without values an
              address is one input. An address of a pixel is y * width + x
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from edgelearn.data import aedat
from edgelearn.data.compressed import suffix_of
from edgelearn.data.event_arrays import ARRAY_SUFFIXES, read_event_arrays
from edgelearn.data.event_folders import HAVE_EVENTS, is_recording_folder, read_recording_folder
from edgelearn.data.event_set import EventSet
from edgelearn.data.event_tables import TEXTS, read_event_parquet, read_event_table
from edgelearn.data.nmnist import open_nmnist
from edgelearn.data.tables import check_fraction
from edgelearn.data.tonic_events import TONIC, open_tonic
from edgelearn.errors import UserError, unknown

EVENT_SETS: dict[str, str] = {
    "nmnist": "N-MNIST, digits before an event camera, 34 x 34 pixels, 2 polarities; the whole set or nmnist-small",
    "nmnist-small": "the first 1,000 training and 100 test samples of N-MNIST, from nmnist_small.npz",
}
READERS: dict[str, Callable[[Path, float, int | None, str | None], EventSet]] = {
    **dict.fromkeys(TEXTS, read_event_table),
    ".parquet": read_event_parquet,
    **dict.fromkeys(ARRAY_SUFFIXES, read_event_arrays),
}


def is_event_data(name_or_path: str) -> bool:
    """Tell whether a name or file is one for `open_events`; a file by its arrays' names, or header and first rows.

    A .npz file has the arrays t and address, or t, x, y and offset or p, or structured arrays with such fields; a .npy
    file is a structured array; a text table has the columns t, and sample and address, or x and y and p or sample; a
    folder has folders of recordings, one for each class. Other names of columns: `event_columns.NAMES`.
    """
    if name_or_path in EVENT_SETS or name_or_path.startswith(TONIC):
        return True
    path = Path(name_or_path).expanduser()
    suffix = suffix_of(path)
    with contextlib.suppress(OSError, UserError):
        if suffix in aedat.SUFFIXES or path.is_dir():
            return suffix in aedat.SUFFIXES or is_recording_folder(path)
        if suffix in HAVE_EVENTS:
            return HAVE_EVENTS[suffix](path)
    return False


def open_events(
    name_or_path: str, *, test_fraction: float = 0.2, limit: int | None = None, time_unit: str | None = None
) -> EventSet:
    """Open a named event data set, one of the library tonic, or a user's .npz, .npy, .csv or .tsv file or folder.

    Parameters
    ----------
    name_or_path : one of `EVENT_SETS`; "tonic:NAME"; or a path.
        .csv, .tsv: a header with the columns sample, t, address (or x and y), label and, for polarity, value (or p),
        in any order, and one event per line; the lines of a sample may be anywhere in the file, samples count by their
        first line. Without sample, one begins where the label changes or the time starts again.
        .npz: arrays t and address (or x and y), and value (or p) for polarity, [events]; offset [samples + 1], label
        [samples] and, for a test part of one's own, test bool [samples]; n_addresses (or width and height) where the
        largest address that occurs is not the last; or structured arrays with the fields t, x, y and p.
        .npy: one structured array, with fields for sample and label as well.
        folder: a folder of recordings for each class, .bin of N-MNIST, .npy, .npz, .csv or .aedat4.
    time_unit : s, ms, us or ns; default the unit in the name of the column, else microseconds
    test_fraction : user files without test part: share of the samples that become one, 0 <= test_fraction < 1; which
        ones does not depend on the run's seed
    limit : keep the first `limit` training samples, and the whole test part

    Raises
    ------
    UserError : "event data set 'NAME' is not known ...", "... was not found ...", "tonic is not installed ..."; faults
        of a file name it, and the row and the column or array.
    """
    if limit is not None and limit < 1:
        raise UserError(f"limit {limit} is out of range; give 1 sample or more")
    check_fraction(test_fraction)
    if name_or_path in EVENT_SETS or name_or_path.startswith(TONIC):
        if test_fraction != 0.2:
            raise UserError(f"data set '{name_or_path}' has its own test part; leave test_fraction out")
        if name_or_path.startswith(TONIC):
            return open_tonic(name_or_path, limit)
        return open_nmnist(name_or_path, limit)
    path = Path(name_or_path).expanduser()
    suffix = suffix_of(path)
    if suffix in aedat.SUFFIXES and not path.is_dir():
        raise UserError(f"{path} is one recording without a label; put recordings into a folder for each class")
    if path.is_dir():
        return read_recording_folder(path, test_fraction, limit, time_unit)
    if suffix not in READERS:
        known = unknown("event data set", name_or_path, EVENT_SETS)
        raise UserError(f"{known} Own files end in {', '.join(READERS)}; tonic:NAME is a data set of tonic.")
    if not path.is_file():
        raise UserError(f"{path} is not a file; check the path")
    try:
        return READERS[suffix](path, test_fraction, limit, time_unit)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check its permissions") from None
