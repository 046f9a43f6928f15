"""Faces: the head model of MakeHuman's CC0 data, the people drawn from it, random streams."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import DataMissing

# Part of every stream and every clip's fingerprint: raise it whenever a frame changes.
GENERATOR_VERSION = "1"


def digest(*words: object) -> str:
    """Return a SHA-256 over the words and the generator's version, in hexadecimal."""
    text = "\x1f".join(str(word) for word in ("cdmer-synthetic", GENERATOR_VERSION, *words))
    return hashlib.sha256(text.encode()).hexdigest()


def stream(*words: object) -> np.random.Generator:
    """Return the random generator that belongs to these words, such as (seed, 'smic', 's11')."""
    return np.random.Generator(np.random.PCG64(int(digest(*words), 16)))


ASSET = Path(__file__).with_name("face.npz")
_MIDLINE = 0.04  # units; half-width of the band where a two-sided unit passes from left to right


@dataclass(frozen=True)
class FaceModel:
    """A mesh whose shape and expression are sums of displacements.

    One unit is a decimetre of MakeHuman (the eyes are 0.58 apart); x points to the subject's left
    (right in the image), y up and z to the camera.
    """

    vertices: NDArray[np.float64]  # (n, 3), the mean shape
    triangles: NDArray[np.intp]  # (m, 3)
    # dict of (n,) arrays in 0..1, ``lips``, ``mouth`` (inside it) and ``ears``
    regions: dict[str, NDArray[np.float64]]
    # dict of (n, 3) arrays, displacement of each identity mode
    identity: dict[str, NDArray[np.float32]]
    # dict of (2, 3) arrays, what the mode does to the centres of the left and the right eye
    eye_identity: dict[str, NDArray[np.float64]]
    # dict of (n, 3) arrays, displacement of each action unit at full strength, keys such as
    # ``12L``, ``12R``
    units: dict[str, NDArray[np.float64]]
    eyes: NDArray[np.float64]  # (2, 3), centres of the left and the right eyeball
    # vertices along ``lid_L_upper``, ``lid_L_lower``, ``lid_R_upper``,
    # ``lid_R_lower``, ``lip_upper`` and ``lip_lower``, in order of x
    rims: dict[str, NDArray[np.intp]]
    fingerprint: str  # SHA-256 of the file

    def express(self, activations: dict[str, float]) -> NDArray[np.float64]:
        """Return the vertices' displacement, (n, 3), for strengths of sided action units."""
        move = np.zeros_like(self.vertices)
        for unit, strength in activations.items():
            move += strength * self.units[unit]
        return move

    def shape(
        self, coefficients: dict[str, float]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the vertices (n, 3) and the eye centres (2, 3) of an identity."""
        vertices, eyes = self.vertices.copy(), self.eyes.copy()
        for name, value in coefficients.items():
            vertices += value * self.identity[name]
            eyes += value * self.eye_identity[name]
        return vertices, eyes


@cache
def load_face_model() -> FaceModel:
    """Load the asset that ships with the package."""
    if not ASSET.exists():
        raise DataMissing(
            f"{ASSET} is missing: install the package again, or run scripts/build_face_asset.py"
        )
    with np.load(ASSET) as file:
        data = {name: file[name] for name in file.files}
    vertices = data["vertices"].astype(np.float64)
    return FaceModel(
        vertices=vertices,
        triangles=data["triangles"].astype(np.intp),
        regions={name: data[name] / 255.0 for name in ("lips", "mouth", "ears")},
        identity=_modes(data, "identity"),
        eye_identity=dict(
            zip(data["identity_names"].tolist(), data["eyes_identity"].astype(float), strict=True)
        ),
        units=_sided(_modes(data, "units"), vertices),
        eyes=data["eyes"].astype(np.float64),
        rims={n: data[n].astype(np.intp) for n in data if n.startswith(("lid_", "lip_"))},
        fingerprint=hashlib.sha256(ASSET.read_bytes()).hexdigest(),
    )


def _modes(data: dict[str, NDArray], name: str) -> dict[str, NDArray]:
    modes = data[name] * data[f"{name}_scale"][:, None, None]
    return dict(zip(data[f"{name}_names"].tolist(), modes, strict=True))


def _sided(units: dict[str, NDArray], vertices: NDArray) -> dict[str, NDArray]:
    """Split units that move both sides at once, such as the inner brow, at the midline."""
    left = 1 / (1 + np.exp(-np.clip(vertices[:, :1] / _MIDLINE, -50, 50)))
    sided = {}
    for name, move in units.items():
        if name[-1] in "LR":
            sided[name] = move.astype(np.float64)
        else:
            sided[name + "L"] = move * left
            sided[name + "R"] = move * (1 - left)
    return sided


PHENOTYPES = ("asian-female", "asian-male", "caucasian-female", "caucasian-male")
IDENTITY_SPREAD, IDENTITY_LIMIT = 0.26, 0.7
# Dirichlet weights of PHENOTYPES. CASME II filmed Chinese students, SMIC a mixed group.
_ORIGIN = {"casme2": (0.9, 0.9, 0.05, 0.05), "smic": (0.4, 0.5, 0.4, 0.5)}


@dataclass(frozen=True)
class Subject:
    """One person."""

    identity: dict[str, float]  # coefficient of each identity mode of the face model
    masculinity: float  # 0 to 1; drives brows and beard shadow
    skin: float  # albedo of the skin in visible light
    pose: NDArray[np.float64]  # (3,), usual pitch, yaw and roll of the head, radians
    gains: dict[str, float]  # how strongly this person shows each action unit
    bias: float  # strength of the left side over the right: exp(bias)
    key: tuple  # seed and names; further random streams of the subject start from it

    def stream(self, purpose: str) -> np.random.Generator:
        """Return a random stream of this subject's own."""
        return stream(*self.key, purpose)


def make_subject(
    seed: int,
    group: str,  # SMIC's three databases share their subjects
    name: str,  # such as ``sub17`` or ``s20``
) -> Subject:
    """Draw a subject."""
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
