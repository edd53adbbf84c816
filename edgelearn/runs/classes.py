"""Classes of data and outputs of a network that learning starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgelearn.errors import UserError

CLASSES_FROM = ("start", "data")
_SHOWN = 8  # names in a message


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
    """Match classes of data with outputs: by name, by number where the source has no names, else in their order.

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
    numbers = [int(name) if name.isdecimal() else -1 for name in names]
    by_number = known is None and all(n >= 0 and str(n) == name for n, name in zip(numbers, names, strict=True))
    note = ""
    if known is None and len(names) == n_known and not (by_number and (grow or max(numbers) < n_known)):
        own, note = tuple(names), f"classes of the data are taken for the outputs of {source} in their order"
    elif known is None and not by_number:
        own = tuple(names[:n_known]) if grow and len(names) > n_known else ()
        note = f"the first {n_known} classes of the data are taken for the outputs of {source}"
        if not own:
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
