"""Every method in every mode on tasks at the edge of what numbers can hold.

Each gives known labels with finite scores, or refuses the task in one sentence, under the corners
of its default grid; it never warns of NumPy's making (``RuntimeWarning`` is an error in this
suite) and never goes on for ever. A setting that ended at an iteration limit says so.
"""

import itertools
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from cdmer_bench.errors import UserError
from cdmer_bench.methods import (
    DRFST,
    DRLS,
    GFK,
    IWSVM,
    RSTR,
    SA,
    STM,
    SVM,
    TCA,
    TGSR,
    TKL,
    TSRG,
)
from cdmer_bench.methods.checks import draw_task
from cdmer_bench.methods.inputs import check_task

METHODS = {
    "svm": SVM(),
    "iw_svm": IWSVM(),
    "tca": TCA(),
    "sa": SA(),
    "gfk": GFK(),
    "tkl": TKL(),
    "drls": DRLS(),
    "rstr": RSTR(),
    "tgsr": TGSR(),
    "stm": STM(),
    "stm, active set": STM(qp="active-set"),
    "stm, exact": STM(solver="exact"),
    "tsrg": TSRG(),
    "tsrg, exact": TSRG(solver="exact"),
    "drfs_t": DRFST(),
    "drfs_t, exact": DRFST(solver="exact"),
}
Xs, YS, Xt = draw_task()


def with_blocks(source_value, target_value, blocks=slice(0, 1)):
    """The task with some blocks set to one value in each domain."""
    source, target = Xs.copy(), Xt.copy()
    source[:, blocks], target[:, blocks] = source_value, target_value
    return source, YS, target


def with_one_feature(factor):
    source, target = Xs.copy(), Xt.copy()
    source[:, 0, 0] *= factor
    target[:, 0, 0] *= factor
    return source, YS, target


TASKS = {
    "duplicate samples": (np.repeat(Xs[:6], 4, axis=0), np.repeat(YS[:6], 4), Xt[[0] * 7]),
    "duplicates of other classes": (Xs[np.arange(24) // 3], YS, Xt),
    "all samples equal": (Xs[[0] * 24], YS, Xs[[0] * 5]),
    "constant features": (np.ones_like(Xs), YS, np.ones_like(Xt)),
    "constant, but for one": with_blocks(0.2, 0.2, slice(1, 4)),
    "one sample of a class": (Xs, np.where(np.arange(24) == 0, 2, YS % 2), Xt),
    "one sample of each class": (Xs[:3], YS[:3], Xt),
    "one target sample": (Xs, YS, Xt[:1]),
    "two samples": (Xs[:2], YS[:2], Xt[:2]),
    "source = target": (Xs, YS, Xs.copy()),
    "source = target, twice": (np.r_[Xs, Xs], np.r_[YS, YS], np.r_[Xs, Xs]),
    "zero blocks": with_blocks(0.0, 0.0),
    "zero blocks of the source": with_blocks(0.0, 1.0),
    "zero blocks of the target": with_blocks(1.0, 0.0),
    "zeros": (np.zeros_like(Xs), YS, np.zeros_like(Xt)),
    "zero target": (Xs, YS, np.zeros_like(Xt)),
    "far away": (Xs + 1e8, YS, Xt - 1e8),
    "one feature of 1e150": with_one_feature(1e150),
    "one feature of 1e-150": with_one_feature(1e-150),
    "target of another scale": (Xs, YS, Xt * 1e100),
    **{
        f"scale {scale:g}": (Xs * scale, YS, Xt * scale)
        for scale in (1e-310, 1e-150, 1e-20, 1e20, 1e150, 1e300)
    },
}
LIMIT = 120  # seconds; the longest takes a quarter of them


@contextmanager
def not_for_ever() -> Iterator[None]:
    def stop(*_):
        raise AssertionError(f"still running after {LIMIT} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def corners(method, shapes):
    """The settings whose parameters are all first or last in the default grid."""
    every = method.settings(method.paper_grid, shapes)
    names = list(every[0])
    ends = [sorted({s[name] for s in every})[:: max(1, len({s[name] for s in every}) - 1)]
            for name in names]  # fmt: skip
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*ends)]


# LIBSVM then goes on to its limit of ten million iterations.
LONG = ("far away", "one feature of 1e150")


@pytest.mark.parametrize(
    "task", [pytest.param(t, marks=pytest.mark.slow) if t in LONG else t for t in TASKS]
)
@pytest.mark.parametrize("name", METHODS)
def test_known_labels_or_one_sentence(name, task):
    method, (source, ys, target) = METHODS[name], TASKS[task]
    refusal = None
    with not_for_ever():
        try:
            task_ = check_task(source, ys, target, method.needs_blocks)
            settings = corners(method, task_.shapes)
            found = method.solve(method.prepare(*task_[:3], task_.Xt), settings)
        except UserError as error:
            refusal = str(error)
    if refusal is not None:
        assert len(refusal.splitlines()) == 1
        return
    n_classes = len(np.unique(ys))
    assert np.shape(found.predictions) == (len(settings), len(target))
    assert set(np.unique(found.predictions)) <= set(range(n_classes))
    if found.scores is not None:
        assert np.isfinite(found.scores).all()
    assert np.shape(found.converged) == np.shape(found.iterations) == (len(settings),)
    for index in np.flatnonzero(~np.asarray(found.converged)):
        assert found.notes[index].strip()


@pytest.mark.parametrize("name", METHODS)
def test_plain_tasks_are_not_refused(name):
    """The check above would also pass if everything were refused."""
    for task in ("source = target", "one sample of a class", "zero blocks", "scale 1e+20"):
        METHODS[name].predict_grid(*TASKS[task], grid=corners(METHODS[name], (24, 15, 20))[:1])
