"""Published traces: metadata and local files."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from edgelearn.branch.traces.npz import Arrays
from edgelearn.data.compressed import SUFFIXES
from edgelearn.data.downloads import DATA_VARIABLE, data_folders
from edgelearn.errors import UserError, unknown

FOLDER = "branch_traces"
FORMS = (".npz", ".csv", ".tsv", ".txt", ".trace", ".bt9", ".champsimtrace", ".champsim")


class Published(NamedTuple):
    """Metadata of a published trace: origin, unused address bits, branches and instructions.

    Parameters
    ----------
    source : one line for a report; pc_shift : bits
    branches : conditional branches of the whole trace; instructions : of the whole trace, None where not known
    """

    source: str
    pc_shift: int
    branches: int
    instructions: int | None


_CBP1 = {
    "FP-1": (1_546_797, 29_499_978),
    "FP-2": (2_422_049, 29_499_969),
    "INT-1": (3_771_697, 29_499_978),
    "INT-2": (3_755_315, 29_499_990),
    "MM-1": (3_014_850, 29_499_970),
    "MM-2": (2_563_897, 29_499_791),
    "SERV-1": (3_811_906, 29_499_817),
    "SERV-2": (4_291_964, 29_497_759),
}
_MOBILE = {
    1: (11_917_426, 148_974_229),
    2: (51_156_196, 344_785_173),
    3: (15_893_396, 101_126_718),
    4: (16_979_121, 372_506_484),
}
_COURSE = "UCSD CSE240A, x86"
PUBLISHED = {
    **{f"DIST-{key}": Published(f"CBP-1 (2004) {key}, x86", 0, *counts) for key, counts in _CBP1.items()},
    # The traces of the course are those of CBP-1, branch for branch.
    **{
        key.lower().replace("-", "_"): Published(f"{_COURSE}; the branches of CBP-1 {key}", 0, *counts)
        for key, counts in _CBP1.items()
        if not key.startswith("SERV")
    },
    **{name: Published(f"{_COURSE}, {name}", 0, 10_000_000, None) for name in ("lbm", "parest", "x264")},
    **{
        name: Published(f"CBP-2016 SHORT_MOBILE-{key}, AArch64", 2, *counts)
        for key, counts in _MOBILE.items()
        for name in (f"SM{key}", f"SHORT_MOBILE-{key}")
    },
    "C25int": Published("CBP2025 sample, int, AArch64", 2, 128_874, 997_297),
    "C25fp": Published("CBP2025 sample, fp, AArch64", 2, 111_265, 997_728),
}
# Packed files that count every branch twice: what they say, and what is true.
COUNTED_TWICE = {"C25int": (1_179_174, 997_297), "C25fp": (1_146_449, 997_728)}


def name_of(path: Path) -> str:
    """Return the name of a trace: that of its file, without what tells its form.

    Example
    -------
    >>> name_of(Path("SHORT_MOBILE-1.bt9.trace.gz"))
    'SHORT_MOBILE-1'
    """
    name = path.name
    while True:
        suffix = Path(name).suffix
        if suffix.lower() not in (*SUFFIXES, *FORMS) or suffix == name:
            return name
        name = name.removesuffix(suffix)


def _files() -> dict[str, Path]:
    """Return the file of each trace on this machine: arrays before other forms, folders in their order."""
    found: dict[str, Path] = {}
    for root in data_folders():
        for folder in (root / FOLDER, *([root] if root.name == FOLDER else [])):
            try:
                paths = sorted(path for path in folder.iterdir() if path.is_file() and path.name[0] != ".")
            except OSError:
                continue
            for path in sorted(paths, key=lambda path: ".npz" not in path.suffixes):
                if any(suffix.lower() in (*SUFFIXES, *FORMS) for suffix in path.suffixes):
                    found.setdefault(name_of(path), path)
    return found


def find_trace(name: str) -> Path:
    """Find the file of a trace by its name, in any case of its letters.

    Raises
    ------
    UserError : "trace 'NAME' is not known ...", "trace 'NAME' was not found ..."
    """
    files = _files()
    if not files:
        raise UserError(
            f"trace '{name}' was not found; give the path of a file, or name the folder that holds {FOLDER}/ "
            f"in the variable {DATA_VARIABLE}"
        )
    for known, path in files.items():
        if known.lower() == name.lower():
            return path
    raise unknown("trace", name, files)


def trace_names() -> dict[str, int | None]:
    """List the traces below `branch_traces/` in the folders of EDGELEARN_DATA, with their branches.

    Returns
    -------
    {name: conditional branches}, None where only reading the trace would tell.
    """
    counts: dict[str, int | None] = {}
    for name, path in sorted(_files().items()):
        if ".npz" in path.suffixes:
            try:
                counts[name] = Arrays(path).n
            except UserError:
                counts[name] = None
        else:
            counts[name] = PUBLISHED[name].branches if name in PUBLISHED else None
    return counts
