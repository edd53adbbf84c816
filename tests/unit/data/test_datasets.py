"""Streams: what a data set promises, what the readers accept, and every message a user can meet."""

from __future__ import annotations

import csv
import dataclasses
import functools
import gzip
import hashlib
import http.server
import io
import operator
import os
import pickle
import re
import struct
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgelearn.data import (
    Dataset,
    datasets,
    downloads,
    fetch,
    info,
    names,
    open_dataset,
)
from edgelearn.data import (
    published as loaders,
)
from edgelearn.errors import UserError
from tests.tools import require_data

Write = Callable[[str, str], Path]
IDX_NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
per_example_files = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def fails(text: str) -> Any:
    """Expect a UserError of one line whose text contains `text`."""
    return pytest.raises(UserError, match="^[^\n]*" + re.escape(text) + "[^\n]*$")


def idx_bytes(values: np.ndarray) -> bytes:
    return bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def idx_contents(n_train: int = 12, n_test: int = 5, seed: int = 0) -> dict[str, bytes]:
    rng = np.random.default_rng(seed)
    contents = {}
    for (images, labels), n in zip((IDX_NAMES[:2], IDX_NAMES[2:]), (n_train, n_test), strict=True):
        contents[images] = gzip.compress(idx_bytes(rng.integers(0, 256, (n, 28, 28), np.uint8)))
        contents[labels] = gzip.compress(idx_bytes(rng.integers(0, 10, n, np.uint8)))
    return contents


def put(folder: Path, contents: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_text(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8", newline="")
        return path

    return write_text


@pytest.fixture
def lone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Hide the data of this machine; EDGELEARN_DATA names a new folder."""
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv("EDGELEARN_DATA", str(data))
    monkeypatch.setenv("EDGELEARN_CACHE", str(tmp_path / "cache"))
    for name, row in datasets.ROWS.items():
        monkeypatch.setitem(datasets.ROWS, name, dataclasses.replace(row, system_folders=()))
    return data


@pytest.fixture
def small(lone: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let mnist and fashion-mnist have 12 and 5 samples, made by `idx_contents` of seed 0 and 1."""
    for seed, name in enumerate(("mnist", "fashion-mnist")):
        labels = label_bytes(idx_contents(seed=seed)[IDX_NAMES[3]])
        monkeypatch.setitem(
            datasets.ROWS,
            name,
            dataclasses.replace(
                datasets.ROWS[name],
                n_train=12,
                n_test=5,
                test_labels_sha256=hashlib.sha256(labels).hexdigest(),
            ),
        )
    return lone


def label_bytes(content: bytes) -> bytes:
    return gzip.decompress(content)[8:]


# --- Dataset --------------------------------------------------------------------------------------------------


def tiny(**changes: Any) -> Dataset:
    fields: dict[str, Any] = {
        "name": "tiny",
        "train_x": np.arange(8, dtype=np.uint8).reshape(4, 2),
        "train_y": np.array([0, 1, 1, 0]),
        "test_x": np.zeros((1, 2), np.uint8),
        "test_y": np.array([1]),
        "low": 0,
        "high": 256,
        "class_names": ("a", "b"),
        "source": "made here",
    }
    return Dataset(**{**fields, **changes})


def test_a_data_set_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        tiny().name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"class_names": ("a",)}, "data set 'tiny': has 1 class(es); a classifier needs at least 2"),
        ({"train_x": np.zeros(4, np.uint8)}, "train_x has shape [4]; give [n_samples, n_features]"),
        ({"train_x": np.zeros((4, 0), np.uint8)}, "train_x has shape [4, 0]; give"),
        ({"train_x": np.zeros((4, 2))}, "train_x is float64; give uint8 or float32"),
        ({"train_x": np.zeros((3, 2), np.uint8)}, "train_x has 3 samples and train_y 4 labels"),
        ({"train_y": np.zeros(4, np.int32)}, "train_y is int32 [4]; give int64 [n_samples]"),
        ({"test_y": np.zeros((1, 1), np.int64)}, "test_y is int64 [1, 1]; give int64 [n_samples]"),
        ({"train_y": np.array([0, 1, 2, 0])}, "train_y has labels out of range (0 to 2); give 0 to 1"),
        ({"test_y": np.array([-1])}, "test_y has labels out of range (-1 to -1); give 0 to 1"),
        (
            {"train_x": np.float32([[0, 1], [np.inf, 1], [0, 1], [1, 0]])},
            "train_x[1, 0] is inf; give finite values, or NaN for none",
        ),
        (
            {"train_x": np.zeros((0, 2), np.uint8), "train_y": np.zeros(0, np.int64)},
            "has no training samples; give at least 1",
        ),
        ({"test_x": np.zeros((1, 3), np.uint8)}, "test_x has 3 features; train_x has 2"),
        ({"test_x": np.zeros((1, 2), np.float32)}, "test_x is float32; train_x is uint8; give the same"),
        (
            {"low": np.zeros(3, np.float32)},
            "low has shape [3] or is not finite; give one finite number or [2]",
        ),
        ({"high": np.inf}, "high has shape [] or is not finite"),
        ({"low": 300}, "low is above high; give a range with low <= high"),
    ],
)
def test_dataset_refuses(changes: dict[str, Any], text: str) -> None:
    with fails(text):
        tiny(**changes)


def test_dataset_allows_an_empty_test_part() -> None:
    data = tiny(test_x=np.zeros((0, 2), np.uint8), test_y=np.zeros(0, np.int64))
    assert len(data.test_y) == 0


# --- importing, names, digits ------------------------------------------------------------------------------


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_importing_streams_and_opening_digits_imports_no_heavy_package() -> None:
    code = (
        "import sys, edgelearn.data as s; s.open_dataset('digits'); "
        "print([m for m in ('sklearn', 'pooch', 'requests', 'scipy', 'pandas', 'numba') if m in sys.modules])"
    )
    assert run_python(code) == "[]"


def test_names_and_unknown_names() -> None:
    assert names() == ["digits", "mnist", "fashion-mnist", "cifar10"]
    with fails("data set 'mnsit' is not known; known: cifar10, digits, fashion-mnist, mnist. Did you mean 'mnist'?"):
        open_dataset("mnsit")
    with fails("Own files end in .csv, .tsv or .npz."):
        open_dataset("something")
    with fails("Did you mean 'cifar10'?"):
        info("cifar-10")
    with fails("Did you mean 'digits'?"):
        fetch("digit")


def test_digits_equal_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    path = loaders.digits_file()
    assert path is not None
    for mine_x, mine_y in (loaders.read_digits(path), loaders.read_digits(None)):
        assert mine_x.dtype == np.uint8
        assert mine_y.dtype == np.int64
        assert np.array_equal(mine_x, x)
        assert np.array_equal(mine_y, y)


def test_digits_fall_back_where_the_table_is_not_the_known_one(tmp_path: Path) -> None:
    for content in (b"1,2,3\n", b"a,b\n", b"\xff\n"):
        odd = tmp_path / "digits.csv.gz"
        odd.write_bytes(gzip.compress(content))
        assert loaders.read_digits(odd)[0].shape == (1797, 64)


def test_digits_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with fails("data set 'digits' needs scikit-learn; run `pip install scikit-learn`"):
        loaders.read_digits(None)


def test_digits_split_is_fixed() -> None:
    np.random.seed(7)
    data = open_dataset("digits")
    x, y = loaders.read_digits(loaders.digits_file())
    order = np.random.default_rng(0).permutation(1797)
    assert data.train_x.shape == (1437, 64)
    assert data.test_x.shape == (360, 64)
    assert np.array_equal(data.train_x, x[order[:1437]])
    assert np.array_equal(data.test_y, y[order[1437:]])
    assert (data.low, data.high) == (0, 16)
    assert data.class_names == tuple("0123456789")
    assert data.train_x.max() == 16


def test_limit_keeps_the_first_samples_of_both_parts() -> None:
    full, cut = open_dataset("digits"), open_dataset("digits", limit=400)
    assert np.array_equal(cut.train_x, full.train_x[:400])
    assert np.array_equal(cut.test_x, full.test_x)
    assert len(open_dataset("digits", limit=7).test_y) == 7
    assert len(open_dataset("digits", limit=10**9).train_y) == 1437
    assert cut.train_x.base is None
    with fails("limit 0 is out of range; give 1 sample or more"):
        open_dataset("digits", limit=0)


def test_named_sets_take_no_table_settings() -> None:
    with fails("data set 'digits' has its own labels; leave label_column out"):
        open_dataset("digits", label_column="y")
    with fails("data set 'digits' has its own test part; leave test_fraction out"):
        open_dataset("digits", test_fraction=0.3)


# --- idx ---------------------------------------------------------------------------------------------------


@per_example_files
@given(
    values=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=3, max_side=6)),
    form=st.sampled_from(("plain", "gzip", "two gzip members")),
)
def test_idx_round_trip(tmp_path: Path, values: np.ndarray, form: str) -> None:
    raw = idx_bytes(values)
    cut = len(raw) // 2
    packed = {
        "plain": raw,
        "gzip": gzip.compress(raw),
        "two gzip members": gzip.compress(raw[:cut]) + gzip.compress(raw[cut:]),
    }
    path = tmp_path / "values.gz"
    path.write_bytes(packed[form])
    back = loaders.read_idx(path, values.ndim)
    assert back.dtype == np.uint8
    assert np.array_equal(back, values)
    assert back.flags.writeable


@per_example_files
@given(cut=st.integers(0, 10_000), form=st.sampled_from(("plain", "gzip")))
def test_every_cut_of_an_idx_file_is_one_clear_error(tmp_path: Path, cut: int, form: str) -> None:
    raw = idx_bytes(np.random.default_rng(3).integers(0, 256, (9, 28, 28), np.uint8))
    content = gzip.compress(raw) if form == "gzip" else raw
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(content[: cut % len(content)])
    with fails("; download it again"):
        loaders.read_idx(path, 3)


def test_idx_faults(tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte.gz"
    raw = idx_bytes(np.zeros((60_000, 28, 28), np.uint8))

    def expect(content: bytes, text: str) -> None:
        path.write_bytes(content)
        with fails(text):
            loaders.read_idx(path, 3)

    expect(gzip.compress(raw[:123]), "train-images-idx3-ubyte.gz promises 47040016 bytes, more than it can hold")
    whole = gzip.compress(raw[: 1 << 20])
    expect(whole + gzip.compress(raw[1 << 20 : -1]), "holds 47040015 of 47040016 bytes; download it again")
    expect(gzip.compress(raw + b"!"), "holds more than the 47040016 bytes that its header promises; download")
    expect(b"", "train-images-idx3-ubyte.gz is empty (0 bytes); download it again")
    expect(gzip.compress(b""), "is empty (0 bytes); download it again")
    expect(raw[:7], "holds 7 of 16 bytes of its header; download it again")
    expect(b"<html>not found", "is not an idx file of 3 dimension(s) (starts with 3c68746d, not 00000803)")
    expect(idx_bytes(np.zeros(5, np.uint8)), "(starts with 00000801, not 00000803); download it again")
    small_raw = idx_bytes(np.arange(200, dtype=np.uint8).reshape(2, 10, 10))
    packed = gzip.compress(small_raw)
    expect(packed[:-8], "lacks the checksum at its end; download it again")
    expect(packed[:-8] + b"\0\0\0\0" + packed[-4:], "is damaged (gzip: ")
    expect(packed + b"tail", "is damaged (gzip: Not a gzipped file")
    expect(packed[:100], " of 216 bytes; download it again")
    path.unlink()
    with fails("cannot be read (No such file or directory); check the path and its permissions"):
        loaders.read_idx(path, 3)


def test_truncated_idx_says_how_many_bytes_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    noise = np.random.default_rng(0).integers(0, 256, 47_040_000, np.uint8).reshape(60_000, 28, 28)
    path.write_bytes(idx_bytes(noise)[:1_000_000])
    with fails("train-images-idx3-ubyte holds 1000000 of 47040016 bytes; download it again"):
        loaders.read_idx(path, 3)


def test_idx_counts_must_match(small: Path) -> None:
    contents = idx_contents()
    contents[IDX_NAMES[1]] = gzip.compress(idx_bytes(np.zeros(11, np.uint8)))
    put(small / "mnist", contents)
    with fails("train-images-idx3-ubyte.gz holds 12 images and "):
        open_dataset("mnist")
    with fails("11 labels; take both files from one data set"):
        open_dataset("mnist")
    contents = idx_contents()
    contents[IDX_NAMES[2]] = gzip.compress(idx_bytes(np.zeros((5, 20, 28), np.uint8)))
    put(small / "mnist", contents)
    with fails("has images of 560 pixels and "):
        open_dataset("mnist")


# --- finding files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sub", ["", "mnist", "MNIST"])
def test_files_are_found_directly_and_in_subfolders(small: Path, sub: str) -> None:
    contents = idx_contents()
    put(small / sub, contents)
    data = open_dataset("mnist", allow_download=False)
    assert data.source == str(small / sub)
    expected = np.frombuffer(gzip.decompress(contents[IDX_NAMES[0]]), np.uint8, offset=16).reshape(12, 784)
    assert np.array_equal(data.train_x, expected)
    assert (data.low, data.high) == (0, 256)
    assert fetch("mnist") == [small / sub / name for name in IDX_NAMES]


@pytest.mark.parametrize("spelling", ["{}-idx{}-ubyte", "{}.idx{}-ubyte", "{}.idx{}-ubyte.gz"])
def test_unpacked_and_dotted_names_are_found(small: Path, spelling: str) -> None:
    for name, content in idx_contents().items():
        stem, dims = re.fullmatch(r"(.*)-idx(\d)-ubyte.gz", name).groups()  # type: ignore[union-attr]
        new = spelling.format(stem, dims)
        put(small / "mnist", {new: content if new.endswith(".gz") else gzip.decompress(content)})
    assert len(open_dataset("mnist", allow_download=False).train_y) == 12


def test_every_folder_of_the_variable_is_searched_in_order(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = put(tmp_path / "second" / "mnist", idx_contents())
    monkeypatch.setenv("EDGELEARN_DATA", os.pathsep.join(("", str(small), str(tmp_path / "second"))))
    assert open_dataset("mnist", allow_download=False).source == str(second)
    put(small / "mnist", idx_contents())
    assert open_dataset("mnist", allow_download=False).source == str(small / "mnist")


def test_a_folder_with_equal_file_names_of_another_set_is_passed_by(small: Path) -> None:
    put(small, idx_contents(seed=0))  # mnist, directly
    with fails("data set 'fashion-mnist' was not found"):
        open_dataset("fashion-mnist", allow_download=False)
    put(small / "fashion_mnist", idx_contents(seed=1))
    assert open_dataset("fashion-mnist", allow_download=False).source == str(small / "fashion_mnist")
    assert open_dataset("mnist", allow_download=False).source == str(small)


def test_another_sets_files_under_the_name_are_refused(small: Path) -> None:
    put(small / "mnist", idx_contents(seed=1))
    with fails("are another data set's (their test labels differ); replace them"):
        open_dataset("mnist", allow_download=False)
    put(small / "mnist", idx_contents(n_train=13))
    with fails("hold 13 training and 5 test samples of 784 values, not 12, 5 and 784; replace them"):
        open_dataset("mnist", allow_download=False)


def test_a_damaged_label_file_is_named_not_passed_by(small: Path) -> None:
    put(small, {**idx_contents(), IDX_NAMES[3]: b""})
    with fails("t10k-labels-idx1-ubyte.gz is empty (0 bytes); download it again"):
        open_dataset("mnist", allow_download=False)


def test_system_folder_and_cache_are_searched(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = put(tmp_path / "cache" / "mnist", idx_contents())
    assert open_dataset("mnist", allow_download=False).source == str(cache)
    system = put(tmp_path / "system", idx_contents())
    monkeypatch.setitem(datasets.ROWS, "mnist", dataclasses.replace(datasets.ROWS["mnist"], system_folders=(system,)))
    assert open_dataset("mnist", allow_download=False).source == str(system)


def test_the_default_cache_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    import pooch

    monkeypatch.delenv("EDGELEARN_CACHE", raising=False)
    assert downloads.cache_folder("mnist") == Path(pooch.os_cache("edgelearn")) / "mnist"


def test_not_found_says_which_file_and_what_to_do(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = ", ".join(IDX_NAMES)
    with fails(
        f"data set 'mnist' was not found: no {IDX_NAMES[0]}; put {listed} into a folder "
        "named in EDGELEARN_DATA, "
        "or run `edgelearn data fetch mnist`"
    ):
        open_dataset("mnist", allow_download=False)
    with fails("`edgelearn data fetch fashion-mnist`, or install Debian's package dataset-fashion-mnist"):
        open_dataset("fashion-mnist", allow_download=False)
    with fails("put cifar-10-binary.tar.gz or cifar-10-python.tar.gz into a folder named in EDGELEARN_DATA"):
        open_dataset("cifar10", allow_download=False)
    part = idx_contents()
    del part[IDX_NAMES[2]]
    put(small / "mnist", part)
    with fails(f"no {IDX_NAMES[2]} in {small / 'mnist'}; put "):
        open_dataset("mnist", allow_download=False)
    monkeypatch.setenv("EDGELEARN_DATA", "/no/such/folder")
    with fails("(EDGELEARN_DATA names /no/such/folder, which is no folder)"):
        open_dataset("mnist", allow_download=False)


# --- downloads ---------------------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Serve a folder on this machine."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(folder))

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}/", folder
        httpd.shutdown()
        thread.join()


def publish(monkeypatch: pytest.MonkeyPatch, name: str, contents: dict[str, bytes], *urls: str) -> None:
    row = datasets.ROWS[name]
    published = tuple(
        downloads.PublishedFile(
            file, f"sha256:{hashlib.sha256(content).hexdigest()}", tuple(url + file for url in urls)
        )
        for file, content in contents.items()
    )
    layout = dataclasses.replace(row.layouts[0], files=published)
    monkeypatch.setitem(datasets.ROWS, name, dataclasses.replace(row, layouts=(layout,)))


def test_download_checks_caches_and_shows_progress(
    small: Path,
    tmp_path: Path,
    server: tuple[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, folder = server
    contents = idx_contents()
    put(folder, contents)
    publish(monkeypatch, "mnist", contents, url + "gone/", url)  # the second address serves
    assert info("mnist")["files"][0]["found"] is None
    paths = fetch("mnist", progress=True)
    assert paths == [tmp_path / "cache" / "mnist" / name for name in IDX_NAMES]
    assert f"{IDX_NAMES[0]}: 0.0 of 0.0 MB" in capsys.readouterr().err
    assert info("mnist")["files"][0]["found"] == str(paths[0])
    assert info("mnist")["how_to_get"] == ""
    for file in folder.iterdir():
        file.unlink()
    assert len(open_dataset("mnist").train_y) == 12  # from the cache


def test_open_downloads_only_when_allowed(
    small: Path, server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, folder = server
    put(folder, idx_contents())
    publish(monkeypatch, "mnist", idx_contents(), url)
    with fails("data set 'mnist' was not found"):
        open_dataset("mnist", allow_download=False)
    assert len(open_dataset("mnist").test_y) == 5


def test_download_faults(small: Path, server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    url, folder = server
    contents = idx_contents()
    publish(monkeypatch, "mnist", contents, url)
    first = IDX_NAMES[0]
    with fails(
        f"data set 'mnist': {first} could not be downloaded ({url}{first}: status 404); "
        f"put {', '.join(IDX_NAMES)} into a folder named in EDGELEARN_DATA, "
        "or run `edgelearn data fetch mnist`"
    ):
        open_dataset("mnist")
    put(folder, {first: b"something else"})
    with fails(f"({url}{first}: its checksum is not sha256:"):
        fetch("mnist")
    publish(monkeypatch, "mnist", contents, "http://127.0.0.1:1/")
    with fails(f"{first} could not be downloaded (http://127.0.0.1:1/{first}: Connection refused)"):
        fetch("mnist")


def test_cache_that_cannot_be_written(
    small: Path, tmp_path: Path, server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    put(server[1], idx_contents())
    publish(monkeypatch, "mnist", idx_contents(), server[0])
    with fails(f"{tmp_path / 'cache' / 'mnist'} cannot be written (Not a directory); name a folder"):
        fetch("mnist")


# --- cifar10 -----------------------------------------------------------------------------------------------

N_SMALL = 4
BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")


def old_pickle(values: np.ndarray, labels: list[int]) -> bytes:
    """Pickle a batch with the opcodes of the published files, which Python 2 wrote with protocol 2."""

    def text(content: bytes) -> bytes:
        return b"U" + bytes((len(content),)) + content

    def number(value: int) -> bytes:
        return b"K" + bytes((value,)) if value < 256 else b"J" + struct.pack("<i", value)

    n, n_features = values.shape
    raw = values.tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
        b"(K\x01" + number(n) + number(n_features) + b"\x86"
        b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R"
        b"(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89T" + struct.pack("<i", len(raw)) + raw + b"tb"
    )
    return (
        b"\x80\x02}(" + text(b"batch_label") + text(b"training batch 1 of 5") + text(b"labels")
        + b"](" + b"".join(number(label) for label in labels) + b"e" + text(b"data") + array + b"u."
    )  # fmt: skip


def cifar_batches(seed: int = 0) -> dict[str, tuple[np.ndarray, list[int]]]:
    rng = np.random.default_rng(seed)
    return {
        name: (rng.integers(0, 256, (N_SMALL, 3072), np.uint8), rng.integers(0, 10, N_SMALL).tolist())
        for name in BATCHES
    }


def cifar_binary() -> dict[str, bytes]:
    return {
        name + ".bin": np.column_stack((np.array(y, np.uint8), x)).tobytes() for name, (x, y) in cifar_batches().items()
    }


def cifar_python() -> dict[str, bytes]:
    return {name: old_pickle(x, y) for name, (x, y) in cifar_batches().items()}


@pytest.fixture
def small_cifar(lone: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let a CIFAR-10 batch have 4 images."""
    monkeypatch.setattr(loaders, "CIFAR10_BATCH", N_SMALL)
    row = dataclasses.replace(datasets.ROWS["cifar10"], n_train=5 * N_SMALL, n_test=N_SMALL, test_labels_sha256=None)
    monkeypatch.setitem(datasets.ROWS, "cifar10", row)
    return lone


def check_cifar(data: Dataset) -> None:
    batches = cifar_batches()
    assert np.array_equal(data.train_x, np.concatenate([batches[name][0] for name in BATCHES[:5]]))
    assert data.train_y.tolist() == functools.reduce(operator.iadd, (batches[name][1] for name in BATCHES[:5]), [])
    assert np.array_equal(data.test_x, batches["test_batch"][0])
    assert data.test_y.tolist() == batches["test_batch"][1]
    assert (data.high, data.class_names[3]) == (256, "cat")


@pytest.mark.parametrize("sub", ["", "cifar10", "cifar-10-batches-bin", "cifar10/cifar-10-batches-bin"])
def test_cifar10_binary_version(small_cifar: Path, sub: str) -> None:
    put(small_cifar / sub, cifar_binary())
    check_cifar(open_dataset("cifar10", allow_download=False))


@pytest.mark.parametrize("sub", ["", "cifar10", "cifar-10-batches-py"])
def test_cifar10_python_version(small_cifar: Path, sub: str, recwarn: pytest.WarningsRecorder) -> None:
    put(small_cifar / sub, cifar_python())
    check_cifar(open_dataset("cifar10", allow_download=False))
    assert not recwarn.list


@pytest.mark.parametrize("protocol", [2, 4])
def test_cifar10_python_version_saved_again_by_python_3(small_cifar: Path, protocol: int) -> None:
    for name, (x, y) in cifar_batches().items():
        put(small_cifar, {name: pickle.dumps({b"data": x, b"labels": y}, protocol=protocol)})
    check_cifar(open_dataset("cifar10", allow_download=False))


def tar(contents: dict[str, bytes], folder: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def test_cifar10_archives_are_unpacked_into_the_cache(small_cifar: Path, tmp_path: Path) -> None:
    extra = {**cifar_binary(), "../../evil.txt": b"x", "readme.html": b"x"}
    put(small_cifar, {"cifar-10-binary.tar.gz": tar(extra, "cifar-10-batches-bin")})
    data = open_dataset("cifar10", allow_download=False)
    check_cifar(data)
    assert data.source == str(tmp_path / "cache" / "cifar10")
    assert {path.name for path in Path(data.source).iterdir()} == set(cifar_binary())
    assert not list(tmp_path.rglob("evil.txt"))
    before = [path.stat().st_mtime_ns for path in sorted(Path(data.source).iterdir())]
    check_cifar(open_dataset("cifar10", allow_download=False))
    assert [path.stat().st_mtime_ns for path in sorted(Path(data.source).iterdir())] == before


def test_cifar10_python_archive(small_cifar: Path) -> None:
    put(small_cifar / "cifar10", {"cifar-10-python.tar.gz": tar(cifar_python(), "cifar-10-batches-py")})
    check_cifar(open_dataset("cifar10", allow_download=False))


def test_cifar10_archive_faults(small_cifar: Path) -> None:
    some = cifar_binary()
    del some["data_batch_3.bin"]
    name = "cifar-10-binary.tar.gz"
    put(small_cifar, {name: tar(some, "b")})
    with fails("cifar-10-binary.tar.gz lacks data_batch_3.bin; download it again"):
        open_dataset("cifar10", allow_download=False)
    whole = tar(cifar_binary(), "b")
    wrong_sum = whole[:-8] + bytes(4) + whole[-4:]
    for content in (b"", b"no archive", whole[: len(whole) // 2], wrong_sum, gzip.compress(b"no archive")):
        put(small_cifar, {name: content})
        with fails("cifar-10-binary.tar.gz is damaged ("):
            open_dataset("cifar10", allow_download=False)
    cache = downloads.cache_folder("cifar10")
    assert list(cache.iterdir()) == []
    cache.rmdir()
    cache.write_text("a file, not a folder")
    put(small_cifar, {name: whole})
    with fails("(File exists); name a folder with space and write permission in EDGELEARN_CACHE"):
        open_dataset("cifar10", allow_download=False)


def test_cifar10_download(
    small_cifar: Path, tmp_path: Path, server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, folder = server
    archive = tar(cifar_binary(), "cifar-10-batches-bin")
    put(folder, {"cifar-10-binary.tar.gz": archive})
    row = datasets.ROWS["cifar10"]
    published = downloads.PublishedFile(
        "cifar-10-binary.tar.gz", f"md5:{hashlib.md5(archive).hexdigest()}", (url + "cifar-10-binary.tar.gz",)
    )
    layout = dataclasses.replace(row.layouts[0], archive=published)
    monkeypatch.setitem(datasets.ROWS, "cifar10", dataclasses.replace(row, layouts=(layout, row.layouts[1])))
    check_cifar(open_dataset("cifar10"))
    assert not (tmp_path / "cache" / "cifar10" / "cifar-10-binary.tar.gz").exists()


def test_cifar10_binary_faults(small_cifar: Path) -> None:
    def expect(content: bytes, text: str) -> None:
        put(small_cifar, {**cifar_binary(), "data_batch_2.bin": content})
        with fails(text):
            open_dataset("cifar10", allow_download=False)

    raw = cifar_binary()["data_batch_2.bin"]
    expect(b"", "data_batch_2.bin is empty (0 bytes); download it again")
    expect(raw[:123], f"data_batch_2.bin holds 123 of {N_SMALL * 3073} bytes; download it again")
    expect(raw + b"!", f"holds {N_SMALL * 3073 + 1} of {N_SMALL * 3073} bytes")
    expect(b"\x0b" + raw[1:], "data_batch_2.bin record 1 has label 11, not 0 to 9; download it again")


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("echo evil",)


def test_cifar10_python_faults(small_cifar: Path) -> None:
    def expect(content: bytes, text: str) -> None:
        put(small_cifar, {**cifar_python(), "test_batch": content})
        with fails(text):
            open_dataset("cifar10", allow_download=False)

    x, y = cifar_batches()["test_batch"]
    whole = old_pickle(x, y)
    expect(b"", "test_batch is empty (0 bytes); download it again")
    expect(whole[:500], "test_batch is not a CIFAR-10 python batch or ends early (500 bytes: ")
    expect(b"hello", "is not a CIFAR-10 python batch or ends early (5 bytes: ")
    expect(pickle.dumps([1]), "is not a CIFAR-10 python batch (no 'data' array with a 'labels' list)")
    expect(pickle.dumps({b"data": x}), "is not a CIFAR-10 python batch (no 'data' array")
    expect(old_pickle(x[:2], y), f"holds data of uint8 [2, 3072], not uint8 [{N_SMALL}, 3072]; download it again")
    expect(old_pickle(x, y[:2]), f"holds 2 labels, not {N_SMALL} whole numbers; download it again")
    expect(old_pickle(x, [*y[:3], 10]), f"record {N_SMALL} has label 10, not 0 to 9")
    expect(pickle.dumps({b"data": Evil()}), ".system, which is not allowed); download it again")
    codec = pickle.dumps({b"data": b"x"}, protocol=2).replace(b"latin1", b"rot_13")
    expect(codec, "encoding 'rot_13' does not occur in a batch")


@per_example_files
@given(st.binary(max_size=60), st.integers(0, 12_000))
def test_cifar10_damaged_pickles_never_raise_anything_else(tmp_path: Path, noise: bytes, at: int) -> None:
    x, y = cifar_batches()["test_batch"]
    content = bytearray(old_pickle(x, y))
    content[at : at + len(noise)] = noise
    path = tmp_path / "test_batch"
    path.write_bytes(content)
    try:
        loaders.load_cifar10_python([path])
    except UserError as error:
        assert "\n" not in str(error)


# --- published files, where this machine has them ----------------------------------------------------------


def test_mnist_as_published() -> None:
    start = time.perf_counter()
    data = require_data("mnist")
    assert time.perf_counter() - start < 5  # usual: 0.2 s
    assert (data.train_x.shape, data.test_x.shape) == ((60_000, 784), (10_000, 784))
    assert data.train_y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert round(float(data.train_x.mean()) / 255, 4) == 0.1307
    assert np.bincount(data.test_y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_fashion_mnist_as_published() -> None:
    data = require_data("fashion-mnist")
    assert np.bincount(data.train_y).tolist() == [6000] * 10
    assert round(float(data.train_x.mean()) / 255, 4) == 0.2860
    assert data.class_names[data.train_y[0]] == "Ankle boot"


def test_cifar10_as_published() -> None:
    data = require_data("cifar10")
    assert np.bincount(data.train_y).tolist() == [5000] * 10
    assert np.bincount(data.test_y).tolist() == [1000] * 10
    planes = data.train_x.reshape(50_000, 3, 1024)
    assert [round(float(planes[:, c].mean()) / 255, 4) for c in range(3)] == [0.4914, 0.4822, 0.4465]


def test_loading_mnist_holds_no_second_copy() -> None:
    require_data("mnist")
    code = (
        "import resource as r, edgelearn.data as s; a = r.getrusage(r.RUSAGE_SELF).ru_maxrss; "
        "d = s.open_dataset('mnist', allow_download=False); b = r.getrusage(r.RUSAGE_SELF).ru_maxrss; "
        "print((b - a) * 1024 / (d.train_x.nbytes + d.test_x.nbytes))"
    )
    assert float(run_python(code)) < 2


# --- csv ---------------------------------------------------------------------------------------------------


def all_samples(data: Dataset) -> list[tuple[tuple[float, ...], str]]:
    return sorted(
        (tuple(x.tolist()), data.class_names[y])
        for values, labels in ((data.train_x, data.train_y), (data.test_x, data.test_y))
        for x, y in zip(values, labels, strict=True)
    )


LABELS = st.one_of(
    st.lists(st.integers(-5, 10**18).map(str), min_size=2, max_size=2, unique=True),
    st.lists(st.text("abcé,;\t\" '", min_size=1).map(lambda t: "k" + t + "k"), min_size=2, max_size=3, unique=True),
)


@per_example_files
@given(data=st.data(), delimiter=st.sampled_from(",;\t"), header=st.booleans(), where=st.integers(0, 3))
def test_csv_round_trip(tmp_path: Path, data: st.DataObject, delimiter: str, header: bool, where: int) -> None:
    classes = data.draw(LABELS)
    values = data.draw(
        hnp.arrays(np.float32, (7, 3), elements=st.floats(width=32, allow_nan=False, allow_infinity=False))
    )
    labels = classes + data.draw(
        st.lists(st.sampled_from(classes), min_size=7 - len(classes), max_size=7 - len(classes))
    )
    path = tmp_path / "own.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        if header:
            titles = ["one", "two", "three"]
            writer.writerow([*titles[:where], "kind", *titles[where:]])
        for row, label in zip(values, labels, strict=True):
            cells = [repr(float(value)) for value in row]
            writer.writerow([*cells[:where], label, *cells[where:]])
    opened = open_dataset(path, label_column="kind" if header else where + 1)
    assert all_samples(opened) == sorted((tuple(v.tolist()), c) for v, c in zip(values, labels, strict=True))
    numeric = all(re.fullmatch(r"-?\d+", c) for c in classes)
    assert list(opened.class_names) == (sorted(set(labels), key=int) if numeric else sorted(set(labels)))
    assert opened.train_x.dtype == np.float32


IRIS = "length,width,kind\n1,2,b\n3,4,a\n5,6,b\n7,8,a\n9,10,c\n"


def test_csv_split_and_range(write: Write) -> None:
    path = write("iris.csv", IRIS)
    data = open_dataset(str(path), test_fraction=0.4)
    order = np.random.default_rng(0).permutation(5)
    x = np.arange(1, 11, dtype=np.float32).reshape(5, 2)
    assert np.array_equal(data.train_x, x[order[:3]])
    assert np.array_equal(data.test_x, x[order[3:]])
    assert data.test_y.tolist() == np.array([1, 0, 1, 0, 2])[order[3:]].tolist()
    assert np.array_equal(data.low, data.train_x.min(0))
    assert np.array_equal(data.high, data.train_x.max(0))
    assert (data.name, data.class_names, data.source) == ("iris", ("a", "b", "c"), str(path))


@pytest.mark.parametrize(("fraction", "n_test"), [(0, 0), (0.01, 1), (0.2, 1), (0.5, 2), (0.99, 4)])
def test_test_fraction(write: Write, fraction: float, n_test: int) -> None:
    data = open_dataset(write("iris.csv", IRIS), test_fraction=fraction)
    assert (len(data.train_y), len(data.test_y)) == (5 - n_test, n_test)


def test_limit_of_a_user_file_sets_the_range_too(write: Write) -> None:
    data = open_dataset(write("iris.csv", IRIS), test_fraction=0.4, limit=1)
    assert (len(data.train_y), len(data.test_y), data.n_classes) == (1, 1, 3)
    assert np.array_equal(data.low, data.train_x[0])
    assert np.array_equal(data.high, data.train_x[0])


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("1,2,10\n3,4,9\n", ("9", "10")),  # by value, not by text
        ("1,2,1.0\n3,4,0.0\n", ("0", "1")),
        ("1,2,9007199254740993\n3,4,9007199254740992\n", ("9007199254740992", "9007199254740993")),
        ("1,2,7\n3,4,x\n", ("7", "x")),
        ("\ufeffa,b,y\r\n1,2,0\r\n\r\n3,4,1\r\n", ("0", "1")),
        ("0,1,label\n1,2,0\n3,4,1\n", ("0", "1")),  # titles that are numbers
        ("1\t2\tyes, sure\n3\t4\tno\n", ("no", "yes, sure")),
        (' 1 , 2 ,"a, c"\n3,4,b\n', ("a, c", "b")),
        ("1,2,k;1\n3,4,k;0\n", ("k;0", "k;1")),
    ],
)
def test_csv_labels_and_headers(write: Write, text: str, classes: tuple[str, ...]) -> None:
    data = open_dataset(write("own.csv", text), test_fraction=0)
    assert data.class_names == classes
    assert data.train_x.shape == (2, 2)


@pytest.mark.parametrize("column", ["kind", 1, "1", -3])
def test_label_column_by_name_and_number(write: Write, column: str | int) -> None:
    data = open_dataset(write("own.csv", "kind,p,q\nb,1,2\na,3,4\n"), label_column=column, test_fraction=0)
    assert data.class_names == ("a", "b")
    assert sorted(data.train_x.ravel().tolist()) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        (
            "1,5;a\n2.5;b\n",
            None,
            "1 line was rejected, the first for 'not a number': line 1: column 1 is '1,5'",
        ),
        (
            "a,b,y\n1,inf,0\n3,inf,1\n",
            None,
            "own.csv: no line can be used (2 lines were rejected, the first for 'not a finite number': line 2: column b "
            "is 'inf'); correct the line or remove it",
        ),
        (
            "1,2,0\n-inf,2,1\n",
            None,
            "(every label is '0'; 1 line was rejected, the first for 'not a finite number': line 2: column 1 is '-inf')",
        ),
        (
            "1,2,0\n1e99,2,1\n",
            None,
            "1 line was rejected, the first for 'not a finite number': line 2: column 1 is '1e99'",
        ),
        (
            "a,b,y\n\n1,2,0\n,,1\n",
            None,
            "1 line was rejected, the first for 'a value is missing': line 4: column b is ''",
        ),
        ("y,a,b\n1,2,3\n0,4,x\n", "y", "1 line was rejected, the first for 'not a number': line 3: column b is 'x'"),
        (
            "1;2,5;0\n1;2.5;1\n",
            None,
            "1 line was rejected, the first for 'not a number': line 1: column 2 is '2,5'",
        ),
        (
            "1,2,0\n1,2\n",
            None,
            "1 line was rejected, the first for 'another number of values': line 2: 2, not 3: '1,2'",
        ),
        ("1,2,1\n,,\n1,2,1\n", None, "1 line was rejected, the first for 'a value is missing': line 2: column 2 is ''"),
        ("", None, "own.csv has no rows; give one row per line"),
        ("\n \n", None, "own.csv has no rows; give one row per line"),
        ("a,b,y\n", None, "own.csv has no rows below its header; give one row per line"),
        (
            "1\n2\n",
            None,
            "own.csv: no line can be used (2 lines were rejected, the first for 'another number of values': line 1: '1'); "
            "give every line as many, two or more",
        ),
        ("1,2,0\n3,4,0\n", None, "own.csv has 1 class (every label is '0'); a classifier needs at least 2"),
        ("1,2,0.5\n3,4,1\n", None, "own.csv line 1: label 0.5 is no class; labels are whole numbers or text"),
        ("1,2,0\n3,4,inf\n", None, "own.csv line 2: label inf is no class; labels are whole numbers or text"),
        (
            "a,b,y\n1,2,0\n3,4,\n",
            None,
            "(every label is '0'; left out: 1 of 2 rows, which have no label); a classifier needs",
        ),
        ("1,2,NaN\n3,4,NaN\n", None, "own.csv has no labels; a classifier needs labels of 2 classes or more: name"),
        (IRIS, "knd", "own.csv: column 'knd' is not known; known: kind, length, width. Did you mean 'kind'?"),
        (IRIS, 0, "columns count from 1 to 3, -1 is the last"),
        (IRIS, 4, "own.csv: column 4 is out of range; columns count from 1 to 3"),
        (IRIS, "-4", "own.csv: column -4 is out of range"),
        ("y,y,a\nu,1,2\n", "y", "own.csv has 2 columns 'y'; rename one, or give the column's number"),
        (
            "1,2,a\n3,4,a\n" + "x" * 200_000,
            None,
            "1 line was rejected, the first for 'another number of values': line 3: 1, not 3: ",
        ),
    ],
)
def test_csv_faults(write: Write, text: str, column: str | int | None, message: str) -> None:
    with fails(message):
        open_dataset(write("own.csv", text), label_column=column)


def test_user_file_faults(tmp_path: Path, write: Write) -> None:
    with fails("none.csv is not a file; check the path"):
        open_dataset(tmp_path / "none.csv")
    with fails("own.doc has the extension '.doc'; data files end in .npz, "):
        open_dataset(write("own.doc", "1,2,3\n"))
    for fraction in (-0.1, 1.0, float("nan")):
        with fails(f"test_fraction {fraction} is out of range; give 0 <= test_fraction < 1"):
            open_dataset(write("own.csv", IRIS), test_fraction=fraction)
    latin = tmp_path / "latin.csv"
    latin.write_bytes("1,2,é\n3,4,b\n".encode("latin-1"))
    data = open_dataset(latin)
    assert data.class_names == ("b", "é")
    assert data.notes == ["latin.csv is not UTF-8: read as cp1252 (--encoding says another)"]


def test_info_of_a_user_file(write: Write) -> None:
    about = info(str(write("iris.csv", IRIS)))
    assert (about["samples"], about["features"], about["classes"]) == ({"train": 4, "test": 1}, 2, 3)


def test_info_of_every_name(lone: Path) -> None:
    for name in names():
        about = info(name)
        assert about["name"] == name
        assert about["samples"]["train"] > about["samples"]["test"]
        assert about["features"] == np.prod(about["image_shape"])
        assert about["classes"] == 10
        assert all(file["urls"] or name == "digits" for file in about["files"])
    assert "edgelearn data fetch mnist" in info("mnist")["how_to_get"]
    assert info("digits")["files"][0]["found"].endswith("digits.csv.gz")
    assert fetch("digits") == [loaders.digits_file()]


# --- npz ---------------------------------------------------------------------------------------------------

X = np.arange(12, dtype=np.float64).reshape(6, 2)
Y = np.array([0, 1, 0, 1, 2, 2])


def npz(tmp_path: Path, **arrays: Any) -> Path:
    path = tmp_path / "own.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("x_key", "y_key", "y", "classes"),
    [
        ("x", "y", Y, ("0", "1", "2")),
        ("X", "y", Y.astype(np.float32), ("0", "1", "2")),
        ("X", "Y", Y.astype(np.uint8)[:, None] + 5, ("5", "6", "7")),
        ("x", "y", np.array(list("bababc")), ("a", "b", "c")),
        ("x", "y", Y > 0, ("0", "1")),
    ],
)
def test_npz_kinds(tmp_path: Path, x_key: str, y_key: str, y: np.ndarray, classes: tuple[str, ...]) -> None:
    data = open_dataset(npz(tmp_path, **{x_key: X, y_key: y, "other": np.zeros(3)}))
    given = [str(label) if y.dtype.kind == "U" else str(int(label)) for label in y.ravel()]
    assert all_samples(data) == sorted((tuple(x.tolist()), label) for x, label in zip(X, given, strict=True))
    assert data.class_names == classes
    assert data.train_x.dtype == np.float32
    assert len(data.test_y) == 1


def test_npz_with_its_own_test_part_and_images(tmp_path: Path) -> None:
    images = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
    path = npz(tmp_path, X_train=images[:3], y_train=[0, 3, 0], X_test=images[3:], y_test=[7])
    data = open_dataset(path)
    assert np.array_equal(data.train_x, images[:3].reshape(3, 6))
    assert data.train_y.tolist() == [0, 1, 0]
    assert data.test_y.tolist() == [2]
    assert data.class_names == ("0", "3", "7")
    assert np.array_equal(data.high, data.train_x.max(0))
    with fails("own.npz has its own test part; leave test_fraction out"):
        open_dataset(path, test_fraction=0.5)


BAD_X = X.copy()
BAD_X[3, 1] = np.inf
OWN = {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": BAD_X, "y": Y}, "own.npz: x row 4 column 2 is inf; give a finite number"),
        ({"x": X * 1e300, "y": Y}, "own.npz: x row 1 column 2 is 1e+300; give a finite number"),
        ({"x": X, "y": Y + 0.5}, "own.npz: labels are no classes: y row 1 is 0.5; give whole numbers, or text"),
        ({"x": X, "y": Y * np.nan}, "labels are no classes: y row 1 is nan"),
        ({"x": X, "y": Y * 0}, "own.npz has 1 class (every label is '0'); a classifier needs at least 2"),
        ({"x": X[:5], "y": Y}, "own.npz: x has 5 samples and y 6 labels; give as many"),
        ({"x": X[0], "y": Y}, "own.npz: x is float64 [2]; give numbers [n_samples, n_features]"),
        ({"x": X.astype(complex), "y": Y}, "own.npz: x is complex128 [6, 2]; give numbers"),
        ({"x": X, "y": np.eye(6)}, "own.npz: y is float64 [6, 6]; give one label per sample [n_samples]"),
        ({"x": X[:0], "y": Y[:0]}, "own.npz: x has no rows or no columns; give [n_samples, n_features]"),
        (
            {"a": X, "b": Y},
            "own.npz has no labels; a classifier needs labels of 2 classes or more: name their column",
        ),
        ({"x": X, "X": X, "y": Y}, "own.npz holds 'X' in both cases; keep one of them"),
        ({"x": X, "y": np.array(["a", 1] * 3, object)}, "save numbers and text with numpy.savez, no objects"),
        ({**OWN, "x_test": X[:, :1]}, "a sample is [2] in x_train and [1] in x_test; give one shape"),
        ({**OWN, "y_test": np.array(list("aabbcc"))}, "y_train and y_test mix text and numbers"),
    ],
)
def test_npz_faults(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with fails(message):
        open_dataset(npz(tmp_path, **arrays))


def test_npz_that_is_none(tmp_path: Path) -> None:
    whole = npz(tmp_path, x=X, y=Y).read_bytes()
    for content in (b"", b"hello", whole[: len(whole) // 2], whole[:60] + b"!!!" + whole[63:]):
        path = tmp_path / "own.npz"
        path.write_bytes(content)
        with fails("own.npz cannot be read ("):
            open_dataset(path)
    single = tmp_path / "single.npz"
    with single.open("wb") as file:
        np.save(file, X)
    with fails("single.npz cannot be read ("):
        open_dataset(single)


def test_npz_takes_no_label_column(tmp_path: Path) -> None:
    with fails("label_column is for text tables; a .npz file has its labels in array y"):
        open_dataset(npz(tmp_path, x=X, y=Y), label_column=1)


@pytest.mark.parametrize("y", [[0.0, 1.0], ["a", "b"], 0.0])
def test_npz_with_a_lone_number_is_refused(tmp_path: Path, y: Any) -> None:
    with pytest.raises(UserError, match=r"own\.npz: "):
        open_dataset(npz(tmp_path, x=np.float64(3), y=np.array(y)))
