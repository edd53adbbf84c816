"""Delayed-xor streams: one branch is a function of two or three earlier ones, interleaved with random branches.

An iteration is A, B, q noise branches X and C; all but C are fair coins. C is A xor B, or another of `FUNCTIONS`. No
single layer learns xor, and a table that hashes the context needs about 2**q entries for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgelearn.errors import UserError, unknown

ANSWERS = {  # N is the first noise branch
    "xor": "A xor B",
    "and": "A and B",
    "mux": "B if A else N",
    "xor3": "A xor B xor N",
}
FUNCTIONS = tuple(ANSWERS)
FIRST_PC, PC_STEP = 64, 16
MOST_BRANCHES = 1 << 28  # 7 bytes each
DRAWN = 1 << 16  # iterations drawn at a time


@dataclass(frozen=True)
class SyntheticStream:
    """Branches, and which of them are answers.

    Parameters
    ----------
    pc : uint32[n]; taken : uint8[n]
    answers : bool[n], where C is; scored : bool[n], where C of the second half of the iterations is
    """

    pc: np.ndarray
    taken: np.ndarray
    answers: np.ndarray
    scored: np.ndarray


def synthetic_stream(function: str, noise: int, iterations: int, seed: int) -> SyntheticStream:
    """Return iterations of A, B, noise branches and the answer C; branch k of an iteration is at 64 + 16 k.

    Parameters
    ----------
    function : a name of `FUNCTIONS`; noise : noise branches of an iteration

    Raises
    ------
    UserError : an unknown function, no noise branch where the function needs one, no iterations, or too many
    """
    if function not in FUNCTIONS:
        raise unknown("function of a stream", function, FUNCTIONS)
    least = 1 if function in ("mux", "xor3") else 0
    if noise < least:
        raise UserError(f"{noise} noise branches are too few for {function}, which reads the first; give 1 or more")
    if iterations < 1:
        raise UserError(f"{iterations} iterations make no stream; give 1 or more")
    if iterations * (noise + 3) > MOST_BRANCHES:
        raise UserError(
            f"{iterations:,} iterations of {noise + 3} branches are more than {MOST_BRANCHES:,}; "
            f"give {MOST_BRANCHES // (noise + 3):,} iterations or fewer"
        )
    draw = np.random.default_rng(seed)
    taken = np.empty((iterations, noise + 3), np.uint8)
    taken[:, 0], taken[:, 1] = draw.integers(0, 2, iterations), draw.integers(0, 2, iterations)
    for start in range(0, iterations, DRAWN):  # a draw has eight bytes
        part = taken[start : start + DRAWN, 2:-1]
        part[:] = draw.integers(0, 2, part.shape)
    a, b, c = taken[:, 0], taken[:, 1], taken[:, -1]
    if function == "xor":
        c[:] = a ^ b
    elif function == "and":
        c[:] = a & b
    elif function == "mux":
        c[:] = np.where(a, b, taken[:, 2])
    else:
        c[:] = a ^ b ^ taken[:, 2]
    pc = np.tile(np.arange(FIRST_PC, FIRST_PC + PC_STEP * (noise + 3), PC_STEP, dtype=np.uint32), iterations)
    answers = np.zeros(taken.shape, bool)
    answers[:, -1] = True
    scored = answers.copy()
    scored[: iterations // 2] = False
    return SyntheticStream(pc, taken.reshape(-1), answers.reshape(-1), scored.reshape(-1))
