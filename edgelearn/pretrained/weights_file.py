"""Reader of weights without a graph: safetensors and torch state dicts, whose dense layers `net` names."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from edgelearn.errors import UserError
from edgelearn.pretrained import operators as ops
from edgelearn.pretrained.imported import Model, Tensor
from edgelearn.pretrained.operators import Operator
from edgelearn.pretrained.read import library, reading

FORMATS = {".safetensors": "safetensors", ".pt": "torch state dict", ".pth": "torch state dict"}
FEATURES = "features"
_NESTED = ("state_dict", "model_state_dict", "model", "net", "weights")
Arrays = Mapping[str, np.ndarray]


def read(path: Path, sha256: str, net: Sequence[int] | None = None) -> Model:
    """Read a file of named arrays; see `read_model`."""
    form = FORMATS[path.suffix.lower()]
    arrays = _safetensors(path, form) if form == "safetensors" else _state_dict(path, form)
    with reading(path, form):
        return _model(path, sha256, form, arrays, net)


def _safetensors(path: Path, form: str) -> Arrays:
    """Return the arrays in the natural order of their names: the file sorts them by type and name."""
    library("safetensors", "safetensors")
    numpy = library("safetensors.numpy", "safetensors")
    with reading(path, form):
        found = numpy.load_file(str(path))
        return {name: np.asarray(found[name]) for name in sorted(found, key=_natural)}


def _state_dict(path: Path, form: str) -> Arrays:
    """Return the arrays in the order of the file, which is that of the modules."""
    torch = library("torch", "torch")
    with reading(path, form):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a TorchScript archive, which is refused
                found = torch.load(str(path), map_location="cpu", weights_only=True)
        except Exception as error:
            if "weights_only" in str(error) or "Unsupported" in str(error) or "TorchScript" in str(error):
                raise UserError(
                    f"{path} holds more than weights; save them with torch.save(model.state_dict(), ...), "
                    "or export the model with torch.onnx.export"
                ) from None
            raise
        for key in _NESTED:
            if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
                found = found[key]
        if not isinstance(found, Mapping):
            raise ValueError(f"it holds a {type(found).__name__}, no state dict")
        arrays = {name: one for name, one in found.items() if isinstance(one, torch.Tensor) and not one.is_quantized}
        return {
            str(name): one.detach().to(torch.float64 if one.is_floating_point() else one.dtype).numpy()
            for name, one in arrays.items()
        }


def _natural(name: str) -> list[tuple[int, int, str]]:
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.split(r"(\d+)", name)]


def _model(path: Path, sha256: str, form: str, arrays: Arrays, net: Sequence[int] | None) -> Model:
    matrices = {name: one for name, one in arrays.items() if one.ndim == 2 and one.dtype.kind == "f"}
    if not matrices:
        raise UserError(f"{path} holds no matrix of weights; give the weights of a model with dense layers")
    if net is None:
        fitting = "-".join(map(str, _last_chain(list(matrices.values()))))
        raise UserError(
            f"{path} holds weights without a graph; name the dense layers at its end, for example --net {fitting} "
            f"({_listed(matrices)}), or export the model to .onnx"
        )
    chosen = _fitting(path, matrices, net)
    biases = {name: _bias_of(name, arrays) for name in chosen}
    _refuse_normalisation(path, form, arrays, chosen, {one for one in biases.values() if one})
    used = {*chosen, *(one for one in biases.values() if one)}
    front = sum(int(one.size) for name, one in arrays.items() if name not in used and one.dtype.kind == "f")
    notes = ["activations are not in the file: --activation is taken for the hidden layers"] * (len(chosen) > 1)
    names = [FEATURES, *(name.removesuffix(".weight") for name in chosen)]
    tensors = [Tensor(name, (None, int(size)), "float32") for name, size in zip(names, net, strict=True)]
    operators = []
    if front:
        reason = "weights without a graph do not say how they are connected"
        operators.append(Operator("in front", "weights", ("input",), (FEATURES,), ops.Other(reason), None, front))
        tensors.insert(0, Tensor("input", None, "float32"))
        notes.append(f"in front of the {len(chosen)} dense layers: {front:,} weights whose MACs are not known")
    for name, (before, after) in zip(chosen, pairwise(names), strict=True):
        weights, bias = matrices[name].astype(np.float64), biases[name]
        if bias is None:
            notes.append(f"{name} has no biases: zeros are taken")
        shift = np.zeros(len(weights)) if bias is None else arrays[bias].astype(np.float64)
        step = ops.Dense(weights, shift, activation="")
        words = weights.size + (0 if bias is None else shift.size)
        operators.append(Operator(after, "Linear", (before,), (after,), step, weights.size, words, len(weights)))
    inputs = ("input",) if front else (FEATURES,)
    return Model(str(path), sha256, form, tuple(tensors), tuple(operators), inputs, (names[-1],), notes=tuple(notes))


def _listed(matrices: Arrays) -> str:
    named = [f"{name} {one.shape[0]}x{one.shape[1]}" for name, one in matrices.items()]
    return ", ".join(named if len(named) <= 6 else [*named[:2], "...", *named[-3:]])


def _last_chain(matrices: list[np.ndarray]) -> list[int]:
    """Return the sizes of the longest chain of matrices at the end."""
    sizes = [matrices[-1].shape[1], matrices[-1].shape[0]]
    for one in matrices[-2::-1]:
        if one.shape[0] != sizes[0]:
            break
        sizes.insert(0, one.shape[1])
    return [int(size) for size in sizes]


def _fitting(path: Path, matrices: Arrays, net: Sequence[int]) -> list[str]:
    """Return the matrices of the layers of a net: the last ones in order that fit, or the only ones of their shapes."""
    wanted, names = [(after, before) for before, after in pairwise(net)], list(matrices)
    shapes = [matrices[name].shape for name in names]
    for start in range(len(names) - len(wanted), -1, -1):
        if shapes[start : start + len(wanted)] == wanted:
            return names[start : start + len(wanted)]
    single = [[name for name in names if matrices[name].shape == shape] for shape in wanted]
    if all(len(found) == 1 for found in single) and len({found[0] for found in single}) == len(wanted):
        return [found[0] for found in single]
    transposed = [shape for shape in wanted if shape not in shapes and shape[::-1] in shapes]
    hint = "; its matrices are [n_in, n_out]: transpose them, or export to .onnx" if transposed else ""
    needed = ", ".join(f"{after}x{before}" for after, before in wanted)
    raise UserError(
        f"net '{'-'.join(map(str, net))}' does not fit {path}: it needs {needed}, and the file has "
        f"{_listed(matrices)}{hint or '; give --net with sizes of the dense layers at its end'}"
    )


def _bias_of(name: str, arrays: Arrays) -> str | None:
    """Return the name of the biases of a matrix."""
    for key in ("bias", "b"):
        other = re.sub(r"(weight|kernel|w)$", key, name)
        if other != name and other in arrays and arrays[other].shape == (arrays[name].shape[0],):
            return other
    return None


def _refuse_normalisation(path: Path, form: str, arrays: Arrays, chosen: list[str], biases: set[str]) -> None:
    """Refuse arrays that act between the layers: the file does not say how.

    The order of a state dict says what is between. safetensors has none: there, any vector of a layer's size counts.
    """
    names = list(arrays)
    sizes = {arrays[name].shape[0] for name in chosen}
    between = names[names.index(chosen[0]) :] if form != "safetensors" else names
    for name in between:
        one = arrays[name]
        if name not in chosen and name not in biases and one.ndim == 1 and one.size in sizes and one.dtype.kind == "f":
            raise UserError(
                f"{path}: '{name}' of {one.size} values acts between or behind the layers of --net, and "
                "weights without a graph do not say how; export the model to .onnx"
            )
