"""A server on this machine that answers as Deezer's public API does, faults included.

The forms follow https://developers.deezer.com/api: lists come in pages with ``total`` and
``next``, errors as HTTP 200 with an ``error`` object.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

QUOTA = {"error": {"type": "Exception", "message": "Quota limit exceeded", "code": 4}}
GONE = {"error": {"type": "DataException", "message": "no data", "code": 800}}


QUICK = {
    "requests = 45": "requests = 5000",
    "page_size = 100": "page_size = 2",
    "timeout_s = 15.0": "timeout_s = 20.0",
    "attempts = 6": "attempts = 3",
    "first_wait_s = 2.0": "first_wait_s = 0.01",
    "longest_wait_s = 60.0": "longest_wait_s = 0.05",
}
"""Replacements in ``configs/collect.toml``: no waits, and pages of two tracks."""


def row(number: int, title: str, artist: str = "Artist", **more: object) -> dict[str, object]:
    """Make a track as it stands in a list; ``None`` leaves a field out."""
    made: dict[str, object] = {
        "id": number,
        "readable": True,
        "title": title,
        "title_short": title,
        "title_version": "",
        "isrc": f"XX-AAA-24-{number:05d}",
        "duration": 200,
        "preview": "",
        "time_add": 1700000000,
        "artist": {"id": sum(map(ord, artist)), "name": artist, "type": "artist"},
        "album": {"id": 7, "title": more.pop("album", "Album"), "type": "album"},
        "type": "track",
    }
    made |= more
    return {key: value for key, value in made.items() if value is not None}


class Deezer:
    """What the server knows, and how it is to misbehave.

    Attributes
    ----------
    playlists : dict
        From an id to its rows.
    tracks : dict
        From an id to the object of ``/track/{id}``.
    found : dict
        From the words of a search to its rows.
    files : dict
        From a path such as ``/a.mp3`` to bytes; others are refused with HTTP 403.
    faults : dict
        From a request's number, counted from 1, to a fault's name: ``quota``, ``busy``,
        ``cut``, ``not json``, ``not an object``, ``slow``, or an HTTP status.
    always : str or int or None
        A fault for every request.
    requests : list of str
        Every path that was asked for, with its query.
    """

    def __init__(self) -> None:
        self.playlists: dict[str, list[object]] = {}
        self.tracks: dict[str, dict[str, object]] = {}
        self.found: dict[str, list[object]] = {}
        self.files: dict[str, bytes] = {}
        self.faults: dict[int, str | int] = {}
        self.always: str | int | None = None
        self.requests: list[str] = []
        self.base = ""
        self.lock = threading.Lock()
        self.on_request: Callable[[int], None] = lambda n: None

    def answer(self, path: str, query: dict[str, list[str]]) -> dict[str, object]:
        """Answer a request for JSON."""
        kind, number, *rest = path.strip("/").split("/")
        if kind == "search":
            rows = self.found.get(query["q"][0], [])
            return {"data": rows, "total": len(rows)}
        if kind == "track":
            return self.tracks.get(number, GONE)
        if kind != "playlist" or rest != ["tracks"] or number not in self.playlists:
            return GONE
        rows = self.playlists[number]
        index, limit = int(query["index"][0]), int(query["limit"][0])
        found: dict[str, object] = {"data": rows[index : index + limit], "total": len(rows)}
        if index + limit < len(rows):
            found["next"] = f"{self.base}{path}?limit={limit}&index={index + limit}"
        return found


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet, or each answer takes 40 ms
    deezer: Deezer

    def do_GET(self) -> None:
        deezer = self.deezer
        with deezer.lock:
            deezer.requests.append(self.path)
            number = len(deezer.requests)
        deezer.on_request(number)
        fault = deezer.always if deezer.always is not None else deezer.faults.get(number)
        url = urlsplit(self.path)
        status = fault if isinstance(fault, int) else 200
        if url.path in deezer.files or url.path.endswith(".mp3"):
            body = deezer.files.get(url.path, b"denied")
            status = status if url.path in deezer.files else 403
        else:
            found = deezer.answer(url.path, parse_qs(url.query))
            found = {"quota": QUOTA, "busy": {"error": {"code": 700}}}.get(str(fault), found)
            body = json.dumps(found).encode()
        if fault == "not json":
            body = b"<html>Sorry</html>"
        if fault == "not an object":
            body = b"[1, 2]"
        if fault == "slow":
            time.sleep(1.6)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)
        self.close_connection = fault is not None

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is part of the tests."""


@contextmanager
def serve() -> Iterator[Deezer]:
    """Run the server while the block lasts."""
    deezer = Deezer()
    handler = type("Handler", (_Handler,), {"deezer": deezer})
    with _Server(("127.0.0.1", 0), handler) as server:
        deezer.base = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield deezer
        finally:
            server.shutdown()
            thread.join()
