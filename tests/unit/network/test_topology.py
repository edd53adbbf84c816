"""Topology texts, geometry of windows and the layers that are made from them, by hand."""

from __future__ import annotations

import itertools

import pytest

from edgelearn.errors import UserError
from edgelearn.network import state
from edgelearn.network.layer import ConvLayer
from edgelearn.network.spec import design, parse_net
from edgelearn.network.topology import Convolution, Dense, parse_shape, parse_topology
from edgelearn.network.window import Window


@pytest.mark.parametrize(
    ("text", "canonical", "sizes"),
    [
        ("784-500-10", "784-500-10", (784, 500, 10)),
        ("784-fc500-10", "784-500-10", (784, 500, 10)),
        ("28x28x1-10", "784-10", (784, 10)),
        ("28x28x1-conv16x5x5-pool2-fc128-10", "28x28x1-conv16x5x5-pool2-fc128-10", (784, 3136, 128, 10)),
        ("28x28x1-conv16x5-maxpool2-128-fc10", "28x28x1-conv16x5x5-pool2-fc128-10", (784, 3136, 128, 10)),
        ("28x28x1-conv10x5x5s2p0-128-10", "28x28x1-conv10x5x5s2p0-fc128-10", (784, 1440, 128, 10)),
        ("9x7x2-conv3x3x5s2p1-meanpool2-4", "9x7x2-conv3x3x5s2p1-meanpool2-4", (126, 6, 4)),
        ("7x7x1-conv2x4-pool3-3", "7x7x1-conv2x4x4-pool3-3", (49, 8, 3)),
    ],
)
def test_texts_are_read_and_printed(text, canonical, sizes):
    net = parse_topology(text)
    assert (str(net), net.sizes) == (canonical, sizes)
    assert parse_topology(canonical) == parse_topology(str(parse_topology(canonical)))


def test_the_official_text_has_a_pooling_of_two_unless_a_fifth_number_says_otherwise():
    net = parse_topology("CONV_32_5_1_2_CONV_8_3_2_0_1_FC_1000_FC_10")
    assert net.layers == (
        Convolution(32, 5, 5, 1, 2, 2), Convolution(8, 3, 3, 2, 0, 1), Dense(1000), Dense(10),
    )  # fmt: skip
    with pytest.raises(UserError, match="needs the shape of its inputs"):
        _ = net.sizes
    assert net.with_inputs((28, 28, 1)).sizes == (784, 14 * 14 * 32, 6 * 6 * 8, 1000, 10)
    assert parse_topology("FC_500_FC_10").with_inputs((1, 784, 1)).sizes == (784, 500, 10)


@pytest.mark.parametrize(
    "text",
    ["", "10", "784-", "784-abc-10", "0-5", "CONV_3_FC_1", "FC__5", "LOCAL_3_3_FC_10", "٣-5", "0x3x1-10", "64x10"],
)  # fmt: skip
def test_what_is_no_net_is_refused(text):
    with pytest.raises(UserError, match="cannot be read") as refused:
        parse_topology(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8x8x1-conv8x3x3", "has no output layer; .* e.g. 8x8x1-conv8x3x3-10$"),
        ("CONV_3_3_1_1", "has no output layer; .* e.g. CONV_3_3_1_1_FC_10$"),
        ("8x8x1-conv8x3x3-pool2-32-conv8x3x3-10", "has conv8x3x3 behind a dense layer; convolutions come first"),
        ("CONV_3_3_1_1_FC_5_CONV_3_3_1_1_FC_10", "has CONV_3_3_1_1 behind a dense layer; convolutions come first"),
        ("8x8x1-conv8x3x3-pool2-pool2-10", "has pool2 behind another pooling.* e.g. pool4$"),
        ("8x8x1-pool2-32-10", "has pool2 without a convolution in front of it; write conv16x5x5-pool2$"),
        ("8x8x1-conv4x3x3-5-pool2-10", "has pool2 without a convolution in front"),
        ("8x8-conv8x3x3-10", "leaves the channels of its inputs open; .* e.g. 8x8x1-conv8x3x3-10$"),
        ("8x8x1-conv8x3x3s0-10", "has a stride of 0 in conv8x3x3s0; give 1 or more"),
        ("8x8x1-conv0x3x3-10", "has a number of maps of 0 in conv0x3x3"),
        ("8x8x1-conv8x0x0-10", "has a kernel of side 0 in conv8x0x0"),
        ("8x8x1-conv8x3x3-pool0-10", "has pool0; a pooling has a side of 1 or more, e.g. pool2"),
    ],
)
def test_a_net_that_lacks_something_is_refused_with_what_it_lacks(text, message):
    with pytest.raises(UserError, match=message) as refused:
        parse_topology(text)
    assert "\n" not in str(refused.value)


def test_sizes_of_dense_layers_alone_say_that_convolutions_are_not_among_them():
    with pytest.raises(UserError, match="has convolutions, and a spiking network has none; write sizes such"):
        parse_net("8x8x1-conv4x3x3-pool2-16-10", "a spiking network")


@pytest.mark.parametrize(
    ("text", "why", "nearest"),
    [
        ("28x28x1-conv16x30x30p0-10", "kernel of 30 x 30 is larger", "28x28x1-conv16x28x28p0-10"),
        ("8x8x1-conv4x3-pool20-conv4x3-10", "pooling of 20 is larger than the map of 8 x 8",
         "8x8x1-conv4x3x3-pool8-conv4x3x3-10"),
        ("8x8x1-conv4x3-meanpool16-10", "pooling of 16 is larger", "8x8x1-conv4x3x3-meanpool8-10"),
        ("6x8x1-conv2x3-pool4-conv2x3p0-10", "in layer 2 the kernel of 3 x 3", "6x8x1-conv2x3x3-pool4-conv2x1x2p0-10"),
        ("784-conv16x5-10", "needs the shape of its inputs", "28x28x1-conv16x5-10"),
        ("9x9x1-conv4x5x3-10", "leaves the padding of a kernel of 5 x 3 open", "conv4x5x3p0"),
        ("9x9x1-conv4x3-meanpool3-10", "means are taken of 4, 16, 64", "meanpool2"),
    ],
)  # fmt: skip
def test_a_net_that_does_not_fit_is_refused_with_the_nearest_that_does(text, why, nearest):
    with pytest.raises(UserError, match=why) as refused:
        parse_topology(text)
    message = str(refused.value)
    assert "\n" not in message
    assert message.endswith(nearest)
    if "--net" in message:
        assert parse_topology(message.rpartition("--net ")[2]).sizes[-1] == 10


def test_shapes():
    assert parse_shape("32x32x3") == (32, 32, 3)
    for text in ("32x32", "0x3x1", "axbxc"):
        with pytest.raises(UserError, match="input shape"):
            parse_shape(text)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 3])
def test_full_pairs_are_those_of_the_definition(stride, padding):
    window = Window(6, 5, 2, 3, 3, 2, stride, padding, 1)
    pairs = 0
    for y, x in itertools.product(range(window.out_height), range(window.out_width)):
        for dy, dx in itertools.product(range(3), range(2)):
            row, column = y * stride + dy - padding, x * stride + dx - padding
            pairs += 2 * (0 <= row < 6 and 0 <= column < 5)
    assert window.full_pairs == pairs


def test_bits_of_a_winner():
    assert [Window(9, 9, 1, 1, 1, 1, 1, 0, pool).winner_bits for pool in (1, 2, 3, 4)] == [0, 2, 4, 4]


def test_shifts_of_a_convolution_by_hand():
    spec = design("28x28x1-conv16x5x5-pool2-fc128-10", "bp")
    first = spec.layers[0]
    assert isinstance(first, ConvLayer)
    assert (first.fan_in, first.n_columns, first.n_weights, first.n_biases) == (25, 16, 400, 0)
    assert first.sum_shift == 4 + 7 - 0 - 5
    assert first.rate == -6  # of bp
    rates = {rule: design("9x9x1-conv4x3-fc5-4", rule).layers[0].rate for rule in ("drtp", "dfa", "sdfa", "local")}
    assert rates == {"drtp": -11, "dfa": -13, "sdfa": -14, "local": -6}
    assert design("9x9x1-conv4x3-4", "dfa", feedback_kind="map").layers[0].rate == -15
    assert design("9x9x1-conv4x3-4", "dfa", hidden_rate=-18).layers[0].rate == -20
    assert first.step_shift == 4 + 12 + 6 + 0 - 7 - 8
    assert first.signal_shift == 12 + 7 - 0 - 12  # from a dense layer that is not the output
    assert first.delta_bits == 16  # 784 * 15 * 32767 + 2^29 < 2^31
    mean = design("28x28x1-conv16x5x5-meanpool4-fc128-10", "bp").layers[0]
    assert (mean.sum_shift - first.sum_shift, mean.step_shift - first.step_shift) == (4, 4)
    below = design("9x9x1-conv4x3-conv6x3-meanpool2-10", "fa").layers[0]
    assert below.feedback_exponent == -2  # log2 sqrt(6 / (3 * 3 * 6)) = -1.6
    assert below.signal_shift == 12 + 2 + 7 + 2 - 12


@pytest.mark.parametrize(
    ("net", "input_bits", "rule", "bits"),
    [
        ("28x28x1-conv16x5x5-pool2-10", 4, "dfa", 16),
        ("32x32x3-conv8x3x3-pool2-10", 8, "dfa", 13),  # 1024 * 255 * 4095 + 2^29
        ("28x28x1-conv4x3-conv4x3-10", 4, "dfa", 16),  # its own layer 2: below
    ],
)
def test_words_of_d_keep_the_sums_of_positions_below_32_bits(net, input_bits, rule, bits):
    spec = design(net, rule, input_bits=input_bits)
    assert spec.layers[0].delta_bits == bits
    for layer in spec.layers[:-1]:
        assert layer.positions * layer.input_max * layer.delta_max + (1 << 29) < 1 << 31
        if layer.delta_bits < 16:  # no bit is given away
            assert layer.positions * layer.input_max * (2 * layer.delta_max + 1) + (1 << 29) >= 1 << 31


def test_shapes_of_feedback():
    net = "12x12x2-conv4x3x3-pool2-conv6x3x3-pool2-fc8-5"
    shapes = {
        rule: [(spec.feedback_rows(k), spec.feedback_columns(k)) for k in range(3)]
        for rule in ("fa", "dfa")
        for spec in [design(net, rule)]
    }
    assert shapes["fa"] == [(6, 36), (8, 54), (5, 8)]
    assert shapes["dfa"] == [(5, 144), (5, 54), (5, 8)]
    kinds = design(net, "dfa", feedback_kind="map")
    assert [kinds.feedback_columns(k) for k in range(3)] == [4, 6, 8]
    positions = design(net, "drtp", teach="positions")
    assert [positions.feedback_columns(k) for k in range(3)] == [576, 216, 8]
    assert [layer.n_gates for layer in positions.layers] == [576, 216, 8, 5]


def test_frozen_kernels_are_the_mask_none():
    spec = design("12x12x1-conv4x3x3-pool2-fc8-5", "dfa", kernels="frozen")
    assert (spec.learn, spec.layers[0].learns, spec.layers[0].word.residual_bits) == ("none+all+all", False, 0)
    assert spec == design("12x12x1-conv4x3x3-pool2-fc8-5", "dfa", learn="none+all+all")
    assert spec.feedback_rows(0) == 0


@pytest.mark.parametrize(
    ("net", "settings", "message"),
    [
        ("784-10", {"kernels": "frozen"}, "--kernels frozen has no effect in a network without convolutions"),
        ("784-10", {"kernel_bias": True}, "--kernel-bias has no effect"),
        ("9x9x1-conv2x3-pool2-4", {"rule": "bp", "teach": "positions"}, "not possible under rule 'bp'"),
        ("9x9x1-conv2x3-pool2-4", {"rule": "local", "feedback_kind": "map"}, "not possible under rule 'local'"),
        ("9x9x1-conv2x3-pool2-4", {"kernels": "frozen", "teach": "positions"}, "no effect where no kernel learns"),
        ("9x9x1-conv2x3-conv2x3-pool2-4", {"rule": "bp+dfa", "teach": "positions"}, "not possible"),
        ("9x9x1-conv2x3-pool2-4", {"learn": "bias"}, "a convolution without any; give --kernel-bias"),
        ("9x9x1-conv2x3-pool2-4", {"rule": "drtp", "kernel_rate": 0}, None),
        ("28x28x1-conv16x5x5-conv64x5x5-pool2-10", {"bits": 16}, "accumulator of layer 3 .* try --net 28x28x1-conv16"),
        ("28x28x1-conv16x5x5-meanpool8-10", {"bits": 16, "input_bits": 8}, "try --net 28x28x1-conv16x5x5-10"),
        ("8x8x1-conv8x3x3p99-10", {}, "accumulator of layer 2 .* try --net 8x8x1-conv8x3x3-10$"),
        ("28x28x1-conv8x3x3p999-10", {}, "32,772,608 sums; .* use less padding; try --net 28x28x1-conv8x3x3-10$"),
        ("512x512x1-conv64x3x3-10", {}, "16,777,216 sums; .* try --net 512x512x1-conv1x3x3-10"),
        ("9x9x1-conv2x3-pool2-4", {"rule": "dfa", "feedback_format": "imported", "feedback_exponents": (0,)},
         "feedback 'imported' of a convolution is not possible"),
        ("9x9x1-conv2x3-pool2-4", {"teach": "pixels"}, "teach 'pixels' is not known"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_are_refused_in_one_line(net, settings, message):
    if message is None:
        assert design(net, **settings).layers[0].rate == 0
        return
    with pytest.raises(UserError, match=message) as refused:
        design(net, **settings)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("net", "megabytes"),
    [("28x28x1-conv16x5x5-pool2-fc1000-10", 6), ("784-3000-10", 4), ("28x28x1-conv64x3x3-10", 6)],
)
def test_a_net_that_needs_more_memory_is_refused_with_one_that_fits(net, megabytes, monkeypatch):
    spec = design(net)
    monkeypatch.setattr(state, "physical_memory", lambda: megabytes << 20)
    with pytest.raises(UserError, match="GiB of memory") as refused:
        state.allocate(spec)
    smaller = str(refused.value).rpartition("--net ")[2]
    assert smaller != net
    state.allocate(design(smaller))
