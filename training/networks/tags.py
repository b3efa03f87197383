"""The fifty tags that both published networks learned, and the genres that they mean."""

from __future__ import annotations

from genretagger.genres import GENRES
from training.networks import musicnn

N_TAGS = len(musicnn.TAGS)

_MEANT = {
    "Ambient": ("ambient",),
    "Country": ("country",),
    "Dance": ("dance", "House"),
    "Electronic": ("electronic", "electronica", "electro"),
    "Experimental": ("experimental",),
    "Folk": ("folk",),
    "Hip Hop": ("Hip-Hop",),
    "Jazz": ("jazz",),
    "Pop": ("pop", "indie pop"),
    "Punk": ("punk",),
    "RNB": ("soul", "funk", "rnb"),
    "Rock": ("rock", "alternative rock", "classic rock", "indie rock", "hard rock", "metal"),
}

MEANT = {
    GENRES.index(genre): tuple(musicnn.TAGS.index(name) for name in names)
    for genre, names in _MEANT.items()
}
"""From a genre's index to those of the tags that mean it; Classical and Psychedelia have none."""
