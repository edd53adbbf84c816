"""Reader of Keras 3 archives (.keras) and of HDF5 models (.h5), with h5py alone."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.errors import UserError
from edgelearn.files import physical_memory
from edgelearn.pretrained import hdf5_arrays
from edgelearn.pretrained.imported import Model, Tensor
from edgelearn.pretrained.keras_layers import KerasLayer, Shape, translate
from edgelearn.pretrained.operators import Operator
from edgelearn.pretrained.read import library, reading

FORMAT = "Keras"
MOST_SECONDS = 300  # for reading an HDF5 file
_MODELS = ("Sequential", "Functional", "Model")
Weights = Callable[[KerasLayer], list[np.ndarray]]


def read(path: Path, sha256: str, net: Sequence[int] | None = None) -> Model:
    """Read a .keras or .h5 file; see `read_model`."""
    library("h5py", "keras")
    with reading(path, FORMAT), _opened(path) as (config, weights):
        walk = _Walk(path, weights)
        outputs = walk.model(config, None, ())
        if not walk.operators:
            raise UserError(f"{path} cannot be read as {FORMAT}: it holds no layers; save it again")
        return Model(
            str(path), sha256, f"{FORMAT} {path.suffix.lower()}", tuple(walk.tensors.values()), tuple(walk.operators),
            tuple(walk.inputs), tuple(outputs),
        )  # fmt: skip


@contextmanager
def _opened(path: Path) -> Iterator[tuple[dict[str, Any], Weights]]:
    """Give the configuration of a model and a function that returns the arrays of a layer."""
    h5py = library("h5py", "keras")
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(b"PK"):
        with zipfile.ZipFile(path) as archive:
            if "config.json" not in archive.namelist():
                raise ValueError("the archive has no config.json")
            config = json.loads(_member(archive, "config.json"))
            content = _member(archive, "model.weights.h5")
        with h5py.File(io.BytesIO(content), "r") as file:
            yield config, _ArchiveWeights(file)
    elif start == b"\x89HDF\r\n\x1a\n":
        yield _legacy(path)
    else:
        raise ValueError("it begins like no .keras archive and no HDF5 file")


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > physical_memory():
        raise MemoryError
    return archive.read(name)


class _ArchiveWeights:
    """Arrays of model.weights.h5: groups are named after the layer's class, and hold the layer's name."""

    def __init__(self, file: Any) -> None:
        self._groups: dict[tuple[str, ...], Any] = {}
        file.visititems(self._visit)
        self._by_name: dict[str, tuple[str, ...]] = {}
        for place, group in self._groups.items():
            self._by_name.setdefault(str(group.attrs.get("name", "")), place)

    def _visit(self, name: str, item: Any) -> None:
        parts = name.split("/")
        if parts[-1] == "vars" and len(parts) > 1:
            self._groups[tuple(part for part in parts[:-1] if part != "layers")] = item

    def __call__(self, layer: KerasLayer) -> list[np.ndarray]:
        place = layer.place
        if place not in self._groups or self._groups[place].attrs.get("name", layer.name) != layer.name:
            place = self._by_name.get(layer.name, place)
        inside = [group for at, group in self._groups.items() if at[: len(place)] == place]  # also cells of a layer
        return [np.asarray(group[key]) for group in inside for key in sorted(group, key=int)]


def _legacy(path: Path) -> tuple[dict[str, Any], Weights]:
    """Return configuration and weights of an HDF5 model; another process reads it, see `hdf5_arrays`."""
    command = [sys.executable, hdf5_arrays.__file__, str(path)]
    done = subprocess.run(command, capture_output=True, timeout=MOST_SECONDS)
    if done.returncode == hdf5_arrays.NO_MODEL:
        raise UserError(f"{path} holds weights without their model; save it whole: model.save('model.keras')")
    if done.returncode < 0:
        raise ValueError("its HDF5 structure is broken")
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ValueError(lines[-1] if lines else "HDF5 does not read it")
    with np.load(io.BytesIO(done.stdout), allow_pickle=False) as archive:
        config, names = json.loads(str(archive["config"])), json.loads(str(archive["names"]))
        numbers = iter(range(len(archive.files)))
        arrays = {layer: {name: archive[str(next(numbers))] for name in listed} for layer, listed in names.items()}

    def weights(layer: KerasLayer) -> list[np.ndarray]:
        found = arrays.get(layer.outer or layer.name, {})
        if layer.outer is not None:  # of a model inside a model, all arrays are in one group
            return [array for name, array in found.items() if f"/{layer.name}/" in f"/{name}"]
        return list(found.values())

    return config, weights


class _Walk:
    """Layers of a model and of the models in it, as operators."""

    def __init__(self, path: Path, weights: Weights) -> None:
        self.path, self.weights = path, weights
        self.operators: list[Operator] = []
        self.tensors: dict[str, Tensor] = {}
        self.inputs: list[str] = []

    def model(
        self, config: dict[str, Any], given: list[str] | None, place: tuple[str, ...], outer: str | None = None
    ) -> list[str]:
        """Add the layers of a model that reads given tensors; return its outputs.

        Parameters
        ----------
        place : groups of the archive that lead to it
        outer : layer of the outermost model that it is
        """
        if config["class_name"] not in _MODELS:
            raise UserError(
                f"{self.path} is neither sequential nor functional but a {config['class_name']}; export it to .onnx"
            )
        content = config["config"]
        layers = content if isinstance(content, list) else content["layers"]
        used: Counter[str] = Counter()
        if config["class_name"] == "Sequential":
            return self._chain(layers, given, place, outer, used, content)
        return self._graph(layers, content, given, place, outer, used)

    def _chain(
        self, layers: list[Any], given: list[str] | None, place: tuple[str, ...], outer: str | None,
        used: Counter[str], content: Any,
    ) -> list[str]:  # fmt: skip
        here = given
        for described in layers:
            layer = self._layer(described, place, outer, used)
            if layer.kind == "InputLayer":
                if here is None:
                    here = [self._input(layer.name, layer.input_shape())]
                continue
            if here is None:
                shape = layer.input_shape() or _built(content, layer)
                here = [self._input(f"{layer.name}_input", shape)]
            here = self._add(described, layer, here, place, outer)
        return here or []

    def _graph(
        self, layers: list[Any], content: dict[str, Any], given: list[str] | None, place: tuple[str, ...],
        outer: str | None, used: Counter[str],
    ) -> list[str]:  # fmt: skip
        made: dict[tuple[str, int], list[str]] = {}
        feeds = dict(zip((one[0] for one in _keys(content["input_layers"])), given or (), strict=False))
        open_: list[tuple[dict[str, Any], KerasLayer, int, list[tuple[str, int, int]]]] = []
        for described in layers:
            layer = self._layer(described, place, outer, used)
            if layer.kind == "InputLayer":
                fed = feeds.get(layer.name)
                made[layer.name, 0] = [fed if fed is not None else self._input(layer.name, layer.input_shape())]
                continue
            for k, node in enumerate(described.get("inbound_nodes", ())):
                open_.append((described, layer, k, list(_histories(node))))
        while open_:
            ready = [entry for entry in open_ if all((name, node) in made for name, node, _ in entry[3])]
            if not ready:
                raise ValueError(f"layer {open_[0][1].name} reads tensors that nothing computes")
            for described, layer, k, keys in ready:
                inputs = [made[name, node][min(index, len(made[name, node]) - 1)] for name, node, index in keys]
                made[layer.name, k] = self._add(described, layer, inputs, place, outer, k)
            open_ = [entry for entry in open_ if entry not in ready]
        return [made[name, node][index] for name, node, index in _keys(content["output_layers"])]

    def _layer(
        self, described: dict[str, Any], place: tuple[str, ...], outer: str | None, used: Counter[str]
    ) -> KerasLayer:
        kind, config = described["class_name"], described["config"]
        name = str(described.get("name") or config.get("name") or kind)
        group = _snake_case(kind)
        inner = (*place, f"{group}_{used[group]}" if used[group] else group)
        used[group] += 1
        return KerasLayer(name, kind, config, inner, outer)

    def _input(self, name: str, shape: Shape) -> str:
        self.tensors[name] = Tensor(name, shape, "float32")
        self.inputs.append(name)
        return name

    def _add(
        self, described: dict[str, Any], layer: KerasLayer, inputs: list[str], place: tuple[str, ...],
        outer: str | None, call: int = 0,
    ) -> list[str]:  # fmt: skip
        """Add one call of a layer; return its outputs."""
        if layer.kind in _MODELS:
            return self.model(described, inputs, layer.place, outer or layer.name)
        name = layer.name if call == 0 else f"{layer.name}:{call}"
        while name in self.tensors:  # of models inside models, whose layers may share names
            name += "'"
        shapes = [self.tensors[one].shape for one in inputs]
        shape, operator = translate(layer, self.weights(layer), shapes, tuple(inputs), name)
        self.operators.append(operator)
        self.tensors[name] = Tensor(name, shape, "float32")
        return [name]


def _snake_case(name: str) -> str:
    """Return the name of the group of a class, as Keras makes it."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _built(content: Any, layer: KerasLayer) -> Shape:
    """Return the input shape that a sequential model was built with."""
    built = content.get("build_input_shape") if isinstance(content, dict) else None
    return tuple(built) if isinstance(built, list) else None


def _keys(entries: Any) -> list[tuple[str, int, int]]:
    """Return (layer, call, output) of each tensor; a single one stands without a list around it."""
    if entries and isinstance(entries[0], str):
        entries = [entries]
    return [(str(one[0]), int(one[1]), int(one[2])) for one in entries]


def _histories(node: Any) -> Iterator[tuple[str, int, int]]:
    """Give the tensors that a call reads: of Keras 3 by keras_history, before it as lists of name, call, output."""
    if isinstance(node, dict):
        if node.get("class_name") == "__keras_tensor__":
            yield _keys([node["config"]["keras_history"]])[0]
        else:
            for value in node.values():
                yield from _histories(value)
    elif isinstance(node, list):
        if len(node) >= 3 and isinstance(node[0], str) and all(isinstance(one, int) for one in node[1:3]):
            yield _keys([node])[0]
        else:
            for value in node:
                yield from _histories(value)
