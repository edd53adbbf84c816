"""Tables whose targets are numbers, or whose rows have no targets beside themselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from edgelearn.data.columns import Roles
from edgelearn.data.open_source import open_source
from edgelearn.data.source import ColumnsUsed, Source, printable
from edgelearn.data.tables import draw_parts
from edgelearn.errors import UserError, unknown


@dataclass(frozen=True, eq=False)
class NumberData:
    """A data set without classes.

    Parameters
    ----------
    train_x, test_x : float or uint8[n, n_features], NaN where a value is missing
    train_t, test_t : float64[n, n_targets], in the units of the user; [n, 0] where inputs are reconstructed
    low, high : float64[n_features], range of the inputs in the training part
    targets : names of the targets
    """

    name: str
    source: str
    train_x: np.ndarray
    train_t: np.ndarray
    test_x: np.ndarray
    test_t: np.ndarray
    low: np.ndarray
    high: np.ndarray
    columns: ColumnsUsed
    targets: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_numbers(
    data: str, roles: Roles, targets: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray, ColumnsUsed, Source]:
    """Read all rows of a file: inputs, float32[n, n_inputs], and targets, float64[n, n_targets].

    Columns that are named like labels are no inputs.

    Raises
    ------
    UserError
        "target column ...", and whatever cannot be read
    """
    # any text is the label: no column is
    source = open_source(data, roles=replace(roles, label=None, is_label_optional=True), label_from="(.)")
    used, inputs = source.columns_used, source.channels
    if targets:
        _check_targets(data, roles, targets, used)
        inputs = tuple(name for name in inputs if name not in targets)
        if not inputs:
            raise UserError(f"{data} has no column of numbers beside --target-columns {','.join(targets)}; name fewer")
        inner = replace(roles, label=None, features=(*(roles.features or _places(inputs)), *_places(targets)))
        source = open_source(data, roles=inner, label_from="(.)")
        named = tuple(_title(name) for name in source.channels)
        texts = [name for name in targets if name not in named]
        if texts:
            raise UserError(f"target column '{printable(texts[0])}' of {data} holds texts; give columns of numbers")
    else:
        named = source.channels
    blocks = list(source.blocks(0))
    if not blocks:
        raise UserError(f"{data} has no rows that can be used{_first_fault(source)}")
    x = np.concatenate([block.x for block in blocks])
    own = source.columns_used
    shift = np.array(own.offsets) if own.offsets else np.zeros(len(named))
    places = [named.index(name) for name in targets]
    kept = [place for place in range(len(named)) if place not in places]
    t = x[:, places].astype(np.float64) + shift[places]
    offsets = tuple(shift[kept].tolist()) if shift[kept].any() else ()
    left_out = tuple(name for name in own.left_out if name not in targets)
    names = tuple(source.channels[place] for place in kept)
    return x[:, kept], t, replace(own, inputs=names, label=None, offsets=offsets, left_out=left_out), source


def read_inputs(data: str, roles: Roles, inputs: tuple[str, ...]) -> tuple[np.ndarray, ColumnsUsed, Source]:
    """Read the inputs of a finished run from another file, float32[n, n_inputs].

    Raises
    ------
    UserError
        Whatever cannot be read; "... has no rows ..."
    """
    source = open_source(data, roles=replace(roles, label=None, features=_places(inputs)), label_from="(.)")
    blocks = list(source.blocks(0))
    if not blocks:
        raise UserError(f"{data} has no rows that can be used{_first_fault(source)}")
    return np.concatenate([block.x for block in blocks]), source.columns_used, source


def parts_of_table(
    x: np.ndarray, t: np.ndarray, test_fraction: float, validation_fraction: float | None
) -> list[np.ndarray]:
    """Return training inputs and targets, and test inputs and targets, drawn apart from the seed of a run.

    Parameters
    ----------
    validation_fraction : of the training rows, which then take the place of the test rows
    """
    train, test = draw_parts(len(x), test_fraction)
    if validation_fraction is not None:
        kept, held = draw_parts(len(train), validation_fraction)
        train, test = train[kept], train[held]
    return [x[train], t[train], x[test], t[test]]


def _title(name: str) -> str:
    """Return a column as it is given: those without a title by their number."""
    return name.removeprefix("column ")


def _places(names: Iterable[str]) -> tuple[str | int, ...]:
    return tuple(map(_title, names))


def _check_targets(data: str, roles: Roles, targets: tuple[str, ...], used: ColumnsUsed) -> None:
    others = (used.time, used.subject, *used.left_out)
    known = [_title(name) for name in (*used.inputs, *others) if name is not None]
    features = {str(name) for name in roles.features}
    for name in targets:
        if name in features:
            raise UserError(f"column '{printable(name)}' is a feature and also a target; name it once")
        if name not in known and not roles.features:
            raise unknown(f"target column of {data}", name, known)


def _first_fault(source: Source) -> str:
    return next((f": {reason}, {where}" for reason, where in source.rejects.first.items()), "")
