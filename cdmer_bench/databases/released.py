"""The features that the authors of the benchmark released: one MATLAB file a database."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.databases.base import (
    EMOTIONS,
    Account,
    FeatureDatabase,
    FeatureSet,
    finding,
    table,
)
from cdmer_bench.databases.feature_files import (
    check_features,
    encode_labels,
    list_variables,
    locate,
    read_variables,
)
from cdmer_bench.errors import DataMissing, UserError, closest, listed, positive_integer
from cdmer_bench.io import file_hash, user_path
from cdmer_bench.protocol import BLOCK_GRIDS

FETCH = "run 'cdmer data fetch released' or give the folder with corpus.root=DIR"


class Released(NamedTuple):
    """One descriptor as the authors extracted it."""

    token: str  # its name in the files' names
    n_planes: int
    n_bins: int

    @property
    def width(self) -> int:
        """Number of values in a vector."""
        return _count_blocks(BLOCK_GRIDS) * self.n_planes * self.n_bins


DESCRIPTORS = {name: Released(*known) for name, known in table("released_descriptors").items()}


def released_file(database: str, descriptor: str) -> str:
    """Return the file name of a database and a descriptor, both by their keys."""
    if descriptor not in DESCRIPTORS:
        raise DataMissing(
            f"no released file holds the descriptor {descriptor!r}; "
            f"{closest(descriptor, DESCRIPTORS)}"
        )
    return f"CrossCorpus_{DESCRIPTORS[descriptor].token}_{database.upper()}_112by112.mat"


def load_released(path: str | Path, classes: tuple[str, ...] = EMOTIONS) -> FeatureSet:
    """Load a file of the authors' features, MATLAB v7.3 or v5.

    The variables are ``<DB>_micro_feature`` (n x D) and ``<DB>_micro_label`` (n x 1); labels are
    1 negative, 2 positive, 3 surprise. The descriptor is recognised by the file's name, else by
    the vectors' width.

    Parameters
    ----------
    path
        Such as ``CrossCorpus_LBPTOP_R3P8_SMIC_VIS_112by112.mat``.
    classes
        Names of the classes, in the order in which ``y`` counts them.

    Returns
    -------
    FeatureSet
        ``X`` is (n, 85, 3, n_bins) in the order of `from_released_layout`'s blocks, for LBP-SIP
        (n, 85, 20); ``y`` indexes ``classes``; ``subject`` is None, as the files do not tell.

    Raises
    ------
    DataMissing
        If there is no such file.
    UserError
        If the file is damaged or holds something else.
    """
    path = locate(user_path(path), FETCH)
    feature_name, label_name = _find_variables(path)
    arrays = read_variables(path, (feature_name, label_name))
    codes = dict(enumerate(EMOTIONS, start=1))
    y = encode_labels(arrays[label_name], classes, f"{path}: {label_name}", label_map=codes)
    X = check_features(arrays[feature_name], f"{path}: {feature_name}")
    if X.ndim != 2 or len(X) != len(y):
        raise UserError(
            f"{path}: {feature_name} has shape {X.shape} and {label_name} {len(y)} labels, "
            "expected one row of features a label"
        )
    blocks = _cut_blocks(X, path)
    return FeatureSet(_database_key(path, feature_name), blocks, y, None, classes, file_hash(path))


@dataclass
class ReleasedDatabase(FeatureDatabase):
    """One database of the authors' released features.

    Attributes
    ----------
    root : str
        Folder of the files; ``~`` is the user's home.
    released_name : str
        The database's name in the files, where it is not that of one of the paper's four.
    """

    root: str = "~/.local/share/cdmer-bench/released"
    released_name: str = ""

    def __post_init__(self) -> None:
        self.classes = tuple(str(c) for c in self.classes)
        if set(self.classes) != set(EMOTIONS):
            raise UserError(
                f"database {self.name!r} has the classes {', '.join(self.classes)}, but the "
                f"released features have {', '.join(EMOTIONS)}"
            )

    def held(self) -> Sequence[str]:
        """List the descriptors that there are files for, by their keys."""
        return [name for name in DESCRIPTORS if self.path(name).is_file()]

    def path(self, descriptor: str) -> Path:
        """Return where the file of a descriptor is expected."""
        name = released_file(self.released_name or self.name, descriptor)
        return user_path(self.root) / name

    def load(self, descriptor: str) -> FeatureSet:
        """Load the features of a descriptor; see `load_released`."""
        return replace(load_released(self.path(descriptor), self.classes), database=self.name)

    def account(self, descriptor: str | None = None) -> Account:
        """Count the samples; name the files of this database that fit no descriptor."""
        counted = super().account(descriptor)
        ending = f"_{self.released_name or self.name}_112by112.mat".lower()
        known = {self.path(name).name.lower() for name in DESCRIPTORS}
        for path in sorted(user_path(self.root).glob("CrossCorpus_*.mat")):
            name = path.name.lower()
            if name.endswith(ending) and name not in known:
                tokens = ", ".join(one.token for one in DESCRIPTORS.values())
                counted.findings.append(finding("unknown-released-file", path, tokens=tokens))
        return counted


def _find_variables(path: Path) -> tuple[str, str]:
    """Return the names of the feature and label variables, which carry the database's name."""
    found = list_variables(path)
    features = sorted(name for name in found if name.endswith("_micro_feature"))
    labels = sorted(name for name in found if name.endswith("_micro_label"))
    if len(features) != 1 or len(labels) != 1:
        shown = ", ".join(f"{name} {shape}" for name, shape in sorted(found.items())[:20])
        raise UserError(
            f"{path} has the variables {shown or '(none)'}, expected one <DB>_micro_feature and "
            "one <DB>_micro_label; for features of your own use corpus=matfiles"
        )
    return features[0], labels[0]


def _cut_blocks(X: NDArray[np.float64], path: Path) -> NDArray[np.float64]:
    """Cut vectors into blocks by the descriptor that the file's name, or else the width, tells."""
    width = X.shape[1]
    named = re.match(r"CrossCorpus_([A-Za-z]+_[A-Za-z0-9]+)_", path.name)
    found = [d for d in DESCRIPTORS.values() if named and d.token == named[1]]
    if found and found[0].width != width:
        raise UserError(
            f"{path} holds vectors of {width} values, expected {found[0].width} for "
            f"{found[0].token}; it is truncated or not what its name says"
        )
    found = found or [d for d in DESCRIPTORS.values() if d.width == width]
    if not found:
        widths = ", ".join(str(w) for w in sorted({d.width for d in DESCRIPTORS.values()}))
        raise UserError(
            f"{path} holds vectors of {width} values, expected one of {widths} "
            f"({_count_blocks(BLOCK_GRIDS)} blocks); for other features use corpus=matfiles"
        )
    blocks = from_released_layout(X, n_planes=found[0].n_planes)
    return blocks if found[0].n_planes > 1 else blocks[:, :, 0, :]


def _database_key(path: Path, feature_name: str) -> str:
    # Older files of SMIC HS use the variable SMIC_micro_feature, so the file's name goes first.
    for key in table("released_files"):
        if key in path.name.lower().replace("-", "_"):
            return key
    token = feature_name.removesuffix("_micro_feature")
    return {"smic": "smic_hs"}.get(token.lower(), token.lower())


def from_released_layout(
    flat: ArrayLike, grids: Sequence[int] = BLOCK_GRIDS, n_planes: int = 3
) -> NDArray[np.float64]:
    """Cut released feature vectors into blocks.

    The authors' vectors are plane-major inside each grid: for each grid in turn, the first plane
    of all its blocks, then the second plane of all its blocks, and so on. So their consecutive
    runs of 177 values are *not* facial blocks. Blocks of a grid are ordered column by column
    (the row index runs fastest), here as there.

    Parameters
    ----------
    flat : array, shape (n_samples, n_features), or (n_features,) for one clip
        ``n_features`` is ``n_blocks * n_planes * n_bins`` for some number of bins.
    grids : sequence of int
        Blocks along each side of the face, coarse to fine as in the vector.
    n_planes : int
        3 for descriptors on three orthogonal planes.

    Returns
    -------
    ndarray of float64, shape (n_samples, n_blocks, n_planes, n_bins)
        Without the first axis for one clip.

    Raises
    ------
    UserError
        If the width is not a multiple of ``n_blocks * n_planes``.
    """
    vectors = np.asarray(flat, dtype=np.float64)
    if vectors.ndim == 1:
        return from_released_layout(vectors[np.newaxis], grids, n_planes)[0]
    if vectors.ndim != 2:
        raise UserError(
            f"released features have shape {vectors.shape}, expected (n_samples, n_features)"
        )
    n_samples, width = vectors.shape
    n_blocks = _count_blocks(grids)
    if width == 0 or width % (n_blocks * n_planes):
        raise UserError(
            f"a feature width of {width} is not a multiple of {n_blocks} blocks x {n_planes} "
            f"planes (grids {list(grids)}); name the grids and planes that the features have"
        )
    n_bins = width // (n_blocks * n_planes)
    sizes = np.square(grids)
    runs = np.split(vectors, np.cumsum(sizes)[:-1] * n_planes * n_bins, axis=1)
    cut = [
        run.reshape(n_samples, n_planes, size, n_bins).swapaxes(1, 2)
        for run, size in zip(runs, sizes, strict=True)
    ]
    return np.ascontiguousarray(np.concatenate(cut, axis=1))


def to_released_layout(X: ArrayLike, grids: Sequence[int] = BLOCK_GRIDS) -> NDArray[np.float64]:
    """Put blocks back into the released order; the exact inverse of `from_released_layout`.

    Parameters
    ----------
    X : array, shape (n_samples, n_blocks, n_planes, n_bins) or (n_samples, n_blocks, n_bins)
        The second form counts as one plane. One clip is (n_blocks, n_planes, n_bins).
    grids : sequence of int
        As for `from_released_layout`.

    Returns
    -------
    ndarray of float64, shape (n_samples, n_blocks * n_planes * n_bins)
        Without the first axis for one clip.

    Raises
    ------
    UserError
        If the number of blocks is not that of ``grids``.
    """
    blocks = np.asarray(X, dtype=np.float64)
    n_blocks = _count_blocks(grids)
    if blocks.ndim == 3 and blocks.shape[1] != n_blocks == blocks.shape[0]:
        return to_released_layout(blocks[np.newaxis], grids)[0]
    if blocks.ndim == 3:
        blocks = blocks[:, :, np.newaxis, :]
    if blocks.ndim != 4 or blocks.shape[1] != n_blocks:
        raise UserError(
            f"features have shape {np.shape(X)}, expected (n_samples, {n_blocks}, n_planes, "
            f"n_bins) for the grids {list(grids)}"
        )
    sizes = np.square(grids)
    width = blocks.shape[2] * blocks.shape[3]
    runs = [
        part.swapaxes(1, 2).reshape(len(blocks), size * width)
        for part, size in zip(np.split(blocks, np.cumsum(sizes)[:-1], axis=1), sizes, strict=True)
    ]
    return np.ascontiguousarray(np.concatenate(runs, axis=1))


def _count_blocks(grids: Sequence[int]) -> int:
    items = listed("grids", grids, "whole numbers of at least 1, such as [1, 2, 4, 8]")
    return sum(positive_integer("a grid", g) ** 2 for g in items)
