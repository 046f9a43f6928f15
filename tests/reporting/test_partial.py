"""Seven of the paper's twelve tasks and a cell that really failed: everything says so."""

import html
import re
from pathlib import Path

import numpy as np
import pytest

from cdmer_bench.cli.stored import choose_results
from cdmer_bench.evaluation.selection import rule
from tests.reporting.pictures import flat
from tests.small_corpus import draw_features

FLAKY = """\
from dataclasses import dataclass
import numpy as np
from cdmer_bench.methods import Method, BatchResult

@dataclass
class Flaky(Method):
    power: float = 2.0

    def prepare(self, Xs, ys, Xt, Xq):
        if len(Xs) == 21 and len(Xt) == 27:
            raise np.linalg.LinAlgError("singular <matrix>")
        return {"distances": np.stack([np.abs(Xq - Xs[ys == c].mean(0)) for c in range(3)], 1)}

    def solve(self, prepared, settings):
        scores = [-(prepared["distances"] ** s["power"]).sum(-1) for s in settings]
        return BatchResult.closed_form(np.argmax(scores, -1), np.array(scores))
"""
SIZES = {"casme2": 27, "smic_hs": 21, "smic_vis": 15, "smic_nir": 18}
TASKS = ("exp01", "exp02", "exp03", "exp04", "exp05", "exp06", "exp08")


@pytest.fixture
def results(corpus, cdmer):
    """Run four methods on seven tasks; the last raises on Exp.8, HS to CASME II."""
    conf = corpus.folder / "my_conf"
    corpus.add_method("flaky", FLAKY, "{power: [1, 2, 3]}")
    entry = (
        "  {0}: {{title: {0}, letter: {1}, classes: [negative, positive, surprise], "
        "files: {{lbp_top_r3p8: {0}.npz}}, first_label: 0}}\n"
    )
    small = conf / "corpus" / "small.yaml"
    head = small.read_text().split("databases:\n")[0]
    letters = {"casme2": "C", "smic_hs": "H", "smic_vis": "V", "smic_nir": "N"}
    small.write_text(head + "databases:\n" + "".join(entry.format(*x) for x in letters.items()))
    for seed, (name, n) in enumerate(SIZES.items()):
        corpus.write(name, *draw_features(seed, n))
    arguments = corpus.arguments(
        "method=svm,tca,sa,flaky", f"task={','.join(TASKS)}", "backend=sequential"
    )
    arguments[arguments.index("descriptor=given")] = "descriptor=lbp_top_r3p8"
    code, _, err = cdmer("run", *arguments)
    assert code != 0
    assert "1 failed" in err
    return str(corpus.folder / "results")


def check_averages(table, records):
    """Compare the averages over the tasks that are there with those of the predictions."""
    for label in ("Baseline", "TCA", "SA"):
        best = []
        for r in (r for r in records if r.method_label == label):
            f1 = [
                [2 * np.sum((r.y_target == c) & (p == c)) for c in range(3)]
                / np.array([np.sum(r.y_target == c) + np.sum(p == c) for c in range(3)])
                for p in r.predictions
            ]
            best.append(np.mean(f1, axis=1).max())
        assert len(best) == 7
        (shown,) = re.findall(rf"^{label} +(\d\.\d{{4}})", table, re.MULTILINE)
        assert shown == f"{np.mean(best):.4f}"


def test_tables_statistics_report_and_pictures_say_what_is_missing(results, cdmer):
    _, text, _ = cdmer("tables", "4", "--results", results)
    flat = " ".join(text.split())
    assert "Flaky (Exp.8): failed: LinAlgError: singular <matrix>." in flat
    assert "Exp.7, Exp.9 to Exp.12" in flat
    assert re.search(r"^Baseline .*\(1 of 6\)$", text, re.MULTILINE)
    assert not re.search(r"^Average", text, re.MULTILINE)
    _, text, _ = cdmer("tables", "4", "--results", results, "--format", "csv")
    assert "Average" not in text
    assert len(re.findall(r"Exp\.8,[01]\.\d{4},", text)) == 3

    _, text, _ = cdmer("stats", "--results", results)
    assert "Tasks: 7 of 12 tasks. No result: Flaky (Exp.8)." in text
    assert "Over 7 of 12 tasks: average rank" in text
    assert "Left out, because they lack some of the 7 tasks: Flaky." in text
    table = text[text.index("Over 7 of 12") :]
    assert not re.search("^Flaky", table, re.MULTILINE)
    check_averages(table, choose_results(results, None)[0])

    assert cdmer("report", "--results", results)[0] == 0
    page = Path(results, "report.html").read_text(encoding="utf-8")
    first = html.unescape(page[page.index('<section id="answer">') : page.index('id="tables"')])
    lacking = "7 of the paper's 12 tasks. No result: Flaky (Exp.8). 1 failed."
    assert f"<b>Not complete:</b> {lacking}" in first
    assert "Exp.1 to Exp.6, Exp.8 (7 of the paper's 12)" in first
    assert "Not compared, because tasks are missing: Flaky." in first
    (row,) = re.findall(r'<tr data-row="Flaky">.*?</tr>', first, re.DOTALL)
    assert "(6 of 7)" in row
    rows = re.findall(r'<th scope="row">Flaky</th>(.*?)</tr>', page, re.DOTALL)
    assert any(">6 of 7</td>" in row for row in rows)
    assert "failed: LinAlgError: singular &lt;matrix&gt;" in page
    assert "<figcaption>Methods over 7 of 12 tasks</figcaption>" in page


def test_every_picture_says_what_it_is_over(results):
    pytest.importorskip("matplotlib")
    from cdmer_bench.reporting import tables_for
    from cdmer_bench.reporting.analysis import compare_cells, compare_methods
    from cdmer_bench.reporting.plot_cells import confusion_picture
    from cdmer_bench.reporting.plot_scores import (
        budget_picture,
        rank_picture,
        score_map,
        time_picture,
    )
    from cdmer_bench.reporting.plot_style import style

    records, oracle = choose_results(results, None)[0], rule("oracle")
    with style():
        for draw in (budget_picture, time_picture):
            shown = flat(draw(records))
            assert "7 of 12 tasks" in shown
            assert "Flaky, 6 of 7 tasks" in shown or "Flaky (3), 6 of 7 tasks" in shown
            assert "No result: Flaky (Exp.8)." in shown
        confusion = flat(confusion_picture(records))
        assert "No result: Flaky (Exp.8)." in confusion
        assert confusion.count("no result") == 1
        ranks = flat(rank_picture(compare_methods(compare_cells(records, oracle))))
        assert "over 7 of 12 tasks" in ranks
        assert "lack some of the 7 tasks: Flaky." in ranks
        scores = flat(score_map(*tables_for(records, oracle)))
        # Table III is whole; of Table IV three methods have one of six tasks.
        assert "Hatched: no figure (15 of 42 cells): not run." in scores
