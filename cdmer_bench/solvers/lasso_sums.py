"""Exact lasso solutions of many responses, added up: P times samples, and P P'.

The solutions themselves (n x D for each penalty) are never held. Responses are walked in chunks of
a fixed size, and the sums of the chunks are added in their order: the result does not depend on
how many threads walk them. Every solution is certified by its duality gap; one whose gap is too
wide is solved again by
:class:`~cdmer_bench.solvers.active_set_lasso.CarefulLasso`.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_info

from cdmer_bench.compiled import compiled_available
from cdmer_bench.solvers.active_set_lasso import CarefulLasso
from cdmer_bench.solvers.lasso_paths import certify, lasso_paths, matrix_rank

Array = NDArray[np.float64]

RELATIVE_GAP = 1e-6  # up to which a solution counts as exact
CHUNK = 512  # responses whose sums are added up together
LARGEST_SUMS = 1 << 29  # bytes of the sums that callers should ask for at once


@dataclass
class LassoSums:
    """What the solutions of D responses add up to, for each of q penalties."""

    projected: Array  # (q, n, n_raw), P times raw samples
    square: Array  # (q, n, n), P P'; of a part of the responses maybe the lower triangle alone
    objective: Array  # (q,), of all responses together
    gap: Array  # (q,)
    breakpoints: int = 0  # the most of any path

    def arrays(self) -> tuple[Array, Array, Array, Array]:
        """Return all but the breakpoints."""
        return self.projected, self.square, self.objective, self.gap

    def add(self, part: "LassoSums") -> None:
        """Add the sums over other responses."""
        for mine, other in zip(self.arrays(), part.arrays(), strict=True):
            mine += other
        self.breakpoints = max(self.breakpoints, part.breakpoints)


def sum_lassos(
    design: Array,  # (m, n), A
    responses: Array,  # (D, m) or less wide: what is missing at the ends of the y is zero
    mus: Sequence[float],  # q penalties, > 0, in any order
    raw: Array,  # (D, n_raw), features of raw samples, a feature a row
) -> LassoSums:
    r"""Solve :math:`\min_p |y - Ap|^2 + \mu |p|_1` for every response and mu, and add up."""
    penalties = np.asarray(mus, dtype=np.float64)
    falling = np.argsort(-penalties, kind="stable")
    lassos = _Lassos(design, responses, penalties[falling], raw)
    total = lassos.nothing()
    for part in lassos.walk():
        total.add(part)
        del part  # frees its memory for the next
    for i in range(1, len(lassos.gram)):
        total.square[:, :i, i] = total.square[:, i, :i]
    if (np.diff(falling) == 1).all():
        return total
    given = np.argsort(falling)
    projected, square, objective, gap = (array[given] for array in total.arrays())
    return LassoSums(projected, square, objective, gap, total.breakpoints)


class _Lassos:
    """The responses of one design, with falling penalties."""

    def __init__(self, design: Array, responses: Array, mus: Array, raw: Array) -> None:
        self.design, self.responses, self.mus, self.raw = design, responses, mus, raw
        self.gram = design.T @ design

    def nothing(self) -> LassoSums:
        """Return the sums over no response."""
        q, n, n_raw = len(self.mus), len(self.gram), self.raw.shape[1]
        return LassoSums(np.zeros((q, n, n_raw)), np.zeros((q, n, n)), np.zeros(q), np.zeros(q))

    @cached_property
    def careful(self) -> CarefulLasso:
        """The solver of responses that the walk leaves above the gap."""
        return CarefulLasso(self.design)

    def walk(self) -> Iterator[LassoSums]:
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

    def _chosen(self, rows: slice | NDArray[np.intp]) -> tuple[Array, Array, Array]:
        """Return responses with the zeros at their ends, and room for objectives and gaps."""
        chosen = self.responses[rows]
        padded = np.zeros((len(chosen), len(self.design)))
        padded[:, : chosen.shape[1]] = chosen
        objective, gap = np.zeros((2, len(chosen), len(self.mus)))
        return padded, objective, gap

    def _walk_compiled(self, chunk: slice, rank: int, rows: Array) -> LassoSums:
        from cdmer_bench.solvers.lasso_kernel import walk_paths

        sums, raw = self.nothing(), np.ascontiguousarray(self.raw[chunk])
        responses, objective, gap = self._chosen(chunk)
        starts = 2 * responses @ self.design
        sums.breakpoints = walk_paths(
            self.gram, rows, responses, starts, self.mus, rank, RELATIVE_GAP, raw,
            sums.projected, sums.square, objective, gap,
        )  # fmt: skip
        self._finish(sums, responses, raw, objective, gap)
        return sums

    def _walk_by_numpy(self) -> Iterator[LassoSums]:
        correlations = self.responses @ self.design[: self.responses.shape[1]]
        for part in lasso_paths(self.gram, correlations, list(self.mus)):
            sums, raw = self.nothing(), self.raw[part.rows]
            responses, objective, gap = self._chosen(part.rows)
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
            p = np.zeros(len(self.gram))
            for i in np.flatnonzero(wide[r]):
                found = self.careful.solve(responses[r], self.mus[i], p)
                if not found.gap <= RELATIVE_GAP * found.objective:
                    followed = self.careful.follow(responses[r], self.mus[i])
                    found = min(found, followed, key=lambda solution: solution.gap)
                p, objective[r, i], gap[r, i] = found
                sums.projected[i] += np.outer(p, raw[r])
                sums.square[i] += np.outer(p, p)
        sums.objective[:], sums.gap[:] = objective.sum(0), gap.sum(0)


def _threads() -> int:
    """Return how many threads this process may use: those that BLAS may, one under the runner."""
    return min((info["num_threads"] for info in threadpool_info()), default=1)
