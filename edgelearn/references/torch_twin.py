"""The float twin of a stream's learner: backpropagation in torch, one sample at a time, on features without levels."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgelearn.references.torch_online import _torch


class FloatTwin:
    """A float32 network with tanh layers and a softmax, trained by stochastic gradient descent.

    Parameters
    ----------
    sizes : layer sizes
    hidden_rate, output_rate : exponents of two, of the weights (biases too)
    seed : of the initial weights, uniform in +-sqrt(6 / n_in) as in the arithmetic contract, section 7

    Notes
    -----
    The loss is the cross entropy, whose gradient p - target is the error of the contract.
    """

    def __init__(self, sizes: Sequence[int], hidden_rate: float, output_rate: float, seed: int = 0) -> None:
        torch = _torch()
        generator = torch.Generator().manual_seed(seed)
        self.weights, self.biases = [], []
        for n_in, n_out in itertools.pairwise(sizes):
            limit = math.sqrt(6 / n_in)
            weights = (torch.rand(n_in, n_out, generator=generator) * 2 - 1) * limit
            self.weights.append(weights.requires_grad_())
            self.biases.append(torch.zeros(n_out, requires_grad=True))
        hidden = [*self.weights[:-1], *self.biases[:-1]]
        groups = [{"params": [self.weights[-1], self.biases[-1]], "lr": 2.0**output_rate}]
        groups += [{"params": hidden, "lr": 2.0**hidden_rate}] if hidden else []
        self._descent: Any = torch.optim.SGD(groups, lr=0.1, foreach=True)

    def learn(self, features: np.ndarray, labels: np.ndarray, delay: int = 0) -> np.ndarray:
        """Predict, then learn, samples one after another; return the predictions, int64[n].

        Parameters
        ----------
        features : float32[n, n_in]; labels : int64[n]
        delay : sample i - delay is learned after the prediction of sample i
        """
        torch = _torch()
        x = torch.from_numpy(np.ascontiguousarray(features, np.float32))
        targets = torch.from_numpy(np.asarray(labels, np.int64))
        loss_of = torch.nn.functional.cross_entropy
        predictions = np.zeros(len(labels), np.int64)
        for i in range(len(labels)):
            z = self._outputs(x[i])
            predictions[i] = int(z.argmax())
            if i < delay:
                continue
            if delay:
                z = self._outputs(x[i - delay])
            self._descent.zero_grad()
            loss_of(z, targets[i - delay]).backward()
            self._descent.step()
        return predictions

    def _outputs(self, y: Any) -> Any:
        torch = _torch()
        for weights, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            y = torch.tanh(y @ weights + bias)
        return y @ self.weights[-1] + self.biases[-1]
