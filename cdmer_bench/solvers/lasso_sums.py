"""Exact lasso solutions of many responses, added up: P times samples, and P P'.

The solutions themselves (n x D for each penalty) are never held. Responses are walked in chunks of
a fixed size, and the sums of the chunks are added in their order: the result does not depend on
how many threads walk them. Every solution is certified by its duality gap; one whose gap is too
wide is solved again by :mod:`~cdmer_bench.solvers.careful_lasso`.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_info

from cdmer_bench.compiled import compiled_available
from cdmer_bench.solvers.careful_lasso import CarefulLasso
from cdmer_bench.solvers.lasso_paths import certify, lasso_paths, matrix_rank

Array = NDArray[np.float64]

RELATIVE_GAP = 1e-6  # up to which a solution counts as exact
CHUNK = 512  # responses whose sums are added up together
LARGEST_SUMS = 1 << 29  # bytes of the sums that callers should ask for at once


@dataclass
class LassoSums:
    """What the solutions of D responses add up to, for each of q penalties.

    Attributes
    ----------
    projected : ndarray, shape (q, n, n_raw)
        P times raw samples.
    square : ndarray, shape (q, n, n)
        P P'.
    objective, gap : ndarray, shape (q,)
        Sums over the responses.
    breakpoints : int
        The most of any path.
    """

    projected: Array
    square: Array
    objective: Array
    gap: Array
    breakpoints: int = 0

    @classmethod
    def zeros(cls, q: int, n: int, n_raw: int) -> "LassoSums":
        """Return the sums over no response."""
        return cls(np.zeros((q, n, n_raw)), np.zeros((q, n, n)), np.zeros(q), np.zeros(q))

    def add(self, part: "LassoSums") -> None:
        """Add the sums over other responses."""
        for mine, other in (
            (self.projected, part.projected),
            (self.square, part.square),
            (self.objective, part.objective),
            (self.gap, part.gap),
        ):
            mine += other
        self.breakpoints = max(self.breakpoints, part.breakpoints)

    def turned(self, order: NDArray[np.intp]) -> "LassoSums":
        """Return the sums in another order of the penalties."""
        projected, square = self.projected[order], self.square[order]
        return LassoSums(
            projected, square, self.objective[order], self.gap[order], self.breakpoints
        )


def sum_lassos(design: Array, responses: Array, mus: Sequence[float], raw: Array) -> LassoSums:
    r"""Solve :math:`\min_p |y - Ap|^2 + \mu |p|_1` for every response and mu, and add up.

    Parameters
    ----------
    design : ndarray, shape (m, n)
        A.
    responses : ndarray, shape (D, m) or less wide
        The y as rows; what is missing at their ends is zero.
    mus : sequence of float
        q penalties, > 0, in any order.
    raw : ndarray, shape (D, n_raw)
        Features of raw samples, a feature a row.
    """
    penalties = np.asarray(mus, dtype=np.float64)
    falling = np.argsort(-penalties, kind="stable")
    task = _Task(design, responses, penalties[falling], raw)
    total = task.nothing()
    for part in task.parts():
        total.add(part)
    return total if (np.diff(falling) == 1).all() else total.turned(np.argsort(falling))


def solve_lassos(design: Array, responses: Array, mu: float) -> Array:
    """Return the solutions themselves for one penalty, shape (D, n), by the NumPy walk."""
    solutions = np.empty((len(responses), design.shape[1]))
    careful = CarefulLasso(design)
    for part in lasso_paths(design.T @ design, responses @ design, [mu]):
        solutions[part.rows] = part.coefficients[0]
        bound = certify(design, responses[part.rows], part.coefficients[0], mu)
        for r in part.rows[~(bound.gap <= RELATIVE_GAP * bound.objective)]:
            solutions[r] = careful.solve(responses[r], mu, solutions[r]).p
    return solutions


class _Task:
    """The responses of one design, with falling penalties."""

    def __init__(self, design: Array, responses: Array, mus: Array, raw: Array) -> None:
        self.design, self.responses, self.mus, self.raw = design, responses, mus, raw
        self.gram = design.T @ design
        self.careful: CarefulLasso | None = None

    def nothing(self) -> LassoSums:
        """Return the sums over no response."""
        return LassoSums.zeros(len(self.mus), self.design.shape[1], self.raw.shape[1])

    def parts(self) -> Iterator[LassoSums]:
        """Yield the sums over chunks of responses."""
        if not compiled_available():
            yield from self._walk_by_numpy()
            return
        chunks = range(0, len(self.responses), CHUNK)
        rank, rows = matrix_rank(self.gram), np.ascontiguousarray(self.design.T)
        threads = min(_threads(), len(chunks))

        def walk(first: int) -> LassoSums:
            return self._walk_compiled(slice(first, first + CHUNK), rank, rows)

        if threads < 2:
            yield from map(walk, chunks)
            return
        with ThreadPoolExecutor(threads) as pool:
            for first in range(0, len(chunks), threads):  # so that few sums wait at a time
                yield from pool.map(walk, chunks[first : first + threads])

    def _padded(self, rows: slice | NDArray[np.intp]) -> Array:
        """Return responses with the zeros at their ends."""
        chosen = self.responses[rows]
        padded = np.zeros((len(chosen), len(self.design)))
        padded[:, : chosen.shape[1]] = chosen
        return padded

    def _walk_compiled(self, chunk: slice, rank: int, rows: Array) -> LassoSums:
        from cdmer_bench.solvers.lasso_kernel import walk_paths

        sums = self.nothing()
        responses, raw = self._padded(chunk), np.ascontiguousarray(self.raw[chunk])
        objective, gap = np.zeros((2, len(responses), len(self.mus)))
        starts = 2 * responses @ self.design
        most = walk_paths(
            self.gram, rows, responses, starts, self.mus, rank, RELATIVE_GAP, raw,
            sums.projected, sums.square, objective, gap,
        )  # fmt: skip
        sums.breakpoints = most
        upper = np.triu_indices(self.design.shape[1], 1)
        sums.square[:, *upper] = sums.square.transpose(0, 2, 1)[:, *upper]
        self._finish(sums, responses, raw, objective, gap)
        return sums

    def _walk_by_numpy(self) -> Iterator[LassoSums]:
        correlations = self.responses @ self.design[: self.responses.shape[1]]
        for part in lasso_paths(self.gram, correlations, list(self.mus)):
            responses, raw = self._padded(part.rows), self.raw[part.rows]
            sums = self.nothing()
            objective, gap = np.zeros((2, len(responses), len(self.mus)))
            for i, (mu, P) in enumerate(zip(self.mus, part.coefficients, strict=True)):
                objective[:, i], gap[:, i] = certify(self.design, responses, P, mu)
                good = gap[:, i] <= RELATIVE_GAP * objective[:, i]
                P = P[good]
                sums.projected[i] += P.T @ raw[good]
                sums.square[i] += P.T @ P
            sums.breakpoints = int(part.breakpoints.max())
            self._finish(sums, responses, raw, objective, gap)
            yield sums

    def _finish(
        self, sums: LassoSums, responses: Array, raw: Array, objective: Array, gap: Array
    ) -> None:
        """Solve what is not certified by the careful method, and add it to the sums."""
        wide = ~(gap <= RELATIVE_GAP * objective)
        for r in np.flatnonzero(wide.any(axis=1)):
            if self.careful is None:
                self.careful = CarefulLasso(self.design)
            p = np.zeros(self.design.shape[1])
            for i in np.flatnonzero(wide[r]):
                p, objective[r, i], gap[r, i] = self.careful.solve(responses[r], self.mus[i], p)
                sums.projected[i] += np.outer(p, raw[r])
                sums.square[i] += np.outer(p, p)
        sums.objective[:], sums.gap[:] = objective.sum(0), gap.sum(0)


def _threads() -> int:
    """Return how many threads this process may use: those that BLAS may, one under the runner."""
    return min((info["num_threads"] for info in threadpool_info()), default=1)
