"""`edgelearn model`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from edgelearn.cli.flags import Details, Flag, Json, command, group
from edgelearn.cli.shared import print_json, with_progress
from edgelearn.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from edgelearn.pretrained import Model, Tensor

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="Model: .onnx, .tflite, .keras, .h5, .safetensors, .pt; or a results folder."),
]
Net = Annotated[Optional[str], Flag("Dense layers at the end, for weights without a graph, e.g. 784-64-10")]


def _read(file: Path, net: str | None) -> Model:
    from edgelearn.network.spec import parse_net
    from edgelearn.pretrained import read_model
    from edgelearn.runs.checkpoint import CHECKPOINT, WEIGHTS
    from edgelearn.runs.stored_model import is_stored, model_of

    if is_stored(file):
        if net is not None:
            raise UserError(f"--net is for weights without a graph, and {file} holds a whole network; leave it out")
        if file.is_dir() and not any((file / name).exists() for name in (WEIGHTS, CHECKPOINT)):
            raise UserError(f"{file} is a folder without a finished run; give a model file, or a results folder")
        return model_of(file)
    return read_model(file, None if net is None else parse_net(net))


@command(example="edgelearn model show model.onnx")
def model_show(file: File, net: Net = None, details: Details = False, json: Json = False) -> None:
    """Describe a trained model: layers, tensors to cut at, scales, MACs, weights, and what cannot be read."""
    from edgelearn.conversion.refusals import conversion_of
    from edgelearn.pretrained.facts import facts_of
    from edgelearn.reports.console import make_console
    from edgelearn.reports.model import RESULTS, print_model
    from edgelearn.runs.cuts import refusal

    model = _read(file, net)
    content = facts_of(model, refusal)
    is_results = content["format"].startswith(RESULTS)
    content["convert"] = None if is_results else conversion_of(model, content["cut"])
    if json:
        print_json(content)
    else:
        print_model(content, make_console(), details, net)


@command(example="edgelearn model features m.tflite --cut T --data d.npz --out f.npz")
def model_features(
    file: File,
    cut: Annotated[Optional[str], Flag("Tensor to compute, see edgelearn model show")] = None,
    data: Annotated[Optional[str], Flag("Rows for the model: .npz with x and y, a table, a data set or stream")] = None,
    out: Annotated[Optional[Path], Flag("File to write, .npz")] = None,
    limit: Annotated[Optional[int], Flag("Rows at most [all]")] = None,
    factor: Annotated[Optional[float], Flag("Factor on all values of the data, e.g. 0.00392157 [1]")] = None,
) -> None:
    """Compute a tensor of a model for each row of data, with ONNX Runtime or LiteRT; labels and other columns stay."""
    import numpy as np

    from edgelearn.pretrained.features import write_features
    from edgelearn.pretrained.runtime import notes_on_input
    from edgelearn.reports.console import make_console, next_steps, say, written

    if cut is None or data is None or out is None:
        raise UserError("features need a tensor, data and a file; give --cut TENSOR --data FILE --out FILE.npz")
    if out.suffix.lower() != ".npz":
        raise UserError(f"--out {out} ends in '{out.suffix}'; features are written as .npz")
    if not out.absolute().parent.is_dir():
        raise UserError(f"cannot write {out}: there is no folder {out.parent}; give a folder that can be written")
    if limit is not None and limit < 1:
        raise UserError(f"--limit {limit} is out of range; give 1 row or more")
    model = _read(file, None)
    model.tensor(cut)
    parts, carried, notes = _rows(data, limit)
    if factor is not None:
        parts = {key: rows * factor for key, rows in parts.items()}
    (made, tensor), speed = with_progress(partial(_computed, model, cut, parts), "computing", "rows")
    notes += notes_on_input(model, np.concatenate([rows.reshape(-1) for rows in parts.values()]))
    write_features(out, model, tensor, made, carried)
    console = make_console()
    n_features = next(iter(made.values())).shape[1]
    scale = "" if tensor.scale is None else f", scale {tensor.scale:.6g}, zero point {tensor.zero_point}"
    rate = "" if speed is None else f", {speed:,.0f} rows/s"
    total = sum(map(len, made.values()))
    say(console, f"{total:,} rows of {n_features:,} features: '{tensor.name}', {tensor.dtype}{scale}{rate}")
    for note in (*notes, *model.notes):
        say(console, f"note: {note}")
    written(console, out)
    next_steps(console, _next_step(model, tensor, file, out), details=True)


def _next_step(model: Model, tensor: Tensor, file: Path, out: Path) -> str:
    """Return the command that learns features: with the layers behind their tensor where it can start from them."""
    from shlex import quote

    from edgelearn.runs.cuts import refusal

    learned = f"edgelearn run --data {quote(str(out))}"
    try:
        if refusal(model.cut(tensor.name)) is not None:
            return learned
    except UserError:
        return learned
    cut = quote(tensor.name) if "'" in tensor.name else f"'{tensor.name}'"
    return f"{learned} --start {quote(str(file))} --cut {cut} --learn last"


def _computed(
    model: Model, cut: str, parts: dict[str, np.ndarray], on_progress: Any
) -> tuple[dict[str, np.ndarray], Tensor]:
    """Return a tensor of a model for the rows of each part."""
    from edgelearn.pretrained.runtime import features_of

    made, done, total = {}, 0, sum(map(len, parts.values()))
    for key, rows in parts.items():
        made[key], tensor = features_of(model, cut, rows, partial(_report, on_progress, done, total))
        done += len(rows)
    return made, tensor


def _report(on_progress: Any, before: int, total: int, n: int) -> None:
    on_progress(_Done(before + n, total))


class _Done:
    """Progress of rows, as `with_progress` asks for it."""

    def __init__(self, done: int, total: int) -> None:
        self._done, self._total = done, total

    def progress(self) -> tuple[int, int, str]:
        return self._done, self._total, f"{self._done:,} of {self._total:,}"


def _rows(data: str, limit: int | None) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], list[str]]:
    """Return rows by part name, other arrays to copy to the output, and notes."""
    from edgelearn.data import datasets, raw_rows

    if data in datasets.names():
        return raw_rows.of_data_set(data, limit)
    if Path(data).suffix.lower() == ".npz":
        return raw_rows.of_arrays(Path(data), limit)
    return raw_rows.of_source(data, limit)


commands = group(
    "Look into trained models of other tools, and compute their features.",
    {"Commands": {"show": model_show, "features": model_features}},
)
