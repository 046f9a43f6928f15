import numpy as np
import pytest

from cdmer_bench.cli import plot
from cdmer_bench.errors import UserError
from cdmer_bench.results.store import ResultsStore
from tests.reporting.records import labels, record

pytest.importorskip("matplotlib")


@pytest.fixture
def results(tmp_path):
    store = ResultsStore(tmp_path / "results")
    y = labels("smic_nir")
    for task in (5, 11):
        for method, wrong in (("svm", 30), ("tca", 20), ("gfk", 10)):
            predicted = np.r_[(y[:wrong] + 1) % 3, y[wrong:]]
            key = f"{task:02d}{wrong}".ljust(64, "0")
            store.save(record(task, method, method.upper(), [predicted], key=key))
    return str(tmp_path / "results")


def test_ranks_are_drawn_of_methods_that_share_tasks(results, tmp_path):
    out = tmp_path / "ranks.png"
    assert plot.main(["ranks", "--results", results, "--out", str(out)]) == 0
    assert out.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_ranks_of_one_method_are_refused(results):
    with pytest.raises(UserError, match=r"1 methods on 2 tasks .* at least three methods"):
        plot.main(["ranks", "method=tca", "--results", results])
