"""Augmented clips against plain temporal interpolation; the split keeps clips apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdmer_bench.errors import UserError
from cdmer_bench.preprocessing import tim

pytest.importorskip("torch", reason="fine-tuning needs torch")

from cdmer_bench.descriptors.c3d.training import (
    augmented,
    drawn_frames,
    split_by_clip,
)

PAPER = [0] * 70 + [1] * 51 + [2] * 43  # SMIC-HS


@pytest.mark.parametrize("n_frames", [1, 2, 7, 34, 200])
def test_a_variant_is_sixteen_frames_of_the_interpolated_clip(n_frames):
    clip = np.random.default_rng(0).uniform(0, 255, (n_frames, 5, 6))
    whole = tim(clip, 160)
    wanted = drawn_frames(3, 8, seed=1)
    assert np.allclose(augmented(clip, 3, 8, 1), whole[wanted], atol=1e-9)


def test_one_frame_of_each_segment_of_ten_is_drawn_evenly():
    drawn = np.array([drawn_frames(c, v, 0) for c in range(40) for v in range(40)])
    assert np.array_equal(drawn // 10, np.tile(np.arange(16), (1600, 1)))
    counts = np.array([np.bincount(column % 10, minlength=10) for column in drawn.T])
    assert counts.min() > 100  # 160 expected in each of 16 x 10 places; 100 is five deviations off
    assert counts.max() < 220
    assert not np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn_frames(0, 0, 0), drawn_frames(0, 0, 1))


def test_the_papers_numbers():
    split = split_by_clip(PAPER, 3350, 800, 0)
    assert len(split.training) == 2550
    assert len(split.validation) == 800
    clips = {side: set(pairs[:, 0].tolist()) for side, pairs in vars(split).items()}
    assert len(clips["validation"]) == round(164 * 800 / 3350) == 39
    assert not clips["training"] & clips["validation"]
    held = np.bincount([PAPER[c] for c in clips["validation"]])
    assert np.abs(held - 39 * np.array([70, 51, 43]) / 164).max() < 1
    for pairs in (split.training, split.validation):
        assert len({tuple(p) for p in pairs.tolist()}) == len(pairs)
        uses = np.bincount(pairs[:, 0])
        assert set(uses[uses > 0].tolist()) <= {20, 21}


@settings(max_examples=60)
@given(
    labels=st.lists(st.integers(0, 3), min_size=6, max_size=60),
    n_total=st.integers(10, 200),
    share=st.floats(0, 0.6),
    seed=st.integers(0, 9),
)
def test_no_clip_is_on_both_sides(labels, n_total, share, seed):
    n_validation = int(share * n_total)
    try:
        split = split_by_clip(labels, n_total, n_validation, seed)
    except UserError:
        assert n_validation > 0
        return
    assert len(split.training) == n_total - n_validation
    assert len(split.validation) == n_validation
    sides = set(split.training[:, 0].tolist()), set(split.validation[:, 0].tolist())
    assert not sides[0] & sides[1]
    again = split_by_clip(labels, n_total, n_validation, seed)
    assert np.array_equal(split.training, again.training)


def test_a_single_clip_held_out_is_of_the_largest_class():
    for seed in range(5):
        split = split_by_clip([1, 1] + [0] * 20, 22, 1, seed)
        assert split.validation[:, 0].tolist()[0] >= 2


def test_a_class_without_training_clips_is_refused():
    with pytest.raises(UserError, match="every clip of a class"):
        split_by_clip([0, 0, 0, 1], 10, 8, 0)
