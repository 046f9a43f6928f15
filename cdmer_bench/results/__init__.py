"""The record of a cell, the folder of records, and the table of their scores."""

from cdmer_bench.results.scores import load_predictions, load_scores

__all__ = ["load_predictions", "load_scores"]
