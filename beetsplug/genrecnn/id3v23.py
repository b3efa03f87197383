"""Several genres in ID3v2.3 tags."""

from __future__ import annotations

from typing import Any

import beets
from beets.library import Item
from beets.plugins import BeetsPlugin


class Id3v23(BeetsPlugin):
    """Keeps several genres whole in ID3v2.3 tags, which have no native way.

    beets writes ``Pop/Rock`` there, and reads that back as one genre. ``Pop; Rock`` it
    reads back as two. This is a plugin of its own, which `GenreCnnPlugin` loads, because
    beets forbids that a plugin's listener causes an event that the same plugin listens to.
    """

    def __init__(self) -> None:
        super().__init__("genrecnn-id3v23")
        self.register_listener("write", self.join)

    def join(self, item: Item, path: bytes, tags: dict[str, Any]) -> None:
        """Join the genres that are about to be written, if this plugin set them."""
        genres = tags.get("genres") or []
        is_ours = item.get("genrecnn_bundle", with_album=False)
        is_mp3 = path.lower().endswith(b".mp3")
        if len(genres) > 1 and is_ours and is_mp3 and beets.config["id3v23"].get(bool):
            tags["genres"] = ["; ".join(genres)]
