from contextlib import nullcontext

import pytest

from cdmer_bench.cli.hydra_app import as_hydra, compose_config, pairs, split_flags
from cdmer_bench.errors import UserError


def test_flags_go_first_with_their_values_and_overrides_keep_their_order():
    flags, overrides = split_flags(
        ["method=tca", "--config-dir", "mine", "task=all", "-m", "--info", "x=1", "--cfg=job"]
    )
    assert flags == ["--config-dir", "mine", "-m", "--info", "all", "--cfg=job"]
    assert overrides == ["method=tca", "task=all", "x=1"]


def test_a_flag_without_its_value_is_named():
    with pytest.raises(UserError, match="--config-dir needs a value"):
        split_flags(["method=tca", "--config-dir"])


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("method=a,b", "method=[a,b]"),
        ("task=exp05, exp06 ,exp05", "task=[exp05,exp06]"),
        ("descriptor=a", "descriptor=a"),
        ("method=[a,b]", "method=[a,b]"),
        ("methods.a.grid.k=1,2", "methods.a.grid.k=1,2"),
    ],
)
def test_comma_lists_of_groups_become_lists(given, written):
    assert as_hydra([given]) == [written]


@pytest.mark.parametrize(
    "typed",
    [
        "2024_01_15", "1e3", "0x10", "true", "yes", "a=b", "[a]", "{a}", "a#b", "it's", "'", "@x",
        'say "x"', "结果", "a b", "a,b", "a\\", "a\\'b", "~/x", "-1", "(a)", "a:b", "ä/ö", "%s",
    ],
)  # fmt: skip
def test_a_path_is_text_as_it_is_typed(typed):
    config = compose_config(
        None, [f"results.dir={typed}", f"corpus.root={typed}", "corpus=released"]
    )
    assert config.results.dir == typed
    assert config.corpus["root"] == typed


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("results.dir='a b'", "results.dir='a b'"),
        ("c3d.weights=null", "c3d.weights=null"),
        ("cache.dir=${oc.env:HOME}", "cache.dir=${oc.env:HOME}"),
        ("corpus.databases.a.files.surf=1e3", "corpus.databases.a.files.surf='1e3'"),
        ("n_jobs=2", "n_jobs=2"),
    ],
)
def test_only_texts_are_quoted(given, written):
    assert as_hydra([given]) == [written]


@pytest.mark.parametrize("given", ["selection=a,b", "backend=[a,b]", "+experiment=[a, b]"])
def test_several_choices_where_a_run_takes_one_are_refused(given):
    # Hydra would merge them, and the last would win without a word.
    with pytest.raises(UserError, match="names 2 choices, but a run takes one"):
        as_hydra([given])
    with pytest.raises(UserError) if "[" in given else nullcontext():
        as_hydra([given], multirun=True)


def test_with_many_jobs_commas_still_divide_them():
    assert as_hydra(["results.dir=a,b"], multirun=True) == ["results.dir=a,b"]


@pytest.mark.parametrize("flag", ["-cd {}", "--config-dir={}", "--config-dir {}"])
def test_the_folder_is_found_however_it_is_written(flag, corpus, cdmer):
    words = ["corpus=small", "descriptor=given", "task=red/green", "dry_run=true"]
    for given in (
        [*flag.format("my_conf").split(), *words],
        [*words, *flag.format("my_conf").split()],
    ):
        code, out, err = cdmer("run", *given)
        assert code == 0, err
        assert "1 cell" in out


@pytest.mark.parametrize("flags", [(), ("--cfg", "job")])
def test_a_damaged_card_is_one_sentence(flags, corpus, cdmer):
    (corpus.folder / "my_conf" / "corpus" / "small.yaml").write_text("a: [b\nc: }")
    for words in (("run", *flags, "corpus=small"), ("list", "corpora")):
        code, out, err = cdmer(*words, "--config-dir", "my_conf")
        assert (code, out) == (2, "")
        assert "small.yaml, line 2 is not plain YAML" in err
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["task=a/b"], [("a", "b")]),
        (["task=[a/b,exp05,c/d]"], [("a", "b"), ("c", "d")]),
        (["task=exp05", "method=a/b"], []),
        (["task=/b", "task=a/", "task=a/b/c"], []),
    ],
)
def test_pairs_of_databases_are_found_in_task_overrides_alone(arguments, expected):
    assert pairs(arguments) == expected


@pytest.mark.parametrize(
    "given",
    ["lab 1/é日", "'lab 1/é日'", "[lab 1/é日,exp05]", "exp05, lab 1/é日", "v1.2/a=b", "q\"u/it's"],
)
def test_names_of_databases_are_text_as_typed(given):
    names = {"v": ("v1.2", "a=b"), "q": ('q"u', "it's")}.get(given[0], ("lab 1", "é日"))
    tasks = compose_config(None, [f"task={given}"]).tasks
    card = tasks["__".join(names)]
    assert (card.source, card.target) == names
    assert ("exp05" in tasks) == ("exp05" in given)


def test_the_heading_of_a_job_names_databases_as_they_were_typed(corpus, cdmer):
    words = ["corpus=small", "descriptor=given", "method=svm", "dry_run=true"]
    words += ["--config-dir", "my_conf", "-m", "task=red/grün 1,red/green"]
    code, out, _ = cdmer("run", *words)
    assert code == 2
    assert "== job 1: task=red/grün 1\n" in out
