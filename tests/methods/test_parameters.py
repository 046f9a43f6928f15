"""Every parameter of every method has its effect, in a grid as on the object.

A parameter that is ignored, or a group of settings, a cache or a batch that forgets one of its
inputs, gives two settings the same result, or a setting another one than its own fit.
"""

import dataclasses

import numpy as np
import pytest

from cdmer_bench.methods import DRFST, DRLS, GFK, IWSVM, RSTR, SA, STM, SVM, TCA, TGSR, TKL, TSRG
from cdmer_bench.solvers.kernels import squared_distances

METHODS = {
    kind.__name__: kind
    for kind in (SVM, IWSVM, TCA, GFK, SA, STM, TKL, TSRG, DRFST, DRLS, RSTR, TGSR)
}
SOLVERS = ("paper", "exact")
# Two legal values of every parameter, and what the others must be for these to differ.
VALUES = {
    "SVM": {"C": (1.0, 0.01)},
    "IWSVM": {
        "lam": (0.1, 10.0),
        "sigma": ("loocv", 0.5, "median"),
        "centres": ("all", 7, 12),
        "normalise": ("none", "mean"),
        "seed": (0, 1),
        "C": (1.0, 0.01),
    },
    "TCA": {"k": (3, 7), "mu": (1.0, 100.0), "scaling": ("unit", "constraint", "variance"),
            "C": (1.0, 1e-5)},
    "GFK": {"k": (3, 7), "C": (1.0, 0.001)},
    "SA": {"k": (3, 17), "limit": ("each", "common"), "C": (1.0, 0.001)},
    "TKL": {"zeta": (0.5, 3.0), "kernel": ("linear", "rbf"), "omitted": (2, 9), "most": (3, 8),
            "C": (1.0, 0.01)},
    "STM": {"lam": (0.01, 10.0), "C": (1.0, 100.0), "solver": SOLVERS,
            "qp": ("interior-point", "active-set"), "max_alternations": (1, 1000)},
    "TSRG": {"lam": (0.1, 100.0), "mu": (0.05, 2.0), "C": (1.0, 0.01), "solver": SOLVERS},
    "DRFST": {"lam": (0.1, 100.0), "mu": (0.05, 2.0), "C": (1.0, 0.01), "solver": SOLVERS},
    "DRLS": {"lam": (0.1, 100.0), "mu": (0.05, 2.0), "solver": SOLVERS},
    "RSTR": {"lam": (0.1, 100.0), "mu": (0.1, 1.0), "tau": (0.01, 0.1),
             "l1": ("ratio", "absolute"), "outer_steps": (1, 3), "solver": SOLVERS,
             "groups": ("blocks", "authors_chunks"), "scale": ("raw", "block_l2", "zscore")},
    "TGSR": {"k": (1, 3), "lam": (0.01, 100.0), "groups": ("authors_chunks", "blocks")},
}  # fmt: skip
OTHERS = {
    ("IWSVM", "lam"): {"sigma": 3.0, "C": 1e-3},
    ("IWSVM", "sigma"): {"C": 1e-3},
    ("IWSVM", "centres"): {"sigma": 3.0, "C": 1e-3},
    ("IWSVM", "normalise"): {"sigma": 3.0, "C": 1e-3},
    ("IWSVM", "seed"): {"centres": 7, "sigma": 3.0, "C": 1e-3},
    ("TKL", "most"): {"omitted": 2},
}
# What holds for a whole task and may not vary in a grid.
OF_A_TASK = {("RSTR", "groups"), ("RSTR", "scale"), ("TGSR", "groups")}
CASES = [(name, field) for name, fields in VALUES.items() for field in fields]


def draw_task():
    """21 source and 16 target samples of 5 blocks, 3 planes and 2 bins, in 3 classes."""
    rng = np.random.default_rng(2)
    ys, yt = np.arange(21) % 3, np.arange(16) % 3
    means = rng.gamma(2.0, size=(3, 5, 6))
    Xs = means[ys] + 0.7 * rng.normal(size=(21, 5, 6))
    Xt = 1.3 * means[yt] + 0.7 * rng.normal(size=(16, 5, 6)) + rng.normal(size=(5, 6)) / 2
    return Xs, ys, Xt


def scores_of_grid(method, task, grid):
    Xs, ys, Xt = (X if X.ndim < 3 or method.needs_blocks else X.reshape(len(X), -1) for X in task)
    settings = method.settings(grid, (len(Xs), len(Xt), 30))
    prepared = method.prepare(Xs, ys, Xt, Xt)
    found = [None] * len(settings)
    for batch in method.batches(settings):
        result = method.solve(prepared, [settings[i] for i in batch])
        for i, scores in zip(batch, result.scores, strict=True):
            found[i] = scores
    return settings, np.array(found)


def test_every_parameter_has_its_values_here():
    for name, kind in METHODS.items():
        fields = {field.name for field in dataclasses.fields(kind)}
        # Where a method computes and keeps things changes no result; other tests compare these.
        assert set(VALUES[name]) == fields - set(kind.outside)


@pytest.mark.parametrize(("name", "field"), CASES, ids=[".".join(case) for case in CASES])
def test_a_parameter_counts_in_a_grid_as_on_the_object(name, field):
    kind, task, values = METHODS[name], draw_task(), VALUES[name][field]
    others = OTHERS.get((name, field), {})
    fits = []
    for value in values:
        method = kind(**{**others, field: value})
        method.fit(*task)
        fits.append(method.result_.scores[0])
    for first in range(len(fits)):
        for second in fits[first + 1 :]:
            assert not np.array_equal(fits[first], second), f"{field} changes nothing"
    if (name, field) in OF_A_TASK:
        return
    _, scores = scores_of_grid(kind(**others), task, [{field: value} for value in values])
    # Products of TGSR with other settings beside them round otherwise.
    np.testing.assert_allclose(scores, fits, rtol=0, atol=1e-9 if name == "TGSR" else 0)
    labels = kind(**others).predict_grid(*task, [{field: value} for value in values])[1]
    np.testing.assert_array_equal(labels, scores.argmax(axis=2))


def test_the_limit_of_sa_decides_how_far_k_runs():
    assert len(SA(limit="each").settings(None, (21, 16, 30))) == 20
    assert len(SA(limit="common").settings(None, (21, 16, 30))) == 15


@pytest.mark.parametrize("name", METHODS)
def test_all_parameters_mixed_in_one_grid_give_what_each_gives_alone(name):
    """Settings that differ in several parameters meet in one batch, in both orders."""
    kind, task = METHODS[name], draw_task()
    varied = [field for field in VALUES[name] if (name, field) not in OF_A_TASK]
    settings = [
        {f: VALUES[name][f][i % len(VALUES[name][f])] for i, f in zip(steps, varied, strict=True)}
        for steps in np.random.default_rng(0).integers(0, 6, size=(6, len(varied)))
    ]
    settings = [s for s in settings if s.get("limit") != "common" or s["k"] < 15]
    _, scores = scores_of_grid(kind(), task, settings)
    for setting, found in zip(settings, scores, strict=True):
        # The walk past several mu of the exact solver rounds otherwise than that to one of them.
        exact = name in ("TSRG", "DRFST") and setting["solver"] == "exact"
        tolerance = 1e-9 if exact or name == "TGSR" else 0
        alone = kind(**setting).fit(*task).result_.scores[0]
        np.testing.assert_allclose(found, alone, rtol=0, atol=tolerance)
    _, backwards = scores_of_grid(kind(), task, settings[::-1])
    np.testing.assert_allclose(backwards[::-1], scores, rtol=0, atol=1e-9)


def test_the_gaussian_of_tkl_is_as_wide_as_the_mean_squared_distance():
    Xs, ys, Xt = (X.reshape(len(X), -1) if X.ndim == 3 else X for X in draw_task())
    X = np.concatenate([Xs, Xt])
    squares = squared_distances(X, X)
    gaussian = np.exp(-squares / squares.mean())
    method = TKL(kernel="rbf", zeta=2.0)
    K = method.adapted_kernel(method.prepare(Xs, ys, Xt, Xt), {"omitted": 0})
    # With every eigenvector the target's own block keeps its eigenvectors.
    vectors = np.linalg.eigh(gaussian[21:, 21:] + 1e-6 * np.eye(16))[1]
    turned = vectors.T @ K[21:, 21:] @ vectors
    np.testing.assert_allclose(turned, np.diag(np.diag(turned)), atol=1e-9 * np.abs(K).max())
