"""Figures of random weights stay out of every table of the paper's layout."""

from dataclasses import dataclass

import pytest

from cdmer_bench.reporting.published import LAYOUTS
from cdmer_bench.reporting.tables import _places, row_of

MARKED = "C3D-FC1 (Sports1M) [random weights]"


@dataclass
class Found:
    descriptor_label: str
    method_label: str = "Baseline"
    task_label: str = "Exp.1"


@pytest.mark.parametrize("number", list(LAYOUTS))
def test_marked_row_has_no_place(number):
    assert row_of(Found(MARKED), LAYOUTS[number], MARKED) is None
    if LAYOUTS[number].compares == "descriptors":
        unmarked = MARKED.removesuffix(" [random weights]")
        assert row_of(Found(unmarked), LAYOUTS[number], unmarked) == unmarked


@pytest.mark.parametrize("method", ["Baseline", "TCA"])
def test_marked_rows_make_no_table(method):
    assert _places([Found(MARKED, method)]) == []
    assert _places([Found(MARKED.removesuffix(" [random weights]"), method)]) != []
