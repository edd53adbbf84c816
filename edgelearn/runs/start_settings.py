"""Settings that follow from the source of --start, and the source of a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgelearn.config import RateSettings, RunConfig, StreamConfig, shown
from edgelearn.data.feature_files import Described, described_by
from edgelearn.errors import UserError
from edgelearn.network.convolutions import CONVOLUTION_SETTINGS
from edgelearn.network.spec import default_residual_bits
from edgelearn.network.topology import Shape, parse_topology
from edgelearn.runs.cuts import activations_of
from edgelearn.runs.start import Start, imported_of, is_results, start_from
from edgelearn.runs.stored import read_run

OF_A_MODEL = ("activation", "output", "input_bits", "feedback")
OF_A_RUN = (
    "rule", "bits", "residual_bits", "rounding", "input_bits", "activation", "output", "feedback", "hidden_rate",
    "output_rate", "event_threshold", "dead_zone", "accumulator_bits", "delta_bits", "local_dead_zone",
    *CONVOLUTION_SETTINGS,
)  # fmt: skip
OF_A_FRONT_END = (
    "window", "stride", "window_features", "time_constant", "reach", "encoder", "input_threshold", "thresholds",
    "delta",
)  # fmt: skip
OF_TRAINED_WORDS = {"hidden_rate": -8, "output_rate": -5}  # of streams
MUST_AGREE = ("bits", "input_bits", "activation", "output")
_CONFIGS: dict[str, type[RateSettings]] = {"run": RunConfig, "stream": StreamConfig}


def completed(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings and, where they were left out, those that follow from the source of --start.

    Settings that are complete, as files of runs have them, are returned as they are, without a look at the source.

    Raises
    ------
    UserError
        What the reader of the source says; "setting ... does not fit ..."
    """
    source = str(given["start"])
    if not all(isinstance(given.get(name, ""), str | None) for name in ("cut", "net")):
        return dict(given)  # which validation refuses
    if given.get("range_exponent") is not None:
        raise UserError("range exponents follow from the weights of --start; leave --range-exponent out")
    if is_results(source):
        return _of_results(kind, source, given)
    if kind == "stream":
        _refuse_front_end(source, given)
    if all(name in given for name in OF_A_MODEL):
        return dict(given)
    described = described_by(given.get("data"))
    is_input = given.get("convert") is True
    imported = imported_of(source, given.get("cut"), given.get("net"), described, is_input)
    activation, output = activations_of(imported, given.get("activation"), given.get("output"))
    found: dict[str, Any] = {"output": output, "input_bits": 8, "feedback": "imported"}
    if described is not None and described.tensor is not None and not is_input:
        found["cut"] = imported.input.name
    if kind == "stream":  # trained words need smaller steps than random ones
        found |= OF_TRAINED_WORDS
    if len(imported.layers) > 1:
        found["activation"] = activation
    if imported.input.is_integer and given.get("input_bits", 8) != 8:
        raise UserError(
            f"setting 'input_bits' = {given['input_bits']} does not fit {source}: tensor '{imported.input.name}' is "
            f"{imported.input.dtype}, whose levels have 8 bits; leave --input-bits out"
        )
    _check_agreement(source, given, {name: found[name] for name in ("activation", "output") if name in found})
    return {name: value for name, value in found.items() if value is not None} | dict(given)


def _refuse_front_end(source: str, given: Mapping[str, Any]) -> None:
    """Refuse settings of the front end of streams, which a model's own front end replaces."""
    for name in OF_A_FRONT_END:
        default = StreamConfig.model_fields[name].default
        if given.get(name, default) != default:
            flag = StreamConfig.declared()[name].flag
            raise UserError(f"{flag} has no effect with --start {source}, whose levels are the input; leave it out")


def _of_results(kind: str, source: str, given: Mapping[str, Any]) -> dict[str, Any]:
    names = OF_A_RUN + (OF_A_FRONT_END if kind == "stream" else ())
    if all(name in given for name in names):
        return dict(given)
    note = read_run(source)[1]
    stored = _CONFIGS[note["kind"]].model_validate(note["config"]).model_dump()
    if note["kind"] == "stream" and kind == "run" and not (note.get("start") or {}).get("network"):
        raise UserError(
            f"{source} is of a stream, whose front end follows its rows in their order; continue it with edgelearn "
            f"stream --start {source}"
        )
    if stored["residual_bits"] is None:
        stored["residual_bits"] = default_residual_bits(stored["bits"], stored["rounding"])
    if note["kind"] != kind:  # the front end of a run has fixed ranges
        names = OF_A_RUN
        _refuse_front_end(source, given)
    found = {name: stored[name] for name in (*names, "learn") if name in stored}
    if given.get("rule", found["rule"]) != found["rule"]:  # rates are of a rule
        found |= dict.fromkeys(("hidden_rate", "output_rate"))
    network = (note.get("start") or {}).get("network") or {}
    found |= {name: network[name] for name in ("activation", "output", "input_bits") if name in network}
    if note["net"][-1] == 1:
        found["output"] = "sigmoid"
    if found["feedback"] == "lfsr":
        found["seed"] = stored["seed"]  # feedback is regenerated from it
    _check_agreement(source, given, {name: found[name] for name in MUST_AGREE})
    if note["kind"] == kind == "stream":
        _check_agreement(source, given, {name: found[name] for name in OF_A_FRONT_END})
    return found | dict(given)


def _check_agreement(source: str, given: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    for name, value in found.items():
        if given.get(name, value) != value:
            text = given[name] if isinstance(given[name], str) else shown(given[name])
            raise UserError(
                f"setting '{name}' = {text} does not fit {source}, where it is {value}; leave "
                f"--{name.replace('_', '-')} out"
            )


def _of_convolutions(config: RateSettings) -> dict[str, Any]:
    """Return the settings of convolutions that are not at their default, which a network of dense layers refuses."""
    fields = type(config).model_fields
    return {
        name: getattr(config, name) for name in CONVOLUTION_SETTINGS if getattr(config, name) != fields[name].default
    }


def _shape_of(start: Start) -> Shape | None:
    """Return the shape of the inputs of a network with convolutions."""
    inputs = None if start.net is None else parse_topology(start.net).inputs
    return inputs if isinstance(inputs, tuple) else None


def check_calibrate(config: RateSettings) -> None:
    """Refuse a number of samples that nothing is converted with."""
    if config.calibrate != RateSettings.model_fields["calibrate"].default and not config.convert:
        raise UserError("--calibrate has no effect without --convert; give both, or leave it out")


def start_of(
    config: RateSettings,
    x: np.ndarray | None,
    classes: Sequence[str],
    described: Described | None = None,
) -> Start | None:
    """Return the start of a configuration, None for random weights.

    Parameters
    ----------
    x : features of the training data [n, n_in]
    classes : names of the classes of the data
    described : what the file of the features says of them

    Raises
    ------
    UserError
        "... does not fit ..." and what `start_from` says
    """
    if config.start is None:
        for name in ("cut", "classes_from", "old", "convert"):
            default = type(config).model_fields[name].default if hasattr(config, name) else None
            if getattr(config, name, default) != default:
                flag = f"--{name.replace('_', '-')}"
                raise UserError(f"{flag} is of a network to start from; give --start too, or leave it out")
        check_calibrate(config)
        return None
    check_calibrate(config)
    start = start_from(
        config.start,
        cut=config.cut,
        net=config.net,
        rule=config.rule,
        bits=config.bits,
        residual_bits=config.residual_bits,
        rounding=config.rounding,
        feedback=config.feedback,
        input_bits=config.input_bits,
        activation=config.activation,
        output=config.output,
        x=x,
        described=described,
        classes=classes,
        grow=config.classes_from == "data",
        seed=config.seed,
        delta_bits=config.delta_bits,
        calibrate=config.calibrate if config.convert else None,
        learn=config.learn,
        **_of_convolutions(config),
    )
    sizes = start.net or "-".join(map(str, start.sizes))
    if config.net is not None and str(parse_topology(config.net).with_inputs(_shape_of(start))) != sizes:
        raise UserError(f"net '{config.net}' does not fit {config.start}, which has {sizes}; leave --net out")
    return start
