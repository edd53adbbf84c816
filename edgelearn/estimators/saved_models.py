"""Files of `EdgeClassifier`: what its `save` writes, and what `load` and `from_run` read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from edgelearn import __version__
from edgelearn.config import RunConfig, StreamConfig, later_defaults, validated
from edgelearn.data.feature_files import Described, described_by, features_in
from edgelearn.errors import UserError, unknown
from edgelearn.files import read_arrays, write_arrays
from edgelearn.network.kernels import tables as t
from edgelearn.runs.levels import NoFeaturesError
from edgelearn.runs.start import imported_of, is_results
from edgelearn.runs.start_settings import OF_TRAINED_WORDS, start_of
from edgelearn.runs.stored import read_run
from edgelearn.streaming.front_end import FrontEnd

if TYPE_CHECKING:
    from edgelearn.estimators.classifier import EdgeClassifier

KIND = "EdgeClassifier"  # what a saved file says it holds
_NUMBERED = re.compile(r"(channel|feature|column) \d+")  # names of columns without titles
Model = TypeVar("Model", bound="EdgeClassifier")


def save_model(model: EdgeClassifier, path: Path) -> None:
    """Write a fitted model; see `EdgeClassifier.save`."""
    weight = model.class_weight
    weighted = list(weight) if isinstance(weight, Mapping) else []
    for kind, names in (("label", [*model._labels.known, *weighted]), ("feature name", model._names or ())):
        for name in names:
            if not isinstance(name, str | int | float | np.integer | np.floating | np.bool_):
                raise UserError(f"{kind} {name!r} cannot be saved; use text or numbers")
    params = plain_params(model)
    if not isinstance(params["random_state"], int):
        params["random_state"] = model.spec_.seed
    named = getattr(model, "feature_names_in_", None)
    note = {
        "kind": KIND,
        "version": __version__,
        "params": params,
        "fitted": model._fitted,
        "run": model._run,
        "labels": model._labels.known,
        "label_type": model.classes_.dtype.str,
        "room": model._labels.room,
        "features": model.n_features_in_,
        "names": None if model._names is None else [plain(name) for name in model._names],
        "feature_names": None if named is None else named.tolist(),
        "missing": model.n_missing_,
        "ignored": model.n_ignored_,
    }
    write_arrays(path, model._arrays(), note)


def load_model(kind: type[Model], path: Path) -> Model:
    """Read a model; see `EdgeClassifier.load`."""
    if not path.is_file():
        raise UserError(
            f"{path} cannot be loaded: there is no such file; give one that save() wrote, or a results folder"
        )
    try:
        arrays, note = _of_this_version(*read_arrays(path))
        params = _given_params(note["params"])
        model = kind(**(params | _given_params(note["fitted"])))
        _restore(model, arrays, note)
        model.set_params(**params)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, MemoryError):
        raise UserError(
            f"{path} cannot be loaded: it is no whole file of {KIND}.save(), or of another version; save it again"
        ) from None
    return model


OF_THE_WORDS = ("rule", "learn", "bits", "rounding", "activation", "output", "feedback", "input_bits")


def model_of_run(kind: type[Model], path: str | PathLike[str], not_settings: Iterable[str]) -> Model:
    """Read the network of a finished run; see `EdgeClassifier.from_run`.

    Parameters
    ----------
    not_settings : parameters of the model that are no settings of runs, or have another form there
    """
    arrays, note = read_run(path)
    config, names = note["config"], tuple(note["inputs"])
    taken = kind().get_params(deep=False).keys() - {"random_state", *not_settings}
    params = {name: config[name] for name in taken if name in config}
    labels = _numbers_of(note["classes"])
    one_output = note["net"][-1] == 1
    if one_output:  # of a stream, whose default for more outputs is a softmax
        params["output"] = "sigmoid"
    params |= _layers_of(note["net"], note.get("topology"))
    model = kind(
        **params,
        input_bits=config["input_bits"],
        one_output=one_output,
        random_state=config["seed"],
    )
    room = note["net"][-1] if note["net"][-1] > len(labels) else None
    try:
        model._start(0, labels, room, _run_of(note))
        taken = np.array(note.get("offsets", [0.0]))  # of a sample, which a window has several of
        if note.get("start") and not isinstance(model._front_end, FrontEnd):  # which takes values as they are
            taken = np.zeros(1)
        model._offsets[:] = np.tile(taken, len(model._offsets) // len(taken))
        own = {name if "." in name else f"learner.{name}": array for name, array in arrays.items()}
        _put(model, own | {"offsets": model._offsets})
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        said = str(error) if isinstance(error, UserError) else "it is damaged, or of another version"
        raise UserError(f"{path} cannot be loaded: {said}; run again with --overwrite") from None
    model.n_features_in_ = len(model._offsets)
    if len(names) == model.n_features_in_ and len(set(names)) == len(names):
        model._names = names
        if not all(map(_NUMBERED.fullmatch, names)):
            model.feature_names_in_ = np.array(names, object)
    return model


def _layers_of(sizes: Sequence[int], topology: str | None) -> dict[str, Any]:
    """Return the parameters that name the layers of a network: hidden sizes, or the topology of convolutions."""
    return {"net": None, "hidden": tuple(sizes[1:-1])} if topology is None else {"net": topology}


def _run_of(note: Mapping[str, Any]) -> dict[str, Any]:
    """Return what network and front end are built from; see `edgelearn.runs.stored.parts_of`."""
    run = {name: note[name] for name in ("kind", "config", "net", "inputs")}
    run |= {"topology": note["topology"]} if "topology" in note else {}
    return run | ({"start": note["start"]} if "start" in note else {})


def pretrained_model(
    kind: type[Model], source: str | PathLike[str], X: Any, classes: Any, settings: Mapping[str, Any]
) -> Model:
    """Make a model of a trained network; see `EdgeClassifier.from_pretrained`.

    Parameters
    ----------
    settings : of `edgelearn run`, and parameters of the model that are none
    """
    known = kind().get_params(deep=False).keys()
    given = OF_TRAINED_WORDS | {"rule": "drtp"} | dict(settings)
    for name in given:
        if name not in RunConfig.model_fields and name not in known:
            raise unknown("setting", name, dict.fromkeys([*RunConfig.model_fields, *known]))
    own = {name: value for name, value in given.items() if name in RunConfig.model_fields}
    own |= {"seed": given["random_state"]} if "random_state" in given else {}
    described, given_x = described_by(X), X
    if isinstance(X, str | PathLike):
        own, given_x = {"data": str(X)} | own, features_in(Path(X))
    config = validated(RunConfig, own | {"start": str(source)})
    x = None if given_x is None else np.asarray(given_x)
    if x is not None:
        _refuse_integers(str(source), config, x.dtype, described)
    try:
        start = start_of(config, None if x is None else x.astype(np.float64), (), described)
    except NoFeaturesError:
        raise UserError(
            f"{source} is of real numbers: levels need features; give EdgeClassifier.from_pretrained(model, X=x), "
            "x [n, n_features]"
        ) from None
    assert start is not None
    n_outputs = max(2, start.sizes[-1])
    labels = list(range(n_outputs)) if classes is None else list(classes)
    if classes is None and start.classes is not None:
        labels = _numbers_of(list(start.classes.names))
    if len(labels) != n_outputs:
        raise UserError(f"{len(labels)} classes do not fit {source}, which has {n_outputs}; name all of them")
    params = {name: value for name, value in given.items() if name in known}
    params |= {name: getattr(config, name) for name in known if name in RunConfig.model_fields and name != "classes"}
    params = {name: value for name, value in params.items() if name in given or name not in ("epochs", "classes")}
    shape = {"one_output": start.sizes[-1] == 1, "random_state": config.seed}
    model = kind(**{**params, **shape, **_layers_of(start.sizes, start.net)})
    inputs = [f"feature {number + 1}" for number in range(start.sizes[0])]
    run = {"kind": "run", "config": config.model_dump(mode="json"), "net": list(start.sizes), "inputs": inputs}
    run |= {"start": start.note()} | ({} if start.net is None else {"topology": start.net})
    model._pretrained = Pretrained(labels, run, start.words, start.front_end.save())
    restart(model, model._pretrained, start.sizes[0])
    model.n_features_in_ = start.sizes[0]
    return model


@dataclass(frozen=True, eq=False)
class Pretrained:
    """Imported words that a model starts from.

    Parameters
    ----------
    labels : of the outputs
    run : what network and front end are built from; see `edgelearn.runs.stored.parts_of`
    words, front_end : their arrays by name
    """

    labels: list[Any]
    run: dict[str, Any]
    words: dict[str, np.ndarray]
    front_end: dict[str, np.ndarray]


def restart(model: EdgeClassifier, pretrained: Pretrained, n_features: int) -> None:
    """Put imported words into a model, with the rates and gates that it has now.

    Raises
    ------
    UserError
        "... features ...", "setting ... is of the imported words ..."
    """
    sizes, config = pretrained.run["net"], pretrained.run["config"]
    if n_features != sizes[0]:
        raise UserError(f"X has {n_features} features, and the imported layers take {sizes[0]}; give their values")
    params = {name: plain(value) for name, value in model.get_params(deep=False).items()}
    own = {name: params[name] for name in params if name in config and name != "classes"}
    own |= {"seed": params["random_state"]}
    layers = _layers_of(sizes, pretrained.run.get("topology"))
    now = {name: own[name] for name in OF_THE_WORDS if name in own} | {name: params[name] for name in layers}
    for name, value in now.items():
        was = layers[name] if name in layers else config[name]
        was = list(was) if isinstance(was, tuple) and isinstance(value, list) else was
        if value != was:
            raise UserError(
                f"setting '{name}' is {value!r}, and the imported words are of {was!r}; give {name} to from_pretrained"
            )
    if type(own["seed"]) is not int:
        own["seed"] = config["seed"]
    model._start(0, pretrained.labels, None, pretrained.run | {"config": config | own})
    model._offsets[:] = 0.0
    model._learner.put_words(pretrained.words)
    model._front_end.restore(pretrained.front_end)
    model.n_features_in_ = n_features


def _refuse_integers(source: str, config: RunConfig, dtype: np.dtype[Any], described: Described | None) -> None:
    """Refuse integers of eight bits without a scale for a tensor of floats that the model computes."""
    known = described is not None and described.quantised is not None
    if known or dtype.name not in ("int8", "uint8") or is_results(source):
        return
    imported = imported_of(source, config.cut, config.net)
    if not imported.input.is_integer and (imported.front_end.macs or imported.front_end.activation_words):
        raise UserError(
            f"X is {dtype}, and tensor '{imported.input.name}' of {source} is of real numbers; name the tensor of the "
            "integers with cut=, or give X as a file of edgelearn model features"
        )


def _restore(model: EdgeClassifier, arrays: dict[str, np.ndarray], note: dict[str, Any]) -> None:
    """Put what was learned into a model with its settings."""
    model._start(note["features"], note["labels"], note["room"], note["run"])
    model.n_features_in_, model.n_missing_, model.n_ignored_ = note["features"], note["missing"], note["ignored"]
    model.classes_ = np.array(note["labels"], np.dtype(note["label_type"]))
    if note["names"] is not None:
        model._names = tuple(note["names"])
    if note["feature_names"] is not None:
        model.feature_names_in_ = np.array(note["feature_names"], object)
    _put(model, arrays)


def _put(model: EdgeClassifier, arrays: dict[str, np.ndarray]) -> None:
    if _shapes(arrays) != _shapes(model._arrays()):
        raise ValueError
    model._offsets[:] = arrays["offsets"]
    for prefix, part in (("learner.", model._learner), ("front_end.", model._front_end)):
        part.restore({name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)})


def _shapes(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    return {name: (array.shape, array.dtype) for name, array in arrays.items()}


def plain_params(model: EdgeClassifier) -> dict[str, Any]:
    """Return the settings of a model as JSON can hold them."""
    params = {name: plain(value) for name, value in model.get_params(deep=False).items()}
    later = later_defaults(StreamConfig) | {"net": None}  # at their default, files are those of earlier versions
    return {name: value for name, value in params.items() if name not in later or value != later[name]}


def _of_this_version(
    arrays: dict[str, np.ndarray], note: dict[str, Any]
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return arrays and note of `save` with what earlier versions did not know: no value was missing then."""
    if note["kind"] != KIND:
        raise ValueError
    if "fitted" not in note:
        params = note["params"] | {"classes": note["classes"], "class_weight": None}
        names = note["names"] if note["named"] else None
        note = note | {"params": params, "fitted": params, "run": None, "feature_names": names}
        mean, place = arrays["front_end.mean"], arrays["front_end.place"]
        seen = np.full_like(mean, place[t.ROWS_SEEN])
        arrays = arrays | {"front_end.seen": seen, "offsets": np.zeros(note["features"])}
    return arrays, note


def _given_params(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings from what `plain_params` gave."""
    params = {name: tuple(value) if name == "hidden" and isinstance(value, list) else value
              for name, value in stored.items()}  # fmt: skip
    weight = params.get("class_weight")
    return params | {"class_weight": dict(weight) if isinstance(weight, list) else weight}


def _numbers_of(names: list[str]) -> list[Any]:
    """Return the names of classes as whole numbers where all of them are."""
    try:
        numbers = [int(name) for name in names]
    except ValueError:
        return names
    return numbers if [str(number) for number in numbers] == names else names


def plain(value: Any) -> Any:
    """Return a setting without numpy in it."""
    if isinstance(value, Mapping):  # JSON would make text of its keys
        return [[plain(label), plain(weight)] for label, weight in value.items()]
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value
