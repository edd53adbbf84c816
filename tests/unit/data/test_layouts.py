"""Recordings in the form in which they are published: run and stream read the same labels and features."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelearn.data.columns import Roles
from edgelearn.data.datasets import open_dataset
from edgelearn.data.open_source import open_source
from edgelearn.data.source import UNLABELLED
from tests.unit.data.test_sources import fails, needs, read

Wanted = tuple[list[list[float]], list[str]]  # features and labels, row by row
Layout = tuple[Path, dict[str, Any], Wanted]  # what is opened, with which roles, and what is read


def toml(folder: Path, text: str) -> Path:
    path = folder / "layout.toml"
    path.write_text(text)
    return path


def uci_har(folder: Path) -> Layout:
    """X_train.txt, y_train.txt, subject_train.txt in train and test: white space, numbers of 16 characters."""
    root = folder / "UCI HAR Dataset"
    rows = {
        "train": ([[0.28, -0.02], [-0.5, 1.0], [0.25, 0.1]], [5, 1, 5]),
        "test": ([[0.5, 0.25], [0.75, -1.0]], [1, 6]),
    }
    for part, (x, y) in rows.items():
        (root / part / "Inertial Signals").mkdir(parents=True)
        (root / part / f"X_{part}.txt").write_text("".join(f" {a: .7e} {b: .7e}\n" for a, b in x))
        (root / part / f"y_{part}.txt").write_text("".join(f"{label}\n" for label in y))
        (root / part / f"subject_{part}.txt").write_text("".join(f"{k // 2 + 1}\n" for k in range(len(y))))
        (root / part / "Inertial Signals" / f"body_acc_x_{part}.txt").write_text("  1.0e+00  2.0e+00\n" * len(y))
    (root / "README.txt").write_text("Human Activity Recognition Using Smartphones\n")
    (root / "activity_labels.txt").write_text("1 WALKING\n5 STANDING\n6 LAYING\n")
    text = """
        file = "UCI HAR Dataset"
        pattern = "*/X_*.txt"
        labels = "y_*.txt"
        subject_file = "subject_*.txt"
        classes = { WALKING = 1, STANDING = 5, LAYING = 6 }
    """
    names = {1: "WALKING", 5: "STANDING", 6: "LAYING"}
    x, y = rows["test"][0] + rows["train"][0], rows["test"][1] + rows["train"][1]  # in the order of the folders' names
    return toml(folder, text), {}, (x, [names[label] for label in y])


def pamap2(folder: Path) -> Layout:
    """54 columns parted by blanks: time, activity, heart rate (rare, else NaN), then three sensors."""
    (folder / "Protocol").mkdir()
    x = {101: [[2.0, 8.5, 3.5], [2.5, 8.25, 3.25], [3.0, 8.0, 3.0]], 102: [[1.0, 7.5, -1.0], [1.5, 7.25, -1.5]]}
    activity = {101: [0, 4, 4], 102: [12, 4]}
    for subject, rows in x.items():
        lines = [
            f"{8.38 + k / 100:.2f} {activity[subject][k]} {104 if k == 1 else 'NaN'} 30 {' '.join(map(str, row))} {'NaN ' * 4}".strip()
            for k, row in enumerate(rows)
        ]
        (folder / "Protocol" / f"subject{subject}.dat").write_text("\n".join(lines) + "\n")
    text = r"""
        file = "Protocol"
        pattern = "subject*.dat"
        reader = "text"
        time = "1"
        label = "2"
        features = ["5", "6", "7"]
        channels = ["hand_x", "hand_y", "hand_z"]
        classes = { walking = 4, climbing = 12 }
        subject_from = 'subject(\d+)'
        unlabelled = 0
        drop = { 2 = [0] }
    """
    return toml(folder, text), {}, (x[101][1:] + x[102], ["walking", "walking", "climbing", "walking"])


def wisdm_raw(folder: Path) -> Layout:
    """user,activity,nanoseconds,x,y,z; with a semicolon at each end of line."""
    rows = [
        (33, "Jogging", [-0.75, 12.5, 0.5]),
        (33, "Jogging", [5.0, 11.25, 1.0]),
        (33, "Walking", [4.5, 10.75, -0.25]),
    ]
    path = folder / "WISDM_ar_v1.1_raw.txt"
    lines = [
        f"{who},{what},{49105962326000 + k * 50_000_000},{x},{y},{z};" for k, (who, what, (x, y, z)) in enumerate(rows)
    ]
    path.write_text("\n".join(lines) + "\n")
    roles = Roles(label="2", time="3", time_unit="ns", segment="1")
    return path, {"roles": roles}, ([x for _, _, x in rows], [what for _, what, _ in rows])


def edge_impulse(folder: Path) -> Layout:
    """One JSON file per recording, named LABEL.ID.json."""
    values = {"idle.28p3j.json": [[0.0, 9.75], [0.25, 9.5]], "wave.28p4k.json": [[5.0, -3.25], [6.5, -4.0], [7.0, 1.0]]}
    (folder / "training").mkdir()
    for name, rows in values.items():
        content = {
            "protected": {"ver": "v1", "alg": "HS256", "iat": 1609459200},
            "signature": "0" * 64,
            "payload": {
                "device_name": "ac:87:a3:0a:2d:1b",
                "device_type": "DISCO-L475VG-IOT01A",
                "interval_ms": 16,
                "sensors": [{"name": "accX", "units": "m/s2"}, {"name": "accY", "units": "m/s2"}],
                "values": rows,
            },
        }
        (folder / "training" / name).write_text(json.dumps(content))
    return (
        folder / "training",
        {},
        ([*values["idle.28p3j.json"], *values["wave.28p4k.json"]], ["idle"] * 2 + ["wave"] * 3),
    )


def sleep_edf(folder: Path) -> Layout:
    """Signals in one EDF file, the stages of sleep as annotations of another."""
    needs("pyedflib")
    import pyedflib

    def write(path: Path, signals: dict[str, tuple[float, np.ndarray]], notes: list[tuple[float, float, str]]) -> None:
        writer = pyedflib.EdfWriter(str(path), len(signals), file_type=pyedflib.FILETYPE_EDFPLUS)
        for k, (name, (rate, _)) in enumerate(signals.items()):
            limits = {"physical_max": 100.0, "physical_min": -100.0, "digital_max": 2000, "digital_min": -2000}
            about = {"label": name, "dimension": "uV", "sample_frequency": rate, "transducer": "", "prefilter": ""}
            writer.setSignalHeader(k, about | limits)
        if signals:
            writer.writeSamples([values for _, values in signals.values()])
        for onset, duration, text in notes:
            writer.writeAnnotation(onset, duration, text)
        writer.close()

    eeg = np.array([0.0, 10, 20, 30, -10, -20, -30, 5])
    signals = {"EEG Fpz-Cz": (4.0, eeg), "EOG horizontal": (4.0, eeg[::-1].copy()), "Temp rectal": (1.0, np.ones(2))}
    write(folder / "SC4001E0-PSG.edf", signals, [])
    flat = {"none": (1.0, np.zeros(2))}
    write(folder / "SC4001EC-Hypnogram.edf", flat, [(0, 1, "Sleep stage W"), (1, 1, "Sleep stage 2")])
    text = 'file = "SC4001E0-PSG.edf"\nlabels = "SC4001EC-Hypnogram.edf"\n'
    x = [[a, b] for a, b in zip(eeg, eeg[::-1], strict=True)]
    return toml(folder, text), {}, (x, ["Sleep stage W"] * 4 + ["Sleep stage 2"] * 4)


def wfdb_apnea(folder: Path) -> Layout:
    """A record with the annotations .apn: each minute with or without apnea."""
    needs("wfdb")
    import wfdb

    signal = np.array([[0.0], [0.5], [1.0], [-0.5], [0.25], [-1.0]])
    options = {"fs": 2, "units": ["mV"], "sig_name": ["ECG"], "fmt": ["16"], "adc_gain": [200.0], "baseline": [0]}
    wfdb.wrsamp("a01", p_signal=signal, write_dir=str(folder), **options)
    wfdb.wrann("a01", "apn", np.array([0, 4]), symbol=["N", "A"], write_dir=str(folder))
    text = 'file = "a01.hea"\nreader = "wfdb"\nannotator = "apn"\nclasses = { normal = "N", apnea = "A" }\n'
    return toml(folder, text), {}, (signal.tolist(), ["normal"] * 4 + ["apnea"] * 2)


def matlab(folder: Path) -> Layout:
    """A matrix of features and a cell array of labels, as column vectors."""
    from scipy.io import savemat

    x = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, -6.0]])
    labels = np.array([["rest"], ["walk"], ["rest"]], object)
    savemat(folder / "own.mat", {"acc": x, "label": labels, "fs": 50.0})
    return folder / "own.mat", {}, (x.tolist(), ["rest", "walk", "rest"])


def hdf5_columns(folder: Path) -> Layout:
    """One data set per channel, in a file of HDF5."""
    needs("h5py")
    import h5py

    with h5py.File(folder / "own.h5", "w") as file:
        file["ax"], file["ay"] = [0.5, 1.5, 2.5, 3.5], [1, 2, 3, 4]
        file["time"] = np.arange(4) * 0.02
        file["label"] = np.array(["a", "b", "b", "a"], dtype=h5py.string_dtype())
        file["subject"] = [1, 1, 2, 2]
    return folder / "own.h5", {}, ([[0.5, 1], [1.5, 2], [2.5, 3], [3.5, 4]], list("abba"))


def speech_commands(folder: Path) -> Layout:
    """WAV files in folders named as the words."""
    from scipy.io import wavfile

    clips = {"yes/0a7c_nohash_0.wav": [0, 100, -100], "no/0a7c_nohash_0.wav": [5, -5], "no/0a7c_nohash_1.wav": [7, -7]}
    for name, samples in clips.items():
        (folder / "words" / name).parent.mkdir(parents=True, exist_ok=True)
        wavfile.write(folder / "words" / name, 16000, np.array(samples, np.int16))
    (folder / "words" / "README.md").write_text("Speech Commands\n")
    x = [[float(value)] for value in [5, -5, 7, -7, 0, 100, -100]]
    return folder / "words", {}, (x, ["no"] * 4 + ["yes"] * 3)


def folders_of_csv(folder: Path) -> Layout:
    """A folder per class with one CSV per recording, columns in any order."""
    files = {"walk/1.csv": "ax,ay\n1,2\n3,4\n", "walk/2.csv": "ay,ax\n6,5\n", "run/1.csv": "ax,ay\n7,8\n"}
    for name, text in files.items():
        (folder / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "data" / name).write_text(text)
    wanted = [[7.0, 8.0], [1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], ["run", "walk", "walk", "walk"]
    return folder / "data", {"label_from": r"(\w+)/\d+\.csv"}, wanted


def pandas_parquet(folder: Path) -> Layout:
    """A table of pandas with an index of times and categories, some of which are missing."""
    needs("pyarrow")
    pandas = pytest.importorskip("pandas")
    kind = pandas.Categorical(["rest", None, "walk", "walk", "rest"])
    frame = pandas.DataFrame({"ax": [0.5, 1.0, 1.5, 2.0, 2.5], "activity": kind})
    frame.index = pandas.date_range("2024-01-01", periods=5, freq="20ms")
    frame.to_parquet(folder / "own.parquet")
    return folder / "own.parquet", {}, ([[0.5], [1.5], [2.0], [2.5]], ["rest", "walk", "walk", "rest"])


def weka(folder: Path) -> Layout:
    """ARFF with dates, quoted class names that hold a comma, and a sparse row."""
    (folder / "own.arff").write_text(
        "@relation 'my data'\n@attribute when date 'dd.MM.yyyy HH:mm:ss'\n@attribute 'acc x' numeric\n"
        "@attribute class {'at rest','walking, fast'}\n@data\n'31.01.2024 12:00:00',0.5,'at rest'\n"
        "'31.01.2024 12:00:01',1.5,'walking, fast'\n{0 '31.01.2024 12:00:02', 1 2.5}\n"
    )
    roles = Roles(time="when")
    return folder / "own.arff", {"roles": roles}, ([[0.5], [1.5], [2.5]], ["at rest", "walking, fast", "at rest"])


def two_arrays(folder: Path) -> Layout:
    """Features in a .npy file, labels in a text file."""
    x = np.array([[1.5, 2.0], [2.5, 3.0], [0.5, 1.0]])
    np.save(folder / "features.npy", x)
    (folder / "labels.txt").write_text("sit\nrun\nsit\n")
    return folder / "features.npy", {"labels": str(folder / "labels.txt")}, (x.tolist(), ["sit", "run", "sit"])


LAYOUTS: tuple[Callable[[Path], Layout], ...] = (
    uci_har, pamap2, wisdm_raw, edge_impulse, sleep_edf, wfdb_apnea, matlab, hdf5_columns, speech_commands,
    folders_of_csv, pandas_parquet, weka, two_arrays,
)  # fmt: skip


def as_rows(x: np.ndarray, y: np.ndarray, names: tuple[str, ...]) -> list[tuple[str, list[float]]]:
    return [(names[label], row) for row, label in zip(x.tolist(), y.tolist(), strict=True)]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_layouts(tmp_path, layout):
    path, options, (x, labels) = layout(tmp_path)
    source = open_source(str(path), **options)
    block = read(source)
    known = block.y != UNLABELLED
    wanted = [(label, np.float32(row).tolist()) for label, row in zip(labels, x, strict=True)]
    assert as_rows(block.x[known], block.y[known], source.class_names) == wanted
    data = open_dataset(path, **options)
    rows = as_rows(data.train_x, data.train_y, data.class_names) + as_rows(data.test_x, data.test_y, data.class_names)
    assert sorted(rows) == sorted(wanted)
    assert sorted(data.class_names) == sorted(source.class_names)


# --- faults -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "layout", [sleep_edf, wfdb_apnea, matlab, hdf5_columns, speech_commands, two_arrays, pandas_parquet]
)
def test_files_that_are_cut_off_are_refused(tmp_path, layout):
    path, options, _ = layout(tmp_path)
    for file in sorted(tmp_path.rglob("*")):
        if file.is_file() and file.suffix not in (".toml", ".md", ".hea", ".apn", ".txt"):
            whole = file.read_bytes()
            for n in (len(whole) // 2, 7, 0):
                file.write_bytes(whole[:n])
                for open_file in (open_source, open_dataset):
                    with fails(f"{file.name.partition('.')[0]}.* (cannot be read|has no samples)"):
                        open_file(str(path), **options)
            file.write_bytes(whole)


def test_labels_of_edge_impulse_are_those_of_its_list(tmp_path):
    folder, _, _ = edge_impulse(tmp_path)
    files = [{"path": "training/idle.28p3j.json", "label": {"type": "label", "label": "still"}}]
    (tmp_path / "info.labels").write_text(json.dumps({"version": 1, "files": files}))
    assert open_source(str(folder)).class_names == ("still", "wave")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": [[1.0, 2.0], [3.0]]}, "row 2 has 1 values for 2 sensors"),
        ({"values": []}, "its payload has no 'sensors' or no 'values'"),
        ({"values": [[[1], 2.0]]}, "'accX' holds lists or objects"),
        ({"values": [[10**400, 2.0]]}, "'accX' has a number that is too large"),
    ],
)
def test_faults_of_edge_impulse(tmp_path, change, message):
    folder, _, _ = edge_impulse(tmp_path)
    path = folder / "idle.28p3j.json"
    content = json.loads(path.read_text())
    content["payload"] |= change
    path.write_text(json.dumps(content))
    with fails(message):
        open_source(str(folder))


def test_tables_in_json(tmp_path):
    rows = [{"ax": 1, "ay": 0.5, "label": "a"}, {"ay": 1.5, "ax": 2, "label": None}, {"ax": 3, "ay": 2.5, "label": "b"}]
    columns = {name: [row[name] for row in rows] for name in ("ax", "ay", "label")}
    by_index = {name: {str(k): cell for k, cell in enumerate(cells)} for name, cells in columns.items()}
    for content in (rows, columns, by_index):
        (tmp_path / "a.json").write_text(json.dumps(content))
        block = read(open_source(str(tmp_path / "a.json")))
        assert (block.x.tolist(), block.y.tolist()) == ([[1, 0.5], [2, 1.5], [3, 2.5]], [0, UNLABELLED, 1])


def test_matlab_recordings_in_cells_and_channels_by_samples(tmp_path):
    from scipy.io import savemat

    cells = np.empty(2, object)
    cells[:] = [np.arange(4.0).reshape(2, 2), np.arange(6.0).reshape(3, 2)]
    savemat(tmp_path / "a.mat", {"X": cells, "y": np.array([1, 2])})
    block = read(open_source(str(tmp_path / "a.mat")))
    assert (block.y.tolist(), block.segment.tolist()) == ([0, 0, 1, 1, 1], [0, 0, 1, 1, 1])
    savemat(tmp_path / "b.mat", {"data": {"acc": np.arange(10.0).reshape(2, 5)}, "label": [1, 2, 1, 2, 1]})
    source = open_source(str(tmp_path / "b.mat"))
    assert read(source).x.tolist() == [[k, k + 5] for k in range(5)]
    assert len(source.notes) == 2


def test_axes_called_x_y_and_z_are_columns_of_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(4.0), y=np.arange(4.0) + 1, z=np.arange(4.0) + 2, label=["a", "b"] * 2)
    source = open_source(str(tmp_path / "a.npz"))
    assert (source.channels, source.class_names) == (("x", "y", "z"), ("a", "b"))


def test_annotations_of_a_record_are_chosen_by_their_extension(tmp_path):
    needs("wfdb")
    import wfdb

    wfdb_apnea(tmp_path)
    description = tmp_path / "layout.toml"
    description.write_text('file = "a01.hea"\nreader = "wfdb"\n')
    assert "annotations of a01 are those of .apn" in open_source(str(description)).notes
    wfdb.wrann("a01", "qrs", np.array([1, 3]), symbol=["N", "N"], write_dir=str(tmp_path))
    with fails("a01 has annotations apn, qrs; say which with the key 'annotator'"):
        open_source(str(description))
    description.write_text('file = "a01.hea"\nreader = "wfdb"\nannotator = "ari"\n')
    with fails("a01 has no annotations '.ari'; there are: apn, qrs"):
        open_source(str(description))


def test_files_of_other_columns_are_refused(tmp_path):
    (tmp_path / "1.csv").write_text("ax,ay,label\n1,2,a\n3,4,b\n")
    (tmp_path / "2.csv").write_text("ax,gz,label\n1,2,a\n3,4,b\n")
    with fails("2.csv has a column 'gz', which .*1.csv has not"):
        open_source(str(tmp_path))


def test_run_reads_arrays_by_other_names_as_stream_does(tmp_path):
    x, y = np.arange(12.0).reshape(6, 2), ["a", "b"] * 3
    np.savez(tmp_path / "a.npz", ax=x[:, 0], ay=x[:, 1], label=y)
    np.savez(tmp_path / "b.npz", data=x, labels=y)
    for name in ("a.npz", "b.npz"):
        data = open_dataset(tmp_path / name)
        assert sorted(np.concatenate([data.train_x, data.test_x]).tolist()) == x.tolist()
        assert read(open_source(str(tmp_path / name))).x.tolist() == x.tolist()
    (tmp_path / "c.npz").write_text("a,b\n1,2\n")
    with fails("c.npz cannot be read .it is no .npz archive"):
        open_dataset(tmp_path / "c.npz")


def test_tables_of_hdf5_have_columns_of_their_names(tmp_path):
    needs("h5py")
    import h5py

    rows = np.array([(0.5, 1), (1.5, 2), (2.5, 1)], [("ax", "f8"), ("label", "i4")])
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["group/table"] = rows
    source = open_source(str(tmp_path / "a.h5"))
    assert (source.channels, source.class_names) == (("ax",), ("1", "2"))
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("X", shape=(10**7, 10**6), dtype="f8", chunks=(1000, 1000))
    with fails("b.h5: array 'X' needs .* GiB of memory"):
        open_source(str(tmp_path / "b.h5"))


def test_damaged_sizes_in_matlab_files_are_refused(tmp_path):
    """The library trusts them: some of these end the process."""
    path, _, _ = matlab(tmp_path)
    whole = path.read_bytes()
    for at, byte in ((177, 68), (132, 255)):
        damaged = bytearray(whole)
        damaged[at] = byte
        path.write_bytes(damaged)
        with fails("own.mat cannot be read .*damaged"):
            open_source(str(path))
