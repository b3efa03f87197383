"""One SQLite file that may be damaged, locked or full: whoever uses it goes on all the same.

What is damaged is set aside for a new file; what cannot be used is done without.

References
----------
Write-ahead log, which lets two processes in: https://sqlite.org/wal.html.
"""

from __future__ import annotations

import contextlib
import sqlite3
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from genretagger.errors import FatalError

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


class Database:
    """Rows of a few tables; messages call it "the cache".

    Lookups give None, and rows are dropped, where the file cannot be used.

    Parameters
    ----------
    path : pathlib.Path
        Made if missing.
    version : int
        Of the tables and of what is in them. A file of another one is set aside.
    tables : mapping of str to str
        What follows the name in ``CREATE TABLE``: columns in parentheses, and options.
    added : sequence of str
        The tables that files of this version may lack; they are added to them.
    warn : callable
        Told, once, when the file is damaged or cannot be used.
    """

    def __init__(
        self,
        path: Path,
        *,
        version: int,
        tables: Mapping[str, str],
        added: Sequence[str],
        warn: Warn,
    ) -> None:
        self.path = path
        self._version, self._tables, self._added = version, tables, added
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

    def ask(self, question: str, key: Row, unpack: Callable[[Row], Answer]) -> Answer | None:
        """Look one row up; None if there is none."""
        if self._db is None:
            return None
        with self._or_without_cache(), _reading_rows():
            row = self._db.execute(question, key).fetchone()
            return None if row is None else unpack(row)
        return None

    def ask_all(self, question: str) -> list[Row]:
        """Look up all rows; none without a file."""
        if self._db is None:
            return []
        with self._or_without_cache(), _reading_rows():
            return self._db.execute(question).fetchall()
        return []

    def ask_many(
        self,
        question: str,
        key: Row,
        paths: Sequence[bytes],
        unpack: Callable[[int, list[Row]], Any],
    ) -> list[Any]:
        """Look up rows for many files, in as few questions as SQLite has room for.

        Parameters
        ----------
        question : str
            A query whose first column is the path, and which ends with a condition.
        key : tuple
            What stands for the marks in it.
        paths : sequence of bytes
        unpack : callable
            Given the number of a path and its rows, of which there is at least one.

        Returns
        -------
        list
            One for each path, in their order; None where there are no rows.
        """
        answers: list[Any] = []
        for start in range(0, len(paths), _ASKED):
            asked = paths[start : start + _ASKED]
            marks = ", ".join("?" * len(asked))
            rows: dict[bytes, list[Row]] = {}
            unpacked: list[Any] = [None] * len(asked)
            with self._or_without_cache(), _reading_rows():
                if self._db is not None:
                    for row in self._db.execute(
                        f"{question} AND path IN ({marks})", (*key, *asked)
                    ):
                        rows.setdefault(row[0], []).append(row)
                    for n, path in enumerate(asked):
                        if path in rows:
                            unpacked[n] = unpack(start + n, rows[path])
            answers += unpacked
        return answers

    def keep(self, statement: str, row: Row) -> None:
        """Write a row, together with others: at the latest when the file is closed."""
        if not self._pending:
            self._pending_since_s = time.monotonic()
        self._pending.append((statement, row))
        waited_s = time.monotonic() - self._pending_since_s
        if len(self._pending) >= _ROWS or waited_s > _SECONDS:
            self._flush()

    def change(self, *statements: tuple[str, Row]) -> None:
        """Carry out statements at once, and give back the room that they free.

        Raises
        ------
        FatalError
            If the file cannot be used, or another run is writing to it.
        """
        with self.or_fatal() as db:
            _write(db, statements)
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextlib.contextmanager
    def or_fatal(self) -> Iterator[sqlite3.Connection]:
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

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # our transactions are begun in words, so no isolation level
        self._db = db = sqlite3.connect(self.path, timeout=_PATIENCE_S, isolation_level=None)
        self._inode = self.path.stat().st_ino
        _use_log(db)
        db.execute("PRAGMA synchronous = NORMAL")  # a power failure costs the last rows only
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            set_version = (f"PRAGMA user_version = {self._version}", ())
            _write(db, [*map(self._create, self._tables), set_version])
        elif version != self._version:
            raise _ContentError("was made by another version of genretagger")
        made = dict(db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
        if version == self._version:  # all else in it still serves
            lacking = [table for table in self._added if table not in made]
            if lacking:
                _write(db, map(self._create, lacking))
            made |= {table: self._tables[table] for table in lacking}
        if any(columns not in made.get(name, "") for name, columns in self._tables.items()):
            raise _ContentError("is damaged: its tables are not ours")

    def _create(self, table: str) -> tuple[str, Row]:
        return f"CREATE TABLE IF NOT EXISTS {table} {self._tables[table]}", ()

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
            for file, target in zip(files_of(self.path), files_of(aside), strict=True):
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


def _write(db: sqlite3.Connection, statements: Iterable[tuple[str, Row]]) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        for statement, values in statements:
            db.execute(statement, values)
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def files_of(path: Path) -> list[Path]:
    """List the files that a database may consist of."""
    return [path.with_name(f"{path.name}{suffix}") for suffix in ("", "-wal", "-shm")]
