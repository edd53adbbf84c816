"""Online learning of a convolutional network beside torch, and its cost per sample against the events of its inputs.

    python -m tests.benchmarks.bench_convolution                    two minutes
    python -m tests.benchmarks.bench_convolution --target avx2      as if the processor had no AVX-512
    python -m tests.benchmarks.bench_convolution --figure convolution_speed.svg

One thread, processor time, median of 15 turns that all contestants take one after another in one process, on digits of
MNIST. torch is written twice, both in place and without autograd: `OnlineTwin` has windows as rows of a matrix, and
`TorchConvolution` takes torch's own convolution, pooling and their gradients. The faster of both is the one compared.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.benchmark import BenchData, Contestant, choose_data, seconds_of, share_of
from edgelearn.network.layer import ConvLayer
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec, design
from edgelearn.references.closed_form import stored_weights
from edgelearn.references.online_twin import OnlineTwin
from edgelearn.references.pytorch import torch
from edgelearn.references.torch_online import one_thread
from edgelearn.rules.rule import Feedback
from tests.benchmarks import target
from tests.benchmarks.record import add_option, machine, record
from tests.benchmarks.turns import TURNS

NET = "28x28x1-conv16x5x5-pool2-fc128-10"
SPARSE_NET = "28x28x1-conv10x5x5s2p0-fc128-10"
CASES = [(rule, kernels) for rule in ("bp", "dfa", "drtp") for kernels in ("learn", "frozen")]
LEARN, MATRIX, FUNCTIONS = "edgelearn", "torch in place, windows as rows", "torch in place, conv2d"
SLOWER = 15  # torch learns 1 / 15 of the samples
SHARES = (1.0, 0.8, 0.6, 0.4, 0.2, 0.1)  # of the events of a digit that are left


class TorchConvolution:
    """A convolution with max pooling, a dense layer and outputs, learned in place by functions of torch.

    It learns by backpropagation, or by direct feedback of the error or the target, from the numbers of a learner.
    """

    def __init__(self, learner: Learner) -> None:
        spec = learner.spec
        start = stored_weights(learner)
        first, self._functional = spec.layers[0], torch.nn.functional
        if not isinstance(first, ConvLayer) or len(spec.layers) != 3:
            raise ValueError(f"net {spec.net} is not one convolution with a dense layer behind it")
        window = self._window = first.window
        shape = window.maps, window.kernel_height, window.kernel_width, window.channels
        with torch.no_grad():
            self._kernel = torch.tensor(start.weights[0], dtype=torch.float32).view(shape).permute(0, 3, 1, 2)
            self._kernel = self._kernel.contiguous()
            # rows of the dense layer in torch's order of elements, (map, y, x)
            order = np.arange(window.elements).reshape(-1, window.maps).T.flatten()
            weights = [start.weights[1][:, order], start.weights[2]]
            self._weights = [torch.tensor(w, dtype=torch.float32) for w in weights]
            self._biases = [torch.tensor(b, dtype=torch.float32) for b in start.biases[1:]]
            feedback = [start.feedback[0][:, order] if len(start.feedback[0]) else start.feedback[0], start.feedback[1]]
            self._feedback = [torch.tensor(b, dtype=torch.float32) for b in feedback]
        self._transposes = spec.layers[1].rule.feedback is Feedback.TRANSPOSE
        self._by_target = not spec.layers[1].rule.holds_deltas and spec.layers[1].rule.selects_row
        self._rates = [2.0**layer.rate if layer.learns else 0.0 for layer in spec.layers]
        self._top = float(first.input_one)

    def tensors(self, levels: np.ndarray, labels: np.ndarray) -> tuple[Any, Any]:
        """Return inputs [n, 1, C, H, W] and one-hot targets."""
        window = self._window
        x = torch.from_numpy(levels.astype(np.float32) / self._top)
        x = x.view(-1, 1, window.height, window.width, window.channels).permute(0, 1, 4, 2, 3).contiguous()
        return x, torch.nn.functional.one_hot(torch.from_numpy(labels), len(self._biases[1])).float()

    def learn(self, x: Any, targets: Any) -> None:
        """Learn samples one after another."""
        f, window, rates = self._functional, self._window, self._rates
        w1, w2, b1, b2 = *self._weights, *self._biases
        with torch.no_grad():
            for image, target in zip(x.unbind(), targets.unbind(), strict=True):
                z = f.conv2d(image, self._kernel, stride=window.stride, padding=window.padding)
                if window.pool > 1:
                    pooled, places = f.max_pool2d(z, window.pool, return_indices=True)
                else:
                    pooled = z
                y0 = pooled.reshape(-1).tanh_()
                y1 = torch.addmv(b1, w1, y0).tanh_()
                e = torch.addmv(b2, w2, y1).sigmoid_().sub_(target)
                signal = target if self._by_target else e
                m1 = torch.mv(w2.T, e) if self._transposes else torch.mv(self._feedback[1].T, signal)
                d1 = m1.mul_(1 - y1 * y1)
                if rates[0]:
                    m0 = torch.mv(w1.T, d1) if self._transposes else torch.mv(self._feedback[0].T, signal)
                    d0 = m0.mul_(1 - y0 * y0).view(pooled.shape)
                    if window.pool > 1:
                        d0 = f.max_unpool2d(d0, places, window.pool, output_size=z.shape[2:])
                    change = torch.nn.grad.conv2d_weight(
                        image, self._kernel.shape, d0, stride=window.stride, padding=window.padding
                    )
                    self._kernel.add_(change, alpha=-rates[0])
                for weights, bias, d, y, rate in ((w1, b1, d1, y0, rates[1]), (w2, b2, e, y1, rates[2])):
                    weights.addr_(d, y, alpha=-rate)
                    bias.add_(d, alpha=-rate)


def spec_of(net: str, rule: str, kernels: str, **settings: Any) -> NetworkSpec:
    """Return the network that all contestants start from."""
    return design(net, rule=rule, kernels=kernels, hidden_rate=-8, kernel_rate=-11, output_rate=-6, **settings)


def contestants_of(spec: NetworkSpec, data: BenchData) -> list[Contestant]:
    """Return edgelearn and both ways to write it in torch."""
    learner = Learner(spec)
    start = learner.save()
    few = share_of(len(data.levels), SLOWER)
    levels, labels = data.levels[:few], data.labels[:few]
    numbers = stored_weights(learner)
    functions = TorchConvolution(learner)
    tensors = functions.tensors(levels, labels)

    def twice(run: Callable[[], Any]) -> Callable[[], Any]:
        def learn() -> None:
            with one_thread():
                run()

        return learn

    twin = OnlineTwin(spec, numbers)
    return [
        Contestant(
            LEARN, len(data.levels), lambda: learner.learn(data.levels, data.labels), lambda: learner.restore(start)
        ),
        Contestant(MATRIX, few, twice(lambda: twin.learn(levels, labels))),
        Contestant(FUNCTIONS, few, twice(lambda: functions.learn(*tensors))),
    ]


def compare(net: str, data: BenchData, turns: int, show: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return samples per second of each case and contestant, and how many times as fast as the faster torch."""
    rows = []
    for rule, kernels in CASES:
        spec = spec_of(net, rule, kernels)
        seconds = seconds_of(contestants_of(spec, data), turns, f"{rule}, kernels {kernels}", show)
        torch_seconds = min(seconds[MATRIX], seconds[FUNCTIONS], key=np.median)
        rows.append(
            {"rule": rule, "kernels": kernels}
            | {name: round(1 / float(np.median(own))) for name, own in seconds.items()}
            | {"times_torch": round(float(np.median(torch_seconds / seconds[LEARN])), 2)}
        )
    return rows


def thinned(levels: np.ndarray, share: float, seed: int = 0) -> np.ndarray:
    """Return levels with a share of their events, chosen at random."""
    keeps = np.random.default_rng(seed).random(levels.shape) < share
    return np.where(keeps, levels, 0).astype(np.uint8)


def by_events(data: BenchData, turns: int, show: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return microseconds per sample and products against the events of the inputs, whose dense layer is by event too."""
    rows = []
    for net in (NET, SPARSE_NET):
        for kernels in ("learn", "frozen"):
            spec = spec_of(net, "dfa", kernels, activation="relu")
            runs, counts = [], []
            for share in SHARES:
                learner, levels = Learner(spec), thinned(data.levels, share)
                start = learner.save()
                learner.learn(levels, data.labels)
                n = learner.counters
                counts.append([n.per_sample(name) for name in ("forward_macs", "update_macs")])
                runs.append(
                    Contestant(
                        str(share),
                        len(levels),
                        lambda learner=learner, levels=levels: learner.learn(levels, data.labels),
                        lambda learner=learner, start=start: learner.restore(start),
                    )
                )
            seconds = seconds_of(runs, turns, f"events, {net}, kernels {kernels}", show)
            for share, (macs, updates) in zip(SHARES, counts, strict=True):
                rows.append(
                    {
                        "net": net,
                        "kernels": kernels,
                        "input_events": round(
                            float(np.count_nonzero(thinned(data.levels, share)) / len(data.levels)), 1
                        ),
                        "forward_macs": round(macs),
                        "update_macs": round(updates),
                        "us_per_sample": round(1e6 * float(np.median(seconds[str(share)])), 2),
                    }
                )
    return rows


def products(row: dict[str, Any]) -> int:
    """Return the products per sample of a row: of sums and of updates."""
    return int(row["forward_macs"] + row["update_macs"])


def constant_share(rows: Sequence[dict[str, Any]]) -> float:
    """Return the share of the time of whole digits that does not grow with products, by a line of least squares."""
    slope, constant = np.polyfit([products(row) for row in rows], [row["us_per_sample"] for row in rows], 1)
    return float(constant / (constant + slope * max(products(row) for row in rows)))


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Plot microseconds per sample against events of the inputs, and against products per sample."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "edgelearn"
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained", sharey=True)
    for own in by_network(rows):
        kernels = own[0]["kernels"]
        style = {"marker": "o", "linestyle": "-" if kernels == "learn" else "--"}
        label = f"{own[0]['net']}, kernels {'learned' if kernels == 'learn' else 'frozen'}"
        times = [row["us_per_sample"] for row in own]
        left.plot([row["input_events"] for row in own], times, label=label, **style)
        right.plot([products(row) / 1000 for row in own], times, **style)
    left.set(xlabel="input events per sample", ylabel="processor time per sample (us)", xlim=(0, None), ylim=(0, None))
    right.set(xlabel="products per sample (thousand)", xlim=(0, None))
    left.legend(fontsize=6)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def by_network(rows: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return rows of each network and mode of its kernels."""
    keys = dict.fromkeys((row["net"], row["kernels"]) for row in rows)
    return [[row for row in rows if (row["net"], row["kernels"]) == key] for key in keys]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, default=1500, help="samples per turn (default: 1500)")
    parser.add_argument("--repeats", type=int, default=TURNS, help=f"turns; the median counts (default: {TURNS})")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="plot the time per sample against its events")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE")
    add_option(parser)
    target.add_option(parser)
    given = parser.parse_args(arguments)
    target.enter(given.target)

    def show(line: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)

    data = choose_data((784, 10), 4, given.samples)
    results = {"net": NET, "data": data.source, "rows": compare(NET, data, given.repeats, show)}
    results["by_events"] = by_events(data, given.repeats, show)
    show("")
    print("\n".join([machine().line, "", f"{NET}, {data.source}, samples per second of one thread"]))
    print(f"{'rule':5} {'kernels':8} {LEARN:>10} {MATRIX:>33} {FUNCTIONS:>23} {'times torch':>12}")
    for row in results["rows"]:
        print(
            f"{row['rule']:5} {row['kernels']:8} {row[LEARN]:10,} {row[MATRIX]:33,} {row[FUNCTIONS]:23,} "
            f"{row['times_torch']:12.2f}"
        )
    print("\ndfa, relu: cost per sample against the events of the inputs")
    for row in results["by_events"]:
        print(
            f"{row['net']:34} {row['kernels']:7} {row['input_events']:6.1f} events  {row['forward_macs']:8,} forward MACs  "
            f"{row['update_macs']:8,} of updates  {row['us_per_sample']:7.2f} us"
        )
    for own in by_network(results["by_events"]):
        print(
            f"{own[0]['net']:34} {own[0]['kernels']:7} {constant_share(own):.0%} of the time does not grow with products"
        )
    if given.figure:
        draw(results["by_events"], given.figure)
    if given.json:
        given.json.write_text(json.dumps(results, indent=2) + "\n")
    if given.record:
        record("bench_convolution", results)


if __name__ == "__main__":
    main()
