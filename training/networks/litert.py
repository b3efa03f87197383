"""Networks for LiteRT: converted, and run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genretagger.genres import GENRES
from training.arrays import Floats
from training.files import check_room

if TYPE_CHECKING:
    import keras


def to_tflite(inference: keras.Model) -> bytes:
    """Convert the inference model to a TensorFlow Lite flatbuffer, weights in float32.

    Parameters
    ----------
    inference : keras.Model
        The second model of `build`.

    Returns
    -------
    bytes

    Raises
    ------
    FatalError
        If there is no room for what the converter writes into the folder of temporary files.
    """
    # a SavedModel; where it does not fit, the converter fails without saying why
    n_bytes = 2 * 4 * inference.count_params()
    check_room(Path(tempfile.gettempdir()), n_bytes, "free some, or set TMPDIR to another folder")
    import tensorflow as tf

    return bytes(tf.lite.TFLiteConverter.from_keras_model(inference).convert())


def named_embedding(model: bytes) -> dict[str, dict[str, int]]:
    """Give the entry of ``bundle.json`` that names which of a network's outputs is its embedding.

    Parameters
    ----------
    model : bytes
        A TensorFlow Lite flatbuffer, whose other output has a value for each genre.

    Returns
    -------
    dict
        Empty if there is one output alone.
    """
    from ai_edge_litert.interpreter import Interpreter

    sizes = [int(o["shape"][1]) for o in Interpreter(model_content=model).get_output_details()]
    if len(sizes) == 1:
        return {}
    output = 1 - sizes.index(len(GENRES))
    return {"embedding": {"output": output, "size": sizes[output]}}


def runner(network: Callable[[Any], Any], shape: Sequence[int]) -> Callable[[Floats], Floats]:
    """Make LiteRT run a network, on one core: several times as fast as TensorFlow here.

    TensorFlow's convolutions are slow where one channel enters, as in MusiCNN's first layer.

    Parameters
    ----------
    network : callable
        A model or function, from one tensor to one.
    shape : sequence of int
        Of the input, float32.

    Returns
    -------
    callable
        From an array of that shape to the output.
    """
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    function = tf.function(network, input_signature=[tf.TensorSpec(shape, tf.float32)])
    concrete = function.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], function)
    interpreter = Interpreter(model_content=converter.convert(), num_threads=1)
    interpreter.allocate_tensors()
    (input_at,), (output_at,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(x: Floats) -> Floats:
        interpreter.set_tensor(input_at["index"], x)
        interpreter.invoke()
        output: Floats = interpreter.get_tensor(output_at["index"])
        return output

    return run
