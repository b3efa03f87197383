"""The plan of the study: which variant is trained by which protocol, how often, in which order.

The pairs that decide (`PlanConfig.decisive`, each with and without copies) are trained by every
protocol, artists apart on every fold in turn, and there again with other seeds on the first fold.
All other variants are trained once artists apart and once shuffled. What tells most comes first,
so that a study that is stopped early has answered the larger questions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.study.config import StudyConfig
from training.study.grid import VARIANTS, Variant, parse
from training.study.protocols import PROTOCOLS


@dataclass(frozen=True)
class Training:
    """One training of the study.

    Attributes
    ----------
    variant : Variant
    protocol : str
    fold : int
        How often test and validation were moved on; 0 but for "artists".
    seed : int
        Of the first weights, the batches and the dropout; not of the split.
    """

    variant: Variant
    protocol: str
    fold: int
    seed: int

    @property
    def id(self) -> str:
        """Its name in messages."""
        return f"{self.protocol} {self.variant.id} fold {self.fold} seed {self.seed}"

    def path(self, folder: Path) -> Path:
        """Name its files in the folder of the results, without suffix."""
        name = f"fold-{self.fold}-seed-{self.seed}"
        return folder / self.protocol / self.variant.id / name


def pair(name: str) -> tuple[Variant, Variant]:
    """Look up a variant without copies, and the same with them."""
    plain = parse(name)
    return plain, Variant(plain.mfcc, plain.deltas, True, plain.seconds)


def decisive(config: StudyConfig) -> list[Variant]:
    """List the variants that decide, pair by pair."""
    return [variant for name in config.plan.decisive for variant in pair(name)]


def trainings(
    config: StudyConfig,
    chosen: Sequence[Variant] = VARIANTS,
    protocols: Sequence[str] = PROTOCOLS,
) -> list[Training]:
    """Lay out the trainings of some variants by some protocols, what tells most first."""
    return [
        training
        for training in _everything(config)
        if training.variant in chosen and training.protocol in protocols
    ]


def _everything(config: StudyConfig) -> Iterator[Training]:
    seed = config.train.seed
    deciding = decisive(config)
    others = [variant for variant in VARIANTS if variant not in deciding]
    for name in config.plan.decisive:
        for protocol in ("shuffled", "tracks", "artists"):
            for variant in pair(name):
                yield Training(variant, protocol, 0, seed)
    for fold in range(1, config.split.n_rotations):
        for variant in deciding:
            yield Training(variant, "artists", fold, seed)
    for variant in sorted(others, key=lambda variant: _work(variant, config)):
        for protocol in ("artists", "shuffled"):
            yield Training(variant, protocol, 0, seed)
    for other in range(1, config.plan.n_seeds):
        for variant in deciding:
            yield Training(variant, "artists", 0, seed + other)


def work(trainings: Sequence[Training], config: StudyConfig) -> int:
    """Estimate how long trainings take, in a unit that is proportional to seconds."""
    return sum(_work(training.variant, config) for training in trainings)


def _work(variant: Variant, config: StudyConfig) -> int:
    return int(np.prod(variant.shape_in(config.features)))
