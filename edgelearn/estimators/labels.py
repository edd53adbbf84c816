"""Encoding of labels of any type as outputs."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np

from edgelearn.errors import UserError


class Labels:
    """Mapping of labels to outputs.

    Parameters
    ----------
    known : labels of outputs 0, 1, ...
    room : outputs for labels that are met on the way, in order of appearance, the known ones included; None takes no
        more than the known ones

    Example
    -------
    >>> labels = Labels([], room=3)
    >>> labels.outputs(np.array(["run", "sit", "run"])).tolist(), labels.known
    ([0, 1, 0], ['run', 'sit'])
    """

    def __init__(self, known: Iterable[Hashable], room: int | None = None) -> None:
        self.known = list(known)
        self.room = room
        self.found = {label: k for k, label in enumerate(self.known)}

    def output(self, label: Any) -> int:
        """Return the output of a label; one that was not met before takes the next.

        Raises
        ------
        UserError
            "label ..."
        """
        try:
            output = self.found.get(label)
        except TypeError:  # a list, say
            label = None
        if label is None or label != label:
            raise UserError("label None, nan or a list names no class; give text, a number or a truth value")
        if output is None:
            label = label.item() if isinstance(label, np.generic) else label
            self._take([label])
            output = self.found[label]
        return output

    def outputs(self, y: np.ndarray) -> np.ndarray:
        """Return the outputs of labels, int64[n]; nothing is taken where one of them has no room.

        Raises
        ------
        UserError
            "label ..."
        """
        try:
            return np.array([self.found[label] for label in y.tolist()], np.int64)
        except (KeyError, TypeError):  # new labels, in the order of their first samples; or none
            pass
        found, first, inverse = np.unique(y, return_index=True, return_inverse=True)
        labels = found.tolist()
        self._take([labels[i] for i in np.argsort(first) if labels[i] not in self.found])
        return np.array([self.found[label] for label in labels], np.int64)[inverse.ravel()]

    def _take(self, new: list[Any]) -> None:
        if not new:
            return
        if self.room is None:
            raise UserError(
                f"label {new[0]!r} is none of the classes {_short(self.known)}; name all of them in "
                "EdgeClassifier(classes=[...]), or in classes= of the first partial_fit"
            )
        if len(self.known) + len(new) > self.room:
            label = new[self.room - len(self.known)]
            raise UserError(
                f"label {label!r} is one more than the {self.room} classes there is room for; start again with a "
                "larger max_classes, or name the classes in EdgeClassifier(classes=[...])"
            )
        for label in new:
            self.found[label] = len(self.known)
            self.known.append(label)


def _short(labels: list[Any]) -> str:
    shown = ", ".join(repr(label) for label in labels[:8])
    return shown if len(labels) <= 8 else f"{shown}, ... ({len(labels)} of them)"
