"""Wrong arithmetic in the C core is caught, and a wrong word is found and named."""

from __future__ import annotations

import shutil

import pytest

from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from firmware_sim.build import image
from firmware_sim.build.estimate import learner_fields
from firmware_sim.build.image import compile_image
from firmware_sim.build.targets import find_target
from firmware_sim.check.verify import verify
from firmware_sim.emulate.runners import runner
from tests.firmware.firmware_cases import compare, random_samples, require

SETTINGS = {"sizes": (12, 9, 5), "hidden_rate": -3, "output_rate": -2, "rounding": "stochastic"}
LEARNER, FIXED, CONVOLUTION = "src/el_learner.c", "include/el_fixed.h", "include/el_convolution.h"
MAP, MAPS = "6x6x1-conv4x3x3-pool2-7-5", "6x6x2-conv3x3x3-conv4x3x3-pool2-5"
# file, line as it is, line as it would be wrong, settings that reach it
MUTANTS = {
    "shift rounds to zero": (FIXED, "return (x < 0) ? ~((~x) >> s) : (x >> s);", "return x / ((int32_t)1 << s);", {}),
    "no rounding constant": (FIXED, "rounding.half = (int32_t)1 << (shift - 1);", "rounding.half = 0;", {}),
    "word wraps": (
        LEARNER,
        "el_clamp((int32_t)*word + step, lowest, EL_WORD_MAX)",
        "el_clamp((int32_t)*word + step, lowest - 65536, 65536)",
        {},
    ),
    "full activations without a label": (
        LEARNER,
        "const int8_t y = (label < EL_CLASSES) ?",
        "const int8_t y = (label <= EL_CLASSES) ?",
        {"hidden_inference": "sign"},
    ),
    "a draw for each neuron": (
        LEARNER,
        "step = el_shr(step, 8U) + ((el_random_byte(draw, j)",
        "step = el_shr(step, 8U) + ((el_random_byte(el_draw(&net->generator) + (draw & 0U), j)",
        {},
    ),
    "no key": (
        FIXED,
        "((draw >> (8U * (j & 3U))) ^ key) & 255U",
        "((draw >> (8U * (j & 3U))) ^ (key & 0U)) & 255U",
        {},
    ),
    "last maximum wins": (LEARNER, "(z > largest)", "(z >= largest)", {"bits": 2, "input_bits": 1}),
    "bias without an input": (LEARNER, "is_bias ? (int32_t)layer->one :", "is_bias ? (int32_t)1 :", {}),
    "the view is the word": (
        LEARNER,
        "return el_shr((int32_t)word, EL_VIEW_SHIFT);",
        "return word;",
        {"rounding": "residual"},
    ),
    "gate without rounding": (LEARNER, "(modulator * gate) + 64, 7U", "(modulator * gate), 7U", {}),
    "narrow error without rounding": (
        LEARNER,
        "el_round_clamp(e, EL_ERROR_SHIFT, -EL_ERROR_MAX, EL_ERROR_MAX)",
        "el_shr(e, EL_ERROR_SHIFT)",
        {"rule": "dfa", "delta_bits": 7},
    ),
    "selected row in all its bits": (
        LEARNER,
        "return el_round_clamp(b, layer->signal_shift, -EL_MODULATOR_MAX, EL_MODULATOR_MAX);",
        "return b;",
        {"rule": "drtp", "delta_bits": 6},
    ),
    "wide modulators": (
        LEARNER,
        "return el_round_clamp(sum, layer->signal_shift, -EL_MODULATOR_MAX, EL_MODULATOR_MAX);\n}\n\n#if EL_USES(EL_SIGNAL_LOCAL)",
        "return el_round_clamp(sum, layer->signal_shift, -32767, 32767);\n}\n\n#if EL_USES(EL_SIGNAL_LOCAL)",
        {"rule": "dfa", "delta_bits": 4, "sizes": (12, 9, 40)},
    ),
    "weights updated first": (
        LEARNER,
        """        const el_sparse below = modulate(net, (uint16_t)(k - 1U), &above); /* through words that are not updated yet */
        update_from_lists(net, levels, k, &above);
""",
        """        update_from_lists(net, levels, k, &above);
        const el_sparse below = modulate(net, (uint16_t)(k - 1U), &above);
""",
        {"rule": "bp"},
    ),
    "halved twice as often": (LEARNER, "(int32_t)net->halvings;", "(int32_t)net->halvings + 1;", {}),
    "softmax rounds down": (LEARNER, " + (shares.total / 2U)", "", {"output": "softmax"}),
    "shift register starts elsewhere": (
        LEARNER,
        "((row + 1U) * 40503U)",
        "(row * 40503U)",
        {"feedback_format": "lfsr"},
    ),
    "the row of the label is added": (
        LEARNER,
        "sum += is_target ? -b : b;",
        "sum += is_target ? b : b;",
        {"rule": "signed-target"},
    ),
    "readout at the scale of the output": (
        LEARNER,
        "el_round_clamp(sum, layer->readout_shift, -128, 127)",
        "el_round_clamp(sum, layer->sum_shift, -128, 127)",
        {"rule": "local"},
    ),
    "readout from the last neuron to the first": (
        LEARNER,
        "((int32_t)y[j] * feedback_word(at + j))",
        "((int32_t)y[j] * feedback_word(at + layer->n_out - 1U - j))",
        {"rule": "local"},
    ),
    "the error of the outputs in place of the local one": (
        LEARNER,
        "return error_of(net, net->readout, label);",
        "return error_of(net, net->output, label);",
        {"rule": "local"},
    ),
    "rows of the readout in one register": (
        LEARNER,
        "net->lfsr[0] = lfsr_start(c, layer->feedback_at);",
        "net->lfsr[0] = lfsr_start(0U, layer->feedback_at);",
        {"rule": "local", "feedback_format": "lfsr"},
    ),
    "biases drawn for each input": (
        LEARNER,
        "const uint16_t n_inputs = biases ? 0U : n_events;",
        "const uint16_t n_inputs = biases ? 1U : n_events;",
        {"rule": "bp", "learn": "bias"},
    ),
    "biases alone that never learn": (
        LEARNER,
        "if (EL_LAYER[k].learns != EL_LEARNS_NONE) {",
        "if (EL_LAYER[k].learns == EL_LEARNS_ALL) {",
        {"rule": "bp", "learn": "bias", "sizes": (12, 9, 8, 5)},
    ),
    "bp through the words of its own layer": (
        LEARNER,
        "b = weight(net, (uint16_t)(k + 1U), lanes->at[a], j);",
        "b = weight(net, k, j, lanes->at[a]);",
        {"rule": "bp+local", "sizes": (12, 9, 8, 5)},
    ),
    "the error of a readout teaches the output layer": (
        LEARNER,
        "if (k == EL_LAST) { /* a readout",
        "if (k > EL_LAST) { /* a readout",
        {"rule": "bp+local", "sizes": (12, 9, 8, 5)},
    ),
    "one place for d of two layers": (
        LEARNER,
        "(EL_DELTA_BUFFERS > 1) ? ((uint32_t)(k & 1U) * EL_WIDEST_HIDDEN) : 0U",
        "(uint32_t)(k & 0U)",
        {"rule": "bp+drtp", "sizes": (12, 9, 8, 5), "update_gate": "error"},
    ),
    "biases of a frozen row are learned ones": (
        LEARNER,
        "(layer->learns == EL_LEARNS_NONE) ? EL_READ_FROZEN(row[EL_FAN_IN(layer)])",
        "(layer->learns == EL_LEARNS_BIAS) ? EL_READ_FROZEN(row[0])",
        {"rule": "bp", "learn": "bias"},
    ),
    "every layer the rule of the first": (
        LEARNER,
        "#define EL_SIGNAL_OF(layer) ((int)(layer)->signal)",
        "#define EL_SIGNAL_OF(layer) ((int)EL_LAYER[0].signal + (0 * (int)(layer)->signal))",
        {"rule": "dfa+sdfa", "sizes": (12, 9, 8, 5)},
    ),
    "the bias of mdfa has a floor": (LEARNER, "&& !is_bias) ? 0", ") ? 0", {"rule": "mdfa"}),
    "dead zone without its edge": (LEARNER, "(e > dead_zone)", "(e >= dead_zone)", {"dead_zone": 30}),
    "a readout with the dead zone of the outputs": (
        LEARNER,
        "? EL_DEAD_ZONE : EL_LOCAL_DEAD_ZONE",
        "? EL_DEAD_ZONE : EL_DEAD_ZONE",
        {"rule": "local", "local_dead_zone": 60},
    ),
    "margin without its edge": (
        LEARNER,
        "return lead > EL_MARGIN;",
        "return lead >= EL_MARGIN;",
        {"update_gate": "margin", "margin": 4},
    ),
    "the last of equal sums wins": (
        CONVOLUTION,
        "(z > net->sum[o])",
        "(z >= net->sum[o])",
        {"sizes": MAP, "bits": 2, "input_bits": 1},
    ),
    "a window one row further down": (
        CONVOLUTION,
        "(int32_t)(y * layer->stride) - (int32_t)layer->padding;",
        "(int32_t)(y * layer->stride) - (int32_t)layer->padding + 1;",
        {"sizes": MAP},
    ),
    "a kernel by columns": (
        CONVOLUTION,
        "(((uint32_t)dy * layer->kernel_width) + (uint32_t)first) * layer->channels",
        "(((uint32_t)first * layer->kernel_width) + (uint32_t)dy) * layer->channels",
        {"sizes": MAP},
    ),
    "the winner of the map beside": (
        CONVOLUTION,
        "return winner_of(net, layer, j) == place;",
        "return winner_of(net, layer, j ^ 1U) == place;",
        {"sizes": MAP},
    ),
    "the mean is its first place": (
        CONVOLUTION,
        "    (void)place;\n    return true;",
        "    return place == 0U;",
        {"sizes": "6x6x1-conv4x3x3-meanpool2-7-5"},
    ),
    "sums of the kernel before": (CONVOLUTION, "sum[place] = 0;", "sum[place] += 0;", {"sizes": MAP}),
    "a kernel's step rounded down": (
        FIXED,
        "el_shr(el_shr(x, (uint32_t)shift - 1U) + 1, 1U)",
        "el_shr(x, (uint32_t)shift)",
        {"sizes": MAP},
    ),
    "all maps have the key of the first": (
        CONVOLUTION,
        "el_random_byte(draw, o)",
        "el_random_byte(draw, o & 0U)",
        {"sizes": MAP},
    ),
    "draws of their own for every map": (
        CONVOLUTION,
        "generator = step_kernel(net, k, o, net->sum, start);",
        "generator = step_kernel(net, k, o, net->sum, generator);",
        {"sizes": MAP},
    ),
    "a kernel's bias at the level of an input of 1": (
        CONVOLUTION,
        "(int32_t)layer->one * d",
        "(((int32_t)layer->one > 0) ? d : 0)",
        {"sizes": MAP, "kernel_bias": True},
    ),
    "map feedback of the first map": (
        CONVOLUTION,
        "next_modulator(net, layer, label, at + o + b, 1)",
        "next_modulator(net, layer, label, at + (0U * (o + b)), 1)",
        {"sizes": MAP, "rule": "drtp", "feedback_kind": "map"},
    ),
    "registers that do not step over other maps": (
        CONVOLUTION,
        "skip_words(net, layer, layer->columns - n);",
        "skip_words(net, layer, 0U);",
        {"sizes": MAP, "rule": "drtp", "feedback_format": "lfsr"},
    ),
    "one kernel of those that learn at once": (
        CONVOLUTION,
        "active |= (uint32_t)1 << b;",
        "active |= 1U;",
        {"sizes": "8x8x1-conv4x3x3-7-5", "rule": "drtp"},
    ),
    "d of windows that begin one row later": (
        CONVOLUTION,
        "((span->first * stride) + kernel) <= at)",
        "((span->first * stride) + kernel) <= (at + 1U))",
        {"sizes": MAPS, "rule": "bp"},
    ),
    "the place in a pooling window is forgotten": (
        CONVOLUTION,
        "uint32_t dy = rows->within;",
        "uint32_t dy = 0U * rows->within;",
        {"sizes": MAPS, "rule": "bp"},
    ),
    "gates of positions at the scale of the mean": (
        CONVOLUTION,
        "layer->sum_shift - layer->pool_shift",
        "(int32_t)layer->sum_shift",
        {"sizes": "6x6x1-conv4x3x3-meanpool2-7-5", "teach": "positions"},
    ),
    "zeros where no convolution forms d": (
        LEARNER,
        "return deltas_at(net, 0U); /* a convolution without d has no place for zeros */",
        "return deltas_of(net, k);",
        {"sizes": "6x6x1-conv8x3x3-conv2x3x3-7-5", "rule": "shallow+dfa+dfa"},
    ),
}


def mutated(monkeypatch, tmp_path, file, line, wrong):
    """Make `build` copy the core with one line changed."""
    copy = tmp_path / "csrc"
    shutil.copytree(image.CSRC, copy)
    text = (copy / file).read_text()
    assert text.count(line) == 1, line
    (copy / file).write_text(text.replace(line, wrong))
    monkeypatch.setattr(image, "CSRC", copy)


# of masks, rounding, outputs, readouts, convolutions
QUICK = ("biases drawn", "shift rounds", "softmax rounds", "readout at", "the winner of")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name.startswith(QUICK) else pytest.mark.slow) for name in MUTANTS]
)
def test_a_wrong_line_is_caught(monkeypatch, tmp_path, name):
    file, line, wrong, settings = MUTANTS[name]
    spec = design(**(SETTINGS | {"rule": "dfa"} | settings))
    for stress in (False, True):
        assert compare(spec, tmp_path / f"right{stress}", stress=stress).difference is None
    mutated(monkeypatch, tmp_path, file, line, wrong)
    found = [compare(spec, tmp_path / f"wrong{stress}", stress=stress).difference for stress in (False, True)]
    assert any(found), "neither the data nor the stress stream tells"


def started(spec, folder):
    """Compile a network for an emulated core; return the image and what runs it."""
    require("zig", "cortex-m4")
    image = compile_image(Learner(spec), folder, find_target("cortex-m4"))
    return image, runner(image, spec)


def flipped(spec, tmp_path, k, neuron, column, bit, after):
    """Flip one bit of a word on an emulated core after some samples, and compare."""
    image, firmware = started(spec, tmp_path)
    words = next(field for field in learner_fields(spec) if field.name == "words")
    before = sum((layer.n_in + 1) * layer.n_out for layer in spec.layers[:k])
    word = before + neuron * (spec.layers[k].n_in + 1) + column
    at = firmware.machine.program.symbols["net"][0] + words.offset + 2 * word + bit // 8

    class Struck:
        learned = 0

        def __getattr__(self, name):
            return getattr(firmware, name)

        def learn(self, levels, labels):
            predictions = firmware.learn(levels, labels)
            self.learned += len(labels)
            if self.learned == after:
                self.strike()
            return predictions

        def strike(self):
            (byte,) = firmware.machine.read(at, 1)
            firmware.machine.write(at, bytes([byte ^ (1 << bit % 8)]))

    struck = Struck()
    if after == 0:
        struck.strike()
    return verify(Learner(spec), image.identity, struck, *random_samples(spec, 60), chunk=20)


@pytest.mark.parametrize(("k", "neuron", "column", "bit"), [(0, 0, 0, 0), (0, 8, 11, 15), (1, 4, 9, 3), (1, 2, 5, 9)])
def test_a_flipped_bit_is_found(tmp_path, k, neuron, column, bit):
    spec = design((12, 9, 5), "drtp")
    found = flipped(spec, tmp_path, k, neuron, column, bit, after=0).difference
    is_bias = column == spec.layers[k].n_in
    assert (found.sample, found.what) == (-1, "bias" if is_bias else "weight")
    assert (found.layer, found.neuron, found.input) == (k + 1, neuron + 1, 0 if is_bias else column + 1)
    assert (found.firmware ^ found.simulator) & 0xFFFF == 1 << bit
    assert found.words == 1


def test_a_bit_that_flips_later_is_told_from_wrong_arithmetic(tmp_path):
    found = flipped(design((12, 9, 5), "drtp"), tmp_path, 0, 3, 7, 6, after=40).difference
    assert (found.layer, found.neuron, found.input, found.sample) == (1, 4, 8, 39)
    assert not found.repeats
    assert "does not happen again" in str(found)


def test_a_prediction_that_was_wrong_once_is_shown_as_it_was(tmp_path):
    spec = design((12, 9, 5), "drtp")
    image, firmware = started(spec, tmp_path)
    first = firmware.learn

    def once(levels, labels):
        firmware.learn = first
        predictions = first(levels, labels).copy()
        predictions[11] ^= 1
        return predictions

    firmware.learn = once
    found = verify(Learner(spec), image.identity, firmware, *random_samples(spec, 60), chunk=20).difference
    assert (found.what, found.sample, found.repeats) == ("prediction", 11, False)
    assert found.firmware == found.simulator ^ 1


def test_a_wrong_checksum_is_told_from_wrong_words(tmp_path):
    spec = design((12, 9, 5), "drtp")
    image, firmware = started(spec, tmp_path)
    whole = firmware.checkpoint
    firmware.checkpoint = lambda: whole()[:-1] + bytes([whole()[-1] ^ 1])
    found = verify(Learner(spec), image.identity, firmware, *random_samples(spec, 20)).difference
    assert (found.what, found.sample, found.firmware ^ found.simulator) == ("checksum", -1, 1 << 24)


def test_the_first_wrong_update_is_named(monkeypatch, tmp_path):
    """Weights are wrong from the first learned sample on; predictions only later."""
    mutated(monkeypatch, tmp_path, LEARNER, "(int32_t)net->halvings;", "(int32_t)net->halvings + 1;")
    found = compare(design((12, 9, 5), "dfa"), tmp_path / "build").difference
    assert (found.sample, found.layer, found.repeats) == (0, 1, True)
    assert f"of layer 1, neuron {found.neuron}" in str(found)
    assert found.words > 1
