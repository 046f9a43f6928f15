"""Tables of tests, and reading their figures."""

import csv
import io

import numpy as np

TYPE_I = range(1, 7)

BOTH = ["oracle", "class_balance"]


def scores(y_true, prediction):
    """Mean F1 and accuracy by a plain reading of the paper's formula."""
    f1 = []
    for c in range(3):
        both = np.sum((y_true == c) & (prediction == c))
        total = np.sum(y_true == c) + np.sum(prediction == c)
        f1.append(2 * both / total if total else 0.0)
    return np.mean(f1), 100 * np.mean(y_true == prediction)


def cell(table, row, column):
    index = [label for label, _ in table.columns].index(column)
    return next(r for r in table.rows if r.name == row).cells[index]


def lines(text):
    return list(csv.DictReader(io.StringIO(text)))
