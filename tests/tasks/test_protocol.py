from cdmer_bench.tasks.protocol import TABLE_I, TABLE_II, TYPE_I, TYPE_II


def test_table_i_has_the_sizes_and_classes_of_the_paper_with_two_columns_put_right():
    sizes = {name: (c.negative, c.positive, c.surprise) for name, c in TABLE_I.items()}
    assert sizes["casme2"] == (73, 32, 25)
    assert sizes["smic_hs"] == (70, 51, 43)
    # Printed as 28 negative and 23 positive; the HS clips of the same eight subjects decide.
    assert sizes["smic_vis"] == sizes["smic_nir"] == (23, 28, 20)
    assert [sum(s) for s in sizes.values()] == [130, 164, 71, 71]


def test_table_ii_pairs_every_two_databases_both_ways_but_for_none():
    pairs = [(task.source, task.target) for task in TABLE_II]
    assert len(set(pairs)) == 12
    assert all((target, source) in pairs for source, target in pairs)
    assert all("casme2" not in (t.source, t.target) for t in TYPE_I)
    assert all("casme2" in (t.source, t.target) for t in TYPE_II)
    assert (TABLE_II[4].source, TABLE_II[4].target) == ("smic_vis", "smic_nir")  # Exp.5: V to N
