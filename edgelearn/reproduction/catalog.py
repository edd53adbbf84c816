"""Index of claims by id, with the reason where a claim has no script."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import json
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgelearn.errors import UserError, unknown
from edgelearn.reproduction.claim import Claim
from edgelearn.reproduction.study import plain

_CHECKOUT = Path(__file__).parents[2] / "experiments" / "claims"  # beside the package
_INSTALLED = Path(__file__).parents[1] / "bundled" / "experiments" / "claims"  # in it, put there by setup.py
CLAIMS = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
RESULTS = CLAIMS.parent / "results" / "reproduce"  # of full runs, kept with the code
COSTS = ("seconds", "minutes", "hours")
NOT_RUN = "not yet run in full"
WITHOUT_FILE = ("not yet", "not possible offline")


@dataclass(frozen=True, slots=True)
class Row:
    """Entry of the index.

    Parameters
    ----------
    id : permanent name
    source : paper and place
    check : kinds of check
    cost : of the full run on two cores: seconds, minutes or hours; "" where nothing can be run
    data : that it runs on; "" where none is needed
    status : of a claim without a file: why it has none, one of WITHOUT_FILE
    reason : for that status
    note : of a claim with a file, shown with its verdict
    """

    id: str
    source: str
    check: tuple[str, ...]
    cost: str
    data: str
    status: str = ""
    reason: str = ""
    note: str = ""

    @property
    def module(self) -> str:
        return self.id.lower().replace("-", "_")

    @property
    def has_file(self) -> bool:
        return (CLAIMS / f"{self.module}.py").exists()

    def verdict(self) -> tuple[str, str]:
        """Return how things stand, and why: by the result that is kept with the code, or by the index."""
        if not self.has_file:
            return self.status, self.reason
        kept = RESULTS / f"{self.id}.json"
        if not kept.exists():
            return NOT_RUN, self.note
        try:
            result = json.loads(kept.read_text(encoding="utf-8"))
            verdict, settings = str(result["verdict"]), result["settings"]
        except (OSError, ValueError, KeyError, TypeError):
            return NOT_RUN, "the result that is kept is damaged"
        if plain(settings) != plain(load(self).settings):
            return NOT_RUN, "the settings have changed since the result that is kept"
        return verdict, self.note


@cache
def rows() -> tuple[Row, ...]:
    """Return the index, in the order of the papers.

    Raises
    ------
    UserError
        "the claims are not here"
    """
    index = CLAIMS / "index.toml"
    if not index.exists():
        raise UserError(f"the claims are not here: there is no {index}; install edgelearn from its wheel or checkout")
    tables = tomllib.loads(index.read_text(encoding="utf-8"))
    return tuple(Row(id=id, **{**table, "check": tuple(table["check"])}) for id, table in tables.items())


def row_of(id: str) -> Row:
    """Return the row of an id, in any case.

    Raises
    ------
    UserError
        "claim 'ID' is not known ..."
    """
    by_name = {row.id.lower(): row for row in rows()}
    name = id.strip().lower()
    if name not in by_name:  # 85 names are too many for `errors.unknown`
        near = difflib.get_close_matches(name, by_name, n=1)
        hint = f" Did you mean '{by_name[near[0]].id}'?" if near else ""
        raise UserError(f"claim '{id}' is not known; `edgelearn reproduce list` shows all {len(rows())}.{hint}")
    return by_name[name]


def load(row: Row) -> Claim:
    """Return the claim of a row from its file.

    Raises
    ------
    UserError
        "ID cannot be run ..." where there is no file
    """
    if not row.has_file:
        status = row.status if row.status == "not yet" else f"it is {row.status}"
        raise UserError(f"{row.id} cannot be run ({status}): {row.reason}; see `edgelearn reproduce list`")
    _reach_experiments()
    claim = importlib.import_module(f"experiments.claims.{row.module}").CLAIM
    assert isinstance(claim, Claim)
    return claim


def _reach_experiments() -> None:
    """Let `experiments` be found, here and in processes that are started, and before another folder of that name."""
    found = importlib.util.find_spec("experiments")
    if found is None or str(CLAIMS.parent) not in (found.submodule_search_locations or ()):
        sys.path.insert(0, str(CLAIMS.parents[1]))


def select(cost: str) -> list[Row]:
    """Return the claims of a cost class that have a file.

    Raises
    ------
    UserError
        "cost class 'COST' is not known ...", "no claim of cost COST can be run ..."
    """
    if cost not in COSTS:
        raise unknown("cost class", cost, COSTS)
    with_file = [row for row in rows() if row.has_file]
    selected = [row for row in with_file if row.cost == cost]
    if not selected:
        others = ", ".join(name for name in COSTS if any(row.cost == name for row in with_file))
        raise UserError(f"no claim of cost {cost} can be run; costs that have claims: {others}")
    return selected


def as_rows() -> list[dict[str, str]]:
    """Return the index as it is listed: one dictionary per claim, with its status and why."""
    listed = []
    for row in rows():
        status, why = row.verdict()
        listed.append(
            {
                "id": row.id,
                "source": row.source,
                "check": ", ".join(row.check) or "-",
                "cost": row.cost or "-",
                "data": row.data or "-",
                "status": status,
                "why": why,
            }
        )
    return listed


def as_markdown() -> str:
    """Return the index as the table of docs/reproductions.md."""
    lines = ["| id | source | check | cost | data | status |", "|---|---|---|---|---|---|"]
    for row in as_rows():
        status = f"{row['status']}: {row['why']}" if row["why"] else row["status"]
        cells = (f"`{row['id']}`", row["source"], row["check"], row["cost"], row["data"], status)
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"
