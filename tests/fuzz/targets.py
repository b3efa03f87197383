"""What is fuzzed, and what must hold whatever comes.

A target is made once in each worker, from a folder to work in; then it is called with a random
number generator for each input, and returns a word for the table. Anything that it raises is a
finding.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import make_audio
import numpy as np
from mutate import damage, damage_json, damage_lines

from genretagger import audio, bundle, cache, places, planfile, scan, tags
from genretagger.containers import container_of
from genretagger.errors import FatalError, TrackError
from genretagger.genres import GENRES, read_mapping
from genretagger.identity import identify
from genretagger.plan import TagPolicy, plan
from genretagger.records import Decision, Identity, Prediction, Seen, State, TagChange
from genretagger.writing import journal
from genretagger.writing.change import apply, undo
from genretagger.writing.journal import Entry, Journal
from genretagger.writing.recovery import recover

Target = Callable[[random.Random], str]

TEXTS = {"title": "Titel", "artist": "Jemand", "album": "Etwas", "MYFIELD": "mine"}


class MemoryJournal(Journal):
    """Keeps the entries, and writes no file."""

    def __init__(self) -> None:
        super().__init__("fuzz")
        self.entries: list[Entry] = []

    def note_copy(self, copy: Path) -> None:
        """Forget it."""

    def begin(self, entry: Entry) -> None:
        """Keep it."""
        self.entries.append(entry)

    def end(self, *, done: bool) -> None:
        """Drop what was not done."""
        if not done:
            self.entries.pop()


def seeds(folder: Path, seconds: float) -> dict[str, bytes]:
    """Make one tagged file of every form that can be made here."""
    made = {}
    for number, (form, kind) in enumerate(make_audio.FORMS.items()):
        path = folder / f"{form.replace(' ', '_')}-{seconds}{kind.suffix}"
        if not path.exists():
            try:
                draft = path.with_name(f"{os.getpid()}-{path.name}")
                genre = (("Blues",), ("Blues", "Soul"))[number % 2]
                make_audio.make(form, draft, seconds=seconds, genre=genre, **TEXTS)
                draft.replace(path)
            except make_audio.MissingToolError:
                continue
        made[form] = path.read_bytes()
    if not made:
        raise RuntimeError("no file could be made")
    return made


def _mutants(
    folder: Path, seconds: float, decoder: str | None = None
) -> Callable[[random.Random], Path]:
    made = seeds(folder, seconds)
    forms = [
        form
        for form in made
        if decoder in (None, container_of(Path("x" + make_audio.FORMS[form].suffix)).decoder)
    ]
    everything = tuple(made.values())
    own = folder / f"worker-{os.getpid()}"
    own.mkdir(exist_ok=True)

    def get(chance: random.Random) -> Path:
        form = chance.choice(forms)
        path = own / f"mutant{make_audio.FORMS[form].suffix}"
        others = everything if chance.random() < 0.5 else (made[form],)
        path.write_bytes(damage(made[form], chance, others))
        return path

    return get


def reading_tags(folder: Path) -> Target:
    """Read a damaged file's tags, its genre and a field, and tell its audio apart."""
    mutant = _mutants(folder, 0.3)

    def once(chance: random.Random) -> str:
        path = mutant(chance)
        now = path.read_bytes()
        try:
            found = tags.read(path, field=chance.choice((None, "HEARD")))
            if not all(isinstance(v, str) and v for b in found.blocks for v in b.values):
                raise AssertionError(found)
            tags.audio_id(path)
        except TrackError as error:
            _check_message(error)
            return "refused"
        else:
            return "read"
        finally:
            if path.read_bytes() != now:
                raise AssertionError("reading changed it")

    return once


def _check_message(error: Exception) -> None:
    if not str(error) or len(str(error)) > 2000:
        raise AssertionError(f"{type(error).__name__} with {len(str(error))} characters")


def _is_refused(path: Path, line: TagChange, field: str | None) -> bool:
    try:
        tags.rehearse(path, line.blocks, field=field)
    except TrackError:
        return True
    return False


def writing_tags(folder: Path) -> Target:
    """Tag a damaged file and take it back: it is refused untouched, or done as planned."""
    mutant = _mutants(folder, 0.3)

    def once(chance: random.Random) -> str:
        path = mutant(chance)
        before = path.read_bytes()
        policy = TagPolicy("replace", chance.choice(("combined", "multi")))
        genres = tuple(chance.sample(GENRES, chance.choice((1, 2))))
        field = chance.choice((None, None, "HEARD"))
        try:
            was = tags.read(path, field=field)
            line = plan(path, was, policy, Decision(genres, ("because",)))
        except TrackError:
            return "refused"
        if line.state is not State.CHANGE:
            return "kept"
        # ffmpeg takes what follows the frames of a damaged APE file for audio, tags and all
        heard = _decoded(path) if chance.random() < 0.02 and path.suffix != ".ape" else None
        is_refused = _is_refused(path, line, field)
        written = MemoryJournal()
        done = apply(line, written, field=field)
        if (done.state is State.FAILED) != is_refused:
            raise AssertionError(f"the rehearsal and the writer disagree: {done.reason}")
        if done.state is State.FAILED:
            if path.read_bytes() != before or list(path.parent.glob(".genretagger-*")):
                raise AssertionError(f"failed, and is not as it was: {done.reason}")
            return "refused"
        now = {b.kind: b.values for b in tags.read(path, field=field).blocks}
        for block in line.blocks:
            if now.get(block.kind, ()) != block.new:
                raise AssertionError((block, now))
        again = tags.read(path)
        if (was.album, was.artist) != (again.album, again.artist):
            raise AssertionError("another tag changed")
        if heard and _decoded(path) != heard:
            raise AssertionError("it sounds different")
        (back,) = undo(written.entries, MemoryJournal())
        if back.state is not State.CHANGE or path.read_bytes() != before:
            raise AssertionError(f"not undone: {back.reason}")
        return "written"

    return once


def _decoded(path: Path) -> bytes:
    command = ("ffmpeg", "-v", "error", "-nostdin", "-i", f"file:{path}", "-map", "0:a:0")
    sink = ("-f", "hash", "-")
    done = subprocess.run((*command, *sink), capture_output=True, timeout=60, check=False)
    # a stream that is damaged at its end is decoded on into the tags behind it
    return b"" if done.stderr.strip() else done.stdout


def decoding_by_soundfile(folder: Path) -> Target:
    """Decode a damaged file in this process, as a worker does."""
    return _decoding(folder, "soundfile")


def decoding_by_ffmpeg(folder: Path) -> Target:
    """Decode a damaged file by ffmpeg."""
    return _decoding(folder, "ffmpeg")


def _decoding(folder: Path, decoder: str) -> Target:
    mutant = _mutants(folder, 1.3, decoder)

    def once(chance: random.Random) -> str:
        try:
            heard = audio.decode(mutant(chance), sr=16000, segment_s=10.0)
        except TrackError as error:
            _check_message(error)
            return "refused"
        for segment in heard.segments:
            if segment.y.shape != (160_000,) or not np.isfinite(segment.y).all():
                raise AssertionError(segment.y.shape)
        return "decoded"

    return once


def _one_file(folder: Path) -> tuple[Path, bytes, bytes, list[bytes], bytes]:
    """Tag one file; give it, what it was and is, the journal's lines, and its plan."""
    own = folder / f"worker-{os.getpid()}"
    own.mkdir(exist_ok=True)
    os.environ["XDG_STATE_HOME"] = str(own)
    path = own / "track.wav"
    make_audio.make("WAV INFO", path, seconds=0.1, genre=("Blues",), **TEXTS)
    old = path.read_bytes()
    line = plan(path, tags.read(path), TagPolicy("replace"), Decision(("Rock",), ("because",)))
    line = replace(line, identity=identify(path), probabilities=(0.5,) * len(GENRES))
    with (own / "plan").open("w") as stream:
        planfile.PlanFile(stream, roots=[own], field=None, bundle_id="x").add(line)
    if apply(line, Journal("fuzz")).state is not State.CHANGE:
        raise AssertionError("the seed cannot be tagged")
    (record,) = journal.history()
    lines = record.read_bytes().splitlines(keepends=True)
    record.unlink()
    return path, old, path.read_bytes(), lines, (own / "plan").read_bytes()


def plans(folder: Path) -> Target:
    """Read a damaged plan and carry it out."""
    path, old, _, _, text = _one_file(folder)
    other = path.with_name("outside.wav")
    saved = path.with_name("plan")

    def once(chance: random.Random) -> str:
        path.write_bytes(old)
        other.write_bytes(old)
        head, line = text.splitlines(keepends=True)
        row = json.loads(line)
        row["identity"] = vars(identify(path))
        saved.write_bytes(damage_lines(head + json.dumps(row).encode() + b"\n", chance))
        try:
            read = planfile.read(saved, [path])
        except FatalError as error:
            _check_message(error)
            return "refused"
        done = [apply(line, MemoryJournal(), field=read.field) for line in read.changes]
        if other.read_bytes() != old:
            raise AssertionError("a plan reached a file outside")
        return "done" if any(line.state is State.CHANGE for line in done) else "read"

    return once


def journals(folder: Path) -> Target:
    """Read a damaged journal, recover with it, and undo it."""
    path, old, new, lines, _ = _one_file(folder)
    record = places.journals_folder() / "2026-01-01T00-00-00-1.jsonl"

    def once(chance: random.Random) -> str:
        # as after a run that ended, or was killed before, amid or after the change
        torn = new[: chance.randrange(len(new))]
        torn += old[len(torn) :]
        path.write_bytes(now := chance.choice((old, new, new, torn)))
        record.write_bytes(damage_lines(b"".join(lines[: chance.choice((2, 3))]), chance))
        list(recover())
        if path.read_bytes() not in (now, new):
            raise AssertionError("recovery damaged a file")
        now = path.read_bytes()
        try:
            head, entries = journal.read(record)
        except FatalError as error:
            _check_message(error)
            return "refused"
        assert head.command.isascii() or head.command
        list(undo(entries, MemoryJournal()))
        if path.read_bytes() not in (now, old, new):
            raise AssertionError("undo damaged a file")
        for left in places.journals_folder().iterdir():
            left.unlink()
        return "read"

    return once


def bundles(folder: Path) -> Target:
    """Read a damaged bundle."""
    own = folder / f"worker-{os.getpid()}"
    own.mkdir(exist_ok=True)
    whole = {p.name: p.read_bytes() for p in bundle.DEFAULT.iterdir() if p.is_file()}
    info = json.loads(whole["bundle.json"])
    small = info | {"filterbank": info["filterbank"][:2], "features": info["features"]}

    def once(chance: random.Random) -> str:
        for name, data in whole.items():
            (own / name).write_bytes(data)
        kind = chance.random()
        if kind < 0.5:
            made = json.dumps(damage_json(info, chance)).encode()
        elif kind < 0.8:
            made = damage(json.dumps(small).encode(), chance)
        else:
            made = damage(whole["bundle.json"], chance)
        name = chance.choice(("bundle.json",) * 8 + ("model.tflite", "golden.npz"))
        if name == "bundle.json":
            (own / name).write_bytes(made)
        else:
            (own / name).write_bytes(damage(whole[name], chance))
        try:
            bundle.read(own)
        except FatalError as error:
            _check_message(error)
            return "refused"
        return "read"

    return once


_M3U = """#EXTM3U
#EXTINF:123,Jemand - Titel
Music/a.flac
/absolute/b.mp3
file:///home/me/c%20d.ogg
C:\\Music\\e.wma
"""
_PLS = """[playlist]
File1=Music\\a.flac
Title1=Jemand - Titel
File2=http://radio.example:8000/x
NumberOfEntries=2
"""
_XSPF = """<?xml version="1.0"?>
<playlist version="1" xmlns="http://xspf.org/ns/0/"><trackList>
<track><location>file:///home/me/c%20d.ogg</location><location>e.mp3</location></track>
</trackList></playlist>
"""


def lists(folder: Path) -> Target:
    """Read a damaged playlist or list of names."""
    made = (
        *(_M3U.encode(), _M3U.encode("utf-8-sig"), _M3U.encode("utf-16"), _M3U.encode("utf-16-be")),
        *(b"a.flac\0b c.mp3\0\xff.ogg\0", _PLS.encode(), _XSPF.encode(), _XSPF.encode("utf-16")),
    )

    def once(chance: random.Random) -> str:
        try:
            found = scan.read_list(folder / "list.m3u", damage(chance.choice(made), chance, made))
        except FatalError:
            return "refused"
        # a folder may be the whole machine's
        named = [path for path in found if not os.path.isdir(path)]  # noqa: PTH112 - takes a NUL
        list(scan.find_tracks(named, on_error=lambda path, reason: None))
        return "read"

    return once


def mappings(folder: Path) -> Target:
    """Read a damaged mapping file."""
    made = "# mine\nHip Hop = Rap\nRNB = Soul  # as I call it\nElectronic=Électro\n".encode()

    def once(chance: random.Random) -> str:
        text = damage(made, chance).decode("utf-8-sig", chance.choice(("replace", "ignore")))
        try:
            found = read_mapping(text)
        except ValueError as error:
            _check_message(error)
            return "refused"
        if not all(name.isprintable() for name in found.values()):
            raise AssertionError(found)
        return "read"

    return once


def caches(folder: Path) -> Target:
    """Use a damaged cache."""
    own = folder / f"worker-{os.getpid()}"
    own.mkdir(exist_ok=True)
    path = own / "cache.sqlite"
    track = own / "track.wav"
    make_audio.make("WAV INFO", track, seconds=0.1, genre=("Blues",), **TEXTS)
    identity = Identity(1, 2, 3, 4, 5)
    key = cache.PredictionKey("0" * 64, identity, "bundle", has_cuesheet=False)

    def use() -> str:
        warnings: list[str] = []
        with_cache = cache.Cache(path, warn=warnings.append)
        found = with_cache.prediction(key)
        seen = [Seen(track, identity)]
        with_cache.tags(seen, None)
        with_cache.predictions(seen, "bundle")
        with_cache.audio_id(seen[0])
        with_cache.keep_prediction(key, Prediction((0.5,) * len(GENRES)))
        with_cache.keep_tags(seen[0], None, tags.read(track))
        with_cache.keep_audio_id(seen[0], "1" * 64)
        try:
            with_cache.contents()
            with_cache.prune("bundle", identify)
        except FatalError as error:
            _check_message(error)
        with_cache.close()
        heard = found.probabilities if isinstance(found, Prediction) else None
        if heard is not None and not (len(heard) == len(GENRES) and np.isfinite(heard).all()):
            raise AssertionError(found)
        return "warned" if warnings else "read"

    use()
    whole = path.read_bytes()

    def once(chance: random.Random) -> str:
        for left in own.glob("cache.sqlite*"):
            left.unlink()
        path.write_bytes(damage(whole, chance))
        return use()

    return once


TARGETS: dict[str, tuple[Callable[[Path], Target], float]] = {
    "reading tags": (reading_tags, 0.40),
    "writing tags and undo": (writing_tags, 0.16),
    "decoding by libsndfile": (decoding_by_soundfile, 0.12),
    "decoding by ffmpeg": (decoding_by_ffmpeg, 0.02),
    "plan files": (plans, 0.08),
    "journals, recovery and undo": (journals, 0.08),
    "bundles": (bundles, 0.03),
    "playlists": (lists, 0.05),
    "mapping files": (mappings, 0.05),
    "caches": (caches, 0.01),
}
"""What is fuzzed, and its share of the inputs."""
