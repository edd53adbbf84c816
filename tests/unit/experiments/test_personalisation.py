"""Front end and committed network of the spoken digits; results of the study against its bars."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgelearn.data.user_rows import read_user_rows
from edgelearn.runs.start import start_from
from edgelearn.studies.personalise import Protocol, make_user, personalise
from experiments import personalisation, spoken_digits
from hw_models.processor import find_processor

CONTENT = json.loads(personalisation.RESULTS.read_text())
SPEAKERS = CONTENT["speakers"]
AT = SPEAKERS["samples"].index(personalisation.AT) + 1


def mean(name, part="accuracy_percent", k=AT):
    return SPEAKERS["rows"][name][part][k]["mean"]


def test_the_front_end_takes_words_of_any_length_and_gain():
    generator = np.random.default_rng(0)
    word = (1500 * generator.normal(size=5000)).astype(np.int16)
    found = spoken_digits.log_mel(word)
    assert found.shape == (spoken_digits.FRAMES, spoken_digits.BANDS)
    assert found.dtype == np.float32
    assert found.max() == 2.0
    assert found.min() == -2.0  # zeros behind the word
    np.testing.assert_allclose(spoken_digits.log_mel(3 * word), found, atol=1e-2)
    longer = np.concatenate([word, word, word])
    np.testing.assert_array_equal(spoken_digits.log_mel(longer), spoken_digits.log_mel(longer[: spoken_digits.SAMPLES]))
    tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / spoken_digits.RATE)
    band = int(spoken_digits.log_mel((20000 * tone).astype(np.int16))[5].argmax())
    assert pytest.approx(np.fft.rfftfreq(256, 1 / 8000)[spoken_digits.mel_bands()[band].argmax()], abs=60) == 1000


def test_the_committed_network_learns_its_speaker_as_float_sgd_does():
    pytest.importorskip("onnx")
    folder, name = spoken_digits.RESULTS, spoken_digits.DEMONSTRATION
    rows, old = (read_user_rows(folder / f"{name}{part}.npz", None) for part in ("", "-old"))
    start = start_from(folder / f"{name}.onnx", cut="features", x=old.x, classes=personalisation.DIGITS, learn="last")
    found = personalise(
        [make_user(name, start, rows, old)], lambda user: user.start.design(output_rate=-4), Protocol((60,), 3),
        find_processor("cortex-m4"), [-4],
    )  # fmt: skip
    (before, after), (_, in_float) = found.integers.means()[name], found.floats[-4].means()[name]
    assert after > before + 1
    assert abs(after - in_float) < 1
    assert found.integers.means("old")[name][-1] > 95
    assert abs(found.losses[name]["words"] - found.losses[name]["float"]) < 1


@pytest.mark.slow
def test_committed_features_are_those_of_the_front_end_and_the_network(monkeypatch):
    runtime = pytest.importorskip("onnxruntime")
    try:
        words = spoken_digits.Words()
    except SystemExit:
        pytest.skip("needs fsdd/fsdd.npz in a folder of EDGELEARN_DATA")
    import onnx

    folder, name = spoken_digits.RESULTS, spoken_digits.DEMONSTRATION
    model = onnx.load(folder / f"{name}.onnx")
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info("features"))
    session = runtime.InferenceSession(model.SerializeToString())
    own = np.flatnonzero(words.speaker == name)
    spectrograms = np.stack([spoken_digits.log_mel(words[k]) for k in own])[:, None]
    features = session.run(["features"], {"log_mel": spectrograms})[0]
    np.testing.assert_allclose(np.load(folder / f"{name}.npz")["x"], features, atol=1e-3)


def test_integers_are_within_a_point_of_float_sgd():
    assert mean("last layer") > mean("float SGD, last layer") - 1
    assert mean("biases and last layer") > mean("float SGD, biases and last layer") - 1
    best = max(mean(name) for name in SPEAKERS["rows"] if name.startswith("float SGD, both layers"))
    for rule in ("bp", "dfa, imported feedback", "drtp, imported feedback"):
        assert mean(rule) > best - 1


@pytest.mark.parametrize("random", ["drtp, random feedback", "drtp, random feedback, rates of imported"])
def test_imported_feedback_is_two_points_above_random_for_drtp(random):
    assert mean("drtp, imported feedback") > mean(random) + 2


def test_a_gate_with_a_dead_zone_writes_a_fifth_of_the_words_at_a_point():
    always, gated = (SPEAKERS["gates"][name] for name in ("always", "margin 32, dead zone 16"))
    assert always["words_written"] > 5 * gated["words_written"]
    for k in (AT, -1):
        assert gated["accuracy_percent"][k]["mean"] > always["accuracy_percent"][k]["mean"] - 1
