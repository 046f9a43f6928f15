"""Facial blocks: how a code map is cut by the grids, and histograms of codes per block.

A histogram is counted once on cells, the common refinement of all the grids (their rounded
edges do not nest), and the blocks' histograms are sums of the cells'.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError, choice, listed, positive_integer
from cdmer_bench.protocol import BLOCK_GRIDS

GRIDS = BLOCK_GRIDS
CUTS = ("round", "ceil")
Intervals = tuple[tuple[int, int], ...]


def cut_axis(size: int, n_blocks: int, cut: str = "round") -> Intervals:
    """Cut ``size`` positions into ``n_blocks`` runs that neither overlap nor leave gaps.

    All runs but the last have the length ``floor(size / n_blocks + 0.5)``, which the authors'
    released features have, or with ``cut='ceil'`` ``ceil(size / n_blocks)``, as in the public
    LBP-TOP code of Hong et al., version 0.99beta. The last run ends at ``size``.
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
    items = listed("grids", grids, "a list such as [1, 2, 4, 8]")
    return tuple(positive_integer("a grid", g) for g in items)


@dataclass(frozen=True)
class BlockLayout:
    """The cells of a code map and the blocks that they make up."""

    # (H', W'): each position's cell, whether in a block or not; row-major
    cell: NDArray[np.intp]
    n_cells: tuple[int, int]  # along the rows and along the columns
    # For each grid of g x g blocks (g, 2): the first cell of each block, and the one past the last.
    rows: tuple[NDArray[np.intp], ...]
    columns: tuple[NDArray[np.intp], ...]

    @property
    def total(self) -> int:
        """Number of cells."""
        return self.n_cells[0] * self.n_cells[1]

    def firsts(self, n_bins: int) -> NDArray[np.uint64]:
        """Return the place of each position's first count among ``total * n_bins``."""
        return (self.cell * n_bins).astype(np.uint64)

    @cached_property
    def members(self) -> NDArray[np.float64]:
        """1 where a cell belongs to a block, shape (n_blocks, n_cells)."""
        return self.pool(np.eye(self.total))

    def pool(self, counts: NDArray) -> NDArray[np.float64]:
        """Sum cells, shape (n_cells, n_bins), to blocks, shape (n_blocks, n_bins).

        Blocks run grid by grid, within a grid down the columns (row fastest), as in the
        authors' released features.
        """
        if counts.dtype.kind == "i":
            return self.members @ counts.astype(np.float64)  # exact for whole numbers
        cells = counts.reshape(*self.n_cells, -1)
        blocks = []
        for rows, columns in zip(self.rows, self.columns, strict=True):
            in_rows = _sum_runs(cells, rows).swapaxes(0, 1)  # (column cell, block row, bin)
            blocks.append(_sum_runs(in_rows, columns).reshape(-1, cells.shape[2]))
        return np.concatenate(blocks)


def _sum_runs(values: NDArray, runs: NDArray[np.intp]) -> NDArray:
    """Sum ``values[first:end]`` along axis 0 for each (first, end) of ``runs``."""
    # reduceat sums from each index to the next; every second sum is that of a gap. An index of
    # len(values) is not allowed, nor needed.
    index = runs.ravel()
    return np.add.reduceat(values, index[index < len(values)], axis=0)[::2]


def _axis_cells(
    size: int, per_grid: tuple[Intervals, ...]
) -> tuple[NDArray[np.intp], tuple[NDArray[np.intp], ...], int]:
    """Split one axis at every block edge; give each grid's runs in cells."""
    edges = sorted({edge for runs in per_grid for run in runs for edge in run} | {0, size})
    cells = np.searchsorted(edges, np.arange(size), side="right") - 1
    return cells, tuple(np.searchsorted(edges, runs) for runs in per_grid), len(edges) - 1


@lru_cache(maxsize=64)
def block_layout(
    shape: tuple[int, int],  # of the code map
    # For each grid the runs that its blocks are the products of, in order, without overlap.
    rows: tuple[Intervals, ...],
    columns: tuple[Intervals, ...],
) -> BlockLayout:
    """Lay out the blocks over a code map."""
    row_cells, row_runs, n_rows = _axis_cells(shape[0], rows)
    column_cells, column_runs, n_columns = _axis_cells(shape[1], columns)
    cell = row_cells[:, None] * n_columns + column_cells
    cell.setflags(write=False)
    return BlockLayout(cell, (n_rows, n_columns), row_runs, column_runs)


def tiling(shape: tuple[int, int], grids: Sequence[int], cut: str = "round") -> BlockLayout:
    """Lay out grids that each tile the whole code map (H', W')."""
    return _tiling((int(shape[0]), int(shape[1])), check_grids(grids), cut)


@lru_cache(maxsize=64)
def _tiling(shape: tuple[int, int], grids: tuple[int, ...], cut: str) -> BlockLayout:
    rows, columns = (tuple(cut_axis(size, g, cut) for g in grids) for size in shape)
    return block_layout(shape, rows, columns)


def block_histograms(
    codes: NDArray[np.integer],  # (n, H', W'), the first axis is the one that blocks do not cut
    n_bins: int,
    layout: BlockLayout,  # for code maps of (H', W')
    bins: NDArray[np.intp] | None = None,  # of each code; by default the code itself
    weights: NDArray[np.float64] | None = None,  # (n, H', W')
) -> NDArray[np.float64]:
    """Count codes, or sum weights, per block and bin: (n_blocks, n_bins), not normalised."""
    index = np.empty(codes.shape, dtype=np.intp)
    if bins is None:
        index[...] = codes
    else:
        np.take(bins, codes, out=index, mode="clip")  # other modes go through a copy
    index += layout.cell * n_bins
    flat_weights = None if weights is None else weights.ravel()
    counts = np.bincount(index.ravel(), flat_weights, minlength=layout.total * n_bins)
    return layout.pool(counts.reshape(-1, n_bins))


def normalised(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale the last axis to sum to 1; a histogram without votes stays 0."""
    total = counts.sum(axis=-1, keepdims=True)
    return np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
