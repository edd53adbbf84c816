"""Words of the arithmetic contract, sections 1, 3, 6 and 7, one small function each, in plain integers."""

import math

GOLDEN = 0x9E3779B1  # 2^32 / golden ratio, the multiplier of section 6
MASK_32 = (1 << 32) - 1
LARGEST_SHIFT = 31


# --- section 1: primitives ---------------------------------------------------------------------------------


def shr(x: int, s: int) -> int:
    """floor(x / 2^s)."""
    if not 0 <= s <= LARGEST_SHIFT:
        raise ValueError(f"shift {s} is outside 0..{LARGEST_SHIFT}")
    return x // (1 << s)


def rn(x: int, s: int) -> int:
    """Round x / 2^s half up, once; a negative s is an exact left shift."""
    if s > 0:
        return shr(x + (1 << (s - 1)), s)
    return x * (1 << -s)


def is_tie(x: int, s: int) -> bool:
    """True when rn(x, s) discards exactly one half."""
    return s > 0 and x % (1 << s) == 1 << (s - 1)


def sat(x: int, lo: int, hi: int) -> int:
    return min(max(x, lo), hi)


def rdiv(a: int, b: int) -> int:
    """a / b rounded half up, b > 0."""
    return (2 * a + b) // (2 * b)


def sat16(x: int) -> int:
    """The modulator's range is symmetric: -32768 does not occur."""
    return sat(x, -32767, 32767)


def rint(x: float) -> int:
    """Nearest integer, ties to even: exactly Python's round()."""
    return round(x)


def sign(x: int) -> int:
    return (x > 0) - (x < 0)


def wrap(x: int, bits: int) -> int:
    """The low `bits` bits of x, read as two's complement."""
    low = x % (1 << bits)
    return low - (1 << bits) if low >= 1 << (bits - 1) else low


# --- section 3: activations and outputs --------------------------------------------------------------------


def one_of_activation(activation: str) -> int:
    """The raw word of 1.0 of a hidden activation."""
    return {"tanh": 127, "hard-tanh": 127, "quadratic-tanh": 127, "relu": 32, "leaky": 32}[activation]


def scale_of_activation(activation: str) -> int:
    """The binary scale A of an activation: 7 where 1.0 is 127, 5 where it is 32."""
    return 7 if one_of_activation(activation) == 127 else 5


def activate(activation: str, q: int) -> tuple[int, int]:
    """(y, g) for the index q. The piecewise functions divide by powers of two, so their ties are exact."""
    u = q / 32
    if activation == "tanh":
        return rint(127 * math.tanh(u)), rint(127 * (1 - math.tanh(u) ** 2))
    if activation == "hard-tanh":
        return rint(127 * min(max(u, -1.0), 1.0)), 127 if abs(u) < 1 else 0
    if activation == "quadratic-tanh":
        t = min(max(u / 2, -1.0), 1.0)
        return rint(127 * t * (2 - abs(t))), rint(127 * (1 - abs(t)))
    if activation == "relu":
        return max(q, 0), 127 if q > 0 else 0
    if activation == "leaky":
        return (q, 127) if q > 0 else (rint(q / 20), rint(127 / 20))
    raise ValueError(f"activation '{activation}' is not known")


def sigmoid(q: int) -> int:
    return rint(255 / (1 + math.exp(-q / 16)))


def softmax(indices: list[int]) -> list[int]:
    largest = max(indices)
    exponentials = []
    for q in indices:
        t = largest - q
        exponentials.append(rint(2**15 * math.exp(-t / 16)))
    total = sum(exponentials)
    return [(255 * term + total // 2) // total for term in exponentials]


# --- section 5: one step in LSB of the stored word, before it is added --------------------------------------


def nearest_step(product: int, k: int, largest: int) -> tuple[int, bool]:
    """(v, was it cut) for product = -x d."""
    rounded = rn(product, k)
    return sat(rounded, -largest, largest), abs(rounded) > largest


def stochastic_step(product: int, k: int, largest: int, rand8: int) -> tuple[int, bool]:
    """(v, was it cut): eight fraction bits are kept and decide, against rand8, whether v is one LSB more."""
    rounded = rn(product, min(k - 8, 30))
    fine = sat(rounded, -256 * largest, 256 * largest)
    whole = shr(fine, 8)
    fraction = fine - 256 * whole
    return whole + (1 if rand8 < fraction else 0), fine != rounded


# --- section 6: random bits --------------------------------------------------------------------------------


def xorshift32(state: int) -> int:
    """The state after one step, which is also the draw."""
    state ^= (state << 13) & MASK_32
    state ^= state >> 17
    state ^= (state << 5) & MASK_32
    return state


def initial_rng_state(seed: int) -> int:
    state = (seed * GOLDEN + 0x7F4A7C15) % (1 << 32)
    return state if state != 0 else 1


def key_byte(neuron: int) -> int:
    """Bits 24..31 of the neuron's key; neurons count from 0."""
    return ((neuron + 1) * GOLDEN % (1 << 32)) >> 24


def random_byte(draw: int, neuron: int) -> int:
    """rand8 of one neuron: its byte of the draw, xor its key."""
    byte = (draw >> (8 * (neuron % 4))) & 0xFF
    return byte ^ key_byte(neuron)


# --- section 7: regenerated feedback -----------------------------------------------------------------------


def galois_step(state: int) -> tuple[int, int]:
    """(output bit, next state) of the 16-bit register."""
    out = state & 1
    state >>= 1
    if out:
        state ^= 0xB400
    return out, state


def lfsr_row(row: int, columns: int, layer: int, seed: int, non_negative: bool) -> list[int]:
    """Row `row` (from 0) of the ternary feedback matrix of layer `layer` (from 1)."""
    state = 1 + ((row + 1) * 40503 + layer * 10007 + seed) % 65535
    entries = []
    for _ in range(columns):
        present, state = galois_step(state)
        negative, state = galois_step(state)
        if not present:
            entries.append(0)
        elif negative and not non_negative:
            entries.append(-127)
        else:
            entries.append(127)
    return entries


def half_up(x: int, shift: int) -> int:
    """rn without a limit of the shift: initial words are made once, in integers of any length."""
    return (2 * x + 2**shift) // 2 ** (shift + 1)


def bit_length(x: int) -> int:
    """Digits of x >= 0 in base two; none for 0."""
    digits = 0
    while x:
        x, digits = x // 2, digits + 1
    return digits


def imported_exponent(weights: list[list[float]], biases: list[float], bits: int) -> int:
    """e of a layer trained elsewhere (section 7): E or E - 1, whichever view words come closer."""
    values = [x for row in weights for x in row] + list(biases)
    least = -8
    while 2.0**least < max(abs(x) for x in values):
        least += 1

    def error(e: int) -> float:
        step = 2.0 ** (e - (bits - 1))
        words = [min(max(math.floor(x / step + 0.5), -(2 ** (bits - 1))), 2 ** (bits - 1) - 1) for x in values]
        return math.fsum((word * step - x) ** 2 for word, x in zip(words, values, strict=True))

    return least - 1 if least > -8 and error(least - 1) < error(least) else least


def imported_feedback(
    views: list[list[list[int]]], exponents: list[int], bits: int, k: int, signal: str, layerwise: bool
) -> tuple[list[list[int]], int]:
    """B and f of hidden layer k (from 1), from the views of layers 1..K (section 7): a sum over all paths."""
    last = k + 1 if layerwise else len(views)
    product, worth = [list(row) for row in views[k]], exponents[k] - (bits - 1)
    for layer in range(k + 1, last):  # from below: the product of matrices has any order
        inner = range(len(product))
        product = [[sum(row[i] * product[i][j] for i in inner) for j in range(len(product[0]))] for row in views[layer]]
        worth += exponents[layer] - (bits - 1)
    largest = max(abs(word) for row in product for word in row)
    if signal == "target":
        shift = max(bit_length(largest - 1) if largest else 0, -worth)
        return [[half_up(-127 * word, shift) for word in row] for row in product], 0
    shift = max(bit_length(largest - 1) if largest else 0, -15 - worth)
    return [[half_up(127 * word, shift) for word in row] for row in product], shift + worth if largest else 0
