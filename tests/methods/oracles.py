"""Inputs and third-party results shared by the tests of the methods."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from cdmer_bench.methods.regeneration import design_matrix, pool
from cdmer_bench.solvers.ialm import ResponseIALM
from cdmer_bench.solvers.lasso_paths import certify
from cdmer_bench.solvers.lasso_sums import sum_lassos
from tests.released_features import load

DATA = Path(__file__).parents[1] / "data" / "methods"


@cache
def arrays(name: str) -> dict[str, np.ndarray]:
    """Return every array of ``tests/data/methods/<name>.npz``."""
    with np.load(DATA / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def case(letter: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Xs, ys, Xt of A (60 and 50 Gaussian samples, 20 features) or B (90 and 70, 320)."""
    cases = arrays("cases")
    return cases[f"{letter}_Xs"], cases[f"{letter}_ys"], cases[f"{letter}_Xt"]


def released_task(task: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return Xs, ys, Xt, yt of Exp.5 (``'VN'``, VIS to NIR) or Exp.6 (``'NV'``)."""
    source, target = (load({"V": "SMIC_VIS", "N": "SMIC_NIR"}[letter]) for letter in task)
    return *source, *target


def thinned(gram: np.ndarray) -> np.ndarray:
    """Return the rows and columns of a Gram matrix that the oracle files keep."""
    return gram[::9, ::4]


def macro_f1_and_accuracy(y: np.ndarray, predicted: np.ndarray) -> tuple[float, float]:
    """Return mean F1 (0 for a class never met) and accuracy in percent, rounded as printed."""
    f1 = []
    for label in np.unique(y):
        hits = np.sum((y == label) & (predicted == label))
        f1.append(2 * hits / (np.sum(y == label) + np.sum(predicted == label)))
    return round(float(np.mean(f1)), 4), round(100 * float(np.mean(y == predicted)), 2)


def best(y: np.ndarray, predictions: np.ndarray) -> tuple[float, float]:
    """Return the first best mean F1 over settings, with the accuracy of that setting."""
    scores = [macro_f1_and_accuracy(y, row) for row in predictions]
    return max(scores, key=lambda pair: pair[0])


def random_task(
    seed: int, n_source: int = 30, n_target: int = 25, n_features: int = 12, n_classes: int = 3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Xs, ys, Xt of Gaussian classes, with the target shifted and stretched."""
    rng = np.random.default_rng(seed)
    centres = 2 * rng.normal(size=(n_classes, n_features))
    ys = rng.permutation(np.arange(n_source) % n_classes)
    yt = np.arange(n_target) % n_classes
    Xs = centres[ys] + rng.normal(size=(n_source, n_features))
    Xt = 1.2 * centres[yt] + rng.normal(size=(n_target, n_features)) + 0.5
    return Xs, ys, Xt


def grid_predictions(method: Any, task: str) -> tuple[np.ndarray, np.ndarray]:
    """Return predictions over the paper's grid on a released task, and the target's labels."""
    Xs, ys, Xt, yt = released_task(task)
    return method.predict_grid(Xs, ys, Xt)[1], yt


def regeneration_coefficients(
    fixed: np.ndarray, moving: np.ndarray, lam: float, mu: float, solver: str = "paper"
) -> tuple[np.ndarray, float, float]:
    """Return P' (D x n) of one setting, its objective, and an upper bound of its relative excess.

    The fixed samples are the source's for TSRG, the target's for DRFS-T.
    """
    design = design_matrix(pool(fixed, moving, fixed)["kernel"], len(fixed), lam)
    responses = np.hstack([fixed.T, np.zeros((fixed.shape[1], 1))])  # [y; 0] of every feature
    if solver == "paper":
        correlations = np.ascontiguousarray(fixed.T @ design[:-1])
        coefficients = ResponseIALM(design).solve(correlations, mu).coefficients
    else:
        units = np.eye(len(responses))  # P times these is P
        coefficients = sum_lassos(design, responses, [mu], units).projected[0].T
    bound = certify(design, responses, coefficients, mu)
    objective = float(bound.objective.sum())
    return coefficients, objective, float(bound.gap.sum()) / objective
