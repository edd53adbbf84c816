"""Float network as a torch module, with hidden layers taught by any rule of the table.

z_k = W_k y_(k-1) + b_k,  y_k = f(z_k);  the rule only changes what autograd sends to hidden layers (functions.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from edgelearn.errors import UserError
from edgelearn.references.pytorch import torch
from edgelearn.rules import Backend, Constraint, Feedback, Rule, Signal, find_rule
from experiments.float_nets.float_config import FloatConfig
from experiments.float_nets.functions import Broadcast, FeedbackConv, FeedbackLinear, FeedbackLocal, Teach, Teacher
from experiments.float_nets.initial import initial
from experiments.float_nets.topology import Conv, Dense, Local, parse_topology

Tensor = torch.Tensor
functional: Any = torch.nn.functional

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "hard-tanh": functional.hardtanh,
    "relu": torch.relu,
    "leaky": lambda z: functional.leaky_relu(z, 0.05),
    "sigmoid": torch.sigmoid,
    "linear": lambda z: z,
    "softmax": lambda z: torch.softmax(z, 1),
}


class ReferenceLayer(torch.nn.Module):
    """Weights, bias and feedback of one layer, and how a delta goes down through it.

    Parameters
    ----------
    spec : what the layer is; shape : of its input, without the batch
    """

    def __init__(self, spec: Dense | Conv | Local, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.spec, self.shape_in = spec, shape
        if isinstance(spec, Dense):
            self.fan_in = math.prod(shape)
            self.shape_out: tuple[int, ...] = (spec.n,)
            weight: tuple[int, ...] = (spec.n, self.fan_in)
            bias: tuple[int, ...] = (spec.n,)
        elif isinstance(spec, Conv):
            channels, height, width = shape
            size = [(side + 2 * spec.padding - spec.kernel) // spec.stride + 1 for side in (height, width)]
            self.fan_in = channels * spec.kernel**2
            self.shape_out = (spec.maps, *size)
            weight, bias = (spec.maps, channels, spec.kernel, spec.kernel), (spec.maps,)
        else:
            channels, height, width = shape
            size = [side - spec.kernel + 1 for side in (height, width)]
            self.fan_in = channels * spec.kernel**2
            self.shape_out = (spec.maps, *size)
            weight, bias = (math.prod(size), spec.maps, self.fan_in), (math.prod(size), spec.maps)
        self.weight = torch.nn.Parameter(torch.zeros(weight))
        self.bias = torch.nn.Parameter(torch.zeros(bias))

    @property
    def pooled_shape(self) -> tuple[int, ...]:
        """The shape that the next layer sees."""
        if isinstance(self.spec, Conv) and self.spec.pool > 1:
            maps, height, width = self.shape_out
            return maps, height // self.spec.pool, width // self.spec.pool
        return self.shape_out

    def pool(self, y: Tensor) -> Tensor:
        if isinstance(self.spec, Conv) and self.spec.pool > 1:
            return functional.max_pool2d(y, self.spec.pool)
        return y

    def forward(self, x: Tensor, down: Tensor | None = None) -> Tensor:
        """Return z, float[N, ...]; a delta goes down through `down`, or through the weights if None."""
        spec = self.spec
        if isinstance(spec, Dense):
            x = x.flatten(1)
            if down is None:
                return functional.linear(x, self.weight, self.bias)
            return FeedbackLinear.apply(x, self.weight, self.bias, down)
        if isinstance(spec, Conv):
            if down is None:
                return functional.conv2d(x, self.weight, self.bias, spec.stride, spec.padding)
            return FeedbackConv.apply(x, self.weight, self.bias, down, spec.stride, spec.padding)
        patches = functional.unfold(x, spec.kernel).transpose(1, 2)
        if down is None:
            z = torch.einsum("npk,pmk->npm", patches, self.weight) + self.bias
        else:
            z = FeedbackLocal.apply(patches, self.weight, self.bias, down)
        return z.transpose(1, 2).reshape(len(x), *self.shape_out)


class ReferenceNet(torch.nn.Module):
    """A network of dense, convolutional and locally connected layers under one rule.

    Parameters
    ----------
    config : its settings
    dtype : float32, or float64 for exact comparisons

    Attributes
    ----------
    layers : the layers, input to output
    feedback : one tensor per layer: for broadcasts float[C, *shape of layer k's activation], for deltas that go down
        at random the shape of the layer's weights; None where there is none
    gates : frozen copies of hidden layers for the rule ntk
    """

    def __init__(self, config: FloatConfig, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.config = config
        self.rule = find_rule(config.rule, Backend.FLOAT)
        specs = parse_topology(config.topology)
        shape, layers = config.input_shape, []
        for spec in specs:
            layers.append(ReferenceLayer(spec, shape))
            shape = layers[-1].pooled_shape
        self.layers: Any = torch.nn.ModuleList(layers)
        self.n_outputs = shape[0]
        self.generator = torch.Generator().manual_seed(config.seed)
        self.gates: Any = torch.nn.ModuleList()
        self._draw()
        self.to(dtype)
        for k, layer in enumerate(self.layers):
            learns = k == self.last or (
                self.rule.learns_hidden
                and k not in config.frozen
                and (config.train_kernels or isinstance(layer.spec, Dense))
            )
            layer.requires_grad_(learns)
            if not config.biases:
                layer.bias.requires_grad_(False)

    @property
    def last(self) -> int:
        return len(self.layers) - 1

    def _draw(self) -> None:
        """Draw weights and feedback layer by layer, from one generator, as the rule needs them."""
        config, rule = self.config, self.rule
        for k, layer in enumerate(self.layers):
            text = config.output_init if k == self.last and config.output_init is not None else config.init
            positive = rule.non_negative and k > 0

            def draw(text: str, shape: tuple[int, ...], n: int, positive: bool) -> Tensor:
                return initial(text, shape, n, self.generator, config.text_scale, positive)

            layer.weight.data = draw(text, tuple(layer.weight.shape), layer.fan_in, positive)
            if config.biases and text == "torch":
                layer.bias.data = draw(text, tuple(layer.bias.shape), layer.fan_in, False)
            drawn = None
            if rule.broadcasts and k < self.last:
                shape = (self.n_outputs, *layer.shape_out)
                fan_in = self.n_outputs if config.text_scale == "repo" else math.prod(layer.shape_out)
                drawn = draw(config.feedback_init, shape, fan_in, rule.non_negative)
            elif rule.stores_feedback and not rule.broadcasts:
                positive = rule.non_negative or rule.feedback is Feedback.SIGN
                drawn = draw(config.feedback_init, tuple(layer.weight.shape), layer.fan_in, positive)
            self.register_buffer(f"feedback{k}", drawn)
            if rule.constraint is Constraint.FIXED_GATES and k < self.last:
                gate = ReferenceLayer(layer.spec, layer.shape_in)
                gate.weight.data = draw(text, tuple(layer.weight.shape), layer.fan_in, False)
                self.gates.append(gate.requires_grad_(False))

    @property
    def feedback(self) -> list[Tensor | None]:
        return [getattr(self, f"feedback{k}") for k in range(len(self.layers))]

    def down(self, k: int, rule: Rule) -> Tensor | None:
        """Return what the delta of layer k goes down through, in the shape of its weights; None for the weights."""
        weight = self.layers[k].weight
        if rule.feedback is Feedback.LAYERWISE:
            return self.feedback[k]
        if rule.feedback is Feedback.SIGN:
            feedback = self.feedback[k]
            assert feedback is not None
            return torch.sign(weight.detach()) * feedback
        if rule.feedback is Feedback.PSEUDO_INVERSE and k > 0:
            matrix = weight.detach().reshape(weight.shape[0], -1)
            return torch.linalg.pinv(matrix).T.reshape(weight.shape)
        return None

    def forward(
        self,
        x: Tensor,
        target: Tensor | None = None,
        rule: Rule | None = None,
        noise: list[Tensor] | None = None,
        taught: list[Tensor] | None = None,
    ) -> Tensor:
        """Return the outputs, float[N, C].

        Parameters
        ----------
        x : float[N, ...]
        target : one-hot float[N, C]; with it, gradients of the loss are those of the rule
        rule : in place of the net's own, e.g. backpropagation for a comparison
        noise : added to the hidden z, one tensor per hidden layer (node perturbation)
        taught : gradients dL/dz of the hidden layers that are sent down in place of any other
        """
        config, rule = self.config, rule or self.rule
        teacher = Teacher()
        self.z: list[Tensor] = []
        self.y: list[Tensor] = []
        y = x.reshape(len(x), *config.input_shape)
        for k, layer in enumerate(self.layers):
            if config.dropout and self.training and isinstance(layer.spec, Dense):
                kept = torch.rand(y.shape, generator=self.generator, dtype=y.dtype) >= config.dropout
                y = y * kept / (1 - config.dropout)
            z = layer(y, self.down(k, rule))
            if k < self.last:
                if noise is not None:
                    z = z + noise[k]
                if taught is not None:
                    z = Teach.apply(z, taught[k])
                self.z.append(z)
                y = z * (self.gates[k](y) > 0) if self.gates else ACTIVATIONS[config.hidden](z)
                self.y.append(y)  # before the broadcast, so that its gradient is what the rule sends
                if rule.broadcasts and target is not None:
                    y = Broadcast.apply(y, teacher, self.feedback[k])
                y = layer.pool(y)
            else:
                self.z.append(z)
                y = ACTIVATIONS[config.output](z)
        if target is not None and rule.broadcasts:
            teacher.signal = self._signal(rule, y.detach(), target)
        return y

    def _signal(self, rule: Rule, y: Tensor, target: Tensor) -> Tensor:
        """Return the teaching signal of a batch, float[N, C], in the descent convention."""
        error = y - target
        signal = {
            Signal.ERROR: error,
            Signal.SIGN_ERROR: torch.sign(error),
            Signal.TARGET: target,
            Signal.SIGNED_TARGET: 1 - 2 * target,
        }[rule.signal]
        if self.config.scale == "official" and not rule.non_negative:  # the code of mdfa takes the mean loss
            return signal
        return signal / (len(y) if self.config.loss == "ce" else target.numel())

    def loss(self, y: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss of outputs: bce and mse over N and C, ce over N.

        The gradient of mse has a factor 2 that the teaching signals of direct rules do not have.
        """
        if self.config.loss == "mse":
            return functional.mse_loss(y, target)
        z = self.z[-1]
        if self.config.loss == "bce":
            return functional.binary_cross_entropy_with_logits(z, target)
        return functional.cross_entropy(z, target)

    def teach(self, x: Tensor, target: Tensor) -> Tensor:
        """Put the gradients of one batch under the net's rule into its parameters; return the outputs."""
        y: Tensor
        if self.rule.signal is Signal.LOSS_CHANGE:
            y = self._perturb(x, target)
        else:
            y = self(x, target)
            self.loss(y, target).backward()
        return y.detach()

    def _perturb(self, x: Tensor, target: Tensor) -> Tensor:
        """Estimate hidden gradients from how each sample's loss changes with noise on all hidden z at once."""
        sigma = self.config.noise
        with torch.no_grad():
            self(x)
            noise = [sigma * torch.randn(z.shape, generator=self.generator, dtype=z.dtype) for z in self.z[:-1]]
            before = self._sample_losses(target)
            self(x, noise=noise)
            change = (self._sample_losses(target) - before) / (sigma**2 * len(x))
        taught = [n * change.reshape(-1, *[1] * (n.ndim - 1)) for n in noise]
        y: Tensor = self(x, taught=taught)
        self.loss(y, target).backward()
        return y

    def _sample_losses(self, target: Tensor) -> Tensor:
        z = self.z[-1]
        if self.config.loss == "ce":
            return functional.cross_entropy(z, target, reduction="none")
        if self.config.loss == "bce":
            return functional.binary_cross_entropy_with_logits(z, target, reduction="none").mean(1)
        return functional.mse_loss(ACTIVATIONS[self.config.output](z), target, reduction="none").mean(1)

    def modulatory(self, x: Tensor, target: Tensor, rule: str | None = None, of: str = "z") -> list[Tensor]:
        """Return dL/dz_k of the hidden layers, float[N, ...], that a rule prescribes for these weights and samples.

        Parameters
        ----------
        rule : in place of the net's own: "bp", for what it is compared with
        of : "z" for modulatory signals behind the gate, "y" for the signals sent to activations

        Raises
        ------
        UserError
            "the net of rule ... has no modulatory signals of ..."
        """
        chosen = self.rule if rule is None else find_rule(rule, Backend.FLOAT)
        if chosen.name not in (self.rule.name, "bp") or chosen.signal is Signal.LOSS_CHANGE:
            raise UserError(
                f"the net of rule '{self.rule.name}' has no modulatory signals of '{chosen.name}'; "
                "ask a net of a rule with fixed signals for its own, or for those of bp"
            )
        learns = [parameter.requires_grad for parameter in self.parameters()]
        for parameter in self.parameters():
            parameter.requires_grad_(True)
        was_training = self.training
        self.eval()
        try:
            y = self(x, target, rule=chosen)
            hidden: Any = self.z[:-1] if of == "z" else self.y
            if not chosen.learns_hidden:
                return [torch.zeros_like(signal) for signal in hidden]
            return list(torch.autograd.grad(self.loss(y, target), hidden))
        finally:
            self.train(was_training)
            for parameter, before in zip(self.parameters(), learns, strict=True):
                parameter.requires_grad_(before)

    def constrain(self) -> None:
        """Keep what the rule's theorem needs: weights behind the first layer at least `floor`."""
        if self.rule.non_negative:
            with torch.no_grad():
                for layer in list(self.layers)[1:]:
                    layer.weight.clamp_(min=self.config.floor)
