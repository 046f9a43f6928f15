"""Damaged results.

A clean result or a UserError, never anything else. The fast suite draws a few hundred inputs, the
slow one (``-m slow``) more than ten thousand.
"""

import contextlib
import shutil
import warnings

from hypothesis import strategies as st

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.selection import NotRecorded, rule
from cdmer_bench.io import pack_arrays
from cdmer_bench.reporting import render_all, tables_for
from cdmer_bench.reporting.html_report import build_report
from cdmer_bench.results.store import ResultsStore, seal, unseal
from tests.fuzz import drawing
from tests.fuzz.drawing import both, damaged
from tests.results.test_store import make_record


def stored_record() -> tuple[bytes, bytes]:
    record = make_record()
    return seal(record.content()), pack_arrays(record.arrays())


RECORD, GRID = stored_record()


@st.composite
def stored_cells(draw):
    """The two files of a cell, damaged."""
    return draw(damaged(RECORD)), draw(damaged(GRID))


def check_stored_cell(drawn):
    """A damaged cell is set aside; one that is taken up serves tables, rules and the report."""
    folder = drawing.FOLDER / "results"
    shutil.rmtree(folder, ignore_errors=True)
    store, record = ResultsStore(folder), make_record()
    store.save(record)
    cell = store.folder_of(record)
    for name, data in zip(("record.json", "grid.npz"), drawn, strict=True):
        (cell / name).write_bytes(data)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            found = store.records()
        except UserError:  # of a newer version
            assert isinstance(unseal(drawn[0])["format"], int)
            return
    if not found:
        assert len(warned) == 1
        return
    assert not warned
    for name in ("oracle", "entropy"):
        chosen = rule(name)
        with contextlib.suppress(UserError, NotRecorded):
            for format in ("text", "csv", "tex", "html"):
                assert render_all(tables_for(found, chosen), format)
    with contextlib.suppress(UserError):
        assert build_report(found)


test_damaged_cells, test_more_damaged_cells = both(stored_cells(), check_stored_cell)
