"""Predictors by name: "gshare", "gshare:13", "perceptron:885:36", "mdfa", "perceptron+mdfa", ... and a budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from edgelearn.branch.counters import Bimodal, BimodalSpec, Gshare, GshareSpec, Tournament, TournamentSpec
from edgelearn.branch.hybrid import Hybrid, perceptron_for_budget, side_for_budget
from edgelearn.branch.informed import Informed
from edgelearn.branch.layered import Layered, LayeredSpec
from edgelearn.branch.perceptrons import LENGTHS, HashedPerceptron, HashedSpec, Perceptron, PerceptronSpec, find_lengths
from edgelearn.branch.predictor import Predictor
from edgelearn.branch.tage import LENGTHS as TAGE_LENGTHS
from edgelearn.branch.tage import Tage, TageSpec
from edgelearn.branch.two_layer import RULES, TwoLayer, TwoLayerSpec
from edgelearn.errors import UserError, unknown

PATH_BITS = 6  # of piecewise, unless it is given others


class Kind(NamedTuple):
    """A kind of predictor.

    Parameters
    ----------
    description : one line; parameters : what may follow the name, after colons
    make : from the parameters, a budget in bytes and a delay
    """

    description: str
    parameters: str
    make: Callable[[list[Any], int, int], Predictor]


def _bimodal(given: list[Any], budget: int, delay: int) -> Predictor:
    if not given:
        return Bimodal(BimodalSpec.for_budget(budget, delay))
    if len(given) > 1:
        raise TypeError
    return Bimodal(BimodalSpec(given[0], delay=delay))


def _gshare(given: list[Any], budget: int, delay: int) -> Predictor:
    if not given:
        return Gshare(GshareSpec.for_budget(budget, delay))
    index, history, initial = (*given, *[given[0], 2][len(given) - 1 :])
    return Gshare(GshareSpec(index, history, initial, delay))


def _tournament(given: list[Any], budget: int, delay: int) -> Predictor:
    if delay:
        raise UserError("tournament has no delay here; give --delay 0")
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
    lengths = find_lengths(str(given[1])) if len(given) > 1 else LENGTHS["8x128"]
    spec = HashedSpec(_number(given[0]), lengths, delay) if given else HashedSpec.for_budget(budget, lengths, delay)
    return HashedPerceptron(spec)


def _layered(given: list[Any], budget: int, delay: int) -> Predictor:
    if delay:
        raise UserError("layered has no delay here; give --delay 0")
    if not given:
        return Layered(LayeredSpec.for_budget(budget))
    index_bits, rows = given
    return Layered(LayeredSpec(index_bits, rows))


def _tage(given: list[Any], budget: int, delay: int) -> Predictor:
    if delay:
        raise UserError("tage has no delay here; give --delay 0")
    if len(given) in (0, 1):
        return Tage(TageSpec.for_budget(budget, _lengths_of(given, TAGE_LENGTHS) if given else None))
    return Tage(TageSpec(given[0], given[1], given[2], _lengths_of(given[3:4], TAGE_LENGTHS)))


def _lengths_of(given: list[Any], known: Mapping[int, tuple[int, ...]]) -> tuple[int, ...]:
    """Return the lengths of histories whose longest is given, the first of all where none is."""
    longest = given[0] if given else max(known)
    if longest not in known:
        raise UserError(f"longest history {longest} is not known; give {', '.join(map(str, sorted(known)))}")
    return known[longest]


def _two_layer(rule: str) -> Callable[[list[Any], int, int], Predictor]:
    def make(given: list[Any], budget: int, delay: int) -> Predictor:
        if not given:
            return TwoLayer(TwoLayerSpec.for_budget(budget, rule, delay=delay))
        if len(given) != 3:
            raise UserError(f"{rule}:{':'.join(map(str, given))} has not rows, history and units; give {rule}:156:24:8")
        near = TwoLayerSpec.for_budget(max(budget, 1 << 10), rule)
        rows, length, hidden = given
        return TwoLayer(
            TwoLayerSpec(
                rule, length, hidden, rows, near.theta, near.spread, near.v_shift, near.leak, near.v0, delay=delay
            )
        )

    return make


KINDS: dict[str, Kind] = {
    "bimodal": Kind("2-bit counters by address", "index bits", _bimodal),
    "gshare": Kind("2-bit counters by address xor history", "index bits:history:initial", _gshare),
    "tournament": Kind("global and local counters, and a chooser", "global:local:address bits", _tournament),
    "perceptron": Kind("a row of int8 weights by address", "history, or rows:history", _perceptron),
    "piecewise": Kind("a row by address and path", "history, or rows:history:path bits", _piecewise),
    "hashed": Kind(
        "tables of int8 weights by hashed histories", "index bits, or index bits:lengths, such as 12:16x232", _hashed
    ),
    "layered": Kind("hashed tables as hidden units, learned by mdfa", "index bits:rows of output weights", _layered),
    "tage": Kind("seven tagged tables of rising histories", "longest history, or bimodal:index:tag bits", _tage),
    **{rule: Kind(f"two layers of int8, learned by {rule}", "rows:history:units", _two_layer(rule)) for rule in RULES},
}
SIDES = ("perceptron", "hashed", "tage")


def make_predictor(text: str, budget: int, delay: int = 0) -> Predictor:
    """Return a predictor by its name, with parameters after colons, or as large as a budget lets it be.

    Parameters
    ----------
    text : a name of `KINDS`; "perceptron+RULE", "hashed+RULE" and "tage+RULE" have tagged side rows of a rule
    budget : bytes of tables
    delay : branches that follow before a branch is trained

    Raises
    ------
    UserError : "predictor '...' is not known ...", "... is no whole number", "budget ... is too small ...", a
        configuration above the budget
    """
    name, *parameters = text.strip().lower().split(":")
    if "+" in name:
        return _hybrid(name, parameters, budget, delay)
    if name not in KINDS:
        raise unknown("predictor", name, [*KINDS, *(f"{main}+mdfa" for main in SIDES)])
    given: list[Any] = [int(one) if one.isdigit() else one for one in parameters]
    for one in given if name != "hashed" else ():
        if isinstance(one, str):
            raise UserError(f"'{text}': '{one}' is no whole number; {name} takes {KINDS[name].parameters}")
    try:
        predictor = KINDS[name].make(given, budget, delay)
    except UserError:
        raise
    except (TypeError, IndexError, ValueError):
        raise UserError(f"'{text}' has {len(given)} parameters; {name} takes {KINDS[name].parameters}") from None
    bits = predictor.spec.table_bits  # type: ignore[attr-defined]
    if given and bits > 8 * budget:
        raise UserError(f"{text} takes {-(-bits // 8):,} bytes, above the budget of {budget:,}; give a larger --budget")
    return predictor


def _number(given: Any) -> int:
    if not isinstance(given, int):
        raise UserError(f"'{given}' is no whole number of index bits; give hashed:12, for example")
    return given


def _hybrid(name: str, parameters: list[str], budget: int, delay: int) -> Predictor:
    main, _, rule = name.partition("+")
    if main not in SIDES:
        raise unknown("main predictor", main, SIDES)
    if rule not in RULES:
        raise unknown("rule of side rows", rule, RULES)
    if parameters or delay:
        raise UserError(f"'{name}' takes neither parameters nor a delay; a budget sizes it")
    if main == "tage":
        return Informed.for_budget(budget, rule)
    side = side_for_budget(budget, rule, main=main)
    if main == "perceptron":
        return Hybrid(perceptron_for_budget(budget), side)
    index_bits = (budget // 2 // len(LENGTHS["8x128"])).bit_length() - 1  # tables are half of it
    if index_bits < 1:
        raise UserError(f"budget {budget} bytes is too small for {name}; give 64 or more")
    return Hybrid(HashedPerceptron(HashedSpec(index_bits)), side)
