"""What tests of the report and of pictures share: a page, and the style of pictures."""

import pytest

from cdmer_bench.reporting import MissingCell
from tests.reporting.pages import records


@pytest.fixture(scope="session")
def page():
    """The report on three methods and tasks, and on a cell that failed."""
    from cdmer_bench.reporting.html_report import build_report

    missing = [MissingCell("Exp.3", "TCA", "LBP-TOP(R3P8)", "failed: <i>singular</i>")]
    return build_report(records(), missing=missing)


@pytest.fixture
def shared_style():
    from cdmer_bench.reporting.plot_style import style

    with style():
        yield
