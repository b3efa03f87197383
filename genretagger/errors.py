"""The two kinds of failure: skip this track, or stop."""

from __future__ import annotations


class GenreTaggerError(Exception):
    """Base of every error that genretagger raises on purpose."""


class TrackError(GenreTaggerError):
    """One file cannot be read, decoded or written; the run goes on without it.

    The message says what is wrong and what to do, in one line, and leaves the
    file's name to the caller, who prints it beside the message.
    """


class DamagedError(TrackError):
    """The file's own bytes are why: it fails again until they change, and so may be remembered."""


class FatalError(GenreTaggerError):
    """Nothing sensible can follow: a bundle that does not verify, a missing folder."""
