"""Adaptation methods against the plain textbook way, and their floors.

One task of the paper's size: 164 source and 71 target samples of three classes, random histograms
of 85 blocks x 3 planes x 59 bins from a fixed seed. Per setting, in CPU seconds and with one BLAS
thread: the package's time for its shared preparation, divided by all settings of the paper's grid,
plus its time in batches of that grid; the textbook's time for an independent fit of a setting. Both
sides take turns, on randomly drawn batches and settings, until each has had its share of time; what
was not reached is assumed to cost the same. ``equal`` is the share of predictions on which both
agree in the settings drawn; below 1 for TKL, because SciPy's SLSQP, the textbook's solver there,
stops above the optimum for some damping factors.

TSRG and DRFS-T: the rows ``form`` take the plain form of the same solver in turn, on one whole
lambda and a random part of the features: the float64 loop against the float32 one with its
certificate, and the NumPy walk against the compiled one. The floor is the steps of the paper's
loop, times 2 n^2 D floating point operations (one product of n x n with n x D), at the rate of that
product measured in the same run. The exact mode is timed on one whole lambda (all its mu share a
path) for a random part of the D features, scaled up, because the lassos of the features are
independent; its floor row is the *paper's* floor.
Elsewhere the floor is that of the preparation: the n^2 D multiplications of the kernel.
"""

import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import textbook_methods
from bench_rows import Row, above, cpu_seconds, faster
from numpy.typing import NDArray

from cdmer_bench import methods

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
    exact = Ours(name, task, solver="exact")
    part = min(d, max(100, int(d * seconds / 80)))
    columns = np.sort(np.random.default_rng(2).permutation(d)[:part])
    for key in ("fixed", "raw"):
        exact.prepared[key] = np.ascontiguousarray(exact.prepared[key][:, columns])
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


def regeneration_forms(name: str, task: Task, seconds: float) -> Iterator[Row]:
    """Yield the fast form of each solver against its plain one, on the same settings."""
    d = task[0][0].size
    for solver, plain, part in (
        ("paper", "each setting by the float64 loop", min(d, max(2000, int(200 * seconds)))),
        ("exact", "the NumPy walk", min(d, max(200, int(20 * seconds)))),
    ):
        ours = Ours(name, task, solver=solver)
        columns = np.sort(np.random.default_rng(2).permutation(d)[:part])
        for key in ("fixed", "raw"):
            ours.prepared[key] = np.ascontiguousarray(ours.prepared[key][:, columns])
        batch = ours.method.batches(ours.settings)[3]
        settings = [ours.settings[i] for i in batch]
        if solver == "exact":
            ours.method.solve(ours.prepared, settings[:1])  # compiled before the time is taken
        start = time.process_time()
        fast = ours.method.solve(ours.prepared, settings).predictions
        middle = time.process_time()
        if solver == "exact":
            os.environ["CDMER_NO_NUMBA"] = "1"
            slow = ours.method.solve(ours.prepared, settings).predictions
            del os.environ["CDMER_NO_NUMBA"]
        else:
            alone = (ours.method.solve(ours.prepared, [setting]) for setting in settings)
            slow = np.array([result.predictions[0] for result in alone])
        end = time.process_time()
        yield faster(
            SECTION,
            f"{ours.method.label}, {solver}",
            "form",
            f"{plain}; {np.mean(fast == slow):.4g} of predictions equal",
            middle - start,
            end - middle,
            timed=f"{len(batch)} settings of one lambda, {part} of {d} features",
        )


def measure(names: Sequence[str], seconds: float, quick: bool) -> Iterator[Row]:
    """Yield the rows of each method; ``quick`` takes a fifth of the blocks."""
    task = random_histograms(n_blocks=N_BLOCKS // 5 if quick else N_BLOCKS)
    for name in names:
        yield from contest(name, task, seconds)
