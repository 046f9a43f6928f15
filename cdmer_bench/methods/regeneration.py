r"""Sample regeneration, the framework of TSRG, DRFS-T and DRLS (Zong et al., 2017 and 2018).

With the paper's columns as samples, a *fixed* domain X_1 and a *moving* one X_2, pooled as
X = [X_1, X_2], linear kernels :math:`K = X^T X = [K_1, K_2]` and the difference of the mean kernel
columns :math:`k = \frac{1}{n_1} K_1 1 - \frac{1}{n_2} K_2 1`,

.. math:: \min_P |Y - P^T K_1|_F^2 + \lambda |P^T k|_2^2 + \mu |P|_1             \qquad (1)

finds P, by which :math:`P^T K_1` regenerates Y while the means of both domains come together. The
three differ in Y, in the fixed domain, and in what is done with P:

=======  =====================  =====================  ==========================================
TSRG     Y = X_1, the source    X_2 is the target      SVM on X_1, applied to :math:`P^T K_2`
DRFS-T   Y = X_1, the target    X_2 is the source      SVM on :math:`P^T K_2`, applied to X_1
DRLS     Y = L, the labels      X_1 is the source,     the largest entry of :math:`P^T K_2`
                                X_2 the target
=======  =====================  =====================  ==========================================

=================  =====================  ======================================================
X_1, X_2           D x n_1, D x n_2       samples of D features
K, K_1             n x n, n x n_1         kernels between all n = n_1 + n_2 samples, and with X_1
k                  n                      difference of the domains' mean columns of K
Y                  D x n_1 or c x n_1     what P regenerates: samples, or one-hot labels
P                  n x D or n x c         coefficients of the regenerated samples or labels
lambda, mu         > 0                    weights of the mean discrepancy and of the L1 norm
=================  =====================  ======================================================

Each column of P is a lasso of its own, all with the design A and one row of Y as the response:

.. math:: \min_p |[y; 0] - A p|^2 + \mu |p|_1, \qquad
          A = [K_1^T; \sqrt\lambda k^T] \quad (n_1 + 1 \times n)                  \qquad (2)

``solver='paper'`` runs the authors' inexact augmented Lagrangian method
(:mod:`cdmer_bench.solvers.ialm`), which stops above the optimum, at a point that depends on its
constants: the printed figures are of that point. ``solver='exact'`` gives the optimum with a
duality gap as its certificate; all mu of one lambda then cost one walk along the lasso path.

TSRG from one database to another and DRFS-T the other way have the same X_1 and X_2, so they solve
the same regressions: what one has solved, the other takes from the cache of a run
(:func:`entry_path`). This module holds what the two share; DRLS, whose few
responses are labels, shares its solver with RSTR (:mod:`cdmer_bench.solvers.label_regression`).
Coefficients are rows here, P' (D x n).
"""

import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.compiled import compiled_available
from cdmer_bench.errors import UserError
from cdmer_bench.io import array_hash, content_key, pack_arrays, read_entry, write_atomically
from cdmer_bench.methods.base import SHARED_WORK, Method, Prepared
from cdmer_bench.methods.batches import BatchResult, group_by
from cdmer_bench.methods.inputs import SOLVERS, Array, Setting, choose
from cdmer_bench.solvers.ialm import AUTHORS_SCHEDULE, ResponseIALM
from cdmer_bench.solvers.kernels import pooled_kernels
from cdmer_bench.solvers.lasso_sums import LARGEST_SUMS, RELATIVE_GAP, sum_lassos
from cdmer_bench.solvers.libsvm import Decision, VotingMachine
from cdmer_bench.solvers.single_ialm import NumpyArrays, SingleIALM, arrays_of

DEVICES = ("auto", "cpu", "cuda")

# Of the cache of regressions: raised whenever their numbers change; bytes of an entry above which
# none is kept.
FORMAT = 3
LARGEST = 1 << 28
_KEPT = ("products", "converged", "iterations", "gap", "errors")


class Regeneration(NamedTuple):
    """Products of the ``a`` samples that P of one setting regenerates."""

    # (a, n_raw + a), of regenerated samples with raw ones, (P'K_a)' X_raw, and with each other
    products: Array
    converged: bool  # paper: the loop met its tolerance; exact: the relative gap is at most 1e-6
    iterations: int  # steps of the loop, or the most breakpoints of a path
    gap: float = float("nan")  # duality gap over the objective, of the exact solver
    # (n_witnesses, a, n_raw + a), float32's: what may be missing in ``products``, each by another
    # part of the features
    errors: NDArray[np.float32] = np.empty(0, np.float32)
    spared: float | None = None  # seconds that it took, where it was taken from the cache

    @property
    def across(self) -> Array:
        """Products of regenerated with raw samples, shape (a, n_raw)."""
        return np.ascontiguousarray(self.products[:, : -len(self.products)])

    @property
    def among(self) -> Array:
        """Products of regenerated samples with each other, shape (a, a)."""
        return np.ascontiguousarray(self.products[:, -len(self.products) :])


def pool(
    fixed: Array,  # (n_1, D), samples of the domain that stays, as rows
    moving: Array,  # (n_2, D), of the domain that is regenerated
    raw: Array,  # (n_raw, D), what regenerated samples are compared with
    queries: Array | None = None,  # (a, D), samples to regenerate; None for the moving ones
) -> Prepared:
    """Compute what all settings share."""
    kernel, columns = pooled_kernels(fixed, moving, moving if queries is None else queries)
    with np.errstate(over="ignore", invalid="ignore"):
        # lambda |P'k|^2 and |P'K_1|^2 have the kernel squared in their Hessian.
        finite = np.isfinite(kernel @ kernel).all()
    if not finite:
        largest = max(np.abs(X).max() for X in (fixed, moving))
        raise UserError(
            f"the features reach {largest:.3g}, and the square of their kernel "
            "leaves the range of float64; rescale them"
        )
    return {"fixed": fixed, "raw": raw, "kernel": kernel, "columns": np.ascontiguousarray(columns)}


def design_matrix(kernel: Array, n_fixed: int, lam: float) -> Array:
    """Return A = [K_1'; sqrt(lambda) k'], shape (n_1 + 1, n), of the pooled ``kernel`` (n x n)."""
    k = kernel[:, :n_fixed].mean(1) - kernel[:, n_fixed:].mean(1)
    return np.vstack([kernel[:, :n_fixed].T, np.sqrt(lam) * k])


def regenerate(
    prepared: Prepared, chosen: Sequence[Setting], device: str = "auto", cache: str = ""
) -> Iterator[tuple[int, Regeneration]]:
    """Solve settings that hold every parameter, those of one lambda together.

    Yields each one's place and outcome; few are held at a time. ``device`` may be ``float64``: no
    part is solved in float32 then.
    """
    n, n_raw = len(prepared["kernel"]), len(prepared["raw"])
    size = max(1, LARGEST_SUMS // (8 * n * (n_raw + n)))
    for members in group_by(chosen, lambda setting: (setting["lam"], setting["solver"])):
        lam, solver = float(chosen[members[0]]["lam"]), chosen[members[0]]["solver"]
        for group in (members[i : i + size] for i in range(0, len(members), size)):
            mus = [float(chosen[i]["mu"]) for i in group]
            yield from zip(group, _find(prepared, lam, mus, solver, device, cache), strict=True)


def _find(
    prepared: Prepared, lam: float, mus: list[float], solver: str, device: str, cache: str
) -> Iterator[Regeneration]:
    """Take the regressions of one lambda from the cache, or solve them."""
    n_fixed, n_features = prepared["fixed"].shape
    shape = n_fixed + 1, len(prepared["kernel"])
    if solver == "paper" and device == "cuda":
        arrays_of(device)  # refused where there is no GPU, even if the CPU is to solve it
    if solver == "exact":
        solve, form = _solve_exactly, f"exact, compiled: {compiled_available()}"
    elif device != "float64" and SingleIALM.pays(n_features, len(mus), shape):
        arrays = arrays_of(device)
        solve, form = partial(_solve_in_float32, arrays=arrays), type(arrays).__name__
    else:
        solve, form = _solve_in_float64, "float64"
    path = entry_path(cache, prepared, mus, lam=lam, form=form)
    kept = load_entry(path) if path else None
    if kept:
        spared = float(kept["seconds"]) / len(mus)
        for row in zip(*(kept[name] for name in _KEPT), strict=True):
            yield Regeneration(*row)._replace(spared=spared)
        return
    design = design_matrix(prepared["kernel"], n_fixed, lam)
    if path is None:
        yield from solve(prepared, design, mus)
        return
    started = time.process_time()
    found = list(solve(prepared, design, mus))
    entry = {name: np.array([getattr(one, name) for one in found]) for name in _KEPT}
    save_entry(path, {**entry, "seconds": np.array(time.process_time() - started)})
    yield from found


def entry_path(cache: str, prepared: Prepared, mus: list[float], **solver: Any) -> Path | None:
    """Return where the regressions of some mu lie or will lie; None where none are to be kept.

    The name is the SHA-256 of everything that their bits depend on, so a method's result is the
    same whether it solved the regressions or found them. They are kept only if the samples to
    predict are those adapted to (not in a fold of cross-validation): only then does the other
    method need the same ones.
    """
    raw, fixed, columns = (prepared[name] for name in ("raw", "fixed", "columns"))
    a = columns.shape[1]
    size = 8 * 3 * len(mus) * a * (len(raw) + a)  # products, and four errors in float32
    own = prepared["kernel"][:, len(fixed) :]
    if not cache or size > LARGEST or not np.array_equal(raw, fixed):
        return None
    if not np.array_equal(columns, own):
        return None
    samples = array_hash(prepared["kernel"]), array_hash(fixed)
    key = content_key({"format": FORMAT, "samples": samples, "mu": mus, **solver})
    return Path(cache) / SHARED_WORK / f"{key}.npz"


def load_entry(path: Path) -> dict[str, np.ndarray] | None:
    """Return the arrays of an entry; None if there is none that is whole and can be read."""
    with suppress(OSError, UserError):
        return read_entry(path, path.stem, "")
    return None


def save_entry(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Keep an entry, for its owner only; one that cannot be written is solved again."""
    with suppress(OSError, UserError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        packed = pack_arrays({**arrays, "key": np.array(path.stem)}, compressed=False)
        write_atomically(path, packed)


def _products(prepared: Prepared, projected: Array, square: Array) -> Array:
    """Return K_a' [P X_raw, PP' K_a]."""
    columns = prepared["columns"]
    return np.hstack([columns.T @ projected, columns.T @ square @ columns])


def _correlations(prepared: Prepared, design: Array) -> Array:
    """Return A'[y; 0] of every feature, shape (D, n)."""
    return np.ascontiguousarray(prepared["fixed"].T @ design[:-1])


def _solve_in_float64(
    prepared: Prepared, design: Array, mus: Sequence[float]
) -> Iterator[Regeneration]:
    loop, correlations = ResponseIALM(design), _correlations(prepared, design)
    for mu in mus:
        P, iterations, converged = loop.solve(correlations, mu)
        products = _products(prepared, P.T @ prepared["raw"].T, P.T @ P)
        yield Regeneration(products, converged, iterations)


def _solve_in_float32(
    prepared: Prepared, design: Array, mus: Sequence[float], arrays: NumpyArrays
) -> Iterator[Regeneration]:
    raw = prepared["raw"].T
    for sums in SingleIALM(design, arrays).solve(_correlations(prepared, design), mus, raw):
        errors = np.array([_products(prepared, *missing) for missing in sums.errors])
        yield Regeneration(
            _products(prepared, sums.projected, sums.square),
            sums.converged,
            sums.iterations,
            errors=errors.astype(np.float32),
        )


def _solve_exactly(
    prepared: Prepared, design: Array, mus: Sequence[float]
) -> Iterator[Regeneration]:
    sums = sum_lassos(design, prepared["fixed"].T, mus, prepared["raw"].T)
    gaps = sums.gap / np.maximum(sums.objective, np.finfo(float).tiny)
    for gap, *pair in zip(gaps, sums.projected, sums.square, strict=True):
        products = _products(prepared, *pair)
        yield Regeneration(products, gap <= RELATIVE_GAP, sums.breakpoints, gap)


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
        See :mod:`cdmer_bench.methods.regeneration`.
    device : {'auto', 'cpu', 'cuda'}
        Where the float32 part of the paper's solver runs: on a GPU if there is one, or as told. No
        prediction depends on it, so it is in no key and cannot be searched.
    cache : str
        Folder in which TSRG and DRFS-T keep the regressions that they share; empty for none. No
        result depends on it.
    """

    lam: float = 1.0
    mu: float = 0.1
    C: float = 1.0
    solver: str = "paper"
    device: str = "auto"
    cache: str = ""

    outside: ClassVar[tuple[str, ...]] = ("device", "cache")
    batch_by: ClassVar[tuple[str, ...]] = ("lam", "solver")  # a path, or the matrices of the steps
    largest_batch: ClassVar[int | None] = None

    @abstractmethod
    def _decide(
        self, prepared: Prepared, found: Regeneration, C: float
    ) -> tuple[VotingMachine, Array]:
        """Return the trained machine and the kernel between queries and training samples."""

    def check_values(self, setting: Setting) -> None:
        """Refuse a value that is outside its parameter's range."""
        super().check_values(setting)
        chosen, name = self.complete(setting), type(self).__name__
        lam, mu, C, solver = (chosen[key] for key in ("lam", "mu", "C", "solver"))
        if solver not in SOLVERS:
            raise UserError(f"{name}: solver is {solver!r}; choose 'paper' or 'exact'")
        if lam < 0 or C <= 0:
            raise UserError(
                f"{name}: lam is {lam} and C is {C}; "
                "lam must not be negative and C must be positive"
            )
        if mu < 0 or (mu == 0 and solver == "exact"):
            raise UserError(
                f"{name}: mu is {mu}; it must be positive (0 is possible with solver='paper' only)"
            )
        choose("device", self.device, DEVICES)

    def solve(self, prepared: Prepared, settings: Sequence[Setting]) -> BatchResult:
        """Solve the settings, those of one lambda together."""
        chosen = [self.complete(setting) for setting in settings]
        decisions: dict[int, Decision] = {}
        converged, iterations = np.empty(len(chosen), bool), np.empty(len(chosen), np.intp)
        notes, spared = {}, []
        lossy = {lam for lam in {float(c["lam"]) for c in chosen} if _loses_digits(prepared, lam)}
        for index, found in regenerate(prepared, chosen, self.device, self.cache):
            C = chosen[index]["C"]
            machine, block = self._decide(prepared, found, C)
            if len(found.errors) and not self._is_certain(prepared, found, C, machine, block):
                [(_, found)] = regenerate(prepared, [chosen[index]], "float64", self.cache)
                machine, block = self._decide(prepared, found, C)
            decisions[index] = machine.predict(block)
            converged[index], iterations[index] = found.converged, found.iterations
            spared += [] if found.spared is None else [found.spared]
            if note := _note(found, machine, float(chosen[index]["lam"]) in lossy):
                notes[index] = note
        predictions, scores = zip(*(decisions[i] for i in range(len(chosen))), strict=True)
        result = BatchResult(np.array(predictions), np.array(scores), converged, iterations, notes)
        result.reused, result.spared = len(spared), sum(spared)
        result.note_single_classes()
        return result

    def _is_certain(
        self,
        prepared: Prepared,
        found: Regeneration,
        C: float,
        machine: VotingMachine,
        block: Array,
    ) -> bool:
        """Tell whether no pairwise vote could turn by what float32 may have missed.

        The error that each witness estimates is added, and the machine trained again; the largest
        change of a clip's decision value must be below the value itself.
        """
        values = machine.pairwise(block)
        bound = np.zeros_like(values)
        for missing in found.errors:
            other = found._replace(products=found.products + missing)
            other_machine, other_block = self._decide(prepared, other, C)
            bound = np.maximum(bound, np.abs(other_machine.pairwise(other_block) - values))
        return bool((np.abs(values) > bound).all())

    def adapted_kernel(self, prepared: Prepared, setting: Setting) -> Array:
        """Return the products of raw and regenerated samples; see :meth:`Method.adapted_kernel`."""
        return self._join(prepared, next(regenerate(prepared, [self.complete(setting)]))[1])

    @abstractmethod
    def _join(self, prepared: Prepared, found: Regeneration) -> Array:
        """Return the products of all samples, one domain raw and the other regenerated."""


def _loses_digits(prepared: Prepared, lam: float) -> bool:
    """Whether A'A is rounded by more than the first penalty that the schedule adds to it."""
    A = design_matrix(prepared["kernel"], len(prepared["fixed"]), lam)
    return bool(np.finfo(float).eps * np.vdot(A, A) > AUTHORS_SCHEDULE.kappa0)


def _note(found: Regeneration, machine: VotingMachine, loses_digits: bool) -> str:
    """Say what the user should know about a setting's result."""
    notes = [machine.note] if machine.note else []
    if loses_digits and np.isnan(found.gap):
        notes.append(
            "the features are so large that rounding exceeds the first penalty of the schedule; "
            "rescale them"
        )
    if not found.products.any():
        notes.append("the L1 weight leaves no coefficient, so regenerated samples are all zero")
    if not found.converged:
        notes.append(
            "the penalty schedule ended above its tolerance"
            if np.isnan(found.gap)
            else f"the relative duality gap is {found.gap:.1e}"
        )
    return "; ".join(notes)
