from cdmer_bench.tasks.protocol import TABLE_I, TABLE_II, TYPE_I, TYPE_II


def test_table_i_has_the_sizes_and_classes_of_the_paper_with_two_columns_put_right():
    sizes = {name: (c.negative, c.positive, c.surprise) for name, c in TABLE_I.items()}
    assert sizes["casme2"] == (73, 32, 25)
    assert sizes["smic_hs"] == (70, 51, 43)
    # Printed as 28 negative and 23 positive; the HS clips of the same eight subjects decide.
    assert sizes["smic_vis"] == sizes["smic_nir"] == (23, 28, 20)
    assert [sum(s) for s in sizes.values()] == [130, 164, 71, 71]


def test_table_ii_is_that_of_the_paper():
    letters = {"C": "casme2", "H": "smic_hs", "V": "smic_vis", "N": "smic_nir"}
    printed = ["H V", "V H", "H N", "N H", "V N", "N V", "C H", "H C", "C V", "V C", "C N", "N C"]
    pairs = [tuple(letters[x] for x in pair.split()) for pair in printed]
    assert [(task.source, task.target) for task in TABLE_II] == pairs
    assert [task.name for task in TABLE_II] == [f"exp{i:02d}" for i in range(1, 13)]
    assert [task.label for task in TABLE_II] == [f"Exp.{i}" for i in range(1, 13)]
    assert (*TYPE_I, *TYPE_II) == TABLE_II
    assert len(TYPE_I) == 6
    assert not any("casme2" in (task.source, task.target) for task in TYPE_I)
