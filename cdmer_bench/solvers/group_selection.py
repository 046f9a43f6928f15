r"""Regression by k groups of rows, for many settings at once: the loop of TGSR.

Symbols, and the loop for one setting, step by step: :mod:`cdmer_bench.methods.tgsr`.

With the thin SVD :math:`Y = U S V^T`, the rows of group g of :math:`W = P + T / \kappa` are
:math:`W_g = U_g a_g^T + o_g 1` with c x m numbers :math:`a_g` and one :math:`o_g`. A step scales
both by the :math:`h_g` of its predecessor, the share of :math:`W_g` that B kept, and adds the same
q to the :math:`a_g` of all groups. Norms and products with U need :math:`M_g = U_g^T U_g` (m x m)
only, so nothing of the length of a sample is formed, but for the last steps, to see where the loop
stops. Where the :math:`M_g` of all groups would take more than ``KEPT`` bytes, U is multiplied by
twice.
"""

from typing import Any

import numpy as np
import scipy  # its parts are loaded when they are used
from numpy.typing import NDArray

from cdmer_bench.errors import UserError, closest

Array = NDArray[np.float64]

GROUPS = ("blocks", "authors_chunks")
N_PLANES = 3
KEPT = 1 << 30  # bytes of the matrices of all groups above which they are not formed
KAPPA, FACTOR, LARGEST_KAPPA, TOLERANCE = 1e-3, 1.1, 1e15, 1e-8
MOST_STEPS = 600  # kappa reaches its end after 435
STACK = 17  # settings that go through a step together, so that they stay in the cache


def group_features(X: Array, groups: str) -> Array:
    """Say which values of X (n_samples, n_blocks, block_dim) form the groups that are selected.

    'blocks' are the facial blocks of the grids 1, 2, 4, ... 'authors_chunks' are consecutive runs
    of block_dim values of the authors' file order, which goes plane by plane inside each grid:
    beyond the whole face such a run mixes parts of three blocks.
    """
    if groups not in GROUPS:
        raise UserError(f"there are no groups {groups!r}; {closest(str(groups), GROUPS)}")
    if groups == "blocks":
        return X
    n_samples, n_blocks, block_dim = X.shape
    sizes = [1]
    while sum(sizes) < n_blocks:
        sizes.append(4 * sizes[-1])
    if sum(sizes) != n_blocks:
        raise UserError(
            f"groups=authors_chunks needs the blocks of the grids 1, 2, 4, ... (1, 5, 21, 85 "
            f"blocks), but samples have {n_blocks} blocks; use groups=blocks"
        )
    if block_dim % N_PLANES:
        raise UserError(
            f"groups=authors_chunks needs blocks of {N_PLANES} planes, but a block has "
            f"{block_dim} values; use groups=blocks"
        )
    runs = []
    for grid in np.split(X, np.cumsum(sizes)[:-1], axis=1):
        planes = grid.reshape(n_samples, grid.shape[1], N_PLANES, -1).transpose(0, 2, 1, 3)
        runs.append(planes.reshape(n_samples, -1))
    return np.concatenate(runs, axis=1).reshape(X.shape)


def prepare_groups(Xs: Array, Xt: Array, Xq: Array) -> dict[str, Array]:
    """Decompose source and mean difference as rows of Q R, of samples (n, n_groups, d)."""
    n_groups, d = Xs.shape[1:]
    Y = np.concatenate([Xs, (Xs.mean(axis=0) - Xt.mean(axis=0))[None]]).reshape(len(Xs) + 1, -1)
    largest, m = np.abs(Y).max(), min(Y.shape)
    large = 8 * n_groups * m * (m + len(Xq)) > KEPT and m > d
    with np.errstate(over="ignore", invalid="ignore"):
        if large:
            Q, R = scipy.linalg.qr(Y.T, mode="economic", overwrite_a=True, check_finite=False)
        else:
            Q, R = np.linalg.qr(Y.T)
        fits = np.isfinite(np.square(R).sum() / KAPPA)
    if not fits:
        raise UserError(
            f"the features reach {largest:.3g}, whose squares overflow; divide them by a constant"
        )
    del Y
    Q = Q.reshape(n_groups, d, m)
    prepared = {"Q": Q, "R": R, "query_sums": Xq.sum(axis=2)}
    if large:
        return {**prepared, "samples": np.ascontiguousarray(Xq.transpose(1, 2, 0))}
    prepared["grams"] = Q.transpose(0, 2, 1) @ Q
    prepared["queries"] = Q.transpose(0, 2, 1) @ Xq.transpose(1, 2, 0)
    return prepared


def select_groups(
    prepared: dict[str, Array], lam: float, k: NDArray[np.intp]
) -> tuple[Array, NDArray[np.intp], NDArray[np.bool_]]:
    """Return regressed labels (n_settings, n_query, c), steps, and whether the loop ended."""
    R = prepared["R"].copy()
    R[:, -1] *= np.sqrt(lam)
    turn, s, Vt = np.linalg.svd(R, full_matrices=False)
    loop = _Loop(prepared, turn, s, Vt)
    parts = [loop.run(k[i : i + STACK]) for i in range(0, len(k), STACK)]
    labels, steps, converged = (np.concatenate(found) for found in zip(*parts, strict=True))
    return labels, steps, converged


class _Loop:
    """The loop for one lambda; U = Q turn."""

    def __init__(self, prepared: dict[str, Array], turn: Array, s: Array, Vt: Array) -> None:
        self.U = prepared["Q"] @ turn  # (G, d, m)
        self.u = self.U.sum(axis=1)  # (G, m)
        self.kept = "grams" in prepared
        if self.kept:
            self.M = turn.T @ prepared["grams"] @ turn  # (G, m, m)
            self.queries = turn.T @ prepared["queries"]  # (G, m, n_query)
        else:
            self.samples = prepared["samples"]  # (G, d, n_query)
        self.query_sums = prepared["query_sums"].T  # (G, n_query)
        self.s = s
        L = prepared["labels"]
        self.LVS = 2 * s * (L @ Vt[:, :-1].T)  # 2 L Y' U, (c, m)

    def run(self, k: NDArray[np.intp]) -> tuple[Array, NDArray[np.intp], NDArray[np.bool_]]:
        """Run the loop for a stack of k; a and M a are (G, n_settings, c, m)."""
        (n_groups, d, m), c = self.U.shape, len(self.LVS)
        n, shrinking = len(k), 2 * self.s**2
        a, Ma = np.zeros((n_groups, n, c, m)), np.zeros((n_groups, n, c, m))
        o, h = np.ones((n_groups, n)), np.ones((n_groups, n))
        left, worst = np.arange(n), np.zeros((2, n), np.intp)
        labels = np.empty((n, self.query_sums.shape[1], c))
        steps, converged = np.zeros(n, np.intp), np.zeros(n, bool)
        kappa, factor = KAPPA, FACTOR
        for step in range(1, MOST_STEPS + 1):
            # T / kappa = rest W and B - T / kappa = (h - rest) W, of the W of the last step
            rest = (1 - h) / factor
            e = self.LVS / kappa
            z = np.einsum("gn,gncm->ncm", h - rest, Ma)
            z = z + ((h - rest) * o).T[:, None] @ self.u + e
            q = e - (1 - 1 / (shrinking / kappa + 1)) * z
            before, a, o = (a, o), h[..., None, None] * a, h * o
            a += q
            rows = a.reshape(n_groups, -1, m)
            Ma = (rows @ self.M if self.kept else self._on_groups(rows) @ self.U).reshape(a.shape)
            squares = np.einsum("gncm,gncm->gn", a, Ma) + d * c * o * o
            squares += 2 * o * (a.sum(axis=2) @ self.u[..., None])[..., 0]
            norms = np.sqrt(np.maximum(squares, 0))
            ordered = np.vstack([-np.sort(-norms, axis=0), np.zeros(len(left))])
            threshold = ordered[k[left], np.arange(len(left))]
            h = np.maximum(norms - threshold, 0) / np.where(norms > 0, norms, 1)
            small = self._all_small((a, o), 1 - h, before, rest, worst)
            ended = small | (step == MOST_STEPS)
            if ended.any():
                members, old = left[ended], rest[:, ended]
                steps[members], converged[members] = step, small[ended]
                # P = W - T / kappa
                P = a[:, ended] - old[..., None, None] * before[0][:, ended]
                ones = o[:, ended] - old * before[1][:, ended]
                rows = P.reshape(n_groups, -1, m)
                found = rows @ self.queries if self.kept else self._on_groups(rows) @ self.samples
                found = found.sum(axis=0)
                found = found.reshape(len(members), c, -1) + (ones.T @ self.query_sums)[:, None]
                labels[members] = found.transpose(0, 2, 1)
                stay = ~ended
                left, worst = left[stay], worst[:, stay]
                a, Ma, o, h = a[:, stay], Ma[:, stay], o[:, stay], h[:, stay]
                if not len(left):
                    break
            factor = min(FACTOR, LARGEST_KAPPA / kappa)
            kappa *= factor
        return labels, steps, converged

    def _on_groups(self, rows: Array) -> Array:
        """Return rows (G, n c, m) as coefficients of the features of their groups, (G, n c, d)."""
        coefficients: Array = rows @ self.U.transpose(0, 2, 1)
        return coefficients

    def _all_small(
        self,
        W: tuple[Array, Array],
        cut: Array,
        before: tuple[Array, Array],
        rest: Array,
        worst: NDArray[np.intp],
    ) -> NDArray[np.bool_]:
        """Whether max |P - B| is below the tolerance; ``worst`` keeps where it was largest.

        P - B is ``cut`` times W less ``rest`` times the W before, by groups and settings; worst
        holds the group and the row in it, (2, n_settings).
        """

        def difference(groups: Any, settings: Any) -> tuple[Array, Array]:
            a = cut[groups, settings][..., None, None] * W[0][groups, settings]
            a -= rest[groups, settings][..., None, None] * before[0][groups, settings]
            o = cut[groups, settings] * W[1][groups, settings]
            return a, o - rest[groups, settings] * before[1][groups, settings]

        # One row that is not small is enough to go on, mostly that of an earlier step.
        a, o = difference(worst[0], np.arange(len(worst[0])))
        rows = self.U[worst[0], worst[1]]
        small = np.abs((a @ rows[..., None])[..., 0] + o[:, None]).max(axis=1) < TOLERANCE
        for i in np.flatnonzero(small):
            a, o = difference(slice(None), i)
            sizes = np.abs(self.U @ a.transpose(0, 2, 1) + o[:, None, None]).max(axis=2)
            worst[:, i] = np.unravel_index(sizes.argmax(), sizes.shape)
            small[i] = sizes.max() < TOLERANCE
        return small
