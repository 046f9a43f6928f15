"""The protocol read from conf/ against the paper's own tables, written down here once more."""

import pytest

from cdmer_bench.protocol import CLASSES, card, composition, direction, experiments, members, rows


def test_table_i_has_the_sizes_and_classes_of_the_paper_with_two_columns_put_right():
    assert CLASSES == ("negative", "positive", "surprise")
    assert composition("casme2") == (73, 32, 25)
    assert composition("smic_hs") == (70, 51, 43)
    # Printed as 28 negative and 23 positive; the HS clips of the same eight subjects decide.
    assert composition("smic_vis") == composition("smic_nir") == (23, 28, 20)


def test_table_ii_is_that_of_the_paper():
    letters = {"C": "casme2", "H": "smic_hs", "V": "smic_vis", "N": "smic_nir"}
    printed = ["H V", "V H", "H N", "N H", "V N", "N V", "C H", "H C", "C V", "V C", "C N", "N C"]
    tasks = experiments()
    pairs = [tuple(letters[x] for x in pair.split()) for pair in printed]
    assert [(task.source, task.target) for task in tasks] == pairs
    assert [direction(task) for task in tasks] == [p.replace(" ", " → ") for p in printed]
    assert [task.name for task in tasks] == [f"exp{i:02d}" for i in range(1, 13)]
    assert [task.label for task in tasks] == [f"Exp.{i}" for i in range(1, 13)]
    assert experiments("type1") + experiments("type2") == tasks
    assert len(experiments("type1")) == 6
    assert not any("casme2" in (task.source, task.target) for task in experiments("type1"))


def test_the_rows_are_those_of_the_printed_tables():
    printed = "Baseline IW-SVM TCA GFK SA STM TKL TSRG DRFS-T DRLS RSTR"
    assert rows("method") == tuple(printed.split())
    assert rows("descriptor")[0] == "LBP-TOP(R3P8)"
    assert len(rows("descriptor")) == 16
    assert rows("descriptor")[-1] == "C3D-FC2 (UCF101)"


def test_a_card_of_several_names_single_ones():
    assert members("task", "type2") == [f"exp{i:02d}" for i in range(7, 13)]
    assert members("method", "tca") == ["tca"]
    assert card("method", "tca")["grid"] == {"k": "all"}
    with pytest.raises(FileNotFoundError):
        card("method", "nothing")
