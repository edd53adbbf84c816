"""Classes of data and outputs of a network that learning starts from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgelearn.errors import UserError

CLASSES_FROM = ("start", "data")
_SHOWN = 8  # names in a message
_WHOLE = re.compile("0|-?[1-9][0-9]*")


@dataclass(frozen=True, eq=False)
class Classes:
    """Outputs of a network.

    Parameters
    ----------
    names : of the classes, in the order of the outputs
    outputs : int64[classes of the data], output of each
    n_known : classes that the source knows
    note : how they were matched where names do not say; empty for nothing to say
    """

    names: tuple[str, ...]
    outputs: np.ndarray
    n_known: int
    note: str = ""


def match_classes(known: Sequence[str] | None, n_known: int, names: Sequence[str], grow: bool, source: str) -> Classes:
    """Match classes of data with outputs: by name, whole numbers by value where the source has no names.

    Other names are taken for the outputs of such a source in their order, which the note lists one by one.

    Parameters
    ----------
    known : names of the source's classes, None where it has none
    n_known : classes it tells apart
    names : classes of the data, in the order of their labels
    grow : whether classes that the source lacks are added behind its own
    source : for messages

    Raises
    ------
    UserError
        "class ... is not one of ...", "... classes do not fit ..."

    Example
    -------
    >>> found = match_classes(("a", "b"), 2, ("b", "c"), True, "model.onnx")
    >>> found.names, found.outputs.tolist()
    (('a', 'b', 'c'), [1, 2])
    """
    by_number, note = known is None and all(map(_WHOLE.fullmatch, names)), ""
    if by_number:
        _check_numbers([int(name) for name in names], n_known, grow, source)
    if known is None and not by_number:
        own = tuple(names[:n_known]) if len(names) == n_known or (grow and len(names) > n_known) else ()
        if own:
            order = "in alphabetical order" if list(names) == sorted(names) else "in the order of the data"
            listed = ", ".join(f'"{name}" -> output {k}' for k, name in enumerate(own))
            note = f"{source} has no names of classes: {listed}, {order}; label the data 0 to {n_known - 1} for another"
        else:
            raise UserError(
                f"{len(names)} classes of the data do not fit {n_known} outputs of {source}, whose names are not "
                f"known; name them 0 to {n_known - 1}, keep some with --classes, or give --classes-from data for more"
            )
    else:
        own = tuple(map(str, range(n_known))) if known is None else tuple(known)
    new = tuple(name for name in names if name not in own)
    if new and not grow:
        listed = ", ".join(own[:_SHOWN]) + (", ..." if len(own) > _SHOWN else "")
        raise UserError(
            f"class '{new[0]}' of the data is not one of the {len(own)} of {source} ({listed}); give --classes-from "
            "data to add outputs for new classes, or leave it out with --classes"
        )
    everything = (*own, *new)
    return Classes(everything, np.array([everything.index(name) for name in names], np.int64), len(own), note)


def _check_numbers(numbers: Sequence[int], n_known: int, grow: bool, source: str) -> None:
    """Refuse numbers of classes that are no outputs; classes to add count on from those of the source."""
    wrong = [number for number in numbers if number < 0 or (number >= n_known and not grow)]
    if not wrong:
        return
    lowest, shifted = min(numbers), max(numbers) - min(numbers) < n_known
    example = f" (y - {lowest}, say)" if shifted and lowest > 0 else f" (y + {-lowest}, say)" if shifted else ""
    more = "" if min(numbers) < 0 else ", or give --classes-from data to add outputs for new classes"
    raise UserError(
        f"class '{wrong[0]}' of the data is not one of the {n_known} of {source}, which are the numbers 0 to "
        f"{n_known - 1} and have no names; label the data with these{example}{more}"
    )
