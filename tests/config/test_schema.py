import pytest
from omegaconf import OmegaConf

from cdmer_bench.cli.hydra_app import cards, compose_config
from cdmer_bench.config.schema import validate
from cdmer_bench.errors import UserError
from cdmer_bench.protocol import experiments


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"n_jobs": "many"}, ["n_jobs", "many"]),
        ({"tasks": {"mine": {"source": "a"}}}, ["tasks.mine.target", "no value"]),
        ({"methods": {"m": {"label": "M"}}}, ["methods.m._target_", "no value"]),
        ({"methods": {"m": {"gird": {}}}}, ["gird", "did you mean 'grid'"]),
        ({"backend": {"name": "slurm"}}, ["backend.name", "slurm", "loky"]),
        ({"method": {"label": "M"}}, ["# @package methods.<name>"]),
        ({"dry_run": "perhaps"}, ["dry_run", "perhaps"]),
    ],
)
def test_errors_name_the_full_key(content, words):
    base = {"selection": {"name": "oracle"}, "backend": {"name": "loky"}}
    base["preprocessing"] = {"_target_": "a.B"}
    with pytest.raises(UserError) as raised:
        validate(OmegaConf.create({**base, **content}))
    for word in words:
        assert word in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_task_files_are_table_ii():
    config = compose_config(None, ["task=all"])
    assert [(n, t.label, t.source, t.target) for n, t in config.tasks.items()] == [
        (t.name, t.label, t.source, t.target) for t in experiments()
    ]


@pytest.mark.parametrize(("group", "size"), [("type1", 6), ("type2", 6)])
def test_the_types_split_table_ii(group, size):
    assert len(compose_config(None, [f"task={group}"]).tasks) == size


def test_all_methods_are_the_papers_rows_with_its_grids():
    config = compose_config(None, ["method=all"])
    labels = [card.label for card in config.methods.values()]
    assert labels == (
        ["Baseline", "IW-SVM", "TCA", "GFK", "SA", "STM", "TKL", "TSRG", "DRFS-T", "DRLS", "RSTR"]
    )
    from cdmer_bench.config.build import load_target

    for name, card in config.methods.items():
        method = load_target(card._target_, name)
        assert dict(method.paper_grid) == card.grid
        assert set(card.parameters) <= set(method.__dataclass_fields__)
        assert method.label == card.label


def test_every_card_can_be_listed_and_says_what_it_is():
    for group in ("method", "descriptor", "task", "database", "corpus", "selection", "backend"):
        found = cards(group)
        assert found
        for name, card in found.items():
            assert card.members or len(card) > 1, f"{group}/{name} is empty"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("cache=/a/b", "cache is '/a/b', expected keys of its own; give cache.dir=/a/b"),
        ("results=elsewhere", "give results.dir=elsewhere"),
        ("c3d=file.pth", "give one of c3d.weights, .weights_ucf101"),
        ("results=null", "results is null"),
        ("results=${nothing}", "'nothing' not found"),
    ],
)
def test_a_value_in_the_place_of_keys_is_one_sentence_with_the_way_out(cdmer, override, words):
    code, _, err = cdmer("run", "method=svm", "task=exp01", "dry_run=true", override)
    assert code == 2
    assert words in err
    assert len(err.strip().splitlines()) == 1
