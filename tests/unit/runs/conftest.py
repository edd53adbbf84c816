"""Files that tests of starts share."""

import pytest

from tests.unit.runs.start_files import write_digits, write_model


@pytest.fixture(scope="package")
def files(tmp_path_factory):
    """Paths of models and features; tests do not write to them."""
    folder = tmp_path_factory.mktemp("start")
    return {
        "model": str(write_model(folder / "model.onnx")),
        "old": str(write_model(folder / "old.onnx", (64, 24, 8), "01234567")),
        "data": str(write_digits(folder / "digits.npz")),
        "eight": str(write_digits(folder / "eight.npz", 300, "01234567")),
    }
