"""The float references == torch's own autograd (bp) and the closed forms of the oracle in plain numpy (the others)."""

from __future__ import annotations

import numpy as np
import pytest

from edgelearn.errors import UserError
from tests.naive import float_rules as oracle
from tests.tools import require_torch

torch = require_torch()

from edgelearn.rules import Backend, rules_for  # noqa: E402
from experiments.float_nets.float_config import FloatConfig, float_config  # noqa: E402
from experiments.float_nets.nets import ReferenceNet  # noqa: E402
from experiments.float_nets.topology import parse_topology  # noqa: E402


def a_net(**settings):
    return ReferenceNet(float_config(**({"rate": 0.1, "seed": 3} | settings)), dtype=torch.float64)


def a_batch(net, n=5):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, *net.config.input_shape))
    return x, np.eye(net.n_outputs)[rng.integers(0, net.n_outputs, n)]


def gradients(net, x, y):
    net.zero_grad()
    net.teach(torch.from_numpy(x), torch.from_numpy(y))
    zero = [torch.zeros_like(layer.weight) for layer in net.layers]
    return [
        (z if layer.weight.grad is None else layer.weight.grad).numpy()
        for layer, z in zip(net.layers, zero, strict=True)
    ]


def oracle_feedback(net):
    """Return B_k of the hidden layers as the oracle takes them."""
    if net.rule.broadcasts:
        return [B.numpy() for B in net.feedback[:-1]]
    if net.rule.stores_feedback:
        return [B.numpy().T for B in net.feedback[1:]]
    return []


@pytest.mark.parametrize("rule", oracle.RULES)
@pytest.mark.parametrize(
    ("hidden", "output", "loss"),
    [
        ("tanh", "sigmoid", "bce"), ("hard-tanh", "sigmoid", "bce"), ("relu", "softmax", "ce"), ("leaky", "linear", "mse"),
        ("sigmoid", "tanh", "mse"), ("linear", "sigmoid", "mse"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("scale", ["loss", "official"])
def test_dense_updates_are_the_closed_forms(rule, hidden, output, loss, scale):
    net = a_net(topology="7-6-5-4", rule=rule, hidden=hidden, output=output, loss=loss, scale=scale)
    x, y = a_batch(net)
    W = [layer.weight.detach().numpy() for layer in net.layers]
    b = [layer.bias.detach().numpy() for layer in net.layers]
    expected = oracle.gradients(
        rule, W, b, oracle_feedback(net), x, y, hidden, output, loss, {"loss": "mean"}.get(scale, scale)
    )
    found = gradients(net, x, y)
    for k, (ours, theirs) in enumerate(zip(found, expected.dW, strict=True)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-12, err_msg=f"layer {k + 1}")
    if rule != "shallow":
        for k, layer in enumerate(net.layers):
            np.testing.assert_allclose(layer.bias.grad.numpy(), expected.db[k], rtol=1e-6, atol=1e-12)
        sent = net.modulatory(torch.from_numpy(x), torch.from_numpy(y), of="y")
        gates = [oracle.slope(hidden, z) for z in oracle.forward(W, b, x, hidden, output)[0]]
        for ours, theirs, gate in zip(sent, expected.dz, gates, strict=False):
            np.testing.assert_allclose(ours.numpy() * gate, theirs, rtol=1e-6, atol=1e-12)
        signals = net.modulatory(torch.from_numpy(x), torch.from_numpy(y))
        for ours, theirs in zip(signals, expected.dz, strict=False):
            np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(
    ("topology", "inputs"),
    [("7-6-5-4", None), ("CONV_3_3_1_1_CONV_2_3_1_0_1_FC_6_FC_4", (2, 8, 8)), ("LOCAL_2_3_FC_5_FC_4", (2, 6, 6))],
)
def test_backpropagation_is_torchs_autograd(topology, inputs):
    """fa with the forward weights as feedback goes through our functions; it must give what autograd alone gives."""
    own = a_net(topology=topology, inputs=inputs, rule="fa")
    plain = a_net(topology=topology, inputs=inputs, rule="bp")
    for mine, other in zip(own.layers, plain.layers, strict=True):
        other.weight.data, other.bias.data = mine.weight.data.clone(), mine.bias.data.clone()
    x, y = a_batch(own)
    random = gradients(own, x, y)
    expected = gradients(plain, x, y)
    assert np.abs(random[0] - expected[0]).max() > 1e-3, "fa must not be bp"
    for k, layer in enumerate(own.layers):
        setattr(own, f"feedback{k}", layer.weight.detach().clone())
    for ours, theirs in zip(gradients(own, x, y), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("rule", [name for name, row in oracle.RULES.items() if row.feedback == "direct"])
def test_every_element_of_a_feature_map_has_its_own_feedback(rule):
    net = a_net(topology="CONV_3_3_2_1_FC_4", inputs=(2, 9, 9), rule=rule, scale="official")
    x, y = a_batch(net)
    assert net.feedback[0].shape == (4, 3, 5, 5)
    found = gradients(net, x, y)[0]
    first = net.layers[0]
    z = oracle.conv2d(x, first.weight.detach().numpy(), first.bias.detach().numpy(), 2, 1)
    flat = oracle.max_pool(np.tanh(z), 2, 2).reshape(len(x), -1)
    last = net.layers[1]
    out = flat @ last.weight.detach().numpy().T + last.bias.detach().numpy()
    signal = oracle.teaching_signal(rule, out, y, "sigmoid", "bce", "official")
    dy = oracle.map_feedback(net.feedback[0].numpy(), signal)
    expected = oracle.conv2d_gradients(x, z, dy, (3, 3), "tanh", 2, 1)
    np.testing.assert_allclose(found, expected[0], rtol=1e-6, atol=1e-12)


def test_random_kernels_do_not_learn():
    net = a_net(topology="CONV_3_3_1_1_FC_6_FC_4", inputs=(1, 6, 6), rule="dfa", train_kernels=False)
    found = gradients(net, *a_batch(net))
    assert not found[0].any()
    assert found[1].any()


def test_node_perturbation_is_its_estimate_and_points_down_on_average():
    settings = {"topology": "6-5-3", "seed": 0}
    net, bp = a_net(rule="node-perturbation", noise=1e-3, **settings), a_net(rule="bp", **settings)
    x, y = a_batch(net, 40)
    estimate = np.mean([gradients(net, x, y)[0] for _ in range(400)], axis=0)
    exact = gradients(bp, x, y)[0]
    cosine = (estimate * exact).sum() / np.linalg.norm(estimate) / np.linalg.norm(exact)
    assert cosine > 0.8
    np.testing.assert_allclose(gradients(net, x, y)[1], gradients(bp, x, y)[1], rtol=1e-9)


def test_gates_of_ntk_are_frozen_and_the_net_is_linear_in_its_hidden_weights():
    net = a_net(topology="6-8-3", rule="ntk", hidden="relu", output="linear", loss="mse")
    x = torch.from_numpy(a_batch(net)[0])
    first, bias = net.layers[0], net.layers[1].bias
    before = net(x).detach()
    first.weight.data *= 2
    first.bias.data *= 2
    torch.testing.assert_close(net(x).detach() - bias.detach(), 2 * (before - bias.detach()))


def test_mdfa_keeps_weights_behind_the_first_layer_non_negative():
    net = a_net(topology="6-8-5-1", rule="mdfa", floor=1e-6)
    assert all((B >= 0).all() for B in net.feedback[:-1])
    assert (net.layers[0].weight < 0).any()
    net.layers[1].weight.data.sub_(1.0)
    net.constrain()
    assert all(float(layer.weight.detach().min()) >= 1e-6 for layer in list(net.layers)[1:])


@pytest.mark.parametrize("name", ["he", "torch", "normal", "zeros", "U1", "P1", "N0.1", "A0.1", "0.5", "=U0.001"])
def test_initial_weights_are_drawn_as_their_name_says(name):
    net = a_net(topology="400-50-3", init=name)
    weight = net.layers[0].weight.detach()
    limits = {"he": (6 / 400) ** 0.5, "torch": 0.05, "U1": 0.05, "P1": 0.05, "=U0.001": 0.001, "0.5": 0.5, "zeros": 0.0}
    if name in limits:
        assert 0.98 * limits[name] <= float(weight.abs().max()) <= limits[name] * (1 + 1e-7)
        assert (float(weight.min()) >= 0) == (name in ("P1", "0.5", "zeros"))
    else:
        assert float(weight.std()) == pytest.approx({"normal": 0.05, "N0.1": 0.005, "A0.1": 0.003}[name], rel=0.05)
        assert (float(weight.min()) >= 0) == (name == "A0.1")


def test_the_two_scales_of_the_mdfa_texts():
    """The README scales by 1/sqrt(n), the code in effect by n^(1/4); feedback counts the outputs there."""
    repo = a_net(topology="784-50-10", rule="mdfa", init="U1", feedback_init="U1", text_scale="repo")
    assert float(repo.layers[0].weight.detach().abs().max()) == pytest.approx(784**0.25, rel=0.01)
    assert float(repo.feedback[0].max()) == pytest.approx(10**0.25, rel=0.02)


def test_drtp_official_draws_what_the_original_code_draws():
    """Largest weights measured there: 0.035714 = 1/sqrt(784) and 0.04471; feedback U(+-sqrt(6/500))."""
    net = ReferenceNet(float_config("drtp-official", topology="784-500-10", rule="dfa", seed=42))
    assert float(net.layers[0].weight.abs().max()) == pytest.approx(0.035714, abs=2e-6)
    assert float(net.layers[1].weight.abs().max()) == pytest.approx(0.04471, abs=3e-5)
    assert float(net.feedback[0].abs().max()) == pytest.approx(0.10951, abs=2e-5)


def test_signals_of_another_rule_are_refused():
    net = a_net(topology="6-5-3", rule="dfa")
    x, y = (torch.from_numpy(part) for part in a_batch(net))
    with pytest.raises(UserError, match="the net of rule 'dfa' has no modulatory signals of 'fa'"):
        net.modulatory(x, y, "fa")
    shallow = a_net(topology="6-5-3", rule="shallow")
    assert not any(signal.any() for signal in shallow.modulatory(x, y))


def test_dropout_leaves_out_a_share_of_what_dense_layers_read_in_training_only():
    net = a_net(topology="6-2000-3", dropout=0.25, hidden="linear", biases=False)
    x, y = (torch.from_numpy(part) for part in a_batch(net))
    with torch.no_grad():
        whole = sum((net(x, y), net.z[0])[1] for _ in range(300)) / 300
        net.eval()
        net(x)
    assert float((whole - net.z[0]).norm() / net.z[0].norm()) < 0.1  # inputs are dropped and scaled, too
    net.train()
    x, y = (torch.from_numpy(part) for part in a_batch(net))
    net.train()
    assert not torch.equal(net(x, y), net(x, y))
    net.eval()
    assert torch.equal(net(x), net(x))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"topology": "784-x-10"}, "topology '784-x-10' cannot be read; give sizes such as 784-500-10"),
        ({"topology": "FC_10_CONV_3_3_1_1", "inputs": (1, 8, 8)}, "cannot be read"),
        ({"topology": "CONV_3_3_1_1_FC_10"}, "needs the shape of its inputs"),
        ({"rule": "drpt"}, "Did you mean 'drtp'?"),
        ({"init": "big"}, "initialisation 'big' is not known; known: he, torch"),
        ({"loss": "ce"}, "ce needs output softmax"),
        ({"output": "tanh"}, "bce needs output sigmoid"),
        ({"init": "."}, "initialisation '.' is not known"),
        ({"inputs": (7,)}, "topology '6-5-3' does not fit inputs of shape (7,)"),
        ({"topology": "CONV_3_9_1_0_FC_3", "inputs": (1, 4, 4)}, "does not fit inputs"),
        ({"topology": "CONV_3_3_1_1_FC_3", "inputs": (28, 28)}, "kernels need (channels, height, width)"),
        ({"rule": "node-perturbation", "dropout": 0.1}, "goes without dropout"),
        ({"rule": "pseudobackprop", "topology": "LOCAL_2_3_FC_3", "inputs": (1, 6, 6)}, "is for dense nets"),
        ({"rate": -1.0}, "rate is not allowed"),
        ({"rat": 1.0}, "setting 'rat' is not known"),
        ({"preset": "drtp"}, "preset 'drtp' is not known"),
    ],
)
def test_bad_settings_are_told(given, told):
    with pytest.raises(UserError, match=None) as error:
        ReferenceNet(float_config(**({"topology": "6-5-3", "rate": 0.1} | given)))
    assert told in str(error.value)


def test_topologies():
    sizes = [vars(layer) for layer in parse_topology("784-500-10")]
    assert sizes == [{"n": 500}, {"n": 10}]
    names = [type(layer).__name__ for layer in parse_topology("CONV_32_5_1_2_LOCAL_6_6_FC_1000_FC_10")]
    assert names == ["Conv", "Local", "Dense", "Dense"]


def test_every_rule_of_the_references_is_in_the_oracle_or_tested_by_itself():
    assert set(oracle.RULES) | {"node-perturbation", "ntk"} == set(rules_for(Backend.FLOAT))
    assert FloatConfig.model_config["frozen"]
