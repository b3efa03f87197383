"""The names of states: one word for each, in tables, summaries and reports."""

from __future__ import annotations

from collections.abc import Mapping

from genretagger.records import State

Words = Mapping[State, str]

WRITTEN: Words = {
    State.CHANGE: "changed",
    State.KEEP: "kept",
    State.UNDECIDED: "undecided",
    State.FAILED: "failed",
}
"""After a run."""

PLANNED: Words = {**WRITTEN, State.CHANGE: "to change"}
"""Before a run, or after a dry one."""

APPLIED: Words = {State.CHANGE: "changed", State.FAILED: "failed"}
"""After a saved plan was applied, of which only changes are done."""

UNDONE: Words = {State.CHANGE: "undone", State.KEEP: "unchanged", State.FAILED: "failed"}
"""After a run was taken back."""

TO_UNDO: Words = {**UNDONE, State.CHANGE: "to undo"}
"""Before a run is taken back."""

REDONE: Words = {**UNDONE, State.CHANGE: "done again"}
"""After an undo was taken back."""

TO_REDO: Words = {**REDONE, State.CHANGE: "to do again"}
"""Before an undo is taken back."""

LEARNED: Words = {
    State.KEEP: "learned from",
    State.UNDECIDED: "without a genre",
    State.FAILED: "failed",
}
"""Of tracks whose own genres were learned."""

PREDICTED: Words = {State.KEEP: "decided", State.UNDECIDED: "undecided", State.FAILED: "failed"}
"""Of tracks that are heard while their tags are not looked at."""

AUDITED: Words = {
    State.KEEP: "not contradicted",
    State.UNDECIDED: "contradicted",
    State.FAILED: "failed",
}
"""Of tracks whose own genre is compared with what is heard."""

HEARD: Words = {
    State.KEEP: "heard",
    State.UNDECIDED: "silent",
    State.FAILED: "failed",
}
"""Of tracks among which some are chosen by what is heard."""

REMARKS = {
    "contradicted": "Own genre contradicted by what is heard",
    "album": "Albums whose tracks disagree",
    "spelling": "Spellings of one genre",
    "single": "Genres on one track only",
    "junk": "Genres that say nothing",
    "twice": "The same audio twice",
}
"""What an audit looks for, and its heading, in the order in which it is shown."""
