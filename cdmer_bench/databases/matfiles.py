"""Features of the user's own, from .mat, .npz or .csv files that a configuration describes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.base import EMOTIONS, FeatureDatabase, FeatureSet, finding
from cdmer_bench.databases.checks import alike, repeated_rows, subject_form
from cdmer_bench.databases.feature_files import (
    check_features,
    encode_labels,
    locate,
    one_each,
    read_features,
)
from cdmer_bench.databases.released import from_released_layout
from cdmer_bench.errors import DataMissing, UserError, choice, closest, listed, positive_integer
from cdmer_bench.io import file_hash, user_path
from cdmer_bench.protocol import BLOCK_GRIDS

NORMALISATIONS = ("none", "sum", "l2", "zscore")
LAYOUTS = ("auto", "samples_rows", "samples_columns")
BLOCK_LAYOUTS = ("block_major", "released")
FILE_KEYS = ("path", "features", "labels", "subjects", "layout", "blocks", "normalise")
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
        common start of the columns' names, a list of names, or ``*`` for all but labels, subjects
        and what is no feature by its name or content (row numbers, texts, codes of the labels).
    first_label : int, optional
        The number that stands for the first class: 1 as in MATLAB, or 0. None is 1, as long as
        no label is also the name of another class.
    label_map : mapping, optional
        From the values in the file to names of classes; takes the place of ``first_label``.
    layout : {'auto', 'samples_rows', 'samples_columns'}
        Which axis of a feature matrix counts samples; 'auto' takes rows, but in a .mat file the
        axis that is as long as the labels. Arrays of three or more axes have samples first.
    blocks : mapping, optional
        How a vector divides into facial blocks, for methods that need them:
        ``{n_blocks: 85, layout: block_major}`` or
        ``{layout: released, grids: [1, 2, 4, 8], n_planes: 3}``. None leaves vectors whole.
    normalise : {'none', 'sum', 'l2', 'zscore'} or a list of them, one after the other
        'sum' and 'l2' scale each sample to a sum of absolute values, or a Euclidean norm, of 1;
        'zscore' gives each feature mean 0 and standard deviation 1 over this database.
    """

    root: str = "."
    files: Mapping[str, Any] = field(default_factory=dict)
    features: str | Sequence[str] = "features"
    labels: str = "labels"
    subjects: str | None = None
    first_label: int | None = None
    label_map: Mapping[Any, str] | None = None
    layout: str = "auto"
    blocks: Mapping[str, Any] | None = None
    normalise: str | Sequence[str] = "none"

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
        first = self.first_label
        if first is not None and (type(first) is not int or first < 0):
            raise UserError(
                f"databases.{self.name}.first_label is {first!r}, expected the whole number of "
                "the first class, such as 1"
            )

    def held(self) -> Sequence[str]:
        """List the descriptors that there are files for, by their keys."""
        return list(self.files)

    def path(self, descriptor: str) -> Path:
        """Return where the file of a descriptor is expected."""
        return user_path(self.root) / user_path(self._entry(descriptor)["path"])

    def load(self, descriptor: str) -> FeatureSet:
        """Load the features of a descriptor, a key of ``files``."""
        entry = self._entry(descriptor)
        path = locate(self.path(descriptor), f"correct databases.{self.name}.files or root")
        held = read_features(path, entry["features"], entry["labels"], entry["subjects"])
        where = f"{path}: {entry['labels']}"
        y = encode_labels(held.labels, self.classes, where, self.first_label, self.label_map)
        layout = entry["layout"]
        if layout == "auto" and path.suffix.lower() != ".mat":
            layout = "samples_rows"
        where = f"{path}: {entry['features']}"
        X = check_features(_samples_first(held.X, len(y), layout, where), where)
        X, names = _normalised(X, entry["normalise"]), held.names
        if entry["blocks"] is not None:
            X = _cut_blocks(X, entry["blocks"], str(path))
            if names is not None:
                places = _cut_blocks(np.arange(float(len(names)))[None], entry["blocks"], str(path))
                names = tuple(names[place] for place in places.ravel().astype(int))
        subject = None
        if held.subjects is not None:
            where = f"{path}: {entry['subjects']}"
            subject = np.array(one_each(held.subjects, "subject", where))
            if len(subject) != len(y):
                raise UserError(f"{where} names {len(subject)} subjects for {len(y)} samples")
            unknown = np.flatnonzero(np.isin(subject, ("", "nan", "NaN")))
            subject[unknown] = ""
        findings = held.findings
        if subject is not None:
            if len(unknown):
                said = {"n": len(unknown), "samples": len(y), "first": unknown[0]}
                findings += (finding("subjects-unknown", path, **said),)
            for text, like in alike(subject.tolist(), subject_form):
                findings += (finding("subjects-alike", path, text=text, like=like),)
        if steps := ", ".join(step for step in entry["normalise"] if step != "none"):
            findings += (finding("normalised", path, steps=steps),)
        findings += tuple(repeated_rows(X, y, str(path)))
        return FeatureSet(self.name, X, y, subject, self.classes, file_hash(path), names, findings)

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
        where = f"databases.{self.name}"
        choice(f"{where}.layout", entry["layout"], LAYOUTS)
        for name, kinds in (("labels", str), ("subjects", str | None)):
            if not isinstance(entry[name], kinds):
                raise UserError(
                    f"{where}.{name} is {entry[name]!r}, expected the name of a variable or column"
                )
        if not isinstance(entry["features"], str):
            names = listed(f"{where}.features", entry["features"], "a name, or a list of columns")
            entry["features"] = [str(name) for name in names]
            if not own["path"].lower().endswith(".csv"):
                raise UserError(
                    f"{where}.features is a list, which only a .csv file has columns for; give "
                    "the name of the variable"
                )
        steps = entry["normalise"]
        entry["normalise"] = [steps] if isinstance(steps, str) else list(steps or ["none"])
        for step in entry["normalise"]:
            choice(f"{where}.normalise", step, NORMALISATIONS)
        return entry


def _normalised(X: NDArray[np.float64], steps: Sequence[str]) -> NDArray[np.float64]:
    """Return features scaled as ``FileFeatureDatabase.normalise`` says, step by step."""
    flat = X.reshape(len(X), -1)
    for step in [step for step in steps if step != "none"]:
        # By powers of two to about 1, which is exact, so that no square leaves float64's range.
        axis = 0 if step == "zscore" else 1
        flat = np.ldexp(flat, -np.frexp(np.abs(flat).max(axis=axis, keepdims=True))[1])
        if step == "zscore":
            # Rounding leaves a constant feature a tiny deviation: compare the values themselves.
            constant = np.ptp(flat, axis=0) == 0
            spread = np.where(constant, 1, flat.std(axis=0))
            flat = np.where(constant, 0.0, (flat - flat.mean(axis=0)) / spread)
        else:
            norms = np.linalg.norm(flat, 1 if step == "sum" else 2, axis=1, keepdims=True)
            flat = flat / np.where(norms > 0, norms, 1)
    return flat.reshape(X.shape)


def _cut_blocks(
    X: NDArray[np.float64],  # (n_samples, n_features)
    blocks: Mapping[str, Any],  # as ``FileFeatureDatabase.blocks``
    where: str,  # the file, to begin the error's sentence
) -> NDArray:
    """Divide feature vectors into facial blocks."""
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
    grids = listed(f"{where}: blocks.grids", blocks.get("grids", BLOCK_GRIDS), "whole numbers")
    grids = tuple(positive_integer(f"{where}: a grid of blocks", grid) for grid in grids)
    n_blocks = blocks.get("n_blocks", sum(g * g for g in grids))
    n_blocks = positive_integer(f"{where}: blocks.n_blocks", n_blocks)
    n_planes = positive_integer(f"{where}: blocks.n_planes", blocks.get("n_planes", 3))
    if layout == "released":
        if n_blocks != sum(g * g for g in grids):
            raise UserError(
                f"{where}: blocks says n_blocks {n_blocks}, but the grids {list(grids)} have "
                f"{sum(g * g for g in grids)}; correct either"
            )
        return from_released_layout(X, grids, n_planes)
    if X.shape[1] % n_blocks:
        raise UserError(
            f"{where} holds vectors of {X.shape[1]} values, which do not divide into "
            f"{n_blocks} blocks; correct blocks.n_blocks or leave blocks out"
        )
    return X.reshape(len(X), n_blocks, -1)


def _samples_first(X: NDArray, n_labels: int, layout: str, where: str) -> NDArray:
    """Return features with samples along the first axis."""
    if layout == "auto" and X.shape == (n_labels, n_labels):
        raise UserError(
            f"{where} has shape {X.shape}, as many samples as features, so which axis "
            "counts samples cannot be told; set layout to samples_rows or samples_columns"
        )
    if layout == "samples_columns" and X.ndim != 2:
        raise UserError(f"{where} has shape {X.shape}; samples_columns needs a matrix")
    in_columns = X.ndim == 2 and X.shape[1] == n_labels != X.shape[0]
    if layout == "samples_columns" or (layout == "auto" and in_columns):
        X = X.T
    if X.ndim < 2 or len(X) != n_labels:
        raise UserError(
            f"{where} has shape {X.shape}, but there are {n_labels} labels; "
            "expected one sample a label"
        )
    return X
