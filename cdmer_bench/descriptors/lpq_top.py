"""Local phase quantisation on three orthogonal planes (LPQ-TOP)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.compiled import compiled_available
from cdmer_bench.descriptors.base import BlockDescriptor, check_parameters, clip_for
from cdmer_bench.descriptors.blocks import (
    GRIDS,
    BlockLayout,
    block_histograms,
    block_layout,
    check_grids,
    cut_axis,
    normalised,
    tiling,
)
from cdmer_bench.descriptors.kernels import RESPONSES, count_phase_codes
from cdmer_bench.errors import UserError

WINDOW = 5  # voxels and frames, "the default one ([5, 5, 5])" in the paper
# Grey levels. On integer input many responses are exactly 0, which counts as positive; in
# floating point they come out as some 1e-12 of either sign.
TIE_MARGIN = 1e-6
# OpenBLAS shares products of more than 2^18 multiplications (25 x 8 a position) among threads,
# which costs more than these products themselves; smaller ones also stay in the cache.
PRODUCT_POSITIONS = 1280


def filter_bank() -> NDArray[np.float64]:
    """Return the real and imaginary parts of the four lowest frequencies' filters.

    With ``w0(x) = 1`` and ``w1(x) = exp(-2 pi i x / 5)``, x = -2..2, the filters are w0 on rows
    and w1 on columns, w1 and w0, w1 and w1, w1 and its conjugate. They are applied by
    convolution, so the weight of the voxel at +x is w(-x). The result (8, 5, 5) holds Re1, Im1,
    ..., Re4, Im4, each over (row, column).
    """
    x = np.arange(WINDOW) - WINDOW // 2
    w0, w1 = np.ones(WINDOW), np.exp(2j * np.pi * x / WINDOW)
    filters = [np.outer(w0, w1), np.outer(w1, w0), np.outer(w1, w1), np.outer(w1, w1.conj())]
    return np.array([part for f in filters for part in (f.real, f.imag)])


def window_covariance(decorr: float, temporal: bool) -> NDArray[np.float64]:
    """Return the model covariance (25, 25) of a window's voxels, rho that of neighbours.

    It is ``rho^d`` at the Euclidean distance d in XY, and ``rho^|space| rho^|time|`` in a plane
    with time.
    """
    row, column = np.indices((WINDOW, WINDOW)).reshape(2, -1)
    rows, columns = row[:, None] - row, column[:, None] - column
    distance = np.abs(rows) + np.abs(columns) if temporal else np.hypot(rows, columns)
    return decorr**distance


def canonical_signs(V: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give each column the sign that makes its first large entry positive.

    Large is above half of the column's maximum. The signs that a singular value decomposition
    returns differ between LAPACK builds, and each flipped column inverts one bit of all codes.
    """
    size = np.abs(V)
    first = np.argmax(size > 0.5 * size.max(axis=0), axis=0)
    return V * np.sign(V[first, np.arange(V.shape[1])])


def whitening(decorr: float, temporal: bool) -> NDArray[np.float64]:
    """Return the matrix V that decorrelates the eight responses, applied as ``V' r``.

    V holds the singular vectors of ``A D A``, where ``D = M C M'`` is the responses'
    covariance, M (8 x 25) the filter bank and C :func:`window_covariance`. A is
    ``diag(1.000007, 1.000006, ..., 1.000001, 1)``; it makes the singular values distinct. For
    ``decorr`` = 0, which means no transform, V is the identity; the limit of small ``decorr``
    is a different matrix.
    """
    if decorr == 0:
        return np.eye(8)
    M = filter_bank().reshape(8, -1)
    D = M @ window_covariance(decorr, temporal) @ M.T
    A = np.diag(1 + np.arange(7, -1, -1) * 1e-6)
    return canonical_signs(np.linalg.svd(A @ D @ A)[2].T)


@lru_cache(maxsize=16)
def _plane_filters(decorr: float, temporal: bool) -> NDArray[np.float64]:
    """Return the (8, 5, 5) filters of a plane, decorrelation included."""
    M = filter_bank().reshape(8, -1)
    filters = (whitening(decorr, temporal).T @ M).reshape(8, WINDOW, WINDOW)
    filters.setflags(write=False)
    return filters


def _phase_codes(
    volume: NDArray[np.float64], shifted: int, taps: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Filter windows of axis 0 and axis ``shifted`` and pack the signs of the responses.

    With five shifted copies side by side, the windows of one output slice are 25 consecutive
    rows of a matrix, so each slice is one matrix product. ``taps`` (8, 5, 5) are over offsets on
    axis 0 and on axis ``shifted``; the codes have the shape of ``volume``, 4 less on both.
    """
    shape = list(volume.shape)
    shape[shifted] -= WINDOW - 1
    copies = np.empty((shape[0], WINDOW, *shape[1:]))
    for j in range(WINDOW):
        kept = [slice(None)] * 3
        kept[shifted] = slice(j, j + shape[shifted])
        copies[:, j] = volume[tuple(kept)]
    rows = copies.reshape(shape[0] * WINDOW, -1)
    weights = taps.reshape(8, -1).T
    codes = np.empty((shape[0] - WINDOW + 1, *shape[1:]), dtype=np.uint8)
    for i, out in enumerate(codes):
        windows = rows[i * WINDOW : (i + WINDOW) * WINDOW]  # (25, n_positions)
        flat = out.reshape(-1)
        for start in range(0, len(flat), PRODUCT_POSITIONS):
            part = slice(start, start + PRODUCT_POSITIONS)
            positive = windows[:, part].T @ weights >= -TIE_MARGIN  # (n_positions, 8)
            flat[part] = np.packbits(positive, bitorder="little")
    return codes


def lpq_top_codes(frames: ArrayLike, decorr: float = 0.1) -> tuple[NDArray[np.uint8], ...]:
    """Compute the LPQ codes of all windows that fit the clip.

    Bit j of a code is 1 where the j-th (decorrelated) response is not negative. Returned are
    XY (T, H - 4, W - 4), YT (rows y, columns t; T - 4, H - 4, W) and XT (rows x, columns t;
    T - 4, H, W - 4), all in the order (t, y, x).
    """
    check_parameters(decorr=decorr)
    clip = clip_for("LPQ-TOP", frames, WINDOW, f"a window of {WINDOW}")
    spatial = _plane_filters(float(decorr), False)
    temporal = _plane_filters(float(decorr), True).transpose(0, 2, 1)  # time is axis 0
    xy = _phase_codes(clip.transpose(1, 0, 2), 2, spatial).transpose(1, 0, 2)
    return (
        np.ascontiguousarray(xy),
        _phase_codes(clip, 1, temporal),
        _phase_codes(clip, 2, temporal),
    )


@lru_cache(maxsize=64)
def _cropped_blocks(
    height: int, width: int, margins: tuple[int, int], grids: tuple[int, ...], cut: str
) -> BlockLayout:
    """Lay out the codes whose window lies inside a block of the image.

    ``margins`` is 4 for an axis on which the plane's window extends, 0 for the other: a block
    ``[start, end)`` of the image holds the codes ``[start, end - margin)`` of the code map.
    """
    runs = []
    for name, size, margin in zip(("high", "wide"), (height, width), margins, strict=True):
        per_grid = tuple(cut_axis(size, g, cut) for g in grids)
        smallest = min(end - start for grid in per_grid for start, end in grid)
        if smallest < WINDOW:
            raise UserError(
                f"LPQ-TOP needs blocks of at least {WINDOW} x {WINDOW} voxels, but the grids "
                f"{list(grids)} cut frames of {height} x {width} into blocks {smallest} {name}: "
                "use larger frames or coarser grids"
            )
        runs.append(tuple(tuple((s, e - margin) for s, e in grid) for grid in per_grid))
    return block_layout((height - margins[0], width - margins[1]), *runs)


def lpq_top(
    frames: ArrayLike,
    decorr: float = 0.1,
    grids: Sequence[int] = GRIDS,
    *,
    block_mode: str = "crop",
    cut: str = "round",
) -> NDArray[np.float64]:
    """Describe a clip by LPQ-TOP histograms of facial blocks.

    Parameters
    ----------
    frames : array, shape (T, H, W)
        Grey levels; at least five frames, and blocks of at least five voxels.
    decorr : float
        Assumed correlation of neighbouring voxels, in space and time alike; the paper's are
        0.1 and 0. With 0 the responses are quantised as they are.
    block_mode : {'crop', 'codemap'}
        ``'crop'``: the public code applied to each block of the clip, so that no window
        reaches over a block's edge. ``'codemap'``: the code map of the whole clip is cut, as
        for LBP-TOP.
    grids, cut
        As for :func:`~cdmer_bench.descriptors.lbp_top.lbp_top`.

    Returns
    -------
    ndarray of float64, shape (n_blocks, 3, 256)
        Planes in the public code's order: y-x, y-t and x-t. Each histogram sums to 1.

    Raises
    ------
    UserError
        For a clip or parameters outside these ranges.

    References
    ----------
    J. Päivärinta, E. Rahtu, J. Heikkilä, Volume local phase quantization for blur-insensitive
    dynamic texture classification, SCIA 2011.
    """
    check_parameters(decorr=decorr, block_mode=block_mode)
    checked = check_grids(grids)
    clip = clip_for("LPQ-TOP", frames, WINDOW, f"a window of {WINDOW}")
    _, height, width = clip.shape
    layouts = []
    for margins in ((4, 4), (4, 0), (0, 4)):  # of XY, YT and XT
        if block_mode == "crop":
            layouts.append(_cropped_blocks(height, width, margins, checked, cut))
        else:
            layouts.append(tiling((height - margins[0], width - margins[1]), checked, cut))
    terms = _four_terms(float(decorr)) if compiled_available() else None
    if terms is None:
        planes = zip(lpq_top_codes(clip, decorr), layouts, strict=True)
        counts = [block_histograms(codes, 256, layout) for codes, layout in planes]
        return normalised(np.stack(counts, axis=1))
    cell_counts = np.zeros((3, max(layout.total for layout in layouts), 256), dtype=np.int32)
    firsts = [layout.firsts(256) for layout in layouts]
    angle = 2 * np.pi / WINDOW * np.array([1, 2])
    wave = np.ravel([np.cos(angle), np.sin(angle)], order="F")
    count_phase_codes(clip, wave, *terms, TIE_MARGIN, *firsts, cell_counts.reshape(3, -1))
    pairs = zip(cell_counts, layouts, strict=True)
    counts = [layout.pool(part[: layout.total]) for part, layout in pairs]
    return normalised(np.stack(counts, axis=1))


@lru_cache(maxsize=16)
def _four_terms(decorr: float) -> tuple[NDArray[np.intp], NDArray[np.float64]] | None:
    """Return the four responses that each bit needs, and their factors, for XY and the others.

    A window's covariance is symmetric about its centre, so real parts (even) and imaginary
    parts (odd) do not mix. None if they do by more than rounding.
    """
    V = np.stack([whitening(decorr, temporal).T for temporal in (False, True)])  # (2, 8, 8)
    chosen = np.sort(np.argsort(-np.abs(V), axis=2, kind="stable")[..., :4], axis=2)
    factors = np.take_along_axis(V, chosen, axis=2)
    left_out = V.copy()
    np.put_along_axis(left_out, chosen, 0, axis=2)
    return (RESPONSES[chosen], factors) if np.abs(left_out).max() < 1e-12 else None


@dataclass
class LPQTOP(BlockDescriptor):
    """LPQ-TOP; parameters as in :func:`lpq_top`."""

    function = staticmethod(lpq_top)
    row = "LPQ-TOP(decorr={decorr:g})"
    decorr: float = 0.1
    grids: Sequence[int] = GRIDS
    block_mode: str = "crop"
    cut: str = "round"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.decorr = float(self.decorr)
