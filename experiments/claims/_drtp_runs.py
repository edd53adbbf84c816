"""The runs behind tables 1 and S1 and figures S1 and S4 of the DRTP paper: one run serves all that ask for it.

Stated: tanh units, ten sigmoid outputs, binary cross-entropy, Adam with its defaults, batch 60, 100 epochs, He uniform
weights and feedback, pixels in 0..1. The original code draws forward weights sqrt(6) narrower than He,
U(+-1/sqrt(n)), as torch does by itself, and that is what the printed numbers fit: shallow FC1-500 has 8.06 % so and
6.92 % from He uniform weights (seed 0), where the paper has 8.25 %. We follow the code; Table 1 shows both.

Angles and activations are looked at on the way.
"""

from __future__ import annotations

from typing import Any

from experiments.claims._drtp_tables import BATCH, EPOCHS, rate

RULES = ("bp", "fa", "dfa", "sdfa", "drtp", "shallow")


def mnist_run(network: str, rule: str, seed: int, epochs: int = EPOCHS["mnist"], **changed: Any) -> dict[str, Any]:
    """Return the settings of one run of table 1, e.g. network "FC1-500"; `changed` settings win unless None."""
    layers, width = int(network[2]), network.split("-")[1]
    return {
        "data": "mnist",
        "topology": "-".join(["784", *[width] * layers, "10"]),
        "rule": rule,
        "init": "torch",
        "optimiser": "adam",
        "rate": rate("mnist", network, rule),
        "batch": BATCH["mnist"],
        "epochs": epochs,
        "seed": seed,
        "angles_every": 20,
        "activations": sorted({0, 1, epochs // 10, epochs}),
    } | {key: value for key, value in changed.items() if value is not None}
