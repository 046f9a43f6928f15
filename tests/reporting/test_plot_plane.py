"""The plane of a linear kernel is that of PCA."""

import numpy as np
import pytest

from cdmer_bench.errors import UserError
from cdmer_bench.reporting.plot_plane import kernel_plane, plane_picture
from cdmer_bench.reporting.plot_style import to_bytes

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 5)) * [5, 3, 1, 1, 1]


def test_linear_kernel_gives_principal_components():
    centred = X - X.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    plane = kernel_plane(X @ X.T)
    assert np.abs(plane) == pytest.approx(np.abs(u[:, :2] * s[:2]))
    assert (plane.max(axis=0) == np.abs(plane).max(axis=0)).all()


def test_kernel_of_rank_one_and_bad_shapes():
    assert kernel_plane(np.ones((3, 3))) == pytest.approx(np.zeros((3, 2)), abs=1e-7)
    with pytest.raises(UserError, match="not square"):
        kernel_plane(np.ones((3, 2)))


def test_every_sample_is_drawn_once_in_each_panel():
    pytest.importorskip("matplotlib")
    kernels = [("before", X @ X.T), ("after", np.exp(-X @ X.T / 100))]
    figure = plane_picture(kernels, np.arange(12) % 3, np.arange(8) % 3, ("a", "b", "c"), "t", True)
    assert [sum(len(c.get_offsets()) for c in axes.collections) for axes in figure.axes] == [20, 20]
    assert to_bytes(lambda: figure, "png")
