"""Tags and predictions of earlier runs, so that a second run opens no file.

One SQLite file for each user. Tags, the identity of the audio and whether a change can be written
are kept by path and hold as long as the file's inode, size, mtime and ctime stay; predictions are
kept by the identity of the audio, so that they survive renames, moves and edits of the tags, and
by the bundle and the version of hearing.

Only the main process writes, and whatever is lost here costs time, never a file: a cache that is
damaged is set aside, one that cannot be used is done without.

References
----------
Write-ahead log, which lets two processes in: https://sqlite.org/wal.html.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from genretagger.errors import DamagedError, FatalError, TrackError
from genretagger.genres import GENRES
from genretagger.identity import is_settled, stamp
from genretagger.records import BlockChange, GenreBlock, Identity, Prediction, Seen, TrackTags

SCHEMA = 1
"""Version of the tables and of what is in them. Raise it also when a change to the code changes
what `TrackTags` or `Prediction` hold. (`audio.HEARING_VERSION` is for what is heard.)"""

_TABLES = {
    "tags": "path BLOB, field TEXT, identity TEXT, cue_beside INTEGER, tags TEXT, "
    "PRIMARY KEY (path, field)",
    "audio": "path BLOB PRIMARY KEY, identity TEXT, audio_id TEXT",
    "predictions": "heard_id TEXT, bundle_id TEXT, has_cuesheet INTEGER, probabilities BLOB, "
    "notes TEXT, failure TEXT, PRIMARY KEY (heard_id, bundle_id, has_cuesheet)",
    "rehearsals": "path BLOB, field TEXT, identity TEXT, writer INTEGER, blocks TEXT, "
    "refusal TEXT, PRIMARY KEY (path, field)",
}

_BY_PATH = ("tags", "audio", "rehearsals")
"""Tables of what holds for one state of one file."""

_ADDED = "rehearsals"
"""Caches of before lack this table; it is added to them."""

_WRITER = 1
"""Version of what `tags.write` refuses. Raise it when it refuses more or less."""

_PROBABILITIES = struct.Struct(f"<{len(GENRES)}d")

_ROWS, _SECONDS = 512, 1.0
"""Written together: a transaction costs some 100 us, and a killed run loses so much at most."""

_ASKED = 256
"""Files that one question is about; SQLite takes at least 999 values."""

_PATIENCE_S = 30.0
"""How long to wait while another run writes, which takes it milliseconds."""

Row = tuple[Any, ...]
Answer = TypeVar("Answer")

Warn = Callable[[str], None]
"""Called with one line for the user."""


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
        self._warn = warn
        self._db: sqlite3.Connection | None = None
        self._inode = 0
        self._pending: list[tuple[str, Row]] = []
        self._pending_since_s = 0.0
        with self._or_without_cache():
            self._open()

    def close(self) -> None:
        """Write what is pending, and end."""
        self._flush()
        if self._db is not None:
            self._db.close()
        self._db = None

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

        def unpack(file: Seen, rows: list[Row]) -> TrackTags | None:
            now = (stamp(file.identity), file.cue_beside)
            return next((_unpack_tags(row[3]) for row in rows if row[1:3] == now), None)

        return self._ask_many(question, (field or "",), files, unpack)

    def keep_tags(self, file: Seen, field: str | None, tags: TrackTags) -> None:
        """Cache tags, for as long as the file stays as it was when it was looked at."""
        if is_settled(file.identity):
            where = (_key(file.path), field or "", stamp(file.identity), file.cue_beside)
            statement = "INSERT OR REPLACE INTO tags VALUES (?, ?, ?, ?, ?)"
            self._keep(statement, (*where, _pack_tags(tags)))

    def audio_id(self, file: Seen) -> str | None:
        """Look up the identity of a file's audio."""
        question = "SELECT audio_id FROM audio WHERE (path, identity) = (?, ?)"
        key = (_key(file.path), stamp(file.identity))
        return self._ask(question, key, lambda row: str(row[0]))

    def keep_audio_id(self, file: Seen, audio_id: str) -> None:
        """Cache the identity of a file's audio, for as long as the file stays as it is."""
        if is_settled(file.identity):
            row = (_key(file.path), stamp(file.identity), audio_id)
            self._keep("INSERT OR REPLACE INTO audio VALUES (?, ?, ?)", row)

    def predictions(
        self, files: Sequence[Seen], bundle_id: str
    ) -> list[Prediction | TrackError | None]:
        """Look up the predictions for files whose audio is known: both lookups in one."""
        question = (
            "SELECT path, identity, has_cuesheet, probabilities, notes, failure "
            f"FROM audio JOIN predictions ON heard_id IN (audio_id, '{_FAILED}' || identity) "
            "WHERE bundle_id = ?"
        )

        def unpack(file: Seen, rows: list[Row]) -> Prediction | TrackError | None:
            now = (stamp(file.identity), file.has_cuesheet)
            return next((_unpack_prediction(*row[3:]) for row in rows if row[1:3] == now), None)

        return self._ask_many(question, (bundle_id,), files, unpack)

    def prediction(self, key: PredictionKey) -> Prediction | TrackError | None:
        """Look up a prediction, or why there can be none."""
        question = (
            "SELECT probabilities, notes, failure FROM predictions "
            "WHERE heard_id IN (?, ?) AND (bundle_id, has_cuesheet) = (?, ?)"
        )
        ids = (_failure_id(key.identity), key.audio_id)
        return self._ask(
            question, (*ids, key.bundle_id, key.has_cuesheet), lambda row: _unpack_prediction(*row)
        )

    def keep_prediction(self, key: PredictionKey, answer: Prediction | TrackError) -> None:
        """Cache a prediction; of failures only those that the file's bytes explain."""
        common = (key.bundle_id, key.has_cuesheet)
        row: Row
        if isinstance(answer, Prediction):
            p = answer.probabilities
            packed = None if p is None else _PROBABILITIES.pack(*p)
            row = (key.audio_id, *common, packed, json.dumps(answer.notes), None)
        elif isinstance(answer, DamagedError) and is_settled(key.identity):
            row = (_failure_id(key.identity), *common, None, "[]", str(answer))
        else:
            return
        self._keep("INSERT OR REPLACE INTO predictions VALUES (?, ?, ?, ?, ?, ?)", row)

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
        return self._ask(question, _rehearsal_key(file, field, blocks), lambda row: str(row[0]))

    def keep_rehearsal(
        self, file: Seen, field: str | None, blocks: Sequence[BlockChange], refusal: str
    ) -> None:
        """Cache whether a change can be written, for as long as the file stays as it is."""
        if is_settled(file.identity):
            row = (*_rehearsal_key(file, field, blocks), refusal)
            self._keep("INSERT OR REPLACE INTO rehearsals VALUES (?, ?, ?, ?, ?, ?)", row)

    # ---- Upkeep -------------------------------------------------------------------------------

    def contents(self) -> Contents:
        """Count what is in it.

        Raises
        ------
        FatalError
            If the cache cannot be used.
        """
        with self._or_fatal() as db:
            (n_tracks,) = db.execute(
                "SELECT count(*) FROM (SELECT path FROM tags UNION SELECT path FROM audio)"
            ).fetchone()
            counted = db.execute(
                "SELECT bundle_id, count(*) FROM predictions GROUP BY bundle_id"
            ).fetchall()
        sizes = [file.stat().st_size for file in _files_of(self.path) if file.exists()]
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
        with self._or_fatal() as db:
            cached = db.execute(
                " UNION ".join(f"SELECT path, identity FROM {table}" for table in _BY_PATH)
            ).fetchall()
        gone = [row for row in cached if not _is_still(row[0], row[1], identify)]
        self._change(
            *(
                (f"DELETE FROM {table} WHERE (path, identity) = (?, ?)", row)
                for table in _BY_PATH
                for row in gone
            ),
            ("DELETE FROM predictions WHERE bundle_id != ?", (bundle_id,)),
            (
                "DELETE FROM predictions WHERE heard_id NOT IN (SELECT audio_id FROM audio "
                f"UNION ALL SELECT '{_FAILED}' || identity FROM audio)",
                (),
            ),
        )

    def clear(self) -> None:
        """Forget everything.

        Raises
        ------
        FatalError
            If the cache cannot be used, or another run is writing to it.
        """
        self._change(*((f"DELETE FROM {table}", ()) for table in _TABLES))

    def _change(self, *statements: tuple[str, Row]) -> None:
        with self._or_fatal() as db:
            _write(db, statements)
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextlib.contextmanager
    def _or_fatal(self) -> Iterator[sqlite3.Connection]:
        """Turn a failure of the cache into a `FatalError`: here it is what the user asked for."""
        self._flush()
        if self._db is None:
            raise FatalError(f"the cache {self.path} cannot be used")
        try:
            yield self._db
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise FatalError(
                f"the cache {self.path}: {error}; try again later, or delete it"
            ) from error

    # ---- The database -------------------------------------------------------------------------

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # our transactions are begun in words, so no isolation level
        self._db = db = sqlite3.connect(self.path, timeout=_PATIENCE_S, isolation_level=None)
        self._inode = self.path.stat().st_ino
        _use_log(db)
        db.execute("PRAGMA synchronous = NORMAL")  # a power failure costs the last rows only
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            _write(db, [*map(_create, _TABLES), (f"PRAGMA user_version = {SCHEMA}", ())])
        elif version != SCHEMA:
            raise _ContentError("was made by another version of genretagger")
        made = dict(db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
        if version == SCHEMA and _ADDED not in made:  # what was heard before is still believed
            _write(db, [_create(_ADDED)])
            made[_ADDED] = _TABLES[_ADDED]
        if any(columns not in made.get(name, "") for name, columns in _TABLES.items()):
            raise _ContentError("is damaged: its tables are not ours")

    def _ask(self, question: str, key: Row, unpack: Callable[[Row], Answer]) -> Answer | None:
        if self._db is None:
            return None
        with self._or_without_cache(), _reading_rows():
            row = self._db.execute(question, key).fetchone()
            return None if row is None else unpack(row)
        return None

    def _ask_many(
        self,
        question: str,
        key: Row,
        files: Sequence[Seen],
        unpack: Callable[[Seen, list[Row]], Any],
    ) -> list[Any]:
        """Ask the same of many files, in as few questions as SQLite has room for."""
        answers: list[Any] = []
        for start in range(0, len(files), _ASKED):
            asked = files[start : start + _ASKED]
            paths = [_key(file.path) for file in asked]
            marks = ", ".join("?" * len(paths))
            rows: dict[bytes, list[Row]] = {}
            unpacked: list[Any] = [None] * len(asked)
            with self._or_without_cache(), _reading_rows():
                if self._db is not None:
                    for row in self._db.execute(
                        f"{question} AND path IN ({marks})", (*key, *paths)
                    ):
                        rows.setdefault(row[0], []).append(row)
                    for n, path in enumerate(paths):
                        if path in rows:
                            unpacked[n] = unpack(asked[n], rows[path])
            answers += unpacked
        return answers

    def _keep(self, statement: str, row: Row) -> None:
        if not self._pending:
            self._pending_since_s = time.monotonic()
        self._pending.append((statement, row))
        waited_s = time.monotonic() - self._pending_since_s
        if len(self._pending) >= _ROWS or waited_s > _SECONDS:
            self._flush()

    def _flush(self) -> None:
        with self._or_without_cache():
            if self._db is None:
                self._pending = []
            elif self._pending and not self._db.in_transaction:
                _write(self._db, self._pending)
                self._pending = []

    @contextlib.contextmanager
    def _or_without_cache(self) -> Iterator[None]:
        """Turn a failure of the cache into a warning, and go on with a new one or without."""
        try:
            yield
        except (sqlite3.Error, OSError, _ContentError) as error:
            self._recover(error)
        except UnicodeDecodeError:  # sqlite3 cannot decode its own message about a corrupt file
            self._recover(_ContentError("is damaged: its tables are not ours"))

    def _recover(self, error: Exception) -> None:
        """Do without the cache where it fails, and begin a new one where it is damaged."""
        self._abandon()
        if isinstance(error, (sqlite3.OperationalError, OSError)):  # locked, full, read-only ...
            self._warn(f"the cache {self.path} cannot be used ({error}); going on without it")
            return
        problem = str(error) if isinstance(error, _ContentError) else f"is damaged: {error}"
        with self._or_without_cache():
            aside = self._set_aside()
            self._warn(f"the cache {problem}; it is now {aside}, and a new one is begun")
            self._open()

    def _abandon(self) -> None:
        if self._db is not None:
            self._db.close()
        self._db = None

    def _set_aside(self) -> Path:
        """Rename the files of the database, in the place of what was set aside before."""
        aside = self.path.with_name(f"{self.path.name}.damaged")
        if self.path.stat().st_ino == self._inode:  # else another run was faster
            for file, target in zip(_files_of(self.path), _files_of(aside), strict=True):
                target.unlink(missing_ok=True)
                if file.exists():
                    file.replace(target)
        return aside


class _ContentError(Exception):
    """The database is sound, but not its contents; the message goes on after "the cache"."""


@contextlib.contextmanager
def _reading_rows() -> Iterator[None]:
    """Turn whatever a row of nonsense raises into a `_ContentError`."""
    try:
        yield
    except UnicodeDecodeError:
        raise
    except (ValueError, TypeError, LookupError, struct.error) as error:
        raise _ContentError(f"is damaged: {error}") from error


def _use_log(db: sqlite3.Connection) -> None:
    """Switch to the write-ahead log, for which SQLite itself does not wait its turn."""
    until_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until_s:
                raise
            time.sleep(0.02)
        else:
            return


def _create(table: str) -> tuple[str, Row]:
    return f"CREATE TABLE IF NOT EXISTS {table} ({_TABLES[table]}) WITHOUT ROWID", ()


def _write(db: sqlite3.Connection, statements: Iterable[tuple[str, Row]]) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        for statement, values in statements:
            db.execute(statement, values)
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _files_of(path: Path) -> list[Path]:
    return [path.with_name(f"{path.name}{suffix}") for suffix in ("", "-wal", "-shm")]


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
    return json.dumps([blocks, *rest], separators=(",", ":"))


def _unpack_tags(text: str) -> TrackTags:
    blocks, *rest = json.loads(text)
    if len(rest) != len(_TAG_FIELDS) - 1:
        raise ValueError("a row has too few fields or too many")
    rest[-1] = tuple(rest[-1])  # the comments
    # a list is made in half the time of a generator
    return TrackTags(tuple([GenreBlock(kind, tuple(values)) for kind, values in blocks]), *rest)


def _unpack_prediction(
    probabilities: bytes | None, notes: str, failure: str | None
) -> Prediction | TrackError:
    if failure is not None:
        return DamagedError(failure)
    values = None if probabilities is None else _PROBABILITIES.unpack(probabilities)
    return Prediction(values, () if notes == "[]" else tuple(json.loads(notes)))
