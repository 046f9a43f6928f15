"""The authors' features of SMIC-VIS and SMIC-NIR, for tests; skips where they are not at hand."""

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "../shared/data/released_features"


def path(name: str) -> Path:
    """Return the file of ``'SMIC_VIS'`` or ``'SMIC_NIR'``, or skip the test."""
    folder = Path(os.environ.get("CDMER_RELEASED", FOLDER))
    file = folder / f"CrossCorpus_LBPTOP_R3P8_{name}_112by112.mat"
    if not file.exists():
        pytest.skip(f"{file.name} is not at hand; name its folder in CDMER_RELEASED")
    return file


@cache
def load(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return X (n, 15045) in the file's own layout and y (n,) in 1 to 3, both read-only."""
    import h5py

    with h5py.File(path(name)) as file:
        X = np.ascontiguousarray(file[f"{name}_micro_feature"][()].T, dtype=np.float64)
        y = file[f"{name}_micro_label"][()].ravel().astype(int)
    X.setflags(write=False)
    y.setflags(write=False)
    return X, y
