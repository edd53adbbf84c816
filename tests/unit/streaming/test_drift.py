"""What drifts cost and when a learner was back, as plain loops count it; detectors that continue from plain numbers."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelearn.errors import UserError, install
from edgelearn.streaming import drift
from edgelearn.streaming.drift import DETECTORS, Detector, Recovery

pytestmark = pytest.mark.kernel

W, FADING = 5, 0.8
KINDS = [kind for kind in DETECTORS if kind != "none"]
IN_RIVER = {
    "adwin": "river.drift.ADWIN",
    "ddm": "river.drift.binary.DDM",
    "eddm": "river.drift.binary.EDDM",
    "fhddm": "river.drift.binary.FHDDM",
    "hddm-a": "river.drift.binary.HDDMA",
    "hddm-w": "river.drift.binary.HDDMW",
    "kswin": "river.drift.KSWIN",
    "page-hinkley": "river.drift.PageHinkley",
}


def pieces(n, cuts):
    edges = [0, *sorted(min(cut, n) for cut in cuts), n]
    return [slice(a, b) for a, b in pairwise(edges)]


def fed(tracker, positions, errors, parts):
    for part in parts:
        tracker.update(positions[part], errors[part])
    return tracker


def same_bytes(a, b):
    a, b = a.state(), b.state()
    return a.keys() == b.keys() and all(
        a[name].dtype == b[name].dtype and a[name].shape == b[name].shape and a[name].tobytes() == b[name].tobytes()
        for name in a
    )


def rounded(value):
    return None if value is None else round(float(value), 6)


def accuracy(samples):
    return Fraction(sum(not error for _, error in samples), len(samples)) if samples else None


def slow_recovery(points, positions, errors):
    """Every row of the report from the list of all samples, in fractions."""
    faded, s, b = [], 0.0, 0.0
    for error in errors:
        s, b = (not error) + FADING * s, 1 + FADING * b
        faded.append(s / b)
    samples = [(int(at), bool(error)) for at, error in zip(positions, errors, strict=True)]
    bounds = [-1, *points, 10**9]
    segments = [[i for i, (at, _) in enumerate(samples) if a <= at < z] for a, z in pairwise(bounds)]
    rows = []
    for k, point in enumerate(points, start=1):
        here = [samples[i] for i in segments[k]]
        before = accuracy([samples[i] for i in segments[k - 1]][-W:])
        windows = [here[i : i + W] for i in range(len(here) - W + 1)]
        lowest = min((accuracy(window) for window in windows), default=accuracy(here))
        back = [i for i, w in enumerate(windows) if before is not None and accuracy(w) >= Fraction(19, 20) * before]
        rows.append(
            {
                "at": point,
                "scored": len(here),
                "before": rounded(before),
                "lowest": rounded(lowest),
                "drop": None if before is None or lowest is None else rounded(before - lowest),
                "lowest_fading": rounded(min(faded[i] for i in segments[k])) if here else None,
                "recovery_scored": (back[0] + W if back[0] else 0) if back else None,
                "recovery_samples": (here[back[0] + W - 1][0] + 1 - point if back[0] else 0) if back else None,
            }
        )
    return rows, [[samples[i] for i in segment] for segment in segments]


def slow_returns(points, concepts, segments):
    rows = []
    for k in range(2, len(concepts)):
        earlier = [j for j in range(k) if concepts[j] == concepts[k]]
        if not earlier or earlier[-1] == k - 1 or not segments[k]:
            continue
        left, back = accuracy(segments[earlier[-1]][-W:]), accuracy(segments[k][:W])
        rows.append(
            {
                "at": points[k - 1],
                "concept": concepts[k],
                "before": rounded(left),
                "after": rounded(back),
                "forgetting": None if left is None else rounded(left - back),
            }
        )
    return rows


@st.composite
def streams(draw):
    """Scored samples with gaps, drift points anywhere (none, before, beyond, empty segments), concepts that return."""
    points = sorted(draw(st.sets(st.integers(0, 90), max_size=5)))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    positions = np.flatnonzero(rng.random(draw(st.integers(0, 80))) < draw(st.sampled_from([1.0, 0.7])))
    shares = rng.choice([0.0, 0.1, 0.5, 0.9], len(points) + 1)[np.searchsorted(points, positions, side="right")]
    concepts = draw(st.lists(st.integers(0, 1), min_size=len(points) + 1, max_size=len(points) + 1))
    return points, concepts, positions, rng.random(len(positions)) < shares


def near(a, b):
    return len(a) == len(b) and all(x.keys() == y.keys() and all(x[k] == pytest.approx(y[k], abs=2e-6) for k in x) for x, y in zip(a, b, strict=True))  # fmt: skip


@given(streams())
def test_recovery_is_that_of_plain_loops(stream):
    points, concepts, positions, errors = stream
    report = fed(Recovery(points, W, fading=FADING, concepts=concepts), positions, errors, [slice(None)]).as_dict()
    drifts, segments = slow_recovery(points, positions, errors)
    assert near(report["drifts"], drifts), (report["drifts"], drifts)
    assert near(report["returns"], slow_returns(points, concepts, segments))


@given(streams(), st.lists(st.integers(0, 80), max_size=6))
def test_cuts_and_a_saved_state_change_no_byte_of_a_recovery(stream, cuts):
    points, concepts, positions, errors = stream
    parts = pieces(len(positions), cuts)

    def new():
        return Recovery(points, W, fading=FADING, concepts=concepts)

    whole = fed(new(), positions, errors, [slice(None)])
    first = fed(new(), positions, errors, parts[:1])
    saved = first.state()
    assert same_bytes(fed(first, positions, errors, parts[1:]), whole)
    for _ in range(2):  # neither who gave nor who took the state has changed it
        second = new()
        second.restore(saved)
        assert same_bytes(fed(second, positions, errors, parts[1:]), whole)
    assert second.as_dict() == whole.as_dict()


def test_a_drift_by_hand():
    # 10 right; at sample 20 (every second sample is scored) 6 wrong, then all right; no recovery after the second drift.
    errors = np.array([0] * 10 + [1] * 6 + [0] * 10 + [1] * 9, bool)
    recovery = Recovery([20, 52], window=4, concepts=[0, 1, 0])
    recovery.update(np.arange(len(errors)) * 2, errors)
    report = recovery.as_dict()
    first, second = report["drifts"]
    assert (first["before"], first["lowest"], first["drop"]) == (1.0, 0.0, 1.0)
    assert (first["recovery_scored"], first["recovery_samples"]) == (10, 19)
    assert (second["before"], second["recovery_scored"], second["recovery_samples"]) == (1.0, None, None)
    assert report["returns"] == [{"at": 52, "concept": 0, "before": 1.0, "after": 0.0, "forgetting": 1.0}]


@pytest.mark.parametrize(
    ("back", "before", "right", "recovered"),
    [(0.95, 80, 76, 0), (0.95, 80, 75, None), (0.55, 20, 11, 0), (0.55, 20, 10, None)],  # 0.55 * 20 > 11 in float
)
def test_back_is_the_share_exactly(back, before, right, recovered):
    errors = np.concatenate([np.arange(100) >= before, np.arange(100) >= right])
    recovery = Recovery([100], window=100, back=back)
    recovery.update(np.arange(200), errors)
    assert recovery.as_dict()["drifts"][0]["recovery_scored"] == recovered


def test_a_recovery_holds_a_window_and_no_more():
    sizes = set()
    recovery = Recovery([100, 300], W)
    for start in range(0, 2000, 50):
        recovery.update(np.arange(start, start + 50), np.arange(50) % 3 == 0)
        sizes.add(sum(array.nbytes for array in recovery.state().values()))
    assert len(sizes) == 1


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"drift_points": [5, 5]}, "drift points .* do not rise"),
        ({"drift_points": [-1]}, "drift points .* do not rise"),
        ({"drift_points": [5], "concepts": [0]}, "concepts are given for 1 segments"),
        ({"drift_points": [], "window": 0}, "a window of 0"),
        ({"drift_points": [], "fading": 0}, "fading factor 0"),
        ({"drift_points": [], "back": 1.2}, r"share 1\.2"),
    ],
)
def test_impossible_settings_are_refused(wanted, message):
    with pytest.raises(UserError, match=f"^{message}.*give"):
        Recovery(**wanted)


@pytest.mark.parametrize("other", [{"window": 6}, {"back": 0.9}, {"fading": 0.5}, {"drift_points": [4]}])
def test_a_recovery_of_other_settings_is_refused(other):
    wanted = {"drift_points": [3], "window": W}
    with pytest.raises(UserError, match=r"^the state holds drifts of .* continue with the settings"):
        Recovery(**wanted | other).restore(Recovery(**wanted).state())


def bursts(seed, n):
    """Errors whose share changes a few times."""
    rng = np.random.default_rng(seed)
    return rng.random(n) < np.repeat(rng.choice([0.02, 0.3, 0.7], 5), -(-n // 5))[:n]


@pytest.fixture(params=KINDS)
def kind(request):
    pytest.importorskip("river")
    return request.param


@pytest.mark.parametrize("seed", [1, 2])
def test_detections_are_those_of_river(kind, seed):
    from importlib import import_module

    module, name = IN_RIVER[kind].rsplit(".", 1)
    made = getattr(import_module(module), name)
    theirs = made(seed=7) if kind == "kswin" else made()
    errors, expected = bursts(seed, 400 if kind == "kswin" else 3000), []
    for i, error in enumerate(errors):
        theirs.update(int(error))
        if theirs.drift_detected:
            expected.append(10 * i)
    ours = Detector(kind, seed=7)
    ours.update(np.arange(len(errors)) * 10, errors)
    assert ours.as_dict()["detections"] == list(expected)
    assert expected, "a stream without detections shows nothing"


@settings(max_examples=25)
@given(data=st.data())
def test_cuts_and_a_saved_state_change_no_byte_of_a_detector(data):
    pytest.importorskip("river")
    kind = data.draw(st.sampled_from(DETECTORS))
    n = 300 if kind == "kswin" else 2000
    errors, positions, points = bursts(data.draw(st.integers(0, 10**6)), n), np.arange(n), [n // 5, n // 2, 10 * n]
    parts = pieces(n, data.draw(st.lists(st.integers(0, n), max_size=4)))
    whole = fed(Detector(kind, points), positions, errors, [slice(None)])
    first = fed(Detector(kind, points), positions, errors, parts[:1])
    saved = first.state()
    assert same_bytes(fed(first, positions, errors, parts[1:]), whole)
    for _ in range(2):  # neither who gave nor who took the state has changed it
        second = Detector(kind, points)
        second.restore(saved)
        assert same_bytes(fed(second, positions, errors, parts[1:]), whole)
    assert second.as_dict() == whole.as_dict()


def test_every_detector_continues_from_every_place(kind):
    n, step = (260, 40) if kind == "kswin" else (1500, 60)
    errors, positions = bursts(3, n), np.arange(n)
    whole = fed(Detector(kind), positions, errors, [slice(None)])
    for cut in range(0, n + 1, step):
        second = Detector(kind)
        second.restore(fed(Detector(kind), positions, errors, [slice(0, cut)]).state())
        assert same_bytes(fed(second, positions, errors, [slice(cut, None)]), whole), cut


class Scripted:
    """A detector that sees a drift wherever there is an error."""

    drift_detected = False

    def update(self, error):
        self.drift_detected = error == 1


def scripted(monkeypatch, points, detections, n):
    monkeypatch.setattr(drift, "_make", lambda kind, seed: Scripted())
    detector = Detector("adwin", points)
    detector.update(np.arange(n), np.isin(np.arange(n), detections))
    return detector


def test_delays_misses_and_false_alarms_by_hand(monkeypatch):
    report = scripted(monkeypatch, [10, 20, 30, 99], [4, 10, 15, 33, 34], 50).as_dict()
    assert report["drifts"] == [
        {"at": 10, "detected": 10, "delay": 0},
        {"at": 20, "detected": None, "delay": None},
        {"at": 30, "detected": 33, "delay": 3},
    ]  # the stream ended before 99
    assert (report["missed"], report["false_alarms"], report["n_detections"]) == (1, 3, 5)
    assert report["detections"] == [4, 10, 15, 33, 34]
    assert json.loads(json.dumps(report)) == report


def test_detections_beyond_the_cap_are_counted_and_judged(monkeypatch):
    monkeypatch.setattr(drift, "MOST_DETECTIONS", 3)
    detector = scripted(monkeypatch, [40], [1, 2, 3, 4, 45], 50)
    assert detector.as_dict()["detections"] == [1, 2, 3]
    assert detector.n_detections == 5
    assert detector.as_dict()["drifts"] == [{"at": 40, "detected": 45, "delay": 5}]


def test_none_finds_nothing_and_needs_no_river():
    code = (
        "import sys; sys.modules['river'] = None\n"
        "import numpy as np; from edgelearn.streaming.drift import Detector; from edgelearn.errors import UserError\n"
        "d = Detector('none', [3]); d.update(np.arange(9), np.ones(9, bool)); e = Detector('none', [3])\n"
        "e.restore(d.state()); print(e.as_dict()['missed'], e.n_detections)\n"
        "try: Detector('adwin')\n"
        "except UserError as error: print(error)\n"
        "print('scipy' in sys.modules, 'sklearn' in sys.modules)"
    )
    lines = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines == [
        "1 0",
        f"drift detector 'adwin' needs river; run `{install('streams', 'river')}`",
        "False False",
    ]


def test_an_unknown_detector_is_refused():
    with pytest.raises(UserError, match=r"^drift detector 'adwim' is not known.*Did you mean 'adwin'"):
        Detector("adwim")


@pytest.mark.parametrize("other", [{"kind": "ddm"}, {"seed": 1}, {"drift_points": [3]}])
def test_a_detector_of_other_settings_is_refused(other):
    pytest.importorskip("river")
    with pytest.raises(UserError, match=r"^the state holds a drift detector of .* continue with the settings"):
        Detector(**{"kind": "adwin"} | other).restore(Detector("adwin").state())


SPRUNG = []


def spring():
    SPRUNG.append(1)


class Trap:
    """What a pickle would call when it is loaded."""

    def __reduce__(self):
        return spring, ()


def with_state(kind, change):
    state = Detector(kind).state()
    packed = json.loads(state["detector"].tobytes())
    packed["state"] = change(packed["state"])
    return state | {"detector": np.frombuffer(json.dumps(packed).encode(), np.uint8)}


def test_a_foreign_class_in_a_state_is_refused():
    pytest.importorskip("river")
    detector = Detector("ddm")
    for content in (pickle.dumps(Trap()), pickle.dumps(detector._detector), b"", b"[]", b"{}", b"\xff\xfe"):
        with pytest.raises(UserError, match=r"^the state of drift detector 'ddm' does not fit .* river it began with"):
            detector.restore(detector.state() | {"detector": np.frombuffer(content, np.uint8)})
    assert SPRUNG == []
    pickle.loads(pickle.dumps(Trap()))
    assert SPRUNG == [1], "the trap works"


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (
            "ddm",
            lambda state: state | {"_p": {"__class__": "os.system", "n": 1}},
        ),  # another class in the place of a mean
        ("ddm", lambda state: state | {"update": "os.system"}),  # an attribute more
        ("ddm", lambda state: {name: state[name] for name in state if name != "_p"}),  # one less
        ("ddm", lambda state: state | {"warm_start": {"a": 1}}),  # no plain value
        ("ddm", lambda state: state | {"_p": 3}),
        ("page-hinkley", lambda state: state | {"_test_drift": "eval"}),  # a method by name
        ("kswin", lambda state: state | {"window": [[1]]}),
        ("kswin", lambda state: state | {"window": 4}),
        ("kswin", lambda state: state | {"_rng": [3, [1, 2], None]}),
        ("adwin", lambda state: state | {"_helper": "no hex"}),
        ("adwin", lambda state: state | {"_helper": state["_helper"][:20]}),  # river's own code panics here
        ("adwin", lambda state: None),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(kind, change):
    pytest.importorskip("river")
    detector, whole = Detector(kind), Detector(kind)
    errors = bursts(1, 90)
    detector.update(np.arange(90), errors)
    with pytest.raises(UserError, match=rf"^the state of drift detector '{kind}' does not fit"):
        detector.restore(with_state(kind, change))
    whole.update(np.arange(90), errors)
    assert same_bytes(detector, whole)
