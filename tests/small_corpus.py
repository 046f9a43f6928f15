"""A small corpus of feature files, and the arguments to run on it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

N_CLASSES, N_BLOCKS, BLOCK_DIM = 3, 5, 6


def draw_features(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Histograms of ``N_BLOCKS`` blocks around class means that all databases share."""
    means = np.random.default_rng(0).gamma(2.0, size=(N_CLASSES, N_BLOCKS, BLOCK_DIM))
    rng = np.random.default_rng(seed)
    y = np.arange(n) % N_CLASSES
    X = means[y] * rng.gamma(3.0, size=(n, N_BLOCKS, BLOCK_DIM)) + 0.1 * seed
    return X / X.sum(axis=-1, keepdims=True), y


@dataclass
class Corpus:
    """A folder with feature files, a configuration folder, results and cache."""

    folder: Path

    def write(self, name: str, X: np.ndarray, y: np.ndarray) -> None:
        np.savez(self.folder / f"{name}.npz", features=X, labels=y)

    def arguments(self, *more: str) -> list[str]:
        return [
            "--config-dir",
            str(self.folder / "my_conf"),
            "corpus=small",
            "descriptor=given",
            f"results.dir={self.folder / 'results'}",
            f"cache.dir={self.folder / 'cache'}",
            *more,
        ]
