"""Compiled kernels read from the disk without numba: machine code, called with a table of addresses.

Numba takes half a second and 90 MB to start, most of it to learn how Python is compiled. A kernel that was compiled
before needs none of it: LLVM loads its machine code, and a small function passes the arguments that numba's calling
convention names. Numba is imported where there is something to compile.

Machine code is kept beside numba's own cache and belongs to the sources of the kernels, the versions of numba and
llvmlite, the processor and numba's settings; a damaged file is compiled anew. Of processes that need a kernel at the
same time, one compiles it and the others wait for its file.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import os
import platform
import secrets
import struct
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from operator import is_
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.fixedpoint.notice import announce_compilation

PACKAGE = Path(__file__).parents[1]
C_LIBRARY = {"memcpy", "memmove", "memset"}  # what machine code may call without numba
WORD = 8  # bytes
MOST_KNOWN = 64  # arguments
Kind = str | tuple[str, ...]  # of an argument, of those of a named tuple
PATIENCE = 60.0  # seconds for another process to compile a kernel
_TURN = 0.02  # seconds between two looks at its lock
_DIGITS = 16
_SETTINGS = Path(".numba_config.yaml")  # of numba, in the current folder
_MEANT = (0, -2)  # of the status that compiled functions return: done, done without a value

_kernels: dict[tuple[str, str], Kernel] = {}


class Kernel:
    """A kernel of arrays, named tuples of arrays and whole numbers that changes arrays and returns nothing.

    Parameters
    ----------
    module, name : where the function is defined with `edgelearn.fixedpoint.lanes.kernel`; imported to compile it
    """

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name
        self.dispatcher: Any = None  # of numba, once the module is imported
        self._calls: dict[tuple[Kind, ...], tuple[Callable[[bytes], int], bytes]] = {}
        self._known: dict[int, tuple[Any, Kind, bytes]] = {}  # arguments of the last calls, by their identity
        self._kept: list[Any] = []  # engines that own machine code

    def __call__(self, *arguments: Any) -> None:
        """Run the kernel; arrays are C-contiguous."""
        if interpreted():
            getattr(importlib.import_module(self.module), self.name)(*arguments)
            return
        kinds: list[Kind] = []
        words = [b""]
        for argument in arguments:
            found = self._known.get(id(argument))
            if found is not None and _are_same(found[0], argument):
                _, kind, part = found
            else:
                kind, part = _flattened(argument)
                self._remember(argument, kind, part)
            kinds.append(kind)
            words.append(part)
        key = tuple(kinds)
        if key not in self._calls:
            self._calls[key] = self._load(key, sum(map(len, words)) // WORD, arguments)
        call, words[0] = self._calls[key]
        status = call(b"".join(words))
        if status not in _MEANT:
            raise RuntimeError(f"kernel {self.name} ended with status {status}")

    @property
    def is_loaded(self) -> bool:
        """Whether machine code is there, so that a call neither reads nor compiles it."""
        return bool(self._calls) or interpreted()

    def _load(self, key: tuple[Kind, ...], n: int, arguments: tuple[Any, ...]) -> tuple[Callable[[bytes], int], bytes]:
        """Return a function that takes a table of the address of the machine code and n words, and that address."""
        path = self._path(key)
        address = self._read(path)
        if address is None:
            with _compiling_alone(path) as waited:
                if waited:
                    address = self._read(path)
                if address is None:
                    address = self._compile(path, arguments)
        engine, call = _caller(n + 1)
        self._kept.append(engine)
        return call, struct.pack("q", address)

    def _remember(self, argument: Any, kind: Kind, part: bytes) -> None:
        """Keep what an argument is passed as for the next call, without keeping its arrays."""
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        if isinstance(argument, np.ndarray):
            self._known[id(argument)] = weakref.ref(argument), kind, part
        elif isinstance(argument, tuple):
            self._known[id(argument)] = [weakref.ref(array) for array in argument], kind, part

    def _path(self, key: tuple[Kind, ...]) -> Path | None:
        folder = cache_folder()
        if folder is None:
            return None
        identity = "\n".join((_environment(), self.module, self.name, repr(key)))
        digest = hashlib.sha256(identity.encode()).hexdigest()
        return folder / f"{self.name}-{sources()[:_DIGITS]}-{digest[:_DIGITS]}.kernel"

    def _read(self, path: Path | None) -> int | None:
        """Load machine code from a file; return its address, None where there is no such file or it is damaged."""
        try:
            content = path.read_bytes() if path is not None else b""
        except OSError:
            return None
        digest, _, rest = content.partition(b"\n")
        if not rest or hashlib.sha256(rest).hexdigest().encode() != digest:
            return None
        symbol, _, code = rest.partition(b"\n")
        import llvmlite.binding as llvm

        engine = _engine(llvm.parse_assembly(""))
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
        self._kept.append(engine)
        return int(engine.get_function_address(symbol.decode())) or None

    def _compile(self, path: Path | None, arguments: tuple[Any, ...]) -> int:
        result = self.compiled_for(arguments)
        library, symbol = result.library, result.fndesc.llvm_func_name
        address = int(library.get_pointer_to_function(symbol))
        if path is not None:
            with suppress(OSError, RuntimeError):  # a full disk; code that numba has from its own cache
                code, bitcode = library.serialize_using_object_code()[2]
                if _is_complete(bitcode):
                    _write(path, symbol.encode() + b"\n" + code)
                    if PACKAGE in path.parents:  # of these sources alone
                        _remove_others(path)
        return address

    def compile(self, signature: tuple[Any, ...]) -> None:
        """Compile for types of numba, for kernels that call this one."""
        importlib.import_module(self.module)
        self.dispatcher.compile(signature)

    @property
    def overloads(self) -> Any:
        return self.dispatcher.overloads

    @property
    def nopython_signatures(self) -> Any:
        return self.dispatcher.nopython_signatures

    def compiled_for(self, arguments: tuple[Any, ...]) -> Any:
        """Return numba's result of compiling the kernel for arguments."""
        import numba

        signature = tuple(map(numba.typeof, arguments))
        self.compile(signature)
        return self.overloads[signature]


def kernel_of(module: str, name: str) -> Kernel:
    """Return a kernel by its name, without importing its module."""
    return _kernels.setdefault((module, name), Kernel(module, name))


@cache
def interpreted() -> bool:
    """Return whether kernels run as plain Python."""
    if _SETTINGS.is_file():  # numba may take it from there
        import numba

        return bool(numba.config.DISABLE_JIT)  # type: ignore[attr-defined]
    try:
        return bool(int(os.environ.get("NUMBA_DISABLE_JIT", "0")))
    except ValueError:  # numba warns and compiles
        return False


def _are_same(known: Any, argument: Any) -> bool:
    """Return whether an argument is what references refer to; another one may have got its identity."""
    if isinstance(known, list):
        arrays = [reference() for reference in known]
        return isinstance(argument, tuple) and len(arrays) == len(argument) and all(map(is_, arrays, argument))
    return known() is argument


def _flattened(argument: Any) -> tuple[Kind, bytes]:
    """Return type and words of an argument as numba passes it: of an array also its owners, which are none."""
    if isinstance(argument, np.ndarray):
        if not argument.flags.c_contiguous:
            raise TypeError(f"a kernel takes C-contiguous arrays; given {argument.dtype}{list(argument.shape)}")
        n, address = argument.ndim, argument.__array_interface__["data"][0]
        words = 0, 0, argument.size, argument.itemsize, address, *argument.shape, *argument.strides
        return f"{argument.dtype.str}{n}", _packer(n)(*words)
    if isinstance(argument, tuple):
        parts = [_flattened(part) for part in argument]
        return tuple(str(kind) for kind, _ in parts), b"".join(part for _, part in parts)
    return "i8", struct.pack("q", argument)


@cache
def _packer(dimensions: int) -> Callable[..., bytes]:
    return struct.Struct(f"{5 + 2 * dimensions}q").pack


# --- machine code


def _engine(module: Any) -> Any:
    """Return an execution engine for the processor that numba compiles for."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    target = llvm.Target.from_triple(llvm.get_process_triple())
    machine = target.create_target_machine(
        opt=1, reloc="static" if x86 else "default", codemodel="jitdefault", jit=True
    )
    return llvm.create_mcjit_compiler(module, machine)


@cache
def _caller(n_words: int) -> tuple[Any, Callable[[bytes], int]]:
    """Return an engine and its function of a table: calls the address in word 0 with the other words."""
    import llvmlite.binding as llvm
    from llvmlite import ir

    word, status = ir.IntType(64), ir.IntType(32)
    module = ir.Module("caller")
    module.triple = llvm.get_process_triple()
    function = ir.Function(module, ir.FunctionType(status, [word]), "call_table")
    builder = ir.IRBuilder(function.append_basic_block())
    table = builder.inttoptr(function.args[0], word.as_pointer())
    given = [builder.load(builder.gep(table, [word(k)])) for k in range(n_words)]
    places = [builder.ptrtoint(builder.alloca(word), word) for _ in ("result", "error")]
    kind = ir.FunctionType(status, [word] * (n_words + 1))
    builder.ret(builder.call(builder.inttoptr(given[0], kind.as_pointer()), [*places, *given[1:]]))
    engine = _engine(llvm.parse_assembly(str(module)))
    engine.finalize_object()
    address = engine.get_function_address("call_table")
    return engine, ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_char_p)(address)


def _is_complete(bitcode: bytes) -> bool:
    """Return whether code calls nothing that only numba provides."""
    import llvmlite.binding as llvm

    called = {function.name for function in llvm.parse_bitcode(bitcode).functions if function.is_declaration}
    return {name for name in called if not name.startswith("llvm.")} <= C_LIBRARY


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        temporary.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _compiling_alone(path: Path | None) -> Iterator[bool]:
    """Hold the lock of a file of machine code; gives whether another process held it first.

    The operating system releases the lock of a process that ends. Nobody waits where there are no locks: Windows, some
    network file systems, no writable folder; nor longer than `PATIENCE` for a process that is stopped.
    """
    lock = _lock_of(path)
    if lock is None:
        yield False
        return
    waited = False
    try:
        deadline = time.monotonic() + PATIENCE
        while not _is_taken(lock) and time.monotonic() < deadline:
            if not waited:
                announce_compilation()
            waited = True
            time.sleep(_TURN)
        yield waited
    finally:
        if path is not None:
            with suppress(OSError):
                path.with_suffix(".lock").unlink()  # those who wait have it open
        os.close(lock)


def _lock_of(path: Path | None) -> int | None:
    """Open the file that the lock is on, if there can be one."""
    if path is None or sys.platform == "win32":
        return None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        return None


def _is_taken(lock: int) -> bool:
    """Take a lock unless another process holds it; True also where there are no locks."""
    import fcntl

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _remove_others(path: Path) -> None:
    """Remove the machine code of earlier sources of a kernel."""
    name, current, _ = path.stem.rsplit("-", 2)
    for file in path.parent.glob(f"{name}-*{path.suffix}"):
        if not file.name.startswith(f"{name}-{current}-"):
            file.unlink(missing_ok=True)


# --- where machine code is kept, and what it belongs to


@cache
def cache_folder() -> Path | None:
    """Return where machine code is kept: NUMBA_CACHE_DIR, the package or the user; None if none is writable."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    folders = [Path(chosen) / "edgelearn"] if chosen else []
    folders.append(PACKAGE / "network" / "kernels" / "__pycache__")
    with suppress(RuntimeError):  # a user without a home
        home = Path.home()
        caches = {"darwin": home / "Library" / "Caches", "win32": home / "AppData" / "Local"}.get(sys.platform)
        folders.append(Path(os.environ.get("XDG_CACHE_HOME") or caches or home / ".cache") / "numba" / "edgelearn")
    return next((folder for folder in folders if _is_writable(folder)), None)


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True


@cache
def sources(folder: Path = PACKAGE / "network" / "kernels") -> str:
    """Return a digest of shared kernels and a folder: a function is compiled anew when one that it calls changes."""
    folders = {PACKAGE / "fixedpoint", PACKAGE / "network" / "kernels", folder}
    files = sorted(file for one in folders for file in one.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@cache
def _environment() -> str:
    """Return what machine code depends on beside its function and its arguments."""
    from importlib.metadata import version

    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    numba_settings = (f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("NUMBA_"))
    return "\n".join(
        (
            sources(),
            version("numba"),
            version("llvmlite"),
            sys.version,
            llvm.get_process_triple(),
            llvm.get_host_cpu_name(),
            features.flatten(),
            *(text for text in numba_settings if not text.startswith("NUMBA_CACHE")),
            *([_SETTINGS.read_text(errors="replace")] if _SETTINGS.is_file() else []),
        )
    )
