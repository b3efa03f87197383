"""The stages of training, joined by files: ``python -m training STAGE``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from genretagger.errors import FatalError, GenreTaggerError
from training import config as configuration
from training import download, grid, manifest, playlists, shards, split, study, train, variants
from training.config import Config
from training.manifest import Clip

DATA = "GENRETAGGER_DATA"
"""The environment variable that may name the data folder."""


class _Run:
    """The files of a run, and what more than one stage does with them."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.folder: Path = args.run
        self.config: Config = configuration.load(args.config)
        self.manifest = self.folder / "manifest.jsonl"
        self.shards = self.folder / "shards"
        self.metrics = self.folder / "metrics.json"

    def clips(self) -> list[Clip]:
        return manifest.read(self.manifest)

    def manifest_sha256(self) -> str:
        return manifest.sha256(self.manifest)

    def open_shards(self) -> shards.Shards:
        return shards.read(
            self.shards, self.config.features, manifest_sha256=self.manifest_sha256()
        )

    def folds(self, clips: Sequence[Clip]) -> dict[str, int]:
        return split.assign(clips, self.config.split.n_folds)

    def models(self) -> list[str]:
        return [*(str(k) for k in range(self.config.split.n_folds)), train.FINAL]

    def model(self, name: str) -> Path:
        return self.folder / "models" / name

    def heads(self, name: str) -> tuple[int, int]:
        meta = train.check(self.config, self.model(name))
        return int(meta["n_sounds"]), int(meta["n_tags"])


def _say(line: str) -> None:
    print(line, flush=True)


def _manifest(args: argparse.Namespace) -> None:
    run = _Run(args)
    clips = manifest.build(args.data / "labels.tsv")
    manifest.write(run.manifest, clips)
    folds = run.folds(clips)
    which = split.fold_of(clips, folds)
    _say(f"{len(clips)} clips, {len(folds)} artist groups, manifest {run.manifest_sha256()[:12]}")
    _say(f"split {split.sha256(folds)[:12]}: {np.bincount(which).tolist()} clips in each fold")


def _grid(args: argparse.Namespace, run: _Run) -> tuple[study.StudyConfig, list[Clip], Path]:
    config = study.load(args.grid)
    clips = run.clips()
    chosen = study.eligible(clips, config)
    _say(
        f"{len(chosen)} of {len(clips)} clips are {config.features.least_s} s long or longer; "
        f"sr = {config.features.sr}"
    )
    return config, chosen, run.folder / "variants"


def _variants(args: argparse.Namespace, run: _Run) -> None:
    config, clips, store = _grid(args, run)
    chosen = grid.select(args.variant)
    copied = [True] * len(clips) if args.copy_all else study.training_part(clips, config)
    began, first = time.monotonic(), None
    for done, n_rejected in variants.build(
        store,
        clips,
        args.data,
        chosen,
        config.features,
        copied=copied,
        n_jobs=args.jobs,
        cluster=args.cluster,
    ):
        first = done if first is None else first
        left = (len(clips) - done) * (time.monotonic() - began) / max(1, done - first or done)
        _say(f"{done}/{len(clips)} tracks, {n_rejected} rejected, {left / 60:.0f} min left")
    if args.png:
        for variant in chosen:
            examples = variants.read(store, clips, variant, config.features)
            for done in variants.export_png(args.png / variant.id, examples, clips):
                _say(f"{variant.id}: {done}/{len(examples)} pictures")


def _study(args: argparse.Namespace) -> None:
    run = _Run(args)
    from training import findings

    config, clips, store = _grid(args, run)
    folder = args.out or run.folder / "study"
    for found in study.run(
        folder,
        store,
        clips,
        grid.select(args.variant or ["all"]),
        protocols=args.protocol or ["artists", "shuffled"],
        config=config,
        n_jobs=args.jobs,
        n_threads=args.threads,
    ):
        _say(
            f"{found['protocol']}: {found['variant']}  accuracy "
            f"{found['log'][-1]['accuracy']:.3f}  {found['seconds']:.0f} s"
        )
    results = findings.read(folder, clips, config.evaluate)
    text = findings.describe(results, clips, config)
    (folder / "study.md").write_text(text + "\n", encoding="utf-8")
    plot = (
        folder / "study.svg" if args.write is None else args.write.with_name(f"{folder.name}.svg")
    )
    findings.plot(results, plot, config.evaluate.interval)
    if args.write is not None:
        findings.publish(args.write, text, folder.name)
    _say(text)


def _shards(args: argparse.Namespace) -> None:
    run = _Run(args)
    if args.variant:
        _variants(args, run)
        return
    clips = run.clips()
    for done in shards.build(
        run.shards,
        clips,
        args.data,
        run.config.features,
        manifest_sha256=run.manifest_sha256(),
        yamnet=args.yamnet,
        musicnn_wheel=args.musicnn,
        n_jobs=args.jobs,
    ):
        _say(f"{done}/{len(clips)} clips")


def _train(args: argparse.Namespace) -> None:
    run = _Run(args)
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(args.jobs)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    clips, cached = run.clips(), run.open_shards()
    which = split.fold_of(clips, run.folds(clips))
    sure = np.array([clip.confidence >= run.config.train.least_confidence for clip in clips])
    fit: Any = train.fit
    learned_from: Any = cached
    if run.config.network is None:
        if args.musicnn is None:
            raise FatalError(f"{args.config}: to train heads on MusiCNN, give --musicnn WHEEL")
        from training import transfer

        fit = transfer.fit
        learned_from = transfer.embed(
            run.folder / "embeddings",
            run.config,
            clips,
            cached,
            transfer.load_body(args.musicnn),
            made_from=cached.fingerprint,
            say=_say,
        )
    for name in args.model or run.models():
        left_out = np.zeros(len(clips), bool) if name == train.FINAL else which == int(name)
        rows = np.flatnonzero(sure & ~left_out)
        fit(
            run.config,
            clips,
            learned_from,
            rows=rows.tolist(),
            name=name,
            folder=run.model(name),
            say=_say,
        )


def _evaluate(args: argparse.Namespace) -> None:
    run = _Run(args)
    from training import evaluate

    clips = run.clips()
    sure = [clip.confidence >= run.config.evaluate.least_confidence for clip in clips]
    which = split.fold_of(clips, run.folds(clips))[sure]
    clips = [clip for clip, keep in zip(clips, sure, strict=True) if keep]
    names = run.models()[:-1]
    for name in names:
        evaluate.write_fold_bundle(
            run.config,
            run.model(name) / train.WEIGHTS,
            run.heads(name),
            run.model(name) / "bundle",
        )
    _say(f"{len(names)} folds converted; hearing {len(clips)} clips")
    bundles = [run.model(name) / "bundle" for name in names]
    logits = evaluate.predict_out_of_fold(clips, which, bundles, args.data, args.jobs)
    np.savez_compressed(
        run.folder / "predictions.npz",
        logits=logits,
        folds=which,
        track_id=np.array([clip.track_id for clip in clips]),
    )
    found = evaluate.evaluate(clips, which, logits, run.config.evaluate)
    evaluate.write(run.metrics, found)
    for name, ranking in found["metrics"]["ranking"].items():
        figures = {key: ranking[key]["value"] for key in ("top1_in_labels", "macro_map", "lrap")}
        _say(f"{name}: {ranking['n_clips']} clips, {figures}")


def _training_summary(run: _Run) -> dict[str, Any]:
    log = run.model(train.FINAL) / "log.jsonl"
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    summary: dict[str, Any] = asdict(run.config.train)
    if run.config.network is None:
        summary["network"] = "MSD_musicnn (Pons and Serra; Million Song Dataset; ISC) with heads"
    else:
        summary["network"] = asdict(run.config.network)
    summary["minutes"] = round(sum(line["seconds"] for line in lines) / 60, 1)
    teachers = (
        "YAMNet (Google; AudioSet; Apache-2.0)",
        "MusiCNN, MSD_musicnn (Pons and Serra; Million Song Dataset; ISC)",
    )
    heads = run.heads(train.FINAL)
    summary["teachers"] = [name for name, n in zip(teachers, heads, strict=True) if n]
    return summary


def _export(args: argparse.Namespace) -> None:
    run = _Run(args)
    from training import export

    clips = run.clips()
    found = json.loads(run.metrics.read_text(encoding="utf-8"))
    learned = [c for c in clips if c.confidence >= run.config.train.least_confidence]
    data = {
        "description": "labelled excerpts from five kinds of sources; see MODEL_CARD.md",
        "n_clips": len(learned),
        "n_groups": len({clip.artist_id for clip in learned}),
        "hours": round(sum(clip.duration_s for clip in learned) / 3600, 1),
        "manifest_sha256": run.manifest_sha256(),
        "split_sha256": split.sha256(run.folds(clips)),
    }
    written, difference, golden = export.export(
        run.config,
        run.model(train.FINAL) / train.WEIGHTS,
        heads=run.heads(train.FINAL),
        found=found,
        data=data,
        training=_training_summary(run),
        template=Path(run.config.card).read_text(encoding="utf-8"),
        folder=args.out or run.folder / "bundle",
        paths=[args.data / clip.path for clip in clips[:: max(1, len(clips) // args.compare)]],
    )
    size = sum(path.stat().st_size for path in written.path.iterdir())
    _say(f"bundle {written.bundle_id} in {written.path}, {size / 1e6:.2f} MB")
    _say(f"LiteRT against Keras: {difference:.2g}; golden segment: {golden:.2g}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description="Train, measure and export a model bundle; see training/README.md.",
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, default=configuration.DEFAULT, metavar="TOML")
    common.add_argument("--run", type=Path, default=Path("runs/default"), metavar="FOLDER")
    common.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes or threads"
    )
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument(
        "--data",
        type=Path,
        default=os.environ.get(DATA),
        required=DATA not in os.environ,
        metavar="FOLDER",
        help=f"with labels.tsv and clips/; or set {DATA}",
    )
    stages = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")

    def add(name: str, do: Any, text: str, *parents: Any) -> argparse.ArgumentParser:
        stage = stages.add_parser(name, help=text, parents=[common, *parents])
        stage.set_defaults(do=do)
        return stage

    for module in (playlists, download):
        stage = stages.add_parser(module.NAME, help=module.HELP)
        module.add_arguments(stage)
        stage.set_defaults(do=partial(module.run, say=_say))
    add("manifest", _manifest, "labels.tsv -> manifest.jsonl", data)
    stage = add("shards", _shards, "clips -> shards/", data)
    stage.add_argument("--yamnet", type=Path, metavar="TFLITE", help="a teacher: yamnet.tflite")
    stage.add_argument(
        "--musicnn", type=Path, metavar="WHEEL", help="a teacher: musicnn-0.1.0-py3-none-any.whl"
    )
    stage.add_argument(
        "--variant", action="append", metavar="ID", help="of the 24, or 'all'; repeatable"
    )
    _add_grid(stage)
    stage.add_argument(
        "--copy-all", action="store_true", help="augment every track, not the training part alone"
    )
    stage.add_argument("--cluster", metavar="ADDRESS", help="work on this Dask cluster instead")
    stage.add_argument("--png", type=Path, metavar="FOLDER", help="write 8-bit pictures, too")
    stage = add("train", _train, "shards -> models/; a killed training goes on")
    stage.add_argument(
        "--model", action="append", metavar="NAME", help="a fold's number or 'final'; repeatable"
    )
    stage.add_argument(
        "--musicnn", type=Path, metavar="WHEEL", help="for a configuration of heads on MusiCNN"
    )
    add("evaluate", _evaluate, "models of the folds -> metrics.json", data)
    stage = add("export", _export, "the final model -> bundle/", data)
    stage.add_argument("--out", type=Path, metavar="FOLDER", help="default: bundle/ in the run")
    stage.add_argument("--compare", type=int, default=100, help="clips for LiteRT against Keras")
    stage = add("study", _study, "shards of variants -> study/: the grid of the report")
    stage.add_argument("--variant", action="append", metavar="ID", help="default: all 24")
    _add_grid(stage)
    stage.add_argument(
        "--protocol",
        action="append",
        choices=study.PROTOCOLS,
        help="repeatable; default: artists and shuffled",
    )
    stage.add_argument("--threads", type=int, default=1, help="of each of the --jobs trainings")
    stage.add_argument("--out", type=Path, metavar="FOLDER", help="default: study/ in the run")
    stage.add_argument("--write", type=Path, metavar="PAGE", help="put the tables in this page")
    return parser


def _add_grid(stage: argparse.ArgumentParser) -> None:
    stage.add_argument(
        "--grid", type=Path, default=study.DEFAULT, metavar="TOML", help="of the variants"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run one stage.

    Returns
    -------
    int
        0, or 1 if it failed; the reason goes to standard error.
    """
    args = _parser().parse_args(argv)
    began = time.monotonic()
    try:
        args.do(args)
    except GenreTaggerError as error:
        print(f"training: {error}", file=sys.stderr)
        return 1
    _say(f"{args.stage}: {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
