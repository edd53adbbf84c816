"""One-line faults in the kernels: each must be caught by the comparison with the oracle."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow  # each fault compiles the kernels anew

MUTANTS = {
    "rounds down instead of half up": (
        "network/kernels/update.py", "    half = np.int32((1 << max(shift, 0)) >> 1)\n    cut", "    half = np.int32(0)\n    cut"),
    "rounds half down": (
        "network/kernels/update.py", "half = np.int32((1 << max(shift, 0)) >> 1)\n    cut", "half = np.int32(max(((1 << max(shift, 0)) >> 1) - 1, 0))\n    cut"),
    "moves weights along the gradient": ("network/kernels/update.py", "minus = np.int32(-factor)", "minus = np.int32(factor)"),
    "carries at equality": ("fixedpoint/vectors.py", "below_bytes=lambda x, y: -(x < y)", "below_bytes=lambda x, y: -(x <= y)"),
    "clips a symmetric range": ("fixedpoint/vectors.py", "np.clip(x.astype(np.int32) + y, -32768, 32767)", "np.clip(x.astype(np.int32) + y, -32767, 32767)"),
    "wraps instead of saturating": ("fixedpoint/vectors.py", "np.clip(x.astype(np.int32) + y, -32768, 32767)", "(x.astype(np.int32) + y)"),
    "forgets the floor of non-negative weights": (
        "network/kernels/update.py", "max_words(add_saturating_words(word, step), load_words(floors, k, j))", "add_saturating_words(word, step)"),
    "counts cut steps of a level once": ("network/kernels/sample.py", "        cuts = count_cuts(slots, n_rows)", "        cuts = cuts + 0"),
    "rounds 16-bit steps down": ("network/kernels/update.py", "half = np.int16((1 << max(shift, 0)) >> 1)", "half = np.int16(0)"),
    "shifts activations out of their table entry": ("network/kernels/forward.py", "shift_right_sums(entry, np.int32(8))", "shift_right_sums(entry, np.int32(9))"),
    "adds the last row of a pass twice": ("network/kernels/forward.py", "factors[source, row] if e < n_rows else 0", "factors[source, row]"),
    "adds the last row of signs twice": ("network/kernels/feedback.py", "0 if c >= n_rows else -1", "-1"),
    "rounds products down": ("network/kernels/update.py", "    half = (1 << down) >> 1\n    saturations", "    half = 0\n    saturations"),
    "moves weights along the gradient by row": ("network/kernels/update.py", "splat_words(np.int16(-factor << up))", "splat_words(np.int16(factor << up))"),
    "moves weights along the gradient in 32 bits": ("network/kernels/update.py", "splat_sums(np.int32(-factor))", "splat_sums(np.int32(factor))"),
    "skips rows whose steps round to one": ("network/kernels/update.py", "if product < half or", "if product < 4 * half or"),
    "rounds long steps in 16 bits": ("network/kernels/update.py", "<= min(limit, 32767 - ((1 << max(shift, 0)) >> 1))", "<= 99999"),
    "counts no cut product": ("network/kernels/update.py", "cuts -= total_sums(minus_cut)", "cuts -= 0"),
    "leaves the bias to the last vector": ("network/kernels/forward.py", "    inputs[k + 1, n] = one\n", ""),
    "draws once more a layer": ("network/kernels/sample.py", "draw(arrays.generator, n_events + 1, arrays.draws)", "draw(arrays.generator, n_events + 2, arrays.draws)"),
    "swaps a shift of the generator": ("network/kernels/update.py", "np.uint32(s >> np.uint32(17))", "np.uint32(s >> np.uint32(16))"),
    "forgets the keys of columns": ("network/kernels/update.py", "byte = xor_bytes(load_bytes(random, source, j), constant)", "byte = constant if event_major else xor_bytes(load_bytes(random, source, j), constant)"),
    "forgets the key of a neuron": ("network/kernels/update.py", "np.uint32(np.uint32(arrays.keys[row]) * np.uint32(0x01010101))", "np.uint32(0)"),
    "updates first to last under backward locking": ("network/kernels/sample.py", "k = last - turn if net[t.LAST_TO_FIRST] else turn", "k = turn"),
    "reads new weights on the way back": (
        "network/kernels/sample.py", "                    if layers[k, t.SIGNAL] != t.SIGNAL_NONE:\n",
        "                    update_layer(k + 1, net, layers, arrays, table)\n                    if layers[k, t.SIGNAL] != t.SIGNAL_NONE:\n"),
    "predicts the last maximum": ("network/kernels/forward.py", "sums[k, c] > sums[k, best]", "sums[k, c] >= sums[k, best]"),
    "predicts from one output at zero": ("network/kernels/forward.py", "sums[k, 0] > 0", "sums[k, 0] >= 0"),
    "opens the dead zone at its edge": ("network/kernels/forward.py", "0 if -dead_zone <= e <= dead_zone else e", "0 if -dead_zone < e < dead_zone else e"),
    "keeps events at the threshold": ("network/kernels/forward.py", "if -threshold <= inputs[k, j] <= threshold:", "if -threshold < inputs[k, j] < threshold:"),
    "gates with the wrong shift": ("network/kernels/feedback.py", "half, seven = np.int32(64), np.int32(7)", "half, seven = np.int32(64), np.int32(8)"),
    "adds the row of the label": ("network/kernels/feedback.py", "-1 if c == target else 1", "1"),
    "reads out at the scale of the outputs": ("network/kernels/sample.py", "layers[k, t.READOUT_SHIFT], arrays.signals", "layers[last, t.SUM_SHIFT], arrays.signals"),
    "reads out the inputs of a layer": ("network/kernels/sample.py", "dot_rows(matrix, stride, arrays.inputs, k + 1,", "dot_rows(matrix, stride, arrays.inputs, k,"),
    "sends the error of the outputs for a local one": (
        "network/kernels/sample.py", "        if signal == t.SIGNAL_LOCAL:\n            source = k\n", ""),
    "opens the dead zone of a readout at its edge": (
        "network/kernels/readout.py", "0 if -dead_zone <= e <= dead_zone else e", "0 if -dead_zone < e < dead_zone else e"),
    "gives a readout the dead zone of the outputs": (
        "network/kernels/sample.py", "softmax, label, net[t.LOCAL_DEAD_ZONE])", "softmax, label, net[t.DEAD_ZONE])"),
    "rounds shares of a readout down": ("network/kernels/readout.py", " + total // 2)", ")"),
    "takes one output of a readout for one of many": (
        "network/kernels/readout.py", "np.int64(label) if n == 1 else np.int64(c == label)", "np.int64(c == label)"),
    "keeps local errors wide": (
        "network/kernels/sample.py", "        narrow_error(arrays.signals, k,", "        narrow_error(arrays.deltas, last,"),
    "counts a readout once for all outputs": (
        "network/kernels/sample.py", "n_words = arrays.n_events[k + 1] * n_outputs", "n_words = arrays.n_events[k + 1]"),
    "takes label 0 of one output for its target": ("network/kernels/sample.py", "n_rows > 1 else np.int64(label) - 1", "n_rows > 1 else -np.int64(label)"),
    "saturates modulators one too low": ("network/kernels/feedback.py", "np.int32(-largest), np.int32(largest)", "np.int32(-largest), np.int32(largest - 1)"),
    "rounds narrow errors down": ("network/kernels/forward.py", "half = np.int64((1 << shift) >> 1)", "half = np.int64(0)"),
    "saturates narrow errors one too high": ("network/kernels/forward.py", "min(max(e, -largest), largest)", "min(max(e, -largest), largest + 1)"),
    "selects a wide row for narrow factors": ("network/kernels/sample.py", "if layers[k, t.SIGNAL_SHIFT] > 0:", "if layers[k, t.SIGNAL_SHIFT] > 99:"),
    "counts a word twice": ("network/kernels/sample.py", "        counters[k, t.WEIGHT_WRITE] += pairs", "        counters[k, t.WEIGHT_WRITE] += pairs + 1"),
    "forgets to halve": ("network/kernels/sample.py", "min(layers[k, t.STEP_SHIFT] + net[t.HALVINGS], 30)", "min(layers[k, t.STEP_SHIFT], 30)"),
}  # fmt: skip

STREAM_MUTANTS = {
    "gates at the margin": ("network/kernels/sample.py", "return lead > net[t.MARGIN]", "return lead >= net[t.MARGIN]"),
    "gates one output by its index alone": ("network/kernels/sample.py", "lead = lead if label == 1 else -lead", "lead = lead"),
    "gates what was predicted wrong": ("network/kernels/sample.py", "    if prediction != label:\n        return False\n", ""),
    "forgets the events of gated samples": ("network/kernels/sample.py", "counters[k, t.GATED_EVENTS] += arrays.n_events[k]", "counters[k, t.GATED_EVENTS] += 0"),
    "forgets the gates of gated samples": ("network/kernels/sample.py", "count_nonzero(arrays.gates, k, layers[k, t.N_OUT])\n\n\n", "0\n\n\n"),
    "predicts classes nobody has met": ("network/kernels/sample.py", "first_maximum(arrays.sums, last, live)", "first_maximum(arrays.sums, last, n_outputs)"),
    "forgets which classes were met": ("network/kernels/sample.py", "min(max(live, label + 1), n_outputs)", "min(label + 1, n_outputs)"),
    "drops a sample that comes as one ends": ("network/kernels/sample.py", "device.finishes[place] > arrival", "device.finishes[place] >= arrival"),
    "lets a late label wait by itself": ("network/kernels/sample.py", "            waits = timed and clock[t.BUSY_UNTIL] > arrival  #", "        waits = timed and clock[t.BUSY_UNTIL] > arrival  #"),
    "learns from an empty bucket": ("network/kernels/sample.py", "budgeted and clock[t.BUDGET] <= 0", "budgeted and clock[t.BUDGET] < 0"),
    "pays learning with its forward pass": ("network/kernels/sample.py", "clock[t.BUDGET] -= energy - before", "clock[t.BUDGET] -= results.energies[s]"),
    "pays nothing where zeros are worked through": ("network/kernels/sample.py", "price(1, 0, device, counters) + price_gated(arrays, device)", "price(1, 0, device, counters)"),
    "lets the bucket run over": ("network/kernels/sample.py", "min(clock[t.BUDGET] + device.credits[s], settings[t.BUDGET_CAP])", "clock[t.BUDGET] + device.credits[s]"),
    "learns late in no time": ("network/kernels/sample.py", "clock[t.BUSY_UNTIL] += work", "clock[t.BUSY_UNTIL] += 0"),
    "is late at the deadline": ("network/kernels/sample.py", "if finish - arrival > settings[t.DEADLINE]", "if finish - arrival >= settings[t.DEADLINE]"),
    "starts before the last sample is done": ("network/kernels/sample.py", "max(arrival, clock[t.BUSY_UNTIL]) + work", "arrival + work"),
}  # fmt: skip

BLOCK_MUTANTS = {
    "rounds steps of rows at another bit": ("network/kernels/rows.py", "rest = 15 - shift - place", "rest = 14 - shift - place"),
    "sums parts that leave 16 bits": (
        "network/kernels/tiles.py", "// largest)", "// largest * 2)"),
    "forgets all parts but the last": (
        "network/kernels/tiles.py", "sums = add_sums(sums, widen_words(words))", "sums = widen_words(words)"),
    "rounds indices of a tile down": (
        "network/kernels/tiles.py", "q = shift_right_sums(add_sums(sums, splat_sums(np.int32((1 << shift) >> 1))), np.int32(shift))", "q = shift_right_sums(sums, np.int32(shift))"),
    "rounds 16-bit steps of a tile down": (
        "network/kernels/tiles.py", "shift_right_words(add_words(words, splat_words(np.int16((1 << shift) >> 1))), np.int16(shift))", "shift_right_words(words, np.int16(shift))"),
    "rounds 32-bit steps of a tile down": (
        "network/kernels/tiles.py", "splat_sums(np.int32((1 << max(shift, 0)) >> 1)))\n    sums = shift_right", "splat_sums(np.int32(0)))\n    sums = shift_right"),
    "moves a tile along the gradient": (
        "network/kernels/tiles.py", "splat_words(np.int16(-factor))", "splat_words(np.int16(factor))"),
    "moves products of a tile along the gradient": (
        "network/kernels/tiles.py", "minus = shift_left_words(subtract_words(zero_words(), deltas)", "minus = shift_left_words(subtract_words(deltas, zero_words())"),
    "scales steps of a tile to half": (
        "network/kernels/tiles.py", "np.int64(0), 15 - shift", "np.int64(0), 14 - shift"),
    "counts no cut steps of a level but once": (
        "network/kernels/tiles.py", "cuts -= lost * count_level(inputs, e, last, level)", "cuts -= lost"),
    "takes words for far from their rails": (
        "network/kernels/tiles.py", "bound += longest", "bound += 0"),
    "looks at the highest words of a tile alone": (
        "network/kernels/tiles.py", "largest_word(max_words(high, xor_words(low, splat_words(np.int16(-1)))))", "largest_word(high)"),
    "forgets the input that is always on": (
        "network/kernels/tiles.py", "lookup[ALWAYS, j] = one if j == valid else 0", "lookup[ALWAYS, j] = 0"),
    "puts each tile back in the place of the first": (
        "network/kernels/tiles.py", "store_words(whole, r, place,", "store_words(whole, r, 0,"),
    "counts wrapped sums behind a row": (
        "network/kernels/tiles.py", "if column + TILE > n_out:", "if column > n_out:"),
    "adds the row of the label once": (
        "network/kernels/tiles.py", "place)), np.int32(1))", "place)), np.int32(0))"),
    "forgets to halve a tile": (
        "network/kernels/tiles.py", "min(layers[k, t.STEP_SHIFT] + net[t.HALVINGS], 30)", "min(layers[k, t.STEP_SHIFT], 30)"),
    "counts a word of a block twice": (
        "network/kernels/blocks.py", "counts[t.WEIGHT_WRITE] += pairs", "counts[t.WEIGHT_WRITE] += pairs + 1"),
    "predicts the last maximum of a block": (
        "network/kernels/blocks.py", "z > sums[0, best]", "z >= sums[0, best]"),
    "forgets which classes a block met": (
        "network/kernels/blocks.py", "min(max(live, label + 1), n)", "min(label + 1, n)"),
    "opens the dead zone of a block at its edge": (
        "network/kernels/blocks.py", "if -net[t.DEAD_ZONE] <= e <= net[t.DEAD_ZONE]:", "if -net[t.DEAD_ZONE] < e < net[t.DEAD_ZONE]:"),
    "leaves out steps that are not zero": (
        "network/kernels/rows.py", "abs(factor) * largest < half", "abs(factor) * largest < 4 * half"),
    "sums a row twice": (
        "network/kernels/rows.py", "a, b, c, d = min(row + 1,", "a, b, c, d = min(row + 2,"),
    "rounds steps of a row down": (
        "network/kernels/rows.py", "(np.int64(1) << max(shift, 0)) >> 1", "np.int64(0)"),
    "takes words of a row for far from their rails": (
        "network/kernels/rows.py", "work.bounds[0, row] + longest", "work.bounds[0, row] + 0"),
    "takes label 0 of one output of a row for its target": (
        "network/kernels/rows.py", "m = m if n_classes == 1 and label == 0 else -m", "m = -m"),
}  # fmt: skip

MIXED_MUTANTS = {
    "sends errors where signs are sent": (
        "network/kernels/sample.py", "arrays.signals if signal == t.SIGNAL_SIGN or signal", "arrays.signals if signal"),
    "sends signs where errors are sent": (
        "network/kernels/sample.py", "arrays.signals if signal == t.SIGNAL_SIGN or", "arrays.signals if signal == t.SIGNAL_ERROR or"),
    "forms d of frozen layers by no rule": ("network/teaching.py", "is_read or (words", "(words"),
    "takes the gates of all layers for held": ("network/state.py", "= spec.holds_gates(k),", "= spec.holds_gates(0),"),
    "stores no d that a layer gives": ("network/state.py", "spec.holds_deltas(k)", "layer.rule.holds_deltas"),
    "updates by the order of the first rule": ("network/spec.py", "return any(row.last_to_first for row in self._rows)", "return self._rows[0].last_to_first"),
    "learns weights where biases learn alone": (
        "network/kernels/sample.py", "== t.BIASES:\n            add_to_biases", "== 99:\n            add_to_biases"),
    "learns biases where all words learn": (
        "network/kernels/sample.py", "== t.BIASES:\n            add_to_biases", "!= 0:\n            add_to_biases"),
    "counts inputs where biases learn alone": ("network/kernels/sample.py", "            n_events = np.int64(0)\n", ""),
    "forgets neurons of frozen layers": ("network/kernels/sample.py", "table[k, t.ACTIVE_NEURONS] += arrays.n_active[k]", "pass"),
    "draws twice for biases": ("network/kernels/sample.py", "draw(arrays.generator, 1, arrays.draws)", "draw(arrays.generator, 2, arrays.draws)"),
    "forgets to halve the rate of biases": (
        "network/kernels/sample.py", "t.STEP_SHIFT] + net[t.HALVINGS], 30)\n    stochastic = net", "t.STEP_SHIFT], 30)\n    stochastic = net"),
    "moves biases along the gradient": ("network/kernels/update.py", "((-one *", "((one *"),
    "rounds steps of biases down": ("network/kernels/update.py", "half = (np.int64(1) << down) >> 1\n", "half = 0\n"),
    "rounds all biases by one byte": ("network/kernels/update.py", ">> (8 * (j & 3)) & 255", "& 255"),
    "forgets the keys of biases": ("network/kernels/update.py", " ^ np.int64(arrays.keys[j])", ""),
    "carries a bias at equality": ("network/kernels/update.py", "(byte < (kept & 255))", "(byte <= (kept & 255))"),
    "cuts no step of a bias": ("network/kernels/update.py", "kept = min(max(step, -limit), limit)", "kept = step"),
    "wraps a bias": ("network/kernels/update.py", "matrix[row, column] = min(max(word, -32768), 32767)", "matrix[row, column] = (word + 32768) % 65536 - 32768"),
    "counts no saturated bias": ("network/kernels/update.py", "np.int64(word < -32768 or word > 32767)", "np.int64(0)"),
    "learns weights of a tile where biases learn alone": ("network/kernels/tiles.py", "        e = last - np.uint64(1)\n", ""),
    "counts cut steps of all inputs where biases learn alone": (
        "network/kernels/tiles.py", "count_level(inputs, e, last, level)", "count_level(inputs, np.uint64(inputs.starts[i]), last, level)"),
    "learns rows where biases learn alone": ("network/kernels/rows.py", "if layers[k, t.LEARNS] == t.BIASES:", "if False:"),
    "takes the first input of a row for its bias": ("network/kernels/rows.py", "place = layers[k, t.N_IN]", "place = 0"),
    "counts inputs of a block where biases learn alone": ("network/kernels/blocks.py", "        events = pairs = np.int64(0)\n", "        events = np.int64(0)\n"),
    "takes signals of the first layer for those of all": (
        "network/kernels/blocks.py", "signs = layers[k, t.SIGNAL] == t.SIGNAL_TARGET, layers[k, t.SIGNAL]", "signs = layers[0, t.SIGNAL] == t.SIGNAL_TARGET, layers[0, t.SIGNAL]"),
    "predicts that frozen layers read their d": ("network/traffic.py", "active * layer.learns", "active"),
    "predicts that frozen layers read their biases": ("network/traffic.py", 'np.where(learns, activity["active_neurons"], 0)', 'activity["active_neurons"]'),
}  # fmt: skip

REPLICA_MUTANTS = {
    "forgets the sums of a chunk": ("network/kernels/replicas.py", "sums = add_sums(sums, widen_words(found))", "sums = widen_words(found)"),
    "counts no saturation of hidden words": (
        "network/kernels/replicas.py", "lost = subtract_words(lost, differ_words(add_words(word, step), result))", "lost = lost"),
    "counts gates of padded lanes": ("network/kernels/replicas.py", "and_words(look_up_words(table, 0, lanes, 2), kept)", "look_up_words(table, 0, lanes, 2)"),
    "counts both replicas for the first": ("network/kernels/replicas.py", "open_gates >> half, found >> half", "open_gates, found"),
    "takes the errors of another output for those of the label": ("network/kernels/replicas.py", "splat_sums(np.int32(256))", "splat_sums(np.int32(0))"),
    "predicts the last of the highest outputs": ("network/kernels/replicas.py", "above = below_sums(best, z)", "above = below_sums(best, add_sums(z, splat_sums(np.int32(1))))"),
    "shifts no inputs of outputs": ("network/kernels/replicas.py", "multiply_words(load_words(inputs, i, p * LANES), input_scale)", "load_words(inputs, i, p * LANES)"),
    "takes the pairs of the first replica for those of all": ("network/kernels/replicas.py", "unit.pairs[i, r * (LANE // 2) + p]", "unit.pairs[i, p]"),
    "counts no saturation of outputs": ("network/kernels/replicas.py", "lost = add_words(lost, differ_words(add_words(word, step), result))", "lost = lost"),
    "shifts rates of all replicas by that of one": ("network/replicas.py", "1 << (PLACE - self._shift(0, r) - places)", "1 << (PLACE - self._shift(0, members[0]) - places)"),
    "gives a replica the outputs of another": ("network/replicas.py", "pairs[:, : inputs.shape[1], side] = inputs", "pairs[:, : inputs.shape[1], 1 - side] = inputs"),
}  # fmt: skip

FRONT_END_MUTANTS = {
    "rounds words down": ("streaming/kernel.py", "return (x + ((np.int64(1) << s) >> 1)) >> s", "return x >> s"),
    "divides rounding down": ("streaming/kernel.py", "(2 * a + b) // (2 * b)", "a // b"),
    "keeps the exponent at a power of two": ("streaming/words.py", "not abs(x) >= power_of_two", "not abs(x) > power_of_two"),
    "leaves out the growth of exponents": ("streaming/words.py", "min(exponent - exponents[c], _MOST_GROWTH)", "0"),
    "shifts crossings like words": ("streaming/kernel.py", " and f % t.N_STATISTICS != t.CROSSINGS", ""),
    "shifts without an end": ("streaming/kernel.py", "min(np.int64(by), np.int64(31))", "np.int64(by)"),
    "leaves behind what was sent": ("streaming/kernel.py", "            state.sent[f] = rounded(state.sent[f], by)\n", ""),
    "follows for ever": ("streaming/kernel.py", "return min(k, settings[t.TIME_CONSTANT])", "return k"),
    "learns from what is missing": ("streaming/kernel.py", "            state.seen[f] += state.features[f] != t.MISSING_WORD", "            state.seen[f] += 1"),
    "encodes before it adapts": (
        "streaming/kernel.py", "            adapt(settings, state)\n        encode(settings, state, levels, n_rows, adapting, True)\n",
        "            pass\n        encode(settings, state, levels, n_rows, adapting, True)\n        if adapting:\n            adapt(settings, state)\n"),
    "sends more than the highest level": ("streaming/kernel.py", "min(abs(difference) // step, top)", "abs(difference) // step"),
    "rounds levels down": ("streaming/kernel.py", "(u + top + 1) >> 1", "(u + top) >> 1"),
    "hears what is at the threshold": ("streaming/kernel.py", "u > quiet", "u >= quiet"),
    "hears a sign at the threshold": ("streaming/kernel.py", "abs(u) > quiet", "abs(u) >= quiet"),
    "normalises rounding down": ("fixedpoint/floats.py", "(2 * a + b) // (2 * b)", "a // b"),
    "follows all features at the pace of one": ("streaming/kernel.py", " | (state.seen[f] != first)", ""),
    "counts strides from the first sample": ("streaming/kernel.py", "stride > 1 and beyond % stride", "stride > 1 and place[t.IN_SEGMENT] % stride"),
}  # fmt: skip

IMPORTED_MUTANTS = {
    "holds the largest weight whatever that costs": (
        "network/imported.py", "(exponent, exponent - 1) if exponent > EXPONENTS[0] else (exponent,)", "(exponent,)"),
    "cuts the largest weight whatever that costs": ("network/imported.py", "return min(candidates, key", "return max(candidates, key"),
    "rounds view words down for the exponent": ("network/imported.py", "np.floor(values / lsb + 0.5)", "np.floor(values / lsb)"),
    "keeps the sign of the target's row": ("network/imported.py", "(-127 if rule.selects_row else 127)", "127"),
    "halves feedback at a power of two": ("network/imported.py", "max(largest - 1, 0).bit_length()", "largest.bit_length()"),
    "rounds feedback down": ("network/imported.py", "((scaled + (1 << shift >> 1)) >> shift)", "(scaled >> shift)"),
    "takes the matrix above for the path": (
        "network/imported.py", "direct = rules[k].feedback is Feedback.DIRECT", "direct = False"),
    "forgets the scale of a matrix on the path": (
        "network/imported.py", "path, scale = path @ above, scale + exponent", "path = path @ above"),
    "scales the target's feedback beyond 1.0": (
        "network/imported.py", "-scale if rule.selects_row else _FINEST - scale", "_FINEST - scale"),
    "reads out with feedback of 1.0": ("network/layer.py", "self.output_scale + 7 - self.feedback_exponent", "self.output_scale + 7"),
}  # fmt: skip

FROZEN_MUTANTS = {
    "rounds sums of frozen layers down": ("network/frozen.py", "((z << left) + (np.int64(1) << right >> 1)) >> right", "(z << left) >> right"),
    "forgets shifts to the left": ("network/frozen.py", "((z << left) +", "(z +"),
    "wraps the index of frozen layers": ("network/frozen.py", "np.clip(q, -128, 127) + 128", "(q + 128) & 255"),
    "counts padding among the largest": ("network/frozen.py", "outside=-(1 << 15)", "outside=0"),
    "forgets the bias of frozen layers": ("network/frozen.py", "self._sums(x) + self.biases.astype(np.int64)", "self._sums(x)"),
    "adds products in 32 bits where they are not exact": ("network/frozen.py", "if shape_bound(self.words, x) < _EXACT else np.float64", "if True else np.float64"),
    "reads inputs in the order they come in": ("network/frozen.py", "        x = x if self.order is None else x[:, self.order]\n        rows = max(1, _CHUNK // max(shape.out_height * shape.out_width * shape.fan_in * shape.groups, 1))\n        found", "        rows = max(1, _CHUNK // max(shape.out_height * shape.out_width * shape.fan_in * shape.groups, 1))\n        found"),
    "pads below what is above": ("network/frozen.py", "(shape.top, shape.bottom), (shape.left", "(shape.bottom, shape.top), (shape.left"),
    "takes channels before taps": ("network/frozen.py", "windows.transpose(0, 1, 2, 4, 5, 3)", "windows.transpose(0, 1, 2, 3, 4, 5)"),
    "calibrates by the largest value": ("conversion/convert.py", "REACH = 1 - 1e-4", "REACH = 1"),
    "gives all maps one exponent": ("conversion/convert.py", "np.abs(weights).max(axis=1, initial=0)", "np.full(len(weights), np.abs(weights).max(initial=0))"),
    "lets sums of frozen layers overflow": ("conversion/convert.py", "+ np.abs(biases) > _SUM", "+ np.abs(biases) > 2.0**60"),
    "scales biases as weights": ("conversion/convert.py", "np.ldexp(layer.biases, exponents + scale)", "np.ldexp(layer.biases, exponents)"),
    "takes the scale of outputs for the index of a tanh": ("conversion/convert.py", "inner = outer if (layer.activation or \"linear\") in SCALED else", "inner = outer if True else"),
}  # fmt: skip

# Libraries are imported once, and every fault has a fork of this process: scripts by line in, exit code and errors out.
MAP_MUTANTS = {
    "leaves out the last position": ("network/kernels/convolve.py", "return first, min(last, n - 1)", "return first, min(last, n - 2)"),
    "leaves out positions under a stride": ("network/kernels/convolve.py", "first = (first + stride - 1) // stride", "first = (first + stride) // stride"),
    "flips kernels": (
        "network/kernels/convolve.py", "row = ((y - out_y * stride) * kernel_w + x - left * stride) * channels - start",
        "row = ((kernel_h - 1 - y + out_y * stride) * kernel_w + x - left * stride) * channels - start"),
    "flips kernels of one channel": (
        "network/kernels/convolve.py", "row = (y + padding - out_y * stride) * (kernel_w + 1)", "row = (kernel_h - 1 - y - padding + out_y * stride) * (kernel_w + 1)"),
    "takes the end of a row for a neighbour": ("network/kernels/convolve.py", " and x - padding + 1 < width", ""),
    "leaves out the position of a second neighbour": ("network/kernels/convolve.py", "min(left, left_b), max(right, right_b)", "left, right"),
    "counts pairs of neighbours once": ("network/kernels/convolve.py", "found += n_rows * max(right_b - left_b + 1, 0)", "found += 0"),
    "swaps neighbours": ("network/kernels/convolve.py", "row, to = dy * kernel_w + i, dy", "row, to = dy * kernel_w + kernel_w - i, dy"),
    "places d beside its place in the border": (
        "network/kernels/correlate.py", "- 1) * columns + layers[k, t.KERNEL_W] - 1\n", "- 1) * columns + layers[k, t.KERNEL_W]\n"),
    "pairs the end of a row with the start of the next": (
        "network/kernels/correlate.py", "events[k, e] == i + 1 and x + 1 < width", "events[k, e] == i + 1"),
    "gives the level of the event in front to that behind": (
        "network/kernels/correlate.py", "np.uint32(inputs[k, y * width + x]) << ", "np.uint32(inputs[k, i]) << "),
    "places d beside that of the place in front of it": (
        "network/kernels/correlate.py", "store_pairs(bordered, to, 2 * j, interleave_words(before, d))", "store_pairs(bordered, to, 2 * j, interleave_words(d, before))"),
    "counts products of the position behind": ("network/kernels/correlate.py", "before[at + right + 1]) - ", "before[at + right]) - "),
    "leaves out the last row of a kernel": ("network/kernels/correlate.py", "    last = sums.shape[0] - 2\n", "    last = max(sums.shape[0] - 3, 0)\n"),
    "turns rows of positions upside down": (
        "network/kernels/convolve.py", "at = out_y * out_w\n                if behind", "at = (out_h - 1 - out_y) * out_w\n                if behind"),
    "leaves out the last event of a pixel": ("network/kernels/convolve.py", "inputs[k, b] if b != a else np.int16(0)", "np.int16(0)"),
    "counts pairs of a pixel once": ("network/kernels/convolve.py", "pairs += (behind - first) * max", "pairs += max"),
    "wraps sums behind the pooling": (
        "network/kernels/maps.py", "wrap_positions(sums, n_maps, net[t.ACCUMULATOR_BITS])", "wrap_positions(sums, n_maps, 32)"),
    "takes the last of equal sums": ("network/kernels/convolve.py", "larger = below_sums(largest, z)", "larger = ~below_sums(z, largest)"),
    "takes the least sum": ("network/kernels/convolve.py", "largest = max_sums(largest, z)", "largest = V.min_sums(largest, z)"),
    "reads a mean as a sum": ("network/kernels/convolve.py", "t.SUM_SHIFT] - layers[k, t.POOL_SHIFT]", "t.SUM_SHIFT]"),
    "rounds sums of positions down": ("network/kernels/convolve.py", "half = (np.int64(1) << down) >> 1", "half = np.int64(0)"),
    "places d at the first position of its window": (
        "network/kernels/correlate.py", "and_words(d, equal_words(winner, splat_words(place)))", "and_words(d, equal_words(winner, winner)) if place == 0 else zero_words()"),
    "lays the border around positions that are computed alone": (
        "network/kernels/correlate.py", "return layers[k, t.HEIGHT] + beside + kernel_h, layers[k, t.WIDTH] + beside", "return layers[k, t.HEIGHT] + beside + kernel_h, layers[k, t.OUT_WIDTH] + layers[k, t.KERNEL_W] - 1"),
    "leaves d of the next element behind the last map": ("network/kernels/correlate.py", "    if n_lanes > n_maps:  #", "    if n_lanes > 99:  #"),
    "skips positions with one d": ("network/kernels/correlate.py", "if n_placed[position] > 0:", "if n_placed[position] > 1:"),
    "keeps sums of the sample before": (
        "network/kernels/correlate.py", "    for r in range(sums.shape[0] - 1):\n", "    for r in range(sums.shape[0] - 2):\n"),
    "rounds sums down": (
        "network/kernels/correlate.py", "    half = and_sums(shift_right_sums(value, np.int32(max(shift - 1, 0))), splat_sums(np.int32(1)))", "    half = zero_sums()"),
    "moves kernels along the gradient": ("network/kernels/correlate.py", "-one if is_bias else -1", "one if is_bias else 1"),
    "steps a bias as a weight of level 1": ("network/kernels/correlate.py", "-one if is_bias else -1", "-1"),
    "stops biases at zero": ("network/kernels/correlate.py", "0 if has_floor and not is_bias else -32768", "0 if has_floor else -32768"),
    "lets kernels fall below zero": ("network/kernels/correlate.py", "0 if has_floor and not is_bias else -32768", "-32768"),
    "counts lanes that are no map as cut": ("network/kernels/correlate.py", "within = max_sums(min_sums(value, high), low)\n            minus_cut = add_sums(minus_cut, differ_sums(value, within))\n            step, word", "within = max_sums(min_sums(value, high), low)\n            step, word"),
    "draws for a bias that maps do not have": ("network/kernels/maps.py", "        if has_bias:\n            end = fan_in + 1\n", "        end = fan_in + 1\n"),
    "draws once for all rows of a kernel": ("network/kernels/correlate.py", "        draw(arrays.generator, 1, arrays.draws)\n", "        if r == first:\n            draw(arrays.generator, 1, arrays.draws)\n"),
    "forgets the keys of maps": ("network/kernels/correlate.py", "xor_bytes(load_bytes(arrays.random, KEYS, j), drawn)", "drawn"),
    "sends down through new kernels": ("network/kernels/correlate.py", "turned[o, r] = weights[r, o] >> shift", "turned[o, r] = (weights[r, o] >> shift) + 1"),
    "sends down to a map without its padding": ("network/kernels/correlate.py", "top = (out_y + place // pool) * stride - padding", "top = (out_y + place // pool) * stride"),
    "sends down from the first position of a window": ("network/kernels/correlate.py", "start = np.int64(winners[above, element])", "start = np.int64(0)"),
    "counts pairs behind closed gates": ("network/kernels/correlate.py", "count += gates[k, i] != 0", "count += 1"),
    "shares feedback of elements": ("network/kernels/maps.py", "shared = layers[k, t.FEEDBACK_KIND] == t.KIND_MAP\n    n, n_rows", "shared = True\n    n, n_rows"),
    "forgets a halving": ("network/kernels/maps.py", "min(layers[k, t.STEP_SHIFT] + net[t.HALVINGS], 30)", "min(layers[k, t.STEP_SHIFT], 30)"),
    "reads winners of closed gates": ("network/kernels/maps.py", "counters[k, t.WINNER_READ] += arrays.n_active[k]", "counters[k, t.WINNER_READ] += arrays.n_active[k] + 1"),
    "writes no winner of a gated sample": ("network/kernels/maps.py", "                counters[k, t.WINNER_WRITE] += n_open\n", "                pass\n"),
}  # fmt: skip

TARGET_MUTANTS = {
    "rounds linear outputs down": ("network/kernels/targets.py", "z = (z + (np.int64(1) << (shift - 1))) >> shift", "z = z >> shift"),
    "leaves linear outputs of a negative shift": ("network/kernels/targets.py", "z << -shift", "z"),
    "cuts linear outputs to a symmetric range": ("network/kernels/targets.py", "LOWEST, HIGHEST = -512, 511", "LOWEST, HIGHEST = -511, 511"),
    "lets errors go beyond 1.0": ("network/kernels/targets.py", "MOST_ERROR = 255", "MOST_ERROR = 256"),
    "opens the dead zone of a number at its edge": ("network/kernels/targets.py", "0 if -dead_zone <= e <= dead_zone else e", "0 if -dead_zone < e < dead_zone else e"),
    "reconstructs more than the largest target": ("network/kernels/targets.py", "MOST_TARGET = 255", "MOST_TARGET = 256"),
    "takes the targets of the first row": ("network/kernels/targets.py", "arrays_targets[row, c]", "arrays_targets[0, c]"),
    "counts targets as one word": ("network/kernels/targets.py", "counters[last, t.LABEL_READ] += n\n", "counters[last, t.LABEL_READ] += 1\n"),
    "learns what may not be learned": ("network/kernels/targets.py", "and not may_learn(arrays)", "and False"),
    "learns rows with an alarm": ("network/kernels/targets.py", "return arrays.at[HELD] != 0", "return False"),
    "scores targets as outputs": ("network/kernels/targets.py", "- np.int64(arrays.target[0, c]), squared)", ", squared)"),
    "keeps numbers wide in the outputs": ("network/kernels/targets.py", "        narrow_error(arrays.deltas, last, n,", "        narrow_error(arrays.signals, last, n,"),
    "keeps numbers wide in a readout": ("network/kernels/targets.py", "        narrow_error(arrays.signals, k, n_outputs,", "        narrow_error(arrays.deltas, last, n_outputs,"),
    "reads numbers out at the scale of the outputs": (
        "network/kernels/targets.py", "write_outputs(arrays.sums, k, n_outputs, layers[k, t.READOUT_SHIFT]", "write_outputs(arrays.sums, k, n_outputs, layers[last, t.SUM_SHIFT]"),
    "gives a readout of numbers the dead zone of the outputs": ("network/kernels/targets.py", "net[t.LOCAL_DEAD_ZONE], arrays.signals)", "net[t.DEAD_ZONE], arrays.signals)"),
    "wraps no sum of targets": (
        "network/kernels/targets.py", "n_out, net[t.ACCUMULATOR_BITS], arrays.gates, 1)", "n_out, 32, arrays.gates, 1)"),
    "leaves modulators of targets as long as they are": (
        "network/kernels/targets.py", "layers[k, t.SIGNAL_SHIFT], layers[k, t.MODULATOR_MAX])\n    counters", "layers[k, t.SIGNAL_SHIFT], 2 * layers[k, t.MODULATOR_MAX])\n    counters"),
    "counts no products of targets": ("network/kernels/targets.py", "+= n_lanes * n_gates", "+= 0"),
    "forgets label reads of hidden layers": (
        "network/kernels/targets.py", "n_lanes = arrays.at[N_TARGETS]\n        counters[k, t.LABEL_READ] += layers[last, t.N_OUT]", "n_lanes = arrays.at[N_TARGETS]"),
    "smooths rounding down": ("network/kernels/detector.py", "(x + ((np.int64(1) << s) >> 1)) >> s", "x >> s"),
    "smooths from nothing": ("network/kernels/detector.py", "if state[d.ROWS] == 0:", "if False:"),
    "raises an alarm at the threshold": ("network/kernels/detector.py", "state[d.SMOOTHED] > state[d.LIMIT]", "state[d.SMOOTHED] >= state[d.LIMIT]"),
    "takes the largest score for the quantile": ("network/kernels/detector.py", "detector.kept[state[d.N_KEPT] - 1]", "detector.kept[0]"),
    "keeps the first of the largest scores": ("network/kernels/detector.py", "smoothed <= kept[n - 1]", "smoothed <= kept[0]"),
    "follows rows with an alarm": ("network/kernels/detector.py", "settings[d.FOLLOW] > 0 and alarm == 0", "settings[d.FOLLOW] > 0"),
    "measures deviations from the mean of before": (
        "network/kernels/detector.py", "        state[d.SUM] += smoothed\n        state[d.SPREAD] += abs(smoothed - state[d.SUM] // n)",
        "        state[d.SPREAD] += abs(smoothed - state[d.SUM] // n)\n        state[d.SUM] += smoothed"),
    "follows with the mean of behind": (
        "network/kernels/detector.py", "        distance = smoothed - state[d.MEAN]\n", "        distance = smoothed - state[d.MEAN] - 64\n"),
    "trains a row longer": ("network/kernels/detector.py", "if row < settings[d.TRAIN_ROWS]:", "if row <= settings[d.TRAIN_ROWS]:"),
    "starts no threshold at the next row": ("network/kernels/detector.py", "    state[d.ROWS] += 1\n", "    state[d.ROWS] += 1 + (state[d.ROWS] == 3)\n"),
}  # fmt: skip

FORGE = """
import json, os, sys, tempfile
import numba, numpy, sklearn, scipy.special, hypothesis, pydantic

for line in sys.stdin:
    folder, script = json.loads(line)
    with tempfile.TemporaryFile() as errors:
        child = os.fork()
        if not child:
            os.dup2(errors.fileno(), 2)
            os.chdir(folder)
            code = 1
            try:
                exec(compile(script, "script", "exec"), {"__name__": "__main__"})
                code = 0
            except BaseException:
                sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
            os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        errors.seek(0)
        print(json.dumps([code, errors.read().decode(errors="replace")]), flush=True)
"""

START = """
import sys
sys.path[:0] = [{copy!r}, {root!r}]
import numpy as np
import edgelearn
assert edgelearn.__file__.startswith({copy!r})
from edgelearn.streaming.front_end import ENCODERS, FrontEndSpec
from edgelearn.network.spec import design
from edgelearn.rules import RULES
from tests.oracle_pairs import assert_blocks, assert_front_end, assert_in_time, assert_twins

rng = np.random.default_rng(1)
"""

CHECK = """
levels = (rng.integers(0, 16, (24, 7)) * (rng.random((24, 7)) < 0.7)).astype(np.uint8)
labels = rng.integers(0, 3, 24)
common = dict(hidden_rate=-1, output_rate=-2, range_exponent=-1)
for rule in (name for name, row in RULES.items() if row.learns_hidden):
    for rounding in ("residual", "stochastic"):
        for bits in (4, 8):
            assert_twins(design((7, 6, 6, 3), rule, bits, rounding, **common), levels, labels, halvings=1)
for rule, delta_bits in (("drtp", 5), ("dfa", 8), ("bp", 6), ("dfa", 2), ("local", 5)):
    assert_twins(design((7, 6, 5, 3), rule, 8, delta_bits=delta_bits, **common), levels, labels)
cut = design((7, 6, 3), "drtp", 3, "nearest", hidden_rate=0, output_rate=0, range_exponent=-1)  # steps longer than the word
assert_twins(cut, (levels > 0) * np.uint8(15), labels)
assert_twins(design((7, 6, 3), "mdfa", 4, "nearest", activation="relu", **common), levels, labels)
assert_twins(design((7, 6, 3), "dfa", 8, dead_zone=12, event_threshold=6, **common), levels, labels)
for dead_zone in (30, 60, 90, 127):
    assert_twins(design((2, 3), "drtp", 2, "nearest", dead_zone=dead_zone, output_rate=-1), levels[:, :2] * 0, labels)
assert_twins(design((7, 6, 3), "dfa", 8, event_threshold=8, **common), levels, labels)
# forty errors of one sign through positive feedback: the modulators reach their rail
assert_twins(design((7, 6, 40), "mdfa", 8, hidden_rate=-1, feedback_format="sign"), levels & 1, labels)
assert_twins(design((2, 1), "drtp", 8), levels[:2, :2] * 0, labels[:2] % 2)  # z is exactly zero
assert_twins(design((7, 6, 1), "signed-target", **common), levels, labels % 2)
assert_twins(design((7, 6, 1), "local", **common), levels, labels % 2)
assert_twins(design((7, 6, 5, 3), "local", output="softmax", dead_zone=12, **common), levels, labels)
for dead_zone in (20, 40, 60, 80, 100, 120):
    assert_twins(design((7, 6, 3), "local", 8, dead_zone=dead_zone, **common), levels, labels)
assert_twins(design((7, 6, 5, 3), "local", local_dead_zone=60, **common), levels, labels)
assert_twins(design((7, 6, 1), "bp", 2, "nearest", input_bits=1, **common), levels & 1, labels % 2)
"""

STREAM_CHECK = """
kinds = rng.integers(0, 3, 24)
easy = (np.eye(3, 7, dtype=int)[kinds] * 12 + rng.integers(0, 4, (24, 7)) * (rng.random((24, 7)) < 0.5)).astype(np.uint8)
for gate, margin in (("error", 0), ("margin", 0), ("margin", 9)):
    for sizes in ((7, 6, 3), (7, 6, 1)):
        for rule in ("drtp", "dfa"):
            spec = design(sizes, rule, hidden_rate=-5, output_rate=-3, update_gate=gate, margin=margin)
            assert_twins(spec, easy, np.minimum(kinds, spec.n_classes - 1))
    assert_twins(design((7, 5), "dfa", update_gate=gate, margin=margin), easy, kinds, 0, lambda x: x.set_live_outputs(1))
tiny = design((4, 3, 2), "dfa", update_gate="error")
for queue, load, skip_waiting, cap, delay in (
    (0, 2, False, None, 0), (2, 3, False, None, 2), (1, 1, True, None, 1), (None, 1, False, 0, 0), (1, 1, False, 1, 1), (0, 1, True, 2, 3),
):
    for even in (False, True):
        assert_in_time(tiny, rng, 60, queue, load, 1.0, skip_waiting, cap, delay, 0.8, even=even)
"""

BLOCK_CHECK = """
def draw(n, n_in, bits, density, n_classes):
    levels = rng.integers(1, 1 << bits, (n, n_in)) * (rng.random((n, n_in)) < density)
    return levels.astype(np.uint8), rng.integers(0, n_classes, n)


def to_rails(learner):
    for k, layer in enumerate(learner.spec.layers):
        words = rng.choice([layer.min_weight, layer.word.max_raw], (layer.n_out, layer.n_in))
        learner.state.set_words(k, words, words[:, 0])


def to_lowest(learner):
    layer = learner.spec.layers[0]
    learner.state.set_words(0, np.full((layer.n_out, layer.n_in), layer.min_weight), np.zeros(layer.n_out, int))


fast, slow = dict(hidden_rate=-1, output_rate=-2), dict(hidden_rate=-7, output_rate=-8)
levels, labels = draw(3, 40, 4, 1.0, 3)
assert_blocks(design((40, 8, 3), "drtp", range_exponent=-8, **slow), levels | np.uint8(15), labels, prepare=to_lowest)
for rule in ("drtp", "signed-target", "shallow"):
    assert_blocks(design((7, 5, 6, 3), rule, **fast), *draw(40, 7, 4, 0.7, 3), halvings=1)
    assert_blocks(design((7, 5, 6, 1), rule, **fast), *draw(9, 7, 4, 0.7, 2))
    assert_blocks(design((7, 6, 3), rule, accumulator_bits=10, **fast), *draw(9, 7, 4, 0.7, 3))
assert_blocks(design((40, 70, 3), "drtp", **slow), *draw(40, 40, 4, 1.0, 3), prepare=to_rails)
assert_blocks(design((20, 66, 3), "drtp", **fast), *draw(70, 20, 1, 0.7, 3))
assert_blocks(design((20, 8, 3), "drtp", hidden_rate=-4, output_rate=-4), *draw(90, 20, 1, 0.9, 1))
levels, labels = draw(9, 7, 4, 0.9, 3)
cut = design((7, 6, 3), "drtp", 3, "nearest", hidden_rate=0, range_exponent=-1)  # steps longer than the word
assert_blocks(cut, (levels > 0) * np.uint8(15), labels)
assert_blocks(design((7, 6, 3), "drtp", 4, "nearest", input_bits=8, **fast), *draw(9, 7, 8, 0.9, 3))
assert_blocks(design((7, 6, 3), "drtp", residual_bits=4, hidden_rate=-4), *draw(9, 7, 4, 0.9, 3))
for dead_zone in (30, 60, 90, 127):
    assert_blocks(design((2, 3), "drtp", 2, "nearest", dead_zone=dead_zone, output_rate=-1), *draw(3, 2, 4, 0.0, 3))
assert_blocks(design((7, 6, 5), "drtp", **slow), *draw(9, 7, 4, 0.7, 5), prepare=lambda learner: learner.set_live_outputs(1))
"""

MIXED_CHECK = """
from edgelearn.network.blocks import learns_by_blocks
from tests.mixed_cases import masks_of_rules, pairs_of_rules

levels = (rng.integers(0, 16, (24, 7)) * (rng.random((24, 7)) < 0.7)).astype(np.uint8)
labels = rng.integers(0, 3, 24)
common = dict(hidden_rate=-1, output_rate=-2, range_exponent=-1)
for _, spec in (*masks_of_rules(), *pairs_of_rules()):
    if learns_by_blocks(spec):
        assert_blocks(spec, levels, labels, halvings=1)
    assert_twins(spec, levels[:8], labels[:8], halvings=1)
for rounding in ("nearest", "stochastic"):
    cut = design((7, 6, 3), "drtp", 3, rounding, residual_bits=0, learn="bias", hidden_rate=0, output_rate=0, range_exponent=-1)
    assert_twins(cut, levels, labels)
cut = design((7, 6, 3), "drtp", 3, "nearest", learn="bias", hidden_rate=0, output_rate=0, range_exponent=-1)
assert_blocks(cut, levels | np.uint8(1), labels)
for sizes in ((7, 6, 3), (20, 66, 3)):
    wide = (rng.integers(0, 16, (24, sizes[0]))).astype(np.uint8)
    assert_blocks(design(sizes, "drtp", 8, learn="bias", **common), wide, labels)
"""

REPLICA_CHECK = """
from tests.unit.network.test_replicas import assert_alike, draw_specs

for rule in ("drtp", "signed-target", "shallow"):
    for bits in (4, 5):
        assert_alike(draw_specs(rng, rule, input_bits=bits, dead_zone=12), rng, 40, halvings=1)
for rates in ((-2, -2), (-6, -7)):
    specs = [design((60, 20, 4), "drtp", hidden_rate=rates[0], output_rate=rates[1], seed=seed) for seed in range(5)]
    assert_alike(specs, rng, 30, rails=True)
    assert_alike(specs, rng, 1, density=0.0)
"""

FRONT_END_CHECK = """
x = (rng.normal(0, 1, (90, 2)) * 2.0 ** (np.arange(90) // 20)[:, None]).astype(np.float32)
x[50:, 1] = np.round(x[50:, 1])
x[85:, 0] *= np.float32(2.0**100)
x[30:40:3, 1] = np.nan
x[60:70, 0] = np.nan
x[1:4, 0] = np.nan
x[43:45, 1] = 3000, 4096
for encoder in ENCODERS:
    settings = dict(encoder=encoder, input_bits=1 if encoder == "threshold" else 4, time_constant=3, reach=4, input_threshold=3)
    for window, stride, features in ((1, 1, "samples"), (3, 2, "samples"), (4, 3, "statistics")):
        assert_front_end(FrontEndSpec(2, window, stride, features, **settings), x, np.arange(90) // 35)
"""

IMPORTED_CHECK = """
from edgelearn.network.imported import imported_feedback, range_exponent
from edgelearn.rules import find_rule
from tests.naive import words as naive
from tests.naive.oracle import RULES as PAPER

levels = (rng.integers(0, 16, (12, 7)) * (rng.random((12, 7)) < 0.7)).astype(np.uint8)
labels = rng.integers(0, 3, 12)
for tail in (0.0, 1.0, 6.0):
    values = np.sign(found := rng.uniform(-1, 1, (6, 5))) * np.abs(found) ** (1 + tail)
    values /= np.abs(values).max()
    for scale in (*np.linspace(0.5, 0.51, 11), 0.7, 1.0, 1.5):
        exponent = naive.imported_exponent((scale * values).tolist(), [0.0], 8)
        assert range_exponent(scale * values, np.zeros(1)) == exponent
for rule in ("drtp", "signed-target", "dfa", "sdfa", "fa", "local"):
    for exponents in ([-1, 0, 1], [2, -3, 0], [0, 2, 3]):
        spec = design((7, 6, 5, 3), rule, range_exponents=exponents, hidden_rate=-3, output_rate=-3)
        views = [rng.integers(-64, 65, (layer.n_out, layer.n_in)) for layer in spec.layers]
        views[-1][0, 0] = 64 if rule == "fa" else views[-1][0, 0]
        taken = imported_feedback([find_rule(rule)] * 2, views, exponents, 8)
        for k, (matrix, f) in enumerate(taken, 1):
            plain, signal = [view.tolist() for view in views], PAPER[rule].signal
            expected = naive.imported_feedback(plain, exponents, 8, k, signal, PAPER[rule].feedback == "layerwise")
            assert (matrix.tolist(), f) == expected, (rule, k)
        feedback = {"feedback_format": "imported", "feedback_exponents": [f for _, f in taken]}
        spec = design((7, 6, 5, 3), rule, range_exponents=exponents, hidden_rate=-3, output_rate=-3, **feedback)
        words = {f"layer{k}_weights": (view << 8).astype(np.int16) for k, view in enumerate(views, 1)}
        words |= {f"layer{k}_biases": (view[:, 0] << 7).astype(np.int16) for k, view in enumerate(views, 1)}
        words |= {f"layer{k}_feedback": matrix for k, (matrix, _) in enumerate(taken, 1)}
        assert_twins(spec, levels, labels, prepare=lambda learner: learner.put_words(words))
"""

MAP_CHECK = """
from tests.convolution_cases import case

levels = (rng.integers(0, 16, (8, 30)) * (rng.random((8, 30)) < 0.7)).astype(np.uint8)
labels = rng.integers(0, 3, 8)
common = dict(hidden_rate=-2, output_rate=-2, kernel_rate=-2, kernel_bias=True)
for rounding in ("residual", "stochastic"):
    for pooling in ("pool2", "meanpool2"):
        spec = design(f"6x5x1-conv3x3x3-{pooling}-3", "dfa", 8, rounding, teach="positions", **common)
        assert_twins(spec, levels, labels)
    assert_twins(design("6x5x1-conv3x3x3-pool3-3", "dfa", 8, rounding, **common), levels, labels)  # two columns left
    falling = {"activation": "relu", "kernel_rate": 0, "output_rate": -1}
    spec = design("6x5x1-conv3x3x3-pool2-conv2x2x2p0-1", "mdfa", 4, rounding, **common | falling)
    assert_twins(spec, levels, labels * 0)
for seed in range(60):
    drawn = case(seed, 3)
    assert_twins(drawn.spec, drawn.levels, drawn.labels, drawn.halvings, drawn.prepare)
"""

FROZEN_CHECK = """
import warnings
from edgelearn.conversion.convert import convert
from edgelearn.conversion.front import FloatFront, FrontLayer
from edgelearn.network.frozen import FrozenLayer, Geometry
from edgelearn.pretrained.imported import Tensor
from tests.naive import frozen as naive
from tests.properties.test_frozen import layer_of, plain

warnings.simplefilter("ignore")
for seed in range(60):
    rng = np.random.default_rng(seed)
    kind, channels = ("sum", "sum", "max")[seed % 3], 1 + seed % 4
    groups = channels if kind == "max" or seed % 2 else 1
    maps = channels if kind == "max" else 2 * channels
    shape = Geometry(kind, 5, 4, channels, maps, 2, 3, 1 + seed % 2, 2 - seed % 2, 1, 0, 0, 1, groups)
    layer = layer_of(shape, rng, seed % 4 < 2)
    x = rng.integers(-127, 0 if seed % 5 == 0 else 128, (2, shape.n_in)) * (rng.random((2, shape.n_in)) < 0.8)
    taken = x if layer.order is None else x[:, layer.order]
    expected = [naive.layer(plain(shape), layer.words, layer.biases, layer.shifts, layer.table, row) for row in taken.tolist()]
    assert layer.run(x.astype(np.int16)).tolist() == expected
wide = Geometry("sum", 1, 1, 3000, 2)
words = np.full((2, 3000), 127, np.int8)
words[1] = rng.integers(-127, 128, 3000)
layer = FrozenLayer(wide, words, np.array([1, -3], np.int32), np.zeros(2, np.int64), np.arange(-128, 128).astype(np.int8))
x = np.full((1, 3000), 255)
x[0, ::2] = 0
layer.biases[0] = -int((words[0] * x[0]).sum()) + 5
x[0, 1] -= 1
layer.biases[0] += 127 * 1 + 1
assert layer.run(x).tolist() == [naive.layer(plain(wide), words, layer.biases, [0, 0], layer.table, x[0].tolist())]
from edgelearn.conversion.convert import _scale_of
values = np.ones(30_000)
values[:2] = 100
assert _scale_of(values) == naive.output_scale(values.tolist()) == 6
for seed, name in enumerate(("relu", "tanh", "sigmoid", "linear", "relu", "elu")):
    rng = np.random.default_rng(seed)
    shape = Geometry("sum", 3, 3, 2, 4, 2, 2)
    weights = rng.normal(0, 1, (4, 8)) * 2.0 ** rng.integers(-3, 4, (4, 1))
    biases = rng.normal(0, 2.0**9 if seed == 4 else 1, 4) * (2.0**18 if seed == 4 else 1)
    layers = [FrontLayer("a", shape, weights, biases, name), FrontLayer("b", Geometry("sum", 1, 1, 16, 3), rng.normal(0, 1, (3, 16)), rng.normal(0, 1, 3), name)]
    x = rng.uniform(-1, 1, (300, 18))
    x[0] = 40
    made, taken, scale = convert(FloatFront(Tensor("in", None, "float32"), tuple(layers), None, ()), x, 1 / 127, 127, "m"), x, 0
    from edgelearn.conversion.tables import FINEST, SCALED, find_function
    for k, (layer, one) in enumerate(zip(layers, made.stack.layers)):
        sums = layer.sums(taken).astype(float)
        taken = layer.activated(layer.sums(taken))
        outer = naive.output_scale(taken.ravel().tolist())
        inner = outer if name in SCALED else max(naive.output_scale(sums.ravel().tolist()), FINEST.get(name, -99))
        unit = 1 / 127 if k == 0 else 1.0
        found = naive.converted((layer.weights * unit).tolist(), layer.biases.tolist(), lambda z: float(find_function(name)(np.array(z))), scale, inner, outer, 127 if k == 0 else 128)
        assert (one.words.tolist(), one.biases.tolist(), one.shifts.tolist(), one.table.tolist()) == found
        scale = outer
"""

TARGET_CHECK = """
from edgelearn.streaming.detector import DetectorSpec
from tests.target_cases import case
from tests.target_pairs import assert_target_twins

for seed in range(70):
    case(seed, 12).check()
levels = rng.integers(0, 16, (40, 4)).astype(np.uint8)
quiet = np.repeat(levels[:1], 40, axis=0)
common = dict(task="reconstruct", output="linear", hidden_rate=-4, output_rate=-4)
for threshold in ("quantile", "deviation"):
    settings = DetectorSpec(4, 20, smoothing=2, threshold=threshold, quantile=8000, factor=16, follow=4, learn_while="always")
    for rows in (levels, quiet):
        assert_target_twins(design((4, 4), "dfa", **common), rows, None, detector=settings)
never = DetectorSpec(0, 8, smoothing=0, quantile=10_000, factor=16, learn_while="never")
assert_target_twins(design((4, 4), "dfa", **common), quiet, None, detector=never)  # each score is the threshold
for output, delta_bits in (("linear", 16), ("linear", 5), ("sigmoid", 6)):
    targets = rng.integers(0, 256, (40, 40)).astype(np.int16)
    for rule in ("drtp", "local", "dfa"):
        spec = design((4, 6, 5, 40), rule, task="regression", output=output, delta_bits=delta_bits, feedback_format="sign",
                      hidden_rate=-3, output_rate=-3, local_dead_zone=20)
        assert_target_twins(spec, levels[:10], targets[:10])
"""


CHECKS = {
    "network": (MUTANTS, CHECK),
    "blocks": (BLOCK_MUTANTS, BLOCK_CHECK),
    "replicas": (REPLICA_MUTANTS, REPLICA_CHECK),
    "stream": (STREAM_MUTANTS, STREAM_CHECK),
    "mixed": (MIXED_MUTANTS, MIXED_CHECK),
    "convolutions": (MAP_MUTANTS, MAP_CHECK),
    "front end": (FRONT_END_MUTANTS, FRONT_END_CHECK),
    "imported": (IMPORTED_MUTANTS, IMPORTED_CHECK),
    "frozen": (FROZEN_MUTANTS, FROZEN_CHECK),
    "targets": (TARGET_MUTANTS, TARGET_CHECK),
}


@pytest.fixture(scope="module")
def forge() -> Iterator[subprocess.Popen[str]]:
    """A process with the libraries of the kernels, which run as plain Python."""
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-W", "ignore", "-c", FORGE]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd="/"
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def check(forge: subprocess.Popen[str], copy: Path, script: str) -> tuple[int, str]:
    """Return exit code and errors of a script beside a copy of the sources."""
    assert forge.stdin is not None
    assert forge.stdout is not None
    forge.stdin.write(json.dumps([str(copy), START.format(copy=str(copy), root=str(ROOT)) + script]) + "\n")
    forge.stdin.flush()
    code, errors = json.loads(forge.stdout.readline())
    return code, errors


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(
        ROOT / "edgelearn", tmp_path / "edgelearn", ignore=shutil.ignore_patterns("*.nb?", "*.kernel", "docs")
    )
    return tmp_path


@pytest.mark.parametrize("kind", CHECKS)
def test_the_unchanged_kernels_pass(forge, copy, kind):
    code, errors = check(forge, copy, CHECKS[kind][1])
    assert code == 0, errors


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, (mutants, _) in CHECKS.items() for name in mutants])
def test_mutant_is_caught(forge, copy, kind, name):
    mutants, script = CHECKS[kind]
    file, line, fault = mutants[name]
    path = copy / "edgelearn" / file
    source = path.read_text()
    assert line in source, f"the line to change is gone from {file}: update the mutant"
    path.write_text(source.replace(line, fault))
    for bytecode in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
        bytecode.unlink()  # Python goes by time and size
    code, errors = check(forge, copy, script)
    assert code != 0, f"not caught: {name}"
    assert "AssertionError" in errors or "Not equal" in errors, errors[-2000:]
