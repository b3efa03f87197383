import io
import os
import re
import socket
import unicodedata
from pathlib import Path

import pytest

from genretagger import scan
from genretagger.errors import FatalError
from genretagger.scan import find_tracks, read_list, read_long_list

pytestmark = pytest.mark.quick


@pytest.fixture
def music(tmp_path):
    for name in ("b/2.flac", "b/1.mp3", "a/z.opus", "c.wav", "cover.jpg", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def found(*paths, **options):
    problems = []
    tracks = list(find_tracks(paths, on_error=lambda p, why: problems.append((p, why)), **options))
    return tracks, problems


def names(folder, tracks):
    return [str(track.relative_to(folder)) for track in tracks]


def test_folders_are_walked_in_a_stable_order_files_first(music):
    tracks, problems = found(music)
    assert names(music, tracks) == ["c.wav", "a/z.opus", "b/1.mp3", "b/2.flac"]
    assert not problems


def test_kinds_that_can_only_be_heard_are_found_where_they_are_wanted(music):
    for name in ("a/1.aac", "b/3.MKA", "d.webm", "e.tta", "f.mp2", "._g.aac"):
        (music / name).write_text("x")
    assert len(found(music)[0]) == 4
    tracks, problems = found(music, heard_only=True)
    assert names(music, tracks) == [
        *("c.wav", "d.webm", "e.tta", "f.mp2", "a/1.aac", "a/z.opus"),
        *("b/1.mp3", "b/2.flac", "b/3.MKA"),
    ]
    assert not problems
    assert found(music / "e.tta", heard_only=True) == ([music / "e.tta"], [])
    assert "not an audio file" in found(music / "e.tta")[1][0][1]


def test_hidden_files_and_macos_companions_are_skipped(music):
    for name in (".hidden.mp3", "._1.mp3", "b/._2.flac"):
        (music / name).write_text("x")
    (music / ".Trash").mkdir()
    (music / ".Trash/3.mp3").write_text("x")
    assert len(found(music)[0]) == 4


def test_symlink_loops_are_survived_and_linked_files_come_once(music):
    (music / "b/loop").symlink_to(music)
    (music / "self").symlink_to(music / "self")
    (music / "again.mp3").symlink_to(music / "b/1.mp3")
    os.link(music / "c.wav", music / "hard.wav")
    tracks, problems = found(music)
    assert len(tracks) == len({track.resolve() for track in tracks}) == 4
    assert [p.name for p, _ in problems] == ["self"]


def test_overlapping_paths_give_each_file_once(music):
    assert len(found(music, music / "b", music / "b/1.mp3")[0]) == 4


def test_a_name_that_begins_with_several_dots_is_a_name(tmp_path):
    path = tmp_path / "...And Oceans" / "..." / "..Enclosed.mp3"
    path.parent.mkdir(parents=True)
    path.write_text("x")
    assert found(tmp_path)[0] == [path]
    assert scan.is_met(path, tmp_path)


def test_hidden_music_is_told_unless_it_is_ignored(music):
    for name in (".hack/CD 1/1.mp3", ".git/notes.txt", ".Trash/b.mp3", "._1.mp3", "b/.5.flac"):
        (music / name).parent.mkdir(parents=True, exist_ok=True)
        (music / name).write_text("x")
    told = []
    tracks = scan.find_tracks([music], ignore=[".Trash"], on_error=None, on_hidden=told.append)
    assert len(list(tracks)) == 4
    assert told == [music / ".hack", music / "b/.5.flac"]
    assert found(music / ".hack")[0] == [music / ".hack/CD 1/1.mp3"]


def test_hidden_music_that_is_met_under_another_name_is_not_told(music):
    (music / ".hack").mkdir()
    (music / ".hack" / "1.mp3").write_text("x")
    (music / ".all").symlink_to(music)
    (music / ".gone.mp3").symlink_to(music / "nothing.mp3")
    for paths in ([music, music / ".hack"], [music / ".hack", music]):
        told = []
        assert len(list(scan.find_tracks(paths, on_error=None, on_hidden=told.append))) == 5
        assert told == []


@pytest.mark.parametrize(
    "name",
    [
        *(".Trash-1000/files/1.mp3", "$Recycle.Bin/S-1/1.mp3", "#recycle/1.mp3", "@Recycle/1.mp3"),
        *("@eaDir/1.mp3", ".AppleDouble/1.mp3", "b/._1.mp3", ".hidden/._1.mp3"),
        *(".stversions/1.mp3", ".git/1.mp3", ".genretagger-4711.mp3"),
    ],
)
def test_what_systems_keep_is_no_collection_and_not_told_of(music, name):
    path = music / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    told = []
    tracks = list(scan.find_tracks([music], on_error=None, on_hidden=told.append))
    assert (len(tracks), told) == (4, [])
    assert not scan.is_met(path, music)
    assert found(path)[0] == [path]


def test_a_folder_that_systems_keep_is_walked_if_it_is_named(music):
    path = music / "#recycle" / "deep" / "1.mp3"
    path.parent.mkdir(parents=True)
    path.write_text("x")
    assert found(music / "#recycle")[0] == [path]
    assert scan.is_met(path, music / "#recycle")


@pytest.mark.parametrize(
    "name",
    ["@eaDir Live", "@EADIR", "the @eaDir", "#recycled", "$recycle.bin 2", "Trash", "recycle"],
)
def test_a_name_that_is_only_like_a_systems_is_a_name(music, name):
    path = music / name / "1.mp3"
    path.parent.mkdir()
    path.write_text("x")
    assert path in found(music)[0]
    assert scan.is_met(path, music)


@pytest.mark.parametrize("name", [".Trashcan Sinatras", ".gita", ".TRASH", "._", "._.Live"])
def test_hidden_music_is_told_where_its_name_is_only_like_a_systems(music, name):
    (music / name).mkdir()
    (music / name / "1.mp3").write_text("x")
    told = []
    list(scan.find_tracks([music], on_error=None, on_hidden=told.append))
    assert told == [music / name]


def test_a_named_file_is_taken_even_if_hidden(music):
    hidden = music / ".hidden.mp3"
    hidden.write_text("x")
    assert found(hidden)[0] == [hidden]


def test_what_is_missing_or_no_audio_is_told_and_the_rest_is_found(music):
    tracks, problems = found(music / "gone", music / "notes.txt", music / "c.wav")
    assert tracks == [music / "c.wav"]
    assert [p.name for p, _ in problems] == ["gone", "notes.txt"]
    assert "No such file" in problems[0][1]
    assert "not an audio file" in problems[1][1]


def test_a_pipe_with_an_audio_name_is_not_opened(music):
    os.mkfifo(music / "pipe.mp3")
    assert len(found(music)[0]) == 4
    assert len(found(music / "pipe.mp3")[1]) == 1


def test_a_link_to_nowhere_is_told(music):
    (music / "gone.mp3").symlink_to("nowhere.mp3")
    tracks, problems = found(music)
    assert len(tracks) == 4
    assert [p.name for p, _ in problems] == ["gone.mp3"]


@pytest.mark.parametrize(
    ("pattern", "left"),
    [("*.flac", 3), ("b", 2), ("*/b/*", 2), ("1.*", 3), ("*", 0)],
)
def test_ignored_names_and_paths_are_left_out(music, pattern, left):
    assert len(found(music, ignore=[pattern])[0]) == left


def test_names_that_are_not_utf8_are_found(tmp_path):
    raw = os.fsencode(tmp_path) + b"/caf\xe9.mp3"
    Path(os.fsdecode(raw)).write_text("x")
    assert os.fsencode(found(tmp_path)[0][0]) == raw


def test_an_m3u_playlist_is_relative_to_its_folder():
    data = b"\xef\xbb\xbf#EXTM3U\r\n#EXTINF:1,a\r\nsub/a.mp3\r\n\r\n/abs/b.mp3\r\nfile:///c%20d.mp3\r\n"
    paths = read_list(Path("lists/x.m3u"), data)
    assert paths == [Path("lists/sub/a.mp3"), Path("/abs/b.mp3"), Path("/c d.mp3")]


def test_nul_separated_names_are_taken_as_they_are():
    data = b"#1 hit.mp3\0new\nline.mp3\0caf\xe9.mp3\0"
    paths = read_list(Path("-"), data)
    assert [os.fsencode(p) for p in paths] == [b"#1 hit.mp3", b"new\nline.mp3", b"caf\xe9.mp3"]


def test_an_address_in_a_playlist_stops_with_what_to_do():
    with pytest.raises(FatalError, match="http://radio/x is not a file on this machine"):
        read_list(Path("x.m3u"), b"http://radio/x\n")


# ---- Lists of files --------------------------------------------------------------------------


@pytest.fixture
def shelf(tmp_path):
    """Give a function that makes files, writes a list beside them, and says what it leads to."""

    def read(data, *files, name="list.m3u"):
        for file in files:
            (tmp_path / file).parent.mkdir(exist_ok=True, parents=True)
            (tmp_path / file).write_bytes(os.fsencode(file))
        (tmp_path / name).write_bytes(data)
        problems = []
        paths = read_list(tmp_path / name, data, lambda path, why: problems.append((path, why)))
        assert all(tmp_path in path.parents for path in paths if path.exists())
        tracks, more = found(*paths)
        return names(tmp_path, [track.resolve() for track in tracks]), [
            (str(path).removeprefix(f"{tmp_path}/"), why) for path, why in problems + more
        ]

    return read


ENCODINGS = {
    "UTF-8": ("utf-8", b""),
    "UTF-8 with a mark": ("utf-8", b"\xef\xbb\xbf"),
    "UTF-16 LE": ("utf-16-le", b""),
    "UTF-16 LE with a mark": ("utf-16-le", b"\xff\xfe"),
    "UTF-16 BE": ("utf-16-be", b""),
    "UTF-16 BE with a mark": ("utf-16-be", b"\xfe\xff"),
    "UTF-32 LE with a mark": ("utf-32-le", b"\xff\xfe\0\0"),
    "UTF-32 BE with a mark": ("utf-32-be", b"\0\0\xfe\xff"),
}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("header", ["#EXTM3U", "#EXTM3U\n#EXTINF:123,Jemand - one.mp3", ""])
def test_a_list_of_any_encoding_and_line_end_names_what_it_says(shelf, encoding, end, header):
    codec, mark = ENCODINGS[encoding]
    text = f"{header}\none.mp3\n\n音楽/曲.mp3\nä/é.flac\n".replace("\n", end)
    tracks, problems = shelf(
        mark + text.encode(codec), "one.mp3", "two.mp3", "音楽/曲.mp3", "音楽/b.mp3", "ä/é.flac"
    )
    assert tracks == ["one.mp3", "音楽/曲.mp3", "ä/é.flac"]
    assert not problems


def test_a_windows_1252_list_finds_names_that_are_in_unicode(shelf):
    data = "#EXTM3U\r\nBjörk/Jóga – “live”.mp3\r\n".encode("cp1252")
    tracks, problems = shelf(data, "Björk/Jóga – “live”.mp3", "Björk/other.mp3")
    assert tracks == ["Björk/Jóga – “live”.mp3"]
    assert not problems


def test_a_name_of_bytes_that_are_no_text_is_found_by_its_bytes(shelf):
    raw = os.fsdecode(b"caf\xe9.mp3")
    assert shelf(b"caf\xe9.mp3\n", raw, "caf.mp3") == ([raw], [])


def test_the_very_bytes_come_before_what_they_may_stand_for(shelf):
    raw = os.fsdecode(b"caf\xe9.mp3")
    assert shelf(b"caf\xe9.mp3\n", raw, "café.mp3") == ([raw], [])


@pytest.mark.parametrize(
    ("listed", "lies"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFC", "NFC"), ("NFD", "NFD")]
)
@pytest.mark.parametrize("encode", [str, "file://{}".format], ids=["plain", "file:"])
def test_composed_and_decomposed_names_are_the_same(shelf, tmp_path, listed, lies, encode):
    name = unicodedata.normalize(lies, "Björk/Jóga.mp3")
    entry = unicodedata.normalize(listed, encode(tmp_path / "Björk/Jóga.mp3"))
    assert shelf(entry.encode(), name, "Björk2/Joga.mp3") == ([name], [])


def test_a_path_may_mix_normal_forms(shelf):
    name = f"{unicodedata.normalize('NFD', 'Björk')}/{unicodedata.normalize('NFC', 'Jóga.mp3')}"
    assert shelf("Björk/Jo\u0301ga.mp3".encode(), name) == ([name], [])


def test_of_two_normal_forms_the_one_named_is_taken(shelf):
    both = [unicodedata.normalize(form, "Jóga.mp3") for form in ("NFC", "NFD")]
    for name in both:
        assert shelf(name.encode(), *both) == ([name], [])


def test_a_folder_is_listed_once_for_all_that_is_missing_in_it(shelf, monkeypatch):
    listed = []
    iterdir = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: listed.append(self) or iterdir(self))
    data = "".join(f"Jóga {number}.mp3\n" for number in range(100)).encode()
    lies = unicodedata.normalize("NFD", "Jóga 7.mp3")
    tracks, problems = shelf(data, lies)
    assert (tracks, len(problems), len(listed)) == ([lies], 99, 1)


ODD_NAMES = [
    "#1 hit.mp3",
    "# one.mp3",
    "#EXTINF.mp3",
    " blank.mp3",
    "  two.mp3",
    "100%.mp3",
    "a%20b.mp3",
    "back\\slash.mp3",
    "#%23.mp3",
    "C:\\x.mp3",
    "semi;colon.mp3",
    "[playlist].mp3",
    "<unknown> - a.mp3",
    "<3.mp3",
    "new\rline.mp3",
    "next\x85line.mp3",
    "a\u2028b.mp3",
    "tab\t.mp3",
    "file:one.mp3",
    "~one.mp3",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_that_looks_like_something_else_is_that_name(shelf, name):
    like = {name.strip(), name.lstrip("# "), name.replace("\\", "/"), name.replace("%20", " ")}
    others = [n for n in like | {"hit.mp3", "one.mp3", "line.mp3"} if n != name and ":" not in n]
    assert shelf(f"{name}\n".encode(), name, *others) == ([name], [])


@pytest.mark.parametrize("name", [n for n in ODD_NAMES if n == n.strip()])
@pytest.mark.parametrize("sort", ["uri", "pls", "xspf"])
def test_so_it_is_in_every_kind_of_list(shelf, tmp_path, name, sort):
    uri = (tmp_path / name).as_uri()
    data = {
        "uri": f"{uri}\n",
        "pls": f"[playlist]\nFile1={uri}\nTitle1=one.mp3\nNumberOfEntries=1\n",
        "xspf": f"<playlist><trackList><track><location>{uri}</location></track></trackList>"
        "</playlist>",
    }[sort]
    assert shelf(data.encode(), name, "one.mp3", "line.mp3") == ([name], [])


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("sub\\one.mp3", "sub/one.mp3"),
        (".\\sub\\one.mp3", "sub/one.mp3"),
        ("sub/../sub/one.mp3", "sub/one.mp3"),
        ("a%20b.mp3", "a b.mp3"),
        ("sub%5Cone.mp3", "sub/one.mp3"),
        ("caf%C3%A9.mp3", "café.mp3"),
        ("caf%E9.mp3", "café.mp3"),
        ("cafe%CC%81.mp3", "café.mp3"),
        ("one.mp3   ", "one.mp3"),
        ("\tone.mp3", "one.mp3"),
        ("file:///HERE/a%20b.mp3", "a b.mp3"),
        ("FILE:///HERE/a%20b.mp3", "a b.mp3"),
        ("file:/HERE/a%20b.mp3", "a b.mp3"),
        ("file://localhost/HERE/a%20b.mp3", "a b.mp3"),
        (f"file://{socket.gethostname()}/HERE/a%20b.mp3", "a b.mp3"),
        ("file:///HERE/a b.mp3", "a b.mp3"),
        ("file:///HERE/100%.mp3", "100%.mp3"),
        ("file:///HERE/caf%E9.mp3", "café.mp3"),
        ("  file:///HERE/a%20b.mp3 ", "a b.mp3"),
    ],
)
def test_an_entry_is_understood_where_no_file_has_that_very_name(shelf, tmp_path, entry, name):
    entry = entry.replace("/HERE", str(tmp_path))
    assert shelf(f"other.mp3\n{entry}\n".encode(), name, "other.mp3", "three.mp3") == (
        ["other.mp3", name],
        [],
    )


def test_an_address_that_is_encoded_means_what_it_decodes_to_first(shelf):
    data = (
        b"<playlist><trackList><track><location>a%20b.mp3</location></track></trackList></playlist>"
    )
    assert shelf(data, "a%20b.mp3", "a b.mp3") == (["a b.mp3"], [])


@pytest.mark.parametrize(
    "address",
    [
        "http://radio.example:8000/x.mp3",
        "HTTPS://radio.example/one.mp3",
        "rtsp://x/one.mp3",
        "mms://x/one.mp3",
        "smb://server/share/one.mp3",
        "file://server/HERE/one.mp3",
    ],
)
def test_an_address_is_one_line_and_the_rest_is_found(shelf, tmp_path, address):
    address = address.replace("/HERE", str(tmp_path))
    tracks, problems = shelf(f"#EXTM3U\n{address}\ntwo.mp3\n".encode(), "one.mp3", "two.mp3")
    assert tracks == ["two.mp3"]
    assert problems == [("list.m3u", f"{address} is not a file on this machine")]


@pytest.mark.parametrize(
    "entry",
    ["gone.mp3", "C:\\Music\\one.mp3", "C:/one.mp3", "\\\\server\\one.mp3", "spotify:track:1"],
)
def test_a_missing_file_is_one_line_and_the_rest_is_found(shelf, entry):
    tracks, problems = shelf(f"{entry}\r\ntwo.mp3\r\n".encode(), "one.mp3", "two.mp3")
    assert tracks == ["two.mp3"]
    ((path, why),) = problems
    assert path == entry
    assert re.search("No such file|not an audio file", why)


@pytest.mark.parametrize(
    "folder", [".", "..", "/", "./", "sub", "sub/", "sub\\", "file:///", "su%62"]
)
@pytest.mark.parametrize("end", ["\n", "\0"], ids=["line", "NUL"])
def test_a_folder_in_a_list_is_refused(shelf, folder, end):
    tracks, problems = shelf(f"{folder}{end}one.mp3{end}".encode(), "one.mp3", "sub/two.mp3")
    assert tracks == ["one.mp3"]
    assert len(problems) == 1
    assert re.search("it is a folder|No such file", problems[0][1])


def test_comments_and_empty_lines_name_nothing(shelf):
    data = b"#EXTM3U\n# one.mp3\n#two.mp3\n\n   \n#EXTALB:..\\three.mp3\n#PLAYLIST:four.mp3\n"
    assert shelf(data, "one.mp3", "two.mp3", "three.mp3", "four.mp3") == ([], [])


def test_a_pls_names_its_files_only(shelf):
    data = (
        b"[playlist]\r\nNumberOfEntries=3\r\nFile1=sub\\one.mp3\r\nTitle1=two.mp3\r\nLength1=-1\r\n"
        b"file2 = a b.mp3\r\nFile3=http://radio/x.mp3\r\nFile4=\r\nVersion=2\r\n"
    )
    tracks, problems = shelf(data, "sub/one.mp3", "two.mp3", "a b.mp3", name="x.pls")
    assert tracks == ["sub/one.mp3", "a b.mp3"]
    assert problems == [("x.pls", "http://radio/x.mp3 is not a file on this machine")]


XSPF = """<?xml version="1.0" encoding="{}"?>
<playlist version="1" xmlns="http://xspf.org/ns/0/">
  <title>three.mp3</title><location>two.mp3</location>
  <trackList>
    <track><location>gone.mp3</location><location>a%20b.mp3</location><image>two.mp3</image></track>
    <track><location>\u00e9 &amp; c.mp3</location></track>
    <track><location>http://radio/x</location></track>
    <track><title>without a place</title></track>
  </trackList>
</playlist>
"""


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "ISO-8859-1", "windows-1252"])
def test_an_xspf_names_the_first_place_of_each_track_that_exists(shelf, encoding):
    data = XSPF.format(encoding).encode(encoding)
    tracks, problems = shelf(data, "a b.mp3", "é & c.mp3", "two.mp3", "three.mp3", name="x.xspf")
    assert tracks == ["a b.mp3", "é & c.mp3"]
    assert problems == [("x.xspf", "http://radio/x is not a file on this machine")]


def test_the_base_of_an_xspf_counts(shelf, tmp_path):
    base = (tmp_path / "elsewhere").as_uri()
    data = f"""<playlist xml:base="{base}/"><trackList><track><location>one.mp3</location></track>
    </trackList></playlist>"""
    assert shelf(data.encode(), "one.mp3", "elsewhere/one.mp3") == (["elsewhere/one.mp3"], [])


@pytest.mark.parametrize(
    "data",
    [
        b"<!DOCTYPE html><html><body>one.mp3</body></html>",
        b'<?wpl version="1.0"?><smil><body><seq><media src="one.mp3"/></seq></body></smil>',
        b'<asx version="3.0"><entry><ref href="one.mp3"/></entry></asx>',
        b'<?xml version="1.0"?><plist version="1.0"><dict/></plist>',
        b'<?xml version="1.0" encoding="klingon"?><playlist/>',
        b"<playlist><trackList><track><location>one.mp3",
    ],
)
def test_markup_that_is_no_playlist_stops_with_what_is_read(shelf, data):
    with pytest.raises(
        FatalError, match=r"is no playlist that genretagger reads \(M3U, PLS, XSPF\)"
    ):
        shelf(data, "one.mp3")


def test_text_that_is_damaged_stops_rather_than_names_something(shelf):
    data = "#EXTM3U\r\none.mp3\r\n".encode("utf-16-le")
    for cut in (b"\xff\xfe" + data[:-1], data[:-1]):
        with pytest.raises(FatalError, match="is damaged UTF-16-LE; save it as UTF-8"):
            shelf(cut, "one.mp3")


def test_an_audio_file_is_not_taken_for_a_list(shelf):
    with pytest.raises(FatalError, match="is an audio file, not a list of files"):
        shelf(b"one.mp3\n", "one.mp3", name="two.mp3")


def test_without_anyone_to_tell_a_folder_stops_the_run(tmp_path):
    with pytest.raises(FatalError, match="it is a folder"):
        read_list(tmp_path / "x.m3u", b".\n")


def test_entries_of_a_pipe_are_relative_to_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "one.mp3").touch()
    monkeypatch.chdir("/")
    assert read_list(tmp_path / "pipe", b"one.mp3\n") == [Path("one.mp3")]


XSPF_OF_TWO = (
    b'<playlist version="1" xmlns="http://xspf.org/ns/0/"><trackList>'
    b"<track><location>a.mp3</location></track>\n<track><location>b.mp3</location></track>"
    b"</trackList></playlist>"
)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"a.mp3\nb/c.flac\r\n# no file\n\nlast without an end.mp3",
        b"a.mp3\0with\na line.mp3\0b.mp3\0",
        b"a.mp3\0with\na line.mp3",
        b"\xef\xbb\xbfa.mp3\n\xff.mp3\n",
        "a.mp3\r\n\u00e4.mp3\r\n".encode("utf-16"),
        "a.mp3\nb.mp3\n".encode("utf-16-be"),
        b"[playlist]\nFile1=a.mp3\nTitle1=no file\nFile2=b.mp3\n",
        XSPF_OF_TWO,
    ],
)
@pytest.mark.parametrize("piece", [11, 1 << 16])
def test_a_long_list_reads_as_a_short_one(tmp_path, monkeypatch, data, piece):
    monkeypatch.setattr(scan, "_PIECE", piece)
    source = tmp_path / "list"
    assert [*read_long_list(source, io.BytesIO(data))] == read_list(source, data)


def test_a_long_list_is_read_as_its_entries_are_asked_for(tmp_path):
    stream = io.BytesIO(b"".join(b"%d.mp3\n" % n for n in range(200_000)))
    paths = read_long_list(tmp_path / "list", stream)
    assert [next(paths).name for _ in range(3)] == ["0.mp3", "1.mp3", "2.mp3"]
    assert stream.tell() == scan._PIECE


def test_each_name_of_a_file_counts_where_that_is_wanted(music):
    (music / "a/link.mp3").hardlink_to(music / "b/1.mp3")
    (music / "b/round").symlink_to(music / "b")
    once, problems = found(music)
    assert names(music, once) == ["c.wav", "a/link.mp3", "a/z.opus", "b/2.flac"]
    each, _ = found(music, once=False)
    assert names(music, each) == ["c.wav", "a/link.mp3", "a/z.opus", "b/1.mp3", "b/2.flac"]
    assert not problems
