"""Conversion of ID3v2 tags between versions, without losing a frame.

mutagen knows how the meaning of a frame is told in another version, but drops what that version
has no name for: sort names, moods, release dates in version 2.3. Every reader knows those there,
too, so they keep their names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from io import BytesIO

from mutagen.id3 import ID3, PairedTextFrame

from genretagger.errors import TrackError
from genretagger.tags.blocks.id3_frames import name_of, parse_alone, split_id3v2, to_synchsafe

_TOGETHER = {
    **dict.fromkeys(("TYER", "TDAT", "TIME", "TDRC"), "date"),
    **dict.fromkeys(("TORY", "TDOR"), "first date"),
    **dict.fromkeys(("TIPL", "TMCL"), "people"),
}
"""Frames of which several become one in another version."""


def convert_id3v2(raw: bytes, version: int) -> bytes:
    """Convert a tag to version 2.3 or 2.4, frame by frame, without padding.

    Raises
    ------
    TrackError
        If a frame cannot be told in that version; the message names it.
    ValueError
        If the frames do not add up to the tag's size.
    """
    old_version = raw[3]
    flags, frames, _ = split_id3v2(raw)
    body = b"".join(
        frame
        for group in _groups(frames, old_version)
        for frame in _converted(group, flags, old_version, version)
    )
    return b"ID3" + bytes((version, 0, flags & 0x20)) + to_synchsafe(len(body)) + body


def _groups(frames: list[bytes], version: int) -> list[list[bytes]]:
    """Put frames together that become one; each group stands where its first frame stood."""
    groups: dict[tuple[str, int], list[bytes]] = {}
    counts: Counter[str] = Counter()
    for number, frame in enumerate(frames):
        name = name_of(frame[:3] + b"\0" if version == 2 else frame)
        counts[name] += 1
        key = (_TOGETHER[name], counts[name]) if name in _TOGETHER else ("", number)
        groups.setdefault(key, []).append(frame)
    return list(groups.values())


def _converted(frames: list[bytes], flags: int, old_version: int, version: int) -> Iterator[bytes]:
    """Tell frames in another version: by meaning, or as they stand."""
    tag = ID3()
    for frame in frames:
        meaning = parse_alone(frame, old_version, flags)
        for part in meaning:
            tag.add(part)
        if not meaning:
            yield _as_it_stands(frame, old_version, version)
    yield from _saved(_updated(tag, version), version)


def _updated(tag: ID3, version: int) -> ID3:
    """Tell the meaning of frames in another version; what would be lost keeps its name."""
    before = list(tag.values())
    _update(tag, version)
    back = ID3()
    for frame in tag.values():
        back.add(frame)
    _update(back, 7 - version)
    for frame in before:
        is_kept = frame.HashKey in tag or back.get(frame.HashKey) == frame
        if not is_kept and not isinstance(frame, PairedTextFrame):  # people are told all together
            tag.add(frame)
    if version == 3 and _is_said_twice(tag):
        del tag["TORY"]
    return tag


def _is_said_twice(tag: ID3) -> bool:
    """Tell whether the year of first release stands beside the full date, which kept its name.

    TagLib takes the two for one field with two values.
    """
    return {"TDOR", "TORY"} <= tag.keys() and str(tag["TDOR"]).startswith(str(tag["TORY"]))


def _update(tag: ID3, version: int) -> None:
    tag.update_to_v23() if version == 3 else tag.update_to_v24()


def _saved(tag: ID3, version: int) -> list[bytes]:
    if not tag:
        return []
    out = BytesIO()
    tag.save(out, v1=0, v2_version=version, v23_sep=None, padding=lambda _: 0)
    return split_id3v2(out.getvalue())[1]


def _as_it_stands(frame: bytes, old_version: int, version: int) -> bytes:
    """Copy a frame that mutagen does not understand, unless its content is packed somehow."""
    name, content = (frame[:3], frame[6:]) if old_version == 2 else (frame[:4], frame[10:])
    new_name = _PODCAST.get(name) if old_version == 2 else name
    if not new_name or (old_version > 2 and frame[9]):
        lost = name.decode("latin-1") if old_version == 2 else name_of(frame)
        raise TrackError(f"to convert its tag to ID3v2.{version} would lose {lost}; leave it out")
    size = len(content)
    packed = to_synchsafe(size) if version == 4 else size.to_bytes(4, "big")
    return new_name + packed + bytes(2) + content


_PODCAST = {
    b"PCS": b"PCST",
    b"TCT": b"TCAT",
    b"TDR": b"TDRL",
    b"TDS": b"TDES",
    b"TID": b"TGID",
    b"TKW": b"TKWD",
    b"WFD": b"WFED",
}
"""iTunes' frames of podcasts: their names in version 2.2 and later (TagLib, id3v2framefactory)."""
