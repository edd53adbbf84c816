"""Prices of networks with convolutions at the command line."""

from __future__ import annotations

import json

import pytest

from tests.cli.runner import edgelearn

NET = "28x28x1-conv16x5x5-pool2-fc128-10"


def test_a_network_with_convolutions_is_priced_without_a_run(tmp_path):
    result = edgelearn("cost", "--net", NET, "--rule", "dfa,drtp", "--details", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    text = " ".join(result.stdout.split())
    for part in (
        NET,
        f"measured in `edgelearn run --rule RULE --data mnist --net {NET} --epochs 1` (a network with pooling)",
        "accumulators",
        "a line buffer of 117 words 468 bits; drtp from the line buffer alone",
        "dfa from the whole map",
        "no memory of engine-28nm holds 'accumulator', 'winner', 'partial'",
    ):
        assert part in text, part


@pytest.mark.slow
def test_settings_of_convolutions_change_the_price(tmp_path):
    def energy(*given: str) -> float:
        result = edgelearn("cost", "--rule", "dfa", "--json", *given, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        (rule,) = json.loads(result.stdout)["rules"]
        return rule["training"]["energy_pj"]["nominal"]

    learned = energy("--net", NET)
    assert energy("--net", NET, "--kernels", "frozen") < learned < energy("--net", NET, "--kernel-bias")
    assert energy("--net", NET, "--feedback-kind", "map") < learned
    assert energy("--net", "conv16x5x5-pool2-fc128-10", "--input-shape", "28x28x1") == learned
    assert energy("--net", NET, "--dense") > learned
    assert energy("--net", NET, "--hidden-density", "1") > learned > energy("--net", NET, "--update-density", "0.1")


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (("--net", "conv16x5x5-pool2-fc128-10"), "needs the shape of its inputs"),
        (("--net", "8x8x1-conv16x9x9p0-10"), "does not fit"),
        (("--net", "64-32-10", "--kernels", "frozen"), "--kernels"),
    ],
)
def test_what_cannot_be_priced_is_refused_in_one_line(given, error, tmp_path):
    result = edgelearn("cost", "--rule", "dfa", *given, cwd=tmp_path)
    assert result.returncode == 2
    assert error in result.stderr
    assert len(result.stderr.splitlines()) == 1
