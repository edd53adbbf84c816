"""Page of a study as one self-contained HTML file, and its tables as Markdown."""

from __future__ import annotations

import json
from typing import Any

from edgelearn.errors import UserError, install
from edgelearn.studies.formatting import NOTHING, Number
from edgelearn.studies.page_data import Contents, measured_where, with_fewer, without_cells
from edgelearn.studies.page_tables import Column, Table

MOST_BYTES = 2_900_000  # of a page that can be sent; above, all cells are left to table.csv, then settings
FEWEST_SHOWN = 20  # settings that every page has


def to_html(contents: Contents) -> str:
    """Return the page: one file, no requests, the same bytes for the same study.

    Raises
    ------
    UserError
        "... needs jinja2 and bokeh ..."
    """
    try:
        from bokeh.resources import Resources
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise missing_extra(error) from None
    from edgelearn import __version__
    from edgelearn.studies.plots import plots_of

    loader = PackageLoader("edgelearn.studies", "")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.tests["number"] = lambda value: isinstance(value, Number)
    scripts = "\n".join(Resources(mode="inline", components=["bokeh"], log_level="error").js_raw)
    text = environment.get_template("page.html.j2").render(
        c=contents,
        measured_where=measured_where(contents.source),
        plots=plots_of(contents),
        choice_names=lambda plots: json.dumps([choice.name for choice in plots.choices]),
        headings={key: heading(key, contents.within) for key in (*contents.tables, "cells")},
        as_json=_as_json,
        bokeh=scripts,
        version=__version__,
    )
    if len(text.encode()) > MOST_BYTES:
        if "cells" in contents.tables:
            return to_html(without_cells(contents))
        if len(contents.shown) > FEWEST_SHOWN:
            return to_html(with_fewer(contents, max(len(contents.shown) // 2, FEWEST_SHOWN)))
    return text


def missing_extra(error: ImportError) -> UserError:
    """Return the error for a library of the extra `studies` that is not installed."""
    return UserError(f"{error.name} is not installed; studies need it: {install('studies')}")


def _as_json(value: Any) -> str:
    """Return JSON that no script element ends in."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def to_markdown(contents: Contents) -> str:
    """Return the same tables as Markdown, for an appendix; cells one by one are in table.csv."""
    source = contents.source
    lines = [f"# {_plain_line(source.title)}", ""]
    for said in contents.summary:
        words = (part.shown if isinstance(part, Number) else _escaped(part) for part in said)
        lines.append(f"- {''.join(words)}")
    lines += ["", f"Accuracy is that {measured_where(source)}; means over seeds ± half a 95 % interval (Student's t)."]
    if contents.findings:
        lines += ["", "## Findings", ""]
    for finding in contents.findings:
        lines.append(f"- {_escaped(finding.text)}")
        lines += [f"    - {_escaped(finding.remark)}"] if finding.remark else []
        lines += [f"    - rests on {_escaped(name)}: {accuracy}" for name, accuracy in finding.rows]
    for key, table in contents.tables.items():
        if key != "cells" and table.rows:
            lines += ["", f"## {_plain_line(heading(key, contents.within))}", ""]
            lines += [contents.tuning, ""] if key == "tuning" else []
            lines += _markdown_table(table)
            lines += ["", table.left_out_text] if table.left_out else []
    lines += ["", "## Settings", ""]
    lines += [f"- varied, {_plain_line(name)}: {_plain_line(values)}" for name, values in contents.varied]
    lines += [f"- fixed, {_plain_line(name)}: {_plain_line(value)}" for name, value in contents.fixed]
    lines += [
        "",
        "## To run it again",
        "",
        "    edgelearn sweep --config study.toml --out OTHER",
        "",
        "where study.toml is",
        "",
    ]
    lines += [f"    {line}".rstrip() for line in source.toml.splitlines()]
    return "\n".join(lines) + "\n"


def heading(key: str, within: float) -> str:
    """Return the heading of a table."""
    name, _, processor = key.partition("@")
    return {
        "equal": "At equal accuracy",
        "groups": "Settings: means over seeds",
        "front": f"What energy buys on {processor}",
        "bits": f"Smallest bits within {within:g} point{'s' * (within != 1)}",
        "differences": "Differences over common seeds",
        "cells": "All cells",
        "failed": "Cells that failed",
        "tuning": "How rates were chosen",
    }[name]


def _plain_line(text: Any) -> str:
    """Return text as one line that is no Markdown and no HTML."""
    return _escaped(" ".join(str(text).split()))


def _escaped(text: str) -> str:
    one_line = "".join(" " if c in "\r\n\t" else c for c in text)
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in one_line).replace("&", "&amp;")


def _markdown_table(table: Table) -> list[str]:
    def head(column: Column) -> str:
        where = f" on {column.processor}" if column.processor and table.key == "groups" else ""
        return _plain_line(f"{column.title}{where}{f', {column.unit}' if column.unit else ''}")

    def cell(value: Number | str | None, column: Column) -> str:
        if not isinstance(value, Number):
            return NOTHING if value is None else _plain_line(value)
        return value.text if column.spread else value.shown

    lines = [f"| {' | '.join(head(column) for column in table.columns)} |"]
    lines.append(f"|{'|'.join('--:' if column.numeric else ':--' for column in table.columns)}|")
    lines += [
        f"| {' | '.join(cell(*pair) for pair in zip(row.cells, table.columns, strict=True))} |" for row in table.rows
    ]
    return lines
