"""Each format of a table: LaTeX that compiles, CSV that loads, text that fits, labels escaped."""

import io
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from cdmer_bench.reporting import MissingCell, build_table, render, render_all
from cdmer_bench.reporting.formats import to_latex
from cdmer_bench.reporting.published import LAYOUTS, later_paper
from tests.reporting.figures import BOTH, TYPE_I, lines, scores
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


def test_csv_is_the_long_form():
    records = [record(t) for t in TYPE_I]
    found = lines(render(build_table("III", records, whole=False), "csv"))
    assert list(found[0])[:8] == [
        "table",
        "row",
        "column",
        "mean_f1",
        "accuracy",
        "selection",
        "n_settings",
        "corpus",
    ]
    assert len(found) == 7
    first = scores(records[0].y_target, records[0].predictions[1])
    assert {name: found[0][name] for name in list(found[0])[:-1]} == {
        "table": "III",
        "row": "TCA",
        "column": "Exp.1",
        "mean_f1": f"{first[0]:.4f}",
        "accuracy": f"{first[1]:.2f}",
        "selection": "oracle",
        "n_settings": "3",
        "corpus": "released",
        "task": "exp01",
        "source": "smic_hs",
        "target": "smic_vis",
        "method": "tca",
        "descriptor": "lbp_top_r3p8",
        "setting": "k = 2",
        "reason": "",
    }


def test_the_long_form_has_a_line_for_a_cell_without_a_figure():
    missing = [MissingCell("Exp.3", "TCA", "LBP-TOP(R3P8)", "failed: singular matrix")]
    made = [record(1), record(2, scores=None)]
    table = build_table("III", made, ["oracle", "entropy"], missing=missing, whole=False)
    found = {(x["column"], x["selection"]): x for x in lines(render(table, "csv"))}
    assert len(found) == 12
    failed = found["Exp.3", "oracle"]
    assert (failed["mean_f1"], failed["accuracy"], failed["n_settings"]) == ("", "", "")
    assert failed["reason"] == "failed: singular matrix"
    assert found["Exp.1", "entropy"]["reason"] == "entropy needs scores, not recorded"
    assert found["Exp.4", "oracle"]["reason"] == "not run"
    assert (found["Exp.4", "oracle"]["task"], found["Exp.4", "oracle"]["target"]) == (
        "exp04",
        "smic_hs",
    )
    # The same as JSON, with numbers and nulls.
    (first, *_), listed = json.loads(render(table, "json")), json.loads(render(table, "json"))
    assert list(first) == list(failed)
    assert len(listed) == 12
    assert f"{first['mean_f1']:.4f}" == found["Exp.1", "oracle"]["mean_f1"]
    assert {x["mean_f1"] for x in listed if x["selection"] == "entropy"} == {None}


def test_text_fits_the_terminal():
    records = [record(t) for t in TYPE_I]
    for width, against in ((100, False), (120, True)):
        text = render(build_table("III", records, against_paper=against), width=width)
        assert max(map(len, text.splitlines())) <= width
    table = build_table("III", records, whole=False)
    assert " / " in render(table, width=140).splitlines()[-2]
    assert " / " not in render(table, width=100).splitlines()[-2]


def test_text_of_a_hostile_label_stays_in_its_line():
    made = record(5, "x", "two\nlines \033[31m")
    body = render(build_table("III", [made], whole=False)).split("---\n")[-2]
    assert body.count("\n") == 1
    assert "\033" not in body


def test_html_and_markdown_escape_labels():
    made = record(5, "x", "<script>|&")
    table = build_table("III", [made], whole=False)
    assert "<script>" not in render(table, "html")
    assert "&lt;script&gt;|&amp;" in render(table, "html")
    assert "&lt;script&gt;\\|&amp;" in render(table, "md")


def test_a_page_says_what_its_figures_are():
    page = render(build_table("III", [record(5)]), "html")
    assert 'In each cell: mean F1, then <span class="second">accuracy (%)</span>' in page


def test_latex_is_balanced_and_has_as_many_cells_in_every_row():
    records = [record(t, "x", r"50%_of{it} & $\alpha$ #1~^|<") for t in TYPE_I]
    table = build_table("III", [*records, record(1)], against_paper=True)
    text = render(table, "tex")
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    rows = [r for r in body.splitlines() if r.endswith(r"\\")]
    # Of the eleven methods that the paper has only TCA was run, with the paper's figures below it;
    # a method without any figure is in the notes alone.
    assert len(rows) == 4
    assert "DRFS-T" not in body
    assert "DRFS-T" in text[text.index(r"\begin{tablenotes}") : text.index(r"\end{tablenotes}")]
    caption = text[text.index(r"\caption") : text.index(r"\label")]
    assert all(note not in caption for note in ("Selection", "Settings tried", "Corpus"))
    assert {r.replace(r"\&", "").count("&") for r in rows} == {7}
    plain = text.replace(r"\{", "").replace(r"\}", "")
    assert plain.count("{") == plain.count("}")
    assert r"50\%\_of\{it\} \& \$\textbackslash{}alpha\$ \#1\textasciitilde{}" in text
    assert r"\textasciicircum{}\textbar{}\textless{}" in text


def test_a_row_says_its_rule_in_every_format_where_there_are_several():
    table = build_table("III", [record(5)], BOTH, whole=False)
    for format in ("text", "md", "tex", "html"):
        text = render(table, format).replace(r"\_", "_")
        assert "TCA (oracle)" in text
        assert "TCA (class_balance)" in text
        assert "(oracle)" not in render(build_table("III", [record(5)], whole=False), format)
    # A later paper's row beside one rule is no second rule.
    later = [later_paper("tgsr2022")]
    assert "(oracle)" not in render(build_table("III", [record(5)], whole=False, later=later))
    rows = render(build_table("III", [record(5)], BOTH, whole=False, later=later))
    assert "TGSR [tgsr2022] (" not in rows


def test_the_first_line_of_a_generated_table_says_so_in_every_format():
    made = record(5, corpus="synthetic", synthetic=True)
    table = build_table("III", [made], whole=False)
    for format in ("text", "md"):
        first = render(table, format).split("\n")[0].replace("\\", "")
        assert "Table III [SYNTHETIC DATA]: mean F1" in first
    caption = next(x for x in render(table, "tex").split("\n") if x.startswith(r"\caption"))
    assert caption.startswith(r"\caption{Synthetic data: mean F1")


def test_directions_stand_in_the_heads():
    table = build_table("III", [record(5)], whole=False, only_asked=True)
    assert "| Exp.5: V → N |" in render(table, "md")
    assert r"V $\rightarrow$ N" in render(table, "tex")
