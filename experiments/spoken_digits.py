"""Speech network of the personalisation demonstration: log-mel front end, training on five speakers, export to ONNX.

    python experiments/spoken_digits.py             the committed demonstration: one network and its features
    python experiments/spoken_digits.py --all DIR   a network and features per held-out speaker, two minutes

Data: Free Spoken Digit Dataset, 3,000 recordings of 10 digits by 6 speakers (CC BY-SA 4.0). A network is trained on the
recordings 10 to 49 of each digit of the factory speakers; their recordings 0 to 9 are old data that it has not seen,
and nothing of the held-out speaker is seen before the device learns.

Front end, as firmware computes it (`log_mel`): 7,776 samples at 8 kHz (0.97 s) from the start of a word, filled with
zeros; 48 frames of 256 samples every 160; Hann window; power spectrum by a real transform of 256 points; 32 triangular
mel bands from 60 to 4,000 Hz; log2(1 + power) below its largest value in the window, at most 16 octaves, over 4. The
difference makes it independent of the microphone's gain. On a microcontroller: per frame one real transform of 256
points, 251 multiplications by mel weights and 32 logarithms.

Network: three convolutions of 3 x 3 with ReLU and 2 x 2 pooling, a dense layer of 64 with ReLU whose output, the tensor
"features", is the cut, then the head 64-32-10 with tanh and logits.
"""

from __future__ import annotations

import argparse
import os
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results" / "spoken_digits"
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
DEMONSTRATION = "theo"  # held out in the committed network
CUT, SEED = "features", 1
RATE, FRAME, HOP, FRAMES, BANDS = 8000, 256, 160, 48, 32
LOWEST, HIGHEST, RANGE, SCALE = 60.0, 4000.0, 16.0, 4.0
SAMPLES = (FRAMES - 1) * HOP + FRAME
FEATURES, HIDDEN, MAPS = 64, 32, (8, 16, 32)
OLD = 10  # recordings of each digit kept from training
EPOCHS, BATCH, VARIANTS, SHIFT, DROPOUT, RATE_OF_ADAM = 16, 32, 8, 800, 0.3, 1e-3


@cache
def mel_bands() -> np.ndarray:
    """Return weights of the mel bands over the bins of the spectrum, float64[BANDS, FRAME / 2 + 1]."""

    def mel(hertz: np.ndarray | float) -> np.ndarray:
        return np.asarray(2595 * np.log10(1 + np.asarray(hertz) / 700))

    edges = 700 * (10 ** (np.linspace(mel(LOWEST), mel(HIGHEST), BANDS + 2) / 2595) - 1)
    hertz = np.fft.rfftfreq(FRAME, 1 / RATE)
    rising = (hertz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - hertz) / (edges[2:] - edges[1:-1])[:, None]
    return np.asarray(np.maximum(np.minimum(rising, falling), 0))


def log_mel(samples: np.ndarray) -> np.ndarray:
    """Return the spectrogram of a word, float32[FRAMES, BANDS].

    Parameters
    ----------
    samples : int16[any], at 8 kHz; what lies beyond `SAMPLES` is left out
    """
    window = np.zeros(SAMPLES)
    kept = samples[:SAMPLES]
    window[: len(kept)] = kept
    frames = np.lib.stride_tricks.sliding_window_view(window, FRAME)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(FRAME), axis=1)) ** 2 / FRAME
    level = np.log2(1 + power @ mel_bands().T)
    return np.asarray(np.maximum(level - level.max(), -RANGE) / SCALE + 2, np.float32)


class Words:
    """The recordings: samples, digit, speaker and number of each."""

    def __init__(self) -> None:
        places = [Path(folder) for folder in os.environ.get("EDGELEARN_DATA", "").split(os.pathsep) if folder]
        path = next((one / "fsdd" / "fsdd.npz" for one in places if (one / "fsdd" / "fsdd.npz").is_file()), None)
        if path is None:
            raise SystemExit("spoken_digits: no fsdd/fsdd.npz in a folder of EDGELEARN_DATA")
        stored = np.load(path)
        names = [str(name).removesuffix(".wav").split("_") for name in stored["names"]]
        self._samples, self._offsets = stored["samples"], stored["offsets"]
        self.digit = np.array([int(name[0]) for name in names])
        self.speaker = np.array([name[1] for name in names])
        self.number = np.array([int(name[2]) for name in names])

    def __getitem__(self, k: int) -> np.ndarray:
        return np.asarray(self._samples[self._offsets[k] : self._offsets[k + 1]])

    def spectrograms(self) -> np.ndarray:
        """Return float32[n, FRAMES, BANDS]."""
        return np.stack([log_mel(self[k]) for k in range(len(self.digit))])

    def delayed(self, k: int, generator: np.random.Generator) -> np.ndarray:
        """Return the spectrogram of a word that starts up to `SHIFT` samples later, or half as many earlier."""
        samples, shift = self[k], int(generator.integers(-SHIFT // 2, SHIFT + 1))
        return log_mel(np.concatenate([np.zeros(shift, np.int16), samples]) if shift >= 0 else samples[-shift:])


def network(n_classes: int) -> Any:
    """Return the untrained network."""
    from torch import nn

    layers: list[Any] = []
    for n_in, n_out in pairwise((1, *MAPS)):
        layers += [nn.Conv2d(n_in, n_out, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    flat = MAPS[-1] * (FRAMES >> len(MAPS)) * (BANDS >> len(MAPS))
    head = [nn.Linear(FEATURES, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, n_classes)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, FEATURES), nn.ReLU(), nn.Dropout(DROPOUT), *head)


def train(words: Words, held_out: tuple[str, ...], n_classes: int = 10) -> Any:
    """Return the network trained on the other speakers' digits below `n_classes`, in one thread, from a fixed seed."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    generator = np.random.default_rng(SEED)
    is_used = ~np.isin(words.speaker, held_out) & (words.number >= OLD) & (words.digit < n_classes)
    used = np.flatnonzero(is_used)
    inputs = np.stack([[words.delayed(k, generator) for k in used] for _ in range(VARIANTS)])
    labels, net = torch.tensor(words.digit[used]), network(n_classes)
    batches = len(used) // BATCH
    optimizer = torch.optim.AdamW(net.parameters(), RATE_OF_ADAM, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3 * RATE_OF_ADAM, total_steps=EPOCHS * batches)
    for _ in range(EPOCHS):
        for batch in generator.permutation(len(used))[: batches * BATCH].reshape(batches, BATCH):
            x = torch.tensor(inputs[generator.integers(VARIANTS), batch])[:, None]
            loss = torch.nn.functional.cross_entropy(net(x), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net.eval()


def export(net: Any, path: Path) -> None:
    """Write the network as ONNX, with the output of its last ReLU as the tensor "features"."""
    import onnx
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        net, torch.zeros(1, 1, FRAMES, BANDS), path, dynamo=False, input_names=["log_mel"], output_names=["logits"],
        dynamic_axes={"log_mel": {0: "n"}, "logits": {0: "n"}},
    )  # fmt: skip
    model = onnx.load(path)
    old = [node for node in model.graph.node if node.op_type == "Relu"][-1].output[0]
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [CUT if name == old else name for name in names]
    onnx.checker.check_model(model)
    onnx.save(model, path)


def features_of(net: Any, spectrograms: np.ndarray) -> np.ndarray:
    """Return the tensor of the cut, float32[n, FEATURES]."""
    import torch

    with torch.no_grad():
        return np.asarray(net[:-4](torch.tensor(spectrograms)[:, None]).numpy())


def make(words: Words, spectrograms: np.ndarray, held_out: str, folder: Path) -> None:
    """Write HELD_OUT.onnx, HELD_OUT.npz with its words, and HELD_OUT-old.npz with the old data."""
    net = train(words, (held_out,))
    export(net, folder / f"{held_out}.onnx")
    features = features_of(net, spectrograms)
    is_user = words.speaker == held_out
    for name, rows in (("", is_user), ("-old", ~is_user & (words.number < OLD))):
        np.savez_compressed(
            folder / f"{held_out}{name}.npz",
            x=features[rows], y=words.digit[rows].astype(np.uint8), user=words.speaker[rows],
        )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--all", type=Path, metavar="DIR", help="write the networks of all held-out speakers there")
    arguments = parser.parse_args()
    words = Words()
    spectrograms = words.spectrograms()
    for held_out in SPEAKERS if arguments.all else (DEMONSTRATION,):
        make(words, spectrograms, held_out, arguments.all or RESULTS)
        print(f"{arguments.all or RESULTS}/{held_out}.onnx, {held_out}.npz, {held_out}-old.npz", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
