"""Turn options into the settings of the steps."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from genretagger import bundle, decide
from genretagger.bundle import Bundle
from genretagger.decide import DecisionPolicy
from genretagger.expression import Condition, parse
from genretagger.genres import Vocabulary, read_mapping
from genretagger.plan import TagPolicy
from genretagger.subgenres import Names

_Parsed = TypeVar("_Parsed")


def chosen_bundle(options: argparse.Namespace) -> Bundle:
    """Read the model of ``--bundle``."""
    return bundle.read(options.bundle)


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


def _parsed(
    options: argparse.Namespace, name: str, path: Path, parse_text: Callable[[str], _Parsed]
) -> _Parsed:
    """Read the file that an option names; exit if it cannot be read or makes no sense."""
    try:
        return parse_text(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        options.error(f"argument {name}: {path}: {error.strerror}")
    except ValueError as error:
        options.error(f"argument {name}: {path}, {error}")
    raise AssertionError  # for mypy: `error` ends the program


def _mapping(options: argparse.Namespace, vocabulary: Vocabulary) -> dict[str, str]:
    """Read the file of ``--map``; exit if it is none."""
    if options.map is None:
        return {}
    return _parsed(options, "--map", options.map, lambda text: read_mapping(text, vocabulary))


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
    return _parsed(options, "--mapping", options.mapping, lambda text: Names(text, vocabulary))


def heard_condition(options: argparse.Namespace, vocabulary: Vocabulary) -> Condition:
    """Read the condition on what is heard; exit if it makes no sense."""
    try:
        return parse(options.condition, vocabulary)
    except ValueError as error:
        options.error(f"argument CONDITION: {error}")
    raise AssertionError  # for mypy: `error` ends the program
