"""Turn options into the settings of the steps."""

from __future__ import annotations

import argparse

from genretagger import bundle
from genretagger.bundle import Bundle
from genretagger.decide import DecisionPolicy
from genretagger.genres import GENRES
from genretagger.plan import TagPolicy


def chosen_bundle(options: argparse.Namespace) -> Bundle:
    """Read the model of ``--bundle``."""
    return bundle.read(bundle.locate(options.bundle))


def decision_policy(options: argparse.Namespace, bundle: Bundle) -> DecisionPolicy:
    """Return the policy of `decide`; exit if no genre is left."""
    thresholds = bundle.thresholds
    if options.threshold is not None:
        thresholds = (options.threshold,) * len(GENRES)
    allowed = (options.only or frozenset(GENRES)) - options.exclude
    if not allowed:
        options.error("--only and --exclude leave no genre")
    return DecisionPolicy(thresholds, options.max_genres, options.always, allowed)


def tag_policy(options: argparse.Namespace) -> TagPolicy:
    """Return the policy of `plan`."""
    return TagPolicy(
        existing=options.existing,
        style=options.genre_style,
        separator=options.separator,
        id3=options.id3,
        names=options.map,
        protect=options.protect,
        protect_if=tuple(options.protect_if),
        junk=options.junk,
    )
