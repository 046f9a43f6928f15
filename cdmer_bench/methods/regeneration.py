r"""Sample regeneration in the space of the features, shared by TSRG and DRFS-T.

With the paper's columns as samples, a *fixed* domain Y = X_1 (D x n_1) and a *moving* one X_2
(D x n_2), pooled as X = [X_1, X_2] (D x n), linear kernels K = X'X, K_1 = K[:, :n_1] (n x n_1),
and the difference of the mean kernel columns k = K_1 1/n_1 - K_2 1/n_2 (n), solve

.. math:: \min_P |Y - P'K_1|_F^2 + \lambda |P'k|^2 + \mu |P|_1, \qquad P (n \times D),

that is: regenerate X_1 as itself, while both domains' means coincide. P'K_2 is the moving domain,
regenerated. Each of the D columns of P is a lasso with the same design A = [K_1'; sqrt(lambda) k']
(n_1 + 1 x n) and the response [y; 0]; here their coefficients are rows, P' (D x n).

``solver='paper'`` runs the augmented Lagrangian loop with the constants of the authors' released
code, which stops above the optimum, at a point that depends on the constants: the printed figures
are of that point. ``solver='exact'`` gives the optimum by following the lasso path, with a
duality gap as its certificate; all mu of one lambda then cost one walk.

Departure from the authors' code: one product with a precomputed matrix for a block of columns
instead of a linear solve for all of them at every step; same iterates, up to rounding.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.methods.base import Prepared
from cdmer_bench.methods.inputs import Setting
from cdmer_bench.solvers.kernels import pooled_kernel
from cdmer_bench.solvers.lasso_certificate import certify
from cdmer_bench.solvers.lasso_paths import lasso_paths
from cdmer_bench.solvers.response_ialm import ResponseIALM

# Relative duality gap up to which a solution counts as exact.
RELATIVE_GAP = 1e-6


class Regeneration(NamedTuple):
    """The outcome of one setting; n pooled samples, the fixed domain first.

    Attributes
    ----------
    projected : ndarray, shape (n, n_raw)
        P times the raw samples that regenerated ones are compared with.
    square : ndarray, shape (n, n)
        P P', summed over the D columns.
    converged : bool
        Paper: the loop met its tolerance. Exact: the relative gap is at most 1e-6.
    iterations : int
        Steps of the loop, or the most breakpoints of a path.
    gap : float
        Duality gap over the objective, exact solver only, otherwise NaN.
    """

    projected: NDArray[np.float64]
    square: NDArray[np.float64]
    converged: bool
    iterations: int
    gap: float


def pool(
    fixed: NDArray[np.float64],
    moving: NDArray[np.float64],
    raw: NDArray[np.float64],
) -> Prepared:
    """Compute what all settings share.

    Parameters
    ----------
    fixed : ndarray, shape (n_1, D)
        Samples of the domain that stays, as rows.
    moving : ndarray, shape (n_2, D)
        Samples of the domain that is regenerated.
    raw : ndarray, shape (n_raw, D)
        Raw samples that regenerated ones are compared with.

    Raises
    ------
    UserError
        If products of kernels leave the range of float64.
    """
    kernel = pooled_kernel(fixed, moving)
    with np.errstate(over="ignore", invalid="ignore"):
        # lambda |P'k|^2 and |P'K_1|^2 have the kernel squared in their Hessian.
        finite = np.isfinite(kernel @ kernel).all()
    if not finite:
        largest = max(np.abs(X).max() for X in (fixed, moving))
        raise UserError(
            f"the features reach {largest:.3g}, and the square of their kernel "
            "leaves the range of float64; rescale them"
        )
    return {"fixed": fixed, "raw": raw, "kernel": kernel}


def design_matrix(kernel: NDArray[np.float64], n_fixed: int, lam: float) -> NDArray[np.float64]:
    """Return A = [K_1'; sqrt(lambda) k'], shape (n_1 + 1, n), of the pooled ``kernel`` (n x n)."""
    k = kernel[:, :n_fixed].mean(1) - kernel[:, n_fixed:].mean(1)
    return np.vstack([kernel[:, :n_fixed].T, np.sqrt(lam) * k])


def regeneration_coefficients(
    fixed: NDArray[np.float64],
    moving: NDArray[np.float64],
    lam: float,
    mu: float,
    solver: str = "paper",
) -> tuple[NDArray[np.float64], float, float]:
    """Solve one setting and return P' itself, for looking at.

    Parameters
    ----------
    fixed, moving
        Samples as rows: the source and the target for TSRG, the reverse for DRFS-T.
    lam, mu, solver
        See :class:`cdmer_bench.methods.regenerator.Regenerator`.

    Returns
    -------
    coefficients : ndarray, shape (D, n_1 + n_2)
        P'.
    objective : float
        |Y - P'K_1|^2 + lam |P'k|^2 + mu |P|_1.
    gap : float
        Upper bound of the objective's relative excess over the optimum.
    """
    check_parameters("regeneration", {"lam": lam, "mu": mu, "C": 1.0, "solver": solver})
    kernel = pool(fixed, moving, fixed)["kernel"]
    design, correlations = _lassos(kernel, fixed, lam)
    if solver == "paper":
        coefficients = ResponseIALM(design).solve(correlations, mu).coefficients
    else:
        coefficients = np.empty_like(correlations)
        for part in lasso_paths(design.T @ design, correlations, [mu]):
            coefficients[part.rows] = part.coefficients[0]
    bound = certify(design, _responses(fixed), coefficients, mu)
    objective = float(bound.objective.sum())
    return coefficients, objective, float(bound.gap.sum()) / max(objective, np.finfo(float).tiny)


def _lassos(
    kernel: NDArray[np.float64], fixed: NDArray[np.float64], lam: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the design (n_1 + 1, n) and the correlations (D, n) of the D lassos."""
    design = design_matrix(kernel, len(fixed), lam)
    return design, np.ascontiguousarray(fixed.T @ design[:-1])


def _responses(fixed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return [y; 0] of every feature, shape (D, n_1 + 1)."""
    return np.hstack([fixed.T, np.zeros((fixed.shape[1], 1))])


def regenerate(prepared: Prepared, chosen: Sequence[Setting]) -> list[Regeneration]:
    """Solve settings that hold every parameter, those of one lambda together."""
    found: dict[int, Regeneration] = {}
    for lam, solver in dict.fromkeys((v["lam"], v["solver"]) for v in chosen):
        members = [i for i, v in enumerate(chosen) if (v["lam"], v["solver"]) == (lam, solver)]
        mus = [float(chosen[i]["mu"]) for i in members]
        solve = _regenerate_exactly if solver == "exact" else _regenerate_as_paper
        found.update(zip(members, solve(prepared, float(lam), mus), strict=True))
    return [found[index] for index in range(len(chosen))]


def _regenerate_as_paper(prepared: Prepared, lam: float, mus: list[float]) -> list[Regeneration]:
    """Run the authors' loop for each mu of one lambda."""
    design, correlations = _lassos(prepared["kernel"], prepared["fixed"], lam)
    loop = ResponseIALM(design)
    results = []
    for mu in mus:
        P, iterations, converged = loop.solve(correlations, mu)
        results.append(
            Regeneration(P.T @ prepared["raw"].T, P.T @ P, converged, iterations, float("nan"))
        )
    return results


def _regenerate_exactly(prepared: Prepared, lam: float, mus: list[float]) -> list[Regeneration]:
    """Walk the lasso paths of one lambda, past every mu."""
    fixed, raw = prepared["fixed"], prepared["raw"]
    design, correlations = _lassos(prepared["kernel"], fixed, lam)
    n, responses = len(prepared["kernel"]), _responses(fixed)
    projected = np.zeros((len(mus), n, len(raw)))
    square = np.zeros((len(mus), n, n))
    objective, gap = np.zeros(len(mus)), np.zeros(len(mus))
    most = 0
    for part in lasso_paths(design.T @ design, correlations, mus):
        most = max(most, int(part.breakpoints.max()))
        for i, P in enumerate(part.coefficients):
            projected[i] += P.T @ raw.T[part.rows]
            square[i] += P.T @ P
            bound = certify(design, responses[part.rows], P, mus[i])
            objective[i] += bound.objective.sum()
            gap[i] += bound.gap.sum()
    relative = gap / np.maximum(objective, np.finfo(float).tiny)
    return [
        Regeneration(projected[i], square[i], bool(relative[i] <= RELATIVE_GAP), most, relative[i])
        for i in range(len(mus))
    ]


def check_parameters(name: str, values: Mapping[str, Any]) -> None:
    """Refuse a value that is outside its parameter's range, in the name of a class."""
    if values["solver"] not in ("paper", "exact"):
        raise UserError(f"{name}: solver is {values['solver']!r}; choose 'paper' or 'exact'")
    if values["lam"] < 0 or values["C"] <= 0:
        raise UserError(
            f"{name}: lam is {values['lam']} and C is {values['C']}; "
            "lam must not be negative and C must be positive"
        )
    if values["mu"] < 0 or (values["mu"] == 0 and values["solver"] == "exact"):
        raise UserError(
            f"{name}: mu is {values['mu']}; it must be positive (0 is possible with "
            "solver='paper' only)"
        )
