"""The one table of containers."""

import pytest

from genretagger.containers import BLOCKS, CONTAINERS, ID3V1_NUMBERS, stored_values
from genretagger.genres import canonical

pytestmark = pytest.mark.quick


def test_every_container_names_known_blocks_and_no_suffix_belongs_to_two():
    suffixes = [suffix for c in CONTAINERS for suffix in c.suffixes]
    assert len(suffixes) == len(set(suffixes))
    for container in CONTAINERS:
        assert {container.native, *container.beside} <= set(BLOCKS)


def test_id3v1_numbers_are_those_of_the_published_list():
    id3 = pytest.importorskip("mutagen.id3")
    for genre, number in ID3V1_NUMBERS.items():
        assert canonical(id3.TCON.GENRES[number]) == genre
        assert stored_values("ID3v1", (genre,)) == (id3.TCON.GENRES[number],)


def test_a_block_without_native_values_gets_one_combined_value_even_for_multi():
    two = ("Pop", "Rock")
    assert stored_values("RIFF INFO", two, style="multi") == ("Pop; Rock",)
    assert stored_values("ID3v2.3", two, style="multi", separator=" / ") == ("Pop / Rock",)
    assert stored_values("Vorbis comment", two, style="multi") == two
    assert stored_values("Vorbis comment", ()) == ()
