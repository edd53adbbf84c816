"""The learning rules in float64, as the papers write them: one sample at a time, sums over samples last.

Layers are numbered 1..K as in the papers; lists that hold one entry per layer are indexed by layer - 1.

    y_0 = x ;  z_k = W_k y_(k-1) + b_k ;  y_k = f(z_k) ;  dz_k = dy_k (.) f'(z_k) ;  dW_k = sum over samples dz_k y_(k-1)^T

Every result is a gradient to descend on: W_k <- W_k - eta dW_k. W_k is (n_k, n_(k-1)), b_k (n_k,), x (N, n_0) and the
targets y (N, C). The sign of DRTP is that of its published code and of its proof, dy_k = +B_k^T y; Algorithm 1 of the
paper, which adds, is this with -B_k. The feedback list B has one entry per hidden layer, B[k-1] of layer k:

    layerwise feedback  (n_k, n_(k+1)), the shape of W_(k+1)^T: takes the signal of the layer above to layer k
    sign-symmetry       magnitudes of the same shape, or one number; the signs are those of W_(k+1)^T
    direct feedback     (C, n_k), or (C, channels, height, width) behind a convolution
    all others          not read
"""

from typing import Any, NamedTuple

import numpy as np

from .oracle import RULES as PAPER_RULES
from .oracle import PaperRule

Array = np.ndarray
RULES = {  # local errors have no float reference beside the online twin
    **{name: rule for name, rule in PAPER_RULES.items() if rule.signal != "local error"},
    "sign-symmetry": PaperRule("dy_k = (sign(W_(k+1)^T) (.) B_k) dz_(k+1): Liao et al. 2016", "delta", "signs"),
    "pseudobackprop": PaperRule("dy_k = W_(k+1)^+ dz_(k+1): Lillicrap et al. 2016, note 15", "delta", "pseudo-inverse"),
}
ACTIVATIONS = ("tanh", "hard-tanh", "relu", "leaky", "sigmoid", "linear")
# Outputs and losses that go together. Behind a linear output ce reads logits, as torch does.
PAIRS = (("sigmoid", "mse"), ("sigmoid", "bce"), ("softmax", "mse"), ("softmax", "bce"), ("softmax", "ce"))
PAIRS += (("linear", "mse"), ("linear", "ce"), ("tanh", "mse"))
SCALES = ("mean", "official")
LEAK = 1 / 20


class Gradients(NamedTuple):
    """What a step descends on: dW and db per layer, and the modulatory signals dz per layer, (N, n_k) each."""

    dW: list[Array]
    db: list[Array]
    dz: list[Array]


def activate(name: str, z: Array) -> Array:
    """f(z) of a hidden layer."""
    if name == "tanh":
        return np.tanh(z)
    if name == "hard-tanh":
        return np.clip(z, -1, 1)
    if name == "relu":
        return np.where(z > 0, z, 0.0)
    if name == "leaky":
        return np.where(z > 0, z, LEAK * z)
    if name == "sigmoid":
        return sigmoid(z)
    if name == "linear":
        return z.copy()
    raise ValueError(f"activation {name!r}; known: {ACTIVATIONS}")


def slope(name: str, z: Array) -> Array:
    """f'(z); at a corner the flatter side, as torch has it."""
    if name == "tanh":
        return 1 - np.tanh(z) ** 2
    if name == "hard-tanh":
        return np.where((z > -1) & (z < 1), 1.0, 0.0)
    if name == "relu":
        return np.where(z > 0, 1.0, 0.0)
    if name == "leaky":
        return np.where(z > 0, 1.0, LEAK)
    if name == "sigmoid":
        return sigmoid(z) * (1 - sigmoid(z))
    if name == "linear":
        return np.ones_like(z)
    raise ValueError(f"activation {name!r}; known: {ACTIVATIONS}")


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)), without overflow."""
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, small) / (1 + small)


def softmax(z: Array) -> Array:
    """exp(z_c) / sum of exp(z), along the last axis."""
    powers = np.exp(z - z.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def output_of(name: str, z: Array) -> Array:
    """y_K of the sums z_K."""
    if name == "softmax":
        return softmax(z)
    if name in ("sigmoid", "tanh", "linear"):
        return activate(name, z)
    raise ValueError(f"output {name!r}; known: sigmoid, softmax, linear, tanh")


def forward(W: list[Array], b: list[Array], x: Array, activation: str, output: str) -> tuple[list[Array], list[Array]]:
    """All z_k, k = 1..K, and all y_k, k = 0..K; y[k] is y_k and z[k-1] is z_k, with one row per sample."""
    z, y = [], [np.asarray(x, float)]
    for k in range(1, len(W) + 1):
        z.append(np.array([W[k - 1] @ row + b[k - 1] for row in y[-1]]))
        y.append(activate(activation, z[-1]) if k < len(W) else output_of(output, z[-1]))
    return z, y


def divisor(loss: str, samples: int, outputs: int) -> int:
    """What the mean of the loss divides by: N C for mse and bce, N for ce."""
    return samples if loss == "ce" else samples * outputs


def sample_losses(z_K: Array, y: Array, output: str, loss: str) -> Array:
    """The share of each sample in the mean loss, (N,); the loss is their sum."""
    _check_pair(output, loss)
    p = output_of(output, z_K)
    if loss == "mse":
        terms = (p - y) ** 2
    elif loss == "bce" and output == "sigmoid":  # log p = -log(1 + exp(-z)), finite where p rounds to 0 or 1
        terms = y * np.logaddexp(0, -z_K) + (1 - y) * np.logaddexp(0, z_K)
    elif loss == "bce":
        terms = -y * np.log(p) - (1 - y) * np.log(1 - p)
    else:
        top = z_K.max(axis=1, keepdims=True)
        terms = -y * (z_K - top - np.log(np.exp(z_K - top).sum(axis=1, keepdims=True)))
    return terms.sum(axis=1) / divisor(loss, *y.shape)


def loss_of(W: list[Array], b: list[Array], x: Array, y: Array, activation: str, output: str, loss: str) -> float:
    """The loss, reduced as torch does by mean."""
    z, _ = forward(W, b, x, activation, output)
    return float(sample_losses(z[-1], np.asarray(y, float), output, loss).sum())


def output_signal(z_K: Array, y: Array, output: str, loss: str) -> Array:
    """dz_K: the true gradient of the loss to z_K, (N, C)."""
    _check_pair(output, loss)
    p = output_of(output, z_K)
    if loss == "ce":
        dz = softmax(z_K) * y.sum(axis=1, keepdims=True) - y
    elif loss == "bce" and output == "sigmoid":
        dz = p - y
    else:
        dy = 2 * (p - y) if loss == "mse" else (1 - y) / (1 - p) - y / p
        dz = p * (dy - (dy * p).sum(axis=1, keepdims=True)) if output == "softmax" else dy * slope(output, z_K)
    return dz / divisor(loss, *y.shape)


def teaching_signal(rule: str, z_K: Array, y: Array, output: str, loss: str, scale: str) -> Array:
    """What a direct rule multiplies with B_k, (N, C): the error y_K - y, its sign, or the target y.

    The error is that of the outputs, so behind mse it has neither the 2 nor the output's own slope. Logits become
    probabilities first. "mean" divides by the loss's N C or N; "official" divides by nothing, but for
    non-negative rules: the published code of mdfa feeds back the error of the mean loss.
    """
    _check_pair(output, loss)
    p = softmax(z_K) if loss == "ce" else output_of(output, z_K)
    signal = {
        "error": p - y,
        "sign": np.sign(p - y),
        "target": np.array(y, float),
        "signed target": 1 - 2 * np.array(y, float),
    }[RULES[rule].signal]
    if scale not in SCALES:
        raise ValueError(f"scale {scale!r}; known: {SCALES}")
    return signal if scale == "official" and not RULES[rule].non_negative else signal / divisor(loss, *y.shape)


def gradients(
    rule: str,
    W: list[Array],
    b: list[Array],
    B: list[Any],
    x: Array,
    y: Array,
    activation: str,
    output: str,
    loss: str,
    scale: str = "mean",
) -> Gradients:
    """What one step of a rule descends on. The output layer has its true gradient in every rule and scale.

    A non-negative rule expects B >= 0 and W_k >= 0 from layer 2 on; `non_negative` restores the latter after a step.
    """
    if rule not in RULES:
        raise ValueError(f"rule {rule!r}; known: {tuple(RULES)}")
    row = RULES[rule]
    if row.non_negative and (any((M < 0).any() for M in B) or any((M < 0).any() for M in W[1:])):
        raise ValueError(f"{rule} needs B_k >= 0, and W_k >= 0 from layer 2 on")
    y = np.asarray(y, float)
    z, states = forward(W, b, x, activation, output)
    K = len(W)
    dz: list[Array] = [np.zeros_like(z[k]) for k in range(K)]
    dz[K - 1] = output_signal(z[-1], y, output, loss)
    taught = teaching_signal(rule, z[-1], y, output, loss, scale) if row.feedback == "direct" else None
    for k in range(K - 1, 0, -1):
        for n in range(len(y)):
            above = dz[k][n]  # dz_(k+1)
            if row.feedback == "transpose":
                dy = W[k].T @ above
            elif row.feedback == "layerwise":
                dy = B[k - 1] @ above
            elif row.feedback == "signs":
                dy = (np.sign(W[k]).T * B[k - 1]) @ above
            elif row.feedback == "pseudo-inverse":
                dy = np.linalg.pinv(W[k]) @ above
            elif row.feedback == "none":
                dy = np.zeros(len(W[k - 1]))
            else:
                dy = B[k - 1].T @ taught[n]
            dz[k - 1][n] = dy * slope(activation, z[k - 1][n])
    return _outer_sums(dz, states)


def node_perturbation(
    W: list[Array],
    b: list[Array],
    x: Array,
    y: Array,
    noise: list[Array],
    sigma: float,
    activation: str,
    output: str,
    loss: str,
) -> Gradients:
    """One step's estimate for a given noise on all z_k: dz_k = (change of the sample's loss) noise_k / sigma^2.

    noise[k-1] is (N, n_k) and of covariance sigma^2 I; the estimate's mean over the noise is the gradient of bp, up to
    O(sigma^2) where f is smooth. y_(k-1) in the update is that of the pass without noise.
    """
    y = np.asarray(y, float)
    z, states = forward(W, b, x, activation, output)
    noisy = np.asarray(x, float)
    for k in range(len(W)):
        perturbed = np.array([W[k] @ row + b[k] for row in noisy]) + noise[k]
        noisy = activate(activation, perturbed)
    change = sample_losses(perturbed, y, output, loss) - sample_losses(z[-1], y, output, loss)
    return _outer_sums([change[:, None] * part / sigma**2 for part in noise], states)


def non_negative(W: list[Array], floor: float = 0.0) -> list[Array]:
    """The constraint of non-negative rules, applied after each step: W_k >= floor from layer 2 on."""
    return [W[0].copy(), *(np.maximum(M, floor) for M in W[1:])]


def _outer_sums(dz: list[Array], states: list[Array]) -> Gradients:
    dW = [sum(np.outer(dz[k][n], states[k][n]) for n in range(len(states[0]))) for k in range(len(dz))]
    return Gradients(dW, [part.sum(axis=0) for part in dz], dz)


def _check_pair(output: str, loss: str) -> None:
    if (output, loss) not in PAIRS:
        raise ValueError(f"output {output!r} with loss {loss!r}; known pairs: {PAIRS}")


# Layers of maps: x is (N, c, h, w). Kernels of a convolution are (maps, c, kh, kw) and its bias (maps,); a locally
# connected layer has its own kernel and bias everywhere, (maps, h', w', c, kh, kw) and (maps, h', w').
# "Convolution" is the sliding sum of products, without a flip, as in torch.


def conv2d(x: Array, kernels: Array, bias: Array, stride: int = 1, padding: int = 0) -> Array:
    """z of a convolution, (N, maps, h', w') with h' = (h + 2 padding - kh) // stride + 1."""
    high, wide = _map_size(x, kernels.shape[-2:], stride, padding)
    z = np.zeros((len(x), len(kernels), high, wide))
    for n, m, i, j in np.ndindex(z.shape):
        z[n, m, i, j] = (kernels[m] * _patch(x[n], i, j, kernels.shape[-2:], stride, padding)).sum() + bias[m]
    return z


def conv2d_gradients(
    x: Array, z: Array, dy: Array, kernel_size: tuple[int, int], activation: str, stride: int = 1, padding: int = 0
) -> tuple[Array, Array, Array]:
    """Gradients of kernels and bias, and dz, of a convolution whose activation, before any pooling, is taught by dy."""
    dz = dy * slope(activation, z)
    kernels, bias = np.zeros((z.shape[1], x.shape[1], *kernel_size)), np.zeros(z.shape[1])
    for n, m, i, j in np.ndindex(dz.shape):
        kernels[m] += dz[n, m, i, j] * _patch(x[n], i, j, kernel_size, stride, padding)
        bias[m] += dz[n, m, i, j]
    return kernels, bias, dz


def conv2d_down(dz: Array, kernels: Array, x_shape: tuple[int, ...], stride: int = 1, padding: int = 0) -> Array:
    """The signal a convolution sends down, (N, c, h, w): bp with its own kernels, fa with fixed ones of their shape."""
    n_samples, channels, high, wide = x_shape
    padded = np.zeros((n_samples, channels, high + 2 * padding, wide + 2 * padding))
    rows, columns = kernels.shape[-2:]
    for n, m, i, j in np.ndindex(dz.shape):
        top, left = i * stride, j * stride
        padded[n, :, top : top + rows, left : left + columns] += dz[n, m, i, j] * kernels[m]
    return padded[:, :, padding : padding + high, padding : padding + wide]


def map_feedback(B: Array, signal: Array) -> Array:
    """dy of a layer of maps, (N, channels, h, w): B (C, channels, h, w) has a weight for every element of the maps."""
    dy = np.zeros((len(signal), *B.shape[1:]))
    for n, c in np.ndindex(signal.shape):
        dy[n] += signal[n, c] * B[c]
    return dy


def max_pool(y: Array, size: int, stride: int) -> Array:
    """The largest of each window, (N, maps, h', w'); windows that would overhang are left out."""
    high, wide = _map_size(y, (size, size), stride, 0)
    pooled = np.zeros((*y.shape[:2], high, wide))
    for n, m, i, j in np.ndindex(pooled.shape):
        pooled[n, m, i, j] = y[n, m, i * stride : i * stride + size, j * stride : j * stride + size].max()
    return pooled


def max_pool_down(y: Array, dpooled: Array, size: int, stride: int) -> Array:
    """dy below a pooling: each signal goes to the largest of its window, the first in reading order of equals."""
    dy = np.zeros_like(y)
    for n, m, i, j in np.ndindex(dpooled.shape):
        window = y[n, m, i * stride : i * stride + size, j * stride : j * stride + size]
        row, column = np.unravel_index(window.argmax(), window.shape)
        dy[n, m, i * stride + row, j * stride + column] += dpooled[n, m, i, j]
    return dy


def locally_connected(x: Array, kernels: Array, bias: Array, stride: int = 1, padding: int = 0) -> Array:
    """z of a locally connected layer, (N, maps, h', w')."""
    z = np.zeros((len(x), *kernels.shape[:3]))
    for n, m, i, j in np.ndindex(z.shape):
        patch = _patch(x[n], i, j, kernels.shape[-2:], stride, padding)
        z[n, m, i, j] = (kernels[m, i, j] * patch).sum() + bias[m, i, j]
    return z


def locally_connected_gradients(
    x: Array, z: Array, dy: Array, kernel_size: tuple[int, int], activation: str, stride: int = 1, padding: int = 0
) -> tuple[Array, Array, Array]:
    """Gradients of kernels and bias, and dz, of a locally connected layer whose activation is taught by dy."""
    dz = dy * slope(activation, z)
    kernels = np.zeros((*z.shape[1:], x.shape[1], *kernel_size))
    for n, m, i, j in np.ndindex(dz.shape):
        kernels[m, i, j] += dz[n, m, i, j] * _patch(x[n], i, j, kernel_size, stride, padding)
    return kernels, dz.sum(axis=0), dz


def _patch(x: Array, i: int, j: int, kernel_size: tuple[int, ...], stride: int, padding: int) -> Array:
    """What output (i, j) sees of one sample, (c, kh, kw); 0 outside the map."""
    patch = np.zeros((len(x), *kernel_size))
    for c, row, column in np.ndindex(patch.shape):
        r, s = i * stride + row - padding, j * stride + column - padding
        if 0 <= r < x.shape[1] and 0 <= s < x.shape[2]:
            patch[c, row, column] = x[c, r, s]
    return patch


def _map_size(x: Array, kernel_size: tuple[int, ...], stride: int, padding: int) -> tuple[int, int]:
    high, wide = ((n + 2 * padding - k) // stride + 1 for n, k in zip(x.shape[2:], kernel_size, strict=True))
    return high, wide
