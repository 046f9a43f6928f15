"""LaTeX that compiles and CSV that loads, as they are."""

import io
import re
import shutil
import subprocess

import numpy as np
import pytest

from cdmer_bench.reporting import build_table, render_all
from cdmer_bench.reporting.formats import to_latex
from cdmer_bench.reporting.published import LAYOUTS
from tests.reporting.records import record

HOSTILE = r"50%_of{it} & $\alpha$ #1~^ <b> λ → µ é"
PAGE = (
    "\\documentclass{article}\n\\usepackage{booktabs,threeparttable}\n"
    "\\begin{document}\n%s\\end{document}\n"
)


def all_tables():
    """Return Tables III to VII, with gaps, several rules and a label of the user's own."""
    records = []
    for task in (1, 2, 3, 8, 9):
        records += [record(task, "svm", "Baseline"), record(task), record(task, "x", HOSTILE)]
        for label in ("HOG-TOP(p=8)", "C3D-FC1 (Finetune)"):
            records.append(record(task, "svm", "Baseline", descriptor_label=label, key=label))
    rules = ["oracle", "entropy"]
    return [build_table(number, records, rules, against_paper=True) for number in LAYOUTS]


def test_latex_of_all_tables_compiles(tmp_path):
    text = render_all(all_tables(), "tex")
    assert len(re.findall(r"\\begin\{table\*\}", text)) == 5
    # Without a compiler the structure must do: what is opened is closed, in order.
    open_ = []
    for kind, name in re.findall(r"\\(begin|end)\{([a-z*]+)\}", text):
        open_.append(name) if kind == "begin" else None
        assert kind == "begin" or open_.pop() == name
    assert open_ == []
    compiler = shutil.which("pdflatex")
    if compiler is None:
        pytest.skip("parsed; compiling needs pdflatex")
    (tmp_path / "tables.tex").write_text(PAGE % text, encoding="utf-8")
    done = subprocess.run(
        [compiler, "-interaction=nonstopmode", "-halt-on-error", "tables.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "tables.pdf").read_bytes().startswith(b"%PDF")


def test_tables_fit_the_width_of_a_two_column_page(tmp_path):
    compiler = shutil.which("pdflatex")
    if compiler is None:
        pytest.skip("needs pdflatex")
    records = [record(task, "iw_svm", "IW-SVM") for task in range(1, 7)]
    for task in range(1, 7):
        constant = np.zeros((1, len(record(task).y_target)))
        records.append(record(task, "svm", "Baseline", predictions=constant))
    long = [record(t, "x", "A nearest mean that shrinks to the grand mean") for t in range(1, 7)]
    tables = [
        build_table("III", records, against_paper=True),
        build_table("III", [*records, *long], whole=False),
        build_table("III", records, ["oracle", "class_balance"], whole=False),
    ]
    # The best of a column is bold and wider than the others: here one row is all of them.
    assert all(cell.best_f1 and cell.best_accuracy for cell in tables[0].rows[1].cells)
    text = render_all(tables, "tex")
    page = PAGE.replace("\\begin", "\\setlength{\\textwidth}{516pt}\\begin", 1)  # as IEEEtran has
    (tmp_path / "wide.tex").write_text(page % text, encoding="utf-8")
    done = subprocess.run(
        [compiler, "-interaction=nonstopmode", "wide.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
        check=True,
    )
    assert "Overfull" not in done.stdout
    assert "Underfull" not in done.stdout
    assert done.stdout.count("Output written") == 1


def test_csv_loads_with_pandas_as_it_is():
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(io.StringIO(render_all(all_tables(), "csv")))
    numbers = ["mean_f1", "accuracy", "n_settings", "paper_mean_f1", "paper_accuracy"]
    numbers += ["difference_mean_f1", "difference_samples"]
    assert all(pandas.api.types.is_numeric_dtype(frame[name]) for name in numbers)
    run = frame[frame["mean_f1"].notna()]
    assert run["mean_f1"].between(0, 1).all()
    assert frame[frame["mean_f1"].isna()]["reason"].notna().all()
    assert HOSTILE in set(frame["row"])
    single = frame[frame["n_settings"].notna()]
    assert (single["n_settings"] == 3).all()
    # An average of a row of the paper is that of its cells; each cell stands once.
    assert not frame.duplicated(["table", "row", "column", "selection"]).any()
    paper = frame.dropna(subset=["paper_mean_f1"])
    apart = (paper["mean_f1"] - paper["paper_mean_f1"]).round(4)
    assert np.allclose(apart, paper["difference_mean_f1"], atol=1e-9)


def test_greek_is_mathematics_and_other_scripts_are_told_of():
    made = [record(1, "x", "σ-mean"), record(1, "y", "среднее ο")]
    text = to_latex(build_table("III", made, whole=False))
    assert r"$\sigma$-mean" in text
    assert text.startswith("% Needs LuaLaTeX or XeLaTeX, and a font that has среднο\n\\begin")
    assert to_latex(build_table("III", made[:1], whole=False)).startswith("\\begin")
