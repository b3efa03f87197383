"""Beets libraries of real files, for tests of the plugin, which say themselves what is heard."""

import logging
import os
from pathlib import Path

import mutagen.id3
import pytest

import genretagger

pytest.importorskip("beets")
from beets.library import Item
from beets.util import cached_classproperty
from mediafile import MediaFile

import beetsplug.genrecnn  # noqa: F401 - before beets.test.helper

# with beets 2.9 it hides plugins that are installed elsewhere
helper = pytest.importorskip("beets.test.helper")

ROOT = Path(__file__).resolve().parent.parent


def heard(*notes, **probabilities):
    """Build a prediction: ``heard(Rock=0.9)``; an underscore is a space, the rest is 0.1."""
    known = {name.replace("_", " "): p for name, p in probabilities.items()}
    assert known.keys() <= set(genretagger.GENRES)
    return genretagger.Prediction(tuple(known.get(g, 0.1) for g in genretagger.GENRES), notes)


def genres_in(path):
    tags = mutagen.File(path).tags
    return list(tags["TCON"].text if "TCON" in tags else tags.get("genre", []))


def contents(library, *items):
    """All that is to be as before: files, tracks and albums, but for the times of change."""
    changes = ("mtime", "genrecnn_replaced")
    found = [library.get_item(item.id) for item in items]
    return [
        [item.filepath.read_bytes() for item in found],
        *(
            [{k: v for k, v in dict(m).items() if k not in changes} for m in models]
            for models in (found, library.albums())
        ),
    ]


def killed():
    raise SystemExit("as a killed process: nothing after this is done")


class Helper(helper.PluginMixin, helper.TestHelper):
    plugin = "genrecnn"

    @pytest.fixture(autouse=True)
    def setup(self, request, tmp_path, audio_file, capsys, monkeypatch):
        cached_classproperty.cache.clear()  # field types, as they were without the plugin
        self.request, self.tmp, self.audio, self.capsys = request, tmp_path, audio_file, capsys
        self.heard, self.asked = {}, []
        monkeypatch.setattr(genretagger, "predict_tracks", self.predict)
        # beets' handler holds the standard error of the test that imported beets
        monkeypatch.setattr(logging.getLogger("beets"), "handlers", [])
        self.setup_beets()
        try:
            yield
        finally:
            self.teardown_beets()
            cached_classproperty.cache.clear()

    def setup_beets(self):
        self.config["genrecnn"]["threshold"] = 0.5
        super().setup_beets()

    def place(self, path_format):
        """Have each track lie where this says, as ``paths: default:`` does."""
        self.lib.path_formats = [("default", path_format)]  # beets 2.9 reads it at its start

    def predict(self, paths, bundle, jobs=1, *, cache=None):
        """Stand in for the network: by title, what `self.heard` says."""
        self.jobs = jobs
        for path in paths:
            answer = self.heard[MediaFile(str(path)).title]
            self.asked.append(path.name)
            if isinstance(answer, BaseException) and not isinstance(answer, genretagger.TrackError):
                raise answer
            yield path, answer

    def track(self, title, prediction=None, *, form="FLAC", genre=(), folder=None, **more):
        """Put a real file into the library, and say what is to be heard in it."""
        self.heard[title] = prediction
        tags = {"title": title, "artist": "An Artist", "album": "An Album"}
        tags["albumartist"] = tags["artist"]
        path = self.audio(form, name=title, genre=genre, seconds=1.5, **{**tags, **more})
        if folder is not None:
            return path.rename(folder / path.name)
        item = Item.from_path(os.fsencode(path))
        item.add(self.lib)
        return item

    def beet(self, *args):
        self.capsys.readouterr()
        sources = list(self.config.sources)
        try:
            self.run_command(*args)
        finally:
            self.config.sources[:] = sources  # options last as long as their process
        return self.capsys.readouterr().out

    def again(self, item):
        return self.lib.get_item(item.id)
