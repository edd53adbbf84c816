"""Topologies of runs: what --net says, completed by --input-shape and by the data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from edgelearn.config import DataSettings, RateSettings
from edgelearn.errors import UserError
from edgelearn.network.layer import ConvLayer, Layer
from edgelearn.network.spec import NetworkSpec
from edgelearn.network.teaching import learned_of, rules_of
from edgelearn.network.topology import Convolution, Shape, Topology, parse_shape, parse_topology

_DRY_SIDES = 64  # of a map in place of one that only the data say


def shape_of_data(data: str) -> Shape | None:
    """Return (height, width, channels) of a named data set of images, or of samples in an array; None if unknown."""
    return next(iter(_shapes_of(data)), None)


def _shapes_of(data: str) -> tuple[Shape, ...]:
    """Return the shapes that samples can be taken for, the likeliest first: none of rows of features."""
    from edgelearn.data.datasets import image_shape_of

    shape = image_shape_of(data)
    if shape is None:
        return _shapes_of_file(Path(data))
    return ((*shape, 1) if len(shape) == 2 else (shape[1], shape[2], shape[0]),)


def _shapes_of_file(path: Path) -> tuple[Shape, ...]:
    """Return shapes that the samples of a .npz file can be taken for: images with or without channels, or windows."""
    if path.suffix.lower() != ".npz" or not path.is_file():
        return ()
    from edgelearn.data.arrays import NpzArrays

    try:
        arrays = NpzArrays(path)
        names = {name.lower(): name for name in arrays}
        key = next((names[name] for name in ("x_train", "x") if name in names), None)
        sizes = () if key is None else tuple(map(int, arrays.header(key)[0][1:]))
    except UserError:  # the reader of the samples says what is wrong
        return ()
    if len(sizes) == 3:
        return (sizes,)
    return ((*sizes, 1), (sizes[0], 1, sizes[1])) if len(sizes) == 2 else ()


def check_samples(data: str, needed: Shape, model: str) -> None:
    """Refuse samples whose shape is known and contradicts the (height, width, channels) that a model takes.

    Raises
    ------
    UserError
        "samples of ... are ..."
    """
    known = _shapes_of(data)
    if known and needed[0] * needed[1] > 1 and sorted(needed) not in map(sorted, known):
        raise UserError(
            f"samples of {data} are {_text(known[0])}, and {model} takes {_text(needed)}; give that shape, or "
            "rows of as many values"
        )


def check_no_shape(config: RateSettings) -> None:
    """Refuse an input shape without a net that has convolutions."""
    if config.input_shape is not None:
        raise UserError("--input-shape is of convolutions; give --net with some too, or leave it out")


def order_of(config: DataSettings) -> np.ndarray | None:
    """Return the feature of each input of a map with channels last; None where features are in the order of inputs."""
    from edgelearn.data.datasets import image_shape_of

    net = getattr(config, "net", None)
    if net is None or not parse_topology(net).is_convolutional:
        return None
    shape = image_shape_of(config.data)
    if shape is None or len(shape) == 2 or shape[0] == 1:
        return None
    return np.moveaxis(np.arange(int(np.prod(shape))).reshape(shape), 0, -1).ravel()


def topology_of(config: RateSettings, data: str | None, windows: bool = False) -> Topology:
    """Return the topology of --net, with the shape of its inputs.

    Parameters
    ----------
    data : the data set by name, or a file; None for none
    windows : whether inputs are windows of rows, which have no shape in a file

    Raises
    ------
    UserError
        "net '...' cannot be read", "... does not fit ...", "... needs the shape of its inputs"
    """
    assert config.net is not None
    topology = parse_topology(config.net)
    if not topology.is_convolutional:
        if config.input_shape is not None:
            raise UserError("--input-shape has no effect in a network without convolutions; leave it out")
        return topology
    given = None if config.input_shape is None else parse_shape(config.input_shape)
    own = topology.inputs if isinstance(topology.inputs, tuple) else None
    shapes = () if data is None or (windows and Path(data).is_file()) else _shapes_of(data)
    known = next((shape for shape in shapes if shape in (own, given)), next(iter(shapes), None))
    if given is not None and known is not None and given != known:
        raise UserError(
            f"--input-shape is {_text(given)}, and {data} is {_text(known)}; leave --input-shape out"
            + _try_net(topology, known)
            + _order(given, known)
        )
    if given is not None and own is not None and given != own:
        other = _try_net(topology, given).removeprefix(" and ")
        advice = "leave --input-shape out, or " if known is None else ""
        raise UserError(f"net '{topology}' takes {_text(own)}, and --input-shape is {_text(given)}; {advice}{other}")
    if known is not None and own is not None and known != own:
        other = _try_net(topology, known).removeprefix(" and ")
        raise UserError(
            f"net '{topology}' takes {_text(own)}, and {data} is {_text(known)}; {other}{_order(own, known)}"
        )
    topology = topology.with_inputs(given or known)
    _ = topology.windows  # refused where no shape is known
    return topology


def _order(asked: Shape, known: Shape) -> str:
    """Return advice for samples that have the sizes that were asked for in another order."""
    if sorted(asked) != sorted(known):
        return ""
    return "; channels are last: where those of yours are first, save x.transpose(0, 2, 3, 1)"


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape))


def _try_net(topology: Topology, shape: Shape) -> str:
    """Return advice for layers in front of which inputs of another shape stand; none where the net fits it as it is."""
    fits = topology.fitting(shape)
    return "" if str(topology.with_inputs(shape)) == str(fits) else f" and try --net {fits}"


def idle_of_maps(config: RateSettings, layers: Sequence[Layer]) -> list[str]:
    """Return why settings of kernels have no effect in a network with random weights, one text per setting."""
    maps = [layer for layer in layers if layer.is_convolution]
    return _idle(config) if maps and not any(layer.learns for layer in maps) else []


def _idle(config: RateSettings) -> list[str]:
    """Return why settings have no effect where no kernel learns."""
    idle = []
    if config.kernel_bias and config.start is None:
        idle.append("--kernel-bias has no effect where no kernel learns, as biases then stay zero")
    if config.kernel_rate is not None and config.start is None:
        idle.append(f"--kernel-rate {config.kernel_rate} has no effect where no kernel learns")
    return idle


def notes_on_maps(config: RateSettings, spec: NetworkSpec) -> list[str]:
    """Return notes on settings and windows of convolutions of which little or nothing has an effect."""
    maps = [layer for layer in spec.layers if isinstance(layer, ConvLayer)]
    notes = idle_of_maps(config, spec.layers)
    if maps and config.hidden_rate is not None and len(maps) == len(spec.layers) - 1:
        flag = f"--hidden-rate {config.hidden_rate} has no effect: "
        if not any(layer.learns for layer in maps):
            notes.append(f"{flag}no hidden layer learns")
        elif config.kernel_rate is not None:
            notes.append(f"{flag}every hidden layer is a convolution, which has --kernel-rate {config.kernel_rate}")
    for number, layer in enumerate(maps, 1):
        window = layer.window
        padded = (window.height + 2 * window.padding, window.width + 2 * window.padding)
        if window.stride > max(window.height, window.width) and window.full_height * window.full_width == 1:
            notes.append(
                f"the stride of {window.stride} in layer {number} is larger than its map of {window.height} x "
                f"{window.width}: kernels are applied at one place alone"
            )
        if window.padding >= min(window.kernel_height, window.kernel_width):
            notes.append(
                f"the padding of {window.padding} in layer {number} is as large as its kernel of "
                f"{window.kernel_height} x {window.kernel_width}: places at the edge of the padded map of "
                f"{padded[0]} x {padded[1]} see zeros alone"
            )
    return notes


def check_kernels(config: RateSettings, typed: Iterable[str]) -> None:
    """Refuse settings of kernels on a command line that other settings contradict, or that nothing reads.

    Parameters
    ----------
    typed : settings of the command line

    Raises
    ------
    UserError
        "--kernels learn ...", "... has no effect ..."
    """
    typed = {"kernels", "kernel_rate", "kernel_bias"}.intersection(typed)
    if not typed or (config.net is None and config.start is not None):
        return
    layers = () if config.net is None else parse_topology(config.net).layers
    asked = "kernels" in typed and config.kernels == "learn"
    if not any(isinstance(layer, Convolution) for layer in layers):
        if asked:
            raise UserError("--kernels learn has no effect in a network without convolutions; leave it out")
        return  # which `design` refuses
    masks, rows = learned_of(config.learn, len(layers)), rules_of(config.rule, len(layers) - 1)
    learn = False
    for number, (layer, mask, row) in enumerate(zip(layers, masks, rows, strict=False), 1):
        if not isinstance(layer, Convolution):
            continue
        is_frozen = mask == "none" or not row.learns_hidden
        if is_frozen and asked:
            flag = f"--learn {config.learn}" if mask == "none" else f"--rule {config.rule}"
            raise UserError(
                f"--kernels learn does not go with {flag}, under which layer {number}, a convolution, is frozen; leave "
                "out one of the two"
            )
        learn |= not is_frozen and config.kernels == "learn"
    idle = [] if learn else _idle(config)
    for text in idle:
        if text.split()[0].removeprefix("--").replace("-", "_") in typed:
            raise UserError(f"{text}; leave it out")


def dry_topology(config: RateSettings) -> Topology:
    """Return the topology of --net for a look at its settings alone: some shape where only the data say one."""
    assert config.net is not None
    topology = parse_topology(config.net)
    if not topology.is_convolutional:
        return topology
    given = None if config.input_shape is None else parse_shape(config.input_shape)
    return topology.with_inputs(given or (_DRY_SIDES, _DRY_SIDES, 1))


def example_of(topology: Topology, n_inputs: int, n_classes: int, shape: Shape | None) -> str:
    """Return the nearest net for data of some features and classes."""
    if not topology.is_convolutional:
        return "-".join(map(str, (n_inputs, *topology.sizes[1:-1], n_classes)))
    if shape is None:
        side = int(np.sqrt(n_inputs))
        shape = (side, side, 1) if side * side == n_inputs else (1, n_inputs, 1)
    return str(Topology(None, topology.with_outputs(n_classes).layers).fitting(shape))
