"""The networks, as definitions: nothing here learns."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def start_tensorflow() -> None:
    """Import TensorFlow and Keras without a word; what fails is raised all the same.

    TensorFlow tells of missing CUDA drivers before it reads the above, and Keras prints the
    signature of each network that is converted.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import keras
        import tensorflow  # noqa: F401

        keras.config.disable_interactive_logging()
    finally:
        os.dup2(stderr, 2)
        os.close(nowhere)
        os.close(stderr)
