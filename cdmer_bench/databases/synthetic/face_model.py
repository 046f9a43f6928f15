"""The head: a mean shape, identity modes and action units, from MakeHuman's CC0 data."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import DataMissing

ASSET = Path(__file__).with_name("face.npz")
_MIDLINE = 0.04  # units; half-width of the band where a two-sided unit passes from left to right


@dataclass(frozen=True)
class FaceModel:
    """A mesh whose shape and expression are sums of displacements.

    One unit is a decimetre of MakeHuman (the eyes are 0.58 apart); x points to the subject's left
    (right in the image), y up and z to the camera.

    Attributes
    ----------
    vertices : (n, 3)
        The mean shape.
    triangles : (m, 3)
    regions : dict of (n,) arrays in 0..1
        ``lips``, ``mouth`` (inside it) and ``ears``.
    identity : dict of (n, 3) arrays
        Displacement of each identity mode.
    eye_identity : dict of (2, 3) arrays
        What the mode does to the centres of the left and the right eye.
    units : dict of (n, 3) arrays
        Displacement of each action unit at full strength, keys such as ``12L``, ``12R``.
    eyes : (2, 3)
        Centres of the left and the right eyeball.
    rims : dict of index arrays
        Vertices along ``lid_L_upper``, ``lid_L_lower``, ``lid_R_upper``, ``lid_R_lower``,
        ``lip_upper`` and ``lip_lower``, in order of x.
    fingerprint : str
        SHA-256 of the file.
    """

    vertices: NDArray[np.float64]
    triangles: NDArray[np.intp]
    regions: dict[str, NDArray[np.float64]]
    identity: dict[str, NDArray[np.float32]]
    eye_identity: dict[str, NDArray[np.float64]]
    units: dict[str, NDArray[np.float64]]
    eyes: NDArray[np.float64]
    rims: dict[str, NDArray[np.intp]]
    fingerprint: str

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
    """Load the asset that ships with the package.

    Raises
    ------
    DataMissing
        If the package was installed without it.
    """
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
