"""Files of text tables as groups of lines, and their titles."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path

from edgelearn.data.cells import MAX_LINE, Reject, separator_of, split_cells
from edgelearn.data.text_files import open_text

SUFFIXES = (".csv", ".tsv")
CHUNK = 1 << 18  # bytes read at a time
HEAD = 64  # lines of a file that may decide what the columns are


def line_chunks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Give the bytes of a file, lines ended by a line feed."""
    chunk = read(CHUNK)
    ends = b"\r" if b"\r" in chunk and b"\n" not in chunk else b"\n"  # of old spreadsheets
    while chunk:
        yield chunk if ends == b"\n" else chunk.replace(b"\r", b"\n")
        chunk = read(CHUNK)


def titles_of(path: Path) -> list[str]:
    """Give the cells of the first row of a file, in lower case; OSError passes."""
    with open_text(path) as file:
        for lines, _ in grouped(line_chunks(file.read), HEAD):
            for line in lines:
                text = line[:MAX_LINE].decode("utf-8-sig", errors="replace")
                if text.strip() and text[0] != "#":
                    return titles_in(text)[1]
    return []


def titles_in(text: str) -> tuple[str, list[str]]:
    """Give the separator of a header and its titles, in lower case; none where its quotes make no cells."""
    with contextlib.suppress(Reject):
        separator = separator_of([text])
        return separator, [cell.strip().lower() for cell in split_cells(text, separator)]
    return "", []


def grouped(chunks: Iterable[bytes], n_lines: int) -> Generator[tuple[list[bytes], bool], None, None]:
    """Give lines as they come, `n_lines` at most, and whether the last one has no end."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for first in range(0, len(lines), n_lines):
            yield lines[first : first + n_lines], False
        rest = rest[: MAX_LINE + 1]  # enough to see that it is too long
    if rest:
        yield [rest], True


_QUOTED = re.compile(rb'(^|[\t;,|]|(?<=") )\s*"(?:[^"]|"")*"')
_OPEN = re.compile(rb'(^|[\t;,|])\s*"')


def whole_rows(groups: Iterable[tuple[list[bytes], bool]]) -> Iterator[list[bytes]]:
    """Join the lines of a quoted cell; as many blank lines behind it keep the numbers of the lines below."""
    held: list[bytes] = []
    for lines, _ in groups:
        if not held and b'"' not in b"".join(lines):
            yield lines
            continue
        rows: list[bytes] = []
        for line in lines:
            if held or (b'"' in line and line[:1] not in (b"#", b"{", b"[")):
                held.append(line)
                if b'"' not in line or _OPEN.search(_QUOTED.sub(rb"\1", b"\n".join(held))):
                    continue
                rows += [b"\n".join(held), *[b""] * (len(held) - 1)]
                held = []
            else:
                rows.append(line)
        if rows:
            yield rows
    if held:
        yield [b"\n".join(held), *[b""] * (len(held) - 1)]
