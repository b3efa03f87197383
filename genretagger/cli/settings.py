"""Turn options into the settings of the steps."""

from __future__ import annotations

import argparse

from genretagger import bundle
from genretagger.bundle import Bundle
from genretagger.decide import DecisionPolicy
from genretagger.expression import Condition, parse
from genretagger.genres import Vocabulary, read_mapping
from genretagger.plan import TagPolicy
from genretagger.subgenres import Names


def chosen_bundle(options: argparse.Namespace) -> Bundle:
    """Read the model of ``--bundle``."""
    return bundle.read(bundle.locate(options.bundle))


def decision_policy(options: argparse.Namespace, bundle: Bundle) -> DecisionPolicy:
    """Return the policy of `decide`; exit if it does not fit the model's genres."""
    vocabulary, thresholds = bundle.vocabulary, bundle.thresholds
    n_genres = len(vocabulary.genres)
    if options.max_genres > n_genres:
        options.error(f"argument --max-genres: {options.max_genres} is not at most {n_genres}")
    if options.threshold is not None:
        thresholds = (options.threshold,) * n_genres
    only, excluded = _genres(options, "only", vocabulary), _genres(options, "exclude", vocabulary)
    allowed = (only or frozenset(vocabulary.genres)) - excluded
    if not allowed:
        options.error("--only and --exclude leave no genre")
    return DecisionPolicy(thresholds, options.max_genres, options.always, allowed, vocabulary)


def _genres(options: argparse.Namespace, option: str, vocabulary: Vocabulary) -> frozenset[str]:
    genres = {name: vocabulary.canonical(name) for name in vars(options)[option]}
    if unknown := [name for name, genre in genres.items() if genre is None]:
        known = ", ".join(vocabulary.genres)
        options.error(f"argument --{option}: {unknown[0]} is not one of {known}")
    return frozenset(genre for genre in genres.values() if genre)


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
