"""Transfer component analysis (Pan, Tsang, Kwok and Yang, IEEE TNN 22(2), 2011)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.methods.base import BatchResult, Prepared, Setting, choose
from cdmer_bench.methods.subspaces import SubspaceMethod
from cdmer_bench.methods.svm import batch_result, classify_linearly
from cdmer_bench.solvers.kernels import linear_kernel, pooled_kernel


@dataclass
class TCA(SubspaceMethod):
    """Transfer component analysis, then a linear SVM on the components.

    With n = n_source + n_target samples X, their kernel K (n x n), the centring matrix
    H = I - 11'/n and e (n), 1/n_source on the source and -1/n_target on the target::

        max over W (n x k)  tr(W' K H K W)   subject to   W' (K e e' K + mu I) W = I

    that is, components of large variance along which the means of the domains agree. The columns
    of W are the leading generalised eigenvectors; the components of the samples are Z = K W.

    Parameters
    ----------
    k : int, optional
        Number of components, 1 to min(n - 1, n_features); all of them in the paper.
    mu : float
        Weight of the regularisation, > 0.
    scaling : {'unit', 'constraint', 'variance'}
        Length of the columns w of W: ``'unit'`` is ||w|| = 1, ``'constraint'`` is
        w'(K e e' K + mu I)w = 1 as written above, ``'variance'`` is w'KHKw = 1.
    C : float
        Cost of the SVM.

    Notes
    -----
    The paper does not give mu or the length of the eigenvectors, yet the SVM with a fixed C
    depends on the length. mu = 1 and unit length, which eigenvalue routines return for the
    non-symmetric form (K e e' K + mu I)^-1 K H K w = lambda w, reproduce all six printed results
    for which the authors' features are public; ``'constraint'`` reproduces two of them.

    A^(-1/2) of A = mu I + uu', u = K e, is known in closed form, and W = A^(-1/2) V with V the
    right singular vectors of H K A^(-1/2): no product K H K is formed, which would square the
    condition number. One decomposition serves every k.
    """

    mu: float = 1.0
    scaling: str = "unit"
    C: float = 1.0

    label = "TCA"

    def largest_dimension(self, n_source: int, n_target: int, n_features: int) -> int:
        """Return min(n_source + n_target - 1, n_features), the rank of H K in general position."""
        return min(n_source + n_target - 1, n_features)

    def prepare(
        self,
        Xs: NDArray[np.float64],
        ys: NDArray[np.intp],
        Xt: NDArray[np.float64],
        Xq: NDArray[np.float64],
    ) -> Prepared:
        """Compute the kernel of all samples, and of the queries with them (n_query, n)."""
        kernel = pooled_kernel(Xs, Xt)
        if Xq is Xt:
            queries = kernel[len(Xs) :]
        else:
            queries = np.hstack([linear_kernel(Xq, X) for X in (Xs, Xt)])
        shape = np.array([len(Xs), len(Xt), Xs.shape[1]])
        return {"kernel": kernel, "queries": queries, "ys": ys, "shape": shape}

    def solve(self, prepared: Prepared, settings: Sequence[Setting]) -> BatchResult:
        """Train on the first k components of the source, for each setting."""
        components: dict[tuple[float, str], tuple[NDArray, NDArray]] = {}
        classified = []
        ys = prepared["ys"]
        largest = self.largest_dimension(*map(int, prepared["shape"]))
        for setting in settings:
            chosen, k = self.complete(setting), self.dimension(setting, prepared["shape"])
            key = chosen["mu"], chosen["scaling"]
            if key not in components:
                W = transfer_components(prepared["kernel"], len(ys), *key)[:, :largest]
                components[key] = prepared["kernel"][: len(ys)] @ W, prepared["queries"] @ W
            source, queries = (np.ascontiguousarray(Z[:, :k]) for Z in components[key])
            classified.append(classify_linearly(source, ys, queries, chosen["C"]))
        return batch_result(classified)

    def adapted_kernel(self, prepared: Prepared, setting: Setting) -> NDArray[np.float64]:
        """Return Z Z' of the first k components Z = K W; see :meth:`Method.adapted_kernel`."""
        chosen = self.complete(setting)
        k = self.dimension(setting, prepared["shape"])
        K = prepared["kernel"]
        W = transfer_components(K, len(prepared["ys"]), chosen["mu"], chosen["scaling"])
        Z = K @ W[:, :k]
        return Z @ Z.T


def transfer_components(
    K: NDArray[np.float64], n_source: int, mu: float = 1.0, scaling: str = "unit"
) -> NDArray[np.float64]:
    """Solve max tr(W'KHKW) subject to W'(K e e' K + mu I)W = I; W is n x n, by falling value."""
    choose("scaling of TCA", scaling, ("unit", "constraint", "variance"))
    if not (np.isfinite(mu) and mu > 0):
        raise UserError(f"mu of TCA is {mu!r}, expected a positive number")
    n = len(K)
    e = np.full(n, -1.0 / (n - n_source))
    e[:n_source] = 1.0 / n_source
    with np.errstate(over="ignore", invalid="ignore"):
        u = K @ e
        length = np.linalg.norm(u)
        # The squared norm of the constraint, and the variance, hold the kernel squared.
        if not (np.isfinite(length) and np.isfinite(np.square(K).sum())):
            raise UserError(
                f"the kernel of TCA reaches {np.abs(K).max():.3g}, whose square overflows float64; "
                "rescale the features"
            )
    direction = u / length if length > 0 else u
    # A^(-1/2) = (I - (1 - g) dd') / sqrt(mu), with d = u / |u| and g = (1 + |u|^2 / mu)^(-1/2)
    shrink = 1 - 1 / np.hypot(1.0, length / np.sqrt(mu))
    centred = K - K.mean(0)
    product = centred - shrink * np.outer(centred @ direction, direction)
    _, singular, Vt = np.linalg.svd(product / np.sqrt(mu))
    V = Vt.T
    W = (V - shrink * np.outer(direction, direction @ V)) / np.sqrt(mu)
    if scaling == "unit":
        W /= np.linalg.norm(W, axis=0)
    elif scaling == "variance":
        # Components without variance are left at the length of the constraint.
        noise = max(n * np.finfo(float).eps * singular[0], np.finfo(float).tiny)
        usable = singular > noise
        W[:, usable] /= singular[usable]
    return W
