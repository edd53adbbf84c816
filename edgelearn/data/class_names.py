"""Classes of the labels that occur, and choice of subjects."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.cells import (
    check_classes,
    is_missing,
    is_number,
)
from edgelearn.data.description import Description, as_text, as_tuple
from edgelearn.data.file_content import OTHERS, texts_of
from edgelearn.data.source import UNLABELLED
from edgelearn.errors import UserError, unknown

Numbering = Callable[[NDArray[Any]], NDArray[np.int64]]


def class_numbers(
    form: Description, labels: NDArray[Any], names_in_file: tuple[str, ...]
) -> tuple[tuple[str, ...], Numbering]:
    """Give the names of the classes, and a function from labels to their numbers, for all labels that occur."""
    said = None if form.unlabelled is None else as_text(form.unlabelled)
    known = {*form.by_label(), *names_in_file}

    def is_unlabelled(text: str) -> bool:
        if form.reader == "beats":  # whose codes have been chosen before; ? is one of them
            return text in ("", said)
        return text == said or (text not in known and is_missing(text))

    found, n_of_each = np.unique(labels, return_counts=True)
    texts = [text for text in dict.fromkeys(texts_of(found).tolist()) if not is_unlabelled(text)]
    by_text: dict[str, int] = {}
    names: tuple[str, ...]
    if isinstance(form.classes, dict):
        names = tuple(form.classes)
        by_text = {as_text(v): k for k, values in enumerate(form.classes.values()) for v in as_tuple(values)}
    elif form.classes or names_in_file:
        names = form.classes or names_in_file
        by_text = {name: k for k, name in enumerate(names)}
        if not any(text in by_text for text in texts):
            by_text = {str(k): k for k in range(len(names))}
    else:
        counts = dict(zip(texts_of(found).tolist(), n_of_each.tolist(), strict=True))
        check_classes((text for text in texts for _ in range(counts[text])), f"stream '{form.name}'")
        names = tuple(sorted(texts, key=by_value))
        by_text = {name: k for k, name in enumerate(names)}
    rest = by_text.pop(OTHERS, None)
    for text in texts:
        if text not in by_text:
            if rest is None:
                raise UserError(f"stream '{form.name}': {unknown('label', text, by_text)} Check the key 'classes'.")
            by_text[text] = rest

    def numbering(given: NDArray[Any]) -> NDArray[np.int64]:
        values, place = np.unique(given, return_inverse=True)
        numbers = [UNLABELLED if is_unlabelled(text) else by_text[text] for text in texts_of(values).tolist()]
        return np.array(numbers, np.int64)[place]

    return names, numbering


def by_value(text: str) -> tuple[bool, float, str]:
    return (False, float(text), text) if is_number(text) else (True, 0.0, text)


def selected(spec: str, subject: NDArray[Any], name: str) -> NDArray[np.bool_]:
    """Tell which samples are of the subjects that a text such as "1600-1624,1630" or "not 1600-1624" names.

    Raises
    ------
    UserError
        "subject '...' is not known ...", "stream '...': subjects ... keep no sample ..."

    Example
    -------
    >>> selected("not 2-3", np.array([1, 2, 3, 4]), "x").tolist()
    [True, False, False, True]
    """
    text = spec.strip()
    inverted = text.startswith("not ")
    texts = texts_of(subject)
    known = sorted(set(texts.tolist()), key=by_value)
    chosen: set[str] = set()
    for part in text.removeprefix("not ").split(","):
        one = part.strip()
        ends = re.fullmatch(r"(\d+)\s*-\s*(\d+)", one)
        if one in known:
            chosen.add(one)
        elif ends:
            low, high = int(ends[1]), int(ends[2])
            chosen |= {who for who in known if who.isdecimal() and low <= int(who) <= high}
        else:
            raise UserError(f"stream '{name}': {unknown('subject', one, known)}")
    keep: NDArray[np.bool_] = np.isin(texts, sorted(chosen)) ^ inverted
    if not keep.any():
        raise UserError(
            f"stream '{name}': subjects '{spec}' keep no sample; known: {', '.join(known)}; "
            "give numbers, ranges such as 3-7, or 'not 3-7'"
        )
    return keep
