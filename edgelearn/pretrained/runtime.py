"""A tensor of a model on given rows, computed by ONNX Runtime or LiteRT."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from edgelearn.errors import UserError
from edgelearn.pretrained.imported import Model, Tensor
from edgelearn.pretrained.read import library, reading

BATCH = 256
Progress = Callable[[int], object]


def features_of(
    model: Model, tensor: str, rows: np.ndarray, on_progress: Progress | None = None
) -> tuple[np.ndarray, Tensor]:
    """Return a tensor of a model for each row.

    Parameters
    ----------
    tensor : name
    rows : [n, ...], as many values per row as the model's input; real numbers are quantised where the input is integer,
        whole numbers of the input's own type go in as they are
    on_progress : called with the number of rows that are done

    Returns
    -------
    values : [n, n_features], of the tensor's own type
    tensor : with its scale and zero point

    Raises
    ------
    UserError
        "... cannot be computed ...", "... is not installed ...", "... takes ... values per row ..."
    """
    wanted = model.tensor(tensor)
    suffix = Path(model.source).suffix.lower()
    if suffix not in (".onnx", ".tflite"):
        raise UserError(
            f"tensors of {model.source} cannot be computed: only .onnx and .tflite have a runtime here; compute them "
            "where you trained, and save them as x beside y with numpy.savez"
        )
    if len(model.inputs) != 1:
        raise UserError(
            f"tensors of {model.source} cannot be computed: it has {len(model.inputs)} inputs "
            f"({', '.join(model.inputs)}), and data has one; compute them in your own runtime"
        )
    source = model.by_name[model.inputs[0]]
    size = source.n_features
    per_row = math.prod(rows.shape[1:])
    if size is not None and per_row != size:
        shape = "x".join("?" if one is None else str(one) for one in source.shape or ())
        raise UserError(
            f"{model.source} takes {size:,} values per row (input '{source.name}', {shape}), and the data has "
            f"{per_row:,}; give rows as the model was trained on them"
        )
    made = []
    with reading(Path(model.source), f"a model that computes '{wanted.name}'"):
        rows = _as_input(source, rows)
        if wanted.name == source.name:
            return rows.reshape(len(rows), -1), wanted
        session = _onnx(model, wanted) if suffix == ".onnx" else _litert(model, wanted)
        for values in session(rows):
            made.append(values)
            if on_progress is not None:
                on_progress(sum(map(len, made)))
    found = np.concatenate(made) if made else np.zeros((0, wanted.n_features or 0))
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        row = int(np.argwhere(~np.isfinite(found))[0][0])
        raise UserError(f"'{wanted.name}' of row {row + 1} is not finite; look at the values of that row")
    return found, wanted


def notes_on_input(model: Model, rows: np.ndarray) -> list[str]:
    """Return a note where real numbers are quantised for an integer input."""
    source = model.by_name[model.inputs[0]]
    if source.scale is None or rows.dtype == np.dtype(source.dtype) or not rows.size:
        return []
    limits = np.iinfo(source.dtype)
    whole = np.rint(np.asarray(rows, np.float64) / source.scale) + (source.zero_point or 0)
    share = float(np.mean((whole < limits.min) | (whole > limits.max)))
    beyond = f"; {100 * share:.2g} % lie beyond its range and are cut" if share else ""
    scale = f"scale {source.scale:.6g}, zero point {source.zero_point}"
    return [f"values are quantised for the input '{source.name}' ({source.dtype}, {scale}){beyond}"]


def _as_input(source: Tensor, rows: np.ndarray) -> np.ndarray:
    """Return rows in the type and shape of the model's input."""
    dtype = np.dtype(source.dtype if source.dtype != "other" else "float32")
    if source.scale is not None and rows.dtype != dtype:
        limits = np.iinfo(dtype)
        whole = np.rint(np.asarray(rows, np.float64) / source.scale) + (source.zero_point or 0)
        rows = np.clip(whole, limits.min, limits.max)
    shape = () if source.shape is None else source.shape[1:]
    known = tuple(size if size is not None else -1 for size in shape)
    flat = np.ascontiguousarray(rows, dtype).reshape(len(rows), -1)
    if (rows.ndim > 2 and rows.ndim == len(known) + 1) or known.count(-1) > 1:
        return flat.reshape(rows.shape)
    return flat.reshape(len(rows), *known)


def _onnx(model: Model, wanted: Tensor) -> Callable[[np.ndarray], Iterator[np.ndarray]]:
    onnx, runtime = library("onnx", "onnxruntime"), library("onnxruntime", "onnxruntime")
    path = Path(model.source)
    with reading(path, "a model of ONNX Runtime"):
        proto = onnx.load(str(path))
        if wanted.name not in [value.name for value in proto.graph.output]:
            kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(wanted.dtype))
            proto.graph.output.append(onnx.helper.make_tensor_value_info(wanted.name, kind, None))
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        session = runtime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0]
    batch = source.shape[0] if source.shape and isinstance(source.shape[0], int) else BATCH

    def run(rows: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(rows), batch):
            part = rows[start : start + batch]
            n = len(part)
            if n < batch and source.shape and isinstance(source.shape[0], int):
                part = np.concatenate([part, np.repeat(part[-1:], batch - n, axis=0)])
            values = session.run([wanted.name], {source.name: part})[0]
            yield np.asarray(values).reshape(len(part), -1)[:n]

    return run


def _litert(model: Model, wanted: Tensor) -> Callable[[np.ndarray], Iterator[np.ndarray]]:
    litert = library("ai_edge_litert.interpreter", "litert")
    with reading(Path(model.source), "a model of LiteRT"):
        interpreter = litert.Interpreter(
            model_path=model.source,
            experimental_preserve_all_tensors=True,
            num_threads=1,
            # the plain kernels, without a delegate that hides inner tensors
            experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
        interpreter.reset_all_variables()
    details = interpreter.get_input_details()[0]
    index = next(int(number) for number, name in model.aliases.items() if name == wanted.name)

    def run(rows: np.ndarray) -> Iterator[np.ndarray]:
        for row in rows:
            interpreter.set_tensor(details["index"], row.reshape(details["shape"]))
            interpreter.invoke()
            yield np.array(interpreter.get_tensor(index)).reshape(1, -1)

    return run
