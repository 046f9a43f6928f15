r"""The loop of :class:`~cdmer_bench.solvers.ialm.ResponseIALM` in float32, for many mu.

In the notation there, with N = I - M, a step is

    Z = 2BM + kappa P_old - (kappa P_old - C) N,    C_new = clip(Z, -mu, mu),    D_new = Z - C_new.

Its first part is the same for all mu: it is formed in float64. What is left is as small as mu and
kappa P, so that rounding is relative to these, not to B, which is a thousand times as large; the
coefficients are off by some 1e-7.

Where mu is above the start of the loop, P stays zero until an entry of C leaves [-mu, mu]. Until
then the loop is linear and the same for all such mu: it is followed once, and a response joins the
steps of a mu where it leaves. Most do so after four fifths of the steps, some never.

How far the result is from that of float64 is found on a sample, solved in both.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.compiled import compiled_available, kernel
from cdmer_bench.errors import UserError
from cdmer_bench.solvers.ialm import AUTHORS_SCHEDULE, ResponseIALM

Array = NDArray[np.float64]

STEPS = 8  # of one mu before the next has its turn, so that its state stays in cache
SAMPLE = 256  # responses solved in both precisions
GROUPS = 4  # parts of the sample, each a witness of its own
LARGEST_RESPONSES = 64  # those with the largest correlations, solved in float64 too
# The loop stops when the worst of all responses meets the tolerance, some steps after the worst of
# those that are solved in float64. Later steps move next to nothing.
MORE_STEPS = 4
FEWEST_RESPONSES = 4 * SAMPLE
FEWEST_MUS = 4  # below which the part in float64 would cost more than it saves
LARGEST = 1 << 30  # bytes of the matrices of all steps


class SingleSums(NamedTuple):
    """What the coefficients P (n x D) of one mu add up to."""

    projected: Array  # (n, n_raw), P times raw samples
    square: Array  # (n, n), P P'
    iterations: int  # some more than those that the sample takes in float64
    converged: bool
    # What would be missing in both sums if every response erred as those of a group do, for each
    # group. Errors of single responses have no common sign, so what is really missing is smaller.
    errors: list[tuple[Array, Array]]


class NumpyArrays:
    """Float32 arrays of this machine's memory, with a compiled step if there is one."""

    block = 256  # responses treated together
    compiled = True

    def put(self, array: Array) -> Any:
        """Return an array of float32."""
        return np.ascontiguousarray(array, dtype=np.float32)

    def get(self, array: Any) -> Array:
        """Return an array of float64 in this machine's memory."""
        return np.asarray(array, dtype=np.float64)

    def largest(self, array: Any) -> NDArray[np.float32]:
        """Return the largest absolute value of each row."""
        return np.maximum(array.max(1), -array.min(1))

    def places(self, rows: NDArray[np.intp]) -> Any:
        """Return indices that :meth:`step` can use."""
        return rows

    def step(self, moved: Any, pull: Any, rows: Any, D: Any, X: Any, growths: Any, mu: Any) -> None:
        """Write Z = pull + kappa P - moved, cut at mu, to D and X = kappa P - C of what follows."""
        if self.compiled and compiled_available():
            now, following = np.float32(growths[0]), np.float32(growths[1])
            cut_step(moved, pull, rows, D, X, now, following, np.float32(mu))
        else:
            plain_step(moved, pull, rows, D, X, growths, mu)


class TorchArrays(NumpyArrays):
    """The same on a device of torch."""

    block = 4096
    compiled = False

    def __init__(self, device: str) -> None:
        import torch

        self.torch, self.device = torch, torch.device(device)
        torch.backends.cuda.matmul.allow_tf32 = False  # which rounds to ten bits

    def put(self, array: Array) -> Any:
        """Return a tensor of float32."""
        return self.torch.as_tensor(np.asarray(array, np.float32), device=self.device)

    def get(self, array: Any) -> Array:
        """Return an array of float64 in this machine's memory."""
        return array.cpu().numpy().astype(np.float64)

    def largest(self, array: Any) -> NDArray[np.float32]:
        """Return the largest absolute value of each row."""
        return array.abs().amax(1).cpu().numpy()

    def places(self, rows: NDArray[np.intp]) -> Any:
        """Return indices that :meth:`step` can use."""
        return self.torch.as_tensor(rows, device=self.device)


def plain_step(moved: Any, pull: Any, rows: Any, D: Any, X: Any, growths: Any, mu: float) -> None:
    """Do the elementwise part of a step for arrays of NumPy or torch."""
    Z = pull[rows] + D * growths[0] - moved
    C = Z.clip(-mu, mu)
    D[:] = Z - C
    X[:] = D * growths[1] - C


@kernel
def cut_step(moved, pull, rows, D, X, now, following, mu):  # type: ignore[no-untyped-def]
    """Do the elementwise part of a step in one pass; the same bits as :func:`plain_step`."""
    for i in range(len(rows)):
        y, g, d, x = moved[i], pull[rows[i]], D[i], X[i]
        for j in range(len(y)):
            z = g[j] + d[j] * now - y[j]
            c = z if z < mu else mu
            c = c if c > -mu else -mu
            d[j] = z - c
            x[j] = d[j] * following - c


def arrays_of(device: str) -> NumpyArrays:
    """Return the arrays of a device: ``cpu``, ``cuda``, or ``auto`` for a GPU if there is one."""
    if device == "cpu" or (device == "auto" and not Path("/dev/nvidiactl").exists()):
        return NumpyArrays()
    try:
        import torch

        there = torch.cuda.is_available()
    except ImportError:
        there = False
    if there:
        return TorchArrays("cuda")
    if device == "cuda":
        raise UserError("device=cuda needs a GPU and torch (the extra c3d); take device=auto")
    return NumpyArrays()


class SingleIALM:
    """The loop for all responses of one design A (m x n) and many mu; ``arrays`` hold float32."""

    def __init__(self, design: Array, arrays: NumpyArrays) -> None:
        self.arrays, self.schedule = arrays, AUTHORS_SCHEDULE
        self.double = ResponseIALM(design)
        _, lengths, self._vectors = np.linalg.svd(design, full_matrices=False)
        self._eigenvalues = lengths**2

    @staticmethod
    def pays(n_responses: int, n_mus: int, shape: tuple[int, int]) -> bool:
        """Return whether it is less work than the loop in float64."""
        rows, n = shape
        size = 4 * AUTHORS_SCHEDULE.n_steps * n * min(n, 2 * rows)
        return n_responses >= FEWEST_RESPONSES and n_mus >= FEWEST_MUS and size <= LARGEST

    @cached_property
    def _shrinkages(self) -> list[tuple[Any, ...]]:
        """N of every step, or two factors of it where these are smaller."""
        r, n = self._vectors.shape
        put = self.arrays.put
        found: list[tuple[Any, ...]] = []
        right = put(self._vectors)
        for kappa in self.schedule.kappas:
            left = self._vectors.T * (self._eigenvalues / (self._eigenvalues + kappa / 2))
            found.append((put(left), right) if 2 * r < n else (put(left @ self._vectors),))
        return found

    def _multiply(self, X: Any, step: int) -> Any:
        for factor in self._shrinkages[step]:
            X = X @ factor
        return X

    def solve(
        self,
        correlations: Array,  # (D, n), the vectors b as rows
        mus: Sequence[float],
        raw: Array,  # (D, n_raw), features of raw samples, a feature a row
    ) -> list[SingleSums]:
        """Run the loop for each mu, and add up the coefficients of all responses."""
        order = np.argsort(-np.abs(correlations).max(1), kind="stable")
        stride = (len(order) - LARGEST_RESPONSES) // SAMPLE
        sampled = order[LARGEST_RESPONSES + stride // 2 :: stride][:SAMPLE]
        in_double = np.concatenate([sampled, order[:LARGEST_RESPONSES]])
        double = [self.double.solve(correlations[in_double], mu) for mu in mus]
        steps = [min(found.iterations + MORE_STEPS, self.schedule.n_steps) for found in double]
        single = self._run(correlations[sampled], mus, steps)
        scale = len(correlations) * GROUPS / SAMPLE  # responses in all, for each one of a group
        sums = []
        for (P, _, converged), rough, last in zip(double, single, steps, strict=True):
            errors = []
            for group in range(GROUPS):
                members = slice(group, SAMPLE, GROUPS)
                exact, other = P[members], rough[members]
                missing = scale * (exact - other).T @ raw[sampled[members]]
                errors.append((missing, scale * (exact.T @ exact - other.T @ other)))
            sums.append(SingleSums(P.T @ raw[in_double], P.T @ P, last, converged, errors))
        others = np.setdiff1d(order, in_double)
        for first in range(0, len(others), self.arrays.block):
            rows = others[first : first + self.arrays.block]
            for total, P in zip(sums, self._run(correlations[rows], mus, steps), strict=True):
                np.add(total.projected, P.T @ raw[rows], out=total.projected)
                np.add(total.square, P.T @ P, out=total.square)
        return sums

    def _run(self, correlations: Array, mus: Sequence[float], steps: Sequence[int]) -> list[Array]:
        """Return the coefficients of a block of responses for each mu after its steps."""
        kappas, start = self.schedule.kappas, self.schedule.start
        growths = [1.0, *(kappas[1:] / kappas[:-1]).tolist(), 1.0]
        runs = [_Run(self.arrays, correlations.shape, mu, kappas[0], start) for mu in mus]
        waiting = any(run.waits for run in runs)
        free = self.arrays.put(np.full(correlations.shape, -start))  # C where nothing is cut
        inside = 2 * correlations @ self._vectors.T
        for first in range(0, max(steps), STEPS):
            chunk = range(first, min(first + STEPS, max(steps)))
            pulls, frees = [], []
            for step in chunk:
                half = kappas[step] / 2
                pull = self.arrays.put(
                    (inside * (half / (self._eigenvalues + half))) @ self._vectors
                )
                pulls.append(pull)
                if waiting:
                    offset = kappas[0] * start if step == 0 else 0.0
                    free = pull + offset - self._multiply(offset - free, step)
                    frees.append((free, self.arrays.largest(free)))
            for run, last in zip(runs, steps, strict=True):
                for step in chunk[: max(0, last - first)]:
                    before = 1.0 if step == 0 else growths[step - 1]
                    run.advance(self, step, pulls[step - first], (before, growths[step]))
                    if run.waits:
                        run.join(*frees[step - first], growths[step])
            waiting = any(run.waits and run.count < len(correlations) for run in runs)
        return [run.coefficients(kappas[last - 1]) for run, last in zip(runs, steps, strict=True)]


class _Run:
    """The responses of a block that take the steps of one mu, in the order in which they join."""

    def __init__(
        self, arrays: NumpyArrays, shape: tuple[int, ...], mu: float, kappa: float, start: float
    ) -> None:
        self.arrays, self.mu, self.shape = arrays, mu, shape
        self.waits = mu > start  # P is zero until an entry leaves [-mu, mu]
        self.count = 0 if self.waits else shape[0]
        self.left = np.zeros(shape[0], bool) if self.waits else np.ones(shape[0], bool)
        self.rows = np.arange(shape[0])
        self.places = arrays.places(self.rows)
        self.D = arrays.put(np.full(shape, kappa * start))  # kappa P
        self.X = arrays.put(np.full(shape, kappa * start + start))  # kappa P - C

    def advance(self, loop: SingleIALM, step: int, pull: Any, growths: tuple[float, float]) -> None:
        """Do a step for those that have joined."""
        if self.count:
            D, X = self.D[: self.count], self.X[: self.count]
            moved = loop._multiply(X, step)
            self.arrays.step(moved, pull, self.places[: self.count], D, X, growths, self.mu)

    def join(self, free: Any, largest: NDArray[np.float32], growth: float) -> None:
        """Let responses join that leave [-mu, mu] in this step."""
        rows = np.flatnonzero((largest > self.mu) & ~self.left)
        if len(rows):
            self.left[rows] = True
            slots = slice(self.count, self.count + len(rows))
            Z = free[self.arrays.places(rows)]
            C = Z.clip(-self.mu, self.mu)
            self.D[slots] = Z - C
            self.X[slots] = (Z - C) * growth - C
            self.rows[slots] = rows
            self.places = self.arrays.places(self.rows)
            self.count += len(rows)

    def coefficients(self, kappa: float) -> Array:
        """Return P' of the block; zero where a response never joined."""
        P = np.zeros(self.shape)
        P[self.rows[: self.count]] = self.arrays.get(self.D[: self.count]) / kappa
        return P
