"""`cdmer list`: everything in short, tables with headings that fit, a corpus of one's own."""

import pytest

from cdmer_bench.cli.list import LISTED


@pytest.mark.parametrize("what", [(), *((word,) for word in LISTED)])
def test_every_list_fits_a_hundred_columns(what, cdmer, tmp_path):
    code, out, err = cdmer("list", *what, "--results", str(tmp_path))
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 100


def test_without_a_word_everything_is_listed_in_short(cdmer):
    _, out, _ = cdmer("list")
    for name in ("rstr", "lbp_top_r3p8", "corpus=", "oracle", "table7", "exp12", *LISTED):
        assert name in out
    assert len(out.splitlines()) < 20


def test_tables_have_headings(cdmer):
    for what, heading in (("methods", "in tables"), ("tasks", "source → target")):
        _, out, _ = cdmer("list", what)
        assert heading in out.splitlines()[0]


def test_the_databases_and_tasks_of_a_corpus_of_ones_own(corpus, cdmer):
    where = ("corpus=small", "--config-dir", str(corpus.folder / "my_conf"))
    code, out, _ = cdmer("list", "databases", *where)
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [
        ["red", "Red"],
        ["green", "Green"],
        ["blue", "Blue"],
    ]
    assert "low, mid, high" in out
    _, out, _ = cdmer("list", "tasks", *where)
    assert out.splitlines()[1].split() == ["red/green", "R", "→", "G", "red", "→", "green"]
    assert len(out.splitlines()) == 7


def test_pairs_of_the_papers_databases_have_its_names(cdmer):
    _, out, _ = cdmer("list", "tasks", "corpus=released")
    assert "exp07  Exp.7      casme2 → smic_hs" in out


def test_all_tasks_of_a_corpus_of_ones_own_are_its_pairs(corpus, cdmer):
    code, out, _ = cdmer("run", *corpus.arguments("method=svm", "task=all", "dry_run=true"))
    assert code == 0
    assert "6 cells" in out
    assert "R → G" in out
    assert "B → G" in out
