"""Exact lasso solutions of many responses, added up: P times samples, and P P'.

The solutions themselves (n x D for each penalty) are never held. Responses are walked in chunks of
a fixed size, and the sums of the chunks are added in their order: the result does not depend on
how many threads walk them. Every solution is certified by its duality gap; one whose gap is too
wide is solved again by
:class:`~cdmer_bench.solvers.active_set_lasso.CarefulLasso`.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_info

from cdmer_bench.compiled import compiled_available
from cdmer_bench.solvers.active_set_lasso import CarefulLasso
from cdmer_bench.solvers.lasso_paths import PathBlock, certify, lasso_paths, matrix_rank

Array = NDArray[np.float64]

RELATIVE_GAP = 1e-6  # up to which a solution counts as exact
CHUNK = 512  # responses whose sums are added up together
LARGEST_SUMS = 1 << 29  # bytes of the sums that callers should ask for at once


class LassoSums(NamedTuple):
    """What the solutions of responses add up to, for each of q penalties."""

    projected: Array  # (q, n, n_raw), P times raw samples
    square: Array  # (q, n, n), P P'; of a part of the responses maybe the lower triangle alone
    objective: Array  # (q,), of all responses together
    gap: Array  # (q,)
    breakpoints: int = 0  # the most of any path

    @classmethod
    def of_none(cls, q: int, n: int, n_raw: int) -> "LassoSums":
        """Return the sums over no response."""
        return cls(np.zeros((q, n, n_raw)), np.zeros((q, n, n)), np.zeros(q), np.zeros(q))


def sum_lassos(
    design: Array,  # (m, n), A
    responses: Array,  # (D, m) or less wide: what is missing at the ends of the y is zero
    mus: Sequence[float],  # q penalties, > 0, in any order
    raw: Array,  # (D, n_raw), features of raw samples, a feature a row
) -> LassoSums:
    r"""Solve :math:`\min_p |y - Ap|^2 + \mu |p|_1` for every response and mu, and add up."""
    penalties = np.asarray(mus, dtype=np.float64)
    falling = np.argsort(-penalties, kind="stable")
    total, breakpoints = LassoSums.of_none(len(mus), design.shape[1], raw.shape[1]), 0
    for part in _Lassos(design, responses, penalties[falling], raw).walk():
        for mine, other in zip(total[:4], part[:4], strict=True):
            for place, values in zip(falling, other, strict=True):
                mine[place] += values
        breakpoints = max(breakpoints, part.breakpoints)
        del part  # frees its memory for the next
    for i in range(1, design.shape[1]):
        total.square[:, :i, i] = total.square[:, i, :i]
    return total._replace(breakpoints=breakpoints)


class _Lassos:
    """The responses of one design, with falling penalties."""

    def __init__(self, design: Array, responses: Array, mus: Array, raw: Array) -> None:
        self.design, self.responses, self.mus, self.raw = design, responses, mus, raw
        self.gram = design.T @ design

    @cached_property
    def careful(self) -> CarefulLasso:
        """The solver of responses that the walk leaves above the gap."""
        return CarefulLasso(self.design)

    def walk(self) -> Iterator[LassoSums]:
        """Yield the sums over chunks of responses."""
        if not compiled_available():
            correlations = self.responses @ self.design[: self.responses.shape[1]]
            for part in lasso_paths(self.gram, correlations, list(self.mus)):
                yield self._add_up(part.rows, partial(self._add_paths, part))
            return
        chunks = range(0, len(self.responses), CHUNK)
        rank, rows = matrix_rank(self.gram), np.ascontiguousarray(self.design.T)
        threads = min(_threads(), len(chunks))

        def walk(first: int) -> LassoSums:
            walk_compiled = partial(self._walk_compiled, rank, rows)
            return self._add_up(slice(first, first + CHUNK), walk_compiled)

        if threads < 2:
            yield from map(walk, chunks)
            return
        with ThreadPoolExecutor(threads) as pool:
            for first in range(0, len(chunks), threads):  # so that few sums wait at a time
                yield from pool.map(walk, chunks[first : first + threads])

    def _add_up(self, rows: slice | NDArray[np.intp], add: Callable[..., int]) -> LassoSums:
        """Add what is certified by ``add``, and solve the other responses by the careful method."""
        given, raw = self.responses[rows], self.raw[rows]
        responses = np.zeros((len(given), len(self.design)))
        responses[:, : given.shape[1]] = given
        sums = LassoSums.of_none(len(self.mus), len(self.gram), raw.shape[1])
        objective, gap = np.zeros((2, len(responses), len(self.mus)))
        breakpoints = add(responses, raw, sums, objective, gap)
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
        return sums._replace(objective=objective.sum(0), gap=gap.sum(0), breakpoints=breakpoints)

    def _walk_compiled(
        self, rank: int, rows: Array, responses: Array, raw: Array, sums: LassoSums, *found: Array
    ) -> int:
        from cdmer_bench.solvers.lasso_kernel import walk_paths

        starts, raw = 2 * responses @ self.design, np.ascontiguousarray(raw)
        breakpoints: int = walk_paths(
            self.gram, rows, responses, starts, self.mus, rank, RELATIVE_GAP, raw,
            sums.projected, sums.square, *found,
        )  # fmt: skip
        return breakpoints

    def _add_paths(
        self, part: PathBlock, responses: Array, raw: Array, sums: LassoSums, *found: Array
    ) -> int:
        objective, gap = found
        for i, (mu, P) in enumerate(zip(self.mus, part.coefficients, strict=True)):
            objective[:, i], gap[:, i] = certify(self.design, responses, P, mu)
            good = gap[:, i] <= RELATIVE_GAP * objective[:, i]
            P = P[good]
            sums.projected[i] += P.T @ raw[good]
            sums.square[i] += P.T @ P
        return int(part.breakpoints.max())


def _threads() -> int:
    """Return how many threads this process may use: those that BLAS may, one under the runner."""
    return min((info["num_threads"] for info in threadpool_info()), default=1)
