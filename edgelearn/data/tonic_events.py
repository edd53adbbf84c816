"""Data sets of address events of the library tonic."""

from __future__ import annotations

import contextlib
import inspect
import sys
from typing import Any

import numpy as np

from edgelearn.data import downloads
from edgelearn.data.dataset import Labels
from edgelearn.data.event_set import EventSet, Inputs, Times, check_size, concat, sort_events
from edgelearn.data.tables import class_indices, draw_parts
from edgelearn.errors import UserError, install, unknown

TONIC = "tonic:"


def open_tonic(name: str, limit: int | None) -> EventSet:
    try:
        import tonic
    except ImportError:
        raise UserError(f"tonic is not installed; {install('tonic')}") from None
    typed = name.removeprefix(TONIC)
    kinds: dict[str, Any] = {key: kind for key, kind in vars(tonic.datasets).items() if inspect.isclass(kind)}
    if typed not in kinds:
        raise unknown("tonic data set", typed, kinds)
    make = kinds[typed]
    parameters = inspect.signature(make).parameters
    if "train" in parameters:
        choices: list[dict[str, Any]] = [{"train": True}, {"train": False}]
    elif "split" in parameters and parameters["split"].default == "train":
        choices = [{"split": "train"}, {"split": "test"}]
    else:
        raise UserError(f"'{name}' has no training and test part; save its events as .npz, with an array test")
    if "single_digits" in parameters:  # of N-TIDIGITS, whose other samples are sequences of several classes
        choices = [{**choice, "single_digits": True} for choice in choices]
    if getattr(make, "sensor_size", None):
        _sensor(name, make.sensor_size)  # before anything is downloaded
    folder = downloads.cache_folder("tonic")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.redirect_stdout(sys.stderr):
            train, test = (make(save_to=str(folder), **choice) for choice in choices)
    except Exception as error:  # whatever a data set's own code raises
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UserError(
            f"tonic could not get '{name}' ({reason}); give it a network, or put its files into {folder / typed}"
        ) from None
    return events_from_tonic(train, test, name, source=f"tonic.datasets.{typed} in {folder}", limit=limit)


def _sensor(name: str, size: Any) -> tuple[int, int, int]:
    if not isinstance(size, tuple) or len(size) != 3:
        raise UserError(f"'{name}' has no one sensor size ({size}); save its events as .npz, all of one size")
    width, height, polarities = (int(count) for count in size)
    if polarities > 2:
        raise UserError(f"'{name}' has {polarities} polarities; 1 or 2 are allowed: save its events as .npz")
    check_size(f"'{name}'", width * height, polarities)
    return width, height, polarities


def events_from_tonic(train: Any, test: Any, name: str, *, source: str = "tonic", limit: int | None = None) -> EventSet:
    """Convert both parts of a tonic data set.

    Parameters
    ----------
    train, test : sequences of (events, label): a structured array with the fields t and x, and y and p where there are
        such, and a whole number or a class name; `sensor_size` (width, height, polarities) and `classes`, where there
        are such, are attributes
    limit : keep so many training samples. The training part comes in a drawn order, always the same, because
        several data sets are sorted by class

    Raises
    ------
    UserError : "'NAME' ..." with the sample and the fault
    """
    width, height, polarities = _sensor(name, getattr(train, "sensor_size", None))
    n_addresses = width * height
    order = draw_parts(len(train), 0.0)[0][:limit]
    chosen = [("training", train, int(k)) for k in order] + [("test", test, k) for k in range(len(test))]
    pieces, labels = [], []
    for part, samples, k in chosen:
        where = f"'{name}' {part} sample {k}"
        try:
            events, label = samples[k]
        except Exception as error:  # whatever a data set's own code raises
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise UserError(f"{where} cannot be read ({reason}); let tonic get its files again") from None
        pieces.append(_tonic_events(where, events, (width, height, polarities)))
        labels.append(_tonic_label(where, label))
    if not len(order) or sum(len(t) for t, _ in pieces) == 0:
        raise UserError(f"'{name}' has no training samples or no events; let tonic get its files again")
    y, names = _tonic_classes(name, getattr(train, "classes", None), labels)
    t, inputs, offset = concat(pieces)
    return EventSet(name, source, names, n_addresses * polarities, t, inputs, offset, y, len(order))


def _tonic_events(where: str, events: Any, size: tuple[int, int, int]) -> tuple[Times, Inputs]:
    fields = getattr(getattr(events, "dtype", None), "names", None) or ()
    if "t" not in fields or "x" not in fields:
        raise UserError(f"{where} has the fields {', '.join(fields) or '(none)'}; t and x are needed")
    numbers = {}
    for field, count in (("x", size[0]), ("y", size[1])):
        numbers[field] = events[field].astype(np.int64) if field in fields else np.zeros(len(events), np.int64)
        outside = (numbers[field] < 0) | (numbers[field] >= count)
        if outside.any():
            found = numbers[field][int(np.argmax(outside))]
            raise UserError(f"{where} has {field} = {found}; its sensor has 0 to {count - 1}")
    address = numbers["y"] * size[0] + numbers["x"]
    if size[2] > 1 and "p" in fields:
        address += size[0] * size[1] * (events["p"] > 0)
    if not np.isfinite(events["t"]).all():
        raise UserError(f"{where} has a time that is not finite; let tonic get its files again")
    t, inputs = events["t"].astype(np.int64), address.astype(np.int32)
    sort_events(t, inputs)
    return t, inputs


def _tonic_label(where: str, label: Any) -> int | str:
    label = label.item() if isinstance(label, np.generic | np.ndarray) and label.size == 1 else label
    label = label.decode() if isinstance(label, bytes) else label
    if not isinstance(label, int | str):
        raise UserError(f"{where} has the label {label!r}, which is no one class; whole numbers and names are allowed")
    return label


def _tonic_classes(name: str, classes: Any, labels: list[int | str]) -> tuple[Labels, tuple[str, ...]]:
    """Map labels to classes: those the data set names, in their order, or those that occur."""
    if isinstance(classes, dict):
        classes = sorted(classes, key=classes.__getitem__)
    names = (
        tuple(key.decode() if isinstance(key, bytes) else str(key) for key in classes) if classes is not None else ()
    )
    if len(names) < 2:
        if len({isinstance(label, str) for label in labels}) > 1:
            raise UserError(f"'{name}' mixes text and numbers as labels; one kind is needed")
        return class_indices(f"'{name}'", labels)
    y = [names.index(label) if isinstance(label, str) and label in names else label for label in labels]
    wrong = [label for label in y if isinstance(label, str) or not 0 <= label < len(names)]
    if wrong:
        raise UserError(f"'{name}' has the label {wrong[0]!r}; its classes are 0 to {len(names) - 1}")
    return np.array(y, np.int64), names
