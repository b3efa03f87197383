"""Stage export."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from genretagger.errors import FatalError
from training.data import split
from training.learn import models
from training.progress import say
from training.run import Run


def _training_summary(run: Run) -> dict[str, Any]:
    log = run.model(models.FINAL) / "log.jsonl"
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    summary: dict[str, Any] = asdict(run.config.train)
    if run.config.compact is not None:
        from training.learn import compact

        summary["network"] = "a smaller MSD_musicnn (Pons and Serra; ISC) with heads"
        summary["compact"] = compact.summary(run.folder, run.config, models.FINAL)
    elif run.config.network is None:
        summary["network"] = "MSD_musicnn (Pons and Serra; Million Song Dataset; ISC) with heads"
    else:
        summary["network"] = asdict(run.config.network)
    summary["minutes"] = round(sum(line["seconds"] for line in lines) / 60, 1)
    teachers = (
        "YAMNet (Google; AudioSet; Apache-2.0)",
        "MusiCNN, MSD_musicnn (Pons and Serra; Million Song Dataset; ISC)",
    )
    heads = run.heads(models.FINAL)
    summary["teachers"] = [name for name, n in zip(teachers, heads, strict=True) if n]
    return summary


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    run = Run(args)
    from training.ship import export

    clips = run.clips()
    try:
        found = json.loads(run.metrics.read_text(encoding="utf-8"))
    except OSError as error:
        raise FatalError(f"{run.metrics} is missing: run the stage `evaluate` first") from error
    heads = [run.heads(name) for name in run.models()][-1]
    if found.pop("made_from", None) != run.made_from():
        raise FatalError(
            f"{run.metrics} is of other models or settings: run the stage `evaluate` again"
        )
    learns = run.learns(models.FINAL, clips)
    learned = [clip for clip, mine in zip(clips, learns, strict=True) if mine]
    data = {
        "description": f"{len({c.source for c in learned})} sources of labels; see MODEL_CARD.md",
        "n_clips": len(learned),
        "n_groups": len({clip.artist_id for clip in learned}),
        "hours": round(sum(clip.duration_s for clip in learned) / 3600, 1),
        "manifest_sha256": run.manifest_sha256(),
        "split_sha256": split.sha256(run.folds(clips)),
    }
    written, difference, golden = export.export(
        run.config,
        run.model(models.FINAL) / models.WEIGHTS,
        heads=heads,
        found=found,
        data=data,
        training=_training_summary(run),
        template=Path(run.config.card).read_text(encoding="utf-8"),
        folder=args.out or run.folder / "bundle",
        paths=[args.data / clip.path for clip in clips[:: max(1, len(clips) // args.compare)]],
    )
    size = sum(path.stat().st_size for path in written.path.iterdir())
    say(f"bundle {written.bundle_id} in {written.path}, {size / 1e6:.2f} MB")
    say(f"LiteRT against Keras: {difference:.2g}; golden segment: {golden:.2g}")
