"""Tag one file as a run does, and take that back."""

from genretagger import tags
from genretagger.plan import TagPolicy, plan
from genretagger.records import Decision, State
from genretagger.writing import journal
from genretagger.writing.change import apply, undo

NOISE = {"title": "Ein Titel", "artist": "Jemand", "album": "Etwas", "MYFIELD": "mine"}
"""Tags that are not to change."""


def write(path, *genres, to=None, preserve_mtime=False):
    """Plan and apply one genre; return what came of it."""
    line = plan(path, tags.read(path), TagPolicy("replace"), Decision(genres, ("because",)))
    assert line.state is State.CHANGE
    return apply(line, to or journal.Journal("test"), preserve_mtime=preserve_mtime)


def take_back(path=None):
    """Undo a journal, or the last one; return what came of each file."""
    _, entries = journal.read(path or journal.history()[-1])
    return list(undo(entries, journal.Journal("undo")))


def genres_in(path):
    """Read the genres of all blocks."""
    return [v for block in tags.read(path).blocks for v in block.values]
