"""Settings of fine-tuning: what is refused, the rate of each step, what decides the network."""

import pytest

from cdmer_bench.descriptors.c3d.finetuning import Recipe
from cdmer_bench.errors import UserError
from cdmer_bench.io import content_key


def test_the_defaults_are_the_papers_and_the_solvers():
    recipe = Recipe()
    assert (recipe.n_total, recipe.n_validation) == (3350, 800)
    # Rate 1e-4, a tenth of it after every 5000 steps.
    steps = (0, 4999, 5000, 9999, 10000, 19999)
    assert [recipe.rate(step) for step in steps] == pytest.approx(
        [1e-4, 1e-4, 1e-5, 1e-5, 1e-6, 1e-7]
    )


def test_settings_come_by_name():
    assert Recipe.of({"batch": 7, "keep": "best"}) == Recipe(batch=7, keep="best")
    with pytest.raises(
        UserError, match=r"c3d.finetune.batches is no setting; did you mean 'batch'"
    ):
        Recipe.of({"batches": 7})


@pytest.mark.parametrize(
    "wrong",
    [{"n_validation": 3350}, {"batch": 0}, {"keep": "first"}, {"learning_rate": float("nan")},
     {"keep": "best", "n_validation": 0}],
)  # fmt: skip
def test_wrong_settings_are_named(wrong):
    with pytest.raises(UserError, match=f"c3d.finetune.{next(iter(wrong))}"):
        Recipe(**wrong)


def test_what_changes_no_result_is_not_in_the_identity():
    same = Recipe(checkpoint_every=7, micro_batch=1).identity()
    assert content_key(same) == content_key(Recipe().identity())
    assert content_key(Recipe(seed=1).identity()) != content_key(same)
