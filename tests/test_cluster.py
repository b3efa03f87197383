"""Hearing on a Dask cluster: real schedulers and workers, killed and restarted on the way."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import dask_cluster
import pytest
from dask_cluster import until
from runs import encode, run

from genretagger import bundle, cli
from genretagger import cluster as clusters
from genretagger.records import Prediction

pytest.importorskip("distributed")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

_N_LONG = 80  # tracks that take two workers some seconds

_OTHER_EARS = "import genretagger.audio\ngenretagger.audio.HEARING_VERSION = 99\n"
SHIPPED_ID = bundle.read(bundle.DEFAULT).bundle_id
_NO_EARS = "import sys\nsys.modules['genretagger'] = None\n"


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    """Six tracks, a file that is no audio, and one whose name is not UTF-8."""
    folder = tmp_path_factory.mktemp("album") / "Music"
    folder.mkdir()
    for number in range(6):
        encode(folder / f"{number}.flac", seconds=1.0, seed=number)
    (folder / "bad.mp3").write_bytes(b"ID3" + bytes(99))
    shutil.copyfile(folder / "0.flac", os.fsencode(folder) + b"/\xff.flac")
    return folder


@pytest.fixture(scope="module")
def archive(album, tmp_path_factory):
    """A folder that takes a while."""
    folder = tmp_path_factory.mktemp("archive")
    for number in range(_N_LONG):
        shutil.copyfile(album / f"{number % 6}.flac", folder / f"{number:03}.flac")
    (folder / "bad.mp3").write_bytes(b"ID3" + bytes(99))
    return folder


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A cluster of two workers."""
    with dask_cluster.running(tmp_path_factory.mktemp("two")) as cluster:
        cluster.worker()
        cluster.worker()
        yield cluster


@pytest.fixture
def empty(tmp_path_factory):
    """A scheduler without workers."""
    with dask_cluster.running(tmp_path_factory.mktemp("empty")) as cluster:
        yield cluster


def altered(folder, code):
    """Give an environment in which Python does something before it begins."""
    (folder / "sitecustomize.py").write_text(code)
    paths = [str(folder), os.environ.get("PYTHONPATH", ""), str(Path(__file__).parents[1])]
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def call(capsys, *arguments):
    """Run a command in this process; return exit code and messages."""
    capsys.readouterr()
    code = cli.main([str(argument) for argument in arguments])
    return code, capsys.readouterr().err


def words(cluster, output, *rest):
    return ["predict", "--cluster", cluster.address, "--format", "json", "-o", output, *rest]


@contextlib.contextmanager
def started(cluster, output, *rest):
    """Start the command in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "genretagger", *map(str, words(cluster, output, *rest))],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def rows(output):
    return [json.loads(line) for line in output.read_text().splitlines()]


def n_lines(output):
    return output.read_bytes().count(b"\n") if output.exists() else 0


def paths_once(output):
    counts = Counter(Path(row["path"]).name for row in rows(output))
    assert set(counts.values()) == {1}
    return set(counts)


def test_a_cluster_says_the_same_as_this_machine(two, album, tmp_path, capsys):
    output = tmp_path / "out.jsonl"
    _, local, _ = run(capsys, "predict", "--no-cache", album)
    code, err = call(capsys, *words(two, output, album))
    heard = rows(output)
    assert code == 1  # as one file is no audio
    assert err.splitlines()[-1].startswith("8 tracks: ")
    assert "bad.mp3: this is nothing but zeros" in err
    assert {(row.pop("model")[12:], len(row.pop("decision"))) for row in heard} == {("-4", 8)}
    assert sorted(heard, key=lambda row: row["path"]) == sorted(local, key=lambda r: r["path"])


def test_results_go_on_and_nothing_is_heard_twice(two, album, tmp_path, capsys, monkeypatch):
    output = tmp_path / "out.jsonl"
    monkeypatch.chdir(album.parent)
    call(capsys, *words(two, output, album / "1.flac", album / "bad.mp3"))
    before = output.read_bytes()
    with output.open("ab") as stream:
        stream.write(b'{"schema": 1, "path": "half of a li')
    _, err = call(capsys, *words(two, output, album.name))
    assert err.splitlines()[0] == f"{output} has 2 tracks; going on with the rest"
    assert output.read_bytes().startswith(before)
    assert len(paths_once(output)) == 8
    code, err = call(capsys, *words(two, output, album))
    assert (code, err.splitlines()[-1]) == (0, "nothing is left to hear")


def test_parquet_holds_the_same_rows(two, album, tmp_path, capsys):
    parquet = pytest.importorskip("pyarrow.dataset")
    output = tmp_path / "out.jsonl"
    call(capsys, *words(two, output, album))
    for _ in range(2):  # the second finds all there
        call(capsys, *words(two, tmp_path / "parts", "--format", "parquet", album))
    table = parquet.dataset(tmp_path / "parts").to_table()
    for row in table.to_pylist():
        (same,) = (
            (r for r in rows(output) if Path(r["path"]).name == Path(row["path"]).name)
            if ("\\" not in row["path"])
            else (r for r in rows(output) if "\udcff" in r["path"])
        )
        heard = row.pop("probabilities"), same.pop("probabilities")
        assert heard == (None, None) or heard[0] == pytest.approx(heard[1], abs=1e-6)
        row["path"] = row["path"].replace("\\udcff", "\udcff")
        assert row == same
    assert table.num_rows == 8


@pytest.mark.parametrize("kills_all", [False, True])
def test_a_worker_that_is_killed_costs_nothing(empty, archive, tmp_path, kills_all):
    victim = empty.worker()
    other = empty.worker()
    output = tmp_path / "out.jsonl"
    with started(empty, output, archive) as client:
        until(lambda: n_lines(output) > 10, "nothing is heard")
        for process in (victim, other) if kills_all else (victim,):
            empty.kill(process)
        assert n_lines(output) < _N_LONG, "it was heard too fast to be killed"
        if kills_all:
            empty.worker()
        _, err = client.communicate(timeout=300)
    assert client.returncode == 1
    assert len(paths_once(output)) == _N_LONG + 1
    assert [row["path"] for row in rows(output) if row["state"] == "failed"] == [
        str(archive / "bad.mp3")
    ]
    assert ("waiting for a worker" in err) == kills_all or kills_all


def test_a_worker_that_its_nanny_restarts_goes_on(empty, archive, tmp_path):
    nanny = empty.worker()
    output = tmp_path / "out.jsonl"
    with started(empty, output, archive) as client:
        for least in (10, 40):
            until(lambda least=least: n_lines(output) > least, "nothing is heard")
            for pid in dask_cluster.children(nanny.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        client.communicate(timeout=300)
    assert len(paths_once(output)) == _N_LONG + 1


def test_a_client_that_is_killed_goes_on_where_it_was(two, archive, tmp_path, capsys):
    output = tmp_path / "out.jsonl"
    with started(two, output, archive) as client:
        until(lambda: n_lines(output) > 10, "nothing is heard")
        client.kill()
    had = n_lines(output)
    assert had < _N_LONG
    _, err = call(capsys, *words(two, output, archive))
    assert f"has {had} tracks; going on" in err
    assert len(paths_once(output)) == _N_LONG + 1


def test_ctrl_c_ends_it_soon_and_the_same_command_goes_on(two, archive, tmp_path, capsys):
    output = tmp_path / "out.jsonl"
    with started(two, output, archive) as client:
        until(lambda: n_lines(output) > 10, "nothing is heard")
        with two.held():
            assert client.poll() is None, "it was heard too fast to be interrupted"
            for _ in range(3):  # as impatient people do
                client.send_signal(signal.SIGINT)
            _, err = client.communicate(timeout=120)
    assert client.returncode == 130
    assert err.startswith("interrupted: every file is whole, some tracks are left\n")
    assert err.endswith("failed\nthe same command goes on with the rest\n")
    assert len(err.splitlines()) == 3
    had = n_lines(output)
    assert had < _N_LONG
    _, err = call(capsys, *words(two, output, archive))
    assert f"has {had} tracks; going on" in err
    assert len(paths_once(output)) == _N_LONG + 1


def test_a_scheduler_that_dies_ends_the_run_with_a_sentence(empty, archive, tmp_path, monkeypatch):
    empty.worker()
    output = tmp_path / "out.jsonl"
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "2s")
    with started(empty, output, archive) as client:
        until(lambda: n_lines(output) > 10, "nothing is heard")
        empty.kill(empty.scheduler)
        _, err = client.communicate(timeout=120)
    assert client.returncode == 3
    assert f"the Dask scheduler at {empty.address} is gone; start it" in err
    assert "Traceback" not in err
    assert len(paths_once(output)) < _N_LONG


def test_a_decoder_that_crashes_costs_one_track(empty, album, tmp_path, capsys, crashing_decoder):
    music = tmp_path / "Music"
    shutil.copytree(album, music)
    shutil.copyfile(music / "0.flac", music / "crash.flac")
    path = os.pathsep.join([crashing_decoder["PYTHONPATH"], str(Path(__file__).parents[1])])
    empty.worker(env={"PYTHONPATH": path})
    output = tmp_path / "out.jsonl"
    call(capsys, *words(empty, output, music))
    assert len(paths_once(output)) == 9
    failed = {Path(r["path"]).name: r["reason"] for r in rows(output) if r["state"] == "failed"}
    assert set(failed) == {"bad.mp3", "crash.flac"}
    assert "the decoder crashed on it" in failed["crash.flac"]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (_OTHER_EARS, f"it has genretagger 0.1.0, model {SHIPPED_ID}-99, with"),
        (_NO_EARS, "it cannot hear (ModuleNotFoundError: "),
    ],
    ids=["another version", "none at all"],
)
def test_a_worker_that_hears_otherwise_is_refused(empty, album, tmp_path, capsys, code, why):
    empty.worker(env=altered(tmp_path, code))
    output = tmp_path / "out.jsonl"
    status, err = call(capsys, *words(empty, output, album))
    assert status == 3
    assert f"is refused: {why}" in err
    assert f"every worker at {empty.address} is refused; nothing hears" in err
    assert rows(output) == []
    assert empty.n_workers() == 1  # it is left alone, as others may need it
    empty.worker()  # beside it, one that hears as this machine does
    status, err = call(capsys, *words(empty, output, album))
    assert (status, len(paths_once(output))) == (1, 8)


def test_a_bundle_that_a_worker_lacks_is_named(two, album, tmp_path, capsys, monkeypatch):
    own = tmp_path / "genretagger" / "bundles" / "mine"
    shutil.copytree(Path(clusters.bundle.DEFAULT), own)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    status, err = call(capsys, *words(two, tmp_path / "o", album, "--bundle", "mine"))
    assert status == 3
    assert "is refused: it cannot hear (model bundle mine: bundle.json cannot be read" in err


def test_no_scheduler_is_named(tmp_path, capsys, monkeypatch, album):
    monkeypatch.setattr(clusters, "_CONNECT_S", 1.0)
    words = ["predict", "--cluster", "tcp://127.0.0.1:9", "--format", "json"]
    status, err = call(capsys, *words, "-o", tmp_path / "o", album)
    assert status == 3
    assert "no Dask scheduler answers at tcp://127.0.0.1:9; start one there: dask scheduler" in err


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--cluster", "tcp://h:1"], "--cluster goes with --format json or parquet, and -o"),
        (["--cluster", "tcp://h:1", "--format", "json"], "and -o"),
        (["--cluster", "tcp://h:1", "--format", "csv", "-o", "x"], "json or parquet"),
        (["--format", "parquet"], "--format parquet goes with --cluster"),
    ],
)
def test_options_that_do_not_go_together_are_refused(capsys, options, why):
    with pytest.raises(SystemExit):
        call(capsys, "predict", *options, "x")
    assert why in capsys.readouterr().err


def test_of_a_list_without_end_a_bounded_number_is_under_way(two, album):
    drawn = itertools.count(1)
    endless = ((next(drawn), album / f"{n % 6}.flac")[1] for n in itertools.count())
    answers = clusters.hear(endless, two.address, say=pytest.fail)
    with contextlib.closing(answers):
        for n_answers, (_, answer) in zip(range(1, 60), answers, strict=False):
            assert isinstance(answer, Prediction)
            n_drawn = int(repr(drawn)[6:-1]) - 1
            most = 2 * clusters._AHEAD * clusters._BATCH  # and what has arrived in one batch
            assert n_drawn - n_answers <= most + clusters._BATCH


class FutureOfTest:
    """What a worker answers, at once or never."""

    def __init__(self, key, answer):
        self.key, self.status, self._answer = key, "finished" if answer else "pending", answer

    def add_done_callback(self, tell):
        if self._answer:
            tell(self)

    def result(self, timeout):
        return self._answer


class ClientOfTest:
    """Two workers of which one dies when it gets a certain file; another one takes its place."""

    status = "running"

    def __init__(self, deadly):
        self._numbers = itertools.count()
        self._deadly = deadly
        self._living = {f"worker {next(self._numbers)}": 1 for _ in range(2)}
        self.given = []

    def nthreads(self):
        return dict(self._living)

    def cancel(self, futures):
        pass

    def submit(self, call, *arguments, workers, pure):
        if call is clusters.pkgutil.resolve_name:
            return self._hear
        self.given.append((workers[0], call(*arguments)))
        answer = None
        if workers[0] in self._living:
            paths = self.given[-1][1]
            if self._deadly & set(paths):
                del self._living[workers[0]]
                self._living[f"worker {next(self._numbers)}"] = 1
            else:
                answer = clusters._Outcome("alike", [Prediction(None)] * len(paths), [])
        return FutureOfTest(len(self.given), answer)

    def _hear(self, paths, named, ears, embedding):
        return paths


def test_a_file_that_takes_its_worker_down_costs_its_own_line(monkeypatch):
    monkeypatch.setattr(clusters, "_LOOK_S", 0.001)
    names = [f"/{n:03}" for n in range(200)]
    deadly = {"/020", "/150"}
    client = ClientOfTest(deadly)
    dispatch = clusters._Dispatch(
        client,
        clusters._Task("default", "alike", embedding=False),
        map(Path, names),
        "tcp://test",
        say=pytest.fail,
        remark=lambda _: None,
    )
    answers = [(str(path), answer) for path, answer in dispatch.answers()]
    assert sorted(path for path, _ in answers) == names
    failed = {path for path, answer in answers if not isinstance(answer, Prediction)}
    assert failed == deadly
    alone = [paths for worker, paths in client.given if deadly & set(paths) and len(paths) == 1]
    assert {(path,) for path in deadly} <= set(alone)


def test_every_worker_hears_of_a_short_list(two, album):
    hosts = Counter()

    class Watched(clusters._Dispatch):
        def _sort(self, name, batch, outcome):
            hosts[name] += len(batch.paths)
            super()._sort(name, batch, outcome)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clusters, "_Dispatch", Watched)
        paths = [album / f"{n}.flac" for n in range(6)]
        assert len(list(clusters.hear(paths, two.address, say=pytest.fail))) == 6
    assert len(hosts) == 2


def can(*command):
    """Tell whether a command succeeds here."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def test_a_worker_that_does_not_see_the_files_is_refused(empty, album, tmp_path, capsys):
    if not can("unshare", "--mount", "mount", "-t", "tmpfs", "none", str(tmp_path)):
        pytest.skip("this machine permits no mount namespace")
    blind = f'mount -t tmpfs none "{album}" && exec "$@"'
    empty.worker(within=["unshare", "--mount", "sh", "-c", blind, "sh"])
    empty.worker()
    output = tmp_path / "out.jsonl"
    _, err = call(capsys, *words(empty, output, album))
    assert f"is refused: it does not see {album}" in err
    assert len(paths_once(output)) == 8
    assert [r["path"] for r in rows(output) if r["state"] == "failed"] == [str(album / "bad.mp3")]


def test_two_hosts_of_which_one_dies_and_comes_back(archive, tmp_path):
    """Each worker in a network namespace of its own, joined by a bridge as by a switch."""
    with contextlib.ExitStack() as stack:
        hosts = stack.enter_context(two_hosts())
        cluster = stack.enter_context(dask_cluster.running(tmp_path, hosts.switch))
        first, second = (cluster.worker(within=within) for within in hosts.within)
        output = tmp_path / "out.jsonl"
        with started(cluster, output, archive) as client:
            until(lambda: n_lines(output) > 10, "nothing is heard")
            cluster.kill(first)
            assert n_lines(output) < _N_LONG
            cluster.worker(within=hosts.within[0])
            cluster.kill(second)
            client.communicate(timeout=300)
    assert len(paths_once(output)) == _N_LONG + 1


class Hosts:
    """Two network namespaces and a bridge."""

    def __init__(self, number: int) -> None:
        self.switch = f"10.213.{number}.1"
        self.bridge = f"gt{number}br"
        self.names = [f"gt{number}h{n}" for n in range(2)]
        self.within = [["ip", "netns", "exec", name] for name in self.names]
        self.commands = [
            f"ip link add {self.bridge} type bridge",
            f"ip addr add {self.switch}/24 dev {self.bridge}",
            f"ip link set {self.bridge} up",
        ]
        for n, name in enumerate(self.names):
            self.commands += [
                f"ip netns add {name}",
                f"ip link add {name}a type veth peer name {name}b",
                f"ip link set {name}a master {self.bridge} up",
                f"ip link set {name}b netns {name}",
                f"ip -n {name} addr add 10.213.{number}.{n + 2}/24 dev {name}b",
                f"ip -n {name} link set {name}b up",
                f"ip -n {name} link set lo up",
            ]


@contextlib.contextmanager
def two_hosts():
    """Make two hosts, or skip."""
    hosts = Hosts(os.getpid() % 250 + 1)
    try:
        for command in hosts.commands:
            try:
                done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
            except OSError as error:
                pytest.skip(f"no network namespaces: {error}")
            if done.returncode:
                pytest.skip(f"no network namespaces here: {command}: {done.stderr.strip()}")
        yield hosts
    finally:
        for command in [f"ip netns del {name}" for name in hosts.names] + [
            f"ip link del {hosts.bridge}"
        ]:
            with contextlib.suppress(OSError):
                subprocess.run(command.split(), capture_output=True, check=False)
