"""Nominal features of text tables: each value of a column of texts is an input."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.cells import is_missing
from edgelearn.errors import UserError

MOST_CATEGORIES = 64  # of a nominal feature, each an input
UNKNOWN = -1.0


class Categories:
    """Number the values of nominal features as they come, and make one input of each.

    Parameters
    ----------
    features : places of all features
    titles : names of the nominal ones by place
    source : name of the table in messages
    missing : marks of missing values besides those of every table
    notes : receives values that come once the categories are fixed; they make no event

    Example
    -------
    >>> modes = Categories((0, 1), {1: "mode"}, "own.csv")
    >>> x = np.array([[0.5, code] for code in modes.codes(1, ["on", "off", "", "on"])])
    >>> modes.accept()
    >>> modes.channels(("ax", "mode")), modes.expand(x).tolist()[1:3]
    (('ax', 'mode=off', 'mode=on'), [[0.5, 1.0, 0.0], [0.5, nan, nan]])
    """

    def __init__(
        self,
        features: Sequence[Any],
        titles: Mapping[Any, str],
        source: str,
        missing: Iterable[str] = (),
        notes: list[str] | None = None,
    ) -> None:
        self.features, self.titles, self.source = tuple(features), dict(titles), source
        self.is_fixed = False
        self._missing, self._notes = frozenset(missing), [] if notes is None else notes
        self._known: dict[Any, dict[str, int]] = {place: {} for place in titles}
        self._found: dict[Any, dict[str, int]] = {}  # with those of rows that are not accepted yet
        self._unknown: dict[Any, str] = {}

    def codes(self, place: Any, cells: Iterable[Any]) -> NDArray[np.float64]:
        """Return the numbers of the values of a feature, NaN where one is missing.

        Raises
        ------
        ValueError : an object or array
        """
        found = self._found[place] = dict(self._known[place])
        codes = []
        for cell in cells:
            if isinstance(cell, list | dict):
                raise ValueError(cell)
            text = "" if cell is None else str(cell).strip()
            if is_missing(text) or text in self._missing:
                codes.append(np.nan)
            elif self.is_fixed and text not in found:
                self._unknown.setdefault(place, text)
                codes.append(UNKNOWN)
            else:
                codes.append(found.setdefault(text, len(found)))
        return np.array(codes, np.float64)

    def forget(self) -> None:
        """Leave out the values of rows that cannot be used."""
        self._found, self._unknown = {}, {}

    def accept(self) -> None:
        """Keep the values of rows that can be used.

        Raises
        ------
        UserError
            "SOURCE: column ... has more than 64 different texts ..."
        """
        self._known |= self._found
        for place, texts in self._found.items():
            if len(texts) > MOST_CATEGORIES:
                raise UserError(
                    f"{self.source}: column '{self.titles[place]}' has more than {MOST_CATEGORIES} different texts, "
                    f"such as '{next(iter(texts))[:40]}'; give --features columns of numbers, or of fewer categories"
                )
        for place, text in self._unknown.items():
            note = f"values of {self.titles[place]} that came later make no event"
            if not any(one.startswith(note) for one in self._notes):
                self._notes.append(f"{note}, the first is '{text[:60]}'")
        self.forget()

    def values(self, place: Any) -> list[str]:
        """Return the values of a feature in the order of their inputs, by code point."""
        return sorted(self._known[place])

    def state(self) -> list[tuple[Any, list[str]]]:
        """Return the place of each feature and its values."""
        return [(place, list(known)) for place, known in self._known.items()]

    def restore(self, values_of_each: Iterable[Sequence[str]]) -> None:
        """Take the values of each feature, and no further ones."""
        for known, values in zip(self._known.values(), values_of_each, strict=True):
            known |= {value: code for code, value in enumerate(values)}
        self.is_fixed = True

    def channels(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the names of the inputs, given those of the features."""
        found: list[str] = []
        for name, place in zip(names, self.features, strict=True):
            found += [f"{name}={value}" for value in self.values(place)] if place in self.titles else [name]
        return tuple(found)

    def expand(self, x: NDArray[Any], is_offset: bool = False) -> NDArray[Any]:
        """Return one column per input, given one per feature; of offsets, which categories do not have, zeros."""
        parts = []
        for k, place in enumerate(self.features):
            if place not in self.titles:
                parts.append(x[:, k : k + 1])
                continue
            codes, known = x[:, k : k + 1], self._known[place]
            one_hot = (codes == np.array([known[value] for value in self.values(place)])).astype(x.dtype)
            parts.append(one_hot * 0 if is_offset else np.where(np.isnan(codes), codes, one_hot))
        return np.concatenate(parts, axis=1)


def alike(
    nominal: Sequence[str], channels: Sequence[Sequence[str]], values: Sequence[NDArray[Any]]
) -> tuple[tuple[str, ...], list[NDArray[Any]]]:
    """Give all files the categories of each: those that a file lacks are zero in it, or missing where the value is.

    Parameters
    ----------
    nominal : names of the nominal features
    channels, values : names of the inputs and values [n, n_inputs] per file

    Returns
    -------
    names of the inputs, and the values per file
    """
    found: dict[str, list[str]] = {}
    for name in nominal:
        found[name] = sorted({one for names in channels for one in names if one.startswith(f"{name}=")})
    order: list[str] = []
    for channel in channels[0]:
        group = next((found[name] for name in nominal if channel in found[name]), [channel])
        order += [one for one in group if one not in order]
    parts = []
    for names, x in zip(channels, values, strict=True):
        places = {name: k for k, name in enumerate(names)}
        whole = np.zeros((len(x), len(order)), x.dtype)
        for k, channel in enumerate(order):
            if channel in places:
                whole[:, k] = x[:, places[channel]]
                continue
            group = next((found[name] for name in nominal if channel in found[name]), [])
            own = [places[one] for one in group if one in places]
            if own:
                whole[np.isnan(x[:, own]).all(axis=1), k] = np.nan
        parts.append(whole)
    return tuple(order), parts
