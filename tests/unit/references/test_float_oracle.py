"""The float oracle judged by what does not come from it: differences of the loss, identities, arithmetic by hand."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path

import numpy as np
import pytest

from tests.naive import float_rules as oracle
from tests.naive.float_rules import ACTIVATIONS, PAIRS, RULES, gradients, loss_of

CHECKED = 1e-10  # relative residual of an exact identity in float64
SIZES = [5, 4, 6, 3]
STEP = 1e-6


def net(sizes=SIZES, seed=0, positive=False):
    rng = np.random.default_rng(seed)
    W = [rng.normal(0, 0.7, (n_out, n_in)) for n_in, n_out in itertools.pairwise(sizes)]
    if positive:
        W = [W[0], *map(np.abs, W[1:])]
    return W, [rng.normal(0, 0.3, n) for n in sizes[1:]]


def samples(sizes=SIZES, count=4, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, sizes[0])), np.eye(sizes[-1])[rng.integers(0, sizes[-1], count)]


def feedback(rule, sizes=SIZES, seed=2):
    """Feedback of a rule; positive wherever a rule needs it to be."""
    rng = np.random.default_rng(seed)
    direct = RULES[rule].feedback == "direct"
    above = [sizes[-1]] * (len(sizes) - 2) if direct else sizes[2:]
    B = [rng.normal(size=(n, m)) for n, m in zip(sizes[1:-1], above, strict=True)]
    B = [M.T for M in B] if direct else B
    return [np.abs(M) for M in B] if RULES[rule].non_negative or RULES[rule].feedback == "signs" else B


def differences(function, *arrays):
    """Central differences of a number to every element of the arrays, which are changed in place and restored."""
    found = []
    for array in arrays:
        found.append(np.zeros_like(array))
        for index in np.ndindex(array.shape):
            kept = array[index]
            ends = []
            for shift in (STEP, -STEP):
                array[index] = kept + shift
                ends.append(function())
            array[index] = kept
            found[-1][index] = (ends[0] - ends[1]) / (2 * STEP)
    return found


def close(a, b, tolerance=CHECKED):
    for left, right in zip(a, b, strict=True):
        assert left.shape == right.shape
        assert np.abs(left - right).max() <= tolerance * max(1e-3, np.abs(right).max())


def same(a, b):
    for left, right in zip(a, b, strict=True):
        close(left, right)


# Backpropagation against differences of the loss


@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_bp_is_the_gradient_of_the_loss(activation, output, loss):
    (W, b), (x, y) = net(), samples()
    z, _ = oracle.forward(W, b, x, activation, output)
    corners = {"hard-tanh": (-1, 1), "relu": (0,), "leaky": (0,)}.get(activation, ())
    assert all(np.abs(part - corner).min() > 1e-3 for part in z[:-1] for corner in corners), "too close to a corner"
    grads = gradients("bp", W, b, [], x, y, activation, output, loss)
    found = differences(lambda: loss_of(W, b, x, y, activation, output, loss), *W, *b)
    close([*grads.dW, *grads.db], found, 1e-7)
    assert all(np.abs(part).max() > 1e-3 for part in grads.dW)  # nothing was compared with nothing


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_signals_are_gradients_to_the_sums(output, loss):
    (W, b), (x, y) = net(), samples()
    z, _ = oracle.forward(W, b, x, "tanh", output)
    found = differences(lambda: float(oracle.sample_losses(z[-1], y, output, loss).sum()), z[-1])
    close([oracle.output_signal(z[-1], y, output, loss)], found, 1e-7)


@pytest.mark.parametrize(("output", "loss"), [("softmax", "ce"), ("linear", "ce"), ("sigmoid", "bce"), ("tanh", "mse")])
def test_targets_need_not_be_one_hot(output, loss):
    (W, b), (x, _) = net(), samples()
    y = np.random.default_rng(3).uniform(0, 0.6, (4, 3))
    grads = gradients("bp", W, b, [], x, y, "tanh", output, loss)
    close(grads.dW, differences(lambda: loss_of(W, b, x, y, "tanh", output, loss), *W), 1e-7)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_slopes(activation):
    z = np.array([-3.0, -0.7, -0.2, 0.3, 0.8, 2.5])
    found = (oracle.activate(activation, z + STEP) - oracle.activate(activation, z - STEP)) / (2 * STEP)
    assert oracle.slope(activation, z) == pytest.approx(found, abs=1e-8)


def test_slopes_at_corners():
    assert oracle.slope("hard-tanh", np.array([-1.0, 0.0, 1.0])).tolist() == [0, 1, 0]
    assert oracle.slope("relu", np.array([0.0])) == 0
    assert oracle.slope("leaky", np.array([0.0])) == 1 / 20


def test_large_sums_do_not_overflow():
    z, y = np.array([[1000.0, -1000.0]]), np.array([[0.0, 1.0]])
    for output, loss in PAIRS[1], PAIRS[4], PAIRS[6]:
        assert np.isfinite(oracle.sample_losses(z, y, output, loss)).all()
        assert np.isfinite(oracle.output_signal(z, y, output, loss)).all()


def test_losses_by_hand():
    """Two samples of two outputs; mse and bce divide by 4, ce by 2."""
    z, y = np.zeros((2, 2)), np.eye(2)
    assert oracle.sample_losses(z, y, "sigmoid", "mse").tolist() == [0.125, 0.125]
    assert oracle.sample_losses(z, y, "sigmoid", "bce").sum() == pytest.approx(np.log(2))
    assert oracle.sample_losses(z, y, "softmax", "ce").sum() == pytest.approx(np.log(2))
    assert oracle.output_signal(z, y, "sigmoid", "bce").tolist() == [[-0.125, 0.125], [0.125, -0.125]]
    assert oracle.output_signal(z, y, "softmax", "ce").tolist() == [[-0.25, 0.25], [0.25, -0.25]]
    assert oracle.output_signal(z, y, "linear", "mse").tolist() == [[-0.5, 0], [0, -0.5]]


# The rules


def test_every_rule_by_hand():
    """One sample through 1-1-1 of linear units: W = 3, 2; b = 1, 0; x = 2; z = 7, 14; y = 15, mse: dz_2 = -2."""
    W, b = [np.array([[3.0]]), np.array([[2.0]])], [np.array([1.0]), np.array([0.0])]
    x, y, B = np.array([[2.0]]), np.array([[15.0]]), [np.array([[5.0]])]
    delta = {"transpose": -4, "layerwise": -10, "signs": -10, "pseudo-inverse": -1}
    broadcast = {"error": -5, "sign": -5, "target": 75, "signed target": -145, "none": 0}
    for rule, row in RULES.items():
        dz = delta[row.feedback] if row.signal == "delta" else broadcast[row.signal]
        grads = gradients(rule, W, b, B, x, y, "linear", "linear", "mse")
        assert [part.item() for part in grads.dz] == pytest.approx([dz, -2]), rule
        assert [part.item() for part in grads.dW] == pytest.approx([2 * dz, -14]), rule
        assert [part.item() for part in grads.db] == pytest.approx([dz, -2]), rule


@pytest.mark.parametrize("scale", oracle.SCALES)
@pytest.mark.parametrize("rule", oracle.RULES)
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_the_output_layer_has_its_true_gradient(rule, output, loss, scale):
    (W, b), (x, y) = net(positive=True), samples()
    true = gradients("bp", W, b, [], x, y, "tanh", output, loss)
    grads = gradients(rule, W, b, feedback(rule), x, y, "tanh", output, loss, scale)
    same([grads.dW[-1:], grads.db[-1:], grads.dz[-1:]], [true.dW[-1:], true.db[-1:], true.dz[-1:]])
    if rule != "bp":  # and what lies below is not that of bp by accident
        assert all(np.abs(a - t).max() > 1e-3 * np.abs(t).max() for a, t in zip(grads.dW[:-1], true.dW, strict=False))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_fa_with_the_transposed_weights_is_bp(activation):
    (W, b), (x, y) = net(), samples()
    fa = gradients("fa", W, b, [M.T for M in W[1:]], x, y, activation, "sigmoid", "bce")
    same(fa, gradients("bp", W, b, [], x, y, activation, "sigmoid", "bce"))


def test_sign_symmetry_with_the_magnitudes_of_the_weights_is_bp():
    (W, b), (x, y) = net(), samples()
    symmetric = gradients("sign-symmetry", W, b, [np.abs(M).T for M in W[1:]], x, y, "tanh", "softmax", "ce")
    same(symmetric, gradients("bp", W, b, [], x, y, "tanh", "softmax", "ce"))
    one = gradients("sign-symmetry", W, b, [0.5, 0.5], x, y, "tanh", "softmax", "ce")
    same(one, gradients("fa", W, b, [np.sign(M).T / 2 for M in W[1:]], x, y, "tanh", "softmax", "ce"))


def test_pseudobackprop_of_orthogonal_weights_is_bp():
    (W, b), (x, y) = net(), samples()
    W = [W[0], *(np.linalg.qr(M.T if M.shape[0] < M.shape[1] else M)[0] for M in W[1:])]
    W = [M if M.shape == (n, m) else M.T for M, n, m in zip(W, SIZES[1:], SIZES[:-1], strict=True)]
    same(
        gradients("pseudobackprop", W, b, [], x, y, "tanh", "tanh", "mse"),
        gradients("bp", W, b, [], x, y, "tanh", "tanh", "mse"),
    )


def test_pseudobackprop_solves_the_least_squares_problem():
    """W^+ e is the smallest change of the hidden layer that changes the outputs by e."""
    (W, b), (x, y) = net([5, 6, 3]), samples()
    dz = gradients("pseudobackprop", W, b, [], x, y, "linear", "linear", "mse").dz
    close([dz[0] @ W[1].T], [dz[1]])
    kernel = np.eye(6) - np.linalg.pinv(W[1]) @ W[1]
    close([dz[0] @ kernel + 1], [np.ones((4, 6))])


@pytest.mark.parametrize(
    ("output", "loss", "factor"), [("sigmoid", "bce", 1), ("softmax", "ce", 1), ("linear", "mse", 2)]
)
@pytest.mark.parametrize("rule", [name for name, row in RULES.items() if row.signal == "error"])
def test_dfa_on_one_hidden_layer_with_its_weights_is_bp(rule, output, loss, factor):
    """Where the error is the gradient at the output; mse has a factor of 2 in its gradient that the error lacks."""
    sizes = [5, 6, 3]
    (W, b), (x, y) = net(sizes, positive=True), samples(sizes)
    direct = gradients(rule, W, b, [W[1] * factor], x, y, "tanh", output, loss)
    same(direct, gradients("bp", W, b, [], x, y, "tanh", output, loss))


def test_dfa_with_products_of_the_weights_is_bp_of_a_linear_network():
    (W, b), (x, y) = net(), samples()
    direct = gradients("dfa", W, b, [W[2] @ W[1], W[2]], x, y, "linear", "softmax", "ce")
    same(direct, gradients("bp", W, b, [], x, y, "linear", "softmax", "ce"))


def test_dfa_is_fa_where_all_feedback_goes_through_one_matrix():
    sizes = [5, 6, 3]
    (W, b), (x, y), (B,) = net(sizes), samples(sizes), feedback("dfa", sizes)
    dfa = gradients("dfa", W, b, [B], x, y, "tanh", "sigmoid", "bce")
    same(dfa, gradients("fa", W, b, [B.T], x, y, "tanh", "sigmoid", "bce"))


@pytest.mark.parametrize(("output", "loss"), [("sigmoid", "bce"), ("softmax", "ce"), ("linear", "ce")])
@pytest.mark.parametrize("scale", oracle.SCALES)
def test_the_sign_of_the_error_is_the_target(output, loss, scale):
    """In classification sign(y_K - y) = 1 - 2 y: sdfa is drtp with -2 B, and a column sum of B for every sample."""
    sizes = [5, 6, 3]
    (W, b), (x, y), (B,) = net(sizes), samples(sizes), feedback("dfa", sizes)
    sdfa = gradients("sdfa", W, b, [B], x, y, "linear", output, loss, scale)
    drtp = gradients("drtp", W, b, [-2 * B], x, y, "linear", output, loss, scale)
    part = B.sum(axis=0) / (1 if scale == "official" else oracle.divisor(loss, *y.shape))
    close([sdfa.dz[0]], [drtp.dz[0] + part])
    same(sdfa, gradients("signed-target", W, b, [B], x, y, "linear", output, loss, scale))


@pytest.mark.parametrize("scale", oracle.SCALES)
def test_drtp_reads_the_row_of_the_label(scale):
    (W, b), (x, y), B = net(), samples(), feedback("drtp")
    dz = gradients("drtp", W, b, B, x, y, "linear", "sigmoid", "bce", scale).dz
    for k in (0, 1):
        close([dz[k]], [B[k][y.argmax(axis=1)] / (12 if scale == "mean" else 1)])


def test_drtp_does_not_read_the_layers_above():
    (W, b), (x, y), B = net(), samples(), feedback("drtp")
    before = gradients("drtp", W, b, B, x, y, "tanh", "sigmoid", "bce")
    W[1], W[2] = W[1] + 1, W[2] * -2
    after = gradients("drtp", W, b, B, x, y, "tanh", "sigmoid", "bce")
    close([before.dW[0]], [after.dW[0]])
    assert np.abs(before.dW[2] - after.dW[2]).max() > 1e-3


@pytest.mark.parametrize("rule", oracle.RULES)
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_scales_differ_by_the_divisor_where_the_original_code_sums(rule, output, loss):
    (W, b), (x, y), B = net(positive=True), samples(), feedback(rule)
    mean = gradients(rule, W, b, B, x, y, "tanh", output, loss, "mean")
    official = gradients(rule, W, b, B, x, y, "tanh", output, loss, "official")
    factor = (4 if loss == "ce" else 12) if RULES[rule].feedback == "direct" and not RULES[rule].non_negative else 1
    same([official.dW[:-1], official.db[:-1]], [[factor * g for g in mean.dW[:-1]], [factor * g for g in mean.db[:-1]]])


@pytest.mark.parametrize("rule", oracle.RULES)
def test_a_batch_is_the_sum_of_its_samples(rule):
    (W, b), (x, y), B = net(positive=True), samples(), feedback(rule)
    whole = gradients(rule, W, b, B, x, y, "tanh", "sigmoid", "bce")
    singles = [gradients(rule, W, b, B, x[n : n + 1], y[n : n + 1], "tanh", "sigmoid", "bce") for n in range(4)]
    close(whole.dW, [sum(one.dW[k] for one in singles) / 4 for k in range(3)])
    close(whole.dz, [np.concatenate([one.dz[k] for one in singles]) / 4 for k in range(3)])


def test_shallow_leaves_hidden_layers_alone():
    (W, b), (x, y) = net(), samples()
    grads = gradients("shallow", W, b, [], x, y, "tanh", "sigmoid", "bce")
    assert not any(part.any() for part in (*grads.dW[:-1], *grads.db[:-1], *grads.dz[:-1]))
    assert grads.dW[-1].any()


def test_mdfa_with_one_output_has_the_signs_of_the_gradient():
    """Sample by sample, in all layers, as its theorem 2 says; with a negative weight it fails."""
    sizes = [5, 6, 7, 1]
    (W, b), B = net(sizes, positive=True), feedback("mdfa", sizes)
    x, y = np.random.default_rng(4).normal(size=(20, 5)), np.random.default_rng(5).integers(0, 2, (20, 1))
    both = [
        (
            gradients("mdfa", W, b, B, x[[n]], y[[n]], "tanh", "sigmoid", "bce").dW,
            gradients("bp", W, b, [], x[[n]], y[[n]], "tanh", "sigmoid", "bce").dW,
        )
        for n in range(20)
    ]
    assert all((direct[k] * true[k] >= 0).all() for direct, true in both for k in range(3))
    with pytest.raises(ValueError, match="W_k >= 0"):
        gradients("mdfa", [W[0], -W[1], W[2]], b, B, x, y, "tanh", "sigmoid", "bce")
    with pytest.raises(ValueError, match="B_k >= 0"):
        gradients("mdfa", W, b, [-B[0], B[1]], x, y, "tanh", "sigmoid", "bce")


def test_with_two_outputs_mdfa_can_oppose_the_gradient():
    """mDFA, theorem 5, in a strict example: W_2 exchanges, B does not, and the errors have opposite signs."""
    W, b, x = [np.eye(2), np.array([[0.0, 1.0], [1.0, 0.0]])], [np.zeros(2)] * 2, np.ones((1, 2))
    y = np.array([[0.0, 2.0]])  # the outputs are (1, 1)
    mdfa = gradients("mdfa", W, b, [np.eye(2)], x, y, "linear", "linear", "mse").dz[0]
    bp = gradients("bp", W, b, [], x, y, "linear", "linear", "mse").dz[0]
    assert (mdfa * bp < 0).all()


def test_non_negative_spares_the_first_layer():
    W = [np.array([[-1.0, 2.0]]), np.array([[-1.0], [3.0]])]
    first, second = oracle.non_negative(W, 1e-6)
    assert first.tolist() == [[-1, 2]]
    assert second.tolist() == [[1e-6], [3]]


# Node perturbation


def test_node_perturbation_over_all_directions_is_the_gradient():
    """Noise of +-s e_i, s^2 = sigma^2 M, has covariance sigma^2 I over its 2 M values, so the mean is a difference."""
    (W, b), (x, y) = net(), samples(count=2)
    true = gradients("bp", W, b, [], x, y, "tanh", "sigmoid", "bce")
    total, sigma = sum(SIZES[1:]), 1e-5
    found = [np.zeros_like(part) for part in W]
    for place in range(total):
        for sign in (1, -1):
            flat = np.zeros((2, total))
            flat[:, place] = sign * sigma * np.sqrt(total)
            noise = np.split(flat, np.cumsum(SIZES[1:-1]), axis=1)
            grads = oracle.node_perturbation(W, b, x, y, noise, sigma, "tanh", "sigmoid", "bce")
            found = [a + g / (2 * total) for a, g in zip(found, grads.dW, strict=True)]
    close(found, true.dW, 1e-6)


def test_node_perturbation_by_hand():
    """1-1 linear, x = 2, W = 3, y = 5: the loss is 1, with noise 1 it is 4; dz = 3 * 1 / sigma^2."""
    W, b = [np.array([[3.0]])], [np.zeros(1)]
    grads = oracle.node_perturbation(
        W, b, np.array([[2.0]]), np.array([[5.0]]), [np.array([[1.0]])], 0.5, "linear", "linear", "mse"
    )
    assert grads.dz[0].item() == 12
    assert grads.dW[0].item() == 24


# Layers of maps


def maps(seed=6):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(2, 2, 6, 5)), rng.normal(size=(3, 2, 3, 2)), rng.normal(size=3), rng


@pytest.mark.parametrize("activation", ["tanh", "leaky"])
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (1, 1), (2, 0), (2, 2)])
def test_convolution_gradients_are_differences(stride, padding, activation):
    """A loss that is linear in the pooled activations, with random weights; bp has dy from the pooling."""
    x, kernels, bias, rng = maps()
    pooled_shape = oracle.max_pool(oracle.conv2d(x, kernels, bias, stride, padding), 2, 1).shape
    weights = rng.normal(size=pooled_shape)

    def loss():
        y = oracle.activate(activation, oracle.conv2d(x, kernels, bias, stride, padding))
        return float((oracle.max_pool(y, 2, 1) * weights).sum())

    z = oracle.conv2d(x, kernels, bias, stride, padding)
    dy = oracle.max_pool_down(oracle.activate(activation, z), weights, 2, 1)
    dkernels, dbias, dz = oracle.conv2d_gradients(x, z, dy, (3, 2), activation, stride, padding)
    down = oracle.conv2d_down(dz, kernels, x.shape, stride, padding)
    close([dkernels, dbias, down], differences(loss, kernels, bias, x), 1e-7)


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1)])
def test_locally_connected_gradients_are_differences(stride, padding):
    x, kernels, bias, rng = maps()
    shape = oracle.conv2d(x, kernels, bias, stride, padding).shape
    kernels, bias = rng.normal(size=(*shape[1:], 2, 3, 2)), rng.normal(size=shape[1:])
    weights = rng.normal(size=shape)

    def loss():
        return float((np.tanh(oracle.locally_connected(x, kernels, bias, stride, padding)) * weights).sum())

    z = oracle.locally_connected(x, kernels, bias, stride, padding)
    dkernels, dbias, _ = oracle.locally_connected_gradients(x, z, weights, (3, 2), "tanh", stride, padding)
    close([dkernels, dbias], differences(loss, kernels, bias), 1e-7)


def test_a_locally_connected_layer_with_equal_kernels_is_a_convolution():
    x, kernels, bias, rng = maps()
    z = oracle.conv2d(x, kernels, bias, 1, 1)
    spread = np.broadcast_to(kernels[:, None, None], (*z.shape[1:], *kernels.shape[1:]))
    local = oracle.locally_connected(x, spread, np.broadcast_to(bias[:, None, None], z.shape[1:]), 1, 1)
    close([local], [z])
    dy = rng.normal(size=z.shape)
    shared, shared_bias, _ = oracle.conv2d_gradients(x, z, dy, (3, 2), "tanh", 1, 1)
    own, own_bias, _ = oracle.locally_connected_gradients(x, z, dy, (3, 2), "tanh", 1, 1)
    close([own.sum(axis=(1, 2)), own_bias.sum(axis=(1, 2))], [shared, shared_bias])


def test_convolution_by_hand():
    x = np.arange(9.0).reshape(1, 1, 3, 3)
    kernel = np.array([[[[1.0, 0.0], [0.0, -1.0]]]])
    assert oracle.conv2d(x, kernel, np.array([10.0])).tolist() == [[[[6, 6], [6, 6]]]]
    assert oracle.conv2d(x, kernel, np.array([0.0]), 2, 1).tolist() == [[[[0, -2], [-6, -4]]]]
    assert oracle.max_pool(x, 2, 1).tolist() == [[[[4, 5], [7, 8]]]]
    assert oracle.max_pool(x, 2, 2).tolist() == [[[[4]]]]
    ties = np.zeros((1, 1, 2, 2))
    assert oracle.max_pool_down(ties, np.ones((1, 1, 1, 1)), 2, 2).tolist() == [[[[1, 0], [0, 0]]]]


def test_a_convolution_over_the_whole_map_is_a_dense_layer():
    """So a taught convolution has the gradients of a dense layer with the same feedback, flattened."""
    rng = np.random.default_rng(7)
    kernels, bias, x = rng.normal(size=(4, 2, 3, 3)), rng.normal(size=4), rng.normal(size=(3, 2, 3, 3))
    W, b = [kernels.reshape(4, 18), rng.normal(size=(5, 4))], [bias, rng.normal(size=5)]
    y, B = np.eye(5)[:3], rng.normal(size=(5, 4, 1, 1))
    for rule in (name for name, row in RULES.items() if row.feedback == "direct" and not row.non_negative):
        dense = gradients(rule, W, b, [B.reshape(5, 4)], x.reshape(3, 18), y, "tanh", "sigmoid", "bce", "official")
        z, _ = oracle.forward(W, b, x.reshape(3, 18), "tanh", "sigmoid")
        dy = oracle.map_feedback(B, oracle.teaching_signal(rule, z[-1], y, "sigmoid", "bce", "official"))
        maps_z = oracle.conv2d(x, kernels, bias)
        dkernels, dbias, dz = oracle.conv2d_gradients(x, maps_z, dy, (3, 3), "tanh")
        close([dkernels.reshape(4, 18), dbias, dz.reshape(3, 4)], [dense.dW[0], dense.db[0], dense.dz[0]])


def test_every_element_of_a_map_has_its_own_feedback():
    B = np.arange(12.0).reshape(2, 1, 2, 3)
    assert oracle.map_feedback(B, np.array([[0.0, 1.0], [2.0, -1.0]])).tolist() == [
        B[1].tolist(),
        (2 * B[0] - B[1]).tolist(),
    ]


# What it refuses, and what it may import


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rule": "hebb"}, "rule 'hebb'"),
        ({"activation": "gelu"}, "activation 'gelu'"),
        ({"output": "relu"}, "output 'relu'"),
        ({"output": "tanh", "loss": "bce"}, "known pairs"),
        ({"scale": "sum"}, "scale 'sum'"),
    ],
)
def test_unknown_names_are_refused(changes, message):
    (W, b), (x, y) = net(), samples()
    arguments = {"rule": "dfa", "activation": "tanh", "output": "sigmoid", "loss": "bce", "scale": "mean"} | changes
    with pytest.raises(ValueError, match=message):
        gradients(W=W, b=b, B=feedback("dfa"), x=x, y=y, **arguments)


def test_the_oracle_imports_numpy_and_nothing_of_edgelearn():
    tree = ast.parse(Path(oracle.__file__).read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names == {"numpy", "typing", "oracle"}
