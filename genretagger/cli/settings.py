"""Turn options into the settings of the steps."""

from __future__ import annotations

import argparse

from genretagger import bundle, decide
from genretagger.bundle import Bundle
from genretagger.decide import DecisionPolicy
from genretagger.expression import Condition, parse
from genretagger.genres import Vocabulary, read_mapping
from genretagger.plan import TagPolicy
from genretagger.subgenres import Names


def chosen_bundle(options: argparse.Namespace) -> Bundle:
    """Read the model of ``--bundle``."""
    return bundle.read(options.bundle)


def described(bundle: Bundle) -> str:
    """Say which model it is."""
    known = (bundle.info.get("name", bundle.path.name), bundle.info.get("version"))
    name = " ".join(str(part) for part in known if part)
    return f"model: {name} ({bundle.bundle_id}) in {bundle.path}"


def decision_policy(options: argparse.Namespace, bundle: Bundle) -> DecisionPolicy:
    """Return the policy of `decide`; exit if it does not fit the model's genres."""
    try:
        return decide.decision_policy(
            bundle.thresholds,
            threshold=options.threshold,
            max_genres=options.max_genres,
            always=options.always,
            only=options.only or None,
            exclude=options.exclude,
            vocabulary=bundle.vocabulary,
        )
    except ValueError as error:
        options.error(str(error))
        raise


def _mapping(options: argparse.Namespace, vocabulary: Vocabulary) -> dict[str, str]:
    """Read the file of ``--map``; exit if it is none."""
    if options.map is None:
        return {}
    try:
        return read_mapping(options.map.read_text(encoding="utf-8-sig"), vocabulary)
    except OSError as error:
        options.error(f"argument --map: {options.map}: {error.strerror}")
    except ValueError as error:
        options.error(f"argument --map: {options.map}, {error}")
    raise AssertionError  # for mypy: `error` ends the program


def tag_policy(options: argparse.Namespace, vocabulary: Vocabulary) -> TagPolicy:
    """Return the policy of `plan`; exit if the mapping makes no sense."""
    return TagPolicy(
        existing=options.existing,
        style=options.genre_style,
        separator=options.separator,
        id3=options.id3,
        names=_mapping(options, vocabulary),
        protect=options.protect,
        protect_if=tuple(options.protect_if),
        junk=options.junk,
        vocabulary=vocabulary,
    )


def meanings(options: argparse.Namespace, vocabulary: Vocabulary) -> Names:
    """Read the file of ``--mapping``, if there is one; exit if it makes no sense."""
    if options.mapping is None:
        return Names(vocabulary=vocabulary)
    try:
        return Names(options.mapping.read_text(encoding="utf-8-sig"), vocabulary)
    except OSError as error:
        options.error(f"argument --mapping: {options.mapping}: {error.strerror}")
    except ValueError as error:
        options.error(f"argument --mapping: {options.mapping}, {error}")
    raise AssertionError  # for mypy: `error` ends the program


def heard_condition(options: argparse.Namespace, vocabulary: Vocabulary) -> Condition:
    """Read the condition on what is heard; exit if it makes no sense."""
    try:
        return parse(options.condition, vocabulary.canonical)
    except ValueError as error:
        options.error(f"argument CONDITION: {error}")
    raise AssertionError  # for mypy: `error` ends the program
