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


@pytest.mark.parametrize("changed", [
    {"n_total": 3000}, {"n_validation": 700}, {"n_steps": 10}, {"batch": 7},
    {"learning_rate": 1e-3}, {"momentum": 0.8}, {"weight_decay": 0.0}, {"decay_every": 100},
    {"decay": 0.5}, {"keep": "best"}, {"validate_every": 100}, {"seed": 1},
])  # fmt: skip
def test_what_changes_the_network_is_in_the_identity(changed):
    assert content_key(Recipe(**changed).identity()) != content_key(Recipe().identity())


def test_a_caption_says_how_the_network_was_made():
    made = Recipe(n_total=90, n_validation=30, n_steps=1200, batch=7, keep="best", seed=3).summary
    assert made == (
        "1,200 steps of 7 out of 60 augmented clips, the best on validation clips, seed 3"
    )
