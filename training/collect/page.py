"""A page to listen through a sample of what was kept and rejected, and to write ``[by_hand]``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from training.collect.rules import RULES
from training.collect.tracks import Track
from training.collect.wanted import Wanted

_SAMPLE = 6  # of each label and each rule: half an hour of listening for ten lists
_PUBLIC = "https://www.deezer.com/track/"

_HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Listen: kept and rejected</title>
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; media-src http: https:;
 style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<style>
body { font: 1rem/1.4 system-ui, sans-serif; max-width: 70rem; margin: 1rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
td { border-top: 1px solid #8888; padding: .3rem .5rem; overflow-wrap: anywhere }
td:last-child { white-space: nowrap } audio { height: 2rem; width: 16rem; max-width: 100% }
textarea { width: 100%; font: .9rem monospace; box-sizing: border-box }
</style>
<h1>Listen: kept and rejected</h1>
<p>Tick what was judged wrongly; the table at the end goes into your list of playlists, in the
place of its <code>[by_hand]</code>. A preview that does not play has expired: run
<code>playlists --refresh</code>, or follow the link.</p>
"""

_TAIL = """<h2>For your list of playlists</h2>
<p><label for="text">Copy this:</label></p>
<textarea id="text" rows="8" readonly></textarea>
<noscript><p>This page needs JavaScript to write the table.</p></noscript>
<script>
"use strict";
const before = JSON.parse(document.getElementById("before").textContent);
function write() {
  const lines = ["[by_hand]"];
  for (const side of ["keep", "drop"]) {
    const ids = new Set(before[side]);
    for (const box of document.querySelectorAll(`input[data-side=${side}]`)) {
      if (box.checked) ids.add(box.value); else ids.delete(box.value);
    }
    lines.push(`${side} = [${[...ids].join(", ")}]`);
  }
  document.getElementById("text").value = lines.join("\\n") + "\\n";
}
document.addEventListener("change", write);
write();
</script>
</html>
"""


def lay_out(tracks: Iterable[Track], rejected: Iterable[dict[str, Any]], wanted: Wanted) -> str:
    """Lay out the page.

    Parameters
    ----------
    tracks : iterable of Track
        Those that were kept.
    rejected : iterable of dict
        From `training.collect.tracks.Candidate.rejected`; only rules about names are shown.
    wanted : Wanted
        The list, with what was decided by hand before.

    Returns
    -------
    str
        HTML in one piece. Which tracks are shown follows from their ids.
    """
    names = [rule.name for rule in RULES]
    kept: dict[str, list[dict[str, Any]]] = {}
    for track in tracks:
        row = {key: getattr(track, key) for key in ("track_id", "artist", "title", "album")}
        kept.setdefault("; ".join(track.genres), []).append(row | {"preview": track.preview})
    by_rule: dict[str, list[dict[str, Any]]] = {name: [] for name in (*names, "by-hand")}
    for row in rejected:
        by_rule.get(row["rule"], []).append(row)
    before = {"keep": sorted(wanted.keep, key=int), "drop": sorted(wanted.drop, key=int)}
    drop = _part("Kept", kept, "drop", "no example", wanted.drop)
    # what was dropped by hand has its box on the same side: unticked, it is judged by its name
    dropped = _part("Dropped by hand", {"": by_rule.pop("by-hand")}, "drop", "drop", wanted.drop)
    keep = _part("Rejected", by_rule, "keep", "an example", wanted.keep)
    # nothing may end the element early
    data = json.dumps(before).replace("<", "\\u003c")
    script = f'<script type="application/json" id="before">{data}</script>\n'
    return _HEAD + drop + keep + dropped + script + _TAIL


def _part(
    title: str,
    groups: Mapping[str, Sequence[dict[str, Any]]],
    side: str,
    box: str,
    ticked: frozenset[str],
) -> str:
    parts = [f"<h2>{title}</h2>\n"] if any(groups.values()) else []
    for name, rows in sorted(groups.items()):
        sample = sorted(rows, key=lambda row: hashlib.sha256(row["track_id"].encode()).hexdigest())
        if not rows:
            continue
        shown = sample[:_SAMPLE]
        lines = [_row(row, side, box, row["track_id"] in ticked) for row in shown]
        heading = f"{name}: {len(shown)} of {len(rows)}".removeprefix(": ")
        parts.append(f"<h3>{escape(heading)}</h3>\n<table>\n{''.join(lines)}</table>\n")
    return "".join(parts)


def _row(row: Mapping[str, Any], side: str, box: str, checked: bool) -> str:
    preview = str(row.get("preview") or "")
    audio = ""
    if preview.startswith(("http://", "https://")):
        audio = f'<audio controls preload="none" src="{escape(preview)}"></audio>'
    name = f"{row['artist']} - {row['title']}"
    why = f" ({row['field']}: {row['matched']})" if "field" in row else ""
    return (
        f'<tr><td><a href="{_PUBLIC}{escape(row["track_id"])}">{escape(name)}</a><br>'
        f"{escape(row['album'])}{escape(why)}</td><td>{audio}</td><td><label>"
        f'<input type="checkbox" data-side="{side}" value="{escape(row["track_id"])}"'
        f"{' checked' if checked else ''}> {box}</label></td></tr>\n"
    )
