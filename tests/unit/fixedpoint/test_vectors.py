"""Every operation on vectors gives the bits of its NumPy twin."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from edgelearn.fixedpoint.vectors import plain_operations, target_has, vector_operations

COMMON = [
    "zero_{kind}()",
    "splat_{kind}(n)",
    *(f"{name}_{{kind}}({{x}}, {{y}})" for name in ("add", "subtract", "multiply", "min", "max", "and", "or", "xor")),
    *(f"{name}_{{kind}}({{x}}, {{y}})" for name in ("equal", "differ", "below")),
    *(f"shift_{way}_{{kind}}({{x}}, {count})" for way in ("left", "right") for count in (0, 3, "n")),
]
RESULTS = {
    "out_words": [
        *(one.format(kind="words", x="x", y="y") for one in COMMON),
        "add_saturating_words(x, y)",
        "multiply_high_words(x, y)",
        "below_bytes(a, b)",
        "widen_bytes(a)",
        "widen_signed_bytes(a)",
        "narrow_sums(u)",
        "look_up_words(table, 1, positions, 1)",
        "splat_twos(16909060 * n)",
        *(f"multiply_views(x, {level})" for level in (0, 1, 31, 255)),
        *(f"multiply_views_shifted(x, {level << 8})" for level in (0, 1, 31, 127)),
    ],
    "out_sums": [
        *(one.format(kind="sums", x="u", y="v") for one in COMMON),
        "widen_words(x)",
        "shift_lanes_right_unsigned_sums(u, and_sums(v, splat_sums(31)))",
        "multiply_rows(x, y, n, -3)",
        "multiply_four_rows(x, y, y, x, n, -3, 255, 127)",
    ],
    "out_doubled": ["interleave_words(x, y)"],
    "out_bytes": ["a", "narrow_words(x)", "xor_bytes(a, b)", "splat_fours(16909060 * n)"],
    "masks": ["nonzero_words(x)", "nonzero_bytes(a)", "clear_lowest_bit(nonzero_bytes(b))"],
    "numbers": [
        "total_words(x)",
        "total_sums(u)",
        "total_pairs(add_pairs(zero_pairs(), x, y))",
        "total_pairs(sum_pairs(add_pairs(zero_pairs(), x, y), add_pairs(zero_pairs(), y, y)))",
        "largest_word(x)",
        "any_words(x)",
        "any_words(zero_words()) + 2 * any_words(splat_words(n))",
        "count_bits(nonzero_bytes(a))",
        "lowest_bit(nonzero_bytes(a))",
        "lowest_bit(nonzero_words(zero_words()))",
        "highest_bit(nonzero_bytes(a))",
        "highest_bit(nonzero_words(zero_words()))",
    ],
}


def source():
    """Return the text of a kernel that stores the result of every operation."""
    lines = [
        f"def kernel(words, sums, octets, table, positions, n, {', '.join(RESULTS)}):",
        "x, y = load_words(words, 0, 1), load_words(words, 1, 1)",
        "u, v = load_sums(sums, 0, 0), load_sums(sums, 1, 1)",
        "a, b = load_bytes(octets, 0, 0), load_bytes(octets, 1, 1)",
    ]
    for array, expressions in RESULTS.items():
        for row, expression in enumerate(expressions):
            if array in ("masks", "numbers"):
                lines.append(f"{array}[{row}] = {expression}")
            else:
                lines.append(f"store_{array[4:]}({array}, {row}, 1, {expression})")
    lines += ["expect_words(words, 1, 1)", "expect_bytes(octets, 1, 1)", "expect_entry(numbers, 1)"]
    return "\n    ".join(lines)


def kernel(operations, doubled):
    namespace = dict(vars(operations)) | {"store_doubled": doubled.store_words}
    exec(source(), namespace)
    return namespace["kernel"]


def run(function, lanes, seed):
    """Return all results for random vectors with the extremes of their types among them."""
    generator = np.random.default_rng(seed)
    words = generator.integers(-32768, 32768, (2, lanes + 1)).astype(np.int16)
    sums = generator.integers(-(2**31), 2**31, (2, lanes + 1)).astype(np.int32)
    octets = generator.integers(0, 256, (2, lanes + 1)).astype(np.uint8)
    for array, extremes in ((words, (-32768, 32767, 0)), (sums, (-(2**31), 2**31 - 1, 0)), (octets, (0, 255, 127))):
        array[generator.random(array.shape) < 0.3] = extremes[seed % 3]
    words[1, ::5], sums[1, ::5] = words[0, ::5], sums[0, ::5]
    types = {
        "out_words": np.int16,
        "out_sums": np.int32,
        "out_doubled": np.int16,
        "out_bytes": np.uint8,
        "masks": np.uint64,
        "numbers": np.int64,
    }
    out = {
        name: np.zeros(
            len(expressions) if name in ("masks", "numbers") else (len(expressions), 2 * lanes + 2), types[name]
        )
        for name, expressions in RESULTS.items()
    }
    table, positions = generator.integers(-32768, 32768, (2, 256)), generator.integers(0, 256, (2, lanes))
    function(words, sums, octets, table.astype(np.int16), positions.astype(np.int16), 7 * seed % 16, *out.values())
    return out


@pytest.mark.parametrize(("lanes", "portable"), [(8, False), (32, False), (64, True)])
def test_compiled_and_plain_operations_agree(lanes, portable):
    compiled = kernel(vector_operations(lanes, portable), vector_operations(2 * lanes))
    if not numba.config.DISABLE_JIT:
        compiled = numba.njit(error_model="numpy", boundscheck=False)(compiled)
    plain = kernel(plain_operations(lanes), plain_operations(2 * lanes))
    for seed in range(30):
        expected = run(plain, lanes, seed)
        for name, results in run(compiled, lanes, seed).items():
            np.testing.assert_array_equal(results, expected[name], name)


def test_every_operation_is_compared():
    text = source()
    untested = [name for name in vars(plain_operations(32)) if f"{name}(" not in text]
    assert not untested


def test_plain_operations_by_hand():
    """The twins agree with numbers that need no code to know."""
    p = plain_operations(16)
    x, y = np.full(16, 30000, np.int16), np.full(16, -300, np.int16)
    assert p.add_words(x, x)[0] == 60000 - 65536
    assert p.load_words(np.arange(40, dtype=np.int16).reshape(4, 10), 1, 4).tolist() == list(range(14, 30))
    assert p.add_saturating_words(x, x)[0] == 32767
    assert p.multiply_views(x, 2)[0] == 2 * (30000 // 256)
    assert p.multiply_views(y, 255)[0] == 255 * -2
    assert p.multiply_high_words(x, y)[0] == -275  # -274.66
    assert p.shift_right_words(y, 1)[0] == -150
    assert p.below_words(y, x)[0] == -1
    assert p.total_words(x) == 480000
    assert p.total_pairs(p.add_pairs(p.zero_pairs(), x, y)) == -9000000 * 16
    assert p.nonzero_words(np.arange(16, dtype=np.int16) % 2) == 0xAAAA
    assert (p.lowest_bit(8), p.highest_bit(9), p.clear_lowest_bit(12)) == (3, 3, 8)
    assert p.shift_lanes_right_unsigned_sums(np.full(16, -1, np.int32), np.arange(16, dtype=np.int32))[4] == 2**28 - 1


@pytest.mark.parametrize(
    ("features", "expected"), [("+avx2,-avx512bw", True), ("-avx2", False), ("", False), ("+sse2", False)]
)
def test_features_are_those_of_the_target(monkeypatch, features, expected):
    monkeypatch.setattr(numba.config, "CPU_FEATURES", features)
    target_has.cache_clear()
    try:
        assert target_has("avx2") == expected
    finally:
        target_has.cache_clear()


def test_no_avx_where_numba_is_told_to_leave_it_out(monkeypatch):
    monkeypatch.setattr("numba.config.ENABLE_AVX", 0, raising=False)
    monkeypatch.setattr("numba.config.CPU_FEATURES", None)
    assert not target_has.__wrapped__("avx2")
