"""Features of the user's own, from .mat, .npz or .csv files that a configuration describes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.base import EMOTIONS, FeatureDatabase, FeatureSet
from cdmer_bench.databases.feature_files import (
    locate,
    read_csv_columns,
    read_variables,
)
from cdmer_bench.databases.layout import GRIDS, from_released_layout
from cdmer_bench.databases.validation import check_features, encode_labels, label_vector
from cdmer_bench.errors import DataMissing, UserError, closest
from cdmer_bench.io import file_hash, user_path

LAYOUTS = ("auto", "samples_rows", "samples_columns")
BLOCK_LAYOUTS = ("block_major", "released")
FILE_KEYS = ("path", "features", "labels", "subjects", "layout", "blocks")
BLOCK_KEYS = ("n_blocks", "layout", "grids", "n_planes")


@dataclass
class FileFeatureDatabase(FeatureDatabase):
    """A database of any name, classes and feature width, described by its configuration.

    Attributes
    ----------
    root : str
        Folder that the paths start from; ``~`` is the user's home.
    files : mapping from str to str or mapping
        Descriptor key to the path of its file (.mat of any version, .npz or .csv), or to a
        mapping with ``path`` and any of ``features``, ``labels``, ``subjects``, ``layout`` and
        ``blocks`` that differ in this file.
    features, labels, subjects : str
        Names of the variables. ``subjects`` may be None. In a .csv file ``features`` is the
        common start of the columns' names, or ``*`` for all but labels and subjects.
    first_label : int
        The number that stands for the first class: 1 as in MATLAB, or 0.
    label_map : mapping, optional
        From the values in the file to names of classes; takes the place of ``first_label``.
    layout : {'auto', 'samples_rows', 'samples_columns'}
        Which axis of a feature matrix counts samples; 'auto' takes rows, but in a .mat file the
        axis that is as long as the labels. Arrays of three or more axes have samples first.
    blocks : mapping, optional
        How a vector divides into facial blocks, for methods that need them:
        ``{n_blocks: 85, layout: block_major}`` or
        ``{layout: released, grids: [1, 2, 4, 8], n_planes: 3}``. None leaves vectors whole.
    """

    root: str = "."
    files: Mapping[str, Any] = field(default_factory=dict)
    features: str = "features"
    labels: str = "labels"
    subjects: str | None = None
    first_label: int = 1
    label_map: Mapping[Any, str] | None = None
    layout: str = "auto"
    blocks: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        self.classes = tuple(str(c) for c in self.classes or EMOTIONS)
        if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes):
            raise UserError(
                f"database {self.name!r} has the classes {list(self.classes)}, expected at "
                "least two different names"
            )
        if not isinstance(self.files, Mapping) or not self.files:
            raise UserError(
                f"database {self.name!r} names no files; write files: {{descriptor: path}}"
            )

        if not isinstance(self.first_label, int):
            raise UserError(
                f"databases.{self.name}.first_label is {self.first_label!r}, expected the whole "
                "number of the first class, such as 1"
            )

    def path(self, descriptor: str) -> Path:
        """Return where the file of a descriptor is expected."""
        return user_path(self.root) / user_path(self._entry(descriptor)["path"])

    def load(self, descriptor: str) -> FeatureSet:
        """Load the features of a descriptor, a key of ``files``.

        Raises
        ------
        DataMissing
            If the database has no file for the descriptor, or the file does not exist.
        UserError
            If the file is damaged, lacks a variable, or its content contradicts the description.
        """
        entry = self._entry(descriptor)
        path = locate(self.path(descriptor), f"correct databases.{self.name}.files or root")
        arrays = _read(path, entry)
        label_name = f"{path}: {entry['labels']}"
        y = encode_labels(
            label_vector(arrays["labels"], label_name),
            self.classes,
            label_name,
            self.first_label,
            self.label_map,
        )
        layout = entry["layout"]
        if layout == "auto" and path.suffix.lower() != ".mat":
            layout = "samples_rows"
        X = _orient(arrays["features"], len(y), layout, f"{path}: {entry['features']}")
        X = check_features(X, f"{path}: {entry['features']}")
        if entry["blocks"] is not None:
            X = cut_blocks(X, entry["blocks"], str(path))
        subject = arrays.get("subjects")
        if subject is not None:
            subject = _subjects(subject, len(y), f"{path}: {entry['subjects']}")
        return FeatureSet(self.name, X, y, subject, self.classes, file_hash(path))

    def fingerprint(self, descriptor: str) -> str:
        """Return the SHA-256 of the descriptor's file."""
        advice = f"correct databases.{self.name}.files or root"
        return file_hash(locate(self.path(descriptor), advice))

    def _entry(self, descriptor: str) -> dict[str, Any]:
        """Return what describes a descriptor's file, defaults included."""
        if descriptor not in self.files:
            raise DataMissing(
                f"database {self.name!r} has no file for the descriptor {descriptor!r}; "
                f"{closest(descriptor, self.files)}"
            )
        given = self.files[descriptor]
        own = dict(given) if isinstance(given, Mapping) else {"path": given}
        unknown = sorted(set(own) - set(FILE_KEYS))
        if unknown or not isinstance(own.get("path"), str):
            raise UserError(
                f"databases.{self.name}.files.{descriptor} has "
                f"{f'the unknown key {unknown[0]!r}' if unknown else 'no path'}; "
                f"expected a path, or a mapping with {', '.join(FILE_KEYS)}"
            )
        entry = {key: getattr(self, key) for key in FILE_KEYS[1:]} | own
        if entry["layout"] not in LAYOUTS:
            raise UserError(
                f"databases.{self.name}: layout is {entry['layout']!r}, "
                f"expected one of {', '.join(LAYOUTS)}"
            )
        return entry


def cut_blocks(X: NDArray[np.float64], blocks: Mapping[str, Any], where: str) -> NDArray:
    """Divide feature vectors into facial blocks.

    Parameters
    ----------
    X : ndarray, shape (n_samples, n_features)
    blocks : mapping
        As ``FileFeatureDatabase.blocks``.
    where : str
        The file, to begin the error's sentence.

    Returns
    -------
    ndarray, shape (n_samples, n_blocks, block_dim) or (n_samples, n_blocks, n_planes, n_bins)

    Raises
    ------
    UserError
        If the width is not a multiple of the blocks.
    """
    if not isinstance(blocks, Mapping):
        raise UserError(
            f"{where}: blocks is {blocks!r}, expected a mapping such as "
            "{n_blocks: 85, layout: block_major}"
        )
    unknown = sorted(set(blocks) - set(BLOCK_KEYS))
    layout = blocks.get("layout", "block_major")
    if unknown or layout not in BLOCK_LAYOUTS:
        raise UserError(
            f"{where}: blocks has {f'the unknown key {unknown[0]!r}' if unknown else layout!r}, "
            f"expected the keys {', '.join(BLOCK_KEYS)}, and layout {' or '.join(BLOCK_LAYOUTS)}"
        )
    if X.ndim != 2:
        raise UserError(
            f"{where} holds features of shape {X.shape}, which has its blocks already; "
            "leave blocks out of the configuration"
        )
    try:
        grids = [int(g) for g in blocks.get("grids", GRIDS)]
        n_blocks = int(blocks.get("n_blocks", sum(g * g for g in grids)))
        n_planes = int(blocks.get("n_planes", 3))
    except (TypeError, ValueError):
        raise UserError(
            f"{where}: blocks is {dict(blocks)}, expected whole numbers for n_blocks and "
            "n_planes and a list of them for grids"
        ) from None
    if layout == "released":
        if n_blocks != sum(g * g for g in grids):
            raise UserError(
                f"{where}: blocks says n_blocks {n_blocks}, but the grids {grids} have "
                f"{sum(g * g for g in grids)}; correct either"
            )
        return from_released_layout(X, grids, n_planes)
    if n_blocks < 1 or X.shape[1] % n_blocks:
        raise UserError(
            f"{where} holds vectors of {X.shape[1]} values, which do not divide into "
            f"{n_blocks} blocks; correct blocks.n_blocks or leave blocks out"
        )
    return X.reshape(len(X), n_blocks, -1)


def _read(path: Path, entry: Mapping[str, Any]) -> dict[str, NDArray]:
    """Return the arrays ``features``, ``labels`` and perhaps ``subjects`` of a file."""
    if path.suffix.lower() == ".csv":
        return read_csv_columns(path, entry["features"], entry["labels"], entry["subjects"])
    roles = {role: entry[role] for role in ("features", "labels", "subjects")}
    names = [name for name in roles.values() if name is not None]
    arrays = read_variables(path, names)
    return {role: arrays[name] for role, name in roles.items() if name is not None}


def _orient(X: NDArray, n_labels: int, layout: str, where: str) -> NDArray:
    """Return features with samples along the first axis."""
    if X.ndim == 2:
        fits = [axis for axis in (0, 1) if X.shape[axis] == n_labels]
        if layout == "auto" and len(fits) == 2:
            raise UserError(
                f"{where} has shape {X.shape}, as many samples as features, so which axis "
                "counts samples cannot be told; set layout to samples_rows or samples_columns"
            )
        if layout == "samples_columns" or (layout == "auto" and fits == [1]):
            X = X.T
    elif layout == "samples_columns":
        raise UserError(f"{where} has shape {X.shape}; samples_columns needs a matrix")
    if X.ndim < 2 or len(X) != n_labels:
        raise UserError(
            f"{where} has shape {X.shape}, but there are {n_labels} labels; "
            "expected one sample a label"
        )
    return X


def _subjects(values: NDArray, n_samples: int, where: str) -> NDArray[np.str_]:
    flat = np.ravel(values)
    if len(flat) != n_samples:
        raise UserError(f"{where} names {len(flat)} subjects for {n_samples} samples")
    return np.array([_subject_name(value) for value in flat.tolist()])


def _subject_name(value: object) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else str(value).strip()  # type: ignore[call-overload]
