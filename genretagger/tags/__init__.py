"""Step 8: the genre of one file, read from and written to every block that can hold it.

Reading lists every metadata block of a file, also those that mutagen's own view of a
format leaves out: APEv2 and ID3v1 at the end of an MP3, ID3 around a FLAC stream, LIST/INFO
in a WAV. Writing replaces the genre's own bytes and leaves every other one as it stands, so
frames that no library knows, odd dates and the other tags survive. Only the header of ASF is
written by mutagen, and Ogg pages are laid out by it. Whatever is to change is worked
out and checked in memory first: `rehearse` stops there, `write` goes on. Only this package
imports mutagen.

`blocks` parses and edits each kind of metadata block, `layouts` finds the blocks in a file, and
`fields` knows the keys.

References
----------
ID3v1 and ID3v2: https://id3.org (id3v2.3.0, id3v2.4.0-structure, id3v2.4.0-frames).
APEv2: https://wiki.hydrogenaud.io/index.php?title=APEv2_specification.
FLAC metadata: RFC 9639 section 8. Vorbis comment: https://xiph.org/vorbis/doc/v-comment.html.
Opus tags: RFC 7845 section 5.2. RIFF and INFO: Microsoft and IBM, "Multimedia Programming
Interface and Data Specifications 1.0" (1991), chapter 2. AIFF: Apple, "Audio Interchange
File Format 1.3" (1989). DSF: Sony, "DSF File Format Specification 1.01" (2005).
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Literal

from genretagger.containers import BLOCKS, Container, container_of
from genretagger.content import complaint
from genretagger.errors import DamagedError, TrackError
from genretagger.identity import check_writable
from genretagger.lengths import says_its_length
from genretagger.records import BlockChange, GenreBlock, TrackTags
from genretagger.tags.base import Block, Edit, family_of, quoted
from genretagger.tags.cue import cue_beside
from genretagger.tags.fields import (
    VARIOUS,
    check_field,
    held_in,
    is_genre,
    keys_of,
    value_of,
    values_of,
)
from genretagger.tags.layouts import LAYOUTS
from genretagger.tags.layouts.base import STRETCH, Layout
from genretagger.tags.layouts.splices import Splice, Spliced, apply_splices


def read(path: Path, *, field: str | None = None, cue_sheet: bool | None = None) -> TrackTags:
    """Read what a genre tagger needs to know of one file's tags.

    Parameters
    ----------
    path : pathlib.Path
        The file; its suffix says which container it is.
    field : str, optional
        Read this custom field instead of the genre. Blocks that have no custom fields
        are then left out. ``"genre"`` means the genre itself.
    cue_sheet : bool, optional
        What `cue_beside` says, where it was asked already: it lists the folder.

    Returns
    -------
    TrackTags
        Values stand as stored, several where the block holds several; ID3 numbers are
        spelled out and empty values are left out.

    Raises
    ------
    TrackError
        If the file cannot be opened, or is not what its suffix says.
    """
    container = _container(path)
    with _opened(path, f"cannot be read as {container.name}") as file:
        layout = LAYOUTS[container.layout](file)
        blocks = layout.blocks()
    if cue_sheet is None:
        cue_sheet = cue_beside(path)
    first = family_of(container.native)
    order = list(BLOCKS)
    blocks.sort(key=lambda b: (family_of(b.kind) != first, order.index(b.kind)))
    album_artist = value_of(blocks, "album_artist")
    return TrackTags(
        blocks=_held(blocks, field),
        native=container.native,
        album=value_of(blocks, "album"),
        album_artist=album_artist,
        artist=value_of(blocks, "artist"),
        is_compilation=value_of(blocks, "compilation").strip().lower() in {"1", "true", "yes"}
        or album_artist.strip().casefold() in VARIOUS,
        has_cuesheet=layout.has_cuesheet or bool(value_of(blocks, "cuesheet")) or cue_sheet,
        comments=values_of(blocks, "comment") + layout.comments,
    )


def names(path: Path) -> dict[str, str]:
    """Read what tells one recording from another by its tags.

    Parameters
    ----------
    path : pathlib.Path
        The file; its suffix says which container it is.

    Returns
    -------
    dict
        ``artist``, ``title``, ``album`` and ``isrc`` (ISO 3901): the first value that a
        block holds, the container's own block first, or empty.

    Raises
    ------
    TrackError
        If the file cannot be opened, or is not what its suffix says.
    """
    container = _container(path)
    with _opened(path, f"cannot be read as {container.name}") as file:
        blocks = LAYOUTS[container.layout](file).blocks()
    blocks.sort(key=lambda b: family_of(b.kind) != family_of(container.native))
    return {name: value_of(blocks, name) for name in ("artist", "title", "album", "isrc")}


def audio_id(path: Path) -> str:
    """Tell one encoded stream of audio from another, whatever tags stand around it.

    A hash of the length of the encoded audio, of what the container's header says about it
    (rate, channels, FLAC's MD5 of the samples, MP4's edit list and packet sizes), and of five
    stretches of it: the beginning, around the quarter, half and three-quarter point, where it
    is listened to, and the end. Encoding anew and trimming change the length, and nearly
    always the stretches, too; a change of volume or a resampling changes them everywhere. What
    stays unseen is a patch between the stretches of the same length to the byte, which does
    not change where it is listened to either. The whole would have to be read to see it, which
    for a hundred thousand tracks takes hours rather than a minute.

    Parameters
    ----------
    path : pathlib.Path
        The file; its suffix says which container it is.

    Returns
    -------
    str
        32 hexadecimal digits.

    Raises
    ------
    TrackError
        If the file cannot be opened, or is not what its suffix says.
    """
    container = _container(path)
    with _opened(path, f"cannot be read as {container.name}") as file:
        return _fingerprint(LAYOUTS[container.layout](file), container)


def _fingerprint(layout: Layout, container: Container) -> str:
    sound = layout.sound()
    digest = hashlib.blake2b(f"{container.name} {sound.size} ".encode(), digest_size=16)
    digest.update(sound.about)
    for at in sound.stretches():
        digest.update(layout.encoded(at, min(STRETCH, sound.start + sound.size - at)))
    return digest.hexdigest()


def rehearse(path: Path, changes: Sequence[BlockChange], *, field: str | None = None) -> None:
    """Make an edit in memory, to know whether `write` would refuse it; nothing is written.

    A few milliseconds, and little memory, however long the file is: what holds the audio is
    not copied.

    Parameters
    ----------
    path : pathlib.Path
        The file; it need not be writable.
    changes : sequence of BlockChange
        As for `write`.
    field : str, optional
        As for `write`.

    Raises
    ------
    TrackError
        With the same message as from `write`, if the file, the values or the field are why.
        Rights, and room on the disk, are not asked for.
    """
    container = _container(path)
    with _opened(path, f"cannot be written as {container.name}") as file:
        _splices(path, file, changes, field)


def write(path: Path, changes: Sequence[BlockChange], *, field: str | None = None) -> None:
    """Do to one file exactly what a plan says, and make sure that it was done.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    changes : sequence of BlockChange
        What each block holds now and is to hold; an empty `new` removes the genre there.
        A block that is missing is made. The kind ``"ID3v2.3"`` on a tag of version 2.4, or
        the reverse, converts the tag; ID3v2.2 can only be converted. A conversion is
        mutagen's, which drops what the other version has no frame for.
    field : str, optional
        Write this custom field instead of the genre, as in `read`.

    Raises
    ------
    TrackError
        If the file is read-only, has changed since the plan was made, or cannot hold the
        values, all of which leave it as it was; or if reading it back shows something else.
    """
    check_writable(path)
    container = _container(path)
    with _opened(path, f"cannot be written as {container.name}", mode="r+b") as file:
        apply_splices(file, _splices(path, file, changes, field))
    for change, stored in _differing(changes, read(path, field=field, cue_sheet=False).blocks):
        raise TrackError(
            f"written, but {stored.kind} reads back {quoted(stored.values)} instead of "
            f"{quoted(change.new)}; look at the file with another tag editor"
        )


def _splices(
    path: Path, file: BinaryIO, changes: Sequence[BlockChange], field: str | None
) -> list[Splice]:
    """Work out what changes in a file, and read the outcome in memory as if it was written."""
    container = _container(path)
    layout_of = LAYOUTS[container.layout]
    layout = layout_of(file)
    with _one_error(path, f"cannot be read as {container.name}"):
        audio = _fingerprint(layout, container)
    blocks = layout.blocks()
    edits = [edit for change in changes for edit in _edits_of(change, blocks, field)]
    splices = layout.splices(edits)
    after = layout_of(BufferedReader(Spliced(file, splices)))
    for change, _ in _differing(changes, _held(after.blocks(), field)):
        raise TrackError(f"{change.kind} cannot hold {quoted(change.new)}; rename it")
    if _fingerprint(after, container) != audio:
        raise TrackError("to write its tags would change its audio; it stays as it was")
    return splices


def _held(blocks: Sequence[Block], field: str | None) -> tuple[GenreBlock, ...]:
    """Say what blocks hold of the genre or the field; without those that cannot hold it."""
    return tuple(
        GenreBlock(block.kind, held_in(block, field))
        for block in blocks
        if keys_of(block.kind, field)
    )


def _differing(
    changes: Sequence[BlockChange], stored: Sequence[GenreBlock]
) -> Iterator[tuple[BlockChange, GenreBlock]]:
    """Compare what was to be written with what is there."""
    by_family = {family_of(block.kind): block for block in stored}
    for change in changes:
        block = by_family.get(family_of(change.kind), GenreBlock(change.kind))
        if (block.kind, block.values) != (change.kind, change.new):
            yield change, block


def _container(path: Path) -> Container:
    container = container_of(path)
    if container is None:
        raise TrackError("not a kind of audio file that genretagger knows; leave it out")
    return container


def _edits_of(change: BlockChange, blocks: list[Block], field: str | None) -> list[Edit]:
    """Turn a change into edits, or refuse it while nothing has been touched."""
    if field is not None and not is_genre(field):
        try:
            check_field(field)
        except ValueError as error:
            raise TrackError(f"{error}; choose another --field") from error
    keys = keys_of(change.kind, field)
    if not keys:
        raise TrackError(f"{change.kind} cannot hold a field {field!r}; choose another --field")
    if change.kind == "ID3v2.2":
        raise TrackError("ID3v2.2 cannot be written; plan for ID3v2.3")
    if any(not value or "\0" in value for value in change.new):
        raise TrackError("a genre is empty or contains a NUL character; correct the mapping")
    family = family_of(change.kind)
    block = next((b for b in blocks if family_of(b.kind) == family), None)
    now = held_in(block, field) if block else ()
    if now != change.old:
        raise TrackError(
            f"the genre changed since the plan was made ({change.kind} holds {quoted(now)}, "
            f"not {quoted(change.old)}); make a new plan"
        )
    if block is None:
        return [Edit(change.kind, keys[0], change.new)] if change.new else []
    present = [key for key in keys[1:] if key.upper() in block.items]
    return [Edit(change.kind, key, change.new) for key in (keys[0], *present)]


@contextmanager
def _opened(path: Path, what: str, mode: Literal["rb", "r+b"] = "rb") -> Iterator[BinaryIO]:
    """Open a file whose content is about to be parsed; `what` begins the message on failure."""
    with _one_error(path, what):
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise TrackError("not a regular file; leave it out")
        if not status.st_size:
            raise DamagedError("the file is empty")
        with path.open(mode) as file:
            message = complaint(path, file)
            if message:
                raise TrackError(message)
            if not says_its_length(file):
                raise TrackError(
                    "its header does not say how long it is, as where it was written to a pipe; "
                    "copy it with ffmpeg -c copy, and tag the copy"
                )
            file.seek(0)
            yield file


@contextmanager
def _one_error(path: Path, what: str) -> Iterator[None]:
    """Turn whatever opening, parsing or writing a file raises into one `TrackError`."""
    try:
        yield
    except TrackError:
        raise
    except OSError as error:
        raise TrackError(f"{error.strerror or error}; check the file and its folder") from error
    # A parser that meets arbitrary bytes raises anything: mutagen's own errors, struct.error,
    # IndexError, MemoryError for absurd sizes, RecursionError for nested atoms ...
    except Exception as error:
        detail = " ".join(str(error).split())
        # what layouts and blocks say; the words of mutagen and of Python are not for users
        if type(error) is not ValueError or not detail or path.name in detail:
            detail = "its structure is damaged"
        raise TrackError(
            f"{what} ({detail}); play it, and if it plays, copy it with ffmpeg -c copy"
        ) from error
