"""Scores, rules that select a setting, and statistics, all computed from stored predictions."""

from cdmer_bench.evaluation.metrics import accuracy, confusion_matrices, grid_scores, mean_f1

__all__ = ["accuracy", "confusion_matrices", "grid_scores", "mean_f1"]
