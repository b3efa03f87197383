"""The shipped bundle with its embedding or without, whichever it is shipped with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from genretagger import bundle

_HIDDEN = (1, 250)
"""Shape of the hidden layer that stands for the embedding where the network gives none."""


def write(folder: Path, *, embedding: bool = True, **changes: Any) -> bundle.Bundle:
    """Write the shipped bundle anew; `changes` are to what `bundle.write` takes."""
    shipped = bundle.read(bundle.DEFAULT)
    with np.load(shipped.path / "golden.npz") as golden:
        arrays = dict(golden)
    model, size = _network(shipped, embedding=embedding)
    about: dict[str, Any] = {"licence": "MIT"}
    if embedding:
        about["embedding"] = {"output": 1, "size": size}
    settings: dict[str, Any] = {
        "model": model,
        "golden": arrays,
        "features": shipped.features,
        "filterbank": shipped.filterbank,
        "thresholds": shipped.thresholds,
        "calibration": shipped.calibration,
        "about": about | changes.pop("about", {}),
        "card": "MIT",
    }
    return bundle.write(folder, **settings | changes)


def _network(shipped: bundle.Bundle, *, embedding: bool) -> tuple[bytes, int]:
    """Give the network with the one output or both, and the number of values of the second."""
    model = shipped.model_path.read_bytes()
    network = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    (graph,) = network.subgraphs
    outputs = list(graph.outputs)
    shapes = [tuple(t.shape) if t.shape is not None else () for t in graph.tensors]
    if shipped.embedding is not None:
        embedded = outputs.pop(shipped.embedding.output)
    else:
        embedded = shapes.index(_HIDDEN)
    graph.outputs = [*outputs, embedded] if embedding else outputs
    network.signatureDefs = None  # they name the outputs, too
    builder = flatbuffers.Builder(len(model))
    builder.Finish(network.Pack(builder), b"TFL3")
    return bytes(builder.Output()), int(shapes[embedded][1])
