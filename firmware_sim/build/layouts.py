"""Layouts of an emitted package: the folders and manifests that build systems of firmware expect.

A package is made in the layout of `make`; the others move its files and add manifests. Sources stay as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edgelearn.errors import unknown
from edgelearn.files import write_text

VERSION = "1.0.0"  # of a package; raise it in the manifest with what changes
Files = dict[str, str]


@dataclass(frozen=True)
class Package:
    """What manifests say of a network.

    Parameters
    ----------
    prefix : of names and files
    summary : one sentence, e.g. "64-32-10, rule drtp, 8-bit weights"
    state : what the self-test takes: "learner", or "stream" where a front end stands before it
    """

    prefix: str
    summary: str
    state: str = "learner"

    @property
    def name(self) -> str:
        return f"{self.prefix}_network"


def of(files: Mapping[str, str], folder: str) -> Files:
    """Return the files right under a folder, by their own names."""
    return {name.partition("/")[2]: text for name, text in files.items() if name.startswith(f"{folder}/")}


def _sources(files: Mapping[str, str], *folders: str) -> list[str]:
    """Return paths of C sources in their order of names."""
    return sorted(n for n in files if n.endswith(".c") and PurePosixPath(n).parts[0] in folders)


def make(files: Files, package: Package) -> Files:
    """Keep a Makefile."""
    return files


def _without_makefile(files: Files) -> Files:
    return {name: text for name, text in files.items() if name != "Makefile"}


def cmake(files: Files, package: Package) -> Files:
    """Add a CMake project: a static library, and the self-test as a test of CTest."""
    library, p = "\n    ".join(_sources(files, "src")), package.prefix
    tests = "\n    ".join(_sources(files, "test"))
    text = f"""# cmake -B build && cmake --build build && ctest --test-dir build
cmake_minimum_required(VERSION 3.21)
project({package.name} VERSION {VERSION} LANGUAGES C)

add_library({package.name} STATIC
    {library})
target_include_directories({package.name} PUBLIC include)
set_target_properties({package.name} PROPERTIES C_STANDARD 99 C_STANDARD_REQUIRED ON)

if(PROJECT_IS_TOP_LEVEL OR {p.upper()}_SELFTEST)
    enable_testing()
    add_executable({p}_selftest
        {tests})
    target_include_directories({p}_selftest PRIVATE test)
    target_link_libraries({p}_selftest PRIVATE {package.name})
    add_test(NAME {p}_selftest COMMAND {p}_selftest)
endif()
"""
    return _without_makefile(files) | {"CMakeLists.txt": text}


def arduino(files: Files, package: Package) -> Files:
    """Make a library of the Arduino IDE: all sources in src/, the self-test as an example sketch."""
    moved = {f"src/{name}": text for folder in ("include", "src") for name, text in of(files, folder).items()}
    tests = {name: text for name, text in of(files, "test").items() if name != "main.c"}
    sketch = f"""/* Open the serial monitor at 115200 baud. */
#include "{package.prefix}_selftest.h"

static {package.prefix}_{package.state} net;

void setup()
{{
    Serial.begin(115200);
    while (!Serial) {{
    }}
    Serial.println({package.prefix}_selftest(&net) ? "equal to the simulator" : "NOT equal to the simulator");
}}

void loop()
{{
}}
"""
    properties = {
        "name": package.name,
        "version": VERSION,
        "author": "generated",
        "maintainer": "generated",
        "sentence": "A network that learns on the board.",
        "paragraph": f"{package.summary}.",
        "category": "Data Processing",
        "url": "https://arduino.github.io/arduino-cli/latest/library-specification/",
        "architectures": "*",
        "includes": f"{package.prefix}_{package.state}.h",
    }
    example = "examples/SelfTest"
    rest = {name: text for name, text in _without_makefile(files).items() if "/" not in name}
    return (
        rest
        | moved
        | {f"{example}/{name}": text for name, text in tests.items()}
        | {f"{example}/SelfTest.ino": sketch}
        | {f"extras/{name}": text for name, text in of(files, "example").items()}
        | {"library.properties": "".join(f"{key}={value}\n" for key, value in properties.items())}
    )


def platformio(files: Files, package: Package) -> Files:
    """Make a library of PlatformIO, with the self-test as an example."""
    manifest = {
        "name": package.name,
        "version": VERSION,
        "description": f"A network that learns on the board: {package.summary}",
        "keywords": ["learning", "neural network", "integer"],
        "frameworks": "*",
        "platforms": "*",
        "headers": f"{package.prefix}_{package.state}.h",
        "examples": [{"name": "SelfTest", "base": "examples/SelfTest", "files": sorted(of(files, "test"))}],
        "build": {"includeDir": "include", "srcDir": "src"},
    }
    kept = {name: text for name, text in _without_makefile(files).items() if not name.startswith("test/")}
    examples = {f"examples/SelfTest/{name}": text for name, text in of(files, "test").items()}
    return kept | examples | {"library.json": json.dumps(manifest, indent=2) + "\n"}


def zephyr(files: Files, package: Package) -> Files:
    """Make a module of Zephyr, switched on by a Kconfig option, and the self-test as a sample."""
    option, p = f"{package.prefix.upper()}_NETWORK", package.prefix
    sources = "\n".join(f"    zephyr_library_sources({name})" for name in _sources(files, "src"))
    tests = [name for name in _sources(files, "test") if not name.endswith("main.c")]
    module = f"name: {package.name}\nbuild:\n  cmake: .\n  kconfig: Kconfig\n"
    text = f"""if(CONFIG_{option})
    zephyr_library_named({package.name})
{sources}
    zephyr_include_directories(include)
endif()
"""
    kconfig = f'config {option}\n    bool "Network that learns: {package.summary}"\n'
    main = f"""#include <zephyr/sys/printk.h>

#include "{p}_selftest.h"

static {p}_{package.state} net;

int main(void)
{{
    printk("%s\\n", {p}_selftest(&net) ? "equal to the simulator" : "NOT equal to the simulator");
    return 0;
}}
"""
    sample = f"""# west build -b BOARD samples/selftest -- -DZEPHYR_EXTRA_MODULES=$PWD
cmake_minimum_required(VERSION 3.20)
find_package(Zephyr REQUIRED HINTS $ENV{{ZEPHYR_BASE}})
project({p}_selftest LANGUAGES C)
target_sources(app PRIVATE src/main.c {" ".join("../../" + name for name in tests)})
target_include_directories(app PRIVATE ../../test)
"""
    return _without_makefile({name: one for name, one in files.items() if name != "test/main.c"}) | {
        "zephyr/module.yml": module,
        "CMakeLists.txt": text,
        "Kconfig": kconfig,
        "samples/selftest/CMakeLists.txt": sample,
        "samples/selftest/prj.conf": f"CONFIG_{option}=y\nCONFIG_PRINTK=y\n",
        "samples/selftest/src/main.c": main,
    }


def esp_idf(files: Files, package: Package) -> Files:
    """Make a component of ESP-IDF, with the self-test as an example project."""
    p = package.prefix
    sources = " ".join(f'"{name}"' for name in _sources(files, "src"))
    tests = {name: text for name, text in of(files, "test").items() if name != "main.c"}
    main = f"""#include <stdio.h>

#include "{p}_selftest.h"

static {p}_{package.state} net;

void app_main(void)
{{
    puts({p}_selftest(&net) ? "equal to the simulator" : "NOT equal to the simulator");
}}
"""
    own = " ".join(f'"{name}"' for name in sorted((*(n for n in tests if n.endswith(".c")), "main.c")))
    example = "examples/selftest"
    return {name: text for name, text in _without_makefile(files).items() if not name.startswith("test/")} | {
        "CMakeLists.txt": f'idf_component_register(SRCS {sources} INCLUDE_DIRS "include")\n',
        "idf_component.yml": f'version: "{VERSION}"\ndescription: "A network that learns on the board: '
        f'{package.summary}"\ntargets:\n  - esp32\n  - esp32c3\n  - esp32s3\n',
        f"{example}/CMakeLists.txt": "cmake_minimum_required(VERSION 3.16)\n"
        'set(EXTRA_COMPONENT_DIRS "../..")\ninclude($ENV{IDF_PATH}/tools/cmake/project.cmake)\n'
        f"project({p}_selftest)\n",
        f"{example}/main/CMakeLists.txt": f'idf_component_register(SRCS {own} INCLUDE_DIRS ".")\n',
        f"{example}/main/main.c": main,
        **{f"{example}/main/{name}": text for name, text in tests.items()},
    }


LAYOUTS: dict[str, Callable[[Files, Package], Files]] = {
    "make": make,
    "cmake": cmake,
    "arduino": arduino,
    "platformio": platformio,
    "zephyr": zephyr,
    "esp-idf": esp_idf,
}

TRIES = {  # what to do with a package, by layout
    "make": "make -C {folder} && {folder}/selftest",
    "cmake": "cmake -S {folder} -B build && cmake --build build && ctest --test-dir build",
    "arduino": "copy {folder} into the libraries of the Arduino IDE and open the example SelfTest",
    "platformio": "pio pkg pack {folder}, or name it in lib_deps of platformio.ini",
    "zephyr": "west build -b BOARD {folder}/samples/selftest -- -DZEPHYR_EXTRA_MODULES=$PWD/{folder}",
    "esp-idf": "idf.py -C {folder}/examples/selftest build",
}


def find_layout(name: str) -> Callable[[Files, Package], Files]:
    """Return a layout by its name.

    Raises
    ------
    UserError
        "layout '...' is not known; ..."
    """
    if name not in LAYOUTS:
        raise unknown("layout", name, LAYOUTS)
    return LAYOUTS[name]


def _told(readme: str, files: Files, layout: str) -> str:
    """Return a README that names files where they are in a layout, and its own way to build."""
    places: dict[str, str] = {}
    for name in files:
        places.setdefault(PurePosixPath(name).name, name)

    def moved(match: re.Match[str]) -> str:
        path = match[1]
        if path.endswith("/"):
            known = sorted(n for n in files if PurePosixPath(n).name.endswith("_selftest.c"))
            return f"`{PurePosixPath(known[0]).parent}/`" if path == "test/" and known else match[0]
        return f"`{places.get(PurePosixPath(path).name, path) if path not in files else path}`"

    told = re.sub(r"`((?:include|src|test|example)/[\w./-]*)`", moved, readme)
    return told.replace("`make && ./selftest` on a desk", f"`{TRIES[layout].format(folder='.')}`".replace("./.", "."))


def lay_out(folder: Path, written: Iterable[Path], layout: str, package: Package) -> list[Path]:
    """Turn a package in the layout of `make` into another layout, in place; return its files."""
    texts = {path.relative_to(folder).as_posix(): path.read_text() for path in written}
    new = find_layout(layout)(dict(texts), package)
    if layout != "make":
        new = {name: _told(text, new, layout) if name == "README.md" else text for name, text in new.items()}
    for name in texts.keys() - new.keys():
        (folder / name).unlink()
    for name, text in new.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_text(folder / name, text)
    for part in sorted({(folder / name).parent for name in texts}, reverse=True):
        if part != folder and part.is_dir() and not any(part.iterdir()):
            part.rmdir()
    return sorted(folder / name for name in new)
