"""Anomaly detector of the C core: its settings as constants, its memory, its bytes in a checkpoint."""

from __future__ import annotations

import numpy as np

from edgelearn.errors import UserError
from edgelearn.network.kernels import detector_tables as d
from edgelearn.network.spec import NetworkSpec
from edgelearn.streaming.detector import AnomalyDetector, DetectorSpec

MOST_ROWS = 2**32 - 1  # a count of rows ends here


def check_detector(detector: DetectorSpec) -> None:
    """Refuse a detector that the C core does not hold.

    Raises
    ------
    UserError
        "... rows of the phases train and threshold ..."
    """
    rows = detector.train_rows + detector.threshold_rows
    if rows >= MOST_ROWS:
        raise UserError(
            f"{rows:,} rows of the phases train and threshold are too many for the C core; at most 2^32 - 2"
        )


def score_bits(spec: NetworkSpec, detector: DetectorSpec) -> int:
    """Return the bits of the largest smoothed score, which has 8 fraction bits."""
    lowest, highest = (-512, 511) if spec.output == "linear" else (0, 255)
    error = max(highest - spec.target_range[0], spec.target_range[1] - lowest)
    most = spec.n_outputs * (error**2 if detector.score == "squared" else error)
    return (min(most, d.MOST_SCORE) << 8).bit_length()


def n_kept(detector: DetectorSpec) -> int:
    """Return the scores that the threshold phase keeps."""
    return 0 if detector.threshold == "deviation" else detector.n_kept


def n_levels(detector: DetectorSpec) -> int:
    """Return the places of 64 bits: limit and base, or limit, mean, deviation and the sums of both."""
    return 5 if detector.threshold == "deviation" else 2


def score_bytes(spec: NetworkSpec, detector: DetectorSpec) -> int:
    """Return the bytes of a smoothed score."""
    return 4 if score_bits(spec, detector) <= 31 else 8


def numbers(spec: NetworkSpec, detector: DetectorSpec) -> dict[str, int | str]:
    """Return the constants of el_config.h, without their prefix."""
    check_detector(detector)
    return {
        "DETECTOR": 1,
        "SCORE_BITS": score_bits(spec, detector),
        "SQUARED": int(detector.score == "squared"),
        "SMOOTHING": f"{detector.smoothing}U",
        "TRAIN_ROWS": f"{detector.train_rows}UL",
        "THRESHOLD_ROWS": f"{detector.threshold_rows}UL",
        "DEVIATIONS": int(detector.threshold == "deviation"),
        "KEPT": f"{n_kept(detector)}U",
        "QUANTILE": f"{detector.quantile}U",
        "FACTOR": detector.factor,
        "FOLLOW": f"{detector.follow}U",
        "LEARN_WHILE": f"EL_LEARN_{detector.learn_while.upper()}",
    }


def fields(spec: NetworkSpec, detector: DetectorSpec) -> list[tuple[str, str, int, int]]:
    """Return name, role, size and number of the fields of el_detector, in their order."""
    size = score_bytes(spec, detector)
    return [
        ("detector.level", "state", 8, n_levels(detector)),
        ("detector.smoothed", "state", size, 1),
        ("detector.kept", "state", size, n_kept(detector)),
        *((f"detector.{name}", "state", 4, 1) for name in ("rows", "alarms", "saturated", "n_kept")),
    ]


def checkpoint_bytes(spec: NetworkSpec, detector: DetectorSpec) -> int:
    """Return the bytes of a detector in a checkpoint."""
    words = 4 + 2 * n_levels(detector) + (1 + n_kept(detector)) * score_bytes(spec, detector) // 4
    return 4 * words


def checkpoint(spec: NetworkSpec, detector: AnomalyDetector) -> bytes:
    """Return the state of a detector as el_checkpoint_out writes it."""
    state, settings = detector.state, detector.spec
    counts = np.array([min(state[d.ROWS], MOST_ROWS), state[d.ALARMS], state[d.SATURATED]], "<u4")
    n, levels = n_kept(settings), [d.LIMIT, d.BASE]
    if settings.threshold == "deviation":
        levels = [d.LIMIT, d.MEAN, d.DEVIATION, d.SUM, d.SPREAD]
    kind = "<i4" if score_bytes(spec, settings) == 4 else "<i8"
    kept = np.array([min(state[d.N_KEPT], n)], "<u4").tobytes()
    scores = np.concatenate([state[[d.SMOOTHED]], detector.kept[:n]])
    return counts.tobytes() + kept + state[levels].astype("<i8").tobytes() + scores.astype(kind).tobytes()
