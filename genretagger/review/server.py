"""Serve a review on loopback: Starlette and uvicorn, which come with ``[review]``.

Who may ask is settled before any route: the connection comes to 127.0.0.1, which no other
machine reaches; the Host header is that address, so no page of another site can pose as ours
(DNS rebinding); the path begins with a token that only the browser, and who sees the terminal,
knows, so other users of this machine, and other pages of this browser, can neither read nor send
anything. There are no cookies. Tracks are asked for by number, never by path.
"""

from __future__ import annotations

import json
import re
import secrets
import socket
import webbrowser
from collections.abc import Callable
from hmac import compare_digest
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from genretagger.errors import GenreTaggerError
from genretagger.report import figure
from genretagger.report.html import Extra, Page, asset
from genretagger.report.text import printable
from genretagger.review.session import RefusedError, Session
from genretagger.rows import plan_row

_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"frame-ancestors 'none'"),  # the page has the rest in itself
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),  # the address holds the token
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)

_DPI = 110.0


class Guard:
    """Lets only requests through that may ask; the others learn nothing.

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
        """Tell whether a request that says where it comes from comes from our page."""
        origin = headers.get(b"origin", f"http://{self._host}")
        site = headers.get(b"sec-fetch-site", "same-origin")
        return origin == f"http://{self._host}" and site in ("same-origin", "none")


def _same(given: str, secret: str) -> bool:
    return compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode("ascii"))


def application(session: Session, title: str) -> Starlette:
    """Make the routes of one review."""

    def page(_: Request) -> Response:
        plan = session.plan
        made = Page(
            title=title,
            command="",
            model=plan.bundle_id,
            thresholds=plan.thresholds,
        )
        for line in plan.lines:
            made.add(plan_row(line))
        extra = Extra(
            script=asset("review.js"),
            style=asset("review.css"),
            connect="'self'",
            media="'self'",
        )
        return HTMLResponse(made.render(extra=extra))

    def decided(_: Request) -> Response:
        return JSONResponse(session.decided())

    def progress(_: Request) -> Response:
        return JSONResponse(session.progress())

    async def change(request: Request) -> Response:
        asked = await request.body()
        return await run_in_threadpool(answered, request.path_params["what"], asked)

    def answered(what: str, asked: bytes) -> Response:
        try:
            wish: dict[str, Any] = json.loads(asked or b"{}")
            doers: dict[str, Callable[[], Any]] = {
                "decide": lambda: session.decide([int(n) for n in wish["ids"]], _answer(wish)),
                "edit": lambda: session.edit(int(wish["id"]), str(wish["genres"])),
                "take-back": session.take_back,
                "apply": session.apply,
                "undo": session.undo,
                "stop": session.stop,
            }
            rows = doers[what]()
        except (ValueError, KeyError, TypeError) as error:
            return JSONResponse({"error": f"this makes no sense: {str(error)[:100]}"}, 400)
        return JSONResponse({**session.progress(), "rows": rows or []})

    def where(request: Request) -> Response:
        return JSONResponse(session.where_heard(request.path_params["id"]))

    def sound(request: Request) -> Response:
        start_s = request.path_params["start_ms"] / 1000
        return _ranged(request, session.listen(request.path_params["id"], start_s), "audio/wav")

    def heard(request: Request) -> Response:
        n, theme = request.path_params["id"], request.path_params["theme"]
        if theme not in figure.THEMES:
            return JSONResponse({"error": "there is no such theme"}, 404)
        bundle = session.bundle
        drawn = figure.png(
            session.hear_closely(n),
            title=session.plan.lines[n].path.name,
            thresholds=session.plan.thresholds or bundle.thresholds,
            bands_hz=bundle.bands_hz,
            theme=theme,
            dpi=_DPI,
        )
        return Response(drawn, media_type="image/png")

    def story(request: Request) -> Response:
        hearing = session.hear_closely(request.path_params["id"])
        thresholds = session.plan.thresholds or session.bundle.thresholds
        left, right = figure.TIMELINE
        return JSONResponse(
            {
                "story": figure.story(hearing, thresholds),
                "duration_s": hearing.duration_s,
                "left": left,
                "right": right,
            }
        )

    def refused(_: Request, error: Exception) -> Response:
        status = 409 if isinstance(error, RefusedError) else 422
        return JSONResponse({"error": printable(str(error))}, status)

    return Starlette(
        routes=[
            Route("/", page),
            Route("/decided", decided),
            Route("/progress", progress),
            Route("/do/{what}", change, methods=["POST"]),
            Route("/tracks/{id:int}", where),
            Route("/tracks/{id:int}/sound/{start_ms:int}.wav", sound),
            Route("/tracks/{id:int}/heard", story),
            Route("/tracks/{id:int}/heard/{theme}.png", heard),
        ],
        exception_handlers={GenreTaggerError: refused},
    )


def _answer(wish: dict[str, Any]) -> Any:
    if wish["answer"] not in ("accepted", "rejected", ""):
        raise ValueError("an answer is accepted or rejected")
    return wish["answer"]


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


def serve(session: Session, title: str, *, say: Callable[[str], Any], browse: bool) -> None:
    """Serve a review until Ctrl-C.

    Parameters
    ----------
    session : Session
    title : str
    say : callable
        Told the address.
    browse : bool
        Open the browser.
    """
    token = secrets.token_urlsafe(24)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as loopback:
        loopback.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{loopback.getsockname()[1]}"
        guard = Guard(application(session, title), host, token)
        config = uvicorn.Config(
            guard,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        say(f"http://{host}/{token}/")
        loopback.listen()  # so that a browser that is quick waits, and is not turned away
        if browse:
            webbrowser.open(f"http://{host}/{guard.ticket}/")
        try:
            uvicorn.Server(config).run(sockets=[loopback])
        finally:
            session.stop()
