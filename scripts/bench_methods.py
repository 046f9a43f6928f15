"""Adaptation methods against the plain textbook way, and their floors.

One task of the paper's size: 164 source and 71 target samples of three classes, random histograms
of 85 blocks x 3 planes x 59 bins from a fixed seed. Per setting, in CPU seconds and with one BLAS
thread: the package's time for its shared preparation, divided by all settings of the paper's grid,
plus its time in batches of that grid; the textbook's time for an independent fit of a setting. Both
sides take turns, on randomly drawn batches and settings, until each has had its share of time; what
was not reached is assumed to cost the same. ``equal`` is the share of predictions on which both
agree in the settings drawn; below 1 for TKL, because SciPy's SLSQP, the textbook's solver there,
stops above the optimum for some damping factors.

The rows ``form`` take the plain form of the same solver in turn, on the same settings. TSRG and
DRFS-T, one whole lambda and a random part of the features: the float64 loop against the float32 one
with its certificate, the NumPy walk against the compiled one, and both methods each on its own
against DRFS-T taking what TSRG found the other way round. RSTR: NumPy's loop of the augmented
Lagrangian against the compiled one. TCA on features of unit variance: LIBSVM up to its own limit
against the interior point. The floor of TSRG and DRFS-T is the steps of the paper's
loop, times 2 n^2 D floating point operations (one product of n x n with n x D), at the rate of that
product measured in the same run. The exact mode is timed on one whole lambda (all its mu share a
path) for a random part of the D features, scaled up, because the lassos of the features are
independent; its floor row is the *paper's* floor.
Elsewhere the floor is that of the preparation: the n^2 D multiplications of the kernel.
"""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import textbook_methods
from bench_rows import Row, above, cpu_seconds, faster
from numpy.typing import NDArray

from cdmer_bench import methods
from cdmer_bench.solvers import libsvm

CLASSES = {
    "svm": "SVM",
    "iw_svm": "IWSVM",
    "tca": "TCA",
    "gfk": "GFK",
    "sa": "SA",
    "stm": "STM",
    "tkl": "TKL",
    "tsrg": "TSRG",
    "drfs_t": "DRFST",
    "drls": "DRLS",
    "rstr": "RSTR",
}
N_SOURCE, N_TARGET, N_BLOCKS, N_PLANES, N_BINS = 164, 71, 85, 3, 59
SECTION = "methods"
Array = NDArray[np.float64]
Task = tuple[Array, NDArray[np.intp], Array]


def random_histograms(
    seed: int = 0, n_blocks: int = N_BLOCKS
) -> tuple[Array, NDArray[np.intp], Array]:
    """Return Xs, ys, Xt of histograms, whose means differ by class and by domain."""
    rng = np.random.default_rng(seed)
    shape = (n_blocks, N_PLANES, N_BINS)
    base = rng.gamma(0.5, size=shape) + 0.02
    # Classes so close that the baseline errs in a third of the target.
    by_class = [base * rng.gamma(1500, 1 / 1500, size=shape) for _ in range(3)]
    shift = rng.gamma(20, 1 / 20, size=shape)

    def draw(labels: NDArray[np.intp], shifted: bool) -> Array:
        samples = []
        for label in labels:
            means = by_class[label] * (shift if shifted else 1.0)
            means = means * rng.gamma(5, 1 / 5, size=shape)
            samples.append(rng.multinomial(400, means / means.sum(-1, keepdims=True)) / 400)
        return np.array(samples).reshape(len(labels), n_blocks, -1)

    ys, yt = (rng.integers(0, 3, n) for n in (N_SOURCE, N_TARGET))
    return draw(ys, False), ys, draw(yt, True)


class Ours:
    """The package's side: one method, prepared once, its batches timed one after another."""

    def __init__(self, name: str, task: Task, **parameters: Any) -> None:
        self.method = getattr(methods, CLASSES[name])(**parameters)
        Xs, ys, Xt = task
        if not self.method.needs_blocks:
            Xs, Xt = textbook_methods.flat(Xs), textbook_methods.flat(Xt)
        n_features = int(np.prod(Xs.shape[1:]))
        self.settings = self.method.settings(None, (len(Xs), len(Xt), n_features))
        start = time.process_time()
        self.prepared = self.method.prepare(Xs, ys, Xt, Xt)
        self.preparation = time.process_time() - start
        self.spent, self.timed, self.steps = 0.0, 0, 0

    def take(self, batch: Sequence[int]) -> None:
        """Solve one batch, timed."""
        start = time.process_time()
        result = self.method.solve(self.prepared, [self.settings[i] for i in batch])
        self.spent += time.process_time() - start
        self.timed += len(batch)
        self.steps += int(result.iterations.sum())

    def predict(self, index: int) -> NDArray[np.intp]:
        """Return the predictions of one setting, not timed."""
        return self.method.solve(self.prepared, [self.settings[index]]).predictions[0]

    @property
    def seconds(self) -> float:
        """CPU seconds a setting."""
        return self.preparation / len(self.settings) + self.spent / self.timed


def product_seconds(n: int, m: int) -> float:
    """Measure a product of (n x n) with (n x m), in parts that fit the cache."""
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=(n, n)), rng.normal(size=(n, 512))
    return cpu_seconds(lambda: [A @ B for _ in range(10)], 10) / 10 * m / 512


def contest(name: str, task: Task, seconds: float) -> Iterator[Row]:
    """Time one method on both sides, in turns."""
    ours, plain = Ours(name, task), getattr(textbook_methods, name)
    rng = np.random.default_rng(1)
    batches = ours.method.batches(ours.settings)
    batches = [batches[i] for i in rng.permutation(len(batches))]
    drawn = list(rng.permutation(len(ours.settings)))
    spent, done, same = 0.0, 0, []
    while (batches and ours.spent < seconds) or (drawn and spent < seconds):
        if batches and ours.spent < seconds:
            ours.take(batches.pop())
        if drawn and spent < seconds:
            index = drawn.pop()
            start = time.process_time()
            predicted = plain(*task, **ours.settings[index])
            spent, done = spent + time.process_time() - start, done + 1
            same.append(np.mean(predicted == ours.predict(index)))
    n, d = N_SOURCE + N_TARGET, task[0][0].size
    label = ours.method.label
    yield faster(
        SECTION,
        label,
        "plain",
        f"textbook; {np.mean(same):.3g} of predictions equal",
        ours.seconds,
        spent / done,
        # The goals are for all 85 blocks.
        goal="" if d < N_BLOCKS * N_PLANES * N_BINS else ">= 15" if name == "rstr" else ">= 5",
        timed=f"{ours.timed} and {done} of {len(ours.settings)} settings, {d} features",
    )
    if name in ("tsrg", "drfs_t"):
        yield from regeneration_floors(name, task, ours, seconds)
    else:
        what = "preparation over its kernel's product"
        yield above(SECTION, label, "floor", what, ours.preparation, product_seconds(n, d) / 2)
    if name == "rstr":
        yield rstr_form(task)
    if name == "tca":
        yield low_rank_form(task)


def regeneration_floors(name: str, task: Task, paper: Ours, seconds: float) -> Iterator[Row]:
    """Yield how far TSRG or DRFS-T are above the floor of the paper's loop, in both modes."""
    n, d = N_SOURCE + N_TARGET, task[0][0].size
    steps = paper.steps / paper.timed
    floor = steps * product_seconds(n, d)
    what = f"{steps:.0f} steps of n x n times n x D"
    yield above(
        SECTION,
        f"{paper.method.label}, paper",
        "floor",
        what,
        paper.seconds,
        floor,
        goal="<= 2",
        timed=f"{paper.timed} settings",
    )
    yield from regeneration_forms(name, task, seconds)
    part = min(d, max(100, int(d * seconds / 80)))
    exact = few_features(name, task, part, solver="exact")
    batches = exact.method.batches(exact.settings)
    exact.take(batches[len(batches) // 2])
    yield above(
        SECTION,
        f"{paper.method.label}, exact",
        "floor",
        f"the paper mode's: {what}",
        exact.preparation / len(exact.settings) + exact.spent / exact.timed * d / part,
        floor,
        goal="<= 1",
        timed=f"1 of {len(batches)} lambda with all mu, {part} of {d} features",
    )


def few_features(name: str, task: Task, part: int, **parameters: Any) -> Ours:
    """Return TSRG or DRFS-T with the regressions of a random part of the features only."""
    ours = Ours(name, task, **parameters)
    d = task[0][0].size
    columns = np.sort(np.random.default_rng(2).permutation(d)[:part])
    for key in ("fixed", "raw"):
        ours.prepared[key] = np.ascontiguousarray(ours.prepared[key][:, columns])
    return ours


def timed_solve(ours: Ours, settings: Sequence[dict]) -> tuple[float, NDArray[np.intp]]:
    """Return the CPU seconds that settings take, and what they predict."""
    start = time.process_time()
    predictions = ours.method.solve(ours.prepared, settings).predictions
    return time.process_time() - start, predictions


@contextmanager
def without_numba() -> Iterator[None]:
    """Take the NumPy forms within the block."""
    os.environ["CDMER_NO_NUMBA"] = "1"
    try:
        yield
    finally:
        del os.environ["CDMER_NO_NUMBA"]


def form(label: str, plain: str, fast: tuple, slow: tuple, timed: str) -> Row:
    """Return the row of two forms, each given by its seconds and predictions."""
    what = f"{plain}; {np.mean(fast[1] == slow[1]):.4g} of predictions equal"
    return faster(SECTION, label, "form", what, fast[0], slow[0], timed=timed)


def regeneration_forms(name: str, task: Task, seconds: float) -> Iterator[Row]:
    """Yield the fast form of each solver of TSRG or DRFS-T against its plain one."""
    d = task[0][0].size
    parts = {
        "paper": min(d, max(2000, int(200 * seconds))),
        "exact": min(d, max(200, int(20 * seconds))),
    }
    for solver, part in parts.items():
        ours = few_features(name, task, part, solver=solver)
        label, settings = f"{ours.method.label}, {solver}", lambda_of(ours)
        timed = f"{len(settings)} settings of one lambda, {part} of {d} features"
        if solver == "exact":
            ours.method.solve(ours.prepared, settings[:1])  # compiled before the time is taken
        fast = timed_solve(ours, settings)
        if solver == "exact":
            with without_numba():
                slow = timed_solve(ours, settings)
            yield form(label, "the NumPy walk", fast, slow, timed)
        else:
            alone = [timed_solve(ours, [setting]) for setting in settings]
            slow = sum(one[0] for one in alone), np.concatenate([one[1] for one in alone])
            yield form(label, "each setting by the float64 loop", fast, slow, timed)
        if name == "tsrg":
            yield shared_regressions(task, part, solver, timed)


def lambda_of(ours: Ours) -> list[dict]:
    """Return the settings of one lambda, of all mu."""
    return [ours.settings[i] for i in ours.method.batches(ours.settings)[3]]


def shared_regressions(task: Task, part: int, solver: str, timed: str) -> Row:
    """Return TSRG one way and DRFS-T the other with a cache against each method on its own."""
    # The same samples stay and are regenerated; labels change no regression.
    other = task[2], np.arange(len(task[2])) % 3, task[0]
    found = []
    with tempfile.TemporaryDirectory() as cache:
        for folder in ("", cache):
            runs = [
                timed_solve(ours, lambda_of(ours))
                for ours in (
                    few_features("tsrg", task, part, solver=solver, cache=folder),
                    few_features("drfs_t", other, part, solver=solver, cache=folder),
                )
            ]
            predictions = np.concatenate([run[1].ravel() for run in runs])
            found.append((sum(run[0] for run in runs), predictions))
    label = f"TSRG and back DRFS-T, {solver}"
    return form(label, "each by regressions of its own", found[1], found[0], timed)


def rstr_form(task: Task) -> Row:
    """Return RSTR's compiled loops against NumPy's, on a batch of the paper's grid."""
    ours = Ours("rstr", task)
    batch = ours.method.batches(ours.settings)[0]
    settings = [ours.settings[i] for i in batch]
    ours.method.solve(ours.prepared, settings[:1])  # compiled before the time is taken
    fast = timed_solve(ours, settings)
    with without_numba():
        slow = timed_solve(ours, settings)
    return form("RSTR", "NumPy's loops", fast, slow, f"{len(settings)} settings")


def low_rank_form(task: Task) -> Row:
    """Return TCA on features of unit variance, where LIBSVM does not end, against LIBSVM alone."""
    scaled = [(X - X.mean(0)) / (X.std(0) + (X.std(0) == 0)) for X in (task[0], task[2])]
    ours = Ours("tca", (scaled[0], task[1], scaled[1]))
    fast = timed_solve(ours, [{"k": 10}])
    patience = libsvm.PATIENCE_OF_FEW
    try:
        libsvm.PATIENCE_OF_FEW = libsvm.MAX_ITERATIONS
        slow = timed_solve(ours, [{"k": 10}])
    finally:
        libsvm.PATIENCE_OF_FEW = patience
    return form("TCA, unit variance", "LIBSVM up to its limit", fast, slow, "k = 10")


def measure(names: Sequence[str], seconds: float, quick: bool) -> Iterator[Row]:
    """Yield the rows of each method; ``quick`` takes a fifth of the blocks."""
    task = random_histograms(n_blocks=N_BLOCKS // 5 if quick else N_BLOCKS)
    for name in names:
        yield from contest(name, task, seconds)
