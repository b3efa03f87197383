"""Results that grow over several runs: JSON Lines, or Parquet in parts.

What a run has added stays when it is killed, and the next run goes on. Parquet files cannot grow,
so that a folder of them is written: rows gather as JSON Lines until they make a part.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np

from genretagger.decide import DecisionPolicy
from genretagger.errors import FatalError
from genretagger.installation import command_for
from genretagger.report.tables import json_line
from genretagger.rows import Row
from genretagger.writing.lock import lock

FORMATS = ("json", "parquet")

_BEGINNING = b'{"schema": '  # of every line
_DIGEST_BYTES = 16  # of a path; two of 50 million are alike with a probability of 4e-24
_ROWS_OF_A_PART = 50_000
_ROWS_AT_ONCE = 5_000  # of those in memory while a part is written


class Made(NamedTuple):
    """How rows were made: results of another making are not gone on with.

    Attributes
    ----------
    model : str
        As `hearing.hearing_id` gives it.
    decision : str
        As `decision_id` gives it.
    """

    model: str
    decision: str


def decision_id(policy: DecisionPolicy, *, embedding: bool) -> str:
    """Name all that a row depends on beside what is heard.

    Parameters
    ----------
    policy : DecisionPolicy
    embedding : bool
        Rows have the embedding.

    Returns
    -------
    str
        Eight hex digits.
    """
    allowed = sorted(policy.vocabulary.genres if policy.allowed is None else policy.allowed)
    settings = (policy.thresholds, policy.max_genres, policy.always, allowed, embedding)
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:8]


class Results(Protocol):
    """Rows that are there, and take more."""

    def __len__(self) -> int:
        """Count the rows that were there."""
        ...

    def has(self, path: Path) -> bool:
        """Tell whether a track had its row before this run."""
        ...

    def add(self, row: Row) -> None:
        """Keep a row; one that was there before stays."""
        ...


@contextlib.contextmanager
def opened(
    path: Path, format: str, made: Made, genres: Sequence[str], *, embedding: bool
) -> Iterator[Results]:
    """Open results that may have been begun by an earlier run.

    Parameters
    ----------
    path : pathlib.Path
        A file, or with "parquet" a folder; made if missing.
    format : {"json", "parquet"}
    made : Made
        How this run makes rows.
    genres : sequence of str
        Of the model.
    embedding : bool
        Rows have the embedding.

    Raises
    ------
    FatalError
        If it cannot be used, holds anything else, was made otherwise, or another run holds it.
    """
    try:
        with contextlib.ExitStack() as stack:
            if format == "parquet":
                schema = _schema(genres, embedding=embedding)
                yield stack.enter_context(_parts(path, made, schema))
            else:
                yield stack.enter_context(_opened_lines(path, made, _Known()))
    except OSError as error:
        if error.filename is None or not str(error.filename).startswith(str(path)):
            raise
        raise FatalError(f"--output {path}: {error.strerror}") from error


class _Known:
    """Which tracks have their row: a digest of each path."""

    def __init__(self) -> None:
        self._digests = bytearray()
        self._sorted: np.ndarray[Any, Any] = np.empty(0, f"S{_DIGEST_BYTES}")

    def __len__(self) -> int:
        return len(self._digests) // _DIGEST_BYTES

    def learn(self, path: str) -> None:
        self._digests += _digest(path)

    def settle(self) -> None:
        """Make what was learned findable."""
        self._sorted = np.sort(np.frombuffer(self._digests, f"S{_DIGEST_BYTES}"))

    def has(self, path: str) -> bool:
        digest = np.array(_digest(path), self._sorted.dtype)
        at = int(np.searchsorted(self._sorted, digest))
        return at < len(self._sorted) and bool(self._sorted[at] == digest)


def _digest(path: str) -> bytes:
    return hashlib.blake2b(_in_unicode(path).encode(), digest_size=_DIGEST_BYTES).digest()


def _in_unicode(path: str) -> str:
    r"""Write a byte of a name that is not UTF-8 as JSON does: ``\udcXX``."""
    return path.encode("utf-8", "backslashreplace").decode()


class _Lines:
    """JSON Lines in a file that is open to read and to append, without a buffer."""

    def __init__(self, path: Path, file: FileIO, made: Made, known: _Known) -> None:
        self._path, self._file, self._made, self._known = path, file, made, known
        self.n_rows = 0
        self._read()
        known.settle()

    def __len__(self) -> int:
        return len(self._known)

    def has(self, path: Path) -> bool:
        return self._known.has(str(path))

    def add(self, row: Row) -> None:
        if self._known.has(row["path"]):
            return
        line = json_line({**row, **self._made._asdict()}).encode() + b"\n"
        try:
            while line:
                line = line[self._file.write(line) :]
        except OSError as error:  # a full disk
            raise _full(self._path, error) from error
        self.n_rows += 1

    def rows(self) -> Generator[Row, None, None]:
        """Read all rows, also those that were added."""
        with self._reader() as lines:
            yield from (json.loads(line) for line in lines if line.endswith(b"\n"))

    @contextlib.contextmanager
    def _reader(self) -> Iterator[BinaryIO]:
        self._file.seek(0)
        reader = BufferedReader(self._file)
        try:
            yield reader
        finally:
            reader.detach()  # else it would close the file

    def _read(self) -> None:
        """Learn what is there, and cut off a line that was begun when a run was killed."""
        whole = 0
        with self._reader() as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n") and _is_begun(line):
                    break
                row = _parsed(self._path, number, line)
                _check(self._path, row, self._made)
                self._known.learn(row["path"])
                whole += len(line)
                self.n_rows += 1
        self._file.truncate(whole)


def _is_begun(line: bytes) -> bool:
    return line.startswith(_BEGINNING) or _BEGINNING.startswith(line)


def _parsed(path: Path, number: int, line: bytes) -> Mapping[str, Any]:
    try:
        row: Row = json.loads(line)
        if not isinstance(row["path"], str) or not {*Made._fields} <= row.keys():
            raise ValueError("it lacks a key")
    except (ValueError, KeyError, TypeError) as error:
        why = f"line {number} is none of 'predict --cluster'"
        raise FatalError(f"{path}: {why}; delete the line, or name another file") from error
    return row


def _check(path: Path, row: Mapping[str, Any], made: Made) -> None:
    if row["model"] != made.model:
        why = f"was heard by model {row['model']}, and this run hears by {made.model}"
    elif row["decision"] != made.decision:
        why = "was made with other options of the decision, or of --embedding"
    else:
        return
    raise FatalError(f"{path}: {why}; give the same as then, or name another file")


@contextlib.contextmanager
def _opened_lines(path: Path, made: Made, known: _Known) -> Iterator[_Lines]:
    with FileIO(path, "a+") as file:
        _hold(file, path)
        yield _Lines(path, file, made, known)


def _full(path: Path, error: OSError) -> FatalError:
    why = error.strerror or error
    return FatalError(f"{path}: {why}; see to it, and the same command goes on")


def _hold(file: FileIO, path: Path) -> None:
    """Keep other runs away from results; the lock ends with the file."""
    try:
        lock(file)
    except (BlockingIOError, PermissionError) as error:
        raise FatalError(f"{path}: another run is writing it; wait for it, or stop it") from error


class _Parts:
    """Parquet files in a folder, each complete, and rows that are to be the next one."""

    def __init__(self, folder: Path, made: Made, schema: Any) -> None:
        self._folder, self._made, self._schema = folder, made, schema
        self._known = _Known()
        parts = sorted(folder.glob("part-*.parquet"))
        for part in parts:
            self._learn(part)
        self._number = 1 + max((int(part.stem.split("-")[1]) for part in parts), default=-1)
        for gathered in folder.glob("_rows-*.jsonl"):
            if gathered != self._gathered:  # it became a part, and the run was killed then
                gathered.unlink()
        self._stack = contextlib.ExitStack()
        self._lines = self._open()

    def __len__(self) -> int:
        return len(self._known)

    def has(self, path: Path) -> bool:
        return self._known.has(str(path))

    def add(self, row: Row) -> None:
        self._lines.add(row)
        if self._lines.n_rows >= _ROWS_OF_A_PART:
            self.close()
            self._lines = self._open()

    def close(self) -> None:
        """Make a part of the rows that have gathered."""
        gathered, part = self._gathered, self._folder / f"part-{self._number:05}.parquet"
        if self._lines.n_rows:
            try:
                with contextlib.closing(self._lines.rows()) as rows:
                    _write_parquet(part, rows, self._schema)
            except OSError as error:  # a full disk; the rows stay where they are
                raise _full(part, error) from error
            self._number += 1
        self._stack.close()
        gathered.unlink()

    @property
    def _gathered(self) -> Path:
        # what begins with an underscore is no data to readers of such folders
        return self._folder / f"_rows-{self._number:05}.jsonl"

    def _open(self) -> _Lines:
        return self._stack.enter_context(_opened_lines(self._gathered, self._made, self._known))

    def _learn(self, part: Path) -> None:
        import pyarrow as pa  # noqa: PLC0415 - no other command needs it
        import pyarrow.parquet as pq  # noqa: PLC0415

        try:
            with pq.ParquetFile(part) as file:
                for batch in file.iter_batches(columns=["path", *Made._fields]):
                    for row in batch.to_pylist():
                        _check(self._folder, row, self._made)
                        self._known.learn(row["path"])
        except (pa.ArrowException, KeyError) as error:
            why = "cannot be read; move it away, and what was in it is heard again"
            raise FatalError(f"{part}: {why}") from error


@contextlib.contextmanager
def _parts(folder: Path, made: Made, schema: Any) -> Iterator[_Parts]:
    folder.mkdir(parents=True, exist_ok=True)
    with FileIO(folder / "_lock", "a+") as file:
        _hold(file, folder)
        parts = _Parts(folder, made, schema)
        try:
            yield parts
        finally:
            parts.close()


def _schema(genres: Sequence[str], *, embedding: bool) -> Any:
    """Give the columns of Parquet files: the keys of JSON Lines."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - no other command needs it
    except ImportError as error:
        what = f"--format parquet needs pyarrow: {command_for('cluster')}"
        raise FatalError(what) from error
    columns = {
        "schema": pa.int16(),
        "path": pa.string(),
        "state": pa.string(),
        "genres": pa.list_(pa.string()),
        "probabilities": pa.struct([(genre, pa.float32()) for genre in genres]),
        "reason": pa.string(),
        **({"embedding": pa.list_(pa.float32())} if embedding else {}),
        **dict.fromkeys(Made._fields, pa.string()),
    }
    return pa.schema(columns.items())


def _write_parquet(path: Path, rows: Iterator[Row], schema: Any) -> None:
    """Write a file that is there as a whole, or not at all."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    new = path.with_name(f"_{path.name}.new")
    with pq.ParquetWriter(new, schema) as writer:
        while some := list(itertools.islice(rows, _ROWS_AT_ONCE)):
            texts = [{**row, **_texts_in_unicode(row)} for row in some]
            writer.write_table(pa.Table.from_pylist(texts, schema=schema))
    with new.open("rb") as file:
        os.fsync(file.fileno())
    new.replace(path)


def _texts_in_unicode(row: Row) -> Row:
    return {key: _in_unicode(row[key]) for key in ("path", "reason")}
