"""Descriptors against their NumPy form, peers and floors, for a clip of 16 x 112 x 112, 85 blocks.

CPU seconds of interleaved repeats with one BLAS thread; a ratio is the median of the repeats' own
ratios. Each peer's result is compared with ours before anything is timed.
"""

import os
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import plain_descriptors
from bench_rows import Row, above, faster
from numpy.typing import NDArray
from scipy.ndimage import convolve1d
from skimage.feature import local_binary_pattern

from cdmer_bench.descriptors import higo_top, hog_top, lbp_sip, lbp_top, lpq_top
from cdmer_bench.descriptors.blocks import GRIDS, cut_axis
from cdmer_bench.descriptors.lpq_top import whitening

SHAPE = (16, 112, 112)
SMALL = (8, 14, 14)  # for plain loops
PLANES = ((1, 2), (0, 2), (0, 1))
REFERENCE = "LBP-TOP(R3P8)"
SECTION = "descriptors"
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Contest:
    """A descriptor, a vectorised peer, and the loop over voxels.

    Attributes
    ----------
    margins : (int, int, int)
        Voxels that have no code at each end of (t, y, x); a clip's cost is per voxel with one.
    floor : tuple of (str, float)
        Its name, and how many passes over the clip or floating point operations a voxel.
    goal : str
        Against the floor.
    """

    name: str
    ours: Callable[..., Array]
    peer: Callable[[Array], Array]
    how: str
    loop: Callable[[Array], Array]
    margins: tuple[int, int, int]
    floor: tuple[str, float]
    goal: str = "<= 4"
    tolerance: float = 1e-9
    sort_bins: bool = False


def blocks_of(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Yield the blocks of all grids, column-major."""
    for g in GRIDS:
        for left, right in cut_axis(width, g):
            for top, bottom in cut_axis(height, g):
                yield slice(top, bottom), slice(left, right)


def per_block(codes: NDArray, n_bins: int, weights: Array | None = None) -> Array:
    """Histogram each block on its own, the straightforward way."""
    rows = []
    for r, c in blocks_of(*codes.shape[1:]):
        w = None if weights is None else weights[:, r, c].ravel()
        counts = np.bincount(codes[:, r, c].ravel(), w, minlength=n_bins)
        rows.append(counts / counts.sum())
    return np.array(rows)


def skimage_lbp_top(clip: Array, R: int, P: int) -> Array:
    """LBP-TOP from scikit-image's codes of every slice of every plane."""
    planes = []
    for row_axis, column_axis in PLANES:
        normal = 3 - row_axis - column_axis
        slices = [
            local_binary_pattern(image, P, R, "nri_uniform")[R:-R, R:-R]
            for image in np.moveaxis(clip, normal, 0)[R:-R]
        ]
        codes = np.moveaxis(np.array(slices, dtype=np.intp), 0, normal)
        planes.append(per_block(codes, P * (P - 1) + 3))
    return np.stack(planes, axis=1)


def skimage_lbp_sip(clip: Array, R: int) -> Array:
    """LBP-SIP from scikit-image's four-point codes of XY, and of XT for the temporal bits."""
    kept = slice(R, -R)
    spatial = [local_binary_pattern(image, 4, R)[kept, kept] for image in clip[kept]]
    across = [local_binary_pattern(image, 4, R)[kept, kept] for image in clip.swapaxes(0, 1)[kept]]
    temporal = np.array(across, dtype=np.intp).swapaxes(0, 1)
    # In XT the four points are x + R, t - R, x - R and t + R.
    temporal = (temporal >> 3 & 1) + 2 * (temporal >> 1 & 1)
    codes = per_block(np.array(spatial, dtype=np.intp), 16), per_block(temporal, 4)
    return np.hstack(codes)


def scipy_lpq_top(clip: Array, decorr: float) -> Array:
    """LPQ-TOP by separable complex convolutions of the whole volume, each block on its own."""
    n = 5
    w1 = np.exp(-2j * np.pi * (np.arange(n) - 2) / n)
    windows = (np.ones(n), w1), (w1, np.ones(n)), (w1, w1), (w1, w1.conj())
    histograms = []
    for rows, columns in ((1, 2), (1, 0), (2, 0)):
        inside = tuple(slice(2, -2) if a in (rows, columns) else slice(None) for a in range(3))
        parts = []
        for w_rows, w_columns in windows:
            response = convolve1d(convolve1d(clip, w_rows, rows), w_columns, columns)[inside]
            parts += [response.real, response.imag]
        signs = np.tensordot(whitening(decorr, 0 in (rows, columns)).T, parts, 1) >= -1e-6
        codes = np.tensordot(2 ** np.arange(8), signs, 1)
        plane = []
        for r, c in blocks_of(*clip.shape[1:]):
            r = slice(r.start, r.stop - 4) if 1 in (rows, columns) else r
            c = slice(c.start, c.stop - 4) if 2 in (rows, columns) else c
            counts = np.bincount(codes[:, r, c].ravel(), minlength=256)
            plane.append(counts / counts.sum())
        histograms.append(plane)
    return np.array(histograms).swapaxes(0, 1)


def atan2_hog_top(clip: Array, bins: int, magnitude: bool) -> Array:
    """HOG-TOP or HIGO-TOP from angles."""
    centre = slice(1, -1)
    g = [2 * np.gradient(clip, axis=a)[centre, centre, centre] for a in range(3)]
    planes = []
    for row, column in PLANES:
        theta = np.arctan2(g[row], g[column])
        codes = np.floor((theta + np.pi) * (bins / (2 * np.pi))).astype(np.intp) % bins
        weights = np.hypot(g[row], g[column]) if magnitude else None
        planes.append(per_block(codes, bins, weights))
    return np.stack(planes, axis=1)


def contests() -> list[Contest]:
    """List the twelve variants of Tables V and VI with their peers."""
    return [
        *(_lbp_top_contest(R, P) for R, P in ((3, 8), (1, 4), (1, 8), (3, 4))),
        *(_lbp_sip_contest(R) for R in (1, 3)),
        *(_lpq_top_contest(decorr) for decorr in (0.1, 0)),
        *(
            _gradients_contest(name, function, bins, magnitude)
            for name, function, magnitude in (("HOG", hog_top, True), ("HIGO", higo_top, False))
            for bins in (4, 8)
        ),
    ]


def _lbp_top_contest(R: int, P: int) -> Contest:
    ours, peer, loop = (
        partial(f, R=R, P=P) for f in (lbp_top, skimage_lbp_top, plain_descriptors.lbp_top)
    )
    # Six neighbours on the axes, which planes share, and four more a plane if P = 8.
    passes = "comparisons", 6.0 if P == 4 else 18.0
    # scikit-image rounds its sampling points to 1e-5 and numbers the bins differently.
    return Contest(
        f"LBP-TOP(R{R}P{P})",
        ours,
        peer,
        "scikit-image, all slices",
        loop,
        (R, R, R),
        passes,
        tolerance=2e-3,
        sort_bins=True,
    )


def _lbp_sip_contest(R: int) -> Contest:
    ours, peer, loop = (
        partial(f, R=R) for f in (lbp_sip, skimage_lbp_sip, plain_descriptors.lbp_sip)
    )
    how, passes = "scikit-image, all slices", ("comparisons", 6.0)
    return Contest(f"LBP-SIP(R{R})", ours, peer, how, loop, (R, R, R), passes)


def _lpq_top_contest(decorr: float) -> Contest:
    ours, peer, loop = (
        partial(f, decorr=decorr) for f in (lpq_top, scipy_lpq_top, plain_descriptors.lpq_top)
    )
    how = "scipy.ndimage, complex convolutions"
    # 25 voxels of a window times 8 filters, a multiplication and an addition each.
    flops = "operations", 3 * 25 * 8 * 2.0
    return Contest(f"LPQ-TOP(decorr={decorr})", ours, peer, how, loop, (1, 1, 1), flops, "<= 1.5")


def _gradients_contest(
    name: str, function: Callable[..., Array], bins: int, magnitude: bool
) -> Contest:
    ours = partial(function, bins=bins)
    peer = partial(atan2_hog_top, bins=bins, magnitude=magnitude)
    loop = partial(plain_descriptors.gradients_top, bins=bins, magnitude=magnitude)
    how, passes = "NumPy, arctan2 and floor", ("comparisons", 6.0)
    return Contest(f"{name}-TOP(p={bins})", ours, peer, how, loop, (1, 1, 1), passes)


def check(contest: Contest, clip: Array, small: Array) -> None:
    """Stop if a peer does not compute the same descriptor."""
    pairs = [
        ("the peer", contest.ours(clip), contest.peer(clip)),
        ("the loop", contest.ours(small, grids=(1,)), contest.loop(small)),
    ]
    for who, got, theirs in pairs:
        if contest.sort_bins and who == "the peer":
            got, theirs = np.sort(got, axis=-1), np.sort(theirs, axis=-1)
        apart = float(np.abs(got - theirs).max())
        if apart > contest.tolerance:
            raise SystemExit(f"{contest.name}: {who}'s result differs by {apart:.2g}")


def seconds(function: Callable[[Array], Array], clip: Array, calls: int = 2) -> float:
    """Time calls that follow another, so that neither side pays for the other's memory."""
    function(clip)
    start = time.process_time()
    for _ in range(calls):
        function(clip)
    return (time.process_time() - start) / calls


def costs(clip: Array) -> dict[str, float]:
    """Measure the seconds of a comparison pass over the clip, and of an operation of a product."""
    out = np.empty(clip.shape, dtype=bool)
    A, B = np.ones((512, 512)), np.ones((512, 512))
    return {
        "comparisons": seconds(lambda c: np.greater_equal(c, 0.5, out=out), clip, 200),
        "operations": seconds(lambda _: A @ B, clip, 20) / (2 * 512**3),
    }


def measure(repeats: int) -> list[Row]:
    """Time ours and the peers in turn."""
    # scikit-image warns that codes of floating-point images depend on tiny differences.
    warnings.filterwarnings("ignore", message="Applying `local_binary_pattern`")
    rng = np.random.default_rng(0)
    clip, small = rng.normal(128, 40, SHAPE), rng.normal(128, 40, SMALL)
    found = contests()
    loops = []
    for contest in found:
        check(contest, clip, small)
        inside = [
            np.prod([n - 2 * m for n, m in zip(shape, contest.margins, strict=True)])
            for shape in (SHAPE, SMALL)
        ]
        loops.append(float(inside[0] / inside[1]) * seconds(contest.loop, small, 1))
    ours, numpy, peers = np.empty((3, repeats, len(found)))
    for repeat in range(repeats):
        for i, contest in enumerate(found):
            ours[repeat, i] = seconds(contest.ours, clip, 20)
            os.environ["CDMER_NO_NUMBA"] = "1"
            numpy[repeat, i] = seconds(contest.ours, clip)
            del os.environ["CDMER_NO_NUMBA"]
            peers[repeat, i] = seconds(contest.peer, clip, 1)
    return list(rows(found, ours, numpy, peers, loops, costs(clip)))


def rows(
    found: list[Contest],
    ours: Array,
    numpy: Array,
    peers: Array,
    loops: list[float],
    cost: dict[str, float],
) -> Iterator[Row]:
    """Yield the rows of each descriptor."""
    reference = [contest.name for contest in found].index(REFERENCE)
    timed = f"median of {len(ours)}"
    middle = np.median(ours, axis=0)
    for i, contest in enumerate(found):
        mine = float(middle[i])
        form = float(np.median(numpy[:, i] / ours[:, i]))
        what = "its NumPy form, the same bits"
        yield Row(SECTION, contest.name, "numpy", what, form, "", mine, form * mine, "s", timed)
        peer = float(np.median(peers[:, i] / ours[:, i]))
        yield Row(
            SECTION, contest.name, "peer", contest.how, peer, "", mine, peer * mine, "s", timed
        )
        small = f"one block of {' x '.join(map(str, SMALL))}, scaled by voxels"
        yield faster(
            SECTION, contest.name, "plain", "loop over voxels", mine, loops[i], timed=small
        )
        if i != reference:
            ratio = float(np.median(ours[:, i] / ours[:, reference]))
            yield Row(
                SECTION,
                contest.name,
                "reference",
                REFERENCE,
                ratio,
                "",
                mine,
                float(middle[reference]),
                "s",
                timed,
            )
        unit, number = contest.floor
        if unit == "comparisons":
            what, floor = f"{number:g} passes over the clip", number * cost[unit]
        else:
            what = f"{number:g} operations a voxel at a product's rate"
            floor = number * float(np.prod(SHAPE)) * cost[unit]
        yield above(
            SECTION, contest.name, "floor", what, mine, floor, goal=contest.goal, timed=timed
        )
