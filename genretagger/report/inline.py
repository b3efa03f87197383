"""Pages in one file by itself: styles, scripts and data stand in it, and it asks for nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

_ASSETS = Path(__file__).with_name("assets")


def asset(name: str) -> str:
    """Read a file of assets/.

    Parameters
    ----------
    name : str
        Of a file in assets/, such as ``"uplot.min.js"``.
    """
    return (_ASSETS / name).read_text(encoding="utf-8")


def render(
    template: str,
    styles: Sequence[str],
    scripts: Sequence[str],
    data: object,
    *,
    connect: str = "'none'",
    media: str = "'none'",
    **values: object,
) -> str:
    """Fill in a template of assets/.

    Parameters
    ----------
    template : str
        The name of its file. Of ours it gets ``policy``, ``styles``, ``scripts`` and ``data``.
    styles, scripts : sequence of str
        Text of CSS and JavaScript.
    data : object
        What the scripts work on; anything that JSON has, and arrays.
    connect, media : str
        From where the page may fetch data and sound, as a Content-Security-Policy lists sources.
    **values : object
        The other values of the template; texts are escaped.

    Returns
    -------
    str
        HTML whose Content-Security-Policy allows the page's own parts by hash only.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - 0.1 s
    from markupsafe import Markup  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader(_ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(
        values,
        policy=_policy(styles, scripts, connect, media),
        styles=list(map(Markup, styles)),
        scripts=list(map(Markup, scripts)),
        data=Markup(_json(data)),
    )


def _json(data: object) -> str:
    """Write JSON that is safe inside a script element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=list)  # arrays
    # inside strings only, where the escape means the same; "</script>" would end the element
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _policy(styles: Sequence[str], scripts: Sequence[str], connect: str, media: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(map(_hash, scripts))}",
            f"style-src {' '.join(map(_hash, styles))}",
            f"connect-src {connect}",
            f"media-src {media}",
            "img-src data:",  # the empty icon; without it, browsers ask a server for one
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
