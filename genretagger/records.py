"""The values that travel along the line: frozen, without behaviour, without I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from genretagger.genres import SHIPPED, Vocabulary

if TYPE_CHECKING:
    from genretagger.arrays import Floats, Halves


@dataclass(frozen=True)
class Segment:
    """One excerpt of a track, as the feature extraction wants it.

    Attributes
    ----------
    y : numpy.ndarray, shape (n_samples,), float32
        Mono samples, nominally in [-1, 1].
    sr : int
        Sampling rate in Hz.
    start_s : float
        Where in the track the excerpt begins, in seconds.
    """

    y: Floats
    sr: int
    start_s: float


@dataclass(frozen=True)
class Excerpts:
    """What was decoded of one track.

    Attributes
    ----------
    segments : tuple of Segment
        In time order; empty if all that was heard is silence.
    duration_s : float
        Length of the whole track in seconds.
    notes : tuple of str
        What a reader of the decision should know: short, long, partly silent.
    places_s : tuple of float
        Where further excerpts may begin, in seconds and in time order: where sound is; none
        where all is heard, or where the track may be a whole album.
    """

    segments: tuple[Segment, ...]
    duration_s: float
    notes: tuple[str, ...] = ()
    places_s: tuple[float, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """What the model says of one track, or of one album.

    Attributes
    ----------
    probabilities : tuple of float, length n_genres, or None
        In the order of the model's vocabulary; None where there was nothing to hear.
    notes : tuple of str
        As in `Excerpts`.
    embedding : numpy.ndarray, shape (n_values,), float16, or None
        The mean of the network's embedding over the segments. None where there was nothing to
        hear, of an album, by a bundle that has none, and where it was recalled without.
    """

    probabilities: tuple[float, ...] | None
    notes: tuple[str, ...] = ()
    embedding: Halves | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Moved:
    """What in an excerpt moved one genre.

    Attributes
    ----------
    patches : numpy.ndarray, shape (n_bands, n_spans), float32
        By how much the genre's log-odds fall where that patch is hidden; lowest band first.
    bands : numpy.ndarray, shape (n_bands,), float32
        The same where these bands are hidden all the way through.
    spans : numpy.ndarray, shape (n_spans,), float32
        The same where all bands are hidden for that time.
    """

    patches: Floats
    bands: Floats
    spans: Floats


@dataclass(frozen=True)
class Closeup:
    """One analysed excerpt.

    Attributes
    ----------
    start_s : float
        Where in the track it begins, in seconds.
    log_mel : numpy.ndarray, shape (n_mels, n_frames), float32
        In dB under its peak; of the first filterbank, if there are two.
    moved : Moved or None
        What in it moved the track's leading genre; None if that was not asked for.
    """

    start_s: float
    log_mel: Floats
    moved: Moved | None = None


@dataclass(frozen=True)
class Hearing:
    """What is heard in one track, all the way through.

    Attributes
    ----------
    prediction : Prediction
        Of the track, as every other command makes it.
    genres : tuple of str, length n_genres
        The model's, in their order.
    genre : str or None
        The most probable one, which the closeups are about; None where all is silence.
    closeups : tuple of Closeup
        The excerpts that the prediction rests on.
    duration_s, window_s : float
        Length of the track and of a window, in seconds.
    starts_s : tuple of float, length n_windows
        Where the windows of the timeline begin.
    timeline : numpy.ndarray, shape (n_windows, n_genres), float32
        Calibrated probabilities; NaN where a window is silent.
    """

    prediction: Prediction
    genres: tuple[str, ...]
    genre: str | None
    closeups: tuple[Closeup, ...]
    duration_s: float
    window_s: float
    starts_s: tuple[float, ...]
    timeline: Floats


@dataclass(frozen=True)
class Decision:
    """Which genres a prediction amounts to, and why.

    Attributes
    ----------
    genres : tuple of str
        Best first; empty means undecided.
    reason : tuple of str
        In words; its parts are joined where it is shown, by `text.reason_text`.
    """

    genres: tuple[str, ...]
    reason: tuple[str, ...] = ()


@dataclass(frozen=True)
class GenreBlock:
    """One metadata block of a file and the genre values in it.

    Attributes
    ----------
    kind : str
        A key of `containers.BLOCKS`, such as ``"ID3v2.3"`` or ``"APEv2"``.
    values : tuple of str
        What the block holds in the genre field, or in the field named by
        ``--field``; empty if the block exists without it. Numbers of the ID3v1
        list are spelled out.
    """

    kind: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrackTags:
    """What the tags of one file say, as far as a genre tagger cares.

    Attributes
    ----------
    blocks : tuple of GenreBlock
        Every metadata block that the file has, the container's native one first.
    native : str
        The kind of block to create where the file has none.
    album, album_artist, artist : str
        First value, or empty.
    is_compilation : bool
        The compilation flag is set or the album artist is "Various Artists".
    has_cuesheet : bool
        A cue sheet is embedded or lies beside the file.
    comments : tuple of str
        What stands in the comment fields.
    """

    blocks: tuple[GenreBlock, ...]
    native: str
    album: str = ""
    album_artist: str = ""
    artist: str = ""
    is_compilation: bool = False
    has_cuesheet: bool = False
    comments: tuple[str, ...] = ()


@dataclass(frozen=True)
class BlockChange:
    """What one block of a file holds now and what it is to hold."""

    kind: str
    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True)
class Identity:
    """What tells one state of one file from another.

    Attributes
    ----------
    device, inode : int
    size : int
        In bytes.
    mtime_ns, ctime_ns : int
        In nanoseconds. A change that restores mtime still moves ctime.
    """

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


class State(str, Enum):
    """What a plan says of a track."""

    CHANGE = "change"
    KEEP = "keep"
    UNDECIDED = "undecided"
    FAILED = "failed"


@dataclass(frozen=True)
class TagChange:
    """One line of the plan: everything there is to say about one track.

    Attributes
    ----------
    path : pathlib.Path
    state : State
    old : tuple of str
        The genres in the file, over all blocks, each once.
    new : tuple of str
        The values to be written; equal to `old` unless the state is CHANGE.
    blocks : tuple of BlockChange
        Exactly what is written where; empty unless the state is CHANGE.
    genres : tuple of str
        The decision behind it, best first.
    probabilities : tuple of float, length n_genres, or None
        None where the track was not analysed.
    vocabulary : Vocabulary
        Of the model, in whose order the probabilities are.
    reason : tuple of str
        As in `Decision`.
    identity : Identity or None
        Of the file that the line was made for.
    embedding : numpy.ndarray or None
        As in `Prediction`, where it is to be shown.
    """

    path: Path
    state: State
    old: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    blocks: tuple[BlockChange, ...] = ()
    genres: tuple[str, ...] = ()
    probabilities: tuple[float, ...] | None = None
    vocabulary: Vocabulary = SHIPPED
    reason: tuple[str, ...] = ()
    identity: Identity | None = None
    embedding: Halves | None = field(default=None, compare=False)


class Seen(NamedTuple):
    """A file as it stood when it was looked at, and what hearing it takes.

    Attributes
    ----------
    path : pathlib.Path
    identity : Identity
    cue_beside : bool
        A cue sheet lies beside it, which the file's identity does not show.
    has_cuesheet : bool
        As in `TrackTags`; False until they are read. It makes the decoder take more excerpts.
    """

    path: Path
    identity: Identity
    cue_beside: bool = False
    has_cuesheet: bool = False


@dataclass(frozen=True)
class Track:
    """One audio file of the collection, and its tags.

    Attributes
    ----------
    file : Seen
        As it stood just before its tags were read.
    tags : TrackTags
    """

    file: Seen
    tags: TrackTags


class Remark(NamedTuple):
    """Something in a collection that deserves a look.

    Attributes
    ----------
    kind : str
        A key of `words.REMARKS`.
    text : str
        In words, without the paths.
    paths : tuple of pathlib.Path
        The tracks that it is about.
    margin : float or None
        Of a contradiction: by how much the genre that is heard leads, in log-odds.
    """

    kind: str
    text: str
    paths: tuple[Path, ...]
    margin: float | None = None
