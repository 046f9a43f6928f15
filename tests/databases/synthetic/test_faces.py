"""The face moves as the Facial Action Coding System says."""

import numpy as np
import pytest

from cdmer_bench.databases.synthetic.faces import (
    ASSET,
    IDENTITY_LIMIT,
    PHENOTYPES,
    load_face_model,
    make_subject,
)


@pytest.fixture(scope="module")
def model():
    return load_face_model()


def brow(model, inner):
    """Indices of the vertices of the left brow's inner or outer half."""
    along = model.vertices[:, 0]
    _, y, z = (model.vertices - model.eyes[0]).T
    across = (along > 0.08) & (along < 0.2) if inner else (along > 0.32) & (along < 0.45)
    return np.flatnonzero(across & (y > 0.10) & (y < 0.2) & (z > -0.1))


def test_asset_is_small_and_carries_its_licence():
    assert ASSET.stat().st_size < 500_000
    assert "CC0" in ASSET.with_name("face_LICENSE.txt").read_text()


def test_the_mean_face_is_symmetric(model):
    left, right = model.eyes
    np.testing.assert_allclose(left * (-1, 1, 1), right, atol=1e-6)
    assert 0.5 < left[0] - right[0] < 0.65


def corner(model, side):
    return model.rims["lip_upper"][-1 if side == "L" else 0]


def middle(rim):
    return rim[len(rim) // 2]


@pytest.mark.parametrize("side", ["L", "R"])
def test_smile_moves_the_mouth_corner_up_and_out(model, side):
    move = model.express({"12" + side: 1.0})[corner(model, side)]
    outwards = move[0] if side == "L" else -move[0]
    assert move[1] > 0.02
    assert outwards > 0.02
    other = model.express({"12" + side: 1.0})[corner(model, "R" if side == "L" else "L")]
    assert np.linalg.norm(other) < 0.25 * np.linalg.norm(move)


def test_depressor_moves_the_mouth_corner_down(model):
    assert model.express({"15L": 1.0})[corner(model, "L")][1] < -0.01


def test_brow_units(model):
    inner, outer = brow(model, inner=True), brow(model, inner=False)
    height = {u: model.express({u + "L": 1.0})[:, 1] for u in ("1", "2", "4")}
    assert height["1"][inner].mean() > 0.02
    assert height["2"][outer].mean() > 0.02
    assert height["4"][inner].mean() < -0.01
    assert height["1"][inner].mean() > 2 * height["1"][outer].mean()
    assert height["2"][outer].mean() > 2 * height["2"][inner].mean()


def test_blink_closes_the_eye_and_the_upper_lid_raiser_opens_it(model):
    upper, lower = middle(model.rims["lid_L_upper"]), middle(model.rims["lid_L_lower"])
    opening = model.vertices[upper, 1] - model.vertices[lower, 1]

    def change(unit):
        move = model.express({unit: 1.0})
        return move[upper, 1] - move[lower, 1]

    assert opening > 0.05
    assert opening + change("45L") < 0.1 * opening
    assert change("5L") > 0.1 * opening
    assert change("7L") < -0.1 * opening


@pytest.mark.parametrize("unit", ["25", "26"])
def test_lips_part(model, unit):
    upper, lower = middle(model.rims["lip_upper"]), middle(model.rims["lip_lower"])
    move = model.express({unit + "L": 1.0, unit + "R": 1.0})
    assert move[upper, 1] - move[lower, 1] > 0.02


def test_units_that_move_both_sides_are_split_without_loss(model):
    halves = model.express({"26L": 1.0, "26R": 1.0})
    left = model.express({"26L": 1.0})
    far = model.vertices[:, 0] > 0.2
    np.testing.assert_allclose(left[far], halves[far], atol=0.01 * np.abs(halves).max())


def test_subjects_stay_within_the_limits_and_differ():
    first, second = (make_subject(0, "smic", name) for name in ("s1", "s2"))
    modes = [mode for mode in first.identity if mode not in PHENOTYPES]
    values = np.array([[s.identity[m] for m in modes] for s in (first, second)])
    assert np.abs(values).max() <= IDENTITY_LIMIT
    assert 0.15 < values.std() < 0.35
    assert abs(np.corrcoef(values)[0, 1]) < 0.4
    assert sum(first.identity[p] for p in PHENOTYPES) == pytest.approx(1)
    assert make_subject(0, "smic", "s1").identity == first.identity
