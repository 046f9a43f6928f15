"""Four databases of a few noisy clips under the names of the paper's, for whole runs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cdmer_bench.databases.base import Clip, ClipDatabase
from cdmer_bench.errors import UserError

UNREADABLE: set[str] = set()  # names of clips whose frames are damaged

CORPUS = """\
# @package corpus
defaults:
  - /database@databases.casme2: casme2
  - /database@databases.smic_hs: smic_hs
  - /database@databases.smic_vis: smic_vis
  - /database@databases.smic_nir: smic_nir
  - _self_
name: few
synthetic: true
reader:
  _target_: tests.descriptors.c3d.few_clips.FewClips
"""


@dataclass
class FewClip(Clip):
    """Noise with a bright spot whose place goes with the class (and not by the label)."""

    name: str
    subject: str
    label: int
    seed: int

    @property
    def fingerprint(self):
        return f"spot in noise {self.seed}"

    def frames(self):
        if self.name in UNREADABLE:
            raise UserError(f"{self.name}.jpg is cut short; copy it again")
        rng = np.random.default_rng(self.seed)
        clip = rng.integers(0, 150, (4 + self.seed % 3, 30, 30))
        place = 3 + 9 * (self.seed % 3)
        clip[:, 5:12, place : place + 6] += 100
        return clip.astype(np.uint8)


@dataclass
class FewClips(ClipDatabase):
    def clips(self):
        offset = 100 * len(self.name)
        return [FewClip(f"{self.name}/{i}", f"s{i // 3}", i % 3, offset + i) for i in range(6)]


def write_conf(folder: Path) -> Path:
    """Write a configuration folder with the corpus ``few``."""
    path = folder / "my_conf" / "corpus" / "few.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(CORPUS)
    return folder / "my_conf"
