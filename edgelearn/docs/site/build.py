"""Documentation site: lays out the pages of the repository and those made from the code, and runs Sphinx on them.

    python edgelearn/docs/site/build.py OUT

writes the site to the folder OUT; a warning of Sphinx, such as a dead link, is an error.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PLACES: dict[str, str | Callable[[re.Match[str]], str]] = {  # files of the repository -> their place in the site
    r"README\.md": "index.md",
    r"(CONTRIBUTING|CHANGELOG)\.md": lambda found: f"{found[1].lower()}.md",
    r"(?:edgelearn|hw_models|firmware_sim)/docs/(?!site/)(.+)": r"\1",
    r"experiments/results/reproduce/([\w-]+\.png)": r"reproductions/\1",
}
EXTRA = "experiments/studies/*/report.html"  # whole pages, copied as they are
LINK = re.compile(r"(?P<text>\[(?:[^\[\]]|\[[^\]]*\])*\])\((?P<target>[^)\s]+)\)")
BLOCK = re.compile(r"^ *```.*?^ *```", re.M | re.S)


def navigation() -> dict[str, list[str]]:
    """Return the pages of each section, without the ending .md."""
    return tomllib.loads((HERE / "pages.toml").read_text(encoding="utf-8"))


def place_of(path: str) -> str | None:
    """Return the place in the site of a file of the repository; None if it has none."""
    for pattern, place in PLACES.items():
        if found := re.fullmatch(pattern, path):
            return place(found) if callable(place) else found.expand(place)
    return None


def sources() -> dict[str, str]:
    """Return the files of the repository in the site, by place.

    Raises
    ------
    ValueError
        two files have one place
    """
    found: dict[str, str] = {}
    for pattern in ("*.md", "*/docs/**/*.*", "experiments/results/reproduce/*.png"):
        for file in sorted(ROOT.glob(pattern)):
            path = file.relative_to(ROOT).as_posix()
            place = place_of(path)
            if place in found:
                raise ValueError(f"{path} and {found[place]} have one place in the site; rename one")
            if place is not None and file.is_file():
                found[place] = path
    return found


def made() -> dict[str, Callable[[], str]]:
    """Return the pages that are made from the code, by place."""
    from edgelearn.cli import reference_pages

    return {
        "commands.md": reference_pages.commands,
        "api.md": reference_pages.api,
        "processor_files.md": reference_pages.processor_files,
        "gallery.md": lambda: reference_pages.gallery(ROOT),
    }


def relinked(markdown: str, path: str) -> str:
    """Return the text of a file with links as the site has them; files that are not in the site lose their link.

    Parameters
    ----------
    path : of the file in the repository
    """
    return "".join(
        part if is_code else LINK.sub(lambda found: _link(found, path), part) for part, is_code in _parts(markdown)
    )


def _parts(markdown: str) -> Iterator[tuple[str, bool]]:
    """Yield the text outside and inside of code blocks."""
    end = 0
    for found in BLOCK.finditer(markdown):
        yield markdown[end : found.start()], False
        yield found[0], True
        end = found.end()
    yield markdown[end:], False


def _link(found: re.Match[str], path: str) -> str:
    name, mark, anchor = found["target"].partition("#")
    if not name or re.match(r"[a-z]+:", name):
        return found[0]
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
    place = place_of(target)
    if place is None:
        return found["text"][1:-1] if (ROOT / target).exists() else found[0]
    here = posixpath.dirname(place_of(path) or "")
    return f"{found['text']}({posixpath.relpath(place, here or '.')}{mark}{anchor})"


def lay_out(folder: Path) -> None:
    """Write the pages, their pictures and the navigation to a folder."""
    for place, path in sources().items():
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if place.endswith(".md"):
            target.write_text(relinked((ROOT / path).read_text(encoding="utf-8"), path), encoding="utf-8")
        else:
            shutil.copy(ROOT / path, target)
    for place, page in made().items():
        (folder / place).write_text(page(), encoding="utf-8")
    for page_file in ROOT.glob(EXTRA):
        target = folder / "extra/studies" / page_file.parent.name / page_file.name
        target.parent.mkdir(parents=True)
        shutil.copy(page_file, target)
    shutil.copy(HERE / "conf.py", folder)
    shutil.copytree(HERE / "static", folder / "static")
    with (folder / "index.md").open("a", encoding="utf-8") as file:
        for section, pages in navigation().items():
            file.write("\n".join(["", "```{toctree}", ":hidden:", f":caption: {section}", "", *pages, "```", ""]))


def main(out: Path) -> int:
    """Build the site; return the exit code of Sphinx."""
    with tempfile.TemporaryDirectory() as folder:
        lay_out(Path(folder))
        command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-E", "-d", f"{folder}/.doctrees"]
        return subprocess.run([*command, folder, str(out)], check=False).returncode


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    raise SystemExit(main(Path(sys.argv[1])))
