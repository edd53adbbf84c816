"""Topologies of runs: what --net says, completed by --input-shape and by the data."""

from __future__ import annotations

import numpy as np

from edgelearn.config import DataSettings, RateSettings
from edgelearn.errors import UserError
from edgelearn.network.topology import Shape, Topology, parse_shape, parse_topology

_DRY_SIDES = 64  # of a map in place of one that only the data say


def shape_of_data(data: str) -> Shape | None:
    """Return (height, width, channels) of a named data set of images, None of anything else."""
    from edgelearn.data.datasets import image_shape_of

    shape = image_shape_of(data)
    if shape is None:
        return None
    return (*shape, 1) if len(shape) == 2 else (shape[1], shape[2], shape[0])


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


def topology_of(config: RateSettings, data: str) -> Topology:
    """Return the topology of --net, with the shape of its inputs.

    Parameters
    ----------
    data : the data set by name, or a file, whose shape is not known

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
    known = shape_of_data(data)
    topology = topology.with_inputs(given or known)
    for shape, what in ((given, "--input-shape"), (known, data)):
        if shape is not None and topology.inputs not in (None, shape):
            texts = ["x".join(map(str, one)) for one in (topology.inputs, shape)]  # type: ignore[arg-type]
            fits = Topology(None, topology.layers)
            raise UserError(
                f"net '{topology}' takes {texts[0]}, and {what} is {texts[1]}; try --net "
                f"{fits.fitting(shape) if what == data else topology}"
            )
    _ = topology.windows  # refused where no shape is known
    return topology


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
