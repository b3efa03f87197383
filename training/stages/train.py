"""Stage train."""

from __future__ import annotations

import argparse
import contextlib
from typing import Any

import numpy as np

from genretagger.errors import FatalError
from training.features import corpus, negatives
from training.learn import train
from training.progress import say
from training.run import Run


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    run = Run(args)
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):  # too late: TensorFlow was used before in this process
        tf.config.threading.set_intra_op_parallelism_threads(args.jobs)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    clips, cached = run.clips(), run.open_shards()
    names = args.model or run.models()
    for name in names:
        if name not in run.models():
            raise FatalError(f"there is no model {name!r}, only {', '.join(run.models())}")
    learns = {name: np.flatnonzero(run.learns(name, clips)).tolist() for name in names}

    def fit(one: Any, name: str, learned_from: Any) -> None:
        one(
            run.config,
            clips,
            learned_from,
            rows=learns[name],
            name=name,
            folder=run.model(name),
            say=say,
        )

    if run.config.network is not None:
        for name in names:
            fit(train.fit, name, cached)
        return
    if args.musicnn is None:
        raise FatalError(f"{args.config}: to train heads on MusiCNN, give --musicnn WHEEL")
    from training.learn import compact
    from training.learn.embed import embed
    from training.learn.heads import fit as fit_heads
    from training.networks import body

    silent_about = negatives.read(run.folder, run.config.features)

    def hear(trunk: Any) -> Any:
        return embed(
            run.folder / "embeddings",
            run.config,
            clips,
            cached,
            trunk,
            silent_about=silent_about,
            say=say,
        )

    if run.config.compact is None:
        heard = hear(body.load_body(args.musicnn))
        for name in names:
            fit(fit_heads, name, heard)
    else:
        trunks = compact.load(
            run.folder / compact.FOLDER,
            run.config,
            clips,
            cached,
            wheel=args.musicnn,
            music=corpus.read(run.folder),
            learns=learns,
            n_jobs=args.jobs,
            say=say,
        )
        for name, trunk in trunks:
            fit(fit_heads, name, hear(trunk))
