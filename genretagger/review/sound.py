"""The sound of tracks, for a player in the browser."""

from __future__ import annotations

import io
import threading
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genretagger import audio
from genretagger.bundle import Bundle
from genretagger.hearing import hear_once
from genretagger.rows import Row

_LISTEN_HZ = 48000  # what every sound card plays; 1 MB for 10 s, in mono as the network hears it


class Sounds:
    """The sound of some tracks, by their number.

    Its methods may be called from several threads.

    Parameters
    ----------
    paths : sequence of pathlib.Path
    bundle : Bundle
        Says which excerpts are heard.
    """

    def __init__(self, paths: Sequence[Path], bundle: Bundle) -> None:
        self._paths = paths
        self._bundle = bundle
        self.one_network = threading.Lock()
        """Held while the network hears."""

    def __len__(self) -> int:
        """Return how many tracks there are."""
        return len(self._paths)

    def excerpts(self, n: int) -> Row:
        """Return the length of a track, and where it is heard.

        Raises
        ------
        TrackError
            If it cannot be read.
        """
        with self.one_network:
            excerpts = hear_once(self._paths[n], self._bundle).excerpts
        return {
            "duration_s": excerpts.duration_s,
            # silence can be listened to, too
            "starts_s": [segment.start_s for segment in excerpts.segments] or [0.0],
            "segment_s": self._bundle.features.segment_s,
        }

    def wav(self, n: int, start_s: float) -> bytes:
        """Decode an excerpt to be played.

        Returns
        -------
        bytes
            A WAV file, 16-bit mono, as long as a segment or shorter.

        Raises
        ------
        TrackError
            If it cannot be decoded.
        """
        y = audio.decode_stretch(
            self._paths[n],
            sr=_LISTEN_HZ,
            start_s=max(0.0, start_s),
            length_s=self._bundle.features.segment_s,
        )
        stream = io.BytesIO()
        with wave.open(stream, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(_LISTEN_HZ)
            file.writeframes((np.clip(y, -1, 1) * 32767).astype("<i2").tobytes())
        return stream.getvalue()
