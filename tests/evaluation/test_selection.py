"""Each rule on a case whose answer is known by hand, and what it does without its input."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.selection import (
    RULES,
    Fixed,
    NotRecorded,
    Rule,
    Selected,
    choices,
    needed_inputs,
    rule,
)
from cdmer_bench.evaluation.selection.rules import NOT_PREDICTED
from tests.reporting.records import record

Y = np.array([0, 0, 1, 1, 2, 2], np.uint8)


def cell(predictions, **changes):
    values = {"y_target": Y, "y_source": Y, "predictions": predictions, **changes}
    return record(5, **values)


def logits(probability):
    return np.log(np.maximum(probability, 1e-30)).astype(np.float32)


def test_oracle_takes_the_first_best_on_the_target():
    made = cell([[0] * 6, Y, Y])
    assert rule("oracle").select(made) == 1
    assert rule("oracle").uses_target_labels
    assert not any(r.uses_target_labels for name, r in RULES.items() if name != "oracle")


@pytest.mark.parametrize("name", [n for n in RULES if n != "oracle"])
def test_other_rules_never_see_the_target_labels(name):
    rng = np.random.default_rng(0)
    predictions = rng.integers(0, 3, (4, 6))
    extras = {
        "source_cv_predictions": rng.integers(0, 3, (4, 6)),
        "reverse_predictions": rng.integers(0, 3, (4, 6)),
        "density_ratio": rng.random(6),
        "source_folds": np.array([0, 0, 0, 1, 1, 1]),
    }
    scores = rng.normal(size=(4, 6, 3))
    chosen = {
        rule(name).select(cell(predictions, scores=scores, extras=extras, y_target=y))
        for y in (Y, Y[::-1].copy(), np.zeros_like(Y))
    }
    assert len(chosen) == 1


def test_entropy_takes_the_most_certain_and_infomax_wants_all_classes():
    certain_one_class = np.tile([1.0, 0.0, 0.0], (6, 1))
    fair = np.full((6, 3), 1 / 3)
    certain_and_diverse = np.eye(3)[Y] * 0.97 + 0.01
    made = cell(
        [[0] * 6, [0] * 6, Y],
        scores=logits(np.stack([certain_one_class, fair, certain_and_diverse])),
    )
    assert rule("entropy").select(made) == 0
    assert rule("infomax").select(made) == 2
    assert rule("entropy").criterion(made)[1] == pytest.approx(-np.log(3))
    assert rule("infomax").criterion(made)[:2] == pytest.approx([0, 0], abs=1e-6)


def test_class_balance_compares_proportions_with_the_source():
    made = cell([[0] * 6, [0, 0, 0, 1, 1, 2], [2, 2, 1, 1, 0, 0]])
    # Distances to 1/3, 1/3, 1/3: 2/3, 1/6 and 0.
    assert rule("class_balance").criterion(made) == pytest.approx([-2 / 3, -1 / 6, 0])
    assert rule("class_balance").select(made) == 2


def test_neighbourhood_density_by_hand():
    # Three samples of class 0 and three of class 1, all certain: each has two neighbours at
    # similarity 1 and three at 0, so its entropy is nearly log 2.
    two_groups = np.eye(3)[[0, 0, 0, 1, 1, 1]]
    one_group = np.eye(3)[[0] * 6]
    made = cell([[0] * 6, [0] * 6], scores=logits(np.stack([two_groups, one_group])))
    density = rule("snd").criterion(made)
    assert density == pytest.approx([np.log(2), np.log(5)], abs=1e-6)
    assert rule("snd").select(made) == 1


# Fewer samples than are taken first, more, and more settings than are taken together.
@pytest.mark.parametrize(("n_settings", "n"), [(2, 3), (2, 71), (37, 6)])
def test_neighbourhood_density_is_the_entropy_of_the_softmax_over_neighbours(n_settings, n):
    scores = np.random.default_rng(4).normal(0, 2, (n_settings, n, 3)).astype(np.float32)
    expected = []
    for values in scores.astype(float):
        probability = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
        entropies = []
        for i in range(n):
            cosine = [
                p @ probability[i] / np.linalg.norm(p) / np.linalg.norm(probability[i])
                for j, p in enumerate(probability)
                if j != i
            ]
            share = np.exp(np.array(cosine) / 0.3) / np.exp(np.array(cosine) / 0.3).sum()
            entropies.append(-(share * np.log(share)).sum())
        expected.append(np.mean(entropies))
    y = np.arange(n, dtype=np.uint8) % 3
    made = cell([y] * n_settings, scores=scores, y_target=y)
    assert rule("snd", temperature=0.3).criterion(made) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n", [2, 5, 40])
def test_settings_left_out_by_neighbourhood_density_could_not_win(n):
    rng = np.random.default_rng(n)
    # From nearly one answer for all samples to certain ones; two settings are the same.
    scores = rng.normal(0, 1, (60, n, 3)) * np.geomspace(0.05, 20, 60)[:, None, None]
    scores[7], scores[20] = scores[3], np.nan
    y = np.arange(n, dtype=np.uint8) % 3
    made = cell([y] * 60, scores=scores, y_target=y)
    whole, found = (getattr(rule("snd"), f)(made) for f in ("criterion", "contenders"))
    highest = np.nanmax(whole)
    same = found == whole
    assert same[whole == highest].all()
    assert (found[~same & ~np.isnan(whole)] < highest).all()
    assert np.flatnonzero(np.isnan(found)).tolist() == [20]
    assert n == 2 or same.sum() < 59
    assert rule("snd").choose(made) == Selected(int(np.nanargmax(whole)), 1)


def test_temperature_that_leaves_no_neighbour_is_refused():
    opposite = logits(np.eye(3)[Y])
    coldest = rule("snd", temperature=0.002).criterion(cell([Y], scores=opposite[None]))
    assert coldest == pytest.approx([0], abs=1e-9)
    for temperature in (0.0019, 0.0, float("nan")):
        with pytest.raises(UserError, match=r"give at least 0\.002"):
            rule("snd", temperature=temperature)


def test_class_balance_of_databases_of_different_size():
    # Source 3 : 1 of 4 clips; target of 6, predicted 3 : 3 : 0 and 4 : 1 : 1.
    made = cell([[0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 1, 2]], y_source=np.array([0, 0, 0, 1], np.uint8))
    assert rule("class_balance").criterion(made) == pytest.approx([-1 / 4, -1 / 6])


def test_equal_distances_are_equal_so_that_the_first_wins():
    # Both 1/3 away from thirds; as binary fractions the first comes out farther in the last bit.
    made = cell([[1, 1, 1, 2, 2, 2], [1, 1, 1, 1, 2, 2], [0] * 6])
    first, second, _ = rule("class_balance").criterion(made)
    assert first == second == pytest.approx(-1 / 3)
    assert rule("class_balance").select(made) == 0


def test_criteria_that_differ_by_rounding_are_equal_so_that_the_first_wins():
    @dataclass(frozen=True)
    class Given(Rule):
        values: tuple = ()
        name = "given"

        def criterion(self, record):
            return np.array(self.values)

    made = cell([Y] * 4)
    for values, chosen in (
        ((np.nan, 0.3, 0.1 + 0.2, 0.3), 1),
        ((-0.6, -0.3, -(0.1 + 0.2), -0.3), 1),
        ((-3e-14, -2e-14, -1e-14, -1e-14), 2),
        ((0.3, 0.3 + 1e-9, 0.3, 0.0), 1),
        ((-np.inf, 0.0, 0.0, np.nan), 1),
    ):
        assert Given(values=values).select(made) == chosen
    # The same F1 of each class, of another class each: their sum may differ in the last bit.
    y = np.repeat([0, 1, 2], 20).astype(np.uint8)
    rng = np.random.default_rng(0)
    for _ in range(200):
        one = np.where(rng.random(60) < 0.6, y, rng.integers(0, 3, 60))
        other = np.roll((one + 1) % 3, 20)
        assert rule("oracle").select(cell([one, other], y_target=y)) == 0


def test_settings_without_information_tie_so_that_the_first_wins():
    # All samples alike, so no prediction tells of its sample.
    for seed in range(40):
        scores = np.repeat(np.random.default_rng(seed).normal(size=(5, 1, 3)), 68, axis=1)
        made = cell(scores.argmax(axis=2), y_target=np.zeros(68, np.uint8), scores=scores)
        assert rule("infomax").criterion(made).tolist() == [0] * 5
        assert rule("infomax").select(made) == 0


def test_settings_that_could_not_be_validated_are_left_out_and_counted():
    partly = np.r_[Y[:5], NOT_PREDICTED].astype(np.uint8)
    wrong = ((Y + 1) % 3).astype(np.uint8)
    extras = {
        "source_cv_predictions": np.stack([partly, wrong, Y, partly]),
        "source_folds": np.array([0, 0, 0, 1, 1, 1]),
        "density_ratio": np.ones(6),
        "reverse_predictions": np.stack([partly, Y, wrong, wrong]),
    }
    made = cell([Y] * 4, extras=extras)
    for name in ("source_cv", "importance_weighted", "dev"):
        assert rule(name).choose(made) == Selected(2, 2)
        assert np.isnan(rule(name).criterion(made)[[0, 3]]).all()
    assert rule("reverse").choose(made) == Selected(1, 1)
    assert choices(made, [rule("source_cv")])[0].n_undefined == 2


def test_density_of_a_single_target_sample_is_undefined():
    made = cell([[0], [1]], y_target=Y[:1], scores=np.zeros((2, 1, 3), np.float32))
    with pytest.raises(NotRecorded, match="'snd' is undefined for every setting"):
        rule("snd").select(made)


def test_rules_say_what_to_know_of_them():
    scaled = {name for name, r in RULES.items() if "no common scale" in r.caveat}
    assert scaled == {"entropy", "infomax", "snd"}
    assert {
        n
        for n, r in RULES.items()
        if r.caveat.startswith("it may prefer a setting that gives one class")
    } == {
        "entropy",
        "snd",
    }
    assert {name for name, r in RULES.items() if not r.caveat} == {"oracle", "fixed"}
    assert {name for name, r in RULES.items() if not r.reference} == {"fixed"}


def test_source_rules_by_hand():
    right, wrong_on_heavy, wrong_on_light = Y.copy(), Y.copy(), Y.copy()
    wrong_on_heavy[0], wrong_on_light[4:] = 1, 0
    extras = {
        "source_cv_predictions": np.stack([wrong_on_light, wrong_on_heavy]),
        "reverse_predictions": np.stack([wrong_on_light, right]),
        "density_ratio": np.array([5.0, 0.2, 0.2, 0.2, 0.2, 0.2]),
    }
    made = cell([Y, Y], extras=extras)
    assert rule("source_cv").select(made) == 1
    # The ratios add up to 6, so that their mean is 1 as it is.
    assert rule("importance_weighted").criterion(made) == pytest.approx([-0.4 / 6, -5 / 6])
    assert rule("importance_weighted").select(made) == 0
    assert rule("reverse").select(made) == 1


def dev_by_the_reference(weight, loss):
    """DEV of one validation set, step by step as in You et al., section 4.2, with n - 1."""
    weighted = weight * loss
    eta = -np.cov(weighted, weight, ddof=1)[0, 1] / np.var(weight, ddof=1)
    return np.mean(weighted) + eta * np.mean(weight) - eta


def test_dev_is_that_of_the_reference_in_each_fold():
    rng = np.random.default_rng(3)
    ratio = rng.gamma(2, 1, 6)
    held_out = np.stack([np.r_[Y[:2], (Y[2:] + 1) % 3], (Y + np.array([1, 0, 0, 1, 0, 0])) % 3, Y])
    folds = np.array([0, 1, 0, 1, 1, 1])
    extras = {"source_cv_predictions": held_out, "source_folds": folds}
    weight = ratio * 6 / ratio.sum()
    expected = [
        sum(
            dev_by_the_reference(weight[folds == f], (row != Y)[folds == f]) * np.mean(folds == f)
            for f in (0, 1)
        )
        for row in held_out
    ]
    made = cell([Y] * 3, extras={**extras, "density_ratio": ratio})
    assert rule("dev").criterion(made) == pytest.approx(-np.array(expected))
    iwcv = rule("importance_weighted").criterion(made)
    assert np.abs(rule("dev").criterion(made) - iwcv).max() > 0.01
    assert iwcv == pytest.approx(-((held_out != Y) * weight).mean(axis=1))


def test_no_weighted_rule_depends_on_the_scale_of_the_ratio():
    rng = np.random.default_rng(0)
    extras = {
        "source_cv_predictions": rng.integers(0, 3, (4, 6)),
        "source_folds": np.array([0, 0, 0, 1, 1, 1]),
    }
    ratio = rng.gamma(2, 1, 6)
    for name in ("importance_weighted", "dev"):
        one, two = (
            rule(name).criterion(cell([Y] * 4, extras={**extras, "density_ratio": ratio * scale}))
            for scale in (1.0, 37.0)
        )
        assert one == pytest.approx(two)


def test_control_variate_takes_off_what_the_weights_explain():
    # Both folds err on the heavy sample alone. The second has too little weight in all; the
    # variate puts its risk where it would be with mean 1.
    ratio = np.array([2.0, 1.0, 1.0, 1.2, 0.4, 0.4])
    held_out = Y.copy()
    held_out[[0, 3]] = (Y[[0, 3]] + 1) % 3
    extras = {"source_cv_predictions": held_out[None], "density_ratio": ratio}
    made = cell([Y, Y], extras={**extras, "source_folds": np.array([0, 0, 0, 1, 1, 1])})
    # Fold 0: w l = (2, 0, 0), w = (2, 1, 1): risk 2/3 - 2 (4/3 - 1) = 0.
    # Fold 1: w l = (1.2, 0, 0), w = (1.2, .4, .4): risk .4 - 1.5 (2/3 - 1) = .9.
    assert rule("dev").criterion(made) == pytest.approx([-0.45])


def test_equal_weights_give_the_plain_source_error():
    held_out = np.stack([np.r_[Y[:3], (Y[3:] + 1) % 3], Y])
    extras = {"source_cv_predictions": held_out, "source_folds": np.array([0, 0, 0, 1, 1, 1])}
    made = cell([Y, Y], extras={**extras, "density_ratio": np.full(6, 4.0)})
    for name in ("importance_weighted", "dev"):
        assert rule(name).criterion(made) == pytest.approx([-0.5, 0])
    nothing = cell([Y, Y], extras={**extras, "density_ratio": np.zeros(6)})
    for name in ("importance_weighted", "dev"):
        with pytest.raises(NotRecorded, match="undefined for every setting"):
            rule(name).select(nothing)


@pytest.mark.parametrize("weight", [0.1, 0.3, 0.7, 3.3, 1e-5 / 3])
def test_equal_weights_that_are_no_binary_fractions_are_equal(weight):
    # Their mean differs from them in the last bit, in some folds and not in others.
    rng = np.random.default_rng(0)
    for n in (15, 45, 46, 55):
        y = rng.integers(0, 3, n).astype(np.uint8)
        held_out = rng.integers(0, 3, (4, n))
        extras = {"source_cv_predictions": held_out, "source_folds": np.arange(n) % 5}
        equal = np.full(n, weight)
        for ratio in (equal, np.where(np.arange(n) % 3 == 0, equal, np.nextafter(equal, 9))):
            made = cell(held_out, y_target=y, y_source=y, extras={**extras, "density_ratio": ratio})
            assert rule("dev").criterion(made) == pytest.approx(-np.mean(held_out != y, axis=1))


def test_fixed_takes_the_default_or_what_is_named():
    made = cell([Y, Y, Y])  # k = 1, 2, 3; the method's default is 2
    assert rule("fixed").select(made) == 1
    assert Fixed({"tca": {"k": 3}}).select(made) == 2
    assert Fixed({"sa": {"k": 3}}).select(made) == 1
    with pytest.raises(NotRecorded, match=r"TCA on Exp\.5: the fixed setting k = 9 is not in the"):
        Fixed({"tca": {"k": 9}}).select(made)


@pytest.mark.parametrize(
    ("settings", "short"),
    [
        ({"kk": 3}, "the fixed setting k = 2, kk = 3 is not in the grid"),
        ({"mu": 5}, "the fixed setting k = 2, mu = 5 is not in the grid"),
        ({"k": None}, "fixed has no value of k, which has no default"),
    ],
)
def test_fixed_takes_no_setting_that_was_not_run(settings, short):
    # The method has k, which is searched, and mu = 1, which is not.
    with pytest.raises(NotRecorded) as lack:
        Fixed({"tca": settings}).select(cell([Y, Y, Y]))
    assert lack.value.short == short
    assert Fixed({"tca": {"mu": 1, "k": 3}}).select(cell([Y, Y, Y])) == 2


def test_fixed_does_not_take_another_setting_because_it_is_alone():
    alone = cell([Y])  # k = 1
    assert Fixed({"tca": {"k": 1}}).select(alone) == 0
    with pytest.raises(NotRecorded, match="k = 2 is not in the grid"):
        rule("fixed").select(alone)
    assert rule("fixed").select(cell([Y], settings=[{}])) == 0


@pytest.mark.parametrize("name", [n for n, r in RULES.items() if r.needs])
def test_rule_without_its_input_says_so(name):
    with pytest.raises(NotRecorded, match=rf"'{name}' needs .* not recorded for TCA on Exp\.5"):
        rule(name).select(cell([Y, Y]))
    # One setting leaves nothing to choose.
    assert rule(name).select(cell([Y])) == 0


def test_setting_with_undefined_scores_never_wins():
    for bad in (np.nan, np.inf, -np.inf):
        scores = np.zeros((2, 6, 3), np.float32)
        scores[0, 0, 0] = bad
        for name in ("entropy", "infomax", "snd"):
            assert rule(name).select(cell([Y, Y], scores=scores)) == 1


def test_gap_to_the_oracle():
    made = cell([[0] * 6, Y, [0, 0, 1, 1, 2, 0]])
    found = {c.rule: c for c in choices(made, [rule(n) for n in ("oracle", "fixed", "entropy")])}
    assert found["oracle"].gap == 0
    assert found["fixed"].mean_f1 == 1
    assert found["entropy"].index is None
    assert found["entropy"].lack == "entropy needs scores, not recorded"
    third = choices(made, [Fixed({"tca": {"k": 3}})])[0]
    # F1 of 0: 4/5, of 1: 1, of 2: 2/3.
    assert third.gap == pytest.approx(1 - (0.8 + 1 + 2 / 3) / 3)


def test_inputs_that_rules_need():
    assert needed_inputs(["oracle", "entropy", "fixed"]) == ()
    assert needed_inputs(["reverse", "source_cv", "importance_weighted"]) == (
        "reverse_predictions",
        "source_cv_predictions",
        "density_ratio",
    )


def test_unknown_rule_names_the_closest():
    with pytest.raises(UserError, match="did you mean 'entropy'"):
        rule("entrophy")


def test_every_rule_has_a_card_that_builds_it():
    cards = Path(__file__).parents[2] / "conf/selection"
    found = {}
    for path in cards.glob("*.yaml"):
        card = yaml.safe_load(path.read_text())
        found[path.stem] = rule(card["name"], **card.get("parameters", {})).name
    assert found == {name: name for name in RULES}
