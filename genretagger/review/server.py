"""Serve a review, or a map, on loopback: Starlette and uvicorn, which come with ``[review]``.

A request is checked before any route. The connection comes to 127.0.0.1, which no other machine
reaches. The Host header is that address, so that no page of another site can pose as ours (DNS
rebinding). The path begins with a token that is known only to the browser and to whoever sees the
terminal, so that other users of this machine, and other pages of this browser, can neither read
nor send anything. There are no cookies. Tracks are asked for by number, never by path.
"""

from __future__ import annotations

import json
import re
import secrets
import socket
import webbrowser
from collections.abc import Callable
from hmac import compare_digest
from typing import Any, get_args

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from genretagger.errors import GenreTaggerError
from genretagger.records import Hearing
from genretagger.report import figure
from genretagger.report.html import Extra, Page
from genretagger.report.inline import asset
from genretagger.review.session import WRITTEN_STATES, RefusedError, Session
from genretagger.review.sound import Sounds
from genretagger.rows import Row, plan_row
from genretagger.text import printable
from genretagger.verdicts import Answer
from genretagger.verdicts import Scope as DecisionScope

_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"frame-ancestors 'none'"),  # the page has the rest in itself
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),  # the address holds the token
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)

_DPI = {False: 110.0, True: 216.0}  # of a wide picture, and of a narrow one


class Guard:
    """Passes on requests from our own page only.

    Parameters
    ----------
    app : ASGI application
    host : str
        What the Host header must be.
    token : str
        What the path must begin with.
    """

    def __init__(self, app: ASGIApp, host: str, token: str) -> None:
        self._app = app
        self._host = host
        self._token = token
        self.ticket = secrets.token_urlsafe(24)
        """Opens the page once. It stands on the browser's command line, where others may read."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        first, _, rest = scope["path"].removeprefix("/").partition("/")
        answer: ASGIApp
        if headers.get(b"host") != self._host or not self._is_ours(headers):
            answer = Response("Not for you.\n", 403)
        elif self.ticket and _same(first, self.ticket):
            self.ticket = ""
            answer = RedirectResponse(f"/{self._token}/", 303)
        elif _same(first, self._token):
            scope = {**scope, "path": f"/{rest}", "raw_path": None}
            answer = self._app
        else:
            answer = Response("Not for you.\n", 403)
        await answer(scope, receive, send_guarded)

    def _is_ours(self, headers: dict[bytes, str]) -> bool:
        """Tell whether a request is from our page, as far as its headers say."""
        origin = headers.get(b"origin", f"http://{self._host}")
        site = headers.get(b"sec-fetch-site", "same-origin")
        return origin == f"http://{self._host}" and site in ("same-origin", "none")


def _same(given: str, secret: str) -> bool:
    return compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode("ascii"))


class Handlers:
    """The routes of one review.

    Parameters
    ----------
    session : Session
    title : str
        The heading of the page.
    """

    def __init__(self, session: Session, title: str) -> None:
        self._session = session
        self._title = title

    def page(self, _: Request) -> Response:
        """Serve the page, with the script of the review."""
        plan = self._session.plan
        page = Page(
            title=self._title,
            model=plan.bundle_id,
            thresholds=plan.thresholds,
            vocabulary=plan.policy.vocabulary,
        )
        for line in plan.lines:
            page.add(plan_row(line))
        extra = Extra(
            script=asset("review.js"),
            style=asset("review.css"),
            states=WRITTEN_STATES,
            connect="'self'",
            media="'self'",
        )
        return HTMLResponse(page.render(extra=extra))

    def decided(self, _: Request) -> Response:
        """Return the decisions so far."""
        return JSONResponse(self._session.decided())

    def progress(self, _: Request) -> Response:
        """Return the progress of Apply or Undo."""
        return JSONResponse(self._session.progress())

    async def do(self, request: Request) -> Response:
        """Carry out a command of the page, and return the rows that it changed."""
        body = await request.body()
        return await run_in_threadpool(self._do, request.path_params["what"], body)

    def _do(self, what: str, body: bytes) -> Response:
        try:
            outcome = self._carry_out(what, json.loads(body or b"{}"))
        except (ValueError, KeyError, TypeError) as error:
            return JSONResponse({"error": f"this makes no sense: {str(error)[:100]}"}, 400)
        return JSONResponse({**self._session.progress(), **outcome})

    def _carry_out(self, what: str, wish: dict[str, Any]) -> Row:
        session = self._session
        if what == "decide":
            ids = [int(n) for n in wish["ids"]]
            rows, n_left = session.decide(ids, _answer(wish), _scope(wish))
            return {"rows": rows, "left": n_left}
        if what == "edit":
            return {"rows": session.edit(int(wish["id"]), str(wish["genres"]))}
        plain: dict[str, Callable[[], list[Row] | None]] = {
            "take-back": session.take_back,
            "apply": session.apply,
            "undo": session.undo,
            "stop": session.stop,
            "stop-hearing": session.stop_hearing,
        }
        return {"rows": plain[what]() or []}

    def share_heard(self, _: Request) -> Response:
        """Return how much is heard of the track that is being heard all through."""
        return JSONResponse({"share": self._session.share_heard()})

    def picture(self, request: Request) -> Response:
        """Return the picture of a track's genres over time."""
        theme, is_narrow = request.path_params["theme"], "narrow" in request.query_params
        if theme not in figure.THEMES:
            return JSONResponse({"error": "there is no such theme"}, 404)
        drawn = figure.png(
            self._hearing(request),
            **self._drawn(request),
            bands_hz=self._session.bundle.bands_hz,
            theme=theme,
            is_narrow=is_narrow,
            dpi=_DPI[is_narrow],
        )
        return Response(drawn, media_type="image/png")

    def story(self, request: Request) -> Response:
        """Return the picture in words, and where in it the curves are."""
        hearing, drawn = self._hearing(request), self._drawn(request)
        return JSONResponse(
            {
                "story": figure.story(hearing, self._thresholds),
                "duration_s": hearing.duration_s,
                "wide": figure.timeline_box(hearing, **drawn),
                "narrow": figure.timeline_box(hearing, **drawn, is_narrow=True),
            }
        )

    def _hearing(self, request: Request) -> Hearing:
        n, is_why = request.path_params["id"], "why" in request.query_params
        return self._session.hear_closely(n, is_why)

    def _drawn(self, request: Request) -> dict[str, Any]:
        path = self._session.plan.lines[request.path_params["id"]].path
        return {"title": path.name, "thresholds": self._thresholds}

    @property
    def _thresholds(self) -> tuple[float, ...]:
        plan, bundle = self._session.plan, self._session.bundle
        is_alike = plan.policy.vocabulary.genres == bundle.vocabulary.genres
        return (is_alike and plan.thresholds) or bundle.thresholds


def application(session: Session, title: str) -> Starlette:
    """Return the application: addresses and their handlers."""
    handlers = Handlers(session, title)
    return Starlette(
        routes=[
            Route("/", handlers.page),
            Route("/decided", handlers.decided),
            Route("/progress", handlers.progress),
            Route("/heard", handlers.share_heard),
            Route("/do/{what}", handlers.do, methods=["POST"]),
            Route("/tracks/{id:int}/heard", handlers.story),
            Route("/tracks/{id:int}/heard/{theme}.png", handlers.picture),
            *_sound_routes(session.excerpts, session.sound),
        ],
        exception_handlers={GenreTaggerError: _refusal},
    )


def map_application(page: str, sounds: Sounds) -> Starlette:
    """Return the application of a page that plays tracks, and changes nothing.

    Parameters
    ----------
    page : str
        HTML.
    sounds : Sounds
        Of its tracks, by the numbers that they have on the page.
    """

    def checked(n: int) -> int:
        if n >= len(sounds):
            raise RefusedError("there is no such track")
        return n

    return Starlette(
        routes=[
            Route("/", lambda _: HTMLResponse(page)),
            *_sound_routes(
                lambda n: sounds.excerpts(checked(n)),
                lambda n, start_s: sounds.wav(checked(n), start_s),
            ),
        ],
        exception_handlers={GenreTaggerError: _refusal},
    )


def _sound_routes(
    excerpts: Callable[[int], Row], wav: Callable[[int, float], bytes]
) -> list[Route]:
    """Return the addresses where a page's player asks for sound."""

    def starts(request: Request) -> Response:
        """Return where the excerpts of a track begin."""
        return JSONResponse(excerpts(request.path_params["id"]))

    def sound(request: Request) -> Response:
        """Return the sound of an excerpt."""
        n, start_s = request.path_params["id"], request.path_params["start_ms"] / 1000
        return _ranged(request, wav(n, start_s), "audio/wav")

    return [
        Route("/tracks/{id:int}", starts),
        Route("/tracks/{id:int}/sound/{start_ms:int}.wav", sound),
    ]


def _refusal(_: Request, error: Exception) -> Response:
    status = 409 if isinstance(error, RefusedError) else 422
    return JSONResponse({"error": printable(str(error))}, status)


def _answer(wish: dict[str, Any]) -> Any:
    if wish["answer"] not in get_args(Answer):
        raise ValueError("an answer is accepted or rejected")
    return wish["answer"]


def _scope(wish: dict[str, Any]) -> Any:
    scope = wish.get("scope", "line")
    if scope not in get_args(DecisionScope):
        raise ValueError("a decision is on a line, an album, or all that is shown")
    return scope


def _ranged(request: Request, data: bytes, media_type: str) -> Response:
    """Answer a range request (RFC 9110, section 14): one range, as players ask for."""
    headers = {"accept-ranges": "bytes"}
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
    if not asked or not any(asked.groups()):
        return Response(data, 200, headers, media_type)
    first, last = asked.groups()
    if first:
        begin, end = int(first), min(int(last or len(data)) + 1, len(data))
    else:
        begin, end = max(0, len(data) - int(last)), len(data)
    if not begin < end:
        return Response(status_code=416, headers={"content-range": f"bytes */{len(data)}"})
    headers["content-range"] = f"bytes {begin}-{end - 1}/{len(data)}"
    return Response(data[begin:end], 206, headers, media_type)


def serve(application: ASGIApp, *, say: Callable[[str], Any], browse: bool) -> None:
    """Serve an application until Ctrl-C.

    Parameters
    ----------
    application : ASGI application
        Behind a `Guard`.
    say : callable
        Told the address.
    browse : bool
        Open the browser.
    """
    token = secrets.token_urlsafe(24)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as loopback:
        loopback.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{loopback.getsockname()[1]}"
        guard = Guard(application, host, token)
        config = uvicorn.Config(
            guard,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        loopback.listen()  # so that who is quick waits, and is not turned away
        say(f"http://{host}/{token}/")
        if browse:
            webbrowser.open(f"http://{host}/{guard.ticket}/")
        uvicorn.Server(config).run(sockets=[loopback])
