"""Keep other writing runs away, and finish what a killed one left half done."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from genretagger import places
from genretagger.errors import FatalError
from genretagger.writing import exchange, lock
from genretagger.writing import journal as journals
from genretagger.writing.journal import Entry
from genretagger.writing.signals import uninterrupted


@contextlib.contextmanager
def writing_run(command: str, say: Callable[[str], object]) -> Iterator[None]:
    """Keep other writing runs away, and put in order first what a killed one left.

    Parameters
    ----------
    command : str
        What this run is, for the message that another one shows.
    say : callable
        Called with each thing that was put in order, in words, one line for each file.

    Raises
    ------
    FatalError
        If another run is writing, or something cannot be put in order.
    """
    with lock.only_writer(places.state_folder(), command):
        with uninterrupted():
            for message in recover():
                say(message)
        yield


def recover() -> Iterator[str]:
    """Finish what a killed run left half done, and remove its working copy.

    To be called before anything is written, while no other run is writing.

    Yields
    ------
    str
        What was put in order, in words, one line for each file.

    Raises
    ------
    FatalError
        If the journal or a half-written file cannot be written.
    """
    is_missing = False
    for path, entry in journals.unfinished():
        before, after = entry.sha256
        try:
            now = exchange.sha256(entry.path)
        except OSError as error:
            # its disk may be away; if it comes back, it is taken up again
            is_missing = True
            if not isinstance(error, FileNotFoundError):
                yield f"{entry.path}: was being changed by a killed run: {error.strerror}"
            continue
        is_new = now == after
        if now not in entry.sha256:
            is_new = _finish(entry)
            outcome = "finished" if is_new else "something else has changed it since; not finished"
            yield f"{entry.path}: was being changed by a killed run; {outcome}"
        # what something else has changed stays in the journal, and undo refuses it
        journals.settle(path, done=is_new or now != before)
    if not is_missing:
        for copy in journals.noted_copies():
            with contextlib.suppress(OSError):  # it stays, and does no harm
                copy.unlink(missing_ok=True)
        journals.forget_copies()


def _finish(entry: Entry) -> bool:
    try:
        return exchange.finish(entry.path, entry.delta, entry.sha256[1])
    except OSError as error:
        raise FatalError(
            f"{entry.path}: half written by a killed run, and cannot be finished: "
            f"{error.strerror}; see that its disk has room, and start again"
        ) from error
