"""Made-up rows of a report, as many as wanted, for tests and benchmarks."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from genretagger.decide import DecisionPolicy, decide
from genretagger.genres import GENRES
from genretagger.records import Prediction, State, TagChange
from genretagger.rows import Row, plan_row

THRESHOLDS = tuple(0.35 + 0.02 * (i % 5) for i in range(len(GENRES)))

HOSTILE = (
    "<img src=x onerror=alert(1)>.mp3",
    "<!--<script>alert(2)</script>-->.flac",
    "<script>alert(3)</script>.ogg",
    "quotes \" and ' &amp; `.opus",
    "\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe.wav",
    "שיר עברי.mp3",
    "not UTF-8 \udcff\udc80.mp3",
    "line\N{LINE SEPARATOR}separator.mp3",
    "{{ 7 * 7 }} ${8 * 8}.wv",
)
"""Names that a page must show and never obey; "/" in one of them starts a folder."""


def rows(n: int, seed: int = 1) -> Iterator[Row]:
    """Make rows: albums of ten tracks, every ninth track failed, every third with a genre."""
    chance = random.Random(seed)
    policy = DecisionPolicy(THRESHOLDS)
    for i in range(n):
        heard = tuple(round(min(0.99, chance.random() ** 4), 4) for _ in GENRES)
        decision = decide(Prediction(heard), policy)
        old = (chance.choice(("rnb", "Reggae", "Hip-Hop/Rap", "Pop; Rock")),) if i % 3 == 1 else ()
        title = chance.choice(("Morning", "A long way home", "Waltz", "Number", "Under the bridge"))
        folder = f"/music/Artist {i // 40:03}/Album {i // 10 % 4 + 1}"
        line = TagChange(
            path=Path(f"{folder}/{i % 10 + 1:02} {title}.flac"),
            state=State.CHANGE,
            old=old,
            new=("; ".join(sorted(decision.genres)),),
            genres=decision.genres,
            probabilities=heard,
            reason=decision.reason,
        )
        if i % 9 == 8:
            reason = f"truncated: its header says {i} s, but it ends before 42 s; get a whole copy"
            failed = replace(line, state=State.FAILED, new=old, reason=(reason,))
            line = replace(failed, genres=(), probabilities=None)
        elif not decision.genres:
            line = replace(line, state=State.UNDECIDED, new=old)
        elif old:
            reasons = (*decision.reason, f'kept: file has "{old[0]}"')
            line = replace(line, state=State.KEEP, new=old, reason=reasons)
        yield plan_row(line)
