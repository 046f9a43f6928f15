"""Which selection rule is best: losses that are planted are found, in their order."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from cdmer_bench.evaluation.selection import RULES, Choice, rule
from cdmer_bench.evaluation.selection.base import Rule
from cdmer_bench.reporting.picture_data import Cell, cells_of, curves
from cdmer_bench.reporting.rules import (
    RANDOM,
    rank_rules,
    rules_notes,
    rules_text,
    summarize_rules,
)
from tests.reporting.records import labels, record


def cell(task, method, gaps, best=0.8, mean=0.5, n_settings=10, lacks=()):
    """A cell in which rules lose what is given, and the oracle nothing."""
    made = [Choice("oracle", 0, best, 80.0, 0.0)]
    made += [Choice(name, 1, best - gap, 70.0, gap) for name, gap in gaps.items()]
    made += [Choice(name, lack="no input") for name in lacks]
    made_of = SimpleNamespace(task_label=task, row=method, settings=[{}] * n_settings)
    return Cell(made_of, {choice.rule: choice for choice in made}, {1: mean})


def test_rules_are_ranked_by_what_they_lose():
    cells = [
        cell("Exp.1", "TCA", {"entropy": 0.1, "snd": 0.0}, mean=0.6),
        cell("Exp.1", "SA", {"entropy": 0.3, "snd": 0.2}, mean=0.6),
        cell("Exp.2", "TCA", {"entropy": 0.2, "snd": 0.1}, mean=0.6),
        cell("Exp.2", "SA", {"entropy": 0.0, "snd": 0.1}, mean=0.6),
    ]
    ranking = rank_rules(cells)
    snd, entropy, chance = ranking.rules
    assert (snd.rule, entropy.rule, chance.rule) == ("snd", "entropy", RANDOM)
    assert snd.loss == pytest.approx(0.1)
    assert entropy.loss == pytest.approx(0.15)
    assert chance.loss == pytest.approx(0.2)
    # Ranks by hand: snd is first three times, second once.
    assert (snd.rank, entropy.rank) == (1.25, 1.75)
    assert (snd.hits, entropy.hits, chance.hits) == (1, 1, 0)
    assert entropy.by_method == pytest.approx({"TCA": 0.15, "SA": 0.15})
    assert (ranking.n_cells, ranking.tasks, ranking.methods) == (
        4,
        ("Exp.1", "Exp.2"),
        ("TCA", "SA"),
    )
    # Two tasks drawn anew: means of 0.1 and 0.1, of 0.2 and 0.1; ends are those of one task alone.
    assert (snd.low, snd.high) == pytest.approx((0.1, 0.1))
    assert (entropy.low, entropy.high) == pytest.approx((0.1, 0.2))


def test_a_rule_with_little_input_is_left_out_and_cells_without_a_choice_do_not_count():
    cells = [
        cell("Exp.1", "TCA", {"snd": 0.1, "reverse": 0.0}),
        cell("Exp.2", "TCA", {"snd": 0.1}, lacks=("reverse",)),
        cell("Exp.3", "TCA", {"snd": 0.1}, lacks=("reverse",)),
        cell("Exp.3", "Baseline", {"snd": 0.0, "reverse": 0.0}, n_settings=1),
    ]
    ranking = rank_rules(cells)
    assert [row.rule for row in ranking.rules] == ["snd", RANDOM]
    assert ranking.n_cells == 3
    assert ranking.left_out == {"reverse": "no input"}
    assert rank_rules(cells[-1:]) is None
    assert rank_rules([]) is None


def test_one_task_gives_no_interval():
    alone = rank_rules([cell("Exp.1", m, {"snd": 0.1}) for m in ("TCA", "SA")])
    assert [row.interval for row in alone.rules] == ["-", "-"]
    both = rank_rules([cell(task, "TCA", {"snd": 0.1}) for task in ("Exp.1", "Exp.2")])
    assert both.rules[0].interval == "0.1000 to 0.1000"


def test_the_text_says_what_is_compared_over_what():
    y = labels("smic_nir")
    # The third setting predicts as many of each class as the source has, and most of them wrong.
    balanced = np.r_[y[30:], y[:30]]
    predictions = np.stack([y, np.zeros_like(y), balanced])
    made = [record(t, predictions=predictions if t == 5 else None) for t in (5, 6)]
    rules: list[Rule] = [each() for each in RULES.values()]
    text = rules_text(made, rules)
    assert "over 2 cells (TCA) on 2 of 12 tasks" in text
    assert text.index("class_balance") < text.index(RANDOM)
    assert "Not compared: source_cv, importance_weighted, dev, reverse (not recorded; a run" in text
    assert "entropy, infomax, snd (not recorded)" in text
    lost = rank_rules(cells_of(made, [rule("oracle"), rule("class_balance")]))
    assert f"{lost.rules[0].loss:.4f}" in text
    synthetic = [record(5, predictions=predictions, synthetic=True)]
    assert "SYNTHETIC DATA" in rules_text(synthetic, rules)


def test_a_rule_with_its_input_in_half_of_the_cells_decides_what_is_compared():
    cells = [
        cell("Exp.1", "TCA", {"snd": 0.1, "reverse": 0.02}),
        cell("Exp.2", "SA", {"snd": 0.3}, lacks=("reverse",)),
    ]
    ranking = rank_rules(cells)
    assert [row.rule for row in ranking.rules] == ["reverse", "snd", RANDOM]
    # Of the other cell reverse says nothing, so no rule is judged there.
    assert (ranking.n_cells, ranking.methods) == (1, ("TCA",))
    assert ranking.rules[1].loss == pytest.approx(0.1)
    # Something is lost, if little.
    assert ranking.rules[0].hits == 0


def test_losses_are_told_for_each_method_and_the_mean_loss_orders_the_rules():
    cells = [
        cell("Exp.1", "TCA", {"snd": 0.0, "entropy": 0.1}),
        cell("Exp.2", "TCA", {"snd": 0.0, "entropy": 0.1}),
        cell("Exp.3", "SA", {"snd": 0.6, "entropy": 0.1}),
    ]
    entropy, snd, _ = rank_rules(cells).rules
    # snd is first on two cells of three, and yet loses more.
    assert (entropy.rule, snd.rule) == ("entropy", "snd")
    assert (entropy.rank, snd.rank) == pytest.approx((5 / 3, 4 / 3))
    assert snd.by_method == pytest.approx({"TCA": 0.0, "SA": 0.6})


def test_tasks_are_drawn_with_equal_chances_however_many_cells_they_have():
    cells = [cell("Exp.1", "TCA", {"snd": 1.0})]
    cells += [cell("Exp.2", f"method {i}", {"snd": 0.0}) for i in range(60)]
    snd = rank_rules(cells).rules[0]
    # Both draws of two may be Exp.1, one time in four.
    assert (snd.low, snd.high) == (0.0, 1.0)


def test_a_setting_at_random_loses_what_one_draw_does_from_a_large_grid():
    y = labels("smic_nir")
    grid = np.stack([y, *[np.zeros_like(y)] * 11])
    scores = np.zeros((12, 71, 3), np.float32)
    made = record(5, predictions=grid, scores=scores)
    ranking = rank_rules(cells_of([made], [rule("oracle"), rule("entropy")]))
    by_hand = 1 - (1 + 11 * 2 * 23 / (71 + 23) / 3) / 12
    assert ranking.rules[-1].loss == pytest.approx(by_hand)


def test_one_generated_database_marks_the_text_and_rules_without_input_are_named():
    y = labels("smic_nir")
    grid = np.stack([y, np.r_[y[30:], y[:30]]])
    made = [record(5, predictions=grid), record(6, predictions=grid, synthetic=True)]
    rules = [rule("oracle"), rule("class_balance")]
    assert "SYNTHETIC DATA" in rules_text(made, rules)
    scores = np.zeros((3, 71, 3), np.float32)
    cells = cells_of([record(5, scores=scores), record(6)], [rule("oracle"), rule("entropy")])
    summaries = summarize_rules(cells)
    (entropy,) = [s for s in summaries if s.rule == "entropy"]
    assert entropy.settings == 3
    notes = rules_notes(summaries, [rule("oracle"), rule("entropy")], ["oracle"])
    assert "Not shown, because what they need was not recorded: entropy." in notes


def test_the_gap_of_a_rule_is_the_mean_over_its_tasks():
    cells = [cell("Exp.1", "TCA", {"snd": 0.1}), cell("Exp.2", "TCA", {"snd": 0.3})]
    (snd,) = [s for s in summarize_rules(cells) if s.rule == "snd"]
    assert (snd.gap, snd.mean_f1) == pytest.approx((0.2, 0.6))


def test_a_small_loss_is_a_loss():
    gaps = ({"entropy": 0.001}, {"entropy": 0.0})
    ranking = rank_rules(
        [cell("Exp.1", m, gap) for m, gap in zip(("TCA", "SA"), gaps, strict=True)]
    )
    assert ranking.rules[0].hits == 1


def test_settings_without_a_criterion_are_not_drawn():
    class Mine(Rule):
        name = "mine"

        def criterion(self, record):
            return np.array([np.nan, 2.0, 1.0])

    made = record(5)
    (line,) = curves([Cell(made, {"mine": Choice("mine", 1, 0.8, 80.0, 0.0)}, {})], [Mine()])[
        "mine"
    ]
    f1 = [f1_score(made.y_target, p, average="macro") for p in made.predictions]
    assert line.values[:, 0] == pytest.approx([(f1[1] + f1[2]) / 2, f1[1], f1[1]])
