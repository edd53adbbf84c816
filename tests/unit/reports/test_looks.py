"""Looks of rules: told apart by colour for every kind of colour vision, and without colour by marks and dashes."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from edgelearn.reports.plots.figure import RULE_LOOKS, look_of
from edgelearn.reports.plots.labels import spread
from edgelearn.rules import RULES
from edgelearn.rules.rule import Backend
from edgelearn.studies.plots import RULE_MARKERS

LEAST_APART, LEAST_CONTRAST = 15.0, 2.2
VISION = {  # linear RGB as it is seen: Machado, Oliveira and Fernandes 2009, table 1, severity 1.0
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> np.ndarray:
    srgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """Return CIELAB under D65."""
    xyz = TO_XYZ @ rgb / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def apart(first: str, second: str, vision: str) -> float:
    seen = [lab(np.clip(VISION[vision] @ linear(colour), 0, 1)) for colour in (first, second)]
    return float(np.linalg.norm(seen[0] - seen[1]))


def test_the_distance_is_that_of_cielab():
    assert apart("#000000", "#FFFFFF", "normal") == pytest.approx(100, abs=0.1)
    assert apart("#2ca02c", "#d62728", "deuteranopia") < 20 < 100 < apart("#2ca02c", "#d62728", "normal")


def test_every_rule_of_the_networks_has_a_look():
    assert set(RULE_LOOKS) == {name for name, rule in RULES.items() if Backend.NETWORK in rule.runs_on}


@pytest.mark.parametrize("vision", VISION)
def test_colours_of_rules_are_told_apart(vision):
    for first, second in combinations(RULE_LOOKS, 2):
        assert apart(RULE_LOOKS[first][0], RULE_LOOKS[second][0], vision) >= LEAST_APART, (first, second)


def test_colours_are_seen_on_white_and_looks_differ_without_colour():
    for colour, _, _ in RULE_LOOKS.values():
        assert 1.05 / (float(TO_XYZ[1] @ linear(colour)) + 0.05) >= LEAST_CONTRAST, colour
    for column in (1, 2):
        assert len({look[column] for look in RULE_LOOKS.values()}) == len(RULE_LOOKS)
    assert len(set(RULE_MARKERS.values())) == len(RULE_LOOKS)
    assert set(RULE_MARKERS) == {mark for _, mark, _ in RULE_LOOKS.values()}


def test_names_that_are_no_rules_get_looks_of_their_number():
    assert look_of("bp") == look_of("bp", 5)
    assert look_of("tage", 0) != look_of("tage", 1)


@pytest.mark.parametrize(
    ("places", "wanted"),
    [
        ([0.5], [0.5]),
        ([0.2, 0.8], [0.2, 0.8]),
        ([0.5, 0.5], [0.45, 0.55]),
        ([0.0, 0.0, 0.0], [0.0, 0.1, 0.2]),
        ([1.0, 1.0], [0.9, 1.0]),
        ([0.9, 0.1, 0.9], [0.85, 0.1, 0.95]),
    ],
)
def test_labels_move_apart_and_no_further(places, wanted):
    assert spread(places, 0.1, 0.0, 1.0) == pytest.approx(wanted)


def test_labels_keep_their_order_and_distance_at_random():
    draw = np.random.default_rng(0)
    for n in range(1, 9):
        places = draw.random(n).tolist()
        found = spread(places, 0.1, 0.0, 1.0)
        ordered = [found[k] for k in np.argsort(places, kind="stable")]
        assert all(b - a >= 0.1 - 1e-6 for a, b in pairwise(ordered))
        assert ordered[0] >= -1e-9
        assert ordered[-1] <= 1 + 1e-6
