"""The record of a cell, the folder of records, and the table of their scores."""

from typing import Any

__all__ = ["load_predictions", "load_scores"]


def __getattr__(name: str) -> Any:
    # Late, so that a command without scores does not wait for them.
    if name in __all__:
        from cdmer_bench.results import scores

        return getattr(scores, name)
    raise AttributeError(f"module 'cdmer_bench.results' has no attribute {name!r}")
