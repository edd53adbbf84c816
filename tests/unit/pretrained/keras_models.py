"""Small Keras files, written as Keras 3 writes them: config.json and groups named after classes, not in order."""

from __future__ import annotations

import io
import json
import zipfile

import h5py
import numpy as np


def dense(name, units, activation="linear", **more):
    config = {"name": name, "units": units, "activation": activation, "use_bias": True} | more
    return {"class_name": "Dense", "config": config, "name": name}


def layer(kind, name, **config):
    return {"class_name": kind, "config": {"name": name} | config, "name": name}


def inputs(shape, name="input_layer"):
    return layer("InputLayer", name, batch_shape=[None, *shape])


def sequential(*layers):
    return {"class_name": "Sequential", "config": {"name": "sequential", "layers": list(layers)}}


def functional(layers, connections, output):
    """Connect layers by name: {layer: names of what it reads}."""
    for one in layers:
        keys = [
            {"class_name": "__keras_tensor__", "config": {"shape": [], "keras_history": [name, 0, 0]}}
            for name in connections.get(one["name"], ())
        ]
        one["inbound_nodes"] = [{"args": keys if len(keys) == 1 else [keys], "kwargs": {}}] if keys else []
    first = layers[0]["name"]
    config = {"name": "model", "layers": layers, "input_layers": [first, 0, 0], "output_layers": [output, 0, 0]}
    return {"class_name": "Functional", "config": config}


def write_archive(path, config, groups, names=True):
    """Write a .keras file; groups: {place: (name of the layer, arrays)}."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for place, (name, arrays) in groups.items():
            group = file.create_group("/".join(f"layers/{part}" for part in place.split("/")) + "/vars")
            if names:
                group.attrs["name"] = name
            for k, array in enumerate(arrays):
                group[str(k)] = array
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", content.getvalue())
    return path


def write_legacy(path, config, layers):
    """Write a .h5 file; layers: {name: {array's name: array}}."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        weights = file.create_group("model_weights")
        for name, arrays in layers.items():
            group = weights.create_group(name)
            group.attrs["weight_names"] = [f"{name}/{key}" for key in arrays]
            for key, array in arrays.items():
                group[f"{name}/{key}"] = array
    return path


def arrays(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]
