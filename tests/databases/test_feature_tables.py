"""Features in tables: which columns are features, and what is told of the others."""

import numpy as np
import pytest

from cdmer_bench.databases import FileFeatureDatabase
from cdmer_bench.databases.base import matched
from cdmer_bench.errors import UserError
from tests.databases.small_files import small


def test_csv_table(tmp_path):
    (tmp_path / "mine.csv").write_text("who,f1,f2,label\na,1,2,negative\nb,3,4,surprise\n")
    database = small(
        tmp_path, files={"mine": "mine.csv"}, features="f", labels="label", subjects="who"
    )
    loaded = database.load("mine")
    assert loaded.X.tolist() == [[1, 2], [3, 4]]
    assert loaded.y.tolist() == [0, 2]
    assert loaded.subject.tolist() == ["a", "b"]


def csv_database(tmp_path, text, **options):
    (tmp_path / "mine.csv").write_text(text)
    options = {"classes": ("a", "b"), "labels": "label", "files": {"d": "mine.csv"}, **options}
    return FileFeatureDatabase("db", root=str(tmp_path), **options)


HEAD = "Unnamed: 0,row,label,subject,code,fold,text,f1,f2\n"
ROWS = "".join(
    f"{i},{i + 1},{'ab'[i % 2]},s{i // 2},{i % 2 + 5},{i % 3},x{i},{i * i},{i}.5\n"
    for i in range(6)
)


def test_every_other_column_takes_no_index_no_labels_no_subjects(tmp_path):
    found = csv_database(tmp_path, HEAD + ROWS, features="*", subjects="subject").load("d")
    assert found.names == ("f1", "f2")
    assert found.X.tolist() == [[i * i, i + 0.5] for i in range(6)]
    (told,) = found.findings
    assert told.severity == "note"
    assert told.text.startswith("2 columns are features, 5 are not")
    for column in ("Unnamed: 0", "row", "code", "fold", "text"):
        assert repr(column) in told.text


def test_a_subject_column_that_was_not_named_is_no_feature(tmp_path):
    text = "label,subject_id,f1\n" + "".join(f"{'ab'[i % 2]},{i % 3},{i**3}\n" for i in range(6))
    assert csv_database(tmp_path, text, features="*").load("d").names == ("f1",)


def test_a_list_names_the_columns(tmp_path):
    found = csv_database(tmp_path, HEAD + ROWS, features=["f2", "row"]).load("d")
    assert found.names == ("f2", "row")
    assert found.X[:, 1].tolist() == [1, 2, 3, 4, 5, 6]
    with pytest.raises(UserError, match="has no column 'f9'"):
        csv_database(tmp_path, HEAD + ROWS, features=["f9"]).load("d")


def test_a_start_that_also_catches_bookkeeping_is_told(tmp_path):
    found = csv_database(tmp_path, HEAD + ROWS, features="f").load("d")
    assert found.names == ("fold", "f1", "f2")
    assert [f.severity for f in found.findings] == ["warning"]
    assert "'f' also takes the columns fold" in found.findings[0].text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,f1\na,1\nb,2,3\n", "not a readable CSV"),
        ("label,f1\na,1,2\nb,2,3\n", "not a readable CSV"),
        ("label,f1,f1\na,1,2\nb,2,3\n", "2 columns named 'f1'"),
        ("label,f1\na,1\nb,two\nb,3\n", r"column 'f1' is not numeric \('two' in line 3\)"),
        ("label,f1\na,1\nb,\n", "NaN or infinite values in 1 of 2 samples"),
    ],
)
def test_tables_that_are_not_whole_are_one_sentence(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        csv_database(tmp_path, text, features="*").load("d")


def test_blanks_around_the_names_of_columns_do_not_hide_features(tmp_path):
    text = "label, who, f1, f2,f3\na,x,1,2,3\nb,y,4,5,6\n"
    found = csv_database(tmp_path, text, features="f", subjects="who").load("d")
    assert found.names == ("f1", "f2", "f3")
    assert csv_database(tmp_path, text, features=[" f2"]).load("d").X.tolist() == [[2.0], [5.0]]


def test_columns_that_a_start_does_not_catch_are_told(tmp_path):
    text = "label,clip,f1,F2,g3\na,p,1,2,3\nb,q,4,5,7\n"
    found = csv_database(tmp_path, text, features="f").load("d")
    assert found.names == ("f1",)
    (told,) = found.findings
    assert told.severity == "note"
    assert told.text.startswith("1 columns are features, 2 are not ('F2': it does not begin with")
    assert "clip" not in told.text


def test_a_single_column_of_another_stem_is_told(tmp_path):
    text = "label,frame1,f1,f2,f3\n" + "".join(
        f"{c},{i},{i * i},1,{i}.5\n" for i, c in enumerate("abab")
    )
    (told,) = csv_database(tmp_path, text, features="f").load("d").findings
    assert "also takes the columns frame1" in told.text
    text = text.replace("frame1", "fa1").replace("f1", "fa2")
    assert csv_database(tmp_path, text, features="f").load("d").findings == ()


@pytest.mark.parametrize(
    ("text", "features", "message"),
    [
        ("label,f1\n", "f", "no row"),
        ("label,f1\n", "*", "no row"),
        ("label;f1;f2\na;0,5;1\nb;1,5;2\n", "*", r"'0,5' in line 2\); write decimal points"),
        ("label;f1;f2\na;0,5;1\nb;1,5;2\n", "f", r"'0,5' in line 2\); write decimal points"),
        ("label,f1\na,1\nb,2\n", ["label", "f1"], "lists 'label' which holds the labels"),
        ("label,f1\na,1\nb,2\n", ["f1", "f1"], "lists 'f1' more than once"),
        ("label,f1\na,1\nb,2,3\n", "f", "saw 3\\); save it in UTF-8"),
    ],
)
def test_columns_that_are_no_features_are_refused(tmp_path, text, features, message):
    with pytest.raises(UserError, match=message):
        csv_database(tmp_path, text, features=features).load("d")


def test_texts_that_look_like_missing_numbers_are_names(tmp_path):
    text = "label,who,f1\nNA,NA,1\nb,None,2\nNA,7,3\nb,8,4\n"
    options = {"features": "f", "subjects": "who", "classes": ("NA", "b")}
    found = csv_database(tmp_path, text, **options).load("d")
    assert found.y.tolist() == [0, 1, 0, 1]
    assert found.subject.tolist() == ["NA", "None", "7", "8"]
    assert found.findings == ()


def test_samples_without_a_subject_are_told(tmp_path):
    text = "label,who,f1\na,,1\nb,7,2\na,,3\nb,8,4\n"
    found = csv_database(tmp_path, text, features="f", subjects="who").load("d")
    assert found.subject.tolist() == ["", "7", "", "8"]
    (told,) = found.findings
    assert told.text.startswith("2 of 4 samples have no subject (such as row 0,")
    arrays = {"features": np.eye(3), "labels": [0, 1, 2], "who": [1.0, np.nan, 2.0]}
    np.savez(tmp_path / "mine.npz", **arrays)
    found = small(tmp_path, subjects="who").load("mine")
    assert found.subject.tolist() == ["1", "", "2"]
    assert [f.code for f in found.findings] == ["subjects-unknown"]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_and_a_byte_order_mark(tmp_path, separator):
    database = csv_database(tmp_path, "", features="*")
    (tmp_path / "mine.csv").write_text((HEAD + ROWS).replace(",", separator), "utf-8-sig")
    assert database.load("d").names == ("f1", "f2")


def test_what_a_column_holds_tells_row_numbers_and_codes(tmp_path):
    """By their content: a running number, and other codes of labels or subjects."""
    rows = [
        f"{'ab'[i % 2]},s{i // 2},{i + 11},{i % 2 + 5},{7 * (i // 2)},{min(i, 3)},{i * i}"
        for i in range(6)
    ]
    text = "label,subject,n,c,s,part,f1\n" + "\n".join(rows) + "\n"
    found = csv_database(tmp_path, text, features="*", subjects="subject").load("d")
    # Four values within the two labels are no code of theirs.
    assert found.names == ("part", "f1")
    told = found.findings[0].text
    for said in ("'n': row numbers", "'c': another code of label", "'s': another code of subject"):
        assert said in told
    finer = "label,part,f1\na,1,1\na,2,4\nb,3,9\nb,3,2\nb,4,5\n"
    assert csv_database(tmp_path, finer, features="*").load("d").names == ("part", "f1")


def test_most_columns_of_other_names_are_no_finding(tmp_path):
    text = "label,fa,fb,f1\na,1,2,3\nb,3,5,5\na,4,9,1\n"
    assert not csv_database(tmp_path, text, features="f").load("d").findings


def test_subjects_are_texts_as_they_are_written(tmp_path):
    written = ["1.10", "1.1", "1e5", "10e4", "007", "True", "true"]
    text = "label,who,f1\n" + "".join(f"{'ab'[i % 2]},{w},{i}\n" for i, w in enumerate(written))
    found = csv_database(tmp_path, text, features="f", subjects="who").load("d")
    assert found.subject.tolist() == written
    (told,) = found.findings
    assert (told.severity, told.code) == ("warning", "subjects-alike")
    assert told.text.startswith("the subjects 'true' and 'True' differ in capitals, leading zero")


def test_a_class_that_is_named_by_a_padded_number_is_known_by_its_name(tmp_path):
    text = "label,f1\n01,1\n02,5\n01,2\n"
    options = {"features": "f", "classes": ("02", "01")}
    assert csv_database(tmp_path, text, **options).load("d").y.tolist() == [1, 0, 1]
    options["classes"] = ("a", "b")  # numbers, where no class has that name
    for written in (text, text.replace("01,", "1.0,"), text.replace("01,", "1e0,")):
        assert csv_database(tmp_path, written, **options).load("d").y.tolist() == [0, 1, 0]
    text = text.replace("01,", "1.0,").replace("02,", "0.0,")
    with pytest.raises(UserError, match="label '1', which could be the class of that name"):
        csv_database(tmp_path, text, features="f", classes=("0", "1")).load("d")


@pytest.mark.parametrize("form", ["{0}", "{0}.0", "-{0}"])
def test_row_numbers_are_no_features_however_they_are_written(tmp_path, form):
    rows = [f"{'ab'[i % 2]},{form.format(i + 3)},{i + 0.5}" for i in range(5)]
    text = "label,n,f1\n" + "\n".join(rows) + "\n"
    found = csv_database(tmp_path, text, features="*").load("d")
    assert found.names == ("f1",)
    assert "'n': row numbers" in found.findings[0].text


def test_reordered_columns_are_matched_by_name_when_they_are_cut_into_blocks(tmp_path):
    rng, names = np.random.default_rng(0), [f"f{i}" for i in range(10)]
    X = rng.random((4, 10))
    for blocks in ({"n_blocks": 5}, {"layout": "released", "grids": [1, 2], "n_planes": 2}):
        loaded = []
        for order in (slice(None), slice(None, None, -1)):
            rows = [f"{'ab'[i % 2]},{','.join(map(repr, X[i][order].tolist()))}" for i in range(4)]
            text = f"label,{','.join(names[order])}\n" + "\n".join(rows) + "\n"
            loaded.append(csv_database(tmp_path, text, features="f", blocks=blocks).load("d"))
        source, target = loaded
        assert not np.array_equal(source.X, target.X)
        assert np.array_equal(matched(source, target).X, source.X)


def test_a_label_that_a_map_names_twice_is_refused(tmp_path):
    options = {"features": "f", "label_map": {1: "a", "1": "b", 2: "b"}}
    with pytest.raises(
        UserError, match=r"label_map for .* names one label twice; keep one of them"
    ):
        csv_database(tmp_path, "label,f1\n1,1\n2,5\n", **options).load("d")


def test_quotation_marks_that_are_not_closed_do_not_swallow_rows(tmp_path):
    text = 'label,f1,note\na,1,"good\nb,5,\na,2,"fair\nb,7,\n'
    with pytest.raises(UserError, match="has a quotation mark that is not closed"):
        csv_database(tmp_path, text, features="f").load("d")
    text = 'label,f1,note\na,1,"two\nlines"\nb,5,"a ""word"""\n'
    assert csv_database(tmp_path, text, features="f").load("d").X.tolist() == [[1], [5]]
