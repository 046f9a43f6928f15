"""Small cell records for tests, made from counts rather than from runs."""

import numpy as np

from cdmer_bench.results.record import CellRecord

COUNTS = {
    "smic_hs": (70, 51, 43),
    "smic_vis": (23, 28, 20),
    "smic_nir": (23, 28, 20),
    "casme2": (73, 32, 25),
}
PAIRS = ("hv", "vh", "hn", "nh", "vn", "nv", "ch", "hc", "cv", "vc", "cn", "nc")
NAMES = {"h": "smic_hs", "v": "smic_vis", "n": "smic_nir", "c": "casme2"}


def labels(database):
    return np.repeat([0, 1, 2], COUNTS[database]).astype(np.uint8)


def record(task=5, method="tca", label="TCA", predictions=None, **changes):
    """Make the record of a task of the paper; by default three settings, the second the best."""
    source, target = (NAMES[letter] for letter in PAIRS[task - 1])
    y_target = labels(target)
    if predictions is None:
        rng = np.random.default_rng(task * 1000 + sum(map(ord, method)))
        predictions = np.where(
            rng.random((3, len(y_target))) < np.array([[0.5], [0.8], [0.6]]), y_target, 0
        )
    predictions = np.asarray(predictions, dtype=np.uint8)
    n_settings = len(predictions)
    values = {
        "key": f"{task}-{method}",
        "task": f"exp{task:02d}",
        "task_label": f"Exp.{task}",
        "source": source,
        "target": target,
        "method": method,
        "method_label": label,
        "descriptor": "lbp_top_r3p8",
        "descriptor_label": "LBP-TOP(R3P8)",
        "corpus": "released",
        "synthetic": False,
        "grid": "paper",
        "solver": "",
        "classes": ("negative", "positive", "surprise"),
        "parameters": {"k": 2, "mu": 1.0},
        "settings": [{"k": i + 1} for i in range(n_settings)],
        "predictions": predictions,
        "y_target": y_target,
        "y_source": labels(source),
        "subject_target": None,
        "scores": None,
        "converged": np.ones(n_settings, bool),
        "iterations": np.zeros(n_settings, int),
        "about": {"seconds": 1.5, "date": "2026-01-01T00:00:00+00:00", "command": "cdmer run"},
    }
    return CellRecord(**{**values, **changes})
