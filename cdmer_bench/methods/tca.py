"""Transfer component analysis (Pan, Tsang, Kwok and Yang, IEEE TNN 22(2), 2011)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cdmer_bench.errors import UserError
from cdmer_bench.methods.base import Prepared
from cdmer_bench.methods.inputs import Array, Indices, Setting, choose, require
from cdmer_bench.methods.subspaces import SubspaceMethod
from cdmer_bench.methods.svm import Adapted
from cdmer_bench.solvers.kernels import linear_kernel, pooled_kernel
from cdmer_bench.solvers.principal_subspaces import right_singular_vectors


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
    for which the authors' features were at hand; ``'constraint'`` reproduces two of them.

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

    def prepare(self, Xs: Array, ys: Indices, Xt: Array, Xq: Array) -> Prepared:
        """Compute the kernel of all samples, and of the queries with them (n_query, n)."""
        kernel = pooled_kernel(Xs, Xt)
        if Xq is Xt:
            queries = kernel[len(Xs) :]
        else:
            queries = np.hstack([linear_kernel(Xq, X) for X in (Xs, Xt)])
        shape = np.array([len(Xs), len(Xt), Xs.shape[1]])
        return {"kernel": kernel, "queries": queries, "ys": ys, "shape": shape}

    def adapt(self, prepared: Prepared, settings: Sequence[Setting]) -> Iterator[Adapted]:
        """Take the first k components of the samples, for each setting."""
        n_source, K = len(prepared["ys"]), prepared["kernel"]
        largest = self.largest_dimension(*map(int, prepared["shape"]))
        components: dict[tuple[float, str], tuple[Array, Array]] = {}
        for setting in settings:
            k = self.dimension(setting, prepared["shape"])
            key = setting["mu"], setting["scaling"]
            if key not in components:
                W = transfer_components(K, n_source, *key)[:, :largest]
                components[key] = K[:n_source] @ W, prepared["queries"] @ W
                del W
            source, queries = (np.ascontiguousarray(Z[:, :k]) for Z in components[key])
            yield Adapted(source, queries)


def transfer_components(K: Array, n_source: int, mu: float = 1.0, scaling: str = "unit") -> Array:
    """Solve max tr(W'KHKW) subject to W'(K e e' K + mu I)W = I; W is n x n, by falling value."""
    choose("scaling of TCA", scaling, ("unit", "constraint", "variance"))
    require(np.isfinite(mu) and mu > 0, "mu of TCA", mu, "a positive number")
    n = len(K)
    e = np.full(n, -1.0 / (n - n_source))
    e[:n_source] = 1.0 / n_source
    with np.errstate(over="ignore", invalid="ignore"):
        u = K @ e
        length = np.linalg.norm(u)
        # The squared norm of the constraint, and the variance, hold the kernel squared.
        if not (np.isfinite(length) and np.isfinite(np.vdot(K, K))):
            raise UserError(
                f"the kernel of TCA reaches {np.abs(K).max():.3g}, whose square overflows float64; "
                "rescale the features"
            )
    direction = u / length if length > 0 else u
    # A^(-1/2) = (I - (1 - g) dd') / sqrt(mu), with d = u / |u| and g = (1 + |u|^2 / mu)^(-1/2)
    shrink = 1 - 1 / np.hypot(1.0, length / np.sqrt(mu))
    product = K - K.mean(0)
    product -= shrink * np.outer(product @ direction, direction)
    product /= np.sqrt(mu)
    singular, V = right_singular_vectors(product)
    del product
    W = np.outer(direction, direction @ V)
    W *= shrink
    np.subtract(V, W, out=W)
    W /= np.sqrt(mu)
    if scaling == "unit":
        W /= np.linalg.norm(W, axis=0)
    elif scaling == "variance":
        # Components without variance are left at the length of the constraint.
        noise = max(n * np.finfo(float).eps * singular[0], np.finfo(float).tiny)
        usable = singular > noise
        W[:, usable] /= singular[usable]
    return W
