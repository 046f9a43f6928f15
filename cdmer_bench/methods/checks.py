"""Checks of a method: what the runner relies on, tried on small tasks drawn from a fixed seed."""

import dataclasses
import inspect
import pickle
from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import Check, UserError
from cdmer_bench.methods.base import Method, Prepared, batches_of
from cdmer_bench.methods.batches import BatchResult, expect_result, join_batches
from cdmer_bench.methods.inputs import Grid, Setting, check_task

MOST_SETTINGS = 12  # settings of a grid that are tried, spread evenly over it
N_SOURCE, N_TARGET, N_CLASSES = 24, 15, 3
N_BLOCKS, BLOCK_DIM = 5, 6

Drawn = tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]


class MethodChecks:
    """The checks of one method."""

    def __init__(self, method: Method, grid: Grid | None = None) -> None:
        self.method = method
        self.grid = method.paper_grid if grid is None else grid

    def settings(self, task: Drawn) -> list[Setting]:
        """List at most ``MOST_SETTINGS`` settings of the grid, spread over it."""
        shapes = check_task(*task, self.method.needs_blocks).shapes
        every = self.method.settings(self.grid, shapes)
        chosen = np.linspace(0, len(every) - 1, min(len(every), MOST_SETTINGS)).round().astype(int)
        return [every[i] for i in chosen]

    def predictions(self, task: Drawn, settings: Sequence[Setting] | None = None) -> NDArray:
        """Return the predicted labels under each setting, shape (n_settings, n_target)."""
        chosen = self.settings(task) if settings is None else list(settings)
        return self.method.predict_grid(*task, grid=chosen)[1]

    def checks(self) -> list[Check]:
        """List the checks, the plainest first."""
        plain = [
            ("class", "it is a dataclass with a whole-number version", self._class),
            ("pickle", "it can be sent to a worker process", self._pickle),
            ("no peeking", "it is never given a label of the target", self._no_peeking),
            ("grid", "its grid gives settings of its own parameters", self._grid),
            ("batches", "its batches hold each setting once", self._batches),
            ("shapes", "one known label for each setting and target sample", self._shapes),
            ("input kept", "it leaves the samples and labels as they were", self._input_kept),
            ("finite", "its predictions are whole numbers, never NaN", self._whole_numbers),
            ("scores", "its scores, if any, are finite, one for each class", self._scores),
            ("determinism", "the same task twice gives the same predictions", self._same_twice),
            ("alone", "a setting alone predicts what it predicts in the grid", self._alone),
            ("split", "any split into batches gives the same predictions", self._split),
            ("target order", "reordering target samples reorders predictions", self._order),
            ("queries", "predicting some samples does not change their labels", self._queries),
            ("label types", "labels may be text or any numbers", self._label_types),
            ("kernel", "its adapted kernel, if any, is one of all samples", self._kernel),
        ]
        known = "known labels, or one sentence that refuses the task"
        odd = odd_tasks(self.method.needs_blocks)
        return [Check(*each) for each in plain] + [
            Check(name, known, partial(self._survives, task)) for name, task in odd.items()
        ]

    def _class(self) -> str | None:
        kind = type(self.method)
        if not dataclasses.is_dataclass(kind):
            return f"{kind.__name__} is no dataclass; put @dataclass above it"
        if not isinstance(kind.version, int) or isinstance(kind.version, bool):
            return f"version is {kind.version!r}, expected a whole number"
        return None

    def _pickle(self) -> str | None:
        again = pickle.loads(pickle.dumps(self.method))
        same = again.parameters() == self.method.parameters()
        return None if same else "pickling it changed its parameters"

    def _no_peeking(self) -> str | None:
        for function, wanted in (
            (self.method.prepare, "(Xs, ys, Xt, Xq)"),
            (self.method.solve, "(prepared, settings)"),
        ):
            names = list(inspect.signature(function).parameters)
            if len(names) != len(wanted.split()):
                return f"{function.__name__} takes ({', '.join(names)}), expected {wanted}"
        return None

    def _grid(self) -> str | None:
        self.settings(draw_task())  # which refuses what is wrong
        return None

    def _batches(self) -> str | None:
        batches_of(self.method, self.settings(draw_task()))  # which refuses what is wrong
        return None

    def _shapes(self) -> str | None:
        return wrong_labels(self.predictions(draw_task()), draw_task()[1], N_TARGET)

    def _input_kept(self) -> str | None:
        task = check_task(*draw_task(), self.method.needs_blocks)
        Xs, ys, Xt = task.Xs.copy(), task.ys.copy(), task.Xt.copy()
        self.method.solve(self.method.prepare(Xs, ys, Xt, Xt), self.settings(draw_task()))
        for name, before, after in zip(task._fields, task[:3], (Xs, ys, Xt), strict=False):
            if not np.array_equal(after, before):
                return f"it wrote into {name}; work on a copy"
        return None

    def _whole_numbers(self) -> str | None:
        not_finite = "some predictions are NaN or infinite; predict a class index for each sample"
        prepared = self._prepare(draw_task())
        try:
            result = self.method.solve(prepared, self.settings(draw_task()))
            found = np.asarray(expect_result(result).predictions)
        except RuntimeWarning as warning:
            if "invalid value encountered in cast" in str(warning):  # NaN made a class index
                return not_finite
            raise
        if found.dtype.kind == "f" and not np.isfinite(found).all():
            return not_finite
        if found.dtype.kind not in "iu":
            return f"predictions are {found.dtype}, expected class indices (whole numbers from 0)"
        return None

    def _scores(self) -> str | None:
        settings = self.settings(draw_task())
        scores = self._solve(settings, batches_of(self.method, settings)).scores
        expected = (len(settings), N_TARGET, N_CLASSES)
        if scores is None:
            return None
        if scores.shape != expected:
            return f"scores have shape {scores.shape}, expected {expected}"
        return None if np.isfinite(scores).all() else "some scores are NaN or infinite"

    def _same_twice(self) -> str | None:
        first, second = self.predictions(draw_task()), self.predictions(draw_task())
        return difference(first, second, "the second time")

    def _alone(self) -> str | None:
        task = draw_task()
        settings = self.settings(task)
        together = self.predictions(task, settings)
        return first_of(
            difference(row, self.predictions(task, [setting])[0], f"{setting} alone")
            for setting, row in zip(settings, together, strict=True)
        )

    def _split(self) -> str | None:
        settings = self.settings(draw_task())
        whole = self._solve(settings, batches_of(self.method, settings)).predictions
        rng = np.random.default_rng(0)
        for n_batches in {1, 2, 3} & set(range(len(settings) + 1)):
            order = rng.permutation(len(settings))
            batches = [part.tolist() for part in np.array_split(order, n_batches)]
            split = self._solve(settings, batches).predictions
            wrong = difference(whole, split, f"{n_batches} batches in another order")
            if wrong:
                return wrong
        return None

    def _order(self) -> str | None:
        Xs, ys, Xt = draw_task()
        order = np.random.default_rng(1).permutation(len(Xt))
        straight = self.predictions((Xs, ys, Xt))
        return difference(straight[:, order], self.predictions((Xs, ys, Xt[order])), "reordered")

    def _queries(self) -> str | None:
        Xs, ys, Xt = draw_task()
        fitted = self.method.fit(Xs, ys, Xt)
        return difference(fitted.predict(Xt)[:4], fitted.predict(Xt[:4]), "four of them")

    def _label_types(self) -> str | None:
        Xs, ys, Xt = draw_task()
        plain = self.predictions((Xs, ys, Xt))
        kinds = (np.array(["a", "b", "c"]), np.array([-7, 0, 300]), np.array([0.5, 1, 2.5]))
        return first_of(
            difference(names[plain], self.predictions((Xs, names[ys], Xt)), f"{names}")
            for names in kinds
        )

    def _kernel(self) -> str | None:
        setting = self.settings(draw_task())[-1]
        kernel = self.method.adapted_kernel(self._prepare(draw_task()), setting)
        return None if kernel is None else wrong_kernel(kernel, N_SOURCE + N_TARGET)

    def _survives(self, task: Drawn) -> str | None:
        try:
            predictions = self.predictions(task)
        except UserError as refusal:
            return None if str(refusal).strip() else "it is refused without a reason"
        return wrong_labels(predictions, task[1], len(task[2]))

    def _prepare(self, drawn: Drawn) -> Prepared:
        task = check_task(*drawn, self.method.needs_blocks)
        return self.method.prepare(task.Xs, task.ys, task.Xt, task.Xt)

    def _solve(self, settings: list[Setting], batches: list[list[int]]) -> BatchResult:
        """Solve the settings batch by batch, on read-only arrays as worker processes have."""
        prepared = self._prepare(draw_task())
        for array in prepared.values():
            array.flags.writeable = False
        try:
            results = [self.method.solve(prepared, [settings[i] for i in s]) for s in batches]
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            raise ValueError(
                "solve writes into an array of prepare, which is read-only in worker processes; "
                "work on a copy"
            ) from None
        return join_batches(batches, results)


def first_of(wrongs: Iterable[str | None]) -> str | None:
    """Return the first sentence, if there is any."""
    return next(filter(None, wrongs), None)


def wrong_labels(predictions: NDArray, ys: NDArray, n_target: int) -> str | None:
    """Say what is wrong with predicted labels, or return None."""
    if predictions.ndim != 2 or predictions.shape[1] != n_target:
        return f"predictions have shape {predictions.shape}, expected (n_settings, {n_target})"
    strange = set(np.unique(predictions).tolist()) - set(np.unique(ys).tolist())
    return f"it predicts {sorted(strange)}, which the source does not have" if strange else None


def wrong_kernel(kernel: NDArray, n: int) -> str | None:
    """Say why a matrix is no kernel of ``n`` samples, or return None."""
    if np.shape(kernel) != (n, n):
        return f"adapted_kernel has shape {np.shape(kernel)}, expected ({n}, {n})"
    if not np.isfinite(kernel).all():
        return "adapted_kernel holds NaN or infinite values"
    largest = np.abs(kernel).max()
    if np.abs(kernel - kernel.T).max() > 1e-8 * largest:
        return "adapted_kernel is not symmetric"
    least = np.linalg.eigvalsh((kernel + kernel.T) / 2)[0]
    return f"adapted_kernel has the eigenvalue {least:.2g}" if least < -1e-6 * largest else None


def difference(expected: NDArray, found: NDArray, what: str) -> str | None:
    """Say how many predictions differ, or return None."""
    if expected.shape != found.shape:
        return f"{what}: predictions of shape {found.shape}, expected {expected.shape}"
    changed = int((expected != found).sum())
    return f"{what}: {changed} of {expected.size} predictions differ" if changed else None


def draw_task(
    n_source: int = N_SOURCE, n_target: int = N_TARGET, n_classes: int = N_CLASSES
) -> Drawn:
    """Draw block histograms around class means that both domains share, shifted in the target."""
    rng = np.random.default_rng(20)
    means = rng.gamma(1.0, size=(n_classes, N_BLOCKS, BLOCK_DIM))
    ys, yt = np.arange(n_source) % n_classes, np.arange(n_target) % n_classes
    shift = rng.gamma(1.0, size=(N_BLOCKS, BLOCK_DIM))
    Xs = means[ys] * rng.gamma(8.0, size=(n_source, N_BLOCKS, BLOCK_DIM))
    Xt = means[yt] * rng.gamma(8.0, size=(n_target, N_BLOCKS, BLOCK_DIM)) + shift
    Xs, Xt = (X / X.sum(axis=-1, keepdims=True) for X in (Xs, Xt))
    return Xs, ys, Xt


def odd_tasks(needs_blocks: bool) -> dict[str, Drawn]:
    """Return tasks at the edge of what a method can be given, by what is odd about each."""
    Xs, ys, Xt = draw_task()
    constant = np.ones_like(Xs), ys, np.ones_like(Xt)
    partly = [X.copy() for X in (Xs, Xt)]
    for X in partly:
        X[..., 2:] = 0.2
    rare = np.where(np.arange(len(ys)) == 0, 2, ys % 2)
    tasks: dict[str, Drawn] = {
        "two samples": draw_task(2, 2, 2),
        "two classes": draw_task(n_classes=2),
        "ten classes": draw_task(n_source=30, n_classes=10),
        "rare class": (Xs, rare, Xt),
        "duplicates": (np.repeat(Xs[:6], 3, axis=0), np.repeat(ys[:6], 3), Xt[[0] * 5]),
        "source = target": (Xs, ys, Xs.copy()),
        "constant": constant,
        "partly constant": (partly[0], ys, partly[1]),
        "tiny values": (Xs * 1e-6, ys, Xt * 1e-6),
        "huge values": (Xs * 1e6, ys, Xt * 1e6),
    }
    if not needs_blocks:
        tasks["one feature"] = (Xs[:, 0, :1], ys, Xt[:, 0, :1])
    return tasks
