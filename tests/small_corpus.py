"""A small corpus of feature files, and the arguments to run on it."""

import json
import os
import sys
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

    def add_method(self, name: str, code: str, grid: str, **parameters: object) -> None:
        """Add a method ``name`` of a class of that name, capitalised, to the configuration."""
        cards = self.folder / "my_conf" / "method"
        cards.mkdir(exist_ok=True)
        (self.folder / "my_conf" / f"{name}.py").write_text(code)
        (cards / f"{name}.yaml").write_text(
            f"# @package methods.{name}\n_target_: {name}.{name.title()}\n"
            f"label: {name.title()}\nparameters: {json.dumps(parameters, default=str)}\n"
            f"grid: {grid}\n"
        )

    def command(
        self, command: str, *more: str, before: str = "", **environment: str
    ) -> tuple[list[str], dict[str, str]]:
        """Return the words of a process that runs ``cdmer command``, and its environment.

        ``before`` is a statement, such as one that limits what the process may do.
        """
        statement = f"{before}\nimport sys\nfrom cdmer_bench.cli.main import main\nsys.exit(main())"
        importable = os.pathsep.join(folder for folder in sys.path if folder)
        return (
            [sys.executable, "-c", statement, command, *more],
            {**os.environ, "PYTHONPATH": importable, **environment},
        )

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


def grids(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every finished cell's arrays below a folder, by the cell's path."""
    return {
        "/".join(path.parts[-4:-1]): path.read_bytes()
        for path in folder.glob("cells/*/*/*/grid.npz")
    }


# A method of the user's own, to be written as it is or derived from in the same module.
NEAREST = """\
from dataclasses import dataclass
import numpy as np
from cdmer_bench.methods import Method, BatchResult

@dataclass
class Nearest(Method):
    power: float = 2.0

    def prepare(self, Xs, ys, Xt, Xq):
        means = np.stack([Xs[ys == c].mean(axis=0) for c in range(ys.max() + 1)])
        return {"distances": np.abs(Xq[:, None] - means)}

    def solve(self, prepared, settings):
        scores = [-(prepared["distances"] ** s.get("power", self.power)).sum(-1) for s in settings]
        return BatchResult.closed_form(np.argmax(scores, -1), np.array(scores))
"""
RAISING = """\
from cdmer_bench.methods import GFK

class Raising(GFK):
    def solve(self, prepared, settings):
        raise ZeroDivisionError("on purpose")
"""
CLIPS = """\
from dataclasses import dataclass
import numpy as np
from cdmer_bench.databases.base import Clip, ClipDatabase

@dataclass
class NoiseClip(Clip):
    name: str
    subject: str
    label: int
    fingerprint: str

    def frames(self):
        return np.random.default_rng(int(self.name)).integers(0, 256, (6, 20, 20)).astype(float)

@dataclass
class Noise(ClipDatabase):
    def clips(self):
        return [NoiseClip(str(i), f"s{i}", i % 3, f"noise {i}") for i in range(6)]
"""
CLIP_CORPUS = """\
# @package corpus
name: noise
synthetic: true
reader: {_target_: noise.Noise}
databases:
  left: {classes: [a, b, c]}
  right: {classes: [a, b, c]}
"""


def write_clip_corpus(folder: Path) -> None:
    """Add ``corpus=noise`` to the configuration: databases ``left`` and ``right`` of six clips."""
    (folder / "my_conf" / "noise.py").write_text(CLIPS)
    (folder / "my_conf" / "corpus" / "noise.yaml").write_text(CLIP_CORPUS)
