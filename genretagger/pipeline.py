"""The line: files -> tags and audio -> probabilities -> decision -> plan -> changed files.

Only this module knows the order of the steps.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeGuard, TypeVar

import numpy as np
from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import BrokenProcessPool

from genretagger import audio, bundle, files, lock, tags
from genretagger import journal as journals
from genretagger.aggregate import aggregate, logit
from genretagger.bundle import Bundle
from genretagger.cache import Cache, HeardKey, Seen
from genretagger.classifier import Classifier
from genretagger.decide import DecisionPolicy, decide
from genretagger.errors import FatalError, TrackError
from genretagger.explain import occlude
from genretagger.features import log_mel
from genretagger.genres import GENRES
from genretagger.journal import Entry, Journal
from genretagger.plan import TagPolicy, existing_genres, plan, why_kept
from genretagger.records import (
    Closeup,
    Decision,
    Hearing,
    Identity,
    Prediction,
    State,
    TagChange,
    Track,
    TrackTags,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_T = TypeVar("_T")

_Task = tuple[Path, bool, Path, str]

_HOP_S = 3.0  # between the windows of a timeline: a third of one, and about two bars
_MOST_WINDOWS = 600  # half an hour of them; what is longer gets as many, further apart
_BATCH = 256  # tracks whose tags are read ahead; bounds memory and the wait for the first
_WAITING = 2  # tracks for each worker that it has or can take at once; loky queues no more
_AHEAD = 16  # tracks for each worker that are heard while the one before them takes long
_IDLE_S = 60.0  # a worker that had nothing to do for so long ends, as do those of a killed run

_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
"""A worker is to keep one core busy, also where it multiplies matrices."""


@dataclass(frozen=True)
class Options:
    """All that a run may be told.

    Attributes
    ----------
    bundle : Bundle
    decision : DecisionPolicy
    tags : TagPolicy
    field : str or None
        Write to this field and leave the genre alone.
    by : {"track", "album"}
        One decision for each track, or for each album.
    jobs : int
        Worker processes that decode and predict.
    analyse_all : bool
        Hear also the tracks whose genre stays whatever is heard, so that a dry run can
        show what was heard beside what is kept.
    cache : Cache or None
        Where what was read and heard before is looked up, and remembered.
    """

    bundle: Bundle
    decision: DecisionPolicy
    tags: TagPolicy
    field: str | None = None
    by: Literal["track", "album"] = "track"
    jobs: int = 1
    analyse_all: bool = True
    cache: Cache | None = None


def make_plan(paths: Iterable[Path], options: Options) -> Iterator[TagChange]:
    """Read tags and audio, and say what becomes of each track. Nothing is written.

    Parameters
    ----------
    paths : iterable of pathlib.Path
    options : Options

    Yields
    ------
    TagChange
        One line for each path, in their order; with ``by="album"`` in the order in which
        the albums begin.
    """
    for batch in _batches(paths, None if options.by == "album" else _BATCH):
        tracks = list(_tracks(batch, options))
        groups = _albums(tracks) if options.by == "album" else [[track] for track in tracks]
        to_hear = [track for group in groups for track in group if _must_hear(track, options)]
        heard = _listen(to_hear, options.bundle, options.jobs, options.cache)
        wanted = set(map(id, to_hear))
        for group in groups:
            yield from _plan_group(group, wanted, heard, options)


def apply(
    change: TagChange,
    journal: Journal,
    *,
    field: str | None = None,
    preserve_mtime: bool = False,
    cache: Cache | None = None,
) -> TagChange:
    """Do what a line of the plan says, and nothing else.

    The change is made and verified in a copy, written down, and only then put in place.

    Parameters
    ----------
    change : TagChange
        Nothing is done unless its state is CHANGE.
    journal : Journal
    field : str, optional
        Write to this field instead of the genre.
    preserve_mtime : bool
        Leave the file's modification time as it was.
    cache : Cache, optional
        Remembers what the file then holds, so that the next run need not open it.

    Returns
    -------
    TagChange
        The same line, or one with state FAILED that says why; the file is then as it was.

    Raises
    ------
    FatalError
        If the journal cannot be written.
    """
    if change.state is not State.CHANGE:
        return change
    try:
        rewrite(
            change.path,
            lambda copy: tags.write(copy, change.blocks, field=field),
            journal,
            old=change.old,
            new=change.new,
            planned=change.identity,
            preserve_mtime=preserve_mtime,
        )
    except TrackError as error:
        return _failed(change, error)
    _remember(change.path, field, cache)
    return change


def _remember(path: Path, field: str | None, cache: Cache | None) -> None:
    """Read what was just written, so that the next run need not."""
    if cache is not None:
        with contextlib.suppress(TrackError):  # it is written; let the next run find out
            for track in _read_tags([path], field, cache):
                if isinstance(track, Track):
                    _audio_id(track, cache)


def rewrite(
    path: Path,
    write: Callable[[Path], None],
    journal: Journal,
    *,
    old: Sequence[str],
    new: Sequence[str],
    planned: Identity | None = None,
    preserve_mtime: bool = False,
) -> bool:
    """Change a file's tags in a copy, write down what that changes, and put it in place.

    Parameters
    ----------
    path : pathlib.Path
    write : callable
        Changes the copy whose path it is given, as it likes; the audio must stay.
    journal : Journal
    old, new : sequence of str
        The genres, for the journal.
    planned : Identity, optional
        Of the file when the change was planned.
    preserve_mtime : bool
        Leave the file's modification time as it was.

    Returns
    -------
    bool
        Whether there was anything to change.

    Raises
    ------
    TrackError
        If the file cannot be changed. It is then as it was.
    FatalError
        If the journal cannot be written.
    """
    tags.check_writable(path)
    with uninterrupted():
        before = files.identify(path)
        if planned not in (None, before):
            raise TrackError("changed since the plan was made; make a new plan")
        with _working_copy(path, journal) as copy:
            audio_id = tags.audio_id(copy)
            write(copy)
            if tags.audio_id(copy) != audio_id:
                raise TrackError("to write its tags would change its audio; it stays as it was")
            real = path.resolve()
            hashes = files.sha256(real), files.sha256(copy)
            if hashes[0] == hashes[1]:
                return False
            entry = Entry(real, files.difference(real, copy), hashes, tuple(old), tuple(new))
            _exchange(entry, copy, before, journal, preserve_mtime=preserve_mtime)
    return True


def undo(
    entries: Sequence[Entry],
    journal: Journal,
    *,
    preserve_mtime: bool = False,
    cache: Cache | None = None,
) -> Iterator[TagChange]:
    """Take back the changes of a journal, the last one first.

    Parameters
    ----------
    entries : sequence of Entry
        As `journal.read` gives them.
    journal : Journal
        Where this run is written down, so that it can be taken back, too.
    preserve_mtime : bool
        Leave the files' modification times as they are.
    cache : Cache, optional
        Remembers what the files then hold, so that the next run need not open them.

    Yields
    ------
    TagChange
        CHANGE if the file is again what it was, byte for byte; KEEP if it never was changed;
        FAILED, and untouched, if something else has changed it since.
    """
    for entry in reversed(entries):
        back = entry.reversed()
        line = TagChange(back.path, State.CHANGE, old=back.old, new=back.new, reason="undone")
        try:
            with uninterrupted():
                if not _take_back(back, journal, preserve_mtime=preserve_mtime):
                    reason = "it is as it was before"
                    line = replace(line, state=State.KEEP, old=back.new, reason=reason)
                else:
                    _remember(back.path, None, cache)
        except TrackError as error:
            line = _failed(line, error)
        yield line


def _take_back(back: Entry, journal: Journal, *, preserve_mtime: bool) -> bool:
    """Undo one change; tell whether there was anything to undo."""
    before, after = back.sha256
    tags.check_writable(back.path)
    identity = files.identify(back.path)
    try:
        now = files.sha256(back.path)
    except OSError as error:
        raise TrackError(f"cannot be read: {error.strerror}") from error
    if now == after:
        return False
    with _working_copy(back.path, journal) as copy:
        if now == before:
            files.patch(back.path, copy, back.delta)
        if now != before or files.sha256(copy) != after:
            raise TrackError("changed since; it stays as it is")
        _exchange(back, copy, identity, journal, preserve_mtime=preserve_mtime)
    return True


@contextlib.contextmanager
def writing(command: str, say: Callable[[str], object]) -> Iterator[None]:
    """Keep other writing runs away, and put in order first what a killed one left.

    Parameters
    ----------
    command : str
        What this run is, for the message that another one shows.
    say : callable
        Told what was found, in words, one line for each file.

    Raises
    ------
    FatalError
        If another run is writing, or something cannot be put in order.
    """
    with lock.only_writer(journals.state_folder(), command):
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
        What was found, in words, one line for each file.

    Raises
    ------
    FatalError
        If the journal or a half-written file cannot be written.
    """
    is_missing = False
    for path, entry in journals.unfinished():
        before, after = entry.sha256
        try:
            now = files.sha256(entry.path)
        except OSError as error:
            # its disk may be away; if it comes back, it is taken up again
            is_missing = True
            if not isinstance(error, FileNotFoundError):
                yield f"{entry.path}: was being changed by a killed run: {error.strerror}"
            continue
        is_new = now == after
        if now not in entry.sha256:
            is_new = _finish(entry)
            found = "finished" if is_new else "something else has changed it since; not finished"
            yield f"{entry.path}: was being changed by a killed run; {found}"
        # what something else has changed stays in the journal, and undo refuses it
        journals.settle(path, done=is_new or now != before)
    if not is_missing:
        for copy in journals.noted_copies():
            with contextlib.suppress(OSError):  # it stays, and does no harm
                copy.unlink(missing_ok=True)
        journals.forget_copies()


def _finish(entry: Entry) -> bool:
    try:
        return files.finish(entry.path, entry.delta, entry.sha256[1])
    except OSError as error:
        raise FatalError(
            f"{entry.path}: half written by a killed run, and cannot be finished: "
            f"{error.strerror}; see that its disk has room, and start again"
        ) from error


@contextlib.contextmanager
def _working_copy(path: Path, journal: Journal) -> Iterator[Path]:
    with contextlib.suppress(OSError):  # what is wrong with the file, the next line says
        journal.note_copy(files.copy_of(path.resolve(strict=True)))
    with files.working_copy(path) as copy:
        yield copy


def _exchange(
    entry: Entry, copy: Path, before: Identity, journal: Journal, *, preserve_mtime: bool
) -> None:
    journal.begin(entry)
    try:
        files.exchange(entry.path, copy, entry.delta, before, preserve_mtime=preserve_mtime)
    except TrackError:
        journal.end(done=False)
        raise
    journal.end(done=True)


def predict(
    paths: Iterable[Path], with_bundle: Bundle, jobs: int = 1, *, cache: Cache | None = None
) -> Iterator[tuple[Path, Prediction | TrackError]]:
    """Hear files. None is opened for writing.

    Parameters
    ----------
    paths : iterable of pathlib.Path
    with_bundle : Bundle
    jobs : int
        Worker processes that decode and predict.
    cache : Cache, optional
        Where what was heard before is looked up, and remembered.

    Yields
    ------
    tuple of pathlib.Path and Prediction or TrackError
        One for each path, in their order.
    """
    for batch in _batches(paths, _BATCH):
        tracks = [
            # the audio may be sound though the tags are not
            Track(path) if isinstance(track, TrackError) else track
            for path, track in zip(batch, _read_tags(batch, None, cache), strict=True)
        ]
        yield from zip(batch, _listen(tracks, with_bundle, jobs, cache), strict=True)


def hear_closely(path: Path, with_bundle: Bundle) -> Hearing:
    """Hear one file all the way through, and find out what moved its leading genre.

    Parameters
    ----------
    path : pathlib.Path
    with_bundle : Bundle

    Returns
    -------
    Hearing

    Raises
    ------
    TrackError
        If the file cannot be read or decoded.
    """
    classifier = _classifier(with_bundle.path, with_bundle.bundle_id)
    features, filterbank = with_bundle.features, with_bundle.filterbank
    try:
        has_cuesheet = tags.read(path).has_cuesheet
    except TrackError:  # the audio may be sound though the tags are not
        has_cuesheet = False
    excerpts = audio.decode(
        path, sr=features.sr, segment_s=features.segment_s, has_cuesheet=has_cuesheet
    )
    log_mels = [log_mel(s.y, features, filterbank) for s in excerpts.segments]
    genre, closeups, probabilities = None, [], None
    if log_mels:
        heard = classifier.predict(np.stack(log_mels))
        probabilities = aggregate(heard, with_bundle.calibration)
        leading = int(np.argmax(probabilities))
        genre = GENRES[leading]
        slope, _ = with_bundle.calibration[leading]

        def odds_of(masked: NDArray[np.float32]) -> NDArray[np.float32]:
            # the calibration's intercept is the same on both sides of a difference
            log_odds = slope * logit(classifier.predict(masked)[:, leading])
            return np.asarray(log_odds, dtype=np.float32)

        closeups = [
            Closeup(segment.start_s, spectrogram, *occlude(spectrogram, odds_of))
            for segment, spectrogram in zip(excerpts.segments, log_mels, strict=True)
        ]
    starts_s, timeline = [], []
    for window in audio.decode_windows(
        path, sr=features.sr, window_s=features.segment_s, hop_s=_HOP_S, most=_MOST_WINDOWS
    ):
        starts_s.append(window.start_s)
        if audio.is_silent(window.y):
            timeline.append((np.nan,) * len(GENRES))
            continue
        heard = classifier.predict(log_mel(window.y, features, filterbank)[np.newaxis])
        timeline.append(aggregate(heard, with_bundle.calibration))
    return Hearing(
        prediction=Prediction(probabilities, excerpts.notes),
        genre=genre,
        closeups=tuple(closeups),
        duration_s=excerpts.duration_s,
        window_s=features.segment_s,
        starts_s=tuple(starts_s),
        timeline=np.asarray(timeline, dtype=np.float32).reshape(-1, len(GENRES)),
    )


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


def _batches(items: Iterable[_T], size: int | None) -> Iterator[list[_T]]:
    remaining = iter(items)
    while batch := list(itertools.islice(remaining, size)):
        yield batch


def _tracks(paths: Sequence[Path], options: Options) -> Iterator[Track | TagChange]:
    found = _read_tags(paths, options.field, options.cache)
    for path, track in zip(paths, found, strict=True):
        yield _failure(path, track) if isinstance(track, TrackError) else track


def _read_tags(
    paths: Sequence[Path], field: str | None, cache: Cache | None
) -> Iterator[Track | TrackError]:
    """Read files' tags, or recall those of files that are still what they were."""
    states = [_seen(path) for path in paths]
    seen = [state for state in states if isinstance(state, Seen)]
    known = iter(cache.tags(seen, field) if cache else [None] * len(seen))
    for state in states:
        if isinstance(state, TrackError):
            yield state
            continue
        path, identity, cue_beside, _ = state
        found = next(known)
        if found is None:
            try:
                found = tags.read(path, field=field, cue_sheet=cue_beside)
            except TrackError as error:
                yield error
                continue
            if cache is not None:
                cache.keep_tags(path, field, identity, found, cue_beside=cue_beside)
        yield Track(path, found, identity)


def _seen(path: Path) -> Seen | TrackError:
    try:
        return Seen(path, files.identify(path), tags.cue_beside(path))
    except TrackError as error:
        return error


def _must_hear(track: Track | TagChange, options: Options) -> TypeGuard[Track]:
    if isinstance(track, TagChange):
        return False
    stays = why_kept(_tags(track), options.tags)
    return options.analyse_all or options.by == "album" or not stays


def _albums(tracks: list[Track | TagChange]) -> list[list[Track | TagChange]]:
    albums: dict[Hashable, list[Track | TagChange]] = {}
    for track in tracks:
        key: Hashable = track.path
        if isinstance(track, Track) and not _tags(track).is_compilation:
            of = _tags(track)
            key = (of.album.casefold(), of.album_artist.casefold() or track.path.parent)
        albums.setdefault(key, []).append(track)
    groups: list[list[Track | TagChange]] = []
    for album in albums.values():
        groups += [[track] for track in album] if _is_mixed(album) else [album]
    return groups


def _is_mixed(album: list[Track | TagChange]) -> bool:
    """Tell a folder of many artists, without an album artist, from an album."""
    of = [_tags(track) for track in album if isinstance(track, Track)]
    artists = {t.artist.casefold() for t in of if not t.album_artist}
    return len(artists) > 2  # a guest on one track does not make a compilation


def _plan_group(
    group: list[Track | TagChange],
    wanted: set[int],
    heard: Iterator[Prediction | TrackError],
    options: Options,
) -> Iterator[TagChange]:
    answers = [(track, next(heard) if id(track) in wanted else None) for track in group]
    together = _together([answer for _, answer in answers if isinstance(answer, Prediction)])
    for track, answer in answers:
        if isinstance(track, TagChange):
            yield track
        elif isinstance(answer, TrackError):
            yield _unheard(track, answer, options.tags)
        elif answer is None:
            yield plan(track.path, _tags(track), options.tags, None, identity=track.identity)
        else:
            prediction = together or answer
            decision = decide(prediction, options.decision)
            change = plan(
                track.path,
                _tags(track),
                options.tags,
                decision,
                prediction,
                identity=track.identity,
            )
            try:
                if change.state is State.CHANGE:
                    tags.check_writable(track.path)
            except TrackError as error:
                change = _failed(change, error)
            yield change


def _together(predictions: list[Prediction]) -> Prediction | None:
    heard = [p.probabilities for p in predictions if p.probabilities is not None]
    if len(heard) < 2:
        return None
    note = f"album: {len(heard)} tracks heard together"
    return Prediction(aggregate(np.asarray(heard, dtype=np.float32)), (note,))


def _listen(
    tracks: Sequence[Track], with_bundle: Bundle, jobs: int, cache: Cache | None
) -> Iterator[Prediction | TrackError]:
    """Recall what was heard before, and hear the rest."""
    if cache is None:
        yield from _hear_tracks(tracks, with_bundle, jobs)
        return
    bundle_id = with_bundle.bundle_id
    known = _recall(tracks, bundle_id, cache)
    new = [track for track, (_, answer) in zip(tracks, known, strict=True) if answer is None]
    heard = _hear_tracks(new, with_bundle, jobs)
    for track, (key, answer) in zip(tracks, known, strict=True):
        if answer is not None:
            yield answer
            continue
        fresh = next(heard)
        # what has replaced the file while it waited to be heard has another identity
        if key is not None and _is_still(track):
            cache.keep_heard(key, fresh)
        yield fresh


def _recall(
    tracks: Sequence[Track], bundle_id: str, cache: Cache
) -> list[tuple[HeardKey | None, Prediction | TrackError | None]]:
    """Recall how tracks sound, and by what to remember it; None if it cannot be."""
    seen = [
        Seen(track.path, track.identity, has_cuesheet=_has_cuesheet(track))
        for track in tracks
        if track.identity is not None
    ]
    known = iter(cache.heard_in(seen, bundle_id))
    answers: list[tuple[HeardKey | None, Prediction | TrackError | None]] = []
    for track in tracks:
        answer = None if track.identity is None else next(known)
        key = None if answer else _heard_key(track, bundle_id, cache)
        answers.append((key, cache.heard(key) if key else answer))
    return answers


def _heard_key(track: Track, bundle_id: str, cache: Cache) -> HeardKey | None:
    try:
        audio_id = _audio_id(track, cache)
    except TrackError:
        return None  # the decoder may make something of it
    if track.identity is None or audio_id is None:
        return None
    return HeardKey(audio_id, track.identity, bundle_id, _has_cuesheet(track))


def _audio_id(track: Track, cache: Cache) -> str | None:
    if track.identity is None:
        return None
    found = cache.audio_id(track.path, track.identity)
    if found is None:
        found = tags.audio_id(track.path)
        cache.keep_audio_id(track.path, track.identity, found)
    return found


def _is_still(track: Track) -> bool:
    try:
        return files.identify(track.path) == track.identity
    except TrackError:
        return False


def _has_cuesheet(track: Track) -> bool:
    return track.tags is not None and track.tags.has_cuesheet


def _hear_tracks(
    tracks: Sequence[Track], with_bundle: Bundle, jobs: int
) -> Iterator[Prediction | TrackError]:
    """Hear tracks in worker processes, which are all that a decoder can take along."""
    tasks = (
        # workers stay in the folder in which they were started
        (track.path.absolute(), _has_cuesheet(track), with_bundle.path, with_bundle.bundle_id)
        for track in tracks
    )
    jobs = max(1, min(jobs, len(tracks)))
    begun: deque[tuple[_Task, Future[Prediction | TrackError]]] = deque()
    is_done = False
    try:
        while True:
            running = [future for _, future in begun if not future.done()]
            n_more = min(_WAITING * jobs - len(running), _AHEAD * jobs - len(begun))
            for task in itertools.islice(tasks, max(0, n_more)):
                begun.append((task, _submit(task, jobs)))
            if not begun:
                break
            if not begun[0][1].done():
                wait([f for _, f in begun if not f.done()], return_when=FIRST_COMPLETED)
                continue
            task, future = begun.popleft()
            try:
                answer = future.result()
            except BrokenProcessPool:  # by this track, or by another that was under way
                answer = _hear_alone(task)
            yield answer
        is_done = True
    finally:
        if not is_done:  # Ctrl-C, or nobody wants the rest: do not wait for it
            # loky stumbles if it is told to drop what it has not yet put before its workers
            while any(not (future.running() or future.done()) for _, future in begun):
                time.sleep(0.001)
            _dismiss_workers()


def _submit(task: _Task, jobs: int) -> Future[Prediction | TrackError]:
    while True:
        try:
            future: Future[Prediction | TrackError] = _workers(jobs).submit(_hear, *task)
        except BrokenProcessPool:  # a worker has crashed meanwhile
            _dismiss_workers()
        else:
            return future


_pools: dict[int, Any] = {}  # the one there is, by its number of workers
# loky keeps a pool for reuse, too, but it is joblib's, whose users beside us would trip over ours


def _workers(jobs: int) -> Any:
    """Give the worker processes, which are started once and serve the whole run."""
    for n_workers, pool in _pools.items():
        if n_workers >= jobs:  # the last tracks of a run need fewer
            return pool
    _dismiss_workers()
    _pools[jobs] = ProcessPoolExecutor(
        jobs, timeout=_IDLE_S, initializer=_begin_worker, env=_ONE_THREAD
    )
    return _pools[jobs]


def _dismiss_workers() -> None:
    while _pools:
        _, pool = _pools.popitem()
        pool.shutdown(kill_workers=True)


def _hear_alone(task: _Task) -> Prediction | TrackError:
    """Hear a track in a process of its own, so that a crash is certain to be its own."""
    executor = ProcessPoolExecutor(1, initializer=_begin_worker, env=_ONE_THREAD)
    try:
        answer: Prediction | TrackError = executor.submit(_hear, *task).result()
    except BrokenProcessPool:
        return TrackError("the decoder crashed on it; get another copy, or report it")
    finally:
        executor.shutdown(kill_workers=True)
    return answer


def _begin_worker() -> None:
    """Leave Ctrl-C to the main process, and keep what C libraries remark off the terminal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _hear(
    path: Path, has_cuesheet: bool, bundle_path: Path, bundle_id: str
) -> Prediction | TrackError:
    classifier = _classifier(bundle_path, bundle_id)
    features, filterbank = classifier.bundle.features, classifier.bundle.filterbank
    try:
        excerpts = audio.decode(
            path, sr=features.sr, segment_s=features.segment_s, has_cuesheet=has_cuesheet
        )
    except TrackError as error:
        return error
    if not excerpts.segments:
        return Prediction(None, excerpts.notes)
    log_mels = np.stack([log_mel(s.y, features, filterbank) for s in excerpts.segments])
    calibration = classifier.bundle.calibration
    return Prediction(aggregate(classifier.predict(log_mels), calibration), excerpts.notes)


@lru_cache(maxsize=1)
def _classifier(path: Path, bundle_id: str) -> Classifier:
    """Load the network once in each process."""
    found = bundle.read(path)
    if found.bundle_id != bundle_id:
        raise FatalError(f"model bundle {path}: it was replaced during the run; start again")
    return Classifier(found)


def _tags(track: Track) -> TrackTags:
    if track.tags is None:
        raise ValueError(f"the tags of {track.path} were not read")
    return track.tags


def _unheard(track: Track, error: TrackError, policy: TagPolicy) -> TagChange:
    # a genre that stays whatever is heard also stays if nothing can be: a run that need not
    # hear the track says the same
    if why_kept(_tags(track), policy):
        unheard = Decision((), f"not heard: {error}")
        return plan(track.path, _tags(track), policy, unheard, identity=track.identity)
    old = existing_genres(_tags(track))
    return replace(_failure(track.path, error), old=old, new=old, identity=track.identity)


def _failed(change: TagChange, error: TrackError) -> TagChange:
    return replace(change, state=State.FAILED, new=change.old, blocks=(), reason=str(error))


def _failure(path: Path, error: TrackError) -> TagChange:
    return TagChange(path, State.FAILED, reason=str(error))
