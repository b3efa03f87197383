"""The ways in which runs are harmed: each yields how the files were found, fault by fault."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from harness import Case, Outcome, Reference, Server, examine

KILLED = -signal.SIGKILL
NOBODY = 65534
"""The user without rights, on every Linux."""

Outcomes = Iterator[tuple[str, Outcome]]


def kill_at_calls(
    folder: Path, reference: Reference, server: Server, calls: Iterable[int], kind: str = "k"
) -> Outcomes:
    """Kill just before, or (kind ``h``) half-way through, calls that change something."""
    for at in calls:
        case = Case(folder / "case", reference)
        answer = server.run(case, *case.apply(), fault=(kind, at, 0))
        assert answer["status"] == KILLED, (at, answer)
        yield f"{kind}{at}", examine(case, server, may_tear=kind == "h")
        case.remove()


def kill_at_random(
    folder: Path, reference: Reference, server: Server, n: int, seed: int
) -> Outcomes:
    """Kill at any moment of the run, also between or inside of calls."""
    chance = random.Random(seed)
    for number in range(n):
        case = Case(folder / "case", reference)
        after_s = chance.uniform(0, reference.seconds)
        server.run(case, *case.apply(), kill_after_s=after_s)
        yield f"random {number}", examine(case, server)
        case.remove()


def kill_undo_at_calls(
    folder: Path, reference: Reference, server: Server, calls: Iterable[int], kind: str = "k"
) -> Outcomes:
    """Tag in peace, and kill the undo."""
    for at in calls:
        case = Case(folder / "case", reference)
        server.run(case, *case.apply())
        answer = server.run(case, "undo", "--yes", fault=(kind, at, 0))
        yield f"undo {kind}{at}", examine(case, server, may_tear=kind == "h")
        case.remove()
        if answer["status"] != KILLED:  # it was done before
            return


def fail_at_calls(
    folder: Path,
    reference: Reference,
    server: Server,
    calls: Iterable[int],
    *,
    error: int,
    kind: str = "o",
) -> Outcomes:
    """Let calls fail: a write after half of its bytes; once, or (kind ``s``) from then on."""
    for at in calls:
        case = Case(folder / "case", reference)
        answer = server.run(case, *case.apply(), fault=(kind, at, error))
        assert answer["status"] in (0, 1, 3), answer
        outcome = examine(case, server, answer, may_tear=kind == "s")
        yield f"{errno.errorcode[error]} {kind}{at}", outcome
        case.remove()


def kill_tag(folder: Path, reference: Reference, server: Server, n: int, seed: int) -> Outcomes:
    """Kill the whole program while it hears and tags: a process of its own, with workers."""
    chance = random.Random(seed)
    whole_s = 0.0
    for number in range(n + 1):
        case = Case(folder / "case", reference)
        words = ("tag", "--always", "--existing", "replace", "--jobs", str(1 + number % 2))
        environment = dict(os.environ, XDG_STATE_HOME=str(case.state))
        environment["XDG_CACHE_HOME"] = str(case.state)
        began = time.monotonic()
        with subprocess.Popen(
            [sys.executable, "-m", "genretagger", *words, case.music],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            if number:
                time.sleep(chance.uniform(0.2, 1.0) * whole_s)
                process.kill()
        if number:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its workers would idle for minutes
        else:  # once in peace, for the duration and for what the model decides
            whole_s = time.monotonic() - began
            assert process.returncode == 0
            heard = Reference(reference.old, reference.linked)
            heard.new = {name: (case.music / name).read_bytes() for name in reference.old}
            case.remove()
            continue
        case.reference = heard
        yield f"tag {number}", _examine_tag(case, server, words)
        case.remove()


def _examine_tag(case: Case, server: Server, words: tuple[str, ...]) -> Outcome:
    found = list(case.states().values())
    outcome = Outcome(*(found.count(s) for s in ("old", "new", "torn")), 0, len(case.leftovers()))
    answer = server.run(case, *words[:-1], "1", case.music)
    assert answer["status"] == 0, answer
    for path, name in case.reference.names():  # what had the genre already was kept
        is_same = case.reference.old[name] == case.reference.new[name]
        assert is_same or case.states()[path] == "new", case.states()
    assert not case.leftovers()
    for path in reversed(case.journals()):
        assert server.run(case, "undo", path)["status"] == 0
    assert set(case.states().values()) == {"old"}, case.states()
    return outcome


# ---- Real file systems ------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(place: Path, size: int) -> Iterator[Path]:
    """Mount a file system in memory that holds so many bytes.

    Raises
    ------
    RuntimeError
        If this user, or this machine, may not.
    """
    place.mkdir()
    command = ("mount", "-t", "tmpfs", "-o", f"size={size}", "genretagger-test", place)
    if os.name != "posix" or os.geteuid() != 0 or shutil.which("mount") is None:
        raise RuntimeError("mounting a small disk needs root")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(("umount", "-l", place), check=True)
        place.rmdir()


def full_disk(
    folder: Path, reference: Reference, server: Server, n: int, seed: int, *, of: str
) -> Outcomes:
    """Leave less room than the run needs, on the disk `of` the ``music`` or of the ``state``."""
    chance = random.Random(seed)
    size = sum(map(len, reference.old.values())) if of == "music" else 0
    largest = max(map(len, reference.new.values()))
    for number in range(n):
        with small_disk(folder / "small", 2 * size + (64 << 20)) as disk:
            where = {"music": disk / "case", "state": folder / "case"}[of]
            case = Case(where, reference, state=folder / "s" if of == "music" else disk / "state")
            free = chance.randrange(2 * largest if of == "music" else 400_000) & ~4095
            _fill(disk, free)
            answer = server.run(case, *case.apply())
            assert answer["status"] in (0, 1, 3), answer
            (disk / "ballast").unlink()
            yield f"full {of} {number}", examine(case, server, answer)
            case.remove()


def _fill(disk: Path, free: int) -> None:
    room = os.statvfs(disk)
    size = room.f_bavail * room.f_frsize - free
    with (disk / "ballast").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)


def meanwhile(
    folder: Path, reference: Reference, server: Server, n: int, seed: int, *, what: str
) -> Outcomes:
    """Remove, forbid, unmount or make read-only what is being worked on."""
    chance = random.Random(seed)
    harm = {"remove": _remove, "chmod": _chmod, "unmount": _unmount, "readonly": _readonly}[what]
    size = sum(map(len, reference.old.values()))
    is_mounted = what in ("unmount", "readonly")
    for number in range(n):
        with contextlib.ExitStack() as stack:
            top = folder
            if is_mounted:
                top = stack.enter_context(small_disk(folder / "small", 3 * size + (64 << 20)))
            # only an ordinary user is stopped by mode bits
            uid = NOBODY if what == "chmod" and os.geteuid() == 0 else 0
            if uid:  # who may not enter the folders of the tests
                top = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                top.chmod(0o755)
            state = folder / "s" if is_mounted else None
            case = Case(top / "case", reference, state=state, uid=uid)
            over = threading.Event()
            server.start(case, *case.apply(), uid=uid or None)
            time.sleep(chance.uniform(0, reference.seconds))
            repair = harm(case, chance, over)
            answer = server.wait()
            over.set()
            repair()
            assert answer["status"] in (0, 1, 3), answer
            yield f"{what} {number}", examine(case, server, may_be_gone=what == "remove")
            case.remove()


def _remove(case: Case, chance: random.Random, _: threading.Event) -> Callable[[], None]:
    if chance.random() < 0.3:
        shutil.rmtree(case.music / "sub", ignore_errors=True)
    for name in chance.sample(sorted(case.reference.old), len(case.reference.old) // 3):
        (case.music / name).unlink(missing_ok=True)
    return lambda: None


def _chmod(case: Case, chance: random.Random, _: threading.Event) -> Callable[[], None]:
    before = {p: stat.S_IMODE(p.lstat().st_mode) for p in [case.music, *case.music.rglob("[!.]*")]}
    for path in chance.sample(sorted(before), len(before) // 2):
        mode = chance.choice([0o000, 0o444, 0o555] if path.is_file() else [0o000, 0o555])
        with contextlib.suppress(FileNotFoundError):  # exchanged just now
            path.chmod(mode)

    def repair() -> None:
        for path, mode in sorted(before.items()):
            path.chmod(mode)

    return repair


def _unmount(case: Case, _: random.Random, __: threading.Event) -> Callable[[], None]:
    disk, beside = case.folder.parent, case.folder.parent.with_name("beside")
    beside.mkdir(exist_ok=True)
    subprocess.run(("mount", "--bind", disk, beside), check=True)
    subprocess.run(("umount", "-l", disk), check=True)

    def repair() -> None:
        subprocess.run(("mount", "--bind", beside, disk), check=True)
        subprocess.run(("umount", "-l", beside), check=True)
        beside.rmdir()

    return repair


def _readonly(case: Case, _: random.Random, over: threading.Event) -> Callable[[], None]:
    disk = case.folder.parent
    options = ("mount", "-o", "remount,ro", disk)

    def insist() -> None:  # refused while a file is open for writing
        while not over.is_set():
            if not subprocess.run(options, capture_output=True, check=False).returncode:
                return

    thread = threading.Thread(target=insist)
    thread.start()

    def repair() -> None:
        thread.join()
        subprocess.run(("mount", "-o", "remount,rw", disk), check=True)

    return repair
