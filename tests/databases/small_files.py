"""Feature files of four samples, for tests of what is read from such files."""

import numpy as np

from cdmer_bench.databases import FileFeatureDatabase


def save_npz(path, **arrays):
    base = {"features": np.arange(12.0).reshape(4, 3), "labels": np.array([0, 1, 2, 1])}
    np.savez(path, **{**base, **arrays})


def small(tmp_path, **options):
    options = {"first_label": 0, "files": {"mine": "mine.npz"}, **options}
    return FileFeatureDatabase("db", root=str(tmp_path), **options)
