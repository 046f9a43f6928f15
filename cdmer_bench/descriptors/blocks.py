"""Facial blocks: how a code map is cut by the grids, and histograms of codes per block.

A histogram is counted once on cells, the common refinement of all the grids (their rounded
edges do not nest), and the blocks' histograms are sums of the cells'.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.descriptors.clip import choice
from cdmer_bench.errors import UserError
from cdmer_bench.preprocessing.frames import positive_integer

GRIDS = (1, 2, 4, 8)  # 1 + 4 + 16 + 64 = 85 blocks, as in the authors' released features
CUTS = ("round", "ceil")
Intervals = tuple[tuple[int, int], ...]


def cut_axis(size: int, n_blocks: int, cut: str = "round") -> Intervals:
    """Cut ``size`` positions into ``n_blocks`` runs that neither overlap nor leave gaps.

    Parameters
    ----------
    size, n_blocks : int
    cut : {'round', 'ceil'}
        Length of all runs but the last: ``floor(size / n_blocks + 0.5)``, which the authors'
        released features have, or ``ceil(size / n_blocks)``, as in the public LBP-TOP code of
        Hong et al., version 0.99beta. The last run ends at ``size``.

    Returns
    -------
    tuple of (int, int)
        First position and the one past the last.

    Raises
    ------
    UserError
        If the last run would be empty.
    """
    choice("cut", cut, CUTS)
    # Integers: floor(a / b + 1/2) = (2a + b) // 2b, and -(-a // b) is the ceiling.
    step = (2 * size + n_blocks) // (2 * n_blocks) if cut == "round" else -(-size // n_blocks)
    if step == 0 or (n_blocks - 1) * step >= size:
        raise UserError(
            f"{size} positions cannot be cut into {n_blocks} blocks of {step}: use larger "
            "frames or a coarser grid"
        )
    starts = [i * step for i in range(n_blocks)]
    return tuple(zip(starts, [*starts[1:], size], strict=True))


def check_grids(grids: Sequence[int]) -> tuple[int, ...]:
    """Return the grids as a tuple of positive ints; a grid g has g x g blocks."""
    if isinstance(grids, int | str) or not len(grids):
        raise UserError(f"grids is {grids!r}, expected a list such as [1, 2, 4, 8]")
    return tuple(positive_integer("a grid", g) for g in grids)


def n_blocks(grids: Sequence[int]) -> int:
    """Return the number of blocks K of the grids together, 85 for (1, 2, 4, 8)."""
    return sum(g * g for g in check_grids(grids))


@dataclass(frozen=True)
class BlockLayout:
    """The cells of a code map and the blocks that they make up.

    Attributes
    ----------
    cell : ndarray of int, shape (H', W')
        Index of each position's cell, whether in a block or not.
    membership : ndarray of float64, shape (n_blocks, n_cells)
        1 where a cell belongs to a block. Blocks run grid by grid in the given order, within a
        grid down the columns (row fastest), as in the authors' released features.
    """

    cell: NDArray[np.intp]
    membership: NDArray[np.float64]


def _axis_cells(
    size: int, per_grid: tuple[Intervals, ...]
) -> tuple[NDArray[np.intp], list[NDArray[np.bool_]], int]:
    """Split one axis at every block edge; say for each grid which cells its runs hold."""
    edges = sorted({edge for runs in per_grid for run in runs for edge in run} | {0, size})
    starts = np.array(edges[:-1])
    inside = [
        np.array([(first <= starts) & (starts < end) for first, end in runs]) for runs in per_grid
    ]
    cells = np.searchsorted(edges, np.arange(size), side="right") - 1
    return cells, inside, len(starts)


@lru_cache(maxsize=64)
def block_layout(
    shape: tuple[int, int], rows: tuple[Intervals, ...], columns: tuple[Intervals, ...]
) -> BlockLayout:
    """Lay out the blocks over a code map.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the code map.
    rows, columns : tuple of intervals, one for each grid
        The runs of rows and of columns that a grid's blocks are the products of.
    """
    row_cells, row_inside, _ = _axis_cells(shape[0], rows)
    column_cells, column_inside, n_column_cells = _axis_cells(shape[1], columns)
    blocks = [
        np.outer(in_rows, in_columns).ravel()
        for grid_rows, grid_columns in zip(row_inside, column_inside, strict=True)
        for in_columns in grid_columns
        for in_rows in grid_rows
    ]
    cell = row_cells[:, None] * n_column_cells + column_cells
    membership = np.array(blocks, dtype=np.float64)
    cell.setflags(write=False)
    membership.setflags(write=False)
    return BlockLayout(cell, membership)


def tiling(shape: tuple[int, int], grids: Sequence[int], cut: str = "round") -> BlockLayout:
    """Lay out grids that each tile the whole code map (H', W')."""
    checked = check_grids(grids)
    return block_layout(
        (int(shape[0]), int(shape[1])),
        tuple(cut_axis(int(shape[0]), g, cut) for g in checked),
        tuple(cut_axis(int(shape[1]), g, cut) for g in checked),
    )


def block_histograms(
    codes: NDArray[np.integer],
    n_bins: int,
    layout: BlockLayout,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Count codes, or sum weights, per block and bin.

    Parameters
    ----------
    codes : ndarray of int, shape (n, H', W')
        Bins 0 to ``n_bins - 1``; the first axis is the one that blocks do not cut.
    n_bins : int
    layout : BlockLayout
        For code maps of (H', W').
    weights : ndarray of float64, shape (n, H', W'), optional

    Returns
    -------
    ndarray of float64, shape (n_blocks, n_bins)
        Not normalised.
    """
    n_cells = layout.membership.shape[1]
    index = codes + layout.cell * n_bins
    flat_weights = None if weights is None else weights.ravel()
    counts = np.bincount(index.ravel(), flat_weights, minlength=n_cells * n_bins)
    return layout.membership @ counts.reshape(n_cells, n_bins)


def normalised(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale the last axis to sum to 1; a histogram without votes stays 0."""
    total = counts.sum(axis=-1, keepdims=True)
    return np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
