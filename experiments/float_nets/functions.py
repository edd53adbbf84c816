"""Autograd functions of the learning rules: same forward pass as torch, other gradients.

Shapes: N samples of a batch, n neurons, C outputs.
"""

from __future__ import annotations

import importlib
from typing import Any

from edgelearn.references.pytorch import torch

Tensor = torch.Tensor
torch_grad: Any = importlib.import_module("torch.nn.grad")


class Teacher:
    """The teaching signal of a batch, float[N, C]; the output of the same forward pass fills it in.

    Autograd asks for it only when the forward pass is over, so that no stale error is ever used.
    """

    signal: Tensor


class Broadcast(torch.autograd.Function):
    """y -> y; backward gives `signal B` in place of dL/dy (DFA, sDFA, DRTP and mDFA)."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, teacher: Teacher, feedback: Tensor) -> Tensor:
        """Pass y, float[N, ...], on; `feedback` is float[C, ...] with one weight for every element of y."""
        ctx.teacher, ctx.feedback = teacher, feedback
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        signal, feedback = ctx.teacher.signal, ctx.feedback
        taught = signal @ feedback.reshape(feedback.shape[0], -1)
        return taught.reshape(signal.shape[0], *feedback.shape[1:]), None, None


class Teach(torch.autograd.Function):
    """z -> z; backward gives the signal itself in place of dL/dz (node perturbation)."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, signal: Tensor) -> Tensor:
        ctx.signal = signal
        return z.view_as(z)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.signal, None


class FeedbackLinear(torch.autograd.Function):
    """x -> x W^T + b; the delta goes down through `feedback` in place of W (FA and relatives).

    Parameters
    ----------
    x : float[N, n_in]; weight, feedback : float[n, n_in]; bias : float[n]
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, feedback: Tensor) -> Tensor:
        ctx.save_for_backward(x, feedback)
        return torch.addmm(bias, x, weight.T)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, feedback = ctx.saved_tensors
        delta = gradients[0]
        down = delta @ feedback if ctx.needs_input_grad[0] else None
        return down, delta.T @ x, delta.sum(0), None


class FeedbackConv(torch.autograd.Function):
    """A convolution whose delta goes down through `feedback` in place of its kernels (FA and relatives).

    Parameters
    ----------
    x : float[N, channels, height, width]; weight, feedback : float[maps, channels, k, k]; bias : float[maps]
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, feedback: Tensor, stride: int, padding: int
    ) -> Tensor:
        ctx.save_for_backward(x, feedback)
        ctx.stride, ctx.padding = stride, padding
        return torch.nn.functional.conv2d(x, weight, bias, stride, padding)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, feedback = ctx.saved_tensors
        delta, grad = gradients[0], torch_grad
        down = None
        if ctx.needs_input_grad[0]:
            down = grad.conv2d_input(x.shape, feedback, delta, ctx.stride, ctx.padding)
        kernels = grad.conv2d_weight(x, feedback.shape, delta, ctx.stride, ctx.padding)
        return down, kernels, delta.sum((0, 2, 3)), None, None, None


class FeedbackLocal(torch.autograd.Function):
    """Patches times weights of their own; the delta goes down through `feedback` (FA and relatives).

    Parameters
    ----------
    patches : float[N, places, k]; weight, feedback : float[places, maps, k]; bias : float[places, maps]
    """

    @staticmethod
    def forward(ctx: Any, patches: Tensor, weight: Tensor, bias: Tensor, feedback: Tensor) -> Tensor:
        ctx.save_for_backward(patches, feedback)
        return torch.einsum("npk,pmk->npm", patches, weight) + bias

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        patches, feedback = ctx.saved_tensors
        delta = gradients[0]
        down = torch.einsum("npm,pmk->npk", delta, feedback) if ctx.needs_input_grad[0] else None
        return down, torch.einsum("npm,npk->pmk", delta, patches), delta.sum(0), None
