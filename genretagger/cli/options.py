"""The parser: every command and option."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import genretagger
from genretagger.cli import config
from genretagger.cli.usage import Parser
from genretagger.cli.values import (
    age_s,
    condition,
    count,
    field_name,
    name_list,
    probability,
    separator,
)
from genretagger.genres import JUNK


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"{parser.prog} {genretagger.__version__}")
        parser.exit()


def _tag(parser: argparse.ArgumentParser) -> None:
    _add_input(parser)
    _add_bundle(parser)
    _add_decision(parser)
    group = parser.add_argument_group("what is written")
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
    group = parser.add_argument_group("run and report")
    _add_work(group)
    _add_format(group)
    _add_changes_only(group)
    _add_page(group)
    _add_talk(group)


def _watch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a folder")
    _add_ignore(parser)
    _add_bundle(parser)
    _add_decision(parser)
    group = parser.add_argument_group("what is written")
    group.add_argument(
        "-n",
        "--dry-run",
        action="store_true",
        help="show what would be written; open no file for writing",
    )
    _add_policy(group)
    _add_preserve_mtime(group)
    group = parser.add_argument_group("when")
    group.add_argument(
        "--settle",
        type=count,
        default=10,
        metavar="SECONDS",
        help="a file is whole when it has stayed as it is for so long (default: %(default)s)",
    )
    group.add_argument(
        "--rescan",
        type=count,
        default=60,
        metavar="MINUTES",
        help="look through the folders so often, too: of a disk of the network, the system does "
        "not tell what other machines write there (default: %(default)s)",
    )
    group = parser.add_argument_group("run and report")
    _add_work(group)
    _add_form(group)
    _add_changes_only(group)
    _add_talk(group)
    parser.set_defaults(output=None)


def _review(parser: argparse.ArgumentParser) -> None:
    _add_input(parser)
    _add_bundle(parser)
    _add_decision(parser)
    group = parser.add_argument_group("what is planned")
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
    _add_work(parser.add_argument_group("run"))
    parser.add_argument(
        "--no-browser", action="store_true", help="print the address, and open no browser"
    )
    parser.set_defaults(format="table", output=None)


def _apply(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", type=Path, metavar="PLAN", help="from 'tag --dry-run --plan'")
    parser.add_argument(
        "within",
        nargs="*",
        default=[],
        type=Path,
        metavar="PATH",
        help="change only files in there, and pass over the others",
    )
    _add_preserve_mtime(parser)
    report = parser.add_argument_group("report")
    _add_format(report)
    _add_changes_only(report)
    _add_page(report)
    _add_talk(report)


def _undo(parser: argparse.ArgumentParser) -> None:
    _add_reversal(parser, "the last that is in force", "taken back")


def _redo(parser: argparse.ArgumentParser) -> None:
    _add_reversal(parser, "the last that was taken back", "done again")


def _add_reversal(parser: argparse.ArgumentParser, default: str, done: str) -> None:
    parser.add_argument(
        "run",
        nargs="?",
        metavar="RUN",
        help="its number, or the path of its journal, as 'genretagger history' lists them "
        f"(default: {default})",
    )
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help=f"show what would be {done}; change no file"
    )
    parser.add_argument(
        "-y", "--yes", action="store_true", help="do not ask; needed in scripts that name no RUN"
    )
    _add_preserve_mtime(parser)
    report = parser.add_argument_group("report")
    _add_format(report)
    _add_talk(report)


def _history(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--prune",
        type=age_s,
        metavar="AGE",
        help="remove journals that are older, such as 90d, 12w or 1y; what they tell of can then "
        "no longer be taken back",
    )


def _predict(parser: argparse.ArgumentParser) -> None:
    _add_input(parser)
    _add_bundle(parser)
    _add_decision(parser)
    group = parser.add_argument_group("run and report")
    _add_work(group)
    _add_format(group, ("table", "json", "csv", "parquet"))
    group.add_argument(
        "--embedding",
        action="store_true",
        help="with --format json or parquet: also what the network says of a track before its last "
        "layer, a list of numbers that is alike for tracks that sound alike",
    )
    group.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="hear on the Dask cluster whose scheduler is there, such as tcp://10.0.0.1:8786; goes "
        "with --format json or parquet and -o, and goes on with what is there; "
        "needs the extra 'cluster'",
    )
    _add_talk(group)


def _audit(parser: argparse.ArgumentParser) -> None:
    _add_input(parser)
    _add_bundle(parser)
    group = parser.add_argument_group("what deserves a look")
    group.add_argument(
        "--mapping",
        type=Path,
        metavar="FILE",
        help="what genres in the files mean that are not known: lines such as 'Lied = Classical', "
        "or 'Zouglou =' for none of ours",
    )
    _add_junk(group)
    group.add_argument(
        "--check", action="store_true", help="exit with 1 if there is anything, for scripts"
    )
    group = parser.add_argument_group("run and report")
    group.add_argument(
        "--most",
        type=count,
        default=20,
        metavar="N",
        help="show at most so many of a kind in the table (default: %(default)s)",
    )
    _add_work(group)
    _add_format(group, ("table", "json"))
    _add_page(group)
    _add_talk(group)


def _similar(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("track", type=Path, metavar="TRACK", help="an audio file")
    _add_choice(
        parser,
        "seek among these files and folders; may be repeated (default: all that was heard before)",
        n=25,
    )


def _playlist(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "condition",
        metavar="CONDITION",
        help="such as 'Rock > 0.6 and Folk > 0.3', with 'and', 'or', 'not' and brackets",
    )
    _add_choice(
        parser,
        "choose among these files and folders; may be repeated (default: all that "
        "was heard before)",
    )


def _add_choice(parser: argparse.ArgumentParser, sources: str, n: int | None = None) -> None:
    """Add what commands share that choose tracks by what is heard."""
    parser.add_argument(
        "--from",
        dest="paths",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help=sources,
    )
    _add_ignore(parser)
    _add_bundle(parser)
    group = parser.add_argument_group("what is chosen")
    group.add_argument(
        "-n",
        dest="n",
        type=count,
        default=n,
        metavar="N",
        help="at most so many tracks (default: %(default)s)" if n else "at most so many tracks",
    )
    group.add_argument(
        "--per-artist",
        type=count,
        default=2,
        metavar="N",
        help="at most so many of one artist (default: %(default)s)",
    )
    group.add_argument(
        "--m3u",
        type=Path,
        metavar="FILE",
        help="write a playlist, with paths relative to it; its folder is made if it is missing",
    )
    group = parser.add_argument_group("run and report")
    _add_work(group)
    _add_format(group, ("table", "json"))
    _add_talk(group)


def _discover(parser: argparse.ArgumentParser) -> None:
    _add_input(parser)
    _add_bundle(parser)
    group = parser.add_argument_group("what is shown")
    group.add_argument(
        "--report",
        type=Path,
        metavar="FILE.html",
        help="also write a page for the browser: a map of the collection, coloured by group or "
        "genre",
    )
    group.add_argument(
        "--listen",
        action="store_true",
        help="show the map in the browser, where a click plays a track, until Ctrl-C; needs the "
        "extra 'review'",
    )
    group.add_argument(
        "--no-browser",
        action="store_true",
        help="with --listen: print the address, and open no browser",
    )
    group.add_argument(
        "--m3u",
        type=Path,
        metavar="FOLDER",
        help="write a playlist for each group into this folder, which is made if it is missing, "
        "the most typical tracks first",
    )
    group = parser.add_argument_group("run and report")
    _add_work(group)
    _add_format(group, ("table", "json"))
    _add_talk(group)


def _learn(parser: argparse.ArgumentParser) -> None:
    _add_input(parser)
    parser.add_argument(
        "--out",
        required=True,
        metavar="NAME",
        help="the model to write: a name among your own, or a folder such as ./mine; one of your "
        "own that is there is replaced",
    )
    parser.add_argument(
        "--field", type=field_name, metavar="NAME", help="learn from this field instead of GENRE"
    )
    parser.add_argument(
        "--map",
        type=Path,
        metavar="FILE",
        help="learn genres under other names: lines such as 'Rap = Hip Hop'; with nothing behind "
        "the =, a genre is not learned",
    )
    _add_bundle(parser)
    group = parser.add_argument_group("run and report")
    _add_work(group)
    _add_figures_page(group)
    _add_talk(group)
    parser.set_defaults(format="table", output=None)


def _add_figures_page(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--report",
        type=Path,
        metavar="FILE.html",
        help="write a page for the browser: what each genre of a model of your own is worth",
    )


def _show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("track", type=Path, metavar="TRACK", help="an audio file")
    _add_bundle(parser)
    _add_decision(parser)
    parser.add_argument(
        "--why",
        action="store_true",
        help="find out, too, what moved the leading genre: the network is asked as often as for "
        "half an hour of music",
    )
    group = parser.add_argument_group("pictures (need the extra 'review')")
    group.add_argument("--html", type=Path, metavar="FILE", help="write one page that holds it all")
    group.add_argument("--png", type=Path, metavar="FILE", help="write the picture alone")


def _model(parser: argparse.ArgumentParser) -> None:
    _add_bundle(parser)
    parser.add_argument(
        "--verify", action="store_true", help="run the golden segment and compare the outcome"
    )
    parser.add_argument("--json", action="store_true", help="show all there is to know, as JSON")
    _add_figures_page(parser)


def _cache(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--prune",
        action="store_true",
        help="forget files that are gone or changed, and what other models heard; disks that "
        "are not mounted count as gone",
    )
    group.add_argument("--clear", action="store_true", help="forget everything")
    _add_bundle(parser)


def _demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path("genretagger-demo"),
        metavar="FOLDER",
        help="the folder to be made (default: %(default)s)",
    )


def _config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "of_command",
        nargs="?",
        choices=[*COMMANDS],
        metavar="COMMAND",
        help="show all options of this command",
    )


def _completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "shell",
        choices=("bash", "zsh", "fish"),
        metavar="SHELL",
        help="its name: bash, zsh or fish",
    )


def _add_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="a file or folder")
    parser.add_argument(
        "--files-from",
        action="append",
        default=[],
        metavar="FILE",
        help="read more files from a playlist (M3U, PLS, XSPF) or list; - is standard input",
    )
    _add_ignore(parser)


def _add_ignore(parser: argparse.ArgumentParser) -> None:
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
        "long), one of your own, which 'genretagger model' lists, or a folder (default: "
        "%(default)s)",
    )


def _add_decision(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("decision")
    group.add_argument(
        "--threshold",
        type=probability,
        metavar="P",
        help="one threshold for all genres, 0 to 1 (default: the model's own for each genre)",
    )
    group.add_argument(
        "--max-genres",
        type=count,
        default=2,
        metavar="N",
        help="at most so many genres for a track (default: %(default)s)",
    )
    group.add_argument(
        "--always", action="store_true", help="take the best genre even below its threshold"
    )
    group.add_argument(
        "--only",
        type=name_list,
        default=(),
        metavar="GENRES",
        help="decide among these alone, such as 'Jazz,Classical'",
    )
    group.add_argument(
        "--exclude",
        type=name_list,
        default=(),
        metavar="GENRES",
        help="never decide for these",
    )


def _add_policy(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--existing",
        choices=("skip", "replace", "append", "prepend"),
        default="skip",
        help="what to do where a file has a genre (default: %(default)s, it stays untouched)",
    )
    group.add_argument(
        "--protect",
        type=name_list,
        default=(),
        metavar="GENRES",
        help="leave files alone that have one of these, such as 'Blues,Reggae', "
        "whatever --existing says",
    )
    group.add_argument(
        "--protect-if",
        type=condition,
        action="append",
        default=[],
        metavar="CONDITION",
        help="the same for a condition: 'genre matches REGEX' or 'comment matches REGEX', "
        "in any case of letters; may be repeated",
    )
    _add_junk(group)
    group.add_argument(
        "--map",
        type=Path,
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
        type=separator,
        default="; ",
        metavar="TEXT",
        help="between the genres of a combined value (default: '; ')",
    )
    group.add_argument(
        "--field",
        type=field_name,
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
        choices=("track", "album", "artist"),
        default="track",
        help="one decision for each track, for each album or folder (the tracks of compilations "
        "are decided one by one), or for each artist (default: %(default)s)",
    )


def _add_junk(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--junk",
        type=name_list,
        default=JUNK,
        metavar="NAMES",
        help=f"names that say nothing, and count as no genre (default: '{','.join(JUNK)}'; '' for "
        "none); blanks and numbers that stand for no genre always do",
    )


def _add_work(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "-j",
        "--jobs",
        type=count,
        default=0,
        metavar="N",
        help="processes (default: one for each core)",
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


_FORMATS = ("table", "json", "csv")


def _add_format(group: argparse._ActionsContainer, formats: tuple[str, ...] = _FORMATS) -> None:
    _add_form(group, formats)
    group.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write the report to this file"
    )


def _add_form(group: argparse._ActionsContainer, formats: tuple[str, ...] = _FORMATS) -> None:
    group.add_argument(
        "--format",
        choices=formats,
        default="table",
        help="json is one object a line (default: %(default)s)",
    )


def _add_changes_only(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--changes-only",
        action="store_true",
        help="report only tracks that change or fail, a failure once, and say nothing at all if "
        "there is none (for cron)",
    )


def _add_talk(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "-q",
        "--quiet",
        dest="talk",
        action="store_const",
        const="quiet",
        help="no table, no progress, no summary: say only what failed",
    )
    group.add_argument(
        "-v",
        "--verbose",
        dest="talk",
        action="store_const",
        const="verbose",
        help="say also which model, settings, cache and journal are used",
    )


def _add_page(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--report",
        type=Path,
        metavar="FILE.html",
        help="also write a page for the browser: all tracks, what was heard, and why",
    )


def _needs(extra: str) -> str:
    # how to install it depends on how this was installed, and to find that out takes files
    return f"Needs the extra {extra!r}; where it is missing, the command says how to install it."


class Command(NamedTuple):
    """A command as the parser needs it."""

    add_options: Callable[[argparse.ArgumentParser], None]
    help: str
    description: str | None = None


COMMANDS = {
    "tag": Command(
        _tag,
        "write genres into the files of a collection",
        "Hear every track, decide, and write the genre. With --dry-run, only show "
        "what would be written.",
    ),
    "watch": Command(
        _watch,
        "tag what comes into folders, as it comes",
        "Do what 'tag' does with the files that lie in some folders, and then with each that "
        "comes, once it is whole, until Ctrl-C. What the settings file says for 'tag' holds here, "
        f"too. {_needs('watch')}",
    ),
    "review": Command(
        _review,
        "decide line by line in the browser, with ears and eyes, then write",
        "Make a plan, or go on with one, and show it in the browser: listen, accept, "
        "reject or edit, then apply. What is decided is saved in the plan at once; nothing is "
        f"written into files before Apply. {_needs('review')}",
    ),
    "apply": Command(
        _apply,
        "do what a saved plan says",
        "Do exactly what the plan says. Lines whose file has changed since are "
        "refused, as are files outside of what was named when the plan was made here.",
    ),
    "undo": Command(
        _undo,
        "take back what a run has written",
        "Give the files that a run has changed their bytes back, run by run: a second undo takes "
        "back the run before. Files that were moved since are sought. A file that something else "
        "has changed since is left alone. Says on a terminal what it will take back, and asks.",
    ),
    "redo": Command(
        _redo,
        "do again what undo has taken back",
        "Make the changes again that the last undo has taken back; a second redo goes on with "
        "the undo before.",
    ),
    "history": Command(
        _history,
        "list what can be undone, the latest last",
        "Show each run with its number, its date, how many files it changed, the size of its "
        "journal, whether it is in force, and the folder that the files lie in.",
    ),
    "predict": Command(
        _predict,
        "say what is heard; never write",
        "Hear every track and say what it is. No file is opened for writing.",
    ),
    "audit": Command(
        _audit,
        "say what in a collection deserves a look; never write",
        "Compare the genres in the files with what is heard and with one another: contradictions, "
        "albums that disagree, several spellings, genres of one track, genres that say nothing, "
        "the same audio twice. No file is opened for writing.",
    ),
    "similar": Command(
        _similar,
        "list the tracks that sound like one",
        "Compare the embeddings, what the network says of a track before its last layer, and list "
        "the nearest: each recording once, and not the track itself. No file of the collection is "
        "opened for writing.",
    ),
    "playlist": Command(
        _playlist,
        "list the tracks in which certain genres are heard",
        "List the tracks whose probabilities fit a condition, those that fit best first: each "
        "recording once. No file of the collection is opened for writing.",
    ),
    "discover": Command(
        _discover,
        "find groups of tracks that sound alike, whatever their tags say",
        "Fit Gaussian mixtures to the embeddings, what the network says of a track before its last "
        "layer, and show the groups: what their tags have in common, their typical tracks, and how "
        f"far to trust them. No file of the collection is opened for writing. {_needs('learn')}",
    ),
    "show": Command(
        _show,
        "show what is heard in one track, from beginning to end",
        "Hear one track and show its genres at once, then hear it all the way through and show "
        "how they change; with --why, what moved the leading one. No file is opened for writing "
        "but those that are asked for.",
    ),
    "learn": Command(
        _learn,
        "learn a model for your own genres from your own tags",
        "Hear the tracks that have a genre, and learn from them a model of these genres, whatever "
        "they are: at least 8 tracks of 3 artists for each. No file of the collection is opened "
        f"for writing. {_needs('learn')}",
    ),
    "genres": Command(
        _add_bundle, "list a model's genres, their other spellings, and which go together"
    ),
    "model": Command(_model, "show what the model is, and what its word is worth"),
    "demo": Command(
        _demo,
        "try it on a few seconds of free music, without any of your own",
        "Make a folder with a few seconds each of free music, and show what 'tag --dry-run' says "
        "of it, and the report. Nothing is written but the new folder.",
    ),
    "config": Command(
        _config,
        "show the settings file: which options it gives defaults, and why",
        "Options that are always the same need be given once: the settings file gives them "
        "defaults. This shows where it lies and what holds because of it; with the name of a "
        "command, all options of that command, as lines that may stand in the file.",
    ),
    "completion": Command(
        _completion,
        "print what makes a shell complete commands and options",
        "Print a script for a shell. For bash, put this line into ~/.bashrc:\n"
        '  eval "$(genretagger completion bash)"\n'
        "For zsh, into a folder of its fpath, as _genretagger; for fish:\n"
        "  genretagger completion fish > ~/.config/fish/completions/genretagger.fish",
    ),
    "cache": Command(
        _cache,
        "show what is remembered of files that were read and heard, or forget it",
        "Show where the cache lies and what is in it. It saves time only: whatever "
        "is forgotten is read and heard again.",
    ),
}
"""Every command. The module of the same name in `genretagger.cli.commands` runs it.

It is imported when the command is started, so that ``--help`` imports none of them.
"""


_EXAMPLES = """\
examples:
  genretagger tag --dry-run ~/Music    show what would be written, and why
  genretagger tag ~/Music              write it
  genretagger undo                     take it back, byte for byte"""


def parser() -> Parser:
    """Build the parser of every command and option.

    Returns
    -------
    Parser
        Its options have the name of the ``command``, and ``error``, which ends the program with
        a message of that command.
    """
    parser = Parser(
        prog="genretagger",
        description="Listens to a music collection and tags it with genres, safely.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command")
    for name, command in COMMANDS.items():
        its_parser = commands.add_parser(name, help=command.help, description=command.description)
        command.add_options(its_parser)
        its_parser.add_argument(
            "--no-config",
            action="store_true",
            help="take no defaults from the settings file ('genretagger config' shows them)",
        )
        its_parser.set_defaults(error=its_parser.error)
        its_parser.usage = " ".join(("%(prog)s [OPTION ...]", *_operands(its_parser)))
    return parser


def _operands(parser: argparse.ArgumentParser) -> list[str]:
    """List what a command takes beside options, as a usage line has it."""
    forms = {"*": "[{} ...]", "+": "{} ...", "?": "[{}]", None: "{}"}
    return [
        forms[action.nargs].format(action.metavar)  # type: ignore[index]
        for action in parser._actions
        if not action.option_strings
    ]


def commands_of(front: Parser) -> dict[str, Parser]:
    """Give the parser of each command by its name."""
    (commands,) = (a for a in front._actions if isinstance(a, argparse._SubParsersAction))
    return dict(commands.choices)


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Read a command line, with defaults from the user's settings file.

    Parameters
    ----------
    words : sequence of str

    Returns
    -------
    argparse.Namespace
        As `parser` gives it, and ``settings``: those that hold for the command.

    Raises
    ------
    FatalError
        If the settings file is wrong.
    """
    front = parser()
    options = _parsed(front, words)
    commands = commands_of(front)
    command = commands[options.command]
    settings: tuple[config.Setting, ...] = ()
    if not options.no_config and options.command != "config":
        settings = tuple(config.settings(config.read(commands), options.command, command))
    if settings:
        command.set_defaults(**{s.action.dest: s.value for s in settings})
        options = _parsed(front, words)
    options.settings = settings
    return options


def _parsed(front: Parser, words: Sequence[str]) -> argparse.Namespace:
    options, unknown = front.parse_known_args(words)
    if options.command is None:
        front.refuse(unknown[0]) if unknown else front.error("name a command")
    if unknown:
        commands_of(front)[options.command].refuse(unknown[0])
    return options
