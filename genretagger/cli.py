"""The command line: options, messages, progress, exit codes."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genretagger.containers import container_of
from genretagger.errors import FatalError, GenreTaggerError
from genretagger.genres import ALIASES, FUSIONS, GENRES, canonical, in_order, read_mapping
from genretagger.records import State, TagChange
from genretagger.report import Csv, JsonLines, PlainTable, Report, TerminalTable, printable

if TYPE_CHECKING:
    from rich.console import Console

    from genretagger import pipeline
    from genretagger.bundle import Bundle
    from genretagger.cache import Cache
    from genretagger.decide import DecisionPolicy
    from genretagger.journal import Journal
    from genretagger.report.html import Page

OK, SOME_FAILED, USAGE, FATAL, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes. argparse itself exits with USAGE; INTERRUPTED is 128 + SIGINT, as shells have it."""


_ENCODING = {"encoding": "utf-8", "errors": "surrogateescape"}  # file names need not be UTF-8


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``genretagger`` and return its exit code."""
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        options.words = " ".join(sys.argv[1:] if arguments is None else arguments)
        with _once_interrupted(), _only_writer(options):
            return run(options)
    except GenreTaggerError as error:
        print(f"genretagger: {printable(str(error))}", file=sys.stderr)
        return FATAL
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # "genretagger predict ... | head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SOME_FAILED


@contextlib.contextmanager
def _once_interrupted() -> Iterator[None]:
    """Take Ctrl-C once: who presses it again is already being obeyed."""

    def interrupt(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        # an interrupted process is about to end, and is not to be disturbed at that either
        if signal.getsignal(signal.SIGINT) is interrupt:
            signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _only_writer(options: argparse.Namespace) -> Iterator[None]:
    """Keep other writing runs away, and put in order what a killed one left."""
    if "writes" not in options or vars(options).get("dry_run"):
        yield
        return
    from genretagger import pipeline  # noqa: PLC0415

    def say(message: str) -> None:
        sys.stderr.write(f"{printable(message)}\n")

    with pipeline.writing(f"genretagger {options.words}", say):
        yield


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version  # noqa: PLC0415

        print(f"{parser.prog} {version('genretagger')}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="genretagger",
        description="Listens to a music collection and tags it with genres, safely.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_tag(commands)
    _add_review(commands)
    _add_apply(commands)
    _add_undo(commands)
    _add_predict(commands)
    _add_show(commands)

    genres = commands.add_parser("genres", help="list the genres, their aliases and the fusions")
    genres.set_defaults(run=_genres)

    model = commands.add_parser("model", help="show what the model is, and what it is worth")
    _add_bundle(model)
    model.add_argument(
        "--verify", action="store_true", help="run the golden segment and compare the outcome"
    )
    model.set_defaults(run=_model)

    _add_cache(commands)
    return parser


def _add_tag(commands: Any) -> None:
    tag = commands.add_parser(
        "tag",
        help="write genres into the files of a collection",
        description="Hear every track, decide, and write the genre. With --dry-run, only show "
        "what would be written.",
    )
    _add_input(tag)
    _add_bundle(tag)
    _add_decision(tag)
    group = tag.add_argument_group("what is written")
    group.add_argument(
        "-n", "--dry-run", action="store_true", help="show the plan; open no file for writing"
    )
    group.add_argument(
        "--plan",
        dest="plan_file",
        type=Path,
        metavar="FILE",
        help="with --dry-run: save the plan, to be edited and done by 'genretagger apply'",
    )
    _add_policy(group)
    _add_preserve_mtime(group)
    _add_page(_add_run(tag))
    tag.set_defaults(run=_tag, error=tag.error, writes=True)


def _add_policy(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--existing",
        choices=("skip", "replace", "append", "prepend"),
        default="skip",
        help="what to do where a file has a genre (default: %(default)s, it stays untouched)",
    )
    group.add_argument(
        "--protect",
        type=_names,
        default=(),
        metavar="GENRES",
        help="leave files alone that have one of these, such as 'Blues,Reggae', "
        "whatever --existing says",
    )
    group.add_argument(
        "--protect-if",
        type=_condition,
        action="append",
        default=[],
        metavar="CONDITION",
        help="the same for a condition: 'genre matches REGEX' or 'comment matches REGEX', "
        "in any case of letters; may be repeated",
    )
    group.add_argument(
        "--map",
        type=_mapping,
        default={},
        metavar="FILE",
        help="write genres under other names: lines such as 'Hip Hop = Rap'",
    )
    group.add_argument(
        "--genre-style",
        choices=("combined", "multi"),
        default="combined",
        help="several genres as one value, 'Pop; Rock', or as the container's native "
        "values (default: %(default)s)",
    )
    group.add_argument(
        "--separator",
        type=_separator,
        default="; ",
        metavar="TEXT",
        help="between the genres of a combined value (default: '; ')",
    )
    group.add_argument(
        "--field",
        type=_field,
        metavar="NAME",
        help="write to this field instead, and leave GENRE alone",
    )
    group.add_argument(
        "--id3",
        choices=("keep", "2.3", "2.4"),
        default="keep",
        help="version of the ID3 tag (default: %(default)s the file's; new tags get 2.4)",
    )
    group.add_argument(
        "--by",
        choices=("track", "album"),
        default="track",
        help="one decision for each track, or for each album or folder; the tracks of "
        "compilations are decided one by one (default: %(default)s)",
    )


def _add_predict(commands: Any) -> None:
    predict = commands.add_parser(
        "predict",
        help="say what is heard; never write",
        description="Hear every track and say what it is. No file is opened for writing.",
    )
    _add_input(predict)
    _add_bundle(predict)
    _add_decision(predict)
    _add_run(predict)
    predict.set_defaults(run=_predict, error=predict.error)


def _add_show(commands: Any) -> None:
    show = commands.add_parser(
        "show",
        help="show what is heard in one track, from beginning to end, and what moved it",
        description="Hear one track all the way through and show its genres over time, and what "
        "moved the leading one. No file is opened for writing but those that are asked for.",
    )
    show.add_argument("track", type=Path, metavar="TRACK", help="an audio file")
    _add_bundle(show)
    _add_decision(show)
    group = show.add_argument_group("pictures (pip install 'genretagger[review]')")
    group.add_argument("--html", type=Path, metavar="FILE", help="write one page that holds it all")
    group.add_argument("--png", type=Path, metavar="FILE", help="write the picture alone")
    show.set_defaults(run=_show, error=show.error)


def _add_review(commands: Any) -> None:
    review = commands.add_parser(
        "review",
        help="decide line by line in the browser, with ears and eyes, then write",
        description="Make a plan, or go on with one, and show it in the browser: listen, accept, "
        "reject or edit, then apply. What is decided is saved in the plan at once; nothing is "
        "written into files before Apply. Needs: pip install 'genretagger[review]'",
    )
    _add_input(review)
    _add_bundle(review)
    _add_decision(review)
    group = review.add_argument_group("what is planned")
    group.add_argument(
        "--plan",
        dest="plan_file",
        type=Path,
        metavar="FILE",
        help="save the plan here, to go on with it later: 'genretagger review FILE' (default: "
        "a new file among genretagger's own)",
    )
    _add_policy(group)
    _add_preserve_mtime(group)
    _add_work(review.add_argument_group("run"))
    review.add_argument(
        "--no-browser", action="store_true", help="print the address, and open no browser"
    )
    review.set_defaults(run=_review, error=review.error, format="table", output=None)


def _add_apply(commands: Any) -> None:
    apply = commands.add_parser(
        "apply",
        help="do what a saved plan says",
        description="Do exactly what the plan says. Lines whose file has changed since are "
        "refused, as are files outside of what was named when the plan was made here.",
    )
    apply.add_argument("plan", type=Path, metavar="PLAN", help="from 'tag --dry-run --plan'")
    apply.add_argument(
        "within", nargs="*", type=Path, metavar="PATH", help="change only files in there"
    )
    _add_preserve_mtime(apply)
    report = apply.add_argument_group("report")
    _add_format(report)
    _add_page(report)
    apply.set_defaults(run=_apply, writes=True)


def _add_undo(commands: Any) -> None:
    undo = commands.add_parser(
        "undo",
        help="take back what a run has written",
        description="Give the files that a run has changed their bytes back. A file that "
        "something else has changed since is left alone. Undoing an undo does it again.",
    )
    undo.add_argument(
        "journal",
        nargs="?",
        type=Path,
        metavar="JOURNAL",
        help="what to undo, as 'genretagger history' lists it (default: the last)",
    )
    _add_preserve_mtime(undo)
    _add_format(undo.add_argument_group("report"))
    undo.set_defaults(run=_undo, writes=True)

    history = commands.add_parser("history", help="list what can be undone, the latest last")
    history.set_defaults(run=_history)


def _add_cache(commands: Any) -> None:
    cache = commands.add_parser(
        "cache",
        help="show what is remembered of files that were read and heard, or forget it",
        description="Show where the cache lies and what is in it. It saves time only: whatever "
        "is forgotten is read and heard again.",
    )
    group = cache.add_mutually_exclusive_group()
    group.add_argument(
        "--prune",
        action="store_true",
        help="forget files that are gone or changed, and what other models heard; disks that "
        "are not mounted count as gone",
    )
    group.add_argument("--clear", action="store_true", help="forget everything")
    _add_bundle(cache)
    cache.set_defaults(run=_cache)


def _add_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="a file or folder")
    parser.add_argument(
        "--files-from",
        action="append",
        default=[],
        metavar="FILE",
        help="read more paths from an M3U playlist, or NUL-separated; - is standard input",
    )
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="GLOB",
        help="skip files and folders whose name or path matches; may be repeated",
    )


def _add_bundle(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bundle",
        metavar="MODEL",
        default="default",
        help="the model to use: 'default', 'accurate' (hears better, takes several times as "
        "long), or a folder (default: %(default)s)",
    )


def _add_decision(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("decision")
    group.add_argument(
        "--threshold",
        type=_probability,
        metavar="P",
        help="one threshold for all genres, 0 to 1 (default: the model's own for each genre)",
    )
    group.add_argument(
        "--max-genres",
        type=_count(len(GENRES)),
        default=2,
        metavar="N",
        help="at most so many genres for a track (default: %(default)s)",
    )
    group.add_argument(
        "--always", action="store_true", help="take the best genre even below its threshold"
    )
    group.add_argument(
        "--only",
        type=_genre_list,
        metavar="GENRES",
        help="decide among these alone, such as 'Jazz,Classical'",
    )
    group.add_argument(
        "--exclude",
        type=_genre_list,
        default=frozenset(),
        metavar="GENRES",
        help="never decide for these",
    )


def _add_run(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("run and report")
    _add_work(group)
    _add_format(group)
    return group


def _add_work(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "-j", "--jobs", type=_count(), metavar="N", help="processes (default: one for each core)"
    )
    group.add_argument(
        "--no-cache",
        action="store_true",
        help="read and hear every track anew, and remember nothing",
    )


def _add_preserve_mtime(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--preserve-mtime", action="store_true", help="keep the files' modification times"
    )


def _add_format(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--format",
        choices=("table", "json", "csv"),
        default="table",
        help="json is one object a line (default: %(default)s)",
    )
    group.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write the report to this file"
    )


def _add_page(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--report",
        type=Path,
        metavar="FILE.html",
        help="also write a page for the browser: all tracks, what was heard, and why",
    )


def _probability(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not a number") from error
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _count(most: int | None = None) -> Callable[[str], int]:
    def count(text: str) -> int:
        try:
            value = int(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number") from error
        if value < 1 or (most is not None and value > most):
            upper = f" and at most {most}" if most else ""
            raise argparse.ArgumentTypeError(f"{text} is not at least 1{upper}")
        return value

    return count


def _separator(text: str) -> str:
    if not text or not text.isprintable():
        raise argparse.ArgumentTypeError("a separator is at least one printable character")
    return text


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _genre_list(text: str) -> frozenset[str]:
    found = {name: canonical(name) for name in _names(text)}
    if unknown := [name for name, genre in found.items() if genre is None]:
        raise argparse.ArgumentTypeError(f"{unknown[0]} is not one of {', '.join(GENRES)}")
    return frozenset(genre for genre in found.values() if genre)


def _condition(text: str) -> tuple[str, re.Pattern[str]]:
    words = text.split(maxsplit=2)
    if len(words) != 3 or words[0] not in ("genre", "comment") or words[1] != "matches":
        raise argparse.ArgumentTypeError("write 'genre matches REGEX' or 'comment matches REGEX'")
    try:
        return words[0], re.compile(words[2], re.IGNORECASE)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{words[2]}: {error}") from error


def _mapping(name: str) -> dict[str, str]:
    try:
        return read_mapping(Path(name).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{name}: {error.strerror}") from error
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{name}, {error}") from error


def _field(text: str) -> str:
    # the characters that a Vorbis comment's field name may have; APEv2 allows the same
    if not text or not all(" " <= c <= "}" and c != "=" for c in text):
        raise argparse.ArgumentTypeError("a field's name is ASCII, without =")
    if re.sub("[^A-Z]", "", text.upper()) in _TAKEN:
        raise argparse.ArgumentTypeError(f"{text} means something else already; take another name")
    return text


_TAKEN = {
    *("GENRE", "STYLE", "TITLE", "ARTIST", "ARTISTS", "ALBUM", "ALBUMARTIST", "COMPOSER"),
    *("CONDUCTOR", "PERFORMER", "LYRICIST", "COMMENT", "COMMENTS", "DESCRIPTION", "LYRICS"),
    *("DATE", "YEAR", "ORIGINALDATE", "TRACK", "TRACKNUMBER", "TRACKTOTAL", "DISC"),
    *("DISCNUMBER", "DISCTOTAL", "COMPILATION", "COPYRIGHT", "LABEL", "PUBLISHER", "ISRC"),
    *("BARCODE", "CATALOGNUMBER", "LANGUAGE", "BPM", "KEY", "RATING", "ENCODER", "ENCODEDBY"),
    *("CUESHEET", "METADATABLOCKPICTURE", "COVERART"),
}
"""Fields that other programs read, by their names' letters: somebody's work stands in them."""


def _tag(options: argparse.Namespace) -> int:
    from genretagger import pipeline  # noqa: PLC0415 - numpy and the decoders take 0.3 s
    from genretagger.journal import Journal  # noqa: PLC0415
    from genretagger.report import plan_row  # noqa: PLC0415

    if options.plan_file and not options.dry_run:
        options.error("--plan goes with --dry-run; without it, the plan is carried out")
    run = _Run(options)
    paths = run.find(options, lambda path, why: plan_row(TagChange(path, State.FAILED, reason=why)))
    settings = _settings(options, analyse_all=options.dry_run)
    words = _WORDS | ({State.CHANGE: "to change"} if options.dry_run else {})
    _open_page(
        run,
        options,
        title="What would be written" if options.dry_run else "What was written",
        model=settings.bundle.bundle_id,
        thresholds=settings.decision.thresholds,
        words=words,
        names=options.map,
    )
    journal = Journal(options.words)
    write = partial(
        pipeline.apply,
        journal=journal,
        field=options.field,
        preserve_mtime=options.preserve_mtime,
    )
    with (
        _opened_cache(options) as cache,
        run.reporting() as add,
        _plan_file(options, settings, run.roots) as save,
    ):
        for change in pipeline.make_plan(paths, replace(settings, cache=cache)):
            save(change)
            writes = change.state is State.CHANGE and not options.dry_run
            # what is written is also reported: Ctrl-C waits for both
            with pipeline.uninterrupted() if writes else contextlib.nullcontext():
                done = write(change, cache=cache) if writes else change
                add(done.state, plan_row(done))
    code = run.summary(words)
    _offer_undo(journal)
    return code


def _settings(options: argparse.Namespace, *, analyse_all: bool) -> pipeline.Options:
    from genretagger import pipeline  # noqa: PLC0415
    from genretagger.plan import TagPolicy  # noqa: PLC0415

    bundle = _bundle(options)
    return pipeline.Options(
        bundle=bundle,
        decision=_decision(options, bundle),
        tags=TagPolicy(
            existing=options.existing,
            style=options.genre_style,
            separator=options.separator,
            id3=options.id3,
            names=options.map,
            protect=options.protect,
            protect_if=tuple(options.protect_if),
        ),
        field=options.field,
        by=options.by,
        jobs=_jobs(options),
        analyse_all=analyse_all,
    )


def _review(options: argparse.Namespace) -> int:
    try:
        from genretagger.review import server, session  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name in ("starlette", "uvicorn"):
            raise FatalError("review needs: pip install 'genretagger[review]'") from error
        raise

    is_plan = (
        len(options.paths) == 1
        and not options.files_from
        and options.paths[0].is_file()
        and container_of(options.paths[0]) is None
    )
    code, title = OK, ", ".join(path.name or str(path) for path in options.paths)
    if is_plan:
        (options.plan_file,) = options.paths
    else:
        options.plan_file = options.plan_file or _new_plan()
        code = _plan_for_review(options)
        if code == INTERRUPTED:
            return code
    reviewed = session.Session(
        options.plan_file, (), _bundle(options), preserve_mtime=options.preserve_mtime
    )
    with reviewed.only_one(), contextlib.suppress(KeyboardInterrupt):
        server.serve(
            reviewed,
            f"Review of {title[:80]}",
            say=lambda address: sys.stderr.write(f"review: {address}\nCtrl-C ends it\n"),
            browse=not options.no_browser,
        )
    sys.stderr.write(f"to go on: genretagger review {printable(str(options.plan_file))}\n")
    return code


def _new_plan() -> Path:
    import time  # noqa: PLC0415

    from genretagger.journal import state_folder  # noqa: PLC0415

    folder = state_folder() / "plans"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FatalError(f"{folder}: {error.strerror}; name another place by --plan") from error
    return folder / time.strftime("%Y-%m-%dT%H-%M-%S.jsonl")


def _plan_for_review(options: argparse.Namespace) -> int:
    from genretagger import pipeline  # noqa: PLC0415
    from genretagger.report import plan_row  # noqa: PLC0415

    run = _Run(options)
    paths = run.find(options, lambda path, why: plan_row(TagChange(path, State.FAILED, reason=why)))
    settings = _settings(options, analyse_all=True)
    with (
        _opened_cache(options) as cache,
        run.reporting(shown=False) as add,
        _plan_file(options, settings, run.roots) as save,
    ):
        for change in pipeline.make_plan(paths, replace(settings, cache=cache)):
            save(change)
            add(change.state, plan_row(change))
    return run.summary(_WORDS | {State.CHANGE: "to change"})


_WORDS = {
    State.CHANGE: "changed",
    State.KEEP: "kept",
    State.UNDECIDED: "undecided",
    State.FAILED: "failed",
}


def _open_page(run: _Run, options: argparse.Namespace, **head: Any) -> None:
    if options.report is not None:
        from genretagger.report.html import Page  # noqa: PLC0415

        run.page = Page(command=f"genretagger {options.words}", **head)


def _offer_undo(journal: Journal, to: str = "take it back") -> None:
    if journal.path is not None:
        sys.stderr.write(f"to {to}: genretagger undo\n")


@contextlib.contextmanager
def _plan_file(
    options: argparse.Namespace, settings: pipeline.Options, roots: Sequence[Path]
) -> Iterator[Callable[[TagChange], None]]:
    from genretagger.planfile import PlanFile  # noqa: PLC0415

    if not options.plan_file:
        yield lambda _: None
        return
    try:
        stream = options.plan_file.open("w", encoding="utf-8")
    except OSError as error:
        raise FatalError(f"--plan {options.plan_file}: {error.strerror}") from error
    with stream:
        plan = PlanFile(
            stream,
            roots=roots,
            field=options.field,
            bundle_id=settings.bundle.bundle_id,
            thresholds=settings.decision.thresholds,
            policy=settings.tags,
        )
        yield plan.add


def _apply(options: argparse.Namespace) -> int:
    from genretagger import pipeline, planfile  # noqa: PLC0415
    from genretagger.journal import Journal  # noqa: PLC0415
    from genretagger.report import plan_row  # noqa: PLC0415

    plan = planfile.read(options.plan, options.within)
    run = _Run(options)
    run.total = len(plan.changes)
    words = {State.CHANGE: "changed", State.FAILED: "failed"}
    title, model = "What was written", plan.bundle_id
    _open_page(run, options, title=title, model=model, thresholds=plan.thresholds, words=words)
    journal = Journal(options.words)
    keep_mtime = options.preserve_mtime
    with _opened_cache(options) as cache, run.reporting() as add:
        for change in plan.changes:
            with pipeline.uninterrupted():
                done = pipeline.apply(
                    change, journal, field=plan.field, preserve_mtime=keep_mtime, cache=cache
                )
                add(done.state, plan_row(done))
    code = run.summary(words)
    _offer_undo(journal)
    return code


def _undo(options: argparse.Namespace) -> int:
    from genretagger import journal, pipeline  # noqa: PLC0415
    from genretagger.report import plan_row  # noqa: PLC0415

    journals = journal.history()
    if options.journal is None and not journals:
        raise FatalError(f"there is nothing to undo in {journal.folder()}")
    path = options.journal or journals[-1]
    # a journal says which bytes to write into which file: only what was written here is believed
    if path.resolve().parent != journal.folder().resolve():
        raise FatalError(f"{path} is not a journal in {journal.folder()}; nothing was done")
    head, entries = journal.read(path)
    kind, _, done = head["command"].partition(" of: ")
    is_redo = kind == "undo"
    of = done if kind in ("undo", "redo") else head["command"]
    back = journal.Journal(f"{'redo' if is_redo else 'undo'} of: {of}")
    run = _Run(options)
    run.total = len(entries)
    keep_mtime = options.preserve_mtime
    with _opened_cache(options) as cache, run.reporting() as add:
        for change in pipeline.undo(entries, back, preserve_mtime=keep_mtime, cache=cache):
            add(change.state, plan_row(change))
    word = "done again" if is_redo else "undone"
    code = run.summary({State.CHANGE: word, State.KEEP: "were not changed", State.FAILED: "failed"})
    _offer_undo(back, "take it back" if is_redo else "do it again")
    return code


def _history(_: argparse.Namespace) -> int:
    from genretagger import journal  # noqa: PLC0415

    for path in journal.history():
        try:
            head, entries = journal.read(path)
        except FatalError as error:  # one that is damaged does not hide the others
            print(f"genretagger: {printable(str(error))}", file=sys.stderr)
            continue
        when, what = printable(head["time"]), printable(head["command"])
        print(f"{when}  {len(entries):>6} files  {what}\n  {printable(str(path))}")
    return OK


def _predict(options: argparse.Namespace) -> int:
    from genretagger import pipeline  # noqa: PLC0415
    from genretagger.decide import decide  # noqa: PLC0415
    from genretagger.errors import TrackError  # noqa: PLC0415
    from genretagger.records import Decision  # noqa: PLC0415
    from genretagger.report import prediction_row  # noqa: PLC0415

    run = _Run(options)

    def failed_row(path: Path, why: str) -> dict[str, Any]:
        return prediction_row(path, Decision((), f"failed: {why}"), None)

    paths = run.find(options, failed_row)
    bundle = _bundle(options)
    policy = _decision(options, bundle)
    with _opened_cache(options) as cache, run.reporting() as add:
        for path, answer in pipeline.predict(paths, bundle, _jobs(options), cache=cache):
            if isinstance(answer, TrackError):
                add(State.FAILED, failed_row(path, str(answer)))
                continue
            decision = decide(answer, policy)
            state = State.KEEP if decision.genres else State.UNDECIDED
            add(state, prediction_row(path, decision, answer))
    return run.summary(
        {State.KEEP: "decided", State.UNDECIDED: "undecided", State.FAILED: "failed"}
    )


def _show(options: argparse.Namespace) -> int:
    from genretagger import pipeline  # noqa: PLC0415
    from genretagger.decide import decide  # noqa: PLC0415
    from genretagger.errors import TrackError  # noqa: PLC0415
    from genretagger.report import show  # noqa: PLC0415

    for written in filter(None, (options.html, options.png)):
        _spare_audio(written)
    bundle = _bundle(options)
    policy = _decision(options, bundle)
    try:
        hearing = pipeline.hear_closely(options.track, bundle)
    except TrackError as error:
        _warn(f"{options.track}: {error}")
        return SOME_FAILED
    decision = decide(hearing.prediction, policy)
    title, thresholds = options.track.name, policy.thresholds
    if options.html:
        page = show.page(title, hearing, decision, thresholds, bundle)
        _write("--html", options.html, page.encode("utf-8"))
    if options.png:
        _write("--png", options.png, show.picture(title, hearing, thresholds, bundle))
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(**_ENCODING)
    for line in show.lines(title, hearing, decision, thresholds):
        print(line)
    return OK


def _write(option: str, path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise FatalError(f"{option} {path}: {error.strerror}") from error


def _spare_audio(written: Path) -> None:
    if container_of(written) is not None:
        raise FatalError(f"{written} is an audio file, and stays; nothing was done")


@contextlib.contextmanager
def _opened_cache(options: argparse.Namespace) -> Iterator[Cache | None]:
    from genretagger import cache  # noqa: PLC0415

    if vars(options).get("no_cache"):
        yield None
        return
    with contextlib.closing(cache.Cache(cache.default_path(), warn=_warn)) as opened:
        yield opened


def _warn(message: str) -> None:
    sys.stderr.write(f"genretagger: {printable(message)}\n")


def _bundle(options: argparse.Namespace) -> Bundle:
    from genretagger import bundle  # noqa: PLC0415

    return bundle.read(bundle.locate(options.bundle))


def _jobs(options: argparse.Namespace) -> int:
    import joblib  # noqa: PLC0415

    return options.jobs or int(joblib.cpu_count())


def _decision(options: argparse.Namespace, bundle: Bundle) -> DecisionPolicy:
    from genretagger.decide import DecisionPolicy  # noqa: PLC0415

    thresholds = bundle.thresholds
    if options.threshold is not None:
        thresholds = (options.threshold,) * len(GENRES)
    allowed = (options.only or frozenset(GENRES)) - options.exclude
    if not allowed:
        options.error("--only and --exclude leave no genre")
    return DecisionPolicy(thresholds, options.max_genres, options.always, allowed)


class _Run:
    """What becomes of the tracks of one run, and where that is reported."""

    def __init__(self, options: argparse.Namespace) -> None:
        from rich.console import Console  # noqa: PLC0415

        self._format: str = options.format
        self._output: Path | None = options.output
        self._page_path: Path | None = vars(options).get("report")
        for written in (options.output, vars(options).get("plan_file"), self._page_path):
            if written is not None:
                _spare_audio(written)
        self._counts: Counter[State] = Counter()
        self._failures: list[tuple[str, str]] = []
        self._interrupted = False
        self._messages: Console = Console(stderr=True)
        self._done = 0
        self.total: int | None = None
        self.roots: list[Path] = []
        self._report: Report | None = None
        self.page: Page | None = None

    def find(
        self, options: argparse.Namespace, row: Callable[[Path, str], dict[str, Any]]
    ) -> Iterator[Path]:
        """Find the tracks that the command line names; what cannot be is a failure.

        They are found as they are asked for, so that neither the first track nor the memory
        waits for a large collection, and counted meanwhile where progress is shown.
        """
        from genretagger.scan import find_tracks, read_list  # noqa: PLC0415

        if not options.paths and not options.files_from:
            options.error("name at least one file or folder, or give --files-from")
        paths = list(options.paths)
        for source in options.files_from:
            paths += read_list(Path(source), _read(source))
        self.roots = paths
        find = partial(find_tracks, paths, ignore=options.ignore)
        if self._messages.is_terminal:
            threading.Thread(target=self._count, args=(find,), daemon=True).start()
        return find(on_error=lambda path, why: self._add(State.FAILED, row(path, why)))

    def _count(self, find: Callable[..., Iterator[Path]]) -> None:
        self.total = sum(1 for _ in find(on_error=lambda *_: None))

    def _add(self, state: State, row: dict[str, Any]) -> None:
        self._counts[state] += 1
        if state is State.FAILED:
            self._failures.append((row["path"], row["reason"].removeprefix("failed: ")))
        if self._report is not None:
            self._report.add(row)
        if self.page is not None:
            self.page.add(row)

    @contextlib.contextmanager
    def reporting(self, *, shown: bool = True) -> Iterator[Callable[[State, dict[str, Any]], None]]:
        """Show progress, and take rows, which are shown or counted; end quietly on Ctrl-C."""
        with contextlib.ExitStack() as stack:
            advance = stack.enter_context(self._progress())
            if shown:
                self._report = stack.enter_context(self._opened_report())
            if self.page is not None and self._page_path is not None:
                stack.enter_context(self.page.written_to(self._page_path))

            def add(state: State, row: dict[str, Any]) -> None:
                self._add(state, row)
                self._done += 1
                advance()

            try:
                yield add
            except KeyboardInterrupt:
                self._interrupted = True

    @contextlib.contextmanager
    def _progress(self) -> Iterator[Callable[[], None]]:
        if not self._messages.is_terminal:
            yield lambda: None
            return
        from rich import progress  # noqa: PLC0415

        class Rate(progress.ProgressColumn):
            def render(self, task: progress.Task) -> str:
                return f"{task.speed or 0.0:.1f} tracks/s"

        columns = (progress.BarColumn(), progress.MofNCompleteColumn(), Rate())
        left = progress.TimeRemainingColumn(elapsed_when_finished=True)
        with progress.Progress(*columns, left, console=self._messages) as bar:
            task = bar.add_task("", total=self.total)
            yield lambda: bar.update(task, advance=1, total=self.total)

    @contextlib.contextmanager
    def _opened_report(self) -> Iterator[Report]:
        if self._output is not None:
            try:
                stream = self._output.open(
                    "w", encoding="utf-8", errors="surrogateescape", newline=""
                )
            except OSError as error:
                raise FatalError(f"--output {self._output}: {error.strerror}") from error
            with stream:
                yield _plain_report(self._format, stream)
        elif self._format == "table" and sys.stdout.isatty():
            # rows must go through the console that draws the progress bar below them
            yield TerminalTable(self._messages if self._messages.is_terminal else _stdout())
        else:
            if hasattr(sys.stdout, "reconfigure"):
                sys.stdout.reconfigure(**_ENCODING)
            yield _plain_report(self._format, sys.stdout)

    def summary(self, words: dict[State, str]) -> int:
        """Say what has become of the tracks, list every failure, and return the exit code."""
        say = sys.stderr.write
        total = sum(self._counts.values())
        counts = ", ".join(f"{self._counts[state]} {word}" for state, word in words.items())
        if self._interrupted:
            left = "some" if self.total is None else self.total - self._done
            say(f"interrupted: every file is whole, {left} tracks are left\n")
        none = not total and not self._interrupted
        say("no audio files found\n" if none else f"{total} tracks: {counts}\n")
        if self._failures:
            say("failed:\n")
        for path, reason in self._failures:
            say(f"  {printable(path)}: {printable(reason)}\n")
        if self._interrupted:
            return INTERRUPTED
        return SOME_FAILED if self._failures else OK


def _plain_report(format_: str, stream: Any) -> Report:
    formats: dict[str, Callable[[Any], Report]] = {
        "table": PlainTable,
        "json": JsonLines,
        "csv": Csv,
    }
    return formats[format_](stream)


def _stdout() -> Console:
    from rich.console import Console  # noqa: PLC0415

    return Console()


def _read(source: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise FatalError(f"--files-from {source}: {error.strerror}") from error


def _genres(_: argparse.Namespace) -> int:
    print(f"{len(GENRES)} genres, and other spellings that count as the same:")
    for genre in GENRES:
        print(f"  {genre:<13}{', '.join(ALIASES.get(genre, ()))}".rstrip())
    print(f"{len(FUSIONS)} fusions:")
    for pair in sorted(in_order(tuple(fusion)) for fusion in FUSIONS):
        print(f"  {'; '.join(pair)}")
    return OK


def _cache(options: argparse.Namespace) -> int:
    from genretagger import cache, files  # noqa: PLC0415

    bundle_id = _bundle(options).bundle_id
    with contextlib.closing(cache.Cache(cache.default_path(), warn=_warn)) as opened:
        if options.prune:
            opened.prune(bundle_id, files.identify)
        if options.clear:
            opened.clear()
        found = opened.contents()
    print(f"cache: {printable(str(found.path))}\nsize: {found.size / 1e6:.1f} MB")
    print(f"tracks: {found.n_tracks}\nheard by model:")
    for heard_by, n_heard in (found.n_heard or {bundle_id: 0}).items():
        now = " (the one in use)" if heard_by == bundle_id else ""
        print(f"  {heard_by}: {n_heard}{now}")
    return OK


def _model(options: argparse.Namespace) -> int:
    bundle = _bundle(options)
    print(f"bundle: {printable(str(bundle.path))}\nid: {bundle.bundle_id}")
    shown = {key: value for key, value in bundle.info.items() if key != "filterbank"}
    shown["thresholds"] = dict(zip(GENRES, shown["thresholds"], strict=True))
    _print_nested(shown, "")
    if options.verify:
        from genretagger.classifier import Classifier  # noqa: PLC0415

        difference = Classifier(bundle).verify()
        print(f"verified: golden segment within {difference:.1g}")
    return OK


def _print_nested(value: dict[str, Any], indent: str) -> None:
    for key, item in value.items():
        key = printable(key)  # noqa: PLW2901
        if isinstance(item, dict):
            print(f"{indent}{key}:")
            _print_nested(item, indent + "  ")
        else:
            text = ", ".join(map(str, item)) if isinstance(item, list) else str(item)
            print(f"{indent}{key}: {printable(text)}")
