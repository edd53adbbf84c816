"""The page docs/settings.md from the fields of the settings; `python -m edgelearn.cli.settings_page` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgelearn.cli.flags import declared_in

PAGE = Path(__file__).parents[1] / "docs/settings.md"
COMMANDS = {
    "RunConfig": ("edgelearn run", "rate networks; `validate`, `cost`, `sweep` and `firmware` take a part of them"),
    "SpikingConfig": ("edgelearn run --spiking", "spiking networks; `validate --against brian2` takes them as well"),
    "StreamConfig": ("edgelearn stream", "rate networks on a stream"),
    "BranchSettings": ("edgelearn branch", "branch predictors"),
}
HEAD = """# Settings

Every setting is a flag of the command line and a key of a TOML file given with `--config`; flags take precedence over
the file. The default is in brackets where it is a description rather than a value.

This page is written by `python -m edgelearn.cli.settings_page` from the fields in `edgelearn/config.py`.
"""


def page() -> str:
    """Return the page as Markdown."""
    return "\n".join([HEAD, *_lines()]) + "\n"


def _lines() -> Iterator[str]:
    from edgelearn import config

    for kind, (command, about) in COMMANDS.items():
        settings = [declared for ((_, declared),) in declared_in([kind]).values()]
        yield f"## `{command}`: {about}\n"
        for panel in dict.fromkeys(one.panel for one in settings):
            yield f"### {panel}\n\n| key | flag | meaning, allowed values | default |\n|---|---|---|---|"
            for one in settings:
                if one.panel == panel:
                    default = f"[{one.default_text}]" if one.default is None else f"`{one.default}`"
                    yield f"| `{one.name}` | `{one.flag}` | {config.expand(one.text)} | {default} |"
            yield ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
