"""The stages of training, joined by files: ``python -m training STAGE``."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genretagger.errors import FatalError, GenreTaggerError
from genretagger.genres import GENRES
from training import config as configuration
from training import (
    corpus,
    download,
    grid,
    manifest,
    negatives,
    playlists,
    rows,
    shards,
    split,
    study,
    train,
    variants,
)
from training.config import Config
from training.manifest import Clip
from training.progress import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
        clips = manifest.read(self.manifest)
        if [clip.split for clip in clips] != split.named(clips, self.config.split):
            raise FatalError(
                f"{self.manifest} is split otherwise than the configuration says: run the stage "
                "`manifest` again"
            )
        return clips

    def manifest_sha256(self) -> str:
        return manifest.sha256(self.manifest)

    def open_shards(self) -> shards.Shards:
        return shards.read(
            self.shards, self.config.features, manifest_sha256=self.manifest_sha256()
        )

    def folds(self, clips: Sequence[Clip]) -> dict[str, int]:
        return split.assign(clips, self.config.split.n_folds, self.config.split.seed)

    def models(self) -> list[str]:
        """Name the models: one for each fold and the final one, or the final one alone."""
        if self.config.split.is_holdout:
            return [train.FINAL]
        return [*(str(k) for k in range(self.config.split.n_folds)), train.FINAL]

    def measured(self) -> list[str]:
        """Name the models that are measured."""
        return self.models() if self.config.split.is_holdout else self.models()[:-1]

    def learns(self, name: str, clips: Sequence[Clip]) -> NDArray[np.bool_]:
        """Tell which clips a model learns from."""
        splits = np.array([clip.split for clip in clips])
        mine = splits == split.TRAIN if self.config.split.is_holdout else splits != name
        sure = [clip.confidence >= self.config.train.least_confidence for clip in clips]
        return np.asarray(mine & np.array(sure))

    def model(self, name: str) -> Path:
        return self.folder / "models" / name

    def heads(self, name: str) -> tuple[int, int]:
        meta = train.check(self.config, self.model(name), self.open_shards().sha256)
        if not (self.model(name) / train.WEIGHTS).exists():
            raise FatalError(f"{self.model(name)} is half trained: run the stage `train` again")
        return int(meta["n_sounds"]), int(meta["n_tags"])

    def made_from(self) -> dict[str, str]:
        """Hash what the metrics follow from, so that `export` refuses those of other models."""
        return {
            "manifest": self.manifest_sha256(),
            "evaluate": configuration.sha256(self.config.evaluate),
            **{name: rows.sha256(self.model(name) / train.WEIGHTS) for name in self.measured()},
        }


def _say(line: str) -> None:
    print(line, flush=True)


def _manifest(args: argparse.Namespace) -> None:
    run = _Run(args)
    clips = manifest.collect(args, run.folder, _say)
    clips = manifest.with_splits(clips, split.named(clips, run.config.split))
    manifest.write(run.manifest, clips)
    folds = run.folds(clips)
    _say(f"{len(clips)} clips, {len(folds)} artist groups, manifest {run.manifest_sha256()[:12]}")
    counts = dict(sorted(Counter(clip.split for clip in clips).items()))
    _say(f"split {split.sha256(folds)[:12]}: clips in each {counts}")
    for genre in GENRES:
        mine = Counter(clip.split for clip in clips if genre in clip.genres)
        groups = len({clip.artist_id for clip in clips if genre in clip.genres})
        _say(f"{genre}: {sum(mine.values())} clips, {groups} groups, {dict(sorted(mine.items()))}")


def _corpus(args: argparse.Namespace) -> None:
    run = _Run(args)
    if run.config.negatives is not None:
        negatives.run(run.folder, run.config.negatives, run.config.features, args.speech, say=_say)
        if run.config.corpus is None:
            return
    measured = manifest.fingerprints(run.folder, run.clips())
    corpus.run(run.folder, run.config, args.audio, measured=measured, n_jobs=args.jobs, say=_say)


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
    before = variants.n_done(store)
    progress = Progress(len(clips) - before, _say)
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
        progress.at(done - before, f"{done}/{len(clips)} tracks, {n_rejected} rejected")
    if args.png:
        for variant in chosen:
            examples = variants.read(store, clips, variant, config.features)
            progress = Progress(len(examples), _say)
            for done in variants.export_png(args.png / variant.id, examples, clips):
                progress.at(done, f"{variant.id}: {done}/{len(examples)} pictures")


def _study(args: argparse.Namespace) -> None:
    run = _Run(args)
    from training import findings

    config, clips, store = _grid(args, run)
    folder = args.out or run.folder / "study"
    chosen = grid.select(args.variant or ["all"])
    protocols = args.protocol or ["artists", "shuffled"]
    progress = Progress(len(chosen) * len(protocols), _say, every_s=0)
    trainings = study.run(
        folder,
        store,
        clips,
        chosen,
        protocols=protocols,
        config=config,
        n_jobs=args.jobs,
        n_threads=args.threads,
    )
    for done, found in enumerate(trainings, start=1):
        accuracy = found["log"][-1]["accuracy"]
        progress.at(done, f"{found['protocol']}: {found['variant']}  accuracy {accuracy:.3f}")
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
    progress = Progress(len(clips), _say)
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
        progress.at(done, f"{done}/{len(clips)} clips")


def _train(args: argparse.Namespace) -> None:
    run = _Run(args)
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
            say=_say,
        )

    if run.config.network is not None:
        for name in names:
            fit(train.fit, name, cached)
        return
    if args.musicnn is None:
        raise FatalError(f"{args.config}: to train heads on MusiCNN, give --musicnn WHEEL")
    from training import compact, transfer

    silent_about = negatives.read(run.folder, run.config.features)

    def hear(trunk: Any) -> Any:
        return transfer.embed(
            run.folder / "embeddings",
            run.config,
            clips,
            cached,
            trunk,
            silent_about=silent_about,
            say=_say,
        )

    if run.config.compact is None:
        heard = hear(transfer.load_body(args.musicnn))
        for name in names:
            fit(transfer.fit, name, heard)
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
            say=_say,
        )
        for name, trunk in trunks:
            fit(transfer.fit, name, hear(trunk))


def _predictions(run: _Run, name: str, clips: Sequence[Clip], args: argparse.Namespace) -> Any:
    """Hear clips by one model, or read what it said before."""
    from training import evaluate

    path = run.model(name) / "predictions.npz"
    made_from = np.array([run.manifest_sha256(), rows.sha256(run.model(name) / train.WEIGHTS)])
    ids = np.array([clip.track_id for clip in clips])
    if path.exists():
        with np.load(path) as before:
            if np.array_equal(before["made_from"], made_from) and np.array_equal(
                before["track_id"], ids
            ):
                return before["logits"]
    bundle = run.model(name) / "bundle"
    weights = run.model(name) / train.WEIGHTS
    evaluate.write_fold_bundle(run.config, weights, run.heads(name), bundle)
    logits = evaluate.hear(bundle, clips, args.data, args.jobs)
    part = path.with_name("part.npz")
    np.savez_compressed(part, logits=logits, track_id=ids, made_from=made_from)
    part.replace(path)
    return logits


def _evaluate(args: argparse.Namespace) -> None:
    run = _Run(args)
    from training import curves, evaluate

    for name in run.measured():
        run.heads(name)  # all are there and of this configuration, before an hour is spent
    holdout = run.config.split.is_holdout
    clips = [
        clip
        for clip in run.clips()
        if clip.confidence >= run.config.evaluate.least_confidence and clip.split != split.TRAIN
    ]
    splits = np.array([clip.split for clip in clips])
    logits = np.full((len(clips), len(GENRES)), np.nan)
    progress = Progress(len(clips), _say)
    n_done = 0
    for name in run.measured():
        mine = np.flatnonzero(splits == name) if not holdout else np.arange(len(clips))
        logits[mine] = _predictions(run, name, [clips[i] for i in mine], args)
        n_done += len(mine)
        progress.at(n_done, f"{n_done}/{len(clips)} clips heard")
    np.savez_compressed(
        run.folder / "predictions.npz",
        logits=logits,
        split=splits,
        track_id=np.array([clip.track_id for clip in clips]),
    )
    if holdout:
        found, drawn = evaluate.evaluate_holdout(
            clips, splits == split.TEST, logits, run.config.evaluate
        )
    else:
        found, drawn = evaluate.evaluate(clips, splits.astype(int), logits, run.config.evaluate)
    evaluate.write(run.metrics, found | {"made_from": run.made_from()})
    evaluate.write(run.folder / "curves.json", drawn)
    for path in curves.plot(drawn, run.folder / "plots"):
        _say(f"drawn: {path}")
    for name, ranking in found["metrics"]["ranking"].items():
        figures = {key: ranking[key]["value"] for key in ("top1_in_labels", "macro_map", "lrap")}
        _say(f"{name}: {ranking['n_clips']} clips, {figures}")


def _baselines(args: argparse.Namespace) -> None:
    run = _Run(args)
    from training import baselines

    clips, cached = run.clips(), run.open_shards()
    bundles = {f"`{folder.name}`": baselines.of_run(folder, clips) for folder in args.of}
    found = baselines.predict(run.config, clips, cached, run.folder / "baselines", say=_say)
    results = baselines.measure(run.config, clips, found | bundles, say=_say)
    _say(baselines.write(run.folder, results))


def _training_summary(run: _Run) -> dict[str, Any]:
    log = run.model(train.FINAL) / "log.jsonl"
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    summary: dict[str, Any] = asdict(run.config.train)
    if run.config.compact is not None:
        from training import compact

        summary["network"] = "a smaller MSD_musicnn (Pons and Serra; ISC) with heads"
        summary["compact"] = compact.summary(run.folder, run.config, train.FINAL)
    elif run.config.network is None:
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
    try:
        found = json.loads(run.metrics.read_text(encoding="utf-8"))
    except OSError as error:
        raise FatalError(f"{run.metrics} is missing: run the stage `evaluate` first") from error
    heads = [run.heads(name) for name in run.models()][-1]
    if found.pop("made_from", None) != run.made_from():
        raise FatalError(
            f"{run.metrics} is of other models or settings: run the stage `evaluate` again"
        )
    learns = run.learns(train.FINAL, clips)
    learned = [clip for clip, mine in zip(clips, learns, strict=True) if mine]
    data = {
        "description": f"{len({c.set for c in learned})} sources of labels; see MODEL_CARD.md",
        "n_clips": len(learned),
        "n_groups": len({clip.artist_id for clip in learned}),
        "hours": round(sum(clip.duration_s for clip in learned) / 3600, 1),
        "manifest_sha256": run.manifest_sha256(),
        "split_sha256": split.sha256(run.folds(clips)),
    }
    written, difference, golden = export.export(
        run.config,
        run.model(train.FINAL) / train.WEIGHTS,
        heads=heads,
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
        default=os.environ.get(DATA, "."),
        metavar="FOLDER",
        help=f"what the manifest's paths are relative to; or set {DATA}; default: here",
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
    manifest.add_arguments(
        add("manifest", _manifest, "labelled audio of any source -> manifest.jsonl", data)
    )
    corpus.add_arguments(add("corpus", _corpus, "free music without labels -> corpus/"))
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
    add("evaluate", _evaluate, "models -> metrics.json, curves.json, plots/", data)
    stage = add("baselines", _baselines, "what the models are compared with -> baselines.md")
    stage.add_argument(
        "--of",
        type=Path,
        action="append",
        default=[],
        metavar="RUN",
        help="measure this run's models, too, out of their folds; repeatable",
    )
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
