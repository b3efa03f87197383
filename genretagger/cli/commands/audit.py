"""``genretagger audit``."""

from __future__ import annotations

import argparse

from genretagger.audit import Audit
from genretagger.cli.caching import opened_cache
from genretagger.cli.codes import OK, SOME_FAILED
from genretagger.cli.output import warn
from genretagger.cli.run import Run
from genretagger.cli.settings import chosen_bundle, meanings
from genretagger.pipeline import audit_tracks
from genretagger.report.remarks import json_lines, lines, not_compared
from genretagger.words import AUDITED


def run(options: argparse.Namespace) -> int:
    """Say what in a collection deserves a look; never write."""
    run = Run(options, AUDITED)
    roots = run.named_paths(options)
    bundle = chosen_bundle(options)
    names = meanings(options, bundle.vocabulary)
    audit = Audit(names, options.junk, bundle.vocabulary)
    run.hear_with(bundle)
    run.make_page(
        title="Audit",
        model=bundle.bundle_id,
        thresholds=bundle.thresholds,
        remarks=audit.remarks,
    )
    with opened_cache(options, run.remark) as cache, run.reporting(shown=False) as add:
        paths = run.tracks(roots, options.ignore)
        for line in audit_tracks(paths, audit, bundle, options.jobs, cache=cache):
            add(line)
    remarks = audit.remarks()
    is_json = options.format == "json"
    run.write_report(json_lines(remarks) if is_json else lines(remarks, options.most))
    for name in names.unmatched():
        warn(f"--mapping: {name!r} is in no tag; is it spelled so?")
    if message := not_compared(audit.not_compared):
        run.note(message)
    code = run.summary()
    return SOME_FAILED if options.check and remarks and code == OK else code
