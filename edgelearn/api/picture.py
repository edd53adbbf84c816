"""A figure of a result: shown by notebooks, kept by `save`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cached_property
from os import PathLike
from pathlib import Path


class Picture:
    """A figure that a notebook shows as SVG.

    Parameters
    ----------
    draw : writes the figure into a file that ends in .png, .svg or .pdf

    Notes
    -----
    Same result, same bytes, as those of the command's `--plot`. Needs matplotlib, the extra `plot`.
    """

    def __init__(self, draw: Callable[[Path], None]) -> None:
        self._draw = draw
        _ = self.svg  # a mistake is said where the figure is asked for, and not where it is shown

    @cached_property
    def svg(self) -> str:
        """The figure as SVG text."""
        with tempfile.TemporaryDirectory(prefix="edgelearn-") as folder:
            path = Path(folder) / "figure.svg"
            self._draw(path)
            return path.read_text(encoding="utf-8")

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the figure and return its path.

        Parameters
        ----------
        path : ends in .png, .svg or .pdf

        Raises
        ------
        UserError
            "plot file ...", "cannot write ..."
        """
        self._draw(Path(path))
        return Path(path)

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<figure, {len(self.svg):,} bytes of SVG; .save(path) writes a .png, .svg or .pdf>"


def picture(draw: Callable[[Path], None], path: str | PathLike[str] | None) -> Picture:
    """Return a figure, also written to `path` where that is given."""
    made = Picture(draw)
    if path is not None:
        made.save(path)
    return made
