"""The descriptors of one block, voxel by voxel in plain Python: what the definitions say.

Too slow for whole clips; bench_descriptors.py runs them on a small one.
"""

from collections.abc import Sequence
from math import atan2, cos, floor, hypot, pi, sin

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.descriptors.lpq_top import whitening

Array = NDArray[np.float64]
PLANES = ((1, 2), (0, 2), (0, 1))  # (row axis, column axis) of XY, XT, YT


def voxels(shape: Sequence[int], margins: Sequence[int]) -> list[tuple[int, int, int]]:
    """List the voxels that are ``margins`` away from the ends of each axis."""
    t, y, x = (range(m, n - m) for n, m in zip(shape, margins, strict=True))
    return [(i, j, k) for i in t for j in y for k in x]


def bilinear(clip: Array, voxel: tuple, row_axis: int, column_axis: int, dr: float, dc: float):
    """Return the grey level ``dr`` rows and ``dc`` columns away from a voxel."""
    rows, columns = floor(dr), floor(dc)
    value = 0.0
    for r, row_weight in ((rows, 1 - (dr - rows)), (rows + 1, dr - rows)):
        for c, column_weight in ((columns, 1 - (dc - columns)), (columns + 1, dc - columns)):
            if row_weight * column_weight > 1e-12:
                at = list(voxel)
                at[row_axis] += r
                at[column_axis] += c
                value += row_weight * column_weight * clip[tuple(at)]
    return value


def lbp_top(clip: Array, R: int, P: int) -> Array:
    """Uniform LBP-TOP."""
    codes = [format(code, f"0{P}b") for code in range(2**P)]
    changes = [sum(a != b for a, b in zip(c, c[1:] + c[0], strict=True)) for c in codes]
    bins: list[int] = []
    for change in changes:
        bins.append(sum(c <= 2 for c in changes[: len(bins)]) if change <= 2 else P * (P - 1) + 2)
    counts = np.zeros((3, P * (P - 1) + 3))
    angles = [(-R * sin(2 * pi * i / P), R * cos(2 * pi * i / P)) for i in range(P)]
    offsets = [(round(dr, 12), round(dc, 12)) for dr, dc in angles]
    for voxel in voxels(clip.shape, (R, R, R)):
        for plane, axes in enumerate(PLANES):
            code = 0
            for i, (dr, dc) in enumerate(offsets):
                code += (bilinear(clip, voxel, *axes, dr, dc) >= clip[voxel] - 1e-9) << i
            counts[plane, bins[code]] += 1
    return (counts / counts.sum(1, keepdims=True))[None]


def lbp_sip(clip: Array, R: int) -> Array:
    """LBP-SIP."""
    counts = np.zeros(20)
    for t, y, x in voxels(clip.shape, (R, R, R)):
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


def lpq_top(clip: Array, decorr: float) -> Array:
    """LPQ-TOP, by the windows' short-term Fourier transform at four frequencies."""
    wave = [complex(cos(2 * pi * k / 5), -sin(2 * pi * k / 5)) for k in range(-2, 3)]
    histograms = np.zeros((3, 256))
    for plane, (row, column) in enumerate(((1, 2), (1, 0), (2, 0))):
        V = whitening(decorr, 0 in (row, column))
        margins = [2 if axis in (row, column) else 0 for axis in range(3)]
        for voxel in voxels(clip.shape, margins):
            sums = [0j, 0j, 0j, 0j]
            for dr in range(-2, 3):
                for dc in range(-2, 3):
                    at = list(voxel)
                    at[row] -= dr
                    at[column] -= dc
                    grey, w_row, w_column = clip[tuple(at)], wave[dr + 2], wave[dc + 2]
                    sums[0] += grey * w_column
                    sums[1] += grey * w_row
                    sums[2] += grey * w_row * w_column
                    sums[3] += grey * w_row * w_column.conjugate()
            parts = [part for s in sums for part in (s.real, s.imag)]
            code = 0
            for j in range(8):
                code += (sum(V[i, j] * parts[i] for i in range(8)) >= -1e-6) << j
            histograms[plane, code] += 1
    return (histograms / histograms.sum(1, keepdims=True))[None]


def gradients_top(clip: Array, bins: int, magnitude: bool) -> Array:
    """HOG-TOP (``magnitude``) or HIGO-TOP."""
    counts = np.zeros((3, bins))
    for t, y, x in voxels(clip.shape, (1, 1, 1)):
        g = (
            clip[t + 1, y, x] - clip[t - 1, y, x],
            clip[t, y + 1, x] - clip[t, y - 1, x],
            clip[t, y, x + 1] - clip[t, y, x - 1],
        )
        for plane, (row, column) in enumerate(PLANES):
            place = floor((atan2(g[row], g[column]) + pi) * bins / (2 * pi)) % bins
            counts[plane, place] += hypot(g[row], g[column]) if magnitude else 1.0
    return (counts / counts.sum(1, keepdims=True))[None]
