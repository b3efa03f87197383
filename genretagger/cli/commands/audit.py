"""``genretagger audit``."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from genretagger import pipeline
from genretagger.audit import Audit
from genretagger.bundle import Bundle
from genretagger.cache import Cache
from genretagger.cli.caching import opened_cache
from genretagger.cli.codes import OK, SOME_FAILED
from genretagger.cli.output import report_stream, warn
from genretagger.cli.run import Run
from genretagger.cli.settings import chosen_bundle, meanings
from genretagger.decide import DecisionPolicy, decide
from genretagger.errors import TrackError
from genretagger.pipeline import Examined
from genretagger.plan import existing_genres
from genretagger.recall import audio_id
from genretagger.records import Prediction, Remark, State, TagChange
from genretagger.report.remarks import json_lines, lines
from genretagger.text import printable
from genretagger.words import AUDITED

_MOST_NAMES = 10  # of genres that are not compared


def run(options: argparse.Namespace) -> int:
    """Say what in a collection deserves a look; never write."""
    run = Run(options, AUDITED)
    roots = run.named_paths(options)
    bundle = chosen_bundle(options)
    names = meanings(options, bundle.vocabulary)
    audit = Audit(names, options.junk, bundle.vocabulary)
    run.vocabulary = bundle.vocabulary
    run.make_page(
        title="Audit",
        model=bundle.bundle_id,
        thresholds=bundle.thresholds,
        remarks=audit.remarks,
    )
    with opened_cache(options) as cache, run.reporting(shown=False) as add:
        paths = run.tracks(roots, options.ignore)
        for file in pipeline.examine(paths, bundle, options.jobs, cache=cache):
            add(_line(file, audit, bundle, cache))
    remarks = audit.remarks()
    _write(remarks, options)
    for name in names.unmatched():
        warn(f"--mapping: {name!r} is in no tag; is it spelled so?")
    _say_not_compared(audit.not_compared)
    code = run.summary()
    return SOME_FAILED if options.check and remarks and code == OK else code


def _line(file: Examined, audit: Audit, bundle: Bundle, cache: Cache | None) -> TagChange:
    """Make a track's line, which leaves it as it is, and take it into the audit."""
    track, answer = file.track, file.answer
    if isinstance(track, TrackError):
        return TagChange(file.path, State.FAILED, reason=(str(track),))
    own = existing_genres(track.tags)
    if isinstance(answer, TrackError):
        audit.add(track, None, audio_id(track.file, cache))
        return TagChange(file.path, State.FAILED, old=own, new=own, reason=(str(answer),))
    remark = audit.add(track, answer, audio_id(track.file, cache))
    return _compared(file, own, answer, remark, bundle)


def _compared(
    file: Examined, own: tuple[str, ...], heard: Prediction, remark: Remark | None, bundle: Bundle
) -> TagChange:
    decision = decide(heard, DecisionPolicy(bundle.thresholds, vocabulary=bundle.vocabulary))
    return TagChange(
        file.path,
        State.UNDECIDED if remark else State.KEEP,
        old=own,
        new=own,
        genres=decision.genres,
        probabilities=heard.probabilities,
        reason=(remark.text,) if remark else decision.reason,
        vocabulary=bundle.vocabulary,
    )


def _write(remarks: list[Remark], options: argparse.Namespace) -> None:
    shown = json_lines(remarks) if options.format == "json" else lines(remarks, options.most)
    with report_stream(options.output) as stream:
        stream.writelines(f"{line}\n" for line in shown)


def _say_not_compared(names: Counter[str]) -> None:
    if not names:
        return
    shown = ", ".join(f"{printable(name)} {n}" for name, n in names.most_common(_MOST_NAMES))
    more = f", and {len(names) - _MOST_NAMES} more names" if len(names) > _MOST_NAMES else ""
    sys.stderr.write(
        f"not compared, as they mean none of the 14 or are not known: {shown}{more}; "
        "--mapping says what a name means\n"
    )
