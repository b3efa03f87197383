"""Deezer's public API as far as the project needs it: playlists, tracks, previews; no account.

References
----------
Endpoints and fields: https://developers.deezer.com/api/playlist/tracks, /api/track (also
``alternative``, a readable track where this one is not) and /api/search.
Error codes, which come as HTTP 200: https://developers.deezer.com/api/errors; 4 is the
quota (50 requests in 5 seconds), 700 a busy service, 800 "no data".
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from genretagger.errors import FatalError, GenreTaggerError
from training.collect.config import DeezerConfig

API = "GENRETAGGER_DEEZER_API"
"""The environment variable that sends the tests to a server of their own."""

_BASE = "https://api.deezer.com"
_QUOTA, _BUSY = 4, 700
_AGAIN_STATUS = (429, 500, 502, 503, 504)

_PLAYLIST = re.compile(
    r"(?:https?://)?(?:www\.|api\.)?deezer\.com/(?:[a-z]{2}(?:-[a-z]{2})?/)?playlist/(\d+)/?(?:[?#].*)?",
    re.IGNORECASE,
)


class RefusedError(GenreTaggerError):
    """Deezer refuses: the playlist or track is gone or private."""


class BrokenError(GenreTaggerError):
    """One address gave nothing readable after all retries; others may."""


class _Retry(Retry):
    """urllib3's retries, whose waits stay bounded also where the server names one."""

    def get_retry_after(self, response: Any) -> float | None:
        wait_s = super().get_retry_after(response)
        return None if wait_s is None else min(wait_s, self.backoff_max)


def playlist_id(name: str) -> str:
    """Find a playlist's id in what a person copied.

    Parameters
    ----------
    name : str
        The id, or a link such as ``https://www.deezer.com/en/playlist/123?utm_source=x``.

    Returns
    -------
    str
        Decimal digits.

    Raises
    ------
    ValueError
        If it is neither; the message says what to do.

    Examples
    --------
    >>> playlist_id("https://www.deezer.com/en/playlist/1313621735?deferredFl=1")
    '1313621735'
    """
    text = name.strip()
    if re.fullmatch("[0-9]+", text):
        return text
    if match := _PLAYLIST.fullmatch(text):
        return match[1]
    if re.search(r"link\.deezer\.com|deezer\.page\.link", text, re.IGNORECASE):
        raise ValueError(
            "is a short link, which does not hold the playlist's id: open it in a browser and "
            "copy the address that it leads to, .../playlist/ID"
        )
    raise ValueError(
        "is no playlist: write its id or its link, https://www.deezer.com/en/playlist/ID"
    )


class Api:
    """Deezer's API, with its quota and with retries.

    Parameters
    ----------
    settings : DeezerConfig
    base : str, optional
        Another server than Deezer's; by default what `API` says.
    sleep, clock : callable
        Stand-ins for `time.sleep` and `time.monotonic`, both in seconds.
    """

    def __init__(
        self,
        settings: DeezerConfig,
        base: str | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._base = (base or os.environ.get(API) or _BASE).rstrip("/")
        self._sleep, self._clock = sleep, clock
        self._next_s = float("-inf")
        retry = _Retry(
            total=settings.attempts - 1,
            backoff_factor=settings.first_wait_s,
            backoff_max=settings.longest_wait_s,
            status_forcelist=_AGAIN_STATUS,
            allowed_methods=("GET",),
            raise_on_status=False,
        )
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    def get(self, path: str, **params: int | str) -> dict[str, Any]:
        """Ask for one object.

        Parameters
        ----------
        path : str
            Such as ``track/3135556``.
        **params : int or str
            The query.

        Returns
        -------
        dict
            Deezer's JSON.

        Raises
        ------
        RefusedError
            If Deezer says no.
        BrokenError
            If the answer was cut off or was no JSON every time.
        FatalError
            If there is no connection, or the quota stays exhausted.
        """
        problem = ""
        for attempt in range(self._settings.attempts):
            if attempt:
                self._sleep(self._wait_s(attempt))
            self._pace()
            try:
                body = self._body(f"{self._base}/{path}", params)
            except RefusedError as error:
                # Deezer's own no comes as JSON; this is some gate before it, and may open
                raise BrokenError(f"{path}: {error}") from error
            try:
                answer = json.loads(body) if body is not None else None
            except ValueError:
                problem = "the answer is no JSON"
                continue
            if body is None:
                problem = "the connection was cut or too slow"
                continue
            if not isinstance(answer, dict):
                problem = "the answer is no JSON object"
                continue
            no = answer.get("error")
            if not no:
                return answer
            code = no.get("code") if isinstance(no, dict) else None
            message = no.get("message", no) if isinstance(no, dict) else no
            if code not in (_QUOTA, _BUSY):
                raise RefusedError(f"{path}: Deezer says {message!r} (code {code})")
            problem = f"Deezer says {message!r} (code {code})"
            if attempt == self._settings.attempts - 1:
                raise FatalError(
                    f"{path}: {problem}, {attempt + 1} times; run this again later, "
                    "it resumes where it stopped"
                )
        raise BrokenError(f"{path}: {problem}, {self._settings.attempts} times")

    def playlist(self, number: str) -> Iterator[tuple[list[Any], int]]:
        """Read a playlist page by page.

        Parameters
        ----------
        number : str
            The playlist's id.

        Yields
        ------
        rows : list
            Deezer's objects, unchecked.
        total : int
            How many tracks the playlist says it has.

        Raises
        ------
        RefusedError, BrokenError, FatalError
            As `get` does.
        """
        index = 0
        while True:
            page = self.get(
                f"playlist/{number}/tracks", index=index, limit=self._settings.page_size
            )
            rows = page.get("data")
            if not isinstance(rows, list):
                raise BrokenError(f"playlist/{number}/tracks: the answer has no list of tracks")
            total = page.get("total")
            yield rows, total if isinstance(total, int) else index + len(rows)
            # only the index is taken from the link, so that no answer sends us to another host
            following = re.search(r"[?&]index=(\d+)", str(page.get("next") or ""))
            if following is None:
                return
            if int(following[1]) <= index:
                raise BrokenError(f"playlist/{number}/tracks: its pages go round in a circle")
            index = int(following[1])

    def search(self, kind: str, words: str) -> list[dict[str, Any]]:
        """Search for objects of a kind, the best first; raises as `get` does.

        Parameters
        ----------
        kind : str
            ``track`` or ``playlist``.
        words : str
            As typed into Deezer's search.

        Returns
        -------
        list of dict
            One page of Deezer's objects.
        """
        rows = self.get(f"search/{kind}", q=words, limit=self._settings.page_size).get("data")
        if not isinstance(rows, list):
            raise BrokenError(f"search/{kind}: the answer has no list")
        return [row for row in rows if isinstance(row, dict)]

    def track(self, number: int) -> dict[str, Any]:
        """Read one track, with the fields that lists leave out; raises as `get` does."""
        return self.get(f"track/{number}")

    def fetch(self, url: str) -> bytes:
        """Fetch a file, such as a preview, from the address that Deezer gave.

        Raises
        ------
        RefusedError
            If the server says no: addresses of previews expire.
        BrokenError
            If it was cut off every time.
        FatalError
            If there is no connection.
        """
        for attempt in range(self._settings.attempts):
            if attempt:
                self._sleep(self._wait_s(attempt))
            body = self._body(url, {})
            if body is not None:
                return body
        raise BrokenError(f"the connection was cut {self._settings.attempts} times")

    def _wait_s(self, attempt: int) -> float:
        return min(
            self._settings.longest_wait_s, self._settings.first_wait_s * 2.0 ** (attempt - 1)
        )

    def _pace(self) -> None:
        """Wait for our turn: evenly spaced requests can never exceed the quota."""
        now_s = self._clock()
        if now_s < self._next_s:
            self._sleep(self._next_s - now_s)
        step_s = self._settings.window_s / self._settings.requests
        self._next_s = max(now_s, self._next_s) + step_s

    def _body(self, url: str, params: dict[str, int | str]) -> bytes | None:
        """Fetch one answer; None where it was cut off half-way."""
        try:
            response = self._session.get(
                url, params=params, timeout=self._settings.timeout_s, stream=True
            )
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
            raise RefusedError(f"{url!r} is no address") from error
        except requests.RequestException as error:
            # urllib3 has tried as often as we would
            host = urlsplit(url).netloc
            raise FatalError(
                f"no connection to {host} ({type(error).__name__}); check the network and run "
                "this again, it resumes where it stopped"
            ) from error
        with response:
            if response.status_code in _AGAIN_STATUS:
                raise FatalError(
                    f"{response.url} answers HTTP {response.status_code} every time; run this "
                    "again later, it resumes where it stopped"
                )
            if response.status_code != requests.codes.ok:
                raise RefusedError(f"the server answers HTTP {response.status_code}")
            try:
                return response.content
            except requests.RequestException:
                return None
