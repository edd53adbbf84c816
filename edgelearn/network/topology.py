"""Topology of a network from a text: 784-500-10, or with convolutions 28x28x1-conv16x5x5-pool2-fc128-10."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgelearn.errors import UserError
from edgelearn.network.window import Window

MOST = 10**9  # of any number of a topology
FORMS = (
    "sizes such as 784-500-10, or an input shape and layers such as 28x28x1-conv16x5x5-pool2-fc128-10 "
    "(conv<maps>x<height>x<width>, s<stride>, p<padding>; pool2, meanpool2)"
)
_SHAPE = re.compile(r"(\d+)x(\d+)x(\d+)")
_AREA = re.compile(r"(\d+)x(\d+)")
_CONVOLUTION = re.compile(r"conv(\d+)x(\d+)(?:x(\d+))?(?:s(\d+))?(?:p(\d+))?")
_POOLING = re.compile(r"(mean|max)?pool(\d+)")
_DENSE = re.compile(r"(?:fc)?(\d+)")
_OFFICIAL_POOL = 2  # behind each convolution of the code of Frenkel et al. 2021, unless a fifth number says otherwise


@dataclass(frozen=True)
class Dense:
    """A dense layer of n neurons."""

    n: int

    def __str__(self) -> str:
        return f"fc{self.n}"


@dataclass(frozen=True)
class Convolution:
    """A convolution and the pooling behind it.

    Parameters
    ----------
    padding : zeros on each side of the map; None for (K - 1) / 2 rounded down, which keeps the size of a map at
        stride 1 and odd K
    pool, pooling : side of the pooling window, 1 for none; "max" or "mean"
    """

    maps: int
    kernel_height: int
    kernel_width: int
    stride: int = 1
    padding: int | None = None
    pool: int = 1
    pooling: str = "max"

    @property
    def used_padding(self) -> int:
        return (self.kernel_height - 1) // 2 if self.padding is None else self.padding

    @property
    def trimmed(self) -> Convolution:
        """The same convolution with padding that no kernel lies in as a whole."""
        side = min(self.kernel_height, self.kernel_width)
        return replace(self, padding=(side - 1) // 2) if self.used_padding >= side else self

    def __str__(self) -> str:
        text = f"conv{self.maps}x{self.kernel_height}x{self.kernel_width}"
        text += f"s{self.stride}" if self.stride != 1 else ""
        same = self.kernel_height == self.kernel_width and self.used_padding == (self.kernel_height - 1) // 2
        text += "" if same else f"p{self.used_padding}"
        if self.pool == 1:
            return text
        return f"{text}-{'mean' if self.pooling == 'mean' else ''}pool{self.pool}"


Layer = Dense | Convolution
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Topology:
    """Inputs and layers of a network; convolutions come first, the last layer is dense.

    Parameters
    ----------
    inputs : (height, width, channels), or a number without convolutions; None where the data decide
    layers : the output layer included

    Raises
    ------
    UserError
        "net ... does not fit ...": a map that a kernel or a pooling does not fit

    Example
    -------
    >>> net = parse_topology("28x28x1-conv16x5x5-pool2-fc128-10")
    >>> net.sizes
    (784, 3136, 128, 10)
    >>> str(net)
    '28x28x1-conv16x5x5-pool2-fc128-10'
    """

    inputs: Shape | int | None
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        if isinstance(self.inputs, tuple):
            self._windows(self.inputs)

    @property
    def is_convolutional(self) -> bool:
        return any(isinstance(layer, Convolution) for layer in self.layers)

    @property
    def windows(self) -> tuple[Window | None, ...]:
        """Window of each layer, None of a dense one.

        Raises
        ------
        UserError
            "net ... needs the shape of its inputs"
        """
        if not self.is_convolutional:
            return (None,) * len(self.layers)
        if not isinstance(self.inputs, tuple):
            raise UserError(
                f"net '{self}' needs the shape of its inputs; put it in front, e.g. 28x28x1-{self._text_of_layers()}, "
                "or give --input-shape 28x28x1"
            )
        return self._windows(self.inputs)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Flat sizes: inputs, then elements or neurons of each layer."""
        if not self.is_convolutional:
            if self.inputs is None:
                raise UserError(f"net '{self}' has no inputs; put their number in front, e.g. 784-{self}")
            n = self.inputs[0] * self.inputs[1] * self.inputs[2] if isinstance(self.inputs, tuple) else self.inputs
            return (n, *(layer.n for layer in self.layers if isinstance(layer, Dense)))
        windows = self.windows
        assert windows[0] is not None
        sizes = [windows[0].n_in]
        for layer, window in zip(self.layers, windows, strict=True):
            sizes.append(layer.n if isinstance(layer, Dense) else window.elements if window else 0)
        return tuple(sizes)

    def with_inputs(self, shape: Shape | None) -> Topology:
        """Return the same layers behind inputs of a shape where the text named none.

        Raises
        ------
        UserError
            "net ... does not fit ..."
        """
        return self if shape is None or self.inputs is not None else replace(self, inputs=shape)

    def fitting(self, shape: Shape) -> Topology:
        """Return these layers behind inputs of a shape, changed where a kernel or a pooling is larger than its map."""
        return Topology(shape, _fitting(self.layers, 0, shape))

    @property
    def trimmed(self) -> Topology:
        """The same network with padding that no kernel lies in as a whole."""
        return replace(
            self, layers=tuple(layer if isinstance(layer, Dense) else layer.trimmed for layer in self.layers)
        )

    def with_outputs(self, n: int) -> Topology:
        """Return the same network with n outputs."""
        return replace(self, layers=(*self.layers[:-1], Dense(n)))

    def __str__(self) -> str:
        """Return the text that is read as this network: sizes alone where all layers are dense."""
        if self.is_convolutional:
            shape = "" if self.inputs is None else "x".join(map(str, self.inputs)) + "-"  # type: ignore[arg-type]
            return shape + self._text_of_layers()
        return self._text_of_layers() if self.inputs is None else "-".join(map(str, self.sizes))

    def _text_of_layers(self) -> str:
        *hidden, last = self.layers
        assert isinstance(last, Dense)
        if not self.is_convolutional:
            return "-".join(str(layer.n) for layer in self.layers if isinstance(layer, Dense))
        return "-".join([*map(str, hidden), str(last.n)])

    def _windows(self, shape: Shape) -> tuple[Window | None, ...]:
        windows: list[Window | None] = []
        for number, layer in enumerate(self.layers):
            if isinstance(layer, Dense):
                windows.append(None)
                continue
            window = _window_of(layer, shape)
            if window.pooled_height < 1 or window.pooled_width < 1:
                fits = replace(self, inputs=None, layers=_fitting(self.layers, number, shape))
                raise UserError(
                    f"net '{self._whole()}' does not fit: in layer {number + 1} {_misfit(window)}; "
                    f"try --net {self._whole(fits)}"
                )
            windows.append(window)
            shape = (window.pooled_height, window.pooled_width, window.maps)
        return tuple(windows)

    def _whole(self, other: Topology | None = None) -> str:
        """Return the text with the shape of the inputs of this network."""
        shape = self.inputs if isinstance(self.inputs, tuple) else ()
        return "x".join(map(str, shape)) + "-" + (other or self)._text_of_layers()


def parse_topology(text: str) -> Topology:
    """Return the network of a text.

    Raises
    ------
    UserError
        "net '...' cannot be read", "net '...' has ...", "net '...' leaves ... open", "net ... does not fit ..."
    """
    if "_" in text:
        return _official(text)
    wrong = UserError(f"net '{text}' cannot be read; write {FORMS}")
    first, *parts = text.strip().lower().split("-")
    shape = _SHAPE.fullmatch(first)
    inputs: Shape | int | None
    if shape:
        inputs = (int(shape[1]), int(shape[2]), int(shape[3]))
    elif first.isascii() and first.isdigit():
        inputs = int(first)
    elif _CONVOLUTION.fullmatch(first):
        inputs, parts = None, [first, *parts]
    elif parts and _AREA.fullmatch(first):
        raise UserError(
            f"net '{text}' leaves the channels of its inputs open; write height x width x channels, e.g. "
            f"{first}x1{''.join(f'-{part}' for part in parts)}"
        )
    else:
        raise wrong
    layers: list[Layer] = []
    for part in parts:
        convolution, pooling, dense = (form.fullmatch(part) for form in (_CONVOLUTION, _POOLING, _DENSE))
        last = layers[-1] if layers else None
        if dense:
            layers.append(Dense(int(dense[1])))
        elif convolution:
            if isinstance(last, Dense):
                raise UserError(f"net '{text}' has {part} behind a dense layer; convolutions come first")
            layers.append(_convolution(convolution, text))
        elif pooling:
            if not isinstance(last, Convolution):
                raise UserError(
                    f"net '{text}' has {part} without a convolution in front of it; write conv16x5x5-{part}"
                )
            if last.pool != 1:
                raise UserError(
                    f"net '{text}' has {part} behind another pooling, and a convolution has one; write a larger one, "
                    f"e.g. {pooling[1] or ''}pool{last.pool * int(pooling[2] or 1)}"
                )
            if int(pooling[2]) < 1:
                raise UserError(f"net '{text}' has {part}; a pooling has a side of 1 or more, e.g. pool2")
            layers[-1] = replace(last, pool=int(pooling[2]), pooling=pooling[1] or "max")
        else:
            raise wrong
    return _checked(text, inputs, layers, wrong)


def _convolution(found: re.Match[str], text: str) -> Convolution:
    maps, height = int(found[1]), int(found[2])
    width = height if found[3] is None else int(found[3])
    if width != height and found[5] is None:
        raise UserError(
            f"net '{text}' leaves the padding of a kernel of {height} x {width} open; give it, e.g. {found[0]}p0"
        )
    for what, number in (
        ("a number of maps of", maps),
        ("a kernel of side", min(height, width)),
        ("a stride of", int(found[4] or 1)),
    ):
        if number < 1:
            raise UserError(f"net '{text}' has {what} {number} in {found[0]}; give 1 or more")
    padding = None if found[5] is None else int(found[5])
    return Convolution(maps, height, width, int(found[4] or 1), padding)


def _official(text: str) -> Topology:
    """Return the network of a text like CONV_32_5_1_2_FC_1000_FC_10: maps, kernel, stride, padding, and pooling.

    Notes
    -----
    The code of Frenkel et al. 2021 has a max-pooling of 2 behind each convolution; a fifth number is another one.
    """
    wrong = UserError(
        f"net '{text}' cannot be read; write CONV_<maps>_<kernel>_<stride>_<padding>, with the pooling as an optional "
        "fifth number, and FC_<neurons>, e.g. CONV_32_5_1_2_FC_1000_FC_10"
    )
    layers: list[Layer] = []
    words = re.split(r"_(?=[A-Z])", text.strip().upper())
    for name, *numbers in (word.split("_") for word in words):
        if not numbers or not all(number.isascii() and number.isdigit() for number in numbers):
            raise wrong
        values = [int(number) for number in numbers]
        if name == "FC" and len(values) == 1:
            layers.append(Dense(values[0]))
        elif name == "CONV" and layers and isinstance(layers[-1], Dense):
            raise UserError(
                f"net '{text}' has {name}_{'_'.join(numbers)} behind a dense layer; convolutions come first"
            )
        elif name == "CONV" and len(values) in (4, 5):
            maps, kernel, stride, padding, pool = (*values, _OFFICIAL_POOL)[:5]
            layers.append(Convolution(maps, kernel, kernel, stride, padding, pool))
        else:
            raise wrong
    return _checked(text, None, layers, wrong)


def _checked(text: str, inputs: Shape | int | None, layers: Sequence[Layer], wrong: UserError) -> Topology:
    """Return the network of what was read, refusing what no network can be."""
    numbers = list(inputs) if isinstance(inputs, tuple) else [1 if inputs is None else inputs]
    for layer in layers:
        numbers += [n for name, n in vars(layer).items() if isinstance(n, int) and name != "padding"]
    if layers and not isinstance(layers[-1], Dense):
        raise UserError(
            f"net '{text}' has no output layer; write its number of classes at the end, e.g. "
            f"{text}{'_FC_' if '_' in text else '-'}10"
        )
    if not layers or min(numbers) < 1 or max(numbers) > MOST:
        raise wrong
    for layer in layers:
        if isinstance(layer, Convolution) and layer.pooling == "mean" and layer.pool & (layer.pool - 1):
            fits = 1 << layer.pool.bit_length() - 1
            raise UserError(
                f"net '{text}' has a mean pooling of {layer.pool}, but means are taken of 4, 16, 64, ... sums; "
                f"write meanpool{fits}"
            )
    if isinstance(inputs, int) and isinstance(layers[0], Convolution):
        raise UserError(
            f"net '{text}' needs the shape of its inputs in place of {inputs}; write height x width x channels, e.g. "
            f"28x28x1{text[len(str(inputs)) :]}"
        )
    return Topology(inputs, tuple(layers))


def parse_shape(text: str) -> Shape:
    """Return (height, width, channels) of a text like 28x28x1.

    Raises
    ------
    UserError
        "input shape '...' cannot be read"
    """
    found = _SHAPE.fullmatch(text.strip().lower())
    shape = tuple(map(int, found.groups())) if found else (0, 0, 0)
    if min(shape) < 1 or max(shape) > MOST:
        raise UserError(f"input shape '{text}' cannot be read; write height x width x channels, e.g. 28x28x1")
    return shape[0], shape[1], shape[2]


def _window_of(layer: Convolution, shape: Shape) -> Window:
    return Window(
        *shape, layer.maps, layer.kernel_height, layer.kernel_width, layer.stride, layer.used_padding, layer.pool,
        layer.pooling,
    )  # fmt: skip


def _misfit(window: Window) -> str:
    if min(window.full_height, window.full_width) < 1:
        return (
            f"the kernel of {window.kernel_height} x {window.kernel_width} is larger than the padded map of "
            f"{window.height + 2 * window.padding} x {window.width + 2 * window.padding}"
        )
    map_ = f"{window.full_height} x {window.full_width}"
    return f"the pooling of {window.pool} is larger than the map of {map_} in front of it"


def _fitting(layers: Sequence[Layer], number: int, shape: Shape) -> tuple[Layer, ...]:
    """Return layers of which each fits the map in front of it, changed from the given one on as little as needed."""
    fitting = list(layers)
    for k in range(number, len(layers)):
        layer = fitting[k]
        if not isinstance(layer, Convolution):
            break
        height, width = shape[0] + 2 * layer.used_padding, shape[1] + 2 * layer.used_padding
        smaller = replace(
            layer,
            kernel_height=min(layer.kernel_height, height),
            kernel_width=min(layer.kernel_width, width),
            padding=layer.used_padding,
        )
        window = _window_of(smaller, shape)
        most = min(window.full_height, window.full_width, layer.pool)
        pool = 1 << most.bit_length() - 1 if layer.pooling == "mean" else most
        smaller = replace(smaller, pool=pool)
        window = _window_of(smaller, shape)
        fitting[k], shape = smaller, (window.pooled_height, window.pooled_width, window.maps)
    return tuple(fitting)
