"""The loop over branches of TAGE: tagged tables of longer and longer histories over a bimodal table."""

from __future__ import annotations

import numpy as np

from edgelearn.branch.kernels.counters import counted
from edgelearn.branch.kernels.generator import drawn
from edgelearn.branch.kernels.history import pushed
from edgelearn.fixedpoint.lanes import compiled, inlined
from edgelearn.fixedpoint.vectors import vector_operations

# registers
AT, USE_ALTERNATE, TICK, RANDOM, WRITTEN = range(5)
# rows of a matrix with a column per table: histories folded to index, tag and tag - 1 bits; 1 << length % bits of the
# same; shift of the address; first entry; bit of the table in its group; entry and tag of the branch
FOLDED_INDEX, FOLDED_TAG, FOLDED_SHORT, TURN_INDEX, TURN_TAG, TURN_SHORT, SHIFT, FIRST, BIT, PLACE, WANTED = range(11)
GROUP = 8  # tables side by side in a vector

_v = vector_operations(GROUP)
_load, _store, _splat, _zero = _v.load_sums, _v.store_sums, _v.splat_sums, _v.zero_sums
_add, _and, _xor, _differ = _v.add_sums, _v.and_sums, _v.xor_sums, _v.differ_sums
_shift_right, _shift_lanes_right = _v.shift_right_sums, _v.shift_lanes_right_unsigned_sums
_highest_bit = _v.highest_bit
TICKS = 1024  # failed allocations that halve all useful counters
NO_TAG = -1  # matches nothing


@inlined
def counted3(counter, outcome):  # type: ignore[no-untyped-def]
    """Return a signed 3-bit counter one step nearer to an outcome, 0 or 1."""
    return min(max(counter + 2 * outcome - 1, -4), 3)


@inlined
def counted4(counter, outcome):  # type: ignore[no-untyped-def]
    """Return a 4-bit counter one step nearer to an outcome, 0 or 1."""
    return min(max(counter + 2 * outcome - 1, 0), 15)


@inlined
def places_of(address, folded, shift, first, mask):  # type: ignore[no-untyped-def]
    """Return the entries of a branch in a group of tables; `address` in all lanes."""
    return _add(first, _and(_xor(address, _xor(_shift_lanes_right(address, shift), folded)), mask))


@inlined
def tags_of(address, folded_tag, folded_short, mask):  # type: ignore[no-untyped-def]
    """Return the tags of a branch in a group of tables."""
    return _and(_xor(address, _xor(folded_tag, _add(folded_short, folded_short))), mask)


@inlined
def leaving(window, at, lengths, first, bits):  # type: ignore[no-untyped-def]
    """Return -1 in each lane of a group whose history has just lost a taken branch; `bits` as in row BIT."""
    taken = np.int64(0)
    for k in range(first, min(first + GROUP, lengths.shape[0])):
        taken |= ((np.int64(window[at + lengths[k]]) + 1) >> 1) << (k - first)
    return _differ(_and(_splat(np.int32(taken)), bits), _zero())


@inlined
def refolded(folded, outcome, left, turn, width, mask):  # type: ignore[no-untyped-def]
    """Return histories folded to `width` bits after one more outcome: `history.folded` of a group of tables.

    Parameters
    ----------
    outcome : 0 or 1 in all lanes; left : see `leaving`; turn : 1 << length % width; mask : width bits
    """
    folded = _xor(_add(_add(folded, folded), outcome), _and(left, turn))
    return _and(_xor(folded, _shift_right(folded, width)), mask)


@compiled
def run_tage(  # type: ignore[no-untyped-def]
    pc,
    taken,
    predicted,
    bimodal,
    counter,
    tag,
    useful,
    table_bits,
    tag_bits,
    lengths,
    folds,
    window,
    registers,
    columns,
):
    """Predict and learn a block; return how many were mispredicted.

    Parameters
    ----------
    pc : uint32[n]; taken : uint8[n]; predicted : uint8[n] or of no entries
    bimodal : uint8[2^b]; counter, tag, useful : int8, int32, uint8 [T * 2^table_bits], tables one after another
    lengths : int64[T], rising; folds : int64[T, 3], the history in table_bits, tag_bits and tag_bits - 1 bits
    window : int8, of a history of the longest length
    registers : int64[5], see the names above
    columns : int32[11, C], rows as named above; the folded histories of the first group stay in registers
    """
    at, use_alternate, tick = registers[AT], registers[USE_ALTERNATE], registers[TICK]
    random, written = registers[RANDOM], registers[WRITTEN]
    tables, kept = lengths.shape[0], lengths[lengths.shape[0] - 1]
    last, width = tables - 1, columns.shape[1]
    index_bits, longer, shorter = np.int32(table_bits), np.int32(tag_bits), np.int32(tag_bits - 1)
    index_mask, tag_mask = _splat(np.int32((1 << table_bits) - 1)), _splat(np.int32((1 << tag_bits) - 1))
    short_mask = _splat(np.int32((1 << (tag_bits - 1)) - 1))
    for k in range(tables):
        columns[FOLDED_INDEX, k], columns[FOLDED_TAG, k], columns[FOLDED_SHORT, k] = (
            folds[k, 0],
            folds[k, 1],
            folds[k, 2],
        )
    shift, first, bits = _load(columns, SHIFT, 0), _load(columns, FIRST, 0), _load(columns, BIT, 0)
    turn_index, turn_tag = _load(columns, TURN_INDEX, 0), _load(columns, TURN_TAG, 0)
    turn_short = _load(columns, TURN_SHORT, 0)
    folded_index, folded_tag = _load(columns, FOLDED_INDEX, 0), _load(columns, FOLDED_TAG, 0)
    folded_short = _load(columns, FOLDED_SHORT, 0)
    look = predicted.shape[0] > 0
    misses = np.int64(0)
    for i in range(pc.shape[0]):
        address, outcome = np.int64(pc[i]), np.int64(taken[i])
        base = address & (bimodal.shape[0] - 1)
        own_address = _splat(np.int32(pc[i]))
        _store(columns, PLACE, 0, places_of(own_address, folded_index, shift, first, index_mask))
        _store(columns, WANTED, 0, tags_of(own_address, folded_tag, folded_short, tag_mask))
        for j in range(GROUP, width, GROUP):
            folded = _load(columns, FOLDED_INDEX, j)
            entries = places_of(own_address, folded, _load(columns, SHIFT, j), _load(columns, FIRST, j), index_mask)
            _store(columns, PLACE, j, entries)
            folded, short = _load(columns, FOLDED_TAG, j), _load(columns, FOLDED_SHORT, j)
            _store(columns, WANTED, j, tags_of(own_address, folded, short, tag_mask))
        hits = np.uint64(0)
        for k in range(tables):
            hits |= np.uint64(tag[columns[PLACE, k]] == columns[WANTED, k]) << np.uint64(k)
        hit = _highest_bit(hits)
        other = -1
        if hit >= 0:
            other = _highest_bit(hits ^ (np.uint64(1) << np.uint64(hit)))
        below = np.int64(bimodal[base]) >> 1
        alternate = np.int64(counter[columns[PLACE, other]] >= 0) if other >= 0 else below
        guess = alternate
        weak = False
        if hit >= 0:
            place = np.int64(columns[PLACE, hit])
            strength = np.int64(counter[place])
            own = np.int64(strength >= 0)
            weak = (strength == 0 or strength == -1) and useful[place] == 0
            if not (weak and use_alternate >= 8):
                guess = own
            if weak and own != alternate:
                use_alternate = counted4(use_alternate, np.int64(alternate == outcome))
        else:
            place, strength, own = base, np.int64(0), below
        misses += guess ^ outcome
        if look:
            predicted[i] = guess
        if guess != outcome and hit < last and not (weak and own == outcome):
            random = drawn(random)
            start = hit + 1
            if random & 1 == 0 and start < last:
                start += 1
            if random & 6 == 0 and start < last:
                start += 1
            free = start
            while free <= last and useful[columns[PLACE, free]] > 0:
                free += 1
            if free <= last:
                tag[columns[PLACE, free]] = columns[WANTED, free]
                counter[columns[PLACE, free]] = outcome - 1
                written += 1
                tick = max(tick - 1, 0)
            else:
                for k in range(start, tables):
                    useful[columns[PLACE, k]] = np.int64(useful[columns[PLACE, k]]) - 1
                written += tables - start
                tick += 1
                if tick == TICKS:
                    tick = 0
                    for j in range(useful.shape[0]):
                        useful[j] = useful[j] >> 1
                    written += useful.shape[0]
        if hit >= 0:
            counter[place] = counted3(strength, outcome)
            if own != alternate:
                useful[place] = counted(np.int64(useful[place]), np.int64(own == outcome))
            written += 1
        if hit < 0 or (weak and other < 0):
            bimodal[base] = counted(np.int64(bimodal[base]), outcome)
            written += 1
        elif weak:
            counter[columns[PLACE, other]] = counted3(np.int64(counter[columns[PLACE, other]]), outcome)
            written += 1
        at = pushed(window, at, kept, 2 * outcome - 1)
        newest, left = _splat(np.int32(outcome)), leaving(window, at, lengths, 0, bits)
        folded_index = refolded(folded_index, newest, left, turn_index, index_bits, index_mask)
        folded_tag = refolded(folded_tag, newest, left, turn_tag, longer, tag_mask)
        folded_short = refolded(folded_short, newest, left, turn_short, shorter, short_mask)
        for j in range(GROUP, width, GROUP):
            left = leaving(window, at, lengths, j, _load(columns, BIT, j))
            folded, turn = _load(columns, FOLDED_INDEX, j), _load(columns, TURN_INDEX, j)
            _store(columns, FOLDED_INDEX, j, refolded(folded, newest, left, turn, index_bits, index_mask))
            folded, turn = _load(columns, FOLDED_TAG, j), _load(columns, TURN_TAG, j)
            _store(columns, FOLDED_TAG, j, refolded(folded, newest, left, turn, longer, tag_mask))
            folded, turn = _load(columns, FOLDED_SHORT, j), _load(columns, TURN_SHORT, j)
            _store(columns, FOLDED_SHORT, j, refolded(folded, newest, left, turn, shorter, short_mask))
    _store(columns, FOLDED_INDEX, 0, folded_index)
    _store(columns, FOLDED_TAG, 0, folded_tag)
    _store(columns, FOLDED_SHORT, 0, folded_short)
    for k in range(tables):
        folds[k, 0], folds[k, 1], folds[k, 2] = (
            columns[FOLDED_INDEX, k],
            columns[FOLDED_TAG, k],
            columns[FOLDED_SHORT, k],
        )
    registers[AT], registers[USE_ALTERNATE], registers[TICK] = at, use_alternate, tick
    registers[RANDOM], registers[WRITTEN] = random, written
    return misses
