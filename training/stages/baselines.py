"""Stage baselines."""

from __future__ import annotations

import argparse

from training.progress import say
from training.run import Run


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    run = Run(args)
    from training.measure import baselines

    clips, cached = run.clips(), run.open_shards()
    bundles = {f"`{folder.name}`": baselines.of_run(folder, clips) for folder in args.of}
    found = baselines.predict(run.config, clips, cached, run.folder / "baselines", say=say)
    results = baselines.measure(run.config, clips, found | bundles, say=say)
    say(baselines.write(run.folder, results))
