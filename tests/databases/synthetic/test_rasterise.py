"""The rasteriser against a slow one, pixel by pixel."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cdmer_bench.databases.synthetic.faces import rasterise, vertex_normals


def slow(points, depth, triangles, values, shape):
    """Depth-buffered interpolation, one pixel and one triangle at a time."""
    image = np.full(shape, np.nan)
    nearest = np.full(shape, -np.inf)
    for triangle in triangles:
        corners = np.column_stack([points[triangle], np.ones(3)])
        if np.linalg.det(corners) >= -1e-9:
            continue
        for y in range(shape[0]):
            for x in range(shape[1]):
                weight = np.linalg.solve(corners.T, (x, y, 1))
                z = weight @ depth[triangle]
                if (weight >= -1e-9).all() and z > nearest[y, x]:
                    nearest[y, x] = z
                    image[y, x] = weight @ values[triangle]
    return image


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_nearest_front_triangle_is_interpolated(seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-4, 20, (12, 2))
    depth, values = rng.normal(size=12), rng.normal(size=12)
    triangles = np.array([rng.choice(12, 3, replace=False) for _ in range(8)])
    shape = (11, 15)
    found = rasterise(points, depth, triangles, shape)
    expected = slow(points, depth, triangles, values, shape)
    np.testing.assert_array_equal(found.mask, ~np.isnan(expected))
    np.testing.assert_allclose(
        found.interpolate(values)[found.mask], expected[found.mask], atol=1e-5
    )


def test_nothing_in_view_is_an_empty_image():
    triangle = np.array([[0, 1, 2]])
    behind = np.array([[20, 20], [20, 30], [30, 20.0]])
    found = rasterise(behind, np.zeros(3), triangle, (5, 5))
    assert not found.mask.any()
    np.testing.assert_array_equal(found.interpolate(np.ones(3)), np.zeros((5, 5)))


def test_a_large_triangle_is_filled_and_cut_at_the_image():
    points = np.array([[-40, 0], [-40, 400], [400, 0.0]])
    found = rasterise(points, np.zeros(3), np.array([[0, 1, 2]]), (300, 500))
    y, x = np.indices((300, 500))
    np.testing.assert_array_equal(found.mask, (x + 40) * 10 + y * 11 <= 4400)


def test_normals_of_a_sphere_point_outwards():
    from scipy.spatial import ConvexHull

    rng = np.random.default_rng(0)
    points = rng.normal(size=(400, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    hull = ConvexHull(points)
    triangles = hull.simplices.astype(int)
    a, b, c = (points[triangles[:, k]] for k in range(3))
    inward = (np.cross(b - a, c - a) * a).sum(axis=1) < 0
    triangles[inward] = triangles[inward][:, ::-1]
    normals = vertex_normals(points, triangles)
    assert (normals * points).sum(axis=1).min() > 0.97
