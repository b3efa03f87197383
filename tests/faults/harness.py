"""Harm runs on purpose, and find out whether anything was lost.

A `Case` is a folder of music with a state folder of its own. What every file was, and what an
undisturbed run makes of it, is known byte for byte from a `Reference`, whose files were decoded
and compared once; so a file is whole if it is one or the other, and nothing else has to be
decoded again after each of a thousand faults.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import make_audio
from mutagen.oggopus import OggOpus

from genretagger import tags
from genretagger.identity import identify
from genretagger.plan import TagPolicy, plan
from genretagger.planfile import PlanFile
from genretagger.records import Decision
from genretagger.writing import exchange, journal

HERE = Path(__file__).parent

FEW = ("MP3 ID3v2.3", "FLAC", "Ogg Vorbis", "WAV INFO", "M4A AAC", "WMA", "WavPack + ID3v1")
"""Forms that between them take every way of writing there is."""

LINKED = ("MP3", "Opus", "AIFF", "M4A ALAC", "DSF")
"""Forms made with two names and no genre: they grow, and are overwritten in place."""

TEXTS = {"title": "Ein Titel", "artist": "Jemand", "album": "Etwas"}


def build_shim(folder: Path) -> Path:
    """Compile the failing layer.

    Raises
    ------
    RuntimeError
        If that cannot be done here.
    """
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not sys.platform.startswith("linux") or compiler is None:
        raise RuntimeError("the failing layer needs Linux and a C compiler")
    shim = folder / "shim.so"
    command = (compiler, "-O1", "-shared", "-fPIC", "-o", shim, HERE / "shim.c", "-ldl")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the failing layer does not compile here: {done.stderr[-500:]}")
    return shim


class Server:
    """Runs commands in forked processes; see ``server.py``."""

    def __init__(self, shim: Path | None = None) -> None:
        environment = dict(os.environ, OPENBLAS_NUM_THREADS="1")
        if shim:
            environment["LD_PRELOAD"] = str(shim)
        self._process = subprocess.Popen(
            [sys.executable, HERE / "server.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def start(
        self,
        case: Case,
        *arguments: object,
        kill_after_s: float | None = None,
        fault: tuple[str, int, int] | None = None,
        uid: int | None = None,
    ) -> None:
        """Begin a command; `fault` is a kind, at which call, and the error number."""
        kind, at, error = fault or ("", 0, 0)
        request = {
            "arguments": [str(a) for a in arguments],
            "state": str(case.state),
            "kill_after_s": kill_after_s,
            "fault": [str(case.folder), kind, at, error] if fault else None,
            "uid": uid,
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def wait(self) -> dict:
        """Give the exit code (or minus the signal), what was printed, and the seconds."""
        answer = json.loads(self._process.stdout.readline())
        if "Traceback" in answer["text"]:
            raise AssertionError(f"a traceback:\n{answer['text']}")
        return answer

    def run(self, case: Case, *arguments: object, **how: object) -> dict:
        """Begin a command and wait for its end."""
        self.start(case, *arguments, **how)
        return self.wait()

    def close(self) -> None:
        """End the server."""
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@dataclass
class Reference:
    """What every file of the collection was, and what a run makes of it.

    Attributes
    ----------
    old, new : dict of str to bytes
        By name, relative to the folder of the music.
    linked : dict of str to str
        A second name for some of them.
    calls : int
        How many calls of an undisturbed run change something; 0 without the failing layer.
    seconds : float
        How long that run took.
    """

    old: dict[str, bytes]
    linked: dict[str, str]
    new: dict[str, bytes] = field(default_factory=dict)
    calls: int = 0
    seconds: float = 0.0

    def names(self) -> Iterator[tuple[str, str]]:
        """Give every path below the folder, and the file that it is a name of."""
        yield from ((name, name) for name in self.old)
        yield from ((other, name) for name, other in self.linked.items())


class Case:
    """A fresh copy of the collection, a plan for it, and a state folder."""

    def __init__(
        self, folder: Path, reference: Reference, *, state: Path | None = None, uid: int = 0
    ) -> None:
        self.folder = folder
        self.reference = reference
        self.music = folder / "Music"
        self.state = state or folder / "state"
        (self.music / "sub").mkdir(parents=True)
        (self.music / "links").mkdir()
        self.state.mkdir(parents=True, exist_ok=True)
        for name, data in reference.old.items():
            (self.music / name).write_bytes(data)
        for name, other in reference.linked.items():
            os.link(self.music / name, self.music / other)
        self._give_to(uid)  # before the plan, which knows the files by their times
        self.plan = self.make_plan()
        self._give_to(uid, self.state)

    def _give_to(self, uid: int, top: Path | None = None) -> None:
        for path in [top or self.folder, *(top or self.folder).rglob("*")] if uid else ():
            os.chown(path, uid, uid)

    def make_plan(self) -> Path:
        """Save a plan of what is to be done now; without what cannot be read."""
        path = self.state / "plan.jsonl"
        with path.open("w") as stream:
            saved = PlanFile(stream, roots=[], field=None, bundle_id="faults")
            for name in self.reference.old:
                track = self.music / name
                if track.exists():
                    decision = Decision(("Rock", "Pop"), ("because",))
                    line = plan(track, tags.read(track), TagPolicy("replace"), decision)
                    saved.add(replace(line, identity=identify(track)))
        return path

    def apply(self) -> tuple[object, ...]:
        """Say the command that carries the plan out."""
        return ("apply", self.plan, self.music, "--format", "json")

    def states(self) -> dict[str, str]:
        """Say of every name whether its file is ``old``, ``new``, ``torn`` or ``gone``."""
        found = {}
        for path, name in self.reference.names():
            try:
                data = (self.music / path).read_bytes()
            except FileNotFoundError:
                found[path] = "gone"
                continue
            is_old, is_new = data == self.reference.old[name], data == self.reference.new[name]
            found[path] = "old" if is_old else "new" if is_new else "torn"
        return found

    def leftovers(self) -> list[Path]:
        """List the working copies that are still there."""
        return sorted(self.music.rglob(".genretagger-*"))

    @contextlib.contextmanager
    def own_journals(self) -> Iterator[None]:
        """Let `genretagger.journal` look into this case's state."""
        before = os.environ.get("XDG_STATE_HOME")
        os.environ["XDG_STATE_HOME"] = str(self.state)
        try:
            yield
        finally:
            if before is None:
                del os.environ["XDG_STATE_HOME"]
            else:
                os.environ["XDG_STATE_HOME"] = before

    def journals(self) -> list[Path]:
        """List the journals, oldest first."""
        with self.own_journals():
            return journal.history()

    def remove(self) -> None:
        """Clear everything away."""
        shutil.rmtree(self.folder)
        shutil.rmtree(self.state, ignore_errors=True)


def build(
    encoded: Callable[..., Path], folder: Path, server: Server, forms: tuple[str, ...] = ()
) -> Reference:
    """Make the collection, tag it without disturbance, and compare what came of it.

    Parameters
    ----------
    encoded : callable
        The fixture of that name.
    folder : pathlib.Path
        To work in.
    server : Server
    forms : tuple of str
        Of `make_audio.FORMS`; all of them if empty.
    """
    old: dict[str, bytes] = {}
    linked: dict[str, str] = {}
    folder.mkdir()
    for number, form in enumerate(forms or make_audio.FORMS):
        kind = make_audio.FORMS[form]
        path = folder / f"{number:02} {form}{kind.suffix}"
        shutil.copyfile(encoded(form, seconds=1.1), path)
        kind.tag(path, (("Blues",), (), ("Electronic",))[number % 3], TEXTS)
        old[f"sub/{path.name}" if number % 4 == 3 else path.name] = path.read_bytes()
    for form in LINKED if not forms else LINKED[:3]:
        kind = make_audio.FORMS[form]
        name = f"linked {form}{kind.suffix}"
        track = folder / name
        shutil.copyfile(encoded(form, seconds=1.1), track)
        if form == "Opus":
            _fill_page(track)
        old[name] = track.read_bytes()
        linked[name] = f"links/{name}"
    shutil.rmtree(folder)
    reference = Reference(old, linked)
    case = Case(folder, reference)
    answer = server.run(case, *case.apply(), fault=("", 0, 0) if has_shim(server) else None)
    if answer["status"]:
        raise AssertionError(answer["text"])
    reference.calls = int(answer["text"].rpartition("calls: ")[2] or 0)
    reference.seconds = answer["s"]
    for name, data in old.items():
        reference.new[name] = (case.music / name).read_bytes()
        changed, original = case.music / name, folder / f"original{Path(name).suffix}"
        original.write_bytes(data)
        if reference.new[name] == data or stream_hash(changed) != stream_hash(original):
            raise AssertionError(f"{name}: unchanged, or its audio is not the same")
        original.unlink()
    if set(case.states().values()) != {"new"}:
        raise AssertionError("a hard link was lost")
    case.remove()
    return reference


def _fill_page(opus: Path) -> None:
    """Add a comment that leaves no room on its page, so that all others get new numbers."""
    file = OggOpus(opus)
    file.tags["COMMENT"] = "x" * 5500
    file.save(padding=lambda _: 0)


def has_shim(server: Server) -> bool:
    """Tell whether a server runs with the failing layer."""
    environment = Path(f"/proc/{server._process.pid}/environ")
    return environment.exists() and b"LD_PRELOAD" in environment.read_bytes()


def stream_hash(path: Path) -> str:
    """Hash every decoded sample; with what ffmpeg complains of, as it does of some originals."""
    source = ("ffmpeg", "-v", "error", "-i", f"file:{path}", "-map", "0:a:0", "-f", "hash", "-")
    done = subprocess.run(source, capture_output=True, text=True, check=True)
    complaints = re.sub(r"0x[0-9a-f]+", "", done.stderr.replace(str(path), ""))
    return done.stdout + complaints


@dataclass
class Outcome:
    """How the files were found right after the fault."""

    old: int = 0
    new: int = 0
    torn: int = 0
    gone: int = 0
    leftovers: int = 0

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(*(a + b for a, b in zip(self.counts(), other.counts(), strict=True)))

    def counts(self) -> tuple[int, ...]:
        """Give the numbers in order."""
        return self.old, self.new, self.torn, self.gone, self.leftovers


def examine(
    case: Case,
    server: Server,
    answer: dict | None = None,
    *,
    may_be_gone: bool = False,
    may_tear: bool = False,
) -> Outcome:
    """Make sure that nothing was lost, that the next run finishes, and that undo undoes.

    With an answer: that what it said of each file was true. What has several names may be
    torn until then, and with `may_tear` also what is written in place within a page, which no
    signal cuts in two, but a dying disk may.

    Raises
    ------
    AssertionError
        With what was lost.
    """
    found = case.states()
    values = list(found.values())
    outcome = Outcome(
        *(values.count(state) for state in ("old", "new", "torn", "gone")), len(case.leftovers())
    )
    torn = {path for path, state in found.items() if state == "torn"}
    names = {*case.reference.linked, *case.reference.linked.values()}
    assert may_tear or torn <= names, f"torn for good: {torn - names}"
    assert may_be_gone or not outcome.gone, f"gone: {found}"
    _compare_with_journal(case, found)
    for path, state in _reported(case, answer["text"] if answer else ""):
        assert {"change": "new", "failed": "old"}[state] == found[path] or found[path] == "gone", (
            path,
            answer,
        )

    # the next run: what was half done is finished first; then the plan again, and a new one
    # for lines whose file has another identity since, though it holds the same bytes
    server.run(case, *case.apply())
    case.make_plan()
    answer = server.run(case, *case.apply())
    assert answer["status"] in (0, 1 if may_be_gone else 0), answer["text"]
    _expect(case, "new")
    assert not case.leftovers(), case.leftovers()
    with case.own_journals():
        assert not list(journal.unfinished())

    for path in reversed(case.journals()):
        server.run(case, "undo", path, "--format", "json")
    _expect(case, "old")
    assert not case.leftovers(), case.leftovers()
    return outcome


def _expect(case: Case, state: str) -> None:
    """What is still there is what it should be; a second name stays behind its first one."""
    found = case.states()
    for path, name in case.reference.names():
        assert found[path] == state or found[name] == "gone", (path, found)


def _reported(case: Case, text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if line.startswith('{"path"') and line.endswith("}"):
            row = json.loads(line)
            if not row["reason"].startswith("changed since the plan was made"):
                yield os.path.relpath(row["path"], case.music), row["state"]


def _compare_with_journal(case: Case, found: dict[str, str]) -> None:
    """Every changed file has a line, and every line a file that is what it says."""
    with case.own_journals():
        begun = {}
        for path in journal.history():
            for entry in journal.read(path)[1]:
                begun[entry.path] = entry
    for name in case.reference.old:
        path = case.music / name
        if found[name] != "old" and found[name] != "gone":
            assert path in begun, f"{path} was changed, and no journal says so"
        if path in begun and found[name] in ("old", "new"):
            now = exchange.sha256(path)
            assert now in begun[path].sha256, f"{path}: the journal says something else"
