"""Predictors by name: "gshare", "gshare:13", "perceptron:885:36", "mdfa", "perceptron+mdfa", ... and a budget."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any, NamedTuple

from edgelearn.branch.base import DoesNotFit, Predictor
from edgelearn.branch.counters import Bimodal, BimodalSpec, Gshare, GshareSpec, Tournament, TournamentSpec
from edgelearn.branch.fixed import Fixed, FixedSpec
from edgelearn.branch.hybrid import SIDE, Hybrid, perceptron_for_budget, side_for_budget
from edgelearn.branch.layered import Layered, LayeredSpec
from edgelearn.branch.perceptrons import LENGTHS, HashedPerceptron, HashedSpec, Perceptron, PerceptronSpec, find_lengths
from edgelearn.branch.tage import LENGTHS as TAGE_LENGTHS
from edgelearn.branch.tage import Tage, TageSpec
from edgelearn.branch.tage_side_table import SIDE as TAGE_SIDE
from edgelearn.branch.tage_side_table import SideTable
from edgelearn.branch.two_layer import RULES, TwoLayer, TwoLayerSpec
from edgelearn.errors import UserError, unknown

PATH_BITS = 6  # of piecewise, unless it is given others


class Kind(NamedTuple):
    """A kind of predictor.

    Parameters
    ----------
    description : one line; parameters : what may follow the name, after colons
    most : parameters that may be given
    make : from the parameters, a budget in bytes and a delay
    delays : whether it may be trained late
    """

    description: str
    parameters: str
    most: int
    make: Callable[[list[Any], int, int], Predictor]
    delays: bool = True


def _bimodal(given: list[Any], budget: int, delay: int) -> Predictor:
    return Bimodal(BimodalSpec(given[0], delay=delay) if given else BimodalSpec.for_budget(budget, delay))


def _gshare(given: list[Any], budget: int, delay: int) -> Predictor:
    if not given:
        return Gshare(GshareSpec.for_budget(budget, delay))
    index, history, initial = (*given, *[given[0], 2][len(given) - 1 :])
    return Gshare(GshareSpec(index, history, initial, delay))


def _tournament(given: list[Any], budget: int, delay: int) -> Predictor:
    return Tournament(TournamentSpec(*given) if given else TournamentSpec.for_budget(budget))


def _perceptron(given: list[Any], budget: int, delay: int) -> Predictor:
    if len(given) < 2:
        history = given[0] if given else 36
        return Perceptron(PerceptronSpec.for_budget(budget, history, 0, delay))
    return Perceptron(PerceptronSpec(given[0], given[1], 0, delay))


def _piecewise(given: list[Any], budget: int, delay: int) -> Predictor:
    if len(given) < 2:
        history = given[0] if given else 36
        return Perceptron(PerceptronSpec.for_budget(budget, history, PATH_BITS, delay))
    rows, history, path = (*given, PATH_BITS)[:3]
    return Perceptron(PerceptronSpec(rows, history, path, delay))


def _hashed(given: list[Any], budget: int, delay: int) -> Predictor:
    lengths = LENGTHS["8x128"]
    if len(given) > 1:
        lengths = given[1] if isinstance(given[1], tuple) else find_lengths(str(given[1]))
    spec = HashedSpec(_number(given[0]), lengths, delay) if given else HashedSpec.for_budget(budget, lengths, delay)
    return HashedPerceptron(spec)


def _layered(given: list[Any], budget: int, delay: int) -> Predictor:
    return Layered(LayeredSpec(*given) if given else LayeredSpec.for_budget(budget))


def _tage(given: list[Any], budget: int, delay: int) -> Predictor:
    if len(given) in (0, 1):
        return Tage(TageSpec.for_budget(budget, _lengths_of(given, TAGE_LENGTHS) if given else None))
    return Tage(TageSpec(given[0], given[1], given[2], _lengths_of(given[3:4], TAGE_LENGTHS)))


def _lengths_of(given: list[Any], known: Mapping[int, tuple[int, ...]]) -> tuple[int, ...]:
    """Return lengths that are given, or those whose longest is; the set of the longest of all where nothing is."""
    longest = given[0] if given else max(known)
    if isinstance(longest, tuple):
        return longest
    if longest not in known:
        raise UserError(f"longest history {longest} is not known; give {', '.join(map(str, sorted(known)))}")
    return known[longest]


def _two_layer(rule: str) -> Callable[[list[Any], int, int], Predictor]:
    def make(given: list[Any], budget: int, delay: int) -> Predictor:
        if not given:
            return TwoLayer(TwoLayerSpec.for_budget(budget, rule, delay=delay))
        if len(given) != 3:
            raise UserError(f"{rule}:{':'.join(map(str, given))} has not rows, history and units; give {rule}:156:24:8")
        rows, length, hidden = given
        return TwoLayer(TwoLayerSpec.of_shape(rule, rows, length, hidden, delay))

    return make


_ROWS = {
    "frozen": "two layers of int8, the hidden one as drawn",
    "drtp-gated": "drtp, learned where the output is wrong or near 0",
    "madaline": "two layers of int8, the wrong-sided unit nearest to zero learns",
}

KINDS: dict[str, Kind] = {
    "always-taken": Kind("every branch taken; learns nothing", "none", 0, lambda *_: Fixed(FixedSpec())),
    "static": Kind("backward taken, forward not; learns nothing", "none", 0, lambda *_: Fixed(FixedSpec(True))),
    "bimodal": Kind("2-bit counters by address", "index bits", 1, _bimodal),
    "gshare": Kind("2-bit counters by address xor history", "index bits:history:initial", 3, _gshare),
    "tournament": Kind(
        "global and local counters, and a chooser", "global:local:address bits", 3, _tournament, delays=False
    ),
    "perceptron": Kind("a row of int8 weights by address", "history, or rows:history", 2, _perceptron),
    "piecewise": Kind("a row by address and path", "history, or rows:history:path bits", 3, _piecewise),
    "hashed": Kind(
        "tables of int8 weights by hashed histories", "index bits, or index bits:lengths, such as 12:16x232", 2, _hashed
    ),
    "layered": Kind(
        "hashed tables as hidden units, learned by mdfa", "index bits:rows of output weights", 3, _layered, delays=False
    ),
    "tage": Kind(
        "tagged tables of rising histories", "longest history, or bimodal:index:tag bits:history", 4, _tage,
        delays=False,
    ),
    **{
        rule: Kind(_ROWS.get(rule, f"two layers of int8, learned by {rule}"), "rows:history:units", 3, _two_layer(rule))
        for rule in RULES
    },
}  # fmt: skip
SIDES = ("perceptron", "hashed", "tage")
DELAY = "delay="


def make_predictor(text: str, budget: int, delay: int = 0) -> Predictor:
    """Return a predictor by its name, with parameters after colons, or as large as a budget lets it be.

    What a predictor says is its name makes it again.

    Parameters
    ----------
    text : a name of `KINDS`; MAIN+RULE, main one of `SIDES`, has tagged side rows of a rule, and parameters on both
        sides or on neither; ":delay=N" at the end takes the place of `delay`
    budget : bytes of tables
    delay : branches that follow before a branch is trained

    Raises
    ------
    DoesNotFit : "budget ... is too small ...", "... has no room ...", parameters above the budget
    UserError : "predictor '...' is not known ...", "... is no whole number", "... has N parameters ...",
        "predictor '...': ..."
    """
    try:
        return _make(text, budget, delay)
    except UserError as error:
        given = text.strip()
        if re.split(r"[:+]", given.lower())[0] in str(error).lower():
            raise
        raise type(error)(f"predictor '{given}': {error}") from None


def _make(text: str, budget: int, delay: int) -> Predictor:
    plain = text.strip().lower()
    main, plus, side = plain.partition("+")
    name, *parameters = main.split(":")
    if plus:
        return _hybrid(text, (name, parameters), side.split(":"), budget, delay)
    if parameters and parameters[-1].startswith(DELAY):
        own = whole(parameters.pop().removeprefix(DELAY))
        if own is None:
            raise UserError(f"'{text}': the delay is no whole number; write {name}:{DELAY}16, for example")
        delay = own
    if name not in KINDS:
        raise unknown("predictor", name, [*KINDS, *(f"{one}+mdfa" for one in SIDES)])
    kind = KINDS[name]
    if delay and not kind.delays:
        raise UserError(f"{name} has no delay here; give --delay 0, or predictors without {name}")
    predictor = kind.make(_given(text, name, parameters), budget, delay)
    if parameters:
        _check_budget(text, predictor.spec.table_bits, budget)  # type: ignore[attr-defined]
    return predictor


def takes_delay(text: str) -> bool:
    """Return whether a predictor may be trained late; what is no predictor may."""
    name = text.strip().lower().split(":")[0]
    return "+" not in text and (name not in KINDS or KINDS[name].delays)


def settings_of(predictor: Predictor) -> dict[str, Any]:
    """Return all settings of a predictor, those that its name does not tell too; of a hybrid those of both parts."""
    if isinstance(predictor, Hybrid):
        return {"main": settings_of(predictor.main), "side": asdict(predictor.side)}
    return asdict(predictor.spec)  # type: ignore[attr-defined]


def whole(text: str) -> int | None:
    """Return a whole number of ASCII digits, None for any other text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _given(text: str, name: str, parameters: list[str]) -> list[Any]:
    """Return parameters as numbers, lengths divided by slashes as tuples; texts are for `hashed` to read."""
    kind = KINDS[name]
    given: list[Any] = []
    for one in parameters:
        number, parts = whole(one), [whole(part) for part in one.split("/")]
        is_list = name in ("hashed", "layered", "tage") and len(parts) > 1 and None not in parts
        if number is None and not is_list and name != "hashed":
            raise UserError(f"'{text}': '{one}' is no whole number; {name} takes {kind.parameters}")
        given.append(number if number is not None else tuple(parts) if is_list else one)
    least = {"tournament": (0, 3), "layered": (0, 2, 3), "tage": (0, 1, 3, 4)}.get(name, range(kind.most + 1))
    if len(given) > kind.most or (len(given) not in least):
        raise UserError(f"'{text}' has {len(given)} parameters; {name} takes {kind.parameters}")
    for one in given[: {"layered": 2, "tage": 3}.get(name, 0)]:
        if isinstance(one, tuple) and len(given) > 1:
            raise UserError(f"'{text}': '{'/'.join(map(str, one))}' is no whole number; {name} takes {kind.parameters}")
    return given


def _check_budget(text: str, bits: int, budget: int) -> None:
    if bits > 8 * budget:
        raise DoesNotFit(
            f"{text} takes {-(-bits // 8):,} bytes, above the budget of {budget:,}; give a larger --budget"
        )


def _number(given: Any) -> int:
    if not isinstance(given, int):
        raise UserError(f"'{given}' is no whole number of index bits; give hashed:12, for example")
    return given


def _hybrid(text: str, main: tuple[str, list[str]], side: list[str], budget: int, delay: int) -> Predictor:
    (name, parameters), (rule, *shape) = main, side
    if name not in SIDES:
        raise unknown("main predictor", name, SIDES)
    if rule not in RULES:
        raise unknown("rule of side rows", rule, RULES)
    if delay or any(one.startswith(DELAY) for one in (*parameters, *shape)):
        raise UserError(f"{name}+{rule} has no delay here; give --delay 0, or predictors without {name}+{rule}")
    if parameters or shape:
        return _typed_hybrid(text, (name, parameters), (rule, shape), budget)
    if name == "tage":
        return SideTable.for_budget(budget, rule)
    rows = side_for_budget(budget, rule, main=name)
    if name == "perceptron":
        return Hybrid(perceptron_for_budget(budget), rows)
    index_bits = (budget // 2 // len(LENGTHS["8x128"])).bit_length() - 1  # tables are half of it
    if index_bits < 1:
        raise DoesNotFit(f"budget {budget} bytes is too small for {name}+{rule}; give 64 or more")
    return Hybrid(HashedPerceptron(HashedSpec(index_bits)), rows)


def _typed_hybrid(text: str, main: tuple[str, list[str]], side: tuple[str, list[str]], budget: int) -> Predictor:
    """Return a hybrid whose name has the parameters of both parts."""
    (name, parameters), (rule, shape) = main, side
    given = _given(text, rule, shape)
    if len(given) != 3 or len(parameters) < 2:
        raise UserError(
            f"'{text}' has not the parameters of both parts; give none, or {name}:... and {rule}:rows:history:units, "
            "as in perceptron:664:36+mdfa:26:36:8"
        )
    rows, length, hidden = given
    one = KINDS[name].make(_given(text, name, parameters), budget, 0)
    settings = replace(TAGE_SIDE if name == "tage" else SIDE, rule=rule, rows=rows, length=length, hidden=hidden)
    predictor = SideTable(one, settings) if name == "tage" else Hybrid(one, settings)
    _check_budget(text, one.spec.table_bits + predictor.side_bits, budget)  # type: ignore[attr-defined]
    return predictor
