"""Turn options into the settings of the steps."""

from __future__ import annotations

import argparse

from genretagger import bundle, decide
from genretagger.bundle import Bundle
from genretagger.decide import DecisionPolicy
from genretagger.plan import TagPolicy


def chosen_bundle(options: argparse.Namespace) -> Bundle:
    """Read the model of ``--bundle``."""
    return bundle.read(options.bundle)


def described(bundle: Bundle) -> str:
    """Say which model it is."""
    name, version = bundle.info.get("name", ""), bundle.info.get("version", "")
    return f"model: {name} {version} ({bundle.bundle_id}) in {bundle.path}"


def decision_policy(options: argparse.Namespace, bundle: Bundle) -> DecisionPolicy:
    """Return the policy of `decide`; exit if no genre is left."""
    try:
        return decide.decision_policy(
            bundle.thresholds,
            threshold=options.threshold,
            max_genres=options.max_genres,
            always=options.always,
            only=options.only,
            exclude=options.exclude,
        )
    except ValueError:  # all else was checked when it was read
        options.error("--only and --exclude leave no genre")
        raise


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
