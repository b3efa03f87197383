"""The networks, as definitions: nothing here learns."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def start_tensorflow() -> None:
    """Import TensorFlow without a word: it tells of missing CUDA drivers before it reads the above.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import tensorflow  # noqa: F401
    finally:
        os.dup2(stderr, 2)
        os.close(nowhere)
        os.close(stderr)
