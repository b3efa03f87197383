import re
from pathlib import Path

import pytest

from genretagger.containers import CONTAINERS
from genretagger.plan import TagPolicy, plan, plan_by_hand
from genretagger.records import BlockChange, Decision, GenreBlock, State, TrackTags

pytestmark = pytest.mark.quick

PATH = Path("a.mp3")
POP_ROCK = Decision(("Rock", "Pop"), ("Rock 0.81, Pop 0.60",))
UNDECIDED = Decision((), ("undecided: Pop 0.31 is the best guess, 0.42 would be needed",))


def tagged(*values, kind="ID3v2.4", more=()):
    return TrackTags((GenreBlock(kind, values), *more), "ID3v2.4")


def change(tags, decision=POP_ROCK, **policy):
    return plan(PATH, tags, TagPolicy(**policy), decision)


def test_a_file_without_genre_gets_the_combined_value_in_the_fixed_order():
    line = change(tagged())
    assert line.state is State.CHANGE
    assert line.blocks == (BlockChange("ID3v2.4", (), ("Pop; Rock",)),)
    assert line.new == ("Pop; Rock",)
    assert line.reason == ("Rock 0.81, Pop 0.60",)


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda c: c.name)
def test_a_file_without_any_block_gets_its_native_one(container):
    line = change(TrackTags((), container.native), style="multi")
    assert [block.kind for block in line.blocks] == [container.native]
    assert line.new == ("Pop", "Rock")


def test_by_default_somebodys_genre_survives_and_the_reason_names_it():
    line = change(tagged("Blues"))
    assert (line.state, line.new, line.blocks) == (State.KEEP, ("Blues",), ())
    assert line.reason == ("Rock 0.81, Pop 0.60", 'kept: file has "Blues"')


def test_a_track_that_was_not_analysed_is_kept_with_its_reason():
    line = change(tagged("Blues"), decision=None)
    assert (line.state, line.reason) == (State.KEEP, ('kept: file has "Blues"',))


@pytest.mark.parametrize("existing", ["skip", "replace", "append", "prepend"])
def test_undecided_never_changes_a_file(existing):
    assert change(tagged(), UNDECIDED, existing=existing).state is State.UNDECIDED
    line = change(tagged("Blues"), UNDECIDED, existing=existing)
    assert line.state is (State.KEEP if existing == "skip" else State.UNDECIDED)
    assert line.new == ("Blues",)
    assert not line.blocks


@pytest.mark.parametrize(
    ("existing", "combined", "multi"),
    [
        ("replace", ("Pop; Rock",), ("Pop", "Rock")),
        ("append", ("Blues; Pop; Rock",), ("Blues", "Pop", "Rock")),
        ("prepend", ("Pop; Rock; Blues",), ("Pop", "Rock", "Blues")),
    ],
)
def test_a_foreign_genre_goes_or_stays_where_asked(existing, combined, multi):
    assert change(tagged("Blues"), existing=existing).new == combined
    assert change(tagged("Blues"), existing=existing, style="multi").new == multi


@pytest.mark.parametrize("existing", ["replace", "append", "prepend"])
@pytest.mark.parametrize("old", [("Rock; Pop",), ("Pop; Rock",), ("Pop;Rock",)])
def test_a_difference_of_order_alone_is_no_change(existing, old):
    line = change(tagged(*old), existing=existing)
    assert (line.state, line.blocks) == (State.KEEP, ())
    assert line.reason[-1] == "kept: already there"


def test_native_values_in_another_order_are_no_change():
    line = change(tagged("Rock", "Pop"), existing="replace", style="multi")
    assert line.state is State.KEEP


def test_a_combined_value_becomes_native_values_when_asked():
    line = change(tagged("Pop; Rock"), existing="replace", style="multi")
    assert line.blocks == (BlockChange("ID3v2.4", ("Pop; Rock",), ("Pop", "Rock")),)


@pytest.mark.parametrize("old", ["Rock", "rock music", "Blues/Rock", "Blues, Rock"])
def test_append_does_not_add_a_genre_that_is_there_under_another_name(old):
    line = change(tagged(old), Decision(("Rock",), ("Rock 0.8",)), existing="append")
    assert line.state is State.KEEP


@pytest.mark.parametrize(
    ("old", "decided", "append", "prepend"),
    [
        ("Rock", ("Pop",), "Rock; Pop", "Pop; Rock"),
        ("Pop", ("Rock",), "Pop; Rock", "Rock; Pop"),
        ("Rock; Country", ("Pop", "Folk"), "Rock; Country; Folk; Pop", "Folk; Pop; Rock; Country"),
        ("Rock; Blues; Jazz", ("Pop", "Jazz"), "Rock; Blues; Jazz; Pop", "Jazz; Pop; Rock; Blues"),
        ("Blues; Rock", ("Rock",), "Blues; Rock", "Rock; Blues"),
        ("Blues; Hip-Hop/Rap", ("Hip Hop",), "Blues; Hip-Hop/Rap", "Hip-Hop/Rap; Blues"),
        ("Soul; Pop; Rock", ("Rock", "Pop"), "Soul; Pop; Rock", "Pop; Rock; Soul"),
        ("Rock / Pop", ("Folk",), "Rock / Pop; Folk", "Folk; Rock / Pop"),
    ],
)
def test_append_appends_and_prepend_prepends_in_our_order_and_the_files(
    old, decided, append, prepend
):
    decision = Decision(decided, ("because",))
    for existing, new in (("append", append), ("prepend", prepend)):
        assert change(tagged(old), decision, existing=existing).new == (new,)
        assert change(tagged(new), decision, existing=existing).state is State.KEEP
        multi = {"existing": existing, "style": "multi"}
        line = change(tagged(*old.split("; ")), decision, **multi)
        assert line.new == tuple(new.split("; "))
        assert change(tagged(*line.new), decision, **multi).state is State.KEEP


@pytest.mark.parametrize("existing", ["append", "prepend"])
@pytest.mark.parametrize("old", ["Rock; Pop", "Rock; Pop; Blues"])
def test_where_nothing_is_added_or_moved_nothing_is_put_in_order(existing, old):
    assert change(tagged(old), existing=existing).state is State.KEEP
    assert change(tagged(*old.split("; ")), existing=existing, style="multi").state is State.KEEP


@pytest.mark.parametrize("separator", ["; ", " / ", ", ", "-", " ", "p"])
@pytest.mark.parametrize("names", [{}, {"Hip Hop": "Hip-Hop"}, {"Pop": "Rock", "Rock": "Pop"}])
@pytest.mark.parametrize("existing", ["append", "prepend"])
def test_a_second_run_changes_nothing_whatever_the_separator_and_the_names(
    separator, names, existing
):
    policy = {"existing": existing, "separator": separator, "names": names}
    for old in ((), ("Rock",), ("Hip-Hop",), ("Blues", "Hip Hop"), (separator.join("ab"),)):
        for decided in (("Hip Hop", "Pop"), ("Rock", "Pop"), ("Pop",)):
            decision = Decision(decided, ("because",))
            first = change(tagged(*old), decision, **policy)
            after = first.blocks[0].new if first.blocks else old
            assert change(tagged(*after), decision, **policy).state is State.KEEP


def test_every_block_shows_first_what_is_prepended():
    blocks = tagged("Rock; Blues", more=(GenreBlock("APEv2", ("Blues; Rock",)),))
    line = change(blocks, Decision(("Rock",), ("because",)), existing="prepend")
    assert line.blocks == (BlockChange("APEv2", ("Blues; Rock",), ("Rock; Blues",)),)


@pytest.mark.parametrize("typed", ["Rock; Pop", "Pop; Rock", "Rock; Ska; Pop"])
def test_genres_by_hand_stand_in_the_order_in_which_a_person_names_them(typed):
    values = tuple(typed.split("; "))
    for old in ("Blues", "; ".join(reversed(values))):
        line = plan_by_hand(Path("a"), tagged(old), TagPolicy(), values)
        assert line.new == (typed,)
    assert plan_by_hand(Path("a"), tagged(typed), TagPolicy(), values).state is State.KEEP


def test_beside_a_fuller_tag_id3v1_gets_the_first_genre_that_is_prepended():
    blocks = tagged("Rock", more=(GenreBlock("ID3v1", ("Rock",)),))
    line = change(blocks, existing="prepend")
    assert line.blocks == (
        BlockChange("ID3v2.4", ("Rock",), ("Pop; Rock",)),
        BlockChange("ID3v1", ("Rock",), ("Pop",)),
    )
    after = tagged("Pop; Rock", more=(GenreBlock("ID3v1", ("Pop",)),))
    assert change(after, existing="prepend").state is State.KEEP
    assert [block.kind for block in change(blocks, existing="append").blocks] == ["ID3v2.4"]


def test_the_separator_is_the_users():
    assert change(tagged(), separator=" / ").new == ("Pop / Rock",)
    assert change(tagged("Rock / Pop"), separator=" / ", existing="replace").state is State.KEEP


def test_every_block_that_holds_a_genre_gets_the_new_one_and_the_plan_names_them():
    beside = (GenreBlock("APEv2", ("Blues",)), GenreBlock("ID3v1", ("Blues",)))
    line = change(tagged("Blues", more=beside), existing="replace")
    assert line.blocks == (
        BlockChange("ID3v2.4", ("Blues",), ("Pop; Rock",)),
        BlockChange("APEv2", ("Blues",), ("Pop; Rock",)),
        BlockChange("ID3v1", ("Blues",), ("Pop",)),
    )
    assert line.reason[-1] == "in ID3v2.4 and APEv2 and ID3v1"


def test_the_containers_own_block_gets_the_genre_and_others_without_one_are_left_alone():
    beside = (GenreBlock("APEv2", ("Blues",)), GenreBlock("ID3v1", ()))
    line = change(tagged(more=beside), existing="replace")
    assert [block.kind for block in line.blocks] == ["ID3v2.4", "APEv2"]


def test_a_wav_that_has_info_alone_gets_the_block_that_most_programs_read():
    line = change(tagged("Blues", kind="RIFF INFO"), existing="replace")
    assert [block.kind for block in line.blocks] == ["ID3v2.4", "RIFF INFO"]
    blocks = (GenreBlock("ID3v2.3", ()), GenreBlock("RIFF INFO", ("Blues",)))
    line = change(TrackTags(blocks, "ID3v2.4"), existing="replace")
    assert [block.kind for block in line.blocks] == ["ID3v2.3", "RIFF INFO"]
    assert change(tagged("Blues", kind="RIFF INFO")).state is State.KEEP


def test_an_info_without_a_genre_gets_it_with_the_block_that_most_programs_read():
    for kind in ("ID3v2.4", "ID3v2.3"):
        blocks = (GenreBlock(kind, ("Blues",)), GenreBlock("RIFF INFO", ()))
        line = change(TrackTags(blocks, "ID3v2.4"), existing="replace")
        assert [block.kind for block in line.blocks] == [kind, "RIFF INFO"]
    line = change(tagged(kind="RIFF INFO"))
    assert [block.kind for block in line.blocks] == ["ID3v2.4", "RIFF INFO"]
    assert all(block.new == ("Pop; Rock",) for block in line.blocks)


def test_without_the_containers_own_block_all_that_are_there_get_the_genre():
    blocks = (GenreBlock("APEv2", ()), GenreBlock("ID3v1", ("Blues",)))
    line = change(TrackTags(blocks, "ID3v2.4"))
    assert [(b.kind, b.new) for b in line.blocks] == [
        ("APEv2", ("Pop; Rock",)),
        ("ID3v1", ("Pop",)),
    ]
    blocks = (GenreBlock("APEv2", ("Polka",)), GenreBlock("ID3v1", ()))
    line = change(TrackTags(blocks, "ID3v2.4"), existing="append")
    assert [b.new for b in line.blocks] == [("Polka; Pop; Rock",), ("Pop",)]
    again = tuple(GenreBlock(b.kind, b.new) for b in line.blocks)
    assert change(TrackTags(again, "ID3v2.4"), existing="append").state is State.KEEP


def test_a_genre_in_any_block_is_an_existing_genre():
    line = change(tagged(more=(GenreBlock("ID3v1", ("Polka",)),)))
    assert (line.state, line.old) == (State.KEEP, ("Polka",))


JUNK_VALUES = [" ", "Unknown", "(255)", "<unknown>", "other", "MISC", "None", "255", "Other; None"]


@pytest.mark.parametrize("existing", ["skip", "replace", "append", "prepend"])
@pytest.mark.parametrize("junk", JUNK_VALUES)
def test_a_genre_that_says_nothing_gives_way_and_is_never_kept(junk, existing):
    line = change(tagged(junk), existing=existing)
    assert line.blocks == (BlockChange("ID3v2.4", (junk,), ("Pop; Rock",)),)
    assert line.old == (junk,)
    assert f'"{junk}" says nothing' in line.reason
    assert change(tagged(*line.new), existing=existing).state is State.KEEP


def test_junk_beside_a_genre_goes_when_that_is_written_anew():
    assert change(tagged("Other; Polka")).state is State.KEEP
    line = change(tagged("Other; Polka"), existing="append")
    assert line.new == ("Polka; Pop; Rock",)
    assert change(tagged("Other", "Polka"), existing="prepend").new == ("Pop; Rock; Polka",)


def test_what_says_nothing_is_said_by_the_policy():
    assert change(tagged("Other"), junk=()).state is State.KEEP
    assert change(tagged("Sonstiges"), junk=("sonstiges",)).state is State.CHANGE
    assert change(tagged("Other"), junk=("Sonstiges",)).state is State.KEEP
    assert change(tagged(" "), junk=()).state is State.CHANGE


def test_id3v1_blues_counts_as_none_beside_a_fuller_tag_without_a_genre():
    zero = (GenreBlock("ID3v1", ("Blues",)),)
    for existing in ("skip", "append", "prepend", "replace"):
        line = change(tagged(more=zero), existing=existing)
        assert line.blocks == (
            BlockChange("ID3v2.4", (), ("Pop; Rock",)),
            BlockChange("ID3v1", ("Blues",), ("Pop",)),
        )
        assert '"Blues" says nothing' in line.reason
    assert change(tagged("Polka", more=zero)).state is State.KEEP
    assert change(TrackTags(zero, "ID3v2.4")).state is State.KEEP


def test_no_block_is_created_beside_another():
    line = change(tagged(kind="APEv2"))
    assert [block.kind for block in line.blocks] == ["APEv2"]


def test_id3v1_alone_gets_the_one_genre_it_can_name_or_is_kept():
    assert change(tagged(kind="ID3v1")).new == ("Pop",)
    line = change(tagged(kind="ID3v1"), names={"Pop": "Tunes", "Rock": "Noise"})
    assert line.state is State.KEEP
    assert "ID3v1" in line.reason[-1]


@pytest.mark.parametrize(
    ("kind", "id3", "written"),
    [
        ("ID3v2.3", "keep", "ID3v2.3"),
        ("ID3v2.4", "keep", "ID3v2.4"),
        ("ID3v2.2", "keep", "ID3v2.3"),
        ("ID3v2.4", "2.3", "ID3v2.3"),
        ("ID3v2.3", "2.4", "ID3v2.4"),
        ("Vorbis comment", "2.3", "Vorbis comment"),
    ],
)
def test_the_id3_version_stays_unless_asked(kind, id3, written):
    assert [block.kind for block in change(tagged(kind=kind), id3=id3).blocks] == [written]


def test_id3v2_3_has_no_native_values_and_gets_the_joined_one():
    assert change(tagged(kind="ID3v2.3"), style="multi").new == ("Pop; Rock",)


@pytest.mark.parametrize("style", ["combined", "multi"])
@pytest.mark.parametrize("existing", ["skip", "replace", "append", "prepend"])
@pytest.mark.parametrize(
    "old", [(), ("Blues",), ("Rock; Blues",), ("Hip-Hop/Rap",), ("Rock", "Soul")]
)
def test_a_second_run_finds_nothing_to_do(style, existing, old):
    first = change(tagged(*old), existing=existing, style=style)
    after = first.blocks[0].new if first.blocks else old
    assert change(tagged(*after), existing=existing, style=style).state is State.KEEP


RAP = {"Hip Hop": "Rap", "RNB": "Soul"}


def test_a_mapped_genre_is_written_under_its_other_name_in_the_fixed_order():
    line = change(tagged(), Decision(("RNB", "Hip Hop"), ("because",)), names=RAP)
    assert line.new == ("Rap; Soul",)


@pytest.mark.parametrize("existing", ["replace", "append", "prepend"])
@pytest.mark.parametrize("style", ["combined", "multi"])
@pytest.mark.parametrize("old", [(), ("Blues",), ("hip-hop",), ("Soul", "Rap")])
def test_a_mapped_run_finds_nothing_to_do_the_second_time(existing, style, old):
    decision = Decision(("RNB", "Hip Hop"), ("because",))
    policy = {"existing": existing, "style": style, "names": RAP}
    first = change(tagged(*old), decision, **policy)
    after = first.blocks[0].new if first.blocks else old
    assert change(tagged(*after), decision, **policy).state is State.KEEP


def test_append_understands_the_mapped_name_in_the_file():
    line = change(tagged("Soul"), Decision(("RNB",), ("b",)), existing="append", names=RAP)
    assert line.state is State.KEEP


@pytest.mark.parametrize("old", [("Blues",), ("Rock; blues",), ("Rock/Blues",), ("Rap",)])
def test_a_protected_genre_survives_even_replace(old):
    line = change(tagged(*old), existing="replace", protect=("Blues", "Hip Hop"))
    assert (line.state, line.blocks) == (State.KEEP, ())
    assert line.reason[-1].endswith("is protected")


def test_what_is_not_protected_is_replaced():
    line = change(tagged("Bluegrass"), existing="replace", protect=("Blues",))
    assert line.state is State.CHANGE


def test_a_condition_on_genre_or_comment_protects():
    note = (("comment", re.compile("hand tagged", re.IGNORECASE)),)
    tags = TrackTags((GenreBlock("ID3v2.4", ("Ska",)),), "ID3v2.4", comments=("Hand tagged!",))
    line = change(tags, existing="replace", protect_if=note)
    assert (line.state, line.reason) == (
        State.KEEP,
        ("Rock 0.81, Pop 0.60", "kept: its comment matches 'hand tagged'"),
    )
    ska = (("genre", re.compile("^ska$", re.IGNORECASE)),)
    assert change(tags, existing="replace", protect_if=ska).state is State.KEEP
    assert change(tagged("Skate"), existing="replace", protect_if=ska).state is State.CHANGE


@pytest.mark.parametrize("existing", ["append", "prepend"])
def test_id3v1s_own_spelling_is_not_taken_for_another_genre(existing):
    blocks = (GenreBlock("ID3v2.4", ("Reggae",)), GenreBlock("ID3v1", ("Reggae",)))
    decision = Decision(("Hip Hop",), ("Hip Hop 0.7",))
    first = change(TrackTags(blocks, "ID3v2.4"), decision, existing=existing)
    new = {block.kind: block.new for block in first.blocks}
    assert sorted(new["ID3v2.4"][0].split("; ")) == ["Hip Hop", "Reggae"]
    # ID3v1 holds one: the file's own for append, ours for prepend
    assert new.get("ID3v1", ("Reggae",)) == (("Reggae",) if existing == "append" else ("Hip-Hop",))
    after = tuple(GenreBlock(b.kind, new.get(b.kind, b.values)) for b in blocks)
    again = change(TrackTags(after, "ID3v2.4"), decision, existing=existing)
    assert again.state is State.KEEP


def test_prepending_to_an_id3v1_tag_alone_does_not_swing_between_two_genres():
    line = change(
        tagged("R&B", kind="ID3v1"), Decision(("RNB", "Rock"), ("both",)), existing="prepend"
    )
    assert (line.state, line.blocks) == (State.KEEP, ())
    line = change(tagged("Blues", kind="ID3v1"), POP_ROCK, existing="prepend")
    assert line.blocks == (BlockChange("ID3v1", ("Blues",), ("Pop",)),)
