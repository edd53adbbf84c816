"""Keyword arguments as settings: names, defaults, limits and texts come from the settings classes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from edgelearn.config import Declared, RunConfig, Settings, SpikingConfig, check_effect, expand, validated
from edgelearn.errors import UserError

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Settings = TypeVar("_Settings", bound=Settings)


def plain(value: Any) -> Any:
    """Return a value as a settings class takes it: paths as text, numbers of numpy as those of Python."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def plain_settings(kind: type[Settings], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return keyword arguments as settings, without a None that is the default anyway."""
    unset = {name for name, field in kind.model_fields.items() if field.default is None}
    return {key: plain(value) for key, value in given.items() if value is not None or key not in unset}


def checked(kind: type[_Settings], given: Mapping[str, Any]) -> _Settings:
    """Return settings of one kind, refused where one has no effect.

    Raises
    ------
    UserError
        "setting '...' ...", with the allowed values, as on the command line
    """
    settings = plain_settings(kind, given)
    config = validated(kind, settings)
    check_effect(config, settings, {})
    if issubclass(kind, RunConfig) or kind.kind == "stream":
        from edgelearn.runs.shapes import check_kernels

        check_kernels(config, settings)  # type: ignore[arg-type]
    return config


def run_settings(given: Mapping[str, Any]) -> RunConfig | SpikingConfig:
    """Return settings of a run, of a spiking network where `spiking` is True.

    Raises
    ------
    UserError
        "setting '...' is for spiking networks ...", "setting '...' is for rate networks ...", those of `checked`
    """
    spiking = bool(given.get("spiking"))
    kind: type[RunConfig | SpikingConfig] = SpikingConfig if spiking else RunConfig
    other = RunConfig if spiking else SpikingConfig
    settings = {key: value for key, value in given.items() if key != "spiking" or spiking}
    for key in settings:
        if key in other.model_fields and key not in kind.model_fields:
            raise UserError(
                f"setting '{key}' is for rate networks; leave it out with spiking=True"
                if spiking
                else f"setting '{key}' is for spiking networks; give spiking=True too"
            )
    return checked(kind, settings)


def takes_settings(*kinds: type[Settings], only: Collection[str] = ()) -> Callable[[_Function], _Function]:
    """Give a function whose last parameter is `**settings` the signature and the docstring of these settings.

    Parameters
    ----------
    kinds : settings classes; of one name in several, the first one's default is shown
    only : settings that the function takes; all if empty
    """

    def mark(function: _Function) -> _Function:
        declared: dict[str, Declared] = {}
        for kind in kinds:
            declared = kind.declared() | declared
        signature = inspect.signature(function)
        own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
        taken = {one.name for one in own}
        found = [one for name, one in declared.items() if name not in taken and (not only or name in only)]
        made = [
            inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=one.type)
            for one in found
        ]
        function.__signature__ = signature.replace(parameters=[*own, *made])  # type: ignore[attr-defined]
        text = inspect.cleandoc(function.__doc__ or "")
        head, heading, rest = text.partition("\nReturns\n")
        lines = [head.rstrip(), "", "Other Parameters", "----------------", *(_line_of(one) for one in found), ""]
        function.__doc__ = "\n".join(lines) + heading + rest
        return function

    return mark


def _line_of(one: Declared) -> str:
    kind = "int or str" if one.is_span else getattr(one.type, "__name__", str(one.type))
    default = f", default {one.default_text}" if one.default_text else ""
    return f"{one.name} : {kind}{default}\n    {expand(one.text)}."
