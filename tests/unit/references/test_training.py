"""Training of the float references: optimisers, order, tests, and a kill that changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tools import require_torch

torch = require_torch()

from edgelearn.rules import Backend, rules_for  # noqa: E402
from experiments.float_nets import training  # noqa: E402
from experiments.float_nets.float_config import Optimiser, choices, float_config  # noqa: E402
from experiments.float_nets.nets import ReferenceNet  # noqa: E402
from experiments.float_nets.training import FixedData, Training, optimiser, train, wrong  # noqa: E402


def three_groups(n=240, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    x = rng.normal(size=(n, 6)) + 4 * np.eye(3, 6)[y]
    x, y = torch.tensor(x, dtype=torch.float32), torch.eye(3)[torch.from_numpy(y)]
    return FixedData(x[: n // 2], y[: n // 2], x[n // 2 :], y[n // 2 :], seed)


def settings(**changed):
    return {"topology": "6-20-3", "rate": 0.1, "batch": 10, "epochs": 6, "seed": 1, "dropout": 0.2} | changed


@pytest.mark.parametrize("name", choices(Optimiser))
def test_every_optimiser_learns(name):
    rate = {"adadelta": 5.0, "adam": 0.02, "rmsprop": 0.02, "sgd": 1.0}.get(name, 0.2)
    _, records = train(float_config(**settings(optimiser=name, rate=rate, epochs=20)), three_groups())
    assert records[-1]["test_error"] < 10


def test_the_direct_rules_learn_and_shallow_leaves_hidden_weights_alone():
    rules = rules_for(Backend.FLOAT)
    for rule in (name for name in rules if rules[name].learns_hidden and name not in ("bp", "pseudobackprop")):
        _, records = train(
            float_config(**settings(rule=rule, epochs=30, dropout=0.0, momentum=0.9, optimiser="momentum")),
            three_groups(),
        )
        assert records[-1]["test_error"] < 10, rule
    config = float_config(**settings(rule="shallow"))
    before = ReferenceNet(config).layers[0].weight.detach().clone()
    net, _ = train(config, three_groups())
    assert torch.equal(net.layers[0].weight, before)


def test_frozen_layers_stay():
    config = float_config(**settings(frozen=(0,)))
    before = ReferenceNet(config).layers[0].weight.detach().clone()
    net, _ = train(config, three_groups())
    assert torch.equal(net.layers[0].weight, before)


def test_same_seed_same_bytes_and_another_order_by_epoch():
    first, second = (train(float_config(**settings()), three_groups())[0] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    data = three_groups()
    orders = [torch.cat([x for x, _ in data.batches(epoch, 7)]) for epoch in (0, 1)]
    assert not torch.equal(*orders)
    assert torch.equal(orders[0].sort(0).values, orders[1].sort(0).values)


class Killed(Exception):
    pass


@pytest.mark.parametrize("optimiser_name", ["adam", "nesterov", "sgd"])
def test_a_killed_training_ends_with_the_same_bytes(tmp_path, monkeypatch, optimiser_name):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    config = float_config(**settings(optimiser=optimiser_name, rule="dfa"))
    remember = {"memory": []}

    def note(run, seen, x, target):
        run.memory.setdefault("seen", []).append(seen)

    def kill(run, epoch):
        if epoch == 4:
            raise Killed

    whole = Training(ReferenceNet(config), three_groups(), on_batch=note)
    whole.run()
    path = tmp_path / "run.pt"
    with pytest.raises(Killed):
        Training(ReferenceNet(config), three_groups(), path, note, kill).run()
    again = Training(ReferenceNet(config), three_groups(), path, note)
    epochs = []
    again.progress = epochs.append
    again.run()
    assert epochs[0] > 0.5, "it must not have started anew"
    assert [r for r in again.records if r["epoch"]] == whole.records
    assert again.memory == whole.memory != remember
    assert all(torch.equal(a, b) for a, b in zip(again.net.parameters(), whole.net.parameters(), strict=True))


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_a_damaged_or_foreign_checkpoint_is_not_used(tmp_path, content):
    path = tmp_path / "run.pt"
    path.write_bytes(content)
    assert len(Training(ReferenceNet(float_config(**settings())), three_groups(), path).run()) == 6
    other = tmp_path / "other.pt"
    run = Training(ReferenceNet(float_config(**settings(seed=5))), three_groups(), other)
    run.run()
    run._save(3)
    assert len(Training(ReferenceNet(float_config(**settings())), three_groups(), other).run()) == 6


def test_wrong_classes_are_counted_for_many_outputs_and_for_one():
    assert wrong(torch.tensor([[0.1, 0.9], [0.8, 0.3]]), torch.tensor([[0.0, 1.0], [0.0, 1.0]])) == 1
    assert wrong(torch.tensor([[0.6], [0.4], [0.7]]), torch.tensor([[1.0], [1.0], [0.0]])) == 2


def test_fused_adam_is_adam():
    steps = []
    for fused in (True, False):
        net = ReferenceNet(float_config(**settings(optimiser="adam", rate=0.01, dropout=0.0)))
        descent = optimiser(net) if fused else torch.optim.Adam(net.parameters(), lr=0.01, foreach=False)
        for x, y in three_groups().batches(0, 10):
            descent.zero_grad()
            net.teach(x, y)
            descent.step()
        steps.append([p.detach().numpy() for p in net.parameters()])
    for ours, theirs in zip(*steps, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
