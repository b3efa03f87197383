"""The commands that choose tracks by what is heard: `similar` and `playlist`."""

import json
import shutil

import embedding_bundle
import pytest
from runs import encode, run

from genretagger.scan import read_list

pytestmark = pytest.mark.quick


@pytest.fixture(scope="module")
def with_embedding(tmp_path_factory):
    """Give a bundle that has an embedding."""
    return embedding_bundle.write(tmp_path_factory.mktemp("bundle") / "b").path


def rows_of(out):
    return [json.loads(line) for line in out.splitlines()] if isinstance(out, str) else out


def test_similar_lists_what_is_nearest_without_the_track_and_its_copies(
    music, capsys, heard, with_embedding, tmp_path
):
    first = music / "0.flac"
    shutil.copy(first, music / "copy.flac")
    options = ("--jobs", "1", "--bundle", with_embedding, "--from", music, "--format", "json")
    playlist = tmp_path / "new" / "lists" / "near.m3u"
    code, rows, err = run(capsys, "similar", first, *options, "--m3u", playlist)
    assert code == 0
    assert sorted(row["path"] for row in rows) == [str(music / "1.mp3"), str(music / "2.ogg")]
    alike = [row["similarity"] for row in rows]
    assert alike == sorted(alike, reverse=True)
    assert all(-1 <= value <= 1 for value in alike)
    assert "4 tracks: 4 heard, 0 silent, 0 failed" in err
    found = read_list(playlist, playlist.read_bytes())
    assert [path.resolve() for path in found] == [(music / row["path"]).resolve() for row in rows]
    assert heard == ["0.flac", "1.mp3", "2.ogg"]  # the copy is the same audio
    n_heard = len(heard)
    # what is known needs no --from, and is not heard again
    code, again, _ = run(capsys, "similar", first, "-n", "1", *options[:4], *options[6:])
    assert again == rows[:1]
    assert len(heard) == n_heard


def test_similar_refuses_a_bundle_without_an_embedding_silence_and_what_is_no_audio(
    music, capsys, with_embedding, tmp_path
):
    without = embedding_bundle.write(tmp_path / "without", embedding=False).path
    code, _, err = run(capsys, "similar", music / "0.flac", "--bundle", without, "--from", music)
    assert code == 3
    assert "gives no embedding" in err
    encode(tmp_path / "silent.flac", gain=0.0)
    for path, message in (
        (tmp_path / "silent.flac", "silent.flac is silent"),
        (tmp_path / "missing.flac", "missing.flac: cannot be examined"),
    ):
        code, _, err = run(
            capsys, "similar", path, "--bundle", with_embedding, "--from", music, "-j", "1"
        )
        assert code == 3
        assert message in err
        assert err.count("\n") == 1


def test_a_playlist_holds_what_fits_best_first_and_only_that(music, capsys, tmp_path):
    encode(music / "silent.flac", gain=0.0)
    _, predicted, _ = run(capsys, "predict", music)
    rock = {row["path"]: row["probabilities"]["Rock"] for row in predicted if row["probabilities"]}
    limit = sorted(rock.values())[1]  # of three
    playlist = tmp_path / "rock.m3u"
    options = ("--from", music, "--jobs", "1", "--format", "json", "--m3u", playlist)
    code, rows, _ = run(capsys, "playlist", f"Rock >= {limit - 0.0001:.4f}", *options)
    assert code == 0
    fitting = sorted((p for p in rock if rock[p] >= limit), key=lambda p: -rock[p])
    assert [row["path"] for row in rows] == fitting
    assert playlist.read_text().splitlines()[1:] == [f"Music/{p.split('/')[-1]}" for p in fitting]
    playlist.unlink()
    code, out, err = run(capsys, "playlist", "Rock > 1", *options)
    assert (code, rows_of(out)) == (0, [])
    assert "no track fits; no playlist is written" in err
    assert not playlist.exists()


def test_a_condition_that_makes_no_sense_and_a_playlist_over_audio_are_refused(music, capsys):
    with pytest.raises(SystemExit) as usage:
        run(capsys, "playlist", "Metal > 0.5", "--from", music)
    assert usage.value.code == 2
    assert "'Metal' is no genre of the model" in capsys.readouterr().err
    before = (music / "1.mp3").read_bytes()
    code, _, err = run(
        capsys, "playlist", "Rock > 0", "--from", music, "--m3u", music / "1.mp3", "-j", "1"
    )
    assert code == 3
    assert "is an audio file, and stays" in err
    assert (music / "1.mp3").read_bytes() == before


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (["predict"], "--output"),
        (["learn", "--out", "mine"], "--report"),
        (["discover"], "--report"),
    ],
)
def test_what_could_not_be_written_is_refused_before_anything_is_heard(
    command, option, music, capsys, tmp_path
):
    place = tmp_path / "no" / "such" / "file"
    code, _, err = run(capsys, *command, music, option, place)
    told = f"there is no folder {place.parent}; make it, or name a file in another"
    assert (code, err) == (3, f"genretagger: {option} {place}: {told}\n")


def test_a_playlist_where_none_can_be_is_refused_before_anything_is_heard(music, capsys, heard):
    for place, why in (
        (music, "it is a folder; name a file"),
        (music / "1.mp3" / "x.m3u", "it is no folder; name another"),
        (music / ("x" * 300), "File name too long; name another place"),
        (music / ("x" * 300) / "x.m3u", "File name too long; name another"),
    ):
        code, _, err = run(capsys, "playlist", "Rock > 0.5", "--from", music, "--m3u", place)
        assert (code, err.count("\n"), why in err) == (3, 1, True)
        assert str(place if place.parent == music or place == music else place.parent) in err
    assert heard == []


def test_a_link_to_a_playlist_that_is_not_there_yet_stays_a_link(music, tmp_path, capsys):
    link, playlist = tmp_path / "latest.m3u", tmp_path / "today.m3u"
    link.symlink_to(playlist)
    code, _, err = run(capsys, "playlist", "Rock > 0.0001", "--from", music, "--m3u", link)
    assert (code, link.is_symlink()) == (0, True), err
    assert ".mp3" in playlist.read_text(encoding="utf-8")


def test_where_nothing_was_heard_before_it_asks_where_to_seek(capsys):
    code, _, err = run(capsys, "playlist", "Rock > 0.5")
    assert code == 3
    assert "name where to seek by --from" in err
    with pytest.raises(SystemExit) as usage:
        run(capsys, "playlist", "Rock > 0.5", "--no-cache")
    assert usage.value.code == 2
