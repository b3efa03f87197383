"""The networks, as definitions: nothing here learns."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep off standard error what TensorFlow and LiteRT say as they start; errors are raised."""
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(nowhere)
        os.close(stderr)


def start_tensorflow() -> None:
    """Import TensorFlow and Keras without a word; what fails is raised all the same.

    TensorFlow tells of missing CUDA drivers before it reads the above, and warns of functions that
    it traces anew; Keras prints the signature of each network that is converted.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    with quiet():
        import keras
        import tensorflow as tf

        keras.config.disable_interactive_logging()
        tf.get_logger().setLevel("ERROR")


def start_keras(n_threads: int) -> None:
    """Import Keras without a word, with the backend that the user has chosen (`KERAS_BACKEND`).

    Parameters
    ----------
    n_threads : int
        That TensorFlow may use; other backends have settings of their own.

    Raises
    ------
    ImportError
        If it, or its backend, is not installed.
    """
    with quiet():
        import keras

        keras.config.disable_interactive_logging()
    if keras.backend.backend() != "tensorflow":
        return
    start_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(n_threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
