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

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.methods.base import Method, Prepared, StrandResult
from cdmer_bench.methods.grid import Setting
from cdmer_bench.solvers.kernels import pooled_kernel
from cdmer_bench.solvers.lasso_certificate import certify
from cdmer_bench.solvers.lasso_paths import lasso_paths
from cdmer_bench.solvers.libsvm import VotingMachine
from cdmer_bench.solvers.response_ialm import ResponseIALM

# "[0.001, ..., 1000] for lambda and [0.001:0.001:0.009, ...] for mu" (section IV-A1)
PAPER_GRID = {
    "lam": "0.001, 0.01, 0.1, 1, 10, 100, 1000",
    "mu": "0.001:0.001:0.009, 0.01:0.01:0.09, 0.1:0.1:1, 2:1:10",
}
# 76 settings instead of 259: lambda a decade or two apart, every other mu.
REDUCED_GRID = {
    "lam": "0.1, 1, 10, 1000",
    "mu": "0.001:0.002:0.009, 0.01:0.02:0.09, 0.1:0.2:0.9, 1, 3, 5, 10",
}
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


@dataclass
class Regenerator(Method):
    """Base of TSRG and DRFS-T.

    Parameters
    ----------
    lam : float
        Weight of the mean discrepancy (lambda), >= 0.
    mu : float
        Weight of the L1 norm of P; > 0, or >= 0 for the paper's solver.
    C : float
        Cost of the linear SVM, > 0.
    solver : {'paper', 'exact'}
        See the module.
    """

    lam: float = 1.0
    mu: float = 0.1
    C: float = 1.0
    solver: str = "paper"

    paper_grid: ClassVar[Mapping[str, Any]] = PAPER_GRID
    reduced_grid: ClassVar[Mapping[str, Any]] = REDUCED_GRID

    @abstractmethod
    def _decide(
        self, prepared: Prepared, found: Regeneration, C: float
    ) -> tuple[VotingMachine, NDArray[np.float64]]:
        """Return the trained machine and the kernel between queries and training samples."""

    def check_values(self, setting: Setting) -> None:
        """Refuse a value that is outside its parameter's range."""
        super().check_values(setting)
        _check_parameters(type(self).__name__, {**self.parameters(), **setting})

    def strands(self, settings: Sequence[Setting]) -> list[list[int]]:
        """Group the settings of one lambda: all if exact (one path), else by two."""
        groups: dict[tuple[Any, Any], list[int]] = {}
        for index, setting in enumerate(settings):
            chosen = {**self.parameters(), **setting}
            groups.setdefault((chosen["lam"], chosen["solver"]), []).append(index)
        strands = []
        for (_, solver), members in groups.items():
            size = len(members) if solver == "exact" else 2
            strands += [members[i : i + size] for i in range(0, len(members), size)]
        return strands

    def solve(self, prepared: Prepared, settings: Sequence[Setting]) -> StrandResult:
        """Solve the settings, those of one lambda together.

        Raises
        ------
        UserError
            If a parameter is outside its range.
        """
        chosen = [{**self.parameters(), **setting} for setting in settings]
        for values in chosen:
            _check_parameters(type(self).__name__, values)
        found = _regenerate(prepared, chosen)
        predictions, scores, notes = [], [], {}
        for index, values in enumerate(chosen):
            machine, block = self._decide(prepared, found[index], values["C"])
            decision = machine.predict(block)
            predictions.append(decision.predictions)
            scores.append(decision.scores)
            note = _note(found[index], machine)
            if note:
                notes[index] = note
        result = StrandResult(
            np.array(predictions),
            np.array(scores),
            np.array([found[i].converged for i in range(len(chosen))]),
            np.array([found[i].iterations for i in range(len(chosen))], np.intp),
            notes,
        )
        result.note_single_classes()
        return result

    def adapted_kernel(self, prepared: Prepared, setting: Setting) -> NDArray[np.float64]:
        """Return the products of raw and regenerated samples; see :meth:`Method.adapted_kernel`."""
        return self._join(prepared, _regenerate(prepared, [{**self.parameters(), **setting}])[0])

    @abstractmethod
    def _join(self, prepared: Prepared, found: Regeneration) -> NDArray[np.float64]:
        """Return the products of all samples, one domain raw and the other regenerated."""


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
        See :class:`Regenerator`.

    Returns
    -------
    coefficients : ndarray, shape (D, n_1 + n_2)
        P'.
    objective : float
        |Y - P'K_1|^2 + lam |P'k|^2 + mu |P|_1.
    gap : float
        Upper bound of the objective's relative excess over the optimum.
    """
    _check_parameters("regeneration", {"lam": lam, "mu": mu, "C": 1.0, "solver": solver})
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


def _regenerate(prepared: Prepared, chosen: Sequence[Setting]) -> list[Regeneration]:
    """Solve settings that hold every parameter, those of one lambda together."""
    found: dict[int, Regeneration] = {}
    for lam, solver in dict.fromkeys((v["lam"], v["solver"]) for v in chosen):
        members = [i for i, v in enumerate(chosen) if (v["lam"], v["solver"]) == (lam, solver)]
        mus = [float(chosen[i]["mu"]) for i in members]
        regenerate = _regenerate_exactly if solver == "exact" else _regenerate_as_paper
        found.update(zip(members, regenerate(prepared, float(lam), mus), strict=True))
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


def _check_parameters(name: str, values: Mapping[str, Any]) -> None:
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


def _note(found: Regeneration, machine: VotingMachine) -> str:
    """Say what the user should know about a setting's result."""
    notes = [machine.note] if machine.note else []
    if not found.square.any():
        notes.append("the L1 weight leaves no coefficient, so regenerated samples are all zero")
    if not found.converged:
        notes.append(
            "the penalty schedule ended above its tolerance"
            if np.isnan(found.gap)
            else f"the relative duality gap is {found.gap:.1e}"
        )
    if not machine.converged:
        notes.append("LIBSVM stopped at its limit of iterations")
    return "; ".join(notes)
