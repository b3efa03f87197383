"""Listens to a music collection and tags it with genres, safely.

The names here are for use from other programs; each is imported when it is first used.
``genretagger.predict("x.mp3")`` hears a track.

Examples
--------
>>> import genretagger
>>> genretagger.canonical("hip-hop")
'Hip Hop'
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genretagger.aggregate import aggregate as aggregate_probabilities
    from genretagger.albums import Named, combine_each
    from genretagger.audit import Audit
    from genretagger.bundle import DEFAULT as DEFAULT_BUNDLE
    from genretagger.bundle import Bundle
    from genretagger.bundle import locate as locate_bundle
    from genretagger.bundle import read as read_bundle
    from genretagger.cache import opened as opened_cache
    from genretagger.decide import DecisionPolicy, decision_policy
    from genretagger.decide import decide as decide_genres
    from genretagger.errors import FatalError, GenreTaggerError, TrackError
    from genretagger.genres import (
        FUSIONS,
        GENRES,
        JUNK,
        Vocabulary,
        canonical,
        in_order,
        read_mapping,
        says_nothing,
    )
    from genretagger.hearing import hearing_id
    from genretagger.identity import check_writable
    from genretagger.library import TrackGenres, predict
    from genretagger.pipeline import audit_tracks
    from genretagger.pipeline import predict as predict_tracks
    from genretagger.places import state_folder
    from genretagger.plan import TagPolicy, read_condition, why_kept
    from genretagger.plan import plan as plan_genres
    from genretagger.records import Decision, GenreBlock, Prediction, State, TagChange, TrackTags
    from genretagger.report.html import Page as ReportPage
    from genretagger.report.remarks import lines as remark_lines
    from genretagger.report.remarks import not_compared
    from genretagger.report.terminal import progress_bar
    from genretagger.rows import plan_row
    from genretagger.subgenres import Names
    from genretagger.text import counted, printable, reason_text
    from genretagger.words import AUDITED, PLANNED, WRITTEN
    from genretagger.writing.change import rewrite, undo
    from genretagger.writing.history import last_in_force as last_journal_in_force
    from genretagger.writing.history import numbered as numbered_journal
    from genretagger.writing.history import warning as journals_warning
    from genretagger.writing.journal import Entry, Head, Journal
    from genretagger.writing.journal import history as list_journals
    from genretagger.writing.journal import read as read_journal
    from genretagger.writing.lock import only_writer
    from genretagger.writing.moved import Elsewhere, located
    from genretagger.writing.recovery import recover
    from genretagger.writing.signals import uninterrupted

    __version__: str

__all__ = [
    "AUDITED",
    "DEFAULT_BUNDLE",
    "FUSIONS",
    "GENRES",
    "JUNK",
    "PLANNED",
    "WRITTEN",
    "Audit",
    "Bundle",
    "Decision",
    "DecisionPolicy",
    "Elsewhere",
    "Entry",
    "FatalError",
    "GenreBlock",
    "GenreTaggerError",
    "Head",
    "Journal",
    "Named",
    "Names",
    "Prediction",
    "ReportPage",
    "State",
    "TagChange",
    "TagPolicy",
    "TrackError",
    "TrackGenres",
    "TrackTags",
    "Vocabulary",
    "__version__",
    "aggregate_probabilities",
    "audit_tracks",
    "canonical",
    "check_writable",
    "combine_each",
    "counted",
    "decide_genres",
    "decision_policy",
    "hearing_id",
    "in_order",
    "journals_warning",
    "last_journal_in_force",
    "list_journals",
    "locate_bundle",
    "located",
    "not_compared",
    "numbered_journal",
    "only_writer",
    "opened_cache",
    "plan_genres",
    "plan_row",
    "predict",
    "predict_tracks",
    "printable",
    "progress_bar",
    "read_bundle",
    "read_condition",
    "read_journal",
    "read_mapping",
    "reason_text",
    "recover",
    "remark_lines",
    "rewrite",
    "says_nothing",
    "state_folder",
    "undo",
    "uninterrupted",
    "why_kept",
]

_MODULES = {
    "albums": ("Named", "combine_each"),
    "audit": ("Audit",),
    "bundle": ("Bundle",),
    "decide": ("DecisionPolicy", "decision_policy"),
    "errors": ("FatalError", "GenreTaggerError", "TrackError"),
    "genres": (
        *("FUSIONS", "GENRES", "JUNK", "Vocabulary", "canonical", "in_order", "read_mapping"),
        "says_nothing",
    ),
    "hearing": ("hearing_id",),
    "identity": ("check_writable",),
    "library": ("TrackGenres", "predict"),
    "places": ("state_folder",),
    "plan": ("TagPolicy", "read_condition", "why_kept"),
    "records": ("Decision", "GenreBlock", "Prediction", "State", "TagChange", "TrackTags"),
    "pipeline": ("audit_tracks",),
    "report.remarks": ("not_compared",),
    "report.terminal": ("progress_bar",),
    "rows": ("plan_row",),
    "subgenres": ("Names",),
    "text": ("counted", "printable", "reason_text"),
    "words": ("AUDITED", "PLANNED", "WRITTEN"),
    "writing.change": ("rewrite", "undo"),
    "writing.journal": ("Entry", "Head", "Journal"),
    "writing.lock": ("only_writer",),
    "writing.moved": ("Elsewhere", "located"),
    "writing.recovery": ("recover",),
    "writing.signals": ("uninterrupted",),
}
# a name that a submodule has, too, would be hidden by it
_RENAMED = {
    "DEFAULT_BUNDLE": ("bundle", "DEFAULT"),
    "ReportPage": ("report.html", "Page"),
    "aggregate_probabilities": ("aggregate", "aggregate"),
    "decide_genres": ("decide", "decide"),
    "journals_warning": ("writing.history", "warning"),
    "last_journal_in_force": ("writing.history", "last_in_force"),
    "list_journals": ("writing.journal", "history"),
    "locate_bundle": ("bundle", "locate"),
    "numbered_journal": ("writing.history", "numbered"),
    "opened_cache": ("cache", "opened"),
    "plan_genres": ("plan", "plan"),
    "predict_tracks": ("pipeline", "predict"),
    "read_bundle": ("bundle", "read"),
    "read_journal": ("writing.journal", "read"),
    "remark_lines": ("report.remarks", "lines"),
}
_HOMES = {name: (module, name) for module, names in _MODULES.items() for name in names} | _RENAMED


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - it takes as long as the rest

        return version(__name__)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(f"{__name__}.{module}"), attribute)
