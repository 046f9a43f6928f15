r"""Transfer regression of labels on kernels: what DRLS and RSTR share.

The problem is that of :mod:`~cdmer_bench.methods.drls`, whose symbols are kept: a sparse
least-squares problem :math:`|Y - P^T C|_F^2 + \mu |P|_1` in P (n x c), once the maximum mean
discrepancy (MMD) is written as one sample more, whose label is zero:
:math:`C = [K^s, \sqrt\lambda k^{st}]` (n x m) and :math:`Y = [L, 0]` (c x m). The first n_source
of the n samples are the source. Only linear kernels are used, on raw features.

**The authors' loop**, :func:`ialm`, is that of :mod:`~cdmer_bench.solvers.ialm` for a stack of
problems with few columns c. Its step over Q solves with :math:`CC^T + \kappa/2\, I` for another
:math:`\kappa` each time. With :math:`C^T C = V \mathrm{diag}(s) V^T` and :math:`W = CV`,

.. math:: (CC^T + \tfrac\kappa2 I)^{-1} = \tfrac2\kappa
          \bigl(I - W \mathrm{diag}\bigl(\tfrac{1}{s + \kappa/2}\bigr) W^T\bigr),

so one decomposition of the small matrix (m x m) serves all steps, and a step costs two products
with the n x m matrix W. In terms of :math:`v = \kappa Q - T` the step over P and the multipliers
are one clipping: the new T is :math:`-\mathrm{clip}(v, -\mu, \mu)` and the new :math:`\kappa P` is
what the clipping cut off. Matrices are transposed here, so that their rows are long.

Where numba is there, a compiled loop carries z = W'(T + kappa P) from step to step instead of
multiplying it out: as v = kappa P - W e, with e the weights of a step, and W'W = diag(s), the next
z is s e + W'(change of P), and most entries of P are zero. While P is zero nothing of size n is
formed. The results differ from those of the NumPy loop by rounding.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.compiled import compiled_available, kernel
from cdmer_bench.errors import UserError
from cdmer_bench.solvers.active_set_lasso import active_set_lasso
from cdmer_bench.solvers.ialm import AUTHORS_SCHEDULE, PenaltySchedule

Array = NDArray[np.float64]


def label_matrix(ys: NDArray[np.intp]) -> Array:
    """Return L (c x n_source): column i has a 1 in the row of the class of source sample i."""
    return (np.arange(ys.max() + 1)[:, None] == ys).astype(np.float64)


def add_mmd_label(L: Array) -> Array:
    """Return Y = [L, 0] (c x (n_source + 1)): the MMD is a sample whose label is zero."""
    return np.column_stack([L, np.zeros(len(L))])


def source_and_mmd_kernels(kernel: Array, n_source: int) -> Array:
    """Return :math:`[K^s, k^{st}]`, n x (n_source + 1), of the kernel K between all n samples."""
    kernels = np.empty((len(kernel), n_source + 1))
    kernels[:, :-1] = kernel[:, :n_source]
    kernels[:, -1] = kernels[:, :-1].mean(axis=1) - kernel[:, n_source:].mean(axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        fits = np.isfinite(np.vdot(kernel, kernel))
    if not fits:
        largest = np.sqrt(np.diag(kernel).max())
        raise UserError(
            f"samples have norms of up to {largest:.3g}, so the squared kernel overflows; divide "
            "the features by a constant"
        )
    return kernels


def weigh_mmd(kernels: Array, lam: float) -> Array:
    r"""Return :math:`C = [K^s, \sqrt\lambda k^{st}]` for a stack of ``[Ks, kst]``."""
    C = kernels.copy()
    C[..., -1] *= np.sqrt(lam)
    return C


class Regression(NamedTuple):
    """Solutions of a stack of problems."""

    P: Array  # (n_stack, n, c)
    n_steps: NDArray[np.intp]  # (n_stack,), of the IALM, or changes of the active sets
    converged: NDArray[np.bool_]  # (n_stack,)

    @classmethod
    def empty(cls, n_stack: int, n: int, c: int) -> "Regression":
        """Return room for ``n_stack`` solutions P (n x c)."""
        return cls(
            np.zeros((n_stack, n, c)), np.zeros(n_stack, np.intp), np.ones(n_stack, np.bool_)
        )

    def take(self, members: NDArray[np.intp]) -> "Regression":
        """Return the solutions of some members of the stack."""
        return Regression(self.P[members], self.n_steps[members], self.converged[members])


def solve_regression(
    C: Array,  # (n_stack, n, m), or (1, n, m), common to all ``mu``
    Y: Array,  # (c, m)
    mu: Array,  # (n_stack,)
    solver: str,  # 'paper': the authors' IALM, which stops above the optimum; 'exact'
) -> Regression:
    r"""Solve :math:`\min_P |Y - P^T C|_F^2 + \mu |P|_1` for a stack of problems."""
    if solver == "paper":
        return ialm(factorize(C, Y, AUTHORS_SCHEDULE.kappa0 / 2), mu, AUTHORS_SCHEDULE)
    found = Regression.empty(len(mu), C.shape[1], len(Y))
    for i, weight in enumerate(mu):
        data = C[i if len(C) > 1 else 0]
        # The columns of P are separate lassos; the lasso has half the squared norm.
        columns = [active_set_lasso(data @ data.T, data @ y, float(weight) / 2) for y in Y]
        found.P[i] = np.stack([column.x for column in columns], axis=1)
        found.n_steps[i] = sum(column.n_changes for column in columns)
        found.converged[i] = all(column.converged for column in columns)
    return found


class LeastSquaresFactors(NamedTuple):
    """Decompositions of a stack of least-squares terms :math:`|Y - P^T C|_F^2`."""

    W: Array  # (n_stack, n, m), ``C @ V``, with orthogonal columns
    s: Array  # (n_stack, m), eigenvalues of ``C.T @ C``, not negative
    H: Array  # (n_stack, c, m), ``Y @ V``


def factorize(C: Array, Y: Array, smallest_shift: float) -> LeastSquaresFactors:
    """Decompose the least-squares terms with data C (n_stack, n, m) and a common Y (c, m).

    ``smallest_shift`` is the smallest kappa / 2 that will be added to the eigenvalues. Where the
    rounding of ``C.T @ C`` comes near it, the slower decomposition of C itself is used.
    """
    s, V = np.linalg.eigh(C.transpose(0, 2, 1) @ C)
    W = C @ V
    for i in np.flatnonzero(s[:, -1] * np.finfo(float).eps > 1e-3 * smallest_shift):
        U, lengths, Vt = np.linalg.svd(C[i], full_matrices=False)
        lengths[lengths < max(C[i].shape) * np.finfo(float).eps * lengths[0]] = 0.0
        rank = len(lengths)  # min(n, m); further eigenvalues are zero
        W[i], s[i], V[i] = 0.0, 0.0, 0.0
        W[i, :, :rank], s[i, :rank], V[i, :, :rank] = U * lengths, lengths**2, Vt.T
    return LeastSquaresFactors(W, np.maximum(s, 0.0), Y @ V)


def ialm(factors: LeastSquaresFactors, mu: Array, schedule: PenaltySchedule) -> Regression:
    """Run the schedule on every problem; each gives the same bits in any stack.

    ``factors`` are those of ``len(mu)`` problems, or of one that all values of mu share.
    """
    W, s, H = factors
    found = Regression.empty(len(mu), W.shape[1], H.shape[1])
    loop = _compiled_loop if compiled_available() else _numpy_loop
    constants = schedule.kappas, schedule.tolerance, schedule.start
    parts = [
        (np.ascontiguousarray(W[i]), np.ascontiguousarray(W[i].T), s[i], np.ascontiguousarray(H[i]))
        for i in range(len(W))
    ]
    for i, weight in enumerate(mu):
        own = parts[i if len(W) > 1 else 0]
        P, found.n_steps[i], found.converged[i] = loop(*own, float(weight), *constants)
        found.P[i] = P.T
    return found


def _numpy_loop(
    W: Array,  # (n, m)
    Wt: Array,  # (m, n)
    s: Array,  # (m,)
    H: Array,  # (c, m)
    mu: float,
    kappas: Array,
    tolerance: float,
    start: float,
) -> tuple[Array, int, bool]:
    """Run the schedule on one problem; return P (c x n), the steps and whether it converged."""
    P, clipped = np.full((2, len(H), len(W)), start)  # kappa P and -T
    P *= kappas[0]
    clipped *= -1.0
    for step, kappa in enumerate(kappas, start=1):
        e = ((P - clipped) @ W - kappa * H) / (s + kappa / 2)
        v = P - e @ Wt  # 1. Q: v = kappa Q - T
        inside = np.clip(v, -mu, mu)
        P = v - inside  # 2. P
        moved = np.abs(inside - clipped).max()  # 3. The check.
        if moved < tolerance * kappa or step == len(kappas):
            break
        clipped = inside  # 4. T
        P *= kappas[step] / kappa  # 5. The next kappa.
    return P / kappa, step, bool(moved < tolerance * kappa)


@kernel
def _compiled_loop(
    W: Array,
    Wt: Array,
    s: Array,
    H: Array,
    mu: float,
    kappas: Array,
    tolerance: float,
    start: float,
) -> tuple[Array, int, bool]:
    """Do the same, without forming anything of size n while P is zero."""
    (n, m), c = W.shape, len(H)
    P, clipped = np.full((c, n), kappas[0] * start), np.full((c, n), -start)  # kappa P and -T
    v, z, e, before = np.empty(n), np.zeros((c, m)), np.empty((c, m)), np.empty((c, m))
    _add_rows(z, W, P - clipped)
    reach = 0.0  # |W e| is at most this times |e|
    for i in range(n):
        length = 0.0
        for j in range(m):
            length += W[i, j] ** 2
        reach = max(reach, np.sqrt(length))
    idle = False  # P is zero, and clipped stands for -W before
    for step in range(len(kappas)):
        kappa = kappas[step]
        for k in range(c):
            for j in range(m):
                e[k, j] = (z[k, j] - kappa * H[k, j]) / (s[j] + kappa / 2)
        if idle:
            move, largest = 0.0, 0.0  # of T, squared, and of e
            for k in range(c):
                size = 0.0
                for j in range(m):
                    size += e[k, j] * e[k, j]
                    move += s[j] * (e[k, j] - before[k, j]) ** 2
                largest = max(largest, size)
            still = move < (tolerance * kappa) ** 2 * n * c
            if reach * np.sqrt(largest) <= mu and not still and step < len(kappas) - 1:
                _scale(z, s, e)
                before, e = e, before
                continue
            for k in range(c):
                clipped[k] = 0.0
                _subtract_product(clipped[k], Wt, before[k])
            idle = False
        moved, nonzero = 0.0, 0
        ratio = kappas[min(step + 1, len(kappas) - 1)] / kappa
        _scale(z, s, e)
        for k in range(c):
            for i in range(n):
                v[i] = P[k, i]
            _subtract_product(v, Wt, e[k])  # 1. Q: v = kappa Q - T
            for i in range(n):
                inside = min(max(v[i], -mu), mu)
                moved = max(moved, abs(inside - clipped[k, i]))
                clipped[k, i] = inside  # 4. T
                cut = v[i] - inside  # 2. P
                change = (1.0 + ratio) * cut - P[k, i]
                P[k, i] = cut
                if cut != 0.0:
                    nonzero += 1
                if change != 0.0:
                    for j in range(m):
                        z[k, j] += change * W[i, j]
        if moved < tolerance * kappa or step == len(kappas) - 1:  # 3. The check.
            return P / kappa, step + 1, moved < tolerance * kappa
        P *= ratio  # 5. The next kappa.
        idle = nonzero == 0 and reach > 0
        before, e = e, before
    return P, 0, False


@kernel
def _scale(z: Array, s: Array, e: Array) -> None:
    """Set z to e (c x m) times s (m,)."""
    for k in range(len(z)):
        for j in range(len(s)):
            z[k, j] = s[j] * e[k, j]


@kernel
def _add_rows(total: Array, W: Array, factors: Array) -> None:
    """Add factors (c x n) times W (n x m) to the total (c x m)."""
    for k in range(len(factors)):
        for i in range(len(W)):
            for j in range(W.shape[1]):
                total[k, j] += factors[k, i] * W[i, j]


@kernel
def _subtract_product(v: Array, Wt: Array, e: Array) -> None:
    """Subtract W e from v, four columns of W at a time."""
    m = len(Wt)
    for j in range(0, m - 3, 4):
        a, b, c, d = e[j], e[j + 1], e[j + 2], e[j + 3]
        for i in range(len(v)):
            v[i] -= (a * Wt[j, i] + b * Wt[j + 1, i]) + (c * Wt[j + 2, i] + d * Wt[j + 3, i])
    for j in range(m - m % 4, m):
        for i in range(len(v)):
            v[i] -= e[j] * Wt[j, i]
