"""Content of a Keras .h5 model as one .npz on the standard output, read in a process of its own.

HDF5 has no checksums here, and its C library ends the process on some damaged files: `keras_file` runs this file as a
script, which imports nothing of the package.
"""

from __future__ import annotations

import io
import json
import sys

import numpy as np

NO_MODEL = 3  # exit code for a file of weights alone


def content_of(path: str) -> bytes | None:
    """Return configuration and arrays of a model: `config` and `names`, JSON texts, and the arrays by number.

    names : {layer: [name of an array, ...]}, numbered in this order; None where the file holds no configuration
    """
    import h5py

    with h5py.File(path, "r") as file:
        if "model_config" not in file.attrs:
            return None
        config = file.attrs["model_config"]
        names: dict[str, list[str]] = {}
        arrays: list[np.ndarray] = []
        for layer, group in file["model_weights"].items():
            listed = group.attrs.get("weight_names", ())
            names[layer] = [one.decode() if isinstance(one, bytes) else str(one) for one in listed]
            arrays += [np.asarray(group[name]) for name in names[layer]]
    text = config.decode() if isinstance(config, bytes) else str(config)
    made = io.BytesIO()
    named: dict[str, np.ndarray] = {"config": np.array(text), "names": np.array(json.dumps(names))}
    named |= {str(k): array for k, array in enumerate(arrays)}
    np.savez(made, **named)  # type: ignore[arg-type]
    return made.getvalue()


def main() -> int:
    try:
        content = content_of(sys.argv[1])
    except Exception as error:  # the reader of the standard error makes one line of it
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    if content is None:
        return NO_MODEL
    sys.stdout.buffer.write(content)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
