"""Time each descriptor against a peer that computes the same thing, in one run.

    python scripts/bench_descriptors.py [--repeats N] [--csv FILE]

Every figure is the median over interleaved repeats, with one BLAS thread, for one clip of
16 x 112 x 112 voxels and 85 blocks. Ratios are medians of the repeats' own ratios, so a busy
machine shifts both sides. Each peer's result is compared with ours before anything is timed.
"""

import argparse
import csv
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d
from skimage.feature import local_binary_pattern
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cdmer_bench.descriptors import higo_top, hog_top, lbp_sip, lbp_top, lpq_top
from cdmer_bench.descriptors.blocks import GRIDS, cut_axis
from cdmer_bench.descriptors.lpq_top import whitening

SHAPE = (16, 112, 112)
SMALL = (8, 24, 24)  # for plain loops
PLANES = ((1, 2), (0, 2), (0, 1))
REFERENCE = "LBP-TOP(R3P8)"
N_CLIPS = 436  # CASME II 130, SMIC-HS 164, VIS 71, NIR 71
Array = NDArray[np.float64]


@dataclass
class Contest:
    """A descriptor and its peer.

    ``scale`` multiplies the peer's time, where the peer ran on a smaller clip.
    """

    name: str
    ours: Callable[..., Array]
    peer: Callable[[Array], Array]
    how: str
    tolerance: float = 1e-9
    shape: tuple[int, int, int] = SHAPE
    scale: float = 1.0
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


def loop_lbp_sip(clip: Array, R: int) -> Array:
    """LBP-SIP of one block, voxel by voxel in Python."""
    counts = np.zeros(20)
    T, H, W = clip.shape
    for t in range(R, T - R):
        for y in range(R, H - R):
            for x in range(R, W - R):
                c = clip[t, y, x]
                spatial = (
                    (clip[t, y, x + R] >= c)
                    + 2 * (clip[t, y - R, x] >= c)
                    + 4 * (clip[t, y, x - R] >= c)
                    + 8 * (clip[t, y + R, x] >= c)
                )
                counts[spatial] += 1
                counts[16 + (clip[t + R, y, x] >= c) + 2 * (clip[t - R, y, x] >= c)] += 1
    return (counts / counts[:16].sum())[None]


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
    found = []
    for R, P in ((3, 8), (1, 4), (1, 8), (3, 4)):
        ours, peer = partial(lbp_top, R=R, P=P), partial(skimage_lbp_top, R=R, P=P)
        # scikit-image rounds its sampling points to 1e-5 and numbers the bins differently.
        how = "scikit-image nri_uniform, all slices"
        found.append(Contest(f"LBP-TOP(R{R}P{P})", ours, peer, how, 2e-3, sort_bins=True))
    for R in (1, 3):
        voxels = [np.prod([n - 2 * R for n in shape]) for shape in (SHAPE, SMALL)]
        how = f"Python loop, one block of {' x '.join(map(str, SMALL))}, scaled by voxels"
        ours, peer = partial(lbp_sip, R=R), partial(loop_lbp_sip, R=R)
        scale = float(voxels[0] / voxels[1])
        found.append(Contest(f"LBP-SIP(R{R})", ours, peer, how, shape=SMALL, scale=scale))
    for decorr in (0.1, 0):
        ours, peer = partial(lpq_top, decorr=decorr), partial(scipy_lpq_top, decorr=decorr)
        how = "scipy.ndimage complex convolutions"
        found.append(Contest(f"LPQ-TOP(decorr={decorr})", ours, peer, how))
    for name, function, magnitude in (("HOG", hog_top, True), ("HIGO", higo_top, False)):
        for bins in (4, 8):
            peer = partial(atan2_hog_top, bins=bins, magnitude=magnitude)
            ours = partial(function, bins=bins)
            found.append(Contest(f"{name}-TOP(p={bins})", ours, peer, "NumPy arctan2 and floor"))
    return found


def check(contest: Contest, clip: Array) -> None:
    """Stop if the peer does not compute the same descriptor."""
    small = contest.shape != SHAPE
    got = contest.ours(clip, grids=(1,)) if small else contest.ours(clip)
    peer = contest.peer(clip)
    if contest.sort_bins:
        got, peer = np.sort(got, axis=-1), np.sort(peer, axis=-1)
    apart = float(np.abs(got - peer).max())
    if apart > contest.tolerance:
        raise SystemExit(f"{contest.name}: the peer's result differs by {apart:.2g}")


def seconds(function: Callable[[Array], Array], clip: Array) -> float:
    """Time one call that follows another, so that neither side pays for the other's memory."""
    function(clip)
    start = time.perf_counter()
    function(clip)
    return time.perf_counter() - start


def measure(found: list[Contest], repeats: int) -> list[dict[str, object]]:
    """Time ours and the peers in turn; return one row for each descriptor."""
    rng = np.random.default_rng(0)
    clip, small = rng.normal(128, 40, SHAPE), rng.normal(128, 40, SMALL)
    for contest in found:
        check(contest, clip if contest.shape == SHAPE else small)
    ours, peers = np.empty((2, repeats, len(found)))
    for repeat in range(repeats):
        for i, contest in enumerate(found):
            ours[repeat, i] = seconds(contest.ours, clip)
            theirs = clip if contest.shape == SHAPE else small
            peers[repeat, i] = contest.scale * seconds(contest.peer, theirs)
    reference = [contest.name for contest in found].index(REFERENCE)
    to_reference = ours / ours[:, [reference]]
    return [
        {
            "descriptor": contest.name,
            "ms": round(1e3 * float(np.median(ours[:, i])), 2),
            "times_lbp_top_r3p8": round(float(np.median(to_reference[:, i])), 2),
            "peer_times_ours": round(float(np.median(peers[:, i] / ours[:, i])), 1),
            "peer": contest.how,
        }
        for i, contest in enumerate(found)
    ]


def print_table(rows: list[dict[str, object]]) -> None:
    """Print the rows as aligned text."""
    cells = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip())


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=9, help="interleaved repeats (default 9)")
    parser.add_argument("--csv", type=Path, help="also write the table to this file")
    options = parser.parse_args(argv)
    # scikit-image warns that codes of floating-point images depend on tiny differences.
    warnings.filterwarnings("ignore", message="Applying `local_binary_pattern`")
    with threadpool_limits(1):
        rows = measure(contests(), max(1, options.repeats))
    print_table(rows)
    total = sum(float(str(row["ms"])) for row in rows) * N_CLIPS / 1e3
    print(f"\nall {len(rows)} variants of {N_CLIPS} such clips, one process: {total:.0f} s")
    if options.csv:
        with options.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
