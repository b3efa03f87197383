"""Regression from sums alone, so that any number of places can be learned from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from training.arrays import Floats, Numbers

_REGULARISED = 1e-5  # of the mean variance of what units look at


@dataclass
class Moments:
    """Sums over what units look at, `x`, with a one behind it, and what they hear there, `y`."""

    xx: Numbers = field(default_factory=lambda: np.zeros(()))
    xy: Numbers = field(default_factory=lambda: np.zeros(()))
    yy: Numbers = field(default_factory=lambda: np.zeros(()))
    n: int = 0

    def add(self, x: Floats, y: Floats) -> None:
        """Add places: what is looked at, (n, n_values), and heard there, (n, n_units)."""
        wide = np.pad(x, ((0, 0), (0, 1)), constant_values=1).astype(np.float32)
        deep = y.astype(np.float32)
        self.xx = self.xx + (wide.T @ wide).astype(np.float64)
        self.xy = self.xy + (wide.T @ deep).astype(np.float64)
        self.yy = self.yy + (deep.astype(np.float64) ** 2).sum(axis=0)
        self.n += len(x)

    def regression(self, rank: int) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        """Regress what units hear on what they look at, by way of `rank` values if not 0.

        Regression says too little of what is rare, and units are silent where they hear
        little; so each unit's variance is brought back to its teacher's.

        Returns
        -------
        narrow : numpy.ndarray, shape (n_values, rank or n_units)
        wide : numpy.ndarray, shape (rank or n_units, n_units)
        bias : numpy.ndarray, shape (n_units,)
        explained : numpy.ndarray, shape (n_units,)
            Share of each unit's variance.
        """
        mean_x, mean_y = self.xx[-1, :-1] / self.n, self.xy[-1] / self.n
        variance = np.maximum(self.yy / self.n - mean_y**2, 1e-12)
        covariance = self.xx[:-1, :-1] / self.n - np.outer(mean_x, mean_x)
        shared = self.xy[:-1] / self.n - np.outer(mean_x, mean_y)
        ridge = _REGULARISED * np.trace(covariance) / len(covariance)
        full = np.linalg.solve(covariance + ridge * np.eye(len(covariance)), shared)
        narrow, wide = full, np.eye(full.shape[1])
        if rank:
            standard = full / np.sqrt(variance)
            _, directions = np.linalg.eigh(standard.T @ covariance @ standard)
            kept = directions[:, -rank:]
            narrow, wide = standard @ kept, kept.T * np.sqrt(variance)
        product = narrow @ wide
        told = np.einsum("iu,ij,ju->u", product, covariance, product)
        wide = wide * np.sqrt(variance / np.maximum(told, 1e-12))
        return narrow, wide, mean_y - mean_x @ narrow @ wide, told / variance
