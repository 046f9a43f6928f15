"""Records for pictures in tests, and the text that a picture shows."""

import numpy as np

from cdmer_bench.evaluation.statistics import Interval
from cdmer_bench.reporting.analysis import CellComparison, compare_methods
from tests.reporting.records import labels, record


def grid(names, values):
    """Make a record whose settings are the product of the values, each with its own score."""
    settings = [dict(zip(names, v, strict=True)) for v in values]
    y = labels("smic_nir")
    rng = np.random.default_rng(0)
    right = rng.random((len(settings), len(y))) < rng.random((len(settings), 1))
    return record(5, predictions=np.where(right, y, 0), settings=settings)


def compared(names, scores):
    """Methods over tasks, from an array of their mean F1."""
    interval = Interval((0.0, 1.0), (0.0, 100.0), False)
    cells = [
        CellComparison(f"task {i}", name, float(score), 50.0, interval)
        for i, line in enumerate(scores)
        for name, score in zip(names, line, strict=True)
    ]
    return compare_methods(cells)


def texts(figure):
    from matplotlib.text import Text

    return [t.get_text() for t in figure.findobj(Text)]


def flat(figure):
    return " ".join(" ".join(texts(figure)).split())
