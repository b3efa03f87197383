"""Ctrl-C and SIGTERM: put off while a file is written, and taken once."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Put off Ctrl-C and SIGTERM until the block is done, so that it is done in full."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    pending: list[int] = []
    deferred = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(s, lambda received, _frame: pending.append(received)) for s in deferred]
    try:
        yield
    finally:
        for number, handler in zip(deferred, before, strict=True):
            signal.signal(number, handler)
    if pending:
        signal.raise_signal(pending[0])


@contextlib.contextmanager
def once_interrupted(*numbers: int) -> Iterator[None]:
    """Let the first signal interrupt the block, and ignore further ones while shutting down.

    Parameters
    ----------
    *numbers : int
        Signals; Ctrl-C's alone by default.
    """
    numbers = numbers or (signal.SIGINT,)

    def interrupt(*_: object) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        # an interrupted process is about to end, and is not to be disturbed at that either
        for number, handler in zip(numbers, before, strict=True):
            if signal.getsignal(number) is interrupt:
                signal.signal(number, handler)
