"""The style of all figures: colours, marks, fonts, and how they are written. Needs matplotlib, the extra `plot`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgelearn.errors import UserError, install
from edgelearn.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Colours of lines without a rule
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # of Okabe and Ito
MARKS = "osD^vP*X<>"
# Colour, mark and dashes of a rule, in every figure. Two colours are at least 16 apart in CIELAB for all kinds of
# colour blindness, and 2.2 : 1 in contrast to white; no two rules share marks or dashes.
RULE_LOOKS: dict[str, tuple[str, str, tuple[float, ...]]] = {
    "bp": ("#000000", "o", ()),
    "fa": ("#009E73", "^", (5, 1.5)),
    "dfa": ("#D55E00", "s", (3, 1.2)),
    "sdfa": ("#CC79A7", "v", (1.2, 1.2)),
    "mdfa": ("#E69F00", "P", (5, 1.5, 1.2, 1.5)),
    "local": ("#56B4E9", "X", (8, 2)),
    "signed-target": ("#7711DD", "<", (3, 1.2, 1.2, 1.2, 1.2, 1.2)),
    "drtp": ("#0072B2", "D", (7, 1.5, 3, 1.5)),
    "shallow": ("#663311", ">", (1.2, 2.4)),
}
FILLS = ("full", "none", "left", "top", "bottom", "right")  # of the marks of lines that share a colour
INK, GREY = "#222222", "#767676"
SUFFIXES = (".png", ".svg", ".pdf")
STYLE: dict[str, Any] = {
    "svg.hashsalt": "edgelearn",  # names inside an SVG do not change from run to run
    "pdf.fonttype": 42,  # text that journals accept
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.handlelength": 1.7,
    "figure.dpi": 150,
}
METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": "edgelearn"},
    ".svg": {"Creator": "edgelearn", "Date": None},
    ".pdf": {"Creator": "edgelearn", "Producer": None, "CreationDate": None},
}


def check_plot(path: Path, out: Path | None = None) -> None:
    """Refuse a picture that could not be written, before anything is learned.

    Parameters
    ----------
    out : folder that the command makes itself

    Raises
    ------
    UserError
        "plot file ...", "cannot write ...", "matplotlib is not installed ..."
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"plot file {path} must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    if not path.parent.is_dir() and path.parent != out:
        raise UserError(f"cannot write {path}: there is no folder {path.parent}; give a folder that can be written")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UserError(f"matplotlib is not installed and plots need it: {install('plot')}") from None


def line_style(number: int) -> dict[str, Any]:
    """Return colour and dashes of a line: one colour each, then the same colours dashed."""
    again, colour = divmod(number, len(COLOURS))
    return {"color": COLOURS[colour], "linestyle": "--" if again else "-", "linewidth": 1.3}


def look_of(rule: str, number: int = 0) -> dict[str, Any]:
    """Return colour, mark and dashes of a rule's line; of a name that is no rule, those of its number."""
    if rule not in RULE_LOOKS:
        return {"marker": MARKS[number % len(MARKS)], **line_style(number)}
    colour, mark, dashes = RULE_LOOKS[rule]
    return {"color": colour, "marker": mark, "linestyle": (0, dashes) if dashes else "-", "linewidth": 1.3}


@contextmanager
def drawn(path: Path, size: tuple[float, float] | None = None) -> Iterator[Figure]:
    """Give an empty figure, and write it when it was drawn: the same bytes for the same drawing.

    Parameters
    ----------
    path : ends in .png, .svg or .pdf
    size : width and height in inches; the drawing may set its own

    Raises
    ------
    UserError : those of `check_plot`
    """
    check_plot(path)
    from matplotlib import style
    from matplotlib.figure import Figure

    suffix = path.suffix.lower()
    with style.context(["default", STYLE]):
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        settle(figure)
        write_whole(path, lambda file: figure.savefig(file, format=suffix[1:], metadata=METADATA[suffix]))


def settle(figure: Figure) -> None:
    """Lay the panels out, once: the last bits of their places differ from run to run."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for ax in figure.axes:
        x, y, width, height = (round(place, 4) for place in ax.get_position().bounds)
        ax.set_position((x, y, width, height))
