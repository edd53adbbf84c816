"""A trained model of another tool as text: operators, tensors to cut at, and what cannot be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Any

from rich.console import Console

from edgelearn.reports.console import next_steps, print_table, say
from edgelearn.units import count

MOST_REASONS = 5
RESULTS = "results of edgelearn "  # what the format of a results folder begins with


def print_model(content: Mapping[str, Any], console: Console, details: bool = False, net: str | None = None) -> None:
    """Print what `edgelearn.pretrained.facts.facts_of` returns.

    Parameters
    ----------
    net : as given for weights without a graph
    """
    source = content["source"]
    say(console, f"{source}: {content['format']}")
    uncounted = content["uncounted"]
    more = f", without {count(len(uncounted), 'operator')} whose MACs the file does not tell" if uncounted else ""
    say(
        console,
        f"{content['macs']:,} MACs per inference{more}; {content['weight_words']:,} weights and biases; "
        f"{content['activation_words']:,} activations written",
    )
    for key in ("inputs", "outputs"):
        say(console, f"{key}: {', '.join(_tensor(content, name) for name in content[key])}")
    if content["classes"]:
        say(console, f"classes: {', '.join(content['classes'])}")
    if details:
        say(console, "", "operators")
        print_table(console, [_operator_row(one) for one in content["operators"]])
    cuts = [tensor for tensor in content["tensors"] if tensor["can_be_cut"]]
    is_results = content["format"].startswith(RESULTS)  # started from as a whole
    if not is_results:
        title = "tensors to cut at: layers behind, and MACs, weights and activations in front"
        say(console, "", title if cuts else "no tensor to cut at")
    if cuts and not is_results:
        rows = [_cut_row(one) for one in cuts]
        unused = [key for key in ("scale", "zero point") if all(row[key] is None for row in rows)]
        print_table(console, [{key: cell for key, cell in row.items() if key not in unused} for row in rows])
    _print_layers(content, console)
    if not is_results:
        _print_reasons(content, console, details)
        _print_conversion(content, console, details)
    for note in dict.fromkeys((*content["notes"], *(note for one in cuts[:1] for note in one["notes"]))):
        say(console, f"note: {note}")
    if content["how_to_expose"] and not is_results:
        say(console, f"'{content['cut']}' as an output of the model: {content['how_to_expose']}")
    next_steps(console, _next_step(content, cuts, net), details=details)


def _next_step(content: Mapping[str, Any], cuts: Sequence[Mapping[str, Any]], net: str | None) -> str:
    source = quote(content["source"])
    if content["format"].startswith(RESULTS):
        kind = content["format"].removeprefix(RESULTS).split(",")[0]
        if kind.startswith("stream --task"):
            return f"edgelearn cost --run {source}"
        if "--task" in kind:
            return f"edgelearn predict {source} FILE"
        return f"edgelearn {kind} --start {source} --data FILE"
    if not cuts:
        return f"edgelearn model features {source} --cut TENSOR --data FILE --out features.npz"
    shape, name = "" if net is None else f" --net {net}", cuts[0]["name"]
    cut = quote(name) if "'" in name else f"'{name}'"
    return f"edgelearn run --start {source}{shape} --cut {cut} --learn last --data FILE"


def _tensor(content: Mapping[str, Any], name: str) -> str:
    found = next((one for one in content["tensors"] if one["name"] == name), None)
    return name if found is None else f"{name} ({found['dtype']} {shape_text(found['shape'])}{_scale(found)})"


def shape_text(shape: Sequence[int | None] | None) -> str:
    """Return sizes as text, ? for one that is open.

    Example
    -------
    >>> shape_text([None, 8, 10])
    '?x8x10'
    """
    return "?" if shape is None else "x".join("?" if size is None else str(size) for size in shape) or "scalar"


def _scale(tensor: Mapping[str, Any]) -> str:
    return "" if tensor["scale"] is None else f", scale {tensor['scale']:.6g}, zero point {tensor['zero_point']}"


def _operator_row(operator: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "operator": operator["name"],
        "kind": operator["kind"],
        "output": shape_text(operator["shape"]),
        "MACs": "?" if operator["macs"] is None else operator["macs"],
        "weights": operator["weight_words"],
        "activations": operator["activation_words"],
        "behind a cut": operator["behind_a_cut"],
    }


def _cut_row(tensor: Mapping[str, Any]) -> dict[str, Any]:
    name = tensor["name"] if tensor["index"] is None else f"{tensor['index']}: {tensor['name']}"
    return {
        "tensor": name.replace(" ", "_"),
        "type": tensor["dtype"],
        "shape": shape_text(tensor["shape"]),
        "scale": None if tensor["scale"] is None else f"{tensor['scale']:.6g}",
        "zero point": tensor["zero_point"],
        "net behind": "-".join(map(str, tensor["net"])),
        "MACs": _macs(tensor["front_end"]),
        "weights": tensor["front_end"]["weight_words"],
        "activations": tensor["front_end"]["activation_words"],
    }


def _macs(front_end: Mapping[str, Any]) -> int | str:
    """Return the MACs in front of a cut, a lower bound where some are not counted."""
    counted: int = front_end["macs"]
    return f"{counted:,} or more" if front_end["uncounted"] else counted


def _print_layers(content: Mapping[str, Any], console: Console) -> None:
    first = next((one for one in content["tensors"] if one["can_be_cut"]), None)
    if first is None:
        return
    say(console, "", f"layers behind '{first['name']}'")
    rows = [
        {
            "layer": layer["name"],
            "inputs": layer["weights"][1],
            "outputs": layer["weights"][0],
            "activation": layer["activation"] or "not in the file",
            "weights": "integers with scales" if layer["integer"] else "floats",
            "MACs": layer["weights"][0] * layer["weights"][1],
        }
        for layer in first["layers"]
    ]
    print_table(console, rows)


def _print_reasons(content: Mapping[str, Any], console: Console, details: bool) -> None:
    """Print why tensors cannot be cut at, once per reason."""
    reasons: dict[str, list[str]] = {}
    for tensor in content["tensors"]:
        if not tensor["can_be_cut"] and tensor["name"] not in content["outputs"]:
            reasons.setdefault(tensor["reason"], []).append(tensor["name"])
    if not reasons:
        return
    say(console, "", "not to cut at")
    shown = list(reasons.items())
    for reason, names in shown if details else shown[-MOST_REASONS:]:
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        say(console, f"  '{names[0]}'{more}: {reason}")
    if not details and len(shown) > MOST_REASONS:
        say(console, f"  {len(shown) - MOST_REASONS:,} more in front of these: --details")


def _print_conversion(content: Mapping[str, Any], console: Console, details: bool) -> None:
    """Print what --convert makes of the operators in front of the first cut, or what it refuses."""
    found = content.get("convert")
    if found is None:
        return
    name = found["tensor"]
    if found["layers"]:
        say(console, "", f"--convert up to '{name}': {count(len(found['layers']), 'frozen layer')}")
        for text in found["layers"]:
            say(console, f"  {text}")
        return
    say(console, "", f"--convert up to '{name}' is refused")
    if found["reason"] is not None:
        say(console, f"  {'; '.join(one for one in (found['reason'], found['advice']) if one)}")
    groups: dict[tuple[str, str], list[str]] = {}
    for row in found["refused"]:
        groups.setdefault((row["kind"], row["reason"]), []).append(row["operator"])
    shown = list(groups.items())
    for (kind, reason), names in shown if details else shown[:MOST_REASONS]:
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        say(console, f"  {names[0]} ({kind}){more}: {reason}")
    if not details and len(shown) > MOST_REASONS:
        say(console, f"  {len(shown) - MOST_REASONS:,} more behind these: --details")
