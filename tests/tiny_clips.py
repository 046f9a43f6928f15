"""A database of small random clips, for tests of extraction and its store."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cdmer_bench.databases.base import Clip, ClipDatabase
from cdmer_bench.descriptors import HOGTOP, LBPTOP
from cdmer_bench.errors import UserError
from cdmer_bench.features import Features, FeatureStore
from cdmer_bench.parallel import Backend
from cdmer_bench.preprocessing import Preprocessing

BOTH = ["lbp", "hog"]
SEQUENTIAL = Backend("sequential")


@dataclass
class TinyClip(Clip):
    """Noise of a seed; logs that it was read, and fails where told to."""

    name: str
    subject: str
    label: int
    seed: int
    log: str = ""
    broken: bool = False
    kills: bool = False

    @property
    def fingerprint(self):
        return f"noise of seed {self.seed}"

    def frames(self):
        if self.log:
            with open(self.log, "a") as log:
                log.write(f"{self.name}\n")
        if self.kills:
            raise KeyboardInterrupt
        if self.broken:
            raise UserError("a frame is damaged")
        shape = (5 + self.seed % 3, 20, 18)
        return np.random.default_rng(self.seed).integers(0, 256, shape, dtype=np.uint8)

    @classmethod
    def some(cls, count: int, log: Path | str = "") -> "list[TinyClip]":
        return [cls(f"clip{i}", f"s{i // 2}", i % 3, i, str(log)) for i in range(count)]


@dataclass
class TinyClips(ClipDatabase):
    given: list = field(default_factory=list)

    def clips(self):
        return self.given


def descriptor() -> LBPTOP:
    return LBPTOP(R=1, P=4, grids=(1, 2))


def preprocessing() -> Preprocessing:
    return Preprocessing(n_frames=6, shape=(16, 16))


def make(folder: Path, clips: list | None = None, log: Path | str = "") -> tuple:
    """Return the features of six clips, or those given, by two descriptors, and the database."""
    database = TinyClips("tiny", given=clips or TinyClip.some(6, log))
    kinds = {"lbp": descriptor(), "hog": HOGTOP(bins=4, grids=(1,))}
    return Features({"tiny": database}, kinds, preprocessing(), FeatureStore(folder)), database


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file of features below a folder."""
    return {path.name: path.read_bytes() for path in folder.rglob("*.npz")}
