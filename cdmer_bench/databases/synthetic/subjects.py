"""Subjects: who is in front of the camera."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.synthetic.face_model import load_face_model
from cdmer_bench.databases.synthetic.seeding import stream

PHENOTYPES = ("asian-female", "asian-male", "caucasian-female", "caucasian-male")
IDENTITY_SPREAD, IDENTITY_LIMIT = 0.26, 0.7
# Dirichlet weights of PHENOTYPES. CASME II filmed Chinese students, SMIC a mixed group.
_ORIGIN = {"casme2": (0.9, 0.9, 0.05, 0.05), "smic": (0.4, 0.5, 0.4, 0.5)}


@dataclass(frozen=True)
class Subject:
    """One person.

    Attributes
    ----------
    identity : dict of float
        Coefficient of each identity mode of the face model.
    masculinity : float
        0 to 1; drives brows and beard shadow.
    skin : float
        Albedo of the skin in visible light.
    pose : (3,)
        Usual pitch, yaw and roll of the head, radians.
    gains : dict of float
        How strongly this person shows each action unit.
    bias : float
        Strength of the left side over the right: exp(bias).
    key : tuple
        Seed and names; further random streams of the subject start from it.
    """

    identity: dict[str, float]
    masculinity: float
    skin: float
    pose: NDArray[np.float64]
    gains: dict[str, float]
    bias: float
    key: tuple

    def stream(self, purpose: str) -> np.random.Generator:
        """Return a random stream of this subject's own."""
        return stream(*self.key, purpose)


def make_subject(seed: int, group: str, name: str) -> Subject:
    """Draw a subject.

    Parameters
    ----------
    seed
    group : {'casme2', 'smic'}
        SMIC's three databases share their subjects.
    name
        Such as ``sub17`` or ``s20``.
    """
    key = (seed, "subject", group, name)
    rng = stream(*key)
    model = load_face_model()
    modes = [mode for mode in model.identity if mode not in PHENOTYPES]
    values = rng.normal(0, IDENTITY_SPREAD, len(modes)).clip(-IDENTITY_LIMIT, IDENTITY_LIMIT)
    mixture = rng.dirichlet(np.array(_ORIGIN[group]))
    # The head's outlines (round, square, oval, ...) exclude one another: half of each will do.
    share = [0.5 if mode.startswith("head-") else 1.0 for mode in modes]
    identity = dict(zip(modes, (values * share).tolist(), strict=True))
    identity |= dict(zip(PHENOTYPES, mixture.tolist(), strict=True))
    units = sorted({unit[:-1] for unit in model.units})
    gains = np.exp(rng.normal(0, 0.25, len(units)))
    return Subject(
        identity=identity,
        masculinity=float(mixture[1] + mixture[3]),
        skin=float(rng.uniform(0.50, 0.68)),
        pose=rng.normal(0, np.radians([2.5, 3.0, 1.0])),
        gains=dict(zip(units, gains.tolist(), strict=True)),
        bias=float(rng.normal(0, 0.2)),
        key=key,
    )
