"""Step 7, plan: a decision meets the tags in the file. Pure: nothing is read or written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from genretagger.containers import stored_values
from genretagger.errors import TrackError
from genretagger.genres import (
    JUNK,
    SHIPPED,
    Vocabulary,
    says_nothing,
    split_values,
    why_no_genre,
)
from genretagger.records import (
    BlockChange,
    Decision,
    GenreBlock,
    Identity,
    Prediction,
    State,
    TagChange,
    TrackTags,
)


@dataclass(frozen=True)
class TagPolicy:
    """What to do with the tags in a file.

    Attributes
    ----------
    existing : {"skip", "replace", "append", "prepend"}
        What becomes of a genre that the file has: it stays alone, goes, stays in front, or stays
        behind, unless it is one of those decided on. Players show the first genre. What stays
        keeps its order.
    style : {"combined", "multi"}
        One value such as ``Pop; Rock``, or the container's native several values.
    separator : str
        What joins a combined value.
    id3 : {"keep", "2.3", "2.4"}
        Version of the ID3v2 tag that is written. What has none gets 2.4.
    names : mapping of str to str
        Under which other name a genre is written. In files, both are understood.
    protect : tuple of str
        A file that holds one of these genres is left alone, whatever `existing` says.
    protect_if : tuple of (str, re.Pattern)
        ``"genre"`` or ``"comment"``, and what it must not match.
    junk : tuple of str
        Names that say nothing: a genre of such a name counts as none.
    vocabulary : Vocabulary
        Of the model, whose genres are written in its order.
    holder : str
        What holds the genres, as reasons name it.
    """

    existing: Literal["skip", "replace", "append", "prepend"] = "skip"
    style: Literal["combined", "multi"] = "combined"
    separator: str = "; "
    id3: Literal["keep", "2.3", "2.4"] = "keep"
    names: Mapping[str, str] = field(default_factory=dict)
    protect: tuple[str, ...] = ()
    protect_if: tuple[tuple[str, re.Pattern[str]], ...] = ()
    junk: tuple[str, ...] = JUNK
    vocabulary: Vocabulary = SHIPPED
    holder: str = "file"


def read_condition(text: str) -> tuple[str, re.Pattern[str]]:
    """Read a condition of `TagPolicy.protect_if`.

    Raises
    ------
    ValueError
        If it makes no sense.

    Examples
    --------
    >>> what, pattern = read_condition("genre matches ^Blues")
    >>> what, bool(pattern.search("blues rock"))
    ('genre', True)
    """
    words = text.split(maxsplit=2)
    if len(words) != 3 or words[0] not in ("genre", "comment") or words[1] != "matches":
        raise ValueError("write 'genre matches REGEX' or 'comment matches REGEX'")
    try:
        return words[0], re.compile(words[2], re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"{words[2]}: {error}") from error


def existing_genres(tags: TrackTags) -> tuple[str, ...]:
    """List the genre values of a file over all its blocks, each once."""
    return tuple(dict.fromkeys(value for block in tags.blocks for value in block.values))


def why_kept(tags: TrackTags, policy: TagPolicy) -> str:
    """Say why a file's genre stays, whatever is heard; empty if it need not."""
    old = existing_genres(tags)
    protected = {_known(name, policy) for name in policy.protect}
    for value in old if protected else ():
        parts = (value, *_tokens((value,), policy), *split_values(value))
        if protected & {_known(part, policy) for part in parts}:
            return f"kept: {_quoted((value,))} is protected"
    for what, pattern in policy.protect_if:
        for value in old if what == "genre" else tags.comments:
            if pattern.search(value):
                return f"kept: its {what} matches {pattern.pattern!r}"
    old = existing_genres(_without_junk(tags, policy))
    return _has(old, policy) if policy.existing == "skip" else ""


def _has(old: tuple[str, ...], policy: TagPolicy) -> str:
    return f"kept: {policy.holder} has {_quoted(old)}" if old else ""


def _without_junk(tags: TrackTags, policy: TagPolicy) -> TrackTags:
    """Leave out genres that say nothing.

    ID3v1's *Blues* is number 0, and so what many programs leave where they know none: beside an
    ID3v2 or APEv2 tag without a genre it says nothing either.
    """
    is_zero = any(b.kind.startswith(("ID3v2", "APEv2")) and not b.values for b in tags.blocks)

    def telling(block: GenreBlock) -> tuple[str, ...]:
        if is_zero and block.kind == "ID3v1" and block.values == ("Blues",):
            return ()
        return tuple(value for value in block.values if _tokens((value,), policy))

    return replace(tags, blocks=tuple(GenreBlock(b.kind, telling(b)) for b in tags.blocks))


def _known(name: str, policy: TagPolicy) -> str:
    return policy.vocabulary.canonical(name) or name.casefold()


def plan(
    path: Path,
    tags: TrackTags,
    policy: TagPolicy,
    decision: Decision | None,
    prediction: Prediction | None = None,
    *,
    identity: Identity | None = None,
    stays: str | None = None,
) -> TagChange:
    """Say what becomes of one track's genre, and why.

    Parameters
    ----------
    path : pathlib.Path
    tags : TrackTags
        What the file holds now.
    policy : TagPolicy
    decision : Decision or None
        None if the track was not analysed, because its genre stays whatever it is.
    prediction : Prediction, optional
        What the decision rests on, to be shown.
    identity : Identity, optional
        Of the file, to be compared before it is written.
    stays : str, optional
        What `why_kept` says, where it was asked already.

    Returns
    -------
    TagChange
        With state CHANGE, KEEP or UNDECIDED. Every block that holds a genre gets the new
        one, and the container's own block, and RIFF INFO; every block that is there if it has
        no own one, and a new one if it has no block.
    """
    old = existing_genres(tags)
    genres = decision.genres if decision else ()
    because = decision.reason if decision else ()

    def line(state: State, why: str) -> TagChange:
        return TagChange(
            path=path,
            state=state,
            old=old,
            new=old,
            genres=genres,
            probabilities=prediction.probabilities if prediction else None,
            vocabulary=policy.vocabulary,
            reason=(*because, why) if why else because,
            identity=identity,
        )

    stays = why_kept(tags, policy) if stays is None else stays
    if stays:
        return line(State.KEEP, stays)
    if not genres:
        return line(State.UNDECIDED, _has(old, policy))

    telling = _without_junk(tags, policy)
    ordered = policy.vocabulary.in_order(genres)
    new_values = _merge(_tokens(spelled_out(telling), policy), ordered, policy)
    junk = tuple(value for value in old if value not in existing_genres(telling))
    why = f"{_quoted(junk)} says nothing" if junk else ""
    by_order = policy.existing == "prepend"
    return _written(line(State.UNDECIDED, why), tags, new_values, policy, by_order=by_order)


def plan_unheard(
    path: Path, tags: TrackTags, error: TrackError, *, stays: str, identity: Identity | None = None
) -> TagChange:
    """Say what becomes of a track that cannot be heard.

    Parameters
    ----------
    path : pathlib.Path
    tags : TrackTags
        What the file holds now.
    error : TrackError
    stays : str
        As `why_kept` says.
    identity : Identity, optional
        Of the file.

    Returns
    -------
    TagChange
        With state KEEP where the genre stays anyway, so that a dry run, which hears such a
        track, and a real run, which does not, give the same state; else FAILED.
    """
    old = existing_genres(tags)
    line = TagChange(path, State.KEEP, old=old, new=old, identity=identity)
    if stays:
        return replace(line, reason=(f"not heard: {error}", stays))
    return failed(line, error)


def failed(change: TagChange, error: TrackError) -> TagChange:
    """Turn a line of the plan into one that failed, and says why."""
    reason = (str(error),)
    return replace(change, state=State.FAILED, new=change.old, blocks=(), reason=reason)


def plan_by_hand(
    path: Path, tags: TrackTags, policy: TagPolicy, values: tuple[str, ...]
) -> TagChange:
    """Say what becomes of one track's genre where a person names it.

    Parameters
    ----------
    path : pathlib.Path
    tags : TrackTags
        What the file holds now; whatever it is, it gives way.
    policy : TagPolicy
        How the genres are written; `existing` and what protects do not matter.
    values : tuple of str
        At least one, the one that players are to show first; our genres in any spelling, or
        others.

    Returns
    -------
    TagChange
        With state CHANGE, or KEEP if that is what the file holds.

    Raises
    ------
    ValueError
        If a value cannot be one: the message says why.
    """
    if problem := next(filter(None, map(why_no_genre, values or ("",))), ""):
        raise ValueError(problem)
    if len(values) > _MOST_BY_HAND:
        raise ValueError(f"at most {_MOST_BY_HAND} genres")
    vocabulary = policy.vocabulary
    genres = tuple(dict.fromkeys(vocabulary.canonical(v) or v.strip() for v in values))
    ours = tuple(genre for genre in genres if genre in vocabulary.genres)
    old = existing_genres(tags)
    line = TagChange(path, State.UNDECIDED, old=old, new=old, genres=ours, vocabulary=vocabulary)
    by_hand = _renamed(genres, policy)
    return _written(line, tags, by_hand, replace(policy, existing="replace"), by_order=True)


_MOST_BY_HAND = 10


def _written(
    line: TagChange,
    tags: TrackTags,
    new_values: tuple[str, ...],
    policy: TagPolicy,
    *,
    by_order: bool,
) -> TagChange:
    """Say which blocks change so that they hold the new values, in this order or in any."""
    telling = {block.kind for block in _without_junk(tags, policy).blocks if block.values}
    targets = _targets(tags)

    def changed(block: GenreBlock) -> BlockChange:
        if block.kind in telling and _keeps_its_one(block, targets, policy, line.genres):
            return BlockChange(block.kind, block.values, block.values)
        return _block_change(block, new_values, policy)

    blocks = tuple(map(changed, targets))
    if not any(change.new for change in blocks):
        return _because(line, State.KEEP, "kept: ID3v1, the file's only tag, has no such genre")
    blocks = tuple(c for c in blocks if not _same(c.old, c.new, policy, by_order=by_order))
    if not blocks:
        return _because(line, State.KEEP, "kept: already there")
    where = f"in {' and '.join(change.kind for change in blocks)}" if len(blocks) > 1 else ""
    return _because(replace(line, new=shown(blocks), blocks=blocks), State.CHANGE, where)


def _because(line: TagChange, state: State, why: str) -> TagChange:
    return replace(line, state=state, reason=(*line.reason, why) if why else line.reason)


def spelled_out(tags: TrackTags) -> tuple[str, ...]:
    """List the file's genres; ID3v1, which has one and its own spelling, only if alone."""
    held = [block for block in tags.blocks if block.values]
    full = [block for block in held if block.kind != "ID3v1"] or held
    return existing_genres(replace(tags, blocks=tuple(full)))


def _targets(tags: TrackTags) -> list[GenreBlock]:
    """List the blocks to write to: the container's own, if it is there, and what holds a genre.

    Most programs read a container's own block alone. Without it every block that is there is one
    that some program reads alone. So is RIFF INFO in any case; where it is all that a file has, the
    own block is made, too, as the fewest programs read it.
    """
    own = [b for b in tags.blocks if b.kind.split(".")[0] == tags.native.split(".")[0]]
    others = [block for block in tags.blocks if block not in own]
    if all(block.kind == "RIFF INFO" for block in others):
        return (own or [GenreBlock(tags.native)]) + others
    return own + [block for block in others if block.values or not own]


def _keeps_its_one(
    block: GenreBlock, targets: list[GenreBlock], policy: TagPolicy, genres: tuple[str, ...]
) -> bool:
    """Tell whether a block with room for one genre keeps the file's.

    `append` keeps it. `prepend` does where there is no other block, and it is one of those decided
    on: otherwise two runs would swap the two for ever.
    """
    if block.kind != "ID3v1":
        return False
    is_ours = _genre_of(block.values[0], policy) in genres
    return policy.existing == "append" or (
        policy.existing == "prepend" and is_ours and len(targets) == 1
    )


def _block_change(block: GenreBlock, new_values: tuple[str, ...], policy: TagPolicy) -> BlockChange:
    kind = block.kind
    if kind.startswith("ID3v2"):
        if policy.id3 != "keep":
            kind = f"ID3v{policy.id3}"
        elif kind == "ID3v2.2":  # nothing writes it any more
            kind = "ID3v2.3"
    new = stored_values(kind, new_values, style=policy.style, separator=policy.separator)
    return BlockChange(kind, block.values, new)


def _merge(old: tuple[str, ...], genres: tuple[str, ...], policy: TagPolicy) -> tuple[str, ...]:
    """Merge the decided genres into the file's by `policy.existing`, without duplicates."""
    if policy.existing == "replace":
        return _renamed(genres, policy)
    held = {genre: _held(genre, old, policy) for genre in genres}
    if policy.existing == "append":
        return old + _renamed((genre for genre in genres if not held[genre]), policy)
    front = dict.fromkeys(
        value for genre in genres for value in held[genre] or _renamed((genre,), policy)
    )
    if set(front) == set(old[: len(front)]):
        return old
    return (*front, *(value for value in old if value not in front))


def _held(genre: str, old: tuple[str, ...], policy: TagPolicy) -> tuple[str, ...]:
    """Find which of a file's values stand for one of our genres."""
    # "Hip Hop/Rap" and "Rock, Pop" count as having these genres
    parts = {value: (value, *split_values(value)) for value in old}
    found = tuple(v for v in old if any(_genre_of(part, policy) == genre for part in parts[v]))
    # the separator may stand in a name: "Hip Hop" is two parts where it is a space
    tokens = _tokens(_renamed((genre,), policy), policy)
    return found or (tokens if tokens and set(tokens) <= set(old) else ())


def _renamed(genres: Iterable[str], policy: TagPolicy) -> tuple[str, ...]:
    return tuple(policy.names.get(genre, genre) for genre in genres)


def _genre_of(value: str, policy: TagPolicy) -> str | None:
    """Find which of our genres a value is, under our name or the one that it is written under."""
    by_name = {name.casefold(): genre for genre, name in policy.names.items()}
    return by_name.get(value.casefold()) or policy.vocabulary.canonical(value)


def _tokens(values: tuple[str, ...], policy: TagPolicy) -> tuple[str, ...]:
    """Split values into genres where we or others join them, and leave out the junk."""
    separator = policy.separator
    split = re.compile(rf"\s*(?:;|{re.escape(separator.strip() or separator)})\s*")
    parts = (part.strip() for value in values for part in split.split(value))
    return tuple(dict.fromkeys(part for part in parts if not says_nothing(part, policy.junk)))


def _same(old: tuple[str, ...], new: tuple[str, ...], policy: TagPolicy, *, by_order: bool) -> bool:
    if len(old) != len(new):
        return False
    policy = replace(policy, junk=())
    before, after = list(_tokens(old, policy)), list(_tokens(new, policy))
    return before == after if by_order else sorted(before) == sorted(after)


def shown(blocks: tuple[BlockChange, ...]) -> tuple[str, ...]:
    """Choose what to show of several blocks: the fullest."""
    # an ID3v1 block beside a richer one shows less than what is written
    return max((change.new for change in blocks), key=lambda new: sum(map(len, new)), default=())


def _quoted(values: tuple[str, ...]) -> str:
    return ", ".join(f'"{value}"' for value in values)
