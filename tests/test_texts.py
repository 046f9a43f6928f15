"""Texts of files that others wrote: no command of a terminal, no formula of a spreadsheet."""

import pytest

from cdmer_bench.results.store import ResultsStore
from cdmer_bench.texts import one_line, visible, visible_content
from tests.results.test_store import make_failure, make_record

# Sets a terminal's title, clears its screen, reads backwards, and cannot be encoded.
HOSTILE = "a\x1b]0;owned\x07b\x1b[2J\u202ec\x9b31m\ud800d"
CONTROLS = "\x1b\x07\x9b\u202e\ud800"


def test_control_characters_are_dropped_and_others_kept():
    assert visible(HOSTILE) == "a]0;ownedb[2Jc31md"
    assert visible("R → λ\n\tü\u00a0é 表情") == "R → λ\n\tü\u00a0é 表情"
    assert one_line(" a\n b\x1b ") == "a b"
    content = {HOSTILE: [HOSTILE, 1, None, {"x": HOSTILE}]}
    said = visible(HOSTILE)
    assert visible_content(content) == {said: [said, 1, None, {"x": said}]}


@pytest.fixture
def hostile(tmp_path):
    store = ResultsStore(tmp_path / "results")
    changes = dict.fromkeys(
        ("method_label", "descriptor_label", "corpus", "task_label", "source", "target"), HOSTILE
    )
    about = dict.fromkeys(("date", "command", "host"), HOSTILE)
    record = make_record(
        classes=(HOSTILE, "b", "c"), notes={0: HOSTILE}, settings=[{HOSTILE: HOSTILE}] * 4,
        about=about, **changes,
    )  # fmt: skip
    store.save(record)
    failure = {**make_failure(HOSTILE), "corpus": HOSTILE, "task_label": HOSTILE}
    store.save_failure("cd" * 32, failure)
    return store.folder


@pytest.mark.parametrize(
    "command",
    [
        *(("tables", "--format", kind) for kind in ("text", "md", "csv", "tex", "html")),
        ("tables", "--corpus", "no"),
        ("list", "runs"),
        ("stats",),
        ("plot", "confusion", "--out", "OUT/a.svg"),
        ("report", "--out", "OUT/report.html"),
    ],
    ids=" ".join,
)
def test_no_control_character_of_a_results_folder_is_printed(hostile, tmp_path, cdmer, command):
    words = [word.replace("OUT", str(tmp_path)) for word in command]
    code, out, err = cdmer(*words, "--results", str(hostile))
    assert code in (0, 2), err
    assert out + err
    assert not set(CONTROLS) & set(out + err)
    for path in tmp_path.glob("*.*"):
        assert not set(CONTROLS) & set(path.read_text())


def test_no_control_character_of_a_message_is_printed(tmp_path, cdmer):
    code, _, err = cdmer("tables", "--results", str(tmp_path / HOSTILE[:-2]))
    assert code == 2
    assert "owned" in err
    assert not set(CONTROLS) & set(err)


def test_labels_are_no_formulas_to_a_spreadsheet(tmp_path, cdmer):
    formula = '=cmd|"/c calc"!A1'
    record = make_record(method_label=formula, corpus="@SUM(1)", task="a/b", task_label="-2+3")
    ResultsStore(tmp_path).save(record)
    code, out, _ = cdmer("tables", "--results", str(tmp_path), "--format", "csv")
    assert code == 0
    lines = [line.split(",") for line in out.splitlines()[1:]]
    assert len(lines) == 2
    for line in lines:
        assert line[1].lstrip('"').startswith("'=cmd")
        assert line[2] in ("'-2+3", "Average")
        assert line[-1] == "'@SUM(1)"
        assert float(line[3]) >= 0
