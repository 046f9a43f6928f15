"""Each adaptation method the plain way: one independent fit a setting, on explicit features.

Written from the equations, with nothing shared between settings and nothing carried over to Gram
matrices that a straightforward implementation would not; the opponents of bench_methods.py. Every
function takes source samples (n_source, n_blocks, block_dim), class indices (n_source,), target
samples and one setting, and returns the target's predicted class indices.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from sklearn.svm import SVC

from cdmer_bench.solvers.bounded_sum_qp import BoundedSumQP, solve_interior_point

Array = NDArray[np.float64]


def flat(X: Array) -> Array:
    return X.reshape(len(X), -1)


def classify(source: Array, ys: NDArray, target: Array, weights: Array | None = None) -> NDArray:
    """Train LibSVM on explicit features, its classes in order of first appearance."""
    _, first = np.unique(ys, return_index=True)
    order = ys[np.sort(first)]
    codes = np.argsort(order)[ys]
    machine = SVC(kernel="linear", C=1.0).fit(source, codes, sample_weight=weights)
    return order[machine.predict(target)]


def svm(Xs: Array, ys: NDArray, Xt: Array) -> NDArray:
    return classify(flat(Xs), ys, flat(Xt))


def leave_one_out(at_source: Array, at_target: Array, lam: float) -> tuple[float, Array]:
    """Return uLSIF's leave-one-out score (Kanamori et al. 2009) and alpha, for one width."""
    ns, nt = len(at_source), len(at_target)
    n = min(ns, nt)
    H, h = at_source.T @ at_source / ns, at_target.mean(0)
    B = H + lam * (n - 1) / n * np.eye(len(h))
    S, T = at_source[:n].T, at_target[:n].T
    BS = np.linalg.solve(B, S)
    rest = n - np.einsum("bi,bi->i", S, BS)
    B0 = np.linalg.solve(B, h)[:, None] + BS * ((h @ BS) / rest)
    B1 = np.linalg.solve(B, T) + BS * (np.einsum("bi,bi->i", T, BS) / rest)
    B2 = np.maximum(0, (n - 1) / (n * (nt - 1)) * (nt * B0 - B1))
    score = (np.einsum("bi,bi->i", S, B2) ** 2).mean() / 2 - np.einsum("bi,bi->i", T, B2).mean()
    return score, np.maximum(0, np.linalg.solve(H + lam * np.eye(len(h)), h))


def iw_svm(Xs: Array, ys: NDArray, Xt: Array, lam: float) -> NDArray:
    source, target = flat(Xs), flat(Xt)
    from_source, from_target = cdist(source, target) ** 2, cdist(target, target) ** 2
    best, weights = np.inf, np.ones(len(ys))
    for sigma in np.logspace(-3, 1, 9):
        at_source = np.exp(-from_source / (2 * sigma**2))
        score, alpha = leave_one_out(at_source, np.exp(-from_target / (2 * sigma**2)), lam)
        if score < best:
            best, weights = score, at_source @ alpha
    kept = weights > 0
    return classify(source[kept], ys[kept], target, weights[kept])


def tca(Xs: Array, ys: NDArray, Xt: Array, k: int) -> NDArray:
    X, ns = flat(np.concatenate([Xs, Xt])), len(Xs)
    n = len(X)
    K = X @ X.T
    e = np.where(np.arange(n) < ns, 1 / ns, -1 / (n - ns))
    H = np.eye(n) - 1 / n
    _, W = eigh(K @ H @ K, K @ np.outer(e, e) @ K + np.eye(n))
    W = W[:, ::-1][:, :k]
    Z = K @ (W / np.linalg.norm(W, axis=0))
    return classify(Z[:ns], ys, Z[ns:])


def bases(Xs: Array, Xt: Array) -> list[Array]:
    """Principal directions of each domain as rows."""
    return [np.linalg.svd(X - X.mean(0), full_matrices=False)[2] for X in (Xs, Xt)]


def gfk(Xs: Array, ys: NDArray, Xt: Array, k: int) -> NDArray:
    source, target = flat(Xs), flat(Xt)
    Ps, Pt = (V[:k].T for V in bases(source, target))
    U, cosine, Vt = np.linalg.svd(Ps.T @ Pt)
    F = Ps @ U
    R = Pt @ Vt.T - F * cosine
    t = np.arctan2(np.linalg.norm(R, axis=0), cosine)
    wave = np.sinc(2 * t / np.pi)
    rise = np.sinc(t / np.pi) ** 2
    a, b = (1 + wave) / 2, np.sin(t) * np.sinc(t / np.pi) / 2
    b = np.divide(b, np.sin(t), out=np.full(k, 0.5), where=np.sin(t) > 1e-9)
    d = np.divide(1 - wave, 2 * np.sin(t) ** 2, out=np.full(k, 1 / 3), where=rise * t**2 > 1e-12)
    on_source, on_target = (np.hstack([X @ F, X @ R]) for X in (source, target))
    G = np.block([[np.diag(a), np.diag(b)], [np.diag(b), np.diag(d)]])
    _, first = np.unique(ys, return_index=True)
    order = ys[np.sort(first)]
    machine = SVC(kernel="precomputed", C=1.0)
    machine.fit(on_source @ G @ on_source.T, np.argsort(order)[ys])
    return order[machine.predict(on_target @ G @ on_source.T)]


def sa(Xs: Array, ys: NDArray, Xt: Array, k: int) -> NDArray:
    source, target = flat(Xs), flat(Xt)
    Vs, Vt = bases(source, target)
    Ps, Pt = Vs[: min(k, len(Xs) - 1)].T, Vt[: min(k, len(Xt) - 1)].T
    return classify(source @ Ps @ (Ps.T @ Pt), ys, target @ Pt)


def stm_machine(X: Array, y: NDArray, weights: Array, limit: int) -> tuple[Array, float]:
    """Conjugate gradients of the public code, on explicit w."""
    Z = np.column_stack([X, np.ones(len(X))])
    keep = np.append(np.ones(X.shape[1]), 0.0)
    v, last = np.zeros(Z.shape[1]), Z.T @ y
    s, residual = last, np.ones(len(y))
    for _ in range(limit):
        Zs = Z @ s
        t, curvature = 0.0, (keep * s) @ s + weights @ Zs**2
        for _ in range(100):
            after = residual - t * y * Zs
            slope = (keep * v) @ s + t * ((keep * s) @ s) - (after * y * weights) @ Zs
            t -= slope / curvature
            if slope**2 / curvature < 1e-10:
                break
        residual, v = after, v + t * s
        hinge = np.maximum(0, residual)
        objective = weights @ hinge**2 / 2 + (keep * v) @ v / 2
        if t * (s @ last) < 1e-6 * objective:
            break
        new = Z.T @ (hinge * y * weights) - keep * v
        s, last = (new @ new) / (last @ last) * s + new, new
    return v[:-1], v[-1]


def stm(Xs: Array, ys: NDArray, Xt: Array, lam: float) -> NDArray:
    """Selective transfer machine; its quadratic program is solved by ours, as SciPy has none."""
    source, target, n = flat(Xs), flat(Xt), len(Xs)
    within, across = cdist(source, source) ** 2, cdist(source, target) ** 2
    K = np.exp(-within / np.sqrt(np.median(within))) + 1e-10 * np.eye(n)
    kappa = n * np.exp(-across / np.sqrt(np.median(across))).mean(1)
    low, high = np.sqrt(n), 2 * n - np.sqrt(n)
    scores = []
    for label in range(ys.max() + 1):
        y, xi, log = np.where(ys == label, 1.0, -1.0), np.zeros(n), []
        while len(log) < 2 or (log[-2] - log[-1]) / abs(log[0]) >= 1e-4:
            g = solve_interior_point(BoundedSumQP(K, xi / (2 * lam) - kappa, low, high, 2000.0)).g
            w, b = stm_machine(source, y, g, 20 * n)
            xi = np.maximum(0, 1 - y * (source @ w + b)) ** 2
            log.append(w @ w / 2 + xi @ g / 2 + lam / n**2 * (g @ K @ g / 2 - kappa @ g))
        scores.append(target @ w + b)
    return np.argmax(scores, axis=0)


def tkl(Xs: Array, ys: NDArray, Xt: Array, zeta: float) -> NDArray:
    X, ns, nt = flat(np.concatenate([Xs, Xt])), len(Xs), len(Xt)
    K = X @ X.T + 1e-6 * np.eye(ns + nt)
    values, vectors = np.linalg.eigh(K[ns:, ns:])
    d = min(nt - 10, 200)
    values, vectors = values[::-1][:d], vectors[:, ::-1][:, :d]
    phi = K[:, ns:] @ vectors / values
    Q = (phi[:ns].T @ phi[:ns]) ** 2
    r = -np.einsum("ia,ia->a", phi[:ns], K[:ns, :ns] @ phi[:ns])
    unit = -r / np.diag(Q)  # the best eigenvalue alone, as the unit of each variable
    scale = abs(r @ unit)
    order = np.diag(unit) - zeta * np.diag(unit[1:], 1)
    found = minimize(
        lambda x: (x * unit) @ (Q @ (x * unit) / 2 + r) / scale,
        np.sort(unit)[::-1] / unit,
        jac=lambda x: unit * (Q @ (x * unit) + r) / scale,
        method="SLSQP",
        bounds=[(0, None)] * d,
        constraints={"type": "ineq", "fun": lambda x: order @ x, "jac": lambda x: order},
        options={"maxiter": 1000, "ftol": 1e-12},
    )
    Z = phi * np.sqrt(np.maximum(found.x * unit, 0))
    return classify(Z[:ns], ys, Z[ns:])


def augmented_lagrangian(A: Array, B: Array, mu: float) -> Array:
    """Minimise |..|^2 + mu |P|_1 whose smooth part has the normal equations A P = B.

    The authors' schedule: penalty 1e-3, growing by 1.1, all ones at the start, 1e-8 at the end.
    """
    P, T, kappa = np.ones_like(B), np.ones_like(B), 1e-3
    while True:
        Q = np.linalg.solve(A + kappa / 2 * np.eye(len(A)), B + (T + kappa * P) / 2)
        Z = Q - T / kappa
        P = np.sign(Z) * np.maximum(np.abs(Z) - mu / kappa, 0)
        if np.abs(P - Q).max() < 1e-8:
            return P
        T, kappa = T + kappa * (P - Q), min(1.1 * kappa, 1e15)


def regenerate(first: Array, second: Array, Y: Array, lam: float, mu: float) -> Array:
    """Return P'[K_first, K_second] (q x n), P fitted to give Y on the first domain."""
    X, n = np.concatenate([first, second]), len(first)
    K = X @ X.T
    Ks, k = K[:, :n], K[:, :n].mean(1) - K[:, n:].mean(1)
    P = augmented_lagrangian(Ks @ Ks.T + lam * np.outer(k, k), Ks @ Y.T, mu)
    return P.T @ K


def tsrg(Xs: Array, ys: NDArray, Xt: Array, lam: float, mu: float) -> NDArray:
    source, target = flat(Xs), flat(Xt)
    regenerated = regenerate(source, target, source.T, lam, mu)[:, len(Xs) :]
    return classify(source, ys, regenerated.T)


def drfs_t(Xs: Array, ys: NDArray, Xt: Array, lam: float, mu: float) -> NDArray:
    source, target = flat(Xs), flat(Xt)
    regenerated = regenerate(target, source, target.T, lam, mu)[:, len(Xt) :]
    return classify(regenerated.T, ys, target)


def drls(Xs: Array, ys: NDArray, Xt: Array, lam: float, mu: float) -> NDArray:
    labels = np.eye(ys.max() + 1)[:, ys]
    return regenerate(flat(Xs), flat(Xt), labels, lam, mu)[:, len(Xs) :].argmax(0)


def rstr(Xs: Array, ys: NDArray, Xt: Array, lam: float, mu: float, tau: float) -> NDArray:
    X, ns = np.concatenate([Xs, Xt]), len(Xs)
    kernels = np.stack([X[:, i] @ X[:, i].T for i in range(X.shape[1])])
    L, w = np.eye(ys.max() + 1)[:, ys], np.ones(X.shape[1])
    for _ in range(5):
        K = sum(wi * Ki for wi, Ki in zip(w, kernels, strict=True))
        Ks, k = K[:, :ns], K[:, :ns].mean(1) - K[:, ns:].mean(1)
        P = augmented_lagrangian(Ks @ Ks.T + lam * np.outer(k, k), Ks @ L.T, mu)
        columns = []
        for Ki in kernels:
            ki = Ki[:, :ns].mean(1) - Ki[:, ns:].mean(1)
            columns.append(np.append(P.T @ Ki[:, :ns], np.sqrt(lam) * P.T @ ki))
        w = nonnegative_lasso(np.column_stack(columns), np.append(L, np.zeros(len(L))), tau, w)
    K = sum(wi * Ki for wi, Ki in zip(w, kernels, strict=True))
    return (P.T @ K[:, ns:]).argmax(0)


def nonnegative_lasso(D: Array, y: Array, ratio: float, start: Array) -> Array:
    """Accelerated proximal gradient for |y - Dw|^2 + a |w|_1, a the ratio of the largest useful."""
    gradient = D.T @ y
    penalty, length = ratio * gradient.max(), np.linalg.norm(D, 2) ** 2
    w = last = start
    for step in range(5000):
        v = w + (step - 1) / (step + 2) * (w - last)
        last, w = w, np.maximum(0, v - (D.T @ (D @ v) - gradient + penalty) / length)
        if np.abs(w - last).max() < 1e-9:
            break
    return w
