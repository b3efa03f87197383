"""Tags and predictions of earlier runs, so that a second run opens no file.

One SQLite file for each user. Tags, the identity of the audio and whether a change can be written
are kept by path and hold as long as the file's inode, size, mtime and ctime stay; predictions are
kept by the identity of the audio, so that they survive renames, moves and edits of the tags, and
by the bundle and the version of hearing.

Only the main process writes, and whatever is lost here costs time, never a file: a cache that is
damaged is set aside, one that cannot be used is done without.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from genretagger.database import Database, Row, Warn, files_of
from genretagger.errors import DamagedError, FatalError, TrackError
from genretagger.identity import is_settled, stamp
from genretagger.places import cache_file
from genretagger.records import BlockChange, GenreBlock, Identity, Prediction, Seen, TrackTags

SCHEMA = 1
"""Version of the tables. Raise it also when `TrackTags` or `Prediction` get other fields
that stand in the tables of before.
(`_READER` is for what is read into them, `audio.HEARING_VERSION` for what is heard.)"""

_TABLES = {
    "tags": "(path BLOB, field TEXT, identity TEXT, cue_beside INTEGER, tags TEXT, "
    "PRIMARY KEY (path, field)) WITHOUT ROWID",
    "audio": "(path BLOB PRIMARY KEY, identity TEXT, audio_id TEXT) WITHOUT ROWID",
    "predictions": "(heard_id TEXT, bundle_id TEXT, has_cuesheet INTEGER, probabilities BLOB, "
    "notes TEXT, failure TEXT, PRIMARY KEY (heard_id, bundle_id, has_cuesheet)) WITHOUT ROWID",
    "rehearsals": "(path BLOB, field TEXT, identity TEXT, writer INTEGER, blocks TEXT, "
    "refusal TEXT, PRIMARY KEY (path, field)) WITHOUT ROWID",
    "failures": "(path BLOB PRIMARY KEY, identity TEXT, reason TEXT) WITHOUT ROWID",
    # Beside the predictions, so that a run that wants none reads none. With row ids three lie on
    # a page; without, rows of more than 1002 bytes would take a page each (SQLite, file format,
    # 1.6).
    "embeddings": "(heard_id TEXT, bundle_id TEXT, has_cuesheet INTEGER, embedding BLOB, "
    "PRIMARY KEY (heard_id, bundle_id, has_cuesheet))",
}

_BY_PATH = ("tags", "audio", "rehearsals", "failures")
"""Tables of what holds for one state of one file."""

_OF_AUDIO = ("predictions", "embeddings")
"""Tables of what was heard in some audio, by one model."""

_ADDED = ("rehearsals", "embeddings", "failures")
"""Caches of before lack these tables; they are added to them."""

_READER = 4
"""Version of what `tags.read` finds. Raise it when it finds more or less in the same file."""

_WRITER = 4
"""Version of what `tags.write` refuses. Raise it when it refuses more or less."""


@contextlib.contextmanager
def opened(warn: Warn) -> Iterator[Cache | None]:
    """Open this user's cache, for use in this thread; None if there is no place for it.

    Parameters
    ----------
    warn : callable
        Told, once, when the cache is damaged or cannot be used.
    """
    try:
        path = cache_file()
    except FatalError as error:
        warn(f"{error}; going on without a cache")
        yield None
        return
    with contextlib.closing(Cache(path, warn=warn)) as cache:
        yield cache


@dataclass(frozen=True)
class PredictionKey:
    """Key under which a track's prediction is cached.

    Attributes
    ----------
    audio_id : str
        As `tags.audio_id` gives it.
    identity : Identity
        A cached failure counts only for the exact file state that failed.
    bundle_id : str
    has_cuesheet : bool
        As in `Seen`.
    """

    audio_id: str
    identity: Identity
    bundle_id: str
    has_cuesheet: bool


@dataclass(frozen=True)
class Contents:
    """Figures of a cache.

    Attributes
    ----------
    path : pathlib.Path
    size : int
        In bytes, on the disk.
    n_tracks : int
        Files of which something is cached.
    n_predictions : dict of str to int
        Predictions for each bundle's id.
    """

    path: Path
    size: int
    n_tracks: int
    n_predictions: dict[str, int]


class Cache:
    """Tags, predictions and rehearsals of earlier runs.

    Every lookup may return None: compute the value and pass it to the matching `keep_` method.

    Parameters
    ----------
    path : pathlib.Path
        Made if missing.
    warn : callable
        Told, once, when the cache is damaged or cannot be used.
    """

    def __init__(self, path: Path, *, warn: Warn) -> None:
        self.path = path
        self._db = Database(path, version=SCHEMA, tables=_TABLES, added=_ADDED, warn=warn)

    def close(self) -> None:
        """Write what is pending, and end."""
        self._db.close()

    # ---- Lookups ------------------------------------------------------------------------------

    def tags(self, files: Sequence[Seen], field: str | None) -> list[TrackTags | None]:
        """Look up the tags of files.

        Parameters
        ----------
        files : sequence of Seen
        field : str or None
            As in `tags.read`.
        """
        question = "SELECT path, identity, cue_beside, tags FROM tags WHERE field = ?"

        def unpack(n: int, rows: list[Row]) -> TrackTags | None:
            now = (stamp(files[n].identity), files[n].cue_beside)
            return next((_unpack_tags(row[3]) for row in rows if row[1:3] == now), None)

        return self._db.ask_many(question, (field or "",), _keys(files), unpack)

    def keep_tags(self, file: Seen, field: str | None, tags: TrackTags) -> None:
        """Cache tags, for as long as the file stays as it was when it was looked at."""
        if is_settled(file.identity):
            where = (_key(file.path), field or "", stamp(file.identity), file.cue_beside)
            statement = "INSERT OR REPLACE INTO tags VALUES (?, ?, ?, ?, ?)"
            self._db.keep(statement, (*where, _pack_tags(tags)))

    def audio_id(self, file: Seen) -> str | None:
        """Look up the identity of a file's audio."""
        question = "SELECT audio_id FROM audio WHERE (path, identity) = (?, ?)"
        key = (_key(file.path), stamp(file.identity))
        return self._db.ask(question, key, lambda row: str(row[0]))

    def keep_audio_id(self, file: Seen, audio_id: str) -> None:
        """Cache the identity of a file's audio, for as long as the file stays as it is."""
        if is_settled(file.identity):
            row = (_key(file.path), stamp(file.identity), audio_id)
            self._db.keep("INSERT OR REPLACE INTO audio VALUES (?, ?, ?)", row)

    def predictions(
        self, files: Sequence[Seen], bundle_id: str, *, embedding: bool = False
    ) -> list[Prediction | TrackError | None]:
        """Look up the predictions for files whose audio is known: both lookups in one.

        Parameters
        ----------
        files : sequence of Seen
        bundle_id : str
        embedding : bool
            With their embeddings; a prediction whose embedding is not there counts as none.
        """
        question = _question(
            "path, identity, has_cuesheet, probabilities, notes, failure",
            f"audio JOIN predictions ON heard_id IN (audio_id, '{_FAILED}' || identity)",
            "bundle_id = ?",
            embedding=embedding,
        )

        def unpack(n: int, rows: list[Row]) -> Prediction | TrackError | None:
            now = (stamp(files[n].identity), files[n].has_cuesheet)
            return next((_unpack_prediction(*row[3:]) for row in rows if row[1:3] == now), None)

        return self._db.ask_many(question, (bundle_id,), _keys(files), unpack)

    def prediction(
        self, key: PredictionKey, *, embedding: bool = False
    ) -> Prediction | TrackError | None:
        """Look up a prediction, or why there can be none; `embedding` as in `predictions`."""
        question = _question(
            "probabilities, notes, failure",
            "predictions",
            "heard_id IN (?, ?) AND (bundle_id, has_cuesheet) = (?, ?)",
            embedding=embedding,
        )
        ids = (_failure_id(key.identity), key.audio_id)
        return self._db.ask(
            question, (*ids, key.bundle_id, key.has_cuesheet), lambda row: _unpack_prediction(*row)
        )

    def keep_prediction(self, key: PredictionKey, answer: Prediction | TrackError) -> None:
        """Cache a prediction; of failures only those that the file's bytes explain."""
        common = (key.bundle_id, key.has_cuesheet)
        row: Row
        if isinstance(answer, Prediction):
            p = answer.probabilities
            packed = None if p is None else struct.pack(f"<{len(p)}d", *p)
            row = (key.audio_id, *common, packed, json.dumps(answer.notes), None)
        elif isinstance(answer, DamagedError) and is_settled(key.identity):
            row = (_failure_id(key.identity), *common, None, "[]", str(answer))
        else:
            return
        self._db.keep("INSERT OR REPLACE INTO predictions VALUES (?, ?, ?, ?, ?, ?)", row)
        if isinstance(answer, Prediction) and answer.embedding is not None:
            row = (key.audio_id, *common, answer.embedding.astype(_HALF).tobytes())
            self._db.keep("INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?, ?)", row)

    def rehearsal(self, file: Seen, field: str | None, blocks: Sequence[BlockChange]) -> str | None:
        """Look up why a change cannot be written; empty if it can be.

        Parameters
        ----------
        file : Seen
        field : str or None
            As in `tags.write`.
        blocks : sequence of BlockChange
        """
        question = (
            "SELECT refusal FROM rehearsals WHERE (path, field, identity, writer, blocks) "
            "= (?, ?, ?, ?, ?)"
        )
        return self._db.ask(question, _rehearsal_key(file, field, blocks), lambda row: str(row[0]))

    def keep_rehearsal(
        self, file: Seen, field: str | None, blocks: Sequence[BlockChange], refusal: str
    ) -> None:
        """Cache whether a change can be written, for as long as the file stays as it is."""
        if is_settled(file.identity):
            row = (*_rehearsal_key(file, field, blocks), refusal)
            self._db.keep("INSERT OR REPLACE INTO rehearsals VALUES (?, ?, ?, ?, ?, ?)", row)

    def is_news(self, path: Path, identity: Identity, reason: str) -> bool:
        """Tell whether a file has not failed like this before, as it is now; and remember it."""
        row = (_key(path), stamp(identity), reason)
        question = "SELECT 1 FROM failures WHERE (path, identity, reason) = (?, ?, ?)"
        if self._db.ask(question, row, lambda _: True):
            return False
        if is_settled(identity):
            self._db.keep("INSERT OR REPLACE INTO failures VALUES (?, ?, ?)", row)
        return True

    def files(self) -> list[Path]:
        """List the files of which something is cached; some may be gone."""
        rows = self._db.ask_all("SELECT path FROM tags UNION SELECT path FROM audio")
        return [Path(os.fsdecode(path)) for (path,) in rows]

    # ---- Upkeep -------------------------------------------------------------------------------

    def contents(self) -> Contents:
        """Count what is in it.

        Raises
        ------
        FatalError
            If the cache cannot be used.
        """
        with self._db.or_fatal() as db:
            (n_tracks,) = db.execute(
                "SELECT count(*) FROM (SELECT path FROM tags UNION SELECT path FROM audio)"
            ).fetchone()
            counted = db.execute(
                "SELECT bundle_id, count(*) FROM predictions GROUP BY bundle_id"
            ).fetchall()
        sizes = [file.stat().st_size for file in files_of(self.path) if file.exists()]
        return Contents(self.path, sum(sizes), n_tracks, dict(counted))

    def prune(self, bundle_id: str, identify: Callable[[Path], Identity]) -> None:
        """Forget files that are gone or were changed, and predictions that none needs.

        Parameters
        ----------
        bundle_id : str
            Predictions by any other bundle go.
        identify : callable
            Gives a file's identity, or raises `TrackError` if there is none.

        Raises
        ------
        FatalError
            If the cache cannot be used, or another run is writing to it.
        """
        with self._db.or_fatal() as db:
            cached = db.execute(
                " UNION ".join(f"SELECT path, identity FROM {table}" for table in _BY_PATH)
            ).fetchall()
        gone = [row for row in cached if not _is_still(row[0], row[1], identify)]
        self._db.change(
            *(
                (f"DELETE FROM {table} WHERE (path, identity) = (?, ?)", row)
                for table in _BY_PATH
                for row in gone
            ),
            *((f"DELETE FROM {table} WHERE bundle_id != ?", (bundle_id,)) for table in _OF_AUDIO),
            *(
                (
                    f"DELETE FROM {table} WHERE heard_id NOT IN (SELECT audio_id FROM audio "
                    f"UNION ALL SELECT '{_FAILED}' || identity FROM audio)",
                    (),
                )
                for table in _OF_AUDIO
            ),
        )

    def clear(self) -> None:
        """Forget everything.

        Raises
        ------
        FatalError
            If the cache cannot be used, or another run is writing to it.
        """
        self._db.change(*((f"DELETE FROM {table}", ()) for table in _TABLES))


def _keys(files: Sequence[Seen]) -> list[bytes]:
    return [_key(file.path) for file in files]


def _key(path: Path) -> bytes:
    return os.fsencode(path.absolute())


def _rehearsal_key(file: Seen, field: str | None, blocks: Sequence[BlockChange]) -> Row:
    packed = json.dumps([(block.kind, block.old, block.new) for block in blocks])
    return (_key(file.path), field or "", stamp(file.identity), _WRITER, packed)


_FAILED = "failed:"


def _failure_id(identity: Identity) -> str:
    return _FAILED + stamp(identity)


def _is_still(key: bytes, stamped: str, identify: Callable[[Path], Identity]) -> bool:
    try:
        return stamp(identify(Path(os.fsdecode(key)))) == stamped
    except TrackError:
        return False


_TAG_FIELDS = [field.name for field in fields(TrackTags)]


def _pack_tags(tags: TrackTags) -> str:
    blocks = [(block.kind, block.values) for block in tags.blocks]
    rest = [getattr(tags, name) for name in _TAG_FIELDS[1:]]
    return json.dumps([_READER, blocks, *rest], separators=(",", ":"))


def _unpack_tags(text: str) -> TrackTags | None:
    reader, blocks, *rest = json.loads(text)
    if reader != _READER:  # the first one put the blocks here
        return None
    if len(rest) != len(_TAG_FIELDS) - 1:
        raise ValueError("a row has too few fields or too many")
    rest[-1] = tuple(rest[-1])  # the comments
    # a list is made in half the time of a generator
    return TrackTags(tuple([GenreBlock(kind, tuple(values)) for kind, values in blocks]), *rest)


def _question(columns: str, tables: str, condition: str, *, embedding: bool) -> str:
    """Ask for predictions; with their embeddings, only for those that have one or need none."""
    if embedding:
        columns += ", embedding"
        tables += " LEFT JOIN embeddings USING (heard_id, bundle_id, has_cuesheet)"
        condition += " AND (embedding IS NOT NULL OR probabilities IS NULL)"
    return f"SELECT {columns} FROM {tables} WHERE {condition}"


_HALF = np.dtype("<f2")


def _unpack_prediction(
    probabilities: bytes | None,
    notes: str,
    failure: str | None,
    embedding: bytes | None = None,
) -> Prediction | TrackError:
    if failure is not None:
        return DamagedError(failure)
    values = None
    if probabilities is not None:
        values = struct.unpack(f"<{len(probabilities) // 8}d", probabilities)
    embedded = None if embedding is None else np.frombuffer(embedding, _HALF)
    return Prediction(values, () if notes == "[]" else tuple(json.loads(notes)), embedded)
