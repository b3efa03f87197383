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
def once_interrupted() -> Iterator[None]:
    """Handle the first Ctrl-C, and ignore further ones while shutting down."""

    def interrupt(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        # an interrupted process is about to end, and is not to be disturbed at that either
        if signal.getsignal(signal.SIGINT) is interrupt:
            signal.signal(signal.SIGINT, before)
